"""Splits: nothing is on two sides, the rows' order does not matter, and the old and the paper's splits are as they were."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tng import corpus, splits
from tng.corpus import Corpus, CorpusError
from tng.records import Record

SHARES = (0.6, 0.1, 0.3)


def stamp(seconds):
    return (pd.Timestamp("2020-01-01T00:00:00Z") + pd.Timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def table(rows):
    """Rows of (event, origin [s] or None, start [s] or None, station)."""
    return pd.DataFrame({
        "trace_name": [f"bucket0${n},:3,:9" for n in range(len(rows))],
        "source_id": [row[0] for row in rows],
        "source_origin_time": [None if row[1] is None else stamp(row[1]) for row in rows],
        "trace_start_time": [None if row[2] is None else stamp(row[2]) for row in rows],
        "station_code": [row[3] for row in rows],
        "trace_source_file": [f"{hashlib.sha256(repr((n, row)).encode()).hexdigest()[:8]}.mat" for n, row in enumerate(rows)],
    })


def groups_of(*rows):
    """Which rows are of one earthquake, as the first row of each row's group."""
    found = splits.event_groups(table(rows))
    return [found.index(group) for group in found]


TIMES = st.one_of(st.none(), st.integers(0, 3000))
ROWS = st.lists(st.tuples(st.sampled_from([f"e{n}" for n in range(12)]), TIMES, TIMES, st.sampled_from(["0205", "A", "B", "C"])),
                min_size=1, max_size=40)


# --- events --------------------------------------------------------------------------------------------

def dealt_as_before(events, shares, seed):
    """What stored results were made with: events shuffled by a hash, dealt out one by one."""
    counts = pd.Series(events, dtype=object).value_counts()
    borders, before, side = np.cumsum(shares)[:2], 0, {}
    for event in sorted(counts.index, key=lambda event: hashlib.sha256(f"{seed}:{event}".encode()).digest()):
        middle = (before + counts[event] / 2) / len(events)
        side[event] = ("train", "dev", "test")[int((middle >= borders - 1e-9).sum())]
        before += counts[event]
    return [side[event] for event in events]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=80), st.integers(0, 5),
       st.sampled_from([SHARES, (0.8, 0.2, 0), (1, 0, 0)]))
def test_events_of_their_own_are_dealt_as_before(events, seed, shares):
    rows = table([(f"event {n}", 1000 * n, None, "A") for n in events])
    assert splits.by_event(rows, shares, seed) == dealt_as_before(rows["source_id"].tolist(), shares, seed)


def test_split_is_pinned():
    """Stored notebooks depend on these very values."""
    rows = table([(f"202001010000{n:02d}", 1000 * n, None, "A") for n in range(12)])
    expected = ["train", "train", "train", "train", "dev", "train", "test", "test", "train", "test", "test", "train"]
    assert splits.by_event(rows, SHARES, 0) == dealt_as_before(rows["source_id"].tolist(), SHARES, 0) == expected


def test_one_earthquake_under_two_names():
    assert groups_of(("a", 0, None, "A"), ("b", 10, None, "B"), ("c", 20.5, None, "C")) == [0, 0, 2]      # 10 s, 10.5 s
    assert groups_of(("a", None, 0, "A"), ("b", None, 60, "B"), ("c", None, 121, "C")) == [0, 0, 2]       # 60 s, 61 s
    assert groups_of(("a", 0, None, "A"), ("b", None, 60, "B"), ("c", None, 121, "C")) == [0, 0, 2]
    assert groups_of(("a", 0, None, "A"), ("b", 45, None, "B"), ("s", None, 55, "C")) == [0, 0, 0]        # by the third
    assert groups_of(("a", 0, None, "A"), ("a", 5000, None, "B")) == [0, 0]                               # by name


def test_starts_say_nothing_where_the_origin_is_known():
    rows = ("a", 0, None, "A"), ("a", None, 100, "B"), ("b", 100, None, "C")
    assert groups_of(*rows) == [0, 0, 2]


