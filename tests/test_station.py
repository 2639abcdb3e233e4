"""What a station is: against Bayes' rule by brute force, and spectra that are smoothed and sharpened again."""

import math

import pytest
import torch

from tng.envelopes import Bands, band_limits
from tng.generators.shaped_noise import steadied
from tng.generators.source_and_path import Layout
from tng.generators.station import OWN_SCATTER, USUAL_SIZE, Nodes, Station, own_scatter, posterior, rescaled, shrunk_fine

pytestmark = pytest.mark.usefixtures("seeded")

N = 5


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def covariance(n=N):
    loose = normal(n, n)
    return loose @ loose.T / n + 0.2 * torch.eye(n, dtype=torch.float64)


def nodes_of(samples=3000, rate_hz=50.0):
    bands = Bands(samples, rate_hz, *band_limits(rate_hz, samples / rate_hz), torch.zeros(1, dtype=torch.float64))
    return Nodes(bands), bands


# --- the posterior ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("records", [1, 3, 40])
def test_posterior_of_the_joint_gaussian(records):
    """Station and all its records are one big Gaussian vector; its mean given the records, by brute force."""
    scatter, between, prior = covariance(), covariance(), normal(N)
    y = normal(records, N)
    joint = torch.kron(torch.ones(records + 1, records + 1, dtype=torch.float64), between)      # the station, then its records
    joint[N:, N:] += torch.kron(torch.eye(records, dtype=torch.float64), scatter)
    expected = prior + joint[:N, N:] @ torch.linalg.solve(joint[N:, N:], (y - prior).flatten())
    torch.testing.assert_close(posterior(y.mean(dim=0), records, scatter, prior, between), expected, rtol=1e-6, atol=1e-6)
    precise = torch.linalg.inv(between) + records * torch.linalg.inv(scatter)
    also = torch.linalg.solve(precise, torch.linalg.solve(between, prior) + records * torch.linalg.solve(scatter, y.mean(dim=0)))
    torch.testing.assert_close(expected, also)


def test_many_records_speak_for_themselves_and_none_leave_the_prior():
    scatter, between, prior, mean = covariance(), covariance(), normal(N), normal(N)
    torch.testing.assert_close(posterior(mean, 10**9, scatter, prior, between), mean, rtol=0, atol=1e-6)
    assert torch.equal(posterior(mean, 0, scatter, prior, between), prior)
    away = [float((posterior(mean, n, scatter, prior, between) - mean) @ torch.linalg.solve(between, posterior(mean, n, scatter, prior, between) - mean))
            for n in (1, 2, 5, 20, 100)]
    assert away == sorted(away, reverse=True) and away[-1] < 0.05 * away[0]


def test_without_knowledge_of_stations_it_is_the_mean():
    mean, prior = normal(N), normal(N)
    none = torch.zeros(N, N, dtype=torch.float64)
    assert torch.equal(posterior(mean, 3, covariance(), prior, none), mean) and torch.equal(posterior(mean, 0, covariance(), prior, none), prior)


def test_independent_numbers_are_shrunk_one_by_one():
    scatter, between, prior, mean = torch.rand(N, dtype=torch.float64) + 0.1, torch.rand(N, dtype=torch.float64) + 0.1, normal(N), normal(N)
    expected = prior + (mean - prior) * between / (between + scatter / 4)
    torch.testing.assert_close(posterior(mean, 4, torch.diag(scatter), prior, torch.diag(between)), expected, rtol=1e-6, atol=1e-8)


def test_it_is_nearer_to_the_station_than_mean_and_prior():
    """Drawn again and again: the posterior's mean squared error is the least, and as large as the theory says."""
    scatter, between, prior, count = 2 * covariance(), covariance(), normal(N), 4000
    station = prior + normal(count, N) @ torch.linalg.cholesky(between).T
    mean = station + normal(count, N) @ torch.linalg.cholesky(scatter / 2).T
    found = torch.stack([posterior(one, 2, scatter, prior, between) for one in mean])
    error = {name: float(((value - station) ** 2).sum(dim=1).mean()) for name, value in (("found", found), ("mean", mean), ("prior", prior))}
    theory = float(torch.linalg.inv(torch.linalg.inv(between) + 2 * torch.linalg.inv(scatter)).trace())
    assert error["found"] < min(error["mean"], error["prior"]) and error["found"] == pytest.approx(theory, rel=0.08)


def test_scatter_that_components_share_corrects_them_together():
    """A number that does not differ between stations tells how far the others are off by chance."""
    scatter = torch.tensor([[1.0, 0.95], [0.95, 1.0]], dtype=torch.float64)
    between = torch.diag(torch.tensor([1.0, 1e-6], dtype=torch.float64))
    found = posterior(torch.tensor([2.0, 2.0], dtype=torch.float64), 1, scatter, torch.zeros(2, dtype=torch.float64), between)
    alone = posterior(torch.tensor([2.0, 0.0], dtype=torch.float64), 1, scatter, torch.zeros(2, dtype=torch.float64), between)
    assert float(found[0]) < 0.2 < 1.5 < float(alone[0])


