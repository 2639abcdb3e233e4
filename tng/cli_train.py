"""`tng train`: the trainings of a run, on one process or many."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer


def train(names: Annotated[list[str], typer.Argument(help="phase0, phase1, phase0-described, phase1-described, vae, shaped-noise; or all.")],
          run: Annotated[Path | None, typer.Option(help="Run folder; default runs/<profile>.")] = None,
          corpus: Annotated[Path | None, typer.Option(help="Corpus to train on, at its rate and length; default: the one in the run folder.")] = None,
          profile: Annotated[str, typer.Option(help="quick (a CPU, minutes) or paper (the paper's sizes, a GPU).")] = "quick",
          set_: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting; can be repeated.")] = None,
          station: Annotated[list[str] | None, typer.Option(help="Station to generate for; can be repeated. Default: the five with most records.")] = None,
          devices: Annotated[int | None, typer.Option(help="Processes on this machine, one a device; default 1.")] = None,
          nodes: Annotated[int | None, typer.Option(help="Machines, under torchrun or srun; default 1.")] = None,
          again: Annotated[bool, typer.Option("--again", help="Train anew what is trained already, and replace it.")] = False) -> None:
    """Train networks of a run. A training that was stopped goes on when the same command is given again.

    Several processes: --devices N, or start this command with torchrun or srun.
    """
    from tng import bandwidth, config, runs, trainings

    changes = {**_window_of(corpus), **_settings(set_ or []), **({"stations": tuple(station)} if station else {}),
               **{name: value for name, value in (("devices", devices), ("nodes", nodes)) if value is not None}}
    folder = (run or runs.runs_folder() / profile).expanduser().resolve()
    here = runs.Run(profile, folder, corpus.expanduser().resolve() if corpus else folder / "corpus", config.settings(profile, **changes),
                    own_corpus=corpus is not None)
    chosen = _in_order(names, trainings.TRAININGS)
    same = _same_options(run, corpus, profile, set_ or [], station or [])
    _require_corpus(here)
    _require_before(here, chosen, same)
    if "shaped-noise" in chosen and (remark := bandwidth.finer_than_recorded(here.corpus())):
        _say(f"shaped-noise: {remark}")
    for name in chosen:
        with _goes_on(here, name):
            real = trainings.effective_settings(name, here)
            for setting in (one for one in trainings.NETWORK if getattr(real, one) != getattr(here.settings, one)):
                _say(f"{name}: goes on with the network of phase0, whose {setting} is {getattr(real, setting)}, not {getattr(here.settings, setting)}")
            before = _identity(folder / f"{name}.safetensors")
            trained = trainings.carry_out(name, here, again=again)
            new = again or _identity(folder / f"{name}.safetensors") != before
        _say(_report(name, folder, trained) if new else f"{name}: already trained ({short(folder / name)}.safetensors); --again trains it anew")
    _say(f"Next: {_next(here, chosen, same)}")


def _settings(words: Sequence[str]) -> dict:
    """NAME=VALUE words as settings; values are read as YAML."""
    import yaml

    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"--set {word}: write it as NAME=VALUE")
        if name == "stations":
            raise ValueError(f"--set {word}: name stations with --station, once for each")
        try:
            found[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ValueError(f"--set {word}: {value!r} is not a value") from None
    return found


def _window_of(folder: Path | None) -> dict:
    """Sampling rate and length of the records of a corpus that was named; nothing if it is none, which is said later."""
    from tng.corpus import Corpus, CorpusError

    if folder is None:
        return {}
    try:
        corpus = Corpus.open(folder.expanduser())
    except CorpusError:
        return {}
    return {"sampling_rate_hz": corpus.sampling_rate_hz, "window_s": corpus.samples / corpus.sampling_rate_hz}


def _in_order(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """The trainings that were named, each once, in an order that works."""
    from tng import config

    for name in names:
        if name not in (*known, "all"):
            raise ValueError(f"unknown training {name!r}: {config.nearest(name, (*known, 'all'))}")
    return [name for name in known if name in names or "all" in names]


def _require_corpus(here) -> None:
    """A corpus must be there; the message tells the ways to one."""
    if here.corpus_folder.exists():
        return
    settings, where = here.settings, quoted(here.corpus_folder)
    window = f"--sampling-rate-hz {settings.sampling_rate_hz:g} --window-s {settings.window_s:g}"
    sizes = (f"{window} --records-per-station {settings.records_per_station} --random-stations {settings.random_stations} "
             f"--records-per-random-station {settings.records_per_random_station} --seed {settings.seed}")
    raise ValueError(f"{here.corpus_folder}: there is no corpus to train on. Make a synthetic one (notebook 01_data makes the same):\n"
                     f"  tng surrogate --into {where} {sizes}\nor one of recorded earthquakes, whose folder --corpus names:\n"
                     f"  tng ingest SOURCE --into CORPUS {window}")


def _require_before(here, chosen: Sequence[str], same: str) -> None:
    """Phase 1 starts from Phase 0: that must be there, or come first."""
    for name in chosen:
        before = name.replace("phase1", "phase0")
        if before not in chosen and not (here.folder / f"{before}.safetensors").exists():
            raise ValueError(f"{name} starts from {before}, which is not in {short(here.folder)}. Make it with:\n  tng train {before}{same}")


def _same_options(run: Path | None, corpus: Path | None, profile: str, changes: Sequence[str], stations: Sequence[str]) -> str:
    """The options that must be the same in the next command, as they were written."""
    words = [word for option, value in (("--run", run), ("--corpus", corpus)) if value for word in (option, str(value))]
    words += ["--profile", profile] if profile != "quick" else []
    for option, values in (("--set", changes), ("--station", stations)):
        words += [word for value in values for word in (option, value)]
    return "".join(f" {shlex.quote(word)}" for word in words)


def _identity(path: Path) -> tuple[int, int] | None:
    """What changes when a file is written anew."""
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None


def _report(name: str, folder: Path, trained) -> str:
    """What a training ended with, in three lines."""
    last, effort = trained.history.iloc[-1], trained.info.get("effort") or {}
    speed = [f"{effort['records_per_s']:.3g} records/s"] if effort.get("records_per_s") else []
    if effort.get("processes"):
        speed.append(f"{effort['processes']} process{'es' if effort['processes'] > 1 else ''} ({effort.get('device')}, {effort.get('precision')})")
    speed += [f"peak memory {effort['peak_memory_gib']:.2f} GiB"] if effort.get("peak_memory_gib") else []
    speed += [f"{effort['seconds']:.0f} s"] if effort.get("seconds") else []
    validation = f"validation {last['validation']:.4g}" if last["validation"] == last["validation"] else "no validation records"
    return (f"{name}: {len(trained.history)} epochs, final loss {last['train']:.4g} ({validation})\n"
            + (f"  {', '.join(speed)}\n" if speed else "") + f"  written: {short(folder / name)}.safetensors, and its card {name}.md")


def _next(here, chosen: Sequence[str], same: str) -> str:
    """The command that goes on from here."""
    from tng import runs
    from tng.cards import MODELS
    from tng.checkpoints import read_about

    last = "phase1" if "phase1" in chosen else chosen[-1]
    if last.startswith("phase0"):
        return f"tng train {last.replace('phase0', 'phase1')}{same}"
    model = MODELS[last]
    words = [] if here.folder == (runs.runs_folder() / "quick").resolve() else ["--run", short(here.folder)]
    words += ["--model", model] if model != "timesnet-gen" else []
    words += ["--corpus", short(here.corpus_folder)] if here.own_corpus and model != "vae" else []
    words += ["--station", read_about(here.folder / last)["generates_for"][0], "-n", "50"]
    return f"tng generate {shlex.join(words)}"


class _Asked(KeyboardInterrupt):
    """A cluster's way to stop a job: SIGTERM, or SIGUSR1 ahead of it.  Its argument is the signal's number."""


@contextmanager
def _goes_on(here, name: str) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGUSR1 end the command with the usual exit code (128 + the signal's number), and say how to go on.

    While steps are taken, the training notes a signal itself, and stops when it has written its state.
    """
    from tng.processes import Stopped

    def asked(number: int, _frame) -> None:
        raise _Asked(number)

    old = {name: signal.signal(getattr(signal, name), asked) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)}   # no SIGUSR1 on Windows
    try:
        yield
    except (KeyboardInterrupt, Stopped) as stop:
        number = stop.signal if isinstance(stop, Stopped) else stop.args[0] if isinstance(stop, _Asked) else signal.SIGINT
        kept = here.folder / f"{name}.part.safetensors"
        how = f"What was trained is in {short(kept)}; the same command goes on from there" if kept.exists() else \
            "Nothing was kept yet; the same command starts anew"
        if first():
            typer.echo(f"{name}: stopped by {signal.Signals(number).name}. {how}:\n  tng {shlex.join(sys.argv[1:])}", err=True)
        raise typer.Exit(128 + number) from None
    finally:
        for name, handler in old.items():
            signal.signal(getattr(signal, name), handler)


# --- for other commands too -------------------------------------------------------------------------------

def first() -> bool:
    """Whether this process is the first, or the only one, of those that torchrun, srun or Lightning started."""
    names = ("RANK",) if "RANK" in os.environ else ("SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")
    return all(os.environ.get(name, "0") == "0" for name in names)


def _say(message: str) -> None:
    """Print, in the first process only."""
    if first():
        typer.echo(message)


def short(path: Path) -> str:
    """A path as one would write it here."""
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else str(path)


def quoted(path: Path) -> str:
    return shlex.quote(short(path))
