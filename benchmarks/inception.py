"""How much faster is one fused convolution than the parallel ones it replaces?  Forward and backward, one thread.

    python benchmarks/inception.py

Prints the ratio of the two times, measured in turn; seconds differ from machine to machine, ratios less.  The fused one is
measured with both layouts that a grid can have: folding a sequence gives one with channels last; copied, they come first.
"""

from __future__ import annotations

import statistics

import torch
from _turns import seconds
from torch.nn import functional as F

from tng.timesnet import FusedInception

CASES = ((128, 256, 60, 100, 6, 1), (32, 64, 30, 100, 6, 4), (8, 8, 120, 25, 2, 8))       # channels, grid, kernels, batch


def parallel(inception: FusedInception, grid: torch.Tensor) -> torch.Tensor:
    """The definition: the mean of separate convolutions."""
    outputs = [F.conv2d(grid, k.weight, k.bias, padding=i) for i, k in enumerate(inception.kernels)]
    return torch.stack(outputs).mean(dim=0)


def passes(forward, grid: torch.Tensor) -> None:
    """There and back, with the gradient of the grid; the layout stays as it is."""
    forward(grid.detach().requires_grad_()).square().mean().backward()


def main() -> None:
    torch.set_num_threads(1)
    for c_in, c_out, rows, columns, kernels, batch in CASES:
        inception, grid = FusedInception(c_in, c_out, kernels), torch.randn(batch, c_in, rows, columns)
        last = grid.contiguous(memory_format=torch.channels_last)
        turns = [[seconds(lambda: passes(forward, x), "cpu") for forward, x in
                  ((lambda g: parallel(inception, g), grid), (inception, grid), (inception, last))] for _ in range(5)]
        plain, first, folded = (statistics.median(column) for column in zip(*turns))
        print(f"{c_in} to {c_out} channels, grid {rows} x {columns}, {kernels} kernels, batch {batch}: {plain / first:.1f} times as fast "
              f"with channels first, {plain / folded:.1f} with channels last")


if __name__ == "__main__":
    main()
