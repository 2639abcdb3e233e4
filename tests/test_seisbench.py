"""Data sets in the SeisBench layout: what is stored comes back in gal, as E, N, Z; what is broken is refused by name."""

import functools
import http.server
import os
import pickle
import threading
import tracemalloc

import h5py
import numpy as np
import pytest
import writers_seisbench as writers

from tng import corpus, esm25
from tng.channels import Refusal
from tng.readers import seisbench
from tng.readers.options import Options
from tng.records import (ComponentError, DataError, FormatError, HeaderMismatchError, Record, SamplingError,
                         UnitsError)
from tng.remote import RemoteError


def motion(samples=600):
    """Noise whose peaks are 20 (E), 30 (N), 10 (Z) gal."""
    data = np.random.default_rng(7).normal(size=(3, samples))
    return data / np.abs(data).max(axis=1, keepdims=True) * np.array([[20.0], [30.0], [10.0]])


def read(folder, **options):
    assert seisbench.is_dataset(folder)
    return [one for portion in seisbench.portions(folder) for one in seisbench.read_portion(portion, Options(**options))]


def read_one(folder, **options):
    (one,) = read(folder, **options)
    if isinstance(one, Refusal):
        raise one.error
    return one


# --- what comes back -----------------------------------------------------------------------------------

@pytest.mark.parametrize("unit", writers.GAL_IN)
@pytest.mark.parametrize("order, dimensions, kind", [("ENZ", "CW", "bucket"), ("ZNE", "CW", "single"), ("NZE", "WC", "bucket"),
                                                     ("ENU", "NCW", "NCW"), ("ZEN", "WC", "single")])
def test_samples_in_any_order_and_unit(tmp_path, unit, order, dimensions, kind):
    writers.write(tmp_path / "set", motion(), unit=unit, order=order, dimensions=dimensions, kind=kind)
    record = read_one(tmp_path / "set")
    np.testing.assert_allclose(record.data, motion(), rtol=1e-12)
    np.testing.assert_allclose(record.pga_cmps2, [20, 30, 10])
    assert (record.station, record.event, record.sampling_rate_hz) == ("9901", "20200101000000", 100)
    assert record.meta["trace_units_declared"] == f"{unit} (SeisBench data_format)"
    assert record.meta["trace_component_order_source"] == ",".join(order)


def test_a_swap_of_two_components_shows(tmp_path):
    """The check above is worth something: E and N written under each other's name come back changed."""
    writers.write(tmp_path / "set", motion(), order="NEZ", format={"component_order": "ENZ"})
    np.testing.assert_allclose(read_one(tmp_path / "set").pga_cmps2, [30, 20, 10])


def test_metadata_come_along(tmp_path):
    writers.write(tmp_path / "set", motion(), station_code="0205", split="train", split_paper="test", note="", trace_npts=600,
                  source_origin_time="2020/01/01 00:00:00.5", trace_P_arrival_sample=41, trace_p_arrival_sample=None,
                  trace_s_arrival_sample="None", trace_name_original="x$1", station_location_code="00")
    record = read_one(tmp_path / "set")
    assert record.station == "0205" and record.meta["station_location_code"] == "00"
    assert record.meta["source_magnitude"] == 5.1 and record.meta["station_vs30_mps"] == 423
    assert record.meta["trace_p_arrival_sample"] == 41.0 and "trace_s_arrival_sample" not in record.meta
    assert record.meta["source_origin_time"] == "2020-01-01T00:00:00.500000Z"
    assert record.meta["trace_source_format"] == "seisbench" and len(record.meta["trace_source_sha256"]) == 64
    assert record.meta["trace_source_file"] == record.name == "set/waveforms.hdf5/bucket0$0,:3,:600"
    assert not [name for name in record.meta if name.startswith("split") or name in ("trace_name", "note", "trace_npts")]


def test_event_without_a_name_is_called_by_its_origin_time(tmp_path):
    writers.write(tmp_path / "set", motion(), source_id=None, source_origin_time="2020-01-01T00:00:07Z")
    assert read_one(tmp_path / "set").event == "20200101000007"
    writers.write(tmp_path / "none", motion(), source_id=None, source_origin_time=None)
    assert read_one(tmp_path / "none").event == ""


@pytest.mark.parametrize("time, kept", [("1999-08-17T00:01:39Z", True), ("1700-01-01T00:00:00Z", False), ("2200-01-01", False),
                                        ("3", False), ("9999-99-99T99:99:99Z", False)])
