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

from tng.scoring import tables

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ("01_data", "02_phase0", "03_phase1", "04_zero_shot", "05_vae_baseline", "06_hvsr_f0_ncc")
COLUMNS = ["NCC SxS", "NCC 2Sx2S", "HVSR rms", "PGA ratio", "PGA scatter ratio", "D5-95 ratio", "C2ST", "explained by training"]


def scores(seed: int, folder: Path) -> pd.DataFrame:
    """Run the notebooks with a seed; their table of scores, a row a generator."""
    for name in NOTEBOOKS:
        print(f"seed {seed}: {name}", flush=True)
        subprocess.run([sys.executable, "-m", "papermill", "--no-progress-bar", "--log-level", "ERROR",
                        str(ROOT / f"notebooks/{name}.ipynb"), str(folder / f"{name}.ipynb"), "-p", "seed", str(seed),
                        "-p", "run", str(folder)], check=True, cwd=ROOT / "notebooks")
    board = tables.of_station(tables.load(folder / "scoreboard.json"))
    return board.pivot(index="generator", columns="measure", values="value").loc[tables.generators(board), COLUMNS]


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
