"""Mixing of records: which ones, with which weights, how strong; and that the network's mixture and its null mix alike."""

import numpy as np
import pytest
import torch

from tng import corpus
from tng.bank import Bank
from tng.generators import GeneratorError, Pool, mixing, nulls, timesnet_gen
from tng.generators.nulls import RecordAverage
from tng.generators.timesnet_gen import LatentMixing, noise_root
from tng.records import Record
from tng.scoring import novelty
from tng.timesnet import TimesNetGen

RATE_HZ, SAMPLES, STATIONS = 50.0, 256, ["A", "B"]
OPTIONS = {"uniform": {}, "with replacement": {"replacement": True}, "dirichlet": {"mixing": "dirichlet", "alpha": 0.7},
           "unit-norm": {"mixing": "unit-norm"}}


def network(seed=0, **changes):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = TimesNetGen(**{**dict(samples=SAMPLES, d_model=4, d_ff=4, top_k=2, num_kernels=2), **changes}).double().eval()
        for name, value in net.named_parameters():
            if ".shift." in name:
                torch.nn.init.normal_(value)
    return net


NETWORKS = {"published": network, "conditioned": lambda: network(stations=2), "bottleneck": lambda: network(latent=3),
            "described": lambda: network(latent=3, latent_stride=5, decoder_blocks=1, stations=2)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Noise that no two records share, of very different strength."""
    rng = np.random.default_rng(0)
    records = [Record(rng.standard_normal((3, SAMPLES)) * 10 ** rng.uniform(-1, 2), RATE_HZ, station, f"event {i}")
               for station in "AB" for i in range(40)]
    return corpus.write(records, tmp_path_factory.mktemp("mixing") / "corpus", seed=1)


@pytest.fixture(scope="module")
def twins(data):
    """Bank and network whose reconstructions are the standardised records themselves."""
    net = network()
    rows = {station: data.select([station], "train") for station in STATIONS}
    x, mean, scale = ({s: torch.from_numpy(nulls.standardised(data.waveforms(rows[s]).astype(float))[i]) for s in STATIONS}
                      for i in range(3))
    names = {s: list(data.metadata["trace_name"][rows[s]]) for s in STATIONS}
    return net, Bank(STATIONS, RATE_HZ, True, x, mean, scale, {s: torch.linspace(0, 0.3, 4).double() for s in STATIONS}, names)


def array(records):
    return np.stack([record.data for record in records])


def ancestry(record):
    return record.meta["generator_sources"].split(";"), np.array(record.meta["generator_weights"].split(";"), dtype=float)


# --- the draw --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("replacement", [False, True])
def test_records_are_drawn_one_new_record_after_the_other(replacement):
    rows = np.arange(100, 117)
    rng = np.random.default_rng([7, *b"4628"])
    expected = [rng.choice(rows, 5, replace=replacement) for _ in range(20)]
    for kind in mixing.MIXINGS:                                     # the records do not depend on their weights
        drawn, _ = mixing.draw(rows, 5, 20, 7, "4628", weights=kind, replacement=replacement)
        np.testing.assert_array_equal(drawn, expected)
    assert any(len(set(k)) < 5 for k in expected) == replacement


def test_the_pool_draws_the_same(data):
    pool = Pool(data, STATIONS)
    np.testing.assert_array_equal(pool.draw("B", 3, 10, 4), mixing.draw(pool.of("B"), 3, 10, 4, "B")[0])


def test_weights():
    drawn = {kind: mixing.draw(np.arange(50), 4, 500, 0, "A", weights=kind)[1] for kind in mixing.MIXINGS}
    assert (drawn["uniform"] == 0.25).all()
    assert (drawn["dirichlet"] >= 0).all()
    np.testing.assert_allclose(drawn["dirichlet"].sum(axis=1), 1)
    np.testing.assert_allclose((drawn["unit-norm"] ** 2).sum(axis=1), 1)
    np.testing.assert_allclose(drawn["unit-norm"].mean(axis=0), 0, atol=0.08)
    for kind in ("dirichlet", "unit-norm"):
        other = mixing.draw(np.arange(50), 4, 500, 1, "A", weights=kind)[1]
        assert not np.array_equal(drawn[kind], other) and len(np.unique(drawn[kind][:, 0])) == 500
    even = mixing.draw(np.arange(50), 4, 500, 0, "A", weights="dirichlet", alpha=1e4)[1]
    assert np.abs(even - 0.25).max() < 0.02


def expected_square(k, n, option, alpha=1.0):
    return {"uniform": 1 / k, "with replacement": (1 + (k - 1) / n) / k, "dirichlet": (alpha + 1) / (k * alpha + 1),
            "unit-norm": 1.0}[option]


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("k, n", [(5, 46), (3, 9)])
def test_mean_sum_of_squared_weights(option, k, n):
    """With the shares that a record has in all: drawn twice, it has two weights; unit norm leaves a rest for the pool's mean."""
    options = dict(OPTIONS[option])
    kind = options.pop("mixing", "uniform")
    rows, weights = mixing.draw(np.arange(n), k, 10000, 0, "A", weights=kind, **options)
    shares = np.zeros((len(rows), n))
    for i in range(k):
        np.add.at(shares, (np.arange(len(rows)), rows[:, i]), weights[:, i])
    if kind == "unit-norm":
        shares += (1 - weights.sum(axis=1, keepdims=True)) / n
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares**2).sum(axis=1).mean() == pytest.approx(expected_square(k, n, option, options.get("alpha", 1.0)), rel=0.02)


