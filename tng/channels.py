"""One component as a file gives it, and three of them made into a record of E, N, Z."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import numpy as np

from tng.records import ComponentError, DataError, FormatError, HeaderMismatchError, Record, RecordError, SamplingError

ORTHOGONAL_WITHIN_DEG = 1.0
SHORTEST_OVERLAP = 0.9          # of the longest component; components that share less are not one record
POSITION = re.compile(r"trace_\w+_sample")   # columns that are a place in the record, as picks are; counts end in _samples
GAL = {"gal": 1.0, "cm/s2": 1.0, "m/s2": 100.0, "mm/s2": 0.1, "g": 980.665}  # cm/s² in one unit


@dataclass(frozen=True)
class Channel:
    """One component of ground acceleration.

    Attributes
    ----------
    samples : array, shape (samples,)
        Acceleration [cm/s²], positive along `azimuth_deg` or upwards.
    sampling_rate_hz : float
    station : str
    azimuth_deg : float or None
        Direction of positive motion, clockwise from north; None for the vertical, positive upwards.
    label : str
        What the file calls it: ``N10E``, ``HNE``, ``U-D``.
    name, sha256 : str
        The file, and the SHA-256 of its content.
    start : datetime or None
        Time of the first sample (UTC), where the file can be trusted to know.
    event : str
        Identifier of the earthquake; empty where the file does not tell.
    sensor : str
        Tells apart several sensors of one station in one file (location code, channel triplet); may be empty.
    gaps : tuple of (first, last + 1)
        Samples that are missing and were filled in.
    meta : mapping
        What else is known, under SeisBench column names.
    """

    samples: np.ndarray
    sampling_rate_hz: float
    station: str
    azimuth_deg: float | None
    label: str
    name: str
    sha256: str
    start: datetime | None = None
    event: str = ""
    sensor: str = ""
    gaps: tuple[tuple[int, int], ...] = ()
    meta: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """A record that is not one, and why; `name` is what the file calls it."""

    name: str
    error: RecordError

    def __post_init__(self):
        without_traceback(self.error)


def without_traceback(error: RecordError) -> RecordError:
    """The error alone: where it was raised, the whole content of its file would be kept in memory with it."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def check_peak(channel: Channel, header_cmps2: float, tolerance: float = 0.01) -> None:
    """Compare the peak of one component with the one its file states [cm/s²]; signs are ignored.

    Raises
    ------
    HeaderMismatchError
        If they differ by more than `tolerance` (relative).
    """
    found, stated = float(np.abs(channel.samples).max()), abs(header_cmps2)
    if not abs(found - stated) <= tolerance * max(found, stated):
        raise HeaderMismatchError(f"{channel.name}: component {channel.label} peaks at {found:.6g} cm/s² but its header says "
                                  f"{stated:.6g}; unit, scale or component must be wrong")


def azimuth_of(direction: str) -> float | None:
    """Azimuth [degrees] of ``N``, ``E-W``, ``N10E``, ``S74E``, ``067``, ``350 Deg``; None for the vertical.

    Raises
    ------
    ValueError
        If the text says neither; also for ``Down``, which needs its sign turned and not an azimuth.
    """
    text = direction.strip().upper().replace(" ", "").replace("DEGREES", "").replace("DEG", "").rstrip(".°")
    if text in ("U", "UP", "Z", "V", "VERT", "VERTICAL", "U-D", "UD", "UPDOWN", "UP-DOWN"):
        return None
    named = {"N": 0, "NORTH": 0, "N-S": 0, "NS": 0, "E": 90, "EAST": 90, "E-W": 90, "EW": 90,
             "S": 180, "SOUTH": 180, "S-N": 180, "SN": 180, "W": 270, "WEST": 270, "W-E": 270, "WE": 270}
    if text in named:
        return float(named[text])
    quadrant = re.fullmatch(r"([NS])(\d{1,2}(?:\.\d+)?)([EW])", text, re.ASCII)
    if quadrant and float(quadrant[2]) <= 90:
        angle = float(quadrant[2]) * (1 if quadrant[3] == "E" else -1)
        return (angle if quadrant[1] == "N" else 180 - angle) % 360
    if re.fullmatch(r"\d{1,3}(?:\.\d+)?", text, re.ASCII) and float(text) <= 360:
        return float(text) % 360
    raise ValueError(f"a direction {direction!r}, which is neither an azimuth nor up")


