"""Generators without a network: what each keeps of the records it is made from, and what it loses."""

import numpy as np
import pytest
from scipy import fft, signal

from tng import corpus, intensity, spectra, stochastic, surrogate
from tng.generators import GeneratorError, nulls, point_source
from tng.records import Record
from tng.standard import standardise

RATE_HZ, WINDOW_S = 50.0, 40.0
STATIONS = ["1716-like", "4628-like"]
NAMES = ["average", "replay", "unit-norm mix", "phase-randomised", "phase + envelope", "stochastic"]


def unknown(record):
    """The record without what is known of its earthquake."""
    known = {name: value for name, value in record.meta.items()
             if not name.startswith(("source_magnitude", "path_", "trace_p_", "trace_s_"))}
    return Record(record.data, record.sampling_rate_hz, record.station, record.event, known)


def make(folder, rate_hz=RATE_HZ, window_s=WINDOW_S, n=40, stations=STATIONS, change=lambda record: record):
    records = (record for station in stations for record in surrogate.simulate(station, n))
    return corpus.write((change(standardise(record, rate_hz, window_s)) for record in records), folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make(tmp_path_factory.mktemp("nulls") / "corpus")


@pytest.fixture(scope="module")
def generators(data):
    return nulls.baselines(data, STATIONS, k=4)


def array(records):
    return np.stack([record.data for record in records])


def sources_of(record, data):
    rows = [data.metadata.index[data.metadata["trace_name"] == name][0] for name in record.meta["generator_sources"].split(";")]
    return data.waveforms(rows).astype(float)


def standardised(x, floor=0.0):
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt(x.var(axis=-1, keepdims=True) + floor)


# --- the protocol ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NAMES)
def test_protocol(name, generators, data):
    generator = generators[name]
    assert generator.name == name and list(generator.stations) == STATIONS
    records = generator.sample("4628-like", 3, seed=5)
    train = set(data.metadata["trace_name"][data.select(["4628-like"], "train")])
    for record in records:
        assert record.data.shape == (3, 2000) and record.station == "4628-like" and record.sampling_rate_hz == RATE_HZ
        assert record.meta["trace_category"] == "generated" and record.meta["generator"] == name
        assert set(filter(None, record.meta["generator_sources"].split(";"))) <= train
    again, other = (array(generator.sample("4628-like", 3, seed=seed)) for seed in (5, 6))
    np.testing.assert_array_equal(array(records), again)
    assert not any(np.array_equal(a, b) for a in again for b in other)
    assert not np.array_equal(records[0].data, records[1].data)
    with pytest.raises(GeneratorError, match="did you mean '4628-like'"):
        generator.sample("4628-lke", 1, seed=0)


def test_all_are_there(generators, data):
    assert list(generators) == NAMES
    assert nulls.baselines(data, STATIONS, k=1)["average"].sample(STATIONS[0], 1, 0)[0].meta["generator_sources"].count(";") == 0


def test_stated_ancestry_makes_the_record_again(generators, data):
    """From the names and weights in the metadata, up to a positive factor a component."""
    for name, squared in (("average", 1 / 4), ("unit-norm mix", 1.0)):
        for record in generators[name].sample("1716-like", 3, seed=1):
            weights = np.array(record.meta["generator_weights"].split(";"), dtype=float)
            assert (weights**2).sum() == pytest.approx(squared, rel=1e-4)
            floor = 1e-5 if name == "average" else 0.0                         # of the variance, as published
            mixed = np.tensordot(weights, standardised(sources_of(record, data), floor), axes=1)
            np.testing.assert_allclose(standardised(record.data), standardised(mixed), atol=2e-5)


# --- mixtures --------------------------------------------------------------------------------------------

def test_unit_norm_keeps_the_variance_that_an_average_loses():
    scale = np.array([1.0, 4.0, 2.0, 8.0, 0.5])[:, None, None]
    x = scale * np.random.default_rng(0).standard_normal((5, 3, 50000))
    weights = np.array([1, -1, -1, 1, 1]) / np.sqrt(5)
    mixed = nulls.UnitNormMix.mix(x, weights)
    assert mixed.std(axis=-1) == pytest.approx(np.full(3, 2.0), rel=0.02)      # the geometric mean of the scales
    assert nulls.RecordAverage.mix(x).std(axis=-1) == pytest.approx(np.full(3, 3.1 / np.sqrt(5)), rel=0.02)


def test_unit_norm_signs_are_random(generators):
    signs = [np.sign(np.array(record.meta["generator_weights"].split(";"), dtype=float))
             for record in generators["unit-norm mix"].sample("1716-like", 50, seed=0)]
    assert abs(np.mean(signs)) < 0.3
    assert len({tuple(s) for s in signs}) > 8


# --- phases ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("samples", [2000, 1999])
def test_random_phases_keep_amplitudes_and_differences(samples):
    x = np.random.default_rng(1).standard_normal((3, samples)) * np.exp(-np.arange(samples) / 300) + [[1.0], [2], [3]]
    new = nulls.PhaseRandomised.randomise(x, np.random.default_rng(2))
    before, after = fft.rfft(x), fft.rfft(new)
    np.testing.assert_allclose(np.abs(after), np.abs(before), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(after[0] * after[1].conj(), before[0] * before[1].conj(), atol=1e-6)
    np.testing.assert_allclose(after[2] * after[1].conj(), before[2] * before[1].conj(), atol=1e-6)
    np.testing.assert_allclose(new.mean(axis=1), x.mean(axis=1), atol=1e-12)
    turned = np.angle(after[0, 1:-1] / before[0, 1:-1])
    assert np.abs(np.exp(1j * turned).mean()) < 0.1                            # uniform around the circle
    assert np.abs(np.corrcoef(x[0], new[0])[0, 1]) < 0.2


def envelope(x, rate_hz):
    """Root mean square of 2 s, the three components together, once a second."""
    power = signal.convolve((x**2).sum(axis=0), np.ones(round(2 * rate_hz)), mode="same")
    return np.sqrt(power[::round(rate_hz)])


def test_envelope_is_lost_and_put_back(generators, data):
    found = {}
    for name in ("phase-randomised", "phase + envelope"):
        records = generators[name].sample("1716-like", 12, seed=3)
        recorded = np.stack([sources_of(record, data)[0] for record in records])
        new = array(records)
        np.testing.assert_allclose(intensity.arias(new, RATE_HZ), intensity.arias(recorded, RATE_HZ), rtol=2e-3)
        found[name] = (np.median([np.corrcoef(envelope(a, RATE_HZ), envelope(b, RATE_HZ))[0, 1] for a, b in zip(new, recorded)]),
                       np.median(intensity.significant_duration(new, RATE_HZ)),
                       np.median(intensity.significant_duration(recorded, RATE_HZ)))
    assert found["phase-randomised"][0] < 0.5 and found["phase-randomised"][1] > 0.8 * WINDOW_S
    assert found["phase + envelope"][0] > 0.95
    assert found["phase + envelope"][1] == pytest.approx(found["phase + envelope"][2], rel=0.35)


def test_spectra_and_hvsr_stay(generators, data):
    """Exactly with random phases alone; smoothed, when the envelope has been put back."""
    for name in ("phase-randomised", "phase + envelope"):
        records = generators[name].sample("4628-like", 8, seed=4)
        new, recorded = array(records), np.stack([sources_of(record, data)[0] for record in records])
        centred = [x - x.mean(axis=-1, keepdims=True) for x in (new, recorded)]
        if name == "phase-randomised":
            new_fas, old_fas = (spectra.fourier_amplitude(x, RATE_HZ)[1] for x in centred)
            np.testing.assert_allclose(new_fas, old_fas, rtol=1e-3, atol=1e-6 * old_fas.max())
        new_fas, old_fas = (np.log(point_source.smoothed_amplitudes(x, RATE_HZ)) for x in centred)
        assert np.sqrt(np.mean((new_fas - old_fas) ** 2)) < (0.01 if name == "phase-randomised" else 0.12)
        (_, new_hvsr), (_, old_hvsr) = (spectra.hvsr(x, RATE_HZ) for x in (new, recorded))
        assert np.sqrt(np.mean(np.log(new_hvsr / old_hvsr) ** 2)) < 0.25       # its padding lets the phases show
        assert abs(np.mean(np.log(new_hvsr / old_hvsr))) < 0.05


@pytest.mark.parametrize("with_envelope", [False, True])
def test_polarisation_stays(with_envelope):
    """A motion along one line stays on it."""
    rng = np.random.default_rng(0)
    x = np.array([[1.0], [2.0], [-0.5]]) * rng.standard_normal(2000) * np.exp(-np.arange(2000) / 300)
    new = nulls.PhaseRandomised.randomise(x, rng)
    if with_envelope:
        new = nulls.PhaseRandomised.reshape(new, x, RATE_HZ)
        x = x - x.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(new.std(axis=1), x.std(axis=1), rtol=1e-9)
    np.testing.assert_allclose(new[1], 2 * new[0], atol=1e-9 * np.abs(new).max())
    np.testing.assert_allclose(new[2], -0.5 * new[0], atol=1e-9 * np.abs(new).max())


# --- the stochastic method -------------------------------------------------------------------------------

@pytest.mark.parametrize("rate_hz, window_s, change", [
    (50.0, 40.0, None), (31.25, 40.0, None), (100.0, 60.0, None), (100.0, 90.0, None), (50.0, 40.0, unknown)])
def test_stochastic_motion_is_like_the_training_records(rate_hz, window_s, change, tmp_path):
    n = 40 if rate_hz < 100 else 25
    data = make(tmp_path / "corpus", rate_hz, window_s, n, ["1716-like"], change or (lambda record: record))
    train = data.waveforms(data.select(["1716-like"], "train")).astype(float)
    generator = nulls.StochasticMotion(data, ["1716-like"])
    fit, rng = generator.fit("1716-like"), np.random.default_rng(0)
    new = np.stack([generator.motion(fit, path, rng) for path in fit.paths for _ in range(3)])     # each event as often
    assert new.shape[1:] == train.shape[1:]
    ln_new, ln_train = (np.log(point_source.smoothed_amplitudes(x - x.mean(axis=-1, keepdims=True), rate_hz)).mean(axis=0)
                        for x in (new, train))
    shaking = point_source.centres_of(data.samples, rate_hz) > 0.5             # below it, ambient noise counts
    assert np.abs((ln_new - ln_train)[:, shaking]).max() < 0.3
    durations = [np.median(intensity.horizontal_duration(x, rate_hz)) for x in (new, train)]
    assert 0.6 < durations[0] / durations[1] < 1.9
    spread = [np.log(intensity.horizontal_pga(x)).std() for x in (new, train)]
    assert 0.7 < spread[0] / spread[1] < 1.4


def test_stochastic_onsets_are_those_of_the_training_records(data):
    generator = nulls.StochasticMotion(data, STATIONS)
    fit = generator.fit("1716-like")
    stated = data.metadata.loc[data.select(["1716-like"], "train"), "trace_p_arrival_sample"] / RATE_HZ
    np.testing.assert_allclose([path.onset_s for path in fit.paths], stated)
    path = max(fit.paths, key=lambda path: path.onset_s)
    x = generator.motion(fit, path._replace(noise_cmps2=np.full(3, 1e-4)), np.random.default_rng(0))
    onset = round(path.onset_s * RATE_HZ)
    assert np.abs(x[:, :onset - 5]).max() < 1e-3
    assert np.abs(x[:, onset:onset + 250]).max() > 1e-2


def test_s_waves_follow_p_waves(data):
    generator = nulls.StochasticMotion(data, STATIONS)
    fit = generator.fit("1716-like")
    far = fit.paths[0]._replace(onset_s=5.0, magnitude=5.0, distance_km=100.0, noise_cmps2=np.zeros(3))
    power = (np.mean([generator.motion(fit, far, np.random.default_rng(i)) ** 2 for i in range(5)], axis=0)).sum(axis=0)
    s_onset = round((5 + 100 * (1 / stochastic.S_VELOCITY - 1 / stochastic.P_VELOCITY)) * RATE_HZ)
    before, after = power[s_onset - 200:s_onset - 10].mean(), power[s_onset + 50:s_onset + 400].mean()
    assert before < 0.2 * after


def test_waves_end_before_the_filters_ring_around(data):
    generator = nulls.StochasticMotion(data, STATIONS)
    fit = generator.fit("4628-like")
    late = fit.paths[0]._replace(onset_s=WINDOW_S - 3, noise_cmps2=np.full(3, 1e-6))
    x = generator.motion(fit, late, np.random.default_rng(0))
    assert np.abs(x[:, :round((WINDOW_S - 3.2) * RATE_HZ)]).max() < 1e-3 * np.abs(x).max()


def test_equivalent_sources_are_found_again():
    centres_hz = np.geomspace(0.2, 20, 60)
    truth = [(4.3, point_source.EQUIVALENT_KM[15]), (6.1, point_source.EQUIVALENT_KM[30]), (5.0, 33.3)]
    ln_rock = np.log([stochastic.rock_spectrum(centres_hz, m, stochastic.effective_distance_km(m, r)) for m, r in truth])
    found = point_source.equivalent_sources(ln_rock, centres_hz, np.array([np.nan, np.nan, 5.0]), np.array([np.nan] * 2 + [33.3]))
    np.testing.assert_allclose(found, truth, rtol=1e-6)
    r = truth[0][1]
    ln_rock = np.log(stochastic.rock_spectrum(centres_hz, 4.37, stochastic.effective_distance_km(4.37, r)))
    kept = point_source.equivalent_sources(ln_rock[None], centres_hz, np.array([4.37]), np.array([np.nan]))
    np.testing.assert_allclose(kept, [(4.37, r)], rtol=1e-6)


def test_stochastic_method_says_what_it_lacks(tmp_path):
    few = make(tmp_path / "few", n=3, stations=["1716-like"])
    with pytest.raises(GeneratorError, match="1716-like has . training records; .* at least 3"):
        nulls.StochasticMotion(few, ["1716-like"]).sample("1716-like", 1, 0)
    rng = np.random.default_rng(0)
    short = corpus.write([Record(rng.standard_normal((3, 40)), 50.0, "A", f"e{i}") for i in range(10)], tmp_path / "short")
    with pytest.raises(GeneratorError, match="40 samples at 50 Hz are too short"):
        nulls.StochasticMotion(short, ["A"]).sample("A", 1, 0)
