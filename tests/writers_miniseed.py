"""Synthetic miniSEED of whole counts, and the StationXML that tells what a count is."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from tng.readers.options import Options

SENSITIVITY = 427_894.0         # counts per m/s²
QUANTISATION_GAL = 100 / SENSITIVITY
START = "2020-01-02T03:04:05.5"
NETWORK, STATION = "XX", "TST1"


def write(folder, data, rate_hz: float = 100.0, channels=("HNE", "HNN", "HNZ"), counts_per_gal: float | None = None,
          xml: bool = True, name: str = "XX.TST1.mseed", **changes) -> list[Path]:
    """One file with three channels (E, N, Z) from `data` (3, samples) in gal; StationXML beside it (see `options`).

    `changes` go to `stationxml`.
    """
    import obspy

    factor = SENSITIVITY / 100 if counts_per_gal is None else counts_per_gal
    stream = obspy.Stream([obspy.Trace(np.rint(samples * factor).astype(np.int32), {
        "network": NETWORK, "station": STATION, "channel": channel, "sampling_rate": rate_hz,
        "starttime": obspy.UTCDateTime(START)}) for samples, channel in zip(np.asarray(data), channels)])
    file = Path(folder, name)
    stream.write(str(file), format="MSEED", reclen=512)
    if xml:
        stationxml(folder, rate_hz, channels, **changes)
    return [file]


def options(folder, **more) -> Options:
    """Options with the StationXML that `write` leaves beside its file."""
    return Options(stationxml=(Path(folder, "XX.TST1.xml"),), **more)


def stationxml(folder, rate_hz: float = 100.0, channels=("HNE", "HNN", "HNZ"), directions=((90, 0), (0, 0), (0, -90)),
               sensitivity: float = SENSITIVITY, units: str = "M/S**2", stages: str | None = None, since="2010-01-01", until=None,
               name: str = "XX.TST1.xml") -> Path:
    """One station; `directions` are (azimuth, dip) of each channel; `stages`: None, 'flat', 'velocity' or 'wrong'."""
    import obspy
    from obspy.core.inventory import Channel, Inventory, Network, Station

    epoch = {"start_date": obspy.UTCDateTime(since), "end_date": until and obspy.UTCDateTime(until)}
    made = [Channel(code, "", latitude=38.25, longitude=43.5, elevation=66.0, depth=0.0, azimuth=azimuth, dip=dip,
                    sample_rate=rate_hz, response=_response(sensitivity, units, stages), **epoch)
            for code, (azimuth, dip) in zip(channels, directions)]
    station = Station(STATION, latitude=38.25, longitude=43.5, elevation=66.0, channels=made, **epoch)
    file = Path(folder, name)
    Inventory([Network(NETWORK, stations=[station])], source="synthetic").write(str(file), format="STATIONXML")
    return file


def _response(sensitivity: float, units: str, stages: str | None):
    from obspy.core.inventory.response import InstrumentSensitivity, Response

    if stages is None:
        return Response(instrument_sensitivity=InstrumentSensitivity(sensitivity, 1.0, units, "COUNTS"))
    if stages == "velocity":      # a seismometer of 30 s, damped 0.7
        zeros, poles = [0, 0], [-0.1481 + 0.1481j, -0.1481 - 0.1481j]
    else:                         # a force-balance accelerometer of 220 Hz
        zeros, poles = [], [-981 + 1009j, -981 - 1009j]
    s = 2j * np.pi
    at_1_hz = abs(np.prod([s - zero for zero in zeros]) / np.prod([s - pole for pole in poles]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # ObsPy tries units of cm before it is told the sensitivity
        made = Response.from_paz(zeros, poles, stage_gain=sensitivity, stage_gain_frequency=1.0, input_units=units,
                                 output_units="COUNTS", normalization_frequency=1.0, normalization_factor=1 / at_1_hz)
    made.instrument_sensitivity = InstrumentSensitivity(sensitivity * (10 if stages == "wrong" else 1), 1.0, units, "COUNTS")
    return made
