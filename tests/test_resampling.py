"""Bootstrap, splits and permutations by earthquake: whole events move, chances are as stated, intervals cover."""

from __future__ import annotations

import numpy as np
import pytest

from tng.scoring import resampling

EVENTS = np.repeat([f"event {k}" for k in range(12)], [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3])      # 24 records


def rng(seed=0):
    return np.random.default_rng(seed)


# --- events ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("events", [["a", "", None, "a", np.nan, ""], np.array([1.0, np.nan, np.nan, 1.0, np.nan, np.nan]),
                                    np.array(["a", "nan", "None", "a", "<NA>", ""])])
def test_a_record_of_an_unknown_event_is_an_event_of_its_own(events):
    codes = resampling.event_codes(events)
    assert codes[0] == codes[3]
    assert sorted(set(codes)) == list(range(5))


def test_numbers_name_events_as_well_as_text_does():
    numbers = np.array([7, 3, 7, 9])
    assert resampling.event_codes(numbers).tolist() == resampling.event_codes(numbers.astype(str)).tolist() == [1, 0, 1, 2]


def test_events_must_be_one_a_record():
    with pytest.raises(ValueError, match=r"shape \(2, 2\); one for each record"):
        resampling.event_codes([["a", "b"], ["c", "d"]])


# --- bootstrap --------------------------------------------------------------------------------------------

def test_a_drawn_event_comes_with_all_its_records():
    times_drawn = []
    for seed in range(300):
        rows = resampling.bootstrap_rows(EVENTS, rng(seed))
        count = np.bincount(rows, minlength=len(EVENTS))
        for event in set(EVENTS):
            assert len(set(count[event == EVENTS])) == 1                            # every record as often as its event
        times_drawn.append([count[EVENTS == f"event {k}"][0] for k in range(12)])
    times_drawn = np.array(times_drawn)
    assert (times_drawn.sum(axis=1) == 12).all()                                # as many events as there are
    assert times_drawn.mean(axis=0) == pytest.approx(np.ones(12), abs=0.25)     # each equally likely (4.5 standard errors)
    assert times_drawn.var() == pytest.approx(11 / 12, abs=0.1)                   # with replacement: binomial(12, 1/12)


def test_the_spread_of_bootstrap_means_is_that_of_events_and_not_of_records():
    shared = np.repeat(rng(1).normal(size=20), 5)                                  # five records an event, all alike
    events = np.repeat(np.arange(20), 5)
    means = [shared[resampling.bootstrap_rows(events, rng(seed))].mean() for seed in range(800)]
    assert np.std(means) == pytest.approx(shared.std() / np.sqrt(20), rel=0.1)
    alone = [shared[resampling.bootstrap_rows([""] * 100, rng(seed))].mean() for seed in range(800)]
    assert np.std(alone) == pytest.approx(shared.std() / np.sqrt(100), rel=0.1)


def test_one_seed_gives_one_sample():
    assert np.array_equal(resampling.bootstrap_rows(EVENTS, rng(3)), resampling.bootstrap_rows(EVENTS, rng(3)))
    assert not np.array_equal(resampling.bootstrap_rows(EVENTS, rng(3)), resampling.bootstrap_rows(EVENTS, rng(4)))


def test_weights_are_many_bootstrap_samples_at_once():
    weights = resampling.bootstrap_weights(EVENTS, 4000, rng())
    assert weights.shape == (4000, 24)
    first = np.unique(EVENTS, return_index=True)[1]
    assert (weights[:, first].sum(axis=1) == 12).all()                             # as many events as there are
    for event in set(EVENTS):
        assert (weights[:, event == EVENTS] == weights[:, event == EVENTS][:, :1]).all()
    assert weights.mean() == pytest.approx(1, abs=0.02)
    assert weights[:, first].var() == pytest.approx(11 / 12, abs=0.05)
    with pytest.raises(ValueError, match="no records"):
        resampling.bootstrap_weights([], 3, rng())


