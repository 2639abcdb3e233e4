"""A report as sections of sentences, pictures and tables; written as one page of HTML and as Markdown.

What a section says may come from strangers' files.  It is escaped here, at the very end, in one place a format.
"""

from __future__ import annotations

import base64
import html
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO

MOST_ROWS = 20                           # of a table
LONGEST = 600                            # letters of a sentence or a cell
WIDTH, HEIGHT, DPI = 7.0, 4.4, 110       # inches and dots an inch, of a picture
STYLE = {"axes.grid": True, "axes.axisbelow": True, "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False,
         "legend.frameon": False, "legend.fontsize": 9, "xtick.labelsize": 9, "ytick.labelsize": 9}


@dataclass(frozen=True)
class Picture:
    """A PNG: its name, what a reader who cannot see it is told, and what draws it on an Axes."""

    name: str
    alt: str
    draw: Callable
    height: float = HEIGHT
    panels: int = 1


@dataclass(frozen=True)
class Table:
    """Rows of texts and numbers under a head."""

    head: tuple[str, ...]
    rows: list[tuple]


@dataclass(frozen=True)
class Section:
    """A heading with its picture, sentences and tables."""

    title: str
    says: list[str] = field(default_factory=list)
    picture: Picture | None = None
    tables: list[Table] = field(default_factory=list)


def tables(head: tuple[str, ...], rows: Sequence[tuple], most: int = MOST_ROWS) -> list[Table]:
    """A table of at most so many rows, whose last says how many more there are; none for no rows."""
    rows = list(rows)
    if len(rows) > most:
        rows = [*rows[:most - 1], (f"… and {len(rows) - most + 1:,} more", *[""] * (len(head) - 1))]
    return [Table(head, rows)] if rows else []


# --- pictures ------------------------------------------------------------------------------------------

def png(picture: Picture) -> bytes:
    """Draw without pyplot and without the user's settings, so that neither touches the other."""
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.simplefilter("ignore")              # letters that the font lacks; they appear as boxes
        figure = Figure(figsize=(WIDTH, picture.height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        picture.draw(figure.subplots(1, picture.panels, squeeze=False)[0])
        png = BytesIO()
        figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


# --- the two files -------------------------------------------------------------------------------------

def _clean(text) -> str:
    """One line of letters that can be printed and encoded; long ones are cut."""
    text = "".join(c if c.isprintable() and not 0xD800 <= ord(c) < 0xE000 else " " for c in str(text)[:LONGEST])
    return text if len(text) < LONGEST else text[:-1] + "…"


def _cell(value) -> str:
    return f"{value:,}" if isinstance(value, int) else _clean(value)


def _numeric(table: Table) -> list[bool]:
    """Which columns hold numbers, and so are set to the right."""
    return [any(isinstance(row[i], int) for row in table.rows) for i in range(len(table.head))]


CSS = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; max-width: 76rem; padding: 1rem; }
h1 { line-height: 1.2; margin-bottom: 0.2rem; overflow-wrap: anywhere; } h2 { border-top: 1px solid #ccc; padding-top: 1rem; }
p { max-width: 46rem; } .lead { font-size: 1.1rem; } .pair { display: grid; gap: 0 2rem; }
@media (min-width: 60rem) { .pair { grid-template-columns: minmax(0, 1.35fr) minmax(0, 1fr); } }
img { max-width: 100%; height: auto; } .table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.875rem; margin-bottom: 1rem; }
th, td { border-bottom: 1px solid #ddd; padding: 0.25rem 0.75rem 0.25rem 0; text-align: left; vertical-align: top; }
th.n, td.n { text-align: right; } td.long { overflow-wrap: anywhere; min-width: 10rem; }
"""


def _html_table(one: Table) -> str:
    numeric = _numeric(one)

    def cell(tag: str, value, number: bool) -> str:
        long = tag == "td" and any(len(word) > 20 for word in _cell(value).split())   # words that may be broken
        kind = ' class="long"' if long else ' class="n"' if number else ""
        return f"<{tag}{kind}>{_safe_html(value)}</{tag}>"

    head = "".join(cell("th", name, number) for name, number in zip(one.head, numeric))
    rows = ["".join(cell("td", value, number) for value, number in zip(row, numeric)) for row in one.rows]
    rows = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="table"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'


def _safe_html(text) -> str:
    return html.escape(_cell(text))


def as_html(title: str, lead: str, sections: Sequence[Section], pictures: dict[str, bytes]) -> str:
    """One page with the pictures in it; it runs no script and loads nothing."""
    safe = _safe_html
    parts = []
    for section in sections:
        words = "\n".join([*(f"<p>{safe(sentence)}</p>" for sentence in section.says), *map(_html_table, section.tables)])
        if section.picture:
            data = base64.b64encode(pictures[section.picture.name]).decode()
            image = f'<img alt="{safe(section.picture.alt)}" src="data:image/png;base64,{data}">'
            words = f'<div class="pair">\n<div>{image}</div>\n<div>\n{words}\n</div>\n</div>'
        parts.append(f"<section>\n<h2>{safe(section.title)}</h2>\n{words}\n</section>\n")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{safe(title)}</title>
<style>{CSS}</style>
</head>
<body>
<h1>{safe(title)}</h1>
<p class="lead">{safe(lead)}</p>
{"".join(parts)}</body>
</html>
"""


ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "://": "&#58;//", "www.": "www&#46;"}  # in this order


def _safe_markdown(text) -> str:
    text = re.sub(r"([\\`*_\[\]|~#$])", r"\\\1", _cell(text))
    for letters, entity in ENTITIES.items():
        text = text.replace(letters, entity)
    return text.strip()


def as_markdown(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The same with links to the pictures in the folder ``report``."""
    safe = _safe_markdown
    lines = [f"# {safe(title)}", "", safe(lead)]
    for section in sections:
        lines += ["", f"## {safe(section.title)}"]
        if section.picture:
            lines += ["", f"![{safe(section.picture.alt)}](report/{section.picture.name})"]
        for sentence in section.says:
            lines += ["", safe(sentence)]
        for one in section.tables:
            lines += ["", _markdown_row(map(safe, one.head)), _markdown_row("--:" if n else ":--" for n in _numeric(one))]
            lines += [_markdown_row(map(safe, row)) for row in one.rows]
    return "\n".join(lines) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
