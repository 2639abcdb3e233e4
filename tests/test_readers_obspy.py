"""K-NET, miniSEED (with StationXML) and SAC: what comes out of whole files, and why others are refused."""

import struct
import time

import numpy as np
import pytest

import writers_knet
import writers_miniseed
import writers_sac
from tng import readers
from tng.channels import Refusal
from tng.readers import _inventory, knet, miniseed, sac
from tng.readers.options import Options
from tng.records import (ComponentError, DataError, FormatError, HeaderMismatchError, Record, SamplingError,
                         UnitsError)
from tng.sources import RawFile

MODULES = {"knet": knet, "miniseed": miniseed, "sac": sac}
WRITERS = {"knet": writers_knet, "miniseed": writers_miniseed, "sac": writers_sac}


def motion(samples=2000):
    """Noise without a mean whose peaks are 20 (E), 30 (N), 10 (Z) gal, and how it looks at 5 Hz and above."""
    data = np.random.default_rng(7).normal(size=(3, samples))
    data -= data.mean(axis=1, keepdims=True)
    return data / np.abs(data).max(axis=1, keepdims=True) * [[20.0], [30.0], [10.0]]


def read_files(module, files, options=None):
    """Everything in files of one record."""
    return readers.read_group(module, [RawFile.of(file) for file in files], options or Options())


def read_one(module, files, options=None) -> Record:
    made = read_files(module, files, options)
    if isinstance(made[0], Refusal):
        raise made[0].error
    assert len(made) == 1
    return made[0]


def written(kind, folder, data=None, **changes):
    files = WRITERS[kind].write(folder, motion() if data is None else data, **changes)
    return files, writers_miniseed.options(folder) if kind == "miniseed" else Options()


# --- all three -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("rate_hz", [100.0, 200.0])
@pytest.mark.parametrize("kind", WRITERS)
def test_three_components_come_back_as_they_were(kind, rate_hz, tmp_path):
    files, options = written(kind, tmp_path, rate_hz=rate_hz)
    record = read_one(MODULES[kind], files, options)
    step = WRITERS[kind].QUANTISATION_GAL
    np.testing.assert_allclose(record.data, motion(), atol=step)
    np.testing.assert_allclose(record.pga_cmps2, [20, 30, 10], atol=step)
    assert record.sampling_rate_hz == rate_hz


@pytest.mark.parametrize("kind", WRITERS)
def test_swapped_components_are_seen(kind, tmp_path):
    files, options = written(kind, tmp_path, motion()[[1, 0, 2]])
    np.testing.assert_allclose(read_one(MODULES[kind], files, options).pga_cmps2, [30, 20, 10], atol=1e-3)


@pytest.mark.parametrize("kind", WRITERS)
def test_each_is_recognised_by_its_own_reader_alone(kind, tmp_path):
    files, _ = written(kind, tmp_path)
    for file in files:
        head = RawFile.of(file).head()
        assert [name for name, module in MODULES.items() if module.sniff(head, "x.bin")] == [kind]
        assert not any(module.sniff(head[:20], file.name) for module in MODULES.values())


@pytest.mark.parametrize("kind", WRITERS)
def test_provenance(kind, tmp_path):
    files, options = written(kind, tmp_path)
    record = read_one(MODULES[kind], files, options)
    assert record.meta["trace_source_format"] == kind
    assert record.meta["trace_source_file"] == " + ".join(file.name for file in files)
    assert record.meta["trace_license"] and np.isnan(record.meta["station_vs30_mps"])
    assert record.meta["station_latitude_deg"] == 38.25
    assert record.meta["trace_units_declared"] == {
        "knet": "gal (header)", "miniseed": "m/s2 (StationXML)", "sac": "cm/s2 (header)"}[kind]


@pytest.mark.parametrize("kind, start, event", [
    ("knet", "2020-01-02T03:04:20.000000Z", "20200102030405"),     # JST less 9 h, and less 15 s of delay
    ("miniseed", "2020-01-02T03:04:05.500000Z", ""),
    ("sac", "2020-01-02T03:04:05.500000Z", "20200102030355")])
def test_times_are_utc(kind, start, event, tmp_path):
    files, options = written(kind, tmp_path)
    record = read_one(MODULES[kind], files, options)
    assert (record.meta["trace_start_time"], record.event) == (start, event)
    assert ("source_origin_time" in record.meta) == bool(event)
    group = MODULES[kind].group(RawFile.of(files[0]).head(), files[0].name)
    assert group[1] == pytest.approx(np.datetime64(start[:-1]).astype("M8[us]").astype(int) / 1e6)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
