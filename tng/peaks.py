"""Is there a peak of H/V, and can it be trusted?  The criteria of SESAME (2004), and a pick that may say no.

SESAME's guidelines were written for windows of ambient noise.  A strong-motion record is one window here: their number of
windows n_w is the number of records, their window length l_w the length of a record without padding.  Windows of noise follow
each other in one night; records are different earthquakes, so that the scatter between them holds sources and paths too and
the limits on it are stricter than they were meant to be.

SESAME European research project (2004): Guidelines for the implementation of the H/V spectral ratio technique on ambient
vibrations, WP12, deliverable D23.12, section 2.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.signal import find_peaks

from tng.spectra import at_edge, f0, lognormal

CLEAR, UNCLEAR, EDGE = "clear peak", "no clear peak", "at the edge of the band"
FEWEST_RECORDS = 5           # for a scatter; SESAME recommends ten windows
CLEAR_OF_SIX = 5             # criteria of clarity that must be met
PROMINENCE = 2.0             # of a record's peak over what surrounds it: SESAME's half height, in its clarity criteria i and ii
# below [Hz]: epsilon, share of f0 that its scatter may reach; theta, factor that the scatter of the curve may reach at f0
LIMITS = ((0.2, 0.25, 3.0), (0.5, 0.20, 2.5), (1.0, 0.15, 2.0), (2.0, 0.10, 1.78), (np.inf, 0.05, 1.58))


class Criterion(NamedTuple):
    """One of the nine: its name, what was found against the limit in words, whether it is met."""

    name: str
    found: str
    met: bool


def _criterion(name: str, found: float, relation: str, limit: float, unit: str = "") -> Criterion:
    met = found > limit if relation == ">" else found < limit
    words = (f"{number:.0f}" if number >= 1000 else f"{number:.3g}" for number in (found, limit))
    return Criterion(name, f" {relation} ".join(words) + (f" {unit}" if unit else ""), bool(met))


@dataclass(frozen=True)
class SitePeak:
    """The peak of a station's median curve and what SESAME (2004) says of it.

    Attributes
    ----------
    f0_hz, amplitude : float
        Largest value of the median curve in the band, and where [Hz], [-].
    sigma_f0_hz : float
        Standard deviation of the f0 of single records, each the place of its largest value [Hz].
    sigma_a : float
        Factor by which curves scatter at f0: exp(standard deviation of ln H/V) [-].
    records : int
    reliability, clarity : tuples of Criterion
        Three and six, in SESAME's order.
    verdict : str
        ``"clear peak"`` if the curve is reliable and the peak clear, ``"at the edge of the band"`` if the curve is largest
        there, so that its peak is not known, ``"no clear peak"`` otherwise.
    """

    f0_hz: float
    amplitude: float
    sigma_f0_hz: float
    sigma_a: float
    records: int
    reliability: tuple[Criterion, ...]
    clarity: tuple[Criterion, ...]
    verdict: str

    @property
    def reliable(self) -> bool:
        """All three criteria of the curve are met."""
        return all(each.met for each in self.reliability)

    @property
    def clear(self) -> bool:
        """At least five of the six criteria of the peak are met, and it is a peak."""
        return self.verdict != EDGE and sum(each.met for each in self.clarity) >= CLEAR_OF_SIX

    @property
    def criteria(self) -> dict[str, bool]:
        """Which of the nine are met."""
        return {each.name: each.met for each in self.reliability + self.clarity}

    def table(self) -> pd.DataFrame:
        """The nine criteria: name, what was found against its limit, met or not."""
        rows = [("reliable curve", *each) for each in self.reliability] + [("clear peak", *each) for each in self.clarity]
        return pd.DataFrame(rows, columns=["of", "criterion", "found", "met"])


def record_peaks(freq_hz, curves, *, prominence: float = PROMINENCE,
                 band_hz: tuple[float, float] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The highest clear peak of each record's curve; NaN where there is none.

    A peak is clear if it stands out by a factor: on its way to anything higher, or to the end of the band, the curve falls
    to its height divided by `prominence`, on both sides.  The end of the band is no peak, however high.

    Single records of a site without resonance have such peaks by chance: with a factor of 2 and 20 s of shaking about 1 %
    of them if smoothed with the paper's window, but half of them with the narrower Konno-Ohmachi window at 40.

    Parameters
    ----------
    freq_hz : array, shape (frequencies,)
        [Hz].
    curves : array, shape (records, frequencies)
        H/V, positive [-].
    prominence : float
        Above 1; 2 is a fall to half the height.
    band_hz : two numbers, optional
        Where to look [Hz]; everywhere if not given.

    Returns
    -------
    f0_hz, amplitude : arrays, shape (records,)
        [Hz], [-].

    Raises
    ------
    ValueError
        For curves that are not positive and finite, a prominence of 1 or less, and a band with fewer than three frequencies.
    """
    if not prominence > 1:
        raise ValueError(f"a prominence of {prominence}; a factor above 1 is needed")
    freq_hz, curves, inside = _checked(freq_hz, curves, band_hz)
    freq_hz, curves = freq_hz[inside], curves[:, inside]
    found = np.full((2, len(curves)), np.nan)
    for row, curve in enumerate(curves):
        places, _ = find_peaks(np.log(curve), prominence=np.log(prominence))
        if places.size:
            best = places[curve[places].argmax()]
            found[:, row] = freq_hz[best], curve[best]
    return found[0], found[1]


