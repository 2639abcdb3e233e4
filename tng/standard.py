"""Records of any rate and length to one rate and one window: detrend, filter, resample, cut, pad.

What is done, and in which order, is one frozen :class:`Standard`; every step is noted in the record's metadata.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import signal

from tng import onset
from tng.channels import POSITION, iso, number
from tng.records import COMPONENTS, DataError, Record, SamplingError

KEPT_ENERGY = 0.99              # of the best window, by the latest one that is still good enough
TAPER_S, TAPER_SHARE = 1.0, 0.05  # at each end before a high-pass: the shorter of the two
SILENT = 1e-9                   # of a component's range: what is below is rounding, not motion
COMPUTABLE = (1e-100, 1e100)    # cm/s²; squares of anything beyond overflow or vanish
P_PICK = "trace_p_arrival_sample"
MOST_SAMPLES = 8_000_000        # of a resampled component; an hour at 2000 Hz, 0.2 GB for three


class Standard(BaseModel):
    """What every record of a corpus is brought to."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sampling_rate_hz: float = Field(100.0, ge=1, le=1000, description="of every record [Hz]; resampled without phase shift, "
                                    "never stretched")
    window_s: float = Field(60.0, ge=1, le=3600, description="length of every record [s]; zeros follow where one ends earlier")
    window: Literal["first", "p-onset", "energy"] = Field(
        "first", description="where the window lies: from the record's start (the paper's rule), from before the P onset, or "
        "where the shaking is")
    before_s: float = Field(5.0, ge=0, le=3600, description="seconds kept before the P onset or the shaking, where the record "
                            "has them; for these two windows only")
    detrend: Literal["mean", "linear", "none"] = Field(
        "mean", description="what is removed from each component first: its mean, its straight line, or nothing")
    highpass_hz: float | None = Field(
        None, ge=0.01, le=5, description="corner of a zero-phase Butterworth high-pass [Hz], -6 dB there; none: no filter")
    highpass_order: int = Field(2, ge=1, le=8, description="of that filter; it runs forwards and backwards, which doubles it")

    @model_validator(mode="after")
    def _room_after_the_onset(self):
        if self.window != "first" and self.before_s >= self.window_s:
            raise ValueError(f"before_s = {self.before_s:g} leaves nothing of a window of {self.window_s:g} s")
        return self


def resample(data: np.ndarray, from_hz: float, to_hz: float) -> np.ndarray:
    """Change the sampling rate with a zero-phase anti-alias filter (polyphase FIR).

    The ends are continued by a straight line, so that an offset does not ring.  Frequencies are kept:
    this never stretches a record to a given number of samples.
    """
    if from_hz == to_hz:
        return data
    ratio = Fraction(to_hz / from_hz).limit_denominator(1000)
    if abs(float(ratio) * from_hz / to_hz - 1) > 1e-6:
        raise SamplingError(f"cannot go from {from_hz} Hz to {to_hz} Hz: no simple ratio of whole numbers")
    return signal.resample_poly(data, ratio.numerator, ratio.denominator, axis=-1, padtype="line")


def highpass(data: np.ndarray, sampling_rate_hz: float, corner_hz: float, order: int = 2) -> np.ndarray:
    """Zero-phase Butterworth high-pass of whole records, along the last axis.

    A short cosine taper brings the ends to zero, and zeros of 1.5·order/corner seconds on both sides
    take up what the filter moves beyond them (Boore, 2005, BSSA 95:745-750); they are cut off again.

    Raises
    ------
    SamplingError
        If the corner is not below the Nyquist frequency.
    """
    if not corner_hz < sampling_rate_hz / 2:
        raise SamplingError(f"a high-pass at {corner_hz:g} Hz leaves nothing of data at {sampling_rate_hz:g} Hz")
    samples = data.shape[-1]
    ends = min(round(TAPER_S * sampling_rate_hz), int(TAPER_SHARE * samples))
    ramp = np.sin(np.pi / 2 * (np.arange(ends) + 0.5) / max(ends, 1)) ** 2
    taper = np.concatenate([ramp, np.ones(samples - 2 * ends), ramp[::-1]])
    room = int(np.ceil(1.5 * order / corner_hz * sampling_rate_hz))
    padded = np.pad(data * taper, [(0, 0)] * (data.ndim - 1) + [(room, room)])
    sections = signal.butter(order, corner_hz, "highpass", fs=sampling_rate_hz, output="sos")
    return signal.sosfiltfilt(sections, padded, axis=-1, padlen=0)[..., room:room + samples]


