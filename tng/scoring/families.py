"""The measures of the scoreboard that need more than two summaries: goodness of fit, whole distributions, obedience to the station.

Each function takes the recorded side and one generator's features, and gives for each of its measures one `Result` a station.
Copies and mixtures are in :mod:`tng.scoring.copies`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from tng.recordset import RecordSet
from tng.scoring import conditioning as conditioning_
from tng.scoring import fit, twosample
from tng.scoring.c2st import Classified, c2st
from tng.scoring.features import Features
from tng.scoring.measures import Measure
from tng.scoring.reference import Reference, Station
from tng.scoring.resampling import SMALLEST
from tng.scoring.samples import once, rows_of

SLOW_DRAWS = 60            # of measures that cost a millisecond each
LEAST_FOR_COVARIANCES = 20  # records a side; with fewer the Fréchet distance is mostly chance
LEAST_DRAWS = 20           # for a band or an interval; a floor that does not vary holds as many equal ones
ALL = "all"                # what the rows of all stations together are called
PERMUTATIONS = 499


@dataclass
class Result:
    """What one measure says of one station; draws of stations are made together, so that they can be pooled draw by draw."""

    value: float
    draws: np.ndarray = field(default_factory=lambda: np.empty(0))      # bootstrap
    floor: np.ndarray = field(default_factory=lambda: np.empty(0))      # real against real
    ceiling: float = np.nan                                             # a copy of the held-out records
    p: float = np.nan                                                   # where there is a test
    low: float = np.nan                                                 # interval, where it does not come from draws
    high: float = np.nan
    middle: float = np.nan                                              # of a floor that is known without draws


@dataclass
class Candidate:
    """One generator: its records, their features and their bootstrap samples, station by station."""

    name: str
    records: RecordSet
    rows: Mapping[str, np.ndarray]
    features: Mapping[str, Features]
    counts: Mapping[str, np.ndarray]                                    # bootstrap (draws, records)
    alike: Mapping[str, np.ndarray]                                     # correlation of any two records of a station

    def events(self, code: str) -> np.ndarray:
        return self.records.event[self.rows[code]]


Results = list[tuple[Measure, dict[str, Result]]]


# --- distributions ----------------------------------------------------------------------------------------------

MMD = Measure("MMD HVSR", "distribution", "small", "squared maximum mean discrepancy of ln HVSR curves", signed=True)
ENERGY = Measure("energy EAS", "distribution", "small", "energy distance of ln EAS", signed=True)
COVERAGE = Measure("coverage", "distribution", "large", "share of held-out records with a generated one among their neighbours", most=1)
DENSITY = Measure("density", "distribution", "large", "held-out neighbourhoods that hold a generated record, relative to k")
FRECHET = Measure("Frechet", "distribution", "small", "Fréchet distance of ln PSA and ln intensity measures, in standard deviations")
C2ST = Measure("C2ST", "distribution", "small", "how often a logistic classifier tells generated from held-out records; 0.5 is guessing", most=1)
FOREST = Measure("C2ST forest", "distribution", "small", "the same with a random forest, all stations together", most=1)


def distribution(reference: Reference, candidate: Candidate) -> Results:
    """Distances of distributions, neighbourhoods, and variety of each station; classifiers of each and of all stations."""
    rng = np.random.default_rng([reference.seed, 4])
    found: dict[Measure, dict[str, Result]] = {}

    def add(measure: Measure, code: str, result: Result) -> None:
        found.setdefault(measure, {})[code] = result

    for station in reference.stations:
        code, new = station.code, candidate.features[station.code]
        sides = rows_of(station.test_counts[:SLOW_DRAWS]), rows_of(candidate.counts[code][:SLOW_DRAWS])
        for measure, of, statistic in ((MMD, "ln_hvsr", "mmd"), (ENERGY, "ln_eas", "energy")):
            real = _pool_pairs(reference, station, of)
            pairs = twosample.Pairs.of(getattr(station.test, of), getattr(new, of), station.pool_events[:len(station.test)],
                                       candidate.events(code), bandwidth=real.bandwidth)
            tested = pairs.test(statistic, rng, PERMUTATIONS)
            contrast = partial(_contrast, statistic)
            add(measure, code, Result(tested.value, _taken(pairs, sides, contrast), _floor(reference, station, candidate, of, statistic, contrast),
                                      _ceiling(reference, station, of, statistic, contrast), tested.p))
        pairs = twosample.Pairs.of(scaled(station, station.test), scaled(station, new), station.pool_events[:len(station.test)],
                                   candidate.events(code))
        for measure, function in ((COVERAGE, twosample.Pairs.coverage), (DENSITY, twosample.Pairs.density)):
            add(measure, code, Result(function(pairs), _taken(pairs, sides, function),
                                      _floor(reference, station, candidate, "everything", measure.name, function),
                                      _ceiling(reference, station, "everything", measure.name, function)))
        add(FRECHET, code, _frechet(reference, station, candidate))
        told = c2st(station.test.everything, new.everything, station.pool_events[:len(station.test)], candidate.events(code),
                    seed=reference.seed)
        add(C2ST, code, _told(told))
    if len(reference.stations) > 1:
        for measure, classifier in ((C2ST, "logistic"), (FOREST, "forest")):
            add(measure, ALL, _told_together(reference, candidate, classifier))
    return [*found.items()]


def _frechet(reference: Reference, station: Station, candidate: Candidate) -> Result:
    n, code = len(candidate.rows[station.code]), station.code
    pool, real, new = (scaled(station, x, ("ln_psa", "ln_measures")) for x in (station.pool, station.test, candidate.features[code]))

    def between(x: np.ndarray, y: np.ndarray, counts_x: np.ndarray, counts_y: np.ndarray) -> np.ndarray:
        return np.array([twosample.frechet(x[a], y[b]) if min(len(a), len(b)) >= SMALLEST else np.nan
                         for a, b in zip(rows_of(counts_x[:SLOW_DRAWS]), rows_of(counts_y[:SLOW_DRAWS]))])

    if ("frechet", n) not in station.kept:
        floor = reference.floor(station, n)
        station.kept["frechet", n] = between(pool, pool, floor.first, floor.second)
    if min(len(real), len(new)) < LEAST_FOR_COVARIANCES:
        return Result(np.nan, floor=np.full(LEAST_DRAWS, np.nan))
    return Result(twosample.frechet(real, new), between(real, new, station.test_counts, candidate.counts[code]), station.kept["frechet", n],
                  float(np.median(between(real, real, once(len(real)).repeat(SLOW_DRAWS, axis=0), station.test_counts))))


def _told(told: Classified) -> Result:
    """Nothing is drawn for its floor: guessing is right half of the time, and p says what chance adds to that."""
    return Result(told.value, p=told.p, low=told.low, high=told.high, middle=0.5, ceiling=0.5)


def _told_together(reference: Reference, candidate: Candidate, classifier: str) -> Result:
    """One classifier for all stations.  Each station's mean is removed first, or it would learn the stations: that of its training
    records, since the mean of one side would take a degree of freedom from that side only, which a forest sees."""
    real, new, middle = [], [], []
    for station in reference.stations:
        real.append(station.test.everything)
        new.append(candidate.features[station.code].everything)
        middle.append((station.train.everything if len(station.train) else np.vstack([real[-1], new[-1]])).mean(axis=0))
    told = c2st(np.vstack([x - mean for x, mean in zip(real, middle)]), np.vstack([y - mean for y, mean in zip(new, middle)]),
                np.concatenate([station.pool_events[:len(station.test)] for station in reference.stations]),
                np.concatenate([candidate.events(station.code) for station in reference.stations]), classifier=classifier,
                seed=reference.seed)
    return _told(told)


KINDS = ("ln_hvsr", "ln_eas", "ln_psa", "ln_measures")


def scaled(station: Station, records: Features, kinds: tuple[str, ...] = KINDS) -> np.ndarray:
    """Curves and measures in standard deviations of the station's recorded ones, each kind with the same weight."""
    parts = []
    for of in kinds:
        pool, x = getattr(station.pool, of), getattr(records, of)
        parts.append((x - pool.mean(axis=0)) / (np.maximum(pool.std(axis=0), 1e-9) * np.sqrt(x.shape[1])))
    return np.hstack(parts)


