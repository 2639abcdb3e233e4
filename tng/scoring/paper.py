"""The paper's scores: f0 histograms, their Jensen-Shannon similarity, the confusion matrix and its NCC.

They are computed exactly as published, on float64 bins, and come with what is needed to read them:
an interval, and the scores of copies and of random draws at the same numbers of records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial.distance import jensenshannon

from tng import intensity, spectra

F0_BINS_HZ = np.linspace(1.0, 20.0, 21)     # 20 bins of 0.95 Hz


def f0_histogram(f0_hz, bins_hz=F0_BINS_HZ) -> np.ndarray:
    """Share of records in each f0 bin, shape (bins,), with the authors' 1e-10 against empty bins."""
    f0_hz = np.asarray(f0_hz, dtype=np.float64)
    if f0_hz.size == 0:
        raise ValueError("no f0 values: a station without records cannot be scored")
    counts = np.histogram(f0_hz, bins_hz)[0]
    if counts.sum() == 0:
        raise ValueError(f"none of the {f0_hz.size} f0 values lies in {bins_hz[0]:g}-{bins_hz[-1]:g} Hz")
    share = counts / counts.sum() + 1e-10
    return share / share.sum()


def similarity(f0_a_hz, f0_b_hz, bins_hz=F0_BINS_HZ) -> float:
    """1 - sqrt(JSD₂) of two f0 histograms: 1 for equal ones, 0 for disjoint ones.

    The published code takes the square root, so this is one minus the Jensen-Shannon *distance*
    (Lin, 1991), not the divergence.
    """
    return 1 - float(jensenshannon(f0_histogram(f0_a_hz, bins_hz), f0_histogram(f0_b_hz, bins_hz), base=2))


def similarity_matrix(rows: Sequence, columns: Sequence, bins_hz=F0_BINS_HZ) -> np.ndarray:
    """Similarity of every list of f0 in `rows` with every list in `columns`, shape (rows, columns)."""
    return np.array([[similarity(a, b, bins_hz) for b in columns] for a in rows])


def ncc(matrix, ideal) -> float:
    """The paper's "NCC": Pearson correlation of a flattened matrix with the ideal one."""
    return float(np.corrcoef(np.ravel(matrix), np.ravel(ideal))[0, 1])


def ncc_stations(real: Sequence, generated: Sequence, bins_hz=F0_BINS_HZ) -> float:
    """NCC of the S×S matrix (real station i, generated station j) with the identity."""
    return ncc(similarity_matrix(real, generated, bins_hz), np.eye(len(real)))


def interleaved(real: Sequence, generated: Sequence) -> list:
    """R1, G1, R2, G2, … : the order of rows and columns of the 2S×2S matrix."""
    return [f0_hz for pair in zip(real, generated, strict=True) for f0_hz in pair]


def ncc_pairs(real: Sequence, generated: Sequence, bins_hz=F0_BINS_HZ) -> float:
    """NCC of the 2S×2S matrix (R1, G1, R2, G2, …) with its ideal of 2×2 blocks of ones.

    Its diagonal is 1 whatever is generated, and it contains the real-real similarities: random
    frequencies already score about 0.4.
    """
    both = interleaved(real, generated)
    ideal = np.kron(np.eye(len(real)), np.ones((2, 2)))
    return ncc(similarity_matrix(both, both, bins_hz), ideal)


def curve_error(generated, reference, curve_hz) -> float:
    """Root mean square of ln(generated/reference) of two HVSR curves, every octave weighing the same.

    0.1 is a misfit of about 10 %.  Curves are given at `curve_hz` (ascending, [Hz]).
    """
    ln_hz = np.log(curve_hz)
    even = np.linspace(ln_hz[0], ln_hz[-1], 200)
    misfit = np.interp(even, ln_hz, np.log(np.asarray(generated) / np.asarray(reference)))
    return float(np.sqrt(np.mean(misfit**2)))


def score_f0(real: Sequence, generated: Sequence, *, draws: int = 200, seed: int = 0) -> dict[str, float]:
    """The paper's two NCC with 95 % bootstrap intervals, mean diagonal similarity and row accuracy.

    Parameters
    ----------
    real, generated : sequence of arrays
        One array of f0 [Hz] a station, in the same order of stations.
    draws : int
        Bootstrap samples; real and generated lists are both redrawn with replacement.

    Notes
    -----
    The interval says how far the score moves with other records of the same law.  Redrawn lists repeat
    values, which lowers the similarity, so the interval may lie below the score itself.
    """
    if len(real) < 2:
        raise ValueError("the NCC compares stations with each other: at least two are needed")
    rng = np.random.default_rng(seed)
    matrix = similarity_matrix(real, generated)

    def redraw(lists):
        return [rng.choice(f0_hz, len(f0_hz)) for f0_hz in lists]

    samples = np.array([(ncc_stations(r, g), ncc_pairs(r, g))
                        for r, g in ((redraw(real), redraw(generated)) for _ in range(draws))])
    low, high = np.percentile(samples, [2.5, 97.5], axis=0)
    return {
        "SxS": ncc(matrix, np.eye(len(matrix))), "SxS low": low[0], "SxS high": high[0],
        "2Sx2S": ncc_pairs(real, generated), "2Sx2S low": low[1], "2Sx2S high": high[1],
        "mean diagonal": float(np.diag(matrix).mean()),
        "told apart": int((matrix.argmax(axis=1) == np.arange(len(matrix))).sum()),
    }


def reference_scores(real: Sequence, counts: Sequence[int] | None = None, *, draws: int = 200,
                     seed: int = 0) -> pd.DataFrame:
    """What an NCC is worth on these stations: scores of lists that need no generator at all.

    Rows: a copy of the real records; a bootstrap of them (another sample of the same law would reach this);
    one constant frequency a station (its median); the frequencies of all stations shuffled together;
    the records of the next station.  Columns: mean, 2.5 % and 97.5 % of both NCC.

    Parameters
    ----------
    counts : sequence of int, optional
        Records to draw a station; default as many as are real.
    """
    rng = np.random.default_rng(seed)
    real = [np.asarray(f0_hz, dtype=np.float64) for f0_hz in real]
    counts = counts or [len(f0_hz) for f0_hz in real]
    pooled = np.concatenate(real)
    recipes = {
        "copy of the real records": (1, lambda: real),
        "bootstrap of the real records": (draws, lambda: [rng.choice(f, n) for f, n in zip(real, counts)]),
        "one constant f0 a station": (1, lambda: [np.full(n, np.median(f)) for f, n in zip(real, counts)]),
        "all stations pooled": (draws, lambda: [rng.choice(pooled, n) for n in counts]),
        "the next station's records": (1, lambda: real[1:] + real[:1]),
    }
    rows = {}
    for name, (times, draw) in recipes.items():
        scores = np.array([(ncc_stations(real, g), ncc_pairs(real, g)) for g in (draw() for _ in range(times))])
        low, high = np.percentile(scores, [2.5, 97.5], axis=0)
        mean = scores.mean(axis=0)
        rows[name] = dict(zip(["SxS", "SxS low", "SxS high", "2Sx2S", "2Sx2S low", "2Sx2S high"],
                              [mean[0], low[0], high[0], mean[1], low[1], high[1]]))
    return pd.DataFrame.from_dict(rows, orient="index")


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
