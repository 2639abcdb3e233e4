"""DYNA text of one component: a header of `KEY: VALUE`, then the samples (ESM, ITACA, AFAD's TADAS).

Traps: values hold colons; TADAS writes the earthquake's date ``YYYY/MM/DD`` and the record's ``DD/MM/YYYY``, and
a site's name where ESM has the location code; ESM's peak has a sign; FILTER_TYPE is there for raw data too.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta, timezone

import numpy as np

from tng.channels import GAL, Channel, azimuth_of, check_peak, iso
from tng.readers._numbers import content, half_last_digit, number, rate_hz, samples, text_of, whole
from tng.readers.options import Options
from tng.records import ComponentError, FormatError, SamplingError, UnitsError
from tng.sources import RawFile

NAME = "dyna"
DESCRIPTION = "DYNA text, a file a component (ESM and ITACA .ASC, AFAD TADAS .asc)"
LICENCE = "by record: DATA_LICENSE of each file"
ESM_UNSTATED = "not stated in the file (ESM: see terms per record)"
AFAD_UNSTATED = "U (unknown license)"
NO_PERMISSION = "AFAD waveform, no redistribution permission known"

KEYS = (b"EVENT_DATE_YYYYMMDD:", b"DATE_TIME_FIRST_SAMPLE", b"SAMPLING_INTERVAL_S:", b"NDATA:", b"STREAM:", b"UNITS:",
        b"PGA_CM/S^2:", b"HEADER_FORMAT: DYNA", b"STATION_CODE:", b"DATA_TYPE:")
HEADER_BYTES = 65536         # real headers take 3 kB
FIRST_SAMPLE = re.compile(rb"^[ \t]*(?:[-+]?\.?[0-9][-+.0-9EeDd \t]*|[-+]?nan\b[^\r\n]*)\r?$", re.MULTILINE | re.IGNORECASE)
ESM_NAME = re.compile(r"([A-Z0-9]{1,2}\.[A-Z0-9]{1,8}\.[A-Z0-9]{0,3})\.([A-Z0-9]{3})\.(.+)", re.IGNORECASE)
TADAS_NAME = re.compile(r"(\d{14}_[A-Z0-9]{1,8}(?:_[A-Z0-9-]+)*)_(E|N|U|Z|EW|NS|UD)\.\w+", re.IGNORECASE)
LAST_LETTER = re.compile(r".*[_.-]([ENUZ])\.\w+", re.IGNORECASE)
UNITS = {"cm/s2": "gal", "cm/s/s": "gal", "cm/sec2": "gal", "gal": "gal", "m/s2": "m/s2", "m/s/s": "m/s2", "m/sec2": "m/s2",
         "mm/s2": "mm/s2", "g": "g"}


def sniff(head: bytes, name: str) -> bool:
    """Whether a file starts with `KEY:` and has at least three of the format's own keys."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    starts = re.match(rb"[A-Z][A-Z0-9_/^]*[ \t]*:", text)
    return bool(starts) and sum(b"\n" + key in b"\n" + text for key in KEYS) >= 3


def group(head: bytes, name: str) -> tuple[str, float | None] | None:
    """What the components of one record share: station, sensor, earthquake, kind of data, and the rest of the name."""
    header, _ = _header(head, name)
    start = _time(_value(header, "DATE_TIME_FIRST_SAMPLE_YYYYMMDD_HHMMSS"))
    network, station, location = _station(header, name)
    stem, band = _variant(header, name)
    key = "/".join((network, station, location, band, _value(header, "EVENT_DATE_YYYYMMDD"), _value(header, "EVENT_TIME_HHMMSS"),
                    _value(header, "DATA_TYPE").upper(), stem))
    return key.lstrip("/"), start.timestamp() if start else None


