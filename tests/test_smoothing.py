"""Smoothing windows: their definitions, a loop, an independent package, and the shortcut against the full matrix."""

import numpy as np
import pytest

from tng import smoothing

FREQ_HZ = np.arange(9000) / 180                # of the paper's padded records
CENTRES_HZ = np.arange(180, 3601) / 180        # and its band
KINDS = ("paper", "konno-ohmachi")


@pytest.fixture(scope="module")
def spectra():
    """Rough spectra with a resonance, falling by five orders of magnitude."""
    rng = np.random.default_rng(0)
    resonance = 1 + 10 * np.exp(-(np.log(np.maximum(FREQ_HZ, 1e-3) / 5) / 0.1) ** 2)
    return np.abs(rng.standard_normal((3, 9000)) + 1j * rng.standard_normal((3, 9000))) * resonance / (1 + (FREQ_HZ / 3) ** 4)


def by_the_book(spectrum, centre_hz, kind, bandwidth=40.0):
    """One centre, in extended precision."""
    freq_hz = FREQ_HZ[1:].astype(np.longdouble)
    if kind == "paper":
        weight = np.exp(-bandwidth * np.log(freq_hz / centre_hz) ** 2)
    else:
        x = bandwidth * np.log10(freq_hz / centre_hz)
        weight = np.ones_like(x)
        weight[x != 0] = (np.sin(x[x != 0]) / x[x != 0]) ** 4
    return (weight * spectrum[..., 1:]).sum(-1) / weight.sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("centres_hz", [CENTRES_HZ, CENTRES_HZ[::171], np.geomspace(0.5, 50, 1500)],
                         ids=["every bin", "a few", "to the Nyquist frequency"])
def test_against_a_plain_loop(spectra, kind, centres_hz):
    found = smoothing.smooth(spectra, 1 / 180, centres_hz, kind)
    some = np.r_[np.arange(0, len(centres_hz), max(1, len(centres_hz) // 40)), -1]
    expected = np.stack([by_the_book(spectra, centre, kind) for centre in centres_hz[some]], axis=-1)
    np.testing.assert_allclose(found[:, some], expected.astype(float), rtol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bandwidth", [5.0, 20.0, 60.0])
@pytest.mark.parametrize("band_hz", [(1.0, 20.0), (0.5, 50.0)])
def test_the_shortcut_is_the_matrix(spectra, kind, bandwidth, band_hz):
    """With few centres every weight is used; with many, nodes and polynomials."""
    centres_hz = np.geomspace(*band_hz, 900)
    coarse = spectra[:, ::4]
    _, pieces = smoothing._factors(coarse.shape[1], 4 / 180, centres_hz.tobytes(), kind, bandwidth)
    assert pieces
    full = coarse @ smoothing.matrix(FREQ_HZ[::4], centres_hz, kind, bandwidth)
    np.testing.assert_allclose(smoothing.smooth(coarse, 4 / 180, centres_hz, kind, bandwidth), full, rtol=2e-14)


def test_the_shortcut_is_taken():
    for kind in KINDS:
        weights, pieces = smoothing._factors(9000, 1 / 180, CENTRES_HZ.tobytes(), kind, 40.0)
        assert pieces and weights.shape[1] < 500


@pytest.mark.parametrize("kind", KINDS)
def test_a_flat_spectrum_stays_flat(kind):
    for centres_hz in (CENTRES_HZ, CENTRES_HZ[::400]):
        np.testing.assert_allclose(smoothing.smooth(np.full(9000, 3.0), 1 / 180, centres_hz, kind), 3.0, rtol=1e-14)
    np.testing.assert_allclose(smoothing.matrix(FREQ_HZ, CENTRES_HZ[::400], kind).sum(axis=0), 1, rtol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_frequency_zero_has_no_weight(kind):
    spike = np.zeros(9000)
    spike[0] = 1e9
    assert (smoothing.smooth(spike, 1 / 180, CENTRES_HZ, kind) == 0).all()


def test_widths():
    """Full widths at half maximum in decades: 0.114 for the paper's window, 0.050 for Konno-Ohmachi at 40."""
    freq_hz = np.geomspace(5, 20, 200_001)
    for kind, expected in (("paper", 0.1143), ("konno-ohmachi", 0.0501)):
        weight = smoothing.matrix(freq_hz, [10.0], kind)[:, 0]
        wide = freq_hz[weight >= weight.max() / 2]
        assert np.log10(wide[-1] / wide[0]) == pytest.approx(expected, abs=1e-4)


def test_konno_ohmachi_against_pykooh(spectra):
    """Its `simplified=False` truncates nothing; its matrix neither."""
    pykooh = pytest.importorskip("pykooh")
    for centres_hz, bandwidth in ((CENTRES_HZ, 40.0), (np.geomspace(1, 20, 100), 40.0), (np.geomspace(1, 20, 100), 20.0)):
        found = smoothing.smooth(spectra[0], 1 / 180, centres_hz, "konno-ohmachi", bandwidth)
        oracle = pykooh.smooth(centres_hz, FREQ_HZ, spectra[0], bandwidth, normalize=True, simplified=False)
        np.testing.assert_allclose(found, oracle, rtol=1e-12)
    matrix = pykooh.CachedSmoother(FREQ_HZ, CENTRES_HZ[::100], 40.0, normalize=True)
    found = smoothing.smooth(spectra[0], 1 / 180, CENTRES_HZ[::100], "konno-ohmachi")
    np.testing.assert_allclose(found, matrix(spectra[0]), rtol=1e-12)


def test_truncation_would_show(spectra):
    """At ±3/b, as some programs have it, a steep spectrum differs by up to two percent: more than any tolerance here."""
    pykooh = pytest.importorskip("pykooh")
    truncated = pykooh.smooth(CENTRES_HZ, FREQ_HZ, spectra[0], 40.0, normalize=True, simplified=True)
    difference = np.abs(smoothing.smooth(spectra[0], 1 / 180, CENTRES_HZ, "konno-ohmachi") / truncated - 1).max()
    assert 1e-4 < difference < 0.05


def test_other_shapes(spectra):
    whole = smoothing.smooth(spectra, 1 / 180, CENTRES_HZ)
    np.testing.assert_array_equal(smoothing.smooth(spectra[:, None], 1 / 180, CENTRES_HZ)[:, 0], whole)
    np.testing.assert_allclose(smoothing.smooth(spectra[1], 1 / 180, CENTRES_HZ), whole[1], rtol=1e-13)
    assert smoothing.smooth(spectra[:0], 1 / 180, CENTRES_HZ).shape == (0, 3421)


def test_what_is_kept_is_bounded():
    assert smoothing._factors.cache_info().maxsize <= 16


@pytest.mark.parametrize("centres_hz, kind, bandwidth, word", [
    ([5.0], "parzen", 40.0, "parzen"), ([5.0], "paper", 0.0, "bandwidth"), ([5.0], "paper", np.nan, "bandwidth"),
    ([], "paper", 40.0, "at least one"), ([5.0, 4.0], "paper", 40.0, "rise"), ([0.0, 5.0], "paper", 40.0, "positive"),
    ([np.nan], "paper", 40.0, "positive"), ([5.0, 50.1], "paper", 40.0, "ends at 49.99"),
    ([0.0083], "konno-ohmachi", 40.0, "between the frequencies")])
def test_bad_input(spectra, centres_hz, kind, bandwidth, word):
    with pytest.raises(ValueError, match=word):
        smoothing.smooth(spectra, 1 / 180, centres_hz, kind, bandwidth)
