"""The law of source and path: it is found again in numbers drawn from it, and its physics is that of the stochastic method."""

import math

import numpy as np
import pytest
import torch

from tng import stochastic
from tng.descriptions import Description
from tng.envelopes import CELLS
from tng.generators.source_and_path import DRIVERS, KAPPA_S, POLARISATION, STRENGTH, STRESS_BAR, Law, LawError, Layout, drivers_of, learn, numbers_of, physical

pytestmark = pytest.mark.usefixtures("seeded")

LAYOUT = Layout(bands=4, latent=2)
NUMBERS = sum(LAYOUT.sizes)
CENTRES_HZ = torch.tensor([0.3, 1.0, 3.0, 10.0], dtype=torch.float64)
NO_VARIANCE = torch.zeros(2, dtype=torch.float64)
FINE = torch.zeros(3, 3, 5, dtype=torch.float64)


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def catalogue(n):
    """Magnitudes and ln distances, correlated as triggering makes them."""
    magnitude = 3.5 + 3 * torch.rand(n, dtype=torch.float64)
    return torch.stack([magnitude, torch.log(10 + 20 * torch.rand(n, dtype=torch.float64) * magnitude)], dim=1)


def covariance(size=0.3):
    loose = normal(NUMBERS, NUMBERS)
    return size**2 * (loose @ loose.T / NUMBERS + 0.3 * torch.eye(NUMBERS, dtype=torch.float64))


def fit(numbers, drivers, station, w_variance=NO_VARIANCE, ln_vs30=None, physics=0.0):
    ln_vs30 = torch.full((int(station.max()) + 1,), torch.nan, dtype=torch.float64) if ln_vs30 is None else ln_vs30
    return learn(numbers, drivers, station, LAYOUT, w_variance, ln_vs30, CENTRES_HZ, FINE, physics)


def drawn(stations=12, each=60, scatter=None, between=1.0, seed_terms=0.5):
    """Numbers from a law, and all that was drawn for it."""
    station = torch.arange(stations).repeat_interleave(each)
    drivers = catalogue(len(station))
    means, regression = between * normal(stations, NUMBERS), seed_terms * normal(4, NUMBERS)
    away = drivers - drivers.mean(dim=0)
    numbers = means[station] + torch.cat([away, away**2], dim=1) @ regression
    if scatter is not None:
        numbers = numbers + normal(len(station), NUMBERS) @ torch.linalg.cholesky(scatter).T
    return numbers, drivers, station, means, regression


# --- rows of numbers --------------------------------------------------------------------------------------

def test_rows_hold_the_description():
    count = 5
    ln_power = normal(count, 4, 3)
    known = Description(ln_power, normal(count, 4, 3), torch.tensor([[2.0, 2.0 + i, 0.5 + i] for i in range(1, 6)], dtype=torch.float64),
                        normal(count, 6), torch.ones(count, 4, 3, CELLS), torch.ones(count, CELLS, dtype=torch.bool))
    w, ln_noise = normal(count, 2), normal(count, 4, 3)
    known.ln_noise = ln_noise + torch.arange(5)[:, None, None]                        # so much louder than the station usually is
    row = numbers_of(known, w, ln_noise)
    assert row.shape == (count, NUMBERS)
    power, lag, duration, polarisation, louder, latent = LAYOUT.parts(row)
    torch.testing.assert_close(power, ln_power)
    torch.testing.assert_close(torch.exp(lag[:, 0]), known.onsets[:, 1] - known.onsets[:, 0])
    torch.testing.assert_close(torch.exp(duration[:, 0]), known.onsets[:, 2])
    torch.testing.assert_close(polarisation, known.polarisation)
    torch.testing.assert_close(louder[:, 0], torch.arange(5, dtype=torch.float64))
    torch.testing.assert_close(latent, w)


def test_drivers():
    row, magnitude, km = normal(3, NUMBERS), torch.tensor([4.0, 5.0, torch.nan]), torch.tensor([10.0, 100.0, 20.0])
    by_source = drivers_of(row, LAYOUT, magnitude, km, True)
    torch.testing.assert_close(by_source[:2], torch.tensor([[4.0, math.log(10)], [5.0, math.log(100)]], dtype=torch.float64))
    assert torch.isnan(by_source[2, 0]) and by_source.dtype == row.dtype
    by_strength = drivers_of(row, LAYOUT, magnitude, km, False)
    power = row[:, :12].reshape(3, 4, 3)
    torch.testing.assert_close(by_strength[:, 0], power[:, :, :2].mean(dim=(1, 2)))     # of the horizontals


