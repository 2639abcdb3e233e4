"""OpenEEW: packets and their clocks, earthquakes found in a stream, and every refusal; the real archive, where it is."""

import hashlib
import http.server
import json
import os
import shutil
import tarfile
import threading
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
import writers_openeew as writer

from tng import catalogue, readers, remote
from tng.channels import Refusal
from tng.readers import openeew
from tng.readers.options import Options
from tng.records import ComponentError, DataError, FormatError, Record, SamplingError
from tng.sources import RawFile, walk

RATE = 31.25
FOUND_S = writer.START_S + writer.QUIET_S[0] - 0.5       # start of the first half second that holds some shaking


def shaking(rate_hz=RATE, seconds=40.0, hz=4.0, peaks=(20, 30, 10)):
    """A decaying tone on E, N, Z whose first maximum is the peak."""
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    tone = np.sin(2 * np.pi * hz * time) * np.exp(-time / 8)
    return np.outer(peaks, tone / np.abs(tone).max())


def read(paths, folder=None, **changes):
    found = readers.read_all(paths, writer.options(folder or paths[0].parent, **changes))
    assert len(found) == 1, found
    return found[0]


def refused(paths, kind, *words, folder=None, **changes):
    one = read(paths, folder, **changes)
    assert isinstance(one, Refusal) and isinstance(one.error, kind), one
    for word in words:
        assert word in str(one.error), str(one.error)
    return str(one.error)


def start(record):
    return datetime.fromisoformat(record.meta["trace_start_time"]).timestamp()


def onset(record):
    return start(record) + record.meta["trace_p_arrival_sample"] / record.sampling_rate_hz


def relevel(file, change):
    """The packets of a file, each changed."""
    packets = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("\n".join(json.dumps(change(number, packet)) for number, packet in enumerate(packets)) + "\n")


# ── what comes out ──────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("rate_hz", [RATE, 100.0])
def test_peaks_of_three_axes_come_back(tmp_path, rate_hz):
    record = read(writer.write(tmp_path, shaking(rate_hz), rate_hz, noise_gal=0.001))
    assert record.pga_cmps2 == pytest.approx([20, 30, 10], abs=0.03)
    assert record.sampling_rate_hz == rate_hz
    assert record.station == writer.DEVICE and record.event == "20200913122737"


def test_swapped_axes_are_seen(tmp_path):
    data = shaking()
    swapped = read(writer.write(tmp_path / "swapped", data, RATE, axes="zyx"))
    assert swapped.pga_cmps2 == pytest.approx([30, 20, 10], abs=0.1)
    other = read(writer.write(tmp_path / "other", data, RATE, axes="xyz"), vertical_axis="z")
    assert other.pga_cmps2 == pytest.approx([20, 30, 10], abs=0.1)


def test_columns_tell_what_is_known_and_what_is_not(tmp_path):
    files = writer.write(tmp_path, shaking(), RATE)
    meta = read(files).meta
    assert meta["trace_azimuth_known"] is False
    assert meta["trace_component_order_source"] == "y,z,x"
    assert meta["source_magnitude"] == 5.0 and meta["path_ep_distance_km"] == 0
    assert (meta["station_latitude_deg"], meta["station_longitude_deg"]) == (writer.LATITUDE, writer.LONGITUDE)
    assert meta["trace_bandlimit_hz"] == pytest.approx(RATE / 2, rel=1e-4)
    assert "gal" in meta["trace_units_declared"] and "BY-SA" in meta["trace_license"]
    assert meta["trace_source_file"] == "30.jsonl"
    assert meta["trace_source_sha256"] == hashlib.sha256(files[0].read_bytes()).hexdigest()
    assert meta["trace_packet_holes"] is False


def test_onset_and_window_are_where_the_shaking_is(tmp_path):
    record = read(writer.write(tmp_path, shaking(), RATE, noise_gal=0.5))
    assert record.meta["trace_p_status"] == "automatic"
    assert onset(record) == pytest.approx(FOUND_S, abs=0.15)
    before = record.meta["trace_p_arrival_sample"] / RATE
    assert before == pytest.approx(30, abs=1 / RATE) and record.duration_s == pytest.approx(120, abs=0.1)


