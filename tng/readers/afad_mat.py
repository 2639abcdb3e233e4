"""AFAD records as the authors of TimesNet-Gen share them: MATLAB structs ``EQ.anEQ``, one file a record.

Facts that were read from such files, not from a specification: columns N, E, U in gal; ``depth`` in metres;
``statID`` a number, so that "0208" has lost its zero; dates as MATLAB objects, which nothing but MATLAB
decodes, so that time and station come from the file name ``YYYYMMDDHHMMSS_SSSS.mat``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone

import numpy as np

from tng.readers import _mat5
from tng.readers.options import Options
from tng.records import RATES_HZ, ComponentError, FormatError, Record, SamplingError, check_pga
from tng.sources import RawFile

NAME = "afad-mat"
DESCRIPTION = "MATLAB struct EQ.anEQ of the AFAD-1218 family (YYYYMMDDHHMMSS_SSSS.mat)"
LICENCE = "AFAD waveform; no redistribution permission known"

FULL_NAME = re.compile(r"(?P<time>\d{14})_(?P<station>\d{1,4})")
WINDOW_NAME = re.compile(r"AFAD\.(?P<station>\d{4})\.\d+_(?P<time>\d{12})[PSN]\d+_EV_\d+")


def sniff(head: bytes, name: str) -> bool:
    """Whether a file starts like MATLAB 5 or later; version 7.3 too, so that its refusal can say what to do."""
    return head.startswith(b"MATLAB ") or (len(head) >= 128 and head[126:128] in (b"IM", b"MI"))


def read(file: RawFile, options: Options) -> list[Record]:
    """Read one full record, ``YYYYMMDDHHMMSS_SSSS.mat``.

    With `options.augmented` also the windows ``AFAD.SSSS….mat``, which may hold synthetic noise before the
    event; they are marked ``trace_category = "augmented"``.  `options.component_order` tells the columns.

    Raises
    ------
    FormatError, ComponentError, SamplingError, HeaderMismatchError, DataError
        All name the file and say what was found.
    """
    variables = _mat5.load_file(file)
    name = file.name
    if "EQ" not in variables:
        found = ", ".join(filter(None, variables)) or "nothing"
        raise FormatError(f"{name}: no struct EQ.anEQ and no variable signal; it holds {found}")
    station, time, is_window = from_name(file, options.augmented)
    struct = _struct(variables["EQ"], name)
    accel = _acceleration(struct, name)
    rate_hz = _sampling_rate(struct, len(accel), name)
    order = _order(options.component_order)
    _check_station(struct, station, name)

    meta = _meta(struct, rate_hz, len(accel))
    meta.update(
        source_origin_time=time.isoformat().replace("+00:00", "Z"),
        station_network_code="TK",
        trace_category="augmented" if is_window else "earthquake",
        trace_component_order_source=options.component_order,
        trace_units_declared="gal (by convention of the format; the file does not say)",
        trace_processing="as distributed: column means removed",
        trace_source_file=name,
        trace_source_format=NAME,
        trace_source_sha256=file.sha256(),
        trace_license=LICENCE,
    )
    record = Record(accel.T[order], rate_hz, station, f"{time:%Y%m%d%H%M%S}", meta)
    pga = _numbers(struct.get("pga"), 3)
    if np.isfinite(pga).all():
        check_pga(record, pga[order])
        record.meta["trace_pga_header_checked"] = True
    return [record]


def from_name(file: RawFile, augmented: bool) -> tuple[str, datetime, bool]:
    """Station code, origin time and whether the name is that of an augmented window."""
    stem = file.base.rpartition(".")[0] or file.base
    window = WINDOW_NAME.fullmatch(stem)
    if (window or stem.startswith("AFAD.")) and not augmented:
        raise FormatError(f"{file.name}: an augmented window, not a full record: it may hold synthetic noise before the "
                          "event and shares its earthquake with other windows; ask for it (augmented) if you want it")
    match = window or FULL_NAME.fullmatch(stem)
    if not match:
        raise FormatError(f"{file.name}: the name is not YYYYMMDDHHMMSS_SSSS.mat, and the file itself does not tell the "
                          "time and the zeros of the station code; give it its original name")
    century = "20" if window else ""
    try:
        time = datetime.strptime(century + match["time"], "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)
    except ValueError:
        raise FormatError(f"{file.name}: {match['time']} in the name is not a time (YYYYMMDDHHMMSS)") from None
    return match["station"].zfill(4), time, bool(window)


def _struct(outer, name: str) -> Mapping:
    """The fields of EQ.anEQ."""
    struct = outer.get("anEQ") if isinstance(outer, Mapping) else None
    if not isinstance(struct, Mapping):
        raise FormatError(f"{name}: EQ holds no struct anEQ")
    return struct


def _acceleration(struct: Mapping, name: str) -> np.ndarray:
    """Accel as float64, shape (samples, 3), columns in the file's order."""
    if "Accel" not in struct:
        raise FormatError(f"{name}: no field Accel; there are {', '.join(map(str, struct)) or 'none'}")
    accel = struct["Accel"]
    if not isinstance(accel, np.ndarray):
        raise FormatError(f"{name}: Accel is not an array of real numbers")
    if accel.ndim != 2 or accel.shape[1] != 3:
        raise ComponentError(f"{name}: Accel has shape {accel.shape}; (samples, 3) is needed, a column a component")
    stated = _number(struct.get("numofData"))
    if np.isfinite(stated) and stated != len(accel):
        raise FormatError(f"{name}: {len(accel)} samples, but numofData says {stated:g}; the file is incomplete")
    return accel


