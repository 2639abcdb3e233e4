"""Chance, earthquake by earthquake: bootstrap, splits and permutations that keep the records of an event together.

Records of one earthquake share its source, so that ten records of two events are closer to two observations than to ten.
Everything here therefore moves events as wholes.  A record whose event is not known (``""``, None, NaN) counts as an event
of its own: intervals are then too narrow wherever records do share one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tng.recordset import UNKNOWN

REDRAWS = 20            # with many small stations there is no draw that suits all
SMALLEST = 5            # records a side; with fewer no law is told from another


def enough(name: str, real, generated) -> tuple[np.ndarray, np.ndarray]:
    """Both sides as float64 arrays, if they can be compared: `SMALLEST` records or more each, of one shape, all finite.

    Parameters
    ----------
    name : str
        The measure, for the message.
    real, generated : arrays, shape (records,) or (records, values)

    Raises
    ------
    ValueError
        Saying what was found.
    """
    real, generated = np.asarray(real, dtype=np.float64), np.asarray(generated, dtype=np.float64)
    if real.ndim not in (1, 2) or real.shape[1:] != generated.shape[1:] or 0 in real.shape[1:]:
        raise ValueError(f"{name}: real values of shape {real.shape}, generated ones of shape {generated.shape}; (records,) or "
                         "(records, values) with equally many values are needed")
    if min(len(real), len(generated)) < SMALLEST:
        raise ValueError(f"{name}: {len(real)} real and {len(generated)} generated records; at least {SMALLEST} each are needed")
    for side, values in (("real", real), ("generated", generated)):
        if not np.isfinite(values).all():
            rows = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
            raise ValueError(f"{name}: {len(rows)} of {len(values)} {side} records hold values that are not finite numbers, the "
                             f"first is record {rows[0]}; leave them out")
    return real, generated


def event_codes(events) -> np.ndarray:
    """A number for each record, 0, 1, …, the same for records of one event; unknown events get numbers of their own.

    Parameters
    ----------
    events : array, shape (records,)
        Names or numbers of the events.
    """
    events = np.asarray(events)
    if events.ndim != 1:
        raise ValueError(f"events of shape {events.shape}; one for each record, shape (records,), is needed")
    codes = np.unique(events if events.dtype.kind in "biu" else events.astype(str), return_inverse=True)[1]
    if events.dtype.kind in "OUSf":
        unknown = np.isin(events.astype(str), UNKNOWN)
        if unknown.any():
            codes[unknown] = len(events) + np.arange(unknown.sum())
            codes = np.unique(codes, return_inverse=True)[1]
    return codes


def _members(codes: np.ndarray, count: int | None = None) -> list[np.ndarray]:
    """The rows of each of `count` events."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.searchsorted(codes[order], np.arange(1, codes.max() + 1 if count is None else count)))


def bootstrap_rows(events, rng: np.random.Generator) -> np.ndarray:
    """Rows of a bootstrap sample: as many events as there are, drawn with replacement, each with all its records.

    The number of rows varies where events differ in their numbers of records.

    Raises
    ------
    ValueError
        For no records.
    """
    if len(events) == 0:
        raise ValueError("no records to draw from")
    members = _members(event_codes(events))
    return np.concatenate([members[one] for one in rng.integers(len(members), size=len(members))])


def bootstrap_weights(events, times: int, rng: np.random.Generator) -> np.ndarray:
    """How often each record is in each of many bootstrap samples by event, shape (times, records), float64.

    Means of all samples are then one matrix product: ``weights @ values / weights.sum(axis=1, keepdims=True)``.
    """
    codes = event_codes(events)
    if len(codes) == 0:
        raise ValueError("no records to draw from")
    count = int(codes.max()) + 1
    return rng.multinomial(count, np.full(count, 1 / count), size=times)[:, codes].astype(np.float64)


def shared_bootstrap(stations: Sequence, rng: np.random.Generator, smallest: int = 2) -> list[np.ndarray]:
    """Rows of a bootstrap sample for each of several stations; an earthquake is drawn for all stations or for none.

    Parameters
    ----------
    stations : sequence of arrays
        The events of each station's records.
    smallest : int
        Records that every station should get (all that it has, if those are fewer); earthquakes are drawn again until it does, or
        `REDRAWS` times: of many small stations one will always lack records, even all of them.

    Raises
    ------
    ValueError
        For a station without records.
    """
    sizes = [len(events) for events in stations]
    if 0 in sizes or not sizes:
        raise ValueError(f"stations of {sizes} records; each needs some")
    codes = event_codes(np.concatenate([np.asarray(events, dtype=object) for events in stations]))
    count = int(codes.max()) + 1
    members = [_members(own, count) for own in np.split(codes, np.cumsum(sizes)[:-1])]
    for _ in range(REDRAWS):
        drawn = rng.integers(count, size=count)
        rows = [np.concatenate([own[one] for one in drawn]) for own in members]
        if all(len(got) >= min(smallest, size) for got, size in zip(rows, sizes)):
            break
    return rows