def test_an_aftershock_sequence_is_not_one_event():
    rows = [(f"e{n:03d}", 9 * n, None, "A") for n in range(200)]
    found = pd.Series(9 * np.arange(200)).groupby(splits.event_groups(table(rows))).agg(["min", "max", "count"])
    assert (found["max"] - found["min"]).max() <= splits.LONGEST_GROUP_S
    assert len(found) >= 6 and found["count"].sum() == 200


def test_records_without_a_name_are_grouped_by_time():
    rows = [("", 0, None, "A"), ("", 5, None, "B"), ("", 900, None, "A"), ("", None, None, "A"), ("", None, None, "B")]
    assert groups_of(*rows) == [0, 0, 2, 3, 4]


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_groups_keep_names_together_and_do_not_chain(rows):
    metadata = table(rows)
    found = pd.Series(splits.event_groups(metadata))
    assert (found.groupby(metadata["source_id"]).nunique() == 1).all()
    single = metadata.groupby("source_id").size().eq(1)
    times = pd.Series([row[2] if row[1] is None else row[1] for row in rows], dtype=float)
    alone = metadata["source_id"].map(single)
    for _, members in times[alone].groupby(found[alone]):
        assert not np.ptp(members.dropna()) > splits.LONGEST_GROUP_S if members.notna().any() else len(members) == 1


@settings(max_examples=60, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), st.integers(0, 3))
def test_no_policy_depends_on_the_order_of_rows(rows, random, seed):
    metadata = table(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    made, again = (splits.add(one, SHARES, seed) for one in (metadata, metadata.iloc[order].reset_index(drop=True)))
    for column in ("split", "split_paper", "split_station", "split_time"):
        assert made[column].iloc[order].fillna("").tolist() == again[column].fillna("").tolist(), column


@settings(max_examples=100, deadline=None)
@given(ROWS, st.integers(0, 3))
def test_no_event_and_no_station_is_on_two_sides(rows, seed):
    made = splits.add(table(rows), SHARES, seed)
    group = pd.Series(splits.event_groups(made))
    assert (made["split"].groupby(group).nunique() == 1).all()
    assert (made.groupby("source_id")["split"].nunique() == 1).all()
    assert (made.groupby("station_code")["split_station"].nunique() == 1).all()
    assert (made.groupby("source_id")["split_time"].nunique() <= 1).all()
    assert set(made["split"]) | set(made["split_station"]) | set(made["split_paper"]) <= {"train", "dev", "test"}


# --- folds ---------------------------------------------------------------------------------------------

def dealt(rows, folds, seed=0):
    """The test side of every fold, a row a fold."""
    metadata = table(rows)
    return metadata, np.array([splits.by_fold(metadata, fold, folds, SHARES, seed) for fold in range(folds)])


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(2, 4), st.integers(0, 3))
def test_every_earthquake_is_test_in_exactly_one_fold(rows, folds, seed):
    groups = splits.event_groups(table(rows))
    if len(set(groups)) < folds:
        with pytest.raises(CorpusError, match="earthquakes; each fold needs one"):
            dealt(rows, folds, seed)
        return
    _, made = dealt(rows, folds, seed)
    assert ((made == "test").sum(axis=0) == 1).all() and (made == "test").any(axis=1).all()
    for group in set(groups):
        sides = made[:, np.array(groups) == group]
        assert (sides == sides[:, :1]).all()


@settings(max_examples=40, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), st.integers(0, 3))
def test_folds_do_not_depend_on_the_order_of_rows(rows, random, seed):
    metadata = table(rows)
    if len(set(splits.event_groups(metadata))) < 2:
        return
    order = list(range(len(rows)))
    random.shuffle(order)
    made, again = (splits.by_fold(one, 1, 2, SHARES, seed) for one in (metadata, metadata.iloc[order].reset_index(drop=True)))
    assert [made[row] for row in order] == again


def network(heard):
    """Rows of a network: an event for each string, heard by the stations that are its letters."""
    return [(f"e{n:02d}", 1000 * n, None, station) for n, stations in enumerate(heard) for station in stations]


