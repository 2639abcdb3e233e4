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
# (how-many-records)=
# # How many records does a new station need?
#
# A generator that must be trained again for each station is of little use to somebody with thirty records of one site. The paper leaves open how many a station needs.
# Shaped noise ({ref}`beyond-the-average`) can answer, because for it a station is a few numbers, which its records give in closed form, equation {eq}`eq-shape-posterior`: no training, no waveforms, seconds.
#
# | At a glance | |
# |---|---|
# | Shows | scores against the number of records of a station that the network has never seen |
# | Needs | the corpus of {ref}`data`; the study in `book/results/few_records.csv` |
# | Makes | nothing that other pages need |
# | Run time | quick: two to three minutes on one core; paper: some minutes more |
# | Seed | 0 |

# %% tags=["parameters"]
profile: str = "quick"            # quick or paper
run: str = ""                     # folder that the notebooks of one run share; "": runs/<profile>
corpus: str = ""                  # folder of the records; "": <run>/corpus
seed: int = 0                     # of everything that is drawn at random
station: str = ""                 # code of the station that is new; "": the first of the run's stations
shape_epochs: int = None          # passes over the other stations' records; quick 40, paper 40
generated_records: int = None     # to make from each number of records; quick 50, paper 50

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from tng import figures, runs, scoring, spectra
from tng.figures.style import log_values
from tng.generators import adapting, shaping
from tng.generators.shaped_noise import ShapedNoise

here = runs.start(globals())
figures.use_style()

# %% [markdown]
# ## Five stations, few records
#
# The study behind the figure (`python benchmarks/few_records.py`) simulates, for each data seed, twenty random stations, on which Phase 0 learns, and five calibrated stations, which it does not see.
# Each of the five then gets its numbers from $n$ of its records, and what is generated is held against 300 records of other earthquakes. Beside it stand three things that anybody can do with $n$ records:
# *replay* them, *average* five of them at a time, or give the station its numbers as if there were no other station (*no prior*); and the *floor*, which is $n$ fresh records of the same station.
# What *narrow prior* is, is said below.

