"""miniSEED (SEED data records), read by ObsPy after the structure of every record was checked here.

Traps: the file holds counts and no unit (see `_inventory`); one file may hold one channel or many stations; a
channel may come in pieces.  Pieces less than a minute apart are one record, and what was filled in between them is
reported; pieces farther apart are records of their own.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import numpy as np

from tng.channels import Channel, Refusal
from tng.readers import _counts, _inventory
from tng.readers._counts import LICENCE, MOST_SAMPLES
from tng.readers._inventory import Source
from tng.readers.options import Options
from tng.records import RATES_HZ, DataError, FormatError, RecordError, SamplingError
from tng.sources import RawFile

NAME = "miniseed"
DESCRIPTION = "miniSEED 2, one or many channels; unit and direction from StationXML (or declared)"

HEADER_BYTES = 48
MOST_RECORDS = 100_000
LONGEST_GAP_S = 60.0            # within one record
QUALITIES = b"DRQM"
CONTROL = b"VAST"               # volume, abbreviation, station, time-span headers of a full SEED volume
TEXT = 0
# encoding → most samples in one byte of data
DENSITY = {1: 1 / 2, 2: 1 / 3, 3: 1 / 4, 4: 1 / 4, 5: 1 / 8, 10: 1, 11: 7 / 4, 12: 1 / 3, 13: 1 / 2, 14: 1 / 2, 16: 1 / 2,
           30: 1 / 2, 32: 1 / 2}


def sniff(head: bytes, name: str) -> bool:
    """Whether a file starts with a data record of SEED (or with miniSEED 3, or a full SEED volume, to say why not)."""
    if head[:3] == b"MS\x03" or _is_volume(head):
        return True
    return (len(head) >= HEADER_BYTES and _is_sequence(head[:6]) and head[6] in QUALITIES and head[7] in b" \0"
            and _order(head[:HEADER_BYTES]) is not None)


def group(head: bytes, name: str) -> tuple[str, float | None] | None:
    """Files of one sensor (network, station, location, band and instrument) that start together."""
    if len(head) < HEADER_BYTES or head[6] not in QUALITIES or _order(head[:HEADER_BYTES]) is None:
        return None
    network, station, location, channel = _codes(head)
    return f"{network}.{station}.{location}.{channel[:-1]}", _time(head, _order(head[:HEADER_BYTES])).timestamp()


def read(file: RawFile, options: Options) -> list[Channel | Refusal]:
    """Read all channels of a file; a refusal for each sensor that cannot be used, if there are several.

    Raises
    ------
    FormatError, UnitsError, SamplingError, ComponentError, DataError
        All name the file and say what was found.
    """
    raw = file.read()
    sound = _sound(raw, file.name)
    sha256 = hashlib.sha256(raw).hexdigest()
    sensors: dict[tuple, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for trace in _traces(sound, file.name):
        codes = trace.stats
        key = (codes.network, codes.station, _inventory.location_code(codes.location), codes.channel[:-1])
        sensors[key][codes.channel].append(trace)
    made: list[Channel | Refusal] = []
    for key, channels in sensors.items():
        try:
            made += [part for code, traces in channels.items()
                     for part in _parts((*key[:3], code), traces, file.name, sha256, options)]
        except RecordError as error:
            if len(sensors) == 1:
                raise
            made.append(Refusal(f"{file.name}: {'.'.join(key)}", error))
    return made


# --- the structure of the file ----------------------------------------------------------------------------

class _Header(NamedTuple):
    codes: tuple[str, str, str, str]
    samples: int
    length: int


def _sound(raw: bytes, name: str) -> bytes:
    """The whole, sound records that hold samples: the C library is handed nothing else."""
    if raw[:3] == b"MS\x03":
        raise FormatError(f"{name}: miniSEED version 3, which is not read; convert it to version 2 (for example with "
                          "mseedconvert -F 2)")
    if _is_volume(raw):
        raise FormatError(f"{name}: a full SEED volume with control headers; extract its data as miniSEED and its responses as "
                          "StationXML first")
    counts: dict[tuple, int] = defaultdict(int)
    kept = []
    place = records = 0
    while place < len(raw):
        if records and _is_blank(raw[place:place + HEADER_BYTES]) and _is_blank(raw[place:]):
            break                                                   # padding after the last record
        header = _record(raw, place, name)
        if header.samples:
            kept.append(raw[place:place + header.length])
        counts[header.codes] += header.samples
        place += header.length
        records += 1
        if counts[header.codes] > MOST_SAMPLES or records > MOST_RECORDS:
            raise DataError(f"{name}: more than {MOST_SAMPLES} samples of a channel, or {MOST_RECORDS} records of SEED; cut "
                            "it to the event first")
    if not kept:
        raise FormatError(f"{name}: no samples in its {records} records (only text or headers)")
    return b"".join(kept)


def _record(raw: bytes, place: int, name: str) -> _Header:
    """The header of the record at a place, after a check of its structure."""
    where = f"{name}: the record at byte {place}"
    head = raw[place:place + HEADER_BYTES]
    if len(head) < HEADER_BYTES:
        raise FormatError(f"{where} is cut off in its header; the file is incomplete")
    order = _order(head)
    if not _is_sequence(head[:6]) or head[6] not in QUALITIES or order is None:
        raise FormatError(f"{where} is not a data record of miniSEED; the file is damaged")
    if not all(32 <= byte < 127 or not byte for byte in head[8:20]):
        raise FormatError(f"{where} names its channel {head[8:20]!r}, which is not text; the file is damaged")
    samples, = struct.unpack_from(order + "H", head, 30)
    data_at, blockette_at = struct.unpack_from(order + "HH", head, 44)
    encoding = length = None
    seen = 0
    while blockette_at:
        at = place + blockette_at
        if not seen < blockette_at or blockette_at < HEADER_BYTES or at + 8 > len(raw):
            raise FormatError(f"{where} has blockettes that lead out of it or back; the file is damaged")
        kind, following = struct.unpack_from(order + "HH", raw, at)
        if kind == 1000:
            encoding, exponent = raw[at + 4], raw[at + 6]
            length = 1 << exponent if 7 <= exponent <= 20 else 0
        seen, blockette_at = blockette_at, following
    if length is None:
        raise FormatError(f"{where} has no blockette 1000, which tells its length and encoding; convert the file to miniSEED 2")
    if not length or seen >= length:
        raise FormatError(f"{where} states an impossible length; the file is damaged")
    if place + length > len(raw):
        raise FormatError(f"{where} should have {length} bytes, but {len(raw) - place} are left; the file is incomplete")
    if encoding == TEXT:
        samples = 0                                                 # the log of a station
    elif samples:
        if encoding not in DENSITY:
            raise FormatError(f"{where} holds samples of the unknown encoding {encoding}; convert it to Steim2 or whole numbers")
        if not HEADER_BYTES <= data_at < length or samples > DENSITY[encoding] * (length - data_at):
            raise FormatError(f"{where} states {samples} samples, more than its {length} bytes can hold; the file is damaged")
    return _Header(_codes(head), samples, length)


def _is_volume(head: bytes) -> bool:
    return len(head) > 15 and head[:6].isdigit() and head[6] in CONTROL and head[7] in b" *" and head[8:15].isdigit()


def _is_blank(text: bytes) -> bool:
    return not text.strip(b"\0 ")


def _is_sequence(text: bytes) -> bool:
    return all(byte in b"0123456789 \0" for byte in text)


def _order(head: bytes) -> str | None:
    """Byte order in which the start time makes sense, ``>`` or ``<``; None if it makes none."""
    for order in "><":
        year, day, hour, minute, second, _, fraction = struct.unpack_from(order + "HHBBBBH", head, 20)
        if 1900 <= year <= 2100 and 1 <= day <= 366 and hour < 24 and minute < 60 and second <= 60 and fraction < 10_000:
            return order
    return None


def _time(head: bytes, order: str) -> datetime:
    year, day, hour, minute, second, _, fraction = struct.unpack_from(order + "HHBBBBH", head, 20)
    return datetime(year, 1, 1, tzinfo=timezone.utc) + timedelta(
        days=day - 1, hours=hour, minutes=minute, seconds=second, microseconds=fraction * 100)


def _codes(head: bytes) -> tuple[str, str, str, str]:
    """Network, station, location and channel."""
    station, location, channel, network = (head[a:b].decode("ascii", "replace").strip("\0 ")
                                           for a, b in ((8, 13), (13, 15), (15, 18), (18, 20)))
    return network, station, _inventory.location_code(location), channel


# --- samples ----------------------------------------------------------------------------------------------

def _traces(raw: bytes, name: str) -> list:
    import obspy

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            stream = obspy.read(io.BytesIO(raw), format="MSEED")
        except Exception as error:  # libmseed's complaints come as errors of many kinds
            raise FormatError(f"{name}: ObsPy cannot read it as miniSEED ({str(error).strip()[:150]})") from error
    broken = [str(one.message) for one in heard if "MSEED" in one.category.__name__]
    if broken:
        raise DataError(f"{name}: damaged samples ({broken[0].strip()[:150]}); fetch the file again")
    return [trace for trace in stream if trace.stats.npts]


def _parts(codes: tuple[str, str, str, str], traces: list, name: str, sha256: str, options: Options) -> list[Channel]:
    """The pieces of one channel as components, one for each stretch without a long gap."""
    network, station, location, channel = codes
    label = f"{name}: channel {channel}"
    rates = {trace.stats.sampling_rate for trace in traces}
    rate_hz = float(traces[0].stats.sampling_rate)
    if not all(RATES_HZ[0] <= rate <= RATES_HZ[1] for rate in rates):
        raise SamplingError(f"{label} has {', '.join(f'{rate:g}' for rate in sorted(rates))} samples a second; between "
                            f"{RATES_HZ[0]} and {RATES_HZ[1]} Hz are taken")
    if max(rates) - min(rates) > 1e-4 * rate_hz:
        raise SamplingError(f"{label} changes its sampling rate ({', '.join(f'{rate:g}' for rate in sorted(rates))} Hz)")
    made = []
    for stretch in _stretches(traces):
        samples, gaps = _joined(stretch, rate_hz, label)
        start = stretch[0].stats.starttime.datetime.replace(tzinfo=timezone.utc)
        source = Source(name, network, station, location, channel, rate_hz, start,
                        _inventory.last_sample(start, len(samples), rate_hz))
        gal, meta, instrument = _counts.to_gal(samples, source, options, "miniSEED")
        azimuth, sign = _counts.direction(source, *((instrument.azimuth_deg, instrument.dip_deg) if instrument else (None, None)))
        meta = {"station_network_code": network, "station_location_code": location, "station_vs30_mps": np.nan,
                "trace_source_format": NAME, "trace_license": LICENCE, **_inventory.site(instrument), **meta}
        made.append(Channel(sign * gal, rate_hz, station, azimuth, channel, name, sha256, start,
                            sensor=f"{network}.{location}.{channel[:-1]}", gaps=tuple(gaps), meta=meta))
    return made


def _stretches(traces: list) -> list[list]:
    """Pieces in the order of time, apart where more than a minute is missing."""
    found: list[list] = []
    end = None
    for trace in sorted(traces, key=lambda trace: trace.stats.starttime):
        if end is None or trace.stats.starttime - end > LONGEST_GAP_S:
            found.append([])
            end = trace.stats.endtime
        found[-1].append(trace)
        end = max(end, trace.stats.endtime)
    return found


def _joined(traces: list, rate_hz: float, label: str) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Pieces laid on one time axis; what is missing between them is interpolated, and told as (first, last + 1)."""
    first = traces[0].stats.starttime
    places = [round((trace.stats.starttime - first) * rate_hz) for trace in traces]
    total = max(place + trace.stats.npts for place, trace in zip(places, traces))
    if total > MOST_SAMPLES:
        raise DataError(f"{label} spans {total} samples, more than {MOST_SAMPLES}; cut it to the event first")
    samples, known = np.zeros(total), np.zeros(total, dtype=bool)
    for place, trace in zip(places, traces):
        span = slice(place, place + trace.stats.npts)
        again = known[span]
        if (samples[span][again] != trace.data[again]).any():
            raise DataError(f"{label} holds two different versions of the {again.sum()} samples from {trace.stats.starttime} on; "
                            "keep one of them")
        samples[span], known[span] = trace.data, True
    missing = np.flatnonzero(~known)
    if not missing.size:
        return samples, []
    counts = (samples[known] == np.rint(samples[known])).all()
    filled = np.interp(missing, np.flatnonzero(known), samples[known])
    samples[missing] = np.rint(filled) if counts else filled       # counts stay whole numbers, by which they are known
    runs = np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1)
    return samples, [(int(run[0]), int(run[-1]) + 1) for run in runs]