def read(file: RawFile, options: Options) -> list[Channel]:
    """Read one component.

    Raises
    ------
    FormatError, UnitsError, ComponentError, SamplingError, HeaderMismatchError, DataError
        All name the file and say what was found.
    """
    raw = content(file)
    header, body_at = _header(raw, file.name)
    kind = _value(header, "DATA_TYPE").upper()
    if kind and ("ACC" not in kind or "SPECTR" in kind):
        raise FormatError(f"{file.name}: DATA_TYPE is {kind[:60]}; acceleration is needed, take the file of that")
    factor, declared = _unit(header, options, file.name)
    stated = whole(_value(header, "NDATA"), "NDATA", file.name)
    rate = rate_hz(_value(header, "SAMPLING_INTERVAL_S"), "SAMPLING_INTERVAL_S", file.name)
    data = samples(raw[body_at:], stated, "NDATA", file.name) * factor
    _check_duration(header, stated, rate, file.name)

    network, station, location = _station(header, file.base)
    if not station:
        raise FormatError(f"{file.name}: no STATION_CODE in the header")
    origin = _time(f"{_value(header, 'EVENT_DATE_YYYYMMDD')} {_value(header, 'EVENT_TIME_HHMMSS')}")
    stem, band = _variant(header, file.base)
    channel = Channel(
        data, rate, station, _azimuth(header, file), _value(header, "STREAM", "COMPONENT") or file.base, file.name,
        hashlib.sha256(raw).hexdigest(), start=_time(_value(header, "DATE_TIME_FIRST_SAMPLE_YYYYMMDD_HHMMSS")),
        event=f"{origin:%Y%m%d%H%M%S}" if origin else "", sensor=f"{location}.{band}",
        meta=_meta(header, network, location, file.base, origin) | {"trace_units_declared": declared})
    _check_pga(header, channel, kind, counts="count" in declared)
    return [channel]


def _header(raw: bytes, name: str) -> tuple[dict[str, str], int]:
    """Keys and values, and where the samples begin: at the first line of nothing but numbers."""
    first = FIRST_SAMPLE.search(raw, 0, HEADER_BYTES)
    end = first.start() if first else min(len(raw), HEADER_BYTES)
    header: dict[str, str] = {}
    for line in text_of(raw[:end]).splitlines():
        key, colon, value = line.partition(":")
        if colon and re.fullmatch(r"[A-Za-z][^\s]*(?:\s\S+)?\s*", key):
            header.setdefault(key.strip().upper(), value.strip())
    return header, end


def _value(header: dict[str, str], *keys: str) -> str:
    """The first that is filled of the spellings of a key."""
    return next((header[key] for key in keys if header.get(key)), "")


def _is_tadas(header: dict[str, str], name: str) -> bool:
    """AFAD's dialect, by the file's name or by its way to write a date."""
    return bool(TADAS_NAME.fullmatch(name)) or "/" in _value(header, "EVENT_DATE_YYYYMMDD")


def _station(header: dict[str, str], name: str) -> tuple[str, str, str]:
    """Network, station and location code; AFAD has a site's name for the last, which is none."""
    location = _value(header, "LOCATION", "LOCATION_CODE")
    if _is_tadas(header, name) or not re.fullmatch(r"[A-Za-z0-9]{1,2}", location):
        location = ""
    return (_value(header, "NETWORK", "NETWORK_CODE")[:20], _value(header, "STATION_CODE", "STATION_ID")[:40], location)


def _variant(header: dict[str, str], name: str) -> tuple[str, str]:
    """What tells versions of one record apart (the name without its component), and the stream without its direction."""
    tadas, esm = TADAS_NAME.fullmatch(name), ESM_NAME.fullmatch(name)
    if tadas:
        return tadas[1].upper(), ""
    stream = _value(header, "STREAM").upper()
    return (esm[3].upper() if esm else ""), stream[:2] if re.fullmatch(r"[A-Z][A-Z][A-Z0-9]", stream) else ""


def _azimuth(header: dict[str, str], file: RawFile) -> float | None:
    """The direction, by STREAM and by the file's name; both must agree where both tell."""
    stream = _value(header, "STREAM", "COMPONENT").upper()
    esm = ESM_NAME.fullmatch(file.base)
    named = TADAS_NAME.fullmatch(file.base)
    letter = named[2] if named else esm[2] if esm else (LAST_LETTER.fullmatch(file.base) or ["", ""])[1]
    by_stream, by_name = _direction(stream), _direction(letter.upper())
    told = {one[0] for one in (by_stream, by_name) if one}
    if len(told) > 1:
        raise ComponentError(f"{file.name}: STREAM is {stream} but the file's name says {letter}; find out which is right and "
                             "correct the other")
    if not told:
        raise ComponentError(f"{file.name}: neither STREAM ({stream or 'empty'}) nor the file's name tells the direction; "
                             "if you know it, let the name end in _E, _N or _U before the extension")
    return told.pop()


