"""The training loop: the same result on one process or many, exact resuming, early stopping, logs, and what it says when it cannot go on."""

import csv
import io
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from _train_worker import SAMPLES, STATIONS, both_phases, digest, equal, settings, write_corpus
from torch import nn

from tng import checkpoints, files, phases, processes, runlog, training
from tng.processes import Stopped, TrainingError, arithmetic
from tng.timesnet import TimesNetGen
from tng.training import CorpusBatches, deal, train

WORKER = Path(__file__).with_name("_train_worker.py")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("loop") / "corpus")


@pytest.fixture(scope="module")
def plain(data):
    """Both phases in one go, in one process."""
    return both_phases({"corpus": data.folder, "settings": {}})


def start(jobs, path: Path, *command: str) -> list:
    """Run jobs in a process of their own, or several; what each wrote."""
    path.write_text(json.dumps(jobs, default=str))
    done = subprocess.run([sys.executable, *command, str(WORKER), str(path)], capture_output=True, text=True, timeout=500,
                          env={**os.environ, "OMP_NUM_THREADS": "1", "TNG_PROGRESS": "0"})
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(found.read_text()) for found in sorted(path.parent.glob(f"{path.name}.*"))]


class Weight(nn.Module):
    """One number w; in training its loss is `slope` · w, so that each step of AdamW takes about the learning rate from it."""

    def __init__(self, value: float = 1.0, slope: float = 1.0):
        super().__init__()
        self.w, self.slope, self.arguments = nn.Parameter(torch.tensor(value)), slope, {}

    def forward(self, x):
        return self.slope * self.w * torch.ones_like(x)


def weight_loss(network, batch, progress):
    value = network(batch["x"]).mean()
    return value if network.training else (value - 0.5) ** 2


def train_weight(data, given, epochs=8, loss=weight_loss, resume=None, build=Weight, rows=10, learning_rate=0.1):
    batches = CorpusBatches(data, np.arange(rows), given)
    return train(build, loss, batches, batches, epochs=epochs, learning_rate=learning_rate, settings=given, label="Weight", resume=resume)


# --- batches ---------------------------------------------------------------------------------------

def test_batches_are_of_nearly_equal_size_and_hold_every_record_once(data):
    batches = CorpusBatches(data, np.arange(3, 40), settings(batch=8), ["A", "B", "C", "D"])
    groups = batches.groups(np.random.default_rng(0))
    assert [len(rows) for rows in groups] == [8, 8, 7, 7, 7] and len(batches) == 5
    assert sorted(np.concatenate(groups)) == list(range(3, 40))
    for batch in batches(None):
        np.testing.assert_array_equal(batch["x"], data.waveforms(batch["rows"]))
        assert [["A", "B", "C", "D"][i] for i in batch["station"]] == data.metadata["station_code"][batch["rows"]].tolist()


def test_seeds_belong_to_record_and_epoch_whatever_the_batch(data):
    batches = CorpusBatches(data, np.arange(20), settings())
    whole, part = batches.read(np.arange(8), 2)["seeds"], batches.read(np.array([5, 1]), 2)["seeds"]
    assert part.tolist() == [whole[5], whole[1]] and len(set(whole.tolist())) == 8
    assert not set(whole.tolist()) & set(batches.read(np.arange(8), 3)["seeds"].tolist())


@pytest.mark.parametrize("at_once", [0, 2])
def test_the_next_batch_is_read_before_the_loss_is_waited_for(at_once, data, monkeypatch):
    """In its order, each record once, and not past an epoch's end."""
    done, read, exchange, given = [], CorpusBatches.read, training._Loop._exchange, settings(records_at_once=at_once)
    monkeypatch.setattr(CorpusBatches, "read", lambda self, rows, epoch=0: (done.append((epoch, list(rows))), read(self, rows, epoch))[1])
    monkeypatch.setattr(training._Loop, "_exchange", lambda self, share: (done.append("wait"), exchange(self, share))[1])
    batches = CorpusBatches(data, np.arange(10), given)
    train(Weight, weight_loss, batches, CorpusBatches(data, np.arange(2), given), epochs=2, learning_rate=0.1, settings=given, label="Weight")
    expected = []
    for epoch in (0, 1):
        first, second = ([(epoch, list(own)) for own in deal(rows, at_once, 0, 1)]
                         for rows in batches.groups(np.random.default_rng([given.seed, epoch])))
        expected += [*first, second[0], "wait", *second[1:], "wait", (0, [0, 1]), "wait", "wait"]
    assert done == expected


