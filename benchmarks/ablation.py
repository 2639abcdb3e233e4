"""What do the parts of the shaped-noise generator earn?  Each is left out, or a loss on waveforms added, over several data seeds.

    python benchmarks/ablation.py [--seeds 3] [--variants all] [--into book/results/ablation.csv] [--work FOLDER]

Records and judge are those of `benchmarks/generators.py`, so a work folder of that study will do.  Every variant makes 60 records a station with the
same random numbers, so that a variant differs from the full generator by the part alone.  A part *earns* its place if without it some
measure is worse, by more than the 95 % interval over data seeds, and by more than `BEYOND` times what other random numbers alone change.

A network is trained anew only where a part belongs to it.  What is made is kept in the work folder: an interrupted study goes on.
A seed takes about ten minutes on one core.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from unittest import mock

import generators as study                    # benchmarks/generators.py
import numpy as np
import pandas as pd
import torch
from scipy import stats

from tng import arrivals, config, runs
from tng.descriptions import LEAST_LAG_S, TINY
from tng.generators import shaping
from tng.generators.shaped_noise import ShapedNoise
from tng.generators.waveform_losses import fine_tune
from tng.processes import dtype_of
from tng.recordset import RecordSet
from tng.scoring.goals import GOALS, Judge, Judged
from tng.scoring.judging import RATIOS
from tng.trainings import carry_out

GENERATED = 60                               # records a station
SLOW = ("coverage", "C2ST")                   # of `tng.scoring.judging.SLOW`
MORE_IS_BETTER = ("f0 hits", "NCC 2Sx2S", "JS", "coverage")
BEYOND = 2.0                                  # times the change by other random numbers
FULL, OTHER_DRAWS = "full", "other random numbers"
EPOCHS = 12                                   # fewer than usual, for the full generator too
STEADYING = 200                               # records for it
STEPS, LEARNING_RATE = 60, 2e-3               # of fine-tuning


# --- what the full generator is made of ------------------------------------------------------------------------------------

@dataclass
class Parts:
    """A trained generator and its training records, as often as they are wanted."""

    run: runs.Run
    folder: Path

    @cached_property
    def measured(self) -> shaping.Learned:
        data = self.run.corpus()
        codes = [code for code in data.stations if len(data.select([code], "train")) >= shaping.FEWEST]
        return shaping.measure(shaping.build(data, self.run.settings).to(dtype_of(self.run.settings)), data, data.select(codes, "train"))

    @cached_property
    def trained(self) -> ShapedNoise:
        return self.anew("full")

    def anew(self, folder: str, *changes, measured: shaping.Learned | None = None, **settings) -> ShapedNoise:
        """A generator trained in a folder of its own, with parts of :mod:`tng.generators.shaping` changed."""
        own = replace(self.run, folder=self.folder / folder, settings=self.run.settings.model_copy(update=settings))
        if not own.path("shaped-noise.safetensors").exists():
            known = measured or self.measured
            changes = (*changes, mock.patch.object(shaping, "measure", lambda *_: known), mock.patch.object(shaping, "STEADYING", STEADYING))
        with ExitStack() as stack:
            for change in changes:
                stack.enter_context(change)
            found = carry_out("shaped-noise", own, again=False)
        return shaping.generator(found.network, found.extra, found.info["stations"])

    def copy(self) -> ShapedNoise:
        return copy.deepcopy(self.trained)

    def learned(self, network, law, measured=None) -> ShapedNoise:
        """The generator whose stations are learned anew."""
        measured = measured or self.measured
        return ShapedNoise(network, law, {code: shaping.phase1(network, law, measured.of(code)) for code in self.run.settings.stations})


# --- parts left out: the network stays ---------------------------------------------------------------------------------------

def silenced(maker: ShapedNoise, part: int) -> ShapedNoise:
    """One part of the numbers (see `Layout.parts`) zero in all records."""
    ends = np.cumsum([0, *maker.layout.sizes])
    own = slice(int(ends[part]), int(ends[part + 1]))
    maker.law.regression[:, own] = 0
    for station in maker.known.values():
        station.mean[own] = 0
        station.scatter[own] = 0
        station.scatter[:, own] = 0
        if own == maker.layout.polarisation:
            station.polarised.zero_()
    return maker


def resting(parts: Parts) -> ShapedNoise:
    """Resonances stay where they are."""
    measured = parts.measured
    still = {name: torch.zeros_like(getattr(measured, name)) for name in ("shifts", "moved", "wander")}
    return law_again(parts, replace(measured, **still))


def without_filter(parts: Parts) -> ShapedNoise:
    """Bands are as strong as they should be, but within them the spectrum is smooth."""
    maker = parts.copy()
    for station in maker.known.values():
        station.curve.zero_()
    return maker


def without_station(parts: Parts) -> ShapedNoise:
    """Every station is the mean one, with its own earthquakes."""
    maker = parts.copy()
    law, like = maker.law, next(iter(maker.known.values()))
    level = maker.layout.parts(law.prior[0][None])[0]
    curve = maker.nodes.sharpened(law.fine[0] + torch.einsum("bfc,fk->bck", level, maker.nodes.bands_at)[0] / 2)
    noise = torch.stack([station.ln_noise for station in maker.known.values()]).mean(dim=0)
    polarised, wander = torch.cat([one.polarised for one in maker.known.values()]), torch.stack([one.wander for one in maker.known.values()]).median()
    maker.known = {code: replace(like, mean=law.prior[0], scatter=law.scatter, curve=curve, ln_noise=noise, catalogue=station.catalogue,
                                 p_onsets=station.p_onsets, polarised=polarised, wander=wander) for code, station in maker.known.items()}
    return maker


def without_own_scatter(parts: Parts) -> ShapedNoise:
    maker = parts.copy()
    for station in maker.known.values():
        station.scatter = maker.law.scatter
    return maker


def without_steady(parts: Parts) -> ShapedNoise:
    maker = parts.copy()
    maker.network.start_from(parts.measured.known)                        # where the template was before
    return parts.learned(maker.network, shaping.learn_law(maker.network, parts.measured))


def law_again(parts: Parts, measured: shaping.Learned | None = None, physics: float = 0.0) -> ShapedNoise:
    """The law of source and path fitted to other drivers."""
    measured, network = measured or parts.measured, parts.copy().network
    law = replace(shaping.learn_law(network, measured, physics), steady=parts.trained.law.steady)
    return parts.learned(network, law, measured)


def by_strength(parts: Parts) -> ShapedNoise:
    """A record's strength instead of magnitude and distance."""
    return law_again(parts, replace(parts.measured, magnitude=torch.full_like(parts.measured.magnitude, torch.nan)))