@pytest.mark.parametrize("heard, folds", [
    (["AB", "CD", "AC", "BD"], 2),                           # only {0, 1} against {2, 3} gives each fold all stations
    (["ABCDEF", "ABC", "DEF"], 2), (["A", "A", "B", "B", "AB"], 2), (["AB", "BC", "CA", "AB", "BC", "CA"], 3),
    (["G", "G", "BCDEFG", "ABCDEF", "G", "BCDEFG", "CDEFG", "ABCDE", "ABCEFG", "CDFG", "ABCDF", "ABC", "ABCDFG", "BCDEFG", "ABF", "AEFG", "ABCDEF"], 2),
])
def test_every_station_is_tested_in_every_fold(heard, folds):
    for seed in range(5):
        metadata, made = dealt(network(heard), folds, seed)
        assert (pd.crosstab((made == "test").argmax(axis=0), metadata["station_code"]) > 0).all(axis=None)


def test_folds_are_of_one_size_station_by_station():
    random = np.random.default_rng(0)
    heard = ["".join(random.choice(list("ABCDEFGHIJ"), random.integers(1, 11), replace=False)) for _ in range(200)]
    metadata, made = dealt(network(heard), 4)
    counts = pd.crosstab((made == "test").argmax(axis=0), metadata["station_code"])
    assert np.ptp(counts.sum(axis=1)) <= 2 and (np.ptp(counts, axis=0) <= 4).all()     # dealt by chance: some 30 and 12
    by_chance = random.integers(0, 4, 200)[[int(event[1:]) for event in metadata["source_id"]]]
    assert (np.ptp(pd.crosstab(by_chance, metadata["station_code"]), axis=0) > 4).any()


def test_the_others_train_by_the_first_two_shares():
    rows = [(f"e{n}", 1000 * n, None, "A") for n in range(100)]
    for shares, train, dev in ((SHARES, 43, 7), ((0.5, 0.5, 0), 25, 25), ((1, 0, 0), 50, 0), ((0, 0, 1), 50, 0)):
        made = splits.by_fold(table(rows), 0, 2, shares)
        assert [made.count(side) for side in ("train", "dev", "test")] == [train, dev, 50]


def test_the_seed_deals_other_folds_and_other_columns_stay():
    rows = table([(f"e{n}", 1000 * n, None, "A") for n in range(30)])
    made, plain = splits.add(rows, SHARES, 0, fold=(0, 3)), splits.add(rows, SHARES, 0)
    assert made["split"].tolist() == splits.by_fold(rows, 0, 3, SHARES, 0) != splits.by_fold(rows, 0, 3, SHARES, 1)
    for column in ("split_paper", "split_station", "split_time"):
        assert made[column].tolist() == plain[column].tolist()


@pytest.mark.parametrize("fold, folds", [(0, 1), (2, 2), (-1, 2), (0, 0)])
def test_folds_that_cannot_be(fold, folds):
    with pytest.raises(CorpusError, match=f"fold {fold} of {folds}: at least 2 folds"):
        splits.by_fold(table(network("AAA")), fold, folds, SHARES)


# --- time ----------------------------------------------------------------------------------------------

@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 50000), min_size=1, max_size=60))
def test_training_comes_before_testing(origins):
    """Each event with one origin time, two records each."""
    rows = [(f"e{origin}", origin, None, station) for origin in origins for station in "AB"]
    made = splits.add(table(rows), SHARES)
    times = pd.Series([row[1] for row in rows])
    last = -1
    for side in ("train", "dev", "test"):
        of_side = times[made["split_time"] == side]
        if len(of_side):
            assert of_side.min() > last
            last = of_side.max()


def test_shares_of_time_are_of_events():
    rows = [(f"e{n}", 1000 * n, None, "A") for n in range(100) for _ in range(1 + 9 * (n < 10))]
    made = splits.add(table(rows)).drop_duplicates("source_id")
    assert made["split_time"].tolist() == ["train"] * 60 + ["dev"] * 10 + ["test"] * 30


