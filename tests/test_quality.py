"""Quality checks: each finds its defect, none finds one in good records, and all say what they found."""

import subprocess
import sys
import time

import numpy as np
import pytest
from pydantic import ValidationError

from tng import readers, remote, surrogate
from tng.channels import Channel, assemble
from tng.quality import Thresholds, check
from tng.records import DataError, Record
from tng.standard import Standard, standardise

GOOD = {"trace_units_declared": "gal (header)", "trace_pga_header_checked": True, "trace_source_file": "a.mat"}
RECORD = next(surrogate.simulate("0205-like", 1))


def record(data=None, rate_hz=100.0, **meta):
    """A good synthetic record, or one with other samples; 24-bit resolution."""
    data = RECORD.data if data is None else data
    return Record(data, rate_hz, "9901", "e", {**RECORD.meta, **GOOD, **meta})


def found(report, name):
    return next(finding for finding in report.findings if finding.check == name)


def verdict(name, one, **thresholds):
    return found(check(one, Thresholds(**thresholds)), name).verdict


def resolved(data, counts):
    """With the resolution of a recorder whose peak is so many counts."""
    step = np.abs(data).max() / counts
    return np.round(data / step) * step


# --- the report ----------------------------------------------------------------------------------------

def test_good_record_passes_every_check():
    one = record()
    report = check(one, Thresholds(), standardise(one, Standard()))
    assert report.verdict == "ok" and report.flags == () == report.reasons
    assert {finding.verdict for finding in report.findings} == {"ok", "n/a"}
    assert [finding.check for finding in report.findings if finding.verdict == "n/a"] == [
        "duplicate", "smallest peak", "signal to noise"]
    assert report.meta()["trace_quality_flags"] == "" and report.meta()["trace_spikes"] == 0
    report.raise_if_refused()


def test_report_names_flags_reasons_and_numbers():
    data = RECORD.data.copy()
    data[0] = np.clip(data[0], -0.1, 0.1)
    report = check(record(data, trace_units_declared="", trace_bandlimit_hz=15.6), Thresholds(smallest_pga_cmps2=1e4))
    assert report.verdict == "refuse" and report.flags == ("units", "usable band")
    assert len(report.reasons) == 2 and "at least 10000 are asked for" in report.reasons[0]
    assert report.meta()["trace_quality_flags"] == "units;usable band" and report.meta()["trace_clipped_samples"] > 100
    with pytest.raises(DataError, match="^a.mat: a peak of .*; E .* samples clipped"):
        report.raise_if_refused()
    table = report.table()
    assert list(table.columns) == ["check", "verdict", "value", "limit", "text"] and table["check"].is_unique
    assert (table.loc[table["verdict"] == "ok", "text"] == "").mean() > 0.9


def test_thresholds_explain_themselves_and_refuse_other_names():
    assert all(len(field.description) > 20 for field in Thresholds.model_fields.values())
    for wrong in ({"smallest_snr": -1}, {"largest_pga_g": float("inf")}, {"clip": 3}):
        with pytest.raises(ValidationError):
            Thresholds(**wrong)


@pytest.mark.parametrize("name", ["1716-like", "2020-like", "3130-like", "4628-like", "R001", "R002"])
def test_synthetic_records_have_no_defects(name):
    for one in surrogate.simulate(name, 15):
        assert check(one, Thresholds(), standardise(one, Standard())).flags == ("units",)     # nobody declares theirs
        assert check(one, Thresholds()).verdict == "flag"


# --- units, length, peaks ------------------------------------------------------------------------------

def test_units_and_header_peak():
    assert verdict("units", record()) == "ok"
    assert verdict("units", record(trace_units_declared=np.nan)) == "flag"
    assert verdict("header peak", record()) == "ok"
    assert verdict("header peak", record(trace_pga_header_checked=np.nan)) == "n/a"


