"""Raw files to records.  Each format is one module with ``NAME``, ``DESCRIPTION``, ``sniff`` and ``read``.

A format is recognised by its content; a file's extension alone never decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tng.readers import afad_mat, afad_text
from tng.records import FormatError, Record, RecordError

SNIFFED_BYTES = 2048
_READERS = (afad_mat, afad_text)


def readers() -> list[tuple[str, str]]:
    """Name and one-line description of every format that can be read."""
    return [(reader.NAME, reader.DESCRIPTION) for reader in _READERS]


def read(path, options: Mapping[str, Mapping[str, object]] | None = None) -> Record:
    """Read one file with the reader that recognises its content.

    Parameters
    ----------
    path : path
        The file.
    options : mapping, optional
        For each reader's name, what to pass to its ``read``: ``{"afad-mat": {"augmented": True}}``.

    Raises
    ------
    RecordError
        A subclass that names the file: unknown or damaged format, wrong unit, sampling, components, peak
        or samples.
    ValueError
        If `options` names a reader that does not exist.
    """
    path = Path(path)
    options = options or {}
    for name in options:
        if name not in dict(readers()):
            raise ValueError(f"{name!r}: no such reader; there are {', '.join(dict(readers()))}")
    reader = _recognise(path)
    try:
        return reader.read(path, **options.get(reader.NAME, {}))
    except RecordError:
        raise
    except Exception as error:  # a damaged file must never stop a long run with an error of another kind
        raise FormatError(f"{path.name}: the {reader.NAME} reader could not make sense of it "
                          f"({type(error).__name__}: {error}); the file may be damaged") from error


def _recognise(path: Path):
    if not path.exists():
        raise FormatError(f"{path}: no such file")
    if not path.is_file():  # a folder; or a pipe, which would be waited for without end
        raise FormatError(f"{path}: cannot be read, it is not a file")
    try:
        with path.open("rb") as stream:
            head = stream.read(SNIFFED_BYTES)
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    for reader in _READERS:
        if reader.sniff(head, path):
            return reader
    what = "is empty" if not head else "has a format that is not known here"
    raise FormatError(f"{path.name}: {what}; known are {', '.join(dict(readers()))}")
