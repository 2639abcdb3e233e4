"""SAC binary files (one component each), little or big endian, read by ObsPy after the header was checked here.

Traps: the unit is not in the header.  IDEP says at most that it is an acceleration, and nm/s² by the manual, but most
programs write it whatever the unit; it is not believed.  −12345 means undefined.  EVDP was metres in the old
manual and is kilometres in the new one.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import warnings
from datetime import datetime, timedelta, timezone

import numpy as np

from tng.channels import GAL, Channel, iso
from tng.readers import _counts, _inventory
from tng.readers._counts import LICENCE, MOST_SAMPLES
from tng.readers._inventory import Source
from tng.readers.options import Options
from tng.records import RATES_HZ, DataError, FormatError, SamplingError
from tng.sources import RawFile

NAME = "sac"
DESCRIPTION = "SAC binary, one component a file; unit from KUSER0, StationXML or declared"

HEADER_BYTES, FOOTER_BYTES = 632, 176      # version 7 ends with a footer of 22 doubles
UNDEFINED = -12345.0
DEEPEST_KM = 800.0                         # no earthquake is deeper
SYNTHETIC = "SYNTHET"                      # KUSER1 of records that tng made
UNITS = {"cm/s**2": "cm/s2", "m/s**2": "m/s2", "mm/s**2": "mm/s2"}


def sniff(head: bytes, name: str) -> bool:
    """Whether the numbers of a SAC header stand where they must: version, type of file, evenly spaced, some samples."""
    return _order(head) is not None


def group(head: bytes, name: str) -> tuple[str, float | None] | None:
    """Files of one sensor that start together."""
    order = _order(head)
    if order is None:
        return None
    network, station, location, channel = _codes(head)
    start = _start(head, order)
    return f"{network}.{station}.{location}.{channel[:-1]}", start.timestamp() if start else None


def read(file: RawFile, options: Options) -> list[Channel]:
    """Read the component in a file.

    Raises
    ------
    FormatError, UnitsError, SamplingError, ComponentError, DataError
        All name the file and say what was found.
    """
    raw = file.read()
    rate_hz, trace = _trace(raw, file.name)
    order = _order(raw)
    network, station, location, channel = _codes(raw)
    if not station:
        raise FormatError(f"{file.name}: its header names no station (KSTNM); write it into the header")
    start = _start(raw, order)
    with np.errstate(invalid="ignore"):     # NaNs are refused later, with their file's name
        samples = np.asarray(trace.data, dtype=np.float64)
    if not np.isfinite(samples).all():
        infinite = int((~np.isfinite(samples)).sum())
        raise DataError(f"{file.name}: {infinite} samples are not finite numbers; repair or drop the record")
    source = Source(file.name, network, station, location, channel, rate_hz, start,
                    _inventory.last_sample(start, len(samples), rate_hz))
    gal, declared, instrument = _to_gal(samples, source, _text(raw, "kuser0"), options)
    dip = _float(raw, order, "cmpinc")
    stated = (_float(raw, order, "cmpaz"), None if dip is None else dip - 90)
    if dip is None and instrument:
        stated = instrument.azimuth_deg, instrument.dip_deg
    azimuth, sign = _counts.direction(source, *stated)
    event, meta = _event(raw, order)
    meta = {"station_network_code": network, "station_location_code": location, "station_vs30_mps": np.nan,
            "trace_source_format": NAME, "trace_license": LICENCE, **_inventory.site(instrument), **_site(raw, order), **meta,
            **_picks(raw, order, rate_hz, len(samples)), **declared}
    if _text(raw, "kuser1") == SYNTHETIC:
        meta["trace_category"] = "synthetic"
    return [Channel(sign * gal, rate_hz, station, azimuth, channel, file.name, hashlib.sha256(raw).hexdigest(), start, event,
                    sensor=f"{network}.{location}.{channel[:-1]}", meta=meta)]


def _trace(raw: bytes, name: str):
    """Sampling rate and ObsPy's trace, after a check of the header against the bytes that are there."""
    import obspy

    order = _order(raw)
    if order is None:
        raise FormatError(f"{name}: not a SAC time series; its header is damaged")
    npts, version = _int(raw, order, "npts"), _int(raw, order, "nvhdr")
    if npts > MOST_SAMPLES:
        raise DataError(f"{name}: {npts} samples, more than {MOST_SAMPLES}; cut it to the event first")
    wanted = HEADER_BYTES + 4 * npts + (FOOTER_BYTES if version == 7 else 0)
    if len(raw) != wanted:
        raise FormatError(f"{name}: {len(raw)} bytes, but the header's {npts} samples need {wanted}; the file is incomplete or "
                          "its header is wrong")
    # Single precision: 0.01 reads 0.0099999998; version 7 repeats the step in its footer as a double.
    style, place = ("d", HEADER_BYTES + 4 * npts) if version == 7 else ("f", 0)
    delta, = struct.unpack_from(order + style, raw, place)
    if not 1 / RATES_HZ[1] * (1 - 1e-6) <= delta <= 1 / RATES_HZ[0] * (1 + 1e-6):
        raise SamplingError(f"{name}: its sampling interval (DELTA) is {delta:g} s; between {1 / RATES_HZ[1]} and 1 s is needed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            samples = raw[HEADER_BYTES:HEADER_BYTES + 4 * npts]
            trace = obspy.read(io.BytesIO(_plain_header(npts, order) + samples), format="SAC")[0]
    except Exception as error:  # ObsPy raises errors of many kinds for damaged headers
        raise FormatError(f"{name}: ObsPy cannot read it as SAC ({str(error)[:150]})") from error
    if len(trace.data) != npts:
        raise FormatError(f"{name}: ObsPy read {len(trace.data)} of {npts} samples")
    return float(f"{1 / delta:.6g}"), trace


def _plain_header(npts: int, order: str) -> bytes:
    """A header with nothing but the number of samples: ObsPy does not return from a longitude of 1e30."""
    floats, integers = [UNDEFINED] * 70, [int(UNDEFINED)] * 40
    floats[0] = floats[5] = 1.0                                     # DELTA, B
    for key, value in (("nvhdr", 6), ("npts", npts), ("iftype", ITIME), ("leven", 1)):
        integers[INTEGERS[key] - 70] = value
    return struct.pack(order + "70f40i", *floats, *integers) + b"-12345  -12345          " + 21 * b"-12345  "


def _to_gal(samples: np.ndarray, source: Source, stated: str, options: Options):
    """Unit by KUSER0 if it is one (tng writes it), else as for counts of any channel."""
    unit = UNITS.get(stated.lower(), stated.lower())
    if unit in GAL:
        instrument, _ = _inventory.find(source, options)
        return samples * GAL[unit], {"trace_units_declared": f"{unit} (header)"}, instrument
    return _counts.to_gal(samples, source, options, "SAC (where IDEP is no guide to the unit)")


def _event(raw: bytes, order: str) -> tuple[str, dict]:
    """Identifier and description of the earthquake.

    A lone O is no origin time: programs fill it with zero, which is the start of each record.
    """
    latitude, longitude = _degrees(raw, order, "evla"), _degrees(raw, order, "evlo")
    depth, magnitude = _float(raw, order, "evdp"), _float(raw, order, "mag")
    named = {"source_latitude_deg": latitude, "source_longitude_deg": longitude, "source_magnitude": magnitude,
             # km in today's manual, m in the old one
             "source_depth_km": depth if depth is None or depth < DEEPEST_KM else depth / 1000}
    meta: dict[str, object] = {key: value for key, value in named.items() if value is not None}
    reference, after = _reference(raw, order), _float(raw, order, "o")
    if reference is None or after is None or latitude is None or longitude is None or abs(after) > 86_400:
        return "", meta
    origin = reference + timedelta(milliseconds=round(after * 1000))  # single precision: 12.9999 and 13.0 are one earthquake
    return f"{origin:%Y%m%d%H%M%S}", {**meta, "source_origin_time": iso(origin)}


def _site(raw: bytes, order: str) -> dict:
    found = {"station_latitude_deg": _degrees(raw, order, "stla"), "station_longitude_deg": _degrees(raw, order, "stlo"),
             "station_elevation_m": _float(raw, order, "stel")}
    return {key: value for key, value in found.items() if value is not None}


def _picks(raw: bytes, order: str, rate_hz: float, samples: int) -> dict:
    """Arrivals that are labelled P or S, as samples since the first."""
    begin = _float(raw, order, "b") or 0.0
    found: dict[str, float] = {}
    for marker in ("a", "t0"):
        phase = re.match(r"[IE]?([PS])", _text(raw, "k" + marker).upper())
        time = _float(raw, order, marker)
        if phase and time is not None and 0 <= (time - begin) * rate_hz < samples:
            found.setdefault(f"trace_{phase[1].lower()}_arrival_sample", round((time - begin) * rate_hz, 3))
    return found


# --- the header -------------------------------------------------------------------------------------------

FLOATS = {"b": 5, "o": 7, "a": 8, "t0": 10, "stla": 31, "stlo": 32, "stel": 33, "evla": 35, "evlo": 36, "evdp": 38, "mag": 39,
          "cmpaz": 57, "cmpinc": 58}
INTEGERS = {"nzyear": 70, "nzjday": 71, "nzhour": 72, "nzmin": 73, "nzsec": 74, "nzmsec": 75, "nvhdr": 76, "npts": 79,
            "iftype": 85, "leven": 105}
TEXTS = {"kstnm": 440, "khole": 464, "ka": 480, "kt0": 488, "kuser0": 576, "kuser1": 584, "kcmpnm": 600, "knetwk": 608}
ITIME = 1


def _order(head: bytes) -> str | None:
    """Byte order, ``<`` or ``>``, of a header that makes sense as a time series; None if it does in neither."""
    if len(head) < HEADER_BYTES:
        return None
    for order in "<>":
        if (_int(head, order, "nvhdr") in (6, 7) and _int(head, order, "iftype") == ITIME and _int(head, order, "leven") == 1
                and _int(head, order, "npts") > 0):
            return order
    return None


def _int(raw: bytes, order: str, key: str) -> int:
    return struct.unpack_from(order + "i", raw, 4 * INTEGERS[key])[0]


def _float(raw: bytes, order: str, key: str) -> float | None:
    value = struct.unpack_from(order + "f", raw, 4 * FLOATS[key])[0]
    return None if not np.isfinite(value) or value == UNDEFINED else float(f"{value:.7g}")


def _degrees(raw: bytes, order: str, key: str) -> float | None:
    """A latitude or longitude; None if it is undefined or impossible."""
    value = _float(raw, order, key)
    return value if value is not None and abs(value) <= (90 if key.endswith("la") else 360) else None


def _text(raw: bytes, key: str) -> str:
    text = raw[TEXTS[key]:TEXTS[key] + 8].decode("ascii", "replace").split("\0")[0].strip()
    return "" if text.startswith("-12345") else text


def _codes(raw: bytes) -> tuple[str, str, str, str]:
    network, station, location, channel = (_text(raw, key) for key in ("knetwk", "kstnm", "khole", "kcmpnm"))
    return network, station, _inventory.location_code(location), channel


def _reference(raw: bytes, order: str) -> datetime | None:
    """The time that B, O, A … count from; None if it is undefined."""
    year, day, hour, minute, second, milli = (_int(raw, order, key)
                                              for key in ("nzyear", "nzjday", "nzhour", "nzmin", "nzsec", "nzmsec"))
    if not (1900 <= year <= 2100 and 1 <= day <= 366 and 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second <= 60):
        return None
    return datetime(year, 1, 1, tzinfo=timezone.utc) + timedelta(
        days=day - 1, hours=hour, minutes=minute, seconds=second, milliseconds=milli if 0 <= milli < 1000 else 0)


def _start(raw: bytes, order: str) -> datetime | None:
    reference, begin = _reference(raw, order), _float(raw, order, "b")
    if reference is None or begin is None or abs(begin) > 86_400:
        return None
    return reference + timedelta(seconds=begin)
