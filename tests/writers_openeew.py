"""Synthetic OpenEEW files: quiet, the given shaking, quiet again, as packets of an invented device above its earthquake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tng.readers.options import Options

DEVICE, LATITUDE, LONGITUDE = "990", 17.0, -100.0
START_S = 1_600_000_000.0                     # 2020-09-13 12:26:40 UTC
QUIET_S = (60.0, 75.0)                        # before and after the shaking
TRAVEL_S = 20 / 6.8                           # P from 20 km below the device


def write(folder, data, rate_hz: float = 100.0, *, axes: str = "yzx", device: str = DEVICE, sr: float | None = None,
          step_s: float | None = None, clock_error_s: float = 0.0, jitter_s: float = 0.0, noise_gal: float = 0.01,
          samples: int = 32, files: int = 1, drop=(), seed: int = 0) -> list[Path]:
    """Write `data` (rows E, N, Z [cm/s²]) and, beside the packets, `events.csv` and `device_locations.json`.

    `axes` are the device's axes along E, N, Z; `rate_hz` the true rate, `sr` the stated one; `step_s` the time
    between packets where some is lost after each; `drop` numbers of packets that are left out.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed)
    times, stream = stream_of(data, rate_hz, samples, step_s)
    stream = stream + noise_gal * noise.standard_normal(stream.shape)
    lines = []
    for number in range(stream.shape[1] // samples):
        if number in drop:
            continue
        part = slice(number * samples, (number + 1) * samples)
        end = START_S + times[part][-1]
        packet = {"country_code": "mx", "device_id": device}
        packet |= {axis: [round(float(value), 3) for value in stream[axes.index(axis), part]]
                   for axis in "xyz"}
        packet |= {"device_t": end + clock_error_s + jitter_s * noise.uniform(-1, 1), "cloud_t": end + 0.19, "sr": sr or rate_hz}
        lines.append(json.dumps(packet))
    tables(folder, device)
    cuts = np.linspace(0, len(lines), files + 1).astype(int)
    paths = [folder / f"{30 + 5 * place}.jsonl" for place in range(files)]
    for path, first, last in zip(paths, cuts, cuts[1:]):
        path.write_text("\n".join(lines[first:last]) + "\n")
    return paths


def stream_of(data, rate_hz: float, samples: int, step_s: float | None = None):
    """Times [s] of the samples of whole packets, and the shaking between its quiet."""
    data = np.asarray(data, dtype=float)
    before, after = (round(length * rate_hz) for length in QUIET_S)
    stream = np.pad(data, ((0, 0), (before, after)))
    stream = stream[:, :stream.shape[1] // samples * samples]
    number = np.arange(stream.shape[1])
    times = number / rate_hz if step_s is None else number // samples * step_s + number % samples / rate_hz
    return times, stream


def tables(folder: Path, device: str = DEVICE, origins=((START_S + QUIET_S[0] - TRAVEL_S, 5.0),)) -> None:
    """Earthquakes below the device, as time [s since 1970] and magnitude, and its position."""
    rows = [f"{np.datetime64(round(time * 1000), 'ms')}Z,{LATITUDE},{LONGITUDE},{magnitude}" for time, magnitude in origins]
    (folder / "events.csv").write_text("\n".join(["origin_time_utc,latitude_deg,longitude_deg,magnitude", *rows]) + "\n")
    places = [{"device_id": device, "latitude": LATITUDE, "longitude": LONGITUDE, "elev": 0}]
    (folder / "device_locations.json").write_text(json.dumps(places))


def options(folder, **changes) -> Options:
    """What the reader needs beside the packets."""
    folder = Path(folder)
    tables = {"events": folder / "events.csv", "devices": folder / "device_locations.json"}
    return Options(**{"vertical_axis": "x", **tables, **changes})