def test_slow_sampling_is_refused():
    assert verdict("sampling rate", record(rate_hz=10.0)) == "ok"
    text = found(check(record(rate_hz=8.0), Thresholds()), "sampling rate").text
    assert text == "sampled at 8 Hz; at least 10 Hz are asked for"
    assert verdict("sampling rate", record(rate_hz=8.0)) == "refuse"
    assert verdict("sampling rate", record(rate_hz=8.0), smallest_rate_hz=5) == "ok"


@pytest.mark.parametrize("said, expected", [(True, "flag"), ("True", "flag"), (np.nan, "ok"), (False, "ok")])
def test_a_response_that_was_assumed_is_flagged(said, expected):
    assert verdict("response assumed", record(trace_response_assumed_flat=said)) == expected


def test_every_flag_is_explained_in_the_report():
    from tng.report import FLAGS

    assert {"response assumed", "peak change", "units"} <= set(FLAGS)
    assert set(FLAGS) <= {finding.check for finding in check(record(), Thresholds()).findings}


def test_a_limit_of_the_user_is_not_an_error_of_the_unit():
    one = record(RECORD.data / RECORD.pga_cmps2.max() * 980.665)
    text = found(check(one, Thresholds(largest_pga_g=0.5)), "largest peak").text
    assert text == "a peak of 981 cm/s² is more than the 0.5 g that were asked for; above 100 g the unit must be wrong"


def test_length_counts_motion_and_not_constant_ends():
    four_s = np.pad(RECORD.data[:, 3000:3400] + 5, ((0, 0), (0, 3000)))
    assert verdict("length", record(four_s)) == "refuse"
    assert verdict("length", record(four_s), shortest_s=3.9) == "ok"
    assert found(check(record(four_s), Thresholds()), "length").value == pytest.approx(4, abs=0.03)


def test_peaks():
    peak = RECORD.pga_cmps2.max()
    assert verdict("largest peak", record(RECORD.data / peak * 3.9 * 980.665)) == "ok"
    assert verdict("largest peak", record(RECORD.data / peak * 4.1 * 980.665)) == "flag"
    assert verdict("largest peak", record(RECORD.data / peak * 101 * 980.665)) == "refuse"
    assert verdict("smallest peak", record(RECORD.data / peak + 50), smallest_pga_cmps2=0.9) == "ok"
    assert verdict("smallest peak", record(RECORD.data / peak + 50), smallest_pga_cmps2=1.1) == "refuse"


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_absurd_numbers_do_not_break_it(scale):
    report = check(record(RECORD.data * scale), Thresholds())
    assert report.verdict == ("refuse" if scale > 1 else "ok")


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("samples", [2, 3, 5, 30])
def test_very_short_records_do_not_break_it(samples):
    one = Record(np.random.default_rng(0).normal(size=(3, samples)), 100, "9901", "e")
    assert check(one, Thresholds(smallest_snr=3)).verdict == "refuse"


# --- clipping ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("component", [0, 1, 2])
@pytest.mark.parametrize("side", [-1, 1])
def test_clipping_on_either_side_is_refused(component, side):
    data = RECORD.data.copy()
    limit = 0.6 * np.abs(data[component]).max()
    data[component] = np.minimum(side * data[component], limit) * side
    report = check(record(data), Thresholds())
    assert "clipping" in [finding.check for finding in report.findings if finding.verdict == "refuse"]
    assert report.reasons[0].startswith(f"{'ENZ'[component]} ")
    assert report.numbers["trace_clipped_samples"] <= (data[component] == side * limit).sum()


def test_most_records_that_lost_a_third_of_their_peak_are_recognised():
    records = [one for name in ("1716-like", "R003") for one in surrogate.simulate(name, 20)]
    recognised = [check(record(np.clip(one.data, *0.7 * np.abs(one.data).max() * np.array([-1, 1]))),
                        Thresholds()).verdict == "refuse" for one in records]
    assert np.mean(recognised) > 0.9


