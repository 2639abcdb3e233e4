"""Released generators: one file that makes the same records as run and corpus, whose records may be passed on, and files that are none."""

import json
import resource
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from tng import checkpoints, config, corpus, public_code, released
from tng.bank import BankError
from tng.generators import GeneratorError
from tng.generators.timesnet_gen import LatentMixing
from tng.generators.vae import SpectrogramVAE, VAEGenerator
from tng.processes import TrainingError
from tng.records import LicenceError, Record
from tng.released import ReleaseError, import_public, load_released, release_from_run
from tng.timesnet import TimesNetGen

RATE_HZ, SAMPLES, STATIONS = 50.0, 256, ["A", "B"]
SETTINGS = config.settings(window_s=SAMPLES / RATE_HZ, d_model=4, d_ff=4, records_to_mix=3, latent=3, latent_stride=4, decoder_blocks=1)
HISTORY = pd.DataFrame({"epoch": [1], "train": [1.0], "validation": [1.0], "learning_rate": [0.1]})


def bursts(station, n=12, samples=SAMPLES, **meta):
    rng = np.random.default_rng(list(station.encode()))
    return [Record(np.exp(-np.linspace(0, 5, samples)) * rng.standard_normal((3, samples)) * 10 ** rng.uniform(-1, 2), RATE_HZ, station,
                   f"event {i}", {"trace_license": "CC BY 4.0", **meta}) for i in range(n)]