def _pool_pairs(reference: Reference, station: Station, of: str) -> twosample.Pairs:
    """Distances among all recorded records of a station, on both sides; made once."""
    if of not in station.pairs:
        x = scaled(station, station.pool) if of == "everything" else getattr(station.pool, of)
        station.pairs[of] = twosample.Pairs.of(x, x, station.pool_events, station.pool_events)
    return station.pairs[of]


def _contrast(statistic: str, pairs: twosample.Pairs) -> float:
    return float(pairs.contrast(statistic)[0])


def _ceiling(reference: Reference, station: Station, of: str, name: str, function) -> float:
    """A measure between the held-out records and copies of them drawn with replacement."""
    key = "ceiling", name
    if key not in station.kept:
        copies = rows_of(station.test_counts[:SLOW_DRAWS])
        station.kept[key] = float(np.nanmedian(_taken(_pool_pairs(reference, station, of), ([np.arange(len(station.test))] * len(copies), copies), function)))
    return station.kept[key]


def _taken(pairs: twosample.Pairs, sides, function) -> np.ndarray:
    return np.array([function(pairs.take(a, b)) if min(len(a), len(b)) > 1 else np.nan for a, b in zip(*sides)])


def _floor(reference: Reference, station: Station, candidate: Candidate, of: str, name: str, function) -> np.ndarray:
    """A measure between real sets; the same for all generators with as many records, so kept."""
    key = name, len(candidate.rows[station.code])
    if key not in station.kept:
        floor = reference.floor(station, key[1])
        station.kept[key] = _taken(_pool_pairs(reference, station, of), (rows_of(floor.first[:SLOW_DRAWS]), rows_of(floor.second[:SLOW_DRAWS])),
                                   function)
    return station.kept[key]


