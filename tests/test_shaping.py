"""How shaped noise learns: what is measured, both phases, checkpoints and interruptions, the commands, and corpora that are not enough."""

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from command_line import tng
from shaped_corpus import RATE_HZ, RESONANCE_HZ, SAMPLES, SMALL, few_steps, record, run_of
from tng import arrivals, checkpoints, corpus, runs, trainings
from tng.corpus import Corpus
from tng.envelopes import CELLS
from tng.generators import shaping
from tng.generators.envelope_net import EnvelopeNet
from tng.generators.source_and_path import LawError
from tng.processes import TrainingError
from tng.released import load_released

pytestmark = pytest.mark.usefixtures("seeded")

QUICKER = dict(shape_epochs=1, shape_blocks=0)


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    few_steps(monkeypatch)


def array(records):
    return np.stack([one.data for one in records])


def generator_of(trained):
    return shaping.generator(trained.network, trained.extra, trained.info["stations"])


def equal(one: dict, other: dict) -> bool:
    return set(one) == set(other) and all(torch.equal(value, other[name]) for name, value in one.items())


def learn(folder, records, **changes):
    """Write records as a corpus and learn from it; network, history, learnings."""
    data = corpus.write(records, folder / "corpus", splits=(1, 0, 0), seed=1)
    return shaping.learn_all(data, run_of(folder, **{**QUICKER, **changes}).settings)


@pytest.fixture(scope="module")
def measured(shaped):
    run, _ = shaped
    data = run.corpus()
    network = shaping.build(data, run.settings).double()
    return network, data, shaping.measure(network, data, data.select(None, "train"))


# --- measuring ------------------------------------------------------------------------------------------------

def test_what_is_measured(measured):
    network, data, found = measured
    rows = data.select(None, "train")
    table = data.metadata.iloc[rows]
    assert found.codes == list("ABCD") and len(found.known) == len(rows) and found.ln_spectra.shape[:2] == (len(rows), 3)
    assert [found.codes[i] for i in found.station] == table["station_code"].tolist()
    np.testing.assert_allclose(found.magnitude, table["source_magnitude"])
    np.testing.assert_allclose(found.distance_km, table["path_hyp_distance_km"])
    np.testing.assert_allclose(found.known.onsets[:, 0], table["trace_p_arrival_sample"] / RATE_HZ, atol=1e-9)
    x = data.waveforms(rows).astype(float)
    power = ((x - x.mean(axis=-1, keepdims=True)) ** 2).mean(axis=-1)
    np.testing.assert_allclose(torch.exp(found.known.ln_power).sum(dim=1), power, rtol=0.01)
    assert found.known.cells.shape == (len(rows), network.count, 3, CELLS) and torch.isnan(found.ln_vs30).all()


def test_one_station_alone(measured):
    network, data, found = measured
    own, alone = found.of("C"), shaping.measure(network, data, data.select(["C"], "train"))
    assert own.codes == alone.codes == ["C"] and not own.station.any()
    torch.testing.assert_close(own.known.ln_power, alone.known.ln_power)
    torch.testing.assert_close(own.ln_spectra, alone.ln_spectra)
    some = found.take(np.array([4, 1]))
    assert some.rows.tolist() == found.rows[[4, 1]].tolist() and torch.equal(some.magnitude, found.magnitude[[4, 1]]) and some.codes == found.codes


@pytest.mark.parametrize("given, expected", [
    (dict(path_hyp_distance_km=30.0, path_ep_distance_km=99.0), 30.0), (dict(path_ep_distance_km=30.0, source_depth_km=40.0), 50.0),
    (dict(path_ep_distance_km=24.0), np.hypot(24, arrivals.USUAL_DEPTH_KM)), (dict(path_hyp_distance_km=0.01), 1.0)])
def test_distances(given, expected, tmp_path):
    data = corpus.write([record("A", i, sources=False, **given) for i in range(3)], tmp_path / "corpus")
    network = shaping.build(data, run_of(tmp_path).settings).double()
    np.testing.assert_allclose(shaping.measure(network, data, [0, 1, 2]).distance_km, expected)


# --- both phases ------------------------------------------------------------------------------------------------

def test_the_history_and_what_was_learned(shaped):
    run, trained = shaped
    assert trained.history["epoch"].tolist() == [1, 2, 3] and trained.history["train"].is_monotonic_decreasing
    assert trained.info["stations"] == list("ABCD") and not trained.network.training
    made = generator_of(trained)
    assert made.law.drivers == ("magnitude", "ln_distance_km") and made.stations == list("ABCD") and (made.rate_hz, made.bands.samples) == (RATE_HZ, SAMPLES)
    u = made.known["A"].mean
    assert torch.isfinite(u).all() and all(torch.isfinite(value).all() for value in trained.extra.values())
    train = run.corpus().metadata.iloc[run.corpus().select(["A"], "train")]
    np.testing.assert_allclose(made.known["A"].catalogue, np.stack([train["source_magnitude"], np.log(train["path_hyp_distance_km"])], axis=1))


