"""What measures of a record ask of their input: accelerations as finite numbers, in arrays of the right shape."""

from __future__ import annotations

import numpy as np

STILL = 1e-24        # share of a record's energy that rounding leaves when its mean is removed: no motion


def acceleration(data, least_samples: int = 2) -> np.ndarray:
    """The records as float64, shape (..., samples).

    Raises
    ------
    ValueError
        For values that are not finite, and records of fewer than `least_samples` samples.
    """
    data = np.asarray(data, dtype=np.float64)
    if data.ndim == 0 or data.shape[-1] < least_samples:
        raise ValueError(f"acceleration of shape {data.shape}; (..., samples) with at least {least_samples} samples is needed")
    with np.errstate(over="ignore", invalid="ignore"):
        total = data.sum()                                   # quick, and not finite if any value is not
    if not np.isfinite(total):
        bad = ~np.isfinite(data).all(axis=-1)
        if bad.any():
            where = "the record" if data.ndim == 1 else f"{bad.sum()} of {bad.size} components, the first at {_first(bad)},"
            raise ValueError(f"{where} has values that are not finite (NaN or infinite); leave it out, or fill its gaps")
    return data


def three_components(data) -> np.ndarray:
    """The records as float64, shape (records, 3, samples); ValueError for another shape, as `acceleration` otherwise."""
    data = acceleration(data)
    if data.ndim != 3 or data.shape[1] != 3:
        raise ValueError(f"records of shape {data.shape}; (records, 3, samples) with components E, N, Z is needed")
    return data


def positive_rate(sampling_rate_hz: float) -> float:
    """The sampling rate [Hz]; ValueError if it is not a positive number."""
    if not (np.isfinite(sampling_rate_hz) and sampling_rate_hz > 0):
        raise ValueError(f"a sampling rate of {sampling_rate_hz} Hz; a positive number is needed")
    return float(sampling_rate_hz)


def _first(bad) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(bad)[0])
