"""COSMOS strong-motion format v1.20 (CESMD and many networks): raw counts (V0), uncorrected (V1), corrected (V2).

Source: COSMOS Strong Motion Programs Board, "COSMOS Strong Motion Data Format, Ver 1.20" (2001), and its tables
of codes.  One or more channels follow each other, each with lines of text, integers, reals and comments.
Traps: every Fortran format is written in the file and differs between producers; real 34 is the interval of
the raw record, not of the data; what the text and the numbers say of unit and direction may disagree.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tng.channels import GAL, ORTHOGONAL_WITHIN_DEG, Channel, Refusal, azimuth_of, check_peak
from tng.readers._cosmos_header import (SIGNATURE, Header, Series, is_acceleration, meta_of, origin_of, read_header, read_series,
                                        scnl, start_of, station_of)
from tng.readers._fortran import MOST_VALUES, Lines, skip_values, take_values
from tng.readers.options import Options
from tng.records import RATES_HZ, ComponentError, FormatError, RecordError, SamplingError, UnitsError
from tng.sources import RawFile

NAME = "cosmos"
DESCRIPTION = "COSMOS v1.20 (CESMD, .V0C .V1C .V2C): acceleration, one or several channels a file"
LICENCE = "terms of the network that owns the station; CESMD asks for attribution"

END = re.compile(r"\s*(End[- ]of[- ]data|/&)", re.I)

GAL_OF_CODE = {2: GAL["g"], 4: 1.0, 7: 2.54, 10: 1.0, 11: GAL["g"] / 1e3, 12: GAL["g"] / 1e6}
GAL_OF_NAME = {**GAL, "mg": GAL["g"] / 1e3, "microg": GAL["g"] / 1e6, "in/s2": 2.54}
COUNTS = 50
NO_AZIMUTH = {500: "radial", 501: "transverse", 600: "longitudinal, relative to a structure",
              601: "tangential, relative to a structure", 700: "horizontal of unknown azimuth (H1)",
              701: "horizontal of unknown azimuth (H2)", 2000: "other"}


def sniff(head: bytes, name: str) -> bool:
    """Whether the first line states the format and its number of text lines."""
    return bool(SIGNATURE.search(Lines(head).peek()))


def group(head: bytes, name: str) -> tuple[str, float | None] | None:
    """Components of one sensor, stage and record; a file that is not acceleration stands alone."""
    try:
        lines = Lines(head)
        lines.peek()
        header = read_header(lines)
        series = read_series(lines)
    except ValueError:
        return None
    if not series or not is_acceleration(series, header):
        return None
    network, station = station_of(header)
    start = start_of(header)
    record = header.line(r"RcrdId:\s*(\S+)")
    key = f"{network}.{station}.{scnl(header)[3]}.{header.integer(1)}" + ("" if start or not record else f".{record[1]}")
    return key, start.timestamp() if start else None


def read(file: RawFile, options: Options) -> list[Channel | Refusal]:
    """The channels of acceleration in one file [gal]; see :func:`read_together`."""
    return read_together([file], options)


def read_together(files: Sequence[RawFile], options: Options) -> list[Channel | Refusal]:
    """The channels of acceleration in files of one sensor [gal], told apart where there are more than three.

    Raises
    ------
    FormatError, UnitsError, SamplingError, ComponentError, HeaderMismatchError
        All name the file and say what was found.
    """
    found: list[Channel | Refusal] = []
    single: list[Channel] = []
    for file in files:
        channels = _channels(file, options)
        if len(channels) < 3:
            single += channels
        else:
            found += _sensors(channels)
    return found + _sensors(single)


# ---------------------------------------------------------------------- the file

def _channels(file: RawFile, options: Options) -> list[Channel]:
    raw = file.read()
    digest = hashlib.sha256(raw).hexdigest()
    lines = Lines(raw)
    channels: list[Channel] = []
    others: list[str] = []
    total = 0
    while lines.peek():
        try:
            header = read_header(lines)
            if header.integer(1) in (3, 4) or "spectr" in header.text[0].lower():
                raise FormatError(f"{file.name}: spectra (V3), not a time series; take the V1 or V2 file of the record")
            while not END.match(lines.peek()) and (series := read_series(lines)):
                if is_acceleration(series, header):
                    total += series.points
                    if total > 2 * MOST_VALUES:
                        raise ValueError(f"more than {2 * MOST_VALUES} samples, which no record has")
                    samples = take_values(lines, series.points, series.form)
                    channels.append(_channel(header, series, samples, file.name, digest, options))
                else:
                    skip_values(lines, series.points, series.form.per_line)
                    others.append(series.quantity)
            while END.match(lines.peek()):
                lines.text()
        except RecordError:
            raise
        except ValueError as error:
            raise FormatError(f"{file.name}: {error}") from error
    if not channels and others:
        raise FormatError(f"{file.name}: not acceleration but {', '.join(sorted(set(others)))}; take the file of acceleration")
    if not channels:
        raise FormatError(f"{file.name}: no data in it")
    return channels


# ---------------------------------------------------------------------- one channel

def _channel(header: Header, series: Series, samples: np.ndarray, name: str, digest: str, options: Options) -> Channel:
    if series.points < 2:
        raise FormatError(f"{name}: {series.points} points of {series.quantity}")
    label, azimuth, sign, vertical = _direction(header, name)
    factor, unit = _unit(header, series, name, options)
    network, station = station_of(header)
    if not station:
        raise FormatError(f"{name}: neither line 5 (Code:NN-SSSS) nor the comments tell the station")
    origin = origin_of(header)
    start = start_of(header)
    meta = meta_of(header, network, origin)
    meta.update(trace_units_declared=unit, trace_source_format=NAME, trace_license=LICENCE, **vertical)
    channel = Channel(samples * factor, _rate(header, series, name), station, azimuth, label, name, digest, start,
                      f"{origin:%Y%m%d%H%M%S}" if origin else "", meta=meta)
    peak = header.real(64)
    if peak and np.isfinite(peak):
        rounding = (header.real_form.rounding + series.form.rounding) / abs(peak)
        check_peak(channel, peak * factor, max(0.01, rounding))
    if _is_counts(header, series):  # their zero is arbitrary
        meta["trace_processing"] += ", mean removed"
        channel = replace(channel, samples=channel.samples - channel.samples.mean())
    return replace(channel, samples=sign * channel.samples)


def _direction(header: Header, name: str) -> tuple[str, float | None, int, dict]:
    """Label, azimuth (None: vertical), sign that makes it positive up, and a note: integer 54 against line 9."""
    code = header.integer(54)
    line = header.line(r"Sta(?:tion)?\.?\s*Cha?n?(?:nel)?\s*:?\s*[^\s:]*\s*:\s*([^(]*?)\s*(?:\(|Location|$)")
    text = line[1].strip() if line else ""
    vertical = {"UP": 1, "DOWN": -1}.get(text.upper().rstrip("."))
    if code in (400, 401):
        if vertical is None and _azimuth(text) is not None or vertical == (-1 if code == 400 else 1):
            raise ComponentError(f"{name}: the text header says {text!r}, integer 54 says {'up' if code == 400 else 'down'} "
                                 f"({code}); correct the one that is wrong")
        return text or ("Up" if code == 400 else "Down"), None, 1 if code == 400 else -1, {}
    if code == 402 and _azimuth(text) is None:
        sense = vertical or 1
        return text or "Vert", None, sense, {} if vertical else {"trace_vertical_sense": "not stated; taken as up"}
    if code is not None and 1 <= code <= 360 or code == 0 and _azimuth(text) in (0.0, 360.0):
        stated = _azimuth(text)
        if vertical or stated is not None and abs((stated - code + 180) % 360 - 180) > ORTHOGONAL_WITHIN_DEG:
            raise ComponentError(f"{name}: the text header says {text!r}, integer 54 says {code}°; correct the one that is "
                                 "wrong")
        return text or f"{code}", float(code % 360), 1, {}
    if code is None:
        if vertical or _azimuth(text) is not None:
            return text, None if vertical else _azimuth(text), vertical or 1, {}
        if re.fullmatch(r"(?i)vert(ical)?\.?", text):
            return text, None, 1, {"trace_vertical_sense": "not stated; taken as up"}
    seed = scnl(header)[1]
    silent = code in (None, 0, 2000) and vertical is None and _azimuth(text) is None
    if silent and re.fullmatch("[A-Z]{2}[ENZ]", seed):                      # SEED: Z is up, N and E are within 5°
        return seed, {"E": 90.0, "N": 0.0, "Z": None}[seed[2]], 1, {"trace_direction_source": "channel codes (comment SCNL)"}
    what = NO_AZIMUTH.get(code, "missing" if code is None else "no azimuth")
    raise ComponentError(f"{name}: the direction of a component is not known: the text header says {text or 'nothing'!r}, "
                         f"integer 54 is {'missing' if code is None else f'{code} ({what})'}; an azimuth, up or down is needed")


def _azimuth(text: str) -> float | None:
    """An azimuth that stands in the text; None for everything else."""
    try:
        return azimuth_of(text)
    except ValueError:
        return None


def _is_counts(header: Header, series: Series) -> bool:
    code = header.integer(3) if series.code is None else series.code
    return code == COUNTS or bool(re.match("count|cnt", series.unit, re.I))


def _unit(header: Header, series: Series, name: str, options: Options) -> tuple[float, str]:
    """Gal in one unit of the data, and who says so: the line before the data and integer 3, which must agree."""
    code, stated = header.integer(3), series.code if series.code not in (0, -999) else None
    if code and stated and code != stated:
        raise UnitsError(f"{name}: the line before the data says units={series.unit} ({stated:02d}), but integer 3 says {code}; "
                         "correct the one that is wrong")
    code = stated or code
    if _is_counts(header, series):
        return _counts(header, name, options)
    plain = re.sub(r"\s|\.$", "", series.unit.lower()).replace("sec", "s").replace("^", "").replace("**", "")
    by_code, by_name = GAL_OF_CODE.get(code), GAL_OF_NAME.get(plain.replace("/s/s", "/s2"))
    if code is None and not series.unit and options.unit:
        return GAL[options.unit], f"{options.unit} (declared by the user)"
    unknown = by_code is None and (code is not None or by_name is None)
    if unknown or by_code and by_name and abs(by_code - by_name) > 1e-9 * by_code:
        raise UnitsError(f"{name}: the unit of acceleration is {series.unit or 'not stated'!r} with code "
                         f"{'missing' if code is None else code}; known are 2 g, 4 cm/s², 7 in/s², 10 gal, 11 mg, 12 micro g")
    return by_code or by_name, f"{series.unit or f'code {code}'} (header)"


def _counts(header: Header, name: str, options: Options) -> tuple[float, str]:
    """What the user says a count is; the header's microvolts per count and volts per g must not contradict."""
    lsb, sensitivity, gain = header.real(22), header.real(42), header.real(47)
    implied = lsb * 1e-6 / sensitivity / (gain if gain > 0 else 1.0) * GAL["g"] if lsb > 0 and sensitivity > 0 else np.nan
    amplified = f", gain {gain:g}" if gain > 0 else ""
    hint = ""
    if np.isfinite(implied):
        hint = f"; its header ({lsb:g} µV a count, {sensitivity:g} V/g{amplified}) suggests {implied:.6g}"
    if options.gal_per_count is None:
        raise UnitsError(f"{name}: raw counts (V0); take the V1 or V2 file of the record, or declare gal_per_count{hint}")
    if np.isfinite(implied) and abs(options.gal_per_count / implied - 1) > 0.05:
        raise UnitsError(f"{name}: gal_per_count was declared as {options.gal_per_count:.6g}{hint}; they contradict each other")
    return options.gal_per_count, f"{options.gal_per_count:g} gal a count (declared by the user)"


