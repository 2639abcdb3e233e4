"""Shapes, parameters and operations are those that can be worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tng import flops
from tng.timesnet import FusedInception, TimesNetGen

PAPER = dict(samples=6000, d_model=128, d_ff=256, top_k=2, num_kernels=6, period_choice="corpus", periods=(60, 75))


def paper_network(**changes) -> TimesNetGen:
    """The network at the paper's size, without its numbers."""
    with torch.device("meta"):
        return TimesNetGen(**{**PAPER, **changes}).eval()


def record() -> torch.Tensor:
    return torch.empty(1, 3, 6000, device="meta")


def test_fused_inception_has_121_taps_and_separate_kernels_286() -> None:
    layer, grid = FusedInception(4, 7, 6), torch.randn(2, 4, 30, 20)
    a_tap = 2 * grid.shape[0] * 4 * 7 * 30 * 20                     # one multiply-add a channel pair and grid point
    assert flops.flops(layer, grid)["total"] == 121 * a_tap == 11**2 * a_tap
    with flops.separate_kernels(layer):
        assert flops.flops(layer, grid)["total"] == 286 * a_tap == sum((2 * i + 1) ** 2 for i in range(6)) * a_tap
    assert flops.flops(layer, grid)["total"] == 121 * a_tap, "the layer is left as it was"


def test_separate_kernels_compute_the_same() -> None:
    network = TimesNetGen(samples=64, d_model=4, d_ff=6, top_k=2, num_kernels=3).double().eval()
    x = torch.randn(3, 3, 64, dtype=torch.float64)
    with torch.no_grad():
        fused = network(x)
        with flops.separate_kernels(network):
            separate = network(x)
    assert (fused - separate).abs().max() < 1e-12 * fused.abs().max()


def test_cropped_kernels_cost_less() -> None:
    """A grid of 3 rows meets 5 of the 11 rows of the kernel."""
    layer, grid = FusedInception(1, 1, 6), torch.randn(1, 1, 3, 40)
    assert flops.flops(layer, grid)["total"] == 2 * 5 * 11 * 3 * 40


def test_the_papers_size() -> None:
    network = paper_network()
    count = flops.parameters(network)
    assert sum(count.values()) == 38_260_355 and count["position"] == 768_000
    fused = flops.flops(network, record())
    assert fused["total"] == pytest.approx(381e9, rel=0.002)
    with flops.separate_kernels(network):
        assert flops.flops(network, record())["total"] == pytest.approx(900e9, rel=0.002)
    # 8 inception layers, every one of 6000 grid points, 128 × 256 channel pairs, 121 taps; embedding and head
    assert fused["total"] == 8 * 2 * 6000 * 128 * 256 * 121 + 2 * 2 * 6000 * 3 * 128
    assert fused["total"] == sum(value for name, value in fused.items() if name != "total")


def test_backward_costs_twice_the_forward_pass() -> None:
    """Each convolution is used twice more, for the gradients of its input and of its kernel."""
    network = paper_network()
    forward = flops.flops(network, record())["total"]
    assert flops.flops(network, record(), backward=True)["total"] == pytest.approx(3 * forward, rel=1e-4)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_shapes_are_those_that_pass_through() -> None:
    seen = flops.shapes(paper_network(), record())
    assert ("embedding", (1, 6000, 3), (1, 6000, 128)) in seen
    assert ("blocks.1.conv.0", (1, 128, 80, 75), (1, 256, 80, 75)) in seen
    assert seen[-1] == ("", (1, 3, 6000), (1, 3, 6000))
    network = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    flops.shapes(network, torch.randn(4, 3))
    assert not network[0]._forward_hooks, "hooks are taken away"


def test_described_network_has_a_bottleneck_and_decoder_blocks() -> None:
    with torch.device("meta"):
        network = paper_network(latent=32, latent_stride=8, decoder_blocks=2).with_stations(5)
        station = torch.zeros(1, dtype=torch.long)
    count, cost = flops.parameters(network), flops.flops(network, record(), station)
    assert {"bottleneck", "decoder_blocks.0", "decoder_blocks.1"} <= set(count)
    assert cost["decoder_blocks.0"] == cost["blocks.0"] > 0.99 * cost["total"] / 4
    assert (1, 750, 32) in [out for _, _, out in flops.shapes(network, record(), station)]


def test_kept_for_backward_by_hand() -> None:
    """A linear layer keeps its input, tanh its output; weights are there anyway."""
    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    assert flops.kept_for_backward(network, torch.randn(7, 3)) == 4 * 7 * (3 + 5)
    assert flops.kept_for_backward(network.to("meta"), torch.empty(7, 3, device="meta")) == 4 * 7 * (3 + 5)


def test_a_training_step_at_the_papers_size_keeps_few_gigabytes() -> None:
    """The merged kernels, and in each branch what goes into and comes out of the GELU and the last convolution."""
    network, x = paper_network(), torch.empty(32, 3, 6000, device="meta")
    whole = flops.kept_for_backward(network, x)
    branch = 4 * 6000 * (2 * 256 + 128)                             # around the GELU, and the output that is weighted
    kernels = 4 * 128 * 256 * 121
    assert 32 * 4 * branch + 8 * kernels < whole < 1.4 * (32 * 4 * branch + 8 * kernels)
    network.recompute = True
    assert flops.kept_for_backward(network, x) < 0.5 * whole
