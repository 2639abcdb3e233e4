"""Response spectra, residuals, and how periods go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from tng.figures.style import colour, line, log_frequency, log_period, plain_axis


def plot_psa(periods_s, sets: Mapping[str, np.ndarray], axes: Sequence[Axes], *, models: Mapping[str, np.ndarray] | None = None,
             quantity: str = "PSA, RotD50") -> Sequence[Axes]:
    """Response spectra: median and 16-84 % above, ratios to the first set below.

    Parameters
    ----------
    sets : mapping
        Name → spectra (records, periods) [cm/s²]; the first one is what the others are divided by.
    axes : two Axes
        The lower one shows the ratio of the medians (thick) and of the 16 and 84 % (thin).
    models : mapping, optional
        Label → median of a ground-motion model at these periods [cm/s²].
    """
    upper, lower = axes
    shares = {name: np.percentile(curves, [16, 50, 84], axis=0) for name, curves in sets.items()}
    reference = next(iter(shares))
    for name, (low, middle, high) in shares.items():
        upper.fill_between(periods_s, low, high, color=colour(name), alpha=0.18, lw=0)
        for side in (low, high):
            upper.plot(periods_s, side, color=colour(name), lw=0.7, ls=":")
        upper.plot(periods_s, middle, **line(name), label=f"{name} (n = {len(sets[name])})")
        if name != reference:
            lower.plot(periods_s, middle / shares[reference][1], **line(name), lw=2, label="median")
            for share, label in ((0, "16 and 84 %"), (2, None)):
                lower.plot(periods_s, shares[name][share] / shares[reference][share], color=colour(name), lw=0.9, ls=":",
                           label=label if len(sets) == 2 else None)
    for label, median in (models or {}).items():
        upper.plot(periods_s, median, color="0.45", lw=1.2, ls="-.", label=label)
    lower.axhline(1, color="0.3", lw=0.8, zorder=1)
    for ax, label in ((upper, f"{quantity} [cm/s²]"), (lower, f"Ratio to {reference} [-]")):
        ax.set_yscale("log")
        log_period(ax, periods_s[0], periods_s[-1])
        ax.set_ylabel(label)
    _room_for_one(lower)
    plain_axis(upper.yaxis, (1,))
    upper.set_xlabel("")
    upper.legend()
    if len(sets) == 2:
        lower.legend(ncols=2, loc="best")
    return axes


def _room_for_one(ax: Axes) -> None:
    """Limits of a logarithmic ratio axis that hold at least 0.5 to 2, and plain numbers."""
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, 0.5), max(high, 2.0))
    plain_axis(ax.yaxis)


def plot_residuals(x, bias, low, high, ax: Axes, *, name: str, over: Literal["period", "frequency"] = "period",
                   quantity: str = "PSA", sigma=None, label: str | None = None) -> Axes:
    """Mean of ln(generated / held-out) over periods or frequencies, with the band of its interval; a factor at the right.

    Parameters
    ----------
    bias, low, high : arrays, shape (points,)
        The mean residual and its interval; above zero, the generated records are stronger.
    sigma : two arrays, optional
        Standard deviations of the logarithms of held-out and generated records, drawn as lines around zero and the bias.
    """
    ax.axhline(0, color="0.3", lw=0.8, zorder=1)
    ax.fill_between(x, low, high, color=colour(name), alpha=0.3, lw=0, label="95 % interval")
    ax.plot(x, bias, **line(name), lw=2, label=label or f"mean, {name}")
    if sigma is not None:
        for number, (centre, spread, shade) in enumerate(((0, sigma[0], colour("held-out")), (bias, sigma[1], colour(name)))):
            for sign in (-1, 1):
                ax.plot(x, centre + sign * np.asarray(spread), color=shade, lw=0.9, ls=":",
                        label=(f"± sigma, {('held-out', name)[number]}" if sign > 0 else None))
    if over == "period":
        log_period(ax, x[0], x[-1])
    else:
        log_frequency(ax, x[0], x[-1])
    ax.set_ylabel(f"ln {quantity}, generated / held-out")
    reach = max(np.abs(ax.get_ylim()).max(), 1.05 * np.log(2))
    ax.set_ylim(-reach, reach)
    if not ax.child_axes:
        factor = ax.secondary_yaxis("right", functions=(np.exp, lambda y: np.log(np.maximum(y, 1e-12))))
        factor.set_yscale("log")
        factor.set_yticks([f for f in (0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100) if abs(np.log(f)) <= reach])
        factor.yaxis.set_major_formatter("{x:g}")
        factor.minorticks_off()
        factor.set_ylabel("factor")
    return ax


def plot_correlation(periods_s, matrix, ax: Axes, *, title: str = "", difference: bool = False) -> Axes:
    """A correlation matrix between periods; with `difference`, the difference of two such matrices, around zero."""
    matrix = np.asarray(matrix)
    reach = max(0.3, np.abs(matrix).max()) if difference else 1.0
    mesh = ax.pcolormesh(periods_s, periods_s, matrix, shading="nearest", rasterized=True, vmin=-reach if difference else 0.0,
                         vmax=reach, cmap="RdBu_r" if difference else "viridis")
    log_period(ax, periods_s[0], periods_s[-1])
    ax.set_yscale("log")
    ax.set_ylim(periods_s[0], periods_s[-1])
    ax.set_yticks(ax.get_xticks())
    plain_axis(ax.yaxis, (1, 3) if periods_s[-1] / periods_s[0] >= 50 else (1, 2, 5))
    ax.set_ylabel("Period [s]")
    ax.set_aspect("equal")
    ax.set_title(title)
    ax.grid(False)
    ax.figure.colorbar(mesh, ax=ax, shrink=0.8, label="difference [-]" if difference else "correlation [-]")
    return ax
