"""Fourier spectra, their smoothing, the HVSR curve and the site frequency f0.

`hvsr` follows by default the recipe that made the authors' published arrays, step by step; what that recipe calls
Konno-Ohmachi smoothing is a Gaussian in ln f, and the name here says so (see :mod:`tng.smoothing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import fft, signal

from tng import smoothing as smoothing_  # `smoothing` is what the functions here call their argument
from tng.fourier import SILENT, fourier_amplitude, refuse, resolved, transformable, without_line

BAND_HZ = (1.0, 20.0)      # the band in which the paper looks for f0
PADDING_S = 60.0           # zeros on each side: 1.5 x filter order 2 / corner 0.05 Hz
HIGH_PASS_HZ, HIGH_PASS_ORDER = 0.05, 2
CACHED = 8                 # records that the processor's cache holds while they are filtered and transformed
CURVE_HZ = np.linspace(*BAND_HZ, 400)   # where the paper's median curves are given


def eas(data, sampling_rate_hz: float, centres_hz, *, smoothing: str = "konno-ohmachi", bandwidth: float = smoothing_.BANDWIDTH,
        batch: int = 64) -> np.ndarray:
    """Smoothed effective amplitude spectrum (EAS) of the two horizontals.

    EAS = sqrt((|E|² + |N|²) / 2), which does not depend on how the sensor is turned (Goulet et al., 2018), of the records
    without their straight line; then smoothed.  There is no taper and no padding.

    Parameters
    ----------
    data : array, shape (records, 3, samples)
        Acceleration [cm/s²].
    centres_hz : array, shape (centres,)
        Where it is wanted, rising [Hz].
    smoothing, bandwidth
        See :mod:`tng.smoothing`.

    Returns
    -------
    array, shape (records, centres)
        [cm/s].

    Raises
    ------
    ValueError
        For another shape, values that are not finite, a dead component, or centres that the records do not resolve.
    """
    data = transformable(data, sampling_rate_hz)
    centres_hz = resolved(centres_hz, data.shape[-1], sampling_rate_hz)
    found = np.empty((len(data), len(centres_hz)))
    for start in range(0, len(data), batch):
        horizontal = without_line(data[start:start + batch], start)[:, :2]
        freq_hz, amplitude = fourier_amplitude(horizontal, sampling_rate_hz)
        found[start:start + batch] = smoothing_.smooth(_quadratic(amplitude), freq_hz[1], centres_hz, smoothing, bandwidth)
    return found


# --- how records are transformed, and where their curves are wanted ---------------------------------------

class _Grid(NamedTuple):
    """How records are transformed, and where their curves are wanted."""

    sampling_rate_hz: float
    samples: int
    padded: int
    centres_hz: np.ndarray
    kind: str
    bandwidth: float
    high_pass: bool
    taper: float

    @classmethod
    def of(cls, samples, sampling_rate_hz, band_hz, centres_hz, kind, bandwidth, high_pass, taper) -> _Grid:
        padded = samples + 2 * round(PADDING_S * sampling_rate_hz)
        if not 0 <= taper <= 0.5:
            raise ValueError(f"a taper of {taper}; the share of the record at each end is needed, from 0 to 0.5")
        if centres_hz is None:
            if not 0 < band_hz[0] < band_hz[1]:
                raise ValueError(f"a band from {band_hz[0]} to {band_hz[1]} Hz; two rising positive frequencies are needed")
            resolved(band_hz, samples, sampling_rate_hz)
            freq_hz = np.arange(padded // 2) * sampling_rate_hz / padded
            # a bin that rounding puts a hair outside the band belongs to it: both ends are included
            centres_hz = freq_hz[(freq_hz >= band_hz[0] - 1e-9) & (freq_hz <= band_hz[1] + 1e-9)]
        centres_hz = resolved(centres_hz, samples, sampling_rate_hz)
        return cls(sampling_rate_hz, samples, padded, centres_hz, kind, bandwidth, high_pass, taper)

    def spectra(self, data, batch: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Complex spectra (records, 3, padded // 2) of a batch after the other."""
        for start in range(0, len(data), batch):
            motion = without_line(data[start:start + batch], start)
            if self.taper:
                motion *= signal.windows.tukey(self.samples, 2 * self.taper)
            spectra = np.empty((len(motion), 3, self.padded // 2), dtype=complex)
            for few in range(0, len(motion), CACHED):
                part = motion[few:few + CACHED]
                part = self._high_passed(part) if self.high_pass else part
                spectra[few:few + CACHED] = fft.rfft(part, self.padded, axis=-1)[..., : self.padded // 2]
            yield slice(start, start + len(motion)), spectra

    def _high_passed(self, motion) -> np.ndarray:
        pad = (self.padded - self.samples) // 2
        b, a = signal.butter(HIGH_PASS_ORDER, HIGH_PASS_HZ / (self.sampling_rate_hz / 2), "highpass")
        return signal.filtfilt(b, a, np.pad(motion, ((0, 0), (0, 0), (pad, pad))), axis=-1)

    def smooth(self, amplitude) -> np.ndarray:
        return smoothing_.smooth(amplitude, self.sampling_rate_hz / self.padded, self.centres_hz, self.kind, self.bandwidth)

    def vertical(self, spectra, first: int) -> np.ndarray:
        """Smoothed |Z|, by which can be divided: above the rounding of the transform."""
        amplitude = np.abs(spectra[:, 2])
        vertical = self.smooth(amplitude)
        bad = np.zeros((len(vertical), 3), dtype=bool)
        bad[:, 2] = vertical.min(axis=-1) <= SILENT * amplitude.max(axis=-1)
        refuse(bad, first, "holds nothing at some frequency of the band")
        return vertical


# --- horizontals and their ratio to the vertical ---------------------------------------------------------

def _geometric(amplitude) -> np.ndarray:
    return np.sqrt(amplitude[:, 0] * amplitude[:, 1])


def _quadratic(amplitude) -> np.ndarray:
    return np.sqrt((amplitude[:, 0] ** 2 + amplitude[:, 1] ** 2) / 2)


def _rotated(grid: _Grid, spectra, azimuths_deg) -> np.ndarray:
    """Smoothed amplitude of one record's horizontal motion along each azimuth, shape (azimuths, centres)."""
    azimuth = np.deg2rad(azimuths_deg)
    return grid.smooth(np.abs(np.stack([np.sin(azimuth), np.cos(azimuth)], axis=1) @ spectra[:2]))


def _rotd50(grid: _Grid, spectra) -> np.ndarray:
    return np.stack([np.median(_rotated(grid, each, np.arange(180.0)), axis=0) for each in spectra])


COMBINE = {
    "geometric": lambda grid, spectra: grid.smooth(_geometric(np.abs(spectra[:, :2]))),
    "quadratic": lambda grid, spectra: grid.smooth(_quadratic(np.abs(spectra[:, :2]))),
    "rotd50": _rotd50,
}


def hvsr(data, sampling_rate_hz: float, batch: int = 64, *, band_hz: tuple[float, float] = BAND_HZ, smoothing: str = "paper",
         bandwidth: float = smoothing_.BANDWIDTH, combine: str = "geometric", centres_hz=None, high_pass: bool = False,
         taper: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal-to-vertical spectral ratio, by default as the published arrays were made.

    Linear detrend; 60 s of zeros on each side; |FFT| of E, N, Z; H = sqrt(|E||N|); H and Z smoothed with
    exp(-40 ln²(f/fc)); their ratio at every Fourier frequency in the band.  The authors' high-pass at
    0.05 Hz is left out unless asked for: it changes the curve by some 1e-6.  Units cancel.

    Parameters
    ----------
    data : array, shape (records, 3, samples)
        Acceleration, components E, N, Z.
    sampling_rate_hz : float
        At least 40 Hz for the paper's band; twice the end of `band_hz` for another [Hz].
    batch : int
        Records transformed at a time.
    band_hz : two numbers
        First and last frequency [Hz]; the paper's 1-20 Hz.  Records with a lower Nyquist frequency need another.
    smoothing : "paper" or "konno-ohmachi"
        See :mod:`tng.smoothing`, there also `bandwidth`.
    combine : "geometric", "quadratic" or "rotd50"
        The horizontal: sqrt(|E||N|); sqrt((|E|² + |N|²)/2); or at each frequency the median of the smoothed spectra along
        the 180 directions one degree apart, which costs some fifty times as much.  The last two do not depend on how the
        sensor is turned (rotd50 to half a degree).
    centres_hz : array, optional
        Rising frequencies at which the curve is wanted instead of every Fourier frequency in `band_hz` [Hz].
    high_pass : bool
        Also the authors' filter: Butterworth, order 2, 0.05 Hz, forwards and backwards.
    taper : float
        Share of the record at each end that is tapered with a cosine, after the detrend; the paper has none.

    Returns
    -------
    freq_hz : array, shape (frequencies,)
        3421 of them, 1/180 Hz apart, for the paper's 60 s records [Hz].
    curves : array, shape (records, frequencies)
        H/V [-].

    Raises
    ------
    ValueError
        For another shape, values that are not finite, a component without motion (naming the record), a sampling rate
        that cannot hold the band, or records shorter than one cycle of its first frequency.  (SESAME, 2004, asks for ten
        cycles; :func:`tng.peaks.site_peak` says whether they are there.)
    """
    data = transformable(data, sampling_rate_hz)
    if combine not in COMBINE:
        raise ValueError(f"no horizontal called {combine!r}; there are {', '.join(COMBINE)}")
    grid = _Grid.of(data.shape[-1], sampling_rate_hz, band_hz, centres_hz, smoothing, bandwidth, high_pass, taper)
    curves = np.empty((len(data), len(grid.centres_hz)))
    for rows, spectra in grid.spectra(data, batch):
        curves[rows] = COMBINE[combine](grid, spectra) / grid.vertical(spectra, rows.start)
    return grid.centres_hz, curves


def azimuthal_hvsr(data, sampling_rate_hz: float, azimuths_deg=tuple(range(0, 180, 10)), *, relative: bool = False,
                   band_hz: tuple[float, float] = BAND_HZ, smoothing: str = "paper", bandwidth: float = smoothing_.BANDWIDTH,
                   centres_hz=None, high_pass: bool = False, taper: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """HVSR of the horizontal motion along each azimuth, which shows whether a site shakes more one way than another.

    Parameters
    ----------
    data, sampling_rate_hz
        As in `hvsr`, and so are the other options.
    azimuths_deg : array, shape (azimuths,)
        Clockwise from north; 180° further is the same direction [°].
    relative : bool
        Divide by the HVSR of the geometric mean: 1 everywhere is a site without a direction of its own.

    Returns
    -------
    freq_hz : array, shape (frequencies,)
        [Hz].
    curves : array, shape (records, azimuths, frequencies)
        Smoothed |N cos θ + E sin θ| over smoothed |Z| [-].

    Raises
    ------
    ValueError
        As `hvsr`, and for no azimuths.
    """
    data = transformable(data, sampling_rate_hz)
    azimuths_deg = np.atleast_1d(np.asarray(azimuths_deg, dtype=float))
    if not (azimuths_deg.size and np.isfinite(azimuths_deg).all()):
        raise ValueError("azimuths must be finite numbers, at least one")
    grid = _Grid.of(data.shape[-1], sampling_rate_hz, band_hz, centres_hz, smoothing, bandwidth, high_pass, taper)
    curves = np.empty((len(data), len(azimuths_deg), len(grid.centres_hz)))
    for rows, spectra in grid.spectra(data, 16):
        horizontal = np.stack([_rotated(grid, each, azimuths_deg) for each in spectra])
        below = COMBINE["geometric"](grid, spectra) if relative else grid.vertical(spectra, rows.start)
        curves[rows] = horizontal / below[:, None]
    return grid.centres_hz, curves


# --- what a curve, or many, say ----------------------------------------------------------------------------

def f0(freq_hz, curves) -> np.ndarray:
    """Site frequency of each record: where its HVSR is largest in the band of `freq_hz`, shape (records,) [Hz].

    This is the paper's rule.  It accepts a maximum at the edge of the band, which is not a resonance;
    `at_edge` finds those, and :func:`tng.peaks.record_peaks` asks for a peak.  ValueError for a curve with NaN.
    """
    if np.isnan(curves).any():
        raise ValueError("a curve with NaN has no largest value")
    return np.asarray(freq_hz)[np.argmax(curves, axis=-1)]


def at_edge(f0_hz, band_hz: tuple[float, float] = BAND_HZ) -> np.ndarray:
    """Which f0 lie on an edge of the band (within half a percent), and so are no peak of the curve."""
    low, high = band_hz
    f0_hz = np.asarray(f0_hz)
    return (f0_hz <= low * 1.005) | (f0_hz >= high / 1.005)


def median_curve(freq_hz, curves) -> np.ndarray:
    """Median HVSR over records at the paper's 400 frequencies `CURVE_HZ`, shape (400,).

    Each curve is interpolated first and the median taken there, as in the published arrays.  ValueError for curves of
    a narrower band.
    """
    if freq_hz[0] > 1.02 * CURVE_HZ[0] or freq_hz[-1] < CURVE_HZ[-1] / 1.02:
        raise ValueError(f"curves from {freq_hz[0]:g} to {freq_hz[-1]:g} Hz do not hold the whole band of {CURVE_HZ[0]:g}-"
                         f"{CURVE_HZ[-1]:g} Hz")
    return np.median([np.interp(CURVE_HZ, freq_hz, curve) for curve in curves], axis=0)


def lognormal(curves) -> tuple[np.ndarray, np.ndarray]:
    """Median and scatter of lognormal curves over records, as engineers state them: exp(mean ln) and the deviation of ln.

    Parameters
    ----------
    curves : array, shape (records, frequencies)
        HVSR or any other positive measure.

    Returns
    -------
    median : array, shape (frequencies,)
        In the unit of the curves; the 16 and 84 % curves are median·exp(∓sigma_ln).
    sigma_ln : array, shape (frequencies,)
        Standard deviation of the sample (records - 1) [-].

    Raises
    ------
    ValueError
        For fewer than two records, and for values that are not positive and finite.
    """
    curves = np.asarray(curves, dtype=float)
    if curves.ndim != 2 or len(curves) < 2:
        raise ValueError(f"a scatter between records needs at least two of them; the curves are of shape {curves.shape}")
    bad = ~((curves > 0) & np.isfinite(curves))
    if bad.any():
        raise ValueError(f"curve {np.argwhere(bad)[0][0]} (counted from 0) holds a value that is not positive and finite")
    logarithm = np.log(curves)
    return np.exp(logarithm.mean(axis=0)), logarithm.std(axis=0, ddof=1)
