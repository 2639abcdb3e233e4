"""New records from noise: source and path shape it, the station filters it, and it is tuned to a description.

    description u  ~  station + regression on magnitude and distance + scatter                (16)
    envelope       =  TimesBlocks(w, onsets, duration)                                         (14)
    record         =  tune( station filter * sum over bands (envelope × noise of the band) ) + ambient noise      (18)

Nothing of a recorded waveform enters: what is kept of the training records is how strong, how long and how polarised they were.
Two records of the same description share no phase.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from tng import dealing
from tng.descriptions import mixing_matrix
from tng.envelopes import minimum_phase
from tng.generators import GeneratorError, as_records, require_station
from tng.generators.envelope_net import LEAST_SIGNAL, EnvelopeNet
from tng.generators.source_and_path import DRIVERS, Law
from tng.generators.station import Station
from tng.records import Record

SMOOTHED = 0.2              # of the drivers' spread by which a drawn one is moved, so that none is repeated
JITTER = 2e-5               # of variances: more than rounding to single precision takes from a covariance
LAST_S = 2.0                # S comes at least this long before the end
AT_ONCE = 32                # records
DURATIONS_S = 0.4, 40.0
MAGNITUDES, DISTANCES_KM = (2.0, 8.5), (1.0, 1000.0)
STREAMS = 10                # of the record's random numbers: the first; drivers, description, excitation, noise, stretch


class ShapedNoise:
    """Makes records for stations; see the head of this module.

    Parameters
    ----------
    network : EnvelopeNet
    law : Law
    stations : mapping
        Code → Station.
    """

    name = "shaped noise"

    def __init__(self, network: EnvelopeNet, law: Law, stations: Mapping[str, Station]):
        self.network, self.law, self.known = network.eval(), law, dict(stations)
        self.stations = list(self.known)
        like = next(network.parameters()).detach()
        self.bands, self.cells = network.grid(like)
        self.nodes, self.layout = network.nodes(like), network.layout
        self.rate_hz = network.arguments["rate_hz"]

    def sample(self, station: str, n: int, seed: int, magnitude: float | Sequence[float] | None = None,
               distance_km: float | Sequence[float] | None = None) -> list[Record]:
        """`n` new records of a station.

        Parameters
        ----------
        magnitude, distance_km : float or sequence of n, optional
            Of the earthquake, and hypocentral distance.  What is not given is as in the station's records; magnitude and distance are
            drawn together there, so give both or none.

        Raises
        ------
        GeneratorError
            For an unknown station, or magnitudes where the training records had none.

        Notes
        -----
        Record number i depends on the seed, the station and i only.
        """
        require_station(station, self.stations)
        asked = self._asked(n, magnitude, distance_km)
        seeds, turns = record_seeds(seed, station, n), places(seed, station, n)
        data = [self._draw(self.known[station], seeds[part], turns[part], None if asked is None else asked[part])
                for part in (slice(i, i + AT_ONCE) for i in range(0, n, AT_ONCE))]
        records = as_records(torch.cat(data).double().cpu().numpy() if n else np.empty((0, 3, self.bands.samples)), station, self.rate_hz, self.name, seed)
        if asked is not None:
            for record, (m, ln_km) in zip(records, asked.tolist()):
                record.meta.update(source_magnitude=round(m, 4), path_hyp_distance_km=round(math.exp(ln_km), 4))
        return records

    @property
    def trained_on(self) -> dict[str, tuple[float, float]]:
        """Ranges of magnitude and hypocentral distance [km] of the records that the law was learned from; empty if they were not known."""
        if self.law.drivers != DRIVERS:
            return {}
        (low_m, low_r), (high_m, high_r) = self.law.lowest.tolist(), self.law.highest.tolist()
        return {"magnitude": (low_m, high_m), "distance_km": (math.exp(low_r), math.exp(high_r))}

    def _asked(self, n: int, magnitude, distance_km) -> Tensor | None:
        if magnitude is None and distance_km is None:
            return None
        if magnitude is None or distance_km is None:
            raise GeneratorError("magnitude and distance_km go together: give both, or none to have them drawn as in the station's records")
        if self.law.drivers != DRIVERS:
            raise GeneratorError("this generator was trained on records without magnitudes and distances, so it cannot make them to order")
        if bool((self.law.highest <= self.law.lowest).any()):
            raise GeneratorError("all records that this generator was trained on have the same magnitude or distance, so it does not know what another one does")
        both = []
        for name, values, (low, high), unit in (("magnitude", magnitude, MAGNITUDES, ""), ("distance_km", distance_km, DISTANCES_KM, " km")):
            values = np.broadcast_to(np.asarray(values, dtype=float), (n,)) if np.ndim(values) == 0 else np.asarray(values, dtype=float)
            if values.shape != (n,):
                raise GeneratorError(f"{name}: {values.size} values for {n} records; one for each is needed, or one for all")
            if (wrong := ~((low <= values) & (values <= high))).any():
                raise GeneratorError(f"{name} {values[wrong][0]:g}{unit}: from {low:g} to {high:g}{unit} can be asked for")
            both.append(values)
        return torch.as_tensor(np.stack([both[0], np.log(both[1])], axis=1)).to(self.law.centre)

    @torch.no_grad()
    def _draw(self, station: Station, seeds: Tensor, turns: Tensor, drivers: Tensor | None) -> Tensor:
        """Records (B, 3, T) of new descriptions."""
        return self.make(station, *self.descriptions(station, seeds, turns, drivers), seeds)

    def descriptions(self, station: Station, seeds: Tensor, turns: Tensor, drivers: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """New numbers (B, numbers) and P onsets (B,) [s] of a station; `turns` (B, 3) in [0, 1) choose from its lists."""
        like, law = station.mean, self.law
        if drivers is None:
            drivers = smoothed(station.catalogue, turns[:, 0], dealing.normal(seeds, law.spread.shape, like, stream=STREAMS) * law.spread)
        p = station.p_onsets[(turns[:, 1] * len(station.p_onsets)).long()]
        scatter = steadied(station.scatter)
        away = dealing.normal(seeds, like.shape, like, stream=STREAMS + 1) @ torch.linalg.cholesky(scatter).T.to(like)
        polarised = smoothed(station.polarised, turns[:, 2], away[:, self.layout.polarisation])
        u = station.mean + law.effect(drivers, self.bands.centres_hz) + given(away, scatter, self.layout.polarisation, polarised)
        if bool(station.wander):
            u[:, :self.layout.sizes[0]] += self.nodes.moved_power(station.curve, self.shifts(station, seeds)).flatten(1)
        return u, p

    def make(self, station: Station, u: Tensor, p: Tensor, seeds: Tensor, shifts: Tensor | None = None) -> Tensor:
        """Records (B, 3, T) [cm/s²] with given numbers and P onsets, equation (18); differentiable.

        `shifts` (B,) [ln f] of the horizontal resonances are by default those that `descriptions` counts on.
        """
        bands, cells = self.bands, self.cells
        ln_power, ln_lag, ln_duration, polarisation, louder, w = self.layout.parts(u)
        offset, gain = self.law.steady
        duration = torch.exp(offset[0] + gain[0] * ln_duration[:, 0]).clamp(*DURATIONS_S)
        s = torch.minimum(p + torch.exp(ln_lag[:, 0]), torch.full_like(p, bands.samples / bands.rate_hz - LAST_S))
        onsets = torch.stack([p, torch.maximum(s, p + 0.1), duration], dim=1)
        ln_shape = self.network.decode(w, onsets)
        envelope = cells.amplitude(ln_shape - self.network.mean_level(ln_shape, onsets)[..., None], onsets)

        pieces = bands.pieces(dealing.normal(seeds, (3, bands.samples), u, stream=STREAMS + 2))
        after = (cells.time_s >= onsets[:, 1, None])[:, None, None]
        of_p, of_s = (mixing_matrix(numbers)[:, None] @ pieces for numbers in (offset[1:] + gain[1:] * polarisation).chunk(2, dim=1))
        shaped = (torch.where(after, of_s, of_p) * envelope).sum(dim=1)
        curve = station.curve[None]
        if bool(station.wander):
            curve = self.nodes.stretched(curve, self.shifts(station, seeds) if shifts is None else shifts)
        filtered = bands.spectrum(shaped) * minimum_phase(curve @ self.nodes.between, bands.padded)

        noise = self.noise(torch.minimum(station.ln_noise + louder[:, :, None], ln_power), seeds)       # no louder than the record
        power = torch.exp(ln_power)
        wanted = torch.log(torch.maximum(power - bands.power(bands.spectrum(noise)), LEAST_SIGNAL * power))
        cut = bands.spectrum(bands.record(filtered))                     # what rings beyond the window does not count
        missing = wanted - torch.log(bands.power(cut) + 1e-30)
        return bands.record(cut * minimum_phase(bands.gain(missing / 2), bands.padded)) + noise

    def shifts(self, station: Station, seeds: Tensor) -> Tensor:
        """By how much resonances of each record are moved (B,) [ln f]."""
        return station.wander * dealing.normal(seeds, (), station.curve, stream=STREAMS + 4)

    def noise(self, ln_noise: Tensor, seeds: Tensor) -> Tensor:
        """Ambient noise (B, 3, T) of a power in bands (B, bands, 3)."""
        bands = self.bands
        white = bands.spectrum(dealing.normal(seeds, (3, bands.samples), ln_noise, stream=STREAMS + 3))
        return bands.record(white * torch.exp(bands.gain(ln_noise - torch.log(bands.white)[:, None]) / 2))


def smoothed(catalogue: Tensor, chosen: Tensor, moved: Tensor) -> Tensor:
    """Drivers (B, drivers) like those of a catalogue, each moved a little, with the catalogue's spread."""
    centre = catalogue.mean(dim=0)
    one = catalogue[(chosen * len(catalogue)).long()]
    return centre + math.sqrt(1 - SMOOTHED**2) * (one - centre) + SMOOTHED * moved


