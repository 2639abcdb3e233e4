"""Any raw files to one corpus: read, check, bring to one window, write; what cannot be used is listed with its reason.

Two steps.  First every file is read, in parallel and in any order, and what becomes of it goes to a journal
on disk; a run that was stopped goes on there.  Then the journal is gone through in the order of the files'
names: second copies are left out, events named, the corpus written.  So the same files give the same bytes,
whatever happened on the way.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError, field_validator

from tng import __version__, catalogue, corpus, plan, readers, workers
from tng.channels import Refusal
from tng.journal import Journal
from tng.layout import REJECTED, SOURCES
from tng.plan import sha256_of
from tng.quality import Thresholds, check
from tng.readers import seisbench
from tng.readers.options import Options
from tng.records import FormatError, Record, RecordError
from tng.selection import DECIDING, Selection, SelectionError, select
from tng.sources import printable
from tng.splits import check_shares
from tng.standard import Standard, standardise

TASK_LIMIT_S = 120.0    # a file that has not been read after this is refused
WORTH_PROCESSES = 24    # tasks; starting a process takes as long as reading some files


class IngestError(ValueError):
    """Nothing that can be ingested, or settings that make no sense."""


class IngestSettings(Standard, Thresholds, Options, Selection):
    """Everything that decides what a corpus holds: window, checks, declarations, selection and splits."""

    splits: tuple[float, float, float] = Field((0.6, 0.1, 0.3), description="shares of train, dev and test")
    seed: int = Field(0, ge=0, description="of the splits")

    @field_validator("splits")
    @classmethod
    def _add_to_one(cls, shares):
        return check_shares(shares)

    @field_validator("events", "devices", "stationxml")
    @classmethod
    def _are_there(cls, paths):
        for path in paths if isinstance(paths, tuple) else (paths,):
            if path is not None and not path.is_file():
                raise ValueError(f"{path}: no such file")
        return paths


@dataclass(frozen=True)
class IngestReport:
    """What became of the files.

    Attributes
    ----------
    corpus : Corpus
        The corpus that was written.
    accepted : int
        Records in it.
    rejected : tuple of (file, reason)
        What is not in it, a line a file (a line a record for files of many); also in its ``rejected.csv``.
    missed_shaking : tuple of (file, share)
        Records of which the window keeps less than the share of horizontal Arias intensity that is asked for.
    resumed : int
        Files that an earlier, interrupted run had read already.
    unchanged : bool
        Whether the corpus was there already, made of the same files with the same settings.
    """

    corpus: corpus.Corpus
    accepted: int
    rejected: tuple[tuple[str, str], ...]
    missed_shaking: tuple[tuple[str, float], ...]
    resumed: int = 0
    unchanged: bool = False


def ingest(sources_, into, settings: IngestSettings | None = None, *, overwrite: bool = False, processes: int | None = None,
           progress: bool = True, **changes) -> IngestReport:
    """Read files, folders and archives, check and standardise each record and write the corpus.

    Parameters
    ----------
    sources_ : path or iterable of paths
        Files, archives, folders (walked in sorted order; hidden files are passed over), SeisBench data sets.
    into : path
        Folder of the corpus.  Beside it, a hidden folder keeps what is done until all is.
    settings : IngestSettings, optional
        Or single settings as keywords: ``ingest(folder, into, window_s=40)``.
    overwrite : bool
        Replace a corpus that is there, unless it was made of the same files with the same settings.
    processes : int, optional
        How many files are read at a time; as many as there are processors if not given.  Fewer than 24 files
        are read in this process, one by one, without a limit of time.
    progress : bool
        Show progress bars.

    Raises
    ------
    IngestError
        A source that does not exist, settings that make no sense, or no usable record in any.
    tng.corpus.CorpusError
        If the corpus cannot be written.
    tng.journal.JournalError
        If another run is at work on the same corpus.

    Warns
    -----
    UserWarning
        If the window misses more than a fifth of the shaking of a record.
    """
    settings = make_settings(changes, settings)
    into = Path(into).absolute()
    if not into.name:
        raise IngestError(f"{into}: name a folder for the corpus")
    if processes is not None and processes < 1:
        raise IngestError(f"{processes} processes; at least one is needed")
    try:
        journal = Journal(into.with_name(f".{into.name}.ingest"))
    except OSError as error:
        raise IngestError(f"{into}: nothing can be written there ({error.strerror})") from None
    with journal:
        refused: list[tuple[str, str]] = []
        try:
            tasks, settings, helpers, unread = plan.make(sources_, settings, refused, into, journal.folder, progress)
        except RecordError as error:
            raise IngestError(str(error)) from None
        if not (tasks or unread or refused):
            raise IngestError("no files in the sources; name files or folders of records")
        known = _unchanged(into, tasks, unread, helpers, settings) if into.exists() else None
        if known:
            journal.remove()
            return known
        corpus.check_free(into, overwrite)
        keys = plan.keys(tasks, settings)
        resumed = sum(len(task.files) or 1 for task, key in zip(tasks, keys) if key in journal)
        _read_all(tasks, keys, settings, journal, processes, progress)
        report = _write(tasks, keys, settings, journal, into, [*refused], helpers, unread, overwrite, progress)
        journal.remove()
    if report.missed_shaking:
        name, share = min(report.missed_shaking, key=lambda entry: entry[1])
        warnings.warn(f"the window ({settings.window}, {settings.window_s:g} s) keeps less than {settings.smallest_energy_share:.0%} "
                      f"of the shaking of {len(report.missed_shaking)} of {report.accepted} records (least: {name}, {share:.1%}); "
                      "a longer window, or another policy, would keep more", stacklevel=2)
    return IngestReport(**{**report.__dict__, "resumed": resumed})


def make_settings(changes: Mapping, settings: IngestSettings | None = None) -> IngestSettings:
    """Settings by name, the rest as they are or by default.

    Raises
    ------
    IngestError
        For an unknown name (the nearest right one is named) or a value that cannot be.
    """
    try:
        return IngestSettings(**{**(settings.model_dump() if settings else {}), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        from tng.config import nearest

        hint = f": {nearest(where, list(IngestSettings.model_fields))}" if first["type"] == "extra_forbidden" else ""
        raise IngestError(f"setting {where} = {str(first.get('input'))!r}: {first['msg'].removeprefix('Value error, ')}{hint}") from None


# --- the first step: read ------------------------------------------------------------------------------

def _read_all(tasks, keys, settings, journal: Journal, processes: int | None, progress: bool) -> None:
    left = [(key, task) for key, task in zip(keys, tasks) if key not in journal]
    processes = min(processes or os.cpu_count() or 1, 16)
    if processes == 1 or len(left) < WORTH_PROCESSES:
        answers: Iterator = map(work, ((key, task, settings) for key, task in left))
    else:
        answers = workers.unordered("tng.ingest:work", ((key, task, settings) for key, task in left), processes,
                                    TASK_LIMIT_S, _failed)
    if progress:
        from tqdm import tqdm

        answers = tqdm(answers, desc="reading", unit="file", total=len(tasks), initial=len(tasks) - len(left))
    try:
        for key, entry, waveforms in answers:
            journal.add(key, entry, waveforms)
    except OSError as error:
        raise IngestError(f"{journal.folder}: {error.strerror or error}; what was read so far is kept: make room and start again") from error


def work(order) -> tuple[str, dict, list]:
    """What becomes of one task: its key, an entry for the journal, the windows of its records."""
    key, task, settings = order
    files = [[file.name, file.size, sha256_of(file)] for file in task.files]
    if task.portion is not None:
        made = seisbench.read_portion(task.portion, settings)
    else:
        import importlib

        made = readers.read_group(importlib.import_module(task.reader), task.files, settings)
    records, refused, waveforms = [], [], []
    for one in made:
        try:
            if isinstance(one, Refusal):
                raise one.error
            window, meta = usable(one, settings)
        except RecordError as error:
            refused.append([one.name, type(error).__name__, str(error)])
        except Exception as error:  # as in read_group: one record must not stop the run
            refused.append([one.name, "FormatError", f"{one.name}: its values make no sense ({type(error).__name__}: {str(error)[:200]})"])
        else:
            records.append({"station": window.station, "event": window.event, "rate": window.sampling_rate_hz, "meta": meta})
            waveforms.append(window.data)
    return key, {"files": files, "records": records, "refused": refused}, waveforms


def usable(record: Record, settings: IngestSettings) -> tuple[Record, dict]:
    """The standardised record, in single precision, and its metadata with what the checks found.

    Raises
    ------
    RecordError
        If a check refuses it, or it cannot be stored.
    """
    window = standardise(record, settings)
    report = check(record, settings, window)
    report.raise_if_refused()
    if not record.station.strip():
        raise FormatError(f"{record.name}: no station code")
    window = replace(window, data=window.data.astype(np.float32), station=_plain(record.station), event=_plain(record.event))
    meta = {**window.meta, **report.meta(), "trace_record_s": record.duration_s,
            "trace_record_start_time": record.meta.get("trace_start_time", "")}
    for name in ("trace_start_time", "trace_record_start_time", "source_origin_time"):
        if meta.get(name) and not "1850" < str(meta[name])[:4] < "2100":
            raise FormatError(f"{record.name}: {name} {str(meta[name])[:40]!r}; a time between 1850 and 2100 is needed")
    return window, {name: _plain(value) for name, value in meta.items()}


def _plain(value):
    """A value that JSON and a table can hold."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        return str(value)[:40]
    return printable(value) if isinstance(value, str) else value


