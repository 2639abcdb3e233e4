"""Repeatability of curves: what made-up stations with known curves and scatter must give."""

import numpy as np
import pytest

from tng import repeatability

FREQ_HZ = np.linspace(1, 12, 300)


def network(scatter=0.1, stations=5, events=12, shared=0.0, seed=0):
    """log10 curves of stations with a peak each, records of the same earthquakes, and an effect of the earthquake."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(0, 1, repeatability.POINTS)
    site = [0.5 * np.exp(-((grid - place) / 0.1) ** 2) for place in np.linspace(0.1, 0.9, stations)]
    quake = [shared * rng.normal() for _ in range(events)]
    curves, codes, names = [], [], []
    for event in range(events):
        for station in range(stations):
            curves.append(site[station] + quake[event] + scatter * rng.normal(size=grid.size))
            codes.append(f"S{station}")
            names.append(f"E{event}")
    return np.array(curves), codes, names


def test_curves_of_a_power_law_are_straight_lines():
    logs = repeatability.log_curves(FREQ_HZ, [FREQ_HZ**2, np.ones_like(FREQ_HZ)])
    np.testing.assert_allclose(logs[0], 2 * np.log10(np.geomspace(1, 12, repeatability.POINTS)), atol=1e-3)
    np.testing.assert_array_equal(logs[1], 0)


def test_halves_differ_as_the_scatter_of_medians_does():
    """Medians of n/2 values scatter by about 1.2533 σ/√(n/2), their difference by √2 times that."""
    curves = np.random.default_rng(0).normal(scale=0.1, size=(40, 5000))
    expected = np.sqrt(2) * 1.2533 * 0.1 / np.sqrt(20)
    assert repeatability.half_split(curves, splits=100) == pytest.approx(expected, rel=0.05)
    assert repeatability.half_split(np.tile(curves[:1], (6, 1))) == 0
    with pytest.raises(ValueError, match="3 records"):
        repeatability.half_split(curves[:3])


def test_stations_that_differ_are_told_apart_and_equal_ones_are_not():
    curves, codes, events = network()
    table = repeatability.leave_one_event_out(curves, codes, events)
    assert repeatability.accuracy(table) == 1 and table.to_numpy().sum() == len(curves)
    same = np.random.default_rng(1).normal(size=curves.shape)
    assert repeatability.accuracy(repeatability.leave_one_event_out(same, codes, events)) < 0.4


def test_an_effect_of_the_earthquake_does_not_help():
    """Without leaving the earthquake out, records of one earthquake would find each other."""
    rng = np.random.default_rng(2)
    curves, codes, events = network(scatter=0.0)
    quakes = {event: rng.normal(size=repeatability.POINTS) for event in set(events)}
    flat = np.array([quakes[event] + 1e-3 * rng.normal(size=repeatability.POINTS) for event in events])
    assert repeatability.accuracy(repeatability.leave_one_event_out(flat, codes, events)) < 0.45


def test_chance_is_one_in_the_number_of_stations():
    curves, codes, events = network()
    chance = repeatability.accuracy_by_chance(curves, codes, events, times=30)
    assert chance.mean() == pytest.approx(0.2, abs=0.06)


def test_distances_of_medians():
    table = repeatability.distances(np.array([[0.0, 0.0], [0.3, 0.4], [0.3, 0.4]]), ["a", "b", "b"])
    np.testing.assert_allclose(table, [[0, np.sqrt(0.125)], [np.sqrt(0.125), 0]])


def test_f0_and_its_interval():
    rng = np.random.default_rng(4)
    peak = rng.normal(5, 0.2, size=30)
    curves = 1 + 4 * np.exp(-((FREQ_HZ - peak[:, None]) / 0.5) ** 2)
    f0, low, high = repeatability.f0_interval(FREQ_HZ, curves)
    assert low <= f0 <= high and f0 == pytest.approx(5, abs=0.15) and high - low < 0.4
