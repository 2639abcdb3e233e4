"""The measures of the scoreboard that need more than two summaries: whole distributions, copies, obedience to the station.

Each function takes the recorded side and one generator's features, and gives for each of its measures one `Result` a station.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy.spatial.distance import cdist

from tng.recordset import RecordSet
from tng.scoring import fit, novelty, twosample
from tng.scoring.c2st import Classified, c2st
from tng.scoring.features import Features
from tng.scoring.measures import Measure
from tng.scoring.reference import Reference, Station
from tng.scoring.resampling import SMALLEST
from tng.scoring.samples import once, rows_of

SLOW_DRAWS = 60            # of measures that cost a millisecond each
LEAST_FOR_COVARIANCES = 20 # records a side; with fewer the Fréchet distance is mostly chance
SURE = 20                  # equal draws of a floor that does not vary
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
        pairs = twosample.Pairs.of(_scaled(station, station.test), _scaled(station, new), station.pool_events[:len(station.test)],
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
    pool, real, new = (_scaled(station, x, ("ln_psa", "ln_measures")) for x in (station.pool, station.test, candidate.features[code]))

    def between(x: np.ndarray, y: np.ndarray, counts_x: np.ndarray, counts_y: np.ndarray) -> np.ndarray:
        return np.array([twosample.frechet(x[a], y[b]) if min(len(a), len(b)) >= SMALLEST else np.nan
                         for a, b in zip(rows_of(counts_x[:SLOW_DRAWS]), rows_of(counts_y[:SLOW_DRAWS]))])

    if ("frechet", n) not in station.kept:
        floor = reference.floor(station, n)
        station.kept["frechet", n] = between(pool, pool, floor.first, floor.second)
    if min(len(real), len(new)) < LEAST_FOR_COVARIANCES:
        return Result(np.nan, floor=np.full(SURE, np.nan))
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


def _scaled(station: Station, records: Features, kinds: tuple[str, ...] = KINDS) -> np.ndarray:
    """Curves and measures in standard deviations of the station's recorded ones, each kind with the same weight."""
    parts = []
    for of in kinds:
        pool, x = getattr(station.pool, of), getattr(records, of)
        parts.append((x - pool.mean(axis=0)) / (np.maximum(pool.std(axis=0), 1e-9) * np.sqrt(x.shape[1])))
    return np.hstack(parts)


def _pool_pairs(reference: Reference, station: Station, of: str) -> twosample.Pairs:
    """Distances among all recorded records of a station, on both sides; made once."""
    if of not in station.pairs:
        x = _scaled(station, station.pool) if of == "everything" else getattr(station.pool, of)
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


# --- copies and mixtures ------------------------------------------------------------------------------------------

NEAREST = Measure("nearest training record", "novelty", "small", "largest cross-correlation with a training record, median over records", most=1)
COPIES = Measure("copies", "novelty", "small", f"share of records that correlate above {novelty.SAME:g} with a training record", most=1)
LEAKED = Measure("copies of held-out", "novelty", "small", f"share of records that correlate above {novelty.SAME:g} with a held-out record", most=1)
MIXED = Measure("explained by training", "novelty", "small", "variance explained by a non-negative mixture of training records, median", most=1)
PARTS = Measure("records that explain", "novelty", "large", "training records that matter in that mixture, median")
DISTINCT = Measure("distinct", "novelty", "large", "share of records that differ from each other", most=1)
ALIKE = Measure("pair correlation", "novelty", "small", "largest cross-correlation of two records of the set, mean over pairs", most=1)


SPECTRUM = Measure("nearest training spectrum", "novelty", "large", "distance of ln HVSR and ln EAS to the nearest training record, generated / held-out")
TOO_NEAR = Measure("too near", "novelty", "small", "share of records nearer to a training record's spectra than 98 % of the held-out ones", most=1)
NEAR_SHARE = 0.02