def records(channels: Iterable[Channel]) -> list[Record | Refusal]:
    """Sort components into records (by station, sensor and overlapping time) and assemble each."""
    found: dict[tuple, list[Channel]] = defaultdict(list)
    for channel in channels:
        found[channel.meta.get("station_network_code"), channel.station, channel.sensor].append(channel)
    made: list[Record | Refusal] = []
    for group in found.values():
        for parts in _overlapping(group):
            try:
                made.append(assemble(parts))
            except RecordError as error:
                made.append(Refusal(_names(parts), error))
    return made


def assemble(channels: Sequence[Channel]) -> Record:
    """Three components to one record: cut to their common time, horizontals turned to E and N.

    Horizontals need not be E and N, but orthogonal within 1°; anything else is refused.

    Raises
    ------
    ComponentError
        Not one vertical and two orthogonal horizontals of one station.
    SamplingError
        Different sampling rates, or clocks that are off by a fraction of a sample.
    DataError
        Components that hardly share any time.
    """
    name = _names(channels)
    vertical = [one for one in channels if one.azimuth_deg is None]
    horizontal = [one for one in channels if one.azimuth_deg is not None]
    labels = ", ".join(one.label for one in channels)
    if len(vertical) != 1 or len(horizontal) != 2:
        count = f"{len(channels)} component{'s' if len(channels) != 1 else ''}"
        raise ComponentError(f"{name}: {count} ({labels}); one vertical and two horizontals of the same record are needed"
                             + (", each once" if len(channels) > 2 else ""))
    first, second = horizontal
    if len({one.station for one in channels}) != 1:
        raise ComponentError(f"{name}: components of stations {', '.join(sorted({one.station for one in channels}))}")
    turn = (second.azimuth_deg - first.azimuth_deg) % 180
    if not abs(turn - 90) <= ORTHOGONAL_WITHIN_DEG:
        raise ComponentError(f"{name}: horizontals {first.label} and {second.label} point to {first.azimuth_deg:g}° and "
                             f"{second.azimuth_deg:g}°; they must be orthogonal within {ORTHOGONAL_WITHIN_DEG:g}°")
    rates = {one.sampling_rate_hz for one in channels}
    if len(rates) != 1:
        raise SamplingError(f"{name}: components of different sampling rates: "
                            + ", ".join(f"{one.label} {one.sampling_rate_hz:g} Hz" for one in channels))
    (rate_hz,) = rates
    events = {one.event for one in channels if one.event}
    if len(events) > 1:
        raise FormatError(f"{name}: components of different earthquakes: {', '.join(sorted(events))}")

    cut, start, gaps, offsets = _common(channels, rate_hz, name)
    samples = {id(one): part for one, part in zip(channels, cut)}
    for one in channels:
        if not np.isfinite(samples[id(one)]).all():
            raise DataError(f"{one.name}: component {one.label} holds values that are not finite numbers")
    east, north = _to_east_north(samples[id(first)], samples[id(second)], first.azimuth_deg, second.azimuth_deg)
    meta: dict[str, object] = {}
    for one in (vertical[0], second, first):           # of what differs, the first horizontal's value stays
        meta.update(_moved(one.meta, offsets[id(one)]))
    digests = sorted({one.sha256 for one in channels})
    meta.update(
        trace_component_order_source=",".join(one.label for one in channels),
        trace_source_file=name,
        trace_source_sha256=digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest(),
    )
    if {first.azimuth_deg, second.azimuth_deg} != {0.0, 90.0}:
        meta["trace_rotated_from"] = f"{first.azimuth_deg:g} {second.azimuth_deg:g}"
    trimmed = max(len(one.samples) for one in channels) - cut.shape[1]
    if trimmed:
        meta["trace_trimmed_samples"] = trimmed
    if gaps:
        meta["trace_gaps"] = ";".join(f"{a}-{b}" for a, b in gaps)
    if start is not None:
        meta["trace_start_time"] = iso(start)
    return Record(np.stack([east, north, samples[id(vertical[0])]]), rate_hz, first.station, events.pop() if events else "", meta)


