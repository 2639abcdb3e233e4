"""COSMOS v1.20 and GeoNet V1A/V2A: what comes out, and what is refused and why."""

import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
import writers_cosmos
import writers_geonet

from tng import readers
from tng.channels import Refusal
from tng.readers import _fortran, cosmos, geonet
from tng.readers.options import Options
from tng.records import ComponentError, FormatError, HeaderMismatchError, SamplingError, UnitsError
from tng.sources import RawFile

PEAKS = {"E": 20.0, "N": 30.0, "Z": 10.0}


def motion(samples=407):
    """Noise with peaks of 20 (E), 30 (N), 10 (Z) gal, shape (3, samples); no whole number of lines."""
    data = np.random.default_rng(7).normal(size=(3, samples))
    data -= data.mean(axis=1, keepdims=True)
    return data / np.abs(data).max(axis=1, keepdims=True) * [[PEAKS[component]] for component in "ENZ"]


DATA = motion()


def along(azimuth_1, azimuth_2, data=DATA):
    """What instruments along two azimuths, and a vertical one, record of an E, N, Z motion."""
    angles = np.deg2rad([azimuth_1, azimuth_2])
    return np.vstack([np.sin(angles)[:, None] * data[0] + np.cos(angles)[:, None] * data[1], data[2:]])


def refused(files, options=None):
    """The one reason why files are no record."""
    (only,) = readers.read_all(files, options)
    assert isinstance(only, Refusal), only
    return only.error


def real(name):
    path = Path(os.environ.get("TNG_MIRROR", "no such folder"), name)
    if not path.is_file():
        pytest.skip(f"{name} is not on this machine: set TNG_MIRROR to a folder that holds it")
    return path


# --- both ---------------------------------------------------------------------------------------------------

WRITERS = {
    "geonet V1A": (writers_geonet.write, 0.0051),
    "geonet V2A": (lambda folder, data, **changes: writers_geonet.write(folder, data, corrected=True, **changes), 0.0051),
    "cosmos cm/s2": (writers_cosmos.write, 5.1e-6),
    "cosmos g": (lambda folder, data, **changes: writers_cosmos.write(folder, data, code=2, form="(8f9.6)", number="{:9.6f}",
                                                                      **changes), 5.1e-4),
    "cosmos three files": (lambda folder, data, **changes: writers_cosmos.write(folder, data, split=True, **changes), 5.1e-6),
}


@pytest.mark.parametrize("form", WRITERS)
def test_components_come_back_within_the_quantisation_of_the_format(form, tmp_path):
    write, atol = WRITERS[form]
    record = readers.read(*write(tmp_path, DATA))
    np.testing.assert_allclose(record.data, DATA, rtol=0, atol=atol)
    np.testing.assert_allclose(record.pga_cmps2, [20, 30, 10], atol=atol)
    assert (record.sampling_rate_hz, record.station, record.event) == (100.0, "TST1", "20200101000005")
    assert record.meta["trace_start_time"] == "2020-01-01T00:00:02.500000Z"
    assert record.meta["source_origin_time"] == "2020-01-01T00:00:05.000000Z"


@pytest.mark.parametrize("form", WRITERS)
def test_a_writer_that_swaps_two_components_is_noticed(form, tmp_path):
    write, atol = WRITERS[form]
    record = readers.read(*write(tmp_path, DATA[[1, 0, 2]]))
    assert np.abs(record.data - DATA).max() > 1


@pytest.mark.parametrize("form", WRITERS)
def test_order_of_the_components_and_ends_of_lines_do_not_matter(form, tmp_path):
    write, atol = WRITERS[form]
    crlf = {"end" if "geonet" in form else "end_of_line": "\r\n"}
    record = readers.read(*write(tmp_path, DATA, order="ZNE", **crlf))
    np.testing.assert_allclose(record.data, DATA, rtol=0, atol=atol)
    for path in tmp_path.iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    np.testing.assert_allclose(readers.read(*tmp_path.iterdir()).data, DATA, rtol=0, atol=atol)


