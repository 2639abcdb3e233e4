"""How many records does a new station need?  Shaped noise from 0 to 60 records of a station that it was not trained on.

    python benchmarks/few_records.py [--seeds 5] [--draws 2] [--into book/results/few_records.csv] [--work FOLDER]

Takes the corpora of benchmarks/generators.py (the same work folder, or it makes them).  For each data seed Phase 0 learns from the random
stations alone.  Then each of the five calibrated stations is given its numbers by n of its training records, drawn at random, and 60 generated
records of each are held against 300 held-out ones.  Beside it, from the same n records: the same without what other stations teach ("no
prior"), or with a prior just as wide as they are ("narrow prior"); averages of five, and the n records themselves ("replay"); and the
floor, n fresh records.

What a step makes is kept in the work folder, and taken from there the next time; --again makes all but Phase 0 anew.  Takes some five
minutes a seed on one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import generators as study
import numpy as np
import pandas as pd
from scipy import stats

from tng import checkpoints, config, runs
from tng.generators import shaping
from tng.generators.adapting import choose, unrecorded, widened, without_others
from tng.generators.envelope_net import EnvelopeNet
from tng.generators.nulls import RecordAverage
from tng.generators.shaped_noise import ShapedNoise
from tng.recordset import RecordSet
from tng.scoring.judging import Judge, Judged

ROOT = Path(__file__).resolve().parents[1]
COUNTS = (0, 5, 10, 20, 50, 60)
ABLATED = (5, 10)                # records at which other priors are tried
GENERATED = 60                   # records of a station
SUBSET = 60                      # records of a station that are compared at a time
AVERAGED = (10, 20, 60)          # records of which five are averaged at a time: of five there is one average only
TOLD = ("C2ST",)                 # of the slow measures, for these numbers of records
TOLD_AT = (10, 60)
SHAPED, NO_PRIOR, NARROW, AVERAGE, REPLAY, FLOOR = "shaped noise", "no prior", "narrow prior", "average", "replay", study.FLOOR


# --- Phase 0 without the stations -------------------------------------------------------------------------------------------

def pre_trained(run: runs.Run) -> ShapedNoise:
    """Phase 0 on the random stations, kept in the run's folder."""
    path, corpus = run.path("few-phase0.safetensors"), run.corpus()
    if not path.exists():
        others = [code for code in corpus.stations if code not in run.settings.stations]
        network, history, law, measured = shaping.phase0(corpus, run.settings, corpus.select(others, "train"), run.path("few-phase0.part.safetensors"))
        learned = shaping.Learnings(law, {code: shaping.phase1(network, law, measured.of(code)) for code in measured.codes})
        checkpoints.save_checkpoint(path, network, run.settings, stations=measured.codes, corpus=corpus, history=history, extra=learned.tensors(),
                                    finished=run.path("few-phase0.part.safetensors"))
    network, info, tensors = checkpoints.load_checkpoint(path, EnvelopeNet)
    return shaping.generator(network, tensors, info["stations"])


# --- one data seed ------------------------------------------------------------------------------------------------------------

class Stations:
    """The five stations of a data seed, for which records are made from n of their own."""

    def __init__(self, seed: int, run: runs.Run):
        self.seed, self.corpus, self.codes = seed, run.corpus(), list(run.settings.stations)
        self.maker, self.judge = pre_trained(run), study.judge_of(seed, run)
        self.known = {code: shaping.measure(self.maker.network, self.corpus, choose(self.corpus, code)) for code in self.codes}

    def rows(self, n: int, draw: int) -> dict[str, np.ndarray]:
        """Rows of the corpus, n of each station."""
        return {code: choose(self.corpus, code, n, 100 * draw + self.seed) for code in self.codes}

    def of(self, name: str, n: int, draw: int) -> RecordSet | Judged:
        """What a generator makes of n records a station, or fresh ones."""
        if name == REPLAY:
            known = self.corpus.metadata["trace_name"].to_numpy().astype(str)
            return self.judge.train.take(np.flatnonzero(np.isin(self.judge.train.records.trace, known[np.concatenate(list(self.rows(n, draw).values()))])))
        maker = self._average(n, draw) if name == AVERAGE else self._shaped(name, n, draw)
        return RecordSet.of([record for code in self.codes for record in maker.sample(code, GENERATED, self.seed + draw)], name)

    def _average(self, n: int, draw: int) -> RecordAverage:
        maker = RecordAverage(self.corpus, self.codes)
        maker.pool.rows.update(self.rows(n, draw))
        return maker

    def _shaped(self, name: str, n: int, draw: int) -> ShapedNoise:
        network, law = self.maker.network, self.maker.law
        if n == 0:
            return ShapedNoise(network, law, {code: unrecorded(self.maker) for code in self.codes})
        priors = {SHAPED: lambda seen: widened(network, law, seen), NO_PRIOR: lambda _: without_others(law), NARROW: lambda _: law}
        seen = {code: shaping.in_register(network, self.known[code].take(np.flatnonzero(np.isin(self.known[code].rows, rows))))
                for code, rows in self.rows(n, draw).items()}
        return ShapedNoise(network, law, {code: shaping.phase1(network, priors[name](own), own) for code, own in seen.items()})


