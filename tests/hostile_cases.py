"""Damaged files by the thousand, the same in every run: what a disk, a mail program or an ill will can do to records."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import writers_afad_text
import writers_cosmos
import writers_dyna
import writers_geonet
import writers_knet
import writers_mat
import writers_miniseed
import writers_openeew
import writers_peer
import writers_sac
from tng import writers
from tng.readers.options import Options
from tng.records import Record

SAMPLES, RATE_HZ = 600, 100.0
Files = dict[str, bytes]


@dataclass(frozen=True)
class Specimen:
    """Whole files of one record, and what a user must declare; `text` if a person can read them."""

    name: str
    files: Files
    options: Options
    data: np.ndarray
    text: bool = True
    other_rate: Files = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """Files as they are found.

    A record that comes of them must be the specimen's motion, some samples apart, unless so much is damaged that no
    format protects from it (`anything`), or must not come at all (`refused`).
    """

    label: str
    specimen: Specimen | None
    files: Files
    anything: bool = False
    refused: bool = False


def motion(samples=SAMPLES, seed=5) -> np.ndarray:
    """Enveloped noise with peaks of 20, 30 and 10 gal, shape (3, samples)."""
    data = np.random.default_rng(seed).normal(size=(3, samples)) * (0.1 + np.hanning(samples))
    data -= data.mean(axis=1, keepdims=True)
    return data / np.abs(data).max(axis=1, keepdims=True) * [[20.0], [30.0], [10.0]]


# --- whole files ---------------------------------------------------------------------------------------

def own_csv(folder, data, rate_hz):
    meta = {"trace_license": "CC0", "trace_start_time": "2020-01-01T00:00:00Z"}
    return writers.write([Record(data, rate_hz, "9901", "e", meta)], folder, "csv")


def own_mseed(folder, data, rate_hz):
    meta = {"trace_license": "CC0", "trace_start_time": "2020-01-01T00:00:00Z"}
    files = writers.write([Record(data, rate_hz, "9901", "e", meta)], folder, "mseed")
    next(folder.glob("stations-*.xml")).rename(folder / "stations.xml")
    return files


WRITERS: dict[str, tuple[Callable, dict]] = {
    "mat": (writers_mat.write, {"text": False}),
    "mat-uncompressed": (lambda *args: writers_mat.write(*args, compressed=False), {"text": False}),
    "signal": (lambda folder, data, rate_hz: writers_mat.write_signal(folder, data), {"unit": "gal", "text": False}),
    "afad-text": (writers_afad_text.write, {}),
    "dyna-esm": (writers_dyna.write, {}),
    "dyna-afad": (lambda *args: writers_dyna.write(*args, dialect="afad"), {}),
    "knet": (writers_knet.write, {}),
    "kiknet": (lambda *args: writers_knet.write(*args, "surface"), {}),
    "miniseed": (writers_miniseed.write, {"xml": "XX.TST1.xml", "text": False}),
    "own-miniseed": (own_mseed, {"xml": "stations.xml", "text": False}),
    "sac": (writers_sac.write, {"text": False}),
    "peer": (writers_peer.write, {}),
    "cosmos": (writers_cosmos.write, {}),
    "cosmos-split": (lambda *args: writers_cosmos.write(*args, split=True), {}),
    "geonet-v1a": (writers_geonet.write, {}),
    "geonet-v2a": (lambda *args: writers_geonet.write(*args, corrected=True), {}),
    "own-csv": (own_csv, {}),
    "openeew": (writers_openeew.write, {"openeew": True}),
}


def specimens(folder: Path) -> list[Specimen]:
    """One of each; what they need beside them (StationXML, tables) stays in `folder`."""
    made = []
    for name, (write, about) in WRITERS.items():
        place, other = folder / name, folder / f"{name}-other-rate"
        place.mkdir(parents=True)
        other.mkdir()
        rate = 31.25 if name == "openeew" else RATE_HZ
        data = motion(6000 if name == "signal" else SAMPLES)
        files = {path.name: path.read_bytes() for path in write(place, data, rate)}
        slow = {path.name: path.read_bytes() for path in write(other, data, rate / 2)} if len(files) > 1 else {}
        options = Options(unit=about.get("unit"), stationxml=(place / about["xml"],) if "xml" in about else ())
        if "openeew" in about:
            options = writers_openeew.options(place)
        made.append(Specimen(name, files, options, data, about.get("text", True), slow))
    return made


# --- damage --------------------------------------------------------------------------------------------

VALUES = ["", "0", "-1", "1", "7", "1e300", "-1e300", "1E999", "NaN", "inf", "99999999999999999999", "text", "１２", "٣", "1,5",
          "0x10", "1_0", "+-3", "1e-300", "4294967296", ".", "%s%n", "\x00", "²", "7" * 5000]
NUMBER = re.compile(rb"(?<![A-Za-z0-9_])[-+]?\d*\.?\d+(?:[Ee][-+]?\d+)?")
SIGNATURES = [b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM", b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM",
              b"STRONG GROUND MOTION RECORDS OF TURKIYE\r\n", b"EVENT_NAME: x\nNDATA: 5\nUNITS: cm/s^2\nSTREAM: HNE\n",
              b"Origin Time       2020/01/02 12:04:05\nStation Code x\nRecord Time x\n",
              b"PEER NGA STRONG MOTION DATABASE RECORD\na, 1/1/2020, b, 090\nACCELERATION TIME SERIES IN UNITS OF G\nNPTS= 4, DT= .01 SEC\n",
              b"Corrected accelerogram\n" + b"x\n" * 8 + b"Number of points 1\nx\nx\nComponent Up\nx\nx\nx\n",
              b"Corrected acceleration (Format v01.20 with 13 text lines)\n",
              b'{"device_id": "1", "x": [], "y": [], "z": [], "cloud_t": 1, "sr": 31.25}\n', b'# format: "tng-csv 1"\n',
              b"000001D TST1   HNEXX" + bytes.fromhex("07e400010000000000000000") + bytes(600), b"MS\x03", b"000001V 010",
              b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\x00",
              b"x" * 257 + b"ustar"]


def header_end(raw: bytes, specimen: Specimen) -> int:
    """Where samples begin, more or less: at the first long run of lines of numbers only."""
    if not specimen.text:
        return min(700, len(raw) // 2)
    found = re.search(rb"(?:^[-+0-9.eE, \t]*[0-9][ \t]*\r?\n){12}", raw, re.MULTILINE)
    return found.start() if found else min(2000, len(raw) // 4)


def bulk(specimen: Specimen, seed: str = "") -> Iterator[Case]:
    """All cases of one format."""
    dice = random.Random(specimen.name + seed)
    names = sorted(specimen.files)

    def case(label, name=None, raw=b"", **more):
        return Case(f"{specimen.name}: {label}", specimen, {**specimen.files, name: raw} if name else specimen.files, **more)

    yield case("whole")
    makers = [cuts, flips, noise, encodings, lines, headers if specimen.text else words, pieces]
    for maker in makers:
        for label, name, raw, more in maker(specimen, names, dice):
            yield case(f"{maker.__name__}, {label}", name, raw, **more)
    for label, files, more in sets(specimen, names):
        yield Case(f"{specimen.name}: sets, {label}", specimen, files, **more)


def cuts(specimen, names, dice):
    for number, share in enumerate((0, 0, .001, .01, .03, .1, .2, .3, .5, .7, .8, .9, .95, .99, .999, -1, -2, -3, -9, -100)):
        name = names[number % len(names)]
        raw = specimen.files[name]
        end = number if number < 2 else int(len(raw) * share) if share >= 0 else len(raw) + share
        yield f"{end} of {len(raw)} bytes", name, raw[:end], {}


def flips(specimen, names, dice):
    """One byte each, half of them in the header."""
    for number in range(60):
        name = dice.choice(names)
        raw = bytearray(specimen.files[name])
        most = header_end(bytes(raw), specimen) if number % 2 else len(raw)
        place = dice.randrange(most)
        new = dice.choice([raw[place] ^ 1 << dice.randrange(8), dice.randrange(256), dice.choice(b"0123456789-+. \n")])
        raw[place] = new
        yield f"byte {place} is {new}", name, bytes(raw), {}
    for number in range(15):
        name = dice.choice(names)
        raw = bytearray(specimen.files[name])
        for _ in range(dice.choice([3, 30])):
            raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
        yield f"many {number}", name, bytes(raw), {"anything": True}


def noise(specimen, names, dice):
    for number in range(14):
        name = dice.choice(names)
        raw = bytearray(specimen.files[name])
        length = min(dice.choice([2, 16, 200, 4096]), len(raw))
        place = dice.randrange(header_end(bytes(raw), specimen) if number % 2 else len(raw))
        raw[place:place + length] = dice.randbytes(length) if number % 4 else bytes(length)
        yield f"{length} bytes at {place}", name, bytes(raw), {"anything": True}


def encodings(specimen, names, dice):
    name = names[0]
    raw = specimen.files[name]
    text = raw.decode("latin-1")
    end = header_end(raw, specimen)
    yield "UTF-16", name, text.encode("utf-16"), {"refused": True}
    yield "UTF-16 without a mark", name, text.encode("utf-16-be"), {"refused": True}
    yield "UTF-32", name, text.encode("utf-32"), {"refused": True}
    yield "BOM", name, b"\xef\xbb\xbf" + raw, {}
    yield "two BOMs", name, b"\xef\xbb\xbf" * 2 + raw, {}
    yield "NUL in front", name, b"\0" + raw, {}
    yield "NUL behind", name, raw + b"\0" * 100, {}
    yield "NULs in it", name, raw[:end] + b"\0\0" + raw[end:], {}
    yield "latin-1 in the header", name, re.sub(rb"(?<=[a-z])[a-z](?=[a-z])", b"\xe4", raw[:end]) + raw[end:], {}
    yield "upper case", name, raw[:end].upper() + raw[end:], {}
    yield "decimal commas", name, raw.replace(b".", b","), {}
    yield "seven bits", name, bytes(byte & 127 for byte in raw), {}


def lines(specimen, names, dice):
    name = names[0]
    raw = specimen.files[name]
    plain = raw.replace(b"\r\n", b"\n") if specimen.text else raw
    end = header_end(raw, specimen)
    yield "CR", name, plain.replace(b"\n", b"\r"), {}
    yield "CRLF", name, plain.replace(b"\n", b"\r\n"), {}
    yield "LF", name, plain, {}
    yield "LFCR", name, plain.replace(b"\n", b"\n\r"), {}
    yield "mixed", name, re.sub(rb"\n", lambda _: dice.choice([b"\n", b"\r\n", b"\r"]), plain), {}
    yield "blank lines between", name, plain.replace(b"\n", b"\n\n"), {}
    yield "no line ends", name, plain.replace(b"\n", b" "), {}
    yield "a megabyte of blanks in the header", name, raw[:end // 2] + b" " * (1 << 20) + raw[end // 2:], {}
    yield "a megabyte of digits in the header", name, raw[:end // 2] + b"7" * (1 << 20) + raw[end // 2:], {}
    yield "a megabyte of digits behind", name, raw + b"7" * (1 << 20), {}
    yield "a megabyte of lines in front", name, b"\n" * (1 << 20) + raw, {}
    yield "a megabyte of lines in the header", name, raw[:end // 2] + b"\n" * (1 << 20) + raw[end // 2:], {}
    yield "a megabyte of brackets behind", name, raw + b"[{(" * 350_000, {}


def headers(specimen, names, dice):
    """Numbers of the header replaced by what is none, or by a wrong one."""
    for number in range(70):
        name = names[number % len(names)]
        raw = specimen.files[name]
        found = [match for match in NUMBER.finditer(raw, 0, header_end(raw, specimen))]
        place = dice.choice(found)
        value = VALUES[number % len(VALUES)]
        yield (f"{place[0].decode()} at {place.start()} is {value!r}", name,
               raw[:place.start()] + value.encode() + raw[place.end():], {})


def words(specimen, names, dice):
    """Words of a binary header set to extremes."""
    for number in range(90):
        name = names[number % len(names)]
        raw = bytearray(specimen.files[name])
        size = dice.choice([2, 4, 4, 8])
        place = dice.randrange(min(len(raw), 700) // size) * size
        value = [b"\xff" * size, b"\0" * size, b"\xff" * (size - 1) + b"\x7f", b"\x7f" + b"\xff" * (size - 1),
                 b"\0" * (size - 1) + b"\x80", b"\1" + b"\0" * (size - 1), b" " * size][number % 7]
        raw[place:place + size] = value
        yield f"{value!r} at {place}", name, bytes(raw), {"anything": True}


def pieces(specimen, names, dice):
    """Parts that are gone, doubled or moved, and wrong beginnings."""
    for number in range(8):
        name = dice.choice(names)
        raw = specimen.files[name]
        a, b = sorted(dice.sample(range(len(raw)), 2))
        yield f"without {a} to {b}", name, raw[:a] + raw[b:], {"anything": True}
        yield f"{a} to {b} twice", name, raw[:b] + raw[a:], {"anything": True}
    name, raw = names[0], specimen.files[names[0]]
    yield "twice", name, raw + raw, {}
    yield "backwards", name, raw[::-1], {"refused": True}
    yield "lines backwards", name, b"\n".join(raw.split(b"\n")[::-1]), {"anything": True}
    for length in (1, 4, 8, 20, 64, 128, 700):
        yield f"{length} bytes and noise", name, raw[:length] + dice.randbytes(3000), {}
        yield f"{length} bytes and zeros", name, raw[:length] + bytes(3000), {"refused": True}


def sets(specimen, names):
    """Files that are not there, there twice, or of another record."""
    files = specimen.files
    for name in names:
        yield f"without {name}", {other: raw for other, raw in files.items() if other != name}, {"refused": True}
        yield f"{name} twice", {**files, "copy-" + name: files[name]}, {}
        if specimen.other_rate:
            yield f"{name} at half the rate", {**files, name: specimen.other_rate[name]}, {"refused": True}
    for name, other in zip(names, names[1:] + names[:1]):
        if name != other:
            yield f"{name} has the content of {other}", {**files, name: files[other]}, {"refused": True}
            yield f"{name} and {other} have each other's", {**files, name: files[other], other: files[name]}, {}
    yield "other names", {f"{number}": raw for number, raw in enumerate(files.values())}, {}
    yield "all extensions gone", {name.rpartition(".")[0] or name: raw for name, raw in files.items()}, {}
    for number, signature in enumerate(SIGNATURES if specimen.name == "mat" else ()):
        for ending in (b"", b"\0", b"\n", b"1 2 3\n" * 50, b"\xff" * 9000):
            yield f"signature {number} and {len(ending)} bytes", {f"record{number}.dat": signature + ending}, {"refused": True}
