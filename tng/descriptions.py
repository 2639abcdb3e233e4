"""What a record is like, in numbers that do not know its phase: strength in each band, onsets, duration, noise, polarisation.

A `Description` says enough of a record to make another one like it: noise that is shaped so as to have the same description
(:mod:`tng.generators.shaped_noise`) is a new record of the same kind.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from tng.envelopes import Bands, Cells

LEAST_LAG_S = 0.4             # from P to S
DURATIONS_S = 0.6, 25.0       # in which durations are held
GUARD_S = 0.3                 # before P that does not count as noise: filters look ahead
SHARE = 0.75                  # of the horizontal energy after S: its arrival defines the duration
POLARISED_FOR = 1.2           # durations after S in which the S wave's polarisation is measured
MOST_CORRELATED = 0.97
TINY = 1e-12                  # (cm/s²)²: below any recorder's step


@dataclass
class Description:
    """Of B records; see :func:`describe`.

    Attributes
    ----------
    ln_power : (B, bands, 3)
        ln mean power over the window [ln (cm/s²)²].
    ln_noise : (B, bands, 3)
        The same before P.
    onsets : (B, 3)
        P onset, S onset, duration [s].
    polarisation : (B, 6)
        Of P and of S, each three numbers that make a correlation matrix; see :func:`mixing_matrix`.
    cells : (B, bands, 3, cells)
        Mean power in the cells, noise included.
    held : (B, cells)
        Whether the window holds the cell.
    """

    ln_power: Tensor
    ln_noise: Tensor
    onsets: Tensor
    polarisation: Tensor
    cells: Tensor
    held: Tensor

    def __len__(self) -> int:
        return len(self.onsets)

    def take(self, rows) -> Description:
        """Of some of the records."""
        return Description(*(getattr(self, each.name)[rows] for each in fields(self)))

    def to(self, like: Tensor) -> Description:
        """In the precision and on the device of a tensor."""
        return Description(*(value if value.dtype == torch.bool and value.device == like.device else
                             value.to(like.device) if value.dtype == torch.bool else value.to(like)
                             for value in (getattr(self, each.name) for each in fields(self))))

    @staticmethod
    def join(parts: list[Description]) -> Description:
        return Description(*(torch.cat([getattr(part, each.name) for part in parts]) for each in fields(Description)))


def describe(x: Tensor, arrivals_s: Tensor, bands: Bands, cells: Cells, at_once: int = 32) -> Description:
    """Describe records (B, 3, T) [cm/s²] whose P and S arrive at `arrivals_s` (B, 2) [s after the first sample]."""
    return Description.join([_describe(*both, bands, cells) for both in zip(x.split(at_once), arrivals_s.split(at_once))])


def _describe(x: Tensor, arrivals_s: Tensor, bands: Bands, cells: Cells) -> Description:
    time_s = cells.time_s
    last_s = float(time_s[-1])
    p = arrivals_s[:, 0].clamp(min=0, max=last_s - 4 * LEAST_LAG_S)
    s = torch.minimum(torch.maximum(arrivals_s[:, 1], p + LEAST_LAG_S), torch.full_like(p, last_s - 2 * LEAST_LAG_S))
    spectrum = bands.spectrum(x - x.mean(dim=-1, keepdim=True))
    parts = bands.record(spectrum[:, None] * bands.windows[:, None])
    power = parts**2
    noise = _noise(power, time_s, p, bands)
    duration = _duration((power[:, :, :2] - noise[:, :, :2, None]).sum(dim=(1, 2)), time_s, s)
    onsets = torch.stack([p, s, duration], dim=1)
    before = ((time_s >= p[:, None]) & (time_s < s[:, None])).to(x)
    after = ((time_s >= s[:, None]) & (time_s < (s + POLARISED_FOR * duration)[:, None])).to(x)
    total = bands.power(spectrum)
    clear = (total > 2 * noise).all(dim=2).to(x)                             # bands that stand above the noise
    polarisation = torch.cat([_polarisation(parts, weight, clear) for weight in (before, after)], dim=1)
    in_cells, held = cells.power(parts, onsets)
    return Description(torch.log(total + TINY), torch.log(noise + TINY), onsets, polarisation, in_cells, held)


def _noise(power: Tensor, time_s: Tensor, p: Tensor, bands: Bands) -> Tensor:
    """Mean power before P; with too little before it, the weakest tenth of the record's seconds."""
    early = (time_s < (p - GUARD_S)[:, None]).to(power)
    seconds = early.sum(dim=1) / bands.rate_hz
    mean = torch.einsum("bfct,bt->bfc", power, early) / early.sum(dim=1).clamp(min=1)[:, None, None]
    whole = int(bands.rate_hz)
    each = power[..., :power.shape[-1] // whole * whole].unflatten(-1, (-1, whole)).mean(dim=-1)
    quiet = torch.quantile(each, 0.1, dim=-1)
    return torch.where((seconds >= 1)[:, None, None], torch.minimum(mean, each.mean(dim=-1)), quiet)


def _duration(energy: Tensor, time_s: Tensor, s: Tensor) -> Tensor:
    """Time after S by which `SHARE` of the horizontal energy above the noise has come [s]."""
    arrived = (energy * (time_s >= s[:, None])).cumsum(dim=1)
    reached = arrived >= SHARE * arrived.amax(dim=1, keepdim=True)
    first = reached.to(torch.uint8).argmax(dim=1)
    return (time_s[first] - s).clamp(*DURATIONS_S)


def _polarisation(parts: Tensor, weight: Tensor, clear: Tensor) -> Tensor:
    """Correlation of the components in a stretch of time, every band with the same weight, as three numbers (B, 3)."""
    power = torch.einsum("bfct,bt->bfc", parts**2, weight)
    unit = parts / torch.sqrt(power + TINY)[..., None]
    matrix = torch.einsum("bfct,bfdt,bt,bf->bcd", unit, unit, weight, clear + 1e-3)
    size = torch.sqrt(torch.diagonal(matrix, dim1=1, dim2=2).clamp(min=TINY))
    return _partial(matrix / size[:, :, None] / size[:, None, :])


def _partial(matrix: Tensor) -> Tensor:
    en, ez, nz = (matrix[:, i, j].clamp(-MOST_CORRELATED, MOST_CORRELATED) for i, j in ((0, 1), (0, 2), (1, 2)))
    nz_given_e = (nz - en * ez) / torch.sqrt((1 - en**2) * (1 - ez**2))
    return torch.atanh(torch.stack([en, ez, nz_given_e.clamp(-MOST_CORRELATED, MOST_CORRELATED)], dim=1))


def mixing_matrix(numbers: Tensor) -> Tensor:
    """Matrices (B, 3, 3) that turn independent components into ones correlated as three numbers (B, 3) say.

    The numbers are Fisher's z of the correlations E–N and E–Z, and of the partial correlation N–Z given E: any three make
    a correlation matrix (Joe, 2006), of which this is the lower Cholesky factor.
    """
    en, ez, nz = torch.tanh(numbers).unbind(dim=1)
    zero, rest = torch.zeros_like(en), torch.sqrt(1 - ez**2)
    return torch.stack([torch.stack([zero + 1, zero, zero], dim=1),
                        torch.stack([en, torch.sqrt(1 - en**2), zero], dim=1),
                        torch.stack([ez, nz * rest, rest * torch.sqrt(1 - nz**2)], dim=1)], dim=1)
