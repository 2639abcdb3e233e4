"""Samples that are not motion: clipped peaks, spikes, stretches that stand still.

Each looks at one component: its samples, and the steps between them (``numpy.diff``).
"""

from __future__ import annotations

import re

import numpy as np

from tng.records import COMPONENTS, Record

RESOLVED_STEPS = 20       # a peak of fewer steps of the digitiser: equal samples there prove nothing
EXACT_STEPS = 1000        # a peak of more: two equal ones are no chance
EDGE_STEPS = 12           # into and out of a clipped run, together; the top of a smooth wave has 10 at the most
SPIKE_SHARE = 0.05        # of the component's range: smaller spikes change nothing
SPIKE_AROUND = (10, 0.1)  # samples and seconds on each side, the longer
ROUNDING = 1e-9           # of a component's range, what turning there and back may leave


def instrument_axes(record: Record) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and samples of the components as they were recorded: turned back where ``trace_rotated_from`` says so.

    A channel that was clipped or stood still shows it along its own axis only.
    """
    turned = re.fullmatch(r"(\d[\d.]*) (\d[\d.]*)", str(record.meta.get("trace_rotated_from", "")))
    if not turned:
        return COMPONENTS, record.data
    angles = np.deg2rad([float(turned[1]), float(turned[2])])
    recorded = np.stack([np.sin(angles), np.cos(angles)], axis=1) @ record.data[:2]
    grain = np.maximum(ROUNDING * np.ptp(recorded, axis=1, keepdims=True), np.finfo(float).tiny)
    return (f"{turned[1]}°", f"{turned[2]}°", "Z"), np.concatenate([np.round(recorded / grain) * grain, record.data[2:]])


def step(steps: np.ndarray) -> float:
    """The smallest change of a component: its resolution, where it has one."""
    sizes = np.abs(steps[steps != 0])
    return float(sizes.min()) if sizes.size else 0.0


def clipped(samples: np.ndarray, steps: np.ndarray, shortest: int, longest: int) -> int:
    """Samples in runs of `shortest` to `longest` at an extreme value that the motion enters and leaves steeply.

    The top of a smooth, finely sampled wave is a run too, but one that it approaches by single steps.  Where the
    resolution is so high that no two peaks are equal by chance, two runs that are shorter by one count as well.
    """
    count = 0
    for extreme in (samples.max(), samples.min()):
        at_extreme = samples == extreme
        if np.count_nonzero(at_extreme) < shortest:
            continue
        resolution = step(steps)
        height = abs(extreme - np.median(samples))
        if height < RESOLVED_STEPS * resolution:
            continue
        runs = [(a, b) for a, b in _runs(at_extreme, shortest - 1 if height > EXACT_STEPS * resolution else shortest)
                if 0 < a and b < samples.size and b - a <= longest
                and abs(2 * extreme - samples[a - 1] - samples[b]) > EDGE_STEPS * resolution]
        if len(runs) > 1 or any(b - a >= shortest for a, b in runs):
            count += sum(b - a for a, b in runs)
    return count


def spikes(samples: np.ndarray, steps: np.ndarray, factor: float, rate_hz: float) -> int:
    """Samples that jump away from both neighbours, `factor` times further than anything jumps around them."""
    left, right = steps[:-1], -steps[1:]
    jump = np.where(left * right > 0, np.minimum(np.abs(left), np.abs(right)), 0)
    at = np.flatnonzero(jump > SPIKE_SHARE * np.ptp(samples))
    if at.size == 0:
        return 0
    around = max(SPIKE_AROUND[0], round(SPIKE_AROUND[1] * rate_hz))
    # Steps at and at + 1 are the jump itself; those before and after are compared with it.
    sizes = np.lib.stride_tricks.sliding_window_view(np.pad(np.abs(steps), around), around)
    largest = np.maximum(sizes[at].max(axis=1), sizes[at + around + 2].max(axis=1))
    return int(np.count_nonzero(jump[at] > factor * np.maximum(largest, step(steps))))


def constant_runs(steps: np.ndarray, shortest: int) -> list[tuple[int, int]]:
    """First and last + 1 of runs of at least `shortest` equal samples."""
    still = steps == 0
    if np.count_nonzero(still) < shortest - 1:
        return []
    return [(a, b + 1) for a, b in _runs(still, shortest - 1)]


def _runs(true: np.ndarray, shortest: int) -> list[tuple[int, int]]:
    """First and last + 1 of runs of True of at least `shortest`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], true, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2]) if b - a >= shortest]
