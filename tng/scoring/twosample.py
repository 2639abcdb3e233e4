"""Have two sets of records one law?  Distances, tests, classifiers and neighbourhoods on their features.

Features are arrays (records, values), for example ln HVSR at log-spaced frequencies; records that share an earthquake are
told by their group.  Groups of the two sides are different ones, even if they have the same name.

A distance between sets of the size usual here is far from zero for sets of one law, and a classifier's accuracy far from
one half: look at the permutation p, or at the same number for real against real.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.covariance import ledoit_wolf

from tng.scoring.resampling import enough, event_codes, permuted_labels

NEIGHBOURS = 5          # of density and coverage


class Tested(NamedTuple):
    """A measure, and the probability of as large a one if both sides had one law."""

    value: float
    p: float


def standardised(real, generated, *, pooled: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Features brought to one scale: minus the real mean, divided by the real standard deviation.

    Needed where they have different units.  Features that do not vary among real records are only centred.

    Parameters
    ----------
    pooled : bool
        Mean and deviation of both sides together.  Permutation tests need this: what is done to the features must not know
        the labels.
    """
    real, generated = enough("standardising", real, generated)
    reference = np.concatenate([real, generated]) if pooled else real
    scale = reference.std(axis=0)
    scale = np.where(scale > 1e-12 * np.abs(reference).max(axis=0), scale, 1.0)       # rounding is no variation
    return (real - reference.mean(axis=0)) / scale, (generated - reference.mean(axis=0)) / scale


def group_codes(groups_x, groups_y, n: int, m: int) -> np.ndarray:
    """A number for each group of both sides, shape (n + m,); without groups each record is one."""
    sides = []
    for groups, size, side in ((groups_x, n, "real"), (groups_y, m, "generated")):
        codes = np.arange(size) if groups is None else event_codes(groups)
        if codes.shape != (size,):
            raise ValueError(f"{size} {side} records but {codes.size} groups; one each is needed")
        sides.append(codes + (sides[0].max() + 1 if sides else 0))
    return np.concatenate(sides)