def _failed(order, error: workers.WorkerError) -> tuple[str, dict, list]:
    """What becomes of a task whose reader crashed or hung."""
    key, task, _ = order
    files = [[file.name, file.size, ""] for file in task.files]
    name = task.name or repr(task.portion)
    refusal = [name, "FormatError", f"{name}: {error}; the file may be damaged"]
    return key, {"files": files, "records": [], "refused": [refusal], "again": True}, []   # the next run tries again


# --- the second step: write ----------------------------------------------------------------------------

def _write(tasks, keys, settings, journal, into, rejected, helpers, unread, overwrite, progress) -> IngestReport:
    rejected += [(file.name, why) for file, why in unread]
    listed = [(file.name, file.size, sha256_of(file), what) for file, what in helpers]
    listed += [(file.name, file.size, sha256_of(file), "refused") for file, _ in unread]
    candidates, weak = [], {}       # of each record only what decides; the rest stays in the journal
    for task, key in zip(tasks, keys):
        entry = journal.entry(key)
        names = [name for name, _, _ in entry["files"]]
        for name, _, why in entry["refused"]:
            rejected += [(file, why) for file in names] if len(names) > 1 and not entry["records"] else [(name, why)]
        listed += [(*file, task.reader.rsplit(".", 1)[-1] if entry["records"] else "refused") for file in entry["files"]]
        shas = tuple(sha for *_, sha in entry["files"])
        for number, (record, place) in enumerate(zip(entry["records"], entry["places"])):
            if record["meta"]["trace_energy_share"] < settings.smallest_energy_share:
                weak[key, number] = record["meta"]["trace_energy_share"]
            candidates.append({"key": key, "number": number, "station": record["station"], "event": record["event"],
                               "meta": {name: record["meta"].get(name) for name in DECIDING}, "place": place, "copy": (shas, number)})
    try:
        earthquakes = catalogue.read(settings.events) if settings.events else ()
        taken, left_out = select(candidates, settings, earthquakes, settings.window_s)
    except (SelectionError, RecordError) as error:
        raise IngestError(str(error)) from None
    rejected += left_out
    if not taken:
        raise IngestError(_nothing_usable(sum(len(task.files) or 1 for task in tasks) + len(unread), rejected))
    rejected.sort()
    missed = tuple((one["meta"]["trace_source_file"], weak[one["key"], one["number"]]) for one in taken
                   if (one["key"], one["number"]) in weak)

    def made() -> Iterator[Record]:
        for key, group in itertools.groupby(taken, key=lambda one: one["key"]):
            kept = journal.entry(key)["records"]
            for one in group:
                record = kept[one["number"]]
                yield Record(journal.waveform(one["place"]), record["rate"], one["station"], one["event"],
                             {**record["meta"], **one["more"]})

    def also(folder: Path) -> None:
        from tng import report

        _write_table(folder / REJECTED, ("file", "reason"), rejected)
        _write_table(folder / SOURCES, ("file", "bytes", "sha256", "outcome"), sorted(listed))
        report.write(folder, rejected)

    of_this = re.compile(rf"\.{re.escape(into.name)}\.[0-9a-f]{{32}}\.(part|old)")
    left = [old for old in into.parent.iterdir() if of_this.fullmatch(old.name)]
    written = corpus.write(made(), into, splits=settings.splits, seed=settings.seed, overwrite=overwrite, progress=progress,
                           settings=_remembered(settings), also=also)
    for old in left:                             # of a run that was killed while writing
        shutil.rmtree(old, ignore_errors=True)
    return IngestReport(written, len(written), tuple(rejected), missed)


