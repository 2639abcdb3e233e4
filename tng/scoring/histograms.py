"""Histograms of f0, station by station: counts, shares, draws, and how alike two of them are.

Lists of f0 are a mapping from station to f0 [Hz], or a sequence of arrays in the order of stations.  Counts are arrays
(stations, bins) or (events, bins), so that a bootstrap is a matrix product.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import rel_entr

from tng.scoring.resampling import event_codes

F0_BINS_HZ = np.linspace(1.0, 20.0, 21)     # 20 bins of 0.95 Hz
EMPTY = 1e-10                               # the authors' guard against empty bins

F0Lists = Mapping[str, Sequence] | Sequence


def station_lists(lists: F0Lists, side: str = "") -> tuple[list[str], list[np.ndarray]]:
    """Names of the stations and their f0 as float64 arrays; stations of a sequence are called by their number, 0, 1, …

    `side` ("real", "generated") is for messages only.

    Raises
    ------
    ValueError
        Naming a station without f0, or with values that are not finite.
    """
    named = lists.items() if isinstance(lists, Mapping) else ((f"number {i}", f0_hz) for i, f0_hz in enumerate(lists))
    names, arrays = [], []
    for name, f0_hz in named:
        f0_hz = np.asarray(f0_hz, dtype=np.float64)
        if f0_hz.ndim != 1 or f0_hz.size == 0:
            raise ValueError(f"{_where(name, side)}: no f0 values (shape {f0_hz.shape}); a station without records cannot be "
                             "scored")
        if bad := (~np.isfinite(f0_hz)).sum():
            raise ValueError(f"{_where(name, side)}: {bad} of {f0_hz.size} f0 are not finite; the paper's rule gives every "
                             "record one. Leave out records without a peak, and say how many they are")
        names.append(str(name))
        arrays.append(f0_hz)
    return names, arrays


def _where(name: str, side: str) -> str:
    return f"{side} station {name}".strip()


def outside(f0_hz, bins_hz=F0_BINS_HZ) -> int:
    """How many f0 lie in no bin; the last bin includes its upper edge."""
    f0_hz = np.asarray(f0_hz, dtype=np.float64)
    return int(((f0_hz < bins_hz[0]) | (f0_hz > bins_hz[-1])).sum())


def f0_counts(lists: F0Lists, bins_hz=F0_BINS_HZ, side: str = "") -> np.ndarray:
    """Records in each f0 bin, shape (stations, bins); those outside are counted in a warning.

    Raises
    ------
    ValueError
        Naming a station of which no f0 is inside.
    """
    bins_hz = np.asarray(bins_hz)
    if bins_hz.ndim != 1 or len(bins_hz) < 2 or not (np.diff(bins_hz) > 0).all():
        raise ValueError(f"bins of shape {bins_hz.shape}; two or more rising edges [Hz] are needed")
    counts = []
    band = f"{bins_hz[0]:g}-{bins_hz[-1]:g} Hz"
    for name, f0_hz in zip(*station_lists(lists, side)):
        missed = outside(f0_hz, bins_hz)
        if missed == f0_hz.size:
            raise ValueError(f"{_where(name, side)}: none of the {f0_hz.size} f0 values lies in {band}; widen the bins or leave "
                             "it out")
        if missed:
            warnings.warn(f"{_where(name, side)}: {missed} of {f0_hz.size} f0 values lie outside {band} and in no bin",
                          stacklevel=4)
        counts.append(np.histogram(f0_hz, bins_hz)[0])
    return np.array(counts)


def shares(counts) -> np.ndarray:
    """Counts (..., bins) as shares, with the authors' 1e-10 against empty bins; NaN where there are none at all."""
    counts = np.asarray(counts, dtype=np.float64)
    total = counts.sum(axis=-1, keepdims=True)
    share = counts / np.where(total > 0, total, np.nan) + EMPTY
    return share / share.sum(axis=-1, keepdims=True)


def f0_histogram(f0_hz, bins_hz=F0_BINS_HZ) -> np.ndarray:
    """Share of records in each f0 bin, shape (bins,), with the authors' 1e-10 against empty bins."""
    return shares(f0_counts([f0_hz], bins_hz))[0]


def share_similarity(p, q, *, square_root: bool = True) -> np.ndarray:
    """1 - sqrt(JSD₂) of shares (..., bins), broadcast against each other; without the root if `square_root` is False.

    JSD₂ = ½ KL₂(p‖m) + ½ KL₂(q‖m), m = (p + q)/2, in bits (Lin, 1991, eq. 4.1 for equal weights).  (`scipy`'s jensenshannon
    is the same, but gives NaN where rounding takes the divergence of two equal histograms below zero.)
    """
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / (2 * np.log(2))
    divergence = np.clip(divergence, 0, 1)
    return 1 - (np.sqrt(divergence) if square_root else divergence)


def event_counts(f0_hz, events, bins_hz=F0_BINS_HZ) -> np.ndarray:
    """Records in each f0 bin, event by event, shape (events, bins); each record is one of its own if `events` is None."""
    f0_hz = np.asarray(f0_hz, dtype=np.float64)
    codes = np.arange(f0_hz.size) if events is None else event_codes(events)
    if codes.shape != f0_hz.shape:
        raise ValueError(f"{f0_hz.size} f0 but {codes.size} events; one each is needed")
    inside = (f0_hz >= bins_hz[0]) & (f0_hz <= bins_hz[-1])
    found = np.zeros((codes.max() + 1, len(bins_hz) - 1))
    np.add.at(found, (codes[inside], np.digitize(f0_hz[inside], bins_hz[1:-1])), 1)
    return found


def draw_shares(laws, counts: Sequence[int], draws: int, rng: np.random.Generator) -> np.ndarray:
    """Shares of records drawn from a law of each station, shape (draws, stations, bins).

    Parameters
    ----------
    laws : array, shape (stations, bins)
        Probability, or count, of each bin.
    counts : sequence of int
        Records to draw for each station.
    """
    return shares(np.stack([rng.multinomial(n, law / law.sum(), size=draws) for law, n in zip(laws, counts)], axis=1))


def per_station(counts: Sequence[int] | int | None, lists: Sequence) -> list[int]:
    """Records to draw for each station: as many as there are, the same number for all, or as given."""
    if counts is None:
        return [len(f0_hz) for f0_hz in lists]
    counts = [int(counts)] * len(lists) if np.ndim(counts) == 0 else [int(n) for n in counts]
    if len(counts) != len(lists) or min(counts) < 1:
        raise ValueError(f"counts {counts} for {len(lists)} stations; a positive number for each is needed")
    return counts
