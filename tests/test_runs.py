"""Settings, runs and the command line: what a user types wrong must come back as one clear message."""

import shutil
import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from command_line import tng
from tng import config, corpus, figures, runs, scoring, spectra
from tng.corpus import Corpus, write
from tng.records import Record
from tng.scoring import tables


@pytest.mark.parametrize("changes, words", [
    ({"phase0_epoch": 3}, ["unknown setting 'phase0_epoch'", "'phase0_epochs'"]),
    ({"dmodel": 3}, ["'d_model'"]), ({"d_model": 0}, ["d_model = 0", "greater than or equal to 1"]),
    ({"loss": "L2"}, ["loss = 'L2'", "'standardised' or 'raw'"]), ({"sampling_rate_hz": 19}, ["sampling_rate_hz = 19", "20"]),
])
def test_wrong_settings(changes, words):
    with pytest.raises(config.ConfigError) as error:
        config.settings(**changes)
    assert all(word in str(error.value) for word in words)


def test_wrong_profile():
    with pytest.raises(config.ConfigError, match="did you mean 'paper'"):
        config.settings("papper")


def test_profiles():
    quick, paper = config.settings("quick"), config.settings("paper")
    assert (paper.d_model, paper.d_ff, paper.num_kernels, paper.samples) == (128, 256, 6, 6000)
    assert (paper.phase0_epochs, paper.phase1_epochs, paper.batch, paper.loss) == (50, 10, 32, "raw")
    assert quick.precision == "64-true" and quick.device == "cpu"
    with pytest.raises(Exception, match="frozen"):
        quick.seed = 3


def test_start_takes_plain_parameters_only(tmp_path, monkeypatch):
    monkeypatch.setenv("TNG_RUNS", str(tmp_path))
    run = runs.start({"profile": "quick", "run": "", "corpus": "", "seed": 4, "d_model": None, "d_ff": 16,
                      "np": np, "start": runs.start, "_i": "x", "In": [], "exit": 1})
    assert (run.settings.seed, run.settings.d_model, run.settings.d_ff) == (4, config.settings().d_model, 16)
    assert run.folder == tmp_path / "quick" and run.corpus_folder == tmp_path / "quick" / "corpus"
    with pytest.raises(FrozenInstanceError):
        run.profile = "paper"


def test_a_notebook_says_at_once_that_its_band_is_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_started", False)
    with pytest.raises(config.ConfigError, match="sampling_rate_hz = 31.25: the figures and scores of this notebook need 1-20 Hz.*at 40 Hz or more"):
        runs.start({"run": str(tmp_path), "sampling_rate_hz": 31.25})
    assert runs.start({"run": str(tmp_path), "sampling_rate_hz": 31.25}, band_hz=None).settings.samples == 1875
    assert runs.start({"run": str(tmp_path), "sampling_rate_hz": 31.25}, band_hz=(1, 12)).settings.sampling_rate_hz == 31.25
    assert runs.start({"run": str(tmp_path), "sampling_rate_hz": 40}).settings.sampling_rate_hz == 40


@pytest.mark.parametrize("measure", [scoring.measure, spectra.hvsr], ids=["measure", "hvsr"])
def test_the_papers_band_is_never_cut_in_silence(measure):
    data = np.random.default_rng(0).standard_normal((2, 3, 1875))
    with pytest.raises(ValueError, match="at 31.25 Hz nothing is known above 15.625 Hz; the band ends at 20 Hz, so at least 40 Hz are needed"):
        measure(data, 31.25)


def test_start_refuses_a_mistyped_parameter(monkeypatch):
    monkeypatch.setattr(runs, "_started", False)
    with pytest.raises(config.ConfigError, match="unknown parameter 'profil': did you mean 'profile'"):
        runs.start({"profil": "paper"})


def test_what_is_missing_says_who_makes_it(tmp_path):
    run = runs.start({"run": str(tmp_path)})
    for name, notebook in runs.MADE_BY.items():
        with pytest.raises(runs.RunError, match=f"papermill notebooks/{notebook}.ipynb"):
            run.need(name)
    with pytest.raises(runs.RunError, match="01_data"):
        run.corpus()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small(tmp_path):
    """A run with a corpus of its own: 2 s of noise from three stations."""
    rng = np.random.default_rng(0)
    records = [Record(rng.standard_normal((3, 100)) * (1 + i), 50.0, station, f"e{i}") for station in ("0205", "B", "C") for i in range(10)]
    corpus.write(records, tmp_path / "corpus")
    return tmp_path


