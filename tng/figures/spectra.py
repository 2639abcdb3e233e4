"""Spectra in frequency: HVSR curves, the site frequencies they show, and Fourier amplitudes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from tng.figures.style import colour, dash, line, log_frequency, log_values, marker, plain_axis
from tng.scoring import F0_BINS_HZ, Measures
from tng.spectra import BAND_HZ, CURVE_HZ


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


def lognormal_band(curves) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """exp(mean - sigma), exp(mean), exp(mean + sigma) of the logarithms of positive curves (records, points)."""
    ln = np.log(np.atleast_2d(curves))
    middle, sigma = ln.mean(axis=0), ln.std(axis=0, ddof=1) if len(ln) > 1 else np.zeros(ln.shape[1])
    return np.exp(middle - sigma), np.exp(middle), np.exp(middle + sigma)


def plot_eas(freq_hz, curves, ax: Axes, *, name: str, label: str | None = None, band: bool = True, each: bool = False) -> Axes:
    """Lognormal median and ± sigma of effective amplitude spectra (records, frequencies) [cm/s], on two logarithmic axes."""
    low, middle, high = lognormal_band(curves)
    if each:
        ax.plot(freq_hz, np.transpose(curves), color=colour(name), lw=0.4, alpha=0.15)
    if band:
        ax.fill_between(freq_hz, low, high, color=colour(name), alpha=0.18, lw=0)
    ax.plot(freq_hz, middle, **line(name), label=label or name)
    ax.set_yscale("log")
    plain_axis(ax.yaxis, (1,))
    ax.set_ylabel("EAS [cm/s]")
    return log_frequency(ax, freq_hz[0], freq_hz[-1])


def plot_hvsr(freq_hz, curves, ax: Axes, *, name: str, smoothing: str, f0_hz: float | None = None,
              verdict: str = "") -> Axes:
    """HVSR as an engineer reads it: single records thin, lognormal median ± sigma, n and smoothing stated.

    Parameters
    ----------
    curves : array, shape (records, frequencies)
    smoothing : str
        How the spectra were smoothed, for the title.
    f0_hz : float, optional
        Site frequency to mark [Hz]; NaN or None marks nothing.
    verdict : str
        What is to be thought of it, such as "clear peak"; written in also if there is no frequency.
    """
    low, middle, high = lognormal_band(curves)
    ax.plot(freq_hz, np.transpose(curves), color=colour(name), lw=0.4, alpha=min(0.35, 8 / len(curves)))
    ax.plot(freq_hz, middle, color=colour(name), lw=2.2, label="median")
    for number, side in enumerate((low, high)):
        ax.plot(freq_hz, side, color=colour(name), lw=1.1, ls="--", label="± sigma (ln)" if number == 0 else None)
    found = f0_hz is not None and np.isfinite(f0_hz)
    if found:
        ax.axvline(f0_hz, color=colour("published"), lw=1.2, ls=":", zorder=1)
        ax.plot(f0_hz, np.interp(f0_hz, freq_hz, middle), marker="o", ms=7, mfc="white", mec=colour("published"), mew=1.8,
                ls="none", zorder=5)
    if found or verdict:
        text = ", ".join(part for part in (f"f0 = {f0_hz:.2f} Hz" if found else "", verdict) if part)
        ax.text(0.98, 0.97, text, transform=ax.transAxes, ha="right", va="top", fontsize=9,
                color=colour("published"), bbox={"facecolor": "white", "alpha": 0.85, "lw": 0, "pad": 1})
    ax.set_title(f"{name}: n = {len(curves)}, {smoothing}", fontsize=10)
    log_values(ax, "H/V [-]")
    return log_frequency(ax, freq_hz[0], freq_hz[-1])


def _bandwidth(kernel: stats.gaussian_kde) -> float:
    """Silverman's (1986, eq. 3.31) in standard deviations: 0.9 min(σ, IQR/1.34) n^(-1/5); two modes stay two."""
    values = kernel.dataset[0]
    sigma = values.std(ddof=1)
    return 0.9 * min(1.0, (stats.iqr(values) / 1.34 or sigma) / sigma) * len(values) ** -0.2


def plot_f0_density(lists: Mapping[str, Sequence[float]], ax: Axes, *, band_hz: tuple[float, float] = BAND_HZ, bins: int = 60,
                    intervals: Mapping[str, tuple[float, float]] | None = None) -> Axes:
    """Site frequencies on logarithmic bins, with a smooth density, and each median with its interval above.

    Parameters
    ----------
    lists : mapping
        Name → f0 of its records [Hz]; NaN (no clear peak) is left out and counted in the legend.
    intervals : mapping, optional
        Name → (low, high) of the median [Hz].
    """
    edges = np.geomspace(*band_hz, bins + 1)
    fine, width = np.geomspace(*band_hz, 400), np.log(edges[1] / edges[0])
    tops, given = [], {name: np.asarray(f0_hz, dtype=float) for name, f0_hz in lists.items()}
    for name, values in given.items():
        f0_hz = values[np.isfinite(values)]
        missing = f", {len(values) - len(f0_hz)} without a peak" if len(f0_hz) < len(values) else ""
        share = np.histogram(f0_hz, edges)[0] / max(len(f0_hz), 1)
        ax.stairs(share, edges, color=colour(name), alpha=0.3, fill=True, label=f"{name} (n = {len(values)}{missing})")
        tops.append(share.max(initial=0))
        if len(f0_hz) > 2 and np.ptp(np.log(f0_hz)) > 1e-6:            # a density of one value is none
            density = stats.gaussian_kde(np.log(f0_hz), _bandwidth)(np.log(fine)) * width
            ax.plot(fine, density, **line(name), lw=1.8)
            tops.append(density.max())
    top = max([*tops, 0.02])
    for row, (name, values) in enumerate(given.items(), start=1):
        if not np.isfinite(values).any():
            continue
        median, height = np.nanmedian(values), top * (1 + 0.09 * row)
        right = median
        if intervals and name in intervals:
            ax.plot(intervals[name], [height, height], color=colour(name), lw=2.5, solid_capstyle="butt")
            right = max(median, intervals[name][1])
        ax.plot(median, height, marker=marker(name), color=colour(name), ms=7, ls="none")
        ax.annotate(f"{median:.2f} Hz", (right, height), xytext=(9, 0), textcoords="offset points", va="center", fontsize=8)
    ax.set_ylim(0, top * (1.12 + 0.09 * len(given)))
    ax.set_ylabel("Share of records")
    log_frequency(ax, *band_hz)
    ax.set_xlabel("Site frequency f0 [Hz]")
    return ax
