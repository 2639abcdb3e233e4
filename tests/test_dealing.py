"""Random numbers that belong to a record, and the parts of a batch."""

import numpy as np
import pytest
import torch

from tng import dealing

LIKE = torch.empty(0, dtype=torch.float64)


def test_seeds_differ_between_records_epochs_and_trainings():
    seeds = [dealing.record_seeds(s, e, np.arange(50)) for s in (0, 1) for e in (0, 1)]
    assert len(set(torch.cat(seeds).tolist())) == 200
    assert torch.equal(dealing.record_seeds(3, 2, np.array([7, 40])), dealing.record_seeds(3, 2, np.arange(50))[[7, 40]])


@pytest.mark.parametrize("draw", [dealing.normal, lambda *a, **k: dealing.keep(*a, 0.3, **k)])
def test_a_record_draws_the_same_numbers_in_any_company(draw):
    seeds = dealing.record_seeds(0, 0, np.arange(6))
    whole = draw(seeds, (5, 4), LIKE)
    assert torch.equal(whole[[4, 1]], draw(seeds[[4, 1]], (5, 4), LIKE))
    assert len({tuple(row.flatten().tolist()) for row in whole}) == 6 
    assert not torch.equal(whole, draw(seeds, (5, 4), LIKE, stream=1))


def test_normal_numbers_are_normal():
    x = dealing.normal(dealing.record_seeds(0, 0, np.arange(40)), (2000,), LIKE)
    assert abs(float(x.mean())) < 5 / 80000**0.5 and abs(float(x.var()) - 1) < 5 * (2 / 80000) ** 0.5


def test_dropout_keeps_the_mean():
    factors = dealing.keep(dealing.record_seeds(0, 0, np.arange(40)), (2000,), LIKE, 0.3)
    assert set(factors.unique().tolist()) == {0.0, 1 / 0.7}
    assert abs(float((factors == 0).double().mean()) - 0.3) < 5 * (0.21 / 80000) ** 0.5


def test_the_library_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    dealing.normal(dealing.record_seeds(0, 0, np.arange(3)), (9,), LIKE)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("records, processes", [(8, 1), (8, 3), (7, 4)])
def test_parts_make_up_the_batch(records, processes):
    parts = [dealing.part(np.arange(records), rank, processes) for rank in range(processes)]
    assert np.concatenate(parts).tolist() == list(range(records))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_batch_that_is_not_shared_has_its_plain_mean():
    x = torch.randn(4, 3, requires_grad=True)
    with dealing.shared_batch():
        mean = dealing.batch_mean(x)
    torch.testing.assert_close(mean, x.mean(0))
    assert not mean.requires_grad
