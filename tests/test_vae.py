"""The baseline: transforms and their inverse, the loss, the draw from the decoder, training and generation."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tng import config, corpus
from tng.generators import GeneratorError, vae
from tng.generators.vae import SpectrogramVAE, VAEGenerator, divergence, mean_and_std, spectrogram_loss, train_vae
from tng.records import Record

RATE_HZ, SAMPLES, N_FFT = 50.0, 333, 128               # a length that is no multiple of the hop
STATIONS = ["A", "B"]


def settings(**changes):
    return config.settings(**{**dict(window_s=SAMPLES / RATE_HZ, vae_epochs=2, vae_channels=4, batch=5), **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Bursts of noise at three stations, of very different strength."""
    return corpus.write(bursts(), tmp_path_factory.mktemp("vae") / "corpus", seed=1)


def bursts(test_seed=0):
    envelope = np.exp(-np.linspace(0, 5, SAMPLES))
    rng = np.random.default_rng(test_seed)
    return [Record(envelope * rng.standard_normal((3, SAMPLES)) * 10 ** rng.uniform(-1, 2), RATE_HZ, station, f"event {i}")
            for station in "ABC" for i in range(14)]


@pytest.fixture(scope="module")
def trained(data):
    return train_vae(data, settings(), STATIONS)[0]


@pytest.fixture
def untrained():
    torch.manual_seed(0)
    return SpectrogramVAE(SAMPLES, N_FFT, 3, 4, 2).double()


def batch(n=6, seed=0, dtype=torch.float64):
    """What a training hands to the loss."""
    rng = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(n, 3, SAMPLES, generator=rng, dtype=dtype), "station": torch.arange(n) % 2, "seeds": 7 + torch.arange(n)}


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


