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
# (data)=
# # The records
#
# TimesNet-Gen learned from the Turkish strong-motion database, which may not be passed on. This book therefore
# runs on **synthetic** records with known physics, and shows on a few real ones that the readers and the
# measures work on real ground motion too. Of the synthetic stations, five are fitted to what the authors
# published of theirs: their median HVSR curves and the scatter of their $f_0$.
#
# | At a glance | |
# |---|---|
# | Reproduces | the paper's data preparation; the "real" half of its HVSR and $f_0$ figures |
# | Needs | nothing; for the comparisons, the authors' published arrays and sample files (fetched by name) |
# | Makes | the corpus of this run: one folder in the SeisBench layout |
# | Run time | quick: half a minute on one core; paper: about five minutes |
# | Seed | 0 |
#
# A *record* is three components E, N, Z of acceleration in cm/s² (gal). The *HVSR* is the ratio of their
# horizontal to vertical Fourier amplitudes, and the *site frequency* $f_0$ is where it is largest; both are
# defined in {ref}`method`.

# %% tags=["parameters"]
profile: str = "quick"                   # quick (a CPU, minutes) or paper (the paper's sizes, a GPU)
run: str = ""                            # folder that the notebooks of one run share; "": runs/<profile>
corpus: str = ""                         # folder of your own ingested records; "": simulate some
seed: int = 0                            # of everything drawn at random
records_per_station: int = None          # synthetic records of each of the five stations; quick 100, paper 100
random_stations: int = None              # synthetic stations to pre-train on; quick 20, paper 200
records_per_random_station: int = None   # synthetic records of each of those; quick 20, paper 100
sampling_rate_hz: float = None           # of every record [Hz]; quick 50, paper 100
window_s: float = None                   # length of every record [s]; quick 60, paper 60

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from tng import figures, readers, remote, runs, scoring, spectra, standard

here = runs.start(globals())
figures.use_style()
here.table("records_per_station", "random_stations", "records_per_random_station", "sampling_rate_hz", "window_s")

# %% [markdown]
# ## The synthetic network
#
# All stations share one catalogue of earthquakes, as a real network does: magnitudes follow
# Gutenberg and Richter, each station records an event if it is near enough and its recorder works. The motion on
# rock follows the stochastic point-source method {cite:p}`boore2003simulation`, with P and S waves, coda and noise; each
# station then filters it. Twenty stations have random layered soil; five, named `0205-like` and so on, have
# filters fitted to the authors' curves. They lie around latitude 0°, longitude 0°, where there is no land.
#
# The split is **by event**: all records of one earthquake are training, validation (`dev`) or test records
# together, so that a network is never tested on an earthquake it has seen.

# %%
data = here.make_corpus()
stations = here.stations(data, complete=False)
table = data.metadata.pivot_table(index="station_code", columns="split", values="trace_name", aggfunc="count", fill_value=0)
table = table.reindex(columns=["train", "dev", "test"], fill_value=0)
print(f"{len(data.metadata)} records of {data.metadata['source_id'].nunique()} events at {len(table)} stations")
table.loc[stations].assign(all=table.sum(axis=1))

# %% mystnb={"figure": {"caption": "The synthetic network. Circles are earthquakes, larger for larger magnitudes; the stations lie in the middle. The place is fictional.", "name": "fig-map"}, "image": {"alt": "Map of the synthetic earthquakes around a compact network of 25 stations."}} tags=["hide-input"]
first = data.metadata.drop_duplicates("station_code").reindex(columns=["station_code", "station_longitude_deg", "station_latitude_deg"])
places = pd.DataFrame({"longitude_deg": first["station_longitude_deg"], "latitude_deg": first["station_latitude_deg"],
                       "target": first["station_code"].isin(stations)})
quakes = data.metadata.drop_duplicates("source_id").reindex(columns=["source_longitude_deg", "source_latitude_deg", "source_magnitude"])
quakes = pd.DataFrame({"longitude_deg": quakes["source_longitude_deg"], "latitude_deg": quakes["source_latitude_deg"],
                       "magnitude": quakes["source_magnitude"]})
figures.plot_map(places, quakes, plt.subplots(figsize=(6.5, 5.5))[1])
plt.show()


# %% [markdown]
# ## What the records look like
#
# {numref}`fig-synthetic-waveforms` shows one earthquake at two of the stations. P waves come first and are
# strongest on Z, S waves follow on the horizontals. The station on soft ground rings at its own frequency.