def test_fine_structure_is_shrunk():
    usual, between, within = normal(3, 7), torch.rand(3, 7, dtype=torch.float64), torch.rand(3, 7, dtype=torch.float64)
    fine, variances = normal(3, 7), torch.stack([usual, between, within])
    torch.testing.assert_close(shrunk_fine(fine, 4, variances), (fine * between + usual * within / 4) / (between + within / 4))
    torch.testing.assert_close(shrunk_fine(fine, 10**9, variances), fine, rtol=0, atol=1e-5)
    none = shrunk_fine(fine, 4, torch.stack([usual, 0 * between, 0 * within]))
    torch.testing.assert_close(none, usual)


LAYOUT = Layout(bands=2, latent=3)                                       # 18 numbers


def spread(size: int = 18):
    half = normal(size, size)
    return half @ half.T / size + 0.5 * torch.eye(size, dtype=torch.float64)


def test_contrasts_are_levels_and_ratios_of_each_band():
    matrix, kinds = LAYOUT.contrasts()
    u = normal(4, 18)
    power = LAYOUT.parts(u)[0]
    found = u @ matrix.T
    torch.testing.assert_close(found[:, kinds[0]], power.mean(dim=2))
    torch.testing.assert_close(found[:, kinds[1]], power[:, :, 0] - power[:, :, 1])
    torch.testing.assert_close(found[:, kinds[2]], power[:, :, :2].mean(dim=2) - power[:, :, 2])
    assert sorted(torch.cat(kinds).tolist()) == list(range(18)) and torch.equal(found[:, 6:], u[:, 6:])


def test_scatter_becomes_the_stations_own():
    none = torch.zeros(3, dtype=torch.float64)
    common, own = spread(), 4 * spread()
    few, many = (normal(n, 18) @ torch.linalg.cholesky(own).T + 7 for n in (20, 200000))
    assert torch.equal(own_scatter(few[:2], common, LAYOUT, none), common)
    weight = 20 / (20 + OWN_SCATTER)
    torch.testing.assert_close(own_scatter(few, common, LAYOUT, none), weight * few.T.cov() + (1 - weight) * rescaled(few.T.cov(), 19, common, LAYOUT))
    torch.testing.assert_close(own_scatter(many, common, LAYOUT, none), own, rtol=0.05, atol=0.1)
    assert float(torch.linalg.eigvalsh(own_scatter(normal(3, 18), common, LAYOUT, none)).min()) > 0


def test_what_the_network_leaves_open_of_w_is_scatter_too():
    """Means of w scatter less than w: with the network's variance added, the size of w's scatter is as usual."""
    open_, usual = torch.tensor([0.6, 0.5, 0.7], dtype=torch.float64), torch.eye(18, dtype=torch.float64)
    rest = normal(20000, 18)
    rest[:, -3:] *= torch.sqrt(1 - open_)
    found = own_scatter(rest[:25], usual, LAYOUT, open_)
    torch.testing.assert_close(torch.diagonal(own_scatter(rest, usual, LAYOUT, open_))[-3:], torch.ones(3, dtype=torch.float64), rtol=0.05, atol=0)
    assert float(torch.diagonal(found)[-3:].mean()) > 0.8


@pytest.mark.parametrize("records, stations", [(3, 3), (3, 7), (5, 7)])
def test_scatter_of_few_records_can_be_drawn_from_in_single_precision(records, stations):
    layout = Layout(bands=18, latent=8)
    n = sum(layout.sizes)
    for _ in range(5):
        mixed = torch.randn(n, n) / n**0.5
        groups = [torch.randn(records, n) @ mixed for _ in range(stations)]
        away = torch.cat([group - group.mean(dim=0) for group in groups])
        common = away.T @ away / (stations * (records - 1))
        found = own_scatter(groups[0], common, layout, torch.full((8,), 0.1))
        assert found.dtype == torch.float32 and torch.isfinite(found).all() and torch.isfinite(torch.linalg.cholesky(steadied(found))).all()


def test_size_of_scatter_is_found_kind_by_kind():
    common, (matrix, kinds) = spread(), LAYOUT.contrasts()
    sizes = torch.ones(18, dtype=torch.float64)
    for kind, size in zip(kinds, (0.5, 2, 0.3, 1, 3, 0.8, 1.5, 0.7)):
        sizes[kind] = size
    back = torch.linalg.inv(matrix)
    own = back @ (sizes[:, None] * (matrix @ common @ matrix.T) * sizes) @ back.T
    torch.testing.assert_close(rescaled(own, 10**9, common, LAYOUT), own, rtol=1e-6, atol=1e-6)       # many records: their sizes
    torch.testing.assert_close(rescaled(common, 5, common, LAYOUT), common, rtol=1e-6, atol=1e-6)     # as usual: nothing changes
    freedom = 10
    halfway = matrix @ rescaled(own, freedom, common, LAYOUT) @ matrix.T
    usual = matrix @ common @ matrix.T
    times = torch.diagonal(halfway) / torch.diagonal(usual)
    torch.testing.assert_close(times, (freedom * sizes**2 + USUAL_SIZE) / (freedom + USUAL_SIZE), rtol=1e-6, atol=1e-6)



