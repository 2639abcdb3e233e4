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
# (engineering-report)=
# # Engineering report: one station, everything
#
# What an earthquake engineer asks before using generated records for a site: are they as strong, as long, as rich in each frequency and as
# different from one another as recorded ones, do they show the site, and are they new? One station, one generator, one page; any
# generator will do, and its records may come from a file.
#
# What it finds for TimesNet-Gen on the book's synthetic records: the shape of the site's HVSR is there, and little else. The records
# are weaker at short periods and much longer than held-out ones, vary too little from one to the next, and each is a mixture of five training records.
#
# | At a glance | |
# |---|---|
# | Reproduces | nothing of the paper: it looks at one station and its HVSR only |
# | Needs | the corpus of {ref}`data`; the generated records of {ref}`phase1`, or of any other generator |
# | Makes | nothing but this page |
# | Run time | quick: half a minute on one core; paper: about a minute |
# | Seed | 0 |

# %% tags=["parameters"]
profile: str = "quick"               # quick or paper
run: str = ""                        # folder that the notebooks of one run share; "": runs/<profile>
corpus: str = ""                     # folder of the records; "": <run>/corpus
seed: int = 0                        # of the intervals, and of baselines that are made here
station: str = ""                    # code of the station; "": the first of the run's stations
generator: str = "timesnet-gen"      # timesnet-gen, described, zero-shot, vae or a baseline; or a corpus, folder or file of records
generated_records: int = None        # of baselines that are made here; quick 50, paper 50

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from tng import config, figures, intensity, peaks, response, runs, spectra
from tng.recordset import RecordSet, same_kind
from tng.scoring import f0, novelty, residuals, scoreboard

here = runs.start(globals())
figures.use_style()
data = here.corpus()
station = station or here.stations(data)[0]


def records_of(generator):
    """The records of a generator for the station, and what to call it."""
    name = ({kept: name for kept, (_, name) in runs.TRAINED.items()} | runs.NULLS).get(generator, generator)
    if f"generated/{generator}" in runs.MADE_BY:                  # kept by an earlier notebook
        here.generated(generator)                                 # an error if from another corpus
        return RecordSet.of(here.need(f"generated/{generator}"), name, stations=[station]), name
    if generator in runs.GENERATORS:                              # a baseline: made now
        made = runs.load_generator(generator, here.folder, here.corpus_folder)
        return RecordSet.of({station: made.sample(station, here.settings.generated_records, here.settings.seed)}, name), name
    path = Path(generator).expanduser()                           # somebody's records
    if not path.exists():
        raise runs.RunError(f"no generator and no file {generator!r}: {config.nearest(generator, runs.GENERATORS)}")
    name = figures.plain(path.name) if path.name not in ("held-out", "training") else "generated"
    return RecordSet.of(path, name, stations=[station]), name


generated, name = records_of(generator)
held_out, training = (RecordSet.of(data, split, split=split, stations=[station]) for split in ("test", "train"))
same_kind([held_out, generated])
rate, window_s = held_out.sampling_rate_hz, held_out.data.shape[2] / held_out.sampling_rate_hz
sets = {"held-out": held_out, "training": training, name: generated}


def span(values, digits):
    """Smallest and largest known value, for a table."""
    return f"{np.nanmin(values):.{digits}f}–{np.nanmax(values):.{digits}f}" if np.isfinite(values).any() else "–"


print(f"station {station}: records of {window_s:g} s at {rate:g} Hz")
pd.DataFrame.from_dict({label: {
    "records": len(x), "earthquakes": len(set(x.event)) if x.events_known and x is not generated else "–",
    "magnitude": span(x.magnitude, 1), "distance [km]": span(x.distance_km, 0)} for label, x in sets.items()}, orient="index")

# %% [markdown]
# *Held-out* are records of the station whose earthquakes no generator has seen; *training* are those that it may have learned from. In
# the book all of them are synthetic.
#
# ## In short
#
# Every measure of every record, the geometric mean of the two horizontals (kappa: their arithmetic mean). *Ratio* is generated /
# held-out, of geometric means; *scatter* is the ratio of the standard deviations of the logarithms. Both are 1 for an ideal generator;
# brackets are 95 % intervals, drawn by earthquake, and an interval that does not hold 1 is a difference that chance explains in one case of twenty.