def test_a_corpus_of_another_window_is_refused(small):
    with pytest.raises(runs.RunError, match="set sampling_rate_hz to 50 and window_s to 2"):
        runs.start({"run": str(small)}).corpus()


def test_stations(small):
    run = runs.start({"run": str(small), "window_s": 2.0, "records_to_mix": 2})
    assert run.stations(run.corpus()) == ["0205", "B", "C"]
    with pytest.raises(runs.RunError, match="station 0205 has 6 training and 3 test records; 7"):
        runs.start({"run": str(small), "window_s": 2.0, "records_to_mix": 7}).stations(run.corpus())
    with pytest.raises(runs.RunError, match="only once"):
        runs.start({"run": str(small), "window_s": 2.0, "records_to_mix": 2, "stations": ["B", "B"]}).stations(run.corpus())
    run = runs.start({"run": str(small), "window_s": 2.0, "stations": ["205"]})
    with pytest.raises(runs.RunError, match="no station '205'.*'0205'"):
        run.stations(run.corpus())


def test_generated_records_are_kept_and_found_again(small):
    run = runs.start({"run": str(small), "window_s": 2.0})
    records = {s: [Record(np.random.default_rng(i).standard_normal((3, 100)), 50.0, s, f"{s}{i}") for i in range(4)] for s in ("B", "C")}
    run.keep("vae", records)
    found = run.generated("vae")
    assert sorted(found) == ["B", "C"]
    np.testing.assert_allclose(found["C"], runs.stack(records["C"]), rtol=1e-6)


def test_a_users_corpus_is_never_overwritten(small, tmp_path):
    before = (small / "corpus" / "metadata.csv").read_bytes()
    for folder in (tmp_path / "run", small):                                # also where a run would put its own
        run = runs.start({"run": str(folder), "corpus": str(small / "corpus"), "window_s": 2.0})
        assert run.make_corpus().fingerprint == run.corpus().fingerprint
    with pytest.raises(runs.RunError, match="was not simulated"):
        runs.start({"run": str(small), "window_s": 2.0}).make_corpus()
    assert (small / "corpus" / "metadata.csv").read_bytes() == before


def test_a_missing_corpus_that_was_named_is_made_by_ingest(tmp_path):
    with pytest.raises(runs.RunError, match="tng ingest SOURCE --into"):
        runs.start({"corpus": str(tmp_path / "mine")}).corpus()


def test_generated_records_of_another_corpus_are_refused(small):
    run = runs.start({"run": str(small), "window_s": 2.0})
    run.keep("vae", {"B": [Record(np.random.default_rng(0).standard_normal((3, 100)), 50.0, "B", "x")]})
    other = [Record(np.random.default_rng(i).standard_normal((3, 100)), 50.0, "B", f"e{i}") for i in range(9)]
    corpus.write(other, small / "corpus", overwrite=True)
    with pytest.raises(runs.RunError, match="another corpus.*05_vae_baseline again"):
        run.generated("vae")


def test_a_notebooks_setup_cell_can_be_run_again(monkeypatch):
    monkeypatch.setattr(runs, "_started", False)
    cell = {"profile": "quick", "d_ff": 9}
    cell["here"] = runs.start(cell)
    cell |= {"table": [1], "d_ff": 10}
    assert runs.start(cell).settings.d_ff == 10


def test_left_out_without_network(capsys):
    from tng.remote import RemoteError

    with runs.if_available():
        raise RemoteError("published/x.npz: no network")
    assert "LEFT OUT: published/x.npz: no network" in capsys.readouterr().out
    plt.close("all")
    with pytest.raises(KeyError), runs.if_available():
        raise KeyError("a mistake is not a missing file")


# --- command line ------------------------------------------------------------------------------------

