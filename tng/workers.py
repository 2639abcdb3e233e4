"""Work in other processes: a file that crashes or hangs its reader costs that file, not the run.

Each thread of a small pool talks to one child, ``python -m tng.workers``, through pipes.  A child that dies
or takes too long is replaced.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import selectors
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

_LENGTH = struct.Struct("<Q")


START_LIMIT_S = 120.0


class WorkerError(RuntimeError):
    """The child died or took too long."""


class StartError(RuntimeError):
    """A child could not be started at all; nothing a file could be blamed for."""


class Worker:
    """One child process; `ask` sends it a task and waits for the answer."""

    def __init__(self, function: str):
        # -P: the folder that the user happens to be in, somebody's data, is no place to import from.
        self._child = subprocess.Popen([sys.executable, "-P", "-m", "tng.workers", function], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._child.stdout, selectors.EVENT_READ)
        try:
            if self._answer(time.monotonic() + START_LIMIT_S) != "ready":
                raise StartError("a process for reading files talks nonsense; is this Python environment complete?")
        except (EOFError, struct.error, pickle.UnpicklingError, WorkerError) as error:
            self.stop()
            raise StartError("a process for reading files could not be started; is this Python environment complete? Reading with one "
                             "process (processes=1) may work") from error

    def ask(self, task, limit_s: float):
        """The answer to a task.

        Raises
        ------
        WorkerError
            If the child dies, or has not answered after `limit_s` seconds.
        """
        end = time.monotonic() + limit_s
        try:
            _send(self._child.stdin, pickle.dumps(task))
            return self._answer(end)
        except (BrokenPipeError, EOFError, struct.error) as error:
            raise WorkerError("the program that read it stopped") from error

    def _answer(self, end: float):
        length = _LENGTH.unpack(self._receive(_LENGTH.size, end))[0]
        return pickle.loads(self._receive(length, end))

    def _receive(self, length: int, end: float) -> bytes:
        parts = []
        while length:
            if not self._ready.select(max(end - time.monotonic(), 0)):
                raise WorkerError("it took too long to read")
            part = os.read(self._child.stdout.fileno(), min(length, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def stop(self) -> None:
        self._child.kill()
        self._ready.close()
        for stream in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(OSError):
                stream.close()
        self._child.wait()


def unordered(function: str, tasks: Iterable, workers: int, limit_s: float, failed: Callable) -> Iterator:
    """Answers to tasks, in the order in which they come; few are under way at a time.

    Parameters
    ----------
    function : str
        ``module:name`` of a function of one argument.
    tasks : iterable
        What it is called with.
    workers : int
        Children.
    limit_s : float
        Time for one task [s].
    failed : callable
        Called with a task and the WorkerError; gives the answer instead.
    """
    here = threading.local()
    children: list[Worker] = []

    def answer(task):
        for last in (False, True):           # a second try, in a new child: the first may have been killed from outside
            if not hasattr(here, "worker"):
                here.worker = Worker(function)
                children.append(here.worker)
            try:
                return here.worker.ask(task, limit_s)
            except WorkerError as error:
                here.worker.stop()
                del here.worker
                if last:
                    return failed(task, error)

    pending: set[Future] = set()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for task in tasks:
                pending.add(pool.submit(answer, task))
                while len(pending) >= 3 * workers:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            for future in pending:
                future.cancel()
            for child in children:
                child.stop()


def _send(stream, content: bytes) -> None:
    stream.write(_LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def _follow(parent: int) -> None:
    """End with the parent, also in the middle of a task."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _main() -> None:
    import importlib

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)                       # what a library prints must not get among the answers
    module, _, name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(module), name)
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    _send(answers, pickle.dumps("ready"))
    while header := sys.stdin.buffer.read(_LENGTH.size):
        task = pickle.loads(sys.stdin.buffer.read(_LENGTH.unpack(header)[0]))
        _send(answers, pickle.dumps(function(task), protocol=pickle.HIGHEST_PROTOCOL))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        _main()
