"""Bands that follow the records, peaks at the edge of a band, and windows that hold the shaking: each of a known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import signal
from typer.testing import CliRunner

from tng import bands, cli, corpus, surrogate
from tng.bands import Band, edge, energy_share, peaks_on_edge, report, signal_to_noise, site_band, window_advice
from tng.records import Record
from tng.standard import resample

RATE_HZ = 50.0


def shaking(f0_hz: float, n: int = 8, seconds: float = 60.0, noise: float = 1e-3, seed: int = 0, rate_hz: float = RATE_HZ) -> np.ndarray:
    """Records of 10 s of white noise, then a decaying burst; horizontals of both through a resonance at f0."""
    rng = np.random.default_rng([seed, round(100 * f0_hz)])
    samples = round(seconds * rate_hz)
    time_s = np.arange(samples) / rate_hz
    envelope = np.where(time_s < 10, 0, np.exp(-np.maximum(time_s - 10, 0) / 8))
    data = rng.standard_normal((n, 3, samples)) * envelope + noise * rng.standard_normal((n, 3, samples))
    b, a = signal.iirpeak(f0_hz, 3, fs=rate_hz)
    data[:, :2] += 4 * signal.lfilter(b, a, data[:, :2], axis=-1)
    return data


@pytest.fixture(scope="module")
def synthetic() -> list[Record]:
    found = []
    for site in ("1716-like", "4628-like"):
        found += [Record(resample(record.data, 100, RATE_HZ), RATE_HZ, record.station, record.event)
                  for record in surrogate.simulate(site, 10, seed=2)]
    return found


# --- the band

def test_the_band_of_the_synthetic_corpus_holds_the_papers(synthetic, tmp_path):
    made = corpus.write(synthetic, tmp_path / "corpus")
    band = bands.of_corpus(made)
    assert 0.3 <= band.low_hz <= 1 and band.high_hz == 20
    assert bands.of_corpus(made, "4628-like").low_hz <= 0.9


def test_the_band_reaches_below_half_the_lowest_f0():
    """One soft station among hard ones decides; eight periods in the record are the limit."""
    band = site_band({"soft": shaking(0.5), "hard": shaking(6)}, RATE_HZ)
    assert 0.2 <= band.low_hz <= 0.25 and band.high_hz == 20
    assert site_band({"soft": shaking(0.5, seconds=40)}, RATE_HZ).low_hz == pytest.approx(0.23, abs=0.03)
    assert site_band({"soft": shaking(0.5, seconds=20)}, RATE_HZ).low_hz == pytest.approx(0.4, abs=0.021)
    assert site_band({"hard": shaking(6)}, RATE_HZ).low_hz == 1


def test_the_band_ends_with_the_rate():
    assert site_band({"a": shaking(5, rate_hz=31.25)}, 31.25).high_hz == 12.5
    assert site_band({"a": shaking(5, rate_hz=200.0, n=3)}, 200.0).high_hz == 20


def test_the_band_stops_where_noise_rules():
    """Noise of low frequency at all stations, of high frequency at two of three.

    The amplitude of the shaking, for one second, is sqrt(4 s / 50 s) = 0.28 of white noise of one.  So it is twice the noise, with it,
    where the noise is 0.16: at 1.08 Hz and 7.4 Hz, by the filters' (f / corner)⁶, and somewhat inside after smoothing.
    """
    records = {name: shaking(0.5) for name in ("a", "b", "c")}
    rng = np.random.default_rng(1)
    low, high = (signal.butter(6, corner, kind, fs=RATE_HZ, output="sos") for corner, kind in ((0.8, "lowpass"), (9, "highpass")))
    for name, data in records.items():
        data += signal.sosfilt(low, rng.standard_normal(data.shape), axis=-1)
        if name != "a":
            data += 0.5 * signal.sosfilt(high, rng.standard_normal(data.shape), axis=-1)
    band = site_band(records, RATE_HZ)
    assert 1.08 < band.low_hz < 1.08 * 1.25 and 7.4 / 1.15 < band.high_hz < 7.4
    assert site_band({"a": records["a"]}, RATE_HZ).high_hz == 20


def test_noise_alone_leaves_the_papers_band():
    assert site_band({"a": np.random.default_rng(0).standard_normal((4, 3, 3000))}, RATE_HZ).high_hz == 20


def test_signal_to_noise_is_the_ratio_of_amplitudes():
    """White noise that becomes seven times as strong, for good."""
    rng = np.random.default_rng(3)
    data = rng.standard_normal((12, 3, 3000))
    data[:, :, 1000:] *= 7
    found = signal_to_noise(data, RATE_HZ, np.geomspace(0.2, 20, 50))
    assert np.exp(np.log(found).mean()) == pytest.approx(7, rel=0.15) and found.min() > 4
    data[:, 2, 1000:] /= 3.5                                        # the weaker of vertical and horizontals counts
    assert np.exp(np.log(signal_to_noise(data, RATE_HZ, np.geomspace(2, 20, 50))).mean()) == pytest.approx(2, rel=0.15)


def test_what_the_noise_before_p_does_not_hold_is_not_known():
    data = shaking(2)[:, :, round(6 * RATE_HZ):]                     # 4 s before P
    found = signal_to_noise(data, RATE_HZ, np.geomspace(0.1, 10, 60))
    at_hz = np.geomspace(0.1, 10, 60)
    assert np.isnan(found[at_hz < 0.25]).all() and np.isfinite(found[at_hz > 0.3]).all()
    assert np.isnan(signal_to_noise(shaking(2)[:, :, round(10 * RATE_HZ):], RATE_HZ, at_hz)).all()     # no noise at all


def test_what_has_no_band_is_refused():
    with pytest.raises(ValueError, match="no records"):
        site_band({}, RATE_HZ)
    with pytest.raises(ValueError, match="leave no octave"):
        site_band({"a": shaking(2)[:, :, :30]}, RATE_HZ)


# --- peaks at the edge

def test_edge_of_curves_of_known_shape():
    freq_hz = np.geomspace(1, 20, 200)

    def bump(at_hz: float, width: float = 0.3) -> np.ndarray:
        return 1 + 3 * np.exp(-np.log(freq_hz / at_hz) ** 2 / (2 * width**2))

    assert [edge(freq_hz, bump(at_hz)) for at_hz in (0.5, 1.0, 1.01, 1.2, 4, 17, 19.9, 25)] == \
        ["lower", "lower", "lower", "", "", "", "upper", "upper"]
    outside = bump(0.9, 0.1) + bump(5) * 0.62                         # a maximum inside, and as high a rise at the end
    assert np.argmax(outside) > 50 and outside[0] > 0.95 * outside.max() and edge(freq_hz, outside) == "lower"
    assert edge(freq_hz[2:], bump(1.08, 0.5)[2:]) == "lower"         # inside, but too near to be told from one outside
    two = bump(1.2, 0.6) + bump(8) - 1                               # falls towards the end, and has its peak far from it
    assert two[0] > 0.95 * two.max() and two.argmax() > 100 and edge(freq_hz, two) == ""
    assert edge(freq_hz, np.ones(200)) == "lower"                    # a flat curve has no peak


def test_peaks_on_edge_names_the_soft_station():
    found = peaks_on_edge({"soft": shaking(0.5), "hard": shaking(6)}, RATE_HZ)
    assert found.loc["soft", "f0_hz"] == pytest.approx(0.5, rel=0.12) and found.loc["soft", "edge"] == ""
    assert found.loc["soft", "paper_edge"] == "lower"
    assert found.loc["hard", "f0_hz"] == pytest.approx(6, rel=0.1) and found.loc["hard", ["edge", "paper_edge"]].tolist() == ["", ""]
    narrow = peaks_on_edge({"soft": shaking(0.5)}, RATE_HZ, Band(1, 20))
    assert narrow.loc["soft", "edge"] == "lower"


# --- windows

def decaying(decay_s: float, seconds: float, noise: float = 0.0, seed: int = 0, p_s: float = 5.0) -> np.ndarray:
    """White noise whose power falls to 1/e in `decay_s` after P."""
    rng = np.random.default_rng(seed)
    after_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ - p_s
    envelope = np.where(after_s < 0, 0, np.exp(-np.maximum(after_s, 0) / decay_s / 2))
    return rng.standard_normal((3, envelope.size)) * envelope + noise * rng.standard_normal((3, envelope.size))


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize(("decay_s", "seconds"), [(5, 60), (10, 35), (10, 25), (8, 17)])
def test_energy_share_of_an_exponential(decay_s, seconds, noise):
    """The share is 1 - exp(-(length - P) / decay time)."""
    found = [energy_share(decaying(decay_s, seconds, noise, seed), RATE_HZ, 5.0) for seed in range(30)]
    known = 1 - np.exp(-(seconds - 5) / decay_s)
    assert np.nanmedian(found) == pytest.approx(known, abs=0.04) and np.nanmax(found) <= 1


def test_energy_share_does_not_feel_scale_and_offset():
    data = decaying(10, 20, 0.01)
    assert energy_share(1e4 * data + 5e3, RATE_HZ, 5.0) == pytest.approx(energy_share(data, RATE_HZ, 5.0))


def test_zeros_at_the_end_are_padding():
    data = decaying(10, 20, 0.01)
    padded = np.concatenate([data, np.zeros((3, 2000))], axis=1)
    assert energy_share(padded, RATE_HZ, 5.0) == energy_share(data, RATE_HZ, 5.0) < 0.9


@pytest.mark.parametrize("data", [np.zeros((3, 1000)), np.ones((3, 1000)), decaying(1e9, 30), decaying(-20, 30), decaying(10, 30)[:, :300]])
def test_energy_share_that_cannot_be_told(data):
    assert np.isnan(energy_share(data, RATE_HZ, 5.0))


def test_window_advice_holds_95_percent(tmp_path):
    """Of an exponential that begins at 5 s: 5 s + ln 20 decay times, whatever the length of the records."""
    for seconds in (15, 60):
        records = [Record(decaying(8, seconds, 0.003, seed), RATE_HZ, "S", f"e{seed}") for seed in range(20)]
        advice = window_advice(corpus.write(records, tmp_path / f"{seconds}"))
        assert advice.index.tolist() == ["S"] and advice.loc["S", "records"] == 20
        assert advice.loc["S", "share"] == pytest.approx(1 - np.exp(-(seconds - 5) / 8), abs=0.05)
        assert advice.loc["S", "window_s"] == pytest.approx(5 + 8 * np.log(20), rel=0.15)


# --- all of it

def test_report_and_command(tmp_path):
    records = [Record(one, RATE_HZ, name, f"e{number}") for name, f0_hz in (("hard", 6), ("soft", 0.5))
               for number, one in enumerate(shaking(f0_hz, seconds=30))]
    made = corpus.write(records, tmp_path / "corpus")
    found = report(made)
    assert found.index.tolist() == ["hard", "soft"] and (found["records"] == 8).all() and found.attrs["band"] == bands.of_corpus(made)
    pd.testing.assert_frame_equal(found[["f0_hz", "edge", "paper_f0_hz", "paper_edge"]], peaks_on_edge(
        {name: made.waveforms(made.select(name)) for name in ("hard", "soft")}, RATE_HZ, found.attrs["band"]), check_exact=True)
    assert (found["snr_low_hz"] < 0.5).all() and (found["snr_high_hz"] == 20).all()
    told = CliRunner().invoke(cli.app, ["corpus", "bands", str(tmp_path / "corpus")])
    low, high = found.attrs["band"]
    assert told.exit_code == 0 and f"--band-hz {low:g} {high:g}" in told.output and "soft: f0 is" in told.output and "hard: f0" not in told.output


def test_a_soft_site_with_another_peak_in_the_papers_band_is_named(tmp_path):
    """Its H/V has a peak in 1-20 Hz, away from the edges, but a higher one below: 1-20 Hz would score another resonance."""
    soft = shaking(0.45)
    b, a = signal.iirpeak(2.5, 2, fs=RATE_HZ)
    soft[:, :2] += 1.5 * signal.lfilter(b, a, shaking(0.45, seed=1)[:, :2], axis=-1)
    records = [Record(one, RATE_HZ, name, f"e{number}") for name, data in (("hard", shaking(6)), ("soft", soft)) for number, one in enumerate(data)]
    found = report(corpus.write(records, tmp_path / "corpus"))
    assert found.loc["soft", ["edge", "paper_edge"]].tolist() == ["", ""] and found.loc["soft", "f0_hz"] < 0.6 and found.loc["soft", "paper_f0_hz"] > 1.5
    told = CliRunner().invoke(cli.app, ["corpus", "bands", str(tmp_path / "corpus")])
    low, high = found.attrs["band"]
    assert told.exit_code == 0 and f"soft: f0 is {found.loc['soft', 'f0_hz']:.3g} Hz, outside the paper's band; score with `--band-hz {low:g} {high:g}`" \
        in told.output and "hard: f0" not in told.output


def test_records_that_were_resampled_to_a_higher_rate(tmp_path):
    """At 50 Hz shaped noise describes records up to 21 Hz: to hold less than half of that is worth a remark."""
    for raw_hz, said in ((20.0, True), (25.0, False)):
        records = [Record(one, RATE_HZ, "A", f"e{number}", {"trace_sampling_rate_raw_hz": raw_hz}) for number, one in enumerate(shaking(3))]
        folder = corpus.write(records, tmp_path / f"c{raw_hz:g}").folder
        told = CliRunner().invoke(cli.app, ["corpus", "bands", str(folder)])
        assert told.exit_code == 0 and ("the records hold nothing above 10 Hz" in told.output) == said == ("--sampling-rate-hz 20 they lose nothing" in told.output)
