"""Figures: arrays in, Axes out.  One style; the same colour for the same thing on every page.

Functions draw on the `ax` they are given and return it; they neither show nor save.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter

from tng.records import COMPONENTS
from tng.scoring import F0_BINS_HZ, Measures
from tng.spectra import CURVE_HZ

_COLOURS = sns.color_palette("colorblind", 10)
COLOURS = {                              # Okabe-Ito order: told apart with any colour vision
    "held-out": (0.1, 0.1, 0.1),
    "TimesNet-Gen": _COLOURS[0],
    "zero-shot": _COLOURS[2],
    "VAE": _COLOURS[1],
    "average": _COLOURS[4],
    "replay": _COLOURS[7],
    "reconstruction": _COLOURS[9],
    "published": _COLOURS[3],
    "E": _COLOURS[0], "N": _COLOURS[1], "Z": _COLOURS[2],
}


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
    """The colour of a generator, a component or a data set; black for anything unknown."""
    return COLOURS.get(name, "black")


def dash(name: str) -> str:
    """Lines that lie on others are dashed: the averages without a network."""
    return "--" if name == "average" else "-"


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


def _log_values(ax: Axes, ylabel: str) -> None:
    """A logarithmic axis of values, with plain numbers."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_yticks([t for t in (0.001, 0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 100) if low <= t <= high])
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel(ylabel)


def plot_waveforms(data, sampling_rate_hz: float, axes: Sequence[Axes], *, title: str = "", others=(),
                   labels: Sequence[str] = ()) -> Sequence[Axes]:
    """Three components (3, samples) [cm/s²], one Axes each on a common scale, with their peak written in.

    `others` are further records (3, samples) drawn over it, named by `labels`.
    """
    peak = np.abs(data).max()
    for ax, component, samples in zip(axes, COMPONENTS, data):
        ax.plot(np.arange(samples.size) / sampling_rate_hz, samples, lw=0.6, color="0.1" if len(others) else
                colour(component), label=labels[0] if labels else None)
        for other, label in zip(others, labels[1:]):
            ax.plot(np.arange(samples.size) / sampling_rate_hz, other[COMPONENTS.index(component)], lw=0.5,
                    alpha=0.8, color=colour(label), label=label)
        ax.set_ylim(-1.1 * peak, 1.1 * peak)
        ax.set_ylabel(f"{component} [cm/s²]")
        ax.text(0.99, 0.93, f"PGA {np.abs(samples).max():.3g} cm/s²", transform=ax.transAxes, ha="right", va="top",
                fontsize=8)
    axes[0].set_title(title)
    axes[-1].set_xlabel("Time [s]")
    return axes


