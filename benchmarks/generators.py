"""Which generator generates?  All goals of all generators, over several data seeds.

    python benchmarks/generators.py [--seeds 5] [--generators all] [--into book/results/generators.csv] [--work FOLDER]

For each data seed, simulates five calibrated stations from three catalogues of earthquakes: 60 training records a station, 300 held-out
ones, 240 fresh ones for the floor (recorded against recorded); and 20 random stations of 20 records to pre-train on.  Each generator
makes 240 records a station, which are held against the held-out ones (`tng.scoring.goals`).  Shaped noise makes 240 more
of each station with another station's earthquakes ("swap"; the floor's are the fresh ones).

What a step makes is kept in the work folder, by seed and generator, and taken from there the next time: an interrupted study goes on.
After a change of the library choose another folder; --again makes the generators that are named anew, from the records that are there.
Without networks a seed takes some five minutes on one core; training them takes longer.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from tng import config, corpus, runs, surrogate
from tng.generators import Generator, nulls
from tng.records import Record
from tng.recordset import RecordSet
from tng.scoring.features import Features
from tng.scoring.goals import FLOOR, Judge, Judged, pass_table
from tng.standard import standardise

ROOT = Path(__file__).resolve().parents[1]
STATIONS, RANDOM = 5, 20
TRAIN, HELD_OUT, FRESH, PRE_TRAIN, GENERATED = 60, 300, 240, 20, 240
CATALOGUES = {"train": 0, "test": 1000, FLOOR: 2000}          # added to the data seed
NULLS = {name: runs.NULLS[name] for name in ("average", "unit-norm-mix", "phase-envelope", "replay", "stochastic")}
GENERATORS = {**NULLS, "vae": "VAE", "timesnet-gen": "TimesNet-Gen", "shaped-noise": "shaped noise"}     # on the command line → in tables


# --- records --------------------------------------------------------------------------------------------------------------

def simulated(sites: Iterable[surrogate.Site], n: int, catalogue: int, settings: config.Settings) -> Iterator[Record]:
    """Records of some stations, of earthquakes that no other catalogue shares."""
    for site in sites:
        for record in surrogate.simulate(site, n, catalogue):
            record = standardise(record, settings.sampling_rate_hz, settings.window_s)
            yield Record(record.data, record.sampling_rate_hz, record.station, f"{catalogue} {record.event}", record.meta)


def corpus_of(seed: int, folder: Path, settings: config.Settings) -> corpus.Corpus:
    """The corpus of a data seed: training records of all stations, held-out ones of the five; made if it is not there."""
    if not folder.exists():
        sites = surrogate.stations(RANDOM, seed)

        def records() -> Iterator[Record]:
            yield from simulated(sites[:STATIONS], TRAIN, seed, settings)
            yield from simulated(sites[STATIONS:], PRE_TRAIN, seed, settings)
            yield from simulated(sites[:STATIONS], HELD_OUT, CATALOGUES["test"] + seed, settings)

        corpus.write(records(), folder, splits=(1, 0, 0), seed=seed, settings={"synthetic": True, "seed": seed},
                     also=lambda hidden: _hold_out(hidden / "metadata.csv", f"{CATALOGUES['test'] + seed} "))
    return corpus.Corpus.open(folder)


def _hold_out(path: Path, catalogue: str) -> None:
    """Events of one catalogue are for testing."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table["split"] = np.where(table["source_id"].str.startswith(catalogue), "test", "train")
    table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def run_of(seed: int, work: Path) -> runs.Run:
    """A run on the corpus of a data seed with the quick profile's settings."""
    settings = config.settings(seed=seed, stations=tuple(site.name for site in surrogate.stations()[:STATIONS]))
    folder = work / f"seed{seed}"
    corpus_of(seed, folder / "corpus", settings)
    return runs.Run("study", folder, folder / "corpus", settings, own_corpus=True)


def judge_of(seed: int, run: runs.Run) -> Judge:
    """What the generators of a data seed are held against."""
    data, stations = run.corpus(), list(run.settings.stations)
    sides = [measured(run.path(f"measured-{split}.npz"), RecordSet.of(data, f"{split} records", split=split, stations=stations))
             for split in ("train", "test")]
    return Judge(*sides, seed=seed)


def measured(path: Path, records: RecordSet) -> Judged:
    """Features of a set, kept in a file."""
    grid = Judge.grid_of(records)
    if not path.exists():
        found = Judged.of(records, grid)
        np.savez(path.with_suffix(".part.npz"), phases=found.phases, **vars(found.features))
        path.with_suffix(".part.npz").rename(path)
    with np.load(path) as kept:
        phases, features = kept["phases"], {name: kept[name] for name in kept.files if name != "phases"}
    return Judged(records, grid, Features(**features), phases)


# --- generators -----------------------------------------------------------------------------------------------------------

def generator(name: str, run: runs.Run) -> Generator:
    """A generator by its name on the command line, trained if need be."""
    if name in NULLS:
        return nulls.baselines(run.corpus(), list(run.settings.stations), run.settings.records_to_mix)[NULLS[name]]
    return {"vae": vae, "timesnet-gen": timesnet_gen, "shaped-noise": shaped_noise}[name](run)


def vae(run: runs.Run) -> Generator:
    from tng.generators.vae import VAEGenerator
    from tng.trainings import carry_out

    return VAEGenerator(carry_out("vae", run).network, list(run.settings.stations), run.settings.sampling_rate_hz)


