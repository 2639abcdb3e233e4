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
# (real-records)=
# # Shaped noise on real earthquakes
#
# The synthetic records of this book come from filtered noise, and so does shaped noise: they suit each other. Here the generator learns from some forty real records of seven
# low-cost sensors in Mexico ({ref}`openeew-notebook`), five to seven of each, and is held against the earthquakes that it has not seen. On the way the page goes through eight things that real
# records ask of a generator, each with the measure made for it.
#
# | At a glance | |
# |---|---|
# | Shows | shaped noise and three baselines on held-out real earthquakes, and on synthetic soft sites that ring |
# | Needs | the public OpenEEW archive (11 MB, fetched by name); `book/results/real_folds.csv` |
# | Makes | nothing that other pages need |
# | Run time | quick: some three minutes on one core |
# | Seed | 0 |

# %% tags=["parameters"]
profile: str = "quick"            # quick or paper
run: str = ""                     # folder that the notebooks of one run share; "": runs/<profile>
corpus: str = ""                  # not used on this page, which makes corpora of its own
seed: int = 0                     # of the network and of everything that is drawn
shape_epochs: int = None          # passes over the records; quick 40, paper 40
generated_records: int = None     # to generate for each sensor; quick 50, paper 50

# %%
import functools
import json
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator

from tng import bands, corpus_tools, figures, intensity, remote, runs
from tng.corpus import Corpus
from tng.generators import nulls, shaping
from tng.ingest import ingest
from tng.recordset import RecordSet
from tng.scoring import goals, structure
from tng.scoring.goals import Judge, Judged
from tng.trainings import carry_out

here = runs.start(globals())
figures.use_style()
BAND_HZ, FOLDS = (1.0, 12.0), (0, 1)
RATE_HZ = 31.25


