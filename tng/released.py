"""Released generators: one small file that makes records, without the run and the corpus it comes from.

A released file is a checkpoint (:mod:`tng.checkpoints`) without the optimiser's state, in which also lie how records are
made and, for latent mixing, the bank of codes that are mixed.  Other networks join in by an entry in `LOADERS`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from tng import bandwidth, cards, checkpoints, config, runs
from tng.corpus import Corpus
from tng.records import LicenceError
from tng.writers import require_licence

BANK = "bank."                                 # how the names of the bank's tensors begin
OPTIONS = ("records_to_mix", "noise", "mixing", "alpha", "replacement")      # of latent mixing
AS_IN_THE_PUBLIC_SCRIPT = {"records_to_mix": 5, "noise": 0.0, "mixing": "uniform", "alpha": 1.0, "replacement": True}


class ReleaseError(ValueError):
    """A generator cannot be released, or a file holds none; the message says why and what to do."""


# --- loading --------------------------------------------------------------------------------------------

def load_released(path, corpus: Corpus | None = None, *, device: str = "cpu", stations: Sequence[str] = (), **options):
    """The generator in a released file (or in a run's checkpoint, if it needs no bank).

    Parameters
    ----------
    path : path
        ``FILE.safetensors``.
    corpus : Corpus, optional
        Whose training records are mixed, in place of a bank in the file.
    device : str
        Where the network computes.
    stations : sequence of str
        Only these of the corpus are encoded, if the network tells none apart; none: all it is valid for.
    options
        Of latent mixing: ``records_to_mix, noise, mixing, alpha, replacement``; what is not given is as released.

    Raises
    ------
    ReleaseError, checkpoints' TrainingError
        For a file that is missing, damaged, of an unknown network, or without a bank; a corpus of another rate or length.
    """
    path = Path(path)
    if path.suffix in (".pth", ".pt"):
        raise ReleaseError(f"{path}: weights of the public code; turn them into a file for this command first: "
                           f"tng import-checkpoint {path} --into {path.with_suffix('.safetensors')}")
    if path.suffix != ".safetensors":
        raise ReleaseError(f"{path}: not a .safetensors file; released generators are written by `tng release`")
    info = checkpoints.read_about(path)
    name = info.get("network")
    if name not in LOADERS:
        raise ReleaseError(f"{path}: holds a network {str(name)!r}, from which this version makes no records; known are {', '.join(LOADERS)}")
    wanted = Wanted(corpus, device, stations, {key: value for key, value in options.items() if value is not None})
    try:
        return LOADERS[name](path, wanted)
    except (KeyError, TypeError, AttributeError) as problem:
        raise ReleaseError(f"{path}: its description is damaged, or of another version of this library ({type(problem).__name__}: {problem})") from problem


class Wanted(NamedTuple):
    """How a released generator is to be loaded: see :func:`load_released`."""

    corpus: Corpus | None
    device: str
    stations: Sequence[str]
    options: dict


def _latent_mixing(path: Path, wanted: Wanted):
    from tng.bank import Bank
    from tng.generators.timesnet_gen import LatentMixing
    from tng.timesnet import TimesNetGen

    corpus, options = wanted.corpus, wanted.options
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        raise ReleaseError(f"unknown option {unknown[0]!r}: {config.nearest(unknown[0], OPTIONS)}")
    network, info, extra = checkpoints.load_checkpoint(path, TimesNetGen)
    network.to(wanted.device)
    released = info.get("released") or {}
    chosen = {**(released.get("generator") or runs.mixing_options(info["settings"])), **options}
    named = {"name": released.get("name", "TimesNet-Gen")}
    if corpus is not None:
        check_fits(path, network, info, corpus)
        return LatentMixing.from_corpus(network, corpus, _stations(path, network, info, wanted), **chosen, **named)
    if not any(name.startswith(BANK) for name in extra):
        raise ReleaseError(f"{path}: holds no bank of records to mix. Name the corpus they shall come from (--corpus), or the file that "
                           "`tng release` made, or import it with --latent-bank")
    about = (released.get("bank") or {}).get("about") or {}
    return LatentMixing(network, Bank.from_tensors(extra, about), **chosen, **named)


def _stations(path: Path, network: nn.Module, info: Mapping, wanted: Wanted) -> list[str]:
    """Stations of a corpus that a network can generate for, and shall."""
    valid = list(info.get("generates_for") or wanted.corpus.stations)
    found = [code for code in valid if code in wanted.corpus.stations]
    if not found or network.arguments["stations"] and found != valid:
        raise ReleaseError(f"{wanted.corpus.folder}: has none of the stations that {path} generates for, or not all that its network tells apart: "
                           f"{', '.join(valid)}; name the corpus that it was trained on")
    named = [code for code in found if code in wanted.stations]
    return named if named and not network.arguments["stations"] else found


def _vae(path: Path, wanted: Wanted):
    from tng.generators.vae import SpectrogramVAE, VAEGenerator

    if wanted.options or wanted.corpus is not None:
        raise ReleaseError(f"{path}: a VAE mixes no records, so it takes no {', '.join(wanted.options) or 'corpus'}")
    network, info, _ = checkpoints.load_checkpoint(path, SpectrogramVAE)
    return VAEGenerator(network.to(wanted.device), info["stations"], info["sampling_rate_hz"])


def shaped_noise(path, device: str = "cpu"):
    """The shaped-noise generator in a checkpoint, for all stations whose numbers are in it.

    Raises
    ------
    ReleaseError, checkpoints' TrainingError
        For a file of another version of this library; one that is missing, damaged, or of another network.
    """
    from tng.generators.envelope_net import EnvelopeNet
    from tng.generators.shaping import generator

    network, info, extra = checkpoints.load_checkpoint(path, EnvelopeNet)
    try:
        return generator(network.to(device), extra, info["stations"])
    except KeyError as missing:
        raise ReleaseError(f"{path}: made by another version of tng: {missing.args[0]} is missing; train or adapt it again") from None


def _shaped_noise(path: Path, wanted: Wanted):
    if wanted.options or wanted.corpus is not None:
        raise ReleaseError(f"{path}: shaped noise mixes no records, so it takes no {', '.join(wanted.options) or 'corpus'}")
    return shaped_noise(path, wanted.device)


LOADERS: dict[str, Callable] = {"TimesNetGen": _latent_mixing, "SpectrogramVAE": _vae, "EnvelopeNet": _shaped_noise}   # class of the network → its generator


def check_fits(path: Path, network: nn.Module, info: Mapping, corpus: Corpus) -> None:
    """Refuse a corpus of another length or rate than the network was trained on."""
    samples, rate_hz = network.arguments["samples"], info.get("sampling_rate_hz")
    if (samples, rate_hz) == (corpus.samples, corpus.sampling_rate_hz):
        return
    found = (f"{corpus.folder}: records of {corpus.samples} samples at {corpus.sampling_rate_hz:g} Hz, but the network in {path} takes "
             f"{samples} at {rate_hz:g} Hz")
    ingest = f"ingest them with --sampling-rate-hz {rate_hz:g} --window-s {samples / rate_hz:g}"
    limits_hz, highest_hz = bandwidth.held_hz(corpus), bandwidth.highest_hz(network, rate_hz)
    (missing, limit_hz), shaped = bandwidth.lacking(limits_hz, highest_hz), "high_hz" in network.arguments
    own = bandwidth.own_model(corpus, limit_hz, "shaped-noise" if shaped else "phase0 phase1")
    if not missing:
        raise ReleaseError(f"{found}; {ingest}")
    if shaped and bandwidth.too_narrow(limits_hz, highest_hz):
        raise ReleaseError(f"{found}, and describes them up to {highest_hz:.3g} Hz; {missing}, which another rate does not change. {own}")
    raise ReleaseError(f"{found}; {ingest}. But {missing}, which another rate does not change. {own}")


# --- releasing ------------------------------------------------------------------------------------------

def release(path, network: nn.Module, bank, info: Mapping, *, options: Mapping | None = None, licences: Mapping[str, int] | None = None,
            name: str = "TimesNet-Gen", extra: Mapping[str, Tensor] | None = None) -> Path:
    """Write a generator into one file, and its model card beside it.

    Parameters
    ----------
    path : path
        ``FILE.safetensors``.
    network : nn.Module
    bank : Bank or None
        What is mixed; None for a network that draws from a prior.
    info : mapping
        Description of the checkpoint (:func:`tng.checkpoints.read_about`).
    options : mapping, optional
        Of latent mixing; default: those of the run's settings.
    licences : mapping, optional
        Licence → records of the bank under it.
    name : str
        What its records are said to be made by.
    extra : mapping, optional
        More tensors that go with the network.

    Raises
    ------
    TrainingError, CardError
        If the files cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ReleaseError(f"{path}: released generators are written as .safetensors; name the file {path.name}.safetensors")
    tensors = {f"network.{key}": value for key, value in network.state_dict().items()}
    tensors |= {f"extra.{key}": value for key, value in (extra or {}).items()}
    about: dict = {"name": name}
    if options or bank is not None:
        about["generator"] = dict(options or runs.mixing_options(info["settings"]))
    if bank is not None:
        tensors |= {f"extra.{key}": value for key, value in bank.tensors().items()}
        about["bank"] = {"about": bank.about(), "decoded": bool(bank.decoded), "licences": dict(licences or {}),
                         "records": {station: len(bank.content[station]) for station in bank.stations}}
    described = {**info, "network": type(network).__name__, "arguments": network.arguments, "released": about}
    checkpoints.write_tensors(path, tensors, described)
    cards.write(path.with_suffix(".md"), described)
    return path


def release_from_run(folder, model: str, into, corpus_folder=None, allow_restricted: bool = False) -> Path:
    """Release a model of a run: `model` is one of `runs.TRAINED`.

    The bank of latent mixing holds reconstructions of the station's training records, from which these can be read nearly
    as they were recorded.  So their licences must permit that they are passed on.

    Raises
    ------
    ReleaseError
        For an unknown model, or one that was not trained.
    LicenceError
        If a record may not be passed on, unless `allow_restricted`: for your own use.
    """
    if model not in runs.TRAINED:
        raise ReleaseError(f"model {model!r} has nothing to release: {config.nearest(model, runs.TRAINED)}")
    training, name = runs.TRAINED[model]
    folder = Path(folder)
    checkpoint = folder / f"{training}.safetensors"
    if not checkpoint.is_file():
        raise ReleaseError(f"{checkpoint} is not there. Make it with: tng train {training} --run {shlex.quote(str(folder))}")
    if model in ("vae", "shaped-noise"):                                # nothing of a recorded waveform is in these
        from tng.trainings import network_class

        network, info, extra = checkpoints.load_checkpoint(checkpoint, network_class(training))
        return release(into, network, None, info, name=name, extra=extra)
    from tng.bank import Bank
    from tng.timesnet import TimesNetGen

    network, info, _ = checkpoints.load_checkpoint(checkpoint, TimesNetGen)
    corpus = Corpus.open(corpus_folder or folder / "corpus")
    check_fits(checkpoint, network, info, corpus)
    if info.get("corpus") != corpus.fingerprint:
        raise ReleaseError(f"{checkpoint}: was trained on another corpus than {corpus.folder}; name that one (--corpus)")
    stations = list(info["generates_for"])
    licences = bank_licences(corpus, stations, allow_restricted)
    return release(into, network, Bank.of(network, corpus, stations), info, licences=licences, name=name)


def bank_licences(corpus: Corpus, stations: Sequence[str], allow_restricted: bool) -> dict[str, int]:
    """Licences of the records that a bank is made of, and how many records are under each.

    Raises
    ------
    LicenceError
        If one of them does not permit that its records are passed on, unless `allow_restricted`.
    """
    rows = corpus.select(stations, "train")
    table = corpus.metadata.iloc[rows]
    column = table["trace_license"] if "trace_license" in table else table["station_code"].map(lambda _: "")
    licences = column.fillna("").astype(str).replace("", "not stated").to_numpy()
    if not allow_restricted:
        _refuse_restricted(corpus, rows, licences)
    names, counts = np.unique(licences, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist()))


