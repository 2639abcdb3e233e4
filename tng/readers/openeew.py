"""OpenEEW: continuous acceleration of low-cost sensors, one JSON object a line and about a second.

The files know neither earthquakes nor which axis is vertical.  A list of earthquakes says when to look, and a
record is made where the shaking of one is in the data.  Travel times are those of one crustal velocity: they
only say where to look, the onset is found in the data.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import butter, sosfiltfilt

from tng import catalogue
from tng.catalogue import Event
from tng.channels import Refusal, iso
from tng.readers._openeew_clock import AXES, KEYS, MOST_PACKETS, Packet, Segment, number_of, packets, segments
from tng.readers.options import Options
from tng.records import ComponentError, DataError, FormatError, Record, RecordError, SamplingError
from tng.sources import RawFile

NAME = "openeew"
DESCRIPTION = "OpenEEW JSON lines (x, y, z in gal; needs the vertical axis, a list of earthquakes and positions)"
LICENCE = "CC BY-SA 4.0, Grillo / OpenEEW; attribution and share-alike"

# Where to look for an earthquake: speeds [km/s] by hypocentral distance, a depth for all, S by P travel time.
NEAR_KM, NEAR_KMPS, FAR_KMPS, DEPTH_KM, S_BY_P = 150.0, 6.8, 7.6, 20.0, 1.75
EARLIER_S, LATER_S = 6.0, 3.0              # the onset is sought from P - 6 s to S + 3 s
BAND_HZ, ORDER = (1.0, 12.0), 4            # Butterworth, both ways
NOISE_S, ONSET_S, ONSET_RATIO = 20.0, 0.5, 8.0
BEFORE_S, WINDOW_S, STRONGEST_S = 5.0, 60.0, 2.0
LONGEST_TRAVEL_S = 5000.0                  # S to the other side of the Earth by that speed
MARGIN_S = 600.0                           # data beyond what is measured, for the filter to settle
KEPT_S = (30.0, 90.0)                      # a record reaches from 30 s before its onset to 90 s after
EVEN = (0.7, 1.3)                          # steps between packets, to the usual one


def sniff(head: bytes, name: str) -> bool:
    """Whether the first line is an object with a device, three axes, a clock and a rate."""
    line = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    return line.startswith(b"{") and all(re.search(rb'"%s"\s*:' % key.encode(), line) for key in KEYS)


def group(head: bytes, name: str) -> tuple[str, float | None] | None:
    """All files of one device and day (UTC) belong together, in whatever folders they lie."""
    line = head.lstrip().split(b"\n", 1)[0]
    device = re.search(rb'"device_id"\s*:\s*"([^"\\]{1,40})"', line)
    country = re.search(rb'"country_code"\s*:\s*"([^"\\]{1,10})"', line)
    received = re.search(rb'"cloud_t"\s*:\s*([0-9.]{1,20})\s*[,}]', line)
    try:
        day = datetime.fromtimestamp(float(received[1]), timezone.utc)
        return f"/{country[1].decode() if country else ''}/{device[1].decode()}/{day:%Y-%m-%d}", None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def read(file: RawFile, options: Options) -> list[Record | Refusal]:
    """The records of one file; errors as for :func:`read_together`."""
    return read_together([file], options)


def read_together(files: Sequence[RawFile], options: Options) -> list[Record | Refusal]:
    """The records of all files of one device: one for each earthquake whose predicted P and S they hold.

    A record starts up to 30 s before the onset and ends up to 90 s after it, at the nominal rate.  E and N are
    two orthogonal horizontals of unknown azimuth (in the order of the file), and Z may point down: measure what
    does not depend on it.  The onset's sample, and the ratio of signal to noise of the 60 s from 5 s before it,
    are among the columns.

    Raises
    ------
    ComponentError
        The vertical axis is not declared.
    DataError, FormatError, SamplingError
        No earthquakes or positions are given, or none fits; a damaged file.
    """
    name = " + ".join(file.name for file in files)
    order = _order(options, name)
    if options.events is None or options.devices is None:
        what, option = (("a list of the earthquakes to look for", "events (a CSV file or events.txt)")
                        if options.events is None else ("the positions of the devices", "devices (device_locations.json)"))
        raise DataError(f"{name}: continuous data of a sensor; {what} is needed: give the option {option}")
    made: list[Record | Refusal] = []
    stream: list[Packet] = []
    device = None
    for number, file in enumerate(files):
        try:
            found, more = packets(file, number)
            if device not in (None, found):
                raise FormatError(f"{file.name}: device {found}, but others that were given with it are of {device}; "
                                  "read the devices one by one")
            if len(stream) + len(more) > MOST_PACKETS:
                raise FormatError(f"{file.name}: with it, device {found} has more than {MOST_PACKETS} packets in a day; cut "
                                  "the data to the earthquakes first")
            device = found
            stream += more
        except RecordError as error:
            made.append(Refusal(file.name, error))
    if not stream:
        return made
    site = _site(options.devices, device, name)
    parts = [_even(part, name) for part in segments(stream)]
    if not parts:
        raise DataError(f"{name}: {len(stream)} packets without a second one that follows; nothing continuous")
    first, last = min(part.start_s for part in parts), max(part.end_s for part in parts)
    records = []
    for event in catalogue.read(options.events):
        if first - LONGEST_TRAVEL_S < event.origin.timestamp() < last:
            try:
                record = _record(event, site, parts, files, order)
                records += [record] if record else []
            except RecordError as error:
                made.append(Refusal(f"{name} ({event.id})", error))
    made += _apart(records)
    if not made:
        raise DataError(f"{name}: no earthquake of {options.events.name} reaches device {device} between {_iso(first)} and "
                        f"{_iso(last)}")
    return made


def _apart(found: Sequence[Record]) -> list[Record | Refusal]:
    """Records without those that show the shaking of a larger earthquake, or the same one a second time."""
    kept: dict[float, Record] = {}
    made: list[Record | Refusal] = []
    for record in sorted(found, key=lambda one: -np.nan_to_num(one.meta["source_magnitude"], nan=-9.0)):
        onset = datetime.fromisoformat(record.meta["trace_start_time"]).timestamp()
        onset += record.meta["trace_p_arrival_sample"] / record.sampling_rate_hz
        other = next((one for time, one in kept.items() if abs(time - onset) < WINDOW_S), None)
        if other:
            made.append(Refusal(f"{record.name} ({record.event})", DataError(
                f"{record.name}: the window of earthquake {record.event} overlaps that of {other.event}, which is larger")))
        else:
            kept[onset] = record
    return sorted(kept.values(), key=lambda one: one.event) + made


def _order(options: Options, name: str) -> str:
    """The axes that stand for E, N and Z."""
    if options.vertical_axis is None:
        raise ComponentError(f"{name}: which of x, y, z is vertical is not in the file; give the option vertical_axis (x for the "
                             "devices 000 to 025 by OpenEEW's documentation of devices)")
    return AXES.replace(options.vertical_axis, "") + options.vertical_axis


def _even(part: Segment, name: str) -> Segment:
    """The segment, if its clock fits its nominal rate."""
    if not 0.9 < part.interval_s * part.rate_hz < 1.1:
        raise SamplingError(f"{name}: samples every {part.interval_s:.4g} s by the device's clock, but its sampling rate (sr) "
                            f"says {1 / part.rate_hz:.4g} s; the clock or the rate is wrong")
    return part


def _site(path: Path, device: str, name: str) -> dict[str, float | str]:
    """Where a device stands, as columns."""
    try:
        listed = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: positions of devices that cannot be read ({error})") from error
    rows = [row for row in listed if isinstance(row, dict) and row.get("device_id") == device] if isinstance(listed, list) else []
    rows = [row for row in rows if row.get("is_current_row", True)]
    if not rows:
        raise FormatError(f"{name}: device {device} is not in {Path(path).name}; give a list that holds it")
    where = f"{Path(path).name}: device {device}"
    place = [number_of(rows[-1].get(key), key, where) for key in ("latitude", "longitude")]
    if not (abs(place[0]) <= 90 and abs(place[1]) <= 360):
        raise FormatError(f"{where} at latitude {place[0]:g}, longitude {place[1]:g}; degrees are needed")
    return {"station_code": device, "station_latitude_deg": place[0], "station_longitude_deg": place[1]}


def _record(event: Event, site: dict, parts: Sequence[Segment], files: Sequence[RawFile], order: str) -> Record | None:
    """The record of one earthquake; None if its predicted P and S lie outside the data.

    Raises
    ------
    DataError
        If the data hold it only in part, or have a gap.
    """
    epicentral_km = float(catalogue.distance_km(event.latitude_deg, event.longitude_deg,
                                                site["station_latitude_deg"], site["station_longitude_deg"]))
    origin = event.origin.timestamp()
    distance_km = math.hypot(epicentral_km, DEPTH_KM)
    travel = distance_km / (NEAR_KMPS if distance_km < NEAR_KM else FAR_KMPS)
    p, s = origin + travel, origin + S_BY_P * travel
    if not any(part.start_s < s and p < part.end_s for part in parts):
        return None
    name = f"{' + '.join(file.name for file in files)}: the earthquake of {iso(event.origin)}"
    part = next((part for part in parts if part.start_s < p - EARLIER_S - ONSET_S and s < part.end_s), None)
    if part is None:
        raise DataError(f"{name}: its predicted P and S ({travel:.0f} and {S_BY_P * travel:.0f} s after it) are not both covered "
                        "by the data")
    times, data, coarse = _grid(part, p, s, name)
    onset, picked, snr = _onset(part, times, coarse, p, s, name)
    first, last = max(0, onset - int(KEPT_S[0] * part.rate_hz)), onset + int(KEPT_S[1] * part.rate_hz) + 1
    times, data = times[first:last], data[:, first:last]
    used = sorted({int(number) for number in part.files[part.between(times[0], times[-1])]})
    digests = sorted(files[number].sha256() for number in used)
    meta = {
        **{key: value for key, value in site.items() if key != "station_code"},
        "station_network_code": "OPENEEW",
        "station_location_code": "",
        "station_vs30_mps": math.nan,
        "source_origin_time": iso(event.origin),
        "source_latitude_deg": event.latitude_deg,
        "source_longitude_deg": event.longitude_deg,
        "source_depth_km": event.depth_km,
        "source_magnitude": event.magnitude,
        "path_ep_distance_km": round(epicentral_km, 3),
        "trace_category": "earthquake",
        "trace_start_time": _iso(times[0]),
        "trace_p_arrival_sample": float(onset - first),
        "trace_p_status": "automatic" if picked else "predicted",
        "trace_snr": round(snr, 3),
        "trace_packet_holes": part.holes,
        "trace_clock_lag_s": round(part.lag_s, 3),
        "trace_azimuth_known": False,
        "trace_component_order_source": ",".join(order),
        "trace_units_declared": "gal (OpenEEW's documentation)",
        "trace_processing": f"cubic interpolation from {1 / part.interval_s:.2f} Hz; nothing filtered",
        "trace_bandlimit_hz": min(part.rate_hz, 1 / part.interval_s) / 2,
        "trace_source_format": NAME,
        "trace_source_file": " + ".join(files[number].name for number in used),
        "trace_source_sha256": digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest(),
        "trace_license": LICENCE,
    }
    return Record(data[[AXES.index(axis) for axis in order]], part.rate_hz, site["station_code"], event.id, meta)


def _grid(part: Segment, p: float, s: float, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times around an earthquake at the nominal rate, counted from the segment's start; samples; samples to find it in.

    The record is interpolated by cubic splines, which keep its peaks (.99 of the raw ones in the median).  The
    onset and the ratio of signal to noise are sought in straight lines between the samples: these lose a tenth
    of the peaks, but are less moved by the holes between packets, and are how the windows known as the 77
    records of seven devices were chosen.
    """
    rate = part.rate_hz
    if not BAND_HZ[1] < 0.5 * rate:
        raise SamplingError(f"{name}: sampled at {rate:g} Hz; more than {2 * BAND_HZ[1]:g} Hz are needed to find it")
    first = max(0, int((p - EARLIER_S - NOISE_S - MARGIN_S - part.start_s) * rate))
    last = int((min(part.end_s, s + LATER_S + KEPT_S[1] + MARGIN_S) - part.start_s) * rate)
    if last - first < rate * WINDOW_S:
        raise DataError(f"{name}: the data around it last only {max(last - first, 0) / rate:.0f} s")
    times = part.start_s + np.arange(first, last + 1) / rate
    known, values = part.samples(times[0] - 2, times[-1] + 2)
    return times, CubicSpline(known, values, axis=1)(times), np.stack([np.interp(times, known, axis) for axis in values])