@functools.cache
def fold(number):
    """A corpus in which half of the earthquakes are for training and half for testing."""
    whole, folder = here.path("real-records/openeew"), here.path(f"real-records/fold-{number}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                  # some windows of the largest earthquakes miss the end
        ingest(remote.folder("openeew"), whole, sampling_rate_hz=RATE_HZ, window="p-onset", detrend="linear", smallest_snr=3,
               smallest_records=10, vertical_axis="x", overwrite=True, progress=False)
    if not folder.exists():
        corpus_tools.resplit(whole, (1, 0, 0), 4, fold=(number, len(FOLDS)), into=folder)
    return Corpus.open(folder)


@functools.cache
def shaped_noise(number):
    """The generator, trained on the training records of a fold."""
    settings = here.settings.model_copy(update={"stations": tuple(fold(number).stations), "sampling_rate_hz": RATE_HZ})
    trained = carry_out("shaped-noise", runs.Run(here.profile, here.path(f"real-records/run-{number}"), fold(number).folder, settings, own_corpus=True))
    return shaping.generator(trained.network, trained.extra, trained.info["stations"])


@functools.cache
def judged(number):
    """The judge of a fold, and the measured sets by name: recorded and generated ones."""
    data = fold(number)
    train, test = (RecordSet.of(data, split, split=split, stations=data.stations) for split in ("train", "test"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                  # two sensors have a flat curve, whose largest value may lie at an edge
        judge = Judge(train, test, records={code: len(train.rows(code)) for code in data.stations}, band_hz=BAND_HZ, seed=seed)
    baselines = nulls.baselines(data, data.stations)
    makers = {"shaped noise": shaped_noise(number), **{name: baselines[name] for name in ("average", "phase + envelope", "replay")}}
    sets = {name: Judged.of(RecordSet.of([one for code in data.stations for one in maker.sample(code, here.settings.generated_records, seed)], name), judge.grid)
            for name, maker in makers.items()}
    return judge, {"held-out": judge.held_out, "training": judge.train, **sets}


def of_both(measure):
    """Values of a measure of every set, those of both folds together."""
    both = [judged(number)[1] for number in FOLDS]
    return {name: np.concatenate([measure(sets[name]) for sets in both]) for name in both[0]}


# %% [markdown]
# ## Bands and windows that follow the records
#
# Nothing of the generator is tied to 1–20 Hz: its bands and the nodes of a station's filter reach from ten periods in a window to 0.42 of the sampling rate, so here from 0.17 to 13 Hz. The band of the *score* is a
# matter of the records too (`tng.bands.site_band`). The first table asks the real records: between which frequencies they stand above their noise, where the median H/V peaks in that band and in the
# paper's 1–20 Hz, whether that is at an *edge*, which means no peak, what share of the shaking the windows hold (of *told* records, where that can be told), and how long they would have to be for 95 % of it.

# %% tags=["needs-openeew"]
with runs.if_available():
    found = bands.report(fold(0))
    print("band: {:g} to {:g} Hz".format(*found.attrs["band"]))
    display(found.round(2).rename_axis("sensor"))

# %% [markdown]
# The sensors peak well inside, or are flat (006, 008: {numref}`fig-folds-hvsr`). The median sensor is twice as strong as its noise from 0.94 Hz on, single ones from 0.55 or only from 1.8 Hz, and this page stays with the 1–12 Hz of {ref}`openeew-notebook`. Now five synthetic sites on soft ground, simulated for the study below: strong
# earthquakes through a layer with a resonance at 0.4 to 1.7 Hz that is damped little, 120 s at 25 Hz.

# %%
about = json.loads(runs.results("real_folds.json").read_text(encoding="utf-8"))
soft = dict(about["soft sites: bands"])
print("band: {:g} to {:g} Hz".format(*soft.pop("band [Hz]")))
pd.DataFrame(soft).T.assign(**{"true f0 [Hz]": about["soft sites: f0 [Hz]"]})

# %% [markdown]
# The automatic band holds every resonance. From 1 Hz on the sites below 1 Hz would be scored by what is left of them, a side of their peak or a higher mode.
#
# ## What it makes of forty records

# %% mystnb={"figure": {"caption": "The first held-out record of four sensors (left) and a generated one of the same sensor, magnitude and distance (right): first horizontal, second horizontal, vertical. Real data: Grillo / OpenEEW, CC BY-SA 4.0.", "name": "fig-real-traces"}, "image": {"alt": "Four rows of two panels, each with three traces of ground acceleration: recorded on the left, generated on the right."}} tags=["hide-input", "needs-openeew"]
with runs.if_available():
    judge, sets = judged(0)
    figure, axes = plt.subplots(4, 2, figsize=(10, 8), sharex=True)
    for code, (left, right) in zip(judge.stations[2:6], axes):
        first = sets["held-out"].of_station(code).records.take([0])
        figures.plot_traces(first.data[0], RATE_HZ, left, name="held-out", title=f"{code}: M {first.magnitude[0]:.1f}, {first.distance_km[0]:.0f} km")
        made = shaped_noise(0).sample(code, 1, seed, first.magnitude, first.distance_km)
        figures.plot_traces(made[0].data, RATE_HZ, right, name="shaped noise", title=f"{code}: shaped noise")
    plt.show()

# %% mystnb={"figure": {"caption": "Median HVSR of each sensor in the first fold: the held-out earthquakes with their 16\u201384 % band, the training records, and what the generators made of the latter. Real data: Grillo / OpenEEW, CC BY-SA 4.0.", "name": "fig-folds-hvsr"}, "image": {"alt": "Seven panels of H/V against frequency, with held-out, training, shaped noise and average curves."}} tags=["hide-input", "needs-openeew"]
with runs.if_available():
    judge, sets = judged(0)
    figure, axes = figures.grid(len(judge.stations), 4, width=11, height=2.5, sharey=True)
    for code, ax in zip(judge.stations, axes):
        for name in ("held-out", "training", "shaped noise", "average"):
            figures.plot_curves(judge.grid.curve_hz, np.exp(sets[name].of_station(code).features.ln_hvsr), ax, name=name, spread=name == "held-out")
        figures.log_frequency(ax, *BAND_HZ)
        ax.set_title(code, fontsize=9)
    axes[0].legend(fontsize=7)
    plt.show()

# %% [markdown]
# The goals of `tng.scoring.goals`, fold by fold; subsets of as many generated records as there are training records. One fold is the other with its sides exchanged. The *floor* is what the training records themselves reach against the held-out ones, and, for what is
# taken against the training records (PGA, spectra, the nearest training record), what the held-out ones reach: two halves of the earthquakes differ by this much.

# %% tags=["needs-openeew"]
with runs.if_available():
    shown = ["HVSR rms", "sigma ln HVSR", "PGA", "sigma ln PGA", "D5-95", "sigma ln D5-95", "EAS bias", "V/H before S", "V/H after S", "onset spread", "nearest training", "C2ST"]
    training = ["PGA", "sigma ln PGA", "EAS bias", "nearest training"]
    for number in FOLDS:
        judge, sets = judged(number)
        each = {name: judge.of(sets[name], new=name not in ("held-out", "training"), slow=("nearest training", "C2ST"))["value"] for name in sets}
        known, unseen = each.pop("training"), each.pop("held-out")
        each["floor"] = known.where(~known.index.isin(training), unseen)
        display(pd.DataFrame(each).loc[shown, ["floor", "shaped noise", "average", "phase + envelope", "replay"]].round(2).rename_axis(f"fold {number}"))


# %% [markdown]
# ## To order, on real earthquakes
#
# Each held-out record gets twenty generated ones of its sensor, magnitude and distance, by the fold that has not seen its earthquake. Their mean ln PGA and ln D5–95 are the law's prediction for
# that earthquake; beside it the mean of the sensor's training records, which knows neither.

# %% tags=["needs-openeew"]
def ln_measures(records):
    """ln PGA and ln D5-95, (records, 2)."""
    records = np.asarray(records, dtype=float)
    return np.log(np.stack([intensity.horizontal_pga(records), intensity.horizontal_duration(records, RATE_HZ)], axis=1))


@functools.cache
def ordered(number, each=20):
    """Held-out records of a fold, their measures, what the law says of them, and the mean of the sensor's training records."""
    train, test = (judged(number)[1][name].records for name in ("training", "held-out"))
    law, mean = np.empty((len(test), 2)), np.empty((len(test), 2))
    for code in test.stations:
        rows = test.rows(code)
        made = shaped_noise(number).sample(code, each * len(rows), seed + 1, np.repeat(test.magnitude[rows], each), np.repeat(test.distance_km[rows], each))
        law[rows] = ln_measures(runs.stack(made)).reshape(len(rows), each, 2).mean(axis=1)
        mean[rows] = ln_measures(train.data[train.rows(code)]).mean(axis=0)
    return test, ln_measures(test.data), law, mean


with runs.if_available():
    tests, recorded, law, mean = zip(*[ordered(number) for number in FOLDS])
    recorded, law, mean = (np.concatenate(values) for values in (recorded, law, mean))
    magnitude, distance_km, event = (np.concatenate([getattr(one, name) for one in tests]) for name in ("magnitude", "distance_km", "event"))
    print(f"{len(law)} records, magnitudes {magnitude.min():.1f} to {magnitude.max():.1f}, {distance_km.min():.0f} to {distance_km.max():.0f} km")
    said = {"shaped noise, told M and R": law - recorded, "mean of the training records": mean - recorded}
    display(pd.DataFrame({(what, number): {name: getattr(errors[:, column], number)() for name, errors in said.items()}
                          for column, what in enumerate(("ln PGA", "ln D5–95")) for number in ("mean", "std")}).round(2))
    display(goals.trend(law, recorded, magnitude, distance_km, event).rename(index={0: "ln PGA", 1: "ln D5–95"}, level="value").round(2))

# %% mystnb={"figure": {"caption": "Held-out real records of both folds against what the law says of their sensor, magnitude and distance: geometric mean of twenty generated records. Line: equal. Hollow: magnitudes 7.2 and 7.4, one for training and one held out in either fold. Real data: Grillo / OpenEEW, CC BY-SA 4.0.", "name": "fig-real-order"}, "image": {"alt": "Two scatter plots, PGA and D5-95, recorded against generated, along the line of equality."}} tags=["hide-input", "needs-openeew"]
with runs.if_available():
    figure, axes = plt.subplots(1, 2, figsize=(9, 4))
    large = magnitude >= 7
    for column, (ax, title) in enumerate(zip(axes, ("PGA [cm/s²]", "D5–95 [s]"))):
        for chosen, face in ((~large, figures.colour("shaped noise")), (large, "none")):
            ax.plot(np.exp(law[chosen, column]), np.exp(recorded[chosen, column]), "o", ms=5, color=figures.colour("shaped noise"), mfc=face, alpha=0.8)
        ends = np.exp([min(law[:, column].min(), recorded[:, column].min()), max(law[:, column].max(), recorded[:, column].max())])
        ax.plot(ends, ends, color="0.5", lw=1)
        ax.set(xscale="log", yscale="log", xlabel=f"Generated {title}", ylabel=f"Recorded {title}")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5) if column else (1,)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
    plt.show()

# %% [markdown]
# Some forty records teach how strong the others are, and how long: what is left of ln PGA scatters less than half as much as about the mean of the training records, and no slope is certain. But 77 records of 17 earthquakes leave much open: the intervals hold slopes that would matter.

# %% [markdown]
# ## P and S apart
#
# One onset of energy does not place two waves. Shaped noise draws the time from P to S with the other numbers of a record, begins a new set of cells at S, and gives each wave a polarisation of its own.

# %% mystnb={"figure": {"caption": "Time from P to S as a picker finds it without any help, in recorded and in generated records; vertical over horizontal energy before and after S. Both folds. Real data: Grillo / OpenEEW, CC BY-SA 4.0.", "name": "fig-real-onsets"}, "image": {"alt": "Three cumulative distributions: time from P to S, V/H energy before S, V/H energy after S, for held-out records, shaped noise, average and phase plus envelope."}} tags=["hide-input", "needs-openeew"]
with runs.if_available():
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4))
    for column, (ax, title) in enumerate(zip(axes, ("Time from P to S [s]", "V/H energy, P to S", "V/H energy after S"))):
        values = of_both(lambda one: np.exp(one.phases[:, column]))
        figures.plot_cdf({name: values[name][np.isfinite(values[name])] for name in ("held-out", "shaped noise", "average", "phase + envelope")}, ax, xlabel=title)
    axes[0].legend(fontsize=8)
    plt.show()