@pytest.mark.parametrize("records, at_once, count", [(32, 0, 1), (32, 0, 5), (32, 4, 2), (9, 4, 2), (9, 1, 2), (8, 3, 1), (5, 100, 4), (3, 1, 3),
                                                      (32, 8, 8), (30, 7, 3)])
def test_dealing_gives_every_process_as_many_turns_and_every_record_once(records, at_once, count):
    rows = np.arange(records)
    turns = [deal(rows, at_once, rank, count) for rank in range(count)]
    assert len({len(own) for own in turns}) == 1
    assert sorted(np.concatenate([turn for own in turns for turn in own])) == rows.tolist()
    sizes = [len(turn) for own in turns for turn in own]
    together = [np.concatenate(one).tolist() for one in zip(*turns)]
    assert min(sizes) >= 1 and (at_once == 0 or max(map(len, together)) <= max(at_once, 2 * count - 1))
    if not at_once or -(-records // at_once) <= records // count:            # every process has a record of every turn
        assert together == [own.tolist() for own in deal(rows, at_once, 0, 1)]


# --- one process or many -----------------------------------------------------------------------------

ALONE = {        # name of a job → more records, settings in two processes, settings in one
    "double": (8, {"batch": 6}, {"batch": 6}),
    "single": (8, {"batch": 6, "precision": "32-true"}, {"batch": 6, "precision": "32-true"}),
    "at once": (8, {"batch": 6, "records_at_once": 3}, {"batch": 6, "records_at_once": 3}),
    "turns": (8, {"batch": 6, "records_at_once": 1, "period_choice": "sample", "keep": "best", "save_minutes": 0},
              {"batch": 6, "period_choice": "sample", "keep": "best"}),
    "few": (3, {"batch": 2}, {"batch": 2})}


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """Results of some jobs, of each of two processes that torchrun starts once for all."""
    folder = tmp_path_factory.mktemp("two")
    corpora = {more: write_corpus(folder / f"corpus{more}", more) for more in (3, 8)}
    rows = {more: [len(one.select(["C", "D"], split)) for split in ("train", "dev")] for more, one in corpora.items()}
    assert rows == {8: [20, 5], 3: [18, 3]}        # in batches of 5, that is 3 and 2; in batches of 2, and one validation record is left over
    jobs = {name: {"corpus": corpora[more].folder, "settings": given} for name, (more, given, _) in ALONE.items()}
    for name, given in (("one record", {"batch": 1}), ("full disk", {})):
        jobs[name] = {"corpus": corpora[8].folder, "settings": given, "full disk": name == "full disk"}
    for name in ("turns", "full disk"):
        (folder / name).mkdir()
        jobs[name]["folder"] = folder / name
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = start(list(jobs.values()), folder / "jobs", "-m", "torch.distributed.run", "--nnodes=1", "--nproc-per-node=2",
                  "--master-addr=127.0.0.1", f"--master-port={port}")
    assert len(found) == 2
    return {name: results for name, *results in zip(jobs, *found)} | {"folder": folder}


@pytest.mark.parametrize("name", list(ALONE))
def test_two_processes_train_as_one(name, two_processes):
    """Dropout and latent noise are on, and parts are of different size."""
    first, second = two_processes[name]
    assert first["weights"] == second["weights"] and first["curves"] == second["curves"]
    assert first["effort"]["processes"] == 2
    more, _, alone = ALONE[name]
    one = both_phases({"corpus": two_processes["folder"] / f"corpus{more}", "settings": alone})
    for mine, theirs in zip(one["curves"], first["curves"], strict=True):
        np.testing.assert_allclose(pd.DataFrame(theirs), pd.DataFrame(mine), rtol=1e-5)
    assert one["kept_epoch"] == first["kept_epoch"]


def test_the_choice_of_periods_of_a_batch_sees_its_parts(two_processes):
    whole, parts = (two_processes[name][0]["curves"][0]["train"][-1] for name in ("double", "at once"))
    assert abs(parts / whole - 1) > 1e-5


def test_only_one_of_two_processes_writes(two_processes):
    folder = two_processes["folder"] / "turns"
    assert len(list(folder.glob("logs/phase0/*"))) == 1 and not list(folder.rglob("*.part"))
    assert pd.read_csv(folder / "phase0.steps.csv")["step"].tolist() == list(range(1, 13))


def test_both_processes_say_what_stopped_one(two_processes):
    for name, what in (("one record", "1 records, which cannot be dealt out to 2 processes"), ("full disk", "No space left on device")):
        first, second = (result["error"] for result in two_processes[name])
        assert first == second and what in first


@pytest.mark.parametrize("choice", ["sample", "corpus"])
def test_gradients_of_parts_add_up_to_that_of_the_batch(choice, data):
    """Also of parts of 2 and 1 records."""
    given = {"period_choice": choice, "batch": 6}
    curves = [both_phases({"corpus": data.folder, "settings": {**given, "records_at_once": n}})["curves"] for n in (0, 2, 1)]
    for parts in curves[1:]:
        for a, b in zip(parts, curves[0]):
            np.testing.assert_allclose(pd.DataFrame(a), pd.DataFrame(b), rtol=1e-9)


def test_results_are_the_same_with_two_threads(data):
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(phases.phase0(data, settings(phase0_epochs=1), STATIONS)[1])
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(*found, rtol=1e-9)


@pytest.mark.parametrize("env, places", [
    ({}, (1, 1)),
    ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}, (4, 2)),
    ({"SLURM_NTASKS": "6", "SLURM_NTASKS_PER_NODE": "3", "SLURM_NNODES": "2", "SLURM_STEP_ID": "0"}, (3, 2)),
    ({"SLURM_NTASKS": "1"}, (1, 1)),
    ({"SLURM_NTASKS": "6", "SLURM_JOB_NAME": "bash"}, (1, 1))])
