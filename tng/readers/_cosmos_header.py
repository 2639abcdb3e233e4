"""The header of one channel in the COSMOS format v1.20: lines of text, integers, reals, comments, and what they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np

from tng.channels import iso
from tng.readers._fortran import Form, Lines, edit_descriptor, take_values

SIGNATURE = re.compile(r"\(\s*Format\s+v\s*0?1\.\d+\s+with\s+(\d{1,2})\s+text\s+lines?\s*\)", re.I)
BLOCK = re.compile(r"\s*(\d{1,6})\s*(Integer|Real)-header values follow on\s+(\d{1,6})\s+lines?,?\s*Format\s*=?\s*(\(.*\))", re.I)
COMMENTS = re.compile(r"\s*(\d{1,4})\s*Comment line", re.I)
SERIES = re.compile(r"\s*(\d{1,12})\s*([^,=]*?)\s*pts\b[^=]*?(?:approx\s*(\d[\d.]*)?\s*secs?[^=]*)?units?\s*=\s*([^(),]*?)\s*"
                    r"(?:\(\s*(-?\d{1,4})\s*\))?\s*,?\s*Format\s*=?\s*(\(.*\))", re.I)
ORIGIN = (r"Origin:\s*(\d{1,4})/(\d{1,2})/(\d{1,4}),?\s+(\d{1,2}):(\d{2}):\s*(\d{1,2}(?:\.\d{0,6})?)\s*"
          r"(?:UTC|GMT|UT)\b")
MAGNITUDES = ((13, "Mw"), (15, "ML"), (14, "Ms"), (16, "M"))      # reals, in the order of preference
LONGEST_LINE = 160          # the format knows 80 columns
STAGES = {0: "raw counts (V0)", 1: "uncorrected (V1)", 2: "corrected (V2)"}
STATION_TYPES = {5: "base of building", 6: "free field", 10: "building", 11: "bridge", 12: "dam", 13: "wharf", 14: "tunnel",
                 15: "lifeline structure", 20: "structure", 50: "geotechnical array", 51: "array"}


@dataclass(frozen=True)
class Header:
    """What stands before the data of one channel; integers and reals are asked for by their number in the format."""

    text: list[str]
    integers: np.ndarray
    reals: np.ndarray
    real_form: Form
    comments: str
    missing: tuple[float, ...]

    def real(self, number: int) -> float:
        """NaN where the file says that it does not know."""
        return self._known(self.reals, number)

    def integer(self, number: int) -> int | None:
        value = self._known(self.integers, number)
        return int(value) if abs(value) < 1e9 else None

    def _known(self, values: np.ndarray, number: int) -> float:
        value = float(values[number - 1]) if number <= len(values) else np.nan
        return np.nan if not np.isfinite(value) or any(abs(value - none) < 1e-6 for none in self.missing) else value

    def line(self, pattern: str) -> re.Match | None:
        """The first match in the lines of text."""
        return next(filter(None, (re.search(pattern, line, re.I) for line in self.text)), None)


@dataclass(frozen=True)
class Series:
    """The line that announces data."""

    points: int
    quantity: str
    seconds: float
    unit: str
    code: int | None
    form: Form


def read_header(lines: Lines) -> Header:
    first = lines.peek()
    signature = SIGNATURE.search(first)
    if not signature:
        raise ValueError(f"line {lines.number + 1} begins no further channel ({first.strip()[:40]!r}); data are left over, or "
                         "the file is damaged")
    text: list[str] = []
    while len(text) < int(signature[1]) + 5 and not BLOCK.match(lines.peek()):
        text.append(lines.text())
    if len(text) < 9:
        raise ValueError(f"{len(text)} lines of text where {signature[1]} are announced; the header is damaged")
    integers, _ = _block(lines, "integer")
    reals, form = _block(lines, "real")
    comments = []
    announced = COMMENTS.match(lines.peek())
    if announced:
        lines.text()
        while len(comments) < int(announced[1]) and lines and not SERIES.match(lines.peek()[:LONGEST_LINE]):
            comments.append(lines.text())
    stated = next(filter(None, (re.search(r"unspecified.*?(-?\d+)\s*,\s*(-?\d+\.?\d*)\s*$", line) for line in text)), None)
    missing = (-999.0, -999.9, -999.99) + ((float(stated[1]), float(stated[2])) if stated else ())
    return Header(text, integers, reals, form, "\n".join(comments), missing)


def _block(lines: Lines, kind: str) -> tuple[np.ndarray, Form]:
    """The integers or reals of the header."""
    match = BLOCK.match(lines.peek())
    if not match or match[2].lower() != kind:
        raise ValueError(f"line {lines.number + 1} does not announce the {kind} header; the header is damaged")
    lines.text()
    count, rows, form = int(match[1]), int(match[3]), edit_descriptor(match[4])
    if -(-count // form.per_line) != rows:
        raise ValueError(f"{count} values of the {kind} header as {form.text} do not fill {rows} lines")
    return take_values(lines, count, form, blanks=True), form


def read_series(lines: Lines) -> Series | None:
    """The announcement of data, or None where another channel or the end follows."""
    line = lines.peek()
    if not line or SIGNATURE.search(line):
        return None
    match = SERIES.match(line[:LONGEST_LINE])
    if not match:
        raise ValueError(f"line {lines.number + 1} announces no data ({line.strip()[:40]!r}); the file is damaged")
    lines.text()
    seconds = float(match[3]) if match[3] and match[3].count(".") < 2 else np.nan
    return Series(int(match[1]), match[2].strip().lower() or "data", seconds, match[4].strip(),
                  int(match[5]) if match[5] else None, edit_descriptor(match[6]))


def is_acceleration(series: Series, header: Header) -> bool:
    if "acc" in series.quantity:
        return True
    return not re.search("vel|dis|press|strain|rot", series.quantity) and header.integer(2) == 1


def scnl(header: Header) -> list[str]:
    """Station, channel, network and location of the comment that many networks add; empty where it is not."""
    match = re.search(r"<SCNL>\s*([^\s.<]+)\.([^\s.<]*)\.([^\s.<]*)\.([^\s.<]*)", header.comments)
    return [match[1], match[2], match[3], match[4].strip("-")] if match else ["", "", "", ""]


def station_of(header: Header) -> tuple[str, str]:
    """Network and station codes."""
    code = header.line(r"Code:\s*([A-Z0-9_]{1,3})-([A-Z0-9_]+)")
    station, _, network, _ = scnl(header)
    return (code[1].upper(), code[2].upper()) if code else (network, station)


def start_of(header: Header) -> datetime | None:
    """Time of the first sample (UTC): integers 40, 42 to 45 and real 30; None if not known, or local."""
    zone = header.line(r"start time:\s*\S+\s+[\d:.\s]*([A-Z]{2,4})\b")
    parts = [header.integer(number) for number in (40, 42, 43, 44, 45)]
    seconds = header.real(30)
    if None in parts or not 0 <= seconds <= 61 or zone and zone[1].upper() not in ("UTC", "GMT", "UT"):
        return None
    try:
        return datetime(*parts, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None


def origin_of(header: Header) -> datetime | None:
    """Origin time of the earthquake, line 4: year first or last."""
    match = header.line(ORIGIN)
    if not match:
        return None
    first, second, third, hour, minute = (int(match[number]) for number in range(1, 6))
    year, month, day = (first, second, third) if len(match[1]) == 4 else (third, first, second)
    try:
        return datetime(year, month, day, hour, minute, tzinfo=timezone.utc) + timedelta(seconds=float(match[6]))
    except (ValueError, OverflowError):
        return None


def meta_of(header: Header, network: str, origin: datetime | None) -> dict:
    magnitudes = ((header.real(number), kind) for number, kind in MAGNITUDES)
    magnitude, kind = next((known for known in magnitudes if np.isfinite(known[0])), (np.nan, ""))
    vs30 = header.real(4)
    title = header.line(r"Code:\s*\S+\s+(.*)$")
    place = header.line(r"Location:\s*(.*)$")
    meta = {
        "station_network_code": network,
        "station_location_code": scnl(header)[3],
        "station_name": title[1].strip() if title else "",
        "station_type": STATION_TYPES.get(header.integer(19), ""),
        "station_latitude_deg": header.real(1),
        "station_longitude_deg": header.real(2),
        "station_elevation_m": header.real(3),
        "station_vs30_mps": vs30 if 30 <= vs30 <= 5000 else np.nan,
        "source_latitude_deg": header.real(10),
        "source_longitude_deg": header.real(11),
        "source_depth_km": header.real(12),
        "source_magnitude": magnitude,
        "source_magnitude_type": kind,
        "path_ep_distance_km": header.real(17),
        "trace_sensor_location": place[1].strip() if place else "",
        "trace_processing": STAGES.get(header.integer(1), header.text[0].partition("(")[0].strip()),
    }
    if origin:
        meta["source_origin_time"] = iso(origin)
    filtered = header.line(r"filtered below\s*(\d*\.?\d*)\s*Hz.*?above\s*(\d*\.?\d*)\s*Hz")
    corners = [float(part) if re.search(r"\d", part) else np.nan for part in filtered.groups()] if filtered else [np.nan, np.nan]
    if header.integer(1) == 2:
        corners = [corner if np.isfinite(corner) else header.real(number) for corner, number in zip(corners, (54, 57))]
    for key, corner in zip(("trace_lowcut_hz", "trace_highcut_hz"), corners):
        if corner > 0:
            meta[key] = corner
    interval = header.real(62)
    if corners[1] > 0 and interval > 0 and corners[1] < 500 / interval:
        meta["trace_bandlimit_hz"] = corners[1]
    return meta