@pytest.mark.parametrize("kind", WRITERS)
def test_truncated_file_is_refused_by_name(kind, share, tmp_path):
    files, options = written(kind, tmp_path)
    raw = files[0].read_bytes()
    files[0].write_bytes(raw[:int(len(raw) * share)])
    with pytest.raises((FormatError, SamplingError, ComponentError, UnitsError), match=files[0].name.replace(".", r"\.")):
        read_one(MODULES[kind], files, options)


@pytest.mark.parametrize("kind", WRITERS)
def test_damaged_files_are_read_or_refused_at_once(kind, tmp_path):
    files, options = written(kind, tmp_path, motion(400))
    raw = files[0].read_bytes()
    dice = np.random.default_rng(3)
    for _ in range(150):
        broken = bytearray(raw)
        for place in dice.integers(0, dice.choice([60, 700, len(raw)]), dice.choice([1, 3, 20])):
            broken[min(place, len(raw) - 1)] = dice.choice([0, 255, dice.integers(256)])
        files[0].write_bytes(broken)
        begun = time.monotonic()
        MODULES[kind].group(bytes(broken[:8192]), files[0].name)
        for one in read_files(MODULES[kind], files, options):
            assert not isinstance(one, Refusal) or "could not make sense of it" not in str(one.error)
        assert time.monotonic() - begun < 2


# --- K-NET and KiK-net ---------------------------------------------------------------------------------

def test_knet_offset_is_not_acceleration(tmp_path):
    record = read_one(knet, writers_knet.write(tmp_path, motion()))
    np.testing.assert_allclose(record.data.mean(axis=1), 0, atol=1e-9)
    assert record.meta["source_magnitude"] == 6.5 and record.station == "TST001"


@pytest.mark.parametrize("key", ["Mag.", "Depth. (km)", "Lat.", "Long.", "Max. Acc. (gal)", "Last Correction",
                                 "Station Height(m)", "Origin Time", "Duration Time(s)"])
@pytest.mark.parametrize("value", ["", "???"])
def test_knet_blank_values_do_no_harm(key, value, tmp_path):
    record = read_one(knet, writers_knet.write(tmp_path, motion(), **{key: value}))
    np.testing.assert_allclose(record.pga_cmps2, [20, 30, 10], atol=1e-3)
    assert record.event == ("" if key == "Origin Time" else "20200102030405")


@pytest.mark.parametrize("key", ["Mag.", "Max. Acc. (gal)", "Last Correction", "Memo."])
def test_knet_missing_lines_do_no_harm(key, tmp_path):
    record = read_one(knet, writers_knet.write(tmp_path, motion(), **{key: None}))
    np.testing.assert_allclose(record.pga_cmps2, [20, 30, 10], atol=1e-3)


def test_knet_scale_with_a_fraction_is_not_cut(tmp_path):
    files = writers_knet.write(tmp_path, motion(), **{"Scale Factor": "3920.5(gal)/6182761", "Max. Acc. (gal)": ""})
    np.testing.assert_allclose(read_one(knet, files).pga_cmps2, np.array([20, 30, 10]) * 3920.5 / 3920, atol=1e-3)


def test_knet_with_crlf(tmp_path):
    files = writers_knet.write(tmp_path, motion())
    for file in files:
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
        assert knet.sniff(RawFile.of(file).head(), "x")
    np.testing.assert_allclose(read_one(knet, files).pga_cmps2, [20, 30, 10], atol=1e-3)


def test_kiknet_surface_is_read_and_borehole_refused(tmp_path):
    surface = writers_knet.write(tmp_path, motion(), sensor="surface")
    borehole = writers_knet.write(tmp_path, motion()[[1, 0, 2]], sensor="borehole")
    np.testing.assert_allclose(read_one(knet, surface).pga_cmps2, [20, 30, 10], atol=1e-3)
    with pytest.raises(ComponentError, match=r"borehole; the surface set \(Dir\. 4–6"):
        read_one(knet, borehole)
    keys = {knet.group(RawFile.of(file).head(), file.name)[0] for file in surface + borehole}
    assert len(keys) == 2


@pytest.mark.parametrize("changes, error, message", [
    ({"Scale Factor": ""}, UnitsError, "Scale Factor is 'missing'"),
    ({"Scale Factor": "3920(m)/6182761"}, UnitsError, "must be like"),
    ({"Scale Factor": "3920(gal)/0"}, UnitsError, "must be like"),
    ({"Sampling Freq(Hz)": "5000Hz"}, SamplingError, "between 1 and 1000 Hz"),
    ({"Sampling Freq(Hz)": ""}, SamplingError, "'missing'"),
    ({"Dir.": "7"}, ComponentError, "its Dir. is '7'"),
    ({"Dir.": "N-S"}, ComponentError, "one vertical and two horizontals"),
    ({"Record Time": "2020/13/02 12:04:35"}, FormatError, "Record Time"),
    ({"Duration Time(s)": "300"}, FormatError, "the file is incomplete"),
    ({"Max. Acc. (gal)": "21.5"}, HeaderMismatchError, "its header says 21.5"),
    ({"Station Code": ""}, FormatError, "Station Code"),
])
def test_knet_refusals(changes, error, message, tmp_path):
    with pytest.raises(error, match=message):
        read_one(knet, writers_knet.write(tmp_path, motion(), **changes))


