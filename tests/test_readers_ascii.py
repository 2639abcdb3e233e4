"""DYNA, PEER and the project's own text: what comes out, and what is refused and why."""

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import pytest
import writers_dyna
import writers_peer

from tng import readers, writers
from tng.channels import Refusal
from tng.readers import _numbers, dyna, peer, tng_csv
from tng.readers.options import Options
from tng.records import (ComponentError, DataError, FormatError, HeaderMismatchError, Record, SamplingError, UnitsError)
from tng.sources import RawFile

PEAKS = {"E": 20.0, "N": 30.0, "Z": 10.0}


def motion(samples=400):
    """Noise with peaks of 20 (E), 30 (N), 10 (Z) gal, shape (3, samples)."""
    data = np.random.default_rng(7).normal(size=(3, samples))
    data -= data.mean(axis=1, keepdims=True)
    return data / np.abs(data).max(axis=1, keepdims=True) * [[PEAKS[component]] for component in "ENZ"]


DATA = motion()


def refused(files, options=None):
    """The one reason why files are no record."""
    (only,) = readers.read_all(files, options)
    assert isinstance(only, Refusal), only
    return only.error


def head(path):
    return path.read_bytes()[:8192]


def own_text(folder, data=DATA, **changes):
    record = Record(data, 100.0, "9901", "20200101000000", {"trace_license": "CC BY 4.0", **changes})
    return writers.write([record], folder, "csv")


# --- all three ----------------------------------------------------------------------------------------------

WRITERS = {
    "dyna-esm": writers_dyna.write,
    "dyna-afad": lambda folder, data, **changes: writers_dyna.write(folder, data, dialect="afad", **changes),
    "peer": writers_peer.write,
    "tng-csv": own_text,
}
ATOL = {"dyna-esm": 5e-7, "dyna-afad": 5e-7, "peer": 5e-6, "tng-csv": 0.0}


@pytest.mark.parametrize("form", WRITERS)
def test_components_come_back_as_east_north_up(form, tmp_path):
    record = readers.read(*WRITERS[form](tmp_path, DATA))
    np.testing.assert_allclose(record.data, DATA, rtol=0, atol=ATOL[form] * 1.001)
    np.testing.assert_allclose(record.pga_cmps2, [20, 30, 10], rtol=1e-6)
    assert record.sampling_rate_hz == 100
    assert record.meta["trace_source_format"] == form.removesuffix("-esm").removesuffix("-afad")
    assert record.meta["trace_license"] and record.meta["trace_units_declared"].endswith("(header)")


@pytest.mark.parametrize("form", WRITERS)
def test_components_swapped_in_the_files_are_swapped_in_the_record(form, tmp_path):
    record = readers.read(*WRITERS[form](tmp_path, DATA[[1, 0, 2]]))
    np.testing.assert_allclose(record.pga_cmps2, [30, 20, 10], rtol=1e-6)


@pytest.mark.parametrize("form", WRITERS)
def test_the_order_in_which_files_are_given_does_not_matter(form, tmp_path):
    files = WRITERS[form](tmp_path, DATA)
    np.testing.assert_array_equal(readers.read(*files[::-1]).data, readers.read(*files).data)


@pytest.mark.parametrize("form", WRITERS)
def test_each_is_recognised_by_its_own_reader_only_whatever_its_name(form, tmp_path):
    for path in WRITERS[form](tmp_path, DATA):
        claimed = [module.NAME for module in (dyna, peer, tng_csv) if module.sniff(head(path), "x.bin")]
        assert claimed == [form.removesuffix("-esm").removesuffix("-afad")]
        assert claimed == [module.NAME for module in (dyna, peer, tng_csv) if module.sniff(b"\xef\xbb\xbf" + head(path), "x")] \
            or form == "tng-csv"


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.5, 0.9, 0.995])
def test_a_truncated_file_is_refused_by_name(form, share, tmp_path):
    files = WRITERS[form](tmp_path, DATA)
    raw = files[0].read_bytes()
    files[0].write_bytes(raw[:int(len(raw) * share)])
    with pytest.raises((FormatError, ComponentError, SamplingError, UnitsError, HeaderMismatchError), match=files[0].name):
        readers.read(*files)


@pytest.mark.parametrize("form", [form for form in WRITERS if form != "tng-csv"])
def test_a_missing_sibling_is_refused(form, tmp_path):
    files = WRITERS[form](tmp_path, DATA)
    error = refused(files[:2])
    assert isinstance(error, ComponentError) and "2 components" in str(error) and files[0].name in str(error)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("text, error", [("nan", DataError), ("Infinity", DataError), ("12x4", FormatError),
    ("1e999", DataError)])