def test_surrogate_and_score(tmp_path, monkeypatch, capsys):
    """A corpus scored against itself: no error, every ratio 1; a replay of the training records is seen."""
    code, text = tng(monkeypatch, capsys, "surrogate", "--into", tmp_path / "c", "--records-per-station", 14,
                         "--random-stations", 1, "--records-per-random-station", 2, "--sampling-rate-hz", 50)
    assert code == 0 and "72 synthetic records of 6 stations" in text
    corpus = Corpus.open(tmp_path / "c")
    code, text = tng(monkeypatch, capsys, "score", corpus.folder, f"itself={corpus.folder}", "--split", "all", "--draws", 20,
                         "--station", "4628-like", "--station", "1716-like", "--into", tmp_path / "b.json", "--into", tmp_path / "b.html")
    assert code == 0 and "NCC SxS" in text and "copies of them cannot be found" in text and (tmp_path / "b.html").exists()
    board = tables.load(tmp_path / "b.json")
    ratios = board[board["better"] == "one"]
    assert set(board["generator"]) == {"itself"} and set(board["station"]) == {"1716-like", "4628-like", "all"}
    assert ratios["value"].to_numpy() == pytest.approx(1, abs=1e-6)


def test_score_sees_a_replay(data_folder, tmp_path, monkeypatch, capsys):
    corpus = Corpus.open(data_folder)
    write([corpus.record(row) for row in corpus.select(["A"], "train")], tmp_path / "copies", seed=0)
    code, text = tng(monkeypatch, capsys, "score", data_folder, tmp_path / "copies", "--draws", 20)
    assert code == 0 and next(line for line in text.splitlines() if " copies " in line and "novelty" not in line).rstrip().endswith("1.00 †")


def test_training_records_of_score_are_the_train_split(data_folder, tmp_path, monkeypatch, capsys):
    """Test records of --train are no training records; a corpus without a train split is taken whole."""
    corpus = Corpus.open(data_folder)
    train = len(corpus.select(None, "train"))
    shutil.copytree(data_folder, tmp_path / "plain")
    table = pd.read_csv(tmp_path / "plain" / "metadata.csv", dtype=str).drop(columns="split")
    table.to_csv(tmp_path / "plain" / "metadata.csv", index=False)
    for folder, count, says in ((data_folder, train, f"the train split of {data_folder}, {train} records"),
                                (tmp_path / "plain", len(corpus), f"all {len(corpus)} records of {tmp_path / 'plain'}, which has no train split")):
        code, text = tng(monkeypatch, capsys, "score", data_folder, data_folder, "--train", folder, "--draws", 20, "--into", tmp_path / "b.json")
        board = tables.load(tmp_path / "b.json")
        assert code == 0 and f"Note: Training records are {says}" in text, text
        assert set(board.loc[board["station"] == "all", "n_train"]) == {count} and 0 < train < len(corpus)
        assert any(says in note for note in board.attrs["notes"])
        assert ("records are named as training" in text) == (count == len(corpus))


def test_training_records_of_score_from_files(data_folder, tmp_path, monkeypatch, capsys):
    """Files have no splits: all of them are taken."""
    code, text = tng(monkeypatch, capsys, "corpus", "export", data_folder, "--into", tmp_path / "files", "--format", "csv", "--split", "train",
                     "--allow-restricted")
    assert code == 0, text
    code, text = tng(monkeypatch, capsys, "score", data_folder, data_folder, "--train", tmp_path / "files", "--draws", 20)
    known = len(Corpus.open(data_folder).select(None, "train"))
    assert code == 0 and f"Training records are all {known} records of {tmp_path / 'files'}" in text, text
    assert "records are named as training" not in text


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """Bursts of noise of two stations, 20 earthquakes each."""
    rng = np.random.default_rng(0)
    made = [Record(np.hanning(500) * rng.standard_normal((3, 500)), 50.0, station, f"event {i}") for station in "AB" for i in range(20)]
    return write(made, tmp_path_factory.mktemp("score") / "c", seed=0).folder


@pytest.mark.parametrize("words, expected", [
    (["nowhere"], "nowhere is not there"), (["REAL", "--into", "b.xlsx"], ".csv, .json, .html, .png"), (["REAL", "REAL"], "two sets are called"),
    (["REAL", "--station", "Q"], "no records of Q"), (["REAL", "--split", "tets"], "tets"), (["REAL", "--train", "nowhere"], "nowhere is not there"),
])
def test_wrong_calls_of_score(words, expected, data_folder, tmp_path, monkeypatch, capsys):
    words = [str(data_folder) if word == "REAL" else word for word in words]
    code, text = tng(monkeypatch, capsys, "score", data_folder, *words)
    assert code == 1 and expected in text and "Traceback" not in text


