"""One motion, written in every format that can be read, comes back as the same E, N and Z."""

import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pytest
from scipy import signal

import writers_afad_text
import writers_cosmos
import writers_dyna
import writers_geonet
import writers_knet
import writers_mat
import writers_miniseed
import writers_openeew
import writers_peer
import writers_sac
import writers_seisbench
from tng import readers, standard, writers
from tng.ingest import ingest
from tng.readers.options import Options
from tng.records import Record

PEAKS = (20.0, 30.0, 10.0)                # gal, of E, N, Z
SECONDS = {100.0: 60.0, 200.0: 30.0}      # signal files have 6000 samples and no other number
SWAPPED = [1, 0, 2]


def motion(rate_hz=100.0, seconds=None, seed=1):
    """Enveloped noise between 0.3 and 8 Hz on E, N, Z, without a mean; shape (3, samples), gal."""
    samples = round((SECONDS.get(rate_hz, 60.0) if seconds is None else seconds) * rate_hz)
    time = np.arange(samples) / rate_hz
    band = signal.butter(4, (0.3, 8), "bandpass", fs=rate_hz, output="sos")
    data = signal.sosfiltfilt(band, np.random.default_rng(seed).normal(size=(3, samples)), axis=1)
    data *= 0.02 + time / 8 * np.exp(1 - time / 8)
    data -= data.mean(axis=1, keepdims=True)
    return data / np.abs(data).max(axis=1, keepdims=True) * np.array(PEAKS)[:, None]


# --- every format --------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Format:
    """How to write a format, and how exactly it holds a motion.

    `write(folder, data, rate_hz, station)` gives the files; what comes back differs by at most `gal` + `relative`·|x|,
    which `why` explains.  `options(folder)` is what the user must declare.
    """

    write: Callable
    gal: float
    relative: float
    why: str
    options: Callable = lambda folder: Options()
    rates_hz: tuple = (100.0, 200.0)


def miniseed(folder, data, rate_hz, station):
    """The writer of tests knows one station only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writers_miniseed, "STATION", station)
        return writers_miniseed.write(folder, data, rate_hz)


def own(format):
    """One of tng's own writers."""
    def write(folder, data, rate_hz, station):
        return writers.write([Record(data, rate_hz, station, "20200102030359", KNOWN)], folder, format)
    return write


KNOWN = {"trace_start_time": "2020-01-02T03:04:05.678900Z", "source_origin_time": "2020-01-02T03:03:59.000000Z",
         "station_network_code": "XX", "trace_category": "synthetic", "trace_license": "CC BY 4.0"}
