"""A station whose HVSR is largest at an edge of the band has no f0 that could be scored, and the board says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import signal
from typer.testing import CliRunner

from tng import cli
from tng.scoring import tables
from tng.scoring.board import ALL, scoreboard


def row(board: pd.DataFrame, generator: str, measure: str, station: str = ALL) -> pd.Series:
    found = board[(board["generator"] == generator) & (board["measure"] == measure) & (board["station"] == station)]
    assert len(found) == 1
    return found.iloc[0]


def soft_and_hard(n: int, seed: int, f0_hz: dict[str, float]) -> dict[str, np.ndarray]:
    """Records of 30 s at 50 Hz: noise, then a decaying burst; horizontals through a resonance at f0."""
    rng, time_s = np.random.default_rng(seed), np.arange(1500) / 50
    envelope = 1e-3 + np.where(time_s < 8, 0, np.exp(-np.maximum(time_s - 8, 0) / 5))
    made = {}
    for code, resonance_hz in f0_hz.items():
        made[code] = envelope * rng.standard_normal((n, 3, 1500)) * np.exp(0.3 * rng.standard_normal((n, 1, 1)))
        made[code][:, :2] += 4 * signal.lfilter(*signal.iirpeak(resonance_hz, 3, fs=50), made[code][:, :2], axis=-1)
    return made


@pytest.fixture(scope="module")
def soft():
    return [soft_and_hard(9, seed, {"hard": 4, "soft": 0.7, "stiff": 8}) for seed in (1, 2, 3)]


def of_soft(soft, **changes) -> pd.DataFrame:
    return scoreboard(soft[0], soft[1], {"new": soft[2]}, sampling_rate_hz=50.0, draws=20, **changes)


F0_NAMES = ["f0 similarity", "f0 W1", "f0 KS", "f0 ratio", "f0 scatter ratio"]


def test_f0_at_the_edge_of_the_band_is_not_scored(soft):
    board = of_soft(soft)
    for name in F0_NAMES:
        edge = row(board, "new", name, "soft")
        assert edge["verdict"] == "not scored" and np.isnan(edge["value"])
        assert edge["note"] == "no f0: the median HVSR of its held-out records peaks at the lower edge of 1-20 Hz; name a lower band"
        assert row(board, "new", name, "hard")["verdict"] != "not scored" and row(board, "new", name, "hard")["note"] == ""
        both, together = [row(board, "new", name, code)["value"] for code in ("hard", "stiff")], row(board, "new", name)
        assert together["value"] == pytest.approx(np.sqrt(np.prod(both)) if name.endswith("ratio") else np.mean(both))
        assert together["note"].startswith("without soft")
    assert row(board, "new", "HVSR rms", "soft")["verdict"] != "not scored"
    alone = scoreboard(soft[0], soft[1], {"new": soft[2]}, sampling_rate_hz=50.0, draws=20, stations=["hard", "stiff"])
    for name in ("NCC SxS", "NCC 2Sx2S"):                            # of the stations that have an f0
        assert row(board, "new", name)["value"] == pytest.approx(row(alone, "new", name)["value"])
    assert any(note.startswith("soft: no f0") and "lower band" in note for note in board.attrs["notes"])


def test_f0_is_scored_in_a_band_that_holds_it(soft):
    automatic = of_soft(soft, band_hz="auto")
    low_hz, high_hz = automatic.attrs["band_hz"]
    assert 0.27 <= low_hz < 0.4 and high_hz == 20
    assert not any("no f0" in note for note in automatic.attrs["notes"])
    assert all(row(automatic, "new", name, code)["verdict"] != "not scored" for name in F0_NAMES for code in ("soft", "hard"))


def test_one_station_with_an_f0_makes_no_ncc(soft):
    of_two = [{code: side[code] for code in ("soft", "hard")} for side in soft]
    board = of_soft(of_two)
    assert row(board, "new", "NCC SxS")["verdict"] == "not scored" and row(board, "new", "NCC SxS")["note"].startswith("without soft")


def test_no_station_with_an_f0():
    board = of_soft([{code: soft_and_hard(6, seed, {code: 0.7})[code] for code in "AB"} for seed in (4, 5, 6)])
    assert all(row(board, "new", name)["verdict"] == "not scored" for name in [*F0_NAMES, "NCC SxS"])
    assert tables.as_text(board)


def test_one_of_two_bands():
    told = CliRunner().invoke(cli.app, ["score", "real", "new", "--auto-band", "--band-hz", "1", "12"])
    assert isinstance(told.exception, ValueError) and "one of them" in str(told.exception)
