"""Bands and cells: what they measure is what is there, and what is made from them has what was asked for."""

import math

import numpy as np
import pytest
import torch
from scipy import signal

from tng import stochastic
from tng.envelopes import CELLS, ONSET_S, P_CELLS, REACH, Bands, Cells, band_limits, bands_between, minimum_phase

pytestmark = pytest.mark.usefixtures("seeded")

LIKE = torch.zeros(1, dtype=torch.float64)
KINDS = [(3000, 50.0), (1875, 31.25), (4096, 100.0), (1501, 100.0), (607, 31.25)]     # samples, rate
ONSETS = torch.tensor([[10.0, 14.0, 3.0], [2.0, 9.0, 0.8]], dtype=torch.float64)


def bands_of(samples, rate_hz):
    return Bands(samples, rate_hz, *band_limits(rate_hz, samples / rate_hz), LIKE)


def noise(*shape):
    return torch.randn(*shape, dtype=torch.float64)


# --- bands ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("samples, rate_hz", KINDS)
def test_bands_share_every_frequency_out(samples, rate_hz):
    bands = bands_of(samples, rate_hz)
    torch.testing.assert_close((bands.windows**2).sum(dim=0), torch.ones_like(bands.ln_hz), rtol=0, atol=1e-12)
    assert bands.padded % 2 == 0 and bands.padded >= 2 * samples and len(bands.ln_hz) == bands.padded // 2 + 1
    assert bands.count == len(bands.centres_hz) == bands_between(float(bands.centres_hz[0]), float(bands.centres_hz[-1]))
    low_hz, high_hz = band_limits(rate_hz, samples / rate_hz)
    assert float(bands.centres_hz[0]) == pytest.approx(low_hz) and float(bands.centres_hz[-1]) == pytest.approx(high_hz)
    assert float(bands.white.sum()) == pytest.approx(1, abs=1e-12)


def test_a_band_is_one_at_its_centre_and_none_at_its_neighbours():
    bands = bands_of(3000, 50.0)
    for i, centre in enumerate(bands.centres_hz):
        at = int((torch.exp(bands.ln_hz) - centre).abs().argmin())
        away = abs(float(bands.ln_hz[at] - math.log(centre))) / math.log(float(bands.centres_hz[1] / bands.centres_hz[0]))
        expected = torch.zeros(bands.count, dtype=torch.float64)
        expected[i] = math.cos(away * math.pi / 2) ** 2                      # the nearest line is not quite the centre
        got = bands.share[:, at].clone()
        assert float((got - expected).abs().max()) <= math.sin(away * math.pi / 2) ** 2 + 1e-12 and int(got.argmax()) == i


@pytest.mark.parametrize("samples, rate_hz", KINDS)
def test_there_and_back(samples, rate_hz):
    bands, x = bands_of(samples, rate_hz), noise(2, 3, samples)
    torch.testing.assert_close(bands.record(bands.spectrum(x)), x)
    parts = bands.split(x)
    assert parts.shape == (2, bands.count, 3, samples)
    # once more through the same windows and summed, is the record; exact where the bands' ringing fits into the padding
    again = bands.record((torch.fft.rfft(torch.fft.irfft(bands.spectrum(x)[:, None] * bands.windows[:, None], bands.padded))
                          * bands.windows[:, None]).sum(dim=1))
    torch.testing.assert_close(again, x)


@pytest.mark.parametrize("samples, rate_hz", KINDS)
def test_power_of_all_bands_is_the_records(samples, rate_hz):
    """Parseval, but for the line at zero and at the Nyquist frequency, which stand once in the spectrum and count twice."""
    bands, x = bands_of(samples, rate_hz), noise(4, 3, samples)
    x = x - x.mean(dim=-1, keepdim=True)
    once = bands.spectrum(x)[..., -1].abs() ** 2 / (bands.padded * samples)
    torch.testing.assert_close(bands.power(bands.spectrum(x)).sum(dim=1) - once, (x**2).mean(dim=-1))


def test_power_of_a_sine_is_in_its_band():
    bands = bands_of(3000, 50.0)
    time_s = torch.arange(3000, dtype=torch.float64) / 50
    for i in (3, 9, 15):
        x = 2.0 * torch.sin(2 * math.pi * bands.centres_hz[i] * time_s).expand(1, 3, -1)
        power = bands.power(bands.spectrum(x))[0, :, 0]
        assert float(power.sum()) == pytest.approx(2.0, rel=0.01) and float(power[i]) > 1.9        # the rest is leakage of a cut sine


