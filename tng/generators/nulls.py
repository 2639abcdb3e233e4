"""Generators without any network: what a network has to beat.

Most of them rework recorded accelerograms of the station's training events: averages, mixtures, copies, copies with
scrambled phases.  The stochastic point source (:mod:`tng.generators.point_source`) is the engineer's classical method.
In none of them anything was learnt: a score that they reach is no evidence for a network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft, ndimage, signal

from tng.corpus import Corpus
from tng.generators import Generator, Pool, as_records, mixing as mixtures, random_stream
from tng.generators.point_source import StochasticMotion, centres_of, smoothed_amplitudes
from tng.records import Record


def baselines(corpus: Corpus, stations: Sequence[str], k: int = 5, **mixing) -> dict[str, Generator]:
    """All of them, by name; `k` records are mixed, by the average as the options of `RecordAverage` say.

    Asking one for records of a station raises :class:`~tng.generators.GeneratorError` if the station is unknown or has
    too few training records: `k` for mixtures, 3 for the stochastic method.
    """
    return {"average": RecordAverage(corpus, stations, k, **mixing), "replay": RecordAverage(corpus, stations, 1),
            "unit-norm mix": UnitNormMix(corpus, stations, k), "phase-randomised": PhaseRandomised(corpus, stations),
            "phase + envelope": PhaseRandomised(corpus, stations, envelope=True),
            "stochastic": StochasticMotion(corpus, stations)}


class RecordAverage:
    """The average of k recorded accelerograms: the paper's generator with its network taken out.

    Records are divided by their scale, averaged, and multiplied by the mean of their scales, which is
    what the published generator does with reconstructed ones.  With k = 1 it replays single records.

    Where the network mixes in another way, so must its null: `mixing`, `alpha` and `replacement` are those of
    :func:`tng.generators.mixing.draw`, and with one seed both mix the same records with the same weights.  With
    ``unit-norm`` records are mixed around the mean of the station's standardised records.
    """

    def __init__(self, corpus: Corpus, stations: Sequence[str], records_to_mix: int = 5, *, mixing: str = "uniform",
                 alpha: float = 1.0, replacement: bool = False):
        mixtures.check(records_to_mix, mixing, alpha)
        self.pool = Pool(corpus, stations)
        self.stations = self.pool.stations
        self.k = records_to_mix
        self.mixing, self.alpha, self.replacement = mixing, alpha, replacement
        self.name = "average" if records_to_mix > 1 else "replay"

    def sample(self, station: str, n: int, seed: int) -> list[Record]:
        corpus = self.pool.corpus
        draws, weights = mixtures.draw(self.pool.of(station), self.k, n, seed, station, weights=self.mixing, alpha=self.alpha,
                                       replacement=self.replacement)
        centre = self.centre(station) if self.mixing == "unit-norm" else None
        data = np.empty((n, 3, corpus.samples))
        for i, (rows, w) in enumerate(zip(draws, weights)):
            data[i] = self.mix(corpus.waveforms(rows).astype(np.float64), None if self.mixing == "uniform" else w, centre)
        stated = weights if self.k > 1 or self.mixing == "unit-norm" else None
        return as_records(data, station, corpus.sampling_rate_hz, self.name, seed, _names(corpus, draws), stated)

    def centre(self, station: str) -> np.ndarray:
        """Mean of the station's standardised training records, shape (3, samples)."""
        rows = self.pool.of(station)
        total = np.zeros((3, self.pool.corpus.samples))
        for _, x in self.pool.corpus.batches(rows, 16):
            total += standardised(x.astype(np.float64))[0].sum(axis=0)
        return total / len(rows)

    @staticmethod
    def mix(x: np.ndarray, weights: np.ndarray | None = None, centre: np.ndarray | None = None) -> np.ndarray:
        """Mixture of records (k, 3, samples) as the generator mixes them, shape (3, samples).

        Plainly averaged, or with `weights` (k,) of sum 1, or with any weights around a `centre` (3, samples).
        """
        x, mean, scale = standardised(x)
        if weights is None:
            mixed = x.mean(axis=0)
        elif centre is None:
            mixed = np.tensordot(weights, x, axes=1)
        else:
            mixed = centre + np.tensordot(weights, x - centre, axes=1)
        mean, scale = mixtures.level(mean, scale, weights, unit_norm=centre is not None)
        return mixed * scale + mean