def test_records_without_a_time_are_on_no_side():
    made = splits.add(table([("a", 0, None, "A"), ("a", None, None, "B"), ("b", None, None, "A")]))
    assert made["split_time"][0] == made["split_time"][1]
    assert made["split_time"].isna().tolist() == [False, False, True]
    assert splits.add(table([("a", None, None, "A")]))["split_time"].isna().all()


@pytest.mark.parametrize("text", ["2020-01-01T00:00:05Z", "2020-01-01 00:00:05", "2020/01/01 00:00:05.0",
                                  "2020-01-01T02:00:05+02:00"])
def test_times_in_any_common_style(text):
    rows = table([("a", 0, None, "A"), ("b", 0, None, "B"), ("c", 500, None, "C")])
    rows.loc[1, "source_origin_time"] = text
    assert splits.event_groups(rows) == ["a", "a", "c"]
    rows.loc[1, "source_origin_time"] = "yesterday"
    assert splits.event_groups(rows) == ["a", "b", "c"]


# --- the paper -----------------------------------------------------------------------------------------

def corpus_like(counts):
    rows = [(f"e{n}", 1000 * n, None, station) for station, count in counts.items() for n in range(count)]
    metadata = table(rows)
    names = [f"20200101{n:06d}_{station}.mat" for station, count in counts.items() for n in range(count)]
    return metadata.assign(trace_source_file=names)


def public_code(names, selected):
    """The published procedure, written down again: stations in order of their first file, one stream of random numbers."""
    by_station = {}
    for name in sorted(names):
        by_station.setdefault(name.split("_")[1][:4], []).append(name)
    stream, train, test = np.random.RandomState(0), [], []
    for station, files in by_station.items():
        stream.shuffle(files)
        (test if station in selected else train).extend(files)
    np.random.seed(0)
    np.random.shuffle(train)
    return set(train[:int(len(train) * 0.8)]), set(train[int(len(train) * 0.8):]), set(test)


def test_paper_split_is_the_public_codes():
    metadata = corpus_like({"0205": 13, "1716": 9, "2020": 5, "3130": 7, "4628": 11, "9901": 30, "9902": 22, "0101": 3})
    made = splits.by_paper(metadata)
    expected = public_code(metadata["trace_source_file"].tolist(), splits.PAPER_STATIONS)
    sides = [{name for name, split in zip(metadata["trace_source_file"], made) if split == side}
             for side in ("train", "dev", "test")]
    assert sides == list(expected)
    assert [len(side) for side in sides] == [44, 11, 45]


def test_paper_split_leaves_the_global_generator_alone():
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    splits.by_paper(corpus_like({"0205": 3, "A": 9}))
    assert np.random.random() == expected


def test_stations_that_the_paper_holds_out():
    def test_stations(counts, held_out=()):
        metadata = corpus_like(counts)
        return sorted(set(metadata["station_code"][np.array(splits.by_paper(metadata, held_out)) == "test"]))

    assert test_stations({"2020": 1, "0205": 1, "9901": 50}) == ["0205", "2020"]
    assert test_stations({"a": 9, "b": 8, "c": 7, "d": 7, "e": 7, "f": 7, "g": 1}) == ["a", "b", "c", "d", "e"]
    assert test_stations({"2020": 1, "9901": 50, "9902": 3}, ["9902"]) == ["9902"]


def test_held_out_stations_test_and_no_other():
    metadata = corpus_like({f"{n:04d}": 10 for n in range(40)})
    made = splits.add(metadata, SHARES, held_out=["0003", "0007"])
    for column in ("split_station", "split_paper"):
        assert set(made["station_code"][made[column] == "test"]) == {"0003", "0007"}
    assert abs((made["split_station"] == "dev").mean() - 0.95 / 7) < 0.05
    for shares in ((0, 0, 1), (0, 1, 0)):
        assert (splits.by_station(metadata, shares, held_out=["0003"]).count("test")) == 10


