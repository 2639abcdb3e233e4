"""Where raw files come from: folders, single files and archives, walked without unpacking anything to disk.

A member of an archive is named ``archive.zip/folder/name``; it is read in memory, within limits, so that
neither a path that climbs out nor a bomb can do harm.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tng.records import FormatError

HEAD_BYTES = 8192
LARGEST_FILE_BYTES = 128 << 20   # an hour of three components at 200 Hz takes 26 MB as text, 17 MB as numbers
MOST_MEMBERS = 1_000_000
LARGEST_RATIO = 1000             # unpacked to packed; text of a silent record packs to about 1 in 50
DEEPEST = 3                      # archives in archives
SMALL_BYTES = 16 << 20           # packed files up to this are unfolded once and kept
MOST_OPENED = 4                  # archives at a time
MOST_KEPT_BYTES = 160 << 20      # of those that had to be unfolded
_DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, NotImplementedError,
            RuntimeError, ValueError, KeyError, UnicodeError, ArithmeticError, MemoryError)
LONGEST_NAME = 255               # letters, as in most file systems; longer ones are only in archives made to do harm


@dataclass(frozen=True)
class RawFile:
    """A file, or a member of an archive, that can be read again in another process.

    Attributes
    ----------
    name : str
        What to call it in messages: its path below the source it was found in.
    path : Path
        The file on disk: itself, or the outermost archive.
    members : tuple of str
        The way into the archive, one entry a nesting; empty for a plain file.
    size : int
        Bytes, unpacked.
    """

    name: str
    path: Path
    members: tuple[str, ...] = ()
    size: int = 0

    @classmethod
    def of(cls, path) -> RawFile:
        """A file on disk.

        Raises
        ------
        FormatError
            If there is no such file.
        """
        path = Path(path)
        if not path.exists():
            raise FormatError(f"{path}: no such file")
        if not path.is_file():  # a folder; or a pipe, which would be waited for without end
            raise FormatError(f"{path}: cannot be read, it is not a file")
        return cls(printable(path.name), path, (), path.stat().st_size)

    @property
    def base(self) -> str:
        """The name without folders."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def folder(self) -> str:
        """The folders of the name."""
        return self.name.rpartition("/")[0]

    def head(self) -> bytes:
        """The first 8 kB.

        Raises
        ------
        FormatError
            If it cannot be read.
        """
        return self._read(HEAD_BYTES)

    def read(self) -> bytes:
        """Everything.

        Raises
        ------
        FormatError
            If it cannot be read, or is larger than any record.
        """
        content = self._read(LARGEST_FILE_BYTES + 1)
        if len(content) > LARGEST_FILE_BYTES:
            raise FormatError(f"{self.name}: larger than {LARGEST_FILE_BYTES >> 20} MB, which no record of an earthquake is; "
                              "cut it to the event first")
        return content

    def sha256(self) -> str:
        """SHA-256 of the content; of the whole file, however large, if it lies on disk."""
        if self.members:
            return hashlib.sha256(self.read()).hexdigest()
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def _read(self, limit: int) -> bytes:
        try:
            if not self.members:
                with self.path.open("rb") as stream:
                    return stream.read(limit)
            return _archive(self.path, self.members[:-1], stamp(self.path)).read(self.members[-1], limit)
        except FormatError:
            raise
        except _DAMAGED as error:
            raise FormatError(f"{self.name}: cannot be read ({_why(error)})") from error


def walk(sources: Iterable, refuse: Callable[[str, str], None] = lambda name, reason: None) -> Iterator[RawFile]:
    """Every file in the sources, in sorted order; hidden ones are passed over, archives are entered.

    `refuse` is called with name and reason for what cannot be entered.

    Raises
    ------
    FormatError
        If a source does not exist.
    """
    given = [Path(source) for source in ([sources] if isinstance(sources, (str, os.PathLike)) else sources)]
    for source in given:
        if source.is_dir():
            inside = source if len(given) == 1 else source.parent       # of several folders, the name tells which
            def unreadable(error: OSError) -> None:
                name = printable(Path(error.filename).relative_to(inside).as_posix())
                refuse(name, f"{name}: a folder that cannot be read ({error.strerror})")

            for folder, inner, names in os.walk(source, onerror=unreadable):
                linked = [name for name in inner if not _hidden(name) and Path(folder, name).is_symlink()]
                inner[:] = sorted(name for name in inner if not _hidden(name) and name not in linked)
                for name in sorted([*names, *linked]):
                    path = Path(folder, name)
                    if name in linked:
                        shown = printable(path.relative_to(inside).as_posix())
                        refuse(shown, f"{shown}: a link to a folder, which is not followed; name the folder itself")
                    elif not _hidden(name):
                        yield from _enter_file(path, printable(path.relative_to(inside).as_posix()), refuse)
        elif source.exists():
            yield from _enter_file(source, printable(source.name), refuse)
        else:
            raise FormatError(f"{source}: no such file or folder")