# %% [markdown]
# ## Codas that ring, horizontals that agree, noise that stays weak
#
# Three more things that no smoothed spectrum sees (`tng.scoring.structure`):
#
# * **Ringing**: mean size of the autocorrelation of the horizontals 5 to 15 s later. White noise of this length has 0.02; a resonance that is damped little has far more.
# * **Lines**: correlation of $|E(f)|$ and $|N(f)|$ from one Fourier line to the next, without the smooth shape of the spectra. Two independent horizontals have 0; a polarised wave has more.
# * **Hiss**: amplitude in 10–13.75 Hz over that in 1–5 Hz, in the strongest third of the records and in the weakest. Noise that a generator takes for signal makes its strong records hiss.
#
# Over both folds training and held-out records are the same.

# %% tags=["needs-openeew"]
with runs.if_available():
    ringing = of_both(lambda one: structure.ringing(one.records.data, RATE_HZ))
    lines = of_both(lambda one: structure.line_correlation(one.records.data, RATE_HZ, BAND_HZ))
    ratio = of_both(lambda one: structure.band_ratio(one.records.data, RATE_HZ, (10.0, 13.75), (1.0, 5.0)))
    strength = of_both(lambda one: one.features.ln_measures[:, judged(0)[0].grid.measures.index("pga_cmps2")])
    thirds = {name: np.exp(structure.thirds(ratio[name], strength[name])) for name in ratio}
    display(pd.DataFrame({"ringing": {name: np.median(value) for name, value in ringing.items()},
                          "lines": {name: np.median(value) for name, value in lines.items()},
                          "hiss, strong records": {name: value[1] for name, value in thirds.items()},
                          "hiss, weak records": {name: value[0] for name, value in thirds.items()}}).round(3))