def timesnet_gen(run: runs.Run) -> Generator:
    from tng.generators.timesnet_gen import LatentMixing
    from tng.trainings import carry_out

    carry_out("phase0", run)
    network = carry_out("phase1", run).network
    return LatentMixing.from_corpus(network, run.corpus(), list(run.settings.stations), name="TimesNet-Gen",
                                    **runs.mixing_options(run.settings.model_dump()))


def shaped_noise(run: runs.Run) -> Generator:
    from tng.generators.shaping import generator
    from tng.trainings import carry_out

    trained = carry_out("shaped-noise", run)
    return generator(trained.network, trained.extra, trained.info["stations"])


def swapped(maker) -> list[Record]:
    """Records of shaped noise in which each station is given the earthquakes of the next one: their magnitudes, distances, polarisations, onsets,
    and how they scatter."""
    from tng.generators.shaped_noise import ShapedNoise

    codes = [site.name for site in surrogate.stations()[:STATIONS]]
    known = {code: replace(maker.known[code], **{what: getattr(maker.known[other], what) for what in ("catalogue", "p_onsets", "polarised", "scatter")})
             for code, other in zip(codes, [*codes[1:], codes[0]])}
    other = ShapedNoise(maker.network, maker.law, known)
    return [record for code in codes for record in other.sample(code, GENERATED, 1)]


def station_kept(made: Judged, judge: Judge) -> pd.DataFrame:
    """Whether each station's median HVSR is its own: stations whose f0 is within 5 %, and mean correlation, all records taken."""
    hz, hits, alike = judge.grid.curve_hz, 0, []
    for code in judge.stations:
        found, expected = (np.median(side.of_station(code).features.ln_hvsr, axis=0) for side in (made, judge.held_out))
        hits += abs(np.log(hz[found.argmax()] / hz[expected.argmax()])) < 0.05
        alike.append(np.corrcoef(found, expected)[0, 1])
    return pd.DataFrame({"value": {"swap hits": float(hits), "swap r": float(np.mean(alike))}}).rename_axis("measure")


# --- the study ------------------------------------------------------------------------------------------------------------

def table_of(seed: int, names: list[str], work: Path, again: list[str]) -> pd.DataFrame:
    """Goals of the floor and some generators on one data seed, index (generator, measure)."""
    run, judge, tables = run_of(seed, work), None, {}
    for name in (FLOOR, *names):
        path = run.path(f"goals-{name}.csv")
        if name in again or not path.exists():
            judge = judge or judge_of(seed, run)
            print(f"seed {seed}: {name}", flush=True)
            if name == FLOOR:
                made = list(simulated(surrogate.stations()[:STATIONS], FRESH, CATALOGUES[FLOOR] + seed, run.settings))
            else:
                maker = generator(name, run)
                made = [record for code in judge.stations for record in maker.sample(code, GENERATED, seed)]
            if name in again:
                run.path(f"measured-{name}.npz").unlink(missing_ok=True)
            side = measured(run.path(f"measured-{name}.npz"), RecordSet.of(made, name))
            found = judge.of(side, new=name != FLOOR)
            if name in (FLOOR, "shaped-noise"):
                other = side if name == FLOOR else Judged.of(RecordSet.of(swapped(maker), "swapped"), judge.grid)
                found = pd.concat([found, station_kept(other, judge)])
            found.to_csv(path.with_suffix(".part"))
            path.with_suffix(".part").rename(path)
        tables[GENERATORS.get(name, name)] = pd.read_csv(path, index_col="measure")
    return pd.concat(tables, names=["generator"])


def over_seeds(tables: dict[int, pd.DataFrame]) -> pd.DataFrame:
    """Means over data seeds with 95 % intervals, goals and verdicts on the means, and the values of each seed."""
    each = pd.concat({f"seed {seed}": table["value"] for seed, table in tables.items()}, axis=1)
    mean = pd.concat(tables).groupby(level=["generator", "measure"], sort=False).mean()
    n = each.notna().sum(axis=1)
    half = stats.t.ppf(0.975, np.maximum(n - 1, 1)) * each.std(axis=1) / np.sqrt(n)
    return pass_table(mean).assign(low=mean["value"] - half, high=mean["value"] + half).join(each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--generators", default="all", help=f"all, or some of {', '.join(GENERATORS)}, with commas between")
    parser.add_argument("--into", type=Path, default=ROOT / "book/results/generators.csv")
    parser.add_argument("--work", type=Path, default=ROOT / "runs/generators")
    parser.add_argument("--again", action="store_true", help="make the generators that are named anew")
    options = parser.parse_args()
    names = list(GENERATORS) if options.generators == "all" else options.generators.split(",")
    if unknown := [name for name in names if name not in GENERATORS]:
        parser.error(f"no generator {unknown[0]!r}: {config.nearest(unknown[0], GENERATORS)}")
    tables = {}
    for seed in range(options.seeds):
        tables[seed] = table_of(seed, names, options.work, names if options.again else [])
        print(pass_table(tables[seed]).round(3).to_string(), flush=True)
    options.into.parent.mkdir(parents=True, exist_ok=True)
    over_seeds(tables).round(4).to_csv(options.into, lineterminator="\n")
    settings = {"seeds": options.seeds, "stations": STATIONS, "training records": TRAIN, "held-out records": HELD_OUT, "fresh records": FRESH,
                "generated records": GENERATED, "random stations": RANDOM, "records of each": PRE_TRAIN,
                "subsets": 100, "records in a subset": 60, "settings of the networks": config.settings().model_dump(mode="json")}
    options.into.with_suffix(".json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
