"""How two HVSR curves differ: in level, in shape, in frequency, and in the height of their peaks.

A curve here is the ln HVSR of a set of records, its mean or median, at frequencies evenly spaced in ln f; the real one comes
first.  All functions take one curve, shape (frequencies,), and give a number, or many, shape (..., frequencies), and give
one number each.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tng.scoring.resampling import enough

FARTHEST = 0.35         # shift in ln f that is looked for, to either side: a factor of 1.42 in frequency


def _both(name: str, real, generated) -> tuple[np.ndarray, np.ndarray]:
    real, generated = np.asarray(real, dtype=np.float64), np.asarray(generated, dtype=np.float64)
    if real.shape != generated.shape or real.ndim < 1 or real.shape[-1] < 3:
        raise ValueError(f"{name}: curves of shape {real.shape} and {generated.shape}; two of one shape (..., frequencies), with "
                         "three frequencies or more, are needed")
    return real, generated


def rms_ln(real, generated) -> np.ndarray | float:
    """Root mean square of ln(generated / real): 0.1 is a misfit of about 10 %."""
    real, generated = _both("rms", real, generated)
    return np.sqrt(((generated - real) ** 2).mean(axis=-1))[()]


def correlation(real, generated) -> np.ndarray | float:
    """Pearson correlation over ln f: 1 for the same shape, whatever its level and contrast; NaN for a flat curve."""
    real, generated = _both("correlation", real, generated)
    real, generated = (curve - curve.mean(axis=-1, keepdims=True) for curve in (real, generated))
    return _ratio((real * generated).sum(axis=-1), np.sqrt((real**2).sum(axis=-1) * (generated**2).sum(axis=-1)))[()]


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below; NaN where the lower one is nothing but rounding."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 1e-20)


@lru_cache(maxsize=8)
def _overlaps(points: int, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Which points of the real and of the generated curve are compared at each lag, shapes (points, 2·lags + 1)."""
    at, lag = np.arange(points)[:, None], np.arange(-lags, lags + 1)
    return (((at + lag >= 0) & (at + lag < points)).astype(float), ((at - lag >= 0) & (at - lag < points)).astype(float))


def shift(real, generated, ln_step: float, farthest: float = FARTHEST) -> np.ndarray | float:
    """By how much the generated curve lies to the right, in ln f: 0.05 for peaks at 5 % higher frequencies.

    The lag at which the correlation of the overlapping parts is largest, refined by a parabola through it and its
    neighbours.  It does not feel level and contrast.  The result for exchanged curves is minus this one.

    Parameters
    ----------
    real, generated : arrays, shape (..., frequencies)
    ln_step : float
        Between frequencies, in ln f.
    farthest : float
        Largest shift that is looked for, in ln f.

    Returns
    -------
    float, or array of shape (...)
        NaN where no lag in reach is the best one: one curve is flat, or they have nothing in common.

    Raises
    ------
    ValueError
        For curves of different or too few frequencies, or steps that are not positive.
    """
    real, generated = _both("shift", real, generated)
    points = real.shape[-1]
    if not ln_step > 0 or not farthest > 0:
        raise ValueError(f"shift: steps of {ln_step} and a reach of {farthest} in ln f; positive numbers are needed")
    lags = min(int(np.ceil(farthest / ln_step)) + 1, points - 3)             # one more, to have a neighbour
    if lags < 1:
        raise ValueError(f"shift: {points} frequencies; at least 4 are needed to move one curve along the other")
    real, generated = (curve - curve.mean(axis=-1, keepdims=True) for curve in (real, generated))
    of_real, of_generated = _overlaps(points, lags)
    padded = np.zeros((*generated.shape[:-1], points + 2 * lags))
    padded[..., lags: lags + points] = generated
    moved = np.lib.stride_tricks.sliding_window_view(padded, points, axis=-1)       # (..., lags, frequencies), zero outside
    n, sum_x, sum_y = of_real.sum(axis=0), real @ of_real, generated @ of_generated
    covariance = n * (moved @ real[..., None])[..., 0] - sum_x * sum_y
    variances = (n * (real**2 @ of_real) - sum_x**2) * (n * (generated**2 @ of_generated) - sum_y**2)
    alike = np.nan_to_num(_ratio(covariance, np.sqrt(np.maximum(variances, 0))), nan=-1.0)
    best = np.clip(alike.argmax(axis=-1), 1, 2 * lags - 1)[..., None]
    before, at, after = (np.take_along_axis(alike, best + k, axis=-1)[..., 0] for k in (-1, 0, 1))
    bend = before - 2 * at + after
    refined = np.divide(before - after, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    found = (at >= before) & (at >= after) & (at > 0)
    return np.where(found, (best[..., 0] - lags + refined) * ln_step, np.nan)[()]


def height_ratio(real, generated, ln_step: float, farthest: float = FARTHEST) -> np.ndarray | float:
    """Contrast of peaks and troughs, generated over real: 1 if they are as high, 0.8 if heights are taken to the power 0.8.

    The slope of the line through (real, generated) after both curves have been moved by half their `shift` towards each other,
    which lets a peak at another frequency be as high.  The line is the one of orthogonal regression: both curves are
    medians of records and uncertain, and ordinary regression would come out below 1 for two samples of one law.

    Returns
    -------
    float, or array of shape (...)
        0 for a flat generated curve, below 0 for one upside down, NaN for a flat real one.  Curves without a `shift` are
        compared where they are.
    """
    real, generated = _both("height ratio", real, generated)
    half = np.nan_to_num(shift(real, generated, ln_step, farthest))[..., None] / (2 * ln_step)
    points = np.arange(real.shape[-1])
    # where both curves are known; the mean of the others' weights is what varies between curves
    weight = ((points - np.abs(half) >= 0) & (points + np.abs(half) <= points[-1])).astype(float)
    weight /= weight.sum(axis=-1, keepdims=True)
    x, y = _moved(real, points - half), _moved(generated, points + half)
    x, y = (curve - (weight * curve).sum(axis=-1, keepdims=True) for curve in (x, y))
    xx, yy, xy = ((weight * product).sum(axis=-1) for product in (x * x, y * y, x * y))
    slope = np.tan(np.arctan2(2 * xy, xx - yy) / 2)
    return np.where(xx > 1e-20, slope, np.nan)[()]


def _moved(curve: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Curves (..., frequencies) between their points, by straight lines; the ends are kept outside."""
    at = np.clip(np.broadcast_to(at, curve.shape), 0, curve.shape[-1] - 1)
    left = np.minimum(at.astype(int), curve.shape[-1] - 2)
    low, high = np.take_along_axis(curve, left, axis=-1), np.take_along_axis(curve, left + 1, axis=-1)
    return low + (at - left) * (high - low)


def spread(real, generated) -> float:
    """Scatter of ln HVSR from record to record, generated over real: 1 if they vary as much.

    Standard deviations over records, root mean square over frequencies.

    Parameters
    ----------
    real, generated : arrays, shape (records, frequencies)
        ln HVSR of the records.

    Returns
    -------
    float
        NaN if the real ones do not vary.

    Raises
    ------
    ValueError
        For fewer than five records a side, other frequencies, values that are not finite.
    """
    real, generated = enough("spread of curves", real, generated)
    return float(np.sqrt(_ratio(generated.var(axis=0, ddof=1).mean(), real.var(axis=0, ddof=1).mean())))
