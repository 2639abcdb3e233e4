"""The network against its equations, written out plainly, and against identities that any weights obey."""

import pytest
import torch
from torch.nn import functional as F

from tng.periods import dominant_periods
from tng.timesnet import FusedInception, StationModulation, TimesBlock, TimesNetGen, moments

SMALL = dict(samples=240, d_model=6, d_ff=5, top_k=2, num_kernels=3, dropout=0.1)


pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture
def network():
    return TimesNetGen(**SMALL).double().eval()


@pytest.fixture
def x():
    return 30 * torch.randn(4, 3, 240, dtype=torch.float64) + 5


def parallel(inception, grid):
    """Equation (4) as it is defined: the mean of separate convolutions."""
    outputs = [F.conv2d(grid, k.weight, k.bias, padding=i) for i, k in enumerate(inception.kernels)]
    return torch.stack(outputs).mean(dim=0)


@pytest.mark.parametrize("rows, columns", [(60, 100), (600, 10), (1, 1024), (2, 512), (5, 205), (512, 2), (341, 3)])
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-12), (torch.float32, 5e-5)])
def test_fused_inception_is_the_mean_of_parallel_convolutions(rows, columns, dtype, tolerance):
    inception = FusedInception(3, 4, 6).to(dtype)
    for kernel in inception.kernels:
        torch.nn.init.normal_(kernel.bias)
    grid, outer = torch.randn(2, 3, rows, columns, dtype=dtype), torch.randn(2, 4, rows, columns, dtype=dtype)
    results = []
    for forward in (inception, lambda g: parallel(inception, g)):
        leaf = grid.clone().requires_grad_()
        inception.zero_grad()
        y = forward(leaf)
        y.backward(outer)
        results.append([y.detach(), leaf.grad, *(p.grad.clone() for p in inception.parameters())])
    for fused, plain in zip(*results):
        assert (fused - plain).abs().max() <= tolerance * plain.abs().max()


