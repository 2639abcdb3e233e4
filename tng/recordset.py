"""Records of several stations in memory, from wherever they are: what every score is computed on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tng.config import nearest
from tng.corpus import Corpus
from tng.records import COMPONENTS, Record

LISTED = 3          # records that a message names
FILE = ("trace_original_sha256", "trace_source_sha256")                  # columns, the first that tells
START = ("trace_record_start_time", "trace_start_time")
UNKNOWN = ("", "nan", "NaN", "None", "<NA>", "NaT")      # what an earthquake is called that nobody named


class RecordSetError(ValueError):
    """Records that cannot be compared; the message says which, and what to do."""


@dataclass(frozen=True)
class RecordSet:
    """Three-component records of one length and rate.

    Attributes
    ----------
    data : array, shape (records, 3, samples), float32
        Acceleration, components E, N, Z [cm/s²].
    sampling_rate_hz : float
    station, event, trace : arrays of str, shape (records,)
        Station code, earthquake, and a name of its own for each record.
    events_known : bool
        False if no earthquakes were given: every record then counts as one of its own, so that intervals are too
        narrow wherever records share an earthquake.
    magnitude, distance_km : arrays, shape (records,)
        NaN where they are not known.
    ancestors : tuple of tuples of str
        Traces from which each record was made; empty for recorded ones.
    name : str
        What to call the set in a message.
    file, start : arrays of str, shape (records,)
        SHA-256 of the file that the record comes from, before any export by this project, and when the whole record starts; ""
        where that is not known.
    """

    data: np.ndarray
    sampling_rate_hz: float
    station: np.ndarray
    event: np.ndarray
    trace: np.ndarray
    events_known: bool = True
    magnitude: np.ndarray = field(default_factory=lambda: np.empty(0))
    distance_km: np.ndarray = field(default_factory=lambda: np.empty(0))
    ancestors: tuple[tuple[str, ...], ...] = ()
    name: str = "records"
    file: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=str))
    start: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=str))

    def __post_init__(self) -> None:
        data = np.asarray(self.data, dtype=np.float32)
        if data.ndim != 3 or data.shape[1] != 3 or data.shape[2] < 2:
            raise RecordSetError(f"{self.name}: an array of shape {data.shape}; (records, 3, samples) is needed")
        if not (np.isfinite(self.sampling_rate_hz) and self.sampling_rate_hz > 0):
            raise RecordSetError(f"{self.name}: sampling rate {self.sampling_rate_hz} Hz; it must be a positive number")
        n = len(data)
        for key in ("station", "event", "trace"):
            values = np.asarray(getattr(self, key), dtype=str)
            if values.shape != (n,):
                raise RecordSetError(f"{self.name}: {n} records but {values.size} entries of `{key}`; one each is needed")
            object.__setattr__(self, key, values)
        for key in ("magnitude", "distance_km"):
            values = np.asarray(getattr(self, key), dtype=float)
            object.__setattr__(self, key, values if values.shape == (n,) else np.full(n, np.nan))
        for key in ("file", "start"):
            values = np.asarray(getattr(self, key), dtype=str)
            object.__setattr__(self, key, np.where(np.isin(values, UNKNOWN), "", values) if values.shape == (n,) else np.full(n, ""))
        object.__setattr__(self, "data", data)
        unknown = np.isin(self.event, UNKNOWN)
        if unknown.any():                    # each of these records counts as an earthquake of its own
            object.__setattr__(self, "events_known", False)
            object.__setattr__(self, "event", np.where(unknown, [f"unknown {number}" for number in range(n)], self.event))
        self._refuse(~np.isfinite(data).all(axis=2), "holds values that are not finite numbers")
        self._refuse(np.ptp(data, axis=2) == 0, "is flat: the channel was dead")

    def _refuse(self, bad: np.ndarray, what: str) -> None:
        """Raise if any (record, component) is bad."""
        if bad.any():
            rows = np.flatnonzero(bad.any(axis=1))
            first = "; ".join(f"{self.trace[row]} of station {self.station[row]}, component "
                              f"{COMPONENTS[int(bad[row].argmax())]}" for row in rows[:LISTED])
            raise RecordSetError(f"{self.name}: {len(rows)} of {len(bad)} records cannot be scored; {first} {what}. "
                                 "Repair or drop them")

    def __len__(self) -> int:
        return len(self.data)

    @property
    def stations(self) -> list[str]:
        """Station codes in the order in which they come first."""
        return list(dict.fromkeys(self.station.tolist()))

    def rows(self, station: str) -> np.ndarray:
        """Which records are of a station."""
        return np.flatnonzero(self.station == station)

    def take(self, rows, name: str | None = None) -> RecordSet:
        """Some of the records, in the order asked for."""
        rows = np.asarray(rows, dtype=int)
        return RecordSet(self.data[rows], self.sampling_rate_hz, self.station[rows], self.event[rows], self.trace[rows],
                         self.events_known, self.magnitude[rows], self.distance_km[rows],
                         tuple(self.ancestors[row] for row in rows) if self.ancestors else (), name or self.name,
                         self.file[rows], self.start[rows])

    @classmethod
    def of(cls, source, name: str = "records", *, sampling_rate_hz: float | None = None, split: str | None = None,
           stations: Sequence[str] | None = None) -> RecordSet:
        """Records from whatever holds them.

        Parameters
        ----------
        source : RecordSet, Corpus, path, sequence of Record, or mapping
            A path is a corpus or a file or folder in any format that the readers know.  A mapping gives for each station an
            array (records, 3, samples) [cm/s²] or a sequence of `Record`.
        sampling_rate_hz : float, optional
            Of arrays, which do not know their own.
        split : str, optional
            Only this split of a corpus; "all" or nothing for all of it.
        stations : sequence of str, optional
            Only these.

        Raises
        ------
        RecordSetError
            For nothing at all, values that are not finite, dead components, or records of different length or rate.
        """
        if isinstance(source, (str, Path)):
            name = name if name != "records" else str(source)
            source = _from_path(Path(source))
        if isinstance(source, cls):
            found = source
        elif isinstance(source, Corpus):
            found = _from_corpus(cls, source, name, None if split == "all" else split)
        elif isinstance(source, Mapping):
            found = _from_mapping(cls, source, name, sampling_rate_hz)
        elif isinstance(source, Iterable):
            found = _from_records(cls, list(source), name)
        else:
            raise RecordSetError(f"{name}: {type(source).__name__}; RecordSet, Corpus, a path, Records, or a mapping from station to array "
                                 "is needed")
        if stations is not None:
            if unknown := [code for code in stations if code not in found.stations]:
                raise RecordSetError(f"{name}: no records of {unknown[0]}: {nearest(unknown[0], found.stations)}")
            found = found.take(np.flatnonzero(np.isin(found.station, list(stations))))
        if len(found) == 0:
            raise RecordSetError(f"{name}: no records" + (f" of {', '.join(stations)}" if stations else ""))
        return found


def _from_path(path: Path) -> Corpus | list[Record]:
    from tng import plan, readers, sources
    from tng.layout import CARD
    from tng.readers.options import Options

    if not path.exists():
        raise RecordSetError(f"{path} is not there; name a corpus, or a file or folder of records")
    if (path / CARD).exists():
        return Corpus.open(path)
    with tempfile.TemporaryDirectory() as scratch:                        # for StationXML inside archives
        files, options, _ = plan.set_aside(sources.walk(path), Options(), Path(scratch))
        found = readers.read_all(files, options)
    refused = [one for one in found if not isinstance(one, Record)]
    if refused:
        raise RecordSetError(f"{path}: {len(refused)} of {len(found)} records cannot be read, the first because: {refused[0].error}. "
                             "Make a corpus of them, which leaves those out: tng ingest")
    return found


def _from_corpus(cls, corpus: Corpus, name: str, split: str | None) -> RecordSet:
    rows = corpus.select(None, split)
    if len(rows) == 0:
        raise RecordSetError(f"{corpus.folder}: no records" + (f" in split {split!r}" if split else ""))
    about = corpus.metadata.iloc[rows]
    made_of = about["generator_sources"].fillna("").astype(str) if "generator_sources" in about else []
    return cls(corpus.waveforms(rows), corpus.sampling_rate_hz, about["station_code"].to_numpy(str),
               about["source_id"].to_numpy(str), about["trace_name"].to_numpy(str),
               magnitude=_column(about, "source_magnitude"), distance_km=_column(about, "path_hyp_distance_km", "path_ep_distance_km"),
               ancestors=_ancestors(made_of), name=name, file=_text(about, *FILE), start=_text(about, *START))


def _ancestors(made_of: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Names of the traces that each record was made from, as `RecordSet` has them; nothing at all if no record states any."""
    each = tuple(tuple(text.split(";")) if text else () for text in made_of)
    return each if any(each) else ()


