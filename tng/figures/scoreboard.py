"""Where each generator stands: a cell a measure and generator, coloured by how far it lies from what real records reach."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

NEEDED = ("generator", "station", "group", "measure", "value", "floor_low", "floor_high", "verdict")
INSIDE, NEAR, FAR, NOT_SCORED = "inside", "outside, by less than the band is wide", "outside, by more", "not scored"
CELLS = {INSIDE: "#cfe3f2", NEAR: "#f5b065", FAR: "#c25400", NOT_SCORED: "#f0f0f0"}
LETTERS = {INSIDE: "0.1", NEAR: "0.1", FAR: "white", NOT_SCORED: "0.5"}
BAND = "real against real"
HEADING = 0.85                           # height of a group's name, in rows


def how_far(row) -> tuple[str, str]:
    """What a row of the scoreboard is, one of the keys of `CELLS`, and arrows that say on which side it lies.

    The unit is the width of the band of real records against real ones: one arrow for less than that beyond the nearer end
    of the band, two for more.
    """
    value, low, high = float(row["value"]), float(row["floor_low"]), float(row["floor_high"])
    if row["verdict"] == NOT_SCORED or not np.isfinite(value):
        return NOT_SCORED, ""
    if row["verdict"] == "inside":
        return INSIDE, ""
    if not (np.isfinite(low) and np.isfinite(high)):
        return NEAR, ""
    above, below = value - high, low - value
    kind = FAR if max(above, below) > high - low else NEAR
    arrow = "▲" if above > 0 else "▼" if below > 0 else ""
    return kind, arrow * (2 if kind == FAR else 1)


def number(value: float) -> str:
    """Three digits at most, without an exponent where people read one badly."""
    if not np.isfinite(value):
        return "–"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 or value == 0 else 3
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def plot_scoreboard(table: pd.DataFrame, ax: Axes, *, station: str = "all") -> Axes:
    """The scoreboard as a picture: rows are measures in their groups, columns are generators.

    Blue cells lie where real records lie against other real ones; orange ones outside, dark orange far outside.  Arrows say
    the same and on which side, so that nothing hangs on colour.

    Parameters
    ----------
    table : DataFrame
        Tidy, a row a (generator, station, measure), with the columns ``generator, station, group, measure, value, floor_low,
        floor_high, verdict``; verdict is "inside", "outside" or "not scored".
    station : str
        Which station's rows; "all" for those over all stations.

    Raises
    ------
    ValueError
        For a missing column, a station without rows, or two rows for one cell.
    """
    rows = _rows(table, station)
    measures = list(dict.fromkeys(zip(rows["group"], rows["measure"])))
    groups = list(dict.fromkeys(group for group, _ in measures))
    measures.sort(key=lambda pair: groups.index(pair[0]))
    generators = list(dict.fromkeys(rows["generator"]))
    cells = rows.set_index(["group", "measure", "generator"])
    places = _places([group for group, _ in measures])
    for place, (group, measure) in zip(places, measures):
        for column, generator in enumerate(generators):
            key = (group, measure, generator)
            if key in cells.index:
                _cell(ax, cells.loc[key], column, place)
            else:
                _box(ax, column, place, "–", NOT_SCORED)
        band = rows[(rows["measure"] == measure) & (rows["group"] == group)].iloc[0]
        ax.text(len(generators) + 0.5, place, _band(band), ha="center", va="center", fontsize=8, color="0.25")
    _frame(ax, generators, measures, places)
    return ax


def _rows(table: pd.DataFrame, station: str) -> pd.DataFrame:
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise ValueError(f"a scoreboard without {', '.join(missing)}; columns {', '.join(NEEDED)} are needed")
    rows = table[table["station"] == station]
    if rows.empty:
        there = ", ".join(map(str, table["station"].unique()))
        raise ValueError(f"no rows of station {station!r} in the scoreboard; there are {there}")
    twice = rows.duplicated(["group", "measure", "generator"])
    if twice.any():
        first = rows[twice].iloc[0]
        raise ValueError(f"{twice.sum()} cells of the scoreboard have two rows, the first is {first['measure']} of "
                         f"{first['generator']}")
    return rows


def _places(groups: list[str]) -> np.ndarray:
    """Heights of the rows; each new group leaves room above it for its name."""
    steps = [1.0] + [1.0 + HEADING * (new != old) for old, new in zip(groups, groups[1:])]
    return np.cumsum(steps)


def _band(row) -> str:
    low, high = float(row["floor_low"]), float(row["floor_high"])
    return f"{number(low)} … {number(high)}" if np.isfinite(low) and np.isfinite(high) else "–"


def _cell(ax: Axes, row, column: int, place: float) -> None:
    kind, arrows = how_far(row)
    text = number(float(row["value"])) if kind != NOT_SCORED or np.isfinite(float(row["value"])) else "–"
    _box(ax, column, place, text, kind, arrows)


def _box(ax: Axes, column: int, place: float, text: str, kind: str, arrows: str = "") -> None:
    ax.add_patch(Rectangle((column, place - 0.5), 1, 1, facecolor=CELLS[kind], edgecolor="white", lw=1.2, gid=kind))
    ax.text(column + (0.42 if arrows else 0.5), place, text, ha="center", va="center", fontsize=8.5, color=LETTERS[kind])
    if arrows:
        ax.text(column + 0.95, place, arrows, ha="right", va="center", fontsize=6.5, color=LETTERS[kind])


def _frame(ax: Axes, generators: list[str], measures: list[tuple[str, str]], places: np.ndarray) -> None:
    """Names of generators above, of measures and groups at the left; what the colours mean below."""
    columns = len(generators)
    ax.set_xlim(0, columns + 1)
    ax.set_ylim(places[-1] + 0.5, 0.5 - HEADING)
    ax.xaxis.tick_top()
    ax.set_xticks(np.arange(columns + 1) + 0.5, [_broken(name) for name in [*generators, BAND]], fontsize=9)
    ax.set_yticks(places, [measure for _, measure in measures], fontsize=9)
    ax.tick_params(length=0)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    for group in dict.fromkeys(group for group, _ in measures):
        first = min(place for place, (name, _) in zip(places, measures) if name == group)
        ax.text(0, first - 0.55, group, ha="left", va="bottom", fontsize=9, weight="bold")
    shown = [(NEAR, "▲▼ " + NEAR), (FAR, "▲▲▼▼ " + FAR)]
    handles = [Patch(facecolor=CELLS[INSIDE], label="inside the band of real records"),
               *(Patch(facecolor=CELLS[kind], label=label) for kind, label in shown),
               Patch(facecolor=CELLS[NOT_SCORED], label="– not scored")]
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=4, fontsize=8, handlelength=1.2)


def _broken(name: str) -> str:
    """A long name in two lines, parted at a blank or hyphen near its middle."""
    if len(name) <= 10:
        return name
    at = [i + 1 for i, letter in enumerate(name) if letter in " -" and 0 < i < len(name) - 1]
    if not at:
        return name
    cut = min(at, key=lambda i: abs(i - len(name) / 2))
    return f"{name[:cut].rstrip()}\n{name[cut:]}"


def scoreboard_panel(table: pd.DataFrame, *, station: str = "all"):
    """A figure of the right size for a scoreboard, and its Axes."""
    rows = _rows(table, station)
    measures = rows.drop_duplicates(["group", "measure"])
    height = 1.0 + 0.265 * (len(measures) + HEADING * measures["group"].nunique())
    figure, ax = plt.subplots(figsize=(3.6 + 0.92 * (rows["generator"].nunique() + 1), height))
    return figure, plot_scoreboard(table, ax, station=station)