@pytest.mark.parametrize("form", WRITERS)
def test_instrument_axes_are_turned_to_east_and_north(form, tmp_path):
    write, atol = WRITERS[form]
    directions = ({"E": ("N80W", 280), "N": ("S10W", 190), "Z": ("Up", 0)} if "geonet" in form else
                  {"E": ("280 deg", 280), "N": ("190 deg", 190), "Z": ("Up", 400)})
    record = readers.read(*write(tmp_path, along(280, 190), directions=directions))
    np.testing.assert_allclose(record.data, DATA, rtol=0, atol=2 * atol)
    assert record.meta["trace_rotated_from"] == "280 190"


@pytest.mark.parametrize("form", WRITERS)
def test_down_is_turned_up(form, tmp_path):
    write, atol = WRITERS[form]
    text = {"Z": ("Down", 0 if "geonet" in form else 401)}
    directions = {**(writers_geonet if "geonet" in form else writers_cosmos).DIRECTIONS, **text}
    record = readers.read(*write(tmp_path, DATA * [[1], [1], [-1]], directions=directions))
    np.testing.assert_allclose(record.data, DATA, rtol=0, atol=atol)


@pytest.mark.parametrize("form", WRITERS)
def test_a_file_cut_short_is_refused_wherever_it_ends(form, tmp_path):
    write, _ = WRITERS[form]
    paths = write(tmp_path, DATA)
    content = paths[-1].read_bytes()
    assert content
    for share in np.linspace(0.02, 0.985, 40):
        paths[-1].write_bytes(content[:int(share * len(content))])
        made = readers.read_all(paths)
        assert made and all(isinstance(one, Refusal) for one in made), share


@pytest.mark.parametrize("form", WRITERS)
def test_two_components_are_no_record(form, tmp_path):
    write, _ = WRITERS[form]
    error = refused(write(tmp_path, DATA, order="EZ"))
    assert isinstance(error, ComponentError) and "2 components" in str(error)


def test_each_recognises_its_own_and_nothing_else(tmp_path):
    heads = {"geonet": writers_geonet.write(tmp_path, DATA)[0].read_bytes()[:8192],
             "cosmos": writers_cosmos.write(tmp_path, DATA)[0].read_bytes()[:8192]}
    dmg = b"Uncorrected Accelerogram Data             Processed: 05/15/20, CGS\n" + b"Number of points, 4000\n" * 30
    smc = b"2 CORRECTED ACCELEROGRAM\n*\n" + b"Component\n" * 30
    for head in (dmg, smc, b"", b"\n" * 100, b"\x00" * 100, b"STRONG GROUND MOTION RECORDS OF T"):
        assert not geonet.sniff(head, "x.V1A") and not cosmos.sniff(head, "x.V1c")
    assert geonet.sniff(heads["geonet"], "x.txt") and not geonet.sniff(heads["cosmos"], "x.V1A")
    assert cosmos.sniff(heads["cosmos"], "x.txt") and not cosmos.sniff(heads["geonet"], "x.V1c")


# --- GeoNet -------------------------------------------------------------------------------------------------

def test_geonet_header_becomes_metadata(tmp_path):
    band = "Band-pass filter transition bands are .10-.25 Hz and 24.50-25.50 Hz"
    record = readers.read(*writers_geonet.write(tmp_path, DATA, corrected=True, band=band))
    meta = record.meta
    assert meta["station_latitude_deg"] == pytest.approx(-40.5) and meta["station_longitude_deg"] == pytest.approx(175.26)
    assert meta["source_latitude_deg"] == pytest.approx(-40.25) and meta["source_longitude_deg"] == pytest.approx(175.5)
    assert (meta["source_magnitude"], meta["source_magnitude_type"], meta["source_depth_km"]) == (5.5, "Mw", 12.0)
    assert (meta["path_ep_distance_km"], meta["station_network_code"], meta["station_location_code"]) == (35.0, "NZ", "20")
    assert (meta["trace_lowcut_hz"], meta["trace_highcut_hz"], meta["trace_bandlimit_hz"]) == (0.25, 24.5, 24.5)
    assert meta["trace_units_declared"] == "mm/s/s (header)" and "CC BY 3.0 NZ" in meta["trace_license"]
    assert meta["trace_component_order_source"] == "N90E,N00E,Up"
    unfiltered = readers.read(*writers_geonet.write(tmp_path, DATA))
    assert "trace_lowcut_hz" not in unfiltered.meta and unfiltered.meta["trace_processing"] == "uncorrected (V1A)"


