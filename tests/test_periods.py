"""Which periods a block folds by, under each choice, and on whom a record's encoding depends."""

import pytest
import torch

from tng import periods
from tng.timesnet import TimesNetGen, each_alone

SMALL = dict(samples=240, d_model=6, d_ff=5, top_k=2, num_kernels=3, dropout=0.0)


pytestmark = pytest.mark.usefixtures("seeded")


def network(**changes) -> TimesNetGen:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return TimesNetGen(**{**SMALL, **changes}).double().eval()


CHOICES = {"batch": {}, "sample": dict(period_choice="sample"), "corpus": dict(period_choice="corpus", periods=(24, 7))}
DESCRIBED = dict(latent=3, latent_stride=8, decoder_blocks=2)


def waves(*cycles, samples=240):
    """One sequence a number of cycles, (B, T, 1)."""
    time = torch.arange(samples, dtype=torch.float64)
    return torch.stack([torch.sin(2 * torch.pi * c * time / samples) for c in cycles])[:, :, None]


@pytest.fixture
def records():
    return 30 * torch.randn(9, 3, 240, dtype=torch.float64) + 5


def alone_and_together(net, x):
    """Codes and reconstructions of records one at a time, and all in one batch."""
    with torch.no_grad():
        each = [net.encode(x[i:i + 1])[0] for i in range(len(x))], [net(x[i:i + 1]) for i in range(len(x))]
        return tuple(map(torch.cat, each)), (net.encode(x)[0], net(x))


@pytest.mark.parametrize("shape", [{}, DESCRIBED])
@pytest.mark.parametrize("choice", ["sample", "corpus"])
def test_a_record_alone_is_encoded_as_among_others(choice, shape, records):
    alone, together = alone_and_together(network(**CHOICES[choice], **shape), records)
    for a, b in zip(alone, together):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_with_the_published_choice_the_neighbours_matter(records):
    alone, together = alone_and_together(network(), records)
    for a, b in zip(alone, together):
        assert (a - b).norm() > 0.02 * a.norm()


def test_each_alone_lifts_the_published_choice_and_puts_it_back(records):
    net = network(**DESCRIBED)
    alone, _ = alone_and_together(net, records)
    with each_alone(net):
        _, together = alone_and_together(net, records)
    for a, b in zip(alone, together):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    assert [block.period_choice for block in net.all_blocks] == ["batch"] * 4


def test_one_record_is_encoded_alike_by_batch_and_sample_choice(records):
    with torch.no_grad():
        a, b = network()(records[:1]), network(**CHOICES["sample"])(records[:1])
    assert torch.equal(a, b)


def test_gradients_of_a_shared_pass_are_the_sum_of_single_ones(records):
    """The records that share a period are folded together; no gradient may leak between them."""
    together, single = network(**CHOICES["sample"]), network(**CHOICES["sample"])
    (together(records) ** 2).sum().backward()
    for i in range(len(records)):
        (single(records[i:i + 1]) ** 2).sum().backward()
    for (name, a), b in zip(together.named_parameters(), single.parameters()):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-8 * float(b.grad.abs().max()), msg=name)


def test_each_record_has_its_own_periods():
    folds = periods.of_each_record(waves(10, 24, 10), 1)
    assert [fold.period for fold in folds] == [24, 10]
    assert [fold.records.tolist() for fold in folds] == [[0, 2], [1]]
    assert all(torch.allclose(fold.weights, torch.ones(1, dtype=torch.float64)) for fold in folds)


def test_weights_of_each_record_sum_to_one():
    total = torch.zeros(7, dtype=torch.float64)
    for fold in periods.of_each_record(0.05 * torch.randn(7, 240, 3, dtype=torch.float64), 3):
        total.index_add_(0, torch.arange(7) if fold.records is None else fold.records, fold.weights)
    torch.testing.assert_close(total, torch.ones(7, dtype=torch.float64))


def test_fixed_periods_are_weighed_by_the_records_own_amplitudes():
    """Two sines under a softmax of raw amplitudes: T/2 for the one that is there, 0 for the other."""
    folds = periods.of_corpus(waves(10, 24) / 60, (24, 10))
    assert [(fold.period, fold.records) for fold in folds] == [(24, None), (10, None)]
    share = torch.softmax(torch.tensor([2.0, 0.0], dtype=torch.float64), 0)
    torch.testing.assert_close(torch.stack([f.weights for f in folds]), torch.stack([share, share.flip(0)]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("samples", [240, 237, 1000])
def test_bins_of_a_period_are_those_that_give_it(samples):
    bins = torch.arange(1, samples // 2 + 1)
    for period in range(2, samples + 1):
        first, end = periods._bins(period, samples)
        meant = bins[samples // bins == period].tolist()
        assert not meant or list(range(first, end)) == meant


def test_a_fixed_period_is_weighed_like_the_same_period_found_in_the_batch():
    """3000 samples, 170 cycles strong and 60 weak: floor(3000 / 170) = 17, but 3000 / 17 is nearer to 176 cycles."""
    h = (waves(170, samples=3000) + 0.99 * waves(60, samples=3000)) / 100
    found, weights = periods.dominant_periods(h, 2)
    assert found == [17, 50]
    folds = periods.of_corpus(h, tuple(found))
    torch.testing.assert_close(torch.stack([fold.weights for fold in folds], dim=1), weights)


def test_most_common_periods_differ():
    """Bins 118 and 119 of 240 samples both mean a period of 2; the third bin is taken."""
    spectrum = torch.zeros(121)
    spectrum[[0, 118, 119, 24]] = torch.tensor([9.0, 3.0, 2.0, 1.0])
    assert periods.most_common(spectrum, 240, 2) == (2, 10)


@pytest.mark.parametrize("changes, words", [
    (dict(period_choice="own"), "known are batch, sample, corpus"),
    (dict(period_choice="corpus"), "give them"),
    (dict(periods=(7,)), "only with period_choice 'corpus'"),
    (dict(period_choice="corpus", periods=(7, 7)), "different whole numbers"),
    (dict(period_choice="corpus", periods=(241,)), "different whole numbers from 1 to 240"),
])
def test_wrong_periods(changes, words):
    with pytest.raises(ValueError, match=words):
        TimesNetGen(**{**SMALL, **changes})
