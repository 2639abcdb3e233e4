"""`tng adapt`: a station's numbers from its own few records, in a file that makes records; and what it refuses."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import signal

from command_line import tng
from tng import bandwidth, cards, checkpoints, config, corpus, spectra
from tng.corpus import Corpus
from tng.generators import GeneratorError, adapting, shaping
from tng.generators.envelope_net import EnvelopeNet
from tng.records import Record
from tng.released import load_released, release, shaped_noise

pytestmark = pytest.mark.usefixtures("seeded")

RATE_HZ, SAMPLES = 50.0, 512
OTHERS, EACH = 8, 5                                     # stations to train on, and records of each
F0_HZ, NEW = 6.0, 16


def record(rng, code, number, f0_hz=None, vs30=400.0, known=True, samples=SAMPLES, rate_hz=RATE_HZ):
    """Noise that begins at 2 s and decays; its horizontals go through a resonance, if there is one."""
    time_s = np.arange(samples) / rate_hz
    data = rng.standard_normal((3, samples)) * np.where(time_s < 2, 0.02, np.exp(-(time_s - 2) / 2))
    if f0_hz:
        data[:2] += 6 * signal.lfilter(*signal.iirpeak(f0_hz, 4, rate_hz), data[:2])
    magnitude = rng.uniform(4, 6)
    meta = {"trace_p_arrival_sample": 2 * rate_hz, "trace_s_arrival_sample": rng.uniform(2.8, 3.6) * rate_hz, "station_vs30_mps": vs30}
    meta |= {"source_magnitude": magnitude, "path_hyp_distance_km": rng.uniform(10, 100)} if known else {}
    return Record(data * np.exp(magnitude - 5), rate_hz, code, f"{code} {number}", meta)


def written(folder, records, splits=(1, 0, 0)):
    return corpus.write(list(records), folder, splits=splits)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A released shaped-noise model that knows nine stations, and the corpus of a tenth."""
    folder, rng = tmp_path_factory.mktemp("adapt"), np.random.default_rng(0)
    trained = written(folder / "others", (record(rng, f"T{i}", n, vs30=150.0 * 1.25**i) for i in range(OTHERS) for n in range(EACH)))
    settings = config.settings(window_s=SAMPLES / RATE_HZ, shape_epochs=1, shape_d_model=4, shape_blocks=1, shape_latent=2)
    with torch.random.fork_rng():
        network, history, learned = shaping.learn_all(trained, settings)
    checkpoints.save_checkpoint(folder / "shaped-noise", network, settings, stations=list(learned.stations), corpus=trained, history=history,
                                extra=learned.tensors())
    network, info, extra = checkpoints.load_checkpoint(folder / "shaped-noise", EnvelopeNet)
    release(folder / "model.safetensors", network, None, info, name="shaped noise", extra=extra)
    written(folder / "new", (record(rng, "NEW", n, F0_HZ) for n in range(NEW)))
    return folder


def command(monkeypatch, capsys, model, into, *more, data="new", station="NEW"):
    return tng(monkeypatch, capsys, "adapt", "--checkpoint", model / "model.safetensors", "--corpus", model / data, "--station", station, "--into", into, *more)


# --- what it makes -----------------------------------------------------------------------------------------

def test_the_station_is_added_and_nothing_else_changes(model, tmp_path, monkeypatch, capsys):
    code, text = command(monkeypatch, capsys, model, tmp_path / "mine.safetensors")
    assert code == 0, text
    before, after = shaped_noise(model / "model.safetensors"), load_released(tmp_path / "mine.safetensors")
    assert after.stations == [*before.stations, "NEW"] and before.stations == [f"T{i}" for i in range(OTHERS)]
    for ours, theirs in zip(after.sample("T3", 2, 5), before.sample("T3", 2, 5), strict=True):
        assert np.array_equal(ours.data, theirs.data)
    assert all(torch.equal(a, b) for a, b in zip(after.network.state_dict().values(), before.network.state_dict().values(), strict=True))
    assert f"NEW: {NEW} records, all with magnitude and distance" in text and "uncertain" not in text
    assert f"--checkpoint {tmp_path}/mine.safetensors --station NEW -n 50" in text
    card = (tmp_path / "mine.md").read_text()
    assert f"NEW was added by `tng adapt`, from {NEW} records of the corpus {Corpus.open(model / 'new').fingerprint}" in card and "Synthetic" not in card