@pytest.mark.parametrize("factor, unit, gal", [(2.0, "mm/s/s", 0.1), (1.0, "cm/s/s", 1.0), (1.0, "m/s^2", 100.0)])
def test_geonet_factor_and_unit_of_the_readings(factor, unit, gal, tmp_path):
    at_scale = DATA / gal / 10     # the writer prints mm/s²: this many of `unit` times `factor`
    paths = writers_geonet.write(tmp_path, at_scale, factor=factor, unit=unit, number="{:8.3f}", line_14="Acceleration: none")
    np.testing.assert_allclose(_without_peak(paths), DATA, rtol=0, atol=5.1e-4 * factor * gal)


def _without_peak(paths):
    """The samples of a file whose peaks, in line 14 and the reals, are blanked."""
    lines = paths[0].read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("Acceleration: none"):
            lines[number + 10] = " " * 80                    # reals 31 to 40
    paths[0].write_text("\n".join(lines))
    return readers.read(*paths).data


def test_geonet_refusals_say_why(tmp_path):
    def error(**changes):
        return refused(writers_geonet.write(tmp_path, DATA, **changes))
    wrong = {**writers_geonet.DIRECTIONS, "N": ("N00E", 15)}
    assert isinstance(error(directions=wrong), ComponentError) and "integer 28 says 15°" in str(error(directions=wrong))
    odd = {**writers_geonet.DIRECTIONS, "N": ("Sideways", 0)}
    assert isinstance(error(directions=odd), ComponentError) and "Sideways" in str(error(directions=odd))
    assert isinstance(error(unit="furlong"), UnitsError) and "furlong" in str(error(unit="furlong"))
    silent = error(line_11="Raw readings at intervals of 0.010 s", line_14="Acceleration: none")
    assert isinstance(silent, UnitsError) and "declare it" in str(silent)
    assert isinstance(error(peak=400.0), HeaderMismatchError)
    assert isinstance(error(stated_dt=0.02), SamplingError) and "real 26" in str(error(stated_dt=0.02))
    assert isinstance(error(duration=9.0), SamplingError) and "line 10 says 9.00 s" in str(error(duration=9.0))
    assert isinstance(error(dt=0.0001, stated_dt=0.0001), SamplingError)
    assert isinstance(error(points=9_999_999), FormatError) and "more than the file can hold" in str(error(points=9_999_999))
    assert isinstance(error(points=400), FormatError)       # rows are left over
    assert isinstance(error(site="Sight"), FormatError)
    assert isinstance(error(number="{:8.1f} ", per_line=9), FormatError)


def test_geonet_unit_may_be_declared_where_the_file_is_silent(tmp_path):
    paths = writers_geonet.write(tmp_path, DATA, line_11="Raw readings at intervals of 0.010 s", line_14="Acceleration: none")
    record = readers.read(*paths, options=Options(unit="mm/s2"))
    np.testing.assert_allclose(record.data, DATA, rtol=0, atol=0.0051)
    assert record.meta["trace_units_declared"] == "mm/s2 (declared by the user)"


def test_geonet_fields_that_touch_and_fewer_columns(tmp_path):
    strong = DATA * 33                                      # -9900.0 mm/s² and more fill eight columns
    paths = writers_geonet.write(tmp_path, strong, number="{:8.2f}")
    assert any(len(line) == 80 and line.count(" ") < 12 for line in paths[0].read_text().splitlines()[26:])
    np.testing.assert_allclose(readers.read(*paths).data, strong, rtol=0, atol=0.00051)
    np.testing.assert_allclose(readers.read(*writers_geonet.write(tmp_path, DATA, per_line=5)).data, DATA, rtol=0, atol=0.0051)


