# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-papermill,-execution
#     notebook_metadata_filter: kernelspec,jupytext,mystnb,-language_info,-papermill
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# (architecture)=
# # The architecture
#
# There are two networks of the name TimesNet-Gen. The one that is **published** as code has no bottleneck, no decoder to speak of and no station in it. The
# one that the paper **describes** has all three. They share every block, so this page can lay them side by side: what passes through them, what they are made
# of, what they cost, and what the authors' way of choosing periods does to a record. Every number is computed here, by running the networks.
#
# | At a glance | |
# |---|---|
# | Shows | shapes, parameters and operations of both configurations, at both sizes; what a record's code owes to its neighbours; what precision costs |
# | Needs | nothing: it simulates its own records |
# | Makes | nothing that other pages need |
# | Run time | half a minute on one core, with either profile |
# | Seed | 0 |
#
# {numref}`fig-architecture` draws both configurations; the equations are on the page {ref}`method`.

# %% tags=["parameters"]
profile: str = "quick"            # quick or paper; this page always shows both
run: str = ""                     # folder that the notebooks of one run share; "": runs/<profile>
corpus: str = ""                  # folder of the records; not used here
seed: int = 0                     # of the synthetic records, the weights and the batches

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from tng import config, figures, flops, periods, runs, surrogate
from tng.standard import standardise
from tng.timesnet import TimesNetGen, moments

here = runs.start(globals())
figures.use_style()
NETWORKS = [(name, size) for size in ("quick", "paper") for name in ("published", "described")]


# %% [markdown]
# ## What passes through
#
# A network on PyTorch's *meta* device has shapes but no numbers, so that even the paper's size costs nothing. The periods are set here, to one
# second and half a second; in training they come from the data (below). The described network is the one of Phase 1, with five stations.

