"""PEER text (.AT2), a file a component: four lines of header, then acceleration in g.

::

    PEER NGA STRONG MOTION DATABASE RECORD
    Northridge-01, 1/17/1994, Beverly Hills - 14145 Mulhol, 9
    ACCELERATION TIME SERIES IN UNITS OF G
    NPTS=   2999, DT=   .0100 SEC,

Traps: the direction is an azimuth, or stands in the file's name only; `DWN` points down; numbers may touch; older
files write ``7999 .0050 NPTS, DT``; the earthquake has a date but seldom a time.  The same layout is written by
:mod:`tng.writers`, with another first line that says so.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import unquote

from tng.channels import GAL, Channel, azimuth_of
from tng.readers._numbers import content, number, rate_hz, samples, text_of, whole
from tng.readers.options import Options
from tng.records import ComponentError, FormatError, UnitsError
from tng.sources import RawFile

NAME = "peer"
DESCRIPTION = "PEER text, a file a component (.AT2, acceleration in g)"
LICENCE = "PEER ground motion database: no redistribution"
OWN_TITLE = "TNG ACCELERATION RECORD"
SYNTHETIC = "SYNTHETIC, NOT A RECORDED EARTHQUAKE"
OWN_LICENCE = "see provenance.json, written beside the file"

HEADER_LINES = 12            # real ones have 4, some a comment more
COUNT = re.compile(r"\bNPTS\s*[=:]?\s*([0-9]+)\s*[,;]?\s*DT\s*[=:]?\s*([-+.0-9EeDd]+)", re.IGNORECASE)
OLD_COUNT = re.compile(r"^\s*([0-9]+)\s*,?\s+([-+.0-9EeDd]+)\s*,?\s*NPTS\s*,?\s*DT", re.IGNORECASE)
DATE = re.compile(r"\b([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}|[0-9]{2})\b|\b([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})\b")
CLOCK = re.compile(r"(?:[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]*)?)?|[0-9]{4})(?:\s*(?:UTC|GMT))?|M\s?[0-9.]+", re.IGNORECASE)
UNITS = {"G": "g", "CM/S/S": "gal", "CM/S2": "gal", "CM/SEC2": "gal", "CM/SEC/SEC": "gal", "CM/S**2": "gal", "CM/S^2": "gal",
         "GAL": "gal", "M/S2": "m/s2", "M/S/S": "m/s2", "M/S**2": "m/s2", "M/S^2": "m/s2", "M/SEC/SEC": "m/s2"}
UP, DOWN = ("UP", "U", "V", "Z", "VERT", "VER", "VERTICAL", "UD", "U-D"), ("DWN", "DOWN", "DN")
UNDIRECTED = re.compile(r"L|T|R|H1|H2|LN|TR|FN|FP|LONG(?:ITUDINAL)?|TRAN(?:S|SVERSE)?|RADIAL", re.IGNORECASE)
SEED = re.compile(r"[A-Z][HNLG]([ENZ123])(?:[-_. ]?[0-9]{2})?", re.IGNORECASE)
NAMED = re.compile(r"^(.*?)(?:[-_. ]?(UP|DWN|DOWN|DN|VERT|VER|UD)|[-_.]([ENSWVZU]|EW|NS)|([0-3][0-9]{2})"
                   r"|[-_.]([A-Z][HNLG][ENZ123](?:[-_.]?[0-9]{2})?))$", re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """What the header says; `component` is the text that tells a direction, or is empty."""

    title: str
    event: str
    date: str            # YYYYMMDD, or empty
    station: str
    component: str
    series: str          # line 3
    count: str
    interval: str
    body_at: int


def sniff(head: bytes, name: str) -> bool:
    """Whether one of the first lines gives NPTS and DT, and one before it says what series it is."""
    lines = text_of(head).splitlines()[:HEADER_LINES]
    at = next((number for number, line in enumerate(lines) if _count(line)), None)
    return at is not None and any(_is_series(line) for line in lines[:at])


def group(head: bytes, name: str) -> tuple[str, float | None] | None:
    """What the components of one record share: earthquake, date, station, and the name without the component."""
    header = _header(head, name)
    named = NAMED.fullmatch(_stem(name))
    stem = ""
    if named:
        location = re.search(r"[0-9]{2}$", named[5]) if named[5] else None
        stem = named[1].rstrip("-_. ") + (f".{location[0]}" if location else "")
    kind = re.match(r"\s*([A-Za-z]*)", header.series)[1]
    return "/".join((header.event, header.date, header.station, kind, stem)).upper().lstrip("/"), None


def read(file: RawFile, options: Options) -> list[Channel]:
    """Read one component.

    Raises
    ------
    FormatError, UnitsError, ComponentError, SamplingError, DataError
        All name the file and say what was found.
    """
    raw = content(file)
    header = _header(raw, file.name)
    factor, declared = _unit(header.series, options, file.name)
    count = whole(header.count, "NPTS", file.name)
    rate = rate_hz(header.interval, "DT", file.name)
    azimuth, sign, label = _direction(header, file)
    if not header.station:
        raise FormatError(f"{file.name}: the line of the earthquake names no station; event, date, station and component are "
                          "needed, with commas between them")
    data = samples(raw[header.body_at:], count, "NPTS", file.name) * (factor * sign)
    own = header.title.startswith(OWN_TITLE)
    event = header.event if own else _slug(header.date, header.event)
    return [Channel(data, rate, header.station, azimuth, label, file.name, hashlib.sha256(raw).hexdigest(), event=event,
                    meta=_meta(header, own, declared))]


def _is_series(line: str) -> bool:
    return bool(re.search(r"TIME\s+(SERIES|HISTORY)|UNITS\s+OF|^\s*(ACCELERATION|VELOCITY|DISPLACEMENT)\b", line, re.IGNORECASE))


def _count(line: str) -> re.Match | None:
    return COUNT.search(line) or OLD_COUNT.match(line)


def _header(raw: bytes, name: str) -> Header:
    lines = raw[:65536].split(b"\n", HEADER_LINES)[:HEADER_LINES]
    texts = [text_of(line).strip() for line in lines]
    at = next((number for number, line in enumerate(texts) if _count(line)), None)
    series = next((number for number in range(at - 1, -1, -1) if _is_series(texts[number])), None) if at is not None else None
    if series is None:
        raise FormatError(f"{name}: the header lacks a line such as NPTS= 4000, DT= .0100 SEC, or the one of the unit before it")
    before = [text for text in texts[:series] if text]
    count = _count(texts[at])
    own = bool(before) and before[0].startswith(OWN_TITLE)
    event, date, station, component = (_own_earthquake if own else _earthquake)(before[-1] if before else "")
    return Header(before[0] if before else "", event, date, station, component, texts[series], count[1], count[2],
                  sum(len(line) + 1 for line in lines[:at + 1]))


def _earthquake(line: str) -> tuple[str, str, str, str]:
    """Event, date, station and component of line 2, in any of its styles."""
    line = " ".join(line.split())
    date = DATE.search(line)
    if date:
        event, rest = line[:date.start()], line[date.end():]
    else:
        event, _, rest = line.partition(",")
    fields = [field.strip() for field in rest.split(",")]
    while fields and (not fields[0] or CLOCK.fullmatch(fields[0])):
        del fields[0]                        # time of day, magnitude
    component = ""
    last = _plain(fields[-1]) if fields else ""
    if _told(last) is not None or len(fields) > 1 and (UNDIRECTED.fullmatch(last) or SEED.fullmatch(last)):
        component = last
        del fields[-1]
    return event.strip(" ,"), _date(date), ", ".join(fields).strip(" ,"), component


def _own_earthquake(line: str) -> tuple[str, str, str, str]:
    """Line 2 of the project's own files: four fields, encoded so that none holds a comma; ? where one is empty."""
    fields = line.split(", ")
    if len(fields) != 4:
        return "", "", "", ""
    event, date, station, component = (unquote(field) if field != "?" else "" for field in fields)
    return event, _date(DATE.fullmatch(date)), station, component


