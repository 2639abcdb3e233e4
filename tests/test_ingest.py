"""From raw files to a corpus: what gets in, what is refused and why, and what is warned of."""

import csv
import warnings
import zlib

import numpy as np
import pytest
from scipy.io import savemat

from tng import remote
from tng.corpus import Corpus, CorpusError
from tng.ingest import IngestError, ingest


def write_mat(folder, name="20200101000000_9901.mat", samples=300, dt_s=0.01, quiet=0, scale=1.0, **more):
    """A record named by station and event; its first `quiet` samples hold next to nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    accel = np.random.default_rng(zlib.crc32(name.encode())).normal(size=(samples, 3)) * scale
    accel[:quiet] *= 1e-3
    savemat(folder / name, {"EQ": {"anEQ": {"Accel": accel, "sampling": dt_s, "magnitudeval": 4.5, **more}}})
    return accel


@pytest.fixture
def raw(tmp_path):
    """Four good records in two folders, and five files that cannot be used."""
    folder = tmp_path / "raw"
    write_mat(folder, "20200101000000_9901.mat")
    write_mat(folder / "b", "20200101000000_0902.mat")
    write_mat(folder / "a", "20200102000000_9901.mat", samples=410)
    write_mat(folder / "a", "20200103000000_9903.mat", samples=600, dt_s=0.005, Ptime=1.0, Stime=2.9)
    (folder / "README.md").write_text("text")
    (folder / ".hidden").write_text("passed over")
    (folder / "a" / "20200104000000_9901.mat").write_bytes(b"MATLAB 5.0 MAT-file, cut off")
    (folder / "b" / "copy_of_20200101000000_0902.mat").write_bytes((folder / "b" / "20200101000000_0902.mat").read_bytes())
    (folder / "c").mkdir()
    (folder / "c" / "20200101000000_9901.mat").write_bytes((folder / "20200101000000_9901.mat").read_bytes())
    write_mat(folder / "d", "20200105000000_9901.mat", scale=1e6)
    return folder


def take(sources, into, **more):
    return ingest(sources, into, **{"window_s": 4.0, "progress": False, **more})


def test_good_records_get_in_and_the_rest_is_listed_with_reasons(raw, tmp_path):
    report = take([raw], tmp_path / "corpus")
    made = report.corpus
    assert report.accepted == len(made) == 4
    assert (made.samples, made.sampling_rate_hz, made.stations) == (400, 100, ["0902", "9901", "9903"])
    with (made.folder / "rejected.csv").open(newline="") as stream:
        listed = {row["file"]: row["reason"] for row in csv.DictReader(stream)}
    assert listed == dict(report.rejected)
    reasons = {"README.md": "not known", "a/20200104000000_9901.mat": "not a whole MATLAB file", "d/20200105000000_9901.mat": "100 g",
               "b/copy_of_20200101000000_0902.mat": "original name", "c/20200101000000_9901.mat": "same content as 2020"}
    assert set(listed) == set(reasons)
    assert all(part in listed[file] for file, part in reasons.items())


def test_order_of_records_is_that_of_sorted_names(raw, tmp_path):
    made = take([raw / "b", raw / "a"], tmp_path / "corpus").corpus
    assert made.metadata["trace_source_file"].tolist() == ["20200101000000_0902.mat", "20200102000000_9901.mat",
                                                          "20200103000000_9903.mat"]


def test_records_are_standardised_and_picks_follow(raw, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the window is short on purpose
        made = take([raw], tmp_path / "corpus", window_s=2.75).corpus
    row = made.metadata.set_index("trace_source_file").loc["20200103000000_9903.mat"]
    assert (row["trace_npts_raw"], row["trace_sampling_rate_raw_hz"], row["trace_pad_samples"]) == (600, 200, 0)
    assert row["trace_p_arrival_sample"] == 100 and np.isnan(row["trace_s_arrival_sample"])
    assert made.card["settings"]["window_s"] == 2.75


def test_window_that_misses_the_shaking_is_warned_of_once(raw, tmp_path):
    write_mat(raw, "20200110000000_9901.mat", samples=1000, quiet=800)
    with pytest.warns(UserWarning, match=r"1 of 5 records.*20200110000000_9901.mat") as caught:
        report = take([raw], tmp_path / "corpus", window_s=5.0)
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
    made = take(file, tmp_path / "corpus", options={"afad-mat": {"component_order": ("E", "N", "U")}}).corpus
    np.testing.assert_allclose(made.waveforms([0])[0, :, :300], accel.T, rtol=1e-6)


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


@pytest.mark.parametrize("setting", [{"window_s": 0}, {"window_s": float("nan")}, {"sampling_rate_hz": -100}])
def test_settings_must_make_sense(raw, tmp_path, setting):
    with pytest.raises(IngestError, match="must be a positive number"):
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
