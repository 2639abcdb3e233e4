"""Training steps of the public code and ours on a GPU, in every precision, set against what the chip can do.

Called by ``benchmarks/public_code.py --device cuda``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from _turns import compare, seconds, table
from torch import Tensor, nn

from tng import config
from tng.flops import flops
from tng.phases import reconstruction_loss
from tng.processes import arithmetic, fabric
from tng.timesnet import TimesNetGen


PRECISIONS = ("32-true", "tf32", "bf16-mixed")
# Precision, choice of periods, shapes for which the network is compiled, whether it is recomputed in the backward pass.
# With periods of the corpus, shapes change with the size of the batch only.
WAYS = [(precision, "batch", *way) for precision in PRECISIONS for way in (("", False), ("dynamic", False), ("", True))]
WAYS += [("bf16-mixed", "corpus", shapes, False) for shapes in ("", "dynamic", "static")]


def matrix_rate(device: str, n: int = 8192, repeat: int = 50) -> float:
    """Operations a second of the chip's bfloat16 matrix product."""
    a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
    a @ b
    return repeat * 2 * n**3 / seconds(lambda: [a @ b for _ in range(repeat)], device)


def with_periods(network: TimesNetGen, periods: list[int]) -> TimesNetGen:
    """The same weights, with these periods whatever comes in."""
    fixed = TimesNetGen(**{**network.arguments, "period_choice": "corpus", "periods": tuple(periods)})
    fixed.load_state_dict(network.state_dict())
    return fixed.to(network.position)


def stepper(network: nn.Module, x: Tensor, settings: config.Settings, shapes: str) -> Callable:
    """A training step of ours on a batch that stays the same; compiled if `shapes` is ``dynamic`` (as in a training) or ``static``."""
    device = fabric(settings)
    network.train()
    network.recompute = settings.recompute
    if shapes == "dynamic":
        network.compile_blocks()
    elif shapes == "static":
        for block in network.all_blocks:
            block.conv.compile(dynamic=False)
    network, optimiser = device.setup(network, torch.optim.AdamW(network.parameters(), lr=1e-6))
    loss = reconstruction_loss(settings)
    seeds = torch.arange(len(x))

    def step() -> None:
        with arithmetic(settings):
            optimiser.zero_grad()
            device.backward(loss(network, {"x": x, "seeds": seeds}, 0.0))
            device.clip_gradients(network, optimiser, max_norm=settings.clip, error_if_nonfinite=False)
            optimiser.step()

    return step


def public_stepper(network: nn.Module, x: Tensor) -> Callable:
    """A step of the public training script, in the precision that PyTorch chooses by itself."""
    network.train()
    optimiser, x = torch.optim.AdamW(network.parameters(), lr=1e-6), x.transpose(1, 2).contiguous()

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        nn.functional.mse_loss(network(x), x).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), max_norm=1.0)
        optimiser.step()

    return step


def held_gib() -> float:
    return torch.cuda.memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0


def peak_gib(step: Callable) -> float:
    """Most that is held on the device during a step, after two that warm up (and compile)."""
    step(), step()
    if not torch.cuda.is_available():
        return float("nan")
    torch.cuda.reset_peak_memory_stats()
    step()
    return torch.cuda.max_memory_allocated() / 2**30


def steps_of_all_precisions(settings: config.Settings, theirs: nn.Module, ours: TimesNetGen, x: Tensor, periods: list[int], rounds: int) -> None:
    """Steps of Phase 0: ratio, rate, share of the measured bfloat16 matrix rate, peak memory of the network and its step.

    `periods` are those by which the batch is folded; as periods of the corpus they make the same work.
    """
    matrix = matrix_rate(settings.device)
    with arithmetic(settings):
        work = flops(ours, x, backward=True)["total"]
    print(f"measured bfloat16 matrix rate: {matrix / 1e12:.1f} TFLOP/s; a step of {len(x)} records: {work / 1e12:.1f} TFLOP")
    others = held_gib()
    their_step = public_stepper(copy.deepcopy(theirs), x)
    print(f"peak memory of the public code's step: {peak_gib(their_step) - others:.1f} GiB")
    for precision, choice, shapes, recompute in WAYS:
        torch.compiler.reset()
        others = held_gib()
        network = copy.deepcopy(ours) if choice == "batch" else with_periods(ours, periods)
        step = stepper(network, x, settings.model_copy(update=dict(precision=precision, recompute=recompute)), shapes)
        peak = peak_gib(step) - others
        how = " ".join([precision, *["fixed periods"] * (choice == "corpus"), *[f"compiled {shapes}"] * bool(shapes), *["recomputed"] * recompute])
        fast = compare(f"step of {len(x)}, two tones: {how}", their_step, step, settings.device, rounds)
        table[-1].update(tflops=work / fast / 1e12, share=work / fast / matrix, peak_gib=peak)
        print(f"{'':<58} {work / fast / 1e12:.1f} TFLOP/s, {work / fast / matrix:.0%} of the matrix rate, peak memory {peak:.1f} GiB")
        del network, step
