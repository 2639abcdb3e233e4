"""Fourier spectra, their smoothing, the HVSR curve and the site frequency f0.

`hvsr` follows the recipe that made the authors' published arrays, step by step; what that recipe calls
Konno-Ohmachi smoothing is a Gaussian in ln f, and the name here says so.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft, signal

BAND_HZ = (1.0, 20.0)      # the band in which the paper looks for f0
PADDING_S = 60.0           # zeros on each side: 1.5 x filter order 2 / corner 0.05 Hz
SHARPNESS = 40.0           # of the smoothing window exp(-40 ln²(f/fc)): 0.112 wide (sigma) in ln f
CURVE_HZ = np.linspace(*BAND_HZ, 400)   # where the paper's median curves are given


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


def effective_amplitude(data, sampling_rate_hz: float, centres_hz) -> np.ndarray:
    """Smoothed effective amplitude spectrum (EAS) of the two horizontals, shape (records, centres) [cm/s].

    EAS = sqrt((|E|² + |N|²) / 2), which does not depend on how the sensor is turned
    (Goulet et al., 2018), smoothed with the paper's window.  `data` is (records, 3, samples).
    """
    freq_hz, amplitude = fourier_amplitude(signal.detrend(data, axis=-1), sampling_rate_hz)
    eas = np.sqrt((amplitude[:, 0] ** 2 + amplitude[:, 1] ** 2) / 2)
    return eas @ _window(freq_hz, np.asarray(centres_hz))


def _window(freq_hz, centres_hz) -> np.ndarray:
    """The paper's smoothing as a matrix (frequencies, centres): exp(-40 ln²(f/fc)), columns sum to 1."""
    with np.errstate(divide="ignore"):
        distance = np.log(freq_hz)[:, None] - np.log(centres_hz)     # f = 0 is infinitely far away
    weight = np.exp(-SHARPNESS * distance**2)
    return weight / weight.sum(axis=0)


@lru_cache(maxsize=2)
def _hvsr_grid(samples: int, sampling_rate_hz: float, band_hz: tuple[float, float] = BAND_HZ):
    """Frequencies in the band and the smoothing matrix for one record length; built once, then reused."""
    padded = samples + 2 * round(PADDING_S * sampling_rate_hz)
    freq_hz = np.arange(padded // 2) * sampling_rate_hz / padded
    # a bin that rounding puts a hair outside the band belongs to it: both ends are included
    inside = (freq_hz >= band_hz[0] - 1e-9) & (freq_hz <= band_hz[1] + 1e-9)
    return padded, freq_hz[inside], _window(freq_hz, freq_hz[inside])


def hvsr(data, sampling_rate_hz: float, batch: int = 64, *,
         band_hz: tuple[float, float] = BAND_HZ) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal-to-vertical spectral ratio, as the published arrays were made.

    Linear detrend; 60 s of zeros on each side; |FFT| of E, N, Z; H = sqrt(|E||N|); H and Z smoothed with
    exp(-40 ln²(f/fc)); their ratio at every Fourier frequency in the band.  The authors' high-pass at
    0.05 Hz is left out: it changes the curve by less than 3e-7.  There is no taper.  Units cancel.

    Parameters
    ----------
    data : array, shape (records, 3, samples)
        Acceleration, components E, N, Z.
    sampling_rate_hz : float
        At least 40 Hz for the paper's band; twice the end of `band_hz` for another [Hz].
    band_hz : two numbers
        First and last frequency [Hz]; the paper's 1-20 Hz.  Records with a lower Nyquist frequency need another.

    Returns
    -------
    freq_hz : array, shape (frequencies,)
        3421 of them, 1/180 Hz apart, for the paper's 60 s records [Hz].
    curves : array, shape (records, frequencies)
        H/V [-].

    Raises
    ------
    ValueError
        For another shape, or a sampling rate that cannot hold the band.
    """
    data = np.asarray(data)
    if data.ndim != 3 or data.shape[1] != 3:
        raise ValueError(f"records of shape {data.shape}; (records, 3, samples) is needed")
    if not 0 < band_hz[0] < band_hz[1]:
        raise ValueError(f"a band from {band_hz[0]} to {band_hz[1]} Hz; two rising positive frequencies are needed")
    if sampling_rate_hz < 2 * band_hz[1]:
        raise ValueError(f"at {sampling_rate_hz} Hz nothing is known above {sampling_rate_hz / 2} Hz; "
                         f"the HVSR band ends at {band_hz[1]} Hz, so at least {2 * band_hz[1]} Hz are needed")
    padded, freq_hz, smoothing = _hvsr_grid(data.shape[-1], float(sampling_rate_hz), (float(band_hz[0]), float(band_hz[1])))
    curves = np.empty((len(data), len(freq_hz)))
    for start in range(0, len(data), batch):
        chunk = signal.detrend(data[start:start + batch].astype(np.float64), axis=-1)
        amplitude = np.abs(fft.rfft(chunk, padded, axis=-1))[..., : smoothing.shape[0]]
        horizontal = np.sqrt(amplitude[:, 0] * amplitude[:, 1]) @ smoothing
        vertical = amplitude[:, 2] @ smoothing
        curves[start:start + batch] = horizontal / np.maximum(vertical, 1e-30)
    return freq_hz, curves


def f0(freq_hz, curves) -> np.ndarray:
    """Site frequency of each record: where its HVSR is largest in 1-20 Hz, shape (records,) [Hz].

    This is the paper's rule.  It accepts a maximum at the edge of the band, which is not a resonance;
    `at_edge` finds those.
    """
    return np.asarray(freq_hz)[np.argmax(curves, axis=-1)]


def at_edge(f0_hz, band_hz: tuple[float, float] = BAND_HZ) -> np.ndarray:
    """Which f0 lie on an edge of the band (within half a percent), and so are no peak of the curve."""
    low, high = band_hz
    f0_hz = np.asarray(f0_hz)
    return (f0_hz <= low * 1.005) | (f0_hz >= high / 1.005)


def median_curve(freq_hz, curves) -> np.ndarray:
    """Median HVSR over records at the paper's 400 frequencies `CURVE_HZ`, shape (400,).

    Each curve is interpolated first and the median taken there, as in the published arrays.
    """
    return np.median([np.interp(CURVE_HZ, freq_hz, curve) for curve in curves], axis=0)
