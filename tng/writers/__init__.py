"""Records to files that other tools read: miniSEED, SAC, AT2, and text that keeps every bit.

A folder of records always holds ``provenance.json``, which tells for every file whether it is a recorded earthquake
or synthetic, where it is from, and under which licence.  Where a format demands what is not known, a placeholder
that stands out is written, and named in ``provenance.json``:

========================  ===============================================================
no start time             one day each from 1970-01-01 on (miniSEED, SAC)
no or no valid network    ``XX`` (miniSEED)
no coordinates            0 N 0 E, and a description that says so (StationXML)
no event, no station      ``noevent``, ``nostation`` in names of files, ``?`` in AT2
========================  ===============================================================
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tng import __version__
from tng.records import LicenceError, Record, RecordError
from tng.remote import sha256

FORMATS = {"mseed": "tng.writers.mseed", "sac": "tng.writers.sac", "at2": "tng.writers.at2", "csv": "tng.writers.tng_csv"}
PROVENANCE = "provenance.json"
SYNTHETIC_CATEGORIES = ("synthetic", "generated")
OPEN = re.compile(r"\bCC[ -]?BY\b|\bCC[ -]?0\b|\bCC ZERO\b|CREATIVE COMMONS|PUBLIC[ -]DOMAIN|"
                  r"\bMIT\b|\bAPACHE\b|\bODBL\b|\bODC\b|\bOGL\b")
CLOSED = re.compile(r"\bNO (?:REDISTRIBUTION|PERMISSION)|NOT (?:BE )?(?:PERMITTED|ALLOWED|REDISTRIBUTED)|FORBID|PROHIBIT|"
                    r"UNKNOWN|NOT STATED|ALL RIGHTS RESERVED")
FIRST_PLACEHOLDER = datetime(1970, 1, 1, tzinfo=timezone.utc)


class WriteError(RecordError):
    """Records that cannot be written as asked; the message says why and what to do."""


@dataclass
class Export:
    """One export under way: the names, codes and times that are taken.

    `folder` is where a format's writer puts its files; they are moved to their place when all are complete.
    """

    folder: Path
    names: set[str] = field(default_factory=set)
    codes: dict[tuple[str, int], str] = field(default_factory=dict)
    streams: set[tuple] = field(default_factory=set)
    stations: dict[tuple[str, str], dict] = field(default_factory=dict)
    untimed: int = 0

    def stem(self, record: Record) -> str:
        """STATION_EVENT of safe characters, with _002, _003 … where that is taken."""
        plain = f"{safe(record.station, 'nostation')}_{safe(record.event, 'noevent')}"
        stem, number = plain, 1
        while stem.lower() in self.names:
            number += 1
            stem = f"{plain}_{number:03d}"
        self.names.add(stem.lower())
        return stem

    def code(self, station: str, length: int) -> str:
        """A station code of at most `length` capitals and digits.

        Raises
        ------
        WriteError
            If two stations would have the same.
        """
        code = re.sub(r"[^A-Z0-9]", "", station.upper())[:length] or "NOSTA"
        taken = self.codes.setdefault((code, length), station)
        if taken != station:
            raise WriteError(f"stations {taken!r} and {station!r} both become {code}, of the {length} letters that this format "
                             "allows; export them to different folders, or as csv")
        return code

    def start(self, record: Record) -> tuple[datetime, bool]:
        """Time of the first sample, and whether it is a placeholder (a day of its own from 1970 on)."""
        start = time_of(record.meta.get("trace_start_time"))
        if start is not None:
            return start, False
        self.untimed += 1
        days = (self.untimed - 1) * (1 + int(record.duration_s // 86400))
        return FIRST_PLACEHOLDER + timedelta(days=days), True


def write(records: Iterable[Record], folder, format: str, *, overwrite: bool = False,
          allow_restricted: bool = False) -> list[Path]:
    """Write records into a folder, one after the other, and ``provenance.json`` beside them.

    Parameters
    ----------
    records : iterable of Record
        Recorded, synthetic or generated.
    folder : path
        Is made if need be.  What another export put there stays, and stays in ``provenance.json``.
    format : str
        ``mseed``: a file a record, m/s², with StationXML, ``stations-….xml``; ``sac``: three files, gal; ``at2``: three files, g;
        ``csv``: a file a record, gal, reads back with every bit.
    overwrite : bool
        Replace files of the same name.
    allow_restricted : bool
        Also write records whose licence does not permit redistribution, for your own use.

    Returns
    -------
    list of Path
        The files of the records, in their order.

    Raises
    ------
    LicenceError, WriteError
        Before anything in the folder has changed.
    """
    if format not in FORMATS:
        raise WriteError(f"format {format!r}; there are {', '.join(FORMATS)}")
    writer = importlib.import_module(FORMATS[format])
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".tng-", dir=folder))
    except OSError as error:
        raise WriteError(f"{folder}: cannot be made, or not written to ({error.strerror or error}); choose another "
                         "folder") from error
    try:
        known = _read_provenance(folder / PROVENANCE)
        export = Export(work)
        entries: dict[str, dict] = {}
        for record in [records] if isinstance(records, Record) else records:
            if not allow_restricted:
                require_licence(record)
            paths, placeholders = writer.write(record, export)
            about = _about(record, format, placeholders)
            entries |= {path.name: about | {"sha256": sha256(path)} for path in paths}
        if not entries:
            raise WriteError(f"{folder}: no records to write")
        waveforms = list(entries)
        if hasattr(writer, "finish"):
            entries |= {path.name: {"format": what, "sha256": sha256(path)} for path, what in writer.finish(export)}
        taken = sorted(name for name in waveforms if (folder / name).exists())     # StationXML is named by its content
        if taken and not overwrite:
            raise WriteError(f"{folder}: {taken[0]} is there already ({len(taken)} files of {len(entries)}); "
                             "choose another folder, or allow overwriting")
        text = json.dumps({"tng": __version__, "files": known | entries}, indent=1, ensure_ascii=False, allow_nan=False)
        (work / PROVENANCE).write_text(text + "\n", encoding="utf-8")
        for name in (*entries, PROVENANCE):
            os.replace(work / name, folder / name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return [folder / name for name in waveforms]


def is_synthetic(record: Record) -> bool:
    """Whether a record was simulated or generated, and not recorded."""
    return record.meta.get("trace_category") in SYNTHETIC_CATEGORIES or bool(text(record, "generator"))


def require_licence(record: Record) -> None:
    """Refuse a recorded earthquake whose licence does not say that it may be passed on.

    Raises
    ------
    LicenceError
    """
    licence = text(record, "trace_license")
    plain = licence.upper()
    if not is_synthetic(record) and (CLOSED.search(plain) or not OPEN.search(plain)):
        raise LicenceError(f"{record.name}: its licence is {licence or 'not stated'!r}, which does not permit that it is passed "
                           "on; write it for your own use with --allow-restricted (allow_restricted=True)")


def safe(text: str, empty: str) -> str:
    """A part of a file's name: letters, digits, dot and hyphen, at most 60."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-.")[:60].strip("-.") or empty