FORMATS = {
    "afad-mat": Format(lambda folder, data, rate, code: writers_mat.write(
        folder, data, rate, name=f"20200101000000_{code}.mat", statID=int(code)), 0, 0, "64-bit numbers"),
    "signal-mat": Format(lambda folder, data, rate, code: writers_mat.write_signal(
        folder, data, name=f"AFAD.{code}.99_200101000000P6014_EV_0001.mat"), 0, 0, "64-bit numbers",
        lambda folder: Options(unit="gal"), (100.0,)),
    "afad-text": Format(lambda folder, data, rate, code: writers_afad_text.write(
        folder, data, rate, **{"STATION ID": code}), 0.5e-6, 1e-12, "six decimals of a gal"),
    "dyna-esm": Format(lambda folder, data, rate, code: writers_dyna.write(
        folder, data, rate, STATION_CODE=code), 0.5e-6, 1e-12, "six decimals of cm/s²"),
    "dyna-afad": Format(lambda folder, data, rate, code: writers_dyna.write(
        folder, data, rate, dialect="afad", STATION_CODE=code), 0.5e-6, 1e-12, "six decimals of cm/s²"),
    "knet": Format(lambda folder, data, rate, code: writers_knet.write(
        folder, data, rate, station=f"TST{code[1:]}"), writers_knet.QUANTISATION_GAL, 0,
        "half a count, and half a one at most of the mean"),
    "kiknet": Format(lambda folder, data, rate, code: writers_knet.write(
        folder, data, rate, "surface", f"TST{code[1:]}"), writers_knet.QUANTISATION_GAL, 0, "as K-NET"),
    "miniseed": Format(miniseed, writers_miniseed.QUANTISATION_GAL, 0, "half a count, and half a one at most of the mean",
                       writers_miniseed.options),
    "sac": Format(lambda folder, data, rate, code: writers_sac.write(
        folder, data, rate, kstnm=code), 0, 2**-24, "32-bit numbers"),
    "sac-declared": Format(lambda folder, data, rate, code: writers_sac.write(
        folder, data, rate, gal_per_unit=100.0, kstnm=code, kuser0=None), 0, 2**-23, "32-bit numbers of m/s²",
        lambda folder: Options(unit="m/s2")),
    "peer": Format(lambda folder, data, rate, code: writers_peer.write(
        folder, data, rate, station=f"Nowhere {code}"), 0, 5.1e-7, "seven digits of g, the first of them after .1"),
    "cosmos": Format(lambda folder, data, rate, code: writers_cosmos.write(
        folder, data, rate, station=f"Code:XX-{code}"), 0.5e-5, 1e-12, "five decimals of cm/s²"),
    "cosmos-split": Format(lambda folder, data, rate, code: writers_cosmos.write(
        folder, data, rate, split=True, station=f"Code:XX-{code}"), 0.5e-5, 1e-12, "five decimals of cm/s²"),
    "geonet-v1a": Format(lambda folder, data, rate, code: writers_geonet.write(
        folder, data, rate, site=f"Site {code}"), 0.005, 1e-12, "one decimal of mm/s²"),
    "geonet-v2a": Format(lambda folder, data, rate, code: writers_geonet.write(
        folder, data, rate, corrected=True, site=f"Site {code}"), 0.005, 1e-12, "one decimal of mm/s²"),
    "tng-mseed": Format(own("mseed"), 0, 4e-16, "64-bit numbers of m/s²",
                        lambda folder: Options(stationxml=tuple(folder.glob("stations-*.xml")))),
    "tng-sac": Format(own("sac"), 0, 2**-24, "32-bit numbers"),
    "tng-at2": Format(own("at2"), 0, 5.1e-8, "eight digits of g"),
    "tng-csv": Format(own("csv"), 0, 0, "every bit"),
}
CASES = [(name, rate) for name, format in FORMATS.items() for rate in format.rates_hz]


def written_and_read(name, folder, data, rate_hz=100.0, station="9901"):
    format = FORMATS[name]
    files = format.write(folder, data, rate_hz, station)
    return readers.read(*files, options=format.options(folder))


def assert_same(found, data, format):
    off = np.abs(found - data) - format.relative * np.abs(data)
    assert found.shape == data.shape and off.max() <= format.gal, f"{off.max():.3g} gal off, {format.gal:.3g} are {format.why}"


