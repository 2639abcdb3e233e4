"""Synthetic GeoNet files (V1A, V2A) of an earthquake and a station that do not exist."""

from __future__ import annotations

from pathlib import Path

import numpy as np

NAME = "20200101_000000_TST1_20"
DIRECTIONS = {"E": ("N90E", 90), "N": ("N00E", 0), "Z": ("Up", 0)}


def block(samples_mm, rate_hz: float, direction: str, bearing: int, *, corrected: bool = False, factor: float = 1.0,
          unit: str = "mm/s/s", band: str = "", points: int | None = None, dt: float | None = None,
          stated_dt: float | None = None, peak: float | None = None, duration: float | None = None,
          magnitude: str = "Mw 5.50", site: str = "Site TST1", per_line: int = 10, number: str = "{:8.1f}",
          line_11: str | None = None, line_14: str | None = None) -> list[str]:
    """The lines of one component; samples and peak in mm/s²."""
    values = np.asarray(samples_mm) / factor
    n = len(values) if points is None else points
    step = 1 / rate_hz if dt is None else dt
    stated = step if stated_dt is None else stated_dt
    top = float(samples_mm[np.argmax(np.abs(samples_mm))]) if peak is None else peak
    lasts = n * step if duration is None else duration
    raw = f"Raw readings in units of {factor:.2f} {unit}  at intervals of {stated:.3f} s"
    header = [
        f"{'Corrected' if corrected else 'Uncorrected'} accelerogram {NAME} GNS Science",
        f"{site}      40 30 00S  175 15 36E     Test file:  {NAME}",
        "Nowhere Fire Station",
        "Instrument Test_9901",
        "Resolution: 24-bit   Instr Period: 0.0050 s   Damping: 0.700",
        f"Accelerogram {NAME}                 Processed 2020 January 02",
        "5 km north of Nowhere",
        "2020 January 1         00:00:05 UT",
        f"Epicentre  40 15 00S 175 30 00E  Bearing N33E  Dist   35km  Depth   12km {magnitude}",
        f"Number of points  {n}    Duration {lasts:.2f} s",
        line_11 if line_11 is not None else f"Instrument corrected data at {stated:.3f} sec intervals" if corrected else raw,
        band or "Data is unfiltered",
        f"Component {direction}" + ("  Longitudinal Accelerometer Axis" if corrected else ""),
        line_14 if line_14 is not None else f"Acceleration:  Peak {top:8.1f} mm/s/s at   1.00 s     RMS     1.00 mm/s/s",
        "Velocity record unevaluated",
        "Displacement record unevaluated",
    ]
    extra = n if corrected else 0
    integers = [2020, 1, 1, 0, 0, 50, 0, 0, 2020, 1, 40, 15, 0, 175, 30, 0, 12, 0, 1, 0, 40, 30, 0, 175, 15, 36, 90, bearing,
                33, 35, n, 0, 0, n, extra, extra, 0, 0, 0, 2500]
    reals = [0.0] * 60
    reals[10:15] = [40.5, 175.26, 40.25, 175.5, 5.5]
    reals[20:26] = [lasts, 0, 0, lasts, step, step]
    reals[35 if corrected else 30] = top
    body = header + ["".join(f"{value:8d}" for value in integers[at:at + 10]) for at in range(0, 40, 10)]
    printed = [f"{value:8.4f}" if abs(value) < 100 else f"{value:8.1f}" for value in reals]
    body += ["".join(printed[at:at + 10]) for at in range(0, 60, 10)]
    fields = [number.format(value) for value in values]
    body += ["".join(fields[at:at + per_line]) for at in range(0, len(fields), per_line)]
    for _ in range(2 if corrected else 0):      # velocity and displacement, which must not be taken for acceleration
        body += ["  9999.0" * min(10, n - at) for at in range(0, n, 10)]
    return body


def write(folder, data, rate_hz: float = 100.0, *, directions=DIRECTIONS, order: str = "ENZ", end: str = "\n",
          name: str | None = None, **changes) -> list[Path]:
    """Write a record, one file.

    Parameters
    ----------
    data : array, shape (3, samples)
        E, N, Z in gal; with other `directions` (text and bearing for each of E, N, Z), what was recorded along them.
    """
    path = Path(folder, name or f"{NAME}.{'V2A' if changes.get('corrected') else 'V1A'}")
    samples = dict(zip("ENZ", np.asarray(data) * 10))
    lines = [line for component in order for line in block(samples[component], rate_hz, *directions[component], **changes)]
    path.write_bytes((end.join(lines) + end).encode("latin-1"))
    return [path]
