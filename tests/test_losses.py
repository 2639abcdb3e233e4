"""Comparisons: the true law wins, averages lose, stations count alike, and sums name their parts."""

import numpy as np
import pytest
import torch

from tng.features import Features
from tng.losses import energy_score, station_marginal, station_swap, total

pytestmark = pytest.mark.usefixtures("seeded")
STATION = torch.tensor([4, 7, 4, 4, 7, 9, 7, 4])          # 9 has one record


def draw(*shape, std=1.0):
    return std * torch.randn(*shape, dtype=torch.float64)


# --- energy score ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("std", [0.7, 1.0, 1.4])
def test_energy_score_of_normal_numbers(std):
    """Against its closed form: sqrt(2/π) sqrt(1 + s²) - s/sqrt(π)."""
    n = 200_000
    found = energy_score(draw(n, 1, std=std), draw(n, 1, std=std), draw(n, 1))
    assert found == pytest.approx(np.sqrt(2 / np.pi * (1 + std**2)) - std / np.sqrt(np.pi), abs=0.005)


@pytest.mark.parametrize("norm", ["each", "curve"])
@pytest.mark.parametrize("axes", [(1,), (12,), (3, 12)])
def test_the_true_scatter_wins_and_the_mean_loses(norm, axes):
    """A plain error prefers the constant mean; the score prefers the law of the record to it, and to wrong scatters."""
    x, a, b = draw(3, 40_000, *axes)
    true, less, more = (energy_score(s * a, s * b, x, norm) for s in (1, 0.7, 1.4))
    constant = energy_score(0 * a, 0 * b, x, norm)
    assert true < less - 0.005 and true < more - 0.005 and true < constant - 0.1
    assert (0 * a - x).abs().mean() < (0.7 * a - x).abs().mean() < (a - x).abs().mean()


def test_the_true_scatter_wins_among_records():
    """The same for features of shaped noise whose strength and length vary from record to record."""
    told = Features(500, 25.0, 1.0, 10.0, dtype=torch.float64)
    n, time_s = 800, torch.arange(500) / 25

    def features(scatter):
        strength, decay_s = torch.exp(scatter * draw(n, 1, 1)), 3 * torch.exp(scatter * draw(n, 1, 1) / 2)
        found = told(strength * torch.exp(-time_s / decay_s) * draw(n, 3, 500), ("log_rms", "log_duration", "log_spectrum"))
        return found["log_rms"], found["log_duration"], found["log_spectrum"]

    recorded, scores = features(1.0), {}
    for scatter in (0.0, 0.6, 1.0, 1.6):
        scores[scatter] = [energy_score(a, b, x, norm) for a, b, x, norm in
                           zip(features(scatter), features(scatter), recorded, ("each", "each", "curve"), strict=True)]
    for other in (0.0, 0.6, 1.6):
        assert all(right < wrong for right, wrong in zip(scores[1.0], scores[other], strict=True)), other


def test_only_curves_know_how_their_numbers_go_together():
    """Curves that move up and down as a whole, imitated by numbers that each move alone."""
    n = 30_000
    x, a, b = draw(3, n, 1).expand(3, n, 10)
    alone_a, alone_b = draw(2, n, 10)
    assert energy_score(a, b, x, "curve") < energy_score(alone_a, alone_b, x, "curve") - 0.05
    assert energy_score(a, b, x, "each") == pytest.approx(float(energy_score(alone_a, alone_b, x, "each")), abs=0.01)


@pytest.mark.parametrize("norm", ["each", "curve"])
def test_equal_features_have_a_gradient(norm):
    """Where the three agree: no loss, and no division by zero."""
    x = draw(4, 6)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    score = energy_score(a, b, x, norm)
    score.backward()
    assert score.item() == pytest.approx(0, abs=1e-5) and a.grad.isfinite().all() and b.grad.isfinite().all()


@pytest.mark.parametrize("shapes", [((4, 6), (4, 6), (4, 1)), ((4, 6), (6,), (4, 6)), ((4,), (4,), (4,))])
def test_shapes_that_would_be_stretched(shapes):
    with pytest.raises(ValueError, match=r"\(B, \.\.\.\) is needed"):
        energy_score(*(torch.ones(shape) for shape in shapes))


