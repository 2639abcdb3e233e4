"""ln residuals: by how much, and how evenly, generated measures differ from recorded ones.

Sets of records are compared, not pairs: the residual is that of their means, ln(generated) - ln(real), over periods, frequencies
or intensity measures.  Arrays are **logarithms**, shape (records, values); `logarithms` takes them and refuses what has none.
0.1 is a bias of about 10 %; -0.69 a factor of one half.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tng.scoring.resampling import bootstrap_weights, enough, interval


def logarithms(values, name: str = "values") -> np.ndarray:
    """Natural logarithms of positive measures.

    Raises
    ------
    ValueError
        For measures that are zero, negative or not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    good = np.isfinite(values) & (values > 0)
    if not good.all():
        first = tuple(int(k) for k in np.argwhere(~good)[0])
        raise ValueError(f"{name}: {(~good).sum()} of {values.size} values have no logarithm, the first is {values[first]} "
                         f"at {first}; leave the record or the measure out")
    return np.log(values)


def without_station_means(values, stations) -> np.ndarray:
    """Values minus their station's mean: what is left to events and paths once site effects are gone.

    Parameters
    ----------
    values : array, shape (records, values)
    stations : array, shape (records,)
    """
    values, code = np.asarray(values, dtype=np.float64), np.unique(np.asarray(stations, dtype=str), return_inverse=True)[1]
    if values.ndim != 2 or code.shape != (len(values),):
        raise ValueError(f"values of shape {values.shape} of {code.size} stations; (records, values) and one station a record "
                         "are needed")
    mean = np.zeros((code.max(initial=-1) + 1, values.shape[1]))
    np.add.at(mean, code, values)
    return values - (mean / np.bincount(code)[:, None])[code]


def bias(ln_real, ln_generated, centre: str = "mean") -> np.ndarray:
    """Mean ln residual of each value, shape (values,): ln of the ratio of the geometric means, generated over real.

    Parameters
    ----------
    centre : {"mean", "median"}
        With the median, ln of the ratio of the medians; a few odd records do not move it.
    """
    real, generated = enough("bias", ln_real, ln_generated)
    if centre not in ("mean", "median"):
        raise ValueError(f"centre {centre!r}; 'mean' or 'median' is needed")
    of = np.mean if centre == "mean" else np.median
    return of(generated, axis=0) - of(real, axis=0)


def rms_bias(ln_real, ln_generated) -> float:
    """Root mean square of the bias over all values.  Chance alone makes it positive: see that of real against real."""
    return float(np.sqrt(np.mean(bias(ln_real, ln_generated) ** 2)))


def spread_ratio(ln_real, ln_generated) -> np.ndarray:
    """Standard deviation of each ln value, generated over real, shape (values,): 1 if they scatter as much.

    NaN where real records do not scatter.
    """
    real, generated = enough("spread ratio", ln_real, ln_generated)
    return _over(_deviation(generated), _deviation(real))[()]


def variance_ratio(ln_real, ln_generated) -> np.ndarray:
    """Square of `spread_ratio`."""
    return spread_ratio(ln_real, ln_generated) ** 2


def _deviation(values: np.ndarray) -> np.ndarray:
    """Standard deviation over records; exactly zero where it is nothing but rounding."""
    deviation = values.std(axis=0, ddof=1)
    return np.where(deviation > 1e-12 * np.abs(values).max(axis=0), deviation, 0.0)


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def correlations(ln_values) -> np.ndarray:
    """Pearson correlation of every value with every other over records, shape (values, values).

    A value that does not vary goes along with nothing: its correlations are 0, that with itself 1.
    """
    values = np.asarray(ln_values, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"values of shape {values.shape}; (records, values) is needed")
    deviation = _deviation(values)
    scaled = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, np.inf)
    matrix = scaled.T @ scaled / (len(values) - 1)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def correlation_error(ln_real, ln_generated) -> float:
    """Root mean square difference of the correlations of all pairs of values; 0 for the same correlations, 2 at most.

    The Frobenius norm of the difference of the two matrices is sqrt(values·(values - 1)) times this.  Between measures it
    tells whether strong records are also long ones, between periods whether spectra are as ragged (Baker and Jayaram,
    2008).  Records of several stations must lose their stations' means first (`without_station_means`).  Chance alone makes
    it about sqrt(1/n + 1/m) for values without correlation.
    """
    real, generated = enough("correlation error", ln_real, ln_generated)
    if real.ndim != 2 or real.shape[1] < 2:
        raise ValueError(f"correlation error: values of shape {real.shape}; (records, values) with two values or more are needed")
    difference = correlations(generated) - correlations(real)
    count = real.shape[1]
    return float(np.sqrt((difference**2).sum() / (count * (count - 1))))


def residuals(ln_real, ln_generated, events_real=None, events_generated=None, *, values=None, times: int = 500,
              level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Bias and spread of each value with intervals by event, a row a value: what a residual plot shows.

    Parameters
    ----------
    ln_real, ln_generated : arrays, shape (records, values)
    events_real, events_generated : arrays, optional
        Event of each record; each is one of its own if not given.
    values : sequence, optional
        What the rows are called: periods [s], frequencies [Hz], names of measures.
    times : int
        Bootstrap samples, of events of both sides.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        `bias`, `median_bias` [ln], `spread_real`, `spread_generated` [ln], `spread_ratio`, `variance_ratio`, and `_low` and
        `_high` of bias and spread_ratio.
    """
    real, generated = enough("residuals", ln_real, ln_generated)
    if real.ndim != 2:
        raise ValueError(f"residuals: values of shape {real.shape}; (records, values) is needed")
    rng = np.random.default_rng(seed)
    centre = real.mean(axis=0)                  # removed first: small spreads of large logarithms keep their digits
    sides = (real - centre, events_real), (generated - centre, events_generated)
    means, deviations = zip(*(_draws(side, events, times, rng) for side, events in sides))
    found = pd.DataFrame({
        "bias": bias(real, generated), "median_bias": bias(real, generated, "median"), "spread_real": _deviation(real),
        "spread_generated": _deviation(generated), "spread_ratio": spread_ratio(real, generated),
        "variance_ratio": variance_ratio(real, generated)}, index=values)
    found["bias_low"], found["bias_high"] = interval(means[1] - means[0], found["bias"], level)
    ratio = found["spread_ratio"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):              # no scatter: no interval
        ends = interval(np.log(deviations[1] / deviations[0]), np.log(np.where(ratio > 0, ratio, np.nan)), level)
    found["spread_ratio_low"], found["spread_ratio_high"] = np.exp(ends[0]), np.exp(ends[1])
    return found


def _draws(values: np.ndarray, events, times: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations of bootstrap samples by event, shapes (times, values)."""
    if events is not None and len(events) != len(values):
        raise ValueError(f"residuals: {len(values)} records but {len(events)} events; one each is needed")
    weights = bootstrap_weights(np.arange(len(values)) if events is None else events, times, rng)
    total = weights.sum(axis=1, keepdims=True)
    mean = weights @ values / total
    variance = (weights @ values**2 - total * mean**2) / np.maximum(total - 1, 1)
    return mean, np.sqrt(np.maximum(variance, 0))