# --- what is found again ----------------------------------------------------------------------------------

def test_a_law_without_scatter_is_found_exactly():
    numbers, drivers, station, means, regression = drawn()
    law, stations = fit(numbers, drivers, station)
    torch.testing.assert_close(law.regression, regression, rtol=0, atol=2e-3)           # a hundredth of a record of ridge
    torch.testing.assert_close(stations, means, rtol=0, atol=5e-3)
    assert float(law.scatter.abs().max()) < 1e-6 and law.drivers == DRIVERS
    rest = numbers - stations[station] - law.effect(drivers, CENTRES_HZ)
    assert float(rest.abs().max()) < 1e-2


def test_regression_and_scatter_of_noisy_numbers():
    scatter = covariance()
    numbers, drivers, station, _, regression = drawn(stations=20, each=150, scatter=scatter)
    law, _ = fit(numbers, drivers, station)
    away = drivers - drivers.mean(dim=0)
    terms = torch.cat([away, away**2], dim=1)
    centred = terms - torch.stack([terms[station == i].mean(dim=0) for i in range(20)])[station]
    error = torch.sqrt(torch.diagonal(torch.linalg.inv(centred.T @ centred))[:, None] * torch.diagonal(scatter))
    assert float(((law.regression - regression) / error).abs().max()) < 4.5            # of 84 numbers
    size = torch.sqrt(torch.diagonal(scatter))
    torch.testing.assert_close(law.scatter / size / size[:, None], scatter / size / size[:, None], rtol=0, atol=0.1)


def test_scatter_is_not_underrated_with_few_records():
    """Means of stations and regression take degrees of freedom: the scatter is right on average all the same."""
    scatter, found = covariance(), []
    for _ in range(60):
        numbers, drivers, station, *_ = drawn(stations=5, each=4, scatter=scatter)
        found.append(torch.diagonal(fit(numbers, drivers, station)[0].scatter) / torch.diagonal(scatter))
    assert float(torch.stack(found).mean()) == pytest.approx(1, abs=0.06)


def test_what_the_network_leaves_open_is_scatter():
    numbers, drivers, station, *_ = drawn(scatter=covariance())
    one, _ = fit(numbers, drivers, station)
    other, _ = fit(numbers, drivers, station, w_variance=torch.tensor([0.5, 2.0], dtype=torch.float64))
    expected = torch.zeros(NUMBERS, NUMBERS, dtype=torch.float64)
    expected[-2, -2], expected[-1, -1] = 0.5, 2.0
    torch.testing.assert_close(other.scatter - one.scatter, expected)
    torch.testing.assert_close(other.regression, one.regression)


def test_records_of_unknown_magnitude_are_left_out():
    numbers, drivers, station, *_ = drawn(stations=4, each=20, scatter=covariance())
    holes = drivers.clone()
    holes[[3, 30, 61], [0, 1, 0]] = torch.nan
    kept = torch.isfinite(holes).all(dim=1)
    one, other = fit(numbers, holes, station)[0], fit(numbers[kept], drivers[kept], station[kept])[0]
    for name, value in one.tensors().items():
        torch.testing.assert_close(value, other.tensors()[name], msg=name)


@pytest.mark.parametrize("stations, each, unknown", [(3, 2, 0), (1, 6, 0), (10, 4, 30), (2, 5, 10)])
def test_too_few_records(stations, each, unknown):
    numbers, drivers, station, *_ = drawn(stations, each)
    drivers[:unknown, 0] = torch.nan
    known = stations * each - unknown
    with pytest.raises(LawError, match=f"{known} records of {stations} stations with known magnitude and distance are too few.*add records"):
        fit(numbers, drivers, station)


