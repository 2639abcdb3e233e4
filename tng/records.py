"""The one type that every reader makes and every later step uses: a three-component accelerogram.

Components are always E, N, Z (Z positive up), acceleration is always cm/s² (gal).  What is known about
where a record comes from travels with it in `meta`, under the column names of the SeisBench layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

COMPONENTS = ("E", "N", "Z")
RATES_HZ = (1, 1000)  # outside it no accelerograph samples; a rate far off would also make resampling explode
LONGEST_MESSAGE = 900


class RecordError(ValueError):
    """A record that cannot be used; the message says what was found, where, and what to do.

    It quotes files and their names, so what cannot be printed (or would steer a terminal) becomes a question mark.
    """

    def __init__(self, message: object = ""):
        text = "".join(letter if letter.isprintable() else " " if letter.isspace() else "?" for letter in str(message))
        super().__init__(text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE - 1]}…")


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


class LicenceError(RecordError):
    """Export of a record whose licence forbids redistribution."""


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