def nothing_drives(parts: Parts) -> ShapedNoise:
    """No regression at all: what magnitude and distance do is part of the scatter."""
    measured, network = parts.measured, parts.copy().network
    still = replace(measured, magnitude=torch.full_like(measured.magnitude, 5), distance_km=torch.ones_like(measured.distance_km))
    law = replace(shaping.learn_law(network, still), steady=parts.trained.law.steady)
    return parts.learned(network, law, still)


# --- parts left out: the network is trained anew ----------------------------------------------------------------------------

def without_w(parts: Parts) -> ShapedNoise:
    """The network is told the onsets alone."""
    build = shaping.build

    def blind(corpus, settings):
        network = build(corpus, settings)
        seen = torch.ones_like(network.seed.weight)
        seen[:, :settings.shape_latent] = 0
        with torch.no_grad():
            network.seed.weight *= seen
        network.seed.weight.register_hook(lambda gradient: gradient * seen.to(gradient))
        return network

    maker = parts.anew("no-w", mock.patch.object(shaping, "build", blind))
    assert not maker.network.seed.weight[:, :maker.layout.latent].any()
    return maker


def one_onset(parts: Parts) -> ShapedNoise:
    """All begins with P: S comes the least lag after it."""
    def together(corpus, rows):
        return of_corpus(corpus, rows).assign(s_s=lambda table: table["p_s"] + LEAST_LAG_S)

    of_corpus, data = arrivals.of_corpus, parts.run.corpus()
    with mock.patch.object(arrivals, "of_corpus", together):
        measured = shaping.measure(parts.trained.network, data, parts.measured.rows)
    return parts.anew("one-onset", measured=measured)


