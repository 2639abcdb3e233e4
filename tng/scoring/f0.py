"""The site frequency f0 without bins: distances of two samples, lognormal statistics of one, each with its interval.

f0 are compared as ln f0, because a frequency is wrong by a percentage, not by an amount.  Records that share an earthquake,
or that are the same record twice, are no independent ones: functions take `events`, which are drawn and exchanged as wholes.
Where records occur several times, the f0 itself names the record: ``events=f0_hz``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from tng.scoring.histograms import F0Lists
from tng.scoring.paper import matched
from tng.scoring.resampling import bootstrap_rows, enough, event_codes, interval, permuted_labels


# --- two samples of f0, without bins ------------------------------------------------------------------

def _ln(real, generated) -> tuple[np.ndarray, np.ndarray]:
    real, generated = enough("f0", real, generated)
    if real.ndim != 1 or min(real.min(), generated.min()) <= 0:
        lowest_hz = min(real.min(), generated.min())
        raise ValueError(f"f0 of shapes {real.shape} and {generated.shape}, from {lowest_hz:g} Hz; positive frequencies of shape "
                         "(records,) are needed")
    return np.log(real), np.log(generated)


def w1_ln_f0(real, generated) -> float:
    """1-Wasserstein distance of two samples of ln f0: by how much, on average, f0 must be moved to make one the other.

    A relative frequency: 0.1 is about 10 %, and every f0 times 1.1 gives ln 1.1.  Needs no bins, no parameter and no
    overlap.  `real` and `generated` are f0 [Hz], at least 5 each (ValueError otherwise).
    """
    return float(stats.wasserstein_distance(*_ln(real, generated)))


def energy_distance_ln_f0(real, generated) -> float:
    """Energy distance of two samples of ln f0: sqrt(2 ∫ (F - G)² d ln f) of their distribution functions.

    `real` and `generated` are f0 [Hz], at least 5 each (ValueError otherwise).
    """
    return float(stats.energy_distance(*_ln(real, generated)))


@dataclass(frozen=True)
class KS:
    """Kolmogorov-Smirnov: the largest gap between two distribution functions, and how often chance makes one as large."""

    distance: float
    p_value: float
    groups: int                                  # that were exchanged


def ks_f0(real, generated, groups=None, *, permutations: int = 999, seed: int = 0) -> KS:
    """Kolmogorov-Smirnov distance of two samples of f0, and its p by permutation of events.

    Parameters
    ----------
    real, generated : arrays, shape (records,)
        f0 [Hz], at least 5 each.
    groups : array, shape (real records + generated records,), optional
        The event of each record, real ones first; events change sides as wholes.  Every record on its own if not given,
        which makes p too small where records share an event or occur several times.
    permutations : int
        The smallest p is 1 / (permutations + 1).

    Raises
    ------
    ValueError
        For fewer than 5 records a side, f0 that are not positive, or groups of another length.
    """
    a, b = _ln(real, generated)
    values = np.concatenate([a, b])
    codes = np.arange(values.size) if groups is None else event_codes(groups)
    if codes.shape != values.shape:
        raise ValueError(f"{codes.size} groups for {values.size} records; one each is needed")
    is_real = np.arange(values.size) < a.size
    exchanged = permuted_labels(is_real, codes, np.random.default_rng(seed), permutations)
    distance = largest_gap(values, is_real[None])[0]
    as_large = (largest_gap(values, exchanged) >= distance - 1e-12).sum()
    return KS(float(distance), float((1 + as_large) / (permutations + 1)), int(codes.max()) + 1)


def largest_gap(values, is_real) -> np.ndarray:
    """Largest gap between the distribution functions of both sides, for labellings (times, records); NaN for an empty side."""
    order = np.argsort(values, kind="stable")
    last = np.append(np.diff(values[order]) > 0, True)           # of equal values: both functions have jumped there
    ordered = is_real[:, order]
    with np.errstate(invalid="ignore"):
        real, generated = (np.cumsum(side, axis=1) / side.sum(axis=1, keepdims=True) for side in (ordered, ~ordered))
    return np.abs(real - generated)[:, last].max(axis=1)


# --- one sample of f0 ---------------------------------------------------------------------------------

@dataclass(frozen=True)
class LognormalF0:
    """Site frequency of a station with 95 % intervals: (low, high), by bootstrap over events."""

    median_hz: float
    median_interval_hz: tuple[float, float]
    lognormal_median_hz: float                   # exp(mean ln f0): the median, if f0 is lognormal
    lognormal_median_interval_hz: tuple[float, float]
    sigma_ln: float                              # standard deviation of ln f0 (n - 1)
    sigma_ln_interval: tuple[float, float]
    records: int
    distinct: int                                # different values among them
    events: int


def lognormal_f0(f0_hz, events=None, *, draws: int = 1000, seed: int = 0) -> LognormalF0:
    """Median and scatter of the site frequency, as lognormal statistics (Cox et al., 2020), with intervals.

    Parameters
    ----------
    f0_hz : array, shape (records,)
        At least 5 [Hz].
    events : array, shape (records,), optional
        The event of each record; every record is one of its own if not given.

    Raises
    ------
    ValueError
        For fewer than 5 records or two events, or f0 that are not positive numbers.
    """
    ln_f0, _ = _ln(f0_hz, f0_hz)
    events = np.arange(ln_f0.size) if events is None else np.asarray(events)
    count = int(event_codes(events).max()) + 1 if events.shape == ln_f0.shape else 0
    if count < 2:
        raise ValueError(f"{ln_f0.size} f0 of {count} events ({events.size} given); one for each record, at least two, needed")
    rng = np.random.default_rng(seed)
    drawn = [ln_f0[bootstrap_rows(events, rng)] for _ in range(draws)]
    median, centre = ([function(one) for one in drawn] for function in (np.median, np.mean))
    sigma = sigma_ln(ln_f0)

    def ends(values) -> tuple[float, float]:
        low, high = np.exp(np.percentile(values, [2.5, 97.5]))
        return float(low), float(high)

    low, high = interval([sigma_ln(one) for one in drawn], sigma, lowest=0)
    return LognormalF0(
        float(np.exp(np.median(ln_f0))), ends(median), float(np.exp(ln_f0.mean())), ends(centre), sigma,
        (float(low), float(high)), ln_f0.size, np.unique(ln_f0).size, count)


def compare_f0(real: F0Lists, generated: F0Lists, *, real_events: F0Lists | None = None, generated_events: F0Lists | None = None,
               draws: int = 200, seed: int = 0) -> pd.DataFrame:
    """What to print beside an NCC: a row a station, bin-free, with intervals.

    Columns: `n real`, `n generated` and how many of them are `distinct`; `W1` of ln f0; `W1 chance`, below which lie 95 % of
    the W1 when events are exchanged at random between both sides; `KS` and its `p`; `median ratio` of f0 and `sigma ratio` of
    the scatter of ln f0, generated to real (NaN if the real ones do not scatter).  W1 and ratios have `low` and `high`.

    Parameters
    ----------
    real, generated : mapping or sequence of arrays
        f0 [Hz] of each station, at least 5 a station.
    real_events, generated_events : of the same kind, optional
        The event of each record; an event is never one of both sides, even if it is called the same.

    Raises
    ------
    ValueError
        As the measures do, or for stations that do not match.
    """
    (names, real), (_, generated) = ((list(one), list(one.values())) for one in matched(real, generated))
    rows = {}
    for number, (name, r, g) in enumerate(zip(names, real, generated)):
        rng = np.random.default_rng([seed, number])
        groups = [_codes(events, name, number, x.size) for events, x in ((real_events, r), (generated_events, g))]
        together = np.concatenate([groups[0], groups[0].max() + 1 + groups[1]])
        values, is_real = np.concatenate([r, g]), np.arange(r.size + g.size) < r.size
        exchanged = permuted_labels(is_real, together, rng, draws)
        chance = [w1_ln_f0(values[side], values[~side]) for side in exchanged if min(side.sum(), (~side).sum()) >= 5]
        pairs = [(r[bootstrap_rows(groups[0], rng)], g[bootstrap_rows(groups[1], rng)]) for _ in range(draws)]
        ks = ks_f0(r, g, together, seed=seed)
        row = {"n real": r.size, "distinct real": np.unique(r).size,
               "n generated": g.size, "distinct generated": np.unique(g).size}
        for key, function, lowest in (("W1", _w1, 0), ("median ratio", _median_ratio, 0), ("sigma ratio", _sigma_ratio, 0)):
            row[key] = function(r, g)
            row[f"{key} low"], row[f"{key} high"] = interval([function(*pair) for pair in pairs], row[key], lowest=lowest)
            if key == "W1":
                row["W1 chance"] = float(np.percentile(chance, 95)) if chance else np.nan
        rows[name] = row | {"KS": ks.distance, "p": ks.p_value}
    return pd.DataFrame.from_dict(rows, orient="index")


def _codes(events: F0Lists | None, name: str, number: int, size: int) -> np.ndarray:
    if events is None:
        return np.arange(size)
    codes = event_codes(events[name] if hasattr(events, "keys") else events[number])
    if codes.size != size:
        raise ValueError(f"station {name}: {size} f0 but {codes.size} events; one each is needed")
    return codes


def _w1(real, generated) -> float:
    """As `w1_ln_f0`, also of a bootstrap sample of a few large events."""
    return float(stats.wasserstein_distance(np.log(real), np.log(generated)))


def _median_ratio(real, generated) -> float:
    return float(np.median(generated) / np.median(real))


def _sigma_ratio(real, generated) -> float:
    sigma = sigma_ln(np.log(real))
    return sigma_ln(np.log(generated)) / sigma if sigma > 0 else np.nan


def sigma_ln(ln_f0: np.ndarray) -> float:
    """Standard deviation (n - 1), exactly 0 for equal values, which rounding would let scatter; NaN for a single one."""
    if ln_f0.size < 2:
        return np.nan
    return float(ln_f0.std(ddof=1)) if np.ptp(ln_f0) > 0 else 0.0
