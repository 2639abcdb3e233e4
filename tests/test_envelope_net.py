"""The envelope network: what goes in and comes out, and that its loss is least at the power behind a record."""

import math

import pytest
import torch
from scipy import signal
from scipy.special import digamma
from torch.distributions import Gamma, Normal, kl_divergence
from torch.func import functional_call

from tng.descriptions import Description, describe
from tng.envelopes import CELLS, P_CELLS
from tng.generators.envelope_net import LEAST_SIGNAL, OVERLAP, EnvelopeNet, whittle

pytestmark = pytest.mark.usefixtures("seeded")

SAMPLES, RATE_HZ = 1500, 50.0
ONSETS = torch.tensor([[4.0, 8.0, 2.0], [2.0, 9.0, 1.2], [6.0, 7.0, 4.0], [1.0, 5.0, 3.0]], dtype=torch.float64)


def network(blocks=1, low_hz=1.0, high_hz=3.0, loosened=True, latent=3):
    """A small network in double precision; `loosened`: with a head that does something."""
    net = EnvelopeNet(SAMPLES, RATE_HZ, low_hz, high_hz, latent, 4, 4, 2, blocks).double()
    if loosened:
        torch.nn.init.normal_(net.head.weight, std=0.3)
        torch.nn.init.normal_(net.template)
    return net


def known_of(net, ln_shape, onsets, ln_noise=-40.0, ln_level=2.0):
    """The description of records whose cells have a power exp(ln_shape + ln_level) and no scatter."""
    count, power = len(onsets), torch.exp(ln_shape + ln_level).expand(len(onsets), -1, -1, -1)
    ln_noise = torch.full((count, net.count, 3), ln_noise, dtype=torch.float64)
    ln_power = torch.log(torch.exp(net.mean_level(torch.log(power), onsets)) + torch.exp(ln_noise))
    held = net.grid(onsets)[1].lengths(onsets) > 0.1
    return Description(ln_power, ln_noise, onsets, torch.zeros(count, 6, dtype=torch.float64), power + torch.exp(ln_noise)[..., None], held)