@pytest.mark.parametrize("name, samples, rate_hz, peaks_mm, azimuths", [
    ("us1000778i/20161113_110300_HSES_20.V1A", 65536, 200.0, (2394.8, 2584.4, -1589.9), (10, 280, None)),
    ("nz2018p115908/20180212_211557_WPWS_20.V2A", 5800, 50.0, (-41.6, -194.0, -27.3), (196, 106, None)),
])
def test_golden_numbers_of_geonet_files(name, samples, rate_hz, peaks_mm, azimuths):
    path = real("geonet/" + name)
    channels = geonet.read(RawFile.of(path), Options())
    assert [one.azimuth_deg for one in channels] == list(azimuths)
    for one, peak_mm in zip(channels, peaks_mm):
        assert one.samples[np.argmax(np.abs(one.samples))] == pytest.approx(peak_mm / 10, abs=1e-9)
    record = readers.read(path)
    assert (record.samples, record.sampling_rate_hz, record.station) == (samples, rate_hz, name.split("_")[2])
    first = np.deg2rad(azimuths[0])
    np.testing.assert_allclose(record.data[0] * np.sin(first) + record.data[1] * np.cos(first), channels[0].samples, atol=1e-9)
    if name.endswith("V2A"):
        assert (record.event, record.meta["trace_bandlimit_hz"], record.meta["trace_lowcut_hz"]) == ("20180212211554", 24.5, 0.25)
    else:
        assert (record.event, record.meta["source_magnitude"]) == ("20161113110256", 7.82)
        assert record.meta["station_latitude_deg"] == pytest.approx(-42.523, abs=1e-3)


# --- COSMOS -------------------------------------------------------------------------------------------------

def test_cosmos_header_becomes_metadata(tmp_path):
    filtered = "Record filtered below 0.30  Hz (periods over   3.3 secs), and above 20.0 Hz"
    record = readers.read(*writers_cosmos.write(tmp_path, DATA, stage=2, filtered=filtered))
    meta = record.meta
    assert (meta["station_network_code"], meta["station_vs30_mps"], meta["station_elevation_m"]) == ("XX", 360.0, 100.0)
    assert (meta["source_magnitude"], meta["source_magnitude_type"], meta["source_depth_km"]) == (5.5, "ML", 9.5)
    assert (meta["source_latitude_deg"], meta["source_longitude_deg"], meta["path_ep_distance_km"]) == (38.5, 27.25, 30.0)
    assert (meta["trace_lowcut_hz"], meta["trace_highcut_hz"], meta["trace_bandlimit_hz"]) == (0.3, 20.0, 20.0)
    assert meta["trace_units_declared"] == "cm/sec2 (header)" and meta["trace_processing"] == "corrected (V2)"
    plain = readers.read(*writers_cosmos.write(tmp_path, DATA, reals={4: -999.0, 15: -999.9, 13: 6.0}))
    assert np.isnan(plain.meta["station_vs30_mps"]) and plain.meta["source_magnitude_type"] == "Mw"
    assert "trace_lowcut_hz" not in plain.meta


FORMS = [dict(form="(1E15.6)", number="{:15.6E}", per_line=1), dict(form="(5(1X,E12.5))", number=" {:12.5E}", per_line=5),
         dict(form="(10F8.3)", number="{:8.3f}", per_line=10), dict(form="(1P,4E20.10)", number="{:20.10E}", per_line=4)]


@pytest.mark.parametrize("form", FORMS, ids=[form["form"] for form in FORMS])
@pytest.mark.parametrize("header", [dict(text=13), dict(text=15, real_form="(5E15.6)", real_number="{:15.6E}", real_per_line=5)],
                         ids=["13 lines", "15 lines"])
def test_cosmos_formats_are_read_from_the_file(form, header, tmp_path):
    record = readers.read(*writers_cosmos.write(tmp_path, DATA, **form, **header))
    np.testing.assert_allclose(record.data, DATA, rtol=1e-5, atol=5.1e-4)


def test_cosmos_fields_that_touch(tmp_path):
    paths = writers_cosmos.write(tmp_path, DATA, form="(8F7.3)", number="{:7.3f}")
    assert any(re.search(r"\.\d{3}-1\d\.\d{3}", line) for line in paths[0].read_text().splitlines())
    np.testing.assert_allclose(readers.read(*paths).data, DATA, rtol=0, atol=5.1e-4)