@pytest.mark.parametrize("rate_hz", [100, 200, 500, 1000])
def test_tops_of_smooth_waves_are_not_clipping(rate_hz):
    times = np.arange(20 * rate_hz) / rate_hz
    for frequency_hz in (0.1, 0.5, 1.0, 5.0):
        for counts in (10, 25, 50, 1000, 10**5):
            waves = np.stack([np.round(counts * np.sin(2 * np.pi * frequency_hz * times + phase)) for phase in (0, 1, 2)])
            assert verdict("clipping", record(waves, rate_hz)) == "ok"


@pytest.mark.parametrize("counts", [5, 15, 30, 100, 1000])
def test_coarse_resolution_is_no_defect(counts):
    for one in surrogate.simulate("R001", 10):
        assert check(record(resolved(one.data, counts)), Thresholds()).verdict == "ok"


@pytest.mark.parametrize("counts, expected", [(15, "ok"), (40, "refuse")])
def test_extreme_of_a_few_counts_proves_nothing(counts, expected):
    data = np.random.default_rng(0).normal(size=(3, 3000)).round()      # a few counts of noise
    data[0, 1000:1006] = counts
    assert verdict("clipping", record(data)) == expected


def test_two_equal_pairs_of_peaks_are_clipping_only_where_they_are_no_chance():
    fine = np.random.default_rng(0).normal(size=(3, 3000)) * 20
    for data, expected in ((fine.round(), "ok"), (fine.copy(), "refuse")):
        data[0, [1000, 1001, 2000, 2001]] = 100
        assert verdict("clipping", record(data)) == expected
        data[0, [2000, 2001]] = 99
        assert verdict("clipping", record(data)) == "ok"


def test_record_that_ends_with_its_largest_value():
    data = np.random.default_rng(0).normal(size=(3, 3000))
    data[0, -4:] = data[1, :4] = 9
    assert verdict("clipping", record(data)) == "ok"


def test_zeros_at_the_ends_are_not_clipping():
    offset = np.abs(RECORD.data) + 3                                # zero is the smallest value by far
    padded = record(np.pad(offset, ((0, 0), (200, 300))))
    assert check(padded, Thresholds()).verdict == "ok"


def turned(first, second, up, azimuth=16.0):
    """A record made of two horizontals along `azimuth` and 90° more."""
    channels = [Channel(samples, 100.0, "9901", direction, label, "a.mat", "", meta=GOOD) for samples, direction, label in
                ((first, azimuth, "H1"), (second, azimuth + 90, "H2"), (up, None, "Z"))]
    return assemble(channels)


def test_clipping_shows_along_the_sensors_own_axis():
    limit = 0.6 * np.abs(RECORD.data[1]).max()
    one = turned(RECORD.data[0], np.clip(RECORD.data[1], -limit, limit), RECORD.data[2])
    plain = Record(one.data, 100, "9901", "e", GOOD)
    assert check(plain, Thresholds()).verdict == "ok"                # nobody would see it in E and N
    assert check(one, Thresholds()).reasons[0].startswith("106° ")


@pytest.mark.parametrize("counts", [15, 30, 100, 1000])
def test_coarse_resolution_is_no_defect_in_turned_records_either(counts):
    for one in surrogate.simulate("R001", 10):
        report = check(turned(*resolved(one.data, counts)), Thresholds())
        assert report.verdict == "ok", report.flags


# --- dead and flat components, gaps, spikes ------------------------------------------------------------

def test_dead_component_is_refused():
    data = RECORD.data.copy()
    data[2] = np.random.default_rng(0).normal(size=data.shape[1]) * 1e-4
    report = check(record(data), Thresholds())
    assert "component Z has" in report.reasons[0] and found(report, "dead component").value < 0.01
    data[2] = RECORD.data[2] / 5                                     # in g/5, as it were: weak, but alive
    assert verdict("dead component", record(data)) == "ok"


