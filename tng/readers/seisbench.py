"""Data sets in the SeisBench layout, as they are: ESM25, and the corpora that `tng` itself writes.

A folder of ``metadata.csv`` and ``waveforms.hdf5``, or of several such pairs (chunks).  A row of the table
names its trace: ``NAME``, a dataset of the HDF5 group ``data``, or ``NAME$3,:3,:6000``, a part of one.  How to
read it stands in the datasets of the group ``data_format``; where the table has a column of the same meaning
(``trace_component_order``, ``trace_sampling_rate_hz``, ``trace_unit``), that goes before.

Format: https://seisbench.readthedocs.io, "Data format".  The splits of a data set are not taken over.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timezone
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from tng import esm25
from tng.channels import GAL, Refusal, assemble, iso, number
from tng.readers import _seisbench_files as files
from tng.readers.options import Options
from tng.records import RATES_HZ, ComponentError, DataError, FormatError, Record, RecordError, SamplingError, UnitsError, check_pga

NAME = "seisbench"
DESCRIPTION = "data sets in the SeisBench layout (folders of metadata.csv and waveforms.hdf5), ESM25 and tng's own corpora"
LICENCE = "the data set's own; its files do not state it"

MOST_SAMPLES = 4_000_000         # a component; an hour at 1000 Hz
YEARS = (1850, 2100)             # of earthquakes and their records
# What h5py and pandas raise where a file is damaged.
DAMAGED = (OSError, RuntimeError, ValueError, KeyError, TypeError, ArithmeticError, MemoryError, IndexError, SystemError)
# What the record itself says, what only held for the data set, and what a new corpus decides anew.
NOT_META = re.compile(r"trace_name|trace_chunk|trace_npts|trace_sampling_rate_hz|trace_dt_s|trace_component_order|trace_unit"
                      r"|trace_pga_[ENZ]_cmps2|station_code|source_id|split.*|index|level_0|Unnamed: \d+")
PREFIX = {"c": 1.0, "m": 0.1, "": 100.0, "u": 1e-4, "n": 1e-7, "k": 1e5}   # centimetres in one (prefix) metre


@dataclass(frozen=True)
class Portion:
    """Some rows of one chunk of a data set; none if the chunk cannot be read at all."""

    folder: Path
    chunk: str
    first: int          # row, from 0
    stop: int           # row after the last
    start_byte: int = 0
    stop_byte: int = 0


def is_dataset(folder: Path) -> bool:
    """Whether a folder holds metadata and waveforms that belong together."""
    folder = Path(folder)
    try:
        return folder.is_dir() and any(all(path.is_file() for path in files.paths(folder, chunk))
                                       for chunk in files.chunks(folder))
    except (OSError, ValueError):
        return False


def portions(folder: Path) -> list[Portion]:
    """The data set cut into pieces to be read one at a time; what is broken shows when it is read."""
    folder, made = Path(folder), []
    for chunk in files.chunks(folder):
        try:
            rows = files.rows_a_portion(files.paths(folder, chunk)[1])
            found = [Portion(folder, chunk, *place) for place in files.places(files.paths(folder, chunk)[0], rows)]
        except (RecordError, *DAMAGED):
            found = []
        made += found or [Portion(folder, chunk, 0, 0)]
    return made


def read_portion(portion: Portion, options: Options) -> list[Record | Refusal]:
    """The records of a portion, and a refusal for each row that is not one.  Never raises for bad content."""
    metadata, waveforms = files.paths(portion.folder, portion.chunk)
    name = f"{files.short(portion.folder.name)}/{files.short(metadata.name)}"
    try:
        if portion.first == portion.stop:
            files.rows_a_portion(waveforms)
            for _ in files.places(metadata, files.PORTION_ROWS):
                pass
            raise FormatError(f"{name}: no rows")
        rows = files.table(metadata, portion.start_byte, portion.stop_byte, f"rows {portion.first} to {portion.stop - 1}")
        with files.opened(waveforms) as file:
            data, layout = files.data_group(file, waveforms), files.data_format(file, waveforms)
            return list(_records(rows, data, layout, portion, options))
    except RecordError as error:
        return [Refusal(name, error)]
    except DAMAGED as error:
        return [Refusal(name, FormatError(f"{name}: rows {portion.first} to {portion.stop - 1} cannot be read "
                                          f"({files.short(error)}); the data set may be damaged"))]


def _records(rows: list[dict], data: h5py.Group, layout: Mapping, portion: Portion,
             options: Options) -> Iterator[Record | Refusal]:
    taken, folder = 0, f"{files.short(portion.folder.name)}/waveforms{files.short(portion.chunk)}.hdf5"
    for row in rows:
        name = f"{folder}/{files.short(row.get('trace_name'))}"
        try:
            samples = _samples(row, data, layout, name, 2 * files.PORTION_BYTES - taken)
            taken += 8 * samples[0].size
            yield _record(row, *samples, layout, name, options)
        except RecordError as error:
            yield Refusal(name, error)
        except DAMAGED as error:
            yield Refusal(name, FormatError(f"{name}: cannot be read ({files.short(error)}); the data set may be damaged"))


def _record(row: dict, samples: np.ndarray, order: tuple[str, ...], layout: Mapping, name: str, options: Options) -> Record:
    """One row and its samples, shape (components, samples), as a record."""
    rate_hz = _rate(row, layout, name)
    station, event = str(row.get("station_code") or "").strip(), str(row.get("source_id") or "").strip()
    if not station:
        raise FormatError(f"{name}: its row has no station_code; fill in that column")
    meta = {key: value for key, value in row.items() if not NOT_META.fullmatch(key)}
    of_esm = esm25.is_esm(order)
    meta = esm25.describe(meta) if of_esm else meta
    _tidy(meta)
    origin = _event(meta.get("source_origin_time"))
    defaults = {"trace_source_format": NAME, "trace_source_file": name, "trace_license": LICENCE, "station_vs30_mps": np.nan,
                "trace_source_sha256": hashlib.sha256(np.ascontiguousarray(samples).tobytes()).hexdigest()}
    meta = {**defaults, **meta}
    if of_esm:
        picked = esm25.acceleration(order, name)
        unit = esm25.unit_of(order[picked[0]], layout.get("measurement"), row.get("trace_unit", layout.get("unit")), name)
        data, declared = _acceleration(samples[picked], rate_hz, unit, "acceleration", name, options)
        event = origin or event or str(meta.get("source_esm_id", ""))       # the origin time, as of ESM's other files
        axes = esm25.channels(data, rate_hz, station, event, meta, [order[place] for place in picked], name, row)
        return _with(assemble(axes), meta, declared)
    unit, measurement = row.get("trace_unit", layout.get("unit")), str(layout.get("measurement") or "")
    data, declared = _acceleration(samples[_east_north_up(order, name)], rate_hz, unit, measurement, name, options)
    blank = [component for component, one in zip("ENZ", data) if one.size and not one.any()]
    if blank:
        raise ComponentError(f"{name}: component {' and '.join(blank)} holds nothing but zeros, which SeisBench puts where "
                             "there was none; three components are needed")
    meta.setdefault("trace_component_order_source", ",".join(order))
    record = _with(Record(data, rate_hz, station, event or origin, meta), meta, declared)
    stated = [row.get(f"trace_pga_{component}_cmps2") for component in "ENZ"]
    if all(isinstance(one, (int, float)) for one in stated):
        check_pga(record, stated)
    return record


def _with(record: Record, meta: Mapping, declared: str) -> Record:
    """The record with what its row says of its source; of tng's own corpora that is the raw file."""
    own = {key: meta[key] for key in ("trace_source_file", "trace_source_sha256", "trace_component_order_source") if key in meta}
    declared = {"trace_units_declared": meta.get("trace_units_declared", declared)}
    if "differentiated" in declared["trace_units_declared"]:
        declared["trace_processing"] = "differentiated from velocity"
    return Record(record.data, record.sampling_rate_hz, record.station, record.event, {**record.meta, **own, **declared})


