"""HVSR curves: each measure gives the size of the fault it is made for, and does not feel the others."""

from __future__ import annotations

import numpy as np
import pytest

from tng import spectra, surrogate
from tng.scoring import curves

LN_HZ = np.linspace(np.log(1), np.log(20), 100)
STEP = LN_HZ[1] - LN_HZ[0]


def peak(f0_hz, shift=0.0, height=1.5):
    """ln HVSR with a peak on a sloping ground."""
    ln_hz = LN_HZ - shift
    return height * np.exp(-((ln_hz - np.log(f0_hz)) ** 2) / (2 * 0.15**2)) + 0.3 * np.sin(2.1 * ln_hz)


@pytest.fixture(scope="module", params=["1716-like", "4628-like"])
def ln_hvsr(request):
    data = np.stack([record.data for record in surrogate.simulate(request.param, 200, seed=3)])
    freq_hz, found = spectra.hvsr(data, 100.0)
    return np.array([np.interp(LN_HZ, np.log(freq_hz), np.log(curve)) for curve in found])


# --- planted on smooth curves -------------------------------------------------------------------------------------

@pytest.mark.parametrize("f0_hz", [1.7, 6.2, 12.0])
@pytest.mark.parametrize("planted", [-0.2, -0.05, -0.01, 0.0, 0.013, 0.05, 0.3])
def test_a_planted_shift_comes_back(f0_hz, planted):
    real, generated = peak(f0_hz), peak(f0_hz, planted)
    assert curves.shift(real, generated, STEP) == pytest.approx(planted, abs=0.002)
    assert curves.shift(real, 0.6 * generated + 0.4, STEP) == pytest.approx(planted, abs=0.002)  # of another level and contrast
    assert curves.shift(generated, real, STEP) == pytest.approx(-curves.shift(real, generated, STEP), abs=1e-9)


def test_five_percent_higher_frequencies_are_a_shift_of_005():
    ln_hz = LN_HZ
    generated = np.interp(ln_hz - np.log(1.05), ln_hz, peak(6.2))                              # what was at f is at 1.05·f
    assert np.exp(curves.shift(peak(6.2), generated, STEP)) == pytest.approx(1.05, abs=0.002)
    assert ln_hz[generated.argmax()] > ln_hz[peak(6.2).argmax()]


@pytest.mark.parametrize("power", [0.5, 0.8, 1.0, 1.25])
@pytest.mark.parametrize("planted", [-0.1, 0.0, 0.045, 0.2])
def test_peaks_to_a_power_come_back_wherever_they_are(power, planted):
    real, generated = peak(6.2), power * peak(6.2, planted) - 0.7
    assert curves.height_ratio(real, generated, STEP) == pytest.approx(power, rel=0.01)
    assert curves.height_ratio(generated, real, STEP) == pytest.approx(1 / power, rel=0.01)


def test_only_what_both_curves_show_counts():
    """On steep ground, what moves into the band at one end and out at the other would be taken for height."""
    real, generated = (peak(6.2, moved) + 2 * (LN_HZ - moved) for moved in (0, 0.3))
    assert curves.height_ratio(real, 0.8 * generated, STEP, farthest=0.6) == pytest.approx(0.8, abs=0.002)
    real, generated = (peak(6.2, moved) - 2 * (LN_HZ - moved) for moved in (0, -0.3))
    assert curves.height_ratio(real, 0.8 * generated, STEP, farthest=0.6) == pytest.approx(0.8, abs=0.002)


def test_height_ratio_of_noisy_curves_is_not_biased():
    """Ordinary regression would come out too low, as part of what varies in the real curve is noise."""
    real, generated = peak(6.2, height=1.0) + 0.13 * np.random.default_rng(0).normal(size=(2, 400, 100))
    ordinary = [np.polyfit(x, y, 1)[0] for x, y in zip(real, generated)]
    assert np.median(ordinary) < 0.9
    assert np.median(curves.height_ratio(real, generated, STEP)) == pytest.approx(1, abs=0.02)


def test_level_shape_and_size_of_the_misfit():
    real = peak(6.2)
    assert curves.rms_ln(real, real + 0.1) == pytest.approx(0.1)
    assert curves.rms_ln(real, real + 0.3 * np.resize([1, -1], 100)) == pytest.approx(0.3)
    assert curves.correlation(real, 0.3 * real - 2) == pytest.approx(1)
    assert curves.correlation(real, -real) == pytest.approx(-1)
    assert curves.correlation(real, peak(2.0)) == pytest.approx(np.corrcoef(real, peak(2.0))[0, 1])


def test_scatter_from_record_to_record():
    x, y = np.random.default_rng(1).normal(size=(2, 400, 30))
    scale = np.linspace(0.2, 0.6, 30)
    assert curves.spread(x * scale, 0.5 * y * scale + 3) == pytest.approx(0.5, rel=0.03)
    assert curves.spread(x[:5], y[:9]) == pytest.approx(np.sqrt(y[:9].var(0, ddof=1).mean() / x[:5].var(0, ddof=1).mean()))