def test_other_norms():
    with pytest.raises(ValueError, match="did you mean 'curve'"):
        energy_score(*torch.ones(3, 4, 6), norm="curves")
    with pytest.raises(ValueError, match="did you mean 'each'"):
        station_marginal(*torch.ones(2, 8, 6), STATION, norm="eac")


# --- stations --------------------------------------------------------------------------------------------------------

def length(difference, norm):
    d = difference.numpy()
    return np.abs(d).mean() if norm == "each" else np.sqrt((d**2).mean(axis=-1)).mean()


def by_hand(y, x, of_y, of_x, norm, paired):
    """The mean over stations of 2 E|y-x| - E|y-y'| - E|x-x'|, pair by pair."""
    def mean(u, v, rows, columns, apart):
        return np.mean([length(u[i] - v[j], norm) for i in rows for j in columns if not (apart and i == j)])

    found = []
    for number in set(of_y.tolist()):
        rows, columns = (np.flatnonzero(of.numpy() == number) for of in (of_y, of_x))
        if len(rows) > 1 and len(columns) > 1:
            found.append(2 * mean(y, x, rows, columns, paired) - mean(y, y, rows, rows, True) - mean(x, x, columns, columns, True))
    return np.mean(found)


@pytest.mark.parametrize("norm", ["each", "curve"])
@pytest.mark.parametrize("axes", [(5,), (3, 5)])
def test_against_a_plain_loop(norm, axes):
    y, x = draw(2, 8, *axes)
    assert station_marginal(y, x, STATION, norm) == pytest.approx(by_hand(y, x, STATION, STATION, norm, True), abs=1e-5)
    assert station_swap(y, x, STATION, norm=norm) == pytest.approx(by_hand(y, x, STATION, STATION, norm, False), abs=1e-5)
    more, others = draw(6, *axes), torch.tensor([7, 7, 9, 4, 4, 5])         # another number of records, in another order
    assert station_swap(y, more, STATION, others, norm) == pytest.approx(by_hand(y, more, STATION, others, norm, False), abs=1e-5)


@pytest.mark.parametrize("loss", [station_marginal, station_swap])
@pytest.mark.parametrize("norm", ["each", "curve"])
def test_equal_laws_have_no_distance(loss, norm):
    """In the mean of many batches, at stations of different laws; but other scatters, means and shapes have one."""
    where = 3.0 * STATION[:, None]

    def distances(change):
        return torch.stack([loss(where + change(draw(8, 6)), where + draw(8, 6), STATION, norm=norm) for _ in range(200)])

    same = distances(lambda y: y)
    error = same.std() / np.sqrt(len(same))
    assert abs(same.mean()) < 4 * error and (same < 0).any()
    for change in (lambda y: 0.4 * y, lambda y: 2 * y, lambda y: y + 1):
        assert distances(change).mean() > 10 * error
    if norm == "curve":
        assert distances(lambda y: y[:, :1].expand(8, 6)).mean() > 10 * error


def test_a_record_does_not_pull_its_own_likeness():
    """Copies of the records are of the same law; their distance stays 0 in the mean, as nothing is compared with its own original."""
    copies = torch.stack([station_marginal(x, x, STATION) for x in draw(200, 8, 6)])
    assert copies.abs().max() < 1e-5
    swapped = torch.stack([station_swap(x, x, STATION) for x in draw(200, 8, 6)])
    assert swapped.mean() < -0.3                     # which is why a swapped record must not come from a record of the station


@pytest.mark.parametrize("loss", [station_marginal, station_swap])
def test_order_does_not_matter(loss):
    y, x = draw(2, 8, 6)
    order = torch.randperm(8)
    before = loss(y, x, STATION)
    torch.testing.assert_close(loss(y[order], x[order], STATION[order]), before)
    torch.testing.assert_close(loss(y, x, 100 - STATION), before)                   # nor do the numbers of stations


