"""A run: the folder that the notebooks of one run share, and how a notebook gets its settings.

A notebook calls `start(globals())` after its parameters cell.  That reads the parameters, refuses names it
does not know, and returns the run; what one notebook puts into the folder, a later one finds there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

from tng import config
from tng.corpus import Corpus
from tng.records import Record

MADE_BY = {                                    # what is in a run folder, and which notebook makes it
    "corpus": "01_data",
    "phase0": "02_phase0",
    "phase1": "03_phase1",
    "generated/timesnet-gen": "03_phase1",
    "generated/zero-shot": "04_zero_shot",
    "vae": "05_vae_baseline",
    "generated/vae": "05_vae_baseline",
}
_NOT_PARAMETERS = {"In", "Out", "exit", "quit", "open", "get_ipython"}


class RunError(RuntimeError):
    """Something that a notebook needs is not there; the message says which command makes it."""


@dataclass(frozen=True)
class Run:
    """One run: its folder, its settings, its corpus.

    Attributes
    ----------
    profile : str
        Which profile the settings started from.
    folder : Path
        Where this run's checkpoints, generated records and scores are.
    corpus_folder : Path
        The records it works on; `<folder>/corpus` unless the user names another.
    settings : Settings
    """

    profile: str
    folder: Path
    corpus_folder: Path
    settings: config.Settings

    def path(self, name: str) -> Path:
        """Where something of this run goes; the folder is made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def need(self, name: str) -> Path:
        """Where something of this run is; an error says which notebook makes it, if it is missing."""
        path = self.corpus_folder if name == "corpus" else self.folder / name
        if not (path.exists() or path.with_suffix(".json").exists()):
            notebook = MADE_BY[name]
            where = "" if self.folder == _runs() / self.profile else f" -p run {self.folder}"
            profile = "" if self.profile == "quick" else f" -p profile {self.profile}"
            raise RunError(f"{path} is not there. It is made by: papermill notebooks/{notebook}.ipynb "
                           f"{notebook}-out.ipynb{profile}{where}  (or make book, which runs all in order)")
        return path

    def corpus(self) -> Corpus:
        """The corpus of this run, checked against the settings."""
        corpus = Corpus.open(self.need("corpus"))
        settings = self.settings
        if (corpus.sampling_rate_hz, corpus.samples) != (settings.sampling_rate_hz, settings.samples):
            raise RunError(
                f"{self.corpus_folder}: records of {corpus.samples} samples at {corpus.sampling_rate_hz:g} Hz, but "
                f"this run is set to {settings.samples} at {settings.sampling_rate_hz:g} Hz; set sampling_rate_hz "
                f"to {corpus.sampling_rate_hz:g} and window_s to {corpus.samples / corpus.sampling_rate_hz:g}, "
                "or ingest the records again with this run's values")
        return corpus

    def stations(self, corpus: Corpus) -> list[str]:
        """The stations to generate for: those in the settings, or the five with the most records."""
        chosen = list(self.settings.stations) or corpus.main_stations(5)
        for code in chosen:
            if code not in corpus.stations:
                raise RunError(f"no station {code!r} in {self.corpus_folder}: {config.nearest(code, corpus.stations)}")
        return chosen

    def table(self, *names: str) -> pd.DataFrame:
        """Some settings as a table: name, value, what it is."""
        fields = config.Settings.model_fields
        return pd.DataFrame([(n, getattr(self.settings, n), fields[n].description or "") for n in names],
                            columns=["setting", "value", "meaning"]).set_index("setting")


def _runs() -> Path:
    """Folder of all runs: $TNG_RUNS, else `runs` beside the notebooks' folder or here."""
    if "TNG_RUNS" in os.environ:
        return Path(os.environ["TNG_RUNS"])
    here = Path.cwd()
    return (here.parent if here.name == "notebooks" else here) / "runs"


def start(parameters: dict) -> Run:
    """The run that a notebook's parameters ask for.

    Parameters
    ----------
    parameters : dict
        ``globals()`` of the notebook, called right after its parameters cell and its imports.
        ``profile``, ``run`` and ``corpus`` say which run it is; every other plain value is a setting, and
        None leaves it as the profile has it.

    Raises
    ------
    ConfigError
        If a name is not known (the nearest right one is named) or a value cannot be.
    """
    given = {name: value for name, value in parameters.items()
             if not name.startswith("_") and name not in _NOT_PARAMETERS
             and not callable(value) and not isinstance(value, ModuleType)}
    unknown = [name for name in given if name not in config.parameter_names()]
    if unknown:
        raise config.ConfigError("; ".join(
            f"unknown parameter {name!r}: {config.nearest(name, config.parameter_names())}" for name in unknown))
    profile = given.pop("profile", "quick")
    run, corpus = given.pop("run", ""), given.pop("corpus", "")
    settings = config.settings(profile, **{name: value for name, value in given.items() if value is not None})
    folder = Path(run).expanduser().resolve() if run else _runs() / profile
    corpus_folder = Path(corpus).expanduser().resolve() if corpus else folder / "corpus"
    return Run(profile, folder, corpus_folder, settings)


def stack(records: list[Record]) -> np.ndarray:
    """The samples of records of one length, shape (records, 3, samples) [cm/s²]."""
    return np.stack([record.data for record in records])