def test_the_law_knows_magnitude_and_distance(shaped):
    """The corpus was made with ln 10 a magnitude of amplitude, half that of it below: 10^(M/2) / R."""
    made = generator_of(shaped[1])
    centre = made.law.centre
    larger, farther = made.law.effect(torch.stack([centre + centre.new_tensor([1.0, 0.0]), centre + centre.new_tensor([0.0, 0.5])]), made.bands.centres_hz)
    power = made.layout.parts(torch.stack([larger, farther]))[0].mean(dim=(1, 2))
    assert 1.3 < float(power[0]) < 4.5 and -2.5 < float(power[1]) < 0.3      # 2.3 (and a longer duration) and -1
    lag = made.layout.parts(torch.stack([larger, farther]))[1]
    assert float(lag[1]) == pytest.approx(0.5, abs=0.15) and abs(float(lag[0])) < 0.15


def test_a_stations_curve_shows_its_resonance(shaped):
    made = generator_of(shaped[1])
    at = [int((made.nodes.ln_hz - np.log(hz)).abs().argmin()) for hz in RESONANCE_HZ.values()]
    ratios = torch.stack([curve[:2].mean(dim=0) - curve[2] for curve in (made.known[code].curve for code in RESONANCE_HZ)])[:, at]
    assert ratios.argmax(dim=1).tolist() == ratios.argmax(dim=0).tolist() == [0, 1, 2, 3]


def test_phase_1_needs_no_other_station(shaped, measured):
    """Its numbers follow from the network, the law and its own records."""
    run, trained = shaped
    network, made = trained.network, generator_of(trained)
    data = run.corpus()
    alone = shaping.phase1(network, made.law, shaping.measure(network, data, data.select(["B"], "train")))
    for name, value in alone.tensors(0).items():
        torch.testing.assert_close(value, made.known["B"].tensors(0)[name], rtol=1e-6, atol=1e-8, msg=name)


def test_steadying_makes_durations_come_out_as_asked(shaped):
    """Made anew from their own numbers, training records last as long as they did."""
    run, trained = shaped
    made, data = generator_of(trained), run.corpus()
    found = shaping.measure(trained.network, data, data.select(None, "train"))
    numbers, _, _ = shaping._numbers(trained.network, found)
    with torch.no_grad():
        x = torch.cat([made.make(made.known[code], numbers[found.station == i], found.known.onsets[found.station == i, 0],
                                 torch.arange(int((found.station == i).sum())) + 100 * i) for i, code in enumerate(found.codes)])
    order = torch.argsort(found.station, stable=True)
    again = shaping.describe(x, found.known.onsets[order, :2], made.bands, made.cells)
    off = torch.log(again.onsets[:, 2] / found.known.onsets[order, 2])
    assert abs(float(off.mean())) < 0.25 and float(off.std()) < 0.6


# --- checkpoints --------------------------------------------------------------------------------------------------

def test_a_checkpoint_makes_the_same_records_to_the_bit(shaped):
    run, trained = shaped
    expected = array(generator_of(trained).sample("C", 4, 5))
    for generator in (runs.load_generator("shaped-noise", run.folder), load_released(run.path("shaped-noise.safetensors"))):
        np.testing.assert_array_equal(array(generator.sample("C", 4, 5)), expected)
        assert generator.stations == list("ABCD") and generator.name == "shaped noise"
    network, info, extra = checkpoints.load_checkpoint(run.path("shaped-noise"), EnvelopeNet)
    assert equal(extra, trained.extra) and info["training"] == "shaped-noise" and equal(network.state_dict(), trained.network.state_dict())


def test_no_waveform_is_in_a_checkpoint(shaped):
    run, trained = shaped
    for name, value in {**trained.extra, **trained.network.state_dict()}.items():
        assert SAMPLES not in value.shape and value.numel() < 1e5, name
    assert run.path("shaped-noise.safetensors").stat().st_size < 5e5


