"""Everything that makes records for a station, behind one protocol.

`timesnet_gen.LatentMixing` is the paper's generator, `vae.SpectrogramVAE` its baseline, and `nulls` holds what needs
no network at all: averages, copies, scrambled copies, the stochastic method.  What is mixed with what, and how, is drawn
in `mixing` for all.  None of them knows how it will be scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from tng.config import nearest
from tng.corpus import Corpus
from tng.records import Record


class GeneratorError(ValueError):
    """A generator cannot do what was asked; the message says why."""


class Generator(Protocol):
    """Makes new records for the stations it knows."""

    name: str
    stations: Sequence[str]

    def sample(self, station: str, n: int, seed: int) -> list[Record]:
        """`n` records for a station; the same seed gives the same records."""


def require_station(station: str, stations: Sequence[str]) -> None:
    """Refuse a station that a generator does not know; the error names the nearest one."""
    if station not in stations:
        raise GeneratorError(f"no station {station!r} here: {nearest(str(station), stations)}")


class Pool:
    """The records that a station's new ones are made from: those of its training events.

    Attributes
    ----------
    rows : dict
        Station code → rows of the corpus.
    """

    def __init__(self, corpus: Corpus, stations: Sequence[str], split: str = "train"):
        self.corpus = corpus
        self.stations = list(stations)
        self.rows = {station: np.asarray(corpus.select([station], split)) for station in stations}

    def of(self, station: str) -> np.ndarray:
        """Rows of a station's records; an error names the stations there are."""
        require_station(station, self.stations)
        return self.rows[station]

    def draw(self, station: str, k: int, n: int, seed: int) -> np.ndarray:
        """For each of `n` new records the `k` different rows it is made from, shape (n, k).

        The draw depends on the seed and the station only, so that generators given the same seed mix
        the same records.
        """
        from tng.generators import mixing

        return mixing.draw(self.of(station), k, n, seed, station)[0]


def random_stream(seed: int, station: str) -> np.random.Generator:
    """A random generator that depends on the seed and the station's code."""
    return np.random.default_rng([seed, *station.encode()])


def as_records(data: np.ndarray, station: str, sampling_rate_hz: float, generator: str, seed: int,
               sources: Sequence[Sequence[str]] | None = None, weights: Sequence[Sequence[float]] | None = None) -> list[Record]:
    """Label generated arrays (n, 3, samples) [cm/s²] as what they are, each with its ancestors.

    `sources` names, for each, the recorded traces it was made from; `weights` gives their shares, where they were mixed.
    """
    def ancestry(i: int) -> dict[str, str]:
        stated = {"generator_sources": ";".join(sources[i]) if sources is not None else ""}
        return stated if weights is None else {**stated, "generator_weights": ";".join(f"{w:.6g}" for w in weights[i])}

    return [Record(data=x, sampling_rate_hz=sampling_rate_hz, station=station, event=f"{generator} {seed} {station} {i}",
                   meta={"trace_category": "generated", "generator": generator, "generator_seed": seed, **ancestry(i)})
            for i, x in enumerate(np.asarray(data, dtype=np.float64))]
