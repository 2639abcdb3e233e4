"""Checkpoints: what goes in comes out, and what cannot be read or written is said."""

import errno
import json
import os
import resource
import stat

import numpy as np
import pytest
import torch
from _train_worker import STATIONS, equal, settings, write_corpus
from safetensors import safe_open
from safetensors.torch import save_file

from tng import checkpoints, corpus, phases
from tng.checkpoints import load_checkpoint, read_about, read_tensors, save_checkpoint, write_tensors
from tng.generators.vae import SpectrogramVAE
from tng.processes import TrainingError
from tng.records import Record
from tng.timesnet import TimesNetGen


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("checkpoints") / "corpus")


@pytest.fixture(scope="module")
def trained(data):
    return phases.phase0(data, settings(phase0_epochs=2), STATIONS)


@pytest.fixture
def checkpoint(data, trained, tmp_path):
    network, history, noise_std = trained
    save_checkpoint(tmp_path / "phase0", network, settings(), stations=[], corpus=data, history=history, extra={"noise_std": noise_std},
                    generates_for=STATIONS)
    return tmp_path / "phase0.safetensors"


def rewrite(checkpoint, **changes):
    """The same weights with a changed description."""
    with safe_open(checkpoint, "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    about = {**json.loads(metadata["about"]), **changes}
    save_file(tensors, checkpoint, {**metadata, "about": json.dumps({name: value for name, value in about.items() if value is not None})})


def test_what_goes_in_comes_out(checkpoint, data, trained):
    for path in (checkpoint, checkpoint.with_suffix("")):
        network, info, extra = load_checkpoint(path, TimesNetGen)
        assert equal(network, trained[0]) and list(extra) == ["noise_std"] and torch.equal(extra["noise_std"], trained[2])
        assert not network.training and info == read_about(path)
    assert info["corpus"] == data.fingerprint and info["settings"]["d_model"] == 4 and info["sampling_rate_hz"] == 50
    assert info["history"] == trained[1].to_dict("list") and info["kept_epoch"] == 2
    assert info["effort"] == trained[1].attrs["effort"] and info["effort"]["parameters"] == sum(one.numel() for one in network.parameters())
    assert (info["training"], info["stations"], info["generates_for"]) == ("phase0", [], STATIONS)
    assert info["versions"] == checkpoints.versions() and info["versions"]["torch"] == torch.__version__
    assert info["corpus_about"] == {"synthetic": None, "kinds": {"unknown": 56}, "records": 56, "stations": 4, "sampling_rate_hz": 50.0, "window_s": 5.12,
                                    "licences": {}}
    others = [code for code in data.stations if code not in STATIONS]
    assert info["trained_on"] == {"records": len(data.select(others, "train")), "stations": len(others)}


@pytest.mark.parametrize("categories, makers, setting, expected", [
    (["synthetic", None, "earthquake"], None, {}, (None, {"synthetic": 1, "recorded": 1, "unknown": 1})),
    (["generated", "Synthetic", "simulated"], None, {}, (True, {"synthetic": 3})),
    (["earthquake", "earthquake", "earthquake_local"], None, {}, (False, {"recorded": 3})),
    (["earthquake", "augmented", "earthquake"], None, {}, (False, {"augmented": 1, "recorded": 2})),
    (["synthetic earthquake", "earthquake", "earthquake"], None, {}, (None, {"synthetic": 1, "recorded": 2})),
    (["earthquake", "noise", "earthquake"], None, {}, (None, {"recorded": 2, "unknown": 1})),
    (["earthquake", "", ""], [None, "VAE", None], {}, (None, {"synthetic": 1, "recorded": 1, "unknown": 1})),
    (None, None, {}, (None, {"unknown": 3})), (None, None, {"synthetic": False}, (None, {"unknown": 3})),
    (["earthquake", "synthetic", ""], None, {"synthetic": False}, (None, {"synthetic": 1, "recorded": 1, "unknown": 1})),
    (["earthquake", "earthquake", ""], None, {"synthetic": True}, (True, None))])
def test_of_which_kind_the_records_of_a_corpus_are(categories, makers, setting, expected, tmp_path):
    """Recorded is only what says so; where the corpus says that it is synthetic, its records need not."""
    metas = [{name: values[i] for name, values in (("trace_category", categories), ("generator", makers)) if values and values[i] is not None} for i in range(3)]
    data = corpus.write([Record(np.random.default_rng(i).standard_normal((3, 64)), 50.0, "A", f"e{i}", meta) for i, meta in enumerate(metas)], tmp_path / "c",
                        settings=setting)
    about = checkpoints.about_corpus(data)
    assert (about["synthetic"], about.get("kinds")) == expected


def test_a_checkpoint_is_one_file_and_its_card(checkpoint):
    assert sorted(path.name for path in checkpoint.parent.iterdir()) == ["phase0.md", "phase0.safetensors"]
    assert "# TimesNet-Gen as published, Phase 0" in checkpoint.with_suffix(".md").read_text()
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(checkpoint.stat().st_mode) == 0o666 & ~umask         # others may read it where they may read files


def test_names_with_dots(tmp_path):
    write_tensors(checkpoints.file_of(tmp_path / "run.v2"), {"a": torch.ones(2)}, {"b": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["run.v2.safetensors"] and read_about(tmp_path / "run.v2") == {"b": 1}


def test_reading_leaves_the_random_state_alone(checkpoint):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    load_checkpoint(checkpoint, TimesNetGen)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_state_of_a_finished_training_is_removed(data, trained, tmp_path):
    state = tmp_path / "phase0.part.safetensors"
    state.write_bytes(b"state")
    save_checkpoint(tmp_path / "phase0", trained[0], settings(), stations=[], corpus=data, history=trained[1], finished=state)
    assert not state.exists() and (tmp_path / "phase0.safetensors").exists()


def test_checkpoints_of_another_network(checkpoint):
    with pytest.raises(TrainingError, match="holds a TimesNetGen, not a SpectrogramVAE"):
        load_checkpoint(checkpoint, SpectrogramVAE)
    arguments = read_about(checkpoint)["arguments"]
    for changed, says in (({**arguments, "d_ff": 7}, "do not belong together"), ({**arguments, "depth": 7}, "other arguments"),
                          ({**arguments, "top_k": 999}, "other arguments"), (None, "holds no network")):
        rewrite(checkpoint, arguments=changed)
        with pytest.raises(TrainingError, match=f"phase0.safetensors: .*{says}"):
            load_checkpoint(checkpoint, TimesNetGen)


@pytest.mark.parametrize("cut", [0, 4, 100, 0.5, 0.999])
def test_files_that_were_cut_off(checkpoint, cut):
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[:cut if isinstance(cut, int) else int(cut * len(whole))])
    with pytest.raises(TrainingError, match="phase0.safetensors: cannot be read .*train again or fetch it anew"):
        load_checkpoint(checkpoint, TimesNetGen)


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(TrainingError, match="a.safetensors: no such checkpoint$"):
        load_checkpoint(path, TimesNetGen)
    path.mkdir()
    with pytest.raises(TrainingError, match="cannot be read"):
        read_about(path)
    path.rmdir()
    for metadata, says in ((None, "is no tng checkpoint .its format is None"), ({"format": "pt"}, "is no tng checkpoint"),
                           ({"format": "tng checkpoint 2"}, "description is damaged"),
                           ({"format": "tng checkpoint 2", "about": "{"}, "description is damaged"),
                           ({"format": "tng checkpoint 2", "about": "[]"}, "description is damaged"),
                           ({"format": "tng checkpoint 2", "about": "{}"}, "holds a None, not a TimesNetGen")):
        save_file({"network.w": torch.ones(2)}, path, metadata)
        with pytest.raises(TrainingError, match=says):
            load_checkpoint(path, TimesNetGen)


def test_checkpoints_of_an_earlier_version(checkpoint, data, trained):
    """They were two files, the weights and a description."""
    save_file({"network.w": torch.ones(2)}, checkpoint, {"format": "tng checkpoint 1"})
    checkpoint.with_suffix(".json").write_text("{}")
    with pytest.raises(TrainingError, match="made by an earlier version of this library; train again"):
        load_checkpoint(checkpoint, TimesNetGen)
    checkpoint.unlink()
    with pytest.raises(TrainingError, match="phase0.json beside it is of an earlier version"):
        read_about(checkpoint.with_suffix(""))
    save_checkpoint(checkpoint, trained[0], settings(), stations=[], corpus=data, history=trained[1])
    assert not checkpoint.with_suffix(".json").exists()


@pytest.mark.parametrize("name", ["network.head.weight", "extra.noise_std"])
def test_weights_that_are_not_finite(name, checkpoint):
    with safe_open(checkpoint, "pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    tensors[name].view(-1)[1] = float("nan")
    save_file(tensors, checkpoint, metadata)
    with pytest.raises(TrainingError, match=f"phase0.safetensors: {name} has values that are not finite"):
        load_checkpoint(checkpoint, TimesNetGen)


def test_a_full_disk_leaves_what_was_there(checkpoint, data, trained):
    before = checkpoint.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limit[1]))
    try:
        with pytest.raises(TrainingError, match="phase0.safetensors: cannot be written .*MiB are free there.*is as it was before"):
            save_checkpoint(checkpoint, trained[0], settings(), stations=[], corpus=data, history=trained[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert checkpoint.read_bytes() == before and not list(checkpoint.parent.glob("*.part"))


def test_a_card_that_cannot_be_written_is_said(data, trained, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    state = tmp_path / "phase0.part.safetensors"
    state.write_bytes(b"state")
    monkeypatch.setattr(type(tmp_path), "write_text", full)
    with pytest.raises(TrainingError, match="phase0.md: cannot be written"):
        save_checkpoint(tmp_path / "phase0", trained[0], settings(), stations=[], corpus=data, history=trained[1], finished=state)
    assert state.exists()                                                 # carried out again, the training ends at once


def test_tensors_and_their_description(tmp_path):
    tensors = {"a": torch.arange(6.0).view(2, 3).t(), "b": torch.tensor(3, dtype=torch.int64), "c": torch.zeros(0)}
    info = {"x": [1, 2.5, None], "name": "İzmir"}
    write_tensors(tmp_path / "sub/t.safetensors", tensors, info)
    found, about = read_tensors(tmp_path / "sub/t.safetensors")
    assert about == info and all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in tensors.items())
