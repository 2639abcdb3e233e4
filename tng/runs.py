"""A run: the folder that the notebooks of one run share, and how a notebook gets its settings.

A notebook calls `start(globals())` after its parameters cell.  That reads the parameters, refuses names it
does not know, and returns the run; what one notebook puts into the folder, a later one finds there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

from tng import config, corpus, spectra, surrogate
from tng.cards import MODELS
from tng.corpus import Corpus
from tng.records import Record
from tng.recordset import RecordSet
from tng.remote import RemoteError
from tng.standard import standardise

MADE_BY = {                                    # what is in a run folder, and which notebook makes it
    "corpus": "01_data",
    "phase0": "02_phase0",
    "phase1": "03_phase1",
    "phase0-described": "02_phase0",
    "phase1-described": "03_phase1",
    "generated/timesnet-gen": "03_phase1",
    "generated/described": "03_phase1",
    "generated/zero-shot": "04_zero_shot",
    "vae": "05_vae_baseline",
    "generated/vae": "05_vae_baseline",
    "shaped-noise": "10_beyond_the_average",
    "generated/shaped-noise": "10_beyond_the_average",
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
    own_corpus : bool
        Whether the user named the corpus; it is then never made or changed here.
    """

    profile: str
    folder: Path
    corpus_folder: Path
    settings: config.Settings
    own_corpus: bool = False

    def path(self, name: str) -> Path:
        """Where something of this run goes; the folder is made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def need(self, name: str) -> Path:
        """Where something of this run is; an error says which notebook makes it, if it is missing."""
        path = self.corpus_folder if name == "corpus" else self.folder / name
        if not (path.exists() or path.with_name(path.name + ".safetensors").exists()):
            if name == "corpus" and self.own_corpus:
                raise RunError(f"{path} is not there. Make it with: tng ingest SOURCE --into {path}")
            notebook = MADE_BY[name]
            where = "" if self.folder == runs_folder() / self.profile else f" -p run {self.folder}"
            where += f" -p corpus {self.corpus_folder}" if self.own_corpus else ""
            profile = "" if self.profile == "quick" else f" -p profile {self.profile}"
            raise RunError(f"{path} is not there. It is made by: papermill notebooks/{notebook}.ipynb "
                           f"{notebook}-out.ipynb{profile}{where}  (or make book, which runs all in order)")
        return path

    def make_corpus(self) -> Corpus:
        """The corpus of this run: the user's own if one was named, else a fresh synthetic one."""
        if self.own_corpus:
            return self.corpus()
        if self.corpus_folder.exists() and not Corpus.open(self.corpus_folder).card.get("settings", {}).get("synthetic"):
            raise RunError(f"{self.corpus_folder} holds a corpus that was not simulated, and would be replaced by a "
                           f"synthetic one; name it (-p corpus {self.corpus_folder}) to work on it, or choose another run folder")
        write_synthetic(self.corpus_folder, self.settings, overwrite=True)
        return self.corpus()

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

    def stations(self, corpus: Corpus, complete: bool = True) -> list[str]:
        """The stations to generate for: those in the settings, or the five with the most records.

        With `complete`, each needs `records_to_mix` training records and a test record; else it is an error.
        """
        chosen = list(self.settings.stations) or corpus.main_stations(5)
        for code in chosen:
            if code not in corpus.stations:
                raise RunError(f"no station {code!r} in {self.corpus_folder}: {config.nearest(code, corpus.stations)}")
            training, test = (len(corpus.select([code], split)) for split in ("train", "test"))
            if complete and (training < self.settings.records_to_mix or test < 1):
                raise RunError(f"{self.corpus_folder}: station {code} has {training} training and {test} test records; "
                               f"{self.settings.records_to_mix} (records_to_mix) and 1 are needed. Name other stations "
                               "(setting `stations`), mix fewer records, or add records of more earthquakes")
        if len(set(chosen)) < len(chosen):
            raise RunError(f"stations {', '.join(chosen)}: each can be named only once")
        return chosen

    def load(self, name: str, network_class, corpus: Corpus, stations: list[str]):
        """A checkpoint of this run: the network on this run's device, its description, its extra tensors.

        It must have been trained on this corpus, and for these stations.
        """
        from tng.checkpoints import load_checkpoint
        from tng.training import dtype_of, fabric

        network, info, extra = load_checkpoint(self.need(name), network_class)
        if info.get("corpus") != corpus.fingerprint:
            raise RunError(f"{self.folder / name}: was trained on another corpus than {self.corpus_folder}; run "
                           f"{MADE_BY[name]} again on this one, or use another run folder")
        if list(info.get("generates_for", [])) != list(stations):
            raise RunError(f"{self.folder / name}: was trained to generate for {', '.join(info.get('generates_for', []))}, "
                           f"not for {', '.join(stations)}; run {MADE_BY[name]} again with these stations")
        return network.to(fabric(self.settings).device, dtype_of(self.settings)), info, extra

    def held_out(self, corpus: Corpus, stations: list[str]) -> dict[str, np.ndarray]:
        """Test records of each station: station → (records, 3, samples) [cm/s²]; none at all is an error."""
        rows = {station: corpus.select([station], "test") for station in stations}
        for station, chosen in rows.items():
            if len(chosen) == 0:
                raise RunError(f"{self.corpus_folder}: station {station} has no test records among its "
                               f"{len(corpus.select([station]))}; it needs records of more earthquakes, or name other "
                               "stations (setting `stations`)")
        return {station: corpus.waveforms(chosen) for station, chosen in rows.items()}

    def keep(self, name: str, generated: Mapping[str, list[Record]]) -> None:
        """Store generated records of each station as a corpus of their own under `generated/`."""
        everything = (record for records in generated.values() for record in records)
        corpus.write(everything, self.path(f"generated/{name}"), seed=self.settings.seed, overwrite=True,
                     settings={"corpus": Corpus.open(self.corpus_folder).fingerprint})

    def generated(self, name: str) -> dict[str, np.ndarray]:
        """Generated records that a notebook kept: station → (records, 3, samples) [cm/s²]."""
        kept = self._kept(name)
        return {station: kept.waveforms(kept.select([station])) for station in kept.stations}

    def generated_set(self, name: str) -> RecordSet:
        """The same with all that is known of them, for the scoreboard."""
        return RecordSet.of(self._kept(name), name)

    def _kept(self, name: str) -> Corpus:
        kept = Corpus.open(self.need(f"generated/{name}"))
        if kept.card.get("settings", {}).get("corpus") != Corpus.open(self.corpus_folder).fingerprint:
            raise RunError(f"{kept.folder}: was generated from another corpus than {self.corpus_folder}; run "
                           f"{MADE_BY[f'generated/{name}']} again")
        return kept

    def baselines(self, corpus: Corpus, stations: list[str], **options) -> dict:
        """The generators without a network, which mix records as this run's networks mix codes, but for `options`: name → generator."""
        from tng.generators import nulls

        options = {**mixing_options(self.settings.model_dump()), **options}
        return nulls.baselines(corpus, stations, options["records_to_mix"], **{name: options[name] for name in ("mixing", "alpha", "replacement")})

    def table(self, *names: str) -> pd.DataFrame:
        """Some settings as a table: name, value, what it is."""
        fields = config.Settings.model_fields
        return pd.DataFrame([(n, getattr(self.settings, n), fields[n].description or "") for n in names],
                            columns=["setting", "value", "meaning"], dtype=object).set_index("setting").rename_axis(None)


