"""Where each generator stands: a cell a measure and generator, coloured by how far it lies from what real records reach."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from tng.scoring.tables import of_station, site_first

NEEDED = ("generator", "station", "group", "measure", "value", "floor_low", "floor_high", "better", "verdict")
INSIDE, NEAR, FAR, NOT_SCORED = "inside", "outside, by less than the band is wide", "outside, by more", "not scored"
CELLS = {INSIDE: "#cfe3f2", NEAR: "#f5b065", FAR: "#c25400", NOT_SCORED: "#f0f0f0"}
LETTERS = {INSIDE: "0.1", NEAR: "0.1", FAR: "white", NOT_SCORED: "0.5"}
BAND = "real against real"
HEADING = 1.15                           # height of a group's name, in rows


def how_far(row) -> tuple[str, str]:
    """What a row of the scoreboard is, one of the keys of `CELLS`, and arrows that say on which side it lies.

    The unit is the width of the band of real records against real ones: one arrow for less than that beyond the nearer end
    of the band, two for more.  Ratios are measured in logarithms, so that a half is as far from 1 as a double.  A cross where
    a test decided and there is no band.
    """
    value, low, high = (float(row[name]) for name in ("value", "floor_low", "floor_high"))
    if row["verdict"] == NOT_SCORED or not np.isfinite(value):
        return NOT_SCORED, ""
    if row["verdict"] == "inside":
        return INSIDE, ""
    if not (np.isfinite(low) and np.isfinite(high)):
        return NEAR, "×"
    if row["better"] == "one":
        value, low, high = np.log(np.maximum([value, low, high], np.finfo(float).tiny))
    above, below = value - high, low - value
    kind = FAR if max(above, below) > high - low else NEAR
    arrow = "▲" if above > 0 else "▼" if below > 0 else ""
    return kind, arrow * (2 if kind == FAR else 1)


def number(value: float) -> str:
    """Three digits at most, without an exponent."""
    if not np.isfinite(value):
        return "–"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 or value == 0 else 3
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")     # + 0: zero has no sign


def plot_scoreboard(table: pd.DataFrame, ax: Axes, *, station: str | None = None) -> Axes:
    """The scoreboard as a picture: rows are measures in their groups, columns are generators.

    Blue cells lie where real records lie against other real ones; orange ones outside, dark orange far outside.  Arrows say
    the same and on which side, so that nothing hangs on colour.  Beside a group's name stands how many of its measures lie
    outside for each generator.

    Parameters
    ----------
    table : DataFrame
        As from :func:`tng.scoring.scoreboard`: tidy, a row a (generator, station, measure), with the columns ``generator,
        station, group, measure, value, floor_low, floor_high, better, verdict``; verdict is "inside", "outside" or "not scored".
    station : str, optional
        Which station's rows; those of all together if not given.

    Raises
    ------
    ValueError
        For a missing column, a station without rows, or two rows for one cell.
    """
    rows = _rows(table, station)
    measures, places = _order(rows)
    generators = list(dict.fromkeys(rows["generator"]))
    cells = rows.set_index(["group", "measure", "generator"])
    for place, (group, measure) in zip(places, measures):
        for column, generator in enumerate(generators):
            key = (group, measure, generator)
            _cell(ax, cells.loc[key] if key in cells.index else None, column, place)
        band = rows[(rows["measure"] == measure) & (rows["group"] == group)].iloc[0]
        ax.text(len(generators) + 0.5, place, _band(band), ha="center", va="center", fontsize=8, color="0.25")
    for group in dict.fromkeys(group for group, _ in measures):
        first = min(place for place, (name, _) in zip(places, measures) if name == group)
        _heading(ax, group, rows[rows["group"] == group], generators, first - 0.5)
    _frame(ax, generators, measures, places)
    return ax


def scoreboard_size(table: pd.DataFrame, *, station: str | None = None) -> tuple[float, float]:
    """Width and height of a figure that a scoreboard fits [inches]."""
    rows = _rows(table, station)
    return 3.4 + 0.92 * (rows["generator"].nunique() + 1), 1.0 + 0.225 * (_order(rows)[1][-1] + 0.5)


def scoreboard_panel(table: pd.DataFrame, *, station: str | None = None):
    """A figure of the right size for a scoreboard, and its Axes."""
    figure, ax = plt.subplots(figsize=scoreboard_size(table, station=station))
    return figure, plot_scoreboard(table, ax, station=station)


def _rows(table: pd.DataFrame, station: str | None) -> pd.DataFrame:
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise ValueError(f"a scoreboard without {', '.join(missing)}; columns {', '.join(NEEDED)} are needed")
    rows = of_station(table, station)
    twice = rows.duplicated(["group", "measure", "generator"])
    if twice.any():
        first = rows[twice].iloc[0]
        raise ValueError(f"{twice.sum()} cells of the scoreboard have two rows, the first is {first['measure']} of "
                         f"{first['generator']}")
    return rows


def _order(rows: pd.DataFrame) -> tuple[list[tuple[str, str]], np.ndarray]:
    """(group, measure) of each line, the paper's own score first in its group, and their heights, with room for headings."""
    measures = site_first(list(dict.fromkeys(zip(rows["group"], rows["measure"]))))
    new = [first[0] != second[0] for first, second in zip(measures, measures[1:])]
    return measures, np.cumsum([HEADING] + [1.0 + HEADING * each for each in new])


