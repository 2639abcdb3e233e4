"""Arrivals of P and S: against what the synthetic corpus states, on motion of known change, and on records that show neither."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tng import corpus, onset, surrogate
from tng.arrivals import Arrivals, arrivals, distances_km, of_corpus

RATE_HZ = 50.0


@pytest.fixture(scope="module")
def recorded() -> list:
    return [record for site in ("1716-like", "4628-like", "R004") for record in surrogate.simulate(site, 40, seed=5)]


def stated_s(record, phase: str) -> float:
    return record.meta[f"trace_{phase}_arrival_sample"] / record.sampling_rate_hz


def shaking(p_s: float, s_s: float, length_s: float, seed: int = 0) -> np.ndarray:
    """Noise, then P along one horizontal direction and the vertical, then S in all directions."""
    rng = np.random.default_rng(seed)
    n, p, s = (round(min(x, length_s) * RATE_HZ) for x in (length_s, p_s, s_s))
    data = 0.01 * rng.standard_normal((3, n))
    data[:, p:s] += np.array([0.4, 0.3, 1.0])[:, None] * rng.standard_normal(s - p)
    data[:, s:] += np.array([3.0, 3.0, 1.0])[:, None] * rng.standard_normal((3, n - s)) * np.exp(-np.arange(n - s) / RATE_HZ / 5)
    return data


@pytest.mark.parametrize("known_distance", [False, True])
def test_synthetic_arrivals_are_found(recorded, known_distance):
    """Measured: median error 0.11 s (P) and 0.16 s (S), 90 % within 0.33 and 0.40 s; both are late, never early, as both are emergent."""
    found = [arrivals(record.data, record.sampling_rate_hz, distance_km=record.meta["path_hyp_distance_km"] if known_distance else None)
             for record in recorded]
    for phase, half, most in (("p", 0.2, 0.6), ("s", 0.25, 0.7)):
        error = np.abs([getattr(one, f"{phase}_s") - stated_s(record, phase) for one, record in zip(found, recorded)])
        assert np.median(error) < half and np.quantile(error, 0.9) < most
    assert {one.how_p for one in found} == {"picked"} and np.mean([one.how_s == "picked" for one in found]) > 0.95


def test_p_is_the_pickers(recorded):
    for record in recorded[:10]:
        assert arrivals(record.data, record.sampling_rate_hz).p_s == onset.pick(record)


def test_s_is_where_the_motion_changes():
    for seed in range(20):
        found = arrivals(shaking(6, 11, 30, seed), RATE_HZ, p_s=6.0)
        assert found.how_s == "picked" and found.s_s == pytest.approx(11, abs=0.12)


def test_s_of_the_same_strength_is_told_by_its_direction():
    """Equal power of the horizontals in P and S: only the covariance between them changes."""
    rng = np.random.default_rng(1)
    data = 0.01 * rng.standard_normal((3, 1500))
    data[:, 300:550] += np.array([1.0, 1.0, 1.0])[:, None] * rng.standard_normal(250)
    data[:2, 550:] += 1.3 * rng.standard_normal((2, 950)) * np.exp(-np.arange(950) / 400)
    data[:2, 575:600] *= 2                                           # the strongest half second, soon after
    assert arrivals(data, RATE_HZ, p_s=6.0).s_s == pytest.approx(11, abs=0.2)


def test_turning_the_sensor_changes_nothing():
    data = shaking(6, 11, 30)
    turned = data.copy()
    angle = np.deg2rad(37)
    turned[:2] = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ data[:2]
    assert arrivals(turned, RATE_HZ) == arrivals(data, RATE_HZ)
    assert arrivals(1e3 * data + 7, RATE_HZ)[:2] == pytest.approx(arrivals(data, RATE_HZ)[:2])


def test_the_distance_keeps_s_away_from_a_later_burst():
    data = shaking(6, 11, 40)
    data[:2, 1250:1350] *= 100                                       # surface waves at 25 s, stronger than S
    data[:2, 1250:1350] += 20 * np.random.default_rng(2).standard_normal((2, 100))
    assert abs(arrivals(data, RATE_HZ, p_s=6.0).s_s - 11) > 5
    near = arrivals(data, RATE_HZ, p_s=6.0, distance_km=40)
    assert near.s_s == pytest.approx(11, abs=0.2) and near.how_s == "picked"


def test_stated_arrivals_win_if_they_can_be_true():
    data = shaking(6, 11, 30)
    assert arrivals(data, RATE_HZ, p_s=5.5, s_s=12.25) == Arrivals(5.5, 12.25, "stated", "stated")
    for p_s, s_s in ((12.0, 5.0), (-1.0, 31.0), (30.0, 31.0), (np.nan, np.nan), (None, None), (7.0, 7.0)):
        found = arrivals(data, RATE_HZ, p_s=p_s, s_s=s_s)
        assert (found.how_p, found.how_s) == ("picked", "picked") and found.p_s == pytest.approx(6, abs=0.15)
    s_alone = arrivals(data, RATE_HZ, s_s=3.0)                       # before any P that can be picked
    assert s_alone.how_s == "stated" and s_alone.how_p == "energy" and s_alone.p_s < 3


def test_record_that_begins_within_p():
    data = shaking(6, 11, 30)[:, round(7 * RATE_HZ):]
    found = arrivals(data, RATE_HZ)
    assert found.how_p == "energy" and found.p_s < 1 and found.s_s == pytest.approx(4, abs=0.2)
    far = arrivals(data, RATE_HZ, distance_km=200)                   # P was long ago: S may be nearer than 12 s
    assert far.s_s == pytest.approx(4, abs=0.2)


def test_s_that_the_record_does_not_hold():
    data = shaking(6, 99, 30)[:, :round(9 * RATE_HZ)]
    found = arrivals(data, RATE_HZ, distance_km=60)                  # S at 13.5 s, the record ends at 9 s
    assert found.p_s == pytest.approx(6, abs=0.15) and found.how_s == "predicted"
    assert found.s_s == pytest.approx(9 - 1 / RATE_HZ)
    unseen = arrivals(shaking(6, 99, 30), RATE_HZ, distance_km=60)    # P motion goes on, and no S comes
    assert unseen.s_s == pytest.approx(13.5, abs=0.15) and unseen.how_s == "predicted"


def hard_records() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    dead_z, dead_e = shaking(6, 11, 30), shaking(6, 11, 30)
    dead_z[2], dead_e[0] = 0, 0
    spike = np.zeros((3, 500))
    spike[:, 250] = 1
    return {"noise": rng.standard_normal((3, 1500)), "zeros": np.zeros((3, 1500)), "constant": np.ones((3, 1500)), "dead Z": dead_z,
            "dead E": dead_e, "spike": spike, "shortest": rng.standard_normal((3, 16)), "late P": shaking(29.9, 30, 30), "growing": np.cumsum(
                rng.standard_normal((3, 1500)), axis=1), "tiny": 1e-200 * shaking(6, 11, 30), "huge": 1e100 * shaking(6, 11, 30)}


@pytest.mark.parametrize("name", hard_records())
@pytest.mark.parametrize("rate_hz", [2.0, 50.0, 200.0])
def test_it_always_answers_and_in_order(name, rate_hz):
    data = hard_records()[name]
    for distance_km in (None, 0.1, 50, 1e5, np.nan):
        for p_s in (None, 0.0, (data.shape[1] - 2) / rate_hz):
            found = arrivals(data, rate_hz, distance_km=distance_km, p_s=p_s)
            assert 0 <= found.p_s < found.s_s <= (data.shape[1] - 1) / rate_hz
            assert found.how_p in ("stated", "picked", "energy") and found.how_s in ("picked", "predicted", "energy")


def test_a_dead_component_does_not_hide_s():
    for name in ("dead Z", "dead E"):
        assert arrivals(hard_records()[name], RATE_HZ, p_s=6.0).s_s == pytest.approx(11, abs=0.3)


def test_noise_is_seldom_taken_for_s():
    rng = np.random.default_rng(0)
    assert np.mean([arrivals(rng.standard_normal((3, 1500)), RATE_HZ).how_s == "picked" for _ in range(60)]) < 0.2


@pytest.mark.parametrize("data", [np.zeros((2, 100)), np.zeros((3, 15)), np.zeros(100), np.full((3, 100), np.nan), np.full((1, 3, 100), 1.0)])
def test_what_is_no_record_is_refused(data):
    with pytest.raises(ValueError, match="a record of shape"):
        arrivals(data, RATE_HZ)


@pytest.mark.parametrize("rate_hz", [0, -1, np.nan, np.inf])
def test_what_is_no_rate_is_refused(rate_hz):
    with pytest.raises(ValueError, match="sampling rate"):
        arrivals(shaking(6, 11, 30), rate_hz)


def test_of_a_corpus(recorded, tmp_path):
    made = corpus.write(recorded[:6], tmp_path / "corpus")
    stated = of_corpus(made)
    assert list(stated.columns) == ["row", "p_s", "s_s", "how_p", "how_s"] and list(stated["row"]) == list(range(6))
    assert set(stated["how_p"]) == set(stated["how_s"]) == {"stated"}
    assert stated["s_s"].to_numpy() == pytest.approx([stated_s(record, "s") for record in recorded[:6]], abs=1e-9)
    own = of_corpus(made, [4, 2], stated=False)
    assert list(own["row"]) == [4, 2] and set(own["how_p"]) == {"picked"}
    alone = arrivals(made.record(4).data, 100.0, distance_km=recorded[4].meta["path_hyp_distance_km"])
    assert tuple(own.iloc[0])[1:] == alone
    assert of_corpus(made, []).empty


def test_distances_are_hypocentral():
    table = pd.DataFrame({"path_hyp_distance_km": [50.0, np.nan, np.nan, np.nan, 0.0], "path_ep_distance_km": [1.0, 30.0, 30.0, np.nan, 30.0],
                          "source_depth_km": [5.0, 40.0, np.nan, 5.0, -999.0]})
    assert distances_km(table) == pytest.approx([50, 50, np.hypot(30, 10), np.nan, np.hypot(30, 10)], nan_ok=True)
    assert np.isnan(distances_km(pd.DataFrame(index=range(2)))).all()
    places = pd.DataFrame({"station_latitude_deg": [38.0, 38.0], "station_longitude_deg": [43.0, 43.0], "source_latitude_deg": [38.5, np.nan],
                           "source_longitude_deg": [43.0, 43.0], "source_depth_km": [10.0, 10.0]})
    assert distances_km(places) == pytest.approx([np.hypot(0.5 * 111.195, 10), np.nan], rel=1e-4, nan_ok=True)      # half a degree along a meridian
    assert distances_km(places.assign(path_ep_distance_km=30.0)) == pytest.approx([np.hypot(30, 10)] * 2)
