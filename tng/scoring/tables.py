"""The scoreboard to be read and kept: a summary table, CSV, JSON and a page of HTML."""

from __future__ import annotations

import base64
import html
import io
import json
import os
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from tng.scoring import copies, families
from tng.scoring.families import ALL
from tng.scoring.measures import ACROSS, PAIRWISE

FLOOR = "real against real"
MARKS = {"inside": "", "outside": " †", "not scored": " –"}
TINTS = {"inside": "background-color: #d9e8f5; color: #111", "outside": "background-color: #f9dcc4; color: #111; font-weight: 600"}
MOST_NAMED = 6       # stations in a sentence
FORMATS = (".csv", ".json", ".html", ".png")


class BoardError(ValueError):
    """A scoreboard that cannot be written or read; the message says why."""


def generators(board: pd.DataFrame) -> list[str]:
    """Names of the generators, in the order in which they were given."""
    return list(dict.fromkeys(board["generator"]))


def of_station(board: pd.DataFrame, station: str | None = None) -> pd.DataFrame:
    """The rows of one station, or of all together; if only one station was scored, its rows.

    Raises
    ------
    BoardError
        For a station that is not on the board.
    """
    known = list(dict.fromkeys(board.loc[board["measure"] != "", "station"]))
    station = station or (ALL if ALL in known else known[0])
    if station not in known:
        raise BoardError(f"no station {station!r} on this scoreboard: it has {', '.join(known)}")
    return board[(board["station"] == station) & (board["measure"] != "")]


def _number(value: float) -> str:
    """Two digits behind the point; more for small numbers."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3f}"


def _band(row: pd.Series) -> str:
    """The floor and its band; of measures that can be missed on one side only, that end."""
    if not np.isfinite(row["floor"]):
        return "–"
    if not np.isfinite(row["floor_low"]):
        return f"{_number(row['floor'])} (by p)"
    low, high = _number(row["floor_low"]), _number(row["floor_high"])
    band = {"small": f"up to {high}", "large": f"from {low}"}.get(row["better"], f"{low} to {high}")
    return f"{_number(row['floor'])} ({band})"


def summary(board: pd.DataFrame, station: str | None = None, *, intervals: bool = False) -> pd.DataFrame:
    """A row a measure, a column a generator, and what real records reach against real ones.

    Values outside the band of real against real are marked †, those that could not be scored –.

    Parameters
    ----------
    station : str, optional
        All together if not given.
    intervals : bool
        Write the 95 % interval behind each value.
    """
    rows = of_station(board, station)
    columns: dict[str, dict] = {}
    for _, row in rows.iterrows():
        key = (row["group"], row["measure"])
        columns.setdefault(FLOOR, {}).setdefault(key, _band(row))
        text = _number(row["value"]) + MARKS[row["verdict"]]
        if intervals and np.isfinite(row["low"]):
            text += f" [{_number(row['low'])}, {_number(row['high'])}]"
        columns.setdefault(row["generator"], {})[key] = text
    table = pd.DataFrame(columns).fillna("")
    table.index = pd.MultiIndex.from_tuples(table.index, names=["group", "measure"])
    order = list(dict.fromkeys(zip(rows["group"], rows["measure"])))
    return table.loc[site_first(order)]


def site_first(order: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The paper's own score leads its group."""
    across = {measure.name for measure in ACROSS}
    groups = list(dict.fromkeys(group for group, _ in order))
    return sorted(order, key=lambda key: (groups.index(key[0]), key[1] not in across))


BETTER = {"zero": "0", "one": "1", "small": "less", "large": "more"}


def meanings(board: pd.DataFrame) -> pd.DataFrame:
    """What each measure of a board is, and what would be best: a row a measure.  Logarithms are natural, so that 0.1 is about 10 %."""
    known = {measure.name: measure.meaning for measure in [*PAIRWISE, *ACROSS, *families.MEASURES, *copies.MEASURES]}
    rows = board[board["measure"] != ""].drop_duplicates("measure")
    return pd.DataFrame({"group": rows["group"], "what it is": rows["measure"].map(known), "better": rows["better"].map(BETTER)}).set_axis(
        rows["measure"].rename(None))


def counts(board: pd.DataFrame) -> pd.DataFrame:
    """How many measures of each group lie outside the band, of how many: a row a generator.

    About one in fifty does by chance.
    """
    rows = of_station(board)
    scored = rows[rows["verdict"] != "not scored"]
    outside = (scored["verdict"] == "outside").groupby([scored["generator"], scored["group"]], sort=False)
    text = outside.sum().astype(int).astype(str) + " of " + outside.size().astype(str)
    return text.unstack().reindex(index=generators(board), columns=list(dict.fromkeys(rows["group"]))).fillna("–").rename_axis(
        index=None, columns="outside the band")


def styled(board: pd.DataFrame, station: str | None = None, *, intervals: bool = False):
    """The summary with its cells tinted: blue inside the band of real against real, orange (and †) outside."""
    table = summary(board, station, intervals=intervals)
    rows = of_station(board, station)
    verdicts = rows.assign(generator=rows["generator"].map(html.escape)).set_index(["generator", "group", "measure"])["verdict"]
    table.columns = [html.escape(name) for name in table]                   # a name is no HTML

    def tint(column: pd.Series) -> list[str]:
        return [TINTS.get(verdicts.get((column.name, *key), ""), "") for key in column.index]

    marks = table.style.set_uuid(f"board-{zlib.crc32((station or ALL).encode())}")                          # the same page every time
    return marks.apply(tint, axis=0).set_table_styles([{"selector": "td, th", "props": "padding: .15em .5em; text-align: left"}])


