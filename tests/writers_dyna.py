"""Synthetic DYNA files of a station that does not exist, in the dialects of ESM and of AFAD's TADAS."""

from __future__ import annotations

from pathlib import Path

import numpy as np

KEYS = """EVENT_NAME EVENT_ID EVENT_DATE_YYYYMMDD EVENT_TIME_HHMMSS EVENT_LATITUDE_DEGREE EVENT_LONGITUDE_DEGREE EVENT_DEPTH_KM
HYPOCENTER_REFERENCE MAGNITUDE_W MAGNITUDE_W_REFERENCE MAGNITUDE_L MAGNITUDE_L_REFERENCE FOCAL_MECHANISM NETWORK
STATION_CODE STATION_NAME STATION_LATITUDE_DEGREE STATION_LONGITUDE_DEGREE STATION_ELEVATION_M LOCATION SENSOR_DEPTH_M
VS30_M/S SITE_CLASSIFICATION_EC8 MORPHOLOGIC_CLASSIFICATION EPICENTRAL_DISTANCE_KM EARTHQUAKE_BACKAZIMUTH_DEGREE
DATE_TIME_FIRST_SAMPLE_YYYYMMDD_HHMMSS DATE_TIME_FIRST_SAMPLE_PRECISION SAMPLING_INTERVAL_S NDATA DURATION_S STREAM
UNITS INSTRUMENT INSTRUMENT_ANALOG/DIGITAL INSTRUMENTAL_FREQUENCY_HZ INSTRUMENTAL_DAMPING FULL_SCALE_G
N_BIT_DIGITAL_CONVERTER PGA_CM/S^2 TIME_PGA_S BASELINE_CORRECTION FILTER_TYPE FILTER_ORDER LOW_CUT_FREQUENCY_HZ
HIGH_CUT_FREQUENCY_HZ LATE/NORMAL_TRIGGERED DATABASE_VERSION HEADER_FORMAT DATA_TYPE PROCESSING
DATA_TIMESTAMP_YYYYMMDD_HHMMSS DATA_LICENSE DATA_CITATION DATA_CREATOR ORIGINAL_DATA_MEDIATOR_CITATION
ORIGINAL_DATA_MEDIATOR ORIGINAL_DATA_CREATOR_CITATION ORIGINAL_DATA_CREATOR USER1 USER2 USER3 USER4 USER5""".split()

COMMON = {
    "EVENT_LATITUDE_DEGREE": "38.1000", "EVENT_LONGITUDE_DEGREE": "23.5400", "EVENT_DEPTH_KM": "9.5", "MAGNITUDE_L": "4.6",
    "STATION_LATITUDE_DEGREE": "38.478360", "STATION_LONGITUDE_DEGREE": "22.495830", "STATION_ELEVATION_M": "570",
    "VS30_M/S": "688", "SITE_CLASSIFICATION_EC8": "B", "EPICENTRAL_DISTANCE_KM": "45.8", "UNITS": "cm/s^2",
    "BASELINE_CORRECTION": "BASELINE REMOVED", "FILTER_TYPE": "BUTTERWORTH", "HEADER_FORMAT": "DYNA 1.2",
    "ORIGINAL_DATA_CREATOR": "network: XX",
}
ESM = COMMON | {
    "EVENT_NAME": "NOWHERE", "EVENT_ID": "EMSC-20200101_0000001", "EVENT_DATE_YYYYMMDD": "20200101",
    "EVENT_TIME_HHMMSS": "000000",
    "MAGNITUDE_W": "5.1", "NETWORK": "XX", "STATION_CODE": "TST1", "STATION_NAME": "Test, nowhere", "LOCATION": "00",
    "EARTHQUAKE_BACKAZIMUTH_DEGREE": "114.4", "DATE_TIME_FIRST_SAMPLE_YYYYMMDD_HHMMSS": "20200101_000010.250",
    "DATE_TIME_FIRST_SAMPLE_PRECISION": "milliseconds", "INSTRUMENT": "sensor = S [1] | digitizer = D [2]",
    "FILTER_ORDER": "2", "LOW_CUT_FREQUENCY_HZ": "0.100", "HIGH_CUT_FREQUENCY_HZ": "30.000", "DATA_TYPE": "ACCELERATION",
    "DATA_LICENSE": "CC BY 4.0",
}
AFAD = COMMON | {
    "EVENT_NAME": "202001010000", "EVENT_ID": "3336", "EVENT_DATE_YYYYMMDD": "2020/01/01", "EVENT_TIME_HHMMSS": "00:00:00.75",
    "NETWORK": "TK", "STATION_CODE": "0208", "LOCATION": "HATAY_TEST_BAHCESI",
    "DATE_TIME_FIRST_SAMPLE_YYYYMMDD_HHMMSS": "01/01/2020 00:00:53.300", "DATE_TIME_FIRST_SAMPLE_PRECISION": "millisecond",
    "DATA_TYPE": "Acceleration", "DATA_LICENSE": "U (unknown license)", "DATA_CREATOR": "AFAD",
}


def lines(samples, component: str, rate_hz: float, dialect: str, per_line: int = 1, **changes) -> list[str]:
    """Header and body of one component; `changes` are values by key (None removes it), or functions of the component."""
    signed = samples[np.abs(samples).argmax()]
    header = dict.fromkeys(KEYS, "") | (ESM if dialect == "esm" else AFAD)
    header |= {"NDATA": str(len(samples)), "STREAM": f"HN{component}"}
    if dialect == "esm":
        header |= {"SAMPLING_INTERVAL_S": f"{1 / rate_hz:.6f}", "DURATION_S": f"{len(samples) / rate_hz:.3f}",
                   "PGA_CM/S^2": f"{signed:.6f}", "TIME_PGA_S": f"{np.abs(samples).argmax() / rate_hz:.6f}"}
    else:
        header |= {"SAMPLING_INTERVAL_S": f"{1 / rate_hz:g}", "PGA_CM/S^2": f"{abs(signed):.3f}"}
    for key, value in changes.items():
        header[key] = value(component) if callable(value) else value
    rows = [f"{value:.6f}" for value in samples]
    body = [" ".join(rows[at:at + per_line]) for at in range(0, len(rows), per_line)]
    return [f"{key}: {value}" for key, value in header.items() if value is not None] + body


def write(folder, data, rate_hz: float = 100.0, *, dialect: str = "esm", components: str = "ENZ", names=None, per_line: int = 1,
          end: str = "\n", encoding: str = "utf-8", **changes) -> list[Path]:
    """Write a record, a file a component.

    Parameters
    ----------
    data : array, shape (3, samples)
        E, N, Z in gal.
    dialect : str
        ``esm`` or ``afad``.
    components : str
        Which component each row of `data` is called, in this order.
    names : list of str, optional
        Of the files; by default those of the dialect.
    """
    written = []
    for at, (component, samples) in enumerate(zip(components, data)):
        if names:
            name = names[at]
        elif dialect == "esm":
            name = f"XX.TST1.00.HN{component}.D.20200101.000000.C.ACC.ASC"
        else:
            name = f"20200101000000_0208_ap_RawAcc_{component.replace('Z', 'U')}.asc"
        path = Path(folder, name)
        text = lines(np.asarray(samples), component, rate_hz, dialect, per_line, **changes)
        path.write_bytes((end.join(text) + end).encode(encoding))
        written.append(path)
    return written
