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
# (openeew-notebook)=
# # A real, open network: OpenEEW Mexico
#
# The Turkish records may not be passed on, so this book runs on synthetic ones. This page is their real counterpart: accelerations of
# low-cost sensors in Mexico, published by Grillo / OpenEEW under [CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/), from download to a corpus to site curves. It
# is small, 77 records of 7 sensors, and it has limits that matter; but every earthquake in it happened.
#
# | At a glance | |
# |---|---|
# | Reproduces | nothing of the paper: a real test of the readers, and of whether HVSR belongs to the station |
# | Needs | the public OpenEEW archive (11 MB, fetched by name) |
# | Makes | a corpus of 77 real records, by one command |
# | Run time | half a minute on one core |
# | Seed | 0 |

# %% tags=["parameters"]
profile: str = "quick"   # quick (a CPU, minutes) or paper (the paper's sizes, a GPU); here they are the same
run: str = ""            # folder that the notebooks of one run share; "": runs/<profile>
corpus: str = ""         # not used on this page, which makes a corpus of its own
seed: int = 0            # of the random halves and exchanged labels
into: str = ""           # folder to write the corpus into; "": openeew in the run's folder

# %%
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from tng import figures, remote, repeatability, runs, spectra
from tng.ingest import ingest

here = runs.start(globals())
figures.use_style()
target = Path(into) if into else here.path("openeew")
BAND_HZ = (1.0, 12.0)    # below, the noise of the sensors; above, their Nyquist frequency


