"""One training loop for every network, on one process or many.

The result does not depend on how a batch is dealt out to processes, and an interrupted training goes on where it
stopped (:mod:`tng.resuming`).
"""

from __future__ import annotations

import math
import os
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from tng.batches import Ahead, CorpusBatches, deal
from tng.config import Settings
from tng.dealing import part, shared_batch
from tng.processes import (Stopped, TrainingError, arithmetic, default_dtype, dtype_of, fabric, gathered, on_first, peak_memory_gib,
                           random_state, together)
from tng.resuming import Interruption, Place, State, identity
from tng.runlog import RunLog

LOG, STATE = 1, 2            # what is due to be written
LOG_EVERY_S = 10.0
LISTED = 40                  # rows in a message
SKIPPED = 30                 # steps in a row that a gradient scaler may leave out


def train(build: Callable[[], nn.Module], loss: Callable, training: CorpusBatches, validation: CorpusBatches, *,
          epochs: int, learning_rate: float, settings: Settings, label: str,
          resume: Path | None = None, about: dict | None = None) -> tuple[nn.Module, pd.DataFrame]:
    """Train a network with AdamW, a cosine learning rate that ends at 0, and gradient clipping.

    With the setting `records_at_once`, counted over all processes, the gradients of parts of a batch are added up, which gives the
    gradient of the whole batch.  Only with `period_choice` ``batch`` do the parts matter: periods are then common to a part, not
    to the batch.

    Parameters
    ----------
    build : callable
        Makes the network, on the CPU; called with the random state seeded.
    loss : callable
        ``loss(network, batch, progress)`` → mean over the batch's records; `progress` runs from 0 to 1 over the training.
    training, validation : CorpusBatches
        Validation decides only when to stop early (setting `patience`) and which weights to keep (`keep`).
    resume : path, optional
        File that holds the state of an interrupted run.  It is written after each epoch, every `save_minutes` inside one, and
        when the process is asked to stop; `tng.checkpoints.save_checkpoint` removes it.  Logs are written beside it.
    about : dict, optional
        What else decides the result (corpus, stations); a state with another one is not resumed.

    Returns
    -------
    network : nn.Module
        In evaluation mode; the same in all processes.
    history : DataFrame
        A row an epoch: epoch, train, validation (mean losses), learning_rate.  ``attrs["kept_epoch"]`` is the epoch whose weights are
        returned, ``attrs["effort"]`` what the training took, ``attrs["trained_on"]`` of how many records and stations it was.

    Raises
    ------
    TrainingError
        If the loss is no longer a finite number, the process was asked to stop, a file cannot be written, or `resume` holds
        another training, or is in use.
    KeyboardInterrupt
        After Ctrl-C, when the state has been written.
    """
    device = fabric(settings)
    _check(training, validation, settings, label, device.world_size)
    with arithmetic(settings), random_state(device.device, settings.seed):
        with default_dtype(dtype_of(settings)):
            network = build().to(dtype_of(settings))
        known_by = identity(label, settings, network, epochs=epochs, learning_rate=learning_rate, steps=len(training),
                            **{f"{name} of the training": value for name, value in (about or {}).items()})
        if hasattr(network, "recompute"):
            network.recompute = settings.recompute
        if settings.compile:
            getattr(network, "compile_blocks", network.compile)()
        optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=settings.weight_decay)
        wrapped, optimiser = device.setup(network, optimiser)
        state = State(Path(resume), known_by, network, optimiser, device.strategy.precision, settings.save_minutes) if resume else None
        loop = _Loop(device, wrapped, optimiser, loss, training, validation, epochs, learning_rate, settings, label, state)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")      # of 1×1 convolutions, harmless
            try:
                with state.kept() if state else nullcontext():
                    loop.run()
            except torch.OutOfMemoryError as problem:
                raise TrainingError(loop.no_room(problem)) from None
        return network.eval(), loop.history()


