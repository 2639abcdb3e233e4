"""GeoNet (New Zealand) accelerograms: V1A uncorrected, V2A corrected.

Source: W. J. Cousins, "GNS accelerogram data files, standard format" (2008, 2012).  Three components follow each
other; each has 16 lines of text, 40 integers (10I8), 60 reals (10F8.0) and the samples, ten a line of width 8.
Traps: integer 27 is the bearing of the instrument's long axis, integer 28 that of the component (0 for the
vertical); latitudes are positive southwards; V2A files hold velocity and displacement after the acceleration.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np

from tng.channels import GAL, ORTHOGONAL_WITHIN_DEG, Channel, azimuth_of, check_peak, iso
from tng.readers._fortran import MOST_VALUES, Form, Lines, edit_descriptor, skip_values, take_values
from tng.readers.options import Options
from tng.records import RATES_HZ, ComponentError, FormatError, RecordError, SamplingError, UnitsError
from tng.sources import RawFile

NAME = "geonet"
DESCRIPTION = "GeoNet accelerograms (New Zealand): V1A uncorrected, V2A corrected"
LICENCE = "CC BY 3.0 NZ (GeoNet); attribution required"

TEXT_LINES = 16
INTEGERS, REALS = edit_descriptor("(10I8)"), edit_descriptor("(10F8.0)")
WIDTH, MOST_PER_LINE = 8, 10
BAND = r"bands? (?:are|is)\s+(\d*\.?\d+)\s*-\s*(\d*\.?\d+)\s*Hz\s+and\s+(\d*\.?\d+)\s*-\s*(\d*\.?\d+)\s*Hz"
PLACE = (r"(\d{1,2})\s+(\d{1,2})\s+(\d{1,2}(?:\.\d+)?)\s*([NS])\s+"
         r"(\d{1,3})\s+(\d{1,2})\s+(\d{1,2}(?:\.\d+)?)\s*([EW])")
NUMBER = r"(-?\d*\.?\d+(?:E[+-]?\d+)?)"


def sniff(head: bytes, name: str) -> bool:
    """Whether a file begins with a header of 16 lines: (un)corrected accelerogram, number of points, component."""
    lines = Lines(head)
    text = [lines.text() for _ in range(TEXT_LINES) if lines]
    return (len(text) == TEXT_LINES and bool(re.match(r"\s*(un)?corrected accelerogram\b", text[0], re.I))
            and bool(re.match(r"\s*Number of points\b", text[9], re.I)) and bool(re.match(r"\s*Component\b", text[12], re.I)))


def read(file: RawFile, options: Options) -> list[Channel]:
    """The components of one file [gal].

    Raises
    ------
    FormatError, UnitsError, SamplingError, ComponentError, HeaderMismatchError
        All name the file and say what was found.
    """
    raw = file.read()
    digest = hashlib.sha256(raw).hexdigest()
    lines = Lines(raw)
    channels: list[Channel] = []
    total = 0
    while lines.peek():
        try:
            text = _text(lines)
            integers = take_values(lines, 40, INTEGERS, blanks=True)
            reals = take_values(lines, 60, REALS, blanks=True)
            corrected = not re.match(r"\s*un", text[0], re.I)
            points = _points(text, integers, corrected)
            total += points
            if total > 2 * MOST_VALUES:
                raise ValueError(f"more than {2 * MOST_VALUES} samples, which no record has")
            samples = take_values(lines, points, _form(lines))
            channels.append(_channel(text, integers, reals, samples, corrected, file.name, digest, options))
            for count in integers[34:36]:                                  # velocity, displacement
                if count > 0:
                    count = min(count, 2.0 * MOST_VALUES)                  # 1E999 is a number, too
                    skip_values(lines, int(count), _form(lines).per_line)
        except RecordError:
            raise
        except ValueError as error:
            raise FormatError(f"{file.name}: component {len(channels) + 1}: {error}") from error
    return channels


def _text(lines: Lines) -> list[str]:
    while not lines.peek():
        lines.text()
    number = lines.number + 1
    text = [lines.text() for _ in range(TEXT_LINES)]
    if not re.match(r"\s*(un)?corrected accelerogram\b", text[0], re.I) or not re.match(r"\s*Component\b", text[12], re.I):
        raise ValueError(f"line {number} begins no component ({text[0].strip()[:40]!r}); the one before is longer than its "
                         "header says, or the file is damaged")
    return text


def _points(text: list[str], integers: np.ndarray, corrected: bool) -> int:
    """Number of acceleration samples: integer 34, in V1A files also 31, which line 10 must confirm."""
    known = [value for value in (integers[33], np.nan if corrected else integers[30]) if value > 0]
    stated = re.search(r"Number of points\s+(\d{1,12})", text[9], re.I)
    if stated and known and int(stated[1]) != known[0]:
        raise ValueError(f"line 10 says {stated[1]} points, the integers say {known[0]:g}; the header is wrong or damaged")
    points = known[0] if known else float(stated[1]) if stated else 0.0
    if not 2 <= points <= MOST_VALUES:
        raise ValueError(f"{points:g} points")
    return int(points)


def _form(lines: Lines) -> Form:
    """Numbers of width 8, as many as the first line holds; ten, in every file that is known."""
    per_line = min(max(-(-len(lines.peek()) // WIDTH), 1), MOST_PER_LINE)
    return edit_descriptor(f"({per_line}F{WIDTH}.0)")


def _channel(text, integers, reals, samples, corrected: bool, name: str, digest: str, options: Options) -> Channel:
    label, azimuth, sign = _direction(text[12], integers[27], name)
    factor, unit = _unit(text, name, options)
    site = re.match(r"\s*Site\s+([A-Za-z0-9]{1,8})\b", text[1], re.I)
    if not site:
        raise FormatError(f"{name}: line 2 holds no station ('Site CODE'): {text[1].strip()[:40]!r}")
    origin = _time(integers[[0, 1, 2, 3, 4]], integers[5] / 10)
    start = _time(integers[[8, 9, 18, 19, 38]], integers[39] / 1000)
    rate_hz = _rate(text, reals, len(samples), corrected, name)
    meta = _meta(text, integers, reals, corrected, rate_hz)
    meta["trace_units_declared"] = unit
    if origin:
        meta["source_origin_time"] = iso(origin)
    channel = Channel(samples * factor, rate_hz, site[1].upper(), azimuth, label, name, digest, start,
                      f"{origin:%Y%m%d%H%M%S}" if origin else "", meta=meta)
    peak = re.search(rf"Acceleration:?\s+peak\s+{NUMBER}\s*(\S*)", text[13], re.I)
    stated = float(peak[1]) if peak else reals[35 if corrected else 30]
    if stated and np.isfinite(stated):
        in_gal = stated * GAL.get(_plain(peak[2]) if peak else "mm/s2", 0.1)
        check_peak(channel, in_gal, max(0.01, 0.1 / abs(stated)))          # printed with one decimal, as the samples are
    return replace(channel, samples=sign * channel.samples)


def _direction(line: str, bearing: float, name: str) -> tuple[str, float | None, int]:
    """Label, azimuth (None: vertical), and the sign that makes it positive up: line 13 against integer 28."""
    label = re.split(r"\s{2,}", re.sub(r"(?i)^\s*component\s*:?\s*", "", line).strip())[0]
    if label.lower() == "down":
        return label, None, -1
    try:
        azimuth = azimuth_of(label)
    except ValueError:
        raise ComponentError(f"{name}: line 13 says {line.strip()!r}; a direction as N10E, or Up, is needed") from None
    if azimuth is not None and np.isfinite(bearing) and abs((azimuth - bearing + 180) % 360 - 180) > ORTHOGONAL_WITHIN_DEG:
        raise ComponentError(f"{name}: line 13 says {label} ({azimuth:g}°), integer 28 says {bearing:g}°; correct the one that "
                             "is wrong")
    return label, azimuth, 1


def _unit(text: list[str], name: str, options: Options) -> tuple[float, str]:
    """Gal in one unit of the samples: line 11 (V1A, with a factor), or the unit of the peak in line 14."""
    raw = re.search(rf"in units of\s+{NUMBER}\s*([^\s,]+)", text[10], re.I)
    peak = re.search(rf"Acceleration:?\s+peak\s+{NUMBER}\s*([^\s,]+)", text[13], re.I)
    if not raw and not peak:
        if options.unit:
            return GAL[options.unit], f"{options.unit} (declared by the user)"
        raise UnitsError(f"{name}: neither line 11 ({text[10].strip()[:40]!r}) nor the peak in line 14 states a unit of "
                         "acceleration; declare it")
    times, unit = (float(raw[1]), raw[2]) if raw else (1.0, peak[2])
    gal = GAL.get(_plain(unit))
    if gal is None or not 0 < times < 1e6:
        raise UnitsError(f"{name}: readings in units of {times:g} {unit}; known are {', '.join(GAL)}")
    return times * gal, f"{f'{times:g} ' if times != 1 else ''}{unit} (header)"


def _plain(unit: str) -> str:
    return re.sub(r"/s(ec)?(/s(ec)?|\^?2|\*\*2)$", "/s2", unit.lower().rstrip("."))


def _rate(text: list[str], reals: np.ndarray, points: int, corrected: bool, name: str) -> float:
    """Samples per second: line 11, real 26 (in V1A files also 25), and the duration of line 10 must agree."""
    line = (re.search(rf"intervals? of\s+{NUMBER}\s*s", text[10], re.I)
            or re.search(rf"at\s+{NUMBER}\s*s\w*\s+intervals?", text[10], re.I))
    stated = [float(line[1])] if line else []
    stated += [value for value in (reals[25], *([] if corrected else [reals[24]])) if value > 0][:1]
    dt = stated[-1] if stated else np.nan
    if not 1 / RATES_HZ[1] <= dt <= 1 / RATES_HZ[0]:
        raise SamplingError(f"{name}: the sampling interval is {f'{dt:g} s' if stated else 'missing'} (line 11: "
                            f"{text[10].strip()[:60]!r}); between {1 / RATES_HZ[1]:g} and {1 / RATES_HZ[0]:g} s is needed")
    if abs(stated[0] - dt) > 0.01 * dt:
        raise SamplingError(f"{name}: line 11 says {stated[0]:g} s between samples, real 26 says {dt:g} s")
    lasts = re.search(rf"Duration\s+{NUMBER}\s*s", text[9], re.I)
    if lasts and abs(float(lasts[1]) - points * dt) > 2 * dt + 0.02 + 1e-3 * points * dt:
        raise SamplingError(f"{name}: {points} points every {dt:g} s last {points * dt:g} s, but line 10 says {lasts[1]} s")
    return round(1 / dt, 9)


def _time(parts: np.ndarray, seconds: float) -> datetime | None:
    """A UTC time; None where a part is missing or cannot be."""
    try:
        return datetime(*(int(part) for part in parts), tzinfo=timezone.utc) + timedelta(seconds=round(float(seconds), 3))
    except (ValueError, OverflowError):
        return None


def _meta(text: list[str], integers: np.ndarray, reals: np.ndarray, corrected: bool, rate_hz: float) -> dict:
    site = _place(text[1]) or _degrees(integers[20:26])
    source = _place(text[8]) or _degrees(integers[10:16])
    magnitude = re.search(r"\bM([A-Za-z]{0,3})\s+(\d{1,2}\.\d+)", text[8])
    record = re.search(r"\d{8}_\d{6}_[A-Za-z0-9]+_(\w{2})\b", text[0] + " " + text[5])
    meta = {
        "station_network_code": "NZ",
        "station_location_code": record[1] if record else "",
        "station_name": text[2].strip(),
        "station_latitude_deg": site[0],
        "station_longitude_deg": site[1],
        "station_vs30_mps": np.nan,
        "source_latitude_deg": source[0],
        "source_longitude_deg": source[1],
        "source_depth_km": float(integers[16]),
        "source_magnitude": float(magnitude[2]) if magnitude else float(reals[14]) or np.nan,
        "source_magnitude_type": f"M{magnitude[1]}" if magnitude else "",
        "path_ep_distance_km": float(integers[29]),
        "trace_source_format": NAME,
        "trace_license": LICENCE,
        "trace_processing": "corrected (V2A)" if corrected else "uncorrected (V1A)",
    }
    band = re.search(BAND, text[11], re.I)
    if band:  # what lies between the transitions is untouched
        meta["trace_lowcut_hz"], meta["trace_highcut_hz"] = float(band[2]), float(band[3])
        meta["trace_filter"] = text[11].strip()
        if float(band[3]) < rate_hz / 2:
            meta["trace_bandlimit_hz"] = float(band[3])
    return meta


def _place(line: str) -> tuple[float, float] | None:
    """Latitude and longitude of `42 31 24S  172 49 50E` [degrees]."""
    match = re.search(PLACE, line)
    if not match:
        return None
    latitude, longitude = (int(match[n]) + int(match[n + 1]) / 60 + float(match[n + 2]) / 3600 for n in (1, 5))
    return latitude * (-1 if match[4] == "S" else 1), longitude * (-1 if match[8] == "W" else 1)


def _degrees(parts: np.ndarray) -> tuple[float, float]:
    """The same from the integers, where latitude counts southwards; NaN where they are all zero."""
    if not parts.any():
        return np.nan, np.nan
    latitude, longitude = (part[0] + part[1] / 60 + part[2] / 3600 for part in (parts[:3], parts[3:]))
    return -float(latitude), float(longitude)
