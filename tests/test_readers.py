"""Readers: what comes out of whole files, and that broken ones are refused by name and nothing else happens."""

import os
import random
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import writers_afad_text
import writers_mat
from tng import readers, remote
from tng.readers import _mat5, afad_text
from tng.readers.options import Options
from tng.records import (ComponentError, DataError, FormatError, HeaderMismatchError, RecordError, SamplingError,
                         UnitsError)

PEAKS = {"N": 30.0, "E": 20.0, "U": 10.0}
MAT, TEXT = "20200101000000_9901.mat", "20200101000000_9901.txt"


def columns(samples=300, order="NEU"):
    """Noise whose component peaks are 30 (N), 20 (E), 10 (U) gal, shape (samples, 3)."""
    data = np.random.default_rng(7).normal(size=(samples, 3)).round(6)
    data -= data.mean(axis=0)
    return data / np.abs(data).max(axis=0) * [PEAKS[component] for component in order]


# --- synthetic files -----------------------------------------------------------------------------------

def write_mat(folder, name=MAT, **changes):
    return writers_mat.write(folder, columns().T[[1, 0, 2]], name=name, **changes)[0]


def text_lines(order=("N-S", "E-W", "U-D"), data=None, **changes):
    return writers_afad_text.text_lines(columns() if data is None else data, order, **changes)


def write_text(folder, name=TEXT, encoding="cp1254", lines=None, **changes):
    return writers_afad_text.write(folder, None, name=name, encoding=encoding, columns=(),
                                   lines=lines or text_lines(**changes))[0]


WRITERS = {"mat": write_mat, "text": write_text}


# --- both formats --------------------------------------------------------------------------------------

