"""The Record type: what it refuses, what it says, and what standardising does to amplitude, time and length."""

import numpy as np
import pytest

from tng.records import (ComponentError, DataError, HeaderMismatchError, Record, SamplingError, check_pga,
                         resample, standardise)


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


def test_resampling_keeps_frequency_and_amplitude_of_a_tone():
    times = np.arange(0, 20, 1 / 200)
    halved = resample(np.sin(2 * np.pi * 20 * times)[None], 200, 100)[0]
    assert halved.size == 2000
    spectrum = np.abs(np.fft.rfft(halved)) * 2 / halved.size
    assert np.fft.rfftfreq(halved.size, 1 / 100)[spectrum.argmax()] == 20
    assert spectrum.max() == pytest.approx(1, abs=0.02)


def test_resampling_an_offset_does_not_ring():
    np.testing.assert_allclose(resample(np.full((1, 500), 7.0), 200, 100), 7, rtol=1e-6)


def test_rates_without_a_simple_ratio_are_refused():
    with pytest.raises(SamplingError, match="no simple ratio"):
        resample(np.zeros((3, 10)), 100, 0.001)


def test_short_record_is_padded_and_long_one_is_cut():
    short, long = standardise(motion(400), 100, 6), standardise(motion(900), 100, 6)
    assert short.samples == long.samples == 600
    assert (short.data[:, 400:] == 0).all() and short.meta["trace_pad_samples"] == 200
    np.testing.assert_array_equal(long.data, motion(900).data[:, :600])
    assert long.meta["trace_npts_raw"] == 900 and long.meta["trace_pad_samples"] == 0
    assert short.meta["trace_energy_share"] == 1
    assert 0.5 < long.meta["trace_energy_share"] < 0.8


def test_energy_share_sees_that_the_shaking_is_missed():
    data = motion(2000).data * np.where(np.arange(2000) < 1500, 1e-3, 1)
    missed = standardise(Record(data, 100, "9901", "e"), 100, 10)
    assert missed.meta["trace_energy_share"] < 0.001


def test_upsampling_notes_the_band_that_the_original_had():
    assert standardise(motion(500, 50), 100, 5).meta["trace_bandlimit_hz"] == 25
    assert standardise(motion(500, 200), 100, 5).meta["trace_bandlimit_hz"] == 50