def test_times_that_are_none_are_left_out(tmp_path, time, kept):
    writers.write(tmp_path / "set", motion(), trace_start_time=time, source_origin_time=time, source_id=None)
    record = read_one(tmp_path / "set")
    assert ("trace_start_time" in record.meta, "source_origin_time" in record.meta, record.event != "") == (kept, kept, kept)


def test_a_folder_whose_name_is_no_text(tmp_path):
    writers.write(tmp_path / "set", motion())
    folder = (tmp_path / "set").rename(tmp_path / os.fsdecode(b"se\xfft"))
    record = read_one(folder)
    assert record.name.encode() and record.meta["trace_source_file"].startswith("se?t/waveforms.hdf5/")


def test_portions_cover_every_row_once(tmp_path):
    def rows(table):
        note = 'line "one"\nline, two'
        return [{**row, "source_id": f"e{n}", "station_code": f"{n:04d}", "note": note} for n, row in enumerate(table)]

    writers.write(tmp_path / "set", motion(60), copies=300, rows=rows)
    found = seisbench.portions(tmp_path / "set")
    assert [(one.first, one.stop) for one in found] == [(0, 128), (128, 256), (256, 300)]
    assert pickle.loads(pickle.dumps(found)) == found
    records = [one for portion in found for one in seisbench.read_portion(portion, Options())]
    assert [record.event for record in records] == [f"e{n}" for n in range(300)]
    assert records[270].meta["note"] == 'line "one"\nline, two' and records[270].station == "0270"


@pytest.mark.parametrize("listed", [True, False])
def test_chunks(tmp_path, listed):
    for chunk, factor in (("A", 1), ("_b", 2)):
        writers.write(tmp_path / "set", factor * motion(), chunk=chunk)
    if listed:
        (tmp_path / "set" / "chunks").write_text("A\n_b\n\n")
    assert [portion.chunk for portion in seisbench.portions(tmp_path / "set")] == ["A", "_b"]
    np.testing.assert_allclose([record.pga_cmps2[0] for record in read(tmp_path / "set")], [20, 40])


def test_folders_that_are_no_data_set(tmp_path):
    assert not seisbench.is_dataset(tmp_path) and not seisbench.is_dataset(tmp_path / "none")
    files = writers.write(tmp_path / "set", motion())
    assert not seisbench.is_dataset(files[0])
    files[0].unlink()
    assert not seisbench.is_dataset(tmp_path / "set")
    (tmp_path / "set" / "chunks").write_text("../set\n")
    assert not seisbench.is_dataset(tmp_path / "set") and seisbench.portions(tmp_path / "set") == []


def test_padding_of_a_bucket_is_cut(tmp_path):
    writers.write(tmp_path / "set", motion(), padding=50)
    assert read_one(tmp_path / "set").samples == 600
    writers.write(tmp_path / "whole", motion(), padding=50, trace_npts=np.nan)
    assert read_one(tmp_path / "whole").samples == 650


def test_parts_of_an_array(tmp_path):
    def places(*names):
        return lambda table: [{**row, "trace_name": name, "source_id": name} for row, name in zip(table, names)]

    names = ("bucket0$1", "bucket0$-2, :, :", "bucket0$2,0:3,100:400", "bucket0$0,:,:-50", "bucket0$0,:3,::2")
    writers.write(tmp_path / "set", motion(), copies=5, rows=places(*names))
    lengths = {record.event: record.samples for record in read(tmp_path / "set")}
    assert lengths == dict(zip(names, (600, 600, 300, 550, 300)))


# --- units, rates --------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, kind, factor", [
    ("cmps2", "acceleration", 1), ("cm/s**2", "acceleration", 1), ("cm/s/s", "acceleration", 1), ("CM/S^2", "acceleration", 1),
    ("cm s-2", "acceleration", 1), ("cm·s⁻²", "acceleration", 1), ("cm/sec2", "acceleration", 1), ("Gal", "acceleration", 1),
    ("mps2", "acceleration", 100), ("m/s²", "acceleration", 100), ("m s^-2", "acceleration", 100), ("m/s/s", "acceleration", 100),
    ("mm/s2", "acceleration", 0.1), ("g", "acceleration", 980.665), ("1e-6m/s**2", "acceleration", 1e-4),
    ("nm/s**2", "acceleration", 1e-7), ("m/s", "velocity", 100), ("mps", "velocity", 100), ("cm/s", "velocity", 1),
    ("km/s", "velocity", 1e5), ("m s-1", "velocity", 100), ("counts", "counts", 1), ("Count", "counts", 1), ("", "missing", 1),
    ("none", "missing", 1), ("m", "unknown", 1), ("none/normalized", "unknown", 1), ("cps", "unknown", 1), ("%g", "unknown", 1),
    ("s2", "unknown", 1), ("m/s3", "unknown", 1), ("cm2/s2", "unknown", 1), ("M/s2/Hz", "unknown", 1), ("mg", "unknown", 1),
])
def test_spelling_of_units(text, kind, factor):
    assert seisbench.unit_kind(text)[0] == kind
    np.testing.assert_allclose(seisbench.unit_kind(text)[1], factor)