def test_knet_damaged_number(tmp_path):
    files = writers_knet.write(tmp_path, motion())
    files[0].write_text(files[0].read_text()[:-40] + "  -1x085\n")
    with pytest.raises(FormatError, match="not a number"):
        read_one(knet, files)


# --- miniSEED ------------------------------------------------------------------------------------------

def write_miniseed(folder, **changes):
    return writers_miniseed.write(folder, motion(), **changes), writers_miniseed.options(folder)


def test_unit_authority(tmp_path):
    """StationXML before a declared unit before declared counts; else refused."""
    files, with_xml = write_miniseed(tmp_path)
    peak = np.array([20, 30, 10])
    counts = peak * writers_miniseed.SENSITIVITY / 100
    for options, expected, stated in [
            (with_xml, peak, "m/s2 (StationXML)"),
            (with_xml.model_copy(update={"unit": "gal"}), peak, "m/s2 (StationXML)"),
            (Options(unit="gal"), counts, "gal (declared by the user)"),
            (Options(unit="m/s2", gal_per_count=0.5), counts * 100, "m/s2 (declared by the user)"),
            (Options(gal_per_count=0.5), counts * 0.5, "counts of 0.5 gal (declared by the user)")]:
        record = read_one(miniseed, files, options)
        np.testing.assert_allclose(record.pga_cmps2, expected, rtol=1e-4)
        assert record.meta["trace_units_declared"] == stated
    with pytest.raises(UnitsError, match="no StationXML was given; give the channel's StationXML, or declare the unit"):
        read_one(miniseed, files)


def test_offset_of_raw_counts_is_removed(tmp_path):
    data = motion() + [[500.0], [-300.0], [980.0]]
    files = writers_miniseed.write(tmp_path, data)
    record = read_one(miniseed, files, writers_miniseed.options(tmp_path))
    np.testing.assert_allclose(record.data, motion(), atol=1e-3)
    assert "mean of the whole record removed" in record.meta["trace_processing"]


@pytest.mark.parametrize("changes, message", [
    ({"since": "2021-01-01"}, "does not cover 2020-01-02T03:04:05"),
    ({"until": "2020-01-02T03:04:10"}, "does not cover 2020-01-02T03:04:05"),
    ({"sensitivity": 0.0}, "no usable sensitivity"),
    ({"units": "PA"}, "is for 'pa'; m, m/s, m/s"),
    ({"stages": "wrong"}, "contradicts itself: its sensitivity is 4.27894e.06 counts per m/s² at 1 Hz, its stages give 427894.*; ask the "
        "network for a right one, or leave the StationXML out and declare gal_per_count"),
])
def test_stationxml_that_does_not_do(changes, message, tmp_path):
    files, options = write_miniseed(tmp_path, **changes)
    with pytest.raises(UnitsError, match=message):
        read_one(miniseed, files, options)


def test_stationxml_of_another_channel_and_damaged_one(tmp_path):
    files = writers_miniseed.write(tmp_path, motion(), xml=False)
    other = writers_miniseed.stationxml(tmp_path, channels=("ENE", "ENN", "ENZ"))
    damaged = tmp_path / "damaged.xml"
    damaged.write_text(other.read_text()[:-300])
    bomb = tmp_path / "bomb.xml"
    bomb.write_text('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]>' + other.read_text().split("?>", 1)[1])
    with pytest.raises(UnitsError, match=r"none of the 3 StationXML file.* has the channel XX\.TST1\.\.HNE, but XX\.TST1\.\.ENE, "
                                         r"XX\.TST1\.\.ENN, XX\.TST1\.\.ENZ \(damaged\.xml: not StationXML.*bomb\.xml.*DOCTYPE"):
        read_one(miniseed, files, Options(stationxml=(other, damaged, bomb)))


def test_only_six_other_channels_are_named(tmp_path):
    files = writers_miniseed.write(tmp_path, motion(), xml=False)
    others = tuple(writers_miniseed.stationxml(tmp_path, name=f"{band}.xml", channels=[f"{band}N{letter}" for letter in "ENZ"])
                   for band in "BCE")
    with pytest.raises(UnitsError, match=r"but XX\.TST1\.\.BNE, .* XX\.TST1\.\.CNZ …;"):
        read_one(miniseed, files, Options(stationxml=others))


