"""The few numbers that a station is: what a new station has to be given, and all of it.

    mean          its mean description                       station noise   ln power of the noise in bands
    curve         its geometric mean spectrum, finely        catalogue       what drove its records, and when P arrived

They are learned from records in closed form, with what other stations have taught as the prior: equation (17).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from tng.envelopes import Bands
from tng.generators.source_and_path import Layout
from tng.generators.stretching import registered, shifted

NODES_PER_OCTAVE = 64
SHARPNESS = 2000.0          # of the smoothing exp(-2000 ln²(f/fc)) of a station's spectrum: a seventh as wide as HVSR's in standard deviations
LINES = 0.75                # of the record's own spectrum that smoothing is not finer than
DECONVOLVED = 10            # rounds that take the smoothing back
OWN_SCATTER = 100.0         # records at which a station's own scatter counts as much as that of all, rescaled
USUAL_SIZE = 20.0           # records at which the size of a station's scatter counts as much as that of all


@dataclass
class Station:
    """What is known of a station.

    Attributes
    ----------
    mean : (numbers,)
    scatter : (numbers, numbers)
    curve : (3, nodes)
        ln amplitude, fine structure included.
    ln_noise : (bands, 3)
    catalogue : (records, drivers)
    p_onsets : (records,) [s]
    polarised : (records, 6)
        Polarisation of its records, as far as the law does not explain it.
    wander : ()
        Standard deviation of ln frequency by which horizontal resonances move from record to record; ten records find most of it.
    """

    mean: Tensor
    scatter: Tensor
    curve: Tensor
    ln_noise: Tensor
    catalogue: Tensor
    p_onsets: Tensor
    polarised: Tensor
    wander: Tensor

    def tensors(self, number: int) -> dict[str, Tensor]:
        return {f"station.{number}.{each.name}": getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], number: int) -> Station:
        return cls(*(tensors[f"station.{number}.{each.name}"] for each in fields(cls)))

    def to(self, like: Tensor) -> Station:
        return Station(*(getattr(self, each.name).to(like) for each in fields(self)))


class Nodes:
    """Frequencies of a station's curve, 64 an octave; matrices that smooth a spectrum to them and interpolate between them."""

    def __init__(self, bands: Bands):
        lowest, highest = float(bands.centres_hz[0]) / 1.5, 0.49 * bands.rate_hz
        count = 1 + round(NODES_PER_OCTAVE * math.log2(highest / lowest))
        self.ln_hz = torch.linspace(math.log(lowest), math.log(highest), count, dtype=torch.float64).to(bands.ln_hz)
        width = torch.clamp(2 * LINES * torch.exp(bands.ln_hz[1]) / torch.exp(self.ln_hz), min=(2 * SHARPNESS) ** -0.5)
        kernel = torch.exp(-0.5 * ((bands.ln_hz - self.ln_hz[:, None]) / width[:, None]) ** 2)
        self.smoothing = kernel / kernel.sum(dim=1, keepdim=True)                        # (nodes, frequencies)
        self.step = float(self.ln_hz[-1] - self.ln_hz[0]) / (count - 1)
        self.independent = (self.step / (2 * math.sqrt(math.pi) * width)).clamp(max=1)   # numbers that a node stands for
        at = (bands.ln_hz.clamp(self.ln_hz[0], self.ln_hz[-1]) - self.ln_hz[0]) / self.step
        left = at.floor().long().clamp(max=len(self.ln_hz) - 2)
        self.between = torch.zeros(len(self.ln_hz), len(bands.ln_hz)).to(at)
        every = torch.arange(len(at), device=at.device)
        self.between[left, every], self.between[left + 1, every] = 1 - (at - left), at - left     # (nodes, frequencies)
        self.bands_at = bands.share @ self.smoothing.T                                   # (bands, nodes)
        self.share = bands.share

    def ln_spectra(self, x: Tensor, bands: Bands, at_once: int = 64) -> Tensor:
        """ln smoothed amplitude of records (B, 3, T) at the nodes (B, 3, nodes)."""
        return torch.cat([torch.log(bands.spectrum(some - some.mean(dim=-1, keepdim=True)).abs() @ self.smoothing.T + 1e-12)
                          for some in x.split(at_once)])

    def fine(self, ln_spectra: Tensor, ln_power: Tensor) -> Tensor:
        """What spectra have beyond the power of their bands (B, 3, nodes)."""
        return ln_spectra - torch.einsum("bfc,fk->bck", ln_power, self.bands_at) / 2

    def registered(self, fine: Tensor) -> tuple[Tensor, float]:
        """How much each record's resonances are higher than usual (records,) [ln f], and the standard deviation of that."""
        return registered(fine[:, :2], self.independent, self.step)

    def stretched(self, curve: Tensor, by: Tensor) -> Tensor:
        """Curves (B or 1, 3, nodes) whose horizontal resonances are moved by `by` (B,) [ln f]: (B, 3, nodes)."""
        return torch.cat([shifted(curve[:, :2], by, self.step), curve[:, 2:].expand(len(by), -1, -1)], dim=1)

    def moved_power(self, curve: Tensor, by: Tensor) -> Tensor:
        """What ln power of bands has more when the resonances of a curve (3, nodes) are moved (B, bands, 3)."""
        def ln_power(of: Tensor) -> Tensor:
            return torch.log(torch.einsum("bck,fk->bfc", torch.exp(2 * of @ self.between), self.share))

        return ln_power(self.stretched(curve[None], by)) - ln_power(curve[None])

    def sharpened(self, curve: Tensor) -> Tensor:
        """The curve (3, nodes) that gives this one when it is smoothed."""
        found = curve
        for _ in range(DECONVOLVED):
            found = found + curve - torch.log(torch.exp(found @ self.between) @ self.smoothing.T)
        return found