def test_unit_of_a_row_goes_before_that_of_the_set(tmp_path):
    writers.write(tmp_path / "set", motion(), unit="mps2", format={"unit": "counts"}, trace_unit="m/s**2")
    np.testing.assert_allclose(read_one(tmp_path / "set").data, motion())


@pytest.mark.parametrize("unit, measurement, says", [
    (None, "acceleration", "unit missing.*--unit"), ("counts", "acceleration", "unit counts.*--gal-per-count"),
    ("counts", "velocity", "velocity in counts"), ("parsec", "acceleration", "unit parsec.*correct data_format"),
    ("m/s", "velocity", "velocity .m/s.*--differentiate"), ("m/s", "acceleration", "unit m/s is of velocity, but measurement"),
    ("m/s**2", "velocity", "unit m/s\\*\\*2 is of acceleration, but measurement says velocity"),
    (None, "velocity", "an unknown unit"),
])
def test_units_that_are_refused(tmp_path, unit, measurement, says):
    writers.write(tmp_path / "set", motion(), format={"unit": unit, "measurement": measurement})
    with pytest.raises(UnitsError, match=f"^set/waveforms.hdf5/bucket0.*{says}"):
        read_one(tmp_path / "set")


def test_units_that_the_user_declares(tmp_path):
    writers.write(tmp_path / "set", motion(), scale=0.01, format={"unit": None})
    record = read_one(tmp_path / "set", unit="m/s2")
    np.testing.assert_allclose(record.data, motion())
    assert record.meta["trace_units_declared"] == "m/s2 (declared by the user)"
    writers.write(tmp_path / "counts", np.round(motion() * 1000), dtype="i4", format={"unit": "counts", "measurement": None})
    record = read_one(tmp_path / "counts", gal_per_count=0.001)
    np.testing.assert_allclose(record.data, motion(), atol=0.0005)
    with pytest.raises(UnitsError):                   # the file is not silent, so a declared unit does not count
        read_one(tmp_path / "counts", unit="gal")


def test_velocity_is_differentiated_where_asked(tmp_path):
    time = np.arange(6000) / 100
    omega = 2 * np.pi * np.array([[0.7], [1.0], [1.3]])
    velocity, acceleration = np.sin(omega * time), omega * np.cos(omega * time)
    writers.write(tmp_path / "set", velocity, scale=0.01, format={"unit": "m/s", "measurement": "velocity"})
    record = read_one(tmp_path / "set", differentiate=True)
    np.testing.assert_allclose(record.data[:, 1:-1], acceleration[:, 1:-1], atol=0.02)      # central differences
    assert record.meta["trace_processing"] == "differentiated from velocity"


@pytest.mark.parametrize("changes, expected", [
    ({"format": {"sampling_rate": None}, "trace_dt_s": 0.005}, 200), ({"format": {"sampling_rate": None},
      "trace_sampling_rate_hz": 31.25}, 31.25), ({"trace_sampling_rate_hz": 100.0, "trace_dt_s": 0.01}, 100)])
def test_where_the_sampling_rate_stands(tmp_path, changes, expected):
    writers.write(tmp_path / "set", motion(), **changes)
    assert read_one(tmp_path / "set").sampling_rate_hz == expected


