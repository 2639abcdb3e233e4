"""Does a generator generate?  Every goal as one number beside the same number for recorded records, at the same number of records.

The "floor" is what other recorded records of the same stations reach; :mod:`tng.scoring.judging` measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy import stats

from tng.recordset import RecordSet
from tng.scoring.judging import Judge, Judged
from tng.scoring.resampling import SMALLEST, event_codes

__all__ = ["FLOOR", "GOALS", "Judge", "Judged", "goals", "halves", "pass_table", "trend"]

FLOOR = "floor"

# --- tables ------------------------------------------------------------------------------------------------------------

def goals(train: RecordSet, held_out: RecordSet, generated: Mapping[str, RecordSet], *, fresh: RecordSet | None = None, records: int = 60,
          subsets: int = 100, band_hz: tuple[float, float] | None = None, seed: int = 0, progress: bool = False) -> pd.DataFrame:
    """Numbers of all goals of some generators, beside the floor.

    Parameters
    ----------
    train, held_out : RecordSet or Judged
        What the generators have learned from, and records of the same stations that they have not seen.
    generated : mapping
        Name of the generator → its records, of all stations of `held_out`.
    fresh : RecordSet or Judged, optional
        Further recorded records, for the floor; without them it is that of one half of the held-out earthquakes against the other.
    records : int
        In a subset, of each station; fewer for all sets where one of them has fewer.
    subsets, band_hz, seed
        See `Judge`.

    Returns
    -------
    DataFrame
        Index (generator, measure), first "floor"; columns value, low, high.

    ==================  =======================================================================================================
    f0 hits             stations whose f0, of the median HVSR, is within 5 % of that of all held-out records; also as a share
    HVSR rms, HVSR r    rms of log10 and correlation of the median HVSR and that of all held-out records
    NCC 2Sx2S, SxS, JS  the published scores and the mean similarity, against all held-out f0
    sigma …             ratio of the standard deviations from record to record; of f0, which has outliers, of half the 16-84 % range
    PGA, D5-95          ratio of medians, PGA against the training records and against held-out ones
    EAS, PSA bias       mean size of the difference of mean ln spectra from those of the training records, 1-20 Hz and 0.05-2 s
    nearest training    median correlation with the most similar training record; the floor's is that of held-out records
    pair correlation    mean correlation of two records of a station
    coverage            share of held-out records with a generated one among their nearest neighbours
    C2ST                how often a forest tells records from held-out ones
    V/H before, after S ratio of vertical to horizontal energy, to that of held-out records
    onset spread        ratio of standard deviations of ln time from P to S
    ==================  =======================================================================================================

    Raises
    ------
    RecordSetError
        As `Judge`, and for generated sets that lack a station.
    """
    if FLOOR in generated and fresh is not None:
        raise ValueError(f"a generator called {FLOOR!r} beside fresh records, whose name that is")
    options = dict(subsets=subsets, band_hz=band_hz, seed=seed, progress=progress)
    judge = Judge(train, held_out, **options)
    first = halves(judge.held_out.records, seed)
    against, floor = (judge.held_out.take(np.flatnonzero(side)) for side in (first, ~first))
    if fresh is not None or FLOOR in generated:
        against, floor = judge.held_out, generated.get(FLOOR, fresh)
    plain = [side.records if isinstance(side, Judged) else side for side in (floor, *generated.values())]
    sizes = {code: max(min(records, *(len(side.rows(code)) for side in plain)), SMALLEST) for code in judge.stations}     # of all sets alike
    judges = [Judge(judge.train, side, records=sizes, **options) for side in (against, judge.held_out)]
    tables = {FLOOR: judges[0].of(floor, new=False)}
    tables |= {name: judges[1].of(made) for name, made in generated.items() if name != FLOOR}
    return pd.concat(tables, names=["generator"])


def halves(records: RecordSet, seed: int = 0) -> np.ndarray:
    """Which records are of the first half; earthquakes stay whole, and every station's records are halved as evenly as they allow."""
    codes = event_codes(records.event)
    stations = np.unique(records.station, return_inverse=True)[1]
    ahead, first = np.zeros(stations.max() + 1), np.zeros(len(records), dtype=bool)
    for event in np.random.default_rng([seed, 6]).permutation(codes.max() + 1):
        own = codes == event
        counts = np.bincount(stations[own], minlength=len(ahead))
        first[own] = np.abs(ahead + counts).sum() <= np.abs(ahead - counts).sum()
        ahead += counts if first[own][0] else -counts
    return first


def _between(low: float, high: float):
    return lambda value, floor: (f"{low:g} to {high:g}", low <= value <= high)


def _at_most(limit: float):
    return lambda value, floor: (f"at most {limit:g}", value <= limit)


def _as_the_floor(value: float, floor) -> tuple[str, bool]:
    return f"at least {floor.low:.3g}, the floor's 5 %", value >= floor.low - 1e-9


