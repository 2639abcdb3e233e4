"""Intensity measures of sets of records: distributions, quantiles against quantiles, pairs, and attenuation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from tng.figures.style import colour, grid, line, marker, plain_axis, say

LABELS = {                               # columns of `tng.intensity.measures`
    "pga_cmps2": "PGA [cm/s²]", "pgv_cmps": "PGV [cm/s]", "pgd_cm": "PGD [cm]", "arias_cmps": "Arias [cm/s]",
    "cav_cmps": "CAV [cm/s]", "d575_s": "D5–75 [s]", "d595_s": "D5–95 [s]", "tm_s": "Tm [s]", "kappa_s": "kappa [s]",
}
SHOWN = "pga_cmps2", "pgv_cmps", "arias_cmps", "cav_cmps", "d575_s", "d595_s"


def plot_cdf(sets: Mapping[str, Sequence[float]], ax: Axes, *, xlabel: str) -> Axes:
    """Share of records that do not exceed a positive value, a step a record."""
    for name, values in sets.items():
        values = np.sort(np.asarray(values, dtype=float))
        ax.step(values, np.arange(1, len(values) + 1) / len(values), where="post", **line(name), label=name)
    ax.set_xscale("log")
    ax.set_ylim(0, 1)
    plain_axis(ax.xaxis)
    ax.set_xlabel(xlabel)
    ax.set_ylabel("Share of records")
    return ax


def plot_qq(held_out, generated, ax: Axes, *, name: str, xlabel: str) -> Axes:
    """Quantiles of generated against those of held-out records, on equal logarithmic axes; on the line the laws agree."""
    shares = (np.arange(min(len(held_out), len(generated), 50)) + 0.5) / min(len(held_out), len(generated), 50)
    x, y = np.quantile(held_out, shares), np.quantile(generated, shares)
    low, high = min(x.min(), y.min()) / 1.2, max(x.max(), y.max()) * 1.2
    ax.plot([low, high], [low, high], color="0.4", lw=0.8, zorder=1)
    ax.plot(x, y, marker=marker(name), ms=3.5, color=colour(name), ls="none", label=name)
    ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        plain_axis(axis, (1, 3) if high / low > 50 else (1, 2, 5))
    ax.set_xlabel(f"Held-out {xlabel}")
    ax.set_ylabel(f"Generated {xlabel}")
    return ax


def measure_panels(tables: Mapping[str, pd.DataFrame], *, name: str, columns: Sequence[str] = SHOWN):
    """The distribution of each measure, and at its right the quantiles of `name` against those of the first table.

    `tables` maps a name to its measures, a row a record; see :func:`tng.intensity.measures`.
    """
    figure, axes = grid(2 * len(columns), 4, height=2.75)
    reference = next(iter(tables))
    for left, right, column in zip(axes[::2], axes[1::2], columns):
        plot_cdf({key: table[column] for key, table in tables.items()}, left, xlabel=LABELS[column])
        plot_qq(tables[reference][column], tables[name][column], right, name=name, xlabel=LABELS[column])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure, axes


def plot_pairs(tables: Mapping[str, pd.DataFrame], x: str, y: str, ax: Axes) -> Axes:
    """Two measures of each record against each other; the legend has the correlation of their logarithms."""
    for name, table in tables.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            r = np.corrcoef(np.log(table[x]), np.log(table[y]))[0, 1]
        crossed = marker(name) in "x+"
        ax.plot(table[x], table[y], marker=marker(name), ms=5, alpha=0.7, mew=1.0 if crossed else 0, color=colour(name), ls="none",
                label=f"{name}, r = " + f"{r:.2f}".replace("-", "\N{MINUS SIGN}"))
    ax.set(xscale="log", yscale="log", xlabel=LABELS[x], ylabel=LABELS[y])
    for axis in (ax.xaxis, ax.yaxis):
        plain_axis(axis)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(tables), fontsize=8, columnspacing=0.8, handletextpad=0.1)
    return ax


def plot_attenuation(records: pd.DataFrame, ax: Axes, *, ylabel: str, generated: Sequence[float] | None = None,
                     name: str = "", xlabel: str = "Hypocentral distance [km]") -> Axes:
    """Recorded values against distance, magnitude as colour; generated ones, which have no distance, as a band.

    Parameters
    ----------
    records : DataFrame
        `distance_km`, `magnitude` and `value`, a row a record; rows without a distance are left out, and those
        without a magnitude are grey.
    generated : array, optional
        Values of generated records: their median is a line across, their 16-84 % a band.
    """
    known = records[np.isfinite(records["distance_km"])]
    if known.empty:
        return say(ax, "The distances of these records are not known.")
    distance = np.maximum(known["distance_km"], 1.0)
    sized = np.isfinite(known["magnitude"])
    ax.scatter(distance[~sized], known["value"][~sized], s=22, color="0.7", lw=0,
               label="magnitude not known" if (~sized).any() else None)
    if sized.any():
        points = ax.scatter(distance[sized], known["value"][sized], s=26, c=known["magnitude"][sized], lw=0.4, edgecolor="0.2",
                            cmap=sns.color_palette("flare", as_cmap=True), label="held-out", zorder=3)
        ax.figure.colorbar(points, ax=ax, label="Magnitude", pad=0.01)
    if generated is not None:
        low, middle, high = np.percentile(generated, [16, 50, 84])
        ax.axhspan(low, high, color=colour(name), alpha=0.18, lw=0)
        ax.axhline(middle, **line(name), label=f"{name}: median, 16–84 %")
    ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    for axis in (ax.xaxis, ax.yaxis):
        plain_axis(axis)
    ax.legend()
    return ax
