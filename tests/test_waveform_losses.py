"""Fine-tuning by losses on waveforms: what moves, what it learns, whose numbers are swapped, and bad input."""

import numpy as np
import pytest
import torch

from tng import config, corpus, dealing, losses
from tng.features import Features
from tng.generators import shaping, waveform_losses
from tng.generators.waveform_losses import fine_tune
from tng.processes import TrainingError
from tng.records import Record

pytestmark = pytest.mark.usefixtures("seeded")
RATE_HZ, SAMPLES, P_S, S_S = 20.0, 400, 3.0, 6.0


def records():
    """Noise that decays after S, at one station twice as fast; the vertical is weak at one of them."""
    rng, time_s = np.random.default_rng(3), np.arange(SAMPLES) / RATE_HZ
    for station, decay_s, vertical in (("A", 2.0, 0.3), ("B", 4.0, 1.0)):
        envelope = np.where(time_s < P_S, 1e-3, np.where(time_s < S_S, 0.2, np.exp(-(time_s - S_S) / decay_s)))
        for i in range(8):
            motion = np.array([1, 1, vertical])[:, None] * envelope * rng.standard_normal((3, SAMPLES)) * np.exp(rng.normal(0, 0.5))
            yield Record(motion, RATE_HZ, station, f"event {i}",
                         {"trace_p_arrival_sample": P_S * RATE_HZ, "trace_s_arrival_sample": S_S * RATE_HZ})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return corpus.write(records(), tmp_path_factory.mktemp("losses") / "corpus", splits=(1, 0, 0))


@pytest.fixture
def start(data):
    """A network that thinks that motion goes on after S as strong as before, with its law and stations."""
    settings = config.settings(window_s=SAMPLES / RATE_HZ, shape_latent=2, shape_d_model=6, shape_blocks=1)
    network = shaping.build(data, settings)
    measured = shaping.measure(network, data, np.arange(len(data)))
    law = shaping.learn_law(network, measured)
    stations = {code: shaping.phase1(network, law, measured.of(code)) for code in measured.codes}
    return dict(network=network, law=law, measured=measured, corpus=data, stations=stations)


def copied(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def task(start, **weights):
    return waveform_losses._Task(start["network"], start["law"], start["measured"], start["corpus"], start["stations"], weights, False)


# --- what moves ------------------------------------------------------------------------------------------------------------

def test_nothing_but_parameters_of_the_network_moves(start):
    everything = {**start["law"].tensors(), **{name: value for i, one in enumerate(start["stations"].values()) for name, value in one.tensors(i).items()},
                  "template": start["network"].template}
    before, weights, state = {name: value.clone() for name, value in everything.items()}, copied(start["network"]), torch.get_rng_state()
    fine_tune(**start, weights={"log_hv": 1.0, "station_swap": 1.0, "station_marginal": 1.0}, steps=2, batch=4)
    assert all(torch.equal(everything[name], before[name]) for name in before)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(start["network"].head.bias, weights["head.bias"])
    assert all(parameter.grad is None for parameter in start["network"].parameters())


def test_envelopes_learn_how_motion_decays(start):
    """Energy of generated records came too late; afterwards it comes when it does in the recorded ones, and still not before P."""
    told, x = Features(SAMPLES, RATE_HZ, 1.0, 8.0), torch.as_tensor(start["corpus"].waveforms(np.arange(16)))

    def arrived():
        with torch.no_grad():
            made = task(start, husid=1.0)._made(*own_numbers(start))
        return told.husid(made).mean(dim=0)

    recorded, before = told.husid(x).mean(dim=0), arrived()
    fine_tune(**start, weights={"band_power": 3.0}, steps=20, learning_rate=2e-2, batch=6)
    after, p = arrived(), told.husid_s < P_S - 0.5
    assert (after - recorded).abs().mean() < 0.6 * (before - recorded).abs().mean()
    assert after[p].max() < 0.01


def own_numbers(start):
    job, measured = task(start, husid=1.0), start["measured"]
    seeds = dealing.record_seeds(5, 0, measured.rows)
    return job._numbers(measured.known, measured.station, seeds), measured.station, measured.known, seeds


def test_the_same_seed_gives_the_same_network(start):
    before, ends = copied(start["network"]), []
    for seed, weights in ((1, {"log_rms": 1.0, "whittle": 0.5}), (1, {"log_rms": 1.0, "husid": 0.0, "whittle": 0.5}), (2, {"log_rms": 1.0, "whittle": 0.5})):
        start["network"].load_state_dict(before)
        fine_tune(**start, weights=weights, steps=2, batch=4, seed=seed)
        ends.append(copied(start["network"]))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in before)
    assert not all(torch.equal(ends[0][name], ends[2][name]) for name in before)


# --- what is compared ------------------------------------------------------------------------------------------------------

