"""The report beside a corpus: the right numbers, the same bytes, and nothing that a stranger's file can break."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from tng import corpus, report, spectra, surrogate
from tng.records import Record
from tng.standard import Standard, standardise

PICTURES = {"stations.png", "records.png", "magnitude_distance.png", "sampling.png", "windows.png", "f0.png"}
PLACED = {"station_longitude_deg": 30.0, "station_latitude_deg": 40.0, "source_longitude_deg": 30.5, "source_latitude_deg": 40.2,
          "source_magnitude": 4.5, "station_network_code": "XX", "trace_start_time": "2020-01-02T03:04:05Z"}


def motion(seed, samples=500):
    return np.random.default_rng(seed).normal(size=(3, samples))


def reported(folder, records, rejected=(), **changes):
    """Folder of a corpus of those records with its report; (HTML, Markdown)."""
    made = corpus.write(records, folder, overwrite=True, **changes)
    report.write(made.folder, rejected)
    return (made.folder / "report.html").read_text(encoding="utf-8"), (made.folder / "report.md").read_text(encoding="utf-8")


def contents(folder):
    files = [folder / "report.html", folder / "report.md", *(folder / "report").iterdir()]
    return {path.name: path.read_bytes() for path in files}


def cells(line):
    """Cells of a row of a Markdown table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def rows_of(markdown, title):
    """Rows of the table under a heading, without its head."""
    section = markdown.split(f"## {title}\n")[1].split("\n## ")[0]
    return [cells(line) for line in section.splitlines() if line.startswith("|")][2:]


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def test_numbers_of_a_small_corpus(tmp_path):
    records = [Record(motion(n), 100.0, f"99{n % 2:02d}", f"e{n // 4}",
                      {**PLACED, "trace_quality_flags": "spikes;padding" if n == 0 else "spikes" if n == 1 else "",
                       "trace_energy_share": 0.3 if n == 2 else 0.99, "trace_source_file": f"f{n}.txt",
                       "trace_source_format": "made",
                       "trace_license": "CC BY 4.0" if n < 8 else "no redistribution", "trace_units_declared": "gal (header)",
                       "trace_sampling_rate_raw_hz": 200.0, "trace_bandlimit_hz": 30.0 if n < 3 else 50.0}) for n in range(12)]
    page, text = reported(tmp_path / "c", records)
    assert "# A corpus of 12 records\n" in text and "2 stations, 3 earthquakes, 2020-01-02 to 2020-01-02; 5 s at 100 Hz" in text
    assert rows_of(text, "Stations") == [["9900", "XX", "6", "–"], ["9901", "XX", "6", "–"]]
    splits = {name: (records, events) for name, records, events, *_ in rows_of(text, "Records and splits")}
    table = corpus.Corpus.open(tmp_path / "c").metadata.groupby("split")["source_id"].agg(["size", "nunique"])
    assert {name: counts for name, counts in splits.items() if counts != ("0", "0")} == {
        name: (str(row["size"]), str(row["nunique"])) for name, row in table.iterrows()}
    assert "The band of 3 of 12 records ends below" in text
    assert rows_of(text, "Windows") == [["f2.txt", "9900", "30.0%"]]
    assert [row[:2] for row in rows_of(text, "Quality flags")] == [["spikes", "2"], ["padding", "1"]]
    assert rows_of(text, "Formats and units")[0] == ["made", "gal (header)", "CC BY 4.0", "8", "2"]
    assert rows_of(text, "Licences") == [["CC BY 4.0", "8", "yes, under these terms"],
                                         ["no redistribution", "4", "no, unless its owner agrees"]]
    assert "Restricted or of unknown licence: 4 of 12 records. Redistribution of restricted records is not allowed" in text
    assert "Nothing was refused." in text and "synthetic" not in text + page
    assert {path.name for path in (tmp_path / "c" / "report").iterdir()} == PICTURES
    assert set(re.findall(r"\]\(report/(.*?)\)", text)) == PICTURES and page.count('src="data:image/png;base64,') == 6
    corpus.write(records, tmp_path / "c", overwrite=True)       # the report is part of a corpus and replaced with it