# %% [markdown]
# ## The study: two folds, five soft sites
#
# `python benchmarks/real_folds.py` does this with three seeds of network and draws, on both folds and on the soft sites, and writes `book/results/real_folds.csv`; a seed takes some five minutes.

# %%
study = pd.read_csv(runs.results("real_folds.csv"), index_col=["data", "generator", "measure"])
GENERATORS = ["floor", "shaped noise", "average", "phase + envelope", "replay"]
shown = ["HVSR rms, all records", "HVSR rms", "sigma ln HVSR", "mean PGA", "sigma ln PGA", "D5-95", "sigma ln D5-95", "EAS bias", "V/H before S", "V/H after S", "onset spread",
         "ringing", "1 + line correlation", "hiss of strong records", "hiss of weak records", "nearest training", "C2ST"]
for title, chosen in (("real, fold 0", "fold-0"), ("real, fold 1", "fold-1"), ("soft sites", "soft")):
    table = study.loc[chosen]["value"].unstack("generator")
    display(table.loc[shown, GENERATORS].round(2).rename_axis(index=title, columns=None))

# %% [markdown]
# Ratios, but for the rms [log10], biases and hiss [ln], the similarity to the nearest training record and the share that the classifier C2ST tells right (0.5: guessing). *All records*: the median curve of sixty
# generated records, against that of as few recorded ones as there are.
# At the soft sites resonances move by 4 % from record to record. Shaped noise puts the records of a station in register before it takes their mean ({ref}`method`), and lets its own records wander: *sigma ln f0* is 0.71, where the training records have 0.77 and a generator whose resonances stay 0.59. Codas still ring less than recorded ones.
# At the real sensors five to seven records say nothing certain of it, and it assumes none. A classifier tells shaped noise there in 54 % of cases in one fold and in 69 % in the other, the replay in 61 and 68 %. Five records of a sensor can be averaged in one way only, hence its zeros.

