"""When the samples of an OpenEEW device were taken: packets, their clocks and their true rate.

A packet holds the samples of about a second and the time of the last one by the device's clock.  Measured
on the public archive (2017 to 2020): the nominal rate is not the true one (31.07 to 31.33 Hz for 31.25);
before March 2018 about 1.3 samples are missing between any two packets; some devices' clocks are wrong by
up to an hour, against the receiving server's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tng.records import RATES_HZ, DataError, FormatError, SamplingError
from tng.sources import RawFile

AXES = "xyz"
KEYS = ("device_id", "x", "y", "z", "cloud_t", "sr")
MOST_BYTES, MOST_LINE_BYTES = 16 << 20, 256 << 10                   # of a file, a packet
MOST_PACKETS, MOST_SAMPLES = 90_000, 4096                           # of a day, a packet
LARGEST_GAL = 1e6                                                      # a thousand g
LATEST_S = 4102444800.0                                             # the year 2100
LAG_S = 0.19             # median time from a packet's last sample to its arrival at the server
CLOCK_WITHIN_S = 1.0     # device clocks that are off by more are corrected
# In parts of a packet's nominal length: 32 samples at 31.25 Hz, 1.024 s.
BREAK = (0.5, 1.5625)    # steps outside are breaks (1.6 s)
SLOWEST = 1.05 / 1.024   # longer steps are not a slow rate but a hole after each packet
HOLES_RATE = 31.31 / 31.25  # true rate to nominal of devices with such holes
LINE_WITHIN_S = 0.06     # jitter of packet times that a straight line takes away


@dataclass(frozen=True)
class Packet:
    """What one line of a file holds; `values` has shape (3, samples), rows x, y, z [cm/s²]."""

    device_t: float
    cloud_t: float
    rate_hz: float
    values: np.ndarray
    file: int


@dataclass(frozen=True)
class Segment:
    """Packets without a break.

    Attributes
    ----------
    ends_s : array, shape (packets,)
        Time of the last sample of each packet, corrected [s since 1970].
    values : array, shape (packets, 3, samples)
    files : array, shape (packets,)
        Number of the file that each packet comes from.
    rate_hz, interval_s : float
        Nominal rate, and the true time between samples within a packet.
    holes : bool
        Whether samples are missing after each packet.
    lag_s : float
        Median of the server's less the device's clock, before the correction.
    """

    ends_s: np.ndarray
    values: np.ndarray
    files: np.ndarray
    rate_hz: float
    interval_s: float
    holes: bool
    lag_s: float

    @property
    def start_s(self) -> float:
        return float(self.ends_s[0] - (self.values.shape[2] - 1) * self.interval_s)

    @property
    def end_s(self) -> float:
        return float(self.ends_s[-1])

    def between(self, first_s: float, last_s: float) -> slice:
        """The packets that have samples in a span of time."""
        length = self.values.shape[2] * self.interval_s
        return slice(int(np.searchsorted(self.ends_s, first_s)), int(np.searchsorted(self.ends_s - length, last_s)))

    def samples(self, first_s: float, last_s: float) -> tuple[np.ndarray, np.ndarray]:
        """Times, shape (samples,), and values, shape (3, samples), of the packets in a span of time."""
        part = self.between(first_s, last_s)
        values = self.values[part]
        back = self.interval_s * np.arange(values.shape[2] - 1, -1, -1)
        times = (self.ends_s[part, None] - back).ravel()
        rising = times > np.maximum.accumulate(np.r_[-np.inf, times[:-1]])
        return times[rising], values.transpose(1, 0, 2).reshape(3, -1)[:, rising]

    def steps(self, first_s: float, last_s: float) -> np.ndarray:
        """Steps between packets in a span of time, in parts of the usual one."""
        steps = np.diff(self.ends_s)
        return steps[slice(*self.between(first_s, last_s).indices(len(steps)))] / np.median(steps)


def packets(file: RawFile, number: int) -> tuple[str, list[Packet]]:
    """The device and the packets of one file.

    Raises
    ------
    FormatError, SamplingError, DataError
        Name the file and the line.
    """
    if file.size > MOST_BYTES:
        raise FormatError(f"{file.name}: larger than {MOST_BYTES >> 20} MB; OpenEEW's files hold minutes to an hour, "
                          "cut it first")
    found: list[Packet] = []
    devices: set[str] = set()
    for count, line in enumerate(file.read().removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if not line.strip():
            continue
        if len(found) == MOST_PACKETS:
            raise FormatError(f"{file.name}: more than {MOST_PACKETS} packets; cut it first")
        device, packet = _packet(line, number, f"{file.name}: line {count}")
        found.append(packet)
        devices.add(device)
    if len(devices) != 1:
        raise FormatError(f"{file.name}: packets of {len(devices)} devices ({', '.join(sorted(devices)[:5])}); one is needed")
    return devices.pop(), found


def _packet(line: bytes, number: int, where: str) -> tuple[str, Packet]:
    if len(line) > MOST_LINE_BYTES:
        raise FormatError(f"{where} is longer than {MOST_LINE_BYTES >> 10} kB; it is not a packet of an OpenEEW device")
    try:
        stated = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not JSON ({error}); the file is damaged or cut off") from error
    missing = [key for key in KEYS if key not in stated] if isinstance(stated, dict) else ["device_id"]
    if missing:
        raise FormatError(f"{where} has no {', '.join(missing)}; it is not a packet of an OpenEEW device")
    device = stated["device_id"]
    if not (isinstance(device, str) and re.fullmatch(r"[\w.-]{1,40}", device)):
        raise FormatError(f"{where}: device_id {_shown(device)}; letters and digits are needed")
    rate = number_of(stated["sr"], "sr", where)
    if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        raise SamplingError(f"{where}: sampling rate (sr) {rate:g}; between {RATES_HZ[0]} and {RATES_HZ[1]} Hz is needed")
    cloud = _time(stated["cloud_t"], "cloud_t", where)
    clock = stated.get("device_t")
    return device, Packet(cloud if clock is None else _time(clock, "device_t", where), cloud, rate, _axes(stated, where), number)


def _axes(stated: dict, where: str) -> np.ndarray:
    """Samples of x, y, z, shape (3, samples)."""
    lists = [stated[axis] for axis in AXES]
    if not all(isinstance(values, list) and set(map(type, values)) <= {int, float} for values in lists):
        raise FormatError(f"{where}: x, y and z must be lists of numbers")
    lengths = [len(values) for values in lists]
    if len(set(lengths)) != 1 or not 1 <= lengths[0] <= MOST_SAMPLES:
        raise FormatError(f"{where}: x, y, z of {', '.join(map(str, lengths))} samples; equal lengths of 1 to {MOST_SAMPLES} "
                          "are needed")
    try:
        samples = np.array(lists, dtype=np.float64)
    except OverflowError:
        samples = np.full((3, 1), np.inf)
    if not (np.abs(samples) < LARGEST_GAL).all():
        raise DataError(f"{where}: values that are not finite numbers, or larger than {LARGEST_GAL:g} gal")
    return samples


def number_of(value: object, key: str, where: str) -> float:
    """A finite number that a file states.

    Raises
    ------
    FormatError
        If it is none.
    """
    try:
        number = float(value) if type(value) in (int, float) else math.nan
    except OverflowError:
        number = math.nan
    if not math.isfinite(number):
        raise FormatError(f"{where}: {key} is {_shown(value)}; a number is needed")
    return number


def _shown(value: object) -> str:
    return repr(value)[:50] if isinstance(value, (str, float, int, type(None))) else f"a {type(value).__name__}"


def _time(value: object, key: str, where: str) -> float:
    time = number_of(value, key, where)
    if not 0 < time < LATEST_S:
        raise FormatError(f"{where}: {key} {time:g}; seconds since 1970 are needed")
    return time


def segments(found: Sequence[Packet]) -> list[Segment]:
    """Packets in the order of the device's clock, without copies, cut where the stream breaks."""
    unique = {(one.device_t, one.values.tobytes()): one for one in found}
    ordered = sorted(unique.values(), key=lambda one: (one.device_t, one.cloud_t))
    device = np.array([one.device_t for one in ordered])
    nominal = np.array([one.values.shape[1] / one.rate_hz for one in ordered])
    kinds = np.array([(one.values.shape[1], one.rate_hz) for one in ordered])
    lag = float(np.median([one.cloud_t for one in ordered] - device))
    times = device + (lag - LAG_S if abs(lag) > CLOCK_WITHIN_S else 0.0)
    steps = np.diff(device) / nominal[1:]
    breaks = (steps > BREAK[1]) | (steps < BREAK[0]) | (kinds[1:] != kinds[:-1]).any(axis=1)
    return [_segment(ordered[part[0]:part[-1] + 1], times[part], lag)
            for part in np.split(np.arange(len(ordered)), np.flatnonzero(breaks) + 1) if len(part) > 1]


def _segment(packets: Sequence[Packet], ends: np.ndarray, lag: float) -> Segment:
    rate, count = packets[0].rate_hz, packets[0].values.shape[1]
    step = float(np.median(np.diff(ends)))
    holes = step * rate / count >= SLOWEST
    number = np.arange(len(ends))
    line = np.polynomial.Polynomial.fit(number, ends - ends[0], 1)(number) + ends[0]
    if np.abs(line - ends).max() < LINE_WITHIN_S:
        ends = line
    return Segment(ends, np.stack([one.values for one in packets]), np.array([one.file for one in packets]), rate,
                   1 / (HOLES_RATE * rate) if holes else step / count, holes, lag)