def test_flags_are_those_of_the_checks():
    from tng import quality

    record = Record(motion(0, 6000), 100.0, "9901", "e", {"trace_units_declared": "gal"})
    findings = quality.check(record, quality.Thresholds(), standardise(record, Standard())).findings
    assert set(report.FLAGS) <= {finding.check for finding in findings}


def test_same_corpus_same_bytes_whatever_the_notebook_did(tmp_path):
    import matplotlib.pyplot as plt

    from tng import figures

    plt.close("all")                                   # what other tests have left open
    records = [Record(motion(n), 100.0, f"99{n:02d}", "e", PLACED) for n in range(3)]
    reported(tmp_path / "a", records, [("x", "x: bad")])
    first = contents(tmp_path / "a")
    with plt.rc_context():
        figures.use_style()
        plt.rcParams["figure.dpi"] = 33
        before = dict(plt.rcParams)
        reported(tmp_path / "other-name", records, [("x", "x: bad")])
        assert dict(plt.rcParams) == before
    assert contents(tmp_path / "other-name") == first
    assert plt.get_fignums() == []
    assert not any(b"Software" in data or b"matplotlib" in data for data in first.values())


HOSTILE = ['<script>alert("1")</script>', "$\\frac{", "a|b", "new\nline", "`x` **y** [l](http://e.org)", "\ud800\u202e\x00",
           "é漢" * 40, "'\"><img src=x>"]


def test_names_and_reasons_from_strangers_stay_text(tmp_path):
    def encoded(name):
        return name.encode("utf-8", "replace").decode()

    texts = ("trace_source_file", "trace_license", "station_network_code", "trace_quality_flags", "trace_units_declared",
             "trace_window", "trace_source_format", "trace_category", "source_magnitude_type")
    records = [Record(motion(n), 100.0, encoded(name).replace("\x00", "0"), f"e{n}",
                      {**PLACED, "station_longitude_deg": 30 + n / 10, "trace_energy_share": 0.1,
                       **dict.fromkeys(texts, encoded(name))})
               for n, name in enumerate(HOSTILE)]
    page, text = reported(tmp_path / "c", records, [(name, f"{name}: cannot <b>be</b> | read\n# {name}") for name in HOSTILE])
    parsed = Page(page)
    assert parsed.tags <= {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "section", "div", "img", "table",
                           "thead", "tbody", "tr", "th", "td"}
    assert {name for name, _ in parsed.attributes} <= {"lang", "charset", "http-equiv", "content", "name", "class", "alt", "src"}
    assert all(value.startswith("data:image/png;base64,") for name, value in parsed.attributes if name == "src")
    assert '<script>alert("1")</script>' in parsed.text
    assert "<" not in text and "http://" not in text
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    assert tables and all(len({len(cells(line)) for line in table.splitlines()}) == 1 for table in tables)
    assert any("a\\|b" in table for table in tables)
    assert len([line for line in text.splitlines() if line.startswith("#")]) == 11


def test_what_is_not_known_is_said_in_a_sentence(tmp_path):
    _, text = reported(tmp_path / "c", [Record(motion(0), 100.0, "TST1", "e1", {})])
    for sentence in ("1 station, 1 earthquake, times not known", "The coordinates of the stations are not known.",
                     "Where the earthquakes were is not known.", "Magnitude is not known of any record.", "Distance is not known",
                     "Up to which frequency the records can be used is not known.",
                     "The sampling rates of the original records are not known.",
                     "How much of the shaking the windows keep is not known.", "The signal-to-noise ratio is not known",
                     "The quality of the records was not checked.", "not known: ask the owner"):
        assert sentence in text