def _band(row) -> str:
    """The band; of measures that can be missed on one side only, that end."""
    low, high = float(row["floor_low"]), float(row["floor_high"])
    if not (np.isfinite(low) and np.isfinite(high)):
        return "–"
    one_sided = {"small": f"up to {number(high)}", "large": f"from {number(low)}"}
    return one_sided.get(row["better"], f"{number(low)} to {number(high)}")


def _cell(ax: Axes, row, column: int, place: float) -> None:
    kind, arrows = how_far(row) if row is not None else (NOT_SCORED, "")
    text = number(float(row["value"])) if row is not None else "–"
    ax.add_patch(Rectangle((column, place - 0.5), 1, 1, facecolor=CELLS[kind], edgecolor="white", lw=1.0, gid=kind))
    ax.text(column + (0.42 if arrows else 0.5), place, text, ha="center", va="center", fontsize=8, color=LETTERS[kind])
    if arrows:
        ax.text(column + 0.95, place, arrows, ha="right", va="center", fontsize=6.5, color=LETTERS[kind])


def _heading(ax: Axes, group: str, rows: pd.DataFrame, generators: list[str], bottom: float) -> None:
    """A group's name, and for each generator how many of its measures lie outside."""
    ax.text(-0.06, bottom - 0.1, group, ha="right", va="bottom", fontsize=9, weight="bold")
    for column, generator in enumerate(generators):
        own = rows[(rows["generator"] == generator) & (rows["verdict"] != NOT_SCORED)]
        if len(own):
            text = f"{(own['verdict'] == 'outside').sum()} of {len(own)} out"
            ax.text(column + 0.5, bottom - 0.1, text, ha="center", va="bottom", fontsize=8, weight="bold", color="0.25")


def _frame(ax: Axes, generators: list[str], measures: list[tuple[str, str]], places: np.ndarray) -> None:
    """Names of generators above, of measures at the left; what the colours mean below."""
    columns = len(generators)
    ax.set_xlim(0, columns + 1)
    ax.set_ylim(places[-1] + 0.5, -0.5)
    ax.xaxis.tick_top()
    ax.set_xticks(np.arange(columns + 1) + 0.5, [_broken(name) for name in [*generators, BAND]], fontsize=9)
    ax.set_yticks(places, [measure for _, measure in measures], fontsize=8)
    ax.tick_params(length=0)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    handles = [Patch(facecolor=CELLS[INSIDE], label="inside the band of real records"),
               Patch(facecolor=CELLS[NEAR], label=f"▲▼ {NEAR}"), Patch(facecolor=CELLS[FAR], label=f"▲▲▼▼ {FAR}"),
               Patch(facecolor=CELLS[NEAR], label="× outside, by a test"),
               Patch(facecolor=CELLS[NOT_SCORED], label="– not scored")]
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.4, -0.005), ncols=5 if columns > 6 else 3 if columns > 3 else 2, fontsize=8,
              handlelength=1.2, frameon=False)


def _broken(name: str) -> str:
    """A long name in two lines, parted at a blank or hyphen near its middle."""
    at = [i + 1 for i, letter in enumerate(name) if letter in " -" and 0 < i < len(name) - 1] if len(name) > 10 else []
    if not at:
        return name
    cut = min(at, key=lambda i: abs(i - len(name) / 2))
    return f"{name[:cut].rstrip()}\n{name[cut:]}"
