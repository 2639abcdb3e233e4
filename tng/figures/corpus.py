"""A corpus at a glance: maps, counts and histograms, for the report beside it and for the page of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter

from tng.figures.style import PALETTE, colour, log_frequency, plain, plain_logs

LABELLED, BARS = 25, 40                  # most stations that a map names, and that get a bar each


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
        ax.scatter(east[chosen], north[chosen], s=size[chosen], color=PALETTE[number], edgecolor="white", lw=0.5, alpha=0.85,
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
        ax.hist(counts, bins=edges - 0.5, color=PALETTE[0], edgecolor="white", lw=0.5)
        ax.set(xscale="log", yscale="log", xlabel="Records of a station", ylabel="Stations", ylim=(0.7, None))
        return plain_logs(ax)
    return plot_bars([plain(code) for code in counts.index], counts.to_numpy(), ax, xlabel="Records")


def plot_bars(labels: Sequence[str], values, ax: Axes, *, xlabel: str) -> Axes:
    """Horizontal bars from the top down, with their values written at their ends."""
    bars = ax.barh(np.arange(len(labels)), values, color=PALETTE[0], height=0.7)
    ax.bar_label(bars, [f"{value:,}" for value in values], padding=3, fontsize=8)
    ax.set_yticks(np.arange(len(labels)), labels)
    ax.set_ylim(max(len(labels), 4) - 0.4, -0.6)        # few bars stay slim
    ax.margins(x=0.12)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(xlabel)
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
    return plain_logs(ax)


def plot_histogram(values, edges, ax: Axes, *, xlabel: str, threshold: float | None = None, log: bool = False) -> Axes:
    """How many records have which value; a dashed line marks a threshold."""
    ax.hist(np.clip(values, edges[0], edges[-1]), bins=edges, color=PALETTE[0], edgecolor="white", lw=0.5)
    if threshold is not None:
        ax.axvline(threshold, color=PALETTE[3], ls="--", label=f"asked for: {threshold:g}")
        ax.legend()
    if log:
        ax.set_xscale("log")
        plain_logs(ax)
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
        ax.plot(values, np.full(len(values), place), "o", ms=2 if several else 3.5, color=PALETTE[0], alpha=0.4, mew=0)
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
