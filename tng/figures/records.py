"""Records in time: waveforms, Husid curves, spectrograms and envelopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from scipy import ndimage, signal

from tng.figures.style import COLOURS, PALETTE, colour, line, plain_axis
from tng.records import COMPONENTS

QUANTITIES = (("PGA", "acceleration", "cm/s²"), ("PGV", "velocity", "cm/s"), ("PGD", "displacement", "cm"))
HUSID_LEVELS = 0.05, 0.75, 0.95
HUSID_BEFORE_S = 2.0                     # how much is shown before the 5 %
WHITE = {"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 0.5}


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
        ax.text(samples.size / sampling_rate_hz, -i + 0.12, f"{peak:.3g} cm/s²", ha="right", va="bottom", fontsize=7,
                bbox=WHITE)
    ax.set_yticks([])
    ax.set_xlabel("Time [s]")
    ax.set_title(title)
    return ax


def plot_motion(motion: Sequence, sampling_rate_hz: float, axes, *, name: str = "", title: str = "") -> np.ndarray:
    """Acceleration, velocity and displacement of one record: a row a component, a column a quantity.

    Parameters
    ----------
    motion : three arrays, shape (3, samples) each
        Acceleration [cm/s²], velocity [cm/s] and displacement [cm] of E, N, Z.
    axes : array of Axes, shape (3, 3)
        The three components of a quantity get a common scale, and their peaks written in.
    """
    axes = np.asarray(axes)
    for column, samples, (peak_name, what, unit) in zip(axes.T, motion, QUANTITIES):
        largest = np.abs(samples).max() or 1.0
        for ax, component, values in zip(column, COMPONENTS, samples):
            ax.plot(np.arange(values.size) / sampling_rate_hz, values, lw=0.6, color=colour(name))
            ax.set_ylim(-1.15 * largest, 1.15 * largest)
            ax.set_ylabel(f"{component} [{unit}]")
            _note(ax, f"{peak_name} {np.abs(values).max():.3g} {unit}")
            ax.set_xlim(0, values.size / sampling_rate_hz)
        for ax in column[:-1]:
            ax.tick_params(labelbottom=False)
        column[0].set_title(f"{title}: {what}" if title else what.capitalize())
        column[-1].set_xlabel("Time [s]")
    return axes


def _note(ax: Axes, text: str) -> None:
    """A small text in the upper right corner, readable on whatever lies there."""
    ax.text(0.99, 0.95, text, transform=ax.transAxes, ha="right", va="top", fontsize=8, bbox=WHITE)


def plot_husid(husid, sampling_rate_hz: float, ax: Axes, *, name: str, label: str | None = None, aligned: bool = True,
               each: bool = True) -> Axes:
    """Husid curves (records, samples) from 0 to 1: single ones thin, the median thick, 5, 75 and 95 % marked.

    With `aligned`, time runs from where each curve reaches 5 %: what the recorder did before does not matter.
    """
    husid = np.atleast_2d(husid)
    time = np.arange(husid.shape[1]) / sampling_rate_hz
    start = np.array([np.interp(HUSID_LEVELS[0], curve, time) for curve in husid]) if aligned else np.zeros(len(husid))
    grid = np.arange(-HUSID_BEFORE_S if aligned else 0.0, time[-1] + 1e-9, max(0.05, 1 / sampling_rate_hz))
    shifted = np.array([np.interp(grid + s, time, curve) for s, curve in zip(start, husid)])
    if each:
        ax.plot(grid, 100 * shifted.T, color=colour(name), lw=0.4, alpha=min(0.5, 12 / len(husid)))
    ax.plot(grid, 100 * np.median(shifted, axis=0), **line(name), lw=2, label=label or name)
    if not any(one.get_gid() == "level" for one in ax.lines):
        for level in HUSID_LEVELS:
            ax.axhline(100 * level, color="0.4", lw=0.6, ls=":", zorder=0, gid="level")
    ax.set_yticks([0, *(100 * level for level in HUSID_LEVELS), 50, 100])
    ax.set_ylim(0, 100)
    ax.set_xlim(grid[0], grid[-1])
    ax.set_ylabel("Arias intensity [% of the whole]")
    ax.set_xlabel("Time after 5 % [s]" if aligned else "Time [s]")
    return ax


def plot_spectrogram(samples, sampling_rate_hz: float, ax: Axes, *, low_hz: float = 0.5, range_db: float = 60.0,
                     window_s: float = 2.56, title: str = "") -> Axes:
    """Power of one component over time and frequency, in dB below its own largest."""
    length = min(len(samples), round(window_s * sampling_rate_hz))
    freq_hz, time, power = signal.spectrogram(np.asarray(samples, dtype=float), sampling_rate_hz, window="hann", nperseg=length,
                                              noverlap=3 * length // 4)
    level = 10 * np.log10(np.maximum(power / power.max(), 10 ** (-range_db / 10)))
    kept = freq_hz >= low_hz
    ax.pcolormesh(time, freq_hz[kept], level[kept], vmin=-range_db, vmax=0, cmap="cividis", shading="nearest",
                  rasterized=True)
    ax.set_yscale("log")
    plain_axis(ax.yaxis)
    ax.set_ylabel("Frequency [Hz]")
    ax.set_xlabel("Time [s]")
    ax.set_title(title)
    ax.set_xlim(0, len(samples) / sampling_rate_hz)
    ax.grid(False)
    return ax


def smooth_envelope(samples, sampling_rate_hz: float, smoothing_s: float = 1.0) -> np.ndarray:
    """Root of the running mean of the squared analytic signal, along the last axis [as the samples]."""
    width = max(1, round(smoothing_s * sampling_rate_hz))
    square = np.abs(signal.hilbert(np.asarray(samples, dtype=float), axis=-1)) ** 2
    return np.sqrt(np.maximum(ndimage.uniform_filter1d(square, width, axis=-1, mode="constant"), 0.0))


def plot_envelope(samples, sampling_rate_hz: float, ax: Axes, *, name: str, smoothing_s: float = 1.0) -> Axes:
    """One component and its envelope, smoothed over a second."""
    time = np.arange(len(samples)) / sampling_rate_hz
    ax.plot(time, samples, lw=0.4, color=colour(name), alpha=0.5)
    envelope = smooth_envelope(samples, sampling_rate_hz, smoothing_s)
    for side in (envelope, -envelope):
        ax.plot(time, side, lw=1.2, color="0.25" if colour(name) != COLOURS["held-out"] else PALETTE[3])
    ax.set_xlim(0, time[-1])
    ax.set_ylabel("Acceleration [cm/s²]")
    ax.set_xlabel("Time [s]")
    return ax


def spectrogram_panels(records: Mapping[str, np.ndarray], sampling_rate_hz: float):
    """A column a record: the spectrogram of one component (samples,) [cm/s²] above, its trace and envelope below."""
    figure, axes = plt.subplots(2, len(records), figsize=(10.5, 5), sharex=True, squeeze=False, height_ratios=(1, 0.8))
    for (upper, lower), (name, samples) in zip(axes.T, records.items()):
        plot_spectrogram(samples, sampling_rate_hz, upper, title=name).set_xlabel("")
        plot_envelope(samples, sampling_rate_hz, lower, name=name)
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    figure.colorbar(axes[0, 0].collections[0], ax=axes, label="Power [dB below its peak]", pad=0.01, shrink=0.55, anchor=(0, 1))
    return figure, axes


def plot_envelopes(sets: Mapping[str, np.ndarray], sampling_rate_hz: float, ax: Axes, *, smoothing_s: float = 1.0) -> Axes:
    """How the shaking of whole sets (records, samples) grows and fades: median and 16-84 % of their smoothed envelopes.

    Each envelope is divided by its own largest value: strength does not matter here.
    """
    for name, data in sets.items():
        envelope = smooth_envelope(data, sampling_rate_hz, smoothing_s)
        envelope = envelope / envelope.max(axis=1, keepdims=True)
        low, middle, high = np.percentile(envelope, [16, 50, 84], axis=0)
        time = np.arange(envelope.shape[1]) / sampling_rate_hz
        ax.fill_between(time, low, high, color=colour(name), alpha=0.15, lw=0)
        ax.plot(time, middle, **line(name), label=name)
    ax.set_xlim(0, time[-1])
    ax.set_ylim(0, None)
    ax.set_xlabel("Time [s]")
    ax.set_ylabel("Envelope / its peak [-]")
    ax.legend()
    return ax