def test_stations_are_dealt_by_share_and_seed():
    metadata = corpus_like({f"{n:04d}": 10 for n in range(200)})
    made = splits.by_station(metadata, SHARES)
    assert {side: made.count(side) for side in ("train", "dev", "test")} == {"train": 1200, "dev": 200, "test": 600}
    assert splits.by_station(metadata, SHARES, 1) != made


# --- in a corpus ---------------------------------------------------------------------------------------

@pytest.fixture
def made(tmp_path):
    def motions():
        for n in range(60):
            yield Record(np.random.default_rng(n).normal(size=(3, 20)), 100, ["0205", "9901", "9902"][n % 3], f"e{n // 3}",
                         {"source_origin_time": stamp(1000 * (n // 3)), "trace_source_file": f"{n:03d}.mat"})

    return corpus.write(motions(), tmp_path / "made")


def test_corpus_has_all_four(made):
    assert (made.metadata["split_paper"] == "test").tolist() == (made.metadata["station_code"] == "0205").tolist()
    expected = splits.add(made.metadata, SHARES)
    for column in ("split", "split_paper", "split_station", "split_time"):
        assert made.metadata[column].tolist() == expected[column].tolist()
    np.testing.assert_array_equal(made.select(split="test", by="paper"), made.select("0205"))
    assert made.select("0205", "train", by="paper").size == 0
    first, last = (made.metadata["source_origin_time"].iloc[made.select(split=side, by="time")] for side in ("train", "test"))
    assert first.max() < last.min()
    np.testing.assert_array_equal(made.select(split="test"), np.flatnonzero(made.metadata["split"] == "test"))


def test_ways_that_a_corpus_does_not_have(made):
    with pytest.raises(CorpusError, match="no way to split 'times'; did you mean time"):
        made.select(split="train", by="times")
    path = made.folder / "metadata.csv"
    rows = pd.read_csv(path, dtype=str)
    rows.drop(columns=["split_station"]).assign(split_time="").to_csv(path, index=False)
    old = Corpus.open(made.folder)
    with pytest.raises(CorpusError, match="no column 'split_station'; `tng corpus split"):
        old.select(split="train", by="station")
    with pytest.raises(CorpusError, match="nothing in column 'split_time'; `tng corpus split"):
        old.select(split="train", by="time")
    assert len(old.select(split="train")) > 0


def test_fingerprint_knows_only_the_default_split(made):
    """So that the fingerprints of corpora written before the other columns were there stay what they were."""
    path = made.folder / "metadata.csv"
    rows, before = pd.read_csv(path, dtype=str, keep_default_na=False), made.fingerprint
    rows.drop(columns=["split_paper", "split_station", "split_time"]).to_csv(path, index=False)
    assert Corpus.open(made.folder).fingerprint == before
    rows.assign(split="train").to_csv(path, index=False)
    assert Corpus.open(made.folder).fingerprint != before


def test_a_corpus_rewritten_is_split_anew(made, tmp_path):
    """What an older split said comes along in the records' metadata and must not stay."""
    rows = made.select(["9901", "9902"])
    again = corpus.write((made.record(row) for row in rows), tmp_path / "again", seed=4)
    expected = splits.add(again.metadata, SHARES, 4)
    for column in ("split", "split_paper", "split_station", "split_time"):
        assert again.metadata[column].tolist() == expected[column].tolist()
    assert set(again.metadata["split_paper"]) == {"test"}     # the two stations are those with the most records


def test_many_records_take_no_time():
    import time

    count = 36000
    random = np.random.default_rng(0)
    metadata = pd.DataFrame({
        "source_id": [f"e{n}" for n in random.integers(0, 9000, count)],
        "station_code": random.integers(0, 700, count).astype(str),
        "trace_source_file": [f"{n}.mat" for n in random.permutation(count)]})
    metadata["source_origin_time"] = [stamp(int(event[1:]) * 40) for event in metadata["source_id"]]
    begin = time.perf_counter()
    splits.add(metadata)
    assert time.perf_counter() - begin < 5           # 0.5 s on an idle machine