@pytest.mark.parametrize("changes, says", [
    ({"format": {"sampling_rate": None}}, "missing"),
    ({"trace_sampling_rate_hz": 200}, "200 Hz, sampling_rate of data_format 100"),
    ({"trace_sampling_rate_hz": 100, "trace_dt_s": 0.02}, "trace_dt_s 50 Hz"), ({"format": {"sampling_rate": 0.5}}, "0.5 Hz"),
    ({"format": {"sampling_rate": 1e9}}, "1e.09 Hz"), ({"format": {"sampling_rate": np.nan}}, "missing"),
    ({"format": {"sampling_rate": "fast"}}, "missing"), ({"format": {"sampling_rate": None}, "trace_dt_s": 0}, "missing"),
])
def test_rates_that_are_refused(tmp_path, changes, says):
    writers.write(tmp_path / "set", motion(), **changes)
    with pytest.raises(SamplingError, match=f"^set/waveforms.hdf5/bucket0.*{says}"):
        read_one(tmp_path / "set")


# --- what is refused -----------------------------------------------------------------------------------

@pytest.mark.parametrize("changes, error, says", [
    ({"order": "Z12"}, ComponentError, "components Z, 1, 2"), ({"order": "EZ"}, ComponentError, "components E, Z"),
    ({"order": "ENE"}, ComponentError, "components E, N, E"), ({"format": {"component_order": "EN"}}, ComponentError, "names 2"),
    ({"format": {"component_order": None}}, ComponentError, "neither component_order"),
    ({"trace_component_order": "EN1"}, ComponentError, "components E, N, 1"),
    ({"format": {"dimension_order": "WW"}}, FormatError, "dimension_order is WW"),
    ({"station_code": ""}, FormatError, "no station_code"), ({"trace_npts": 700}, FormatError, "trace_npts is 700"),
    ({"trace_npts": 300}, FormatError, "not zero behind"), ({"trace_npts": -5}, FormatError, "trace_npts is -5"),
    ({"trace_name": "bucket7$0"}, FormatError, "does not hold"),
    ({"trace_name": "bucket0$5,:3,:600"}, FormatError, "holds 1 there"),
    ({"trace_name": "bucket0$0,:3,:6000"}, FormatError, "holds 600 there"),
    ({"trace_name": "bucket0$x"}, FormatError, "'x' is not"), ({"trace_name": "bucket0$0,0,0,0"}, FormatError, "4 dimensions"),
    ({"trace_name": "bucket0$0,1"}, ComponentError, "1 components"),
    ({"trace_name": "../data_format/unit"}, FormatError, "does not hold"),
    ({"trace_name": "/data/bucket0$0"}, FormatError, "does not hold"),
    ({"trace_name": "bucket0$0,:,:0"}, DataError, "at least 2"),
    ({"trace_pga_E_cmps2": 30.0, "trace_pga_N_cmps2": 20.0, "trace_pga_Z_cmps2": 10.0}, HeaderMismatchError,
     "component E peaks at 20"),
    ({"unit": "mps2", "format": {"unit": "cmps2"}, "trace_pga_E_cmps2": 20.0, "trace_pga_N_cmps2": 30.0,
      "trace_pga_Z_cmps2": 10.0}, HeaderMismatchError, "peaks at 0.2"),
])
def test_rows_that_are_refused(tmp_path, changes, error, says):
    writers.write(tmp_path / "set", motion(), **changes)
    with pytest.raises(error, match=f"^set/waveforms.hdf5.*{says}"):
        read_one(tmp_path / "set")


@pytest.mark.parametrize("change, error, says", [
    (lambda data: data.__setitem__((1, 5), np.nan), DataError, "1 values that are not finite"),
    (lambda data: data.__setitem__((1, slice(None)), 0), ComponentError, "component N holds nothing but zeros"),
    (lambda data: data.__setitem__((2, slice(None)), 4), DataError, "component Z is flat"),
])
def test_samples_that_are_refused(tmp_path, change, error, says):
    data = motion()
    change(data)
    writers.write(tmp_path / "set", data)
    with pytest.raises(error, match=f"^set/waveforms.hdf5.*{says}"):
        read_one(tmp_path / "set")


def test_one_bad_row_does_not_spoil_the_others(tmp_path):
    def rows(table):
        return [{**row, "trace_name": row["trace_name"] if n != 1 else "nowhere", "source_id": f"e{n}"}
                for n, row in enumerate(table)]

    writers.write(tmp_path / "set", motion(), copies=3, rows=rows)
    made = read(tmp_path / "set")
    assert [type(one) for one in made] == [Record, Refusal, Record] and made[1].name == "set/waveforms.hdf5/nowhere"


def spoil_table(change):
    return lambda table, waves: table.write_bytes(change(table.read_bytes()))