def records():
    """The corpus; made once, opened after that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                  # some windows of the largest earthquakes miss the end
        return ingest(remote.folder("openeew"), target, sampling_rate_hz=31.25, window="p-onset", detrend="linear", smallest_snr=3,
                      smallest_records=10, vertical_axis="x", overwrite=not into, progress=False).corpus


def site_curves():
    """The corpus, frequencies, H/V of each record, and log10 of it on a logarithmic grid."""
    made = records()
    freq_hz, curves = spectra.hvsr(made.waveforms(np.arange(len(made))), made.sampling_rate_hz, band_hz=BAND_HZ)
    return made, freq_hz, curves, repeatability.log_curves(freq_hz, curves)


# %% [markdown]
# ## From continuous data to records
#
# ```bash
# tng ingest "$(tng fetch openeew)" --into corpora/openeew --vertical-axis x --sampling-rate-hz 31.25 \
#   --window p-onset --detrend linear --smallest-snr 3 --smallest-records 10
# ```
#
# The files hold five minutes each and know neither earthquakes nor directions. The reader repairs what can be repaired and refuses the rest:
#
# * **Clocks.** The stated rate, 31.25 Hz, is not the true one (31.1 to 31.3 Hz), and some clocks are up to an hour wrong. Times come from the sensor's own steps, and are moved to the receiving server's clock where they differ by more than a second.
# * **Holes.** Before March 2018 about 1.3 samples are missing after each packet of 32. They are bridged by splines; the column `trace_packet_holes` marks the records.
# * **Earthquakes** come from the project's own list. The onset is looked for around the predicted P and S; the window starts 5 s before it.
# * **Vertical.** The files do not tell; the project's description of the sensors says `x`, and in the records P waves are strongest along it. `y` and `z` point anywhere, so *east* and *north* below are only two names for orthogonal directions.
# * **Noise.** Records whose strongest 2 s are less than three times the noise (1–12 Hz) are left out, and so are sensors with fewer than ten records.

# %% tags=["needs-openeew"]
with runs.if_available():
    table = records().metadata
    by = table.groupby("station_code")
    peak = np.sqrt(table["trace_pga_E_cmps2"] * table["trace_pga_N_cmps2"]).groupby(table["station_code"])
    print(f"{len(table)} records of {table['station_code'].nunique()} sensors and {table['source_id'].nunique()} earthquakes, "
          f"magnitude {table['source_magnitude'].min():.1f} to {table['source_magnitude'].max():.1f}")
    display(pd.DataFrame({
        "records": by.size(), "with holes": by["trace_packet_holes"].agg(lambda column: int((column.astype(str) == "True").sum())),
        "magnitude": by["source_magnitude"].agg(lambda m: f"{m.min():.1f}–{m.max():.1f}"),
        "distance [km]": by["path_ep_distance_km"].agg(lambda d: f"{d.min():.0f}–{d.max():.0f}"),
        "median PGA [cm/s²]": peak.median().round(1), "largest PGA [cm/s²]": peak.max().round(0),
        "median signal to noise": by["trace_snr"].median().round(0),
    }).rename_axis("sensor"))

# %% mystnb={"figure": {"caption": "The seven sensors (area by number of records) and the epicentres near them; 014 stands beside 011. Real data: Grillo / OpenEEW, CC BY-SA 4.0.", "name": "fig-openeew-map"}, "image": {"alt": "Map of seven sensors along the Pacific coast of Mexico with epicentres as crosses."}} tags=["hide-input", "needs-openeew"]
with runs.if_available():
    table = records().metadata
    at = table.groupby("station_code").agg(longitude_deg=("station_longitude_deg", "first"), latitude_deg=("station_latitude_deg", "first"),
                                           network=("station_network_code", "first"), records=("source_id", "size"))
    quakes = table.drop_duplicates("source_id").rename(columns={"source_longitude_deg": "longitude_deg", "source_latitude_deg": "latitude_deg"})
    figure, ax = plt.subplots(figsize=(8, 4))
    figures.plot_stations(at, quakes, ax)
    plt.show()

# %% mystnb={"figure": {"caption": "The strongest record of each sensor: first horizontal, second horizontal and vertical (axes y, z, x of the sensor). Real data: Grillo / OpenEEW, CC BY-SA 4.0.", "name": "fig-openeew-records"}, "image": {"alt": "Seven panels with three traces each, accelerograms of real earthquakes."}} tags=["hide-input", "needs-openeew"]
with runs.if_available():
    made = records()
    strongest = made.metadata.groupby("station_code")[["trace_pga_E_cmps2"]].idxmax().iloc[:, 0]
    figure, axes = figures.grid(len(strongest), 2, width=10, height=2.0)
    for (station, row), ax in zip(strongest.items(), axes):
        about = made.metadata.loc[row]
        figures.plot_traces(made.waveforms([row])[0], made.sampling_rate_hz, ax, name="held-out",
                            title=f"{station}: M {about['source_magnitude']:.1f} at {about['path_ep_distance_km']:.0f} km")
    plt.show()

# %% [markdown]
# ## Site curves

# %% mystnb={"figure": {"caption": "HVSR of each sensor, 1\u201312 Hz: single records (thin), their median and 16\u201384 % band. Four sensors have a peak that stands out; 006 and 008 are flat, and 011 has two low bumps. Real data: Grillo / OpenEEW, CC BY-SA 4.0.", "name": "fig-openeew-hvsr"}, "image": {"alt": "HVSR curves of seven sensors, with single records thin and the median bold."}} tags=["hide-input", "needs-openeew"]
with runs.if_available():
    made, freq_hz, curves, _ = site_curves()
    figure, axes = figures.grid(len(made.stations), 4, width=10, height=2.4, sharey=True)
    for station, ax in zip(made.stations, axes):
        mine = curves[made.select(station)]
        figures.plot_curves(freq_hz, mine, ax, name="held-out", each=True)
        figures.log_frequency(ax, *BAND_HZ)
        ax.set_title(f"{station} ({len(mine)} records)", fontsize=9)
    plt.show()

# %% tags=["needs-openeew"]
with runs.if_available():
    made, freq_hz, curves, logs = site_curves()
    found = {}
    for station in made.stations:
        mine = made.select(station)
        f0_hz, low, high = repeatability.f0_interval(freq_hz, curves[mine], seed)
        found[station] = {"records": len(mine), "f0 of the median [Hz]": f0_hz, "16 %": low, "84 %": high, "H/V at f0": np.median(curves[mine], axis=0).max(),
                          "half-split rms [log10]": repeatability.half_split(logs[mine], seed)}
    display(pd.DataFrame(found).T.round({"records": 0, "f0 of the median [Hz]": 1, "16 %": 1, "84 %": 1, "H/V at f0": 1, "half-split rms [log10]": 3})
            .astype({"records": int}).rename_axis("sensor"))

# %% [markdown]
# The interval of $f_0$ is that of 500 draws of records with replacement. Where it spans several Hz there is no site frequency to speak of, whatever the largest value says.
#
# ## Does the curve belong to the sensor?
#
# Two answers without a model. **Halves:** the median curves of two random halves of a sensor's records differ by the rms in the table above; the median curves of two different sensors by the rms in the matrix below. **Names:** each record is given to the sensor whose mean
# curve is nearest, with all records of its own earthquake left out. By chance, one in seven would be right; the exact level is found by exchanging the sensors' names among the records of each earthquake.

# %% mystnb={"figure": {"caption": "Left: rms difference of the sensors' median curves, in log10 units; on the diagonal, of two halves of one sensor's records. Right: to which sensor each record is given by its curve alone, its own earthquake left out. Real data: Grillo / OpenEEW, CC BY-SA 4.0.", "name": "fig-openeew-repeat"}, "image": {"alt": "Two matrices: distances between sensors, small on the diagonal; counts of records by true and by chosen sensor, large on the diagonal."}} tags=["hide-input", "needs-openeew"]
with runs.if_available():
    made, freq_hz, curves, logs = site_curves()
    codes, events = made.metadata["station_code"], made.metadata["source_id"]
    apart = repeatability.distances(logs, codes)
    for station in made.stations:
        apart.loc[station, station] = repeatability.half_split(logs[made.select(station)], seed)
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.4))
    for ax, matrix, form, title in ((axes[0], apart, ".2f", "Median curves: rms difference"),
                                    (axes[1], repeatability.leave_one_event_out(logs, codes, events), "d", "Nearest mean curve")):
        sns.heatmap(matrix, ax=ax, annot=True, fmt=form, cmap="Blues", cbar=False, square=True, linewidths=0.5, annot_kws={"size": 8})
        ax.set_title(title)
    axes[0].set(xlabel="sensor", ylabel="sensor")
    axes[1].set(xlabel="given to", ylabel="recorded by")
    plt.show()

# %% tags=["needs-openeew"]
with runs.if_available():
    made, freq_hz, curves, logs = site_curves()
    table = made.metadata
    sets = {"all records": np.ones(len(made), bool), "records without holes": table["trace_packet_holes"].astype(str).to_numpy() != "True",
            "signal to noise above 5": table["trace_snr"].to_numpy() > 5, "shape only (mean of each curve removed)": np.ones(len(made), bool)}
    found = {}
    for name, chosen in sets.items():
        shown = logs - logs.mean(axis=1, keepdims=True) if name.startswith("shape") else logs
        given = (shown[chosen], table["station_code"][chosen], table["source_id"][chosen])
        chance = repeatability.accuracy_by_chance(*given, rng=seed)
        found[name] = {"records": int(chosen.sum()), "right": repeatability.accuracy(repeatability.leave_one_event_out(*given)),
                       "by chance, median": np.median(chance), "by chance, 95 %": np.percentile(chance, 95)}
    display(pd.DataFrame(found).T.round(2).astype({"records": int}))

# %% [markdown]
# Most records find their sensor, far more than chance allows, and the shape of the curve alone does nearly as well as shape and level. So a generator that is to sound like one of these sites has something to learn; and the half-split rms is the floor that no generator can be held to be better than.
#
# ## Limits
#
# * **Small.** Ten to thirteen records a sensor, 17 earthquakes that most of them share. No more than about 0.05 in log10 H/V can be told apart.
# * **Narrow.** 1–12 Hz: the sensors' noise (about 0.04 cm/s² in that band) hides the rest of a weak record, and sampling ends at 15.6 Hz. Site frequencies below 1 Hz, the ones that matter most for deep soil, are out of reach.
# * **Mounting unknown.** A sensor may hang on a wall: a peak may be the building's and not the soil's.
# * **Horizontals unknown.** Only measures that do not depend on azimuth mean anything; the geometric mean of two horizontals, as in the paper's HVSR, depends on it a little but is the same for all records of a sensor.
# * **Chosen while looking.** Band, threshold and the number ten were settled by people who had seen these records.
#
# ## Things to try
#
# * `smallest_snr=5` in the cell that ingests: which sensors keep ten records?
# * `vertical_axis="y"`: what happens to the curves, and to the matrix?
# * Train on it: `tng train vae --corpus …/openeew`, then `tng generate` and `tng score --band-hz 1 12`, in folds (`tng corpus split --fold 0 --folds 2`). The other notebooks need the paper's 1-20 Hz and refuse rates below 40 Hz.
