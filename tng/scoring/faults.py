"""Known ways for generated records to go wrong, to be planted on good ones: does a measure see the fault it was made for?

Each function takes a :class:`RecordSet` and returns another; the records of a fault-free generator are the ones to start from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import fft

from tng import intensity, smoothing, spectra
from tng.recordset import RecordSet


def weaker(records: RecordSet, factor: float = 0.45) -> RecordSet:
    """All amplitudes times a factor; 0.45 is what averaging five records does."""
    return replace(records, data=records.data * factor)


def shifted(records: RecordSet, factor: float = 1.05) -> RecordSet:
    """Peaks and troughs of each station's HVSR moved to `factor` times their frequency."""
    return _with_hvsr(records, lambda freq_hz, curve: np.interp(freq_hz / factor, freq_hz, curve) - curve)


def flatter(records: RecordSet, power: float = 0.8) -> RecordSet:
    """Each station's HVSR taken to a power: the same peaks, not as high."""
    return _with_hvsr(records, lambda freq_hz, curve: (power - 1) * curve)


def _with_hvsr(records: RecordSet, change: Callable) -> RecordSet:
    """Horizontals filtered so that the station's mean ln HVSR changes by ``change(freq_hz, mean ln HVSR)``; phases stay."""
    data = records.data.astype(np.float64)
    for station in records.stations:
        rows = records.rows(station)
        freq_hz, curves = spectra.hvsr(data[rows], records.sampling_rate_hz)
        gain = change(freq_hz, np.log(curves).mean(axis=0))
        padded = fft.next_fast_len(2 * data.shape[2], real=True)
        at = fft.rfftfreq(padded, 1 / records.sampling_rate_hz)
        filter_ = np.exp(np.interp(at, freq_hz, gain))
        data[np.ix_(rows, (0, 1))] = fft.irfft(fft.rfft(data[rows, :2], padded) * filter_, padded)[..., :data.shape[2]]
    return replace(records, data=data)


def longer(records: RecordSet, factor: float = 1.6) -> RecordSet:
    """Shaking stretched in time from its onset, with each component's smoothed spectrum and Arias intensity as they were."""
    data = records.data.astype(np.float64)
    samples, rate = data.shape[2], records.sampling_rate_hz
    time = np.arange(samples)
    stretched = np.empty_like(data)
    for old, new, husid in zip(data, stretched, intensity.husid(data)):
        onset = np.searchsorted(husid[:2].mean(axis=0), 0.01)
        for i in range(3):
            new[i] = np.interp(onset + (time - onset) / factor, time, old[i])
    freq_hz = fft.rfftfreq(samples, 1 / rate)
    centres_hz = np.geomspace(0.3, 0.45 * rate, 120)
    before, after = (smoothing.smooth(np.abs(fft.rfft(x)), freq_hz[1], centres_hz) for x in (data, stretched))
    gain = np.exp([[np.interp(np.log(np.maximum(freq_hz, 1e-3)), np.log(centres_hz), ratio) for ratio in one]
                   for one in np.log(before / after)])
    return replace(records, data=fft.irfft(fft.rfft(stretched) * gain, samples))


def collapsed(records: RecordSet, different: int = 5, noise: float = 0.01) -> RecordSet:
    """Each station's first few records again and again, with a little noise on them: mode collapse."""
    data, rng = records.data.astype(np.float64), np.random.default_rng(0)
    for station in records.stations:
        rows = records.rows(station)
        data[rows] = data[rows[np.arange(len(rows)) % different]]
    return replace(records, data=data + noise * data.std(axis=2, keepdims=True) * rng.standard_normal(data.shape))


def copied(records: RecordSet, training: RecordSet, latest_s: float = 3.0) -> RecordSet:
    """Training records in their place, each a little later, a little stronger or weaker, and half of them with the sign reversed."""
    data, rng = records.data.astype(np.float64), np.random.default_rng(0)
    for station in records.stations:
        rows, known = records.rows(station), training.rows(station)
        for row, source in zip(rows, rng.choice(known, len(rows))):
            late = int(rng.integers(0, int(latest_s * records.sampling_rate_hz)))
            data[row] = np.roll(training.data[source], late, axis=1) * rng.choice([-1, 1]) * rng.uniform(0.8, 1.25)
            data[row, :, :late] = 0.001 * rng.standard_normal((3, late)) * data[row].std()
    return replace(records, data=data)


def disguised(records: RecordSet, training: RecordSet, factor: float = 1.02) -> RecordSet:
    """Training records played a little slower: no longer the same waveforms, and still nothing new."""
    data, rng = records.data.astype(np.float64), np.random.default_rng(0)
    time = np.arange(data.shape[2])
    for station in records.stations:
        rows, known = records.rows(station), training.rows(station)
        for row, source in zip(rows, rng.choice(known, len(rows))):
            data[row] = [np.interp(time / factor, time, samples) for samples in training.data[source]]
    return replace(records, data=data)


def swapped(records: RecordSet) -> RecordSet:
    """Every station's records given out as the next station's."""
    following = dict(zip(records.stations, records.stations[1:] + records.stations[:1]))
    return replace(records, station=np.array([following[code] for code in records.station]))


def averaged(records: RecordSet, training: RecordSet, k: int = 5) -> RecordSet:
    """Averages of k standardised training records times their mean scale: the published sampler without its network."""
    data, rng = records.data.astype(np.float64), np.random.default_rng(0)
    for station in records.stations:
        known = training.rows(station)
        for row in records.rows(station):
            x = training.data[rng.choice(known, k, replace=False)].astype(np.float64)
            scale = x.std(axis=2, keepdims=True)
            data[row] = (x / scale).mean(axis=0) * scale.mean(axis=0)
    return replace(records, data=data)