def test_signal_to_noise_ratio_of_known_noise(tmp_path):
    """A steady tone of 2 gal on each axis has rms √2 gal; the noise, white, keeps 11 of 15.6 Hz."""
    time = np.arange(int(30 * RATE)) / RATE
    record = read(writer.write(tmp_path, np.tile(2 * np.sin(2 * np.pi * 5 * time), (3, 1)), RATE, noise_gal=0.1))
    # 1.4826 times the median length of a vector of three is 1.317 of its rms
    expected = np.sqrt(2) / (0.1 * np.sqrt(11 / 15.625) * 1.4826 * np.sqrt(2.366 / 3))
    assert record.meta["trace_snr"] == pytest.approx(expected, rel=0.1)


def test_without_any_shaking_the_predicted_p_is_taken_and_the_ratio_is_low(tmp_path):
    record = read(writer.write(tmp_path, np.zeros((3, 1200)), RATE, noise_gal=0.1))
    assert record.meta["trace_p_status"] == "predicted" and record.meta["trace_snr"] < 1.5
    assert onset(record) == pytest.approx(writer.START_S + writer.QUIET_S[0], abs=1 / RATE + 1e-3)


# ── clocks ──────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("rate_hz, step_s, holes", [(31.07, None, False), (31.33, None, False), (31.31, 1.0649, True)])
def test_frequencies_are_those_of_the_true_rate(tmp_path, rate_hz, step_s, holes):
    """A tone of 3 Hz in true time stays one of 3 Hz, at any rate and with lost samples after each packet."""
    times, stream = writer.stream_of(np.zeros((3, 1200)), rate_hz, 32, step_s)
    first = round(writer.QUIET_S[0] * rate_hz)
    tone = np.sin(2 * np.pi * 3 * times[first:first + 1200])
    [path] = writer.write(tmp_path, 10 * np.tile(tone, (3, 1)), rate_hz, sr=RATE, step_s=step_s)
    record = read([path])
    assert record.meta["trace_packet_holes"] is holes
    part = record.data[0][round(record.meta["trace_p_arrival_sample"]) + 100:][:900]
    time = np.arange(900) / RATE

    def misfit(hz):
        basis = np.stack([np.cos(2 * np.pi * hz * time), np.sin(2 * np.pi * hz * time)], axis=1)
        return np.sqrt(np.mean((part - basis @ np.linalg.lstsq(basis, part, rcond=None)[0]) ** 2))

    tried = np.arange(2.8, 3.2, 0.001)
    assert tried[np.argmin([misfit(hz) for hz in tried])] == pytest.approx(3, abs=0.002)
    assert misfit(3.0) < 0.3 < misfit(3.0 * RATE / 31.07) + misfit(3 * 30.05 / RATE)


@pytest.mark.parametrize("error_s, kept_s", [(0.0, 0.0), (0.4, 0.4), (1948.0, 0.0), (-685.0, 0.0)])
def test_wrong_clocks_are_corrected_by_the_servers(tmp_path, error_s, kept_s):
    """Errors of less than a second are within what arrival times vary by, and stay."""
    record = read(writer.write(tmp_path, shaking(), RATE, clock_error_s=error_s, noise_gal=0.5))
    assert onset(record) == pytest.approx(FOUND_S + kept_s, abs=0.15)


def test_jitter_of_packet_times_is_smoothed(tmp_path):
    calm = read(writer.write(tmp_path / "calm", shaking(), RATE))
    shaky = read(writer.write(tmp_path / "shaky", shaking(), RATE, jitter_s=0.03))
    assert onset(shaky) == pytest.approx(onset(calm), abs=0.05)
    seconds = onset(calm) + np.arange(0, 30, 0.01)
    first, second = (np.interp(seconds, start(one) + one.times_s, one.data[1]) for one in (calm, shaky))
    assert np.corrcoef(first, second)[0, 1] > 0.98


def test_order_copies_and_files_make_no_difference(tmp_path):
    [whole] = writer.write(tmp_path / "whole", shaking(), RATE)
    record = read([whole])
    lines = whole.read_text().splitlines()
    mixed = tmp_path / "mixed"
    shutil.copytree(whole.parent, mixed)
    (mixed / whole.name).write_text("\n".join([*lines[::-1], *lines[5:9]]) + "\n")
    assert np.array_equal(read([mixed / whole.name]).data, record.data)
    parts = writer.write(tmp_path / "parts", shaking(), RATE, files=3)
    assert np.array_equal(read(parts).data, record.data)
    for part in parts:                        # each in its own folder, as an archive by hours has them
        (part.parent / part.stem).mkdir()
        shutil.move(part, part.parent / part.stem / part.name)
    found, refusals = readers.groups(file for file in walk([parts[0].parent]) if file.base.endswith("jsonl"))
    assert not refusals and [len(files) for _, files in found] == [3]
    assert np.array_equal(readers.read_group(*found[0], writer.options(parts[0].parent))[0].data, record.data)