@pytest.mark.parametrize("option", OPTIONS)
def test_amplitude_of_mixtures_of_independent_records(option, data, twins):
    """Beside the scale of the records that went in, an average of 5 has 0.45 of their amplitude, unit norm all of it."""
    net, bank = twins
    n, options = len(bank.names["A"]), OPTIONS[option]
    made = array(LatentMixing(net, bank, noise=0, **options).sample("A", 400, seed=0))
    kinds = {"weights": options.get("mixing", "uniform"), **{k: v for k, v in options.items() if k != "mixing"}}
    rows, weights = mixing.draw(np.arange(n), 5, 400, 0, "A", **kinds)
    _, scale = mixing.level(bank.mean["A"].numpy()[rows], bank.scale["A"].numpy()[rows], weights, unit_norm=option == "unit-norm")
    square = ((made - made.mean(axis=-1, keepdims=True)) / scale).var()
    assert square == pytest.approx(expected_square(5, n, option, options.get("alpha", 1.0)), rel=0.03)


def test_what_cannot_be_drawn():
    rows = np.arange(4)
    for arguments, message in (((rows, 5, 1, 0, "A"), "station A has 4 training records; .* set records_to_mix to 4"),
                               ((rows[:0], 5, 1, 0, "A"), "A has no training records"), ((rows, 0, 1, 0, "A"), "records_to_mix 0"),
                               ((rows, 2, -1, 0, "A"), "-1 new records")):
        with pytest.raises(GeneratorError, match=message):
            mixing.draw(*arguments)
    with pytest.raises(GeneratorError, match="did you mean 'dirichlet'"):
        mixing.draw(rows, 2, 1, 0, "A", weights="dirichlett")
    for alpha in (0, -1, np.nan, np.inf):
        with pytest.raises(GeneratorError, match="dirichlet_alpha"):
            mixing.draw(rows, 2, 1, 0, "A", weights="dirichlet", alpha=alpha)
    with pytest.raises(GeneratorError, match="no training records"):
        mixing.draw(rows[:0], 2, 1, 0, "A", replacement=True)
    assert mixing.draw(rows, 9, 3, 0, "A", replacement=True)[0].shape == (3, 9)
    assert all(x.shape == (0, 2) for x in mixing.draw(rows, 2, 0, 0, "A"))


# --- without a network -----------------------------------------------------------------------------------

def test_replay_is_the_recorded_motion(data):
    record = RecordAverage(data, STATIONS, 1).sample("A", 1, seed=0)[0]
    row = data.metadata.index[data.metadata["trace_name"] == record.meta["generator_sources"]][0]
    np.testing.assert_allclose(record.data, data.waveforms([row])[0], rtol=1e-6, atol=1e-6)


