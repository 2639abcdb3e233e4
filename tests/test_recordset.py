"""Records of a comparison: the same from wherever they come, and refused with a reason if they cannot be compared."""

import numpy as np
import pytest

from tng import corpus, corpus_tools
from tng.recordset import RecordSet, RecordSetError, also_in, same_kind
from tng.records import Record

RATE_HZ = 50.0


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(0)
    return [Record(rng.standard_normal((3, 200)), RATE_HZ, station, f"event {i}", {"source_magnitude": 4 + i / 10, "path_hyp_distance_km": 20.0 + i})
            for station in "AB" for i in range(6)]


def arrays(records):
    return {code: np.stack([r.data for r in records if r.station == code]) for code in "AB"}


def test_the_same_records_from_everywhere(records, tmp_path):
    written = corpus.write(records, tmp_path / "corpus", seed=0)
    listed = RecordSet.of(records)
    for source in (written, tmp_path / "corpus", str(tmp_path / "corpus"), {code: [r for r in records if r.station == code] for code in "AB"}):
        found = RecordSet.of(source)
        assert found.stations == ["A", "B"] and len(found) == 12 and found.events_known
        for code in "AB":
            order = np.argsort(found.event[found.rows(code)])
            np.testing.assert_array_equal(found.data[found.rows(code)][order], listed.data[listed.rows(code)])
            np.testing.assert_allclose(found.magnitude[found.rows(code)][order], 4 + np.arange(6) / 10)
            np.testing.assert_allclose(found.distance_km[found.rows(code)][order], 20 + np.arange(6))
    plain = RecordSet.of(arrays(records), sampling_rate_hz=RATE_HZ)
    np.testing.assert_array_equal(plain.data, listed.data)
    assert not plain.events_known and np.isnan(plain.magnitude).all() and len(set(plain.event)) == 12


def test_a_split_and_some_stations(records, tmp_path):
    written = corpus.write(records, tmp_path / "corpus", seed=0)
    train, test = (RecordSet.of(written, split=split) for split in ("train", "test"))
    assert not set(train.event) & set(test.event)
    assert RecordSet.of(written, stations=["B"]).stations == ["B"]
    assert RecordSet.of(records, stations=["B"]).stations == ["B"]


def test_ancestors_travel_through_a_corpus(records, tmp_path):
    made = [Record(r.data, RATE_HZ, r.station, f"new {i}", {"generator_sources": "t1;t2", "trace_category": "generated"}) for i, r in enumerate(records)]
    for source in (made, corpus.write(made, tmp_path / "made", seed=0)):
        assert RecordSet.of(source).ancestors == (("t1", "t2"),) * 12
    assert RecordSet.of(made).take([3]).ancestors == (("t1", "t2"),)
    assert RecordSet.of(records).ancestors == ()


def of_files(*records):
    """Records of station, earthquake, file and start; a file or start of "" is not stated."""
    rng = np.random.default_rng(0)
    return RecordSet.of([Record(rng.standard_normal((3, 200)), RATE_HZ, station, event, {"trace_source_sha256": file, "trace_start_time": start})
                         for station, event, file, start in records])


@pytest.mark.parametrize("other, same", [
    (("A", "e1", "abc", "t1"), True), (("A", "e1", "abc", ""), True), (("A", "e1", "", ""), True),
    (("A", "e2", "abc", "t1"), True),                 # an earthquake that is called otherwise in the other corpus
    (("A", "e2", "abc", "t2"), False),                # another cut of a long file
    (("A", "e1", "xyz", "t1"), False), (("B", "e1", "abc", "t1"), False), (("A", "e2", "", "t1"), False), (("A", "e2", "abc", ""), False),
])
def test_the_same_record_wherever_it_is(other, same):
    mine, others = of_files(("A", "e0", "u", "t0"), ("A", "e1", "abc", "t1")), of_files(other)
    assert also_in(mine, others).tolist() == [False, same] and also_in(others, mine).tolist() == [same]
    assert also_in(mine.take([1]), others).tolist() == [same]


def test_unknown_earthquakes_are_not_the_same_one():
    mine = of_files(("A", "", "", ""), ("A", "", "abc", "t1"))
    assert not also_in(mine, of_files(("A", "", "", ""), ("A", "", "", ""))).any()
    assert also_in(mine, of_files(("A", "", "abc", "t1"))).tolist() == [False, True], "the file tells"
    plain = RecordSet.of({"A": mine.data}, sampling_rate_hz=RATE_HZ)
    assert not also_in(plain, plain).any()


