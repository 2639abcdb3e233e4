"""The Record type: what it refuses, and what it says."""

import numpy as np
import pytest

from tng.records import ComponentError, DataError, HeaderMismatchError, Record, SamplingError, check_pga


def motion(samples=1000, rate_hz=100.0, **meta):
    return Record(np.random.default_rng(1).normal(size=(3, samples)), rate_hz, "9901", "20200101000000", meta)


@pytest.mark.parametrize("shape", [(2, 100), (100, 3), (3,), (1, 3, 100)])
def test_three_rows_are_needed(shape):
    with pytest.raises(ComponentError, match="three components"):
        Record(np.ones(shape), 100, "9901", "e")


@pytest.mark.parametrize("rate", [0, -100, np.nan, np.inf])
def test_rate_must_be_positive(rate):
    with pytest.raises(SamplingError, match="sampling rate"):
        Record(np.random.default_rng(0).normal(size=(3, 9)), rate, "9901", "e")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_must_be_finite_and_the_first_bad_one_is_named(value):
    data = motion().data.copy()
    data[1, 7] = value
    with pytest.raises(DataError, match="component N .* sample 7"):
        Record(data, 100, "9901", "e")


def test_flat_component_is_named():
    data = motion().data.copy()
    data[2] = 5
    with pytest.raises(DataError, match="component Z is flat"):
        Record(data, 100, "9901", "e")


def test_messages_carry_the_file_name():
    with pytest.raises(ComponentError, match="^a.mat: "):
        Record(np.ones((2, 5)), 100, "9901", "e", {"trace_source_file": "a.mat"})


def test_pga_ignores_signs_and_refuses_a_swap():
    data = motion().data / np.abs(motion().data).max(axis=1, keepdims=True) * [[30], [20], [10]]
    record = Record(data, 100, "9901", "e")
    check_pga(record, [-30, 20.1, 10])
    with pytest.raises(HeaderMismatchError, match="component E peaks at 30 .* says 20"):
        check_pga(record, [20, 30, 10])
