"""What one does with a corpus besides training on it: look at it, check it, split it anew, export from it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pandas as pd

from tng import arrivals, splits
from tng.corpus import Corpus, check_free
from tng.layout import CARD, METADATA, REJECTED, SOURCES, SPLIT_COLUMNS, SPLITS, WAVEFORMS, CorpusError
from tng.records import COMPONENTS, Record
from tng.remote import sha256

BATCH = 256          # records in memory; 18 MB of the paper's windows
MOST_SHOWN = 5       # problems of a kind


def info(corpus: Corpus) -> pd.Series:
    """What a corpus holds, as text under short titles: counts, times, rates, magnitudes, formats, licences, splits, flags."""
    table = corpus.metadata
    origins = table.get("source_origin_time", pd.Series(dtype=str)).dropna()
    times = origins if len(origins) else table.get("trace_start_time", pd.Series(dtype=str)).dropna()
    size = (corpus.folder / WAVEFORMS).stat().st_size + (corpus.folder / METADATA).stat().st_size
    found = {
        "folder": str(corpus.folder),
        "records": f"{len(corpus)} of {len(corpus.stations)} stations and {table['source_id'].nunique()} events",
        "most records": _counts(table["station_code"], 5),
        "time": f"{times.min()[:10]} to {times.max()[:10]}" if len(times) else "unknown",
        "window": f"{corpus.samples / corpus.sampling_rate_hz:g} s, {corpus.samples} samples at {corpus.sampling_rate_hz:g} Hz",
        "original rates": _counts(_column(table, "trace_sampling_rate_raw_hz").dropna().map("{:g} Hz".format)),
        "magnitudes": _range(table, "source_magnitude", "{:.1f}"),
        "distances": _range(pd.DataFrame({"km": arrivals.distances_km(table)}), "km", "{:.0f}", " km from the hypocentre"),
        "peaks": _peaks(table),
        "Vs30": f"{table['station_code'][_column(table, 'station_vs30_mps') > 0].nunique()} of {len(corpus.stations)} stations",
        "formats": _counts(_text(table, "trace_source_format")),
        "kinds": _counts(_text(table, "trace_category")),
        "licences": _counts(_text(table, "trace_license")),
        **{column: _counts(_text(table, column), order=SPLITS) for column in SPLIT_COLUMNS.values()},
        "flags": _counts(_text(table, "trace_quality_flags").str.split(";").explode().str.strip(), left_out="unknown") or "none",
        "size": f"{size / 1e6:.1f} MB",
        "fingerprint": corpus.fingerprint,
    }
    return pd.Series({title: text or "unknown" for title, text in found.items()}, dtype=object)


def check(folder) -> list[str]:
    """Everything that is wrong with a corpus, a line each; reads every waveform, some at a time.

    That it opens, that fingerprint and checksum are those in ``corpus.json``, that every sample is finite and
    peaks are those in the table, that no earthquake is on two sides of `split`, that no record is there twice.
    """
    try:
        corpus = Corpus.open(folder)
    except CorpusError as error:
        return [str(error)]
    problems: list[str] = []
    digests = _check_waveforms(corpus, problems)
    card, table = corpus.card, corpus.metadata
    if not (corpus.folder / CARD).is_file():
        problems.append(f"{corpus.folder}: no {CARD}, so nothing tells whether it is as it was written")
    else:
        if "metadata_sha256" in card and card["metadata_sha256"] != sha256(corpus.folder / METADATA):
            problems.append(f"{corpus.folder / METADATA}: was changed since it was written (another SHA-256 than in {CARD})")
        if "waveforms_sha256" in card and card["waveforms_sha256"] != sha256(corpus.folder / WAVEFORMS):
            problems.append(f"{corpus.folder / WAVEFORMS}: was changed since it was written (another SHA-256 than in {CARD})")
        if "fingerprint" in card and card["fingerprint"] != corpus.compute_fingerprint(digests):
            problems.append(f"{corpus.folder}: waveforms or metadata were changed since they were written (another fingerprint "
                            f"than in {CARD})")
    problems += _check_splits(table)
    problems += _check_copies(table, digests)
    return problems


def _check_waveforms(corpus: Corpus, problems: list[str]) -> list[bytes]:
    """A digest of each record, in order; finds samples that are not finite and peaks that are not the table's."""
    stated = np.stack([_column(corpus.metadata, f"trace_pga_{one}_cmps2") for one in COMPONENTS], axis=1).astype(float)
    digests, infinite, unlike = [], [], []
    for rows, block in corpus.batches(np.arange(len(corpus)), BATCH):
        digests += [hashlib.sha256(one.astype("<f4", copy=False).tobytes()).digest() for one in block]
        finite = np.isfinite(block).all(axis=(1, 2))
        infinite += rows[~finite].tolist()
        peaks = np.abs(block).max(axis=2).astype(float)
        close = np.isclose(peaks, stated[rows], rtol=1e-6, atol=0) | np.isnan(stated[rows])
        unlike += rows[finite & ~close.all(axis=1)].tolist()
    _note(problems, corpus.metadata, infinite, "samples that are not finite numbers")
    _note(problems, corpus.metadata, unlike, "a peak that is not the one in its columns trace_pga_*")
    return digests


