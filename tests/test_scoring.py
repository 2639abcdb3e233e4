"""The paper's scores: identities, and the numbers that the published arrays must give."""

import numpy as np
import pytest

from scipy.spatial.distance import jensenshannon

from tng import remote, scoring
from tng.scoring import histograms, paper


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


# --- golden numbers: what the published arrays give, to the digits printed ------------------------------

GOLDEN = {
    "timesnet": dict(SxS="0.946900", pairs="0.952288", diagonal="0.860470", real="0.994526", told_apart=5),
    "vae": dict(SxS="0.667697", pairs="0.822285", diagonal="0.571236", real="0.769103", told_apart=3),
}
FLOAT32 = {
    "timesnet": dict(SxS="0.947423", pairs="0.952743", diagonal="0.865083", real="0.994610"),
    "vae": dict(SxS="0.667697", pairs="0.822285", diagonal="0.571236", real="0.769103"),
}
DIVERGENCE = {"timesnet": dict(SxS="0.881", pairs="0.884", real="0.997"), "vae": dict(SxS="0.699", pairs="0.797", real="0.852")}
MATRIX = {
    "timesnet": [[0.7643, 0.2060, 0.0944, 0, 0.3093], [0.2673, 0.8653, 0.2382, 0, 0], [0.0637, 0.2272, 0.9097, 0, 0],
                 [0, 0, 0, 0.8579, 0], [0.2729, 0, 0, 0, 0.9052]],
    "vae": [[0.3401, 0.1533, 0.0987, 0, 0.5965], [0.0313, 0.5376, 0.2839, 0, 0.0679], [0.0578, 0, 0.6395, 0, 0.0251],
            [0, 0, 0, 0.8843, 0], [0.8026, 0.0753, 0, 0, 0.4548]],
}


def as_printed(value, text):
    return f"{value:.{len(text.partition('.')[2])}f}" == text


def scores(real, generated, bins_hz=scoring.F0_BINS_HZ, **how):
    matrix = scoring.similarity_matrix(real, generated, bins_hz, **how)
    return dict(SxS=scoring.ncc_stations(real, generated, bins_hz, **how),
                pairs=scoring.ncc_pairs(real, generated, bins_hz, **how),
                diagonal=np.diag(matrix).mean(), real=paper.ncc_real(real, generated, bins_hz, **how),
                told_apart=paper.told_apart(matrix))


@pytest.mark.parametrize("model", GOLDEN)
def test_published_scores(published, model):
    found = scores(published["real"], published[model])
    assert found["told_apart"] == GOLDEN[model]["told_apart"]
    for name in ("SxS", "pairs", "diagonal", "real"):
        assert as_printed(found[name], GOLDEN[model][name]), (name, found[name])


@pytest.mark.parametrize("model", FLOAT32)
def test_published_scores_on_the_bins_as_stored(published, model):
    """The stored edges are float32, which moves one f0 of station 3130 across an edge."""
    arrays = remote.published()
    bins_hz = arrays["3130"]["f0_bins"]
    assert bins_hz.dtype == np.float32
    found = scores(published["real"], published[model], bins_hz)
    for name, expected in FLOAT32[model].items():
        assert as_printed(found[name], expected), (name, found[name])
    for station, a in arrays.items():
        np.testing.assert_allclose(scoring.f0_histogram(a[f"f0_{model}"], bins_hz), a[f"pdf_{model}"], atol=1e-6, err_msg=station)


def test_one_value_on_an_edge_is_what_float32_moves(published):
    stored = remote.published()["3130"]["f0_bins"]
    moved = [f[np.digitize(f, stored) != np.digitize(f, scoring.F0_BINS_HZ)] for f in published["timesnet"]]
    assert [np.unique(f).round(3).tolist() for f in moved] == [[], [], [], [11.45], []]


@pytest.mark.parametrize("model", DIVERGENCE)
def test_published_scores_without_the_square_root(published, model):
    found = scores(published["real"], published[model], square_root=False)
    for name, expected in DIVERGENCE[model].items():
        assert as_printed(found[name], expected), (name, found[name])


@pytest.mark.parametrize("model", MATRIX)
def test_published_matrix(published, model):
    np.testing.assert_allclose(scoring.similarity_matrix(published["real"], published[model]), MATRIX[model], atol=5.1e-5)


