"""Checkpoints: one file with a network's weights, what they are, and what goes with them.

::

    NAME.safetensors     tensors `network.…` and `extra.…`; in the file's metadata a format and a description in JSON
    NAME.md              the model card, for people
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from tng import __version__, cards
from tng.config import Settings
from tng.corpus import Corpus
from tng.files import replaced
from tng.processes import TrainingError, on_first

FORMAT = "tng checkpoint 2"
EARLIER = "tng checkpoint 1"          # weights and description in two files


def file_of(path) -> Path:
    """``NAME.safetensors`` of a checkpoint, named with or without the ending."""
    path = Path(path)
    return path if path.suffix == ".safetensors" else path.with_name(path.name + ".safetensors")


# --- files -----------------------------------------------------------------------------------------

def write_tensors(path, tensors: Mapping[str, Tensor], info: Mapping, form: str = FORMAT) -> None:
    """Write named tensors and their description to a file, which gets its name when all of it is on the disk.

    Raises
    ------
    TrainingError
        If that fails, as on a full disk.  A file that was there before is then still as it was.
    """
    path = Path(path)
    try:
        with replaced(path) as part, open(part, "wb") as file:
            file.write(save({name: value.detach().cpu().contiguous() for name, value in tensors.items()},
                            {"format": form, "about": json.dumps(dict(info))}))
            file.flush()
            os.fsync(file.fileno())
    except OSError as problem:
        raise TrainingError(cannot_write(path, problem)) from None


def cannot_write(path: Path, problem: Exception) -> str:
    """What to say when a file of a training cannot be written."""
    try:
        free = f"{shutil.disk_usage(path.parent).free / 2**20:.1f} MiB are free there"
    except OSError:
        free = "its folder cannot be reached"
    before = f"; {path.name} is as it was before" if path.exists() else ""
    return f"{path}: cannot be written ({problem}); {free}. Make room and start again{before}"


def read_tensors(path, form: str = FORMAT) -> tuple[dict[str, Tensor], dict]:
    """The tensors in a file of `write_tensors`, and their description.

    Raises
    ------
    TrainingError
        If it is missing, cut off, or something else.
    """
    try:
        with safe_open(path, "pt") as file:
            info = _about(path, file, form)
            return {name: file.get_tensor(name) for name in file.keys()}, info
    except (SafetensorError, OSError) as problem:
        raise TrainingError(_cannot_read(Path(path), problem)) from None


def read_about(path) -> dict:
    """A checkpoint's description, without its weights."""
    path = file_of(path)
    try:
        with safe_open(path, "pt") as file:
            return _about(path, file, FORMAT)
    except (SafetensorError, OSError) as problem:
        raise TrainingError(_cannot_read(path, problem)) from None


def _about(path, file, form: str) -> dict:
    metadata = file.metadata() or {}
    found = metadata.get("format")
    if found == EARLIER and form == FORMAT:
        raise TrainingError(f"{path}: was made by an earlier version of this library; train again")
    if found != form:
        raise TrainingError(f"{path}: is no {form.rsplit(' ', 1)[0]} (its format is {found!r})")
    try:
        about = json.loads(metadata.get("about", ""))
    except ValueError as problem:
        raise TrainingError(f"{path}: its description is damaged ({problem}); train again or fetch it anew") from None
    if not isinstance(about, dict):
        raise TrainingError(f"{path}: its description is damaged (no names in it); train again or fetch it anew")
    return about


def _cannot_read(path: Path, problem: Exception) -> str:
    if path.exists():
        return f"{path}: cannot be read ({problem}): cut off, damaged, or something else; train again or fetch it anew"
    if path.with_suffix(".json").exists():
        return f"{path}: no such checkpoint; {path.with_suffix('.json').name} beside it is of an earlier version of this library. Train again"
    return f"{path}: no such checkpoint"


# --- checkpoints -------------------------------------------------------------------------------------

