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
# (beyond-the-average)=
# # Beyond the average: shaped noise
#
# TimesNet-Gen averages codes of recorded accelerograms, and its records are what averages are: too weak, too alike, too long ({ref}`hvsr-f0-ncc`). This page builds a generator that averages no waveforms.
# **A new record is white noise, shaped by envelopes that know when P and S arrive, filtered by the station, and tuned until its strength in every band is one that a record of this station could have.
# TimesBlocks learn the envelopes from many stations; a law learned from many stations says which strengths, durations and polarisations go with which magnitude and distance; a station adds a few numbers of its own.**
#
# No recorded waveform enters, and no phase is kept. All records of this page are synthetic; *recorded* means simulated by the physics of {ref}`data`, not generated from what was learned.
#
# What it finds: the records are as new as recorded ones and nearly as varied, and as strong within a tenth. Of eight generators it is the one whose records a forest finds hardest to tell from recorded ones, but it still can. Asked for earthquakes much stronger than the training ones, the generator exaggerates.
#
# | At a glance | |
# |---|---|
# | Reproduces | nothing of the paper: it answers what the paper leaves open, records that are new, to order, and as varied as recorded ones |
# | Needs | the corpus of {ref}`data` |
# | Makes | the checkpoint `shaped-noise`; generated records of each station, `generated/shaped-noise` |
# | Run time | quick: about five minutes on one core |
# | Seed | 0 |

# %% tags=["parameters"]
profile: str = "quick"                  # quick (a CPU, minutes) or paper (the paper's sizes, a GPU)
run: str = ""                           # folder that the notebooks of one run share; "": runs/<profile>
corpus: str = ""                        # folder of the records; "": <run>/corpus
seed: int = 0                           # of weights, order of records, and what is generated
shape_epochs: int = None                # passes over the records of all stations; quick 40, paper 40
shape_learning_rate: float = None       # at the start; quick 0.005, paper 0.005
shape_batch: int = None                 # records a step of the envelope network; quick 32, paper 32
shape_latent: int = None                # numbers of a record that the network chooses; quick 8, paper 8
shape_d_model: int = None               # channels of the TimesBlocks; quick 24, paper 24
shape_blocks: int = None                # TimesBlocks of the encoder, and of the decoder; quick 2, paper 2
physics: float = None                   # share of an omega-squared source that the law starts from; quick 0, paper 0
generated_records: int = None           # to make for each station; quick 50, paper 50

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from sklearn.ensemble import RandomForestClassifier

from tng import cards, dealing, envelopes, figures, intensity, runs, scoring, trainings
from tng.generators import shaped_noise, shaping
from tng.recordset import RecordSet
from tng.scoring import goals, tables
from tng.scoring.c2st import c2st

here = runs.start(globals())
figures.use_style()
seed = here.settings.seed
data = here.corpus()
stations = here.stations(data)
rate_hz = data.sampling_rate_hz
here.table("shape_epochs", "shape_learning_rate", "shape_batch", "shape_latent", "shape_d_model", "shape_blocks", "physics")

# %% [markdown]
# ## Training
#
# Phase 0 shows the TimesBlocks, eqs. {eq}`eq-shape-encode` and {eq}`eq-shape-decode`, the training records of *all* stations as mean powers in bands and cells of time. The loss, eq. {eq}`eq-shape-loss`, asks how likely a record's powers are
# if it is noise with the network's envelopes. It does not ask for the record itself, so there is nothing to average. Then the law of source and path, eq. {eq}`eq-shape-law`, is fitted to the same records, and Phase 1, eq. {eq}`eq-shape-posterior`, gives each station its numbers in closed form.