# %%
tables = {label: intensity.measures(x.data, rate) for label, x in sets.items()}
columns = [column for column in tables[name] if column != "kappa_s" and all((x[column] > 0).all() for x in tables.values())]
ln = {label: residuals.logarithms(table[columns], label) for label, table in tables.items()}
events = held_out.event, generated.event
found = residuals.residuals(ln["held-out"], ln[name], *events, values=columns, seed=here.settings.seed)


def three(values):
    """Median and 16-84 %, for a table."""
    low, middle, high = np.nanpercentile(values, [16, 50, 84])
    return f"{middle:.3g} [{low:.2g}–{high:.2g}]"


def ratios(one):
    """Bias as a factor and ratio of the scatters, with their intervals, for a table."""
    return {"ratio [95 %]": "{:.2f} [{:.2f}, {:.2f}]".format(*np.exp(one[["bias", "bias_low", "bias_high"]])),
            "scatter [95 %]": "{:.2f} [{:.2f}, {:.2f}]".format(*one[["spread_ratio", "spread_ratio_low", "spread_ratio_high"]])}


rows = {what: {f"{label}, median [16–84 %]": three(tables[label][column]) for label in ("held-out", name)}
        | (ratios(found.loc[column]) if column in columns else {})
        for column, what in figures.LABELS.items() if not any(x[column].isna().all() for x in tables.values())}
sizes = np.abs(generated.data).max(axis=(1, 2)), np.abs(generated.data).max(axis=2)[:, 0], generated.data.std(axis=(1, 2))
if min(np.log(size).std() for size in sizes) < 0.02:
    print(f"All records of {name} are equally strong: they look normalised. Whatever has cm in its unit means nothing for them; "
          "HVSR, durations and Tm do.")
pd.DataFrame.from_dict(rows, orient="index").fillna("–")


# %% [markdown]
# In the book's run the generated records have less than half of the peak acceleration and velocity, less than half of their scatter, and
# twice the duration. Tm, which knows neither strength nor time, is right.
#
# ## In time
#
# The record with the median Arias intensity of either set, so that neither looks stronger than its set is. Velocity and displacement are
# integrated after a high-pass at 0.05 Hz; in weak records the displacement is noise. Look at the scales, which differ, at the number of
# bursts, and at how soon the shaking ends.

# %% mystnb={"figure": {"caption": "Acceleration, velocity and displacement of one held-out record (black, above) and one generated record (coloured, below): those of median Arias intensity. The three components of a quantity share a scale; peaks are written in.", "name": "fig-report-motion"}, "image": {"alt": "Eighteen traces: three components of acceleration, velocity and displacement of a held-out and a generated record."}} tags=["hide-input"]
def median_record(label):
    """The record of median Arias intensity (3, samples)."""
    order = np.argsort(tables[label]["arias_cmps"].to_numpy(), kind="stable")
    return sets[label].data[order[len(order) // 2]].astype(float)


figure, axes = plt.subplots(6, 3, figsize=(10.5, 8.6), sharex=True)
start = round(intensity.PADDING_S * rate)
for panels, label, title in ((axes[:3], "held-out", "Held-out"), (axes[3:], name, "Generated")):
    one = median_record(label)
    motion = one, *(x[:, start:start + one.shape[1]] for x in intensity.velocity_and_displacement(one, rate))
    figures.plot_motion(motion, rate, panels, name=label, title=title)
for ax in axes[2]:
    ax.set_xlabel("")
plt.show()

# %% mystnb={"figure": {"caption": "North components of the same two records: spectrograms, each relative to its own peak, and traces with their envelopes (smoothed over 1 s).", "name": "fig-report-spectrogram"}, "image": {"alt": "Spectrogram and envelope of a held-out and of a generated record."}} tags=["hide-input"]
figures.spectrogram_panels({label: median_record(label)[1] for label in ("held-out", name)}, rate)
plt.show()

# %% [markdown]
# The spectrogram shows whether high frequencies die out first, as they do in recorded motion, and whether there is one onset or several: an
# average of records that start at different times has several. The next figure looks at all records.

# %% mystnb={"figure": {"caption": "Left: Husid curves of the north components, from where each reaches 5 %; thin: single records, thick: median; dotted: 5, 75 and 95 %. Right: median and 16\u201384 % of the smoothed envelopes, each divided by its peak, from the start of the record.", "name": "fig-report-husid"}, "image": {"alt": "Husid curves and envelopes of held-out and generated records."}} tags=["hide-input"]
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.8))
for label in ("held-out", name):
    figures.plot_husid(intensity.husid(sets[label].data[:, 1].astype(float)), rate, left, name=label)
