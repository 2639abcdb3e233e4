"""Figures show what they are given, with units on their axes; nothing here looks at pixels."""

from __future__ import annotations

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from scipy import integrate, stats

from tng import figures, surrogate
from tng.figures import scoreboard, style

RATE = 100.0
GENERATORS = ["held-out", "training", "TimesNet-Gen", "zero-shot", "VAE", "average", "replay", "unit-norm mix",
              "phase-randomised", "phase + envelope", "stochastic"]


@pytest.fixture(scope="module")
def records():
    """Six synthetic records (6, 3, samples)."""
    return np.stack([record.data for record in surrogate.simulate(surrogate.station("1716-like"), 6, 0)]).astype(float)


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def curves(n=9, points=40, scale=1.0, seed=0):
    """Positive curves of one lognormal law."""
    return scale * np.exp(0.5 * np.random.default_rng(seed).standard_normal((n, points)))


def data_of(ax, label=None, gid=None):
    """Points of the line with a label."""
    (one,) = [line for line in ax.lines if (label is not None and line.get_label() == label) or (gid and line.get_gid() == gid)]
    return one.get_xydata()


# --- style ----------------------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes (2009): what is left of linear RGB without one kind of cone
VISIONS = {
    "normal": np.eye(3),
    "no long waves": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                               [-0.003882, -0.048116, 1.051998]]),
    "no middle waves": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                                 [-0.011820, 0.042940, 0.968881]]),
    "no short waves": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                                [0.004733, 0.691367, 0.303900]]),
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def seen(colour, vision) -> np.ndarray:
    """CIE L*a*b* (D65) of a colour as a kind of vision sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.clip(VISIONS[vision] @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4), 0, 1)
    t = TO_XYZ @ linear / [0.95047, 1.0, 1.08883]
    f = np.where(t > 216 / 24389, np.cbrt(t), 841 / 108 * t + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISIONS)
def test_generators_are_told_apart_with_any_colour_vision(vision):
    for one, other in combinations([*GENERATORS, "a stranger"], 2):
        assert np.linalg.norm(seen(figures.colour(one), vision) - seen(figures.colour(other), vision)) > 10, (one, other)


def test_generators_differ_in_more_than_colour():
    marks = [figures.marker(name) for name in GENERATORS]
    assert len(set(marks)) == len(marks) and figures.marker("a stranger") not in marks
    without_network = [str(figures.dash(name)) for name in GENERATORS[5:]]
    assert len(set(without_network)) == len(without_network) and "-" not in without_network


@pytest.mark.parametrize("low, high, wanted", [
    (1, 20, {1, 2, 5, 10, 20}), (0.05, 10, {0.1, 1, 10}), (30, 80, {50}), (0.004, 4, {0.01, 0.1, 1})])
def test_logarithmic_axes_have_plain_numbers(ax, low, high, wanted):
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    style.plain_axis(ax.xaxis)
    assert wanted <= {float(f"{tick:.6g}") for tick in ax.get_xticks()} and ax.get_xlim() == (low, high)
    assert not any("10^" in text.get_text() for text in ax.get_xticklabels())


# --- records --------------------------------------------------------------------------------------------

def test_motion_has_a_unit_a_column_a_common_scale_and_every_peak(records):
    figure, axes = plt.subplots(3, 3)
    motion = records[0], 0.1 * records[0], 0.01 * records[0]
    figures.plot_motion(motion, RATE, axes, name="VAE")
    assert [ax.get_ylabel() for ax in axes[1]] == ["N [cm/s²]", "N [cm/s]", "N [cm]"]
    assert {ax.get_xlabel() for ax in axes[2]} == {"Time [s]"}
    assert all(len({ax.get_ylim() for ax in column}) == 1 for column in axes.T)
    assert [ax.get_ylim()[1] for ax in axes[0]] == pytest.approx([1.15 * np.abs(x).max() for x in motion])
    assert axes[2, 0].texts[0].get_text() == f"PGA {np.abs(records[0, 2]).max():.3g} cm/s²"
    assert axes[0, 1].texts[0].get_text().startswith("PGV") and axes[0, 2].texts[0].get_text().endswith(" cm")
    np.testing.assert_array_equal(axes[1, 2].lines[0].get_ydata(), motion[2][1])
    assert axes[1, 2].lines[0].get_xdata()[-1] == (records.shape[2] - 1) / RATE


def test_husid_runs_from_5_percent_and_marks_the_levels(records, ax):
    energy = integrate.cumulative_trapezoid(records[:, 0] ** 2, axis=-1, initial=0)
    husid = energy / energy[:, -1:]
    figures.plot_husid(husid, RATE, ax, name="held-out")
    figures.plot_husid(husid, RATE, ax, name="VAE")
    time, share = data_of(ax, "VAE").T
    assert np.interp(0.0, time, share) == pytest.approx(5, abs=0.6)
    assert np.all(np.diff(share) >= 0) and share[-1] == pytest.approx(100)
    assert sorted({float(line.get_ydata()[0]) for line in ax.lines if line.get_gid() == "level"}) == [5, 75, 95]
    assert len([line for line in ax.lines if line.get_gid() == "level"]) == 3
    assert ax.get_xlabel() == "Time after 5 % [s]" and "%" in ax.get_ylabel()
    figures.plot_husid(husid, RATE, plt.figure().add_subplot(), name="VAE", aligned=False)
    np.testing.assert_allclose(np.median(husid, axis=0)[::5] * 100, data_of(plt.gca(), "VAE")[:, 1], atol=0.2)


def test_spectrogram_is_brightest_where_the_tone_is(ax):
    time = np.arange(0, 40, 1 / RATE)
    figures.plot_spectrogram(np.sin(2 * np.pi * 8 * time) * np.exp(-0.5 * ((time - 25) / 2) ** 2), RATE, ax)
    mesh = ax.collections[0]
    level = mesh.get_array().reshape(mesh.get_coordinates().shape[0] - 1, -1)
    row, column = np.unravel_index(level.argmax(), level.shape)
    x, y = mesh.get_coordinates()[row, column]
    assert level.max() == 0 and abs(x - 25) < 1 and abs(y - 8) < 0.5
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("Time [s]", "Frequency [Hz]", "log")


def test_envelope_of_a_tone_is_its_amplitude(records):
    time = np.arange(0, 20, 1 / RATE)
    envelope = figures.smooth_envelope(3.0 * np.sin(2 * np.pi * 5 * time), RATE)
    np.testing.assert_allclose(envelope[200:-200], 3.0, rtol=1e-3)
    axes = figures.spectrogram_panels({"held-out": records[0, 1], "VAE": records[1, 1]}, RATE)[1]
    assert axes.shape == (2, 2) and axes[1, 0].get_ylabel() == "Acceleration [cm/s²]"
    upper, lower = axes[1, 1].lines[1:]
    np.testing.assert_array_equal(upper.get_ydata(), -lower.get_ydata())


def test_envelopes_do_not_see_strength(records, ax):
    figures.plot_envelopes({"held-out": records[:, 1], "VAE": np.arange(1, 7)[:, None] * records[:, 1]}, RATE, ax)
    np.testing.assert_allclose(data_of(ax, "VAE"), data_of(ax, "held-out"))
    assert ax.get_ylabel() == "Envelope / its peak [-]" and ax.get_xlabel() == "Time [s]"


# --- spectra --------------------------------------------------------------------------------------------

def test_lognormal_band_is_the_law_it_came_from():
    low, middle, high = figures.lognormal_band(np.exp(1.5 + 0.3 * np.random.default_rng(0).standard_normal((200_000, 1))))
    assert np.log(middle) == pytest.approx(1.5, abs=0.01)
    np.testing.assert_allclose([np.log(high / middle), np.log(middle / low)], 0.3, atol=0.01)


def test_eas_is_doubly_logarithmic_with_its_median(ax):
    freq_hz = np.geomspace(0.1, 50, 40)
    figures.plot_eas(freq_hz, curves(), ax, name="VAE")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Frequency [Hz]", "EAS [cm/s]")
    np.testing.assert_allclose(data_of(ax, "VAE"), np.c_[freq_hz, stats.gmean(curves())])
    assert ax.get_xlim() == (0.1, 50)
    high = ax.collections[0].get_paths()[0].vertices[:, 1].max()
    assert high == pytest.approx((stats.gmean(curves()) * np.exp(np.log(curves()).std(axis=0, ddof=1))).max())


def test_hvsr_states_what_it_is_and_marks_f0(ax):
    freq_hz = np.geomspace(1, 20, 40)
    figures.plot_hvsr(freq_hz, curves(), ax, name="held-out", smoothing="Konno–Ohmachi b = 40", f0_hz=3.2, verdict="clear peak")
    assert "n = 9" in ax.get_title() and "Konno–Ohmachi b = 40" in ax.get_title()
    assert ax.texts[0].get_text() == "f0 = 3.20 Hz, clear peak"
    np.testing.assert_allclose(data_of(ax, "median")[:, 1], stats.gmean(curves()))
    assert len(ax.lines) == 9 + 3 + 2 and ax.get_xscale() == "log" and ax.get_ylabel() == "H/V [-]"
    sigma = data_of(ax, "± sigma (ln)")[:, 1]
    np.testing.assert_allclose(np.log(stats.gmean(curves()) / sigma), np.log(curves()).std(axis=0, ddof=1))


@pytest.mark.parametrize("nothing", [None, np.nan])
def test_hvsr_without_a_peak_marks_none_and_says_so(ax, nothing):
    figures.plot_hvsr(np.geomspace(1, 20, 40), curves(), ax, name="VAE", smoothing="s", f0_hz=nothing, verdict="no clear peak")
    assert ax.texts[0].get_text() == "no clear peak" and len(ax.lines) == 9 + 3


def test_f0_density_holds_every_record_once_and_its_median(ax):
    f0_hz = np.exp(np.log(5) + 0.1 * np.random.default_rng(0).standard_normal(400))
    figures.plot_f0_density({"held-out": f0_hz, "VAE": [np.nan, 3.0, 3.0]}, ax, intervals={"held-out": (4.9, 5.1)})
    real, vae = ax.patches
    assert real.get_data().values.sum() == pytest.approx(1) == vae.get_data().values.sum()
    assert "n = 3, 1 without a peak" in vae.get_label()
    steps = np.log(real.get_data().edges)
    np.testing.assert_allclose(np.diff(steps), steps[1] - steps[0])
    density = ax.lines[0].get_xydata()
    width = steps[1] - steps[0]
    assert integrate.trapezoid(density[:, 1], np.log(density[:, 0])) / width == pytest.approx(1, abs=0.01)
    medians = [line.get_xdata()[0] for line in ax.lines if line.get_marker() in ("o", "s")]
    np.testing.assert_allclose(medians, [np.median(f0_hz), 3.0])
    assert ax.get_xlabel() == "Site frequency f0 [Hz]" and ax.get_xscale() == "log"
    assert any(tuple(line.get_xdata()) == (4.9, 5.1) for line in ax.lines)


def test_f0_density_of_one_constant_has_no_curve(ax):
    figures.plot_f0_density({"VAE": [4.0] * 9}, ax)
    assert [len(line.get_xdata()) for line in ax.lines] == [1]


# --- response spectra -----------------------------------------------------------------------------------

def test_psa_ratio_is_to_the_first_set():
    periods_s = np.geomspace(0.05, 5, 40)
    figure, axes = plt.subplots(2, 1)
    sets = {"held-out": curves(scale=2.0), "VAE": curves(scale=1.0, seed=0)}
    figures.plot_psa(periods_s, sets, axes, models={"a model": np.ones(40)})
    np.testing.assert_allclose(data_of(axes[1], "median"), np.c_[periods_s, np.full(40, 0.5)])
    np.testing.assert_allclose(data_of(axes[0], "VAE (n = 9)")[:, 1], np.median(curves(), axis=0))
    assert axes[0].get_ylabel() == "PSA, RotD50 [cm/s²]" and axes[1].get_ylabel() == "Ratio to held-out [-]"
    assert axes[1].get_xlabel() == "Period [s]" and axes[0].get_xscale() == axes[0].get_yscale() == axes[1].get_yscale() == "log"
    assert axes[1].get_ylim()[0] <= 0.5 and axes[1].get_ylim()[1] >= 2
    assert data_of(axes[0], "a model")[0, 1] == 1
    below = sets["VAE"] ** 2                                       # another spread: the shares' ratio is not the medians'
    axes = figures.plot_psa(periods_s, {"held-out": sets["held-out"], "VAE": below}, plt.subplots(2, 1)[1])
    thin = [line.get_ydata() for line in axes[1].lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(thin, [np.percentile(below, q, axis=0) / np.percentile(sets["held-out"], q, axis=0)
                                      for q in (16, 84)])


@pytest.mark.parametrize("over, label", [("period", "Period [s]"), ("frequency", "Frequency [Hz]")])
def test_residuals_are_centred_on_zero_with_a_factor_beside(ax, over, label):
    x = np.geomspace(0.1, 10, 30)
    bias = np.full(30, np.log(0.5))
    figures.plot_residuals(x, bias, bias - 0.1, bias + 0.1, ax, name="VAE", over=over, sigma=(np.full(30, 0.6), np.full(30, 0.4)))
    assert ax.get_xlabel() == label and ax.get_ylim()[0] == -ax.get_ylim()[1]
    np.testing.assert_allclose(data_of(ax, "mean, VAE")[:, 1], np.log(0.5))
    (factor,) = ax.child_axes
    assert factor.get_ylabel() == "factor" and {0.5, 1.0, 2.0} <= set(np.round(factor.get_yticks(), 6))
    ax.figure.canvas.draw()
    np.testing.assert_allclose(factor.get_ylim(), np.exp(ax.get_ylim()))
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((np.log(0.5) - 0.1, np.log(0.5) + 0.1))
    np.testing.assert_allclose(data_of(ax, "± sigma, VAE")[:, 1], np.log(0.5) + 0.4)
    np.testing.assert_allclose(data_of(ax, "± sigma, held-out")[:, 1], 0.6)


def test_correlation_of_periods_and_its_difference(ax):
    periods_s = np.geomspace(0.1, 5, 12)
    matrix = np.corrcoef(np.log(curves(points=12)).T)
    figures.plot_correlation(periods_s, matrix, ax)
    mesh = ax.collections[0]
    np.testing.assert_array_equal(mesh.get_array().reshape(12, 12), matrix)
    assert mesh.get_clim() == (0, 1) and ax.get_xlabel() == ax.get_ylabel() == "Period [s]"
    assert ax.get_xscale() == ax.get_yscale() == "log" and ax.get_xlim() == ax.get_ylim()
    other = figures.plot_correlation(periods_s, -0.7 * matrix, plt.figure().add_subplot(), difference=True)
    assert other.collections[0].get_clim() == pytest.approx((-0.7, 0.7))


# --- measures -------------------------------------------------------------------------------------------

def tables():
    rng = np.random.default_rng(0)
    columns = [*figures.measures.SHOWN]
    return {name: pd.DataFrame(scale * np.exp(rng.standard_normal((20, len(columns)))), columns=columns)
            for name, scale in (("held-out", 1.0), ("VAE", 0.5))}


def test_distribution_function_climbs_to_one(ax):
    figures.plot_cdf({"held-out": [3.0, 1.0, 2.0, 4.0]}, ax, xlabel="PGA [cm/s²]")
    np.testing.assert_allclose(data_of(ax, "held-out"), [[1, 0.25], [2, 0.5], [3, 0.75], [4, 1]])
    assert ax.get_xscale() == "log" and ax.get_xlabel() == "PGA [cm/s²]" and ax.get_ylabel() == "Share of records"


def test_quantiles_of_a_scaled_sample_lie_on_a_parallel(ax):
    real = tables()["held-out"]["pga_cmps2"].to_numpy()
    figures.plot_qq(real, 0.3 * real, ax, name="VAE", xlabel="PGA [cm/s²]")
    x, y = data_of(ax, "VAE").T
    np.testing.assert_allclose(y / x, 0.3)
    assert ax.get_xlim() == ax.get_ylim() and ax.get_aspect() == 1
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Held-out PGA [cm/s²]", "Generated PGA [cm/s²]")


def test_every_measure_has_two_panels_and_a_unit():
    figure, axes = figures.measure_panels(tables(), name="VAE")
    assert len(list(axes)) == 12 and all("[" in ax.get_xlabel() for ax in axes)
    assert len(figure.legends) == 1
    assert set(tables()["VAE"].columns) <= set(figures.measures.LABELS)


def test_pairs_state_the_correlation_of_logarithms(ax):
    given = tables()
    given["VAE"]["pgv_cmps"] = 5 * given["VAE"]["pga_cmps2"] ** -2
    figures.plot_pairs(given, "pga_cmps2", "pgv_cmps", ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()][1] == "VAE, r = \N{MINUS SIGN}1.00"
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), given["held-out"][["pga_cmps2", "pgv_cmps"]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("PGA [cm/s²]", "PGV [cm/s]")


def test_attenuation_leaves_out_what_has_no_distance(ax):
    records = pd.DataFrame({"distance_km": [10.0, 20.0, np.nan, 0.1], "magnitude": [5.0, np.nan, 6.0, 4.0],
                            "value": [3.0, 2.0, 9.0, 5.0]})
    figures.plot_attenuation(records, ax, ylabel="PGA [cm/s²]", generated=np.full(30, 2.5), name="VAE")
    grey, coloured = ax.collections[:2]
    np.testing.assert_array_equal(grey.get_offsets(), [[20, 2]])
    np.testing.assert_array_equal(coloured.get_offsets(), [[10, 3], [1, 5]])
    np.testing.assert_array_equal(coloured.get_array(), [5, 4])
    assert data_of(ax, "VAE: median, 16–84 %")[0, 1] == 2.5
    assert ax.get_xlabel() == "Hypocentral distance [km]" and ax.get_xscale() == ax.get_yscale() == "log"


def test_attenuation_without_distances_says_so(ax):
    records = pd.DataFrame({"distance_km": [np.nan], "magnitude": [5.0], "value": [3.0]})
    figures.plot_attenuation(records, ax, ylabel="PGA [cm/s²]")
    assert "not known" in ax.texts[0].get_text() and not ax.collections


# --- scores ---------------------------------------------------------------------------------------------

def test_references_stand_below_the_generators(ax):
    references = pd.DataFrame({"SxS": [0.97, 0.0], "SxS low": [0.95, -0.2], "SxS high": [0.98, 0.2]}, index=["copy", "pooled"])
    figures.plot_references({"VAE": (0.6, 0.5, 0.7)}, references, ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["VAE", "copy", "pooled"]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() not in ("None", None, "")] == [0.6, 0.97, 0.0]
    np.testing.assert_array_equal([line.get_xdata() for line in ax.lines[0:6:2]], [[0.5, 0.7], [0.95, 0.98], [-0.2, 0.2]])
    assert ax.get_ylim()[0] > ax.get_ylim()[1] and ax.get_xlabel() == "NCC, S×S [-]"
    figure, (left, right) = figures.similarity_panels(np.eye(2), "AB", "AB", {"VAE": (0.6, 0.5, 0.7)}, references, title="VAE")
    assert len(left.texts) == 4 and len(right.get_yticklabels()) == 3


def test_nearest_distances_have_their_median_and_the_limit_of_chance(ax):
    rng = np.random.default_rng(0)
    distances = {"held-out": rng.uniform(0.6, 0.8, 300), "VAE": rng.uniform(0.0, 0.1, 50)}
    figures.plot_nearest(distances, ax, xlabel="Distance [-]")
    marks = [line.get_xdata()[0] for line in ax.lines]
    np.testing.assert_allclose(marks, [np.median(distances["held-out"]), np.median(distances["VAE"]),
                                       np.quantile(distances["held-out"], 0.01)])
    assert all(patch.get_data().values.sum() == pytest.approx(1) for patch in ax.patches)
    assert "n = 50" in ax.get_legend().get_texts()[1].get_text() and ax.get_ylabel() == "Share of records"


def test_nearest_pair_lies_on_itself_once_moved(records, ax):
    trace = records[0, 1]
    figures.plot_nearest_pair(-0.2 * np.roll(trace, 50), trace, RATE, ax, name="VAE", lag_s=0.5)
    training, generated = data_of(ax, "training"), data_of(ax, "VAE")
    np.testing.assert_allclose(training[:-50], generated[50:] * [1, -1], atol=1e-12)
    assert np.abs(generated[:, 1]).max() == 1 and ax.get_ylabel() == "Acceleration / peak [-]"


# --- scoreboard -----------------------------------------------------------------------------------------

def board() -> pd.DataFrame:
    rows = [
        ("VAE", "site", "f0 similarity", 0.5, 0.8, 1.0, "large", "outside"),
        ("replay", "site", "f0 similarity", 0.9, 0.8, 1.0, "large", "inside"),
        ("VAE", "engineering", "PGA ratio", 1.3, 0.8, 1.25, "one", "outside"),
        ("replay", "engineering", "PGA ratio", np.nan, 0.8, 1.25, "one", "not scored"),
        ("replay", "novelty", "distinct", 0.001, 0.9, 1.1, "large", "outside"),
    ]
    table = pd.DataFrame(rows, columns=["generator", "group", "measure", "value", "floor_low", "floor_high", "better", "verdict"])
    one = table.iloc[:1].assign(station="A", value=0.95, verdict="inside")
    no_number = one.assign(station="B", group="", measure="", value=np.nan, verdict="not scored")
    return pd.concat([table.assign(station="all"), one, no_number], ignore_index=True)


def boxes(ax) -> dict:
    """(column, measure) → kind and texts of each cell."""
    heights = {round(tick, 6): label.get_text() for tick, label in zip(ax.get_yticks(), ax.get_yticklabels())}
    found = {}
    for box in [patch for patch in ax.patches if isinstance(patch, Rectangle)]:
        middle = box.get_y() + 0.5
        inside = [text.get_text() for text in ax.texts
                  if abs(text.get_position()[1] - middle) < 0.1 and 0 <= text.get_position()[0] - box.get_x() < 1]
        found[int(box.get_x()), heights[round(middle, 6)]] = box.get_gid(), inside, box.get_facecolor()
    return found


def test_scoreboard_shows_every_cell_and_on_which_side_it_lies(ax):
    figures.plot_scoreboard(board(), ax)
    cells = boxes(ax)
    kinds = {key: (kind, texts) for key, (kind, texts, _) in cells.items()}
    assert kinds == {
        (0, "f0 similarity"): (scoreboard.FAR, ["0.50", "▼▼"]), (1, "f0 similarity"): (scoreboard.INSIDE, ["0.90"]),
        (0, "PGA ratio"): (scoreboard.NEAR, ["1.30", "▲"]), (1, "PGA ratio"): (scoreboard.NOT_SCORED, ["–"]),
        (0, "distinct"): (scoreboard.NOT_SCORED, ["–"]), (1, "distinct"): (scoreboard.FAR, ["0.001", "▼▼"]),
    }
    for kind, _, face in cells.values():
        assert face[:3] == to_rgb(scoreboard.CELLS[kind])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["VAE", "replay", "real\nagainst real"]
    texts = [text.get_text() for text in ax.texts]
    assert {"site", "engineering", "novelty", "0.80 to 1.25", "from 0.80", "from 0.90"} <= set(texts)
    assert sorted(text for text in texts if text.endswith("out")) == ["0 of 1 out", "1 of 1 out", "1 of 1 out", "1 of 1 out"]
    assert len(ax.get_legend().get_texts()) == 5


def test_scoreboard_keeps_groups_together_and_apart(ax):
    table = board()
    later = [table.iloc[:1].assign(measure=name) for name in ("f0 KS", "NCC SxS")]         # of the site, but after the others
    table = pd.concat([table, *later], ignore_index=True)
    figures.plot_scoreboard(table, ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["NCC SxS", "f0 similarity", "f0 KS", "PGA ratio", "distinct"]
    np.testing.assert_allclose(np.diff(ax.get_yticks()), [1, 1, 1 + scoreboard.HEADING, 1 + scoreboard.HEADING])


def test_scoreboard_of_one_station(ax):
    figures.plot_scoreboard(board(), ax, station="A")
    assert {key: kind for key, (kind, _, _) in boxes(ax).items()} == {(0, "f0 similarity"): scoreboard.INSIDE}
    figure, other = figures.scoreboard_panel(board())
    assert len(boxes(other)) == 6
    long = pd.concat([board(), *(board().iloc[:1].assign(measure=f"m{k}") for k in range(30))])
    width, height = figures.scoreboard_size(long)
    assert height > figure.get_figheight() + 5 and width == figure.get_figwidth()


@pytest.mark.parametrize("change, message", [
    (lambda table: table.drop(columns="floor_low"), "without floor_low"),
    (lambda table: pd.concat([table, table.iloc[:1]]), "1 cells of the scoreboard have two rows, the first is f0 similarity"),
])
def test_a_table_that_is_no_scoreboard_is_refused(ax, change, message):
    with pytest.raises(ValueError, match=message):
        figures.plot_scoreboard(change(board()), ax)


def test_scoreboard_of_a_station_that_is_not_there(ax):
    with pytest.raises(ValueError, match="no station 'B' on this scoreboard: it has all, A"):
        figures.plot_scoreboard(board(), ax, station="B")


@pytest.mark.parametrize("value, text", [(0.0, "0.00"), (0.0042, "0.004"), (0.123, "0.12"), (1.005, "1.00"), (12.34, "12.3"),
                                         (431.2, "431"), (-0.5, "\N{MINUS SIGN}0.50"), (-0.0001, "0.000"), (np.nan, "–")])
def test_numbers_have_three_digits(value, text):
    assert scoreboard.number(value) == text


@pytest.mark.parametrize("better, low, high, value, verdict, expected", [
    ("large", 0.8, 1.0, 1.0, "inside", (scoreboard.INSIDE, "")),
    ("zero", 0.8, 1.0, 1.19, "outside", (scoreboard.NEAR, "▲")),
    ("small", 0.8, 1.0, 1.21, "outside", (scoreboard.FAR, "▲▲")),
    ("large", 0.8, 1.0, 0.59, "outside", (scoreboard.FAR, "▼▼")),
    ("one", 0.5, 2.0, 0.13, "outside", (scoreboard.NEAR, "▼")),              # ratios in logarithms: 1/8 and 8 are as far
    ("one", 0.5, 2.0, 0.12, "outside", (scoreboard.FAR, "▼▼")),
    ("one", 0.5, 2.0, 7.9, "outside", (scoreboard.NEAR, "▲")),
    ("one", 0.5, 2.0, 8.1, "outside", (scoreboard.FAR, "▲▲")),
    ("one", 0.5, 2.0, 0.0, "outside", (scoreboard.FAR, "▼▼")),
    ("large", 1.0, 1.0, 0.999, "outside", (scoreboard.FAR, "▼▼")),           # a band without width
    ("small", np.nan, np.nan, 0.5, "outside", (scoreboard.NEAR, "×")),
    ("zero", 0.8, 1.0, 0.9, "not scored", (scoreboard.NOT_SCORED, "")),
])
def test_the_width_of_the_band_is_the_unit(better, low, high, value, verdict, expected):
    row = {"value": value, "floor_low": low, "floor_high": high, "verdict": verdict, "better": better}
    assert scoreboard.how_far(row) == expected