def wanted(draws: int) -> Iterator[tuple[str, int, int]]:
    """Generator, records and draw of everything that is made; all 60 records can be drawn in one way only."""
    for n in COUNTS:
        for draw in range(draws if 0 < n < study.TRAIN else 1):
            yield SHAPED, n, draw
            if n in ABLATED:
                yield from ((NO_PRIOR, n, draw), (NARROW, n, draw))
            if n:
                yield REPLAY, n, draw
        if n in AVERAGED:
            yield AVERAGE, n, 0


def table_of(seed: int, draws: int, work: Path, again: bool) -> pd.DataFrame:
    """Measures of a data seed, index (generator, records, draw), columns measures."""
    run, stations, found = study.run_of(seed, work), None, {}
    for name, n, draw in wanted(draws):
        path = run.path(f"few/{name.replace(' ', '-')}-{n}-{draw}.csv")
        if again or not path.exists():
            stations = stations or Stations(seed, run)
            print(f"seed {seed}: {name}, {n} records, draw {draw}", flush=True)
            keep(stations.judge.of(stations.of(name, n, draw), slow=TOLD if draw == 0 and n in TOLD_AT and name == SHAPED else ()), path)
        found[name, n, draw] = pd.read_csv(path, index_col="measure")["value"]
    for n in COUNTS[1:]:
        path = run.path(f"few/{FLOOR}-{n}-0.csv")
        if again or not path.exists():
            stations = stations or Stations(seed, run)
            keep(floor(stations.judge, run, n), path)
        found[FLOOR, n, 0] = pd.read_csv(path, index_col="measure")["value"]
    return pd.DataFrame(found).T.rename_axis(["generator", "records", "draw"])


def floor(judge: Judge, run: runs.Run, n: int) -> pd.DataFrame:
    """What n fresh records of each station reach."""
    fresh = run.path(f"measured-{FLOOR}.npz")
    made = list(study.simulated(study.surrogate.stations()[:study.STATIONS], study.FRESH, study.CATALOGUES[FLOOR] + judge.seed, run.settings))
    return Judge(judge.train, judge.held_out, records=n, seed=judge.seed).of(study.measured(fresh, RecordSet.of(made, FLOOR)), new=False, slow=())


def keep(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


# --- all seeds ---------------------------------------------------------------------------------------------------------------

def over_seeds(tables: dict[int, pd.DataFrame]) -> pd.DataFrame:
    """A row a generator, number of records and measure: mean over seeds of the mean over draws, its 95 % interval, and the value of each seed."""
    each = pd.DataFrame({f"seed {seed}": table.groupby(level=["generator", "records"], sort=False).mean().stack() for seed, table in tables.items()})
    each = each.rename_axis(["generator", "records", "measure"])
    n = each.notna().sum(axis=1)
    half = stats.t.ppf(0.975, np.maximum(n - 1, 1)) * each.std(axis=1) / np.sqrt(n)
    mean = each.mean(axis=1)
    return pd.DataFrame({"mean": mean, "low": mean - half, "high": mean + half}).join(each)


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--draws", type=int, default=2, help="random choices of the records, for each number of them")
    parser.add_argument("--into", type=Path, default=ROOT / "book/results/few_records.csv")
    parser.add_argument("--work", type=Path, default=ROOT / "runs/generators")
    parser.add_argument("--again", action="store_true", help="make all but Phase 0 anew")
    options = parser.parse_args(arguments)
    tables = {}
    for seed in range(options.seeds):
        tables[seed] = table_of(seed, options.draws, options.work, options.again)
        print(tables[seed][["HVSR rms", "f0 hits", "PGA", "D5-95"]].round(3).to_string(), flush=True)
    options.into.parent.mkdir(parents=True, exist_ok=True)
    over_seeds(tables).round(4).to_csv(options.into, lineterminator="\n")
    settings = {"seeds": options.seeds, "draws": options.draws, "stations": study.STATIONS, "records": list(COUNTS), "other priors": list(ABLATED),
                "held-out records": study.HELD_OUT, "fresh records": study.FRESH, "generated records": GENERATED, "subsets": 100, "records in a subset": SUBSET,
                "random stations of Phase 0": study.RANDOM, "records of each": study.PRE_TRAIN, "settings": config.settings().model_dump(mode="json")}
    options.into.with_suffix(".json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