def _plain(field: str) -> str:
    """A component without the station's number that older files add: ``140 (USGS STATION 5057)``."""
    return re.sub(r"\s*\([^()]*\)?$", "", field).strip()


def _date(match: re.Match | None) -> str:
    """YYYYMMDD; American order unless that has no such month; empty if it is no date."""
    if match is None:
        return ""
    if match[4]:
        year, month, day = int(match[4]), int(match[5]), int(match[6])
    else:
        month, day, year = int(match[1]), int(match[2]), int(match[3])
        year += (1900 if year >= 30 else 2000) if len(match[3]) == 2 else 0
    if month > 12 >= day:
        month, day = day, month
    return f"{year:04d}{month:02d}{day:02d}" if 1 <= month <= 12 and 1 <= day <= 31 else ""


def _slug(date: str, name: str) -> str:
    """An identifier that all stations of one earthquake share; its time of day is not known.  Empty without a date."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"{date}-{plain}" if date and plain else date


def _unit(series: str, options: Options, name: str) -> tuple[float, str]:
    """What one unit of the file is in cm/s², and who says so."""
    kind = series.upper()
    if "ACC" not in kind:
        raise FormatError(f"{name}: the third line says {series[:60]!r}; acceleration is needed, take the .AT2 file of the "
                          "record")
    stated = re.search(r"\bUNITS?\s*(?:OF|:|=)?\s*([A-Z][A-Z0-9/*^]*)", kind)
    if stated and stated[1] in UNITS:
        return GAL[UNITS[stated[1]]], f"{UNITS[stated[1]]} (header)"
    if stated or options.unit is None:
        raise UnitsError(f"{name}: the third line says {series[:60]!r}; ACCELERATION TIME SERIES IN UNITS OF G is expected"
                         + ("" if stated else ", or declare the unit"))
    return GAL[options.unit], f"{options.unit} (declared by the user)"


def _told(text: str) -> tuple[float | None, int] | None:
    """Azimuth (None: vertical) and sign of ``009``, ``UP``, ``DWN``, ``N67E``, ``BHZ00``; None if it does not tell."""
    text = text.upper()
    if text in UP or text in DOWN:
        return None, -1 if text in DOWN else 1
    seed = SEED.fullmatch(text)
    if seed:
        return {"E": (90.0, 1), "N": (0.0, 1), "Z": (None, 1)}.get(seed[1])
    try:
        return azimuth_of(text), 1
    except ValueError:
        return None


def _stem(name: str) -> str:
    return re.sub(r"\.(AT2|VT2|DT2|TXT|ACC|DAT)$", "", name, flags=re.IGNORECASE)


def _direction(header: Header, file: RawFile) -> tuple[float | None, int, str]:
    """Azimuth, sign and label, by line 2 and by the end of the file's name; both must agree where both tell."""
    named = NAMED.fullmatch(_stem(file.base))
    ending = next((part for part in named.groups()[1:] if part), "") if named else ""
    by_line, by_name = _told(header.component), _told(ending)
    if by_line and by_name and by_line != by_name:
        raise ComponentError(f"{file.name}: line 2 says component {header.component}, the end of the file's name says {ending}; "
                             "find out which is right and correct the other")
    told = by_line or by_name
    if told is None:
        raise ComponentError(f"{file.name}: neither line 2 ({header.component or 'no component'}) nor the end of the file's name "
                             f"({ending or 'nothing'}) tells the direction; if you know its azimuth, let line 2 end in it "
                             "(for example , 067 or , UP)")
    return *told, header.component or ending


def _meta(header: Header, own: bool, declared: str) -> dict:
    meta: dict[str, object] = {
        "source_name": "" if own else header.event,
        "station_name": header.station,
        "trace_category": "synthetic" if own and SYNTHETIC in header.title else "earthquake",
        "trace_source_format": NAME,
        "trace_units_declared": declared,
        "trace_license": OWN_LICENCE if own else LICENCE,
        "trace_processing": f"written by tng: {header.title}" if own else f"as in the file: {header.title}; {header.series}",
        "station_vs30_mps": float("nan"),
    }
    for name, key in (("trace_lowcut_hz", "HP"), ("trace_highcut_hz", "LP")):
        corner = re.search(rf"\b{key}\s*=\s*([.0-9]+)", header.series, re.IGNORECASE)
        if corner and number(corner[1]) > 0:
            meta[name] = number(corner[1])
    return meta
