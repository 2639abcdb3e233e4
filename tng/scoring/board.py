"""One table that says where each generator stands: site, engineering, distribution, novelty, conditioning.

    from tng.scoring import scoreboard
    board = scoreboard(real_train, real_test, {"TimesNet-Gen": records, "average": others})

Every line has the value, an interval, what real records reach against real ones, and what a copy of the held-out records would
get.  No network is needed, and the records of any generator will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from sklearn import config_context
from tqdm import tqdm

from tng import bands
from tng.recordset import RecordSet, RecordSetError, also_in, same_kind
from tng.scoring import copies, edges, families, novelty, tables
from tng.scoring.families import ALL, LEAST_DRAWS, Candidate, Result
from tng.scoring.features import Grid, Measured
from tng.scoring.measures import ACROSS, Measure, pairwise, pooled
from tng.scoring.reference import Reference, too_few
from tng.scoring.resampling import interval, shared_bootstrap
from tng.scoring.samples import counts_of, once, summarise
from tng.spectra import BAND_HZ

DRAWS = 400                  # bootstrap samples, and real-against-real pairs
LEVEL = 0.95                 # of intervals
MOST_PAIRED = 300            # generated records of a station that are compared with each other: time grows with the square
FEW = 30                     # recorded records of a station, with fewer of which bands are too narrow
BAND = 0.99                  # of real-against-real draws that count as "inside"
ROUNDING = 1e-9              # the same number summed in another order
COLUMNS = ["generator", "station", "group", "measure", "value", "low", "high", "floor", "floor_low", "floor_high", "ceiling", "p", "better",
           "verdict", "n_train", "n_real", "n_generated", "n_distinct", "n_floor", "note"]


def scoreboard(real_train, real_test, generated: Mapping[str, object], *, stations: Sequence[str] | None = None,
               sampling_rate_hz: float | None = None, band_hz: tuple[float, float] | Literal["auto"] | None = None, draws: int = DRAWS,
               seed: int = 0, progress: bool = False) -> pd.DataFrame:
    """Score any number of generators against recorded records that they have not seen.

    Parameters
    ----------
    real_train : records, or None
        What the generators learned from.  Without them copies cannot be found, and the floor is made of held-out records alone.
    real_test : records
        Held-out ones, of other earthquakes.
    generated : mapping
        Name of the generator → its records.  Records are whatever `RecordSet.of` takes: a corpus or its folder, a folder of files,
        a list of `Record`, a mapping from station to array (records, 3, samples) [cm/s²].
    stations : sequence of str, optional
        Only these; all that every set has, if not given.
    sampling_rate_hz : float, optional
        Of arrays.
    band_hz : two floats or "auto", optional
        In which f0 is looked for; 1-20 Hz if the sampling rate holds it.  "auto" is :func:`tng.bands.site_band` of the recorded records.
        The f0 of a station whose median HVSR is largest at an end of the band is not scored.
    draws : int
        Bootstrap samples, and real-against-real pairs.

    Returns
    -------
    DataFrame
        A row a generator, station and measure, and a row of all stations ("all").  Columns: `value`; `low`, `high`, the 95 %
        interval by bootstrap over earthquakes; `floor`, the median between two real sets of these sizes (`n_floor`) that share no
        earthquake, and `floor_low`, `floor_high`, the ends of its band (99 % of the pairs lie on its right side, or within it if
        both sides are wrong); `ceiling`, for a copy of the held-out records drawn with replacement; `p` where there is a test;
        `better` (zero, one, small, large); `verdict`: "inside" or "outside" the band (a value better than the band is inside), or
        "not scored" with the reason in `note`; numbers of records, and of generated ones that differ.  ``attrs["notes"]`` lists what
        holds for the whole table.

    Raises
    ------
    RecordSetError
        For sets of different length or rate, without a station in common, with fewer than five records at every station, with NaN or
        dead components.
    """
    if draws < LEAST_DRAWS:
        raise ValueError(f"draws = {draws}; at least {LEAST_DRAWS} are needed for an interval")
    if not isinstance(generated, Mapping) or not generated:
        raise RecordSetError("no generators: a mapping from name to records is needed")
    names = [str(name) for name in generated]
    if len(set(names)) < len(names) or tables.FLOOR in names:
        raise RecordSetError(f"generators called {', '.join(names)}: names must differ, and {tables.FLOOR!r} is taken")
    given = {"sampling_rate_hz": sampling_rate_hz, "stations": stations}
    train = None if real_train is None else RecordSet.of(real_train, "training records", **given)
    test = RecordSet.of(real_test, "held-out records", **given)
    new = {str(name): RecordSet.of(records, str(name), **given) for name, records in generated.items()}
    same_kind([test, *([train] if train is not None else []), *new.values()])
    if ALL in test.stations:
        raise RecordSetError(f"a station is called {ALL!r}, which is the name of all stations together; give it another")
    notes = _notes(train, test, new)
    chosen, left_out = _stations(train, test, new)
    if band_hz == "auto":
        recorded = [side for side in (test, train) if side is not None]
        band_hz = bands.site_band({code: np.concatenate([side.data[side.rows(code)] for side in recorded]) for code in chosen},
                                  test.sampling_rate_hz)
    grid = Grid.of(test.sampling_rate_hz, test.data.shape[2], band_hz)
    test, train = _measured(test, chosen, grid, progress), None if train is None else _measured(train, chosen, grid, progress)
    candidates = {name: _measured(records, chosen, grid, progress) for name, records in new.items()}
    board = score(train, test, candidates, grid, draws=draws, seed=seed, progress=progress)
    skipped = [dict(generator=name, station=code, verdict="not scored", note=why, group="", measure="", better="")
               for name in new for code, why in left_out.items()]
    about = board.attrs | {"notes": [*notes, *board.attrs["notes"]]}
    if skipped:
        board = pd.concat([board, pd.DataFrame(skipped, columns=COLUMNS).astype(board.dtypes, errors="ignore")], ignore_index=True)
    board.attrs = about
    return board


def score(train: Measured | None, test: Measured, generated: Mapping[str, Measured], grid: Grid, *, draws: int = DRAWS, seed: int = 0,
          progress: bool = False) -> pd.DataFrame:
    """The scoreboard of records that are measured already, all of the same stations; see :func:`scoreboard`."""
    reference = Reference(train, test, grid, draws=draws, seed=seed)
    rows = []
    with config_context(assume_finite=True, skip_parameter_validation=True):     # thousands of small fits: checking takes longer
        for name, new in tqdm(generated.items(), desc="scoring", disable=not progress, leave=False):
            rows += _score_one(_candidate(name, new, reference), reference)
    board = pd.DataFrame(rows, columns=COLUMNS)
    board.attrs = {"stations": [station.code for station in reference.stations], "band_hz": list(grid.band_hz), "draws": draws, "seed": seed,
                   "sampling_rate_hz": test.records.sampling_rate_hz, "samples": int(test.records.data.shape[2]),
                   "notes": _notes_on_numbers(reference) + list(dict.fromkeys(reference.notes))}
    return board


def _score_one(candidate: Candidate, reference: Reference) -> list[dict]:
    """All rows of one generator."""
    found = [*_pairwise(reference, candidate), *(families.goodness(reference, candidate) if reference.train is not None else []),
             *families.distribution(reference, candidate), *copies.novel(reference, candidate),
             *families.conditioning(reference, candidate)]
    distinct = {code: novelty.different(alike) for code, alike in candidate.alike.items()}
    return [row for measure, results in found for row in _rows(measure, results, reference, candidate, distinct)]


def _measured(records: RecordSet, stations: Sequence[str], grid: Grid, progress: bool) -> Measured:
    return Measured.of(records.take(np.flatnonzero(np.isin(records.station, stations))), grid, progress=progress)


def _notes_on_numbers(reference: Reference) -> list[str]:
    """What the records do not hold, and how few they are."""
    found = []
    found += [f"{code}: {why}." for code, why in reference.at_edge.items()]
    if (band_hz := tuple(reference.grid.band_hz)) != BAND_HZ:
        found.append(f"f0 and HVSR are those of {band_hz[0]:g}-{band_hz[1]:g} Hz, in bins of {np.diff(reference.grid.f0_bins_hz)[0]:.2g} Hz; the paper's "
                     f"are of {BAND_HZ[0]:g}-{BAND_HZ[1]:g} Hz, so that its numbers do not compare with these.")
    if "tm_s" not in reference.grid.measures:
        found.append("Tm is left out: it needs 0.25-20 Hz, which records of this length and rate do not hold.")
    if few := [station.code for station in reference.stations if len(station.pool) < FEW]:
        found.append(f"{', '.join(few)}: fewer than {FEW} recorded records. Bands are then wide, so that little is seen, and not exact: at six "
                     "records a side up to one measure in six lies outside without a fault.")
    return found


def _notes(train: RecordSet | None, test: RecordSet, new: Mapping[str, RecordSet]) -> list[str]:
    """What a reader of the table must know."""
    found = []
    for name, records in new.items():
        if extra := [code for code in records.stations if code not in test.stations]:
            found.append(f"{name}: records of {', '.join(extra)} are left out, for which there are no held-out ones.")
    if not test.events_known:
        found.append("No earthquakes were given: every record counts as one of its own, so intervals and floors are too narrow "
                     "wherever records share an earthquake.")
    if train is None:
        found.append("No training records were given: copies of them cannot be found, and floors are made of held-out records alone.")
    elif train.events_known and test.events_known and (shared := set(train.event) & set(test.event)):
        found.append(f"{len(shared)} earthquakes have both training and held-out records: the held-out ones are not new to a generator.")
    if train is not None and (same := also_in(test, train).sum()):
        found.append(f"{same} records are named as training and as held-out ones.")
    return found


def _stations(train: RecordSet | None, test: RecordSet, new: Mapping[str, RecordSet]) -> tuple[list[str], dict[str, str]]:
    """Stations that can be scored, and for the others why not."""
    sets = {"held-out": test, **({"training": train} if train is not None else {}), **new}
    in_all = [code for code in test.stations if all(code in records.stations for records in new.values())]
    if not in_all:
        raise RecordSetError("held-out records are of " + ", ".join(test.stations) + "; " + "; ".join(
            f"{name}: of {', '.join(records.stations)}" for name, records in new.items()) + ": no station in common")
    left_out = {code: "no generated records of " + ", ".join(name for name, records in new.items() if code not in records.stations)
                for code in test.stations if code not in in_all}
    for code in in_all:
        if why := too_few({name if name in ("held-out", "training") else f"generated ({name})": records.event[records.rows(code)]
                           for name, records in sets.items()}):
            left_out[code] = why
    chosen = [code for code in in_all if code not in left_out]
    if not chosen:
        raise RecordSetError("no station can be scored: " + "; ".join(f"{code}: {why}" for code, why in left_out.items()))
    return chosen, left_out


def _candidate(name: str, new: Measured, reference: Reference) -> Candidate:
    codes = [station.code for station in reference.stations]
    records, rows = new.records, {code: new.records.rows(code) for code in codes}
    rng = np.random.default_rng([reference.seed, 3])
    resampled = [shared_bootstrap([records.event[rows[code]] for code in codes], rng) for _ in range(reference.draws)]
    counts = {code: counts_of([draw[i] for draw in resampled], len(rows[code])) for i, code in enumerate(codes)}
    compared = {code: own[np.sort(rng.permutation(len(own))[:MOST_PAIRED])] for code, own in rows.items()}
    if any(len(rows[code]) > MOST_PAIRED for code in codes):
        reference.notes.append(f"{name}: each of {MOST_PAIRED} records a station, drawn at random, was compared with each other; the number of "
                               "different records is theirs.")
    alike = {code: copies.alike(records.data[own], records.sampling_rate_hz) for code, own in compared.items()}
    return Candidate(name, records, rows, {code: new.features.take(rows[code]) for code in codes}, counts, alike)


# --- measures of two summaries ------------------------------------------------------------------------------------

def _pairwise(reference: Reference, candidate: Candidate) -> families.Results:
    grid, bins = reference.grid, reference.grid.f0_bins_hz
    sides = []
    for station in reference.stations:
        new = candidate.features[station.code]
        floor = reference.floor(station, len(new))
        sides.append(((station.test_summary, summarise(new, once(len(new)), bins)),
                      (station.test_draws, summarise(new, candidate.counts[station.code], bins)),
                      (floor.first_summary, floor.second_summary), (station.test_summary, station.test_draws)))
    found: families.Results = []
    for measure in pairwise(grid):
        left_out = reference.at_edge if measure.name in edges.OF_F0 else {}
        found.append((measure, {station.code: Result(np.nan) if station.code in left_out else
                                _result(*(measure.function(*pair, grid) for pair in four)) for station, four in zip(reference.stations, sides)}))
    peaked = [four for station, four in zip(reference.stations, sides) if station.code not in reference.at_edge]
    if len(reference.stations) > 1:
        for measure in ACROSS:
            four = (measure.function([pairs[k][0] for pairs in peaked], [pairs[k][1] for pairs in peaked], grid) for k in range(4))
            found.append((measure, {ALL: _result(*four) if len(peaked) > 1 else Result(np.nan)}))
    return found


def _result(value: np.ndarray, draws: np.ndarray, floor: np.ndarray, copies: np.ndarray) -> Result:
    return Result(float(value[0]), draws, floor, float(np.median(copies[np.isfinite(copies)])) if np.isfinite(copies).any() else np.nan)


# --- rows ---------------------------------------------------------------------------------------------------------

def _rows(measure: Measure, results: Mapping[str, Result], reference: Reference, candidate: Candidate,
          distinct: Mapping[str, int]) -> list[dict]:
    """Rows of one measure: each station, and all together."""
    rows = []
    for station in reference.stations:
        if station.code in results:
            rows.append(_row(measure, results[station.code], candidate.name, station.code, n_train=len(station.train_rows),
                             n_real=len(station.test_rows), n_generated=len(candidate.rows[station.code]),
                             n_distinct=distinct[station.code],
                             n_floor="{}+{}".format(*reference.floor(station, len(candidate.rows[station.code])).sizes)))
    together = results.get(ALL) or (_together(measure, list(results.values())) if len(reference.stations) > 1 else None)
    if together is not None:
        totals = {"n_train": sum(len(s.train_rows) for s in reference.stations), "n_real": sum(len(s.test_rows) for s in reference.stations),
                  "n_generated": sum(map(len, candidate.rows.values())), "n_distinct": sum(distinct.values())}
        rows.append(_row(measure, together, candidate.name, ALL, n_floor="", **totals))
    if measure.name in edges.OF_F0:
        for row in rows:
            row["note"] = (edges.of_all(reference.at_edge) if row["station"] == ALL else reference.at_edge.get(row["station"])) or row["note"]
    return rows


def _together(measure: Measure, results: Sequence[Result]) -> Result:
    """All stations: pooled draw by draw, as the draws of all stations were made together."""
    def of(key: str) -> np.ndarray:
        return pooled(measure, np.stack([getattr(result, key) for result in results]))
    banded = [result for result in results if np.isfinite(result.floor).any()]     # value and band are of the same stations
    results = banded or list(results)
    value = float(of("value")) if all(np.isfinite(result.value) for result in results) else np.nan
    return Result(value, of("draws"), of("floor"), float(of("ceiling")))


def _row(measure: Measure, result: Result, generator: str, station: str, **counts) -> dict:
    lowest = 0.0 if measure.better in ("small", "one") and not measure.signed else -np.inf
    low, high = interval(result.draws, result.value, LEVEL, lowest=lowest, highest=measure.most) if result.draws.size else (result.low, result.high)
    known = result.floor[np.isfinite(result.floor)] if result.floor.size else np.empty(0)
    out = 100 * (1 - BAND) / (1 if measure.better in ("small", "large") else 2)    # missed on one side, or on either
    middle, bottom, top = np.percentile(known, [50, out, 100 - out]) if known.size >= LEAST_DRAWS else (result.middle, np.nan, np.nan)
    by_test = np.isnan(bottom) and np.isfinite(result.p)                     # no floor was drawn, but a test was made
    if np.isnan(result.value) and np.isfinite([bottom, result.ceiling]).all():     # real records give a number, these do not
        verdict, note = "outside", "no number: the generated records do not vary"
    elif np.isnan(result.value):
        verdict, note = "not scored", "no number: the recorded records do not vary"
    elif np.isnan(bottom) and not by_test:
        verdict, note = "not scored", "no band: too few recorded records to set two sets of them against each other"
    else:
        inside = result.p >= 1 - BAND if by_test else _inside(measure.better, result.value, bottom, top)
        verdict, note = "inside" if inside else "outside", ""
    return dict(generator=generator, station=station, group=measure.group, measure=measure.name, value=result.value, low=low, high=high,
                floor=middle, floor_low=bottom, floor_high=top, ceiling=result.ceiling, p=result.p, better=measure.better,
                verdict=verdict, note=note, **counts)


def _inside(better: str, value: float, bottom: float, top: float) -> bool:
    """Whether a value is no worse than the band of real against real."""
    return (better == "small" or value >= bottom - ROUNDING) and (better == "large" or value <= top + ROUNDING)
