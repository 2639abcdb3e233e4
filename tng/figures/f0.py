"""What the paper's score sees of f0: its bins, the ceiling at n records, a shift inside a bin, rows that pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from tng.figures.style import colour, line, marker
from tng.scoring.histograms import F0_BINS_HZ


def plot_against_bins(tables: Mapping[str, pd.DataFrame], ax: Axes, *, column: str = "SxS") -> Axes:
    """NCC against the number of bins, and in a band what other origins of the same bins give.

    Parameters
    ----------
    tables : mapping
        Generator → table of :func:`tng.scoring.worth.ncc_against_bins`.
    """
    for name, table in tables.items():
        ax.fill_between(table.index, table[f"{column} low"], table[f"{column} high"], color=colour(name), alpha=0.2, lw=0)
        ax.plot(table.index, table[column], **line(name), lw=1, label=name)
    published = len(F0_BINS_HZ) - 1
    for name, table in tables.items():
        if published in table.index:
            ax.plot(published, table.loc[published, column], marker=marker(name), color=colour(name), mec="white", ms=8, zorder=3)
    ax.axvline(published, color="0.5", lw=0.9, ls=":")
    ax.annotate("published", (published, 0.03), xycoords=("data", "axes fraction"), xytext=(4, 0), textcoords="offset points",
                fontsize=8, color="0.35")
    _plain_counts(ax, (10, 20, 50, 100, 200, 380))
    ax.set_xlabel("Number of bins, 1–20 Hz")
    ax.set_ylabel(f"NCC, {column.replace('x', '×')} [-]")
    return ax


def plot_ceiling(table: pd.DataFrame, ax: Axes, *, column: str = "SxS", label: str = "", shade: str = "0.3") -> Axes:
    """Mean score of two independent sets of the same stations against their records a station, and its 95 % range.

    `table` has a row a number of records: `column`, its ``low`` and ``high``, as :func:`tng.scoring.worth.ceilings` gives.
    """
    ax.fill_between(table.index, table[f"{column} low"], table[f"{column} high"], color=shade, alpha=0.2, lw=0)
    ax.plot(table.index, table[column], color=shade, marker="o", ms=4, label=label or None)
    _plain_counts(ax, table.index)
    ax.set_xlabel("Records of each station")
    ax.set_ylabel(f"NCC, {column.replace('x', '×')} [-]")
    return ax


def plot_cumulative(lists: Mapping[str, Sequence[float]], ax: Axes, *, bins_hz=F0_BINS_HZ) -> Axes:
    """Share of records below each f0; the bins' edges are the dotted lines, so that it shows what one bin holds together."""
    for name, f0_hz in lists.items():
        ax.ecdf(np.asarray(f0_hz, dtype=float), **line(name), lw=1.8, label=f"{name} (n = {len(f0_hz)})")
    every = np.concatenate([np.asarray(f0_hz, dtype=float) for f0_hz in lists.values()])
    low, high = max(every.min(), bins_hz[0]), every.max()
    first, last = np.digitize([low, high], bins_hz)
    for edge in bins_hz[first - 1: last]:
        ax.axvline(edge, color="0.4", lw=1, ls=":")
    margin = 0.02 * (high - bins_hz[first - 1])
    ax.set_xlim(min(every.min(), bins_hz[first - 1]) - margin, high + margin)
    ax.set_xlabel("Site frequency f0 [Hz]")
    ax.set_ylabel("Share of records below")
    return ax


def plot_rows(real, generated, ax: Axes, *, name: str) -> Axes:
    """f0 of row i of one list against that of row i of the other [Hz]; areas count the rows that share a point."""
    points, times = np.unique(np.column_stack([real, generated]), axis=0, return_counts=True)
    ax.scatter(*points.T, s=14 * times, color=colour(name), marker=marker(name), alpha=0.55, lw=0)
    ends = np.array([points.min() / 1.04, points.max() * 1.04])
    ax.plot(ends, ends, color="0.4", lw=0.8)
    ax.set(xscale="log", yscale="log", xlim=ends, ylim=ends, aspect="equal")
    ticks = np.array([1, 2, 5, 10, 20]) if ends[1] > 4 * ends[0] else MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(*ends)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(ticks[(ticks >= ends[0]) & (ticks <= ends[1])])
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    ax.set_xlabel("real f0 [Hz]")
    ax.set_ylabel("listed f0 [Hz]")
    return ax


def _plain_counts(ax: Axes, counts: Sequence[int]) -> None:
    ax.set_xscale("log")
    ax.set_xticks(list(counts))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_locator(NullLocator())