def split_by_event(events, sizes: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two random sets of records that share no event, sorted rows of each.

    Events are dealt in random order to the side that lacks more of its size; of the event that fills a side, only
    a random part is taken.  If there are too few records, both sides get about the same share of what was asked for:
    look at the lengths.

    Raises
    ------
    ValueError
        For fewer than two events, or sizes below one.
    """
    members = _members(event_codes(events)) if len(events) else []
    if len(members) < 2 or min(sizes) < 1:
        raise ValueError(f"{len(events)} records of {len(members)} events to be split into {sizes[0]} and {sizes[1]}; two sides "
                         "that share no event need two events, and one record each")
    sides: tuple[list, list] = ([], [])
    for one in rng.permutation(len(members)):
        missing = [1 - len(side) / size for side, size in zip(sides, sizes)]
        side = int(missing[1] > missing[0])
        sides[side].extend(rng.permutation(members[one])[: sizes[side] - len(sides[side])])
    return np.sort(np.array(sides[0], dtype=int)), np.sort(np.array(sides[1], dtype=int))


def permuted_labels(labels, groups, rng: np.random.Generator, times: int | None = None) -> np.ndarray:
    """Labels exchanged among groups as wholes: what they could have been, had the two sides one law.

    Groups are put in random order, and the first ones become True until as many records are True as were.  A group that
    straddles this number goes where more of it lies, so that the number of True ones moves by at most half a group.

    Parameters
    ----------
    labels : array of bool, shape (records,)
    groups : array, shape (records,)
        The event of each record; see `event_codes`.
    times : int, optional
        How many permutations; one if not given.

    Returns
    -------
    array of bool, shape (records,), or (times, records)
    """
    labels, codes = np.asarray(labels, dtype=bool), event_codes(groups)
    if labels.shape != codes.shape:
        raise ValueError(f"{labels.size} labels but {codes.size} groups; one each for every record is needed")
    size = np.bincount(codes)
    order = np.argsort(rng.random((times or 1, len(size))), axis=1)
    ends = np.cumsum(size[order], axis=1)
    chosen = np.empty_like(order, dtype=bool)
    np.put_along_axis(chosen, order, ends - size[order] / 2 <= labels.sum(), axis=1)
    permuted = chosen[:, codes]
    return permuted if times else permuted[0]


def interval(draws, value, level: float = 0.95, *, lowest: float = -np.inf, highest: float = np.inf):
    """Interval of a measure from its values on bootstrap samples: value + (percentiles of the draws - their median).

    A bootstrap sample repeats records, which puts it further from another set than the records are themselves: draws
    of a distance lie above the distance, often all of them, and their plain percentiles would leave it out.  So the draws
    tell how wide the interval is, and the value where.

    Parameters
    ----------
    draws : array, shape (times, ...)
        NaN draws count as not made.
    value : array, shape (...)
        The measure on the records themselves.
    level : float
        Share of the draws inside.
    lowest, highest : float
        Where the measure ends (a distance at 0); the interval ends there too.

    Returns
    -------
    low, high : of the shape of `value`
        NaN where the value is, or fewer than two draws are numbers.

    Raises
    ------
    ValueError
        For a level outside 0-1, or draws of another shape.
    """
    draws, value = np.asarray(draws, dtype=np.float64), np.asarray(value, dtype=np.float64)
    if not 0 < level < 1:
        raise ValueError(f"level {level}; a share between 0 and 1 is needed")
    if draws.ndim == 0 or draws.shape[1:] != value.shape:
        raise ValueError(f"draws of shape {draws.shape} for a value of shape {value.shape}; (times, *value.shape) is needed")
    known = np.isfinite(draws)
    made = known.sum(axis=0) >= 2
    safe = np.where(made, np.where(known, draws, np.nan), 0)         # a column without numbers would raise a warning
    middle, low, high = np.nanpercentile(safe, [50, 50 - 50 * level, 50 + 50 * level], axis=0) if len(draws) else (value,) * 3
    ends = [np.where(made, np.clip(value + (end - middle), lowest, highest), np.nan) for end in (low, high)]
    return ends[0][()], ends[1][()]