def test_a_finished_training_is_not_done_again(shaped):
    run, trained = shaped
    before = run.path("shaped-noise.safetensors").stat().st_mtime_ns
    again = trainings.carry_out("shaped-noise", dataclasses.replace(run, profile="paper"))
    assert equal(again.extra, trained.extra) and run.path("shaped-noise.safetensors").stat().st_mtime_ns == before
    with pytest.raises(runs.RunError, match="shape_latent is 2 there and 3 here"):
        trainings.carry_out("shaped-noise", dataclasses.replace(run_of(run.folder, shape_latent=3), profile="paper"), again=False)


def test_an_interrupted_training_goes_on_to_the_same_weights(shaped, tmp_path, monkeypatch):
    run, trained = shaped
    shutil.copytree(run.folder / "corpus", tmp_path / "corpus")
    again, whittle = run_of(tmp_path), shaping.whittle
    batches = -(-len(run.corpus().select(None, "train")) // run.settings.shape_batch)
    for _ in range(2):                                                   # in the second epoch, and in the last
        calls = []
        monkeypatch.setattr(shaping, "whittle", lambda *given, calls=calls: calls.append(1) or (whittle(*given) if len(calls) <= batches else interrupted()))
        with pytest.raises(KeyboardInterrupt):
            trainings.carry_out("shaped-noise", again)
        assert again.path("shaped-noise.part.safetensors").exists() and not again.path("shaped-noise.safetensors").exists()
    monkeypatch.setattr(shaping, "whittle", whittle)
    resumed = trainings.carry_out("shaped-noise", again)
    assert equal(resumed.network.state_dict(), trained.network.state_dict()) and equal(resumed.extra, trained.extra)
    assert resumed.history["train"].tolist() == trained.history["train"].tolist()


def interrupted():
    raise KeyboardInterrupt


def test_single_precision(shaped, tmp_path):
    run, trained = shaped
    shutil.copytree(run.folder / "corpus", tmp_path / "corpus")
    single = generator_of(trainings.carry_out("shaped-noise", run_of(tmp_path, precision="32-true")))
    one, other = array(single.sample("A", 30, 0)), array(generator_of(trained).sample("A", 30, 0))
    assert single.known["A"].mean.dtype == torch.float32 and np.isfinite(one).all()
    peaks = [np.log(np.abs(x).max(axis=(1, 2))).mean() for x in (one, other)]
    assert peaks[0] == pytest.approx(peaks[1], abs=0.4)


def test_two_processes_train_as_one(shaped, tmp_path):
    """The losses agree, and both end with the same weights."""
    run, trained = shaped
    shutil.copytree(run.folder / "corpus", tmp_path / "corpus")
    worker = tmp_path / "worker.py"
    worker.write_text(f"""
import json, os, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from shaped_corpus import run_of
from tng import trainings
from tng.generators import shaping
shaping.LEAST_STEPS = 1
found = trainings.carry_out("shaped-noise", run_of(Path({str(tmp_path)!r})))
weights = {{name: value.sum().item() for name, value in found.network.state_dict().items()}}
Path({str(tmp_path)!r}, "found." + os.environ["RANK"]).write_text(json.dumps([found.history["train"].tolist(), weights]))
""")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--nnodes=1", "--nproc-per-node=2", "--master-addr=127.0.0.1", f"--master-port={port}",
                           str(worker)], capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1", "TNG_PROGRESS": "0"})
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (json.loads((tmp_path / f"found.{rank}").read_text()) for rank in (0, 1))
    assert first == second
    np.testing.assert_allclose(first[0], trained.history["train"], rtol=1e-8)
    assert first[1] == pytest.approx({name: value.sum().item() for name, value in trained.network.state_dict().items()}, rel=1e-3, abs=1e-3)


# --- commands -----------------------------------------------------------------------------------------------------

WORDS = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]


