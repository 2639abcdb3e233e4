"""Looking at, checking, splitting and exporting a corpus."""

import json
import re
import sys
import tracemalloc
import types

import h5py
import numpy as np
import pandas as pd
import pytest

from command_line import tng
from tng import corpus, corpus_tools, splits
from tng.corpus import Corpus, CorpusError
from tng.records import Record, RecordError


def motions(count=60, samples=50):
    for n in range(count):
        day = f"2020-01-{1 + n // 3:02d}"
        meta = {"source_origin_time": f"{day}T00:00:00.000000Z", "trace_start_time": f"{day}T00:00:{n % 3:02d}.000000Z",
                "source_magnitude": 4 + n / 100, "note": f"{n:03d}", "trace_source_format": "peer" if n % 2 else "geonet",
                "trace_license": "CC BY 4.0", "trace_source_file": f"{n}.at2", "trace_processing": "0.10",
                "trace_quality_flags": "low-snr;gap" if n == 5 else "gap" if n == 6 else "",
                "station_vs30_mps": [423, np.nan, 0][n % 3], "trace_sampling_rate_raw_hz": 100.0 if n % 2 else 31.25}
        data = np.random.default_rng(n).normal(size=(3, samples))
        yield Record(data, 100, ["0205", "9901", "9902"][n % 3], f"e{n // 3:02d}", meta)


@pytest.fixture
def made(tmp_path):
    return corpus.write(motions(), tmp_path / "made")


# --- info ----------------------------------------------------------------------------------------------

def test_info_tells_what_is_there(made):
    told = corpus_tools.info(made)
    assert told["records"] == "60 of 3 stations and 20 events" and told["time"] == "2020-01-01 to 2020-01-20"
    assert told["window"] == "0.5 s, 50 samples at 100 Hz" and told["original rates"] == "100 Hz 30, 31.25 Hz 30"
    assert told["magnitudes"] == "4.0 to 4.6, median 4.3" and told["distances"] == "unknown"
    assert told["formats"] == "geonet 30, peer 30" and told["licences"] == "CC BY 4.0 60"
    assert told["split"] == "train 36, dev 6, test 18" and told["split_paper"] == "train 32, dev 8, test 20"
    assert told["split_time"] == "train 36, dev 6, test 18" and told["Vs30"] == "1 of 3 stations"
    assert told["flags"] == "gap 2, low-snr 1" and told["fingerprint"] == made.fingerprint
    assert "CC BY 4.0" in told.to_string(header=False)


def test_info_of_a_corpus_of_which_little_is_known(tmp_path):
    records = [Record(np.random.default_rng(n).normal(size=(3, 50)), 100, "A", f"e{n}") for n in range(4)]
    told = corpus_tools.info(corpus.write(records, tmp_path / "made"))
    assert {told[title] for title in ("time", "magnitudes", "formats", "split_time")} == {"unknown", "unknown 4"}
    assert told["flags"] == "none" and told["Vs30"] == "0 of 1 stations"


@pytest.mark.parametrize("known, says", [
    ({"path_hyp_distance_km": [10, 20, 60]}, "10 to 60 km from the hypocentre, median 20"),
    ({"path_ep_distance_km": [3, 6, 9], "source_depth_km": [4, 8, 12]}, "5 to 15 km from the hypocentre, median 10"),
    ({"path_hyp_distance_km": [10, np.nan, np.nan], "path_ep_distance_km": [9, 30, np.nan], "source_depth_km": [4, 40, 12]},
     "10 to 50 km from the hypocentre, median 30 (1 unknown)"),
])
def test_info_tells_distances_however_they_are_known(known, says, tmp_path):
    records = [Record(np.random.default_rng(n).normal(size=(3, 50)), 100, "A", f"e{n}", {name: values[n] for name, values in known.items()})
               for n in range(3)]
    assert corpus_tools.info(corpus.write(records, tmp_path / "made"))["distances"] == says


