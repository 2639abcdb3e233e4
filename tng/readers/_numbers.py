"""Numbers in text files of one component: header values, sampling rates, and columns of samples."""

from __future__ import annotations

import re
import warnings

import numpy as np

from tng.records import RATES_HZ, DataError, FormatError, SamplingError
from tng.sources import RawFile

LARGEST_BYTES = 32 << 20           # text of one component; an hour at 200 Hz takes 11 MB
MOST_SAMPLES = 2_000_000           # of one component; 2.7 h at 200 Hz
LONGEST_NUMBER = 64                # characters
# Rates whose interval has no short decimal form, so that files print it rounded.
ODD_RATES_HZ = (30, 32, 60, 64, 120, 128, 150, 240, 256, 300, 512, 600)
NUMERIC = b"0123456789+-.eEdD \t\r\n\f\v"
_IS_BLANK = np.isin(np.arange(256), list(b" \t\r\n\f\v"))
_TO_E = bytes.maketrans(b"dD", b"EE")


def content(file: RawFile) -> bytes:
    """The whole file, if it is not larger than any one component is.

    Raises
    ------
    FormatError
    """
    if file.size > LARGEST_BYTES:
        raise FormatError(f"{file.name}: {file.size >> 20} MB of text; one component of an earthquake is at most "
                          f"{LARGEST_BYTES >> 20} MB, cut it to the event first")
    return file.read()


def samples(body: bytes, stated: int, key: str, name: str) -> np.ndarray:
    """All numbers of a text, any number a line; Fortran's may touch (``.12E-01-.34E-02``) or have D exponents.

    `stated` is how many there must be, and `key` what the header calls that.

    Raises
    ------
    FormatError
        Other text among them, or another number of them.
    DataError
        Values that are not finite (NaN, infinity, a field of asterisks).
    """
    other = body.translate(None, NUMERIC).lower()
    if other:
        at = re.search(rb"[^0-9+\-.eEdD\s]", body).start()
        shown = body[at:at + 30].split()[0].decode("latin-1")
        if set(other) <= set(b"nainfty*"):
            raise DataError(f"{name}: samples that are not finite numbers (the first is {shown!r}); repair or drop the record")
        raise FormatError(f"{name}: {shown!r} among the samples; the file is damaged")
    found = _parse(body, stated, key, name)
    if not np.isfinite(found).all():
        raise DataError(f"{name}: sample {int(np.flatnonzero(~np.isfinite(found))[0])} is not a finite number")
    return found


def _parse(body: bytes, stated: int, key: str, name: str) -> np.ndarray:
    """Numbers of a text of nothing else; they are counted before room is made for them."""
    body = _apart(body.translate(_TO_E), name)
    blank = np.concatenate([[True], _IS_BLANK[np.frombuffer(body, np.uint8)], [True]])
    begins = blank[:-1] & ~blank[1:]
    count = np.count_nonzero(begins)
    if count != stated:
        raise FormatError(f"{name}: {count} samples, but {key} says {stated}; the file is incomplete or its header is wrong")
    if not stated:
        raise FormatError(f"{name}: no samples")
    if stated > MOST_SAMPLES:
        raise DataError(f"{name}: {stated} samples, more than {MOST_SAMPLES}; cut it to the event first")
    starts, ends = np.flatnonzero(begins), np.flatnonzero(~blank[:-1] & blank[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")      # how NumPy tells of text that is no number
        try:
            if (ends - starts).max() > LONGEST_NUMBER:
                raise ValueError
            return np.fromstring(body, dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError) as error:
            raise FormatError(f"{name}: samples that cannot be read as numbers; the file is damaged") from error


def _apart(body: bytes, name: str) -> bytes:
    """A blank before each sign that is not of an exponent, and an E before a bare one of three digits (Fortran's 0.123-101)."""
    text = np.frombuffer(body, np.uint8)
    digit = (text >= ord("0")) & (text <= ord("9"))
    within = digit | (text == ord("."))                     # a sign after these begins a number, or a bare exponent
    touching = ((text == ord("+")) | (text == ord("-")))[1:] & within[:-1]
    if not touching.any():
        return body
    if np.count_nonzero(touching) > MOST_SAMPLES:
        raise DataError(f"{name}: more than {MOST_SAMPLES} samples; cut it to the event first")
    sign = np.flatnonzero(touching) + 1
    digit, within = (np.concatenate([flags, np.zeros(5, dtype=bool)]) for flags in (digit, within))
    bare = digit[sign + 1] & digit[sign + 2] & digit[sign + 3] & ~within[sign + 4]
    return np.insert(text, sign, np.where(bare, ord("E"), ord(" ")).astype(np.uint8)).tobytes()


def whole(text: str, key: str, name: str) -> int:
    """A count in a header.

    Raises
    ------
    FormatError
        Not a whole number of at most 9 digits.
    """
    if not re.fullmatch(r"\+?[0-9]{1,9}(\.0*)?", text.strip()):
        raise FormatError(f"{name}: {key} is {text[:40] or 'missing'}; a number of samples is needed")
    return int(text.strip().partition(".")[0])


def rate_hz(text: str, key: str, name: str) -> float:
    """Samples a second, from an interval [s] as printed: 0.0078 is 128 Hz, for 1/128 is 0.0078 when so rounded.

    Raises
    ------
    SamplingError
        No number, or not between 1 and 1000 Hz.
    """
    dt_s = number(text)
    if not (np.isfinite(dt_s) and 1 / RATES_HZ[1] <= dt_s <= 1 / RATES_HZ[0]):
        raise SamplingError(f"{name}: {key} is {text[:40] or 'missing'}; between {1 / RATES_HZ[1]} and {1 / RATES_HZ[0]:g} s is "
                            "needed")
    exact = round(1 / dt_s, 9)
    for rate in () if exact.is_integer() else ODD_RATES_HZ:
        if abs(1 / rate - dt_s) <= min(half_last_digit(text), 0.011 * dt_s):
            return float(rate)
    return exact


def half_last_digit(text: str) -> float:
    """Half a unit of the last decimal that a number is printed with: the most that rounding took away; 0 if none is."""
    printed = re.fullmatch(r"\s*[-+]?[0-9]*\.([0-9]+)(?:[EeDd]([-+]?[0-9]{1,2}))?\s*", text)
    return 0.5 * 10.0 ** (int(printed[2] or 0) - len(printed[1])) if printed else 0.0


def number(text: str, low: float = -np.inf, high: float = np.inf) -> float:
    """A number from a header, NaN where there is none or none between `low` and `high`."""
    try:
        value = float(text.strip().translate(str.maketrans("dD_", "EEx")))
    except ValueError:
        return np.nan
    return value if np.isfinite(value) and low <= value <= high else np.nan


def text_of(raw: bytes) -> str:
    """Text of a header: UTF-8, else Turkish 8-bit; only names in it are not ASCII, and they are cosmetic."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1254", errors="replace")
