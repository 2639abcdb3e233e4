"""PEER's text layout, acceleration in g; the first line says that the record is not PEER's."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import numpy as np

from tng.channels import GAL
from tng.readers.peer import OWN_TITLE, SYNTHETIC
from tng.records import Record
from tng.writers import Export, is_synthetic, time_of

COMPONENTS = (("090", 0), ("000", 1), ("UP", 2))


def write(record: Record, export: Export) -> tuple[list[Path], list[str]]:
    """Three files, …-090, …-000 and …-UP; eight significant digits."""
    stem = export.stem(record)
    kind = SYNTHETIC if is_synthetic(record) else "RECORDED EARTHQUAKE, EXPORTED BY TNG"
    time = time_of(record.meta.get("source_origin_time")) or time_of(record.meta.get("trace_start_time"))
    date = f"{time.month}/{time.day}/{time.year:04d}" if time else "?"
    count = f"NPTS= {record.samples:6d}, DT= {_interval(record.sampling_rate_hz)} SEC,"
    paths = []
    for component, row in COMPONENTS:
        header = [f"{OWN_TITLE} ({kind})", f"{_encoded(record.event)}, {date}, {_encoded(record.station)}, {component}",
                  "ACCELERATION TIME SERIES IN UNITS OF G", count]
        in_g = record.data[row] / GAL["g"]
        in_g = np.where(np.abs(in_g) < 1e-99, 0.0, in_g)        # a third digit of the exponent would not fit
        numbers = [f"{value:15.7E}" for value in in_g.tolist()]
        lines = ["".join(numbers[at:at + 5]) for at in range(0, len(numbers), 5)]
        path = export.folder / f"{stem}-{component}.AT2"
        path.write_text("\n".join(header + lines) + "\n", encoding="ascii", newline="\n")
        paths.append(path)
    missing = [name for name, value in (("date", time), ("event", record.event), ("station", record.station)) if not value]
    return paths, missing


def _interval(rate_hz: float) -> str:
    """The sampling interval [s] with as many digits as it needs: 0.0050, 0.0078125."""
    for digits in range(4, 13):
        text = f"{1 / rate_hz:.{digits}f}"
        if float(text) and abs(float(text) * rate_hz - 1) < 1e-10:
            return text
    return f"{1 / rate_hz:.15f}"


def _encoded(text: str) -> str:
    """Text without commas, line ends or letters that are not ASCII, from which the reader gets it back."""
    return re.sub(r"(?<=\S)%20(?=\S)", " ", quote(text, safe=":/()")) or "?"