def test_gaps_in_counts_are_filled_with_counts(tmp_path):
    torn = pieces(tmp_path, [(0, 800), (850, 2000)])
    writers_miniseed.stationxml(tmp_path)
    assert read_one(miniseed, torn, writers_miniseed.options(tmp_path)).meta["trace_gaps"] == "800-850"


def test_response_without_stages_is_noted(tmp_path):
    files, options = write_miniseed(tmp_path)
    assert read_one(miniseed, files, options).meta["trace_response_assumed_flat"] is True
    files, options = write_miniseed(tmp_path, stages="flat")
    assert "trace_response_assumed_flat" not in read_one(miniseed, files, options).meta


def test_two_stationxml_must_agree(tmp_path):
    files, options = write_miniseed(tmp_path)
    same = writers_miniseed.stationxml(tmp_path, name="same.xml", sensitivity=writers_miniseed.SENSITIVITY + 1, stages="flat")
    other = writers_miniseed.stationxml(tmp_path, name="other.xml", sensitivity=1000.0)
    first = options.stationxml[0]
    np.testing.assert_allclose(read_one(miniseed, files, Options(stationxml=(first, same))).pga_cmps2, [20, 30, 10], atol=1e-3)
    with pytest.raises(UnitsError, match="XX.TST1.xml and other.xml disagree"):
        read_one(miniseed, files, Options(stationxml=(first, other)))


def test_a_corrected_stationxml_is_read_again(tmp_path):
    files, options = write_miniseed(tmp_path, sensitivity=1000.0)
    before = read_one(miniseed, files, options).pga_cmps2
    writers_miniseed.stationxml(tmp_path)
    np.testing.assert_allclose(read_one(miniseed, files, options).pga_cmps2, before * 1000 / writers_miniseed.SENSITIVITY)


@pytest.mark.parametrize("units, gal", [("M/S**2", 100), ("m/s/s", 100), ("CM/S**2", 1), ("nm/s**2", 1e-7), ("m/(s**2)", 100)])
def test_units_of_stationxml(units, gal, tmp_path):
    files, options = write_miniseed(tmp_path, units=units, counts_per_gal=1000.0, sensitivity=1000.0 * gal)
    np.testing.assert_allclose(read_one(miniseed, files, options).pga_cmps2, [20, 30, 10], atol=1e-3)


def test_negative_sensitivity_turns_the_sign(tmp_path):
    files, options = write_miniseed(tmp_path, sensitivity=-writers_miniseed.SENSITIVITY)
    np.testing.assert_allclose(read_one(miniseed, files, options).data, -motion(), atol=1e-3)


@pytest.mark.parametrize("units, factor", [("M/S**2", 1.0), ("CM/S**2", 0.01)])
def test_flat_response_is_divided_by(units, factor, tmp_path):
    sensitivity = writers_miniseed.SENSITIVITY * factor
    files, options = write_miniseed(tmp_path, stages="flat", units=units, sensitivity=sensitivity)
    record = read_one(miniseed, files, options)
    np.testing.assert_allclose(record.data, motion(), atol=1e-3)
    assert "trace_lowcut_hz" not in record.meta


def test_velocity_is_differentiated_only_on_demand(tmp_path):
    """A tone of 20 gal at 2 Hz is 20 / (2 π 2) cm/s; a seismometer of 30 s records it truly."""
    rate_hz, tone_hz = 100.0, 2.0
    t = np.arange(6000) / rate_hz
    velocity = np.array([[20.0], [30.0], [10.0]]) / (2 * np.pi * tone_hz) * np.sin(2 * np.pi * tone_hz * t)
    channels = ("HHE", "HHN", "HHZ")
    files = writers_miniseed.write(tmp_path, velocity, channels=channels, counts_per_gal=1e5, stages="velocity", units="M/S",
                                   sensitivity=1e7)                # counts per m/s
    options = writers_miniseed.options(tmp_path)
    with pytest.raises(ComponentError, match="HHE records m/s by its StationXML, not acceleration; use the accelerometer"):
        read_one(miniseed, files, options)
    with pytest.raises(ComponentError, match="velocity channel"):
        read_one(miniseed, files, Options(unit="gal"))
    with pytest.raises(ComponentError, match="velocity channel, and no StationXML was given"):
        read_one(miniseed, files, Options(unit="gal", differentiate=True))
    record = read_one(miniseed, files, options.model_copy(update={"differentiate": True}))
    middle = slice(1500, 4500)
    np.testing.assert_allclose(np.abs(record.data[:, middle]).max(axis=1), [20, 30, 10], rtol=0.01)
    s, poles = 2j * np.pi * tone_hz, np.array([-0.1481 + 0.1481j, -0.1481 - 0.1481j])
    ahead = np.angle(s**2 / np.prod(s - poles))                     # of the seismometer: the ground was so much later
    truth = 20 * np.cos(2 * np.pi * tone_hz * t - ahead)
    np.testing.assert_allclose(record.data[0, middle], truth[middle], atol=0.1)
    assert record.meta["trace_lowcut_hz"] == 0.1 and record.meta["trace_highcut_hz"] == 40


