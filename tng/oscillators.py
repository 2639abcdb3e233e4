"""What elastic and inelastic oscillators share: their settings, and records sampled finely enough for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from scipy import signal

from tng.arrays import positive_rate


def checked_settings(sampling_rate_hz, periods_s, damping, oversample) -> tuple:
    """The settings of an oscillator, rate [Hz], periods [s], damping, factor or None; ValueError for what makes no sense."""
    rate_hz = positive_rate(sampling_rate_hz)
    periods_s = np.atleast_1d(np.asarray(periods_s, dtype=float))
    if periods_s.ndim != 1 or not len(periods_s) or not np.isfinite(periods_s).all():
        raise ValueError(f"periods {periods_s.tolist()}; a list of finite numbers, at least one, is needed")
    unresolved = periods_s[periods_s < 2 / rate_hz * (1 - 1e-9)]
    if len(unresolved):
        raise ValueError(f"periods {unresolved.tolist()} s are shorter than two sampling intervals at {rate_hz:g} Hz: leave out "
                         f"those below {2 / rate_hz:g} s")
    if not 0 < damping < 1:
        raise ValueError(f"a damping of {damping}; a share of critical damping between 0 and 1 is needed, 0.05 for 5 %")
    if oversample is not None and (oversample != int(oversample) or oversample < 1):
        raise ValueError(f"oversample={oversample}; a whole number from 1 up is needed, or None")
    return rate_hz, periods_s, float(damping), oversample


def resolving_factors(periods_s, rate_hz: float, oversample: int | None, steps_a_period: float) -> np.ndarray:
    """How many times as finely each period needs the record."""
    if oversample is not None:
        return np.full(len(periods_s), int(oversample))
    missing = np.maximum(steps_a_period / (periods_s * rate_hz), 1)
    return 2 ** np.ceil(np.log2(missing) - 1e-9).astype(int)


def resampled(data, factors) -> Iterator[tuple[int, np.ndarray]]:
    """The records sampled `factor` times as finely, as `scipy.signal.resample_poly` does it, for each of the factors."""
    for factor in np.unique(factors):
        yield factor, data if factor == 1 else signal.resample_poly(data, factor, 1, axis=-1, window=_interpolation(factor))


@lru_cache
def _interpolation(factor: int) -> np.ndarray:
    """The filter that `resample_poly` would design in every call."""
    return signal.firwin(20 * factor + 1, 1 / factor, window=("kaiser", 5.0))