def novel(reference: Reference, candidate: Candidate) -> Results:
    """Copies, mixtures, repetitions and disguises, beside what held-out records show against the same training records.

    Waveforms find copies and mixtures, whatever their shift and turn; spectra find records that keep those of a training record
    under other phases, reversed in time, or slightly stretched.
    """
    found: dict[Measure, dict[str, Result]] = {}

    def add(measure: Measure, code: str, result: Result) -> None:
        found.setdefault(measure, {})[code] = result

    test = reference.test.records
    for station in reference.stations:
        code, rate = station.code, test.sampling_rate_hz
        if "alike" not in station.kept:
            station.kept["alike"] = alike(test.data[station.test_rows], rate)
        pairs, unseen_pairs = candidate.alike[code], station.kept["alike"]
        counts = candidate.counts[code] if len(pairs) == candidate.counts[code].shape[1] else np.ones((len(station.test_counts), len(pairs)))
        add(ALIKE, code, _compared(pairs, unseen_pairs, _mean_pair, counts, station.test_counts))
        share = novelty.different(unseen_pairs) / len(unseen_pairs)
        add(DISTINCT, code, Result(novelty.different(pairs) / len(pairs), floor=np.full(SURE, share), ceiling=share))
        data = candidate.records.data[candidate.rows[code]]
        leaked = novelty.correlations(data, test.data[station.test_rows], sampling_rate_hz=rate, turned=False)[0].max(axis=1) > novelty.SAME
        add(LEAKED, code, Result(leaked.mean(), _means(leaked, candidate.counts[code]), np.zeros(SURE), 1.0))
        if reference.train is not None:
            for measure, result in _beside_training(reference, station, candidate):
                add(measure, code, result)
    order = [NEAREST, COPIES, LEAKED, MIXED, PARTS, SPECTRUM, TOO_NEAR, ALIKE, DISTINCT]
    return [(measure, found[measure]) for measure in order if measure in found]


def _beside_training(reference: Reference, station: Station, candidate: Candidate) -> list[tuple[Measure, Result]]:
    """What needs the training records.  Held-out records that are copies of them are no yardstick, and are left out."""
    train, test = reference.train.records, reference.test.records
    bank, data = train.data[station.train_rows], candidate.records.data[candidate.rows[station.code]]
    if "novelty" not in station.kept:
        known = _against(test.data[station.test_rows], bank, test.sampling_rate_hz) + (_nearest_spectrum(station, station.test),)
        clean = np.flatnonzero(known[0] <= novelty.SAME)
        if len(clean) < len(known[0]):
            reference.notes.append(f"{station.code}: {len(known[0]) - len(clean)} of {len(known[0])} held-out records are copies of training "
                                   "records; they do not count in the novelty of generated ones.")
        station.kept["novelty"] = tuple(x[clean] for x in known), station.test_counts[:, clean]
    real, real_counts = station.kept["novelty"]
    if len(real[0]) < SMALLEST:
        nothing = Result(np.nan, floor=np.full(SURE, np.nan))
        return [(measure, nothing) for measure in (NEAREST, MIXED, PARTS, SPECTRUM, TOO_NEAR, COPIES)]
    new = _against(data, bank, test.sampling_rate_hz) + (_nearest_spectrum(station, candidate.features[station.code]),)
    new_counts = candidate.counts[station.code]
    found = [(measure, _compared(mine, unseen, _medians, new_counts, real_counts))
             for measure, mine, unseen in zip((NEAREST, MIXED, PARTS), new, real)]
    scale = np.median(real[3])
    found.append((SPECTRUM, _compared(new[3] / scale, real[3] / scale, _medians, new_counts, real_counts)))
    found.append((TOO_NEAR, _too_near(new[3], real[3], new_counts, real_counts)))
    copies = new[0] > novelty.SAME
    return [*found, (COPIES, Result(copies.mean(), _means(copies, new_counts), np.zeros(SURE), 0.0))]