def test_the_card_tells_recorded_stations_from_the_synthetic_training(model):
    info = checkpoints.read_about(model / "model.safetensors")
    info |= {"corpus_about": {**info["corpus_about"], "synthetic": True}}
    mine = {"records": 4, "corpus": "c", "synthetic": False}
    for adapted, expected in (({}, False), ({"MINE": mine}, True), ({"MINE": {**mine, "synthetic": True}}, False)):
        card = cards.text(model / "model.md", {**info, "adapted": adapted})
        assert "**Synthetic.**" in card and ("Recorded are only those by which it was adapted to MINE." in card) == expected


def test_its_numbers_are_those_of_phase_1_with_a_prior_as_wide_as_it_needs(model, tmp_path, monkeypatch, capsys):
    command(monkeypatch, capsys, model, tmp_path / "mine.safetensors")
    generator, data = shaped_noise(tmp_path / "mine.safetensors"), Corpus.open(model / "new")
    measured = shaping.measure(generator.network, data, data.select(["NEW"], "train"))
    expected = shaping.phase1(generator.network, adapting.widened(generator.network, generator.law, measured), measured)
    for name, value in expected.tensors(0).items():
        torch.testing.assert_close(generator.known["NEW"].tensors(0)[name], value, rtol=0, atol=0)


def test_the_f0_it_states_is_that_of_the_records_and_of_what_is_made(model, tmp_path, monkeypatch, capsys):
    _, text = command(monkeypatch, capsys, model, tmp_path / "mine.safetensors")
    stated = float(re.search(r"f0 ([\d.]+) Hz", text)[1])
    made = np.stack([one.data for one in load_released(tmp_path / "mine.safetensors").sample("NEW", 24, 0)])
    data = Corpus.open(model / "new")
    for x in (data.waveforms(np.arange(len(data))), made):
        freq_hz, curves = spectra.hvsr(x, RATE_HZ)
        assert freq_hz[np.median(curves, axis=0).argmax()] == pytest.approx(F0_HZ, rel=0.1)
    assert stated == pytest.approx(F0_HZ, rel=0.1)