def iso(time: datetime) -> str:
    """A UTC time as text with microseconds: ``2020-01-01T00:00:00.000000Z``."""
    if time.tzinfo is not None:
        time = time.astimezone(timezone.utc)
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"


def _overlapping(channels: list[Channel]) -> list[list[Channel]]:
    """Components grouped by the time they share; those without a time are one record."""
    timed = sorted((one for one in channels if one.start is not None), key=lambda one: one.start)
    groups: list[list[Channel]] = []
    end = None
    for one in timed:
        if end is None or one.start >= end:
            groups.append([])
            end = one.start
        groups[-1].append(one)
        end = max(end, one.start + timedelta(seconds=len(one.samples) / one.sampling_rate_hz))
    untimed = [one for one in channels if one.start is None]
    if untimed and len(groups) == 1:
        groups[0].extend(untimed)
    elif untimed:
        groups.append(untimed)
    order = {id(one): place for place, one in enumerate(channels)}
    return [sorted(group, key=lambda one: order[id(one)]) for group in groups]


def _common(channels: Sequence[Channel], rate_hz: float, name: str):
    """The samples of the time that all components share, its start, and the gaps in it."""
    starts = [one.start for one in channels]
    offsets = [0, 0, 0]
    start = None
    if all(starts):
        start = max(starts)
        exact = [(start - one).total_seconds() * rate_hz for one in starts]
        offsets = [round(value) for value in exact]
        if max(abs(value - whole) for value, whole in zip(exact, offsets)) > 0.3:
            raise SamplingError(f"{name}: the components' clocks differ by a fraction of a sample "
                                f"({', '.join(f'{value:.2f}' for value in exact)} samples); resample them to common times first")
    elif any(starts):
        start = next(one for one in starts if one)
    lengths = [len(one.samples) - offset for one, offset in zip(channels, offsets)]
    shared, longest = min(lengths), max(len(one.samples) for one in channels)
    if shared < SHORTEST_OVERLAP * longest:
        raise DataError(f"{name}: components of {', '.join(str(len(one.samples)) for one in channels)} samples share only "
                        f"{max(shared, 0)}; they are not one record, or one of them is incomplete")
    cut = np.stack([np.asarray(one.samples, dtype=np.float64)[offset:offset + shared] for one, offset in zip(channels, offsets)])
    gaps = sorted({(max(a - offset, 0), min(b - offset, shared)) for one, offset in zip(channels, offsets)
                   for a, b in one.gaps if b > offset and a < offset + shared})
    return cut, start, gaps, {id(one): offset for one, offset in zip(channels, offsets)}


def _moved(meta: Mapping[str, object], offset: int) -> dict[str, object]:
    """Metadata of a component of which the first `offset` samples are cut off: its positions move, NaN before the start."""
    moved = dict(meta)
    for name in filter(POSITION.fullmatch, meta if offset else ()):
        place = number(meta[name]) - offset
        moved[name] = place if place >= 0 else np.nan
    return moved


def number(value) -> float:
    """A number of the metadata, NaN where there is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _to_east_north(first: np.ndarray, second: np.ndarray, azimuth_1: float, azimuth_2: float):
    """East and north from two horizontals; exact, without arithmetic, where they lie along E and N."""
    axes = {0.0: ("N", 1), 180.0: ("N", -1), 90.0: ("E", 1), 270.0: ("E", -1)}
    if azimuth_1 % 360 in axes and azimuth_2 % 360 in axes:
        found = {axes[azimuth % 360][0]: axes[azimuth % 360][1] * samples
                 for azimuth, samples in ((azimuth_1, first), (azimuth_2, second))}
        return found["E"], found["N"]
    angles = np.deg2rad([azimuth_1, azimuth_2])
    to_axes = np.stack([np.sin(angles), np.cos(angles)], axis=1)      # along each axis: E sin a + N cos a
    return np.linalg.solve(to_axes, np.stack([first, second]))


def _names(channels: Sequence[Channel]) -> str:
    """The files of a record, as one name."""
    return " + ".join(dict.fromkeys(one.name for one in channels))
