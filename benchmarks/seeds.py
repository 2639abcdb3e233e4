"""The whole line with several seeds: how much do the scores of the book move?

    python benchmarks/seeds.py [--seeds 5] [--into book/results/seeds.csv]

Runs the notebooks that make scores, once for each seed, and writes mean, smallest and largest value of
each score.  Takes some five minutes a seed on two cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from tng import runs, scoring
from tng.generators.nulls import RecordAverage

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ("01_data", "02_phase0", "03_phase1", "04_zero_shot", "05_vae_baseline")
COLUMNS = ["SxS", "2Sx2S", "curve error [ln]", "PGA ratio", "spread of PGA ratio", "duration ratio"]
KEPT = {"TimesNet-Gen": "timesnet-gen", "described": "described", "zero-shot": "zero-shot", "VAE": "vae"}


def scores(seed: int, folder: Path) -> pd.DataFrame:
    """Run the notebooks with a seed; their table of scores, a row a generator."""
    for name in NOTEBOOKS:
        print(f"seed {seed}: {name}", flush=True)
        subprocess.run([sys.executable, "-m", "papermill", "--no-progress-bar", "--log-level", "ERROR",
                        str(ROOT / f"notebooks/{name}.ipynb"), str(folder / f"{name}.ipynb"), "-p", "seed", str(seed),
                        "-p", "run", str(folder)], check=True, cwd=ROOT / "notebooks")
    here = runs.start({"run": str(folder), "seed": seed})
    data = here.corpus()
    stations = here.stations(data)
    sets = {"held-out": here.held_out(data, stations)} | {name: here.generated(kept) for name, kept in KEPT.items()}
    for k in (here.settings.records_to_mix, 1):
        generator = RecordAverage(data, stations, k)
        sets[generator.name] = {code: runs.stack(generator.sample(code, here.settings.generated_records, seed)) for code in stations}
    measured = {name: {code: scoring.measure(x[code], data.sampling_rate_hz) for code in stations} for name, x in sets.items()}
    real = measured.pop("held-out")
    return pd.DataFrame({name: scoring.score_f0(scoring.f0_lists(real), scoring.f0_lists(m), seed=seed) | dict(scoring.compare(real, m).median())
                         for name, m in measured.items()}).T[COLUMNS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--into", type=Path, default=ROOT / "book/results/seeds.csv")
    options = parser.parse_args()
    runs = []
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(scores(seed, Path(folder)))
    values = pd.concat(runs, keys=range(options.seeds)).groupby(level=1, sort=False)
    mean, low, high = values.mean(), values.min(), values.max()
    table = pd.DataFrame({column: [f"{mean[column][row]:.2f} [{low[column][row]:.2f}, {high[column][row]:.2f}]"
                                   for row in mean.index] for column in COLUMNS}, index=mean.index)
    table.index.name = f"{options.seeds} seeds, quick profile"
    options.into.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.into)
    print(table.to_string())


if __name__ == "__main__":
    main()
