"""What each measure sees: planted faults against measures."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes


def plot_power(counts: pd.DataFrame, ax: Axes) -> Axes:
    """How often each measure puts records outside, in percent, as a heat map: dark is often.

    Parameters
    ----------
    counts : DataFrame
        A row a (group, measure), a column a fault, named "fault (of 20)" with the number of trials; values are counts.

    Raises
    ------
    ValueError
        For a column that does not say of how many.
    """
    trials = {column: re.fullmatch(r"(.*) \(of (\d+)\)", column) for column in counts}
    if wrong := [column for column, match in trials.items() if match is None]:
        raise ValueError(f"column {wrong[0]!r} does not end in '(of N)', the number of trials")
    groups = list(dict.fromkeys(counts.index.get_level_values("group")))
    ordered = counts.loc[sorted(counts.index, key=lambda key: groups.index(key[0]))]
    percent = pd.DataFrame({match[1]: 100 * ordered[column] / int(match[2]) for column, match in trials.items()})
    sns.heatmap(percent.set_axis([measure for _, measure in percent.index]), ax=ax, vmin=0, vmax=100, cmap="Blues", annot=True, fmt=".0f",
                annot_kws={"size": 8}, cbar=False, linewidths=0.5)
    starts = [i for i, key in enumerate(ordered.index) if i and key[0] != ordered.index[i - 1][0]]
    ax.hlines(starts, *ax.get_xlim(), color="0.2", lw=1.2)
    ax.vlines([1], *ax.get_ylim(), color="0.2", lw=1.2)
    for group in groups:
        rows = np.flatnonzero(ordered.index.get_level_values("group") == group)
        ax.text(1.01, rows.mean() + 0.5, group, transform=ax.get_yaxis_transform(), ha="left", va="center", fontsize=9)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_xticklabels(ax.get_xticklabels(), rotation=30, ha="left")
    ax.set(xlabel="", ylabel="")
    return ax
