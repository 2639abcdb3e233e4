"""How the shaped-noise generator learns: Phase 0 on many stations, Phase 1 in closed form on one.

Phase 0 trains the network (:mod:`tng.generators.envelope_net`) and fits what is common to all stations, the law of source and path.  Phase 1
gives a station its few numbers (:mod:`tng.generators.station`) from as many records as there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tng import arrivals
from tng.config import Settings
from tng.corpus import Corpus
from tng.dealing import record_seeds
from tng.descriptions import Description, describe
from tng.envelopes import band_limits
from tng.generators import shaped_noise
from tng.generators.envelope_net import EnvelopeNet, whittle
from tng.generators.shaped_noise import ShapedNoise
from tng.generators.source_and_path import KNOWN, LN_VS30, Law, drivers_of, learn, numbers_of
from tng.generators.station import NODES_PER_OCTAVE, Station, own_scatter, posterior, shrunk_fine
from tng.processes import TrainingError, dtype_of
from tng.training import CorpusBatches, train

FEWEST = 3                   # records of a station
LEAST_STEPS = 400            # of a training: few records are gone through more often
ROUNDS, STEADYING = 3, 400   # of steadying, and records for each
STEP = 0.8                   # of what is found missing that a round makes up for
MOST_GAIN = 1.6              # of polarisation
NEAREST_KM = 1.0             # what is nearer counts as this far
DEAD = -25.0                 # of ln power [ln (cm/s²)²]: no recorder resolves it
SMOOTH = NODES_PER_OCTAVE // 4    # nodes to either side over which the variance of few stations' fine structure is averaged
LOUD = 3.0                   # times the noise: cells that count in it


@dataclass
class Learned:
    """Training records and what was measured on them."""

    rows: np.ndarray
    station: Tensor               # (records,) numbers
    codes: list[str]
    known: Description
    ln_spectra: Tensor            # (records, 3, nodes)
    magnitude: Tensor
    distance_km: Tensor
    ln_vs30: Tensor               # (stations,)
    shifts: Tensor                # (records,) of horizontal resonances [ln f]
    moved: Tensor                 # (records, bands, 3) what they add to ln power
    wander: Tensor                # (stations,) standard deviation of shifts

    def take(self, chosen: np.ndarray) -> Learned:
        """Some of the records, of the same stations."""
        index = torch.as_tensor(chosen)
        return replace(self, rows=self.rows[chosen], station=self.station[index], known=self.known.take(index), ln_spectra=self.ln_spectra[index],
                       magnitude=self.magnitude[index], distance_km=self.distance_km[index], shifts=self.shifts[index], moved=self.moved[index])

    def of(self, code: str) -> Learned:
        """The records of one station, as if there were no other."""
        number = self.codes.index(code)
        own = self.take(np.flatnonzero((self.station == number).numpy()))
        return replace(own, station=torch.zeros_like(own.station), codes=[code], ln_vs30=self.ln_vs30[[number]], wander=self.wander[[number]])


def measure(network: EnvelopeNet, corpus: Corpus, rows, at_once: int = 64) -> Learned:
    """Describe records of a corpus."""
    rows = np.asarray(rows)
    like = next(network.parameters()).detach().cpu()
    (bands, cells), nodes = network.grid(like), network.nodes(like)
    table = corpus.metadata.iloc[rows]
    codes = [code for code in corpus.stations if code in set(table["station_code"])]
    found = arrivals.of_corpus(corpus, rows)
    onsets = torch.tensor(found[["p_s", "s_s"]].to_numpy(dtype=float)).to(like)
    parts, spectra = [], []
    for start in range(0, len(rows), at_once):
        x = torch.as_tensor(corpus.waveforms(rows[start:start + at_once])).to(like)
        parts.append(describe(x, onsets[start:start + at_once], bands, cells))
        spectra.append(nodes.ln_spectra(x, bands))
    number = {code: i for i, code in enumerate(codes)}
    vs30 = table.groupby("station_code")["station_vs30_mps"].first() if "station_vs30_mps" in table else {}
    known, count = Description.join(parts), len(rows)
    _alive(corpus, rows, known)
    learned = Learned(rows, torch.tensor([number[code] for code in table["station_code"]]), codes, known, torch.cat(spectra),
                      torch.tensor(arrivals.column(table, "source_magnitude")).to(like),
                      torch.tensor(arrivals.distances_km(table).clip(min=NEAREST_KM)).to(like),
                      torch.log(torch.tensor([float(vs30[code]) if code in vs30 else np.nan for code in codes])).to(like),
                      torch.zeros(count).to(like), torch.zeros_like(known.ln_power), torch.zeros(len(codes)).to(like))
    return in_register(network, learned)


def in_register(network: EnvelopeNet, measured: Learned) -> Learned:
    """With how resonances of each record are moved, by the records of its station among these, and what that adds to its ln power."""
    nodes = network.nodes(measured.ln_spectra)
    shifts, moved, wander = (torch.zeros_like(each) for each in (measured.shifts, measured.moved, measured.wander))
    for i in range(len(measured.codes)):
        own = measured.station == i
        spectra = measured.ln_spectra[own]
        shifts[own], wander[i] = nodes.registered(nodes.fine(spectra, measured.known.ln_power[own]))
        if bool(wander[i]):
            usual = nodes.sharpened(nodes.stretched(spectra, -shifts[own]).mean(dim=0))
            moved[own] = nodes.moved_power(usual, shifts[own])
    return replace(measured, shifts=shifts, moved=moved, wander=wander)


@dataclass
class Learnings:
    """All that goes with a network: the law, and the stations by their codes."""

    law: Law
    stations: dict[str, Station]

    def tensors(self) -> dict[str, Tensor]:
        everything = self.law.tensors() | {name: value for i, one in enumerate(self.stations.values()) for name, value in one.tensors(i).items()}
        return {name: value.contiguous() for name, value in everything.items()}          # as they come back from a file, to the last bit

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor], codes: Sequence[str]) -> Learnings:
        return cls(Law.from_tensors(tensors), {code: Station.from_tensors(tensors, i) for i, code in enumerate(codes)})


def generator(network: EnvelopeNet, tensors: dict[str, Tensor], codes: Sequence[str]) -> ShapedNoise:
    """The generator of a checkpoint: its network, the tensors that go with it, and the stations in their order."""
    like = next(network.parameters())
    learned = Learnings.from_tensors({name: value.to(like) for name, value in tensors.items()}, codes)
    return ShapedNoise(network, learned.law, learned.stations)


def learn_all(corpus: Corpus, settings: Settings, resume: Path | None = None):
    """Both phases on the training records of all stations of a corpus; returns the network, its history and the `Learnings`.

    Stations with fewer than `FEWEST` training records are left out.
    """
    stations = [code for code in corpus.stations if len(corpus.select([code], "train")) >= FEWEST]
    network, history, law, measured = phase0(corpus, settings, corpus.select(stations, "train") if stations else [], resume)
    return network, history, Learnings(law, {code: phase1(network, law, measured.of(code)) for code in measured.codes})


# --- Phase 0 -----------------------------------------------------------------------------------------

def build(corpus: Corpus, settings: Settings) -> EnvelopeNet:
    """The network for records of a corpus."""
    low_hz, high_hz = band_limits(corpus.sampling_rate_hz, corpus.samples / corpus.sampling_rate_hz)
    return EnvelopeNet(corpus.samples, corpus.sampling_rate_hz, low_hz, high_hz, settings.shape_latent, settings.shape_d_model, settings.shape_d_model,
                       settings.num_kernels, settings.shape_blocks)


def phase0(corpus: Corpus, settings: Settings, rows, resume: Path | None = None):
    """Train the network on records of many stations, and fit the law of source and path.

    Returns the network, its history, the law, and the measured records.

    Raises
    ------
    TrainingError
        For stations with too few records.
    """
    if len(rows) == 0:
        raise TrainingError(f"{corpus.folder}: no station has {FEWEST} training records; check the corpus' stations and its split, or add records")
    with torch.random.fork_rng(devices=[]):
        measured = measure(build(corpus, settings).to(dtype_of(settings)), corpus, rows)
    _check(measured, corpus)
    at = {int(row): i for i, row in enumerate(measured.rows)}

    batches = settings.model_copy(update={"batch": settings.shape_batch})
    epochs = max(settings.shape_epochs, math.ceil(LEAST_STEPS / math.ceil(len(measured.rows) / settings.shape_batch)))

    def first() -> EnvelopeNet:
        network = build(corpus, settings).to(dtype_of(settings))
        network.start_from(measured.known)
        return network

    def loss(network, batch, progress):
        chosen = measured.known.take(torch.tensor([at[int(row)] for row in batch["rows"]]))
        return whittle(network, chosen.to(batch["x"]), batch["seeds"] if network.training else None).mean()

    network, history = train(first, loss, Rows(corpus, measured.rows, batches), Rows(corpus, [], batches),
                             epochs=epochs, learning_rate=settings.shape_learning_rate, settings=settings, label="Phase 0, shaped noise",
                             resume=resume, about={"corpus": corpus.fingerprint, "rows": [int(row) for row in measured.rows]})
    network = network.cpu()
    law = learn_law(network, measured, settings.physics)
    steady(network, law, measured, settings.seed)
    law = replace(learn_law(network, measured, settings.physics), steady=law.steady)     # w is another one now
    return network, history, law, measured


class Rows(CorpusBatches):
    """Batches of records that are measured already: without their waveforms."""

    def read(self, rows: np.ndarray, epoch: int = 0) -> dict:
        return {"x": torch.empty(len(rows), 0, dtype=self.dtype), "rows": rows, "seeds": record_seeds(self.seed, epoch, rows)}


def _check(measured: Learned, corpus: Corpus) -> None:
    counts = torch.bincount(measured.station, minlength=len(measured.codes))
    if few := [f"{code} ({n})" for code, n in zip(measured.codes, counts.tolist()) if n < FEWEST]:
        raise TrainingError(f"{corpus.folder}: {', '.join(few[:5])} has fewer than {FEWEST} training records; leave such stations out, or add records")


def _alive(corpus: Corpus, rows: np.ndarray, known: Description) -> None:
    """No logarithm of nothing: one record with a dead component would change the scatter of all stations."""
    dead = torch.nonzero(known.ln_power.amax(dim=1) < DEAD)
    if len(dead):
        record, component = dead[0].tolist()
        name = corpus.metadata.iloc[int(rows[record])].get("trace_name", f"number {int(rows[record])}")
        raise TrainingError(f"{corpus.folder}: component {'ENZ'[component]} of record {name} is dead, and {len(dead) - 1} more; "
                            "leave such records out (tng ingest does, tng corpus check lists them)")


@torch.no_grad()
def _numbers(network: EnvelopeNet, measured: Learned) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of numbers, resonances moved back, ln noise of each station, and the variance that the network leaves to w."""
    w, ln_variance = network.encode(measured.known)
    noise = torch.stack([measured.known.ln_noise[measured.station == i].median(dim=0).values for i in range(len(measured.codes))])
    resting = replace(measured.known, ln_power=measured.known.ln_power - measured.moved)
    numbers = numbers_of(resting, w, noise[measured.station])
    louder = network.layout.parts(numbers)[4][:, :, None]
    room = measured.known.ln_power - louder                     # filters of low bands take signal for noise: it has no more power than any record
    noise = torch.stack([torch.minimum(one, room[measured.station == i].amin(dim=0)) for i, one in enumerate(noise)])
    return numbers, noise, torch.exp(ln_variance)


