"""Figures of goals and of evolutionary spectra show what they are given."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tng import figures


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture
def study():
    rows = {("floor", "PGA"): (1.0, 0.9, 1.1, "met"), ("average", "PGA"): (0.6, 0.5, 0.7, "missed"), ("shaped noise", "PGA"): (1.02, 0.98, 1.06, "met"),
            ("floor", "C2ST"): (0.5, 0.48, 0.52, "met"), ("average", "C2ST"): (np.nan, np.nan, np.nan, "")}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "verdict"])
    table.index = pd.MultiIndex.from_tuples(rows, names=["generator", "measure"])
    return table


def test_a_goal_is_drawn_with_its_interval_and_verdict(study) -> None:
    ax = figures.plot_goal(study, "PGA", plt.subplots()[1], generators=["average", "shaped noise"])
    dots = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    assert {name: (line.get_xdata()[0], line.get_ydata()[0]) for name, line in dots.items()} == {"average": (0.6, 1), "shaped noise": (1.02, 0)}
    assert dots["average"].get_markerfacecolor() == "white"
    assert dots["shaped noise"].get_markerfacecolor() == figures.colour("shaped noise")
    intervals = [tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2 and line.get_gid() != "floor"]
    assert sorted(intervals) == [(0.5, 0.7), (0.98, 1.06)]
    (band,) = [patch for patch in ax.patches if patch.get_gid() == "floor"]
    assert band.get_x() == pytest.approx(0.9) and band.get_width() == pytest.approx(0.2)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["shaped noise", "average"]


def test_what_is_not_known_is_left_out(study) -> None:
    figure, axes = figures.goal_panels(study, ["PGA", "C2ST"], generators=["average", "shaped noise"])
    assert [ax.get_title() for ax in axes] == ["PGA", "C2ST"]
    assert [line.get_label() for line in axes[1].lines if not line.get_label().startswith("_")] == []


def test_cells_are_decibels_below_the_largest_with_s_marked() -> None:
    ln_power = np.log(10) * np.array([[0.0, -1.0, -2.0], [-3.0, -4.0, -9.0]])
    ax = figures.plot_cells(ln_power, [1.0, 4.0], plt.subplots()[1], p_cells=1)
    picture = ax.collections[0]
    assert np.allclose(picture.get_array(), [[0, -10, -20], [-30, -40, -90]])
    assert picture.get_clim() == (-40, 0)
    assert ax.lines[0].get_xdata()[0] == 1
    assert ax.get_yscale() == "log" and ax.get_xlim() == (0, 3)
    other = figures.plot_cells(ln_power, [1.0, 4.0], plt.subplots()[1], p_cells=1, highest=np.log(10))
    assert np.allclose(other.collections[0].get_array().max(), -10)
