"""Goodness of fit of one record with another: the scores of Anderson (2004) and of Olsen and Mayhew (2010).

Both were made for a simulation of a known earthquake, beside its record.  A generator that is asked for a station has no
such partner, and its records are paired with recorded ones at random (`random_pairs_score`): the score then means
something only beside that of random pairs of recorded ones.

Scores are means over the two horizontals, of records that have been brought to a common time (see
:mod:`tng.scoring.fit_features`).

Anderson, J. G. (2004): Quantitative measure of the goodness-of-fit of synthetic seismograms.  13th World Conference on
Earthquake Engineering, paper 243.
Olsen, K. B. and Mayhew, J. E. (2010): Goodness-of-fit criteria for broadband synthetic seismograms.  Seismological Research
Letters 81:715-723.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from tng.scoring.fit_features import SA16_S, SPECTRUM_S, Features, features, gain, pair_band

CRITERIA = tuple(f"C{number}" for number in range(1, 11))
METRICS = ("PGA", "PGV", "PGD", "response spectrum", "SA16", "Fourier spectrum", "duration", "energy", "cross-correlation",
           "inelastic/elastic")


# --- Anderson (2004) -----------------------------------------------------------------------------------

def similarity(p1, p2) -> np.ndarray:
    """S = 10·exp(-((p1 - p2)/min(p1, p2))²) of two positive numbers: 10 for equal ones, 3.7 for a factor 2."""
    p1, p2 = np.asarray(p1, dtype=float), np.asarray(p2, dtype=float)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return 10 * np.exp(-((p1 - p2) / np.minimum(p1, p2)) ** 2)


def anderson_scores(a: Features, b: Features) -> np.ndarray:
    """The ten scores of Anderson (2004) of each pair of records in each band, shape (pairs, bands, 10).

    C1 and C2, 10(1 - max|N1 - N2|), compare how the energy of acceleration and velocity arrives; C3-C9 are the
    `similarity` of Arias intensity, energy ∫v²dt, PGA, PGV, PGD, response and Fourier spectrum (mean over the periods, and
    the unsmoothed frequencies, of the band); C10 is ten times the correlation at no lag, or 0.  Peaks are absolute.
    NaN for C8 in a band without periods, that is above 50 Hz.
    """
    _pairable(a, b)
    bands_hz = a.bands_hz
    found = np.empty((len(a), 2, len(bands_hz), 10))
    found[..., :2] = 10 * (1 - np.abs(a.arrived - b.arrived)[:, :, :-1].max(axis=-1))
    found[..., 2:7] = similarity(a.sizes, b.sizes)[:, :, :-1]
    found[..., 7] = _band_means(similarity(a.psa, b.psa), 1 / a.periods_s, bands_hz)
    found[..., 8] = _band_means(similarity(np.abs(a.spectrum[..., 1:]), np.abs(b.spectrum[..., 1:])), a.freq_hz[1:], bands_hz)
    found[..., 9] = 10 * np.maximum(_correlations(a, b, bands_hz), 0)
    return found.mean(axis=1)


def _band_means(values: np.ndarray, freq_hz: np.ndarray, bands_hz) -> np.ndarray:
    """Mean of values (…, frequencies) over each band, shape (…, bands); NaN for a band without any."""
    found = []
    for low, high in bands_hz:
        inside = (freq_hz >= low * (1 - 1e-9)) & (freq_hz <= high * (1 + 1e-9))
        found.append(values[..., inside].mean(axis=-1) if inside.any() else np.full(values.shape[:-1], np.nan))
    return np.stack(found, axis=-1)


def _correlations(a: Features, b: Features, bands_hz) -> np.ndarray:
    """Correlation of the band-passed accelerations at no lag, by Parseval's theorem, shape (pairs, 2, bands)."""
    gains = np.array([gain(band, a.freq_hz, a.sampling_rate_hz) for band in bands_hz]).T ** 2       # of powers

    def power(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (one * other.conj()).real @ gains

    return power(a.spectrum, b.spectrum) / np.sqrt(power(a.spectrum, a.spectrum) * power(b.spectrum, b.spectrum))


def anderson(a, b, sampling_rate_hz: float) -> pd.DataFrame:
    """Scores of Anderson (2004), means over pairs of records: below 4 poor, 4-6 fair, 6-8 good, above 8 excellent.

    Parameters
    ----------
    a, b : arrays, shape (pairs, 3, samples)
        Acceleration [cm/s²]; the i-th of `a` is compared with the i-th of `b`.

    Returns
    -------
    DataFrame
        Rows bands and, last, ``mean`` over them; columns C1 to C10 (see :func:`anderson_scores`) and ``total``, their mean.

    Raises
    ------
    ValueError
        As :func:`features`; for different numbers of records, or records of different length.
    """
    one, other = (features(x, sampling_rate_hz, inelastic=False) for x in (a, b))
    scores = anderson_scores(one, other).mean(axis=0)
    table = pd.DataFrame(scores, columns=CRITERIA, index=[f"{low:g}-{high:g} Hz" for low, high in one.bands_hz])
    table.loc["mean"] = table.mean()
    return table.assign(total=table.mean(axis=1))


# --- Olsen and Mayhew (2010) ---------------------------------------------------------------------------

def agreement(x, y) -> np.ndarray:
    """100·erfc(2|x - y|/(x + y)) of two positive numbers: 100 for equal ones, 34.6 for a factor 2."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return 100 * special.erfc(2 * np.abs(x - y) / (x + y))


def olsen_mayhew_scores(a: Features, b: Features) -> np.ndarray:
    """The metrics of Olsen and Mayhew (2010) of each pair of records, shape (pairs, 10), in the order of `METRICS`.

    Each is the `agreement` of: PGA, PGV, PGD; response spectra at 13 periods of 0.1-10 s (the authors: 991) and at 16
    (SA16), means over the periods; Fourier spectra in 0.1-10 Hz, running means over 0.2 Hz, mean over the frequencies;
    duration, 5-75 % of ∫v²dt; energy ∫v²dt; and inelastic over elastic displacement, the worst of R = 2, 4, 6, mean over
    0.5, 1 and 2 s (the authors: 19 R, 16 periods).  The cross-correlation is 100 times that of the accelerations at no
    lag, or 0.  Peaks, duration, energy and cross-correlation are of the motion in 0.1-10 Hz.  NaN for the inelastic one
    where it was left out.
    """
    _pairable(a, b)
    sizes, psa = agreement(a.sizes[:, :, -1], b.sizes[:, :, -1]), agreement(a.psa, b.psa)
    of_spectrum, of_16 = (np.isin(a.periods_s, periods_s) for periods_s in (SPECTRUM_S, SA16_S))
    inelastic = (agreement(a.inelastic, b.inelastic).min(axis=-1).mean(axis=-1) if a.inelastic.shape[2]
                 else np.full(sizes.shape[:2], np.nan))
    each = [sizes[..., 2], sizes[..., 3], sizes[..., 4], psa[..., of_spectrum].mean(axis=-1), psa[..., of_16].mean(axis=-1),
            agreement(a.smoothed, b.smoothed).mean(axis=-1), agreement(a.duration_s, b.duration_s), sizes[..., 1],
            100 * np.maximum(_correlations(a, b, [pair_band(a.samples, a.sampling_rate_hz)])[..., 0], 0), inelastic]
    return np.stack(each, axis=-1).mean(axis=1)


def olsen_mayhew(a, b, sampling_rate_hz: float, weights: dict[str, float] | None = None) -> pd.Series:
    """Metrics of Olsen and Mayhew (2010), means over pairs of records, and ``total``, their weighted mean (0-100).

    Parameters
    ----------
    a, b : arrays, shape (pairs, 3, samples)
        Acceleration [cm/s²].
    weights : dict, optional
        Metric → weight; those not named weigh nothing.  The authors leave the weights to the user; default is one each.

    Raises
    ------
    ValueError
        As :func:`anderson`; for weights of unknown metrics, or weights that do not add up to a positive number.
    """
    weights = dict.fromkeys(METRICS, 1.0) if weights is None else weights
    unknown = [name for name in weights if name not in METRICS]
    if unknown:
        raise ValueError(f"no metric {unknown[0]!r}; there are {', '.join(METRICS)}")
    one, other = (features(x, sampling_rate_hz) for x in (a, b))
    found = pd.Series(olsen_mayhew_scores(one, other).mean(axis=0), index=METRICS)
    weight = pd.Series(weights, dtype=float).reindex(found.index, fill_value=0.0).where(found.notna(), 0.0)
    if not (weight.sum() > 0 and (weight >= 0).all()):
        raise ValueError(f"weights {weights} do not add up to a positive number")
    found["total"] = (found.fillna(0.0) * weight).sum() / weight.sum()
    return found


# --- unpaired records ----------------------------------------------------------------------------------

def totals(a: Features, b: Features) -> np.ndarray:
    """Total scores of each pair, Anderson's (0-10) and Olsen and Mayhew's (0-100), shape (pairs, 2)."""
    ten = np.nanmean(anderson_scores(a, b), axis=1)               # over the bands first, as periods may be missing in one
    return np.stack([ten.mean(axis=1), np.nanmean(olsen_mayhew_scores(a, b), axis=1)], axis=1)


def random_pairs_score(real: Features, generated: Features, pairs: int = 50, rng=0) -> pd.DataFrame:
    """Total scores of random pairs of a recorded and a generated record, beside those of two recorded ones.

    Parameters
    ----------
    real, generated : Features
        From :func:`features`.
    pairs : int
        To draw of each kind; a record is used again only when all have been.
    rng : seed or Generator

    Returns
    -------
    DataFrame
        Rows ``Anderson`` and ``Olsen-Mayhew``; columns ``generated`` and ``real``, the mean totals of the two kinds of pairs,
        and ``difference`` with its 95 % interval, ``low`` and ``high`` (bootstrap over the pairs).  Below 0, generated
        records fit recorded ones less than those fit each other; above it, they are too much alike.

    Raises
    ------
    ValueError
        For fewer than two recorded records, no pairs, or records of different length or rate.
    """
    if len(real) < 2 or pairs < 1:
        raise ValueError(f"{pairs} pairs of {len(real)} recorded records; at least one pair, and two records, are needed")
    rng = np.random.default_rng(rng)
    mixed = totals(real.take(_in_turn(len(real), pairs, rng)), generated.take(_in_turn(len(generated), pairs, rng)))
    order = _in_turn(len(real), pairs, rng)
    floor = totals(real.take(order), real.take((order + rng.integers(1, len(real), pairs)) % len(real)))
    draws = np.array([mixed[rng.integers(pairs, size=pairs)].mean(axis=0) - floor[rng.integers(pairs, size=pairs)].mean(axis=0)
                      for _ in range(500)])
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    generated, real = mixed.mean(axis=0), floor.mean(axis=0)
    return pd.DataFrame({"generated": generated, "real": real, "difference": generated - real, "low": low, "high": high},
                        index=["Anderson", "Olsen-Mayhew"])


def _in_turn(n: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` of n numbers in random order, each as often as any other but for one."""
    return np.concatenate([rng.permutation(n) for _ in range(-(-count // n))])[:count]


def _pairable(a: Features, b: Features) -> None:
    if len(a) != len(b):
        raise ValueError(f"{len(a)} records and {len(b)}: pairs need as many of one as of the other")
    if (a.samples, a.sampling_rate_hz) != (b.samples, b.sampling_rate_hz):
        raise ValueError(f"records of {a.samples} samples at {a.sampling_rate_hz:g} Hz and of {b.samples} at "
                         f"{b.sampling_rate_hz:g} Hz: bring both to one window and rate")
