"""f0 without bins, and what the NCC is worth: identities, oracles, golden numbers of the published arrays, power."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tng import remote, scoring
from tng.scoring import f0, worth

STATIONS = ("0205", "1716", "2020", "3130", "4628")


@pytest.fixture(scope="module")
def published():
    if not remote.available("published"):
        pytest.skip("the published arrays are not here: set TNG_MIRROR to a folder that holds them")
    arrays = remote.published()
    return {key: {s: a[f"f0_{key}"] for s, a in arrays.items()} for key in ("real", "timesnet", "vae")}


@pytest.fixture
def lists():
    rng = np.random.default_rng(0)
    return {name: rng.lognormal(np.log(f), 0.1, 60) for name, f in zip("ABCD", (1.8, 2.6, 5.1, 12.8))}


def as_printed(value, text):
    return f"{value:.{len(text.partition('.')[2])}f}" == text


# --- golden: one row a station --------------------------------------------------------------------------

W1 = {"timesnet": ("0.095", "0.047", "0.020", "0.007", "0.039"), "vae": ("0.667", "0.126", "0.170", "0.022", "0.165")}
KS_D = {"timesnet": ("0.11", "0.17", "0.15", "0.17", "0.70"), "vae": ("0.67", "0.34", "0.29", "0.22", "0.73")}
MEDIAN = {"0205": ("2.60", 2.47, 2.69), "1716": ("6.10", 5.93, 6.29), "2020": ("5.17", 4.66, 5.28),
          "3130": ("11.74", 11.54, 12.42), "4628": ("1.83", 1.69, 1.84)}
SIGMA = dict(zip(STATIONS, ("0.595", "0.222", "0.178", "0.048", "0.048")))
PEAKS = {"0205": ("2.57", "1.62", "2.71", "1.61"), "1716": ("6.24", "4.08", "6.48", "4.11"),
         "2020": ("5.05", "2.44", "5.05", "2.51"), "3130": ("11.48", "4.95", "12.14", "4.79"),
         "4628": ("1.76", "7.73", "1.81", "6.12")}


@pytest.mark.parametrize("model", W1)
def test_published_distances(published, model):
    for station, w1, ks in zip(STATIONS, W1[model], KS_D[model]):
        real, generated = published["real"][station], published[model][station]
        assert as_printed(f0.w1_ln_f0(real, generated), w1), station
        assert f0.ks_f0(real, generated, permutations=9).distance == pytest.approx(float(ks), abs=0.0051), station


def test_published_shift_within_one_bin(published):
    """4628 lies in one bin, so the similarity hardly sees what KS is sure of; by records (7, not 56) it is less sure."""
    real, generated = published["real"]["4628"], published["timesnet"]["4628"]
    assert len(np.unique(np.digitize(real, scoring.F0_BINS_HZ))) == 1
    assert as_printed(scoring.similarity(real, generated), "0.905")
    assert as_printed(np.median(generated) / np.median(real), "1.033")
    rows = f0.ks_f0(real, generated)
    assert (rows.p_value, rows.groups) == (0.001, 112)
    assert stats.ks_2samp(real, generated).pvalue == pytest.approx(2.8e-13, rel=0.02)
    codes = np.unique(real, return_inverse=True)[1]
    records = f0.ks_f0(real, generated, np.concatenate([codes, 7 + codes]))
    assert records.groups == 14 and 0.01 < records.p_value < 0.1


def test_published_lognormal_f0(published):
    """Interval: over different values, as printed within bootstrap noise and the gaps between few values."""
    for station, (median, low, high) in MEDIAN.items():
        values = published["real"][station]
        found = f0.lognormal_f0(values)
        assert as_printed(found.median_hz, median) and as_printed(found.sigma_ln, SIGMA[station]), station
        distinct = f0.lognormal_f0(np.unique(values), draws=2000).median_interval_hz
        assert distinct == pytest.approx((low, high), rel=0.008), station
        by_record = f0.lognormal_f0(values, values, draws=2000)
        assert by_record.median_interval_hz == pytest.approx((low, high), rel=0.03), station
        assert by_record.events == by_record.distinct == len(np.unique(values))


def test_published_curve_peaks():
    if not remote.available("published"):
        pytest.skip("the published arrays are not here: set TNG_MIRROR to a folder that holds them")
    for station, a in remote.published().items():
        found = [x for kind in ("real", "timesnet")
                 for x in (a[f"hvsr_freq_{kind}"][a[f"hvsr_median_{kind}"].argmax()], a[f"hvsr_median_{kind}"].max())]
        assert all(as_printed(x, text) for x, text in zip(found, PEAKS[station])), station


# --- golden: bins and ceilings --------------------------------------------------------------------------

STRIP = {   # TimesNet S×S, 2S×2S, VAE S×S, 2S×2S
    "20 linear, as published": "0.947 0.952 0.668 0.822", "39 linear": "0.962 0.968 0.866 0.879",
    "20 logarithmic": "0.946 0.955 0.863 0.893",
    "40 logarithmic": "0.958 0.965 0.847 0.873", "10 linear": "0.803 0.820 0.696 0.762", "380 linear": "0.935 0.853 0.785 0.775",
    "20 linear, moved: lowest": "0.864 0.895 0.619 0.811", "20 linear, moved: highest": "0.954 0.959 0.852 0.891",
}


def test_published_binning_strip(published):
    strips = [worth.binning_strip(published["real"], published[model]) for model in ("timesnet", "vae")]
    for row, texts in STRIP.items():
        found = [value for strip in strips for value in strip.loc[row, ["SxS", "2Sx2S"]]]
        assert all(as_printed(value, text) for value, text in zip(found, texts.split())), (row, found)
    assert not strips[0]["outside"].any()


def check_ceilings(table, row, expected):
    """`expected`: mean and range of S×S, of 2S×2S, mean diagonal; or the three means alone."""
    columns = ["SxS", "SxS low", "SxS high", "2Sx2S", "2Sx2S low", "2Sx2S high", "mean diagonal"]
    np.testing.assert_allclose(table.loc[row, columns if len(expected) > 3 else columns[::3]], expected, atol=0.0035)


def test_published_ceilings(published):
    real = published["real"]
    table = worth.ceilings(real, draws=2000)
    check_ceilings(table, "real records, and a bootstrap of them", (0.957, 0.948, 0.964, 0.961, 0.953, 0.967, 0.910))
    check_ceilings(table, "two bootstraps of the real records", (0.952, 0.937, 0.964, 0.958, 0.947, 0.968, 0.878))
    check_ceilings(table, "two draws from a smooth law", (0.921, 0.899, 0.940, 0.932, 0.915, 0.948, 0.843))
    halves = table.loc["two halves of the real records", ["SxS", "SxS low", "SxS high"]]
    assert halves.tolist() == pytest.approx([0.937, 0.921, 0.948], abs=2e-3)
    distinct = worth.ceilings(real, [len(np.unique(x)) for x in real.values()], draws=2000)
    check_ceilings(distinct, "two draws from a smooth law", (0.908, 0.869, 0.937, 0.925, 0.897, 0.947, 0.799))


@pytest.mark.parametrize("n, expected", [(10, (0.855, 0.897, 0.686)), (50, (0.916, 0.930, 0.824)), (200, (0.934, 0.940, 0.900)),
                                         (2000, (0.943, 0.945, 0.966))])
def test_published_ceiling_against_records(published, n, expected):
    check_ceilings(worth.ceilings(published["real"], n, draws=2000), "two draws from a smooth law", expected)


# --- identities and oracles ------------------------------------------------------------------------------

def test_distances_of_a_factor(lists):
    """Every f0 times c is ln c away, whatever the law; nothing is away from itself; sides can be exchanged."""
    a, b = lists["A"], lists["A"] * 1.2
    assert f0.w1_ln_f0(a, b) == pytest.approx(np.log(1.2))
    same = f0.w1_ln_f0(a, a[::-1]), f0.energy_distance_ln_f0(a, a), f0.ks_f0(a, a, permutations=9).distance
    assert same == pytest.approx((0, 0, 0), abs=1e-12)
    assert f0.w1_ln_f0(b, a) == f0.w1_ln_f0(a, b)
    assert f0.w1_ln_f0(np.repeat(a, 3), b) == pytest.approx(np.log(1.2))


def test_energy_distance_by_its_double_sums(lists):
    a, b = np.log(lists["A"]), np.log(lists["B"][:33])
    mean = lambda x, y: np.abs(x[:, None] - y).mean()  # noqa: E731
    expected = np.sqrt(2 * mean(a, b) - mean(a, a) - mean(b, b))
    assert f0.energy_distance_ln_f0(np.exp(a), np.exp(b)) == pytest.approx(expected)


def test_ks_is_scipys_also_with_ties(lists):
    a, b = lists["A"].round(1), (lists["A"][:40] * 1.06).round(1)
    found, expected = f0.ks_f0(a, b, permutations=4999), stats.ks_2samp(a, b)
    assert found.distance == pytest.approx(expected.statistic)
    permuted = stats.permutation_test((a, b), lambda x, y: stats.ks_2samp(x, y).statistic, n_resamples=999, alternative="greater",
                                      rng=np.random.default_rng(0))
    assert found.p_value == pytest.approx(permuted.pvalue, abs=0.05)
    assert f0.ks_f0(np.full(6, 2.0), np.full(9, 2.0)).p_value == 1     # no gap is no evidence


def test_same_law_passes_and_a_shift_of_five_percent_is_seen():
    """50 records that scatter by 5 %: at least 90 of 100 seeds right, both ways, by KS and by W1 against chance."""
    alarms, seen = np.zeros(2), np.zeros(2)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        real, same = rng.lognormal(np.log(6), 0.05, (2, 50))
        shifted = same * 1.05
        both = {"same": real, "shifted": real}
        table = f0.compare_f0(both, {"same": same, "shifted": shifted}, draws=60, seed=seed)
        flags = np.array([table["p"] < 0.05, table["W1"] > table["W1 chance"]])
        alarms += flags[:, 0]
        seen += flags[:, 1]
    assert (alarms <= 10).all() and (seen >= 90).all(), (alarms, seen)


def test_repeated_records_are_no_evidence():
    """Seven records of one law, each eight times: rows say 'different' nearly always, records rarely."""
    verdicts = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        a, b = np.repeat(rng.lognormal(1, 0.1, (2, 7)), 8, axis=1)
        groups = np.concatenate([np.repeat(np.arange(14), 8)])
        verdicts.append((f0.ks_f0(a, b, permutations=199, seed=seed).p_value < 0.05,
                         f0.ks_f0(a, b, groups, permutations=199, seed=seed).p_value < 0.05))
    by_rows, by_records = np.mean(verdicts, axis=0)
    assert by_rows > 0.6 and by_records <= 0.15


def test_interval_of_the_median_holds_the_truth_if_events_are_drawn():
    """20 events of three records each that share half of their scatter."""
    held = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        events = np.repeat(np.arange(20), 3)
        values = np.exp(np.log(5) + 0.1 * rng.standard_normal(20)[events] + 0.03 * rng.standard_normal(60))
        held.append([low <= 5 <= high for low, high in (
            f0.lognormal_f0(values, groups, draws=200, seed=seed).lognormal_median_interval_hz for groups in (events, None))])
    by_event, by_record = np.sum(held, axis=0)
    assert by_event >= 88 and by_record <= 83


def test_lognormal_f0_of_a_lognormal_law():
    values = np.random.default_rng(1).lognormal(np.log(3), 0.2, 4000)
    found = f0.lognormal_f0(values, draws=200)
    assert found.median_hz == pytest.approx(3, rel=0.02) and found.lognormal_median_hz == pytest.approx(stats.gmean(values))
    assert found.sigma_ln == pytest.approx(np.log(values).std(ddof=1))
    assert found.sigma_ln_interval[0] < 0.2 < found.sigma_ln_interval[1]
    assert found.median_interval_hz[0] < found.median_hz < found.median_interval_hz[1]
    assert (found.records, found.distinct, found.events) == (4000, 4000, 4000)


def test_compare_f0_of_copies_constants_and_shifts(lists):
    constant = lists | {"B": np.full(30, np.median(lists["B"])), "C": lists["C"] * 1.1}
    table = f0.compare_f0(lists, constant, draws=50)
    assert table.loc["A", ["W1", "KS"]].tolist() == pytest.approx([0, 0], abs=1e-12)
    assert table.loc["A", ["median ratio", "sigma ratio", "p"]].tolist() == [1, 1, 1]
    assert table.loc["B", "sigma ratio"] == 0 and table.loc["B", "distinct generated"] == 1 and table.loc["B", "p"] < 0.05
    assert table.loc["C", "W1"] == pytest.approx(np.log(1.1)) and table.loc["C", "sigma ratio"] == pytest.approx(1)
    assert table.loc["C", "W1"] > table.loc["C", "W1 chance"] > 0
    assert (table["W1 low"] <= table["W1"]).all() and (table["W1"] <= table["W1 high"]).all()
    assert np.isnan(f0.compare_f0(constant, lists, draws=10).loc["B", "sigma ratio"])
    assert f0.lognormal_f0(constant["B"], draws=10).sigma_ln == 0
    unnamed = f0.compare_f0(list(lists.values()), list(constant.values()), draws=50)
    pd.testing.assert_frame_equal(table, unnamed.set_axis(list("ABCD")))


def test_events_of_both_sides_are_different_ones(lists):
    """The same number on both sides is no shared event: p is that of 120 records on their own."""
    other, numbers = {k: v * 1.02 for k, v in lists.items()}, {k: np.arange(60) for k in lists}
    table = f0.compare_f0(lists, other, draws=5, real_events=numbers, generated_events=numbers)
    assert table["p"].tolist() == [f0.ks_f0(lists[k], other[k], np.arange(120)).p_value for k in lists]


def test_compare_f0_by_event_is_wider(lists):
    repeated = {name: np.repeat(values[:12], 5) for name, values in lists.items()}
    rows = f0.compare_f0(repeated, lists, draws=200)
    events = f0.compare_f0(repeated, lists, real_events=repeated, draws=200)
    width = [(t["median ratio high"] - t["median ratio low"]).mean() for t in (rows, events)]
    assert width[1] > 1.2 * width[0]
    assert (events["W1 chance"] > rows["W1 chance"]).all()


def test_binning_strip_says_what_is_outside(lists):
    wrong = lists | {"D": np.append(lists["D"], [0.5, 22.0])}
    with pytest.warns(UserWarning, match="2 f0 values lie outside 1-20 Hz") as said:
        strip = worth.binning_strip(lists, wrong)
    assert len(said) == 1 and strip.loc["10 linear", "outside"] == 2
    assert strip.loc["20 linear, moved: lowest", "outside"] == 1 < strip.loc["20 linear, moved: highest", "outside"]
    with pytest.raises(ValueError, match="generated station B: none of the 9"):
        worth.binning_strip(wrong, lists | {"B": np.full(9, 40.0)})


def test_moved_bins_lose_no_f0():
    for edges in worth.shifted_bins():
        assert edges[0] <= 1 < 20 <= edges[-1] + 1e-9 and np.allclose(np.diff(edges), 0.95)
    np.testing.assert_allclose(worth.shifted_bins()[0][:21], scoring.F0_BINS_HZ)
    assert len(worth.shifted_bins()) == 19


def test_ncc_against_bins_is_the_ncc_of_those_bins(lists):
    generated = {name: values * 1.03 for name, values in lists.items()}
    table = worth.ncc_against_bins(lists, generated, [20, 39], origins=19)
    assert table.loc[20, "SxS"] == pytest.approx(scoring.ncc_stations(lists, generated))
    assert table.loc[39, "2Sx2S"] == pytest.approx(scoring.ncc_pairs(lists, generated, np.linspace(1, 20, 40)))
    strip = worth.binning_strip(lists, generated)
    assert table.loc[20, ["SxS low", "SxS high"]].tolist() == pytest.approx(
        [strip.loc[f"20 linear, moved: {end}", "SxS"] for end in ("lowest", "highest")])


def test_bin_free_ncc_of_copies_does_not_ask_for_units(lists):
    """Disjoint stations at equal distances: W1 of a copy is perfect; and scores are those of the plain matrix."""
    equal = {name: np.full(9, f) for name, f in zip("AB", (2.0, 6.0))}
    strip = worth.binning_strip(equal, equal)
    assert strip.loc["no bins: W1", ["SxS", "2Sx2S"]].tolist() == pytest.approx([1, 1])
    matrix = [[f0.w1_ln_f0(a, b) for b in lists.values()] for a in lists.values()]
    found = worth.binning_strip(lists, lists).loc["no bins: W1", "SxS"]
    assert found == pytest.approx(scoring.ncc(-100 * np.array(matrix), np.eye(4)))


def test_smooth_law_is_a_gaussian_kernel_density(lists):
    """scipy's density with the same bandwidth, between the edges; the end bins take the tails."""
    values = np.append(lists["A"], lists["A"][:10])
    ln_f0 = np.log(values)
    width = 0.9 * min(ln_f0.std(ddof=1), stats.iqr(ln_f0) / 1.34) * 60 ** -0.2
    kernel = stats.gaussian_kde(ln_f0, width / ln_f0.std(ddof=1))
    edges = np.concatenate([[-50], np.log(scoring.F0_BINS_HZ[1:-1]), [50]])
    expected = [kernel.integrate_box_1d(low, high) for low, high in zip(edges, edges[1:])]
    np.testing.assert_allclose(worth.smooth_law(values), expected, atol=1e-9)
    assert worth.smooth_law(values).sum() == pytest.approx(1)
    assert worth.smooth_law(np.full(9, 5.0)).max() == pytest.approx(1)
    mostly_one = worth.smooth_law(np.append(np.full(9, 5.0), [3.0]))       # no interquartile range
    assert mostly_one.sum() == pytest.approx(1) and mostly_one.max() < 0.85


