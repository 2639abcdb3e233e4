"""Copies, mixtures, mode collapse and swapped stations must be seen; unseen records of the same law must pass."""

import numpy as np
import pytest
from scipy import signal

from tng import spectra, surrogate
from tng.generators.nulls import PhaseRandomised, RecordAverage, UnitNormMix
from tng.scoring import conditioning, novelty

RATE_HZ = 100.0


@pytest.fixture(scope="module")
def records():
    """40 training and 40 held-out records of one station."""
    x = np.stack([record.data for record in surrogate.simulate("1716-like", 80, seed=1)])
    return x[:40], x[40:]


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).standard_normal((6, 3, 500))


def turned(x, angle):
    """Around the vertical."""
    east, north, up = np.moveaxis(x, -2, 0)
    return np.stack([np.cos(angle) * east + np.sin(angle) * north, np.cos(angle) * north - np.sin(angle) * east, up], axis=-2)


def averages(train, k, n, seed=0, noise=0.0):
    rng = np.random.default_rng(seed)
    made, rows = [], []
    for _ in range(n):
        rows.append(rng.choice(len(train), k, replace=False))
        one = RecordAverage.mix(train[rows[-1]].astype(float))
        made.append(one + noise * one.std(axis=1, keepdims=True) * rng.standard_normal(one.shape))
    return np.stack(made), rows


# --- the nearest record ----------------------------------------------------------------------------------

def by_definition(a, b):
    """Cyclic three-component cross-correlation of two records, the slow way: best absolute value and its lag."""
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    values = np.array([(np.roll(a, -lag, axis=1) * b).sum() for lag in range(a.shape[1])])
    best = int(np.abs(values).argmax())
    return np.abs(values[best]) / np.sqrt((a**2).sum() * (b**2).sum()), best if best <= a.shape[1] // 2 else best - a.shape[1]


def test_correlation_by_its_definition(noise):
    """500 samples are a fast length for a Fourier transform, so nothing is padded."""
    value, lag = novelty.correlations(noise[:3], noise, turned=False)
    for i in range(3):
        for j in range(6):
            expected = by_definition(noise[i], noise[j])
            assert value[i, j] == pytest.approx(expected[0], abs=1e-5) and lag[i, j] == expected[1]


def test_turned_correlation_is_the_largest_over_all_rotations_and_reflections(noise):
    """Singular values against a search over angles: horizontals turned and mirrored, the sign of the vertical free."""
    a, b = noise[0], noise[1]
    value, lag = novelty.correlations(a[None], b[None])
    late = np.roll(a, -lag[0, 0], axis=1)
    centred = [x - x.mean(axis=1, keepdims=True) for x in (late, b)]
    searched = 0.0
    for angle in np.linspace(0, 2 * np.pi, 2001):
        for mirror in (1, -1):
            one = turned(centred[0] * np.array([[mirror], [1], [1]]), angle)
            searched = max(searched, (one[:2] * centred[1][:2]).sum() + abs((one[2] * centred[1][2]).sum()))
    assert value[0, 0] == pytest.approx(searched / np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()), rel=1e-4)


CHANGES = {
    "itself": lambda x: x,
    "weaker, with an offset": lambda x: 0.01 * x + 3,
    "reversed in sign": lambda x: -x,
    "late by 7.31 s": lambda x: np.roll(x, 731, axis=-1),
    "early, zeros behind": lambda x: np.concatenate([x[..., 150:], np.zeros_like(x[..., :150])], axis=-1),
}
TURNS = {
    "turned": lambda x: turned(x, 0.7),
    "E and N swapped": lambda x: x[..., [1, 0, 2], :],
    "one horizontal reversed": lambda x: x * np.array([[-1], [1], [1]]),
    "vertical reversed": lambda x: x * np.array([[1], [1], [-1]]),
    "turned, reversed and late": lambda x: -np.roll(turned(x, 2.0), -333, axis=-1),
}