def test_history_holds_every_loss_before_its_weight(start):
    weights = {"husid": 2.0, "log_hv": 0.5, "station_marginal": 1.5, "station_swap": 0.7, "whittle": 0.1}
    history = fine_tune(**start, weights=weights, steps=2, batch=4)
    assert set(history) == {*weights, "total"} and len(history) == 2
    assert history["total"].to_numpy() == pytest.approx(sum(weight * history[name] for name, weight in weights.items()).to_numpy(), rel=1e-5)


def test_a_plain_error_lacks_the_reward_for_scatter(start):
    """error ≥ energy score ≥ 0, by the triangle inequality; both draws differ, so the first is strict."""
    before, first = copied(start["network"]), {}
    for plain in (False, True):
        start["network"].load_state_dict(before)
        first[plain] = fine_tune(**start, weights={"log_rms": 1.0, "log_spectrum": 1.0, "husid": 1.0}, steps=1, batch=6, plain=plain).iloc[0]
    for name in ("log_rms", "log_spectrum", "husid"):
        assert 0 <= first[False][name] < 0.98 * first[True][name], name


def test_records_come_back_in_the_order_of_their_rows(start):
    """A record depends on its own numbers, station and seed, whatever stands beside it."""
    u, station, known, seeds = own_numbers(start)
    mixed = torch.tensor([12, 3, 9, 0])
    job = task(start, husid=1.0)
    with torch.no_grad():
        together = job._made(u[mixed], station[mixed], known.take(mixed), seeds[mixed])
        alone = torch.cat([job._made(u[[i]], station[[i]], known.take([i]), seeds[[i]]) for i in mixed.tolist()])
    assert torch.allclose(together, alone, atol=1e-4 * float(alone.abs().max()))


def test_swapped_numbers_are_those_of_the_other_station(start):
    """A station's mean becomes the other's, deviations stay, and to swap twice is to leave alone."""
    u, station, _, _ = own_numbers(start)
    job = task(start, station_swap=1.0)
    swapped, asked_for = job._swapped(u, station)
    assert torch.equal(asked_for, 1 - station)
    for i, code in enumerate("AB"):
        other = start["stations"]["BA"[i]].mean
        assert torch.allclose(swapped[station == i] - other, u[station == i] - start["stations"][code].mean, atol=1e-4)
    back, home = job._swapped(swapped, asked_for)
    assert torch.equal(home, station) and torch.allclose(back, u, atol=1e-4)


def test_a_station_swapped_with_itself_in_all_but_name_costs_nothing(start):
    """Mean over many draws: the energy distance of two sets of one law is zero; numbers of the wrong station cost."""
    u, station, known, seeds = own_numbers(start)
    job, found = task(start, station_swap=1.0), {}
    with torch.no_grad():
        swapped, asked_for = job._swapped(u, station)
        wrong = station                                             # the other station's name for one's own H/V
        x = torch.cat([job._seen(job._made(swapped, asked_for, known, seeds + 100 + turn))["log_hv"] for turn in range(4)])
        y = torch.cat([job._seen(job._made(swapped, asked_for, known, seeds + 200 + turn))["log_hv"] for turn in range(4)])
        for name, asked in (("right", asked_for), ("wrong", wrong)):
            found[name] = float(losses.station_swap(y, x, asked.repeat(4), asked_for.repeat(4)))
    assert abs(found["right"]) < 0.1 * found["wrong"]


# --- bad input -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("changes, message", [
    (dict(weights={"log_hvv": 1.0}), "no loss 'log_hvv'.*log_hv"), (dict(weights={"husid": -1.0}), "weight -1"),
    (dict(weights={"husid": float("nan")}), "weight nan"), (dict(weights={"husid": 0.0}), "no loss has a weight"), (dict(weights={}), "no loss has a weight"),
    (dict(steps=0), "0 steps"), (dict(batch=3), "3 records"), (dict(learning_rate=0.0), "rate 0"), (dict(learning_rate=float("nan")), "rate nan")])
def test_bad_numbers_are_refused(start, changes, message):
    with pytest.raises(ValueError, match=message):
        fine_tune(**{**start, "weights": {"husid": 1.0}, **changes})


def test_stations_that_cannot_be_compared_are_refused(start):
    with pytest.raises(TrainingError, match="station B is measured"):
        fine_tune(**{**start, "stations": {"A": start["stations"]["A"]}}, weights={"husid": 1.0})
    for few in (np.arange(8), np.arange(9)):                        # one station; a second one with one record
        with pytest.raises(TrainingError, match="2 stations of 2 records"):
            fine_tune(**{**start, "measured": start["measured"].take(few)}, weights={"husid": 1.0})


def test_a_diverging_loss_leaves_the_network_as_it_was(start):
    before = copied(start["network"])
    with pytest.raises(TrainingError, match="no longer finite.*lower the learning rate"):
        fine_tune(**start, weights={"band_power": 1.0}, steps=8, learning_rate=1e30, batch=4)
    assert all(torch.equal(value, before[name]) for name, value in start["network"].state_dict().items())