@pytest.mark.parametrize("which", [0, 1])
def test_records_that_are_all_alike_in_magnitude_or_distance(which):
    """Nothing can be learned of what does not vary: no effect, instead of a wild one."""
    numbers, drivers, station, *_ = drawn(stations=3, each=10, scatter=covariance())
    drivers[:, which] = 4.2
    law, _ = fit(numbers, drivers, station)
    assert all(torch.isfinite(value).all() for value in law.tensors().values())
    assert float(law.regression[[which, which + 2]].abs().max()) < 1e-6


# --- terms ------------------------------------------------------------------------------------------------

def test_squares_go_on_as_tangents_beyond_the_records():
    numbers, drivers, station, *_ = drawn()
    law, _ = fit(numbers, drivers, station)
    m = torch.linspace(float(law.lowest[0]) - 2, float(law.highest[0]) + 2, 4001, dtype=torch.float64)
    square = law.terms(torch.stack([m, law.centre[1].expand(4001)], dim=1))
    torch.testing.assert_close(square[:, 0], m - law.centre[0])
    inside = (m >= law.lowest[0]) & (m <= law.highest[0])
    torch.testing.assert_close(square[inside, 2], (m - law.centre[0])[inside] ** 2)
    bend = square[:, 2].diff().diff() / (m[1] - m[0]) ** 2
    assert float(bend[m[1:-1] > law.highest[0] + 0.01].abs().max()) < 1e-4 and float(bend[m[1:-1] < law.lowest[0] - 0.01].abs().max()) < 1e-4
    slope = square[:, 2].diff() / (m[1] - m[0])
    assert float(slope.diff().abs().max()) < 0.01                                       # no kink
    torch.testing.assert_close(law.effect(law.centre[None], CENTRES_HZ), torch.zeros(1, NUMBERS, dtype=torch.float64))


def test_a_law_driven_by_strength():
    numbers, _, station, *_ = drawn(stations=3, each=30, scatter=covariance())
    drivers = drivers_of(numbers, LAYOUT, torch.full((90,), torch.nan), torch.full((90,), torch.nan), False)
    law, stations = fit(numbers, drivers, station)
    assert law.drivers == STRENGTH and law.regression.shape == (2, NUMBERS)
    again = LAYOUT.parts(stations[station] + law.effect(drivers, CENTRES_HZ))[0][:, :, :2].mean(dim=(1, 2))
    torch.testing.assert_close(again, drivers[:, 0], rtol=0, atol=0.05)                 # strength itself comes out as it drives


# --- physics ----------------------------------------------------------------------------------------------

def test_physics_is_that_of_the_stochastic_method():
    drivers, centre = catalogue(6), torch.tensor([4.8, math.log(50.0)], dtype=torch.float64)
    found = physical(drivers, centre, CENTRES_HZ).numpy()

    def ln_power(magnitude, ln_km):
        km = stochastic.effective_distance_km(magnitude, math.exp(ln_km))
        return 2 * np.log(stochastic.rock_spectrum(CENTRES_HZ.numpy(), magnitude, km, STRESS_BAR, KAPPA_S))

    for row, (magnitude, ln_km) in zip(found, drivers.tolist()):
        np.testing.assert_allclose(row, ln_power(magnitude, ln_km) - ln_power(*centre.tolist()), rtol=1e-9, atol=1e-9)


def test_what_physics_says():
    """Larger is stronger, and most so below the corner; farther is weaker, and most so at high frequencies."""
    centre = torch.tensor([5.0, math.log(50.0)], dtype=torch.float64)
    larger, farther = physical(torch.stack([centre + torch.tensor([1.0, 0.0]), centre + torch.tensor([0.0, 0.7])]), centre, CENTRES_HZ)
    assert (larger > 0).all() and (larger.diff() < 0).all() and float(larger[0]) == pytest.approx(2 * 1.5 * math.log(10), rel=0.25)
    assert (farther < 0).all() and (farther.diff() < 0).all()
    torch.testing.assert_close(physical(centre[None], centre, CENTRES_HZ), torch.zeros(1, 4, dtype=torch.float64))


