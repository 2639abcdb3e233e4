"""HVSR and f0: the published recipe, its identities, and real records with known answers."""

import numpy as np
import pytest
from scipy import signal

from tng import fourier, readers, remote, spectra, standard

RATE_HZ = 50.0


@pytest.fixture(scope="module")
def motion():
    return np.random.default_rng(3).standard_normal((4, 3, 3000))


def by_the_book(data, rate_hz, centres_hz, taper=0.0, high_pass=True):
    """The published recipe written as a plain loop, with the high-pass that `hvsr` leaves out."""
    pad = round(60 * rate_hz)
    b, a = signal.butter(2, 0.05 / (rate_hz / 2), "highpass")
    amplitudes = []
    for samples in data:
        padded = np.pad(signal.detrend(samples) * signal.windows.tukey(len(samples), 2 * taper), pad)
        filtered = signal.filtfilt(b, a, padded) if high_pass else padded
        amplitudes.append(np.abs(np.fft.fft(filtered))[: len(padded) // 2])
    freq_hz = np.arange(len(amplitudes[0])) * rate_hz / (2 * pad + data.shape[-1])
    horizontal = np.sqrt(amplitudes[0] * amplitudes[1])
    ratio = []
    for centre in centres_hz:
        weight = np.zeros_like(freq_hz)
        weight[1:] = np.exp(-40 * np.log(freq_hz[1:] / centre) ** 2)
        ratio.append((weight @ horizontal) / (weight @ amplitudes[2]))
    return np.array(ratio)


def test_recipe_against_a_plain_loop(motion):
    """With the authors' filter the whole pipeline agrees to rounding; without it to 1e-6."""
    freq_hz, filtered = spectra.hvsr(motion[:1], RATE_HZ, high_pass=True)
    _, curves = spectra.hvsr(motion[:1], RATE_HZ)
    chosen = np.arange(0, len(freq_hz), 57)
    expected = by_the_book(motion[0], RATE_HZ, freq_hz[chosen])
    np.testing.assert_allclose(filtered[0, chosen], expected, rtol=5e-14)
    np.testing.assert_allclose(curves[0, chosen], expected, rtol=1e-6)
    assert np.abs(curves[0, chosen] / expected - 1).max() > 1e-9       # the option does something


def test_a_taper(motion):
    freq_hz, curves = spectra.hvsr(motion[:1], RATE_HZ, taper=0.05, centres_hz=[1.5, 4.0, 11.0])
    np.testing.assert_allclose(curves[0], by_the_book(motion[0], RATE_HZ, freq_hz, taper=0.05, high_pass=False), rtol=5e-14)


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


def turned(data, angle):
    east, north, up = np.moveaxis(data, 1, 0)
    return np.stack([east * np.cos(angle) + north * np.sin(angle), north * np.cos(angle) - east * np.sin(angle), up], axis=1)


CENTRES_HZ = np.geomspace(1, 20, 30)


@pytest.mark.parametrize("kind", ["paper", "konno-ohmachi"])
def test_eas_does_not_depend_on_orientation(motion, kind):
    np.testing.assert_allclose(spectra.eas(turned(motion, 0.6), RATE_HZ, CENTRES_HZ, smoothing=kind),
                               spectra.eas(motion, RATE_HZ, CENTRES_HZ, smoothing=kind), rtol=1e-12)


def test_eas_of_white_noise_and_its_unit():
    """E|FFT|² of white noise is its energy: EAS = s·sqrt(T dt) on average, and half as long a step halves nothing else."""
    noise = 3.0 * np.random.default_rng(4).standard_normal((60, 3, 6000))
    mean = np.sqrt((spectra.eas(noise, 100.0, [5.0, 10.0], bandwidth=20.0) ** 2).mean())
    assert mean == pytest.approx(3.0 * np.sqrt(60.0 * 0.01), rel=0.08)      # a mean of amplitudes is below their rms
    np.testing.assert_allclose(spectra.eas(noise, 200.0, [10.0, 20.0]), spectra.eas(noise, 100.0, [5.0, 10.0]) / 2, rtol=1e-12)


def test_eas_against_pykooh(motion):
    pykooh = pytest.importorskip("pykooh")
    freq_hz, amplitude = spectra.fourier_amplitude(signal.detrend(motion[0]), RATE_HZ)
    _, expected = pykooh.effective_ampl(freq_hz, amplitude[0], amplitude[1], CENTRES_HZ, bw=40.0)
    np.testing.assert_allclose(spectra.eas(motion[:1], RATE_HZ, CENTRES_HZ)[0], expected, rtol=1e-12)


# --- horizontals -------------------------------------------------------------------------------------------

def test_every_horizontal_of_twins_is_the_same(motion):
    """E = N moves along one line; the median over directions of |cos| is cos 45°, which is what the means give."""
    twins = motion[:, [0, 0, 2]]
    _, expected = spectra.hvsr(twins, RATE_HZ, centres_hz=CENTRES_HZ)
    for combine in ("quadratic", "rotd50"):
        np.testing.assert_allclose(spectra.hvsr(twins, RATE_HZ, combine=combine, centres_hz=CENTRES_HZ)[1], expected, rtol=1e-12)


def test_which_horizontals_depend_on_orientation(motion):
    curve = {combine: (spectra.hvsr(motion, RATE_HZ, combine=combine, centres_hz=CENTRES_HZ)[1],
                       spectra.hvsr(turned(motion, np.deg2rad(37)), RATE_HZ, combine=combine, centres_hz=CENTRES_HZ)[1])
             for combine in spectra.COMBINE}
    for combine in ("quadratic", "rotd50"):
        np.testing.assert_allclose(*curve[combine], rtol=1e-11)
    assert np.abs(np.log(curve["geometric"][0] / curve["geometric"][1])).max() > 0.01
    assert (curve["quadratic"][0] > curve["geometric"][0]).all()      # means of two numbers


def along(data, azimuth_deg):
    """Records whose both horizontals are the motion along an azimuth: their geometric mean is that motion."""
    azimuth = np.deg2rad(azimuth_deg)
    both = data[:, 0] * np.sin(azimuth) + data[:, 1] * np.cos(azimuth)
    return np.stack([both, both, data[:, 2]], axis=1)


@pytest.mark.parametrize("kind", ["paper", "konno-ohmachi"])
def test_rotd50_against_rotated_records(motion, kind):
    every = [spectra.hvsr(along(motion[:2], azimuth), RATE_HZ, smoothing=kind, centres_hz=CENTRES_HZ)[1]
             for azimuth in range(180)]
    found = spectra.hvsr(motion[:2], RATE_HZ, smoothing=kind, combine="rotd50", centres_hz=CENTRES_HZ)[1]
    np.testing.assert_allclose(found, np.median(every, axis=0), rtol=1e-12)


def test_azimuths_against_rotated_records(motion):
    azimuths_deg = [0, 30, 90, 135]
    freq_hz, curves = spectra.azimuthal_hvsr(motion, RATE_HZ, azimuths_deg, centres_hz=CENTRES_HZ)
    assert curves.shape == (4, 4, 30)
    for k, azimuth in enumerate(azimuths_deg):
        _, expected = spectra.hvsr(along(motion, azimuth), RATE_HZ, centres_hz=CENTRES_HZ)
        np.testing.assert_allclose(curves[:, k], expected, rtol=1e-12)


def test_polarised_motion(motion):
    """Motion along N 30° E: its share along an azimuth is |cos| of the angle between, at every frequency."""
    polarised = motion.copy()
    polarised[:, 0], polarised[:, 1] = motion[:, 0] * np.sin(np.pi / 6), motion[:, 0] * np.cos(np.pi / 6)
    azimuths_deg = np.arange(0, 180, 15)
    _, curves = spectra.azimuthal_hvsr(polarised, RATE_HZ, azimuths_deg, centres_hz=CENTRES_HZ)
    expected = np.abs(np.cos(np.deg2rad(azimuths_deg - 30)))
    np.testing.assert_allclose(curves / curves[:, [2]], np.broadcast_to(expected[:, None], curves.shape), atol=1e-12)
    assert azimuths_deg[curves.mean(axis=(0, 2)).argmax()] == 30
    _, relative = spectra.azimuthal_hvsr(polarised, RATE_HZ, azimuths_deg, relative=True, centres_hz=CENTRES_HZ)
    np.testing.assert_allclose(relative, np.broadcast_to(expected[:, None] / np.sqrt(np.sin(np.pi / 6) * np.cos(np.pi / 6)),
                                                         relative.shape), atol=1e-12)


# --- statistics --------------------------------------------------------------------------------------------

def test_lognormal_of_known_curves():
    curves = np.exp([[0.0, 1.0], [2.0, 1.0]])
    median, sigma_ln = spectra.lognormal(curves)
    np.testing.assert_allclose(median, [np.e, np.e])
    np.testing.assert_allclose(sigma_ln, [np.sqrt(2), 0], atol=1e-15)
    _, inverse = spectra.lognormal(1 / curves)                          # H/V or V/H: the same scatter
    np.testing.assert_allclose(inverse, sigma_ln, atol=1e-15)


@pytest.mark.parametrize("curves, word", [(np.ones((1, 4)), "at least two"), (np.ones(4), "at least two"),
                                          ([[1.0, 1.0], [1.0, 0.0]], "curve 1"), ([[1.0, np.nan], [1.0, 1.0]], "curve 0")])
def test_lognormal_of_bad_curves(curves, word):
    with pytest.raises(ValueError, match=word):
        spectra.lognormal(curves)


def test_curves_that_say_nothing_raise():
    freq_hz = np.linspace(1, 12, 50)
    with pytest.raises(ValueError, match="NaN"):
        spectra.f0(freq_hz, np.where(freq_hz > 5, np.nan, 1.0)[None])
    for narrow in (freq_hz, np.linspace(1.5, 20, 50)):
        with pytest.raises(ValueError, match="whole band"):
            spectra.median_curve(narrow, np.ones((3, 50)))


@pytest.mark.parametrize("shape, rate_hz, word", [
    ((3, 3000), 50.0, "shape"), ((1, 2, 3000), 50.0, "shape"), ((1, 3, 3000), 31.25, "31.25 Hz"),
    ((0, 3, 3000), 50.0, "at least one"), ((1, 3, 1), 50.0, "at least one"), ((1, 3, 3000), np.nan, "sampling rate"),
    ((1, 3, 3000), -50.0, "sampling rate"),
    ((1, 3, 49), 50.0, "0.98 s hold no whole cycle of 1 Hz")])
def test_bad_input(shape, rate_hz, word):
    for measure in (spectra.hvsr, spectra.azimuthal_hvsr, lambda *of: spectra.eas(*of, [1.0, 20.0])):
        with pytest.raises(ValueError, match=word):
            measure(np.random.default_rng(0).standard_normal(shape), rate_hz)


@pytest.mark.parametrize("option, word", [
    (dict(combine="mean"), "geometric, quadratic, rotd50"), (dict(smoothing="none"), "konno-ohmachi"), (dict(taper=0.6), "taper"),
    (dict(centres_hz=[]), "at least one"), (dict(centres_hz=[5.0, 4.0]), "rising"), (dict(centres_hz=[1.0, 26.0]), "26 Hz"),
    (dict(centres_hz=[0.01, 5.0]), "60 s hold no whole cycle of 0.01 Hz")])
def test_bad_options(motion, option, word):
    with pytest.raises(ValueError, match=word):
        spectra.hvsr(motion, RATE_HZ, **option)


def all_measures(data):
    yield lambda: spectra.hvsr(data, RATE_HZ, 2)
    yield lambda: spectra.hvsr(data, RATE_HZ, 2, combine="rotd50", centres_hz=[5.0])
    yield lambda: spectra.azimuthal_hvsr(data, RATE_HZ, [0, 90], relative=True, centres_hz=[5.0])
    yield lambda: spectra.eas(data, RATE_HZ, [5.0])


@pytest.mark.parametrize("component", [0, 1, 2])
@pytest.mark.parametrize("dead", [0.0, 7.3, np.linspace(-3, 100, 3000)], ids=["zeros", "a constant", "a line"])
def test_a_dead_component_is_named(motion, component, dead):
    data = motion.copy()
    data[3, component] = dead
    assert np.argwhere(fourier.silent(data)).tolist() == [[3, component]]
    for measure in all_measures(data):
        with pytest.raises(ValueError, match=f"record 3 .*component {'ENZ'[component]}, holds no motion"):
            measure()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(motion, value):
    data = motion.astype(np.float32)
    data[2, 1, 55] = value
    for measure in all_measures(data):
        with pytest.raises(ValueError, match="record 2 .*component N, .*not finite"):
            measure()


def test_a_small_component_is_no_dead_one(motion):
    _, curves = spectra.hvsr(motion * np.array([1, 1, 1e-6])[:, None] + 1e3, RATE_HZ)
    np.testing.assert_allclose(curves, 1e6 * spectra.hvsr(motion, RATE_HZ)[1], rtol=1e-6)


def test_a_vertical_without_high_frequencies_is_no_denominator(motion):
    """A smooth pulse has nothing at 20 Hz but rounding errors."""
    data = motion.copy()
    x = ((np.arange(3000) - 1499.5) / RATE_HZ / 0.3) ** 2
    data[1, 2] = (1 - 2 * x) * np.exp(-x)
    with pytest.raises(ValueError, match="record 1 .*component Z, holds nothing at some frequency"):
        spectra.hvsr(data, RATE_HZ, 3)
    assert np.isfinite(spectra.hvsr(data, RATE_HZ, band_hz=(1.0, 2.0))[1]).all()


def test_chosen_frequencies_are_those_of_the_curve(motion):
    freq_hz, curves = spectra.hvsr(motion, RATE_HZ)
    chosen, some = spectra.hvsr(motion, RATE_HZ, centres_hz=freq_hz[::300])
    np.testing.assert_array_equal(chosen, freq_hz[::300])
    np.testing.assert_allclose(some, curves[:, ::300], rtol=1e-13)


GOLDEN = {  # f0 · 180 and peak, computed from the files with a program of its own: the paper's recipe; Konno-Ohmachi instead
    "afad_mat/20120106001648_6501.mat": (444, 2.8888, 411, 3.4167),
    "afad_mat/20120111034408_4306.mat": (515, 2.5638, 956, 3.4275),
    "afad_mat/20120112192502_4905.mat": (603, 1.6689, 610, 2.2645),
    "afad_mat/20120113141020_2507.mat": (736, 1.8520, 683, 2.1288),
    "afad_mat/20120114055233_2404.mat": (1544, 2.9816, 1569, 3.7218),
    "afad_mat/20120114055233_5801.mat": (703, 2.0619, 741, 3.1157),
    "afad_mat/20120115133856_2404.mat": (1823, 2.9965, 687, 3.6749),
    "afad_mat/20170729022411_4801.mat": (564, 1.9505, 608, 2.3951),
    "afad_mat/20170802040246_4806.mat": (332, 3.3403, 350, 3.9694),
    "afad_nsmn/us20009ynd/20170720223109_0921.txt": (347, 2.9347, 384, 3.6217),
    "afad_nsmn/us20009ynd/20170720223109_4304.txt": (3600, 2.1122, 3263, 2.3383),
    "afad_nsmn/us20009ynd/20170720223109_5405.txt": (371, 1.2416, 239, 1.6609),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_real_records(name):
    if not remote.available(name):
        pytest.skip(f"{name} is not here: set TNG_MIRROR to a folder that holds it")
    window = standard.standardise(readers.read(remote.path(name)), 100.0, 60.0)
    paper_bin, paper_peak, konno_bin, konno_peak = GOLDEN[name]
    for kind, bin_number, peak in (("paper", paper_bin, paper_peak), ("konno-ohmachi", konno_bin, konno_peak)):
        freq_hz, curves = spectra.hvsr(window.data[None], 100.0, smoothing=kind)
        assert round(spectra.f0(freq_hz, curves)[0] * 180) == bin_number
        assert curves.max() == pytest.approx(peak, abs=5.1e-5)
        assert spectra.at_edge(spectra.f0(freq_hz, curves))[0] == (bin_number == 3600)
    freq_hz, curves = spectra.hvsr(window.data[None], 100.0)
    _, filtered = spectra.hvsr(window.data[None], 100.0, high_pass=True)
    assert spectra.f0(freq_hz, filtered) == spectra.f0(freq_hz, curves)
    np.testing.assert_allclose(curves, filtered, rtol=2e-6)


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