def test_cosmos_velocity_and_displacement_are_passed_over(tmp_path):
    n = DATA.shape[1]
    after = [line for what, code in (("velocity    ", 5), ("displacement", 6)) for line in
             [f"{n:8d} {what} pts, approx    4 secs, units=cm/sec({code:02d}),Format=(8F10.5)",
              *writers_cosmos.rows(np.full(n, 99.0), "{:10.5f}", 8)]]
    np.testing.assert_allclose(readers.read(*writers_cosmos.write(tmp_path, DATA, stage=2, after=after)).data, DATA, atol=5.1e-6)
    alone = dict(quantity="velocity    ", unit="cm/sec", integer_code=5, integers={2: 2}, title="Corrected velocity")
    error = refused(writers_cosmos.write(tmp_path, DATA, stage=2, **alone))
    assert isinstance(error, FormatError) and "not acceleration but velocity" in str(error)
    spectra = refused(writers_cosmos.write(tmp_path, DATA, stage=1, integers={1: 3}))
    assert isinstance(spectra, FormatError) and "spectra (V3)" in str(spectra)


def test_cosmos_stages_and_velocity_files_of_a_record_do_not_mix(tmp_path):
    paths = writers_cosmos.write(tmp_path, DATA, split=True) + writers_cosmos.write(tmp_path, DATA, split=True, stage=2)
    (tmp_path / "vel").mkdir()
    velocity = dict(quantity="velocity", unit="cm/sec", integers={2: 2}, title="Corrected velocity", split=True, stage=2)
    for path in writers_cosmos.write(tmp_path / "vel", DATA, **velocity):
        paths.append(path.rename(tmp_path / f"vel.{path.name}"))
    made = readers.read_all(paths)
    records = [one for one in made if not isinstance(one, Refusal)]
    assert [one.meta["trace_processing"] for one in records] == ["uncorrected (V1)", "corrected (V2)"]
    assert len(made) == 5 and all("velocity" in str(one.error) for one in made if isinstance(one, Refusal))


def test_cosmos_raw_counts_need_a_scale(tmp_path):
    counts = dict(stage=0, code=50, quantity="raw accel.  ", form="(10I8)", number="{:8.0f}", per_line=10)
    data = np.round(DATA * 1e4) + 50_000
    error = refused(writers_cosmos.write(tmp_path, data, **counts))
    assert isinstance(error, UnitsError) and "raw counts (V0)" in str(error) and "gal_per_count" in str(error)
    record = readers.read(*writers_cosmos.write(tmp_path, data, **counts), options=Options(gal_per_count=1e-4))
    np.testing.assert_allclose(record.data, DATA, atol=2e-4)
    assert record.meta["trace_processing"] == "raw counts (V0), mean removed"
    assert record.meta["trace_units_declared"] == "0.0001 gal a count (declared by the user)"
    scale = {22: 0.2, 42: 1.25, 47: 1.0}                    # 0.2 µV a count, 1.25 V/g: 1.569e-4 gal
    hinted = refused(writers_cosmos.write(tmp_path, data, reals=scale, **counts))
    assert isinstance(hinted, UnitsError) and "suggests 0.000156906" in str(hinted)
    contradicted = refused(writers_cosmos.write(tmp_path, data, reals=scale, **counts), Options(gal_per_count=1e-4))
    assert isinstance(contradicted, UnitsError) and "contradict" in str(contradicted)


def test_cosmos_units(tmp_path):
    def error(**changes):
        return refused(writers_cosmos.write(tmp_path, DATA, **changes))
    np.testing.assert_allclose(readers.read(*writers_cosmos.write(tmp_path, DATA, code=11)).data, DATA, atol=5.1e-6)
    assert isinstance(error(integer_code=25), UnitsError) and "integer 3 says 25" in str(error(integer_code=25))
    assert isinstance(error(unit="mg"), UnitsError)         # mg, with the code of cm/s²
    assert isinstance(error(code=5, unit="cm/sec"), UnitsError)
    np.testing.assert_allclose(readers.read(*writers_cosmos.write(tmp_path, DATA, integer_code=-999)).data, DATA, atol=5.1e-6)
    named = writers_cosmos.write(tmp_path, DATA / 100, code=-999, unit="m/sec/sec", number="{:10.7f}", form="(8F10.7)")
    np.testing.assert_allclose(readers.read(*named).data, DATA, atol=5.1e-5)