@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_columns_n_e_u_become_rows_e_n_z(write, tmp_path):
    record = readers.read(write(tmp_path))
    np.testing.assert_allclose(record.pga_cmps2, [20, 30, 10])
    np.testing.assert_allclose(record.data, columns().T[[1, 0, 2]], atol=1e-6)
    assert record.sampling_rate_hz == 100
    assert record.meta["trace_component_order_source"] == "NEU"


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_provenance(write, tmp_path):
    import hashlib

    file = write(tmp_path)
    meta = readers.read(file).meta
    assert meta["trace_source_file"] == file.name
    assert meta["trace_source_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert meta["trace_source_format"] in dict(readers.readers())
    assert "no redistribution permission known" in meta["trace_license"]
    assert "gal" in meta["trace_units_declared"]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_truncated_file_is_refused_by_name(write, share, tmp_path):
    file = write(tmp_path)
    raw = file.read_bytes()
    file.write_bytes(raw[:int(len(raw) * share)])
    with pytest.raises(RecordError, match=file.name):
        readers.read(file)


def damage(raw, seed):
    """A few bytes changed, most of them near the beginning where the structure is."""
    dice, raw = random.Random(seed), bytearray(raw)
    for _ in range(dice.choice([1, 1, 3, 9])):
        place = dice.randrange(min(len(raw), dice.choice([200, 1500, len(raw)])))
        raw[place] = dice.choice([0, 255, dice.randrange(256)])
    return bytes(raw)


@pytest.mark.parametrize("kind", ["mat", "mat-uncompressed", "text"])
def test_damaged_files_give_a_record_or_a_refusal(kind, tmp_path):
    write = write_text if kind == "text" else write_mat
    file = write(tmp_path, **({"compressed": False} if kind == "mat-uncompressed" else {}))
    raw, refused = file.read_bytes(), 0
    for seed in range(150):
        file.write_bytes(damage(raw, seed))
        try:
            assert readers.read(file).data.shape[0] == 3
        except RecordError as error:
            assert file.name in str(error) and len(str(error)) < 1000
            refused += 1
    assert refused > 20


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([b"", b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file", b"STRONG GROUND MOTION RECORDS OF TURKIYE\r\n"]),
       st.binary(max_size=400))
def test_random_bytes_are_refused(tmp_path_factory, head, tail):
    file = tmp_path_factory.mktemp("random") / MAT
    file.write_bytes((head.ljust(124) + b"\0\1IM" if head.startswith(b"MATLAB 5") else head) + tail)
    with pytest.raises(RecordError, match="20200101000000_9901.mat"):
        readers.read(file)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_file_is_recognised_by_content_not_by_extension(write, tmp_path):
    file = write(tmp_path)
    renamed = file.rename(file.with_suffix(".dat"))
    assert readers.read(renamed).station in ("9901", "0208")


def test_unknown_and_empty_and_missing_files(tmp_path):
    (tmp_path / "notes.md").write_text("# not a record")
    (tmp_path / "empty.mat").touch()
    with pytest.raises(FormatError, match="notes.md: .*not known.*afad-mat.*afad-text"):
        readers.read(tmp_path / "notes.md")
    with pytest.raises(FormatError, match="empty.mat: is empty"):
        readers.read(tmp_path / "empty.mat")
    with pytest.raises(FormatError, match="no such file"):
        readers.read(tmp_path / "absent.mat")
    with pytest.raises(FormatError, match="cannot be read"):
        readers.read(tmp_path)


def test_a_plain_table_is_told_what_it_lacks(tmp_path):
    """Only text that is called .csv; with the lines that the hint names it is read."""
    for name, content, hinted in (("mine.csv", b"time,E,N,Z\n0,1,2,3\n", True), ("MINE.CSV", b"0 1 2 3\n", True), ("mine.txt", b"time,E,N,Z\n", False),
                                  ("numbers.csv", b"\1\0\2\0", False), ("empty.csv", b"", False)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError, match=f"^{name}: ") as refusal:
            readers.read(tmp_path / name)
        assert ("book/formats.md" in str(refusal.value)) == hinted
    with pytest.raises(FormatError) as refusal:
        readers.read(tmp_path / "mine.csv")
    first, *keys, titles = re.findall("`(.*?)`", str(refusal.value))
    values = {"station": '"A"', "event": '"e"', "sampling_rate_hz": "100", "samples": "2"}
    header = [first, *(key.replace("…", values[key[2:].partition(":")[0]]) for key in keys), titles]
    (tmp_path / "mine.csv").write_text("\n".join([*header, "0.00,1,2,3", "0.01,4,5,6", ""]))
    np.testing.assert_array_equal(readers.read(tmp_path / "mine.csv").data, [[1, 4], [2, 5], [3, 6]])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mat")
    with pytest.raises(FormatError, match="not a file"):
        readers.read(tmp_path / "pipe.mat")


def test_error_of_another_kind_is_wrapped(tmp_path, monkeypatch):
    def broken(file, options):
        raise KeyError("surprise")

    monkeypatch.setattr(afad_text, "read", broken)
    with pytest.raises(FormatError, match=f"{TEXT}: .*KeyError.*surprise"):
        readers.read(write_text(tmp_path))


def test_declared_order_holds_where_the_file_is_silent(tmp_path):
    options = Options(component_order="ENZ")
    np.testing.assert_allclose(readers.read(write_mat(tmp_path), options=options).pga_cmps2, [30, 20, 10])
    np.testing.assert_allclose(readers.read(write_text(tmp_path), options=options).pga_cmps2, [20, 30, 10])


@pytest.mark.parametrize("changes", [{"component_order": order} for order in ("NE", "NEE", "NEX", "NEUZ")]
                         + [{"unit": "furlong"}, {"gal_per_count": -1}, {"gal_per_count": float("nan")}, {"untit": "g"}])
def test_declarations_that_make_no_sense(changes):
    with pytest.raises(ValueError):
        Options(**changes)


def test_import_needs_neither_obspy_nor_torch():
    code = "import sys, tng.readers; print([m for m in ('obspy', 'torch', 'pandas', 'h5py') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


# --- MATLAB --------------------------------------------------------------------------------------------

def test_mat_metadata(tmp_path):
    record = readers.read(write_mat(tmp_path, name="20200102030405_0208.mat", statID=208))
    assert (record.station, record.event) == ("0208", "20200102030405")
    expected = {"source_depth_km": 8.31, "source_magnitude": 4.2, "source_magnitude_type": "ML", "station_vs30_mps": 363,
                "source_latitude_deg": 38.5, "source_longitude_deg": 43.25, "station_latitude_deg": 38.25,
                "station_elevation_m": 1745, "trace_p_arrival_sample": 50, "trace_s_arrival_sample": 125,
                "source_origin_time": "2020-01-02T03:04:05Z", "station_name": "İZMİR"}
    assert {name: record.meta[name] for name in expected} == expected


@pytest.mark.parametrize("vs30", [0, None, np.array([]), "missing", np.nan, [300, 400], 1j])
def test_mat_vs30_that_is_not_a_number_is_nan(vs30, tmp_path):
    assert np.isnan(readers.read(write_mat(tmp_path, Vs30=vs30)).meta["station_vs30_mps"])


def test_mat_object_that_only_matlab_decodes_is_nan(tmp_path):
    """The class of Vs30 is changed from int8 to MATLAB's opaque class, as `missing` has it."""
    file = write_mat(tmp_path, compressed=False, Vs30=np.int8(99))
    flags = [np.array([6, 8, what, 0], "<u4").tobytes() for what in (8, 17)]
    assert file.read_bytes().count(flags[0]) == 1
    assert readers.read(file).meta["station_vs30_mps"] == 99
    file.write_bytes(file.read_bytes().replace(*flags))
    assert np.isnan(readers.read(file).meta["station_vs30_mps"])


def test_mat_needs_only_acceleration_and_sampling(tmp_path):
    fields = {"Accel": columns(), "sampling": 0.005}
    record = readers.read(write_mat(tmp_path, variables={"EQ": {"anEQ": fields}}))
    assert record.sampling_rate_hz == 200 and np.isnan(record.meta["source_magnitude"])


def test_mat_single_precision_and_big_samples_keep_their_values(tmp_path):
    accel = columns().astype(np.float32)
    np.testing.assert_array_equal(readers.read(write_mat(tmp_path, Accel=accel)).data, accel.T[[1, 0, 2]])


def test_mat_picks_outside_the_record_are_nan(tmp_path):
    meta = readers.read(write_mat(tmp_path, Ptime=-1, Stime=3.0)).meta
    assert np.isnan(meta["trace_p_arrival_sample"]) and np.isnan(meta["trace_s_arrival_sample"])


@pytest.mark.parametrize("changes, error, says", [
    ({"pga": [20.0, 30.0, 10.0]}, HeaderMismatchError, "component E"),
    ({"pga": [0.30, 0.20, 0.10]}, HeaderMismatchError, "unit"),
    ({"numofData": 301}, FormatError, "300 samples, but numofData says 301"),
    ({"duration": 1.5}, SamplingError, "duration"),
    ({"sampling": None}, SamplingError, "sampling interval nan"),
    ({"sampling": 0}, SamplingError, "sampling interval"),
    ({"sampling": -0.01}, SamplingError, "sampling interval"),
    ({"sampling": 10, "duration": None}, SamplingError, "sampling interval"),
    ({"sampling": 1e-300, "duration": None}, SamplingError, "sampling interval"),
    ({"sampling": "0.01"}, SamplingError, "sampling interval"),
    ({"Accel": columns()[:, :2]}, ComponentError, r"\(300, 2\)"),
    ({"Accel": columns().T}, ComponentError, r"\(3, 300\)"),
    ({"Accel": None}, FormatError, "no field Accel"),
    ({"Accel": "text"}, FormatError, "real numbers"),
    ({"Accel": columns() * 1j}, FormatError, "real numbers"),
    ({"Accel": columns()[:0], "numofData": None, "duration": None}, DataError, "0 samples"),
    ({"Accel": np.where(np.arange(300)[:, None] == 5, np.nan, columns())}, DataError, "sample 5"),
    ({"Accel": columns() * [1, 1, 0]}, DataError, "component Z is flat"),
    ({"statID": 208}, FormatError, "station 9901, the field statID 208"),
])
def test_mat_refusals(changes, error, says, tmp_path):
    with pytest.raises(error, match=f"(?s){MAT}: .*{says}"):
        readers.read(write_mat(tmp_path, **changes))


@pytest.mark.parametrize("variables, says", [
    ({"other": columns()}, "no struct EQ.anEQ and no variable signal; it holds other"),
    ({"EQ": columns()}, "EQ holds no struct anEQ"),
    ({"EQ": {"other": 1}}, "EQ holds no struct anEQ"),
    ({"EQ": {"anEQ": "text"}}, "EQ holds no struct anEQ"),
])
def test_mat_without_the_struct(variables, says, tmp_path):
    with pytest.raises(FormatError, match=f"{MAT}: .*{says}"):
        readers.read(write_mat(tmp_path, variables=variables))


@pytest.mark.parametrize("name, says", [
    ("record.mat", "original name"),
    ("20201301000000_9901.mat", "not a time"),
    ("20200101000000_9901 (1).mat", "original name"),
])
def test_mat_name_must_tell_time_and_station(name, says, tmp_path):
    with pytest.raises(FormatError, match=says):
        readers.read(write_mat(tmp_path, name=name))


def test_mat_augmented_window_is_refused_unless_wanted(tmp_path):
    name = "AFAD.9901.99_200101000000S3014_EV_0001.mat"
    accel = columns(3000).astype(np.float32)
    file = write_mat(tmp_path, name=name, variables={"EQ": {"anEQ": {"Accel": accel, "sampling": 0.01, "p_true": -1.0}}})
    with pytest.raises(FormatError, match="augmented window.*synthetic noise"):
        readers.read(file)
    record = readers.read(file, options=Options(augmented=True))
    assert (record.station, record.event) == ("9901", "20200101000000")
    assert record.meta["trace_category"] == "augmented"


def test_mat_7_3_says_what_to_do(tmp_path):
    file = tmp_path / MAT
    file.write_bytes(b"MATLAB 7.3 MAT-file, Platform: PCWIN64".ljust(124) + b"\0\2IM" + b"\0" * 384 + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(FormatError, match="7.3.*-v7"):
        readers.read(file)


def test_mat_huge_dimensions_allocate_nothing(tmp_path):
    """An array that claims 2⁶² numbers in a file of a few kB."""
    file = write_mat(tmp_path, compressed=False)
    raw = file.read_bytes()
    dimensions = np.array([300, 3], "<i4").tobytes()
    assert dimensions in raw
    file.write_bytes(raw.replace(dimensions, np.array([2**31 - 1, 2**31 - 1], "<i4").tobytes()))
    with pytest.raises(FormatError, match="numbers for dimensions"):
        readers.read(file)


def test_mat_compressed_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(_mat5, "LARGEST_VARIABLE_BYTES", 1 << 20)
    file = write_mat(tmp_path, specto=np.zeros(1 << 18))
    assert file.stat().st_size < 50_000
    with pytest.raises(FormatError, match="more than 1 MiB"):
        readers.read(file)


# --- MATLAB: signal ------------------------------------------------------------------------------------

SIGNAL = "AFAD.9901.99_200101000000P6014_EV_0001.mat"


@pytest.mark.parametrize("turned", [False, True])
def test_signal_stands_either_way(turned, tmp_path):
    data = columns(6000)
    file = write_mat(tmp_path, name=SIGNAL, variables={"signal": data if turned else data.T, "p_arrival_sample": 3.2})
    record = readers.read(file, options=Options(unit="gal"))
    np.testing.assert_array_equal(record.data, data.T[[1, 0, 2]])
    assert (record.station, record.event, record.meta["trace_p_arrival_sample"]) == ("9901", "20200101000000", 320)
    assert record.meta["trace_units_declared"] == "gal (declared by the user)"
    np.testing.assert_allclose(readers.read(file, options=Options(unit="m/s2")).pga_cmps2, [2000, 3000, 1000])


@pytest.mark.parametrize("variables, error, says", [
    ({"signal": columns(6000)}, UnitsError, "declare it"),
    ({"signal": columns(3)}, ComponentError, r"\(3, 3\)"),
    ({"signal": columns(6000)[:, :2]}, ComponentError, r"\(6000, 2\)"),
    ({"signal": columns(5000)}, SamplingError, "5000 samples"),
    ({"signal": "text"}, FormatError, "no array"),
    ({"p_arrival_sample": 3.0}, FormatError, "no array"),
])
def test_signal_refusals(variables, error, says, tmp_path):
    with pytest.raises(error, match=says):
        readers.read(write_mat(tmp_path, name=SIGNAL, variables=variables))


def test_signal_without_a_pick(tmp_path):
    file = write_mat(tmp_path, name=SIGNAL, variables={"signal": columns(6000), "p_arrival_sample": "None"})
    assert np.isnan(readers.read(file, options=Options(unit="gal")).meta["trace_p_arrival_sample"])


# --- text ----------------------------------------------------------------------------------------------

def test_text_metadata(tmp_path):
    record = readers.read(write_text(tmp_path))
    assert (record.station, record.event) == ("0208", "20200102030405")
    expected = {"source_depth_km": 19.44, "source_magnitude": 6.5, "source_magnitude_type": "Mw",
                "source_latitude_deg": 36.9198, "source_longitude_deg": 27.4435, "station_latitude_deg": 37.8747,
                "station_elevation_m": 66, "station_name": "İZMİR", "source_origin_time": "2020-01-02T03:04:05Z",
                "trace_start_time": "2020-01-02T03:03:55.250000Z"}
    assert {name: record.meta[name] for name in expected} == expected


def test_text_may_lack_altitude_serial_and_dates(tmp_path):
    changes = {"STATION ALTITUDE (m)": "", "RECORDER SERIAL NO": "", "EARTHQUAKE DATE": "", "RECORD TIME": "unknown",
               "STATION ID": "", "EARTHQUAKE MAGNITUDE": ""}
    record = readers.read(write_text(tmp_path, **changes))
    assert (record.station, record.event) == ("9901", "20200101000000")
    assert np.isnan(record.meta["station_elevation_m"]) and np.isnan(record.meta["source_magnitude"])
    assert "trace_start_time" not in record.meta


def test_text_column_titles_decide_the_order(tmp_path):
    record = readers.read(write_text(tmp_path, lines=text_lines(("U-D", "E-W", "N-S"), columns(order="UEN"))))
    np.testing.assert_allclose(record.pga_cmps2, [20, 30, 10])
    assert record.meta["trace_component_order_source"] == "UEN"


def test_text_south_and_west_are_negative(tmp_path):
    meta = readers.read(write_text(tmp_path, **{"EPICENTER COORDINATES": "36.5S-27.25W"})).meta
    assert (meta["source_latitude_deg"], meta["source_longitude_deg"]) == (-36.5, -27.25)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1254"])
def test_text_encodings_keep_the_numbers_and_the_name(encoding, tmp_path):
    record = readers.read(write_text(tmp_path, encoding=encoding))
    assert record.meta["station_name"] == "İZMİR"
    np.testing.assert_allclose(record.pga_cmps2, [20, 30, 10])


def test_text_in_utf16_is_refused(tmp_path):
    with pytest.raises(FormatError, match="not known"):
        readers.read(write_text(tmp_path, encoding="utf-16"))


@pytest.mark.parametrize("changes, error, says", [
    ({"NUMBER OF DATA": "301"}, FormatError, "300 rows of data, but NUMBER OF DATA says 301"),
    ({"NUMBER OF DATA": "99999999999999999999"}, FormatError, "300 rows"),
    ({"NUMBER OF DATA": "-300"}, FormatError, "300 rows"),
    ({"NUMBER OF DATA": None}, FormatError, "says nothing"),
    ({"SAMPLING INTERVAL (sec)": None}, SamplingError, "missing"),
    ({"SAMPLING INTERVAL (sec)": "0"}, SamplingError, "is 0"),
    ({"SAMPLING INTERVAL (sec)": "10"}, SamplingError, "is 10"),
    ({"RAW PGA VALUES (gal)": None}, UnitsError, "missing"),
    ({"RAW PGA VALUES (gal)": "(N-S) 20 (E-W) 30 (U-D) 10"}, HeaderMismatchError, "component E"),
    ({"RAW PGA VALUES (gal)": "(N-S) 20 (E-W) 30"}, FormatError, "three numbers"),
    ({"RAW PGA VALUES (gal)": None, "RAW PGA VALUES (g)": "(N-S) 30 (E-W) 20 (U-D) 10"}, UnitsError, "'g'"),
    ({"order": ("N-S", "U-D"), "data": columns()[:, :2]}, ComponentError, "2 components"),
    ({"order": ("N-S", "N-S", "U-D")}, ComponentError, "each once"),
    ({"order": ("N-S", "E-W", "H-V")}, FormatError, "column titles"),
    ({"data": columns()[:, :2]}, ComponentError, "2 columns"),
    ({"data": np.where(np.arange(300)[:, None] == 5, np.nan, columns()),
      "RAW PGA VALUES (gal)": "(N-S) 30 (E-W) 20 (U-D) 10"}, DataError, "sample 5"),
    ({"data": columns() * [0, 1, 1]}, DataError, "component N is flat"),
])
def test_text_refusals(changes, error, says, tmp_path):
    with pytest.raises(error, match=f"(?s){TEXT}: .*{says}"):
        readers.read(write_text(tmp_path, **changes))


@pytest.mark.parametrize("row", ["1.0 2.0", "1.0 2.0 3.0 4.0", "1.0 2.0 three", "1.0 2.0 3.0 # comment", "\x00\x01"])
def test_text_broken_row_is_refused(row, tmp_path):
    lines = text_lines()
    lines[100] = row
    with pytest.raises(RecordError, match=TEXT):
        readers.read(write_text(tmp_path, lines=lines))


def test_text_without_station_or_time_asks_for_the_original_name(tmp_path):
    with pytest.raises(FormatError, match="station.*original name"):
        readers.read(write_text(tmp_path, name="copy.txt", **{"STATION ID": ""}))
    with pytest.raises(FormatError, match="earthquake date.*original name"):
        readers.read(write_text(tmp_path, name="copy.txt", **{"EARTHQUAKE DATE": "yesterday"}))


# --- real files ----------------------------------------------------------------------------------------

GOLDEN = {  # samples, peaks N, E, Z [gal], Vs30 [m/s], P and S pick [s], magnitude, depth [km]
    "afad_mat/20120106001648_6501.mat": (7523, 4.252609, 3.680205, 3.374571, 363, 13.19, 18.54, 4.2, 8.31),
    "afad_mat/20120111034408_4306.mat": (7988, 1.721437, 2.023301, 0.854789, 304, 21.31, 24.89, 3.7, 20.85),
    "afad_mat/20120112192502_4905.mat": (5021, 6.542558, 8.447381, 3.352494, np.nan, 9.08, 11.96, 3.5, 21.0),
    "afad_mat/20120113141020_2507.mat": (6250, 2.717424, 2.020897, 2.306309, 316, 11.42, 15.04, 3.9, 15.0),
    "afad_mat/20120114055233_2404.mat": (6143, 5.77304, 4.268415, 2.298942, 567, 13.70, 18.61, 4.4, 17.0),
    "afad_mat/20120114055233_5801.mat": (5626, 2.042224, 2.418524, 3.303656, 413, 13.67, 13.87, 4.4, 17.0),
    "afad_mat/20120115133856_2404.mat": (4970, 2.361219, 1.573092, 0.635478, 567, 12.68, 16.53, 3.3, 14.0),
    "afad_mat/20170729022411_4801.mat": (7108, 0.483668, 0.566759, 0.409507, 466, 6.93, 19.91, 3.9, 12.88),
    "afad_mat/20170802040246_4806.mat": (8338, 1.050943, 1.320435, 1.05692, 323, 0.08, 6.40, 3.1, 6.98),
    "afad_nsmn/us20009ynd/20170720223109_0921.txt": (28683, 13.200332, 12.163827, 9.840572, np.nan, np.nan, np.nan, 6.5, 19.44),
    "afad_nsmn/us20009ynd/20170720223109_4304.txt": (37671, 1.218825, 1.207812, 0.645862, np.nan, np.nan, np.nan, 6.5, 19.44),
    "afad_nsmn/us20009ynd/20170720223109_5405.txt": (42516, 1.023915, 1.107856, 0.385138, np.nan, np.nan, np.nan, 6.5, 19.44),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_numbers_of_the_real_files(name):
    if not remote.available(name):
        pytest.skip(f"{name} is not on this machine: set TNG_MIRROR to a folder that holds it, or run `tng fetch`")
    samples, north, east, up, vs30, p_s, s_s, magnitude, depth_km = GOLDEN[name]
    record = readers.read(remote.path(name))
    meta = record.meta
    assert record.samples == samples and record.sampling_rate_hz == 100
    np.testing.assert_allclose(record.pga_cmps2, [east, north, up], rtol=1e-9)
    picks = [meta.get(f"trace_{phase}_arrival_sample", np.nan) / 100 for phase in "ps"]
    np.testing.assert_allclose([meta["station_vs30_mps"], *picks, meta["source_magnitude"], meta["source_depth_km"]],
                               [vs30, p_s, s_s, magnitude, depth_km], atol=1e-9)
    assert f"{record.event}_{record.station}" == name.rsplit("/", 1)[1].split(".")[0]