def test_published_real_stations_overlap(published):
    matrix = scoring.similarity_matrix(published["real"], published["real"])
    expected = np.eye(5)
    for i, j, value in ((0, 1, 0.202), (0, 2, 0.102), (0, 4, 0.273), (1, 2, 0.242)):
        expected[i, j] = expected[j, i] = value
    np.testing.assert_allclose(matrix, expected, atol=5.1e-4)


@pytest.mark.parametrize("shift, expected", [(0, ("0.967", "0.967", "1.000")), (1, ("-0.161", "0.403", "0.143")),
                                             (4, ("-0.161", "0.403", "0.143")), (2, ("-0.323", "0.322", "0.020")),
                                             (3, ("-0.323", "0.322", "0.020"))])
def test_published_records_of_another_station(published, shift, expected):
    """Shift 0 is a copy, which is not 1 because real stations overlap."""
    real = published["real"]
    found = scores(real, real[shift:] + real[:shift])
    for name, text in zip(("SxS", "pairs", "diagonal"), expected):
        assert as_printed(found[name], text), (name, found[name])


def test_published_references(published):
    table = scoring.reference_scores(published["real"], draws=2000)
    for row, expected in {"copy of the real records": ("0.967", "0.967", "1.000"),
                          "one constant f0 a station": ("0.901", "0.919", "0.600"),
                          "the next station's records": ("-0.161", "0.403", "0.143")}.items():
        for column, text in zip(("SxS", "2Sx2S", "mean diagonal"), expected):
            assert as_printed(table.loc[row, column], text), (row, column)
    for row, means, ranges in (
            ("all stations pooled", (0.006, 0.391, 0.300), (-0.180, 0.182, 0.349, 0.438)),
            ("evenly over the band", (0.005, 0.412, 0.183), (-0.157, 0.169, 0.376, 0.452)),
            ("bootstrap of the real records", (0.957, 0.961, 0.910), (0.948, 0.964, 0.953, 0.967))):
        np.testing.assert_allclose(table.loc[row, ["SxS", "2Sx2S", "mean diagonal"]], means, atol=0.012, err_msg=row)
        ends = table.loc[row, ["SxS low", "SxS high", "2Sx2S low", "2Sx2S high"]]
        np.testing.assert_allclose(ends, ranges, atol=0.03, err_msg=row)


@pytest.mark.parametrize("model, how, expected", [
    ("timesnet", {}, (0.917, 0.953, 0.931, 0.958)), ("vae", {}, (0.598, 0.715, 0.794, 0.838)),
    ("timesnet", {"paired": True}, (None, None, 0.930, 0.967)),
])
def test_published_intervals(published, model, how, expected):
    """Rows drawn on their own; and each different real record with its reconstructions."""
    events = {"real_events": published["real"]} if how else {}
    score = scoring.score_f0(published["real"], published[model], draws=2000, **how, **events)
    for name, value in zip(("SxS low", "SxS high", "2Sx2S low", "2Sx2S high"), expected):
        assert value is None or score[name] == pytest.approx(value, abs=0.004), name
    assert as_printed(score["SxS"], GOLDEN[model]["SxS"]) and as_printed(score["2Sx2S"], GOLDEN[model]["pairs"])
    assert as_printed(score["mean diagonal"], GOLDEN[model]["diagonal"]) and score["told apart"] == GOLDEN[model]["told_apart"]


# --- identities ---------------------------------------------------------------------------------------

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


def test_similarity_is_scipys_and_never_nan():
    """Equal shares of different numbers of records: rounding takes the divergence below zero."""
    counts = np.random.default_rng(0).integers(0, 9, (500, 20))
    p, q = histograms.shares(counts), histograms.shares(np.roll(counts, 1, axis=0))
    np.testing.assert_allclose(histograms.share_similarity(p, q), 1 - jensenshannon(p, q, base=2, axis=1), atol=1e-7)
    for nearly in (np.nextafter(p, 1), np.nextafter(p, 0), p * (1 + 2e-16), histograms.shares(3 * counts)):
        np.testing.assert_allclose(histograms.share_similarity(p, nearly), 1, atol=1e-6)