def test_cosmos_sampling(tmp_path):
    def error(**changes):
        return refused(writers_cosmos.write(tmp_path, DATA, **changes))
    assert readers.read(*writers_cosmos.write(tmp_path, DATA, rate_hz=200.0)).sampling_rate_hz == 200.0     # real 34 says 0.02 s
    assert isinstance(error(reals={62: 20.0}), SamplingError) and "real 63 says 4.07 s" in str(error(reals={62: 20.0}))
    assert isinstance(error(seconds=40), SamplingError) and "line before the data says 40 s" in str(error(seconds=40))
    assert isinstance(error(reals={62: -999.0, 63: -999.0}), SamplingError)        # 407 points every 0.02 s are not 4 s
    only_raw = writers_cosmos.write(tmp_path, DATA, reals={62: -999.0, 63: -999.0, 34: 0.01})
    assert readers.read(*only_raw).sampling_rate_hz == 100.0
    by_length = writers_cosmos.write(tmp_path, DATA, reals={62: -999.0})
    assert readers.read(*by_length).sampling_rate_hz == pytest.approx(100.0)
    assert isinstance(error(reals={62: 0.0, 63: 0.0}), SamplingError)
    assert readers.read(*writers_cosmos.write(tmp_path, DATA, rate_hz=120.0)).sampling_rate_hz == 120.0     # 8.333333 ms


@pytest.mark.parametrize("text, code, found", [
    ("Up", 400, None), ("", 400, None), ("Up", -999, None), ("Up", 402, None), ("Vert", 402, None), ("", 90, 90), ("E", 90, 90),
    ("90 deg", -999, 90), ("360 deg", 0, 0), ("N85E", 85, 85), ("?", 355, 355), ("Other", 0, "HNZ"), ("", 2000, "HNZ")])
def test_cosmos_directions(text, code, found, tmp_path):
    (path,) = writers_cosmos.write(tmp_path, DATA, order="Z", directions={"Z": (text, code)})
    (channel,) = cosmos.read(RawFile.of(path), Options())
    if found == "HNZ":       # neither tells; the channel's code does, and the record says so
        assert channel.azimuth_deg is None and channel.meta["trace_direction_source"] == "channel codes (comment SCNL)"
    else:
        assert channel.azimuth_deg == found and "trace_direction_source" not in channel.meta
    assert ("trace_vertical_sense" in channel.meta) == (text == "Vert")
    np.testing.assert_allclose(channel.samples, DATA[2], atol=5.1e-6)


@pytest.mark.parametrize("text, code, why", [
    ("340 deg", 400, "integer 54 says up"), ("Up", 90, "integer 54 says 90°"), ("Up", 401, "says down"),
    ("Down", 400, "says up"), ("340 deg", 330, "integer 54 says 330°"), ("Radl", 500, "radial"), ("Long", 600, "structure"),
    ("H1", 700, "unknown azimuth"), ("90 deg", 0, "no azimuth"), ("Up", 0, "no azimuth"), ("", 77777, "no azimuth")])
def test_cosmos_directions_that_are_not_known_are_refused(text, code, why, tmp_path):
    directions = {**writers_cosmos.DIRECTIONS, "Z": (text, code)}
    error = refused(writers_cosmos.write(tmp_path, DATA, directions=directions))
    assert isinstance(error, ComponentError) and why in str(error) and str(error).startswith("TST1.V1c: ")


