"""The public code's network, written anew from its definition, against ours with the same weights; and hostile files.

Where the environment variable TNG_PUBLIC_CODE names a folder with the public code itself
(git clone https://github.com/brsylmz23/TimesNet-Gen), it is compared too.
"""

import importlib
import os
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from tng.public_code import PublicCodeError, from_tng, read_checkpoint, read_noise_std, to_tng
from tng.timesnet import TimesNetGen

FIRST, POSITION = "model.0.conv.0.kernels.0.weight", "enc_embedding.position_embedding"


# --- the public classes, with their parameters' names --------------------------------------------

class Embedding(nn.Module):
    def __init__(self, samples, d_model, dropout):
        super().__init__()
        self.value_embedding = nn.Linear(3, d_model)
        self.position_embedding = nn.Parameter(torch.randn(1, samples, d_model))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(self.value_embedding(x) + self.position_embedding)


class Inception(nn.Module):
    """All kernels one after the other, then their mean."""

    def __init__(self, c_in, c_out, num_kernels):
        super().__init__()
        self.kernels = nn.ModuleList([nn.Conv2d(c_in, c_out, 2 * i + 1, padding=i) for i in range(num_kernels)])
        for kernel in self.kernels:
            nn.init.kaiming_normal_(kernel.weight, mode="fan_out", nonlinearity="relu")
            nn.init.constant_(kernel.bias, 0)

    def forward(self, x):
        return torch.stack([kernel(x) for kernel in self.kernels], dim=-1).mean(-1)


