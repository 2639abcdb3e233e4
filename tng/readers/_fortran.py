"""Text written with Fortran formats: ``(8F10.5)`` and its kin, numbers in fields of fixed width that may touch.

Everything here raises ValueError with a text that a reader puts the file's name before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

MOST_FIELDS = 500            # on one line
WIDEST_FIELD = 64
MOST_VALUES = 10_000_000     # of one series: more than two hours at 1000 Hz
CHUNK_BYTES = 1 << 20

_TOKEN = re.compile(r"(?P<scale>[+-]?\d{1,2})P,?|(?P<skip>\d{0,3})X,?|(?P<group>\d{0,3})\(|(?P<end>\)),?|"
                    r"(?P<repeat>\d{0,3})(?P<kind>I|F|ES|E|D|G)(?P<width>\d{1,3})(?:\.(?P<decimals>\d{1,2}))?(?:E\d)?,?")
_SOLID = re.compile(rb"[^\s\x1a]")
_NUMERIC = np.zeros(256, dtype=bool)
_NUMERIC[list(b"0123456789+-.eEdD ")] = True
_DIGIT = np.zeros(256, dtype=bool)
_DIGIT[list(b"0123456789.")] = True
_SIGN = np.zeros(256, dtype=bool)
_SIGN[list(b"+-")] = True


@dataclass(frozen=True)
class Form:
    """A line of numbers: where each field begins, how wide all of them are, decimals and kind (I, F, E)."""

    text: str
    kind: str
    width: int
    decimals: int
    starts: tuple[int, ...]

    @property
    def per_line(self) -> int:
        return len(self.starts)

    @property
    def line_width(self) -> int:
        return self.starts[-1] + self.width

    @property
    def rounding(self) -> float:
        """Half a unit of the last decimal that is printed; 0 for integers and floating forms."""
        return 0.5 * 10.0**-self.decimals if self.kind == "F" else 0.0


def edit_descriptor(text: str) -> Form:
    """The line that a Fortran format describes: ``(8F10.5)``, ``(10I8)``, ``(1E15.6)``, ``(5(1X,E12.5))``, ``(1P5E15.6)``.

    Raises
    ------
    ValueError
        If it is another kind of format, or its fields differ from each other.
    """
    plain = text.strip().upper().replace(" ", "")
    if len(plain) > 80:
        raise ValueError(f"a format of {len(plain)} characters")
    inner = plain[1:-1] if plain.startswith("(") and plain.endswith(")") else plain
    items, end = _items(inner, 0, text, 0)
    if end != len(inner):
        raise ValueError(f"the format {text!r}, which is not understood")
    at, starts, kinds, scaled = 0, [], set(), False
    for kind, width, decimals in items:
        if kind == "P":
            scaled = width != 0
        elif kind != "X":
            starts.append(at)
            kinds.add((kind, width, decimals))
        at += width if kind != "P" else 0
    if len(kinds) != 1:
        raise ValueError(f"the format {text!r}; fields of one kind are needed")
    kind, width, decimals = kinds.pop()
    if not 1 <= width <= WIDEST_FIELD or scaled and kind == "F":
        raise ValueError(f"the format {text!r}, which is not understood")
    return Form(text.strip(), kind, width, decimals, tuple(starts))


def _items(plain: str, at: int, text: str, depth: int) -> tuple[list[tuple[str, int, int]], int]:
    """Fields and gaps from `at` on, up to a closing bracket or the end."""
    items: list[tuple[str, int, int]] = []
    while at < len(plain):
        match = _TOKEN.match(plain, at)
        if not match or depth > 3:
            raise ValueError(f"the format {text!r}, which is not understood")
        at = match.end()
        if match["end"]:
            return items, at
        if match["scale"] is not None:
            items.append(("P", int(match["scale"]), 0))
        elif match["skip"] is not None:
            items.append(("X", int(match["skip"] or 1), 0))
        elif match["group"] is not None:
            inner, at = _items(plain, at, text, depth + 1)
            items += inner * min(int(match["group"] or 1), MOST_FIELDS)
        else:
            kind = {"I": "I", "F": "F"}.get(match["kind"], "E")
            items += [(kind, int(match["width"]), int(match["decimals"] or 0))] * int(match["repeat"] or 1)
        if len(items) > MOST_FIELDS:
            raise ValueError(f"the format {text!r}, of more than {MOST_FIELDS} fields")
    return items, at


class Lines:
    """Lines of a file one after the other, without their ends; the whole is never split at once."""

    def __init__(self, raw: bytes):
        self.raw = raw.removeprefix(b"\xef\xbb\xbf")
        self.at = 0
        self.number = 0          # of the line taken last, from 1

    def __bool__(self) -> bool:
        return self.at < len(self.raw)

    def take(self) -> bytes:
        """The next line.

        Raises
        ------
        ValueError
            At the end of the file.
        """
        if not self:
            raise ValueError(f"the file ends after line {self.number}; it is incomplete")
        end = self.raw.find(b"\n", self.at)
        end = len(self.raw) if end < 0 else end
        line = self.raw[self.at:end]
        self.at = end + 1
        self.number += 1
        return line.rstrip(b"\r\x1a")

    def text(self) -> str:
        """The next line as text; bytes that are not ASCII are only ever in names."""
        return self.take()[:400].decode("latin-1").rstrip()

    def peek(self) -> str:
        """The next line that is not blank, as text; it stays the next, blank ones before it are passed.  Empty at the end."""
        solid = _SOLID.search(self.raw, self.at)
        start = self.raw.rfind(b"\n", self.at, solid.start()) + 1 if solid else len(self.raw)
        if start > self.at:
            self.number += self.raw.count(b"\n", self.at, start)
            self.at = start
        place = self.at, self.number
        text = self.text() if solid else ""
        self.at, self.number = place
        return text


def skip_values(lines: Lines, count: int, per_line: int) -> None:
    """Pass over `count` values."""
    rows = -(-_sane(lines, count, per_line) // per_line)
    for _ in range(rows):
        lines.take()


def take_values(lines: Lines, count: int, form: Form, blanks: bool = False) -> np.ndarray:
    """The next `count` numbers, shape (count,), NaN for blank fields where `blanks` allows them.

    Raises
    ------
    ValueError
        The file ends before; a field that is not a number; a line that holds more than the format says.
    """
    values = np.empty(_sane(lines, count, form.per_line))
    rows_left, done = -(-count // form.per_line), 0
    while rows_left:
        first = lines.number + 1
        rows = [lines.take() for _ in range(min(rows_left, max(CHUNK_BYTES // form.line_width, 1)))]
        rows_left -= len(rows)
        wanted = min(len(rows) * form.per_line, count - done)
        values[done:done + wanted] = _numbers(_fields(rows, wanted, form, first), form, first, blanks)
        done += wanted
    return values


def _sane(lines: Lines, count: int, per_line: int) -> int:
    """`count`, if the rest of the file can hold as many values."""
    if not 0 <= count <= MOST_VALUES or -(-count // per_line) > len(lines.raw) - lines.at:
        raise ValueError(f"{count} values are announced after line {lines.number}, more than the file can hold; it is incomplete "
                         "or its header is wrong")
    return count


def _fields(rows: list[bytes], wanted: int, form: Form, first: int) -> np.ndarray:
    """The first `wanted` fields of some lines, one a row of bytes."""
    width = form.line_width
    for number, row in enumerate(rows, first):
        if len(row) > width and row[width:].strip():
            raise ValueError(f"line {number} goes on after the {form.per_line} fields of {form.text}")
    table = np.frombuffer(b"".join(row[:width].ljust(width) for row in rows), dtype=np.uint8).reshape(len(rows), width)
    columns = (np.array(form.starts)[:, None] + np.arange(form.width)).ravel()
    fields = table[:, columns].reshape(-1, form.width)
    if (fields[wanted:] != ord(" ")).any():
        raise ValueError(f"line {first + len(rows) - 1} holds more values than the header announces")
    return fields[:wanted]


def _numbers(fields: np.ndarray, form: Form, first: int, blanks: bool) -> np.ndarray:
    """What the fields say; those that are no plain numbers are looked at one by one, or by a second pass."""
    blank = (fields == ord(" ")).all(axis=1)
    odd = ~_NUMERIC[fields].all(axis=1)                                       # NaN, *****, anything
    short = (_SIGN[fields[:, 1:]] & _DIGIT[fields[:, :-1]]).any(axis=1) & ~odd  # 1.5-03: an exponent without its letter
    if blank.any() and not blanks:
        _refuse(int(np.argmax(blank)), "is blank", form, first)
    values = np.full(len(fields), np.nan)
    plain = ~(blank | odd | short)
    values[plain] = _converted(fields, np.flatnonzero(plain), form, first)
    if short.any():
        lettered = [re.sub(rb"(?<=[\d.])(?=[+-]\d)", b"E", bytes(field)) for field in fields[short]]
        try:
            values[short] = np.array(lettered).astype(np.float64)
        except ValueError:
            _refuse(int(np.argmax(short)), f"holds {bytes(fields[short][0]).decode()!r}", form, first)
    for place in np.flatnonzero(odd):
        text = bytes(fields[place]).decode("latin-1").strip()
        if text.lower().lstrip("+-") not in ("nan", "inf", "infinity"):
            _refuse(int(place), f"holds {text!r}, which is not a number", form, first)
        values[place] = float(text)
    if form.kind != "I" and form.decimals and not blanks:
        whole = ~(fields == ord(".")).any(axis=1) & (values != 0) & np.isfinite(values)
        if whole.any():  # read by Fortran it would be scaled down; whoever wrote it meant one or the other
            _refuse(int(np.argmax(whole)), f"holds {bytes(fields[np.argmax(whole)]).decode().strip()!r} without a decimal point",
                    form, first)
    return values


def _converted(fields: np.ndarray, places: np.ndarray, form: Form, first: int) -> np.ndarray:
    chosen = fields[places]
    chosen[(chosen == ord("D")) | (chosen == ord("d"))] = ord("E")
    texts = np.ascontiguousarray(chosen).view(f"S{form.width}").ravel()
    try:
        return texts.astype(np.float64)
    except ValueError:
        for place, text in zip(places, texts):
            try:
                float(text)
            except ValueError:
                _refuse(int(place), f"holds {text.decode().strip()!r}, which is not a number", form, first)
        raise


def _refuse(place: int, what: str, form: Form, first: int):
    row, column = divmod(place, form.per_line)
    raise ValueError(f"line {first + row}, field {column + 1} of {form.text}: it {what}")