def standardise(record: Record, standard: Standard | float, window_s: float | None = None) -> Record:
    """Bring a record to one rate and one length.

    ``standardise(record, rate, window_s)`` is the paper's rule: the first `window_s` seconds, nothing
    detrended or filtered, zeros after the record's end.  With a :class:`Standard` the order is: detrend,
    high-pass, resample, window, zeros at the end (never inside).  The windows are

    * ``first``: from the record's start;
    * ``p-onset``: from `before_s` before the P pick, or the onset that :func:`tng.onset.pick` finds;
    * ``energy``: from `before_s` before the latest stretch that keeps 99 % of the largest horizontal Arias
      energy that any stretch of its length (`window_s` - `before_s`) can keep.  The latest, so that the
      shaking stands near the beginning, as after a trigger, whatever came before it.

    A window that would begin before the record does begins with it.

    The result notes what was done: ``trace_npts_raw``, ``trace_sampling_rate_raw_hz``, ``trace_pad_samples``,
    ``trace_bandlimit_hz`` (the highest frequency that it can hold), ``trace_energy_share`` (the part of the
    horizontal Arias intensity that the window keeps; a small one means that it missed the shaking),
    ``trace_window``, ``trace_window_start_s`` (in the record), ``trace_detrend``, ``trace_highpass_hz`` and
    ``trace_pga_change`` (by filter and resampling, relative, of that component's peak which changed most).  Picks
    and all other positions (``trace_…_sample``) are moved to the new samples, and NaN if they lie outside the
    window; ``trace_start_time`` is moved with the window.

    Raises
    ------
    SamplingError
        A rate that has no simple ratio to the record's, or is too low for the filter.
    DataError
        A gap in the window; a component of which nothing is left in it; no onset for ``p-onset``; more samples
        than any record of an earthquake has.
    """
    standard = _standard(standard, window_s)
    _check_size(record, standard)
    _check_computable(record)
    rate_hz, raw_hz = standard.sampling_rate_hz, record.sampling_rate_hz
    detrended = record.data if standard.detrend == "none" else signal.detrend(
        record.data, axis=-1, type={"mean": "constant", "linear": "linear"}[standard.detrend])
    data, pga_change = _filtered(record, detrended, standard)
    centred = data[:2] - data[:2].mean(axis=1, keepdims=True)
    meta = dict(record.meta)
    start = _window_start(record, standard, centred, meta)
    wanted = round(standard.window_s * rate_hz)
    _check_gaps(record, start / rate_hz * raw_hz, (start + wanted) / rate_hz * raw_hz)
    meta.pop("trace_gaps", None)
    window = data[:, start:start + wanted]
    _check_alive(record, window, standard)

    for name in filter(POSITION.fullmatch, tuple(meta)):
        sample = number(meta[name]) * rate_hz / raw_hz - start
        meta[name] = sample if 0 <= sample < wanted else np.nan
    _move_start(meta, start / rate_hz)
    padding = wanted - window.shape[1]
    meta.update(
        trace_npts_raw=record.samples,
        trace_sampling_rate_raw_hz=raw_hz,
        trace_pad_samples=padding,
        trace_bandlimit_hz=bandlimit_hz(meta, raw_hz, rate_hz),
        trace_energy_share=float((centred[:, start:start + wanted] ** 2).sum() / (centred**2).sum()),
        trace_window=standard.window,
        trace_window_start_s=start / rate_hz,
        trace_detrend=standard.detrend,
        trace_highpass_hz=np.nan if standard.highpass_hz is None else standard.highpass_hz,
        trace_pga_change=pga_change,
    )
    return replace(record, data=np.pad(window, ((0, 0), (0, padding))), sampling_rate_hz=float(rate_hz), meta=meta)


def _standard(given, window_s) -> Standard:
    if isinstance(given, Standard):
        if window_s is not None:
            raise TypeError("the window is a part of the Standard; do not give window_s as well")
        return given
    if window_s is None:
        raise TypeError("give a Standard, or a sampling rate and window_s")
    return Standard.model_construct(sampling_rate_hz=given, window_s=window_s, detrend="none")


def _check_size(record: Record, standard: Standard) -> None:
    """Before anything is computed: an hour at 1 Hz would take a hundred times its memory at 100 Hz."""
    samples = max(record.samples, record.samples / record.sampling_rate_hz * standard.sampling_rate_hz)
    if samples > MOST_SAMPLES:
        raise DataError(f"{record.name}: {record.duration_s:.0f} s would be {samples:.0f} samples at "
                        f"{standard.sampling_rate_hz:g} Hz, more than {MOST_SAMPLES}; cut it to the event first")


def _check_computable(record: Record) -> None:
    smallest, largest = np.ptp(record.data, axis=1).min(), record.pga_cmps2.max()
    if smallest < COMPUTABLE[0] or largest > COMPUTABLE[1]:
        raise DataError(f"{record.name}: samples of {smallest if smallest < COMPUTABLE[0] else largest:.3g} cm/s² are no ground "
                        "motion; its unit must be wrong, or the file is damaged")