def test_a_sample_that_is_no_number_is_refused(form, text, error, tmp_path):
    files = WRITERS[form](tmp_path, DATA)
    raw = files[0].read_bytes()
    at = len(raw) - len(raw.split()[-1]) - 1
    last = raw[at:].strip().rpartition(b",")
    files[0].write_bytes(raw[:at] + last[0] + last[1] + text.encode() + b"\n")
    assert type(refused(files)) is error


@pytest.mark.parametrize("form", [form for form in WRITERS if form != "tng-csv"])
def test_rates_whose_interval_is_printed_rounded(form, tmp_path):
    files = WRITERS[form](tmp_path, DATA, rate_hz=128.0)           # 1/128 = 0.0078125 s, printed with 4 to 7 digits
    assert readers.read(*files).sampling_rate_hz == 128.0


@pytest.mark.parametrize("text, rate_hz", [
    ("0.01", 100), (".0050", 200), ("0.005000", 200), ("1.0D-02", 100), ("0.02", 50), ("0.0078", 128), ("0.007812", 128),
    (".0039", 256),
    ("0.032", 31.25), ("0.016", 62.5), ("0.008", 125), ("0.0333", 30), ("0.0083333333", 120), ("0.0033", 300), ("0.0025", 400),
    ("0.1", 10), ("1", 1), ("0.004", 250), ("0.0125", 80)])
def test_rate_of_an_interval_as_printed(text, rate_hz):
    assert _numbers.rate_hz(text, "DT", "x") == rate_hz


@pytest.mark.parametrize("write, changes, key", [
    (writers_dyna.write, {"NDATA": "999999999"}, "NDATA"), (writers_peer.write, {"count": "NPTS= 999999999, DT= .01 SEC"},
    "NPTS")])
def test_a_huge_count_costs_nothing(write, changes, key, tmp_path):
    files = write(tmp_path, DATA, **changes)
    began = time.perf_counter()
    error = refused(files)
    assert isinstance(error, FormatError) and f"{key} says 999999999" in str(error) and time.perf_counter() - began < 1


# --- DYNA ---------------------------------------------------------------------------------------------------

def test_esm_metadata(tmp_path):
    files = writers_dyna.write(tmp_path, DATA)
    record = readers.read(*files)
    expected = {
        "source_origin_time": "2020-01-01T00:00:00.000000Z", "trace_start_time": "2020-01-01T00:00:10.250000Z",
        "source_latitude_deg": 38.1, "source_longitude_deg": 23.54, "source_depth_km": 9.5, "source_magnitude": 5.1,
        "source_magnitude_type": "Mw", "station_network_code": "XX", "station_location_code": "00",
        "station_name": "Test, nowhere",
        "station_latitude_deg": 38.47836, "station_longitude_deg": 22.49583, "station_elevation_m": 570.0,
        "station_vs30_mps": 688.0, "station_site_class": "B", "path_ep_distance_km": 45.8, "path_back_azimuth_deg": 114.4,
        "trace_instrument": "sensor = S [1] | digitizer = D [2]", "trace_lowcut_hz": 0.1, "trace_highcut_hz": 30.0,
        "trace_license": "CC BY 4.0", "trace_units_declared": "cm/s^2 (header)", "trace_component_order_source": "HNE,HNN,HNZ",
        "trace_processing": "ACCELERATION; D.20200101.000000.C.ACC; filtered 0.100 to 30.000 Hz"}
    assert (record.station, record.event) == ("TST1", "20200101000000")
    assert {key: record.meta[key] for key in expected} == expected
    digests = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    assert record.meta["trace_source_sha256"] == hashlib.sha256("".join(digests).encode()).hexdigest()


def test_tadas_metadata(tmp_path):
    record = readers.read(*writers_dyna.write(tmp_path, DATA, dialect="afad"))
    expected = {
        "source_origin_time": "2020-01-01T00:00:00.750000Z", "trace_start_time": "2020-01-01T00:00:53.300000Z",
        "source_magnitude": 4.6, "source_magnitude_type": "ML", "station_network_code": "TK",
        "station_location_code": "", "station_name": "HATAY_TEST_BAHCESI",
        "trace_license": "U (unknown license); AFAD waveform, no redistribution permission known",
        "trace_processing": "Acceleration; ap RawAcc; no corner frequencies stated"}
    assert (record.station, record.event) == ("0208", "20200101000000")
    assert {key: record.meta[key] for key in expected} == expected
    assert "trace_lowcut_hz" not in record.meta and np.isnan(record.meta["path_back_azimuth_deg"])


