"""ln residuals of sets: planted biases, spreads and correlations come back; intervals cover; bad input is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tng.scoring import residuals


def rng(seed=0):
    return np.random.default_rng(seed)


# --- planted --------------------------------------------------------------------------------------------------

def test_amplitudes_times_045_are_a_bias_of_minus_08():
    real = residuals.logarithms(np.exp(rng().normal(3, 0.6, size=(50, 20))))
    generated = residuals.logarithms(0.45 * np.exp(real))
    assert residuals.bias(real, generated) == pytest.approx(np.full(20, np.log(0.45)))
    assert residuals.bias(real, generated, "median") == pytest.approx(np.full(20, np.log(0.45)))
    assert residuals.rms_bias(real, generated) == pytest.approx(-np.log(0.45))
    assert residuals.spread_ratio(real, generated) == pytest.approx(np.ones(20))
    assert residuals.correlation_error(real, generated) == pytest.approx(0, abs=1e-9)


def test_means_medians_and_spreads_are_those_of_numpy():
    real, generated = rng(1).normal(size=(31, 4)), 2 * rng(2).normal(size=(18, 4)) + 1
    generated[0, 1] = 50                    # an odd record moves the mean, not the median
    assert residuals.bias(real, generated) == pytest.approx(generated.mean(axis=0) - real.mean(axis=0))
    assert residuals.bias(real, generated, "median") == pytest.approx(np.median(generated, axis=0) - np.median(real, axis=0))
    assert residuals.bias(real, generated)[1] > 2.5 > residuals.bias(real, generated, "median")[1]
    assert residuals.rms_bias(real, generated) == pytest.approx(np.sqrt((residuals.bias(real, generated) ** 2).mean()))
    ratio = np.std(generated, axis=0, ddof=1) / np.std(real, axis=0, ddof=1)
    assert residuals.spread_ratio(real, generated) == pytest.approx(ratio)
    assert residuals.variance_ratio(real, generated) == pytest.approx(ratio**2)
    assert residuals.bias(real[:, 0], generated[:, 0]) == pytest.approx(residuals.bias(real, generated)[0])      # one measure


def correlated(rho, n, seed=0):
    """Three values; the first two with correlation rho."""
    x = rng(seed).normal(size=(n, 3))
    x[:, 1] = rho * x[:, 0] + np.sqrt(1 - rho**2) * x[:, 1]
    return x


def test_lost_correlations_come_back_in_size():
    real, generated = correlated(0.9, 40_000), correlated(0.0, 30_000, seed=1)
    assert residuals.correlation_error(real, generated) == pytest.approx(0.9 * np.sqrt(2 / 6), abs=0.01)   # one pair of three
    assert residuals.correlations(real) == pytest.approx(np.corrcoef(real.T), abs=1e-12)
    frobenius = np.linalg.norm(np.corrcoef(real.T) - np.corrcoef(generated.T))
    assert residuals.correlation_error(real, generated) * np.sqrt(6) == pytest.approx(frobenius)


def test_correlations_do_not_feel_levels_and_spreads():
    real = correlated(0.6, 50)
    assert residuals.correlation_error(real, real * [1, 5, 0.2] + 7) == pytest.approx(0, abs=1e-9)
    assert residuals.correlation_error(real, real * [1, -1, 1]) > 0.3


def test_correlation_error_by_chance_is_as_stated():
    found = [residuals.correlation_error(rng(seed).normal(size=(50, 10)), rng(900 + seed).normal(size=(30, 10)))
             for seed in range(60)]
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(np.sqrt(1 / 50 + 1 / 30), rel=0.05)


def test_a_value_that_does_not_vary_goes_along_with_nothing():
    x = correlated(0.9, 60)
    for constant in (0.1, 0.3, 1 / 3, 1e5 / 7, -2.7):
        x[:, 2] = constant
        assert (residuals.correlations(x)[2] == [0, 0, 1]).all()
        assert (residuals.spread_ratio(x, x)[2:] != 1).all() and (residuals.spread_ratio(correlated(0.9, 60), x)[2] == 0)
    assert residuals.correlation_error(correlated(0.9, 60), np.zeros((9, 3))) > 0.45                 # collapse is no match


def test_site_effects_are_no_correlation_once_station_means_are_gone():
    station = np.repeat(["A", "B", "C"], [70, 50, 30])
    site = np.repeat([[0.0, 0], [3, 3], [-4, -4]], [70, 50, 30], axis=0)
    values = rng().normal(size=(150, 2)) + site
    assert residuals.correlations(values)[0, 1] > 0.7
    left = residuals.without_station_means(values, station)
    assert abs(residuals.correlations(left)[0, 1]) < 0.25
    for code in "ABC":
        assert left[station == code] == pytest.approx(values[station == code] - values[station == code].mean(axis=0))


# --- intervals ---------------------------------------------------------------------------------------------------

def test_the_table_of_a_residual_plot():
    real, generated = rng(1).normal(2, 0.5, size=(60, 3)), rng(2).normal(2 + np.array([0, 0.8, 0]), [0.5, 0.5, 1.0], size=(60, 3))
    table = residuals.residuals(real, generated, values=[0.1, 1.0, 10.0])
    assert table.index.tolist() == [0.1, 1.0, 10.0]
    assert table["bias"].to_numpy() == pytest.approx(residuals.bias(real, generated))
    assert table["median_bias"].to_numpy() == pytest.approx(residuals.bias(real, generated, "median"))
    assert table["spread_ratio"].to_numpy() == pytest.approx(residuals.spread_ratio(real, generated))
    assert table["variance_ratio"].to_numpy() == pytest.approx(residuals.variance_ratio(real, generated))
    assert (table["spread_generated"] / table["spread_real"]).to_numpy() == pytest.approx(table["spread_ratio"].to_numpy())
    outside = (table["bias_low"] > 0) | (table["bias_high"] < 0)
    assert outside.tolist() == [False, True, False]
    assert ((table["spread_ratio_low"] > 1) | (table["spread_ratio_high"] < 1)).tolist() == [False, False, True]
    assert residuals.residuals(real, generated, seed=1).equals(residuals.residuals(real, generated, seed=1))
    narrow = residuals.residuals(real, generated, level=0.5)
    assert (narrow["bias_high"] - narrow["bias_low"] < 0.5 * (table["bias_high"] - table["bias_low"]).to_numpy()).all()


@pytest.mark.parametrize("by_event", [True, False])
def test_intervals_by_event_cover_and_those_by_record_do_not(by_event):
    events, held = np.arange(90) // 3, []
    for seed in range(60):
        chance = rng(seed)
        real, new = ((chance.normal(size=(30, 5))[events] + 0.3 * chance.normal(size=(90, 5))) * scale for scale in (1, 1.5))
        table = residuals.residuals(real, new, *([events, events] if by_event else []), times=200, seed=seed)
        held.append([(table["bias_low"] < 0) & (table["bias_high"] > 0),
                     (table["spread_ratio_low"] < 1.5) & (table["spread_ratio_high"] > 1.5)])
    bias, spread = np.mean(held, axis=(0, 2))
    assert (0.88 < bias < 0.985 and 0.86 < spread < 0.985) if by_event else (bias < 0.8 and spread < 0.8)


def test_an_interval_leans_to_where_the_tail_is():
    """Of a long upper tail the mean may be higher by more than it may be lower; generated above, real below the bias."""
    tail = np.exp(2 * rng(1).normal(size=(40, 1)))
    for real, generated, upwards in ((0 * tail, tail, True), (tail, 0 * tail, False)):
        table = residuals.residuals(real, generated, times=4000).iloc[0]
        up, down = table["bias_high"] - table["bias"], table["bias"] - table["bias_low"]
        assert (up > 1.05 * down) if upwards else (down > 1.05 * up)


def test_no_scatter_no_interval():
    real, same = rng().normal(size=(20, 2)), np.ones((9, 2))
    assert residuals.spread_ratio(same, real[:9]) == pytest.approx([np.nan, np.nan], nan_ok=True)
    table = residuals.residuals(same, real)
    assert table[["spread_ratio", "spread_ratio_low", "spread_ratio_high", "variance_ratio"]].isna().all(axis=None)
    assert table[["bias", "bias_low", "bias_high"]].notna().all(axis=None)
    table = residuals.residuals(real, same)
    assert (table["spread_ratio"] == 0).all() and table["spread_ratio_low"].isna().all()


# --- bad input ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("measure", [residuals.bias, residuals.rms_bias, residuals.spread_ratio, residuals.variance_ratio,
                                     residuals.correlation_error, residuals.residuals])
def test_what_cannot_be_compared(measure):
    x = rng().normal(size=(9, 3))
    with pytest.raises(ValueError, match="9 real and 4 generated records; at least 5"):
        measure(x, x[:4])
    with pytest.raises(ValueError, match=r"shape \(9, 3\), generated ones of shape \(9, 2\)"):
        measure(x, x[:, :2])
    with pytest.raises(ValueError, match="1 of 9 real records hold .* the first is record 4"):
        measure(np.where(np.arange(9)[:, None] == 4, np.nan, x), x)


@pytest.mark.parametrize("call, message", [
    (lambda: residuals.logarithms([[1, 2], [0, -3]], "PSA"), r"PSA: 2 of 4 values have no .*, the first is 0.0 at \(1, 0\)"),
    (lambda: residuals.logarithms([1, np.nan]), "the first is nan"),
    (lambda: residuals.bias(np.zeros((9, 1)), np.zeros((9, 1)), "mode"), "centre 'mode'"),
    (lambda: residuals.correlation_error(np.zeros((9, 1)), np.zeros((9, 1))), "two values or more"),
    (lambda: residuals.correlation_error(np.zeros(9), np.zeros(9)), "two values or more"),
    (lambda: residuals.correlations(np.zeros(9)), r"shape \(9,\); \(records, values\)"),
    (lambda: residuals.residuals(np.zeros(9), np.zeros(9)), r"shape \(9,\); \(records, values\)"),
    (lambda: residuals.residuals(np.zeros((9, 2)), np.zeros((9, 2)), range(8)), "9 records but 8 events"),
    (lambda: residuals.without_station_means(np.zeros((9, 2)), ["A"] * 8), "of 8 stations"),
])
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