def network(described=False, stations=0, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = TimesNetGen(**SETTINGS.network(described), stations=stations).double().eval()
        for name, value in made.named_parameters():
            if ".shift." in name:
                torch.nn.init.normal_(value)
    return made


def save(folder, name, made, data, stations):
    checkpoints.save_checkpoint(folder / name, made, SETTINGS, stations=stations, generates_for=STATIONS, corpus=data, history=HISTORY)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose networks have random weights."""
    folder = tmp_path_factory.mktemp("released") / "run"
    data = corpus.write([record for station in "ABC" for record in bursts(station)], folder / "corpus", seed=1)
    save(folder, "phase1", network(), data, [])
    save(folder, "phase1-described", network(True, 2), data, STATIONS)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        vae = SpectrogramVAE(SAMPLES, 128, 4, 4, 2).double().eval()
    save(folder, "vae", vae, data, STATIONS)
    return folder


@pytest.fixture(scope="module")
def file(run, tmp_path_factory):
    return release_from_run(run, "timesnet-gen", tmp_path_factory.mktemp("file") / "tng.safetensors")


def same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a.data, b.data)
        assert a.meta == b.meta and (a.station, a.event, a.sampling_rate_hz) == (b.station, b.event, b.sampling_rate_hz)


# --- the same records ------------------------------------------------------------------------------------

@pytest.mark.parametrize("model, described", [("timesnet-gen", False), ("described", True)])
def test_a_released_file_makes_the_records_of_the_run(model, described, run, tmp_path):
    path = release_from_run(run, model, tmp_path / "x.safetensors")
    (tmp_path / "elsewhere").mkdir()
    path = path.rename(tmp_path / "elsewhere" / "y.safetensors")
    there = LatentMixing.from_corpus(network(described, 2 if described else 0), corpus.Corpus.open(run / "corpus"), STATIONS, records_to_mix=3,
                                     name="TimesNet-Gen" if model == "timesnet-gen" else model)
    same(load_released(path).sample("B", 4, seed=5), there.sample("B", 4, seed=5))
    same(load_released(path, noise=0.0, records_to_mix=2, mixing="unit-norm").sample("A", 3, 0),
         LatentMixing(there.network, there.bank, noise=0.0, records_to_mix=2, mixing="unit-norm", name=there.name).sample("A", 3, 0))


def test_the_vae_needs_no_bank(run, tmp_path):
    path = release_from_run(run, "vae", tmp_path / "vae.safetensors")
    made, info, _ = checkpoints.load_checkpoint(run / "vae", SpectrogramVAE)
    same(load_released(path).sample("A", 3, 1), VAEGenerator(made, info["stations"], RATE_HZ).sample("A", 3, 1))
    assert not any(".bank." in name for name in load_file(path))
    with pytest.raises(ReleaseError, match="mixes no records, so it takes no noise"):
        load_released(path, noise=1.0)


def test_a_checkpoint_of_a_run_makes_them_with_its_corpus(run, file):
    data = corpus.Corpus.open(run / "corpus")
    same(load_released(run / "phase1.safetensors", data).sample("A", 3, 0), load_released(file).sample("A", 3, 0))
    assert load_released(run / "phase1.safetensors", data, stations=["B"]).stations == ["B"]
    assert load_released(run / "phase1-described.safetensors", data, stations=["B"]).stations == STATIONS    # numbers must stay
    with pytest.raises(ReleaseError, match="holds no bank.*--corpus"):
        load_released(run / "phase1.safetensors")


def test_it_holds_no_moments_and_the_reconstructions_of_training_records_only(run, file):
    tensors, data = load_file(file), corpus.Corpus.open(run / "corpus")
    count = len(data.select(["A"], "train"))
    assert tensors["extra.bank.A.content"].shape == (count, 3, SAMPLES) and "extra.bank.C.content" not in tensors
    weights = {name for name in tensors if name.startswith("network.")}
    assert weights == {f"network.{name}" for name in network().state_dict()}
    assert all(name.startswith("extra.bank.") for name in set(tensors) - weights)
    card = file.with_suffix(".md").read_text()
    assert "This file holds records" in card and f"| A | {count} |" in card and "CC BY 4.0" in card


def test_a_station_with_fewer_records_than_k(file):
    with pytest.raises(GeneratorError, match="station A has 7 training records.*needs at least 8"):
        load_released(file, records_to_mix=8).sample("A", 1, 0)
    assert len(load_released(file, records_to_mix=8, replacement=True).sample("A", 1, 0)) == 1
    with pytest.raises(ReleaseError, match="unknown option 'nois': did you mean 'noise'"):
        load_released(file, nois=1.0)


# --- licences --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("licence, meta, allowed", [
    ("no redistribution", {}, False), ("", {}, False), ("CC BY 4.0", {}, True), ("", {"trace_category": "synthetic"}, True)])
def test_only_records_that_may_be_passed_on_are_released(licence, meta, allowed, tmp_path):
    """Station B's records are the question; station C's, which are not in the bank, never are."""
    closed = {"trace_license": licence, **meta}
    data = corpus.write([*bursts("A"), *bursts("B", **closed), *bursts("C", trace_license="no redistribution")], tmp_path / "corpus", seed=1)
    save(tmp_path, "phase1", network(), data, [])
    into, n = tmp_path / "x.safetensors", len(data.select(["B"], "train"))
    if not allowed:
        with pytest.raises(LicenceError, match=f"licence of {n} of .* records is '{licence or 'not stated'}'.*--allow-restricted"):
            release_from_run(tmp_path, "timesnet-gen", into)
        assert not into.exists() and not into.with_suffix(".md").exists()
    release_from_run(tmp_path, "timesnet-gen", into, allow_restricted=not allowed)
    both = len(data.select(["A", "B"], "train"))                       # where the licence of A's records is the same
    assert f"{licence or 'not stated'} ({both if licence == 'CC BY 4.0' else n})" in into.with_suffix(".md").read_text()


# --- what is no released generator -----------------------------------------------------------------------

def test_files_that_are_none(file, tmp_path):
    for name, content, words in (("x.pth", b"", "tng import-checkpoint .*x.pth --into .*x.safetensors"), ("x.npz", b"", "not a .safetensors file"),
                                 ("empty.safetensors", b"", "cannot be read"), ("half.safetensors", file.read_bytes()[: file.stat().st_size // 2], "cut off"),
                                 ("text.safetensors", b"hello, this is no file of tensors", "cannot be read")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises((ReleaseError, TrainingError), match=words):
            load_released(tmp_path / name)
    with pytest.raises(TrainingError, match="no such checkpoint"):
        load_released(tmp_path / "nowhere.safetensors")
    save_file({"x": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(TrainingError, match="is no tng checkpoint"):
        load_released(tmp_path / "other.safetensors")


def rewritten(file, path, tensors=None, **about):
    """A copy of a released file with other tensors or another description."""
    checkpoints.write_tensors(path, load_file(file) if tensors is None else tensors, {**checkpoints.read_about(file), **about})
    return path


def test_a_file_of_another_network_or_with_a_damaged_bank(file, tmp_path):
    with pytest.raises(ReleaseError, match="holds a network 'Excited'"):
        load_released(rewritten(file, tmp_path / "a.safetensors", network="Excited"))
    with pytest.raises(TrainingError, match="do not belong together|other arguments"):
        load_released(rewritten(file, tmp_path / "b.safetensors", network="SpectrogramVAE"))
    tensors = load_file(file)
    other = {**tensors, "network.head.weight": tensors["network.head.weight"] + 1}
    with pytest.raises(BankError, match="another network"):
        load_released(rewritten(file, tmp_path / "c.safetensors", other))
    lost = {name: value for name, value in tensors.items() if name != "extra.bank.B.mean"}
    with pytest.raises(BankError, match="not a whole bank"):
        load_released(rewritten(file, tmp_path / "d.safetensors", lost))
    with pytest.raises(BankError, match="not a whole bank"):
        load_released(rewritten(file, tmp_path / "e.safetensors", released={"name": "x", "generator": {}}))
    whole = checkpoints.read_about(file)["released"]
    for number, damaged in enumerate((["x"], *({**whole, "generator": one} for one in (["x"], {"k": 3}, {"noise": "loud"})))):
        with pytest.raises(ReleaseError, match="description is damaged"):
            load_released(rewritten(file, tmp_path / f"f{number}.safetensors", released=damaged))


def test_a_new_network_joins_by_an_entry(file, tmp_path, monkeypatch):
    class Mine:
        stations = ["A"]

    monkeypatch.setitem(released.LOADERS, "Excited", lambda path, wanted: (path, wanted.options, Mine()))
    path, options, generator = load_released(rewritten(file, tmp_path / "a.safetensors", network="Excited"), noise=2.0, alpha=None)
    assert path == tmp_path / "a.safetensors" and options == {"noise": 2.0} and isinstance(generator, Mine)


@pytest.mark.parametrize("samples, rate_hz", [(300, RATE_HZ), (SAMPLES, 100.0)])
def test_a_corpus_of_another_length_or_rate(samples, rate_hz, run, tmp_path):
    rng = np.random.default_rng(0)
    other = corpus.write([Record(rng.standard_normal((3, samples)), rate_hz, s, f"e{i}") for s in "AB" for i in range(9)], tmp_path / "corpus")
    with pytest.raises(ReleaseError, match=f"{samples} samples at {rate_hz:g} Hz.*takes 256 at 50 Hz.*--sampling-rate-hz 50 --window-s 5.12"):
        load_released(run / "phase1.safetensors", other)


def test_another_corpus_is_not_released(run, tmp_path):
    data = corpus.write([record for station in "ABD" for record in bursts(station)], tmp_path / "corpus", seed=2)
    with pytest.raises(ReleaseError, match="was trained on another corpus"):
        release_from_run(run, "timesnet-gen", tmp_path / "x.safetensors", data.folder)
    with pytest.raises(ReleaseError, match="none of the stations"):
        load_released(run / "phase1.safetensors", corpus.write(bursts("D"), tmp_path / "other"))
    for model, words in (("average", "has nothing to release"), ("zero-shot", "tng train phase0 --run")):
        with pytest.raises(ReleaseError, match=words):
            release_from_run(run, model, tmp_path / "x.safetensors")
    assert not list(tmp_path.glob("x.*"))


@contextmanager
def full_disk(size):
    """Inside, no file of this process can grow beyond a size [bytes]: what a full disk looks like."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_cannot_be_written_leaves_the_old_one(run, file, tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(file.read_bytes())

    with full_disk(4096), pytest.raises(TrainingError, match="cannot be written"):
        release_from_run(run, "timesnet-gen", path)
    assert path.read_bytes() == file.read_bytes() and [one.name for one in tmp_path.iterdir()] == ["x.safetensors"]


# --- the authors' public files ----------------------------------------------------------------------------

@pytest.fixture
def public(tmp_path):
    """A network and a bank as the public code writes them: two stations of six records."""
    made = network(seed=4).float()
    torch.save({"model_state_dict": public_code.from_tng(made)}, tmp_path / "public.pth")
    rng = np.random.default_rng(2)
    arrays = {}
    for station in ("0205", "4628"):
        x = torch.as_tensor(rng.standard_normal((6, 3, SAMPLES)) * 10, dtype=torch.float32)
        with torch.no_grad():
            z, mean, scale = (torch.cat(parts) for parts in zip(*(made.encode(one[None]) for one in x)))
        arrays |= {f"latents_{station}": z.numpy(), f"means_{station}": mean.transpose(1, 2).numpy(), f"stdev_{station}": scale.transpose(1, 2).numpy()}
    np.savez(tmp_path / "bank.npz", **arrays)
    np.save(tmp_path / "std.npy", np.linspace(0.1, 0.4, 4).astype(np.float32))
    return tmp_path, made, arrays


def test_an_imported_file_makes_what_the_public_script_makes(public):
    """head(mean of codes) · mean of scales + mean of means, of the codes that the record's ancestry names."""
    folder, made, arrays = public
    path = import_public(folder / "public.pth", folder / "out", latent_bank=folder / "bank.npz", noise_std=folder / "std.npy")
    assert path == folder / "out/public.safetensors"
    generator = load_released(path)
    assert generator.stations == ["0205", "4628"] and (generator.k, generator.noise, generator.replacement) == (5, 0.0, True)
    for record in generator.sample("4628", 3, 0):
        rows = [int(name.partition("[")[2].rstrip("]")) for name in record.meta["generator_sources"].split(";")]
        z, mean, scale = (arrays[f"{name}_4628"][rows].mean(axis=0) for name in ("latents", "means", "stdev"))
        with torch.no_grad():
            expected = made.head(torch.from_numpy(z)).numpy() * scale + mean
        np.testing.assert_allclose(record.data, expected.T, rtol=2e-5, atol=1e-4)
        assert record.sampling_rate_hz == 100.0 and record.meta["trace_category"] == "generated"
    _, info, extra = checkpoints.load_checkpoint(path, TimesNetGen)
    np.testing.assert_allclose(extra["noise_std"], np.load(folder / "std.npy"))
    card = path.with_suffix(".md").read_text()
    assert "imported" in card and "| sampling rate | 100 Hz |" in card and "| replacement" not in card and "`replacement` | True" in card


def test_an_imported_network_alone_takes_its_records_from_a_corpus(public, run):
    folder, made, _ = public
    path = import_public(folder / "public.pth", folder / "x.safetensors", sampling_rate_hz=RATE_HZ)
    with pytest.raises(ReleaseError, match="import it with --latent-bank"):
        load_released(path)
    data = corpus.Corpus.open(run / "corpus")
    generator = load_released(path, data, stations=["C"])
    assert generator.stations == ["C"]
    direct = LatentMixing.from_corpus(made, data, ["C"], **released.AS_IN_THE_PUBLIC_SCRIPT)
    same(generator.sample("C", 2, 0), direct.sample("C", 2, 0))


def test_imports_that_cannot_be(public):
    folder, _, arrays = public
    before = sorted(folder.iterdir())
    np.savez(folder / "cut.npz", **{name: value for name, value in arrays.items() if name != "means_4628"})
    (folder / "half.pth").write_bytes((folder / "public.pth").read_bytes()[:3000])
    bad = {"missing": dict(checkpoint="no.pth"), "half": dict(checkpoint="half.pth"), "bank": dict(latent_bank=folder / "cut.npz"),
           "no bank": dict(latent_bank=folder / "no.npz"), "std": dict(noise_std=folder / "bank.npz"),
           "station": dict(latent_bank=folder / "bank.npz", stations=["9999"])}
    for given in bad.values():
        with pytest.raises(ValueError):
            import_public(folder / given.pop("checkpoint", "public.pth"), folder / "x.safetensors", **given)
    assert sorted(folder.iterdir()) == sorted([*before, folder / "cut.npz", folder / "half.pth"])


def test_the_description_is_plain_json(file):
    about = checkpoints.read_about(file)
    assert json.loads(json.dumps(about)) == about and about["released"]["generator"]["records_to_mix"] == 3
