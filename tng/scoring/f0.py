"""The site frequency f0 without bins, and what the paper's score of it is worth.

Distances of two samples of f0 that need no histogram, the lognormal statistics of one sample, the paper's NCC against its
own bins, and the NCC that independent records of the same law reach (its ceiling).

f0 are compared as ln f0, because a frequency is wrong by a percentage, not by an amount.  Records that share an earthquake,
or that are the same record twice, are no independent ones: functions take `events`, which are drawn and exchanged as wholes.
Where records occur several times, the f0 itself names the record: ``events=f0_hz``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from tng.scoring.histograms import F0_BINS_HZ, F0Lists, draw_shares, f0_counts, outside, per_station, shares, station_lists
from tng.scoring.paper import interleaved, matched, matched_shares, ncc, scores_of_shares, summary
from tng.scoring.resampling import bootstrap_rows, enough, event_codes, interval, permuted_labels

SHIFT_HZ = 0.05                                  # between the origins that are tried
BINNINGS = {                                     # name → edges [Hz]
    "10 linear": np.linspace(1, 20, 11), "20 linear, as published": F0_BINS_HZ, "39 linear": np.linspace(1, 20, 40),
    "380 linear": np.linspace(1, 20, 381), "20 logarithmic": np.geomspace(1, 20, 21), "40 logarithmic": np.geomspace(1, 20, 41),
}


# --- two samples of f0, without bins ------------------------------------------------------------------

def _ln(real, generated) -> tuple[np.ndarray, np.ndarray]:
    real, generated = enough("f0", real, generated)
    if real.ndim != 1 or min(real.min(), generated.min()) <= 0:
        raise ValueError(f"f0 of shapes {real.shape} and {generated.shape}, from {min(real.min(), generated.min()):g} Hz; positive "
                         "frequencies of shape (records,) are needed")
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
    """Two-sample Kolmogorov-Smirnov: the largest gap between the distribution functions, and how often chance makes one as large."""

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
    """Largest gap between the distribution functions of both sides, for many labellings (times, records); NaN for an empty side."""
    order = np.argsort(values, kind="stable")
    last = np.append(np.diff(values[order]) > 0, True)           # of equal values: both functions have jumped there
    real = is_real[:, order].astype(float)
    with np.errstate(invalid="ignore"):
        gaps = np.cumsum(real, axis=1) / real.sum(axis=1, keepdims=True) - np.cumsum(1 - real, axis=1) / (1 - real).sum(axis=1, keepdims=True)
    return np.abs(gaps[:, last]).max(axis=1)


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
        raise ValueError(f"{ln_f0.size} f0 of {count} events ({events.size} given); one for each record, and two at least, are needed")
    rng = np.random.default_rng(seed)
    drawn = [ln_f0[bootstrap_rows(events, rng)] for _ in range(draws)]
    median, centre = ([function(one) for one in drawn] for function in (np.median, np.mean))
    sigma = _sigma(ln_f0)

    def ends(values) -> tuple[float, float]:
        low, high = np.exp(np.percentile(values, [2.5, 97.5]))
        return float(low), float(high)

    low, high = interval([_sigma(one) for one in drawn], sigma, lowest=0)
    return LognormalF0(
        float(np.exp(np.median(ln_f0))), ends(median), float(np.exp(ln_f0.mean())), ends(centre), sigma, (float(low), float(high)),
        ln_f0.size, np.unique(ln_f0).size, count)


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
        The event of each record.

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
        row = {"n real": r.size, "distinct real": np.unique(r).size, "n generated": g.size, "distinct generated": np.unique(g).size}
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
    sigma = _sigma(np.log(real))
    return _sigma(np.log(generated)) / sigma if sigma > 0 else np.nan


def _sigma(ln_f0: np.ndarray) -> float:
    """Standard deviation (n - 1), exactly 0 for equal values, which rounding would let scatter; NaN for a single one."""
    if ln_f0.size < 2:
        return np.nan
    return float(ln_f0.std(ddof=1)) if np.ptp(ln_f0) > 0 else 0.0


# --- what the NCC is worth ----------------------------------------------------------------------------

def binning_strip(real: F0Lists, generated: F0Lists) -> pd.DataFrame:
    """The NCC against the bins of f0, a row a binning.

    Rows: 10, 20 (as published), 39 and 380 linear bins, 20 and 40 logarithmic ones, all from 1 to 20 Hz; the smallest and
    the largest score when the origin of 20 linear bins is moved in steps of 0.05 Hz (a bin is added below, so that no f0 is
    lost); and, with no bins at all, the NCC of the negative distances W1 of ln f0 and KS.  Columns: `SxS`, `2Sx2S`, and
    `outside`, the f0 that lie in no bin (also said in a warning).

    Raises
    ------
    ValueError
        Naming a station of which no f0 is inside.
    """
    lists = matched(real, generated)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                          # one is enough
        rows = {name: _strip_row(*lists, bins_hz) for name, bins_hz in BINNINGS.items()}
        shifted = pd.DataFrame([_strip_row(*lists, bins_hz) for bins_hz in shifted_bins()])
    if missed := max(row["outside"] for row in rows.values()):
        warnings.warn(f"{missed} f0 values lie outside 1-20 Hz and in no bin: see the column `outside`", stacklevel=2)
    for name, pick in (("lowest", shifted.min()), ("highest", shifted.max())):
        rows[f"20 linear, moved: {name}"] = dict(pick)
    for name, distance in (("W1", _w1), ("KS", lambda a, b: stats.ks_2samp(a, b).statistic)):
        rows[f"no bins: {name}"] = _bin_free_row(*lists, distance)
    return pd.DataFrame.from_dict(rows, orient="index").astype({"outside": int})


def shifted_bins(step_hz: float = SHIFT_HZ) -> list[np.ndarray]:
    """Edges of bins as wide as the published ones, with the origin moved in steps over one width; one bin more, below."""
    width = F0_BINS_HZ[1] - F0_BINS_HZ[0]
    return [F0_BINS_HZ[0] - shift + width * np.arange(len(F0_BINS_HZ) + 1) for shift in np.arange(0, width - 1e-9, step_hz)]


def _strip_row(real: dict, generated: dict, bins_hz) -> dict:
    missed = sum(outside(f0_hz, bins_hz) for f0_hz in [*real.values(), *generated.values()])
    stations, pairs, _ = scores_of_shares(*(one[None] for one in matched_shares(real, generated, bins_hz)))[0]
    return {"SxS": stations, "2Sx2S": pairs, "outside": missed}


def _bin_free_row(real: dict, generated: dict, distance) -> dict:
    """NCC of negative distances; a correlation does not ask how they are scaled."""
    r, g, stations = list(real.values()), list(generated.values()), len(real)
    both = interleaved(r, g)
    return {"SxS": ncc([[-distance(a, b) for b in g] for a in r], np.eye(stations)),
            "2Sx2S": ncc([[-distance(a, b) for b in both] for a in both], np.kron(np.eye(stations), np.ones((2, 2)))), "outside": 0}


def smooth_law(f0_hz, bins_hz=F0_BINS_HZ) -> np.ndarray:
    """Probability of each f0 bin under a Gaussian kernel density of ln f0, shape (bins,); what is outside counts to the end bins.

    Bandwidth: 0.9 min(σ, IQR/1.34) n^(-1/5) (Silverman, 1986, eq. 3.31), where n is the number of *different* values,
    because a record that occurs twice says nothing new.
    """
    ln_f0 = np.log(np.asarray(f0_hz, dtype=np.float64))
    sigma, spread = _sigma(ln_f0), stats.iqr(ln_f0) / 1.34
    width = 0.9 * (min(sigma, spread) or sigma) * np.unique(ln_f0).size ** -0.2
    if not width > 0:                                            # a single value, or only one
        return shares(f0_counts([f0_hz], bins_hz))[0]
    edges = np.concatenate([[-np.inf], np.log(bins_hz[1:-1]), [np.inf]])
    return np.diff(stats.norm.cdf((edges[:, None] - ln_f0) / width).mean(axis=1))


def ceilings(real: F0Lists, counts: Sequence[int] | int | None = None, *, bins_hz=F0_BINS_HZ, draws: int = 400,
             seed: int = 0) -> pd.DataFrame:
    """The NCC that independent records of the very same stations reach: no honest generator can expect more.

    Rows: generated lists drawn with replacement from the real ones, which stay as they are; both drawn from the real ones;
    both drawn from a smooth law fitted to them (`smooth_law`; it is a little wider than the truth, so its ceiling is low); and
    the two halves of the real records, which are half as many (a floor under the ceiling).
    Columns: mean, 2.5 % and 97.5 % of both NCC, and the mean diagonal similarity.

    Parameters
    ----------
    counts : int or sequence of int, optional
        Records to draw for each station; default as many as are real.  Not used for the halves.
    """
    names, lists = station_lists(real)
    counts = per_station(counts, lists)
    rng = np.random.default_rng(seed)
    found = f0_counts(dict(zip(names, lists)), bins_hz)
    smooth = [smooth_law(f0_hz, bins_hz) for f0_hz in lists]
    half = np.stack([rng.multivariate_hypergeometric(own, int(own.sum()) // 2, size=draws) for own in found], axis=1)

    def drawn(laws) -> np.ndarray:
        return draw_shares(laws, counts, draws, rng)

    pairs = {
        "real records, and a bootstrap of them": (shares(found)[None], drawn(found)),
        "two bootstraps of the real records": (drawn(found), drawn(found)),
        "two draws from a smooth law": (drawn(smooth), drawn(smooth)),
        "two halves of the real records": (shares(half), shares(found - half)),
    }
    return pd.DataFrame.from_dict({name: summary(scores_of_shares(*pair)) for name, pair in pairs.items()}, orient="index")