def test_processes_are_those_that_were_started(env, places, monkeypatch):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert processes._places(settings()) == places


@pytest.mark.parametrize("env, changes, says", [
    ({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}, {"devices": 4}, "torchrun started 2 .* setting devices is 4"),
    ({"SLURM_NTASKS": "4"}, {}, "put srun before"),
    ({"SLURM_NTASKS": "4", "SLURM_STEP_ID": "0"}, {}, "--nodes=1 --ntasks-per-node=4"),
    ({"SLURM_NTASKS": "5", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "2", "SLURM_STEP_ID": "0"}, {}, "the same number on each")])
def test_what_was_started_must_fit_the_settings(env, changes, says, monkeypatch):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match=says):
        processes.fabric(settings(**changes))


def test_devices_that_cannot_be_used():
    with pytest.raises(TrainingError, match="device 'gpux' cannot be used"):
        processes.fabric(settings(device="gpux"))
    with pytest.raises(TrainingError, match="16-mixed needs a GPU"):
        processes.fabric(settings(precision="16-mixed"))


# --- precision ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("precision, product", [("64-true", torch.float64), ("32-true", torch.float32), ("tf32", torch.float32),
                                                ("bf16-mixed", torch.bfloat16)])
def test_precision(precision, product, data):
    """Records enter unrounded, products are in the precision asked for, and the loss in that of the weights."""
    seen = []

    class Probe(nn.Linear):
        def forward(self, x):
            y = super().forward(x)
            seen.append((x.dtype, self.weight.dtype, y.dtype))
            return y

    def loss(network, batch, progress):
        y = network(batch["x"]) if precision == "bf16-mixed" else network(batch["x"]).to(batch["x"])
        return (y.to(batch["x"]) ** 2).mean()

    wide = torch.float64 if precision == "64-true" else torch.float32
    _, history = train_weight(data, settings(precision=precision), 1, loss, build=lambda: Probe(SAMPLES, 1))
    assert set(seen) == {(wide, wide, product)} and np.isfinite(history["train"]).all()


def test_double_precision_is_double_up_to_the_loss(data):
    def loss(network, batch, progress):
        value = network(batch["x"])
        assert value.dtype == torch.float64
        return value.mean()

    train_weight(data, settings(), 1, loss)


@pytest.mark.parametrize("precision, products, convolutions", [("tf32", True, True), ("bf16-mixed", False, True), ("16-mixed", False, True),
                                                               ("32-true", False, False), ("64-true", False, False)])
def test_arithmetic_is_set_and_put_back(precision, products, convolutions):
    def state():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic

    before = state()
    with pytest.raises(KeyError), arithmetic(settings(precision=precision)):
        assert state() == (products, convolutions, True)
        raise KeyError
    assert state() == before


def test_the_library_leaves_the_global_random_state_alone(data):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train_weight(data, settings(), 1)
    assert torch.equal(torch.get_rng_state(), before) and torch.get_default_dtype() == torch.float32


