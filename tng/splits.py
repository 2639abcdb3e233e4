"""Who trains on what: four ways to deal records out to train, dev and test, each a column of the metadata.

=================  ==========================================================================================
``split``          by earthquake: all records of one event on one side (the default everywhere)
``split_paper``    as the paper's public code does: some stations held out for test, the rest record by record
``split_station``  by station: no station on two sides
``split_time``     by time: the earliest events train, the latest test
=================  ==========================================================================================

``split`` can also be one of several folds (:func:`by_fold`): every earthquake is then test in exactly one of them.

Nothing here draws from a generator whose stream a library could change, except ``split_paper``, which
repeats the public code with NumPy's legacy generator (its stream is frozen).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tng import folds as folds_
from tng.layout import SPLIT_COLUMNS, SPLITS, CorpusError

PAPER_STATIONS = ("0205", "1716", "2020", "3130", "4628")
SAME_ORIGIN_S = 10.0     # origin times of one earthquake in two catalogues differ by less
SAME_START_S = 60.0      # records whose start is all that is known
LONGEST_GROUP_S = 300.0  # an aftershock sequence must not become one event
PAPER_TRAIN = 0.8


def add(metadata: pd.DataFrame, shares: Sequence[float] = (0.6, 0.1, 0.3), seed: int = 0,
        held_out: Sequence[str] = (), fold: tuple[int, int] | None = None) -> pd.DataFrame:
    """A copy of the table with all four columns.

    Parameters
    ----------
    metadata : DataFrame
        A row a record; ``station_code`` and ``source_id`` are needed, times are used where they are.
    shares : three numbers that add to 1
        Of train, dev and test; `split_paper` has its own.
    seed : int
        Of `split` and `split_station`; the other two know no chance, or only the public code's.
    held_out : sequence of str
        Stations for the test side of `split_paper` and `split_station`; the paper's by default, see there.
    fold : two ints, optional
        `split` is fold `k`, counted from 0, of `n`: ``(k, n)``, see :func:`by_fold`.

    Raises
    ------
    CorpusError
        If the shares are not three that add to 1, or there is no such fold.
    """
    shares, groups = check_shares(shares), event_groups(metadata)
    event = by_event(metadata, shares, seed, groups) if fold is None else by_fold(metadata, *fold, shares, seed, groups)
    columns = {"event": event, "paper": by_paper(metadata, held_out),
               "station": by_station(metadata, shares, seed, held_out), "time": by_time(metadata, shares, groups)}
    kept = metadata.drop(columns=[name for by, name in SPLIT_COLUMNS.items() if by != "event"], errors="ignore")
    return kept.assign(**{SPLIT_COLUMNS[by]: column for by, column in columns.items()})


def check_shares(shares: Sequence[float]) -> tuple[float, ...]:
    """The shares as numbers.

    Raises
    ------
    CorpusError
        If they are not three that add to 1.
    """
    numbers = tuple(float(share) for share in shares)
    if len(numbers) != 3 or not all(share >= 0 for share in numbers) or not math.isclose(sum(numbers), 1, abs_tol=1e-6):
        raise CorpusError(f"splits {numbers}: three shares (train, dev, test) that add to 1 are needed")
    return numbers


def by_event(metadata: pd.DataFrame, shares: Sequence[float], seed: int = 0, groups: Sequence[str] | None = None) -> list[str]:
    """A split for each record; records of one earthquake (:func:`event_groups`) stay together."""
    return _deal(event_groups(metadata) if groups is None else groups, shares, seed)


def by_fold(metadata: pd.DataFrame, fold: int, folds: int, shares: Sequence[float], seed: int = 0,
            groups: Sequence[str] | None = None) -> list[str]:
    """A split for each record: the earthquakes of one fold test, the others are dealt out to train and dev.

    Each earthquake (:func:`event_groups`) is in one fold; :func:`tng.folds.deal` says how folds are made alike.

    Parameters
    ----------
    fold, folds : int
        Which, counted from 0, and of how many.
    shares : three numbers that add to 1
        The first two say how the others divide into train and dev; ``(1, 0, 0)`` trains on all of them.

    Raises
    ------
    CorpusError
        For fewer than 2 folds, a fold that is none of them, or fewer earthquakes than folds.
    """
    groups = event_groups(metadata) if groups is None else groups
    if folds < 2 or not 0 <= fold < folds:
        raise CorpusError(f"fold {fold} of {folds}: at least 2 folds are needed, and they are counted from 0 to the number of folds less 1")
    if len(set(groups)) < folds:
        raise CorpusError(f"{folds} folds of {len(set(groups))} earthquakes; each fold needs one, so ask for fewer folds")
    test = folds_.deal(groups, metadata["station_code"].astype(str), folds, seed) == fold
    others = iter(_deal([group for group, tested in zip(groups, test) if not tested], _without_test(shares), seed))
    return ["test" if tested else next(others) for tested in test]


def by_paper(metadata: pd.DataFrame, held_out: Sequence[str] = ()) -> list[str]:
    """The split of the paper's public code: held-out stations test, 80 % of the other records train, the rest dev.

    It is record-wise: one earthquake can be on both sides.  The public code starts from the order in which
    the operating system lists the files; here their names (``trace_source_file``) are sorted first.  Stations
    are held out as `held_out` says, else the paper's five as far as they are there, else the five with the most records.
    """
    stations = metadata["station_code"].astype(str).to_numpy(dtype=object)
    test = set(_held_out(stations, held_out))
    files: dict[str, list[int]] = {}
    for row in _by_name(metadata):
        files.setdefault(stations[row], []).append(row)
    shuffle, others = np.random.RandomState(0), []
    for station, rows in files.items():            # the held-out stations use up random numbers, too
        shuffle.shuffle(rows)
        others += [] if station in test else rows
    np.random.RandomState(0).shuffle(others)
    split = np.full(len(metadata), "test", dtype=object)
    border = int(len(others) * PAPER_TRAIN)
    split[others[:border]], split[others[border:]] = "train", "dev"
    return split.tolist()


def by_station(metadata: pd.DataFrame, shares: Sequence[float], seed: int = 0, held_out: Sequence[str] = ()) -> list[str]:
    """A split for each record; all records of a station stay together.

    Stations in `held_out` test; then the others are dealt out to train and dev only.
    """
    stations = metadata["station_code"].astype(str).tolist()
    test = set(held_out)
    others = [station for station in stations if station not in test]
    dealt = iter(_deal(others, _without_test(shares) if test and others else shares, seed))
    return ["test" if station in test else next(dealt) for station in stations]


def by_time(metadata: pd.DataFrame, shares: Sequence[float], groups: Sequence[str] | None = None) -> list[str | None]:
    """The earliest events train, the latest test; the shares are of events.

    None for records of an event without any time, which cannot be on a side.
    """
    groups = pd.Series(event_groups(metadata) if groups is None else groups, dtype=object)
    times, _ = _times(metadata)
    first = pd.Series(times).groupby(groups.to_numpy()).min().dropna()
    ordered = sorted(first.index, key=lambda group: (first[group], group))
    middles = (np.arange(len(ordered)) + 0.5) / max(len(ordered), 1)
    side = dict(zip(ordered, _sides(middles, shares)))
    return [side.get(group) for group in groups]


def event_groups(metadata: pd.DataFrame) -> list[str]:
    """A name for each record's earthquake, the same for records of one earthquake.

    Records with the same ``source_id`` are of one.  So are events whose origin times lie within 10 s of one
    another (60 s where one of them is known only by its records' start times), and what hangs together by
    that; but no group formed by time spans more than 300 s.
    """
    own = _own_events(metadata)
    times, is_origin = _times(metadata)
    points = pd.DataFrame({"event": own, "time": times, "origin": is_origin}).dropna(subset="time")
    if len(points):
        # Where an event's origin is known, the starts of its other records say nothing more.
        points = points[points["origin"] | ~points.groupby("event")["origin"].transform("any")]
    points = points.drop_duplicates().sort_values(["time", "event"], kind="stable")
    leader = _merge(points["event"].to_numpy(dtype=object), points["time"].to_numpy(), points["origin"].to_numpy(dtype=bool))
    return [leader.get(event, event) for event in own]


def _merge(events: np.ndarray, times: np.ndarray, origin: np.ndarray) -> dict[str, str]:
    """The first name of each event's group; points of time come sorted."""
    if len(times) < 2:
        return {}
    gaps = np.diff(times)
    linked = gaps <= SAME_ORIGIN_S
    # A start time is linked with everything within 60 s of it, so all gaps in that reach are bridged.
    reach = np.zeros(len(times), dtype=np.int64)
    starts = times[~origin]
    np.add.at(reach, np.searchsorted(times, starts - SAME_START_S, "left"), 1)
    np.add.at(reach, np.searchsorted(times, starts + SAME_START_S, "right") - 1, -1)
    linked |= np.cumsum(reach)[:-1] > 0
    candidates = np.flatnonzero(linked & (events[1:] != events[:-1]))
    if not len(candidates):
        return {}

    bounds = pd.DataFrame({"event": events, "time": times}).groupby("event")["time"].agg(["min", "max"])
    spans = dict(zip(bounds.index, zip(bounds["min"], bounds["max"])))
    parent: dict[str, str] = {}

    def root(event: str) -> str:
        while event in parent:
            parent[event] = event = parent.get(parent[event], parent[event])
        return event

    for place in candidates[np.lexsort((candidates, gaps[candidates]))]:   # the closest first
        one, other = sorted((root(events[place]), root(events[place + 1])))
        first, last = min(spans[one][0], spans[other][0]), max(spans[one][1], spans[other][1])
        if one != other and last - first <= LONGEST_GROUP_S:
            parent[other], spans[one] = one, (first, last)
    return {event: root(event) for event in list(parent)}


def _own_events(metadata: pd.DataFrame) -> list[str]:
    """``source_id``; for a record without one a name of its own, which does not depend on its row."""
    known = metadata["source_id"].fillna("").astype(str).tolist()
    if all(known):
        return known
    columns = [name for name in ("station_code", "trace_start_time", "trace_source_file", "trace_source_sha256")
               if name in metadata]
    own = zip(*(metadata[name].fillna("").astype(str) for name in columns))
    return [event or f"record {' '.join(parts)}" for event, parts in zip(known, own)]


def _times(metadata: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Origin time of each record, else its start before a window was cut from it [s since 1970], NaN without
    either; and whether it is the origin."""
    origin, record, window = (_seconds(metadata[name]) if name in metadata else np.full(len(metadata), np.nan)
                              for name in ("source_origin_time", "trace_record_start_time", "trace_start_time"))
    start = np.where(np.isnan(record), window, record)
    return np.where(np.isnan(origin), start, origin), ~np.isnan(origin)


def _seconds(texts: pd.Series) -> np.ndarray:
    if not len(texts):
        return np.empty(0)
    found = pd.to_datetime(texts, utc=True, errors="coerce", format="ISO8601")
    odd = found.isna() & texts.notna() & (texts.astype(str) != "")
    if odd.any():
        found[odd] = pd.to_datetime(texts[odd].astype(str), utc=True, errors="coerce", format="mixed")
    return ((found - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)).to_numpy(dtype=float)


def _by_name(metadata: pd.DataFrame) -> list[int]:
    """Rows in the order of their files' names, whatever the order of the rows."""
    columns = [name for name in ("trace_source_file", "station_code", "source_id", "trace_start_time", "trace_source_sha256",
                                 "trace_name") if name in metadata]
    keys = list(zip(*(metadata[name].fillna("").astype(str) for name in columns)))
    return sorted(range(len(metadata)), key=keys.__getitem__)


def _held_out(stations: np.ndarray, held_out: Sequence[str]) -> list[str]:
    counts = pd.Series(stations).value_counts()
    most = sorted(counts.index, key=lambda station: (-counts[station], station))[:len(PAPER_STATIONS)]
    return list(held_out) or [station for station in PAPER_STATIONS if station in counts] or most


def _deal(groups: Sequence[str], shares: Sequence[float], seed: int) -> list[str]:
    """A split for each record.  Groups are shuffled by a hash, which no library's version changes, and dealt
    out by the share of records that lies before them."""
    counts = pd.Series(groups, dtype=object).value_counts()
    shuffled = sorted(counts.index, key=lambda group: hashlib.sha256(f"{seed}:{group}".encode()).digest())
    sizes = counts[shuffled].to_numpy() if len(shuffled) else np.empty(0)
    middles = (np.cumsum(sizes) - sizes / 2) / max(len(groups), 1)
    side = dict(zip(shuffled, _sides(middles, shares)))
    return [side[group] for group in groups]


def _without_test(shares: Sequence[float]) -> tuple[float, float, float]:
    """The shares where the test side is settled already."""
    train, dev, _ = shares
    return (train / (train + dev), dev / (train + dev), 0.0) if train + dev > 0 else (1.0, 0.0, 0.0)


def _sides(middles: np.ndarray, shares: Sequence[float]) -> list[str]:
    """Train, dev or test, by where the middle of each group lies between 0 and 1."""
    borders = np.cumsum(shares)[:2]
    return [SPLITS[int((middle >= borders - 1e-9).sum())] for middle in middles]
