"""HVSR and f0: the published recipe, its identities, and real records with known answers."""

import numpy as np
import pytest
from scipy import signal

from tng import readers, remote, spectra, standard

RATE_HZ = 50.0


@pytest.fixture(scope="module")
def motion():
    return np.random.default_rng(3).standard_normal((4, 3, 3000))


def by_the_book(data, rate_hz, centres_hz):
    """The published recipe written as a plain loop, with the high-pass that `hvsr` leaves out."""
    pad = round(60 * rate_hz)
    b, a = signal.butter(2, 0.05 / (rate_hz / 2), "highpass")
    amplitudes = []
    for samples in data:
        padded = np.pad(signal.detrend(samples), pad)
        amplitudes.append(np.abs(np.fft.fft(signal.filtfilt(b, a, padded)))[: len(padded) // 2])
    freq_hz = np.arange(len(amplitudes[0])) * rate_hz / (2 * pad + data.shape[-1])
    horizontal = np.sqrt(amplitudes[0] * amplitudes[1])
    ratio = []
    for centre in centres_hz:
        weight = np.zeros_like(freq_hz)
        weight[1:] = np.exp(-40 * np.log(freq_hz[1:] / centre) ** 2)
        ratio.append((weight @ horizontal) / (weight @ amplitudes[2]))
    return np.array(ratio)


def test_recipe_against_a_plain_loop(motion):
    freq_hz, curves = spectra.hvsr(motion[:1], RATE_HZ)
    chosen = np.arange(0, len(freq_hz), 171)
    np.testing.assert_allclose(curves[0, chosen], by_the_book(motion[0], RATE_HZ, freq_hz[chosen]), rtol=2e-5)


def test_grid_of_the_published_arrays(motion):
    for rate_hz, samples in ((100.0, 6000), (50.0, 3000)):
        freq_hz, _ = spectra.hvsr(np.random.default_rng(0).standard_normal((1, 3, samples)), rate_hz)
        assert len(freq_hz) == 3421
        np.testing.assert_allclose(freq_hz, np.arange(180, 3601) / 180)


def test_scale_and_trend_do_not_matter(motion):
    freq_hz, curves = spectra.hvsr(motion, RATE_HZ)
    _, scaled = spectra.hvsr(1e4 * motion + 5 + 0.01 * np.arange(3000), RATE_HZ)
    np.testing.assert_allclose(scaled, curves, rtol=1e-6)


def test_horizontal_gain_shows_as_it_is(motion):
    gain = np.array([3.0, 3.0, 1.0])[:, None]
    _, curves = spectra.hvsr(motion, RATE_HZ)
    _, louder = spectra.hvsr(motion * gain, RATE_HZ)
    np.testing.assert_allclose(louder, 3 * curves, rtol=1e-12)


def test_horizontals_may_be_exchanged_but_not_the_vertical(motion):
    _, curves = spectra.hvsr(motion, RATE_HZ)
    _, swapped = spectra.hvsr(motion[:, [1, 0, 2]], RATE_HZ)
    _, wrong = spectra.hvsr(motion[:, [2, 1, 0]], RATE_HZ)
    np.testing.assert_array_equal(swapped, curves)
    assert np.abs(np.log(wrong / curves)).max() > 0.1


def test_a_batch_is_its_records(motion):
    _, together = spectra.hvsr(motion, RATE_HZ, batch=3)
    _, alone = spectra.hvsr(motion[2:3], RATE_HZ)
    np.testing.assert_allclose(together[2], alone[0], rtol=1e-12)


@pytest.mark.parametrize("f0_hz", [1.8, 5.0, 12.0])
def test_a_resonance_is_found(f0_hz):
    """White noise through a narrow band-pass on the horizontals peaks at its centre."""
    noise = np.random.default_rng(1).standard_normal((20, 3, 6000))
    b, a = signal.iirpeak(f0_hz, 5, fs=100)
    noise[:, :2] += 4 * signal.lfilter(b, a, noise[:, :2])
    freq_hz, curves = spectra.hvsr(noise, 100.0)
    assert np.median(spectra.f0(freq_hz, curves)) == pytest.approx(f0_hz, rel=0.03)
    curve = spectra.median_curve(freq_hz, curves)
    assert spectra.CURVE_HZ[curve.argmax()] == pytest.approx(f0_hz, rel=0.05)


def test_edge_picks_are_flagged():
    assert spectra.at_edge([1.0, 1.5, 20.0, 19.95]).tolist() == [True, False, True, True]


def test_parseval():
    """The energy of a record is the same in time and in frequency."""
    x = np.random.default_rng(2).standard_normal(3001)
    freq_hz, amplitude = spectra.fourier_amplitude(x, RATE_HZ)
    in_frequency = 2 * (amplitude[1:] ** 2).sum() * freq_hz[1] + amplitude[0] ** 2 * freq_hz[1]
    assert in_frequency == pytest.approx((x**2).sum() / RATE_HZ)


def test_effective_amplitude_does_not_depend_on_orientation(motion):
    angle = 0.6
    turned = motion.copy()
    turned[:, 0] = motion[:, 0] * np.cos(angle) + motion[:, 1] * np.sin(angle)
    turned[:, 1] = motion[:, 1] * np.cos(angle) - motion[:, 0] * np.sin(angle)
    centres = [2.0, 5.0, 10.0]
    np.testing.assert_allclose(spectra.effective_amplitude(turned, RATE_HZ, centres),
                               spectra.effective_amplitude(motion, RATE_HZ, centres), rtol=1e-3)


@pytest.mark.parametrize("shape, rate_hz, word", [((3, 3000), 50.0, "shape"), ((1, 2, 3000), 50.0, "shape"),
                                                  ((1, 3, 3000), 31.25, "31.25 Hz")])
def test_bad_input(shape, rate_hz, word):
    with pytest.raises(ValueError, match=word):
        spectra.hvsr(np.ones(shape), rate_hz)


GOLDEN = {  # f0 · 180 and peak of the paper's recipe, computed from the files with a program of its own
    "afad_mat/20120106001648_6501.mat": (444, 2.8888), "afad_mat/20120111034408_4306.mat": (515, 2.5638),
    "afad_mat/20120112192502_4905.mat": (603, 1.6689), "afad_mat/20120113141020_2507.mat": (736, 1.8520),
    "afad_mat/20120114055233_2404.mat": (1544, 2.9816), "afad_mat/20120114055233_5801.mat": (703, 2.0619),
    "afad_mat/20120115133856_2404.mat": (1823, 2.9965), "afad_mat/20170729022411_4801.mat": (564, 1.9505),
    "afad_mat/20170802040246_4806.mat": (332, 3.3403),
    "afad_nsmn/us20009ynd/20170720223109_0921.txt": (347, 2.9347),
    "afad_nsmn/us20009ynd/20170720223109_4304.txt": (3600, 2.1122),
    "afad_nsmn/us20009ynd/20170720223109_5405.txt": (371, 1.2416),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_real_records(name):
    if not remote.available(name):
        pytest.skip(f"{name} is not here: set TNG_MIRROR to a folder that holds it")
    window = standard.standardise(readers.read(remote.path(name)), 100.0, 60.0)
    freq_hz, curves = spectra.hvsr(window.data[None], 100.0)
    bin_number, peak = GOLDEN[name]
    assert round(spectra.f0(freq_hz, curves)[0] * 180) == bin_number
    assert curves.max() == pytest.approx(peak, abs=6e-5)
    assert spectra.at_edge(spectra.f0(freq_hz, curves))[0] == (bin_number == 3600)


def test_another_band_is_a_part_of_the_same_curve():
    data = np.random.default_rng(1).normal(size=(2, 3, 3000))
    whole, part = spectra.hvsr(data, 100.0), spectra.hvsr(data, 100.0, band_hz=(1.0, 12.0))
    inside = whole[0] <= 12.0 + 1e-9
    np.testing.assert_array_equal(part[0], whole[0][inside])
    np.testing.assert_allclose(part[1], whole[1][:, inside], rtol=1e-12)
    assert spectra.at_edge([1.0, 5.0, 12.0], (1.0, 12.0)).tolist() == [True, False, True]
    with pytest.raises(ValueError, match="ends at 12"):
        spectra.hvsr(data, 20.0, band_hz=(1.0, 12.0))
    with pytest.raises(ValueError, match="rising"):
        spectra.hvsr(data, 100.0, band_hz=(12.0, 1.0))
