"""Do generated records belong to the station that they were asked for?  The station-swap test, on plain arrays of curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd


def station_curves(ln_hvsr, ln_eas) -> np.ndarray:
    """What tells stations apart: ln HVSR, and the shape of ln EAS (its mean is the strength of the event)."""
    ln_eas = np.asarray(ln_eas)
    return np.hstack([ln_hvsr, ln_eas - ln_eas.mean(axis=1, keepdims=True)])


def identify(curves, references: Mapping[str, np.ndarray]) -> np.ndarray:
    """The station whose median curve is nearest to each curve, shape (records,).

    Distances are root mean squares over the frequencies of the difference from the station's median, in standard
    deviations of records within a station (pooled over the stations).

    Parameters
    ----------
    curves : array, shape (records, frequencies)
        Logarithms, for example from :func:`station_curves`.
    references : mapping
        Station → array (records, frequencies) of its training records.

    Raises
    ------
    ValueError
        For no stations, values that are not finite, or curves of different lengths.
    """
    if not references:
        raise ValueError("no stations to tell apart")
    arrays = [np.asarray(curves, dtype=float), *(np.asarray(x, dtype=float) for x in references.values())]
    if any(x.ndim != 2 or len(x) == 0 or x.shape[1] != arrays[0].shape[1] for x in arrays):
        raise ValueError(f"curves of shapes {', '.join(str(x.shape) for x in arrays)}; (records, frequencies) are needed, "
                         "of the same frequencies, at least one each")
    if not all(np.isfinite(x).all() for x in arrays):
        raise ValueError("curves with values that are not finite numbers cannot be compared")
    medians = np.array([np.median(x, axis=0) for x in arrays[1:]])
    spread = np.sqrt(np.mean(np.concatenate([x - m for x, m in zip(arrays[1:], medians)]) ** 2, axis=0))
    spread[spread == 0] = spread[spread > 0].mean() if (spread > 0).any() else 1.0
    distance = np.sqrt((((arrays[0][:, None] - medians) / spread) ** 2).mean(axis=2))
    return np.array(list(references))[distance.argmin(axis=1)]


@dataclass(frozen=True)
class SwapTest:
    """Whose station the records are taken for."""

    share: float                 # of generated records that are taken for their own station's
    share_held_out: float        # of held-out records; NaN if none were given
    share_groups: float          # of stations whose median generated curve is
    confusion: pd.DataFrame      # counts: rows generated for, columns taken for
    confusion_held_out: pd.DataFrame


def swap_test(generated: Mapping[str, np.ndarray], train: Mapping[str, np.ndarray],
              held_out: Mapping[str, np.ndarray] | None = None) -> SwapTest:
    """Generate for station A: is it classified as A?

    All are curves (records, frequencies) a station, as :func:`identify` takes them; `train` are the references.

    Raises
    ------
    ValueError
        As :func:`identify`; for fewer than two stations, or a generated station that `train` lacks.
    """
    if len(train) < 2:
        raise ValueError(f"{len(train)} station; at least two are needed to mistake one for another")
    strangers = [station for station in [*generated, *(held_out or {})] if station not in train]
    if strangers:
        raise ValueError(f"no training records of {', '.join(strangers)}")
    confusion, confusion_held_out = (_confusion(x, train) for x in (generated, held_out or {}))
    groups = [identify(np.median(x, axis=0, keepdims=True), train)[0] == station for station, x in generated.items()]
    return SwapTest(_own(confusion), _own(confusion_held_out), float(np.mean(groups)) if groups else np.nan,
                    confusion, confusion_held_out)


def _confusion(curves: Mapping[str, np.ndarray], train: Mapping[str, np.ndarray]) -> pd.DataFrame:
    counts = {station: pd.Series(identify(x, train)).value_counts() for station, x in curves.items()}
    table = pd.DataFrame(counts, dtype=float).T.reindex(index=list(curves), columns=list(train))
    return table.fillna(0).astype(int).rename_axis(index="generated for", columns="taken for")


def _own(confusion: pd.DataFrame) -> float:
    own = sum(confusion.at[station, station] for station in confusion.index)
    return float(own / confusion.to_numpy().sum()) if len(confusion) else np.nan