@pytest.mark.parametrize("stated, licence", [
    ("", "U (unknown license); AFAD waveform, no redistribution permission known"), ("CC BY 4.0", "CC BY 4.0")])
def test_tadas_licence(stated, licence, tmp_path):
    assert readers.read(*writers_dyna.write(tmp_path, DATA, dialect="afad", DATA_LICENSE=stated)).meta["trace_license"] == licence


def test_esm_without_a_licence_says_so(tmp_path):
    meta = readers.read(*writers_dyna.write(tmp_path, DATA, DATA_LICENSE="")).meta
    assert meta["trace_license"] == "not stated in the file (ESM: see terms per record)"


@pytest.mark.parametrize("text, expected", [
    ("20200102_030405.678", "2020-01-02T03:04:05.678000Z"), ("20200102_030405", "2020-01-02T03:04:05.000000Z"),
    ("2020-01-02T03:04:05.678", "2020-01-02T03:04:05.678000Z"), ("2020/01/02 03:04:05.678", "2020-01-02T03:04:05.678000Z"),
    ("02/01/2020 03:04:05.678", "2020-01-02T03:04:05.678000Z"), ("20122020_030405", "2020-12-20T03:04:05.000000Z"),
    ("02/01/2020 03:04:60.00", "2020-01-02T03:05:00.000000Z"), ("2020/01/02 24:00:00", "2020-01-03T00:00:00.000000Z"),
    ("", None), ("02/13/2020 03:04:05", None), ("9999/12/31 24:00:00", None), ("yesterday", None)])
def test_dyna_times(text, expected, tmp_path):
    meta = readers.read(*writers_dyna.write(tmp_path, DATA, DATE_TIME_FIRST_SAMPLE_YYYYMMDD_HHMMSS=text)).meta
    assert meta.get("trace_start_time") == expected


@pytest.mark.parametrize("changes", [{"EVENT_TIME_HHMMSS": ""}, {"EVENT_DATE_YYYYMMDD": ""}, {"EVENT_DATE_YYYYMMDD": "20201301"}])
def test_dyna_without_an_origin_time_has_no_event(changes, tmp_path):
    record = readers.read(*writers_dyna.write(tmp_path, DATA, **changes))
    assert record.event == "" and "source_origin_time" not in record.meta


@pytest.mark.parametrize("vs30", ["", "0", "-999", "nan", "unknown"])
def test_dyna_vs30_that_is_none_is_nan(vs30, tmp_path):
    assert np.isnan(readers.read(*writers_dyna.write(tmp_path, DATA, **{"VS30_M/S": vs30})).meta["station_vs30_mps"])


@pytest.mark.parametrize("changes", [
    {"per_line": 8}, {"per_line": 10**6}, {"end": "\r\n"}, {"encoding": "utf-8-sig"},
    {"encoding": "cp1254", "STATION_NAME": "İstanbul"},
    {"DURATION_S": "3.990"}, {"DURATION_S": "4"}, {"DURATION_S": ""}, {"DATA_TYPE": "acceleration"}, {"UNITS": "gal"},
    {"DATA_TYPE": "UNPROCESSED ACCELERATION"}, {"DATA_TYPE": None}, {"PGA_CM/S^2": ""}, {"STREAM": ""}, {"LOCATION": ""},
    {"STATION_CODE": None, "STATION_ID": "TST1"}, {"USER1": "a: b: c:\nd"}, {"EVENT_NAME": "X: 1.5 2.5"},
    {"STREAM": lambda component: f"HG{component}"}, {"STREAM": lambda component: component},
    {"STREAM": {"E": "E-W", "N": "N-S", "Z": "U-D"}.get}])
def test_dyna_variants_of_the_format(changes, tmp_path):
    record = readers.read(*writers_dyna.write(tmp_path, DATA, **changes))
    np.testing.assert_allclose(record.data, DATA, rtol=0, atol=5.1e-7)
    assert (record.station, record.event) == ("TST1", "20200101000000")


@pytest.mark.parametrize("unit, factor", [("m/s^2", 100.0), ("mm/s^2", 0.1), ("g", 980.665), ("cm/s/s", 1.0), (" CM/S^2 ", 1.0)])
def test_dyna_units_are_converted(unit, factor, tmp_path):
    files = writers_dyna.write(tmp_path, DATA, UNITS=unit, **{"PGA_CM/S^2": lambda component: f"{PEAKS[component] * factor:.6f}"})
    np.testing.assert_allclose(readers.read(*files).data, DATA * factor, rtol=1e-9, atol=5.1e-7 * factor)


