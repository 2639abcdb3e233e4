"""Records in time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from tng.figures.style import colour
from tng.records import COMPONENTS


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