left.legend(loc="lower right")
figures.plot_envelopes({label: sets[label].data[:, 1] for label in ("held-out", name)}, rate, right)
plt.show()

# %% [markdown]
# The significant durations D5–75 and D5–95 of the table are where these curves cross the dotted lines. A thick curve further to the right is
# shaking that lasts longer, as in the book's run.
#
# ## The site
#
# HVSR with the Konno–Ohmachi window {cite:p}`konno1998ground`, $b = 40$, the lognormal median and its standard deviation. The peak of the
# median curve is judged by the criteria of SESAME (2004): three ask whether the curve can be relied on, six whether the peak is clear.
# They were made for ambient noise; here a record stands for a window.

# %% mystnb={"figure": {"caption": "HVSR of single records (thin), lognormal median (thick) and median \u00d7/\u00f7 one standard deviation (dashed); the dotted line is the largest value of the median, with the verdict of SESAME's criteria.", "name": "fig-report-hvsr"}, "image": {"alt": "HVSR curves of held-out and of generated records with the site frequency marked."}} tags=["hide-input"]
high_hz = min(20.0, 0.4 * rate)
centres_hz = np.geomspace(max(0.5, 1 / window_s), high_hz, 200)
curves = {label: spectra.hvsr(sets[label].data, rate, smoothing="konno-ohmachi", centres_hz=centres_hz)[1]
          for label in ("held-out", name)}
site = {label: peaks.site_peak(centres_hz, x, window_s) for label, x in curves.items()}
figure, axes = plt.subplots(1, 2, figsize=(10.5, 4), sharey=True)
for ax, (label, peak) in zip(axes, site.items()):
    figures.plot_hvsr(centres_hz, curves[label], ax, name=label, smoothing="Konno–Ohmachi, b = 40", f0_hz=peak.f0_hz,
                      verdict=peak.verdict)
axes[0].legend(loc="lower left")
axes[1].set_ylabel("")
plt.show()

# %%
criteria = {label: peak.table().set_index(["of", "criterion"]) for label, peak in site.items()}
pd.concat({label: table["found"] + table["met"].map({True: " ✓", False: " ✗"}) for label, table in criteria.items()}, axis=1)

# %% [markdown]
# Where the two verdicts agree, a site study would come to the same conclusion from either set. Narrower dashed lines on the right mean that
# generated records agree with each other more than recorded ones do, as they do in the book's run.
#
# Below, the $f_0$ of single records by the paper's rule: the largest HVSR between 1 and 20 Hz, with the paper's wider window. Where SESAME finds
# no clear peak, this $f_0$ jumps from one maximum of the curve to another, and its median says little.

# %% mystnb={"figure": {"caption": "Site frequency of single records by the paper's rule, on logarithmic bins, with a kernel density; above, the medians and their 95 % intervals by earthquake.", "name": "fig-report-f0"}, "image": {"alt": "Histograms of the site frequency of held-out and generated records with medians above."}} tags=["hide-input"]
band_hz = (1.0, high_hz)
lists = {label: spectra.f0(*spectra.hvsr(sets[label].data, rate, band_hz=band_hz)) for label in ("held-out", name)}
law = {label: f0.lognormal_f0(x, sets[label].event, seed=here.settings.seed) for label, x in lists.items()}
ax = plt.subplots(figsize=(7, 3.8))[1]
figures.plot_f0_density(lists, ax, band_hz=band_hz, intervals={label: one.median_interval_hz for label, one in law.items()})
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
plt.show()

# %%
pd.DataFrame.from_dict({label: {
    "median f0 [Hz] [95 %]": "{:.2f} [{:.2f}, {:.2f}]".format(one.median_hz, *one.median_interval_hz),
    "sigma of ln f0 [95 %]": "{:.2f} [{:.2f}, {:.2f}]".format(one.sigma_ln, *one.sigma_ln_interval),
    "different values": f"{one.distinct} of {one.records}",
    "at an edge of the band": int(spectra.at_edge(lists[label], band_hz).sum()),
} for label, one in law.items()}, orient="index")