def save_checkpoint(path, network: nn.Module, settings: Settings, *, stations: list[str], corpus: Corpus, history: pd.DataFrame,
                    extra: Mapping[str, Tensor] | None = None, generates_for: list[str] | None = None,
                    finished: Path | None = None) -> None:
    """Write a trained network as ``<path>.safetensors``, and its model card as ``<path>.md``.

    Of several processes only the first writes.

    Parameters
    ----------
    stations : list of str
        Those the network can tell apart.
    history : DataFrame
        As `tng.training.train` returns it; its attributes tell which epoch was kept, what the training took, and on how many records.
    extra : mapping, optional
        Tensors that go with the network, such as the standard deviation of its latent codes.
    generates_for : list of str, optional
        Stations it may generate for: the same, unless it tells none apart.
    finished : path, optional
        The state that training left for resuming; it is no longer needed.

    Raises
    ------
    TrainingError
        If a file cannot be written.
    """
    file = file_of(path)
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"extra.{name}": value for name, value in (extra or {}).items()}
    info = {
        "training": file.stem, "network": type(network).__name__, "arguments": network.arguments, "stations": list(stations),
        "generates_for": list(stations if generates_for is None else generates_for),
        "settings": settings.model_dump(mode="json"), "corpus": corpus.fingerprint, "corpus_about": about_corpus(corpus),
        "sampling_rate_hz": corpus.sampling_rate_hz, "history": history.to_dict("list"), "versions": versions(),
        **{name: history.attrs[name] for name in ("kept_epoch", "effort", "trained_on") if name in history.attrs},
    }

    def write():
        write_tensors(file, tensors, info)
        file.with_suffix(".json").unlink(missing_ok=True)             # of an earlier version
        try:
            cards.write(file.with_suffix(".md"), info)
        except cards.CardError as problem:
            raise TrainingError(str(problem)) from None
        if finished:
            Path(finished).unlink(missing_ok=True)

    on_first(write)


def about_corpus(corpus: Corpus) -> dict:
    """What a checkpoint tells of the corpus that its network learned from."""
    table, found = corpus.metadata, kinds(corpus)
    licences = table["trace_license"].value_counts().sort_index().to_dict() if "trace_license" in table else {}
    return {"synthetic": synthetic(found), **({} if _simulated_here(corpus) else {"kinds": found}), "records": len(corpus),
            "stations": len(corpus.stations), "sampling_rate_hz": corpus.sampling_rate_hz, "window_s": corpus.samples / corpus.sampling_rate_hz,
            "licences": {str(name): int(count) for name, count in licences.items()}}


def kinds(corpus: Corpus, rows=None) -> dict[str, int]:
    """How many records of a corpus, or of its rows, are synthetic, recorded, augmented, and of unknown origin; kinds without any are left out.

    The corpus' setting `synthetic` says it of all, else each record's ``trace_category`` and ``generator``.
    """
    table = corpus.metadata if rows is None else corpus.metadata.iloc[rows]
    if _simulated_here(corpus):
        return {"synthetic": len(table)}
    category, made_by = (table[name].fillna("").astype(str).str.strip().to_numpy() if name in table else np.full(len(table), "")
                         for name in ("trace_category", "generator"))
    of = [next((kind for kind, words in KINDS.items() if words.search(said)), "unknown") if not maker else "synthetic"
          for said, maker in zip(category, made_by)]
    return {kind: of.count(kind) for kind in (*KINDS, "unknown") if kind in of}


KINDS = {"synthetic": re.compile("synthe|simulat|generat|artificial", re.IGNORECASE), "augmented": re.compile("augment", re.IGNORECASE),
         "recorded": re.compile("^(earthquake|record)", re.IGNORECASE)}              # words in `trace_category`; the first kind that is found


def synthetic(found: Mapping[str, int]) -> bool | None:
    """Whether all records are synthetic, or none is; None if it is some, or not known of some."""
    return True if set(found) == {"synthetic"} else None if {"synthetic", "unknown"} & set(found) else False


def _simulated_here(corpus: Corpus) -> bool:
    return bool(corpus.card.get("settings", {}).get("synthetic", False))


def versions() -> dict[str, str]:
    """What a file was made with."""
    return {"tng": __version__, "torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()}


def load_checkpoint(path, network_class: type[nn.Module]) -> tuple[nn.Module, dict, dict[str, Tensor]]:
    """Read a checkpoint: the network in evaluation mode, its description, and the tensors that go with it.

    Raises
    ------
    TrainingError
        If it is missing, damaged, or of another network, or has values that are not finite.
    """
    path = file_of(path)
    tensors, info = read_tensors(path)
    if info.get("network") != network_class.__name__:
        raise TrainingError(f"{path}: holds a {info.get('network')}, not a {network_class.__name__}")
    weights = {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
    extra = {name.removeprefix("extra."): value for name, value in tensors.items() if name.startswith("extra.")}
    broken = [name for name, value in tensors.items() if not value.isfinite().all()]
    if broken:
        raise TrainingError(f"{path}: {', '.join(broken[:5])} has values that are not finite (NaN or infinite); train again or fetch it anew")
    if not weights or "arguments" not in info:
        raise TrainingError(f"{path}: holds no network; train again or fetch it anew")
    try:
        with torch.random.fork_rng(devices=[]):
            network = network_class(**info["arguments"])
    except (TypeError, ValueError) as problem:
        raise TrainingError(f"{path}: its network has other arguments than this version's ({problem})") from None
    network.to(next(iter(weights.values())).dtype)
    try:
        network.load_state_dict(weights)
    except RuntimeError as problem:
        raise TrainingError(f"{path}: weights and description do not belong together ({problem})") from None
    return network.eval(), info, extra
