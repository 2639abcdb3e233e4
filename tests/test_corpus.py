"""The corpus: what is written is what is read, an interrupted write leaves nothing, and foreign files are refused."""

import json
import pickle
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest

from tng import corpus
from tng.corpus import Corpus, CorpusError
from tng.records import DataError, Record

STATIONS = ["0205", "1716", "9901"]


def motions(count=30, samples=50, rate_hz=100.0, per_event=3):
    """Records whose samples and metadata tell which record it is."""
    for number in range(count):
        data = np.random.default_rng(number).normal(size=(3, samples)) + number
        meta = {"source_magnitude": 0.1 * number, "station_network_code": "NA", "station_name": "007",
                "note": f"{number:03d}", "station_vs30_mps": np.nan if number % 2 else 423.0}
        yield Record(data, rate_hz, STATIONS[number % 3 if number else 0], f"20200101{number // per_event:06d}", meta)


@pytest.fixture
def made(tmp_path):
    return corpus.write(motions(), tmp_path / "made")


def test_roundtrip_of_samples_and_metadata(made):
    assert (len(made), made.samples, made.sampling_rate_hz, made.stations) == (30, 50, 100, STATIONS)
    for row, wrote in enumerate(motions()):
        read = made.record(row)
        np.testing.assert_array_equal(read.data, wrote.data.astype(np.float32))
        assert (read.station, read.event, read.sampling_rate_hz) == (wrote.station, wrote.event, 100)
        assert read.meta["source_magnitude"] == wrote.meta["source_magnitude"]
        assert ("station_vs30_mps" in read.meta) == (row % 2 == 0)
        np.testing.assert_allclose([read.meta[f"trace_pga_{c}_cmps2"] for c in "ENZ"], wrote.pga_cmps2)


def test_codes_and_texts_keep_their_zeros(made):
    row = Corpus.open(made.folder).metadata.iloc[5]
    assert row["station_code"] == "9901" and made.metadata["station_code"][0] == "0205"
    assert (row["station_network_code"], row["station_name"], row["note"]) == ("NA", "007", "005")
    assert row["source_id"] == "20200101000001"


def test_layout_is_seisbench(made):
    assert made.metadata["trace_name"][7] == "bucket0$7,:3,:50"
    with h5py.File(made.folder / "waveforms.hdf5") as file:
        layout = {name: value[()] for name, value in file["data_format"].items()}
        block = file["data/bucket0"]
        assert block.shape == (30, 3, 50) and block.dtype == np.float32 and block.chunks is None
    assert (layout["component_order"], layout["dimension_order"], layout["unit"]) == (b"ENZ", b"CW", b"cmps2")
    assert layout["sampling_rate"] == 100 and layout["measurement"] == b"acceleration"


def test_many_buckets_and_any_order_of_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "BUCKET_RECORDS", 8)
    made = corpus.write(motions(), tmp_path / "made")
    with h5py.File(made.folder / "waveforms.hdf5") as file:
        assert [file["data"][f"bucket{n}"].shape[0] for n in range(4)] == [8, 8, 8, 6]
    rows = np.random.default_rng(0).permutation(30)
    expected = np.stack([record.data for record in motions()]).astype(np.float32)
    np.testing.assert_array_equal(made.waveforms(rows), expected[rows])
    np.testing.assert_array_equal(made.waveforms([9, 9, 0]), expected[[9, 9, 0]])
    np.testing.assert_array_equal(made.waveforms(np.arange(30) == 17), expected[[17]])
    assert made.waveforms([]).shape == (0, 3, 50)


def test_only_what_is_asked_for_is_read(made, monkeypatch):
    import os

    read = []
    monkeypatch.setattr(os, "preadv", lambda file, buffers, offset, preadv=os.preadv: read.append(preadv(file, buffers, offset)) or read[-1])
    made.waveforms([3])
    assert read == [3 * 50 * 4]
    again = pickle.loads(pickle.dumps(made))
    assert not again._places
    np.testing.assert_array_equal(again.waveforms([3]), made.waveforms([3]))


def test_chunked_file_is_read_too(made):
    path = made.folder / "waveforms.hdf5"
    expected = made.waveforms(range(30))
    with h5py.File(path, "r+") as file:
        block = file["data/bucket0"][:]
        del file["data/bucket0"]
        file["data"].create_dataset("bucket0", data=block, chunks=(1, 3, 50), compression="gzip")
    again = Corpus.open(made.folder)
    np.testing.assert_array_equal(again.waveforms(range(30)), expected)
    assert again.compute_fingerprint() == made.fingerprint


