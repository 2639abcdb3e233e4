"""One style: the same colour, line and marker for the same thing on every page; axes with plain numbers."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

PALETTE = sns.color_palette("colorblind", 10)
COLOURS = {                              # told apart with any colour vision, no two of them alike
    "held-out": (0.1, 0.1, 0.1),
    "training": "#b0b0b0",
    "TimesNet-Gen": PALETTE[0],
    "described": PALETTE[5],
    "zero-shot": PALETTE[2],
    "VAE": PALETTE[1],
    "average": PALETTE[4],
    "replay": "#882255",
    "unit-norm mix": "#6b4c00",
    "phase-randomised": "#332288",
    "phase + envelope": "#7b2d8b",
    "stochastic": "#e0c040",
    "shaped noise": "#d4006e",
    "reconstruction": PALETTE[9],
    "published": PALETTE[3],
    "E": PALETTE[0], "N": PALETTE[1], "Z": PALETTE[2],
}
DASHES = {                               # the second channel; solid: records, and generators with a network
    "training": (0, (1, 1)), "described": (0, (8, 1)), "zero-shot": (0, (6, 1, 1, 1)), "average": "--", "replay": ":", "unit-norm mix": (0, (3, 1, 1, 1)),
    "phase-randomised": "-.", "phase + envelope": (0, (4, 1, 1, 1, 1, 1)), "stochastic": (0, (5, 2)),
}
MARKERS = {
    "held-out": "o", "training": "+", "TimesNet-Gen": "^", "described": "H", "zero-shot": "v", "VAE": "s", "average": "D", "replay": "x",
    "unit-norm mix": "P", "phase-randomised": "<", "phase + envelope": ">", "stochastic": "*", "reconstruction": "d", "shaped noise": "p",
}
OTHER = "#117733", "-", "h"              # of a generator that nobody knows


def use_style() -> None:
    """The book's style of figures and tables, for a whole notebook."""
    pd.set_option("display.max_colwidth", None)
    sns.set_theme(style="ticks", context="notebook", palette="colorblind", rc={
        "figure.dpi": 100, "savefig.dpi": 100, "figure.constrained_layout.use": True,
        "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False,
        "axes.titlesize": 11, "axes.labelsize": 10, "legend.fontsize": 9, "legend.frameon": False,
        "xtick.labelsize": 9, "ytick.labelsize": 9, "lines.linewidth": 1.3,
    })


def colour(name: str):
    """The colour of a generator, a component or a data set; black for the empty name, dark green for anything unknown."""
    return COLOURS.get(name, OTHER[0] if name else "black")


def dash(name: str):
    """The line style of a generator or a data set; solid for anything unknown."""
    return DASHES.get(name, OTHER[1])


def marker(name: str) -> str:
    """The marker of a generator or a data set."""
    return MARKERS.get(name, OTHER[2])


def line(name: str) -> dict:
    """Colour and dashes, as `Axes.plot` takes them."""
    return {"color": colour(name), "ls": dash(name)}


def plain_axis(axis, values=(1, 2, 5)) -> None:
    """Numbers such as 0.02 on a logarithmic axis, at those multiples of each power of ten that leave room."""
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low)
    values = values if decades <= 2.2 else (1, 5) if decades <= 1 else (1,)
    exponents = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    if decades > 3.5 and axis.axis_name == "x":                # 0.0001 beside 0.001 would touch
        exponents = exponents[exponents % 2 == 0]
    ticks = [value * 10.0**exponent for exponent in exponents for value in values]
    axis.set_ticks([tick for tick in ticks if low <= tick * (1 + 1e-9) and tick <= high * (1 + 1e-9)])
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def log_frequency(ax: Axes, low_hz: float, high_hz: float) -> Axes:
    """A logarithmic frequency axis with plain numbers [Hz]."""
    ax.set_xscale("log")
    ax.set_xlim(low_hz, high_hz)
    ticks = [f for f in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low_hz <= f <= high_hz]
    if high_hz / low_hz > 30:                # more than a decade and a half: room for half of them
        ticks = [f for f in ticks if f in (0.1, 0.5, 2, 10, 50)]
    ax.set_xticks(ticks)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("Frequency [Hz]")
    return ax


def log_period(ax: Axes, low_s: float, high_s: float) -> Axes:
    """A logarithmic axis of periods with plain numbers [s]."""
    ax.set_xscale("log")
    ax.set_xlim(low_s, high_s)
    plain_axis(ax.xaxis, (1, 2, 5) if high_s / low_s < 50 else (1, 3))
    ax.set_xlabel("Period [s]")
    return ax


def log_values(ax: Axes, ylabel: str) -> Axes:
    """A logarithmic axis of values, with plain numbers."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_yticks([t for t in (0.001, 0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 100) if low <= t <= high])
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel(ylabel)
    return ax


def plain_logs(ax: Axes) -> Axes:
    """Plain numbers on whichever axes are logarithmic."""
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter("{x:,g}")
            axis.set_minor_formatter(NullFormatter())
    return ax


def plain(text) -> str:
    """A name as it stands, whatever is in it: no mathematics between dollars, one line, 24 characters at most."""
    text = "".join(c if c.isprintable() and not 0xD800 <= ord(c) < 0xE000 else "?" for c in str(text))
    return (text if len(text) <= 24 else text[:23] + "…").replace("$", r"\$")


def say(ax: Axes, sentence: str) -> Axes:
    """A sentence in the place of a picture that cannot be drawn."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, sentence, transform=ax.transAxes, ha="center", va="center", wrap=True, color="0.35")
    return ax


def grid(n: int, columns: int = 3, *, width: float = 10.5, height: float = 2.8, **kwargs):
    """A figure with `n` Axes in rows of `columns`; the unused ones of the last row are removed."""
    rows = -(-n // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(width, rows * height), squeeze=False, **kwargs)
    for ax in axes.flat[n:]:
        ax.remove()
    return figure, axes.flat[:n]
