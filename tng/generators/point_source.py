"""The stochastic point source with a station's filter: the classical way to make ground motion without a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import fft

from tng import onset, smoothing, stochastic
from tng.corpus import Corpus
from tng.generators import GeneratorError, Pool, as_records, random_stream
from tng.records import Record
from tng.recordset import RecordSet

STRESS_BAR, KAPPA_S = 100.0, 0.04         # of the rock motion that the station's filter is taken from
P_SHARE, CODA_SHARE = 0.5, 0.6            # strength of P and coda beside S
PASSES = 3                                # to the station's filter: what noise adds to the waves depends on it
EQUIVALENT_MAGNITUDES, EQUIVALENT_KM = np.arange(2.5, 8.01, 0.1), np.geomspace(3, 300, 41)


class _Path(NamedTuple):
    """What is known or assumed of one training record."""

    magnitude: float
    distance_km: float
    onset_s: float
    noise_cmps2: np.ndarray       # (3,) rms before the onset


class _Fit(NamedTuple):
    """What a station's training records say."""

    paths: list[_Path]
    ln_filter: np.ndarray         # (3, centres) over rock
    level_sigma: float            # of ln level, record to record


class StochasticMotion:
    """Noise with the spectrum of a point source, the duration of its path, and the station's filter (Boore, 2003).

    A new record takes magnitude, distance, P onset and ambient noise of one of the station's training records, drawn
    at random; no sample of it is used, and no ancestor stated.  P, S and coda are noise in windows of Saragoni &
    Hart (1974), with the spectrum of a Brune source (100 bar, kappa 0.04 s) on generic rock as in `tng.stochastic`, made
    causal by its minimum phase.  The station's filter is the geometric mean, for each component, of the ratio of the
    training records' smoothed amplitude spectra to those of the same motion on rock, with the same ambient noise; the
    level varies around it as the training records do.  Ambient noise is white.

    Where the metadata do not give magnitude or distance (hypocentral, else epicentral), the record gets those with
    which the rock spectrum fits its own smoothed horizontal spectrum best; so they are equivalent ones, which a strong
    site effect makes too large or too near, and which its filter takes back.  Onsets are those of the metadata, else
    picked, else where 1 % of the Arias intensity has arrived.

    The synthetic corpus is made with nearly the same method, so there this baseline is close to the truth, and a hard
    one to beat.  On recorded motion it is not.

    Raises
    ------
    GeneratorError
        For a station with fewer than 3 training records, or records too short for a spectrum.
    """

    name = "stochastic"

    def __init__(self, corpus: Corpus, stations: Sequence[str]):
        self.pool = Pool(corpus, stations)
        self.stations = self.pool.stations
        self.rate_hz, self.samples = corpus.sampling_rate_hz, corpus.samples
        # Filters ring out in twice the length, not around into the record's start.
        self.n = fft.next_fast_len(2 * self.samples, real=True)
        self.n += self.n % 2
        self.freq_hz = fft.rfftfreq(self.n, 1 / self.rate_hz)
        self.freq_hz[0] = self.freq_hz[1] / 2              # keeps logarithms finite
        self.time_s = np.arange(self.n) / self.rate_hz
        self.fits: dict[str, _Fit] = {}

    def sample(self, station: str, n: int, seed: int) -> list[Record]:
        fit = self.fit(station)
        rng = random_stream(seed, station + " stochastic")
        data = np.stack([self.motion(fit, fit.paths[rng.integers(len(fit.paths))], rng) for _ in range(n)])
        return as_records(data, station, self.rate_hz, self.name, seed)

    def fit(self, station: str) -> _Fit:
        """What the training records of a station say; computed once."""
        if station not in self.fits:
            rows = self.pool.of(station)
            if len(rows) < 3:
                raise GeneratorError(f"station {station} has {len(rows)} training records; the stochastic method needs at "
                                     "least 3 for the station's filter")
            records = [self.pool.corpus.record(row) for row in rows]
            known = RecordSet.of(records)
            centres_hz = centres_of(self.samples, self.rate_hz)
            ln_recorded = np.log(smoothed_amplitudes(known.data - known.data.mean(axis=-1, keepdims=True), self.rate_hz))
            sources = equivalent_sources(ln_recorded[:, :2].mean(axis=1), centres_hz, known.magnitude, known.distance_km)
            paths = [_Path(*source, *self._before(record)) for source, record in zip(sources, records)]
            fit = _Fit(paths, np.zeros((3, len(centres_hz))), 0.0)
            for _ in range(PASSES):
                rng = random_stream(0, station + " filter")
                modelled = np.stack([self.motion(fit, path, rng) for path in paths])
                residual = ln_recorded - np.log(smoothed_amplitudes(modelled, self.rate_hz))          # (records, 3, centres)
                fit = fit._replace(ln_filter=fit.ln_filter + residual.mean(axis=0))
            self.fits[station] = fit._replace(level_sigma=float(residual.mean(axis=(1, 2)).std(ddof=1)))
        return self.fits[station]

    def _before(self, record: Record) -> tuple[float, np.ndarray]:
        """Onset [s], and rms of each component before it or, with less than a second there, in the quietest second [cm/s²]."""
        centred = record.data - record.data.mean(axis=1, keepdims=True)
        stated = record.meta.get("trace_p_arrival_sample")
        picked_s = float(stated) / self.rate_hz if stated is not None else onset.pick(record)
        if picked_s is None or not 0 <= picked_s < self.samples / self.rate_hz:
            energy = (centred**2).sum(axis=0).cumsum()
            picked_s = float(np.searchsorted(energy, 0.01 * energy[-1]) / self.rate_hz)
        second = min(max(round(self.rate_hz), 1), self.samples)
        before = round((picked_s - 0.2) * self.rate_hz)
        if before >= second:
            return picked_s, centred[:, :before].std(axis=1)
        return picked_s, centred[:, :self.samples // second * second].reshape(3, -1, second).std(axis=2).min(axis=1)

    def motion(self, fit: _Fit, path: _Path, rng: np.random.Generator) -> np.ndarray:
        """One record (3, samples) [cm/s²]."""
        effective_km = float(stochastic.effective_distance_km(path.magnitude, path.distance_km))
        duration_s = float(stochastic.source_duration_s(path.magnitude, STRESS_BAR, path.distance_km))
        p_to_s_s = path.distance_km * (1 / stochastic.S_VELOCITY - 1 / stochastic.P_VELOCITY)
        s_onset_s = path.onset_s + p_to_s_s
        ln_s, ln_p = (np.log(stochastic.rock_spectrum(self.freq_hz, path.magnitude, effective_km, STRESS_BAR, KAPPA_S, wave))
                      for wave in "SP")
        ln_hz, ln_centres = np.log(self.freq_hz), np.log(centres_of(self.samples, self.rate_hz))
        ln_site = np.array([np.interp(ln_hz, ln_centres, one) for one in fit.ln_filter]) + fit.level_sigma * rng.standard_normal()
        s, p = (stochastic.complex_exp(stochastic.minimum_phase(ln_site + ln_wave)) for ln_wave in (ln_s, ln_p))

        def waves(onset_s: float, window_s: float, epsilon: float = 0.2) -> np.ndarray:
            """Noise of unit energy a component in a window, its spectrum."""
            window = np.interp(self.time_s, stochastic.TIME_S, stochastic.envelope(onset_s, window_s, epsilon), right=0)
            window[self.samples:] = 0
            return fft.rfft(rng.standard_normal((3, self.n)) * window) / np.sqrt(self.rate_hz)

        ground = (s * (waves(s_onset_s, duration_s) + CODA_SHARE * waves(s_onset_s, 2 * duration_s + 5, epsilon=0.1))
                  + p * P_SHARE * waves(path.onset_s, 0.5 * duration_s + 0.4 * p_to_s_s))
        ground[:, 0] = 0
        noise = path.noise_cmps2[:, None] * rng.standard_normal((3, self.samples))
        return fft.irfft(ground, self.n)[:, :self.samples] * self.rate_hz + noise


def equivalent_sources(ln_amplitudes, centres_hz, magnitudes, distances_km) -> list[tuple[float, float]]:
    """Magnitude and hypocentral distance [km] with which the rock spectrum fits each smoothed spectrum best.

    What is given is kept; what is NaN is the least-squares fit of ln amplitude [cm/s] up to 20 Hz, from 0.3 Hz where
    the records reach so low, over a grid of magnitudes 2.5-8 and 3-300 km.

    Parameters
    ----------
    ln_amplitudes : array, shape (records, centres)
    centres_hz : array, shape (centres,)
    magnitudes, distances_km : arrays, shape (records,)
    """
    used = (centres_hz >= min(0.3, centres_hz[len(centres_hz) // 2])) & (centres_hz <= max(20, centres_hz[len(centres_hz) // 2]))
    found = []
    for ln_amplitude, magnitude, distance_km in zip(ln_amplitudes, magnitudes, distances_km):
        if np.isnan(magnitude) or np.isnan(distance_km):
            m = (EQUIVALENT_MAGNITUDES if np.isnan(magnitude) else np.array([magnitude]))[:, None, None]
            r = (EQUIVALENT_KM if np.isnan(distance_km) else np.array([distance_km]))[None, :, None]
            rock = stochastic.rock_spectrum(centres_hz[used], m, stochastic.effective_distance_km(m, r), STRESS_BAR, KAPPA_S)
            misfit = ((ln_amplitude[used] - np.log(rock)) ** 2).sum(axis=-1)
            i, j = np.unravel_index(misfit.argmin(), misfit.shape)
            magnitude, distance_km = m[i, 0, 0], r[0, j, 0]
        found.append((float(magnitude), float(distance_km)))
    return found


def centres_of(samples: int, sampling_rate_hz: float) -> np.ndarray:
    """Frequencies at which spectra of records of this length can be smoothed, 12 an octave."""
    low, high = max(0.1, 6 * sampling_rate_hz / samples), 0.45 * sampling_rate_hz
    if high < 4 * low:
        raise GeneratorError(f"records of {samples} samples at {sampling_rate_hz:g} Hz are too short for a spectrum")
    return np.geomspace(low, high, int(12 * np.log2(high / low)))


def smoothed_amplitudes(x: np.ndarray, sampling_rate_hz: float) -> np.ndarray:
    """Smoothed dt·|FFT| of (..., samples) at `centres_of`, never zero [cm/s]."""
    samples = x.shape[-1]
    amplitude = np.abs(fft.rfft(x)) / sampling_rate_hz
    smooth = smoothing.smooth(amplitude, sampling_rate_hz / samples, centres_of(samples, sampling_rate_hz))
    return np.maximum(smooth, 1e-12 * smooth.max() + 1e-30)