# ── refusals of windows ─────────────────────────────────────────────────────────────────────────────────

def test_a_missing_packet_refuses_the_window_only_if_it_is_in_it(tmp_path):
    data = shaking()
    refused(writer.write(tmp_path / "in", data, RATE, drop=(75,)), DataError, "only 23.5 s of the 60 s")
    assert isinstance(read(writer.write(tmp_path / "before", data, RATE, drop=(8,))), Record)
    [path] = writer.write(tmp_path / "short", data, RATE)
    relevel(path, lambda number, packet: packet | {"device_t": packet["device_t"] + 0.5 * (number > 70)})
    refused([path], DataError, "a packet is missing", "1.49 times")


def test_windows_that_the_data_do_not_cover(tmp_path):
    [path] = writer.write(tmp_path, shaking(), RATE)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:90]))
    refused([path], DataError, "s of the 60 s from 5 s before its onset are in the data")
    path.write_text("\n".join(lines[:60]))
    refused([path], DataError, "are not both covered")
    path.write_text("\n".join(lines[:30]))
    refused([path], DataError, "no earthquake of events.csv reaches device 990 between 2020-09-13T12:26")
    path.write_text(lines[0])
    refused([path], DataError, "nothing continuous")


def test_of_two_earthquakes_in_one_window_the_larger_is_kept(tmp_path):
    [path] = writer.write(tmp_path, shaking(), RATE)
    time = writer.START_S + writer.QUIET_S[0] - writer.TRAVEL_S
    writer.tables(tmp_path, origins=((time, 4.0), (time + 2, 6.0)))
    found = readers.read_all([path], writer.options(tmp_path))
    assert [isinstance(one, Refusal) for one in found] == [False, True]
    assert found[0].meta["source_magnitude"] == 6.0
    assert "overlaps that of 20200913122739, which is larger" in str(found[1].error)


# ── refusals of what is missing or damaged ──────────────────────────────────────────────────────────────

def test_what_the_files_do_not_tell_must_be_declared(tmp_path):
    paths = writer.write(tmp_path, shaking(), RATE)
    refused(paths, ComponentError, "vertical_axis", "x for the devices", vertical_axis=None)
    refused(paths, DataError, "list of the earthquakes", "option events", events=None)
    refused(paths, DataError, "positions of the devices", "option devices", devices=None)
    other = tmp_path / "other.json"
    other.write_text(json.dumps([{"device_id": "991", "latitude": 1, "longitude": 2}]))
    refused(paths, FormatError, "device 990 is not in other.json", devices=other)
    other.write_text(json.dumps([{"device_id": "990", "latitude": "north", "longitude": 2}]))
    refused(paths, FormatError, "latitude is 'north'", devices=other)
    other.write_text("[")
    refused(paths, FormatError, "other.json", "cannot be read", devices=other)


@pytest.mark.parametrize("change, kind, words", [
    ({"x": [1.0] * 31}, FormatError, ("31, 32, 32 samples",)),
    ({"y": "0" * 32}, FormatError, ("lists of numbers",)),
    ({"y": [True] * 32}, FormatError, ("lists of numbers",)),
    ({"y": [0.1] * 31 + ["1"]}, FormatError, ("lists of numbers",)),
    ({"z": [float("nan")] * 32}, DataError, ("not finite",)),
    ({"z": [10**400] * 32}, DataError, ("not finite",)),
    ({"x": [], "y": [], "z": []}, FormatError, ("0, 0, 0 samples",)),
    ({"sr": 0}, SamplingError, ("sampling rate (sr) 0",)),
    ({"sr": 1e6}, SamplingError, ("1e+06",)),
    ({"sr": "fast"}, FormatError, ("sr is 'fast'",)),
    ({"device_t": 1e300}, FormatError, ("device_t 1e+300", "since 1970")),
    ({"cloud_t": None}, FormatError, ("cloud_t is None",)),
    ({"device_id": 990}, FormatError, ("device_id 990",)),
    ({"device_id": "../990"}, FormatError, ("letters and digits",)),
    ({"device_id": [["990"]]}, FormatError, ("a list",)),
    ({"device_id": "991"}, FormatError, ("packets of 2 devices (990, 991)",)),
])
def test_damaged_packets_are_refused_with_their_line(tmp_path, change, kind, words):
    [path] = writer.write(tmp_path, shaking(), RATE)
    relevel(path, lambda number, packet: packet | change if number == 20 else packet)
    said = refused([path], kind, *words)
    assert said.startswith("30.jsonl") and ("line 21" in said or "2 devices" in said)