def runs_folder() -> Path:
    """Folder of all runs: $TNG_RUNS, else `runs` beside the notebooks' folder or here."""
    if "TNG_RUNS" in os.environ:
        return Path(os.environ["TNG_RUNS"])
    here = Path.cwd()
    return (here.parent if here.name == "notebooks" else here) / "runs"


_started = False                                 # whether this process has started a run before


def start(parameters: dict, *, band_hz: tuple[float, float] | None = spectra.BAND_HZ) -> Run:
    """The run that a notebook's parameters ask for.

    Parameters
    ----------
    parameters : dict
        ``globals()`` of the notebook, called right after its parameters cell and its imports.
        ``profile``, ``run`` and ``corpus`` say which run it is; every other plain value is a setting, and
        None leaves it as the profile has it.
    band_hz : two floats, optional
        The band that the page's figures need; None if it takes what the records hold.

    Raises
    ------
    ConfigError
        If a name is not known (the nearest right one is named) or a value cannot be; if the sampling rate does not hold the band.
    """
    global _started
    given = {name: value for name, value in parameters.items()
             if not name.startswith("_") and name not in _NOT_PARAMETERS
             and not callable(value) and not isinstance(value, ModuleType)}
    known = config.parameter_names()
    if _started:                                 # by now the notebook has variables of its own
        given = {name: value for name, value in given.items() if name in known}
    unknown = [name for name in given if name not in known]
    if unknown:
        raise config.ConfigError("; ".join(
            f"unknown parameter {name!r}: {config.nearest(name, config.parameter_names())}" for name in unknown))
    profile = given.pop("profile", "quick")
    run, corpus, *_ = (given.pop(name, "") for name in config.RUN_PARAMETERS[1:])
    settings = config.settings(profile, **{name: value for name, value in given.items() if value is not None})
    _require_band(settings.sampling_rate_hz, band_hz)
    folder = Path(run).expanduser().resolve() if run else runs_folder() / profile
    corpus_folder = Path(corpus).expanduser().resolve() if corpus else folder / "corpus"
    _started = True
    here = Run(profile, folder, corpus_folder, settings, own_corpus=bool(corpus))
    _say_what_differs(here)
    return here