def test_order_of_swapped_records_does_not_matter_alone():
    """They belong to no recorded row."""
    y, x = draw(2, 8, 6)
    order = torch.tensor([2, 6, 3, 7, 1, 5, 4, 0])                                  # within each station
    assert (STATION[order] == STATION).all()
    torch.testing.assert_close(station_swap(y[order], x, STATION), station_swap(y, x, STATION))


def test_a_station_with_one_record_is_left_out():
    y, x = draw(2, 8, 6)
    before = station_marginal(y, x, STATION)
    y[STATION == 9] += 100
    torch.testing.assert_close(station_marginal(y, x, STATION), before)


@pytest.mark.parametrize("station", [[1], [1, 2, 3]])
def test_no_station_is_left(station):
    """Zero, and a gradient of zeros: batches of one record train too."""
    y = draw(len(station), 6).requires_grad_()
    x, station = draw(len(station), 6), torch.tensor(station)
    for loss in (station_marginal(y, x, station), station_swap(y, x, station), station_swap(y, x, station, station + 10)):
        assert loss == 0
        loss.backward()
    assert (y.grad == 0).all()


def test_stations_count_alike():
    """One with many records no more than one with two."""
    y, x, many = draw(62, 6), draw(62, 6), torch.arange(62).clamp(max=2)            # 0 and 1 once, 2 sixty times
    many[1] = 0
    both = station_marginal(y, x, many)
    first, second = station_marginal(y[:2], x[:2], many[:2]), station_marginal(y[2:], x[2:], many[2:])
    torch.testing.assert_close(both, (first + second) / 2)


@pytest.mark.parametrize("norm", ["each", "curve"])
def test_gradients(norm):
    y, x = draw(8, 2, 6).requires_grad_(), draw(8, 2, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda y, x: station_marginal(y, x, STATION, norm), (y, x))
    assert torch.autograd.gradcheck(lambda y, x: station_swap(y, x, STATION, norm=norm), (y, x))
    assert torch.autograd.gradcheck(lambda y, x: energy_score(y, y.flip(0), x, norm), (y, x))


@pytest.mark.parametrize("shapes", [((8, 6), (8, 5), 8), ((8, 6), (8, 6), 7), ((8,), (8,), 8), ((8, 6), (7, 6), 8)])
def test_stations_that_do_not_fit(shapes):
    y, x, station = torch.ones(shapes[0]), torch.ones(shapes[1]), torch.zeros(shapes[2], dtype=torch.long)
    for loss in (station_marginal, station_swap):
        with pytest.raises(ValueError, match="one station a row is needed"):
            loss(y, x, station)


# --- sums ------------------------------------------------------------------------------------------------------------

def test_total():
    parts = {"husid": torch.tensor(2.0, requires_grad=True), "log_hv": torch.tensor(-0.5, requires_grad=True)}
    loss, logged = total({"log_hv": 3.0, "husid": 0.25, "log_peak": 0.0}, parts)
    loss.backward()
    assert loss.item() == pytest.approx(0.25 * 2 - 3 * 0.5)
    assert logged == {"husid": 2.0, "log_hv": -0.5} and all(type(value) is float for value in logged.values())
    assert parts["husid"].grad == 0.25 and parts["log_hv"].grad == 3.0


@pytest.mark.parametrize("weights, parts, words", [
    ({"log_hv": 1.0}, {"log_hvsr": 1.0}, "'log_hvsr' has no weight: did you mean 'log_hv'"),
    ({"log_hv": 1.0, "hussid": 1.0}, {"log_hv": 1.0, "husid": 1.0}, "'husid' has no weight: did you mean 'hussid'"),
    ({"log_hv": 1.0, "husid": 1.0}, {"log_hv": 1.0}, "'husid' is of no loss"),
    ({"log_hv": -1.0}, {"log_hv": 1.0}, "0 or a positive number"), ({"log_hv": float("nan")}, {"log_hv": 1.0}, "0 or a positive number"),
    ({"log_hv": 1.0}, {"log_hv": [1.0, 2.0]}, r"of shape \(2,\)"), ({}, {}, "no losses")])
def test_sums_that_cannot_be(weights, parts, words):
    with pytest.raises(ValueError, match=words):
        total(weights, {name: torch.tensor(value) for name, value in parts.items()})