def learn_law(network: EnvelopeNet, measured: Learned, physics: float = 0.0) -> Law:
    """Fit the law of source and path to measured records."""
    layout, (numbers, _, variance) = network.layout, _numbers(network, measured)
    by_source = _source_is_known(measured)
    drivers = drivers_of(numbers, layout, measured.magnitude, measured.distance_km, by_source)
    bands, _ = network.grid(numbers)
    nodes = network.nodes(numbers)
    fine = nodes.stretched(nodes.fine(measured.ln_spectra, measured.known.ln_power), -measured.shifts)
    return learn(numbers, drivers, measured.station, layout, variance.mean(dim=0), measured.ln_vs30, bands.centres_hz,
                 _fine_variances(fine, measured.station), physics if by_source else 0.0)[0]


def _source_is_known(measured: Learned) -> bool:
    """Whether magnitude and distance are known of enough records, of all together and of each station."""
    known = (torch.isfinite(measured.magnitude) & torch.isfinite(measured.distance_km)).double()
    of_stations = torch.zeros(len(measured.codes)).double().index_add(0, measured.station, known)
    return bool(known.mean() >= KNOWN) and bool((of_stations >= FEWEST).all())


def _fine_variances(fine: Tensor, station: Tensor) -> Tensor:
    """Fine structure of the mean station; its variance between stations, and between records of one (3, 3, nodes)."""
    count = int(station.max()) + 1
    groups = [fine[station == i] for i in range(count)]
    within = sum(((group - group.mean(dim=0)) ** 2).sum(dim=0) for group in groups) / max(1, len(fine) - count)
    means = torch.stack([group.mean(dim=0) for group in groups])
    if count < 2:
        return torch.stack([means[0], torch.full_like(within, 1e3), within])
    noise = within * (1 / torch.tensor([len(group) for group in groups]).to(within)).mean()
    between = (means.var(dim=0) - noise).clamp(min=0)
    between = torch.nn.functional.avg_pool1d(between[None], 2 * SMOOTH + 1, 1, SMOOTH, count_include_pad=False)[0]
    return torch.stack([means.mean(dim=0), between.clamp(min=0.02 * within), within])