@pytest.mark.parametrize("line, words", [
    ('{"country_code": "mx", "device_id": "990", "x": [0.1, 0.', "is not JSON"),
    ("[" * 100_000, "is not JSON"),
    ("[1, 2]", "has no device_id"),
    ("{}", "has no device_id, x, y, z, cloud_t, sr"),
    ('{"x": "' + "0" * 300_000 + '"}', "longer than 256 kB"),
])
def test_lines_that_are_no_packets_are_refused(tmp_path, line, words):
    [path] = writer.write(tmp_path, shaking(), RATE)
    path.write_text(path.read_text() + line)
    refused([path], FormatError, words)


def test_one_damaged_file_does_not_spoil_the_others(tmp_path):
    first, second = writer.write(tmp_path, shaking(), RATE, files=2)
    spoilt = tmp_path / "99.jsonl"
    spoilt.write_text(first.read_text().splitlines()[0] + "\n{")
    found = readers.read_all([first, second, spoilt], writer.options(tmp_path))
    assert sorted(isinstance(one, Refusal) for one in found) == [False, True]


def test_a_clock_that_contradicts_the_rate_is_refused(tmp_path):
    [path] = writer.write(tmp_path, shaking(), RATE, sr=25.0)
    refused([path], SamplingError, "the clock or the rate is wrong")


def test_only_its_own_files_are_recognised(tmp_path):
    [path] = writer.write(tmp_path, shaking(), RATE)
    head = RawFile.of(path).head()
    assert openeew.sniff(head, "anything.txt") and openeew.sniff(b"\xef\xbb\xbf" + head, "a")
    for other in (b"", b"{}", b'{"type": "FeatureCollection", "features": []}', (tmp_path / "device_locations.json").read_bytes(),
                  (tmp_path / "events.csv").read_bytes(), b'[{"device_id": "1", "x": 1}]'):
        assert not openeew.sniff(other, "30.jsonl")
    assert openeew.group(head, path.name) == ("/mx/990/2020-09-13", None)
    assert openeew.group(head.replace(b'"cloud_t"', b'"cloud"'), path.name) is None


# ── lists of earthquakes ────────────────────────────────────────────────────────────────────────────────

BLOCKS = """name = 7
time = 2020-01-02 03:04:05
latitude = 17.57
longitude = -101.39
magnitude = 3.6
--------------------------------------------
time = 2019-01-02T03:04:05.5+01:00
latitude = 16
longitude = -99.743
"""


def test_lists_of_earthquakes(tmp_path):
    file = tmp_path / "events.txt"
    file.write_text(BLOCKS)
    first, second = catalogue.read(file)
    assert second == catalogue.Event(datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone.utc), 17.57, -101.39, second.depth_km, 3.6)
    assert np.isnan(second.depth_km) and np.isnan(first.magnitude)
    assert first.origin == datetime(2019, 1, 2, 2, 4, 5, 500_000, tzinfo=timezone.utc) and first.id == "20190102020405"
    file.write_text("\ufefftime,latitude,longitude,depth,mag,place\n2020-01-02T03:04:05.000Z,17.57,-101.39,,3.6,\"a, b\"\n\n")
    assert [one.id for one in catalogue.read(file)] == [second.id] and catalogue.read(file)[0].magnitude == 3.6
    file.write_text("folder,origin_time_utc,latitude_deg,longitude_deg,depth_km,magnitude\na,2020-01-02T03:04:05Z,1,2,3,4\n")
    [event] = catalogue.read(file)
    assert (event.latitude_deg, event.longitude_deg, event.depth_km, event.magnitude) == (1, 2, 3, 4)


@pytest.mark.parametrize("content, words", [
    ("", "no column time or latitude or longitude"),
    ("a,b\n1,2\n", "(a, b)"),
    ("time,latitude,longitude\n", "no earthquake in it"),
    ("time,latitude,longitude\n2020-01-01T00:00:00Z,1\n", "line 2: an earthquake without longitude"),
    ("time,latitude,longitude\nyesterday,1,2\n", "line 2: origin time 'yesterday'"),
    ("time,latitude,longitude\n2020-01-01T00:00:00Z,north,2\n", "latitude 'north' is not a number"),
    ("time,latitude,longitude\n2020-01-01T00:00:00Z,91,2\n", "degrees are needed"),
    ("time,latitude,longitude\n2020-01-01T00:00:00Z,nan,2\n", "degrees are needed"),
    ("time = 2020-01-01 00:00:00\nlatitude = 1\n-----\n", "line 1: an earthquake without longitude"),
    (b"\x89PNG\xff\x00", "not text"),
])
def test_lists_that_are_none_are_refused(tmp_path, content, words):
    file = tmp_path / "events.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FormatError, match="events.csv") as caught:
        catalogue.read(file)
    assert words in str(caught.value)
    with pytest.raises(FormatError, match="cannot be read"):
        catalogue.read(tmp_path / "none.csv")