def test_samples_that_are_not_counts_are_not_divided(tmp_path):
    import obspy

    files, options = write_miniseed(tmp_path)
    stream = obspy.read(str(files[0]))
    for trace, samples in zip(stream, motion()):
        trace.data = samples
    stream.write(str(files[0]), format="MSEED", encoding="FLOAT64")
    with pytest.raises(UnitsError, match="not whole counts"):
        read_one(miniseed, files, options)
    np.testing.assert_allclose(read_one(miniseed, files, options.model_copy(update={"unit": "gal"})).data, motion())
    stream[0].data[7] = np.nan
    stream.write(str(files[0]), format="MSEED", encoding="FLOAT64")
    with pytest.raises(DataError, match="not finite"):
        read_one(miniseed, files, Options(unit="gal"))


@pytest.mark.parametrize("channels", [("HN1", "HN2", "HN3"), ("HNE", "HNN", "HNZ")])
def test_azimuths_of_stationxml_are_the_authority(channels, tmp_path):
    """Sensors turned by 30°, the vertical one upside down."""
    angle = np.deg2rad(30)
    e, n, z = motion()
    turned = np.stack([np.cos(angle) * e - np.sin(angle) * n, np.sin(angle) * e + np.cos(angle) * n, -z])
    files = writers_miniseed.write(tmp_path, turned, channels=channels, directions=((120, 0), (30, 0), (0, 90)))
    record = read_one(miniseed, files, writers_miniseed.options(tmp_path))
    np.testing.assert_allclose(record.data, motion(), atol=1e-3)
    assert record.meta["trace_rotated_from"] == "120 30"


@pytest.mark.parametrize("changes, message", [
    ({"directions": ((90, 0), (0, 0), (0, -45))}, "is inclined"),
    ({"directions": ((90, 0), (0, 0), (0, 0))}, "stated to be horizontal .* but its code says vertical"),
    ({"directions": ((90, -90), (0, 0), (0, -90))}, "stated to be vertical .* but its code says E"),
    ({"directions": ((80, 0), (0, 0), (0, -90))}, "orthogonal"),
    ({"channels": ("HN1", "HN2", "HNZ"), "directions": ((None, None), (None, None), (0, -90))},
     "azimuth and dip from StationXML"),
    ({"channels": ("HDE", "HDN", "HDZ")}, "not of an accelerometer"),
])
def test_directions_that_do_not_do(changes, message, tmp_path):
    files, options = write_miniseed(tmp_path, **changes)
    with pytest.raises(ComponentError, match=message):
        read_one(miniseed, files, options)


def test_numbered_channels_need_stationxml(tmp_path):
    files = writers_miniseed.write(tmp_path, motion(), channels=("HN1", "HN2", "HNZ"), xml=False)
    with pytest.raises(ComponentError, match="channel HN1: its code does not tell the direction"):
        read_one(miniseed, files, Options(unit="gal"))


def pieces(folder, spans, shift=0.0):
    """The motion's counts in pieces of samples [a, b), each as it was recorded."""
    import obspy

    counts = np.rint(motion() * 1000).astype(np.int32)
    start = obspy.UTCDateTime(writers_miniseed.START)
    stream = obspy.Stream([obspy.Trace(counts[row, a:b].copy(), {
        "network": "XX", "station": "TST1", "channel": code, "sampling_rate": 100.0,
        "starttime": start + a / 100 + (shift if number else 0)})
        for row, code in enumerate(("HNE", "HNN", "HNZ")) for number, (a, b) in enumerate(spans)])
    file = folder / "pieces.mseed"
    stream.write(str(file), format="MSEED", reclen=512)
    return [file]


