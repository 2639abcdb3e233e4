"""Classifier two-sample test: chance for one law, faults seen, events held out together, unequal numbers no trick."""

from __future__ import annotations

import numpy as np
import pytest

from tng.scoring import c2st as module
from tng.scoring.c2st import c2st


def rng(seed=0):
    return np.random.default_rng(seed)


def grouped(groups, values=20, share=0.6, seed=0):
    """Records of which a share of the variance belongs to their event."""
    chance, groups = rng(seed), np.asarray(groups)
    return (np.sqrt(share) * chance.normal(size=(groups.max() + 1, values))[groups]
            + np.sqrt(1 - share) * chance.normal(size=(len(groups), values)))


@pytest.mark.parametrize("groups_x, groups_y, most", [
    (np.arange(30), np.arange(30), 0.11), (np.arange(12), np.arange(60), 0.11), (np.arange(45) // 3, np.arange(45) // 3, 0.14)])
def test_one_law_is_told_apart_as_often_as_stated(groups_x, groups_y, most):
    found = np.array([c2st(grouped(groups_x, seed=seed), grouped(groups_y, seed=10_000 + seed), groups_x, groups_y, times=199,
                           seed=seed) for seed in range(100)])
    value, p, low, high = found.T
    assert value.mean() == pytest.approx(0.5, abs=0.03)
    assert 0.005 <= np.mean(p <= 0.05) <= most
    assert np.mean((low <= 0.5) & (0.5 <= high)) > 0.8
    assert 0.1 < np.mean(high - low) < 0.5


def test_records_of_one_event_must_be_held_out_together():
    """A classifier that has seen three records of an event knows the side of the fourth."""
    groups = np.arange(48) // 4
    p = [c2st(grouped(groups, share=0.95, seed=seed), grouped(groups, share=0.95, seed=10_000 + seed), times=99, seed=seed).p
         for seed in range(10)]
    assert np.mean(np.array(p) <= 0.05) > 0.8


def test_events_are_exchanged_whole():
    """Four events a side, far apart: 1 of 70 labellings does as well, however many records there are."""
    x, y = grouped(np.repeat(np.arange(4), 6)), grouped(np.repeat(np.arange(4), 6), seed=1) + 9
    events = np.repeat(np.arange(4), 6)
    assert c2st(x, y, events, events, times=999).p == pytest.approx(1 / 70, abs=0.012)
    assert c2st(x, y, times=999).p == 1 / 1000


def test_events_are_whole_and_folds_even():
    groups = np.concatenate([np.repeat(np.arange(10), [4, 1, 2, 3, 1, 4, 1, 2, 1, 1]), 10 + np.arange(35)])
    real = np.arange(55) < 20
    fold = module._folds(groups, real, 5, rng())
    for group in set(groups):
        assert len(set(fold[groups == group])) == 1
    assert np.bincount(fold[real]).tolist() == [4] * 5
    assert np.bincount(fold[~real]).tolist() == [7] * 5
    assert not np.array_equal(fold, module._folds(groups, real, 5, rng(1)))


def test_no_record_is_judged_by_a_classifier_that_has_seen_it(monkeypatch):
    """A classifier that learns by heart what it is shown, and guesses the rest to be generated, is right about no real record."""
    class ByHeart:
        def fit(self, x, real):
            self.known = {tuple(row): is_real for row, is_real in zip(x, real)}
            return self

        def predict(self, x):
            return np.array([self.known.get(tuple(row), False) for row in x])
    monkeypatch.setattr(module, "_classifier", lambda *about: ByHeart())
    assert c2st(grouped(np.arange(20)), grouped(np.arange(20), seed=1)).value == 0.5


def test_faults_are_seen_and_the_accuracy_is_that_of_the_best_line():
    """Two Gaussians at distance d: the best accuracy is Φ(d/2)."""
    from scipy.stats import norm
    direction = np.zeros(5)
    direction[2] = 1.5
    found = c2st(rng(1).normal(size=(1500, 5)), rng(2).normal(size=(900, 5)) + direction)
    assert found.value == pytest.approx(norm.cdf(0.75), abs=0.03)
    assert found.low < norm.cdf(0.75) < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.775 * 0.225 * (1 / 1500 + 1 / 900)) / 2, rel=0.15)
    assert found.p == 1 / 500


def test_amplitudes_times_045_and_unequal_numbers():
    """Ten to one: always saying "generated" would be right in 91 % of the cases, and is no better than guessing."""
    found = c2st(rng(1).normal(size=(15, 4)), rng(2).normal(size=(150, 4)))
    assert 0.3 < found.value < 0.7 and found.p > 0.05
    found = c2st(rng(1).normal(size=(15, 4)), rng(2).normal(size=(150, 4)) + 2 * np.log(0.45))
    assert found.value > 0.9 and found.p == 1 / 500


def test_a_forest_sees_a_change_of_scatter_that_no_line_sees():
    x, y = rng(1).normal(size=(80, 6)), 3 * rng(2).normal(size=(80, 6))
    assert c2st(x, y).value < 0.65
    assert c2st(x, y, classifier="forest").value > 0.8


def test_same_seed_same_result():
    x, y = rng(1).normal(size=(20, 3)), rng(2).normal(size=(20, 3))
    assert c2st(x, y, seed=4) == c2st(x, y, seed=4)
    assert c2st(x, y, classifier="forest", times=5, seed=4) == c2st(x, y, classifier="forest", times=5, seed=4)


def test_constant_and_few_features():
    assert c2st(np.ones((9, 3)), np.ones((7, 3))) == (0.5, 1, 0.5, 0.5)
    x = np.column_stack([np.ones(12), rng().normal(size=12)])
    assert 0 <= c2st(x, x + [0, 0.1]).value <= 1
    assert c2st(rng(1).normal(size=5), rng(2).normal(9, 1, 5)).value == 1                  # one value, five records


def test_few_events_are_fewer_folds():
    x, y = rng(1).normal(size=(12, 3)), rng(2).normal(5, 1, size=(12, 3))
    assert c2st(x, y, ["a"] * 6 + ["b"] * 6, range(12)).value == 1
    with pytest.raises(ValueError, match="in 1 parts.*two events a side"):
        c2st(x, y, ["a"] * 12, range(12))
    with pytest.raises(ValueError, match="in 1 parts.*two folds"):
        c2st(x, y, folds=1)


def test_bad_features_and_classifiers_are_refused():
    x, y = rng(1).normal(size=(12, 3)), rng(2).normal(size=(12, 3))
    with pytest.raises(ValueError, match="c2st: 12 real and 4 generated records; at least 5"):
        c2st(x, y[:4])
    with pytest.raises(ValueError, match="not finite"):
        c2st(x, y * np.inf)
    with pytest.raises(ValueError, match="classifier 'svm'; 'logistic' or 'forest'"):
        c2st(x, y, classifier="svm")
    with pytest.raises(ValueError, match="12 real records but 3 groups"):
        c2st(x, y, [1, 2, 3])