class Block(nn.Module):
    def __init__(self, d_model, d_ff, top_k, num_kernels):
        super().__init__()
        self.top_k = top_k
        self.conv = nn.Sequential(Inception(d_model, d_ff, num_kernels), nn.GELU(), Inception(d_ff, d_model, num_kernels))

    def periods(self, x):
        spectrum = torch.fft.rfft(x, dim=1).abs()
        of_batch = spectrum.mean(0).mean(-1)
        of_batch[0] = 0
        bins = torch.topk(of_batch, self.top_k).indices
        return (x.shape[1] // bins).tolist(), spectrum.mean(-1)[:, bins]

    def forward(self, x):
        batch, samples, channels = x.shape
        periods, amplitudes = self.periods(x)
        results = []
        for period in periods:
            length = -(-samples // period) * period
            padded = torch.cat([x, x.new_zeros(batch, length - samples, channels)], dim=1)
            grid = padded.reshape(batch, length // period, period, channels).permute(0, 3, 1, 2).contiguous()
            results.append(self.conv(grid).permute(0, 2, 3, 1).reshape(batch, length, channels)[:, :samples])
        weights = torch.softmax(amplitudes, dim=1)
        return (torch.stack(results, dim=-1) * weights[:, None, None, :]).sum(-1) + x


class PointCloud(nn.Module):
    """Records come as (B, T, 3)."""

    def __init__(self, samples, d_model, d_ff, top_k, num_kernels, blocks=2, dropout=0.1):
        super().__init__()
        self.enc_embedding = Embedding(samples, d_model, dropout)
        self.model = nn.ModuleList([Block(d_model, d_ff, top_k, num_kernels) for _ in range(blocks)])
        self.layer_norm = nn.LayerNorm(d_model)
        self.projection = nn.Linear(d_model, 3)

    def encode_features_for_reconstruction(self, x):
        means = x.mean(1, keepdim=True)
        stdev = torch.sqrt(torch.var(x, dim=1, keepdim=True, unbiased=False) + 1e-5)
        h = self.enc_embedding((x - means) / stdev)
        for block in self.model:
            h = self.layer_norm(block(h))
        return h, means, stdev

    def project_features_for_reconstruction(self, h, means, stdev):
        return self.projection(h) * stdev + means

    def forward(self, x):
        return self.project_features_for_reconstruction(*self.encode_features_for_reconstruction(x))


@pytest.fixture(scope="module")
def authors():
    """Their own classes, from the folder that TNG_PUBLIC_CODE names."""
    folder = os.environ.get("TNG_PUBLIC_CODE")
    if not folder:
        pytest.skip("TNG_PUBLIC_CODE does not name a folder with the public code; compared with its definition only")
    sys.path.insert(0, folder)
    try:
        Model = importlib.import_module("models.TimesNet_PointCloud").TimesNetPointCloud
    finally:
        sys.path.remove(folder)
        for name in [name for name in sys.modules if name.split(".")[0] == "models"]:
            del sys.modules[name]

    def build(samples, d_model, d_ff, top_k, num_kernels, blocks=2, dropout=0.1):
        return Model(SimpleNamespace(seq_len=samples, pred_len=0, top_k=top_k, d_model=d_model, d_ff=d_ff, num_kernels=num_kernels,
                                     e_layers=blocks, dropout=dropout, enc_in=3, c_out=3, embed="fixed", freq="h"))
    return build


@pytest.fixture(params=["definition", "authors"])
def public(request):
    """Builds the public network from the arguments of ours."""
    return PointCloud if request.param == "definition" else request.getfixturevalue("authors")


pytestmark = pytest.mark.usefixtures("seeded")


def arguments(samples=60, d_model=6, d_ff=5, top_k=2, num_kernels=3, **others):
    return dict(samples=samples, d_model=d_model, d_ff=d_ff, top_k=top_k, num_kernels=num_kernels, **others)


def ours_of(network, top_k=2):
    found, state = to_tng(network.state_dict(), top_k)
    ours = TimesNetGen(**found).to(next(network.parameters()).dtype)
    ours.load_state_dict(state)
    return ours


# --- the same function ---------------------------------------------------------------------------

def close(found, wanted, dtype):
    """Apart by rounding only, relative to the largest number."""
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    assert found.dtype == wanted.dtype == dtype
    assert (found - wanted).abs().max() <= tolerance * wanted.abs().max()


def noted(function, notes):
    """The function, with what it returns first (a list of periods) noted."""
    def call(*given):
        result = function(*given)
        notes.append([int(p) for p in (result[0] if isinstance(result, tuple) else [fold[0] for fold in result])])
        return result
    return call


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("changes", [
    dict(), dict(samples=127, d_model=16, d_ff=8), dict(samples=211, top_k=3, num_kernels=6), dict(samples=240, blocks=1, d_ff=12),
    dict(samples=101, blocks=3, num_kernels=1), dict(samples=64, d_model=4, d_ff=1, top_k=1),
])
def test_same_weights_give_the_same_periods_codes_records_and_gradients(public, changes, batch, dtype, monkeypatch):
    given = arguments(**changes)
    theirs = public(**given).to(dtype).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():                                # no parameter is left at zero or one
            parameter.add_(0.05 * torch.randn_like(parameter))
    ours = ours_of(theirs, given["top_k"]).eval()
    x = 40 * torch.randn(batch, 3, given["samples"], dtype=dtype) + 7

    periods = []
    for block in ours.blocks:
        monkeypatch.setattr(block, "folds", noted(block.folds, periods))
    z, mean, scale = ours.encode(x)
    made = ours.decode(z, mean, scale)
    names = [name for name, _ in ours.named_parameters()]
    outer, record_outer = torch.randn_like(z), torch.randn_like(made) / 40
    ((z * outer).sum() + (made * record_outer).sum()).backward()

    periods_there = []
    if public is PointCloud:
        for block in theirs.model:
            monkeypatch.setattr(block, "periods", noted(block.periods, periods_there))
    else:
        module = type(theirs.model[0]).forward.__globals__
        monkeypatch.setitem(module, "FFT_for_Period", noted(module["FFT_for_Period"], periods_there))
    h, means, stdev = theirs.encode_features_for_reconstruction(x.transpose(1, 2))
    rebuilt = theirs.project_features_for_reconstruction(h, means, stdev)
    ((h * outer).sum() + (rebuilt * record_outer.transpose(1, 2)).sum()).backward()

    assert periods == [list(dict.fromkeys(p)) for p in periods_there] and len(periods) == given.get("blocks", 2)
    close(z, h, dtype)
    close(mean, means.transpose(1, 2), dtype)
    close(scale, stdev.transpose(1, 2), dtype)
    close(made, rebuilt.transpose(1, 2), dtype)
    close(ours(x), theirs(x.transpose(1, 2)).transpose(1, 2), dtype)
    state = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    gradients = to_tng(state, given["top_k"])[1]
    assert sorted(gradients) == sorted(names)
    for name in names:
        close(ours.get_parameter(name).grad, gradients[name], dtype)


def test_same_seed_same_first_parameters(public):
    given = arguments(blocks=3)
    torch.manual_seed(5)
    theirs = public(**given)
    torch.manual_seed(5)
    ours = TimesNetGen(**given)
    state = to_tng(theirs.state_dict())[1]
    assert all(torch.equal(value, state[name]) for name, value in ours.state_dict().items())


def test_names_there_and_back(public):
    theirs = public(**arguments(blocks=3))
    state = theirs.state_dict()
    back = from_tng(ours_of(theirs))
    assert set(back) == set(state)
    assert all(torch.equal(back[name], value) for name, value in state.items())
    theirs.load_state_dict(back)                                             # all keys match


def test_everything_but_top_k_is_seen_in_the_shapes(public):
    given = arguments(samples=77, d_model=9, d_ff=4, top_k=5, num_kernels=4, blocks=3)
    assert to_tng(public(**given).state_dict(), top_k=5)[0] == {**given, "dropout": 0.1}


@pytest.mark.parametrize("changes, message", [
    (dict(stations=2), "stations 2"), (dict(latent=4), "latent 4"), (dict(decoder_blocks=1), "decoder_blocks 1"),
    (dict(period_choice="sample"), "period_choice 'sample'"),
])
def test_what_the_public_code_lacks_is_not_handed_over(changes, message):
    with pytest.raises(PublicCodeError, match=message):
        from_tng(TimesNetGen(**arguments(), **changes))


# --- checkpoints ---------------------------------------------------------------------------------

@pytest.fixture
def theirs():
    return PointCloud(**arguments())


@pytest.fixture
def file(tmp_path):
    return tmp_path / "public.pth"


def what_the_scripts_write(network, **args):
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.randn(1, 60, 3)).sum().backward()
    optimiser.step()
    return {"epoch": 60, "model_state_dict": network.state_dict(), "optimizer_state_dict": optimiser.state_dict(),
            "train_losses_phase0": [1.5, 0.2], "args": args, "phase": "phase1"}


@pytest.mark.parametrize("kind", ["scripts", "bare", "DataParallel", "safetensors", "before torch 1.6"])
def test_checkpoints_of_every_kind(theirs, file, kind):
    state = theirs.state_dict()
    if kind == "scripts":
        torch.save(what_the_scripts_write(theirs, seq_len=60, top_k=2, root_path="D:\\"), file)
    elif kind == "bare":
        torch.save(state, file)
    elif kind == "DataParallel":
        torch.save({"model_state_dict": nn.DataParallel(theirs).state_dict()}, file)
    elif kind == "before torch 1.6":
        torch.save(state, file, _use_new_zipfile_serialization=False)
    else:
        file = file.with_suffix(".safetensors")
        safetensors.torch.save_file(state, file)
    before = torch.get_rng_state()
    network = read_checkpoint(file)
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.training and all(p.requires_grad and p.is_leaf for p in network.parameters())
    x = torch.randn(3, 3, 60)
    theirs.eval()
    close(network(x), theirs(x.transpose(1, 2)).transpose(1, 2), torch.float32)


def test_top_k_is_what_was_asked_for_or_what_the_file_says_or_2(theirs, file):
    torch.save(what_the_scripts_write(theirs, top_k=4), file)
    assert read_checkpoint(file).arguments["top_k"] == 4
    assert read_checkpoint(file, top_k=3).arguments["top_k"] == 3
    torch.save(theirs.state_dict(), file)
    assert read_checkpoint(file).arguments["top_k"] == 2
    for wrong in (0, 31, True, "2"):
        with pytest.raises(PublicCodeError, match="top_k"):
            read_checkpoint(file, top_k=wrong)


def test_half_precision_becomes_single_and_double_stays(theirs, file):
    for given, wanted in ((torch.bfloat16, torch.float32), (torch.float64, torch.float64)):
        torch.save(theirs.to(given).state_dict(), file)
        assert {p.dtype for p in read_checkpoint(file).parameters()} == {wanted}


class Payload:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("wrap", ["torch", "old torch", "pickle 0", "pickle 4", "beside weights", "whole network"])
def test_a_pickle_that_would_run_code_does_not(theirs, file, tmp_path, wrap):
    payload = Payload(f"touch {tmp_path / 'ran'}")
    if wrap.startswith("pickle"):
        file.write_bytes(pickle.dumps(payload, protocol=int(wrap[-1])))
    else:
        content = {"torch": payload, "old torch": payload, "whole network": theirs,
                   "beside weights": {"model_state_dict": theirs.state_dict(), "args": payload}}[wrap]
        torch.save(content, file, _use_new_zipfile_serialization=wrap != "old torch")
    with pytest.raises(PublicCodeError, match="loading it could run code") as found:
        read_checkpoint(file)
    assert str(file) in str(found.value) and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".old.pth"])