@pytest.mark.parametrize("sampling_rate_hz", [None, RATE_HZ])
@pytest.mark.parametrize("change", [*CHANGES, *TURNS])
def test_changed_copies_are_found(change, sampling_rate_hz, records):
    train, _ = records
    copies = {**CHANGES, **TURNS}[change](train[3:9])
    correlation, index, _ = novelty.nearest(copies, train, sampling_rate_hz=sampling_rate_hz)
    np.testing.assert_array_equal(index, np.arange(3, 9))
    assert (correlation > 0.95).all()
    plain = novelty.nearest(copies, train, sampling_rate_hz=sampling_rate_hz, turned=False)[0]
    assert (plain > 0.95).all() == (change in CHANGES)


def test_lag_says_how_late_the_copy_is(records):
    train, _ = records
    for shift in (731, -402):
        _, _, lag = novelty.nearest(np.roll(train[:3], shift, axis=-1), train)
        np.testing.assert_array_equal(lag, shift)
    early = novelty.nearest(np.roll(train[:3], 731, axis=-1), train, max_lag=200)
    assert (early[0] < 0.7).all() and (np.abs(early[2]) <= 200).all()


def test_the_band_changes_little(records):
    """What `sampling_rate_hz` leaves out, above 12.5 Hz, makes records hardly more alike."""
    train, held_out = records
    full, _ = novelty.correlations(held_out[:15], train, turned=False)
    band, _ = novelty.correlations(held_out[:15], train, turned=False, sampling_rate_hz=RATE_HZ)
    assert 0 <= np.median(band.max(axis=1) - full.max(axis=1)) < 0.04
    high = signal.sosfiltfilt(signal.butter(4, 15, "highpass", fs=RATE_HZ, output="sos"), held_out[:1], axis=-1)
    assert novelty.correlations(held_out[:1] + 100 * high, held_out[:1])[0] < 0.7
    assert novelty.correlations(held_out[:1] + 100 * high, held_out[:1], sampling_rate_hz=RATE_HZ)[0] > 0.6


def test_excluded_pairs(records):
    train, _ = records
    itself = np.eye(len(train), dtype=bool)
    correlation, index, _ = novelty.nearest(train, train, exclude=itself, sampling_rate_hz=RATE_HZ)
    assert (correlation < 0.7).all() and (index != np.arange(len(train))).all()
    with pytest.raises(ValueError, match=r"shape \(3, 3\); \(40, 40\)"):
        novelty.nearest(train, train, exclude=np.eye(3))
    with pytest.raises(ValueError, match="record 0 is left with nothing"):
        novelty.nearest(train[:2], train[:1], exclude=[[True], [False]])


def test_copies_and_unseen_records(records):
    """Unseen records, a set of which half are copies, and copies alone."""
    train, held_out = records
    unseen, floor = held_out[:20], held_out[20:]
    floor_c = novelty.nearest(floor, train, sampling_rate_hz=RATE_HZ)[0]
    new = novelty.novelty_ratio(novelty.nearest(unseen, train, sampling_rate_hz=RATE_HZ)[0], floor_c)
    assert 0.85 < new["ratio"] < 1.15 and new["copies"] <= 0.15
    half = np.concatenate([unseen[:10], -np.roll(train[:10], 99, axis=-1)])
    found = novelty.novelty_ratio(novelty.nearest(half, train, sampling_rate_hz=RATE_HZ)[0], floor_c)
    assert 0.5 <= found["copies"] <= 0.6
    copied = novelty.novelty_ratio(novelty.nearest(train[:10], train, sampling_rate_hz=RATE_HZ)[0], floor_c)
    assert copied == {"ratio": pytest.approx(0, abs=1e-4), "copies": 1.0}


def test_novelty_ratio_by_hand():
    found = novelty.novelty_ratio([0.9, 0.5, 0.2], [0.1, 0.2, 0.3])
    assert found["ratio"] == pytest.approx(0.5 / 0.8) and found["copies"] == pytest.approx(2 / 3)
    assert np.isnan(novelty.novelty_ratio([0.5], [1.0, 1.0])["ratio"])


