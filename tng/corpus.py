"""Records on disk: one folder in the SeisBench layout, written once, read record by record.

::

    CORPUS/metadata.csv     a row a record, column names CATEGORY_PARAMETER_UNIT
    CORPUS/waveforms.hdf5   data/bucket0 … of shape (up to 1024, 3, samples), float32, E N Z, cm/s²
    CORPUS/corpus.json      fingerprint, settings, versions
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import json
import math
import os
import platform
import shutil
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata as distributions
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from tng import splits as splits_of
from tng.layout import (CARD, DATA_FORMAT, FILES, HOW_TO_MAKE_ONE, METADATA, SPLIT_COLUMNS, SPLITS, TRACE_NAME, WAVEFORMS,
                        CorpusError, check_agreement, read_card, read_layout, read_metadata)
from tng.records import Record
from tng.remote import sha256

BUCKET_RECORDS = 1024


class Corpus:
    """An opened corpus; :func:`write` and :meth:`open` make one.

    Rows are counted from 0 in the order of ``metadata.csv``; ``corpus.metadata.iloc[rows]`` tells what is
    known of them.  Nothing but the metadata is held in memory.

    Attributes
    ----------
    folder : Path
    metadata : DataFrame
        A row a record; codes and names are text.
    sampling_rate_hz : float
    samples : int
        Samples a component.
    stations : list of str
        Sorted codes.
    """

    def __init__(self, folder: Path, metadata: pd.DataFrame, sampling_rate_hz: float, samples: int, card: Mapping):
        self.folder, self.metadata, self.card = folder, metadata, dict(card)
        self.sampling_rate_hz, self.samples = sampling_rate_hz, samples
        self.stations = sorted(metadata["station_code"].unique())
        places = metadata["trace_name"].str.extract(TRACE_NAME)
        self._buckets = places["bucket"].to_numpy(dtype=object)
        self._slots = places["slot"].to_numpy(dtype=np.int64)
        self._places: dict[str, _Place | h5py.Dataset] = {}

    @classmethod
    def open(cls, folder) -> Corpus:
        """Open the corpus in a folder.

        Raises
        ------
        CorpusError
            If the folder or a file is missing, the HDF5 file is not a corpus of accelerations E, N, Z in
            cm/s², or metadata and waveforms disagree.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise CorpusError(f"{folder}: no such folder; {HOW_TO_MAKE_ONE}")
        for name in (METADATA, WAVEFORMS):
            if not (folder / name).is_file():
                raise CorpusError(f"{folder}: no {name}, so this is not a corpus; {HOW_TO_MAKE_ONE}")
        card = read_card(folder / CARD)
        metadata = read_metadata(folder / METADATA, card.get("text_columns", []))
        sampling_rate_hz, shapes = read_layout(folder / WAVEFORMS)
        samples = check_agreement(folder, metadata, shapes)
        return cls(folder, metadata, sampling_rate_hz, samples, card)

    def __len__(self) -> int:
        return len(self.metadata)

    def __repr__(self) -> str:
        return (f"Corpus({str(self.folder)!r}: {len(self)} records of {len(self.stations)} stations, "
                f"{self.samples} samples at {self.sampling_rate_hz:g} Hz)")

    def __getstate__(self):
        return {**self.__dict__, "_places": {}}     # another process opens the file itself

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the corpus holds, whatever the order of its records.

        It is read from ``corpus.json``; without that, or where ``metadata.csv`` was edited since, it is computed.
        """
        if self.card.get("metadata_sha256") != sha256(self.folder / METADATA) or "fingerprint" not in self.card:
            self.card |= {"fingerprint": self.compute_fingerprint(), "metadata_sha256": sha256(self.folder / METADATA)}
        return self.card["fingerprint"]

    def compute_fingerprint(self, digests: Sequence[bytes] | None = None) -> str:
        """The fingerprint from the files themselves: reads every waveform, unless the SHA-256 of each is given."""
        digests = digests if digests is not None else [hashlib.sha256(one.astype("<f4", copy=False).tobytes()).digest()
                   for _, block in self.batches(np.arange(len(self)), 256) for one in block]
        return _fingerprint(self.folder / METADATA, digests, self.sampling_rate_hz)

    def main_stations(self, n: int = 5) -> list[str]:
        """Codes of the `n` stations with the most records, sorted; of equals, the first by code."""
        counts = self.metadata["station_code"].value_counts()
        return sorted(sorted(counts.index, key=lambda station: (-counts[station], station))[:n])

    def select(self, stations: str | Iterable[str] | None = None, split: str | None = None,
               by: str = "event") -> np.ndarray:
        """Row numbers of the records of some stations and one split (`train`, `dev`, `test`); None takes all.

        `by` says which way to split: ``event``, ``paper``, ``station`` or ``time`` (see :mod:`tng.splits`).

        Raises
        ------
        CorpusError
            If a station, split or way to split is not in the corpus.
        """
        chosen = np.ones(len(self), dtype=bool)
        if stations is not None:
            wanted = [stations] if isinstance(stations, str) else list(stations)
            for station in wanted:
                _require(station, self.stations, "station", self.folder)
            chosen &= self.metadata["station_code"].isin(wanted).to_numpy()
        if split is not None:
            _require(by, list(SPLIT_COLUMNS), "way to split", self.folder)
            column = SPLIT_COLUMNS[by]
            if column not in self.metadata or self.metadata[column].isna().all():
                what = f"has no column {column!r}" if column not in self.metadata else f"has nothing in column {column!r}"
                raise CorpusError(f"{self.folder}: {METADATA} {what}; `tng corpus split {self.folder}` adds what the records "
                                  f"tell, or {HOW_TO_MAKE_ONE}")
            _require(split, SPLITS, "split", self.folder)
            chosen &= (self.metadata[column] == split).to_numpy()
        return np.flatnonzero(chosen)

    def waveforms(self, rows) -> np.ndarray:
        """Acceleration of the given rows [cm/s²], shape (rows, 3, samples), float32; only they are read.

        `rows` are row numbers, or one truth value a record.
        """
        rows = self._row_numbers(rows)
        out = np.empty((len(rows), 3, self.samples), dtype=np.float32)
        for position in np.argsort(rows, kind="stable"):
            row = rows[position]
            self._place(self._buckets[row]).read_direct(out[position], self._slots[row])
        return out

    def record(self, row: int) -> Record:
        """One row as a Record; what the metadata leave empty is left out of its `meta`."""
        (row,) = self._row_numbers([row])
        known = {name: value for name, value in self.metadata.iloc[row].items() if not pd.isna(value)}
        station, event = known.pop("station_code"), known.pop("source_id")
        return Record(self.waveforms([row])[0], self.sampling_rate_hz, station, event, known)

    def batches(self, rows, size: int, rng=None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows and their waveforms, `size` records at a time (the last may be smaller).

        `rng` is a seed or a Generator that shuffles the rows; None keeps their order.
        """
        if size < 1:
            raise ValueError(f"batches of {size} records; at least 1 is needed")
        rows = self._row_numbers(rows)
        if rng is not None:
            rows = np.random.default_rng(rng).permutation(rows)
        for start in range(0, len(rows), size):
            batch = rows[start:start + size]
            yield batch, self.waveforms(batch)

    def _row_numbers(self, rows) -> np.ndarray:
        rows = np.asarray(rows)
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise IndexError(f"{rows.size} truth values for {len(self)} records")
            rows = np.flatnonzero(rows)
        rows = rows.astype(np.int64, casting="same_kind") if rows.size else np.empty(0, np.int64)
        outside = rows[(rows < 0) | (rows >= len(self))]
        if outside.size:
            raise IndexError(f"row {outside[0]}: the corpus has rows 0 to {len(self) - 1}")
        return rows

    def _place(self, bucket: str):
        """A bucket's place in the file, or the h5py dataset where it does not lie in one piece."""
        if bucket not in self._places:
            path = self.folder / WAVEFORMS
            with h5py.File(path, "r") as file:
                dataset = file["data"][bucket]
                offset, shape, dtype = dataset.id.get_offset(), dataset.shape, dataset.dtype
            if offset is None:
                self._places[bucket] = h5py.File(path, "r")["data"][bucket]
            else:
                opened = next((place.file for place in self._places.values() if isinstance(place, _Place)), None)
                self._places[bucket] = _Place(opened or _File(path), offset, shape, dtype)
        return self._places[bucket]