def _refuse_restricted(corpus: Corpus, rows: np.ndarray, licences: np.ndarray) -> None:
    """One look at each kind of record: its licence, and whether it is synthetic."""
    table = corpus.metadata.iloc[rows]
    kinds = [licences, *(table[name].fillna("").astype(str) for name in ("trace_category", "generator") if name in table)]
    seen: dict[tuple, list[int]] = {}
    for row, kind in zip(rows, zip(*kinds)):
        seen.setdefault(kind, []).append(int(row))
    for kind, same in seen.items():
        try:
            require_licence(corpus.record(same[0]))
        except LicenceError:
            raise LicenceError(f"{corpus.folder}: the licence of {len(same)} of {len(rows)} records is {kind[0]!r}, which does not permit that they "
                               "are passed on. A released file holds reconstructions from which they can be read. For your own use: "
                               "--allow-restricted (allow_restricted=True)") from None


# --- the authors' public files ---------------------------------------------------------------------------

def import_public(checkpoint, into, *, latent_bank=None, noise_std=None, sampling_rate_hz: float = 100.0,
                  stations: Iterable[str] | None = None) -> Path:
    """Turn the authors' public files into a released one.

    Parameters
    ----------
    checkpoint : path
        ``.pth`` of the public code; nothing but numbers is loaded from it.
    into : path
        ``FILE.safetensors``, or a folder, in which the file is named as the checkpoint.
    latent_bank : path, optional
        ``latent_bank_….npz``: without it a corpus must be named when records are made.
    noise_std : path, optional
        ``encoder_feature_std.npy``: what Phase 1 blurs codes with; the public script makes records without it.
    sampling_rate_hz : float
        The files do not state it; the public code's is 100 Hz.
    stations : iterable of str, optional
        Only these of the bank.

    Raises
    ------
    ReleaseError, PublicCodeError, BankError, TrainingError

    Notes
    -----
    Records are then made as the public script makes them: the mean of 5 codes drawn with replacement, without noise.
    """
    from tng import public_code
    from tng.bank import Bank

    checkpoint, into = Path(checkpoint), Path(into)
    if into.suffix != ".safetensors":
        into = into / f"{checkpoint.stem}.safetensors"
    network = public_code.read_checkpoint(checkpoint)
    samples, d_model = network.arguments["samples"], network.arguments["d_model"]
    extra = {} if noise_std is None else {"noise_std": public_code.read_noise_std(noise_std, d_model)}
    chosen = None if stations is None else list(stations)
    bank = None if latent_bank is None else Bank.from_public_npz(latent_bank, network, chosen, sampling_rate_hz=sampling_rate_hz)
    info = {"stations": [], "generates_for": list(bank.stations) if bank is not None else [], "settings": {}, "corpus": None,
            "corpus_about": {"sampling_rate_hz": sampling_rate_hz, "window_s": samples / sampling_rate_hz}, "history": {},
            "sampling_rate_hz": sampling_rate_hz, "versions": checkpoints.versions(), "training": "imported"}
    return release(into, network, bank, info, options=AS_IN_THE_PUBLIC_SCRIPT, extra=extra)