@pytest.mark.parametrize("name, rate_hz", CASES)
def test_the_motion_comes_back_within_what_the_format_holds(name, rate_hz, tmp_path):
    data = motion(rate_hz)
    record = written_and_read(name, tmp_path, data, rate_hz)
    assert_same(record.data, data, FORMATS[name])
    np.testing.assert_allclose(record.pga_cmps2, PEAKS, atol=0.005 + 1e-9)
    assert record.sampling_rate_hz == rate_hz and record.station[1:].endswith("901")
    assert record.meta["trace_units_declared"] and record.meta["trace_source_sha256"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("wrong", ["E and N swapped", "Z downwards", "one sample late", "1 % too large"])
def test_what_a_writer_does_wrong_is_seen(name, wrong, tmp_path):
    """The comparison above can fail: for each mistake that a reader could make, it does."""
    data = motion()
    made = {"E and N swapped": data[SWAPPED], "Z downwards": data * [[1], [1], [-1]], "one sample late": np.roll(data, 1, axis=1),
            "1 % too large": data * 1.01}[wrong]
    with pytest.raises(AssertionError):
        assert_same(written_and_read(name, tmp_path, made).data, data, FORMATS[name])


@pytest.mark.parametrize("name", ["peer", "cosmos", "geonet-v1a"])
def test_instruments_at_any_azimuth_give_the_same_east_and_north(name, tmp_path):
    """Horizontals along 30° and 120°; sines add a little to the rounding of the samples."""
    data = motion()
    angle = np.deg2rad(30)
    along_30, along_120 = (data[0] * np.sin(one) + data[1] * np.cos(one) for one in (angle, angle + np.pi / 2))
    directions = {"peer": {"E": "120", "N": "030", "Z": "UP"},
                  "cosmos": {"E": ("120 deg", 120), "N": (" 30 deg", 30), "Z": ("Up", 400)},
                  "geonet-v1a": {"E": ("S60E", 120), "N": ("N30E", 30), "Z": ("Up", 0)}}[name]
    module = {"peer": writers_peer, "cosmos": writers_cosmos, "geonet-v1a": writers_geonet}[name]
    names = {"names": {"E": "TST120.AT2", "N": "TST030.AT2", "Z": "TST-UP.AT2"}} if name == "peer" else {}
    files = module.write(tmp_path, [along_120, along_30, data[2]], directions=directions, **names)
    format = FORMATS[name]
    rounding = (format.gal + format.relative * np.hypot(*PEAKS[:2])) * np.sqrt(2)
    assert np.abs(readers.read(*files).data - data).max() <= rounding + 1e-12


# --- OpenEEW and SeisBench, which are no single files --------------------------------------------------

OPENEEW_HZ, NOISE_GAL = 31.25, 0.001


def openeew(folder, data, station="990"):
    """The files, and the part of the record that holds the motion (rows E, N, Z)."""
    files = writers_openeew.write(folder, data, OPENEEW_HZ, device=station, noise_gal=NOISE_GAL)
    record = readers.read(*files, options=writers_openeew.options(folder))
    start = datetime.fromisoformat(record.meta["trace_start_time"]).timestamp()
    first = round((writers_openeew.START_S + writers_openeew.QUIET_S[0] - start) * OPENEEW_HZ)
    return record.data[:, first:first + data.shape[1]]


def test_openeew_gives_the_samples_back(tmp_path):
    """Within its three decimals, five times the noise that is added, and the interpolation to times that are off by 1 µs."""
    data = motion(OPENEEW_HZ)
    within = 0.0005 + 5 * NOISE_GAL + 1e-6 * 2 * np.pi * 8 * 30
    assert np.abs(openeew(tmp_path / "right", data) - data).max() < within
    for number, wrong in enumerate((data[SWAPPED], data * 1.01, np.roll(data, 1, axis=1))):
        assert np.abs(openeew(tmp_path / f"{number}", wrong) - data).max() > within


@pytest.mark.parametrize("rate_hz", [100.0, 200.0])
@pytest.mark.parametrize("changes", [{}, {"order": "ZNE", "dimensions": "WC"}, {"unit": "m/s**2", "kind": "single"},
                                     {"unit": "g", "kind": "NCW"}], ids=lambda one: one.get("unit", str(one.get("order"))))
def test_seisbench_folder_becomes_the_same_corpus(changes, rate_hz, tmp_path):
    """Single precision is what a corpus holds."""
    data = motion(rate_hz)
    taken = {"window_s": SECONDS[rate_hz], "sampling_rate_hz": rate_hz, "detrend": "none", "progress": False, "processes": 1}
    for number, made in enumerate((data, data[SWAPPED])):
        writers_seisbench.write(tmp_path / f"set{number}", made, rate_hz, **changes)
        report = ingest(tmp_path / f"set{number}", tmp_path / f"corpus{number}", **taken)
        found = report.corpus.waveforms([0])[0]
        assert (np.abs(found - data) <= 2**-24 * 1.001 * np.abs(data)).all() == (number == 0)


# --- all at once ---------------------------------------------------------------------------------------

def test_a_zip_of_every_format_becomes_one_corpus(tmp_path):
    """A station a format, told by its last two digits, and each a little larger than the one before: no two are copies."""
    data, wanted, folder = motion(), {60: ("seisbench", motion() * 1.5), 90: ("openeew", motion(OPENEEW_HZ))}, tmp_path / "raw"
    for number, name in enumerate(FORMATS, 1):
        wanted[number] = name, data * (1 + number / 1000)
        (folder / name).mkdir(parents=True)
        FORMATS[name].write(folder / name, wanted[number][1], 100.0, f"{9900 + number}")
    writers_openeew.write(folder / "openeew", wanted[90][1], OPENEEW_HZ, device="990", noise_gal=NOISE_GAL)
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    writers_seisbench.write(tmp_path / "seisbench", wanted[60][1], station_code="9960")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)       # a window that ends before OpenEEW's shaking does
        report = ingest([tmp_path / "all.zip", tmp_path / "seisbench"], tmp_path / "corpus", detrend="none", unit="m/s2",
                        vertical_axis="x", progress=False, processes=1)
    assert report.rejected == ()
    assert report.accepted == len(wanted) == len(FORMATS) + 2
    table = report.corpus.metadata
    for row, station in enumerate(table["station_code"]):
        name, data = wanted.pop(int(station[-2:]))
        found = report.corpus.waveforms([row])[0] / (100.0 if name == "signal-mat" else 1.0)    # declared to be in m/s²
        if name == "openeew":
            expected = np.abs(standard.resample(data, OPENEEW_HZ, 100.0)).max(axis=1)
            np.testing.assert_allclose(np.abs(found).max(axis=1), expected, rtol=0.01)
        else:
            gal, relative = (FORMATS[name].gal, FORMATS[name].relative) if name in FORMATS else (0, 0)
            assert (np.abs(found - data) <= gal + (relative + 2**-23) * np.abs(data)).all(), name
        peaks = table.loc[row, [f"trace_pga_{component}_cmps2" for component in "ENZ"]].to_numpy(float)
        np.testing.assert_allclose(peaks, np.abs(report.corpus.waveforms([row])[0]).max(axis=1), rtol=1e-6)
    assert not wanted


