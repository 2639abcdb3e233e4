"""Which descriptions occur: the law of source, path and site from which new ones are drawn.

A record's description is a row u of numbers (`numbers_of`).  Under the law, equation (16),

    u = station + regression on what drives the record + Gaussian scatter.

Magnitude and ln distance drive it where they are known, else the record's own strength.  The regression, the scatter and how
stations differ are common to all stations; a station adds only its own mean, noise and filter (:mod:`tng.generators.station`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from tng import stochastic
from tng.descriptions import LEAST_LAG_S, Description

DRIVERS = ("magnitude", "ln_distance_km")
STRENGTH = ("strength",)            # drives the record where magnitude or distance is not known
KNOWN = 0.9                         # of the records must have both, for these to drive
RIDGE = 1e-2                        # on standardised drivers, in records
STIFF = 1e3                         # the same where physics says most: what few strong records add to it must not run away beyond them
MANY_STATIONS = 8                   # from which on the differences of stations say something of a new one
OWN_DIAGONAL = 0.2                  # of the covariance between stations that is taken as independent: they are few
STRESS_BAR, KAPPA_S = 100.0, 0.04   # of the physical spectrum
POLARISATION = 6
LN_VS30 = math.log(400.0)            # at which the prior of a station with known Vs30 stands


class LawError(ValueError):
    """Records from which no law can be learned, or a wish that it cannot grant; the message says why."""


@dataclass
class Layout:
    """Where what stands in a row of numbers."""

    bands: int
    latent: int

    @property
    def sizes(self) -> list[int]:
        return [3 * self.bands, 1, 1, POLARISATION, 1, self.latent]

    @property
    def polarisation(self) -> slice:
        """Which numbers are the polarisation."""
        return slice(sum(self.sizes[:3]), sum(self.sizes[:4]))

    def parts(self, u: Tensor) -> list[Tensor]:
        """ln power (B, bands, 3), ln S-P lag, ln duration, ln noise (B, 1 each), polarisation (B, 6), w: in the order of the row."""
        power, *others = u.split(self.sizes, dim=1)
        return [power.unflatten(1, (self.bands, 3)), *others]

    def contrasts(self) -> tuple[Tensor, list[Tensor]]:
        """A matrix (numbers, numbers) of which rows are numbers of one kind, and the kinds: which rows they have.

        Of each band the level, E to N, and horizontal to vertical; the other numbers as they are, kind by kind.
        """
        of_band = torch.tensor([[1 / 3, 1 / 3, 1 / 3], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]], dtype=torch.float64)
        matrix = torch.block_diag(torch.kron(torch.eye(self.bands, dtype=torch.float64), of_band),
                                  torch.eye(sum(self.sizes[1:]), dtype=torch.float64))
        rows = torch.arange(len(matrix)).split(self.sizes)
        return matrix, [*(rows[0][kind::3] for kind in range(3)), *rows[1:]]


def numbers_of(known: Description, w: Tensor, ln_noise: Tensor) -> Tensor:
    """Descriptions as rows (B, numbers): ln power, ln S-P lag, ln duration, polarisation, noise relative to `ln_noise` of the station, w."""
    p, s, duration = known.onsets.unbind(dim=1)
    louder = (known.ln_noise - ln_noise).flatten(1).median(dim=1).values
    return torch.cat([known.ln_power.flatten(1), torch.log((s - p).clamp(min=LEAST_LAG_S))[:, None], torch.log(duration)[:, None],
                      known.polarisation, louder[:, None], w], dim=1)


@dataclass
class Law:
    """The law of source and path; see the head of this module.

    Attributes
    ----------
    regression : (terms, numbers)
    centre, lowest, highest : (drivers,)
        Of the drivers in training; squares do not grow beyond.
    scatter : (numbers, numbers)
        Covariance of records of a station, given the drivers.
    prior : (3, numbers)
        Mean station, its change with ln Vs30, and what a station of 400 m/s has more than the mean one.
    between : (numbers, numbers)
        Covariance of stations.
    fine : (3, 3, nodes)
        Fine structure of the spectrum of the mean station; its variance between stations, and between records of one.
    physics : ()
        Share of the omega-squared spectrum that the regression starts from.
    steady : (2, 7)
        Offset and gain of ln duration and of the polarisation, with which they are measured on generated records as they were asked for.
    """

    regression: Tensor
    centre: Tensor
    lowest: Tensor
    highest: Tensor
    spread: Tensor
    scatter: Tensor
    prior: Tensor
    between: Tensor
    fine: Tensor
    physics: Tensor
    steady: Tensor

    def tensors(self) -> dict[str, Tensor]:
        return {f"law.{each.name}": getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Law:
        return cls(*(tensors[f"law.{each.name}"] for each in fields(cls)))

    @property
    def drivers(self) -> tuple[str, ...]:
        return DRIVERS if len(self.centre) == len(DRIVERS) else STRENGTH

    def terms(self, drivers: Tensor) -> Tensor:
        """Drivers (B, drivers) → linear and square terms (B, 2·drivers)."""
        linear = drivers - self.centre
        inside = torch.minimum(torch.maximum(drivers, self.lowest), self.highest) - self.centre
        return torch.cat([linear, inside * (2 * linear - inside)], dim=1)     # a parabola that goes on as its tangent

    def effect(self, drivers: Tensor, centres_hz: Tensor) -> Tensor:
        """What drivers add to a station's numbers (B, numbers)."""
        added = self.terms(drivers) @ self.regression
        if float(self.physics):
            power = self.physics * physical(drivers, self.centre, centres_hz)
            added = added + torch.nn.functional.pad(power.repeat_interleave(3, dim=1), (0, added.shape[1] - 3 * power.shape[1]))
        return added


