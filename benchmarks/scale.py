"""Does a corpus as large as AFAD's (36,000 records of 60 s, 2.6 GB) fit through one machine?

    python benchmarks/scale.py            # writes runs/scale once, some minutes; the second run only measures
    python benchmarks/scale.py --records 2000

Writes a synthetic corpus; reads random batches of 32 out of it, in turn with this library, with a memory map,
with plain h5py and, where it is installed, with SeisBench; ingests files of the authors' MATLAB format.  Every
way of reading runs in a process of its own, whose peak memory is noted.  The comparison goes to
``book/results/scale.csv``, as ratios: they are what another machine shares.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BATCH, BATCHES = 32, 300
MAXRSS_MB = 2**20 if sys.platform == "darwin" else 2**10      # in which ru_maxrss counts
RESULT = Path(__file__).resolve().parents[1] / "book/results/scale.csv"
WAYS = ("tng", "memory map", "h5py", "SeisBench")


def corpus_of(records: int, folder: Path) -> None:
    """A synthetic corpus of the paper's size, if it is not there; its rate and peak memory are printed."""
    if folder.exists():
        print(f"{folder} is there already and is used as it is; remove it for another number of records")
        return
    a_station = max(records // 360, 1)                            # 300 small stations, 5 with twelve times as many
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tng.cli", "surrogate", "--into", folder, "--records-per-station", str(12 * a_station),
                    "--random-stations", "300", "--records-per-random-station", str(a_station)], check=True,
                   env={**os.environ, "TNG_PROGRESS": "0"}, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / MAXRSS_MB
    print(f"{360 * a_station} synthetic records written: {360 * a_station / seconds:.0f} records/s, peak memory {peak_mb:.0f} MB")


def reader(way: str, folder: Path):
    """A function from row numbers to (rows, 3, samples)."""
    if way == "SeisBench":                      # perhaps in an environment without tng
        import seisbench.data

        dataset = seisbench.data.WaveformDataset(folder, cache=None)
        return lambda rows: np.stack([dataset.get_waveforms(int(row)) for row in rows]), len(dataset)
    from tng.corpus import Corpus

    made = Corpus.open(folder)
    places = made.metadata["trace_name"].str.extract(r"(\w+)\$(\d+),")
    buckets, slots = places[0].to_numpy(), places[1].astype(int).to_numpy()
    if way == "tng":
        return made.waveforms, len(made)
    import h5py

    file = h5py.File(folder / "waveforms.hdf5", "r")
    data = {name: file["data"][name] for name in file["data"]}
    if way == "memory map":
        data = {name: np.memmap(folder / "waveforms.hdf5", block.dtype, "r", block.id.get_offset(), block.shape)
                for name, block in data.items()}
    return lambda rows: np.stack([data[buckets[row]][slots[row]] for row in rows]), len(made)


def measure(way: str, folder: Path) -> dict:
    """Rate [MB/s] of random batches from a warm cache, and peak memory [MB] of this process."""
    read, count = reader(way, folder)
    batches = np.random.default_rng(0).integers(0, count, (BATCHES, BATCH))
    size = read(batches[0]).nbytes / 1e6
    start = time.perf_counter()
    for rows in batches:
        read(rows)
    seconds = time.perf_counter() - start
    return {"rate": BATCHES * size / seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_MB}


def random_batches(folder: Path, seisbench_python: str) -> None:
    with (folder / "waveforms.hdf5").open("rb") as stream:       # warm the cache
        while stream.read(1 << 24):
            pass
    found = {}
    for way in WAYS:
        python = seisbench_python if way == "SeisBench" else sys.executable
        if way == "SeisBench" and python == sys.executable and importlib.util.find_spec("seisbench") is None:
            print("SeisBench is not installed here; --seisbench-python names an interpreter that has it")
            continue
        answer = subprocess.run([python, __file__, "--measure", way, "--into", folder], check=True, capture_output=True, text=True)
        found[way] = json.loads(answer.stdout.splitlines()[-1])
    with RESULT.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["read by", "speed, to h5py", "peak memory [MB]"])
        for way, numbers in found.items():
            ratio = numbers["rate"] / found["h5py"]["rate"]
            print(f"random batches of {BATCH}: {way:<10} {numbers['rate']:6.0f} MB/s ({ratio:.2f} times h5py), peak memory {numbers['peak']:.0f} MB")
            writer.writerow([way, f"{ratio:.1f}" if ratio >= 0.1 else f"{ratio:.2f}", f"{numbers['peak']:.0f}"])


def ingest_rate(files: int) -> None:
    """Files of the authors' MATLAB format, read, checked and written by two processes."""
    from scipy.io import savemat

    dice = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        raw.mkdir()
        for number in range(files):
            shape = np.exp(-np.linspace(0, 6, 7000))[:, None] * 20
            accel = dice.normal(size=(7000, 3)) * shape
            savemat(raw / f"2020{number // 2800 + 1:02d}{number // 100 % 28 + 1:02d}{number % 24:02d}{number % 60:02d}00_{9000 + number % 97}.mat",
                    {"EQ": {"anEQ": {"Accel": accel - accel.mean(axis=0), "sampling": 0.01, "SA": np.zeros((10, 4)), "Vs30": 400}}},
                    do_compression=True)
        count = len(list(raw.iterdir()))
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "tng.cli", "ingest", raw, "--into", Path(folder, "corpus"), "--processes", "2"], check=True,
                       env={**os.environ, "TNG_PROGRESS": "0"}, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / MAXRSS_MB
    print(f"ingest of {count} MATLAB files with two processes: {count / seconds:.0f} files/s, peak memory of the largest process {peak_mb:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=36_000)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--into", type=Path, default=Path("runs/scale/corpus"))
    parser.add_argument("--seisbench-python", default=sys.executable, help="an interpreter with SeisBench, which is not a dependency")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--remove", action="store_true", help="remove the synthetic corpus afterwards")
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.into)))
        return
    ingest_rate(given.files)
    corpus_of(given.records, given.into)
    random_batches(given.into, given.seisbench_python)
    if given.remove:
        shutil.rmtree(given.into)


if __name__ == "__main__":
    main()