# --- spectra ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("samples, rate_hz", [(3000, 50.0), (1875, 31.25), (6000, 100.0), (500, 50.0)])
def test_smoothing_and_interpolation_are_averages(samples, rate_hz):
    nodes, bands = nodes_of(samples, rate_hz)
    one = torch.ones(1, dtype=torch.float64)
    torch.testing.assert_close(nodes.smoothing.sum(dim=1), one.expand(len(nodes.ln_hz)))
    torch.testing.assert_close(nodes.between.sum(dim=0), one.expand(len(bands.ln_hz)))
    assert (nodes.smoothing >= 0).all() and (nodes.between >= -1e-12).all() and (nodes.between <= 1 + 1e-12).all()
    torch.testing.assert_close(nodes.ln_hz @ nodes.between, bands.ln_hz.clamp(nodes.ln_hz[0], nodes.ln_hz[-1]))     # straight lines stay
    assert nodes.ln_hz[0] < torch.log(bands.centres_hz[0]) and nodes.ln_hz[-1] > torch.log(bands.centres_hz[-1])
    assert float(nodes.ln_hz[-1]) < math.log(rate_hz / 2)


def test_spectra_of_white_noise_are_flat():
    nodes, bands = nodes_of()
    spectra = nodes.ln_spectra(2 * normal(160, 3, 3000) + 100, bands)                    # the mean does not count
    assert spectra.shape == (160, 3, len(nodes.ln_hz))
    expected = math.log(2 * math.sqrt(3000) * math.sqrt(math.pi) / 2)                   # Rayleigh's mean amplitude
    torch.testing.assert_close(torch.log(torch.exp(spectra).mean(dim=(0, 1)))[32:], torch.full((len(nodes.ln_hz) - 32,), expected, dtype=torch.float64), rtol=0, atol=0.05)
    torch.testing.assert_close(nodes.ln_spectra(normal(5, 3, 3000), bands, at_once=2).shape, torch.Size([5, 3, len(nodes.ln_hz)]))


def test_fine_structure_is_what_bands_do_not_say():
    """A spectrum louder in all bands has the same fine structure; one that follows its bands has none but a constant."""
    nodes, bands = nodes_of()
    ln_spectra, ln_power = normal(2, 3, len(nodes.ln_hz)), normal(2, bands.count, 3)
    torch.testing.assert_close(nodes.fine(ln_spectra + 1.5, ln_power + 3.0), nodes.fine(ln_spectra, ln_power))
    smooth = torch.einsum("bfc,fk->bck", ln_power, bands.share)[..., None, :] / 2
    followed = (smooth * nodes.smoothing).sum(dim=-1)
    assert float(nodes.fine(followed, ln_power).abs().max()) < 1e-9


def peaks(nodes):
    """ln amplitudes with resonances, of curvatures as stations have."""
    hz = torch.exp(nodes.ln_hz)
    shapes = [sum(size * torch.exp(-0.5 * (torch.log(hz / at) / width) ** 2) for at, size, width in one) for one in (
        [(1.3, 1.5, 0.06), (4.0, 0.7, 0.07)], [(2.7, 1.0, 0.04)], [(8.0, -0.8, 0.06)])]
    return torch.stack(shapes)


def test_sharpening_takes_smoothing_back():
    nodes, _ = nodes_of(6000, 100.0)
    curve = peaks(nodes)

    def smoothed(of):
        return torch.log(torch.exp(of @ nodes.between) @ nodes.smoothing.T)

    once = smoothed(curve)
    found = nodes.sharpened(once)
    assert float((smoothed(found) - once).abs().max()) < 0.02                           # it smooths to what was given
    inner = slice(10, -3)
    off, before = (found - curve)[:, inner].abs().max(), (once - curve)[:, inner].abs().max()
    assert before > 0.05 and off < 0.3 * before                                         # and is near the one that was smoothed
    level = torch.full_like(curve, 0.7)
    torch.testing.assert_close(nodes.sharpened(smoothed(level)), level)


def test_tensors_and_back():
    one = Station(normal(4), covariance(4), normal(3, 6), normal(5, 3), normal(7, 2), torch.rand(7), normal(7, 6), torch.rand(()))
    tensors = one.tensors(3)
    again = Station.from_tensors(tensors, 3)
    assert set(tensors) == {f"station.3.{name}" for name in ("mean", "scatter", "curve", "ln_noise", "catalogue", "p_onsets", "polarised", "wander")}
    assert all(torch.equal(value, again.tensors(3)[name]) for name, value in tensors.items())
    assert all(value.dtype == torch.float32 for value in one.to(torch.zeros(1)).tensors(0).values())
