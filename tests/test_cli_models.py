"""`tng train`, `generate`, `release` and `import-checkpoint`, as a user types them: what they make, and one message for each mistake."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from command_line import tng
from tng import checkpoints, cli_train, config, corpus, public_code, readers, runs, trainings
from tng.corpus import Corpus
from tng.processes import Stopped
from tng.records import Record
from tng.released import load_released
from tng.timesnet import TimesNetGen

RATE_HZ, SAMPLES = 50.0, 256
SMALL = ["--set", f"window_s={SAMPLES / RATE_HZ}", "--set", "d_model=4", "--set", "d_ff=4", "--set", "phase0_epochs=2", "--set", "phase1_epochs=1",
         "--set", "vae_epochs=1", "--set", "vae_channels=4", "--set", "records_to_mix=3", "--station", "A-like", "--station", "B"]


def environment():
    """Of another process: quiet, one thread, runs in the working folder."""
    return {**{name: value for name, value in os.environ.items() if name != "TNG_RUNS"}, "TNG_PROGRESS": "0", "OMP_NUM_THREADS": "1"}


def write_corpus(folder, stations=("A-like", "B", "C", "D"), n=14):
    rng = np.random.default_rng(0)
    envelope = np.exp(-np.linspace(0, 5, SAMPLES))
    records = [Record(envelope * rng.standard_normal((3, SAMPLES)) * 10 ** rng.uniform(-1, 2), RATE_HZ, station, f"event {i}",
                      {"trace_license": "CC BY 4.0"}) for station in stations for i in range(n)]
    return corpus.write(records, folder, seed=1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with runs/quick, trained by the command."""
    folder = tmp_path_factory.mktemp("cli")
    write_corpus(folder / "runs/quick/corpus")
    made = subprocess.run([sys.executable, "-m", "tng.cli", "train", "phase1", "phase0", "vae", *SMALL], cwd=folder, capture_output=True, text=True,
                          env=environment())
    assert made.returncode == 0, made.stderr
    return folder, made.stdout