def _nearest_spectrum(station: Station, records: Features) -> np.ndarray:
    """Distance of each record's curves to those of the nearest training record, in standard deviations of the station's."""
    kinds = ("ln_hvsr", "ln_eas")
    return cdist(_scaled(station, records, kinds), _scaled(station, station.train, kinds)).min(axis=1)


def _too_near(mine: np.ndarray, unseen: np.ndarray, mine_counts: np.ndarray, unseen_counts: np.ndarray) -> Result:
    """Share below the `NEAR_SHARE` quantile of the held-out records; the floor is that of one bootstrap sample of them in another."""
    draws = [unseen[rows] for rows in rows_of(unseen_counts)]
    floor = [np.mean(a < np.quantile(b, NEAR_SHARE)) if min(len(a), len(b)) else np.nan for a, b in zip(draws, draws[1:] + draws[:1])]
    near = mine < np.quantile(unseen, NEAR_SHARE)
    return Result(near.mean(), _means(near, mine_counts), np.array(floor), float(np.mean(unseen < np.quantile(unseen, NEAR_SHARE))))


def alike(data: np.ndarray, sampling_rate_hz: float) -> np.ndarray:
    """Largest correlation of any two records of a set, as they are: nobody turns records to hide that they are the same."""
    return novelty.correlations(data, data, sampling_rate_hz=sampling_rate_hz, turned=False)[0]


def _against(data: np.ndarray, bank: np.ndarray, sampling_rate_hz: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each record: correlation with the nearest of the bank, r2 of a mixture of the bank, records that matter in it."""
    correlation, _, _ = novelty.nearest(data, bank, sampling_rate_hz=sampling_rate_hz)
    mixed = novelty.explained(data, bank)
    return correlation, mixed["r2"].to_numpy(), mixed["records"].to_numpy(float)


def _compared(mine: np.ndarray, unseen: np.ndarray, statistic, mine_counts: np.ndarray, unseen_counts: np.ndarray) -> Result:
    """A statistic of the generated records beside that of held-out ones.

    The floor's draws differ from the held-out value by what chance does to the held-out records, and by what it does to
    as many as were generated: two independent bootstrap samples, the second with its noise scaled to that number.
    """
    value, draws = statistic(unseen, once(len(unseen)))[0], statistic(unseen, unseen_counts)
    other = (np.roll(draws, 1) - value) * np.sqrt(len(unseen) / len(mine))
    return Result(float(statistic(mine, once(len(mine)))[0]), statistic(mine, mine_counts), draws + other, float(value))


def _medians(x: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.array([np.median(x[rows]) if len(rows) else np.nan for rows in rows_of(counts)])


def _means(x: np.ndarray, counts: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return counts @ x / counts.sum(axis=1)


def _mean_pair(alike: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over pairs of different records; pairs of a record with itself in a resample are no pairs."""
    apart = alike - np.diag(np.diag(alike))
    with np.errstate(invalid="ignore", divide="ignore"):
        return ((counts @ apart) * counts).sum(axis=1) / (counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1))


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
        own = novelty.identify(_station_curves(candidate.features[code]), known) == code
        if "own" not in station.kept:
            station.kept["own"] = novelty.identify(_station_curves(station.test), known) == code
        right, n = station.kept["own"].sum(), len(station.test)
        # Jeffreys' prior: 20 of 20 right does not mean that the next 50 will be
        chance = rng.beta(right + 0.5, n - right + 0.5, reference.draws)
        results[code] = Result(own.mean(), _means(own, candidate.counts[code]), rng.binomial(len(own), chance) / len(own), right / n)
    return [(OWN, results)]


def _station_curves(records: Features) -> np.ndarray:
    return novelty.station_curves(records.ln_hvsr, records.ln_eas)


ALL_MEASURES = (ANDERSON, OLSEN_MAYHEW, MMD, ENERGY, COVERAGE, DENSITY, FRECHET, C2ST, FOREST, NEAREST, COPIES, LEAKED, MIXED, PARTS, SPECTRUM,
                TOO_NEAR, ALIKE, DISTINCT, OWN)