def _remembered(settings: IngestSettings) -> dict:
    """The settings as ``corpus.json`` keeps them: tables by name and SHA-256, not by path."""
    kept = settings.model_dump(mode="json")
    kept["stationxml"] = sorted(plan.digest(path) for path in settings.stationxml)
    for name in ("devices", "events"):
        path = getattr(settings, name)
        kept[name] = plan.digest(path) if path else None
    return kept


def _unchanged(into: Path, tasks, unread, helpers, settings) -> IngestReport | None:
    """The report of a corpus that was made of exactly these files with these settings; None if it was not."""
    listed = into / SOURCES
    if not listed.is_file():
        return None
    try:
        there = corpus.Corpus.open(into)
    except corpus.CorpusError:
        return None
    card = there.card
    # Through JSON, as the card was.
    if (card.get("settings") != json.loads(json.dumps(_remembered(settings))) or card.get("versions", {}).get("tng") != __version__
            or (card.get("splits"), card.get("seed"), card.get("held_out", []), card.get("fold")) != (list(settings.splits), settings.seed, [], None)):
        return None
    with listed.open(newline="", encoding="utf-8") as stream:
        known = sorted((row["file"], row["bytes"]) for row in csv.DictReader(stream))
    files = [*(file for task in tasks for file in task.files), *(file for file, _ in unread), *(file for file, _ in helpers)]
    if known != sorted((file.name, str(file.size)) for file in files):
        return None
    with listed.open(newline="", encoding="utf-8") as stream:
        digests = {row["file"]: row["sha256"] for row in csv.DictReader(stream)}
    if any(sha256_of(file) != digests[file.name] for file in files):
        return None
    with (into / REJECTED).open(newline="", encoding="utf-8") as stream:
        rejected = tuple((row["file"], row["reason"]) for row in csv.DictReader(stream))
    share = there.metadata["trace_energy_share"]
    weak = share < settings.smallest_energy_share
    missed = tuple(zip(there.metadata.loc[weak, "trace_source_file"], share[weak]))
    return IngestReport(there, len(there), rejected, missed, unchanged=True)


def _write_table(path: Path, head, rows) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        csv.writer(stream, lineterminator="\n").writerows([head, *rows])


def _nothing_usable(files: int, rejected) -> str:
    """The kinds of reasons, those of files that are no records last."""
    kinds: dict[str, list[str]] = {}
    for name, why in rejected:
        kinds.setdefault(why.removeprefix(f"{name}: "), []).append(name)
    order = sorted(kinds, key=lambda why: ("no record of ground motion" in why or "not known" in why, -len(kinds[why])))
    lines = [f"  {kinds[why][0]}{f' and {len(kinds[why]) - 1} more' if len(kinds[why]) > 1 else ''}: {why}" for why in order[:12]]
    return "\n".join([f"no usable record among {files} files; the reasons:", *lines, *(["  …"] if len(order) > 12 else [])])