# %%
def build(name, size):
    """A network without its numbers, and what goes into it."""
    settings = config.settings(size)
    rate = round(settings.sampling_rate_hz)
    with torch.device("meta"):
        network = TimesNetGen(**settings.network(name == "described") | dict(period_choice="corpus", periods=(rate, rate // 2)))
        inputs = [torch.empty(1, 3, settings.samples)]
        if name == "described":
            network = network.with_stations(5)
            inputs.append(torch.zeros(1, dtype=torch.long))
    return network.eval(), inputs

networks = {key: build(*key) for key in NETWORKS}

# %% tags=["hide-input"]
STEPS = [                                        # what it is called here; which module; 0: goes in, 1: comes out; at its which call
    ("record, standardised: samples × components", "embedding", 0, 0),
    ("embedded: samples × channels", "embedding", 1, 0),
    ("grid of the first period: channels × rows × columns", "blocks.0.conv.0", 0, 0),
    ("the same between the two convolutions", "blocks.0.conv.0", 1, 0),
    ("grid of the second period", "blocks.0.conv.0", 0, 1),
    ("after the last block of the encoder", "blocks.1", 1, 0),
    ("into the bottleneck, eight samples a row", "bottleneck.narrow", 0, 0),
    ("code of the bottleneck", "bottleneck.narrow", 1, 0),
    ("into the decoder's first block", "decoder_blocks.0", 0, 0),
    ("into the last linear layer", "head", 0, 0),
    ("reconstruction: components × samples", "", 1, 0)]
table = {}
for key, (network, inputs) in networks.items():
    calls = {}
    for module, *shapes in flops.shapes(network, *inputs):
        calls.setdefault(module, []).append(shapes)
    table[key] = {what: " × ".join(map(str, calls[module][nth][side][1:])) if module in calls else "–" for what, module, side, nth in STEPS}
pd.DataFrame(table)


# %% [markdown]
# The published code of a record is what leaves its last block: a number for each of 128 channels at each of 6000 samples. The described one passes through a bottleneck:

# %%
def size_of_code(network):
    """How many numbers the code of one record has."""
    arguments = network.arguments
    steps = -(-arguments["samples"] // arguments["latent_stride"]) if network.bottleneck else arguments["samples"]
    return steps * network.code_width

sizes = {key: (3 * network.arguments["samples"], size_of_code(network)) for key, (network, _) in networks.items()}
pd.DataFrame({key: {"numbers of a record": f"{record:,}", "of its code": f"{code:,}", "code / record": f"{code / record:.2f}",
                    "kB of a record, single precision": f"{4 * record / 1000:,.0f}", "kB of its code": f"{4 * code / 1000:,.0f}"}
              for key, (record, code) in sizes.items()}).T

# %% [markdown]
# As published, the code of a record is 42.7 times as large as the record. A bank of codes, which the published generator draws from, is as much larger than
# the records that it was made of; because the decoder is linear, the decoded records serve as well ({ref}`published-generator`), and that is what `tng` stores.
#
# ## What it is made of, and what it costs
#
# FLOP are floating-point operations of one record's way through the network, a multiplication and an addition being two. Convolutions and matrix products are
# counted; Fourier transforms, norms and activations are not: at the paper's size they are well below one in a hundred.

# %%
LABELS = {"position": "position table", "embedding": "embedding", "blocks.0": "encoder block 1", "blocks.1": "encoder block 2", "norm": "norm of the encoder",
          "bottleneck": "bottleneck", "decoder_blocks.0": "decoder block 1", "decoder_blocks.1": "decoder block 2", "decoder_norm": "norm of the decoder",
          "head": "last linear layer", "total": "total"}

def account(network, inputs):
    """Parameters and GFLOP of each part."""
    counted = flops.parameters(network)
    return pd.DataFrame({"parameters": counted | {"total": sum(counted.values())},
                         "GFLOP a record": {part: count / 1e9 for part, count in flops.flops(network, *inputs).items()}})

accounts = {key: account(*built) for key, built in networks.items()}
for size in ("paper", "quick"):
    table = pd.concat({name: accounts[name, size] for name in ("published", "described")}, axis=1).reindex(LABELS).rename(index=LABELS)
    shown = {column: "{:,.0f}" if column[1] == "parameters" else "{:.3g}" for column in table}
    display(pd.DataFrame({c: table[c].map(lambda v, form=form: "–" if pd.isna(v) else form.format(v)) for c, form in shown.items()})
            .rename_axis(f"{size} profile"))

# %% mystnb={"figure": {"caption": "Where the parameters are (left) and where the operations are (right), at the paper's size; both axes are logarithmic.", "name": "fig-arch-parts"}, "image": {"alt": "Horizontal bars for each part of the published and the described network; the TimesBlocks stand out by two to five powers of ten."}} tags=["hide-input"]
parts = [part for part in LABELS if part != "total" and "norm" not in part]
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True)
for column, ax in zip(("parameters", "GFLOP a record"), axes):
    for name, shift, shade in (("published", -0.2, "TimesNet-Gen"), ("described", 0.2, "described")):
        values = accounts[name, "paper"][column].reindex(parts)
        bars = ax.barh(np.arange(len(parts)) + shift, values, height=0.38, color=figures.colour(shade), label=name)
        ax.bar_label(bars, ["" if np.isnan(v) else f"{v:,.3g}" if v < 1000 else f"{v:,.0f}" for v in values], padding=3, fontsize=8)
    ax.set(xscale="log", xlabel=column[0].upper() + column[1:])
    ax.set_xlim(right=ax.get_xlim()[1] * 20)
axes[0].set_yticks(np.arange(len(parts)), [LABELS[part] for part in parts])
axes[0].invert_yaxis()
axes[1].legend(loc="lower right")
plt.show()

# %% [markdown]
# At the paper's size the TimesBlocks are nearly all of both networks. Their number decides what a network costs, so that the described one costs twice as much. The published network has
# 38,260,355 parameters, 768,000 of them in the table of positions, which fixes the length of a record once and for all.
#
# ## One convolution in place of six
#
# The public code convolves every grid with six kernels, one after the other, and averages. One convolution with the averaged kernel is the same function,
# eq. {eq}`eq-inception`. What that saves, and what is left of a training step, backward pass included:

# %%
rows = {}
for key, (network, inputs) in networks.items():
    layer, batch = network.blocks[0].conv[0], config.settings(key[1]).batch
    fused = accounts[key]["GFLOP a record"]["total"]
    with flops.separate_kernels(network):
        separate = flops.flops(network, *inputs)["total"] / 1e9
    step = flops.flops(network, *inputs, backward=True)["total"] * batch / 1e12
    rows[key] = {"taps, separate": sum(kernel.weight[0, 0].numel() for kernel in layer.kernels), "taps, one": layer.merged(99, 99)[0][0, 0].numel(),
                 "GFLOP a record, separate": separate, "GFLOP a record, one": fused, "separate / one": separate / fused,
                 "records a step": batch, "TFLOP a training step": step}
pd.DataFrame.from_dict(rows, orient="index").map(lambda v: f"{v:,.0f}" if v >= 1000 else f"{v:.3g}")


# %% [markdown]
# At the paper's size a record costs 381 GFLOP instead of 900, and a step of 32 records 36.5 TFLOP. Half of even that is saved wherever a block's two periods turn
# out to be the same number of samples, because then there is one grid instead of two.
#
# ## What a training step holds
#
# The backward pass needs what the forward pass computed on its way. At the paper's size and its batches of 32, in single precision, that is

# %%
def gigabytes(name):
    """What a training step holds, in GB."""
    network, (record, *station) = build(name, "paper")
    batch = [record.expand(32, -1, -1), *(number.expand(32) for number in station)]
    kept = flops.kept_for_backward(network, *batch)
    network.recompute = True
    again = flops.kept_for_backward(network, *batch)
    numbers = sum(flops.parameters(network).values())
    return {"weights, gradients, two moments [GB]": 16 * numbers / 1e9, "kept for the backward pass [GB]": kept / 1e9, "the same with recompute [GB]": again / 1e9}

pd.DataFrame({name: gigabytes(name) for name in ("published", "described")}).T.round(1)

# %% [markdown]
# What the convolutions need while they run comes on top. With `recompute` a grid is computed a second time when the backward pass comes to it, instead of being kept, which
# costs a third more operations. With `records_at_once = 8` a batch is worked through in four parts, and a quarter of what grows with the batch is held at a time ({ref}`rerun-gpu`).
#
# ## A record and its neighbours
#
# The published network looks for the periods of a **batch**: it folds all of its records by the periods at which their mean spectrum is largest, eq. {eq}`eq-periods`.
# What a record is encoded to then depends on the records that happen to be beside it. Two other choices do not have this property: periods of each record by itself
# (`period_choice = "sample"`), or a list that is found once for a corpus and then stays (`"corpus"`).
#
# To see it, a small network is trained for a moment with the published choice, on a hundred synthetic records.

# %%
rate, window = 50.0, 20.0                                        # Hz, s
records = [standardise(record, rate, window).data for site in surrogate.stations(0, here.settings.seed)
           for record in surrogate.simulate(site, 20, here.settings.seed)]
x = torch.tensor(np.stack(records), dtype=torch.float64)         # (100, 3, 1000)
standardised = (x - moments(x)[0]) / moments(x)[1]
common = periods.most_common(periods.amplitudes(standardised.transpose(1, 2)).mean(dim=0), x.shape[-1], 2)

def small(choice="batch", like=None):
    """The quick profile's network for these records, with one of the choices; with the weights of another one."""
    with torch.random.fork_rng():
        torch.manual_seed(here.settings.seed)
        network = TimesNetGen(**config.settings("quick").network() | dict(
            samples=x.shape[-1], period_choice=choice, periods=common if choice == "corpus" else ())).double()
    if like is not None:
        network.load_state_dict(like.state_dict())
    return network.eval()


# %%
def train(network, steps=120, rate=0.03):
    """Reconstruction of standardised records, for a moment."""
    rng = np.random.default_rng(here.settings.seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        batch = x[rng.choice(len(x), 16, replace=False)]
        optimiser.zero_grad()
        (((network(batch) - batch) / moments(batch)[1]) ** 2).mean().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network

untrained, trained = small(), train(small())


# %% [markdown]
# Each of ten records is now encoded and decoded alone, and then in eight batches of 16 with others drawn at random.

# %%
def change(a, b):
    """How far a is from b, relative to b."""
    return float((a - b).norm() / b.norm())

@torch.no_grad()
def in_company(network, rows=range(0, 100, 10), batches=8):
    """For each record and batch: relative change of its code and of its reconstruction, in units of its scale."""
    rng, found = np.random.default_rng(here.settings.seed), []
    for row in rows:
        alone, *_ = network.encode(x[[row]])
        others = np.delete(np.arange(len(x)), row)
        for _ in range(batches):
            together, *_ = network.encode(x[[row, *rng.choice(others, 15, replace=False)]])
            found.append((change(together[:1], alone), change(network.head(together[:1]), network.head(alone))))
    return np.array(found)

changes = {(name, choice): in_company(small(choice, weights)) for name, weights in (("untrained", untrained), ("trained", trained))
           for choice in periods.PERIOD_CHOICES}
pd.DataFrame.from_dict({key: {"batches that change it": f"{np.mean(found[:, 0] > 1e-9):.0%}", "median change of the code": f"{np.median(found[:, 0]):.2f}",
                              "of the reconstruction": f"{np.median(found[:, 1]):.2f}", "largest": f"{found[:, 1].max():.2f}"}
                        for key, found in changes.items()}, orient="index")

# %% mystnb={"figure": {"caption": "Change of a record's reconstruction when it is encoded in a batch of 16 instead of alone, relative to the reconstruction; ten synthetic records, eight batches each. Line: the trained network's own error of reconstruction, median of the records.", "name": "fig-arch-neighbours"}, "image": {"alt": "Points scatter well above zero for the choice batch, and lie at zero for sample and corpus, for an untrained and a trained network."}} tags=["hide-input"]
with torch.no_grad():
    error = np.median([change(trained(record[None]), record[None]) for record in x])
figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.6), sharey=True)
for name, ax in zip(("untrained", "trained"), axes):
    for place, choice in enumerate(periods.PERIOD_CHOICES):
        values = changes[name, choice][:, 1]
        beside = place + np.random.default_rng(0).uniform(-0.2, 0.2, len(values))
        ax.plot(beside, values, ".", ms=4, color=figures.colour("TimesNet-Gen" if choice == "batch" else "training"))
    ax.set_xticks(range(3), periods.PERIOD_CHOICES)
    ax.set(xlabel="Choice of periods", title=name)
axes[1].axhline(error, color="0.4", lw=0.8)
axes[1].text(2.3, error, "error of reconstruction", ha="right", va="bottom", fontsize=8)
axes[0].set_ylabel("Relative change of reconstruction")
plt.show()


# %% [markdown]
# With the published choice nearly every batch changes what a record is encoded to, by an amount that is comparable with the error that the network makes anyway. With the
# other two choices nothing changes. `tng` keeps the published choice as its default, since this is what is reproduced, but encodes every record **as if it were alone**
# wherever codes are kept or generated from, as the public code does too.
#
# ## Which choice costs what
#
# Operations of a batch of 16, per record, against the published choice; and how many grids a block works on.

# %%
def cost(network, batches=5):
    rng, found = np.random.default_rng(here.settings.seed), []
    for _ in range(batches):
        batch = x[rng.choice(len(x), 16, replace=False)]
        grids = [name for name, *_ in flops.shapes(network, batch) if name.endswith(".conv")]
        found.append((flops.flops(network, batch)["total"], len(grids) / len(network.blocks)))
    return np.mean(found, axis=0)

costs = {(name, choice): cost(small(choice, weights)) for name, weights in (("untrained", untrained), ("trained", trained))
         for choice in periods.PERIOD_CHOICES}
pd.DataFrame.from_dict({(name, choice): {"operations / those of batch": found[0] / costs[name, "batch"][0], "grids a block": found[1]}
                        for (name, choice), found in costs.items()}, orient="index").round(2)


# %% [markdown]
# A record is folded by two periods at most, whatever the choice. Operations differ because two periods of a batch often come out as the same number of samples, so that
# there is one grid instead of two, or as so few samples that most of a kernel meets nothing and is cropped. `sample` has many small grids where the others have one or two large ones, which
# gives a GPU less to do at a time. `corpus` always has two, of the same shape at every step, and nothing has to come back from the device to choose them: it is the one to compile.
#
# ## Precision
#
# One and the same trained network, and the same records, in double precision, in single precision, and in the mixed precision that GPUs are fastest with
# (`bf16-mixed`: convolutions and matrix products with eight binary digits, everything else in single). Fourier transforms stay in single precision: in half precision they do not exist for 6000 samples.

# %%
@torch.no_grad()
def reconstruct(dtype, half=False):
    network = small("sample", trained).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        return network(x.to(dtype)).double()

exact = reconstruct(torch.float64)
precise = {"32-true": reconstruct(torch.float32), "bf16-mixed": reconstruct(torch.float32, half=True)}
pd.Series({name: f"below 10^{int(np.ceil(np.log10(change(y, exact))))}" for name, y in precise.items()}, name="relative difference from 64-true").to_frame()

# %% [markdown]
# Against the error of reconstruction in {numref}`fig-arch-neighbours` neither matters for *using* a network. Training is another matter: differences grow from step to step, so
# that two trainings in different precision end with different weights of about the same quality. The quick profile is trained in double precision for that reason alone: its numbers are then the same on every machine.
#
# ## Things to try
#
# * In `build`, `rate // 2` → `2`: a period of two samples makes a grid of two columns. How many of the 121 taps are left ({numref}`fig-arch-parts` changes with them)?
# * `latent = 4` in `config.settings(size, latent=4)`: how small may a code be made before the bottleneck's own parameters matter?
# * `train(small("sample"))`: does a network that never saw the neighbours' periods reconstruct better?
# * In `in_company`, 15 others → 1: is a batch of two better or worse for a record than a batch of 16?
