"""Phase 0 and Phase 1 of either network, the latent noise level, and the trainings of a run."""

import numpy as np
import pytest
import torch

from tng import config, corpus, phases, runs, trainings
from tng.processes import TrainingError
from tng.records import Record

RATE_HZ, SAMPLES = 50.0, 256
STATIONS = ["A", "B"]


def settings(**changes):
    return config.settings(**{**dict(window_s=SAMPLES / RATE_HZ, d_model=4, d_ff=4, num_kernels=2, phase0_epochs=2, phase1_epochs=1,
                                     vae_epochs=1, vae_channels=4, batch=5, records_to_mix=3, decoder_blocks=1, latent=4), **changes})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Bursts of noise at four stations, of very different strength, on one of three tones each."""
    rng = np.random.default_rng(0)
    time = np.arange(SAMPLES)
    records = []
    for station in "ABCD":
        for i in range(14):
            tone = np.sin(2 * np.pi * time * (16 if i % 2 else 32) / SAMPLES)
            x = np.exp(-time / 60) * (rng.standard_normal((3, SAMPLES)) + 4 * tone)
            records.append(Record(x * 10 ** rng.uniform(-1, 2), RATE_HZ, station, f"event {i}"))
    return corpus.write(records, tmp_path_factory.mktemp("phases") / "corpus", seed=1)


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


# --- the noise level -------------------------------------------------------------------------------

def test_the_public_sum_is_too_low_by_what_the_mean_moved():
    """Two batches of constant values: all of the scatter is between them, and half of one square is all that is summed up."""
    batches = [torch.zeros(4, 1, dtype=torch.float64), torch.full((4, 1), 2.0, dtype=torch.float64)]
    exact = torch.cat(batches).std(unbiased=False)
    assert float(exact) == 1
    torch.testing.assert_close(phases.published_std(batches), torch.tensor([(4 * 1.0**2 / 7) ** 0.5], dtype=torch.float64))


def test_the_public_sum_of_one_batch_is_the_sample_standard_deviation():
    x = torch.randn(9, 3, dtype=torch.float64)
    torch.testing.assert_close(phases.published_std([x]), x.std(dim=0, unbiased=True))


def test_the_setting_chooses_the_estimate(data):
    rows = data.select(["C", "D"], "train")
    network, _, exact = phases.phase0(data, settings(), STATIONS)
    published = phases.latent_std(network, data, rows, settings(noise_estimate="published"))
    assert exact.shape == published.shape == (4,)
    assert not torch.allclose(exact, published, rtol=0.02)


# --- periods of a corpus ----------------------------------------------------------------------------

def test_periods_of_a_corpus_are_those_of_its_tones(data):
    rows = data.select(["C", "D"], "train")
    assert sorted(phases.corpus_periods(data, rows, settings())) == [8, 16]


def test_fixed_periods_are_kept_with_the_network(data):
    network, *_ = phases.phase0(data, settings(period_choice="corpus"), STATIONS)
    assert sorted(network.arguments["periods"]) == [8, 16]
    assert [fold.period for fold in network.blocks[0].folds(torch.randn(2, SAMPLES, 4).double())] == network.arguments["periods"]


# --- phases ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("described", [False, True])
def test_phase1_starts_where_phase0_ended(data, described):
    first, _, noise_std = phases.phase0(data, settings(), STATIONS, described=described)
    assert noise_std.shape == (4,) and first.arguments["stations"] == 0
    still = settings(phase1_learning_rate=1e-12)
    second, history = phases.phase1(first, noise_std, data, still, STATIONS)
    assert second.arguments["stations"] == (2 if described else 0)          # no station enters the published network
    x = torch.as_tensor(data.waveforms(np.arange(4)), dtype=torch.float64)
    number = torch.tensor([0, 1, 0, 1]) if described else None
    with torch.no_grad():
        torch.testing.assert_close(second(x, number), first(x), rtol=1e-5, atol=1e-5)
    assert not equal(phases.phase1(first, noise_std, data, settings(), STATIONS)[0], second)


def test_phase1_on_the_other_stations_as_the_public_code_does(data):
    first, _, noise_std = phases.phase0(data, settings(), STATIONS)
    others = settings(phase1_records="others")
    as_code, _ = phases.phase1(first, noise_std, data, others, STATIONS)
    assert not equal(as_code, phases.phase1(first, noise_std, data, settings(), STATIONS)[0])
    rng = np.random.default_rng(5)                                           # other records at the stations: nothing changes
    changed = [Record(rng.standard_normal((3, SAMPLES)), RATE_HZ, r.station, r.event) if r.station in STATIONS else r
               for r in map(data.record, range(len(data)))]
    other = corpus.write(changed, data.folder.with_name("changed"), seed=1)
    assert equal(as_code, phases.phase1(first, noise_std, other, others, STATIONS)[0])
    described, _, noise_std = phases.phase0(data, settings(), STATIONS, described=True)
    assert phases.phase1(described, noise_std, data, others, STATIONS)[0].arguments["stations"] == 2     # it has to see them


def test_too_little_memory_names_the_settings_that_help(data):
    from tng.training import CorpusBatches, train

    def loss(network, batch, progress):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nlong advice")

    batches = CorpusBatches(data, np.arange(10), settings())
    with pytest.raises(TrainingError, match="Tried to allocate 9 GiB.*records_at_once to 3 or fewer.*recompute.*bf16-mixed.*No state was written") as caught:
        train(lambda: torch.nn.Linear(1, 1), loss, batches, batches, epochs=1, learning_rate=1e-3, settings=settings(), label="test")
    assert "long advice" not in str(caught.value)


# --- trainings of a run ------------------------------------------------------------------------------

@pytest.fixture
def run(data, tmp_path):
    return runs.Run("quick", tmp_path / "run", data.folder, settings(stations=("A", "B")), own_corpus=True)


def test_all_trainings_in_their_order(run):
    for name in trainings.TRAININGS:
        trained = trainings.carry_out(name, run)
        assert (run.folder / f"{name}.safetensors").exists() and (run.folder / f"{name}.md").exists()
        assert not list(run.folder.glob("*.part*"))
        again = trainings.load(name, run, run.corpus(), STATIONS)
        assert equal(trained.network, again.network)
        assert trained.info["training"] == name and trained.info["generates_for"] == STATIONS
    assert trainings.load("phase1-described", run, run.corpus(), STATIONS).network.arguments["stations"] == 2


def test_a_finished_training_is_not_done_again_unless_asked(run, monkeypatch):
    first = trainings.carry_out("phase0", run)
    longer = runs.Run("quick", run.folder, run.corpus_folder, settings(stations=("A", "B"), phase0_epochs=3), own_corpus=True)
    monkeypatch.setattr(phases, "phase0", lambda *a, **k: pytest.fail("trained again"))
    assert equal(trainings.carry_out("phase0", run, again=False).network, first.network)
    more_records = runs.Run("quick", run.folder, run.corpus_folder, settings(stations=("A", "B"), generated_records=9), own_corpus=True)
    trainings.carry_out("phase0", more_records, again=False)                  # does not decide how it ends
    monkeypatch.undo()
    with pytest.raises(runs.RunError, match="phase0_epochs is 2 there and 3 here.*--again"):
        trainings.carry_out("phase0", longer, again=False)
    assert equal(trainings.load("phase0", run, run.corpus(), STATIONS).network, first.network)
    assert len(trainings.carry_out("phase0", longer, again=True).history) == 3


def test_what_is_trained_anew_does_not_look_at_what_is_there(run):
    trainings.carry_out("phase0", run)
    (run.folder / "phase0.safetensors").write_bytes(b"damaged")
    assert len(trainings.carry_out("phase0", run, again=True).history) == 2


def test_an_unknown_training(run):
    with pytest.raises(config.ConfigError, match="did you mean 'phase0-described'"):
        trainings.carry_out("phase0_described", run)


def test_phase1_needs_phase0(run):
    with pytest.raises(runs.RunError, match="02_phase0"):
        trainings.carry_out("phase1", run)


def test_phase1_goes_on_with_the_network_of_phase0_and_says_so(run):
    """Settings of the network that were changed in between do not apply, and are not written into the checkpoint."""
    trainings.carry_out("phase0", run)
    wider = runs.Run("quick", run.folder, run.corpus_folder, settings(stations=("A", "B"), d_model=6, period_choice="sample"), own_corpus=True)
    trained = trainings.carry_out("phase1", wider)
    assert trained.network.arguments["d_model"] == 4
    assert (trained.info["settings"]["d_model"], trained.info["settings"]["period_choice"]) == (4, "batch")


def test_a_phase1_from_another_phase0_is_not_taken_for_finished(run, monkeypatch):
    trainings.carry_out("phase0", run)
    trainings.carry_out("phase1", run)
    state = run.folder / "phase1.part.safetensors"
    state.write_bytes(b"left by a kill")
    with monkeypatch.context() as patched:
        patched.setattr(phases, "phase1", lambda *a, **k: pytest.fail("trained again"))
        trainings.carry_out("phase1", run, again=False)
    assert not state.exists()
    faster = runs.Run("quick", run.folder, run.corpus_folder, settings(stations=("A", "B"), phase0_learning_rate=1e-3), own_corpus=True)
    trainings.carry_out("phase0", faster)
    with pytest.raises(runs.RunError, match="started from another phase0"):
        trainings.carry_out("phase1", run, again=False)