# %%
study = pd.read_csv(runs.results("few_records.csv")).set_index(["generator", "measure", "records"]).sort_index()
about = json.loads(runs.results("few_records.json").read_text(encoding="utf-8"))
shown = study.loc["shaped noise"]
columns = {measure: [f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" for _, row in shown.loc[measure].iterrows()]
           for measure in ("HVSR rms", "NCC 2Sx2S", "PGA against held-out", "D5-95")}
print(f"{about['seeds']} data seeds, {about['generated records']} generated records of each of {about['stations']} stations")
pd.DataFrame(columns, index=shown.loc["HVSR rms"].index).rename_axis("records of the station")


# %%
def plot_few(measure, ax, ylabel, wanted=None):
    """A measure against the records of a station, with 95 % intervals over data seeds."""
    looks = {"shaped noise": {}, "no prior": {"ls": "--", "marker": "v"}, "average": {}, "replay": {}, "floor": {"color": "0.5", "marker": "o"}}
    for name, look in looks.items():
        if (name, measure) in study.index:
            rows = study.loc[name, measure]
            at = rows.index + 1.0                                                # 0 records have a place on the axis, too
            style = {"color": figures.colour("shaped noise" if name == "no prior" else name), "ls": figures.dash(name), "marker": figures.marker(name), **look}
            ax.plot(at, rows["mean"], ms=5, label=name, **style)
            ax.fill_between(at, rows["low"], rows["high"], color=style["color"], alpha=0.12, lw=0)
    if wanted is not None:
        ax.axhline(wanted, color="0.6", lw=0.8, zorder=0)
    ax.set_xscale("log")
    ax.set_xticks([n + 1 for n in about["records"]], [n if n != 50 else "" for n in about["records"]])      # 50 and 60 would touch
    ax.minorticks_off()
    ax.set_xlabel("Records of the station")
    ax.set_ylabel(ylabel)


# %% mystnb={"figure": {"caption": "Scores of a new station against the number of its records: means over data seeds and stations, bands are 95 % intervals over data seeds. Shaped noise makes records beyond the ones it was given; replay cannot. Grey: as many fresh records of the station.", "name": "fig-few-study"}, "image": {"alt": "Six panels of scores against 0 to 60 records: shaped noise, no prior, average, replay and the floor; HVSR errors fall with the number of records."}} tags=["hide-input"]
figure, axes = figures.grid(6, 3, width=11, height=3.0)
for ax, (measure, ylabel, wanted) in zip(axes, (
        ("HVSR rms", "rms of log10 HVSR", None), ("NCC 2Sx2S", "NCC, 2S×2S [-]", None), ("f0 hits", "Stations with f0 within 5 %", None),
        ("PGA against held-out", "Ratio of median PGA", 1.0), ("D5-95", "Ratio of median D5–95", 1.0), ("sigma ln PGA", "Ratio of σ of ln PGA", 1.0))):
    plot_few(measure, ax, ylabel, wanted)
axes[0].set_ylim(bottom=0)
axes[2].legend(loc="lower right")
plt.show()

# %% [markdown]
# Whatever it is made of, a median of $n$ recorded curves errs by about $1/\sqrt n$; that is the slope of *replay* and of the floor. The generator learns from the same
# records and cannot escape it: with five and ten its records are as near to the station as those are, within the intervals; with fifty they are not, as their own scatter comes on top. PGA settles slowly: few earthquakes with their stress drops, magnitudes and distances decide it. (The floor is a mean over a hundred draws; its band does not show how much one draw scatters.) With five records an average of
# five is one record, so that *average* begins at ten.

# %%
order = ["shaped noise", "no prior", "narrow prior", "replay", "average", "floor"]
table = study.xs("HVSR rms", level="measure")
kept = [n for n in about["records"] if any((name, n) in table.index for name in order)]
cell = lambda row: f"{row['mean']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
pd.DataFrame({n: {name: cell(table.loc[name, n]) if (name, n) in table.index else "" for name in order} for n in kept}).rename_axis("rms of log10 HVSR")

# %% [markdown]
# ## One station, on this page
#
# The same with one station of this run's corpus. Phase 0 learns from the stations that the run does not generate for.

# %%
data = here.corpus()
station = station or here.stations(data)[0]
others = [code for code in data.stations if code not in {station, *here.stations(data)}]
network, history, law, measured = shaping.phase0(data, here.settings, data.select(others, "train"))
pretrained = ShapedNoise(network, law, {code: shaping.phase1(network, law, measured.of(code)) for code in measured.codes})
own = shaping.measure(network, data, data.select([station], "train"))
held_out = scoring.measure(data.waveforms(data.select([station], "test")), data.sampling_rate_hz)
counts = [n for n in (5, 10, 20, 50) if n <= len(own.rows)]
print(f"Phase 0 on {len(measured.rows)} records of {len(others)} stations; {station} has {len(own.rows)} training records")


# %%
def given(rows, prior=adapting.widened):
    """The station's numbers from some of its training records."""
    seen = own.take(np.flatnonzero(np.isin(own.rows, rows)))
    return shaping.phase1(network, prior(network, law, seen), seen)


def curves(n, prior=adapting.widened, draws=10):
    """HVSR of the station's numbers from n records, drawn several times."""
    return np.array([adapting.curve_of(given(adapting.choose(data, station, n, draw), prior), pretrained.nodes)[1] for draw in range(draws)])


freq_hz, unseen = adapting.curve_of(adapting.unrecorded(pretrained), pretrained.nodes)
found = {n: curves(n) for n in counts}

# %% mystnb={"figure": {"caption": "HVSR of the new station as its numbers have it, from 5 to 50 of its records: ten draws of them each. Black: median of the held-out records. Dotted: what is expected of a station without any record.", "name": "fig-few-curves"}, "image": {"alt": "Four panels of HVSR curves that draw together as the number of records grows from 5 to 50, near the held-out median."}} tags=["hide-input"]
figure, axes = figures.grid(len(counts), 4, width=11, height=3.0, sharey=True)
for n, ax in zip(counts, axes):
    ax.plot(freq_hz, found[n].T, color=figures.colour("shaped noise"), lw=0.8, alpha=0.5)
    ax.plot(freq_hz, unseen, color="0.4", ls=":")
    ax.plot(spectra.CURVE_HZ, held_out.median_curve, color=figures.colour("held-out"))
    figures.log_frequency(ax, 1, 20).set_title(f"{n} records")
    log_values(ax, "H/V [-]" if n == counts[0] else "")
plt.show()

# %% [markdown]
# No record was made for {numref}`fig-few-curves`: the curve is the ratio of the station's fine spectra. To have records takes another second or two:

# %%
rows = {}
for n in counts:
    maker = ShapedNoise(network, law, {station: given(adapting.choose(data, station, n, here.settings.seed))})
    made = scoring.measure(runs.stack(maker.sample(station, here.settings.generated_records, here.settings.seed)), data.sampling_rate_hz)
    beside = scoring.compare({station: held_out}, {station: made}).loc[station]
    rows[n] = {"f0 [Hz]": f"{spectra.CURVE_HZ[made.median_curve.argmax()]:.2f}", **{name: f"{beside[name]:.2f}" for name in ("curve error [ln]", "PGA ratio", "duration ratio")}}
print(f"{station}, held-out records: f0 {spectra.CURVE_HZ[held_out.median_curve.argmax()]:.2f} Hz")
pd.DataFrame.from_dict(rows, orient="index").rename_axis("records used")


# %% [markdown]
# ## What is borrowed from other stations
#
# With five records, chance decides the mean of each. Other stations tell two things: how much a station usually differs from the mean one in each number, and how the scatter of records hangs together, so that
# five records that happen to be strong, or whose waves happen to come from one direction, are seen through. Equation {eq}`eq-shape-posterior` weighs both. But a prior is only as good as the kinship: the calibrated stations are not of the same kind as the random ones.
# `tng adapt` therefore asks the station: the covariance between stations is multiplied by what makes its records likeliest, and by four at least. In the study, whose five stations are of another kind than the twenty, that does nearly as well as no prior, and much better than a prior as narrow as the others are. At the one station of {numref}`fig-few-priors` it even does much better than none: stations differ in how kindred they are. (There fifty records are drawn from little more, so that the last points are nearly the same records.)

# %% mystnb={"figure": {"caption": "Error of the new station's HVSR against the number of its records, with three priors: as wide as its records ask for, as wide as the other stations are, and none. Lines: mean of ten draws; grey: median curves of the drawn records themselves.", "name": "fig-few-priors"}, "image": {"alt": "Errors of HVSR that fall from 5 to 50 records; the wide prior is lowest or next to it."}} tags=["hide-input"]
def error(curve):
    """rms of log10 against the held-out median."""
    return np.sqrt(np.mean(np.log10(curve / held_out.median_curve) ** 2))


def mean_error(n, prior):
    return np.mean([error(np.interp(spectra.CURVE_HZ, freq_hz, curve)) for curve in curves(n, prior)])


def drawn(n, draw):
    """Median HVSR of the records that were drawn."""
    return spectra.median_curve(recorded.freq_hz, recorded.curves[np.isin(own.rows, adapting.choose(data, station, n, draw))])


priors = {"as wide as its records ask for": adapting.widened, "as wide as others are": lambda network, law, seen: law,
          "none": lambda network, law, seen: adapting.without_others(law)}
recorded = scoring.measure(data.waveforms(own.rows), data.sampling_rate_hz)
figure, ax = plt.subplots(figsize=(7, 3.6))
for (name, prior), ls in zip(priors.items(), ("-", ":", "--")):
    ax.plot(counts, [mean_error(n, prior) for n in counts], color=figures.colour("shaped noise"), ls=ls, marker="o", ms=4, label=f"prior: {name}")
ax.plot(counts, [np.mean([error(drawn(n, draw)) for draw in range(10)]) for n in counts], color="0.5", marker="x", ms=5, label="the records themselves")
ax.set_xscale("log")
ax.set_xticks(counts, counts)
ax.minorticks_off()
ax.set_ylim(bottom=0)
ax.set_xlabel("Records of the station")
ax.set_ylabel("rms of log10 HVSR")
ax.legend()
plt.show()

# %% [markdown]
# ## The answer
#
# Two floors can be asked for, of HVSR: what *as many* fresh records of the station reach, which says whether the generator gets out of its records what is in them; and what 60 fresh records reach, which says whether the station is *known*. The
# second column is their ratio to the first floor, the third to the second; the goal is 1.5.

# %%
ours, floor = table.loc["shaped noise"], table.loc["floor"]
ours = ours.drop(index=0)                                                    # without any record there is no floor


def over(floors):
    """Ratio to a floor, and whether it misses the goal."""
    return (ours["mean"] / floors).map(lambda ratio: f"{ratio:.2f}{'' if ratio <= 1.5 else ', not reached'}")


pd.DataFrame({"rms of log10 HVSR": ours.apply(cell, axis=1), "over as many fresh records": over(floor["mean"]), "over 60 fresh records": over(floor.loc[60, "mean"])}
             ).rename_axis("records of the station")

# %% [markdown]
# **Ten records** give an HVSR that errs hardly more than the median of ten fresh ones. **Fifty** bring it to less than 1.5 times that of sixty fresh ones; the records' own median gets there with half as many, and the rest is the scatter of the sixty generated records themselves.
# In other respects ten records are too few:

# %%
others = ["f0 hits", "sigma ln HVSR", "sigma ln f0", "sigma ln D5-95", "C2ST"]
pd.DataFrame({measure: [cell(study.loc["shaped noise", measure, n]) for n in (10, 60)] for measure in others}, index=pd.Index([10, 60], name="records of the station"))

# %% [markdown]
# With ten, the scatter of a station's records is still mostly that of other stations: here too much in HVSR and $f_0$, too little in durations; and a classifier has an easier task.

# %% [markdown]
# **With your own records:**
#
# ```bash
# tng ingest downloads/ --into corpora/mine
# tng adapt --corpus corpora/mine --station 4628 --into mine.safetensors
# tng generate --checkpoint mine.safetensors --station 4628 -n 50 --into new
# ```
#
# ## Limits
#
# * All of it is synthetic, and synthetic records are of the family that this generator assumes: noise behind a filter. Real stations ring, scatter waves and are nonlinear; expect to need more records.
# * The number is one for the HVSR. The level of the motion depends on the stress drops of the few earthquakes, which scatter by far more than a filter does: PGA is the last to settle.
# * Magnitudes and distances of the station's records must be known, or the model trained without them.
# * A few records do not tell how the numbers of a record hang together at the station: for few records that is as at other stations, and only its size is the station's own.
#
# ## Things to try
#
# * `station`: another of the run's stations, or one of the random ones, `runs.start` names them: is the prior better for stations of its own kind?
# * `adapting.WIDENED`: what happens to five records with a prior ten times as wide at the least?
# * `tng adapt --vs30-mps`: a prior that knows the soil, where the other stations state theirs.
