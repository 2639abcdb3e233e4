"""TimesNet-Gen's network: fused inception, TimesBlock, station modulation, bottleneck, autoencoder.

Equations are numbered as on the book's method page.  Inside the network a sequence is channels-last,
(B, T, d); records enter and leave as (B, 3, T) in cm/s².  `TimesNetGen` comes in two configurations that
share every block: as *published* in the authors' code, and as *described* in their text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from tng import dealing, periods
from tng.periods import PERIOD_CHOICES


WIDE = 48            # channels from which a processor convolves faster if the values of a channel lie side by side; in double precision always


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
    to d with a 1×1 convolution.  That acts on each point by itself, so it may be done before folding; and on
    a one-hot code it is one vector a station.  It starts as the identity: a pre-trained network without
    stations keeps its function when the modulation is added.
    """

    def __init__(self, d_model: int, stations: int):
        super().__init__()
        self.mix = nn.Linear(d_model, d_model, bias=False)
        self.shift = nn.Embedding(stations, d_model)
        nn.init.eye_(self.mix.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, h: Tensor, station: Tensor) -> Tensor:                 # (B, L, d), (B,)
        return self.mix(h) + self.shift(station)[:, None]


class TimesBlock(nn.Module):
    """Fold a sequence by its dominant periods, convolve in two dimensions, unfold, and add; equation (6).

    In the grid of period p a row is one period, so moving along a row is variation within a period and
    moving down a column is variation from period to period at one phase.

    `period_choice` is ``batch`` (one list a batch, as published: a record's code then depends on the records
    beside it), ``sample`` (each record its own), or ``corpus`` (`fixed`, whatever comes in).
    """

    def __init__(self, d_model: int, d_ff: int, top_k: int, num_kernels: int, stations: int = 0,
                 period_choice: str = "batch", fixed: tuple[int, ...] = ()):
        super().__init__()
        self.top_k, self.period_choice, self.fixed, self.recompute = top_k, period_choice, fixed, False
        self.modulation = StationModulation(d_model, stations) if stations else None
        self.conv = nn.Sequential(
            FusedInception(d_model, d_ff, num_kernels),
            nn.GELU(),
            FusedInception(d_ff, d_model, num_kernels),
        )

    def forward(self, h: Tensor, station: Tensor | None = None) -> Tensor:   # (B, T, d), (B,)
        out = h
        for period, records, weights in self.folds(h):
            if records is None:
                out = out + weights[:, None, None] * self.branch(h, period, station)
            else:                                                            # only some records have this period
                numbers = None if station is None else station[records]
                update = weights[:, None, None] * self.branch(h[records], period, numbers)
                out = out.index_add(0, records, update.to(out.dtype))
        return out

    def folds(self, h: Tensor) -> list[periods.Fold]:
        """The periods to fold by, for which records, with which weights."""
        if self.period_choice == "corpus":
            return periods.of_corpus(h, self.fixed)
        choose = periods.of_batch if self.period_choice == "batch" else periods.of_each_record
        return choose(h, self.top_k)

    def branch(self, h: Tensor, period: int, station: Tensor | None) -> Tensor:
        if self.recompute and torch.is_grad_enabled():                       # keep nothing of it for the backward pass
            return checkpoint(self._branch, h, period, station, use_reentrant=False)
        return self._branch(h, period, station)

    def _branch(self, h: Tensor, period: int, station: Tensor | None) -> Tensor:
        batch, samples, channels = h.shape
        rows = -(-samples // period)                                         # ceil
        if rows * period > samples:
            h = F.pad(h, (0, 0, 0, rows * period - samples))                 # zeros after the end
        if self.modulation is not None:
            h = self.modulation(h, station)
        grid = h.reshape(batch, rows, period, channels).permute(0, 3, 1, 2)  # (B, d, rows, period)
        if h.device.type == "cpu" and (channels >= WIDE or h.dtype == torch.float64):
            grid = grid.contiguous()
        grid = self.conv(grid)
        return grid.permute(0, 2, 3, 1).reshape(batch, rows * period, channels)[:, :samples]


class Bottleneck(nn.Module):
    """A code of `latent` numbers every `stride` samples, (B, ceil(T / stride), latent), and back to (B, T, d); equation (8)."""

    def __init__(self, samples: int, d_model: int, latent: int, stride: int):
        super().__init__()
        self.samples, self.d_model, self.stride = samples, d_model, stride
        self.narrow = nn.Linear(stride * d_model, latent)
        self.widen = nn.Linear(latent, stride * d_model)

    def down(self, h: Tensor) -> Tensor:
        h = F.pad(h, (0, 0, 0, -self.samples % self.stride))
        return self.narrow(h.reshape(len(h), -1, self.stride * self.d_model))

    def up(self, z: Tensor) -> Tensor:
        return self.widen(z).reshape(len(z), -1, self.d_model)[:, :self.samples]


class TimesNetGen(nn.Module):
    """The autoencoder of TimesNet-Gen.

    *Published* (the defaults): TimesBlocks encode, one linear layer decodes, the code has d channels at every
    sample, no station enters.  *Described* in the paper's text: a latent bottleneck (`latent`), TimesBlocks in
    the decoder too (`decoder_blocks`), and the station in every block (`stations`, see `with_stations`).

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
        TimesBlocks of the encoder; they share one LayerNorm, as in the public code.
    dropout : float
        Share of embedded values set to zero in training.
    stations : int
        Stations that the blocks are told apart by; 0 builds the unconditioned network of Phase 0.
    latent, latent_stride : int
        Numbers of the bottleneck, one set every so many samples; 0: no bottleneck.
    decoder_blocks : int
        TimesBlocks of the decoder.
    period_choice : str
        ``batch``, ``sample`` or ``corpus``; see `TimesBlock`.
    periods : tuple of int
        For ``corpus``: the periods of every block [samples].

    Attributes
    ----------
    recompute : bool
        Gradient checkpointing: grids are computed again in the backward pass instead of being kept.
    """

    def __init__(self, samples: int, d_model: int, d_ff: int, top_k: int, num_kernels: int, blocks: int = 2,
                 dropout: float = 0.1, stations: int = 0, latent: int = 0, latent_stride: int = 8, decoder_blocks: int = 0,
                 period_choice: str = "batch", periods: tuple[int, ...] = ()):
        super().__init__()
        _check(samples, top_k, period_choice, periods)
        self.arguments = dict(samples=samples, d_model=d_model, d_ff=d_ff, top_k=top_k, num_kernels=num_kernels, blocks=blocks,
                              dropout=dropout, stations=stations, latent=latent, latent_stride=latent_stride,
                              decoder_blocks=decoder_blocks, period_choice=period_choice, periods=list(periods))

        def block():
            return TimesBlock(d_model, d_ff, top_k, num_kernels, stations, period_choice, tuple(periods))

        self.embedding = nn.Linear(3, d_model)
        self.position = nn.Parameter(torch.randn(samples, d_model))
        self.blocks = nn.ModuleList(block() for _ in range(blocks))
        self.norm = nn.LayerNorm(d_model)
        self.bottleneck = Bottleneck(samples, d_model, latent, latent_stride) if latent else None
        self.decoder_blocks = nn.ModuleList(block() for _ in range(decoder_blocks))
        self.decoder_norm = nn.LayerNorm(d_model) if decoder_blocks else None
        self.head = nn.Linear(d_model, 3)

    def encode(self, x: Tensor, station: Tensor | None = None, seeds: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Records (B, 3, T) [cm/s²] to codes z (B, T, d), or (B, ceil(T/stride), latent), with means and scales (B, 3, 1).

        `station` (B,) are station numbers; they are required by a conditioned network and refused by one
        without stations.  `seeds` (B,) are those of the records' random numbers in training.
        """
        self._check_station(station)
        mean, scale = moments(x)
        with periods.full_precision(x):                                       # half precision would add noise to the record itself
            h = self.embedding(((x - mean) / scale).transpose(1, 2)) + self.position      # (B, T, d), equation (1)
        h = self._drop(h, seeds)
        for block in self.blocks:
            h = self.norm(block(h, station))
        return (self.bottleneck.down(h) if self.bottleneck else h), mean, scale

    def decode(self, z: Tensor, mean: Tensor, scale: Tensor, station: Tensor | None = None) -> Tensor:
        """Codes to records (B, 3, T) [cm/s²].

        As published, one linear layer a sample, equation (7); with a bottleneck and decoder blocks through those first.
        """
        self._check_station(station, of_decoder=True)
        h = self.bottleneck.up(z) if self.bottleneck else z
        for block in self.decoder_blocks:
            h = self.decoder_norm(block(h, station))
        with periods.full_precision(mean):
            return self.head(h.to(self.head.weight.dtype)).transpose(1, 2) * scale + mean

    def forward(self, x: Tensor, station: Tensor | None = None, noise_std: Tensor | None = None,
                seeds: Tensor | None = None) -> Tensor:
        """Reconstruct records (B, 3, T); with `noise_std` (code_width,), from codes blurred by Gaussian noise."""
        z, mean, scale = self.encode(x, station, seeds)
        if noise_std is not None:
            z = z.to(noise_std.dtype)                                         # half precision where it is safe: not here
            noise = torch.randn_like(z) if seeds is None else dealing.normal(seeds, z.shape[1:], z, stream=1)
            z = z + noise * noise_std
        return self.decode(z, mean, scale, station if self.decoder_blocks else None)

    @property
    def code_width(self) -> int:
        """Channels of a code."""
        return self.arguments["latent"] or self.arguments["d_model"]

    @property
    def linear_decoder(self) -> bool:
        """Whether decoding is one linear map a sample, so that an average of codes is an average of records."""
        return not (self.bottleneck or self.decoder_blocks)

    @property
    def all_blocks(self) -> list[TimesBlock]:
        return [*self.blocks, *self.decoder_blocks]

    @property
    def recompute(self) -> bool:
        return any(block.recompute for block in self.all_blocks)

    @recompute.setter
    def recompute(self, value: bool) -> None:
        for block in self.all_blocks:
            block.recompute = value

    def compile_blocks(self) -> None:
        """Compile the convolutions, where nearly all of the work is; parameters keep their names."""
        for block in self.all_blocks:
            block.conv.compile(dynamic=True)                                 # grids change with the period and the batch

    def with_stations(self, stations: int) -> TimesNetGen:
        """A station-conditioned copy that starts as exactly the same function."""
        with torch.random.fork_rng(devices=[]):                              # the copy's first values are replaced
            network = TimesNetGen(**{**self.arguments, "stations": stations})
        network.to(self.position)                                            # same device and precision
        missing, unexpected = network.load_state_dict(self.state_dict(), strict=False)
        assert not unexpected and all(".modulation." in name for name in missing)
        return network

    def _drop(self, h: Tensor, seeds: Tensor | None) -> Tensor:
        share = self.arguments["dropout"]
        if not self.training or share == 0:
            return h
        return F.dropout(h, share) if seeds is None else h * dealing.keep(seeds, h.shape[1:], h, share)

    def _check_station(self, station: Tensor | None, of_decoder: bool = False) -> None:
        wanted = bool(self.arguments["stations"]) and (bool(self.decoder_blocks) or not of_decoder)
        if (station is not None) != wanted:
            raise ValueError("this network has station modulation: give the station numbers" if wanted
                             else "this network was built without stations" + " in its decoder" * of_decoder + ": it takes no station numbers")


@contextmanager
def each_alone(network: nn.Module) -> Iterator[None]:
    """Inside, a network encodes every record as if it were alone in its batch, however many come at a time."""
    changed = [m for m in network.modules() if isinstance(m, TimesBlock) and m.period_choice == "batch"]
    for block in changed:
        block.period_choice = "sample"
    try:
        yield
    finally:
        for block in changed:
            block.period_choice = "batch"


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and scale of each component of each record, both (B, 3, 1); equation (1).

    The scale is sqrt(variance + 1e-5), with the biased variance, as in the public code.
    """
    mean = x.mean(dim=-1, keepdim=True)
    return mean, torch.sqrt(x.var(dim=-1, keepdim=True, unbiased=False) + 1e-5)


def _check(samples: int, top_k: int, period_choice: str, fixed: tuple[int, ...]) -> None:
    if top_k > samples // 2:
        raise ValueError(f"top_k {top_k}: a record of {samples} samples has only {samples // 2} periods to choose from")
    if period_choice not in PERIOD_CHOICES:
        raise ValueError(f"period_choice {period_choice!r}: known are {', '.join(PERIOD_CHOICES)}")
    if (period_choice == "corpus") != bool(fixed):
        raise ValueError("period_choice 'corpus' takes its periods from the corpus: give them" if not fixed
                         else f"periods are fixed only with period_choice 'corpus', not {period_choice!r}")
    if any(not 1 <= p <= samples for p in fixed) or len(set(fixed)) < len(fixed):
        raise ValueError(f"periods {list(fixed)}: different whole numbers from 1 to {samples} samples are needed")
