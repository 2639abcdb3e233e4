"""From raw files to a corpus: what gets in, what is refused and why, and what is warned of."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from scipy.io import savemat

from tng import ingest as ingesting
from tng import remote, workers
from tng.corpus import Corpus, CorpusError
from tng.ingest import IngestError, ingest
from tng.journal import Journal, JournalError


def write_mat(folder, name="20200101000000_9901.mat", samples=600, dt_s=0.01, quiet=0, scale=1.0, **more):
    """A record named by station and event; its first `quiet` samples hold next to nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    accel = np.random.default_rng(zlib.crc32(name.encode())).normal(size=(samples, 3)) * scale
    accel[:quiet] *= 1e-3
    savemat(folder / name, {"EQ": {"anEQ": {"Accel": accel, "sampling": dt_s, "magnitudeval": 4.5, **more}}})
    return accel


@pytest.fixture(autouse=True)
def no_pictures(request, monkeypatch):
    """The report takes longer than all the rest; `tests/test_report.py` looks at it."""
    from tng import report

    if "manifest" not in request.node.name:
        monkeypatch.setattr(report, "write", lambda folder, rejected: (folder / "report.md").write_text(f"{len(rejected)} refusals"))


@pytest.fixture
def raw(tmp_path):
    """Four good records in two folders, and five files that cannot be used."""
    folder = tmp_path / "raw"
    write_mat(folder, "20200101000000_9901.mat")
    write_mat(folder / "b", "20200101000000_0902.mat")
    write_mat(folder / "a", "20200102000000_9901.mat", samples=810)
    write_mat(folder / "a", "20200103000000_9903.mat", samples=1200, dt_s=0.005, Ptime=1.0, Stime=5.9)
    (folder / "README.md").write_text("text")
    (folder / ".hidden").write_text("passed over")
    (folder / "a" / "20200104000000_9901.mat").write_bytes(b"MATLAB 5.0 MAT-file, cut off")
    (folder / "b" / "copy_of_20200101000000_0902.mat").write_bytes((folder / "b" / "20200101000000_0902.mat").read_bytes())
    (folder / "c").mkdir()
    (folder / "c" / "20200101000000_9901.mat").write_bytes((folder / "20200101000000_9901.mat").read_bytes())
    write_mat(folder / "d", "20200105000000_9901.mat", scale=1e6)
    return folder


def take(sources, into, **more):
    return ingest(sources, into, **{"window_s": 8.0, "progress": False, **more})


def test_good_records_get_in_and_the_rest_is_listed_with_reasons(raw, tmp_path):
    report = take([raw], tmp_path / "corpus")
    made = report.corpus
    assert report.accepted == len(made) == 4
    assert (made.samples, made.sampling_rate_hz, made.stations) == (800, 100, ["0902", "9901", "9903"])
    with (made.folder / "rejected.csv").open(newline="") as stream:
        listed = {row["file"]: row["reason"] for row in csv.DictReader(stream)}
    assert listed == dict(report.rejected)
    reasons = {"README.md": "not known", "a/20200104000000_9901.mat": "not a whole MATLAB file", "d/20200105000000_9901.mat": "100 g",
               "b/copy_of_20200101000000_0902.mat": "original name", "c/20200101000000_9901.mat": "same content as 2020"}
    assert set(listed) == set(reasons)
    assert all(part in listed[file] for file, part in reasons.items())


def test_order_of_records_is_that_of_sorted_names(raw, tmp_path):
    made = take([raw / "b", raw / "a"], tmp_path / "corpus").corpus
    assert made.metadata["trace_source_file"].tolist() == ["b/20200101000000_0902.mat", "a/20200102000000_9901.mat",
                                                          "a/20200103000000_9903.mat"]
    made = take(raw, tmp_path / "another").corpus
    assert made.metadata["trace_source_file"].tolist() == ["20200101000000_9901.mat", "a/20200102000000_9901.mat",
                                                          "a/20200103000000_9903.mat", "b/20200101000000_0902.mat"]