def in_file(change):
    def spoil(table, waves):
        with h5py.File(waves, "r+") as file:
            change(file)
    return spoil


def replace_block(file, **what):
    del file["data/bucket0"]
    file.create_dataset("data/bucket0", **what)


def link_out(file):
    del file["data/bucket0"]
    file["data/bucket0"] = h5py.ExternalLink("other.hdf5", "/data/bucket0")


SPOIL = {
    "cut off": (lambda table, waves: waves.write_bytes(waves.read_bytes()[:3000]), "not a whole HDF5 file"),
    "text": (lambda table, waves: waves.write_text("no HDF5"), "not a whole HDF5 file"),
    "empty": (lambda table, waves: waves.write_bytes(b""), "not a whole HDF5 file"),
    "no group": (in_file(lambda file: file.move("data", "waves")), "no group 'data'"),
    "a group": (in_file(lambda file: (file.pop("data/bucket0"), file.create_group("data/bucket0"))), "not an array of numbers"),
    "words": (in_file(lambda file: replace_block(file, data=[[b"a"] * 600] * 3)), "not an array of numbers"),
    "one axis": (in_file(lambda file: replace_block(file, data=np.ones(600))), "not an array of numbers"),
    "huge": (in_file(lambda file: replace_block(file, shape=(1, 3, 10**13), chunks=(1, 3, 600), dtype="f4")), "which no record"),
    "large pieces": (in_file(lambda file: replace_block(file, shape=(64, 3, 10**6), chunks=(64, 3, 10**6), dtype="f8")),
                     "too large to be"),
    "another file": (in_file(link_out), "does not hold"),
    "outside": (in_file(lambda file: replace_block(file, shape=(1, 3, 600), dtype="f8", external=[("raw", 0, 14400)])),
                "outside of"),
    "empty table": (spoil_table(lambda text: b""), "no column trace_name"),
    "no rows": (spoil_table(lambda text: text.splitlines(keepends=True)[0]), "no rows"),
    "zeros": (spoil_table(lambda text: text + b"\0\0\0\n"), "zeros in it"),
    "binary": (spoil_table(lambda text: bytes(range(128, 256)) * 99), "first line cannot be read"),
    "other table": (spoil_table(lambda text: text.replace(b"trace_name", b"name")), "no column trace_name"),
    "twice": (spoil_table(lambda text: text.replace(b"source_id", b"trace_name")), "columns of"),
    "many columns": (spoil_table(lambda text: text.replace(b"\n", b"".join(b",c%d" % n for n in range(9000)) + b"\n", 1)),
                     "at most 2000"),
    "long line": (spoil_table(lambda text: text + b"a" * (5 << 20)), "line without end"),
    "open quotes": (spoil_table(lambda text: text + b'"' + b"\n" * 100000), "within quotation marks"),
    "many values": (spoil_table(lambda text: text.rstrip() + b",1,2,3\n"), "rows 0 to 0 are not those of a table"),
    "not UTF-8": (spoil_table(lambda text: text.replace(b"9901", b"\xff\xfe")), "not those of a table"),
}


@pytest.mark.parametrize("spoil, says", SPOIL.values(), ids=SPOIL)
def test_broken_data_sets(tmp_path, spoil, says):
    """A refusal that names the file, within little memory."""
    spoil(*writers.write(tmp_path / "set", motion(), trace_name="bucket0$0"))
    tracemalloc.start()
    made = read(tmp_path / "set")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [type(one) for one in made] == [Refusal] and says in str(made[0].error)
    assert isinstance(made[0].error, FormatError) and str(made[0].error).startswith("set/")
    assert peak < 100e6


@pytest.mark.parametrize("seed", range(60))
def test_bytes_that_changed(tmp_path, seed):
    """Damage anywhere in the structure of the HDF5 file or in the table gives records or refusals, and nothing else."""
    rng = np.random.default_rng(seed)
    path = writers.write(tmp_path / "set", motion(100))[int(rng.random() < 0.7)]
    content = bytearray(path.read_bytes())
    for place in rng.integers(0, min(len(content), 4000), rng.choice([1, 5, 50])):
        content[place] = rng.choice([0, 255, rng.integers(256)])
    path.write_bytes(content)
    made = read(tmp_path / "set")
    assert made and all(isinstance(one, Record) or str(one.error).startswith("set/") for one in made)


