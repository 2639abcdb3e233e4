"""How a training went."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tng.figures.style import PALETTE, plain_axis


def plot_history(history: pd.DataFrame, ax: Axes, *, ylabel: str = "Loss") -> Axes:
    """Training and validation loss of each epoch, on a logarithmic axis."""
    ax.plot(history["epoch"], history["train"], marker="o", ms=4, color=PALETTE[0], label="training events")
    ax.plot(history["epoch"], history["validation"], marker="s", ms=4, color=PALETTE[1], label="validation events")
    ax.set_yscale("log")
    plain_axis(ax.yaxis)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("Epoch")
    ax.set_ylabel(ylabel)
    ax.legend()
    return ax
