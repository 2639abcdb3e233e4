"""The files of a corpus in the SeisBench layout: their names, and reading them with every check."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from tng.records import COMPONENTS

METADATA, WAVEFORMS, CARD = "metadata.csv", "waveforms.hdf5", "corpus.json"
REJECTED, SOURCES = "rejected.csv", "sources.csv"
FILES = {METADATA, WAVEFORMS, CARD, REJECTED, SOURCES, "report.html", "report.md", "report"}
SPLITS = ("train", "dev", "test")
SPLIT_COLUMNS = {"event": "split", "paper": "split_paper", "station": "split_station", "time": "split_time"}
DATA_FORMAT = {"dimension_order": "CW", "component_order": "".join(COMPONENTS), "measurement": "acceleration",
               "unit": "cmps2", "instrument_response": "restituted"}
TRACE_NAME = re.compile(r"^(?P<bucket>\w+)\$(?P<slot>\d{1,9}),:3,:(?P<samples>\d{1,9})$")
# Columns that look like numbers but are names: "0205" must keep its zero, and "NA" is a network.
TEXT_COLUMN = re.compile(r".*_(code|id|name|type|class|time|file|sha256|format|license|category|processing|declared|order"
                         r"|source|status)|trace_name|split.*")
EXACT_FLOATS = {"float_precision": "round_trip"} if int(pd.__version__.split(".")[0]) < 3 else {}
HOW_TO_MAKE_ONE = "make a corpus with `tng ingest SOURCE --into CORPUS` or `papermill notebooks/01_data.ipynb`"


class CorpusError(ValueError):
    """A corpus that cannot be written or opened; the message says what was found and what to do."""


def read_metadata(path: Path, text_columns: Iterable[str]) -> pd.DataFrame:
    """The table of records; codes and names stay text."""
    try:
        columns = list(pd.read_csv(path, nrows=0).columns)
        texts = {name for name in columns if TEXT_COLUMN.fullmatch(name) or name in text_columns}
        table = pd.read_csv(path, dtype={name: str for name in texts}, keep_default_na=False, **EXACT_FLOATS,
                            na_values={name: [""] if name in texts else ["", "nan", "NaN", "None"] for name in columns})
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise CorpusError(f"{path}: not a table that can be read ({error}); {HOW_TO_MAKE_ONE}") from error
    for name in ("trace_name", "station_code", "source_id"):
        if name not in table:
            raise CorpusError(f"{path}: no column {name!r}; {HOW_TO_MAKE_ONE}")
        if table[name].isna().any():
            raise CorpusError(f"{path}: row {int(table[name].isna().argmax())} has no {name}; repair it, or {HOW_TO_MAKE_ONE}")
    return table


def read_layout(path: Path) -> tuple[float, dict[str, tuple[int, ...]]]:
    """Sampling rate and the shape of every bucket."""
    try:
        with h5py.File(path, "r") as file:
            if not (isinstance(file.get("data"), h5py.Group) and isinstance(file.get("data_format"), h5py.Group)):
                raise CorpusError(f"{path}: groups {sorted(file)}; 'data' and 'data_format' are needed; {HOW_TO_MAKE_ONE}")
            layout = {name: _plain(value[()]) for name, value in file["data_format"].items()
                      if isinstance(value, h5py.Dataset)}
            shapes = {name: value.shape for name, value in file["data"].items() if isinstance(value, h5py.Dataset)}
    except OSError as error:
        raise CorpusError(f"{path}: not a whole HDF5 file ({error}); {HOW_TO_MAKE_ONE}") from error
    for name in ("component_order", "unit"):
        if layout.get(name) != DATA_FORMAT[name]:
            raise CorpusError(f"{path}: {name} is {layout.get(name)!r}, {DATA_FORMAT[name]!r} is needed; {HOW_TO_MAKE_ONE}")
    try:
        rate_hz = float(layout.get("sampling_rate", math.nan))
    except (TypeError, ValueError):
        rate_hz = math.nan
    if not (math.isfinite(rate_hz) and rate_hz > 0):
        raise CorpusError(f"{path}: sampling_rate is {layout.get('sampling_rate')!r}; {HOW_TO_MAKE_ONE}")
    return rate_hz, shapes


def _plain(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def check_agreement(folder: Path, metadata: pd.DataFrame, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """That every row has its own place in the waveforms and no place is left over; returns the samples."""
    names = metadata["trace_name"]
    places = names.str.extract(TRACE_NAME)
    strange = names[places["bucket"].isna()]
    if len(strange):
        raise CorpusError(f"{folder}: trace_name {strange.iloc[0]!r} is not of the kind 'bucket0$3,:3,:6000'; {HOW_TO_MAKE_ONE}")
    lengths = {shape[2] for shape in shapes.values() if len(shape) == 3 and shape[1] == 3}
    if len(lengths) != 1 or any(len(shape) != 3 or shape[1] != 3 for shape in shapes.values()):
        raise CorpusError(f"{folder}: {WAVEFORMS} holds arrays of shapes {sorted(set(shapes.values()))[:4]}; all must be "
                          f"(records, 3, samples) of one length; {HOW_TO_MAKE_ONE}")
    (samples,) = lengths
    held = sum(shape[0] for shape in shapes.values())
    limits = places["bucket"].map({name: shape[0] for name, shape in shapes.items()})
    missing = names[~(places["slot"].astype(np.int64) < limits) | (places["samples"].astype(np.int64) != samples)]
    if len(missing):
        raise CorpusError(f"{folder}: {METADATA} names {missing.iloc[0]!r}, which {WAVEFORMS} does not hold; they are not "
                          f"of one corpus; {HOW_TO_MAKE_ONE}")
    if names.duplicated().any() or held != len(names):
        raise CorpusError(f"{folder}: {METADATA} has {names.nunique()} different traces in {len(names)} rows, {WAVEFORMS} "
                          f"holds {held}; they are not of one corpus; {HOW_TO_MAKE_ONE}")
    return int(samples)


def read_card(path: Path) -> dict:
    """What `corpus.json` remembers; empty if there is none."""
    if not path.is_file():
        return {}
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise CorpusError(f"{path}: not readable as JSON ({error}); remove it, it will be done without") from error
    if not isinstance(card, dict) or not isinstance(card.get("text_columns", []), list):
        raise CorpusError(f"{path}: not what a corpus writes there; remove it, it will be done without")
    return card
