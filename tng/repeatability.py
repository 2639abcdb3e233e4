"""Is an HVSR curve a property of the station?  Two answers that need no model: do halves of its records agree, and
can a record be given to its station by its curve alone, with its own earthquake left out?

Curves are compared as log10 on frequencies evenly spaced in log frequency, so that every octave counts alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

POINTS = 200     # frequencies of a compared curve
SPLITS = 400     # random halves


def log_curves(freq_hz, curves) -> np.ndarray:
    """log10 of H/V at `POINTS` frequencies evenly spaced in log frequency, shape (records, POINTS)."""
    freq_hz = np.asarray(freq_hz)
    at = np.geomspace(freq_hz[0], freq_hz[-1], POINTS)
    return np.stack([np.interp(at, freq_hz, np.log10(curve)) for curve in curves])


def half_split(curves, rng=0, splits: int = SPLITS) -> float:
    """Root-mean-square difference of the median curves of two halves of a station's records, mean over random halves.

    Parameters
    ----------
    curves : array, shape (records, frequencies)
        log10 of H/V.
    rng : seed or Generator
    splits : int
        How many random halves.

    Raises
    ------
    ValueError
        For fewer than four records.
    """
    curves = np.asarray(curves)
    if len(curves) < 4:
        raise ValueError(f"{len(curves)} records; at least 4 are needed to compare halves")
    rng = np.random.default_rng(rng)
    found = []
    for _ in range(splits):
        order = rng.permutation(len(curves))
        first, second = (np.median(curves[half], axis=0) for half in np.array_split(order, 2))
        found.append(np.sqrt(((first - second) ** 2).mean()))
    return float(np.mean(found))


def distances(curves, stations: Sequence[str]) -> pd.DataFrame:
    """Root-mean-square difference of the median curves of any two stations."""
    curves, stations = np.asarray(curves), np.asarray(stations)
    codes = sorted(set(stations))
    medians = np.stack([np.median(curves[stations == code], axis=0) for code in codes])
    rms = np.sqrt(((medians[:, None] - medians[None]) ** 2).mean(axis=-1))
    return pd.DataFrame(rms, index=codes, columns=codes)


def leave_one_event_out(curves, stations: Sequence[str], events: Sequence[str]) -> pd.DataFrame:
    """To which station each record would be given: the one whose mean curve, without this earthquake, is nearest.

    Returns
    -------
    DataFrame
        Counts; rows are true stations, columns those that were chosen.  A station all of whose records are of
        that one earthquake cannot be chosen.
    """
    curves, stations, events = np.asarray(curves), np.asarray(stations), np.asarray(events)
    codes = sorted(set(stations))
    table = pd.DataFrame(0, index=codes, columns=codes)
    for event in sorted(set(events)):
        others = events != event
        means = {code: curves[others & (stations == code)].mean(axis=0) for code in codes if (others & (stations == code)).any()}
        for number in np.flatnonzero(~others) if means else ():
            nearest = min(means, key=lambda code: ((curves[number] - means[code]) ** 2).mean())
            table.loc[stations[number], nearest] += 1
    return table


def accuracy(table: pd.DataFrame) -> float:
    """Share of records that were given to their own station."""
    return float(np.trace(table.to_numpy()) / table.to_numpy().sum())


def accuracy_by_chance(curves, stations: Sequence[str], events: Sequence[str], rng=0, times: int = 60) -> np.ndarray:
    """The same with stations exchanged among the records of each earthquake: what size and number of earthquakes alone
    would give, shape (times,)."""
    rng, stations, events = np.random.default_rng(rng), np.asarray(stations), np.asarray(events)
    found = []
    for _ in range(times):
        mixed = stations.copy()
        for event in sorted(set(events)):
            at = np.flatnonzero(events == event)
            mixed[at] = rng.permutation(stations[at])
        found.append(accuracy(leave_one_event_out(curves, mixed, events)))
    return np.array(found)


def f0_interval(freq_hz, curves, rng=0, times: int = 500) -> tuple[float, float, float]:
    """f0 of the median curve [Hz], and its 16th and 84th percentile when records are drawn with replacement."""
    freq_hz, curves, rng = np.asarray(freq_hz), np.asarray(curves), np.random.default_rng(rng)
    drawn = [freq_hz[np.argmax(np.median(curves[rng.integers(0, len(curves), len(curves))], axis=0))] for _ in range(times)]
    low, high = np.percentile(drawn, (16, 84))
    return float(freq_hz[np.argmax(np.median(curves, axis=0))]), float(low), float(high)
