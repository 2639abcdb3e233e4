"""The files of a data set in the SeisBench layout, read a part at a time and trusted with nothing."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from tng.layout import CARD, EXACT_FLOATS, TEXT_COLUMN, CorpusError, read_card
from tng.records import FormatError

PORTION_ROWS = 128
PORTION_BYTES = 100 << 20        # of samples as 64-bit numbers, in one portion
MOST_COLUMNS = 2000              # ESM25 has 574
LONGEST_LINE = 4 << 20
LARGEST_CHUNK = 256 << 20        # bytes that HDF5 must unpack to read any part of a compressed dataset


# --- the table -----------------------------------------------------------------------------------------

def chunks(folder: Path) -> list[str]:
    """Names of the chunks: those of the file `chunks`, else one without a name, else those of the files."""
    listed = folder / "chunks"
    if listed.is_file():
        with listed.open("rb") as stream:
            text = stream.read(1 << 20).decode("utf-8", "replace")
        chunks = sorted({line.strip() for line in text.splitlines() if line.strip()})
        if any(re.search(r"[/\\\0]", chunk) for chunk in chunks):
            return []
        if chunks:
            return chunks
    if (folder / "waveforms.hdf5").is_file():
        return [""]
    names = {path.name for path in folder.iterdir()}
    return sorted(name[8:-4] for name in names
                  if name.startswith("metadata") and name.endswith(".csv") and f"waveforms{name[8:-4]}.hdf5" in names)


def paths(folder: Path, chunk: str) -> tuple[Path, Path]:
    """Table and waveforms of a chunk."""
    return folder / f"metadata{chunk}.csv", folder / f"waveforms{chunk}.hdf5"


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Rows of a table with the byte where each starts, and its bytes; a row with line breaks in quotes is one."""
    name = f"{path.parent.name}/{path.name}"
    try:
        with path.open("rb") as stream:
            place, parts, size, quotes = 0, [], 0, 0
            while line := stream.readline(LONGEST_LINE):
                parts.append(line)
                size, quotes = size + len(line), quotes + line.count(b'"')
                if b"\0" in line or size >= LONGEST_LINE:
                    raise FormatError(f"{name}: byte {place}: " + ("zeros in it" if b"\0" in line else "a line without end")
                                      + "; it is not a table")
                if quotes % 2 == 0:
                    if row := b"".join(parts).strip():
                        yield place, size, row
                    place, parts, size = place + size, [], 0
            if parts:
                raise FormatError(f"{name}: ends within quotation marks; it is incomplete")
    except OSError as error:
        raise FormatError(f"{name}: cannot be read ({error.strerror})") from error


def places(path: Path, rows: int) -> Iterator[tuple[int, int, int, int]]:
    """First row, row after the last, and their bytes, of each portion."""
    lines = _lines(path)
    *_, header = next(lines, (b"",))
    _columns(header, path)
    begin, count, end = 0, 0, 0
    for place, size, _ in lines:
        if count % rows == 0:
            if count:
                yield count - rows, count, begin, place
            begin = place
        count, end = count + 1, place + size
    if count:
        yield (count - 1) // rows * rows, count, begin, end


def _columns(header: bytes, path: Path) -> list[str]:
    name = f"{path.parent.name}/{path.name}"
    try:
        columns = [column.strip() for column in next(csv.reader([header.decode("utf-8-sig")]), [])]
    except (UnicodeDecodeError, csv.Error, StopIteration) as error:
        raise FormatError(f"{name}: its first line cannot be read ({short(error)})") from error
    if "trace_name" not in columns:
        raise FormatError(f"{name}: no column trace_name, so it is not the table of a SeisBench data set")
    if len(columns) > MOST_COLUMNS or len(set(columns)) != len(columns):
        raise FormatError(f"{name}: {len(columns)} columns of {len(set(columns))} names; at most {MOST_COLUMNS}, each once, "
                          "are read")
    return columns


def table(path: Path, start_byte: int, stop_byte: int, which: str) -> list[dict]:
    """Some rows, each without what is empty; codes and names stay text."""
    name = f"{path.parent.name}/{path.name}"
    *_, header = next(_lines(path))
    columns = _columns(header, path)
    try:
        card = read_card(path.parent / CARD)
    except CorpusError:
        card = {}
    texts = {name for name in columns if TEXT_COLUMN.fullmatch(name) or name in card.get("text_columns", [])}
    with path.open("rb") as stream:
        stream.seek(start_byte)
        content = stream.read(stop_byte - start_byte)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)      # a row of more values than columns
            rows = pd.read_csv(io.BytesIO(content), names=columns, header=None, index_col=False, keep_default_na=False,
                               dtype=dict.fromkeys(texts, str), low_memory=False, encoding="utf-8", **EXACT_FLOATS,
                               na_values={name: [""] if name in texts else ["", "nan", "NaN", "None"] for name in columns})
    except (ValueError, UnicodeError, pd.errors.ParserWarning) as error:
        raise FormatError(f"{name}: {which} are not those of a table ({short(error)})") from error
    found = zip(*(rows[name].tolist() for name in columns))
    return [{name: value for name, value in zip(columns, row) if not _absent(value)} for row in found]