def noise_not_apart(parts: Parts) -> ShapedNoise:
    """Ambient noise is part of the envelopes."""
    known = parts.measured.known
    return parts.anew("noise-not-apart", measured=replace(parts.measured, known=replace(known, ln_noise=torch.full_like(known.ln_noise, np.log(TINY)))))


# --- losses added -------------------------------------------------------------------------------------------------------------

def tuned(weights: dict[str, float], plain: bool = False) -> Callable[[Parts], ShapedNoise]:
    """The full generator, its network fine-tuned, law and stations learned anew."""
    def make(parts: Parts) -> ShapedNoise:
        maker, measured, settings = parts.copy(), parts.measured, parts.run.settings
        history = fine_tune(maker.network, maker.law, measured, parts.run.corpus(), maker.known, {"whittle": 1.0} | weights, STEPS, LEARNING_RATE,
                            settings.seed, plain=plain)
        print(history.describe().loc[["min", "mean", "max"]].round(3).to_string(), flush=True)
        steady = maker.law.steady
        law = replace(shaping.learn_law(maker.network, measured), steady=steady)
        with mock.patch.object(shaping, "ROUNDS", 1), mock.patch.object(shaping, "STEADYING", STEADYING):
            shaping.steady(maker.network, law, measured, settings.seed)
        return parts.learned(maker.network, replace(shaping.learn_law(maker.network, measured), steady=law.steady))

    return make


SHAPES = {"log_stft": 1.0, "band_power": 1.0}
TIMES = {"husid": 3.0, "log_duration": 0.5}
VARIANTS: dict[str, Callable[[Parts], ShapedNoise]] = {
    FULL: lambda parts: parts.trained,
    OTHER_DRAWS: lambda parts: parts.trained,
    "no station filter": without_filter,
    "no station": without_station,
    "no steadying": without_steady,
    "no scatter of a station's own": without_own_scatter,
    "resonances stay": resting,
    "strength instead of M and R": by_strength,
    "no regression": nothing_drives,
    "omega-squared start of the regression": lambda parts: law_again(parts, physics=1.0),
    "components independent": lambda parts: silenced(parts.copy(), 3),
    "no TimesBlocks": lambda parts: parts.anew("no-blocks", shape_blocks=0),
    "no w": without_w,
    "one onset": one_onset,
    "noise not apart": noise_not_apart,
    "+ further steps": tuned({}),
    "+ log_stft, band_power": tuned(SHAPES),
    "+ log_hv": tuned({"log_hv": 2.0}),
    "+ husid, log_duration": tuned(TIMES),
    "+ station_marginal": tuned({"station_marginal": 2.0}),
    "+ station_swap": tuned({"station_swap": 2.0}),
    "+ all": tuned({**SHAPES, **TIMES, "log_hv": 2.0, "station_marginal": 1.0, "station_swap": 1.0}),
    "+ all features, plain errors": tuned({**SHAPES, **TIMES, "log_hv": 2.0}, plain=True),
}


# --- the study ----------------------------------------------------------------------------------------------------------------

def slug(variant: str) -> str:
    """A variant's name in file names."""
    return re.sub("[^a-z0-9]+", "-", variant.lower().replace("+", "plus"))


def made_by(variant: str, parts: Parts, seed: int) -> RecordSet:
    """What a variant makes, of the run's stations."""
    maker, draws = VARIANTS[variant](parts), seed + (1000 if variant == OTHER_DRAWS else 0)
    return RecordSet.of([record for code in parts.run.settings.stations for record in maker.sample(code, GENERATED, draws)], variant)


class Study:
    """One data seed: its judge, and the generator that variants start from."""

    def __init__(self, seed: int, work: Path):
        self.seed, self.run = seed, study.run_of(seed, work)
        self.run = replace(self.run, settings=self.run.settings.model_copy(update={"shape_epochs": EPOCHS, "precision": "32-true"}))
        self.parts = Parts(self.run, work / f"seed{seed}" / "ablation")

    @cached_property
    def judge(self) -> Judge:
        return study.judge_of(self.seed, self.run)

    def path(self, name: str) -> Path:
        return self.parts.folder / f"goals-{slug(name)}.csv"

    def carry_out(self, name: str) -> None:
        """Make and measure a variant, unless that is done."""
        if self.path(name).exists():
            return
        start = time.process_time()
        made = made_by(name, self.parts, self.seed)
        table = self.judge.of(Judged.of(made, Judge.grid_of(self.judge.held_out.records)), slow=SLOW)
        table.to_csv(self.path(name).with_suffix(".part"))
        self.path(name).with_suffix(".part").rename(self.path(name))
        print(f"seed {self.seed}: {name}, {time.process_time() - start:.0f} s", flush=True)


