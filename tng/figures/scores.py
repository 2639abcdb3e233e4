"""Scores."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes


def plot_similarity(matrix, rows: Sequence[str], columns: Sequence[str], ax: Axes, *, title: str = "") -> Axes:
    """A similarity matrix with its values written in; light is 0, dark is 1."""
    sns.heatmap(pd.DataFrame(matrix, index=list(rows), columns=list(columns)), ax=ax, vmin=0, vmax=1, cmap="Blues",
                annot=True, fmt=".2f", annot_kws={"size": 8}, cbar=False, square=True, linewidths=0.5)
    ax.set_title(title)
    ax.tick_params(length=0)
    return ax
