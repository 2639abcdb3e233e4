"""The paper's scores: f0 histograms, their Jensen-Shannon similarity, the confusion matrix and its NCC.

They are computed exactly as published, on float64 bins, and come with what is needed to read them: an interval, and the
scores of copies and of random draws at the same numbers of records.  How it moves with its bins is in
:mod:`tng.scoring.worth`, measures without bins in :mod:`tng.scoring.f0`.

Lists of f0 are given station by station: a mapping from station to f0 [Hz], or a sequence of arrays in the order of stations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tng import intensity, spectra
from tng.scoring.histograms import (F0_BINS_HZ, F0Lists, draw_shares, event_counts, f0_counts, f0_histogram, per_station,
                                    share_similarity, shares, station_lists)

__all__ = ["F0_BINS_HZ", "Measures", "compare", "curve_error", "f0_histogram", "f0_lists", "interleaved", "measure", "ncc",
           "ncc_pairs", "ncc_real", "ncc_stations", "readable", "reference_scores", "score_f0", "scores_of_shares", "similarity",
           "similarity_matrix", "told_apart"]

BLOCK = 100                                 # draws scored at a time, to bound the memory


# --- similarity, the matrix and its NCC -------------------------------------------------------------

def similarity(f0_a_hz, f0_b_hz, bins_hz=F0_BINS_HZ, *, square_root: bool = True) -> float:
    """1 - sqrt(JSD₂) of two f0 histograms: 1 for equal ones, 0 for disjoint ones.

    The published code takes the square root, so this is one minus the Jensen-Shannon *distance*
    (Lin, 1991), not the divergence; `square_root=False` gives one minus the divergence.
    """
    return float(similarity_matrix([f0_a_hz], [f0_b_hz], bins_hz, square_root=square_root)[0, 0])


def similarity_matrix(rows: F0Lists, columns: F0Lists, bins_hz=F0_BINS_HZ, *, square_root: bool = True) -> np.ndarray:
    """Similarity of every list of f0 in `rows` with every list in `columns`, shape (rows, columns)."""
    p, q = (shares(f0_counts(lists, bins_hz)) for lists in (rows, columns))
    return share_similarity(p[:, None], q[None], square_root=square_root)


def ncc(matrix, ideal) -> float:
    """The paper's "NCC": Pearson correlation of a flattened matrix with the ideal one.

    Raises
    ------
    ValueError
        If all entries of one are the same, so that there is nothing to correlate.
    """
    matrix, ideal = np.asarray(matrix, dtype=np.float64), np.asarray(ideal, dtype=np.float64)
    if matrix.shape != ideal.shape or np.ptp(matrix) == 0 or np.ptp(ideal) == 0:
        raise ValueError(f"a matrix of shape {matrix.shape} against an ideal of shape {ideal.shape}; equal shapes are needed, "
                         "and entries that differ: one station has no NCC")
    return float(np.corrcoef(np.ravel(matrix), np.ravel(ideal))[0, 1])


def ncc_stations(real: F0Lists, generated: F0Lists, bins_hz=F0_BINS_HZ, *, square_root: bool = True) -> float:
    """NCC of the S×S matrix (real station i, generated station j) with the identity."""
    p, q = matched_shares(real, generated, bins_hz)
    return ncc(share_similarity(p[:, None], q[None], square_root=square_root), np.eye(len(p)))


def ncc_pairs(real: F0Lists, generated: F0Lists, bins_hz=F0_BINS_HZ, *, square_root: bool = True) -> float:
    """NCC of the 2S×2S matrix (R1, G1, R2, G2, …) with its ideal of 2×2 blocks of ones.

    Its diagonal is 1 whatever is generated, and it contains the real-real similarities: random
    frequencies already score about 0.4.
    """
    both = np.concatenate(interleaved(*matched_shares(real, generated, bins_hz))).reshape(2 * len(real), -1)
    return ncc(share_similarity(both[:, None], both[None], square_root=square_root), _blocks(len(real)))


def ncc_real(real: F0Lists, generated: F0Lists, bins_hz=F0_BINS_HZ, *, square_root: bool = True) -> float:
    """Correlation of the S×S matrix with that of the real lists among themselves, which a copy would give."""
    p, q = matched_shares(real, generated, bins_hz)
    return ncc(*(share_similarity(p[:, None], other[None], square_root=square_root) for other in (q, p)))


def interleaved(real: Sequence, generated: Sequence) -> list:
    """R1, G1, R2, G2, … : the order of rows and columns of the 2S×2S matrix."""
    return [f0_hz for pair in zip(real, generated, strict=True) for f0_hz in pair]


def told_apart(matrix) -> int:
    """Real stations (rows) that are most like their own generated list: the largest of a row is on the diagonal."""
    matrix = np.asarray(matrix)
    return int((matrix.argmax(axis=1) == np.arange(len(matrix))).sum())


def _blocks(stations: int) -> np.ndarray:
    return np.kron(np.eye(stations), np.ones((2, 2)))


def matched(real: F0Lists, generated: F0Lists) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Both sides by station, in the order of the real ones.

    Raises
    ------
    ValueError
        If there are other stations on the other side, or fewer than two.
    """
    (names, a), (others, b) = station_lists(real, "real"), station_lists(generated, "generated")
    if isinstance(real, Mapping) and isinstance(generated, Mapping):
        if set(names) != set(others):
            raise ValueError(f"real stations {', '.join(names)}, generated ones {', '.join(others)}; the same are needed")
        b = [b[others.index(name)] for name in names]
    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"f0 of {len(a)} real and of {len(b)} generated stations; the NCC compares stations with each other: "
                         "the same number, and at least two, are needed")
    return dict(zip(names, a)), dict(zip(names, b))


