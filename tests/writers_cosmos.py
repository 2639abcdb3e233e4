"""Synthetic COSMOS v1.20 files of an earthquake and a station that do not exist."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DIRECTIONS = {"E": (" 90 deg", 90), "N": ("360 deg", 360), "Z": ("Up", 400)}
MISSING = -999.0
UNITS = {2: ("g", 980.665), 4: ("cm/sec2", 1.0), 11: ("mg", 0.980665), 50: ("counts", 1.0)}
SCNL = "|<SCNL>TST1.{seed}.XX.--    <AUTH> 2020/01/01 00:00:00.000"
TITLES = {0: "Raw acceleration counts", 1: "Uncorrected acceleration", 2: "Corrected acceleration"}


def rows(values, number: str, per_line: int) -> list[str]:
    fields = [number.format(value) for value in values]
    return ["".join(fields[at:at + per_line]) for at in range(0, len(fields), per_line)]


def channel(samples_gal, rate_hz: float, direction: str, azimuth: int, *, stage: int = 1, code: int = 4,
            integer_code: int | None = None, unit: str | None = None, form: str = "(8F10.5)", number: str = "{:10.5f}",
            per_line: int = 8, text: int = 13, integers: dict | None = None, reals: dict | None = None,
            real_form: str = "(6F13.6)", real_number: str = "{:13.6f}", real_per_line: int = 6, comments: tuple = (SCNL,),
            quantity: str = "acceleration", station: str = "Code:XX-TST1", origin: str = "2020/01/01 00:00:05.0 UTC",
            zone: str = "UTC", location: str = "", filtered: str = "No filtering!", points: int | None = None,
            seconds: float | None = None, seed: str = "HN?", after: tuple = (), end: str = "End-of-data for Chan  1",
            title: str | None = None) -> list[str]:
    """The lines of one channel; `integers` and `reals` replace header values by their number."""
    name, gal = UNITS.get(code, (unit or "", 1.0))
    values = np.asarray(samples_gal) / gal
    n = len(values) if points is None else points
    peak = values[np.argmax(np.abs(values))]
    whole = dict.fromkeys(range(1, 101), -999) | {
        1: stage, 2: 1, 3: code if integer_code is None else integer_code, 4: 120, 5: 1, 9: 9901, 11: 199, 19: 4, 40: 2020, 41: 1,
        42: 1, 43: 1, 44: 0, 45: 0, 46: 5, 50: 1, 54: azimuth} | (integers or {})
    real = dict.fromkeys(range(1, 101), MISSING) | {
        1: 38.25, 2: 27.125, 3: 100.0, 4: 360.0, 10: 38.5, 11: 27.25, 12: 9.5, 15: 5.5, 17: 30.0, 30: 2.5, 34: 0.02,
        62: 1000 / rate_hz, 63: n / rate_hz, 64: float(peak), 65: 1.0} | (reals or {})
    lines = [
        f"{title or TITLES[stage]:<26}(Format v01.20 with {text} text lines) Src: synthetic",
        "Record of Nowhere Earthquake of Wed Jan 01, 2020 00:00 UTC",
        "Hypocenter: 38.5000   27.2500 H= 10km Ml=5.5",
        f"Origin: {origin}",
        f"Statn No: 99-009901 {station}    TST  Nowhere Fire Station",
        "Coords: 38.2500   27.1250  Site geology: unknown",
        "Recorder: Test    s/n 9901 ( 3 Chns of   3 at Sta) Sensor: Test",
        f"Rcrd start time: 2020/01/01 00:00:02.500 {zone} (Q=5) RcrdId: TST1-9901",
        f"Sta Chan  1:{direction:<8}(Rcrdr Chan  1) Location:{location}",
        "Raw record length =  30.000 sec, Uncor max =    -.100 g, at    1.000 sec.",
        "Processed: 2020/01/02 00:00 UTC TST",
        filtered,
        *["-"] * (text - 13),
        "Values used when parameter or data value is unknown/unspecified:   -999, -999.0",
        " 100 Integer-header values follow on  10 lines, Format= (10I8)",
        *rows([whole[key] for key in range(1, 101)], "{:8d}", 10),
        f" 100 Real-header values follow on {-(-100 // real_per_line):3d} lines, Format= {real_form}",
        *rows([real[key] for key in range(1, 101)], real_number, real_per_line),
    ]
    if comments:
        lines.append(f"{len(comments):4d} Comment line(s) follow, each starting with a \"|\":")
        lines += [one.format(seed=seed) for one in comments]
    approx = n / rate_hz if seconds is None else seconds
    stated = name if unit is None else unit
    lines.append(f"{n:8d} {quantity} pts, approx {approx:4.0f} secs, units={stated}({code:02d}),Format={form}")
    return [*lines, *rows(values, number, per_line), *after, *([end] if end else [])]


def write(folder, data, rate_hz: float = 100.0, *, directions=DIRECTIONS, split: bool = False, order: str = "ENZ",
          end_of_line: str = "\n", name: str | None = None, each: dict | None = None, **changes) -> list[Path]:
    """Write a record: one file, or with `split` a file a component.

    Parameters
    ----------
    data : array, shape (3, samples)
        E, N, Z in gal; with other `directions` (text and integer 54 for each of E, N, Z), what was recorded along them.
    each : dict, optional
        Changes for one component: ``{"Z": {"stage": 0}}``.
    """
    samples = dict(zip("ENZ", np.asarray(data)))
    extension = f".V{changes.get('stage', 1)}c"
    made = {component: channel(samples[component], rate_hz, *directions[component],
                               **{"seed": f"HN{component}", **changes, **(each or {}).get(component, {})}) for component in order}
    files = ({f"TST1.HN{component}{extension}": lines for component, lines in made.items()} if split else
             {name or f"TST1{extension}": [line for lines in made.values() for line in lines]})
    written = []
    for file, lines in files.items():
        path = Path(folder, file)
        path.write_bytes((end_of_line.join(lines) + end_of_line).encode("latin-1"))
        written.append(path)
    return written
