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
# (zero-shot)=
# # Zero-shot: no station numbers at all
#
# The paper trains a third model in a single phase, without any station conditioning, and generates for stations that it never saw.
# Its results "remained consistent" with the conditioned model. Here they agree with those of the published network, record by record, and only loosely with those of the
# conditioned one, the described network, which reconstructs less well. The reason is simple: what makes a generated record belong to a station are the five recorded ones that it averages, and those are the same.
#
# | At a glance | |
# |---|---|
# | Reproduces | the paper's zero-shot experiment |
# | Needs | the corpus of {ref}`data`, the checkpoint of {ref}`phase0`, the records of {ref}`phase1` |
# | Makes | generated records of each station, `generated/zero-shot` |
# | Run time | quick: a quarter of a minute on one core; paper: minutes on a GPU |
# | Seed | 0 |
#
# Phase 0 is that model: one phase, no stations, and none of the five target stations among its training records.

# %% tags=["parameters"]
profile: str = "quick"            # quick (a CPU, minutes) or paper (the paper's sizes, a GPU)
run: str = ""                     # folder that the notebooks of one run share; "": runs/<profile>
corpus: str = ""                  # folder of the records; "": <run>/corpus
seed: int = 0                     # of which records are mixed, and of the noise
records_to_mix: int = None        # k, records whose codes are averaged; quick 5, paper 5
generation_noise: float = None    # noise on the average, in latent standard deviations; quick 1, paper 1
generated_records: int = None     # to make for each station; quick 50, paper 50

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from tng import figures, runs, scoring, trainings
from tng.generators.timesnet_gen import LatentMixing

here = runs.start(globals())
figures.use_style()
data = here.corpus()
stations = here.stations(data)
network = trainings.load("phase0", here, data, stations).network
here.table("records_to_mix", "generation_noise", "generated_records")

# %% [markdown]
# ## Generation
#
# The same seed draws the same five records for each new one as in {ref}`phase1`.

# %%
generator = LatentMixing.from_corpus(network, data, stations, name="zero-shot", **runs.mixing_options(here.settings.model_dump()))
new = {station: generator.sample(station, here.settings.generated_records, seed=here.settings.seed) for station in stations}
here.keep("zero-shot", new)
generated = {station: runs.stack(records) for station, records in new.items()}
held_out = here.held_out(data, stations)

# %% mystnb={"figure": {"caption": "Held-out synthetic records (black; band: 16\u201384 %), the described network after Phase 1 (conditioned on the station), and the zero-shot model: HVSR above, f0 below.", "name": "fig-zero-shot-hvsr"}, "image": {"alt": "Median HVSR and f0 histograms: held-out, conditioned and zero-shot, five stations."}} tags=["hide-input"]
real = {station: scoring.measure(x, data.sampling_rate_hz) for station, x in held_out.items()}
made = {station: scoring.measure(x, data.sampling_rate_hz) for station, x in generated.items()}
conditioned = {station: scoring.measure(x, data.sampling_rate_hz) for station, x in here.generated("described").items()}
figures.station_panels({"held-out": real, "described": conditioned, "zero-shot": made})
plt.show()

# %%
scoring.compare(real, made).round(2)

# %% [markdown]
# ## How alike are the models?
#
# All averaged the same records, so their generated records can be compared one by one: zero-shot against the published network after Phase 1
# (TimesNet-Gen), and against the described one.

# %% mystnb={"figure": {"caption": "One generated record of the first station, ten seconds around its peak: after Phase 1 (black) and zero-shot (green), from the same five recorded ones.", "name": "fig-zero-shot-pair"}, "image": {"alt": "Two generated three-component records that nearly coincide."}} tags=["hide-input"]
after_phase1 = {"TimesNet-Gen": here.generated("timesnet-gen"), "described": here.generated("described")}
figure, axes = plt.subplots(3, 1, figsize=(8, 4.6), sharex=True)
one, other = after_phase1["TimesNet-Gen"][stations[0]][0], generated[stations[0]][0]
start = max(0, np.abs(one).max(axis=0).argmax() - int(4 * data.sampling_rate_hz))
part = slice(start, start + int(10 * data.sampling_rate_hz))
figures.plot_waveforms(one[:, part], data.sampling_rate_hz, axes, title=stations[0], others=[other[:, part]],
                       labels=["TimesNet-Gen", "zero-shot"])
axes[0].legend(loc="lower right")
plt.show()


# %%
def alike(others):
    """Correlation of each zero-shot record with another model's from the same recorded ones, over all stations."""
    return [np.corrcoef(a.ravel(), b.ravel())[0, 1] for s in stations for a, b in zip(others[s], generated[s])]

pd.DataFrame({name: {"correlation with zero-shot, median": np.median(alike(x)), "smallest": np.min(alike(x))}
              for name, x in after_phase1.items()}).T.round(3)

# %% [markdown]
# The paper reads its zero-shot result as a sign that the latent space separates stations by itself. This comparison suggests less:
# averaging a station's own records keeps its HVSR, whatever network encodes and decodes them, as long as it reconstructs records well
# ({ref}`published-generator`).
#
# ## Things to try
#
# * Skip {ref}`phase0`'s training almost wholly (`phase0_epochs = 1`) and run this page again: how good must the network be?
# * `generation_noise = 0`: how much of the difference between the models is noise?
