"""When P and S arrive in a record: stated, picked, or at least a sensible guess that says so.

The energy of a record alone does not place both: the lag between them is a matter of distance, not of strength.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import signal

from tng import onset
from tng.catalogue import distance_km
from tng.corpus import Corpus
from tng.records import Record

BAND_HZ = onset.BAND_HZ          # in which arrivals are looked for; capped below Nyquist
KM_PER_S = 8.0                   # distance over S-P lag, 1 / (1/vS - 1/vP), of the crust
NEAR, FAR = 0.5, 1.6             # times that lag, between which S is looked for
USUAL_DEPTH_KM = 10.0            # where only the epicentral distance is known
LEAST_LAG_S, LEAST_LAG_SAMPLES = 0.3, 3
STRONGEST_S = 0.5                # S is not after the strongest half second of the horizontals
AROUND_S = (1.0, 0.5)            # before and after a first estimate of S, for the refined one
RISE, ABOVE_NOISE = 1.5, 5.0     # of the horizontal power after S: over that between P and S, and over the noise
LASTING_S = 1.0                  # at the least
FIRST_SHARE = 0.01               # of the energy above the noise, for P without a pick
QUIET_S = 2.0                    # the quietest stretch of this length stands for the noise
LEAST_SAMPLES = 16
BATCH = 256                      # records in memory


class Arrivals(NamedTuple):
    """Arrivals of P and S [s after the first sample], 0 <= p_s < s_s < length, and how each was found.

    `how_p`: "stated", "picked" or "energy" (where 1 % of the energy above the noise has arrived).  `how_s`: "stated",
    "picked", "predicted" (from the distance) or "energy" (where the horizontals are about to be strongest).
    """

    p_s: float
    s_s: float
    how_p: str
    how_s: str


def arrivals(data, rate_hz: float, *, p_s: float | None = None, s_s: float | None = None,
             distance_km: float | None = None) -> Arrivals:
    """P and S of one record; it always answers, and says how.

    P is :func:`tng.onset.pick` of the vertical.  S is where the covariance of the two horizontals changes most, by the
    Akaike information criterion of Gaussian motion: S is stronger than the P coda before it, and shakes across
    the direction in which P shook.  It is looked for between P and the strongest half second of the horizontals,
    and where the distance is known between 0.5 and 1.6 times the lag that goes with it.

    Parameters
    ----------
    data : array, shape (3, samples)
        Acceleration E, N, Z [cm/s²]; components may be dead.
    rate_hz : float
        Sampling rate [Hz].
    p_s, s_s : float, optional
        Known arrivals [s after the first sample].  They are taken where they lie inside the record, and P before S;
        None and NaN are unknown.
    distance_km : float, optional
        Hypocentral [km].

    Raises
    ------
    ValueError
        For another shape, fewer than 16 samples, or values that are not finite.
    """
    data = np.asarray(data, dtype=np.float64)
    if data.ndim != 2 or len(data) != 3 or data.shape[1] < LEAST_SAMPLES or not np.isfinite(data).all():
        raise ValueError(f"a record of shape {data.shape}; (3, samples) with {LEAST_SAMPLES} samples or more, all finite, is needed")
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise ValueError(f"a sampling rate of {rate_hz} Hz; a positive number is needed")
    data = data / max(np.abs(data).max(), np.finfo(float).tiny)      # powers neither overflow nor vanish
    samples = data.shape[1]
    lag = min(max(round(LEAST_LAG_S * rate_hz), LEAST_LAG_SAMPLES), samples // 2)
    known_p, known_s = _stated(p_s, s_s, (samples - 1) / rate_hz)
    lag_s = None if distance_km is None or not (np.isfinite(distance_km) and distance_km > 0) else distance_km / KM_PER_S
    motion = _filtered(data, rate_hz)
    if known_p is not None:
        p, how_p = known_p, "stated"
    else:
        p, how_p = _p_arrival(data[2], motion, rate_hz)
        latest = samples - 1 - lag if known_s is None else known_s * rate_hz - lag
        p, how_p = (p, how_p) if p * rate_hz <= latest else (max(latest, 0) / rate_hz, "energy")
    if known_s is not None:
        return Arrivals(p, known_s, how_p, "stated")
    s, how_s = _s_arrival(motion[:2], p, rate_hz, lag, lag_s, begins_before=how_p != "energy")
    return Arrivals(p, s, how_p, how_s)


def of_corpus(corpus: Corpus, rows: Sequence[int] | np.ndarray | None = None, *, stated: bool = True) -> pd.DataFrame:
    """Arrivals of some rows of a corpus, or of all: a row each, with `row`, `p_s`, `s_s` [s], `how_p`, `how_s`.

    Distances and, unless `stated` is false, arrivals of the metadata are used where there are any.  Without the stated
    ones recorded and generated records are treated alike.
    """
    rows = np.arange(len(corpus)) if rows is None else np.asarray(rows)
    table, rate_hz = corpus.metadata, corpus.sampling_rate_hz
    distance_km = distances_km(table)
    p_s, s_s = (column(table, f"trace_{phase}_arrival_sample") / rate_hz if stated else np.full(len(table), np.nan) for phase in "ps")
    found = []
    for some, block in corpus.batches(rows, BATCH):
        found += [(int(row), *arrivals(data, rate_hz, p_s=p_s[row], s_s=s_s[row], distance_km=distance_km[row]))
                  for row, data in zip(some, block)]
    return pd.DataFrame(found, columns=["row", *Arrivals._fields])


def distances_km(table: pd.DataFrame) -> np.ndarray:
    """Hypocentral distance of every row of metadata [km]; from the epicentral one, or from both places, where that is all; NaN where unknown."""
    depth_km = column(table, "source_depth_km")
    depth_km = np.where(depth_km >= 0, depth_km, USUAL_DEPTH_KM)
    epicentral, hypocentral = column(table, "path_ep_distance_km"), column(table, "path_hyp_distance_km")
    by_places = distance_km(*(column(table, f"{place}_{angle}_deg") for place in ("station", "source") for angle in ("latitude", "longitude")))
    return np.where(hypocentral > 0, hypocentral, np.hypot(np.where(np.isfinite(epicentral), epicentral, by_places), depth_km))


def column(table: pd.DataFrame, name: str) -> np.ndarray:
    """A column of metadata as numbers; NaN where nothing, or no number, is stated."""
    values = pd.to_numeric(table[name], errors="coerce") if name in table else pd.Series(np.nan, index=table.index)
    return values.to_numpy(dtype=float)


def _stated(p_s: float | None, s_s: float | None, last_s: float) -> tuple[float | None, float | None]:
    """What is believed of stated arrivals: those inside the record; neither, if P is not before S."""
    p = float(p_s) if p_s is not None and 0 <= p_s < last_s else None
    s = float(s_s) if s_s is not None and 0 < s_s <= last_s else None
    return (None, None) if p is not None and s is not None and p >= s else (p, s)


def _filtered(data: np.ndarray, rate_hz: float) -> np.ndarray:
    """Without the mean and band-passed forwards only, so that nothing moves before it arrives."""
    centred = data - data.mean(axis=1, keepdims=True)
    low, high = BAND_HZ[0], min(BAND_HZ[1], 0.45 * rate_hz)
    if high < 2 * low:
        return centred
    sections = signal.butter(2, (low, high), "bandpass", fs=rate_hz, output="sos")
    state = signal.sosfilt_zi(sections)[:, None, :] * centred[None, :, :1]
    return signal.sosfilt(sections, centred, axis=-1, zi=state)[0]


def _p_arrival(vertical: np.ndarray, motion: np.ndarray, rate_hz: float) -> tuple[float, str]:
    if np.ptp(vertical) > 0:                           # the picker looks at the vertical alone
        picked = onset.pick(Record(np.stack([vertical] * 3), rate_hz, "", ""))
        if picked is not None:
            return picked, "picked"
    power = (motion**2).sum(axis=0)
    arrived = np.maximum.accumulate(np.cumsum(power - _quietest(power, rate_hz)))
    return int(np.argmax(arrived >= FIRST_SHARE * arrived[-1])) / rate_hz, "energy"


def _s_arrival(horizontal: np.ndarray, p_s: float, rate_hz: float, lag: int, lag_s: float | None,
               begins_before: bool) -> tuple[float, str]:
    """S and how it was found.  A P that was not seen may have been long before: then the distance sets no least lag."""
    samples, p = horizontal.shape[1], round(p_s * rate_hz)
    earliest, latest = p + lag, samples - 1
    if lag_s is not None:
        earliest = max(earliest, p + round(NEAR * lag_s * rate_hz)) if begins_before else earliest
        latest = min(latest, p + max(round(FAR * lag_s * rate_hz), 2 * lag))
    power = (horizontal**2).sum(axis=0)
    strongest = _strongest(power, min(p, samples - 2), latest, rate_hz)
    end = min(strongest[1] if strongest[1] >= earliest + 2 * lag else latest + lag, samples)
    shortest = max(lag // 4, LEAST_LAG_SAMPLES)        # a covariance needs a few samples
    s = _change(horizontal, p, earliest, end, shortest)
    if s is not None:
        first, last = s - round(AROUND_S[0] * rate_hz), s + round(AROUND_S[1] * rate_hz)
        refined = _change(horizontal, max(p, first), max(earliest, first + lag), min(last, end), shortest)
        s = s if refined is None else refined
        after = power[s:max(end, s + round(LASTING_S * rate_hz))]
        if after.mean() > max(RISE * power[p:s].mean(), ABOVE_NOISE * _quietest(power, rate_hz)):
            return s / rate_hz, "picked"
    if lag_s is not None:
        s, how = p_s + lag_s, "predicted"
    else:
        s, how = max(strongest[0], p + lag) / rate_hz, "energy"
    least, most = min(p + 1, samples - 1) / rate_hz, (samples - 1) / rate_hz
    return float(np.clip(s, max(least, np.nextafter(p_s, np.inf)), most)), how


def _change(horizontal: np.ndarray, start: int, earliest: int, end: int, shortest: int) -> int | None:
    """The sample from `earliest` on that best parts the two components, from `start` to `end`, into two stretches of
    `shortest` samples or more, each with a covariance of its own; None where there is no room."""
    split = np.arange(max(earliest, start + shortest) - start, end - shortest - start)
    if split.size < 1:
        return None
    east, north = horizontal[:, start:end]
    sums = np.cumsum([east * east, north * north, east * north], axis=1)
    tiny = 1e-9 * (sums[0, -1] + sums[1, -1]) / (end - start) + 1e-30   # a dead component has no logarithm
    first, rest = sums[:, split - 1], sums[:, -1:] - sums[:, split - 1]
    criterion = split * _ln_determinant(first / split, tiny) + (end - start - split) * _ln_determinant(
        rest / (end - start - split), tiny)
    return int(start + split[np.argmin(criterion)])


def _ln_determinant(covariance: np.ndarray, tiny: float) -> np.ndarray:
    east, north, both = covariance
    return np.log(np.maximum((east + tiny) * (north + tiny) - both**2, tiny**2))


def _quietest(power: np.ndarray, rate_hz: float) -> float:
    """Mean power of the quietest `QUIET_S`, or of the quieter half of a short record."""
    return float(_means(power, min(max(round(QUIET_S * rate_hz), 2), power.size // 2)).min())


def _strongest(power: np.ndarray, start: int, end: int, rate_hz: float) -> tuple[int, int]:
    """First and last + 1 sample of the strongest `STRONGEST_S` from `start` on that begin before `end`."""
    length = min(max(round(STRONGEST_S * rate_hz), 1), power.size - start)
    first = start + int(np.argmax(_means(power[start:end + length], length)))
    return first, first + length


def _means(power: np.ndarray, length: int) -> np.ndarray:
    """Means of all stretches of `length` samples."""
    total = np.concatenate([[0.0], np.cumsum(power)])
    return (total[length:] - total[:-length]) / length
