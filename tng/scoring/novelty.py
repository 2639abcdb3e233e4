"""Are generated records new, and are they many?

A generator that hands out its training records, shifted, turned or mixed, fits every other measure.  Here each
generated record is laid beside the training records: the nearest one after any shift in time (`nearest`), and the best
mixture of all of them (`mixture`).  Held-out records, which no generator has seen, say how alike two records of a
station are anyway.  Functions take plain arrays (records, 3, samples), or what was computed from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import fft, sparse
from scipy.optimize import nnls
from scipy.stats import rankdata

CORRELATION_BAND_HZ = 12.5     # shaking above it hardly changes the correlation of two records, but costs time
BATCH = 12                     # bank records at a time: their correlations then stay in the processor's cache
SAME = 0.95                    # correlation of two records that count as one
ENOUGH = 0.95                  # share of the explained variance that the records "that matter" reach


# --- the nearest record --------------------------------------------------------------------------------

def correlations(a, b, *, sampling_rate_hz: float | None = None, max_lag: int | None = None,
                 turned: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Largest normalised three-component cross-correlation of every record of `a` with every one of `b`.

    Sum over the components of the cross-correlation at one common lag, divided by the root of both energies; its
    largest absolute value over all lags.  1 is a copy, however scaled, shifted or reversed in sign.

    Parameters
    ----------
    a, b : arrays, shape (records, 3, samples)
        Components E, N, Z.
    sampling_rate_hz : float, optional
        If given, only the band up to `CORRELATION_BAND_HZ` is compared, which is faster; records that are no copies
        come out by 0.00 to 0.04 more alike.
    max_lag : int, optional
        Largest shift [samples]; default any.  Shifts are cyclic.
    turned : bool
        Also find copies that were turned around the vertical, mirrored, or changed in the sign of one component: the
        horizontals are compared after the rotation or reflection that fits best (the sum of the singular values of
        the 2×2 matrix of their cross-correlations), the verticals by their absolute value.  Takes four times as long.

    Returns
    -------
    correlation : array, shape (records of a, records of b)
        0 to 1.
    lag : array of int, the same shape
        By how many samples the record of `a` is late.

    Raises
    ------
    ValueError
        For arrays of another shape or of different length, values that are not finite, records without motion.
    """
    a, b = _checked(a, "records"), _checked(b, "bank", like=a)
    n = fft.next_fast_len(a.shape[-1], real=True)
    lags = np.arange(n)
    lags[lags > n // 2] -= n
    allowed = slice(None) if max_lag is None else np.abs(lags) <= max_lag
    spectra_a = _unit_spectra(a, n, sampling_rate_hz)
    spectra_b = _unit_spectra(b, n, sampling_rate_hz).conj().transpose(1, 0, 2).copy()
    best, where = np.empty((len(a), len(b))), np.empty((len(a), len(b)), dtype=int)
    combine = _turned if turned else _as_they_are
    for start in range(0, len(b), BATCH):
        some = slice(start, start + BATCH)
        for i, one in enumerate(spectra_a):
            alike = combine(one, spectra_b[:, some], n)[:, allowed]
            where[i, some] = alike.argmax(axis=1)
            best[i, some] = np.take_along_axis(alike, where[i, some][:, None], axis=1)[:, 0]
    return np.minimum(best, 1.0), lags[allowed][where]


def _unit_spectra(x: np.ndarray, n: int, sampling_rate_hz: float | None) -> np.ndarray:
    """Fourier spectra of records without their means, cut off at the band's end, each record of energy 1."""
    spectra = fft.rfft((x - x.mean(axis=-1, keepdims=True)).astype(np.float32), n)
    if sampling_rate_hz is not None:
        spectra = spectra[..., :int(CORRELATION_BAND_HZ / sampling_rate_hz * n) + 1]
    power = 2 * np.abs(spectra) ** 2                      # negative frequencies hold as much
    if n % 2 == 0 and spectra.shape[-1] == n // 2 + 1:
        power[..., -1] /= 2                               # but there is only one Nyquist frequency
    return spectra * np.sqrt(n / power.sum(axis=(1, 2), keepdims=True))


def _as_they_are(one: np.ndarray, bank: np.ndarray, n: int) -> np.ndarray:
    total = one[0] * bank[0]
    for component in (1, 2):
        total += one[component] * bank[component]
    return np.abs(fft.irfft(total, n))


def _turned(one: np.ndarray, bank: np.ndarray, n: int) -> np.ndarray:
    """A 2×2 matrix is a scaled rotation plus a scaled reflection; its singular values are the sum and the difference
    of their sizes, and add up to twice the larger size."""
    ee, nn, en, ne = one[0] * bank[0], one[1] * bank[1], one[0] * bank[1], one[1] * bank[0]
    cross = fft.irfft(np.stack([ee + nn, ee - nn, en - ne, en + ne, one[2] * bank[2]]), n, overwrite_x=True)
    horizontal, vertical = np.square(cross[:4], out=cross[:4]), np.abs(cross[4], out=cross[4])
    horizontal[:2] += horizontal[2:]                      # squared sizes of the rotation and of the reflection
    largest = np.maximum(horizontal[0], horizontal[1], out=horizontal[0])
    return np.add(np.sqrt(largest, out=largest), vertical, out=largest)


def nearest(generated, bank, exclude=None, max_lag: int | None = None, *, sampling_rate_hz: float | None = None,
            turned: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bank record most like each generated one: correlation, its number, and the lag [samples].

    `exclude` is an array of bool (records, bank): pairs that are not to be compared, for example a record of the bank
    with itself.  The other parameters and the errors are those of :func:`correlations`.
    """
    correlation, lag = correlations(generated, bank, sampling_rate_hz=sampling_rate_hz, max_lag=max_lag, turned=turned)
    if exclude is not None:
        exclude = np.asarray(exclude, dtype=bool)
        if exclude.shape != correlation.shape:
            raise ValueError(f"pairs to exclude of shape {exclude.shape}; {correlation.shape} (records, bank) is needed")
        if exclude.all(axis=1).any():
            raise ValueError(f"record {exclude.all(axis=1).argmax()} is left with nothing to be compared with")
        correlation = np.where(exclude, -1.0, correlation)
    index = correlation.argmax(axis=1)
    rows = np.arange(len(index))
    return correlation[rows, index], index, lag[rows, index]


def novelty_ratio(generated, held_out) -> dict[str, float]:
    """How far generated records are from the training records, beside how far held-out ones are.

    Parameters
    ----------
    generated, held_out : arrays
        Correlation of each generated, and of each held-out, record with its nearest training record (the same training
        records for both: the more there are, the nearer is the nearest).

    Returns
    -------
    dict
        ``ratio``: median of 1 - correlation, generated / held-out; 1 is as new as an unseen record, 0 a copy.
        ``copies``: share of the generated above the 99 % quantile of the held-out ones; about 0.01 by chance, more
        with fewer than 100 held-out records.
    """
    generated, held_out = _values(generated, "generated"), _values(held_out, "held-out")
    return {"ratio": float(np.median(1 - generated) / np.median(1 - held_out)) if np.median(held_out) < 1 else np.nan,
            "copies": float(np.mean(generated > np.quantile(held_out, 0.99)))}


def membership_auc(train, held_out) -> float:
    """Can one tell from the generated records which records the generator was trained on?  0.5: no; 1: all of them.

    Area under the ROC curve for "was trained on it", of the correlation of each training and each held-out record with
    the generated record nearest to it (Hilprecht et al., 2019, PoPETs 2019(4):232-249).
    """
    train, held_out = _values(train, "training"), _values(held_out, "held-out")
    ranks = rankdata(np.concatenate([train, held_out]))[:len(train)]
    return float((ranks.sum() - len(train) * (len(train) + 1) / 2) / (len(train) * len(held_out)))


def different(alike) -> int:
    """How many different records there are, by the correlations of all with all.

    Those whose correlation is above `SAME` count as one, and so do all that are linked in this way.
    """
    return int(sparse.csgraph.connected_components(sparse.csr_array(np.asarray(alike) > SAME), directed=False)[0])


def distinct(generated, *, sampling_rate_hz: float | None = None, turned: bool = True) -> tuple[int, float]:
    """How many `different` records there are, and the mean correlation of two of them (NaN for a single one)."""
    alike, _ = correlations(generated, generated, sampling_rate_hz=sampling_rate_hz, turned=turned)
    pairs = alike[np.triu_indices(len(alike), 1)]
    return different(alike), float(pairs.mean()) if pairs.size else np.nan


# --- mixtures ------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Mixture:
    """How generated records are made up of bank records."""

    weights: np.ndarray          # (records, bank); mean over the components, of standardised records
    r2: np.ndarray               # (records,) share of the variance that the mixture explains
    matters: np.ndarray          # (records, bank) bool: the fewest largest weights that reach ENOUGH of it


def mixture(generated, bank, *, signed: bool = False) -> Mixture:
    """Explain each generated record as a mixture of the bank, by non-negative least squares (Lawson & Hanson, 1974).

    Each component is standardised (mean 0, variance 1) as the published sampler standardises it, and fitted by itself;
    r2 and the weights are means over the three.  Nothing is shifted in time.

    Parameters
    ----------
    generated, bank : arrays, shape (records, 3, samples)
    signed : bool
        Allow negative weights too.  More is then explained by chance.

    Raises
    ------
    ValueError
        As :func:`correlations`; and for a bank of at least as many records as samples, which explains everything.
    """
    generated = _checked(generated, "records")
    bank = _checked(bank, "bank", like=generated)
    if len(bank) >= bank.shape[-1]:
        raise ValueError(f"a bank of {len(bank)} records of {bank.shape[-1]} samples explains anything; "
                         "use longer or fewer records")
    generated, bank = (_standardised(x).transpose(1, 0, 2) for x in (generated, bank))
    shared = generated @ bank.transpose(0, 2, 1) / bank.shape[-1]              # (3, records, bank)
    gram = bank @ bank.transpose(0, 2, 1) / bank.shape[-1]                     # (3, bank, bank)
    weights = np.stack([_fit(g, s, signed) for g, s in zip(gram, shared)])     # (3, records, bank)
    order = np.argsort(-np.abs(weights.mean(axis=0)), axis=1)
    r2, matters = np.empty(len(order)), np.zeros(order.shape, dtype=bool)
    for i, by_size in enumerate(order):
        w = weights[:, i, by_size]
        products = w[:, :, None] * w[:, None, :] * gram[:, by_size[:, None], by_size]
        modelled = np.diagonal(products.cumsum(axis=1).cumsum(axis=2), axis1=1, axis2=2)
        explained = (2 * (w * shared[:, i, by_size]).cumsum(axis=1) - modelled).mean(axis=0)    # by the 1, 2, … largest
        r2[i] = explained[-1]
        enough = np.argmax(explained >= ENOUGH * r2[i]) + 1 if r2[i] > 0 else 0
        matters[i, by_size[:enough]] = True
    return Mixture(weights.mean(axis=0), r2, matters)


def _fit(gram: np.ndarray, shared: np.ndarray, signed: bool) -> np.ndarray:
    """Weights (records, bank) that minimise w'Gw - 2w's, as small least-squares problems with a root of G."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-10 * values[-1]                    # equal records in the bank make G singular
    root = np.sqrt(values[kept])
    matrix, target = root[:, None] * vectors[:, kept].T, (shared @ vectors[:, kept]) / root
    if signed:
        return np.linalg.lstsq(matrix, target.T, rcond=None)[0].T
    return np.array([nnls(matrix, one)[0] for one in target])


def explained(generated, bank, *, signed: bool = False) -> pd.DataFrame:
    """Of each generated record: `r2`, the share of its variance that a mixture of the bank explains, and `records`,
    how many bank records matter in it (the fewest largest weights, not fitted anew, that reach 95 % of `r2`).

    An average of k records comes out with r2 = 1 and k records.  What unseen records reach by chance is found by giving
    held-out ones as `generated`: about 0.06 for 60 records of 60 s.  Parameters and errors: :func:`mixture`.
    """
    found = mixture(generated, bank, signed=signed)
    return pd.DataFrame({"r2": found.r2, "records": found.matters.sum(axis=1)})


def ancestry_check(sources: Sequence[Sequence[str]], names: Sequence[str], found: Mixture) -> pd.DataFrame:
    """Are the ancestors that a generator states those that its records are made of?

    Parameters
    ----------
    sources : sequence of sequences of str
        Stated ancestors of each generated record.
    names : sequence of str
        Names of the bank's records.
    found : Mixture
        Of the same records and bank.

    Returns
    -------
    DataFrame
        A row a record: numbers of ancestors `stated`, of records that matter (`found`), of stated ones that do not
        (`missing`), of others that do (`unstated`); `r2`; and `agrees`, if neither misses any.  Where r2 is near
        chance, the waveform does not show what it was made from, and a disagreement means nothing.
    """
    names = np.asarray(names, dtype=str)
    if len(sources) != len(found.r2) or len(names) != found.matters.shape[1]:
        raise ValueError(f"ancestors of {len(sources)} records and {len(names)} names, but a mixture of {len(found.r2)} "
                         f"records of a bank of {found.matters.shape[1]}")
    rows = []
    for stated, matters, r2 in zip(sources, found.matters, found.r2):
        stated, seen = set(stated), set(names[matters])
        rows.append({"stated": len(stated), "found": len(seen), "missing": len(stated - seen),
                     "unstated": len(seen - stated), "r2": r2, "agrees": stated == seen})
    return pd.DataFrame(rows, columns=["stated", "found", "missing", "unstated", "r2", "agrees"])


# --- input ---------------------------------------------------------------------------------------------

def _standardised(x: np.ndarray) -> np.ndarray:
    x = x - x.mean(axis=-1, keepdims=True)
    return x / x.std(axis=-1, keepdims=True)


def _checked(x, what: str, like: np.ndarray | None = None) -> np.ndarray:
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 3 or x.shape[1] != 3 or len(x) == 0 or x.shape[2] < 2:
        raise ValueError(f"{what} of shape {x.shape}; (records, 3, samples) with at least one record is needed")
    if like is not None and x.shape[2] != like.shape[2]:
        raise ValueError(f"{what} of {x.shape[2]} samples, but records of {like.shape[2]}: bring both to one window and rate")
    bad = ~np.isfinite(x).all(axis=(1, 2))
    if bad.any():
        raise ValueError(f"{what}: record {bad.argmax()} holds values that are not finite numbers")
    flat = (np.ptp(x, axis=2) == 0).any(axis=1)
    if flat.any():
        raise ValueError(f"{what}: record {flat.argmax()} has a component without motion; drop it")
    return x


def _values(values, what: str) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"{what} correlations of shape {values.shape}: a list of finite numbers is needed, at least one")
    return values