def test_nothing_is_overwritten_unasked(data_folder, monkeypatch, capsys):
    code, text = tng(monkeypatch, capsys, "surrogate", "--into", data_folder)
    assert code == 1 and text.startswith("Error:") and "overwrite" in text.lower()


@pytest.mark.parametrize("words, expected", [
    (["generate", "--station", "A", "--into", "x", "--run", "nowhere"], "03_phase1"),
    (["generate", "--station", "A", "--into", "x", "--model", "vea"], "did you mean 'vae'"),
    (["ingest", "nowhere", "--into", "x"], "nowhere: no such file or folder"),
    (["fetch", "publishd"], "did you mean published"), (["score", "nowhere", "nowhere"], "nowhere"),
])
def test_mistakes_are_one_message(words, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, text = tng(monkeypatch, capsys, *words)
    assert code == 1 and expected in text and "Traceback" not in text
    assert list(tmp_path.iterdir()) == []


def test_import_is_light():
    heavy = ("torch", "obspy", "matplotlib", "pandas", "lightning_fabric")
    code = f"import sys, tng, tng.cli; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


# --- figures -------------------------------------------------------------------------------------

@pytest.fixture
def measures():
    rng = np.random.default_rng(0)
    return {s: scoring.measure(rng.standard_normal((6, 3, 500)), 50.0) for s in ("A", "B")}


def test_every_axis_has_its_label(measures):
    data = np.random.default_rng(0).standard_normal((3, 500))
    figure, axes = plt.subplots(4, 2)
    figures.plot_waveforms(data, 50.0, axes[:3, 0])
    figures.plot_curves(measures["A"].freq_hz, measures["A"].curves, axes[0, 1], name="VAE")
    figures.plot_f0({"held-out": measures["A"].f0_hz}, axes[1, 1])
    assert axes[2, 0].get_xlabel() == "Time [s]" and axes[0, 0].get_ylabel() == "E [cm/s²]"
    assert axes[0, 1].get_xlabel() == "Frequency [Hz]" and axes[0, 1].get_ylabel() == "H/V [-]"
    assert axes[0, 1].get_xscale() == axes[1, 1].get_xscale() == "log"
    plt.close(figure)


def test_waveforms_share_a_scale_and_state_their_peak():
    data = np.stack([np.sin(np.arange(500.0)) * a for a in (1, 2, 30)])
    figure, axes = plt.subplots(3, 1)
    figures.plot_waveforms(data, 50.0, axes)
    assert len({ax.get_ylim() for ax in axes}) == 1
    assert axes[2].texts[0].get_text() == "PGA 30 cm/s²"
    plt.close(figure)


def test_curves_draw_the_median(measures):
    figure, ax = plt.subplots()
    figures.plot_curves(measures["A"].freq_hz, measures["A"].curves, ax, name="VAE")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.median(measures["A"].curves, axis=0))
    assert ax.lines[0].get_color() == figures.colour("VAE")
    plt.close(figure)


def test_a_station_is_a_column(measures):
    figure, axes = figures.station_panels({"held-out": measures, "VAE": measures})
    assert axes.shape == (2, 2) and [ax.get_title() for ax in axes[0]] == ["A", "B"]
    plt.close(figure)


def test_colours_are_different():
    names = ["held-out", "TimesNet-Gen", "zero-shot", "VAE", "average", "replay"]
    assert len({tuple(figures.colour(n)) for n in names}) == len(names)


def test_spectra_of_generated_sets_have_a_median_curve(measures):
    assert measures["A"].median_curve.shape == spectra.CURVE_HZ.shape


def test_held_out_records_are_those_of_test_events(small):
    run = runs.start({"run": str(small), "window_s": 2.0})
    data = run.corpus()
    found = run.held_out(data, ["B"])
    assert len(found["B"]) == len(data.select(["B"], "test")) > 0
    one = [Record(np.random.default_rng(0).standard_normal((3, 100)), 50.0, "B", "e")]
    corpus.write(one, small / "one", splits=(1, 0, 0))
    with pytest.raises(runs.RunError, match="station B has no test records among its 1"):
        run.held_out(corpus.Corpus.open(small / "one"), ["B"])
