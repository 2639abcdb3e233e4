"""Fixtures that more than one test file uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.build_book import ROOT, build


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built from the stored notebooks with warnings as errors; nothing is executed."""
    html = tmp_path_factory.mktemp("book") / "html"
    build(ROOT / "notebooks", html)
    return html


@pytest.fixture
def seeded():
    """PyTorch's random numbers start from 0 in a test, and go on as before after it."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def shaped(tmp_path_factory: pytest.TempPathFactory):
    """Shaped noise that a run has trained on a small corpus: the run and what its training gave.  Not to be changed."""
    from shaped_corpus import few_steps, run_of, write_corpus
    from tng import trainings

    folder = tmp_path_factory.mktemp("shaped") / "run"
    write_corpus(folder / "corpus")
    run = run_of(folder)
    with pytest.MonkeyPatch.context() as patch:
        few_steps(patch)
        return run, trainings.carry_out("shaped-noise", run)
