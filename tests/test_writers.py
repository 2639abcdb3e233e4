"""Writers: every format comes back as what was written, and no file without its provenance and licence."""

import hashlib
import json
from pathlib import Path

import numpy as np
import obspy
import pytest

from tng import __version__, readers, surrogate, writers
from tng.generators import as_records
from tng.readers.options import Options
from tng.records import LicenceError, Record, RecordError
from tng.writers import WriteError, write

SUFFIXES = {"mseed": [".mseed"], "sac": [".HNE.SAC", ".HNN.SAC", ".HNZ.SAC"], "at2": ["-090.AT2", "-000.AT2", "-UP.AT2"],
    "csv": [".csv"]}
KNOWN = {
    "trace_start_time": "2020-01-02T03:04:05.678900Z", "source_origin_time": "2020-01-02T03:03:59.000000Z",
    "source_latitude_deg": 38.5, "source_longitude_deg": 23.25, "source_depth_km": 9.5, "source_magnitude": 5.1,
    "station_network_code": "XX", "station_location_code": "00", "station_latitude_deg": 38.75, "station_longitude_deg": 22.5,
    "station_elevation_m": 570.0, "station_vs30_mps": np.nan, "trace_category": "earthquake", "trace_license": "CC BY 4.0",
    "trace_source_file": "a.mat", "trace_source_format": "afad-mat", "trace_source_sha256": "0" * 64}


def record(station="9901", event="20200102030359", rate_hz=100.0, samples=300, seed=7, **changes):
    """Noise with peaks of 20 (E), 30 (N), 10 (Z) gal that no float32 holds; a change to None removes a key."""
    data = np.random.default_rng(seed).normal(size=(3, samples))
    data *= np.array([[20.0], [30.0], [10.0]]) / np.abs(data).max(axis=1, keepdims=True)
    meta = {key: value for key, value in (KNOWN | changes).items() if value is not None}
    return Record(data, rate_hz, station, event, meta)


def provenance(folder):
    return json.loads(Path(folder, "provenance.json").read_text(encoding="utf-8"))


def back(folder, paths, format):
    options = Options(stationxml=tuple(folder.glob("stations-*.xml")), unit="m/s2") if format == "mseed" else Options()
    return readers.read(*paths, options=options)


# --- round trips --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("format, relative", [("mseed", 4e-16), ("sac", 6e-8), ("at2", 5.1e-8), ("csv", 0.0)])
@pytest.mark.parametrize("rate_hz", [100.0, 200.0, 50.0, 31.25, 128.0])
def test_each_format_comes_back_through_the_readers(format, relative, rate_hz, tmp_path):
    original = record(rate_hz=rate_hz)
    paths = write([original], tmp_path, format)
    found = back(tmp_path, paths, format)
    assert (np.abs(found.data - original.data) <= relative * np.abs(original.data)).all()
    np.testing.assert_allclose(found.pga_cmps2, [20, 30, 10], rtol=1e-7)
    assert (found.station, found.sampling_rate_hz) == ("9901", rate_hz)


@pytest.mark.parametrize("format", ["mseed", "sac"])
def test_what_obspy_reads(format, tmp_path):
    original = record()
    paths = write([original], tmp_path, format)
    stream = sum((obspy.read(str(path)) for path in paths), obspy.Stream())
    unit = 0.01 if format == "mseed" else 1.0
    for code, row in zip(("HNE", "HNN", "HNZ"), original.data):
        (trace,) = stream.select(channel=code)
        np.testing.assert_allclose(trace.data, row * unit, rtol=6e-8)
        assert (trace.stats.network, trace.stats.station, trace.stats.location) == ("XX", "9901", "00")
        assert abs(trace.stats.starttime - obspy.UTCDateTime("2020-01-02T03:04:05.678900")) < 2e-6