def test_dyna_numbers_in_fortran_style_that_touch(tmp_path):
    files = writers_dyna.write(tmp_path, DATA)
    for path, row in zip(files, DATA):
        header = path.read_text().split("USER5: \n")[0] + "USER5: \n"
        path.write_text(header + "".join(f"{value:14.7E}".replace("E", "D") for value in row) + "\n")
    assert "D+01-" in files[0].read_text()
    np.testing.assert_allclose(readers.read(*files).data, DATA, rtol=1e-7)


def test_the_name_tells_the_component_where_the_stream_does_not(tmp_path):
    names = [f"20200101000000_0208_mp_Acc_{component}.asc" for component in "NEU"]
    record = readers.read(*writers_dyna.write(tmp_path, DATA, dialect="afad", names=names, STREAM=""))
    np.testing.assert_allclose(record.pga_cmps2, [30, 20, 10], rtol=1e-6)


@pytest.mark.parametrize("dialect", ["esm", "afad"])
def test_stream_and_name_that_contradict_are_refused(dialect, tmp_path):
    files = writers_dyna.write(tmp_path, DATA, dialect=dialect, STREAM={"E": "HNN", "N": "HNE", "Z": "HNZ"}.get)
    error = refused(files if dialect == "afad" else files[:1])
    assert isinstance(error, ComponentError) and "STREAM is HNN but the file's name says" in str(error)


def test_no_direction_anywhere_is_refused(tmp_path):
    files = writers_dyna.write(tmp_path, DATA, names=["a.asc", "b.asc", "c.asc"], STREAM={"E": "HN1", "N": "HN2", "Z": "HNZ"}.get)
    error = refused(files)
    assert isinstance(error, ComponentError) and "neither STREAM (HN1) nor the file's name" in str(error)


def test_versions_and_sensors_of_one_station_are_kept_apart(tmp_path):
    files = []
    for at, version in enumerate(("ap_RawAcc", "ap_Acc", "mp_Acc")):
        names = [f"20200101000000_0208_{version}_{component}.asc" for component in "ENU"]
        files += writers_dyna.write(tmp_path, DATA * (at + 1), dialect="afad", names=names)
    for at, (location, stream) in enumerate((("00", "HN"), ("10", "HN"), ("10", "HL"))):
        names = [f"XX.TST1.{location}.{stream}{component}.D.20200101.000000.C.ACC.ASC" for component in "ENZ"]
        files += writers_dyna.write(tmp_path, DATA * (at + 4), names=names, LOCATION=location,
                                    STREAM=lambda component, stream=stream: stream + component)
    peaks = [record.pga_cmps2 for record in readers.read_all(files)]
    np.testing.assert_allclose(peaks, np.outer([1, 2, 3, 4, 5, 6], [20, 30, 10]), rtol=1e-6)


def test_two_parts_of_one_long_recording_are_two_records(tmp_path):
    late = {"DATE_TIME_FIRST_SAMPLE_YYYYMMDD_HHMMSS": "20200101_000210.250"}
    files = writers_dyna.write(tmp_path, DATA, names=["a_E.asc", "a_N.asc", "a_Z.asc"])
    files += writers_dyna.write(tmp_path, DATA * 2, names=["b_E.asc", "b_N.asc", "b_Z.asc"], **late)
    np.testing.assert_allclose([one.pga_cmps2[0] for one in readers.read_all(files)], [20, 40], rtol=1e-6)


@pytest.mark.parametrize("changes, error, says", [
    ({"DATA_TYPE": "VELOCITY"}, FormatError, "DATA_TYPE is VELOCITY"),
    ({"DATA_TYPE": "ACCELERATION RESPONSE SPECTRUM"}, FormatError, "acceleration is needed"),
    ({"UNITS": ""}, UnitsError, "UNITS is empty"), ({"UNITS": "cm/s"}, UnitsError, "UNITS is cm/s"),
    ({"UNITS": "counts"}, UnitsError, "gal_per_count"),
    ({"NDATA": "401"}, FormatError, "400 samples, but NDATA says 401"), ({"NDATA": ""}, FormatError, "NDATA is missing"),
    ({"NDATA": "-400"}, FormatError, "NDATA is -400"), ({"NDATA": "9" * 30}, FormatError, "NDATA is 9999"),
    ({"SAMPLING_INTERVAL_S": ""}, SamplingError, "missing"), ({"SAMPLING_INTERVAL_S": "0"}, SamplingError, "is 0"),
    ({"SAMPLING_INTERVAL_S": "nan"}, SamplingError, "is nan"), ({"SAMPLING_INTERVAL_S": "2"}, SamplingError, "is 2"),
    ({"SAMPLING_INTERVAL_S": "0.005"}, SamplingError, "DURATION_S is 4.000"),
    ({"PGA_CM/S^2": "20.3"}, HeaderMismatchError, "its header says 20.3"),
    ({"PGA_CM/S^2": "0.204"}, HeaderMismatchError, "must be wrong"),
    ({"STATION_CODE": ""}, FormatError, "no STATION_CODE")])
