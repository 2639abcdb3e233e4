"""Damaged and malicious archives and SeisBench folders, and files far larger than any record, the same in every run."""

from __future__ import annotations

import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import writers_afad_text
import writers_knet
import writers_miniseed
import writers_sac
import writers_seisbench
from hostile_cases import Case, Specimen, flips, motion
from tng.readers.options import Options

CLIMBING = ["../../escaped.txt", "/escaped.txt", "C:\\escaped.txt", "a/../../escaped.txt", "..\\..\\escaped.txt", "..", ".", "/", "a//b.txt",
            "line\nbreak.txt", "\x1b[31mred.txt", "\u202etxt.exe", "x" * 5000 + ".txt", "ä€.txt", "a/" * 500 + "deep.txt", "CON", "a:b.txt"]
PACK = {"gz": gzip.compress, "xz": lzma.compress, "bz2": __import__("bz2").compress}


def zipped(members, compression=zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of (name, content); a name may come twice."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in members:
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, compression
            with __import__("warnings").catch_warnings():
                __import__("warnings").simplefilter("ignore")
                archive.writestr(info, content)
    return packed.getvalue()


def tarred(members) -> bytes:
    """A tar of (name, content, changes of the header)."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content, *changes in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in (changes[0] if changes else {}).items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return packed.getvalue()


def specimen(folder: Path) -> Specimen:
    [file] = writers_afad_text.write(folder, motion())
    return Specimen("archive", {file.name: file.read_bytes()}, Options(), motion())


def archives(whole: Specimen) -> Iterator[Case]:
    """Zip, tar and packed single files: damaged, lying, nested, climbing."""
    dice = random.Random("archives")
    [(name, text)] = whole.files.items()
    kinds = {"a.zip": zipped([(name, text)]), "stored.zip": zipped([(name, text)], zipfile.ZIP_STORED),
             "lzma.zip": zipped([(name, text)], zipfile.ZIP_LZMA), "a.tar": tarred([(name, text)])}
    kinds |= {f"{name}.{kind}": pack(text) for kind, pack in PACK.items()}
    kinds |= {f"a.tar.{kind}": pack(kinds["a.tar"]) for kind, pack in PACK.items()}

    def case(label, name, raw, **more):
        return Case(f"archives: {label}", whole, {name: raw}, **more)

    for archive, raw in kinds.items():
        yield case(f"{archive} whole", archive, raw)
        for share in (.001, .01, .1, .3, .5, .7, .9, .97, .99, .999):
            yield case(f"{archive} cut to {share}", archive, raw[:int(share * len(raw))])
        for label, _, damaged, more in flips(Specimen("", {archive: raw}, Options(), whole.data, text=False), [archive], dice):
            yield case(f"{archive} {label}", archive, damaged, **more)
        yield case(f"{archive} and noise", archive, raw + dice.randbytes(3000))
        yield case(f"{archive} twice", archive, raw + raw)
        yield case(f"{archive} without a middle", archive, raw[:len(raw) // 3] + raw[2 * len(raw) // 3:])
        for length in (4, 8, 20, 60, 600):
            yield case(f"{archive}, {length} bytes and zeros", archive, raw[:length].ljust(3000, b"\0"))
    yield from liars(case, name, text)
    for number, bad in enumerate(CLIMBING):
        yield case(f"zip, name {number}", "a.zip", zipped([(bad, text), (bad, b"notes")]))
        yield case(f"tar, name {number}", "a.tar", tarred([(bad, text), (bad + "2", b"notes")]))
    for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE,
                                   tarfile.CONTTYPE, b"Z")):
        yield case(f"tar, type {number}", "a.tar", tarred([("link.txt", b"", {"type": kind, "linkname": "/etc/passwd"}),
                                                           ("notes.md", b"notes")]), refused=True)
    for deep in (2, 3, 4, 40):
        inner, packed = kinds["a.zip"], text
        for _ in range(deep):
            inner, packed = zipped([("inner.zip", inner)]), gzip.compress(packed)
        yield case(f"zip {deep} deep", "a.zip", inner, refused=deep > 2)
        yield case(f"gz {deep} deep", "a.gz", packed, refused=deep > 3)
    yield case("zip of zips", "a.zip", zipped([(f"{number}.zip", kinds["a.zip"]) for number in range(50)]))
    yield case("bomb in a zip", "a.zip", zipped([(f"{number}.txt", bytes(20 << 20)) for number in range(3)]), refused=True)
    yield case("bomb in a zip in a zip", "a.zip", zipped([("b.zip", zipped([("x.txt", bytes(20 << 20))]))]), refused=True)
    yield case("nothing in a zip", "a.zip", zipped([]), refused=True)
    yield case("nothing in a tar", "a.tar.gz", gzip.compress(tarred([])), refused=True)
    yield case("nothing packed", "a.gz", gzip.compress(b""), refused=True)
    yield case("3000 empty members", "a.zip", zipped([(f"{number}.txt", b"") for number in range(3000)]), refused=True)
    yield case("3000 empty members of a tar", "a.tar", tarred([(f"{number}.txt", b"") for number in range(3000)]), refused=True)
    yield case("one name 50 times", "a.zip", zipped([(name, text)] * 50))


def liars(case, name: str, text: bytes) -> Iterator[Case]:
    """Sizes and flags that are not true: in a zip's directory, in its local headers, in a tar's header."""
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raw = zipped([(name, text)], compression)
        central, local = raw.index(b"PK\x01\x02"), 0
        fields = {"flags": (central + 8, local + 6, "<H"), "method": (central + 10, local + 8, "<H"),
                  "crc": (central + 16, local + 14, "<I"), "packed": (central + 20, local + 18, "<I"),
                  "size": (central + 24, local + 22, "<I"), "name": (central + 28, local + 26, "<H"),
                  "place": (central + 42, central + 42, "<I"), "members": (len(raw) - 12, len(raw) - 14, "<H"),
                  "directory": (len(raw) - 6, len(raw) - 6, "<I"), "comment": (len(raw) - 2, len(raw) - 2, "<H")}
        for field, (one, other, style) in fields.items():
            for number, value in enumerate((0, 1, 9, 99, 0x0801, 0x7fff, 0xffff, 0xfffffffe, 0xffffffff)):
                for places in ((one,), (other,), (one, other)):
                    lying = bytearray(raw)
                    for place in places:
                        struct.pack_into(style, lying, place, value & (0xffff if style == "<H" else 0xffffffff))
                    yield case(f"zip, {field} {value} at {places} ({compression})", "a.zip", bytes(lying))
    for size in (b"00000000000", b"00000000001", b"77777777777", b"-0000000001", b"text       ", b"\x80" + b"\0" * 3 + b"\xff" * 8,
                 b"\xff" * 12, b"\x80" + b"\0" * 10 + b"\1"):
        for kind in (b"0", b"L", b"K", b"x", b"S", b"g"):
            raw = bytearray(tarred([(name, text)]))
            raw[124:124 + len(size)] = size
            raw[156:157] = kind
            raw[148:156] = b" " * 8
            raw[148:156] = b"%06o\0 " % sum(raw[:512])
            yield case(f"tar, size {size!r} of type {kind!r}", "a.tar", bytes(raw))


# --- SeisBench -----------------------------------------------------------------------------------------

def seisbench(folder: Path) -> tuple[Specimen, Iterator[Case]]:
    """A data set of three records, and what can be wrong with its two files."""
    folder.mkdir(parents=True)
    table, waveforms = (path.name for path in writers_seisbench.write(folder, motion()))
    files = {name: (folder / name).read_bytes() for name in (table, waveforms)}
    whole = Specimen("seisbench", files, Options(), motion())
    return whole, _seisbench_cases(whole, table, waveforms)


def _seisbench_cases(whole: Specimen, table: str, waveforms: str) -> Iterator[Case]:
    dice = random.Random("seisbench")
    files = whole.files

    def case(label, name, raw, **more):
        return Case(f"seisbench: {label}", whole, {**files, name: raw}, **more)

    yield case("whole", table, files[table])
    for name, binary in ((table, False), (waveforms, True)):
        raw = files[name]
        for share in (0, .001, .01, .05, .2, .4, .6, .8, .95, .999):
            yield case(f"{name} cut to {share}", name, raw[:int(share * len(raw))], refused=not binary and share < .3)
        one = Specimen("", {name: raw}, Options(), whole.data, text=not binary)
        for _ in range(2):
            for label, _, damaged, more in flips(one, [name], dice):
                yield case(f"{name} {label}", name, damaged, **{"anything": binary, **more})
        for at in range(0, min(len(raw), 2400), 40):
            for value in (b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f"):
                yield case(f"{name} {value!r} at {at}", name, raw[:at] + value + raw[at + len(value):], anything=True)
        yield case(f"{name} is empty", name, b"", refused=True)
        yield case(f"{name} is noise", name, dice.randbytes(5000), refused=True)
    row = files[table].decode().splitlines()
    for label, text in {"UTF-16": files[table].decode().encode("utf-16"), "BOM": b"\xef\xbb\xbf" + files[table], "NULs": files[table] + bytes(50),
                        "CR": files[table].replace(b"\n", b"\r"), "quotes": files[table].replace(b",", b'","', 3),
                        "no rows": row[0].encode(), "many columns": (row[0] + ",x" * 5000 + "\n" + row[1]).encode(),
                        "a long line": files[table] + b"7" * (5 << 20), "many rows": files[table] + (row[1] + "\n").encode() * 300}.items():
        yield case(label, table, text)
    for place in ("bucket0$0,:3,:99999999999", "bucket0$-1", "bucket0$1", "bucket0$0:9e9", "../x", "bucket0", "bucket0$", "$", "$$$", "data",
                  "bucket0$0,0,0,0,0", "bucket0$::0", "/", "", "bucket0$0,:2,:600", "bucket0$0,:3,5:5"):
        yield case(f"trace {place!r}", table, files[table].replace(b"bucket0$0,:3,:600", place.encode(), 1))


# --- far larger than any record ------------------------------------------------------------------------

HUGE = 100 << 20


def large(folder: Path) -> Iterator[tuple[str, Options]]:
    """Files of about 100 MB, one at a time; each is gone when the next is asked for."""
    digits = b"1234567890" * (1 << 20) * 10
    values = b"  0.123456" * (1 << 20) * 10
    rows = b"1.0,2.0,3.0,4.0\n" * (6 << 20)
    short = b"1\n" * (50 << 20)
    options = Options()
    heads = {
        "text.txt": "\r\n".join(writers_afad_text.text_lines(motion(4).T)[:18]).encode() + b"\r\n",
        "knet.EW": writers_knet.write(folder, motion(8))[0].read_bytes(),
        "dyna.asc": b"EVENT_NAME: x\nNDATA: 10485760\nUNITS: cm/s^2\nSTREAM: HNE\nSTATION_CODE: A\nSAMPLING_INTERVAL_S: .01\n",
        "peer.AT2": b"PEER\nx, 1/1/2020, y, 090\nACCELERATION TIME SERIES IN UNITS OF G\nNPTS= 10485760, DT= .01 SEC\n",
        "own.csv": b'# format: "tng-csv 1"\n# station: "a"\n# event: ""\n# sampling_rate_hz: 100.0\n# samples: 6291456\n'
                   b"time_s,E_cmps2,N_cmps2,Z_cmps2\n",
        "openeew.jsonl": b'{"device_id": "1", "x": [1], "y": [1], "z": [1], "cloud_t": 1, "sr": 31.25, "device_t": 1}\n',
        "unknown.txt": b"",
    }
    for path in folder.iterdir():
        path.unlink()
    for name, head in heads.items():
        for body in (digits, values, rows, short):
            (folder / name).write_bytes(head + body)
            yield f"{name} of {body[:12]!r}", options
    (folder / "openeew.jsonl").write_bytes(heads["openeew.jsonl"] * (HUGE // 90))
    yield "many packets", Options(vertical_axis="x")
    yield from _large_binary(folder)
    for kind, content in (("gz", gzip.compress(bytes(150 << 20), 1)), ("xz", lzma.compress(bytes(150 << 20), preset=0)),
                          ("tar.gz", gzip.compress(tarred([("a.txt", values[:110 << 20])]), 1))):
        for number in range(5):
            (folder / f"{number}.{kind}").write_bytes(content)
        yield f"five {kind} that unfold to 100 MB and more", options
    for number in range(6):
        (folder / f"{number}.txt.gz").write_bytes(gzip.compress(values[:10 * (number + 9 << 20)], 1))
    yield "six packed files of 100 MB", options


def _large_binary(folder: Path) -> Iterator[tuple[str, Options]]:
    [seed] = writers_miniseed.write(folder, np.ones((3, 4000)), counts_per_gal=1000.0, xml=False)
    record = seed.read_bytes()[:512]
    seed.write_bytes(record * (HUGE // 512))
    yield "miniSEED of one record for ever", Options(unit="gal")
    record = bytearray(record)
    record[52:53] = b"\1"                              # nothing but its header differs: constant differences
    for name in ("a.mseed", "b.mseed", "c.mseed"):
        (folder / name).write_bytes(b"".join(bytes(record[:24]) + struct.pack(">BBBBH", hour % 24, minute, 0, 0, 0) + bytes(record[30:])
                                             for hour in range(20) for minute in range(60)))
    yield "miniSEED of many hours", Options(unit="gal")
    [sac, *others] = writers_sac.write(folder, motion(100))
    raw = bytearray(sac.read_bytes())
    raw[316:320] = struct.pack("<i", HUGE // 4)
    sac.write_bytes(bytes(raw[:632]) + np.tile(np.arange(1024, dtype="<f4"), HUGE // 4096).tobytes())
    for other in others:
        other.unlink()
    yield "SAC", Options()
    (folder / "x.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, 0) + bytes(HUGE))
    yield "MATLAB", Options()
    import zlib
    packed = zlib.compress(struct.pack("<II", 14, 400 << 20) + bytes(400 << 20), 1)
    (folder / "x.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, len(packed)) + packed)
    yield "MATLAB, a bomb", Options()
