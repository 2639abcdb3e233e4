"""How the stored notebooks run as tests: one after the other, in one process, into a run folder made for this session."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

RUNS = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Before any worker or kernel starts: a fresh run folder, no progress bars, one thread each."""
    if hasattr(config, "workerinput"):
        return  # a worker inherits all this
    config.stash[RUNS] = os.environ["TNG_RUNS"] = tempfile.mkdtemp(prefix="tng-runs-")
    os.environ["TNG_PROGRESS"] = "0"
    os.environ["OMP_NUM_THREADS"] = "1"


def pytest_unconfigure(config: pytest.Config) -> None:
    if runs := config.stash.get(RUNS, None):
        shutil.rmtree(runs, ignore_errors=True)


@functools.cache
def cannot_be_had(collection: str) -> bool:
    from tng import remote

    return not remote.available(collection)


class NotebooksInOrder(LoadScopeScheduling):
    """All notebooks are one piece of work; of the other tests, each file is one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return "notebooks" if file.endswith(".ipynb") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> NotebooksInOrder:
    """Instead of `--dist loadgroup`, which groups nothing with pytest 9.2 (pytest-xdist 3.8.0 and before)."""
    config.option.loadscopereorder = False  # notebooks start first
    return NotebooksInOrder(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Notebooks first, as they take longest, in the order of their names."""
    cells = [item for item in items if item.path.suffix == ".ipynb"]
    for cell in cells:
        for tag in cell.cell.metadata.get("tags", []):
            if tag.startswith("needs-"):
                collection = tag.removeprefix("needs-").replace("download", "published")
                if cannot_be_had(collection):
                    cell.add_marker(pytest.mark.skip(reason=f"the public files '{collection}' cannot be had here"))
    cells.sort(key=lambda item: item.path.name)  # stable: cells of a notebook stay in order
    items[:] = cells + [item for item in items if item.path.suffix != ".ipynb"]