def test_dyna_refusals(changes, error, says, tmp_path):
    path = writers_dyna.write(tmp_path, DATA, **changes)[0]
    found = refused([path])
    assert type(found) is error and says in str(found) and str(found).startswith(path.name)


def test_dyna_declarations_are_used_only_where_the_file_is_silent(tmp_path):
    silent = writers_dyna.write(tmp_path, DATA, UNITS="", **{"PGA_CM/S^2": ""})
    record = readers.read(*silent, options=Options(unit="m/s2"))
    np.testing.assert_allclose(record.pga_cmps2, [2000, 3000, 1000], rtol=1e-6)
    assert record.meta["trace_units_declared"] == "m/s2 (declared by the user)"
    stated = writers_dyna.write(tmp_path, DATA)
    np.testing.assert_allclose(readers.read(*stated, options=Options(unit="m/s2")).pga_cmps2, [20, 30, 10], rtol=1e-6)
    counts = writers_dyna.write(tmp_path, DATA, UNITS="counts", **{"PGA_CM/S^2": ""})
    np.testing.assert_allclose(readers.read(*counts, options=Options(gal_per_count=0.5)).pga_cmps2, [10, 15, 5], rtol=1e-6)


@pytest.mark.parametrize("peak, right", [("20.19", True), ("-20.19", True), ("20.21", False), ("-19.79", False), ("19.81", True)])
def test_dyna_peak_within_one_percent_whatever_its_sign(peak, right, tmp_path):
    files = writers_dyna.write(tmp_path, DATA, **{"PGA_CM/S^2": lambda component: peak if component == "E" else ""})
    if right:
        readers.read(*files)
    else:
        assert isinstance(refused(files), HeaderMismatchError)


def test_dyna_peak_of_raw_data_may_be_without_their_offset(tmp_path):
    changes = {"DATA_TYPE": "UNPROCESSED ACCELERATION", "PGA_CM/S^2": lambda component: f"{-PEAKS[component]:.6f}"}
    np.testing.assert_allclose(readers.read(*writers_dyna.write(tmp_path, DATA + 50, **changes)).data, DATA + 50, atol=5.1e-7)
    changes["DATA_TYPE"] = "ACCELERATION"
    assert isinstance(refused(writers_dyna.write(tmp_path, DATA + 50, **changes)), HeaderMismatchError)


@pytest.mark.parametrize("sign", ["", "-"])
def test_dyna_peak_of_a_weak_motion_may_be_rounded(sign, tmp_path):
    peaks = {"E": "0.002", "N": "0.003", "Z": "0.001"}              # E peaks at 0.002222: 10 % off
    files = writers_dyna.write(tmp_path, DATA / 9000, dialect="afad", **{"PGA_CM/S^2": lambda component: sign + peaks[component]})
    readers.read(*files)


def test_velocity_beside_acceleration_does_no_harm(tmp_path):
    files = writers_dyna.write(tmp_path, DATA)
    names = [f"XX.TST1.00.HN{component}.D.20200101.000000.C.VEL.ASC" for component in "ENZ"]
    files += writers_dyna.write(tmp_path, DATA, names=names, DATA_TYPE="VELOCITY", UNITS="cm/s")
    made = readers.read_all(files)
    assert sorted(type(one).__name__ for one in made) == ["Record", "Refusal"]


GOLDEN = {
    "HI.ARS1": (19128, (0.300022, 0.359017, 0.202093), 0.1, 88.1, "2019-07-28T16:09:19.870000Z"),
    "HL.DLFA": (13876, (0.227973, 0.190172, 0.208807), 0.2, 100.5, "2019-07-28T16:09:05.700000Z"),
}


def real(name):
    path = Path(os.environ.get("TNG_MIRROR", "no such folder"), name)
    if not path.is_file():
        pytest.skip(f"{name} is not on this machine: set TNG_MIRROR to a folder that holds it")
    return path


@pytest.mark.parametrize("station", GOLDEN)
def test_golden_numbers_of_esm_files(station):
    samples, peaks, low, distance, start = GOLDEN[station]
    record = readers.read(*(real(f"esm/us60004wsq/{station}..HN{component}.D.20190728.160908.C.ACC.ASC") for component in "NZE"))
    assert (record.samples, record.sampling_rate_hz, record.event) == (samples, 200.0, "20190728160908")
    np.testing.assert_allclose(record.pga_cmps2, peaks, rtol=1e-9)
    meta = record.meta
    assert (meta["trace_lowcut_hz"], meta["trace_highcut_hz"]) == (low, 30.0)
    assert (meta["source_magnitude"], meta["source_magnitude_type"], meta["path_ep_distance_km"]) == (4.6, "ML", distance)
    assert meta["trace_start_time"] == start