def test_stationxml_tells_any_tool_that_samples_are_in_metres(tmp_path):
    original = record()
    (path,) = write([original], tmp_path, "mseed")
    inventory = obspy.read_inventory(str(next(tmp_path.glob("stations-*.xml"))))
    for code, azimuth, dip in (("HNE", 90, 0), ("HNN", 0, 0), ("HNZ", 0, -90)):
        channel = inventory.select(channel=code)[0][0][0]
        stated = channel.response.instrument_sensitivity
        assert (stated.value, stated.input_units, channel.azimuth, channel.dip) == (1, "M/S**2", azimuth, dip)
        assert (channel.latitude, channel.longitude, channel.elevation) == (38.75, 22.5, 570)
    stream = obspy.read(str(path))
    np.testing.assert_allclose(stream.copy().remove_sensitivity(inventory).select(channel="HNN")[0].data, original.data[1] / 100)
    (full,) = stream.select(channel="HNN").copy().remove_response(inventory, output="ACC", zero_mean=False, taper=False)
    np.testing.assert_allclose(full.data, original.data[1] / 100, atol=1e-6)


def test_single_precision_stays_single(tmp_path):
    original = record()
    single = Record(original.data.astype(np.float32), 100.0, "9901", "e", KNOWN)
    (path,) = write([single], tmp_path, "mseed")
    assert obspy.read(str(path))[0].data.dtype == np.float32
    (path,) = write([original], tmp_path / "double", "mseed")
    assert obspy.read(str(path))[0].data.dtype == np.float64


@pytest.mark.parametrize("rate_hz, band", [(10, "B"), (79, "B"), (80, "H"), (249, "H"), (250, "C"), (1000, "F"), (2, "M"),
    (1, "L")])
def test_band_codes_are_those_of_seed(rate_hz, band, tmp_path):
    (path,) = write([record(rate_hz=rate_hz)], tmp_path, "mseed")
    assert [trace.stats.channel for trace in obspy.read(str(path))] == [f"{band}NE", f"{band}NN", f"{band}NZ"]


def test_sac_headers(tmp_path):
    east, north, up = (obspy.read(str(path))[0].stats.sac for path in write([record()], tmp_path, "sac"))
    assert [(one.cmpaz, one.cmpinc, one.kcmpnm) for one in (east, north, up)] == [(90, 90, "HNE"), (0, 90, "HNN"), (0, 0, "HNZ")]
    assert (east.kuser0, east.isynth, east.kstnm, east.knetwk, east.kevnm) == ("cm/s**2", 49, "9901", "XX", "20200102030359")
    assert (east.stla, east.stlo, east.stel, east.evla, east.evlo, east.evdp) == (38.75, 22.5, 570, 38.5, 23.25, 9.5)
    assert east.mag == np.float32(5.1) and "kuser1" not in east and "idep" not in east
    assert (east.nzmsec, east.b) == (678, np.float32(0.0009)) and abs(east.o + 6.678) < 1e-6


def test_at2_layout(tmp_path):
    path = write([record(samples=7)], tmp_path, "at2")[0]
    lines = path.read_text().splitlines()
    assert lines[0] == "TNG ACCELERATION RECORD (RECORDED EARTHQUAKE, EXPORTED BY TNG)"
    assert lines[1] == "20200102030359, 1/2/2020, 9901, 090"
    assert lines[2:4] == ["ACCELERATION TIME SERIES IN UNITS OF G", "NPTS=      7, DT= 0.0100 SEC,"]
    assert [len(line) for line in lines[4:]] == [75, 30]
    values = np.array([float(line[at:at + 15]) for line in lines[4:] for at in range(0, len(line), 15)])
    np.testing.assert_allclose(values * 980.665, record(samples=7).data[0], rtol=6e-8)


@pytest.mark.parametrize("size", [1e-300, 1e-97, 1e90])
def test_at2_columns_stay_fifteen_wide(size, tmp_path):
    data = np.array([[1.0, -1, 2, -2, 3, 4]] * 3) * size
    for path in write([Record(data, 100.0, "A", "B", {"trace_license": "CC0"})], tmp_path, "at2"):
        assert [len(line) for line in path.read_text().splitlines()[4:]] == [75, 15]


