"""The picture of planted faults against measures."""

import pandas as pd
import pytest
from matplotlib import pyplot as plt

from tng import figures


def counts():
    index = pd.MultiIndex.from_tuples([("site", "HVSR"), ("novelty", "copies"), ("site", "NCC")], names=["group", "measure"])
    return pd.DataFrame({"same law (of 100)": [3, 0, 5], "copies (of 20)": [0, 20, 1]}, index=index)


def test_percent_of_the_trials_in_groups():
    ax = figures.plot_power(counts(), plt.figure().subplots())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["HVSR", "NCC", "copies"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["same law", "copies"]
    written = [text.get_text() for text in ax.texts]
    assert written[:6] == ["3", "0", "5", "5", "0", "100"] and written[6:] == ["site", "novelty"]
    plt.close("all")


def test_a_column_without_its_number_of_trials():
    with pytest.raises(ValueError, match="'oops'"):
        figures.plot_power(counts().assign(oops=1), plt.figure().subplots())