@pytest.mark.parametrize("samples, rate_hz", KINDS)
def test_power_of_white_noise_is_its_share(samples, rate_hz):
    """The power of each band, from its spectrum and from what was split off, is the band's share of the axis."""
    bands, x = bands_of(samples, rate_hz), noise(40, 3, samples)
    power = bands.power(bands.spectrum(x)).mean(dim=(0, 2))
    spread = torch.sqrt(1 / (bands.width_hz * samples / rate_hz * 120))               # a band's power has width × time numbers
    assert float(((power / bands.white - 1) / spread).abs().max()) < 5
    parts = (bands.split(x) ** 2).mean(dim=(0, 2, 3))
    assert (parts <= power * (1 + 1e-9)).all()                                        # what rings beyond the end is cut
    torch.testing.assert_close(parts[bands.width_hz * samples / rate_hz > 20], power[bands.width_hz * samples / rate_hz > 20], rtol=0.05, atol=0)


def test_power_of_filtered_noise_is_the_filters():
    """Against a filter of scipy: the band's power is the integral of the filter's squared amplitude over the band."""
    bands = bands_of(4096, 50.0)
    b, a = signal.butter(2, 5.0, fs=50.0)
    x = torch.from_numpy(signal.lfilter(b, a, np.random.default_rng(0).standard_normal((200, 3, 5096)))[..., 1000:].copy())
    _, response = signal.freqz(b, a, np.exp(bands.ln_hz.numpy()), fs=50.0)
    expected = (bands.share * torch.from_numpy(np.abs(response) ** 2)).mean(dim=1)
    loud = expected > 1e-3 * expected.max()                                           # leakage from the end rules the others
    torch.testing.assert_close(bands.power(bands.spectrum(x)).mean(dim=(0, 2))[loud], expected[loud], rtol=0.1, atol=0)


def test_width_is_the_number_of_independent_numbers():
    """Band powers of white noise scatter as 1 / sqrt(width × time)."""
    bands, x = bands_of(2048, 50.0), noise(700, 3, 2048)
    power = bands.power(bands.spectrum(x)).transpose(1, 2).flatten(0, 1)
    scatter = power.std(dim=0) / power.mean(dim=0)
    torch.testing.assert_close(scatter, 1 / torch.sqrt(bands.width_hz * 2048 / 50), rtol=0.12, atol=0)


def test_one_gain_for_all_bands_is_that_gain_everywhere():
    bands = bands_of(1875, 31.25)
    torch.testing.assert_close(bands.gain(torch.full((2, bands.count, 3), 0.7, dtype=torch.float64)), torch.full((2, 3, len(bands.ln_hz)), 0.7, dtype=torch.float64))
    steps = torch.linspace(-1, 1, bands.count, dtype=torch.float64)[None, :, None].expand(1, -1, 3)
    smooth = bands.gain(steps)[0, 0]
    assert (smooth.diff() >= -1e-12).all() and float(smooth[0]) == pytest.approx(-1) and float(smooth[-1]) == pytest.approx(1)


# --- minimum phase ----------------------------------------------------------------------------------------

def test_minimum_phase_is_the_one_of_the_stochastic_method():
    bands = bands_of(1024, 50.0)
    ln_gain = bands.gain(noise(2, bands.count, 3))
    expected = np.exp(stochastic.minimum_phase(ln_gain.numpy()))
    np.testing.assert_allclose(minimum_phase(ln_gain, bands.padded).numpy(), expected, rtol=1e-10, atol=1e-12)


def test_minimum_phase_of_a_filter_that_has_it():
    """1 + 0.5 z⁻¹ has its zero inside the unit circle: from its amplitude alone its two coefficients come back."""
    n = 256
    response = torch.fft.rfft(torch.tensor([1.0, 0.5] + [0.0] * (n - 2), dtype=torch.float64))
    found = torch.fft.irfft(minimum_phase(torch.log(response.abs()), n), n)
    torch.testing.assert_close(found[:2], torch.tensor([1.0, 0.5], dtype=torch.float64))
    assert float(found[2:].abs().max()) < 1e-12
    turned = torch.fft.rfft(torch.tensor([0.5, 1.0] + [0.0] * (n - 2), dtype=torch.float64))        # same amplitude, later
    torch.testing.assert_close(torch.fft.irfft(minimum_phase(torch.log(turned.abs()), n), n), found)