@pytest.mark.parametrize("station, event", [
    ("1716-like", "syn-000001"), ("A, B", "1/2/2020, x"), ("İzmir%2C", "a\nb"), ("", ""), ("?", " x "), ("a  b", "2011-10-20"),
    ("-", "9, UP")])
@pytest.mark.parametrize("format", ["at2", "csv"])
def test_any_station_and_event_come_back(station, event, format, tmp_path):
    paths = write([record(station, event)], tmp_path, format)
    assert all(path.name.isascii() and "/" not in path.name[len(str(tmp_path)):] for path in paths)
    if station == "" and format == "at2":
        with pytest.raises(RecordError, match="names no station"):
            readers.read(*paths)
    else:
        found = readers.read(*paths)
        assert (found.station, found.event) == (station, event)


def test_csv_keeps_every_bit_and_every_value(tmp_path):
    data = np.array([[0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308], [1 / 3, 2 / 3, 1e-7, 1e22], [1, 2, 3, 4.000000000000001]])
    extra = {"a key: with": "x", "format": "y", "number": np.float32(0.1), "whole": np.int64(3), "yes": np.bool_(True),
        "none": None,
             "infinite": np.inf, "text": "İ\"\\,\n# z: 1\u2028"}
    original = Record(data, 99.7, "9901", "e", {"trace_license": "CC0", **extra})
    (path,) = write([original], tmp_path, "csv")
    found = readers.read(path)
    assert found.data.tobytes() == data.tobytes() and found.sampling_rate_hz == 99.7
    expected = extra | {"a_key_with": "x", "meta_format": "y"}
    for key in ("a key: with", "format"):
        del expected[key]
    assert {key: found.meta[key] for key in expected} == expected


# --- synthetic records --------------------------------------------------------------------------------------

def synthetic():
    return [*surrogate.simulate("1716-like", 1), *as_records(record().data[None], "9901", 100.0, "timesnet-gen", 5)]


@pytest.mark.parametrize("format", writers.FORMATS)
def test_synthetic_records_are_marked_and_free(format, tmp_path):
    paths = write(synthetic(), tmp_path, format)
    files = provenance(tmp_path)["files"]
    assert all(files[path.name]["synthetic"] is True for path in paths)
    assert [files[path.name]["generator"] for path in paths[::len(SUFFIXES[format])]] == ["tng surrogate", "timesnet-gen"]
    assert files[paths[-1].name]["generator_seed"] == "5"


def test_the_mark_is_in_the_files_too(tmp_path):
    for path in write(synthetic(), tmp_path, "at2"):
        assert path.read_text().startswith("TNG ACCELERATION RECORD (SYNTHETIC, NOT A RECORDED EARTHQUAKE)\n")
    for path in write(synthetic(), tmp_path, "sac"):
        header = obspy.read(str(path))[0].stats.sac
        assert header.kuser1 == "SYNTHET" and "isynth" not in header


@pytest.mark.parametrize("format", ["at2", "csv"])
def test_a_synthetic_record_stays_synthetic(format, tmp_path):
    width = len(SUFFIXES[format])
    paths = write(synthetic(), tmp_path, format)
    found = [readers.read(*paths[at:at + width]) for at in (0, width)]
    write(found, tmp_path / "again", format)
    assert all(about["synthetic"] for about in provenance(tmp_path / "again")["files"].values())


# --- licences -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("licence, free", [
    ("CC BY 4.0", True), ("CC-BY", True), ("CC BY-SA 4.0", True), ("GeoNet CC BY 3.0 NZ", True), ("CC0", True),
    ("public domain", True),
    ("Creative Commons Attribution 4.0", True), ("MIT (synthetic)", True),
    ("AFAD waveform under AFAD copyright; no redistribution permission known", False), ("U (unknown license)", False),
    ("PEER ground motion database: no redistribution", False), ("NIED: redistribution forbidden", False),
    ("not stated in the file (ESM: see terms per record)", False), ("", False), (np.nan, False), (None, False),
    ("not CC BY: may not be redistributed", False), ("permitted", False),
    ("see provenance.json, written beside the file", False)])
