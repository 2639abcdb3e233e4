"""What makes a training's result independent of how its batches are dealt out to processes.

Three things would differ from one process to several: which random numbers a record meets, the mean over a batch of
which each process holds a part, and the parts themselves.  Here random numbers belong to the record, a mean over the
batch is taken over all its parts, and a part is a function of the process' number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor, distributed

_shared = ContextVar("shared", default=False)


def part(rows: np.ndarray, rank: int, processes: int) -> np.ndarray:
    """The contiguous part of a batch that a process works on; parts differ by at most one record."""
    return np.array_split(rows, processes)[rank]


@contextmanager
def shared_batch() -> Iterator[None]:
    """Inside, every process holds a part of one batch, and `batch_mean` is the mean over all of it."""
    token = _shared.set(distributed.is_available() and distributed.is_initialized())
    try:
        yield
    finally:
        _shared.reset(token)


def batch_mean(values: Tensor) -> Tensor:
    """Mean of (B, …) over the batch, over its parts in all processes if it is shared; carries no gradient."""
    values = values.detach()
    if not _shared.get():
        return values.mean(dim=0)
    total = torch.cat([values.sum(dim=0).flatten(), values.new_tensor([len(values)])])
    distributed.all_reduce(total)
    return (total[:-1] / total[-1]).view(values.shape[1:])


def record_seeds(seed: int, epoch: int, rows: np.ndarray) -> Tensor:
    """One number a record of a batch, (B,) int64, from the training's seed, the epoch and the record's row."""
    return seeds_of([seed, epoch, int(row)] for row in rows)


def seeds_of(records: Iterable[Sequence[int]]) -> Tensor:
    """One number for each record, (B,) int64, from the numbers that tell it from others."""
    words = [np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1) for numbers in records]
    return torch.from_numpy(np.array(words, dtype=np.int64))


def normal(seeds: Tensor, shape: tuple[int, ...], like: Tensor, stream: int = 0) -> Tensor:
    """Gaussian numbers (B, *shape), those of each record from its own seed; `stream` tells one use from another."""
    return _draw(seeds, shape, like, stream, lambda row, generator: row.normal_(generator=generator))


def keep(seeds: Tensor, shape: tuple[int, ...], like: Tensor, share: float, stream: int = 0) -> Tensor:
    """Dropout's factors (B, *shape): 0 for the dropped `share`, 1 / (1 - share) for the others."""
    kept = _draw(seeds, shape, like, stream, lambda row, generator: row.bernoulli_(1 - share, generator=generator))
    return kept / (1 - share)


def _draw(seeds: Tensor, shape: tuple[int, ...], like: Tensor, stream: int, fill) -> Tensor:
    out = torch.empty((len(seeds), *shape), dtype=like.dtype, device=like.device)
    generator = torch.Generator(like.device)
    for row, seed in zip(out, seeds.tolist()):
        fill(row, generator.manual_seed((seed + 0x9E3779B97F4A7C15 * stream) % 2**63))
    return out
