"""From what was read to what a corpus holds: events named, stations told apart, second copies left out."""

from __future__ import annotations

import bisect
import difflib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone

from pydantic import BaseModel, ConfigDict, Field

from tng import catalogue
from tng.channels import iso

ONE_EVENT_S = 60.0             # starts within this, of records that do not tell their earthquake, are taken for one
AFTER_ORIGIN_S = (-30.0, 150.0)  # start of a triggered record after the origin: some 0-150 s, P at 0-1000 km

P_KMPS = 7.0                   # with which P arrives, roughly; only says in which record to look for an earthquake
# What is looked at here.
DECIDING = ("trace_source_file", "trace_start_time", "trace_record_start_time", "trace_record_s", "trace_bandlimit_hz", "source_origin_time",
            "station_network_code", "station_latitude_deg", "station_longitude_deg")


class SelectionError(ValueError):
    """A station that is asked for and not there."""


class Selection(BaseModel):
    """Which of the usable records a corpus shall hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stations: tuple[str, ...] = Field((), description="only these station codes; all if empty")
    smallest_records: int = Field(1, ge=1, description="leave out stations with fewer records")


def select(candidates: list[dict], selection: Selection, listed: Sequence[catalogue.Event] = (),
           window_s: float = 60.0) -> tuple[list[dict], list[tuple[str, str]]]:
    """What is taken, in the given order, and what is left out with the reason.

    A candidate is a dict with ``station``, ``event``, ``meta``, ``copy`` (digests of its files, and its
    number in them) and ``place`` (whose last part is the digest of its samples).  Those that are taken get
    ``more``: columns that are added to what the file told.  `listed` are earthquakes for records that name
    none, sorted by time; `window_s` is the length of the records [s] where it is not known.
    """
    left_out: list[tuple[str, str]] = []
    for one in candidates:
        one["more"] = {}
    _tell_stations_apart(candidates)
    taken = _only_wanted(_without_copies(candidates, left_out), selection, left_out)
    _name_events(taken, listed, window_s)
    return taken, left_out


def start_of(meta: Mapping) -> float | None:
    """When a record started, before a window was cut from it, in seconds since 1970; None if its file does not tell."""
    return _time(meta.get("trace_record_start_time") or meta.get("trace_start_time"))


def _without_copies(candidates: Sequence[dict], left_out) -> list[dict]:
    """Of records of one station and time the one with the widest band stays; of equals, the first by name."""
    seen: dict[tuple, str] = {}
    copies: set[int] = set()
    widest_first = sorted(range(len(candidates)), key=lambda number: (-(candidates[number]["meta"].get("trace_bandlimit_hz") or 0), number))
    for number in widest_first:
        one = candidates[number]
        name, start, station_event = str(one["meta"]["trace_source_file"]), start_of(one["meta"]), (one["station"], one["event"])
        keys = {("same samples", one["place"][-1])}
        if one["copy"][0]:
            keys.add(("same content", *one["copy"]))
        if start is not None:
            keys.add(("same station and time", one["station"], int(start)))
        # One of them without a start: then the earthquake tells.
        alike = {("same station and earthquake", kind, *station_event)
                 for kind in (("timed", "untimed") if start is None else ("untimed",))} if one["event"] else set()
        copy = next((key for key in sorted(keys | alike, key=str) if key in seen), None)
        if copy:
            left_out.append((name, f"{name}: {copy[0]} as {seen[copy]}, which is kept"))
            copies.add(number)
            continue
        keys.add(("same station and earthquake", "untimed" if start is None else "timed", *station_event))
        seen.update(dict.fromkeys(keys, name))
    return [one for number, one in enumerate(candidates) if number not in copies]


def _only_wanted(candidates: list[dict], selection: Selection, left_out) -> list[dict]:
    counts = Counter(one["station"] for one in candidates)
    for wanted in selection.stations:
        if candidates and not any(wanted in _codes(one) for one in candidates):
            near = difflib.get_close_matches(wanted, {code for one in candidates for code in _codes(one)}, 1, 0.5)
            raise SelectionError(f"no usable record of station {wanted!r}; " + (f"did you mean {near[0]}?" if near else
                                 f"there are {', '.join(sorted(counts)[:8])}{' …' if len(counts) > 8 else ''}"))
    taken = []
    for one in candidates:
        name, station = str(one["meta"]["trace_source_file"]), one["station"]
        if selection.stations and not _codes(one) & set(selection.stations):
            left_out.append((name, f"{name}: station {station} was not asked for"))
        elif counts[station] < selection.smallest_records:
            left_out.append((name, f"{name}: station {station} has too few usable records: {counts[station]}, of at least "
                                   f"{selection.smallest_records} that were asked for"))
        else:
            taken.append(one)
    return taken


def _codes(one: dict) -> set[str]:
    """What a user may call a record's station: its code, with the network or without."""
    bare = one["station"].rpartition(".")[2]
    return {one["station"], bare, f"{one['meta'].get('station_network_code')}.{bare}"}


