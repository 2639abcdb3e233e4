"""Records from shaped noise: the same for the same seed, of the strength, duration and station that were asked for, and copies of nothing."""

import math

import numpy as np
import pytest
import torch

from shaped_corpus import RATE_HZ, SAMPLES
from tng.descriptions import describe
from tng.envelopes import Bands
from tng.generators import GeneratorError, shaped_noise, shaping
from tng.generators.shaped_noise import AT_ONCE, LAST_S, given, places, record_seeds, smoothed, steadied
from tng.generators.source_and_path import Law
from tng.records import Record

pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture(scope="module")
def made(shaped):
    _, trained = shaped
    return shaping.generator(trained.network, trained.extra, trained.info["stations"])


def array(records):
    return np.stack([record.data for record in records])


def ln_peak(records):
    return np.log(np.abs(array(records)[:, :2]).max(axis=(1, 2)))


def drawn(made, code, n, seed=0, drivers=None):
    """Numbers, P onsets and seeds of records that `sample` would make."""
    seeds = record_seeds(seed, code, n)
    return *made.descriptions(made.known[code], seeds, places(seed, code, n), drivers), seeds


# --- which records ------------------------------------------------------------------------------------------

def test_the_same_seed_gives_the_same_records(made):
    one, again = made.sample("B", 5, 3), made.sample("B", 5, 3)
    np.testing.assert_array_equal(array(one), array(again))
    assert all(isinstance(record, Record) and record.data.shape == (3, SAMPLES) and record.sampling_rate_hz == RATE_HZ and record.station == "B" for record in one)
    assert [record.event for record in one] == [f"shaped noise 3 B {i}" for i in range(5)]
    assert all(record.meta["trace_category"] == "generated" and record.meta["generator"] == "shaped noise" and record.meta["generator_sources"] == ""
               and "source_magnitude" not in record.meta for record in one)


def test_a_record_does_not_depend_on_how_many_there_are(made):
    many = array(made.sample("C", AT_ONCE + 3, 0))
    for n in (1, 4, AT_ONCE + 1):
        np.testing.assert_allclose(array(made.sample("C", n, 0)), many[:n], rtol=1e-9, atol=1e-9)
    assert made.sample("C", 0, 0) == []


def test_no_two_records_are_the_same(made):
    sets = {(code, seed): array(made.sample(code, 6, seed)) for code in "AB" for seed in (0, 1)}
    everything = np.concatenate(list(sets.values())).reshape(24, -1)
    alike = np.corrcoef(everything) - np.eye(24)
    assert np.abs(alike).max() < 0.6


def test_no_record_is_a_copy_of_a_recorded_one(shaped, made):
    """The largest correlation at any lag with any training record is no larger than between generated records themselves."""
    run, _ = shaped
    data = run.corpus()
    recorded = data.waveforms(data.select(["A"], "train")).astype(float)
    first, second = array(made.sample("A", 12, 0)), array(made.sample("A", 10, 1))

    def largest(x, y):
        x, y = (np.fft.rfft(one / np.sqrt((one**2).sum(axis=(1, 2), keepdims=True)), 2 * SAMPLES) for one in (x, y))
        return np.abs(np.fft.irfft(np.einsum("ack,bck->abk", x, y.conj()), 2 * SAMPLES)).max(axis=(1, 2))

    assert np.median(largest(first, recorded)) < 1.3 * np.median(largest(first, second)) and largest(first, recorded).max() < 0.7


def test_seeds_and_places():
    seeds = record_seeds(0, "A", 200)
    assert len(set(seeds.tolist())) == 200 and (seeds >= 0).all()
    assert not set(seeds.tolist()) & (set(record_seeds(1, "A", 200).tolist()) | set(record_seeds(0, "B", 200).tolist()))
    assert torch.equal(record_seeds(0, "A", 5), seeds[:5]) and torch.equal(places(0, "A", 5), places(0, "A", 200)[:5])
    for n in (10, 60, 200):                                          # evenly: no tenth of the list is left out or much preferred
        turns = places(7, "A", n)
        assert ((turns >= 0) & (turns < 1)).all()
        shares = torch.stack([torch.histc(turn, 5, 0, 1) for turn in turns.T]) / n
        assert float(shares.min()) > 0.08 and float(shares.max()) < 0.32


def test_smoothed_drivers_have_the_spread_of_the_catalogue():
    catalogue = torch.randn(40, 2, dtype=torch.float64) * torch.tensor([1.0, 0.3], dtype=torch.float64) + 5
    spread = catalogue.std(dim=0)
    found = smoothed(catalogue, torch.rand(20000), torch.randn(20000, 2, dtype=torch.float64) * spread)
    torch.testing.assert_close(found.mean(dim=0), catalogue.mean(dim=0), rtol=0, atol=0.03)
    torch.testing.assert_close(found.std(dim=0), spread, rtol=0.03, atol=0)
    assert len(torch.unique(found[:, 0])) == 20000