# --- Phase 1 -----------------------------------------------------------------------------------------

def phase1(network: EnvelopeNet, law: Law, measured: Learned, vs30_mps: float | None = None) -> Station:
    """The numbers of one station, from measured records of it alone; closed form."""
    numbers, noise, variance = _numbers(network, measured)
    layout, nodes, (bands, _) = network.layout, network.nodes(numbers), network.grid(numbers)
    drivers = drivers_of(numbers, layout, measured.magnitude, measured.distance_km, len(law.centre) == 2)
    given = torch.isfinite(drivers).all(dim=1)
    if not bool(given.any()):
        raise TrainingError(f"station {measured.codes[0]}: no record has a magnitude and a distance, on which this generator "
                            "was trained; add them to the metadata")
    records = int(given.sum())
    rest = numbers[given] - law.effect(drivers[given], bands.centres_hz)
    ln_vs30 = measured.ln_vs30[0] if vs30_mps is None else torch.log(torch.tensor(float(vs30_mps))).to(numbers)
    mean = posterior(rest.mean(dim=0), records, law.scatter, prior_of(law, ln_vs30), law.between)
    fine = nodes.fine(measured.ln_spectra, measured.known.ln_power)
    fine = shrunk_fine(nodes.stretched(fine, -measured.shifts).mean(dim=0), len(numbers), law.fine)
    level = layout.parts(mean[None])[0]
    curve = nodes.sharpened(fine + torch.einsum("bfc,fk->bck", level, nodes.bands_at)[0] / 2)
    polarised = (rest - rest.mean(dim=0))[:, layout.polarisation]
    return Station(mean, own_scatter(rest, law.scatter, layout, variance.mean(dim=0)), curve, noise[0], drivers[given], measured.known.onsets[:, 0], polarised, measured.wander[0])