def test_many_draws_at_once_are_the_single_scores(lists):
    """Also across the blocks in which draws are scored."""
    rng = np.random.default_rng(3)
    generated = [rng.choice(f, 30) * 1.04 for f in lists]
    bins_hz = np.linspace(0.5, 22, 30)
    p, q = paper.matched_shares(lists, generated, bins_hz)
    expected = (scoring.ncc_stations(lists, generated, bins_hz), scoring.ncc_pairs(lists, generated, bins_hz),
                np.diag(scoring.similarity_matrix(lists, generated, bins_hz)).mean())
    many = np.tile(q, (paper.BLOCK + 7, 1, 1))
    many[3] = p
    found = paper.scores_of_shares(p[None], many)
    np.testing.assert_allclose(np.delete(found, 3, axis=0), np.tile(expected, (len(many) - 1, 1)), atol=1e-12)
    assert found[3, 2] == 1


def test_bootstrap_by_counts_is_the_bootstrap_of_records(lists):
    """Rows drawn one by one, the slow way, give the same mean and interval."""
    other = [f * 1.03 for f in lists]
    bins_hz = np.linspace(1, 22, 23)
    rng = np.random.default_rng(5)
    redrawn = ([[rng.choice(f, f.size) for f in side] for side in (lists, other)] for _ in range(600))
    slow = [scoring.ncc_stations(*pair, bins_hz) for pair in redrawn]
    fast = scoring.score_f0(lists, other, bins_hz=bins_hz, draws=2000)
    np.testing.assert_allclose([fast["SxS low"], fast["SxS high"]], np.percentile(slow, [2.5, 97.5]), atol=0.006)


def test_repeated_records_widen_the_interval_only_if_events_say_so(lists):
    """Each of 12 records five times is no more than 12 records."""
    few = [np.repeat(f[:12], 5) for f in lists]
    widths = []
    for events in (None, few):
        score = scoring.score_f0(few, [f.clip(1, 20) for f in lists], draws=500, real_events=events)
        widths.append(score["SxS high"] - score["SxS low"])
    assert widths[1] > 1.4 * widths[0]


def test_pairs_are_drawn_together(lists):
    """Copies drawn row by row with their originals stay copies."""
    score = scoring.score_f0(lists, lists, draws=50, paired=True)
    alone = scoring.score_f0(lists, lists, draws=50)
    real_alone = [scoring.ncc_stations(lists, lists)]
    assert score["SxS low"] > alone["SxS low"]
    assert score["SxS low"] == pytest.approx(real_alone[0], abs=0.02)


def test_stations_are_matched_by_name(lists):
    real = dict(zip("ABCDE", lists))
    backwards = dict(reversed(real.items()))
    assert scoring.ncc_stations(real, backwards) == scoring.ncc_stations(lists, lists)
    assert scoring.ncc_pairs(real, backwards) == scoring.ncc_pairs(lists, lists)
    assert scoring.score_f0(real, backwards, draws=3)["told apart"] == 5
    assert scoring.score_f0(real, backwards, draws=3, real_events=real)["mean diagonal"] == 1


def test_interval_is_seeded_and_ordered(lists):
    other = [(f * 1.05).clip(1, 20) for f in lists]
    a, b = (scoring.score_f0(lists, other, draws=50, seed=4) for _ in range(2))
    assert a == b
    assert a["SxS low"] < a["SxS high"]


# --- what cannot be scored ------------------------------------------------------------------------------

@pytest.mark.parametrize("values, word", [([], "no f0"), ([0.2, 30.0], "none of the 2"),
                                          ([2.0, np.nan], "1 of 2 f0 are not finite"), ([[2.0, 3.0]], "shape")])
def test_lists_that_cannot_be_scored(values, word):
    with pytest.raises(ValueError, match=word):
        scoring.f0_histogram(values)


def test_a_station_without_f0_in_the_bins_is_named(lists):
    real = dict(zip("ABCDE", lists))
    with pytest.raises(ValueError, match="generated station D: none of the 60"):
        scoring.score_f0(real, real | {"D": np.full(60, 0.5)}, draws=2)
    with pytest.raises(ValueError, match="real station B: no f0"):
        scoring.ncc_stations(real | {"B": []}, real)


