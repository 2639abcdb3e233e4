"""Engineering measures of a record's strength and length.

Arrays are (..., samples) in cm/s²; every measure is computed along the last axis.
"""

from __future__ import annotations

import numpy as np
from scipy import integrate, signal

GRAVITY_CMPS2 = 980.665


def pga(data) -> np.ndarray:
    """Peak ground acceleration max|a| [cm/s²]."""
    return np.abs(data).max(axis=-1)


def arias(data, sampling_rate_hz: float) -> np.ndarray:
    """Arias intensity π/(2g)·∫a²dt [cm/s] (Arias, 1970)."""
    energy = integrate.trapezoid(np.asarray(data) ** 2, dx=1 / sampling_rate_hz, axis=-1)
    return np.pi / (2 * GRAVITY_CMPS2) * energy


def significant_duration(data, sampling_rate_hz: float, start: float = 0.05, end: float = 0.95) -> np.ndarray:
    """Time between two shares of the Arias intensity, D5-95 by default [s].

    The mean is removed first; crossing times are interpolated between samples.
    """
    data = np.atleast_2d(signal.detrend(data, axis=-1, type="constant"))
    husid = integrate.cumulative_trapezoid(data**2, axis=-1, initial=0)
    husid = husid / husid[..., -1:]
    samples = np.arange(data.shape[-1])
    flat = husid.reshape(-1, data.shape[-1])
    crossings = np.array([np.interp([start, end], curve, samples) for curve in flat])
    return (np.diff(crossings, axis=1)[:, 0] / sampling_rate_hz).reshape(data.shape[:-1])


def horizontal_pga(data) -> np.ndarray:
    """Geometric mean of the two horizontal PGA of records (records, 3, samples), shape (records,) [cm/s²]."""
    return np.sqrt(pga(data[:, 0]) * pga(data[:, 1]))


def horizontal_duration(data, sampling_rate_hz: float) -> np.ndarray:
    """Geometric mean of D5-95 of the two horizontals of records (records, 3, samples), shape (records,) [s]."""
    durations = significant_duration(data[:, :2], sampling_rate_hz)
    return np.sqrt(durations[:, 0] * durations[:, 1])