def _direction(code: str) -> tuple[float | None] | None:
    """Azimuth of HNE, N-S, U, 045 …, as a tuple of one (the vertical has None); None if the code does not tell."""
    if re.fullmatch(r"[A-Z][A-Z0-9][A-Z0-9]", code):
        return {"E": (90.0,), "N": (0.0,), "Z": (None,), "U": (None,)}.get(code[2])
    try:
        return (azimuth_of(code),)
    except ValueError:
        return None


def _unit(header: dict[str, str], options: Options, name: str) -> tuple[float, str]:
    """What one unit of the file is in cm/s², and who says so."""
    stated = _value(header, "UNITS", "UNIT")
    plain = re.sub(r"[\s^*()]", "", stated.lower())
    if plain in UNITS:
        return GAL[UNITS[plain]], f"{stated} (header)"
    if plain in ("count", "counts"):
        if options.gal_per_count is None:
            raise UnitsError(f"{name}: UNITS is {stated}; declare what a count is in cm/s² (gal_per_count), or take "
                         "processed data")
        return options.gal_per_count, f"counts of {options.gal_per_count:g} gal (declared by the user)"
    if stated or options.unit is None:
        raise UnitsError(f"{name}: UNITS is {stated[:40] or 'empty'}; cm/s^2 is expected"
                         + ("" if stated else ", or declare the unit"))
    return GAL[options.unit], f"{options.unit} (declared by the user)"


def _check_duration(header: dict[str, str], count: int, rate: float, name: str) -> None:
    """Duration is n·dt or (n−1)·dt, rounded; empty in TADAS."""
    stated = _value(header, "DURATION_S")
    duration = number(stated)
    if np.isfinite(duration) and duration > 0:
        slack = 1 / rate + max(half_last_digit(stated), 0.5 if "." not in stated else 0.001) + 1e-4 * duration
        if abs(duration - (count - 0.5) / rate) > slack:
            raise SamplingError(f"{name}: DURATION_S is {stated}, but NDATA {count} at {rate:g} Hz take {count / rate:g} s; "
                                "the sampling interval or the number of samples is wrong")


def _check_pga(header: dict[str, str], channel: Channel, kind: str, counts: bool) -> None:
    """The peak within 1 %, or within the rounding of a header that prints few digits."""
    stated = _value(header, "PGA_CM/S^2", "PGA_CM/S2")
    peak = abs(number(stated))
    if counts or not np.isfinite(peak):
        return
    found = [np.abs(channel.samples).max()]
    if "UNPROCESSED" in kind:       # raw data may have an offset, which their peak is without
        found.append(np.abs(channel.samples - channel.samples.mean()).max())
    tolerance = half_last_digit(stated) if half_last_digit(stated) < 0.05 else 0.0
    if all(abs(one - peak) > max(tolerance, 0.01 * peak) for one in found):
        check_peak(channel, peak)