def test_only_the_rows_of_a_portion_are_read(tmp_path):
    writers.write(tmp_path / "set", motion(6000), copies=400, dtype="f4")         # 58 MB as 64-bit numbers
    portion = seisbench.portions(tmp_path / "set")[2]
    tracemalloc.start()
    assert len(seisbench.read_portion(portion, Options())) == 128
    assert tracemalloc.get_traced_memory()[1] < 35e6
    tracemalloc.stop()


def test_long_traces_make_small_portions(tmp_path):
    data = np.random.default_rng(0).normal(size=(3, 600_000)).astype("f4")
    writers.write(tmp_path / "set", data, copies=9, dtype="f4")
    assert [(one.first, one.stop) for one in seisbench.portions(tmp_path / "set")] == [(0, 7), (7, 9)]


# --- tng's own -----------------------------------------------------------------------------------------

def test_a_corpus_of_ours_reads_back_as_the_same_records(tmp_path):
    def motions():
        for n in range(40):
            meta = {"station_network_code": "NA", "note": f"{n:03d}", "trace_start_time": f"2020-01-01T00:{n:02d}:00Z",
                    "source_origin_time": f"2020-01-01T00:{n:02d}:00.000000Z",
                    "trace_p_arrival_sample": 12.5 if n % 2 else np.nan,
                    "trace_source_file": f"{n}.mat", "trace_source_sha256": f"{n:064x}", "trace_source_format": "afad-mat",
                    "trace_license": "ours", "trace_units_declared": "gal (header)", "trace_component_order_source": "NEU",
                    "trace_processing": "raw", "station_vs30_mps": 423.0, "source_magnitude": 0.1 * n, "trace_npts_raw": 70 + n}
            yield Record(np.random.default_rng(n).normal(size=(3, 80)), 100, "0205" if n % 3 else "1716", f"e{n // 4}", meta)

    made = corpus.write(motions(), tmp_path / "made")
    found = read(made.folder)
    for row, (record, wrote) in enumerate(zip(found, motions(), strict=True)):
        np.testing.assert_array_equal(record.data, wrote.data.astype(np.float32))
        np.testing.assert_array_equal(record.data, made.record(row).data)
        assert (record.station, record.event, record.sampling_rate_hz) == (wrote.station, wrote.event, 100)
        assert record.meta == {name: value for name, value in wrote.meta.items() if value == value}
    again = corpus.write(found, tmp_path / "again")
    np.testing.assert_array_equal(again.waveforms(range(40)), made.waveforms(range(40)))
    assert corpus.write(read(again.folder), tmp_path / "third").fingerprint == again.fingerprint  # peaks are of 32 bits now


def test_seisbench_itself_opens_a_corpus_of_ours(tmp_path):
    data = pytest.importorskip("seisbench.data", reason="seisbench is not installed; `pip install seisbench` for this check")
    made = corpus.write((Record(np.random.default_rng(n).normal(size=(3, 80)), 100, "0205", f"e{n}") for n in range(30)),
                        tmp_path / "made")
    opened = data.WaveformDataset(made.folder, component_order="ENZ", dimension_order="NCW")
    np.testing.assert_array_equal(opened.get_waveforms(), made.waveforms(range(30)))
    assert opened.sampling_rate in (None, 100) and len(opened.train()) == len(made.select(split="train"))


# --- ESM25 ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("processing", ["mp", "cv"])
def test_esm25_is_turned_to_east_and_north(tmp_path, processing):
    writers.write_esm(tmp_path / "esm", motion(), processing=processing)
    record = read_one(tmp_path / "esm")
    np.testing.assert_allclose(record.data, motion(), atol=1e-10)
    assert (record.station, record.event, record.sampling_rate_hz) == ("TST1", "20200101000000", 200)
    assert record.meta["trace_rotated_from"] == "120 30" and record.meta["trace_license"] == esm25.LICENCE
    assert (record.meta["trace_lowcut_hz"], record.meta["trace_highcut_hz"]) == (0.2, 25)
    assert (record.meta["source_magnitude"], record.meta["source_magnitude_type"]) == (5.1, "Mw")
    assert record.meta["source_origin_time"] == "2020-01-01T00:00:00.000000Z"
    assert record.meta["path_ep_distance_km"] == 33.5 and record.meta["station_site_class"] == "B"
    assert not [name for name in record.meta if name.startswith(("trace_rotd", "trace_u_", "trace_w_", " "))]
    assert record.meta["trace_units_declared"] == "cm/s2 (SeisBench data_format)"


