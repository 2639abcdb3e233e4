"""HVSR and SESAME's criteria against hvsrpy, where somebody has installed it (it is GPL, so nothing here needs it)."""

import numpy as np
import pytest

from tng import peaks, smoothing, spectra

hvsrpy = pytest.importorskip("hvsrpy", exc_type=ImportError)
from hvsrpy import sesame  # noqa: E402

RATE_HZ = 100.0
CENTRES_HZ = np.geomspace(1, 20, 200)
TRUNCATION = 0.01           # what it can make that hvsrpy ends the Konno-Ohmachi window at ±3/b


@pytest.fixture(scope="module")
def motion():
    """240 s, so that our padding to 360 s is a length that hvsrpy accepts (above 32768), and both see the same frequencies."""
    rng = np.random.default_rng(8)
    data = rng.standard_normal((6, 3, 24000)) * np.exp(-((np.arange(24000) / RATE_HZ - 120) / 40) ** 2)
    spectrum = np.fft.rfft(data)
    freq_hz = np.fft.rfftfreq(24000, 1 / RATE_HZ)
    spectrum[:, :2] *= 1 + 5 * np.exp(-(np.log(np.maximum(freq_hz, 1e-3) / 4) / 0.2) ** 2)
    return np.fft.irfft(spectrum) + 1e-4 * np.arange(24000)


def theirs(data, settings, **options):
    def of(samples):
        series = hvsrpy.TimeSeries(samples, 1 / RATE_HZ)
        series.detrend("linear")
        return series

    records = [hvsrpy.SeismicRecording3C(of(north), of(east), of(up)) for east, north, up in data]
    return hvsrpy.process(records, settings(
        window_type_and_width=["tukey", 0.1], fft_settings={"n": 36000},
        smoothing={"operator": "konno_and_ohmachi", "bandwidth": 40, "center_frequencies_in_hz": CENTRES_HZ}, **options))


def ours(data, **options):
    return spectra.hvsr(data, RATE_HZ, smoothing="konno-ohmachi", taper=0.05, centres_hz=CENTRES_HZ, **options)[1]


@pytest.fixture
def truncated(monkeypatch):
    """Our window ended where theirs ends: then nothing but rounding may be left of the difference."""
    def smooth(spectrum, step_hz, centres_hz, kind, bandwidth):
        freq_hz = np.arange(spectrum.shape[-1]) * step_hz
        weights = smoothing.matrix(freq_hz, centres_hz, kind, bandwidth)
        with np.errstate(divide="ignore"):
            weights[np.abs(np.log10(freq_hz[:, None] / centres_hz)) > 3 / bandwidth] = 0
        return spectrum @ (weights / weights.sum(axis=0))

    monkeypatch.setattr(smoothing, "smooth", smooth)


@pytest.mark.parametrize("mine, name", [("geometric", "geometric_mean"), ("quadratic", "squared_average")])
def test_curves_and_f0(motion, mine, name):
    oracle = theirs(motion, hvsrpy.HvsrTraditionalProcessingSettings, method_to_combine_horizontals=name)
    curves = ours(motion, combine=mine)
    np.testing.assert_allclose(curves, oracle.amplitude, rtol=TRUNCATION)
    np.testing.assert_array_equal(spectra.f0(CENTRES_HZ, curves), oracle.peak_frequencies)


@pytest.mark.parametrize("mine, name", [("geometric", "geometric_mean"), ("quadratic", "squared_average")])
def test_nothing_but_truncation_differs(motion, truncated, mine, name):
    oracle = theirs(motion, hvsrpy.HvsrTraditionalProcessingSettings, method_to_combine_horizontals=name)
    curves = ours(motion, combine=mine)
    np.testing.assert_allclose(curves, oracle.amplitude, rtol=1e-9)
    median, sigma_ln = spectra.lognormal(curves)
    np.testing.assert_allclose(median, oracle.mean_curve("lognormal"), rtol=1e-9)
    np.testing.assert_allclose(sigma_ln, oracle.std_curve("lognormal"), rtol=1e-9)


def test_rotd50(motion, truncated):
    oracle = theirs(motion[:1], hvsrpy.HvsrTraditionalRotDppProcessingSettings, azimuths_in_degrees=np.arange(0, 180.0),
                    ppth_percentile_for_rotdpp_computation=50)
    np.testing.assert_allclose(ours(motion[:1], combine="rotd50"), oracle.amplitude, rtol=1e-9)


def test_azimuths(motion, truncated):
    azimuths_deg = np.arange(0, 180, 30)
    oracle = theirs(motion, hvsrpy.HvsrAzimuthalProcessingSettings, azimuths_in_degrees=azimuths_deg)
    _, curves = spectra.azimuthal_hvsr(motion, RATE_HZ, azimuths_deg, smoothing="konno-ohmachi", taper=0.05,
                                       centres_hz=CENTRES_HZ)
    np.testing.assert_allclose(curves, np.stack([each.amplitude for each in oracle.hvsrs], axis=1), rtol=1e-9)


def test_sesame():
    """The same verdict on each of the nine, for many peaks of any height, width, place and scatter."""
    rng = np.random.default_rng(3)
    freq_hz = np.geomspace(0.05, 40, 700)
    failed = np.zeros(9)
    for _ in range(150):
        f0_hz, height, width, sigma_ln, jitter = rng.uniform([-1, 0.3, 0.1, 0.05, 0.0], [1.2, 2.0, 0.5, 0.9, 0.15])
        log = np.log(freq_hz / 10**f0_hz)
        curves = np.exp([height * np.exp(-0.5 * ((log - jitter * rng.normal()) / width) ** 2) + sigma_ln * rng.normal()
                         + 0.05 * np.sin(3 * log + rng.uniform(0, 7)) for _ in range(20)])
        found = peaks.site_peak(freq_hz, curves, 20.0)
        median, sigma = spectra.lognormal(curves)
        scatter = spectra.f0(freq_hz, curves).std(ddof=1)
        expected = np.r_[sesame.reliability(20.0, 20, freq_hz, median, sigma, verbose=0),
                         sesame.clarity(freq_hz, median, sigma, scatter, verbose=0)]
        np.testing.assert_array_equal(list(found.criteria.values()), expected.astype(bool))
        failed += expected == 0
    assert (failed > 0).all()
