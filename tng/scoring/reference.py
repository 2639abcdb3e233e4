"""The recorded side of the scoreboard: its bootstrap samples, and what real records reach against real ones.

The *floor* of a measure is its value between two sets of recorded records of the station that share no earthquake and are as
many as the held-out and the generated ones.  A generator that draws from the law of the station's records lies among the floor's
draws; nothing better can be asked of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tng.scoring import edges
from tng.scoring.features import Features, Grid, Measured
from tng.scoring.resampling import SMALLEST, event_codes, shared_bootstrap
from tng.scoring.samples import Summary, counts_of, once, summarise
from tng.scoring.twosample import Pairs


@dataclass
class Station:
    """One station's recorded records.

    Attributes
    ----------
    train_rows, test_rows : arrays
        Rows in the sets of training and held-out records.
    pool : Features
        Of both, held-out first; the floor's draws are made from it.
    """

    code: str
    train_rows: np.ndarray
    test_rows: np.ndarray
    train: Features
    test: Features
    pool: Features
    pool_events: np.ndarray
    test_counts: np.ndarray                       # bootstrap (draws, held-out records)
    test_summary: Summary
    test_draws: Summary
    floors: dict[int, Floor] = field(default_factory=dict)
    pairs: dict[str, Pairs] = field(default_factory=dict)       # distances among the pool's records
    kept: dict = field(default_factory=dict)                    # what is the same for all generators


@dataclass
class Floor:
    """Random event-disjoint pairs of sets from a station's pool; counts are (draws, records of the pool)."""

    first: np.ndarray                             # as many as are held out
    second: np.ndarray                            # as many as were generated
    first_summary: Summary
    second_summary: Summary

    @property
    def sizes(self) -> tuple[int, int]:
        return int(self.first[0].sum()), int(self.second[0].sum())


class Reference:
    """The recorded records of all stations that are scored."""

    def __init__(self, train: Measured | None, test: Measured, grid: Grid, *, draws: int, seed: int):
        self.train, self.test, self.grid, self.draws, self.seed = train, test, grid, draws, seed
        self.notes: list[str] = []                                         # what scoring finds out about the recorded side
        codes = test.records.stations
        rows = [test.records.rows(code) for code in codes]
        rng = np.random.default_rng([seed, 1])
        resampled = [shared_bootstrap([test.records.event[own] for own in rows], rng) for _ in range(draws)]
        test_events, train_events = (_events(side, name) for side, name in ((test, "held-out"), (train, "training")))
        self.stations: list[Station] = []
        for number, (code, own) in enumerate(zip(codes, rows)):
            training = train.records.rows(code) if train is not None else np.empty(0, dtype=int)
            held_out = test.features.take(own)
            known = train.features.take(training) if train is not None else held_out.take(training)
            counts = counts_of([draw[number] for draw in resampled], len(own))
            events = np.concatenate([test_events[own], train_events[training]])
            self.stations.append(Station(
                code, training, own, known, held_out, held_out.with_(known), events, counts,
                summarise(held_out, once(len(own)), grid.f0_bins_hz), summarise(held_out, counts, grid.f0_bins_hz)))
        self.at_edge = edges.at_edge(self.stations, grid)                  # whose f0 is not scored, and why
        events = sorted({str(event) for station in self.stations for event in station.pool_events})
        self._order = dict(zip(events, np.random.default_rng([seed, 2]).random((len(events), draws))))

    def floor(self, station: Station, n_generated: int) -> Floor:
        """Pairs of real sets of the sizes of the held-out and the generated ones, or of the largest that the pool allows; empty
        ones if it does not hold two sets of `SMALLEST`.

        Earthquakes stand in one random order for all stations; a station's first set is made of its first ones, the
        second of its last ones.
        """
        if n_generated not in station.floors:
            n, wanted = len(station.pool), len(station.test_rows)
            second = min(n_generated, max(n - wanted, n // 2))
            first = min(wanted, n - second)
            codes = event_codes(station.pool_events)
            ranks = np.stack([self._order[str(event)] for event in station.pool_events])      # (records, draws)
            pairs = [_ends(rank, codes, first, second) for rank in ranks.T]
            a, b = (counts_of([pair[side] for pair in pairs], n) for side in (0, 1))
            if min(first, second) < SMALLEST:                            # no floor at all: empty draws come out as NaN
                a, b = np.zeros_like(a), np.zeros_like(b)
            bins = self.grid.f0_bins_hz
            station.floors[n_generated] = Floor(a, b, summarise(station.pool, a, bins), summarise(station.pool, b, bins))
        return station.floors[n_generated]


def _events(side: Measured | None, name: str) -> np.ndarray:
    """Earthquakes of a side; where they are not known, names that the other side cannot have."""
    if side is None:
        return np.empty(0, dtype=str)
    return side.records.event if side.records.events_known else np.char.add(f"{name}: ", side.records.event)


def _ends(rank: np.ndarray, codes: np.ndarray, first: int, second: int) -> tuple[np.ndarray, np.ndarray]:
    """The `first` records of lowest rank, and the `second` of highest whose events are not among those."""
    order = np.lexsort((np.arange(len(rank)), codes, rank))
    a = order[:first]
    b = order[~np.isin(codes[order], codes[a])][-second:]
    return a, b


def too_few(events: dict[str, np.ndarray]) -> str:
    """Why a station is not scored, from the events of its records on each side; or nothing."""
    lacking = [f"{len(x)} {what}" for what, x in events.items() if len(x) < SMALLEST]
    if lacking:
        return f"{' and '.join(lacking)} records; {SMALLEST} are needed"
    alone = [what for what, x in events.items() if len(set(x)) < 2]
    return f"all {' and all '.join(alone)} records are of one earthquake; two are needed" if alone else ""
