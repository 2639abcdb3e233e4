"""How many times as fast as the authors' public code are the networks, an epoch and the generation of records?

    git clone https://github.com/brsylmz23/TimesNet-Gen FOLDER
    python benchmarks/public_code.py FOLDER                      # both sizes, CPU, one thread; a quarter of an hour
    python benchmarks/public_code.py FOLDER --device cuda --into runs/public_code.json

Both get the same weights, and nothing is timed before codes, records and gradients agree to 1e-5.  They are measured in
turn, in one process; what is printed is the ratio of the two medians, and the range of the ratios of single turns.  On a CPU
the time is that of one thread, so other work on the machine counts little; on a GPU it is what passes.

Two signals are used: *two tones*, with which every block folds by two different periods longer than a kernel, so that
nothing of the work can be left out, and *records*, synthetic ones as they come.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import itertools
import json
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from _gpu_steps import steps_of_all_precisions
from _turns import add, compare, table
from torch import Tensor, nn

from tng import config, corpus, surrogate
from tng.bank import Bank
from tng.checkpoints import read_tensors, write_tensors
from tng.generators.timesnet_gen import LatentMixing
from tng.phases import reconstruction_loss
from tng.processes import arithmetic, dtype_of
from tng.public_code import to_tng
from tng.standard import standardise
from tng.timesnet import TimesNetGen
from tng.training import CorpusBatches, train

CLONE = "git clone https://github.com/brsylmz23/TimesNet-Gen FOLDER"
STATIONS, POOL, GENERATED = 5, 20, 50                         # of the generation: stations, codes and new records of each
EPOCH = {("paper", "cpu"): 4, ("paper", "cuda"): 128, ("quick", "cpu"): 64, ("quick", "cuda"): 64}      # records
TONES = {"paper": (60, 97), "quick": (40, 67)}                # cycles in a record
BATCH = {("paper", "cpu"): 1, ("paper", "cuda"): 32, ("quick", "cpu"): 8, ("quick", "cuda"): 8}


# --- the two networks -----------------------------------------------------------------------------

def public_code(folder: Path) -> SimpleNamespace:
    """The public classes and functions, from a checkout."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    sys.path.insert(0, str(folder))
    try:
        from generate_samples_git import generate_samples_from_latent_bank
        from models.TimesNet_PointCloud import TimesNetPointCloud
    except ImportError as problem:
        raise SystemExit(f"{folder}: no checkout of the public code ({problem}); get it with\n    {CLONE}") from None
    return SimpleNamespace(network=TimesNetPointCloud, generate=generate_samples_from_latent_bank)


def networks(public, settings: config.Settings) -> tuple[nn.Module, TimesNetGen]:
    """Both, with the same weights."""
    torch.manual_seed(0)
    given = settings.network()
    theirs = public.network(SimpleNamespace(
        seq_len=given["samples"], pred_len=0, top_k=given["top_k"], d_model=given["d_model"], d_ff=given["d_ff"],
        num_kernels=given["num_kernels"], e_layers=given["blocks"], dropout=given["dropout"], enc_in=3, c_out=3, embed="fixed", freq="h"))
    arguments, state = to_tng(theirs.state_dict(), given["top_k"])
    ours = TimesNetGen(**arguments)
    ours.load_state_dict(state)
    place = dict(device=settings.device, dtype=dtype_of(settings))
    return theirs.to(**place).eval(), ours.to(**place).eval()


def require_equal(theirs: nn.Module, ours: TimesNetGen, x: Tensor, what: str) -> None:
    """Codes, records and gradients of both; nothing is timed unless they agree."""
    z, mean, scale = ours.encode(x)
    made = ours.decode(z, mean, scale)
    (made / 100).square().mean().backward()
    h, means, stdev = theirs.encode_features_for_reconstruction(x.transpose(1, 2))
    rebuilt = theirs.project_features_for_reconstruction(h, means, stdev)
    (rebuilt / 100).square().mean().backward()
    _, gradients = to_tng({name: parameter.grad for name, parameter in theirs.named_parameters()}, ours.arguments["top_k"])
    pairs = [(z.detach(), h), (made.detach(), rebuilt.transpose(1, 2)), *((p.grad, gradients[name]) for name, p in ours.named_parameters())]
    worst = max(float((a - b.detach()).abs().max() / b.detach().abs().max()) for a, b in pairs)
    print(f"{what}: codes, records and gradients of both agree to {worst:.1e} of the largest number")
    if not worst <= 1e-5:
        raise SystemExit("they should agree to 1e-5; nothing is measured")
    for network in (theirs, ours):
        network.zero_grad(set_to_none=True)