@pytest.fixture
def here(shaped, monkeypatch, tmp_path):
    """A working folder with the trained run as runs/quick."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TNG_RUNS", raising=False)
    shutil.copytree(shaped[0].folder, tmp_path / "runs/quick")
    return tmp_path


def test_train_generate_and_release(here, shaped, monkeypatch, capsys, tmp_path_factory):
    expected = array(generator_of(shaped[1]).sample("B", 3, 0)).astype(np.float32)
    shutil.copytree(here / "runs/quick/corpus", here / "other/corpus")
    code, text = tng(monkeypatch, capsys, "train", "shaped-noise", "--run", "other", "--corpus", "other/corpus", *WORDS)
    assert code == 0 and "shaped-noise: 3 epochs" in text and "Next: tng generate" in text
    card = (here / "other/shaped-noise.md").read_text()
    assert "Shaped noise" in card and "Valid for: A, B, C, D" in card and "shape_epochs" in card and "vae_" not in card
    code, text = tng(monkeypatch, capsys, "generate", "--model", "shaped-noise", "--run", "other", "--station", "B", "-n", 3)
    made = Corpus.open(here / "generated/B")
    assert code == 0 and set(made.metadata["generator"]) == {"shaped noise"}
    np.testing.assert_array_equal(made.waveforms(np.arange(3)), expected)
    code, text = tng(monkeypatch, capsys, "release", "--model", "shaped-noise", "--into", "shaped.safetensors")
    assert code == 0 and (here / "shaped.md").exists()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (here / "shaped.safetensors").rename(elsewhere / "shaped.safetensors")
    monkeypatch.chdir(elsewhere)
    code, text = tng(monkeypatch, capsys, "generate", "--checkpoint", "shaped.safetensors", "--station", "B", "-n", 3)
    assert code == 0, text
    np.testing.assert_array_equal(Corpus.open("generated/B").waveforms(np.arange(3)), expected)


def test_generate_to_order(here, shaped, monkeypatch, capsys):
    words = ["generate", "--model", "shaped-noise", "--station", "A", "-n", 2]
    code, text = tng(monkeypatch, capsys, *words, "--magnitude", 6, "--distance-km", 30)
    assert code == 0, text
    made = Corpus.open(here / "generated/A")
    np.testing.assert_array_equal(made.waveforms([0, 1]), array(generator_of(shaped[1]).sample("A", 2, 0, 6.0, 30.0)).astype(np.float32))
    assert set(made.metadata["source_magnitude"]) == {6.0} and set(made.metadata["path_hyp_distance_km"]) == {30.0}
    assert "an extrapolation" not in text
    code, text = tng(monkeypatch, capsys, *words, "--magnitude", 8.4, "--distance-km", 2, "--into", "far")
    assert code == 0 and "--magnitude 8.4: the generator has learned from" in text and "--distance-km 2: the generator has learned from" in text
    for more, says in ((["--magnitude", 6], "go together"), (["--magnitude", 12, "--distance-km", 30], "from 2 to 8.5"), (["--station", "Q"], "no station 'Q'"),
                       (["-k", 3], "shaped-noise mixes no codes"), (["--noise", "0.1"], "mixes no codes")):
        code, text = tng(monkeypatch, capsys, *words, "--into", "x", *more)
        assert code == 1 and text.startswith("Error: ") and says in text, more
        assert not (here / "x").exists()
    code, text = tng(monkeypatch, capsys, "generate", "--model", "replay", "--station", "A", "-n", 2, "--into", "x", "--magnitude", 6, "--distance-km", 30)
    assert code == 1 and "no records to order" in text


def test_what_a_run_holds_is_taken(here, monkeypatch, capsys):
    code, text = tng(monkeypatch, capsys, "generate", "--run", "runs/quick", "--station", "A", "-n", 1)
    assert code == 0 and "Taking --model shaped-noise, which runs/quick holds" in text


def test_released_shaped_noise_mixes_nothing(here):
    with pytest.raises(ValueError, match="mixes no records, so it takes no noise"):
        load_released(here / "runs/quick/shaped-noise.safetensors", noise=1.0)
    with pytest.raises(ValueError, match="takes no corpus"):
        load_released(here / "runs/quick/shaped-noise.safetensors", Corpus.open(here / "runs/quick/corpus"))


# --- corpora that are hardly any ----------------------------------------------------------------------------------

def samples_of(learned, network, code, n=4):
    return array(shaping.generator(network, learned.tensors(), list(learned.stations)).sample(code, n, 0))


def test_stations_with_too_few_records_are_left_out(tmp_path):
    network, _, learned = learn(tmp_path, [record(code, i) for code, n in (("A", 8), ("B", 8), ("C", 2)) for i in range(n)])
    assert list(learned.stations) == ["A", "B"] and np.isfinite(samples_of(learned, network, "A")).all()


def test_one_record_a_station(tmp_path):
    with pytest.raises(TrainingError, match="no station has 3 training records"):
        learn(tmp_path, [record(code, i) for i, code in enumerate("ABCD")])


def test_too_few_for_the_law(tmp_path):
    with pytest.raises(LawError, match="6 records of 2 stations .* are too few"):
        learn(tmp_path, [record(code, i) for code in "AB" for i in range(3)])


@pytest.mark.parametrize("stations, records", [("A", 12), ("ABC", 6)])
def test_few_stations(stations, records, tmp_path):
    network, _, learned = learn(tmp_path, [record(code, i) for code in stations for i in range(records)])
    assert not learned.law.between.any()
    for code in stations:
        x = samples_of(learned, network, code)
        assert np.isfinite(x).all() and (np.abs(x).max(axis=(1, 2)) > 1e-4).all()


def test_without_magnitudes_strength_drives(tmp_path):
    network, _, learned = learn(tmp_path, [record(code, i, sources=False) for code in "AB" for i in range(10)])
    assert learned.law.drivers == ("strength",) and all(one.catalogue.shape[1] == 1 for one in learned.stations.values())
    peaks = np.log(np.abs(samples_of(learned, network, "A", 40)).max(axis=(1, 2)))
    recorded = np.log([np.abs(record("A", i, sources=False).data).max() for i in range(10)])
    assert peaks.mean() == pytest.approx(recorded.mean(), abs=0.7) and 0.5 < peaks.std() / recorded.std() < 2
    with pytest.raises(ValueError, match="without magnitudes"):
        shaping.generator(network, learned.tensors(), list(learned.stations)).sample("A", 1, 0, magnitude=5, distance_km=20)


def test_strength_drives_if_one_station_knows_no_magnitudes(tmp_path):
    """Nine records of ten have a source, but none of station B: it could not be asked for records to order."""
    records = [record(code, i, sources=code != "B") for code in "ABC" for i in range(3 if code == "B" else 15)]
    network, _, learned = learn(tmp_path, records)
    assert learned.law.drivers == ("strength",) and np.isfinite(samples_of(learned, network, "B")).all()


def test_one_magnitude_teaches_nothing_of_others(tmp_path):
    network, _, learned = learn(tmp_path, [record(code, i, magnitude=5.0) for code in "AB" for i in range(10)])
    maker = shaping.generator(network, learned.tensors(), list(learned.stations))
    assert np.isfinite(array(maker.sample("A", 4, 0))).all()
    with pytest.raises(ValueError, match="have the same magnitude or distance"):
        maker.sample("A", 1, 0, magnitude=6, distance_km=20)


def test_a_dead_component_is_refused_by_name(tmp_path):
    records = [record(code, i) for code in "AB" for i in range(10)]
    records[3].data[2] = 0
    with pytest.raises(TrainingError, match="component Z of record .* is dead, and 0 more"):
        learn(tmp_path, records)


def test_a_few_unknown_magnitudes_do_no_harm(tmp_path):
    network, _, learned = learn(tmp_path, [record(code, i, sources=i != 3) for code in "AB" for i in range(14)])
    assert [len(one.catalogue) for one in learned.stations.values()] == [13, 13] and np.isfinite(samples_of(learned, network, "B")).all()


def damaged(code, i):
    one = record(code, i)
    data = one.data.copy()
    if i % 4 == 1:
        data[i % 3] = 1e-4 * np.random.default_rng(i).choice([-1, 1], SAMPLES)        # a component that is all but dead
    if i == 2:
        data = 1e-3 * np.random.default_rng(i).standard_normal(data.shape)            # nothing but noise
    if i == 3:
        data *= 1e4                                                                   # a wrong unit
    return type(one)(data, one.sampling_rate_hz, one.station, one.event, one.meta)


def test_damaged_records_leave_all_numbers_finite(tmp_path):
    network, history, learned = learn(tmp_path, [damaged(code, i) for code in "AB" for i in range(12)], shape_epochs=2, shape_blocks=1)
    assert np.isfinite(history["train"]).all() and all(torch.isfinite(value).all() for value in learned.tensors().values())
    assert np.isfinite(samples_of(learned, network, "A", 20)).all()


def test_records_of_10_s(tmp_path):
    network, _, learned = learn(tmp_path, [record(code, i, samples=250) for code in "AB" for i in range(10)], window_s=10.0)
    x = samples_of(learned, network, "B", 8)
    assert x.shape == (8, 3, 250) and np.isfinite(x).all()


def test_records_without_stated_arrivals(tmp_path):
    """P and S are then found in the records."""
    records = [record(code, i) for code in "AB" for i in range(10)]
    for one in records:
        one.meta.pop("trace_p_arrival_sample"), one.meta.pop("trace_s_arrival_sample")
    network, _, learned = learn(tmp_path, records)
    onsets = learned.stations["A"].p_onsets
    assert ((onsets > 1) & (onsets < 12)).double().mean() > 0.7 and np.isfinite(samples_of(learned, network, "A")).all()


def test_a_corpus_without_training_records(tmp_path):
    data = corpus.write([record("A", i) for i in range(5)], tmp_path / "corpus", splits=(0, 0, 1))
    with pytest.raises(TrainingError, match="no station has 3 training records"):
        shaping.learn_all(data, run_of(tmp_path).settings)