def posterior(mean: Tensor, records: float, scatter: Tensor, prior: Tensor, between: Tensor) -> Tensor:
    """A station's mean numbers, from the mean of its records and what is known of stations; equation (17).

    Scatter has common parts: a station whose few records happen to be polarised or near is told by that how its mean H/V is off.
    Without knowledge of stations (`between` is zero) it is the mean of the records.
    """
    if not bool(between.any()) or records == 0:
        return mean if records else prior
    between, scatter = between.double(), scatter.double()
    gain = torch.linalg.solve(between + scatter / records + 1e-9 * torch.diag(1 + torch.diagonal(scatter)), between)      # transposed
    return prior + (mean - prior) @ gain.to(mean)


def shrunk_fine(fine: Tensor, records: int, variances: Tensor) -> Tensor:
    """A station's fine structure (3, nodes), drawn towards that of all stations as its records leave it uncertain."""
    usual, between, within = variances
    return usual + (fine - usual) * between / (between + within / records).clamp(min=1e-12)


def own_scatter(rest: Tensor, common: Tensor, layout: Layout, w_variance: Tensor) -> Tensor:
    """Covariance of a station's records (numbers, numbers): that of all stations, kind by kind more or less, as its own records scatter;
    the more there are, the more it is wholly their own.

    Parameters
    ----------
    rest : (records, numbers)
        What the law does not explain of the station's records.
    w_variance : (latent,)
        What the network leaves open of w, on average: records scatter by that too.
    """
    if len(rest) < 3:
        return common
    away = (rest - rest.mean(dim=0)).double()                          # covariances of few records are singular: single precision makes them worse
    own = away.T @ away / (len(rest) - 1)
    own[-layout.latent:, -layout.latent:] += torch.diag(w_variance.double())
    weight = len(rest) / (len(rest) + OWN_SCATTER)
    return (weight * own + (1 - weight) * rescaled(own, len(rest) - 1, common.double(), layout)).to(rest)


def rescaled(own: Tensor, freedom: int, common: Tensor, layout: Layout) -> Tensor:
    """The common covariance with each kind of numbers (`Layout.contrasts`) larger or smaller, with correlations unchanged.

    A kind is as large as in the station's own covariance, whose `freedom` counts as much as `USUAL_SIZE` records that scatter as usual.
    So a site whose H/V varies little keeps that from few records on: a kind has many numbers, and one size.
    """
    matrix, kinds = layout.contrasts()
    matrix = matrix.to(own)
    mine, everybodys = torch.diagonal(matrix @ own @ matrix.T), matrix @ common @ matrix.T
    usual, size = torch.diagonal(everybodys), torch.ones(len(own)).to(own)
    for kind in kinds:
        times = (mine[kind] / usual[kind].clamp(min=1e-12)).mean()
        size[kind] = torch.sqrt((freedom * times + USUAL_SIZE) / (freedom + USUAL_SIZE))
    back = torch.linalg.inv(matrix)
    return back @ (size[:, None] * everybodys * size) @ back.T
