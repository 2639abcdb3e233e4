"""The novelty family of the scoreboard: copies, mixtures, disguises and repetitions, beside what held-out records show."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from tng.scoring import novelty
from tng.scoring.families import LEAST_DRAWS, Candidate, Result, Results, means, scaled
from tng.scoring.features import Features
from tng.scoring.measures import Measure
from tng.scoring.reference import Reference, Station
from tng.scoring.resampling import SMALLEST
from tng.scoring.samples import once, rows_of

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
        add(DISTINCT, code, Result(novelty.different(pairs) / len(pairs), floor=np.full(LEAST_DRAWS, share), ceiling=share))
        data = candidate.records.data[candidate.rows[code]]
        leaked = novelty.correlations(data, test.data[station.test_rows], sampling_rate_hz=rate, turned=False)[0].max(axis=1) > novelty.SAME
        add(LEAKED, code, Result(leaked.mean(), means(leaked, candidate.counts[code]), np.zeros(LEAST_DRAWS), 1.0))
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
        nothing = Result(np.nan, floor=np.full(LEAST_DRAWS, np.nan))
        return [(measure, nothing) for measure in (NEAREST, MIXED, PARTS, SPECTRUM, TOO_NEAR, COPIES)]
    new = _against(data, bank, test.sampling_rate_hz) + (_nearest_spectrum(station, candidate.features[station.code]),)
    new_counts = candidate.counts[station.code]
    found = [(measure, _compared(mine, unseen, _medians, new_counts, real_counts))
             for measure, mine, unseen in zip((NEAREST, MIXED, PARTS), new, real)]
    scale = np.median(real[3])
    found.append((SPECTRUM, _compared(new[3] / scale, real[3] / scale, _medians, new_counts, real_counts)))
    found.append((TOO_NEAR, _too_near(new[3], real[3], new_counts, real_counts)))
    copies = new[0] > novelty.SAME
    return [*found, (COPIES, Result(copies.mean(), means(copies, new_counts), np.zeros(LEAST_DRAWS), 0.0))]


def _nearest_spectrum(station: Station, records: Features) -> np.ndarray:
    """Distance of each record's curves to those of the nearest training record, in standard deviations of the station's."""
    kinds = ("ln_hvsr", "ln_eas")
    return cdist(scaled(station, records, kinds), scaled(station, station.train, kinds)).min(axis=1)


def _too_near(mine: np.ndarray, unseen: np.ndarray, mine_counts: np.ndarray, unseen_counts: np.ndarray) -> Result:
    """Share below the `NEAR_SHARE` quantile of the held-out records; the floor is that of one bootstrap sample of them in another."""
    draws = [unseen[rows] for rows in rows_of(unseen_counts)]
    floor = [np.mean(a < np.quantile(b, NEAR_SHARE)) if min(len(a), len(b)) else np.nan for a, b in zip(draws, draws[1:] + draws[:1])]
    near = mine < np.quantile(unseen, NEAR_SHARE)
    return Result(near.mean(), means(near, mine_counts), np.array(floor), float(np.mean(unseen < np.quantile(unseen, NEAR_SHARE))))


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


def _mean_pair(alike: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over pairs of different records; pairs of a record with itself in a resample are no pairs."""
    apart = alike - np.diag(np.diag(alike))
    with np.errstate(invalid="ignore", divide="ignore"):
        return ((counts @ apart) * counts).sum(axis=1) / (counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1))


MEASURES = (NEAREST, COPIES, LEAKED, MIXED, PARTS, SPECTRUM, TOO_NEAR, ALIKE, DISTINCT)