class _File:
    """A file open for reading as long as somebody holds this."""

    def __init__(self, path: Path):
        self.path, self.number = path, os.open(path, os.O_RDONLY)

    def __del__(self):
        os.close(self.number)


class _Place:
    """Records that lie one after the other in a file.

    They are read straight into the array that is handed out.  A memory map is as fast, but what has been
    read through it stays resident: after an epoch the whole corpus would count as memory of the process.
    """

    def __init__(self, file: _File, offset: int, shape: Sequence[int], dtype: np.dtype):
        self.file, self._offset, self._shape, self._dtype = file, offset, tuple(shape[1:]), dtype

    def read_direct(self, out: np.ndarray, slot: int) -> None:
        """Put one record into `out`, shape (3, samples), as h5py's method of this name does."""
        whole = out if out.dtype == self._dtype else np.empty(self._shape, self._dtype)
        if os.preadv(self.file.number, [whole], self._offset + int(slot) * whole.nbytes) != whole.nbytes:
            raise CorpusError(f"{self.file.path}: ends before record {slot}; the file was cut off after it was opened")
        if whole is not out:
            out[...] = whole


# --- writing -------------------------------------------------------------------------------------------

def write(records: Iterable[Record], folder, *, splits: Sequence[float] = (0.6, 0.1, 0.3), seed: int = 0,
          overwrite: bool = False, settings: Mapping | None = None, progress: bool = False,
          also: Callable[[Path], None] | None = None) -> Corpus:
    """Write records as a corpus, one at a time, and open it.

    Everything goes to a hidden folder beside `folder`, which gets its name at the very end: an interrupted
    write leaves nothing that looks finished.

    Parameters
    ----------
    records : iterable of Record
        All of one sampling rate and length (:func:`tng.standard.standardise` makes them so).
    folder : path
        Where the corpus shall be.
    splits : three numbers that add to 1
        Shares of train, dev and test.  Events are dealt out whole, so that no earthquake is on two sides.
    seed : int
        Decides which events go where.
    overwrite : bool
        Replace a corpus that is there; any other folder is left alone.
    settings : mapping, optional
        What the caller wants to remember in ``corpus.json``.
    progress : bool
        Show a progress bar.
    also : callable, optional
        Called with the hidden folder just before it gets its name, to put more files into it.

    Raises
    ------
    CorpusError
        No record, records of different rate or length, something already there, or a disk that fails.
    """
    folder = Path(folder)
    shares = splits_of.check_shares(splits)
    check_free(folder, overwrite)
    if progress:
        from tqdm import tqdm

        records = tqdm(records, desc=f"writing {folder.name}", unit="record")
    hidden = folder.absolute().with_name(f".{folder.absolute().name}.{uuid.uuid4().hex}.part")
    try:
        hidden.mkdir(parents=True)
        columns, digests, rate_hz, samples = _write_waveforms(records, hidden / WAVEFORMS)
        _add_splits(columns, shares, seed)
        pd.DataFrame(columns).to_csv(hidden / METADATA, index=False, lineterminator="\n", encoding="utf-8")
        card = {
            "fingerprint": _fingerprint(hidden / METADATA, digests, rate_hz),
            "metadata_sha256": sha256(hidden / METADATA), "waveforms_sha256": sha256(hidden / WAVEFORMS),
            "text_columns": sorted(name for name, values in columns.items() if any(isinstance(value, str) for value in values)),
            "records": len(digests), "stations": len(set(columns["station_code"])),
            "events": len(set(columns["source_id"])), "sampling_rate_hz": rate_hz, "samples": samples,
            "splits": list(shares), "seed": seed, "settings": dict(settings or {}), "versions": _versions(),
        }
        columns.clear()                          # room for what `also` reads
        (hidden / CARD).write_text(json.dumps(card, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")
        if also:
            also(hidden)
        _give_name(hidden, folder)
    except OSError as error:
        raise CorpusError(f"{folder}: could not be written: {error}") from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return Corpus.open(folder)


def _write_waveforms(records: Iterable[Record], path: Path):
    """Stream the samples into buckets; the columns of metadata and a digest a record are all that is kept."""
    columns: dict[str, list] = {}
    digests: list[bytes] = []
    first: Record | None = None
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        for record in records:
            if first is None:
                first = record
                bucket = np.empty((BUCKET_RECORDS, 3, first.samples), dtype="<f4")
            if (record.sampling_rate_hz, record.samples) != (first.sampling_rate_hz, first.samples):
                raise CorpusError(f"{record.name}: {record.samples} samples at {record.sampling_rate_hz:g} Hz, but the first "
                                  f"record ({first.name}) has {first.samples} at {first.sampling_rate_hz:g} Hz; bring all to "
                                  "one rate and length with tng.standard.standardise")
            number, slot = divmod(len(digests), BUCKET_RECORDS)
            with np.errstate(over="ignore"):
                bucket[slot] = record.data
            if not np.isfinite(bucket[slot]).all():
                raise CorpusError(f"{record.name}: peaks of {record.pga_cmps2.max():.3g} cm/s² do not fit 32-bit numbers; "
                                  "drop the record")
            _append(columns, len(digests), _row(record, f"bucket{number}${slot},:3,:{record.samples}"))
            digests.append(hashlib.sha256(bucket[slot].tobytes()).digest())
            if slot == BUCKET_RECORDS - 1:
                data.create_dataset(f"bucket{number}", data=bucket)
        if first is None:
            raise CorpusError("no records, so there is no corpus to write")
        left = len(digests) % BUCKET_RECORDS
        if left:
            data.create_dataset(f"bucket{len(digests) // BUCKET_RECORDS}", data=bucket[:left])
        layout = file.create_group("data_format")
        for name, value in {**DATA_FORMAT, "sampling_rate": first.sampling_rate_hz}.items():
            layout[name] = value
    return columns, digests, first.sampling_rate_hz, first.samples


def _row(record: Record, trace_name: str) -> dict:
    east, north, up = record.pga_cmps2
    own = {
        "trace_name": trace_name, "station_code": str(record.station), "source_id": str(record.event), "split": "",
        "trace_sampling_rate_hz": record.sampling_rate_hz, "trace_npts": record.samples,
        "trace_pga_E_cmps2": east, "trace_pga_N_cmps2": north, "trace_pga_Z_cmps2": up,
    }
    return {**own, **{name: value for name, value in record.meta.items() if name not in own}}


def _append(columns: dict[str, list], length: int, row: Mapping) -> None:
    """Add a row to the columns; what it does not tell, or the rows before did not, is NaN.

    Columns of shared values take a tenth of the memory of a dict a row.
    """
    for name, value in row.items():
        if name not in columns:
            columns[name] = [math.nan] * length
        columns[name].append(sys.intern(value) if type(value) is str else value)
    for values in columns.values():
        if len(values) == length:
            values.append(math.nan)


def _add_splits(columns: dict[str, list], shares: Sequence[float], seed: int) -> None:
    """The columns of :mod:`tng.splits`; what an older corpus said of them goes."""
    names = ("trace_name", "station_code", "source_id", "source_origin_time", "trace_start_time", "trace_record_start_time",
             "trace_source_file", "trace_source_sha256")
    table = pd.DataFrame({name: pd.Series(columns[name], dtype=object) for name in names if name in columns})
    split = splits_of.add(table, shares, seed)
    columns.update({name: split[name].tolist() for name in SPLIT_COLUMNS.values()})


def _fingerprint(metadata: Path, digests: Sequence[bytes], sampling_rate_hz: float) -> str:
    """Hash of the sorted hashes of the records: each is its waveform and what its row says, but for its place
    and the sides it would be on by other ways to split."""
    with metadata.open(newline="", encoding="utf-8") as stream:
        parts = []
        for digest, row in zip(digests, csv.DictReader(stream)):
            known = sorted((name, value) for name, value in row.items()
                           if value and name != "trace_name" and not name.startswith("split_"))
            parts.append(hashlib.sha256(digest + json.dumps(known).encode()).digest())
    parts.sort()
    return hashlib.sha256(f"{float(sampling_rate_hz)}\n".encode() + b"".join(parts)).hexdigest()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("tng", "numpy", "scipy", "pandas", "h5py"):
        try:
            found[name] = distributions.version(name)
        except distributions.PackageNotFoundError:
            found[name] = "unknown"
    return found


def check_free(folder: Path, overwrite: bool) -> None:
    """That a corpus can be written there.

    Raises
    ------
    CorpusError
        If something else is there, or a corpus that may not be replaced.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise CorpusError(f"{folder}: is a file; name a folder that does not exist yet")
    held = {file.name for file in folder.iterdir() if not (file.name.startswith(".") and file.is_file())}  # .DS_Store
    if not held:
        return
    if not {METADATA, WAVEFORMS} <= held or held - FILES:
        raise CorpusError(f"{folder}: holds something else than a corpus ({', '.join(sorted(held - FILES or held)[:3])} …) "
                          "and is left alone; name a folder that does not exist yet")
    if not overwrite:
        raise CorpusError(f"{folder}: there is a corpus already; name another folder, or overwrite it "
                          "(--overwrite, or overwrite=True)")


def _give_name(hidden: Path, folder: Path) -> None:
    """Rename; a corpus that is replaced steps aside first and goes only when the new one stands."""
    if not folder.exists():
        hidden.rename(folder)
        return
    old = hidden.with_suffix(".old")
    folder.rename(old)
    try:
        hidden.rename(folder)
    except BaseException:  # also Ctrl-C between the two
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _require(name: str, known: Sequence[str], kind: str, folder: Path) -> None:
    if name not in known:
        near = difflib.get_close_matches(str(name), known, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known[:8])}{' …' if len(known) > 8 else ''}"
        raise CorpusError(f"{folder}: no {kind} {name!r}; {hint}")