def test_licences(licence, free, tmp_path):
    one = record(trace_license=licence)
    if free:
        write([one], tmp_path, "csv")
        return
    with pytest.raises(LicenceError, match=r"a.mat: its licence is .*--allow-restricted \(allow_restricted=True\)") as caught:
        write([one], tmp_path, "csv")
    assert isinstance(caught.value, RecordError) and (not licence or licence != licence or licence in str(caught.value))
    write([one], tmp_path, "csv", allow_restricted=True)


def test_nothing_is_written_if_one_licence_forbids_it(tmp_path):
    records = [record(), record(event="e2", trace_license="U (unknown license)")]
    with pytest.raises(LicenceError):
        write(records, tmp_path, "csv")
    assert not list(tmp_path.iterdir())


def test_a_round_trip_does_not_wash_a_licence_off(tmp_path):
    closed = record(trace_license="AFAD: no redistribution permission known")
    for format in writers.FORMATS:
        folder = tmp_path / format
        paths = write([closed], folder, format, allow_restricted=True)
        with pytest.raises(LicenceError):
            write([back(folder, paths, format)], tmp_path / "again", format)


# --- files, names, provenance -------------------------------------------------------------------------------

@pytest.mark.parametrize("format", writers.FORMATS)
def test_provenance_names_every_file(format, tmp_path):
    paths = write([record(), record(event="e2")], tmp_path, format)
    found = provenance(tmp_path)
    assert found["tng"] == __version__
    assert sorted(found["files"]) == sorted(path.name for path in tmp_path.iterdir() if path.name != "provenance.json")
    for name, about in found["files"].items():
        assert about["sha256"] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    about = found["files"][paths[0].name]
    expected = {"station": "9901", "event": "20200102030359", "synthetic": False, "licence": "CC BY 4.0", "format": format,
                "source": {"file": "a.mat", "format": "afad-mat", "sha256": "0" * 64}, "samples": 300, "sampling_rate_hz": 100.0}
    assert {key: about[key] for key in expected} == expected and "placeholders" not in about


@pytest.mark.parametrize("format", writers.FORMATS)
def test_names(format, tmp_path):
    records = [record(), record(seed=1), record("../../x", "a b:c"), record("..", "."), record("A" * 300, "b"),
        record("9901", "20200102030359_002")]
    if format in ("mseed", "sac"):
        records = records[:2]
    width = len(SUFFIXES[format])
    paths = write(records, tmp_path, format)
    stems = ["9901_20200102030359", "9901_20200102030359_002", "x_a-b-c", "nostation_noevent", "A" * 60 + "_b",
             "9901_20200102030359-002"][:len(records)]
    assert [path.name for path in paths] == [stem + suffix for stem in stems for suffix in SUFFIXES[format]]
    assert all(path.parent == tmp_path and path.is_file() for path in paths)
    assert len(paths) == width * len(records)


def test_two_records_of_one_name_come_back_as_two(tmp_path):
    for format in ("at2", "csv"):
        made = readers.read_all(write([record(seed=1), record(seed=2)], tmp_path, format))
        assert len(made) == 2 and not np.array_equal(made[0].data, made[1].data)


def test_existing_files_are_replaced_only_if_asked(tmp_path):
    (path,) = write([record(seed=1)], tmp_path, "csv")
    before = path.read_bytes(), (tmp_path / "provenance.json").read_bytes()
    with pytest.raises(WriteError, match="is there already"):
        write([record(seed=2)], tmp_path, "csv")
    assert (path.read_bytes(), (tmp_path / "provenance.json").read_bytes()) == before
    write([record(seed=2)], tmp_path, "csv", overwrite=True)
    np.testing.assert_array_equal(readers.read(path).data, record(seed=2).data)
    assert sorted(one.name for one in tmp_path.iterdir()) == [path.name, "provenance.json"]


def test_exports_into_one_folder_share_its_provenance(tmp_path):
    first, second = write([record()], tmp_path, "csv"), write([record()], tmp_path, "at2")
    assert sorted(provenance(tmp_path)["files"]) == sorted(path.name for path in first + second)
    first[0].unlink()
    third = write([record(event="e")], tmp_path, "csv")
    assert sorted(provenance(tmp_path)["files"]) == sorted(path.name for path in second + third)


