"""Arrays of an .npz file, read some rows at a time: an array may be larger than the memory.

``numpy.load`` reads a whole array at once.  Here an array is checked before any of it is read (numbers only, never pickled
objects; as long as its header says), and its checksum when its end is reached.
"""

from __future__ import annotations

import lzma
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

AT_ONCE = 2**25      # bytes
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, NotImplementedError)


class NpzError(ValueError):
    """An .npz file that is damaged, or holds other than what was asked for; the message says what and where."""


class Npz:
    """An open .npz file.  Use as a context manager."""

    def __init__(self, path):
        self.path = Path(path)
        try:
            self._zip = zipfile.ZipFile(self.path)
        except FileNotFoundError:
            raise NpzError(f"{self.path}: no such file") from None
        except UNREADABLE as problem:
            raise NpzError(f"{self.path}: not a whole .npz file ({problem}); fetch it anew") from None
        self.names = [name.removesuffix(".npy") for name in self._zip.namelist() if name.endswith(".npy")]

    def __enter__(self) -> Npz:
        return self

    def __exit__(self, *error) -> None:
        self._zip.close()

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array, from its header."""
        with self._opened(name) as (_, shape, _):
            return shape

    def rows(self, name: str) -> Iterator[np.ndarray]:
        """The array, as many rows at a time as `AT_ONCE` bytes hold, at least one."""
        with self._opened(name) as (stream, shape, dtype):
            row_bytes = math.prod(shape[1:]) * dtype.itemsize
            at_once = max(1, AT_ONCE // max(row_bytes, 1))
            for start in range(0, shape[0], at_once):
                count = min(at_once, shape[0] - start)
                block = stream.read(count * row_bytes)
                if len(block) != count * row_bytes:
                    raise NpzError(f"{self.path}: array {name} ends after row {start + len(block) // row_bytes} of {shape[0]}; "
                                   "fetch the file anew")
                yield np.frombuffer(block, dtype).reshape(count, *shape[1:])

    @contextmanager
    def _opened(self, name: str):
        if name not in self.names:
            raise NpzError(f"{self.path}: no array {name}")
        try:
            with self._zip.open(f"{name}.npy") as stream:
                shape, dtype = self._header(name, stream)
                yield stream, shape, dtype
        except UNREADABLE as problem:
            raise NpzError(f"{self.path}: array {name} cannot be read ({problem}); fetch the file anew") from None

    def _header(self, name: str, stream) -> tuple[tuple[int, ...], np.dtype]:
        where = f"{self.path}: array {name}"
        try:
            shape, fortran, dtype = HEADERS[np.lib.format.read_magic(stream)](stream)
        except UNREADABLE:
            raise
        except Exception as problem:                     # numpy's parser has no one error for what is no header
            raise NpzError(f"{where} has no readable header ({type(problem).__name__})") from None
        if dtype.hasobject:
            raise NpzError(f"{where} holds pickled objects, which could run code when read; save it as plain numbers")
        if dtype.kind != "f":
            raise NpzError(f"{where} holds {dtype}; floating-point numbers are needed")
        if not shape or min(shape) < 1:
            raise NpzError(f"{where} of shape {shape} holds no records")
        if fortran and len(shape) > 1:
            raise NpzError(f"{where} is in Fortran order, record beside record; save it with numpy.ascontiguousarray")
        left = self._zip.getinfo(f"{name}.npy").file_size - stream.tell()
        if left != math.prod(shape) * dtype.itemsize:
            raise NpzError(f"{where} of shape {shape} needs {math.prod(shape) * dtype.itemsize} bytes, but {left} are there; "
                           "fetch the file anew")
        return shape, dtype
