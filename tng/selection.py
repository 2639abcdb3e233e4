"""From what was read to what a corpus holds: events named, stations told apart, second copies left out."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone

from pydantic import BaseModel, ConfigDict, Field

from tng import catalogue

ONE_EVENT_S = 60.0             # starts within this, of records that do not tell their earthquake, are taken for one
AFTER_ORIGIN_S = (-30.0, 150.0)  # start of a triggered record after the origin: some 0-150 s, P at 0-1000 km

P_KMPS = 7.0                   # with which P arrives, roughly; only says in which record to look for an earthquake
# What is looked at here.
DECIDING = ("trace_source_file", "trace_start_time", "source_origin_time", "station_network_code", "station_latitude_deg",
            "station_longitude_deg")


class Selection(BaseModel):
    """Which of the usable records a corpus shall hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stations: tuple[str, ...] = Field((), description="only these station codes; all if empty")
    smallest_records: int = Field(1, ge=1, description="leave out stations with fewer records")


def select(candidates: list[dict], selection: Selection) -> tuple[list[dict], list[tuple[str, str]]]:
    """What is taken, in the given order, and what is left out with the reason.

    A candidate is a dict with ``station``, ``event``, ``meta``, ``copy`` (digests of its files, and its
    number in them) and ``place`` (whose last part is the digest of its samples).  Those that are taken get
    ``more``: columns that are added to what the file told.
    """
    left_out: list[tuple[str, str]] = []
    taken = _only_wanted(_without_copies(candidates, left_out), selection, left_out)
    _name_events(taken, _catalogue(selection), getattr(selection, "window_s", 60.0))
    _tell_stations_apart(taken)
    return taken, left_out


def _without_copies(candidates: Iterable[dict], left_out) -> list[dict]:
    seen: dict[tuple, str] = {}
    taken = []
    for one in candidates:
        name = str(one["meta"]["trace_source_file"])
        start, station_event = str(one["meta"].get("trace_start_time") or "")[:19], (one["station"], one["event"])
        keys = {("same samples", one["place"][-1])}
        if one["copy"][0]:
            keys.add(("same content", *one["copy"]))
        if start:
            keys.add(("same station and time", one["station"], start))
        # One of them without a start: then the earthquake tells.
        alike = {("same station and earthquake", kind, *station_event) for kind in (("untimed",) if start else ("timed", "untimed"))}
        copy = next((key for key in sorted(keys | (alike if one["event"] else set())) if key in seen), None)
        if copy:
            left_out.append((name, f"{name}: {copy[0]} as {seen[copy]}"))
            continue
        taken.append(one)
        keys.add(("same station and earthquake", "timed" if start else "untimed", *station_event))
        seen.update(dict.fromkeys(keys, name))
    return taken


def _only_wanted(candidates: list[dict], selection: Selection, left_out) -> list[dict]:
    counts = Counter(one["station"] for one in candidates)
    taken = []
    for one in candidates:
        name, station = str(one["meta"]["trace_source_file"]), one["station"]
        if selection.stations and station not in selection.stations:
            left_out.append((name, f"{name}: station {station} was not asked for"))
        elif counts[station] < selection.smallest_records:
            left_out.append((name, f"{name}: station {station} has {counts[station]} usable records; at least "
                                   f"{selection.smallest_records} were asked for"))
        else:
            taken.append(one)
    return taken


def _catalogue(selection: Selection) -> list:
    """The user's earthquakes, if a list was given."""
    path = getattr(selection, "events", None)
    if path is None:
        return []
    return catalogue.read(path)


def _name_events(candidates: list[dict], listed: Sequence, window_s: float) -> None:
    """Give an event to the records whose files tell none: of the user's list, or a known one before their start, or a
    name by time.  ``source_id_status`` says that it was inferred, and how.
    """
    origins = sorted({(time, one["event"]) for one in candidates
                      if one["event"] and (time := _time(one["meta"].get("source_origin_time")))})
    nameless = sorted(((_time(one["meta"].get("trace_start_time")), number) for number, one in enumerate(candidates)
                       if not one["event"]), key=lambda entry: (entry[0] is None, entry[0] or 0, entry[1]))
    first = None
    for one in candidates:
        one["more"] = {}
    for start, number in nameless:
        one = candidates[number]
        if start is None:
            digest = one["copy"][0][0] if one["copy"][0] else one["place"][-1]
            one["event"], status = f"unknown-{digest[:12]}", "unknown: counts as an earthquake of its own"
        elif event := _of_the_list(one["meta"], start, listed, window_s):
            one["event"], status = event.id, "the listed earthquake whose P falls into the record"
            one["more"] = _about(event)
        else:
            known = [event for time, event in origins if AFTER_ORIGIN_S[0] <= start - time <= AFTER_ORIGIN_S[1]]
            if known:
                one["event"], status = known[-1], "the known earthquake before the record's start"
            else:
                first = start if first is None or start - first > ONE_EVENT_S else first
                one["event"] = f"{datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=first):%Y%m%d%H%M%S}"
                status = "by the records' start"
        one["more"]["source_id_status"] = status


def _of_the_list(meta: Mapping, start_s: float, listed: Sequence, window_s: float):
    """The largest listed earthquake whose P falls into the record, by a rough travel time; None if there is none."""
    place = meta.get("station_latitude_deg"), meta.get("station_longitude_deg")
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in place):
        return None
    found = []
    for event in listed:
        origin = event.origin.timestamp()
        if start_s - 300 < origin < start_s + window_s:
            p = origin + float(catalogue.distance_km(*place, event.latitude_deg, event.longitude_deg)) / P_KMPS
            if start_s - 15 < p < start_s + window_s:
                found.append(event)
    return max(found, key=lambda event: (event.magnitude if math.isfinite(event.magnitude) else -9, event.id), default=None)


def _about(event) -> dict:
    told = {"source_origin_time": event.origin.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "source_latitude_deg": event.latitude_deg,
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
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
