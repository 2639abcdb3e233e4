"""The baseline: a conditional variational autoencoder of spectrograms (amplitude and phase).

The paper describes its baseline in a sentence and publishes no code for it, so these choices are ours:

* the short-time Fourier transform of each component: 2.56 s Hann windows, half overlap, phases referred to
  the middle of each window;
* nine channels: ln amplitude of E, N, Z, and cosine and sine of their phases; the ln amplitudes are
  standardised for each component and frequency over the training records, so levels are kept;
* three strided 3×3 convolutions down, three up, the station's one-hot code given to both sides;
* loss: mean squared error of the nine channels + weight × Kullback-Leibler divergence a latent number,
  with the weight growing linearly over the first third of the training (Kingma and Welling, 2014);
* a new record: z ~ N(0, I), decoder, a draw from the decoder's Gaussian, inverse transform.

The last draw matters.  The decoder's output is the mean of a distribution whose spread is that of the
training residuals.  The mean of an unpredictable phase is no phase: decoding means alone gives a train of
spikes, one a window.

It sees the same records and window as TimesNet-Gen, which the paper's baseline did not.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tng.config import Settings
from tng.corpus import Corpus
from tng.generators import GeneratorError, as_records, random_stream, require_station
from tng.records import Record
from tng.training import CorpusBatches, dtype_of, train

WINDOW_S = 2.56
FLOOR_CMPS2 = 1e-3      # below the instrument's noise; keeps the logarithm finite


class SpectrogramVAE(nn.Module):
    """Encoder and decoder of spectrogram features (B, 9, frequencies, frames).

    Parameters
    ----------
    samples : int
        Length of a record.
    n_fft : int
        Samples of a window; a multiple of 16.
    latent, channels : int
        Numbers in a code; channels of the first convolution.
    stations : int
    """

    def __init__(self, samples: int, n_fft: int, latent: int, channels: int, stations: int):
        super().__init__()
        self.arguments = dict(samples=samples, n_fft=n_fft, latent=latent, channels=channels, stations=stations)
        self.n_fft, self.hop, self.samples, self.stations = n_fft, n_fft // 2, samples, stations
        self.frames = samples // self.hop + 1
        rows, columns = n_fft // 2 // 8, -(-self.frames // 8)        # after three halvings
        c = channels
        self.encoder = nn.Sequential(
            nn.Conv2d(9 + stations, c, 3, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(c, 2 * c, 3, stride=2, padding=1), nn.GELU(),
            nn.Conv2d(2 * c, 2 * c, 3, stride=2, padding=1), nn.GELU(), nn.Flatten(),
            nn.Linear(2 * c * rows * columns, 2 * latent))
        self.decoder = nn.Sequential(
            nn.Linear(latent + stations, 2 * c * rows * columns), nn.GELU(), nn.Unflatten(1, (2 * c, rows, columns)),
            nn.Upsample(scale_factor=2), nn.Conv2d(2 * c, 2 * c, 3, padding=1), nn.GELU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(2 * c, c, 3, padding=1), nn.GELU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(c, 9, 3, padding=1))
        self.register_buffer("window", torch.hann_window(n_fft))
        # e^{iπk}: moves the origin of the phase of bin k from the start of a window to its middle
        self.register_buffer("to_middle", 1.0 - 2.0 * (torch.arange(n_fft // 2) % 2)[:, None])
        self.register_buffer("level_mean", torch.zeros(3, n_fft // 2, 1))     # of ln amplitude
        self.register_buffer("level_std", torch.ones(3, n_fft // 2, 1))
        self.register_buffer("spread", torch.zeros(9, n_fft // 2, 1))         # of the decoder's Gaussian

    # records to features and back

    def features(self, x: Tensor) -> Tensor:
        """Records (B, 3, T) [cm/s²] to features (B, 9, n_fft/2, frames)."""
        spectrum = torch.stft(x.flatten(0, 1), self.n_fft, self.hop, window=self.window, return_complex=True)
        spectrum = spectrum.unflatten(0, x.shape[:2])[:, :, :-1] * self.to_middle   # the Nyquist bin is left out
        amplitude = spectrum.abs()
        level = (torch.log(amplitude + FLOOR_CMPS2) - self.level_mean) / self.level_std
        unit = spectrum / (amplitude + FLOOR_CMPS2)
        return torch.cat([level, unit.real, unit.imag], dim=1)

    def records(self, features: Tensor) -> Tensor:
        """Features (B, 9, n_fft/2, frames) to records (B, 3, T) [cm/s²]."""
        level, cosine, sine = features.chunk(3, dim=1)
        amplitude = (torch.exp(level * self.level_std + self.level_mean) - FLOOR_CMPS2).clamp(min=0)
        spectrum = torch.polar(amplitude, torch.atan2(sine, cosine)) * self.to_middle
        spectrum = F.pad(spectrum, (0, 0, 0, 1)).flatten(0, 1)
        x = torch.istft(spectrum, self.n_fft, self.hop, window=self.window, length=self.samples)
        return x.unflatten(0, (features.shape[0], 3))

    @torch.no_grad()
    def standardise_on(self, x: Tensor) -> None:
        """Take the mean and spread of the ln amplitudes from training records (B, 3, T)."""
        level = self.features(x)[:, :3] * self.level_std + self.level_mean
        self.level_mean.copy_(level.mean(dim=(0, 3))[..., None])
        self.level_std.copy_(level.std(dim=(0, 3))[..., None])

    @torch.no_grad()
    def spread_on(self, x: Tensor, station: Tensor) -> None:
        """Take the spread of the decoder's Gaussian from the residuals of training records (B, 3, T)."""
        residual = torch.cat([features - decoded for features, decoded, _, _ in
                              map(self, x.split(16), station.split(16))])
        self.spread.copy_((residual**2).mean(dim=(0, 3)).sqrt()[..., None])

    # features to codes and back

    def one_hot(self, station: Tensor) -> Tensor:
        return F.one_hot(station, self.stations).to(self.window)

    def encode(self, features: Tensor, station: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and ln variance of the code, both (B, latent)."""
        code = self.one_hot(station)[:, :, None, None].expand(-1, -1, *features.shape[2:])
        padding = -features.shape[-1] % 8
        stacked = F.pad(torch.cat([features, code], dim=1), (0, padding))
        return self.encoder(stacked).chunk(2, dim=1)

    def decode(self, z: Tensor, station: Tensor) -> Tensor:
        return self.decoder(torch.cat([z, self.one_hot(station)], dim=1))[..., : self.frames]

    def forward(self, x: Tensor, station: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features of records (B, 3, T), their reconstruction, mean and ln variance of their codes."""
        features = self.features(x)
        mean, ln_var = self.encode(features, station)
        z = mean + torch.exp(ln_var / 2) * torch.randn_like(mean) if self.training else mean
        return features, self.decode(z, station), mean, ln_var


def divergence(mean: Tensor, ln_var: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, exp(ln_var)) from N(0, 1), mean over the latent numbers."""
    return 0.5 * (mean**2 + ln_var.exp() - 1 - ln_var).mean()


def train_vae(corpus: Corpus, settings: Settings, stations: list[str], resume: Path | None = None):
    """Train the baseline on the stations' training events.  Returns the network and its history."""
    rows = corpus.select(stations, "train")
    if len(rows) == 0:
        raise GeneratorError(f"{corpus.folder}: no training records of {', '.join(stations)}")
    n_fft = 16 * max(1, round(WINDOW_S * settings.sampling_rate_hz / 16))
    if corpus.samples < n_fft:
        raise GeneratorError(f"records of {corpus.samples} samples are shorter than the VAE's windows of {n_fft}")

    def build():
        network = SpectrogramVAE(corpus.samples, n_fft, settings.vae_latent, settings.vae_channels, len(stations))
        network.standardise_on(torch.as_tensor(corpus.waveforms(rows), dtype=dtype_of(settings)))
        return network

    def loss(network, batch, progress):
        features, decoded, mean, ln_var = network(batch["x"], batch["station"])
        weight = settings.vae_kl_weight * min(1.0, 3 * progress)
        return F.mse_loss(decoded, features) + weight * divergence(mean, ln_var)

    network, history = train(
        build, loss, CorpusBatches(corpus, rows, settings, stations),
        CorpusBatches(corpus, corpus.select(stations, "dev"), settings, stations),
        epochs=settings.vae_epochs, learning_rate=settings.vae_learning_rate, settings=settings,
        label="VAE", resume=resume, about={"corpus": corpus.fingerprint, "stations": stations})
    batches = list(CorpusBatches(corpus, rows, settings, stations)(None))
    x, station = (torch.cat([batch[key] for batch in batches]).to(network.window.device) for key in ("x", "station"))
    network.spread_on(x, station)
    return network, history


class VAEGenerator:
    """New records from the prior of a trained `SpectrogramVAE`."""

    name = "VAE"

    def __init__(self, network: SpectrogramVAE, stations: list[str], sampling_rate_hz: float):
        self.network = network.eval()
        self.stations = list(stations)
        self.sampling_rate_hz = sampling_rate_hz

    @torch.no_grad()
    def sample(self, station: str, n: int, seed: int) -> list[Record]:
        require_station(station, self.stations)
        rng = random_stream(seed, station)
        z = rng.standard_normal((n, self.network.arguments["latent"]))
        number = torch.full((n,), self.stations.index(station), device=self.network.window.device)
        mean = self.network.decode(torch.from_numpy(z).to(self.network.window), number)
        draw = torch.from_numpy(rng.standard_normal(mean.shape)).to(mean)
        x = self.network.records(mean + self.network.spread * draw)
        return as_records(x.cpu().numpy(), station, self.sampling_rate_hz, self.name, seed)