def test_many_curves_at_once():
    real = np.stack([[peak(f0_hz) for f0_hz in (2, 5, 11)]] * 2)
    generated = np.stack([[0.9 * peak(f0_hz, planted) for f0_hz in (2, 5, 11)] for planted in (0.04, -0.1)])
    for measure in (lambda a, b: curves.shift(a, b, STEP), lambda a, b: curves.height_ratio(a, b, STEP), curves.rms_ln,
                    curves.correlation):
        found = measure(real, generated)
        assert found.shape == (2, 3)
        alone = np.array([[measure(a, b) for a, b in zip(*rows)] for rows in zip(real, generated)])
        assert found == pytest.approx(alone, abs=1e-12)
    assert isinstance(curves.shift(real[0, 0], generated[0, 0], STEP), float)


# --- on records of synthetic stations ------------------------------------------------------------------------------

def test_faults_of_records_are_seen_and_one_law_passes(ln_hvsr):
    """Means of 60 records: thresholds are the 2 and 98 % quantiles of pairs of one law; faults lie outside in 9 of 10."""
    rng = np.random.default_rng(0)
    draws = [rng.permutation(200) for _ in range(100)]
    real, new = (np.array([ln_hvsr[rows[side]].mean(axis=0) for rows in draws]) for side in (slice(60), slice(60, 120)))
    moved = np.array([np.interp(LN_HZ - np.log(1.05), LN_HZ, curve) for curve in new])
    shift, height = curves.shift(real, new, STEP), curves.height_ratio(real, new, STEP)
    assert abs(shift.mean()) < 0.01 and height.mean() == pytest.approx(1, abs=0.02)
    planted = curves.shift(real, moved, STEP)
    assert planted.mean() - shift.mean() == pytest.approx(np.log(1.05), abs=0.003)
    assert np.mean(planted > np.quantile(shift, 0.98)) > 0.9
    lowered = curves.height_ratio(real, 0.8 * new, STEP)
    assert lowered.mean() == pytest.approx(0.8, abs=0.02)
    assert np.mean(lowered < np.quantile(height, 0.02)) > 0.9
    assert np.abs(curves.shift(real, 0.8 * new, STEP) - shift).max() < 1e-9                            # neither feels the other
    assert np.abs(curves.height_ratio(real, moved, STEP) - height).max() < 0.05


# --- nothing to compare ----------------------------------------------------------------------------------------------

def test_flat_and_opposite_curves():
    real, flat = peak(6.2), np.full(100, 0.3)
    assert np.isnan(curves.shift(real, flat, STEP)) and np.isnan(curves.shift(flat, real, STEP))
    assert np.isnan(curves.correlation(real, flat))
    assert curves.height_ratio(real, flat, STEP) == pytest.approx(0, abs=1e-9)
    assert np.isnan(curves.height_ratio(flat, real, STEP))
    assert curves.rms_ln(flat, flat) == 0
    slope = LN_HZ - LN_HZ.mean()
    assert curves.height_ratio(slope, -0.5 * slope, STEP) == pytest.approx(-0.5)
    assert np.isnan(curves.spread(np.ones((5, 8)), np.ones((5, 8)) + np.arange(5)[:, None]))


def test_a_shift_out_of_reach_is_no_number():
    slope = peak(4.0, height=3.0) - 0.3 * np.sin(2.1 * LN_HZ)
    away = peak(4.0, 0.8, height=3.0) - 0.3 * np.sin(2.1 * (LN_HZ - 0.8))
    assert np.isnan(curves.shift(slope, away, STEP))
    assert curves.shift(slope, away, STEP, farthest=1.2) == pytest.approx(0.8, abs=0.002)


@pytest.mark.parametrize("call, message", [
    (lambda: curves.shift(np.zeros(9), np.zeros(8), 0.1), r"shape \(9,\) and \(8,\)"),
    (lambda: curves.rms_ln(np.zeros((3, 9)), np.zeros(9)), r"shape \(3, 9\) and \(9,\)"),
    (lambda: curves.correlation(np.zeros(2), np.zeros(2)), "three frequencies or more"),
    (lambda: curves.shift(np.zeros(3), np.zeros(3), 0.1), "3 frequencies; at least 4"),
    (lambda: curves.shift(np.zeros(9), np.zeros(9), 0), "steps of 0 and a reach of 0.35"),
    (lambda: curves.height_ratio(np.zeros(9), np.zeros(9), 0.1, -1), "a reach of -1"),
    (lambda: curves.spread(np.zeros((4, 9)), np.zeros((9, 9))), "4 real and 9 generated records"),
])
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
