"""The trainings of a run by name, as the notebooks and `tng train` carry them out.

A training reads what an earlier one left in the run folder, can be interrupted at any moment and goes on where it
was when it is started again, and ends with a checkpoint and its model card.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
from torch import Tensor, nn

from tng import config
from tng.runs import Run, RunError

NETWORK = ("d_model", "d_ff", "top_k", "num_kernels", "blocks", "dropout", "period_choice", "latent", "latent_stride", "decoder_blocks")
TRAININGS = ("phase0", "phase1", "phase0-described", "phase1-described", "vae", "shaped-noise")      # in an order that works


@dataclass(frozen=True)
class Trained:
    """What a training ends with: the network in evaluation mode, a row an epoch, what goes with the network, its description."""

    network: nn.Module
    history: pd.DataFrame
    extra: dict[str, Tensor] = field(default_factory=dict)
    info: dict = field(default_factory=dict)


def carry_out(name: str, run: Run, again: bool | None = None) -> Trained:
    """Train one of `TRAININGS` in a run, on the stations and with the settings of the run.

    A finished checkpoint of the same settings, corpus and stations is returned as it is, unless `again`.  By default the quick
    profile trains again: that takes minutes, and shows what the library does now.

    Raises
    ------
    ConfigError
        For an unknown name.
    RunError
        If the corpus, or the checkpoint of Phase 0, is not there; without `again`, if there is a finished checkpoint that differs.
    TrainingError
        If the training cannot go on; the last good state is then still there.
    """
    from tng import checkpoints
    from tng.processes import fabric, from_first, on_first

    if name not in TRAININGS:
        raise config.ConfigError(f"unknown training {name!r}: {config.nearest(name, TRAININGS)}")
    corpus = run.corpus()
    stations = run.stations(corpus)
    state = run.path(f"{name}.part.safetensors")
    fabric(run.settings)                                              # the processes meet: the first one looks for all
    anew = run.profile == "quick" if again is None else again
    difference = MISSING if anew else from_first(lambda: _difference(name, run, corpus, stations))
    if again is False and difference not in ("", MISSING):
        raise RunError(f"{run.path(name)}.safetensors is finished, but of another training: {difference}. Train it anew with --again, or choose "
                       "another run folder")
    if not difference:
        on_first(lambda: state.unlink(missing_ok=True))               # left by a kill between the last two writes
        return load(name, run, corpus, stations)
    settings, (network, history, extra, numbered) = effective_settings(name, run), _train(name, run, corpus, stations, state)
    checkpoints.save_checkpoint(run.path(name), network, settings, stations=numbered, generates_for=stations, corpus=corpus,
                                history=history, extra=extra, finished=state)
    return Trained(network, history, extra, checkpoints.read_about(run.path(name)))


def effective_settings(name: str, run: Run) -> config.Settings:
    """The settings that a training really has: Phase 1 goes on with the network of Phase 0, whatever the run's settings say of it."""
    from tng import checkpoints

    before = run.path(_before(name))
    if not name.startswith("phase1") or not checkpoints.file_of(before).exists():
        return run.settings
    theirs = checkpoints.read_about(before)["settings"]
    return run.settings.model_copy(update={setting: theirs[setting] for setting in NETWORK})


def load(name: str, run: Run, corpus, stations: list[str]) -> Trained:
    """A finished training of a run, checked against its corpus and stations."""
    network, info, extra = run.load(name, network_class(name), corpus, stations)
    return Trained(network, pd.DataFrame(info["history"]), extra, info)


def network_class(name: str) -> type[nn.Module]:
    """The class of network that a training makes."""
    from tng.generators.envelope_net import EnvelopeNet
    from tng.generators.vae import SpectrogramVAE
    from tng.timesnet import TimesNetGen

    return {"vae": SpectrogramVAE, "shaped-noise": EnvelopeNet}.get(name, TimesNetGen)


def _train(name: str, run: Run, corpus, stations: list[str], state):
    """Network, history, tensors that go with it, and the stations that the network tells apart."""
    from tng import phases
    from tng.generators.vae import train_vae

    if name == "vae":
        return *train_vae(corpus, run.settings, stations, resume=state), {}, stations
    if name == "shaped-noise":
        from tng.generators import shaping

        network, history, learned = shaping.learn_all(corpus, run.settings, state)
        return network, history, learned.tensors(), list(learned.stations)
    described = name.endswith("-described")
    if name.startswith("phase0"):
        network, history, noise_std = phases.phase0(corpus, run.settings, stations, state, described)
        return network, history, {"noise_std": noise_std}, []
    before = load(_before(name), run, corpus, stations)
    network, history = phases.phase1(before.network, before.extra["noise_std"], corpus, run.settings, stations, state)
    return network, history, {"started_from": phases.digest(before.network)}, stations if described else []


def _before(name: str) -> str:
    """The training that a Phase 1 starts from."""
    return name.replace("phase1", "phase0")


MISSING = "not there"


def _difference(name: str, run: Run, corpus, stations: list[str]) -> str:
    """What tells a finished checkpoint from this training: records, stations, settings, and for Phase 1 the Phase 0 it started from.

    Empty if nothing does.
    """
    from tng import checkpoints, phases

    if not run.path(f"{name}.safetensors").exists():
        return MISSING
    info = checkpoints.read_about(run.path(name))
    there, here = info.get("settings", {}), effective_settings(name, run).model_dump(mode="json")
    differing = [f"{key} is {there.get(key)} there and {value} here" for key, value in here.items()
                 if key not in config.HOW and there.get(key) != value]
    if info.get("corpus") != corpus.fingerprint:
        differing.append("it has learned from another corpus")
    if list(info.get("generates_for", [])) != list(stations):
        differing.append(f"it generates for {', '.join(info.get('generates_for', []))}")
    if not differing and name.startswith("phase1"):
        started = load(name, run, corpus, stations).extra.get("started_from")
        if started is None or not started.equal(phases.digest(load(_before(name), run, corpus, stations).network)):
            differing.append(f"it started from another {_before(name)}")
    return "; ".join(differing)