def _meta(header: dict[str, str], network: str, location: str, name: str, origin: datetime | None) -> dict:
    tadas = _is_tadas(header, name)
    magnitude, magnitude_type = next(((number(header.get(key, ""), -2, 12), label) for key, label in
                                      (("MAGNITUDE_W", "Mw"), ("MAGNITUDE_L", "ML"), ("MAGNITUDE_S", "Ms"))
                                      if np.isfinite(number(header.get(key, ""), -2, 12))), (np.nan, ""))
    vs30 = number(_value(header, "VS30_M/S", "VS30_M/SEC", "VS30"))
    low, high = (number(header.get(f"{side}_CUT_FREQUENCY_HZ", ""), 1e-9) for side in ("LOW", "HIGH"))
    licence = _value(header, "DATA_LICENSE", "DATA_LICENCE")
    if tadas and (not licence or "unknown" in licence.lower()):
        licence = f"{licence or AFAD_UNSTATED}; {NO_PERMISSION}"
    meta = {
        "source_id_agency": _value(header, "EVENT_ID"),
        "source_latitude_deg": number(_value(header, "EVENT_LATITUDE_DEGREE", "EVENT_LATITUDE"), -90, 90),
        "source_longitude_deg": number(_value(header, "EVENT_LONGITUDE_DEGREE", "EVENT_LONGITUDE"), -360, 360),
        "source_depth_km": number(_value(header, "EVENT_DEPTH_KM", "EVENT_DEPTH"), -10, 1000),
        "source_magnitude": magnitude,
        "source_magnitude_type": magnitude_type,
        "station_network_code": network,
        "station_location_code": location,
        "station_name": _value(header, "STATION_NAME") or (_value(header, "LOCATION") if tadas else ""),
        "station_latitude_deg": number(_value(header, "STATION_LATITUDE_DEGREE", "STATION_LATITUDE"), -90, 90),
        "station_longitude_deg": number(_value(header, "STATION_LONGITUDE_DEGREE", "STATION_LONGITUDE"), -360, 360),
        "station_elevation_m": number(_value(header, "STATION_ELEVATION_M", "STATION_ELEVATION"), -12000, 9000),
        "station_vs30_mps": vs30 if vs30 > 0 else np.nan,
        "station_site_class": _value(header, "SITE_CLASSIFICATION_EC8"),
        "path_ep_distance_km": number(_value(header, "EPICENTRAL_DISTANCE_KM"), 0, 21000),
        "path_back_azimuth_deg": number(_value(header, "EARTHQUAKE_BACKAZIMUTH_DEGREE"), 0, 360),
        "trace_instrument": _value(header, "INSTRUMENT"),
        "trace_category": "earthquake",
        "trace_source_format": NAME,
        "trace_processing": _processing(header, name),
        "trace_license": licence or ESM_UNSTATED,
        "trace_citation": _value(header, "DATA_CITATION"),
    }
    meta |= {f"trace_{side}cut_hz": value for side, value in (("low", low), ("high", high)) if np.isfinite(value)}
    if origin:
        meta["source_origin_time"] = iso(origin)
    return meta


def _processing(header: dict[str, str], name: str) -> str:
    """What the file's name and the corner frequencies say; FILTER_TYPE is filled for raw data too."""
    tadas, esm = TADAS_NAME.fullmatch(name), ESM_NAME.fullmatch(name)
    told = [_value(header, "DATA_TYPE")]
    if tadas:
        told.append(" ".join(tadas[1].split("_")[2:]))
    elif esm:
        told.append(".".join(esm[3].split(".")[:-1]))
    cuts = [_value(header, f"{side}_CUT_FREQUENCY_HZ") for side in ("LOW", "HIGH")]
    told.append(f"filtered {cuts[0] or '?'} to {cuts[1] or '?'} Hz" if any(cuts) else "no corner frequencies stated")
    return "; ".join(filter(None, told))


def _time(text: str) -> datetime | None:
    """Any of the ways in which DYNA files write times, always UTC; None if it is none of them.

    ``20190728_160919.870``, ``20190728 160908``, ``2010/11/14 23:08:25.75``, ``14/11/2010 23:09:19.300``,
    ``2010-11-14T23:08:25``, ``14112010_230919``.
    """
    match = re.fullmatch(r"\s*([0-9]{4})[-/.]?([0-9]{2})[-/.]?([0-9]{2})[ T_]+(.*)", text, re.ASCII)
    other = re.fullmatch(r"\s*([0-9]{1,2})([-/.]?)([0-9]{2})\2([0-9]{4})[ T_]+(.*)", text, re.ASCII)
    dates = [(match[1], match[2], match[3], match[4])] if match else []
    dates += [(other[4], other[3], other[1], other[5])] if other else []
    for year, month, day, rest in dates:
        clock = re.fullmatch(r"([0-9]{1,2}):?([0-9]{2}):?([0-9]{2}(?:[.,][0-9]*)?)(?:Z|\+00:00)?\s*", rest.strip(), re.ASCII)
        if clock and int(clock[1]) <= 24 and int(clock[2]) < 60 and float(clock[3].replace(",", ".")) <= 60 and int(year) > 1800:
            try:
                return datetime(int(year), int(month), int(day), tzinfo=timezone.utc) + timedelta(
                    hours=int(clock[1]), minutes=int(clock[2]), seconds=float(clock[3].replace(",", ".")))
            except (ValueError, OverflowError):
                continue
    return None