@pytest.fixture
def scaler(monkeypatch):
    """Half precision with its gradient scaler, on the CPU."""
    from lightning_fabric import Fabric

    monkeypatch.setattr(training, "fabric", lambda given: Fabric(accelerator="cpu", devices=1, **processes._precision("16-mixed", "cpu")))


@pytest.mark.parametrize("scaled", [False, True])
def test_clipping_comes_after_unscaling(scaled, data, tmp_path, monkeypatch, request):
    """The gradient's norm is the slope; a scaler multiplies it by 2^16 for a while."""
    if scaled:
        request.getfixturevalue("scaler")
    steps = []
    plain_clip = torch.nn.utils.clip_grad_norm_

    def clip(parameters, *args, **options):
        parameters = list(parameters)
        norm = plain_clip(parameters, *args, **options)
        steps.append(float(parameters[0].grad))
        return norm

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clip)
    given = settings(clip=0.25, precision="32-true")
    train_weight(data, given, 2, build=lambda: Weight(slope=0.5), resume=tmp_path / "w.part.safetensors")
    np.testing.assert_allclose(steps, 0.25, rtol=1e-5)
    np.testing.assert_allclose(pd.read_csv(tmp_path / "w.steps.csv")["gradient_norm"], 0.5, rtol=1e-6)
    if scaled:
        assert checkpoints.read_tensors(tmp_path / "w.part.safetensors", "tng training state 2")[1]["scaler"]["_growth_tracker"] == 4


@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_compiled_networks_keep_their_names(backend, data, monkeypatch):
    """With the backend ``eager`` all but the writing of new programs is done."""
    if backend == "inductor" and os.environ.get("TNG_SLOW") != "1":
        pytest.skip("compiles for a minute; TNG_SLOW=1 runs it")
    compile_module, seen = nn.Module.compile, []
    monkeypatch.setattr(nn.Module, "compile", lambda self, **given: (seen.append(self), compile_module(self, backend=backend, **given)))
    compiled = phases.phase0(data, settings(compile=True, phase0_epochs=1), STATIONS)
    other = phases.phase0(data, settings(phase0_epochs=1), STATIONS)
    assert list(compiled[0].state_dict()) == list(other[0].state_dict())
    np.testing.assert_allclose(compiled[1], other[1], rtol=1e-6)
    assert len(seen) == len(other[0].blocks)


def test_recomputing_is_handed_to_the_network(data):
    seen = []

    class Recomputing(Weight):
        recompute = False

        def forward(self, x):
            seen.append(self.recompute)
            return super().forward(x)

    for wanted in (True, False):
        seen.clear()
        train_weight(data, settings(recompute=wanted), 1, build=Recomputing)
        assert set(seen) == {wanted}


# --- rate, early stopping, the best weights --------------------------------------------------------------

def test_the_rate_is_a_cosine_that_ends_at_zero(data, tmp_path):
    train_weight(data, settings(), 4, resume=tmp_path / "w.part.safetensors", rows=20)
    rates = pd.read_csv(tmp_path / "w.steps.csv")["learning_rate"]
    np.testing.assert_allclose(rates, 0.05 * (1 + np.cos(np.pi * np.arange(16) / 16)), rtol=1e-12)


def test_early_stopping_keeps_the_best_weights(data):
    """w goes down from 1 by a known step and passes 0.5, where the validation loss is least."""
    network, history = train_weight(data, settings(patience=2, keep="best"), 20)
    best = int(history["validation"].idxmin()) + 1
    assert len(history) == best + 2 < 20 and history.attrs["kept_epoch"] == best
    assert (float(network.w.detach()) - 0.5) ** 2 == pytest.approx(history["validation"].min())
    last, history = train_weight(data, settings(patience=2), 20)
    assert history.attrs["kept_epoch"] == len(history) == best + 2
    assert (float(last.w.detach()) - 0.5) ** 2 == pytest.approx(history["validation"].iloc[-1]) != history["validation"].min()
    assert len(train_weight(data, settings(), 20)[1]) == 20


def test_best_weights_and_patience_outlive_an_interruption(data, tmp_path):
    whole, history = train_weight(data, settings(patience=3, keep="best"), 20)
    best, calls = history.attrs["kept_epoch"], []

    def stopping(network, batch, progress):
        calls.append(network.training)
        if sum(calls) == 2 * best + 3:                         # in the second epoch after the best; 2 steps an epoch
            signal.raise_signal(signal.SIGTERM)
        return weight_loss(network, batch, progress)

    state = tmp_path / "w.part.safetensors"
    with pytest.raises(Stopped):
        train_weight(data, settings(patience=3, keep="best"), 20, stopping, state)
    again, resumed = train_weight(data, settings(patience=3, keep="best"), 20, resume=state)
    assert equal(again, whole) and resumed.equals(history) and resumed.attrs["kept_epoch"] == best


