"""Where a record's P wave arrives, and how far its shaking stands above the noise before.

The picker is a hint for windows and checks, not a substitute for an analyst.
"""

from __future__ import annotations

import numpy as np
from scipy import signal

from tng.records import Record

BAND_HZ = (1.0, 20.0)            # where local earthquakes stand above ground noise; capped below Nyquist
STA_S, LTA_S = 0.5, 10.0         # averages of the characteristic function
TRIGGER, RELEASE = 4.0, 1.5      # of their ratio
NOISE_S = 1.0                    # at the least, before an onset that can be seen
LASTING_S, LASTING_RATIO = 2.0, 2.0  # an earthquake is still stronger than the noise some seconds later; a knock is not
REACHES, REACHES_IN_S = 0.05, 10.0   # of the record's strongest second, soon; a recorder that wakes up does not
ATTEMPTS = 20                    # triggers that are looked at
SEARCH_S = (2.0, 1.0)            # around a trigger, for the refined onset
SNR_WINDOW_S = 2.0


def pick(record: Record) -> float | None:
    """P onset, in seconds after the first sample, or None where there is no clear one.

    Recursive STA/LTA on the vertical (Withers et al., 1998, BSSA 88:95-106), refined by the smallest Akaike
    information criterion around the trigger (Maeda, 1985), both of ObsPy.  A record that begins within its P
    wave, or after it, has no onset.
    """
    rate_hz = record.sampling_rate_hz
    filtered = _band(record.data[2:], rate_hz)
    if filtered is None:
        return None
    motion, first = _without_padding(filtered[0], record.data[2])
    strongest = _strongest(motion, rate_hz)
    for _ in range(ATTEMPTS):
        trigger = _trigger(motion, rate_hz)
        onset = None if trigger is None else _refined(motion, trigger, rate_hz)
        if onset is None:
            return None
        soon = motion[onset:onset + round(REACHES_IN_S * rate_hz)]
        if _lasts(motion, onset, rate_hz) and _strongest(soon, rate_hz) > REACHES * strongest:
            return (first + onset) / rate_hz
        rest = max(onset, trigger)                     # begin again: what was before is no measure of the noise
        motion, first = motion[rest:], first + rest
    return None


def snr(record: Record, onset_s: float | None) -> float:
    """Largest rms of 2 s after the onset over the rms before it; three components together, 1-20 Hz.

    Without an onset, or with less than 1 s before it, the quietest 2 s of the record stand for the noise.
    NaN where the record is too short or too coarsely sampled to tell, infinity where the noise is zero.
    """
    rate_hz = record.sampling_rate_hz
    length = round(SNR_WINDOW_S * rate_hz)
    filtered = _band(record.data, rate_hz)
    if filtered is None or record.samples < 2 * length:
        return float("nan")
    moving = np.flatnonzero(np.diff(record.data, axis=1).any(axis=0))
    power = (filtered[:, moving[0]:moving[-1] + 2] ** 2).sum(axis=0)
    start = -1 if onset_s is None else round(onset_s * rate_hz) - moving[0]
    if power.size < 2 * length or start > power.size - length:
        return float("nan")
    if start < NOISE_S * rate_hz:
        means = _means(power, length)
        noise, strongest = means.min(), means.max()
    else:
        noise, strongest = power[:start].mean(), _means(power[start:], length).max()
    return float(np.sqrt(strongest / noise)) if noise > 0 else float("inf")


def _band(data: np.ndarray, rate_hz: float) -> np.ndarray | None:
    """Band-passed forwards only, so that nothing moves before it arrives; None if no band is left."""
    low, high = BAND_HZ[0], min(BAND_HZ[1], 0.45 * rate_hz)
    if high < 2 * low:
        return None
    sections = signal.butter(2, (low, high), "bandpass", fs=rate_hz, output="sos")
    centred = data - data.mean(axis=1, keepdims=True)
    state = signal.sosfilt_zi(sections)[:, None, :] * centred[None, :, :1]
    return signal.sosfilt(sections, centred, axis=-1, zi=state)[0]


def _without_padding(motion: np.ndarray, raw: np.ndarray) -> tuple[np.ndarray, int]:
    """Without constant samples at the ends of the raw data; and the number of the first sample that is left."""
    moving = np.flatnonzero(np.diff(raw))
    return motion[moving[0]:moving[-1] + 2], int(moving[0])


def _trigger(motion: np.ndarray, rate_hz: float) -> int | None:
    """First sample at which the ratio of the short to the long average rises above the threshold."""
    from obspy.signal.trigger import recursive_sta_lta, trigger_onset

    quiet, before = round(NOISE_S * rate_hz), round(LTA_S * rate_hz)
    if motion.size < 4 * quiet:
        return None
    # The long average needs a past.  The first second, to and fro, is the only one that is surely noise.
    past = np.pad(motion[:quiet], (before, 0), mode="symmetric")[:before]
    ratio = recursive_sta_lta(np.concatenate([past, motion]), round(STA_S * rate_hz), before)[before:]
    starts = [int(start) for start, _ in trigger_onset(ratio, TRIGGER, RELEASE) if start >= quiet]
    return starts[0] if starts else None


def _refined(motion: np.ndarray, trigger: int, rate_hz: float) -> int | None:
    """Where the statistics of the samples change, near a trigger."""
    from obspy.signal.trigger import aic_simple

    first = max(trigger - round(SEARCH_S[0] * rate_hz), 0)
    near = motion[first:trigger + round(SEARCH_S[1] * rate_hz)]
    with np.errstate(divide="ignore", invalid="ignore"):
        criterion = aic_simple(near)
    edge = max(round(0.1 * rate_hz), 2)                # too few samples for a variance
    inner = criterion[edge:-edge]
    if inner.size == 0 or not np.isfinite(inner).any():
        return None
    return first + edge + int(np.nanargmin(np.where(np.isfinite(inner), inner, np.nan)))


def _lasts(motion: np.ndarray, onset: int, rate_hz: float) -> bool:
    """Whether the motion stays above the noise before the onset for some seconds."""
    noise = np.sqrt((motion[:max(onset - round(0.1 * rate_hz), 2)] ** 2).mean())
    later = motion[onset:onset + round(2 * LASTING_S * rate_hz)]
    second_half = later[round(LASTING_S * rate_hz):]
    return second_half.size > 0 and np.sqrt((second_half**2).mean()) > LASTING_RATIO * noise


def _strongest(motion: np.ndarray, rate_hz: float) -> float:
    """Largest rms of any second."""
    length = min(max(round(rate_hz), 1), motion.size)
    return float(np.sqrt(_means(motion**2, length).max()))


def _means(power: np.ndarray, length: int) -> np.ndarray:
    """Means of all stretches of `length` samples."""
    total = np.concatenate([[0.0], np.cumsum(power)])
    return (total[length:] - total[:-length]) / length
