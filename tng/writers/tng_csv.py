"""The project's own text, read back by :mod:`tng.readers.tng_csv` with every bit."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tng.readers.tng_csv import MOST_SAMPLES, SIGNATURE, TITLES
from tng.records import Record
from tng.writers import Export, WriteError


def write(record: Record, export: Export) -> tuple[list[Path], list[str]]:
    """One file: every value of the metadata, then time, E, N and Z [cm/s²] in their shortest exact form."""
    if record.samples > MOST_SAMPLES:
        raise WriteError(f"{record.name}: {record.samples} samples; the text holds at most {MOST_SAMPLES}, export it as mseed")
    path = export.folder / f"{export.stem(record)}.csv"
    header = {"station": record.station, "event": record.event, "sampling_rate_hz": float(record.sampling_rate_hz),
              "samples": record.samples}
    for key, value in record.meta.items():
        plain = re.sub(r"[\s:]+", "_", str(key)) or "_"
        header[f"meta_{plain}" if plain in header or plain == "format" else plain] = _plain(value)
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write(SIGNATURE.decode() + "\n")
        out.writelines(f"# {key}: {json.dumps(value)}\n" for key, value in header.items())
        out.write(TITLES.decode() + "\n")
        east, north, up = record.data.tolist()
        rate = float(record.sampling_rate_hz)
        out.writelines(f"{i / rate!r},{e!r},{n!r},{z!r}\n" for i, (e, n, z) in enumerate(zip(east, north, up)))
    return [path], []


def _plain(value):
    """A number, truth value or text, of which NumPy's become Python's; anything else as text."""
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
