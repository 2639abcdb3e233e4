"""K-NET and KiK-net ASCII of NIED: one component a file, counts with a scale factor; ObsPy reads the samples.

Traps: times are Japanese (UTC+9), and Record Time holds a delay of 15 s; the counts have a large offset, which is not
acceleration; of KiK-net's two sensors (Dir. 1–3 in the borehole, 4–6 at the surface: N-S, E-W, U-D) only the surface
one is taken.  ObsPy's parser does not accept a blank value anywhere, so it is handed a header with what it needs.
"""

from __future__ import annotations

import hashlib
import io
import re
from datetime import datetime, timedelta, timezone

import numpy as np

from tng.channels import Channel, azimuth_of, check_peak, iso
from tng.readers.options import Options
from tng.records import RATES_HZ, ComponentError, DataError, FormatError, SamplingError, UnitsError
from tng.sources import RawFile

NAME = "knet"
DESCRIPTION = "K-NET and KiK-net ASCII (NIED), one component a file; the surface sensor of KiK-net"
LICENCE = "NIED K-NET/KiK-net: redistribution of the waveform files is forbidden by NIED"
NETWORK = "BO"                  # of the Bosai-ken, as ObsPy calls it

SIGNATURE = b"Origin Time"
LARGEST_BYTES = 8 << 20         # 10 minutes at 200 Hz take 1 MB
MOST_ROWS = 250_000             # of eight samples
HEADER_LINES = 30               # real ones have 17
JST = timedelta(hours=9)
DELAY = timedelta(seconds=15)   # of the logger, in Record Time
KIKNET = {"1": "N-S", "2": "E-W", "3": "U-D", "4": "N-S", "5": "E-W", "6": "U-D"}
BOREHOLE = "123"
RESOLUTION_GAL = 0.001          # of Max. Acc.
KEYS = {"origin": r"Origin\s*Time", "station_latitude": r"Station\s*Lat\.?", "station_longitude": r"Station\s*Long\.?",
        "station_height": r"Station\s*Height\s*\(m\)", "station": r"Station\s*Code", "latitude": r"Lat\.?",
        "longitude": r"Long\.?", "depth": r"Depth\.?\s*\(km\)", "magnitude": r"Mag\.?", "record": r"Record\s*Time",
        "rate": r"Sampling\s*Freq\.?\s*\(Hz\)", "duration": r"Duration\s*Time\s*\(s\)", "direction": r"Dir\.?",
        "scale": r"Scale\s*Factor", "peak": r"Max\.?\s*Acc\.?\s*\(gal\)", "correction": r"Last\s*Correction", "memo": r"Memo\.?"}


def sniff(head: bytes, name: str) -> bool:
    """Whether a file starts with the line Origin Time and soon names a station and a scale factor."""
    plain = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return plain.startswith(SIGNATURE) and b"Station Code" in plain and b"Record Time" in plain


def group(head: bytes, name: str) -> tuple[str, float | None] | None:
    """Files of one station, recording and sensor (surface or borehole)."""
    header, _ = _header(head)
    start = _start(header)
    if start is None or not header.get("station"):
        return None
    sensor = "borehole" if header.get("direction", "") in tuple(BOREHOLE) else "surface"
    return f"{header['station']} {start:%Y%m%d%H%M%S} {sensor}", start.timestamp()


def read(file: RawFile, options: Options) -> list[Channel]:
    """Read the component in a file.

    Raises
    ------
    FormatError, UnitsError, SamplingError, ComponentError, HeaderMismatchError, DataError
        All name the file and say what was found.
    """
    raw, name = file.read(), file.name
    if len(raw) > LARGEST_BYTES:
        raise DataError(f"{name}: {len(raw) >> 20} MB, more than an hour of K-NET; cut it to the event first")
    header, body_at = _header(raw)
    label, azimuth = _direction(header, name)
    rate_hz, gal_per_count = _rate(header, name), _scale(header, name)
    if not re.fullmatch(r"\w{1,10}", header.get("station", "")):
        raise FormatError(f"{name}: its Station Code is {header.get('station', '') or 'missing'!r}")
    counts, start = _samples(raw[body_at:], header, rate_hz, name)
    # The offset is the instrument's; the header's peak is that of the demeaned samples.
    samples = (counts - counts.mean()) * gal_per_count
    origin = _time(header.get("origin", ""))
    channel = Channel(samples, rate_hz, header["station"], azimuth, label, name, hashlib.sha256(raw).hexdigest(), start,
                      f"{origin - JST:%Y%m%d%H%M%S}" if origin else "", meta=_meta(header))
    _check_peak(channel, header)
    return [channel]