def test_a_covariance_of_few_records_can_be_drawn_from():
    few = torch.randn(3, 20, dtype=torch.float64)
    singular = few.T @ few
    factor = torch.linalg.cholesky(steadied(singular))
    torch.testing.assert_close(factor @ factor.T, singular, rtol=5e-5, atol=1e-4)


def test_given_numbers_take_the_others_along():
    """The conditional Gaussian: what the others have beyond their regression on the part stays as it was, and the part is as given."""
    half = torch.randn(6, 6, dtype=torch.float64)
    covariance, part = half @ half.T + torch.eye(6, dtype=torch.float64), slice(2, 4)
    away = torch.randn(50, 6, dtype=torch.float64) @ torch.linalg.cholesky(covariance).T
    values = torch.randn(50, 2, dtype=torch.float64)
    found = given(away, covariance, part, values)
    torch.testing.assert_close(found[:, part], values)
    regression = torch.linalg.solve(covariance[part, part], covariance[part])
    torch.testing.assert_close(found - found[:, part] @ regression, away - away[:, part] @ regression)
    torch.testing.assert_close(given(away, covariance, part, away[:, part]), away)


# --- what they are like ---------------------------------------------------------------------------------------

def test_physical_sizes(shaped, made):
    """Strength, strength's spread, duration and share of the vertical are those of the training records."""
    data = shaped[0].corpus()
    table = data.metadata
    for code in "AD":
        recorded, new = data.waveforms(data.select([code])).astype(float), array(made.sample(code, 60, 0))
        assert np.isfinite(new).all()
        peaks = [np.log(np.abs(x).max(axis=(1, 2))) for x in (recorded, new)]
        assert abs(peaks[0].mean() - peaks[1].mean()) < 0.6 and 0.6 < peaks[1].std() / peaks[0].std() < 1.6
        vertical = [np.log((x[:, :2] ** 2).mean(axis=(1, 2)) / (x[:, 2] ** 2).mean(axis=1)).mean() for x in (recorded, new)]
        assert abs(vertical[0] - vertical[1]) < 0.4
    assert len(table) == 64


def test_each_station_has_its_resonance(made):
    """The largest ratio of horizontals to vertical lies where the station resonates."""
    bands, nodes = made.bands, made.nodes
    for code, hz in (("A", 1.0), ("B", 2.0), ("D", 6.0)):
        x = torch.from_numpy(array(made.sample(code, 40, 0)))
        spectra = nodes.ln_spectra(x, bands).mean(dim=0)
        ratio = spectra[:2].mean(dim=0) - spectra[2]
        assert float(torch.exp(nodes.ln_hz[ratio.argmax()])) == pytest.approx(hz, rel=0.2), code


def test_the_station_is_in_its_numbers_and_its_filter(made):
    """Deviations drawn at station A, at station D: the records have the H/V of D."""
    a, d = made.known["A"], made.known["D"]
    u, p, seeds = drawn(made, "A", 48)
    swapped = u - a.mean + d.mean

    def ratio(x):
        spectra = made.nodes.ln_spectra(x, made.bands).mean(dim=0)
        return (spectra[:2].mean(dim=0) - spectra[2])[8:-2]

    with torch.no_grad():
        found, own, other = (ratio(made.make(*args)) for args in ((d, swapped, p, seeds), (d, *drawn(made, "D", 48)), (a, u, p, seeds)))
    assert float((found - own).abs().mean()) < 0.15 < 0.3 < float((found - other).abs().mean())


def test_nothing_arrives_before_p(made):
    """What is there before P is the station's noise."""
    u, p, seeds = drawn(made, "B", 24)
    with torch.no_grad():
        x = made.make(made.known["B"], u, p, seeds)
        noise = made.noise(made.known["B"].ln_noise + made.layout.parts(u)[4][:, :, None], seeds)
    time_s = torch.arange(SAMPLES, dtype=torch.float64) / RATE_HZ
    for one, ambient, onset in zip(x - noise, noise, p):
        early = time_s < onset - 0.1
        assert float((one[:, early] ** 2).mean()) < 1e-2 * float((one**2).mean())
        late = (time_s >= onset) & (time_s < onset + 15)
        assert float((one[:, late] ** 2).mean()) > 20 * float((one[:, early] ** 2).mean())


# --- made to a description --------------------------------------------------------------------------------------

def test_band_powers_come_out_as_asked(made):
    """Where they stand above the noise; bands overlap and gains are smooth, so nearly."""
    station = made.known["B"]
    u, p, seeds = drawn(made, "B", 32)
    with torch.no_grad():
        found = torch.log(made.bands.power(made.bands.spectrum(made.make(station, u, p, seeds))))
    wanted = made.layout.parts(u)[0]
    clear = wanted > station.ln_noise + made.layout.parts(u)[4][:, :, None] + 1.5
    off = (found - wanted)[clear]
    assert len(off) > 500 and float(off.abs().mean()) < 0.2 and abs(float(off.mean())) < 0.1


