"""What a network is made of and what it costs: shapes, parameters, floating-point operations, memory of a training step.

All of it is found by running the network, on the meta device if need be, where tensors have shapes but no numbers, so
that a network of any size costs nothing.  A multiplication and an addition are two operations; convolutions and matrix
products are counted, which are nearly all there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from tng.timesnet import FusedInception


def part(name: str) -> str:
    """The part of a network that a parameter or module belongs to: its first name, with the number in a list of blocks.

    >>> part("blocks.1.conv.0.kernels.3.weight"), part("head.bias")
    ('blocks.1', 'head')
    """
    first, *rest = name.split(".")
    return f"{first}.{rest[0]}" if rest and rest[0].isdigit() else first


def parameters(network: nn.Module) -> dict[str, int]:
    """How many numbers each part learns; together they are all parameters."""
    found: dict[str, int] = {}
    for name, value in network.named_parameters():
        found[part(name)] = found.get(part(name), 0) + value.numel()
    return found


def shapes(network: nn.Module, *inputs: Tensor, **named: Tensor) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """What goes into and comes out of every module, in the order in which they finish: (name, shape in, shape out)."""
    seen: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []

    def watch(name: str):
        def note(module, arguments, result):
            if arguments and isinstance(arguments[0], Tensor) and isinstance(result, Tensor):
                seen.append((name, tuple(arguments[0].shape), tuple(result.shape)))
        return note

    hooks = [module.register_forward_hook(watch(name)) for name, module in network.named_modules()]
    try:
        with torch.no_grad():
            network(*inputs, **named)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def flops(network: nn.Module, *inputs: Tensor, backward: bool = False, **named: Tensor) -> dict[str, int]:
    """Floating-point operations of one pass, of each part and in total.

    With `backward` the total is that of a training step, the gradients of all parameters included; parts are still
    those of the forward pass.
    """
    with torch.set_grad_enabled(backward), FlopCounterMode(display=False) as counter:
        result = network(*inputs, **named)
        counts = {name: sum(count.values()) for name, count in counter.get_flop_counts().items()}
        if backward:
            result.sum().backward()
            network.zero_grad(set_to_none=True)
    root = f"{type(network).__name__}."
    modules = {name.removeprefix(root): count for name, count in counts.items() if name.startswith(root)}
    parts: dict[str, int] = {}
    for name, count in modules.items():
        if not any(name.startswith(f"{other}.") for other in modules):       # the outermost module that was called
            parts[part(name)] = parts.get(part(name), 0) + count
    return {**parts, "total": counter.get_total_flops()}


def kept_for_backward(network: nn.Module, *inputs: Tensor, **named: Tensor) -> int:
    """Bytes that a forward pass keeps for the backward pass, without the parameters themselves.

    With the weights, their gradients and the optimiser's moments this is most of what a training step holds; what single
    operations need for themselves comes on top.
    """
    parameters = {one.untyped_storage()._cdata for one in network.parameters()}
    kept: dict[int, Tensor] = {}                                             # holding a tensor keeps its address from being given away

    def note(value: Tensor) -> Tensor:
        storage = value.untyped_storage()._cdata
        if storage not in parameters:
            kept[storage] = value
        return value

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        result = network(*inputs, **named)
    total = sum(value.untyped_storage().nbytes() for value in kept.values())
    del result
    return total


@contextmanager
def separate_kernels(network: nn.Module) -> Iterator[None]:
    """Inside, every inception layer convolves with its kernels one after the other and averages, as the public code does.

    The function stays the same; what it costs does not.
    """
    layers = [module for module in network.modules() if isinstance(module, FusedInception)]

    def one_by_one(layer: FusedInception):
        return lambda grid: torch.stack([F.conv2d(grid, kernel.weight, kernel.bias, padding=kernel.weight.shape[-1] // 2)
                                         for kernel in layer.kernels]).mean(dim=0)

    for layer in layers:
        layer.forward = one_by_one(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