def test_component_that_stands_still_while_others_shake_is_refused():
    p, s = int(RECORD.meta["trace_p_arrival_sample"]), int(RECORD.meta["trace_s_arrival_sample"])
    data = RECORD.data.copy()
    data[1, s:s + 100] = data[1, s]
    report = check(record(data), Thresholds())
    assert report.reasons == ("component N is constant for 1.00 s while the others shake",)
    assert verdict("flat run", record(data), flat_run_s=1.5) == "ok"
    quiet = RECORD.data.copy()
    quiet[1, 10:p - 20] = quiet[1, 10]                               # before the earthquake nothing shakes
    assert verdict("flat run", record(quiet)) == "ok"


def test_p_wave_on_the_vertical_alone_is_no_reason_to_refuse():
    data = RECORD.data / np.abs(RECORD.data).max() * 500
    s = int(RECORD.meta["trace_s_arrival_sample"])
    data[:2] = data[:2].round()
    data[:2, s - 200:s] = [[1], [2]]                                 # what little comes is below one count
    data[0, s - 100] = 0
    data[2, s - 200:s] *= 300 / np.abs(data[2, s - 200:s]).max()
    assert verdict("flat run", record(data)) == "ok"


def test_late_component_is_refused_and_common_padding_is_not():
    s = int(RECORD.meta["trace_s_arrival_sample"])
    data = RECORD.data.copy()
    data[0, :s + 200] = 0
    assert verdict("flat run", record(data)) == "refuse"
    data[:, :s + 200] = 0
    assert verdict("flat run", record(data)) == "ok"


def test_gaps_that_were_filled_are_flagged():
    assert verdict("gaps", record()) == "ok"
    stated = record(trace_gaps="100-200;300-310")
    assert found(check(stated, Thresholds()), "gaps").text == "2 gaps filled in"
    outside = standardise(stated, Standard(window="p-onset", before_s=1))
    if outside.meta["trace_window_start_s"] > 3.1:
        assert found(check(stated, Thresholds(), outside), "gaps").verdict == "ok"
    data = RECORD.data.copy()
    data[:, 3000:3100] = 0
    assert "all components are constant for 1.00 s" in found(check(record(data), Thresholds()), "gaps").text


@pytest.mark.parametrize("at", [100, 4000, 5990])
def test_spikes_are_flagged_and_counted(at):
    data = RECORD.data.copy()
    around = np.abs(data[1, max(at - 30, 0):at + 30]).max()
    data[1, at] = 30 * around + 0.2 * np.ptp(data[1])
    report = check(record(data), Thresholds())
    assert report.flags == ("spikes",) and report.numbers["trace_spikes"] == 1
    assert found(report, "spikes").text == "N 1 samples stand out from both neighbours"


def test_sharp_onset_of_a_near_record_is_no_spike():
    rng = np.random.default_rng(5)
    times = np.arange(40_000) / 1000
    for length_s in (0.02, 0.05, 0.1) * 10:                          # bursts of all frequencies, sampled at 1000 Hz
        burst = rng.normal(size=(3, times.size)) * np.exp(-((times - 20) / length_s) ** 2) * 500
        noisy = Record(burst + 0.05 * rng.normal(size=burst.shape), 1000, "9901", "e", GOOD)
        assert verdict("spikes", standardise(noisy, 100, 40)) == "ok"
        assert verdict("spikes", noisy) == "ok"


# --- signal to noise, window ---------------------------------------------------------------------------

def test_signal_to_noise_only_where_it_is_asked_for():
    one = record()
    assert verdict("signal to noise", one) == "n/a" and np.isnan(check(one, Thresholds()).meta()["trace_snr"])
    asked = check(one, Thresholds(smallest_snr=3))
    assert asked.verdict == "ok" and asked.meta()["trace_snr"] > 3
    too_high = check(one, Thresholds(smallest_snr=10 * asked.meta()["trace_snr"]))
    assert too_high.verdict == "refuse" and "signal-to-noise ratio" in too_high.reasons[0]
    assert verdict("signal to noise", record(trace_snr=2.0), smallest_snr=3) == "refuse"       # what a reader says counts
    by_onset = check(one, Thresholds(), standardise(one, Standard(window="p-onset")))
    assert by_onset.meta()["trace_snr"] == asked.meta()["trace_snr"]


