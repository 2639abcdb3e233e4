"""What lets a training be interrupted at any moment and go on to the very same weights.

The state of a training is one file: weights, moments, random states, and its place (epoch, step, losses so far).
It is replaced by a rename, so there is always a whole one.
"""

from __future__ import annotations

import hashlib
import json
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch
from torch import Tensor, nn

from tng import checkpoints, files
from tng.config import HOW, Settings
from tng.processes import TrainingError, from_first, on_first, processes, together

FORMAT = "tng training state 2"
MOMENTS = {"step", "exp_avg", "exp_avg_sq"}        # what AdamW keeps of a parameter


@dataclass
class Place:
    """How far a training is.

    Attributes
    ----------
    history : list of dict
        A row a finished epoch.
    losses : list of float
        Of the steps of the epoch under way.
    seconds, step_seconds : float
        Time that the training took so far, over all its starts; and that part of it in which it took steps.
    records : int
        Records in all those steps.
    best : dict
        Weights of the epoch with the lowest validation loss, if these are to be kept.
    """

    history: list[dict] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    step_seconds: float = 0.0
    records: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """Of the epoch under way, from 0."""
        return len(self.history)

    def best_epoch(self) -> int | None:
        """Number of the epoch with the lowest validation loss, from 1; the first of equals."""
        return min(self.history, key=lambda row: row["validation"])["epoch"] if self.history else None


def identity(label: str, settings: Settings, network: nn.Module, **more) -> dict:
    """What decides how a training ends: a state with another identity is of another training.

    Settings of how it is computed are left out: it may go on elsewhere.  So is the first weights' last bit, which depends on the
    machine; the seed and `more` decide them.
    """
    shapes = json.dumps({name: list(value.shape) for name, value in network.state_dict().items()})
    given = {name: value for name, value in settings.model_dump(mode="json").items() if name not in HOW}
    return json.loads(json.dumps({"label": label, **given, **more, "shapes of the weights": hashlib.sha256(shapes.encode()).hexdigest()}))


class State:
    """The file that holds the state of one training.

    Parameters
    ----------
    path : path
    known_by : dict
        Its `identity`.
    network, optimiser, precision
        What is written and read: the bare network, its optimiser, and Fabric's precision, which may scale the loss.
    minutes : float
        How often it is written.
    """

    def __init__(self, path: Path, known_by: Mapping, network: nn.Module, optimiser, precision, minutes: float):
        self.lock = files.Lock(Path(path), 3 * minutes)
        self.path, self.known_by = Path(path), dict(known_by)
        self.network, self.optimiser, self.precision = network, optimiser, precision
        self.device = next(network.parameters()).device

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Inside, no other training may use the file; TrainingError if another does."""
        on_first(self._lock)
        try:
            yield
        finally:
            if processes()[0] == 0:
                self.lock.release()

    def _lock(self) -> None:
        try:
            self.lock.take()
        except files.LockedError as problem:
            raise TrainingError(f"{self.path} is the state of a training that is under way: {problem}") from None
        except OSError as problem:
            raise TrainingError(checkpoints.cannot_write(self.lock.path, problem)) from None

    def write(self, place: Place) -> None:
        """Replace the file."""
        self.lock.touch()
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in place.best.items()}
        for number, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": value for name, value in moments.items()}
        tensors["random.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        told = {one.name: getattr(place, one.name) for one in fields(place) if one.name != "best"}
        checkpoints.write_tensors(self.path, tensors, {"identity": self.known_by, "place": told, "scaler": self.precision.state_dict()}, FORMAT)

    def read(self) -> Place:
        """Where the training was interrupted, with network, optimiser and random states as they were; or its beginning.

        Raises
        ------
        TrainingError
            If the file is damaged, of another training, or out of reach of a process.
        """
        return together(self._load) if from_first(self._there) else Place()

    def _there(self) -> bool:
        """Whether there is a state; that of another training is an error."""
        if not self.path.exists():
            return False
        found = self._open()[1]["identity"]
        names = [name for name in {**self.known_by, **found} if self.known_by.get(name) != found.get(name)]
        if names:
            told = "; ".join(f"{name} is {_short(found.get(name))} there and {_short(self.known_by.get(name))} here" for name in names)
            raise TrainingError(f"{self.path} holds an interrupted training with other settings: {told}. Finish it with the same settings, "
                                "or delete the file to start anew")
        return True

    def _open(self) -> tuple[dict[str, Tensor], dict]:
        try:
            tensors, info = checkpoints.read_tensors(self.path, FORMAT)
            return tensors, {name: info[name] for name in ("identity", "place", "scaler")}
        except (TrainingError, KeyError) as problem:
            raise TrainingError(f"the state of the interrupted training cannot be read ({problem}); delete {self.path} to start anew") from None

    def _load(self) -> Place:
        if not self.path.exists():
            raise TrainingError(f"{self.path}: the first process sees it, another does not; put the run on storage that all machines share")
        tensors, info = self._open()
        moments: dict[int, dict] = {}
        for name, value in _part(tensors, "optimiser.").items():
            number, key = name.split(".")
            moments.setdefault(int(number), {})[key] = value
        try:
            if any(set(one) != MOMENTS for one in moments.values()):
                raise KeyError("a moment is missing")
            self.network.load_state_dict(_part(tensors, "network."))
            self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})
            self.precision.load_state_dict(info["scaler"])
            torch.set_rng_state(tensors["random.cpu"])
            place = Place(**info["place"], best=_part(tensors, "best."))
        except (RuntimeError, ValueError, KeyError, TypeError) as problem:
            raise TrainingError(f"{self.path}: the state of another network, or of another version ({problem}); delete the file to "
                                "start anew") from None
        if self.device.type == "cuda" and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)
        return place


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _short(value) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


class Interruption:
    """Notes that the training is asked to stop (Ctrl-C, SIGTERM, SIGUSR1), so that a step can be finished and the state be written.

    A second Ctrl-C stops at once.  Only the main thread of a process can be asked.

    Attributes
    ----------
    signal : int
        The first one, or 0.
    """

    def __init__(self):
        self.signal = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
                number = getattr(signal, name, None)                                 # there is no SIGUSR1 on Windows
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, _frame) -> None:
        if self.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = self.signal or number
