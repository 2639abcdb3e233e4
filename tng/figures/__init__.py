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


# --- a corpus at a glance: for the report beside it ------------------------------------------------------

LABELLED, BARS = 25, 40                  # most stations that a map names, and that get a bar each


def plain(text) -> str:
    """A name as it stands, whatever is in it: no mathematics between dollars, one line, 24 characters at most."""
    text = "".join(c if c.isprintable() and not 0xD800 <= ord(c) < 0xE000 else "?" for c in str(text))
    return (text if len(text) <= 24 else text[:23] + "…").replace("$", r"\$")


def say(ax: Axes, sentence: str) -> Axes:
    """A sentence in the place of a picture that cannot be drawn."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, sentence, transform=ax.transAxes, ha="center", va="center", wrap=True, color="0.35")
    return ax


def plot_stations(stations: pd.DataFrame, events: pd.DataFrame, ax: Axes) -> Axes:
    """Map of stations: area by `records`, colour by `network`, named by their index if they are few.

    Both frames hold `longitude_deg` and `latitude_deg`.  Epicentres are crosses behind; those further from
    the stations than the map is worth widening for are left out.
    """
    centre = float(np.degrees(np.angle(np.exp(1j * np.radians(stations["longitude_deg"])).mean())))
    east, north = _beside(stations["longitude_deg"], centre), stations["latitude_deg"].to_numpy()
    shrink = max(np.cos(np.radians(north.mean())), 0.05)          # a degree of longitude, in degrees of latitude
    span = np.hypot(np.ptp(east) * shrink, np.ptp(north))
    x, y = _beside(events["longitude_deg"], centre), events["latitude_deg"].to_numpy()
    middle = (east.min() + east.max()) / 2, (north.min() + north.max()) / 2
    near = np.hypot((x - middle[0]) * shrink, y - middle[1]) < max(span, 1.0)
    ax.scatter(x[near], y[near], marker="x", s=12, lw=0.6, color="0.6", zorder=1, label="epicentres")
    networks = sorted(stations["network"].unique())
    size = 14 + 200 * stations["records"] / stations["records"].max() / max(1, len(stations) / 25)
    for number, network in enumerate(networks if 1 < len(networks) <= 8 else [None]):
        chosen = np.ones(len(stations), bool) if network is None else (stations["network"] == network).to_numpy()
        name = "stations" if network is None else f"network {plain(network)}" if network else "network not known"
        ax.scatter(east[chosen], north[chosen], s=size[chosen], color=_COLOURS[number], edgecolor="white", lw=0.5, alpha=0.85,
                   zorder=3, label=name)
    _frame([*east, *x[near]], [*north, *y[near]], shrink, ax)
    if len(stations) <= LABELLED:
        _label(stations.index, east, north, ax)
    ax.set_aspect(1 / shrink)
    ax.xaxis.set_major_formatter(lambda degrees, _: f"{(degrees + 180) % 360 - 180:.6g}".replace("-", "\N{MINUS SIGN}"))
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel("Longitude [°]")
    ax.set_ylabel("Latitude [°]")
    if near.any() or 1 < len(networks) <= 8:
        legend = ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
        for handle in legend.legend_handles:
            handle.set_sizes([30])
    return ax


def _label(codes: Sequence[str], x, y, ax: Axes) -> None:
    """Names beside their places, but for those that would lie on an earlier one."""
    width, height = np.diff(ax.get_xlim()).item(), np.diff(ax.get_ylim()).item()
    taken: list[tuple[float, float, int]] = []
    for code, east, north in zip(map(plain, codes), x, y):
        if all(abs(north - up) > 0.035 * height or not -0.02 * len(code) < (east - right) / width < 0.02 * other
               for right, up, other in taken):
            ax.annotate(code, (east, north), xytext=(5, 5), textcoords="offset points", fontsize=8, zorder=4)
            taken.append((east, north, len(code)))


def _beside(longitude_deg, centre: float) -> np.ndarray:
    """Longitudes within half a turn of `centre`, so that a map can lie across the date line."""
    return (np.asarray(longitude_deg, dtype=float) - centre + 180) % 360 - 180 + centre


def _frame(x, y, shrink: float, ax: Axes) -> None:
    """Limits with a margin, neither side less than half of the other or 10 km, and a scale bar in km."""
    half = [max((max(x) - min(x)) * shrink, 0.09) / 2, max(max(y) - min(y), 0.09) / 2]
    half = [1.12 * max(half[0], half[1] / 2) / shrink, 1.12 * max(half[1], half[0] / 2)]
    left, low = (min(x) + max(x)) / 2 - half[0], (min(y) + max(y)) / 2 - half[1]
    ax.set_xlim(left, left + 2 * half[0])
    ax.set_ylim(low, low + 2 * half[1])
    km = 111.195 * shrink                                         # a degree of longitude
    longest = 0.3 * 2 * half[0] * km
    length = max(step * 10.0**power for power in range(-2, 5) for step in (1, 2, 5) if step * 10.0**power <= longest)
    start = left + 0.1 * half[0], low + 0.12 * half[1]
    ax.plot([start[0], start[0] + length / km], [start[1]] * 2, color="0.1", lw=2.5, solid_capstyle="butt", zorder=5)
    ax.text(start[0] + length / km / 2, start[1] + 0.03 * half[1], f"{length:g} km", ha="center", va="bottom", fontsize=8,
            zorder=5, bbox={"facecolor": "white", "alpha": 0.7, "lw": 0, "pad": 0.5})


def plot_record_counts(counts: pd.Series, ax: Axes) -> Axes:
    """Records a station: a bar each, the most at the top, or how many stations have how many if they are many."""
    if len(counts) > BARS:
        most = counts.max()
        edges = np.unique(np.round(np.geomspace(1, most + 1, 25)))
        ax.hist(counts, bins=edges - 0.5, color=_COLOURS[0], edgecolor="white", lw=0.5)
        ax.set(xscale="log", yscale="log", xlabel="Records of a station", ylabel="Stations", ylim=(0.7, None))
        return _plain_logs(ax)
    return plot_bars([plain(code) for code in counts.index], counts.to_numpy(), ax, xlabel="Records")


def plot_bars(labels: Sequence[str], values, ax: Axes, *, xlabel: str) -> Axes:
    """Horizontal bars from the top down, with their values written at their ends."""
    bars = ax.barh(np.arange(len(labels)), values, color=_COLOURS[0], height=0.7)
    ax.bar_label(bars, [f"{value:,}" for value in values], padding=3, fontsize=8)
    ax.set_yticks(np.arange(len(labels)), labels)
    ax.set_ylim(max(len(labels), 4) - 0.4, -0.6)        # few bars stay slim
    ax.margins(x=0.12)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(xlabel)
    return ax


def _plain_logs(ax: Axes) -> Axes:
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter("{x:,g}")
            axis.set_minor_formatter(NullFormatter())
    return ax


def plot_magnitude_distance(records: pd.DataFrame, ax: Axes, *, xlabel: str = "Epicentral distance [km]") -> Axes:
    """Magnitude against distance on a logarithmic axis; the colour is PGA where it is known.

    `records` holds `magnitude`, `distance_km` (drawn at 1 km at least) and `pga_cmps2`.
    """
    known = (records["pga_cmps2"] > 0).to_numpy()
    distance = np.maximum(records["distance_km"], 1.0)
    size = 14 if len(records) < 2000 else 5
    ax.scatter(distance[~known], records["magnitude"][~known], s=size, color="0.6", lw=0)
    if known.any():
        strongest_last = records["pga_cmps2"][known].sort_values(kind="stable").index
        points = ax.scatter(distance.loc[strongest_last], records["magnitude"].loc[strongest_last], s=size, lw=0, alpha=0.8,
                            c=records["pga_cmps2"].loc[strongest_last], cmap=sns.color_palette("crest", as_cmap=True), norm="log")
        bar = ax.figure.colorbar(points, ax=ax, label="PGA, geometric mean of E and N [cm/s²]")
        bar.ax.yaxis.set_major_formatter("{x:g}")
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xscale("log")
    if distance.max() < 4 * distance.min():                       # else there may be no tick with a number
        middle = np.sqrt(distance.max() * distance.min())
        ax.set_xlim(middle / 3.5, middle * 3.5)
    ax.set_xlabel(xlabel)
    ax.set_ylabel("Magnitude")
    return _plain_logs(ax)


def plot_histogram(values, edges, ax: Axes, *, xlabel: str, threshold: float | None = None, log: bool = False) -> Axes:
    """How many records have which value; a dashed line marks a threshold."""
    ax.hist(np.clip(values, edges[0], edges[-1]), bins=edges, color=_COLOURS[0], edgecolor="white", lw=0.5)
    if threshold is not None:
        ax.axvline(threshold, color=_COLOURS[3], ls="--", label=f"asked for: {threshold:g}")
        ax.legend()
    if log:
        ax.set_xscale("log")
        _plain_logs(ax)
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.set_xlabel(xlabel)
    ax.set_ylabel("Records")
    return ax


def plot_station_f0(lists: Mapping[str, Sequence[float]], ax: Axes) -> Axes:
    """Site frequency of each station, lowest at the bottom: single records as dots, their median as a bar.

    Stations are named if they are few, else counted.
    """
    ordered = sorted(lists, key=lambda code: (float(np.median(lists[code])), code))
    several = len(ordered) > BARS
    for place, code in enumerate(ordered):
        values = np.asarray(lists[code])
        ax.plot(values, np.full(len(values), place), "o", ms=2 if several else 3.5, color=_COLOURS[0], alpha=0.4, mew=0)
    ax.plot([np.median(lists[code]) for code in ordered], np.arange(len(ordered)), "|", ms=4 if several else 11, mew=2,
            color="0.1", ls="none")
    if several:
        ax.set_ylabel("Stations, by median f0")
    else:
        ax.set_yticks(np.arange(len(ordered)), [plain(code) for code in ordered])
    ax.set_ylim(-0.7, len(ordered) - 0.3)
    log_frequency(ax, 0.95, 21)
    ax.set_xlabel("Site frequency f0 [Hz]")
    return ax
