"""The baseline: a conditional variational autoencoder of spectrograms (amplitude and phase).

The paper describes its baseline in a sentence: amplitude and phase of the short-time Fourier transform, a convolutional
encoder and decoder that are told the station, a Gaussian code held to N(0, 1) by a Kullback-Leibler divergence, and the
inverse transform.  No code for it was published, so these choices are ours:

* window and hop: Hann windows of 2.56 s, half overlap; the record is mirrored at its ends;
* phase: cosine and sine, referred to the middle of each window, so that a slow change of phase is a slow change of both;
* normalisation: ln amplitudes, standardised for each component and frequency over the training records, so that levels
  are kept; with the phases nine channels, which count alike in the loss;
* layers: three strided 3×3 convolutions down, three up, one code a record; the station's one-hot code joins the channels
  of the encoder and the numbers of the code;
* loss: mean squared error of the features + weight × divergence a number of the code.  With N features, a code of L
  numbers and an error σ² this is a bound on the likelihood in which the divergence counts weight·N / (2Lσ²) times;
* warm-up: the weight grows linearly from 0 over the first third of the training;
* a new record: z ~ N(0, I), the decoder, a draw from the decoder's Gaussian, the inverse transform.

The last draw matters.  The decoder's output is the mean of a distribution whose variance is that of the training
residuals, its codes drawn as in training.  The mean of an unpredictable phase is no phase: decoding means alone gives a
train of spikes, one a window.  Draws are independent, though, and where windows overlap they contradict each other: the
inverse transform averages them, and 0.53 of the power of a motion without any predictable phase is left.

It learns from the same records, windows and events as TimesNet-Gen's Phase 1, and generates as many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tng import dealing
from tng.config import Settings
from tng.corpus import Corpus
from tng.generators import GeneratorError, as_records, random_stream, require_station
from tng.processes import arithmetic
from tng.records import Record
from tng.training import CorpusBatches, dtype_of, train

WINDOW_S = 2.56
FLOOR_CMPS2 = 1e-5      # amplitude far below any instrument's noise; keeps the logarithm finite
LEAST_STD = 1e-3        # of an ln amplitude that never changes
WARM_UP = 1 / 3         # of the training, until the divergence has its whole weight
AT_ONCE = 64            # records that are generated together


class SpectrogramVAE(nn.Module):
    """Encoder and decoder of spectrogram features (B, 9, frequencies, frames).

    Parameters
    ----------
    samples : int
        Length of a record, at least `n_fft`.
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
        self.frames = -(-samples // self.hop) + 1                     # every sample lies under two windows
        rows, columns = n_fft // 2 // 8, -(-self.frames // 8)         # after three halvings
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
        self.register_buffer("window", torch.hann_window(n_fft) * 4 / n_fft)  # a sinusoid then has its own amplitude
        # e^{iπk}: moves the origin of the phase of bin k from the start of a window to its middle
        self.register_buffer("to_middle", 1.0 - 2.0 * (torch.arange(n_fft // 2) % 2)[:, None])
        self.register_buffer("level_mean", torch.zeros(3, n_fft // 2, 1))     # of ln amplitude
        self.register_buffer("level_std", torch.ones(3, n_fft // 2, 1))
        self.register_buffer("spread", torch.zeros(9, n_fft // 2, 1))         # of the decoder's Gaussian

    def compile_blocks(self) -> None:
        """Let `torch.compile` work on the convolutions; transforms stay as they are."""
        self.encoder.compile()
        self.decoder.compile()

    # records to features and back, always in full precision

    def spectrogram(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Records (B, 3, T) [cm/s²] to ln amplitudes and to e^{i phase}, both (B, 3, n_fft/2, frames)."""
        with torch.autocast(x.device.type, enabled=False):
            x = F.pad(x.to(self.window.dtype), (0, -self.samples % self.hop), mode="reflect")
            spectrum = torch.stft(x.flatten(0, 1), self.n_fft, self.hop, window=self.window, return_complex=True)
            spectrum = spectrum.unflatten(0, x.shape[:2])[:, :, :-1] * self.to_middle   # the Nyquist bin is left out
            amplitude = spectrum.abs() + FLOOR_CMPS2
            return torch.log(amplitude), spectrum / amplitude

    def features(self, x: Tensor) -> Tensor:
        """Records (B, 3, T) [cm/s²] to features (B, 9, n_fft/2, frames)."""
        level, unit = self.spectrogram(x)
        return torch.cat([(level - self.level_mean) / self.level_std, unit.real, unit.imag], dim=1)

    def records(self, features: Tensor) -> Tensor:
        """Features (B, 9, n_fft/2, frames) to records (B, 3, T) [cm/s²]."""
        with torch.autocast(features.device.type, enabled=False):
            level, cosine, sine = features.to(self.window.dtype).chunk(3, dim=1)
            amplitude = (torch.exp(level * self.level_std + self.level_mean) - FLOOR_CMPS2).clamp(min=0)
            spectrum = torch.polar(amplitude, torch.atan2(sine, cosine)) * self.to_middle
            spectrum = F.pad(spectrum, (0, 0, 0, 1)).flatten(0, 1)
            x = torch.istft(spectrum, self.n_fft, self.hop, window=self.window, length=self.samples)
            return x.unflatten(0, (features.shape[0], 3))

    @torch.no_grad()
    def standardise_on(self, batches: Iterable[Tensor]) -> None:
        """Take mean and standard deviation of the ln amplitudes from training records, batches (B, 3, T)."""
        mean, std = mean_and_std(self.spectrogram(x)[0] for x in batches)
        self.level_mean.copy_(mean)
        self.level_std.copy_(std.clamp(min=LEAST_STD))

    @torch.no_grad()
    def spread_on(self, batches: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Take the spread of the decoder's Gaussian from training records, batches (x, station, seeds).

        Codes are drawn, as in training: this is the variance under which the records are most likely.
        """
        mean, std = mean_and_std(features - decoded for features, decoded, _, _ in (self(*batch) for batch in batches))
        self.spread.copy_(torch.hypot(mean, std))

    # features to codes and back

    def one_hot(self, station: Tensor) -> Tensor:
        return F.one_hot(station, self.stations).to(self.window)

    def encode(self, features: Tensor, station: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and ln variance of the code, both (B, latent)."""
        code = self.one_hot(station)[:, :, None, None].expand(-1, -1, *features.shape[2:])
        padding = -features.shape[-1] % 8
        stacked = F.pad(torch.cat([features, code], dim=1), (0, padding))
        return self.encoder(stacked).to(features.dtype).chunk(2, dim=1)

    def decode(self, z: Tensor, station: Tensor) -> Tensor:
        """Means of the features (B, 9, n_fft/2, frames) of codes (B, latent)."""
        return self.decoder(torch.cat([z, self.one_hot(station)], dim=1))[..., : self.frames].to(z.dtype)

    def forward(self, x: Tensor, station: Tensor, seeds: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features of records (B, 3, T), their reconstruction, mean and ln variance of their codes.

        With `seeds`, a number a record, codes are drawn from their distribution; without, they are its mean.
        """
        features = self.features(x)
        mean, ln_var = self.encode(features, station)
        z = mean if seeds is None else mean + torch.exp(ln_var / 2) * dealing.normal(seeds, mean.shape[1:], mean)
        return features, self.decode(z, station), mean, ln_var


def mean_and_std(parts: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over records and frames of parts (B, C, F, frames), both (C, F, 1).

    The same as of all parts in one piece, which need not fit into memory (Chan, Golub and LeVeque, 1983, Am. Stat. 37:242-247).
    """
    count, mean, squares = 0, 0.0, 0.0
    for part in parts:
        part = part.cpu().double()
        n, own = part.shape[0] * part.shape[3], part.mean(dim=(0, 3), keepdim=True)[0]
        step, count = own - mean, count + n
        squares = squares + ((part - own) ** 2).sum(dim=(0, 3), keepdim=True)[0] + step**2 * n * (count - n) / count
        mean = mean + step * n / count
    return mean, (squares / count).sqrt()


def divergence(mean: Tensor, ln_var: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, exp(ln_var)) from N(0, 1), mean over the latent numbers."""
    return 0.5 * (mean**2 + ln_var.exp() - 1 - ln_var).mean()


def train_vae(corpus: Corpus, settings: Settings, stations: list[str], resume: Path | None = None):
    """Train the baseline on the stations' training events.  Returns the network and its history.

    Raises
    ------
    GeneratorError
        For stations without training records, and records shorter than a window.
    """
    if len(corpus.select(stations, "train")) == 0:
        raise GeneratorError(f"{corpus.folder}: no training records of {', '.join(stations)}")
    n_fft = 16 * max(1, round(WINDOW_S * corpus.sampling_rate_hz / 16))
    if corpus.samples < n_fft:
        raise GeneratorError(f"records of {corpus.samples} samples are shorter than the VAE's windows of {n_fft}")

    training, validation = (CorpusBatches(corpus, corpus.select(stations, split), settings, stations) for split in ("train", "dev"))

    def build() -> SpectrogramVAE:
        network = SpectrogramVAE(corpus.samples, n_fft, settings.vae_latent, settings.vae_channels, len(stations)).to(dtype_of(settings))
        network.standardise_on(batch["x"] for batch in training(None))
        return network

    network, history = train(build, spectrogram_loss(settings), training, validation, epochs=settings.vae_epochs,
                             learning_rate=settings.vae_learning_rate, settings=settings, label="VAE", resume=resume,
                             about={"corpus": corpus.fingerprint, "stations": stations})
    last = (training.read(rows, settings.vae_epochs) for rows in training.groups(None))         # all of them, in every process
    with arithmetic(settings):
        network.spread_on((batch["x"].to(network.window.device), batch["station"].to(network.window.device), batch["seeds"]) for batch in last)
    return network, history


def spectrogram_loss(settings: Settings) -> Callable:
    """Mean squared error of the features + weighted divergence of the codes, as `tng.training.train` asks for it; equation (12)."""
    def loss(network, batch, progress):
        seeds = batch["seeds"] if network.training else None
        features, decoded, mean, ln_var = network(batch["x"], batch["station"], seeds)
        weight = settings.vae_kl_weight * min(1.0, progress / WARM_UP)
        return F.mse_loss(decoded, features) + weight * divergence(mean, ln_var)

    return loss


class VAEGenerator:
    """New records from the prior of a trained `SpectrogramVAE`."""

    name = "VAE"

    def __init__(self, network: SpectrogramVAE, stations: list[str], sampling_rate_hz: float):
        self.network = network.eval()
        self.stations = list(stations)
        self.sampling_rate_hz = sampling_rate_hz

    @torch.no_grad()
    def sample(self, station: str, n: int, seed: int) -> list[Record]:
        """`n` records for a station; the first ones are the same whatever `n` is."""
        require_station(station, self.stations)
        rng = random_stream(seed, station)
        data = [self._draw(station, min(AT_ONCE, n - start), rng) for start in range(0, n, AT_ONCE)]
        return as_records(np.concatenate(data), station, self.sampling_rate_hz, self.name, seed) if data else []

    def _draw(self, station: str, n: int, rng: np.random.Generator) -> np.ndarray:
        """Some records (n, 3, samples); each takes its code and its features' deviations from the stream, then the next one."""
        network = self.network
        latent, shape = network.arguments["latent"], (9, network.n_fft // 2, network.frames)
        drawn = torch.from_numpy(rng.standard_normal((n, latent + int(np.prod(shape))))).to(network.window)
        number = torch.full((n,), self.stations.index(station), device=network.window.device)
        features = network.decode(drawn[:, :latent], number) + network.spread * drawn[:, latent:].unflatten(1, shape)
        return network.records(features).cpu().numpy()