# --- check ---------------------------------------------------------------------------------------------

def edit(folder, change):
    path = folder / "metadata.csv"
    change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)


def put(column, row, value):
    def change(table):
        table.loc[row, column] = value
        return table
    return lambda folder: edit(folder, change)


def waveform(change):
    def spoil(folder):
        with h5py.File(folder / "waveforms.hdf5", "r+") as file:
            block = file["data/bucket0"][:]
            change(block)
            file["data/bucket0"][:] = block
    return spoil


def other_side(folder):
    table = pd.read_csv(folder / "metadata.csv", dtype=str)
    put("split", 7, "train" if table["split"][7] != "train" else "test")(folder)


def same_earthquake(folder):
    """Two events at one time under two names, on different sides."""
    table = pd.read_csv(folder / "metadata.csv", dtype=str).drop_duplicates("source_id")
    one, other = (table.index[table["split"] == side][0] for side in ("train", "test"))

    def change(rows):
        rows.loc[other:other + 2, "source_origin_time"] = rows["source_origin_time"][one]
        return rows
    edit(folder, change)


BAD = {
    "nan": (waveform(lambda block: block.__setitem__((4, 1, 3), np.nan)), "row 4 .9901, e01.: samples that are not finite"),
    "peak": (waveform(lambda block: block.__imul__(1.001)), "row 0 .0205, e00.: a peak that is not"),
    "peak column": (put("trace_pga_N_cmps2", 9, "7"), "row 9 .*: a peak that is not"),
    "changed": (waveform(lambda block: block.__setitem__((4, 1, 3), 0)), "another fingerprint than in corpus.json"),
    "table": (put("note", 3, "changed"), "metadata.csv: was changed"),
    "side": (other_side, "event e02 is on several sides of split"),
    "no side": (put("split", slice(0, 2), ""), "column split holds nothing in places"),
    "odd side": (put("split_station", slice(0, 2), "left"), "column split_station holds left"),
    "same time": (same_earthquake, "probably the same earthquake"),
    "station": (put("split_station", 1, "nowhere"), "station 9901 is on several sides of split_station"),
    "copy": (waveform(lambda block: block.__setitem__(8, block[2])), "row 8 .9902, e02.: the samples of an earlier row"),
    "start": (put("trace_start_time", 8, "2020-01-01T00:00:02.000000Z"), "row 8 .*: station and start time of an earlier row"),
    "no card": (lambda folder: (folder / "corpus.json").unlink(), "no corpus.json"),
    "no table": (lambda folder: (folder / "metadata.csv").unlink(), "no metadata.csv, so this is not a corpus"),
    "cut off": (lambda folder: (folder / "waveforms.hdf5").write_bytes(b"no"), "not a whole HDF5 file"),
}


@pytest.mark.parametrize("spoil, says", BAD.values(), ids=BAD)
def test_check_finds(made, spoil, says):
    assert corpus_tools.check(made.folder) == []
    spoil(made.folder)
    found = corpus_tools.check(made.folder)
    assert any(re.search(says, problem) for problem in found), found
    assert len(found) < 20


def test_check_reads_some_records_at_a_time(tmp_path):
    rng = np.random.default_rng(0)
    made = corpus.write((Record(rng.normal(size=(3, 1000)), 100, "0205", f"e{n}") for n in range(2000)), tmp_path / "made")
    tracemalloc.start()
    assert corpus_tools.check(made.folder) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6 < 2000 * 3 * 1000 * 4 / 1.9         # less than half of the waveforms; a batch is 3 MB


# --- splitting anew ------------------------------------------------------------------------------------