def text(record: Record, name: str) -> str:
    """What a record's metadata say, as text; empty where they do not."""
    value = record.meta.get(name)
    return "" if value is None or value != value else str(value)


def number(record: Record, name: str, low: float = float("-inf"), high: float = float("inf")) -> float | None:
    """A finite number from a record's metadata between `low` and `high`, or None."""
    try:
        value = float(record.meta.get(name))
    except (TypeError, ValueError):
        return None
    return value if low <= value <= high and abs(value) != float("inf") else None


def time_of(value) -> datetime | None:
    """A time from metadata, UTC; None if it is none."""
    try:
        time = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)


def _about(record: Record, format: str, placeholders: list[str]) -> dict:
    """What provenance.json tells of a record's files."""
    about = {
        "station": record.station, "event": record.event, "synthetic": is_synthetic(record),
        "category": text(record, "trace_category"), "start_time": text(record, "trace_start_time"),
        "generator": text(record, "generator"), "generator_seed": text(record, "generator_seed"),
        "generator_sources": text(record, "generator_sources"), "processing": text(record, "trace_processing"),
        "licence": text(record, "trace_license"), "citation": text(record, "trace_citation"),
        "source": {"file": text(record, "trace_source_file"), "format": text(record, "trace_source_format"),
                   "sha256": text(record, "trace_source_sha256")},
        "format": format, "sampling_rate_hz": record.sampling_rate_hz, "samples": record.samples,
    }
    if is_synthetic(record) and not about["generator"]:
        about["generator"] = text(record, "trace_source_format")
    return {key: value for key, value in about.items() if value != ""} | ({"placeholders": placeholders} if placeholders else {})


def _read_provenance(path: Path) -> dict[str, dict]:
    """What an earlier export into the same folder tells of the files that are still there."""
    if not path.exists():
        return {}
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {name: about for name, about in files.items() if (path.parent / name).is_file()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WriteError(f"{path}: not a list of files that tng wrote; choose another folder") from error