def _header(raw: bytes) -> tuple[dict[str, str], int]:
    """Values by our names, and where the samples begin."""
    header: dict[str, str] = {}
    place = 3 if raw.startswith(b"\xef\xbb\xbf") else 0
    for line in raw[place:16_384].splitlines(keepends=True)[:HEADER_LINES]:
        text = line.decode("utf-8", "replace").strip()
        key = next((key for key, title in KEYS.items() if re.match(title, text, re.IGNORECASE)), None)
        if key is None and text:
            break                                   # no Memo. line: the samples have begun
        if key:
            header.setdefault(key, re.sub(KEYS[key], "", text, count=1, flags=re.IGNORECASE).strip(" :\t"))
        place += len(line)
        if key == "memo":
            break
    return header, place


def _direction(header: dict, name: str) -> tuple[str, float | None]:
    stated = header.get("direction", "").upper()
    if stated in tuple(BOREHOLE):
        raise ComponentError(f"{name}: Dir. {stated} is KiK-net's sensor in the borehole; the surface set (Dir. 4–6: files .NS2, "
                             ".EW2, .UD2) is used")
    label = KIKNET.get(stated, stated)
    if label not in ("N-S", "E-W", "U-D", "NS", "EW", "UD"):
        raise ComponentError(f"{name}: its Dir. is {stated or 'missing'!r}; N-S, E-W, U-D or 4–6 are known")
    return label, azimuth_of(label)


def _rate(header: dict, name: str) -> float:
    stated = header.get("rate", "")
    number = re.fullmatch(r"(\d{1,6}(?:\.\d*)?)\s*(?:HZ)?", stated, re.IGNORECASE)
    if not number or not RATES_HZ[0] <= float(number[1]) <= RATES_HZ[1]:
        raise SamplingError(f"{name}: Sampling Freq(Hz) is {stated or 'missing'!r}; between {RATES_HZ[0]} and "
                            f"{RATES_HZ[1]} Hz is needed")
    return float(number[1])


def _scale(header: dict, name: str) -> float:
    """Gal in one count: ``3920(gal)/6182761``."""
    stated = header.get("scale", "")
    match = re.fullmatch(r"(\d{1,9}(?:\.\d*)?)\s*\(gal\)\s*/\s*(\d{1,12}(?:\.\d*)?)", stated, re.IGNORECASE)
    if not match or not float(match[1]) > 0 or not float(match[2]) > 0:
        raise UnitsError(f"{name}: Scale Factor is {stated or 'missing'!r}; it must be like 3920(gal)/6182761")
    return float(match[1]) / float(match[2])


def _samples(body: bytes, header: dict, rate_hz: float, name: str) -> tuple[np.ndarray, datetime]:
    """Counts, and the time of the first (UTC), both by ObsPy."""
    import obspy

    if body.strip(b"0123456789+-.eE \t\r\n"):
        raise FormatError(f"{name}: its samples hold something that is not a number; the file is damaged")
    if body.count(b"\n") > MOST_ROWS:
        raise DataError(f"{name}: more than {MOST_ROWS} rows of samples; cut it to the event first")
    rows = [count for count in (len(line.split()) for line in io.BytesIO(body)) if count]
    uneven = next((number for number, count in enumerate(rows[:-1]) if count != rows[0]), None)
    if uneven is not None or rows and rows[-1] > rows[0]:
        number = len(rows) - 1 if uneven is None else uneven
        raise FormatError(f"{name}: row {number + 1} of its samples holds {rows[number]} numbers, the first {rows[0]}; the file "
                          "is damaged")
    record = _time(header.get("record", ""))
    if record is None:
        raise FormatError(f"{name}: its Record Time is {header.get('record', '') or 'missing'!r}; YYYY/MM/DD hh:mm:ss is needed")
    try:
        trace = obspy.read(io.BytesIO(_plain_header(record) + body), format="KNET")[0]
        counts = np.asarray(trace.data, dtype=np.float64)
    except Exception as error:  # ObsPy's parser raises errors of many kinds
        raise FormatError(f"{name}: ObsPy cannot read its samples ({str(error)[:150]}); the file is damaged") from error
    if counts.size < 2 or not np.isfinite(counts).all():
        infinite = int((~np.isfinite(counts)).sum())
        raise FormatError(f"{name}: {counts.size} samples, {infinite} of them not finite; the file is damaged")
    duration = _number(header.get("duration", ""))
    if not np.isnan(duration) and not abs(counts.size - duration * rate_hz) < rate_hz:
        raise FormatError(f"{name}: {counts.size} samples, but {duration:g} s at {rate_hz:g} Hz are {duration * rate_hz:g}; the "
                          "file is incomplete or its header is wrong")
    if not body.endswith((b"\n", b"\r")) and counts.size != round(np.nan_to_num(duration) * rate_hz):
        raise FormatError(f"{name}: its last line is cut off; the file is incomplete")
    start = trace.stats.starttime.datetime.replace(tzinfo=timezone.utc)
    return counts, start + timedelta(microseconds=record.microsecond)


