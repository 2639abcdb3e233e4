"""Lists of earthquakes: when, where and how large, for records that do not tell their event themselves."""

from __future__ import annotations

import csv
import functools
import math
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from tng.records import FormatError

LARGEST_BYTES = 32 << 20
COLUMNS = {  # what each value is called in the first line of a CSV file; the first name that is there counts
    "time": ("origin_time_utc", "source_origin_time", "origin_time", "time"),
    "latitude": ("latitude_deg", "source_latitude_deg", "latitude", "lat"),
    "longitude": ("longitude_deg", "source_longitude_deg", "longitude", "lon"),
    "depth": ("depth_km", "source_depth_km", "depth"),
    "magnitude": ("magnitude", "source_magnitude", "mag"),
}
NEEDED = ("time", "latitude", "longitude")


EARTH_KM = 6371.0


@dataclass(frozen=True)
class Event:
    """One earthquake; NaN where the list does not tell."""

    origin: datetime
    latitude_deg: float
    longitude_deg: float
    depth_km: float = math.nan
    magnitude: float = math.nan

    @property
    def id(self) -> str:
        """Identifier of the earthquake: its origin time to the second."""
        return f"{self.origin:%Y%m%d%H%M%S}"


def distance_km(latitude_1, longitude_1, latitude_2, longitude_2):
    """Distance along the surface of a sphere of 6371 km; degrees in, numbers or arrays."""
    a, b, turn = np.radians(latitude_1), np.radians(latitude_2), np.radians(np.subtract(longitude_2, longitude_1))
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(turn / 2) ** 2
    return 2 * EARTH_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0)))


def read(path) -> list[Event]:
    """Earthquakes of a file, sorted by time; times without a zone are UTC.

    The file is CSV with titles in its first line (also as the USGS catalogue exports it), or a list of
    blocks ``time = …``, ``latitude = …``, ``longitude = …``, ``magnitude = …`` between dashed lines.

    Raises
    ------
    FormatError
        If it cannot be read or is not such a list; names the file and the line.
    """
    path = Path(path)
    try:
        status = path.stat()
        return list(_read(path, (status.st_size, status.st_mtime_ns)))
    except OSError as error:
        raise FormatError(f"{path}: a list of earthquakes that cannot be read ({error.strerror})") from error


@functools.lru_cache(maxsize=4)
def _read(path: Path, stamp: tuple[int, int]) -> tuple[Event, ...]:
    if stamp[0] > LARGEST_BYTES or not path.is_file():
        raise FormatError(f"{path}: not a list of earthquakes, which is a file of at most {LARGEST_BYTES >> 20} MB")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a list of earthquakes, but something that is not text") from error
    first = next((line for line in lines if line.strip()), "")
    rows = _blocks(lines) if re.match(r"\s*[a-z]+\s*=", first) else _table(lines, path.name)
    events = sorted({_event(row, f"{path.name}: line {number}") for number, row in rows},
                    key=lambda event: (event.origin, event.latitude_deg, event.longitude_deg))
    if not events:
        raise FormatError(f"{path.name}: no earthquake in it; a CSV file with the columns time, latitude, longitude, depth, "
                          "magnitude is needed, or blocks `time = …`")
    return tuple(events)


def _table(lines: list[str], name: str):
    """Number and values of each row of a CSV file."""
    try:
        rows = list(csv.reader(lines))
    except csv.Error as error:
        raise FormatError(f"{name}: neither CSV nor blocks `time = …` ({error})") from error
    titles = [title.strip().lower().replace(" ", "_") for title in rows[0]] if rows else []
    at = {key: next((titles.index(title) for title in known if title in titles), None) for key, known in COLUMNS.items()}
    missing = [key for key in NEEDED if at[key] is None]
    if missing:
        raise FormatError(f"{name}: no column {' or '.join(missing)} in its first line ({', '.join(titles)[:200] or 'empty'})")
    for number, row in enumerate(rows[1:], start=2):
        if any(value.strip() for value in row):
            yield number, {key: row[place] for key, place in at.items() if place is not None and place < len(row)}


def _blocks(lines: list[str]):
    """Number of the first line and values of each block."""
    number, block = 0, {}
    for count, line in enumerate([*lines, "-"], start=1):
        key, equals, value = line.partition("=")
        if equals:
            number = number or count
            block[key.strip().lower()] = value
        elif line.strip().startswith("-"):
            if block:
                yield number, block
            number, block = 0, {}


def _event(row: dict[str, str], where: str) -> Event:
    missing = [key for key in NEEDED if not row.get(key, "").strip()]
    if missing:
        raise FormatError(f"{where}: an earthquake without {' and '.join(missing)}")
    numbers = {key: _number(row.get(key, ""), key, where) for key in ("latitude", "longitude", "depth", "magnitude")}
    if not (abs(numbers["latitude"]) <= 90 and abs(numbers["longitude"]) <= 360):
        raise FormatError(f"{where}: latitude {row['latitude'].strip()}, longitude {row['longitude'].strip()}; "
                          "degrees are needed")
    return Event(_time(row["time"].strip(), where), *numbers.values())


def _time(text: str, where: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise FormatError(f"{where}: origin time {text!r}; a time such as 2018-02-16T23:39:39Z is needed") from error


def _number(text: str, key: str, where: str) -> float:
    """NaN where the list says nothing."""
    if text.strip().lower() in ("", "nan", "none", "null"):
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise FormatError(f"{where}: {key} {text.strip()!r} is not a number")
    return value
