"""What shaped noise could lack: codas that ring, horizontals that agree line by line, silence at high frequencies.

Spectra smoothed over frequency see none of it.  Each measure gives one number a record, so that sets are compared by their medians.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from tng.intensity import positive_rate, three_components

RINGING_S = (5.0, 15.0)      # lags at which a soft site still remembers, and hard rock does not
LINE_WIDTH_HZ = 0.5          # of the running mean that amplitudes are divided by
LEAST_LINES = 16             # in the band of a correlation


def ringing(data, rate_hz: float, lags_s: tuple[float, float] = RINGING_S) -> np.ndarray:
    """Mean size of the autocorrelation of the two horizontals over a range of lags, from 0 to 1, shape (records,).

    Parameters
    ----------
    data : array, shape (records, 3, samples)
        Acceleration E, N, Z [cm/s²].
    rate_hz : float
        Sampling rate [Hz].
    lags_s : two floats
        First and last lag [s].

    Raises
    ------
    ValueError
        For another shape, values that are not finite, lags that the records do not hold, or a horizontal without motion.
    """
    rate_hz, x = positive_rate(rate_hz), three_components(data)[:, :2]
    samples = x.shape[-1]
    first, last = (round(lag * rate_hz) for lag in lags_s)
    if not 0 < first < last < samples:
        raise ValueError(f"lags from {lags_s[0]:g} to {lags_s[1]:g} s in records of {samples / rate_hz:g} s; they must be positive, rising and shorter")
    x = _moving(x - x.mean(axis=-1, keepdims=True))
    power = np.abs(fft.rfft(x, fft.next_fast_len(samples + last, real=True))) ** 2
    found = fft.irfft(power, fft.next_fast_len(samples + last, real=True))[..., :last + 1]
    return np.abs(found[..., first:] / found[..., :1]).mean(axis=(1, 2))


def line_correlation(data, rate_hz: float, band_hz: tuple[float, float]) -> np.ndarray:
    """Correlation of |E(f)| with |N(f)| over the Fourier lines of a band, shape (records,).

    Amplitudes are divided by their running mean over 0.5 Hz, so that a common shape of the two spectra does not count: independent
    horizontals have 0, and Gaussian ones of coherence γ² about 0.9 γ².

    Raises
    ------
    ValueError
        As `ringing`; for a band that holds fewer than 16 lines.
    """
    rate_hz, x = positive_rate(rate_hz), three_components(data)[:, :2]
    x = _moving(x - x.mean(axis=-1, keepdims=True))
    freq_hz = fft.rfftfreq(x.shape[-1], 1 / rate_hz)
    inside = (freq_hz >= band_hz[0]) & (freq_hz <= band_hz[1])
    if inside.sum() < LEAST_LINES:
        raise ValueError(f"{band_hz[0]:g}-{band_hz[1]:g} Hz holds {inside.sum()} Fourier lines of such records; {LEAST_LINES} are needed")
    amplitude = np.abs(fft.rfft(x, axis=-1))
    width = 2 * round(LINE_WIDTH_HZ / 2 / freq_hz[1]) + 1
    relative = (amplitude / np.maximum(ndimage.uniform_filter1d(amplitude, width, axis=-1), 1e-30))[..., inside]
    relative = relative - relative.mean(axis=-1, keepdims=True)
    size = np.sqrt((relative**2).sum(axis=-1))
    return (relative[:, 0] * relative[:, 1]).sum(axis=-1) / np.maximum(size[:, 0] * size[:, 1], 1e-30)


def band_ratio(data, rate_hz: float, band_hz: tuple[float, float], reference_hz: tuple[float, float]) -> np.ndarray:
    """ln of the mean horizontal Fourier amplitude (rms) in a band over that in another one, shape (records,).

    In a band where the noise of strong and weak records is one and the same, it says whether strong records hiss.

    Raises
    ------
    ValueError
        As `ringing`; for a band without Fourier lines.
    """
    rate_hz, x = positive_rate(rate_hz), three_components(data)[:, :2]
    x = _moving(x - x.mean(axis=-1, keepdims=True))
    freq_hz, power = fft.rfftfreq(x.shape[-1], 1 / rate_hz), (np.abs(fft.rfft(x, axis=-1)) ** 2).sum(axis=1)
    means = []
    for low, high in (band_hz, reference_hz):
        inside = (freq_hz >= low) & (freq_hz <= high)
        if not inside.any():
            raise ValueError(f"{low:g}-{high:g} Hz holds no Fourier line of records at {rate_hz:g} Hz")
        means.append(power[:, inside].mean(axis=-1))
    return np.log(means[0] / np.maximum(means[1], 1e-300)) / 2


def thirds(values, strength) -> tuple[float, float]:
    """Medians of values of the weakest and of the strongest third of records.

    Raises
    ------
    ValueError
        For arrays of different length, or fewer than three records.
    """
    values, strength = np.asarray(values, dtype=float), np.asarray(strength, dtype=float)
    if values.shape != strength.shape or values.ndim != 1 or len(values) < 3:
        raise ValueError(f"values {values.shape} and strengths {strength.shape}; one each of three records or more is needed")
    order, third = np.argsort(strength, kind="stable"), len(values) // 3
    return float(np.median(values[order[:third]])), float(np.median(values[order[-third:]]))


def _moving(x: np.ndarray) -> np.ndarray:
    still = (np.ptp(x, axis=-1) == 0).any(axis=-1)
    if still.any():
        raise ValueError(f"record {still.argmax()} has a horizontal component without motion; drop it")
    return x
