"""The bank that latent mixing draws from: what it keeps, that it is enough, and whose it is."""

import io
import json
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tng import bank as banks, corpus, npz
from tng.bank import Bank, BankError
from tng.generators.timesnet_gen import LatentMixing
from tng.npz import NpzError
from tng.records import Record
from tng.timesnet import TimesNetGen

RATE_HZ, SAMPLES, STATIONS = 50.0, 256, ["A", "B"]
PUBLISHED = dict(samples=SAMPLES, d_model=4, d_ff=4, top_k=2, num_kernels=2)


def network(seed=0, **changes):
    """A network of random weights; a conditioned one does different things for different stations."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = TimesNetGen(**{**PUBLISHED, **changes}).double().eval()
        for name, value in net.named_parameters():
            if ".shift." in name:
                torch.nn.init.normal_(value)
    return net


def described(seed=0):
    return network(seed, latent=3, latent_stride=8, decoder_blocks=1, stations=2)


def write(folder, n=14, samples=SAMPLES, stations="ABC"):
    """Bursts of noise of very different strength."""
    rng = np.random.default_rng(0)
    envelope = np.exp(-np.linspace(0, 5, samples))
    records = [Record(envelope * rng.standard_normal((3, samples)) * 10 ** rng.uniform(-1, 2), RATE_HZ, station, f"event {i}")
               for station in stations for i in range(n)]
    return corpus.write(records, folder, seed=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("bank") / "corpus")


def one_by_one(net, data, station, number=None):
    """Codes, means and scales of a station's training records, encoded each by itself."""
    rows = data.select([station], "train")
    number = None if number is None else torch.tensor([number])
    with torch.no_grad():
        parts = [net.encode(torch.as_tensor(data.waveforms([row])).double(), number) for row in rows]
    return [torch.cat(values) for values in zip(*parts)]


# --- made from a corpus ----------------------------------------------------------------------------------

@pytest.mark.parametrize("make, conditioned", [(network, False), (described, True), (lambda: network(stations=2), True)])
@pytest.mark.parametrize("at_once", [1, 5, 100])
def test_a_bank_holds_each_record_encoded_by_itself(make, conditioned, at_once, data):
    net = make()
    held = Bank.of(net, data, STATIONS, records_at_once=at_once)
    assert held.decoded == net.linear_decoder and held.sampling_rate_hz == RATE_HZ
    for number, station in enumerate(STATIONS):
        z, mean, scale = one_by_one(net, data, station, number if conditioned else None)
        with torch.no_grad():
            expected = net.head(z).transpose(1, 2) if net.linear_decoder else z
        torch.testing.assert_close(held.content[station], expected, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(held.mean[station], mean)
        torch.testing.assert_close(held.scale[station], scale)
        np.testing.assert_allclose(held.noise_std[station], z.mean(dim=1).numpy().std(axis=0), rtol=1e-9)
        assert list(held.names[station]) == list(data.metadata["trace_name"][data.select([station], "train")])


def test_encoding_is_bounded_in_memory_and_leaves_the_network_as_it_was(data, monkeypatch):
    net, sizes = network(dropout=0.5).train(), []
    plain = TimesNetGen.encode
    monkeypatch.setattr(TimesNetGen, "encode", lambda self, x, *args: (sizes.append(len(x)), plain(self, x, *args))[1])
    held = Bank.of(net, data, STATIONS, records_at_once=3)
    assert max(sizes) == 3 and sum(sizes) == sum(len(names) for names in held.names.values())     # each record once
    assert net.training and net.blocks[0].training and net.blocks[0].period_choice == "batch"
    assert not held.content["A"].requires_grad
    torch.testing.assert_close(held.content["A"], Bank.of(net.eval(), data, STATIONS).content["A"], rtol=1e-9, atol=1e-11)


def test_decoded_bank_at_the_papers_size(tmp_path):
    """128/3 = 42.7 times smaller than the codes, same output to 1e-5, noise on the code included."""
    data = write(tmp_path / "long", n=10, samples=6000, stations="A")
    net = network(samples=6000, d_model=128, d_ff=2, num_kernels=1, top_k=1).float()
    small, large = (Bank.of(net, data, ["A"], decoded=decoded) for decoded in (True, False))
    assert large.content["A"].nbytes / small.content["A"].nbytes == pytest.approx(128 / 3)
    assert large.nbytes / small.nbytes == pytest.approx(128 / 3, rel=0.01)
    a, b = (LatentMixing(net, held, noise=0) for held in (small, large))
    rows, rng = np.array([[0, 1, 2, 3, 4], [5, 3, 1, 0, 0]]), np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(5), 2)
    quiet = a.mix("A", rows, weights, rng)
    np.testing.assert_allclose(quiet, b.mix("A", rows, weights, rng), atol=1e-5 * np.abs(quiet).max())
    noise = torch.from_numpy(rng.standard_normal((6000, 128), dtype=np.float32)) * large.noise_std["A"]
    with torch.no_grad():
        z = torch.einsum("k,ktd->td", torch.from_numpy(weights[0]).float(), large.content["A"][rows[0]]) + noise
        mean, scale = ((torch.from_numpy(weights[0]).float()[:, None, None] * v["A"][rows[0]]).sum(dim=0, keepdim=True)
                       for v in (large.mean, large.scale))
        blurred = net.decode(z[None], mean, scale)[0]
        after = torch.from_numpy(quiet[0]) + (net.head.weight @ noise.T) * scale[0]
    assert (blurred - torch.from_numpy(quiet[0])).abs().max() > 1e-3 * blurred.abs().max()         # there is noise to compare
    torch.testing.assert_close(after, blurred, rtol=0, atol=1e-5 * float(blurred.abs().max()))


