"""Which records a corpus takes: second copies, events found by time or from a list, stations of one code."""

from datetime import datetime, timedelta, timezone

import pytest

from tng import catalogue
from tng.catalogue import distance_km
from tng.selection import Selection, SelectionError, select

START = datetime(2020, 1, 1, 12, tzinfo=timezone.utc)


def at(seconds):
    return f"{START + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.%fZ}"


def candidate(name, station="S1", event="", start=None, origin=None, digest=None, network="XX", place=(38.0, 27.0)):
    meta = {"trace_source_file": name, "trace_start_time": None if start is None else at(start), "station_network_code": network,
            "source_origin_time": None if origin is None else at(origin), "station_latitude_deg": place[0], "station_longitude_deg": place[1]}
    return {"station": station, "event": event, "meta": meta, "place": [0, [3, 9], digest or name], "copy": ((f"sha of {name}",), 0)}


def chosen(*candidates, **settings):
    listed = catalogue.read(settings.pop("events")) if "events" in settings else ()
    taken, left_out = select(list(candidates), Selection(**settings), listed)
    return {one["meta"]["trace_source_file"]: one for one in taken}, dict(left_out)


def test_second_copies_are_left_out():
    taken, left = chosen(candidate("a", start=0), candidate("b", start=0.4), candidate("c", start=50), candidate("d", start=99, digest="a"),
                         candidate("e", station="S2", start=0))
    assert list(taken) == ["a", "c", "e"]
    assert left == {"b": "b: same station and time as a, which is kept", "d": "d: same samples as a, which is kept"}


def test_one_record_with_and_one_without_a_time():
    """The same earthquake at one station from two formats, of which one does not tell its start."""
    taken, left = chosen(candidate("mat", event="E1"), candidate("text", event="E1", start=5), candidate("other", event="E2", start=9))
    assert list(taken) == ["mat", "other"] and "same station and earthquake as mat" in left["text"]
    taken, left = chosen(candidate("text", event="E1", start=5), candidate("again", event="E1", start=500), candidate("mat", event="E1"))
    assert list(taken) == ["text", "again"] and "as again" in left["mat"]


def test_event_of_a_known_origin_before_the_start():
    taken, _ = chosen(candidate("told", "S1", "20200101120000", start=10, origin=0), candidate("silent", "S2", start=20), candidate("late", "S3", start=400))
    assert taken["silent"]["event"] == "20200101120000" and "known earthquake" in taken["silent"]["more"]["source_id_status"]
    assert taken["late"]["event"] == "20200101120640" and taken["told"]["more"] == {}


def test_records_that_start_together_share_an_event_and_do_not_chain():
    taken, _ = chosen(*(candidate(f"r{n}", f"S{n}", start=40 * n) for n in range(4)))
    assert [one["event"] for one in taken.values()] == ["20200101120000"] * 2 + ["20200101120120"] * 2


def test_a_record_without_any_time_is_alone():
    taken, _ = chosen(candidate("a"), candidate("b", "S2"))
    assert len({one["event"] for one in taken.values()}) == 2 and all(one["event"].startswith("unknown-") for one in taken.values())


def test_events_of_a_list(tmp_path):
    """The P of the second is due at 14 s (100 km); the first is too far away, the third too late, the fourth smaller."""
    north = 38.0 + 100 / 111.195
    (tmp_path / "list.csv").write_text("time,latitude,longitude,depth,mag\n"
                                       f"{at(-5)},45.0,27.0,10,6.0\n{at(0)},{north},27.0,12.5,5.1\n{at(70)},38.0,27.0,5,7\n{at(1)},{north},27.1,9,4.0\n")
    taken, _ = chosen(candidate("a", start=5), candidate("b", "S2", start=4, place=(float("nan"), 27.0)), events=tmp_path / "list.csv")
    assert taken["a"]["event"] == "20200101120000"
    more = taken["a"]["more"]
    assert (more["source_magnitude"], more["source_depth_km"], more["source_origin_time"]) == (5.1, 12.5, at(0))
    assert "listed earthquake" in more["source_id_status"] and taken["b"]["event"] == "20200101120004"


def test_of_two_sensors_the_one_with_the_wider_band_stays():
    narrow, wide = candidate("narrow", start=0), candidate("wide", start=0)
    narrow["meta"]["trace_bandlimit_hz"], wide["meta"]["trace_bandlimit_hz"] = 20.0, 50.0
    taken, left = chosen(narrow, wide)
    assert list(taken) == ["wide"] and "as wide" in left["narrow"]


def test_what_counts_is_when_the_record_started_not_its_window():
    """Windows by energy start at different times in records that were cut from continuous data at the same one."""
    one, other, copy = candidate("one", "S1", start=15), candidate("other", "S2", start=82), candidate("copy", "S1", start=17)
    for record in (one, other, copy):
        record["meta"]["trace_record_start_time"] = at(0)
    taken, left = chosen(one, other, copy)
    assert taken["one"]["event"] == taken["other"]["event"] == "20200101120000" and list(left) == ["copy"]


def test_stations_are_told_apart_before_anything_is_counted():
    both = candidate("a", "ABC", start=0, network="AZ"), candidate("b", "ABC", start=0, network="NC")
    taken, left = chosen(*both)
    assert [one["station"] for one in taken.values()] == ["AZ.ABC", "NC.ABC"] and not left
    both = candidate("a", "ABC", start=0, network="AZ"), candidate("b", "ABC", start=0, network="NC")
    assert list(chosen(*both, stations=("AZ.ABC",))[0]) == ["a"]
    both = candidate("a", "ABC", start=0, network="AZ"), candidate("b", "ABC", start=0, network="NC")
    assert not chosen(*both, smallest_records=2)[0]


def test_a_station_that_is_not_there_is_an_error_with_a_hint():
    with pytest.raises(SelectionError, match="'AOM0001'; did you mean AOM001"):
        chosen(candidate("a", "AOM001", start=0), stations=("AOM0001",))


def test_a_start_that_is_no_time_makes_no_copies():
    one, other = candidate("a"), candidate("b")
    for record in (one, other):
        record["meta"]["trace_start_time"] = "unknown"
    assert list(chosen(one, other)[0]) == ["a", "b"]


def test_one_code_in_two_networks_is_two_stations():
    taken, _ = chosen(candidate("a", "S1", start=0), candidate("b", "S1", start=900, network="YY"), candidate("c", "S2", start=0, network="YY"))
    assert [one["station"] for one in taken.values()] == ["XX.S1", "YY.S1", "S2"]


@pytest.mark.parametrize("one, other, km", [((0, 0), (0, 1), 111.195), ((60, 0), (60, 1), 55.595), ((0, 179.5), (0, -179.5), 111.195),
                                            ((90, 0), (-90, 0), 20015.1), ((12, 34), (12, 34), 0)])
def test_distance_on_the_sphere(one, other, km):
    assert distance_km(*one, *other) == pytest.approx(km, abs=0.05)
