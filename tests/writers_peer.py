"""Synthetic PEER files (.AT2) of an earthquake and a station that do not exist."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NAMES = {"E": "RSN9901_NOWHERE_TST090.AT2", "N": "RSN9901_NOWHERE_TST000.AT2", "Z": "RSN9901_NOWHERE_TST-UP.AT2"}
DIRECTIONS = {"E": "90", "N": "0", "Z": "UP"}
TITLE = "PEER NGA STRONG MOTION DATABASE RECORD"
SERIES = "ACCELERATION TIME SERIES IN UNITS OF G"


def fortran(value: float) -> str:
    """E15.7 as Fortran prints it: a mantissa below 1, without its zero."""
    if value == 0:
        return f"{'.0000000E+00':>15}"
    exponent = int(np.floor(np.log10(abs(value)))) + 1
    mantissa = f"{value / 10.0**exponent:.7f}"
    if abs(float(mantissa)) >= 1:
        exponent, mantissa = exponent + 1, f"{value / 10.0 ** (exponent + 1):.7f}"
    return f"{mantissa.replace('0.', '.', 1)}E{exponent:+03d}".rjust(15)


def lines(samples_gal, rate_hz: float, component: str, *, event: str = "Nowhere-01, 1/17/2020",
    station: str = "Test Hills - 9901 Ave",
          title: str = TITLE, series: str = SERIES, count: str = "NPTS=  {n:5d}, DT=   {dt} SEC,", number=fortran,
          unit_gal: float = 980.665) -> list[str]:
    """The file of one component; a component of "" leaves line 2 without one."""
    dt = f"{1 / rate_hz:.4f}".removeprefix("0")
    second = ", ".join(filter(None, [event, station, component]))
    numbers = [number(value / unit_gal) for value in samples_gal]
    body = ["".join(numbers[at:at + 5]) for at in range(0, len(numbers), 5)]
    return [*filter(None, [title]), second, series, count.format(n=len(samples_gal), dt=dt), *body]


def write(folder, data, rate_hz: float = 100.0, *, directions=DIRECTIONS, names=NAMES, end: str = "\n", **changes) -> list[Path]:
    """Write a record, a file a component.

    Parameters
    ----------
    data : array, shape (3, samples)
        E, N, Z in gal; with other `directions` (a text for each of E, N, Z), what was recorded along them.
    """
    written = []
    for component, samples in zip("ENZ", data):
        path = Path(folder, names[component])
        path.write_bytes((end.join(lines(samples, rate_hz, directions[component], **changes)) + end).encode("latin-1"))
        written.append(path)
    return written
