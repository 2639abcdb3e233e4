"""How a new record is mixed from k recorded ones: which ones, with which weights, and how strong the mixture is.

The network's generator and the plain average take their draws from here, so with one seed they mix the same records
with the same weights, and what differs between them is the network's doing.

Standardised records that have nothing in common, mixed with weights w, have the standard deviation sqrt(Σw²), and a record
drawn twice counts with its sum of weights.  For a pool of n records:

==========================  ====================
weights                     E Σw²
==========================  ====================
uniform                     1/k
uniform, with replacement   (1/k)(1 + (k-1)/n)
Dirichlet(α)                (α+1)/(kα+1)
unit norm                   1
==========================  ====================
"""

from __future__ import annotations

import numpy as np

from tng.config import nearest
from tng.generators import GeneratorError, random_stream

MIXINGS = ("uniform", "dirichlet", "unit-norm")


def check(records_to_mix: int, mixing: str, alpha: float) -> None:
    """Refuse options that cannot be: k below 1, an unknown mixing, a Dirichlet parameter that is not positive."""
    if records_to_mix < 1:
        raise GeneratorError(f"records_to_mix {records_to_mix}: at least 1 is needed")
    if mixing not in MIXINGS:
        raise GeneratorError(f"mixing {mixing!r}: {nearest(str(mixing), MIXINGS)}")
    if not 0 < alpha < np.inf:
        raise GeneratorError(f"dirichlet_alpha {alpha}: a positive number is needed")


def draw(rows, k: int, n: int, seed: int, station: str, *, weights: str = "uniform", alpha: float = 1.0,
         replacement: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """For each of `n` new records, which k of a station's records it is made from, and their weights.

    Parameters
    ----------
    rows : array of int
        The station's records.
    k, n : int
    seed, station
        All that the draw depends on: the records drawn are the same whatever their weights.
    weights : str
        ``uniform``: 1/k.  ``dirichlet``: drawn from the flat Dirichlet distribution with parameter `alpha`, so positive
        with sum 1.  ``unit-norm``: a direction drawn at random, w ~ N(0, I) / |w|, so of either sign with Σw² = 1; they apply
        to what a record has beyond the mean of the station's pool: m + Σ wᵢ (xᵢ - m).
    replacement : bool
        Whether a new record may be made from one record several times.

    Returns
    -------
    rows, weights : arrays, both (n, k)

    Raises
    ------
    GeneratorError
        For fewer than k records without replacement, no records at all, and options that cannot be.
    """
    check(k, weights, alpha)
    rows = np.asarray(rows)
    if n < 0:
        raise GeneratorError(f"{n} new records: a number from 0 on is needed")
    if len(rows) == 0:
        raise GeneratorError(f"station {station} has no training records to make new ones from")
    if len(rows) < k and not replacement:
        raise GeneratorError(f"station {station} has {len(rows)} training records; averaging {k} different ones needs at "
                             f"least {k}: set records_to_mix to {len(rows)} or fewer, or draw with replacement")
    rng = random_stream(seed, station)
    drawn = np.array([rng.choice(rows, k, replace=replacement) for _ in range(n)], dtype=rows.dtype).reshape(n, k)
    return drawn, _weights(random_stream(seed, station + " weights"), n, k, weights, alpha)


def _weights(rng: np.random.Generator, n: int, k: int, kind: str, alpha: float) -> np.ndarray:
    if kind == "uniform":
        return np.full((n, k), 1 / k)
    if kind == "dirichlet":
        return rng.dirichlet(np.full(k, alpha), n)
    w = rng.standard_normal((n, k))
    return w / np.linalg.norm(w, axis=1, keepdims=True)


def level(mean: np.ndarray, scale: np.ndarray, weights: np.ndarray | None = None, *,
          unit_norm: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale (..., 3, 1) of a mixture, from those of its records (..., k, 3, 1) and their weights (..., k).

    Weights with sum 1 average means and scales as they average the records; None is the plain average.  Weights of either
    sign cannot: a mixture of unit norm gets the geometric mean of the k scales and the mean 0, as the mixture of recorded
    accelerograms does (:class:`tng.generators.nulls.UnitNormMix`).
    """
    if unit_norm:
        return np.zeros_like(mean[..., 0, :, :]), np.exp(np.log(scale).mean(axis=-3))
    if weights is None:
        return mean.mean(axis=-3), scale.mean(axis=-3)
    shares = weights[..., None, None].astype(scale.dtype)
    return (shares * mean).sum(axis=-3), (shares * scale).sum(axis=-3)