def as_text(board: pd.DataFrame, *, intervals: bool = False) -> str:
    """The summary for a terminal, with the notes and how many measures lie outside the band."""
    numbers = of_station(board).iloc[0]
    lines = [f"{numbers.n_real} held-out and {numbers.n_train} training records of {len(board.attrs['stations'])} stations; † is outside the band of "
             "real against real, which about one measure in fifty is by chance", "", summary(board, intervals=intervals).to_string(), "",
             counts(board).to_string(), ""]
    return "\n".join([*lines, *(f"Note: {note}" for note in [*board.attrs["notes"], *_left_out(board)])]).rstrip()


def _left_out(board: pd.DataFrame) -> list[str]:
    """A sentence for each reason why stations were not scored."""
    rows = board[board["measure"] == ""].drop_duplicates("station")
    return [f"{', '.join(codes[:MOST_NAMED])}{f' and {len(codes) - MOST_NAMED} more' if len(codes) > MOST_NAMED else ''}: not scored, {why}"
            for why, codes in ((why, list(codes)) for why, codes in rows.groupby("note", sort=False)["station"])]


# --- files --------------------------------------------------------------------------------------------------------

def check_names(paths) -> None:
    """Refuse a file whose suffix says no format, or that cannot be written, before any work is done for it."""
    for path in map(Path, paths):
        if path.suffix not in FORMATS:
            raise BoardError(f"{path}: scoreboards are written as {', '.join(FORMATS)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise BoardError(f"{path} cannot be written: {problem.strerror or problem}") from None
        if not os.access(path.parent, os.W_OK):
            raise BoardError(f"{path} cannot be written: no permission for its folder")


def save(board: pd.DataFrame, path) -> Path:
    """Write the scoreboard; the suffix says how: .csv and .json hold everything, .html is a page, .png its picture.

    JSON also holds the notes and settings; values that are not known are null there, and empty in CSV.

    Raises
    ------
    BoardError
        For another suffix, or a folder that cannot be written to.
    """
    path = Path(path)
    check_names([path])
    text = {".csv": _csv, ".json": _json, ".html": as_html}.get(path.suffix)
    content = text(board).encode() if text else _picture(board)
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as problem:
        raise BoardError(f"{path} cannot be written: {problem.strerror or problem}") from None
    return path


def load(path) -> pd.DataFrame:
    """A scoreboard from .json, with its notes.

    Raises
    ------
    BoardError
        For a file that is no scoreboard.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        board = pd.DataFrame(content["rows"], columns=content["columns"])
        board.attrs = content["about"]
        numbers = ["value", "low", "high", "floor", "floor_low", "floor_high", "ceiling", "p"]
        board[numbers] = board[numbers].astype(float)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BoardError(f"{path} is no scoreboard: {problem}") from None
    return board


def _csv(board: pd.DataFrame) -> str:
    return board.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def _json(board: pd.DataFrame) -> str:
    rows = [[None if isinstance(x, float) and not np.isfinite(x) else x for x in row] for row in board.astype(object).to_numpy().tolist()]
    return json.dumps({"about": board.attrs, "columns": list(board), "rows": rows}, indent=1, ensure_ascii=False, allow_nan=False,
                      default=lambda number: number.item()) + "\n"


def _picture(board: pd.DataFrame) -> bytes:
    from matplotlib.figure import Figure

    from tng import figures

    board = board.assign(generator=board["generator"].map(figures.plain))    # a dollar is no mathematics
    figure = Figure(figsize=figures.scoreboard_size(board), layout="constrained")
    figures.plot_scoreboard(board, figure.subplots())
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=130)
    return out.getvalue()


def as_html(board: pd.DataFrame) -> str:
    """A page of its own: the picture, the summary with intervals, each station, and how to read them."""
    picture = base64.b64encode(_picture(board)).decode()
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in [*board.attrs.get("notes", []), *_left_out(board)])
    scored = board.attrs["stations"]
    parts = [styled(board, intervals=True).to_html()]
    parts += [f"<h2>{html.escape(code)}</h2>{styled(board, code, intervals=True).to_html()}" for code in scored if len(scored) > 1]
    return PAGE.format(picture=picture, notes=f"<ul>{notes}</ul>" if notes else "", tables="\n".join(parts),
                       counts=counts(board).to_html(border=0), meanings=meanings(board).to_html(border=0))


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Scoreboard</title>
<style>body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; font-size: 13px; margin: 1rem 0; display: block; overflow-x: auto }} th {{ text-align: left }} img {{ max-width: 100% }}</style>
<h1>Scoreboard</h1>
<p>Each value compares generated with held-out records. <b>Real against real</b> is the median of the same measure between two sets of recorded
records that share no earthquake and are as many, with the band in which 99 % of such pairs lie. Blue values lie inside that band: no better can be
asked for. Orange ones, marked †, lie outside; about one in fifty does by chance. Brackets hold 95 % intervals.</p>
{notes}
<img alt="Measures in rows, generators in columns; blue cells lie inside the band of real against real, orange ones outside." src="data:image/png;base64,{picture}">
<h2>How many measures lie outside</h2>
{counts}
<h2>All measures</h2>
{tables}
<h2>What they are</h2>
{meanings}
</html>
"""
