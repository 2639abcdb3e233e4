"""Files that other programs may be at too: replaced as a whole, and kept by one program at a time.

Folders may be shared by machines, and programs may end at any moment, so nothing here needs to be tidied up by hand.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DAY_S = 86400.0
LEAST_MINUTES = 30.0         # until a lock of another machine may be stale
JOB = "SLURM_JOB_ID"


class LockedError(RuntimeError):
    """Another program keeps a file; the message names it and says what to do."""


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A name of this process' own to write to, ``NAME.HOST.PID.part``; at the end, what is there replaces the file `path`.

    After an error the file is as it was.  What programs that were killed have left is removed.
    """
    part = path.with_name(f"{path.name}.{_host()}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path)
        yield part
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _remove_left(path: Path) -> None:
    for left in path.parent.iterdir():
        if left.name.startswith(f"{path.name}.") and left.name.endswith(".part"):
            *_, host, pid, _ = left.name.split(".")
            with suppress(OSError):                                          # another program may be as quick
                if pid.isdigit() and (_dead(host, int(pid)) or time.time() - left.stat().st_mtime > DAY_S):
                    left.unlink()


class Lock:
    """``NAME.lock``: only one program at a time keeps the file `path`.

    It names the machine, the process and the Slurm job that keep it.  A lock is stale, and is taken over, if that process is no
    longer there; on another machine, if the same Slurm job wrote it, or if it was not touched for `minutes` (30 at least).

    Raises
    ------
    LockedError
        By `take`, if another program keeps the file.
    OSError
        If a lock cannot be written.
    """

    def __init__(self, path: Path, minutes: float):
        self.path = path.with_name(f"{path.name}.lock")
        self.own = {"host": _host(), "pid": os.getpid(), "job": os.environ.get(JOB), "started": time.strftime("%Y-%m-%d %H:%M:%S"),
                    "minutes": max(LEAST_MINUTES, minutes)}

    def take(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and self._stale():
            self.path.unlink(missing_ok=True)
        try:
            with open(self.path, "x", encoding="utf-8") as file:
                json.dump(self.own, file)
        except FileExistsError:
            raise LockedError(self._refusal()) from None
        except OSError:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)                            # half a lock would keep everyone out
            raise

    def touch(self) -> None:
        """Say that the file is still kept."""
        with suppress(OSError):
            os.utime(self.path)

    def release(self) -> None:
        if self._found() == self.own:
            self.path.unlink(missing_ok=True)

    def _found(self) -> dict:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):                                        # gone, or cut off by a full disk
            return {}
        return found if isinstance(found, dict) else {}

    def _stale(self) -> bool:
        found = self._found()
        host, pid = found.get("host"), found.get("pid")
        if host == self.own["host"] and isinstance(pid, int):
            return pid == os.getpid() or _dead(host, pid)
        if found.get("job") and found["job"] == self.own["job"]:             # put back into the queue after it was killed
            return True
        try:
            return time.time() - self.path.stat().st_mtime > 60 * float(found.get("minutes", LEAST_MINUTES))
        except (OSError, TypeError, ValueError):
            return False

    def _refusal(self) -> str:
        found = self._found()
        return (f"process {found.get('pid', 'unknown')} on {found.get('host', 'an unknown machine')} is at it since "
                f"{found.get('started', 'an unknown time')}; wait for it or stop it. If it is gone, delete {self.path}")


def _host() -> str:
    return platform.node().replace(".", "-").replace("/", "-") or "unknown"


def _dead(host: str, pid: int) -> bool:
    """Whether a process of this machine is surely gone."""
    if host != _host() or os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
