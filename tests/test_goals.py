"""The goals: identities, planted faults with known answers, chance against whole earthquakes, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from tng.recordset import RecordSet, RecordSetError
from tng.scoring import c2st, judging, paper
from tng.scoring.goals import FLOOR, GOALS, Judge, Judged, goals, halves, pass_table, trend

RATE_HZ, SAMPLES, RECORDS = 50.0, 1000, 20
RESONANCES_HZ = {"A": 2.0, "B": 5.0, "C": 9.0}
P_S, S_S = 4.0, 7.0


def records(seed: int, resonances_hz: dict = RESONANCES_HZ, n: int = RECORDS) -> RecordSet:
    """Windowed noise of two onsets, resonant on the horizontals."""
    rng, times_s, parts = np.random.default_rng(seed), np.arange(SAMPLES) / RATE_HZ, []
    for f0_hz in resonances_hz.values():
        data = rng.standard_normal((n, 3, SAMPLES))
        p_s, s_s = P_S + 0.5 * rng.standard_normal(n), S_S + 0.5 * rng.standard_normal(n)
        shape = [np.where(times_s > onset[:, None], np.exp(-(times_s - onset[:, None]) / length_s), 0)
                 for onset, length_s in ((p_s, 1.5), (s_s, 2.5))]
        envelope = 0.01 + np.stack([0.2 * shape[0] + shape[1]] * 2 + [shape[0] + 0.5 * shape[1]], axis=1)
        data *= envelope * np.exp(0.5 * rng.standard_normal((n, 1, 1)))
        data[:, :2] += 4 * signal.lfilter(*signal.iirpeak(f0_hz, 5, fs=RATE_HZ), data[:, :2])
        parts.append(data)
    station = np.repeat(list(resonances_hz), n)
    trace = [f"{seed} {number}" for number in range(len(station))]
    event = [f"{seed} {number % n}" for number in range(len(station))]                 # every station records every earthquake
    return RecordSet(np.concatenate(parts), RATE_HZ, station, event, trace, name=f"records {seed}")


@pytest.fixture(scope="module")
def sides() -> tuple[Judged, Judged, Judged]:
    """Training, held-out and fresh records, measured once."""
    sets = [records(seed) for seed in range(3)]
    return tuple(Judged.of(one, Judge.grid_of(one)) for one in sets)


@pytest.fixture(scope="module")
def judge(sides) -> Judge:
    """All records of a station in each subset, so that values are exact."""
    return Judge(*sides[:2], records=RECORDS, subsets=5)


def changed(known: Judged, change) -> RecordSet:
    return replace(known.records, data=change(known.records.data.copy()), name="changed")


def test_records_held_against_themselves(judge, sides):
    table = judge.of(sides[1], slow=())
    value = table["value"]
    assert value["f0 hits"] == 3 and value["f0 hits share"] == 1
    assert value["HVSR rms"] == 0 and value["HVSR r"] == pytest.approx(1)
    assert value["JS"] == pytest.approx(1)
    for name in ("sigma ln f0", "sigma ln HVSR", "PGA against held-out", "sigma ln PGA against held-out", "D5-95", "sigma ln D5-95", "onset spread",
                 "V/H before S", "V/H after S"):
        assert value[name] == pytest.approx(1), name
    assert (table.loc["HVSR rms", ["low", "high"]] == 0).all()                         # there is but one subset of all records


def test_replayed_training_records_have_no_bias_and_are_found(judge, sides):
    moved = changed(sides[0], lambda x: np.roll(x, 70, axis=2))
    value = judge.of(moved, slow=["nearest training"])["value"]
    assert value["PGA"] == pytest.approx(1) and value["sigma ln PGA"] == pytest.approx(1)
    assert value["EAS bias"] < 0.02 and value["PSA bias"] < 0.02
    assert value["nearest training"] == pytest.approx(1, abs=1e-4)
    floor = judge.of(moved, new=False, slow=["nearest training"])
    assert floor.loc["nearest training", "high"] < 0.8                                  # that of the held-out records, not of these


def test_a_factor_of_two_is_ln_two(judge, sides):
    value = judge.of(changed(sides[0], lambda x: 2 * x), slow=())["value"]
    assert value["PGA"] == pytest.approx(2, rel=1e-5)
    assert value["EAS bias"] == pytest.approx(np.log(2), rel=1e-4)
    assert value["PSA bias"] == pytest.approx(np.log(2), rel=1e-4)
    assert value["sigma ln PGA"] == pytest.approx(1, rel=1e-4)
    unscaled = judge.of(sides[0], slow=())["value"]
    for name in ("HVSR rms", "D5-95", "V/H before S", "sigma ln f0"):
        assert value[name] == pytest.approx(unscaled[name], rel=1e-3), name


def test_a_vertical_twice_as_strong(judge, sides):
    table = judge.of(changed(sides[1], lambda x: x * np.array([1, 1, 2])[:, None]), slow=())["value"]
    assert table["V/H before S"] == pytest.approx(4, rel=0.02)
    assert table["V/H after S"] == pytest.approx(4, rel=0.02)
    assert table["HVSR rms"] == pytest.approx(np.log10(2), rel=1e-3)
    assert table["HVSR r"] == pytest.approx(1) and table["f0 hits"] == 3


def test_spreads_double_where_logarithms_are_stretched(judge, sides):
    ln_pga = sides[0].features.ln_measures[:, 0]
    middle = pd.Series(ln_pga).groupby(sides[0].records.station).transform("median").to_numpy()
    value = judge.of(changed(sides[0], lambda x: x * np.exp(ln_pga - middle)[:, None, None]), slow=())["value"]
    assert value["sigma ln PGA"] == pytest.approx(2, rel=1e-3)
    assert value["PGA"] == pytest.approx(1, rel=1e-3)


def test_swapped_stations_miss(judge):
    swapped = records(3, {"A": RESONANCES_HZ["B"], "B": RESONANCES_HZ["C"], "C": RESONANCES_HZ["A"]})
    value = judge.of(swapped, slow=())["value"]
    assert value["f0 hits"] == 0 and value["JS"] < 0.3 and value["HVSR r"] < 0.5 and value["NCC SxS"] < 0.1


def test_the_published_scores_are_those_of_all_f0(judge, sides):
    lists = [{code: side.features.f0_hz[side.records.rows(code)] for code in RESONANCES_HZ} for side in sides[1:]]
    expected = paper.score_f0(*lists, bins_hz=judge.grid.f0_bins_hz, draws=2)
    value = judge.of(sides[2], slow=())["value"]
    assert value["NCC SxS"] == pytest.approx(expected["SxS"])
    assert value["NCC 2Sx2S"] == pytest.approx(expected["2Sx2S"])
    assert value["JS"] == pytest.approx(expected["mean diagonal"])


def test_one_law_is_covered_and_not_told_apart_another_is(judge, sides, monkeypatch):
    monkeypatch.setattr(judging, "TOLD", 1)
    monkeypatch.setattr(c2st, "TREES", 30)
    same, other = judge.of(sides[2])["value"], judge.of(changed(sides[2], lambda x: np.sign(x) * np.sqrt(np.abs(x))))["value"]
    assert 0.35 < same["C2ST"] < 0.65 and other["C2ST"] > 0.95
    assert same["coverage"] > 0.9 and other["coverage"] < 0.3
    assert same["pair correlation"] < 0.6


def test_one_record_again_and_again(judge, sides):
    known = sides[2].records
    first = known.take([known.rows(code)[0] for code in known.station])
    value = judge.of(replace(first, event=known.event, trace=known.trace), slow=["pair correlation"])["value"]
    assert value["pair correlation"] == pytest.approx(1, abs=1e-4)
    assert value["sigma ln PGA"] == pytest.approx(0, abs=1e-6) and value["sigma ln f0"] == 0


def test_smaller_subsets_scatter_and_are_drawn_again_alike(sides):
    judge = Judge(*sides[:2], records=10, subsets=40)
    table = judge.of(sides[2], slow=())
    assert (table.loc["HVSR rms", "low"] < table.loc["HVSR rms", "value"] < table.loc["HVSR rms", "high"])
    assert table.loc["HVSR rms", "value"] > Judge(*sides[:2], records=RECORDS, subsets=2).of(sides[2], slow=()).loc["HVSR rms", "value"]
    pd.testing.assert_frame_equal(table, judge.of(sides[2], slow=()))


def test_goals_with_and_without_fresh_records(sides, monkeypatch):
    monkeypatch.setattr(judging, "TOLD", 1)
    monkeypatch.setattr(c2st, "TREES", 30)
    train, held_out, fresh = sides
    table = goals(train, held_out, {"again": held_out}, fresh=fresh, subsets=5, records=10)
    assert list(table.index.get_level_values("generator").unique()) == [FLOOR, "again"]
    assert table.loc[(FLOOR, "nearest training"), "value"] == table.loc[("again", "nearest training"), "value"]
    pd.testing.assert_frame_equal(table.loc["again"].drop("C2ST"), judge_of(sides).of(held_out).drop("C2ST"))
    halved = goals(train, held_out, {}, subsets=5, records=10).loc[FLOOR]
    assert set(GOALS) <= set(halved.index) and np.isfinite(halved["value"]).all()
    assert 0 < halved.loc["HVSR rms", "value"] < 0.1 and halved.loc["HVSR r", "value"] > 0.9
    with pytest.raises(ValueError, match="'floor'"):
        goals(train, held_out, {FLOOR: fresh}, fresh=fresh, subsets=5)


def judge_of(sides) -> Judge:
    return Judge(*sides[:2], records=10, subsets=5)


def test_halves_keep_earthquakes_whole():
    known = records(0, n=11)
    some = known.take(np.random.default_rng(0).permutation(len(known))[:27])
    first = halves(some)
    for event in set(some.event):
        assert len(set(first[some.event == event])) == 1
    for code in some.stations:
        own = first[some.rows(code)]
        assert abs(own.sum() - (~own).sum()) <= 3
    assert not np.array_equal(first, halves(some, seed=1))


def test_verdicts():
    measures = {"f0 hits": (4.5, 4, 5), "HVSR rms": (0.02, 0.01, 0.03), "C2ST": (0.5, 0.5, 0.5), "nearest training": (0.2, 0.19, 0.21),
                "pair correlation": (0.1, 0.1, 0.1), "coverage": (1.0, 1, 1), "PGA": (1.0, 1, 1), "HVSR r": (0.99, 0.9, 1)}
    good = {"f0 hits": 4.0, "HVSR rms": 0.0229, "C2ST": 0.54, "nearest training": 0.21, "pair correlation": 0.109, "coverage": 0.9,
            "PGA": 0.96, "HVSR r": 0}
    bad = {"f0 hits": 3.9, "HVSR rms": 0.0231, "C2ST": 0.55, "nearest training": 0.22, "pair correlation": 0.111, "coverage": 0.89,
           "PGA": 0.94, "HVSR r": 1}
    table = pd.concat({FLOOR: pd.DataFrame(measures, index=["value", "low", "high"]).T,
                       **{name: pd.DataFrame({"value": values, "low": np.nan, "high": np.nan}) for name, values in (("good", good), ("bad", bad))}})
    table.index.names = ["generator", "measure"]
    judged = pass_table(table)
    with_goal = [name for name in measures if name in GOALS]
    assert with_goal == list(measures)[:-1]
    assert (judged.loc["good"].loc[with_goal, "verdict"] == "met").all()
    assert (judged.loc["bad"].loc[with_goal, "verdict"] == "missed").all()
    assert (judged.xs("HVSR r", level="measure")["verdict"] == "").all()
    table.loc[("good", "PGA"), "value"] = np.nan
    assert pass_table(table).loc[("good", "PGA"), "verdict"] == ""
    with pytest.raises(ValueError, match="floor"):
        pass_table(table.drop(FLOOR, level="generator"))


# --- trend --------------------------------------------------------------------------------------------------------------

def drawn(rng, n=60):
    return rng.uniform(3.5, 6, n), np.exp(rng.uniform(2, 5, n))


def test_trend_finds_exact_slopes():
    rng = np.random.default_rng(0)
    magnitude, distance_km = drawn(rng)
    real = rng.standard_normal((60, 2))
    slopes = np.array([[0.3, -0.2], [-0.5, 0.1]])
    made = real + np.column_stack([magnitude, np.log(distance_km)]) @ slopes.T + [1, 2]
    table = trend(made, real, magnitude, distance_km)
    for value in (0, 1):
        for number, on in enumerate(("magnitude", "ln distance")):
            row = table.loc[(value, on)]
            assert row["slope"] == pytest.approx(slopes[value, number]) and row["trend"]
            assert row["low"] <= row["slope"] <= row["high"]
    assert not trend(real[:, 0] + 0.7, real[:, 0] + 1e-3 * rng.standard_normal(60), magnitude, distance_km)["trend"].all()


@pytest.mark.parametrize("shared, known, least, most", [(0.0, False, 0.02, 0.09), (0.9, False, 0.2, 1.0), (0.9, True, 0.02, 0.12)])
def test_trend_is_seen_by_chance_as_often_as_stated(shared, known, least, most):
    """Five records of each of 30 earthquakes; what they share looks like a trend with magnitude unless earthquakes are known."""
    rng, events, seen = np.random.default_rng(1), np.repeat(np.arange(30), 5), []
    for _ in range(200):
        magnitude, distance_km = rng.uniform(3.5, 6, 30)[events], np.exp(rng.uniform(2, 5, 150))
        made = np.sqrt(shared) * rng.standard_normal(30)[events] + np.sqrt(1 - shared) * rng.standard_normal(150)
        seen.append(trend(made, np.zeros(150), magnitude, distance_km, events if known else None).loc[(0, "magnitude"), "trend"])
    assert least <= np.mean(seen) <= most


@pytest.mark.parametrize("change, message", [
    (lambda made, m, r: (made[:-1], m, r), "one row a record"), (lambda made, m, r: (made, m, -r), "positive"),
    (lambda made, m, r: (made * np.nan, m, r), "finite"), (lambda made, m, r: (made, 0 * m + 4, r), "do not vary"),
    (lambda made, m, r: (made, np.log(r), r), "independently")])
def test_trend_refuses(change, message):
    rng = np.random.default_rng(0)
    made, magnitude, distance_km = change(rng.standard_normal(60), *drawn(rng))
    with pytest.raises(ValueError, match=message):
        trend(made, np.zeros(60), magnitude, distance_km)


def test_trend_needs_earthquakes():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="4 earthquakes"):
        trend(rng.standard_normal(60), np.zeros(60), *drawn(rng), np.arange(60) % 4)


# --- bad input -----------------------------------------------------------------------------------------------------------

def test_sets_that_cannot_be_compared_are_refused(judge, sides):
    fresh = sides[2].records
    with pytest.raises(RecordSetError, match="0 generated records of station C"):
        judge.of(fresh.take(np.flatnonzero(fresh.station != "C")))
    with pytest.raises(RecordSetError, match="4 training records of station A"):
        Judge(fresh.take(np.r_[fresh.rows("A")[:4], fresh.rows("B"), fresh.rows("C")]), sides[1])
    with pytest.raises(RecordSetError, match="100 Hz"):
        judge.of(replace(fresh, sampling_rate_hz=100.0))
    with pytest.raises(ValueError, match="subsets of 4 records"):
        Judge(*sides[:2], records=4)


def test_a_resonance_outside_the_band_is_warned_of(sides):
    train, held_out = (side.records for side in sides[:2])
    with pytest.warns(UserWarning, match="station A: .* at the edge of 3-20 Hz"):
        Judge(train, held_out, band_hz=(3.0, 20.0))
    with pytest.raises(RecordSetError, match="measured in 1-20 Hz, not in 3-20 Hz"):
        Judge(*sides[:2], band_hz=(3.0, 20.0))