def test_filters_act_after_and_never_before():
    bands = bands_of(2048, 50.0)
    ln_gain = bands.gain(noise(1, bands.count, 3))
    assert torch.allclose(minimum_phase(ln_gain, bands.padded).abs(), torch.exp(ln_gain), rtol=1e-9)
    x = torch.zeros(1, 3, 2048, dtype=torch.float64)
    x[..., 1000:] = noise(1, 3, 1048)
    y = torch.fft.irfft(bands.spectrum(x) * minimum_phase(ln_gain, bands.padded), bands.padded)
    assert float((y[..., :1000] ** 2).sum() / (y**2).sum()) < 1e-5 and float(y[..., 1000:].abs().max()) > 1
    # the same amplitudes at zero phase act before
    early = torch.fft.irfft(bands.spectrum(x) * torch.exp(ln_gain), bands.padded)[..., :1000]
    assert (early**2).sum() > 100 * (y[..., :1000] ** 2).sum()


# --- cells ------------------------------------------------------------------------------------------------

def test_cells_begin_at_p_and_at_s():
    cells = Cells(3000, 50.0, LIKE)
    edges = cells.edges(ONSETS)
    assert edges.shape == (2, CELLS + 1) and (edges.diff(dim=1) > 0).all()
    torch.testing.assert_close(edges[:, 0], ONSETS[:, 0])
    torch.testing.assert_close(edges[:, P_CELLS], ONSETS[:, 1])
    torch.testing.assert_close(edges[:, -1], ONSETS[:, 1] + REACH * ONSETS[:, 2])
    torch.testing.assert_close(cells.lengths(ONSETS).sum(dim=1), edges[:, -1].clamp(max=60) - ONSETS[:, 0])


def test_a_record_twice_as_slow_has_the_same_cells():
    """Cells go with S-P and duration: a record stretched in time has the same power in them."""
    envelope = torch.exp(-torch.arange(1500, dtype=torch.float64) / 300) + 0.1
    once, twice = (Cells(n, 50.0, LIKE).power(e.expand(1, 2, 3, -1), ONSETS[:1] * f)[0] for n, e, f in (
        (1500, envelope, 1), (3000, envelope.repeat_interleave(2), 2)))
    torch.testing.assert_close(once, twice, rtol=1e-6, atol=0)


def test_power_in_cells_against_a_plain_loop():
    cells, parts = Cells(2000, 50.0, LIKE), noise(2, 4, 3, 2000)
    power, held = cells.power(parts, ONSETS)
    edges = (cells.edges(ONSETS) * 50).numpy()
    for b, k in [(0, 0), (0, P_CELLS), (0, CELLS - 9), (1, 3), (1, P_CELLS + 2), (1, CELLS - 1)]:
        start, end = edges[b, k], min(edges[b, k + 1], 1999.999)
        weight = np.clip(np.minimum(np.arange(2000) + 1, end) - np.maximum(np.arange(2000), start), 0, 1)
        expected = ((parts[b].numpy() ** 2) * weight).sum(axis=-1) / max(weight.sum(), 1)
        np.testing.assert_allclose(power[b, :, :, k].numpy(), expected, rtol=1e-8)
    length = np.clip(edges[:, 1:], 0, 2000) - np.clip(edges[:, :-1], 0, 2000)
    np.testing.assert_array_equal(held.numpy(), (length > 0.7 * np.diff(edges)) & (length >= 1))


def test_power_of_a_known_envelope():
    """Noise times an exponential: the mean power of a cell is the integral of the squared envelope."""
    cells, onsets = Cells(3000, 50.0, LIKE), ONSETS[:1]
    decay = 5.0
    envelope = torch.where(cells.time_s >= 14, torch.exp(-(cells.time_s - 14) / decay), 0.0)
    power, held = cells.power(noise(200, 5, 3, 3000) * envelope, onsets.expand(200, -1))
    edges = cells.edges(onsets)[0] - 14
    start, end = edges[P_CELLS:-1], edges[P_CELLS + 1:]
    expected = decay / 2 * (torch.exp(-2 * start / decay) - torch.exp(-2 * end / decay)) / (end - start)
    assert held.all() and float(power[..., :P_CELLS].max()) == 0
    torch.testing.assert_close(power[..., P_CELLS:].mean(dim=(0, 1, 2)), expected, rtol=0.1, atol=0)


def test_cells_beyond_the_window_are_not_held():
    cells = Cells(1000, 50.0, LIKE)                                                   # 20 s
    _, held = cells.power(torch.ones(1, 1, 3, 1000, dtype=torch.float64), torch.tensor([[5.0, 12.0, 4.0]], dtype=torch.float64))
    edges = cells.edges(torch.tensor([[5.0, 12.0, 4.0]], dtype=torch.float64))[0]
    assert held[0, edges[1:] < 19.9].all() and not held[0, edges[:-1] > 20].any() and 0 < int(held.sum()) < CELLS
    assert float(cells.lengths(torch.tensor([[5.0, 12.0, 4.0]], dtype=torch.float64)).sum()) == pytest.approx(15)