def test_golden_numbers_of_a_tadas_file():
    path = real("esm/usp000hpnf/20101114230825_3104_ap_RawAcc_E.asc")
    error = refused([path])
    assert isinstance(error, ComponentError) and "1 component (HNE)" in str(error)
    (channel,) = dyna.read(RawFile.of(path), Options())
    assert (len(channel.samples), channel.station, channel.event, channel.azimuth_deg) == (5600, "3104", "20101114230825", 90.0)
    assert np.abs(channel.samples).max() == 1.631975
    assert (channel.meta["station_vs30_mps"], channel.meta["station_site_class"], channel.meta["path_ep_distance_km"]) == (688,
        "B", 45.79)


# --- PEER ---------------------------------------------------------------------------------------------------

def rotated(azimuth_1, azimuth_2, up=1.0):
    """What is recorded along two azimuths and up."""
    angles = np.deg2rad([azimuth_1, azimuth_2])
    return np.vstack([np.outer(np.sin(angles), DATA[0]) + np.outer(np.cos(angles), DATA[1]), up * DATA[2:]])


def test_peer_azimuths_are_rotated(tmp_path):
    names = {"E": "RSN1_X_GIL067.AT2", "N": "RSN1_X_GIL337.AT2", "Z": "RSN1_X_GIL-UP.AT2"}
    files = writers_peer.write(tmp_path, rotated(67, 337), names=names, directions={"E": "67", "N": "337", "Z": "UP"})
    record = readers.read(*files)
    np.testing.assert_allclose(record.data, DATA, atol=1e-5)
    assert record.meta["trace_rotated_from"] == "67 337" and record.meta["trace_component_order_source"] == "67,337,UP"


@pytest.mark.parametrize("down", ["DWN", "DOWN", "Dn"])
def test_peer_down_is_turned(down, tmp_path):
    names = writers_peer.NAMES | {"Z": f"RSN9901_NOWHERE_TST-{down.upper()}.AT2"}
    files = writers_peer.write(tmp_path, rotated(90, 0, up=-1), names=names, directions=writers_peer.DIRECTIONS | {"Z": down})
    np.testing.assert_allclose(readers.read(*files).data, DATA, atol=1e-5)


@pytest.mark.parametrize("directions", [
    {"E": "E", "N": "N", "Z": "V"}, {"E": "090", "N": "360", "Z": "VERT"}, {"E": "EAST", "N": "N-S", "Z": "Up"},
    {"E": "HNE00", "N": "HNN00", "Z": "HNZ00"}, {"E": "090 (USGS STATION 5057)", "N": "000 (CDMG STATION 24157)", "Z": "UP (X)"},
    {"E": "", "N": "", "Z": ""}])
def test_peer_directions(directions, tmp_path):
    record = readers.read(*writers_peer.write(tmp_path, DATA, directions=directions))
    np.testing.assert_allclose(record.data, DATA, atol=1e-5)
    assert record.station == "Test Hills - 9901 Ave"


def test_peer_names_need_not_tell(tmp_path):
    names = {"E": "east of it.txt", "N": "x.txt", "Z": "somewhere.txt"}
    np.testing.assert_allclose(readers.read(*writers_peer.write(tmp_path, DATA, names=names)).pga_cmps2, [20, 30, 10], rtol=1e-6)


@pytest.mark.parametrize("event, expected, name", [
    ("Nowhere-01, 1/17/1994", "19940117-nowhere-01", "Nowhere-01"),
    ("IMPERIAL VALLEY 10/15/79 2316", "19791015-imperial-valley", "IMPERIAL VALLEY"),
    ("NOWHERE EQ 1/17/94, 12:31", "19940117-nowhere-eq", "NOWHERE EQ"),
    ("CORINTH EQ, 02/24/81, M6.7", "19810224-corinth-eq", "CORINTH EQ"),
    ("TexasX11-10-20, 10/20/2011", "20111020-texasx11-10-20", "TexasX11-10-20"),
    ("Nowhere, 2011-10-20", "20111020-nowhere", "Nowhere"),
    ("Nowhere, 23/1/2011", "20110123-nowhere", "Nowhere"), ("Nowhere", "", "Nowhere")])