class UnitNormMix:
    """A mixture of k recorded accelerograms that is as strong as they are.

    Standardised records are added with weights ±1/√k of random sign, whose squares add up to 1, and multiplied by the
    geometric mean of their scales.  Where an average of records that have nothing in common loses the factor √k, this
    keeps their variance.
    """

    name = "unit-norm mix"

    def __init__(self, corpus: Corpus, stations: Sequence[str], records_to_mix: int = 5):
        self.pool = Pool(corpus, stations)
        self.stations = self.pool.stations
        self.k = records_to_mix

    def sample(self, station: str, n: int, seed: int) -> list[Record]:
        corpus = self.pool.corpus
        draws = self.pool.draw(station, self.k, n, seed)
        weights = random_stream(seed, station + " signs").choice([-1.0, 1.0], draws.shape) / np.sqrt(self.k)
        data = np.stack([self.mix(corpus.waveforms(rows).astype(np.float64), w) for rows, w in zip(draws, weights)])
        return as_records(data, station, corpus.sampling_rate_hz, self.name, seed, _names(corpus, draws), weights)

    @staticmethod
    def mix(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Mixture of records (k, 3, samples) with weights (k,), shape (3, samples)."""
        x = x - x.mean(axis=-1, keepdims=True)
        scale = x.std(axis=-1, keepdims=True)
        return np.tensordot(weights, x / scale, axes=1) * np.exp(np.log(scale).mean(axis=0))


class PhaseRandomised:
    """A recorded accelerogram with other Fourier phases (Theiler et al., 1992, Physica D 58:77-94).

    One random phase at each frequency is added to those of all three components (Prichard & Theiler, 1994).  So each
    component keeps its amplitude spectrum exactly, and with it HVSR, f0, rms and Arias intensity; the components
    keep their differences of phase, and with them the polarisation.  What goes is the shape in time: the shaking is
    spread over the whole window.

    With ``envelope=True`` that shape is put back: the result is multiplied by the smoothed envelope of the record, one
    for the three components, and each component is filtered with zero phase so that its smoothed amplitude spectrum is
    again the record's, and scaled to its Arias intensity.  Polarisation and smoothed HVSR stay.
    """

    def __init__(self, corpus: Corpus, stations: Sequence[str], envelope: bool = False):
        self.pool = Pool(corpus, stations)
        self.stations = self.pool.stations
        self.envelope = envelope
        self.name = "phase + envelope" if envelope else "phase-randomised"

    def sample(self, station: str, n: int, seed: int) -> list[Record]:
        corpus = self.pool.corpus
        draws = self.pool.draw(station, 1, n, seed)
        rng = random_stream(seed, station + " phases")
        data = []
        for row in draws[:, 0]:
            recorded = corpus.waveforms([row])[0].astype(np.float64)
            new = self.randomise(recorded, rng)
            data.append(self.reshape(new, recorded, corpus.sampling_rate_hz) if self.envelope else new)
        return as_records(np.stack(data), station, corpus.sampling_rate_hz, self.name, seed, _names(corpus, draws))

    @staticmethod
    def randomise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Record (3, samples) with a random phase added at each frequency; its means stay."""
        samples = x.shape[-1]
        turn = np.exp(2j * np.pi * rng.random(samples // 2 + 1))
        turn[0] = 1
        if samples % 2 == 0:
            turn[-1] = 1                                 # the Nyquist frequency of a real signal has no phase
        return fft.irfft(fft.rfft(x) * turn, samples)

    @staticmethod
    def reshape(new: np.ndarray, recorded: np.ndarray, sampling_rate_hz: float) -> np.ndarray:
        """`new` (3, samples) with the envelope, the smoothed spectra and the strength of `recorded`."""
        recorded = recorded - recorded.mean(axis=-1, keepdims=True)
        power = (np.abs(signal.hilbert(recorded)) ** 2).sum(axis=0)
        envelope = np.sqrt(ndimage.gaussian_filter1d(power, 0.25 * sampling_rate_hz, mode="nearest"))
        shaped = fft.rfft((new - new.mean(axis=-1, keepdims=True)) * envelope)
        wanted, found = (smoothed_amplitudes(x, sampling_rate_hz) for x in (recorded, fft.irfft(shaped, new.shape[-1])))
        ln_hz = np.log(np.maximum(fft.rfftfreq(new.shape[-1], 1 / sampling_rate_hz), 1e-9))
        ln_centres = np.log(centres_of(new.shape[-1], sampling_rate_hz))
        shaped *= np.exp([np.interp(ln_hz, ln_centres, ln_gain) for ln_gain in np.log(wanted / found)])
        shaped[:, 0] = 0
        result = fft.irfft(shaped, new.shape[-1])
        return result * (recorded.std(axis=-1) / result.std(axis=-1))[:, None]


def standardised(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Records (..., samples) with mean 0 and scale 1 as the network makes them, and their means and scales (..., 1)."""
    mean = x.mean(axis=-1, keepdims=True)
    scale = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return (x - mean) / scale, mean, scale


def _names(corpus: Corpus, draws: np.ndarray) -> list[list[str]]:
    names = corpus.metadata["trace_name"].to_numpy()
    return [list(names[rows]) for rows in draws]
