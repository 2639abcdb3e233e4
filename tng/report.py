"""The report beside a corpus: what it holds, in pictures and tables.

A function a section says what is known, and in a sentence what is not; :mod:`tng.pages` writes it down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import fft

from tng import spectra
from tng.catalogue import distance_km
from tng.corpus import Corpus
from tng.layout import REJECTED, SPLITS
from tng.pages import HEIGHT, Picture, Section, as_html, as_markdown, png, tables
from tng.smoothing import matrix

F0_STATIONS, F0_RECORDS = 200, 50        # most stations, and records of each, of which f0 is computed
F0_CENTRES_HZ = np.geomspace(*spectra.BAND_HZ, 150)  # 2 % apart
TRUSTED_SHARE = 0.8                      # of the band limit; above it the anti-alias filter speaks
RESOLUTION_S = 60.0                      # shorter records are padded to this, so that 1 Hz is resolved
EMPTY = 1.0                              # inches, of a picture that has only a sentence to show
MADE = {"synthetic": "synthetic", "simulated": "synthetic", "generated": "synthetic", "augmented": "augmented"}
OPEN_LICENCE = re.compile(r"\bCC[ -]?BY\b(?!.{0,8}\bN[CD]\b)|\bCC ?0\b|creative commons attribution|public domain|\bMIT\b"
                          r"|\bapache\b|\bODC\b|\bODbL\b", re.IGNORECASE)
CLOSED_LICENCE = re.compile(r"\b(no|not|non|forbidden|prohibited|unknown|without)\b", re.IGNORECASE)
FLAGS = {                                # of tng.quality, for somebody who has not read it
    "units": "nothing says which unit the samples were in",
    "largest peak": "a peak larger than nearly all that were ever recorded; the unit may be wrong",
    "response assumed": "the StationXML gives a sensitivity only; the instrument's response was taken as flat",
    "gaps": "samples were missing and filled in, or all components stand still for a while",
    "spikes": "single samples stand out from both neighbours",
    "signal to noise": "the signal-to-noise ratio was asked for but cannot be measured",
    "P onset": "the P wave arrives outside the window",
    "usable band": "the highest frequency it holds lies below the end of the H/V band",
    "padding": "a large part of the window is zeros after the record's end",
    "shaking kept": "the window misses a part of the shaking",
    "peak change": "filtering and resampling changed the peak of a component",
}
UNITS = {"m/s2", "cm/s2", "mm/s2", "m/s**2", "m/s^2", "cm/s/s", "m/s/s", "counts/s2"}  # digits that are no numbers


def write(folder: Path, rejected: Sequence[tuple[str, str]]) -> None:
    """Write ``report.html``, ``report.md`` and ``report/*.png`` into the folder of a corpus.

    The same corpus gives the same bytes.  Waveforms are read for the site frequencies only, a few at a time.

    Parameters
    ----------
    folder : path
        Of a complete corpus.
    rejected : sequence of (file, reason)
        What was refused on the way to it.
    """
    folder = Path(folder)
    corpus = Corpus.open(folder)
    title, lead = _title(corpus)
    sections = [_map(corpus), _records(corpus), _magnitudes(corpus), _sampling(corpus), _windows(corpus), _f0(corpus),
                _sources(corpus), _licences(corpus), _flags(corpus), _refusals(rejected)]
    (folder / "report").mkdir(exist_ok=True)
    pictures = {}
    for section in sections:
        if section.picture:
            pictures[section.picture.name] = png(section.picture)
            (folder / "report" / section.picture.name).write_bytes(pictures[section.picture.name])
    (folder / "report.html").write_text(as_html(title, lead, sections, pictures), encoding="utf-8", newline="\n")
    (folder / "report.md").write_text(as_markdown(title, lead, sections), encoding="utf-8", newline="\n")


# --- what the metadata say -----------------------------------------------------------------------------

def _numbers(corpus: Corpus, name: str, low: float, high: float) -> pd.Series:
    """A column as numbers, NaN for what is none or cannot be."""
    if name not in corpus.metadata:
        return pd.Series(np.nan, corpus.metadata.index)
    numbers = pd.to_numeric(corpus.metadata[name], errors="coerce").astype(float)
    return numbers.where((numbers >= low) & (numbers <= high))


def _texts(corpus: Corpus, name: str) -> pd.Series:
    """A column as text, empty where nothing is known."""
    if name not in corpus.metadata:
        return pd.Series("", corpus.metadata.index)
    return corpus.metadata[name].astype(object).fillna("").astype(str)


def _place(corpus: Corpus, of: str) -> pd.DataFrame:
    """Longitude and latitude of stations (`station`) or epicentres (`source`); NaN unless both are possible."""
    place = pd.DataFrame({f"{axis}_deg": _numbers(corpus, f"{of}_{axis}_deg", -most, most)
                          for axis, most in (("longitude", 360), ("latitude", 90))})
    return place.where(place.notna().all(axis=1))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _title(corpus: Corpus) -> tuple[str, str]:
    """The heading, which tells synthetic records from real ones, and a line on size and time."""
    made = _texts(corpus, "trace_category").str.lower().map(MADE)
    if corpus.card.get("settings", {}).get("synthetic") is True:
        made[:] = "synthetic"
    counts = made.value_counts().sort_index()
    if len(counts) == 1 and counts.iloc[0] == len(corpus):
        title = f"A corpus of {_count(len(corpus), f'{counts.index[0]} record')}"
    else:
        parts = ", ".join(f"{count:,} {'is' if count == 1 else 'are'} {name}" for name, count in counts.items())
        title = f"A corpus of {_count(len(corpus), 'record')}" + (f", of which {parts}" if parts else "")
    times = _texts(corpus, "trace_start_time").where(lambda text: text != "", _texts(corpus, "source_origin_time"))
    times = pd.to_datetime(times[times.str.match(r"\d{4}-\d\d-\d\d")], errors="coerce", utc=True, format="ISO8601").dropna()
    span = f"{times.min():%Y-%m-%d} to {times.max():%Y-%m-%d}" if len(times) else "times not known"
    events = corpus.metadata["source_id"]
    unknown = int(events.str.startswith("unknown-").sum())
    lead = (f"{_count(len(corpus.stations), 'station')}, {_count(events.nunique(), 'earthquake')}, {span}; "
            f"{corpus.samples / corpus.sampling_rate_hz:g} s at {corpus.sampling_rate_hz:g} Hz, E, N, Z, cm/s².")
    if unknown:
        lead += f" {_count(unknown, 'record')} of no known earthquake {'counts as one' if unknown == 1 else 'count as one each'}."
    return title, lead


def _map(corpus: Corpus) -> Section:
    stations, events = _stations(corpus), _epicentres(corpus)
    known = stations.dropna(subset=["longitude_deg", "latitude_deg"])
    says = []
    if not len(known):
        says.append("The coordinates of the stations are not known.")
    elif len(known) < len(stations):
        says.append(f"The coordinates of {_of(len(known), len(stations), 'station')} are known.")
    if not len(events):
        says.append("Where the earthquakes were is not known.")
    if len(known):
        says.append("The area of a circle grows with the station's number of records; crosses are epicentres, distant ones left "
                    "out." if len(events) else "The area of a circle grows with the station's number of records.")
    draw = partial(_draw, "plot_stations", known, events) if len(known) else _not_known(says[0])
    rows = [(code, one.network or "–", int(one.records), "–" if np.isnan(one.vs30) else round(one.vs30))
            for code, one in zip(stations.index, stations.itertuples())]
    return Section("Stations", says, Picture(
        "stations.png", f"Map of {_count(len(known), 'station')} and {_count(len(events), 'epicentre')}", draw,
        height=5.0 if len(known) else EMPTY), tables(("Station", "Network", "Records", "Vs30 [m/s]"), rows))


def _stations(corpus: Corpus) -> pd.DataFrame:
    """What is known of each station, those with the most records first."""
    groups = pd.DataFrame({
        "station_code": corpus.metadata["station_code"], **_place(corpus, "station"),
        "network": _texts(corpus, "station_network_code"), "vs30": _numbers(corpus, "station_vs30_mps", 1, 1e4),
    }).groupby("station_code")
    return groups.first().assign(records=groups.size()).sort_values("records", ascending=False, kind="stable")


def _epicentres(corpus: Corpus) -> pd.DataFrame:
    """Longitude and latitude of each earthquake of which they are known."""
    place = _place(corpus, "source").assign(source_id=corpus.metadata["source_id"])
    return place.groupby("source_id").first().dropna()


def _of(some: int, all_: int, what: str) -> str:
    return f"{some:,} of {_count(all_, what)}"


def _records(corpus: Corpus) -> Section:
    counts = corpus.metadata["station_code"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    split = _texts(corpus, "split")
    rows = []
    for name in [*SPLITS, *sorted(set(split) - {*SPLITS, ""})]:
        inside = corpus.metadata[split == name]
        rows.append((name, len(inside), inside["source_id"].nunique(), inside["station_code"].nunique(),
                     f"{len(inside) / len(corpus):.0%}"))
    says = [f"The median station has {_count(int(counts.median()), 'record')}, the richest {counts.max():,}.",
            "Train, dev and test share no earthquake."]
    both = corpus.metadata.assign(split=split).groupby("source_id")["split"].nunique().gt(1).sum()
    if (split == "").all():
        says[1], rows = "The records are not divided into train, dev and test.", []
    elif both:
        says[1] = f"Earthquakes on more than one side of the split: {both:,}."
    return Section("Records and splits", says, Picture(
        "records.png", "Records of each station" if len(counts) <= 40 else "How many stations have how many records",
        partial(_draw, "plot_record_counts", counts), height=max(1.6, 0.8 + 0.22 * len(counts)) if len(counts) <= 40 else 3.8),
        tables(("Split", "Records", "Earthquakes", "Stations", "Share"), rows))


def _distances(corpus: Corpus) -> tuple[pd.Series, str]:
    """Distance of each record [km], and what to call it: epicentral (stated, or by coordinates), else hypocentral."""
    station, source = _place(corpus, "station"), _place(corpus, "source")
    stated = _numbers(corpus, "path_ep_distance_km", 0, 2.1e4)
    epicentral = stated.fillna(distance_km(station["latitude_deg"], station["longitude_deg"], source["latitude_deg"], source["longitude_deg"]))
    hypocentral = _numbers(corpus, "path_hyp_distance_km", 0, 2.1e4)
    lacking = epicentral.isna() & hypocentral.notna()
    name = "Hypocentral distance [km]" if lacking.any() and epicentral.isna().all() else (
        "Epicentral distance, or hypocentral where only that is known [km]" if lacking.any() else "Epicentral distance [km]")
    return epicentral.where(~lacking, hypocentral), name


def _magnitudes(corpus: Corpus) -> Section:
    distance, xlabel = _distances(corpus)
    east, north = (_numbers(corpus, f"trace_pga_{c}_cmps2", 1e-12, 1e9) for c in "EN")
    records = pd.DataFrame({"magnitude": _numbers(corpus, "source_magnitude", -5, 12), "distance_km": distance,
                            "pga_cmps2": np.sqrt(east * north)})
    both = records.dropna(subset=["magnitude", "distance_km"])
    says = []
    for name, what in (("magnitude", "Magnitude"), ("distance_km", "Distance")):
        missing = int(records[name].isna().sum())
        if missing:
            says.append(f"{what} is not known of {'any record' if missing == len(corpus) else _count(missing, 'record')}.")
    kinds = sorted(set(_texts(corpus, "source_magnitude_type")) - {""})
    if records["magnitude"].notna().any():
        says.append(f"Magnitude types: {', '.join(kinds[:8])}{' …' if len(kinds) > 8 else ''}." if kinds else
                    "The magnitude types are not known.")
    measures = ("Magnitude", "magnitude", 1), ("Distance [km]", "distance_km", 1), ("PGA [cm/s²]", "pga_cmps2", 2)
    rows = [(what, *(f"{value:.{digits}f}" for value in records[name].dropna().quantile([0, 0.5, 1])))
            for what, name, digits in measures if records[name].notna().any()]
    return Section("Magnitude, distance, strength", says, Picture(
        "magnitude_distance.png", f"Magnitude against distance of {_count(len(both), 'record')}",
        partial(_draw, "plot_magnitude_distance", both, xlabel=xlabel) if len(both)
        else _not_known("Magnitude and distance are not both known of any record."), height=HEIGHT if len(both) else EMPTY),
        tables(("", "Smallest", "Median", "Largest"), rows))


def _sampling(corpus: Corpus) -> Section:
    raw, limit = _numbers(corpus, "trace_sampling_rate_raw_hz", 1e-3, 1e6), _numbers(corpus, "trace_bandlimit_hz", 1e-3, 1e6)
    nyquist = corpus.sampling_rate_hz / 2
    narrow = limit < nyquist * (1 - 1e-9)
    if narrow.any():
        says = [f"The band of {_of(int(narrow.sum()), len(corpus), 'record')} ends below the corpus' Nyquist frequency of "
                f"{nyquist:g} Hz: above its end they hold nothing, whatever their spectra show."]
    elif limit.notna().any():
        says = [f"The records can be used up to the corpus' Nyquist frequency of {nyquist:g} Hz."]
    else:
        says = ["Up to which frequency the records can be used is not known."]
    if limit.notna().any() and limit.isna().any():
        says.append(f"The band limit of {_count(int(limit.isna().sum()), 'record')} is not known.")
    if raw.isna().all():
        says.append("The sampling rates of the original records are not known.")

    def draw(axes) -> None:
        from tng import figures

        for ax, values, what in ((axes[0], raw, "raw sampling rate"), (axes[1], limit, "usable band limit")):
            counts = values.dropna().round(3).value_counts().sort_index()
            labels, heights = _few([f"{value:g} Hz" for value in counts.index], counts.tolist())
            if labels:
                figures.plot_bars(labels, heights, ax, xlabel=f"Records, by {what}")
            else:
                figures.say(ax, f"{what.capitalize()}: not known.")

    widths = {f"{rate:g} Hz": limit[narrow & (raw.round(3) == rate)] for rate in sorted(set(raw.dropna().round(3)))}
    rows = [(name, len(limits), f"{limits.min():g}–{limits.max():g}" if limits.min() < limits.max() else f"{limits.min():g}")
            for name, limits in widths.items() if len(limits)]
    known = raw.notna().any() or limit.notna().any()
    return Section("Sampling and band", says, Picture(
        "sampling.png", "Records by raw sampling rate and by usable band limit", draw, height=3.0 if known else EMPTY, panels=2),
        tables(("Raw sampling rate", "Records with a narrower band", "Band ends at [Hz]"), rows))


def _few(labels: list[str], counts: list[int], most: int = 12) -> tuple[list[str], list[int]]:
    """The most frequent ones, in their order, and the rest as one."""
    if len(labels) <= most:
        return labels, counts
    kept = sorted(sorted(range(len(counts)), key=lambda i: (-counts[i], i))[:most - 1])
    return ([*(labels[i] for i in kept), f"{len(labels) - len(kept)} others"],
            [*(counts[i] for i in kept), sum(counts) - sum(counts[i] for i in kept)])


def _windows(corpus: Corpus) -> Section:
    share, snr = _numbers(corpus, "trace_energy_share", 0, 1 + 1e-6), _numbers(corpus, "trace_snr", 1e-6, 1e9)
    asked = corpus.card.get("settings", {}).get("smallest_energy_share")
    asked = asked if isinstance(asked, float) and 0 <= asked <= 1 else 0.8
    missed = share[share < asked].sort_values(kind="stable")
    policies = sorted(set(_texts(corpus, "trace_window")) - {""})
    says = []
    if policies:
        says.append(f"Where the window lies: {', '.join(policies[:4])}; {corpus.samples / corpus.sampling_rate_hz:g} s long.")
    if share.notna().any():
        says.append(f"Windows that miss a part of the shaking, because they keep less than {asked:.0%} of the record's "
                    f"horizontal Arias intensity: {len(missed):,} of {len(corpus):,}." if len(missed) else
                    f"Every window keeps at least {asked:.0%} of the horizontal Arias intensity of its record"
                    + (", where that is known." if share.isna().any() else "."))
    else:
        says.append("How much of the shaking the windows keep is not known.")
    if snr.notna().sum() == 0:
        says.append("The signal-to-noise ratio is not known; it is measured only where it is asked for.")
    files = _texts(corpus, "trace_source_file")
    rows = [(files[row] or corpus.metadata["trace_name"][row], corpus.metadata["station_code"][row], f"{value:.1%}")
            for row, value in missed.items()]

    def draw(axes) -> None:
        from tng import figures

        if share.notna().any():
            figures.plot_histogram(share.dropna(), np.linspace(0, 1, 41), axes[0], threshold=asked,
                                   xlabel="Share of the Arias intensity in the window")
        else:
            figures.say(axes[0], "Share of the shaking in the window: not known.")
        if snr.notna().any():
            figures.plot_histogram(snr.dropna(), np.geomspace(*_decades(snr.dropna()), 33), axes[1], log=True,
                                   xlabel="Signal-to-noise ratio (rms)")
        else:
            figures.say(axes[1], "Signal-to-noise ratio: not known.")

    known = share.notna().any() or snr.notna().any()
    return Section("Windows", says, Picture(
        "windows.png", "Share of the shaking that the windows keep, and signal-to-noise ratios", draw,
        height=3.2 if known else EMPTY, panels=2), tables(("Windows that keep least", "Station", "Share"), rows, 10))


def _decades(values: pd.Series) -> np.ndarray:
    """The powers of ten around positive values, from 0.1 to 10⁶ at most."""
    exponents = np.log10(values.clip(0.1, 1e6))
    low = min(np.floor(exponents.min()), 5)
    return 10.0 ** np.array([low, max(np.ceil(exponents.max()), low + 1)])


# --- site frequency ------------------------------------------------------------------------------------

def site_frequencies(corpus: Corpus) -> tuple[dict[str, np.ndarray], int]:
    """f0 of some records of each station [Hz], and how many of those looked at have none.

    The paper's recipe (:func:`tng.spectra.hvsr`) at 150 frequencies only: the largest H/V between 1 Hz and
    20 Hz, or 80 % of the record's band limit.  A maximum at an end of that band is no peak and gives no f0.
    The first 50 records of the 200 stations with the most are looked at.
    """
    nyquist_hz = corpus.sampling_rate_hz / 2
    stated_hz = _numbers(corpus, "trace_bandlimit_hz", 1e-3, 1e6).fillna(nyquist_hz)
    limit_hz = TRUSTED_SHARE * stated_hz.clip(upper=nyquist_hz).to_numpy()
    code = corpus.metadata["station_code"]
    chosen = code[code.isin(corpus.main_stations(F0_STATIONS))].groupby(code).head(F0_RECORDS).index.to_numpy()
    length = fft.next_fast_len(max(corpus.samples, round(RESOLUTION_S * corpus.sampling_rate_hz)), real=True)
    freq_hz = fft.rfftfreq(length, 1 / corpus.sampling_rate_hz)
    near = slice(*np.searchsorted(freq_hz, [F0_CENTRES_HZ[0] / 2, 2 * F0_CENTRES_HZ[-1]]))   # 6 sigma of the smoothing
    found = np.full(len(corpus), np.nan)
    centres_hz = F0_CENTRES_HZ[F0_CENTRES_HZ <= nyquist_hz]
    if centres_hz.size:
        smoothing = matrix(freq_hz[near], centres_hz).astype(np.float32)
        for rows, data in corpus.batches(chosen, max(1, 400_000 // corpus.samples)):
            spectrum = fft.rfft(_without_line(data), length, axis=-1)[..., near]
            found[rows] = _f0_of(spectrum, smoothing, centres_hz, limit_hz[rows])
    lists = {station: values[~np.isnan(values)] for station in sorted(set(code[chosen]))
             if not np.isnan(values := found[chosen[(code[chosen] == station).to_numpy()]]).all()}
    return lists, int(np.isnan(found[chosen]).sum())


def _without_line(data: np.ndarray) -> np.ndarray:
    """Each component without its straight line, scaled by the record's peak; twenty times as fast as `scipy.signal.detrend`."""
    data = data / np.maximum(np.abs(data).max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    line = np.linspace(-1, 1, data.shape[-1], dtype=np.float32)
    line /= np.linalg.norm(line)
    data -= data.mean(axis=-1, keepdims=True)
    data -= (data @ line)[..., None] * line
    return data


def _f0_of(spectrum, smoothing, centres_hz, limit_hz) -> np.ndarray:
    power = spectrum.real**2 + spectrum.imag**2
    horizontal = (power[:, 0] * power[:, 1]) ** 0.25 @ smoothing
    vertical = np.sqrt(power[:, 2]) @ smoothing
    with np.errstate(over="ignore"):
        curves = horizontal / np.maximum(vertical, np.finfo(np.float32).tiny)
    outside = centres_hz > limit_hz[:, None]
    curves[outside] = 0
    best, last = curves.argmax(axis=1), (~outside).sum(axis=1) - 1
    good = (best > 0) & (best < last) & (vertical > 0).all(axis=1)
    return np.where(good, centres_hz[best], np.nan)


def _f0(corpus: Corpus) -> Section:
    lists, without = site_frequencies(corpus)
    looked_at = without + sum(map(len, lists.values()))
    says = [f"Where H/V of a record is largest between 1 and 20 Hz, and below {TRUSTED_SHARE:.0%} of its band limit; looked at: "
            f"{_count(looked_at, 'record')}, at most {F0_RECORDS} of a station and {F0_STATIONS} stations. "
            "Earthquake shaking, not ambient noise."]
    if without:
        says.append(f"{_count(without, 'record')} {'has' if without == 1 else 'have'} no peak inside that band.")
    rows = [(station, len(lists[station]), f"{np.median(lists[station]):.2g}",
             "–" if len(lists[station]) == 1 else "–".join(f"{f0:.2g}" for f0 in np.percentile(lists[station], [16, 84])))
            for station in sorted(lists, key=lambda code: (-len(lists[code]), code))]
    return Section("Site frequency f0", says, Picture(
        "f0.png", f"Site frequency of {_count(len(lists), 'station')}: single records and median",
        partial(_draw, "plot_station_f0", lists) if lists else _not_known("No record has a peak of H/V that can be trusted."),
        height=min(max(1.8, 0.9 + 0.2 * len(lists)), 6.0)),
        tables(("Station", "Records", "Median f0 [Hz]", "16–84 % [Hz]"), rows))


def _draw(function: str, *data, **kwargs) -> None:
    """Call a function of :mod:`tng.figures`, which is slow to import and so is asked for late."""
    from tng import figures

    *data, axes = data
    getattr(figures, function)(*data, axes[0], **kwargs)


def _not_known(sentence: str) -> Callable:
    def draw(axes) -> None:
        from tng import figures

        figures.say(axes[0], sentence)

    return draw


# --- where the records come from, and what was found -----------------------------------------------------

def _sources(corpus: Corpus) -> Section:
    names = ["trace_source_format", "trace_units_declared", "trace_license"]
    known = pd.DataFrame({name: _texts(corpus, name).replace("", "not known") for name in names})
    groups = corpus.metadata["station_code"].groupby([known[name] for name in names])
    rows = [(*key, len(codes), codes.nunique()) for key, codes in groups]
    return Section("Formats and units", ["Who says what the unit of acceleration is, for the records of each format."],
                   tables=tables(("Format", "Unit, by whom", "Licence", "Records", "Stations"), _most_first(rows, 3)))


def _most_first(rows: list[tuple], count: int) -> list[tuple]:
    """Rows by a column of counts, the largest first; equals by what they say."""
    return sorted(rows, key=lambda row: (-row[count], row))


def _may_be_passed_on(licence: str) -> str:
    if not licence:
        return "not known: ask the owner"
    if CLOSED_LICENCE.search(licence) or not OPEN_LICENCE.search(licence):
        return "no, unless its owner agrees"
    return "yes, under these terms"


def _licences(corpus: Corpus) -> Section:
    counts = _texts(corpus, "trace_license").value_counts().sort_index().sort_values(ascending=False, kind="stable")
    rows = [(licence or "not known", int(count), _may_be_passed_on(licence)) for licence, count in counts.items()]
    kept_back = sum(count for _, count, verdict in rows if not verdict.startswith("yes"))
    if kept_back:
        says = [f"Restricted or of unknown licence: {_of(kept_back, len(corpus), 'record')}. Redistribution of restricted "
                "records is not allowed: do not pass this corpus on, nor records derived one by one from it, unless their "
                "owners agree."]
    else:
        says = ["Every record states an open licence; pass the corpus on only under those terms."]
    says.append("The last column is read from the words of the licence; the owner's terms decide.")
    return Section("Licences", says, tables=tables(("Licence of the records", "Records", "May be passed on"), rows))


def _flags(corpus: Corpus) -> Section:
    if "trace_quality_flags" not in corpus.metadata:
        return Section("Quality flags", ["The quality of the records was not checked."])
    flags = _texts(corpus, "trace_quality_flags")
    counts = flags[flags != ""].str.split(";").explode().str.strip().loc[lambda name: name != ""].value_counts()
    rows = [(name, int(count), FLAGS.get(name, "not described here")) for name, count in counts.items()]
    says = (f"Flagged: {_of(int((flags != '').sum()), len(corpus), 'record')}. A flagged record is in the corpus, but something "
            "about it is worth knowing.")
    return Section("Quality flags", [says], tables=tables(("Flag", "Records", "Meaning"), _most_first(rows, 1)))


def _refusals(rejected: Sequence[tuple[str, str]]) -> Section:
    if not rejected:
        return Section("Refusals", ["Nothing was refused."])
    kinds: dict[str, list] = {}
    for file, reason in sorted((str(file), str(reason)) for file, reason in rejected):
        kinds.setdefault(kind_of_refusal(file, reason), []).append(file)
    rows = [(kind, len(files), files[0]) for kind, files in kinds.items()]
    says = (f"Left out: {_count(len(rejected), 'line')} of {REJECTED}, which has the reason of each. Here they are by kind, … "
            "for what differs.")
    return Section("Refusals", [says], tables=tables(("Reason", "Times", "For example"), _most_first(rows, 1), 30))


def kind_of_refusal(file: str, reason: str) -> str:
    """A reason without its file name, and with … for every word that holds a digit, a path or a quotation."""
    reason, file = reason[:2000], file[:2000]
    head, colon, tail = reason.partition(": ")
    if reason.startswith(file + ":"):
        reason = reason[len(file) + 1:]
    elif colon and (head in file or file in head or ("." in head and " " not in head)):
        reason = tail
    reason = re.sub(r"(?<!\w)('[^']*'|\"[^\"]*\")(?!\w)", "…", reason)
    words = []
    for word in reason.split():
        bare = word.strip(".,;:()[]'\"")
        a_file = bare.count("/") > 1 or re.search(r"\w\.\w{1,5}$", bare[-12:])
        varies = bare not in UNITS and (a_file or any(c.isdigit() for c in bare))
        word = word.replace(bare, "…") if varies else word
        if not (words and words[-1] == word == "…"):
            words.append(word)
    kind = " ".join(words)
    return kind if len(kind) <= 220 else kind[:219] + "…"
