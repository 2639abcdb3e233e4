"""Dealing earthquakes out to folds: each is test in one fold, and every station is tested in every fold, where its earthquakes allow it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

SHARE = 1_000_000        # a station's weight, over its records: whole numbers, so that no rounding decides on ties
MOST_ROUNDS = 50         # of moving; a few are enough
LEAST_ATTEMPTS, MOST_ATTEMPTS, MOST_DEALT = 3, 50, 4_000    # few where there are many groups, of which any deal is even


def deal(groups: Sequence[str], stations: Sequence[str], folds: int, seed: int = 0) -> np.ndarray:
    """The fold of each record, from 0; records of one group stay together.

    Groups are dealt out one after the other, the largest first and equals in an order that `seed` decides, each to the fold
    where it is needed most; then single groups are moved as long as that helps.  What helps is, first, a record of a station
    in a fold that has none; then, equal numbers of records in all folds, of each station and altogether.  It is done several
    times, every other time in an order of chance alone; the best attempt counts.

    Parameters
    ----------
    groups, stations : sequences of str
        Earthquake and station of each record.
    folds : int
        How many, at least 2.
    """
    names, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    stations, column = np.unique(np.asarray(stations, dtype=str), return_inverse=True)
    counts = np.zeros((len(names), len(stations) + 1), dtype=np.int64)       # the last column: all records
    np.add.at(counts, (group, column), 1)
    counts[:, -1] = counts.sum(axis=1)
    attempts = max(LEAST_ATTEMPTS, min(MOST_ATTEMPTS, MOST_DEALT // len(names)))
    tables = [_Table(counts, folds) for _ in range(attempts)]
    for attempt, table in enumerate(tables):
        chance = [hashlib.sha256(f"{seed}:{attempt}:{name}".encode()).digest() for name in names.tolist()]
        table.deal(sorted(range(len(names)), key=lambda one: (-counts[one, -1] if attempt % 2 == 0 else 0, chance[one])))
    return min(tables, key=_Table.worth).fold[group]


class _Table:
    """Groups on their way into folds, and what it costs to have them there."""

    def __init__(self, counts: np.ndarray, folds: int):
        self.columns = [np.flatnonzero(row) for row in counts]               # the stations of each group, and all
        self.sizes = [row[columns] for row, columns in zip(counts, self.columns)]
        records = counts.sum(axis=0)
        self.weight = SHARE // records
        self.weight[-1] *= counts.shape[1] - 1                               # all records count as much as all stations
        self.enough = (counts > 0).sum(axis=0) >= folds                      # stations that can be in every fold
        self.missing = 4 * SHARE * int(records[-1]) * counts.shape[1]        # more than any balance is worth
        self.held = np.zeros((folds, counts.shape[1]), dtype=np.int64)
        self.fold = np.full(len(counts), -1)

    def deal(self, order: Sequence[int]) -> None:
        for one in order:
            self._put(one, int(np.argmin(self._cost(one))))
        for _ in range(MOST_ROUNDS):
            if not any([self._move(one) for one in order]):
                break

    def worth(self) -> tuple[int, int]:
        """How often a station is not in a fold though it has earthquakes for all of them, then how uneven folds are: the less the better."""
        return int((self.held[:, self.enough] == 0).sum()), int((self.weight * self.held**2).sum())

    def _cost(self, one: int) -> np.ndarray:
        """What each fold would cost more with this group in it: squares of its numbers of records, and what it lacks."""
        held, more = self.held[:, self.columns[one]], self.sizes[one]
        return (self.weight[self.columns[one]] * more * (2 * held + more) - self.missing * (held == 0)).sum(axis=1)

    def _put(self, one: int, fold: int) -> None:
        self.held[fold, self.columns[one]] += self.sizes[one]
        self.fold[one] = fold

    def _move(self, one: int) -> bool:
        """Move a group to where it is needed most; False if it is there."""
        before = self.fold[one]
        self.held[before, self.columns[one]] -= self.sizes[one]
        cost = self._cost(one)
        after = int(np.argmin(cost)) if cost.min() < cost[before] else int(before)
        self._put(one, after)
        return after != before