def _sampling_rate(struct: Mapping, samples: int, name: str) -> float:
    dt_s = _number(struct.get("sampling"))
    if not (np.isfinite(dt_s) and 1 / RATES_HZ[1] <= dt_s <= 1 / RATES_HZ[0]):
        raise SamplingError(f"{name}: sampling interval {dt_s} s; between {1 / RATES_HZ[1]} and {1 / RATES_HZ[0]:g} s "
                            "is needed, in the field 'sampling'")
    duration_s = _number(struct.get("duration"))
    if np.isfinite(duration_s) and abs(duration_s - samples * dt_s) > 2 * dt_s + 0.01 * duration_s:
        raise SamplingError(f"{name}: {samples} samples of {dt_s} s are {samples * dt_s:g} s, but duration says "
                            f"{duration_s:g} s")
    return round(1 / dt_s, 9)


def _order(component_order: str) -> list[int]:
    """Where E, N, Z stand among the columns."""
    return [component_order.replace("U", "Z").index(component) for component in "ENZ"]


def _check_station(struct: Mapping, station: str, name: str) -> None:
    stated = _number(struct.get("statID"))
    if np.isfinite(stated) and stated != int(station):
        raise FormatError(f"{name}: the name says station {station}, the field statID {stated:g}; one of them is wrong")


def _meta(struct: Mapping, rate_hz: float, samples: int) -> dict:
    source = _numbers(struct.get("epicenter"), 2).tolist()
    site = _numbers(struct.get("statco"), 2).tolist()
    vs30 = _number(struct.get("Vs30"))
    return {
        "source_magnitude": _number(struct.get("magnitudeval")),
        "source_magnitude_type": _text(struct.get("magnitudetype")),
        "source_depth_km": _number(struct.get("depth")) / 1000,
        "source_latitude_deg": source[0],
        "source_longitude_deg": source[1],
        "station_name": _turkish(_text(struct.get("place"))),
        "station_latitude_deg": site[0],
        "station_longitude_deg": site[1],
        "station_elevation_m": _number(struct.get("alt")),
        "station_vs30_mps": vs30 if vs30 > 0 else np.nan,
        "path_hyp_distance_km": _number(struct.get("Rhyp")),
        "trace_p_arrival_sample": _pick(struct.get("Ptime"), rate_hz, samples),
        "trace_s_arrival_sample": _pick(struct.get("Stime"), rate_hz, samples),
    }


def _pick(seconds, rate_hz: float, samples: int) -> float:
    sample = np.round(_number(seconds) * rate_hz)
    return float(sample) if 0 <= sample < samples else np.nan


def _number(value) -> float:
    """A real scalar as float; NaN for everything else, such as MATLAB's opaque `missing` or an empty array."""
    return float(_numbers(value, 1)[0])


def _numbers(value, count: int) -> np.ndarray:
    """`count` real numbers, or that many NaN."""
    if isinstance(value, np.ndarray) and value.size == count:
        return value.ravel()
    return np.full(count, np.nan)


def _text(value) -> str:
    return value.strip() if isinstance(value, str) else ""


def _turkish(text: str) -> str:
    """Undo the reading of cp1254 bytes as latin-1, which turns İ into Ý and Ş into Þ."""
    try:
        return text.encode("latin-1").decode("cp1254")
    except UnicodeError:
        return text
