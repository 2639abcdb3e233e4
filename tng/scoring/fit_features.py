"""What the goodness-of-fit scores of :mod:`tng.scoring.fit` compare, computed once for each record.

Before two records are compared in time, each is shifted so that 5 % of its horizontal energy has arrived at one common
time, as the SCEC Broadband Platform does.  Everything is of the two horizontals.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy import fft, ndimage, signal

from tng import intensity, response

BANDS_HZ = ((0.1, 0.2), (0.2, 0.5), (0.5, 1), (1, 2), (2, 5), (5, 10), (10, 20), (20, 50), (50, 100), (0.1, 100))    # of Anderson
LEAST_CYCLES = 2.0             # of the lowest frequency of a band, in a record
PAIR_BAND_HZ = (0.1, 10.0)     # of Olsen and Mayhew (2010): periods 0.1-10 s
ORDER = 2                      # of the Butterworth band-passes, run forwards and backwards
ARRIVED, AT = 0.05, 0.1        # this share of the energy has arrived at this share of the record
PADDING_S = 20.0               # for the band-passes to ring out
STEP_S = 0.1                   # of the curves of arriving energy
SA16_S = np.array([0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 7.5, 10])
SPECTRUM_S = np.geomspace(0.1, 10, 13).round(6)
PERIODS_S = np.unique(np.concatenate([[0.04, 0.05, 0.065, 0.08], SA16_S, SPECTRUM_S]))
INELASTIC_S, REDUCTIONS, HARDENING = (0.5, 1.0, 2.0), (2.0, 4.0, 6.0), 0.02
HALF_WIDTH_HZ = 0.1            # of the running mean of Fourier spectra in Olsen and Mayhew (2010)
BATCH = 16                     # records at a time: what is filtered in all bands stays small


@dataclass(frozen=True)
class Features:
    """What both scores need of each record; arrays begin with (records, 2 horizontals, …)."""

    sampling_rate_hz: float
    samples: int
    spectrum: np.ndarray         # (…, frequencies) complex, of the shifted and padded record
    arrived: np.ndarray          # (…, bands, 2, times) share of ∫a²dt and of ∫v²dt that has arrived
    sizes: np.ndarray            # (…, bands, 5): ∫a²dt, ∫v²dt, PGA, PGV, PGD; the last band is PAIR_BAND_HZ
    psa: np.ndarray              # (…, periods)
    smoothed: np.ndarray         # (…, frequencies of that band) Fourier amplitude, running mean
    duration_s: np.ndarray       # (…): 5-75 % of ∫v²dt in PAIR_BAND_HZ
    inelastic: np.ndarray        # (…, periods, reductions) inelastic over elastic displacement; no periods if left out

    def __len__(self) -> int:
        return len(self.psa)

    def take(self, rows) -> Features:
        """Some of the records, in the order asked for."""
        return Features(self.sampling_rate_hz, self.samples, *(getattr(self, one.name)[rows] for one in fields(self)[2:]))

    @property
    def bands_hz(self) -> list[tuple[float, float]]:
        return bands(self.samples, self.sampling_rate_hz)

    @property
    def periods_s(self) -> np.ndarray:
        return _periods(self.sampling_rate_hz)

    @property
    def freq_hz(self) -> np.ndarray:
        return fft.rfftfreq(_padded(self.samples, self.sampling_rate_hz), 1 / self.sampling_rate_hz)


def bands(samples: int, sampling_rate_hz: float) -> list[tuple[float, float]]:
    """Anderson's bands that records hold, of which the last is the whole one [Hz].

    Those above the Nyquist frequency are dropped, and those of which a record holds less than two cycles; the whole one is
    cut off there.
    """
    *narrow, whole = BANDS_HZ
    low, high = _held(whole, samples, sampling_rate_hz)
    lowest_hz, nyquist_hz = LEAST_CYCLES * sampling_rate_hz / samples * (1 - 1e-9), sampling_rate_hz / 2 * (1 + 1e-9)
    return [band for band in narrow if lowest_hz <= band[0] and band[1] <= nyquist_hz] + [(low, high)]


def pair_band(samples: int, sampling_rate_hz: float) -> tuple[float, float]:
    """The one band of Olsen and Mayhew, as far as records hold it [Hz]."""
    return _held(PAIR_BAND_HZ, samples, sampling_rate_hz)


def _held(band_hz: tuple[float, float], samples: int, sampling_rate_hz: float) -> tuple[float, float]:
    """A band as far as records hold it; an octave is the least."""
    low, high = max(band_hz[0], LEAST_CYCLES * sampling_rate_hz / samples), min(band_hz[1], sampling_rate_hz / 2)
    if high < 2 * low:
        raise ValueError(f"{samples} samples at {sampling_rate_hz:g} Hz hold too little of {band_hz[0]:g}-{band_hz[1]:g} Hz "
                         "to compare; longer records are needed")
    return low, high


def features(data, sampling_rate_hz: float, *, inelastic: bool = True) -> Features:
    """What `anderson` and `olsen_mayhew` compare, once for each record.

    Parameters
    ----------
    data : array, shape (records, 3, samples)
        Acceleration, components E, N, Z [cm/s²].  Z is not used.
    inelastic : bool
        Compute inelastic displacements too, which takes a quarter of the time.

    Raises
    ------
    ValueError
        For another shape, values that are not finite, a horizontal without motion, or records too short for any band.
    """
    rate_hz = intensity.positive_rate(sampling_rate_hz)
    data = intensity.three_components(data)[:, :2]
    if len(data) == 0:
        raise ValueError("no records to compare")
    still = (np.ptp(data, axis=-1) == 0).any(axis=-1)
    if still.any():
        raise ValueError(f"record {still.argmax()} has a horizontal component without motion; drop it")
    data = data - data.mean(axis=-1, keepdims=True)
    parts = [_motion(data[start:start + BATCH], rate_hz) for start in range(0, len(data), BATCH)]
    spectrum, arrived, sizes, smoothed, duration_s = (np.concatenate(values) for values in zip(*parts))
    periods_s = np.array(INELASTIC_S)
    periods_s = periods_s[(periods_s >= 4 / rate_hz) & inelastic]
    ratios = np.empty((len(data), 2, 0, len(REDUCTIONS)))
    if len(periods_s):
        ductility = response.ductility(data.reshape(-1, data.shape[-1]), rate_hz, periods_s, REDUCTIONS, hardening=HARDENING)
        ratios = (ductility / REDUCTIONS).reshape(len(data), 2, len(periods_s), len(REDUCTIONS))
    return Features(rate_hz, data.shape[-1], spectrum, arrived, sizes, response.psa(data, rate_hz, _periods(rate_hz)), smoothed,
                    duration_s, ratios)


def _periods(rate_hz: float) -> np.ndarray:
    return PERIODS_S[PERIODS_S >= 2 / rate_hz]


def _padded(samples: int, rate_hz: float) -> int:
    return fft.next_fast_len(round((1 + AT) * samples + PADDING_S * rate_hz), real=True)


def _motion(data: np.ndarray, rate_hz: float) -> tuple[np.ndarray, ...]:
    """Spectrum, arrival of the energy, sizes, smoothed spectrum and duration of some records (records, 2, samples)."""
    samples = data.shape[-1]
    n = _padded(samples, rate_hz)
    freq_hz = fft.rfftfreq(n, 1 / rate_hz)
    spectrum = fft.rfft(_aligned(data, n))
    integral = np.zeros(len(freq_hz), dtype=complex)                          # 1/iω: acceleration → velocity → displacement
    integral[1:] = 1 / (2j * np.pi * freq_hz[1:])
    steps = np.arange(0, n, max(round(STEP_S * rate_hz), 1))
    low, high = one_band = pair_band(samples, rate_hz)
    arrived, sizes = [], []
    for band in [*bands(samples, rate_hz), one_band]:
        passed = spectrum * gain(band, freq_hz, rate_hz)
        a, v, d = (fft.irfft(passed * integral**power, n) for power in range(3))
        energy = np.stack([np.add.reduceat(x**2, steps, axis=-1).cumsum(axis=-1) for x in (a, v)], axis=-2) / rate_hz
        arrived.append((energy / energy[..., -1:]).astype(np.float32))
        sizes.append(np.concatenate([energy[..., -1], np.stack([np.abs(x).max(axis=-1) for x in (a, v, d)], axis=-1)], axis=-1))
    half = int(HALF_WIDTH_HZ / freq_hz[1] + 1)
    inside = (freq_hz >= low) & (freq_hz <= high)
    smoothed = ndimage.uniform_filter1d(np.abs(spectrum), 2 * half + 1, axis=-1)[..., inside]
    duration_s = intensity.significant_duration(v, rate_hz, 0.05, 0.75)       # v of the last band
    return spectrum.astype(np.complex64), np.stack(arrived, axis=2), np.stack(sizes, axis=2), smoothed, duration_s


def _aligned(data: np.ndarray, n: int) -> np.ndarray:
    """Records (records, 2, samples) in n samples, with the 5 % arrivals at one time."""
    energy = (data**2).sum(axis=1).cumsum(axis=-1)
    arrivals = (energy < ARRIVED * energy[:, -1:]).sum(axis=-1)
    at = round(AT * data.shape[-1])
    out = np.zeros((*data.shape[:2], n))
    for row, arrival in zip(range(len(data)), arrivals):
        late = at - arrival                                                   # negative: the beginning is cut off
        kept = data[row, :, max(-late, 0):n - late]
        out[row, :, max(late, 0):max(late, 0) + kept.shape[1]] = kept
    return out


def gain(band_hz: tuple[float, float], freq_hz: np.ndarray, rate_hz: float) -> np.ndarray:
    """Of a Butterworth band-pass forwards and backwards."""
    low, high = band_hz
    kind = ((low, high), "bandpass") if high < 0.499 * rate_hz else (low, "highpass")
    return np.abs(signal.freqz_sos(signal.butter(ORDER, *kind, fs=rate_hz, output="sos"), worN=freq_hz, fs=rate_hz)[1]) ** 2
