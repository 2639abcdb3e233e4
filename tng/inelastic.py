"""Ductility demand of bilinear oscillators.

Arrays are (..., samples) in cm/s².  A record is taken as it is: remove its mean, or correct its baseline, first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import signal

from tng.arrays import acceleration
from tng.oscillators import checked_settings, resampled, resolving_factors

HARDENING = 0.03                 # stiffness after yielding over elastic stiffness
STEPS_A_PERIOD = 40
BETA = 1 / 12                    # of Newmark's method: fourth order in the elastic period
TAIL = 3                         # periods of free vibration after a record's end
AT_ONCE = 512                    # components stepped together


def ductility(data, sampling_rate_hz: float, periods_s, reductions, hardening: float = HARDENING, damping: float = 0.05,
              oversample: int | None = None) -> np.ndarray:
    """Ductility demand max|u|/u_y of bilinear oscillators at constant strength reduction, shape (n, periods, reductions) [-].

    Each oscillator yields at 1/R of the largest displacement that the same record gives it when it stays elastic, so
    that scaling a record changes nothing.  Kinematic hardening, 3 % by default, as is usual for frames (FEMA 440, 2005,
    uses 0-5 %).  NaN for a record of zeros, which has no elastic demand.

    Stepped by the Newmark method with γ = 1/2 and β = 1/12 (Fox and Goodwin, 1949), of fourth order in the elastic
    period.  The restoring force is piecewise linear and rises with the displacement, so each implicit step has one
    solution in closed form: nothing is iterated, no yielding is overshot.

    Parameters
    ----------
    data : array, shape (n, samples)
        Acceleration of single components [cm/s²].
    reductions : array, shape (reductions,)
        R = elastic strength demand over yield strength, 1 or more [-].
    hardening : float
        Stiffness after yielding over elastic stiffness, from 0 to less than 1 [-].
    oversample : int, optional
        As for `psa`; by default the smallest power of two that gives each period 40 samples.

    Raises
    ------
    ValueError
        As `psa`, and for another shape, reductions below 1, another hardening, fewer than 10 samples a period.
    """
    data = acceleration(data)
    if data.ndim != 2:
        raise ValueError(f"accelerations of shape {data.shape}; (n, samples) of single components is needed")
    reductions = np.atleast_1d(np.asarray(reductions, dtype=float))
    if reductions.ndim != 1 or not (np.isfinite(reductions) & (reductions >= 1)).all():
        raise ValueError(f"strength reductions {reductions.tolist()}; numbers from 1 up are needed")
    rate_hz, periods_s, factors = _settings(sampling_rate_hz, periods_s, damping, oversample, hardening)
    demand = np.empty((len(periods_s), len(reductions), len(data)))
    for start in range(0, len(data), AT_ONCE):
        chunk = np.s_[start:start + AT_ONCE]
        padded = np.pad(data[chunk], [(0, 0), (2, _tail(periods_s, rate_hz))])
        for factor, motion in resampled(padded, factors):
            here = factors == factor
            demand[here, :, chunk] = _demand(motion, 2 * np.pi / periods_s[here] / (factor * rate_hz), 1 / (factor * rate_hz),
                                             reductions, hardening, damping)
    return np.moveaxis(demand, -1, 0)


def hysteresis(data, sampling_rate_hz: float, period_s: float, yield_displacement_cm: float, hardening: float = HARDENING,
               damping: float = 0.05, oversample: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Displacement and restoring force of one bilinear oscillator, as `ductility` steps it.

    Parameters
    ----------
    data : array, shape (samples,)
        Acceleration of one component [cm/s²].

    Returns
    -------
    time_s, displacement_cm, force_cmps2 : arrays, shape (steps,)
        From two samples before the record to three periods after its end; force per mass [cm/s²].

    Raises
    ------
    ValueError
        As `ductility`, and for a yield displacement that is not positive.
    """
    data = acceleration(data)
    if data.ndim != 1:
        raise ValueError(f"acceleration of shape {data.shape}; (samples,) of a single component is needed")
    if not yield_displacement_cm > 0:
        raise ValueError(f"a yield displacement of {yield_displacement_cm} cm; a positive number is needed")
    rate_hz, periods_s, factors = _settings(sampling_rate_hz, [period_s], damping, oversample, hardening)
    padded = np.pad(data[None], [(0, 0), (2, _tail(periods_s, rate_hz))])
    (factor, motion), = resampled(padded, factors)
    step_s, omega = 1 / (factor * rate_hz), 2 * np.pi / periods_s
    limit = np.full((1, 1, 1), float(yield_displacement_cm))
    steps = _bilinear_steps(_load(motion, step_s).T, omega * step_s, limit, hardening, damping)
    displacement, elastic = np.array([(u.item(), e.item()) for u, e in steps]).T
    force = omega**2 * (hardening * displacement + (1 - hardening) * elastic)
    return (np.arange(2, len(force) + 2) - 2 * factor) * step_s, displacement, force


