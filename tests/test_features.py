"""Features: the same values as independent paths, blind to phase, with gradients everywhere."""

import numpy as np
import pytest
import torch

from tng import features, fourier, intensity, spectra
from tng.features import Features, cosine_bands

RATE_HZ, SAMPLES = 50.0, 2000
BAND_HZ = (0.5, 20.0)
TIME_S = np.arange(SAMPLES) / RATE_HZ
NAMES = Features.NAMES
pytestmark = pytest.mark.usefixtures("seeded")


@pytest.fixture(scope="module")
def told():
    return Features(SAMPLES, RATE_HZ, *BAND_HZ, dtype=torch.float64)


@pytest.fixture(scope="module")
def small():
    """As few samples as hold every feature but long lags."""
    return Features(64, 25.0, 3.0, 12.0, bands=3, cell_s=0.5, dtype=torch.float64)


def bursts(n, seed=0, onset_s=8.0):
    """Noise under an envelope that starts suddenly and decays, over weak noise; E and N correlated, (n, 3, SAMPLES)."""
    noise = np.random.default_rng(seed).standard_normal((n, 3, SAMPLES))
    noise[:, 1] = 0.6 * noise[:, 0] + 0.8 * noise[:, 1]
    after_s = TIME_S - onset_s
    return noise * (0.05 + 20 * np.exp(-after_s / 5) * (after_s > 0))


def tensor(data):
    return torch.from_numpy(np.array(data))


def small_features(small, y):
    """Every feature of short records, with lags that they hold."""
    return {**small(y, NAMES[:-1]), "autocorrelation": small.autocorrelation(y, (0.4, 1.0, 2.0))}


# --- independent paths -----------------------------------------------------------------------------------------------

def test_spectrum_of_equal_horizontals_is_their_effective_amplitude_spectrum(told):
    """With |E| = |N| the EAS is that amplitude."""
    data = fourier.without_line(bursts(4), 0)
    data[:, 1] = data[:, 0]
    eas = spectra.eas(data, RATE_HZ, told.centres_hz, smoothing="paper")
    narrow = spectra.eas(data, RATE_HZ, told.narrow_hz, smoothing="paper", bandwidth=300.0)
    for component in range(2):
        np.testing.assert_allclose(told.log_spectrum(tensor(data))[:, component].exp(), eas, rtol=1e-6)
        np.testing.assert_allclose(told.narrow_spectrum(tensor(data))[:, component].exp(), narrow, rtol=1e-6)


def test_ratio_is_the_papers_up_to_padding(told):
    """The published curve of the same records, with 60 s of zeros on each side: half a hundredth in ln."""
    data = bursts(20)
    data[:, 2] *= np.linspace(0.3, 3, 20)[:, None]
    _, curves = spectra.hvsr(data, RATE_HZ, centres_hz=told.centres_hz)
    difference = told.log_hv(tensor(data)).numpy() - np.log(curves)
    assert np.sqrt(np.mean(difference**2)) < 0.01
    assert abs(difference.mean()) < 0.002
    assert np.log(curves).std() > 0.5                     # what is compared does vary


def test_husid_and_durations_are_those_of_intensity(told):
    data = bursts(6)
    data[:, 1] = -data[:, 0]                              # both together are then each
    y = tensor(data)
    np.testing.assert_allclose(told.husid(y), intensity.husid(data[:, 0])[:, np.round(told.husid_s * RATE_HZ).astype(int)], atol=1e-12)
    durations = np.stack([intensity.significant_duration(data[:, 0], RATE_HZ, 0.05, end) for end in (0.75, 0.95)], axis=-1)
    np.testing.assert_allclose(told.log_duration(y).exp() - features.SHORTEST_S, durations, rtol=0.05)


def test_energy_of_both_horizontals_counts(told):
    """Husid's curve of both is the mean of their curves, weighted by their energies."""
    data = bursts(3)
    data[:, 1] = 3 * np.roll(data[:, 1], 500, axis=-1)
    centred = data[:, :2] - data[:, :2].mean(axis=-1, keepdims=True)
    weights = np.trapezoid(centred**2, axis=-1)[..., None] if hasattr(np, "trapezoid") else np.trapz(centred**2, axis=-1)[..., None]
    expected = (weights * intensity.husid(data[:, :2])).sum(axis=1) / weights.sum(axis=1)
    np.testing.assert_allclose(told.husid(tensor(data)), expected[:, np.round(told.husid_s * RATE_HZ).astype(int)], atol=1e-12)


