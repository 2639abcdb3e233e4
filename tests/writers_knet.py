"""Synthetic K-NET and KiK-net ASCII files, as the format's description prints them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SUFFIXES = {"knet": (".EW", ".NS", ".UD"), "surface": (".EW2", ".NS2", ".UD2"), "borehole": (".EW1", ".NS1", ".UD1")}
DIRECTIONS = {"knet": ("E-W", "N-S", "U-D"), "surface": ("5", "4", "6"), "borehole": ("2", "1", "3")}
SCALE = (3920, 6182761)
OFFSETS = (-12085, 31000, 150)
QUANTISATION_GAL = SCALE[0] / SCALE[1]


def write(folder, data, rate_hz: float = 100.0, sensor: str = "knet", station: str = "TST001", **changes) -> list[Path]:
    """Three files (E, N, Z); `data` (3, samples) in gal, without a mean.  `changes`: header values by their printed names."""
    files = []
    for samples, suffix, direction, offset in zip(np.asarray(data), SUFFIXES[sensor], DIRECTIONS[sensor], OFFSETS):
        counts = np.rint(samples * SCALE[1] / SCALE[0]).astype(int) + offset
        header = {
            "Origin Time": "2020/01/02 12:04:05", "Lat.": "38.500", "Long.": "143.250", "Depth. (km)": "19", "Mag.": "6.5",
            "Station Code": station, "Station Lat.": "38.2500", "Station Long.": "141.5000", "Station Height(m)": "66",
            "Record Time": "2020/01/02 12:04:35", "Sampling Freq(Hz)": f"{rate_hz:g}Hz",
            "Duration Time(s)": f"{len(samples) / rate_hz:g}", "Dir.": direction, "Scale Factor": f"{SCALE[0]}(gal)/{SCALE[1]}",
            "Max. Acc. (gal)": f"{np.abs(samples - samples.mean()).max():.3f}",
            "Last Correction": "2020/01/02 12:04:20", "Memo.": "",
        }
        header.update(changes)
        lines = [f"{key:<18}{value}" for key, value in header.items() if value is not None]
        lines += ["".join(f"{count:9d}" for count in counts[row:row + 8]) + " " for row in range(0, len(counts), 8)]
        file = Path(folder, f"{station}2001021204{suffix}")
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        files.append(file)
    return files
