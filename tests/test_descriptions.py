"""Descriptions: what they say of records made to order, and how they follow when a record is scaled, moved, turned over or renamed."""

import math

import numpy as np
import pytest
import torch

from tng.descriptions import DURATIONS_S, LEAST_LAG_S, MOST_CORRELATED, Description, _partial, describe, mixing_matrix
from tng.envelopes import CELLS, Bands, Cells, band_limits

pytestmark = pytest.mark.usefixtures("seeded")

LIKE = torch.zeros(1, dtype=torch.float64)
FIELDS = ("ln_power", "ln_noise", "onsets", "polarisation", "cells", "held")


def grid(samples=3000, rate_hz=50.0):
    return Bands(samples, rate_hz, *band_limits(rate_hz, samples / rate_hz), LIKE), Cells(samples, rate_hz, LIKE)


def noise(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def record(n, samples=3000, rate_hz=50.0, p=10.0, s=14.0, decay=4.0, ambient=0.0, mix=None):
    """Noise that starts at P, is stronger from S on and decays from there; polarised by matrices (n, 3, 3), over ambient noise."""
    time_s = torch.arange(samples, dtype=torch.float64) / rate_hz
    envelope = torch.where(time_s >= s, torch.exp(-(time_s - s) / decay), torch.where(time_s >= p, 0.3, 0.0))
    waves = noise(n, 3, samples) if mix is None else mix @ noise(n, 3, samples)
    return 100 * waves * envelope + ambient * noise(n, 3, samples)


def told(x, p=10.0, s=14.0, rate_hz=50.0, **how):
    return describe(x, torch.tensor([[p, s]], dtype=torch.float64).expand(len(x), -1), *grid(x.shape[-1], rate_hz), **how)


def correlations(n=400):
    """Random correlation matrices (n, 3, 3), of all strengths."""
    loose = noise(n, 3, 6) * torch.rand(n, 1, 6, dtype=torch.float64)
    matrix = loose @ loose.transpose(1, 2)
    size = torch.sqrt(torch.diagonal(matrix, dim1=1, dim2=2))
    return matrix / size[:, :, None] / size[:, None, :]


# --- polarisation -----------------------------------------------------------------------------------------

def test_three_numbers_are_a_correlation_matrix():
    """To the three numbers and back: the matrix again, wherever no correlation is beyond what is held."""
    matrices = correlations()
    mixing = mixing_matrix(_partial(matrices))
    again = mixing @ mixing.transpose(1, 2)
    partial = torch.tanh(_partial(matrices)).abs().amax(dim=1)
    held = partial < MOST_CORRELATED - 1e-9
    assert held.double().mean() > 0.8
    torch.testing.assert_close(again[held], matrices[held])
    torch.testing.assert_close(torch.diagonal(again, dim1=1, dim2=2), torch.ones(len(again), 3, dtype=torch.float64))


def test_any_three_numbers_will_do():
    numbers = 3 * noise(500, 3)
    mixing = mixing_matrix(numbers)
    assert torch.equal(mixing, mixing.tril()) and (torch.diagonal(mixing, dim1=1, dim2=2) > 0).all()
    matrix = mixing @ mixing.transpose(1, 2)
    assert float(torch.linalg.eigvalsh(matrix).min()) > 0
    small = (numbers.abs().amax(dim=1) < 2) & ((matrix * (1 - torch.eye(3, dtype=torch.float64))).abs().amax(dim=(1, 2)) < MOST_CORRELATED)
    torch.testing.assert_close(_partial(matrix)[small], numbers[small])
    torch.testing.assert_close(mixing_matrix(torch.zeros(1, 3, dtype=torch.float64))[0], torch.eye(3, dtype=torch.float64))


def test_partial_correlation_against_regression():
    """The third number is Fisher's z of the correlation of what E leaves open of N and Z."""
    data = np.random.default_rng(0).standard_normal((3, 4000))
    data = np.array([[1, 0, 0], [0.6, 1, 0], [-0.4, 0.8, 1]]) @ data
    matrix = np.corrcoef(data)
    centred = data - data.mean(axis=1, keepdims=True)
    rest = [row - (row @ centred[0]) / (centred[0] @ centred[0]) * centred[0] for row in centred[1:]]
    expected = np.arctanh([matrix[0, 1], matrix[0, 2], np.corrcoef(rest)[0, 1]])
    np.testing.assert_allclose(_partial(torch.from_numpy(matrix)[None])[0].numpy(), expected, rtol=1e-9)


def test_polarisation_of_p_and_of_s_apart():
    """Two matrices in, the same two out, on average over records."""
    numbers = torch.tensor([[0.8, -0.5, 0.3], [-0.4, 0.2, -0.9]], dtype=torch.float64)
    of_p, of_s = (mixing_matrix(one[None]) @ noise(40, 3, 3000) for one in numbers)
    time_s = torch.arange(3000) / 50
    x = torch.where(time_s >= 35, of_s, of_p) * ((time_s >= 10) & (time_s < 50))      # as strong and as long: filters smear one into the other
    found = told(x, 10.0, 35.0).polarisation.mean(dim=0).unflatten(0, (2, 3))
    torch.testing.assert_close(found, numbers, rtol=0, atol=0.08)


def test_a_wave_of_one_direction_is_fully_polarised():
    """P moves all three components alike: every correlation is as high as is held, with the signs of the direction."""
    direction = torch.tensor([0.5, -0.4, 1.0], dtype=torch.float64)
    x = noise(20, 1, 3000) * direction[:, None]
    x[..., :500] = 0
    matrix = (mixing := mixing_matrix(told(x).polarisation[:, :3])) @ mixing.transpose(1, 2)
    signs = torch.sign(direction[:, None] * direction)
    torch.testing.assert_close(matrix[:, 0], (MOST_CORRELATED * signs[0]).expand(20, -1).clone().index_fill_(1, torch.tensor([0]), 1.0))
    assert (matrix[:, 1, 2] * signs[1, 2] > 0.9).all()


def test_strong_bands_do_not_rule_polarisation():
    """One frequency band, however strong, has one vote."""
    x, (bands, _) = record(30), grid()
    at = 7
    strong = 30 * bands.split(x)[:, at].sum(dim=1, keepdim=True)                      # the same in all components
    found = told(x + strong).polarisation[:, 3:]
    assert float(found.abs().mean()) < 0.35


# --- how a description follows its record -------------------------------------------------------------------

def test_scaling_moves_ln_power_only():
    x = record(4, ambient=1.0)
    once, louder = told(x), told(7 * x)
    change = 2 * math.log(7)
    torch.testing.assert_close(louder.ln_power, once.ln_power + change)
    torch.testing.assert_close(louder.ln_noise, once.ln_noise + change, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(louder.cells, 49 * once.cells)
    for name in ("onsets", "polarisation"):
        torch.testing.assert_close(getattr(louder, name), getattr(once, name), rtol=1e-6, atol=1e-8)
    assert torch.equal(louder.held, once.held)


def test_a_mean_that_is_not_zero_changes_nothing():
    x = record(3, ambient=1.0)
    one, other = told(x), told(x + torch.tensor([5.0, -80.0, 300.0], dtype=torch.float64)[:, None])
    for name in FIELDS[:5]:
        torch.testing.assert_close(getattr(other, name), getattr(one, name), rtol=1e-6, atol=1e-9)


def test_a_record_that_comes_later_has_later_onsets_only():
    x = record(4, p=25.0, s=29.0, decay=1.5)
    x[..., -400:] = 0
    later = torch.roll(x, 400, dims=-1)                                               # 8 s; what goes round is silence
    one, other = told(x, 25.0, 29.0), told(later, 33.0, 37.0)
    torch.testing.assert_close(other.onsets, one.onsets + torch.tensor([8.0, 8.0, 0.0], dtype=torch.float64), rtol=0, atol=0.021)
    torch.testing.assert_close(other.polarisation, one.polarisation, rtol=0, atol=0.1)         # the lowest bands ring beyond the ends
    torch.testing.assert_close(other.ln_power[:, 3:], one.ln_power[:, 3:], rtol=0, atol=0.02)


def test_turning_a_component_over_turns_its_correlations():
    x, flip = record(5, mix=mixing_matrix(torch.tensor([[0.7, 0.5, -0.6]], dtype=torch.float64))), torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    one, other = told(x), told(x * flip[:, None])
    torch.testing.assert_close(other.polarisation, one.polarisation * flip.new_tensor([-1, -1, 1, -1, -1, 1]))
    for name in ("ln_power", "ln_noise", "onsets", "cells"):
        torch.testing.assert_close(getattr(other, name), getattr(one, name))
    torch.testing.assert_close(told(-x).polarisation, one.polarisation)


@pytest.mark.parametrize("order", [[1, 0, 2], [2, 0, 1]])
def test_components_in_another_order(order):
    """Powers change places; and so do the rows of the correlation matrix."""
    x = record(5, mix=mixing_matrix(torch.tensor([[0.7, 0.3, -0.4]], dtype=torch.float64)))
    one, other = told(x), told(x[:, order])
    torch.testing.assert_close(other.ln_power, one.ln_power[..., order])
    torch.testing.assert_close(other.ln_noise, one.ln_noise[..., order])
    if order[2] == 2:                                                                 # duration is that of the horizontals
        torch.testing.assert_close(other.onsets, one.onsets)
        torch.testing.assert_close(other.cells, one.cells[:, :, order])
        a, b = ((m := mixing_matrix(of.polarisation[:, 3:])) @ m.transpose(1, 2) for of in (one, other))
        torch.testing.assert_close(b, a[:, order][:, :, order])


def test_records_do_not_depend_on_their_neighbours():
    x = record(7, ambient=1.0)
    whole, one_by_one = told(x), told(x, at_once=1)
    for name in FIELDS:
        torch.testing.assert_close(getattr(whole, name), getattr(one_by_one, name), rtol=1e-12, atol=1e-12)
    some = whole.take(torch.tensor([4, 2]))
    assert len(some) == 2 and torch.equal(some.ln_power, whole.ln_power[[4, 2]]) and some.held.dtype == torch.bool
    again = Description.join([whole.take(slice(0, 3)), whole.take(slice(3, 7))])
    assert all(torch.equal(getattr(again, name), getattr(whole, name)) for name in FIELDS)
    single = whole.to(torch.zeros(1))
    assert single.cells.dtype == torch.float32 and single.held.dtype == torch.bool and len(single) == 7


# --- noise, power, duration ---------------------------------------------------------------------------------

@pytest.mark.parametrize("samples, rate_hz", [(3000, 50.0), (1875, 31.25), (6000, 100.0)])
def test_noise_is_found_beside_a_strong_signal(samples, rate_hz):
    """Ambient noise of 2 cm/s² before waves of 100: its power in each band, but for what the lowest bands' filters see early."""
    bands, _ = grid(samples, rate_hz)
    x = record(20, samples, rate_hz, p=20.0, s=25.0, ambient=2.0)
    found = torch.exp(told(x, 20.0, 25.0, rate_hz).ln_noise).mean(dim=(0, 2)) / (4 * bands.white)
    broad = bands.width_hz > 2.0
    torch.testing.assert_close(found[broad], torch.ones_like(found[broad]), rtol=0.1, atol=0)
    assert (found > 0.8).all()


def test_without_time_before_p_the_quietest_seconds_are_noise():
    x = record(20, p=0.5, s=4.0, decay=1.5, ambient=0.5)
    bands, _ = grid()
    known = told(x, 0.5, 4.0)
    found = torch.exp(known.ln_noise).mean(dim=(0, 2)) / (0.25 * bands.white)
    broad = bands.width_hz > 4.0
    assert ((found[broad] > 0.4) & (found[broad] < 1.1)).all()                        # the quietest tenth is quieter than the mean
    assert (known.ln_noise[:, broad] < known.ln_power[:, broad] - 3).all()


def test_power_of_noise_alone_is_its_noise():
    bands, _ = grid()
    known = told(3 * noise(40, 3, 3000))
    torch.testing.assert_close(torch.exp(known.ln_power).mean(dim=(0, 2)), 9 * bands.white, rtol=0.2, atol=0)
    before = torch.exp(known.ln_noise).mean(dim=(0, 2)) / (9 * bands.white)
    broad = bands.width_hz > 2.0
    assert ((before > 0.5) & (before < 1.1)).all()                                    # never more than the record's own: of few numbers less
    torch.testing.assert_close(before[broad], torch.ones_like(before[broad]), rtol=0.1, atol=0)


@pytest.mark.parametrize("decay", [1.5, 4.0, 10.0])
@pytest.mark.parametrize("ambient", [0.0, 2.0])
def test_duration_of_an_exponential_coda(decay, ambient):
    """Energy exp(-2 t/τ): three quarters of it have come after τ/2 ln 4."""
    x = record(25, samples=5000, decay=decay, ambient=ambient)
    found = told(x).onsets[:, 2]
    assert float(found.mean()) == pytest.approx(decay / 2 * math.log(4), rel=0.06, abs=0.12)       # the bands' filters smear a little


def test_durations_are_held_within_limits():
    x = torch.zeros(2, 3, 6000, dtype=torch.float64)
    x[0, :, 705] = 100                                                                # a spike
    x[1, :, 700:] = noise(3, 5300)                                                    # no end
    short, long = told(x).onsets[:, 2]
    assert float(short) == DURATIONS_S[0] and float(long) == DURATIONS_S[1]


# --- records that are hardly any ----------------------------------------------------------------------------

def dead(component):
    x = record(2, ambient=0.1)
    x[:, component] = 0
    return x


@pytest.mark.parametrize("x", [dead(0), dead(2), torch.zeros(2, 3, 3000, dtype=torch.float64), torch.full((2, 3, 3000), 7.0, dtype=torch.float64),
                               1e-9 * record(2)], ids=["no E", "no Z", "silence", "constant", "tiny"])
def test_silence_has_a_finite_description(x):
    known = told(x)
    assert all(torch.isfinite(getattr(known, name)).all() for name in FIELDS[:5])
    assert (known.cells >= 0).all() and torch.isfinite(mixing_matrix(known.polarisation[:, 3:])).all()


@pytest.mark.parametrize("p, s", [(0.0, 0.0), (59.9, 59.95), (-3.0, 100.0), (30.0, 20.0), (80.0, 90.0)])
def test_arrivals_are_kept_inside_the_record(p, s):
    known = told(record(2, ambient=0.1), p, s)
    found = known.onsets
    assert (found[:, 0] >= 0).all() and (found[:, 1] >= found[:, 0] + LEAST_LAG_S - 1e-9).all() and (found[:, 1] < 60 - LEAST_LAG_S).all()
    assert all(torch.isfinite(getattr(known, name)).all() for name in FIELDS[:5])


@pytest.mark.parametrize("samples, rate_hz", [(500, 50.0), (313, 31.25), (256, 50.0)])
def test_short_records(samples, rate_hz):
    """10 s and 5 s: all shapes stand, and powers are those of white noise."""
    bands, _ = grid(samples, rate_hz)
    known = told(noise(60, 3, samples), 1.5, 3.0, rate_hz)
    assert known.ln_power.shape == (60, bands.count, 3) and known.cells.shape == (60, bands.count, 3, CELLS) and known.held.shape == (60, CELLS)
    torch.testing.assert_close(torch.exp(known.ln_power).mean(dim=(0, 2)), bands.white, rtol=0.2, atol=0)
