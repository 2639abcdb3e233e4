"""The project's own text: a header of ``# key: value``, then time, E, N and Z with all their digits.

::

    # format: "tng-csv 1"
    # station: "0205"
    # event: "20200101000000"
    # sampling_rate_hz: 100.0
    # samples: 6000
    # source_magnitude: 5.1
    time_s,E_cmps2,N_cmps2,Z_cmps2
    0.0,0.12,-0.034,0.0056

Values are JSON.  It is read strictly, and comes back with every bit of its samples.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings

import numpy as np

from tng.readers.options import Options
from tng.records import DataError, FormatError, Record, SamplingError
from tng.sources import RawFile

NAME = "tng-csv"
DESCRIPTION = "text of this project (# key: value, then time_s,E_cmps2,N_cmps2,Z_cmps2)"
LICENCE = "by record: trace_license of each file"
SIGNATURE = b'# format: "tng-csv 1"'
TITLES = b"time_s,E_cmps2,N_cmps2,Z_cmps2"
NEEDED = {"station": str, "event": str, "sampling_rate_hz": float, "samples": int}
# What to say of a plain table: what it lacks.
HINT = (f"A .csv is read as {NAME} if it begins with the lines `{SIGNATURE.decode()}`, {', '.join(f'`# {key}: …`' for key in NEEDED)} and "
        f"`{TITLES.decode()}`; the page on formats (book/formats.md) has an example")
HEADER_BYTES = 1 << 20
MOST_SAMPLES = 1_200_000     # a component; 100 min at 200 Hz
LARGEST_BYTES = 88 << 20     # an hour at 200 Hz takes 50 MB
NUMERIC = b"0123456789+-.e,\n"


def sniff(head: bytes, name: str) -> bool:
    """Whether a file starts with the format's own line."""
    return re.match(re.escape(SIGNATURE) + rb"\r?\n", head) is not None


def read(file: RawFile, options: Options) -> list[Record]:
    """Read one record.

    Raises
    ------
    FormatError, SamplingError, DataError
        All name the file and say what was found.
    """
    if file.size > LARGEST_BYTES:
        raise FormatError(f"{file.name}: {file.size >> 20} MB, more than any record of an earthquake; cut it first")
    text = file.read()
    digest = hashlib.sha256(text).hexdigest()
    text = text.replace(b"\r\n", b"\n")
    at = text.find(b"\n" + TITLES + b"\n", 0, HEADER_BYTES)
    if at < 0:
        raise FormatError(f"{file.name}: no line {TITLES.decode()}; the file is damaged or cut off")
    header = _header(text[:at], file.name)
    station, event, rate, count = (header.pop(key) for key in NEEDED)
    if not 1 <= rate <= 1000:
        raise SamplingError(f"{file.name}: sampling_rate_hz is {rate}; between 1 and 1000 is needed")
    text = text[at + len(TITLES) + 2:]
    table = _table(text, count, file.name)
    if np.abs(table[:, 0] - np.arange(count) / rate).max(initial=0) > 1e-3 / rate:
        raise SamplingError(f"{file.name}: time_s does not go in steps of 1/{rate:g} s from 0; a row is missing or out of place")
    meta = header | {f"trace_original_{key}": header[f"trace_source_{key}"] for key in ("file", "sha256", "format")
                     if header.get(f"trace_source_{key}")}
    meta |= {"trace_source_file": file.name, "trace_source_sha256": digest, "trace_source_format": NAME,
             "trace_units_declared": "cm/s2 (header)", "trace_component_order_source": "ENZ"}
    return [Record(np.ascontiguousarray(table[:, 1:].T), rate, station, event, meta)]


def _header(text: bytes, name: str) -> dict[str, object]:
    """Keys and values, each key once, those that are needed among them."""
    header: dict[str, object] = {}
    try:
        lines = text.decode("utf-8").split("\n")[1:]
    except UnicodeDecodeError as error:
        raise FormatError(f"{name}: the header is not UTF-8; the file is damaged") from error
    for line in lines:
        match = re.fullmatch(r"# ([^\s:]+): (.*)", line)
        if not match or match[1] in header:
            what = "there twice" if match else "not of the form # key: value"
            raise FormatError(f"{name}: header line {line[:60]!r} is {what}")
        try:
            value = json.loads(match[2])
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{name}: the value of {match[1]} is {match[2][:60]!r}, which is not JSON") from error
        if isinstance(value, (dict, list)):
            raise FormatError(f"{name}: {match[1]} is not a single value")
        header[match[1]] = value
    for key, kind in NEEDED.items():
        value = header.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
            raise FormatError(f"{name}: {key} is {value!r:.60}; {'a number' if kind is not str else 'text'} is needed")
        header[key] = value
    header["sampling_rate_hz"] = float(min(header["sampling_rate_hz"], 1e9))
    return header


def _table(body: bytes, count: int, name: str) -> np.ndarray:
    """Rows of time, E, N, Z, shape (count, 4)."""
    if body.translate(None, NUMERIC):
        if set(body.translate(None, NUMERIC).lower()) <= set(b"nainfty"):
            raise DataError(f"{name}: values that are not finite numbers; repair or drop the record")
        raise FormatError(f"{name}: other text among the numbers; the file is damaged")
    rows = body.count(b"\n")
    if not body.endswith(b"\n") or rows != count or body.count(b",") != 3 * rows:
        raise FormatError(f"{name}: {rows} whole rows{'' if rows != count else ', not all of four columns'}, but samples says "
                          f"{count}; the file is damaged or cut off")
    if count > MOST_SAMPLES:
        raise DataError(f"{name}: {count} samples, more than {MOST_SAMPLES}; cut it to the event first")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            values = np.fromstring(body.replace(b",", b" "), dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError) as error:
            raise FormatError(f"{name}: values that cannot be read as numbers; the file is damaged") from error
    if len(values) != 4 * count:
        raise FormatError(f"{name}: {len(values)} values in {rows} rows; four a row are needed")
    return values.reshape(count, 4)