@pytest.mark.parametrize("samples, rate_hz", KINDS)
def test_envelopes_are_zero_before_p_and_step_at_s(samples, rate_hz):
    cells = Cells(samples, rate_hz, LIKE)
    last_s = samples / rate_hz
    onsets = torch.tensor([[0.2, 0.4, 0.03]], dtype=torch.float64) * last_s
    ln_power = torch.zeros(1, 2, 3, CELLS, dtype=torch.float64)
    ln_power[..., P_CELLS:] = 4.0
    envelope = cells.amplitude(ln_power, onsets)
    assert envelope.shape == (1, 2, 3, samples)
    p, s = (int(math.ceil(float(onset) * rate_hz - 1e-9)) for onset in onsets[0, :2])
    assert float(envelope[..., :p].max()) == 0
    risen = p + int(math.ceil(ONSET_S * rate_hz)) + 1
    torch.testing.assert_close(envelope[..., risen:s], torch.ones_like(envelope[..., risen:s]))
    end = s + int(0.9 * REACH * 0.03 * samples)                                       # the last cell; then the coda decays
    assert end < samples
    torch.testing.assert_close(envelope[..., s:end], torch.full_like(envelope[..., s:end], math.e**2))


def test_envelopes_are_straight_in_ln_power():
    cells, onsets = Cells(3000, 50.0, LIKE), ONSETS[:1]
    edges = cells.edges(onsets)[0]
    middle = (edges[1:] + edges[:-1]) / 2
    ln_power = (-0.3 * middle).expand(1, 2, 3, -1)                                    # a straight line itself
    envelope = torch.log(cells.amplitude(ln_power, onsets))[0, 0, 0] * 2
    for start, end in ((middle[0], middle[P_CELLS - 1]), (middle[P_CELLS], 60.0)):      # the coda goes on beyond the last cell
        inside = (cells.time_s > start) & (cells.time_s < end)
        torch.testing.assert_close(envelope[inside], -0.3 * cells.time_s[inside])


def test_the_coda_does_not_grow_beyond_the_last_cell():
    cells, onsets = Cells(3000, 50.0, LIKE), torch.tensor([[10.0, 14.0, 3.0]], dtype=torch.float64)
    rising = torch.linspace(0, 3, CELLS, dtype=torch.float64).expand(1, 1, 3, -1)
    late = torch.log(cells.amplitude(rising, onsets))[..., cells.time_s > 14 + REACH * 3] * 2
    assert late.shape[-1] > 500 and (late <= 3.0 + 1e-9).all() and (late.diff(dim=-1) <= 1e-9).all()


def test_pieces_sum_to_the_record():
    bands, x = bands_of(1501, 100.0), noise(2, 3, 1501)
    pieces = bands.pieces(x)
    assert pieces.shape == (2, bands.count, 3, 1501)
    torch.testing.assert_close(pieces.sum(dim=1), x)


@pytest.mark.parametrize("samples, rate_hz", [(3000, 50.0), (1875, 31.25), (6000, 100.0)])
def test_power_of_an_envelope_is_what_was_asked(samples, rate_hz):
    """amplitude, then power: the same again, where neighbours differ little and cells are long."""
    cells = Cells(samples, rate_hz, LIKE)
    onsets = torch.tensor([[6.0, 12.0, 4.0]], dtype=torch.float64)
    asked = (torch.sin(torch.linspace(0, 3, CELLS, dtype=torch.float64)) * 1.5 - 1).expand(1, 2, 3, -1)
    power, held = cells.power(cells.amplitude(asked, onsets), onsets)
    assert held.sum() > CELLS - 3
    inner = held[0].clone()
    inner[0] = False                                                                  # where the wave rises
    torch.testing.assert_close(torch.log(power[..., inner]), asked[..., inner], rtol=0, atol=0.08)
    assert float(torch.log(power[..., 0]).max()) < float(asked[..., 0].max()) + 0.08


def test_envelopes_carry_gradients():
    cells = Cells(300, 50.0, LIKE)
    ln_power = noise(1, 2, 3, CELLS).requires_grad_()
    onsets = torch.tensor([[1.013, 2.517, 0.4]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda values: cells.amplitude(values, onsets)[..., ::20], ln_power, fast_mode=True)