def test_membership_by_hand_and_as_a_probability():
    assert novelty.membership_auc([0.9, 0.8], [0.1, 0.2, 0.3]) == 1
    assert novelty.membership_auc([0.1], [0.1, 0.1]) == 0.5                    # ties count half
    assert novelty.membership_auc([0.1, 0.5], [0.3]) == 0.5
    rng = np.random.default_rng(0)
    train, held_out = rng.random(30) + 0.2, rng.random(20)
    assert novelty.membership_auc(train, held_out) == pytest.approx(np.mean(train[:, None] > held_out))


def test_members_are_told_from_the_generated_records(records):
    train, held_out = records
    mixed, _ = averages(train, 5, 40)
    seen, unseen = (novelty.correlations(mixed, x, sampling_rate_hz=RATE_HZ)[0].max(axis=0) for x in (train, held_out))
    assert novelty.membership_auc(seen, unseen) > 0.95
    other = np.stack([record.data for record in surrogate.simulate("1716-like", 40, seed=2)])
    seen, unseen = (novelty.correlations(other, x, sampling_rate_hz=RATE_HZ)[0].max(axis=0) for x in (train, held_out))
    assert 0.3 < novelty.membership_auc(seen, unseen) < 0.7


def test_mode_collapse_is_counted(records):
    train, held_out = records
    count, alike = novelty.distinct(held_out, sampling_rate_hz=RATE_HZ)
    assert count == 40 and alike < 0.4
    rng = np.random.default_rng(0)
    collapsed = np.stack([rng.normal() * np.roll(train[i % 5], rng.integers(-500, 500), axis=-1) for i in range(30)])
    count, more_alike = novelty.distinct(collapsed, sampling_rate_hz=RATE_HZ)
    assert count == 5 and more_alike > alike
    count, alike = novelty.distinct(train[:1])
    assert count == 1 and np.isnan(alike)


# --- mixtures --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("k, noise", [(1, 0.0), (2, 0.0), (5, 0.0), (5, 0.1)])
def test_the_published_sampler_is_explained_by_k_records(k, noise, records):
    train, held_out = records
    made, rows = averages(train, k, 15, noise=noise)
    found = novelty.mixture(made, train)
    assert found.r2 == pytest.approx(np.full(15, 1 / (1 + noise**2)), abs=1e-3 if noise else 1e-9)
    table = novelty.explained(made, train)
    assert (table["records"] <= k).all() and table["records"].median() == k
    for i, own in enumerate(rows):
        assert set(np.flatnonzero(found.matters[i])) <= set(own)
    unseen = novelty.explained(held_out, train)
    assert unseen["r2"].max() < 0.25 and unseen["records"].median() > 5
    averaged_unseen, _ = averages(held_out, k, 15)
    assert novelty.explained(averaged_unseen, train)["r2"].max() < 0.35


def test_weights_come_out_as_they_went_in(records):
    """Weights of unequal size, of standardised records; the scale of the components is free."""
    train, _ = records
    x = train[[4, 9, 17]].astype(float)
    standard = (x - x.mean(axis=-1, keepdims=True)) / x.std(axis=-1, keepdims=True)
    weights = np.array([0.7, 0.2, 0.1])
    made = np.tensordot(weights, standard, axes=1) * np.array([[5.0], [0.1], [2.0]]) + 1
    found = novelty.mixture(made[None], train)
    assert found.r2[0] == pytest.approx(1, abs=1e-9)
    large = found.weights[0, [4, 9, 17]]
    np.testing.assert_allclose(large / large.sum(), weights, rtol=1e-6)
    assert np.abs(np.delete(found.weights[0], [4, 9, 17])).max() < 1e-9
    assert 4 in np.flatnonzero(found.matters[0])


def test_records_that_matter_by_hand():
    """Orthogonal records: weights 3, 2, 1 explain 9/14, 13/14, 14/14; 95 % need all three, of weights 3, 2, 0.5 two do."""
    t = np.arange(1000) / 1000
    bank = np.stack([np.stack([np.sin(2 * np.pi * (3 * i + c + 1) * t) for c in range(3)]) for i in range(4)])
    for weights, matter in (([3, 2, 1, 0], 3), ([3, 2, 0.5, 0], 2), ([0, 0, 1, 0], 1)):
        table = novelty.explained(np.tensordot(weights, bank, axes=1)[None], bank)
        assert table["records"][0] == matter and table["r2"][0] == pytest.approx(1)


