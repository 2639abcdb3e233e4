"""What does each measure of the scoreboard see, and how often does it cry wolf?

    python benchmarks/power.py [--seeds 100] [--fault-seeds 10] [--into book/results/power.csv]

Simulates, for every seed anew, training, held-out and fresh records of three synthetic stations, from three lists of
earthquakes; counts how often each measure puts the fresh ones outside the band of real against real, though they are of the same law.  For some
of the seeds it plants each fault of `tng.scoring.faults` on the fresh ones, and counts again.  About half an hour on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from tng import surrogate
from tng.recordset import RecordSet
from tng.records import Record
from tng.scoring import faults
from tng.scoring.board import score
from tng.scoring.families import ALL
from tng.scoring.features import Grid, Measured
from tng.standard import standardise

ROOT = Path(__file__).resolve().parents[1]
STATIONS, RECORDS, RATE_HZ, WINDOW_S = 3, 50, 50.0, 60.0
FAULTS = {                                   # what is planted, and what it is called on the page
    "amplitude x0.45": lambda good, training: faults.weaker(good),
    "f0 +5 %": lambda good, training: faults.shifted(good),
    "peaks ^0.8": lambda good, training: faults.flatter(good),
    "duration x1.6": lambda good, training: faults.longer(good),
    "5 records only": lambda good, training: faults.collapsed(good),
    "copies of training": faults.copied,
    "copies 2 % slower": faults.disguised,
    "stations swapped": lambda good, training: faults.swapped(good),
    "averages of 5": faults.averaged,
}
SAME = "same law"


def sample(seed: int) -> RecordSet:
    """Records of the first synthetic stations, of the earthquakes of a seed."""
    made = (standardise(record, RATE_HZ, WINDOW_S) for site in surrogate.stations()[:STATIONS] for record in surrogate.simulate(site, RECORDS, seed))
    return RecordSet.of([Record(r.data, RATE_HZ, r.station, f"{seed} {r.event}", {"trace_name": f"{seed} {r.event} {r.station}"}) for r in made])


def verdicts(seed: int, with_faults: bool) -> pd.DataFrame:
    """Which measures put which records outside, a row a measure."""
    training, held_out, good = (sample(3 * seed + part) for part in range(3))
    grid = Grid.of(RATE_HZ, round(RATE_HZ * WINDOW_S))
    sets = {SAME: good, **({name: plant(good, training) for name, plant in FAULTS.items()} if with_faults else {})}
    board = score(*(Measured.of(records, grid) for records in (training, held_out)),
                  {name: Measured.of(records, grid) for name, records in sets.items()}, grid, seed=seed)
    together = board[board["station"] == ALL]
    return together.assign(outside=together["verdict"] == "outside").pivot(index=["group", "measure"], columns="generator", values="outside").reindex(
        together.drop_duplicates("measure").set_index(["group", "measure"]).index)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--fault-seeds", type=int, default=10)
    parser.add_argument("--into", type=Path, default=ROOT / "book/results/power.csv")
    options = parser.parse_args()
    found = [verdicts(seed, seed < options.fault_seeds) for seed in tqdm(range(options.seeds))]
    counts = pd.concat(found, keys=range(options.seeds)).groupby(level=["group", "measure"], sort=False).agg(["sum", "count"])
    table = pd.DataFrame({f"{name} (of {counts[name]['count'].max()})": counts[name]["sum"].astype(int) for name in [SAME, *FAULTS] if name in counts})
    options.into.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.into)
    print(table.to_string())


if __name__ == "__main__":
    main()