# %%
trained = trainings.carry_out("shaped-noise", here)
network, history = trained.network.cpu(), trained.history
generator = shaping.generator(network, trained.extra, trained.info["stations"])
print(f"{sum(p.numel() for p in network.parameters()):,} weights; {len(generator.stations)} stations; {generator.bands.count} bands")
history.iloc[[0, len(history) // 2, -1]][["epoch", "train"]].round(2)

# %% mystnb={"figure": {"caption": "Loss of the envelope network on training events. There is no validation set: the law that follows needs every record.", "name": "fig-beyond-loss"}, "image": {"alt": "Falling training loss of the envelope network over its epochs."}} tags=["hide-input"]
ax = figures.plot_history(history, plt.subplots(figsize=(6, 3.2))[1], ylabel="Loss per band and component")
ax.legend().remove()
plt.show()

# %% [markdown]
# ## A record taken apart
#
# One record of the first station, drawn from the law, and what it is made of, eq. {eq}`eq-shape-record`: {numref}`fig-beyond-apart`. What is drawn from the law decides how strong it is in each band, when P and S arrive, and how long it lasts; the noise decides everything else.

# %%
station = stations[0]
one = generator.known[station]
seeds, places = shaped_noise.record_seeds(seed, station, 1), shaped_noise.places(seed, station, 1)
with torch.no_grad():
    u, p_s = generator.descriptions(one, seeds, places)
    record = generator.make(one, u, p_s, seeds)
    ln_power, ln_lag, ln_duration, _, louder, w = generator.layout.parts(u)
    onsets = torch.stack([p_s, p_s + torch.exp(ln_lag[:, 0]), torch.exp(ln_duration[:, 0])], dim=1)
    envelope = generator.cells.amplitude(network.decode(w, onsets), onsets)[0].numpy()
    white = dealing.normal(seeds, (3, data.samples), u, stream=shaped_noise.STREAMS + 2)[0].numpy()
    noise = generator.noise(one.ln_noise + louder[:, :, None], seeds)[0].numpy()
    came_out = torch.log(generator.bands.power(generator.bands.spectrum(record)))[0].numpy()
centres_hz, nodes_hz = generator.bands.centres_hz.numpy(), torch.exp(generator.nodes.ln_hz).numpy()
asked_for, curve, record = ln_power[0].numpy(), torch.exp(one.curve).numpy() / rate_hz, record[0].numpy()
loud = asked_for > (one.ln_noise + louder[0]).numpy() + np.log(4)
print(f"P at {onsets[0, 0]:.1f} s, S at {onsets[0, 1]:.1f} s, duration {onsets[0, 2]:.1f} s; the power of bands that stand above the noise "
      f"differs by {np.sqrt(np.mean((came_out - asked_for)[loud] ** 2)):.2f} (rms of ln) from what was drawn")

# %% mystnb={"figure": {"caption": "A synthetic record taken apart. Left, north component over time: white noise; envelopes of three bands, each relative to its peak; the station's ambient noise; the record. Right, over frequency: the station's filter; power in bands as drawn from the law (circles) and as it came out (lines).", "name": "fig-beyond-apart"}, "image": {"alt": "Four traces on the left, from white noise to the finished record; on the right a filter's amplitude and band powers of three components."}} tags=["hide-input"]
time_s = np.arange(data.samples) / rate_hz
figure, axes = plt.subplot_mosaic([["white", "filter"], ["envelopes", "filter"], ["noise", "power"], ["record", "power"]], figsize=(11, 6.4), width_ratios=(1.7, 1))
for name, samples, label in (("white", white[1], "White noise [-]"), ("noise", noise[1], "Noise [cm/s²]"), ("record", record[1], "Record [cm/s²]")):
    axes[name].plot(time_s, samples, lw=0.5, color=figures.colour("shaped noise" if name == "record" else "training"))
    axes[name].set_ylabel(label)
three_bands = [np.abs(centres_hz - hz).argmin() for hz in (1.0, 4.0, 15.0)]
for band, shade in zip(three_bands, sns.color_palette("viridis", 3)):
    axes["envelopes"].plot(time_s, envelope[band, 1] / envelope[band, 1].max(), color=shade, label=f"{centres_hz[band]:.2g} Hz")
axes["envelopes"].set_ylabel("Envelopes [-]")
axes["envelopes"].legend(loc="upper right")
axes["record"].set_xlabel("Time [s]")
for number, component in enumerate("ENZ"):
    axes["filter"].plot(nodes_hz, curve[number], color=figures.colour(component), label=component)
    axes["power"].plot(centres_hz, np.exp(came_out[:, number] / 2), color=figures.colour(component))
    axes["power"].plot(centres_hz, np.exp(asked_for[:, number] / 2), "o", ms=4, mfc="none", color=figures.colour(component))
for name, label in (("filter", "Station's spectrum [cm/s]"), ("power", "Root of band power [cm/s²]")):
    axes[name].set_yscale("log")
    axes[name].set_ylabel(label)
    figures.log_frequency(axes[name], centres_hz[0], 0.45 * rate_hz)
axes["filter"].legend()
plt.show()


# %% [markdown]
# ## What the network has learned
#
# The mean description of the station, decoded. Cells are no clock times: the first six divide the time from P to S, the others grow with the time after S, in units of the record's duration.

# %%
@torch.no_grad()
def evolution(w=None):
    """ln power (bands, 3, cells) of the station's mean record, perhaps with other numbers w."""
    ln_power, ln_lag, ln_duration, _, _, mean_w = generator.layout.parts(one.mean[None])
    p = one.p_onsets.median()[None]
    onsets = torch.stack([p, p + torch.exp(ln_lag[:, 0]), torch.exp(ln_duration[:, 0])], dim=1)
    ln_shape = network.decode(mean_w if w is None else w[None], onsets)
    return (ln_shape - network.mean_level(ln_shape, onsets)[..., None] + ln_power[..., None])[0].numpy()


usual = evolution()
power = np.exp(usual)
vertical = power[:, 2] / power[:, :2].mean(axis=1)                                         # (bands, cells)
pd.DataFrame({"between P and S": np.exp(np.log(vertical[:, :envelopes.P_CELLS]).mean(axis=1)), "after S": np.exp(np.log(vertical[:, envelopes.P_CELLS:envelopes.P_CELLS + 12]).mean(axis=1))},
             index=[f"{hz:.2g} Hz" for hz in centres_hz])[3::4].rename_axis("vertical to horizontal power").round(2)

# %% mystnb={"figure": {"caption": "Evolutionary spectrum of the station's mean record as the TimesBlocks give it: horizontal (mean of E and N) and vertical, in dB below the horizontal peak; right, the ratio of both in three bands. White and dotted lines: S.", "name": "fig-beyond-cells"}, "image": {"alt": "Heat maps of horizontal and vertical power over frequency and cells of time, and curves of their ratio, which falls from far above to below zero dB at S."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), width_ratios=(1, 1, 0.9))
horizontal = np.log(power[:, :2].mean(axis=1))
for ax, ln_power, title in ((axes[0], horizontal, "Horizontal"), (axes[1], usual[:, 2], "Vertical")):
    figures.plot_cells(ln_power, centres_hz, ax, p_cells=envelopes.P_CELLS, highest=horizontal.max(), title=title)
figure.colorbar(axes[1].collections[0], ax=axes[:2], label="dB below the horizontal peak", pad=0.01)
for band, shade in zip(three_bands, sns.color_palette("viridis", 3)):
    axes[2].plot(np.arange(usual.shape[-1]) + 0.5, 10 * np.log10(vertical[band]), color=shade, label=f"{centres_hz[band]:.2g} Hz")
axes[2].axvline(envelopes.P_CELLS, color="0.3", ls=":", lw=1)
axes[2].axhline(0, color="0.4", lw=0.8)
axes[2].set(xlabel="Cell of time (P, then S)", ylabel="Vertical / horizontal power [dB]")
axes[2].legend()
axes[1].set_ylabel("")
plt.show()

# %% [markdown]
# In {numref}`fig-beyond-cells` the P wave is mostly vertical and the S wave mostly horizontal, and after S the ratio of the two falls, within a few cells, to what the station's HVSR says. The numbers $w$ say how one record's envelopes differ from another's of the same strength and duration. Which of them matters most? Each is moved from −2 to 2 standard deviations of the station's records.

# %%
mean_w = generator.layout.parts(one.mean[None])[-1][0]
sigma_w = torch.sqrt(torch.diagonal(one.scatter))[-len(mean_w):]
moved = [[evolution(mean_w + step * sigma_w * torch.eye(len(mean_w))[k]) for step in (-2, 0, 2)] for k in range(len(mean_w))]
effect = pd.Series([np.sqrt(np.mean((high - low) ** 2)) for low, _, high in moved], index=[f"w{k + 1}" for k in range(len(mean_w))])
largest = np.argsort(-effect.to_numpy())[:2]
effect.rename("rms change of ln power").to_frame().T.round(2)

# %% mystnb={"figure": {"caption": "What the two most effective numbers change: horizontal power over the cells, mean over bands from 1 to 10 Hz, for \u22122, 0 and 2 standard deviations. Dotted: S.", "name": "fig-beyond-w"}, "image": {"alt": "Two panels with three curves of power over cells each."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.3), sharey=True)
chosen = (centres_hz >= 1) & (centres_hz <= 10)
for ax, k in zip(axes, largest):
    for one_moved, step, shade in zip(moved[k], ("−2", "0", "2"), sns.color_palette("viridis", 3)):
        ax.plot(np.arange(usual.shape[-1]) + 0.5, 10 / np.log(10) * one_moved[chosen][:, :2].mean(axis=(0, 1)), color=shade, label=f"{step} standard deviations")
    ax.axvline(envelopes.P_CELLS, color="0.3", ls=":", lw=1)
    ax.set_title(effect.index[k])
    ax.set_xlabel("Cell of time (P, then S)")
axes[0].set_ylabel("Power [dB]")
axes[0].legend()
plt.show()

# %% [markdown]
# ## New records
#
# Records of each station, with magnitudes and distances as its training records have them. And one record more for each held-out one, *of the same station, magnitude and distance*: recorded and generated ones can then be compared pair by pair.

# %%
new = {code: generator.sample(code, here.settings.generated_records, seed) for code in stations}
here.keep("shaped-noise", new)
train, test = (RecordSet.of(data, name, split=split, stations=stations) for name, split in (("training", "train"), ("held-out", "test")))
test = test.take(np.flatnonzero(np.isfinite(test.magnitude) & np.isfinite(test.distance_km)))
ordered = np.empty_like(test.data)
for code in stations:
    rows = test.rows(code)
    ordered[rows] = runs.stack(generator.sample(code, len(rows), seed + 1, test.magnitude[rows], test.distance_km[rows]))
print(f"{sum(map(len, new.values()))} records as the stations have them, {len(ordered)} to order; magnitudes {test.magnitude.min():.1f} to {test.magnitude.max():.1f}, "
      f"{test.distance_km.min():.0f} to {test.distance_km.max():.0f} km")

# %% mystnb={"figure": {"caption": "Which of these north components are held-out records, which are generated? Each held-out one has a generated partner of the same station, magnitude and distance. The answer is folded below.", "name": "fig-beyond-quiz"}, "image": {"alt": "Eight black accelerograms with letters, without any label."}} tags=["hide-input"]
rows = test.rows(stations[1])
strongest = rows[np.argsort(-test.magnitude[rows], kind="stable")][[0, 1, 2, len(rows) // 2]]
order = np.random.default_rng([seed, 10]).permutation(8)
pairs = np.concatenate([test.data[strongest], ordered[strongest]])[order]
ax = figures.plot_traces(pairs[:, 1].astype(float), rate_hz, plt.subplots(figsize=(10, 6))[1], title=stations[1])
ax.set_yticks(-np.arange(8), list("abcdefgh"))
plt.show()

# %% tags=["hide-output"]
pd.DataFrame({"record": np.repeat(["held-out", "generated"], 4)[order], "magnitude": np.tile(test.magnitude[strongest], 2)[order].round(1),
              "distance [km]": np.tile(test.distance_km[strongest], 2)[order].round(0).astype(int)}, index=list("abcdefgh"))

# %% mystnb={"figure": {"caption": "The strongest of these pairs: spectrograms, each relative to its own peak, and traces with their envelopes. The recorded phase is not in the generated record, nor is it meant to be.", "name": "fig-beyond-spectrogram"}, "image": {"alt": "Spectrogram and envelope of a held-out record beside those of a generated record of the same magnitude and distance."}} tags=["hide-input"]
figures.spectrogram_panels({"held-out": test.data[strongest[0], 1].astype(float), "shaped noise": ordered[strongest[0], 1].astype(float)}, rate_hz)
plt.show()

# %% mystnb={"figure": {"caption": "Husid curves of the north component, from where each reaches 5 %: held-out records of the station (black) and their generated partners. Thin: single records; thick: median.", "name": "fig-beyond-husid"}, "image": {"alt": "Husid curves of held-out and generated records, which overlap."}} tags=["hide-input"]
ax = plt.subplots(figsize=(7, 3.6))[1]
for name, records in (("held-out", test.data[rows]), ("shaped noise", ordered[rows])):
    figures.plot_husid(intensity.husid(records[:, 1].astype(float)), rate_hz, ax, name=name)
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## HVSR and f0
#
# The paper's two pictures, for the records of this run.

# %% mystnb={"figure": {"caption": "Held-out synthetic records (black; band: 16\u201384 %) and shaped noise: HVSR above, f0 below.", "name": "fig-beyond-hvsr"}, "image": {"alt": "Median HVSR and f0 histograms of held-out records and shaped noise for five stations."}} tags=["hide-input"]
real = {code: scoring.measure(test.data[test.rows(code)].astype(float), rate_hz) for code in stations}
made = {code: scoring.measure(runs.stack(new[code]), rate_hz) for code in stations}
figures.station_panels({"held-out": real, "shaped noise": made}, spread=("held-out", "shaped noise"))
plt.show()

# %%
scoring.compare(real, made).round(2)

# %% [markdown]
# ## The scoreboard of this run
#
# Site, engineering, distribution, novelty and conditioning, as in {ref}`scoreboard`, beside five generators without a network. The held-out records of a station are few here, so that the bands are wide; the study below has more.

# %%
generated = {"shaped noise": here.generated_set("shaped-noise")}
for name, baseline in here.baselines(data, stations).items():
    if name != "phase-randomised":
        generated[name] = RecordSet.of({code: baseline.sample(code, here.settings.generated_records, seed) for code in stations}, name)
board = scoring.scoreboard(train, test, generated, stations=stations, seed=seed)
cards.add_scores(here.need("shaped-noise"), board[board["generator"] == "shaped noise"])       # into the model card beside the checkpoint
tables.counts(board)

# %% mystnb={"figure": {"caption": "The scoreboard of this run, all stations together. Blue: inside the band of recorded records against recorded ones. Orange, one arrow: outside by less than the band is wide; dark, two arrows: by more.", "name": "fig-beyond-scoreboard"}, "image": {"alt": "Table of some fifty measures in rows and six generators in columns, coloured by whether each value lies in the band of recorded records against recorded ones."}} tags=["hide-input"]
figures.scoreboard_panel(board)
plt.show()

# %% [markdown]
# (study-of-generators)=
# ## Five data seeds, eight generators
#
# One run says little. `python benchmarks/generators.py` simulates five data sets, each with five stations of 60 training records, 300 held-out ones of other earthquakes, 240 fresh ones, and 20 random stations to pre-train on. Every generator makes 240 records a station.
# The **floor** is what the fresh records reach against the held-out ones: recorded against recorded. The goals were set before the generator was built: to be at the floor, within 5 or 10 % of the recorded value, or within the limits of the first column. What the measures are is said in {ref}`method`.

# %%
study = pd.read_csv(runs.results("generators.csv"), index_col=["generator", "measure"])
shown = list(goals.GOALS)


def with_interval(row):
    return "{:.3g} [{:.3g}, {:.3g}]".format(*row[["value", "low", "high"]])


ours, floor = (study.loc[name].reindex(shown) for name in ("shaped noise", goals.FLOOR))
pd.DataFrame({"goal": ours["goal"], "floor": floor.apply(with_interval, axis=1), "shaped noise": ours.apply(with_interval, axis=1), "verdict": ours["verdict"]})

# %%
marked = study["value"].map("{:.3g}".format) + study["verdict"].map({"met": " ✓"}).fillna("")
everyone = [name for name in dict.fromkeys(study.index.get_level_values("generator"))]
table = marked.unstack("generator").loc[shown, everyone]
met = (study["verdict"] == "met").unstack("generator").loc[shown, everyone].sum()
pd.concat([table, met.map(lambda n: f"{n} of {len(shown)}").rename("goals met").to_frame().T]).rename_axis("mean over data seeds")

# %% mystnb={"figure": {"caption": "Means over data seeds with 95 % intervals. Filled: goal met; hollow: missed (the \u00d7 of the replay has no inside; see the table). Grey: the floor, recorded against recorded.", "name": "fig-beyond-goals"}, "image": {"alt": "Thirteen panels of goals, eight generators in rows each, with intervals and a grey floor."}} tags=["hide-input"]
panels = ["HVSR rms", "NCC 2Sx2S", "JS", "sigma ln HVSR", "PGA", "sigma ln PGA", "D5-95", "sigma ln D5-95", "EAS bias", "nearest training", "coverage", "C2ST", "V/H after S"]
figures.goal_panels(study, panels, generators=[name for name in everyone if name != goals.FLOOR])
plt.show()

# %% [markdown]
# TimesNet-Gen and the two averages meet hardly any goal: their records are too weak, too alike and too long, and a forest tells them from recorded ones nearly always. Two baselines do better because they start from *one* recorded record: the replay
# copies it, and *phase + envelope* gives its three components one envelope, so that its P wave is no longer vertical (*V/H before S*). The floor itself misses two goals: the mean spectra of fresh earthquakes differ more from the training records' than those of a generator may that has learned from them.
# Shaped noise starts from no record, and *nearest training* at the floor says that its records are as new as recorded ones are. It meets as many goals as the replay, which copies, and more than any generator of new records; and it is the one that a forest finds hardest to tell from recorded ones (*C2ST*, on every data seed), though still easier than other recorded ones. 
# It misses six goals. *HVSR rms*: the medians of sixty generated records scatter as those of sixty fresh ones do (0.021), and what sixty training records err (0.019, {ref}`how-many-records`) comes on top; in quadrature that is 0.028, and 0.026 is found. Who learns from sixty records alone cannot have less, unless his records scatter too little.
# *JS*, the similarity of the histograms of $f_0$, goes with it. *PGA* is a little too high, with an interval that holds 1; durations scatter a little too little (*sigma ln D5-95*), with an interval that holds the goal; *V/H before S* is just below its goal; and *C2ST* is looked into below.
#
# ## What do the parts earn?
#
# Three of these data seeds, with one part taken out at a time, or with a loss on waveforms added in a short fine-tuning (`python benchmarks/ablation.py`). Trainings are shorter here (12 epochs), and each variant makes 60 records a station, so that *full* is not quite the generator above.

# %%
ablation = pd.read_csv(runs.results("ablation.csv"), index_col=["variant", "measure"])
variants = list(dict.fromkeys(ablation.index.get_level_values("variant")))
columns = ["f0 hits", "HVSR rms", "sigma ln HVSR", "PGA", "D5-95", "sigma ln D5-95", "V/H before S", "V/H after S", "coverage", "C2ST"]
marked = ablation["mean"].map("{:.3g}".format) + ablation["verdict"].map({"worse": " ▼", "worse?": " ▼?", "better": " ▲", "better?": " ▲?"}).fillna("")
marked.unstack("measure").loc[variants, columns].fillna("–")

# %% [markdown]
# ▼: worse than the full generator, ▲: better, by more than the 95 % interval over seeds and twice what other random numbers change. Ten of nineteen measures are shown.
# Of single parts the station's filter earns most: without it the error of HVSR nearly doubles, $f_0$ is right at two stations of five, and a classifier is right in 73 % of cases instead of 57 %. Without the scatter of the station's own records the classifier sees more (62 %), without $w$ durations vary too little, and with one onset for P and S the vertical is too weak before S and too strong after it.
# Of the rest nothing shows here: the resonances of these synthetic stations stay where they are, the recorders' noise is weak, and their envelopes are of one family, which strength, onsets and duration nearly determine, so that a linear network does as well as TimesBlocks. {ref}`real-records` asks the same of records in which resonances move, codas ring and recorders hiss, and there TimesBlocks, steadying, polarisation, noise apart and resonances in register do earn their place.
# Magnitude and distance are there for records to order; from physics the regression starts at a small cost in coverage here, and for a gain beyond the training range, below.
# Losses on waveforms change nothing beyond what further steps without them change, and that is less than a third of what other random numbers do: what they ask for, the likelihood of eq. {eq}`eq-shape-loss` has found. So the training does without them; training with them from the start was not tried.
#
# ## To order
#
# Magnitude and distance can be asked for: `generator.sample(station, n, seed, magnitude=5, distance_km=30)`, or `tng generate --model shaped-noise --magnitude 5 --distance-km 30`.

# %%
wanted_km = np.geomspace(12, 100, 6)
per_point = 24
curves = {}
for number, m in enumerate((4.0, 5.0, 6.0)):
    records = runs.stack(generator.sample(station, per_point * len(wanted_km), seed + 2 + number, m, np.repeat(wanted_km, per_point)))
    curves[m] = {"PGA [cm/s²]": intensity.horizontal_pga(records).reshape(len(wanted_km), -1), "D5–95 [s]": intensity.horizontal_duration(records, rate_hz).reshape(len(wanted_km), -1)}

# %% mystnb={"figure": {"caption": "To order, at the first station: median and 16\u201384 % of generated PGA and D5\u201395 for magnitudes 4, 5 and 6 (lines, bands), and all recorded (training and held-out) ones, coloured by the nearest of the three magnitudes.", "name": "fig-beyond-order"}, "image": {"alt": "Peak acceleration and duration against distance, three bands of generated records and points of recorded ones."}} tags=["hide-input"]
recorded = [side.take(side.rows(station)) for side in (train, test)]
where = {name: np.concatenate([getattr(side, name) for side in recorded]) for name in ("magnitude", "distance_km", "data")}
points = {"PGA [cm/s²]": intensity.horizontal_pga(where["data"].astype(float)), "D5–95 [s]": intensity.horizontal_duration(where["data"].astype(float), rate_hz)}
figure, axes = plt.subplots(1, 2, figsize=(10.5, 4))
for shade, (m, values) in zip(sns.color_palette("flare", 3), curves.items()):
    own = np.abs(where["magnitude"] - m) == np.abs(where["magnitude"][:, None] - list(curves)).min(axis=1)
    for ax, (what, spread) in zip(axes, values.items()):
        low, middle, high = np.percentile(spread, [16, 50, 84], axis=1)
        ax.fill_between(wanted_km, low, high, color=shade, alpha=0.2, lw=0)
        ax.plot(wanted_km, middle, color=shade, label=f"magnitude {m:g}")
        ax.plot(where["distance_km"][own], points[what][own], "o", ms=3.5, color=shade)
        ax.set(xscale="log", yscale="log", xlabel="Hypocentral distance [km]", ylabel=what)
for ax in axes:
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    ax.set_xticks([10, 20, 50, 100])
axes[0].legend()
plt.show()


# %% [markdown]
# Does it follow magnitude and distance? Slopes of ln (generated / recorded) over the pairs of all stations, with 95 % intervals by earthquake. *trend* is whether zero lies outside.

# %%
def ln_measures(records):
    """ln PGA and ln D5-95 (records, 2)."""
    records = np.asarray(records, dtype=float)
    return np.log(np.stack([intensity.horizontal_pga(records), intensity.horizontal_duration(records, rate_hz)], axis=1))


slopes = goals.trend(ln_measures(ordered), ln_measures(test.data), test.magnitude, test.distance_km, test.event)
slopes.rename(index={0: "ln PGA", 1: "ln D5–95"}, level="value").round(2)

# %% [markdown]
# PGA seems to grow a little too slowly with magnitude, though its interval holds zero; no other trend shows. The slopes speak of the range of the training records. In {numref}`fig-beyond-order` magnitude 6 lies at its end, and the curve there rests on very few records.
#
# ### Beyond the training range
#
# A regression knows nothing of magnitudes that it has not seen. With `physics=1` it starts from an omega-squared source {cite:p}`brune1970tectonic` and fits what is left. For the test both laws are fitted anew to training records below magnitude 4.5 only, and asked for the magnitudes and
# distances of the recorded ones from 5 on. (The envelopes stay: their TimesBlocks have seen larger ones.)

# %%
measured = shaping.measure(network, data, data.select(generator.stations, "train"))
weak = measured.take(np.flatnonzero((measured.magnitude < 4.5).numpy()))
codes = [code for code, n in zip(weak.codes, np.bincount(weak.station, minlength=len(weak.codes))) if n >= shaping.FEWEST]
everything = RecordSet.of(data, "recorded", stations=codes)
strong = everything.take(np.flatnonzero(everything.magnitude >= 5))
residual = {}
for name, share in (("regression", 0.0), ("physics", 1.0)):
    law = replace(shaping.learn_law(network, weak, share), steady=generator.law.steady)
    maker = shaped_noise.ShapedNoise(network, law, {code: shaping.phase1(network, law, weak.of(code)) for code in codes})
    apart = np.empty((len(strong), 2))
    for code in strong.stations:
        own = strong.rows(code)
        four = ln_measures(runs.stack(maker.sample(code, 4 * len(own), seed + 5, np.repeat(strong.magnitude[own], 4), np.repeat(strong.distance_km[own], 4))))
        apart[own] = four.reshape(len(own), 4, 2).mean(axis=1)
    residual[name] = apart - ln_measures(strong.data)
by_event = {name: pd.DataFrame(values, columns=["ln PGA", "ln D5–95"]).groupby(strong.event).mean() for name, values in residual.items()}
print(f"fitted to {len(weak.rows)} records below magnitude 4.5; {len(strong)} records of {len(set(strong.event))} earthquakes from 5 to {strong.magnitude.max():.1f}")
pd.DataFrame({name: {what: f"{x.mean():.2f} ± {1.96 * x.sem():.2f}" for what, x in table.items()} for name, table in by_event.items()}).rename_axis("ln (generated / recorded)")

# %% mystnb={"figure": {"caption": "Beyond the training range: ln (generated / recorded) PGA of records from magnitude 5 on, with a law that was fitted below 4.5, without and with physics. Thick: mean of half a magnitude.", "name": "fig-beyond-physics"}, "image": {"alt": "Residuals of peak acceleration against magnitude for a plain regression and for one that starts from physics."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), sharey=True)
for ax, (name, values) in zip(axes, residual.items()):
    ax.axhline(0, color="0.4", lw=0.8)
    ax.plot(strong.magnitude, values[:, 0], "o", ms=3.5, color=figures.colour("shaped noise"), alpha=0.5)
    for low in np.arange(5, strong.magnitude.max(), 0.5):
        inside = (strong.magnitude >= low) & (strong.magnitude < low + 0.5)
        if inside.any():
            ax.plot([low, low + 0.5], [values[inside, 0].mean()] * 2, color="black", lw=2)
    ax.set_title({"regression": "Regression alone", "physics": "Regression from physics"}[name])
    ax.set_xlabel("Magnitude")
axes[0].set_ylabel("ln (generated / recorded) PGA")
plt.show()

# %% [markdown]
# A regression alone makes earthquakes that are stronger than the training ones too strong: it goes on with what a range of one magnitude has taught it. From physics, to which the records may then add little, they come out nearer; durations are right in both. Magnitudes well outside the training range should not be asked for.
#
# ## Another station's earthquakes
#
# If station and source are apart, a station must keep its HVSR whatever earthquakes it is given. Each station is given those of the next one: magnitudes, distances, onsets, polarisations, and how they scatter.

# %%
swapped = {}
for code, other in zip(stations, [*stations[1:], stations[0]]):
    theirs = generator.known[other]
    mixed = replace(generator.known[code], catalogue=theirs.catalogue, p_onsets=theirs.p_onsets, polarised=theirs.polarised, scatter=theirs.scatter)
    maker = shaped_noise.ShapedNoise(network, generator.law, {code: mixed})
    swapped[code] = scoring.measure(runs.stack(maker.sample(code, here.settings.generated_records, seed + 6)), rate_hz)


def against(code, other):
    """r of the median curves of a station's records with other earthquakes and of some held-out ones."""
    return np.corrcoef(np.log(swapped[code].median_curve), np.log(real[other].median_curve))[0, 1]


def f0_of(measures):
    """f0 of the median curve [Hz]."""
    inside = (measures.freq_hz >= 1) & (measures.freq_hz <= 20)
    return measures.freq_hz[inside][np.median(measures.curves, axis=0)[inside].argmax()]


pd.DataFrame.from_dict({code: {
    "earthquakes of": other, "r with its own HVSR": round(against(code, code), 3), "r with the other's": round(against(code, other), 3),
    "f0 of the median, held-out [Hz]": round(f0_of(real[code]), 2), "f0 of the median, swapped [Hz]": round(f0_of(swapped[code]), 2),
} for code, other in zip(stations, [*stations[1:], stations[0]])}, orient="index")

# %% [markdown]
# The same over the data seeds of the study, mean with 95 % interval: stations of five whose $f_0$ is within 5 % of that of the held-out records, and $r$; the floor is that of fresh records, with their own earthquakes, which do not keep all five either.

# %%
pd.DataFrame({name: study.loc[name].loc[["swap hits", "swap r"]].apply(with_interval, axis=1) for name in (goals.FLOOR, "shaped noise")})

# %% [markdown]
# ## Where it is still found out
#
# A forest is shown held-out and generated records, all stations together, each station's mean removed, and has to tell which is which: 0.5 is a guess. First it sees one group of numbers at a time, then all.
# Beside it stands the replay: recorded records, but training ones, of few other earthquakes. So well does a forest tell one handful of earthquakes from another.

# %%
grid = goals.Judge.grid_of(test)
sides = {name: goals.Judged.of(records, grid) for name, records in {"training": train, "held-out": test, **generated}.items() if name in ("training", "held-out", "shaped noise", "replay")}


def shown_to_the_forest(side, groups):
    """Numbers of each record, less the mean of its station's training records."""
    def of(judged):
        return np.nan_to_num(np.hstack([judged.phases if group == "phases" else getattr(judged.features, group) for group in groups]))

    return np.concatenate([of(side.of_station(code)) - of(sides["training"].of_station(code)).mean(axis=0) for code in stations])


def events_of(side):
    return np.concatenate([side.of_station(code).records.event for code in stations])


groups = {"HVSR": ["ln_hvsr"], "Fourier spectrum": ["ln_eas"], "response spectrum": ["ln_psa"], "intensity and duration": ["ln_measures"], "P and S": ["phases"]}
groups["all together"] = [name for names in groups.values() for name in names]
rows = {}
for name, chosen_groups in groups.items():
    real_side = shown_to_the_forest(sides["held-out"], chosen_groups)
    rows[name] = {"numbers": real_side.shape[1]}
    for side in ("shaped noise", "replay"):
        told = c2st(real_side, shown_to_the_forest(sides[side], chosen_groups), events_of(sides["held-out"]), events_of(sides[side]), classifier="forest", seed=seed)
        rows[name][f"{side}, told apart [95 %]"] = f"{told.value:.2f} [{told.low:.2f}, {told.high:.2f}]"
pd.DataFrame.from_dict(rows, orient="index")

# %% mystnb={"figure": {"caption": "The three numbers on which a forest that sees everything relies most, each less the station's mean: share of held-out (black) and generated records that do not exceed a value.", "name": "fig-beyond-told"}, "image": {"alt": "Three panels of cumulative distributions of held-out and generated records."}} tags=["hide-input"]
names = [*(f"ln HVSR, {hz:.3g} Hz" for hz in grid.curve_hz), *(f"ln EAS, {hz:.2g} Hz" for hz in grid.eas_hz), *(f"ln PSA, {s:.2g} s" for s in grid.periods_s),
         *(f"ln {figures.LABELS[name].split(' [')[0]}" for name in grid.measures), "ln (S−P time)", "ln V/H, P to S", "ln V/H after S"]
both = [shown_to_the_forest(sides[side], groups["all together"]) for side in ("held-out", "shaped noise")]
forest = RandomForestClassifier(300, min_samples_leaf=2, class_weight="balanced", random_state=seed).fit(np.vstack(both), np.repeat([0, 1], [len(x) for x in both]))
figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.2), sharey=True)
for ax, number in zip(axes, np.argsort(-forest.feature_importances_, kind="stable")):
    for name, values in zip(("held-out", "shaped noise"), both):
        ax.step(np.sort(values[:, number]), np.arange(1, len(values) + 1) / len(values), **figures.line(name), label=name)
    ax.set_xlabel(f"{names[number]} − mean")
axes[0].set_ylabel("Share of records")
axes[0].legend()
plt.show()

# %% [markdown]
# What the law leaves out:
#
# * Scatter is Gaussian, and one covariance serves near and far, weak and strong earthquakes. One regression on magnitude and distance serves all stations.
# * Every record is an earthquake of its own. Records of one earthquake at two stations have nothing in common but its magnitude: there is no term of the event.
# * Noise is stationary, the P and S waves each have one polarisation, and a station has one filter for both.
#
# ## Limits
#
# * It is noise that is shaped: phases are random. What has a phase, a pulse of a near fault, a static offset, a reflected arrival, is not in it, nor is a surface wave beyond what envelopes in bands can say.
# * **This is a favourable test.** The book's synthetic records are filtered noise themselves, made by the stochastic method {cite:p}`boore2003simulation`; a generator of that family should do well on them. What it does on recorded earthquakes must be measured on those.
# * It needs P and S onsets, picked if nobody states them, and magnitudes and distances if records are to be made to order.
# * Being at the floor in these measures does not mean that records are right in others.
#
# ## Things to try
#
# * `shape_blocks = 0`: what is left without TimesBlocks?
# * `shape_latent = 1`: how many numbers does an envelope need?
# * `physics = 1`: do the slopes of the trend table change?
# * `generator.sample(stations[0], 5, seed, magnitude=6.5, distance_km=8)`, integrated to velocity: is there anything that a near fault would show?