def test_signed_mixtures_need_signed_weights(records):
    train, held_out = records
    weights = np.array([1, -1, 1, -1]) / 2
    made = np.stack([UnitNormMix.mix(train[i:i + 4].astype(float), weights) for i in range(0, 20, 4)])
    assert novelty.mixture(made, train).r2.max() < 0.7
    found = novelty.mixture(made, train, signed=True)
    assert found.r2 == pytest.approx(np.ones(5), abs=1e-9) and (found.matters.sum(axis=1) <= 4).all()
    assert np.sign(found.weights[0, :4]).tolist() == [1, -1, 1, -1]
    chance = novelty.mixture(held_out, train, signed=True).r2
    assert (chance >= novelty.mixture(held_out, train).r2 - 1e-9).all() and chance.max() < 0.4


def test_phase_randomised_copies_are_not_explained(records):
    train, held_out = records
    scrambled = np.stack([PhaseRandomised.randomise(x.astype(float), np.random.default_rng(i)) for i, x in enumerate(train[:10])])
    assert novelty.explained(scrambled, train)["r2"].max() < 0.1
    assert novelty.nearest(scrambled, train, sampling_rate_hz=RATE_HZ)[0].max() < 0.5


def test_equal_records_in_the_bank(records):
    train, _ = records
    bank = np.concatenate([train[:6], train[:6]])
    for signed in (False, True):
        found = novelty.mixture(train[:3], bank, signed=signed)
        assert found.r2 == pytest.approx(np.ones(3), abs=1e-6)


def test_ancestry(records):
    train, _ = records
    names = [f"record {i}" for i in range(len(train))]
    made, rows = averages(train, 3, 6)
    found = novelty.mixture(made, train)
    honest = [[names[j] for j in own] for own in rows]
    table = novelty.ancestry_check(honest, names, found)
    assert table["agrees"].all() and (table[["stated", "found"]] == 3).all(axis=None)
    assert (table[["missing", "unstated"]] == 0).all(axis=None)
    wrong = [[*own[:2], "record 99"] for own in honest]
    table = novelty.ancestry_check(wrong, names, found)
    assert not table["agrees"].any() and (table[["missing", "unstated"]] == 1).all(axis=None)
    more = novelty.ancestry_check([[*own, "record 99"] for own in honest], names, found)
    assert (more["missing"] == 1).all() and (more["unstated"] == 0).all() and not more["agrees"].any()
    none = novelty.ancestry_check([[] for _ in rows], names, found)
    assert (none["missing"] == 0).all() and (none["unstated"] == 3).all() and not none["agrees"].any()
    with pytest.raises(ValueError, match="ancestors of 2 records"):
        novelty.ancestry_check(honest[:2], names, found)


# --- conditioning ----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def curves():
    """ln HVSR and the shape of ln EAS of 30 training and 20 held-out records of five stations."""
    centres_hz = np.geomspace(1, 20, 50)
    found = {}
    for site in surrogate.stations():
        x = np.stack([record.data for record in surrogate.simulate(site, 50, seed=3)])
        freq_hz, hvsr = spectra.hvsr(x, RATE_HZ)
        ln_hvsr = np.log([np.interp(centres_hz, freq_hz, curve) for curve in hvsr])
        found[site.name] = conditioning.station_curves(ln_hvsr, np.log(spectra.eas(x, RATE_HZ, centres_hz)))
    return {station: x[:30] for station, x in found.items()}, {station: x[30:] for station, x in found.items()}


def test_held_out_records_are_given_to_their_station(curves):
    train, held_out = curves
    found = conditioning.swap_test(held_out, train, held_out)
    assert found.share > 0.8 and found.share == found.share_held_out and found.share_groups == 1
    assert found.confusion.to_numpy().sum() == 100 and list(found.confusion.columns) == list(train)
    assert found.share == np.trace(found.confusion.to_numpy()) / 100
    only = conditioning.swap_test({"4628-like": held_out["4628-like"]}, train)
    assert list(only.confusion.index) == ["4628-like"] and list(only.confusion.columns) == list(train)