def test_resplit_changes_the_splits_and_nothing_else(made):
    before = pd.read_csv(made.folder / "metadata.csv", dtype=str, keep_default_na=False)
    old = made.fingerprint
    counts = corpus_tools.resplit(made.folder, (0.5, 0.2, 0.3), 7, ["9901"])
    again = Corpus.open(made.folder)
    after = pd.read_csv(made.folder / "metadata.csv", dtype=str, keep_default_na=False)
    columns = list(splits.SPLIT_COLUMNS.values())
    pd.testing.assert_frame_equal(before.drop(columns=columns), after.drop(columns=columns))
    pd.testing.assert_frame_equal(again.metadata[columns], splits.add(made.metadata, (0.5, 0.2, 0.3), 7, ["9901"])[columns],
                                  check_dtype=False)
    assert counts.loc["test", "split_paper"] == 20 and counts["split"].tolist() == [30, 12, 18]
    np.testing.assert_array_equal(again.select("9901"), again.select(split="test", by="paper"))
    card = json.loads((made.folder / "corpus.json").read_text())
    assert (card["splits"], card["seed"], card["held_out"]) == ([0.5, 0.2, 0.3], 7, ["9901"]) and card["records"] == 60
    assert card["fingerprint"] == again.compute_fingerprint() != old
    assert corpus_tools.check(made.folder) == []
    assert sorted(path.name for path in made.folder.iterdir()) == ["corpus.json", "metadata.csv", "waveforms.hdf5"]


def test_resplit_as_before_gives_the_same_bytes(made):
    names = ("metadata.csv", "waveforms.hdf5")
    before = [(made.folder / name).read_bytes() for name in names]
    corpus_tools.resplit(made.folder)
    assert [(made.folder / name).read_bytes() for name in names] == before
    assert Corpus.open(made.folder).fingerprint == made.fingerprint


def test_resplit_adds_columns_to_an_old_corpus(made):
    edit(made.folder, lambda table: table.drop(columns=["split_paper", "split_station", "split_time"]))
    corpus_tools.resplit(made.folder)
    assert corpus_tools.check(made.folder) == [] and len(Corpus.open(made.folder).select(split="dev", by="paper"))


@pytest.mark.parametrize("arguments, says", [(((0.5, 0.6, 0.1),), "add to 1"),
                                             (((0.6, 0.1, 0.3), 0, ["0250"]), "did you mean 0205")])
def test_resplit_refuses_before_it_touches_anything(made, arguments, says):
    before = {path: path.read_bytes() for path in made.folder.iterdir()}
    with pytest.raises(CorpusError, match=says):
        corpus_tools.resplit(made.folder, *arguments)
    assert {path: path.read_bytes() for path in made.folder.iterdir()} == before


