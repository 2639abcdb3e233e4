"""The paper's matrices with what they are worth, and whether generated records are copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from tng.figures.style import colour, line, marker


def plot_similarity(matrix, rows: Sequence[str], columns: Sequence[str], ax: Axes, *, title: str = "") -> Axes:
    """A similarity matrix with its values written in; light is 0, dark is 1."""
    sns.heatmap(pd.DataFrame(matrix, index=list(rows), columns=list(columns)), ax=ax, vmin=0, vmax=1, cmap="Blues",
                annot=True, fmt=".2f", annot_kws={"size": 8}, cbar=False, square=True, linewidths=0.5)
    ax.set_title(title)
    ax.tick_params(length=0)
    return ax


def plot_references(scores: Mapping[str, Sequence[float]], references: pd.DataFrame, ax: Axes, *, column: str = "SxS") -> Axes:
    """One score of some generators above what it is worth: copies, bootstrap ceiling, nulls; each with its interval.

    Parameters
    ----------
    scores : mapping
        Generator → (value, low, high).
    references : DataFrame
        As from :func:`tng.scoring.reference_scores`: a row a reference; columns `column`, its ``low`` and ``high``.
    """
    rows = [(name, colour(name), marker(name), *values) for name, values in scores.items()]
    rows += [(name, "0.45", "|", row[column], row[f"{column} low"], row[f"{column} high"]) for name, row in references.iterrows()]
    for place, (name, shade, symbol, value, low, high) in enumerate(rows):
        ax.plot([low, high], [place, place], color=shade, lw=2.5, alpha=0.55, solid_capstyle="butt")
        tick = symbol == "|"
        ax.plot(value, place, marker=symbol, color=shade, ms=11 if tick else 8, mew=2 if tick else 0.5, ls="none")
        ax.annotate(f"{value:.2f}".replace("-", "\N{MINUS SIGN}"), (max(high, value), place), xytext=(7, 0),
                    textcoords="offset points", va="center", fontsize=8)
    ax.axhline(len(scores) - 0.5, color="0.6", lw=0.7)
    ax.set_yticks(range(len(rows)), [row[0] for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.margins(x=0.12)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(f"NCC, {column.replace('x', '×')} [-]")
    return ax


def similarity_panels(matrix, rows: Sequence[str], columns: Sequence[str], scores: Mapping[str, Sequence[float]],
                      references: pd.DataFrame, *, title: str = ""):
    """A similarity matrix at the left; at the right its NCC beside those of copies, ceilings and nulls."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4), width_ratios=(1, 1.25))
    plot_similarity(matrix, rows, columns, left, title=title)
    plot_references(scores, references, right)
    return figure, (left, right)


def plot_nearest(distances: Mapping[str, Sequence[float]], ax: Axes, *, xlabel: str, copies: Sequence[str] = ("held-out",),
                 bins: int = 24) -> Axes:
    """How far each record lies from its nearest training record; real ones that training never saw say what is usual.

    Parameters
    ----------
    distances : mapping
        Name → distance of each of its records.
    copies : sequence of str
        Sets whose 1 % quantile is marked: what is nearer than that is nearer than chance.
    """
    everything = np.concatenate([np.asarray(values, dtype=float) for values in distances.values()])
    top = everything.max() * 1.02 or 1.0
    edges = np.linspace(0, top, bins + 1)
    for name, values in distances.items():
        share = np.histogram(values, edges)[0] / len(values)
        ax.stairs(share, edges, color=colour(name), fill=True, alpha=0.3)
        ax.stairs(share, edges, **line(name), label=f"{name} (n = {len(values)})")
        ax.axvline(np.median(values), **line(name), lw=1.6)
    for name in copies:
        if name in distances:
            ax.axvline(np.quantile(distances[name], 0.01), color="0.4", lw=1, ls=":", label=f"1 % of {name}")
    ax.set_xlim(0, top)
    ax.set_ylim(0, None)
    ax.set_xlabel(xlabel)
    ax.set_ylabel("Share of records")
    ax.legend()
    return ax


def plot_nearest_pair(generated, training, sampling_rate_hz: float, ax: Axes, *, name: str, lag_s: float = 0.0,
                      window_s: tuple[float, float] | None = None, title: str = "") -> Axes:
    """A generated component over the training one it is most like, which is moved by `lag_s`; each divided by its peak.

    `window_s` is the part that is shown; the whole, if it is not given.
    """
    for samples, key, shift, weight in ((training, "training", lag_s, 3.0), (generated, name, 0.0, 0.9)):
        time = np.arange(len(samples)) / sampling_rate_hz + shift
        ax.plot(time, np.asarray(samples) / np.abs(samples).max(), color=colour(key), lw=weight, label=key)
    ax.set_xlim(window_s or (0, len(generated) / sampling_rate_hz))
    ax.set_ylim(-1.1, 1.1)
    ax.set_xlabel("Time [s]")
    ax.set_ylabel("Acceleration / peak [-]")
    ax.set_title(title)
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return ax