def _rate(header: Header, series: Series, name: str) -> float:
    """Samples per second, from real 62 [ms] or duration and points; real 34 only where the duration confirms it."""
    interval, length, raw = header.real(62) / 1e3, header.real(63), header.real(34)
    by_length = length / series.points if length > 0 else np.nan
    dt = next((value for value in (interval, by_length) if np.isfinite(value)), np.nan)
    if np.isnan(dt) and series.seconds > 0 and raw > 0 and abs(raw * series.points - series.seconds) <= 1 + 0.01 * series.seconds:
        dt = raw
    if not 1 / RATES_HZ[1] <= dt <= 1 / RATES_HZ[0]:
        raise SamplingError(f"{name}: the sampling interval is {'missing' if np.isnan(dt) else f'{dt:g} s'} (real 62: "
                            f"{header.real(62):g} ms); between {1 / RATES_HZ[1]:g} and {1 / RATES_HZ[0]:g} s is needed")
    lasts = series.points * dt
    if np.isfinite(by_length) and abs(lasts - length) > 1.5 * dt + 2e-3 * lasts:
        raise SamplingError(f"{name}: {series.points} points every {dt:g} s (real 62) last {lasts:g} s, but real 63 says "
                            f"{length:g} s")
    if series.seconds > 0 and abs(lasts - series.seconds) > 1.01 + 0.01 * lasts:
        raise SamplingError(f"{name}: {series.points} points every {dt:g} s last {lasts:g} s, but the line before the data says "
                            f"{series.seconds:g} s")
    rate = 1 / dt
    return float(round(rate)) if abs(rate - round(rate)) < 1e-6 * rate else rate         # 8.333333 ms is 120 Hz


