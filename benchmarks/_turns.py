"""Two ways to do the same, measured in turn in one process: the ratio of the medians, and the range of single turns.

On a CPU the time is that of the process, which should use one thread, so other work on the machine counts little; on a GPU
it is what passes until the work is done.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import torch

table: list[dict] = []


def seconds(work: Callable, device: str) -> float:
    if device == "cpu":
        start = time.process_time()
        work()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(what: str, theirs: Callable, ours: Callable, device: str, rounds: int, warm: bool = True, note: str = "") -> float:
    """Measure in turn, add a line to the table; the median seconds of ours."""
    if warm:
        theirs(), ours()
    turns = [(seconds(theirs, device), seconds(ours, device)) for _ in range(rounds)]
    slow, fast = (statistics.median(column) for column in zip(*turns))
    add(what, slow / fast, [a / b for a, b in turns], note)
    return fast


def add(what: str, ratio: float, turns: Sequence[float] = (), note: str = "") -> None:
    table.append({"what": what, "ratio": ratio, "turns": list(turns), "note": note})
    spread = f"({min(turns):.2f} to {max(turns):.2f})" if turns else ""
    print(f"{what:<58} {ratio:>7.2f} {spread:<18} {note}", flush=True)
