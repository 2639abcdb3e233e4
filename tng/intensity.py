"""Engineering measures of a record's strength, length and frequency content.

Arrays are (..., samples) in cm/s²; every measure is computed along the last axis, for all records at once.
A record is taken as it is: remove its mean, or correct its baseline, first.  Measures that remove it themselves say
so, and `measures`, the table of all of them, does so once for all.

A measure that a record does not have is NaN: a record without motion (constant, or zeros) has no duration, mean period
or kappa, while its peaks, Arias intensity and CAV are zeros.  Values that are not finite are an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, integrate, signal

from tng.arrays import STILL, acceleration, positive_rate, three_components
from tng.kappa import kappa

if TYPE_CHECKING:
    import pandas as pd

GRAVITY_CMPS2 = 980.665
HIGH_PASS_HZ = 0.05              # before integration to velocity and displacement
PADDING_S = 60.0                 # zeros on each side: 1.5 x filter order 2 / corner 0.05 Hz
MEAN_PERIOD_BAND_HZ = (0.25, 20.0)
COLUMNS = ("pga_cmps2", "pgv_cmps", "pgd_cm", "arias_cmps", "cav_cmps", "d575_s", "d595_s", "tm_s", "kappa_s")    # of `measures`
AT_ONCE = 64                     # padded components that are integrated together, to stay small in memory


# --- strength -------------------------------------------------------------------------------------

def pga(data) -> np.ndarray:
    """Peak ground acceleration max|a|, shape (...) [cm/s²]."""
    return np.abs(acceleration(data)).max(axis=-1)


def pgv(data, sampling_rate_hz: float) -> np.ndarray:
    """Peak ground velocity of `velocity_and_displacement`, shape (...) [cm/s]."""
    return _integrated_peaks(data, sampling_rate_hz, times=1)[0]


def pgd(data, sampling_rate_hz: float) -> np.ndarray:
    """Peak ground displacement of `velocity_and_displacement`, shape (...) [cm]."""
    return _integrated_peaks(data, sampling_rate_hz)[1]


def velocity_and_displacement(data, sampling_rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Velocity [cm/s] and displacement [cm] by integration, each (..., samples + 2 · 60 s of padding).

    Linear detrend; 60 s of zeros on each side; Butterworth high-pass of order 2 at 0.05 Hz, forwards and backwards;
    cumulative trapezoid, twice for displacement.  The padding stays, as the filter's answer before and after the record
    belongs to the motion; the record itself begins at sample ``round(PADDING_S * sampling_rate_hz)``.

    Raises
    ------
    ValueError
        For values that are not finite, and sampling rates that cannot hold the corner (0.1 Hz or less).
    """
    return tuple(_integrals(data, sampling_rate_hz, times=2))


def _integrals(data, sampling_rate_hz: float, times: int) -> list[np.ndarray]:
    """Velocity, and displacement if integrated two `times`; see :func:`velocity_and_displacement`."""
    data = acceleration(data)
    rate_hz = positive_rate(sampling_rate_hz)
    if rate_hz <= 2 * HIGH_PASS_HZ:
        raise ValueError(f"a sampling rate of {rate_hz} Hz cannot hold the high-pass at {HIGH_PASS_HZ} Hz")
    pad = [(0, 0)] * (data.ndim - 1) + [(round(PADDING_S * rate_hz),) * 2]
    padded = np.pad(signal.detrend(data, axis=-1), pad)
    b, a = signal.butter(2, HIGH_PASS_HZ, "highpass", fs=rate_hz)
    motion = [signal.filtfilt(b, a, padded, axis=-1)]
    for _ in range(times):
        motion.append(integrate.cumulative_trapezoid(motion[-1], dx=1 / rate_hz, axis=-1, initial=0))
    return motion[1:]


