"""How far generators are from their goals: one Axes a measure, a row a generator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tng.figures.style import colour, grid, marker

FLOOR = "floor"


def plot_goal(study: pd.DataFrame, measure: str, ax: Axes, *, generators: Sequence[str]) -> Axes:
    """One measure of several generators with intervals: filled where the goal is met, hollow where it is missed; the floor as a band.

    Parameters
    ----------
    study : DataFrame
        Index (generator, measure), columns `value`, `low`, `high` and `verdict`; see :func:`tng.scoring.goals.pass_table`.
    """
    rows = study.xs(measure, level="measure")
    if FLOOR in rows.index:
        floor = rows.loc[FLOOR]
        ax.axvspan(floor["low"], floor["high"], color="0.5", alpha=0.25, lw=0, gid="floor")
        ax.axvline(floor["value"], color="0.4", lw=0.8, gid="floor")
    for height, name in enumerate(reversed(list(generators))):
        if name not in rows.index or not np.isfinite(rows.loc[name, "value"]):
            continue
        row = rows.loc[name]
        met = row["verdict"] == "met"
        ax.plot([row["low"], row["high"]], [height, height], color=colour(name), lw=1.2)
        ax.plot(row["value"], height, marker=marker(name), ms=6, color=colour(name), mfc=colour(name) if met or marker(name) in "x+" else "white",
                ls="none", label=name)
    ax.set_yticks(range(len(generators)), list(reversed(list(generators))))
    ax.set_ylim(-0.6, len(generators) - 0.4)
    ax.set_title(measure)
    return ax


def goal_panels(study: pd.DataFrame, measures: Sequence[str], *, generators: Sequence[str], columns: int = 4):
    """A panel a measure; see :func:`plot_goal`."""
    figure, axes = grid(len(measures), columns, width=11, height=0.8 + 0.21 * len(generators), sharey=True)
    for measure, ax in zip(measures, axes):
        plot_goal(study, measure, ax, generators=generators)
    return figure, axes