_SIGMA = _between(0.9, 1.1)
GOALS: dict[str, Callable] = {
    "f0 hits": _as_the_floor, "NCC 2Sx2S": _as_the_floor, "JS": _as_the_floor,
    "HVSR rms": lambda value, floor: (f"at most {1.15 * floor.value:.3g}, 1.15 floors", value <= 1.15 * floor.value),
    "sigma ln f0": _SIGMA, "sigma ln HVSR": _SIGMA, "PGA": _between(0.95, 1.05), "sigma ln PGA": _SIGMA,
    "D5-95": _between(0.95, 1.05), "sigma ln D5-95": _between(0.95, 1.05), "EAS bias": _at_most(0.07), "PSA bias": _at_most(0.07),
    "nearest training": lambda value, floor: (f"at most {floor.high:.3g}, the held-out records' 95 %", value <= floor.high),
    "pair correlation": lambda value, floor: (f"within 10 % of {floor.value:.3g}, the floor's", abs(value / floor.value - 1) <= 0.1),
    "coverage": lambda value, floor: (f"at least {0.9 * floor.value:.3g}, 0.9 floors", value >= 0.9 * floor.value),
    "C2ST": _at_most(0.54), "V/H before S": _SIGMA, "V/H after S": _SIGMA, "onset spread": _SIGMA,
}
SWAP_GOALS: dict[str, Callable] = {                                  # of five stations that are given other earthquakes; not every table has them
    "swap hits": lambda value, floor: ("all 5", value >= 5), "swap r": lambda value, floor: ("at least 0.99", value >= 0.99)}


def pass_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `goals` with two more columns: what the goal is, and the verdict, "met" or "missed".

    Measures without a goal, and those that could not be measured, have no verdict.

    Raises
    ------
    ValueError
        For a table without the floor, to which some goals refer.
    """
    if FLOOR not in table.index.get_level_values("generator"):
        raise ValueError(f"a table without rows of {FLOOR!r}; goals refer to it: give fresh records, or let `goals` halve the held-out ones")
    floor, texts, verdicts, known = table.loc[FLOOR], [], [], GOALS | SWAP_GOALS
    for (_, measure), row in table.iterrows():
        goal, met = known[measure](row["value"], floor.loc[measure]) if measure in known else ("", False)
        texts.append(goal)
        verdicts.append(("met" if met else "missed") if goal and np.isfinite(row["value"]) else "")
    return table.assign(goal=texts, verdict=verdicts)


# --- do records follow magnitude and distance? ---------------------------------------------------------------------------

def trend(ln_generated, ln_recorded, magnitude, distance_km, events=None, *, level: float = 0.95) -> pd.DataFrame:
    """Does a generator that is told magnitude and distance follow them?  Slopes of ln(generated / recorded) on both.

    Row by row one generated record for each held-out one, of the same station, magnitude and distance.

    Parameters
    ----------
    ln_generated, ln_recorded : arrays, shape (records,) or (records, values)
        Logarithms of measures.
    magnitude, distance_km : arrays, shape (records,)
    events : array, shape (records,), optional
        Earthquake of each record.  Records of one share its deviation, which makes plain intervals too narrow; with events the
        covariance is that of whole earthquakes (Liang and Zeger, 1986).
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        Index (value, on), where on is "magnitude" or "ln distance"; columns slope, low, high, and `trend`: whether 0 lies outside.

    Raises
    ------
    ValueError
        For arrays of different length, values that are not finite, distances that are not positive, fewer than ten records (or
        five earthquakes), and magnitudes and distances that cannot be told apart.
    """
    made, real = (np.asarray(x, dtype=np.float64) for x in (ln_generated, ln_recorded))
    magnitude, distance_km = (np.asarray(x, dtype=np.float64) for x in (magnitude, distance_km))
    n = len(made)
    if made.shape != real.shape or made.ndim not in (1, 2) or not magnitude.shape == distance_km.shape == (n,):
        raise ValueError(f"trend: values of shapes {made.shape} and {real.shape}, magnitudes {magnitude.shape}, distances {distance_km.shape}; "
                         "one row a record is needed in each")
    if not all(np.isfinite(x).all() for x in (made, real, magnitude, distance_km)) or not (distance_km > 0).all():
        raise ValueError("trend: values, magnitudes and distances [km] must be finite, and distances positive; leave other records out")
    groups = np.arange(n) if events is None else event_codes(events)
    if len(groups) != n or n < 10 or groups.max() < 4:
        raise ValueError(f"trend: {n} records of {len(np.unique(groups))} earthquakes ({len(groups)} named); ten of five are needed")
    x = np.column_stack([np.ones(n), magnitude - magnitude.mean(), np.log(distance_km) - np.log(distance_km).mean()])
    if np.linalg.cond(x) > 1e6:
        raise ValueError("trend: magnitudes and distances do not vary, or not independently; no slopes can be told")
    residual = (made - real).reshape(n, -1)
    bread = np.linalg.inv(x.T @ x)
    slopes = bread @ x.T @ residual
    errors = residual - x @ slopes
    events_n = int(groups.max()) + 1
    if events is None:
        scatter = np.sqrt(np.diag(bread)[:, None] * (errors**2).sum(axis=0) / (n - 3))
        freedom = n - 3
    else:
        scores = np.zeros((events_n, 3, errors.shape[1]))
        np.add.at(scores, groups, x[:, :, None] * errors[:, None])
        meat = np.einsum("eiv,ejv->ijv", scores, scores) * events_n / (events_n - 1) * (n - 1) / (n - 3)
        scatter = np.sqrt(np.einsum("ai,ijv,ja->av", bread, meat, bread))
        freedom = events_n - 1
    half = stats.t.ppf((1 + level) / 2, freedom) * scatter
    rows = {(value, on): (slopes[term, value], slopes[term, value] - half[term, value], slopes[term, value] + half[term, value])
            for value in range(residual.shape[1]) for term, on in ((1, "magnitude"), (2, "ln distance"))}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["slope", "low", "high"])
    table.index = pd.MultiIndex.from_tuples(rows, names=["value", "on"])
    return table.assign(trend=(table["low"] > 0) | (table["high"] < 0))