def two_tones(settings: config.Settings, size: str, batch: int) -> Tensor:
    """Records (batch, 3, T) whose two tones decide the periods of every block."""
    phase = 2 * np.pi * torch.arange(settings.samples) / settings.samples
    first, second = (torch.cos(cycles * phase + shift) for cycles, shift in zip(TONES[size], (0, 1)))
    noise = 0.1 * torch.randn(batch, 3, settings.samples, generator=torch.Generator().manual_seed(0))
    return (30 * (2 * first + second + noise)).to(settings.device, dtype_of(settings))


def folds(network: TimesNetGen, x: Tensor) -> list[list[int]]:
    """The periods by which each block folds."""
    seen: list[list[int]] = []
    hooks = [block.register_forward_pre_hook(lambda block, given: seen.append([fold.period for fold in block.folds(given[0])]))
             for block in network.blocks]
    with torch.no_grad():
        network.encode(x)
    for hook in hooks:
        hook.remove()
    return seen


def synthetic(settings: config.Settings, count: int, folder: str) -> corpus.Corpus:
    """A corpus of `count` synthetic records of five stations."""
    a_station = -(-count // 5)
    records = [standardise(record, settings.sampling_rate_hz, settings.window_s)
               for site in surrogate.stations() for record in surrogate.simulate(site, a_station)]
    return corpus.write(records[:count], Path(folder, "corpus"))


# --- forward, backward, an epoch ------------------------------------------------------------------

def forward(network: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        network(x)


def forward_and_backward(network: nn.Module, x: Tensor) -> None:
    network(x).square().mean().backward()
    network.zero_grad(set_to_none=True)


def passes(size: str, theirs, ours, signals: dict[str, list[Tensor]], device: str, rounds: int) -> None:
    """Both kinds of passes on batches (B, 3, T); each round takes the next one."""
    for signal, batches in signals.items():
        for work in (forward, forward_and_backward):
            for_them, for_us = itertools.cycle([x.transpose(1, 2).contiguous() for x in batches]), itertools.cycle(batches)
            compare(f"{size}, {signal}, batch {len(batches[0])}: {work.__name__.replace('_', ' ')}", lambda: work(theirs, next(for_them)),
                    lambda: work(ours, next(for_us)), device, rounds, worth_warming(size, device))


def worth_warming(size: str, device: str) -> bool:
    """A first call that is not counted; on a CPU at the paper's size it would take long and change little."""
    return (size, device) != ("paper", "cpu")


def public_epoch(network: nn.Module, records: Tensor, settings: config.Settings) -> float:
    """One epoch of Phase 0 as the public training script does it, from records in memory (N, T, 3); the mean loss."""
    network.train()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(records), batch_size=settings.batch, shuffle=True, num_workers=0)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.phase0_learning_rate, weight_decay=settings.weight_decay)
    total = 0.0
    for (x,) in loader:
        x = x.to(settings.device)
        optimiser.zero_grad(set_to_none=True)
        h, means, stdev = network.encode_features_for_reconstruction(x)
        loss = nn.functional.mse_loss(network.project_features_for_reconstruction(h, means, stdev), x)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), max_norm=settings.clip)
        optimiser.step()
        total += float(loss.detach().cpu())
    return total / len(loader)


def epoch(size: str, settings: config.Settings, theirs, ours, made: corpus.Corpus, rounds: int) -> None:
    chosen = np.arange(EPOCH[size, settings.device])
    in_memory = torch.as_tensor(made.waveforms(chosen), dtype=dtype_of(settings)).transpose(1, 2).contiguous()
    training, none = CorpusBatches(made, chosen, settings), CorpusBatches(made, chosen[:0], settings)
    start = copy.deepcopy(theirs).cpu(), copy.deepcopy(ours).cpu()

    def their_epoch():
        public_epoch(copy.deepcopy(start[0]).to(settings.device), in_memory, settings)

    def our_epoch():
        train(lambda: copy.deepcopy(start[1]), reconstruction_loss(settings), training, none, epochs=1,
              learning_rate=settings.phase0_learning_rate, settings=settings, label="Phase 0")

    what = f"{size}, records, batch {min(len(chosen), settings.batch)}: an epoch of Phase 0"
    compare(what, their_epoch, our_epoch, settings.device, rounds, worth_warming(size, settings.device),
            f"{len(chosen)} records, read from a file by ours, in memory for the public code")


# --- generation -----------------------------------------------------------------------------------