def _settings(sampling_rate_hz, periods_s, damping, oversample, hardening) -> tuple[float, np.ndarray, np.ndarray]:
    rate_hz, periods_s, damping, oversample = checked_settings(sampling_rate_hz, periods_s, damping, oversample)
    if not 0 <= hardening < 1:
        raise ValueError(f"a hardening of {hardening}; a share of the elastic stiffness from 0 to less than 1 is needed")
    factors = resolving_factors(periods_s, rate_hz, oversample, STEPS_A_PERIOD)
    if (coarse := periods_s * rate_hz * factors < 10 * (1 - 1e-9)).any():
        raise ValueError(f"periods {periods_s[coarse].tolist()} s have fewer than 10 samples with oversample={oversample} at "
                         f"{rate_hz:g} Hz; take a larger factor, or None")
    return rate_hz, periods_s, factors


def _tail(periods_s, rate_hz: float) -> int:
    return int(np.ceil(TAIL * periods_s.max() * rate_hz))


def _load(motion, step_s: float) -> np.ndarray:
    """Δt²·(a[k-1] + 10·a[k] + a[k+1])/12, what each Newmark step is driven by, shape (components, samples - 2) [cm]."""
    return step_s**2 / 12 * (motion[:, :-2] + 10 * motion[:, 1:-1] + motion[:, 2:])


def _demand(motion, angle, step_s, reductions, hardening: float, damping: float) -> np.ndarray:
    """Ductility demand for oscillators that advance by `angle` = ω·Δt a step, shape (periods, reductions, components)."""
    load = _load(motion, step_s)
    recursion = [(1 + damping * w + BETA * w**2, (1 - 2 * BETA) * w**2 - 2, 1 - damping * w + BETA * w**2) for w in angle]
    elastic = np.array([np.abs(signal.lfilter([-1.0], a, load, axis=-1)).max(axis=-1) for a in recursion])
    limit = elastic[:, None, :] / reductions[:, None]
    peak = np.zeros_like(limit)
    size = np.empty_like(limit)
    for displacement, _ in _bilinear_steps(np.ascontiguousarray(load.T), angle, limit, hardening, damping):
        np.maximum(peak, np.abs(displacement, out=size), out=peak)
    return peak / np.where(limit > 0, limit, np.nan)


def _bilinear_steps(load, angle, limit, hardening: float, damping: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Displacement u and elastic part e, step by step, of oscillators that yield at |e| = `limit`.

    The force over ω² is q = α·u + (1 - α)·e, and a step d of u moves e to clip(e + d, -limit, limit).  Newmark's method
    with γ = 1/2, written in displacements (Zienkiewicz, 1977), is with w = ω·Δt

        (1 + ζw)·d + βw²·Δq = (1 - ζw)·d_before + βw²·Δq_before - load - w²·q,

    whose solution is that of the elastic step wherever that does not pass the limit, and else has e at the limit.

    `load` is (steps, components), `angle` (periods,), `limit` (periods, reductions, components).  The arrays that are
    given out are overwritten by the next step.
    """
    w = np.asarray(angle)[:, None, None]
    spring, slider = hardening * w**2, (1 - hardening) * w**2
    keep = 1 - damping * w + BETA * spring
    plastic_step = 1 / (1 + damping * w + BETA * spring)
    elastic_step = 1 / (1 + damping * w + BETA * w**2)
    u, d, e, e_before, slid, right, work = (np.zeros_like(limit) for _ in range(7))     # slid: β·(1 - α)·w²·Δe
    low, slip = -limit, BETA * slider
    for push in load:
        np.multiply(d, keep, out=right)
        right += slid
        right -= push
        right -= np.multiply(u, spring, out=work)
        right -= np.multiply(e, slider, out=work)
        e, e_before = e_before, e
        np.multiply(right, elastic_step, out=e)
        e += e_before
        np.minimum(e, limit, out=e)
        np.maximum(e, low, out=e)
        np.multiply(np.subtract(e, e_before, out=slid), slip, out=slid)
        np.multiply(np.subtract(right, slid, out=d), plastic_step, out=d)
        u += d
        yield u, e
