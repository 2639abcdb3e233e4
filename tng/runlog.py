"""What is written down of a training while it runs: two tables and TensorBoard events, beside its state.

::

    NAME.part.safetensors     the state
    NAME.steps.csv            a row a step
    NAME.epochs.csv           a row an epoch
    logs/NAME/events…         the same for `tensorboard --logdir logs`
"""

from __future__ import annotations

import csv
import math
import os
import time
from pathlib import Path

from tng.checkpoints import cannot_write
from tng.files import replaced
from tng.processes import TrainingError

STEP = ("step", "epoch", "loss", "learning_rate", "gradient_norm", "records_per_s", "peak_memory_gib")
EPOCH = ("step", "epoch", "train", "validation", "learning_rate", "seconds")


class RunLog:
    """The log of one training.

    Rows are collected, and written by `flush`.  A training that is resumed goes on after its last good step: what was
    written of later ones is cut off.

    Parameters
    ----------
    state : path
        ``NAME.part.safetensors``.
    steps : int
        How many steps the training has done.

    Raises
    ------
    TrainingError
        If a file cannot be written, as on a full disk; so does `flush`.
    """

    def __init__(self, state: Path, steps: int):
        name = state.name.removesuffix(".safetensors").removesuffix(".part")
        self.tables = {STEP: state.with_name(f"{name}.steps.csv"), EPOCH: state.with_name(f"{name}.epochs.csv")}
        self.events = state.parent / "logs" / name
        self.steps, self.rows, self.writer = steps, {STEP: [], EPOCH: []}, None
        for columns, path in self.tables.items():
            self._or_say(path, lambda: _cut(path, columns, steps))
        if steps == 0:
            for old in self.events.glob("events.out.tfevents.*"):
                old.unlink()

    def step(self, **values) -> None:
        self.rows[STEP].append(values)

    def epoch(self, **values) -> None:
        self.rows[EPOCH].append(values)

    def flush(self) -> None:
        """Write what was collected."""
        for columns, path in self.tables.items():
            self._or_say(path, lambda: _append(path, columns, self.rows[columns]))
        self._or_say(self.events, self._write_events)
        self.rows = {columns: [] for columns in self.rows}

    def close(self) -> None:
        if self.writer:
            self._or_say(self.events, self.writer.close)

    def _write_events(self) -> None:
        # Not tensorboardX's SummaryWriter: its thread dies on a full disk, and the training would wait for it for ever.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.summary import scalar

        if self.writer is None:
            self.events.mkdir(parents=True, exist_ok=True)
            self.writer = EventsWriter(str(self.events / "events"), f".{self.steps}.{os.getpid()}")
            if self.steps:                                                          # hides what an earlier start wrote of later steps
                self.writer.write_event(Event(step=self.steps + 1, wall_time=time.time(), session_log=SessionLog(status=SessionLog.START)))
        for columns, rows in self.rows.items():
            group = "step" if columns is STEP else "epoch"
            for row in rows:
                for name, value in row.items():
                    if name not in ("step", "epoch") and not math.isnan(value):           # validation without validation records
                        self.writer.write_event(Event(step=row["step"], wall_time=time.time(), summary=scalar(f"{group}/{name}", value)))
        self.writer.flush()

    @staticmethod
    def _or_say(path: Path, write) -> None:
        try:
            write()
        except OSError as problem:
            raise TrainingError(cannot_write(path, problem)) from None


def _append(path: Path, columns: tuple[str, ...], rows: list[dict]) -> None:
    with open(path, "a", newline="") as file:
        csv.DictWriter(file, columns, lineterminator="\n").writerows(rows)


def _cut(path: Path, columns: tuple[str, ...], steps: int) -> None:
    """Leave the title and the whole rows of the first `steps` steps."""
    kept = [",".join(columns) + "\n"]
    if path.exists() and steps:
        for line in path.read_text(errors="replace").splitlines(keepends=True)[1:]:
            number, *others = line.split(",")
            if line.endswith("\n") and len(others) == len(columns) - 1 and number.isdigit() and int(number) <= steps:
                kept.append(line)
    with replaced(path) as part:
        part.write_text("".join(kept))
