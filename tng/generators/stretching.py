"""Peaks that move: how far a station's resonances wander from record to record, and its spectrum without that.

Soil is softer in one earthquake than in another, and all resonances of a layer then move together: the horizontal spectrum is stretched, which is
a shift on a logarithmic axis.  The mean of spectra that wander has peaks too wide and too low; the mean of spectra put in register has not.
"""

from __future__ import annotations

import torch
from torch import Tensor

MOST, STEPS = 0.2, 80       # shifts of ln frequency that are looked at, and in how many steps
ROUNDS, FIRST = 12, 0.05    # of expectation and maximisation, and the standard deviation that they begin with
LEAST_GAIN = 5.0            # of ln likelihood, a record, for a station's shifts to be believed: chance reaches 4


def shifted(curves: Tensor, by: Tensor, step: float) -> Tensor:
    """Curves (B or 1, components, nodes) moved up the axis by `by` (B,), held at their ends; `step` is that of the nodes."""
    nodes = curves.shape[-1]
    at = (torch.arange(nodes, device=curves.device) - by[:, None] / step).clamp(0, nodes - 1)
    left = at.floor().long().clamp(max=nodes - 2)[:, None].expand(-1, curves.shape[1], -1)
    curves, weight = curves.expand(len(by), -1, -1), at[:, None] - left
    return curves.gather(2, left) * (1 - weight) + curves.gather(2, left + 1) * weight


def registered(spectra: Tensor, independent: Tensor, step: float) -> tuple[Tensor, float]:
    """Shift of each record (records,) of ln spectra (records, components, nodes), and the shifts' standard deviation; zeros if nothing moves.

    `independent` (nodes,) is how many independent numbers a node stands for.

    Notes
    -----
    Expectation and maximisation: shifts are Gaussian, deviations from the mean spectrum too, and both variances those under which the records
    are likeliest.  Each record is held against the mean of the others, so that its noise is not aligned with itself.
    """
    grid = torch.linspace(-MOST, MOST, 2 * STEPS + 1).to(spectra)
    shifts, spread = torch.zeros_like(spectra[:, 0, 0]), FIRST
    if len(spectra) < 3:
        return shifts, 0.0
    before = _deviations(spectra, shifts, step)
    for _ in range(ROUNDS):
        others, variance = _others(shifted(spectra, -shifts, step)), _deviations(spectra, shifts, step)
        misfit = torch.stack([((one - shifted(other[None], grid, step)) ** 2 / variance * independent).sum(dim=(1, 2))
                              for one, other in zip(spectra, others)])
        weight = torch.softmax(-(misfit + (grid / spread) ** 2) / 2, dim=1)
        found = weight @ grid
        spread = float((weight @ grid**2 - found.mean() * (2 * found - found.mean())).mean().clamp(min=1e-8).sqrt())
        shifts = found - found.mean()
    gain = (torch.log(before / _deviations(spectra, shifts, step)) * independent).sum() / 2        # of a record
    return (shifts, spread) if float(gain) > LEAST_GAIN else (torch.zeros_like(shifts), 0.0)


def _others(aligned: Tensor) -> Tensor:
    """For each record the mean of the others."""
    return (aligned.sum(dim=0) - aligned) / (len(aligned) - 1)


def _deviations(spectra: Tensor, shifts: Tensor, step: float) -> Tensor:
    """Variance (components, nodes) of records about the mean of the others, each moved to where the record is."""
    aligned = shifted(spectra, -shifts, step)
    return ((spectra - shifted(_others(aligned), shifts, step)) ** 2).mean(dim=0) + 1e-6