def test_exports_of_miniseed_into_one_folder_keep_their_units(tmp_path):
    first = write([record()], tmp_path, "mseed")
    names = {path.name for path in tmp_path.glob("*.xml")}
    second = write([record("9902")], tmp_path, "mseed") + write([record("9903", rate_hz=200.0)], tmp_path, "mseed")
    found = sorted(tmp_path.glob("stations-*.xml"))
    assert len(found) == 3 and names < {path.name for path in found} < set(provenance(tmp_path)["files"])
    for path in first + second:
        np.testing.assert_allclose(readers.read(path, options=Options(stationxml=tuple(found))).pga_cmps2, [20, 30, 10])
    write([record(event="e2", trace_start_time="2021-01-01T00:00:00Z")], tmp_path, "mseed")     # the same stations
    assert sorted(tmp_path.glob("*.xml")) == found
    assert all(path.stem[-8:] == hashlib.sha256(path.read_bytes()).hexdigest()[:8] for path in found)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(WriteError, match="file.*choose another folder"):
            write([record()], folder, "csv")


@pytest.mark.parametrize("content", ["", "[]", '{"files": 3}', "\udcff"])
def test_somebody_elses_provenance_is_left_alone(content, tmp_path):
    (tmp_path / "provenance.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(WriteError, match="choose another folder"):
        write([record()], tmp_path, "csv")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("format, length, pair", [("mseed", 5, ("1716-like", "1716-lima")), ("mseed", 5, ("ab", "AB")),
    ("sac", 8, ("STATION-01", "STATION-02"))])
def test_stations_that_would_share_a_code_are_refused(format, length, pair, tmp_path):
    with pytest.raises(WriteError, match=f"{pair[0]!r} and {pair[1]!r} both become"):
        write([record(station) for station in pair], tmp_path, format)
    assert not list(tmp_path.iterdir())
    write([record(pair[0]), record(pair[0], "e2")], tmp_path, format)


def test_miniseed_of_one_station_and_time_differ_in_location(tmp_path):
    paths = write([record(), record(seed=1), record(seed=2)], tmp_path, "mseed")
    assert [obspy.read(str(path))[0].stats.location for path in paths] == ["00", "01", "02"]
    options = Options(stationxml=tuple(tmp_path.glob("stations-*.xml")), unit="m/s2")
    assert len([one for one in readers.read_all(paths, options) if isinstance(one, Record)]) == 3


@pytest.mark.parametrize("format", ["mseed", "sac"])
def test_placeholders_are_named(format, tmp_path):
    bare = dict.fromkeys(KNOWN) | {"trace_license": "CC0"}
    width = len(SUFFIXES[format])
    paths = write([record(**bare), record(event="", **bare)], tmp_path, format)
    starts = [obspy.read(str(path))[0].stats.starttime for path in paths[::width]]
    assert [str(start)[:19] for start in starts] == ["1970-01-01T00:00:00", "1970-01-02T00:00:00"]
    files = provenance(tmp_path)["files"]
    assert set(files[paths[0].name]["placeholders"]) == {"mseed": {"network", "start time", "coordinates"},
        "sac": {"start time"}}[format]
    assert paths[-1].name.startswith("9901_noevent")
    if format == "mseed":
        station = obspy.read_inventory(str(next(tmp_path.glob("stations-*.xml"))))[0][0]
        assert (station.latitude, station.longitude) == (0, 0) and "placeholder" in station.description


def test_refusals(tmp_path):
    with pytest.raises(WriteError, match="format 'mat'; there are mseed, sac, at2, csv"):
        write([record()], tmp_path, "mat")
    with pytest.raises(WriteError, match="no records"):
        write([], tmp_path, "csv")


def test_records_are_taken_one_at_a_time(tmp_path):
    def endless():
        yield record()
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        write(endless(), tmp_path, "csv")
    assert not list(tmp_path.iterdir())
    assert len(write(record(), tmp_path, "csv")) == 1        # a lone record
