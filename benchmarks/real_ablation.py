"""What do the parts of shaped noise earn on few, real or soft records?  The parts of `benchmarks/ablation.py`, the data of `benchmarks/real_folds.py`.

    python benchmarks/real_ablation.py [--seeds 3] [--data fold-0,fold-1,soft] [--into book/results/real_ablation.csv] [--work FOLDER]

The corpus of the other study has noise behind filters that do not move, and next to no noise of the recorder: parts that it has no use for may be
needed elsewhere.  A part *earns* its place as it does there: without it some measure is worse, by more than the 95 % interval over seeds
(of network and draws), and by more than `ablation.BEYOND` times what other random numbers alone change.

What is made is kept in the work folder: an interrupted study goes on.  A seed takes about fifteen minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import warnings
from functools import cached_property
from pathlib import Path

import ablation
import numpy as np
import pandas as pd
import real_folds as study                    # benchmarks/real_folds.py

from tng import config, runs

VARIANTS = (ablation.FULL, ablation.OTHER_DRAWS, "no station filter", "no steadying", "no scatter of a station's own", "resonances stay",
            "components independent", "no TimesBlocks", "no w", "one onset", "noise not apart")
KINDS = {"real": ("fold-0", "fold-1"), "soft": ("soft",)}
RATIOS = ("mean PGA", "sigma ln PGA", "D5-95", "sigma ln D5-95", "sigma ln HVSR", "sigma ln f0", "onset spread", "V/H before S", "V/H after S", "ringing", "1 + line correlation")
DIFFERENCES = ("hiss of strong records", "hiss of weak records")
LESS_IS_BETTER = ("HVSR rms, all records", "EAS bias")
MEASURES = (*LESS_IS_BETTER, *RATIOS, *DIFFERENCES, "C2ST")


class Study:
    """Some data and a seed: what is measured there, and the generator that variants start from."""

    def __init__(self, data: str, seed: int, work: Path):
        self.data, self.seed, self.work = data, seed, work
        self.folder = work / f"seed{seed}" / data / "ablation"

    @cached_property
    def bench(self) -> study.Bench:
        return study.Bench(self.data, self.work)

    @cached_property
    def parts(self) -> ablation.Parts:
        records = self.bench.corpus
        settings = config.settings(seed=self.seed, stations=tuple(self.bench.stations), sampling_rate_hz=records.sampling_rate_hz,
                                   window_s=records.samples / records.sampling_rate_hz, shape_epochs=ablation.EPOCHS, precision="32-true")
        return ablation.Parts(runs.Run("study", self.folder, records.folder, settings, own_corpus=True), self.folder)

    def values(self, variant: str) -> pd.Series:
        """Measures of a variant, from its file if it is there."""
        path = self.folder / f"{ablation.slug(variant)}.csv"
        if not path.exists():
            print(f"{self.data}, seed {self.seed}: {variant}", flush=True)
            made = ablation.made_by(variant, self.parts, self.seed)
            self.bench.table(made).rename("value").to_csv(path.with_suffix(".part"), index_label="measure")
            path.with_suffix(".part").rename(path)
        return pd.read_csv(path, index_col="measure")["value"].reindex(MEASURES)


def badness(values: pd.Series) -> pd.Series:
    """How far from the best possible value each measure is, so that larger is worse."""
    found = {name: np.log(values[[name]]).abs() if name in RATIOS else values[[name]].abs() if name in DIFFERENCES
             else ablation.badness(values[[name]], name) for name in values.index}
    return pd.concat(found.values())


def tables(found: dict[tuple[str, str, int], pd.Series], seeds: int) -> pd.DataFrame:
    """Index (kind of data, variant, measure): how much worse than the full generator, over seeds, and the mean value."""
    def joined(of: tuple[str, ...], value) -> pd.DataFrame:
        """Mean over data of something of the values, index (variant, measure), a column a seed."""
        return pd.concat({variant: pd.DataFrame({seed: sum(value(found[name, variant, seed]) for name in of) / len(of) for seed in range(seeds)})
                          for variant in VARIANTS}, names=["variant", "measure"])

    return pd.concat({kind: ablation.worse_than_full(joined(of, badness)).join(joined(of, lambda values: values).mean(axis=1).rename("mean"))
                      for kind, of in KINDS.items()}, names=["data"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", default=",".join(study.DATA), help="some of these, with commas between; the table needs all")
    parser.add_argument("--into", type=Path, default=study.ROOT / "book/results/real_ablation.csv")
    parser.add_argument("--work", type=Path, default=study.ROOT / "runs/real_folds")
    options = parser.parse_args()
    warnings.simplefilter("ignore")                         # windows that miss the end of a large earthquake, flat curves with f0 at an edge
    names = options.data.split(",")
    if unknown := [name for name in names if name not in study.DATA]:
        parser.error(f"no data {unknown[0]!r}: {config.nearest(unknown[0], study.DATA)}")
    each = {(name, seed): Study(name, seed, options.work) for name in names for seed in range(options.seeds)}
    found = {(name, variant, seed): one.values(variant) for (name, seed), one in each.items() for variant in VARIANTS}
    if set(names) != set(study.DATA):
        return
    table = tables(found, options.seeds)
    table.round(4).to_csv(options.into, lineterminator="\n")
    about = {"seeds": options.seeds, "data": names, "generated records": study.GENERATED, "times chance": ablation.BEYOND, "epochs": ablation.EPOCHS,
             "records for steadying": ablation.STEADYING}
    options.into.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    print(table[table["verdict"] != ""].round(3).to_string())


if __name__ == "__main__":
    main()
