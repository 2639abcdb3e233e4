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
# (own-records-notebook)=
# # Your own records
#
# A folder of downloads becomes a corpus that every notebook of this book can train on. This page does it with real files of four
# networks in five formats, good ones and bad ones, and shows what was taken, what was refused and why. With
# `-p sources FOLDER` it does the same with yours.
#
# | At a glance | |
# |---|---|
# | Reproduces | nothing of the paper: it is the way in for other records than the authors' |
# | Needs | your files; without them, public sample files (fetched by name) |
# | Makes | a corpus in the SeisBench layout, with `report.html`, `rejected.csv` and `sources.csv` |
# | Run time | seconds for the sample files; about a hundred MATLAB files a second and processor |
# | Seed | 0 |
#
# What each format states, what is trusted and what is refused stands in {ref}`formats`; where to get records, and on which terms, in {ref}`getting-records`.

# %% tags=["parameters"]
profile: str = "quick"           # quick (a CPU, minutes) or paper (the paper's sizes, a GPU)
run: str = ""                    # folder that the notebooks of one run share; "": runs/<profile>
corpus: str = ""                 # not used on this page, which makes a corpus of its own
seed: int = 0                    # of the splits
sources: str = ""                # folder, file or archive of your records; "": the public sample files
into: str = ""                   # folder to write the corpus into; "": own_records in the run's folder
window: str = "first"            # which part of a record is kept: first (as the paper), p-onset or energy
sampling_rate_hz: float = None   # of every record [Hz]; quick 50, paper 100
window_s: float = None           # length of every record [s]; quick 60, paper 60

# %%
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from tng import figures, quality, readers, remote, runs, spectra, standard
from tng.ingest import ingest

here = runs.start(globals())
figures.use_style()
target = Path(into) if into else here.path("own_records")


def own_records():
    """The corpus of the records and what was refused; made once, opened after that."""
    files = sources or remote.collection("samples")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")                  # windows that miss shaking are shown below
        return ingest(files, target, window=window, sampling_rate_hz=here.settings.sampling_rate_hz, window_s=here.settings.window_s,
                      seed=seed, overwrite=not into, progress=False)


# %% [markdown]
# ## What was taken
#
# One line does it; the same is `tng ingest FOLDER --into CORPUS` on the command line, where a run that was stopped goes on when the command is given again.

# %% tags=["needs-samples"]
with runs.if_available():
    report = own_records()
    print(f"{report.accepted} records of {len(report.corpus.stations)} stations, {len(report.rejected)} files refused")
    table = report.corpus.metadata
    display(pd.DataFrame({
        "station": table["station_code"], "format": table["trace_source_format"],
        "raw rate [Hz]": table["trace_sampling_rate_raw_hz"].round(2),
        "band ends [Hz]": table["trace_bandlimit_hz"].round(1), "unit, by": table["trace_units_declared"].str.replace(r" \(by convention.*", " (convention)", regex=True),
        "axes in the file": table["trace_component_order_source"],
        "peak in the window [cm/s²]": table[["trace_pga_E_cmps2", "trace_pga_N_cmps2", "trace_pga_Z_cmps2"]].max(axis=1).round(1),
        "shaking kept": table["trace_energy_share"].map("{:.0%}".format), "flags": table["trace_quality_flags"].fillna(""),
    }).head(20).set_index("station"))

# %% [markdown]
# Nothing in this table was guessed. Units and axes are those that the file states (the authors' MATLAB files state neither: their convention is used, and the column says so). Where a file states its peak
# acceleration, the data had to reproduce it within 1 %. `peak change` means that resampling, here to the quick profile's 50 Hz, changed the peak of a component by more than 5 %. Horizontals along the axes of an instrument, as GeoNet's, were turned to east and north.

# %% mystnb={"figure": {"caption": "The records that were taken, each with its three components drawn to the peak of the record. Real data: AFAD, ESM and GeoNet, or your own.", "name": "fig-own-records"}, "image": {"alt": "Small panels of three-component accelerograms, one a record."}} tags=["hide-input", "needs-samples"]
with runs.if_available():
    made = own_records().corpus
    rows = np.arange(len(made))[:16]
    figure, axes = figures.grid(len(rows), 4, width=10, height=1.8, sharex=True)
    for row, data, ax in zip(rows, made.waveforms(rows), axes):
        for shift, component, samples in zip((0, -1, -2), "ENZ", data):
            ax.plot(np.arange(made.samples) / made.sampling_rate_hz, 0.5 * samples / np.abs(data).max() + shift, lw=0.4, color=figures.colour(component))
        ax.set_title(f"{made.metadata['station_code'][row]}, {np.abs(data).max():.3g} cm/s²", fontsize=9)
        ax.set_yticks([0, -1, -2], list("ENZ"))
    for ax in axes[-4:]:
        ax.set_xlabel("Time [s]")
    plt.show()

# %% [markdown]
# ## What was refused, and why

# %% tags=["needs-samples"]
with runs.if_available():
    rejected = own_records().rejected
    display(pd.DataFrame([(name, why.removeprefix(f"{name}: ")) for name, why in rejected[:20]], columns=["file", "reason"]).set_index("file"))