def test_swapped_and_unconditional_stations_are_seen(curves):
    train, held_out = curves
    names = list(train)
    swapped = {station: held_out[other] for station, other in zip(names, names[1:] + names[:1])}
    found = conditioning.swap_test(swapped, train, held_out)
    assert found.share < 0.1 and found.share_groups == 0 and found.share_held_out > 0.8
    assert found.confusion.loc[names[0], names[1]] > 15
    pooled = np.concatenate(list(held_out.values()))
    found = conditioning.swap_test({station: pooled[i::5] for i, station in enumerate(names)}, train)
    assert 0.1 < found.share < 0.3 and np.isnan(found.share_held_out) and found.confusion_held_out.empty


def test_strength_does_not_matter():
    ln_eas = np.random.default_rng(0).standard_normal((4, 9))
    ln_hvsr = np.random.default_rng(1).standard_normal((4, 7))
    curves = conditioning.station_curves(ln_hvsr, ln_eas + np.arange(4)[:, None])
    assert curves.shape == (4, 16)
    np.testing.assert_allclose(curves, conditioning.station_curves(ln_hvsr, ln_eas))


def test_identify_weighs_by_the_spread_within_stations():
    """At the second frequency records scatter 100 times as much: the difference there says nothing."""
    rng = np.random.default_rng(0)
    references = {name: rng.standard_normal((200, 2)) * [0.1, 10] + [level, 0] for name, level in (("A", 0.0), ("B", 1.0))}
    assert conditioning.identify([[0.1, 9.0], [0.9, -9.0]], references).tolist() == ["A", "B"]
    one_each = {"A": [[0.0, 0.0]], "B": [[1.0, 0.0]]}
    assert conditioning.identify([[0.2, 0.0], [0.8, 0.0]], one_each).tolist() == ["A", "B"]


def test_identify_does_not_follow_an_outlier():
    references = {"A": np.array([[0.0], [0.1], [-0.1], [0.0], [100.0]]), "B": np.array([[10.0], [10.1], [9.9], [10.0], [10.0]])}
    assert conditioning.identify([[4.0], [6.0]], references).tolist() == ["A", "B"]


# --- bad input -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("spoil, says", [
    (lambda x: x[0], r"records of shape \(3, 500\); \(records, 3, samples\)"),
    (lambda x: x[:0], "at least one record"),
    (lambda x: x[:, :2], r"\(6, 2, 500\)"),
    (lambda x: np.where(np.arange(500) == 3, np.nan, x), "record 0 holds values that are not finite"),
    (lambda x: x * (np.arange(6) != 4)[:, None, None], "record 4 has a component without motion"),
])
def test_bad_records(spoil, says, noise):
    for function in (novelty.correlations, novelty.explained):
        with pytest.raises(ValueError, match=says):
            function(spoil(noise), noise)
    with pytest.raises(ValueError, match="bank of 300 samples, but records of 500"):
        novelty.nearest(noise, noise[..., :300])


def test_bad_numbers(noise):
    with pytest.raises(ValueError, match="6 records of 6 samples explains anything"):
        novelty.explained(noise[..., :6], noise[..., :6])
    for values in ([], [np.nan], [[0.1]]):
        with pytest.raises(ValueError, match="held-out correlations of shape"):
            novelty.novelty_ratio([0.5], values)
        with pytest.raises(ValueError, match="training correlations of shape"):
            novelty.membership_auc(values, [0.5])


def test_bad_curves(curves):
    train, _ = curves
    one = {"A": np.zeros((3, 5))}
    with pytest.raises(ValueError, match="1 station; at least two"):
        conditioning.swap_test(one, one)
    with pytest.raises(ValueError, match="no training records of A"):
        conditioning.swap_test(one, train)
    with pytest.raises(ValueError, match="no stations"):
        conditioning.identify(np.zeros((1, 5)), {})
    with pytest.raises(ValueError, match=r"\(1, 4\), \(3, 5\)"):
        conditioning.identify(np.zeros((1, 4)), one)
    with pytest.raises(ValueError, match="not finite"):
        conditioning.identify(np.full((1, 5), np.nan), one)