def _column(about: pd.DataFrame, *names: str) -> np.ndarray:
    """Numbers of the first of some columns that is there; NaN for what is not known."""
    for column in names:
        if column in about:
            return pd.to_numeric(about[column], errors="coerce").to_numpy(float)
    return np.full(len(about), np.nan)


def _text(about: pd.DataFrame, *names: str) -> np.ndarray:
    """Text of the first of some columns that tells it; "" where none does."""
    found = pd.Series(np.nan, index=about.index, dtype=object)
    for column in names:
        if column in about:
            found = found.where(found.notna(), about[column].replace("", np.nan))
    return found.fillna("").to_numpy(str)


def _from_records(cls, records: list[Record], name: str) -> RecordSet:
    strangers = [type(one).__name__ for one in records if not isinstance(one, Record)]
    if strangers:
        raise RecordSetError(f"{name}: {strangers[0]} among the records; RecordSet, Corpus, a path, Records, or a mapping from "
                             "station to array is needed")
    if not records:
        raise RecordSetError(f"{name}: no records")
    kinds = {(record.samples, record.sampling_rate_hz) for record in records}
    if len(kinds) > 1:
        raise RecordSetError(f"{name}: records of {', '.join(f'{n} samples at {rate:g} Hz' for n, rate in sorted(kinds)[:4])}; "
                             "one length and one rate are needed: bring them to one window with tng ingest")
    about = pd.DataFrame([record.meta for record in records])
    made_of = [str(record.meta.get("generator_sources") or "") for record in records]
    return cls(np.stack([record.data for record in records]), records[0].sampling_rate_hz, [r.station for r in records],
               [r.event for r in records], [str(r.meta.get("trace_name") or r.name) for r in records],
               magnitude=_column(about, "source_magnitude"), distance_km=_column(about, "path_hyp_distance_km", "path_ep_distance_km"),
               ancestors=_ancestors(made_of), name=name, file=_text(about, *FILE), start=_text(about, *START))