def test_peak_and_rms_are_those_of_intensity(told):
    data = bursts(5)
    data -= data.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(told.log_peak(tensor(data)).exp(), intensity.pga(data), rtol=1e-8)
    np.testing.assert_allclose(told.log_rms(tensor(data)).exp(), data.std(axis=-1), rtol=1e-8)


def test_short_time_power_by_hand(told):
    """A cell is the mean of 3 frequencies and 2 Hann windows, of the record mirrored at its ends."""
    data = bursts(1)
    length = 64                                                # 1.28 s
    mirrored = np.pad(data[0, 2] - data[0, 2].mean(), length // 2, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    power = np.abs(np.fft.rfft([hann * mirrored[s:s + length] for s in range(0, SAMPLES + 1, 32)], axis=-1)) ** 2 / (hann**2).sum()
    power = power[:, 1:26]                                     # 0.78 to 19.5 Hz
    found = told.log_stft(tensor(data))[0, 2].exp()
    assert found.shape == (9, 32)                              # the last of each axis holds what is left: 1 frequency, 1 window
    floor = 1e-10 * ((data - data.mean(axis=-1, keepdims=True)) ** 2).mean()
    np.testing.assert_allclose(found[2, 5], power[10:12, 6:9].mean() + floor, rtol=1e-9)
    np.testing.assert_allclose(found[0, 0], power[0:2, 0:3].mean() + floor, rtol=1e-9)
    np.testing.assert_allclose(found[8, 31], power[62, 24] + floor, rtol=1e-9)


def test_bands_add_up():
    """Squares of the responses sum to one; so do powers of bands to that of a record that is silent at its ends."""
    told = Features(SAMPLES, RATE_HZ, *BAND_HZ, bands=6, dtype=torch.float64)
    freq_hz = np.fft.rfftfreq(SAMPLES, 1 / RATE_HZ)
    np.testing.assert_allclose((cosine_bands(freq_hz, *BAND_HZ, 6) ** 2).sum(axis=0), 1, atol=1e-12)
    np.testing.assert_allclose(cosine_bands(freq_hz, *BAND_HZ, 1), 1)
    data = bursts(3) * np.hanning(SAMPLES) ** 4
    data -= data.mean(axis=-1, keepdims=True)
    together = told.band_power(tensor(data)).exp().sum(dim=2).mean(dim=-1)          # over bands, and over cells of the same length
    np.testing.assert_allclose(together, (data**2).mean(axis=-1), rtol=1e-3)


def test_band_power_by_hand():
    """Filtered record by record, with zeros behind; here the padded length is odd."""
    told = Features(1800, RATE_HZ, 1.0, 20.0, bands=3, dtype=torch.float64)
    assert told.padded % 2 == 1
    data = bursts(1)[..., :1800]
    transform = np.fft.rfft(data - data.mean(axis=-1, keepdims=True), told.padded)
    response = cosine_bands(np.fft.rfftfreq(told.padded, 1 / RATE_HZ), 1.0, 20.0, 3)
    filtered = np.fft.irfft(transform[:, :, None] * response, told.padded)[..., :1800]
    np.testing.assert_allclose(told.band_power(tensor(data)).exp(), (filtered**2).reshape(1, 3, 3, 36, 50).mean(axis=-1), rtol=1e-4)


def test_an_end_does_not_reach_the_start(told):
    """Motion at the end of a record does not come round to its start."""
    data = bursts(1) * (TIME_S >= 39)
    power = told.band_power(tensor(data)).exp()
    assert power[..., 0].max() < 1e-3 * power[..., -1].max()


@pytest.mark.parametrize("freq_hz", [1.0, 4.0, 15.0])
def test_a_burst_is_where_it_is(told, freq_hz):
    """A short tone has its power in the cell of its time and the band of its frequency."""
    data = np.zeros((1, 3, SAMPLES))
    data[:] = np.sin(2 * np.pi * freq_hz * TIME_S) * np.exp(-((TIME_S - 21.5) ** 2) / 2)
    band, cell = np.unravel_index(int(told.band_power(tensor(data))[0, 0].argmax()), (8, 40))
    centres_hz = np.geomspace(*BAND_HZ, 8)
    assert cell == 21 and band == np.abs(np.log(centres_hz / freq_hz)).argmin()
    row, column = np.unravel_index(int(told.log_stft(tensor(data))[0, 0].argmax()), (9, 32))
    assert abs((3 * row + 2) / 1.28 - freq_hz) <= 1.5 / 1.28 and abs((2 * column + 0.5) * 0.64 - 21.5) <= 0.64
    assert abs(told.narrow_hz[told.narrow_spectrum(tensor(data))[0, 0].argmax()] / freq_hz - 1) < 0.05


def test_correlation_of_horizontals(told):
    data = bursts(400)
    correlation = told.horizontal_correlation(tensor(data))
    assert correlation.shape == (400, 10)
    assert correlation[:, 3:].mean() == pytest.approx(0.6, abs=0.02)
    data[:, 1] = 3 * data[:, 0]
    torch.testing.assert_close(told.horizontal_correlation(tensor(data[:2])), torch.ones(2, 10, dtype=torch.float64), atol=5e-4, rtol=0)
    data[:, 1] *= -1
    torch.testing.assert_close(told.horizontal_correlation(tensor(data[:2])), -torch.ones(2, 10, dtype=torch.float64), atol=5e-4, rtol=0)


def test_autocorrelation_by_hand(told):
    data = bursts(2)
    data[:, :2, 350:] += 0.5 * data[:, :2, :-350]                                   # an echo after 7 s
    centred = data - data.mean(axis=-1, keepdims=True)
    by_hand = np.array([[np.correlate(x, x, "full")[SAMPLES - 1:] / (x @ x) for x in record[:2]] for record in centred])
    found = told.autocorrelation(tensor(data), (6.5, 7.5, 9.0))
    for i, (start, end) in enumerate([(325, 375), (375, 450)]):
        np.testing.assert_allclose(found[:, i], np.sqrt((by_hand[..., start:end] ** 2).mean(axis=(1, 2))), rtol=1e-4)
    assert (found[:, 0] > 2 * found[:, 1]).all()


# --- phase -----------------------------------------------------------------------------------------------------------

def with_other_phases(data, seed=1):
    """The same Fourier amplitudes with random phases."""
    transform = np.fft.rfft(data)
    turned = transform * np.exp(2j * np.pi * np.random.default_rng(seed).random(transform.shape))
    turned[..., 0], turned[..., -1] = transform[..., 0], transform[..., -1]         # real
    return np.fft.irfft(turned, data.shape[-1])


@pytest.mark.parametrize("name", ["log_spectrum", "narrow_spectrum", "log_hv", "log_rms"])
def test_spectra_are_the_same_for_any_phase(told, name):
    data = bursts(3)
    changed = with_other_phases(data)
    assert np.abs(changed - data).max() > 10
    torch.testing.assert_close(told(tensor(changed), [name]), told(tensor(data), [name]), atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_polarity_is_not_seen(told, name):
    """Of a whole record; turning round one horizontal alone turns round their correlation, and nothing else."""
    y = tensor(bursts(3))
    before = told(y, [name])[name]
    torch.testing.assert_close(told(-y, [name])[name], before, atol=1e-9, rtol=0)
    sign = -1 if name == "horizontal_correlation" else 1
    torch.testing.assert_close(told(y * torch.tensor([[-1.0], [1], [1]]), [name])[name], sign * before, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_new_noise_under_the_same_envelope_is_the_same_in_the_mean(told, name):
    """And another envelope is not, for all features but those that do not say when."""
    def values(**how):
        return told(tensor(bursts(150, **how)), [name])[name].flatten(1)

    def difference_in_errors(a, b):
        return ((a.mean(0) - b.mean(0)) / ((a.var(0) + b.var(0)) / 150).sqrt()).abs().max()

    first, second, later = values(seed=1), values(seed=2), values(seed=3, onset_s=13.0)
    assert difference_in_errors(first, second) < 5
    if name in ("log_stft", "band_power", "husid"):
        assert difference_in_errors(first, later) > 20


@pytest.mark.parametrize("name, power", [("log_stft", 2), ("band_power", 2), ("log_spectrum", 1), ("narrow_spectrum", 1), ("log_hv", 0), ("husid", 0),
                                         ("log_duration", 0), ("log_peak", 1), ("log_rms", 1), ("horizontal_correlation", 0),
                                         ("autocorrelation", 0)])
def test_strength_is_added(told, name, power):
    y = tensor(bursts(2))
    torch.testing.assert_close(told(1000 * y, [name])[name], told(y, [name])[name] + power * np.log(1000), atol=1e-9, rtol=0)


# --- gradients and arithmetic ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NAMES)
def test_gradients(small, name):
    y = (torch.randn(2, 3, 64, dtype=torch.float64) * torch.linspace(0.2, 2, 64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: small_features(small, y)[name], y, eps=1e-7, atol=1e-5, rtol=1e-3, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_zeros_have_finite_features_and_gradients(name, dtype):
    """In each component alone, in all, and in most of the time."""
    told = Features(SAMPLES, RATE_HZ, *BAND_HZ, dtype=dtype)
    y = tensor(bursts(5)).to(dtype)
    y[0, 0], y[1, 1], y[2, 2], y[3] = 0, 0, 0, 0
    y[4, :, 100:] = 0
    y.requires_grad_()
    found = told(y, [name])[name]
    found.sum().backward()
    assert found.isfinite().all() and y.grad.isfinite().all()
    assert y.grad[4].abs().max() > 0


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_is_close(told, name):
    y = tensor(bursts(4))
    single = Features(SAMPLES, RATE_HZ, *BAND_HZ)(y.float(), [name])[name]
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), told(y, [name])[name], atol=5e-4, rtol=0)


def test_half_precision_elsewhere_changes_nothing(told):
    y = tensor(bursts(2)).float()
    told = Features(SAMPLES, RATE_HZ, *BAND_HZ)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = told(y)
    torch.testing.assert_close(inside, told(y), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("samples, rate_hz", [(6000, 100.0), (3000, 50.0), (1875, 31.25), (3000, 25.0), (997, 40.0)])
def test_any_length_and_rate(samples, rate_hz):
    """One record alone; features have as many numbers as their docstrings say, and do not depend on the batch."""
    told = Features(samples, rate_hz, 0.5, 0.45 * rate_hz)
    y = torch.randn(3, 3, samples)
    found, alone = told(y), told(y[:1])
    for name in NAMES:
        assert found[name].isfinite().all() and len(found[name]) == 3
        torch.testing.assert_close(alone[name][0], found[name][0], atol=1e-4, rtol=1e-4)
    assert found["band_power"].shape[1:3] == (3, 8) and found["band_power"].shape[3] == int(samples / round(rate_hz) + 0.5)
    assert found["log_hv"].shape == (3, len(told.centres_hz)) and found["narrow_spectrum"].shape == (3, 3, len(told.narrow_hz))
    assert found["husid"].shape == (3, len(told.husid_s)) and told.husid_s[-1] <= (samples - 1) / rate_hz
    assert found["log_duration"].shape == (3, 2) and found["log_peak"].shape == found["log_rms"].shape == (3, 3)
    assert not told.state_dict()                               # nothing of it is saved with a model


# --- bad input -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("changes, words", [
    (dict(rate_hz=0.0), "positive rate"), (dict(samples=1), "two samples"), (dict(low_hz=0.0), "rising positive"), (dict(low_hz=30.0), "rising positive"),
    (dict(high_hz=26.0), "at least 52 Hz are needed"), (dict(low_hz=0.01), "no whole cycle"), (dict(bands=0), "at least one band"),
    (dict(cell_s=0.0), "positive length"), (dict(floor=0.0), "share below 1"), (dict(dtype=torch.float16), "float32 or torch.float64"),
    (dict(samples=60, low_hz=5.0), "longer than the records of 1.2 s"), (dict(low_hz=10.2, high_hz=10.3), "hold no frequency")])
def test_settings_that_cannot_be(changes, words):
    with pytest.raises(ValueError, match=words):
        Features(**{**dict(samples=SAMPLES, rate_hz=RATE_HZ, low_hz=0.5, high_hz=20.0), **changes})


@pytest.mark.parametrize("shape", [(2, 3, SAMPLES - 1), (2, SAMPLES, 3), (3, SAMPLES), (2, 2, SAMPLES)])
@pytest.mark.parametrize("name", NAMES)
def test_records_that_do_not_fit(told, name, shape):
    with pytest.raises(ValueError, match="is needed"):
        told(torch.ones(shape, dtype=torch.float64), [name])


def test_records_of_another_precision(told):
    with pytest.raises(ValueError, match="dtype of the records"):
        told.log_rms(torch.ones(1, 3, SAMPLES))


@pytest.mark.parametrize("lags_s", [(5.0,), (0.0, 5.0), (5.0, 5.0), (7.0, 5.0), (5.0, 40.0)])
def test_lags_that_cannot_be(told, lags_s):
    with pytest.raises(ValueError, match="edges of intervals"):
        told.autocorrelation(torch.ones(1, 3, SAMPLES, dtype=torch.float64), lags_s)


def test_unknown_names_are_told_the_nearest(told):
    with pytest.raises(ValueError, match="did you mean 'log_hv'"):
        told(torch.ones(1, 3, SAMPLES, dtype=torch.float64), ["log_hvsr"])