def physical(drivers: Tensor, centre: Tensor, centres_hz: Tensor) -> Tensor:
    """ln power of an omega-squared source at a distance, relative to that of the central drivers (B, bands).

    Brune's spectrum with 100 bar and kappa 0.04 s, through the crust of :mod:`tng.stochastic` (Boore, 2003).
    """
    rows = torch.cat([drivers, centre[None]]).double().cpu().numpy()
    km = torch.as_tensor(stochastic.effective_distance_km(rows[:, 0], torch.exp(torch.as_tensor(rows[:, 1])).numpy())).numpy()
    spectrum = stochastic.rock_spectrum(centres_hz.double().cpu().numpy(), rows[:, :1], km[:, None], STRESS_BAR, KAPPA_S)
    ln_power = 2 * torch.log(torch.as_tensor(spectrum)).to(drivers)
    return ln_power[:-1] - ln_power[-1]


def drivers_of(numbers: Tensor, layout: Layout, magnitude: Tensor, distance_km: Tensor, by_source: bool) -> Tensor:
    """What drives each record (B, drivers); NaN where it is not known."""
    if by_source:
        return torch.stack([magnitude, torch.log(distance_km)], dim=1).to(numbers)
    return layout.parts(numbers)[0][:, :, :2].mean(dim=(1, 2))[:, None]


def learn(numbers: Tensor, drivers: Tensor, station: Tensor, layout: Layout, w_variance: Tensor, ln_vs30: Tensor, centres_hz: Tensor,
          fine: Tensor, physics: float = 0.0) -> tuple[Law, Tensor]:
    """Fit the law to records (B, numbers) of numbered stations; returns it and each station's mean (stations, numbers).

    Parameters
    ----------
    w_variance : (latent,)
        What the network leaves open of w, on average: part of the scatter.
    ln_vs30 : (stations,)
        NaN where it is not known.

    Raises
    ------
    LawError
        For too few records.
    """
    known = torch.isfinite(drivers).all(dim=1)
    count = int(station.max()) + 1
    terms = 2 * drivers.shape[1]
    if int(known.sum()) < count + terms + 2:
        raise LawError(f"{int(known.sum())} records of {count} stations with known magnitude and distance are too few for the law of source and path; "
                       "add records, or leave magnitudes away")
    numbers, drivers, station = numbers[known], drivers[known], station[known]
    nothing = numbers.new_zeros(terms, numbers.shape[1])
    centre = drivers.mean(dim=0)
    law = Law(nothing, centre, drivers.amin(dim=0), drivers.amax(dim=0), (drivers - _means(drivers, station, count)[station]).std(dim=0),
              nothing.new_zeros(numbers.shape[1], numbers.shape[1]), nothing.new_zeros(3, numbers.shape[1]), nothing.new_zeros(numbers.shape[1], numbers.shape[1]),
              fine, numbers.new_tensor(physics), torch.stack([torch.zeros(7), torch.ones(7)]).to(numbers))
    rest = numbers - law.effect(drivers, centres_hz)
    x = law.terms(drivers)
    centred, y = x - _means(x, station, count)[station], rest - _means(rest, station, count)[station]
    size = centred.std(dim=0)

    def fitted(ridge: float) -> Tensor:
        return torch.linalg.solve(centred.T @ centred + torch.diag(ridge * size**2 + 1e-12), centred.T @ y)

    law.regression = fitted(RIDGE)
    if physics:                                              # it says how strong a record is, nothing of onsets and durations
        law.regression[:, :layout.sizes[0]] = fitted(RIDGE + STIFF * physics)[:, :layout.sizes[0]]
    scatter = y - centred @ law.regression
    law.scatter = scatter.T @ scatter / max(1, len(y) - count - terms)
    law.scatter[-layout.latent:, -layout.latent:] += torch.diag(w_variance)
    stations = _means(numbers - law.effect(drivers, centres_hz), station, count)
    law.prior, law.between = _differences(stations, station, law.scatter, ln_vs30)
    return law, stations


def _means(values: Tensor, station: Tensor, count: int) -> Tensor:
    number = torch.bincount(station, minlength=count).clamp(min=1)
    return values.new_zeros(count, values.shape[1]).index_add(0, station, values) / number[:, None]


def _differences(stations: Tensor, station: Tensor, scatter: Tensor, ln_vs30: Tensor) -> tuple[Tensor, Tensor]:
    """Mean station, its change with ln Vs30, and the covariance of stations; of few stations nothing is concluded (zero covariance)."""
    count = len(stations)
    mean, slope, usual = stations.mean(dim=0), torch.zeros_like(stations[0]), torch.zeros_like(stations[0])
    given = torch.isfinite(ln_vs30)
    if int(given.sum()) >= MANY_STATIONS:
        x = ln_vs30[given] - ln_vs30[given].mean()
        slope = x @ (stations[given] - stations[given].mean(dim=0)) / (x @ x + 0.2)              # 0.2: as much as a few stations say
        usual = stations[given].mean(dim=0) - mean + slope * (LN_VS30 - ln_vs30[given].mean())
    prior = torch.stack([mean, slope, usual])
    if count < MANY_STATIONS:
        return prior, torch.zeros_like(scatter)
    away = stations - mean
    own = scatter * (1 / torch.bincount(station, minlength=count).clamp(min=1)).mean()           # what few records add to it
    covariance = away.T @ away / (count - 1)
    diagonal = torch.diagonal(covariance - own).clamp(min=0.05 * torch.diagonal(covariance))
    return prior, (1 - OWN_DIAGONAL) * covariance + OWN_DIAGONAL * torch.diag(diagonal)