def _from_mapping(cls, source: Mapping, name: str, sampling_rate_hz: float | None) -> RecordSet:
    if not source:
        raise RecordSetError(f"{name}: no stations")
    first = next(iter(source.values()))
    if not isinstance(first, np.ndarray):
        for station, records in source.items():
            if not isinstance(records, Iterable) or not all(isinstance(record, Record) for record in records):
                raise RecordSetError(f"{name}, station {station}: {type(records).__name__}; an array (records, 3, samples) or a list of "
                                     "Records is needed")
            wrong = {record.station for record in records} - {station}
            if wrong:
                raise RecordSetError(f"{name}: records of {', '.join(sorted(wrong))} are given as {station}'s")
        return _from_records(cls, [record for records in source.values() for record in records], name)
    if sampling_rate_hz is None:
        raise RecordSetError(f"{name}: arrays do not say their sampling rate; give sampling_rate_hz")
    if wrong := [code for code, x in source.items() if not isinstance(x, np.ndarray)]:
        raise RecordSetError(f"{name}, station {wrong[0]}: {type(source[wrong[0]]).__name__} beside arrays; give arrays for all stations")
    shapes = {np.shape(x)[1:] for x in source.values()}
    if len(shapes) > 1 or any(np.ndim(x) != 3 for x in source.values()):
        raise RecordSetError(f"{name}: arrays of {', '.join(str(np.shape(x)) for x in source.values())}; "
                             "(records, 3, samples) of one length are needed")
    station = np.repeat(list(source), [len(x) for x in source.values()])
    trace = [f"{code} {number}" for code, x in source.items() for number in range(len(x))]
    return cls(np.concatenate(list(source.values())), sampling_rate_hz, station, trace, trace, events_known=False, name=name)


def also_in(records: RecordSet, others: RecordSet) -> np.ndarray:
    """Which records are among others, too, wherever both were read from, shape (records,).

    Those of the same station, file, and earthquake or start, for a file may hold many; where one of the two does not tell its
    file, of the same station and earthquake.
    """
    by_start = set(zip(others.station, others.file, others.start))
    by_event: dict[tuple[str, str], set[str]] = {}
    if records.events_known and others.events_known:
        for station, event, file in zip(others.station, others.event, others.file):
            by_event.setdefault((station, event), set()).add(file)
    same = []
    for station, event, file, start in zip(records.station, records.event, records.file, records.start):
        files = by_event.get((station, event), set())
        same.append(bool(file in files or files and not file or "" in files
                         or file and start and (station, file, start) in by_start))
    return np.array(same, dtype=bool)


def same_kind(sets: Iterable[RecordSet]) -> None:
    """Refuse sets of different length or sampling rate.

    Raises
    ------
    RecordSetError
        Naming both.
    """
    first, *others = sets
    for other in others:
        if (first.data.shape[2], first.sampling_rate_hz) != (other.data.shape[2], other.sampling_rate_hz):
            raise RecordSetError(
                f"{other.name}: {other.data.shape[2]} samples at {other.sampling_rate_hz:g} Hz, but {first.name}: "
                f"{first.data.shape[2]} at {first.sampling_rate_hz:g} Hz; bring both to one window and rate "
                "(tng ingest --sampling-rate-hz, --window-s)")