# %% mystnb={"figure": {"caption": "One synthetic earthquake at two stations: left on soft ground that resonates near 1.8 Hz, right on stiff ground with f0 near 12 Hz.", "name": "fig-synthetic-waveforms"}, "image": {"alt": "Three-component synthetic accelerograms of one event at two stations."}} tags=["hide-input"]
def strongest(metadata, pair):
    """Rows of the strongest event that both stations recorded; of each one's strongest record, if they share none."""
    of_pair = metadata[metadata["station_code"].isin(pair)]
    shared = of_pair.groupby("source_id").filter(lambda group: set(group["station_code"]) == set(pair))
    if len(shared):
        of_pair = shared[shared["source_id"] == shared.loc[shared["trace_pga_N_cmps2"].idxmax(), "source_id"]]
    return [of_pair.loc[of_pair["station_code"] == station, "trace_pga_N_cmps2"].idxmax() for station in pair]

pair = [stations[-1], stations[max(-2, -len(stations))]]
figure, axes = plt.subplots(3, 2, figsize=(10.5, 5.5), sharex=True)
for station, row, column in zip(pair, strongest(data.metadata, pair), axes.T):
    about = data.metadata.loc[row]
    figures.plot_waveforms(data.record(row).data, data.sampling_rate_hz, column,
                           title=f"{station}, M {about.get('source_magnitude', np.nan):.1f} at {about.get('path_hyp_distance_km', np.nan):.0f} km")
plt.show()

# %% mystnb={"figure": {"caption": "Effective amplitude spectra of all records of the five stations: median (line) and 16\u201384 % of records (band), smoothed. The spread is that of magnitudes and distances.", "name": "fig-synthetic-spectra"}, "image": {"alt": "Smoothed Fourier amplitude spectra of the five synthetic stations on logarithmic axes."}} tags=["hide-input"]
waveforms = {station: data.waveforms(data.select([station])) for station in stations}
measured = {station: scoring.measure(x, data.sampling_rate_hz) for station, x in waveforms.items()}
centres = np.geomspace(0.2, 20, 120)
figure, axes = figures.grid(5, 5, width=9.8, height=2.5, sharey=True)
for (station, x), ax in zip(waveforms.items(), axes):
    figures.plot_curves(centres, spectra.eas(x, data.sampling_rate_hz, centres), ax, name=station,
                        ylabel="EAS [cm/s]")
    ax.set_title(station)
    ax.set_yticks([0.01, 0.1, 1, 10])
plt.show()

# %% [markdown]
# ## HVSR and $f_0$ against the published curves
#
# The fit was made on these same published curves, so {numref}`fig-synthetic-hvsr` and
# {numref}`fig-synthetic-f0` show that it succeeded: even two samples of one law, with as few records, have similarities of only about 0.8
# (the replay in {ref}`hvsr-f0-ncc`). They do not show that the synthetic records are like the real
# ones in anything else.

# %% mystnb={"figure": {"caption": "HVSR of the synthetic records (grey band: 16\u201384 %, black: median) and the authors' published median over real records (coloured).", "name": "fig-synthetic-hvsr"}, "image": {"alt": "Median HVSR of five synthetic stations, each close to the published real curve."}} tags=["hide-input", "needs-published"]
with runs.if_available():
    published = remote.published()
    figure, axes = figures.grid(len(stations), 5, width=9.8, height=2.5, sharey=True)
    for (station, m), ax in zip(measured.items(), axes):
        figures.plot_curves(m.freq_hz, m.curves, ax, name="held-out", label="synthetic")
        real = published.get(station.removesuffix("-like"))
        if real:
            ax.plot(real["hvsr_freq_real"], real["hvsr_median_real"], color=figures.colour("published"), label="published, real")
        ax.set_title(station)
    axes[0].legend(fontsize=7)
    plt.show()

# %% mystnb={"figure": {"caption": "Site frequencies f0 of the synthetic records (grey) and of the authors' real records (outline), in the paper's 20 bins.", "name": "fig-synthetic-f0"}, "image": {"alt": "Histograms of f0 for five stations, synthetic and published."}} tags=["hide-input", "needs-published"]
with runs.if_available():
    published = remote.published()
    figure, axes = figures.grid(len(stations), 5, width=9.8, height=2.4, sharey=True)
    for (station, m), ax in zip(measured.items(), axes):
        real = published.get(station.removesuffix("-like"))
        figures.plot_f0({"held-out": m.f0_hz} | ({"published": real["f0_real"]} if real else {}), ax).set_title(station)
    plt.show()

