"""One training loop for every network, and checkpoints.

Lightning Fabric chooses the device and the precision.  After each epoch the whole state is written
(weights, moments, random state, history), so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from tng import __version__
from tng.config import Settings
from tng.corpus import Corpus


class TrainingError(RuntimeError):
    """Training or a checkpoint cannot go on; the message says why and what to do."""


# --- the loop -----------------------------------------------------------------------------------

def fabric(settings: Settings):
    """The device and precision that the settings ask for."""
    from lightning_fabric import Fabric

    try:
        return Fabric(accelerator=settings.device, devices=1, precision=settings.precision)
    except (ValueError, RuntimeError) as problem:
        raise TrainingError(f"device {settings.device!r} cannot be used ({problem}); cpu and auto always can") from None


def dtype_of(settings: Settings) -> torch.dtype:
    return torch.float64 if settings.precision == "64-true" else torch.float32


class CorpusBatches:
    """Batches {"x": (B, 3, T)} of some records; with `stations`, also their station numbers {"station": (B,)}.

    Called with a random generator they come in a random order, with None in that of the rows; ``len`` is
    their number.
    """

    def __init__(self, corpus: Corpus, rows: np.ndarray, settings: Settings, stations: list[str] | None = None):
        self.corpus, self.rows, self.size, self.dtype = corpus, rows, settings.batch, dtype_of(settings)
        self.number = {code: i for i, code in enumerate(stations or [])}
        self.codes = corpus.metadata["station_code"].to_numpy()

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def __call__(self, rng: np.random.Generator | None) -> Iterator[dict[str, Tensor]]:
        for chosen, waveforms in self.corpus.batches(self.rows, self.size, rng):
            batch = {"x": torch.as_tensor(waveforms, dtype=self.dtype)}
            if self.number:
                batch["station"] = torch.tensor([self.number[self.codes[row]] for row in chosen])
            yield batch


def train(build: Callable[[], nn.Module], loss: Callable, training: CorpusBatches, validation: CorpusBatches, *,
          epochs: int, learning_rate: float, settings: Settings, label: str,
          resume: Path | None = None, about: dict | None = None) -> tuple[nn.Module, pd.DataFrame]:
    """Train a network with AdamW, a cosine learning rate that ends at 0, and gradient clipping.

    Parameters
    ----------
    build : callable
        Makes the network; called with the random state seeded.
    loss : callable
        ``loss(network, batch, progress)`` → scalar; `progress` runs from 0 to 1 over the training.
    training, validation : CorpusBatches
        Validation never selects anything here: it is only reported.
    resume : path, optional
        File that holds the state of an interrupted run.  It is written after each epoch;
        `save_checkpoint` removes it.
    about : dict, optional
        What else decides the result (corpus, stations); a state with another one is not resumed.

    Returns
    -------
    network : nn.Module
        In evaluation mode.
    history : DataFrame
        A row an epoch: epoch, train, validation (mean losses), learning_rate.

    Raises
    ------
    TrainingError
        If the loss is no longer a finite number, or `resume` holds another training.
    """
    device = fabric(settings)
    forks = [device.device] if device.device.type == "cuda" else []
    with torch.random.fork_rng(devices=forks):
        torch.manual_seed(settings.seed)
        with device.init_module():
            network = build()
        optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=settings.weight_decay)
        network, optimiser = device.setup(network, optimiser)
        steps = len(training)
        if steps == 0:
            raise TrainingError(f"{label}: no training records; check the corpus' stations and its split")
        weights = hashlib.sha256(b"".join(v.cpu().numpy().tobytes() for v in network.module.state_dict().values()))
        identity = json.dumps({"label": label, "epochs": epochs, "learning_rate": learning_rate, "steps": steps,
                               "start": weights.hexdigest(), "about": about, **settings.model_dump(mode="json")},
                              sort_keys=True)
        history = _resume(resume, identity, network.module, optimiser) if resume else []
        bar = tqdm(total=epochs * steps, initial=len(history) * steps, desc=label, unit="step",
                   disable=os.environ.get("TNG_PROGRESS") == "0")
        for epoch in range(len(history), epochs):
            rng = np.random.default_rng([settings.seed, epoch])
            network.train()
            losses, sizes = [], []
            for step, batch in enumerate(training(rng)):
                done = (epoch + step / steps) / epochs
                rate = learning_rate * (1 + np.cos(np.pi * done)) / 2
                optimiser.param_groups[0]["lr"] = rate
                optimiser.zero_grad()
                value = loss(network, device.to_device(batch), done)
                if not torch.isfinite(value):
                    raise TrainingError(f"{label}: the loss became {value.item()} in epoch {epoch + 1}; "
                                        "try a lower learning rate, or look for broken records")
                device.backward(value)
                device.clip_gradients(network, optimiser, max_norm=settings.clip)
                optimiser.step()
                losses.append(value.item())
                sizes.append(len(batch["x"]))
                bar.update()
                bar.set_postfix(loss=f"{losses[-1]:.3g}")
            history.append({"epoch": epoch + 1, "train": float(np.average(losses, weights=sizes)),
                            "validation": _mean_loss(network, loss, validation, device),
                            "learning_rate": float(rate)})
            if resume:
                _save_state(resume, identity, network.module, optimiser, history)
        bar.close()
    return network.module.eval(), pd.DataFrame(history)


def _mean_loss(network, loss, batches: CorpusBatches, device) -> float:
    network.eval()
    with torch.no_grad():
        values = [(loss(network, device.to_device(batch), 1.0).item(), len(batch["x"])) for batch in batches(None)]
    if not values:
        return float("nan")
    losses, sizes = zip(*values)
    return float(np.average(losses, weights=sizes))


def _save_state(path: Path, identity: str, network: nn.Module, optimiser, history: list) -> None:
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for number, moments_ in optimiser.state_dict()["state"].items():
        tensors.update({f"optimiser.{number}.{name}": value for name, value in moments_.items()})
    tensors["random_state"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["cuda_random_state"] = torch.cuda.get_rng_state()
    _write(path, tensors, {"identity": identity, "history": json.dumps(history)})


def _resume(path: Path, identity: str, network: nn.Module, optimiser) -> list:
    """Load an interrupted training of the same settings; its history, or [] if there is none."""
    if not path.exists():
        return []
    tensors, info = _read(path)
    if info.get("identity") != identity:
        raise TrainingError(f"{path} holds an interrupted training with other settings; finish it with the "
                            "same settings, or delete the file to start anew")
    try:
        network.load_state_dict({name[len("network."):]: value for name, value in tensors.items()
                                 if name.startswith("network.")})
    except RuntimeError:
        raise TrainingError(f"{path} holds an interrupted training of another network; delete the file to start "
                            "anew") from None
    state: dict[int, dict] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, number, key = name.split(".")
            state.setdefault(int(number), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    torch.set_rng_state(tensors["random_state"])
    if "cuda_random_state" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["cuda_random_state"])
    return json.loads(info["history"])


# --- checkpoints ----------------------------------------------------------------------------------

def _write(path: Path, tensors: dict[str, Tensor], info: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, part, metadata=info)
    os.replace(part, path)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (SafetensorError, OSError) as problem:
        raise TrainingError(f"{path}: no readable checkpoint ({problem}); train again or fetch it anew") from None


def save_checkpoint(path: Path, network: nn.Module, settings: Settings, *, stations: list[str], corpus: Corpus,
                    history: pd.DataFrame, extra: dict[str, Tensor] | None = None,
                    generates_for: list[str] | None = None, finished: Path | None = None) -> None:
    """Write weights as ``<path>.safetensors`` and what they are as ``<path>.json``.

    The JSON is written last, so weights without it are an unfinished checkpoint.  `extra` holds tensors
    that go with the network, such as the standard deviation of its latent codes.  `stations` are those the
    network can tell apart, `generates_for` those it may generate for (the same, unless it tells none apart).
    `finished` is the state that training left for resuming; it is no longer needed.
    """
    path = Path(path)
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors.update({f"extra.{name}": value for name, value in (extra or {}).items()})
    info = {
        "network": type(network).__name__, "arguments": network.arguments, "stations": list(stations),
        "generates_for": list(stations if generates_for is None else generates_for),
        "settings": settings.model_dump(mode="json"), "corpus": corpus.fingerprint,
        "sampling_rate_hz": corpus.sampling_rate_hz, "history": history.to_dict("list"),
        "versions": {"tng": __version__, "torch": torch.__version__, "numpy": np.__version__,
                     "python": platform.python_version()},
    }
    path.with_suffix(".json").unlink(missing_ok=True)
    _write(path.with_suffix(".safetensors"), tensors, {"format": "tng checkpoint 1"})
    part = path.with_suffix(".json.part")
    part.write_text(json.dumps(info, indent=1))
    os.replace(part, path.with_suffix(".json"))
    if finished:
        finished.unlink(missing_ok=True)


def load_checkpoint(path: Path, network_class: type[nn.Module]):
    """Read a checkpoint: the network in evaluation mode, its description, and its extra tensors.

    Raises
    ------
    TrainingError
        If it is missing, incomplete, or of another network.
    """
    path = Path(path).with_suffix(".json")
    try:
        info = json.loads(path.read_text())
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such checkpoint") from None
    except ValueError as problem:
        raise TrainingError(f"{path}: not a checkpoint's description ({problem})") from None
    if not isinstance(info, dict) or "arguments" not in info:
        raise TrainingError(f"{path}: not a checkpoint's description (no network in it)")
    if info.get("network") != network_class.__name__:
        raise TrainingError(f"{path}: holds a {info.get('network')}, not a {network_class.__name__}")
    tensors, _ = _read(path.with_suffix(".safetensors"))
    weights = {name[len("network."):]: value for name, value in tensors.items() if name.startswith("network.")}
    try:
        with torch.random.fork_rng(devices=[]):
            network = network_class(**info["arguments"])
    except TypeError as problem:
        raise TrainingError(f"{path}: its network has other arguments than this version's ({problem})") from None
    network.to(next(iter(weights.values())).dtype)
    try:
        network.load_state_dict(weights)
    except RuntimeError as problem:
        raise TrainingError(f"{path}: weights and description do not belong together ({problem})") from None
    extra = {name[len("extra."):]: value for name, value in tensors.items() if name.startswith("extra.")}
    return network.eval(), info, extra
