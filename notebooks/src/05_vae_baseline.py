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
# (vae-baseline)=
# # The baseline: a VAE of spectrograms
#
# The paper compares with a conditional variational autoencoder of spectrograms: amplitude and phase of each component's short-time Fourier
# transform, convolutions that are told the station, a Gaussian code, the inverse transform. No code for it was published. Ours follows this
# description; where it is silent, the choices listed below are our own. It is **not** the authors' baseline.
#
# On this run it finds the HVSR of some stations and misses the peaks of others, and its records are too weak and too long, but more varied in strength than averages of five.
#
# | At a glance | |
# |---|---|
# | Reproduces | the paper's baseline, from its description |
# | Needs | the corpus of {ref}`data` |
# | Makes | the checkpoint `vae`; generated records of each station, `generated/vae` |
# | Run time | quick: about a minute on one core; paper: under an hour on a GPU |
# | Seed | 0 |

# %% tags=["parameters"]
profile: str = "quick"              # quick (a CPU, minutes) or paper (a larger network, a GPU)
run: str = ""                       # folder that the notebooks of one run share; "": runs/<profile>
corpus: str = ""                    # folder of the records; "": <run>/corpus
seed: int = 0                       # of weights, order of records, and what is generated
vae_epochs: int = None              # passes over the stations' records; quick 20, paper 100
vae_learning_rate: float = None     # at the start; quick 0.003, paper 0.001
vae_latent: int = None              # numbers in a code; quick 8, paper 32
vae_channels: int = None            # channels of the first convolution; quick 16, paper 64
vae_kl_weight: float = None         # weight of the divergence; quick 0.02, paper 0.02
batch: int = None                   # records a step; quick 8, paper 32
generated_records: int = None       # to make for each station; quick 50, paper 50

# %%
import matplotlib.pyplot as plt

from tng import figures, runs, scoring, trainings
from tng.generators import vae

here = runs.start(globals())
figures.use_style()
data = here.corpus()
stations = here.stations(data)
here.table("vae_epochs", "vae_learning_rate", "vae_latent", "vae_channels", "vae_kl_weight")

# %% [markdown]
# ## Our choices
#
# | Where the paper is silent | Here |
# |---|---|
# | window, hop | Hann windows of 2.56 s, half overlap |
# | phase | its cosine and sine, referred to the middle of each window |
# | normalisation | ln amplitude, standardised for each component and frequency over the training records; levels are kept |
# | encoder, decoder | three strided 3×3 convolutions down, three up; the station's one-hot code given to both |
# | latent size | `vae_latent` numbers a record |
# | loss | mean squared error of the nine channels + `vae_kl_weight` × divergence, eq. {eq}`eq-vae` |
# | schedule | the divergence's weight grows from 0 over the first third of the training |
# | generation | a random code, a draw from the decoder's Gaussian (its spread is that of the training residuals), the inverse transform |
# | records | those of TimesNet-Gen's Phase 1: the same windows, events and number of generated records |
#
# The last row differs from the paper. Its published $f_0$ of real records and of TimesNet-Gen are multiples of 1/180 Hz: records of 60 s with 60 s of zeros on either
# side. Those of its VAE are multiples of 1/245.61 Hz: with the same zeros, records of 125.61 s. And there are 66, 20, 39, 69 and 56 of them beside 71, 80, 46, 72 and 56 of real records.
# Its two generators were thus not scored on the same kind of record.

# %%
trained = trainings.carry_out("vae", here)
network, history = trained.network, trained.history
print(f"{sum(p.numel() for p in network.parameters()):,} weights")
history.iloc[[0, len(history) // 2, -1]].round(3)

# %% mystnb={"figure": {"caption": "Loss of the VAE on training and validation events.", "name": "fig-vae-loss"}, "image": {"alt": "Training and validation loss of the VAE over its epochs."}} tags=["hide-input"]
figures.plot_history(history, plt.subplots(figsize=(6, 3.2))[1], ylabel="Error + weighted divergence")
plt.show()

# %% [markdown]
# ## Generation
#
# A new record is a random code $z \sim N(0, I)$, decoded for a station to the mean of each spectrogram value; a Gaussian with the spread of the
# training residuals is added, and the result brought back to a waveform. No recorded one takes part. Without the Gaussian, phases that cannot be predicted would have
# the mean of all phases, which is none. But its draws in overlapping windows contradict each other, and the inverse transform averages them: of a motion
# with random phases 53 % of the power is left.

# %%
generator = vae.VAEGenerator(network, stations, data.sampling_rate_hz)
new = {station: generator.sample(station, here.settings.generated_records, seed=here.settings.seed) for station in stations}
here.keep("vae", new)
generated = {station: runs.stack(records) for station, records in new.items()}
held_out = here.held_out(data, stations)

# %% mystnb={"figure": {"caption": "North components of held-out synthetic records (above) and of the VAE's (below), each scaled to its own peak.", "name": "fig-vae-traces"}, "image": {"alt": "Four held-out and four VAE-generated traces for each of five stations."}} tags=["hide-input"]
figure, axes = plt.subplots(2, len(stations), figsize=(2 * len(stations), 5), sharex=True, squeeze=False)
for station, column in zip(stations, axes.T):
    figures.plot_traces(held_out[station][:4, 1], data.sampling_rate_hz, column[0], name="held-out", title=station)
    figures.plot_traces(generated[station][:4, 1], data.sampling_rate_hz, column[1], name="VAE")
    column[0].set_xlabel("")
plt.show()

# %% mystnb={"figure": {"caption": "Held-out synthetic records (black; band: 16\u201384 %) and the VAE: HVSR above, f0 below.", "name": "fig-vae-hvsr"}, "image": {"alt": "Median HVSR and f0 histograms of held-out and VAE records for five stations."}} tags=["hide-input"]
real = {station: scoring.measure(x, data.sampling_rate_hz) for station, x in held_out.items()}
made = {station: scoring.measure(x, data.sampling_rate_hz) for station, x in generated.items()}
figures.station_panels({"held-out": real, "VAE": made})
plt.show()

# %%
scoring.compare(real, made).round(2)

# %% [markdown]
# ## Things to try
#
# * `vae_epochs = 120`: does more training help the HVSR, or only the loss?
# * `vae_kl_weight = 0.2`, then `0.002`: what does a stronger prior cost, and what does a weaker one?