# %% [markdown]
# ## Spectra
#
# Fourier amplitudes first: the effective amplitude spectrum (EAS) of the horizontals, which does not depend on how the sensor was turned.
# Then what a building feels: the 5 % damped response spectrum, RotD50.

# %% mystnb={"figure": {"caption": "Effective amplitude spectra, smoothed with the Konno\u2013Ohmachi window (b = 40): lognormal median and one standard deviation either side.", "name": "fig-report-eas"}, "image": {"alt": "Median effective amplitude spectra of held-out and generated records with their spread."}} tags=["hide-input"]
ends = np.log10([max(0.1, 1 / window_s), min(50.0, 0.45 * rate)])
eas_hz = 10.0 ** (np.arange(np.ceil(50 * ends[0]), np.floor(50 * ends[1]) + 1) / 50)      # 50 a decade, 1 Hz among them
eas = {label: spectra.eas(sets[label].data, rate, eas_hz) for label in ("held-out", name)}
ax = plt.subplots(figsize=(7, 4))[1]
for label, x in eas.items():
    figures.plot_eas(eas_hz, x, ax, name=label)
ax.legend()
plt.show()

# %% mystnb={"figure": {"caption": "Response spectra PSA, RotD50, 5 % damping: median and 16\u201384 % of held-out and of generated records; below, their ratio.", "name": "fig-report-psa"}, "image": {"alt": "Median response spectra with bands, and their ratio below."}} tags=["hide-input"]
shortest_s = max(0.01, 2 / rate)
periods_s = 10.0 ** (np.arange(np.ceil(20 * np.log10(shortest_s)), 21) / 20)            # 20 a decade, 1 s among them
psa = {label: response.rotd(sets[label].data.astype(float), rate, periods_s, percentiles=(50,))[..., 0]
       for label in ("held-out", name)}
figures.plot_psa(periods_s, psa, plt.subplots(2, 1, figsize=(7, 6), sharex=True, height_ratios=(2, 1))[1])
plt.show()

# %% mystnb={"figure": {"caption": "Mean logarithmic residuals of PSA (left) and EAS (right), generated against held-out, with 95 % intervals by earthquake; the right axis has the factor. Dotted: scatter of single records.", "name": "fig-report-residuals"}, "image": {"alt": "Residuals of response spectra over period and of Fourier spectra over frequency, with intervals."}} tags=["hide-input"]
over = {what: residuals.residuals(np.log(x["held-out"]), np.log(x[name]), *events, values=at, seed=here.settings.seed)
        for what, x, at in (("PSA", psa, periods_s), ("EAS", eas, eas_hz))}
figure, axes = plt.subplots(1, 2, figsize=(10.5, 4))
for ax, (what, table), axis in zip(axes, over.items(), ("period", "frequency")):
    figures.plot_residuals(table.index, table["bias"], table["bias_low"], table["bias_high"], ax, name=name, over=axis,
                           quantity=what, sigma=(table["spread_real"], table["spread_generated"]))
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
plt.show()

# %%
rows = {}
for what, table, unit, wanted in (("PSA", over["PSA"], "s", (0.1, 0.3, 1, 3, 10)), ("EAS", over["EAS"], "Hz", (0.3, 1, 3, 10))):
    for at in table.index[[np.abs(np.log(table.index / x)).argmin() for x in wanted]]:
        rows[f"{what} at {at:.2g} {unit}"] = ratios(table.loc[at])
pd.DataFrame.from_dict(rows, orient="index")

# %% [markdown]
# A band that stays on one side of zero is a bias; above zero at long periods it tells of noise or drift that recorded motion does not have.
# The generator's dotted lines closer together than the black ones mean records that are too much alike: the 84 % spectrum, which designs are
# made for, comes out too low even without a bias. In the book's run there is a bias at short periods, the other way at the longest, and more than half of the scatter is missing up to 3 s.
#
# ## Strength and length, record by record

# %% mystnb={"figure": {"caption": "Six intensity measures. Left of each pair: share of records that do not exceed a value. Right: quantiles of generated against those of held-out records; on the line the two laws agree.", "name": "fig-report-measures"}, "image": {"alt": "Distribution functions and quantile plots of six intensity measures."}} tags=["hide-input"]
figures.measure_panels(tables, name=name)
plt.show()

# %% [markdown]
# Points on a parallel below the line are records that are weaker by one factor; a flatter slope is a scatter that is too small. In the book's
# run the slopes are flat: the strongest records, which matter for design, are missing.

