"""Public files: mirror, cache, network; and what is said when none of them helps."""

import http.server
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from tng import remote

NAME = "published/hvsr_f0_station_0205.npz"
CONTENT = b"not the real file, but its checksum is the one in the registry"


@pytest.fixture
def registered(monkeypatch, tmp_path):
    """A registry whose first file is CONTENT, an empty cache, no mirror, and no way to the network."""
    import hashlib

    entry = replace(remote.REGISTRY[NAME], sha256=hashlib.sha256(CONTENT).hexdigest(), url="http://127.0.0.1:9/file.npz")
    monkeypatch.setattr(remote, "REGISTRY", {**remote.REGISTRY, NAME: entry})
    monkeypatch.setenv("TNG_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TNG_MIRROR", raising=False)
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return entry


def put(folder, content=CONTENT):
    file = folder / NAME
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def serve(monkeypatch, answer):
    """A server on this machine that answers every request with `answer(handler)`; its URL goes in the registry."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/file.npz"
    monkeypatch.setattr(remote, "REGISTRY", {**remote.REGISTRY, NAME: replace(remote.REGISTRY[NAME], url=url)})
    return server


def send(status, body, length=None):
    def answer(handler):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_every_file_is_pinned_checked_and_has_terms():
    assert len(remote.REGISTRY) == 31 + 309
    for name, entry in remote.REGISTRY.items():
        commit = entry.url.removeprefix("https://raw.githubusercontent.com/").split("/")[2]
        assert len(commit) == 40 and int(commit, 16)
        assert len(entry.sha256) == 64 and int(entry.sha256, 16)
        assert entry.url.endswith("/" + name.rsplit("/", 1)[1])
        assert entry.licence


def test_afad_terms_say_that_no_permission_is_known():
    for name in remote.names("afad-mat"):
        assert "no redistribution permission is known" in remote.REGISTRY[name].licence
        assert "authors' own public repository" in " ".join(remote.REGISTRY[name].licence.split())
    assert all("no redistribution permission is known" in remote.REGISTRY[n].licence for n in remote.names("afad-nsmn"))
    assert all("MIT" in remote.REGISTRY[name].licence for name in remote.names("published"))


def test_registry_is_frozen():
    with pytest.raises(TypeError):
        remote.REGISTRY["new"] = None
    with pytest.raises(AttributeError):
        remote.REGISTRY[NAME].sha256 = ""


def test_names_of_collections():
    sizes = {title: len(remote.names(title)) for title in remote.COLLECTIONS}
    assert sizes == {"published": 5, "afad-mat": 9, "afad-nsmn": 3, "esm": 7, "geonet": 2, "cosmos": 5, "samples": 26, "openeew": 309}
    assert sorted(sum((remote.names(title) for title in sizes if title != "samples"), [])) == remote.names()


@pytest.mark.parametrize("call, wrong, nearest", [
    (remote.path, "published/hvsr_f0_station_0206.npz", "published/hvsr_f0_station_"),
    (remote.path, "20120106001648_6501.mat", "afad_mat/20120106001648_6501.mat"),
    (remote.available, "afad_mat", "afad_mat/"),
    (remote.collection, "afad_mat", "afad-mat"),
    (remote.names, "publishd", "published"),
    (remote.path, "../../etc/passwd", ""),
])
def test_unknown_name_names_the_nearest(call, wrong, nearest):
    with pytest.raises(remote.RemoteError) as caught:
        call(wrong)
    assert wrong in str(caught.value) and nearest in str(caught.value)


def test_mirror_comes_first(registered, monkeypatch, tmp_path):
    put(tmp_path / "cache")
    mirrored = put(tmp_path / "mirror")
    monkeypatch.setenv("TNG_MIRROR", str(tmp_path / "mirror"))
    assert remote.path(NAME) == mirrored
    assert remote.available(NAME)


def test_spoilt_mirror_file_is_an_error_that_names_it(registered, monkeypatch, tmp_path):
    put(tmp_path / "cache")
    mirrored = put(tmp_path / "mirror", CONTENT[:-1])
    monkeypatch.setenv("TNG_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(remote.RemoteError, match="SHA-256") as caught:
        remote.path(NAME)
    assert str(mirrored) in str(caught.value)


def test_missing_mirror_folder_is_an_error(registered, monkeypatch, tmp_path):
    monkeypatch.setenv("TNG_MIRROR", str(tmp_path / "nowhere"))
    with pytest.raises(remote.RemoteError, match="not a folder"):
        remote.path(NAME)


def test_cache_serves_without_network_also_beside_a_mirror_that_lacks_the_file(registered, monkeypatch, tmp_path):
    cached = put(tmp_path / "cache")
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("TNG_MIRROR", str(tmp_path / "mirror"))
    assert remote.path(NAME) == cached


def test_no_network_fails_fast_says_what_to_do_and_leaves_nothing(registered, tmp_path):
    assert not remote.available(NAME)
    start = time.monotonic()
    with pytest.raises(remote.RemoteError, match="no connection") as caught:
        remote.path(NAME)
    assert time.monotonic() - start < 5
    assert NAME in str(caught.value) and "TNG_MIRROR" in str(caught.value) and "try again" in str(caught.value)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_download_is_kept_in_the_cache(registered, monkeypatch, tmp_path):
    server = serve(monkeypatch, send(200, CONTENT))
    assert remote.path(NAME).read_bytes() == CONTENT
    server.shutdown()
    server.server_close()
    assert remote.path(NAME) == tmp_path / "cache" / NAME
    assert remote.available(NAME)


def test_spoilt_cache_file_is_downloaded_again(registered, monkeypatch, tmp_path):
    put(tmp_path / "cache", b"half")
    assert not remote.available(NAME)
    server = serve(monkeypatch, send(200, CONTENT))
    assert remote.path(NAME).read_bytes() == CONTENT
    server.shutdown()


@pytest.mark.parametrize("answer, why", [
    (send(200, b"something else"), "wrong checksum"),
    (send(404, b"gone"), "404"),
    (send(200, CONTENT[:20], length=len(CONTENT)), "no connection|wrong checksum"),
])
def test_bad_answers_leave_nothing(registered, monkeypatch, tmp_path, answer, why):
    server = serve(monkeypatch, answer)
    with pytest.raises(remote.RemoteError, match=why):
        remote.path(NAME)
    server.shutdown()
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_cache_that_cannot_be_written_is_named(registered, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(remote.RemoteError, match="TNG_CACHE"):
        remote.path(NAME)


def test_import_is_light():
    code = "import sys, tng, tng.remote; print([m for m in ('pooch', 'requests', 'numpy', 'torch', 'obspy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("collection", remote.COLLECTIONS)
def test_real_files_match_their_checksums(collection):
    if not remote.available(collection):
        pytest.skip(f"{collection} is not on this machine: set TNG_MIRROR to a folder that holds it, or run `tng fetch`")
    assert all(file.is_file() for file in remote.collection(collection))


def test_nothing_is_written_to_a_notebooks_page_but_the_message(tmp_path):
    """Standard error on a page is a warning, and warnings stop the book: with TNG_PROGRESS=0 a failing fetch is silent."""
    code = ("from tng import remote\ntry:\n    remote.path('published/hvsr_f0_station_0205.npz')\n"
            "except remote.RemoteError as problem:\n    print('one message')")
    env = {**os.environ, "TNG_PROGRESS": "0", "TNG_CACHE": str(tmp_path), "HTTPS_PROXY": "http://127.0.0.1:9"}
    env.pop("TNG_MIRROR", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert (done.stdout, done.stderr) == ("one message\n", "")
