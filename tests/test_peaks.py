"""SESAME's criteria, each broken alone; picks that know when there is nothing to pick."""

import numpy as np
import pytest
from scipy import signal

from tng import peaks, spectra
from tng.peaks import CLEAR, EDGE, UNCLEAR, record_peaks, site_peak

FREQ_HZ = np.geomspace(0.05, 40, 2000)
STEPS = np.linspace(-1, 1, 20)
STEPS /= STEPS.std(ddof=1)                 # of twenty records: mean 0, scatter 1


def resonance(f0_hz=3.0, height=5.0, base=1.0, freq_hz=FREQ_HZ):
    return base + (height - base) * np.exp(-0.5 * (np.log(freq_hz / f0_hz) / 0.25) ** 2)


def station(curve=None, sigma_ln=0.2):
    """Twenty curves whose lognormal median is `curve` and whose scatter is `sigma_ln`, exactly."""
    curve = resonance() if curve is None else curve
    return curve * np.exp(STEPS[:, None] * sigma_ln)


def test_a_clear_peak_meets_all_nine():
    found = site_peak(FREQ_HZ, station(), 60.0)
    assert found.verdict == CLEAR and found.reliable and found.clear and all(found.criteria.values()) and len(found.criteria) == 9
    assert found.f0_hz == pytest.approx(3.0, rel=0.002) and found.amplitude == pytest.approx(5.0, rel=1e-3)
    assert found.sigma_a == pytest.approx(np.exp(0.2)) and found.sigma_f0_hz < 1e-12 and found.records == 20
    table = found.table()
    assert len(table) == 9 and table["met"].all() and table["found"][0] == "3 > 0.167 Hz"


def shelf(below):
    """A resonance that falls to half on one side only after a factor of more than four."""
    wide = (FREQ_HZ > 3.0 / 4.3) & (FREQ_HZ < 3.0) if below else (FREQ_HZ > 3.0) & (FREQ_HZ < 3.0 * 4.3)
    return np.where(wide, np.maximum(resonance(), 2.6), resonance())


def scatter(sigma_at, at_hz):
    """0.2 everywhere, more within 5 % of a frequency."""
    return np.where(np.abs(np.log(FREQ_HZ / at_hz)) < 0.05, sigma_at, 0.2)


@pytest.mark.parametrize("number, curves, window_s", [
    (0, np.tile(station(), (2, 1)), 3.3),                                   # 10 / 3.3 s = 3.03 Hz
    (1, station()[:10] * np.exp(-STEPS[:10].mean() * 0.2), 6.5),            # 10 · 6.5 s · 3 Hz = 195
    (2, station(sigma_ln=scatter(0.72, 5.6)), 60.0),                        # e^0.72 = 2.05 between f0/2 and 2 f0
    (3, station(shelf(below=True)), 60.0),
    (4, station(shelf(below=False)), 60.0),
    (5, station(resonance(height=1.98, base=0.5)), 60.0),
    (6, station(sigma_ln=np.where(FREQ_HZ > 3.18, 0.26, 0.2)), 60.0),       # the upper curve is highest 6 % above f0
    (7, np.stack([resonance(3 * np.exp(0.053 * step)) for step in STEPS]), 60.0),           # 5.3 % scatter of f0
    (8, station(sigma_ln=scatter(0.47, 3.0)), 60.0),                        # e^0.47 = 1.60 at f0
])
def test_each_criterion_alone(number, curves, window_s):
    found = site_peak(FREQ_HZ, curves, window_s)
    met = list(found.criteria.values())
    assert not met[number] and sum(met) == 8
    if number < 3:                          # all of the first three are needed, and five of the six others
        assert found.verdict == UNCLEAR and not found.reliable and found.clear
    else:
        assert found.verdict == CLEAR and found.reliable and found.clear


def test_four_of_six_are_too_few():
    low = station(np.where(FREQ_HZ < 3, 1.2, resonance(height=1.9, base=0.5)))
    found = site_peak(FREQ_HZ, low, 60.0)
    assert sum(found.criteria.values()) == 7 and found.reliable and not found.clear and found.verdict == UNCLEAR


@pytest.mark.parametrize("f0_hz, epsilon, theta", [
    (0.15, 0.25, 3.0), (0.35, 0.20, 2.5), (0.7, 0.15, 2.0), (1.5, 0.10, 1.78), (5.0, 0.05, 1.58)])
def test_limits_of_each_frequency_range(f0_hz, epsilon, theta):
    """Table of the guidelines: epsilon(f0) and theta(f0); a little below passes, a little above fails."""
    for factor, met in ((0.98, True), (1.02, False)):
        at_f0 = station(resonance(f0_hz), sigma_ln=np.log(factor * theta))
        assert list(site_peak(FREQ_HZ, at_f0, 600.0).criteria.values())[8] == met
        moved = np.stack([resonance(f0_hz * (1 + factor * epsilon * step)) for step in STEPS])
        found = site_peak(FREQ_HZ, moved, 600.0)
        share = found.sigma_f0_hz / found.f0_hz         # of the peak of the median, which is not quite f0_hz
        assert share == pytest.approx(factor * epsilon, rel=0.06)
        assert list(found.criteria.values())[7] == (share < epsilon)