def _require_band(rate_hz: float, band_hz: tuple[float, float] | None) -> None:
    """Said before anything is trained: a page would stop at its first figure otherwise."""
    if band_hz is not None and rate_hz < 2 * band_hz[1]:
        raise config.ConfigError(
            f"setting sampling_rate_hz = {rate_hz:g}: the figures and scores of this notebook need {band_hz[0]:g}-{band_hz[1]:g} Hz, the paper's band "
            f"of f0, so records at {2 * band_hz[1]:g} Hz or more. `tng train`, `tng generate` and `tng score` work at {rate_hz:g} Hz, in the band "
            "that the records hold; or ingest the records at a higher rate, and remember that nothing is new above half the rate they were recorded at")


def _say_what_differs(run: Run) -> None:
    """A page's sentences describe the book's own run: say so where another one is shown."""
    book = config.settings()
    differing = [f"{name} {value}" for name, value in run.settings if value != getattr(book, name)]
    if run.own_corpus or differing:
        what = [*(["another corpus"] if run.own_corpus else []), *differing]
        print(f"The text of this page describes the book's own run; this one has {', '.join(what[:6])}{', …' if len(what) > 6 else ''}")


def results(name: str) -> Path:
    """A result file of a heavier study that is kept with the book, `book/results/<name>`.

    Raises
    ------
    RunError
        If it is not there: the library was installed without the book.
    """
    path = Path(__file__).resolve().parents[1] / "book/results" / name
    if not path.exists():
        raise RunError(f"{path} is not there: run this notebook in a copy of the whole project, or make the file with the script in benchmarks/ "
                       "that is named on the page")
    return path


def write_synthetic(folder: Path, settings: config.Settings, *, overwrite: bool = False,
                    progress: bool = False) -> Corpus:
    """Simulate a corpus: the five calibrated stations, then random ones, all brought to the settings' window."""
    def simulated() -> Iterator[Record]:
        for number, site in enumerate(surrogate.stations(settings.random_stations, settings.seed)):
            n = settings.records_per_station if number < 5 else settings.records_per_random_station
            for record in surrogate.simulate(site, n, settings.seed):
                yield standardise(record, settings.sampling_rate_hz, settings.window_s)

    return corpus.write(simulated(), folder, seed=settings.seed, overwrite=overwrite, progress=progress,
                        settings={"synthetic": True, **settings.model_dump(mode="json")})


NULLS = {"average": "average", "replay": "replay", "unit-norm-mix": "unit-norm mix", "phase-randomised": "phase-randomised",
         "phase-envelope": "phase + envelope", "stochastic": "stochastic"}      # on the command line → in tables