# ---------------------------------------------------------------------- several sensors

def _sensors(channels: list[Channel]) -> list[Channel | Refusal]:
    """Channels of a station and earthquake told apart, where they are more than three: by location code or the sensor's place."""
    told: list[Channel | Refusal] = []
    records: dict[tuple, list[Channel]] = defaultdict(list)
    for channel in channels:
        records[channel.station, channel.event].append(channel)
    for members in records.values():
        name = " + ".join(dict.fromkeys(one.name for one in members))
        spread = sorted({str(one.meta["trace_sensor_location"]) for one in members} - {""})
        if len(members) <= 3 and len(spread) < 2:
            told += members
            continue
        if len(members) <= 3:
            told.append(Refusal(name, ComponentError(f"{name}: its {len(members)} channels are at different places of station "
                                                     f"{members[0].station} ({'; '.join(spread)}); they are not one record")))
            continue
        for key in ("station_location_code", "trace_sensor_location"):
            places: dict[str, list[Channel]] = defaultdict(list)
            for one in members:
                places[str(one.meta[key])].append(one)
            if any(_is_triplet(part) for part in places.values()):
                told += [replace(one, sensor=str(one.meta[key])) for one in members]
                break
        else:
            labels = ", ".join(one.label for one in members)
            told.append(Refusal(name, ComponentError(
                f"{name}: {len(members)} channels of station {members[0].station} ({labels}), a structure or an array; neither "
                "location codes nor the sensors' places tell its triplets apart: give a file with one of them")))
    return told


def _is_triplet(channels: list[Channel]) -> bool:
    return len(channels) == 3 and sum(one.azimuth_deg is None for one in channels) == 1