# %% mystnb={"figure": {"caption": "Measures against each other, a point a record: PGA and PGV; Arias intensity and duration. r is the correlation of the logarithms.", "name": "fig-report-pairs"}, "image": {"alt": "Scatter plots of peak velocity against peak acceleration and of duration against Arias intensity."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.2))
for ax, pair in zip(axes, (("pga_cmps2", "pgv_cmps"), ("arias_cmps", "d595_s"))):
    figures.plot_pairs(tables, *pair, ax)
plt.show()

# %% mystnb={"figure": {"caption": "Correlation of ln PSA between periods, over records: held-out, generated, and the difference. One everywhere would mean that all spectra have one shape.", "name": "fig-report-correlation"}, "image": {"alt": "Three matrices of correlations between periods."}} tags=["hide-input"]
together = {label: residuals.correlations(np.log(x)) for label, x in psa.items()}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.5))
difference = together[name] - together["held-out"]
for ax, matrix, title in zip(axes, (*together.values(), difference), ("Held-out", "Generated", "Generated − held-out")):
    figures.plot_correlation(periods_s, matrix, ax, title=title, difference=matrix is difference)
for ax in axes[1:]:
    ax.set_ylabel("")
plt.show()

# %% mystnb={"figure": {"caption": "PGA (left) and PSA at 1 s (right) of held-out records against distance; the colour is magnitude. Generated records have neither: their median and 16\u201384 % are drawn across.", "name": "fig-report-distance"}, "image": {"alt": "Peak acceleration and response at one second against distance, with a band for generated records."}} tags=["hide-input"]
figure, axes = plt.subplots(1, 2, figsize=(11, 3.9))
second = int(np.abs(np.log(periods_s)).argmin())
values = {"PGA [cm/s²]": {label: tables[label]["pga_cmps2"].to_numpy() for label in ("held-out", name)},
          "PSA at 1 s [cm/s²]": {label: x[:, second] for label, x in psa.items()}}
for ax, (what, x) in zip(axes, values.items()):
    about = pd.DataFrame({"distance_km": held_out.distance_km, "magnitude": held_out.magnitude, "value": x["held-out"]})
    figures.plot_attenuation(about, ax, ylabel=what, generated=x[name], name=name)
plt.show()

# %% [markdown]
# **Beyond the elastic range.** How far does a bilinear oscillator go that yields at 1/R of its own elastic demand? Ductility knows no amplitude: it asks whether the *shape* of the motion, its pulses and its length, does
# to a structure what recorded motion does. Medians over both horizontals of all records, 16–84 %.

# %%
yielding_s, strengths = (0.2, 0.5, 1.0, 2.0), (2.0, 4.0, 6.0)
demand = {label: response.ductility(x.data[:, :2].reshape(-1, x.data.shape[2]), rate, yielding_s, strengths)
          for label, x in sets.items() if label != "training"}
pd.DataFrame({label: {f"T {period:g} s, R {strength:g}": three(x[:, i, j]) for i, period in enumerate(yielding_s)
                      for j, strength in enumerate(strengths)} for label, x in demand.items()})

# %% [markdown]
# A generator that knows only the station gives records of no particular earthquake: they cannot be asked for magnitude and distance. The
# coloured band says which part of the recorded range they fill.
#
# ## Are they new?
#
# Each record is laid beside all training records, at whatever shift in time fits best. Held-out records, which nobody has learned from,
# show how alike two records of a station are anyway. Then each is explained as a mixture of training records with non-negative weights.

# %% mystnb={"figure": {"caption": "How far each record is from the training record it is most like: one minus the largest correlation of all three components at any shift. Vertical lines: medians; dotted: nearer than 99 % of the held-out records.", "name": "fig-report-nearest"}, "image": {"alt": "Histograms of the distance to the nearest training record for held-out and generated records."}} tags=["hide-input"]
closest = {label: novelty.nearest(sets[label].data, training.data, sampling_rate_hz=rate, turned=False)
           for label in ("held-out", name)}
ax = plt.subplots(figsize=(7, 3.6))[1]
figures.plot_nearest({label: 1 - alike for label, (alike, _, _) in closest.items()}, ax,
                     xlabel="1 − largest correlation with a training record [-]")
plt.show()

