"""One set of records held against recorded ones: the numbers that :mod:`tng.scoring.goals` judges.

Sets are compared by random subsets of equally many records a station, since the f0 of a median curve, the NCC and the similarities
all depend on how many records there are.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tng.arrivals import arrivals
from tng.intensity import horizontal_duration
from tng.recordset import RecordSet, RecordSetError, same_kind
from tng.scoring import novelty, paper
from tng.scoring.c2st import c2st
from tng.scoring.features import Features, Grid, features
from tng.scoring.histograms import f0_counts, shares
from tng.scoring.resampling import SMALLEST
from tng.scoring.twosample import Pairs
from tng.spectra import at_edge

CURVE_POINTS = 400               # of the HVSR, as many as the published curves have
TOLERANCE = 0.05                 # f0 within 5 % is a hit
EAS_HZ, PSA_S = (1.0, 20.0), (0.05, 2.0)        # where the biases are taken
COMPARED, PAIRED = 40, 30        # records of a station that are laid beside training records, and beside each other
COVERED, TOLD = 10, 3            # subsets for the coverage, repeats of the classifier: both are slow
RATIOS = ("sigma ln f0", "sigma ln HVSR", "PGA", "sigma ln PGA", "PGA against held-out", "sigma ln PGA against held-out", "D5-95", "sigma ln D5-95",
          "V/H before S", "V/H after S", "onset spread")         # geometric means over stations; the others are plain means
BIASES = ("EAS bias", "PSA bias")
SLOW = ("nearest training", "pair correlation", "coverage", "C2ST")


# --- a set of records, measured once -----------------------------------------------------------------------------------

@dataclass(frozen=True)
class Judged:
    """Records and all that the goals need of each of them.

    Attributes
    ----------
    grid : Grid
        Where they were measured.
    phases : array, shape (records, 3)
        ln of the time from P to S, of the ratio of vertical to horizontal energy between P and S, and of that from S on for one
        significant duration.  Onsets are picked, whatever the records state, so that recorded and generated ones are treated alike.
    """

    records: RecordSet
    grid: Grid
    features: Features
    phases: np.ndarray

    @classmethod
    def of(cls, records: RecordSet | Judged, grid: Grid, *, progress: bool = False) -> Judged:
        """Measure records, unless they are measured already.

        Raises
        ------
        RecordSetError
            For a record that cannot be measured, or one that was measured in another band.
        """
        if not isinstance(records, cls):
            return cls(records, grid, features(records, grid, progress=progress), _phases(records))
        if records.grid.band_hz != grid.band_hz or not np.array_equal(records.grid.eas_hz, grid.eas_hz):
            raise RecordSetError("{}: measured in {:g}-{:g} Hz, not in {:g}-{:g} Hz; measure all sets on one grid".format(
                records.records.name, *records.grid.band_hz, *grid.band_hz))
        return records

    def take(self, rows) -> Judged:
        return Judged(self.records.take(rows), self.grid, self.features.take(rows), self.phases[rows])

    def of_station(self, code: str) -> Judged:
        return self.take(self.records.rows(code))


def _phases(records: RecordSet) -> np.ndarray:
    rate_hz = records.sampling_rate_hz
    duration_s = horizontal_duration(records.data.astype(np.float64), rate_hz)
    found = np.empty((len(records), 3))
    for row, data in enumerate(records.data.astype(np.float64)):
        onsets = arrivals(data, rate_hz)
        p, s = (round(onset_s * rate_hz) for onset_s in (onsets.p_s, onsets.s_s))
        end = s + max(round(duration_s[row] * rate_hz), 1)
        energy = (data - data.mean(axis=1, keepdims=True)) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = [np.log(part[2].sum() / part[:2].sum()) for part in (energy[:, p:s], energy[:, s:end])]
        found[row] = [np.log(max(onsets.s_s - onsets.p_s, 1 / rate_hz)), *ratios]
    return np.where(np.isfinite(found), found, np.nan)


# --- the judge ---------------------------------------------------------------------------------------------------------

class Judge:
    """Recorded records that generators are held against; `of` gives the numbers of one generator.

    Parameters
    ----------
    train, held_out : RecordSet or Judged
        What the generators have learned from, and records of the same stations that they have not seen.
    records : int or mapping
        In a subset, of each station; fewer where a station has fewer.
    subsets : int
    band_hz : two floats, optional
        In which HVSR and f0 are compared; 1-20 Hz if the rate holds it.
    seed : int

    Raises
    ------
    RecordSetError
        For sets of different rate or length, and stations with fewer than five records in a set.
    """

    def __init__(self, train, held_out, *, records: int | Mapping[str, int] = 60, subsets: int = 100,
                 band_hz: tuple[float, float] | None = None, seed: int = 0, progress: bool = False):
        plain = [side.records if isinstance(side, Judged) else side for side in (train, held_out)]
        same_kind(plain)
        self.grid, self.stations = self.grid_of(plain[1], band_hz), plain[1].stations
        self.sizes = {code: records[code] if isinstance(records, Mapping) else records for code in self.stations}
        if (least := min(self.sizes.values())) < SMALLEST or subsets < 2:
            raise ValueError(f"{subsets} subsets of {least} records; at least 2 of {SMALLEST} are needed")
        for side, name in zip(plain, ("training records", "held-out records")):
            _require(side, self.stations, name)
        self.train, self.held_out = (Judged.of(side, self.grid, progress=progress) for side in (train, held_out))
        self.subsets, self.seed, self.progress = subsets, seed, progress
        self._warn_of_edges()

    @staticmethod
    def grid_of(records: RecordSet, band_hz: tuple[float, float] | None = None) -> Grid:
        """Where curves of such records are compared."""
        return Grid.of(records.sampling_rate_hz, records.data.shape[2], band_hz, curve_points=CURVE_POINTS)

    def _warn_of_edges(self) -> None:
        for code in self.stations:
            f0_hz = self.grid.curve_hz[np.median(self.held_out.of_station(code).features.ln_hvsr, axis=0).argmax()]
            if at_edge(f0_hz, self.grid.band_hz):
                warnings.warn("station {}: the median HVSR of its held-out records is largest at the edge of {:g}-{:g} Hz, which is no "
                              "resonance: what is said of its f0 means nothing. Name a band that holds it, or leave the station out".format(
                                  code, *self.grid.band_hz), stacklevel=3)

    def of(self, generated: RecordSet | Judged, *, new: bool = True, slow: Collection[str] = SLOW) -> pd.DataFrame:
        """Numbers of one set, a row a measure, with columns value, low and high (5 and 95 % over subsets).

        Values are means over subsets, but biases, whose mean over small subsets is mostly chance, are those of all records.
        With ``new=False`` the held-out records stand for the set where it is laid beside the training records.  Those of
        `SLOW` take most of the time; only the ones named in `slow` are among the rows.
        """
        plain = generated.records if isinstance(generated, Judged) else generated
        same_kind([self.held_out.records, plain])
        _require(plain, self.stations, "generated records")
        made = Judged.of(generated, self.grid, progress=self.progress)
        rows = {code: made.records.rows(code) for code in self.stations}
        draws = {code: self._subsets(len(own), self.sizes[code], number) for number, (code, own) in enumerate(rows.items())}
        drawn = self._measures(made, rows, draws)
        whole = self._measures(made, rows, {code: np.arange(len(own))[None] for code, own in rows.items()})
        table = {name: _row(values, whole[name][0] if name in BIASES else None) for name, values in drawn.items()}
        more = {"nearest training": lambda: self._nearest(made if new else self.held_out), "pair correlation": lambda: self._pairs(made, rows),
                "coverage": lambda: _row(self._coverage(made, rows, draws)), "C2ST": lambda: _row(self._told(made, rows))}
        table |= {name: measure() for name, measure in more.items() if name in slow}
        return pd.DataFrame.from_dict(table, orient="index", columns=["value", "low", "high"]).rename_axis("measure")

    def _subsets(self, n: int, size: int, number: int) -> np.ndarray:
        """Random subsets of n records, without replacement, shape (subsets, records)."""
        rng = np.random.default_rng([self.seed, 1, number])
        return np.argsort(rng.random((self.subsets, n)), axis=1)[:, :min(size, n)]

    def _measures(self, made: Judged, rows: Mapping, draws: Mapping) -> dict[str, np.ndarray]:
        """What subsets of all stations show, shape (subsets,) a measure."""
        each = [self._station(code, made.take(rows[code]), draws[code]) for code in self.stations]
        found: dict[str, np.ndarray] = {}
        for name in each[0]:
            values = np.array([one[name] for one in each])
            with np.errstate(divide="ignore", invalid="ignore"):
                found[name] = np.exp(np.log(values).mean(axis=0)) if name in RATIOS else values.mean(axis=0)
        found = {"f0 hits": found["f0 hits"] * len(self.stations), "f0 hits share": found.pop("f0 hits"), **found}
        return found | self._paper_scores(made, rows, draws)

    def _station(self, code: str, new: Judged, draws: np.ndarray) -> dict[str, np.ndarray]:
        """What subsets of one station's records show beside its recorded ones."""
        known, real = self.train.of_station(code), self.held_out.of_station(code)
        curve = np.median(real.features.ln_hvsr, axis=0)
        curves = np.median(new.features.ln_hvsr[draws], axis=1)
        ln_f0, ln_f0_real = (np.log(self.grid.curve_hz)[one.argmax(axis=-1)] for one in (curves, curve))
        apart = (curves - curve) / np.log(10)
        found = {"f0 hits": (np.abs(np.expm1(ln_f0 - ln_f0_real)) <= TOLERANCE).astype(float),
                 "HVSR rms": np.sqrt((apart**2).mean(axis=1)),
                 "HVSR r": np.array([np.corrcoef(one, curve)[0, 1] for one in curves]),
                 "sigma ln f0": _robust(np.log(new.features.f0_hz)[draws], axis=1) / (_robust(np.log(real.features.f0_hz), axis=0) or np.nan),
                 "sigma ln HVSR": new.features.ln_hvsr[draws].std(axis=1, ddof=1).mean(axis=1) / real.features.ln_hvsr.std(axis=0, ddof=1).mean()}
        for name, column in (("PGA", "pga_cmps2"), ("D5-95", "d595_s")):
            x, x_known, x_real = (side.features.ln_measures[:, self.grid.measures.index(column)] for side in (new, known, real))
            sides = {"": x_known, " against held-out": x_real} if name == "PGA" else {"": x_real}
            for against, y in sides.items():
                found |= {name + against: np.exp(np.median(x[draws], axis=1) - np.median(y)), f"sigma ln {name}{against}": _spread(x, y, draws)}
        for name, of, at, (low, high) in (("EAS bias", "ln_eas", self.grid.eas_hz, EAS_HZ), ("PSA bias", "ln_psa", self.grid.periods_s, PSA_S)):
            inside = (at >= low * (1 - 1e-9)) & (at <= high * (1 + 1e-9))
            x, y = (getattr(side.features, of)[:, inside] for side in (new, known))
            found[name] = np.abs(x[draws].mean(axis=1) - y.mean(axis=0)).mean(axis=1)
        for column, name in enumerate(("onset spread", "V/H before S", "V/H after S")):
            x, y = new.phases[:, column], real.phases[:, column]
            found[name] = _spread(x, y, draws) if column == 0 else np.exp(np.nanmedian(x[draws], axis=1) - np.nanmedian(y))
        return found

    def _paper_scores(self, made: Judged, rows: Mapping, draws: Mapping) -> dict[str, np.ndarray]:
        """The published scores of subsets against all held-out f0; NCC are NaN for a single station."""
        bins_hz = self.grid.f0_bins_hz
        real = shares(f0_counts({code: self.held_out.features.f0_hz[self.held_out.records.rows(code)] for code in self.stations}, bins_hz))
        inside = {code: np.eye(len(bins_hz) - 1)[np.digitize(made.features.f0_hz[own], bins_hz[1:-1])] for code, own in rows.items()}
        drawn = shares(np.stack([inside[code][draws[code]].sum(axis=1) for code in self.stations], axis=1))
        scores = paper.scores_of_shares(real, drawn)
        if len(self.stations) == 1:
            scores[:, :2] = np.nan
        return {"NCC SxS": scores[:, 0], "NCC 2Sx2S": scores[:, 1], "JS": scores[:, 2]}

    def _nearest(self, made: Judged) -> tuple[float, float, float]:
        """Median correlation of a station's first records with the training record that is most like each."""
        rate_hz, found = made.records.sampling_rate_hz, []
        for code in self.stations:
            some, bank = (side.records.data[side.records.rows(code)] for side in (made, self.train))
            found.append(novelty.nearest(some[:COMPARED], bank, sampling_rate_hz=rate_hz)[0])
        rng, values = np.random.default_rng([self.seed, 2]), np.concatenate(found)
        return _row(np.median(rng.choice(values, (self.subsets, len(values))), axis=1), np.median(values))

    def _pairs(self, made: Judged, rows: Mapping) -> tuple[float, float, float]:
        """Mean correlation of any two of a station's first records, mean over stations; drawn again record by record."""
        rng, values, drawn = np.random.default_rng([self.seed, 3]), [], []
        for own in rows.values():
            alike = novelty.correlations(*[made.records.data[own[:PAIRED]]] * 2, sampling_rate_hz=made.records.sampling_rate_hz)[0]
            n = len(alike)
            values.append(alike[np.triu_indices(n, 1)].mean())
            counts = rng.multinomial(n, np.full(n, 1 / n), self.subsets).astype(float)
            pairs = counts[:, :, None] * counts[:, None, :] * (1 - np.eye(n))             # a record and its own copy are no pair
            drawn.append((pairs * alike).sum(axis=(1, 2)) / pairs.sum(axis=(1, 2)))
        return _row(np.mean(drawn, axis=0), np.mean(values))

    def _coverage(self, made: Judged, rows: Mapping, draws: Mapping) -> np.ndarray:
        """Share of held-out records with a generated one among their neighbours, equally many of both, mean over stations."""
        rng, found = np.random.default_rng([self.seed, 4]), []
        for code in self.stations:
            real, new = self.held_out.of_station(code).features, made.take(rows[code]).features
            pairs = Pairs.of(_scaled(real, real), _scaled(new, real))
            found.append([pairs.take(rng.permutation(len(real))[:len(some)], some).coverage() for some in draws[code][:COVERED]])
        return np.mean(found, axis=0)

    def _told(self, made: Judged, rows: Mapping) -> np.ndarray:
        """How often a forest tells generated from held-out records, all stations together without their training means."""
        rng, found = np.random.default_rng([self.seed, 5]), []
        for repeat in range(TOLD):
            sides: list[list[np.ndarray]] = [[], [], [], []]
            for code in self.stations:
                middle = self._shown(self.train.of_station(code)).mean(axis=0)
                own = self.held_out.records.rows(code), rows[code]
                size = min(self.sizes[code], *map(len, own))
                for number, (side, some) in enumerate(zip((self.held_out, made), own)):
                    some = rng.permutation(some)[:size]
                    sides[number].append(self._shown(side.take(some)) - middle)
                    sides[2 + number].append(side.records.event[some])
            real, new, events_real, events_new = (np.concatenate(side) for side in sides)
            found.append(c2st(real, new, events_real, events_new, classifier="forest", times=19, seed=self.seed + repeat).value)
        return np.array(found)

    @staticmethod
    def _shown(side: Judged) -> np.ndarray:
        """What the classifier sees: curves on 100 frequencies, spectra, ln intensity measures."""
        x = side.features
        return np.hstack([x.ln_hvsr[:, ::CURVE_POINTS // 100], x.ln_eas, x.ln_measures])


def _require(side: RecordSet, stations: list[str], what: str) -> None:
    for code in stations:
        if (n := len(side.rows(code))) < SMALLEST:
            raise RecordSetError(f"{side.name}: {n} {what} of station {code}; {SMALLEST} are needed. Add some, or leave the station out of all sets")


def _scaled(x: Features, real: Features) -> np.ndarray:
    """Curves and measures in standard deviations of the recorded ones, each kind with the same weight."""
    kinds = ((getattr(side, of) for side in (x, real)) for of in ("ln_hvsr", "ln_eas", "ln_psa", "ln_measures"))
    return np.hstack([mine / (np.maximum(theirs.std(axis=0), 1e-9) * np.sqrt(theirs.shape[1])) for mine, theirs in kinds])


def _robust(ln_f0: np.ndarray, axis: int) -> np.ndarray:
    """Half of the range from 16 to 84 %: one record in 300 whose largest value is elsewhere would decide the standard deviation."""
    return np.diff(np.quantile(ln_f0, [0.16, 0.84], axis=axis), axis=0)[0] / 2


def _spread(x: np.ndarray, y: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Standard deviation of each subset of x over that of y; NaN if y does not scatter."""
    below = np.nanstd(y, ddof=1)
    return np.nanstd(x[draws], axis=1, ddof=1) / (below if below > 1e-9 else np.nan)


def _row(drawn: np.ndarray, value: float | None = None) -> tuple[float, float, float]:
    if not np.isfinite(drawn).any():
        return np.nan, np.nan, np.nan
    return float(np.nanmean(drawn) if value is None else value), *np.nanquantile(drawn, [0.05, 0.95]).tolist()