def test_a_record_stays_the_same_through_exports_and_windows(tmp_path):
    """The file and the start of the whole record are told, not those of the window or of the exported file."""
    meta = {"trace_source_sha256": "abc", "trace_start_time": "2020-01-01T00:00:05.000000Z", "trace_license": "CC0",
            "trace_record_start_time": "2020-01-01T00:00:00.000000Z"}
    data = np.random.default_rng(0).standard_normal((3, 200))
    made = corpus.write([Record(data, RATE_HZ, "A", "e1", meta)], tmp_path / "corpus")
    raw = of_files(("A", "as called elsewhere", "abc", "2020-01-01T00:00:00.000000Z"))
    assert also_in(RecordSet.of(made), raw).tolist() == [True]
    corpus_tools.export(made.folder, tmp_path / "files", "csv", allow_restricted=True)
    assert also_in(RecordSet.of(tmp_path / "files"), RecordSet.of(made)).tolist() == [True]


def broken(records, change):
    data = arrays(records)
    change(data["B"])
    return data


@pytest.mark.parametrize("change, word", [
    (lambda x: x.__setitem__((2, 1, 5), np.nan), "B 2 of station B, component N holds values that are not finite"),
    (lambda x: x.__setitem__((1, 2), 0.0), "B 1 of station B, component Z is flat"),
])
def test_records_that_cannot_be_scored_are_named(records, change, word):
    with pytest.raises(RecordSetError, match=word):
        RecordSet.of(broken(records, change), sampling_rate_hz=RATE_HZ)


def test_wrong_sources(records, tmp_path):
    for source, word, more in (
            ({}, "no stations", {}), ([], "no records", {}), (arrays(records), "sampling rate", {}), ([1, 2], "int among", {}),
            (tmp_path / "nowhere", "is not there", {}), (records, "no records of C", {"stations": ["C"]}),
            ({"A": np.zeros((2, 2, 9))}, "shape", {"sampling_rate_hz": 50.0}),
            ({"A": np.ones((2, 3, 9)), "B": np.ones((2, 3, 8))}, "one length", {"sampling_rate_hz": 50.0}),
            ({"A": [r for r in records if r.station == "B"]}, "records of B are given as A", {}),
            ({"A": [np.ones((3, 9))]}, "station A: list", {}), ({"A": 3}, "station A: int", {}), (3, "int;", {}), (None, "NoneType", {}),
            ({"A": np.ones((2, 3, 9)), "B": 3}, "station B: int beside arrays", {"sampling_rate_hz": 50.0}),
            ([records[0], Record(records[0].data, 100.0, "A", "e")], "one rate", {})):
        with pytest.raises(RecordSetError, match=word):
            RecordSet.of(source, **more)


def test_a_folder_with_an_unreadable_file_is_refused(tmp_path):
    (tmp_path / "note.txt").write_text("not a record")
    with pytest.raises(RecordSetError, match="1 of 1 records cannot be read.*tng ingest"):
        RecordSet.of(tmp_path)


def test_sets_of_different_kind(records):
    one, other = RecordSet.of(records, "one"), RecordSet.of({"A": arrays(records)["A"][..., :100]}, "other", sampling_rate_hz=RATE_HZ)
    same_kind([one, one])
    with pytest.raises(RecordSetError, match="other: 100 samples at 50 Hz, but one: 200 at 50 Hz"):
        same_kind([one, other])
    with pytest.raises(RecordSetError, match="200 samples at 100 Hz"):
        same_kind([one, RecordSet.of(arrays(records), sampling_rate_hz=100.0)])


@pytest.mark.parametrize("form", ["csv", "mseed", "sac", "at2"])
def test_exported_files_can_be_scored_as_they_are(form, records, tmp_path):
    """What `tng corpus export` writes beside the records, provenance and StationXML, is no broken record."""
    written = corpus.write(records, tmp_path / "corpus", seed=0)
    corpus_tools.export(written.folder, tmp_path / form, form, allow_restricted=True)
    found = RecordSet.of(tmp_path / form)
    assert len(found) == 12 and sorted(found.stations) == ["A", "B"]
    peaks = sorted(np.abs(found.data).max(axis=(1, 2)))
    np.testing.assert_allclose(peaks, sorted(np.abs(RecordSet.of(records).data).max(axis=(1, 2))), rtol=2e-3)