def test_resplit_that_fails_leaves_the_corpus_as_it_was(made, monkeypatch):
    before = {path: path.read_bytes() for path in made.folder.iterdir()}

    def full(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(CorpusError, match="could not be written: disk full"):
        corpus_tools.resplit(made.folder)
    assert {path: path.read_bytes() for path in made.folder.iterdir()} == before


def test_folds_of_a_corpus_are_copies_of_it(made, tmp_path):
    before = {path: path.read_bytes() for path in made.folder.iterdir()}
    (made.folder / "report.html").write_text("train 36")
    copies = []
    for fold in (0, 1):
        counts = corpus_tools.resplit(made.folder, (1, 0, 0), fold=(fold, 2), into=tmp_path / f"new/{fold}")
        assert counts["split"].tolist() == [30, 0, 30]
        copies.append(Corpus.open(tmp_path / f"new/{fold}"))
        assert corpus_tools.check(copies[-1].folder) == [] and copies[-1].card["fold"] == [fold, 2]
        assert sorted(path.name for path in copies[-1].folder.iterdir()) == ["corpus.json", "metadata.csv", "waveforms.hdf5"]
    np.testing.assert_array_equal(copies[0].select(split="test"), copies[1].select(split="train"))
    assert len({copy.compute_fingerprint() for copy in (made, *copies)}) == 3             # a training knows which fold it learned from
    assert {path: path.read_bytes() for path in before} == before
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["0", "1"]
    with pytest.raises(CorpusError, match="there is a corpus already"):
        corpus_tools.resplit(made.folder, into=tmp_path / "new/0")


def test_a_copy_that_fails_leaves_nothing(made, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(CorpusError, match="could not be written: disk full"):
        corpus_tools.resplit(made.folder, into=tmp_path / "new/0")
    assert list((tmp_path / "new").iterdir()) == []


def test_folds_on_the_command_line(made, tmp_path, monkeypatch, capsys):
    words = ["corpus", "split", made.folder, "--shares", 1, 0, 0, "--fold", 1, "--into", tmp_path / "1"]
    code, text = tng(monkeypatch, capsys, *words)
    assert code == 1 and "--fold 0 --folds 2" in text
    code, text = tng(monkeypatch, capsys, *words, "--folds", 3)
    assert code == 0 and (Corpus.open(tmp_path / "1").metadata["split"] == "test").sum() == 21 and "test" in text
    code, text = tng(monkeypatch, capsys, "corpus", "split", made.folder, "--fold", 3, "--folds", 3)
    assert code == 1 and "fold 3 of 3" in text


# --- export --------------------------------------------------------------------------------------------

@pytest.fixture
def writer(monkeypatch):
    """Stands for tng.writers: remembers what it was given."""
    calls = []

    def write(records, folder, format, *, overwrite=False, allow_restricted=False):
        calls.append((list(records), format, overwrite, allow_restricted))
        return [folder / f"{n}.x" for n in range(len(calls[-1][0]))]

    stub = types.SimpleNamespace(write=write)
    monkeypatch.setitem(sys.modules, "tng.writers", stub)
    import tng

    monkeypatch.setattr(tng, "writers", stub, raising=False)
    return calls


def test_export_hands_the_chosen_records_over(made, writer, tmp_path):
    written = corpus_tools.export(made.folder, tmp_path / "out", "mseed", stations=["9901"], split="test", allow_restricted=True)
    ((records, format, overwrite, restricted),) = writer
    rows = made.select(["9901"], "test")
    assert [record.meta["note"] for record in records] == made.metadata["note"].iloc[rows].tolist() and len(written) == len(rows)
    assert (format, overwrite, restricted) == ("mseed", False, True)
    np.testing.assert_array_equal(records[0].data, made.waveforms(rows[:1])[0])


def test_export_of_rows(made, writer, tmp_path):
    corpus_tools.export(made.folder, tmp_path / "out", "sac", rows=[7, 1, 2], stations="9901")
    assert [record.meta["note"] for record in writer[0][0]] == ["001", "007"]
    corpus_tools.export(made.folder, tmp_path / "out", "sac", rows=made.metadata["note"] == "030")
    assert [record.meta["note"] for record in writer[1][0]] == ["030"]
    corpus_tools.export(made.folder, tmp_path / "out", "sac", split="test", by="paper")
    assert {record.station for record in writer[2][0]} == {"0205"}


@pytest.mark.parametrize("filters, says", [
    ({"rows": [60]}, "rows 60 to 60; there are rows 0 to 59"), ({"rows": []}, "no record is left"),
    ({"stations": "9903"}, "no station '9903'"), ({"split": "val"}, "no split 'val'"),
    ({"rows": [0], "stations": "9901"}, "no record is left")])
def test_export_of_nothing(made, writer, tmp_path, filters, says):
    with pytest.raises(CorpusError, match=says):
        corpus_tools.export(made.folder, tmp_path / "out", "sac", **filters)
    assert writer == []


def test_export_with_the_real_writers(made, tmp_path):
    pytest.importorskip("tng.writers")
    written = corpus_tools.export(made.folder, tmp_path / "out", "csv", rows=[0, 1])
    assert len(written) == 2 and all(path.is_file() for path in written)
    with pytest.raises((RecordError, ValueError)):
        corpus_tools.export(made.folder, tmp_path / "out2", "parchment", rows=[0])
