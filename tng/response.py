"""Response of single-degree-of-freedom oscillators: elastic spectra in every direction, and inelastic ductility demand.

Arrays are (..., samples) in cm/s².  A record is taken as it is: remove its mean, or correct its baseline, first, for
its first and last sample are steps from and to rest.  Peaks in the free vibration after a record's end count.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from scipy import signal

from tng.arrays import acceleration, three_components
from tng.inelastic import ductility, hysteresis
from tng.oscillators import checked_settings, resampled, resolving_factors

__all__ = ["ductility", "geometric_mean_psa", "hysteresis", "peaks_by_direction", "psa", "rotd"]

STEPS_A_PERIOD = 20              # sampling intervals that resolve a period
AT_ONCE = 8                      # components filtered together, to stay in the processor's cache
FAR = (0.4, 0.2, 0.1)            # shares of the largest distance from which samples are looked at, in turn
TINY = 1e-200                    # what a motion of zeros has for a covariance
ANGLES = np.radians(np.arange(180))
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


def psa(data, sampling_rate_hz: float, periods_s, damping: float = 0.05, oversample: int | None = None) -> np.ndarray:
    """Pseudo-spectral acceleration ω²·max|u| of u'' + 2ζω·u' + ω²u = -a, shape (..., periods) [cm/s²].

    The exact recursion for an acceleration that is linear between its samples (Nigam and Jennings, 1969), run as a
    recursive filter.  Straight lines between samples and peaks between samples both make it too small when a period
    spans few samples, so the record is sampled more finely for short periods.

    Parameters
    ----------
    data : array, shape (..., samples)
        Acceleration [cm/s²].
    periods_s : array, shape (periods,)
        Natural periods, each at least two sampling intervals [s].
    damping : float
        Share of critical damping [-].
    oversample : int, optional
        Sample all of it so many times as finely (`scipy.signal.resample_poly`).  By default each period has its own
        factor, the smallest power of two that gives it 20 samples, and straight lines are compensated: what they
        take at a frequency, sinc²(f·dt), is given back to fourth order.  Against `oversample=40`, on 24 real
        horizontals at 100 Hz and 0.05-5 s, the median error is then 0.3 % at most, the largest 1.3 %.

    Raises
    ------
    ValueError
        For periods that the sampling rate does not resolve, damping outside 0-1, values that are not finite.
    """
    data = acceleration(data)
    flat = data.reshape(-1, data.shape[-1])
    settings = checked_settings(sampling_rate_hz, periods_s, damping, oversample)
    peaks = np.empty((len(flat), len(settings[1])))
    for start in range(0, len(flat), AT_ONCE):
        for i, response in _responses(flat[start:start + AT_ONCE], *settings):
            peaks[start:start + AT_ONCE, i] = np.abs(response).max(axis=-1)
    return peaks.reshape(*data.shape[:-1], peaks.shape[1])


def geometric_mean_psa(data, sampling_rate_hz: float, periods_s, damping: float = 0.05,
                       oversample: int | None = None) -> np.ndarray:
    """Geometric mean of `psa` of the two horizontals of records (records, 3, samples), shape (records, periods) [cm/s²]."""
    horizontal = psa(three_components(data)[:, :2], sampling_rate_hz, periods_s, damping, oversample)
    return np.sqrt(horizontal[:, 0] * horizontal[:, 1])


def rotd(data, sampling_rate_hz: float, periods_s, percentiles=(50, 100), damping: float = 0.05,
         oversample: int | None = None) -> np.ndarray:
    """RotDpp: percentiles over direction of the horizontal PSA, shape (records, periods, percentiles) [cm/s²].

    Boore (2010): the peak response is found in each of the directions 0, 1, ..., 179 degrees; RotD50 is the median
    and RotD100 the largest.  See `psa` for the response and its settings.

    Parameters
    ----------
    data : array, shape (records, 3, samples)
        Acceleration, components E, N, Z, of which Z is not used [cm/s²].
    percentiles : numbers from 0 to 100

    Raises
    ------
    ValueError
        As `psa`, and for another shape or other percentiles.
    """
    horizontal = three_components(data)[:, :2]
    percentiles = np.atleast_1d(np.asarray(percentiles, dtype=float))
    if not ((percentiles >= 0) & (percentiles <= 100)).all():
        raise ValueError(f"percentiles {percentiles.tolist()}; numbers from 0 to 100 are needed")
    settings = checked_settings(sampling_rate_hz, periods_s, damping, oversample)
    peaks = np.empty((len(horizontal), len(settings[1]), len(ANGLES)))
    batch = AT_ONCE // 2
    for start in range(0, len(horizontal), batch):
        chunk = horizontal[start:start + batch]
        for i, response in _responses(chunk.reshape(-1, chunk.shape[-1]), *settings):
            peaks[start:start + batch, i] = peaks_by_direction(response.reshape(len(chunk), 2, -1))
    return np.moveaxis(np.percentile(peaks, percentiles, axis=-1), 0, -1)


def peaks_by_direction(motions) -> np.ndarray:
    """Largest |E·cos θ + N·sin θ| of horizontal motions (n, 2, samples) at 0, 1, ..., 179 degrees, shape (n, 180).

    Exact, though nearly all samples are left out.  For any positive definite C, (d·u)² <= (d'Cd)·(u'C⁻¹u).  With p the peak
    of a few far samples in each direction d, a sample with u'C⁻¹u < min p²/(d'Cd) is therefore nowhere the largest.  Most
    are, if C is about the motion's covariance; here it is that of every eighth sample.
    """
    thinned = np.ascontiguousarray(motions[:, :, ::8])
    covariance = thinned @ thinned.swapaxes(1, 2)
    # a motion on a line, or none at all, has a covariance that cannot be inverted
    covariance += np.eye(2) * (1e-9 * np.trace(covariance, axis1=1, axis2=2) + TINY)[:, None, None]
    distance = np.einsum("nij,nij->nj", np.linalg.inv(covariance) @ motions, motions)          # u'C⁻¹u
    spread = np.einsum("ki,nij,kj->nk", DIRECTIONS, covariance, DIRECTIONS)                     # d'Cd
    peaks = np.empty((len(motions), len(ANGLES)))
    for i, motion in enumerate(motions):
        farthest = distance[i].max()
        for share in FAR:
            peaks[i] = _largest(motion, distance[i] >= share * farthest)
            needed = (peaks[i]**2 / spread[i]).min() * (1 - 1e-6)     # well beyond what rounding does to distances
            if needed >= share * farthest:
                break
        else:
            peaks[i] = _largest(motion, distance[i] >= needed)
    return peaks


def _largest(motion, chosen, at_once: int = 4096) -> np.ndarray:
    points = motion[:, np.flatnonzero(chosen)].T
    return np.max([np.abs(points[i:i + at_once] @ DIRECTIONS.T).max(axis=0) for i in range(0, len(points), at_once)], axis=0)


def _responses(data, rate_hz, periods_s, damping, oversample) -> Iterator[tuple[int, np.ndarray]]:
    """Number of each period, and the response ω²u of the components (components, samples) to its end in free vibration."""
    tails = np.ceil(periods_s * rate_hz / np.sqrt(1 - damping**2)).astype(int)      # at least one period, damped
    factors = resolving_factors(periods_s, rate_hz, oversample, STEPS_A_PERIOD)
    padded = np.pad(data, [(0, 0), (1, tails.max() + 1)])
    for factor, motion in resampled(padded, factors):
        motion = _compensated(motion) if oversample is None else motion
        for i in np.flatnonzero(factors == factor):
            b, a = _oscillator(periods_s[i], damping, 1 / (factor * rate_hz))
            yield i, signal.lfilter(b, a, motion[:, : (data.shape[-1] + 1 + tails[i]) * factor], axis=-1)


@lru_cache(maxsize=1024)
def _oscillator(period_s: float, damping: float, step_s: float) -> tuple[np.ndarray, np.ndarray]:
    """The filter from ground acceleration to ω²u, exact for straight lines between samples (a first-order hold)."""
    omega = 2 * np.pi / period_s
    b, a, _ = signal.cont2discrete(([-omega**2], [1, 2 * damping * omega, omega**2]), step_s, method="foh")
    return b.ravel(), a


def _compensated(motion) -> np.ndarray:
    """The motion with what straight lines between samples will take given back: 1/sinc²(f·dt) to fourth order."""
    result = motion * (14 / 12)
    result[:, 1:] -= motion[:, :-1] / 12
    result[:, :-1] -= motion[:, 1:] / 12
    return result