def test_louder_in_one_component_and_band_is_louder_there(made):
    station = made.known["C"]
    u, p, seeds = drawn(made, "C", 8)
    layout = made.layout
    more = u.clone()
    more[:, 3 * 7 + 2] += 2.0                                         # band 7, vertical
    assert torch.equal(layout.parts(more)[0][:, 7, 2], layout.parts(u)[0][:, 7, 2] + 2)
    with torch.no_grad():
        one, other = (torch.log(made.bands.power(made.bands.spectrum(made.make(station, numbers, p, seeds)))) for numbers in (u, more))
    change = (other - one).mean(dim=0)
    assert float(change[7, 2]) > 1.0 and float(change[:, :2].abs().max()) < 0.01
    assert float(change[[0, 1, 2, 3, 4, 11, 12], 2].abs().max()) < 0.5 * float(change[7, 2])


def test_scale_by_description(made):
    """ln 4 more in every power, noise included: the same record, twice as strong."""
    station = made.known["A"]
    u, p, seeds = drawn(made, "A", 4)
    more = u.clone()
    more[:, :3 * made.bands.count] += math.log(4)
    more[:, 3 * made.bands.count + 8] += math.log(4)                  # the noise relative to the station's
    assert torch.equal(made.layout.parts(more)[4], made.layout.parts(u)[4] + math.log(4))
    with torch.no_grad():
        one, twice = made.make(station, u, p, seeds), made.make(station, more, p, seeds)
    torch.testing.assert_close(twice, 2 * one)


def test_onsets_duration_and_polarisation_are_those_asked_for(made):
    station = made.known["B"]
    u, _, seeds = drawn(made, "B", 48)
    p = torch.full((48,), 5.0, dtype=torch.float64)
    u = made.known["B"].mean.repeat(48, 1)
    layout = made.layout
    at = 3 * made.bands.count
    u[:, at] = math.log(6.0)                                          # lag
    found = {}
    for name, ln_duration, polarised in (("short", math.log(2.0), 0.0), ("long", math.log(6.0), 1.0)):
        u[:, at + 1] = ln_duration
        u[:, at + 2:at + 8] = 0.0
        u[:, at + 5] = polarised                                      # E–N of S
        with torch.no_grad():
            x = made.make(station, u, p, seeds)
        found[name] = describe(x, torch.tensor([[5.0, 11.0]] * 48, dtype=torch.float64), made.bands, made.cells)
    assert torch.allclose(layout.parts(u)[1], torch.tensor(math.log(6.0), dtype=torch.float64))
    short, long = (float(found[name].onsets[:, 2].log().mean().exp()) for name in ("short", "long"))
    assert 1.2 < short < 3.2 and 4.0 < long < 8.5
    assert float(found["short"].polarisation[:, 3].mean()) == pytest.approx(0, abs=0.2)
    assert 0.4 < float(found["long"].polarisation[:, 3].mean()) < 1.6 and abs(float(found["long"].polarisation[:, 4].mean())) < 0.25
    power = (made.bands.split(x) ** 2)[:, 6:, :2].sum(dim=(0, 1, 2))
    time_s = torch.arange(SAMPLES) / RATE_HZ
    assert power[(time_s >= 11.2) & (time_s < 13)].mean() > 2 * power[(time_s >= 8) & (time_s < 10.8)].mean()      # S is a step


def test_s_never_falls_behind_the_end(made):
    u, _, seeds = drawn(made, "B", 4)
    u[:, 3 * made.bands.count] = math.log(500.0)
    last_s = SAMPLES / RATE_HZ
    with torch.no_grad():
        x = made.make(made.known["B"], u, torch.full((4,), 8.0, dtype=torch.float64), seeds)
        edge = made.make(made.known["B"], u, torch.full((4,), last_s - 0.2, dtype=torch.float64), seeds)
    assert torch.isfinite(x).all() and torch.isfinite(edge).all() and LAST_S < last_s
    assert float((x[..., -50:] ** 2).mean()) > float((x[..., :150] ** 2).mean())


def test_noise_has_the_power_of_its_bands(made):
    station, seeds = made.known["A"], record_seeds(0, "noise", 120)
    with torch.no_grad():
        noise = made.noise(station.ln_noise.expand(120, -1, -1), seeds)
    found = made.bands.power(made.bands.spectrum(noise)).mean(dim=0)
    off = (torch.log(found) - station.ln_noise).abs()
    assert float(off.mean()) < 0.12 and float(off.max()) < 0.5          # the gain is smooth, so steps between bands are rounded