@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_said_to_be_damaged(theirs, tmp_path, suffix, share):
    file = tmp_path / f"public{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(theirs.state_dict(), file)
    else:
        torch.save(theirs.state_dict(), file, _use_new_zipfile_serialization=suffix == ".pth")
    content = file.read_bytes()
    file.write_bytes(content[:int(share * len(content))])
    with pytest.raises(PublicCodeError, match="damaged"):
        read_checkpoint(file)


def test_no_file(file):
    with pytest.raises(PublicCodeError, match="no such file"):
        read_checkpoint(file)


def heads(state):
    return {**state, "p_regression_head.0.weight": torch.zeros(2, 2), "feature_fusion.0.bias": torch.zeros(2)}


def renamed(state):
    return {name.replace("layer_norm", "norm1"): value for name, value in state.items()}


def claimed(state):
    return {**state, POSITION: torch.zeros(1).expand(1, 10**9, 6)}


@pytest.mark.parametrize("spoil, message", [
    (heads, "P and S times .*p_regression_head.0.weight"),
    (renamed, "layer_norm.weight, layer_norm.bias missing; norm1.weight, norm1.bias unknown"),
    (lambda s: {"linear.weight": torch.zeros(2)}, "position_embedding, .* missing, linear.weight found"),
    (lambda s: {n: v for n, v in s.items() if "kernels.1." not in n}, "kernels.1.weight.* 5 more missing; .*kernels.2.weight.* 5 more unknown"),
    (lambda s: {n: v for n, v in s.items() if not n.startswith("model.0.")}, "model.0.conv.0.kernels.0.weight missing"),
    (lambda s: {**s, "layer_norm.weight": torch.zeros(7)}, r"contradict each other: layer_norm.weight is \(7,\), not \(6,\)"),
    (lambda s: {**s, FIRST: torch.zeros(4, 6, 1, 1)}, "contradict each other: .* and .* more"),
    (lambda s: {**s, POSITION: torch.zeros(60, 6)}, r"the shape \(60, 6\)"),
    (lambda s: {**s, POSITION: torch.zeros(2, 60, 6)}, r"is \(2, 60, 6\), not \(1, 60, 6\)"),
    (lambda s: {**s, POSITION: torch.zeros(1, 3, 6)}, "top_k 2: a record of 3 samples"),
    (claimed, "fewer are stored"),
    (lambda s: {**s, POSITION: torch.full((1, 60, 6), torch.nan)}, "not finite"),
    (lambda s: {**s, POSITION: torch.zeros(1, 60, 6, dtype=torch.int64)}, "holds torch.int64"),
    (lambda s: {**s, POSITION: torch.zeros(1, 60, 6).to_sparse()}, "plain floating-point numbers"),
    (lambda s: {**s, "epoch": 3}, "epoch is not a tensor"),
    (lambda s: {}, "no parameters"),
    (lambda s: [1, 2], "holds a list"),
])
def test_other_content_is_named(theirs, file, spoil, message):
    torch.save(spoil(theirs.state_dict()), file)
    with pytest.raises(PublicCodeError, match=message) as found:
        read_checkpoint(file)
    assert str(file) in str(found.value) and len(str(found.value)) < 500 + len(str(file))