# %% tags=["needs-published"]
with runs.if_available():
    published, rows = remote.published(), {}
    for station, m in measured.items():
        if real := published.get(station.removesuffix("-like")):
            rows[station] = {"median f0 synthetic [Hz]": np.median(m.f0_hz), "median f0 published [Hz]": np.median(real["f0_real"]),
                             "f0 similarity": scoring.similarity(m.f0_hz, real["f0_real"]),
                             "curve error [ln]": scoring.curve_error(m.median_curve, real["hvsr_median_real"], spectra.CURVE_HZ)}
    display(pd.DataFrame.from_dict(rows, orient="index").round(2))

# %% [markdown]
# ## Real records
#
# The authors keep a few AFAD records beside their public code, and a public test suite keeps three more. They are read here from
# those places, with the readers that also take your own files ({ref}`your-own-records`). Each file states its peak
# accelerations, and the reader compares them with the data before it accepts the record: a wrong unit, and nearly always a swapped column, is an error
# and not a different answer.

# %% mystnb={"figure": {"caption": "A real record: AFAD station 6501, 6 January 2012, M 4.2. Data: AFAD.", "name": "fig-real-waveforms"}, "image": {"alt": "Three-component accelerogram of a real earthquake recorded at AFAD station 6501."}} tags=["hide-input", "needs-afad-mat"]
with runs.if_available():
    real_records = [readers.read(path) for path in remote.collection("afad-mat")]
    record = next(r for r in real_records if r.station == "6501")
    figure, axes = plt.subplots(3, 1, figsize=(8, 4.6), sharex=True)
    figures.plot_waveforms(record.data, record.sampling_rate_hz, axes, title=f"AFAD {record.station}, {record.event}")
    plt.show()

# %% mystnb={"figure": {"caption": "HVSR of nine real AFAD records, first 60 s, by the paper's recipe. The dot is f0, by the paper's rule the largest value in 1\u201320 Hz. Single records are noisy: the two of station 2404 peak at 8.6 and 10.1 Hz.", "name": "fig-real-hvsr"}, "image": {"alt": "HVSR curves of nine real records with their f0 marked."}} tags=["hide-input", "needs-afad-mat"]
with runs.if_available():
    real_records = [readers.read(path) for path in remote.collection("afad-mat")]
    windows = [standard.standardise(r, 100.0, 60.0) for r in real_records]
    freq_hz, curves = spectra.hvsr(runs.stack(windows), 100.0)
    f0_hz = spectra.f0(freq_hz, curves)
    figure, axes = figures.grid(len(windows), 5, width=9.8, height=2.1, sharey=True)
    for window, curve, peak, ax in zip(windows, curves, f0_hz, axes):
        figures.plot_curves(freq_hz, curve[None], ax, name="held-out")
        ax.plot(peak, curve.max(), "o", color=figures.colour("published"))
        ax.set_title(f"{window.station}, {window.event[:8]}", fontsize=9)
    plt.show()

# %% tags=["needs-afad-mat", "needs-afad-nsmn"]
with runs.if_available():
    real_records = [readers.read(path) for name in ("afad-mat", "afad-nsmn") for path in remote.collection(name)]
    windows = [standard.standardise(r, 100.0, 60.0) for r in real_records]
    f0_hz = spectra.f0(*spectra.hvsr(runs.stack(windows), 100.0))
    display(pd.DataFrame({
        "station": [r.station for r in real_records], "event": [r.event for r in real_records],
        "magnitude": [r.meta["source_magnitude"] for r in real_records],
        **{f"PGA {c} [cm/s²]": [r.pga_cmps2[i] for r in real_records] for i, c in enumerate("ENZ")},
        "f0 [Hz]": f0_hz, "edge": spectra.at_edge(f0_hz),
        "energy in window": [w.meta["trace_energy_share"] for w in windows],
    }).round(2).set_index("station"))

# %% [markdown]
# In the last three files the shaking starts late: the first 60 s hold 55 %, 3 % and less than 1 % of its energy. The paper's window rule, "the first 6000
# samples", cuts one record in the middle and measures mostly noise in the other two; one $f_0$ sits on the edge of the band. `edge` marks such values; the readers' `trace_energy_share` warns of such windows.
#
# ## Limits of the synthetic records
#
# They come from a point source without surface waves, near-fault pulses, basin effects or nonlinear soil. Large
# earthquakes are too weak (a point source, above about magnitude 5.5). The scatter of $f_0$ is fitted to lists in which the same values occur many times, and may be
# too small. A network that does well on them has shown that it can learn this family of motions, no more.
#
# ## Things to try
#
# * `records_per_station = 30`: what do histograms of $f_0$ look like with as few records as the paper had?
# * Another `seed`: how far do the medians move with other earthquakes?
# * `corpus = "path/to/your/corpus"`: this page for your own records; {ref}`your-own-records` says how to make it.
