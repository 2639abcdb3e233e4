"""The network of the shaped-noise generator: TimesBlocks that know what envelopes of earthquake records look like.

A variational autoencoder of evolutionary spectra.  It sees a record's mean power in bands × components × cells
(:mod:`tng.envelopes`), puts into a few numbers w what their bands' strength and duration do not say yet, and gives back ln power.
No phase goes in, and none comes out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tng import dealing
from tng.descriptions import Description
from tng.envelopes import CELLS, Bands, Cells, bands_between
from tng.generators.source_and_path import Layout
from tng.generators.station import Nodes
from tng.timesnet import TimesBlock

LEAST_SIGNAL = 0.05           # of a band's power that counts as signal at least, however strong the noise
OVERLAP = 0.75                # of what bands hold that their neighbours do not hold too
CLEAR = 2.0                   # times the noise: cells that the encoder looks at


class EnvelopeNet(nn.Module):
    """TimesBlocks over the cells of an evolutionary spectrum; equations (13) and (14).

    Parameters
    ----------
    samples : int
    rate_hz, low_hz, high_hz : float
        Of the records; of the lowest and highest band.
    latent : int
        Numbers w of a record.
    d_model, d_ff, num_kernels, blocks : int
        Of the TimesBlocks, as in :class:`tng.timesnet.TimesNetGen`; `blocks` of the encoder and as many of the decoder.  Without
        blocks what is left is linear.
    periods : tuple of int
        Cells that a TimesBlock folds by.

    Attributes
    ----------
    count : int
        Bands.
    layout : Layout
        Where what stands in a record's row of numbers.
    """

    def __init__(self, samples: int, rate_hz: float, low_hz: float, high_hz: float, latent: int, d_model: int, d_ff: int,
                 num_kernels: int, blocks: int, periods: tuple[int, ...] = (6, 10)):
        super().__init__()
        self.arguments = dict(samples=samples, rate_hz=rate_hz, low_hz=low_hz, high_hz=high_hz, latent=latent, d_model=d_model, d_ff=d_ff,
                              num_kernels=num_kernels, blocks=blocks, periods=list(periods))
        self.count = bands_between(low_hz, high_hz)
        self.layout, self.grids, self.curves = Layout(self.count, latent), {}, {}
        channels, self.shape = self.count * 3, (self.count, 3, CELLS)

        def stack():
            return nn.ModuleList(TimesBlock(d_model, d_ff, len(periods), num_kernels, 0, "corpus", tuple(periods)) for _ in range(blocks))

        self.template = nn.Parameter(torch.zeros(self.shape), requires_grad=False)          # mean ln power, see `start_from`
        self.embedding = nn.Linear(channels + 1, d_model)
        self.encoder, self.encoder_norm = stack(), nn.LayerNorm(d_model) if blocks else nn.Identity()
        self.summary = nn.Linear(d_model * CELLS, 2 * latent)
        self.seed = nn.Linear(latent + 2, d_model * CELLS)
        self.decoder, self.decoder_norm = stack(), nn.LayerNorm(d_model) if blocks else nn.Identity()
        self.head = nn.Linear(d_model, channels)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def grid(self, like: Tensor) -> tuple[Bands, Cells]:
        """Bands and cells in the precision and on the device of a tensor."""
        kind = like.dtype, like.device
        if kind not in self.grids:
            samples, rate_hz, low_hz, high_hz = (self.arguments[name] for name in ("samples", "rate_hz", "low_hz", "high_hz"))
            self.grids[kind] = Bands(samples, rate_hz, low_hz, high_hz, like), Cells(samples, rate_hz, like)
        return self.grids[kind]

    def nodes(self, like: Tensor) -> Nodes:
        """Frequencies of stations' curves, likewise."""
        kind = like.dtype, like.device
        if kind not in self.curves:
            self.curves[kind] = Nodes(self.grid(like)[0])
        return self.curves[kind]

    def forward(self, known: Description, seeds: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and ln variance of w, and ln power in cells of a w drawn from it by each record's seed, without seeds of its mean."""
        mean, ln_variance = self.encode(known)
        noise = torch.zeros_like(mean) if seeds is None else dealing.normal(seeds, mean.shape[1:], mean, stream=2)
        return mean, ln_variance, self.decode(mean + noise * torch.exp(ln_variance / 2), known.onsets)

    def encode(self, known: Description) -> tuple[Tensor, Tensor]:
        """Mean and ln variance of the numbers w (B, latent); equation (13)."""
        signal = known.cells - torch.exp(known.ln_noise)[..., None]
        seen = (known.cells > CLEAR * torch.exp(known.ln_noise)[..., None]) & known.held[:, None, None]
        level = known.ln_power[..., None] + self.template
        shape = torch.where(seen, torch.log(signal.clamp(min=1e-12)) - level, torch.zeros_like(level)).clamp(-5, 5)
        h = self.embedding(torch.cat([shape.flatten(1, 2), known.held[:, None].to(shape)], dim=1).transpose(1, 2))
        for block in self.encoder:
            h = self.encoder_norm(block(h))
        mean, ln_variance = self.summary(h.flatten(1)).chunk(2, dim=1)
        return mean, ln_variance.clamp(-8, 2)

    def decode(self, w: Tensor, onsets: Tensor) -> Tensor:
        """ln power (B, bands, 3, cells) but for the level of each band and component; equation (14)."""
        lag, duration = torch.log(onsets[:, 1] - onsets[:, 0]), torch.log(onsets[:, 2])
        h = self.seed(torch.cat([w, lag[:, None] - 1.3, duration[:, None] - 1.6], dim=1)).unflatten(1, (CELLS, -1))
        for block in self.decoder:
            h = self.decoder_norm(block(h))
        return self.template + self.head(h).transpose(1, 2).unflatten(1, self.shape[:2])

    @torch.no_grad()
    def start_from(self, known: Description) -> None:
        """Take the template from training records: mean power in each cell, in units of the band's."""
        noise = torch.exp(known.ln_noise)[..., None]
        signal = ((known.cells - noise).clamp(min=0) + LEAST_SIGNAL * noise) / torch.exp(known.ln_power)[..., None]
        weight = ((known.cells > CLEAR * noise) & known.held[:, None, None]).to(signal)
        mean = (torch.log(signal.clamp(min=1e-9)) * weight).sum(dim=0) / weight.sum(dim=0).clamp(min=1)
        lowest = torch.quantile(mean.flatten(), 0.01)
        self.template.copy_(torch.where(weight.sum(dim=0) > 3, mean, lowest))

    def levels(self, ln_shape: Tensor, known: Description) -> Tensor:
        """ln power (B, bands, 3) to add to a shape, so that over the window the record has the signal power that it has."""
        power, noise = torch.exp(known.ln_power), torch.exp(known.ln_noise)
        signal = torch.maximum(power - noise, LEAST_SIGNAL * power)
        return torch.log(signal) - self.mean_level(ln_shape, known.onsets)

    def mean_level(self, ln_shape: Tensor, onsets: Tensor) -> Tensor:
        """ln mean power (B, bands, 3) over the window of a shape in cells."""
        _, cells = self.grid(onsets)
        share = cells.lengths(onsets).clamp(min=1e-9) * (cells.rate_hz / cells.samples)
        return torch.logsumexp(ln_shape + torch.log(share)[:, None, None], dim=-1)


def whittle(network: EnvelopeNet, known: Description, seeds: Tensor | None = None, divergence: float = 1.0) -> Tensor:
    """How unlikely records are as noise with the network's envelopes, (B,); equation (15).

    Noise of a mean power G has in a cell the power P with ln density -(ν/2)(P/G + ln G) + …, ν being twice bandwidth × time (Whittle,
    1953): the loss that is least where G is the power behind the record, not the record's own.  Ambient noise is part of G.  To that
    comes the divergence of w from its prior.
    """
    mean, ln_variance, ln_shape = network(known, seeds)                      # by a call, of which several processes know
    expected = torch.exp(ln_shape + network.levels(ln_shape, known)[..., None]) + torch.exp(known.ln_noise)[..., None]
    ratio = known.cells.clamp(min=1e-12) / expected
    bands, cells = network.grid(known.onsets)
    freedom = 2 * OVERLAP * bands.width_hz[:, None] * cells.lengths(known.onsets)[:, None]                       # (B, bands, cells)
    deviance = (ratio - torch.log(ratio) - 1) * (freedom * known.held[:, None])[:, :, None]
    away = (mean**2 + torch.exp(ln_variance) - 1 - ln_variance).sum(dim=1)
    return (deviance.sum(dim=(1, 2, 3)) + divergence * away) / 2 / (bands.count * 3)