def _filtered(record: Record, data: np.ndarray, standard: Standard) -> tuple[np.ndarray, float]:
    """Filtered and resampled, and how much that changed the peak of the component where it did most."""
    raw_hz, rate_hz = record.sampling_rate_hz, standard.sampling_rate_hz
    if standard.highpass_hz is None and raw_hz == rate_hz:
        return data, 0.0
    before = _peaks(data)
    try:
        if standard.highpass_hz is not None:
            data = highpass(data, raw_hz, standard.highpass_hz, standard.highpass_order)
        data = resample(data, raw_hz, rate_hz)
    except SamplingError as error:
        raise SamplingError(f"{record.name}: {error}") from None
    with np.errstate(over="ignore"):                # of a component of which detrending left nothing
        changes = _peaks(data) / np.maximum(before, np.finfo(float).tiny) - 1
    return data, float(changes[np.abs(changes).argmax()])


def _peaks(data: np.ndarray) -> np.ndarray:
    return np.abs(data - data.mean(axis=1, keepdims=True)).max(axis=1)


def _window_start(record: Record, standard: Standard, horizontals: np.ndarray, meta: dict) -> int:
    """First sample of the window, at the new rate; an onset that had to be looked for is noted in `meta`."""
    if standard.window == "first":
        return 0
    rate_hz, raw_hz = standard.sampling_rate_hz, record.sampling_rate_hz
    before = round(standard.before_s * rate_hz)
    if standard.window == "energy":
        return max(_shaking(horizontals, round(standard.window_s * rate_hz) - before) - before, 0)
    pick = number(meta.get(P_PICK))
    if not 0 <= pick < record.samples:
        found_s = onset.pick(record)
        if found_s is None:
            raise DataError(f"{record.name}: no P pick, and no clear onset in the vertical; use the window 'energy' or 'first'")
        pick = found_s * raw_hz
        meta.update({P_PICK: pick, "trace_p_status": "automatic"})
    return max(round(pick * rate_hz / raw_hz) - before, 0)


def _shaking(horizontals: np.ndarray, length: int) -> int:
    """Start of the latest stretch of `length` samples with 99 % of the most energy that one can hold."""
    energy = np.concatenate([[0.0], np.cumsum((horizontals**2).sum(axis=0))])
    ends = np.minimum(np.arange(energy.size - 1) + length, energy.size - 1)
    kept = energy[ends] - energy[:-1]
    return int(np.flatnonzero(kept >= KEPT_ENERGY * kept.max())[-1])


def gaps(record: Record) -> list[tuple[int, int]]:
    """Samples that were missing and filled in, as (first, last + 1), from ``trace_gaps``."""
    stated = record.meta.get("trace_gaps")
    return [(int(a), int(b)) for a, b in re.findall(r"(\d+)-(\d+)", stated)] if isinstance(stated, str) else []


def _check_gaps(record: Record, first: float, end: float) -> None:
    inside = [(a, b) for a, b in gaps(record) if a < end and b > first]
    if inside:
        a, b = inside[0]
        raise DataError(f"{record.name}: {len(inside)} gap{'s' if len(inside) > 1 else ''} in the window (the first from "
                        f"{a / record.sampling_rate_hz:.2f} s to {b / record.sampling_rate_hz:.2f} s of the record); drop the "
                        "record, or choose a window that lies beside")


def _check_alive(record: Record, window: np.ndarray, standard: Standard) -> None:
    for component, samples, raw in zip(COMPONENTS, window, record.data):
        if samples.size < 2 or np.ptp(samples) <= SILENT * np.ptp(raw):
            raise DataError(f"{record.name}: nothing of component {component} is left at {standard.sampling_rate_hz:g} Hz in the "
                            f"window '{standard.window}' of {standard.window_s:g} s; it is flat there")


def bandlimit_hz(meta: dict, raw_hz: float, rate_hz: float) -> float:
    """Highest frequency that the record can hold: by both rates, and by what its source says of itself."""
    stated = [number(meta.get(name)) for name in ("trace_bandlimit_hz", "trace_highcut_hz")]
    return min(raw_hz / 2, rate_hz / 2, *(limit for limit in stated if limit > 0))


def _move_start(meta: dict, seconds: float) -> None:
    """Move ``trace_start_time``; one that cannot be read is dropped, because it would be wrong."""
    if seconds == 0 or not meta.get("trace_start_time"):
        return
    try:
        meta["trace_start_time"] = iso(datetime.fromisoformat(str(meta["trace_start_time"])) + timedelta(seconds=seconds))
    except (ValueError, OverflowError):
        del meta["trace_start_time"]
