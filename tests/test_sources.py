"""Walking folders and archives: what is found, in which order, and that hostile archives do no harm."""

import gzip
import io
import tarfile
import zipfile

import pytest

from tng import sources
from tng.records import FormatError
from tng.sources import RawFile, walk


def found(*given):
    refused = {}
    files = list(walk(given, lambda name, why: refused.setdefault(name, why)))
    return {file.name: file.read() for file in files}, refused


def zipped(members, **more):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, **more) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(members, mode="w"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def test_folders_are_walked_in_sorted_order_and_hidden_files_passed_over(tmp_path):
    for name in ("b/2.txt", "a/1.txt", ".git/x", "c.txt", "b/.DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    files, refused = found(tmp_path)
    assert list(files) == ["c.txt", "a/1.txt", "b/2.txt"] and not refused
    assert files["a/1.txt"] == b"a/1.txt"


MEMBERS = [("x/1.txt", b"one"), ("x/2.txt", b"two" * 5000), ("__MACOSX/x/1.txt", b"no"), ("x/.hidden", b"no")]


@pytest.mark.parametrize("name, content", [
    ("a.zip", zipped(MEMBERS)), ("a.tar", tarred(MEMBERS)), ("a.tgz", tarred(MEMBERS, "w:gz")), ("a.tar.bz2", tarred(MEMBERS, "w:bz2")),
    ("a.tar.xz", tarred(MEMBERS, "w:xz")), ("no_extension", zipped(MEMBERS)),
])
def test_archives_are_entered(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    files, refused = found(tmp_path / name)
    assert files == {f"{name}/x/1.txt": b"one", f"{name}/x/2.txt": b"two" * 5000} and not refused


def test_packed_file_keeps_its_name_and_archives_nest(tmp_path):
    (tmp_path / "one.txt.gz").write_bytes(gzip.compress(b"one"))
    (tmp_path / "outer.zip").write_bytes(zipped([("inner.tar.gz", tarred([("y.txt", b"why")], "w:gz")), ("z.gz", gzip.compress(b"zed"))]))
    files, refused = found(tmp_path)
    assert files == {"one.txt.gz": b"one", "outer.zip/inner.tar.gz/y.txt": b"why", "outer.zip/z.gz": b"zed"} and not refused


def test_a_raw_file_can_be_read_in_another_process(tmp_path):
    import pickle

    (tmp_path / "a.zip").write_bytes(zipped(MEMBERS))
    (file, *_) = walk([tmp_path])
    copy = pickle.loads(pickle.dumps(file))
    assert copy.read() == b"one" and copy.head() == b"one" and copy.size == 3
    assert (copy.base, copy.folder) == ("1.txt", "a.zip/x")


def test_an_archive_that_changed_is_opened_again(tmp_path):
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped([("1.txt", b"one")]))
    assert found(archive)[0] == {"a.zip/1.txt": b"one"}
    archive.write_bytes(zipped([("1.txt", b"other")]))
    assert found(archive)[0] == {"a.zip/1.txt": b"other"}


@pytest.mark.parametrize("path", ["../../climb.txt", "/etc/absolute.txt", "..\\..\\climb.txt"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_paths_that_climb_out_are_only_names(path, pack, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    archive = tmp_path / "in" / "deep" / "a.bin"
    archive.write_bytes(pack([(path, b"content")]))
    before = sorted(tmp_path.rglob("*"))
    ((name, content),) = found(archive)[0].items()
    assert content == b"content" and ".." not in name and name.startswith("a.bin/")
    assert sorted(tmp_path.rglob("*")) == before


def test_bombs_are_left_packed(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_FILE_BYTES", 1 << 20)
    zeros = bytes(4 << 20)
    (tmp_path / "bomb.zip").write_bytes(zipped([("a.txt", zeros), ("b.txt", b"fine")]))
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(zeros))
    (tmp_path / "bomb.tgz").write_bytes(tarred([("a.txt", zeros)], "w:gz"))
    files, refused = found(tmp_path)
    assert files == {"bomb.zip/b.txt": b"fine"}
    assert "unfold to 4194304" in refused["bomb.zip/a.txt"]
    assert "unpack it first" in refused["bomb.gz"] and "unpack it first" in refused["bomb.tgz"]


def test_archive_that_lies_about_its_sizes(tmp_path, monkeypatch):
    """The central directory says 10 bytes where there are four million: never more than the limit is read."""
    monkeypatch.setattr(sources, "LARGEST_FILE_BYTES", 1 << 20)
    content = bytearray(zipped([("a.txt", bytes(4 << 20))]))
    for place in (content.find(b"PK\x03\x04") + 22, content.find(b"PK\x01\x02") + 24):
        content[place:place + 4] = (10).to_bytes(4, "little")
    (tmp_path / "liar.zip").write_bytes(content)
    files, refused = found(tmp_path)
    assert not files and refused["liar.zip/a.txt"].startswith("liar.zip/a.txt: cannot be read")


def test_archives_too_deep_encrypted_damaged_or_doubled(tmp_path):
    content = b"text"
    for _ in range(6):
        content = zipped([("a.zip", content)])
    (tmp_path / "deep.zip").write_bytes(content)
    (tmp_path / "cut.zip").write_bytes(zipped(MEMBERS)[:-30])
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"one" * 9999)[:-9])
    secret = bytearray(zipped([("1.txt", b"one")]))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        secret[secret.find(mark) + place] |= 1
    (tmp_path / "secret.zip").write_bytes(secret)
    with pytest.warns(UserWarning, match="Duplicate"):
        (tmp_path / "twice.zip").write_bytes(zipped([("1.txt", b"one"), ("1.txt", b"two")]))
    files, refused = found(tmp_path)
    assert list(files) == ["twice.zip/1.txt"]
    says = {"deep.zip/a.zip/a.zip/a.zip": "unpack", "cut.zip": "cannot be read", "cut.gz": "cannot be read",
            "secret.zip/1.txt": "password", "twice.zip/1.txt": "second member"}
    assert set(refused) == set(says)
    assert all(part in refused[name] and refused[name].startswith(name) for name, part in says.items())


def test_no_source_and_strange_files(tmp_path):
    with pytest.raises(FormatError, match="no such file or folder"):
        list(walk([tmp_path / "absent"]))
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    files, refused = found(tmp_path)
    assert not files and "not a file" in refused["broken"]


def test_too_large_a_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_FILE_BYTES", 1000)
    (tmp_path / "large.txt").write_bytes(bytes(2000))
    with pytest.raises(FormatError, match="large.txt: larger than"):
        RawFile.of(tmp_path / "large.txt").read()
    assert len(RawFile.of(tmp_path / "large.txt").head()) == 2000
