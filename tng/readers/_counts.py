"""From the samples of one channel, and what StationXML says about it, to acceleration in gal with a direction.

miniSEED and SAC state no unit that can be relied on.  Whole counts are turned into acceleration with the StationXML of
their channel at their time; only where there is none, what the user declares holds.  Nothing is guessed.  A sensitivity of
1 from m/s² to m/s² says that the samples are acceleration already.
"""

from __future__ import annotations

import re
import warnings

import numpy as np

from tng.channels import GAL
from tng.readers._inventory import Instrument, Source, find
from tng.readers.options import Options
from tng.records import ComponentError, DataError, UnitsError

MOST_SAMPLES = 2_000_000        # of one channel; 2.7 h at 200 Hz
LICENCE = "not stated in the file; terms of the network that recorded it apply"
FLAT_WITHIN = 0.10              # of the response to acceleration over FLAT_HZ (and below 0.3 of the sampling rate)
FLAT_HZ = np.array([0.1, 0.3, 1.0, 3.0, 10.0, 25.0])
STAGES_WITHIN = 0.05            # of the stated sensitivity; evalresp warns at the same limit
CENTRED = "mean of the whole record removed"
MOTION = "samples are acceleration already by their StationXML (sensitivity 1); nothing removed"
SI = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "nm": 1e-9}  # metres
INSTRUMENTS = "NGLHP"           # SEED codes: accelerometer, gravimeter, low and high gain seismometer, geophone


def to_gal(samples: np.ndarray, source: Source, options: Options, what: str) -> tuple[np.ndarray, dict, Instrument | None]:
    """Acceleration [cm/s²] from samples without a unit; what is known about it for `meta`; the instrument if known.

    Parameters
    ----------
    samples : array, shape (samples,)
    what : str
        The format, for messages: ``miniSEED``.

    Raises
    ------
    UnitsError
        Neither StationXML nor the user tell what a count is, or the StationXML contradicts itself.
    ComponentError
        A velocity channel, unless ``options.differentiate``; or not a seismic channel at all.
    DataError
        Values that are not finite numbers.
    """
    if not np.isfinite(samples).all():
        raise DataError(f"{source.name}: channel {source.id} holds values that are not finite numbers")
    code = source.channel[1].upper() if len(source.channel) == 3 else ""
    if code and code not in INSTRUMENTS:
        raise ComponentError(f"{source.name}: channel {source.channel} is not of an accelerometer or seismometer (its second "
                             f"letter is none of {', '.join(INSTRUMENTS)}); leave it out")
    instrument, reason = find(source, options)
    if instrument and instrument.is_motion:
        order, unit_gal = _motion(instrument.units, f"{source.name}: the StationXML {instrument.file} of {source.id}")
        if order == 0:
            unit = f"{instrument.units.replace('**', '')} (StationXML)"
            with np.errstate(over="ignore"):            # a record of infinities is refused, as one in the file would be
                return samples * unit_gal, {"trace_units_declared": unit, "trace_processing": MOTION}, instrument
    whole = bool((samples == np.rint(samples)).all())
    if instrument and whole:
        return (*_with_response(samples, source, instrument, options), instrument)
    if instrument:
        reason = "its samples are not whole counts, so that the StationXML's sensitivity does not hold for them"
    elif code in ("H", "P"):
        raise ComponentError(f"{source.name}: {source.channel} is a velocity channel" + (
            f", and {reason}; its StationXML with the full response is needed" if options.differentiate else
            "; use the accelerometer's (HN, EN …), or give its StationXML and ask for differentiation"))
    if options.unit:
        return samples * GAL[options.unit], {"trace_units_declared": f"{options.unit} (declared by the user)"}, instrument
    if options.gal_per_count and not whole:
        raise UnitsError(f"{source.name}: samples of channel {source.id} are not whole numbers, so these are not counts and "
                         "gal_per_count does not hold for them; declare the unit if they are acceleration already")
    if options.gal_per_count:
        declared = f"counts of {options.gal_per_count:g} gal (declared by the user)"
        return (_centred(samples) * options.gal_per_count, {"trace_units_declared": declared, "trace_processing": CENTRED},
                instrument)
    advice = "" if instrument else "give the channel's StationXML, or "
    raise UnitsError(f"{source.name}: {what} does not state a unit, and {reason}; {advice}declare the unit (data already in it) "
                     "or the gal_per_count (raw counts)")


def _centred(counts: np.ndarray) -> np.ndarray:
    """Without the mean: the offset of raw counts is the instrument's, often far larger than the ground motion."""
    return counts - counts.mean()


