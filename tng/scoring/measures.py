"""The measures of the scoreboard that compare two samples of one station, each a short function of two summaries.

Every function takes the summaries of (resamples of) the recorded and of the generated records and gives one number a
resample, shape (draws,).  `PAIRWISE` lists them with their group and what would be best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tng.scoring import curves
from tng.scoring.features import MEASURES, Grid
from tng.scoring.histograms import share_similarity
from tng.scoring.paper import scores_of_shares
from tng.scoring.samples import Summary


@dataclass(frozen=True)
class Measure:
    """One line of the scoreboard.

    Attributes
    ----------
    better : {"zero", "one", "small", "large"}
        What a perfect generator would get.  "zero" and "one" are missed on both sides, the others on one.
    meaning : str
        One line for people.
    """

    name: str
    group: Literal["site", "engineering", "distribution", "novelty", "conditioning"]
    better: Literal["zero", "one", "small", "large"]
    meaning: str
    function: Callable[..., np.ndarray] | None = None
    most: float = np.inf             # no interval reaches above it
    signed: bool = False             # one of "small" or "one" that may also be negative


# --- site -----------------------------------------------------------------------------------------------

def f0_similarity(real: Summary, new: Summary, grid: Grid) -> np.ndarray:
    """1 - sqrt(JSD₂) of the f0 histograms, as :func:`tng.scoring.similarity`."""
    return share_similarity(real.f0_share, new.f0_share)


def f0_distance(real: Summary, new: Summary, grid: Grid) -> np.ndarray:
    """1-Wasserstein distance of ln f0: by which factor (in ln) the frequencies must be moved, on average."""
    at = np.unique(np.concatenate([real.f0_hz, new.f0_hz]))
    return np.abs(real.cumulative(at) - new.cumulative(at))[:, :-1] @ np.diff(np.log(at))


def f0_largest_gap(real: Summary, new: Summary, grid: Grid) -> np.ndarray:
    """Kolmogorov-Smirnov distance of f0."""
    at = np.unique(np.concatenate([real.f0_hz, new.f0_hz]))
    return np.abs(real.cumulative(at) - new.cumulative(at)).max(axis=1)


def _ratio(of: str, what: Literal["mean", "std"], column: str | None = None) -> Callable:
    """exp(difference of means) or ratio of standard deviations of one feature, or the mean over its features."""
    def ratio(real: Summary, new: Summary, grid: Grid) -> np.ndarray:
        a, b = (getattr(getattr(one, of), what) for one in (real, new))
        if column is not None:
            at = grid.measures.index(column)
            a, b = a[:, [at]], b[:, [at]]
        if what == "mean":
            return np.exp(b - a).mean(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = b.mean(axis=1) / a.mean(axis=1)
        return np.where(np.isfinite(found), found, np.nan)      # no scatter among the recorded: no ratio
    return ratio


def _rms(of: str) -> Callable:
    """Root mean square over the grid of the difference of mean logarithms."""
    def rms(real: Summary, new: Summary, grid: Grid) -> np.ndarray:
        return np.sqrt(((getattr(new, of).mean - getattr(real, of).mean) ** 2).mean(axis=1))
    return rms


def _bias(of: str) -> Callable:
    """Mean over the grid of the difference of mean logarithms."""
    def bias(real: Summary, new: Summary, grid: Grid) -> np.ndarray:
        return (getattr(new, of).mean - getattr(real, of).mean).mean(axis=1)
    return bias


def _correlations(of: str) -> Callable:
    """Root mean square difference of the correlations between features."""
    def difference(real: Summary, new: Summary, grid: Grid) -> np.ndarray:
        a, b = (getattr(one, of).correlation for one in (real, new))
        above = np.triu_indices(a.shape[1], 1)
        return np.sqrt(((a - b)[:, above[0], above[1]] ** 2).mean(axis=1))
    return difference


def hvsr_shift(real: Summary, new: Summary, grid: Grid) -> np.ndarray:
    """See :func:`tng.scoring.curves.shift`."""
    return curves.shift(*np.broadcast_arrays(real.hvsr.mean, new.hvsr.mean), grid.ln_step)


def hvsr_contrast(real: Summary, new: Summary, grid: Grid) -> np.ndarray:
    """See :func:`tng.scoring.curves.height_ratio`."""
    return curves.height_ratio(*np.broadcast_arrays(real.hvsr.mean, new.hvsr.mean), grid.ln_step)


def hvsr_correlation(real: Summary, new: Summary, grid: Grid) -> np.ndarray:
    """See :func:`tng.scoring.curves.correlation`."""
    return curves.correlation(*np.broadcast_arrays(real.hvsr.mean, new.hvsr.mean))


PAIRWISE = [
    Measure("f0 similarity", "site", "large", "1 - Jensen-Shannon distance of the f0 histograms, as in the paper", f0_similarity, most=1),
    Measure("f0 W1", "site", "small", "1-Wasserstein distance of ln f0", f0_distance),
    Measure("f0 KS", "site", "small", "Kolmogorov-Smirnov distance of f0", f0_largest_gap, most=1),
    Measure("f0 ratio", "site", "one", "lognormal median f0, generated / held-out", _ratio("ln_f0", "mean")),
    Measure("f0 scatter ratio", "site", "one", "sigma of ln f0, generated / held-out", _ratio("ln_f0", "std")),
    Measure("HVSR rms", "site", "small", "rms over ln f of ln(mean HVSR generated / held-out)", _rms("hvsr")),
    Measure("HVSR correlation", "site", "large", "correlation of the two mean ln HVSR curves", hvsr_correlation, most=1),
    Measure("HVSR shift", "site", "zero", "shift in ln f that lays the generated mean HVSR on the held-out one", hvsr_shift),
    Measure("HVSR contrast", "site", "one", "height of peaks and troughs of mean ln HVSR, generated / held-out", hvsr_contrast, signed=True),
    Measure("HVSR scatter ratio", "site", "one", "sigma of ln HVSR, mean over frequency, generated / held-out", _ratio("hvsr", "std")),
    *(Measure(f"{name} ratio", "engineering", "one", f"lognormal median {name}, generated / held-out", _ratio("measures", "mean", column))
      for column, name in MEASURES.items()),
    *(Measure(f"{name} scatter ratio", "engineering", "one", f"sigma of ln {name}, generated / held-out", _ratio("measures", "std", column))
      for column, name in MEASURES.items()),
    Measure("PSA bias", "engineering", "zero", "mean over periods of ln(RotD50 PSA generated / held-out)", _bias("psa")),
    Measure("PSA rms", "engineering", "small", "rms over periods of ln(RotD50 PSA generated / held-out)", _rms("psa")),
    Measure("PSA scatter ratio", "engineering", "one", "sigma of ln PSA, mean over periods, generated / held-out", _ratio("psa", "std")),
    Measure("EAS bias", "engineering", "zero", "mean over frequency of ln(EAS generated / held-out)", _bias("eas")),
    Measure("EAS rms", "engineering", "small", "rms over frequency of ln(EAS generated / held-out)", _rms("eas")),
    Measure("EAS scatter ratio", "engineering", "one", "sigma of ln EAS, mean over frequency, generated / held-out", _ratio("eas", "std")),
    Measure("correlation of measures", "engineering", "small", "rms difference of the correlations between intensity measures",
            _correlations("measures")),
    Measure("correlation of periods", "engineering", "small", "rms difference of the correlations of ln PSA between periods",
            _correlations("psa")),
]


def pairwise(grid: Grid) -> list[Measure]:
    """Those of `PAIRWISE` that the records hold."""
    lacking = tuple(f"{name} " for column, name in MEASURES.items() if column not in grid.measures)
    return [measure for measure in PAIRWISE if not (lacking and measure.name.startswith(lacking))]


# --- all stations together --------------------------------------------------------------------------------

def _ncc(form: int) -> Callable:
    """The paper's NCC of the S×S (0) or the 2S×2S matrix (1); see :func:`tng.scoring.paper.scores_of_shares`."""
    def of_stations(real: Sequence[Summary], new: Sequence[Summary], grid: Grid) -> np.ndarray:
        return scores_of_shares(*(np.stack([station.f0_share for station in side], axis=1) for side in (real, new)))[:, form]
    return of_stations


ACROSS = [
    Measure("NCC SxS", "site", "large", "the paper's NCC, real stations against generated ones", _ncc(0), most=1),
    Measure("NCC 2Sx2S", "site", "large", "the paper's NCC, all lists against all lists", _ncc(1), most=1),
]


def pooled(measure: Measure, values: np.ndarray) -> np.ndarray:
    """One number for all stations, over the first axis: the mean, or of ratios the geometric mean; NaN stations are left out."""
    values = np.asarray(values, dtype=float)
    ratio = measure.better == "one" and not measure.signed
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = np.where(known, np.log(np.maximum(values, 0)) if ratio else values, 0)      # one station without scatter: none at all
        mean = x.sum(axis=0) / known.sum(axis=0)
    return np.exp(mean) if ratio else mean