def test_patience_needs_validation_records(data):
    given = settings(patience=2)
    with pytest.raises(TrainingError, match="no validation records .* patience = 2"):
        train(Weight, weight_loss, CorpusBatches(data, np.arange(9), given), CorpusBatches(data, np.arange(0), given), epochs=1,
              learning_rate=0.1, settings=given, label="Weight")


# --- resuming ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, kind", [("SIGTERM", Stopped), ("SIGUSR1", Stopped), ("SIGINT", KeyboardInterrupt)])
def test_a_training_that_is_asked_to_stop_finishes_its_step_and_goes_on_later(name, kind, data, plain, tmp_path, monkeypatch):
    number, before = getattr(signal, name), signal.getsignal(getattr(signal, name))
    state, read, calls = tmp_path / "phase0.part.safetensors", CorpusBatches.read, []

    def stopping(self, rows, epoch=0):
        calls.append(1)
        if len(calls) == 8:                # 4 steps and 1 validation batch an epoch: read in the second step of the second, for the third
            signal.raise_signal(number)
        return read(self, rows, epoch)

    monkeypatch.setattr(CorpusBatches, "read", stopping)
    with pytest.raises(kind, match=f"after step 2 of 4 of epoch 2 by {name}.*goes on from .*phase0.part"):
        phases.phase0(data, settings(), STATIONS, state)
    monkeypatch.undo()
    assert signal.getsignal(number) == before
    network, history, _ = phases.phase0(data, settings(save_minutes=3), STATIONS, state)        # a setting of how, not of what
    assert history.to_dict("list") == plain["curves"][0]
    again, history, _ = phases.phase0(data, settings(), STATIONS, state)                         # nothing is left to do
    assert equal(again, network) and history.to_dict("list") == plain["curves"][0]
    assert pd.read_csv(tmp_path / "phase0.steps.csv")["step"].tolist() == list(range(1, 13))


def test_a_training_goes_on_where_its_first_weights_are_drawn_otherwise(data, tmp_path):
    """As on another kind of processor, in the last bit."""
    def stopping(network, batch, progress):
        if progress >= 0.5:
            signal.raise_signal(signal.SIGTERM)
        return weight_loss(network, batch, progress)

    whole, history = train_weight(data, settings())
    with pytest.raises(Stopped):
        train_weight(data, settings(), loss=stopping, resume=tmp_path / "w.part.safetensors")
    again, resumed = train_weight(data, settings(), resume=tmp_path / "w.part.safetensors", build=lambda: Weight(1.0000001))
    assert equal(again, whole) and resumed.equals(history)


def test_one_training_at_a_time_on_a_state(data, tmp_path):
    state, seen = tmp_path / "w.part.safetensors", []
    lock = state.with_name("w.part.safetensors.lock")

    def loss(network, batch, progress):
        assert lock.stat().st_mtime > 0                                     # touched with each state that is written
        seen.append(json.loads(lock.read_text())["pid"])
        os.utime(lock, (0, 0))
        return weight_loss(network, batch, progress)

    train_weight(data, settings(save_minutes=0), 1, lambda *given: loss(*given) if given[0].training else weight_loss(*given), state, rows=20)
    assert set(seen) == {os.getpid()} and len(seen) == 4 and not lock.exists()
    lock.write_text(json.dumps({"host": files._host(), "pid": os.getppid(), "started": "today"}))
    with pytest.raises(TrainingError, match=rf"w.part.safetensors is the state of a training that is under way: process {os.getppid()} on .* since today"):
        train_weight(data, settings(), 3, resume=state)
    assert lock.exists()


def test_without_a_state_signals_are_not_caught(data):
    def loss(network, batch, progress):
        assert signal.getsignal(signal.SIGTERM) == before
        return weight_loss(network, batch, progress)

    before = signal.getsignal(signal.SIGTERM)
    train_weight(data, settings(), 1, loss)