def test_f0_outside_the_bins_are_counted_aloud(lists):
    real = dict(zip("ABCDE", lists))
    wrong = real | {"C": np.append(real["C"], [0.7, 25.0, 31.0])}
    with pytest.warns(UserWarning, match="generated station C: 3 of 63 f0 values lie outside 1-20 Hz"):
        assert scoring.ncc_stations(real, wrong) == scoring.ncc_stations(real, real)
    assert histograms.outside(wrong["C"]) == 3
    assert histograms.outside([1.0, 20.0, 20.0001]) == 1            # both ends are inside
    assert histograms.f0_counts([[1.0, 20.0]])[0][[0, -1]].tolist() == [1, 1]
    with pytest.warns(UserWarning, match="3 of 63"):
        assert histograms.f0_counts([wrong["C"]]).sum() == 60
    assert histograms.event_counts(wrong["C"], None).sum() == 60


def test_counts_of_events_add_up_to_the_histogram(lists):
    events = np.arange(60) // 7
    counts = histograms.event_counts(lists[2], events)
    assert counts.shape == (9, 20)
    np.testing.assert_array_equal(counts.sum(axis=0), histograms.f0_counts([lists[2]])[0])
    np.testing.assert_array_equal(counts[0], histograms.f0_counts([lists[2][:7]])[0])


@pytest.mark.parametrize("real, generated, word", [
    ([[2.0, 3.0]], [[2.0, 3.0]], "at least two"), ([[2.0], [5.0]], [[2.0]], "2 real and of 1 generated"),
    ({"A": [2.0], "B": [5.0]}, {"A": [2.0], "C": [5.0]}, "the same are needed"),
])
def test_stations_that_do_not_match(real, generated, word):
    for score in (scoring.ncc_stations, scoring.ncc_pairs, paper.ncc_real, scoring.score_f0):
        with pytest.raises(ValueError, match=word):
            score(real, generated)


@pytest.mark.parametrize("arguments, word", [
    (dict(paired=True, generated=[[2.0], [5.0]]), "no pairs"), (dict(real_events=[[1], [1, 2]]), "2 f0 but 1 events"),
    (dict(bins_hz=np.array([20.0, 1.0])), "rising"),
])
def test_arguments_that_cannot_be(arguments, word):
    given = dict(real=[[2.0, 2.1], [5.0, 5.1]], generated=[[2.0, 2.1], [5.0, 5.1]]) | arguments
    with pytest.raises(ValueError, match=word):
        scoring.score_f0(**given)


def test_a_matrix_of_equal_entries_has_no_ncc():
    with pytest.raises(ValueError, match="entries"):
        scoring.ncc(np.full((3, 3), 0.2), np.eye(3))
    with pytest.raises(ValueError, match="2 stations"):
        scoring.reference_scores([[2.0], [5.0]], [1])


# --- curves and sets of records -------------------------------------------------------------------------

def test_curve_error_weighs_octaves():
    """A misfit of ln 2 over the upper of three octaves is ln 2 / √3 whichever way the frequencies are spaced."""
    for curve_hz in (np.linspace(1, 8, 2000), np.geomspace(1, 8, 2000)):
        curve = np.ones(2000)
        wrong = np.where(curve_hz > 4, 2.0, 1.0)
        assert scoring.curve_error(wrong, curve, curve_hz) == pytest.approx(np.log(2) / np.sqrt(3), rel=3e-3)


def test_published_curve_errors(published):
    expected = dict(zip(remote.published(), ("0.070", "0.095", "0.107", "0.084", "0.171")))
    for station, a in remote.published().items():
        error = scoring.curve_error(a["hvsr_median_timesnet"], a["hvsr_median_real"], a["hvsr_freq_real"])
        assert as_printed(error, expected[station]), (station, error)


def test_curves_that_cannot_be_compared():
    curve_hz = np.linspace(1, 20, 40)
    with pytest.raises(ValueError, match="positive"):
        scoring.curve_error(np.zeros(40), np.ones(40), curve_hz)
    with pytest.raises(ValueError, match="equal shapes"):
        scoring.curve_error(np.ones(39), np.ones(40), curve_hz)


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


def test_readable_keeps_every_score_and_its_interval(lists):
    table = scoring.readable(scoring.reference_scores(lists, draws=20))
    assert list(table) == ["S×S [95 %]", "2S×2S [95 %]", "mean diagonal"]
    value, low, high = (float(word.strip("[],")) for word in table.loc["all stations pooled", "S×S [95 %]"].split())
    assert low < value < high
    assert "[" not in table.loc["copy of the real records", "S×S [95 %]"]