# --- transforms ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("samples, n_fft", [(128, 128), (256, 128), (257, 128), (383, 128), (1001, 160), (500, 64)])
def test_records_come_back_from_their_features(samples, n_fft):
    """At any length; smooth records, as the Nyquist bin is left out."""
    network = SpectrogramVAE(samples, n_fft, 3, 4, 2).double()
    time = torch.arange(samples) / n_fft
    x = torch.stack([torch.cos(6.28 * f * time + p) * torch.exp(-time) for f, p in ((1.3, 0), (2.6, 1), (3.1, 2))])[None].double()
    features = network.features(x)
    assert features.shape == (1, 9, n_fft // 2, network.frames)
    assert (network.records(features) - x).abs().max() < 0.02 * x.abs().max()


def test_a_sinusoid_has_its_amplitude_and_a_phase_that_stays(untrained):
    """Of bin 10, an even one: a hop is five whole cycles."""
    time = torch.arange(SAMPLES, dtype=torch.float64)
    x = 3 * torch.cos(2 * torch.pi * 10 * time / N_FFT).expand(1, 3, -1)
    level, cosine, sine = untrained.features(x)[0, :, 10, 1:-2].chunk(3)               # mirrored ends aside
    torch.testing.assert_close(level.exp(), torch.full_like(level, 3), rtol=1e-4, atol=0)
    torch.testing.assert_close(cosine, torch.ones_like(cosine), rtol=1e-4, atol=0)
    assert sine.abs().max() < 1e-6


@pytest.mark.parametrize("samples", [64 * 47, 64 * 47 - 1, 64 * 46 + 1])
def test_random_phases_keep_about_half_of_the_power_up_to_the_last_sample(samples):
    """Features that contradict each other are averaged where windows overlap, and nowhere blown up."""
    network = SpectrogramVAE(samples, N_FFT, 3, 4, 2).double()
    white_level = np.log(np.sqrt(6 / N_FFT))                    # of white noise of variance 1 under these windows
    phase = 2 * torch.pi * torch.rand(64, 3, N_FFT // 2, network.frames, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = network.records(torch.cat([torch.full_like(phase, white_level), phase.cos(), phase.sin()], dim=1))
    assert x.var() == pytest.approx(0.526, rel=0.02)
    power = (x**2).mean(dim=(0, 1))
    assert 0.2 < power[-20:].min() and power[-20:].max() < 1.2 and 0.2 < power[:20].min() and power[:20].max() < 1.2


def test_full_precision_inside_a_network_of_half(untrained):
    network, x = untrained.float(), batch(dtype=torch.float32)["x"]
    features = network.features(x)
    records = network.records(features)
    with torch.autocast("cpu", torch.bfloat16):
        found, decoded, mean, ln_var = network(x, torch.zeros(6, dtype=int), torch.arange(6))
        assert torch.equal(found, features) and torch.equal(network.records(features), records)
        assert network.encoder[0](torch.zeros(1, 11, 8, 8)).dtype == torch.bfloat16          # the rest is in half
    assert {t.dtype for t in (found, decoded, mean, ln_var)} == {torch.float32}


# --- what is learnt from all records, some at a time -------------------------------------------------------------------

@pytest.mark.parametrize("sizes", [[20], [1] * 20, [7, 13], [19, 1]])
def test_moments_of_parts_are_those_of_the_whole(sizes):
    x = 1e4 + torch.randn(20, 2, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, std = mean_and_std(iter(x.split(sizes)))
    torch.testing.assert_close(mean[..., 0], x.mean(dim=(0, 3)), rtol=1e-14, atol=0)
    torch.testing.assert_close(std[..., 0], x.std(dim=(0, 3), unbiased=False), rtol=1e-10, atol=0)


def test_levels_are_standardised_over_training_records(trained, data):
    x = torch.as_tensor(data.waveforms(data.select(STATIONS, "train")), dtype=torch.float64)
    level = trained.features(x)[:, :3]
    torch.testing.assert_close(level.mean(dim=(0, 3)), torch.zeros_like(level[0, :, :, 0]), atol=1e-9, rtol=0)
    torch.testing.assert_close(level.std(dim=(0, 3), unbiased=False), torch.ones_like(level[0, :, :, 0]), atol=1e-9, rtol=0)


def test_a_frequency_at_which_nothing_happens_stays_finite(untrained):
    untrained.standardise_on([torch.zeros(4, 3, SAMPLES, dtype=torch.float64)])
    assert torch.isfinite(untrained.features(batch()["x"])).all()
    assert untrained.features(torch.zeros(1, 3, SAMPLES, dtype=torch.float64)).abs().max() < 1e-9


def test_spread_is_that_of_training_residuals_with_drawn_codes(untrained):
    given = batch(9)
    with torch.no_grad():
        features, decoded, _, _ = untrained(given["x"], given["station"], given["seeds"])
    untrained.spread_on(zip(*(given[key].split(4) for key in ("x", "station", "seeds"))))
    torch.testing.assert_close(untrained.spread[..., 0], ((features - decoded) ** 2).mean(dim=(0, 3)).sqrt())


# --- loss ------------------------------------------------------------------------------------------------------------

def test_divergence_against_torch():
    mean, ln_var = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    reference = torch.distributions.kl_divergence(torch.distributions.Normal(mean, (ln_var / 2).exp()),
                                                  torch.distributions.Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(divergence(mean, ln_var), reference)


def test_the_divergence_gets_its_weight_over_the_first_third(untrained):
    given, loss = batch(), spectrogram_loss(settings(vae_kl_weight=0.5))
    features, decoded, mean, ln_var = untrained(given["x"], given["station"], given["seeds"])
    for progress, share in ((0, 0), (1 / 6, 0.5), (1 / 3, 1), (1, 1)):
        expected = F.mse_loss(decoded, features) + 0.5 * share * divergence(mean, ln_var)
        torch.testing.assert_close(loss(untrained, given, progress), expected)


def test_codes_are_drawn_record_by_record(untrained):
    """So parts of a batch, in any process, have the loss that they have in the batch; in validation codes are means."""
    given, loss = batch(), spectrogram_loss(settings())
    parts = [{key: value[rows] for key, value in given.items()} for rows in ([4, 1, 0], [5, 2, 3])]
    torch.testing.assert_close(sum(loss(untrained, part, 0.7) for part in parts) / 2, loss(untrained, given, 0.7), rtol=1e-12, atol=0)
    other = {**given, "seeds": given["seeds"] + 100}
    assert loss(untrained, other, 0.7) != loss(untrained, given, 0.7)
    untrained.eval()
    assert loss(untrained, other, 0.7) == loss(untrained, given, 0.7)
    features, decoded, mean, _ = untrained(given["x"], given["station"])
    assert torch.equal(decoded, untrained.decode(mean, given["station"]))


def test_drawn_codes_have_mean_and_variance_of_the_encoder(untrained):
    one, seen = batch(1), []
    untrained.decode = lambda z, station: seen.append(z) or z
    with torch.no_grad():
        _, _, mean, ln_var = untrained(one["x"].expand(4000, -1, -1), torch.zeros(4000, dtype=int), torch.arange(4000))
    torch.testing.assert_close(seen[0].mean(dim=0), mean[0], atol=0.08, rtol=0)
    torch.testing.assert_close(seen[0].var(dim=0), ln_var[0].exp(), rtol=0.1, atol=0)


def test_the_loss_asks_a_wrapped_network_for_nothing_but_its_output(untrained):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = untrained

        def forward(self, *args):
            return self.inside(*args)

    loss = spectrogram_loss(settings())
    assert loss(Wrapped(), batch(), 0.5) == loss(untrained, batch(), 0.5)


def test_encoder_and_decoder_know_the_station(untrained):
    features = untrained.features(batch(1)["x"])
    codes = [untrained.encode(features, torch.tensor([number]))[0] for number in (0, 1)]
    assert not torch.allclose(*codes)
    assert not torch.allclose(*(untrained.decode(codes[0], torch.tensor([number])) for number in (0, 1)))


# --- training ----------------------------------------------------------------------------------------------------------

def test_training_repeats_and_sees_no_test_events(data, trained, tmp_path):
    again, history = train_vae(data, settings(), STATIONS)
    assert equal(again, trained) and history["train"].iloc[-1] < history["train"].iloc[0]
    changed = [new if split == "test" or new.station == "C" else data.record(row)
               for row, (new, split) in enumerate(zip(bursts(test_seed=9), data.metadata["split"]))]
    other = corpus.write(changed, tmp_path / "other", seed=1)
    assert other.metadata["split"].tolist() == data.metadata["split"].tolist() and other.fingerprint != data.fingerprint
    assert equal(train_vae(other, settings(), STATIONS)[0], trained)
    assert not equal(train_vae(data, settings(seed=1), STATIONS)[0], trained)


def test_parts_of_a_batch_train_as_the_batch(data, trained):
    """So do several processes, which take such parts."""
    in_parts, _ = train_vae(data, settings(records_at_once=2), STATIONS)
    for name, value in in_parts.state_dict().items():
        torch.testing.assert_close(value, trained.state_dict()[name], rtol=1e-9, atol=1e-11)


def test_what_cannot_be_trained(data, tmp_path):
    with pytest.raises(GeneratorError, match="shorter than the VAE's windows of 128"):
        train_vae(corpus.write([Record(r.data[:, :100], RATE_HZ, r.station, r.event) for r in bursts()], tmp_path / "short"), settings(), STATIONS)
    few = corpus.write([r for r in bursts() if r.station == "A" or r.event == "event 3"], tmp_path / "few", splits=(0, 0, 1))
    with pytest.raises(GeneratorError, match="no training records of A, B"):
        train_vae(few, settings(), STATIONS)


# --- generation --------------------------------------------------------------------------------------------------------

def test_protocol(trained):
    generator = VAEGenerator(trained, STATIONS, RATE_HZ)
    records = generator.sample("B", 4, seed=3)
    assert len(records) == 4 and generator.sample("B", 0, seed=3) == []
    for record in records:
        assert record.data.shape == (3, SAMPLES) and record.station == "B" and record.sampling_rate_hz == RATE_HZ
        assert record.meta["trace_category"] == "generated" and record.meta["generator"] == "VAE"
    again, other = generator.sample("B", 4, seed=3), generator.sample("B", 4, seed=4)
    assert all(np.array_equal(a.data, b.data) for a, b in zip(records, again))
    assert not any(np.array_equal(a.data, b.data) for a, b in zip(records, other))
    with pytest.raises(GeneratorError, match="no station 'b'"):
        generator.sample("b", 1, seed=0)


def test_a_record_does_not_depend_on_how_many_are_made(trained, monkeypatch):
    generator = VAEGenerator(trained, STATIONS, RATE_HZ)
    monkeypatch.setattr(vae, "AT_ONCE", 3)
    many = generator.sample("A", 8, seed=0)
    monkeypatch.setattr(vae, "AT_ONCE", 64)
    for a, b in zip(many, generator.sample("A", 5, seed=0)):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-9, atol=1e-9 * np.abs(b.data).max())
    assert len({record.data.tobytes() for record in many}) == 8


def test_generated_features_have_the_decoders_mean_and_spread(untrained):
    """Seen in the features before they are inverted."""
    seen, n = [], 400
    untrained.spread.copy_(torch.linspace(0.1, 2, untrained.spread.numel()).view_as(untrained.spread))
    untrained.decode = lambda z, station: torch.full((len(z), 9, N_FFT // 2, untrained.frames), 0.5, dtype=z.dtype)
    inverse = untrained.records
    untrained.records = lambda features: seen.append(features) or inverse(features)
    VAEGenerator(untrained, STATIONS, RATE_HZ).sample("A", n, seed=0)
    found = torch.cat(seen)
    noise = untrained.spread / np.sqrt(n * untrained.frames)
    assert ((found.mean(dim=(0, 3), keepdim=True)[0] - 0.5).abs() < 6 * noise).all()
    torch.testing.assert_close(found.std(dim=(0, 3)), untrained.spread[..., 0], rtol=0.1, atol=0)
