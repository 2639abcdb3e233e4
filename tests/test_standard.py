"""Standardising: what it does to amplitude, frequency, time and length, and what it says about it."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import signal

from tng import onset, readers, remote, surrogate
from tng.records import DataError, Record, SamplingError
from tng.standard import Standard, highpass, resample, standardise

START = "2020-01-01T00:00:00.000000Z"


def motion(samples=1000, rate_hz=100.0, **meta):
    return Record(np.random.default_rng(1).normal(size=(3, samples)), rate_hz, "9901", "20200101000000", meta)


def shaken(seconds=200.0, at_s=120.0, lasting_s=20.0, rate_hz=100.0, **meta):
    """Weak noise, and strong shaking somewhere in it."""
    record = motion(round(seconds * rate_hz), rate_hz, **meta)
    strong = (record.times_s >= at_s) & (record.times_s < at_s + lasting_s)
    return Record(record.data * np.where(strong, 10, 0.01), rate_hz, "9901", "20200101000000", meta)


def tone(frequency_hz, rate_hz, seconds=40.0):
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.stack([np.sin(2 * np.pi * frequency_hz * times + phase) for phase in (0, 1, 2)])


def amplitude(data, frequency_hz, rate_hz):
    """Of a tone in the middle half of each row."""
    middle = data[:, data.shape[1] // 4: -data.shape[1] // 4]
    times = np.arange(middle.shape[1]) / rate_hz
    basis = np.stack([np.cos(2 * np.pi * frequency_hz * times), np.sin(2 * np.pi * frequency_hz * times)])
    return np.hypot(*np.linalg.lstsq(basis.T, middle.T, rcond=None)[0])


# --- resampling ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("frequency_hz", [5, 20, 30, 40])
def test_halving_the_rate_keeps_amplitudes(frequency_hz):
    halved = resample(tone(frequency_hz, 200), 200, 100)
    assert halved.shape == (3, 4000)
    np.testing.assert_allclose(amplitude(halved, frequency_hz, 100), 1, atol=0.01)


def test_what_lies_above_the_new_nyquist_is_removed():
    assert amplitude(resample(tone(70, 200), 200, 100), 30, 100).max() < 0.01      # its alias


@pytest.mark.parametrize("rate_hz", [31.25, 50, 62.5, 80, 125, 200, 250, 500])
def test_a_tone_of_5_hz_stays_one(rate_hz):
    made = standardise(Record(tone(5, rate_hz), rate_hz, "9901", "e"), Standard(window_s=30))
    assert made.samples == 3000 and made.meta["trace_pad_samples"] == 0
    np.testing.assert_allclose(amplitude(made.data, 5, 100), 1, atol=0.01)
    spectrum = np.abs(np.fft.rfft(made.data[0]))
    assert np.fft.rfftfreq(3000, 0.01)[spectrum.argmax()] == pytest.approx(5)


@pytest.mark.parametrize("rate_hz", [31.25, 62.5, 125, 250])
def test_time_is_kept(rate_hz):
    times = np.arange(round(40 * rate_hz)) / rate_hz
    pulse = np.exp(-((times - 12.8) / 0.2) ** 2)
    made = standardise(Record(np.stack([pulse] * 3), rate_hz, "9901", "e"), 100, 40)
    assert made.data[0].argmax() == 1280


def test_resampling_an_offset_does_not_ring():
    np.testing.assert_allclose(resample(np.full((1, 500), 7.0), 200, 100), 7, rtol=1e-6)


def test_rates_without_a_simple_ratio_are_refused():
    with pytest.raises(SamplingError, match="no simple ratio"):
        resample(np.zeros((3, 10)), 100, 0.001)
    with pytest.raises(SamplingError, match="^a.mat: cannot go from 612.345 Hz"):
        standardise(motion(500, 612.345, trace_source_file="a.mat"), Standard())


def test_nothing_left_after_resampling_is_refused():
    with pytest.raises(DataError, match="nothing of component E is left at 1 Hz"):
        standardise(motion(100), Standard(sampling_rate_hz=1))


# --- the paper's rule ----------------------------------------------------------------------------------

def test_short_record_is_padded_and_long_one_is_cut():
    short, long = standardise(motion(400), 100, 6), standardise(motion(900), 100, 6)
    assert short.samples == long.samples == 600
    assert (short.data[:, 400:] == 0).all() and short.meta["trace_pad_samples"] == 200
    np.testing.assert_array_equal(short.data[:, :400], motion(400).data)
    np.testing.assert_array_equal(long.data, motion(900).data[:, :600])
    assert long.meta["trace_npts_raw"] == 900 and long.meta["trace_pad_samples"] == 0
    assert short.meta["trace_energy_share"] == 1
    assert 0.5 < long.meta["trace_energy_share"] < 0.8


def test_rate_and_length_mean_first_window_and_nothing_else():
    record = Record(motion(900, 200).data + 5, 200, "9901", "e", {"trace_start_time": START})
    made = standardise(record, 100, 6)
    np.testing.assert_array_equal(made.data[:, :450], signal.resample_poly(record.data, 1, 2, axis=-1, padtype="line"))
    assert (made.data[:, 450:] == 0).all() and made.sampling_rate_hz == 100.0
    assert made.meta["trace_window"] == "first" and made.meta["trace_detrend"] == "none"
    assert made.meta["trace_window_start_s"] == 0 and np.isnan(made.meta["trace_highpass_hz"])
    assert made.meta["trace_start_time"] == START and made.meta["trace_sampling_rate_raw_hz"] == 200
    assert "trace_window" not in record.meta


def test_energy_share_sees_that_the_shaking_is_missed():
    assert standardise(shaken(20, 15, 5), 100, 10).meta["trace_energy_share"] < 0.001


def test_a_standard_and_a_window_contradict_each_other():
    with pytest.raises(TypeError, match="part of the Standard"):
        standardise(motion(), Standard(), 60)
    with pytest.raises(TypeError, match="window_s"):
        standardise(motion(), 100.0)


# --- the settings --------------------------------------------------------------------------------------

@pytest.mark.parametrize("wrong", [{"sampling_rate_hz": 0.5}, {"window_s": 3601}, {"window": "last"}, {"highpass_hz": 9},
                                   {"highpass_hz": float("nan")}, {"length": 3}, {"window": "energy", "window_s": 5}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        Standard(**wrong)
    assert Standard(window_s=5).before_s == 5          # which `first` does not use


def test_every_setting_says_what_it_is():
    assert all(field.description for field in Standard.model_fields.values())


# --- detrending and filtering --------------------------------------------------------------------------

def test_detrending():
    ramp = motion(6000).data + 3 + np.linspace(0, 50, 6000)
    record = Record(ramp, 100, "9901", "e")
    kept, mean, line = (standardise(record, Standard(detrend=how)) for how in ("none", "mean", "linear"))
    np.testing.assert_array_equal(kept.data, ramp)
    np.testing.assert_allclose(mean.data, ramp - ramp.mean(axis=1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(line.data, signal.detrend(ramp), atol=1e-9)
    assert np.abs(mean.data).max() > 20 > 6 > np.abs(line.data).max()
    assert [one.meta["trace_detrend"] for one in (kept, mean, line)] == ["none", "mean", "linear"]
    assert all(one.meta["trace_pga_change"] == 0 for one in (kept, mean, line))


@pytest.mark.parametrize("order", [1, 2, 4])
def test_high_pass_is_6_db_at_its_corner_and_twice_as_steep(order):
    for frequency_hz in (0.05, 0.1, 0.2, 1.0):
        filtered = highpass(tone(frequency_hz, 20, 2000), 20, 0.1, order)
        wanted = 1 / (1 + (0.1 / frequency_hz) ** (2 * order))
        np.testing.assert_allclose(amplitude(filtered, frequency_hz, 20), wanted, rtol=0.02)


def test_high_pass_does_not_move_a_pulse_in_time():
    times = np.arange(0, 100, 0.01)
    pulse = np.exp(-((times - 40) / 0.1) ** 2)
    filtered = highpass(np.stack([pulse] * 3), 100, 0.05)
    assert filtered.shape == (3, 10000) and (filtered.argmax(axis=1) == 4000).all()
    np.testing.assert_allclose(filtered[0, 3000:4001], filtered[0, 4000:5001][::-1], atol=1e-3)


def test_high_pass_removes_a_drift_and_is_noted():
    drift = 20 * np.sin(np.linspace(0, np.pi, 12000))
    record = Record(motion(12000).data + drift, 100, "9901", "e")
    made = standardise(record, Standard(highpass_hz=0.1, highpass_order=4))
    assert np.abs(made.data - motion(12000).data[:, :6000])[:, 1000:].max() < 0.3
    assert made.meta["trace_highpass_hz"] == 0.1
    centred = record.data - record.data.mean(axis=1, keepdims=True)
    filtered = highpass(centred, 100, 0.1, 4)
    assert made.meta["trace_pga_change"] == pytest.approx((np.abs(filtered).max(axis=1) / np.abs(centred).max(axis=1)).min() - 1,
                                                           abs=0.01)
    assert made.meta["trace_pga_change"] < -0.4


def test_only_the_last_twentieth_is_tapered():
    ends = highpass(np.ones((1, 400)), 100, 0.01, 1)[0]      # 4 s: 0.2 s at each end
    assert abs(ends[0]) < 0.2 and ends[20:380].min() > 0.8
    ends = highpass(np.ones((1, 6000)), 100, 0.01, 1)[0]     # 60 s: 1 s
    assert abs(ends[50]) < 0.6 and ends[100:300].min() > 0.4


def test_high_pass_is_what_a_much_longer_record_would_give():
    times = np.arange(0, 60, 0.01)
    pulse = np.exp(-((times - 57) / 0.5) ** 2)[None]                    # its filtered tail lasts beyond the record's end
    longer = highpass(np.pad(pulse, ((0, 0), (30_000, 30_000))), 100, 0.1)[:, 30_000:36_000]
    np.testing.assert_allclose(highpass(pulse, 100, 0.1), longer, atol=2e-3)


def test_high_pass_above_nyquist_is_refused():
    with pytest.raises(SamplingError, match="leaves nothing of data at 8 Hz"):
        standardise(motion(rate_hz=8.0), Standard(highpass_hz=5))


def test_change_of_the_peak_by_resampling_is_told():
    data = motion(12000, 200).data
    data[0, 6000] = 40                                       # one sample: most of it is above 50 Hz
    made = standardise(Record(data, 200, "9901", "e"), Standard())
    assert made.meta["trace_pga_change"] == pytest.approx(np.abs(resample(data, 200, 100)).max() / 40 - 1, abs=0.01)
    assert made.meta["trace_pga_change"] < -0.3


def test_change_of_a_weak_component_is_told():
    """The vertical is a hundredth of the others, and all of it lies above the new Nyquist frequency but a little."""
    data = tone(2, 200) * np.hanning(8000)                   # nothing at the ends, which resampling treats on their own
    data[2] = (data[2] + 4 * tone(70, 200)[2] * np.hanning(8000)) / 500
    change = standardise(Record(data, 200, "9901", "e"), Standard(detrend="none")).meta["trace_pga_change"]
    assert -0.85 < change < -0.7                             # 1 of 5 is left


def test_a_record_that_would_fill_the_memory_is_refused_at_once():
    with pytest.raises(DataError, match="90000 s would be 9000000 samples at 100 Hz, more than 8000000; cut it to the event"):
        standardise(motion(90_000, 1.0), Standard())
    assert standardise(motion(70_000, 1.0), Standard()).samples == 6000


# --- windows -------------------------------------------------------------------------------------------

def test_window_before_the_p_pick():
    record = shaken(trace_p_arrival_sample=12000, trace_s_arrival_sample=19000.0, trace_start_time=START)
    made = standardise(record, Standard(window="p-onset", before_s=5))
    assert made.meta["trace_window_start_s"] == 115 and made.meta["trace_start_time"] == "2020-01-01T00:01:55.000000Z"
    assert made.meta["trace_p_arrival_sample"] == 500 and np.isnan(made.meta["trace_s_arrival_sample"])
    np.testing.assert_allclose(made.data, record.data[:, 11500:17500] - record.data.mean(axis=1, keepdims=True), atol=1e-12)
    assert made.meta["trace_window"] == "p-onset" and "trace_p_status" not in made.meta


def test_pick_and_window_at_another_rate():
    record = shaken(rate_hz=200.0, trace_p_arrival_sample=24000)
    made = standardise(record, Standard(sampling_rate_hz=50, window="p-onset", before_s=2))
    assert made.meta["trace_window_start_s"] == 118 and made.meta["trace_p_arrival_sample"] == 100
    assert made.meta["trace_bandlimit_hz"] == 25


def test_every_position_moves_with_the_samples():
    record = shaken(rate_hz=200.0, trace_p_arrival_sample=24000, trace_Pg_arrival_sample="24010", trace_coda_end_sample=39999,
                    trace_Sn_arrival_sample=None, trace_clipped_samples=7)
    meta = standardise(record, Standard(window="p-onset", before_s=5)).meta
    assert meta["trace_Pg_arrival_sample"] == 505 and meta["trace_clipped_samples"] == 7
    assert np.isnan(meta["trace_coda_end_sample"]) and np.isnan(meta["trace_Sn_arrival_sample"])


def test_window_does_not_begin_before_the_record():
    made = standardise(shaken(trace_p_arrival_sample=200, trace_start_time=START), Standard(window="p-onset"))
    assert made.meta["trace_window_start_s"] == 0 and made.meta["trace_p_arrival_sample"] == 200
    assert made.meta["trace_start_time"] == START


def test_zeros_come_at_the_end_only():
    made = standardise(shaken(140, 120, trace_p_arrival_sample=12000), Standard(window="p-onset"))
    assert made.meta["trace_pad_samples"] == 3500 and (made.data[:, 2500:] == 0).all() and (made.data[:, :2500] != 0).all()


@pytest.mark.parametrize("pick", [np.nan, None, "", -1, 1e9])
def test_without_a_pick_the_onset_is_looked_for(pick):
    made = standardise(shaken(trace_p_arrival_sample=pick), Standard(window="p-onset"))
    assert made.meta["trace_window_start_s"] == pytest.approx(115, abs=0.2)
    assert made.meta["trace_p_arrival_sample"] == pytest.approx(500, abs=20) and made.meta["trace_p_status"] == "automatic"


def test_without_any_onset_there_is_no_such_window():
    with pytest.raises(DataError, match="no clear onset .* use the window 'energy'"):
        standardise(motion(6000), Standard(window="p-onset"))


def test_window_around_the_shaking():
    made = standardise(shaken(), Standard(window="energy", before_s=5))
    assert made.meta["trace_window_start_s"] == pytest.approx(115.2, abs=0.2)      # a hundredth of 20 s is given up
    assert made.meta["trace_energy_share"] > 0.989
    weak_first = Record(shaken().data + shaken(at_s=40).data * 0.01, 100, "9901", "e")
    assert standardise(weak_first, Standard(window="energy")).meta["trace_window_start_s"] > 115


def test_longer_shaking_than_the_window_keeps_99_percent_of_the_best():
    record = shaken(300, 50, 150)
    made = standardise(record, Standard(window="energy", before_s=5))
    assert made.meta["trace_energy_share"] > 0.99 * 55 / 150 * 0.95


def test_start_time_that_cannot_be_read_is_dropped_when_the_window_moves():
    record = shaken(trace_start_time="yesterday")
    assert standardise(record, Standard()).meta["trace_start_time"] == "yesterday"
    assert "trace_start_time" not in standardise(record, Standard(window="energy")).meta


def test_gap_in_the_window_is_refused_and_one_outside_is_not():
    beside, inside = shaken(trace_gaps="100-200;19000-19100"), shaken(trace_gaps="100-200;12990-13010")
    made = standardise(beside, Standard(window="energy"))
    assert "trace_gaps" not in made.meta
    with pytest.raises(DataError, match=r"1 gap in the window \(the first from 129.90 s to 130.10 s"):
        standardise(inside, Standard(window="energy"))
    with pytest.raises(DataError, match="1 gap in the window"):
        standardise(beside, Standard())
    faster = shaken(rate_hz=200.0, trace_gaps="12000-12001")           # 60 s in, and the window ends there
    assert standardise(faster, 100, 60).samples == 6000
    with pytest.raises(DataError, match="gap"):
        standardise(faster, 100, 60.1)


def test_window_of_nothing_is_refused():
    data = motion(12000).data.copy()
    data[1, :7000] = 0
    with pytest.raises(DataError, match="nothing of component N is left .* flat there"):
        standardise(Record(data, 100, "9901", "e"), Standard())
    data[1, 7000:] = motion(12000).data[1, 7000:]
    with pytest.raises(DataError, match="component N"):                 # flat, but not zero: an offset
        standardise(Record(data + 7, 100, "9901", "e"), 100, 60)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
@pytest.mark.parametrize("window", ["first", "energy", "p-onset"])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_numbers_that_cannot_be_squared_are_refused(scale, window):
    with pytest.raises(DataError, match="no ground motion"):
        standardise(Record(motion().data * scale, 100, "9901", "e"), Standard(window=window))


def test_band_is_the_narrowest_of_rates_and_source():
    assert standardise(motion(500, 50), 100, 5).meta["trace_bandlimit_hz"] == 25
    assert standardise(motion(500, 200), 100, 5).meta["trace_bandlimit_hz"] == 50
    assert standardise(motion(500, 200, trace_highcut_hz=30.0), 100, 5).meta["trace_bandlimit_hz"] == 30
    assert standardise(motion(500, 200, trace_bandlimit_hz="", trace_highcut_hz=np.nan), 100, 5).meta["trace_bandlimit_hz"] == 50


@pytest.mark.parametrize("samples", [2, 3, 20, 101])
@pytest.mark.parametrize("window", ["first", "energy"])
def test_short_records_pass(samples, window):
    made = standardise(motion(samples), Standard(window=window, highpass_hz=0.1))
    assert made.samples == 6000 and np.isfinite(made.data).all()


# --- onset ---------------------------------------------------------------------------------------------

def test_onset_of_synthetic_records():
    records = [record for name in ("0205-like", "4628-like", "R000") for record in surrogate.simulate(name, 15)]
    errors = np.array([onset.pick(record) - record.meta["trace_p_arrival_sample"] / 100 for record in records])
    assert np.median(np.abs(errors)) < 0.2 and np.abs(errors).max() < 1.5
    assert (errors > -0.5).all()                       # minimum phase: nothing moves before its wave arrives


@pytest.mark.parametrize("rate_hz", [25.0, 50.0, 200.0, 500.0])
def test_onset_at_other_rates(rate_hz):
    assert onset.pick(shaken(60, 30, rate_hz=rate_hz)) == pytest.approx(30, abs=0.3)


def test_onset_is_refined():
    rng = np.random.default_rng(2)
    for _ in range(5):
        data = rng.normal(size=(3, 6000)) * np.where(np.arange(6000) < 3000, 1, 6)
        assert onset.pick(Record(data, 100, "9901", "e")) == pytest.approx(30, abs=0.06)


def test_no_onset_in_noise_or_in_the_middle_of_shaking():
    rng = np.random.default_rng(3)
    assert all(onset.pick(Record(rng.normal(size=(3, 6000)), 100, "9901", "e")) is None for _ in range(10))
    assert onset.pick(Record(rng.normal(size=(3, 6000)) * np.exp(-np.arange(6000) / 800), 100, "9901", "e")) is None
    assert onset.pick(motion(50)) is None and onset.pick(motion(1000, 2.0)) is None


def test_a_knock_and_a_recorder_that_wakes_up_are_no_onset():
    data = shaken(120, 60).data
    data[:, 3000:3020] *= 200                          # 0.2 s of knocking
    data[:, :200] *= 0.01                              # two silent seconds, as in some AFAD records
    assert onset.pick(Record(data, 100, "9901", "e")) == pytest.approx(60, abs=0.2)


def test_padding_before_the_record_is_not_its_noise():
    record = shaken(60, 30)
    padded = Record(np.pad(record.data, ((0, 0), (1000, 2000))), 100, "9901", "e")
    assert onset.pick(padded) == pytest.approx(40, abs=0.2)
    assert onset.snr(padded, 40.0) == pytest.approx(onset.snr(record, 30.0), rel=0.02)


def test_snr_is_a_ratio_of_amplitudes():
    assert onset.snr(shaken(60, 30), 30.0) == pytest.approx(1000, rel=0.15)
    assert onset.snr(motion(6000), 30.0) == pytest.approx(1, abs=0.3)
    assert onset.snr(shaken(60, 30), None) == pytest.approx(1100, rel=0.2)          # the quietest 2 s
    assert np.isnan(onset.snr(motion(200), None)) and np.isnan(onset.snr(motion(6000), 59.0))


# --- real records --------------------------------------------------------------------------------------

def real(collection):
    if not remote.available(collection):
        pytest.skip(f"{collection} is not here: set TNG_MIRROR to a folder that holds it")
    return [readers.read(path) for path in remote.collection(collection)]


def test_onsets_of_real_records_agree_with_the_picks():
    errors = [onset.pick(record) - record.meta["trace_p_arrival_sample"] / 100 for record in real("afad-mat")]
    assert np.median(np.abs(errors)) < 0.5             # picks are hints: two of the nine are seconds off
    assert sum(abs(error) < 1 for error in errors) == 7


def test_windows_of_real_records_that_start_long_before_the_shaking():
    # The strongest 60 s hold 92, 68 and 73 % of the shaking: the other two are 350 and 500 km away.
    for record, first, best in zip(real("afad-nsmn"), (0.547, 0.030, 0.004), (0.923, 0.679, 0.732)):
        horizontals = record.data[:2] - record.data[:2].mean(axis=1, keepdims=True)
        energy = np.concatenate([[0], np.cumsum((horizontals**2).sum(axis=0))])
        assert (energy[6000:] - energy[:-6000]).max() / energy[-1] == pytest.approx(best, abs=0.001)
        assert standardise(record, Standard()).meta["trace_energy_share"] == pytest.approx(first, abs=0.001)
        assert standardise(record, Standard(window="energy")).meta["trace_energy_share"] > 0.985 * best


def test_window_from_the_onset_of_a_near_real_record():
    made = standardise(real("afad-nsmn")[0], Standard(window="p-onset"))
    assert made.meta["trace_energy_share"] > 0.85 and 20 < made.meta["trace_window_start_s"] < 30
