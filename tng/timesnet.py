"""TimesNet-Gen's network: period choice, fused inception, TimesBlock, station modulation, autoencoder.

Equations are numbered as on the book's method page.  Inside the network a sequence is channels-last,
(B, T, d); records enter and leave as (B, 3, T) in cm/s².
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def dominant_periods(h: Tensor, top_k: int) -> tuple[list[int], Tensor]:
    """The periods at which a batch of sequences varies most, and what each is worth to each record.

    Equations (2) and (3): the k largest bins of the batch-mean amplitude spectrum (without its mean value)
    give p_i = floor(T / f_i); a record weighs them by the softmax of its own amplitudes.

    Two neighbouring bins often give the same whole number p.  Their branches would be identical, so the
    period is kept once, with the sum of its weights; the result is the same.

    Parameters
    ----------
    h : tensor, shape (B, T, d)

    Returns
    -------
    periods : list of int
        At most `top_k` different ones [samples].
    weights : tensor, shape (B, len(periods))
        They sum to 1 for every record.

    Notes
    -----
    The list is common to the batch, as in the published code, so a record's encoding depends on the
    records beside it.  Encode with batches of one where that matters.
    """
    samples = h.shape[1]
    # half precision has no FFT for lengths that are not powers of two
    amplitude = torch.fft.rfft(h if h.dtype == torch.float64 else h.float(), dim=1).abs().mean(dim=-1)   # (B, T/2+1)
    batch_mean = amplitude.mean(dim=0)
    batch_mean[0] = 0
    bins = torch.topk(batch_mean.detach(), top_k).indices
    share = torch.softmax(amplitude[:, bins], dim=1).to(h.dtype)                          # (B, k)
    periods = [samples // max(int(b), 1) for b in bins]
    different = sorted(set(periods), key=periods.index)
    weights = [sum(share[:, i] for i, p in enumerate(periods) if p == kept) for kept in different]
    return different, torch.stack(weights, dim=1)


class FusedInception(nn.Module):
    """Mean of n parallel square convolutions (1×1, 3×3, …, (2n-1)×(2n-1)), computed as one; equation (4).

    Convolution is linear, so the mean of the outputs is one convolution with the mean of the centred,
    zero-padded kernels: the same function and the same gradients with 121 instead of 286 taps for n = 6.
    Parameters keep the public code's names (``kernels.{i}.weight``), so its weights load by name.
    """

    def __init__(self, c_in: int, c_out: int, num_kernels: int):
        super().__init__()
        self.kernels = nn.ModuleList(nn.Conv2d(c_in, c_out, 2 * i + 1) for i in range(num_kernels))
        for kernel in self.kernels:
            nn.init.kaiming_normal_(kernel.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(kernel.bias)

    def merged(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """The one kernel and bias for a grid of this size.

        A tap further than rows-1 (columns-1) from the centre only ever meets padding and is left out.
        """
        n = len(self.kernels)
        weight = self.kernels[0].weight
        for kernel in self.kernels[1:]:
            weight = F.pad(weight, (1, 1, 1, 1)) + kernel.weight             # 1×1 → 3×3 → 5×5 …
        bias = torch.stack([kernel.bias for kernel in self.kernels]).mean(dim=0)
        centre, up, left = n - 1, min(n - 1, rows - 1), min(n - 1, columns - 1)
        weight = weight[:, :, centre - up:centre + up + 1, centre - left:centre + left + 1]
        return weight / n, bias

    def forward(self, grid: Tensor) -> Tensor:                               # (B, c_in, rows, columns)
        weight, bias = self.merged(*grid.shape[-2:])
        return F.conv2d(grid, weight, bias, padding=(weight.shape[-2] // 2, weight.shape[-1] // 2))


class StationModulation(nn.Module):
    """Tell a block which station it works for; equation (5).

    The paper concatenates the station's one-hot code to every grid point and projects d + S channels back
    to d with a 1×1 convolution.  A 1×1 convolution of a one-hot code is one bias vector a station, so this
    is a linear map of the grid plus that vector.  It starts as the identity: a pre-trained network without
    stations keeps its function when the modulation is added.
    """

    def __init__(self, d_model: int, stations: int):
        super().__init__()
        self.mix = nn.Linear(d_model, d_model, bias=False)
        self.shift = nn.Embedding(stations, d_model)
        nn.init.eye_(self.mix.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, grid: Tensor, station: Tensor) -> Tensor:              # (B, d, rows, columns), (B,)
        mixed = torch.einsum("bdrc,ed->berc", grid, self.mix.weight)
        return mixed + self.shift(station)[:, :, None, None]


class TimesBlock(nn.Module):
    """Fold a sequence by its dominant periods, convolve in two dimensions, unfold, and add; equation (6).

    In the grid of period p a row is one period, so moving along a row is variation within a period and
    moving down a column is variation from period to period at one phase.
    """

    def __init__(self, d_model: int, d_ff: int, top_k: int, num_kernels: int, stations: int = 0):
        super().__init__()
        self.top_k = top_k
        self.modulation = StationModulation(d_model, stations) if stations else None
        self.conv = nn.Sequential(
            FusedInception(d_model, d_ff, num_kernels),
            nn.GELU(),
            FusedInception(d_ff, d_model, num_kernels),
        )

    def forward(self, h: Tensor, station: Tensor | None = None) -> Tensor:   # (B, T, d), (B,)
        periods, weights = dominant_periods(h, self.top_k)
        branches = [self.branch(h, period, station) for period in periods]
        return h + sum(w[:, None, None] * y for w, y in zip(weights.unbind(dim=1), branches))

    def branch(self, h: Tensor, period: int, station: Tensor | None) -> Tensor:
        batch, samples, channels = h.shape
        rows = -(-samples // period)                                         # ceil
        padded = F.pad(h, (0, 0, 0, rows * period - samples))                # zeros after the end
        grid = padded.reshape(batch, rows, period, channels).permute(0, 3, 1, 2)   # (B, d, rows, period)
        if self.modulation is not None:
            grid = self.modulation(grid, station)
        grid = self.conv(grid)
        return grid.permute(0, 2, 3, 1).reshape(batch, rows * period, channels)[:, :samples]


class TimesNetGen(nn.Module):
    """The autoencoder of TimesNet-Gen as published: TimesBlocks encode, one linear layer decodes.

    Parameters
    ----------
    samples : int
        Length T of a record; the learned position table has one row a sample.
    d_model, d_ff : int
        Channels of the sequence, and between the two convolutions of a block.
    top_k : int
        Periods a block looks for.
    num_kernels : int
        Convolutions of an inception layer: 6 means 1×1 to 11×11.
    blocks : int
        TimesBlocks; they share one LayerNorm, as in the public code.
    dropout : float
        Share of embedded values set to zero in training.
    stations : int
        Stations that the blocks are told apart by; 0 builds the unconditioned network of Phase 0.
    """

    def __init__(self, samples: int, d_model: int, d_ff: int, top_k: int, num_kernels: int, blocks: int = 2,
                 dropout: float = 0.1, stations: int = 0):
        super().__init__()
        if top_k > samples // 2:
            raise ValueError(f"top_k {top_k}: a record of {samples} samples has only {samples // 2} periods to choose from")
        self.arguments = dict(samples=samples, d_model=d_model, d_ff=d_ff, top_k=top_k,
                              num_kernels=num_kernels, blocks=blocks, dropout=dropout, stations=stations)
        self.embedding = nn.Linear(3, d_model)
        self.position = nn.Parameter(torch.randn(samples, d_model))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(TimesBlock(d_model, d_ff, top_k, num_kernels, stations) for _ in range(blocks))
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, 3)

    def encode(self, x: Tensor, station: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Records (B, 3, T) [cm/s²] to latent codes z (B, T, d), with their means and scales (B, 3, 1).

        `station` (B,) are station numbers; they are required by a conditioned network and refused by one
        without stations.
        """
        stations = self.arguments["stations"]
        if (station is None) == bool(stations):
            raise ValueError("this network has station modulation: give the station numbers" if stations
                             else "this network was built without stations: it takes no station numbers")
        mean, scale = moments(x)
        h = ((x - mean) / scale).transpose(1, 2)                             # (B, T, 3), equation (1)
        h = self.dropout(self.embedding(h) + self.position)                  # (B, T, d)
        for block in self.blocks:
            h = self.norm(block(h, station))
        return h, mean, scale

    def decode(self, z: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Latent codes (B, T, d) to records (B, 3, T) [cm/s²]: one linear layer a sample; equation (7)."""
        return self.head(z).transpose(1, 2) * scale + mean

    def forward(self, x: Tensor, station: Tensor | None = None, noise_std: Tensor | None = None) -> Tensor:
        """Reconstruct records (B, 3, T); with `noise_std` (d,), from codes blurred by Gaussian noise."""
        z, mean, scale = self.encode(x, station)
        if noise_std is not None:
            z = z + torch.randn_like(z) * noise_std
        return self.decode(z, mean, scale)

    def with_stations(self, stations: int) -> TimesNetGen:
        """A station-conditioned copy that starts as exactly the same function."""
        with torch.random.fork_rng(devices=[]):                              # the copy's first values are replaced
            network = TimesNetGen(**{**self.arguments, "stations": stations})
        network.to(self.position)                                            # same device and precision
        missing, unexpected = network.load_state_dict(self.state_dict(), strict=False)
        assert not unexpected and all(".modulation." in name for name in missing)
        return network


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and scale of each component of each record, both (B, 3, 1); equation (1).

    The scale is sqrt(variance + 1e-5), with the biased variance, as in the public code.
    """
    mean = x.mean(dim=-1, keepdim=True)
    return mean, torch.sqrt(x.var(dim=-1, keepdim=True, unbiased=False) + 1e-5)