def test_own_miniseed_needs_no_more_than_its_own_stations_xml(tmp_path):
    """No mean is removed, also where all samples are whole numbers, and coordinates that are unknown stay unknown."""
    data = np.round(motion()) * 100 + 300
    record = Record(data, 100.0, "9901", "20200102030359", KNOWN)
    [path] = writers.write([record], tmp_path, "mseed")
    found = readers.read(path, options=Options(stationxml=tuple(tmp_path.glob("stations-*.xml")), unit="g", gal_per_count=7.0))
    np.testing.assert_array_equal(found.data, data)
    assert found.meta["trace_units_declared"] == "m/s2 (StationXML)"
    assert not {"station_latitude_deg", "station_longitude_deg", "station_elevation_m"} & set(found.meta)
    known = Record(data, 100.0, "9901", "20200102030359", KNOWN | {"station_latitude_deg": 0.0, "station_longitude_deg": 0.0})
    [path] = writers.write([known], tmp_path / "known", "mseed")
    found = readers.read(path, options=Options(stationxml=tuple((tmp_path / "known").glob("stations-*.xml"))))
    assert (found.meta["station_latitude_deg"], found.meta["station_longitude_deg"]) == (0, 0)


def test_stationxml_of_counts_is_not_taken_for_one_of_acceleration(tmp_path):
    """A sensitivity of one count: the mean is the instrument's, and goes."""
    data = np.round(motion() * 100) + 5000
    files = writers_miniseed.write(tmp_path, data, counts_per_gal=1.0, sensitivity=1.0)
    found = readers.read(*files, options=writers_miniseed.options(tmp_path))
    np.testing.assert_allclose(found.data, (data - data.mean(axis=1, keepdims=True)) * 100, atol=1e-6)


@pytest.mark.parametrize("category", ["synthetic", "generated", "earthquake"])
def test_synthetic_sac_files_say_so(category, tmp_path):
    record = Record(motion(), 100.0, "9901", "e", KNOWN | {"trace_category": category})
    found = readers.read(*writers.write([record], tmp_path, "sac"))
    assert found.meta.get("trace_category", "") == ("" if category == "earthquake" else "synthetic")