def _integrated_peaks(data, sampling_rate_hz: float, times: int = 2) -> np.ndarray:
    """PGV, and PGD if integrated two `times`, shape (times, ...), some records at a time."""
    data = acceleration(data)
    flat = data.reshape(-1, data.shape[-1])
    peaks = np.empty((times, len(flat)))
    for start in range(0, len(flat), AT_ONCE):
        motion = _integrals(flat[start:start + AT_ONCE], sampling_rate_hz, times)
        peaks[:, start:start + AT_ONCE] = [np.abs(m).max(axis=-1) for m in motion]
    return peaks.reshape(times, *data.shape[:-1])


def arias(data, sampling_rate_hz: float) -> np.ndarray:
    """Arias intensity π/(2g)·∫a²dt, shape (...) [cm/s] (Arias, 1970)."""
    energy = integrate.trapezoid(acceleration(data) ** 2, dx=1 / positive_rate(sampling_rate_hz), axis=-1)
    return np.pi / (2 * GRAVITY_CMPS2) * energy


def cav(data, sampling_rate_hz: float) -> np.ndarray:
    """Cumulative absolute velocity ∫|a|dt, shape (...) [cm/s] (EPRI, 1988)."""
    return integrate.trapezoid(np.abs(acceleration(data)), dx=1 / positive_rate(sampling_rate_hz), axis=-1)


# --- length ---------------------------------------------------------------------------------------

def husid(data) -> np.ndarray:
    """Share of the Arias intensity that has arrived, 0 to 1, shape (..., samples) [-] (Husid, 1969).

    The mean is removed first.  A record without motion has no such curve: NaN.
    """
    data = acceleration(data)
    centred = data - data.mean(axis=-1, keepdims=True)
    curve = integrate.cumulative_trapezoid(centred**2, axis=-1, initial=0)
    still = curve[..., -1:] <= STILL * np.square(data).sum(axis=-1, keepdims=True)
    return curve / np.where(still, np.nan, curve[..., -1:])


def significant_duration(data, sampling_rate_hz: float, start: float = 0.05, end: float = 0.95) -> np.ndarray:
    """Time between two shares of the Arias intensity, D5-95 by default, shape (...) [s] (Trifunac and Brady, 1975).

    The mean is removed first; crossing times are interpolated between samples.  NaN for a record without motion.

    Raises
    ------
    ValueError
        For shares that do not rise from 0 to 1, and values that are not finite.
    """
    if not 0 <= start < end <= 1:
        raise ValueError(f"shares of the Arias intensity from {start} to {end}; two rising numbers from 0 to 1 are needed")
    rate_hz, curve = positive_rate(sampling_rate_hz), husid(data)
    return (_crossing(curve, end) - _crossing(curve, start)) / rate_hz


def _crossing(curve, share: float) -> np.ndarray:
    """Where each rising curve (..., samples) passes a share, interpolated, shape (...) [samples]; NaN for curves of NaN."""
    after = np.clip((curve < share).sum(axis=-1, keepdims=True), 1, curve.shape[-1] - 1)
    low, high = (np.take_along_axis(curve, i, axis=-1) for i in (after - 1, after))
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = np.where(high > low, (share - low) / (high - low), np.where(np.isnan(high), np.nan, 0.0))
    return (after - 1 + fraction)[..., 0]


# --- frequency content ------------------------------------------------------------------------------