def test_a_model_can_be_adapted_again(model, tmp_path, monkeypatch, capsys):
    command(monkeypatch, capsys, model, tmp_path / "one.safetensors", "--records", 4)
    code, text = tng(monkeypatch, capsys, "adapt", "--checkpoint", tmp_path / "one.safetensors", "--corpus", model / "new", "--station", "NEW",
                     "--into", tmp_path / "two.safetensors")
    assert code == 0 and "NEW: the model knew a station of this name; its numbers are replaced" in text
    one, two = (shaped_noise(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    assert one.stations == two.stations and len(one.known["NEW"].catalogue) == 4 and len(two.known["NEW"].catalogue) == NEW
    assert checkpoints.read_about(tmp_path / "two.safetensors")["adapted"]["NEW"]["records"] == NEW


def test_few_records_are_remarked_on(model, tmp_path, monkeypatch, capsys):
    for n in (9, 10):
        code, text = command(monkeypatch, capsys, model, tmp_path / f"{n}.safetensors", "--records", n)
        assert code == 0 and f"NEW: {n} records" in text and ("H/V is uncertain" in text) == (n < 10)


# --- which records ------------------------------------------------------------------------------------------

def test_more_records_are_the_same_and_others(model):
    data = Corpus.open(model / "new")
    sets = [set(adapting.choose(data, "NEW", n, seed=3).tolist()) for n in (3, 7, NEW)]
    assert [len(rows) for rows in sets] == [3, 7, NEW] and sets[0] < sets[1] < sets[2]
    assert np.array_equal(adapting.choose(data, "NEW"), data.select(["NEW"], "train"))
    assert len({tuple(adapting.choose(data, "NEW", 5, seed)) for seed in range(6)}) > 3


def test_records_come_earthquake_by_earthquake_from_the_training_records(tmp_path):
    rng = np.random.default_rng(1)
    pairs = [Record(rng.standard_normal((3, SAMPLES)), RATE_HZ, "A", f"event {i // 2}", {}) for i in range(24)]
    data = written(tmp_path / "pairs", pairs, splits=(0.5, 0, 0.5))
    for seed in range(5):
        rows = adapting.choose(data, "A", 6, seed)
        assert set(data.metadata["split"].iloc[rows]) == {"train"}
        assert (data.metadata["source_id"].iloc[rows].value_counts() == 2).all()          # both records of three earthquakes


# --- what other stations teach --------------------------------------------------------------------------------

def test_vs30_says_where_the_station_is_looked_for(model):
    generator, data = shaped_noise(model / "model.safetensors"), Corpus.open(model / "new")
    law, at = generator.law, adapting.unrecorded(generator)
    assert bool(law.prior[1].any())
    soft = adapting.unrecorded(generator, 150.0).mean - at.mean
    torch.testing.assert_close(soft, law.prior[2] + law.prior[1] * np.log(150 / 400))
    rows = adapting.choose(data, "NEW", 4)
    few = [adapting.adapt(generator.network, law, data, rows, vs30)[0].mean for vs30 in (150.0, 400.0, None)]
    torch.testing.assert_close(few[1], few[2])                                           # 400 m/s is what the corpus states
    assert 0 < float((few[0] - few[1]).norm()) < float(soft.norm())                      # drawn there, but not all the way


def test_a_station_of_another_kind_finds_a_wider_prior(model):
    generator, data = shaped_noise(model / "model.safetensors"), Corpus.open(model / "others")
    network, law = generator.network, generator.law
    own = shaping.measure(network, data, data.select(["T4"], "train"))
    strange = replace(own, known=replace(own.known, ln_power=own.known.ln_power + 12 * (-1.0) ** torch.arange(own.known.ln_power.shape[1])[:, None]))

    def times(measured):
        return float((torch.diagonal(adapting.widened(network, law, measured).between) / torch.diagonal(law.between)).mean())

    assert times(own) == pytest.approx(adapting.WIDENED[0]) and times(strange) >= 4 * adapting.WIDENED[0]
    lost = {name: float((shaping.phase1(network, prior, strange).mean - shaping.phase1(network, adapting.without_others(law), strange).mean).norm())
            for name, prior in (("wide", adapting.widened(network, law, strange)), ("narrow", law))}
    assert lost["wide"] < lost["narrow"] / 3
    assert adapting.widened(network, adapting.without_others(law), own).between.count_nonzero() == 0


def test_without_others_the_mean_is_that_of_the_records(model):
    generator, data = shaped_noise(model / "model.safetensors"), Corpus.open(model / "new")
    law, alone = generator.law, adapting.without_others(generator.law)
    rows = adapting.choose(data, "NEW", 4)
    own, measured = adapting.adapt(generator.network, alone, data, rows)
    layout = generator.layout
    effect = law.effect(torch.stack([measured.magnitude, torch.log(measured.distance_km)], dim=1), generator.bands.centres_hz)
    rest = measured.known.ln_power.flatten(1) - effect[:, :3 * layout.bands]
    torch.testing.assert_close(own.mean[:3 * layout.bands], rest.mean(dim=0))
    leaning, nothing = adapting.adapt(generator.network, law, data, rows)[0].mean, adapting.unrecorded(generator).mean
    assert float((leaning - nothing).norm()) < float((own.mean - nothing).norm())


def test_a_station_without_records_makes_records(model):
    generator = shaped_noise(model / "model.safetensors")
    station = adapting.unrecorded(generator)
    assert len(station.catalogue) == OTHERS * EACH == len(station.p_onsets)
    generator.known["?"] = station
    generator.stations.append("?")
    x = np.stack([one.data for one in generator.sample("?", 8, 0)])
    assert np.isfinite(x).all() and (x.std(axis=2) > 0).all()


def test_the_curve_is_the_hvsr_of_noise_with_that_spectrum(model):
    """White noise through the station's amplitudes, measured by the paper's recipe."""
    generator = shaped_noise(model / "model.safetensors")
    nodes, station = generator.nodes, generator.known["T0"]
    hz = torch.exp(nodes.ln_hz)
    station.curve = torch.stack([torch.log(1 + 3 * torch.exp(-8 * torch.log(hz / centre) ** 2)) for centre in (4.0, 4.0, 9.0)])
    freq_hz, curve = adapting.curve_of(station, nodes)
    lines_hz = np.fft.rfftfreq(6000, 1 / RATE_HZ)
    amplitude = np.exp([np.interp(np.log(np.maximum(lines_hz, 0.01)), nodes.ln_hz, one) for one in station.curve])
    x = np.fft.irfft(np.fft.rfft(np.random.default_rng(0).standard_normal((60, 3, 6000))) * amplitude, 6000)
    at_hz, measured = spectra.hvsr(x, RATE_HZ)
    apart = np.log(np.interp(freq_hz, at_hz, np.median(measured, axis=0)) / curve)
    assert np.abs(apart).max() < 0.06 and abs(apart.mean()) < 0.01
    assert curve.max() / curve.min() > 4                                                # there is something to see


# --- what it refuses ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("more, expected", [
    (["--records", "2"], "2 records of station NEW; at least 3 are needed"),
    (["--records", "17"], "station NEW has 16 training records; 17 are needed(.|\n)*tng corpus split"),
    (["--station", "NEU"], "no station 'NEU': did you mean 'NEW'"),
    (["--station", "OTHER", "--vs30-mps", "300"], "several are named"),
    (["--corpus", "nowhere"], "nowhere: no such folder"),
    (["--checkpoint", "nothing.safetensors"], "nothing.safetensors: no such checkpoint"),
])
def test_mistakes(more, expected, model, tmp_path, monkeypatch, capsys):
    code, text = command(monkeypatch, capsys, model, tmp_path / "mine.safetensors", *more)
    assert code == 1 and text.startswith("Error: ") and re.search(expected, text.replace(str(model), "")), text
    assert not (tmp_path / "mine.safetensors").exists()


