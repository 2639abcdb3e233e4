"""Files made to break the readers: each is read or refused by name, soon, in little memory, and never becomes another motion.

The bulk runs in a process of its own (this file as a program), so that its memory can be measured.
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

import hostile_archives
import hostile_cases
from tng import readers, sources
from tng.channels import Refusal
from tng.ingest import IngestSettings, usable
from tng.readers import seisbench
from tng.records import Record, RecordError

LONGEST_S, MOST_MB, LONGEST_MESSAGE = 2.0, 500, 1000
NETS = ("could not make sense of it", "its beginning makes no sense")     # what no reader saw coming ends there


def taken(source, options):
    """Records and refusals (name, reason) of a file or folder, by the way that `ingest` goes."""
    refused: list[tuple[str, str]] = []
    made = []
    if seisbench.is_dataset(source):
        for portion in seisbench.portions(source):
            made += seisbench.read_portion(portion, options)
    else:
        found, unknown = readers.groups(sources.walk([source], lambda name, why: refused.append((name, why))))
        refused += [(file.name, _text(error)) for file, error in unknown]
        for module, files in found:
            made += readers.read_group(module, files, options)
    settings = IngestSettings(**{name: getattr(options, name) for name in type(options).model_fields}, shortest_s=1.0)
    records = []
    for one in made:
        if isinstance(one, Refusal):
            refused.append((one.name, _text(one.error)))
            continue
        records.append(one)
        try:
            usable(one, settings)
        except RecordError as error:
            refused.append((one.name, _text(error)))
            records.remove(one)
    return records, refused


def _text(error):
    assert isinstance(error, RecordError), error
    return str(error)


def another_motion(record: Record, whole: Record) -> str:
    """What is wrong with a record of which at most some samples, or the times of components, may be; empty if nothing is.

    Signs and medians do not mind some wrong samples.  Components that were exchanged would agree in half of the signs,
    however they are shifted.
    """
    right, found = (one.data - np.median(one.data, axis=1, keepdims=True) for one in (whole, record))
    shared = signal.correlate(np.ones(right.shape[1]), np.ones(found.shape[1]), method="fft").round()
    long = shared >= 0.5 * min(right.shape[1], found.shape[1])
    agree = [((signal.correlate(np.sign(one), np.sign(two), method="fft") / shared)[long].max() + 1) / 2
             for one, two in zip(right, found)]
    scale = np.median(np.abs(found), axis=1) / np.median(np.abs(right), axis=1)
    if min(agree) < 0.8:
        return f"signs agree in {np.round(agree, 2)}"
    if np.abs(np.log(scale)).max() > np.log(1.5):
        return f"{scale.round(3)} times as large"
    return ""


def judged(case, source, problems, counts, whole=None):
    """Run one case; what is wrong goes to `problems`.  Gives the records and the seconds that it took."""
    begun = time.process_time()
    try:
        records, refused = taken(source, case.specimen.options)
    except BaseException as error:  # whatever escapes is what this test is about
        problems.append((case.label, f"{type(error).__name__} escaped: {str(error)[:300]}"))
        records, refused = [], [("escaped", "escaped")]
    seconds = time.process_time() - begun
    counts["cases"] += 1
    counts["records"] += len(records)
    counts["refusals"] += len(refused)
    if seconds > LONGEST_S:
        problems.append((case.label, f"takes {seconds:.2f} s"))
    for name, why in refused:
        named = any(part.rsplit("/", 1)[-1].isprintable() and part.rsplit("/", 1)[-1] in why for part in (*case.files, name))
        if len(why) > LONGEST_MESSAGE or not why.isprintable() or not named or any(net in why for net in NETS):
            problems.append((case.label, f"{len(why)} characters, {name!a}: {why[:300]!a}"))
    if case.refused and records:
        problems.append((case.label, f"accepted: {[record.name for record in records]}"))
    if not refused and not records and case.files:
        problems.append((case.label, "neither read nor refused"))
    for record in records:
        if whole and not case.anything and (wrong := another_motion(record, whole)):
            problems.append((case.label, f"{record.name}: another motion, {wrong}"))
    return records, seconds


def run_all(cases, scratch, problems, counts, slowest, whole):
    """Each case in a folder of its own."""
    for case in cases:
        folder = scratch / "case" / str(counts["cases"])
        folder.mkdir(parents=True)
        for name, raw in case.files.items():
            (folder / name).write_bytes(raw)
        _, seconds = judged(case, folder, problems, counts, whole)
        slowest[:] = sorted([*slowest, (round(seconds, 3), case.label)])[-5:]
        if sorted(path.name for path in folder.iterdir()) != sorted(case.files) or len(list(scratch.iterdir())) > 2:
            problems.append((case.label, "something was written"))
        shutil.rmtree(folder)


def bulk(seed=""):
    """All cases, and what was found."""
    problems, counts, slowest = [], Counter(), []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch, "whole")
        suites = [(one, hostile_cases.bulk(one, seed)) for one in hostile_cases.specimens(place)]
        (place / "archive").mkdir()
        one = hostile_archives.specimen(place / "archive")
        suites += [(one, hostile_archives.archives(one)), hostile_archives.seisbench(place / "seisbench")]
        whole = {}
        for one, _ in suites:            # first, so that what is imported on the way counts for no case
            [whole[one.name]], _ = judged(hostile_cases.Case(one.name, one, one.files), place / one.name, problems, Counter())
        before = peak_mb()
        for one, cases in suites:
            run_all(cases, Path(scratch), problems, counts, slowest, whole[one.name])
    return {"problems": problems, "counts": counts, "slowest": slowest, "grown_mb": peak_mb() - before}


def large():
    """Files of 100 MB, one after the other."""
    problems, counts, slowest = [], Counter(), []
    with tempfile.TemporaryDirectory() as scratch:
        before = None
        for label, options in hostile_archives.large(Path(scratch)):
            before = before or peak_mb()
            files = {path.name: b"" for path in Path(scratch).iterdir()}
            case = hostile_cases.Case(label, hostile_cases.Specimen("", {}, options, None), files, refused=True)
            _, seconds = judged(case, Path(scratch), problems, counts)
            slowest = sorted([*slowest, (round(seconds, 3), label, peak_mb() - before)])
            for path in Path(scratch).iterdir():
                path.unlink()
    return {"problems": problems, "counts": counts, "slowest": slowest, "grown_mb": peak_mb() - before}


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    print(json.dumps({"bulk": bulk, "large": large}[sys.argv[1]](*sys.argv[2:])))