def _onset(part: Segment, times: np.ndarray, data: np.ndarray, p: float, s: float, name: str) -> tuple[int, bool, float]:
    """Sample of the onset, whether it was found or is the predicted P, and the ratio of signal to noise of its window.

    The onset is the start of the first half second whose energy is eight times the noise's, between P - 6 s and
    S + 3 s.  The noise is that of the 20 s before: 1.4826 times the median length of the three components' vector.
    """
    rate = part.rate_hz
    band = butter(ORDER, BAND_HZ, "bandpass", fs=rate, output="sos")
    energy = (sosfiltfilt(band, data - data.mean(axis=1, keepdims=True), axis=1) ** 2).sum(axis=0)

    def at(time: float) -> int:
        return max(0, int((time - times[0]) * rate))

    noise = 1.4826**2 * float(np.median(energy[at(p - EARLIER_S - NOISE_S):at(p - EARLIER_S)]))
    sought = slice(at(p - EARLIER_S), at(s + LATER_S))
    loud = np.flatnonzero(_running(energy, int(ONSET_S * rate))[sought] > ONSET_RATIO * noise)
    onset = sought.start + int(loud[0]) if loud.size else at(p)
    begin = onset - round(BEFORE_S * rate)
    end = begin + round(WINDOW_S * rate)
    if begin < 0 or end > len(times):
        raise DataError(f"{name}: only {(min(end, len(times)) - max(begin, 0)) / rate:.1f} s of the {WINDOW_S:g} s from "
                        f"{BEFORE_S:g} s before its onset are in the data")
    steps = part.steps(times[begin], times[end - 1])
    if not ((steps > EVEN[0]) & (steps < EVEN[1])).all():
        raise DataError(f"{name}: a packet is missing in its {WINDOW_S:g} s (steps of {steps.min():.2f} to "
                        f"{steps.max():.2f} times the usual one)")
    strongest = _running(energy[begin:end], int(STRONGEST_S * rate)).max()
    return onset, bool(loud.size), math.sqrt(strongest / noise) if noise > 0 else math.inf


def _running(energy: np.ndarray, length: int) -> np.ndarray:
    """Mean of `length` samples from each sample on."""
    return np.convolve(energy, np.full(length, 1 / length), "valid")


def _iso(time_s: float) -> str:
    return iso(datetime.fromtimestamp(time_s, timezone.utc))
