"""Just enough of MATLAB 5 files (`save -v6` and `-v7`) to read structs of numbers and text, safely.

`scipy.io.loadmat` reads far more, but a damaged file can crash the interpreter inside it.  Here every
length is checked against the bytes that are there before anything is made from it.  The layout is that of
"MAT-File Format" (The MathWorks): a header of 128 bytes, then elements of a tag (type, bytes) and data.
"""

from __future__ import annotations

import math
import zlib

import numpy as np

from tng.records import FormatError
from tng.sources import RawFile

HEADER_BYTES = 128
LARGEST_VARIABLE_BYTES = 1 << 27  # 128 MiB; a record of an hour at 200 Hz takes 17

NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
MATRIX, COMPRESSED = 14, 15
STRUCT, CHAR, NUMERIC = 2, 4, range(6, 16)
COMPLEX_FLAG = 0x0800


class Mat5Error(ValueError):
    """Bytes that are not a MATLAB 5 file, or not all of it."""


def load_file(file: RawFile) -> dict[str, object]:
    """Variables of a file, as :func:`load`; damage becomes a FormatError that names it."""
    raw = file.read()
    if raw.startswith(b"MATLAB 7.3"):
        raise FormatError(f"{file.name}: MATLAB 7.3 (HDF5), which this reader does not know; in MATLAB: "
                          "s = load(file); save(file, '-struct', 's', '-v7')")
    try:
        return load(raw)
    except Mat5Error as error:
        raise FormatError(f"{file.name}: not a whole MATLAB file ({error}); fetch it again") from error


def first_variable(head: bytes) -> str:
    """Name of the first variable, from the beginning of a file; empty if that cannot be told."""
    order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
    start = memoryview(head)[HEADER_BYTES:]
    if order is None or len(start) < 8:
        return ""
    kind, _ = (int(word) for word in np.frombuffer(start[:8], order + "u4"))
    try:
        body = memoryview(zlib.decompressobj().decompress(start[8:], 512))[8:] if kind == COMPRESSED else start[8:]
        for _ in range(2):                     # flags, dimensions; the name comes third
            _, _, body = _element(body, order)
        kind, name, _ = _element(body, order)
        return bytes(name).decode("latin-1")
    except (Mat5Error, zlib.error):
        return ""


def load(raw: bytes) -> dict[str, object]:
    """Variables by name: float64 arrays, str, dict for a 1 x 1 struct, None for what cannot be decoded.

    Raises
    ------
    Mat5Error
        If the file is cut off, contradicts itself or would unfold to an absurd size.
    """
    order = {b"IM": "<", b"MI": ">"}.get(raw[126:128])
    if order is None:
        raise Mat5Error("no MATLAB 5 header" if len(raw) >= HEADER_BYTES else f"{len(raw)} bytes, less than a header")
    variables = {}
    rest = memoryview(raw)[HEADER_BYTES:]
    while len(rest):
        kind, data, rest = _element(rest, order)
        if kind == COMPRESSED:
            kind, data, _ = _element(_unfold(data), order)
        if kind == MATRIX:
            name, value = _matrix(data, order)
            variables[name] = value
    return variables


def _element(data: memoryview, order: str) -> tuple[int, memoryview, memoryview]:
    """Type and bytes of the first element, and what follows it."""
    if len(data) < 8:
        raise Mat5Error("cut off inside a tag")
    kind, size = (int(word) for word in np.frombuffer(data[:8], order + "u4"))
    if kind >> 16:  # a small element keeps its data in the tag
        size, kind = kind >> 16, kind & 0xFFFF
        if size > 4:
            raise Mat5Error("a small element of more than 4 bytes")
        return kind, data[4:4 + size], data[8:]
    if size > len(data) - 8:
        raise Mat5Error(f"an element of {size} bytes where {len(data) - 8} are left")
    padded = size if kind == COMPRESSED else -(-size // 8) * 8
    return kind, data[8:8 + size], data[8 + padded:]


def _unfold(data: memoryview) -> memoryview:
    stream = zlib.decompressobj()
    try:
        unfolded = stream.decompress(data, LARGEST_VARIABLE_BYTES)
    except zlib.error as error:
        raise Mat5Error(f"compressed data are damaged ({error})") from error
    if not stream.eof:
        raise Mat5Error("compressed data are cut off, or unfold to more than "
                        f"{LARGEST_VARIABLE_BYTES >> 20} MiB")
    return memoryview(unfolded)


def _numbers(kind: int, data: memoryview, order: str) -> np.ndarray:
    if kind not in NUMBERS:
        raise Mat5Error(f"type {kind} where numbers belong")
    dtype = np.dtype(order + NUMBERS[kind])
    if len(data) % dtype.itemsize:
        raise Mat5Error(f"{len(data)} bytes of numbers that take {dtype.itemsize} each")
    return np.frombuffer(data, dtype)


def _matrix(data: memoryview, order: str) -> tuple[str, object]:
    """Name and value of a variable or field."""
    if not len(data):
        return "", np.empty((0, 0))
    kind, flags, data = _element(data, order)
    flags = _numbers(kind, flags, order)
    if not flags.size:
        raise Mat5Error("a variable without class")
    what, is_complex = int(flags[0]) & 0xFF, int(flags[0]) & COMPLEX_FLAG
    if is_complex or not (what in NUMERIC or what in (STRUCT, CHAR)):
        return "", None
    kind, dimensions, data = _element(data, order)
    shape = tuple(int(length) for length in _numbers(kind, dimensions, order))
    if len(shape) < 2 or len(shape) > 32 or min(shape) < 0:
        raise Mat5Error(f"dimensions {shape[:8]}")
    _, name, data = _element(data, order)
    return bytes(name).decode("latin-1"), _value(what, shape, data, order)


def _value(what: int, shape: tuple[int, ...], data: memoryview, order: str):
    if what == STRUCT:
        return _struct(data, order) if math.prod(shape) == 1 else None
    kind, content, _ = _element(data, order)
    if what == CHAR:
        return _text(kind, content, order)
    numbers = _numbers(kind, content, order)
    if numbers.size != math.prod(shape):
        raise Mat5Error(f"{numbers.size} numbers for dimensions {shape}")
    return numbers.astype(np.float64).reshape(shape, order="F")


def _struct(data: memoryview, order: str) -> dict[str, object]:
    kind, length, data = _element(data, order)
    length = _numbers(kind, length, order)
    _, names, data = _element(data, order)
    if length.size != 1 or int(length[0]) < 1:
        raise Mat5Error("a struct without lengths of field names")
    width, names = int(length[0]), bytes(names)
    fields = {}
    for start in range(0, len(names), width):
        kind, content, data = _element(data, order)
        if kind != MATRIX:
            raise Mat5Error(f"type {kind} where a field belongs")
        fields[names[start:start + width].split(b"\0")[0].decode("latin-1")] = _matrix(content, order)[1]
    return fields


def _text(kind: int, data: memoryview, order: str) -> str:
    encoding = TEXTS.get(kind)
    if encoding is None:
        raise Mat5Error(f"type {kind} where text belongs")
    wide = encoding.startswith("utf-") and encoding != "utf-8"
    return bytes(data).decode(encoding + ("-le" if order == "<" else "-be") if wide else encoding, errors="replace")
