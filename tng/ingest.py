"""Raw files to a corpus: read, bring to one window, write; what cannot be used is listed with its reason."""

from __future__ import annotations

import csv
import itertools
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tng import corpus, readers
from tng.records import DataError, Record, RecordError, standardise

ENERGY_SHARE = 0.8
LARGEST_CMPS2 = 1e5  # about 100 g; ten times what any accelerograph has recorded


class IngestError(ValueError):
    """Nothing that can be ingested, or settings that make no sense."""


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
        Files that are not in it; also in its ``rejected.csv``.
    missed_shaking : tuple of (file, share)
        Records of which the window keeps less than 80 % of the horizontal Arias intensity.
    """

    corpus: corpus.Corpus
    accepted: int
    rejected: tuple[tuple[str, str], ...]
    missed_shaking: tuple[tuple[str, float], ...]


def ingest(sources: Iterable, into, sampling_rate_hz: float = 100.0, window_s: float = 60.0, *,
           splits: Sequence[float] = (0.6, 0.1, 0.3), seed: int = 0, overwrite: bool = False,
           options: Mapping[str, Mapping] | None = None, progress: bool = True) -> IngestReport:
    """Read files and folders, standardise each record and write the corpus.

    Parameters
    ----------
    sources : iterable of paths
        Files, and folders that are walked in sorted order; hidden files are passed over.
    into : path
        Folder of the corpus.
    sampling_rate_hz, window_s : float
        Rate [Hz] and length [s] of every record: the first `window_s` seconds, zeros after its end.
    splits, seed, overwrite
        As for :func:`tng.corpus.write`.
    options : mapping, optional
        For each reader's name, what to pass to it, as for :func:`tng.readers.read`.
    progress : bool
        Show a progress bar.

    Raises
    ------
    IngestError
        A source that does not exist, or no usable record in any.
    tng.corpus.CorpusError
        If the corpus cannot be written.

    Warns
    -----
    UserWarning
        If the window misses more than a fifth of the shaking of a record.
    """
    for name, value in (("sampling rate", sampling_rate_hz), ("window", window_s)):
        if not 0 < value < float("inf"):
            raise IngestError(f"a {name} of {value}; it must be a positive number")
    files = _walk(sources)
    rejected: list[tuple[str, str]] = []
    missed: list[tuple[str, float]] = []
    shown: Iterable[tuple[Path, str]] = files
    if progress:
        from tqdm import tqdm

        shown = tqdm(files, desc="ingest", unit="file")
    records = _usable(shown, sampling_rate_hz, window_s, options, rejected, missed)
    first = next(records, None)
    if first is None:
        raise IngestError(_nothing_usable(files, rejected))
    settings = {"sampling_rate_hz": sampling_rate_hz, "window_s": window_s, "window": "first"}
    written = corpus.write(itertools.chain([first], records), into, splits=splits, seed=seed, overwrite=overwrite,
                           settings=settings, also=lambda folder: _write_rejected(folder / corpus.REJECTED, rejected))
    if missed:
        name, share = min(missed, key=lambda entry: entry[1])
        warnings.warn(f"the first {window_s:g} s keep less than {ENERGY_SHARE:.0%} of the shaking of {len(missed)} of "
                      f"{len(written)} records (least: {name}, {share:.1%}); a longer window would keep more", stacklevel=2)
    return IngestReport(written, len(written), tuple(rejected), tuple(missed))


def _usable(files, sampling_rate_hz, window_s, options, rejected, missed) -> Iterator[Record]:
    """Standardised records; refusals and windows that miss the shaking are noted in the two lists."""
    seen: dict[object, str] = {}
    for file, name in files:
        try:
            record = readers.read(file, options)
            _check_new(record, name, seen)
            record = standardise(record, sampling_rate_hz, window_s)
            if record.pga_cmps2.max() > LARGEST_CMPS2:
                raise DataError(f"{record.name}: a peak of {record.pga_cmps2.max():.3g} cm/s² is more than 100 g; its unit "
                                "must be wrong")
        except RecordError as error:
            rejected.append((name, str(error)))
            continue
        if record.meta["trace_energy_share"] < ENERGY_SHARE:
            missed.append((name, record.meta["trace_energy_share"]))
        yield record


def _check_new(record: Record, name: str, seen: dict) -> None:
    """Refuse a second copy of a file, and a second record of one station and start."""
    start = record.meta.get("trace_start_time") or record.event
    keys = {record.meta["trace_source_sha256"]: "same content", (record.station, start): "same station and time"}
    for key, what in keys.items():
        if key in seen:
            raise DataError(f"{record.name}: {what} as {seen[key]}")
    seen.update(dict.fromkeys(keys, name))


def _walk(sources: Iterable) -> list[tuple[Path, str]]:
    """Files and the names to report them by: relative to the source they were found in."""
    found = []
    for source in map(Path, [sources] if isinstance(sources, (str, os.PathLike)) else sources):
        if source.is_dir():
            for folder, inner, names in os.walk(source):
                inner[:] = sorted(name for name in inner if not name.startswith("."))
                paths = [Path(folder, name) for name in sorted(names) if not name.startswith(".")]
                found += [(path, path.relative_to(source).as_posix()) for path in paths]
        elif source.exists():
            found.append((source, source.name))
        else:
            raise IngestError(f"{source}: no such file or folder")
    return found


def _write_rejected(path: Path, rejected: Sequence[tuple[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([("file", "reason"), *rejected])


def _nothing_usable(files, rejected) -> str:
    if not files:
        return "no files in the sources; name files or folders of records"
    reasons = "\n".join(f"  {name}: {reason}" for name, reason in rejected[:5])
    return f"no usable record among {len(files)} files; the first reasons:\n{reasons}"
