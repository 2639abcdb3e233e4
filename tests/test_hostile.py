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
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

import hostile_archives
import hostile_cases
from tng import readers, sources
from tng.channels import Refusal
from tng.ingest import IngestSettings, usable
from tng.readers import seisbench
from tng.readers.options import Options
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
    """Files of 100 MB, one after the other, made by another process."""
    problems, counts, slowest = [], Counter(), []
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch, "whole")
        for one in hostile_cases.specimens(place):       # so that what is imported on the way counts for no case
            judged(hostile_cases.Case(one.name, one, one.files), place / one.name, problems, counts)
        folder = Path(scratch, "large")
        folder.mkdir()
        before = last = peak_mb()
        maker = subprocess.Popen([sys.executable, hostile_archives.__file__, folder], text=True, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE)
        for line in maker.stdout:
            label, declared = json.loads(line)
            one = hostile_cases.Specimen("", {}, Options(**declared), None)
            case = hostile_cases.Case(label, one, {path.name: b"" for path in folder.iterdir()})
            _, seconds = judged(case, folder, problems, counts)
            slowest = sorted([*slowest, (round(seconds, 2), label, peak_mb() - last)])
            last = peak_mb()
            for path in folder.iterdir():
                path.unlink()
            maker.stdin.write("\n")
            maker.stdin.flush()
        maker.wait()
    return {"problems": problems, "counts": counts, "slowest": slowest, "grown_mb": peak_mb() - before}


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


# --- tests ---------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def found():
    """What both programs found, side by side."""
    running = {what: subprocess.Popen([sys.executable, __file__, what], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
               for what in ("bulk", "large")}
    said = {what: program.communicate(timeout=300) for what, program in running.items()}
    assert not any(program.returncode for program in running.values()), said
    return {what: json.loads(out) for what, (out, _) in said.items()}


@pytest.mark.parametrize("what, cases", [("bulk", 6800), ("large", 70)])
def test_every_case_is_read_or_refused_as_it_must_be(found, what, cases):
    assert found[what]["problems"] == []
    assert found[what]["counts"]["cases"] >= cases, "fewer cases than there were"


def test_among_the_damaged_some_are_read_and_more_are_refused(found):
    """Else the cases would be too harmless, or what they compare with never looked at."""
    counts = found["bulk"]["counts"]
    assert counts["records"] > 1500 and counts["refusals"] > 5000


@pytest.mark.parametrize("what", ["bulk", "large"])
def test_memory_and_time_stay_small(found, what):
    assert found[what]["grown_mb"] < MOST_MB
    assert found[what]["slowest"][-1][0] < LONGEST_S, found[what]["slowest"]


@pytest.mark.parametrize("change, says", [
    (lambda data: data[[1, 0, 2]], "signs"), (lambda data: data[[0, 2, 1]], "signs"),
    (lambda data: data * [[1], [1], [-1]], "signs"), (lambda data: data * [[1], [1.6], [1]], "large"), (lambda data: data / 980.665, "large"), (lambda data: data * 100, "large"),
    (lambda data: data[:, ::-1], "signs"), (lambda data: data, ""), (lambda data: data[:, :300], ""),
    (lambda data: data + 1e3, ""),
    (lambda data: np.where(np.arange(data.shape[1]) % 20 == 3, 1e9, data), ""), (lambda data: np.roll(data, 9, axis=1), "")])
def test_another_motion_is_told_from_a_damaged_one(change, says):
    data = hostile_cases.motion()
    said = another_motion(Record(change(data), 100.0, "A", "B"), Record(data, 100.0, "A", "B"))
    assert says in said and bool(said) == bool(says)


@pytest.fixture(scope="module")
def specimens(tmp_path_factory):
    return hostile_cases.specimens(tmp_path_factory.mktemp("specimens") / "whole")


LITTLE = st.one_of(st.binary(max_size=40), st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")),
                   st.floats().map(lambda number: repr(number).encode()), st.integers().map(lambda number: str(number).encode()),
                   st.sampled_from([b"\n", b"\r\n", b"\0", b" ", b"\t", b",", b":", b"=", b"-999", b"(8F10.5)", b"(99999F1.0)"]))
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0, 0, 1, 8, 80, 600]), LITTLE, st.booleans()),
                   min_size=1, max_size=5)


@settings(max_examples=200, deadline=None)
@given(number=st.integers(0, len(hostile_cases.WRITERS) - 1), which=st.integers(0, 2), changes=CHANGES)
def test_pieces_replaced_by_anything(specimens, number, which, changes):
    """Anywhere, or in the first tenth: some bytes are replaced by others."""
    one = specimens[number]
    name = sorted(one.files)[which % len(one.files)]
    raw = one.files[name]
    for share, length, new, early in changes:
        place = int(share * len(raw) / (10 if early else 1))
        raw = raw[:place] + new + raw[place + length:]
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        for file, content in {**one.files, name: raw}.items():
            Path(folder, file).write_bytes(content)
        judged(hostile_cases.Case(f"{one.name}, {name}", one, {**one.files, name: raw}), Path(folder), problems, Counter())
    assert problems == []


if __name__ == "__main__":
    print(json.dumps({"bulk": bulk, "large": large}[sys.argv[1]](*sys.argv[2:])))
