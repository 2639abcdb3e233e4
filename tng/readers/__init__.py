"""Raw files to records.  Each format is one module; a format is recognised by content, never by extension alone.

A module has ``NAME``, ``DESCRIPTION``, ``sniff(head, name)`` (head: the first 8 kB) and ``read(file,
options)``, which takes a :class:`tng.sources.RawFile` and gives a list of records, of single components, or
of refusals where a file holds several records.  Where a record is spread over files, ``group(head, name)``
says which belong together: a key, and the time of the first sample in seconds or None.

Two kinds of source are not files of one format: a folder in the SeisBench layout is read by `seisbench`
in portions, and OpenEEW's files of one device and day belong together whatever their times.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

from tng.channels import Channel, Refusal, records, without_traceback
from tng.readers import tng_csv
from tng.readers.options import Options
from tng.records import FormatError, Record, RecordError
from tng.sources import RawFile

# In the order in which they are asked: signal_mat before afad_mat, which takes any MATLAB file; the binary formats without a signature come last.
FORMATS = ("signal_mat", "afad_mat", "afad_text", "dyna", "knet", "peer", "geonet", "cosmos", "openeew", "tng_csv",
           "miniseed", "sac")
# What else is found in such folders: beginnings, and what to say.
_INSTEAD = "is not read; get the record as COSMOS, or convert it to miniSEED with StationXML, for example with gmprocess"
OTHERS = (
    (rb"[12] (?:UN)?CORRECTED ACCELEROGRAM", f"the USGS SMC format, which {_INSTEAD}"),
    (rb"(?i)(?:UN)?CORRECTED ACCELEROGRAM|FILE +\d+ OF UNCORRECTED|\* VOL1DS", f"CSMIP/DMG or one of its kin (USC, BHRC, RENADIC), which {_INSTEAD}"),
    (rb"\*{60,}\s+INSTITUTO DE INGENIERIA", f"the UNAM format, which {_INSTEAD}"),
    (rb"\x89HDF", "HDF5 that is no SeisBench data set in a folder (metadata.csv and waveforms.hdf5); unpack one that is in an archive"),
    (rb"\s*[\[{]", "JSON, and no record of ground motion"), (rb"\s*<", "XML or HTML, and no record of ground motion"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|%PDF|\x93NUMPY|II\*\x00|MM\x00\*", "a picture, document or array, and no record of ground motion"),
)
TOGETHER_WITHIN_S = 30.0  # starts of the components of one record; miniSEED is cut at its own blocks


@functools.cache
def _modules() -> tuple[ModuleType, ...]:
    return tuple(importlib.import_module(f"tng.readers.{name}") for name in FORMATS)


def readers() -> list[tuple[str, str]]:
    """Name and one-line description of every format that can be read."""
    from tng.readers import seisbench

    return [(module.NAME, module.DESCRIPTION) for module in (*_modules(), seisbench)]


def recognise(file: RawFile, head: bytes | None = None) -> ModuleType:
    """The reader for a file.

    Raises
    ------
    FormatError
        If the file cannot be read, is empty or of no known format.
    """
    head = file.head() if head is None else head
    for module in _modules():
        if module.sniff(head, file.base):
            return module
    for signature, what in OTHERS:
        if re.match(signature, head, re.DOTALL):
            raise FormatError(f"{file.name}: {what}")
    what = "is empty" if not head else "has a format that is not known here"
    hint = f". {tng_csv.HINT}" if head and b"\0" not in head and file.base.lower().endswith(".csv") else ""
    raise FormatError(f"{file.name}: {what}; known are {', '.join(module.NAME for module in _modules())}{hint}")


def groups(files: Iterable[RawFile]) -> tuple[list[tuple[ModuleType, list[RawFile]]], list[tuple[RawFile, RecordError]]]:
    """Files sorted into those that make up one record (or several of one sensor); and those of no known format.

    Only heads are read.  Files are put together within one folder or archive only.
    """
    found: dict[tuple, list[tuple[float, int, RawFile]]] = defaultdict(list)
    modules: dict[tuple, ModuleType] = {}
    refused = []
    for number, file in enumerate(files):
        try:
            head = file.head()
            module = recognise(file, head)
            key, start = _key(module, head, file, number)
        except RecordError as error:
            refused.append((file, without_traceback(error)))
            continue
        except Exception as error:  # as in read_group
            refused.append((file, FormatError(f"{file.name}: its beginning makes no sense ({type(error).__name__}: "
                                              f"{str(error)[:200]}); the file may be damaged")))
            continue
        found[key].append((start, number, file))
        modules[key] = module
    made = [(parts[0][1], modules[key], [file for _, _, file in parts])
            for key, members in found.items() for parts in _chains(members)]
    made.sort(key=lambda entry: entry[0])
    return [(module, files) for _, module, files in made], refused


def _key(module: ModuleType, head: bytes, file: RawFile, number: int) -> tuple[tuple, float]:
    together = module.group(head, file.base) if hasattr(module, "group") else None
    if together is None:
        return (module.NAME, number), 0.0
    key, start = together
    if key.startswith("/"):                                  # a key of its own right spans folders
        return (module.NAME, key), start or 0.0
    place = (file.path, file.folder) if file.members else (file.path.parent, "")
    return (module.NAME, *place, key), start or 0.0


def _chains(members: list[tuple[float, int, RawFile]]) -> list[list[tuple[float, int, RawFile]]]:
    """Members whose starts follow each other closely; each chain in the order of the files."""
    chains: list[list] = []
    last = None
    for member in sorted(members, key=lambda member: member[:2]):
        if last is None or member[0] - last > TOGETHER_WITHIN_S:
            chains.append([])
        chains[-1].append(member)
        last = member[0]
    return [sorted(chain, key=lambda member: member[1]) for chain in chains]


def read_group(module: ModuleType, files: Sequence[RawFile], options: Options) -> list[Record | Refusal]:
    """All records of files that belong together; a refusal for each that is not one.  Never raises for bad content."""
    made: list[Record | Refusal] = []
    channels: list[Channel] = []
    name = " + ".join(file.name for file in files)
    try:
        found = (module.read_together(files, options) if hasattr(module, "read_together")
                 else itertools.chain.from_iterable(module.read(file, options) for file in files))
        for one in found:
            (channels if isinstance(one, Channel) else made).append(one)
        made += records(channels)
    except RecordError as error:
        return [Refusal(name, error)]
    except Exception as error:  # a damaged file must never stop a long run with an error of another kind
        return [Refusal(name, FormatError(f"{name}: the {module.NAME} reader could not make sense of it "
                                          f"({type(error).__name__}: {str(error)[:200]}); the file may be damaged"))]
    return made or [Refusal(name, FormatError(f"{name}: no records in it"))]


def read_all(paths, options: Options | None = None) -> list[Record | Refusal]:
    """Everything in some files (not folders): records, and a refusal for each that is not one."""
    paths = [paths] if isinstance(paths, (str, Path, RawFile)) else list(paths)
    files = [path if isinstance(path, RawFile) else RawFile.of(path) for path in paths]
    found, refused = groups(files)
    made: list[Record | Refusal] = [Refusal(file.name, error) for file, error in refused]
    for module, members in found:
        made += read_group(module, members, options or Options())
    return made


def read(*paths, options: Options | None = None) -> Record:
    """One record from the file, or the files of its components, with the reader that recognises the content.

    Parameters
    ----------
    paths : path
        The file; several where each holds one component.
    options : Options, optional
        What the files themselves do not tell (unit, orientation …).

    Raises
    ------
    RecordError
        A subclass that names the file: unknown or damaged format, wrong unit, sampling, components, peak
        or samples; also if the files hold more than one record (see :func:`read_all`).
    """
    made = read_all(paths, options)
    for one in made:
        if isinstance(one, Refusal):
            raise one.error
    if len(made) != 1:
        raise FormatError(f"{', '.join(Path(getattr(path, 'name', path)).name for path in paths)}: {len(made)} records; "
                          "read_all gives them all")
    return made[0]
