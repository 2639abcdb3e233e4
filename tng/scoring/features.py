"""What is measured on every record of a set, once: HVSR, f0, EAS, response spectrum, intensity measures."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from tqdm import tqdm

from tng import intensity, response, spectra
from tng.recordset import RecordSet, RecordSetError
from tng.scoring.paper import F0_BINS_HZ

SHORTEST_S = 4.0                             # with less, no spectrum is worth a comparison
BATCH = 64                                   # records measured at a time
MEASURES = {                                 # column of intensity.measures → name on the scoreboard
    "pga_cmps2": "PGA", "pgv_cmps": "PGV", "arias_cmps": "Arias", "cav_cmps": "CAV", "d575_s": "D5-75", "d595_s": "D5-95",
    "tm_s": "Tm",
}


@dataclass(frozen=True)
class Grid:
    """Where curves are compared: evenly spaced in the logarithm, so that every octave counts alike.

    Attributes
    ----------
    band_hz : two floats
        In which f0 is looked for and HVSR compared; the paper's 1-20 Hz, or as much of it as the sampling rate holds.
    curve_hz, eas_hz, periods_s : arrays
        Frequencies of HVSR and of EAS [Hz], periods of the response spectrum [s].
    measures : tuple of str
        Without Tm, if the records do not hold its band, 0.25-20 Hz.
    """

    band_hz: tuple[float, float]
    curve_hz: np.ndarray
    eas_hz: np.ndarray
    periods_s: np.ndarray
    measures: tuple[str, ...] = tuple(MEASURES)       # columns of intensity.measures that records of this kind hold

    @property
    def f0_bins_hz(self) -> np.ndarray:
        """Edges of 20 equal bins over the band: the paper's, if the band is the paper's [Hz]."""
        return np.linspace(*self.band_hz, len(F0_BINS_HZ))

    @property
    def ln_step(self) -> float:
        """Between two of `curve_hz`, in ln f."""
        return float(np.log(self.curve_hz[1] / self.curve_hz[0]))

    @classmethod
    def of(cls, sampling_rate_hz: float, samples: int, band_hz: tuple[float, float] | None = None, *, curve_points: int = 100,
           eas_points: int = 60, periods: int = 20) -> Grid:
        """The grid for a sampling rate and a number of samples.

        Nothing above 0.4 of the rate, where anti-alias filters speak; no EAS below 20 cycles and no period above a sixth of the record.

        Raises
        ------
        RecordSetError
            If the rate does not hold the band, or the records are shorter than `SHORTEST_S`.
        """
        duration_s = samples / sampling_rate_hz
        if duration_s < SHORTEST_S:
            raise RecordSetError(f"records of {duration_s:g} s; at least {SHORTEST_S:g} s are needed to score them")
        highest_hz = 0.4 * sampling_rate_hz
        low, high = band_hz or (spectra.BAND_HZ[0], min(spectra.BAND_HZ[1], highest_hz))
        if not 0 < low < high <= sampling_rate_hz / 2:
            raise RecordSetError(f"a band from {low:g} to {high:g} Hz on records at {sampling_rate_hz:g} Hz; two rising frequencies "
                                 f"up to {sampling_rate_hz / 2:g} Hz are needed")
        return cls((low, high), np.geomspace(low, high, curve_points),
                   np.geomspace(max(0.5, 20 / duration_s), min(25.0, highest_hz), eas_points),
                   np.geomspace(max(0.05, 2.5 / sampling_rate_hz), min(5.0, duration_s / 6), periods),
                   tuple(name for name in MEASURES if name != "tm_s" or intensity.holds_mean_period(samples, sampling_rate_hz)))


@dataclass(frozen=True)
class Features:
    """Measures of the records of one set; arrays have a row a record.

    Attributes
    ----------
    f0_hz : array, shape (records,)
        By the paper's rule: where HVSR is largest in the band.
    ln_hvsr, ln_eas, ln_psa : arrays, shape (records, points of the grid)
        EAS with Konno-Ohmachi smoothing [ln cm/s]; PSA is RotD50 at 5 % damping [ln cm/s²].
    ln_measures : array, shape (records, measures of the grid)
        Logarithms of intensity measures, geometric means of the horizontals.
    """

    f0_hz: np.ndarray
    ln_hvsr: np.ndarray
    ln_eas: np.ndarray
    ln_psa: np.ndarray
    ln_measures: np.ndarray

    def __len__(self) -> int:
        return len(self.f0_hz)

    def take(self, rows) -> Features:
        """Some of the records."""
        return replace(self, **{each.name: getattr(self, each.name)[rows] for each in fields(self)})

    def with_(self, other: Features) -> Features:
        """These records and those of another set."""
        return Features(*(np.concatenate([getattr(self, each.name), getattr(other, each.name)]) for each in fields(self)))

    @property
    def everything(self) -> np.ndarray:
        """All curves and measures side by side, shape (records, features): what a classifier is shown."""
        return np.hstack([self.ln_hvsr, self.ln_eas, self.ln_psa, self.ln_measures])


@dataclass(frozen=True)
class Measured:
    """Records and what was measured on them."""

    records: RecordSet
    features: Features

    @classmethod
    def of(cls, records: RecordSet, grid: Grid, *, progress: bool = False) -> Measured:
        return cls(records, features(records, grid, progress=progress))

    def take(self, rows) -> Measured:
        """Some of the records."""
        return Measured(self.records.take(rows), self.features.take(rows))


def features(records: RecordSet, grid: Grid, *, progress: bool = False) -> Features:
    """Measure every record of a set.

    Raises
    ------
    RecordSetError
        Naming the record whose measures cannot be computed (a duration of a record without shaking, for example).
    """
    rate = records.sampling_rate_hz
    parts = []
    for start in tqdm(range(0, len(records), BATCH), desc=f"measuring {records.name}", unit="batch", disable=not progress,
                      leave=False):
        data = records.data[start:start + BATCH].astype(np.float64)
        freq_hz, curves = spectra.hvsr(data, rate, band_hz=grid.band_hz)
        at = np.log(grid.curve_hz)
        parts.append(Features(
            f0_hz=spectra.f0(freq_hz, curves),
            ln_hvsr=np.stack([np.interp(at, np.log(freq_hz), np.log(curve)) for curve in curves]),
            ln_eas=np.log(spectra.eas(data, rate, grid.eas_hz)),
            ln_psa=np.log(response.rotd(data - data.mean(axis=2, keepdims=True), rate, grid.periods_s, percentiles=(50,))[..., 0]),
            ln_measures=np.log(intensity.measures(data, rate, grid.measures).to_numpy()),
        ))
    found = parts[0]
    for part in parts[1:]:
        found = found.with_(part)
    for name in ("ln_hvsr", "ln_eas", "ln_psa", "ln_measures"):
        bad = ~np.isfinite(getattr(found, name)).all(axis=1)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise RecordSetError(f"{records.name}: {name.removeprefix('ln_').upper()} of {bad.sum()} of {len(bad)} records cannot be measured; the "
                                 f"first is {records.trace[row]} of station {records.station[row]}. It holds no shaking, in a part of the band or "
                                 "at all; drop it")
    return found