def test_pieces_are_joined_and_gaps_reported(tmp_path):
    options = Options(gal_per_count=0.001)
    whole = read_one(miniseed, pieces(tmp_path, [(0, 800), (800, 2000)]), options)
    assert whole.samples == 2000 and "trace_gaps" not in whole.meta
    torn = read_one(miniseed, pieces(tmp_path, [(0, 800), (850, 1500), (1510, 2000)]), options)
    assert torn.meta["trace_gaps"] == "800-850;1500-1510"
    offset = torn.data[:, 0] - motion()[:, 0]                       # the mean of the filled samples
    np.testing.assert_allclose(torn.data[:, 850:1500] - offset[:, None], motion()[:, 850:1500], atol=2e-3)
    filled = torn.data[0, 799:851]
    np.testing.assert_allclose(filled, np.linspace(filled[0], filled[-1], 52), atol=6e-4)     # whole counts


def test_overlaps_must_agree(tmp_path):
    options = Options(gal_per_count=0.001)
    same = read_one(miniseed, pieces(tmp_path, [(0, 1200), (1000, 2000)]), options)
    np.testing.assert_allclose(same.data, motion(), atol=2e-3)
    with pytest.raises(DataError, match="two different versions of the"):
        read_one(miniseed, pieces(tmp_path, [(0, 1200), (1000, 2000)], shift=-0.05), options)


def test_pieces_a_minute_apart_are_two_records(tmp_path):
    made = read_files(miniseed, pieces(tmp_path, [(0, 1000), (1000, 2000)], shift=3600.0), Options(gal_per_count=0.001))
    assert [one.samples for one in made] == [1000, 1000]
    assert [one.meta["trace_start_time"][11:13] for one in made] == ["03", "04"]


def test_several_stations_and_sensors_in_a_file(tmp_path):
    """Velocity channels beside the accelerometer are refused by themselves."""
    import obspy

    one = obspy.read(str(writers_miniseed.write(tmp_path, motion())[0]))
    other, seismometer = one.copy(), one.copy()
    for trace in other:
        trace.stats.station = "TST2"
    for trace in seismometer:
        trace.stats.channel = "HH" + trace.stats.channel[-1]
    file = tmp_path / "all.mseed"
    (one + other + seismometer).write(str(file), format="MSEED", reclen=512)
    made = read_files(miniseed, [file], Options(gal_per_count=0.001))
    assert sorted(record.station for record in made if isinstance(record, Record)) == ["TST1", "TST2"]
    (refused,) = [refusal for refusal in made if isinstance(refusal, Refusal)]
    assert refused.name == "all.mseed: XX.TST1..HH" and isinstance(refused.error, ComponentError)


def test_files_of_one_channel_each_are_grouped(tmp_path):
    import obspy

    stream = obspy.read(str(writers_miniseed.write(tmp_path, motion())[0]))
    files = []
    for trace in stream:
        files.append(tmp_path / f"{trace.id}.mseed")
        trace.write(str(files[-1]), format="MSEED", reclen=512, byteorder="<" if trace.stats.channel == "HNN" else ">")
    groups = {miniseed.group(RawFile.of(file).head(), file.name) for file in files}
    assert len(groups) == 1 and groups.pop()[0] == "XX.TST1..HN"
    record = read_one(miniseed, files, writers_miniseed.options(tmp_path))
    np.testing.assert_allclose(record.data, motion(), atol=1e-3)


def test_structures_that_are_refused(tmp_path):
    file = writers_miniseed.write(tmp_path, motion())[0]
    raw = file.read_bytes()

    def refused(content, message, error=FormatError):
        file.write_bytes(content)
        with pytest.raises(error, match=message):
            read_one(miniseed, [file], Options(unit="gal"))

    def changed(place, *values):
        return raw[:place] + bytes(values) + raw[place + len(values):]

    refused(b"MS\x03" + raw[3:], "miniSEED version 3")
    assert miniseed.sniff(b"MS\x03" + raw[3:], "x")
    volume = b"000001V 010009502.1121992,001,00:00:00.0000~2020,001~" + raw
    assert miniseed.sniff(volume, "x")
    refused(volume, "full SEED volume")
    refused(changed(30, 255, 255), "more than its 512 bytes can hold")
    refused(changed(46, 0, 0), "no blockette 1000")
    refused(changed(50, 0, 10), "lead out of it or back")
    refused(changed(54, 60), "impossible length")
    refused(changed(54, 20), "are left; the file is incomplete")
    refused(changed(52, 99), "unknown encoding 99")
    refused(changed(512, *b"garbage "), "record at byte 512 is not a data record")
    refused(changed(8, 255), "which is not text")
    refused(raw + raw[:100], "incomplete")
    refused(changed(72, 0, 0, 0, 99), "damaged samples", DataError)     # the last sample, which Steim's code repeats
    refused(changed(64, 0, 0, 0, 0), "ObsPy cannot read it")
    file.write_bytes(raw + bytes(512))                              # padding does no harm
    assert read_one(miniseed, [file], Options(unit="gal")).samples == 2000


