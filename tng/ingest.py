"""Any raw files to one corpus: read, check, bring to one window, write; what cannot be used is listed with its reason.

Two steps.  First every file is read, in parallel and in any order, and what becomes of it goes to a journal
on disk; a run that was stopped goes on there.  Then the journal is gone through in the order of the files'
names: second copies are left out, events named, the corpus written.  So the same files give the same bytes,
whatever happened on the way.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from tng import __version__, corpus, readers, sources, workers
from tng.channels import Refusal
from tng.journal import Journal
from tng.layout import REJECTED, SOURCES
from tng.quality import Thresholds, check
from tng.readers import seisbench
from tng.readers.options import Options
from tng.records import Record, RecordError
from tng.selection import DECIDING, Selection, select
from tng.sources import RawFile
from tng.standard import Standard, standardise

TASK_LIMIT_S = 120.0    # a file that has not been read after this is refused
WORTH_PROCESSES = 24    # tasks; starting a process takes as long as reading some files


class IngestError(ValueError):
    """Nothing that can be ingested, or settings that make no sense."""


class IngestSettings(Standard, Thresholds, Options, Selection):
    """Everything that decides what a corpus holds: window, checks, declarations, selection and splits."""

    splits: tuple[float, float, float] = Field((0.6, 0.1, 0.3), description="shares of train, dev and test")
    seed: int = Field(0, ge=0, description="of the splits")


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


@dataclass(frozen=True)
class Task:
    """What one reader reads at once: the files of a record, or a portion of a data set."""

    reader: str
    files: tuple[RawFile, ...]
    portion: object = None

    @property
    def name(self) -> str:
        return " + ".join(file.name for file in self.files)


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
        How many files are read at a time; as many as there are processors if not given.
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
    settings = _settings(settings, changes)
    into = Path(into)
    with Journal(_journal_folder(into)) as journal:
        refused: list[tuple[str, str]] = []
        try:
            tasks, settings, helpers, unread = _plan(sources_, settings, refused, journal.folder, progress)
        except RecordError as error:
            raise IngestError(str(error)) from None
        if not (tasks or unread or refused):
            raise IngestError("no files in the sources; name files or folders of records")
        known = _unchanged(into, tasks, unread, helpers, settings) if into.exists() else None
        if known:
            return known
        corpus.check_free(into, overwrite)
        keys = [_key(task, settings) for task in tasks]
        resumed = sum(len(task.files) for task, key in zip(tasks, keys) if key in journal)
        _read_all(tasks, keys, settings, journal, processes, progress)
        report = _write(tasks, keys, settings, journal, into, [*refused], helpers, unread, overwrite, progress)
        journal.remove()
    if report.missed_shaking:
        name, share = min(report.missed_shaking, key=lambda entry: entry[1])
        warnings.warn(f"the window ({settings.window}, {settings.window_s:g} s) keeps less than {settings.smallest_energy_share:.0%} "
                      f"of the shaking of {len(report.missed_shaking)} of {report.accepted} records (least: {name}, {share:.1%}); "
                      "a longer window, or another policy, would keep more", stacklevel=2)
    return IngestReport(**{**report.__dict__, "resumed": resumed})


# --- what to do ----------------------------------------------------------------------------------------

def _settings(settings: IngestSettings | None, changes: Mapping) -> IngestSettings:
    try:
        return IngestSettings(**{**(settings.model_dump() if settings else {}), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        from tng.config import nearest

        hint = f": {nearest(where, list(IngestSettings.model_fields))}" if first["type"] == "extra_forbidden" else ""
        raise IngestError(f"setting {where} = {first.get('input')!r}: {first['msg']}{hint}") from None


def _journal_folder(into: Path) -> Path:
    return into.absolute().with_name(f".{into.absolute().name}.ingest")


def _plan(given, settings: IngestSettings, refused, scratch: Path, progress: bool):
    """Tasks in the order of names; settings with the StationXML and tables that lie among the files; those
    files; and files of no known format with the reason."""
    folders, plain = _datasets(given)
    tasks = [Task(seisbench.NAME, (), portion) for folder in folders for portion in seisbench.portions(folder)]
    datasets = [(RawFile(file.relative_to(folder.parent).as_posix(), file, (), file.stat().st_size), "SeisBench data set, read")
                for folder in folders for file in sorted(folder.iterdir()) if file.suffix in (".csv", ".hdf5")]
    found: Iterable[RawFile] = (file for source in plain
                                for file in sources.walk([source], lambda name, why: refused.append((name, why)))
                                if not any(file.path.is_relative_to(folder) for folder in folders))
    if progress:
        from tqdm import tqdm

        found = tqdm(found, desc="looking at files", unit="file")
    files, settings, helpers = _helpers(found, settings, scratch)
    groups, unknown = readers.groups(files)
    tasks += [Task(module.__name__, tuple(members)) for module, members in groups]
    unread = [(file, str(error)) for file, error in unknown]
    return tasks, settings, [*datasets, *helpers], unread


def _datasets(given) -> tuple[list[Path], list[Path]]:
    """Folders in the SeisBench layout, at any depth; and the sources as they were given."""
    plain = [Path(one) for one in ([given] if isinstance(given, (str, os.PathLike)) else given)]
    folders = []
    for source in plain:
        if source.is_dir():
            for folder, inner, _ in os.walk(source):
                inner[:] = sorted(name for name in inner if not name.startswith("."))
                if seisbench.is_dataset(Path(folder)):
                    folders.append(Path(folder))
                    inner.clear()
    return folders, plain


def _helpers(found: Iterable[RawFile], settings: IngestSettings, scratch: Path):
    """Set aside what describes records and is none: StationXML, and the tables of an OpenEEW archive."""
    files, helpers, inventories, tables = [], [], list(settings.stationxml), {}
    for file in found:
        what = None
        if file.base.lower().endswith((".xml", ".stationxml")) and b"FDSNStationXML" in _head(file):
            inventories.append(_on_disk(file, scratch))
            what = "StationXML, used"
        elif file.base == "device_locations.json" and settings.devices is None and "devices" not in tables:
            tables["devices"] = _on_disk(file, scratch)
            what = "list of devices, used"
        elif file.base in ("events.csv", "events.txt") and settings.events is None and "events" not in tables:
            if _is_catalogue(place := _on_disk(file, scratch)):
                tables["events"] = place
                what = "catalogue of earthquakes, used"
        if what:
            helpers.append((file, what))
        else:
            files.append(file)
    return files, settings.model_copy(update={"stationxml": tuple(inventories), **tables}), helpers


def _is_catalogue(path: Path) -> bool:
    from tng import catalogue

    try:
        return bool(catalogue.read(path))
    except RecordError:
        return False


def _head(file: RawFile) -> bytes:
    try:
        return file.head()
    except RecordError:
        return b""


def _on_disk(file: RawFile, scratch: Path) -> Path:
    """A plain file's own path; of an archive's member, a copy."""
    if not file.members:
        return file.path.absolute()
    content = file.read()
    copy = scratch / f"{hashlib.sha256(content).hexdigest()[:16]}-{Path(file.base).name}"
    copy.write_bytes(content)
    return copy


def _key(task: Task, settings: IngestSettings) -> str:
    """What the answer to a task depends on: files as they are now, settings, version."""
    declared = [str(_digest(path)) for path in (*settings.stationxml, settings.devices, settings.events) if path]
    files = [(file.name, str(file.path.absolute()), file.members, file.size, file.path.stat().st_mtime_ns) for file in task.files]
    if task.portion is not None:
        files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(task.portion.folder.iterdir())]
    parts = [__version__, task.reader, files, repr(task.portion), _facts(settings), declared]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def _facts(settings: IngestSettings) -> dict:
    """The settings without what is a path, and without what only the second step uses."""
    return settings.model_dump(mode="json", exclude={"stationxml", "devices", "events", "splits", "seed", *Selection.model_fields})


_DIGESTS: dict[tuple, str] = {}


def _digest(path: Path) -> str:
    key = (str(path), path.stat().st_mtime_ns)
    if key not in _DIGESTS:
        _DIGESTS[key] = RawFile.of(path).sha256()
    return _DIGESTS[key]


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
    files = [[file.name, file.size, _sha256(file)] for file in task.files]
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
            continue
        records.append({"station": window.station, "event": window.event, "rate": window.sampling_rate_hz,
                        "meta": {name: _simple(value) for name, value in meta.items()}})
        waveforms.append(window.data)
    return key, {"files": files, "records": records, "refused": refused}, waveforms


def usable(record: Record, settings: IngestSettings) -> tuple[Record, dict]:
    """The standardised record and its metadata with what the checks found.

    Raises
    ------
    RecordError
        If a check refuses it.
    """
    window = standardise(record, settings)
    report = check(record, settings, window)
    report.raise_if_refused()
    return window, {**window.meta, **report.meta()}


def _failed(order, error: workers.WorkerError) -> tuple[str, dict, list]:
    """What becomes of a task whose reader crashed or hung."""
    key, task, _ = order
    files = [[file.name, file.size, ""] for file in task.files]
    name = task.name or repr(task.portion)
    return key, {"files": files, "records": [], "refused": [[name, "FormatError", f"{name}: {error}; the file may be damaged"]]}, []


def _sha256(file: RawFile) -> str:
    try:
        return file.sha256()
    except (RecordError, OSError):
        return ""


def _simple(value):
    """A value that JSON can hold."""
    return value.item() if hasattr(value, "item") else value


# --- the second step: write ----------------------------------------------------------------------------

def _write(tasks, keys, settings, journal, into, rejected, helpers, unread, overwrite, progress) -> IngestReport:
    rejected += [(file.name, why) for file, why in unread]
    listed = [(file.name, file.size, _sha256(file), what) for file, what in helpers]
    listed += [(file.name, file.size, _sha256(file), "refused") for file, _ in unread]
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
    taken, left_out = select(candidates, settings)
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

    for old in into.absolute().parent.glob(f".{into.absolute().name}.*.part"):  # of a run that was killed while writing
        shutil.rmtree(old, ignore_errors=True)
    written = corpus.write(made(), into, splits=settings.splits, seed=settings.seed, overwrite=overwrite, progress=progress,
                           settings=_remembered(settings), also=also)
    return IngestReport(written, len(written), tuple(rejected), missed)


def _remembered(settings: IngestSettings) -> dict:
    """The settings as ``corpus.json`` keeps them: tables by name and SHA-256, not by path."""
    kept = settings.model_dump(mode="json")
    kept["stationxml"] = sorted(_digest(path) for path in settings.stationxml)
    for name in ("devices", "events"):
        path = getattr(settings, name)
        kept[name] = _digest(path) if path else None
    return kept


def _unchanged(into: Path, tasks, unread, helpers, settings) -> IngestReport | None:
    """The report of a corpus that was made of exactly these files with these settings; None if it was not."""
    listed = into / SOURCES
    if not listed.is_file():
        return None
    there = corpus.Corpus.open(into)
    # Through JSON, as the card was.
    if there.card.get("settings") != json.loads(json.dumps(_remembered(settings))) or there.card["versions"]["tng"] != __version__:
        return None
    with listed.open(newline="", encoding="utf-8") as stream:
        known = sorted((row["file"], row["bytes"]) for row in csv.DictReader(stream))
    files = [*(file for task in tasks for file in task.files), *(file for file, _ in unread), *(file for file, _ in helpers)]
    if known != sorted((file.name, str(file.size)) for file in files):
        return None
    with listed.open(newline="", encoding="utf-8") as stream:
        digests = {row["file"]: row["sha256"] for row in csv.DictReader(stream)}
    if any(_sha256(file) != digests[file.name] for file in files):
        return None
    with (into / REJECTED).open(newline="", encoding="utf-8") as stream:
        rejected = tuple((row["file"], row["reason"]) for row in csv.DictReader(stream))
    return IngestReport(there, len(there), rejected, (), unchanged=True)


def _write_table(path: Path, head, rows) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as stream:
        csv.writer(stream, lineterminator="\n").writerows([head, *rows])


def _nothing_usable(files: int, rejected) -> str:
    reasons = "\n".join(f"  {reason}" for _, reason in itertools.islice(rejected, 5))
    return f"no usable record among {files} files; the first reasons:\n{reasons}"