def test_peer_events(event, expected, name, tmp_path):
    record = readers.read(*writers_peer.write(tmp_path, DATA, event=event))
    assert (record.event, record.meta["source_name"], record.station) == (expected, name, "Test Hills - 9901 Ave")
    assert "source_origin_time" not in record.meta


@pytest.mark.parametrize("changes", [
    {"count": "{n:5d}    {dt}    NPTS, DT"}, {"count": "NPTS= {n}, DT= .01000 SEC"}, {"count": "NPTS={n}, DT=.01"},
    {"count": "NPTS=  {n:5d}, DT= 1.0D-02 SEC,   "}, {"end": "\r\n"},
    {"title": "PACIFIC ENGINEERING AND ANALYSIS STRONG-MOTION DATA"},
    {"title": "0.01\nPEER STRONG MOTION DATABASE RECORD. PROCESSING BY PACIFIC ENGINEERING."},
    {"series": "ACCELERATION TIME HISTORY IN UNITS OF G"}, {"series": "ACCELERATION TIME HISTORY IN UNITS OF CM/S/S",
    "unit_gal": 1.0},
    {"number": lambda value: f"{value:.7E}".rjust(14)}, {"number": lambda value: f"{value:14.7E}".replace("E", "D")}])
def test_peer_variants_of_the_format(changes, tmp_path):
    record = readers.read(*writers_peer.write(tmp_path, DATA, **changes))
    np.testing.assert_allclose(record.data, DATA, atol=1e-5)
    assert record.sampling_rate_hz == 100 and record.event == "20200117-nowhere-01"


def test_peer_numbers_that_touch(tmp_path):
    files = writers_peer.write(tmp_path, DATA, number=lambda value: f"{value:15.8E}")
    raw = files[0].read_text()
    assert "-" in raw and any("E" in line and line.count(" ") < 4 for line in raw.splitlines()[4:])
    np.testing.assert_allclose(readers.read(*files).data, DATA, rtol=1e-8)


def test_peer_exponents_without_a_letter(tmp_path):
    files = writers_peer.write(tmp_path, DATA)
    lines = files[0].read_text().split("\n")
    lines[4] = "   .1234567-101" + lines[4][15:]
    files[0].write_text("\n".join(lines))
    assert readers.read(*files).data[0, 0] == 0.1234567e-101 * 980.665


def test_peer_filter_points(tmp_path):
    meta = readers.read(*writers_peer.write(
        tmp_path, DATA, series="ACCELERATION TIME HISTORY IN UNITS OF G. FILTER POINTS: HP=0.1 Hz LP=40.0 Hz")).meta
    assert (meta["trace_lowcut_hz"], meta["trace_highcut_hz"]) == (0.1, 40.0)
    assert meta["trace_units_declared"] == "g (header)" and "no redistribution" in meta["trace_license"]


def test_peer_stations_and_records_are_kept_apart(tmp_path):
    files = []
    for at, station in enumerate(("One", "Two", "Two")):
        names = {key: name.replace("9901", str(at)) for key, name in writers_peer.NAMES.items()}
        files += writers_peer.write(tmp_path, DATA * (at + 1), names=names, station=station)
    made = readers.read_all(files)
    assert [one.station for one in made] == ["One", "Two", "Two"]
    np.testing.assert_allclose([one.pga_cmps2[0] for one in made], [20, 40, 60], rtol=1e-6)


@pytest.mark.parametrize("changes, error, says", [
    ({"series": "VELOCITY TIME SERIES IN UNITS OF CM/S"}, FormatError, "acceleration is needed"),
    ({"series": "DISPLACEMENT TIME SERIES IN UNITS OF CM"}, FormatError, "acceleration is needed"),
    ({"series": "ACCELERATION TIME SERIES IN UNITS OF FURLONGS"}, UnitsError, "FURLONGS"),
    ({"series": "ACCELERATION TIME SERIES"}, UnitsError, "or declare the unit"),
    ({"count": "NPTS= 401, DT= .01 SEC"}, FormatError, "400 samples, but NPTS says 401"),
    ({"count": "NPTS= 0, DT= .01 SEC"}, FormatError, "NPTS says 0"),
    ({"count": "NPTS= 400, DT= .00 SEC"}, SamplingError, "DT is .00"),
    ({"count": "NPTS= 400, DT= 5 SEC"}, SamplingError, "DT is 5"),
    ({"directions": {"E": "180", "N": "0", "Z": "UP"}}, ComponentError,
    "line 2 says component 180, the end of the file's name says 090"),
    ({"names": {"E": "RSN1_X_T-E.AT2", "N": "b", "Z": "c"}, "directions": {"E": "UP", "N": "0", "Z": "UP"}}, ComponentError,
    "says E;"),
    ({"names": {"E": "a.AT2", "N": "b", "Z": "c"}, "directions": {"E": "LONGITUDINAL", "N": "T", "Z": "UP"}}, ComponentError,
    "neither line 2 (LONG"),
    ({"names": {"E": "X.BH1.00.AT2", "N": "b", "Z": "c"}, "directions": {"E": "BH100", "N": "T", "Z": "UP"}}, ComponentError,
    "(BH100)"),
    ({"names": {"E": "a.AT2", "N": "b", "Z": "c"}, "directions": {"E": "", "N": "", "Z": ""}}, ComponentError, "no component"),
    ({"station": ""}, FormatError, "names no station")])