def test_files_are_not_replaced_unasked(model, tmp_path, monkeypatch, capsys):
    there = tmp_path / "mine.safetensors"
    there.write_text("precious")
    code, text = command(monkeypatch, capsys, model, there)
    assert code == 1 and "is there already" in text and there.read_text() == "precious"
    assert command(monkeypatch, capsys, model, tmp_path / "mine.bin")[1].startswith("Error: --into")
    assert command(monkeypatch, capsys, model, there, "--overwrite")[0] == 0 and load_released(there).stations[-1] == "NEW"


def test_other_rates_and_lengths_are_refused_with_what_to_do(model, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(2)
    written(model / "other-rate", (record(rng, "NEW", n, samples=1024, rate_hz=100.0) for n in range(4)))
    code, text = command(monkeypatch, capsys, model, tmp_path / "mine.safetensors", data="other-rate")
    assert code == 1 and "ingest them with --sampling-rate-hz 50 --window-s 10.24" in text


def test_records_of_a_lower_rate_are_not_to_be_ingested_at_a_higher_one(model, tmp_path, monkeypatch, capsys):
    """The network's highest band lies at 21 Hz: 10 Hz is less than half of it, 15 Hz is not."""
    rng = np.random.default_rng(5)
    for rate_hz, refused in ((20.0, True), (30.0, False)):
        folder = written(model / f"rate-{rate_hz:g}", (record(rng, "NEW", n, rate_hz=rate_hz) for n in range(4))).folder
        code, text = command(monkeypatch, capsys, model, tmp_path / "mine.safetensors", data=folder.name)
        assert code == 1 and f"the records hold nothing above {rate_hz / 2:g} Hz" in text
        assert f"tng train shaped-noise --corpus {folder} --run" in text and ("ingest them with --sampling-rate-hz 50" in text) != refused


@pytest.mark.parametrize("meta, limits_hz, refused", [
    ({"trace_sampling_rate_raw_hz": 20.0}, [10.0], True), ({"trace_bandlimit_hz": 10.4}, [10.4], True), ({"trace_highcut_hz": 10.4}, [10.4], True),
    ({"trace_bandlimit_hz": 10.6}, [10.6], False), ({"trace_sampling_rate_raw_hz": 25.0}, [12.5], False), ({"trace_bandlimit_hz": 21.0}, [21.0], None),
    ({"trace_sampling_rate_raw_hz": 200.0, "trace_bandlimit_hz": 0.0}, [25.0], None), ({"trace_bandlimit_hz": "unknown"}, [25.0], None)])
def test_records_that_were_resampled_to_the_right_rate_are_found_out(meta, limits_hz, refused, model, tmp_path, monkeypatch, capsys):
    """Half of the network's highest band is 10.5 Hz."""
    rng = np.random.default_rng(6)
    data = written(tmp_path / "data", (replace(one, meta=one.meta | meta) for one in (record(rng, "NEW", n) for n in range(4))))
    assert bandwidth.held_hz(data).tolist() == 4 * limits_hz
    code, text = command(monkeypatch, capsys, model, tmp_path / "mine.safetensors", "--corpus", data.folder)
    assert code == (1 if refused else 0) and (tmp_path / "mine.safetensors").exists() != bool(refused)
    assert (f"the records hold nothing above {limits_hz[0]:g} Hz, and the model describes records up to 21 Hz" in text) == (refused is not None)
    assert (f"--sampling-rate-hz {2 * limits_hz[0]:g}, and train a model of your own: tng train shaped-noise" in text) == (refused is not None)


@pytest.mark.parametrize("narrow, refused", [(1, False), (2, True)])
def test_a_few_narrow_records_among_others_are_remarked_on(narrow, refused, model, tmp_path, monkeypatch, capsys):
    """Only the adapted station's records count."""
    rng = np.random.default_rng(7)
    limits_hz = {"NEW": [5.0] * narrow + [25.0] * (4 - narrow), "OTHER": [5.0] * 4}
    data = written(tmp_path / "data", (replace(one, meta=one.meta | {"trace_bandlimit_hz": hz}) for code, each in limits_hz.items() for n, hz in enumerate(each)
                                       for one in [record(rng, code, n)]))
    code, text = command(monkeypatch, capsys, model, tmp_path / "mine.safetensors", "--corpus", data.folder)
    assert code == refused and f"{narrow} of the 4 records hold nothing above 5 Hz" in text and text.startswith("Error:") == refused


def test_of_which_kind_the_stations_records_are(model, tmp_path, monkeypatch, capsys):
    """In a corpus of both kinds, what counts is the station that is added."""
    rng = np.random.default_rng(8)
    data = written(tmp_path / "data", (replace(one, meta=one.meta | {"trace_category": category}) for code, category in (("REAL", "earthquake"), ("MADE", "synthetic"))
                                       for n in range(4) for one in [record(rng, code, n)]))
    code, text = tng(monkeypatch, capsys, "adapt", "--checkpoint", model / "model.safetensors", "--corpus", data.folder, "--station", "REAL", "--station", "MADE",
                     "--into", tmp_path / "mine.safetensors")
    assert code == 0, text
    added = checkpoints.read_about(tmp_path / "mine.safetensors")["adapted"]
    assert {code: about["synthetic"] for code, about in added.items()} == {"REAL": False, "MADE": True}


@pytest.mark.parametrize("missing", ["station.0.polarised", "law.steady"])
def test_models_of_another_version(missing, model, tmp_path, monkeypatch, capsys):
    old, file = tmp_path / "old.safetensors", model / "model.safetensors"
    tensors, info = checkpoints.read_tensors(file)
    checkpoints.write_tensors(old, {name: value for name, value in tensors.items() if name != f"extra.{missing}"}, info)
    for words in (["adapt", "--corpus", model / "new", "--station", "NEW", "--into", tmp_path / "mine.safetensors"],
                  ["generate", "--station", "T0", "--into", tmp_path / "made"]):
        code, text = tng(monkeypatch, capsys, *words, "--checkpoint", old)
        assert code == 1 and text.strip() == f"Error: {old}: made by another version of tng: {missing} is missing; train or adapt it again"


def test_magnitudes_are_asked_for(model, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(3)
    written(model / "nameless", (record(rng, "NEW", n, known=n < 2) for n in range(6)))
    code, text = command(monkeypatch, capsys, model, tmp_path / "mine.safetensors", data="nameless")
    assert code == 1 and "2 of the 6 records of station NEW have a magnitude and a distance" in text and "--events" in text


def test_records_of_two_stations_are_none(model):
    generator, data = shaped_noise(model / "model.safetensors"), Corpus.open(model / "others")
    with pytest.raises(GeneratorError, match="2 stations"):
        adapting.adapt(generator.network, generator.law, data, data.select(["T0", "T1"], "train"))
