"""The paper's scores: identities, and the numbers that the published arrays must give."""

import numpy as np
import pytest

from tng import intensity, remote, scoring


@pytest.fixture
def published():
    if not remote.available("published"):
        pytest.skip("the published arrays are not here: set TNG_MIRROR to a folder that holds them")
    arrays = remote.published()
    return {key: [a[f"f0_{key}"].astype(float) for a in arrays.values()] for key in ("real", "timesnet", "vae")}


@pytest.fixture
def lists():
    rng = np.random.default_rng(0)
    return [rng.lognormal(np.log(f), 0.15, 60).clip(1, 20) for f in (1.8, 2.6, 5.1, 6.4, 12.8)]


GOLDEN = {"timesnet": (0.946900, 0.952288, 0.860470, 5), "vae": (0.667697, 0.822285, 0.571236, 3)}


@pytest.mark.parametrize("model", GOLDEN)
def test_published_scores(published, model):
    stations, pairs, diagonal, told_apart = GOLDEN[model]
    score = scoring.score_f0(published["real"], published[model], draws=5)
    assert score["SxS"] == pytest.approx(stations, abs=1e-6)
    assert score["2Sx2S"] == pytest.approx(pairs, abs=1e-6)
    assert score["mean diagonal"] == pytest.approx(diagonal, abs=1e-6)
    assert score["told apart"] == told_apart


def test_published_matrix(published):
    first_row = scoring.similarity_matrix(published["real"][:1], published["timesnet"])[0]
    np.testing.assert_allclose(first_row, [0.7643, 0.2060, 0.0944, 0, 0.3093], atol=6e-5)


@pytest.mark.parametrize("bins, model, expected", [(39, "timesnet", 0.962), (39, "vae", 0.866), (10, "vae", 0.696)])
def test_published_scores_depend_on_the_bins(published, bins, model, expected):
    score = scoring.ncc_stations(published["real"], published[model], np.linspace(1, 20, bins + 1))
    assert score == pytest.approx(expected, abs=6e-4)


def test_published_references(published):
    table = scoring.reference_scores(published["real"], draws=100)
    assert table.loc["copy of the real records", "SxS"] == pytest.approx(0.967, abs=6e-4)
    assert table.loc["one constant f0 a station", "SxS"] == pytest.approx(0.901, abs=6e-4)
    assert table.loc["one constant f0 a station", "2Sx2S"] == pytest.approx(0.919, abs=6e-4)
    assert table.loc["the next station's records", "SxS"] == pytest.approx(-0.161, abs=6e-4)
    assert table.loc["bootstrap of the real records", "SxS"] == pytest.approx(0.957, abs=0.004)
    assert abs(table.loc["all stations pooled", "SxS"]) < 0.1
    assert table.loc["all stations pooled", "2Sx2S"] == pytest.approx(0.39, abs=0.03)


def test_similarity_by_hand():
    """Half of the mass moved to another bin: JSD = 1 - 3/4·log2(3) + 1 … written out below."""
    a, b = [1.5] * 10, [1.5] * 5 + [10.0] * 5
    p, q = np.array([1.0, 0.0]), np.array([0.5, 0.5])
    m = (p + q) / 2
    jsd = 0.5 * (p[0] * np.log2(p[0] / m[0])) + 0.5 * (q * np.log2(q / m)).sum()
    assert scoring.similarity(a, b) == pytest.approx(1 - np.sqrt(jsd), abs=1e-6)


def test_similarity_is_one_for_equals_zero_for_strangers_and_symmetric(lists):
    a, b = lists[0], lists[4]
    assert scoring.similarity(a, a[::-1]) == 1
    assert scoring.similarity(a, b) == pytest.approx(0, abs=1e-4)
    assert scoring.similarity(a, lists[1]) == pytest.approx(scoring.similarity(lists[1], a))


def test_disjoint_stations_copied_score_one():
    lists = [np.full(9, f) for f in (1.5, 4.0, 9.0)]
    assert scoring.ncc_stations(lists, lists) == pytest.approx(1)
    assert scoring.ncc_pairs(lists, lists) == pytest.approx(1)


def test_order_of_stations_matters_order_of_records_does_not(lists):
    shuffled = [np.random.default_rng(1).permutation(f) for f in lists]
    assert scoring.ncc_stations(lists, shuffled) == scoring.ncc_stations(lists, lists)
    assert scoring.ncc_stations(lists, lists[1:] + lists[:1]) < 0.3


def test_interval_is_seeded_and_ordered(lists):
    other = [f * 1.05 for f in lists]
    a, b = (scoring.score_f0(lists, other, draws=50, seed=4) for _ in range(2))
    assert a == b
    assert a["SxS low"] < a["SxS high"]


@pytest.mark.parametrize("values, word", [([], "no f0"), ([0.2, 30.0], "none of the 2")])
def test_lists_that_cannot_be_scored(values, word):
    with pytest.raises(ValueError, match=word):
        scoring.f0_histogram(values)


def test_curve_error_of_a_constant_factor():
    curve_hz = np.linspace(1, 20, 400)
    curve = 1 + np.sin(curve_hz) ** 2
    assert scoring.curve_error(1.2 * curve, curve, curve_hz) == pytest.approx(np.log(1.2))
    assert scoring.curve_error(curve, curve, curve_hz) == 0


def test_compare_sees_what_the_f0_score_does_not():
    """Half the amplitude leaves HVSR and f0 as they are and shows in the PGA ratio alone."""
    x = np.random.default_rng(0).standard_normal((12, 3, 2000)) * np.linspace(1, 20, 12)[:, None, None]
    real, weak = ({"A": scoring.measure(data, 50.0)} for data in (x, x / 2))
    row = scoring.compare(real, weak).loc["A"]
    assert row["f0 similarity"] == 1
    assert row["curve error [ln]"] == pytest.approx(0, abs=1e-12)
    assert row["PGA ratio"] == pytest.approx(0.5)
    assert row["duration ratio"] == pytest.approx(1)


# --- intensity measures --------------------------------------------------------------------------

def test_arias_and_duration_of_a_boxcar():
    """1 gal for 10 s: Arias intensity π/(2g)·10, and its middle 90 % last 9 s."""
    x = np.zeros(6001)
    x[1000:2000] = np.tile([1.0, -1.0], 500)      # no mean, so that removing it changes nothing
    assert intensity.arias(x, 100.0) == pytest.approx(np.pi / (2 * 980.665) * 10, rel=1e-3)
    assert intensity.significant_duration(x, 100.0) == pytest.approx(9.0, abs=0.02)


def test_real_intensity():
    """Arias and D5-95 of a real record, against values computed by another program."""
    name = "afad_mat/20120106001648_6501.mat"
    if not remote.available(name):
        pytest.skip(f"{name} is not here: set TNG_MIRROR to a folder that holds it")
    from tng import readers

    record = readers.read(remote.path(name))
    centred = record.data - record.data.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(intensity.arias(centred, 100.0), [2.950996e-2, 3.143983e-2, 1.625565e-2], rtol=1e-3)
    np.testing.assert_allclose(intensity.significant_duration(record.data, 100.0), [18.954, 19.108, 17.906], atol=0.02)


def test_readable_keeps_every_score_and_its_interval(lists):
    table = scoring.readable(scoring.reference_scores(lists, draws=20))
    assert list(table) == ["S×S [95 %]", "2S×2S [95 %]"]
    value, low, high = (float(word.strip("[],")) for word in table.loc["all stations pooled", "S×S [95 %]"].split())
    assert low < value < high
    assert "[" not in table.loc["copy of the real records", "S×S [95 %]"]