# --- goodness of fit ----------------------------------------------------------------------------------------------

PAIRED = 8                 # records a side and station; all of their pairs are compared
ANDERSON = Measure("Anderson fit", "engineering", "large", "goodness of fit (0-10) of Anderson (2004), mean over pairs with held-out records", most=10)
OLSEN_MAYHEW = Measure("Olsen-Mayhew fit", "engineering", "large", "goodness of fit (0-100) of Olsen and Mayhew (2010), the same", most=100)


def goodness(reference: Reference, candidate: Candidate) -> Results:
    """Scores that were made for a simulation beside its record, of all pairs of `PAIRED` generated and as many held-out records.

    Which ones is drawn at random.  The floor is that of training and held-out records, which are of different earthquakes.
    """
    rng, choice = np.random.default_rng([reference.seed, 8]), np.random.default_rng([reference.seed, 9])

    def some(rows: np.ndarray) -> np.ndarray:
        return choice.permutation(rows)[:PAIRED]

    found: dict[Measure, dict[str, Result]] = {ANDERSON: {}, OLSEN_MAYHEW: {}}
    for station in reference.stations:
        if "fit" not in station.kept:
            records = reference.test.records
            station.kept["fit"] = fit.features(records.data[some(station.test_rows)], records.sampling_rate_hz)
            known = reference.train.records.data[some(station.train_rows)]
            station.kept["real fit"] = _all_pairs(station.kept["fit"], fit.features(known, records.sampling_rate_hz))
        new = candidate.records.data[some(candidate.rows[station.code])]
        pairs = _all_pairs(station.kept["fit"], fit.features(new, candidate.records.sampling_rate_hz))
        for number, measure in enumerate(found):
            mine, real = pairs[..., number], station.kept["real fit"][..., number]
            draws = [_mean_of_some(matrix, reference.draws, rng) for matrix in (mine, real, real)]
            found[measure][station.code] = Result(mine.mean(), draws[0], draws[1] + draws[2] - real.mean())
    return [*found.items()]


def _all_pairs(a: fit.Features, b: fit.Features) -> np.ndarray:
    """Both total scores of every record of one set with every one of another, shape (records, records, 2)."""
    rows, columns = (index.ravel() for index in np.indices((len(a), len(b))))
    return fit.totals(a.take(rows), b.take(columns)).reshape(len(a), len(b), 2)


def _mean_of_some(matrix: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means of a matrix of pairs whose rows and columns are drawn with replacement."""
    return np.array([matrix[np.ix_(*(rng.integers(n, size=n) for n in matrix.shape))].mean() for _ in range(draws)])


# --- conditioning -------------------------------------------------------------------------------------------------

OWN = Measure("taken for its station", "conditioning", "large", "share of records whose curves are nearest to their own station's", most=1)


def conditioning(reference: Reference, candidate: Candidate) -> Results:
    """Is a record that was asked of a station taken for one of that station?  Needs two stations with training records."""
    if len(reference.stations) < 2 or any(len(station.train_rows) == 0 for station in reference.stations):
        return []
    known = {station.code: _station_curves(station.train) for station in reference.stations}
    rng = np.random.default_rng([reference.seed, 6])
    results = {}
    for station in reference.stations:
        code = station.code
        own = conditioning_.identify(_station_curves(candidate.features[code]), known) == code
        if "own" not in station.kept:
            station.kept["own"] = conditioning_.identify(_station_curves(station.test), known) == code
        right, n = station.kept["own"].sum(), len(station.test)
        # Jeffreys' prior: 20 of 20 right does not mean that the next 50 will be
        chance = rng.beta(right + 0.5, n - right + 0.5, reference.draws)
        results[code] = Result(own.mean(), means(own, candidate.counts[code]), rng.binomial(len(own), chance) / len(own), right / n)
    return [(OWN, results)]


def _station_curves(records: Features) -> np.ndarray:
    return conditioning_.station_curves(records.ln_hvsr, records.ln_eas)


def means(x: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean of a number a record in each resample; NaN in an empty one."""
    with np.errstate(invalid="ignore"):
        return counts @ x / counts.sum(axis=1)


MEASURES = (ANDERSON, OLSEN_MAYHEW, MMD, ENERGY, COVERAGE, DENSITY, FRECHET, C2ST, FOREST, OWN)