def test_stations_without_training_records_are_held_empty(data, tmp_path):
    unlucky = next(s for s in range(100) if corpus_of(data, tmp_path / str(s), s).select(["Z"], "train").size == 0)
    other = corpus_of(data, tmp_path / "again", unlucky)
    held = Bank.of(network(), other, ["A", "Z"])
    assert len(held.names["Z"]) == 0 and held.content["Z"].shape == (0, 3, SAMPLES) and len(held.names["A"]) > 0
    with pytest.raises(ValueError, match="Z has no training records"):
        LatentMixing(network(), held).sample("Z", 1, 0)


def corpus_of(data, folder, seed):
    """Some records of A, and one of a station Z."""
    one = data.record(20)
    records = [data.record(row) for row in range(8)] + [Record(one.data, RATE_HZ, "Z", "event of Z")]
    return corpus.write(records, folder, seed=seed)


def test_a_bank_needs_the_networks_window_and_all_its_stations(data, tmp_path):
    with pytest.raises(BankError, match="records of 256 samples, but the network was built for 300"):
        Bank.of(network(samples=300), data, STATIONS)
    with pytest.raises(BankError, match="tells 2 stations apart .* not 1 \\(A\\)"):
        Bank.of(described(), data, ["A"])
    with pytest.raises(BankError, match="only a network with a linear decoder"):
        Bank.of(described(), data, STATIONS, decoded=True)
    with pytest.raises(ValueError, match="station 'Q'"):
        Bank.of(network(), data, ["Q"])
    with pytest.raises(BankError, match="different ones"):
        Bank.of(network(), data, ["A", "A"])


# --- in a file, and whose it is --------------------------------------------------------------------------

@pytest.mark.parametrize("make", [network, described])
def test_round_trip_through_a_released_file(make, data, tmp_path):
    net = make()
    held = Bank.of(net, data, STATIONS)
    save_file({**held.tensors(), "network.other": torch.zeros(2)}, tmp_path / "x", metadata={"about": json.dumps(held.about())})
    with safe_open(tmp_path / "x", "pt") as file:
        tensors, about = {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["about"])
    again = Bank.from_tensors(tensors, about)
    assert again.about() == held.about() and again.nbytes == held.nbytes
    a, b = (LatentMixing(net, one, records_to_mix=3).sample("B", 4, seed=2) for one in (held, again))
    assert all(np.array_equal(x.data, y.data) and x.meta == y.meta for x, y in zip(a, b))
    for gone in ("bank.B.content", "bank.A.noise_std"):
        with pytest.raises(BankError, match=f"{gone}' is missing"):
            Bank.from_tensors({name: value for name, value in tensors.items() if name != gone}, about)
    for gone in about:
        with pytest.raises(BankError, match=f"{gone}' is missing"):
            Bank.from_tensors(tensors, {name: value for name, value in about.items() if name != gone})


