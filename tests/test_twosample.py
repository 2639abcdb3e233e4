"""Two-sample measures: against loops, closed forms and scipy; false alarms at the stated rate; planted faults are seen."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import linalg, stats
from sklearn.covariance import ledoit_wolf

from tng import spectra, surrogate
from tng.scoring import twosample
from tng.scoring.twosample import Pairs

GRID_HZ = np.geomspace(1, 20, 60)


def rng(seed=0):
    return np.random.default_rng(seed)


def normal(n, m, values=4, seed=0):
    chance = rng(seed)
    return chance.normal(size=(n, values)), chance.normal(size=(m, values))


@pytest.fixture(scope="module")
def ln_hvsr():
    """Curves of a synthetic station with one high peak, (240, 60)."""
    data = np.stack([record.data for record in surrogate.simulate("1716-like", 240, seed=11)])
    freq_hz, curves = spectra.hvsr(data, 100.0)
    return np.array([np.interp(np.log(GRID_HZ), np.log(freq_hz), np.log(curve)) for curve in curves])


def sides(ln_hvsr, seed, n=60):
    rows = rng(seed).permutation(len(ln_hvsr))
    return ln_hvsr[rows[:n]], ln_hvsr[rows[n: 2 * n]]


def moved(curves, factor):
    """Curves with all frequencies times a factor."""
    return np.array([np.interp(np.log(GRID_HZ / factor), np.log(GRID_HZ), curve) for curve in curves])


FAULTS = {
    "frequencies + 10 %": lambda x: moved(x, 1.1),
    "peaks to the power 0.8": lambda x: 0.8 * x,
    "five records over and over": lambda x: x[np.arange(len(x)) % 5],
}


# --- distances -----------------------------------------------------------------------------------------------

def mmd2_by_loops(x, y, bandwidth, groups_x, groups_y):
    """Gretton et al. (2012), eq. 3, pair by pair; pairs within a group left out."""
    def k(a, b):
        return np.exp(-((a - b) ** 2).sum() / (2 * bandwidth**2))

    def within(z, g):
        pairs = [k(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if g[i] != g[j]]
        return np.mean(pairs)
    return within(x, groups_x) + within(y, groups_y) - 2 * np.mean([k(a, b) for a in x for b in y])


@pytest.mark.parametrize("n, m", [(9, 9), (6, 17)])
def test_mmd_is_the_unbiased_one_of_gretton(n, m):
    x, y = normal(n, m)
    y += 0.4
    assert twosample.mmd2(x, y, 1.3) == pytest.approx(mmd2_by_loops(x, y, 1.3, range(n), range(m)), rel=1e-12)
    pooled = np.concatenate([x, y])
    median = np.median([np.linalg.norm(a - b) for i, a in enumerate(pooled) for b in pooled[:i]])
    assert twosample.mmd2(x, y) == pytest.approx(twosample.mmd2(x, y, median), rel=1e-12)


def test_mmd_of_two_gaussians_has_its_closed_form():
    """Laws N(0, 1) and N(δ, 1), kernel width s: 2·s/√(s² + 2)·(1 - exp(-δ²/(2·(s² + 2))))."""
    s, delta = 0.8, 1.2
    expected = 2 * s / np.sqrt(s**2 + 2) * (1 - np.exp(-(delta**2) / (2 * (s**2 + 2))))
    found = [twosample.mmd2(rng(seed).normal(size=150), rng(500 + seed).normal(delta, 1, size=250), s) for seed in range(60)]
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found) / np.sqrt(60))
    assert np.std(found) < 0.2 * expected


def test_energy_distance_is_scipys_where_scipy_has_one():
    x, y = rng(1).normal(size=31), rng(2).normal(0.5, 2, size=47)
    assert twosample.energy_distance(x, y) == pytest.approx(stats.energy_distance(x, y), rel=1e-12)
    assert twosample.energy_distance(x[:, None], y[:, None]) == pytest.approx(stats.energy_distance(x, y), rel=1e-12)


def test_energy_distance_of_several_values_is_its_definition():
    x, y = normal(7, 12)

    def mean(a, b):
        return np.mean([np.linalg.norm(p - q) for p in a for q in b])
    assert twosample.energy_distance(x, y + 1) == pytest.approx(np.sqrt(2 * mean(x, y + 1) - mean(x, x) - mean(y, y)), rel=1e-10)
    assert twosample.energy_distance(x, x) == 0
    # without the zero distances of records to themselves: the U-statistic, which the test uses
    expected = 2 * mean(x, y) - mean(x, x) * 7 / 6 - mean(y, y) * 12 / 11
    assert Pairs.of(x, y).contrast("energy")[0] == pytest.approx(expected, rel=1e-10)


def test_records_of_one_event_are_no_pair():
    x, y = normal(9, 8)
    groups_x, groups_y = np.array(list("aabbbcdee")), np.array([1, 1, 2, 3, 3, 3, 4, 5])
    pairs = Pairs.of(x, y, groups_x, groups_y, bandwidth=1.7)
    assert pairs.contrast("mmd")[0] == pytest.approx(mmd2_by_loops(x, y, 1.7, groups_x, groups_y), rel=1e-12)
    assert pairs.contrast("mmd")[0] != pytest.approx(twosample.mmd2(x, y, 1.7), rel=1e-3)


def test_events_of_one_name_on_both_sides_are_two():
    x, y = normal(9, 9)
    assert Pairs.of(x, y, range(9), range(9)).contrast("mmd") == Pairs.of(x, y).contrast("mmd")


def test_other_labels_give_the_distance_of_other_sides():
    x, y = normal(9, 8)
    both, labels = np.concatenate([x, y]), rng(5).permutation(17) < 6
    found = Pairs.of(x, y, bandwidth=1.7).contrast("mmd", np.stack([labels, ~labels]))
    assert found == pytest.approx([twosample.mmd2(both[labels], both[~labels], 1.7)] * 2, rel=1e-10)


def test_a_bootstrap_sample_is_not_measured_again():
    x, y = normal(12, 9)
    rows_x, rows_y = [0, 0, 5, 7, 8], [1, 2, 3, 3, 8, 8]
    taken = Pairs.of(x, y, bandwidth=2.0).take(rows_x, rows_y)
    again = Pairs.of(x[rows_x], y[rows_y], rows_x, rows_y, bandwidth=2.0)           # a record drawn twice is one event
    assert taken.contrast("mmd") == pytest.approx(again.contrast("mmd"), rel=1e-12)
    assert taken.coverage(2) == again.coverage(2)
    assert taken.bandwidth == 2.0


# --- permutation test ------------------------------------------------------------------------------------------

def grouped(groups, values=6, share=0.7, seed=0):
    """Records of which a share of the variance belongs to their event."""
    chance, groups = rng(seed), np.asarray(groups)
    return (np.sqrt(share) * chance.normal(size=(groups.max() + 1, values))[groups]
            + np.sqrt(1 - share) * chance.normal(size=(len(groups), values)))


@pytest.mark.parametrize("groups_x, groups_y", [
    (np.arange(30), np.arange(30)), (np.arange(12), np.arange(60)), (np.arange(36) // 3, np.arange(36) // 3),
    (np.arange(18) // 3, np.arange(60) // 3), (np.arange(36) // 3, np.arange(36))])
@pytest.mark.parametrize("statistic", ["mmd", "energy"])
def test_one_law_is_rejected_as_often_as_stated(statistic, groups_x, groups_y):
    found = []
    for seed in range(200):
        x, y = grouped(groups_x, seed=seed), grouped(groups_y, seed=10_000 + seed)
        found.append(Pairs.of(x, y, groups_x, groups_y).test(statistic, rng(seed), 99))
    values, p = np.array(found).T
    assert 0.01 <= np.mean(p <= 0.05) <= 0.10                                        # 0.05 and three standard errors
    assert 0.35 <= np.mean(p <= 0.5) <= 0.65
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(200)                         # unbiased


def test_without_its_events_one_law_is_rejected_far_too_often():
    groups = np.arange(36) // 3
    p = np.array([Pairs.of(grouped(groups, seed=seed), grouped(groups, seed=10_000 + seed)).test("mmd", rng(seed), 99).p
                  for seed in range(100)])
    assert np.mean(p <= 0.05) > 0.3


def test_p_of_sets_far_apart_is_the_smallest_there_is():
    x, y = normal(20, 20)
    assert Pairs.of(x, y + 9).test("mmd", rng(), 199).p == 1 / 200
    assert Pairs.of(x, y + 9).test("energy", rng(), 499).p == 1 / 500


def test_p_counts_the_labellings_that_are_as_far_apart():
    """Two sides of five single numbers: all 252 labellings can be listed, and p is their share."""
    x, y = rng(3).normal(size=5), rng(4).normal(1.2, 1, size=5)
    pairs = Pairs.of(x, y)
    every = np.array([[k in chosen for k in range(10)] for chosen in combinations(range(10), 5)])
    value = pairs.contrast("energy")[0]
    share = np.mean(pairs.contrast("energy", every) >= value - 1e-12)
    assert 0.02 < share < 0.6
    assert pairs.test("energy", rng(), 20_000).p == pytest.approx(share, abs=0.015)


def test_events_that_cannot_be_exchanged_give_no_small_p():
    x, y = normal(10, 10)
    assert Pairs.of(x, y + 9, [0] * 5 + [1] * 5, [0] * 5 + [1] * 5).test("mmd", rng(), 999).p > 0.2      # 2 of 6 labellings


def test_equal_records_are_no_evidence():
    same = np.ones((8, 3))
    for statistic in ("mmd", "energy"):
        assert Pairs.of(same, same).test(statistic, rng(), 99) == (0, 1)
    assert twosample.mmd2(same, same + 1) == pytest.approx(2 - 2 * np.exp(-0.5))


def test_one_event_a_side_cannot_be_tested():
    x, y = normal(6, 6)
    with pytest.raises(ValueError, match="of one event; a test needs two events a side"):
        Pairs.of(x, y, ["a"] * 6, range(6)).test("mmd", rng())
    with pytest.raises(ValueError, match="statistic 'median'; 'mmd' or 'energy'"):
        Pairs.of(x, y).test("median", rng())


def test_curves_of_one_station_pass_and_faults_do_not(ln_hvsr):
    passed = {statistic: 0 for statistic in ("mmd", "energy")}
    seen = {(statistic, fault): 0 for statistic in passed for fault in FAULTS}
    for seed in range(40):
        real, new = sides(ln_hvsr, seed)
        for statistic in passed:
            passed[statistic] += Pairs.of(real, new).test(statistic, rng(seed), 199).p > 0.02
            for fault, apply in FAULTS.items():
                seen[statistic, fault] += Pairs.of(real, apply(new)).test(statistic, rng(seed), 199).p <= 0.05
    assert min(passed.values()) >= 36
    assert min(seen.values()) >= 36


# --- neighbourhoods ---------------------------------------------------------------------------------------------

def neighbourhoods_by_loops(x, y, k):
    """Naeem et al. (2020), eqs. 3 and 4; Kynkäänniemi et al. (2019), eq. 2."""
    def radius(points, i):
        return sorted(np.linalg.norm(points[i] - q) for j, q in enumerate(points) if j != i)[k - 1]
    inside = np.array([[np.linalg.norm(p - q) < radius(x, i) for q in y] for i, p in enumerate(x)])
    inside_new = np.array([[np.linalg.norm(p - q) < radius(y, j) for j, q in enumerate(y)] for p in x])
    return inside.sum() / (k * len(y)), inside.any(axis=1).mean(), inside.any(axis=0).mean(), inside_new.any(axis=1).mean()


@pytest.mark.parametrize("k", [1, 3, 5])
def test_neighbourhoods_are_those_of_their_papers(k):
    x, y = normal(25, 14, values=2)
    y = 0.7 * y + 0.5
    pairs = Pairs.of(x, y)
    found = pairs.density(k), pairs.coverage(k), pairs.precision(k), pairs.recall(k)
    assert found == pytest.approx(neighbourhoods_by_loops(x, y, k), rel=1e-12)
    assert len(set(np.round(found, 6))) == 4     # four different numbers, or nothing is shown


@pytest.mark.parametrize("n, m", [(40, 40), (60, 20)])
def test_one_law_has_density_one_and_the_expected_coverage(n, m):
    drawn = [Pairs.of(*normal(n, m, seed=seed)) for seed in range(150)]
    density, coverage = np.mean([[pairs.density(), pairs.coverage()] for pairs in drawn], axis=0)
    assert density == pytest.approx(1, abs=0.05)
    assert coverage == pytest.approx(twosample.expected_coverage(n, m), abs=0.015)


def test_expected_coverage_of_very_many_generated_records_is_one():
    assert twosample.expected_coverage(50, 10**9) == pytest.approx(1)
    assert twosample.expected_coverage(6, 1, 5) == pytest.approx(1 - 5 / 6 * 4 / 5 * 3 / 4 * 2 / 3 * 1 / 2)


def test_collapse_is_seen_by_coverage_and_recall_and_not_by_precision(ln_hvsr):
    for seed in range(10):
        real, new = sides(ln_hvsr, seed)
        honest, collapsed = Pairs.of(real, new), Pairs.of(real, FAULTS["five records over and over"](new))
        assert honest.coverage() > 0.8 and honest.recall() > 0.8
        assert collapsed.coverage() < 0.7 and collapsed.recall() == 0
        assert collapsed.precision() >= 0.6


def test_copies_are_covered_even_where_nothing_varies():
    x, _ = normal(20, 5)
    assert Pairs.of(x, x).coverage() == Pairs.of(x, x).precision() == 1
    assert Pairs.of(x, x).density() == pytest.approx(1)
    same = np.ones((9, 2))
    assert Pairs.of(same, same).coverage() == 1 and Pairs.of(same, same + 1).coverage() == 0


def test_neighbours_are_of_other_events():
    """Twins of each record would make every neighbourhood tiny."""
    x, y = normal(30, 30)
    twins, events = np.repeat(x, 6, axis=0) + 1e-6 * rng(1).normal(size=(180, 4)), np.repeat(np.arange(30), 6)
    assert Pairs.of(twins, y).coverage() < 0.05
    assert Pairs.of(twins, y, events).coverage() > 0.4


def test_neighbours_that_there_are_not():
    x, y = normal(5, 9)
    assert Pairs.of(x, y).density(5) * 5 == pytest.approx(Pairs.of(x, y).density(4) * 4)   # five records have four neighbours
    one_event = Pairs.of(x, y, ["a"] * 5)
    assert one_event.coverage() == one_event.density() == 0
    with pytest.raises(ValueError, match="0 neighbours; at least one"):
        one_event.coverage(0)


# --- Fréchet distance ---------------------------------------------------------------------------------------------

def test_frechet_distance_of_two_gaussians_has_its_closed_form():
    """Axes at right angles, so that Σx and Σy commute only after a turn: tr(Σx + Σy - 2·(Σx·Σy)^½) by another route."""
    turn = stats.ortho_group.rvs(3, random_state=1)
    cov_x, cov_y, gap = np.diag([4.0, 1.0, 0.25]), turn @ np.diag([1.0, 2.0, 0.5]) @ turn.T, np.array([1.0, -2.0, 0.5])
    expected = gap @ gap + np.trace(cov_x + cov_y - 2 * linalg.sqrtm(cov_x @ cov_y).real)
    chance = rng(2)
    x, y = chance.multivariate_normal(np.zeros(3), cov_x, 60_000), chance.multivariate_normal(gap, cov_y, 60_000)
    assert twosample.frechet(x, y) == pytest.approx(expected, rel=0.01)
    # one value: (µx - µy)² + (σx - σy)²
    one = x[:, 0]
    assert twosample.frechet(one, 3 * one + 5) == pytest.approx((2 * one.mean() + 5) ** 2 + 4 * one.var(), rel=1e-6)


def test_covariances_are_shrunk():
    x, y = normal(12, 15, values=30)
    cov_x, cov_y = ledoit_wolf(x)[0], ledoit_wolf(y)[0]
    root = linalg.sqrtm(cov_x @ cov_y).real
    expected = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() + np.trace(cov_x + cov_y - 2 * root)
    assert twosample.frechet(x, y) == pytest.approx(expected, rel=1e-8)
    assert twosample.frechet(y, x) == pytest.approx(expected, rel=1e-8)
    assert twosample.frechet(x, x) == pytest.approx(0, abs=1e-9)


def test_records_without_variation_are_points():
    assert twosample.frechet(np.ones((9, 3)), np.zeros((6, 3))) == pytest.approx(3)
    assert np.isfinite(twosample.frechet(np.ones((9, 3)), normal(9, 9, 3)[0]))


def test_the_frechet_distance_of_real_sets_is_its_floor(ln_hvsr):
    floor, faults = [], {fault: [] for fault in FAULTS}
    for seed in range(10):
        real, new = sides(ln_hvsr, seed)
        floor.append(twosample.frechet(real, new))
        for fault, apply in FAULTS.items():
            faults[fault].append(twosample.frechet(real, apply(new)))
    assert min(floor) > 0.1                                                             # chance alone
    assert all(min(found) > max(floor) for found in faults.values())


# --- different records ----------------------------------------------------------------------------------------------

def test_effective_number_counts_records_far_apart():
    spots = np.array([[0.0, 0], [100, 0], [0, 100], [100, 100], [500, 0]])
    assert twosample.effective_number(spots, 1.0) == pytest.approx(5)
    assert twosample.effective_number(np.repeat(spots, 4, axis=0), 1.0) == pytest.approx(5)
    assert twosample.effective_number(np.repeat(spots, [8, 1, 1, 1, 1], axis=0), 1.0) < 4                 # uneven: fewer
    assert twosample.effective_number(np.ones((20, 3))) == pytest.approx(1)
    assert twosample.effective_number(spots, 1e9) == pytest.approx(1)


def test_effective_number_of_two_pairs_half_alike():
    """Eigenvalues of [[1, c], [c, 1]]/2 are (1 ± c)/2, here thrice, far apart."""
    c = np.exp(-2 * 0.5**2)
    places = np.array([[0.0], [0.5], [1000], [1000.5], [2000], [2000.5]])
    share = np.repeat([(1 + c) / 6, (1 - c) / 6], 3)
    assert twosample.effective_number(places, 1.0) == pytest.approx(np.exp(-(share * np.log(share)).sum()))


def test_collapse_leaves_few_different_records(ln_hvsr):
    real, new = sides(ln_hvsr, 0)
    apart = twosample.neighbour_distance(real)
    assert twosample.effective_number(new, apart) == pytest.approx(twosample.effective_number(real, apart), rel=0.1)
    assert 4 < twosample.effective_number(FAULTS["five records over and over"](new), apart) < 5.1
    assert twosample.effective_number(real, apart) > 40
    nearest = [min(np.linalg.norm(a - b) for j, b in enumerate(real) if j != i) for i, a in enumerate(real)]
    assert apart == pytest.approx(np.median(nearest), rel=1e-12)


# --- scales, bad input ------------------------------------------------------------------------------------------------

def test_features_of_different_units_are_brought_to_one_scale():
    x, y = normal(40, 30)
    units = np.array([1e-3, 1.0, 1e3, 1e6])
    a, b = twosample.standardised(x * units + units, y * units + units)
    assert a.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-9) and a.std(axis=0) == pytest.approx(np.ones(4))
    assert b == pytest.approx((y - x.mean(axis=0)) / x.std(axis=0), rel=1e-6, abs=1e-6)
    both = np.concatenate(twosample.standardised(x * units, y, pooled=True))
    assert both.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-9) and both.std(axis=0) == pytest.approx(np.ones(4))


def test_a_feature_that_does_not_vary_is_only_centred():
    x, y = normal(10, 10)
    x[:, 2] = 0.1 + 0.2
    a, b = twosample.standardised(x, y)
    assert np.abs(a[:, 2]).max() < 1e-15 and b[:, 2] == pytest.approx(y[:, 2] - 0.3)


@pytest.mark.parametrize("measure", [
    twosample.mmd2, twosample.energy_distance, twosample.frechet, Pairs.of, twosample.standardised,
    lambda x, y: twosample.effective_number(y)])
def test_bad_features_are_refused(measure):
    x, y = normal(9, 9)
    with pytest.raises(ValueError, match="4 generated records; at least 5|4 real and"):
        measure(x, y[:4])
    with pytest.raises(ValueError, match="1 of 9 .* not finite"):
        measure(x, np.where(np.arange(9)[:, None] == 3, np.nan, y))


def test_other_widths_groups_and_bandwidths():
    x, y = normal(9, 9)
    with pytest.raises(ValueError, match=r"shape \(9, 4\), generated ones of shape \(9, 3\)"):
        Pairs.of(x, y[:, :3])
    with pytest.raises(ValueError, match="9 generated records but 8 groups"):
        Pairs.of(x, y, range(9), range(8))
    with pytest.raises(ValueError, match="bandwidth 0; a positive"):
        twosample.mmd2(x, y, 0)
    with pytest.raises(ValueError, match="records 0 apart"):
        twosample.effective_number(x, 0)