def plain_block(block, h):
    """Equations (2), (3) and (6) as the public code computes them: every period its own branch."""
    batch, samples, channels = h.shape
    amplitude = torch.fft.rfft(h, dim=1).abs()
    mean = amplitude.mean(0).mean(-1)
    mean[0] = 0
    bins = torch.topk(mean, block.top_k).indices
    outputs = []
    for period in (samples // bins).tolist():
        rows = -(-samples // period)
        padded = torch.cat([h, torch.zeros(batch, rows * period - samples, channels, dtype=h.dtype)], dim=1)
        grid = padded.reshape(batch, rows, period, channels).permute(0, 3, 1, 2)
        grid = parallel(block.conv[2], F.gelu(parallel(block.conv[0], grid)))
        outputs.append(grid.permute(0, 2, 3, 1).reshape(batch, -1, channels)[:, :samples])
    weights = torch.softmax(amplitude.mean(-1)[:, bins], dim=1)
    return h + (torch.stack(outputs, -1) * weights[:, None, None, :]).sum(-1)


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_block_against_the_plain_form(top_k):
    block = TimesBlock(6, 5, top_k, 3).double()
    for _ in range(5):
        h = 0.02 * torch.randn(3, 237, 6, dtype=torch.float64)        # small, so that the softmax is not saturated
        torch.testing.assert_close(block(h), plain_block(block, h), rtol=1e-10, atol=1e-12)


def test_equal_periods_are_computed_once_with_the_same_result():
    """Bins 118 and 119 of 240 samples both give a period of 2."""
    time = torch.arange(240, dtype=torch.float64)
    h = sum(torch.cos(2 * torch.pi * f * time / 240) for f in (118, 119))[None, :, None].repeat(2, 1, 6) / 100
    periods, weights = dominant_periods(h, 2)
    assert periods == [2]
    torch.testing.assert_close(weights, torch.ones(2, 1, dtype=torch.float64))
    block = TimesBlock(6, 5, 2, 3).double()
    torch.testing.assert_close(block(h), plain_block(block, h), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cycles, period", [(20, 50), (8, 125), (7, 142)])
def test_a_period_is_found(cycles, period):
    time = torch.arange(1000, dtype=torch.float64)
    h = torch.sin(2 * torch.pi * cycles * time / 1000)[None, :, None] + 10          # the mean value is not a period
    assert dominant_periods(h, 1)[0] == [period]


def test_periods_depend_on_the_batch_and_a_record_alone_does_not():
    """The published choice: one list of periods a batch."""
    time = torch.arange(240, dtype=torch.float64)
    quiet, loud = (a * torch.sin(2 * torch.pi * f * time / 240)[:, None] for a, f in ((1, 10), (50, 24)))
    assert dominant_periods(quiet[None], 1)[0] == [24]
    assert dominant_periods(torch.stack([quiet, loud]), 1)[0] == [10]


def test_modulation_is_a_one_hot_code_through_a_1x1_convolution_of_the_grid():
    modulation = StationModulation(6, 4).double()
    torch.nn.init.normal_(modulation.mix.weight)
    torch.nn.init.normal_(modulation.shift.weight)
    h, station = torch.randn(3, 35, 6, dtype=torch.float64), torch.tensor([2, 0, 3])
    grid = h.reshape(3, 5, 7, 6).permute(0, 3, 1, 2)
    one_hot = F.one_hot(station, 4).double()[:, :, None, None].expand(-1, -1, 5, 7)
    weight = torch.cat([modulation.mix.weight, modulation.shift.weight.T], dim=1)[:, :, None, None]
    expected = F.conv2d(torch.cat([grid, one_hot], 1), weight)
    torch.testing.assert_close(modulation(h, station).reshape(3, 5, 7, 6).permute(0, 3, 1, 2), expected)


def test_conditioning_starts_as_the_same_function(network, x):
    conditioned = network.with_stations(5).eval()
    for station in range(5):
        torch.testing.assert_close(conditioned(x, torch.full((4,), station)), network(x), rtol=1e-12, atol=0)


def test_stations_matter_once_they_are_learned(network, x):
    conditioned = network.with_stations(2).eval()
    torch.nn.init.normal_(conditioned.blocks[0].modulation.shift.weight)
    a, b = (conditioned(x, torch.full((4,), s)) for s in (0, 1))
    assert (a - b).abs().max() > 1e-3


def test_decoding_an_average_is_averaging_what_is_decoded(network, x):
    """Equation (7) is affine and the weights sum to one, so equation (11) is an average; for any weights."""
    with torch.no_grad():
        z, mean, scale = network.encode(x)
        generated = network.decode(*(v.mean(dim=0, keepdim=True) for v in (z, mean, scale)))[0]
        normalised = torch.cat([network.decode(z[i:i + 1], torch.zeros(1, 3, 1), torch.ones(1, 3, 1)) for i in range(4)])
    average = normalised.mean(dim=0) * scale.mean(dim=0) + mean.mean(dim=0)
    torch.testing.assert_close(generated, average, rtol=1e-12, atol=1e-10)


def test_moments_are_those_of_the_public_code(x):
    mean, scale = moments(x)
    torch.testing.assert_close(mean, x.mean(-1, keepdim=True))
    torch.testing.assert_close(scale, torch.sqrt(((x - mean) ** 2).mean(-1, keepdim=True) + 1e-5))


def test_a_record_ten_times_as_strong_has_the_same_code(network, x):
    with torch.no_grad():
        a, b = network.encode(x)[0], network.encode(1000 * x)[0]
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_number_of_weights_at_the_papers_size():
    with torch.device("meta"):
        paper = TimesNetGen(samples=6000, d_model=128, d_ff=256, top_k=2, num_kernels=6)
    assert sum(p.numel() for p in paper.parameters()) == 38_260_355


def test_noise_is_added_to_the_code(network, x):
    with torch.no_grad():
        quiet, none = network(x, noise_std=torch.zeros(6, dtype=torch.float64)), network(x)
        noisy = network(x, noise_std=torch.full((6,), 0.5, dtype=torch.float64))
    torch.testing.assert_close(quiet, none)
    assert (noisy - none).abs().max() > 0.1


def test_stations_are_asked_for_and_refused(network, x):
    with pytest.raises(ValueError, match="without stations"):
        network(x, torch.zeros(4, dtype=torch.long))
    with pytest.raises(ValueError, match="give the station numbers"):
        network.with_stations(3)(x)


# the described configuration

DESCRIBED = {**SMALL, "latent": 4, "latent_stride": 8, "decoder_blocks": 2}


@pytest.fixture
def described():
    return TimesNetGen(**DESCRIBED).double().eval()


def test_the_two_configurations_share_every_block(network, described):
    """A published state loads by name; what is left over is the bottleneck and the decoder."""
    missing, unexpected = described.load_state_dict(network.state_dict(), strict=False)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"bottleneck", "decoder_blocks", "decoder_norm"}
    assert all(type(a) is type(b) for a, b in zip(described.all_blocks, [*network.blocks, *network.blocks]))


@pytest.mark.parametrize("samples", [240, 237])
def test_the_bottleneck_is_as_small_as_it_says(samples):
    net = TimesNetGen(**{**DESCRIBED, "samples": samples}).eval()
    x = torch.randn(2, 3, samples)
    z, mean, scale = net.encode(x)
    assert z.shape == (2, 30, 4) and net.code_width == 4 and not net.linear_decoder
    assert net.decode(z, mean, scale).shape == x.shape


def test_each_step_of_the_bottleneck_sees_its_own_samples_only(described):
    """Narrow, then widen: samples 16 to 23 are steps 2 alone."""
    h = torch.randn(1, 240, 6, dtype=torch.float64)
    other = h.clone()
    other[:, 16:24] += 1
    difference = (described.bottleneck.up(described.bottleneck.down(h)) - described.bottleneck.up(described.bottleneck.down(other))).abs().sum(-1)[0]
    assert (difference[16:24] > 0).all() and difference.sum() == difference[16:24].sum()


def test_a_decoder_with_blocks_is_not_an_average(described, x):
    with torch.no_grad():
        z, mean, scale = described.encode(x)
        one = torch.ones_like(scale[:1])
        generated = described.decode(z.mean(0, keepdim=True), 0 * one, one)[0]
        average = torch.cat([described.decode(z[i:i + 1], 0 * one, one) for i in range(4)]).mean(0)
    assert (generated - average).norm() > 0.05 * average.norm()


def test_conditioning_of_the_described_network_reaches_encoder_and_decoder(described, x):
    conditioned = described.with_stations(3).eval()
    station = torch.tensor([0, 1, 2, 0])
    torch.testing.assert_close(conditioned(x, station), described(x), rtol=1e-12, atol=0)
    assert sum(".modulation.shift" in name for name, _ in conditioned.named_parameters()) == 4
    z, mean, scale = conditioned.encode(x, station)
    torch.nn.init.normal_(conditioned.decoder_blocks[1].modulation.shift.weight)
    a, b = (conditioned.decode(z, mean, scale, torch.full((4,), s)) for s in (0, 1))
    assert (a - b).abs().max() > 1e-3
    with pytest.raises(ValueError, match="give the station numbers"):
        conditioned.decode(z, mean, scale)


@pytest.mark.parametrize("arguments", [SMALL, DESCRIBED])
@pytest.mark.parametrize("choice", ["batch", "sample"])
def test_recomputing_gives_the_same_gradients(arguments, choice, x):
    net = TimesNetGen(**arguments, period_choice=choice).double()
    seeds = torch.arange(4)
    gradients = []
    for net.recompute in (False, True):
        net.zero_grad()
        (net(x, seeds=seeds, noise_std=torch.ones(net.code_width, dtype=torch.float64)) ** 2).mean().backward()
        gradients.append([p.grad.clone() for p in net.parameters()])
    for a, b in zip(*gradients):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_half_precision_costs_half_a_percent_not_the_record(x):
    net = TimesNetGen(**{**SMALL, "d_model": 16}, period_choice="corpus", periods=(24, 7)).eval()
    with torch.no_grad():
        full = net(x.float())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = net(x.float())
    assert half.dtype == torch.float32
    assert 0 < (half - full).norm() < 0.02 * full.norm()


def test_dropout_and_noise_come_from_the_records_seeds(x):
    net = TimesNetGen(**SMALL, period_choice="sample").double()
    noise, seeds = torch.ones(6, dtype=torch.float64), torch.tensor([5, 6, 7, 8])
    together = net(x, noise_std=noise, seeds=seeds)
    apart = torch.cat([net(x[i:i + 1], noise_std=noise, seeds=seeds[i:i + 1]) for i in (0, 1, 2, 3)])
    torch.testing.assert_close(together, apart, rtol=1e-10, atol=1e-10)
    assert (together - net(x, noise_std=noise, seeds=seeds + 1)).norm() > 0.1 * together.norm()