def test_the_average_by_its_definition(data):
    x = data.waveforms(Pool(data, ["A"]).of("A")[:4]).astype(float)
    s = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    m = x.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(RecordAverage.mix(x), sum((x - m) / s) / 4 * (sum(s) / 4) + sum(m) / 4, rtol=1e-12)
    np.testing.assert_allclose(RecordAverage.mix(x, np.full(4, 0.25)), RecordAverage.mix(x), rtol=1e-12)
    w = np.array([0.5, 0.25, 0.25, 0])
    by_hand = (x[0] - m[0]) / s[0] / 2 + (x[1] - m[1]) / s[1] / 4 + (x[2] - m[2]) / s[2] / 4
    np.testing.assert_allclose(RecordAverage.mix(x, w), by_hand * (2 * s[0] + s[1] + s[2]) / 4 + (2 * m[0] + m[1] + m[2]) / 4, rtol=1e-12)


def test_an_average_of_k_is_too_weak_by_root_k():
    x = np.random.default_rng(0).standard_normal((5, 3, 20000))
    assert RecordAverage.mix(x).std() == pytest.approx(5**-0.5, rel=0.02)


def test_options_of_the_baselines_reach_the_average(data):
    made = nulls.baselines(data, STATIONS, 5, mixing="dirichlet", alpha=0.2)["average"].sample("A", 3, 0)
    expected = RecordAverage(data, STATIONS, 5, mixing="dirichlet", alpha=0.2).sample("A", 3, 0)
    assert all(np.array_equal(a.data, b.data) and a.meta == b.meta for a, b in zip(made, expected))
    assert len(set(ancestry(made[0])[1])) == 5


def test_a_bad_option_is_refused_at_once(data, twins):
    for build in (lambda **o: RecordAverage(data, STATIONS, **o), lambda **o: LatentMixing(*twins, **o)):
        for options in ({"mixing": "uniforn"}, {"alpha": -1}, {"records_to_mix": 0}):
            with pytest.raises(GeneratorError):
                build(**options)
    with pytest.raises(GeneratorError, match="noise -1"):
        LatentMixing(*twins, noise=-1)


# --- the network and its null ----------------------------------------------------------------------------