def _enter_file(path: Path, name: str, refuse) -> Iterator[RawFile]:
    try:
        if not path.is_file():
            return refuse(name, f"{name}: not a file that can be read")
        yield from _enter(RawFile(name, path, (), path.stat().st_size), refuse)
    except OSError as error:
        refuse(name, f"{name}: cannot be read ({error.strerror})")


def _enter(file: RawFile, refuse) -> Iterator[RawFile]:
    """The file itself, or what is in it if it is an archive."""
    try:
        kind = _kind(file.head())
    except FormatError as error:
        return refuse(file.name, str(error))
    if kind is None:
        yield file
        return
    if len(file.members) >= DEEPEST:
        return refuse(file.name, f"{file.name}: an archive in an archive in an archive; unpack it first")
    try:
        archive = _archive(file.path, file.members, stamp(file.path))
        listed = list(archive.listed())
    except FormatError as error:
        return refuse(file.name, str(error))
    except _DAMAGED as error:
        return refuse(file.name, f"{file.name}: an archive that cannot be read ({_why(error)}); fetch it again")
    if not listed:
        return refuse(file.name, f"{file.name}: an archive without files")
    for member, size, problem in listed:
        name = f"{file.name}/{_plain(member)}" if archive.several else file.name
        if problem:
            refuse(name, f"{name}: {problem}")
        elif not any(_hidden(part) for part in name.split("/")):
            inside = RawFile(name, file.path, (*file.members, member), size)
            yield from _enter(inside, refuse)


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _plain(member: str) -> str:
    """A member's name without what would lead out of the archive; it is only ever shown."""
    plain = printable("/".join(part for part in member.replace("\\", "/").split("/") if part not in ("", ".", "..")) or "unnamed")
    return plain if len(plain) <= LONGEST_NAME else f"{plain[:LONGEST_NAME // 2]}…{plain[-LONGEST_NAME // 2 + 1:]}"


def printable(name: str) -> str:
    """A name without line breaks, and without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _kind(head: bytes) -> str | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "gz"
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return "bz2"
    if head.startswith(b"\xfd7zXZ\x00"):
        return "xz"
    if head[257:262] == b"ustar":
        return "tar"
    return None


def stamp(path: Path) -> tuple[int, int]:
    """Size and time of change, which tell a changed file from an old one; zeros if it has gone, as reading it will say."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


class _Zip:
    several = True

    def __init__(self, stream, name: str):
        self._stream, self._name = stream, name
        self._zip = zipfile.ZipFile(stream)

    def __del__(self):
        self._stream.close()

    def listed(self):
        entries = [entry for entry in self._zip.infolist() if not entry.is_dir()]
        if len(entries) > MOST_MEMBERS:
            raise FormatError(f"{self._name}: {len(entries)} members; more than {MOST_MEMBERS} are not walked")
        seen: set[str] = set()
        for entry in sorted(entries, key=lambda entry: entry.filename):
            problem = None
            if entry.flag_bits & 1:
                problem = "protected by a password; unpack it first"
            elif entry.file_size > LARGEST_RATIO * max(entry.compress_size, 1):
                problem = f"{entry.compress_size} bytes that unfold to {entry.file_size}, which no record does; left packed"
            elif entry.filename in seen:
                problem = "a second member of this name in the archive"
            seen.add(entry.filename)
            yield entry.filename, entry.file_size, problem

    def read(self, member: str, limit: int) -> bytes:
        with self._zip.open(member) as stream:
            return stream.read(limit)