def test_text_records_are_passed_over(tmp_path):
    import obspy

    file = writers_miniseed.write(tmp_path, motion())[0]
    log = obspy.Trace(np.frombuffer(b"clock locked", dtype="|S1"), {"network": "XX", "station": "TST1", "channel": "LOG"})
    log.write(str(tmp_path / "log.mseed"), format="MSEED", reclen=512)
    text = (tmp_path / "log.mseed").read_bytes()
    file.write_bytes(file.read_bytes() + text)
    assert read_one(miniseed, [file], Options(unit="gal")).samples == 2000
    with pytest.raises(FormatError, match="only text or headers"):
        read_one(miniseed, [tmp_path / "log.mseed"])


def test_too_many_samples_are_refused_before_they_are_read(tmp_path, monkeypatch):
    files, options = write_miniseed(tmp_path)
    monkeypatch.setattr(miniseed, "MOST_SAMPLES", 1999)
    monkeypatch.setattr(miniseed, "_traces", None)                  # not reached
    with pytest.raises(DataError, match="more than 1999 samples .* cut it to the event first"):
        read_one(miniseed, files, options)


def test_a_span_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(miniseed, "MOST_SAMPLES", 4000)
    with pytest.raises(DataError, match="spans 5000 samples"):
        read_one(miniseed, pieces(tmp_path, [(0, 1000), (1000, 2000)], shift=30.0), Options(unit="gal"))


@pytest.mark.parametrize("rate_hz", [0.5, 2000.0])
def test_sampling_rates_out_of_range(rate_hz, tmp_path):
    files, options = write_miniseed(tmp_path, rate_hz=rate_hz)
    with pytest.raises(SamplingError, match="between 1 and 1000 Hz"):
        read_one(miniseed, files, options)


# --- SAC -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("byteorder", ["little", "big"])
@pytest.mark.parametrize("unit, gal", [("cm/s**2", 1), ("gal", 1), ("m/s**2", 100), ("g", 980.665), ("G", 980.665)])
def test_sac_unit_in_its_header(byteorder, unit, gal, tmp_path):
    files = writers_sac.write(tmp_path, motion(), byteorder=byteorder, kuser0=unit, gal_per_unit=gal)
    np.testing.assert_allclose(read_one(sac, files).data, motion(), atol=1e-5)


def test_sac_idep_is_no_unit(tmp_path):
    files = writers_sac.write(tmp_path, motion(), kuser0=None, idep="iacc", gal_per_unit=1e-7)
    with pytest.raises(UnitsError, match="IDEP is no guide to the unit.*no StationXML was given"):
        read_one(sac, files)
    record = read_one(sac, files, Options(unit="gal"))
    np.testing.assert_allclose(record.pga_cmps2, np.array([20, 30, 10]) * 1e7, rtol=1e-6)


def test_sac_of_fractions_is_no_counts(tmp_path):
    files = writers_sac.write(tmp_path, motion() / 1000, kuser0=None)
    with pytest.raises(UnitsError, match="not whole numbers, so these are not counts.*declare the unit"):
        read_one(sac, files, Options(gal_per_count=0.01))
    assert read_one(sac, files, Options(unit="g", gal_per_count=0.01)).pga_cmps2[0] == pytest.approx(0.02 * 980.665, rel=1e-6)


def test_sac_of_counts_with_stationxml(tmp_path):
    counts = np.rint(motion() * writers_miniseed.SENSITIVITY / 100)
    files = writers_sac.write(tmp_path, counts, kuser0=None)
    writers_miniseed.stationxml(tmp_path)
    record = read_one(sac, files, writers_miniseed.options(tmp_path))
    np.testing.assert_allclose(record.data, motion(), atol=1e-3)
    assert record.meta["trace_units_declared"] == "m/s2 (StationXML)"


def test_sac_orientation_from_header(tmp_path):
    angle = np.deg2rad(30)
    e, n, z = motion()
    turned = np.stack([np.cos(angle) * e - np.sin(angle) * n, np.sin(angle) * e + np.cos(angle) * n, -z])
    files = writers_sac.write(tmp_path, turned, channels=("HN1", "HN2", "HNZ"), orientations=((120, 90), (30, 90), (0, 180)))
    np.testing.assert_allclose(read_one(sac, files).data, motion(), atol=1e-5)


def test_sac_orientation_from_code_where_the_header_is_silent(tmp_path):
    files = writers_sac.write(tmp_path, motion(), orientations=((-12345, -12345),) * 3)
    np.testing.assert_allclose(read_one(sac, files).data, motion(), atol=1e-5)
    files = writers_sac.write(tmp_path, motion(), channels=("HN1", "HN2", "HNZ"), orientations=((-12345, -12345),) * 3)
    with pytest.raises(ComponentError, match="HN1: its code does not tell"):
        read_one(sac, files)


