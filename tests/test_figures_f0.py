"""Figures of what the score sees show the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tng.figures import colour
from tng.figures import f0 as figures


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_against_bins_marks_the_published_choice(ax):
    table = pd.DataFrame({"SxS": [0.5, 0.7, 0.6], "SxS low": [0.4, 0.6, 0.5], "SxS high": [0.6, 0.8, 0.9]}, index=[10, 20, 39])
    assert figures.plot_against_bins({"VAE": table}, ax) is ax
    (line,) = [one for one in ax.lines if one.get_label() == "VAE"]
    np.testing.assert_array_equal(line.get_xydata(), [[10, 0.5], [20, 0.7], [39, 0.6]])
    assert [one.get_xydata().tolist() for one in ax.lines if one.get_marker() == "s"] == [[[20, 0.7]]]
    band = ax.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (0.4, 0.9)
    assert ax.get_xscale() == "log" and "S×S" in ax.get_ylabel() and "bins" in ax.get_xlabel()
    figures.plot_against_bins({"VAE": table.drop(20)}, ax)          # nothing to mark


def test_ceiling_has_a_tick_for_each_number_of_records(ax):
    table = pd.DataFrame({"2Sx2S": [0.8, 0.9], "2Sx2S low": [0.7, 0.85], "2Sx2S high": [0.9, 0.95]}, index=[5, 50])
    figures.plot_ceiling(table, ax, column="2Sx2S", label="same law")
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[5, 0.8], [50, 0.9]])
    assert ax.get_xticks().tolist() == [5, 50] and "2S×2S" in ax.get_ylabel()
    assert [text.get_text() for text in ax.legend().get_texts()] == ["same law"]


def test_cumulative_shares_and_edges_of_the_bins(ax):
    figures.plot_cumulative({"held-out": [1.5, 1.6, 1.7], "VAE": [1.8, 2.0]}, ax)
    edges = [one.get_xdata()[0] for one in ax.lines if one.get_ls() == ":"]
    np.testing.assert_allclose(edges, [1.0, 1.95])
    real = next(one for one in ax.lines if one.get_label() == "held-out (n = 3)")
    assert set(np.round(real.get_ydata(), 3)) == {0, 0.333, 0.667, 1} and real.get_color() == colour("held-out")
    assert ax.get_xlim()[0] < 1.0 and ax.get_xlim()[1] > 2.0 and "[Hz]" in ax.get_xlabel()


@pytest.mark.parametrize("low, high", [(11.0, 13.0), (1.0, 9.0)])
def test_rows_at_the_same_point_are_one_larger_marker(ax, low, high):
    figures.plot_rows([low, low, low, high], [low, low, high, high], ax, name="VAE")
    points = ax.collections[0]
    np.testing.assert_allclose(points.get_offsets(), [[low, low], [low, high], [high, high]])
    assert points.get_sizes().tolist() == [28, 14, 14]
    assert ax.get_xlim() == ax.get_ylim() and ax.get_xlim()[0] < low < high < ax.get_xlim()[1]
    assert len(ax.get_xticks()) >= 3 and "[Hz]" in ax.get_xlabel() and "[Hz]" in ax.get_ylabel()