def _absent(value) -> bool:
    return value is None or (isinstance(value, float) and value != value) or value is pd.NA


# --- the HDF5 file -------------------------------------------------------------------------------------

def opened(path: Path) -> h5py.File:
    """The HDF5 file, to be read."""
    try:
        return h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise FormatError(f"{path.parent.name}/{path.name}: not a whole HDF5 file ({short(error)}); fetch it again") from error


def inside(group: h5py.Group, name: str):
    """What has this name in the same file; None if nothing has, or if it is a link, which could lead anywhere."""
    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or not isinstance(group.get(part, getlink=True) if part else None, h5py.HardLink):
            return None
        group = group[part]
    return group


def data_group(file: h5py.File, path: Path) -> h5py.Group:
    data = inside(file, "data")
    if not isinstance(data, h5py.Group):
        raise FormatError(f"{path.parent.name}/{path.name}: no group 'data', so it is not of a SeisBench data set")
    return data


def data_format(file: h5py.File, path: Path) -> dict:
    """What `data_format` says, as plain values; empty where there is none."""
    group, found = inside(file, "data_format"), {}
    if not isinstance(group, h5py.Group):
        return found
    for name in ("dimension_order", "component_order", "sampling_rate", "unit", "measurement", "instrument_response"):
        value = inside(group, name)
        if isinstance(value, h5py.Dataset) and value.size is not None and value.size <= 64 and value.dtype.itemsize <= 4096 \
                and value.dtype.kind in "SOUfiu":
            plain = value[()]
            plain = [_text(one) for one in np.ravel(plain)] if np.ndim(plain) else _text(plain)
            found[name] = plain[0] if isinstance(plain, list) and len(plain) == 1 else plain
    return found


def rows_a_portion(path: Path) -> int:
    """Fewer where traces are long, so that a portion fits into memory."""
    with opened(path) as file:
        data, largest = data_group(file, path), 1
        for _, name in zip(range(64), data):
            one = inside(data, name)
            if isinstance(one, h5py.Dataset) and one.ndim in (2, 3):
                largest = max(largest, int(np.prod(one.shape[-2:], dtype=object)))
    return int(min(max(PORTION_BYTES // (largest * 8), 1), PORTION_ROWS))


def _text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def short(value) -> str:
    """What a file says, fit for a message."""
    return re.sub(r"[^\x20-\x7e\u00a0-\ud7ff\ue000-\uffff]", "?", str(value))[:120]


def check_harmless(found: h5py.Dataset, name: str) -> None:
    """That reading a part of it takes neither another file nor much memory."""
    if found.external or found.is_virtual:
        raise FormatError(f"{name}: its samples lie outside of the file; copy them into it")
    if found.chunks and np.prod(found.chunks, dtype=object) * found.dtype.itemsize > LARGEST_CHUNK:
        raise FormatError(f"{name}: stored in pieces of {found.chunks}, too large to be unpacked; store it in smaller ones")


def selection(location: str, shape: tuple[int, ...], name: str) -> tuple[slice, ...]:
    """The slices that ``3,:3,:6000`` means; a number becomes a slice of one."""
    made = []
    parts = location.replace(" ", "").split(",") if location.strip() else []
    if len(parts) > len(shape):
        raise FormatError(f"{name}: a place of {len(parts)} dimensions in an array of {len(shape)}")
    for part, length in zip(parts, shape):
        match = re.fullmatch(r"(-?\d{1,12})?(:)?(-?\d{1,12})?(?::(\d{0,6}))?", part)
        if not match or not part:
            raise FormatError(f"{name}: {part!r} is not a place in an array, as 3 or :6000 is")
        start, stop = (int(match[group]) if match[group] else None for group in (1, 3))
        if not match[2]:
            start, stop = start, start + 1 if start != -1 else None
        if any(bound is not None and not -length <= bound <= length for bound in (start, stop)) or start == length:
            raise FormatError(f"{name}: the table says {part}, but the HDF5 file holds {length} there; they are not of "
                              "one data set")
        made.append(slice(start, stop, int(match[4] or 1) or 1))
    return (*made, *(slice(None) for _ in shape[len(parts):]))