@pytest.mark.parametrize("rows", [[30], [-1], [0.5], np.ones(7, bool)])
def test_rows_that_are_not_there(made, rows):
    with pytest.raises((IndexError, TypeError)):
        made.waveforms(rows)


# --- choosing ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("per_event", [1, 3, 7])
def test_no_event_is_on_two_sides(tmp_path, seed, per_event):
    made = corpus.write(motions(90, samples=4, per_event=per_event), tmp_path / "made", seed=seed)
    assert (made.metadata.groupby("source_id")["split"].nunique() == 1).all()
    rows = [made.select(split=split) for split in ("train", "dev", "test")]
    assert sorted(np.concatenate(rows)) == list(range(90))
    np.testing.assert_allclose([len(part) / 90 for part in rows], [0.6, 0.1, 0.3], atol=per_event / 90)


def test_split_depends_on_seed_and_not_on_order(tmp_path):
    def split_of(records, name, seed=0):
        table = corpus.write(records, tmp_path / name, seed=seed).metadata
        return dict(zip(table["note"], table["split"]))

    first = split_of(motions(), "a")
    assert split_of(reversed(list(motions())), "b") == first
    assert split_of(motions(), "c", seed=1) != first


@pytest.mark.parametrize("splits", [(0.6, 0.4), (0.6, 0.1, 0.1), (-0.1, 0.5, 0.6), (np.nan, 0.5, 0.5)])
def test_shares_must_add_to_one(tmp_path, splits):
    with pytest.raises(CorpusError, match="add to 1"):
        corpus.write(motions(), tmp_path / "made", splits=splits)


def test_all_in_one_split(tmp_path):
    made = corpus.write(motions(), tmp_path / "made", splits=(1, 0, 0))
    assert len(made.select(split="train")) == 30 and len(made.select(split="dev")) == 0


def test_select_by_station_and_split(made):
    rows = made.select(["0205", "9901"], "train")
    chosen = made.metadata.iloc[rows]
    assert set(chosen["station_code"]) <= {"0205", "9901"} and set(chosen["split"]) == {"train"}
    np.testing.assert_array_equal(made.select("0205"), np.flatnonzero(made.metadata["station_code"] == "0205"))
    with pytest.raises(CorpusError, match="no station '0250'; did you mean 0205"):
        made.select("0250")
    with pytest.raises(CorpusError, match="no split 'validation'; there are train, dev, test"):
        made.select(split="validation")


def test_main_stations_have_most_records_and_ties_go_by_code(tmp_path):
    counts = {"0300": 2, "0100": 4, "0200": 2, "0400": 3, "0500": 1}
    records = [Record(np.random.default_rng(n).normal(size=(3, 9)), 100, station, f"e{n}")
               for station, count in counts.items() for n in range(count)]
    made = corpus.write(records, tmp_path / "made")
    assert made.main_stations(3) == ["0100", "0200", "0400"]
    assert made.main_stations() == sorted(counts)


def test_batches_cover_every_row_once(made):
    rows = made.select("0205")
    seen = []
    for batch, data in made.batches(rows, 4, rng=3):
        assert data.shape == (len(batch), 3, 50) and data.dtype == np.float32
        np.testing.assert_array_equal(data, made.waveforms(batch))
        seen += batch.tolist()
    assert sorted(seen) == rows.tolist() and seen != rows.tolist()
    assert seen == [row for batch, _ in made.batches(rows, 4, np.random.default_rng(3)) for row in batch]
    assert [row for batch, _ in made.batches(rows, 4) for row in batch] == rows.tolist()
    with pytest.raises(ValueError, match="at least 1"):
        next(made.batches(rows, 0))


# --- fingerprint ---------------------------------------------------------------------------------------

def test_fingerprint_is_of_the_content(made, tmp_path, monkeypatch):
    assert made.compute_fingerprint() == made.fingerprint == Corpus.open(made.folder).fingerprint
    monkeypatch.setattr(corpus, "BUCKET_RECORDS", 7)
    shuffled = corpus.write(reversed(list(motions())), tmp_path / "shuffled")
    assert shuffled.fingerprint == made.fingerprint

    def changed():
        for number, record in enumerate(motions()):
            data = record.data.copy()
            data[2, 9] += 0.001 * (number == 13)
            yield Record(data, 100, record.station, record.event, record.meta)

    assert corpus.write(changed(), tmp_path / "changed").fingerprint != made.fingerprint
    assert corpus.write(motions(), tmp_path / "seeded", seed=1).fingerprint != made.fingerprint