def _plain_header(record: datetime) -> bytes:
    """A header that ObsPy's parser accepts, with the one thing in it that is taken from there: the time."""
    return (f"Origin Time       2000/01/01 00:00:00\nLat.              0\nLong.             0\nDepth. (km)       0\n"
            f"Mag.              0\nStation Code      STA\nStation Lat.      0\nStation Long.     0\nStation Height(m) 0\n"
            f"Record Time       {record:%Y/%m/%d %H:%M:%S}\nSampling Freq(Hz) 100Hz\nDuration Time(s)  0\nDir.              N-S\n"
            f"Scale Factor      1(gal)/1\nMax. Acc. (gal)   0\nLast Correction   2000/01/01 00:00:00\n"
            "Memo.             \n").encode()


def _check_peak(channel: Channel, header: dict) -> None:
    stated = _number(header.get("peak", ""))
    if stated > 0:  # blank in some files
        check_peak(channel, stated, max(0.01, RESOLUTION_GAL / stated))


def _meta(header: dict) -> dict:
    origin = _time(header.get("origin", ""))
    meta = {
        "source_latitude_deg": _number(header.get("latitude", ""), 90),
        "source_longitude_deg": _number(header.get("longitude", ""), 360),
        "source_depth_km": _number(header.get("depth", "")),
        "source_magnitude": _number(header.get("magnitude", "")),
        "station_latitude_deg": _number(header.get("station_latitude", ""), 90),
        "station_longitude_deg": _number(header.get("station_longitude", ""), 360),
        "station_elevation_m": _number(header.get("station_height", "")),
        "station_network_code": NETWORK, "station_location_code": "", "station_vs30_mps": np.nan,
        "trace_category": "earthquake", "trace_units_declared": "gal (header)", "trace_source_format": NAME,
        "trace_license": LICENCE, "trace_processing": "mean of the whole record removed",
    }
    return {**meta, "source_origin_time": iso(origin - JST)} if origin else meta


def _start(header: dict) -> datetime | None:
    record = _time(header.get("record", ""))
    return None if record is None else (record - JST - DELAY).replace(tzinfo=timezone.utc)


def _time(text: str) -> datetime | None:
    """`YYYY/MM/DD hh:mm:ss`, perhaps with a fraction, as it stands; None if it is not one."""
    match = re.fullmatch(r"(\d{4}/\d{1,2}/\d{1,2})\s+(\d{1,2}:\d{1,2}:\d{1,2})(\.\d{1,6})?\d*", text.strip())
    try:
        whole = match and datetime.strptime(f"{match[1]} {match[2]}", "%Y/%m/%d %H:%M:%S")
    except ValueError:
        return None
    if not whole or not 1900 <= whole.year <= 2100:
        return None
    return whole + timedelta(microseconds=round(float(f"0{match[3] or '.0'}") * 1e6))


def _number(text: str, most: float = 1e9) -> float:
    """NaN where it is blank, unreadable or impossible."""
    try:
        value = float(text.split()[0])
    except (ValueError, IndexError):
        return np.nan
    return value if abs(value) <= most else np.nan
