"""What the paper's NCC is worth: how it moves with the bins of f0, and what independent records of the same law reach."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from tng.scoring.f0 import sigma_ln
from tng.scoring.histograms import F0_BINS_HZ, F0Lists, draw_shares, f0_counts, outside, per_station, shares, station_lists
from tng.scoring.paper import interleaved, matched, matched_shares, ncc, scores_of_shares, summary

SHIFT_HZ = 0.05                                  # between the origins that are tried
BINNINGS = {                                     # name → edges [Hz]
    "10 linear": np.linspace(1, 20, 11), "20 linear, as published": F0_BINS_HZ, "39 linear": np.linspace(1, 20, 40),
    "380 linear": np.linspace(1, 20, 381), "20 logarithmic": np.geomspace(1, 20, 21), "40 logarithmic": np.geomspace(1, 20, 41),
}


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
    for name, distance in (("W1", lambda a, b: stats.wasserstein_distance(np.log(a), np.log(b))),
                           ("KS", lambda a, b: stats.ks_2samp(a, b).statistic)):
        rows[f"no bins: {name}"] = _bin_free_row(*lists, distance)
    return pd.DataFrame.from_dict(rows, orient="index").astype({"outside": int})


def shifted_bins(bins: int = 20, step_hz: float = SHIFT_HZ) -> list[np.ndarray]:
    """Edges of equal bins with the origin moved in steps over one width; 1-20 Hz holds `bins` of them, and one more is below."""
    low, high = F0_BINS_HZ[0], F0_BINS_HZ[-1]
    width = (high - low) / bins
    return [low - shift + width * np.arange(bins + 2) for shift in np.arange(0, width - 1e-9, step_hz)]


def ncc_against_bins(real: F0Lists, generated: F0Lists, bins: Sequence[int], *, origins: int = 12) -> pd.DataFrame:
    """Both NCC for each number of equal bins in 1-20 Hz, and their range over some origins of the bins.

    Columns: `SxS`, `2Sx2S` with the first edge at 1 Hz, and ``low`` and ``high`` of both.
    """
    lists, rows = matched(real, generated), {}
    for n in bins:
        width = (F0_BINS_HZ[-1] - F0_BINS_HZ[0]) / n
        scores = pd.DataFrame([_strip_row(*lists, edges) for edges in shifted_bins(n, width / origins)])
        rows[n] = {key: value for name in ("SxS", "2Sx2S") for key, value in (
            (name, scores[name].iloc[0]), (f"{name} low", scores[name].min()), (f"{name} high", scores[name].max()))}
    return pd.DataFrame.from_dict(rows, orient="index")


def _strip_row(real: dict, generated: dict, bins_hz) -> dict:
    missed = sum(outside(f0_hz, bins_hz) for f0_hz in [*real.values(), *generated.values()])
    stations, pairs, _ = scores_of_shares(*(one[None] for one in matched_shares(real, generated, bins_hz)))[0]
    return {"SxS": stations, "2Sx2S": pairs, "outside": missed}


def _bin_free_row(real: dict, generated: dict, distance) -> dict:
    """NCC of negative distances; a correlation does not ask how they are scaled."""
    both = interleaved(real.values(), generated.values())
    near = np.array([[-distance(a, b) for b in both] for a in both])
    return {"SxS": ncc(near[::2, 1::2], np.eye(len(real))), "2Sx2S": ncc(near, np.kron(np.eye(len(real)), np.ones((2, 2)))),
            "outside": 0}


def smooth_law(f0_hz, bins_hz=F0_BINS_HZ) -> np.ndarray:
    """Probability of each f0 bin under a Gaussian kernel density of ln f0, shape (bins,); what is outside counts to the end bins.

    Bandwidth: 0.9 min(σ, IQR/1.34) n^(-1/5) (Silverman, 1986, eq. 3.31), where n is the number of *different* values,
    because a record that occurs twice says nothing new.
    """
    ln_f0 = np.log(np.asarray(f0_hz, dtype=np.float64))
    sigma, spread = sigma_ln(ln_f0), stats.iqr(ln_f0) / 1.34
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