def given(away: Tensor, covariance: Tensor, part: slice, values: Tensor) -> Tensor:
    """Draws (B, numbers) from a Gaussian, some numbers of which are replaced by given ones; the others follow as far as they are correlated."""
    follow = torch.linalg.solve(covariance[part, part], covariance[part])                       # (part, numbers): 1 on the part itself
    return away + (values - away[:, part]) @ follow.to(away)


def steadied(covariance: Tensor) -> Tensor:
    """A covariance that has a Cholesky factor even if it was learned from fewer records than it has rows."""
    covariance = covariance.double()
    return covariance + torch.diag(JITTER * torch.diagonal(covariance) + 1e-9)


def places(seed: int, station: str, n: int) -> Tensor:
    """Where in a station's lists n records look, (n, 3) in [0, 1): evenly spread however many there are, from a random start.

    A sequence of additions of the golden section, sqrt(2) and sqrt(3): a few records then have neither only strong nor only weak earthquakes.
    """
    start = np.random.default_rng([seed, *station.encode(), 7]).random(3)
    steps = np.array([(math.sqrt(5) - 1) / 2, math.sqrt(2) - 1, math.sqrt(3) - 1])
    return torch.from_numpy((start + np.arange(n)[:, None] * steps) % 1)


def record_seeds(seed: int, station: str, n: int) -> Tensor:
    """One number a record, from the seed, the station's code and the record's number."""
    return dealing.seeds_of([seed, *station.encode(), i] for i in range(n))