def site_peak(freq_hz, curves, window_s: float, *, band_hz: tuple[float, float] | None = None) -> SitePeak:
    """Judge the peak of a station's median curve by SESAME's (2004) three criteria of reliability and six of clarity.

    The curve is the median of lognormal ones.  It is judged wherever it is given, and its peak looked for in `band_hz`; what
    the curve does below the first frequency and above the last is not known, and counts as no fall.

    Parameters
    ----------
    freq_hz : array, shape (frequencies,)
        [Hz].
    curves : array, shape (records, frequencies)
        H/V of the station's records [-].
    window_s : float
        Length of a record without padding [s].
    band_hz : two numbers, optional
        Where to look for the peak [Hz]; everywhere if not given.

    Returns
    -------
    SitePeak

    Raises
    ------
    ValueError
        For fewer than five records (`record_peaks` works with one), curves that are not positive and finite, a length that
        is not positive, or a band with fewer than three frequencies.
    """
    freq_hz, curves, inside = _checked(freq_hz, curves, band_hz)
    if len(curves) < FEWEST_RECORDS:
        raise ValueError(f"{len(curves)} records; the scatter that SESAME's criteria ask for needs at least {FEWEST_RECORDS}")
    if not 0 < window_s < np.inf:
        raise ValueError(f"records of {window_s} s; a positive length is needed")
    median, sigma_ln = lognormal(curves)
    sigma_a = np.exp(sigma_ln)
    top, *shifted = (_largest(curve, inside) for curve in (median, median * sigma_a, median / sigma_a))
    sigma_f0_hz = float(f0(freq_hz[inside], curves[:, inside]).std(ddof=1))
    reliability = _reliability(freq_hz, sigma_a, top, len(curves), window_s)
    clarity = _clarity(freq_hz, median, sigma_a, top, freq_hz[shifted], sigma_f0_hz)
    if at_edge(freq_hz[top], freq_hz[inside][[0, -1]]):
        verdict = EDGE
    elif all(each.met for each in reliability) and sum(each.met for each in clarity) >= CLEAR_OF_SIX:
        verdict = CLEAR
    else:
        verdict = UNCLEAR
    return SitePeak(float(freq_hz[top]), float(median[top]), sigma_f0_hz, float(sigma_a[top]), len(curves), reliability, clarity,
                    verdict)


def _checked(freq_hz, curves, band_hz) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies, curves, and which frequencies are in the band."""
    freq_hz, curves = np.asarray(freq_hz, dtype=float), np.asarray(curves, dtype=float)
    if curves.ndim != 2 or curves.shape[1:] != freq_hz.shape:
        raise ValueError(f"curves of shape {curves.shape} at {freq_hz.size} frequencies; (records, frequencies) is needed")
    low, high = (-np.inf, np.inf) if band_hz is None else band_hz
    inside = (freq_hz >= low - 1e-9) & (freq_hz <= high + 1e-9)
    if inside.sum() < 3:
        raise ValueError(f"{inside.sum()} frequencies of the curves lie in the band {band_hz}; a peak needs three")
    bad = ~((curves > 0) & np.isfinite(curves)).all(axis=1)
    if bad.any():
        raise ValueError(f"curve {bad.argmax()} (counted from 0) holds a value that is not positive and finite")
    return freq_hz, curves, inside


def _largest(curve, inside) -> int:
    return int(np.where(inside, curve, -np.inf).argmax())


def _reliability(freq_hz, sigma_a, top: int, records: int, window_s: float) -> tuple[Criterion, ...]:
    """SESAME (2004), reliability of the curve, i-iii."""
    peak_hz = freq_hz[top]
    cycles = window_s * records * peak_hz
    around = (freq_hz > 0.5 * peak_hz) & (freq_hz < 2 * peak_hz)
    largest, limit = sigma_a[around].max(), 2.0 if peak_hz > 0.5 else 3.0
    return (_criterion("ten cycles in a record: f0 > 10 / l_w", peak_hz, ">", 10 / window_s, "Hz"),
            _criterion("200 cycles in all: l_w n_w f0 > 200", cycles, ">", 200),
            _criterion("curves agree between f0/2 and 2 f0: sigma_A", largest, "<", limit))


def _clarity(freq_hz, median, sigma_a, top: int, shifted_hz, sigma_f0_hz: float) -> tuple[Criterion, ...]:
    """SESAME (2004), clarity of the peak, i-vi."""
    peak_hz, height = freq_hz[top], median[top]
    below = median[(freq_hz >= peak_hz / 4) & (freq_hz <= peak_hz)].min()
    above = median[(freq_hz >= peak_hz) & (freq_hz <= 4 * peak_hz)].min()
    moved = np.abs(shifted_hz / peak_hz - 1).max()
    epsilon, theta = next(limits for end_hz, *limits in LIMITS if peak_hz < end_hz)
    return (_criterion("falls to half between f0/4 and f0", below, "<", height / 2),
            _criterion("falls to half between f0 and 4 f0", above, "<", height / 2),
            _criterion("height: A0 > 2", height, ">", 2),
            _criterion("peak of A times and over sigma_A within 5 % of f0", 100 * moved, "<", 5, "%"),
            _criterion("scatter of f0: sigma_f < epsilon f0", sigma_f0_hz, "<", epsilon * peak_hz, "Hz"),
            _criterion("curves agree at f0: sigma_A < theta", sigma_a[top], "<", theta))