@pytest.fixture
def here(trained, monkeypatch, tmp_path):
    """The same run, in a working folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TNG_RUNS", raising=False)
    shutil.copytree(trained[0] / "runs", tmp_path / "runs")
    return tmp_path


# --- train ----------------------------------------------------------------------------------------------

def test_training_says_what_it_made(trained):
    folder, out = trained
    names = [line.partition(":")[0] for line in out.splitlines() if line[0] != " "]
    assert names == ["phase0", "phase1", "vae", "Next"]                                 # in an order that works
    for name in names[:-1]:
        info = checkpoints.read_about(folder / "runs/quick" / name)
        assert f"{name}: {len(info['history']['epoch'])} epochs, final loss {info['history']['train'][-1]:.4g} (validation" in out
        assert f"written: runs/quick/{name}.safetensors, and its card {name}.md" in out
        assert "Valid for: A-like, B" in (folder / f"runs/quick/{name}.md").read_text()
    assert out.count("records/s") == out.count("peak memory") == 3
    assert out.splitlines()[-1] == "Next: tng generate --station A-like -n 50"


def test_it_is_the_training_of_the_notebooks(trained, tmp_path):
    settings = config.settings(window_s=SAMPLES / RATE_HZ, d_model=4, d_ff=4, phase0_epochs=2, records_to_mix=3, stations=("A-like", "B"))
    again = trainings.carry_out("phase0", runs.Run("quick", tmp_path, trained[0] / "runs/quick/corpus", settings, own_corpus=True))
    network, _, extra = checkpoints.load_checkpoint(trained[0] / "runs/quick/phase0", TimesNetGen)
    assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), again.network.state_dict().values(), strict=True))
    assert torch.equal(extra["noise_std"], again.extra["noise_std"])


def test_what_is_trained_is_not_trained_again(here, monkeypatch, capsys):
    before = (here / "runs/quick/phase0.safetensors").stat().st_mtime_ns
    code, text = tng(monkeypatch, capsys, "train", "phase0", *SMALL)
    assert code == 0 and "phase0: already trained (runs/quick/phase0.safetensors)" in text and "Next: tng train phase1 --set window_s" in text
    assert (here / "runs/quick/phase0.safetensors").stat().st_mtime_ns == before


def test_again_and_another_setting_train_anew(tmp_path, monkeypatch, capsys):
    write_corpus(tmp_path / "run/corpus")
    words = ["train", "phase0", "--run", tmp_path / "run", *SMALL]
    another = ["--set", "phase0_epochs=1"]
    for more, epochs in (([], 2), (["--again"], 2), ([*another, "--again"], 1)):
        if "--again" in more and another[1] in more:                           # a slip of the fingers replaces nothing
            code, text = tng(monkeypatch, capsys, *words, *another)
            assert code == 1 and "phase0_epochs is 2 there and 1 here" in text and "--again" in text
        code, text = tng(monkeypatch, capsys, *words, *more)
        assert code == 0 and f"phase0: {epochs} epochs" in text and "already" not in text
    assert tng(monkeypatch, capsys, *words, "--set", "phase0_epochs=1", "--set", "generated_records=3")[1].startswith("phase0: already trained")


@pytest.mark.parametrize("words, expected", [
    (["phas0"], "unknown training 'phas0': did you mean 'phase0'"), (["all", "--set", "d_modl=3"], "did you mean 'd_model'"),
    (["all", "--set", "d_model=three"], "setting d_model = 'three'"), (["all", "--set", "d_model"], "NAME=VALUE"),
    (["all", "--set", "stations=[0205]"], "name stations with --station"), (["all", "--profile", "papr"], "did you mean 'paper'"),
    (["all", "--devices", "0"], "devices = 0"), (["phase0", "--set", "x=["], "unknown setting|not a value"),
    (["phase0", "--run", "empty", "--set", "random_stations=3"], "no corpus to train on(.|\n)*tng surrogate --into empty/corpus --sampling-rate-hz 50 "
     "--window-s 60 --records-per-station 100 --random-stations 3 (.|\n)*tng ingest SOURCE"),
    (["phase1", "--run", "empty", "--corpus", "runs/quick/corpus", "--set", "seed=3"],
     "phase1 starts from phase0(.|\n)*  tng train phase0 --run empty --corpus runs/quick/corpus --set seed=3\n"),
    (["phase0"], "256 samples at 50 Hz(.|\n)*set sampling_rate_hz to 50 and window_s to 5.12"),
    (["phase0", "--set", "window_s=5.12", "--station", "Bb"], "no station 'Bb'.*did you mean 'B'"),
    (["phase0", "--set", "window_s=5.12", "--set", "records_to_mix=40"], "40 .records_to_mix."),
])
def test_mistakes_of_train(words, expected, here, monkeypatch, capsys):
    code, text = tng(monkeypatch, capsys, "train", *words)
    assert code == 1 and text.startswith("Error: ")
    assert re.search(expected, text), text
    assert not (here / "empty").exists()


def test_only_the_first_process_prints(monkeypatch, capsys):
    names = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    for given, prints in (({}, True), ({"RANK": "0", "LOCAL_RANK": "0"}, True), ({"RANK": "3", "LOCAL_RANK": "0"}, False),
                          ({"LOCAL_RANK": "1"}, False), ({"SLURM_PROCID": "2"}, False), ({"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, False),
                          ({"NODE_RANK": "1"}, False)):
        for name in names:
            monkeypatch.delenv(name, raising=False)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        cli_train._say("hello")
        assert bool(capsys.readouterr().out) == prints, given


@pytest.mark.parametrize("stop, code, kept", [(KeyboardInterrupt(), 130, True), (Stopped("asked", signal.SIGTERM), 143, True),
                                              (Stopped("asked", signal.SIGUSR1), 138, False), (cli_train._Asked(signal.SIGTERM), 143, False),
                                              (cli_train._Asked(signal.SIGUSR1), 138, True)])
def test_a_stopped_training_says_how_to_go_on(stop, code, kept, here, monkeypatch, capsys):
    """Whether the training noted the signal itself or not."""
    def stopped(name, run, again):
        if kept:
            run.path(f"{name}.part.safetensors").write_bytes(b"")
        raise stop

    monkeypatch.setattr(trainings, "carry_out", stopped)
    handler = signal.getsignal(signal.SIGTERM)
    words = ["train", "phase0", "--run", "other", "--corpus", "runs/quick/corpus", "--set", "d_ff=3"]
    found, text = tng(monkeypatch, capsys, *words)
    assert found == code and f"tng {' '.join(words)}\n" in text and "stopped by SIG" in text
    assert ("other/phase0.part.safetensors; the same command goes on" in text) == kept and ("starts anew" in text) != kept
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_killed_training_goes_on_to_the_same_weights(here, monkeypatch, capsys):
    """SIGTERM in the middle; the same command again ends with the weights of a training that was never stopped."""
    words = ["train", "phase0", "--corpus", "runs/quick/corpus", *SMALL, "--set", "phase0_epochs=25"]
    process = subprocess.Popen([sys.executable, "-m", "tng.cli", *words, "--run", "stopped"], stderr=subprocess.PIPE, text=True, env=environment())
    until = time.monotonic() + 120
    while not (here / "stopped/phase0.part.safetensors").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    message = process.communicate()[1]
    assert process.returncode == 143 and "the same command goes on" in message and "Traceback" not in message
    assert not (here / "stopped/phase0.safetensors").exists()
    for name in ("stopped", "whole"):
        assert tng(monkeypatch, capsys, *words, "--run", name)[0] == 0
    (a, info, _), (b, other, _) = (checkpoints.load_checkpoint(here / name / "phase0", TimesNetGen) for name in ("stopped", "whole"))
    for one, another in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
        np.testing.assert_allclose(one, another, rtol=1e-7, atol=1e-9)                   # the other process may have had other threads
    np.testing.assert_allclose(info["history"]["train"], other["history"]["train"], rtol=1e-9)


# --- generate -------------------------------------------------------------------------------------------

def test_generate_right_after_a_run(here, monkeypatch, capsys):
    code, text = tng(monkeypatch, capsys, "generate", "--station", "B", "-n", 4)
    made = Corpus.open(here / "generated/B")
    assert code == 0 and text == "4 generated records for B in generated/B\n" and len(made) == 4
    assert set(made.metadata["trace_category"]) == {"generated"} and set(made.metadata["generator"]) == {"TimesNet-Gen"}
    expected = runs.load_generator("timesnet-gen", here / "runs/quick").sample("B", 4, 0)
    np.testing.assert_array_equal(made.waveforms(np.arange(4)), np.stack([one.data for one in expected]).astype(np.float32))
    before = (here / "generated/B/metadata.csv").read_bytes()
    code, text = tng(monkeypatch, capsys, "generate", "--station", "B", "-n", 5)
    assert code == 1 and "--overwrite" in text and (here / "generated/B/metadata.csv").read_bytes() == before
    assert tng(monkeypatch, capsys, "generate", "--station", "B", "-n", 5, "--overwrite")[0] == 0 and len(Corpus.open(here / "generated/B")) == 5


def test_a_synthetic_station_without_its_like(here, monkeypatch, capsys):
    code, text = tng(monkeypatch, capsys, "generate", "--station", "A", "-n", 2)
    assert code == 0 and "knows no station A; taking A-like, the synthetic station" in text
    assert set(Corpus.open(here / "generated/A-like").metadata["station_code"]) == {"A-like"}


def test_several_stations(here, monkeypatch, capsys):
    assert tng(monkeypatch, capsys, "generate", "--station", "B", "--station", "A-like", "--station", "B", "-n", 2, "--into", "both")[0] == 0
    assert list(Corpus.open(here / "both").metadata["station_code"]) == ["B", "B", "A-like", "A-like"]
    assert tng(monkeypatch, capsys, "generate", "--station", "B", "--station", "A-like", "-n", 2, "--model", "vae")[0] == 0
    assert sorted(path.name for path in (here / "generated").iterdir()) == ["A-like", "B"]
    assert tng(monkeypatch, capsys, "generate", "-n", 2, "--into", "all")[0] == 0                        # those that the model knows
    assert list(Corpus.open(here / "all").metadata["station_code"]) == ["A-like", "A-like", "B", "B"]


@pytest.mark.parametrize("form", ["mseed", "sac", "at2", "csv"])
def test_files_are_marked_as_generated(form, here, monkeypatch, capsys):
    code, text = tng(monkeypatch, capsys, "generate", "--station", "B", "-n", 2, "--format", form)
    folder = here / f"generated/B-{form}"
    assert code == 0 and "2 generated records for B" in text
    files = json.loads((folder / "provenance.json").read_text())["files"]
    waveforms = {name: about for name, about in files.items() if "synthetic" in about}
    assert len(waveforms) == {"sac": 6, "at2": 6}.get(form, 2) and all(about["synthetic"] and about["generator"] == "TimesNet-Gen" for about in waveforms.values())
    assert tng(monkeypatch, capsys, "generate", "--station", "B", "-n", 2, "--format", form)[0] == 1                      # they are there
    if form == "csv":
        expected = runs.load_generator("timesnet-gen", here / "runs/quick").sample("B", 2, 0)[0]
        np.testing.assert_array_equal(readers.read(next(folder.glob("*-0.csv"))).data, expected.data)


def test_mixing_options_and_batches(here, monkeypatch, capsys):
    options = ["-k", 2, "--mixing", "dirichlet", "--alpha", "0.5", "--replacement", "--noise", "0.5", "--seed", 7]
    for into, batch in (("one", 1), ("all", 64)):
        assert tng(monkeypatch, capsys, "generate", "--station", "B", "-n", 6, "--into", into, "--batch", batch, *options)[0] == 0
    one, other = (Corpus.open(here / name).waveforms(np.arange(6)) for name in ("one", "all"))
    np.testing.assert_array_equal(one, other)
    expected = runs.load_generator("timesnet-gen", here / "runs/quick", records_to_mix=2, mixing="dirichlet", alpha=0.5, replacement=True, noise=0.5)
    np.testing.assert_array_equal(one, np.stack([record.data for record in expected.sample("B", 6, 7)]).astype(np.float32))


@pytest.mark.parametrize("words, expected", [
    (["--station", "Bb"], "no station 'Bb' here. did you mean 'B'? Records can be made for A-like, B (timesnet-gen of runs/quick)"),
    ([], "for which stations? Name them with --station, or with --into a folder"),
    (["--station", "Q"], "no station 'Q' here. Records can be made for A-like, B"), (["--station", "B", "-n", "0"], "-n 0"),
    (["--station", "B", "-k", "40"], "station B has"), (["--station", "B", "--mixing", "unifrom"], "did you mean 'uniform'"),
    (["--station", "B", "--noise", "-1"], "noise -1"), (["--station", "B", "--format", "segy"], "--format segy: there are corpus, mseed"),
    (["--station", "B", "--model", "vae", "--noise", "1"], "vae mixes no codes, so it takes no noise"),
    (["--station", "B", "--model", "average", "--alpha", "1"], "average mixes no codes"), (["--station", "B", "--batch", "0"], "--batch 0"),
    (["--station", "B", "--model", "replay", "--batch", "2"], "replay does not take it"),
    (["--station", "B", "--device", "tpu"], "--device tpu: cannot be used here"), (["--station", "B", "--model", "vea"], "did you mean 'vae'"),
    (["--station", "B", "--checkpoint", "x.pth"], "tng import-checkpoint x.pth --into x.safetensors"),
    (["--station", "B", "--checkpoint", "x.safetensors"], "x.safetensors: no such checkpoint"),
    (["--station", "B", "--checkpoint", "x.safetensors", "--model", "vae"], "leave --run and --model out"),
    (["--station", "B", "--checkpoint", "runs/quick/phase1.safetensors", "--corpus", "nowhere"], "nowhere: no such folder"),
    (["--station", "B", "--model", "described"], "phase1-described"), (["--station", "B", "--run", "nowhere"], "is not there"),
])
def test_mistakes_of_generate(words, expected, here, monkeypatch, capsys):
    code, text = tng(monkeypatch, capsys, "generate", *words)
    assert code == 1 and text.startswith("Error: ") and expected in text
    assert [path.name for path in here.iterdir()] == ["runs"]


# --- release and import -----------------------------------------------------------------------------------

def test_a_released_file_alone_is_enough(here, monkeypatch, capsys, tmp_path_factory):
    code, text = tng(monkeypatch, capsys, "release", "--into", "tng.safetensors")
    assert code == 0 and "Next: tng generate --checkpoint tng.safetensors --station A-like -n 50" in text and (here / "tng.md").exists()
    expected = runs.load_generator("timesnet-gen", here / "runs/quick").sample("B", 3, 0)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (here / "tng.safetensors").rename(elsewhere / "tng.safetensors")
    monkeypatch.chdir(elsewhere)
    assert tng(monkeypatch, capsys, "generate", "--checkpoint", "tng.safetensors", "--station", "B", "-n", 3)[0] == 0
    np.testing.assert_array_equal(Corpus.open("generated/B").waveforms(np.arange(3)), np.stack([one.data for one in expected]).astype(np.float32))


def test_mistakes_of_release(here, monkeypatch, capsys):
    (here / "there.safetensors").write_bytes(b"mine")
    for words, expected in ((["--into", "there.safetensors"], "--overwrite"), (["--into", "x.pth"], "name the file x.pth.safetensors"),
                            (["--into", "x.safetensors", "--model", "described"], "tng train phase1-described --run"),
                            (["--into", "x.safetensors", "--model", "average"], "nothing to release"),
                            (["--into", "there.safetensors/x.safetensors"], "there.safetensors")):
        code, text = tng(monkeypatch, capsys, "release", *words)
        assert code == 1 and expected in text, words
    assert sorted(path.name for path in here.iterdir()) == ["runs", "there.safetensors"] and (here / "there.safetensors").read_bytes() == b"mine"


def test_import_and_generate(tmp_path, monkeypatch, capsys):
    """The public files to new records, by the commands that the commands name."""
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = TimesNetGen(samples=SAMPLES, d_model=4, d_ff=4, top_k=2, num_kernels=2)
    torch.save(public_code.from_tng(network), "public.pth")
    rng = np.random.default_rng(0)
    np.savez("bank.npz", latents_4628=rng.standard_normal((6, SAMPLES, 4)).astype("f4"), means_4628=np.zeros((6, 1, 3), "f4"),
             stdev_4628=np.ones((6, 1, 3), "f4"))
    code, text = tng(monkeypatch, capsys, "import-checkpoint", "public.pth", "--latent-bank", "bank.npz", "--into", "models")
    assert code == 0 and "written: models/public.safetensors" in text
    code, text = tng(monkeypatch, capsys, *text.split("Next: tng ")[1].split())
    assert code == 0 and "50 generated records for 4628" in text and Corpus.open("generated/4628").sampling_rate_hz == 100
    assert load_released("models/public.safetensors").replacement is True
    code, text = tng(monkeypatch, capsys, "import-checkpoint", "public.pth", "--into", "models")
    assert code == 1 and "--overwrite" in text
    code, text = tng(monkeypatch, capsys, "import-checkpoint", "public.pth", "--into", "alone.safetensors")
    assert code == 0 and "holds no bank" in text
    code, text = tng(monkeypatch, capsys, "import-checkpoint", "bank.npz", "--into", "x.safetensors")
    assert code == 1 and text.startswith("Error: bank.npz") and not (tmp_path / "x.safetensors").exists()


def test_scores_go_into_the_card(here, monkeypatch, capsys):
    assert tng(monkeypatch, capsys, "release", "--model", "timesnet-gen", "--into", "tng.safetensors")[0] == 0
    assert tng(monkeypatch, capsys, "generate", "--station", "B", "-n", 8)[0] == 0
    code, text = tng(monkeypatch, capsys, "score", "runs/quick/corpus", "generated/B", "--station", "B", "--split", "all", "--draws", 20, "--card", "tng.safetensors")
    assert code == 0 and "written: tng.md" in text
    card = (here / "tng.md").read_text()
    assert "| PGA ratio |" in card and "Not scored" not in card