@pytest.mark.parametrize("f0_hz, limit", [(0.4, 3.0), (0.6, 2.0)])
def test_scatter_around_a_low_peak_may_be_larger(f0_hz, limit):
    for factor, met in ((0.98, True), (1.02, False)):
        curves = station(resonance(f0_hz), sigma_ln=scatter(np.log(factor * limit), 1.5 * f0_hz))
        assert list(site_peak(FREQ_HZ, curves, 600.0).criteria.values())[2] == met


@pytest.mark.parametrize("curve", [FREQ_HZ, 1 / FREQ_HZ, resonance(39.99)])
def test_a_maximum_at_the_edge_is_no_peak(curve):
    found = site_peak(FREQ_HZ, station(curve), 60.0)
    assert found.verdict == EDGE and not found.clear
    assert np.isnan(record_peaks(FREQ_HZ, station(curve))[0]).all()


def test_a_flat_curve_has_no_clear_peak():
    assert site_peak(FREQ_HZ, station(resonance(height=1.3)), 60.0).verdict == UNCLEAR


def test_the_band_of_the_user():
    curve = resonance(0.6, 9.0) + resonance(6.0, 5.0)
    everywhere, above = site_peak(FREQ_HZ, station(curve), 60.0), site_peak(FREQ_HZ, station(curve), 60.0, band_hz=(2.0, 20.0))
    assert everywhere.f0_hz == pytest.approx(0.6, rel=0.01) and above.f0_hz == pytest.approx(6.0, rel=0.01)
    assert everywhere.verdict == above.verdict == CLEAR
    assert site_peak(FREQ_HZ, station(curve), 60.0, band_hz=(6.5, 20.0)).verdict == EDGE
    narrow = site_peak(FREQ_HZ, station(curve), 60.0, band_hz=(5.0, 7.0))           # what lies outside is still seen
    assert narrow.verdict == CLEAR and narrow.criteria == above.criteria
    np.testing.assert_allclose(record_peaks(FREQ_HZ, station(curve), band_hz=(2.0, 20.0))[0], 6.0, rtol=0.01)


def test_the_highest_of_the_clear_peaks_is_picked():
    curves = np.stack([resonance(2.0, 4.0) * resonance(9.0, 3.0), resonance(2.0, 3.0) * resonance(9.0, 4.0)])
    f0_hz, amplitude = record_peaks(FREQ_HZ, curves)
    np.testing.assert_allclose(f0_hz, [2.0, 9.0], rtol=0.003)
    np.testing.assert_allclose(amplitude, [4.0, 4.0], rtol=0.003)
    assert amplitude[0] == curves[0].max()


def test_prominence_is_a_factor():
    curves = np.stack([resonance(height=1.9), resonance(height=2.1), 10 * resonance(height=1.9)])
    found, _ = record_peaks(FREQ_HZ, curves)
    assert np.isnan(found).tolist() == [True, False, True]
    assert not np.isnan(record_peaks(FREQ_HZ, curves, prominence=1.5)[0]).any()


def noise(f0_hz=None, records=40, seed=1):
    data = np.random.default_rng(seed).standard_normal((records, 3, 6000))
    if f0_hz:
        b, a = signal.iirpeak(f0_hz, 3, fs=100)
        data[:, :2] += 4 * signal.lfilter(b, a, data[:, :2])
    return data


@pytest.mark.parametrize("kind", ["paper", "konno-ohmachi"])
def test_from_motion_to_verdict(kind):
    freq_hz, curves = spectra.hvsr(noise(4.0), 100.0, smoothing=kind)
    found = site_peak(freq_hz, curves, 60.0)
    assert found.verdict == CLEAR and found.f0_hz == pytest.approx(4.0, rel=0.05)
    np.testing.assert_allclose(record_peaks(freq_hz, curves)[0], 4.0, rtol=0.25)
    freq_hz, curves = spectra.hvsr(noise(), 100.0, smoothing=kind)
    assert site_peak(freq_hz, curves, 60.0).verdict != CLEAR
    assert np.isnan(record_peaks(freq_hz, curves)[0]).mean() > 0.9


@pytest.mark.parametrize("curves, options, word", [
    (station()[:4], {}, "4 records"), (station() * np.where(np.arange(20) == 6, np.nan, 1)[:, None], {}, "curve 6"),
    (station() * np.where(np.arange(20) == 2, 0.0, 1)[:, None], {}, "curve 2"), (station()[0], {}, "shape"),
    (station()[:, 1:], {}, "shape"), (station(), dict(band_hz=(50.0, 60.0)), "0 frequencies"),
    (station(), dict(window_s=0.0), "length"), (station()[:0], {}, "0 records")])
def test_bad_input(curves, options, word):
    with pytest.raises(ValueError, match=word):
        site_peak(FREQ_HZ, curves, **{"window_s": 60.0, **options})


def test_bad_prominence():
    for prominence in (1.0, 0.5, np.nan):
        with pytest.raises(ValueError, match="prominence"):
            record_peaks(FREQ_HZ, station(), prominence=prominence)
    assert peaks.PROMINENCE == 2.0