NAMES = {"timesnet-gen": "TimesNet-Gen", "vae": "VAE", "shaped-noise": "shaped noise"}        # in tables, where it is another one
TRAINED = {model: (training, NAMES.get(model, model)) for training, model in MODELS.items()}     # on the command line → checkpoint, name in tables
GENERATORS = (*TRAINED, *NULLS)


def load_generator(model: str, folder: Path | None = None, corpus_folder: Path | None = None, **options):
    """A generator of a finished run (default: the quick one), by name: one of `GENERATORS`.

    Parameters
    ----------
    options
        For latent mixing: records_to_mix, noise, mixing, alpha, replacement; those not given are the run's.
        For networks: device, where they compute; default the CPU.

    Raises
    ------
    RunError
        For an unknown name, or a run in which it has not been trained.
    """
    if model not in GENERATORS:
        raise RunError(f"unknown model {model!r}: {config.nearest(model, GENERATORS)}")
    if model == "shaped-noise" and folder is None and not (runs_folder() / "quick" / "shaped-noise.safetensors").exists():
        from tng.released import shaped_noise

        return shaped_noise(bundled("shaped_noise"), options.pop("device", "cpu"))
    folder = Path(folder or runs_folder() / "quick").resolve()
    profile = folder.name if folder.name in config.PROFILES else "quick"
    run = Run(profile, folder, Path(corpus_folder or folder / "corpus").resolve(), config.settings(), own_corpus=bool(corpus_folder))
    if model in TRAINED:
        return _trained_generator(model, run, options)
    records = Corpus.open(run.need("corpus"))
    return run.baselines(records, records.stations, **options)[NULLS[model]]


def _trained_generator(model: str, run: Run, options: dict):
    from tng.checkpoints import load_checkpoint
    from tng.generators.timesnet_gen import LatentMixing
    from tng.generators.vae import SpectrogramVAE, VAEGenerator
    from tng.timesnet import TimesNetGen

    checkpoint, name = TRAINED[model]
    if model == "shaped-noise":
        from tng.released import shaped_noise

        run.need(checkpoint)
        return shaped_noise(run.folder / f"{checkpoint}.safetensors", options.pop("device", "cpu"))
    network, info, _ = load_checkpoint(run.need(checkpoint), SpectrogramVAE if model == "vae" else TimesNetGen)
    network.to(options.pop("device", "cpu"))
    if model == "vae":
        return VAEGenerator(network, info["stations"], info["sampling_rate_hz"])
    records = Corpus.open(run.need("corpus"))
    if info.get("corpus") != records.fingerprint:
        raise RunError(f"{run.folder / checkpoint}: was trained on another corpus than {run.corpus_folder}; name that one (--corpus)")
    return LatentMixing.from_corpus(network, records, info["generates_for"], name=name, **{**mixing_options(info["settings"]), **options})


def bundled(name: str) -> Path:
    """A checkpoint that comes with the library, trained on the synthetic corpus."""
    path = Path(__file__).with_name("data") / f"{name}.safetensors"
    if not path.exists():
        raise RunError(f"{path} is not there: the library was installed without its data; train one (tng train shaped-noise)")
    return path


def mixing_options(settings: dict) -> dict:
    """How latent codes are mixed, from the settings of a run."""
    return {"records_to_mix": settings["records_to_mix"], "noise": settings["generation_noise"], "mixing": settings["mixing"],
            "alpha": settings["dirichlet_alpha"], "replacement": settings["with_replacement"]}


def stack(records: list[Record]) -> np.ndarray:
    """The samples of records of one length, shape (records, 3, samples) [cm/s²]."""
    return np.stack([record.data for record in records])


@contextmanager
def if_available() -> Iterator[None]:
    """Leave out what needs a public file that cannot be had, and say so on the page.

    For the few cells that compare with public files: without a network the rest of a page still holds.  A
    picture with the message takes the figure's place, so that nobody takes the page for complete.
    """
    try:
        yield
    except RemoteError as problem:
        import matplotlib.pyplot as plt

        print(f"LEFT OUT: {problem}")
        figure, ax = plt.subplots(figsize=(8, 1))
        ax.text(0.5, 0.5, "Left out: a public file could not be had", ha="center", va="center", fontsize=12)
        ax.set_axis_off()
        plt.show()
