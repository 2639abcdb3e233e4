"""The pages on formats and sources say what the code does: defaults, names, options, numbers."""

from __future__ import annotations

import re

import pytest
import typer.main

from tng import channels, cli, esm25, ingest, layout, readers, records, remote, selection, sources, splits, standard, writers
from tng.quality import Thresholds
from tng.readers import miniseed, openeew
from tools.build_book import ROOT

PAGE = (ROOT / "book" / "formats.md").read_text(encoding="utf-8")
SOURCES = (ROOT / "book" / "getting_records.md").read_text(encoding="utf-8")
PLAIN = " ".join(PAGE.split())


def tables(page: str, first: str) -> list[list[list[str]]]:
    """Rows of every table of which the first column has this title."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        if rows[0][0] == first:
            found.append(rows[2:])
    return found


def settings() -> dict[str, str]:
    rows = [row for table in tables(PAGE, "Setting") for row in table]
    assert len(rows) == len({row[0] for row in rows})
    return {row[0].strip("`"): row[1] for row in rows}


def as_written(default) -> str:
    """A default as the page writes it, without its unit."""
    if default is None or default == ():
        return "none"
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, tuple):
        return ", ".join(f"{one:g}" for one in default)
    return default if isinstance(default, str) else f"{default:g}"


def test_every_setting_stands_on_the_page_and_no_other():
    assert set(settings()) == set(ingest.IngestSettings.model_fields)


@pytest.mark.parametrize("name", sorted(ingest.IngestSettings.model_fields))
def test_default(name):
    stated, default = settings()[name], as_written(ingest.IngestSettings.model_fields[name].default)
    unit = r"( (s|Hz|g|cm/s²|samples))?"
    assert re.fullmatch(re.escape(default) + unit, stated), f"{name}: the page says {stated}, the code {default}"


def test_units_of_settings_are_those_of_their_names():
    ends = {"_hz": " Hz", "_cmps2": " cm/s²", "_g": " g", "_samples": " samples", "_s": " s"}
    for name, stated in settings().items():
        unit = next((unit for end, unit in ends.items() if name.endswith(end)), "")
        assert stated.endswith(unit) or stated == "none", name
        assert unit or re.fullmatch(r"[-\w., ]+", stated), name


def test_the_checks_have_a_table_of_their_own():
    assert [row[0].strip("`") for row in tables(PAGE, "Setting")[0]] == list(Thresholds.model_fields)


def test_every_table_of_formats_names_every_reader():
    names = {name for name, _ in readers.readers()}
    found = tables(PAGE, "Format")
    assert len(found) == 3
    for table in found:
        assert {row[0].strip("`") for row in table} == names and len(table) == len(names)
    traps = re.findall(r"^\* `([\w-]+)`: ", PAGE.partition("## Traps")[2].partition("\n## ")[0], re.MULTILINE)
    assert set(traps) == names


def test_files_splits_writers_and_errors():
    rows = tables(PAGE, "In the folder of the corpus")[0]
    written = [name for row in rows for name in re.findall(r"(?<!})`([\w.]+)`", "".join(row))]
    assert set(written) == layout.FILES and len(written) == len(layout.FILES)
    assert [row[0].strip("`") for row in tables(PAGE, "Column")[0]] == list(layout.SPLIT_COLUMNS.values())
    export = re.search(r"--format (\w+)` \(or (.*?)\)", PAGE)
    assert {export[1], *re.findall(r"`(\w+)`", export[2])} == set(writers.FORMATS)
    assert writers.PROVENANCE in PAGE
    for name in re.findall(r"`(\w+Error)`", PAGE):
        assert issubclass(getattr(records, name), records.RecordError)


def test_windows():
    known = standard.Standard.model_fields["window"].annotation.__args__
    assert tables(PAGE, "Station, distance")[0] and f"| Station, distance | {' | '.join(known)} |" in PAGE
    advice = PAGE.partition("**Which window?**")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\* `([\w-]+)` ", advice, re.MULTILINE)) == set(known)


def test_factors_of_units():
    symbols = {"g": "g", "m/s²": "m/s2", "mm/s²": "mm/s2"}
    stated = {symbols[name]: float(value) for name, value in tables(PAGE, "1 …")[0]}
    assert stated == {name: factor for name, factor in channels.GAL.items() if factor != 1}


@pytest.mark.parametrize("phrase", [
    f"first {sources.HEAD_BYTES // 1024} kB",
    f"starts lie within {readers.TOGETHER_WITHIN_S:g} s",
    f"orthogonal within {channels.ORTHOGONAL_WITHIN_DEG:g}°",
    f"share less than {channels.SHORTEST_OVERLAP:.0%} of the longest".replace("%", " %"),
    f"lies {selection.AFTER_ORIGIN_S[1]:g} s or less before the record's start, or up to "
    f"{-selection.AFTER_ORIGIN_S[0]:g} s after it",
    f"records that start within {selection.ONE_EVENT_S:g} s of it",
    f"origins lie within {splits.SAME_ORIGIN_S:g} s of each other ({splits.SAME_START_S:g} s where only starts are known)",
    f"would span more than {splits.LONGEST_GROUP_S:g} s",
    f"takes more than {ingest.TASK_LIMIT_S:g} s",
    f"Pieces up to {miniseed.LONGEST_GAP_S:g} s apart",
    "up to three inside one another",
])
def test_numbers_in_the_text(phrase):
    assert phrase in PLAIN


def test_depth_of_archives():
    assert sources.DEEPEST == 3             # "three" on the page


def test_measured_resampling():
    import numpy as np

    times = np.arange(200 * 60) / 200
    tones, kept = [5, 20, 30, 40, 45], []
    for tone in tones:
        resampled = standard.resample(np.sin(2 * np.pi * tone * times), 200, 100)[1000:-1000]
        kept.append(f"{np.sqrt(2 * np.mean(resampled**2)):.3f}")
    assert f"at {', '.join(map(str, tones[:-1]))} and {tones[-1]} Hz is {', '.join(kept[:-1])} and {kept[-1]}" in PLAIN


def test_window_table_is_that_of_the_real_records():
    names = remote.names("afad-nsmn")
    if not all(map(remote.available, names)):
        pytest.skip("the AFAD sample records are not on this machine")
    for row in tables(PAGE, "Station, distance")[0]:
        path = remote.path(next(name for name in names if name.endswith(f"_{row[0].split(',')[0]}.txt")))
        record = readers.read(path)
        for window, stated in zip(("first", "p-onset", "energy"), row[1:]):
            share = 100 * standard.standardise(record, standard.Standard(window=window)).meta["trace_energy_share"]
            assert stated == f"{share:.{0 if share >= 0.95 else 1}f} %"


def test_the_refusal_that_is_shown_is_the_one_that_comes():
    shown = " ".join(re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)[1].split())
    name = next(name for name in remote.names("esm") if name.endswith(shown.split(":")[0]))
    if not remote.available(name):
        pytest.skip("the TADAS sample record is not on this machine")
    with pytest.raises(records.ComponentError) as refusal:
        readers.read(remote.path(name))
    assert str(refusal.value) == shown


def test_the_table_of_your_own_is_read(tmp_path):
    (tmp_path / "mine.csv").write_text(re.search(r"```text\n(# format.*?)```", PAGE, re.DOTALL)[1])
    record = readers.read(tmp_path / "mine.csv")
    assert (record.station, record.event, record.sampling_rate_hz) == ("0205", "20200101000000", 100)
    assert record.data.tolist() == [[0.120, 0.131, 0.127], [-0.034, -0.029, -0.021], [0.006, 0.004, 0.005]]


@pytest.mark.filterwarnings("ignore:the window")
def test_the_samples_make_what_the_page_says(tmp_path):
    if not remote.available("samples"):
        pytest.skip("the sample records are not on this machine")
    report = ingest.ingest(remote.collection("samples"), tmp_path / "corpus", window="energy", progress=False, processes=1)
    words = {6: "six"}
    assert (f"makes {report.accepted} records of {len(report.corpus.stations)} stations, and names {words[len(report.rejected)]} "
            "files that it could not use") in " ".join(SOURCES.split())
    counts = {name: len(remote.names(name)) for name in ("afad-mat", "afad-nsmn", "esm", "geonet", "cosmos", "samples")}
    assert f"{counts['afad-mat']} MATLAB files and {counts['afad-nsmn']} texts" in SOURCES
    assert f"{counts['esm'] + counts['geonet'] + counts['cosmos']} sample files" in SOURCES
    assert f"these {counts['samples']} at once" in SOURCES


@pytest.mark.parametrize("page", [PAGE, SOURCES], ids=["formats", "getting_records"])
def test_commands_exist_with_their_options(page):
    app = typer.main.get_command(cli.app)
    for command in re.findall(r"tng (?:[^\n`]|\\\n)*", page):
        words = re.sub(r"\s+#.*|\\\n|\"\$\(.*?\)\"", " ", command).split()[1:]
        group = app
        while words and hasattr(group, "commands"):
            if words[0] not in group.commands:
                break                        # prose: "tng takes …"
            group, words = group.commands[words[0]], words[1:]
        known = {name for option in group.params for name in option.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, command
    every = {name for command in (*app.commands.values(), *app.commands["corpus"].commands.values())
             for option in getattr(command, "params", []) for name in option.opts} | {"--help"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page)) <= every


def test_collections_and_variants():
    for name in remote.COLLECTIONS:
        assert re.search(rf"tng fetch (?:[\w-]+ )*{name}\b", SOURCES), name
    assert all(f"`{variant}`" in SOURCES for variant in esm25.VARIANTS)


def test_openeew_command_is_accepted():
    command = re.search(r"tng ingest \"\$\(tng fetch openeew\)\"(.*?)\n```", SOURCES, re.DOTALL)[1].replace("\\\n", " ").split()
    given = {name[2:].replace("-", "_"): value for name, value in zip(command[::2], command[1::2])}
    assert given.pop("into") == "corpora/openeew"
    chosen = ingest.IngestSettings(**given)
    assert chosen.vertical_axis == "x" and chosen.sampling_rate_hz == 31.25 and openeew.NAME == "openeew"


def test_each_licence_of_a_reader_agrees_with_the_page():
    """What export holds back by itself, and what it lets through."""
    import numpy as np

    def is_open(licence: str) -> bool:
        record = records.Record(np.random.default_rng(0).normal(size=(3, 9)), 100.0, "9901", "e", {"trace_license": licence})
        try:
            writers.require_licence(record)
        except records.LicenceError:
            return False
        return True

    from tng.readers import afad_mat, afad_text, cosmos, dyna, geonet, knet, peer

    rows = {row[0]: row[1] for row in tables(SOURCES, "Source")[0]}
    for source, licence in (("AFAD", afad_mat.LICENCE), ("AFAD", afad_text.LICENCE), ("NIED (K-NET, KiK-net)", knet.LICENCE),
                            ("GeoNet", geonet.LICENCE), ("PEER", peer.LICENCE), ("OpenEEW", openeew.LICENCE),
                            ("ESM25", esm25.LICENCE)):
        assert is_open(licence) == rows[source].startswith("yes"), source
    assert not is_open(cosmos.LICENCE) and not is_open(miniseed.LICENCE) and not is_open(dyna.ESM_UNSTATED)
