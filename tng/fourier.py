"""From records to Fourier spectra: what can be transformed, the straight line that is taken off, the transform."""

from __future__ import annotations

import numpy as np
from scipy import fft

from tng.arrays import positive_rate
from tng.records import COMPONENTS

SILENT = 1e-12             # of the record's peak: a component with less is not a measurement


def fourier_amplitude(data, sampling_rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Fourier amplitude spectrum dt·|FFT| of each component.

    Parameters
    ----------
    data : array, shape (..., samples)
        Acceleration [cm/s²].

    Returns
    -------
    freq_hz : array, shape (frequencies,)
        From 0 to the Nyquist frequency [Hz].
    amplitude : array, shape (..., frequencies)
        [cm/s].
    """
    data = np.asarray(data)
    freq_hz = fft.rfftfreq(data.shape[-1], 1 / sampling_rate_hz)
    return freq_hz, np.abs(fft.rfft(data, axis=-1)) / sampling_rate_hz


def transformable(data, sampling_rate_hz: float = 1.0) -> np.ndarray:
    """The records as an array, if they are of shape (records, 3, samples) and of a possible rate."""
    data = np.asarray(data)
    positive_rate(sampling_rate_hz)
    if data.ndim != 3 or data.shape[1] != 3:
        raise ValueError(f"records of shape {data.shape}; (records, 3, samples) is needed")
    if data.shape[0] == 0 or data.shape[2] < 2:
        raise ValueError(f"nothing to transform in an array of shape {data.shape}; at least one record of two samples is needed")
    return data


def resolved(centres_hz, samples: int, sampling_rate_hz: float) -> np.ndarray:
    """The frequencies, if records of this length and rate can say something about them."""
    centres_hz = np.atleast_1d(np.asarray(centres_hz, dtype=float))
    if not (centres_hz.ndim == 1 and len(centres_hz) and centres_hz[0] > 0 and (np.diff(centres_hz) > 0).all()):
        raise ValueError("frequencies must be positive and rising, at least one")
    if centres_hz[-1] > sampling_rate_hz / 2 * (1 + 1e-9):
        raise ValueError(f"at {sampling_rate_hz} Hz nothing is known above {sampling_rate_hz / 2} Hz; the band ends at "
                         f"{centres_hz[-1]:g} Hz, so at least {2 * centres_hz[-1]:g} Hz are needed")
    if centres_hz[0] < (1 - 1e-9) * sampling_rate_hz / samples:
        length_s = samples / sampling_rate_hz
        raise ValueError(f"records of {length_s:g} s hold no whole cycle of {centres_hz[0]:g} Hz; they must last "
                         f"{1 / centres_hz[0]:g} s, or the band must start at {1 / length_s:g} Hz")
    return centres_hz


def silent(data) -> np.ndarray:
    """Which components hold no motion, shape (records, 3): zeros, a straight line, or 1e-12 of the record's peak.

    `data` is (records, 3, samples).  Ratios of their spectra would be ratios of rounding errors.
    """
    data = transformable(data).astype(np.float64)
    return _is_silent(data, _residual(data))


def _residual(data) -> np.ndarray:
    """Each component less its least-squares line; eight times as fast as `scipy.signal.detrend`."""
    time = np.arange(data.shape[-1]) - (data.shape[-1] - 1) / 2
    residual = data - data.mean(axis=-1, keepdims=True)
    residual -= (residual @ time / (time @ time))[..., None] * time
    return residual


def _is_silent(data, residual) -> np.ndarray:
    return np.abs(residual).max(axis=-1) <= SILENT * np.abs(data).max(axis=(1, 2))[:, None]


def without_line(data, first: int) -> np.ndarray:
    """Records less their lines; an error names the bad one, of which `first` come before these."""
    data = data.astype(np.float64)
    refuse(~np.isfinite(data).all(axis=-1), first, "holds values that are not finite")
    residual = _residual(data)
    refuse(_is_silent(data, residual), first, "holds no motion (zeros, a straight line, or next to nothing)")
    return residual


def refuse(bad, first: int, what: str) -> None:
    """Raise if any (record, component) is bad."""
    if bad.any():
        row, component = np.argwhere(bad)[0]
        raise ValueError(f"record {first + row} (counted from 0), component {COMPONENTS[component]}, {what}; repair or drop it")