def prior_of(law: Law, ln_vs30: Tensor) -> Tensor:
    """The numbers of a station of which nothing is known but, perhaps, Vs30."""
    mean, slope, usual = law.prior
    return mean + usual + slope * (ln_vs30 - LN_VS30) if bool(torch.isfinite(ln_vs30)) else mean


# --- steadying ---------------------------------------------------------------------------------------

@torch.no_grad()
def steady(network: EnvelopeNet, law: Law, measured: Learned, seed: int = 0) -> None:
    """Make generated records come out as they were asked for, on average.

    The bands' filters smear a record's energy over time when it is measured, and once more when it is made; noise hides polarisation both times.
    So training records are made anew from their own numbers, measured, and template, durations and polarisations moved by what is missing.
    """
    choice = np.random.default_rng([seed, 11])
    layout = network.layout
    for turn in range(ROUNDS):
        chosen = np.sort(choice.permutation(len(measured.rows))[:STEADYING])
        chosen = chosen[np.argsort(measured.station.numpy()[chosen], kind="stable")]
        some = measured.take(chosen)
        codes = {i: measured.codes[i] for i in some.station.unique().tolist()}
        stations = {code: phase1(network, law, measured.of(code)) for code in codes.values()}      # anew: the template, and so w, has moved
        maker = ShapedNoise(network, law, stations)
        numbers, _, variance = _numbers(network, measured)
        seeds = shaped_noise.record_seeds(seed + turn, "steady", len(chosen))
        u = numbers[chosen]
        u[:, :layout.sizes[0]] += some.moved.flatten(1)
        u = torch.cat([u[:, :-layout.latent], u[:, -layout.latent:] + variance[chosen].sqrt() * torch.randn(
            len(chosen), layout.latent, generator=torch.Generator().manual_seed(seed + turn)).to(u)], dim=1)
        made = torch.cat([maker.make(stations[code], u[own], some.known.onsets[own, 0], seeds[own], some.shifts[own])
                          for i, code in codes.items() for own in torch.nonzero(some.station == i)[:, 0].split(32)])
        again = describe(made, some.known.onsets[:, :2], maker.bands, maker.cells)
        _move(network, law, some.known, again)