def _check_splits(table: pd.DataFrame) -> list[str]:
    problems = []
    for column, by in (("split", "source_id"), ("split_station", "station_code")):
        if column not in table:
            continue
        strange = sorted(set(table[column].dropna()) - set(SPLITS))
        if strange or column == "split" and table[column].isna().any():
            problems.append(f"column {column} holds {', '.join(strange) or 'nothing'} in places; {', '.join(SPLITS)} are known")
        sides = table.groupby(by)[column].nunique()
        both = sides.index[sides > 1].tolist()
        what = "event" if by == "source_id" else "station"
        problems += [f"{what} {name} is on several sides of {column}" for name in both[:MOST_SHOWN]]
        if len(both) > MOST_SHOWN:
            problems.append(f"… and {len(both) - MOST_SHOWN} more {what}s are on several sides of {column}")
    if "split" in table:
        sides = table[["split", "source_id"]].groupby(splits.event_groups(table)).nunique()
        apart = sides.index[(sides["split"] > 1) & (sides["source_id"] > 1)]
        problems += [f"event {name} and others at its time, probably the same earthquake, are on several sides of split; "
                     "`tng corpus split` deals them out together" for name in apart[:MOST_SHOWN]]
    return problems


def _check_copies(table: pd.DataFrame, digests: Sequence[bytes]) -> list[str]:
    problems: list[str] = []
    for what, keys in (("the samples of an earlier row", pd.Series(digests)),
                       ("station and start time of an earlier row", _together(table, "station_code", "trace_start_time"))):
        _note(problems, table, np.flatnonzero(keys.duplicated() & keys.notna()).tolist(), what)
    return problems


def resplit(folder, shares: Sequence[float] = (0.6, 0.1, 0.3), seed: int = 0, held_out: Sequence[str] = (), *,
            fold: tuple[int, int] | None = None, into=None) -> pd.DataFrame:
    """Deal the records of a corpus out anew (see :func:`tng.splits.add`); returns how many records are where.

    ``metadata.csv`` and ``corpus.json`` are replaced as whole files; every other column stays as it is.  With `into`, a
    copy of the corpus is split, without the report, and `folder` stays as it is.

    Raises
    ------
    CorpusError
        Shares that do not add to 1, a held-out station or a fold that is not there, a folder that cannot be written.
    """
    corpus, shares = Corpus.open(folder), splits.check_shares(shares)
    for station in held_out:
        corpus.select(station)                       # raises if it is not there
    sides = splits.add(corpus.metadata, shares, seed, held_out, fold)
    chosen = {"splits": list(shares), "seed": seed, "held_out": list(held_out), "fold": None if fold is None else list(fold)}
    with nullcontext(corpus) if into is None else _copy(corpus, Path(into)) as target:
        _write_sides(target, sides, chosen)
    counts = {column: sides[column].value_counts() for column in SPLIT_COLUMNS.values()}
    return pd.DataFrame(counts).reindex(SPLITS).fillna(0).astype(int)