def _with_response(counts: np.ndarray, source: Source, instrument: Instrument, options: Options) -> tuple[np.ndarray, dict]:
    where = f"{source.name}: the StationXML {instrument.file} of {source.id}"
    order, unit_gal = _motion(instrument.units, where)
    value = instrument.sensitivity
    if not np.isfinite(value) or value == 0:
        raise UnitsError(f"{where} states no usable sensitivity ({value}); get it with level=response")
    declared = {"trace_units_declared": f"{instrument.units.replace('**', '')} (StationXML)"}
    staged = bool(instrument.response.response_stages)
    if order and not staged:
        raise _velocity(source, instrument, options, " and a StationXML without response stages does not allow that; get it with "
                                                     "level=response")
    if not staged:
        return _centred(counts) * (unit_gal / value), {
            **declared, "trace_processing": f"{CENTRED}; divided by the sensitivity, response taken as flat",
            "trace_response_assumed_flat": True}
    hertz = float(instrument.response.instrument_sensitivity.frequency or 1.0)
    shape = _to_acceleration(instrument, np.append(FLAT_HZ[FLAT_HZ <= max(0.3 * source.rate_hz, 0.3)], hertz), where)
    metres = unit_gal / 100                                         # of one unit of the motion
    stated = abs(value) / metres / (2 * np.pi * hertz) ** order     # counts per m/s² at that frequency
    # Polarity: the product of gains; the phase is no guide, for it holds the order of the motion and the filters' delays.
    gains = [stage.stage_gain for stage in instrument.response.response_stages if stage.stage_gain is not None]
    sign = np.prod(np.sign(gains)) if gains else np.sign(value)
    if not abs(shape[-1] / stated - 1) <= STAGES_WITHIN or sign != np.sign(value):
        raise UnitsError(f"{where} contradicts itself: its sensitivity is {np.sign(value) * stated:.6g} counts per m/s² at "
                         f"{hertz:g} Hz, its stages give {sign * shape[-1]:.6g}; ask the network for a right one, "
                         "or leave the StationXML out and declare gal_per_count if you know better")
    flat = abs(shape[:-1] / shape[-1] - 1).max() <= FLAT_WITHIN
    if flat:
        return _centred(counts) * (np.sign(value) * 100 / stated), {
            **declared, "trace_processing": f"{CENTRED}; divided by the sensitivity"}
    if order and not options.differentiate:
        raise _velocity(source, instrument, options)
    return _deconvolved(counts, source, instrument, where), {
        **declared, "trace_processing": "instrument response removed (ObsPy remove_response to acceleration)",
        "trace_lowcut_hz": 0.1, "trace_highcut_hz": 0.4 * source.rate_hz}


def _motion(units: str, where: str) -> tuple[int, float]:
    """How often the motion must be differentiated to be acceleration, and its unit in cm (per s, s²)."""
    if units in ("g", "gal"):
        return 0, GAL[units]
    plain = re.fullmatch(r"(nm|um|mm|cm|m)(/s|/\(?s(?:\*\*|\^)?2\)?|/s/s)?", units.replace("sec", "s"))
    if not plain:
        raise UnitsError(f"{where} is for {units or 'no stated unit'!r}; m, m/s, m/s**2 or a multiple is needed")
    return {None: 2, "/s": 1}.get(plain[2], 0), SI[plain[1]] * 100


def _velocity(source: Source, instrument: Instrument, options: Options, more: str = "") -> ComponentError | UnitsError:
    what = f"{source.name}: {source.channel} records {instrument.units} by its StationXML, not acceleration"
    if options.differentiate:
        return UnitsError(f"{what}; it must be differentiated,{more}")
    return ComponentError(f"{what}; use the accelerometer's channel (HN, EN …), or ask for differentiation")


def _to_acceleration(instrument: Instrument, hertz: np.ndarray, where: str) -> np.ndarray:
    """Counts per m/s² at some frequencies, by all stages of the response."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = abs(instrument.response.get_evalresp_response_for_frequencies(
                hertz, output="ACC", hide_sensitivity_mismatch_warning=True))
    except Exception as error:  # evalresp refuses damaged stages with errors of its own
        raise UnitsError(f"{where} holds a response that cannot be evaluated ({str(error)[:100]}); get another one") from error
    # evalresp does not know these two units and leaves them as they are
    return found / (GAL[instrument.units] / 100) if instrument.units in ("g", "gal") else found


def _deconvolved(counts: np.ndarray, source: Source, instrument: Instrument, where: str) -> np.ndarray:
    import obspy

    trace = obspy.Trace(counts.astype(np.float64), {"sampling_rate": source.rate_hz})
    trace.stats.response = instrument.response
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trace.remove_response(output="ACC", pre_filt=(0.05, 0.1, 0.4 * source.rate_hz, 0.45 * source.rate_hz),
                                  hide_sensitivity_mismatch_warning=True)
    except Exception as error:
        raise UnitsError(f"{where} holds a response that cannot be removed ({str(error)[:100]}); get a corrected one") from error
    return trace.data * 100


# --- direction --------------------------------------------------------------------------------------------

def direction(source: Source, azimuth_deg: float | None, dip_deg: float | None) -> tuple[float | None, int]:
    """Azimuth (None for the vertical) and the sign that makes the vertical positive upwards.

    What a header or StationXML states (dip: −90° is up) comes before the channel's code.

    Raises
    ------
    ComponentError
        If neither tells, or they contradict each other, or the sensor is inclined.
    """
    letter = source.channel[-1:].upper()
    where = f"{source.name}: channel {source.channel or '(no name)'}"
    if dip_deg is not None and abs(dip_deg) >= 85:
        if letter in ("E", "N"):
            raise ComponentError(f"{where} is stated to be vertical (dip {dip_deg:g}°) but its code says {letter}")
        return None, -1 if dip_deg > 0 else 1
    if dip_deg is not None and abs(dip_deg) > 5:
        raise ComponentError(f"{where} is inclined (dip {dip_deg:g}°); only vertical and horizontal components are taken")
    if dip_deg is not None and letter == "Z":
        raise ComponentError(f"{where} is stated to be horizontal (dip {dip_deg:g}°) but its code says vertical")
    if dip_deg is not None and azimuth_deg is not None:
        return azimuth_deg % 360, 1
    known = {"E": 90.0, "N": 0.0, "Z": None}
    if letter not in known:
        raise ComponentError(f"{where}: its code does not tell the direction; its azimuth and dip from StationXML are needed")
    return known[letter], 1
