"""Synthetic text files of AFAD's former national network (NSMN), of an invented earthquake."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NAME = "20200101000000_9901.txt"
ROWS = {"E-W": 0, "N-S": 1, "U-D": 2}      # of E, N, Z
QUANTISATION_GAL = 0.5e-6                  # six decimals


def text_lines(columns, order=("N-S", "E-W", "U-D"), rate_hz: float = 100.0, **changes) -> list[str]:
    """The lines of a file; `columns` (samples, components) stand as they are given, a change to None removes a key."""
    columns = np.asarray(columns)
    peaks = " ".join(f"({axis}) {peak:.6f}" for axis, peak in zip(order, np.abs(columns).max(axis=0)))
    header = {
        "PLACE": "İZMİR", "EARTHQUAKE DATE": "2020/01/02 03:04:05 (GMT)",
        "EPICENTER COORDINATES": "36.91980N-27.44350E", "EARTHQUAKE DEPTH (km)": "19.44",
        "EARTHQUAKE MAGNITUDE": "6.5 Mw", "STATION ID": "0208", "STATION COORDINATES": "37.87470N-27.59223E",
        "STATION ALTITUDE (m)": "66", "RECORDER TYPE": "x", "RECORDER SERIAL NO": "5B02",
        "RECORD TIME": "02/01/2020 03:03:55.250000 (GMT)", "NUMBER OF DATA": str(len(columns)),
        "SAMPLING INTERVAL (sec)": f"{1 / rate_hz:g}", "RAW PGA VALUES (gal)": peaks,
    }
    header.update(changes)
    return ["STRONG GROUND MOTION RECORDS OF TURKIYE",
            *(f"{key:<24}: {value}" for key, value in header.items() if value is not None),
            "Copyright EARTHQUAKE DEPARTMENT", "DISASTER AND EMERGENCY MANAGEMENT PRESIDENCY",
            "       " + "          ".join(order), *("".join(f"{value:13.6f}" for value in row) for row in columns)]


def write(folder, data, rate_hz: float = 100.0, *, order=("N-S", "E-W", "U-D"), columns=None, name: str = NAME,
          encoding: str = "cp1254", lines: list[str] | None = None, **changes) -> list[Path]:
    """One file; `data` are E, N, Z in gal, `columns` what stands in the file instead, `changes` header values."""
    columns = np.asarray(data)[[ROWS[title] for title in order]].T if columns is None else columns
    file = Path(folder, name)
    text = text_lines(columns, order, rate_hz, **changes) if lines is None else lines
    file.write_bytes(("\r\n".join(text) + "\r\n").encode(encoding))
    return [file]