def test_peer_refusals(changes, error, says, tmp_path):
    path = writers_peer.write(tmp_path, DATA, **changes)[0]
    found = refused([path])
    assert type(found) is error and says in str(found) and str(found).startswith(path.name)


def test_peer_horizontals_that_are_not_orthogonal_are_refused(tmp_path):
    names = {"E": "a.AT2", "N": "b.AT2", "Z": "c.AT2"}
    error = refused(writers_peer.write(tmp_path, DATA, names=names, directions={"E": "67", "N": "330", "Z": "UP"}))
    assert isinstance(error, ComponentError) and "orthogonal" in str(error)


# --- own text -----------------------------------------------------------------------------------------------

def lines_of(folder):
    (path,) = own_text(folder)
    return path, path.read_text().split("\n")


@pytest.mark.parametrize("change, error, says", [
    (lambda lines: lines[:-2] + [""], FormatError, "399 whole rows"),
    (lambda lines: lines[:-1], FormatError, "399 whole rows"),
    (lambda lines: lines[:50] + lines[51:-1] + [lines[-2], ""], SamplingError, "out of place"),
    (lambda lines: [*lines[:-2], "3.99,1.0,2.0", ""], FormatError, "four columns"),
    (lambda lines: [*lines[:-2], "3.99,1.0,2.0,", ""], FormatError, "four a row"),
    (lambda lines: [line for line in lines if not line.startswith("# station")], FormatError, "station is None"),
    (lambda lines: [line.replace("100.0", "0.0") if "rate" in line else line for line in lines], SamplingError, "is 0.0"),
    (lambda lines: [line.replace("100.0", "200.0") if "rate" in line else line for line in lines], SamplingError,
    "steps of 1/200"),
    (lambda lines: [line.replace("100.0", "NaN") if "rate" in line else line for line in lines], SamplingError, "is nan"),
    (lambda lines: [line.replace("400", "true") if "samples" in line else line for line in lines], FormatError,
    "samples is True"),
    (lambda lines: [lines[0], "# x: [1]", *lines[1:]], FormatError, "not a single value"),
    (lambda lines: [lines[0], "# x: " + "[" * 99999, *lines[1:]], FormatError, "not JSON"),
    (lambda lines: [lines[0], "# x: __import__('os')", *lines[1:]], FormatError, "not JSON"),
    (lambda lines: [lines[0], lines[1], *lines[1:]], FormatError, "twice"),
    (lambda lines: [lines[0], "x", *lines[1:]], FormatError, "not of the form"),
    (lambda lines: [line.replace("E_cmps2,N", "N_cmps2,E") for line in lines], FormatError, "no line time_s"),
])
def test_own_text_refusals(change, error, says, tmp_path):
    path, lines = lines_of(tmp_path)
    path.write_text("\n".join(change(lines)))
    found = refused([path])
    assert type(found) is error and says in str(found) and str(found).startswith(path.name)


def test_own_text_keeps_what_it_was_made_from(tmp_path):
    (path,) = own_text(tmp_path, trace_source_file="a.mat", trace_source_format="afad-mat", source_magnitude=np.float64(5.1),
                       station_vs30_mps=np.nan, station_name="İzmir,\n\"x\": #", trace_pad_samples=np.int64(3))
    meta = readers.read(path).meta
    assert (meta["trace_original_file"], meta["trace_original_format"], meta["source_magnitude"]) == ("a.mat", "afad-mat", 5.1)
    assert meta["trace_source_file"] == path.name and meta["trace_source_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert meta["station_name"] == "İzmir,\n\"x\": #" and np.isnan(meta["station_vs30_mps"]) and meta["trace_pad_samples"] == 3


def test_own_text_may_have_windows_line_ends(tmp_path):
    path, lines = lines_of(tmp_path)
    path.write_bytes("\r\n".join(lines).encode())
    np.testing.assert_array_equal(readers.read(path).data, DATA)