def test_records_are_standardised_and_picks_follow(raw, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the window is short on purpose
        made = take([raw], tmp_path / "corpus", window_s=5.75).corpus
    row = made.metadata.set_index("trace_source_file").loc["a/20200103000000_9903.mat"]
    assert (row["trace_npts_raw"], row["trace_sampling_rate_raw_hz"], row["trace_pad_samples"]) == (1200, 200, 0)
    assert row["trace_p_arrival_sample"] == 100 and np.isnan(row["trace_s_arrival_sample"])
    assert made.card["settings"]["window_s"] == 5.75


def test_window_that_misses_the_shaking_is_warned_of_once(raw, tmp_path):
    write_mat(raw, "20200110000000_9901.mat", samples=1200, quiet=1000)
    with pytest.warns(UserWarning, match=r"1 of 5 records.*20200110000000_9901.mat") as caught:
        report = take([raw], tmp_path / "corpus", window_s=8.0)
    assert len(caught) == 1
    ((name, share),) = report.missed_shaking
    assert name == "20200110000000_9901.mat" and share < 0.01
    assert report.corpus.metadata["trace_energy_share"].min() == pytest.approx(share)


def test_no_warning_where_nothing_is_missed(raw, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        take([raw / "b"], tmp_path / "corpus")


def test_single_file_and_reader_options(tmp_path):
    accel = write_mat(tmp_path)
    file = tmp_path / "20200101000000_9901.mat"
    made = take(file, tmp_path / "corpus", component_order="ENU", detrend="none").corpus
    np.testing.assert_allclose(made.waveforms([0])[0, :, :600], accel.T, rtol=1e-6)


def test_nothing_usable_is_an_error_with_the_reasons(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(IngestError, match="no files in the sources"):
        take([tmp_path / "raw"], tmp_path / "corpus")
    (tmp_path / "raw" / "notes.txt").write_text("text")
    with pytest.raises(IngestError, match="(?s)no usable record among 1 files.*notes.txt: .*not known"):
        take([tmp_path / "raw"], tmp_path / "corpus")
    with pytest.raises(IngestError, match="no such file or folder"):
        take([tmp_path / "absent"], tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize("setting", [{"window_s": 0}, {"window_s": float("nan")}, {"sampling_rate_hz": -100}, {"windows": "first"}, {"splits": (0.5, 0.5, 0.5)},
                                     {"events": "nowhere.csv"}])
def test_settings_must_make_sense(raw, tmp_path, setting):
    with pytest.raises(IngestError, match="setting (window_s|sampling_rate_hz|windows|splits|events|processes)"):
        take([raw], tmp_path / "corpus", **setting)


def test_existing_corpus_is_kept_unless_told(raw, tmp_path):
    take([raw], tmp_path / "corpus")
    with pytest.raises(CorpusError, match="already"):
        take([raw / "b"], tmp_path / "corpus")
    assert take([raw / "b"], tmp_path / "corpus", overwrite=True).accepted == 1


@pytest.mark.parametrize("collection", ["afad-mat", "afad-nsmn"])
def test_real_records(collection, tmp_path):
    if not remote.available(collection):
        pytest.skip(f"{collection} is not on this machine: set TNG_MIRROR to a folder that holds it, or run `tng fetch`")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = take(remote.collection(collection), tmp_path / "corpus", window_s=60.0)
    assert report.rejected == ()
    made = Corpus.open(tmp_path / "corpus")
    shares = made.metadata["trace_energy_share"]
    if collection == "afad-mat":
        assert len(made) == 9 and report.missed_shaking == () and shares.min() > 0.975
        assert made.main_stations(1) == ["2404"]
        both = made.metadata[made.metadata["source_id"] == "20120114055233"]
        assert len(both) == 2 and both["split"].nunique() == 1
    else:
        assert made.stations == ["0921", "4304", "5405"]
        np.testing.assert_allclose(shares, [0.55, 0.03, 0.004], atol=0.01)


# --- what became of every file -------------------------------------------------------------------------

def rows(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_file_is_accounted_for(raw, tmp_path):
    import hashlib

    made = take(raw, tmp_path / "corpus").corpus
    listed = {row["file"]: row for row in rows(made.folder / "sources.csv")}
    files = {path.relative_to(raw).as_posix(): path for path in raw.rglob("*") if path.is_file() and path.name != ".hidden"}
    assert set(listed) == set(files)
    for name, path in files.items():
        assert listed[name]["bytes"] == str(path.stat().st_size)
        assert listed[name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert listed["b/20200101000000_0902.mat"]["outcome"] == "afad_mat" and listed["README.md"]["outcome"] == "refused"


def test_manifest_has_versions_settings_and_checksums(raw, tmp_path):
    made = take(raw, tmp_path / "corpus").corpus
    card = json.loads((made.folder / "corpus.json").read_text())
    assert card["settings"]["window"] == "first" and card["settings"]["largest_pga_g"] == 100
    assert {"python", "tng", "numpy"} <= set(card["versions"])
    assert card["metadata_sha256"] == remote.sha256(made.folder / "metadata.csv")
    assert card["waveforms_sha256"] == remote.sha256(made.folder / "waveforms.hdf5")
    assert str(tmp_path) not in (made.folder / "corpus.json").read_text() + (made.folder / "metadata.csv").read_text()


def test_zip_and_folder_give_the_same_records(raw, tmp_path):
    with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
        for path in sorted(raw.rglob("*.mat")):
            archive.write(path, path.relative_to(raw))
    plain, packed = take(raw, tmp_path / "plain").corpus, take(tmp_path / "raw.zip", tmp_path / "packed").corpus
    assert packed.metadata["trace_source_file"].tolist() == [f"raw.zip/{name}" for name in plain.metadata["trace_source_file"]]
    np.testing.assert_array_equal(plain.waveforms(range(4)), packed.waveforms(range(4)))


def test_stations_and_number_of_records_select(raw, tmp_path):
    write_mat(raw, "20200109000000_0902.mat")
    assert take(raw, tmp_path / "one", stations=("9903",)).corpus.stations == ["9903"]
    report = take(raw, tmp_path / "two", smallest_records=2)
    assert report.corpus.stations == ["0902", "9901"]
    assert "too few usable records: 1, of at least 2" in dict(report.rejected)["a/20200103000000_9903.mat"]


# --- interrupted, repeated, in parallel ----------------------------------------------------------------

def many(folder, files=60):
    """Records, and some files that are none."""
    for number in range(files):
        write_mat(folder / f"{number % 4}", f"202001{number % 28 + 1:02d}{number // 28:02d}0000_99{number % 5:02d}.mat", samples=600 + number)
    (folder / "0" / "notes.txt").write_text("text")
    (folder / "1" / "20200301000000_9901.mat").write_bytes(b"MATLAB 5.0 MAT-file, cut off")
    return folder


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def same(one, other):
    """Byte for byte the same files."""
    one, other = content(one), content(other)
    assert set(one) == set(other)
    assert [name for name in one if one[name] != other[name]] == []


def test_in_parallel_the_bytes_are_the_same(tmp_path):
    raw = many(tmp_path / "raw")
    take(raw, tmp_path / "one", processes=1)
    assert take(raw, tmp_path / "two", processes=2).accepted == 60
    same(tmp_path / "one", tmp_path / "two")


def test_repeated_ingest_does_nothing(raw, tmp_path):
    first = take(raw, tmp_path / "corpus")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "corpus").iterdir()}
    again = take(raw, tmp_path / "corpus")
    assert again.unchanged and again.accepted == 4 and again.rejected == first.rejected
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "corpus").iterdir()} == before
    assert not list(tmp_path.glob(".*"))
    for change in ({"window_s": 7.0}, {"seed": 1}):
        with pytest.raises(CorpusError, match="already"):
            take(raw, tmp_path / "corpus", **change)
    write_mat(raw, "20200111000000_9901.mat")
    with pytest.raises(CorpusError, match="already"):
        take(raw, tmp_path / "corpus")


def test_a_file_of_equal_size_and_other_content_is_a_change(tmp_path):
    folder = tmp_path / "raw"
    write_mat(folder, do := "20200101000000_9901.mat")
    take(folder, tmp_path / "corpus")
    content = bytearray((folder / do).read_bytes())
    content[-9] ^= 1
    (folder / do).write_bytes(content)
    with pytest.raises(CorpusError, match="already"):
        take(folder, tmp_path / "corpus")


def stop_after(count, monkeypatch):
    """Let the run fail when it wants to note its `count`-th file."""
    add, calls = Journal.add, []

    def failing(self, *given):
        calls.append(given)
        if len(calls) == count:
            raise KeyboardInterrupt
        add(self, *given)

    monkeypatch.setattr(Journal, "add", failing)


@pytest.mark.parametrize("count", [1, 17, 60])
def test_stopped_run_goes_on_where_it_was(count, tmp_path, monkeypatch):
    raw = many(tmp_path / "raw")
    take(raw, tmp_path / "undisturbed", processes=1)
    with monkeypatch.context() as patch:
        stop_after(count, patch)
        with pytest.raises(KeyboardInterrupt):
            take(raw, tmp_path / "corpus", processes=1)
    assert not (tmp_path / "corpus").exists()
    calls = []
    monkeypatch.setattr(ingesting, "work", lambda order, work=ingesting.work: calls.append(order) or work(order))
    report = take(raw, tmp_path / "corpus", processes=1)
    assert report.resumed == count - 1 and len(calls) == 61 - (count - 1)
    same(tmp_path / "undisturbed", tmp_path / "corpus")
    assert not list(tmp_path.glob(".*"))


def test_journal_cut_off_anywhere_gives_the_same_bytes(tmp_path, monkeypatch):
    """As a full disk or a power cut leaves it: either file may end at any byte."""
    raw = many(tmp_path / "raw", 12)
    take(raw, tmp_path / "undisturbed", processes=1)
    with monkeypatch.context() as patch:
        stop_after(10, patch)
        with pytest.raises(KeyboardInterrupt):
            take(raw, tmp_path / "corpus", processes=1)
    kept = {path: path.read_bytes() for path in (tmp_path / ".corpus.ingest").iterdir()}
    dice = random.Random(5)
    for _ in range(6):
        for path, content in kept.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content[:dice.randrange(len(content) + 1)])
        take(raw, tmp_path / "corpus", processes=1, overwrite=True)
        same(tmp_path / "undisturbed", tmp_path / "corpus")


def test_change_of_a_file_or_setting_is_read_anew(tmp_path, monkeypatch):
    raw = many(tmp_path / "raw", 12)
    with monkeypatch.context() as patch:
        stop_after(10, patch)
        with pytest.raises(KeyboardInterrupt):
            take(raw, tmp_path / "corpus", processes=1)
    changed = next(iter(sorted(raw.rglob("*_9902.mat"))))
    write_mat(changed.parent, changed.name, samples=700, scale=2.0)
    report = take(raw, tmp_path / "corpus", processes=1)
    take(raw, tmp_path / "undisturbed", processes=1)
    assert report.resumed == 8
    same(tmp_path / "undisturbed", tmp_path / "corpus")


def test_two_runs_at_once_are_one_too_many(raw, tmp_path):
    with Journal(tmp_path / ".corpus.ingest"):
        with pytest.raises(JournalError, match="another run"):
            take(raw, tmp_path / "corpus")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_twenty_times_the_bytes_are_the_same(tmp_path):
    """A run that is killed without warning, at random moments of reading and of writing, twenty times."""
    raw = many(tmp_path / "raw", 150)
    command = [sys.executable, "-c", "import sys; from tng import report; from tng.ingest import ingest\n"
               "report.write = lambda folder, rejected: (folder / 'report.md').write_text(str(len(rejected)))\n"
               "print('ready', flush=True); ingest(sys.argv[1], sys.argv[2], window_s=8, processes=int(sys.argv[3]), progress=False)"]
    subprocess.run([*command, raw, tmp_path / "undisturbed", "1"], check=True, stdout=subprocess.DEVNULL)
    dice, journal, during_writing = random.Random(11), tmp_path / ".corpus.ingest" / "journal.jsonl", 0
    for kill in range(20):
        run = subprocess.Popen([*command, raw, tmp_path / "corpus", "2" if kill % 4 == 3 else "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        run.stdout.readline()
        if kill < 16:                                        # while it reads: after it has noted something new
            size, end = journal.stat().st_size if journal.exists() else 0, time.monotonic() + 60
            while run.poll() is None and time.monotonic() < end and not (journal.exists() and journal.stat().st_size > size):
                time.sleep(0.001)
            time.sleep(dice.uniform(0, 0.02))
        else:                                                # while it writes
            while run.poll() is None and not any(name.endswith(".part") for name in os.listdir(tmp_path)):
                time.sleep(0.0005)
            time.sleep(dice.uniform(0, 0.02))
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stdout.close()
        during_writing += bool(list(tmp_path.glob(".corpus.*.part")))
        if (tmp_path / "corpus").exists():                   # it was quicker: the next one begins anew
            shutil.rmtree(tmp_path / "corpus")
    assert during_writing
    subprocess.run([*command, raw, tmp_path / "corpus", "2"], check=True, stdout=subprocess.DEVNULL)
    same(tmp_path / "undisturbed", tmp_path / "corpus")
    assert not list(tmp_path.glob(".*"))


# --- what must not happen ------------------------------------------------------------------------------

def test_a_corpus_in_its_own_source_folder_is_no_source(raw):
    first = take(raw, raw / "corpus")
    assert take(raw, raw / "corpus").unchanged
    longer = take(raw, raw / "corpus", window_s=9.0, overwrite=True)
    assert longer.accepted == first.accepted and longer.corpus.samples == 900
    assert longer.corpus.metadata["trace_npts_raw"].tolist() == first.corpus.metadata["trace_npts_raw"].tolist()


def test_what_belongs_to_other_corpora_is_left_alone(raw, tmp_path):
    other = tmp_path / f".corpus.v2.{'0' * 32}.old"
    own = tmp_path / f".corpus.{'1' * 32}.part"
    other.mkdir()
    own.mkdir()
    take(raw, tmp_path / "corpus")
    assert other.exists() and not own.exists()


def test_the_same_files_from_two_sources(raw, tmp_path):
    shutil.copytree(raw, tmp_path / "copy")
    report = take([raw, tmp_path / "copy", raw], tmp_path / "corpus")
    assert report.accepted == 4 and take([raw, tmp_path / "copy", raw], tmp_path / "corpus").unchanged
    assert set(report.corpus.metadata["trace_source_file"].str.split("/").str[0]) == {"raw"}
    assert sum("same content" in why or "same samples" in why for _, why in report.rejected) >= 4


def test_one_record_that_cannot_be_stored_is_refused_and_the_rest_goes_on(raw, tmp_path):
    from dataclasses import replace

    from tng import writers
    from tng.readers import read

    good = read(raw / "20200101000000_9901.mat")
    odd = {"tiny": replace(good, data=good.data * 1e-50), "offset": replace(good, data=good.data * 1e-9 + 980),
           "early": replace(good, meta={**good.meta, "trace_start_time": "0001-01-01T00:00:00+14:00"}),
           "huge": replace(good, meta={**good.meta, "note": 10**400}), "blank": replace(good, station=" ")}
    for name, record in odd.items():
        try:
            writers.write([record], tmp_path / "odd" / name, "csv", allow_restricted=True)
        except ValueError:                           # cannot even be written
            continue
    report = take([raw, tmp_path / "odd"], tmp_path / "corpus", detrend="none")
    assert report.accepted >= 4 and len(list((tmp_path / "odd").rglob("*.csv"))) >= 3
    assert take([raw, tmp_path / "odd"], tmp_path / "corpus", detrend="none").unchanged


@pytest.mark.parametrize("name, says", [("linked", "link to a folder"), ("gone.mat", "not a file")])
def test_links_are_not_followed_in_silence(name, says, raw, tmp_path):
    (raw / name).symlink_to(tmp_path if name == "linked" else tmp_path / "nowhere")
    assert says in dict(take(raw, tmp_path / "corpus").rejected)[name]


def test_files_beside_a_data_set_are_read_too(raw, tmp_path):
    take(raw / "a", tmp_path / "set")
    write_mat(tmp_path / "set", "20200121000000_9901.mat")
    report = take(tmp_path / "set", tmp_path / "corpus")
    assert report.accepted == 3 and {"seisbench", "afad-mat"} <= set(report.corpus.metadata["trace_source_format"]) | {"seisbench"}


def test_a_corpus_that_was_damaged_or_split_anew_is_made_again(raw, tmp_path):
    from tng.corpus_tools import resplit

    made = take(raw, tmp_path / "corpus").corpus
    resplit(made.folder, (0, 0, 1))
    with pytest.raises(CorpusError, match="already"):
        take(raw, tmp_path / "corpus")
    (made.folder / "waveforms.hdf5").write_bytes(b"\x89HDF cut off")
    assert take(raw, tmp_path / "corpus", overwrite=True).accepted == 4


def test_what_failed_is_tried_again_by_the_next_run(tmp_path, monkeypatch):
    raw = many(tmp_path / "raw", 6)
    with monkeypatch.context() as patch:
        stop_after(7, patch)
        work = ingesting.work
        patch.setattr(ingesting, "work", lambda order: ingesting._failed(order, "the program that read it stopped")
                      if "_9902" in order[1].name else work(order))
        with pytest.raises(KeyboardInterrupt):
            take(raw, tmp_path / "corpus", processes=1)
    report = take(raw, tmp_path / "corpus", processes=1)
    assert report.accepted == 6 and 0 < report.resumed < 6


def test_children_import_nothing_from_the_folder_of_the_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "h5py.py").write_text("raise SystemExit('code from a folder of data')")
    assert take(many(tmp_path / "raw", 30), tmp_path / "corpus", processes=2).accepted == 30


# --- workers -------------------------------------------------------------------------------------------

def misbehave(order):
    """What a child is asked to do in the tests below."""
    if order == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if order == "hang":
        time.sleep(300)
    if order == "print":
        print("a library talks", flush=True)
    return f"did {order}"


def test_a_crash_or_a_hang_costs_one_task_only(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(__file__))   # not its parent: some packages install a `tests` of their own
    orders = [f"{number}" for number in range(20)] + ["crash", "print", "hang", "last"]
    answers = list(workers.unordered("test_ingest:misbehave", orders, 2, 5.0, lambda task, error: f"{task}: {error}"))
    assert sorted(answers) == sorted([f"did {order}" for order in orders if order not in ("crash", "hang")]
                                     + ["crash: the program that read it stopped", "hang: it took too long to read"])
