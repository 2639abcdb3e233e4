"""The `tng` command: fetch public files, make a corpus, generate records, score them."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from tng import __version__, cli_adapt, cli_models, cli_train

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
                  help="Site-specific strong-motion generation: from records to a corpus, from a corpus to new records.")

Rate = Annotated[float, typer.Option(min=1, max=1000, help="Sampling rate of every record [Hz].")]
Window = Annotated[float, typer.Option(min=1, max=3600, help="Length of every record, from its start [s].")]
Seed = Annotated[int, typer.Option(min=0, help="Of everything drawn at random.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a corpus that is there.")]


@app.command()
def fetch(names: Annotated[list[str] | None, typer.Argument(help="Files or collections; none lists them.")] = None,
          variant: Annotated[str, typer.Option(help="Of esm25: good-mp, good-cv or bad-cv.")] = "good-mp") -> None:
    """Fetch public files by name, checked, into the cache, and print where they are; without a name, list them."""
    from tng import esm25, remote

    if not names:
        for collection in remote.COLLECTIONS:
            files = remote.names(collection)
            typer.echo(f"{collection}  ({len(files)} files, {'here' if remote.available(collection) else 'not here yet'})")
            for name in files if collection not in WHOLE else ():
                typer.echo(f"    {name}    {remote.REGISTRY[name].licence.split('. ')[0]}")
        typer.echo(f"esm25  (large; a folder)\n    --variant {', '.join(esm25.VARIANTS)}    {esm25.LICENCE}")
        return
    for name in names:
        if name == "esm25":
            typer.echo(esm25.fetch(variant, progress=_progress()))
        elif name == "openeew":                      # its files belong together: the folder is what one works with
            typer.echo(remote.folder(name))
        else:
            for path in remote.collection(name) if name in remote.COLLECTIONS else [remote.path(name)]:
                typer.echo(path)


WHOLE = ("openeew", "samples")                       # collections that are listed without their files


@app.command()
def ingest(sources: Annotated[list[Path], typer.Argument(help="Files, zip or tar archives, and folders of records.")],
           into: Annotated[Path, typer.Option(help="Folder of the corpus.")],
           sampling_rate_hz: Annotated[float | None, typer.Option(help="Of every record [Hz]; default 100.")] = None,
           window_s: Annotated[float | None, typer.Option(help="Length of every record [s]; default 60.")] = None,
           window: Annotated[str | None, typer.Option(help="first (default), p-onset or energy.")] = None,
           before_s: Annotated[float | None, typer.Option(help="Kept before the onset [s]; default 5.")] = None,
           detrend: Annotated[str | None, typer.Option(help="mean (default), linear or none.")] = None,
           highpass_hz: Annotated[float | None, typer.Option(help="Zero-phase high-pass [Hz]; default none.")] = None,
           unit: Annotated[str | None, typer.Option(help="Of files that state none: gal (or cm/s2), m/s2, mm/s2 or g.")] = None,
           gal_per_count: Annotated[float | None, typer.Option(help="cm/s² of one count, where no file tells.")] = None,
           stationxml: Annotated[list[Path] | None, typer.Option(help="StationXML; what lies in SOURCES is found by itself.")] = None,
           differentiate: Annotated[bool, typer.Option("--differentiate", help="Take velocity, differentiated.")] = False,
           component_order: Annotated[str | None, typer.Option(help="Columns of the authors' .mat files; default NEU.")] = None,
           augmented: Annotated[bool, typer.Option("--augmented", help="Take the authors' augmented windows.")] = False,
           vertical_axis: Annotated[str | None, typer.Option(help="Of OpenEEW devices: x, y or z.")] = None,
           events: Annotated[Path | None, typer.Option(help="List of earthquakes (CSV: time, latitude, longitude, depth, magnitude), for records that name none.")] = None,
           devices: Annotated[Path | None, typer.Option(help="OpenEEW's device_locations.json.")] = None,
           station: Annotated[list[str] | None, typer.Option(help="Only this station; can be repeated.")] = None,
           smallest_records: Annotated[int | None, typer.Option(help="Leave out stations with fewer records.")] = None,
           smallest_snr: Annotated[float | None, typer.Option(help="Leave out records of a smaller signal-to-noise ratio.")] = None,
           settings: Annotated[Path | None, typer.Option(help="YAML file of settings; the options here go before it.")] = None,
           seed: Annotated[int | None, typer.Option(min=0, help="Of the splits; default 0.")] = None,
           processes: Annotated[int | None, typer.Option(min=1, help="Files read at a time; default: one a processor.")] = None,
           overwrite: Overwrite = False) -> None:
    """Turn files of records into a corpus; what cannot be used is listed with its reason.

    A run that was stopped goes on when the same command is given again.
    """
    from tng import ingest as ingesting

    given = {"sampling_rate_hz": sampling_rate_hz, "window_s": window_s, "window": window, "before_s": before_s,
             "detrend": detrend, "highpass_hz": highpass_hz, "unit": unit, "gal_per_count": gal_per_count,
             "stationxml": stationxml or None, "differentiate": differentiate or None, "component_order": component_order,
             "augmented": augmented or None, "vertical_axis": vertical_axis, "events": events, "devices": devices,
             "stations": station or None, "smallest_records": smallest_records, "smallest_snr": smallest_snr, "seed": seed}
    chosen = {**_read_settings(settings), **{name: value for name, value in given.items() if value is not None}}
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always", UserWarning)
        report = ingesting.ingest(sources, into, ingesting.make_settings(chosen), overwrite=overwrite, processes=processes,
                                  progress=_progress())
    for warning in raised:
        typer.echo(f"Warning: {warning.message}", err=True)
    if report.unchanged:
        typer.echo(f"{into} was made of these files with these settings already; nothing to do")
        return
    if report.resumed:
        typer.echo(f"{_many(report.resumed, 'file')} had been read by an earlier run that did not finish", err=True)
    reasons = list(dict.fromkeys(reason for _, reason in report.rejected))
    for reason in reasons[:20]:
        typer.echo(f"refused {reason}", err=True)
    if report.rejected:
        typer.echo(f"{_many(len(report.rejected), 'refusal')}; {into / 'rejected.csv'} lists each with its reason", err=True)
    typer.echo(f"{_many(report.accepted, 'record')} of {_many(len(report.corpus.stations), 'station')} in {into}; look at "
               f"{into / 'report.html'}")


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _read_settings(path: Path | None) -> dict:
    """Settings from a YAML file; none without one."""
    if path is None:
        return {}
    import yaml

    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: not a YAML file of settings ({error})") from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"{path}: not a list of `setting: value`")
    return found


corpus_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at, check, split and export a corpus.")
app.add_typer(corpus_app, name="corpus")
Folder = Annotated[Path, typer.Argument(help="Folder of the corpus.")]


@corpus_app.command("info")
def corpus_info(folder: Folder) -> None:
    """What a corpus holds."""
    from tng import corpus_tools
    from tng.corpus import Corpus

    for title, text in corpus_tools.info(Corpus.open(folder)).items():
        typer.echo(f"{title:<16}{text}")


@corpus_app.command("check")
def corpus_check(folder: Folder) -> None:
    """Check every waveform, checksum, peak and split; the exit code is 1 if something is wrong."""
    from tng import corpus_tools

    problems = corpus_tools.check(folder)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{folder}: nothing wrong")


@corpus_app.command("bands")
def corpus_bands(folder: Folder, station: Annotated[list[str] | None, typer.Option(help="Only this station; can be repeated.")] = None) -> None:
    """Which frequencies the records speak of, where f0 is, and how much of the shaking the windows hold."""
    from tng import bands, bandwidth
    from tng.corpus import Corpus

    corpus = Corpus.open(folder)
    table = bands.report(corpus, station or None)
    low_hz, high_hz = table.attrs["band"]
    typer.echo(table.to_string(float_format="{:.4g}".format))
    typer.echo(f"band for H/V and f0: {low_hz:g} {high_hz:g} Hz")
    for code, row in table.iterrows():
        if not row["edge"] and (row["paper_edge"] or row["f0_hz"] < bands.PAPER_HZ[0]):    # another peak may be in the paper's band
            where = "outside" if row["f0_hz"] < bands.PAPER_HZ[0] else "at the edge of"
            typer.echo(f"{code}: f0 is {row['f0_hz']:.3g} Hz, {where} the paper's band; score with `--band-hz {low_hz:g} {high_hz:g}`")
        if row["edge"]:
            typer.echo(f"{code}: H/V is largest at the {row['edge']} end of the band, so that no f0 can be told")
        if row["share"] < bands.ENOUGH:
            typer.echo(f"{code}: the records hold {row['share']:.0%} of their shaking; windows of {row['window_s']:.0f} s would hold "
                       f"{bands.ENOUGH:.0%}")
    if remark := bandwidth.finer_than_recorded(corpus):
        typer.echo(remark)


@corpus_app.command("split")
def corpus_split(folder: Folder,
                 shares: Annotated[tuple[float, float, float], typer.Option(help="Train, dev and test.")] = (0.6, 0.1, 0.3),
                 held_out: Annotated[list[str] | None, typer.Option(help="Station for the test side of split_paper and split_station; can be repeated.")] = None,
                 fold: Annotated[int | None, typer.Option(help="Test on this one of --folds, from 0; the first two shares divide the other earthquakes.")] = None,
                 folds: Annotated[int | None, typer.Option(help="How many folds: every earthquake is test in one.")] = None,
                 into: Annotated[Path | None, typer.Option(help="Split a copy of the corpus, in this folder.")] = None,
                 seed: Seed = 0) -> None:
    """Deal the records out anew: by event, as in the paper, by station, by time."""
    from tng import corpus_tools

    if (fold is None) != (folds is None):
        raise ValueError("--fold and --folds belong together: --fold 0 --folds 2 is the first of two folds")
    chosen = None if fold is None else (fold, folds)
    typer.echo(corpus_tools.resplit(folder, shares, seed, tuple(held_out or ()), fold=chosen, into=into).to_string())


@corpus_app.command("export")
def corpus_export(folder: Folder, into: Annotated[Path, typer.Option(help="Folder for the files.")],
                  form: Annotated[str, typer.Option("--format", help="mseed, sac, at2 or csv.")] = "mseed",
                  station: Annotated[list[str] | None, typer.Option(help="Only this station; can be repeated.")] = None,
                  split: Annotated[str | None, typer.Option(help="Only train, dev or test.")] = None,
                  by: Annotated[str, typer.Option(help="Which split: event, paper, station or time.")] = "event",
                  allow_restricted: Annotated[bool, typer.Option("--allow-restricted",
                                              help="Also records whose licence forbids to pass them on.")] = False,
                  overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False) -> None:
    """Write records as files that other programs read, with their provenance."""
    from tng import corpus_tools

    written = corpus_tools.export(folder, into, form, stations=station or None, split=split, by=by,
                                  allow_restricted=allow_restricted, overwrite=overwrite)
    typer.echo(f"{len(written)} files in {into}")


@app.command()
def surrogate(into: Annotated[Path, typer.Option(help="Folder of the corpus.")],
              records_per_station: Annotated[int, typer.Option(help="Of each of the five calibrated stations.")] = 100,
              random_stations: Annotated[int, typer.Option(help="Stations with random soil.")] = 20,
              records_per_random_station: Annotated[int, typer.Option(help="Of each of those.")] = 20,
              sampling_rate_hz: Rate = 100.0, window_s: Window = 60.0, seed: Seed = 0,
              overwrite: Overwrite = False) -> None:
    """Write a corpus of synthetic records."""
    from tng import config, runs

    settings = config.settings(records_per_station=records_per_station, random_stations=random_stations, seed=seed,
                               records_per_random_station=records_per_random_station, window_s=window_s,
                               sampling_rate_hz=sampling_rate_hz)
    written = runs.write_synthetic(into, settings, overwrite=overwrite, progress=_progress())
    typer.echo(f"{len(written)} synthetic records of {len(written.stations)} stations in {into}")


cli_models.add_to(app)                              # train, generate, release, import-checkpoint
cli_adapt.add_to(app)


@app.command()
def score(real: Annotated[Path, typer.Argument(help="Recorded records: a corpus, or a file or folder in any known format.")],
          generated: Annotated[list[str], typer.Argument(help="Generated ones, one or more of the same; NAME=PATH gives a name.")],
          train: Annotated[Path | None, typer.Option(help="What the generators learned from: of a corpus with a train split that one. Default: the train split of REAL, if it has one.")] = None,
          split: Annotated[str, typer.Option(help="Which records of REAL are held out: train, dev, test, or all.")] = "test",
          station: Annotated[list[str] | None, typer.Option(help="Only this station; can be repeated.")] = None,
          band_hz: Annotated[tuple[float, float] | None, typer.Option(metavar="LOW HIGH", help="Where f0 is looked for; 1 20 if the rate holds it.")] = None,
          auto_band: Annotated[bool, typer.Option("--auto-band", help="Look for f0 where the recorded records speak of it, as `tng corpus bands` says.")] = False,
          into: Annotated[list[Path] | None, typer.Option(help="Write the whole board: .csv, .json, .html or .png; can be repeated.")] = None,
          card: Annotated[list[Path] | None, typer.Option(help="Put the scores into this model card or the card of this checkpoint; can be repeated.")] = None,
          intervals: Annotated[bool, typer.Option("--intervals", help="Print 95 % intervals too.")] = False,
          draws: Annotated[int, typer.Option(min=20, help="Bootstrap samples, and pairs of real sets.")] = 400, seed: Seed = 0) -> None:
    """Score records of any generator against recorded ones: the paper's NCC and what an engineer needs beside it."""
    from tng import cards
    from tng.scoring import tables
    from tng.scoring.board import scoreboard

    if auto_band and band_hz is not None:
        raise ValueError("--band-hz and --auto-band are given; one of them says where f0 is looked for")
    tables.check_names(into or ())
    place = _place(real)
    held_out = _held_out(place, split)
    if train is not None:
        learned, notes = _learned(train)
    else:
        learned, notes = None if split in ("all", "train") else _train_split(place), []
    board = scoreboard(learned, held_out, _named(generated), stations=station or None, band_hz="auto" if auto_band else band_hz,
                       draws=draws, seed=seed, progress=_progress())
    board.attrs["notes"] = [*notes, *board.attrs["notes"]]
    typer.echo(tables.as_text(board, intervals=intervals))
    for path in into or ():
        typer.echo(f"written: {tables.save(board, path)}")
    for path in card or ():
        typer.echo(f"written: {cards.add_scores(path, board)}")


