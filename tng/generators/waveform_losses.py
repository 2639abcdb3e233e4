"""A short fine-tuning of the shaped-noise generator's network by losses on the waveforms that it makes; off by default.

The likelihood of Phase 0 (:func:`tng.generators.envelope_net.whittle`) sees spectra in cells of time.  Here the generator makes records, the
features of :class:`tng.features.Features` are taken of them and of the recorded ones, and :mod:`tng.losses` compares both as draws.
`benchmarks/ablation.py` asks what that earns.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tng import dealing, losses
from tng.config import nearest
from tng.corpus import Corpus
from tng.descriptions import Description
from tng.features import Features
from tng.generators.envelope_net import EnvelopeNet, whittle
from tng.generators.shaped_noise import ShapedNoise
from tng.generators.shaping import Learned
from tng.generators.source_and_path import Law, numbers_of
from tng.generators.station import Station
from tng.processes import TrainingError

OF_STATIONS = ("station_marginal", "station_swap")
NAMES = (*Features.NAMES, *OF_STATIONS, "whittle")
CURVES = ("log_spectrum", "narrow_spectrum", "log_hv", "husid")     # whose numbers go together
SEEN = "log_hv"                                                     # what a station's records are compared by
AT_A_TIME = 2                                                       # stations in a batch
STEEPEST = 1.0                                                      # norm to which a gradient is clipped


def fine_tune(network: EnvelopeNet, law: Law, measured: Learned, corpus: Corpus, stations: Mapping[str, Station], weights: Mapping[str, float],
              steps: int = 60, learning_rate: float = 5e-4, seed: int = 0, *, batch: int = 12, plain: bool = False) -> pd.DataFrame:
    """Move the network's parameters, in place and nothing else, to where records made from training records' own numbers look like these.

    Each step takes `batch` records of two stations, draws their w from the encoder's posterior, and makes two records of each description,
    which share no random number.  The law and the stations should be learned anew afterwards: w is another one then.

    Parameters
    ----------
    measured : Learned
        Training records.
    stations : mapping
        Code → Station, of all stations that are measured.
    weights : mapping
        Weights of losses by name: a feature (its energy score); ``station_marginal`` and ``station_swap``, energy distances of H/V curves,
        the latter of records made from the other station's numbers, moved by the difference of the stations; and ``whittle``, the loss of Phase 0.
    plain : bool
        Instead of energy scores plain mean errors, which reward averages: to show what the scores are for.

    Returns
    -------
    DataFrame
        A row a step: each loss before its weight, and ``total``.

    Raises
    ------
    ValueError
        For unknown names, weights that are negative or all zero, and numbers out of range.
    TrainingError
        For too few records or missing stations, and if a loss is no longer a finite number; the network is then as it was.
    """
    _check(weights, steps, learning_rate, batch, measured, stations)
    task = _Task(network, law, measured, corpus, stations, {name: weight for name, weight in weights.items() if weight}, plain)
    before = {name: value.detach().clone() for name, value in network.state_dict().items()}
    moved = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(moved, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    choice, rows = np.random.default_rng([seed, 21]), []
    for step in range(steps):
        chosen = task.choose(choice, batch)
        loss, each = losses.total(task.weights, task.parts(chosen, dealing.record_seeds(seed, step, measured.rows[chosen])))
        optimiser.zero_grad()
        loss.backward()
        steep = torch.nn.utils.clip_grad_norm_(moved, STEEPEST)
        if not (torch.isfinite(loss) and torch.isfinite(steep)):
            network.load_state_dict(before)
            raise TrainingError(f"step {step} of {steps}: the losses on waveforms are no longer finite ({each}); lower the learning rate")
        optimiser.step()
        schedule.step()
        rows.append(each | {"total": float(loss.detach())})
    optimiser.zero_grad()
    return pd.DataFrame(rows)


def _check(weights, steps: int, learning_rate: float, batch: int, measured: Learned, stations) -> None:
    for name, weight in weights.items():
        if name not in NAMES:
            raise ValueError(f"no loss {name!r}: {nearest(name, NAMES)}")
        if not 0 <= weight < float("inf"):
            raise ValueError(f"loss {name!r} has the weight {weight}; 0 or a positive number is needed")
    if not any(weights.values()):
        raise ValueError("no loss has a weight")
    if steps < 1 or batch < 2 * AT_A_TIME or not learning_rate > 0:
        raise ValueError(f"{steps} steps of {batch} records at learning rate {learning_rate}; at least 1 step of {2 * AT_A_TIME} and a positive rate are needed")
    if missing := [code for code in measured.codes if code not in stations]:
        raise TrainingError(f"station {missing[0]} is measured, but not among the learned ones: {nearest(missing[0], list(stations))}")
    counts = torch.bincount(measured.station, minlength=len(measured.codes))
    if len(counts) < AT_A_TIME or int(counts.min()) < 2:
        raise TrainingError(f"{len(counts)} stations with at least {int(counts.min()) if len(counts) else 0} records; {AT_A_TIME} stations of 2 records "
                            "are needed, since stations are compared")


class _Task:
    """What a step compares."""

    def __init__(self, network: EnvelopeNet, law: Law, measured: Learned, corpus: Corpus, stations: Mapping[str, Station],
                 weights: dict[str, float], plain: bool):
        self.maker, self.measured, self.corpus, self.weights, self.plain = ShapedNoise(network, law, stations), measured, corpus, weights, plain
        self.stations = [stations[code] for code in measured.codes]
        self.own = [np.flatnonzero((measured.station == number).numpy()) for number in range(len(measured.codes))]
        self.scored = [name for name in weights if name in Features.NAMES]
        self.needed = list(dict.fromkeys([*self.scored, *([SEEN] if any(name in weights for name in OF_STATIONS) else [])]))
        arguments, like = network.arguments, next(network.parameters())
        low_hz, high_hz = float(self.maker.bands.centres_hz[0]), float(self.maker.bands.centres_hz[-1])
        self.features = Features(arguments["samples"], arguments["rate_hz"], low_hz, high_hz, dtype=like.dtype).to(like.device)

    def choose(self, choice: np.random.Generator, batch: int) -> np.ndarray:
        """Records of a batch, the same number of each of two stations where they have so many."""
        two = choice.choice(len(self.own), AT_A_TIME, replace=False)
        return np.concatenate([choice.choice(self.own[number], min(batch // AT_A_TIME, len(self.own[number])), replace=False) for number in two])

    def parts(self, chosen: np.ndarray, seeds: Tensor) -> dict[str, Tensor]:
        """The losses by name."""
        some = self.measured.take(chosen)
        u, likelihood = self._numbers(some.known, some.station, seeds), {}
        if "whittle" in self.weights:
            likelihood["whittle"] = whittle(self.maker.network, some.known, seeds).mean()
        if not self.needed:
            return likelihood
        x = self._seen(torch.as_tensor(self.corpus.waveforms(some.rows)).to(u))
        a, b = (self._seen(self._made(u, some.station, some.known, seeds + turn, some.shifts)) for turn in (1, 2))
        found = {name: self._score(name, a[name], b[name], x[name]) for name in self.scored}
        if "station_marginal" in self.weights:
            found["station_marginal"] = losses.station_marginal(a[SEEN], x[SEEN], some.station)
        if "station_swap" in self.weights:
            u, asked_for = self._swapped(u, some.station)
            found["station_swap"] = losses.station_swap(self._seen(self._made(u, asked_for, some.known, seeds + 3))[SEEN], x[SEEN], asked_for, some.station)
        return found | likelihood

    def _numbers(self, known: Description, station: Tensor, seeds: Tensor) -> Tensor:
        """The records' own numbers, w drawn from the encoder's posterior."""
        mean, ln_variance = self.maker.network.encode(known)
        w = mean + torch.exp(ln_variance / 2) * dealing.normal(seeds, mean.shape[1:], mean, stream=4)
        return numbers_of(known, w, torch.stack([self.stations[number].ln_noise for number in station.tolist()]))

    def _made(self, u: Tensor, station: Tensor, known: Description, seeds: Tensor, shifts: Tensor | None = None) -> Tensor:
        """Records made with each row's station, in the order of the rows, with its own shift or a new one."""
        order, made = [], []
        for number in station.unique().tolist():
            rows = torch.nonzero(station == number)[:, 0]
            made.append(self.maker.make(self.stations[number], u[rows], known.onsets[rows, 0], seeds[rows], None if shifts is None else shifts[rows]))
            order.append(rows)
        return torch.cat(made)[torch.cat(order).argsort()]

    def _swapped(self, u: Tensor, station: Tensor) -> tuple[Tensor, Tensor]:
        """Each row's deviation from its own station's mean added to the other one's, and that station's number."""
        one, other = station.unique().tolist()
        asked_for = one + other - station
        means = torch.stack([each.mean for each in self.stations])
        return u - means[station] + means[asked_for], asked_for

    def _seen(self, x: Tensor) -> dict[str, Tensor]:
        return self.features(x, self.needed)

    def _score(self, name: str, a: Tensor, b: Tensor, x: Tensor) -> Tensor:
        norm = "curve" if name in CURVES else "each"
        if not self.plain:
            return losses.energy_score(a, b, x, norm)
        return (losses.energy_score(a, a, x, norm) + losses.energy_score(b, b, x, norm)) / 2      # without the scatter that is rewarded