# %% mystnb={"figure": {"caption": "Four measures of the study, a point a seed: real records (filled; mean of two folds) and soft sites (hollow). Grey: the floor of either, solid real, dotted soft; in the mean of the folds that of a ratio is 1 by construction.", "name": "fig-real-study"}, "image": {"alt": "Four panels of dots for shaped noise, average, phase plus envelope and replay: HVSR rms, spread of PGA, spread of durations and C2ST, with the floors as lines."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 4, figsize=(11, 2.8), sharey=True)
seeds = [column for column in study.columns if column.startswith("seed")]
for ax, measure in zip(axes, ("HVSR rms, all records", "sigma ln PGA", "sigma ln D5-95", "C2ST")):
    for chosen, face, style in ((["fold-0", "fold-1"], None, "-"), (["soft"], "white", ":")):
        rows = study.loc[chosen].xs(measure, level="measure")[seeds].groupby(level="generator").mean()
        ax.axvline(rows.loc["floor", "seed 0"], color="0.5", ls=style, lw=1)
        for height, name in enumerate(reversed(GENERATORS[1:])):
            ax.plot(rows.loc[name], [height] * len(seeds), marker="o", ls="none", color=figures.colour(name), mfc=face or figures.colour(name))
    ax.set_title(measure, fontsize=9)
axes[0].set_yticks(range(len(GENERATORS) - 1), list(reversed(GENERATORS[1:])))
plt.show()

