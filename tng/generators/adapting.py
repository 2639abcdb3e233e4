"""A new station for a shaped-noise generator that is trained already: its numbers from its own few records, in closed form.

The network and the law of source and path stay as they are; :func:`tng.generators.shaping.phase1` gives the station its mean, spectrum and noise,
drawn towards those of other stations as far as its records leave them uncertain, equation (17).  How far others are to be trusted is told by
the station itself: one that is not of their kind finds a wider prior likelier (`widened`).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tng import spectra
from tng.config import nearest
from tng.corpus import Corpus
from tng.generators import GeneratorError, random_stream
from tng.generators.envelope_net import EnvelopeNet
from tng.generators.shaped_noise import ShapedNoise, steadied
from tng.generators.shaping import FEWEST, Learned, measure, phase1, prior_of
from tng.generators.source_and_path import DRIVERS, Law
from tng.generators.station import Nodes, Station

CERTAIN = 10                # records from which on the HVSR is about as good as it gets
OFTEN = 0.6                 # of the covariance of few stations that is kept between numbers; the rest is taken as chance
WIDENED = tuple(4.0 * 2**k for k in range(8))     # times their covariance: stations to come are less alike than the few that were seen
SHARPNESS = 40.0            # of the paper's smoothing exp(-40 ln²(f/fc))
GEOMETRIC = (2**0.25 * math.gamma(1.25)) ** 2 / math.sqrt(math.pi / 2)     # 0.93: mean of sqrt(|E||N|) over that of |Z| for independent Gaussian lines


def choose(corpus: Corpus, station: str, records: int | None = None, seed: int = 0) -> np.ndarray:
    """Rows of a station's training records: all, or so many of them, drawn at random earthquake by earthquake.

    The same seed takes more records by adding to those it takes when fewer are wanted.

    Raises
    ------
    GeneratorError
        For a station that is not in the corpus, or that has too few training records.
    """
    if station not in corpus.stations:
        raise GeneratorError(f"{corpus.folder}: no station {station!r}: {nearest(station, corpus.stations)}")
    rows = corpus.select([station], "train")
    wanted = len(rows) if records is None else records
    if wanted < FEWEST and len(rows) >= FEWEST:
        raise GeneratorError(f"{wanted} records of station {station}; at least {FEWEST} are needed")
    if len(rows) < max(wanted, FEWEST):
        raise GeneratorError(f"{corpus.folder}: station {station} has {len(rows)} training records; {max(wanted, FEWEST)} are needed. Add records, or let "
                             f"more of them be training records: tng corpus split {corpus.folder} --shares 1 0 0")
    events = corpus.metadata["source_id"].to_numpy()[rows].astype(str)
    rank = {event: place for place, event in enumerate(random_stream(seed, station).permutation(np.unique(events)))}
    first = np.argsort([rank[event] for event in events], kind="stable")[:wanted]
    return np.sort(rows[first])


def adapt(network: EnvelopeNet, law: Law, corpus: Corpus, rows, vs30_mps: float | None = None) -> tuple[Station, Learned]:
    """The numbers of one station from rows of a corpus, all of that station; also what was measured on them.

    Vs30 [m/s] says where the station is looked for before any record of it is seen; default: as the corpus states it, if it does.
    Other stations are trusted as far as these records agree with them (`widened`).

    Raises
    ------
    GeneratorError
        For records of several stations, and too few with a magnitude and a distance where the law asks for them.
    """
    measured = measure(network, corpus, rows)
    if len(measured.codes) != 1:
        raise GeneratorError(f"{corpus.folder}: records of {len(measured.codes)} stations; a station is adapted by its own records alone")
    if law.drivers == DRIVERS and (known := with_source(measured)) < FEWEST:
        raise GeneratorError(f"{corpus.folder}: {known} of the {len(measured.rows)} records of station {measured.codes[0]} have a magnitude and a distance; "
                             f"this generator was trained on both and needs {FEWEST} such records. Name a list of earthquakes when you ingest them "
                             "(--events), or add source_magnitude and path_hyp_distance_km to the metadata")
    return phase1(network, widened(network, law, measured, vs30_mps), measured, vs30_mps), measured


def widened(network: EnvelopeNet, law: Law, measured: Learned, vs30_mps: float | None = None) -> Law:
    """The law with a prior as wide as makes a station's records likeliest, at least `WIDENED[0]` times that of the stations seen.

    A prior from a few stations of one kind draws a station of another kind towards them, with a force that ten records do not overcome.
    So its covariance is a multiple of theirs; which one, the evidence says.
    """
    if not bool(law.between.any()):
        return law
    alone, records = phase1(network, without_others(law), measured, vs30_mps), len(measured.rows)
    ln_vs30 = measured.ln_vs30[0] if vs30_mps is None else law.prior.new_tensor(math.log(vs30_mps))
    between = OFTEN * law.between + (1 - OFTEN) * torch.diag(torch.diagonal(law.between))
    own = law.scatter / len(alone.catalogue) + 1e-9 * torch.eye(len(between)).to(between)
    numbers = max(WIDENED, key=lambda times: _evidence(alone.mean - prior_of(law, ln_vs30), times * between + own))
    usual, others, within = law.fine
    nodes = network.nodes(alone.mean)
    spectra = nodes.fine(measured.ln_spectra, measured.known.ln_power)
    away = nodes.stretched(spectra, -measured.shifts).mean(dim=0) - usual
    fine = max(WIDENED, key=lambda times: _independent(away, times * others + within / records))
    return replace(law, between=numbers * between, fine=torch.stack([usual, fine * others, within]))


def _evidence(away: Tensor, covariance: Tensor) -> float:
    """ln density of a Gaussian but for a constant."""
    factor = torch.linalg.cholesky(steadied(covariance))
    standard = torch.linalg.solve_triangular(factor, away[:, None].double(), upper=False)
    return float(-torch.log(torch.diagonal(factor)).sum() - (standard**2).sum() / 2)


def _independent(away: Tensor, variance: Tensor) -> float:
    variance = variance.clamp(min=1e-12)
    return float(-(torch.log(variance) + away**2 / variance).sum() / 2)


def with_source(measured: Learned) -> int:
    """How many records have both a magnitude and a distance."""
    return int((torch.isfinite(measured.magnitude) & torch.isfinite(measured.distance_km)).sum())


def unrecorded(maker: ShapedNoise, vs30_mps: float | None = None) -> Station:
    """What is expected of a station without any record: the mean of a generator's stations, at its Vs30 if that is known [m/s].

    Its earthquakes, P onsets and noise are those of the generator's stations together.
    """
    law, known = maker.law, list(maker.known.values())
    mean = prior_of(law, law.prior.new_tensor(math.nan if vs30_mps is None else math.log(vs30_mps)))
    level = maker.layout.parts(mean[None])[0]
    curve = maker.nodes.sharpened(law.fine[0] + torch.einsum("bfc,fk->bck", level, maker.nodes.bands_at)[0] / 2)
    return Station(mean, law.scatter, curve, torch.stack([one.ln_noise for one in known]).median(dim=0).values,
                   torch.cat([one.catalogue for one in known]), torch.cat([one.p_onsets for one in known]),
                   torch.cat([one.polarised for one in known]), torch.stack([one.wander for one in known]).median())


def without_others(law: Law) -> Law:
    """The law that concludes nothing from other stations on a new one: to see what they teach."""
    usual, _, within = law.fine
    return replace(law, between=torch.zeros_like(law.between), fine=torch.stack([usual, 1e6 * (within + 1), within]))


def curve_of(station: Station, nodes: Nodes, band_hz: tuple[float, float] = spectra.BAND_HZ) -> tuple[np.ndarray, np.ndarray]:
    """HVSR of a station's numbers, smoothed as the paper does it: frequencies [Hz] and curve [-]; no record is made."""
    inside = torch.linspace(*map(math.log, band_hz), 400).to(nodes.ln_hz)
    horizontal, vertical = (_smoothed(ln_amplitude, nodes.ln_hz, inside) for ln_amplitude in (station.curve[:2].mean(dim=0), station.curve[2]))
    return torch.exp(inside).double().cpu().numpy(), GEOMETRIC * torch.exp(horizontal - vertical).double().cpu().numpy()


def _smoothed(ln_amplitude: Tensor, ln_hz: Tensor, at: Tensor) -> Tensor:
    """ln of an amplitude on evenly logarithmic nodes, smoothed with the paper's window; Fourier lines lie on a linear axis, hence the weights f."""
    weights = torch.exp(-SHARPNESS * (at[:, None] - ln_hz) ** 2 + ln_hz)
    return torch.log(weights @ torch.exp(ln_amplitude) / weights.sum(dim=1))
