"""Which frequencies and times do these records speak of?  The band for H/V and f0, peaks at its edge, windows that hold the shaking.

A band that does not follow the records makes f0 meaningless: in 1-20 Hz a soft site of 0.5 Hz has its largest H/V at 1 Hz.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import fft, signal

from tng import arrivals, smoothing, spectra
from tng.corpus import Corpus

PAPER_HZ = spectra.BAND_HZ
LEAST_CYCLES = 8                 # of the lowest frequency in a record; SESAME (2004) asks for ten of f0
HIGHEST_OF_RATE = 0.4            # of the sampling rate: above it anti-alias filters speak
LEAST_SNR = 2.0                  # amplitude of the record from P on over its noise before P; 1 is noise alone
BELOW_F0 = 0.5                   # of the lowest f0: where the band begins at the latest
NOISE_END_S, LEAST_NOISE_S = 0.2, 1.0    # the noise ends this long before P, and shorter noise tells nothing
TAPER = 0.1                      # of a stretch, at each end together, before its transform
FEWEST = 3                       # records that can tell, for a median
MOST_RECORDS = 100               # of a station that are looked at
POINTS = 120                     # frequencies at which curves are wanted
EDGE = 0.02                      # in ln f: a maximum this near to the end of the band is none
SMOOTHING = 0.11                 # in ln f: the standard deviation of the paper's window
NO_LOWER = 0.95                  # of the maximum: a curve that is as high at the end of the band may be higher outside
TAIL_BINS, TAIL_BIN_S = 8, 1.0   # stretches of the last half of the record after P, and the shortest of them
ENOUGH = 0.95                    # of the energy, for advice on windows


class Band(NamedTuple):
    """First and last frequency in which H/V and f0 are looked for [Hz]."""

    low_hz: float
    high_hz: float


# --- the band ------------------------------------------------------------------------------------------------------

def site_band(records: Mapping[str, np.ndarray], rate_hz: float) -> Band:
    """The band for H/V and f0 of a network.

    It ends at 20 Hz or 0.4 of the sampling rate, and begins at 1 Hz or half the lowest f0 of the stations, but no lower than
    eight periods fit into a record.  At both ends it stops where ground noise rules, so that the records of the median
    station are less than twice as strong as their noise; what no record can tell is taken for noise below 1 Hz only.

    Parameters
    ----------
    records : mapping
        Station → array (records, 3, samples) [cm/s²], all of one length.
    rate_hz : float
        Sampling rate [Hz].

    Raises
    ------
    ValueError
        For no records, records too short or too coarsely sampled for any band, or as :func:`tng.spectra.hvsr`.
    """
    widest = _widest(records, rate_hz)
    at_hz = np.geomspace(*widest, POINTS)
    of_stations = np.stack([signal_to_noise(data[:MOST_RECORDS], rate_hz, at_hz) for data in records.values()])
    held = Band(*_clear(at_hz, _median(of_stations, 1)))
    lowest = min(_f0(*_median_hvsr(data, rate_hz, held)) for data in records.values())
    return Band(max(_readable(held.low_hz, 2, up=True), min(PAPER_HZ[0], _readable(BELOW_F0 * lowest, 2))), _readable(held.high_hz, 3))


def of_corpus(corpus: Corpus, stations: str | Sequence[str] | None = None, rows=None) -> Band:
    """`site_band` of some stations and rows of a corpus; all of them, if not given."""
    return site_band(_records(corpus, stations, rows), corpus.sampling_rate_hz)


def _widest(records: Mapping[str, np.ndarray], rate_hz: float) -> Band:
    """What length and rate of the records allow."""
    if not records:
        raise ValueError("no records, so no band")
    low, high = LEAST_CYCLES * rate_hz / next(iter(records.values())).shape[-1], min(PAPER_HZ[1], HIGHEST_OF_RATE * rate_hz)
    if low * 2 > high:
        raise ValueError(f"records of {LEAST_CYCLES / low:g} s at {rate_hz:g} Hz: {LEAST_CYCLES} periods in the record and {HIGHEST_OF_RATE:g} "
                         "of the sampling rate leave no octave for H/V; longer or more finely sampled records are needed")
    return Band(low, high)


def signal_to_noise(data, rate_hz: float, at_hz) -> np.ndarray:
    """Median over records of how far they stand above their noise, at some frequencies, shape (frequencies,).

    Smoothed Fourier amplitude from P on over that of the noise before P, both for one second; the smaller of the vertical's and
    the horizontals' (geometric mean).  NaN where fewer than three records (half of them, if there are fewer than six) hold
    a period in the noise.

    Parameters
    ----------
    data : array, shape (records, 3, samples)
        Acceleration [cm/s²].
    at_hz : array, shape (frequencies,)
        Rising [Hz].
    """
    samples = data.shape[-1]
    padded = fft.next_fast_len(3 * samples, real=True)
    ratios = np.full((len(data), len(at_hz)), np.nan)
    for record, ratio in zip(np.asarray(data, dtype=float), ratios):
        p = round(arrivals.arrivals(record, rate_hz).p_s * rate_hz)
        quiet = p - round(NOISE_END_S * rate_hz)
        if quiet < LEAST_NOISE_S * rate_hz or samples - p < LEAST_NOISE_S * rate_hz:
            continue
        shaking, noise = (smoothing.smooth(_amplitude(part, padded), rate_hz / padded, at_hz) for part in (record[:, p:], record[:, :quiet]))
        with np.errstate(divide="ignore", invalid="ignore"):
            each = shaking / noise
        known = at_hz * quiet / rate_hz >= 1
        ratio[known] = np.minimum(np.sqrt(each[0] * each[1]), each[2])[known]
    return _median(ratios, min(FEWEST, (len(data) + 1) // 2))


def _amplitude(part: np.ndarray, padded: int) -> np.ndarray:
    """Fourier amplitude over the root of the length, so that stationary noise of any length has the same."""
    taper = signal.windows.tukey(part.shape[1], TAPER)
    return np.abs(fft.rfft(signal.detrend(part, axis=-1) * taper, padded, axis=-1)) / np.sqrt(np.sum(taper**2))


def _median(values: np.ndarray, fewest: int) -> np.ndarray:
    """Over the first axis, of what is known; NaN where that is too little."""
    known = (~np.isnan(values)).sum(axis=0)
    enough = known >= max(fewest, 1)
    found = np.full(values.shape[1], np.nan)
    found[enough] = np.nanmedian(values[:, enough], axis=0)
    return found


def _clear(at_hz: np.ndarray, ratio: np.ndarray) -> tuple[float, float]:
    """The widest stretch without noise.  What nobody can tell counts as clear from 1 Hz on."""
    clear = np.where(np.isnan(ratio), at_hz >= PAPER_HZ[0], ratio >= LEAST_SNR)
    if not clear.any():
        clear = at_hz >= PAPER_HZ[0]                   # noise alone: the paper's band is as good as any
    changes = np.flatnonzero(np.diff(np.concatenate([[0], clear.astype(int), [0]])))
    starts, ends = changes[::2], changes[1::2] - 1
    widest = int(np.argmax(at_hz[ends] / at_hz[starts]))
    return float(at_hz[starts[widest]]), float(at_hz[ends[widest]])


def _readable(value: float, digits: int, up: bool = False) -> float:
    """Rounded down, or up, to some digits, so that a band can be read and typed."""
    step = 10.0 ** (np.floor(np.log10(value)) - digits + 1)
    return float(f"{(np.ceil(value / step - 1e-6) if up else np.floor(value / step + 1e-6)) * step:.{digits}g}")


# --- peaks at the edge ---------------------------------------------------------------------------------------------

def edge(freq_hz, curve) -> str:
    """"lower" or "upper" where a curve has its maximum at that end of its frequencies, so that it shows no peak; else "".

    That is a maximum within 2 % of the end; or one that the curve comes within 5 % of at the end, if that is no farther than the
    smoothing reaches or the curve rises there, so that the peak may lie outside.

    Parameters
    ----------
    freq_hz, curve : arrays, shape (frequencies,)
        Rising frequencies [Hz] and H/V [-].
    """
    ln_f, curve = np.log(np.asarray(freq_hz, dtype=float)), np.asarray(curve, dtype=float)
    top = int(np.argmax(curve))
    for name, end, next_to_it in (("lower", 0, 1), ("upper", -1, -2)):
        distance = abs(ln_f[top] - ln_f[end])
        as_high = curve[end] >= NO_LOWER * curve[top] and (distance <= SMOOTHING or curve[end] > curve[next_to_it])
        if distance <= EDGE or as_high:
            return name
    return ""


def peaks_on_edge(records: Mapping[str, np.ndarray], rate_hz: float, band: Band | None = None) -> pd.DataFrame:
    """f0 of each station's median curve in a band and in 1-20 Hz, and whether it lies at an edge of either.

    Columns `f0_hz`, `edge`, `paper_f0_hz`, `paper_edge`; edges as in :func:`edge`.  What the sampling rate does not hold of
    1-20 Hz is left out.  `band` is `site_band` of the records, if not given.
    """
    band = band or site_band(records, rate_hz)
    paper = Band(PAPER_HZ[0], min(PAPER_HZ[1], HIGHEST_OF_RATE * rate_hz))
    found = {}
    for station, data in records.items():
        row: list[object] = []
        for each in (band, paper):
            freq_hz, curve = _median_hvsr(data, rate_hz, each)
            row += [_f0(freq_hz, curve), edge(freq_hz, curve)]
        found[station] = row
    return pd.DataFrame.from_dict(found, orient="index", columns=["f0_hz", "edge", "paper_f0_hz", "paper_edge"])


def _median_hvsr(data, rate_hz: float, band: Band) -> tuple[np.ndarray, np.ndarray]:
    """Median H/V of a station, at frequencies evenly spaced in ln f."""
    freq_hz, curves = spectra.hvsr(data[:MOST_RECORDS], rate_hz, centres_hz=np.geomspace(*band, POINTS))
    return freq_hz, np.median(curves, axis=0)


def _f0(freq_hz: np.ndarray, curve: np.ndarray) -> float:
    return float(freq_hz[np.argmax(curve)])


# --- windows that hold the shaking -----------------------------------------------------------------------------------

def energy_share(data, rate_hz: float, p_s: float) -> float:
    """Share of the shaking that a record holds, from 0 to 1; NaN if it cannot be told.

    Horizontal energy above the noise before P, against the same with the coda to come: the exponential decay of the last half
    of the record after P is continued.  A coda that has sunk into the noise has ended; one that does not decay, or so
    slowly that it would take longer than the record to fall to 1/e, tells nothing.

    Parameters
    ----------
    data : array, shape (3, samples)
        Acceleration [cm/s²].
    p_s : float
        Arrival of P [s after the first sample]; with less than 1 s before it the noise is taken for zero.
    """
    return _held(data, rate_hz, p_s)[0]


def window_advice(corpus: Corpus, rows=None) -> pd.DataFrame:
    """How much of the shaking the records of each station hold, and how long a window should be.

    A row a station: `records`, of which `told` could be told; `share`, the median share; `window_s`, the length in which
    the median record would hold 95 % of its shaking, counted from the start of the records [s].
    """
    records = _records(corpus, None, rows)
    return pd.DataFrame.from_dict({station: _advice(data, corpus.sampling_rate_hz) for station, data in records.items()}, orient="index")


def _advice(data, rate_hz: float) -> dict[str, float]:
    held = np.array([_held(record, rate_hz, arrivals.arrivals(record, rate_hz).p_s) for record in data[:MOST_RECORDS]])
    told = held[~np.isnan(held[:, 0])]
    share, window_s = np.median(told, axis=0) if len(told) else (np.nan, np.nan)
    return {"records": len(data), "told": len(told), "share": float(share), "window_s": float(window_s)}


def _held(data, rate_hz: float, p_s: float) -> tuple[float, float]:
    """Share of the shaking in a record, and the length that would hold 95 % of it [s]."""
    horizontal = np.asarray(data, dtype=float)[:2]
    moving = np.flatnonzero(np.diff(horizontal, axis=1).any(axis=0))
    if not moving.size:
        return np.nan, np.nan
    last = moving[-1] + 1
    if last < horizontal.shape[1] - 1:                 # zeros at the end are padding, not the end of the shaking
        horizontal = horizontal[:, :last]
    power = ((horizontal - horizontal.mean(axis=1, keepdims=True)) ** 2).sum(axis=0)
    p = round(p_s * rate_hz)
    quiet = p - round(NOISE_END_S * rate_hz)
    noise = power[:quiet].mean() if quiet >= LEAST_NOISE_S * rate_hz else 0.0
    arrived = np.maximum(np.cumsum(power[p:] - noise), 0) / rate_hz
    if not arrived.size or not arrived[-1] > 0:
        return np.nan, np.nan
    coming, decay_s = _coda(power[p:], noise, rate_hz)
    if np.isnan(coming):
        return np.nan, np.nan
    share = arrived[-1] / (arrived[-1] + coming)
    if share >= ENOUGH:
        window_s = p_s + np.argmax(arrived >= ENOUGH * (arrived[-1] + coming)) / rate_hz
    else:
        window_s = len(power) / rate_hz + decay_s * np.log((1 - share) / (1 - ENOUGH))
    return float(share), float(window_s)


def _coda(power: np.ndarray, noise: float, rate_hz: float) -> tuple[float, float]:
    """Energy after the end of the record, and the time in which it falls to 1/e [s]; NaN if it cannot be told."""
    length = max(len(power) // 2 // TAIL_BINS, round(TAIL_BIN_S * rate_hz))
    count = min(len(power) // 2 // length, TAIL_BINS)
    if count < 3:
        return np.nan, np.nan
    bins = power[len(power) - count * length:].reshape(count, length).mean(axis=1)
    above = bins - noise
    if not (above[-2:] > noise).all():                 # the end has sunk into the noise
        return (0.0, 0.0) if noise > 0 or not above[-2:].any() else (np.nan, np.nan)
    since_end_s = (np.arange(count) - count + 0.5) * length / rate_hz
    clear = above > noise
    slope, at_end = np.polyfit(since_end_s[clear], np.log(above[clear]), 1) if clear.sum() >= 3 else (0.0, 0.0)
    if -slope * len(power) / rate_hz < 1:
        return np.nan, np.nan
    return float(np.exp(at_end) / -slope), float(-1 / slope)


# --- all of it -------------------------------------------------------------------------------------------------------

def report(corpus: Corpus, stations: str | Sequence[str] | None = None, rows=None, band: Band | None = None) -> pd.DataFrame:
    """What the records of each station speak of; ``attrs["band"]`` is the band for all of them.

    Columns of :func:`peaks_on_edge` and :func:`window_advice`, and `snr_low_hz`, `snr_high_hz`, between which the station's records
    stand above their noise [Hz].
    """
    records, rate_hz = _records(corpus, stations, rows), corpus.sampling_rate_hz
    band = band or site_band(records, rate_hz)
    at_hz = np.geomspace(*_widest(records, rate_hz), POINTS)
    clear = {station: _clear(at_hz, signal_to_noise(data[:MOST_RECORDS], rate_hz, at_hz)) for station, data in records.items()}
    advice = pd.DataFrame.from_dict({station: _advice(data, rate_hz) for station, data in records.items()}, orient="index")
    found = advice[["records"]].join(peaks_on_edge(records, rate_hz, band)).join(advice.drop(columns="records"))
    found[["snr_low_hz", "snr_high_hz"]] = [clear[station] for station in found.index]
    found.attrs["band"] = band
    return found


def _records(corpus: Corpus, stations: str | Sequence[str] | None, rows) -> dict[str, np.ndarray]:
    """The first records of each station, as many as are looked at."""
    chosen = corpus.select(stations)
    if rows is not None:
        rows = np.flatnonzero(rows) if np.asarray(rows).dtype == bool else np.asarray(rows)
        chosen = np.intersect1d(chosen, rows)
    codes = corpus.metadata["station_code"].to_numpy()[chosen]
    return {str(code): corpus.waveforms(chosen[codes == code][:MOST_RECORDS]) for code in dict.fromkeys(codes)}