# %% [markdown]
# ## What the parts earn here
#
# As in {ref}`beyond-the-average`, with one part left out at a time (`python benchmarks/real_ablation.py`, three seeds of network and draws). ▼: worse than the full generator, ▲: better, by more than its 95 % interval and twice what other random numbers change.

# %%
parts = pd.read_csv(runs.results("real_ablation.csv"), index_col=["data", "variant", "measure"])
shown = ["HVSR rms, all records", "mean PGA", "D5-95", "sigma ln D5-95", "V/H before S", "onset spread", "ringing", "1 + line correlation", "C2ST"]
marked = parts["mean"].map("{:.2f}".format) + parts["verdict"].map({"worse": " ▼", "better": " ▲"}).fillna("")
for title, chosen in (("real, both folds", "real"), ("soft sites", "soft")):
    display(marked.loc[chosen].unstack("measure").loc[list(dict.fromkeys(parts.loc[chosen].index.get_level_values("variant"))), shown].rename_axis(index=title, columns=None))

# %% [markdown]
# Every part but one earns its place somewhere here (trainings are short, 12 epochs):
#
# * the **station's filter** everywhere: ringing at the real sensors, and at the soft sites HVSR, durations, ringing, lines and what the classifier sees;
# * **resonances in register** at the soft sites, whose resonances move: HVSR, ringing, and what the classifier sees;
# * **TimesBlocks** at the soft sites, where a linear network makes durations 15 % too long and too much alike, and at the real sensors, where its P wave is less vertical. On the synthetic corpus of {ref}`beyond-the-average` they earned nothing;
# * **steadying** and **$w$** in the durations;
# * the **polarisation** in the agreement of the horizontals from line to line;
# * **two onsets** in strength and duration (though one onset keeps the real sensors' V/H before S a little better), and **noise apart** in the spread of onsets, at sensors that are noisy.
#
# The scatter of a station's own shows with the sixty records a station of {ref}`beyond-the-average`; with five to twenty-seven it changes nothing.

# %% [markdown]
# ## Eight things that real records ask for
#
# | | What goes wrong without it | Where it is measured |
# |---|---|---|
# | 1 | bands, filter and score that do not follow the records: a soft site's $f_0$ is looked for where it is not | band and *edge* in the first two tables |
# | 2 | a window that cuts the coda | `share` and `window_s` there |
# | 3 | codas that forget their resonance; peaks that are blurred because they move from record to record | ringing; HVSR of the soft sites |
# | 4 | one onset for two waves | {numref}`fig-real-onsets`, onset spread, V/H before and after S |
# | 5 | horizontals that are independent | lines |
# | 6 | noise learned as signal | hiss |
# | 7 | a network that needs hundreds of records | both folds: five to seven a sensor; floors at the same numbers |
# | 8 | one score that ranks everything: what tells generators apart differs from data to data | {numref}`fig-real-study` |
#
# ## Limits
#
# * **Five records a sensor** decide nothing finer than the floor. Half of the seventeen earthquakes happen to be stronger than the other half, so the level of a fold (PGA against held-out records) is chance.
# * **The law of source and path** is fitted to 38 records of 8 or 9 earthquakes, of which one has magnitude 7.2 or 7.4 and most have 5.0 to 5.3. Between them there is nothing to learn from: records to order of magnitude 6 are an interpolation that no record has checked.
# * **The soft sites are synthetic**: one layer, vertical incidence, filtered noise again.
# * Band, threshold and sensors were chosen by people who had seen these records ({ref}`openeew-notebook`).
#
# ## Things to try
#
# * `shape_epochs=10`: how much of the result is the network's?
# * The gap-free records only (`trace_packet_holes`): do the floors fall?
# * Your own records: `tng corpus bands`, `tng corpus split --fold 0 --folds 2`, `tng train shaped-noise`, `tng generate --model shaped-noise`, `tng score --auto-band`.