# --- the samples ---------------------------------------------------------------------------------------

def _samples(row: dict, data: h5py.Group, layout: Mapping, name: str, most_bytes: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Samples of a trace, shape (components, samples), as its file has them; and its components."""
    trace = str(row.get("trace_name") or "")
    block, _, location = trace.partition("$")
    found = files.inside(data, block)
    if found is None:
        raise FormatError(f"{name}: the table names a waveform that the HDF5 file does not hold; they are not of one data set")
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu" or found.ndim not in (2, 3):
        raise FormatError(f"{name}: not an array of numbers, components by samples")
    files.check_harmless(found, name)
    selection = files.selection(location, found.shape, name)
    size = int(np.prod([len(range(*one.indices(length))) for one, length in zip(selection, found.shape)], dtype=object))
    if size > 12 * MOST_SAMPLES:
        raise FormatError(f"{name}: claims {size} values, which no record of an earthquake has")
    if size * 8 > most_bytes:
        raise FormatError(f"{name}: {size} values, while other records of its table are much shorter; put it into a data set of "
                          "its own")
    samples = found[selection]
    shape, letters = samples.shape, _dimensions(layout, name)
    samples = samples.reshape([length for place, length in enumerate(shape) if place or found.ndim == 2 or length != 1])
    if samples.ndim != 2:
        raise FormatError(f"{name}: an array of shape {shape}; one trace is components by samples")
    if letters == "WC":
        samples = samples.T
    order = _order(row.get("trace_component_order", layout.get("component_order")), name)
    if len(order) != len(samples):
        raise ComponentError(f"{name}: {len(samples)} components of samples, but the component order {','.join(order)} names "
                             f"{len(order)}")
    return _without_padding(samples, row, name), order


def _dimensions(layout: Mapping, name: str) -> str:
    letters = str(layout.get("dimension_order") or "CW").upper().removeprefix("N")
    if letters not in ("CW", "WC"):
        raise FormatError(f"{name}: dimension_order is {files.short(layout.get('dimension_order'))}; CW or WC is needed")
    return letters


def _order(order, name: str) -> tuple[str, ...]:
    if order is None or not len(order):
        raise ComponentError(f"{name}: neither component_order in data_format nor a column trace_component_order; add one")
    if isinstance(order, str):
        plain = re.sub(r"[()\[\]'\"\s]", "", order)
        order = plain.split(",") if "," in plain else list(plain)
    return tuple(str(one).strip() for one in order)


def _east_north_up(order: tuple[str, ...], name: str) -> list[int]:
    letters = ["Z" if one.upper() == "U" else one.upper() for one in order]
    if sorted(letters) != ["E", "N", "Z"]:
        raise ComponentError(f"{name}: components {', '.join(order)}; E, N and Z are needed, each once; the data set does not "
                             "tell where others point to")
    return [letters.index(component) for component in "ENZ"]


def _without_padding(samples: np.ndarray, row: dict, name: str) -> np.ndarray:
    """Cut what a bucket adds behind the end of a shorter trace."""
    stated = row.get("trace_npts")
    if not isinstance(stated, (int, float)):
        return samples
    if not (float(stated).is_integer() and 0 < stated <= samples.shape[1]):
        raise FormatError(f"{name}: {samples.shape[1]} samples, but trace_npts is {stated}")
    if np.any(samples[:, int(stated):]):
        raise FormatError(f"{name}: trace_npts is {stated:g}, but there are samples that are not zero behind it")
    return samples[:, :int(stated)]


# --- units and rates -----------------------------------------------------------------------------------

def _acceleration(samples: np.ndarray, rate_hz: float, unit, measurement: str, name: str, options: Options):
    """Samples in cm/s² as 64-bit numbers, and what says so."""
    data = np.array(samples, dtype=np.float64)
    if not np.isfinite(data).all():
        raise DataError(f"{name}: {np.count_nonzero(~np.isfinite(data))} values that are not finite numbers; repair or drop it")
    stated = "" if unit is None else str(unit).strip()
    kind, factor = unit_kind(stated)
    measured = "velocity" if "vel" in measurement.lower() else "acceleration" if "acc" in measurement.lower() else ""
    if kind in ("acceleration", "velocity") and measured not in ("", kind) and "," not in measurement:
        raise UnitsError(f"{name}: unit {stated} is of {kind}, but measurement says {measurement}; correct data_format")
    if kind == "acceleration":
        return data * factor, f"{stated} (SeisBench data_format)"
    if kind == "velocity":
        if not options.differentiate:
            raise UnitsError(f"{name}: velocity ({stated}); it is differentiated only where that is asked for (--differentiate)")
        return np.gradient(data * factor, 1 / rate_hz, axis=1), f"{stated} (SeisBench data_format), differentiated"
    if measured == "velocity":
        raise UnitsError(f"{name}: velocity in {stated or 'an unknown unit'}; acceleration is needed, or velocity in m/s and its "
                         "differentiation (--differentiate)")
    if kind == "counts" and options.gal_per_count:
        return data * options.gal_per_count, f"{options.gal_per_count:g} gal a count (declared by the user)"
    if kind == "missing" and options.unit:
        return data * GAL[options.unit], f"{options.unit} (declared by the user)"
    how = "declare one count (--gal-per-count)" if kind == "counts" else "declare it (--unit)" if kind == "missing" else \
        "correct data_format or the column trace_unit"
    raise UnitsError(f"{name}: unit {files.short(stated) or 'missing'}; acceleration in cm/s², m/s² or g is needed; {how}")


def unit_kind(text: str) -> tuple[str, float]:
    """What a unit is of (``acceleration``, ``velocity``, ``counts``, ``missing``, ``unknown``) and its size in cm and s.

    Spelling is free (``cmps2``, ``cm/s**2``, ``cm s^-2``, ``gal``, ``g``, ``m/s/s``, ``1e-6m/s**2``); meaning is not.
    """
    plain = re.sub(r"[\s_^*(){}·]", "", text.lower().translate(str.maketrans("²⁻¹µμ", "2-1uu")))
    if plain in ("", "none", "nan", "unknown", "null"):
        return "missing", 1.0
    if re.fullmatch(r"counts?|digital?counts?", plain):
        return "counts", 1.0
    number = re.match(r"\d*\.?\d+(?:e[+-]?\d{1,3})?(?=[a-z])", plain)
    factor = float(number[0]) if number else 1.0
    plain = plain[number.end():] if number else plain
    if plain in ("g", "gal", "gals", "mgal"):
        return "acceleration", factor * {"g": GAL["g"], "mgal": 1e-3}.get(plain, 1.0)
    match = re.fullmatch(r"([cmunk]?)(?:m|meters?|metres?)(?:(?P<per>/|p|per)(?:s|sec|seconds?)(?P<two>2|/s|/sec|quared)?"
                         r"|(?:s|sec)-(?P<power>[12]))", plain)
    if not match or not np.isfinite(factor):
        return "unknown", 1.0
    squared = bool(match["two"]) or match["power"] == "2"
    return ("acceleration" if squared else "velocity"), factor * PREFIX[match[1]]


def _rate(row: dict, layout: Mapping, name: str) -> float:
    stated = {"trace_sampling_rate_hz": number(row.get("trace_sampling_rate_hz")),
              "1 / trace_dt_s": 1 / (number(row.get("trace_dt_s")) or np.nan),
              "sampling_rate of data_format": number(layout.get("sampling_rate"))}
    known = {key: value for key, value in stated.items() if not np.isnan(value)}
    rate_hz = next(iter(known.values()), np.nan)
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise SamplingError(f"{name}: sampling rate {f'{rate_hz:g} Hz' if known else 'missing'}; between {RATES_HZ[0]} and "
                            f"{RATES_HZ[1]} Hz is needed")
    if any(abs(value / rate_hz - 1) > 1e-4 for value in known.values()):
        raise SamplingError(f"{name}: {', '.join(f'{key} {value:g} Hz' for key, value in known.items())}; which is right?")
    return round(rate_hz, 9)


# --- the row ------------------------------------------------------------------------------------------

def _tidy(meta: dict) -> None:
    """Times as this library writes them, picks as numbers under their usual names; what is no time of a record goes."""
    for name in ("trace_start_time", "source_origin_time"):
        if name in meta:
            time = pd.to_datetime(str(meta[name]), utc=True, errors="coerce")
            if pd.isna(time) or not YEARS[0] <= time.year <= YEARS[1]:
                del meta[name]
            elif not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", str(meta[name])):
                meta[name] = iso(time.to_pydatetime().astimezone(timezone.utc))
    for phase in "ps":
        usual, other = f"trace_{phase}_arrival_sample", f"trace_{phase.upper()}_arrival_sample"
        if other in meta:
            meta.setdefault(usual, meta.pop(other))
        if usual in meta and np.isnan(number(meta[usual])):
            del meta[usual]
        elif usual in meta:
            meta[usual] = number(meta[usual])


def _event(origin) -> str:
    time = pd.to_datetime(str(origin), utc=True, errors="coerce")
    return "" if pd.isna(time) else f"{time:%Y%m%d%H%M%S}"