# --- the noise level -----------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8"])
def test_noise_level(tmp_path, kind):
    np.save(tmp_path / "std.npy", np.array([0.5, 0, 2], kind))
    found = read_noise_std(tmp_path / "std.npy", d_model=3)
    assert found.tolist() == [0.5, 0, 2] and found.dtype == (torch.float64 if kind == "<f8" else torch.float32)
    with pytest.raises(PublicCodeError, match="3 numbers, but the network has 4"):
        read_noise_std(tmp_path / "std.npy", d_model=4)


@pytest.mark.parametrize("values, message", [
    (np.ones((2, 3)), "shape"), (np.arange(3), "int"), (np.float64(1), "shape"), (np.array([1, np.nan]), "not finite"),
    (np.array([1.0, -1]), "negative"), (np.array([Payload("true")], object), "not a NumPy array of numbers"),
])
def test_other_arrays_are_refused(tmp_path, values, message):
    np.save(tmp_path / "std.npy", values, allow_pickle=True)
    with pytest.raises(PublicCodeError, match=message):
        read_noise_std(tmp_path / "std.npy")


def test_a_noise_level_that_is_missing_cut_short_or_something_else(tmp_path):
    path = tmp_path / "std.npy"
    with pytest.raises(PublicCodeError, match="no such file"):
        read_noise_std(path)
    np.save(path, np.ones(100))
    whole = path.read_bytes()
    for content in (whole[:300], whole[:20], b"", b"text", pickle.dumps([1.0])):
        path.write_bytes(content)
        with pytest.raises(PublicCodeError, match="not a NumPy array of numbers"):
            read_noise_std(path)
    with path.open("wb") as stream:
        np.savez(stream, np.ones(3))
    with pytest.raises(PublicCodeError, match="an archive of arrays"):
        read_noise_std(path)
