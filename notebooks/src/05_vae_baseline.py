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
# The paper compares with a conditional variational autoencoder that works on spectrograms: the amplitude and the phase of
# each component's short-time Fourier transform. No code for it was published. Ours follows the paper's description; the choices listed below
# are our own. It is **not** the authors' baseline.
#
# On this run it finds the HVSR of some stations and misses the peaks of others, and its records are too weak, but more varied in strength than averages of five. Phases cannot
# be predicted, so each record is drawn from the distribution that the decoder describes, not taken as its mean.
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

from tng import figures, runs, scoring
from tng.generators import vae
from tng.training import save_checkpoint

here = runs.start(globals())
figures.use_style()
data = here.corpus()
stations = here.stations(data)
here.table("vae_epochs", "vae_learning_rate", "vae_latent", "vae_channels", "vae_kl_weight")

# %% [markdown]
# ## Our choices
#
# * 2.56 s Hann windows with half overlap; nine channels: ln amplitude of E, N, Z and the cosines and sines of their phases,
#   referred to the middle of each window.
# * Three strided convolutions down, three up; the station's one-hot code given to the encoder and to the decoder.
# * Loss: mean squared error of the nine channels plus a weighted Kullback–Leibler divergence, eq. {eq}`eq-vae`.
# * The same records, windows, events and number of generated records as TimesNet-Gen. The paper's lists of $f_0$ show that its own baseline
#   was scored on records of another length and in other numbers.

# %%
network, history = vae.train_vae(data, here.settings, stations, resume=here.path("vae.part"))
save_checkpoint(here.path("vae"), network, here.settings, stations=stations, corpus=data, history=history,
                finished=here.path("vae.part"))
print(f"{sum(p.numel() for p in network.parameters()):,} weights")
history.iloc[[0, len(history) // 2, -1]].round(3)

# %% mystnb={"figure": {"caption": "Loss of the VAE on training and validation events.", "name": "fig-vae-loss"}, "image": {"alt": "Training and validation loss of the VAE over its epochs."}} tags=["hide-input"]
figures.plot_history(history, plt.subplots(figsize=(6, 3.2))[1], ylabel="Error + weighted divergence")
plt.show()

# %% [markdown]
# ## Generation
#
# A new record is a random code $z \sim N(0, I)$, decoded for a station to the mean of each spectrogram value; a Gaussian with the spread of the
# training residuals is added, and the result brought back to a waveform. No recorded one takes part.

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