def test_a_killed_training_goes_on_to_the_same_bytes(data, plain, tmp_path):
    """Ten times SIGKILL at a random moment, then SIGTERM and Ctrl-C."""
    names = ["SIGKILL"] * 10 + ["SIGTERM", "SIGINT"]
    given = {"phase0_epochs": 20, "save_minutes": 0}
    (found,) = start({"corpus": data.folder, "folder": tmp_path, "settings": given, "result": tmp_path / "result", "signals": names, "seed": 1},
                     tmp_path / "job")
    assert [(name, code) for name, code, _ in found["ends"]] == [("SIGKILL", -9)] * 10 + [("SIGTERM", 1), ("SIGINT", 1)]
    assert found["ends"][-2][2].startswith("Stopped: Phase 0: stopped after") and found["ends"][-1][2].startswith("KeyboardInterrupt: Phase 0:")
    whole = both_phases({"corpus": data.folder, "settings": given})
    assert found["last"] == 0 and found["weights"] == whole["weights"] and found["curves"] == whole["curves"]
    steps = pd.read_csv(tmp_path / "phase0.steps.csv")
    assert steps["step"].tolist() == list(range(1, 81))
    assert not list(tmp_path.glob("*.safetensors.*")) and whole["weights"] != plain["weights"]


@pytest.fixture
def half_done(data, tmp_path):
    """A state after one of three epochs, which have four steps."""
    state = tmp_path / "phase0.part.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runlog.RunLog, "epoch", lambda self, **row: (self.rows[runlog.EPOCH].append(row), signal.raise_signal(signal.SIGTERM)))
        with pytest.raises(Stopped, match="stopped after epoch 1 by"):
            phases.phase0(data, settings(), STATIONS, state)
    return state


@pytest.mark.parametrize("changes, stations, says", [
    ({"clip": 2.0}, STATIONS, "clip is 1.0 there and 2.0 here"),
    ({"phase0_epochs": 9, "batch": 3}, STATIONS, "batch is 5 there and 3 here; phase0_epochs is 3 there and 9 here"),
    ({}, ["A", "C"], r'stations.* is \["A", "B"\] there and \["A", "C"\] here'),        # stations that training may have seen
    ({"seed": 1}, STATIONS, "seed is 0 there and 1 here"),
    ({"d_ff": 6}, STATIONS, "d_ff is 4 there and 6 here; .*shapes of the weights")])
def test_a_state_of_other_settings_is_refused_and_said_why(changes, stations, says, data, half_done):
    before = half_done.read_bytes()
    with pytest.raises(TrainingError, match=f"other settings: .*{says}"):
        phases.phase0(data, settings(**changes), stations, half_done)
    assert half_done.read_bytes() == before


