"""Evolutionary spectra: power over frequency and cells of time that begin at P and at S."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from tng.figures.style import plain_axis

PER_NEPER_DB = 10 / np.log(10)           # of ln power


def plot_cells(ln_power, centres_hz, ax: Axes, *, p_cells: int, range_db: float = 40.0, highest: float | None = None, title: str = "") -> Axes:
    """ln power in bands and cells (bands, cells) as a picture, in dB below `highest`, or its own largest; the line is S.

    Parameters
    ----------
    centres_hz : array, shape (bands,)
    p_cells : int
        How many of the cells lie before S.
    """
    ln_power, centres_hz = np.asarray(ln_power, dtype=float), np.asarray(centres_hz, dtype=float)
    level = PER_NEPER_DB * (ln_power - (ln_power.max() if highest is None else highest))
    ax.pcolormesh(np.arange(level.shape[1]) + 0.5, centres_hz, level, vmin=-range_db, vmax=0, cmap="cividis", shading="nearest", rasterized=True)
    ax.axvline(p_cells, color="white", lw=1.2)
    ax.set_yscale("log")
    plain_axis(ax.yaxis)
    ax.set_xlim(0, level.shape[1])
    ax.set_xlabel("Cell of time (P, then S)")
    ax.set_ylabel("Frequency [Hz]")
    ax.set_title(title)
    ax.grid(False)
    return ax
