"""The one type that every reader makes and every later step uses: a three-component accelerogram.

Components are always E, N, Z (Z positive up), acceleration is always cm/s² (gal).  What is known about
where a record comes from travels with it in `meta`, under the column names of the SeisBench layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from scipy import signal

COMPONENTS = ("E", "N", "Z")


class RecordError(ValueError):
    """A record that cannot be used; the message says what was found, where, and what to do."""


class FormatError(RecordError):
    """Unknown signature, unreadable header, or a body that does not match its header."""


class UnitsError(RecordError):
    """The unit of acceleration is missing or unknown."""


class SamplingError(RecordError):
    """The sampling interval is missing, not positive, or contradicts the rest of the file."""


class ComponentError(RecordError):
    """Not three components, or components that cannot be turned into E, N, Z."""


class HeaderMismatchError(RecordError):
    """The peak acceleration in the header is not the one in the data."""


class DataError(RecordError):
    """Samples that are not a ground motion: NaN, infinity, a dead component, too few of them."""


@dataclass(frozen=True)
class Record:
    """One three-component accelerogram.

    Parameters
    ----------
    data : array, shape (3, samples)
        Acceleration [cm/s²], rows E, N, Z.
    sampling_rate_hz : float
        Samples per second [Hz].
    station : str
        Station code, for example ``"0205"``.
    event : str
        Identifier of the earthquake.  Records with the same value stay on one side of a split.
    meta : mapping
        Everything else that is known, under SeisBench column names (``source_magnitude``,
        ``station_vs30_mps``, ``trace_source_file`` …).

    Raises
    ------
    ComponentError, DataError, SamplingError
        If the samples cannot be a three-component accelerogram.
    """

    data: np.ndarray
    sampling_rate_hz: float
    station: str
    event: str
    meta: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self):
        data = np.asarray(self.data, dtype=np.float64)
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "meta", dict(self.meta))
        if data.ndim != 2 or data.shape[0] != 3:
            raise ComponentError(f"{self.name}: samples of shape {data.shape}; three components "
                                 "(E, N, Z) are needed, as an array (3, samples)")
        if data.shape[1] < 2:
            raise DataError(f"{self.name}: {data.shape[1]} samples a component; at least 2 are needed")
        if not (np.isfinite(self.sampling_rate_hz) and self.sampling_rate_hz > 0):
            raise SamplingError(f"{self.name}: sampling rate {self.sampling_rate_hz} Hz; "
                                "it must be a positive number")
        for component, samples in zip(COMPONENTS, data):
            bad = np.flatnonzero(~np.isfinite(samples))
            if bad.size:
                raise DataError(f"{self.name}: component {component} holds {bad.size} values that are not "
                                f"finite numbers (the first at sample {bad[0]}); repair or drop the record")
            if np.ptp(samples) == 0:
                raise DataError(f"{self.name}: component {component} is flat (every sample {samples[0]:g}); "
                                "the channel was dead, drop the record")

    @property
    def name(self) -> str:
        """What to call this record in a message: its file, or its event and station."""
        return str(self.meta.get("trace_source_file") or f"{self.event}/{self.station}")

    @property
    def samples(self) -> int:
        return self.data.shape[1]

    @property
    def duration_s(self) -> float:
        return self.samples / self.sampling_rate_hz

    @property
    def times_s(self) -> np.ndarray:
        """Time of each sample since the first [s], shape (samples,)."""
        return np.arange(self.samples) / self.sampling_rate_hz

    @property
    def pga_cmps2(self) -> np.ndarray:
        """Largest absolute acceleration of E, N, Z [cm/s²], shape (3,)."""
        return np.abs(self.data).max(axis=1)


def check_pga(record: Record, header_cmps2, tolerance: float = 0.01) -> None:
    """Compare the peaks of the data with those a file's header states (E, N, Z) [cm/s²].

    Signs are ignored, because some agencies print a signed peak.

    Raises
    ------
    HeaderMismatchError
        If any of them differs by more than `tolerance` (relative).
    """
    for component, found, stated in zip(COMPONENTS, record.pga_cmps2, np.abs(header_cmps2)):
        if abs(found - stated) > tolerance * max(found, stated):
            raise HeaderMismatchError(
                f"{record.name}: component {component} peaks at {found:.6g} cm/s² but its header says "
                f"{stated:.6g}; unit, scale or component order must be wrong")


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


def standardise(record: Record, sampling_rate_hz: float, window_s: float) -> Record:
    """Bring a record to one rate and one length: its first `window_s` seconds, zeros after its end.

    This is the paper's window (first 6000 samples at 100 Hz); nothing is filtered or scaled.  The result
    notes what was done: ``trace_npts_raw``, ``trace_pad_samples``, ``trace_bandlimit_hz`` (the highest
    frequency that the original could hold) and ``trace_energy_share``, the part of the horizontal Arias
    intensity that the window keeps.  A small share means that the window missed the shaking.  Picks
    (``trace_p_arrival_sample`` …) are moved to the new samples, and NaN if they lie outside the window.
    """
    data = resample(record.data, record.sampling_rate_hz, sampling_rate_hz)
    wanted = round(window_s * sampling_rate_hz)
    window = data[:, :wanted]
    padding = wanted - window.shape[1]
    centred = data[:2] - data[:2].mean(axis=1, keepdims=True)
    energy = (centred**2).sum()
    meta = dict(record.meta)
    for name in ("trace_p_arrival_sample", "trace_s_arrival_sample"):
        if name in meta:
            sample = meta[name] * sampling_rate_hz / record.sampling_rate_hz
            meta[name] = sample if 0 <= sample < wanted else np.nan
    meta.update(
        trace_npts_raw=record.samples,
        trace_sampling_rate_raw_hz=record.sampling_rate_hz,
        trace_pad_samples=padding,
        trace_bandlimit_hz=min(record.sampling_rate_hz, sampling_rate_hz) / 2,
        trace_energy_share=float((centred[:, :wanted] ** 2).sum() / energy),
    )
    return replace(record, data=np.pad(window, ((0, 0), (0, padding))),
                   sampling_rate_hz=float(sampling_rate_hz), meta=meta)