@pytest.mark.parametrize("option", OPTIONS)
def test_a_perfect_network_is_its_null(option, data, twins):
    """Where reconstructions are the records themselves, latent mixing is the plain mixture, ancestry included."""
    mixed = LatentMixing(*twins, records_to_mix=4, noise=0, **OPTIONS[option]).sample("B", 8, seed=3)
    plain = RecordAverage(data, STATIONS, 4, **OPTIONS[option]).sample("B", 8, seed=3)
    np.testing.assert_allclose(array(mixed), array(plain), atol=1e-9 * np.abs(array(plain)).max())
    for a, b in zip(mixed, plain):
        assert ancestry(a)[0] == ancestry(b)[0]
        np.testing.assert_array_equal(ancestry(a)[1], ancestry(b)[1])


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("which", NETWORKS)
def test_stated_ancestry_makes_the_record_again(which, option, data):
    """From the sources and weights in the metadata, by mixing codes one record at a time and decoding."""
    net = NETWORKS[which]()
    rows = {name: row for row, name in enumerate(data.metadata["trace_name"])}
    pool = list(data.select(["B"], "train"))
    coded = torch.tensor([1]) if net.arguments["stations"] else None
    with torch.no_grad():
        codes = {row: net.encode(torch.as_tensor(data.waveforms([row])).double(), coded) for row in pool}
        centre = sum(z for z, _, _ in codes.values()) / len(pool)
        generator = LatentMixing.from_corpus(net, data, STATIONS, records_to_mix=3, noise=0, **OPTIONS[option])
        for record in generator.sample("B", 4, seed=1):
            names, weights = ancestry(record)
            z, mean, scale = zip(*(codes[rows[name]] for name in names))
            if option == "unit-norm":
                mixed = centre + sum(w * (one - centre) for w, one in zip(weights, z))
                level, size = torch.zeros_like(mean[0]), torch.stack(scale).log().mean(dim=0).exp()
            else:
                mixed, level, size = (sum(w * one for w, one in zip(weights, values)) for values in (z, mean, scale))
            expected = net.decode(mixed, level, size, coded if net.decoder_blocks else None)[0].numpy()
            np.testing.assert_allclose(record.data, expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("option", OPTIONS)
def test_waveforms_agree_with_the_stated_ancestry(option, data, twins):
    """Fitted weights are the stated ones; weights near 0 do not show, and unit norm spreads a rest over the pool."""
    net, bank = twins
    signed = option == "unit-norm"
    made = LatentMixing(net, bank, records_to_mix=3, noise=0, **OPTIONS[option]).sample("A", 12, seed=0)
    found = novelty.mixture(array(made), bank.content["A"].numpy(), signed=signed)
    table = novelty.ancestry_check([ancestry(record)[0] for record in made], bank.names["A"], found)
    assert table["r2"].min() > 0.999
    if option in ("uniform", "with replacement"):
        assert table["agrees"].all() and (table["stated"] <= 3).all()
    if not signed:
        assert (table["unstated"] == 0).all()
    for record, fitted in zip(made, found.weights):
        names, weights = ancestry(record)
        stated = np.full(len(fitted), (1 - weights.sum()) / len(fitted) if signed else 0.0)
        np.add.at(stated, [list(bank.names["A"]).index(name) for name in names], weights)
        np.testing.assert_allclose(fitted / np.linalg.norm(fitted), stated / np.linalg.norm(stated), atol=0.02)


@pytest.mark.parametrize("which", NETWORKS)
def test_protocol(which, data, monkeypatch):
    before = torch.get_rng_state()
    generator = LatentMixing.from_corpus(NETWORKS[which](), data, STATIONS, records_to_mix=3, name="some name")
    records = generator.sample("B", 5, seed=3)
    train = set(data.metadata["trace_name"][data.select(["B"], "train")])
    for record in records:
        assert record.data.shape == (3, SAMPLES) and record.station == "B" and record.sampling_rate_hz == RATE_HZ
        assert record.meta["trace_category"] == "generated" and record.meta["generator"] == generator.name == "some name"
        names, weights = ancestry(record)
        assert len(set(names)) == 3 and set(names) <= train and weights == pytest.approx(1 / 3)
    again, other = (generator.sample("B", 5, seed=seed) for seed in (3, 4))
    np.testing.assert_array_equal(array(records), array(again))
    assert not any(np.array_equal(a.data, b.data) for a, b in zip(records, other))
    monkeypatch.setattr(timesnet_gen, "AT_ONCE", 2)
    np.testing.assert_allclose(array(generator.sample("B", 5, seed=3)), array(records), rtol=1e-9, atol=1e-9)
    assert generator.sample("B", 0, seed=0) == []
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(GeneratorError, match="no station 'b'"):
        generator.sample("b", 1, seed=0)
    with pytest.raises(GeneratorError, match="station A has .* set records_to_mix to"):
        LatentMixing(generator.network, generator.bank, records_to_mix=99).sample("A", 1, seed=0)
    assert len(LatentMixing(generator.network, generator.bank, records_to_mix=99, replacement=True).sample("A", 1, seed=0)) == 1


def test_the_described_decoder_knows_its_station(data):
    """The same codes decode to another record for another station."""
    net = NETWORKS["described"]()
    bank = Bank.of(net, data, STATIONS)
    swapped = Bank(STATIONS, RATE_HZ, False, *({"A": one["B"], "B": one["A"]} for one in
                                               (bank.content, bank.mean, bank.scale, bank.noise_std, bank.names)))
    a, b = (array(LatentMixing(net, one, noise=0).sample(station, 6, seed=0)) for one, station in ((bank, "A"), (swapped, "A")))
    rows, weights = np.arange(10).reshape(2, 5), np.full((2, 5), 0.2)
    rng = np.random.default_rng(0)
    one, other = (LatentMixing(net, held, noise=0).mix(station, rows, weights, rng) for held, station in ((bank, "A"), (swapped, "B")))
    assert not np.allclose(a, b) and np.abs(one - other).max() > 1e-3 * np.abs(one).max()


def test_the_described_decoder_decodes_each_record_as_if_alone(data):
    net = NETWORKS["described"]()
    bank = Bank.of(net, data, STATIONS)
    for codes in bank.content.values():
        codes.copy_(10 * torch.from_numpy(np.random.default_rng(1).standard_normal(codes.shape)))      # of different periods
    generator = LatentMixing(net, bank, noise=0)
    rows, weights = np.arange(12)[:, None], np.ones((12, 1))
    rng = np.random.default_rng(0)
    together, alone = (np.concatenate([generator.mix("A", rows[i:i + n], weights[i:i + n], rng) for i in range(0, 12, n)]) for n in (12, 1))
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-9)
    with torch.no_grad():
        shared = net.decode(bank.content["A"][:12], bank.mean["A"][:12], bank.scale["A"][:12], torch.zeros(12, dtype=int))
    assert not np.allclose(shared.numpy(), alone)                   # as the batch's choice of periods would have it