def test_states_that_cannot_be_read(data, half_done):
    whole = half_done.read_bytes()
    for bad in (whole[:len(whole) // 2], whole[:-1], b"", b"nonsense" * 100):
        half_done.write_bytes(bad)
        with pytest.raises(TrainingError, match=r"cannot be read .*delete .*phase0.part.safetensors to start anew"):
            phases.phase0(data, settings(), STATIONS, half_done)
    half_done.write_bytes(whole)
    tensors, info = checkpoints.read_tensors(half_done, "tng training state 2")
    for change in ({"network.head.bias": None}, {"network.head.bias": torch.zeros(4)}, {"optimiser.0.exp_avg": None}, {"random.cpu": None}):
        changed = {name: value for name, value in {**tensors, **change}.items() if value is not None}
        checkpoints.write_tensors(half_done, changed, info, "tng training state 2")
        with pytest.raises(TrainingError, match="delete the file to start anew"):
            phases.phase0(data, settings(), STATIONS, half_done)
    checkpoints.write_tensors(half_done, tensors, info)
    with pytest.raises(TrainingError, match="is no tng training state .*tng checkpoint 2.*delete"):
        phases.phase0(data, settings(), STATIONS, half_done)


def test_a_full_disk_leaves_the_last_good_state(data, plain, tmp_path, monkeypatch):
    """Files may have 20 kB from the second epoch on; a state has 50."""
    state, read, calls, good = tmp_path / "phase0.part.safetensors", CorpusBatches.read, [], []
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def filling(self, rows, epoch=0):
        calls.append(1)
        if len(calls) == 6:
            good.append(state.read_bytes())
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        return read(self, rows, epoch)

    monkeypatch.setattr(CorpusBatches, "read", filling)
    try:
        with pytest.raises(TrainingError, match=r"phase0.part.safetensors: cannot be written .*File too large.* MiB are free .*as it was"):
            phases.phase0(data, settings(), STATIONS, state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    monkeypatch.undo()
    assert state.read_bytes() == good[0] and not list(tmp_path.rglob("*.safetensors.*"))
    network, history, _ = phases.phase0(data, settings(), STATIONS, state)
    assert history.to_dict("list") == plain["curves"][0]


def test_a_log_that_cannot_be_written_is_no_silent_loss(data, tmp_path, monkeypatch):
    (tmp_path / "logs").write_text("a file where the folder should be")
    with pytest.raises(TrainingError, match="logs/w: cannot be written"):
        train_weight(data, settings(), 1, resume=tmp_path / "w.part.safetensors")


# --- losses that are no numbers ------------------------------------------------------------------------------

def test_a_loss_that_is_no_number_stops_the_training(data, half_done, monkeypatch):
    before = half_done.read_bytes()
    read, broken = data.waveforms, 27
    monkeypatch.setattr(data, "waveforms", lambda rows: np.where(np.asarray(rows)[:, None, None] == broken, np.nan, read(rows)))
    rows = data.select(["C", "D"], "train")
    broken = int(rows[3])
    with pytest.raises(TrainingError, match=rf"loss became nan in epoch 2, step \d of 4. Not every sample is a number in row {broken} of .*"
                                            "last good state is still in .*phase0.part"):
        phases.phase0(data, settings(), STATIONS, half_done)
    assert half_done.read_bytes() == before


def test_broken_validation_records_are_named_before_the_first_epoch(data, monkeypatch):
    rows, read, given = data.select(["C", "D"], "dev"), data.waveforms, settings(batch=2)
    monkeypatch.setattr(data, "waveforms", lambda asked: np.where(np.isin(asked, rows[2:4])[:, None, None], np.nan, read(asked)))

    def loss(*_):
        raise AssertionError("no step is taken")

    with pytest.raises(TrainingError, match=f"Weight: Not every sample is a number in row {rows[2]}, {rows[3]} of .*corpus. These are validation"):
        train(Weight, loss, CorpusBatches(data, np.arange(10), given), CorpusBatches(data, rows, given), epochs=1, learning_rate=0.1, settings=given,
              label="Weight")


@pytest.mark.parametrize("factor, what", [(float("nan"), "loss became nan"), (float("inf"), "loss became inf")])
def test_rows_of_a_broken_batch_are_named(factor, what, data):
    with pytest.raises(TrainingError, match=f"{what} in epoch 1, step 1 of 1. The records were rows (0|1|2), (0|1|2), (0|1|2) of .*No state"):
        train_weight(data, settings(), 1, lambda network, batch, progress: network(batch["x"]).sum() * factor, rows=3)


def infinite_slope(network, batch, progress):
    """A loss of 0."""
    return torch.sqrt(network(batch["x"]).mean() * 0)


def test_a_gradient_that_is_no_number_stops_the_training(data):
    with pytest.raises(TrainingError, match="the gradient became nan in epoch 1, step 1"):
        train_weight(data, settings(), 1, infinite_slope)


def test_a_scaler_does_not_hide_gradients_that_are_never_numbers(data, scaler, monkeypatch):
    """It starts with a scale of 2¹⁶ and halves it at each step that it leaves out."""
    given = settings(precision="32-true")
    with pytest.raises(TrainingError, match="the gradient became nan in epoch 9, step 1"):
        train_weight(data, given, 20, infinite_slope)
    monkeypatch.setattr(training, "SKIPPED", 5)
    with pytest.raises(TrainingError, match="the gradient became nan in epoch 3, step 1"):
        train_weight(data, given, 20, infinite_slope)


def test_a_scaler_may_leave_out_some_steps(data, scaler):
    calls = []

    def loss(network, batch, progress):
        calls.append(network.training)
        return (infinite_slope if network.training and sum(calls) % 5 else weight_loss)(network, batch, progress)

    network, _ = train_weight(data, settings(precision="32-true"), 10, loss)
    assert float(network.w.detach()) < 1


@pytest.mark.parametrize("where", ["step", "validation"])
@pytest.mark.parametrize("at_once, hint", [(0, "Set records_at_once to 3 or fewer: .*; or recompute"), (4, "Set records_at_once to 2 or fewer"),
                                           (1, r"Set recompute to true, precision")])
def test_too_little_memory_is_said_wherever_it_was_needed(where, at_once, hint, data, monkeypatch):
    def no_room(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    def loss(network, batch, progress):
        return weight_loss(network, batch, progress) if network.training else no_room()

    if where == "step":
        monkeypatch.setattr(torch.optim.AdamW, "step", no_room)
    with pytest.raises(TrainingError, match=f"memory of cpu is too small .CUDA out of memory.*{hint}.*No state was written"):
        train_weight(data, settings(records_at_once=at_once), 1, loss)


def test_a_validation_loss_that_is_no_number_stops_the_training(data):
    def loss(network, batch, progress):
        return weight_loss(network, batch, progress) * (1 if network.training else float("nan"))

    with pytest.raises(TrainingError, match="validation loss became nan in epoch 1"):
        train_weight(data, settings(), 1, loss)


def test_no_training_records(data):
    with pytest.raises(TrainingError, match="no training records"):
        train_weight(data, settings(), 1, rows=0)


# --- logs and progress -----------------------------------------------------------------------------------------

def events(folder: Path) -> list:
    """TensorBoard events of all files of a folder, read as its format says: length, checksum, event, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.iterdir(), key=lambda one: int(one.name.split(".")[-2])):           # by the step it starts after
        file = io.BytesIO(path.read_bytes())
        while head := file.read(12):
            found.append(Event.FromString(file.read(struct.unpack("<Q", head[:8])[0])))
            file.read(4)
    return found


def test_logs_hold_every_step_once_also_after_an_interruption(data, half_done):
    before = (half_done.with_name("phase0.steps.csv")).read_text()
    with open(half_done.with_name("phase0.steps.csv"), "a") as file:
        file.write("5,2,1.0,0.1,1.0,1.0,1.0\n6,2,1.0,0.")                  # of steps after the state was written, the last cut off
    _, history, _ = phases.phase0(data, settings(), STATIONS, half_done)
    steps, epochs = (pd.read_csv(half_done.with_name(f"phase0.{name}.csv")) for name in ("steps", "epochs"))
    assert half_done.with_name("phase0.steps.csv").read_text().startswith(before)
    assert tuple(steps) == runlog.STEP and steps["step"].tolist() == list(range(1, 13)) and np.isfinite(steps).all().all()
    assert epochs[["epoch", "train", "validation", "learning_rate"]].equals(history)
    groups = CorpusBatches(data, data.select(["C", "D"], "train"), settings()).groups(np.random.default_rng([0, 2]))
    assert np.average(steps["loss"][8:], weights=[len(rows) for rows in groups]) == pytest.approx(history["train"].iloc[2])
    found = events(half_done.parent / "logs/phase0")
    restarts = [event.step for event in found if event.HasField("session_log")]
    assert restarts == [5]                                                  # TensorBoard hides what was there from this step on
    for name in runlog.STEP[2:]:
        values = [(event.step, value.simple_value) for event in found for value in event.summary.value if value.tag == f"step/{name}"]
        np.testing.assert_allclose(values, steps[["step", name]], rtol=1e-6)


def test_a_new_training_starts_a_new_log(data, half_done):
    phases.phase0(data, settings(), STATIONS, half_done)
    half_done.unlink()
    phases.phase0(data, settings(phase0_epochs=1), STATIONS, half_done)
    with open(half_done.with_name("phase0.steps.csv")) as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2", "3", "4"]
    assert max(event.step for event in events(half_done.parent / "logs/phase0")) == 4


def test_effort_is_told(data):
    network, history = train_weight(data, settings(), 3)
    effort = history.attrs["effort"]
    assert effort["parameters"] == 1 and effort["processes"] == 1 and (effort["device"], effort["precision"]) == ("cpu", "64-true")
    assert 0 < effort["seconds"] < 100 and 0.05 < effort["peak_memory_gib"] < 100
    assert effort["records_per_s"] > 30 / effort["seconds"]                # 30 records in less than the whole time


@pytest.mark.parametrize("wanted", ["0", "1"])
def test_progress(wanted, data, monkeypatch, capsys):
    monkeypatch.setenv("TNG_PROGRESS", wanted)
    train_weight(data, settings(), 2)
    shown = capsys.readouterr()
    assert shown.out == ""
    if wanted == "0":
        assert shown.err == ""
    else:
        assert "Weight: 100%" in shown.err and "20/20" in shown.err and "records/s" in shown.err and "epoch=2/2, loss=" in shown.err


def test_the_same_weights_with_and_without_a_state(data, plain, tmp_path):
    found = both_phases({"corpus": data.folder, "settings": {"save_minutes": 0}, "folder": tmp_path})
    assert found["weights"] == plain["weights"] and found["curves"] == plain["curves"]
    assert digest(TimesNetGen(**settings().network()).double()) != plain["weights"]
