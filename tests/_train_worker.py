"""Small trainings that tests start as processes of their own: several at once, or to be killed.

``python _train_worker.py JOBS.json``: a list of jobs, each with a corpus, settings, and perhaps something that goes wrong.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from tng import config, corpus
from tng.records import Record

RATE_HZ, SAMPLES = 50.0, 256
STATIONS = ["A", "B"]


def settings(**changes):
    return config.settings(**{**dict(window_s=SAMPLES / RATE_HZ, d_model=4, d_ff=4, num_kernels=2, phase0_epochs=3, phase1_epochs=2, batch=5),
                              **changes})


def write_corpus(folder: Path, more: int = 0) -> corpus.Corpus:
    """Bursts of noise at four stations, of very different strength; `more` of events that only one station recorded."""
    rng = np.random.default_rng(0)
    envelope = np.exp(-np.linspace(0, 5, SAMPLES))
    records = [Record(envelope * rng.standard_normal((3, SAMPLES)) * 10 ** rng.uniform(-1, 2), RATE_HZ, station, f"event {i}")
               for station, i in [(station, i) for station in "ABCD" for i in range(14)] + [("C", 14 + i) for i in range(more)]]
    return corpus.write(records, folder, seed=1)


def digest(network) -> str:
    """SHA-256 of a network's weights."""
    return hashlib.sha256(b"".join(value.cpu().numpy().tobytes() for value in network.state_dict().values())).hexdigest()


def equal(a, b) -> bool:
    """Whether two networks have the same weights, to the last bit."""
    import torch

    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def both_phases(job: dict) -> dict:
    """Phase 0 without stations, then Phase 1 with latent noise: loss curves and weights."""
    from tng import phases

    data, given = corpus.Corpus.open(job["corpus"]), settings(**job["settings"])
    resume = [Path(job["folder"]) / f"phase{i}.part.safetensors" if "folder" in job else None for i in (0, 1)]
    network, history0, noise_std = phases.phase0(data, given, STATIONS, resume[0])
    network, history1 = phases.phase1(network, noise_std, data, given, STATIONS, resume[1])
    return {"curves": [history0.to_dict("list"), history1.to_dict("list")], "weights": digest(network), "effort": history1.attrs["effort"],
            "kept_epoch": history0.attrs["kept_epoch"]}


def one_after_the_other(jobs: list[dict]) -> list[dict]:
    """The result of each job, or what its TrainingError says."""
    from tng import checkpoints
    from tng.processes import TrainingError

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    results, save = [], checkpoints.save
    for job in jobs:
        checkpoints.save = full if job.get("full disk") else save
        try:
            results.append(both_phases(job))
        except TrainingError as problem:
            results.append({"error": str(problem)})
    checkpoints.save = save
    return results


def end_again_and_again(job: dict) -> dict:
    """Start the training in a child, send it a signal a moment after one of its steps, start it again …; at last let it finish.

    The children are forks of this process, which has everything loaded.  The state is written after each step, so its file
    tells when one was done.
    """
    for name in ("tng.phases", "lightning_fabric.strategies", "tensorboardX"):
        importlib.import_module(name)
    state, draw, ends = Path(job["folder"]) / "phase0.part.safetensors", random.Random(job["seed"]), []
    for name in job["signals"]:
        child = fork(job)
        for _ in range(draw.randint(1, 3)):
            wait_for_a_change(state)
        time.sleep(draw.uniform(0, 0.03))                       # about a step: also amid its writing
        os.kill(child, getattr(signal, name))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        ends.append([name, code, Path(job["result"]).read_text() if code == 1 else ""])
    code = os.waitstatus_to_exitcode(os.waitpid(fork(job), 0)[1])
    return {"ends": ends, "last": code, **json.loads(Path(job["result"]).read_text())}


def fork(job: dict) -> int:
    child = os.fork()
    if child == 0:
        try:
            Path(job["result"]).write_text(json.dumps(both_phases(job)))
            os._exit(0)
        except BaseException as problem:                        # the parent reads it
            Path(job["result"]).write_text(f"{type(problem).__name__}: {problem}")
            os._exit(1)
    return child


def wait_for_a_change(path: Path) -> None:
    def stamp():
        return path.stat().st_mtime_ns if path.exists() else 0

    before, started = stamp(), time.monotonic()
    while stamp() == before:
        if time.monotonic() - started > 60:
            raise TimeoutError(f"{path} did not change for a minute")
        time.sleep(0.001)


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text())
    found = end_again_and_again(asked) if isinstance(asked, dict) else one_after_the_other(asked)
    Path(f"{sys.argv[1]}.{os.environ.get('RANK', '0')}").write_text(json.dumps(found))