def generation(size: str, settings: config.Settings, public, theirs, ours: TimesNetGen, rounds: int) -> None:
    """250 records from one latent bank; its codes are random, which costs the same."""
    samples, width = settings.samples, settings.d_model
    theirs, ours = theirs.float(), ours.float()
    args = SimpleNamespace(pcgen_k=5, use_gpu=settings.device == "cuda")
    codes = [f"S{i}" for i in range(STATIONS)]
    with tempfile.TemporaryDirectory() as folder:
        npz, small = Path(folder, "latent_bank.npz"), Path(folder, "bank.safetensors")
        rng = np.random.default_rng(0)
        np.savez(npz, **{f"{name}_{code}": value for code in codes for name, value in (
            ("latents", rng.standard_normal((POOL, samples, width), dtype=np.float32)),
            ("means", rng.standard_normal((POOL, 1, 3), dtype=np.float32)),
            ("stdev", rng.uniform(1, 50, (POOL, 1, 3)).astype(np.float32)))})

        def convert() -> None:
            bank = Bank.from_public_npz(npz, ours)
            write_tensors(small, bank.tensors(), bank.about())

        def by_them() -> list:
            np.random.seed(0)
            with contextlib.redirect_stdout(io.StringIO()):
                return [public.generate(theirs, npz, code, GENERATED, args) for code in codes]

        def by_us() -> list:
            mixing = LatentMixing(ours, Bank.from_tensors(*read_tensors(small)), noise=0, replacement=True)
            return [mixing.sample(code, GENERATED, seed=0) for code in codes]

        convert()
        mixing, noise = LatentMixing(ours, Bank.from_tensors(*read_tensors(small)), noise=0), np.random.default_rng(0)
        for code, (made, names) in zip(codes, by_them()):
            drawn = np.array([[int(name.removeprefix("latent_")) for name in one] for one in names])
            found = mixing.mix(code, drawn, np.full(drawn.shape, 1 / 5), noise)
            if not np.abs(found - made).max() <= 1e-5 * np.abs(made).max():
                raise SystemExit("generated records of both should agree to 1e-5; nothing is measured")
        what = f"{size}: {STATIONS * GENERATED} records generated"
        compare(f"{what}, bank read from its file", by_them, by_us, settings.device, rounds, note="networks in memory")
        compare(f"{what}, bank converted first", by_them, lambda: (convert(), by_us()), settings.device, rounds, note="which is done once")
        add(f"{size}: size of the bank's file, theirs to ours", npz.stat().st_size / small.stat().st_size, (), f"{STATIONS * POOL} records")


# --- all of it ------------------------------------------------------------------------------------

def measure(size: str, public, device: str, rounds: int) -> None:
    settings = config.settings(size, device=device, loss="raw")
    batch = BATCH[size, device]
    theirs, ours = networks(public, settings)
    x = two_tones(settings, size, batch)
    with arithmetic(settings):
        require_equal(theirs, ours, x[:2], f"{size} size")
    kinds = folds(ours, x)
    if any(len(periods) < settings.top_k or min(periods) < 2 * settings.num_kernels - 1 for periods in kinds):
        raise SystemExit(f"{size}: the two tones are folded by {kinds}, so that work could be left out; choose others")
    print(f"{size} size: the two tones are folded by periods of {kinds} samples in the blocks")
    with tempfile.TemporaryDirectory() as folder:
        made = synthetic(settings, max(EPOCH[size, device], 4 * batch), folder)
        records = [torch.as_tensor(made.waveforms(np.arange(i, i + batch)), device=device, dtype=dtype_of(settings))
                   for i in range(0, 4 * batch, batch)]
        passes(size, theirs, ours, {"two tones": [x], "records": records}, device, rounds)
        epoch(size, settings, theirs, ours, made, 1 if (size, device) == ("paper", "cpu") else rounds)
    if device == "cuda":
        steps_of_all_precisions(settings, theirs, ours, x, kinds[0], rounds)
    generation(size, settings, public, theirs, ours, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=os.environ.get("TNG_PUBLIC_CODE"), help=f"the public code: {CLONE}")
    parser.add_argument("--size", choices=("paper", "quick", "both"), default="both")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--into", type=Path, help="also write the table to this JSON file")
    given = parser.parse_args()
    if given.folder is None:
        print(f"Nothing is measured: name a folder with the public code. Get it with\n    {CLONE}")
        return
    os.environ["TNG_PROGRESS"] = "0"
    if given.device == "cpu":
        torch.set_num_threads(1)
    public = public_code(given.folder)
    print(f"{'':<58} times as fast as the public code")
    for size in ("quick", "paper") if given.size == "both" else (given.size,):
        measure(size, public, given.device, given.rounds)
    if given.into:
        given.into.parent.mkdir(parents=True, exist_ok=True)
        given.into.write_text(json.dumps({"device": torch.cuda.get_device_name() if given.device == "cuda" else "CPU, one thread",
                                          "torch": torch.__version__, "rows": table}, indent=1))


if __name__ == "__main__":
    main()