def test_cosmos_peak_of_the_header_is_checked(tmp_path):
    assert isinstance(refused(writers_cosmos.write(tmp_path, DATA, each={"E": {"reals": {64: 21.0}}})), HeaderMismatchError)
    weak = DATA * 1e-5       # peaks of 0.0002 gal, printed with six decimals: rounding is no contradiction
    paths = writers_cosmos.write(tmp_path, weak, form="(5E15.6)", number="{:15.6E}", per_line=5)
    np.testing.assert_allclose(readers.read(*paths).data, weak, rtol=1e-5)


def test_cosmos_damaged_files_say_where(tmp_path):
    def error(**changes):
        return refused(writers_cosmos.write(tmp_path, DATA, **changes))
    assert "more values than the header announces" in str(error(points=403))
    assert "announces no data" in str(error(points=400)) or "holds more values" in str(error(points=400))
    assert "more than the file can hold" in str(error(points=9_000_000, reals={63: -999.0}))
    assert "which is not understood" in str(error(form="(A80)"))
    assert "fields of one kind" in str(error(form="(4F10.5,I8)"))
    assert "goes on after the 8 fields" in str(error(number="{:11.5f}"))
    assert "not a number" in str(error(number="*" * 10))
    assert isinstance(error(station="Code:", comments=()), FormatError)
    assert "do not fill" in str(error(real_per_line=5))


def test_cosmos_arrays_are_told_apart_by_location_or_refused(tmp_path):
    def array(*places):
        lines = []
        for number, place in enumerate(places):
            for component, samples in zip("ENZ", DATA * (number + 1)):
                text, code = writers_cosmos.DIRECTIONS[component]
                lines += writers_cosmos.channel(samples, 100.0, text, code, location=place)
        path = tmp_path / "array.V1c"
        path.write_text("\n".join(lines))
        return readers.read_all(path)
    made = array("Ground, free field", "Downhole 30 m")
    assert [one.pga_cmps2.round(3).tolist() for one in made] == [[20, 30, 10], [40, 60, 20]]
    assert [one.meta["trace_sensor_location"] for one in made] == ["Ground, free field", "Downhole 30 m"]
    (unclear,) = array("", "")
    assert isinstance(unclear.error, ComponentError) and "6 channels of station TST1" in str(unclear.error)
    assert "triplets" in str(unclear.error)


def test_cosmos_channels_of_different_places_are_no_record(tmp_path):
    each = {"E": {"location": "Roof"}, "N": {"location": "2nd floor"}, "Z": {"location": "Ground"}}
    error = refused(writers_cosmos.write(tmp_path, DATA, each=each))
    assert isinstance(error, ComponentError) and "different places of station TST1 (2nd floor; Ground; Roof)" in str(error)
    same = readers.read(*writers_cosmos.write(tmp_path, DATA, location="Ground"))
    assert same.meta["trace_sensor_location"] == "Ground"


def test_cosmos_start_that_is_not_utc_is_not_taken(tmp_path):
    record = readers.read(*writers_cosmos.write(tmp_path, DATA, zone="PDT", origin="To be determined"))
    assert "trace_start_time" not in record.meta and record.event == "" and "source_origin_time" not in record.meta
    assert readers.read(*writers_cosmos.write(tmp_path, DATA, integers={42: 13})).meta.get("trace_start_time") is None


def cosmos_channels(name):
    return cosmos.read(RawFile.of(real("cosmos/" + name)), Options())


def test_golden_numbers_of_cosmos_files():
    (channel,) = cosmos_channels("us1000hyfh/us1000hyfh_akbmrp_AKBMR--n.1000hyfh.BNZ.--.acc.V2c")
    at = int(np.argmax(np.abs(channel.samples)))
    assert (len(channel.samples), channel.sampling_rate_hz, channel.station) == (42000, 200.0, "BMR")
    assert (channel.samples[at], at / channel.sampling_rate_hz) == (pytest.approx(-6.851512, abs=1e-6), pytest.approx(76.215))
    (channel,) = cosmos_channels("ci14155260/Cosmos12TimeSeriesTest.v1")
    at = int(np.argmax(np.abs(channel.samples)))
    assert (len(channel.samples), channel.azimuth_deg, channel.event) == (7000, 340.0, "20050616205326")
    # 7000 points in 70 s: real 62 is 10 ms and the peak lies at the header's 27.85 s; real 34 says 0.005 s
    assert (channel.samples[at], at / channel.sampling_rate_hz) == (pytest.approx(-161.9618), pytest.approx(27.85))