def test_fingerprint_sees_an_edited_table_and_does_without_card(made):
    table = made.folder / "metadata.csv"
    original = pd.read_csv(table, dtype=str, keep_default_na=False)
    (made.folder / "corpus.json").unlink()
    assert Corpus.open(made.folder).fingerprint == made.fingerprint
    original.to_csv(table, index=False)
    assert Corpus.open(made.folder).fingerprint == made.card["fingerprint"]
    original.assign(split=original["split"].replace("test", "train")).to_csv(table, index=False)
    assert Corpus.open(made.folder).fingerprint != json.loads(json.dumps(made.card))["fingerprint"]


def test_card_holds_settings_and_versions(tmp_path):
    made = corpus.write(motions(), tmp_path / "made", settings={"window_s": 60})
    card = json.loads((made.folder / "corpus.json").read_text())
    assert card["settings"] == {"window_s": 60} and card["seed"] == 0 and card["records"] == 30 and card["events"] == 10
    assert {"numpy", "h5py", "tng"} <= set(card["versions"])


# --- what goes wrong while writing ---------------------------------------------------------------------

class Stop(BaseException):
    """Stands for Ctrl-C."""


@pytest.mark.parametrize("error", [DataError("bad"), Stop(), OSError("disk full")])
def test_interrupted_write_leaves_nothing(tmp_path, error):
    def broken():
        yield from motions(5)
        raise error

    with pytest.raises((DataError, Stop, CorpusError)):
        corpus.write(broken(), tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_interrupted_overwrite_keeps_the_old_corpus(made):
    def broken():
        yield from motions(5)
        raise Stop

    with pytest.raises(Stop):
        corpus.write(broken(), made.folder, overwrite=True)
    assert len(Corpus.open(made.folder)) == 30 and len(list(made.folder.parent.iterdir())) == 1


def test_nothing_is_replaced_unasked(made):
    with pytest.raises(CorpusError, match="already.*overwrite"):
        corpus.write(motions(6), made.folder)
    assert len(corpus.write(motions(6), made.folder, overwrite=True)) == 6
    assert [path.name for path in made.folder.parent.iterdir()] == ["made"]


def test_hidden_files_are_in_nobodys_way(made):
    (made.folder / ".DS_Store").touch()
    with pytest.raises(CorpusError, match=r"overwrite it \(--overwrite, or overwrite=True\)"):
        corpus.write(motions(6), made.folder)
    assert len(corpus.write(motions(6), made.folder, overwrite=True)) == 6
    (made.folder / ".git").mkdir()
    with pytest.raises(CorpusError, match=r"something else than a corpus \(.git …\)"):
        corpus.write(motions(6), made.folder, overwrite=True)


def test_foreign_folders_and_files_are_never_replaced(tmp_path, made):
    (made.folder / "thesis.tex").write_text("years of work")
    with pytest.raises(CorpusError, match="left alone"):
        corpus.write(motions(), made.folder, overwrite=True)
    with pytest.raises(CorpusError, match=r"holds something else than a corpus \(thesis.tex …\) and is left alone"):
        corpus.write(motions(), made.folder)
    (tmp_path / "file").touch()
    with pytest.raises(CorpusError, match="is a file"):
        corpus.write(motions(), tmp_path / "file", overwrite=True)
    (tmp_path / "empty").mkdir()
    assert len(corpus.write(motions(), tmp_path / "empty")) == 30


@pytest.mark.parametrize("odd", [{"samples": 51}, {"rate_hz": 200.0}])
def test_one_rate_and_one_length(tmp_path, odd):
    with pytest.raises(CorpusError, match="standardise"):
        corpus.write([*motions(3), *motions(1, **odd)], tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_no_records_and_absurd_records(tmp_path):
    with pytest.raises(CorpusError, match="no records"):
        corpus.write([], tmp_path / "made")
    with pytest.raises(CorpusError, match="32-bit"):
        corpus.write([Record(np.random.default_rng(0).normal(size=(3, 9)) * 1e200, 100, "9901", "e")], tmp_path / "made")


def test_records_are_taken_one_at_a_time(tmp_path, monkeypatch):
    """Never more records alive than a bucket, however many there are."""
    monkeypatch.setattr(corpus, "BUCKET_RECORDS", 4)
    import weakref

    alive = weakref.WeakSet()

    class Counted(Record):
        __hash__ = object.__hash__

    def stream():
        for record in motions(40):
            one = Counted(record.data, 100, record.station, record.event)
            alive.add(one)
            yield one
            assert len(alive) <= 3

    assert len(corpus.write(stream(), tmp_path / "made")) == 40


# --- what goes wrong while opening ---------------------------------------------------------------------

def edit_table(folder, change):
    table = pd.read_csv(folder / "metadata.csv", dtype=str)
    change(table).to_csv(folder / "metadata.csv", index=False)


def edit_file(folder, change):
    with h5py.File(folder / "waveforms.hdf5", "r+") as file:
        change(file)


def replace_order(file):
    del file["data_format/component_order"]
    file["data_format/component_order"] = "ZNE"


SPOIL = {
    "no folder": (shutil.rmtree, "no such folder"),
    "no table": (lambda folder: (folder / "metadata.csv").unlink(), "no metadata.csv"),
    "no waveforms": (lambda folder: (folder / "waveforms.hdf5").unlink(), "no waveforms.hdf5"),
    "empty table": (lambda folder: (folder / "metadata.csv").write_text(""), "not a table"),
    "binary table": (lambda folder: (folder / "metadata.csv").write_bytes(bytes(range(128, 256)) * 9), "not a table"),
    "no station": (lambda folder: edit_table(folder, lambda t: t.drop(columns="station_code")), "no column 'station_code'"),
    "station gap": (lambda folder: edit_table(folder, lambda t: t.assign(station_code=t.station_code.where(t.index != 4))),
                    "row 4 has no station_code"),
    "row lost": (lambda folder: edit_table(folder, lambda t: t.iloc[:-1]), "29 rows.*holds 30"),
    "row twice": (lambda folder: edit_table(folder, lambda t: t.iloc[[*range(29), 0]]), "29 different traces in 30 rows"),
    "row beyond": (lambda folder: edit_table(folder, lambda t: t.replace("bucket0$7,:3,:50", "bucket0$77,:3,:50")), "does not hold"),
    "bucket unknown": (lambda folder: edit_table(folder, lambda t: t.replace("bucket0$7,:3,:50", "bucket5$7,:3,:50")), "does not hold"),
    "length unlike": (lambda folder: edit_table(folder, lambda t: t.replace("bucket0$7,:3,:50", "bucket0$7,:3,:60")), "does not hold"),
    "unbucketed": (lambda folder: edit_table(folder, lambda t: t.replace("bucket0$7,:3,:50", "trace7")), "'trace7' is not of the kind"),
    "not HDF5": (lambda folder: (folder / "waveforms.hdf5").write_text("text"), "not a whole HDF5 file"),
    "HDF5 cut off": (lambda folder: (folder / "waveforms.hdf5").write_bytes((folder / "waveforms.hdf5").read_bytes()[:9000]),
                     "not a whole HDF5 file"),
    "foreign HDF5": (lambda folder: edit_file(folder, lambda f: f.move("data", "waves")), "'data' and 'data_format' are needed"),
    "other order": (lambda folder: edit_file(folder, replace_order), "component_order is 'ZNE'"),
    "no unit": (lambda folder: edit_file(folder, lambda f: f.__delitem__("data_format/unit")), "unit is None"),
    "no rate": (lambda folder: edit_file(folder, lambda f: f.__delitem__("data_format/sampling_rate")), "sampling_rate is None"),
    "two lengths": (lambda folder: edit_file(folder, lambda f: f["data"].create_dataset("bucket1", data=np.zeros((2, 3, 60)))),
                    "of one length"),
}


@pytest.mark.parametrize("spoil, says", SPOIL.values(), ids=SPOIL)
def test_open_says_what_was_found_and_which_command_makes_a_corpus(made, spoil, says):
    spoil(made.folder)
    with pytest.raises(CorpusError, match=f"{says}.*tng ingest SOURCE --into CORPUS.*papermill notebooks/01_data.ipynb"):
        Corpus.open(made.folder)


@pytest.mark.parametrize("card", ["{", "[]", '{"text_columns": 5}'])
def test_broken_card_is_named(made, card):
    (made.folder / "corpus.json").write_text(card)
    with pytest.raises(CorpusError, match="corpus.json: not .*remove it"):
        Corpus.open(made.folder)