def matched_shares(real: F0Lists, generated: F0Lists, bins_hz=F0_BINS_HZ) -> tuple[np.ndarray, np.ndarray]:
    """Shares of both sides, shape (stations, bins) each; see `matched`."""
    return tuple(shares(f0_counts(lists, bins_hz, side))
                 for lists, side in zip(matched(real, generated), ("real", "generated")))


def scores_of_shares(real, generated) -> np.ndarray:
    """S×S and 2S×2S NCC and mean diagonal of many draws at once, shape (draws, 3).

    Both are shares (draws, stations, bins), or (stations, bins) for one that is not drawn.  NaN where a draw is empty.
    """
    real, generated = np.broadcast_arrays(real, generated)
    draws, stations = real.shape[:2]
    found = []
    for block in np.array_split(np.arange(draws), max(1, -(-draws // BLOCK))):
        both = np.stack([real[block], generated[block]], axis=2).reshape(len(block), 2 * stations, -1)
        pairs = share_similarity(both[:, :, None], both[:, None])
        matrix = pairs[:, ::2, 1::2]
        found.append(np.stack([_correlation(matrix, np.eye(stations)), _correlation(pairs, _blocks(stations)),
                               np.diagonal(matrix, axis1=1, axis2=2).mean(axis=1)], axis=1))
    return np.concatenate(found)


def _correlation(matrices: np.ndarray, ideal: np.ndarray) -> np.ndarray:
    """Pearson correlation of each flattened matrix with the ideal; NaN for one whose entries are all the same."""
    a, b = matrices.reshape(len(matrices), -1), ideal.ravel() - ideal.mean()
    a = a - a.mean(axis=1, keepdims=True)
    scale = np.linalg.norm(a, axis=1) * np.linalg.norm(b)
    return (a @ b) / np.where(scale > 0, scale, np.nan)


# --- scores with intervals, and what they are worth ---------------------------------------------------

def _times(events: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each event is drawn in each of some bootstrap samples, shape (draws, events)."""
    return rng.multinomial(events, np.full(events, 1 / events), size=draws)


def score_f0(real: F0Lists, generated: F0Lists, *, bins_hz=F0_BINS_HZ, draws: int = 200, seed: int = 0,
             real_events: F0Lists | None = None, generated_events: F0Lists | None = None,
             paired: bool = False) -> dict[str, float]:
    """The paper's two NCC with 95 % bootstrap intervals, mean diagonal similarity and row accuracy.

    Parameters
    ----------
    real, generated : mapping or sequence of arrays
        f0 [Hz] of each station, in the same order of stations.
    draws : int
        Bootstrap samples; real and generated lists are both redrawn with replacement.
    real_events, generated_events : mapping or sequence of arrays, optional
        The event of each record, station by station; events are then drawn with all their records.  The f0 itself will do where
        the same record occurs several times.
    paired : bool
        Whether generated row i was made from real row i (a reconstruction): both are then drawn together.

    Notes
    -----
    The interval says how far the score moves with other records of the same law.  Redrawn lists repeat
    values, which lowers the similarity, so the interval may lie below the score itself.

    Raises
    ------
    ValueError
        For fewer than two stations, a station without f0 in the bins, or pairs of different length.
    """
    real, generated = matched(real, generated)
    p, q = matched_shares(real, generated, bins_hz)
    rng = np.random.default_rng(seed)
    redrawn: tuple[list, list] = ([], [])
    for i, name in enumerate(real):
        if paired and len(real[name]) != len(generated[name]):
            raise ValueError(f"station {name}: {len(real[name])} real and {len(generated[name])} generated f0 are no pairs")
        r_events, g_events = (None if events is None else events[name if isinstance(events, Mapping) else i]
                              for events in (real_events, generated_events))
        r = event_counts(real[name], r_events, bins_hz)
        g = event_counts(generated[name], r_events if paired else g_events, bins_hz)
        times = _times(len(r), draws, rng)
        redrawn[0].append(times @ r)
        redrawn[1].append((times if paired else _times(len(g), draws, rng)) @ g)
    samples = scores_of_shares(*(shares(np.stack(one, axis=1)) for one in redrawn))
    low, high = np.nanpercentile(samples, [2.5, 97.5], axis=0)
    matrix = share_similarity(p[:, None], q[None])
    return {
        "SxS": ncc(matrix, np.eye(len(matrix))), "SxS low": low[0], "SxS high": high[0],
        "2Sx2S": scores_of_shares(p[None], q[None])[0, 1], "2Sx2S low": low[1], "2Sx2S high": high[1],
        "mean diagonal": float(np.diag(matrix).mean()), "told apart": told_apart(matrix),
    }


def reference_scores(real: F0Lists, counts: Sequence[int] | int | None = None, *, bins_hz=F0_BINS_HZ, draws: int = 200,
                     seed: int = 0) -> pd.DataFrame:
    """What an NCC is worth on these stations: scores of lists that need no generator at all.

    Rows: a copy of the real records; a bootstrap of them (another sample of the same law would reach this);
    one constant frequency a station (its median); the frequencies of all stations shuffled together; frequencies
    drawn evenly from the whole band; the records of the next station.
    Columns: mean, 2.5 % and 97.5 % of both NCC, and the mean diagonal similarity.

    Parameters
    ----------
    counts : sequence of int, optional
        Records to draw a station; default as many as are real.
    """
    names, real = station_lists(real)
    counts = per_station(counts, real)
    rng = np.random.default_rng(seed)
    laws = f0_counts(dict(zip(names, real)), bins_hz)
    constant = f0_counts([[np.median(f0_hz)] for f0_hz in real], bins_hz)
    pooled, even = (np.tile(law, (len(real), 1)) for law in (laws.sum(axis=0), np.diff(bins_hz)))
    drawn = {
        "copy of the real records": shares(laws)[None],
        "bootstrap of the real records": draw_shares(laws, counts, draws, rng),
        "one constant f0 a station": shares(constant)[None],
        "all stations pooled": draw_shares(pooled, counts, draws, rng),
        "evenly over the band": draw_shares(even, counts, draws, rng),
        "the next station's records": shares(np.roll(laws, -1, axis=0))[None],
    }
    return pd.DataFrame.from_dict({name: summary(scores_of_shares(shares(laws), g)) for name, g in drawn.items()}, orient="index")


def summary(scores: np.ndarray) -> dict[str, float]:
    """Mean and 95 % range of the draws of `scores_of_shares`."""
    low, high = np.nanpercentile(scores, [2.5, 97.5], axis=0)
    mean = np.nanmean(scores, axis=0)
    return {"SxS": mean[0], "SxS low": low[0], "SxS high": high[0], "2Sx2S": mean[1], "2Sx2S low": low[1], "2Sx2S high": high[1],
            "mean diagonal": mean[2]}


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A table of scores as text: ``x``, ``x low`` and ``x high`` become one column ``x [95 %]``.

    Scores that nothing was drawn for have no interval, and no bracket.
    """
    shown = {}
    for name in table:
        if f"{name} low" in table:
            shown[f"{name.replace('x', '×')} [95 %]"] = [
                f"{value:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low < high else "")
                for value, low, high in zip(table[name], table[f"{name} low"], table[f"{name} high"])]
        elif not name.endswith((" low", " high")):
            whole = (table[name] % 1 == 0).all()
            shown[name] = [f"{value:.0f}" if whole else f"{value:.2f}" for value in table[name]]
    return pd.DataFrame(shown, index=table.index)


# --- sets of records, station by station ------------------------------------------------------------

def curve_error(generated, reference, curve_hz) -> float:
    """Root mean square of ln(generated/reference) of two HVSR curves, every octave weighing the same.

    0.1 is a misfit of about 10 %.  Curves are given at `curve_hz` (ascending, [Hz]).
    """
    curve_hz, generated, reference = (np.asarray(x, dtype=np.float64) for x in (curve_hz, generated, reference))
    if not (curve_hz.shape == generated.shape == reference.shape) or min(generated.min(), reference.min(), curve_hz.min()) <= 0:
        raise ValueError(f"curves of shapes {generated.shape} and {reference.shape} at frequencies of shape {curve_hz.shape}; "
                         "equal shapes and positive values are needed")
    octaves = np.gradient(curve_hz) / curve_hz                  # d ln f: the weight of each sample
    return float(np.sqrt(np.average(np.log(generated / reference) ** 2, weights=octaves)))


@dataclass(frozen=True)
class Measures:
    """What the records of one station show; arrays have one entry, or row, a record."""

    freq_hz: np.ndarray          # (frequencies,)
    curves: np.ndarray           # HVSR (records, frequencies)
    f0_hz: np.ndarray
    pga_cmps2: np.ndarray        # geometric mean of the horizontals
    duration_s: np.ndarray       # D5-95, geometric mean of the horizontals

    @property
    def median_curve(self) -> np.ndarray:
        """Median HVSR at the paper's 400 frequencies."""
        return spectra.median_curve(self.freq_hz, self.curves)


def measure(data, sampling_rate_hz: float) -> Measures:
    """HVSR, f0, PGA and duration of records (records, 3, samples) [cm/s²]; at least one is needed."""
    if len(data) == 0:
        raise ValueError("no records to measure: a station without records cannot be scored")
    freq_hz, curves = spectra.hvsr(data, sampling_rate_hz)
    return Measures(freq_hz, curves, spectra.f0(freq_hz, curves), intensity.horizontal_pga(data),
                    intensity.horizontal_duration(data, sampling_rate_hz))


def compare(reference: Mapping[str, Measures], generated: Mapping[str, Measures]) -> pd.DataFrame:
    """Generated against held-out records, a row a station.

    Columns: median f0 of both [Hz]; similarity of the f0 histograms; `curve error`, the rms of
    ln(median HVSR generated / held-out); ratios generated / held-out of the median PGA, of the standard
    deviation of ln PGA, and of the median D5-95.
    """
    rows = {}
    for station, real in reference.items():
        new = generated[station]
        rows[station] = {
            "f0 held-out [Hz]": np.median(real.f0_hz), "f0 generated [Hz]": np.median(new.f0_hz),
            "f0 similarity": similarity(real.f0_hz, new.f0_hz),
            "curve error [ln]": curve_error(new.median_curve, real.median_curve, spectra.CURVE_HZ),
            "PGA ratio": np.median(new.pga_cmps2) / np.median(real.pga_cmps2),
            "spread of PGA ratio": np.log(new.pga_cmps2).std() / (np.log(real.pga_cmps2).std() or np.nan),
            "duration ratio": np.median(new.duration_s) / np.median(real.duration_s),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def f0_lists(measures: Mapping[str, Measures]) -> list[np.ndarray]:
    """The f0 of each station [Hz], as the paper's scores take them."""
    return [m.f0_hz for m in measures.values()]