class _Tar:
    several = True

    def __init__(self, stream, name: str):
        self._stream, self._name = stream, name
        self._places: dict[str, tuple[int, int]] = {}

    def __del__(self):
        self._stream.close()

    def listed(self):
        self._index()
        return [(name, size, None) for name, (_, size) in sorted(self._places.items())]

    def _index(self) -> None:
        if not self._places:
            with tarfile.open(fileobj=self._stream, mode="r:") as tar:
                for count, entry in enumerate(tar):
                    if count > MOST_MEMBERS:
                        raise FormatError(f"{self._name}: more than {MOST_MEMBERS} members, which are not walked")
                    if entry.isreg():
                        self._places[entry.name] = entry.offset_data, entry.size

    def read(self, member: str, limit: int) -> bytes:
        self._index()
        start, size = self._places[member]
        self._stream.seek(start)
        return self._stream.read(min(size, limit))


class _Single:
    """One packed file; a large one is unfolded each time, and not kept."""

    several = False

    def __init__(self, packed, unfold, size: int):
        self._stream, self._unfold, self._size = packed, unfold, size
        self._content = self._unfolded(size) if size <= SMALL_BYTES else None

    def __del__(self):
        self._stream.close()

    def listed(self):
        return [("", self._size, None)]

    def read(self, member: str, limit: int) -> bytes:
        return self._unfolded(limit) if self._content is None else self._content[:limit]

    def _unfolded(self, limit: int) -> bytes:
        self._stream.seek(0)
        with self._unfold(self._stream) as stream:
            return stream.read(limit)


_opened: dict[tuple, _Zip | _Tar | _Single] = {}     # the one used last is the last


def _archive(path: Path, members: tuple[str, ...], as_of) -> _Zip | _Tar | _Single:
    """An opened archive, kept for the next member; `as_of` (its stamp) makes a changed file a new one."""
    key = path, members, as_of
    archive = _opened.pop(key, None) or _open(path, members, as_of)
    _opened[key] = archive
    while len(_opened) > MOST_OPENED or len(_opened) > 1 and sum(map(_kept_bytes, _opened.values())) > MOST_KEPT_BYTES:
        del _opened[next(iter(_opened))]
    return archive


def _kept_bytes(archive) -> int:
    stream = archive._stream
    return stream.getbuffer().nbytes if isinstance(stream, io.BytesIO) and not stream.closed else 0


def _open(path: Path, members: tuple[str, ...], as_of) -> _Zip | _Tar | _Single:
    name = "/".join((path.name, *filter(None, members)))
    if members:
        outer = _archive(path, members[:-1], as_of)
        packed = io.BytesIO(outer.read(members[-1], LARGEST_FILE_BYTES + 1))
        if packed.getbuffer().nbytes > LARGEST_FILE_BYTES:
            raise FormatError(f"{name}: an archive of more than {LARGEST_FILE_BYTES >> 20} MB in another; unpack it first")
    else:
        packed = path.open("rb")
    try:
        return _opened_as(_kind(packed.read(HEAD_BYTES)), packed, name)
    except BaseException:
        packed.close()
        raise


def _opened_as(kind: str | None, packed, name: str) -> _Zip | _Tar | _Single:
    packed.seek(0)
    if kind == "zip":
        return _Zip(packed, name)
    if kind == "tar":
        return _Tar(packed, name)
    unfold = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}.get(kind)
    if unfold is None:
        raise FormatError(f"{name}: is no archive any more; it changed while it was walked")
    with unfold(packed) as stream:
        head = stream.read(HEAD_BYTES)
        is_tar, size = _kind(head) == "tar", len(head)
        parts = [head] if is_tar else []
        while size <= LARGEST_FILE_BYTES and (part := stream.read(1 << 20)):
            size += len(part)
            parts += [part] if is_tar else []
    if size > LARGEST_FILE_BYTES:
        raise FormatError(f"{name}: unfolds to more than {LARGEST_FILE_BYTES >> 20} MB; unpack it first")
    if is_tar:                       # unfolded once, in memory
        packed.close()
        return _Tar(io.BytesIO(b"".join(parts)), name)
    return _Single(packed, unfold, size)


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
