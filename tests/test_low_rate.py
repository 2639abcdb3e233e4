"""Records at 31.25 Hz, which do not hold the paper's 1-20 Hz, through the same commands: what they hold is used, and said."""

import numpy as np
import pytest

from command_line import tng
from tng import config, runs
from tng.corpus import Corpus
from tng.scoring import tables

RATE_HZ, WINDOW_S = 31.25, 20.48
STATIONS = ["--station", "1716-like", "--station", "4628-like"]


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    """Synthetic records, resampled to 31.25 Hz."""
    settings = config.settings(sampling_rate_hz=RATE_HZ, window_s=WINDOW_S, records_per_station=20, random_stations=1, records_per_random_station=2)
    return runs.write_synthetic(tmp_path_factory.mktemp("low") / "corpus", settings)


@pytest.mark.usefixtures("seeded")
def test_train_generate_and_score(synthetic, tmp_path, monkeypatch, capsys):
    """The rate is the corpus' own: nobody has to set it."""
    monkeypatch.chdir(tmp_path)
    given = ["--corpus", synthetic.folder, "--run", "run", *STATIONS]
    code, text = tng(monkeypatch, capsys, "train", "vae", *given, "--set", "vae_epochs=1", "--set", "vae_channels=4", "--set", "batch=16")
    assert code == 0 and "vae: 1 epochs, final loss" in text, text
    for model in ("vae", "average", "stochastic"):
        code, text = tng(monkeypatch, capsys, "generate", "--run", "run", "--corpus", synthetic.folder, "--model", model, *STATIONS, "-n", 8, "--into", model)
        assert code == 0, text
        made = Corpus.open(model)
        assert (len(made), made.sampling_rate_hz, made.samples) == (16, RATE_HZ, 640) and np.isfinite(made.waveforms(np.arange(16))).all()
    code, text = tng(monkeypatch, capsys, "score", synthetic.folder, "vae", "average", "--draws", 20, "--into", "b.json")
    assert code == 0 and "Note: f0 and HVSR are those of 1-12.5 Hz" in text, text
    assert tables.load(tmp_path / "b.json").attrs["band_hz"] == [1.0, 12.5]
    code, text = tng(monkeypatch, capsys, "score", synthetic.folder, "average", "--band-hz", 1, 20)
    assert code == 1 and "a band from 1 to 20 Hz on records at 31.25 Hz; two rising frequencies up to 15.625 Hz" in text


def test_what_is_set_goes_before_the_corpus(synthetic, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, text = tng(monkeypatch, capsys, "train", "vae", "--corpus", synthetic.folder, "--set", "sampling_rate_hz=50", *STATIONS)
    assert code == 1 and "640 samples at 31.25 Hz, but this run is set to 1024 at 50 Hz" in text
    code, text = tng(monkeypatch, capsys, "train", "vae", "--corpus", tmp_path / "nowhere")
    assert code == 1 and "nowhere: there is no corpus to train on" in text


def test_no_validation_records_is_said(synthetic, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--fold", 0, "--folds", 2, "--shares", 1, 0, 0, "--into", "fold"]
    assert tng(monkeypatch, capsys, "corpus", "split", synthetic.folder, *words)[0] == 0
    code, text = tng(monkeypatch, capsys, "train", "vae", "--corpus", "fold", "--run", "run", *STATIONS, "--set", "vae_epochs=1", "--set", "vae_channels=4")
    assert code == 0 and "(no validation records)" in text and "nan" not in text.lower(), text
