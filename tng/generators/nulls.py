"""Generators without any network: what a network has to beat."""

from __future__ import annotations

import numpy as np

from tng.corpus import Corpus
from tng.generators import Pool, as_records
from tng.records import Record


class RecordAverage:
    """The average of k recorded accelerograms: the paper's generator with its network taken out.

    Records are divided by their scale, averaged, and multiplied by the mean of their scales, which is
    what the published generator does with reconstructed ones.  With k = 1 it replays single records.
    """

    def __init__(self, corpus: Corpus, stations: list[str], records_to_mix: int = 5):
        self.pool = Pool(corpus, stations)
        self.stations = self.pool.stations
        self.k = records_to_mix
        self.name = "average" if records_to_mix > 1 else "replay"

    def sample(self, station: str, n: int, seed: int) -> list[Record]:
        corpus = self.pool.corpus
        draws = self.pool.draw(station, self.k, n, seed)
        data = np.stack([self.mix(corpus.waveforms(rows).astype(np.float64)) for rows in draws])
        names = corpus.metadata["trace_name"].to_numpy()
        return as_records(data, station, corpus.sampling_rate_hz, self.name, seed, [names[rows] for rows in draws])

    @staticmethod
    def mix(x: np.ndarray) -> np.ndarray:
        """Average of records (k, 3, samples) as the generator averages them, shape (3, samples)."""
        mean = x.mean(axis=-1, keepdims=True)
        scale = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        return ((x - mean) / scale).mean(axis=0) * scale.mean(axis=0) + mean.mean(axis=0)
