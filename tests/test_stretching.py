"""Resonances that move: shifts that are known are found again, and none where there are none."""

import math

import pytest
import torch

from tng.envelopes import Bands, band_limits
from tng.generators.station import Nodes
from tng.generators.stretching import registered, shifted

pytestmark = pytest.mark.usefixtures("seeded")

STEP, NODES = 0.02, 180
LN_HZ = STEP * torch.arange(NODES, dtype=torch.float64)


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def noise(records, size):
    """Like that of smoothed spectra: three nodes in four tell what their neighbours tell."""
    kernel = torch.exp(-0.5 * (torch.arange(-8, 9, dtype=torch.float64) / 1.5) ** 2)
    smooth = torch.nn.functional.conv1d(normal(2 * records, 1, NODES + 16), (kernel / (kernel**2).sum().sqrt())[None, None])
    return size * smooth.reshape(records, 2, NODES)


INDEPENDENT = torch.full((NODES,), 1 / (2 * math.sqrt(math.pi) * 1.5), dtype=torch.float64)


def resonances(by=0.0):
    """Two components with peaks at three frequencies, all moved alike."""
    by = torch.as_tensor(by, dtype=torch.float64).reshape(-1, 1)
    peaks = sum(size * torch.exp(-0.5 * ((LN_HZ - at - by) / 0.06) ** 2) for at, size in ((0.8, 1.5), (1.9, 1.2), (2.6, 0.8)))
    return torch.stack([peaks, 0.7 * peaks], dim=1)


def test_a_curve_moved_is_the_same_curve_elsewhere():
    curve = resonances()
    assert torch.equal(shifted(curve, torch.zeros(3, dtype=torch.float64), STEP), curve.expand(3, -1, -1))
    whole = shifted(curve, torch.tensor([3 * STEP, -2 * STEP], dtype=torch.float64), STEP)
    torch.testing.assert_close(whole[0, :, 3:], curve[0, :, :-3])
    torch.testing.assert_close(whole[1, :, :-2], curve[0, :, 2:])
    torch.testing.assert_close(whole[0, :, :3], curve[0, :, :1].expand(-1, 3))           # held at the end
    torch.testing.assert_close(shifted(curve, torch.tensor([0.05], dtype=torch.float64), STEP), resonances(0.05), rtol=0, atol=0.03)
    line = LN_HZ.expand(1, 1, -1)
    torch.testing.assert_close(shifted(line, torch.tensor([0.013], dtype=torch.float64), STEP)[..., 2:], line[..., 2:] - 0.013)


def test_known_shifts_are_found():
    shifts = 0.05 * normal(15)
    shifts = shifts - shifts.mean()
    spectra = resonances(shifts) + noise(15, 0.2)
    found, spread = registered(spectra, INDEPENDENT, STEP)
    assert float((found - shifts).std()) < 0.2 * float(shifts.std()) and abs(float(found.mean())) < 1e-9
    assert spread == pytest.approx(float(shifts.std()), rel=0.1)
    sharp, blurred = (float((resonances()[0] - mean).abs().max()) for mean in (shifted(spectra, -found, STEP).mean(dim=0), spectra.mean(dim=0)))
    assert sharp < 0.6 * blurred                                                         # what the mean of wandering peaks loses


@pytest.mark.parametrize("records", [1, 2, 3, 8, 40])
@pytest.mark.parametrize("peaks", [True, False])
def test_nothing_moves_where_there_is_only_noise(records, peaks):
    """Neither with peaks that stay where they are nor without any, however few the records."""
    spectra = peaks * resonances() + noise(records, 0.3)
    found, spread = registered(spectra, INDEPENDENT, STEP)
    assert spread == 0 and not found.any()


def nodes_of():
    bands = Bands(3000, 50.0, *band_limits(50.0, 60.0), torch.zeros(1, dtype=torch.float64))
    return Nodes(bands), bands


def test_only_horizontals_move():
    nodes, _ = nodes_of()
    curve = normal(3, len(nodes.ln_hz))
    moved = nodes.stretched(curve[None], torch.tensor([0.03, 0.0], dtype=torch.float64))
    assert torch.equal(moved[1], curve) and torch.equal(moved[0, 2], curve[2]) and not torch.equal(moved[0, 0], curve[0])


def test_power_that_moves_with_a_resonance():
    """A power law is stronger by slope × shift in every band; nothing moved adds nothing."""
    nodes, bands = nodes_of()
    law = 0.5 * nodes.ln_hz.expand(3, -1)
    added = nodes.moved_power(law, torch.tensor([0.04, 0.0], dtype=torch.float64))
    assert max(float(added[1].abs().max()), float(added[0, :, 2].abs().max())) < 1e-12
    torch.testing.assert_close(added[0, 1:-1, :2], torch.full((bands.count - 2, 2), -0.04, dtype=torch.float64), rtol=0, atol=2e-3)


def test_shifts_are_independent_of_units():
    spectra = resonances(0.04 * normal(6)) + noise(6, 0.1)
    (one, spread), (other, same) = registered(spectra, INDEPENDENT, STEP), registered(spectra + math.log(7), INDEPENDENT, STEP)
    torch.testing.assert_close(one, other)
    assert spread == pytest.approx(same) and spread > 0.01
