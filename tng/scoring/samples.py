"""Means, spreads and distributions of many resamples of a station's records at once.

A resample (a bootstrap draw, one side of a random split, or all records) is a row of weights: how often each
record is in it.  What the scores need is then a few matrix products instead of a loop over draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tng.scoring.features import Features
from tng.scoring.histograms import shares

ROUNDING = 1e-7             # of logarithms; less is no scatter


@dataclass(frozen=True)
class Moments:
    """Weighted mean and standard deviation of some features, shapes (draws, features), and their correlation."""

    mean: np.ndarray
    std: np.ndarray
    correlation: np.ndarray | None = None      # (draws, features, features)


@dataclass(frozen=True)
class Summary:
    """What resamples of the records of one station show; the first axis is the draw."""

    counts: np.ndarray                         # records in each draw (draws,)
    hvsr: Moments
    eas: Moments
    psa: Moments
    measures: Moments
    ln_f0: Moments
    f0_share: np.ndarray                       # share of records in each f0 bin, never quite 0 (draws, bins)
    f0_hz: np.ndarray                          # of the records (records,)
    weights: np.ndarray                        # (draws, records), rows sum to 1

    def cumulative(self, grid_hz: np.ndarray) -> np.ndarray:
        """Share of f0 not above each of some frequencies, shape (draws, frequencies)."""
        return self.weights @ (self.f0_hz[:, None] <= grid_hz)


def once(n: int) -> np.ndarray:
    """The resample that is all of the records, shape (1, n)."""
    return np.ones((1, n))


def counts_of(rows: list[np.ndarray], n: int) -> np.ndarray:
    """Resamples given as lists of rows, as how often each of n records is in each, shape (draws, n)."""
    return np.stack([np.bincount(row, minlength=n) for row in rows]).astype(float)


def rows_of(counts: np.ndarray) -> list[np.ndarray]:
    """The same resamples as lists of rows."""
    return [np.repeat(np.arange(counts.shape[1]), draw.astype(int)) for draw in counts]


def summarise(records: Features, counts: np.ndarray, f0_bins_hz: np.ndarray) -> Summary:
    """Summaries of some resamples.

    Parameters
    ----------
    counts : array, shape (draws, records)
        How often each record is in each resample.  A resample without two records gives NaN.
    f0_bins_hz : array
        Edges of the bins of the f0 histograms [Hz]; they hold the band in which f0 was looked for.
    """
    total = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = counts / np.where(total < 2, np.nan, total)[:, None]
    inside = np.eye(len(f0_bins_hz) - 1)[np.digitize(records.f0_hz, f0_bins_hz[1:-1])]
    return Summary(total, *(_moments(x, weights, total) for x in (records.ln_hvsr, records.ln_eas)),
                   *(_moments(x, weights, total, correlation=True) for x in (records.ln_psa, records.ln_measures)),
                   ln_f0=_moments(np.log(records.f0_hz)[:, None], weights, total),
                   f0_share=shares(counts @ inside), f0_hz=records.f0_hz, weights=weights)


def _moments(x: np.ndarray, weights: np.ndarray, total: np.ndarray, correlation: bool = False) -> Moments:
    centre = x.mean(axis=0)                    # removed first: small spreads of large logarithms keep their digits
    x = x - centre
    mean = weights @ x
    unbiased = (total / np.maximum(total - 1, 1))[:, None]
    std = np.sqrt(np.maximum(weights @ x**2 - mean**2, 0) * unbiased)
    std[std < ROUNDING * np.maximum(1, np.abs(x).max(initial=0))] = 0
    if not correlation:
        return Moments(mean + centre, std)
    d = x.shape[1]
    product = (weights @ (x[:, :, None] * x[:, None, :]).reshape(len(x), d * d)).reshape(-1, d, d) - mean[:, :, None] * mean[:, None, :]
    scale = std / np.sqrt(unbiased)
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = product / (scale[:, :, None] * scale[:, None, :])
    return Moments(mean + centre, std, matrix)