# %% [markdown]
# Of the sample files, three hold one component only, two are raw counts whose scale nobody has declared, and one contradicts itself about a direction. A reader that took them would have had to invent something.
# `gal_per_count`, `unit`, a StationXML file beside the records and a few more declarations ({ref}`formats`) let you say what a file does not.
#
# ## Is the shaking in the window?
#
# The paper's window is the first 60 s of a file. That suits recorders that are triggered; where a file starts minutes before the earthquake, it cuts the record or misses it.

# %% mystnb={"figure": {"caption": "One real record (AFAD station 4304, east component) and the 60 s that each policy keeps of it, with the share of the horizontal Arias intensity inside. The earthquake is 287 km away.", "name": "fig-window-policies"}, "image": {"alt": "An accelerogram of six minutes with three bars that mark the windows first, p-onset and energy."}} tags=["hide-input", "needs-afad-nsmn"]
with runs.if_available():
    record = readers.read(remote.path("afad_nsmn/us20009ynd/20170720223109_4304.txt"))
    figure, ax = plt.subplots(figsize=(9, 2.8))
    ax.plot(record.times_s, record.data[0], lw=0.4, color=figures.colour("E"))
    for level, policy in zip((1.35, 1.65, 1.95), ("first", "p-onset", "energy")):
        kept = standard.standardise(record, standard.Standard(window=policy))
        start = kept.meta["trace_window_start_s"]
        ax.plot([start, start + 60], [level, level], lw=5, color="0.3", solid_capstyle="butt")
        ax.text(start + 63, level, f"{policy}: {kept.meta['trace_energy_share']:.0%}", va="center", fontsize=9)
    ax.set_xlabel("Time [s]")
    ax.set_ylabel("E [cm/s²]")
    plt.show()

# %% tags=["needs-afad-nsmn"]
with runs.if_available():
    kept = {}
    for station in ("0921", "4304", "5405"):
        record = readers.read(remote.path(f"afad_nsmn/us20009ynd/20170720223109_{station}.txt"))
        kept[station] = {policy: standard.standardise(record, standard.Standard(window=policy)).meta["trace_energy_share"]
                         for policy in ("first", "p-onset", "energy")}
    display(pd.DataFrame(kept).T.round(2).rename_axis("shaking kept"))

# %% [markdown]
# For such distant earthquakes the S waves come more than a minute after P, so no window of 60 s from P on can hold them: `energy` looks for the strongest part instead. For records of earthquakes within
# some 200 km, `p-onset` gives every record the same beginning.
#
# ## What the checks say of one record

# %% tags=["needs-afad-nsmn"]
with runs.if_available():
    record = readers.read(remote.path("afad_nsmn/us20009ynd/20170720223109_4304.txt"))
    display(quality.check(record, quality.Thresholds(), standard.standardise(record, 100.0, 60.0)).table())

# %% [markdown]
# A check that refuses keeps the record out; one that flags lets it in and names itself in the column `trace_quality_flags`. Every threshold is a setting with a physical meaning ({ref}`formats`).
#
# ## HVSR of the records, as far as their band goes

# %% mystnb={"figure": {"caption": "HVSR of each record that was taken, from 1 Hz to 20 Hz or to four fifths of the record's usable band. The dot is the largest value, f0 by the paper's rule. Single records are noisy.", "name": "fig-own-hvsr"}, "image": {"alt": "HVSR curves of the ingested records, one panel a record, each with a dot at its maximum."}} tags=["hide-input", "needs-samples"]
with runs.if_available():
    made = own_records().corpus
    rows = np.arange(len(made))[:16]
    figure, axes = figures.grid(len(rows), 4, width=10, height=1.9, sharey=True)
    for row, ax in zip(rows, axes):
        end_hz = min(20.0, 0.8 * made.metadata["trace_bandlimit_hz"][row])
        freq_hz, curve = spectra.hvsr(made.waveforms([row]), made.sampling_rate_hz, band_hz=(1.0, end_hz))
        figures.plot_curves(freq_hz, curve, ax, name="held-out")
        figures.log_frequency(ax, 1.0, 20.0)
        ax.plot(spectra.f0(freq_hz, curve), curve.max(), "o", color=figures.colour("published"))
        ax.set_title(made.metadata["station_code"][row], fontsize=9)
    plt.show()

# %% [markdown]
# ## From here to a generator
#
# ```bash
# tng ingest downloads/ --into corpora/mine        # sampling rate, window, checks: tng ingest --help
# tng corpus info corpora/mine                     # what is in it; report.html has the pictures
# papermill notebooks/02_phase0.ipynb out.ipynb -p profile paper -p corpus corpora/mine -p run runs/mine
# ```
#
# A handful of records trains nothing: the published method needs at least five training records for each station it generates for, and some thirty before its scores mean much ({ref}`your-own-records`).
#
# ## Limits
#
# Clipping is found where it is hard (a flat top); a record that was filtered after it clipped looks healthy. A wrong azimuth that the file itself states cannot be found out. The earthquake of a record whose
# file names none is inferred from the time, which is enough to keep its records together and not enough for a catalogue.
#
# ## Things to try
#
# * `sources = "path/to/your/folder"`: a zip will do.
# * `window = "energy"`: which records change, and what does it do to their HVSR?
# * Rename a `.txt` to `.dat`, delete a line, exchange two components of a K-NET trio: what does the page say?