def plot_traces(data, sampling_rate_hz: float, ax: Axes, *, name: str = "", title: str = "") -> Axes:
    """A few single-component traces (n, samples), each scaled to its own peak, one above the other."""
    for i, samples in enumerate(data):
        peak = np.abs(samples).max()
        ax.plot(np.arange(samples.size) / sampling_rate_hz, 0.45 * samples / peak - i, lw=0.5, color=colour(name))
        ax.text(samples.size / sampling_rate_hz, -i + 0.12, f"{peak:.3g} cm/s²", ha="right", va="bottom", fontsize=7, bbox={"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 0.5})
    ax.set_yticks([])
    ax.set_xlabel("Time [s]")
    ax.set_title(title)
    return ax


def plot_curves(freq_hz, curves, ax: Axes, *, name: str, label: str | None = None, spread: bool = True,
                each: bool = False, ylabel: str = "H/V [-]") -> Axes:
    """Median of positive curves (records, frequencies), its 16-84 % band, and the single curves if asked."""
    curves = np.asarray(curves)
    if each:
        ax.plot(freq_hz, curves.T, color=colour(name), lw=0.4, alpha=0.15)
    if spread and len(curves) > 1:
        low, high = np.percentile(curves, [16, 84], axis=0)
        ax.fill_between(freq_hz, low, high, color=colour(name), alpha=0.15, lw=0)
    ax.plot(freq_hz, np.median(curves, axis=0), color=colour(name), label=label or name, ls=dash(name))
    _log_values(ax, ylabel)
    return log_frequency(ax, freq_hz[0], freq_hz[-1])


def plot_f0(lists: Mapping[str, Sequence[float]], ax: Axes, bins_hz=F0_BINS_HZ) -> Axes:
    """Share of records in each of the paper's f0 bins, one outline a data set."""
    for name, f0_hz in lists.items():
        share = np.histogram(f0_hz, bins_hz)[0] / len(f0_hz)
        ax.stairs(share, bins_hz, color=colour(name), label=name, ls=dash(name), fill=name == "held-out",
                  alpha=0.35 if name == "held-out" else 1.0, lw=1.4)
    log_frequency(ax, bins_hz[0], bins_hz[-1])
    ax.set_ylabel("Share of records")
    return ax


def plot_history(history: pd.DataFrame, ax: Axes, *, ylabel: str = "Loss") -> Axes:
    """Training and validation loss of each epoch, on a logarithmic axis."""
    ax.plot(history["epoch"], history["train"], marker="o", ms=4, color=_COLOURS[0], label="training events")
    ax.plot(history["epoch"], history["validation"], marker="s", ms=4, color=_COLOURS[1], label="validation events")
    ax.set_yscale("log")
    for axis in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
        axis("{x:g}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("Epoch")
    ax.set_ylabel(ylabel)
    ax.legend()
    return ax


def plot_similarity(matrix, rows: Sequence[str], columns: Sequence[str], ax: Axes, *, title: str = "") -> Axes:
    """A similarity matrix with its values written in; light is 0, dark is 1."""
    sns.heatmap(pd.DataFrame(matrix, index=list(rows), columns=list(columns)), ax=ax, vmin=0, vmax=1, cmap="Blues",
                annot=True, fmt=".2f", annot_kws={"size": 8}, cbar=False, square=True, linewidths=0.5)
    ax.set_title(title)
    ax.tick_params(length=0)
    return ax


def plot_map(stations: pd.DataFrame, events: pd.DataFrame, ax: Axes) -> Axes:
    """Stations and epicentres; the frames hold `longitude_deg`, `latitude_deg`, and events `magnitude`."""
    ax.scatter(events["longitude_deg"], events["latitude_deg"], s=2 * 2.2 ** (events["magnitude"] - 3), color="0.6",
               alpha=0.5, lw=0, label="events")
    for target, marker, size, name, label in ((False, "^", 25, "N", "other stations"),
                                               (True, "v", 60, "E", "stations to generate for")):
        chosen = stations[stations["target"] == target]
        ax.scatter(chosen["longitude_deg"], chosen["latitude_deg"], marker=marker, s=size, color=colour(name),
                   edgecolor="white", lw=0.5, label=label, zorder=3)
    ax.set_aspect("equal")
    ax.set_xlabel("Longitude [°]")
    ax.set_ylabel("Latitude [°]")
    ax.legend(loc="upper right")
    return ax


def grid(n: int, columns: int = 3, *, width: float = 10.5, height: float = 2.8, **kwargs):
    """A figure with `n` Axes in rows of `columns`; the unused ones of the last row are removed."""
    rows = -(-n // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(width, rows * height), squeeze=False, **kwargs)
    for ax in axes.flat[n:]:
        ax.remove()
    return figure, axes.flat[:n]


def station_panels(sets: Mapping[str, Mapping[str, Measures]], *, spread: Sequence[str] = ("held-out",)):
    """A column a station: the HVSR of each set of records above, their f0 histograms below.

    `sets` maps a name ("held-out", "VAE", …) to the measures of each station.  Sets named in `spread` get
    their 16-84 % band.
    """
    stations = list(next(iter(sets.values())))
    figure, axes = plt.subplots(2, len(stations), figsize=(1.95 * len(stations), 4.6), sharex=True, sharey="row",
                                squeeze=False)
    for column, station in zip(axes.T, stations):
        for name, measures in sets.items():
            m = measures[station]
            plot_curves(m.freq_hz, m.curves, column[0], name=name, spread=name in spread)
        plot_f0({name: measures[station].f0_hz for name, measures in sets.items()}, column[1])
        column[0].set_title(station)
        column[0].set_xlabel("")
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure, axes


def plot_published(station_arrays: Mapping, ax: Axes) -> Axes:
    """One station of the authors' published arrays: median HVSR of real records and of TimesNet-Gen."""
    for kind, name in (("real", "held-out"), ("timesnet", "TimesNet-Gen")):
        ax.plot(station_arrays[f"hvsr_freq_{kind}"], station_arrays[f"hvsr_median_{kind}"], color=colour(name),
                label={"real": "real", "timesnet": "TimesNet-Gen"}[kind])
    _log_values(ax, "H/V [-]")
    return log_frequency(ax, CURVE_HZ[0], CURVE_HZ[-1])
