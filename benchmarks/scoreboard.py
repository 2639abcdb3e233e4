"""How long does the whole scoreboard take, and how much memory?

    python benchmarks/scoreboard.py [--generators 8] [--stations 5] [--records 50]

Records of the paper's size (6000 samples at 100 Hz) are simulated first, which is not counted: as many training, held-out and
generated ones of each station.  Prints processor time (so that it hardly depends on what else runs), its parts, and peak memory.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from itertools import count

from tqdm import tqdm

from tng import surrogate
from tng.recordset import RecordSet
from tng.scoring.board import score
from tng.scoring.features import Grid, Measured


def sample(stations: int, records: int, seed: int) -> RecordSet:
    made = [record for site in surrogate.stations(max(0, stations - 5), 0)[:stations] for record in surrogate.simulate(site, records, seed)]
    return RecordSet.of(made, str(seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("generators", 8), ("stations", 5), ("records", 50)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    seeds = count(1)
    sets = [sample(options.stations, options.records, next(seeds)) for _ in tqdm(range(options.generators + 2), desc="simulating")]
    start = time.process_time()
    grid = Grid.of(100.0, 6000)
    training, held_out, *generated = (Measured.of(records, grid) for records in sets)
    measuring = time.process_time() - start
    board = score(training, held_out, {f"generator {i}": records for i, records in enumerate(generated)}, grid)
    total = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"{options.generators} generators x {options.stations} stations x {options.records} records: {total:.0f} s of processor time, "
          f"{measuring:.0f} s of it for measuring {sum(map(len, sets))} records; {len(board)} rows; peak memory {peak / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