def some(net, count=4):
    onsets = ONSETS.repeat(count // 4 + 1, 1)[:count]
    return known_of(net, torch.randn(count, net.count, 3, CELLS, dtype=torch.float64), onsets, ln_noise=-1.0)


# --- in and out --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_shapes(blocks):
    net = network(blocks)
    known = some(net)
    mean, ln_variance = net.encode(known)
    assert mean.shape == ln_variance.shape == (4, 3) and (ln_variance >= -8).all() and (ln_variance <= 2).all()
    assert net.decode(mean, known.onsets).shape == (4, net.count, 3, CELLS)
    loss = whittle(net, known)
    assert loss.shape == (4,) and torch.isfinite(loss).all()
    loss.mean().backward()
    learns = {name: value for name, value in net.named_parameters() if value.requires_grad and (blocks or "norm" not in name)}
    assert all(value.grad is not None and torch.isfinite(value.grad).all() for value in learns.values())


def test_without_blocks_it_is_linear():
    net, onsets = network(0), ONSETS[:2]
    a, b = torch.randn(2, 2, 3, dtype=torch.float64)
    none = torch.zeros_like(a)
    torch.testing.assert_close(net.decode(a + b, onsets) + net.decode(none, onsets), net.decode(a, onsets) + net.decode(b, onsets))
    curved = network(1)
    assert not torch.allclose(curved.decode(a + b, onsets) + curved.decode(none, onsets), curved.decode(a, onsets) + curved.decode(b, onsets))


def test_a_record_does_not_depend_on_its_neighbours():
    net = network(2)
    known = some(net, 6)
    mean, _ = net.encode(known)
    for rows in ([0], [5, 2], [3, 3, 3]):
        torch.testing.assert_close(net.encode(known.take(rows))[0], mean[rows])
        torch.testing.assert_close(net.decode(mean[rows], known.onsets[rows]), net.decode(mean, known.onsets)[rows])
        torch.testing.assert_close(whittle(net, known.take(rows)), whittle(net, known)[rows])


def test_strength_does_not_reach_w():
    """Everything of a record times 50: the same w, the same loss."""
    net = network(1)
    known, ln = some(net), 2 * math.log(50)
    louder = Description(known.ln_power + ln, known.ln_noise + ln, known.onsets, known.polarisation, known.cells * 2500, known.held)
    torch.testing.assert_close(net.encode(louder)[0], net.encode(known)[0])
    torch.testing.assert_close(whittle(net, louder), whittle(net, known))


def test_cells_beyond_the_window_and_below_the_noise_are_not_looked_at():
    net = network(1)
    known = some(net)
    known.held[:, -4:] = False
    quiet = known.cells < 2 * torch.exp(known.ln_noise)[..., None]
    assert quiet.any()
    other = Description(known.ln_power, known.ln_noise, known.onsets, known.polarisation, known.cells.clone(), known.held)
    other.cells[..., -4:] = 1e6
    other.cells[quiet] *= 0.5
    torch.testing.assert_close(net.encode(other)[0], net.encode(known)[0])
    other.cells[quiet] *= 2
    torch.testing.assert_close(whittle(net, other), whittle(net, known))              # the loss takes quiet cells, but none outside


def test_phase_does_not_reach_it():
    """The sign of a record: no change.  All phases turned by a quarter: same strength, and same power in cells of many independent numbers."""
    net = network(1, low_hz=0.5, high_hz=12.0)
    bands, cells = net.grid(ONSETS)
    x = torch.randn(4, 3, SAMPLES, dtype=torch.float64) * torch.where(cells.time_s > 8, torch.exp(-(cells.time_s - 8) / 4), 0.05)
    turned = torch.from_numpy(signal.hilbert(x.numpy()).imag.copy())
    one, other, flipped = (describe(y, torch.tensor([[4.0, 8.0]] * 4, dtype=torch.float64), bands, cells) for y in (x, turned, -x))
    net.start_from(one)
    torch.testing.assert_close(whittle(net, flipped), whittle(net, one))
    torch.testing.assert_close(net.encode(flipped)[0], net.encode(one)[0])
    torch.testing.assert_close(other.ln_power[:, 2:], one.ln_power[:, 2:], rtol=0, atol=0.1)
    broad = (bands.width_hz[:, None] * cells.lengths(one.onsets)[:, None] > 12)[:, :, None] & one.held[:, None, None]
    broad[..., :P_CELLS + 1] = False                                                  # S is much stronger: what filters smear of it is not turned
    change = (torch.log(other.cells / one.cells))[broad.expand_as(one.cells)]
    assert len(change) > 100 and float(change.abs().mean()) < 0.2


def test_a_network_is_built_again_from_its_arguments():
    net = network(2)
    again = EnvelopeNet(**net.arguments).double()
    again.load_state_dict(net.state_dict())
    w = torch.randn(4, 3, dtype=torch.float64)
    assert torch.equal(again.decode(w, ONSETS), net.decode(w, ONSETS))
    assert not any("grid" in name for name in net.state_dict()) and "template" in net.state_dict()


# --- levels ------------------------------------------------------------------------------------------------

def test_mean_level_is_the_mean_over_the_window():
    """A plain integral over time: the power of each cell as long as the window holds it."""
    net = network()
    shape = torch.randn(4, net.count, 3, CELLS, dtype=torch.float64)
    edges = net.grid(ONSETS)[1].edges(ONSETS)
    step_s = 0.0005
    time_s = torch.arange(0, SAMPLES / RATE_HZ, step_s, dtype=torch.float64) + step_s / 2
    for b in range(4):
        cell = torch.bucketize(time_s, edges[b]) - 1
        inside = (cell >= 0) & (cell < CELLS)
        expected = torch.exp(shape[b])[..., cell[inside]].sum(dim=-1) * step_s / (SAMPLES / RATE_HZ)
        torch.testing.assert_close(torch.exp(net.mean_level(shape, ONSETS)[b]), expected, rtol=1e-3, atol=0)


def test_levels_give_a_shape_the_power_of_the_record():
    net = network()
    known, shape = some(net), torch.randn(4, net.count, 3, CELLS, dtype=torch.float64)
    known.ln_power[:] = torch.log(torch.exp(known.ln_noise) * torch.tensor([1.0, 1.5, 20.0, 1e4], dtype=torch.float64)[:, None, None])
    signal = torch.exp(net.mean_level(shape + net.levels(shape, known)[..., None], known.onsets))
    power, noise = torch.exp(known.ln_power), torch.exp(known.ln_noise)
    torch.testing.assert_close(signal[1:], (power - noise)[1:])
    torch.testing.assert_close(signal[:1], LEAST_SIGNAL * power[:1])                  # nothing above the noise: a little is taken for signal


def test_the_template_starts_at_the_mean_shape():
    net = network()
    shape = torch.randn(net.count, 3, CELLS, dtype=torch.float64)
    known = known_of(net, shape, ONSETS)
    known.held[:] = True
    net.start_from(known)
    expected = shape + (2.0 - known.ln_power).mean(dim=0)[..., None]
    torch.testing.assert_close(net.template.data, torch.log(torch.exp(expected)), rtol=1e-6, atol=1e-6)
    assert not net.template.requires_grad


# --- the loss ----------------------------------------------------------------------------------------------

def noisy(net, shape, onsets):
    """Records whose cells scatter about a shape as the power of noise does: gamma variables of ν degrees of freedom."""
    known = known_of(net, shape, onsets)
    bands, cells = net.grid(onsets)
    freedom = 2 * OVERLAP * bands.width_hz[:, None] * cells.lengths(onsets)[:, None]
    half = (freedom / 2)[:, :, None].expand_as(known.cells).clamp(min=1e-6)
    known.cells = known.cells * Gamma(half, half).sample()
    return known, freedom


def test_the_loss_of_noise_at_its_own_power():
    """In expectation ν/2 (ln ν/2 - ψ(ν/2)) a cell, the mean of ratio - ln ratio - 1 of a gamma variable."""
    net = network(0, loosened=False)
    shape = torch.randn(net.count, 3, CELLS, dtype=torch.float64)
    net.template.data.copy_(shape)
    onsets = ONSETS[:1].expand(2000, -1)
    known, freedom = noisy(net, shape, onsets)
    half = freedom[0] / 2
    expected = (half * (torch.log(half) - torch.from_numpy(digamma(half.numpy()))) * known.held[0]).sum() * 3 / (net.count * 3)
    loss = whittle(net, known, divergence=0.0).detach()
    assert float(loss.mean()) == pytest.approx(float(expected), abs=5 * loss.std().item() / math.sqrt(2000))


def test_the_loss_is_least_at_the_power_behind_the_records():
    """Not at the records' own: in expectation over the noise, every other shape is worse, and the gradient is none."""
    net = network(0, loosened=False)
    shape = torch.randn(net.count, 3, CELLS, dtype=torch.float64)
    known, _ = noisy(net, shape, ONSETS[:1].expand(3000, -1))

    def loss(template):
        parameters = dict(net.named_parameters()) | {"template": template}
        return functional_call(_Loss(net), {f"net.{name}": value for name, value in parameters.items()}, (known,))

    gradients = {}
    for name, away in (("true", 0.0), ("other", torch.linspace(-1, 1, CELLS, dtype=torch.float64)), ("too even", -0.5 * shape)):
        template = (shape + away).clone().requires_grad_()
        value = loss(template)
        gradients[name] = value.item(), torch.autograd.grad(value, template)[0].norm().item()
    assert gradients["true"][0] < min(gradients["other"][0], gradients["too even"][0])
    assert gradients["true"][1] < 0.05 * min(gradients["other"][1], gradients["too even"][1])


class _Loss(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, known):
        return whittle(self.net, known, divergence=0.0).mean()


def test_ambient_noise_is_part_of_what_is_expected():
    """Cells that hold signal and noise of their powers cost nothing; without the noise they would."""
    net = network(0, loosened=False)
    shape = torch.randn(net.count, 3, CELLS, dtype=torch.float64)
    known = known_of(net, shape, ONSETS, ln_noise=1.5)
    net.template.data.copy_(shape)
    assert whittle(net, known, divergence=0.0).abs().max().item() < 1e-9
    deaf = Description(known.ln_power, known.ln_noise - 30, known.onsets, known.polarisation, known.cells, known.held)
    assert (whittle(net, deaf, divergence=0.0) > 0.1).all()


def test_the_divergence_is_that_of_two_gaussians():
    net = network(1)
    known = some(net)
    mean, ln_variance = net.encode(known)
    expected = kl_divergence(Normal(mean, torch.exp(ln_variance / 2)), Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(dim=1)
    extra = whittle(net, known, divergence=2.0) - whittle(net, known, divergence=0.0)
    torch.testing.assert_close(extra, 2 * expected / (net.count * 3))


def test_random_numbers_belong_to_the_record():
    net = network(1)
    known, seeds = some(net), torch.tensor([5, 6, 7, 8])
    loss = whittle(net, known, seeds)
    torch.testing.assert_close(whittle(net, known.take([2, 0]), seeds[[2, 0]]), loss[[2, 0]])
    assert not torch.isclose(loss, whittle(net, known)).any() and not torch.isclose(loss, whittle(net, known, seeds + 1)).any()


def test_gradients():
    net = network(1)
    known = some(net)
    names = [name for name, value in net.named_parameters() if value.requires_grad]
    values = [value.detach().clone().requires_grad_() for name, value in net.named_parameters() if value.requires_grad]
    fixed = {"net.template": net.template}

    def loss(*parameters):
        return functional_call(_Loss(net), fixed | {f"net.{name}": value for name, value in zip(names, parameters)}, (known,))

    assert torch.autograd.gradcheck(loss, values, fast_mode=True, atol=1e-4)


def test_it_learns_what_tells_records_apart():
    """Records of two kinds, with early and with late energy: afterwards w tells which, and the loss is near that of the truth."""
    net = network(1, loosened=False, latent=2)
    early = torch.zeros(net.count, 3, CELLS, dtype=torch.float64)
    early[..., P_CELLS:] = torch.linspace(2, -4, CELLS - P_CELLS, dtype=torch.float64)
    late = early.clone()
    late[..., P_CELLS:] = torch.linspace(-1, 0.5, CELLS - P_CELLS, dtype=torch.float64)
    kind = torch.arange(40) % 2
    known, _ = noisy(net, torch.stack([early, late])[kind], ONSETS[:1].expand(40, -1))
    net.start_from(known)
    truth = known_of(net, torch.stack([early, late])[kind], known.onsets)

    @torch.no_grad()
    def off():
        """Loss, and how far shapes are from those behind the records."""
        shape = net.decode(net.encode(known)[0], known.onsets)
        error = (shape + net.levels(shape, known)[..., None] - torch.log(truth.cells))[..., :CELLS - 3]
        return whittle(net, known).mean().item(), error.abs().mean().item()

    before = off()
    optimiser = torch.optim.Adam([value for value in net.parameters() if value.requires_grad], 3e-2)
    for step in range(70):
        optimiser.zero_grad()
        whittle(net, known, torch.arange(40) + 100 * step).mean().backward()
        optimiser.step()
    w = net.encode(known)[0].detach()
    one, other = w[kind == 0].mean(dim=0), w[kind == 1].mean(dim=0)
    along = (w - (one + other) / 2) @ (one - other)
    assert ((along > 0) == (kind == 0)).double().mean() > 0.95
    after = off()
    assert after[0] < 0.1 * before[0] and after[1] < 0.7 * before[1]