@pytest.mark.parametrize("name, change, message", [
    ("content", lambda x: x[:, :2], "content of station A is of shape"),
    ("content", lambda x: x[1:], "content of station A is of shape"),
    ("content", lambda x: x.index_fill(2, torch.tensor([7]), float("nan")), "content of station A holds values that are not finite"),
    ("scale", lambda x: x[..., 0], "scale of station A is of shape"),
    ("scale", lambda x: -x, "A has a record of scale 0 or less"),
    ("mean", lambda x: x / 0, "mean of station A holds values"),
    ("noise_std", lambda x: x[None], "noise_std of station A is of shape")])
def test_damaged_banks(name, change, message, data):
    held = Bank.of(network(), data, STATIONS)
    tensors = held.tensors()
    tensors[f"bank.A.{name}"] = change(tensors[f"bank.A.{name}"])
    with pytest.raises(BankError, match=message):
        Bank.from_tensors(tensors, held.about())


def test_a_bank_knows_its_network(data):
    net = network()
    held = Bank.of(net, data, STATIONS)
    LatentMixing(net, held)
    LatentMixing(network().float(), held)                          # the same weights in single precision
    with pytest.raises(BankError, match="made by another network"):
        LatentMixing(network(seed=1), held)
    nameless = Bank.from_tensors(held.tensors(), {**held.about(), "network": ""})
    LatentMixing(network(seed=1), nameless)                        # not known to be another one
    for other, message in ((network(samples=300), "made by another network: .* needs \\(3, 300\\)"),
                           (network(d_model=5), "noise of 4 channels"),
                           (network(stations=3), "tells 3 stations apart"), (described(), "decoder is not linear")):
        with pytest.raises(BankError, match=message):
            LatentMixing(other, nameless)


# --- the public code's bank ------------------------------------------------------------------------------

def public_arrays(net, data, steps=1, dtype=np.float32):
    arrays = {}
    for station in STATIONS:
        z, mean, scale = (value.numpy().astype(dtype) for value in one_by_one(net, data, station))
        arrays |= {f"latents_{station}": z, f"means_{station}": np.repeat(mean.swapaxes(1, 2), steps, axis=1),
                   f"stdev_{station}": np.repeat(scale.swapaxes(1, 2), steps, axis=1)}
    return arrays


def publicly_sampled(arrays, station, chosen, head):
    """The public script's sampler in plain numpy: (n, k) chosen codes → records (n, 3, T)."""
    weight, bias = (value.detach().numpy() for value in (head.weight, head.bias))
    records = []
    for k in chosen:
        features = np.mean(arrays[f"latents_{station}"][k], axis=0)
        means, stdevs = (np.mean(arrays[f"{name}_{station}"][k], axis=0) for name in ("means", "stdev"))
        records.append(((features @ weight.T + bias) * stdevs[0] + means[0]).T)
    return np.array(records)