# --- noise -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("d", [1, 2, 40])
def test_root_of_the_noise_behind_a_linear_decoder(d):
    """R Rᵀ = W diag(σ²) Wᵀ, of rank 1 and 2 too, and without any noise."""
    rng = np.random.default_rng(d)
    weight, spread = torch.from_numpy(rng.standard_normal((3, d))), torch.from_numpy(rng.uniform(0, 2, d))
    root = noise_root(weight, spread)
    torch.testing.assert_close(root @ root.T, weight @ torch.diag(spread**2) @ weight.T, rtol=1e-9, atol=1e-12)
    assert (noise_root(weight, 0 * spread) == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_has_the_law_of_noise_on_the_code(dtype, data):
    """Decoded bank against the bank of codes, and both against W diag(σ²) Wᵀ; independent from sample to sample."""
    net, samples, n = network(samples=3000).to(dtype), 3000, 40
    rng = np.random.default_rng(0)
    spread = torch.tensor([0.1, 0.9, 0.0, 2.0], dtype=dtype)
    z = torch.from_numpy(rng.standard_normal((2, samples, 4))).to(dtype)
    level = {"mean": {"A": torch.zeros(2, 3, 1, dtype=dtype)}, "scale": {"A": torch.ones(2, 3, 1, dtype=dtype)},
             "noise_std": {"A": spread}, "names": {"A": ["x", "y"]}}
    with torch.no_grad():
        decoded = Bank(["A"], RATE_HZ, True, {"A": net.head(z).transpose(1, 2)}, **level)
    weight = net.head.weight.detach().double()
    expected = 1.5**2 * (weight @ torch.diag(spread.double() ** 2) @ weight.T).numpy()
    found = []
    for bank in (decoded, Bank(["A"], RATE_HZ, False, {"A": z}, **level)):
        loud, quiet = (array(LatentMixing(net, bank, records_to_mix=1, noise=noise).sample("A", n, seed=0)) for noise in (1.5, 0))
        noise = loud - quiet
        found.append(np.einsum("nit,njt->ij", noise, noise) / noise[:, 0].size)
        np.testing.assert_allclose(found[-1], expected, atol=0.02 * expected.max())
        for lag in (1, 2, 17):
            shifted = np.einsum("nit,njt->ij", noise[..., lag:], noise[..., :-lag]) / noise[:, 0].size
            assert np.abs(shifted).max() < 0.02 * expected.max()
        assert abs(np.corrcoef(noise[0, 0], noise[1, 0])[0, 1]) < 0.1                  # each record its own
    np.testing.assert_allclose(*found, atol=0.02 * expected.max())


def test_noise_is_that_of_the_stations_codes(data):
    net = network()
    quiet, loud = (LatentMixing.from_corpus(net, data, STATIONS, records_to_mix=3, noise=n) for n in (0, 1))
    with torch.no_grad():
        codes = torch.cat([net.encode(torch.as_tensor(data.waveforms([row])).double())[0].mean(dim=1)
                           for row in data.select(["A"], "train")])
    head = net.head.weight.detach()
    expected = ((head * codes.std(dim=0, unbiased=False)) ** 2).sum(dim=1).sqrt()      # of the noise after the decoder
    rows = {name: row for row, name in enumerate(data.metadata["trace_name"])}
    noise = []
    for x, y in zip(quiet.sample("A", 60, seed=0), loud.sample("A", 60, seed=0)):
        pool = [rows[name] for name in ancestry(x)[0]]
        scale = np.sqrt(data.waveforms(pool).astype(float).var(axis=-1) + 1e-5).mean(axis=0)
        noise.append((y.data - x.data) / scale[:, None])
    np.testing.assert_allclose(np.std(noise, axis=(0, 2)), expected, rtol=0.03)