def test_a_regression_on_top_of_physics():
    """Records that are just as physics says leave nothing to regress on, and the rest is what regression finds otherwise."""
    station, drivers = torch.arange(60) % 3, catalogue(60)
    centre = drivers.mean(dim=0)
    numbers = normal(3, NUMBERS)[station]
    numbers[:, :12] += physical(drivers, centre, CENTRES_HZ).repeat_interleave(3, dim=1)
    law, _ = fit(numbers, drivers, station, physics=1.0)
    assert float(law.regression.abs().max()) < 1e-6 and float(law.physics) == 1.0
    half, _ = fit(numbers, drivers, station, physics=0.5)
    assert float(half.regression[:, :12].abs().max()) > 0.1 and float(half.regression[:, 12:].abs().max()) < 1e-6
    # component by component, in the order of the rows
    effect = LAYOUT.parts(law.effect(drivers, CENTRES_HZ))
    torch.testing.assert_close(effect[0], physical(drivers, centre, CENTRES_HZ)[:, :, None].expand(-1, -1, 3), rtol=0, atol=1e-5)
    assert all(float(part.abs().max()) < 1e-5 for part in effect[1:])


def test_physics_leaves_onsets_and_durations_to_the_records():
    numbers, drivers, station, _, _ = drawn(stations=4, each=15)
    plain, stiff = fit(numbers, drivers, station)[0].regression, fit(numbers, drivers, station, physics=1.0)[0].regression
    torch.testing.assert_close(stiff[:, 12:], plain[:, 12:], rtol=0, atol=0)
    assert float(plain[:, 12:].abs().max()) > 0.1
    assert not torch.allclose(stiff[:, :12], plain[:, :12], atol=0.1)


# --- how stations differ ----------------------------------------------------------------------------------

def test_of_few_stations_nothing_is_concluded():
    numbers, drivers, station, means, _ = drawn(stations=7, each=20, scatter=covariance(0.1))
    law, stations = fit(numbers, drivers, station)
    assert not law.between.any() and not law.prior[1].any()
    torch.testing.assert_close(law.prior[0], stations.mean(dim=0))


def test_the_covariance_of_many_stations():
    between = covariance(1.0)
    station, drivers = torch.arange(400).repeat_interleave(5), catalogue(2000)
    means = 3 + normal(400, NUMBERS) @ torch.linalg.cholesky(between).T
    numbers = means[station] + normal(2000, NUMBERS) @ torch.linalg.cholesky(covariance(0.1)).T
    law, _ = fit(numbers, drivers, station)
    torch.testing.assert_close(torch.diagonal(law.between), torch.diagonal(between), rtol=0.3, atol=0)
    size = torch.sqrt(torch.diagonal(between))
    off = ~torch.eye(NUMBERS, dtype=torch.bool)
    torch.testing.assert_close((law.between / size / size[:, None])[off], 0.8 * (between / size / size[:, None])[off], rtol=0, atol=0.2)
    assert float(torch.linalg.eigvalsh(law.between).min()) > 0
    torch.testing.assert_close(law.prior[0], torch.full((NUMBERS,), 3.0, dtype=torch.float64), rtol=0, atol=0.3)


def test_differences_that_are_only_scatter_are_not_taken_for_stations():
    """Stations all alike: what their few records differ by is mostly recognised as scatter."""
    scatter = covariance(1.0)
    station, drivers = torch.arange(50).repeat_interleave(4), catalogue(200)
    law, _ = fit(normal(200, NUMBERS) @ torch.linalg.cholesky(scatter).T, drivers, station)
    usual = torch.diagonal(scatter) / 4
    assert float((torch.diagonal(law.between) / usual).mean()) < 0.95


def test_vs30_moves_the_prior():
    ln_vs30 = math.log(400) + 0.4 * normal(60)
    change = normal(NUMBERS)
    station = torch.arange(60).repeat_interleave(6)
    numbers = (ln_vs30[:, None] * change)[station] + 0.05 * normal(360, NUMBERS)
    ln_vs30[:5] = torch.nan                                                             # not known of all
    law, _ = fit(numbers, catalogue(360), station, ln_vs30=ln_vs30)
    torch.testing.assert_close(law.prior[1], change, rtol=0.1, atol=0.06)


def test_tensors_and_back():
    numbers, drivers, station, *_ = drawn(scatter=covariance())
    law, _ = fit(numbers, drivers, station)
    again = Law.from_tensors(law.tensors())
    assert all(torch.equal(value, again.tensors()[name]) for name, value in law.tensors().items())
    assert all(name.startswith("law.") for name in law.tensors()) and law.steady.shape == (2, 1 + POLARISATION)
