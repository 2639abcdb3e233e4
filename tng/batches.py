"""The records of a training in batches, and how a batch is dealt out to processes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from tng.config import Settings
from tng.corpus import Corpus
from tng.dealing import part, record_seeds
from tng.processes import dtype_of


class CorpusBatches:
    """Batches of some records, all of nearly the same size: at most `settings.batch`.

    A batch is a dict with ``x`` (B, 3, T) [cm/s²], ``rows`` (B,) of the corpus, ``seeds`` (B,), one a record for what is drawn at
    random, and with `stations` also the station numbers ``station`` (B,).  Iterating over ``batches(rng)`` gives them in a random
    order, over ``batches(None)`` in that of the rows; ``len`` is their number.
    """

    def __init__(self, corpus: Corpus, rows: np.ndarray, settings: Settings, stations: list[str] | None = None):
        self.corpus, self.rows, self.size, self.seed, self.dtype = corpus, np.asarray(rows), settings.batch, settings.seed, dtype_of(settings)
        self.number = {code: i for i, code in enumerate(stations or [])}
        self.codes = corpus.metadata["station_code"].to_numpy()

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def __call__(self, rng: np.random.Generator | None) -> Iterator[dict]:
        for rows in self.groups(rng):
            yield self.read(rows)

    def groups(self, rng: np.random.Generator | None) -> list[np.ndarray]:
        """The rows of each batch."""
        rows = self.rows if rng is None else rng.permutation(self.rows)
        return np.array_split(rows, len(self)) if len(rows) else []

    def read(self, rows: np.ndarray, epoch: int = 0) -> dict:
        """The batch of some rows; its seeds are those of the epoch."""
        batch = {"x": torch.as_tensor(self.corpus.waveforms(rows), dtype=self.dtype), "rows": rows, "seeds": record_seeds(self.seed, epoch, rows)}
        if self.number:
            batch["station"] = torch.tensor([self.number[self.codes[row]] for row in rows])
        return batch


class Ahead:
    """Reads batches, one of them before it is asked for: while a GPU works.  What is read does not depend on it."""

    def __init__(self, batches: CorpusBatches):
        self.batches, self.known, self.batch = batches, None, None

    def prepare(self, rows: np.ndarray, epoch: int) -> None:
        self.known, self.batch = (epoch, *rows), self.batches.read(rows, epoch)

    def read(self, rows: np.ndarray, epoch: int) -> dict:
        known, batch, self.known, self.batch = self.known, self.batch, None, None
        return batch if known == (epoch, *rows) else self.batches.read(rows, epoch)


def deal(rows: np.ndarray, records_at_once: int, rank: int, processes: int) -> list[np.ndarray]:
    """What one process takes of a batch, in turns of at most `records_at_once` records over all processes (0: all at once).

    A batch is first divided into turns and each turn is dealt out, so what is computed together does not depend on the number of
    processes.  But in each turn every process has a record: where turns would be too small for that, there are fewer of them.
    """
    turns = -(-len(rows) // records_at_once) if records_at_once else 1
    return [part(turn, rank, processes) for turn in np.array_split(rows, max(1, min(turns, len(rows) // processes)))]
