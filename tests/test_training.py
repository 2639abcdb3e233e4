"""The phases of TimesNet-Gen, and what a run's generators make, on a corpus of a few seconds' records."""

import numpy as np
import pytest
import torch

from tng import config, corpus, phases
from tng.checkpoints import save_checkpoint
from tng.generators.vae import train_vae
from tng.records import Record
from tng.timesnet import TimesNetGen
from tng.training import TrainingError

RATE_HZ, SAMPLES = 50.0, 256
STATIONS = ["A", "B"]


def settings(**changes):
    return config.settings(**{**dict(window_s=SAMPLES / RATE_HZ, d_model=4, d_ff=4, num_kernels=2, phase0_epochs=3,
                                     phase1_epochs=2, vae_epochs=2, vae_channels=4, batch=5, records_to_mix=3), **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Bursts of noise at four stations, of very different strength."""
    rng = np.random.default_rng(0)
    envelope = np.exp(-np.linspace(0, 5, SAMPLES))
    records = [Record(envelope * rng.standard_normal((3, SAMPLES)) * 10 ** rng.uniform(-1, 2), RATE_HZ, station, f"event {i}")
               for station in "ABCD" for i in range(14)]
    return corpus.write(records, tmp_path_factory.mktemp("training") / "corpus", seed=1)


@pytest.fixture(scope="module")
def phase0(data):
    return phases.phase0(data, settings(), STATIONS)


@pytest.fixture(scope="module")
def phase1(data, phase0):
    return phases.phase1(phase0[0], phase0[2], data, settings(), STATIONS)


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


# --- the phases ----------------------------------------------------------------------------------

def test_phase0_learns_and_repeats(data, phase0):
    network, history, noise_std = phase0
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["train"].iloc[-1] < history["train"].iloc[0]
    again, history2, noise2 = phases.phase0(data, settings(), STATIONS)
    assert equal(network, again) and history.equals(history2) and torch.equal(noise_std, noise2)
    other, _, _ = phases.phase0(data, settings(seed=1), STATIONS)
    assert not equal(network, other)


def test_phase0_never_sees_the_stations_it_will_generate_for(data, phase0, tmp_path):
    """Changing their records, and the others' test records, changes nothing."""
    rng = np.random.default_rng(9)
    changed = []
    for row in range(len(data)):
        record = data.record(row)
        if record.station in STATIONS or data.metadata["split"][row] == "test":
            record = Record(rng.standard_normal(record.data.shape), RATE_HZ, record.station, record.event)
        changed.append(record)
    other = corpus.write(changed, tmp_path / "other", seed=1)
    assert other.metadata["split"].tolist() == data.metadata["split"].tolist()
    assert equal(phases.phase0(other, settings(), STATIONS)[0], phase0[0])


def test_nothing_learns_from_test_events(data, phase0, phase1, tmp_path):
    """Other test records, same weights of Phase 1."""
    rng = np.random.default_rng(8)
    changed = [Record(100 * rng.standard_normal((3, SAMPLES)), RATE_HZ, r.station, r.event) if split == "test" else r
               for r, split in ((data.record(row), data.metadata["split"][row]) for row in range(len(data)))]
    other = corpus.write(changed, tmp_path / "other", seed=1)
    assert not np.array_equal(other.waveforms(other.select("A", "test")), data.waveforms(data.select("A", "test")))
    assert equal(phases.phase1(phase0[0], phase0[2], other, settings(), STATIONS)[0], phase1[0])


def test_raw_loss_is_in_cmps2_and_standardised_is_not(data):
    network = TimesNetGen(**settings().network()).double().eval()
    x = torch.as_tensor(data.waveforms(np.arange(6)), dtype=torch.float64)
    with torch.no_grad():
        for kind, ratio in (("raw", 9.0), ("standardised", 1.0)):
            loss = phases.reconstruction_loss(settings(loss=kind))
            assert loss(network, {"x": 3 * x}, 0) / loss(network, {"x": x}, 0) == pytest.approx(ratio, rel=1e-2)


def test_latent_std_is_that_of_the_time_means(data, phase0):
    rows = data.select(["C"], "train")
    network = phase0[0]
    with torch.no_grad():
        z = network.encode(torch.as_tensor(data.waveforms(rows), dtype=torch.float64))[0]
    expected = z.mean(dim=1).numpy().std(axis=0)
    found = phases.latent_std(network, data, rows, settings(batch=len(rows)))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# --- generators ----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def vae_network(data):
    return train_vae(data, settings(), STATIONS)[0]


def test_phase0_needs_other_stations(data):
    with pytest.raises(TrainingError, match="stations other than A, B, C, D"):
        phases.phase0(data, settings(), ["A", "B", "C", "D"])


def test_bad_period_count():
    with pytest.raises(ValueError, match="only 128 periods"):
        TimesNetGen(**{**settings().network(), "top_k": 500})


def test_every_model_of_a_run_generates(data, phase0, phase1, vae_network, tmp_path):
    """What `tng generate` calls: each model by its name, from the run folder alone."""
    import shutil

    from tng import runs

    shutil.copytree(data.folder, tmp_path / "corpus")
    described = phases.phase0(data, settings(decoder_blocks=1), STATIONS, described=True)[0].with_stations(2)
    for name, network, stations in (("phase0", phase0[0], []), ("phase1", phase1[0], []), ("phase1-described", described, STATIONS),
                                    ("vae", vae_network, STATIONS)):
        save_checkpoint(tmp_path / name, network, settings(), stations=stations, generates_for=STATIONS, corpus=data,
                        history=phase0[1])
    with pytest.raises(runs.RunError, match="10_beyond_the_average"):                    # not trained here, and the library's is not of this run
        runs.load_generator("shaped-noise", tmp_path)
    for model in (name for name in runs.GENERATORS if name != "shaped-noise"):
        generator = runs.load_generator(model, tmp_path)
        records = generator.sample("A", 2, seed=0)
        assert len(records) == 2 and records[0].data.shape == (3, SAMPLES)
    other = [Record(np.random.default_rng(i).standard_normal((3, SAMPLES)), RATE_HZ, "A", f"e{i}") for i in range(9)]
    corpus.write(other, tmp_path / "other")
    with pytest.raises(runs.RunError, match="trained on another corpus"):
        runs.load_generator("timesnet-gen", tmp_path, tmp_path / "other")
    run = runs.start({"run": str(tmp_path), "window_s": SAMPLES / RATE_HZ, "records_to_mix": 3})
    assert run.load("phase1-described", TimesNetGen, run.corpus(), STATIONS)[0].arguments["stations"] == 2
    with pytest.raises(runs.RunError, match="to generate for A, B, not for A, C"):
        run.load("phase0", TimesNetGen, run.corpus(), ["A", "C"])
