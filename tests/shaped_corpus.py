"""A small corpus of earthquakes at a few stations, quick to make, and a run that trains shaped noise on it in seconds.

Each record is noise that begins at P, is stronger from S on and decays; strength and duration go with magnitude and distance,
and each station resonates at a frequency of its own in the horizontals.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import signal

from tng import config, corpus, runs
from tng.records import Record

RATE_HZ, SAMPLES = 25.0, 1000
RESONANCE_HZ = {"A": 1.0, "B": 2.0, "C": 3.5, "D": 6.0}
SMALL = dict(sampling_rate_hz=RATE_HZ, window_s=SAMPLES / RATE_HZ, num_kernels=2, shape_epochs=3, shape_d_model=4, shape_latent=2, shape_blocks=1, batch=16,
             records_to_mix=2)


def record(station: str, number: int, *, magnitude: float | None = None, distance_km: float | None = None, sources: bool = True, samples: int = SAMPLES,
           ambient: float = 0.01, **meta) -> Record:
    """Record of event `number` at a station; the event is the same at all stations, path and noise are not."""
    event, rng = np.random.default_rng([1, number]), np.random.default_rng([2, number, *station.encode()])
    drawn_magnitude, drawn_km = event.uniform(3.5, 6.5), np.exp(event.uniform(np.log(12), np.log(60))) * np.exp(0.2 * rng.standard_normal())
    magnitude, km = drawn_magnitude if magnitude is None else magnitude, drawn_km if distance_km is None else distance_km
    p_s = rng.uniform(3, 6) * samples / SAMPLES
    s_s = p_s + km / 8 * samples / SAMPLES
    decay_s = (1 + 0.5 * (magnitude - 3.5) + 0.03 * km) * np.exp(0.2 * rng.standard_normal()) * samples / SAMPLES
    time_s = np.arange(samples) / RATE_HZ
    envelope = np.where(time_s >= s_s, np.exp(-np.clip(time_s - s_s, 0, None) / decay_s), np.where(time_s >= p_s, 0.25, 0.0))
    waves = rng.standard_normal((3, samples))
    waves[0] += 0.5 * waves[1]                                                     # S is polarised
    peak = signal.iirpeak(RESONANCE_HZ.get(station, 4.0), 2.0, fs=RATE_HZ)
    x = envelope * waves
    x[:2] += 2.5 * signal.lfilter(*peak, x[:2])
    strength = 10 ** (0.5 * (magnitude - 4.5)) * 30 / km * np.exp(0.3 * rng.standard_normal())
    x = strength * x + ambient * rng.standard_normal((3, samples))
    source = {"source_magnitude": round(magnitude, 3), "path_hyp_distance_km": round(km, 3)} if sources else {}
    return Record(x, RATE_HZ, station, f"event {number}", {"trace_p_arrival_sample": round(p_s * RATE_HZ, 2), "trace_s_arrival_sample": round(
        s_s * RATE_HZ, 2), "trace_license": "CC BY 4.0", **source, **meta})


def write_corpus(folder: Path, stations: str = "ABCD", records: int = 16, **how) -> corpus.Corpus:
    return corpus.write([record(code, i, **how) for code in stations for i in range(records)], folder, seed=1)


def run_of(folder: Path, **changes) -> runs.Run:
    """A run beside its corpus, which is to be in folder/corpus."""
    return runs.Run("quick", folder, folder / "corpus", config.settings(**{**SMALL, **changes}), own_corpus=True)


def few_steps(monkeypatch) -> None:
    """Train as short as the settings say, however few records there are."""
    from tng.generators import shaping

    monkeypatch.setattr(shaping, "LEAST_STEPS", 1, raising=False)
