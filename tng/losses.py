"""Losses that do not see phase: features of records, compared as draws from a distribution.

The phase of strong motion is noise: no network can predict it, and one that tries ends with an average, which is weaker
and smoother than any record.  So records are not compared sample by sample.  They are turned into the numbers of
:class:`tng.features.Features`, and these are compared as draws: a generator does best not with the mean, but with the
right scatter.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tng.config import nearest
from tng.features import Features

__all__ = ["Features", "energy_score", "station_marginal", "station_swap", "total"]

NORMS = ("each", "curve")
ROOT = 1e-12            # added under a root, whose slope at zero is infinite


def energy_score(a: Tensor, b: Tensor, x: Tensor, norm: str = "each") -> Tensor:
    """½(|a-x| + |b-x|) - ½|a-b| of two independent draws a, b and what was recorded, mean over records: a number.

    Half the sum is the error, the difference of the draws is the scatter that is rewarded.  In expectation it is smallest if
    the draws have the law of the record: a proper score (Gneiting and Raftery, 2007, JASA 102:359-378, eq. 21 and 22).

    Parameters
    ----------
    a, b, x : tensors, shape (B, ...)
        Features; the draws from the same description as the record, with noise of their own.
    norm : "each" or "curve"
        |.| is the mean absolute value, which scores every number by itself; or the root mean square over the last axis,
        which also scores how the numbers of a curve go together.

    Raises
    ------
    ValueError
        For shapes that differ or have no axis beyond B, and another norm.
    """
    if not (a.shape == b.shape == x.shape and x.ndim >= 2):
        raise ValueError(f"features of shapes {tuple(a.shape)}, {tuple(b.shape)}, {tuple(x.shape)}; three times the same (B, ...) is needed")
    error = _length(a - x, norm, 1) + _length(b - x, norm, 1)
    return 0.5 * (error - _length(a - b, norm, 1)).mean()


def station_marginal(y: Tensor, x: Tensor, station: Tensor, norm: str = "curve") -> Tensor:
    """Energy distance between the generated and the recorded features of a station, mean over stations: a number.

    2 E|y-x| - E|y-y'| - E|x-x'| (Székely and Rizzo, 2013, J. Stat. Plan. Inference 143:1249-1272), each mean taken over
    the pairs of different rows: as y[i] may be made from the description of x[i], that pair would say too little.  Without
    bias: zero in expectation for equal laws, so often negative; positive in expectation for others.  Stations with one
    record are left out; zero if none is left.

    Parameters
    ----------
    y, x : tensors, shape (B, ...)
        Generated and recorded features, row by row of the same station.
    station : integer tensor, shape (B,)
    norm : "curve" or "each"
        As in `energy_score`.

    Raises
    ------
    ValueError
        For shapes that do not fit, and another norm.
    """
    return _station_distance(y, x, station, station, norm, paired=True)


def station_swap(y_swapped: Tensor, x: Tensor, asked_for: Tensor, station: Tensor | None = None, norm: str = "curve") -> Tensor:
    """`station_marginal` of records made from another station's source and path with this station's number.

    A site looks the same whatever shakes it.  Generated and recorded rows do not belong together here, so every pair counts.

    Parameters
    ----------
    y_swapped : tensor, shape (B, ...)
        Features of the records that were made; none of them from the description of a record in `x` of the same station.
    x : tensor, shape (C, ...)
        Recorded features.
    asked_for : integer tensor, shape (B,)
        The station whose number each was made with.
    station : integer tensor, shape (C,), optional
        The station of each recorded row; without it, `asked_for` holds for them too.
    norm
        As in `station_marginal`, and so are the errors.
    """
    return _station_distance(y_swapped, x, asked_for, asked_for if station is None else station, norm, paired=False)


def _station_distance(y: Tensor, x: Tensor, of_y: Tensor, of_x: Tensor, norm: str, paired: bool) -> Tensor:
    if y.shape[1:] != x.shape[1:] or y.ndim < 2 or of_y.shape != y.shape[:1] or of_x.shape != x.shape[:1]:
        raise ValueError(f"features of shapes {tuple(y.shape)} and {tuple(x.shape)} for stations of shapes {tuple(of_y.shape)} and "
                         f"{tuple(of_x.shape)}; one station a row is needed, and the same axes after the first")
    distances = []
    for number in torch.unique(of_y).tolist():
        ys, xs = y[of_y == number], x[of_x == number]
        if len(ys) > 1 and len(xs) > 1:
            within = _mean_distance(ys, ys, norm, apart=True) + _mean_distance(xs, xs, norm, apart=True)
            distances.append(2 * _mean_distance(ys, xs, norm, apart=paired) - within)
    return torch.stack(distances).mean() if distances else 0 * y.sum()          # still a function of y, so that it has a gradient


def _mean_distance(u: Tensor, v: Tensor, norm: str, apart: bool) -> Tensor:
    """Mean |u[i] - v[j]| over all pairs, or if `apart` over those with i ≠ j."""
    distance = _length(u[:, None] - v, norm, 2)
    if not apart:
        return distance.mean()
    return (distance.sum() - distance.diagonal().sum()) / (len(u) * (len(u) - 1))


def _length(difference: Tensor, norm: str, kept: int) -> Tensor:
    """|.| over all axes but the first `kept`; see `energy_score`."""
    if norm not in NORMS:
        raise ValueError(f"no norm {norm!r}: {nearest(norm, NORMS)}")
    length = difference.abs() if norm == "each" else torch.sqrt(difference.square().mean(dim=-1) + ROOT)
    return length.reshape(*length.shape[:kept], -1).mean(dim=-1)


def total(weights: Mapping[str, float], parts: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """Weighted sum of named losses, and each of them, before its weight, as a number for logs.

    Parameters
    ----------
    weights : mapping
        Not negative.  A name of weight 0 may be without a part.
    parts : mapping
        Scalar losses.

    Raises
    ------
    ValueError
        For no parts, a part without a weight, a weight without a part, negative weights and parts that are no scalars.
    """
    if not parts:
        raise ValueError("no losses to add up")
    for name in parts:
        if name not in weights:
            raise ValueError(f"loss {name!r} has no weight: {nearest(name, weights)}")
        if parts[name].ndim:
            raise ValueError(f"loss {name!r} is of shape {tuple(parts[name].shape)}; one number is needed")
    for name, weight in weights.items():
        if weight and name not in parts:
            raise ValueError(f"weight {name!r} is of no loss: {nearest(name, parts)}")
        if not 0 <= weight < float("inf"):
            raise ValueError(f"loss {name!r} has the weight {weight}; 0 or a positive number is needed")
    values = torch.stack(list(parts.values()))
    scale = torch.tensor([weights[name] for name in parts], dtype=values.dtype, device=values.device)
    return (scale * values).sum(), dict(zip(parts, values.detach().tolist(), strict=True))      # one wait for the device, not one a part
