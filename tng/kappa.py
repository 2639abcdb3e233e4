"""Kappa, the decay of a record's Fourier spectrum at high frequencies."""

from __future__ import annotations

import numpy as np
from scipy import fft, signal

from tng.arrays import STILL, acceleration, positive_rate

START_HZ = 10.0          # kappa is fitted from here, or from behind the spectrum's peak if that is higher,
END_SHARE = 0.4          # to this share of the sampling rate, below which anti-alias filters let pass,
LEAST_BAND_HZ = 8.0      # over this much at least,
SIGNAL_TO_NOISE = 3.0    # as far as the spectrum stands so many times above the one
QUIET_S = 5.0            # of the quietest window of this length


def kappa(data, sampling_rate_hz: float, band_hz: tuple[float, float] | None = None) -> np.ndarray:
    """High-frequency decay κ of the Fourier spectrum A(f) ~ exp(-πκf), shape (...) [s] (Anderson and Hough, 1984, eq. 1).

    -1/π times the slope of the least-squares line through ln A(f) between fE and fX, for the whole record, its mean
    removed and 5 % of it tapered at each end.  Unless `band_hz` gives both, they are chosen for each component, from
    mean powers in steps of 1 Hz:

    - fE is 10 Hz, or the end of the step with the largest power if that is higher: the decay begins behind the
      corner frequency and the site's main peak;
    - fX is 0.4 times the sampling rate, or the first step above fE in which the spectrum is less than 3 times that of
      the noise.  Noise is what the quietest 5 s hold, scaled to the record's length, so that a stationary signal is
      its own noise and has no band.

    A resonance within the band can make κ too large, too small or negative.  NaN where the band that is left is narrower
    than 8 Hz (noise, sampling rates below 45 Hz), for records shorter than 10 s, and for those without motion.

    Raises
    ------
    ValueError
        For a given band that does not rise, or that sampling rate or length cannot hold; values that are not finite.
    """
    data, rate_hz = acceleration(data), positive_rate(sampling_rate_hz)
    samples = data.shape[-1]
    centred = (data - data.mean(axis=-1, keepdims=True)).reshape(-1, samples)
    taper = signal.windows.tukey(samples, 0.1)
    freq_hz, power = fft.rfftfreq(samples, 1 / rate_hz), np.abs(fft.rfft(centred * taper, axis=-1)) ** 2
    if band_hz is None:
        if samples < 2 * QUIET_S * rate_hz or END_SHARE * rate_hz < START_HZ + LEAST_BAND_HZ:
            return np.full(data.shape[:-1], np.nan)
        band_hz = _decay_band(centred, power / np.square(taper).sum(), rate_hz)
        band_hz = np.where(band_hz[1] - band_hz[0] < LEAST_BAND_HZ, np.nan, band_hz)
    elif not (0 < band_hz[0] < band_hz[1] <= rate_hz / 2 and (band_hz[1] - band_hz[0]) * samples >= 3 * rate_hz):
        raise ValueError(f"a band from {band_hz[0]} to {band_hz[1]} Hz, records of {samples / rate_hz:g} s at {rate_hz:g} Hz; "
                         "two rising frequencies up to half the sampling rate, at least 3/length apart, are needed")
    start_hz, end_hz = np.reshape(band_hz, (2, -1, 1))
    inside = (freq_hz >= start_hz) & (freq_hz <= end_hz) & (power > 0)
    still = np.square(centred).sum(axis=-1) <= STILL * np.square(data).sum(axis=-1).ravel()
    return np.where(still, np.nan, -_slope(freq_hz, power, inside) / np.pi).reshape(data.shape[:-1])


def _slope(freq_hz, power, inside) -> np.ndarray:
    """Slope of the line through the logarithm of the amplitudes inside a band of each row; NaN for an empty band."""
    with np.errstate(divide="ignore", invalid="ignore"):
        amplitude = np.where(inside, np.log(power) / 2, 0.0)
        middle = (inside @ freq_hz / inside.sum(axis=-1))[:, None]
        distance = np.where(inside, freq_hz - middle, 0.0)
        return (distance * amplitude).sum(axis=-1) / np.square(distance).sum(axis=-1)


def _decay_band(centred, density, rate_hz: float) -> np.ndarray:
    """fE and fX of each row, shape (2, rows) [Hz]; `density` is its power spectrum over the sum of the squared taper."""
    window = round(QUIET_S * rate_hz)
    pieces = centred[:, : centred.shape[-1] // window * window].reshape(len(centred), -1, window)
    quietest = np.square(pieces).sum(axis=-1).argmin(axis=-1)
    hann = signal.windows.hann(window)
    noise = np.abs(fft.rfft(pieces[np.arange(len(pieces)), quietest] * hann, axis=-1)) ** 2 / np.square(hann).sum()

    steps = np.arange(int(END_SHARE * rate_hz + 1e-9))
    strength = _step_means(density, centred.shape[-1] / rate_hz, len(steps))
    noise = _step_means(noise, window / rate_hz, len(steps))
    start_hz = np.maximum(strength.argmax(axis=-1) + 1, START_HZ)
    drowned = (strength <= SIGNAL_TO_NOISE**2 * noise) & (steps >= start_hz[:, None])
    return np.stack([start_hz, np.where(drowned.any(axis=-1), drowned.argmax(axis=-1), len(steps))])


def _step_means(power, length_s: float, steps: int) -> np.ndarray:
    """Mean power in steps of 1 Hz from 0 Hz up, shape (rows, steps); the spectrum is sampled at k / length."""
    first = np.ceil(np.arange(steps + 1) * length_s - 1e-9).astype(int)
    return np.add.reduceat(power[:, : first[-1]], first[:-1], axis=-1) / np.diff(first)