def mean_period(data, sampling_rate_hz: float) -> np.ndarray:
    """Mean period Tm = Σ(C²/f)/ΣC² over 0.25-20 Hz, shape (...) [s] (Rathje et al., 1998).

    C are the Fourier amplitudes of the whole record, its mean removed: no taper, no zeros added (which would change
    Tm by some 0.2 %), both ends of the band included.  NaN for a record without motion.

    Raises
    ------
    ValueError
        For a sampling rate below 40 Hz or records shorter than 4 s, which do not hold the band; values not finite.
    """
    low, high = MEAN_PERIOD_BAND_HZ
    data, rate_hz = acceleration(data), positive_rate(sampling_rate_hz)
    if not holds_mean_period(data.shape[-1], rate_hz):
        raise ValueError(f"{data.shape[-1] / rate_hz:g} s at {rate_hz:g} Hz do not hold {low}-{high:g} Hz, the band of the mean "
                         f"period: at least {1 / low:g} s at {2 * high:g} Hz are needed")
    freq_hz = fft.rfftfreq(data.shape[-1], 1 / rate_hz)
    inside = (freq_hz >= low - 1e-9) & (freq_hz <= high + 1e-9)
    power = np.abs(fft.rfft(data - data.mean(axis=-1, keepdims=True), axis=-1)[..., inside]) ** 2
    total = power.sum(axis=-1)
    still = total <= STILL * np.square(data).sum(axis=-1) * data.shape[-1]
    return power @ (1 / freq_hz[inside]) / np.where(still, np.nan, total)


def holds_mean_period(samples: int, rate_hz: float) -> bool:
    """Whether records of this length and rate hold the band of the mean period, 0.25-20 Hz."""
    low, high = MEAN_PERIOD_BAND_HZ
    return rate_hz >= 2 * high and samples >= rate_hz / low


# --- tables ---------------------------------------------------------------------------------------

def horizontal_pga(data) -> np.ndarray:
    """Geometric mean of the two horizontal PGA of records (records, 3, samples), shape (records,) [cm/s²]."""
    return np.sqrt(pga(data[:, 0]) * pga(data[:, 1]))


def horizontal_duration(data, sampling_rate_hz: float) -> np.ndarray:
    """Geometric mean of D5-95 of the two horizontals of records (records, 3, samples), shape (records,) [s]."""
    durations = significant_duration(data[:, :2], sampling_rate_hz)
    return np.sqrt(durations[:, 0] * durations[:, 1])


def measures(data, sampling_rate_hz: float, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Every measure of every record, of its two horizontals together: a row a record.

    Geometric means of E and N, but the arithmetic mean of kappa, which may be negative.  The means of the components are
    removed first.  NaN where a record does not have a measure (see the functions), and for a mean period whose band
    sampling rate or length cannot hold.

    Parameters
    ----------
    data : array, shape (records, 3, samples)
        Acceleration, components E, N, Z [cm/s²].
    columns : sequence of str
        Those wanted of `COLUMNS`; PGD and kappa, which take longest, are computed only if they are among them.

    Returns
    -------
    DataFrame
        Those columns.

    Raises
    ------
    ValueError
        For another shape, values that are not finite, and columns that there are not.
    """
    import pandas as pd                     # here, because the readers' processes need peaks only, and start quickly

    rate_hz = positive_rate(sampling_rate_hz)
    horizontal = three_components(data)[:, :2]
    horizontal = horizontal - horizontal.mean(axis=-1, keepdims=True)
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise ValueError(f"no measure {unknown[0]!r}; there are {', '.join(COLUMNS)}")
    peaks = _integrated_peaks(horizontal, rate_hz, times=2 if "pgd_cm" in columns else 1)
    curve = husid(horizontal)
    start, middle, end = (_crossing(curve, share) / rate_hz for share in (0.05, 0.75, 0.95))
    components = {
        "pga_cmps2": pga(horizontal), **dict(zip(("pgv_cmps", "pgd_cm"), peaks)),
        "arias_cmps": arias(horizontal, rate_hz), "cav_cmps": cav(horizontal, rate_hz),
        "d575_s": middle - start, "d595_s": end - start,
        "tm_s": mean_period(horizontal, rate_hz) if holds_mean_period(*horizontal.shape[-1:], rate_hz) else np.full_like(start, np.nan),
    }
    table = {name: np.sqrt(values[:, 0] * values[:, 1]) for name, values in components.items()}
    if "kappa_s" in columns:
        table["kappa_s"] = kappa(horizontal, rate_hz).mean(axis=-1)
    return pd.DataFrame(table)[list(columns)]