@pytest.mark.parametrize("save, steps, dtype", [(np.savez, 1, np.float32), (np.savez_compressed, SAMPLES, np.float64)])
def test_generation_from_the_public_bank_is_the_public_scripts(save, steps, dtype, data, tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "AT_ONCE", 3 * SAMPLES * 4 * 8)        # a few records at a time
    net = network()
    arrays = public_arrays(net, data, steps, dtype)
    save(tmp_path / "bank.npz", **arrays)
    held = Bank.from_public_npz(tmp_path / "bank.npz", net)
    assert list(held.stations) == STATIONS and held.decoded and held.sampling_rate_hz == 100.0
    generator = LatentMixing(net, held, records_to_mix=5, noise=0, replacement=True)
    made = generator.sample("B", 20, seed=3)
    assert made[0].meta["generator_sources"].startswith("latents_B[")
    chosen = [[int(name[len("latents_B["):-1]) for name in r.meta["generator_sources"].split(";")] for r in made]
    assert any(len(set(k)) < 5 for k in chosen)                     # drawn with replacement
    expected = publicly_sampled(arrays, "B", chosen, net.head)
    np.testing.assert_allclose([r.data for r in made], expected, atol=1e-5 * np.abs(expected).max())
    ours = Bank.of(net, data, STATIONS)
    np.testing.assert_allclose(held.noise_std["A"], ours.noise_std["A"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(held.content["A"], ours.content["A"], atol=1e-5)


def test_codes_of_the_public_bank_can_be_kept_and_stations_chosen(data, tmp_path):
    net = network()
    np.savez(tmp_path / "bank.npz", **public_arrays(net, data))
    held = Bank.from_public_npz(tmp_path / "bank.npz", net, ["B"], decoded=False, sampling_rate_hz=RATE_HZ)
    assert list(held.stations) == ["B"] and not held.decoded
    torch.testing.assert_close(held.content["B"], one_by_one(net, data, "B")[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(BankError, match="no station 'AA' here: did you mean 'A'"):
        Bank.from_public_npz(tmp_path / "bank.npz", net, ["AA"])


def test_a_numbered_network_takes_a_public_bank_in_its_own_order(data, tmp_path):
    net, code = described(), np.zeros((3, 32, 3), np.float32)
    np.savez(tmp_path / "bank.npz", **{f"{name}_{s}": x for s in STATIONS for name, x in
                                       (("latents", code), ("means", code[:, :1]), ("stdev", code[:, :1] + 1))})
    with pytest.raises(BankError, match="name them in the network's order"):
        Bank.from_public_npz(tmp_path / "bank.npz", net)
    assert list(Bank.from_public_npz(tmp_path / "bank.npz", net, ["B", "A"]).stations) == ["B", "A"]


def test_the_public_bank_is_never_all_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "AT_ONCE", 2**19)
    net, n = network(), 2500
    z = np.random.default_rng(0).standard_normal((n, SAMPLES, 4)).astype(np.float32)
    level = np.ones((n, SAMPLES, 3), np.float32)
    np.savez(tmp_path / "bank.npz", latents_A=z, means_A=level, stdev_A=level)
    size = z.nbytes
    del z, level
    tracemalloc.start()
    try:
        with npz.Npz(tmp_path / "bank.npz") as file:
            for _ in file.rows("latents_A"):
                pass
        streamed = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        Bank.from_public_npz(tmp_path / "bank.npz", net)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert streamed < 3 * 2**20 and peak < size / 2


BREAK = {
    "no bank": (lambda a: {"x": a["means_A"]}, BankError, "no latent bank of the public code"),
    "no means": (lambda a: {k: v for k, v in a.items() if k != "means_A"}, NpzError, "no array means_A"),
    "no stdev": (lambda a: {k: v for k, v in a.items() if k != "stdev_B"}, NpzError, "no array stdev_B"),
    "width": (lambda a: {**a, "latents_A": a["latents_A"][:, :, :3]}, BankError, "this network's codes are \\(records, 256, 4\\)"),
    "length": (lambda a: {**a, "latents_A": a["latents_A"][:, :200]}, BankError, "latents_A is of shape"),
    "flat": (lambda a: {**a, "latents_A": a["latents_A"][0]}, BankError, "latents_A is of shape"),
    "count": (lambda a: {**a, "means_A": a["means_A"][1:]}, BankError, "means_A is of shape"),
    "steps": (lambda a: {**a, "stdev_A": np.repeat(a["stdev_A"], 2, axis=1)}, BankError, "stdev_A is of shape"),
    "components": (lambda a: {**a, "stdev_A": a["stdev_A"][..., :2]}, BankError, "stdev_A is of shape"),
    "NaN code": (lambda a: {**a, "latents_B": np.where(np.arange(4) == 2, np.nan, a["latents_B"])}, BankError, "latents_B holds values"),
    "infinite mean": (lambda a: {**a, "means_B": a["means_B"] + np.inf}, BankError, "means_B holds values"),
    "scale 0": (lambda a: {**a, "stdev_B": 0 * a["stdev_B"]}, BankError, "scales of 0 or less"),
    "objects": (lambda a: {**a, "latents_A": a["latents_A"].astype(object)}, NpzError, "latents_A holds pickled objects"),
    "integers": (lambda a: {**a, "latents_A": a["latents_A"].astype(int)}, NpzError, "holds int64; floating-point"),
    "Fortran": (lambda a: {**a, "latents_A": np.asfortranarray(a["latents_A"])}, NpzError, "Fortran order"),
    "empty": (lambda a: {**a, "latents_A": a["latents_A"][:0]}, NpzError, "holds no records"),
    "number": (lambda a: {**a, "latents_A": np.float32(3)}, NpzError, "holds no records"),
}


@pytest.mark.parametrize("what", BREAK)
def test_bad_public_banks(what, data, tmp_path):
    change, error, message = BREAK[what]
    net = network()
    np.savez(tmp_path / "bank.npz", **change(public_arrays(net, data)))
    with pytest.raises(error, match=message):
        Bank.from_public_npz(tmp_path / "bank.npz", net)


def npy(shape, body, version=(1, 0), descr="<f4"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return b"\x93NUMPY" + bytes(version) + file.getvalue()[8:] + body


@pytest.mark.parametrize("member, message", [
    (npy((10**9, SAMPLES, 4), b"\0" * 4096), "of shape \\(1000000000, 256, 4\\) needs 4096000000000 bytes, but 4096 are there"),
    (npy((1, SAMPLES, 4), b"\0" * 4), "needs 4096 bytes, but 4 are there"),
    (npy((-1, SAMPLES, -4), b"\0" * 4096), "holds no records"),
    (npy((1, SAMPLES, 4), b"\0" * 4096, version=(9, 0)), "no readable header"),
    (b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16, "no readable header"),
    (b"no array", "no readable header"), (b"", "no readable header")])
def test_arrays_that_are_not_what_their_header_says(member, message, tmp_path):
    with zipfile.ZipFile(tmp_path / "bank.npz", "w") as file:
        file.writestr("latents_A.npy", member)
    with pytest.raises(NpzError, match=message):
        Bank.from_public_npz(tmp_path / "bank.npz", network())


def test_damaged_files(data, tmp_path):
    net, path = network(), tmp_path / "bank.npz"
    with pytest.raises(NpzError, match="no such file"):
        Bank.from_public_npz(path, net)
    path.write_bytes(b"no zip")
    with pytest.raises(NpzError, match="not a whole .npz file"):
        Bank.from_public_npz(path, net)
    np.savez(path, **public_arrays(net, data))
    whole = path.read_bytes()
    path.write_bytes(whole[:len(whole) // 2])
    with pytest.raises(NpzError, match="not a whole .npz file"):
        Bank.from_public_npz(path, net)
    at = whole.index(b"latents_B.npy") + 3000                      # one bit of a code; its checksum tells
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
    with pytest.raises(NpzError, match="latents_B cannot be read \\(Bad CRC-32"):
        Bank.from_public_npz(path, net)
    np.savez_compressed(path, **public_arrays(net, data))
    whole = bytearray(path.read_bytes())
    at = whole.index(b"latents_A.npy") + 2000
    whole[at:at + 200] = bytes(200)
    path.write_bytes(whole)
    with pytest.raises(NpzError, match="latents_A cannot be read"):
        Bank.from_public_npz(path, net)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("at_once", [2**25, 4096])
def test_checksums_are_compared(save, at_once, data, tmp_path, monkeypatch):
    """Every number can be read, but the directory at the file's end promises another checksum."""
    monkeypatch.setattr(npz, "AT_ONCE", at_once)
    net, path = network(), tmp_path / "bank.npz"
    save(path, **public_arrays(net, data))
    whole = bytearray(path.read_bytes())
    at = whole.index(b"PK\x01\x02") + 16                          # of the first entry, latents_A
    whole[at] ^= 1
    path.write_bytes(whole)
    with pytest.raises(NpzError, match="latents_A cannot be read \\(Bad CRC-32"):
        Bank.from_public_npz(path, net)


def test_a_networks_digest_is_of_its_weights(data):
    a, b = network(), network()
    assert banks.digest(a) == banks.digest(b) == banks.digest(network().float())
    with torch.no_grad():
        b.head.bias[1] += 1e-3
    assert banks.digest(a) != banks.digest(b)