@pytest.mark.parametrize("value", ["rubbish", np.inf, -1e300])
def test_impossible_metadata_are_not_known(tmp_path, value):
    numbers = [name for name in PLACED if name.endswith(("_deg", "_magnitude"))]
    numbers += ["station_vs30_mps", "trace_energy_share", "trace_snr", "trace_bandlimit_hz", "trace_sampling_rate_raw_hz",
                "path_ep_distance_km", "path_hyp_distance_km"]
    meta = {**dict.fromkeys(numbers, value), "trace_start_time": str(value), "source_origin_time": "2020-99-99"}
    records = [Record(motion(n), 100.0, "TST1", "e1", meta) for n in range(2)]
    _, text = reported(tmp_path / "c", records)
    assert "The coordinates of the stations are not known." in text and "times not known" in text
    assert "Magnitude is not known of any record." in text and "inf" not in text and "nan" not in text


def test_synthetic_stands_in_the_title(tmp_path):
    made = [standardise(record, 50.0, 60.0) for name in ("1716-like", "R000") for record in surrogate.simulate(name, 6)]
    page, text = reported(tmp_path / "all", made)
    assert text.startswith("# A corpus of 12 synthetic records\n") and "<title>A corpus of 12 synthetic records</title>" in page
    assert "The records can be used up to the corpus' Nyquist frequency of 25 Hz." in text
    assert "Every record states an open licence" in text
    measured = Record(made[0].data, 50.0, "9901", "e", {"trace_category": "earthquake"})
    assert "# A corpus of 13 records, of which 12 are synthetic\n" in reported(tmp_path / "mixed", [*made, measured])[1]
    bare = [Record(one.data, 50.0, one.station, one.event, {}) for one in made]
    assert "12 synthetic records" in reported(tmp_path / "card", bare, settings={"synthetic": True})[1]


def resonant(f0_hz, seed, rate_hz=100.0):
    """White noise whose horizontals are tenfold around one frequency."""
    noise = motion(seed, 6000)
    freq_hz = np.fft.rfftfreq(6000, 1 / rate_hz)
    gain = 1 + 9 * np.exp(-(np.log(np.maximum(freq_hz, 1e-3) / f0_hz) / 0.1) ** 2)
    spectrum = np.fft.rfft(noise)
    spectrum[:2] *= gain
    return np.fft.irfft(spectrum, 6000) + np.linspace(0, 5, 6000)     # and a drift that says nothing about the site


def test_site_frequency_is_found_and_trusted_below_the_band_limit(tmp_path):
    made = corpus.write([
        *(Record(resonant(5.0, n), 100.0, "FIVE", f"e{n}", {}) for n in range(60)),
        *(Record(resonant(15.0, n), 100.0, "HIGH", f"e{n}", {"trace_bandlimit_hz": 50.0}) for n in range(3)),
        *(Record(resonant(15.0, n), 100.0, "CUT", f"e{n}", {"trace_bandlimit_hz": 15.625}) for n in range(9))], tmp_path / "c")
    lists, without = report.site_frequencies(made)
    assert len(lists["FIVE"]) == 50 and np.median(lists["FIVE"]) == pytest.approx(5.0, rel=0.05)
    assert np.median(lists["HIGH"]) == pytest.approx(15.0, rel=0.05)
    assert max(lists.get("CUT", [0])) < 0.8 * 15.625 and without + len(lists.get("CUT", [])) == 9 and without > 4
    freq_hz, curves = spectra.hvsr(made.waveforms(made.select("FIVE")[:50]), 100.0)
    np.testing.assert_allclose(np.median(lists["FIVE"]), np.median(spectra.f0(freq_hz, curves)), rtol=0.02)


def test_records_without_a_vertical_or_of_a_low_rate_have_no_f0(tmp_path):
    silent = motion(0)
    silent[2] = 1e-30 * silent[2]                                     # underflows in 32 bits
    made = corpus.write([Record(silent, 100.0, "A", "e", {})], tmp_path / "silent")
    assert report.site_frequencies(made) == ({}, 1)
    slow = corpus.write([Record(motion(1), 2.0, "A", "e", {})], tmp_path / "slow")
    assert report.site_frequencies(slow) == ({}, 1)
    report.write(slow.folder, [])