def test_records_can_be_differentiated(made):
    station = made.known["A"]
    u, p, seeds = drawn(made, "A", 1)
    u = u.detach().requires_grad_()
    made.make(station, u, p, seeds).square().mean().backward()
    assert torch.isfinite(u.grad).all() and float(u.grad[0, :3 * made.bands.count].abs().sum()) > 0
    direction = torch.randn_like(u)
    with torch.no_grad():
        direction[:, 3 * made.bands.count:3 * made.bands.count + 2] = 0            # onsets move over samples in steps
        ahead, behind = (made.make(station, u + step * direction, p, seeds).square().mean() for step in (1e-6, -1e-6))
    assert float((u.grad * direction).sum()) == pytest.approx(float(ahead - behind) / 2e-6, rel=1e-4)


# --- to order -----------------------------------------------------------------------------------------------------

def test_larger_is_stronger_and_farther_is_weaker(made):
    n = 40
    weak, strong, far = (made.sample("B", n, 0, magnitude=m, distance_km=km) for m, km in ((4.0, 25.0), (6.0, 25.0), (4.0, 60.0)))
    slope = (ln_peak(strong) - ln_peak(weak)).mean() / 2
    assert 0.7 < slope < 1.6                                          # the corpus was made with 1.15 a magnitude
    assert -2.2 < (ln_peak(far) - ln_peak(weak)).mean() / math.log(60 / 25) < -0.4        # and 1 / R
    assert all(record.meta["source_magnitude"] == 4.0 and record.meta["path_hyp_distance_km"] == 60.0 for record in far)
    assert (np.corrcoef(ln_peak(weak), ln_peak(strong))[0, 1]) > 0.5                      # the same deviations from the law


def test_a_magnitude_for_each_record(made):
    magnitudes, km = [4.0, 5.0, 6.0], [20.0, 40.0, 30.0]
    together = made.sample("C", 3, 2, magnitude=magnitudes, distance_km=km)
    for i in range(3):
        alone = made.sample("C", 3, 2, magnitude=magnitudes[i], distance_km=km[i])[i]
        np.testing.assert_allclose(alone.data, together[i].data, rtol=1e-9, atol=1e-9)
        assert (alone.meta["source_magnitude"], alone.meta["path_hyp_distance_km"]) == (magnitudes[i], km[i])


def test_numbers_to_order_follow_the_law(made):
    drivers = torch.tensor([[4.5, math.log(20.0)], [6.0, math.log(20.0)]], dtype=torch.float64)
    one, other = (drawn(made, "A", 5, drivers=row.expand(5, -1))[0] for row in drivers)
    effect = made.law.effect(drivers, made.bands.centres_hz)
    torch.testing.assert_close(other - one, (effect[1] - effect[0]).expand(5, -1))


@pytest.mark.parametrize("asked, says", [
    (dict(magnitude=5.0), "magnitude and distance_km go together"), (dict(distance_km=50.0), "go together"),
    (dict(magnitude=9.5, distance_km=50.0), "magnitude 9.5: from 2 to 8.5 can be asked for"), (dict(magnitude=5.0, distance_km=0.0), "distance_km 0 km: from 1 to 1000 km"),
    (dict(magnitude=math.nan, distance_km=50.0), "magnitude nan: "), (dict(magnitude=[5.0], distance_km=50.0), "magnitude: 1 values for 2 records"),
    (dict(magnitude=[5.0, 5.0, 5.0], distance_km=50.0), "magnitude: 3 values for 2 records"), (dict(magnitude=5.0, distance_km=[[5.0, 6.0]]), "distance_km: 2 values for 2 records"),
])
def test_wishes_that_cannot_be_granted(asked, says, made):
    with pytest.raises(GeneratorError, match=says):
        made.sample("A", 2, 0, **asked)


def test_an_unknown_station(made):
    with pytest.raises(GeneratorError, match="no station 'AA' here: did you mean 'A'"):
        made.sample("AA", 2, 0)


def test_no_records_to_order_without_magnitudes(made):
    law = made.law
    strength = Law(**{**{name: getattr(law, name) for name in law.__dataclass_fields__}, "centre": law.centre[:1], "lowest": law.lowest[:1], "highest": law.highest[:1],
                      "spread": law.spread[:1], "regression": law.regression[:2]})
    other = shaped_noise.ShapedNoise(made.network, strength, made.known)
    with pytest.raises(GeneratorError, match="trained on records without magnitudes"):
        other.sample("A", 2, 0, magnitude=5.0, distance_km=20.0)


def test_bands_are_those_of_the_network(made):
    arguments = made.network.arguments
    bands = Bands(SAMPLES, RATE_HZ, arguments["low_hz"], arguments["high_hz"], made.bands.white)
    assert torch.equal(bands.centres_hz, made.bands.centres_hz) and made.layout.bands == bands.count