def found(studies: list[Study]) -> pd.DataFrame:
    """All variants that are done: index (variant, measure), a column a seed."""
    return pd.concat({each.seed: pd.concat({name: pd.read_csv(each.path(name), index_col="measure")["value"] for name in VARIANTS
                                            if each.path(name).exists()}, names=["variant"]) for each in studies}, axis=1)


def badness(value: pd.Series, name: str) -> pd.Series:
    """How far from the best possible value, so that larger is worse."""
    if name in RATIOS:
        return np.log(value).abs()
    if name in MORE_IS_BETTER:
        return -value
    return (value - 0.5).clip(lower=0) if name == "C2ST" else value


def worse_than_full(bad: pd.DataFrame) -> pd.DataFrame:
    """How much worse than the full generator, with its 95 % interval over seeds, and the verdict; `bad` has index (variant, measure), a column a seed."""
    measure = bad.index.get_level_values("measure")
    worse = bad - bad.loc[FULL].reindex(measure).to_numpy()
    n = worse.notna().sum(axis=1)
    half = (stats.t.ppf(0.975, np.maximum(n - 1, 1)) * worse.std(axis=1) / np.sqrt(n)).where(n >= 3)
    chance = np.sqrt((worse.loc[OTHER_DRAWS] ** 2).mean(axis=1)).reindex(measure).to_numpy()
    mean = worse.mean(axis=1)
    table = pd.DataFrame({"worse by": mean, "low": mean - half, "high": mean + half, "chance": chance})
    clear = table["worse by"].abs() > BEYOND * chance
    few = clear & (n < 3) & ((np.sign(worse).nunique(axis=1) == 1))            # no interval: in all seeds alike
    table["verdict"] = np.select([(table["low"] > 0) & clear, (table["high"] < 0) & clear, few & (mean > 0), few & (mean < 0)],
                                 ["worse", "better", "worse?", "better?"], "")
    return table


def compared(values: pd.DataFrame) -> pd.DataFrame:
    """Variant × measure: values of the seeds, mean, how much worse than the full generator with its 95 % interval, and the verdict."""
    values = values[values.index.get_level_values("measure").isin(GOALS)]
    measure = values.index.get_level_values("measure")
    bad = values.copy()
    for name in measure.unique():
        bad[measure == name] = values[measure == name].apply(badness, name=name)
    return values.mean(axis=1).to_frame("mean").join(worse_than_full(bad)).join(values.add_prefix("seed "))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variants", default="all", help=f"all, or some of {', '.join(VARIANTS)}, with semicolons between")
    parser.add_argument("--into", type=Path, default=study.ROOT / "book/results/ablation.csv")
    parser.add_argument("--work", type=Path, default=study.ROOT / "runs/generators")
    options = parser.parse_args()
    names = list(VARIANTS) if options.variants == "all" else list(dict.fromkeys([FULL, OTHER_DRAWS, *options.variants.split(";")]))
    if unknown := [name for name in names if name not in VARIANTS]:
        parser.error(f"no variant {unknown[0]!r}: {config.nearest(unknown[0], VARIANTS)}")
    studies = [Study(seed, options.work) for seed in range(options.seeds)]
    options.into.parent.mkdir(parents=True, exist_ok=True)
    settings = {"seeds": options.seeds, "stations": study.STATIONS, "generated records": GENERATED, "subsets": 100, "records in a subset": 60,
                "steps of fine-tuning": STEPS, "learning rate": LEARNING_RATE, "times chance": BEYOND,
                "records for steadying": STEADYING,
                "settings of the network": studies[0].run.settings.model_dump(mode="json")}
    options.into.with_suffix(".json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    for name in names:
        for each in studies:
            each.carry_out(name)
        if name not in (FULL, OTHER_DRAWS):
            table = compared(found(studies))
            table.round(4).to_csv(options.into, lineterminator="\n")
            print(table.loc[[name]][["mean", "worse by", "low", "high", "chance", "verdict"]].round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