# %% mystnb={"figure": {"caption": "The generated record that is most like a training record (coloured), over that record (grey), moved to the shift that fits best: ten seconds of the stronger horizontal, each divided by its peak.", "name": "fig-report-pair"}, "image": {"alt": "A generated trace over the nearest training trace."}} tags=["hide-input"]
alike, index, lag = closest[name]
most = int(alike.argmax())
new, old = generated.data[most].astype(float), training.data[index[most]].astype(float)
component = int(np.abs(new[:2]).max(axis=1).argmax())
sign = np.sign(np.vdot(np.roll(old, lag[most], axis=1), new)) or 1.0
middle = np.clip(np.abs(new[component]).argmax() / rate, 4, max(4, window_s - 6))
ax = plt.subplots(figsize=(10.5, 2.8))[1]
lag_s = lag[most] / rate
figures.plot_nearest_pair(new[component], sign * old[component], rate, ax, name=name, lag_s=lag_s,
                          window_s=(middle - 4, middle + 6), title=f"correlation {alike[most]:.2f}, shift {lag_s:.2f} s")
plt.show()

# %%
parts = {label: novelty.explained(sets[label].data, training.data) for label in ("held-out", name)}
pd.DataFrame.from_dict({label: {
    "correlation with the nearest, median": np.median(closest[label][0]), "the largest": closest[label][0].max(),
    "variance explained by a mixture, median": table["r2"].median(),
    "training records that matter in it, median": table["records"].median(),
} for label, table in parts.items()}, orient="index").round(2)

# %%
if any(generated.ancestors):
    stated = novelty.ancestry_check(generated.ancestors, training.trace, novelty.mixture(generated.data, training.data))
    print(f"{name} states its ancestors; the waveforms show all of them, and no others, in {stated['agrees'].mean():.0%} of the records")
else:
    print(f"{name} does not say from which records it was made")

# %% [markdown]
# If a generator's records lie well to the left of the held-out ones, they are made of training records. In the book's run a mixture of five
# explains nearly all of each: this is what averaging codes comes to, see {ref}`published-generator`. Held-out records need many others and
# are still explained badly.
#
# ## Where it stands
#
# All measures of the scoreboard for this station, beside a *replay* of single training records: real ones, but copies. The band is what two
# sets of recorded records of these sizes, of different earthquakes, reach against each other.

# %% mystnb={"figure": {"caption": "The scoreboard of this station. Blue: no further from the held-out records than other real records are; orange: outside that band, with arrows for the side; dark orange: by more than the band is wide.", "name": "fig-report-scoreboard"}, "image": {"alt": "A table of measures in rows, the generator and a replay of training records in columns, coloured by whether each value lies inside the band of real records."}} tags=["hide-input"]
replayed, _ = records_of("replay")
board = scoreboard(training, held_out, {name: generated, "replay": replayed}, stations=[station], seed=here.settings.seed)
figures.scoreboard_panel(board)
plt.show()

# %% [markdown]
# A generator should be blue in every group. In the book's run TimesNet-Gen comes closest under *site*, and lies outside on most lines of the
# other groups. Replay hands out real records, so it does well (but for what one draw with repetitions lacks in scatter) until *novelty*, where it must fail.
#
# ## Limits
#
# * One station, and as many held-out records as it has: the intervals say how little that can be. Records of one earthquake are drawn
#   together, so few earthquakes make wide intervals.
# * Differences are of sets. No generated record belongs to a recorded one; the two goodness-of-fit scores, which were made for such pairs, are means over pairs at random, and see little.
# * Records that were normalised before training have no amplitude: PGA, PGV, PGD, Arias intensity, CAV, EAS and PSA then mean nothing, and only
#   shapes can be judged. The page says so if all peaks, or all root mean squares, are the same.
# * Periods above a few seconds, and frequencies near the end of the band, are as good as the filters of the records.
# * The book's records are synthetic, with a plain point source: real ones vary more.
# * SESAME's criteria are stricter on records of many earthquakes than on ambient noise, for which they were made.
#
# ## Things to try
#
# * `generator = "replay"`: real records of the station again. Which differences remain, and what does *Are they new?* say?
# * `generator = "stochastic"` or `"phase-envelope"`: what can be had without any network?
# * Another `station`. Does the same generator fail in the same way?
# * `generator = "my_records"`, a folder of files in any format of {ref}`formats`, or a corpus: the same page for your own generator. The
#   records must be of the same length and rate, and name the station.
