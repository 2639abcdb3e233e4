"""Finding in StationXML the instrument that recorded a channel at a time."""

from __future__ import annotations

import functools
import io
import re
import warnings
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from tng.channels import iso
from tng.readers.options import Options
from tng.records import FormatError, UnitsError
from tng.sources import stamp

LARGEST_XML_BYTES = 100 << 20
MOST_NAMED = 6                  # other channels of a station, in a message


@dataclass(frozen=True)
class Source:
    """Which channel at which time the samples are of; `name` begins every message about them."""

    name: str
    network: str
    station: str
    location: str
    channel: str
    rate_hz: float
    start: datetime | None
    end: datetime | None

    @property
    def id(self) -> str:
        return f"{self.network}.{self.station}.{self.location}.{self.channel}"


@dataclass(frozen=True)
class Instrument:
    """One epoch of a channel as a StationXML file gives it (dip: −90° is up)."""

    file: str
    response: object
    start: datetime | None
    end: datetime | None
    azimuth_deg: float | None
    dip_deg: float | None
    latitude_deg: float
    longitude_deg: float
    elevation_m: float

    @property
    def sensitivity(self) -> float:
        """Counts per unit; NaN where it is not stated."""
        stated = self.response and self.response.instrument_sensitivity
        return float(stated.value) if stated and stated.value is not None else np.nan

    @property
    def units(self) -> str:
        """Unit of the ground motion, in small letters: ``m/s**2``."""
        stated = self.response and self.response.instrument_sensitivity
        return re.sub(r"\s", "", (stated.input_units or "").lower()) if stated else ""

    @property
    def is_motion(self) -> bool:
        """Whether its samples are no counts but the motion itself: a sensitivity of 1 from a unit to the same one."""
        stated = self.response and self.response.instrument_sensitivity
        return bool(self.units) and self.sensitivity == 1 and re.sub(r"\s", "", (stated.output_units or "").lower()) == self.units

    @property
    def says(self) -> str:
        """What two descriptions of one channel must agree in."""
        return f"{self.sensitivity:.6g} counts per {self.units}, azimuth {self.azimuth_deg}, dip {self.dip_deg}"

    def agrees(self, other: Instrument) -> bool:
        """Whether two descriptions mean the same: in sensitivity within 0.1 %, in direction within 1°."""
        angles = ((self.azimuth_deg, other.azimuth_deg), (self.dip_deg, other.dip_deg))
        same = np.isclose(self.sensitivity, other.sensitivity, rtol=1e-3, atol=0, equal_nan=True)
        return (self.units == other.units and self.is_motion == other.is_motion and bool(same)
                and all(one == two or (one is not None and two is not None and abs(one - two) <= 1) for one, two in angles))


# --- finding the StationXML -------------------------------------------------------------------------------

def find(source: Source, options: Options) -> tuple[Instrument | None, str]:
    """The instrument of a channel at its time, or None and why there is none.

    Raises
    ------
    UnitsError
        If two descriptions that hold at that time disagree.
    """
    if not options.stationxml:
        return None, "no StationXML was given"
    stamped = tuple((path, *stamp(path)) for path in options.stationxml)
    by_station, problems = _stations(stamped)
    epochs, others = [], set()
    for entry in by_station.get(source.station, ()):
        try:
            channels = _channels(*entry)
        except FormatError as error:
            problems = (*problems, str(error))
            continue
        epochs += channels.get((source.network, source.station, source.location, source.channel), [])
        others |= {".".join(key) for key in channels if key[1] == source.station}
    unread = f" ({'; '.join(problems[:3])})" if problems else ""
    if not epochs:
        held = f", but {', '.join(sorted(others)[:MOST_NAMED])}{' …' if len(others) > MOST_NAMED else ''}" if others else ""
        return None, f"none of the {len(stamped)} StationXML file(s) given has the channel {source.id}{held}{unread}"
    if source.start is None:
        return None, f"the samples have no time by which to choose an epoch of {source.id} in the StationXML"
    held = [one for one in epochs
            if (one.start is None or one.start <= source.start) and (one.end is None or source.end <= one.end)]
    if not held:
        spans = ", ".join(f"{iso(one.start)[:10] if one.start else 'ever'} to {iso(one.end)[:10] if one.end else 'today'}"
                          for one in epochs[:4])
        return None, f"the StationXML of {source.id} does not cover {iso(source.start)[:19]} (its epochs: {spans}){unread}"
    for other in held[1:]:
        if not held[0].agrees(other):
            raise UnitsError(f"{source.name}: {held[0].file} and {other.file} disagree about {source.id} at "
                             f"{iso(source.start)[:19]} ({held[0].says}; {other.says}); leave the wrong one out")
    return max(held, key=lambda one: bool(one.response and one.response.response_stages)), ""


