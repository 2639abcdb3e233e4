"""What an ingest has done so far, on disk: an interrupted run goes on where it stopped.

A hidden folder beside the corpus holds the samples of every record that is ready (``waveforms.f4``, only
ever appended to) and one line a task (``journal.jsonl``) that says where they are.  A line counts when it is
whole; samples without a line are written over.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np


class JournalError(RuntimeError):
    """The journal is in use by another run, or does not hold what it says."""


class Journal:
    """Answers to tasks by their key; open it with ``with``."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._places: dict[str, tuple[int, int]] = {}     # of each task's line in the journal
        folder.mkdir(parents=True, exist_ok=True)
        self._lines = (folder / "journal.jsonl").open("a+b")
        try:
            fcntl.flock(self._lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lines.close()
            raise JournalError(f"{folder}: another run is at work on this corpus; wait for it, or stop it") from None
        self._samples = (folder / "waveforms.f4").open("a+b")
        self._end = self._recover()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_) -> None:
        if not self._places:                    # nothing that could be resumed
            self.remove()
        self._lines.close()
        self._samples.close()

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def _recover(self) -> int:
        """Note where the whole lines are, and cut off what follows them."""
        size = os.fstat(self._samples.fileno()).st_size
        self._lines.seek(0)
        end = start = 0
        for line in self._lines:
            try:
                entry = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                entry = None
            if not isinstance(entry, dict) or not {"task", "end"} <= set(entry) or entry["end"] > size:
                break
            if not entry.get("again"):              # what failed may do better this time
                self._places[entry["task"]] = start, len(line)
            start, end = start + len(line), entry["end"]
        self._lines.truncate(start)
        self._samples.truncate(end)
        return end

    def add(self, key: str, entry: Mapping, waveforms: list[np.ndarray]) -> None:
        """Note what became of a task; its records' samples are stored first."""
        places = []
        for samples in waveforms:
            content = np.ascontiguousarray(samples, dtype="<f4").tobytes()
            self._samples.write(content)
            places.append([self._end, list(samples.shape), hashlib.sha256(content).hexdigest()])
            self._end += len(content)
        self._samples.flush()
        line = json.dumps({"task": key, **entry, "places": places, "end": self._end}, default=str).encode() + b"\n"
        start = self._lines.seek(0, os.SEEK_END)
        self._lines.write(line)
        self._lines.flush()
        self._places[key] = start, len(line)

    def entry(self, key: str) -> dict:
        """What :meth:`add` was given, and ``places``: one a record."""
        start, length = self._places[key]
        self._lines.seek(start)
        return json.loads(self._lines.read(length))

    def waveform(self, place) -> np.ndarray:
        """The samples of one record, float32, shape (3, samples).

        Raises
        ------
        JournalError
            If they are not those that were stored.
        """
        start, shape, digest = place
        self._samples.seek(start)
        content = self._samples.read(4 * int(np.prod(shape)))
        if hashlib.sha256(content).hexdigest() != digest:
            raise JournalError(f"{self.folder}: samples that were stored are damaged; remove this folder and start again")
        return np.frombuffer(content, dtype="<f4").reshape(shape)

    def remove(self) -> None:
        """Nothing is left to resume."""
        shutil.rmtree(self.folder, ignore_errors=True)