def test_ceilings_rise_with_records_and_need_no_seed_of_luck(lists):
    few, many = (worth.ceilings(lists, n, draws=100).loc["two bootstraps of the real records"] for n in (8, 400))
    assert few["SxS"] < many["SxS"] and few["mean diagonal"] < 0.8 < many["mean diagonal"]
    pd.testing.assert_frame_equal(worth.ceilings(lists, draws=20, seed=3), worth.ceilings(list(lists.values()), draws=20, seed=3))


# --- bad input -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("measure", [f0.w1_ln_f0, f0.energy_distance_ln_f0, f0.ks_f0])
@pytest.mark.parametrize("bad, word", [([2.0] * 4, "4 generated"), ([2.0, np.nan, 2, 2, 2], "not finite"),
                                       ([0.0, 1, 1, 1, 1], "positive"), (np.ones((5, 2)), "shape")])
def test_samples_that_cannot_be_compared(measure, bad, word):
    with pytest.raises(ValueError, match=word):
        measure([2.0, 2.1, 2.2, 2.3, 2.4], bad)


def test_events_that_do_not_fit(lists):
    with pytest.raises(ValueError, match="2 groups for 120"):
        f0.ks_f0(lists["A"], lists["B"], [1, 2])
    with pytest.raises(ValueError, match="60 f0 of 1 events"):
        f0.lognormal_f0(lists["A"], np.zeros(60))
    with pytest.raises(ValueError, match="3 given"):
        f0.lognormal_f0(lists["A"], [1, 2, 3])
    with pytest.raises(ValueError, match="3 real"):
        f0.lognormal_f0(lists["A"][:3])
    with pytest.raises(ValueError, match="station B: 60 f0 but 2 events"):
        f0.compare_f0(lists, lists, generated_events=lists | {"B": [1, 2]}, draws=5)
    with pytest.raises(ValueError, match="a positive number"):
        worth.ceilings(lists, 0)
    with pytest.raises(ValueError, match="at least two"):
        worth.binning_strip({"A": lists["A"]}, {"A": lists["A"]})