def test_an_earthquake_is_drawn_for_all_stations_at_once():
    first, second = np.arange(30), np.array([*range(20, 50), "", ""], dtype=object)      # 20 to 29 recorded by both
    unlike = 0
    for seed in range(30):
        rows = resampling.shared_bootstrap([first, second], rng(seed))
        of_first = np.bincount(rows[0], minlength=30)
        of_second = np.bincount(rows[1], minlength=32)
        assert of_first[20:].tolist() == of_second[:10].tolist()
        assert of_first.sum() + of_second[10:].sum() == 52                       # 50 earthquakes, and two records of unknown ones
        unlike += of_second[30] != of_second[31]
    assert unlike > 10                                                          # the two unknown ones are not one


def test_every_station_gets_records():
    stations = [np.array(["a", "b"]), np.arange(200)]
    sizes = [[len(rows) for rows in resampling.shared_bootstrap(stations, rng(seed))] for seed in range(40)]
    assert np.min(sizes, axis=0)[0] >= 2
    alone = resampling.shared_bootstrap([np.array(["a"])], rng(), smallest=9)
    assert [rows.tolist() for rows in alone] == [[0]]                               # all it has


@pytest.mark.parametrize("call, message", [
    (lambda: resampling.bootstrap_rows([], rng()), "no records to draw from"),
    (lambda: resampling.shared_bootstrap([["a"], []], rng()), r"stations of \[1, 0\] records"),
    (lambda: resampling.shared_bootstrap([], rng()), r"stations of \[\] records"),
])
def test_nothing_cannot_be_drawn_from(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- splits ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("sizes", [(10, 10), (5, 12), (1, 1), (12, 8)])
def test_two_sides_of_the_sizes_asked_for_share_no_event(sizes):
    for seed in range(50):
        a, b = resampling.split_by_event(EVENTS, sizes, rng(seed))
        assert (len(a), len(b)) == sizes
        assert len(set(a)) == len(a) and len(set(b)) == len(b)
        assert not set(EVENTS[a]) & set(EVENTS[b])


def test_too_few_records_are_shared_out_in_proportion():
    for seed in range(20):
        a, b = resampling.split_by_event(EVENTS, (40, 20), rng(seed))
        assert sorted([*a, *b]) == list(range(24))
        assert not set(EVENTS[a]) & set(EVENTS[b])
        assert abs(len(a) - 16) <= 3                                            # within an event


def test_every_record_may_come_to_either_side():
    sides = np.zeros((2, 24))
    for seed in range(400):
        for side, rows in enumerate(resampling.split_by_event(EVENTS, (12, 12), rng(seed))):
            sides[side, rows] += 1
    assert sides / 400 == pytest.approx(np.full((2, 24), 0.5), abs=0.12)


@pytest.mark.parametrize("events, sizes, message", [
    (["a", "a", "a"], (1, 1), "3 records of 1 events to be split into 1 and 1"), ([], (1, 1), "0 records of 0 events"),
    (["a", "b"], (0, 1), "split into 0 and 1")])
def test_what_cannot_be_split(events, sizes, message):
    with pytest.raises(ValueError, match=message):
        resampling.split_by_event(events, sizes, rng())


# --- labels ------------------------------------------------------------------------------------------------

def test_labels_move_with_their_event_and_their_number_stays_close():
    labels = np.arange(24) < 9
    permuted = resampling.permuted_labels(labels, EVENTS, rng(), times=500)
    assert permuted.shape == (500, 24) and permuted.dtype == bool
    for event in set(EVENTS):
        assert (permuted[:, event == EVENTS] == permuted[:, event == EVENTS][:, :1]).all()
    assert np.abs(permuted.sum(axis=1) - 9).max() <= 1.5                          # half of the largest event
    assert permuted.mean(axis=0) == pytest.approx(np.full(24, 9 / 24), abs=0.1)
    assert resampling.permuted_labels(labels, EVENTS, rng()).shape == (24,)


def test_labels_of_single_records_keep_their_number_exactly():
    permuted = resampling.permuted_labels(np.arange(30) < 11, [""] * 30, rng(), times=300)
    assert (permuted.sum(axis=1) == 11).all()
    assert len(np.unique(permuted, axis=0)) == 300


def test_labels_and_groups_of_different_length():
    with pytest.raises(ValueError, match="3 labels but 2 groups"):
        resampling.permuted_labels([True, False, True], ["a", "b"], rng())


# --- intervals -----------------------------------------------------------------------------------------------

def test_an_interval_lies_around_the_value_and_is_as_wide_as_the_draws():
    draws = rng().normal(7, 2, 100_000)
    low, high = resampling.interval(draws, 1.0)
    assert (low, high) == pytest.approx((1 - 3.92, 1 + 3.92), abs=0.06)
    assert resampling.interval(draws, 1.0, level=0.6827) == pytest.approx((-1, 3), abs=0.04)
    assert resampling.interval(draws, 1.0, lowest=0, highest=3) == (0, 3)


def test_an_interval_of_a_mean_covers_it():
    """95 % of the intervals of a mean over events hold the true one; those by record hold it far less often."""
    events, held, held_by_record = np.repeat(np.arange(40), 3), 0, 0
    for seed in range(150):
        values = np.repeat(rng(seed).normal(size=40), 3)
        for name in ("event", "record"):
            chance = rng(1000 + seed)
            groups = events if name == "event" else np.arange(120)
            weights = resampling.bootstrap_weights(groups, 150, chance)
            draws = weights @ values / weights.sum(axis=1)
            low, high = resampling.interval(draws, values.mean())
            held += name == "event" and low < 0 < high
            held_by_record += name == "record" and low < 0 < high
    assert 0.87 <= held / 150 <= 0.99
    assert held_by_record / 150 < 0.83


def test_draws_that_failed_are_left_out():
    draws = np.array([[1.0, np.nan, np.nan], [2.0, np.nan, 4.0], [3.0, np.nan, np.nan], [np.nan, np.inf, np.nan]])
    low, high = resampling.interval(draws, np.array([2.0, 5.0, 4.0]), level=0.5)
    assert low == pytest.approx([1.5, np.nan, np.nan], nan_ok=True)
    assert high == pytest.approx([2.5, np.nan, np.nan], nan_ok=True)
    assert np.isnan(resampling.interval([], 1.0)).all()
    assert np.isnan(resampling.interval([1.0, 2.0], np.nan)).all()


@pytest.mark.parametrize("draws, value, level, message", [
    ([1.0, 2.0], 1.0, 1.0, "level 1.0"), ([1.0, 2.0], 1.0, 0, "level 0"),
    (np.zeros((5, 2)), np.zeros(3), 0.9, r"draws of shape \(5, 2\) for a value of shape \(3,\)"),
    (3.0, 3.0, 0.9, r"draws of shape \(\)")])
def test_what_an_interval_refuses(draws, value, level, message):
    with pytest.raises(ValueError, match=message):
        resampling.interval(draws, value, level)


# --- what can be compared --------------------------------------------------------------------------------------

@pytest.mark.parametrize("real, generated, message", [
    (np.zeros((4, 2)), np.zeros((9, 2)), "4 real and 9 generated records; at least 5"),
    (np.zeros((9, 2)), np.zeros((0, 2)), "9 real and 0 generated records"),
    (np.zeros((9, 2)), np.zeros((9, 3)), r"shape \(9, 2\), generated ones of shape \(9, 3\)"),
    (np.zeros((9, 0)), np.zeros((9, 0)), "values are needed"), (np.zeros(9), np.zeros((9, 1)), r"shape \(9,\)"),
    (np.zeros((9, 2, 2)), np.zeros((9, 2, 2)), r"\(9, 2, 2\)"),
    (np.zeros(9), np.array([0, 0, 0, np.inf, np.nan, 0]), "2 of 6 generated records hold .* first is record 3"),
    (np.where(np.eye(9)[:, :2], np.nan, 0), np.zeros((9, 2)), "2 of 9 real records hold .* record 0"),
])
def test_records_that_cannot_be_compared(real, generated, message):
    with pytest.raises(ValueError, match=f"toy: .*{message}"):
        resampling.enough("toy", real, generated)


def test_five_records_can_be_compared():
    real, generated = resampling.enough("toy", np.zeros((5, 1), dtype=np.float32), [[1]] * 5)
    assert real.dtype == generated.dtype == np.float64
