"""How much faster is one fused convolution than the parallel ones it replaces?  Forward and backward.

    python benchmarks/inception.py

Prints the ratio of the two times, measured in turn; seconds differ from machine to machine, ratios less.
"""

from __future__ import annotations

import time

import torch
from torch.nn import functional as F

from tng.timesnet import FusedInception


def parallel(inception: FusedInception, grid: torch.Tensor) -> torch.Tensor:
    """The definition: the mean of separate convolutions."""
    outputs = [F.conv2d(grid, k.weight, k.bias, padding=i) for i, k in enumerate(inception.kernels)]
    return torch.stack(outputs).mean(dim=0)


def seconds(forward, grid: torch.Tensor) -> float:
    start = time.perf_counter()
    forward(grid.clone().requires_grad_()).sum().backward()
    return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(1)
    for c_in, c_out, rows, columns, kernels, batch in ((128, 256, 60, 100, 6, 1), (32, 64, 30, 100, 6, 4), (8, 8, 120, 25, 2, 8)):
        inception, grid = FusedInception(c_in, c_out, kernels), torch.randn(batch, c_in, rows, columns)
        ratios = sorted(seconds(lambda g: parallel(inception, g), grid) / seconds(inception, grid) for _ in range(5))
        print(f"{c_in} to {c_out} channels, grid {rows} x {columns}, {kernels} kernels, batch {batch}: "
              f"{ratios[2]:.1f} times as fast (5 runs: {ratios[0]:.1f} to {ratios[-1]:.1f})")


if __name__ == "__main__":
    main()