def _name_events(candidates: list[dict], listed: Sequence, window_s: float) -> None:
    """Give an event to the records whose files tell none: of the user's list, or a known one before their start, or a
    name by time.  ``source_id_status`` says that it was inferred, and how.
    """
    origins = sorted({(time, one["event"]) for one in candidates
                      if one["event"] and (time := _time(one["meta"].get("source_origin_time")))})
    nameless = sorted(((start_of(one["meta"]), number) for number, one in enumerate(candidates)
                       if not one["event"]), key=lambda entry: (entry[0] is None, entry[0] or 0, entry[1]))
    times, first = [event.origin.timestamp() for event in listed], None      # both sorted
    for start, number in nameless:
        one = candidates[number]
        if start is None:
            digest = one["copy"][0][0] if one["copy"][0] else one["place"][-1]
            one["event"], status = f"unknown-{digest[:12]}", "unknown: counts as an earthquake of its own"
        elif event := _of_the_list(one["meta"], start, listed, times, max(window_s, one["meta"].get("trace_record_s") or 0)):
            one["event"], status = event.id, "the listed earthquake whose P falls into the record"
            one["more"] = _about(event)
        else:
            last = bisect.bisect_right(origins, (start - AFTER_ORIGIN_S[0], chr(0x10FFFF))) - 1
            if last >= 0 and start - origins[last][0] <= AFTER_ORIGIN_S[1]:
                one["event"], status = origins[last][1], "the known earthquake before the record's start"
            else:
                first = start if first is None or start - first > ONE_EVENT_S else first
                one["event"] = f"{datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=first):%Y%m%d%H%M%S}"
                status = "by the records' start"
        one["more"]["source_id_status"] = status


def _of_the_list(meta: Mapping, start_s: float, listed: Sequence, times: Sequence[float], length_s: float):
    """The largest listed earthquake whose P falls into the record, by a rough travel time; None if there is none."""
    place = meta.get("station_latitude_deg"), meta.get("station_longitude_deg")
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in place):
        return None
    found = []
    for number in range(bisect.bisect_left(times, start_s - 300), bisect.bisect_right(times, start_s + length_s)):
        event, origin = listed[number], times[number]
        p = origin + float(catalogue.distance_km(*place, event.latitude_deg, event.longitude_deg)) / P_KMPS
        if start_s - 15 < p < start_s + length_s:
            found.append(event)
    return max(found, key=lambda event: (event.magnitude if math.isfinite(event.magnitude) else -9, event.id), default=None)


def _about(event) -> dict:
    told = {"source_origin_time": iso(event.origin), "source_latitude_deg": event.latitude_deg,
            "source_longitude_deg": event.longitude_deg, "source_depth_km": event.depth_km, "source_magnitude": event.magnitude}
    return {name: value for name, value in told.items() if value == value}


def _tell_stations_apart(candidates: list[dict]) -> None:
    """One code in several networks is several stations: they become NETWORK.CODE."""
    networks: dict[str, set[str]] = defaultdict(set)
    for one in candidates:
        networks[one["station"]].add(str(one["meta"].get("station_network_code") or ""))
    for one in candidates:
        network = str(one["meta"].get("station_network_code") or "")
        if len(networks[one["station"]] - {""}) > 1 and network:
            one["station"] = f"{network}.{one['station']}"


def _time(text) -> float | None:
    """Seconds since 1970 of an ISO time; None if it is none."""
    try:
        time = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    try:
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
    except (OverflowError, ValueError):
        return None