@pytest.mark.parametrize("name, kind, why", [
    ("us1000hyfh/us1000hyfh_akbmrp_AKBMR--n.1000hyfh.BNZ.--.acc.V2c", ComponentError, "1 component (BNZ)"),
    ("ci14155260/Cosmos12TimeSeriesTest.v1", ComponentError, "1 component (340 deg)"),
    ("ci14155260/Cosmos12TimeSeriesTest2.v1", ComponentError, "text header says '340 deg', integer 54 says up (400)"),
    ("ftbragg/NP1795-n.305.v0c", UnitsError, "raw counts (V0)"),
    ("ak018fcnsk91/NP8040-n.1000hyfh.HNE.01.V0c", UnitsError, "raw counts (V0)")])
def test_real_cosmos_files_are_refused_for_the_right_reason(name, kind, why):
    error = refused(real("cosmos/" + name))
    assert type(error) is kind and why in str(error)


def test_real_counts_with_a_declared_scale():
    path = real("cosmos/ftbragg/NP1795-n.305.v0c")
    channels = cosmos.read(RawFile.of(path), Options(gal_per_count=6.49469e-4))
    assert [one.azimuth_deg for one in channels] == [90.0, 0.0, None]
    record = readers.read(path, options=Options(gal_per_count=6.49469e-4))
    assert (record.samples, record.sampling_rate_hz, record.station) == (20000, 200.0, "1795")
    assert np.abs(record.data.mean(axis=1)).max() < 1e-9


# --- Fortran formats ----------------------------------------------------------------------------------------

def numbers(text, form, count, **changes):
    return _fortran.take_values(_fortran.Lines(text), count, _fortran.edit_descriptor(form), **changes)


def test_numbers_in_fortran_style():
    np.testing.assert_array_equal(numbers(b"-100.12345-200.12345\r\n        .5", "(2F10.5)", 3), [-100.12345, -200.12345, 0.5])
    np.testing.assert_array_equal(numbers(b"1.5-03    1.5D-03   -1.5E+03  \n", "(3E10.3)", 3), [0.0015, 0.0015, -1500])
    np.testing.assert_array_equal(numbers(b" 1.0X 2.0\n", "(F4.1,1X,F4.1)", 2), [1, 2])
    assert np.isnan(numbers(b"       NaN", "(F10.2)", 1)).all() and np.isnan(numbers(b"  ", "(F10.2)", 1, blanks=True)).all()


@pytest.mark.parametrize("text, form, count, why", [
    (b"       1.0\n", "(F10.2)", 2, "incomplete"), (b"       1.0" * 2, "(F10.2)", 1, "goes on after"),
    (b"       1.0", "(2F10.2)", 2, "is blank"), (b"**********", "(F10.2)", 1, "not a number"),
    (b"     1_000", "(F10.2)", 1, "not a number"), (b"       1.0", "(F10.2)", 10**9, "can hold"),
    (b"       123", "(F10.2)", 1, "without a decimal point"), (b"1.0-2.0   ", "(F10.2)", 1, "holds"),
    (b"1.0", "(9" * 9, 1, "understood")])
def test_text_that_is_not_what_the_format_says(text, form, count, why):
    with pytest.raises(ValueError, match=why):
        numbers(text, form, count)


def test_a_huge_header_is_refused_at_once(tmp_path):
    (path,) = writers_cosmos.write(tmp_path, DATA, points=9_999_999_999)
    begun = time.monotonic()
    assert isinstance(refused(path), FormatError)
    path.write_bytes(b"Raw acceleration counts (Format v01.20 with 13 text lines)\n" + b"\n" * 20_000_000)
    assert isinstance(refused(path), FormatError)
    (path,) = writers_geonet.write(tmp_path, DATA)
    path.write_bytes(path.read_bytes() + b"\n" * 20_000_000)
    readers.read_all(path)
    assert time.monotonic() - begun < 4