@dataclass(frozen=True)
class Pairs:
    """Euclidean distances among all records of both sides, from which many measures come at once.

    Build it with `Pairs.of`; `take` gives a bootstrap sample without measuring anything again.

    Attributes
    ----------
    distances : array, shape (n + m, n + m)
        The real records come first.
    n : int
        How many are real.
    groups : array of int, shape (n + m,)
        Number of the event of each record.  Two records of one event are no pair of either side: they are alike because they
        share the event, and in a bootstrap sample because they are the same record.
    bandwidth : float
        Of the kernel exp(-d²/(2·bandwidth²)).
    """

    distances: np.ndarray
    n: int
    groups: np.ndarray
    bandwidth: float

    @classmethod
    def of(cls, real, generated, groups_x=None, groups_y=None, bandwidth: float | None = None) -> Pairs:
        """Distances of features (records, values).

        Parameters
        ----------
        groups_x, groups_y : arrays, optional
            Event of each real and generated record; each record is one of its own if not given.
        bandwidth : float, optional
            The median distance of all pairs if not given (Gretton et al., 2012, section 8).

        Raises
        ------
        ValueError
            For fewer than five records a side, other widths, values that are not finite, a bandwidth that is not positive.
        """
        x, y = (values.reshape(len(values), -1) for values in enough("distances", real, generated))
        if bandwidth is not None and not bandwidth > 0:
            raise ValueError(f"bandwidth {bandwidth}; a positive number is needed")
        both = np.concatenate([x, y])
        distances = cdist(both, both)
        bandwidth = bandwidth or _typical(distances[np.triu_indices(len(both), 1)])
        return cls(distances, len(x), group_codes(groups_x, groups_y, len(x), len(y)), bandwidth)

    def take(self, rows_x, rows_y) -> Pairs:
        """The same for some of the real and some of the generated records; rows may come more than once."""
        rows = np.concatenate([np.asarray(rows_x, dtype=int), self.n + np.asarray(rows_y, dtype=int)])
        return replace(self, distances=self.distances[rows[:, None], rows], n=len(rows_x), groups=self.groups[rows])

    def similarities(self, statistic: str) -> np.ndarray:
        """Of all pairs: the kernel for ``"mmd"``, minus the distance for ``"energy"``."""
        if statistic == "mmd":
            return np.exp(-(self.distances**2) / (2 * self.bandwidth**2))
        if statistic == "energy":
            return -self.distances
        raise ValueError(f"statistic {statistic!r}; 'mmd' or 'energy' is needed")

    def contrast(self, statistic: str, labels=None) -> np.ndarray:
        """Mean similarity within each side minus twice that across, shape (labellings,).

        With the kernel this is the unbiased MMD² (Gretton et al., 2012, eq. 3), with minus the distance the energy
        distance (Székely and Rizzo, 2013) as a U-statistic.  Its expectation is zero for two sides of one law.

        Parameters
        ----------
        labels : array of bool, shape (labellings, n + m), optional
            Which records count as real; those that are if not given.  Records of one group must have one label.

        Returns
        -------
        array
            NaN where a side has no two records of different groups.
        """
        size = len(self.groups)
        labels = (np.arange(size) < self.n)[None] if labels is None else labels
        alike = self.groups[:, None] == self.groups
        similar = np.where(alike, 0.0, self.similarities(statistic))
        real = labels.astype(np.float64)
        # sums over ordered pairs: real-real, real-any, and by difference the others
        within_x, any_x, total = ((real @ similar) * real).sum(axis=1), real @ similar.sum(axis=1), similar.sum()
        across, within_y = any_x - within_x, total - 2 * any_x + within_x
        n, twins = real.sum(axis=1), real @ alike.sum(axis=1)
        pairs_x, pairs_y = n**2 - twins, (size - n) ** 2 - (alike.sum() - twins)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = within_x / pairs_x + within_y / pairs_y - 2 * across / (n * (size - n))
        return np.where((pairs_x > 0) & (pairs_y > 0), value, np.nan)

    def test(self, statistic: str, rng: np.random.Generator, times: int = 499) -> Tested:
        """The contrast, and its p by exchanging events between the sides (see `permuted_labels`).

        All labellings are compared in one matrix product.  The smallest p is 1 / (times + 1).  If one side alone has several
        records an event, take about as many records of both: with 10 events of three against 90 single records, p < 0.05
        comes in 13 % of the cases of one law, with 20 events of three against 60 in 6 %.

        Raises
        ------
        ValueError
            If all records of a side are of one event.
        """
        labels = permuted_labels(np.arange(len(self.groups)) < self.n, self.groups, rng, times)
        value = self.contrast(statistic)[0]
        if np.isnan(value):
            raise ValueError(f"all {self.n} real or all {len(self.groups) - self.n} generated records are of one event; "
                             "a test needs two events a side")
        draws = self.contrast(statistic, labels)
        slack = 1e-9 * np.abs(self.similarities(statistic)).max()            # the same labelling, summed in another order
        return Tested(float(value), (1 + int((~(draws < value - slack)).sum())) / (times + 1))

    # --- neighbourhoods (Naeem et al., 2020) ---------------------------------------------------------------------

    def _balls(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distance to the k-th nearest record of the own side but another event: radii of real and of generated balls.

        NaN, which holds nothing but copies of its centre, where there are fewer; a side of n records has n - 1 at most.
        """
        if k < 1:
            raise ValueError(f"{k} neighbours; at least one is needed")
        apart = np.where(self.groups[:, None] == self.groups, np.inf, self.distances)
        radii = []
        for side in (apart[: self.n, : self.n], apart[self.n:, self.n:]):
            last = min(k, len(side) - 1) - 1
            radius = np.partition(side, last, axis=1)[:, last]
            radii.append(np.where(np.isinf(radius), np.nan, radius))
        return radii[0], radii[1]

    def _inside(self, k: int, whose: int) -> np.ndarray:
        """(real, generated): is the record of the other side inside the ball of a real (0) or generated (1) one?"""
        across = self.distances[: self.n, self.n:]
        radius = self._balls(k)[whose]
        return (across < (radius[:, None] if whose == 0 else radius)) | (across == 0)    # a ball of radius 0 holds its centre

    def density(self, k: int = NEIGHBOURS) -> float:
        """How many real neighbourhoods hold a generated record, on average, relative to k; 1 for one law (eq. 3)."""
        return float(self._inside(k, 0).sum(axis=0).mean() / k)

    def coverage(self, k: int = NEIGHBOURS) -> float:
        """Share of real records with a generated one among their neighbours (eq. 4); see `expected_coverage`."""
        return float(self._inside(k, 0).any(axis=1).mean())

    def precision(self, k: int = NEIGHBOURS) -> float:
        """Share of generated records inside any real neighbourhood (Kynkäänniemi et al., 2019)."""
        return float(self._inside(k, 0).any(axis=0).mean())

    def recall(self, k: int = NEIGHBOURS) -> float:
        """Share of real records inside any generated neighbourhood (Kynkäänniemi et al., 2019)."""
        return float(self._inside(k, 1).any(axis=1).mean())


def _typical(distances: np.ndarray) -> float:
    """Median; over those that are not zero if most pairs are copies; 1 if all are."""
    return float(np.median(distances) or np.median(distances[distances > 0] if (distances > 0).any() else [1.0]))


def expected_coverage(n: int, m: int, k: int = NEIGHBOURS) -> float:
    """Coverage to be expected of n real and m generated records of one law, which is below 1 (Naeem et al., 2020, lemma 2)."""
    before = np.arange(1, k + 1)
    return float(1 - np.prod((n - before) / (n + m - before)))


def mmd2(real, generated, bandwidth: float | None = None) -> float:
    """Unbiased squared maximum mean discrepancy with a Gaussian kernel (Gretton et al., 2012, eq. 3).

    Around zero, and as often below as above, for two sets of one law.  For its p see `Pairs.test`.

    Parameters
    ----------
    real, generated : arrays, shape (records, values)
    bandwidth : float, optional
        The median distance of all pairs if not given.
    """
    return float(Pairs.of(real, generated, bandwidth=bandwidth).contrast("mmd")[0])


def energy_distance(real, generated) -> float:
    """Energy distance sqrt(2·E|X-Y| - E|X-X'| - E|Y-Y'|), in units of sqrt(feature) (Székely and Rizzo, 2013).

    The V-statistic, as `scipy.stats.energy_distance`, which knows one value a record only.  It is positive for any two sets:
    compare it with that of real against real.
    """
    pairs = Pairs.of(real, generated)
    d, n = pairs.distances, pairs.n
    return float(np.sqrt(max(2 * d[:n, n:].mean() - d[:n, :n].mean() - d[n:, n:].mean(), 0.0)))


def frechet(real, generated) -> float:
    """Squared Fréchet distance of two Gaussian laws: |µx-µy|² + tr(Σx + Σy - 2·(Σx·Σy)^½) (Dowson and Landau, 1982).

    The number behind the FID (Heusel et al., 2017), there on the features of a classifier of photographs, here on those
    given.  Covariances are shrunk (Ledoit and Wolf, 2004), since there are seldom more records than features.

    It is never zero for two different sets: with 50 records a side it may be mostly chance.  Print the value for real against
    real of the same numbers beside it.  In squared units of the features; bring features of different units to one scale
    first (`standardised`).

    Parameters
    ----------
    real, generated : arrays, shape (records, values)
    """
    x, y = (values.reshape(len(values), -1) for values in enough("Fréchet distance", real, generated))
    cov_x, cov_y = (ledoit_wolf(values)[0] if np.ptp(values, axis=0).any() else np.zeros((values.shape[1],) * 2)
                    for values in (x, y))
    size, axes = np.linalg.eigh(cov_x)
    root = (axes * np.sqrt(np.maximum(size, 0))) @ axes.T
    common = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_y @ root), 0)).sum()
    distance = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() + np.trace(cov_x) + np.trace(cov_y) - 2 * common
    return float(max(distance, 0.0))


def neighbour_distance(values) -> float:
    """Median distance to the nearest other record: how far apart different records of a law are; 1 if all are copies."""
    distances = cdist(np.reshape(values, (len(values), -1)), np.reshape(values, (len(values), -1)))
    np.fill_diagonal(distances, np.inf)
    return _typical(distances.min(axis=1))


def effective_number(values, apart: float | None = None) -> float:
    """How many different records there are: the Vendi score (Friedman and Dieng, 2023).

    exp of the entropy of the eigenvalues of K/n, where K is the kernel exp(-2·(d/apart)²): n for records far apart, 1 for
    copies of one, k for equally many copies of k records far apart.

    Parameters
    ----------
    values : array, shape (records, values)
    apart : float, optional
        How far apart different records are; of pairs at this distance the kernel is 0.14.  To compare sets take the same
        for all, `neighbour_distance` of the real one, and as many records of each; the set's own if not given.

    Raises
    ------
    ValueError
        For fewer than five records, values that are not finite, a distance that is not positive.
    """
    x = enough("effective number", values, values)[0].reshape(len(values), -1)
    apart = neighbour_distance(x) if apart is None else apart
    if not apart > 0:
        raise ValueError(f"records {apart} apart; a positive distance is needed")
    share = np.linalg.eigvalsh(np.exp(-2 * (cdist(x, x) / apart) ** 2) / len(x))
    share = share[share > 1e-15]
    return float(np.exp(-(share * np.log(share)).sum()))