def _write_sides(corpus: Corpus, sides: pd.DataFrame, chosen: dict) -> None:
    """Put the columns of splits into ``metadata.csv``, and how they were chosen into ``corpus.json``."""
    path = corpus.folder / METADATA
    text = pd.read_csv(path, dtype=str, keep_default_na=False)        # texts, so that no number is written another way
    text = text.assign(**{column: sides[column].fillna("").to_numpy() for column in SPLIT_COLUMNS.values()})
    parts = {path: path.with_name(f".{METADATA}.part"), corpus.folder / CARD: path.with_name(f".{CARD}.part")}
    try:
        text.to_csv(parts[path], index=False, lineterminator="\n", encoding="utf-8")
        os.replace(parts[path], path)                # stopped here, the corpus sees that its card is of another table
        card = {**corpus.card, "fingerprint": corpus.compute_fingerprint(), "metadata_sha256": sha256(path), **chosen}
        parts[corpus.folder / CARD].write_text(json.dumps(card, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")
        os.replace(parts[corpus.folder / CARD], corpus.folder / CARD)
    except OSError as error:
        raise CorpusError(f"{corpus.folder}: could not be written: {error}") from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


@contextmanager
def _copy(corpus: Corpus, into: Path) -> Iterator[Corpus]:
    """A copy of a corpus to work on, without the report, which speaks of the old split; it gets its name when all is done."""
    check_free(into, overwrite=False)
    part = into.absolute().with_name(f".{into.absolute().name}.{uuid.uuid4().hex}.part")
    try:
        part.mkdir(parents=True)
        for name in (METADATA, WAVEFORMS, CARD, REJECTED, SOURCES):
            if (corpus.folder / name).is_file():
                shutil.copyfile(corpus.folder / name, part / name)
        yield Corpus.open(part)
        if into.is_dir():
            shutil.rmtree(into)                      # empty, says check_free
        part.rename(into)
    except OSError as error:
        raise CorpusError(f"{into}: could not be written: {error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def export(folder, into, format: str, *, rows=None, stations: str | Iterable[str] | None = None, split: str | None = None,
           by: str = "event", allow_restricted: bool = False, overwrite: bool = False) -> list[Path]:
    """Write records as files of another format (see :func:`tng.writers.write`); returns their paths.

    Parameters
    ----------
    folder, into : path
        The corpus, and where the files shall be.
    format : str
        As :mod:`tng.writers` names it.
    rows : row numbers or truth values, optional
        Only these.
    stations, split, by
        Only these, as for :meth:`tng.corpus.Corpus.select`.
    allow_restricted : bool
        Also records whose licence forbids to pass them on.

    Raises
    ------
    CorpusError
        A station, split or corpus that is not there, or no record left.
    RecordError
        What the writer refuses.
    """
    from tng import writers

    corpus = Corpus.open(folder)
    chosen = corpus.select(stations, split, by)
    if rows is not None:
        rows = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows)
        if rows.size and not (0 <= rows.min() and rows.max() < len(corpus)):
            raise CorpusError(f"{corpus.folder}: rows {rows.min()} to {rows.max()}; there are rows 0 to {len(corpus) - 1}")
        chosen = np.intersect1d(chosen, rows)
    if not len(chosen):
        raise CorpusError(f"{corpus.folder}: no record is left to export; name other stations, split or rows")
    return writers.write(_records(corpus, chosen), Path(into), format, overwrite=overwrite, allow_restricted=allow_restricted)


def _records(corpus: Corpus, rows: np.ndarray) -> Iterator[Record]:
    for row in rows:
        yield corpus.record(int(row))


# --- tables to text ------------------------------------------------------------------------------------

def _column(table: pd.DataFrame, name: str) -> pd.Series:
    return pd.to_numeric(table[name], errors="coerce") if name in table else pd.Series(np.nan, index=table.index)


def _text(table: pd.DataFrame, name: str) -> pd.Series:
    return table[name].fillna("unknown").astype(str) if name in table else pd.Series("unknown", index=table.index)


def _counts(values: pd.Series, most: int = 12, order: Sequence[str] = (), left_out: str = "") -> str:
    """``train 60, dev 10``: each value and how often it is there, the most frequent first."""
    counts = values[values.notna() & (values != left_out) & (values != "")].value_counts()
    if not len(counts) or order and list(counts.index) == ["unknown"]:
        return ""
    names = sorted(counts.index, key=lambda name: (order.index(name) if name in order else len(order), -counts[name], name))
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"{name} {counts[name]}" for name in names[:most]) + more


def _range(table: pd.DataFrame, name: str, style: str, unit: str = "") -> str:
    values = _column(table, name).dropna()
    if not len(values):
        return ""
    missing = len(table) - len(values)
    return (f"{style.format(values.min())} to {style.format(values.max())}{unit}, median {style.format(values.median())}"
            + (f" ({missing} unknown)" if missing else ""))


def _peaks(table: pd.DataFrame) -> str:
    largest = pd.concat([_column(table, f"trace_pga_{one}_cmps2") for one in COMPONENTS], axis=1).max(axis=1)
    return _range(largest.to_frame("pga"), "pga", "{:.3g}", " cm/s²")


def _together(table: pd.DataFrame, *columns: str) -> pd.Series:
    """Several columns as one key; missing where one of them is."""
    if not all(column in table for column in columns):
        return pd.Series(None, index=table.index, dtype=object)
    keys = table[columns[0]].astype(str).str.cat([table[column].astype(str) for column in columns[1:]], sep=" ")
    return keys.where(table[list(columns)].notna().all(axis=1))


def _note(problems: list[str], table: pd.DataFrame, rows: Sequence[int], what: str) -> None:
    for row in rows[:MOST_SHOWN]:
        line = table.iloc[row]
        problems.append(f"row {row} ({line['station_code']}, {line['source_id']}): {what}")
    if len(rows) > MOST_SHOWN:
        problems.append(f"… and {len(rows) - MOST_SHOWN} more rows: {what}")
