"""Structure of records that spectra do not show: checked on records that have it by construction."""

import numpy as np
import pytest
from scipy import signal

from tng.scoring import structure

RATE_HZ, SAMPLES = 25.0, 3000
TIME_S = np.arange(SAMPLES) / RATE_HZ


def noise(records, seed=0, samples=SAMPLES):
    return np.random.default_rng(seed).standard_normal((records, 3, samples))


def test_an_undamped_tone_rings_as_its_autocorrelation_says():
    """Of sin(2πft) over T seconds, r(τ) = (1 - τ/T) cos(2πfτ): the mean of its size is 2/π of the mean of 1 - τ/T."""
    tone = np.sin(2 * np.pi * 0.7 * TIME_S) * np.ones((2, 3, 1))
    lag_s = np.arange(125, 376) / RATE_HZ
    expected = np.abs((1 - lag_s / 120) * np.cos(2 * np.pi * 0.7 * lag_s)).mean()
    np.testing.assert_allclose(structure.ringing(tone, RATE_HZ), expected, rtol=0.02)


def test_a_resonator_rings_as_its_damping_says():
    """Driven by white noise its autocorrelation is exp(-ζωτ)·cos(ωτ), but for the end of the record."""
    white, lag_s = noise(100), np.arange(125, 376) / RATE_HZ
    pole = np.exp((-0.03 + 1j) * 2 * np.pi * 0.5 / RATE_HZ)                                # 0.5 Hz, 3 % of critical damping
    soft = signal.lfilter([1.0], [1, -2 * pole.real, abs(pole) ** 2], white, axis=-1)
    expected = ((1 - lag_s / 120) * np.exp(-0.03 * np.pi * lag_s) * np.abs(np.cos(np.pi * lag_s))).mean()
    assert structure.ringing(soft, RATE_HZ).mean() == pytest.approx(expected, rel=0.1)
    assert structure.ringing(white, RATE_HZ).max() < 0.03


def test_ringing_of_white_noise_is_what_chance_gives():
    """|r| of white noise at a lag has the mean sqrt(2/π/n)·sqrt(1 - τ/T)."""
    lag_s = np.arange(125, 376) / RATE_HZ
    expected = (np.sqrt(2 / np.pi / SAMPLES) * np.sqrt(1 - lag_s / 120)).mean()
    assert structure.ringing(noise(200, 3), RATE_HZ).mean() == pytest.approx(expected, rel=0.03)


def test_ringing_knows_neither_scale_nor_offset():
    x = noise(3, 1)
    np.testing.assert_allclose(structure.ringing(7 * x + 100, RATE_HZ), structure.ringing(x, RATE_HZ), rtol=1e-9)


def test_lines_of_equal_horizontals_agree_and_those_of_independent_ones_do_not():
    x = noise(100, 2)
    same = x.copy()
    same[:, 1] = -3 * same[:, 0]
    np.testing.assert_allclose(structure.line_correlation(same, RATE_HZ, (1, 10)), 1, rtol=1e-9)
    lines = (10 - 1) * SAMPLES / RATE_HZ
    assert abs(structure.line_correlation(x, RATE_HZ, (1, 10)).mean()) < 4 / np.sqrt(lines * 100)


def test_lines_follow_the_coherence_and_not_the_common_shape():
    x = noise(60, 4)
    shape = signal.butter(2, 3.0, fs=RATE_HZ, output="sos")
    coloured = signal.sosfilt(shape, x, axis=-1)
    assert abs(structure.line_correlation(coloured, RATE_HZ, (1, 10)).mean()) < 0.02
    coloured[:, 1] = 0.6 * coloured[:, 0] + 0.8 * coloured[:, 1]                            # coherence 0.36
    assert structure.line_correlation(coloured, RATE_HZ, (1, 10)).mean() == pytest.approx(0.9 * 0.36, abs=0.04)


def test_band_ratio_is_that_of_known_tones():
    x = np.zeros((1, 3, SAMPLES))
    x[:, 0] = 4 * np.sin(2 * np.pi * 2 * TIME_S) + 1 * np.sin(2 * np.pi * 8 * TIME_S)
    x[:, 1] = 4 * np.cos(2 * np.pi * 2 * TIME_S) + 1 * np.cos(2 * np.pi * 8 * TIME_S)
    assert structure.band_ratio(x, RATE_HZ, (7, 9), (1, 3))[0] == pytest.approx(np.log(1 / 4), abs=1e-9)


def test_noise_fills_the_upper_band_of_weak_records_only():
    source = signal.sosfilt(signal.butter(4, 3.0, fs=RATE_HZ, output="sos"), noise(60, 5), axis=-1)
    strength = np.geomspace(1, 300, 60)
    records = source * strength[:, None, None] + 0.1 * noise(60, 6)
    weak, strong = structure.thirds(structure.band_ratio(records, RATE_HZ, (10, 12), (1, 3)), strength)
    assert weak - strong > 1.5


def test_thirds_are_medians_of_the_ends():
    assert structure.thirds([5, 1, 9, 2, 8, 3, 7], [5, 1, 9, 2, 8, 3, 7]) == (1.5, 8.5)


@pytest.mark.parametrize("call, message", [
    (lambda x: structure.ringing(x, RATE_HZ, (50.0, 130.0)), "records of 120 s"),
    (lambda x: structure.ringing(x, RATE_HZ, (8.0, 5.0)), "rising"),
    (lambda x: structure.ringing(x[:, :2], RATE_HZ), "3"),
    (lambda x: structure.line_correlation(x, RATE_HZ, (1.0, 1.05)), "16 are needed"),
    (lambda x: structure.band_ratio(x, RATE_HZ, (12.6, 20), (1, 3)), "no Fourier line"),
    (lambda x: structure.band_ratio(x * [[[1], [0], [1]]], RATE_HZ, (5, 8), (1, 3)), "without motion"),
    (lambda x: structure.thirds([1.0, 2.0], [1.0, 2.0]), "three records"),
])
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(noise(2))