def _check(training: CorpusBatches, validation: CorpusBatches, settings: Settings, label: str, processes: int) -> None:
    if len(training) == 0:
        raise TrainingError(f"{label}: no training records; check the corpus' stations and its split")
    if len(validation) == 0 and (settings.patience or settings.keep == "best"):
        raise TrainingError(f"{label}: no validation records (split dev), which the settings patience = {settings.patience} and "
                            f"keep = {settings.keep} need; set patience = 0 and keep = last, or add records of more earthquakes")
    smallest = len(training.rows) // len(training)
    if smallest < processes:
        raise TrainingError(f"{label}: a batch has {smallest} records, which cannot be dealt out to {processes} processes; start fewer, or "
                            f"set a larger batch (setting batch, now {settings.batch})")


class _Loop:
    """The epochs and steps of one training; all processes go through them together."""

    def __init__(self, device, network, optimiser, loss, training, validation, epochs, learning_rate, settings, label, state: State | None):
        self.device, self.network, self.optimiser, self.loss = device, network, optimiser, loss
        self.training, self.validation, self.epochs, self.learning_rate = training, validation, epochs, learning_rate
        self.ahead = Ahead(training)
        self.settings, self.label, self.state = settings, label, state
        self.place, self.log, self.asked = Place(), None, Interruption()
        self.scaler, self.skipped = getattr(device.strategy.precision, "scaler", None), 0

    def run(self) -> None:
        if self.device.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device.device)
        if self.state:
            self.place = self.state.read()
            on_first(self._open_log)
        if not (self.place.history or self.place.losses):
            together(self._check_validation)
        self.clock = self.saved = self.logged = time.monotonic()
        with self.asked if self.state else nullcontext(), self._bar() as self.bar:
            while not self._finished():
                self._epoch()
        if self.log:
            self.log.close()
        if self.settings.keep == "best":
            self.network.module.load_state_dict(self.place.best)

    def history(self) -> pd.DataFrame:
        table, place = pd.DataFrame(self.place.history), self.place
        table.attrs["kept_epoch"] = place.best_epoch() if self.settings.keep == "best" else place.epoch
        rows, device = self.training.rows, self.device.device
        table.attrs["trained_on"] = {"records": len(rows), "stations": len(set(self.training.codes[rows]))}
        table.attrs["effort"] = {
            "records_per_s": place.records / place.step_seconds if place.step_seconds else None, "seconds": place.seconds,
            "peak_memory_gib": max(peak for peak, in gathered([peak_memory_gib(device)], device)), "processes": self.device.world_size,
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type, "precision": self.settings.precision,
            "parameters": sum(one.numel() for one in self.network.module.parameters())}
        return table

    # --- an epoch -----------------------------------------------------------------------------------

    def _epoch(self) -> None:
        groups, epoch = self._groups(), self.place.epoch
        self.network.train()
        for step in range(len(self.place.losses), len(groups)):
            self._step(epoch, step, groups[step], groups[step + 1] if step + 1 < len(groups) else None)
        self.place.history.append({"epoch": epoch + 1, "train": float(np.average(self.place.losses, weights=[len(rows) for rows in groups])),
                                   "validation": self._validate(epoch), "learning_rate": self._rate(epoch, len(groups) - 1)})
        self.place.losses = []
        if self.settings.keep == "best" and self.place.best_epoch() == epoch + 1:
            self.place.best = {name: value.detach().cpu().clone() for name, value in self.network.module.state_dict().items()}
        self._tick()
        if self.log:
            self.log.epoch(step=self.place.epoch * len(groups), **self.place.history[-1], seconds=self.place.seconds)
        self._write(self._exchange(0.0)[1])

    def _groups(self) -> list[np.ndarray]:
        return self.training.groups(np.random.default_rng([self.settings.seed, self.place.epoch]))

    def _rate(self, epoch: int, step: int) -> float:
        return float(self.learning_rate * (1 + np.cos(np.pi * self._progress(epoch, step))) / 2)

    def _progress(self, epoch: int, step: int) -> float:
        return (epoch + step / len(self.training)) / self.epochs

    def _finished(self) -> bool:
        place, patience = self.place, self.settings.patience
        return place.epoch >= self.epochs or bool(patience and place.history and place.epoch - place.best_epoch() >= patience)

    # --- a step -------------------------------------------------------------------------------------

    def _step(self, epoch: int, step: int, rows: np.ndarray, following: np.ndarray | None) -> None:
        started = time.monotonic()
        rate = self.optimiser.param_groups[0]["lr"] = self._rate(epoch, step)
        share = self._gradient(epoch, step, rows)
        norm = self.device.clip_gradients(self.network, self.optimiser, max_norm=self.settings.clip, error_if_nonfinite=False)
        self.optimiser.step()
        if following is not None:
            self.ahead.prepare(self._turns(following)[0], epoch)
        loss, signal_number, due = self._exchange(float(share))             # the first wait for a GPU: by now it has all its work
        if not math.isfinite(loss):
            raise TrainingError(self._no_number("loss", loss, epoch, step, rows))
        self.skipped = 0 if math.isfinite(norm := float(norm)) else self.skipped + 1
        if self.skipped and self._cannot_skip():
            raise TrainingError(self._no_number("gradient", norm, epoch, step, rows))
        self.place.losses.append(loss)
        seconds = time.monotonic() - started
        self.place.step_seconds, self.place.records = self.place.step_seconds + seconds, self.place.records + len(rows)
        if self.log:
            self.log.step(step=epoch * len(self.training) + step + 1, epoch=epoch + 1, loss=loss, learning_rate=rate, gradient_norm=norm,
                          records_per_s=len(rows) / seconds, peak_memory_gib=peak_memory_gib(self.device.device))
        self.bar.set_postfix(epoch=f"{epoch + 1}/{self.epochs}", loss=f"{loss:.3g}", refresh=False)
        self.bar.update(len(rows))
        if signal_number or due == STATE:
            self._write(signal_number)
        elif due == LOG:
            self._write_log()

    def _turns(self, rows: np.ndarray) -> list[np.ndarray]:
        return deal(rows, self.settings.records_at_once, self.device.global_rank, self.device.world_size)

    def _cannot_skip(self) -> bool:
        """Whether steps of infinite gradient are more than a gradient scaler leaves out until its scale fits."""
        return self.scaler is None or self.skipped >= SKIPPED or self.scaler.get_scale() < 1

    def _gradient(self, epoch: int, step: int, rows: np.ndarray) -> Tensor:
        """Leave the gradient of a batch's mean loss in the network; return this process' share of that loss."""
        device, count, turns = self.device, self.device.world_size, self._turns(rows)
        self.optimiser.zero_grad()
        share = 0.0
        for own in turns:
            weight = len(own) / len(rows)
            with device.no_backward_sync(self.network, enabled=own is not turns[-1]):
                with shared_batch():
                    value = self.loss(self.network, self._on_device(self.ahead.read(own, epoch)), self._progress(epoch, step))
                device.backward(value * (weight * count))                   # gradients are averaged over processes
            share = share + value.detach() * weight
        return share

    def _validate(self, epoch: int) -> float:
        """Mean loss over the validation records."""
        count, total = self.device.world_size, 0.0
        self.network.eval()
        for rows in self.validation.groups(None):
            dealt = len(rows) >= count                                      # else every process computes all of it
            for own in deal(rows, self.settings.records_at_once, *((self.device.global_rank, count) if dealt else (0, 1))):
                with torch.no_grad(), shared_batch() if dealt else nullcontext():
                    value = self.loss(self.network, self._on_device(self.validation.read(own)), 1.0)
                total += float(value) * len(own) / (1 if dealt else count)
        if not len(self.validation):
            return float("nan")
        mean = self._exchange(total)[0] / len(self.validation.rows)
        if not math.isfinite(mean):
            raise TrainingError(f"{self.label}: the validation loss became {mean} in epoch {epoch + 1}. {self._broken(self.validation.rows)}"
                                f"Try a lower learning rate. {self._before()}")
        return mean

    def _check_validation(self) -> None:
        """A value that is not finite would stop the training only after its first epoch."""
        if broken := self._not_finite(part(self.validation.rows, self.device.global_rank, self.device.world_size)):
            raise TrainingError(f"{self.label}: {broken}These are validation records (split dev); leave them out or mend them")

    def _on_device(self, batch: dict) -> dict:
        """The same batch with its tensors on the device; seeds are read on the CPU."""
        return {name: self.device.to_device(value) if name in ("x", "station") else value for name, value in batch.items()}

    # --- all processes ------------------------------------------------------------------------------

    def _exchange(self, share: float) -> tuple[float, int, int]:
        """Sum of a share over all processes, the signal by which any was asked to stop, and what is due to be written."""
        now, due = time.monotonic(), 0
        if self.log:
            due = STATE if now - self.saved >= 60 * self.settings.save_minutes else LOG if now - self.logged >= LOG_EVERY_S else 0
        shares, signals, dues = zip(*gathered([share, self.asked.signal, due], self.device.device))
        return sum(shares), int(max(signals)), int(max(dues))

    # --- files --------------------------------------------------------------------------------------

    def _open_log(self) -> None:
        self.log = RunLog(self.state.path, self.place.epoch * len(self.training) + len(self.place.losses))

    def _write_log(self) -> None:
        on_first(lambda: self.log.flush())
        self.logged = time.monotonic()

    def _write(self, signal_number: int) -> None:
        """Write log and state, if there are any, and stop if a process was asked to."""
        if not self.state:
            return
        self._tick()
        self._write_log()
        on_first(lambda: self.state.write(self.place))
        self.saved = time.monotonic()
        if not signal_number:
            return
        steps = len(self.place.losses)
        where = f"after step {steps} of {len(self.training)} of epoch {self.place.epoch + 1}" if steps else f"after epoch {self.place.epoch}"
        message = (f"{self.label}: stopped {where} by {signal.Signals(signal_number).name}. Start it again with the same settings: it goes on "
                   f"from {self.state.path}")
        raise KeyboardInterrupt(message) if signal_number == signal.SIGINT else Stopped(message, signal_number)

    def _tick(self) -> None:
        now = time.monotonic()
        self.place.seconds, self.clock = self.place.seconds + now - self.clock, now

    # --- words --------------------------------------------------------------------------------------

    def _bar(self) -> tqdm:
        all_rows, off = len(self.training.rows), os.environ.get("TNG_PROGRESS") == "0"
        done = self.place.epoch * all_rows + sum(map(len, self._groups()[:len(self.place.losses)]))
        return tqdm(total=self.epochs * all_rows, initial=done, desc=self.label, unit=" records", disable=off or self.device.global_rank > 0)

    def _no_number(self, what: str, value: float, epoch: int, step: int, rows: np.ndarray) -> str:
        return (f"{self.label}: the {what} became {value} in epoch {epoch + 1}, step {step + 1} of {len(self.training)}. {self._broken(rows)}"
                f"Try a lower learning rate, or look for broken records. {self._before()}")

    def no_room(self, problem: Exception) -> str:
        """What to say when memory is too small; parts of a batch are counted over all processes."""
        count, batch = self.device.world_size, -(-len(self.training.rows) // len(self.training))
        now = max(count, min(self.settings.records_at_once or batch, batch))
        half = max(count, -(-now // 2))
        fewer = f"records_at_once to {half} or fewer: a batch then goes through the network in parts; or " if half < now else ""
        return (f"{self.label}: the memory of {self.device.device} is too small ({str(problem).splitlines()[0]}). Set {fewer}recompute to true, "
                f"precision to bf16-mixed. {self._before()}")

    def _broken(self, rows: np.ndarray) -> str:
        """Which records are to blame, or may be."""
        return self._not_finite(rows) or f"The records were rows {_listed(rows)} of {self.training.corpus.folder}. "

    def _not_finite(self, rows: np.ndarray) -> str:
        corpus, size = self.training.corpus, self.settings.batch
        some = (rows[start:start + size] for start in range(0, len(rows), size))
        broken = [row for own in some for row in own[~np.isfinite(corpus.waveforms(own)).all(axis=(1, 2))]]
        return f"Not every sample is a number in row {_listed(broken)} of {corpus.folder}. " if broken else ""

    def _before(self) -> str:
        path = self.state and self.state.path
        if path and path.exists():
            return f"The last good state is still in {path}; delete it to start anew with other settings"
        return "No state was written"


def _listed(rows) -> str:
    return ", ".join(map(str, rows[:LISTED])) + (f" and {len(rows) - LISTED} more" if len(rows) > LISTED else "")