def test_noise_without_an_earthquake_is_refused():
    noise = record(np.random.default_rng(1).normal(size=(3, 6000)), trace_p_arrival_sample=np.nan)
    assert verdict("signal to noise", noise, smallest_snr=3) == "refuse"


def test_onset_that_standardising_found_serves_the_check():
    one = record(np.pad(RECORD.data, ((0, 0), (2000, 0)), mode="reflect"), trace_p_arrival_sample=np.nan)
    one = Record(one.data * np.where(np.arange(8000) < 2000, 1e-3, 1), 100, "9901", "e", one.meta)
    window = standardise(one, Standard(window="p-onset", before_s=2))
    finding = found(check(one, Thresholds(), window), "P onset")
    assert finding.verdict == "ok" and finding.value == pytest.approx(window.meta["trace_window_start_s"] + 2, abs=0.02)


def test_p_onset_outside_the_window():
    late = record(np.pad(RECORD.data, ((0, 0), (7000, 0)), mode="wrap"), trace_p_arrival_sample=7500)
    report = check(late, Thresholds(), standardise(late, Standard()))
    assert "P onset" in report.flags and "75.00 s is outside" in found(report, "P onset").text
    assert "P onset" not in check(late, Thresholds(), standardise(late, Standard(window="p-onset"))).flags
    assert verdict("P onset", record(trace_p_arrival_sample=None)) == "n/a"


def test_window_checks():
    short = record(RECORD.data[:, :2500])
    assert check(short, Thresholds(), standardise(short, Standard())).flags == ("padding",)
    shaking_late = record(np.concatenate([RECORD.data * 1e-2, RECORD.data], axis=1), trace_p_arrival_sample=np.nan)
    assert check(shaking_late, Thresholds(), standardise(shaking_late, Standard())).flags == ("shaking kept",)
    coarse = record(RECORD.data[:, ::4], 25.0)
    assert check(coarse, Thresholds(), standardise(coarse, Standard())).flags[0] == "usable band"
    assert verdict("usable band", coarse) == "flag" and verdict("padding", coarse) == "n/a"
    lower = standardise(record(), Standard(sampling_rate_hz=20))
    assert "peak change" in check(record(), Thresholds(), lower).flags


# --- cost and real records -----------------------------------------------------------------------------

def test_it_is_fast():
    one = record()
    window, thresholds, times = standardise(one, Standard()), Thresholds(), []
    for _ in range(30):
        start = time.perf_counter()
        check(one, thresholds, window)
        times.append(time.perf_counter() - start)
    assert min(times) < 2e-3


def test_obspy_is_left_alone():
    code = ("import sys, numpy; from tng.records import Record; from tng.quality import *; from tng.standard import *; "
            "r = Record(numpy.random.default_rng(0).normal(size=(3, 900)), 100, 'a', 'b'); "
            "check(r, Thresholds(), standardise(r, Standard())); assert not {'obspy', 'torch', 'pandas'} & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)


# Flags of the real records for the windows first and energy; picks are hints, and two lie in odd places.
REAL = {"4801": ((), ("P onset",)), "4806": ((), ("P onset",)), "0921": (("shaking kept",), ()),
        "4304": (("shaking kept",), ("shaking kept",)), "5405": (("shaking kept",), ("shaking kept",))}


@pytest.mark.parametrize("collection", ["afad-mat", "afad-nsmn"])
def test_real_records_are_not_refused(collection):
    if not remote.available(collection):
        pytest.skip(f"{collection} is not here: set TNG_MIRROR to a folder that holds it")
    for path in remote.collection(collection):
        one = readers.read(path)
        for window, flags in zip(("first", "energy"), REAL.get(one.station, ((), ()))):
            report = check(one, Thresholds(smallest_snr=3), standardise(one, Standard(window=window)))
            assert report.reasons == () and report.flags == flags
            assert report.numbers["trace_clipped_samples"] == report.numbers["trace_spikes"] == 0
            assert found(report, "header peak").verdict == "ok"
