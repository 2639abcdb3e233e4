"""Components into records: directions, rotation, common time, and what is refused."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tng.channels import Channel, Refusal, assemble, azimuth_of, check_peak, records
from tng.records import ComponentError, DataError, FormatError, HeaderMismatchError, SamplingError

START = datetime(2020, 1, 1, tzinfo=timezone.utc)
MOTION = np.random.default_rng(3).normal(size=(3, 400)) * [[20], [30], [10]]        # E, N, Z


def channel(samples=MOTION[0], azimuth=90.0, label="E", **changes):
    return Channel(**{"samples": samples, "sampling_rate_hz": 100.0, "station": "9901", "azimuth_deg": azimuth, "label": label,
                      "name": f"file.{label}", "sha256": label * 4, **changes})


def trio(azimuth=90.0, other=0.0, **changes):
    """The motion as sensors along two azimuths see it: E sin a + N cos a."""
    turned = [MOTION[0] * np.sin(a) + MOTION[1] * np.cos(a) for a in np.deg2rad([azimuth, other])]
    return [channel(turned[0], azimuth, "H1", **changes), channel(turned[1], other, "H2", **changes),
            channel(MOTION[2], None, "V", **changes)]


@pytest.mark.parametrize("text, azimuth", [
    ("N", 0), ("E-W", 90), ("N10E", 10), ("N80W", 280), ("S16W", 196), ("S74E", 106), ("067", 67), ("360", 0), ("350 Deg", 350),
    ("90.5", 90.5), ("west", 270), ("Up", None), ("U-D", None), ("VERT", None), ("Z", None),
])
def test_directions(text, azimuth):
    assert azimuth_of(text) == azimuth


@pytest.mark.parametrize("text", ["", "Down", "H1", "361", "N95E", "Other", "1e2", "-90", "E10N", "radial", "٤٥"])
def test_no_directions(text):
    with pytest.raises(ValueError, match="direction"):
        azimuth_of(text)


@given(st.floats(0, 359.99), st.sampled_from([90, -90, 270, 90.9, 89.1]))
def test_any_orthogonal_pair_gives_east_and_north(azimuth, turn):
    record = assemble(trio(azimuth, (azimuth + turn) % 360))
    np.testing.assert_allclose(record.data, MOTION, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("azimuth, other", [(90, 0), (0, 90), (270, 180), (180, 90)])
def test_along_the_axes_nothing_is_computed(azimuth, other):
    first, second, vertical = trio()
    signs = {0: (MOTION[1], 1), 90: (MOTION[0], 1), 180: (MOTION[1], -1), 270: (MOTION[0], -1)}
    made = assemble([channel(signs[a][0] * signs[a][1], float(a), f"A{a}") for a in (azimuth, other)] + [vertical])
    np.testing.assert_array_equal(made.data, MOTION)


def test_exchanged_azimuths_are_not_the_same_record():
    first, second, vertical = trio(10, 100)
    swapped = [channel(first.samples, 100.0, "H1"), channel(second.samples, 10.0, "H2"), vertical]
    assert not np.allclose(assemble(swapped).data, MOTION)


@pytest.mark.parametrize("channels, error, says", [
    (trio()[:2], ComponentError, r"2 components \(H1, H2\)"),
    (trio()[:1], ComponentError, r"1 component \(H1\); one vertical and two horizontals"),
    ([*trio(), trio()[0]], ComponentError, "4 components.*each once"),
    ([*trio()[:2], channel(azimuth=45.0, label="H3")], ComponentError, "3 components"),
    (trio(90, 1.5), ComponentError, "90° and 1.5°; they must be orthogonal"),
    (trio(90, 90), ComponentError, "orthogonal"),
    ([*trio()[:2], channel(MOTION[2], None, "V", station="9902")], ComponentError, "stations 9901, 9902"),
    ([*trio()[:2], channel(MOTION[2], None, "V", sampling_rate_hz=200.0)], SamplingError, "H1 100 Hz.*V 200 Hz"),
    ([*trio()[:2], channel(MOTION[2, :300], None, "V")], DataError, "share only 300"),
    ([*trio(event="a")[:2], channel(MOTION[2], None, "V", event="b")], FormatError, "different earthquakes: a, b"),
    ([*trio()[:2], channel(np.where(np.arange(400) == 7, np.nan, MOTION[2]), None, "V")], DataError, "component V.*finite"),
])
def test_refusals(channels, error, says):
    with pytest.raises(error, match=says):
        assemble(channels)


def test_common_time_is_kept():
    """The second component starts three samples late, the vertical stops five early."""
    late = START + timedelta(seconds=0.03)
    record = assemble([channel(MOTION[0], 90.0, "E", start=START), channel(MOTION[1, 3:], 0.0, "N", start=late),
                       channel(MOTION[2, :395], None, "Z", start=START)])
    np.testing.assert_array_equal(record.data, MOTION[:, 3:395])
    assert record.meta["trace_start_time"] == "2020-01-01T00:00:00.030000Z" and record.meta["trace_trimmed_samples"] == 8


def test_clocks_off_by_half_a_sample_are_refused():
    with pytest.raises(SamplingError, match="fraction of a sample"):
        assemble([*trio(start=START)[:2], channel(MOTION[2], None, "Z", start=START + timedelta(seconds=0.005))])


def test_gaps_follow_the_cut():
    late = START + timedelta(seconds=0.1)
    record = assemble([channel(MOTION[0], 90.0, "E", start=START, gaps=((5, 8), (50, 60))),
                       channel(MOTION[1, 10:], 0.0, "N", start=late, gaps=((390, 400),)), channel(MOTION[2], None, "Z", start=START)])
    assert record.meta["trace_gaps"] == "40-50"


def test_picks_follow_the_cut():
    """The vertical starts ten samples late, so that its own pick is ten smaller."""
    late = START + timedelta(seconds=0.1)
    record = assemble([channel(MOTION[0], 90.0, "E", start=START, meta={"trace_Pg_arrival_sample": 41, "trace_pad_samples": 7}),
                       channel(MOTION[1], 0.0, "N", start=START, meta={"trace_coda_end_sample": 8}),
                       channel(MOTION[2, 10:], None, "Z", start=late, meta={"trace_Pg_arrival_sample": 31,
                                                                            "trace_s_arrival_sample": 50})])
    assert record.meta["trace_Pg_arrival_sample"] == 31 and record.meta["trace_s_arrival_sample"] == 50
    assert np.isnan(record.meta["trace_coda_end_sample"]) and record.meta["trace_pad_samples"] == 7


def test_metadata_of_a_record():
    record = assemble(trio(10, 100, start=START, event="20200101000000", meta={"station_vs30_mps": 400.0}))
    assert (record.station, record.event, record.meta["station_vs30_mps"]) == ("9901", "20200101000000", 400)
    assert record.meta["trace_component_order_source"] == "H1,H2,V" and record.meta["trace_rotated_from"] == "10 100"
    assert record.meta["trace_source_file"] == "file.H1 + file.H2 + file.V" and len(record.meta["trace_source_sha256"]) == 64


def test_components_are_sorted_into_records():
    later = START + timedelta(hours=1)
    other = [channel(MOTION[0], 90.0, "E", station="9902")]
    made = records([*trio(start=START), *trio(start=later), *trio(station="9903", sensor="10"), *trio(station="9903", sensor="20"), *other])
    assert [type(one).__name__ for one in made] == ["Record"] * 4 + ["Refusal"]
    assert isinstance(made[-1], Refusal) and "1 component" in str(made[-1].error)


@pytest.mark.parametrize("stated, fine", [(20.0, True), (-20.0, True), (20.15, True), (20.5, False), (0.0, False), (float("nan"), False)])
def test_stated_peak(stated, fine):
    one = channel(MOTION[0] / np.abs(MOTION[0]).max() * 20)
    if fine:
        check_peak(one, stated)
    else:
        with pytest.raises(HeaderMismatchError, match="component E peaks at 20"):
            check_peak(one, stated)
