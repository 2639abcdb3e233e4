"""AFAD records as text of the former national network (NSMN): a header of `KEY : VALUE`, then three columns.

Traps: the columns are N-S, E-W, U-D; the text is 8-bit Turkish; the earthquake's date is written
``YYYY/MM/DD``, the record's ``DD/MM/YYYY``.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timezone

import numpy as np

from tng.readers.options import Options
from tng.records import RATES_HZ, ComponentError, DataError, FormatError, Record, SamplingError, UnitsError, check_pga
from tng.sources import RawFile

NAME = "afad-text"
DESCRIPTION = "AFAD NSMN text (STRONG GROUND MOTION RECORDS OF TURKIYE, columns N-S, E-W, U-D)"
LICENCE = "AFAD waveform under AFAD copyright; no redistribution permission known"

SIGNATURE = b"STRONG GROUND MOTION RECORDS OF T"
HEADER_LINES = 40  # real ones have 18
LARGEST_BYTES = 48 << 20  # an hour at 200 Hz takes 30 MB
MOST_ROWS = 1_000_000
AXES = {"N-S": "N", "E-W": "E", "U-D": "Z", "N": "N", "E": "E", "U": "Z", "Z": "Z"}


def sniff(head: bytes, name: str) -> bool:
    """Whether a file starts with the network's title, perhaps after a byte-order mark."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(SIGNATURE)


def read(file: RawFile, options: Options) -> list[Record]:
    """Read one file.

    Raises
    ------
    FormatError, UnitsError, ComponentError, SamplingError, HeaderMismatchError, DataError
        All name the file and say what was found.
    """
    raw = file.read()
    if len(raw) > LARGEST_BYTES:
        raise FormatError(f"{file.name}: {len(raw) >> 20} MB of text, more than any record of an earthquake; cut it first")
    *lines, rest = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n", HEADER_LINES)
    header, body_at, axes = _header([_decode(line) for line in lines], file.name)
    columns = _columns(b"\n".join([*lines[body_at:], rest]), header, file.name)
    rate_hz = _sampling_rate(header, file.name)
    pga, unit = _stated_pga(header, file.name)
    station, event = _station_and_event(header, file)

    meta = _meta(header)
    meta.update(
        station_network_code="TK",
        trace_category="earthquake",
        trace_component_order_source="".join(axes).replace("Z", "U"),
        trace_units_declared=f"{unit} (header)",
        trace_processing="RAW by its header; nearly demeaned",
        trace_source_file=file.name,
        trace_source_format=NAME,
        trace_source_sha256=hashlib.sha256(raw).hexdigest(),
        trace_license=LICENCE,
    )
    data = columns.T[[axes.index(component) for component in "ENZ"]]
    record = Record(data, rate_hz, station, event, meta)
    check_pga(record, [pga[component] for component in "ENZ"])
    record.meta["trace_pga_header_checked"] = True
    return [record]


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1254", errors="replace")  # only place names are not ASCII, and they are cosmetic


def _header(lines: list[str], name: str) -> tuple[dict[str, str], int, list[str]]:
    """Keys and values, the number of the first data line, and the columns' components."""
    header = {}
    for number, line in enumerate(lines):
        titles = line.split()
        if titles and all(title in AXES for title in titles):
            axes = [AXES[title] for title in titles]
            if sorted(axes) != ["E", "N", "Z"]:
                raise ComponentError(f"{name}: {len(axes)} components ({', '.join(titles)}); N-S, E-W and U-D are needed, "
                                     "each once")
            return header, number + 1, axes
        key, colon, value = line.partition(":")
        if colon:
            header[key.strip().upper()] = value.strip()
    raise FormatError(f"{name}: no line of column titles (N-S E-W U-D) in the first {HEADER_LINES} lines; the header is "
                      "damaged or cut off")


def _columns(body: bytes, header: dict, name: str) -> np.ndarray:
    """The samples, shape (rows, 3), in the file's order."""
    if body.count(b"\n") > MOST_ROWS:
        raise DataError(f"{name}: more than {MOST_ROWS} rows of data; cut it to the event first")
    rows = [line for line in body.decode("latin-1").split("\n") if line.strip()]
    stated = header.get("NUMBER OF DATA", "")
    if not re.fullmatch(r"\d{1,9}", stated) or int(stated) != len(rows):
        raise FormatError(f"{name}: {len(rows)} rows of data, but NUMBER OF DATA says {stated[:40] or 'nothing'}; the file is "
                          "incomplete or its header is wrong")
    if not rows:
        raise FormatError(f"{name}: no rows of data")
    try:
        columns = np.loadtxt(rows, dtype=np.float64, comments=None, ndmin=2)
    except ValueError as error:
        raise FormatError(f"{name}: a row of data cannot be read: {error}") from error
    if columns.shape[1] != 3:
        raise ComponentError(f"{name}: {columns.shape[1]} columns of data; three are needed")
    return columns