def _named(paths: list[str]) -> dict[str, Path]:
    """NAME=PATH, or PATH named by its last part; names must differ."""
    named: dict[str, Path] = {}
    for text in paths:
        name, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            name, path = Path(text).resolve().name, text
        if name in named:
            raise ValueError(f"two sets are called {name!r}: name them with NAME=PATH")
        named[name] = Path(path)
    return named


def _place(path: Path):
    """The corpus in a folder, opened once; any other place of records as it is."""
    from tng.corpus import Corpus
    from tng.layout import CARD

    return Corpus.open(path) if (path / CARD).exists() else path


def _held_out(place, split: str):
    """Held-out records: a split of a corpus, or all of another place."""
    from tng.corpus import Corpus
    from tng.recordset import RecordSet

    if isinstance(place, Corpus):
        return RecordSet.of(place, f"{place.folder} ({split})", split=split)
    if split not in ("test", "all"):
        raise ValueError(f"{place} is no corpus and has no splits; leave --split {split} out, or make a corpus of it: tng ingest")
    return RecordSet.of(place)


def _train_split(place):
    """The train split of a corpus; None of another place, or where no record is marked so."""
    from tng.corpus import Corpus
    from tng.layout import SPLIT_COLUMNS
    from tng.recordset import RecordSet

    if not isinstance(place, Corpus) or "train" not in set(place.metadata.get(SPLIT_COLUMNS["event"], ())):
        return None
    return RecordSet.of(place, f"{place.folder} (train)", split="train")


def _learned(train: Path):
    """Training records of --train, and what to say of them: test records of a corpus are none."""
    from tng.recordset import RecordSet

    place = _place(train)
    if (found := _train_split(place)) is not None:
        return found, [f"Training records are the train split of {train}, {len(found)} records; its others are not."]
    found = RecordSet.of(place, "training records")
    return found, [f"Training records are all {len(found)} records of {train}, which has no train split."]


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"tng {__version__}")
        raise typer.Exit


def _progress() -> bool:
    return os.environ.get("TNG_PROGRESS") != "0"


def main() -> None:
    """Run the command; the library's own errors become one message, not a traceback."""
    try:
        app()
    except (ValueError, RuntimeError, OSError) as problem:
        if not type(problem).__module__.startswith("tng.") and type(problem) is not ValueError and not isinstance(problem, OSError):
            raise
        where = "" if cli_train.first() else " in one of the processes"
        typer.echo(f"Error{where}: {problem}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