@pytest.mark.parametrize("changes, error, says", [
    ({"trace_u_azimuth_deg": np.nan}, ComponentError, "no azimuth"),
    ({"trace_v_azimuth_deg": 45.0}, ComponentError, "orthogonal"),
    ({" trace_w_inclination_deg": -90.0}, ComponentError, "inclination of -90"),
    ({"trace_u_inclination_deg": 90.0}, ComponentError, "horizontal"),
    ({"trace_u_pga_cps2": 1.0}, HeaderMismatchError, "component acc_mp_u peaks"), ({"trace_unit": "m"}, UnitsError, "unit m"),
])
def test_esm25_that_is_refused(tmp_path, changes, error, says):
    writers.write_esm(tmp_path / "esm", motion(), **changes)
    with pytest.raises(error, match=f"^esm/waveforms.hdf5/bucket1.*{says}"):
        read_one(tmp_path / "esm")


def test_esm25_along_east_and_north_without_azimuths(tmp_path):
    data = motion()
    writers.write_esm(tmp_path / "esm", data, trace_u_channel_code="E", trace_v_channel_code="N", trace_u_azimuth_deg=None,
                      trace_v_azimuth_deg=None, processing="cv")
    with h5py.File(tmp_path / "esm" / "waveforms.hdf5", "r+") as file:
        file["data/bucket1"][0] = data
    np.testing.assert_array_equal(read_one(tmp_path / "esm").data, data)


@pytest.fixture
def server(tmp_path):
    """ESM25's address, on this machine; what was asked for is in its list."""
    root = tmp_path / "served"
    writers.write_esm(root / "esm25goodmp", motion())
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=root))
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}/", root, asked
    served.shutdown()
    served.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TNG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "esm25"


def test_esm25_is_fetched_once_and_checked(server, cache):
    address, root, asked = server
    folder = esm25.fetch("good-mp", progress=False, address=address)
    assert folder == cache / "good-mp"
    np.testing.assert_allclose(read_one(folder).data, motion(), atol=1e-10)
    count = len(asked)
    assert esm25.fetch("good-mp", progress=False, address=address) == folder and len(asked) == count
    (folder / "waveforms.hdf5").write_bytes(b"spoilt")
    with pytest.raises(RemoteError, match="waveforms.hdf5: is not what was downloaded.*remove it"):
        esm25.fetch("good-mp", progress=False, address=address)
    (folder / "waveforms.hdf5").unlink()
    esm25.fetch("good-mp", progress=False, address=address)
    assert (folder / "waveforms.hdf5").read_bytes() == (root / "esm25goodmp" / "waveforms.hdf5").read_bytes()


def test_esm25_goes_on_with_the_file_it_was_at(server, cache):
    address, root, asked = server
    hidden = root / "esm25goodmp" / "waveforms.hdf5"
    kept = hidden.read_bytes()
    hidden.unlink()
    with pytest.raises(RemoteError, match="waveforms.hdf5 of ESM25.*answered 404"):
        esm25.fetch("good-mp", progress=False, address=address)
    assert sorted(path.name for path in (cache / "good-mp").iterdir()) == ["checksums.json", "metadata.csv"]
    hidden.write_bytes(kept)
    asked.clear()
    esm25.fetch("good-mp", progress=False, address=address)
    assert not [path for path in asked if "metadata" in path] and [path for path in asked if "waveforms" in path]


def test_esm25_in_chunks(server, cache):
    address, root, _ = server
    for chunk in ("0", "1"):
        writers.write(root / "esm25goodcv", motion(), chunk=chunk)
    (root / "esm25goodcv" / "chunks").write_text("0\n1\n")
    assert len(read(esm25.fetch("good-cv", progress=False, address=address))) == 2
    (root / "esm25badcv").mkdir()
    (root / "esm25badcv" / "chunks").write_text("../../x\n")
    with pytest.raises(RemoteError, match="not a list of the data set's parts"):
        esm25.fetch("bad-cv", progress=False, address=address)


def test_esm25_without_network(cache):
    with pytest.raises(RemoteError, match="ESM25: could not be downloaded from http://127.0.0.1:9/esm25goodmp/: no connection"):
        esm25.fetch("good-mp", progress=False, address="http://127.0.0.1:9/")
    with pytest.raises(RemoteError, match="'best': no variant of ESM25; known are good-mp, good-cv, bad-cv"):
        esm25.fetch("best")
