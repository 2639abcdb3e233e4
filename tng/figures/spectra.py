"""Spectra: HVSR curves and the site frequencies they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from tng.figures.style import colour, dash, log_frequency, log_values
from tng.scoring import F0_BINS_HZ, Measures
from tng.spectra import CURVE_HZ


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
    log_values(ax, ylabel)
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
    log_values(ax, "H/V [-]")
    return log_frequency(ax, CURVE_HZ[0], CURVE_HZ[-1])
