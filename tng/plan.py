"""What an ingest has to do: which files belong together, which describe the others, and what each answer depends on."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tng import __version__, readers, sources
from tng.readers import seisbench
from tng.records import RecordError
from tng.selection import Selection
from tng.sources import RawFile, printable, stamp

OF_A_DATASET = re.compile(r"(metadata|waveforms)\w*\.(csv|hdf5)|chunks|corpus\.json|rejected\.csv|sources\.csv|report\.(html|md)")


@dataclass(frozen=True)
class Task:
    """What one reader reads at once: the files of a record, or a portion of a data set."""

    reader: str
    files: tuple[RawFile, ...]
    portion: object = None

    @property
    def name(self) -> str:
        return " + ".join(file.name for file in self.files)


def make(given, settings, refused: list[tuple[str, str]], into: Path, scratch: Path, progress: bool):
    """What an ingest has to do.

    Parameters
    ----------
    given : path or iterable of paths
        The sources.
    settings : IngestSettings
    refused : list
        Takes name and reason of what could not be entered.
    into : Path
        The corpus that is to be written; it is no source.
    scratch : Path
        Where copies of tables from archives are kept.
    progress : bool

    Returns
    -------
    tasks, settings, helpers, unread
        Tasks in the order of names; the settings with the StationXML and tables that lie among the files; those
        files, with what they are for; and files of no known format, with the reason.
    """
    plain = list(dict.fromkeys(Path(one).absolute() for one in ([given] if isinstance(given, (str, os.PathLike)) else given)))
    folders = _datasets(plain, into)
    tasks = [Task(seisbench.NAME, (), portion) for folder in folders for portion in seisbench.portions(folder)]
    own = {file: f"{folder.name}/{file.name}" for folder in folders for file in sorted(folder.iterdir()) if file.is_file() and OF_A_DATASET.fullmatch(file.name)}
    datasets = [(RawFile(printable(name), file, (), file.stat().st_size), "SeisBench data set, read") for file, name in own.items()]
    reports = [folder / "report" for folder in folders]
    found: Iterable[RawFile] = (file for file in sources.walk(plain, lambda name, why: refused.append((name, why)))
                                if file.path not in own and not any(file.path.is_relative_to(place) for place in (into, *reports)))
    if progress:
        from tqdm import tqdm

        found = tqdm(found, desc="looking at files", unit="file")
    once = {(file.path, file.members): file for file in found}           # a file that two sources hold is one file
    files, settings, helpers = set_aside(once.values(), settings, scratch)
    groups, unknown = readers.groups(files)
    tasks += [Task(module.__name__, tuple(members)) for module, members in groups]
    unread = [(file, str(error)) for file, error in unknown]
    return tasks, settings, [*datasets, *helpers], unread


def _datasets(plain: Iterable[Path], into: Path) -> list[Path]:
    """Folders in the SeisBench layout, at any depth, but for the corpus that is to be written."""
    found: dict[Path, None] = {}
    for source in plain:
        for folder, inner, _ in os.walk(source):
            inner[:] = sorted(name for name in inner if not name.startswith("."))
            if Path(folder) != into and seisbench.is_dataset(Path(folder)):
                found[Path(folder)] = None
    return list(found)


def set_aside(found: Iterable[RawFile], settings, scratch: Path):
    """Set aside what describes records and is none: StationXML, and the tables of an OpenEEW archive."""
    files, helpers, inventories, tables = [], [], list(settings.stationxml), {}
    for file in found:
        what = place = None
        if file.base == "provenance.json":
            what = "provenance of exported files"
        elif file.base.lower().endswith((".xml", ".stationxml")) and b"FDSNStationXML" in _head(file):
            if place := _on_disk(file, scratch):
                inventories.append(place)
                what = "StationXML, used"
        elif file.base == "device_locations.json" and settings.devices is None and "devices" not in tables:
            if place := _on_disk(file, scratch):
                tables["devices"] = place
                what = "list of devices, used"
        elif file.base in ("events.csv", "events.txt") and settings.events is None and "events" not in tables:
            if (place := _on_disk(file, scratch)) and _is_catalogue(place):
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


def _on_disk(file: RawFile, scratch: Path) -> Path | None:
    """A plain file's own path; of an archive's member, a copy; None if it cannot be read."""
    try:
        content = file.read()
    except RecordError:
        return None
    if not file.members:
        return file.path.absolute()
    copy = scratch / f"{hashlib.sha256(content).hexdigest()[:16]}{Path(file.base).suffix[:10]}"
    copy.write_bytes(content)
    return copy


def keys(tasks: Sequence[Task], settings) -> list[str]:
    """What the answer to each task depends on: files as they are now, settings, tables, version."""
    # Without what is a path, and without what only the second step uses.
    facts = settings.model_dump(mode="json", exclude={"stationxml", "devices", "events", "splits", "seed", *Selection.model_fields})
    tables = [digest(path) for path in (*settings.stationxml, settings.devices, settings.events) if path]
    common = json.dumps([__version__, facts, tables], default=str)
    made = []
    for task in tasks:
        files: list = [(file.name, str(file.path), file.members, *stamp(file.path)) for file in task.files]
        if task.portion is not None:
            files = [(path.name, *stamp(path)) for path in sorted(task.portion.folder.iterdir())]
        made.append(hashlib.sha256(json.dumps([common, task.reader, files, repr(task.portion)], default=str).encode()).hexdigest())
    return made


_DIGESTS: dict[tuple, str] = {}


def digest(path: Path) -> str:
    """SHA-256 of a file, computed once as long as it does not change."""
    key = (str(path), *stamp(path))
    if key not in _DIGESTS:
        _DIGESTS[key] = RawFile.of(path).sha256()
    return _DIGESTS[key]


def sha256_of(file: RawFile) -> str:
    """SHA-256 of a raw file; empty if it cannot be read, which its reader will say."""
    try:
        return file.sha256()
    except (RecordError, OSError):
        return ""