def test_sac_of_zeros_where_the_orientation_should_be(tmp_path):
    with pytest.raises(ComponentError, match="stated to be vertical"):
        read_one(sac, writers_sac.write(tmp_path, motion(), orientations=((0, 0),) * 3))


@pytest.mark.parametrize("stated, km", [(19.0, 19), (8310.0, 8.31), (None, None)])
def test_sac_depth_in_km_or_m(stated, km, tmp_path):
    meta = read_one(sac, writers_sac.write(tmp_path, motion(), evdp=stated)).meta
    assert meta.get("source_depth_km") == km
    assert meta["source_magnitude"] == 6.5 and meta["source_latitude_deg"] == 38.5


def test_sac_origin_without_an_epicentre_is_none(tmp_path):
    """Programs leave O at zero, which would make an earthquake of every record's start."""
    assert read_one(sac, writers_sac.write(tmp_path, motion(), o=0.0, evla=None, evlo=None)).event == ""


def test_sac_origin_rounds_the_same_for_every_station(tmp_path):
    """12.9999995 and 13.0 s after the reference are one earthquake, although whole seconds differ."""
    events = {read_one(sac, writers_sac.write(tmp_path, motion(), o=o)).event for o in (12.999999, 13.0)}
    assert events == {"20200102030418"}


def test_sac_picks(tmp_path):
    meta = read_one(sac, writers_sac.write(tmp_path, motion(), a=4.5, ka="IPU0", t0=8.25, kt0="S")).meta
    assert (meta["trace_p_arrival_sample"], meta["trace_s_arrival_sample"]) == (400, 775)     # B is 0.5 s
    meta = read_one(sac, writers_sac.write(tmp_path, motion(), a=4.5, t0=800.25, kt0="S")).meta
    assert "trace_p_arrival_sample" not in meta and "trace_s_arrival_sample" not in meta       # no label; after the end


def changed_sac(folder, **numbers):
    """The east component with other numbers in its header, by byte."""
    file = writers_sac.write(folder, motion())[0]
    raw = bytearray(file.read_bytes())
    for key, (style, place, value) in numbers.items():
        struct.pack_into(style, raw, place, value)
    file.write_bytes(raw)
    return [file]


@pytest.mark.parametrize("numbers, error, message", [
    ({"npts": ("<i", 316, 2001)}, FormatError, "the header's 2001 samples need"),
    ({"npts": ("<i", 316, 2_000_000_000)}, DataError, "more than 2000000"),
    ({"delta": ("<f", 0, 0.0)}, SamplingError, "DELTA"),
    ({"delta": ("<f", 0, np.nan)}, SamplingError, "DELTA"),
    ({"delta": ("<f", 0, 2.0)}, SamplingError, "DELTA"),
    ({"leven": ("<i", 420, 0)}, FormatError, "not a SAC time series"),
    ({"nan": ("<f", 700, np.nan)}, DataError, "not finite"),
    ({"station": ("8s", 440, b"-12345  ")}, FormatError, "names no station"),
])
def test_sac_refusals(numbers, error, message, tmp_path):
    with pytest.raises(error, match=message):
        read_one(sac, changed_sac(tmp_path, **numbers))


def test_sac_with_an_impossible_longitude_returns(tmp_path):
    """ObsPy would normalise 1e30 degrees by subtracting 360 for ever."""
    files = changed_sac(tmp_path, stlo=("<f", 128, 1e30), evlo=("<f", 144, 1e30))
    begun = time.monotonic()
    (channel,) = sac.read(RawFile.of(files[0]), Options())
    assert time.monotonic() - begun < 2
    assert "station_longitude_deg" not in channel.meta and channel.event == ""


def test_sac_version_7(tmp_path):
    """Its footer repeats the sampling interval in double precision."""
    files = writers_sac.write(tmp_path, motion())
    for file in files:
        raw = bytearray(file.read_bytes())
        struct.pack_into("<i", raw, 304, 7)
        file.write_bytes(raw + struct.pack("<22d", 1 / 128, *[-12345.0] * 21))
    record = read_one(sac, files)
    assert record.sampling_rate_hz == 128
    np.testing.assert_allclose(record.data, motion(), atol=1e-5)


def test_inventory_is_kept_for_the_next_channel(tmp_path, monkeypatch):
    files, options = write_miniseed(tmp_path)
    _inventory._channels.cache_clear()
    read_one(miniseed, files, options)
    read_one(miniseed, files, options)
    assert _inventory._channels.cache_info().misses == 1