def _move(network: EnvelopeNet, law: Law, asked: Description, came: Description) -> None:
    """Move template, durations and polarisations towards what was asked for."""
    def signal(of: Description) -> tuple[Tensor, Tensor]:
        noise = torch.exp(of.ln_noise)[..., None]
        return torch.log((of.cells - noise).clamp(min=1e-12)) - of.ln_power[..., None], (of.cells > LOUD * noise) & of.held[:, None, None]

    (wanted, seen), (got, heard) = signal(asked), signal(came)
    both = (seen & heard).to(wanted)
    network.template += STEP * ((wanted - got).clamp(-2, 2) * both).sum(dim=0) / both.sum(dim=0).clamp(min=8)
    offset, gain = law.steady
    ln_asked, ln_came = torch.log(asked.onsets[:, 2]), torch.log(came.onsets[:, 2])
    steeper = (_slope(ln_asked, ln_came) ** -STEP).clamp(0.8, 1.25)
    centre = ln_asked.mean()
    offset[0] = offset[0] + STEP * (ln_asked - ln_came).mean() + gain[0] * (1 - steeper) * centre
    gain[0] = gain[0] * steeper
    slopes = (asked.polarisation * came.polarisation).sum(dim=0) / (asked.polarisation**2).sum(dim=0).clamp(min=1e-9)
    gain[1:] = (gain[1:] * slopes.clamp(0.3, 1.5) ** -STEP).clamp(1, MOST_GAIN)


def _slope(x: Tensor, y: Tensor) -> Tensor:
    away = x - x.mean()
    return ((away * (y - y.mean())).sum() / (away**2).sum().clamp(min=1e-9)).clamp(0.3, 2)
