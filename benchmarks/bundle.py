"""Make the checkpoint that comes with the library: shaped noise, trained on synthetic records of 60 s at 100 Hz.

    python benchmarks/bundle.py [--into tng/data/shaped_noise.safetensors] [--work FOLDER]

Five calibrated and forty random stations; takes some minutes on a processor.  An interrupted training goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tng import config, runs
from tng.released import release_from_run
from tng.trainings import carry_out

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = dict(random_stations=40, records_per_random_station=30, records_per_station=100, precision="32-true", device="cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=ROOT / "tng/data/shaped_noise.safetensors")
    parser.add_argument("--work", type=Path, default=ROOT / "runs/bundle")
    options = parser.parse_args()
    run = runs.Run("paper", options.work, options.work / "corpus", config.settings("paper", **SETTINGS))
    if not run.corpus_folder.exists():
        run.make_corpus()
    carry_out("shaped-noise", run, again=False)
    options.into.parent.mkdir(parents=True, exist_ok=True)
    written = release_from_run(options.work, "shaped-noise", options.into)
    print(f"{written}: {written.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