def test_distances_as_stated_or_by_coordinates_or_hypocentral(tmp_path):
    made = corpus.write([Record(motion(0), 100.0, "A", "e", {"path_ep_distance_km": 12.0, "path_hyp_distance_km": 20.0}),
                         Record(motion(1), 100.0, "A", "e", PLACED),
                         Record(motion(2), 100.0, "A", "e", {"path_hyp_distance_km": 33.0})], tmp_path / "c")
    distances, name = report._distances(made)
    np.testing.assert_allclose(distances, [12.0, 47.984, 33.0], atol=0.02)
    assert name == "Epicentral distance, or hypocentral where only that is known [km]"


def test_refusals_of_one_kind_stand_together(tmp_path):
    rejected = [*((f"d/{n}_9901.txt", f"d/{n}_9901.txt: {n} components (N, U); three are needed") for n in range(7)),
                ("b.asc", "b.asc: peaks at 1.25 cm/s2 but its header says '3.5'"),
                ("c.asc", "c.asc: peaks at 7 cm/s2 but its header says '1'"),
                ("z.zip/e.mat", "z.zip/e.mat: same samples as z.zip/d/f.mat"),
                ("z.zip/g.mat", "z.zip/g.mat: same samples as h.mat")]
    text = reported(tmp_path / "c", [Record(motion(0), 100.0, "A", "e", {})], rejected)[1]
    assert "Left out: 11 lines of rejected.csv" in text
    assert rows_of(text, "Refusals") == [["… components (N, U); three are needed", "7", "d/0\\_9901.txt"],
                                         ["peaks at … cm/s2 but its header says …", "2", "b.asc"],
                                         ["same samples as …", "2", "z.zip/e.mat"]]


@pytest.mark.parametrize(("licence", "answer"), [
    ("CC BY 4.0", "yes"), ("CC BY-SA 4.0 (OpenEEW)", "yes"), ("CC0", "yes"), ("MIT (synthetic)", "yes"), ("public domain", "yes"),
    ("CC BY-NC 4.0", "no,"), ("CC BY-ND", "no,"), ("AFAD waveform; no redistribution permission known", "no,"),
    ("U (unknown license)", "no,"), ("redistribution forbidden", "no,"), ("PERMIT 7", "no,"), ("", "not known")])
def test_what_may_be_passed_on(licence, answer):
    assert report._may_be_passed_on(licence).startswith(answer)


def test_many_stations_across_the_date_line(tmp_path):
    from matplotlib.figure import Figure

    from tng import figures

    rng = np.random.default_rng(0)
    longitude = (rng.uniform(170, 190, 300) + 180) % 360 - 180
    records = [Record(motion(n, 50), 100.0, f"S{n:03d}", "e", {**PLACED, "station_longitude_deg": longitude[n],
                                                              "station_latitude_deg": rng.uniform(-45, -35)}) for n in range(300)]
    _, text = reported(tmp_path / "c", [*records, *records[:20]])
    assert len(rows_of(text, "Stations")) == 20 and rows_of(text, "Stations")[-1][0] == "… and 281 more"
    ax = Figure().subplots()
    stations = pd.DataFrame({"longitude_deg": longitude, "latitude_deg": -40.0, "records": 1, "network": ""})
    figures.plot_stations(stations, stations.iloc[:0], ax)
    low, high = ax.get_xlim()
    assert low < 170 < 190 < high and high - low < 25 or low < -190 < -170 < high and high - low < 25


def test_scale_bar_is_as_long_as_it_says():
    from matplotlib.figure import Figure

    from tng import figures

    ax = Figure().subplots()
    stations = pd.DataFrame({"longitude_deg": [20.0, 24.0], "latitude_deg": [60.0, 60.0], "records": 1, "network": ""},
                            index=["A", "B"])
    figures.plot_stations(stations, stations.iloc[:0], ax)
    start, end = ax.lines[-1].get_xdata()
    (label,) = [text.get_text() for text in ax.texts if text.get_text().endswith("km")]
    assert (end - start) * 111.195 * np.cos(np.radians(60)) == pytest.approx(float(label.split()[0]))
    assert ax.get_aspect() == pytest.approx(2.0)