@functools.lru_cache(maxsize=8)
def _stations(stamped: tuple) -> tuple[dict[str, list[tuple]], tuple[str, ...]]:
    """Which files name which station: a look at the text only, for parsing thousands of files would take minutes."""
    found: dict[str, list[tuple]] = defaultdict(list)
    problems = []
    for entry in stamped:
        path, size, _ = entry
        if size > LARGEST_XML_BYTES:
            problems.append(f"{path.name}: StationXML of {size >> 20} MB, not read; cut it to the channels that are needed")
            continue
        try:
            raw = path.read_bytes()
        except OSError as error:
            problems.append(f"{path.name}: cannot be read ({error.strerror})")
            continue
        codes = set(re.findall(rb"<(?:\w+:)?Station\s[^>]*?\bcode\s*=\s*[\"']([^\"']*)", raw))
        if not codes:
            problems.append(f"{path.name}: no station in it; it is not StationXML, or not in an encoding like UTF-8")
        for code in codes:
            found[code.decode("utf-8", "replace").strip()].append(entry)
    return dict(found), tuple(problems)


@functools.lru_cache(maxsize=256)
def _channels(path: Path, size: int, changed: int) -> dict[tuple, list[Instrument]]:
    """Every channel epoch of one file, by network, station, location and channel."""
    import obspy

    try:
        raw = path.read_bytes()
        if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
            raise ValueError("it declares a DOCTYPE, which StationXML never does")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inventory = obspy.read_inventory(io.BytesIO(raw), format="STATIONXML")
    except Exception as error:  # lxml and ObsPy raise errors of many kinds
        raise FormatError(f"{path.name}: not StationXML that can be read ({str(error)[:100] or type(error).__name__})") from error
    found: dict[tuple, list[Instrument]] = defaultdict(list)
    for network in inventory:
        for station in network:
            place = tuple(map(float, (station.latitude, station.longitude, station.elevation)))
            if place[:2] == (0, 0) and "coordinates unknown" in (station.description or ""):    # tng.writers has no better
                place = (np.nan, np.nan, np.nan)
            for channel in station:
                key = (network.code, station.code, location_code(channel.location_code), channel.code)
                found[key].append(Instrument(
                    path.name, channel.response, *map(_moment, (channel.start_date, channel.end_date)),
                    *map(_angle, (channel.azimuth, channel.dip)), *place))
    return dict(found)


def location_code(text: str | None) -> str:
    """``--`` and blanks both mean none."""
    return (text or "").strip().strip("-")


def _angle(value) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _moment(time) -> datetime | None:
    return None if time is None else time.datetime.replace(tzinfo=timezone.utc)


def site(instrument: Instrument | None) -> dict:
    """Where the station is, for `meta`."""
    if instrument is None or np.isnan(instrument.latitude_deg):
        return {}
    return {"station_latitude_deg": instrument.latitude_deg, "station_longitude_deg": instrument.longitude_deg,
            "station_elevation_m": instrument.elevation_m}


def last_sample(start: datetime | None, samples: int, rate_hz: float) -> datetime | None:
    return None if start is None else start + timedelta(seconds=(samples - 1) / rate_hz)