# ── fetching ────────────────────────────────────────────────────────────────────────────────────────────

@pytest.fixture
def pinned(monkeypatch, tmp_path):
    """A collection of 20 small files that nothing has yet; their contents by name."""
    contents = {f"openeew/day/{number:03d}/10.jsonl": b"packet %d" % number for number in range(20)}
    registry = {name: remote.RemoteFile(f"http://127.0.0.1:9/{name}", hashlib.sha256(content).hexdigest(), "x")
                for name, content in contents.items()}
    monkeypatch.setattr(remote, "REGISTRY", registry)
    monkeypatch.setattr(remote, "COLLECTIONS", {"openeew": tuple(registry)})
    monkeypatch.setenv("TNG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TNG_PROGRESS", "0")
    monkeypatch.delenv("TNG_MIRROR", raising=False)
    return contents


def packed(folder, contents):
    archive = folder / "openeew" / "openeew_data.tar.gz"
    archive.parent.mkdir(parents=True)
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in contents.items():
            path = folder / "one"
            path.write_bytes(content)
            tar.add(path, arcname=name)
    return archive


def inside(folder):
    return {file.relative_to(folder.parent).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_an_archive_in_the_mirror_is_laid_out_in_the_cache(pinned, monkeypatch, tmp_path):
    members = {name.replace("openeew", "data", 1): content for name, content in pinned.items()}
    packed(tmp_path / "mirror", {**members, "data/other.txt": b"not pinned", "data/../../climbs": b"out", "/absolute": b"out"})
    assert not remote.available("openeew")
    monkeypatch.setenv("TNG_MIRROR", str(tmp_path / "mirror"))
    assert remote.available("openeew") and not (tmp_path / "cache").exists()
    folder = remote.folder("openeew")
    assert folder == tmp_path / "cache" / "openeew" and inside(folder) == pinned
    assert remote.collection("openeew") == [tmp_path / "cache" / name for name in pinned]
    name = next(iter(pinned))
    (tmp_path / "cache" / name).unlink()
    assert remote.path(name).read_bytes() == pinned[name]


def test_an_archive_with_a_wrong_member_is_named(pinned, monkeypatch, tmp_path):
    archive = packed(tmp_path / "mirror", {"data/day/003/10.jsonl": b"something else"})
    monkeypatch.setenv("TNG_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(remote.RemoteError, match="data/day/003/10.jsonl") as caught:
        remote.folder("openeew")
    assert str(archive) in str(caught.value)
    archive.write_bytes(archive.read_bytes()[:20])
    with pytest.raises(remote.RemoteError, match="cannot be read"):
        remote.available("openeew")


def test_plain_files_of_a_mirror_are_copied_into_the_folder(pinned, monkeypatch, tmp_path):
    for name, content in pinned.items():
        (tmp_path / "mirror" / name).parent.mkdir(parents=True)
        (tmp_path / "mirror" / name).write_bytes(content)
    monkeypatch.setenv("TNG_MIRROR", str(tmp_path / "mirror"))
    assert inside(remote.folder("openeew")) == pinned


def test_many_files_are_downloaded_once_and_an_interruption_costs_only_the_rest(pinned, monkeypatch, tmp_path):
    asked, gone = [], {"openeew/day/019/10.jsonl"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path[1:]
            asked.append(name)
            self.send_response(404 if name in gone else 200)
            self.end_headers()
            self.wfile.write(b"" if name in gone else pinned[name])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setattr(remote, "REGISTRY", {name: remote.RemoteFile(url + name, entry.sha256, "x")
                                             for name, entry in remote.REGISTRY.items()})
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with pytest.raises(remote.RemoteError, match="day/019/10.jsonl.*404"):
        remote.folder("openeew")
    assert len(inside(tmp_path / "cache" / "openeew")) == 19
    gone.clear()
    asked.clear()
    assert inside(remote.folder("openeew")) == pinned
    assert asked == ["openeew/day/019/10.jsonl"]
    server.shutdown()
    server.server_close()


# ── the real archive ────────────────────────────────────────────────────────────────────────────────────

@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("TNG_MIRROR"):      # what is unpacked from a mirror does not stay
            patch.setenv("TNG_CACHE", str(tmp_path_factory.mktemp("cache")))
        if not remote.available("openeew"):
            pytest.skip("openeew is not on this machine: set TNG_MIRROR to a folder that holds it, or run `tng fetch openeew`")
        yield remote.folder("openeew")


def windows(folder, device):
    """Records of one device whose signal-to-noise ratio is above 3, and the refusals."""
    files = [file for file in walk([folder]) if f"/{device}/" in file.name]
    options = Options(vertical_axis="x", events=folder / "events.txt", devices=folder / "devices/device_locations.json")
    found = readers.read_all(files, options)
    return ([one for one in found if isinstance(one, Record) and one.meta["trace_snr"] > 3],
            [one for one in found if isinstance(one, Refusal)])


def test_real_files_are_all_of_this_format(archive):
    files = [file for file in walk([archive]) if file.base.endswith(".jsonl")]
    found, refusals = readers.groups(files)
    assert len(files) == 307 and len(found) == 284 and not refusals
    assert {module.NAME for module, _ in found} == {"openeew"}
    assert len(catalogue.read(archive / "events.txt")) == 4085


@pytest.mark.parametrize("device, records, event, begin_s, snr, pga_gal, holes", [
    ("009", 13, "20180925022219", 1537842138.71, 319.2, 52.11, False),
    ("015", 11, "20200130064722", 1580366840.42, 312.5, 47.91, False),
    ("010", 8, "20180822180308", 1534960995.39, 63.4, 8.14, False),
    ("006", 10, "20180216233939", 1518824382.31, 774.7, 126.23, True),
    ("014", 11, "20171225202311", 1514233389.03, 233.6, 39.84, True),
])
def test_real_windows_are_those_measured_independently(archive, device, records, event, begin_s, snr, pga_gal, holes):
    """Reference from a separate program, all with linear interpolation; of cubic records the peaks are 0 to 20 % higher."""
    from scipy.signal import detrend

    found, _ = windows(archive, device)
    assert len(found) == records
    record = next(one for one in found if one.event == event)
    first = round(record.meta["trace_p_arrival_sample"] - 5 * RATE)
    window = detrend(record.data[:, first:first + 1875])
    assert start(record) + first / RATE == pytest.approx(begin_s, abs=0.05)
    assert record.meta["trace_snr"] == pytest.approx(snr, rel=0.02)
    assert 0.98 * pga_gal < np.sqrt(np.abs(window[0]).max() * np.abs(window[1]).max()) < 1.2 * pga_gal
    assert record.meta["trace_packet_holes"] is holes


def test_a_real_clock_that_is_half_an_hour_wrong(archive):
    found, _ = windows(archive, "015")
    record = next(one for one in found if one.event == "20180216233939")
    assert record.meta["trace_clock_lag_s"] == pytest.approx(1948.2, abs=0.1)
    assert onset(record) == pytest.approx(1518824412.69 + 5, abs=0.2)


def test_one_command_gives_the_known_records_of_seven_devices(archive, tmp_path):
    """77 records, chosen by a separate program (`openeew/records.csv` in the mirror): the same earthquakes and windows."""
    listed = Path(os.environ.get("TNG_MIRROR", "nowhere")) / "openeew" / "records.csv"
    if not listed.is_file():
        pytest.skip("the list of known records is not in TNG_MIRROR")
    import pandas as pd

    from tng.ingest import ingest

    with pytest.warns(UserWarning, match="of 77 records"):
        made = ingest(archive, tmp_path / "corpus", sampling_rate_hz=RATE, window="p-onset", detrend="linear", smallest_snr=3,
                      smallest_records=10, vertical_axis="x", progress=False).corpus
    known = pd.read_csv(listed, dtype={"device": str}).query("device != '010'")
    assert len(made) == len(known) == 77 and made.stations == sorted(known["device"].unique())
    begins = made.metadata["trace_start_time"].map(lambda text: datetime.fromisoformat(text).timestamp())
    off = [np.abs(begins[made.metadata["station_code"] == row.device] - row.window_start_unix).min() for row in known.itertuples()]
    assert sorted(off)[72] < 0.05 and sorted(off)[75] < 0.25       # one weak onset (SNR 6.9) is 16 s from the known one