def _sampling_rate(header: dict, name: str) -> float:
    stated = header.get("SAMPLING INTERVAL (SEC)", "")
    dt_s = _number(stated)
    if not (np.isfinite(dt_s) and 1 / RATES_HZ[1] <= dt_s <= 1 / RATES_HZ[0]):
        raise SamplingError(f"{name}: SAMPLING INTERVAL (sec) is {stated or 'missing'}; between {1 / RATES_HZ[1]} and "
                            f"{1 / RATES_HZ[0]:g} s is needed")
    return round(1 / dt_s, 9)


def _stated_pga(header: dict, name: str) -> tuple[dict[str, float], str]:
    """Peaks by component, and the unit they and the data are in."""
    key = next((key for key in header if key.startswith("RAW PGA VALUES")), "")
    unit = key.partition("(")[2].rstrip(")").lower()
    if unit != "gal":
        raise UnitsError(f"{name}: the line RAW PGA VALUES (gal) declares the unit, but it "
                         + (f"says {unit or 'none'!r}" if key else "is missing"))
    stated = {AXES.get(label.strip()): _number(value) for label, value in re.findall(r"\(([^)]*)\)\s*(\S+)", header[key])}
    if set(stated) != {"E", "N", "Z"} or not np.isfinite(list(stated.values())).all():
        raise FormatError(f"{name}: RAW PGA VALUES holds {header[key]!r}; three numbers after (N-S), (E-W), (U-D) are needed")
    return stated, unit


def _station_and_event(header: dict, file: RawFile) -> tuple[str, str]:
    """From the header; from a name YYYYMMDDHHMMSS_SSSS.txt where the header is silent."""
    named = re.fullmatch(r"(\d{14})_(\d{1,4})", file.base.rpartition(".")[0] or file.base)
    stated = header.get("STATION ID", "")
    station = stated if re.fullmatch(r"[A-Za-z0-9]{1,5}", stated) else named and named[2]
    origin = _time(header.get("EARTHQUAKE DATE", ""))
    event = f"{origin:%Y%m%d%H%M%S}" if origin else named and named[1]
    if not (station and event):
        raise FormatError(f"{file.name}: neither header nor name tell the {'earthquake date' if station else 'station'}; "
                          "give the file its original name YYYYMMDDHHMMSS_SSSS.txt")
    return station.zfill(4), event


def _meta(header: dict) -> dict:
    magnitude, _, magnitude_type = header.get("EARTHQUAKE MAGNITUDE", "").partition(" ")
    source = _coordinates(header.get("EPICENTER COORDINATES", ""))
    site = _coordinates(header.get("STATION COORDINATES", ""))
    meta = {
        "source_magnitude": _number(magnitude),
        "source_magnitude_type": magnitude_type.strip(),
        "source_depth_km": _number(header.get("EARTHQUAKE DEPTH (KM)", "")),
        "source_latitude_deg": source[0],
        "source_longitude_deg": source[1],
        "station_name": header.get("PLACE", ""),
        "station_latitude_deg": site[0],
        "station_longitude_deg": site[1],
        "station_elevation_m": _number(header.get("STATION ALTITUDE (M)", "")),
        "station_vs30_mps": np.nan,
    }
    for name, key in (("source_origin_time", "EARTHQUAKE DATE"), ("trace_start_time", "RECORD TIME")):
        time = _time(header.get(key, ""))
        if time:
            meta[name] = time.isoformat().replace("+00:00", "Z")
    return meta


def _time(text: str) -> datetime | None:
    """`YYYY/MM/DD HH:MM:SS` or `DD/MM/YYYY HH:MM:SS.ffffff`, always GMT; None if it is neither."""
    plain = text.replace("(GMT)", "").strip()
    for style in ("%Y/%m/%d %H:%M:%S", "%d/%m/%Y %H:%M:%S"):
        for fraction in ("", ".%f"):
            try:
                return datetime.strptime(plain, style + fraction).replace(tzinfo=timezone.utc)
            except ValueError:
                continue
    return None


def _coordinates(text: str) -> tuple[float, float]:
    """`36.91980N-27.44350E` as latitude and longitude [degrees], NaN where unreadable."""
    match = re.fullmatch(r"\s*(\d+\.?\d*)\s*([NS])\s*-\s*(\d+\.?\d*)\s*([EW])\s*", text)
    if not match:
        return np.nan, np.nan
    return (float(match[1]) * (1 if match[2] == "N" else -1), float(match[3]) * (1 if match[4] == "E" else -1))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan
