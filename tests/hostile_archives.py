"""Damaged and malicious archives and SeisBench folders, and files far larger than any record, the same in every run."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import struct
import sys
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import writers_afad_text
import writers_cosmos
import writers_geonet
import writers_knet
import writers_miniseed
import writers_sac
import writers_seisbench
from hostile_cases import Case, Specimen, flips, motion
from tng.readers.options import Options

CLIMBING = ["../../escaped.txt", "/escaped.txt", "C:\\escaped.txt", "a/../../escaped.txt", "..\\..\\escaped.txt", "..", ".", "/",
            "a//b.txt", "line\nbreak.txt", "\x1b[31mred.txt", "\u202etxt.exe", "x" * 5000 + ".txt", "ä€.txt",
            "a/" * 500 + "deep.txt", "CON", "a:b.txt"]
PACK = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


def zipped(members, compression=zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of (name, content); a name may come twice."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in members:
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, compression
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
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
    for number, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE,
                                   tarfile.DIRTYPE, tarfile.CONTTYPE, b"Z")):
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
    for size in (b"00000000000", b"00000000001", b"77777777777", b"-0000000001", b"text       ",
                 b"\x80" + b"\0" * 3 + b"\xff" * 8, b"\xff" * 12, b"\x80" + b"\0" * 10 + b"\1"):
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
    for label, text in {
            "UTF-16": files[table].decode().encode("utf-16"), "BOM": b"\xef\xbb\xbf" + files[table],
            "NULs": files[table] + bytes(50), "CR": files[table].replace(b"\n", b"\r"), "quotes": files[table].replace(b",", b'","', 3), "no rows": row[0].encode(),
            "many columns": (row[0] + ",x" * 5000 + "\n" + row[1]).encode(), "a long line": files[table] + b"7" * (5 << 20),
            "many rows": files[table] + (row[1] + "\n").encode() * 300}.items():
        yield case(label, table, text)
    for place in ("bucket0$0,:3,:99999999999", "bucket0$-1", "bucket0$1", "bucket0$0:9e9", "../x", "bucket0", "bucket0$", "$",
                  "$$$", "data", "bucket0$0,0,0,0,0", "bucket0$::0", "/", "", "bucket0$0,:2,:600", "bucket0$0,:3,5:5"):
        yield case(f"trace {place!r}", table, files[table].replace(b"bucket0$0,:3,:600", place.encode(), 1))


# --- far larger than any record ------------------------------------------------------------------------

MB = 1 << 20


def large(folder: Path) -> Iterator[tuple[str, dict]]:
    """Files as large as a reader takes them, or larger, one case at a time; with what the user declares."""
    geonet, cosmos = (write(folder, motion(20))[0].read_bytes() for write in (writers_geonet.write, writers_cosmos.write))
    heads = {   # and the size to which it is filled up
        "text.txt": ("\r\n".join(writers_afad_text.text_lines(motion(4).T)[:18]).encode() + b"\r\n", 31),
        "text-larger.txt": ("\r\n".join(writers_afad_text.text_lines(motion(4).T)[:18]).encode() + b"\r\n", 60),
        "knet.EW": (writers_knet.write(folder, motion(8))[0].read_bytes(), 8),
        "knet-larger.EW": (writers_knet.write(folder, motion(8))[0].read_bytes(), 60),
        "dyna.asc": (b"EVENT_NAME: x\nNDATA: 5242880\nUNITS: cm/s^2\nSTREAM: HNE\nSTATION_CODE: A\nSAMPLING_INTERVAL_S: .01\n",
                     32),
        "peer.AT2": (b"PEER\nx, 1/1/2020, y, 090\nACCELERATION TIME SERIES IN UNITS OF G\nNPTS= 5242880, DT= .01 SEC\n", 32),
        "own.csv": (b'# format: "tng-csv 1"\n# station: "a"\n# event: ""\n# sampling_rate_hz: 100.0\n# samples: 5767168\n'
                    b"time_s,E_cmps2,N_cmps2,Z_cmps2\n", 88),
        "openeew.jsonl": (b'{"device_id": "1", "x": [1], "y": [1], "z": [1], "cloud_t": 1, "sr": 31.25, "device_t": 1}\n', 16),
        "geonet.V1A": (geonet.replace(b"points  20 ", b"points  9999999 ").replace(b"      20", b" 9999999"), 120),
        "geonet-whole.V1A": (geonet, 120),
        "cosmos.V1C": (cosmos.replace(b"      20 acc", b"10000000 acc", 1), 120),
        "cosmos-whole.V1C": (cosmos, 120),
        "unknown.txt": (b"", 60),
    }
    bodies = {"digits": b"1234567890", "values": b"  0.123456", "rows": b"1.0,2.0,3.0,4.0\n", "short lines": b"1\n",
              "minus signs": b"-1", "blank lines": b"\n"}
    for path in folder.iterdir():
        path.unlink()
    for name, (head, size) in heads.items():
        for kind, body in bodies.items():
            if size <= 32 or kind == ("digits" if "whole" in name else "short lines"):
                (folder / name).write_bytes((head + body * (size * MB // len(body)))[:size * MB])
                yield f"{size} MB, {name}: {kind}", {}
    packet = heads["openeew.jsonl"][0]
    (folder / "openeew.jsonl").write_bytes(packet * (15 * MB // len(packet)))
    yield "many packets", {"vertical_axis": "x"}
    yield from _large_binary(folder)
    values = b"  0.123456" * (11 * MB)
    for kind, content in (("gz", gzip.compress(bytes(150 * MB), 1)), ("xz", lzma.compress(bytes(130 * MB), preset=0)),
                          ("tar.gz", gzip.compress(tarred([("a.txt", values)]), 1))):
        for number in range(3):
            (folder / f"{number}.{kind}").write_bytes(content)
        yield f"three {kind} that unfold to more than 100 MB", {}
    for number in range(6):
        (folder / f"{number}.txt.gz").write_bytes(gzip.compress(values[:(number + 90) * MB], 1))
    yield "six packed files of 90 MB", {}
    packed = zipped([(f"{number}.txt", b"%d" % number + values[:90 * MB]) for number in range(3)])
    for number in range(3):
        (folder / f"{number}.zip").write_bytes(zipped([("a.zip", packed), ("b.zip", packed)], zipfile.ZIP_STORED))
    yield "zips in zips of files of 90 MB", {}


def _large_binary(folder: Path) -> Iterator[tuple[str, dict]]:
    [seed] = writers_miniseed.write(folder, np.ones((3, 4000)), counts_per_gal=1000.0, xml=False)
    record = seed.read_bytes()[:512]
    seed.write_bytes(record * (100 * MB // 512))
    yield "miniSEED of one record for ever", {"unit": "gal"}
    count = struct.unpack(">H", record[30:32])[0]
    for name, step_s in (("a.mseed", count / 100), ("b.mseed", 59 + count / 100), ("c.mseed", 300)):
        (folder / name).write_bytes(b"".join(
            b"%06d" % number + record[6:20] + struct.pack(">HHBBBBH", 2020, 1 + second // 86400, second // 3600 % 24,
                                                        second // 60 % 60, second % 60, 0, 0) + record[30:]
            for number, second in ((number, int(number * step_s)) for number in range(90_000)) if second < 360 * 86400))
        yield f"miniSEED, {name}: a record every {step_s:g} s", {"unit": "gal"}
    head = [path.read_bytes() for path in writers_sac.write(folder, motion(100))][0][:632]
    for path in folder.iterdir():
        path.unlink()
    for samples in (1_900_000, 25 * MB):
        numbers = np.tile(np.arange(1000, dtype="<f4"), samples // 1000 + 1)[:samples]
        (folder / "x.sac").write_bytes(head[:316] + struct.pack("<i", samples) + head[320:] + numbers.tobytes())
        yield f"SAC of {samples} samples", {}
    (folder / "x.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, 0) + bytes(100 * MB))
    yield "MATLAB of tags", {}
    for size in (250, 400):
        content = struct.pack("<II", 14, size * MB - 8) + bytes(size * MB - 8)
        packed = zlib.compress(content, 1)
        (folder / "x.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
                                     + struct.pack("<II", 15, len(packed)) + packed)
        yield f"MATLAB, a bomb of {size} MB", {}
    columns = 3 * (5 * MB)
    parts = [struct.pack("<II", kind, len(data)) + data for kind, data in (
        (6, struct.pack("<II", 6, 0)), (5, struct.pack("<ii", columns // 3, 3)), (1, b"signal\0\0"))]
    parts.append(struct.pack("<II", 9, 8 * columns) + bytes(8 * columns))
    body = b"".join(parts)
    (folder / "x.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + struct.pack("<II", 14, len(body)) + body)
    yield "MATLAB, a signal of five million samples", {"unit": "gal"}


if __name__ == "__main__":      # a process of its own, so that what it takes to make them does not count
    for label, declared in large(Path(sys.argv[1])):
        print(json.dumps([label, declared]), flush=True)
        sys.stdin.readline()
