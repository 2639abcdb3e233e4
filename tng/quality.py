"""Whether a record can be used: each check gives a verdict, what it found and what it was compared with.

``refuse`` means that the samples are not the ground motion; ``flag`` that they may well be, but that somebody
should know; ``n/a`` that there is nothing to check.  Waveform checks look at the record as it was read,
along the axes of its sensors, because filtering and turning round off what gives clipping and spikes away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tng import defects, onset
from tng.intensity import GRAVITY_CMPS2
from tng.records import DataError, Record
from tng.standard import bandlimit_hz, gaps, number

Verdict = Literal["ok", "flag", "refuse", "n/a"]

IMPOSSIBLE_G = 100        # ten times what any accelerograph has recorded
MOVING_STEPS = 5          # of the digitiser: motion that it resolves
MOVING_SHARE = 0.1        # of their range: components shake
RESOLVED_STEPS = 40       # that one component should make while others shake


class Thresholds(BaseModel):
    """When a record is refused or flagged."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    shortest_s: float = Field(5.0, ge=0, description="refuse shorter records [s], without constant ends; too short for any wave "
                              "train, and the shortest in AFAD-1218 has 5 s")
    smallest_rate_hz: float = Field(10.0, ge=0, description="refuse records sampled more slowly [Hz]: they hold no strong ground "
                                    "motion, and resampling does not bring it back")
    smallest_pga_cmps2: float = Field(0.0, ge=0, description="refuse records with a smaller peak, about the mean [cm/s²]; "
                                      "0: take all")
    largest_pga_g: float = Field(float(IMPOSSIBLE_G), gt=0, description="refuse records with a larger peak [g]: above 100 g, ten "
                                 "times what any accelerograph has recorded, the unit must be wrong")
    flag_pga_g: float = Field(4.0, gt=0, description="flag records with a larger peak [g]; the largest known earthquake record, "
                              "IWTH25 in 2008, reached about 4 g")
    clip_run_samples: int = Field(3, ge=3, description="equal samples in a row at a component's largest or smallest value that "
                                  "count as clipped; refuse")
    dead_ratio: float = Field(0.01, ge=0, lt=1, description="refuse if the rms of one component is a smaller share of the "
                              "others' smallest; in real ground motion it is above 0.1")
    flat_run_s: float = Field(0.5, gt=0, description="refuse if one component stays constant for so long [s] while the "
                              "others shake")
    spike_factor: float = Field(6.0, gt=1, description="flag single samples that stand out from both neighbours by so many times "
                                "the largest step in the 0.1 s around; anti-aliased motion stays below 4")
    largest_pad_share: float = Field(0.5, ge=0, le=1, description="flag windows with a larger share of zeros after the "
                                     "record's end")
    smallest_energy_share: float = Field(0.8, ge=0, le=1, description="flag windows that keep a smaller share of the "
                                         "horizontal Arias intensity: they miss the shaking")
    narrowest_band_hz: float = Field(20.0, ge=0, description="flag records that hold no higher frequency [Hz]; the paper's H/V "
                                     "band ends at 20 Hz")
    largest_pga_change: float = Field(0.05, ge=0, description="flag records of which a component's peak was changed more by "
                                      "filter and resampling, relative")
    smallest_snr: float = Field(0.0, ge=0, description="refuse records with a smaller ratio of the strongest 2 s to the noise "
                                "before the P onset (rms, 1-20 Hz); 0: do not ask. 3 is usual")


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    check: str
    verdict: Verdict
    value: object
    limit: object
    text: str


@dataclass(frozen=True)
class QualityReport:
    """All findings on one record; `record` is its name."""

    record: str
    findings: tuple[Finding, ...]
    numbers: Mapping[str, float]

    @property
    def verdict(self) -> Verdict:
        """The worst one."""
        found = {finding.verdict for finding in self.findings}
        return next((verdict for verdict in ("refuse", "flag") if verdict in found), "ok")

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of the checks that flag the record."""
        return tuple(finding.check for finding in self.findings if finding.verdict == "flag")

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the record is refused; empty if it is not."""
        return tuple(finding.text for finding in self.findings if finding.verdict == "refuse")

    def table(self):
        """The findings as a DataFrame, a row a check."""
        import pandas as pd

        return pd.DataFrame([vars(finding) for finding in self.findings])

    def meta(self) -> dict[str, object]:
        """Columns for a corpus: ``trace_quality_flags`` (names, joined by ``;``) and numbers worth keeping."""
        return {"trace_quality_flags": ";".join(self.flags), **self.numbers}

    def raise_if_refused(self) -> None:
        """Raises
        ------
        DataError
            With all reasons, if a check refuses the record.
        """
        if self.reasons:
            raise DataError(f"{self.record}: {'; '.join(self.reasons)}")


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def check(record: Record, thresholds: Thresholds, standardised: Record | None = None) -> QualityReport:
    """Run all checks on a record as it was read and, where given, on what :func:`tng.standard.standardise` made of it.

    The signal-to-noise ratio is computed only where it is asked for, or where the window was found by the
    P onset: it takes longer than all the rest.
    """
    names, data = defects.instrument_axes(record)
    steps = np.diff(data, axis=1)
    moving = np.flatnonzero(steps.any(axis=0))
    inner = slice(moving[0], moving[-1] + 2)            # without the constant ends that all components share
    data, steps = data[:, inner], steps[:, inner.start:inner.stop - 1]
    shortest = thresholds.clip_run_samples
    longest = max(round(thresholds.flat_run_s * record.sampling_rate_hz), shortest)
    clipped = [defects.clipped(*one, shortest, longest) for one in zip(data, steps)]
    spikes = [defects.spikes(*one, thresholds.spike_factor, record.sampling_rate_hz) for one in zip(data, steps)]
    snr = _snr(record, thresholds, standardised)
    findings = (
        *_construction(record, thresholds),
        _length(data.shape[1] / record.sampling_rate_hz, thresholds),
        _largest(record, thresholds),
        _smallest(data, thresholds),
        _gaps(record, data, steps, thresholds, standardised),
        _judged("clipping", sum(clipped) > 0, "refuse", sum(clipped), shortest,
                f"{_listed(names, clipped)} samples clipped (equal in a row at the largest or smallest value)"),
        _dead(names, data, thresholds),
        _flat(names, data, steps, record.sampling_rate_hz, thresholds),
        _judged("spikes", sum(spikes) > 0, "flag", sum(spikes), thresholds.spike_factor,
                f"{_listed(names, spikes)} samples stand out from both neighbours"),
        _noise(snr, thresholds),
        _p_onset(record, standardised),
        *_window(record, thresholds, standardised),
    )
    numbers = {"trace_clipped_samples": sum(clipped), "trace_spikes": sum(spikes), "trace_snr": round(snr, 3)}
    return QualityReport(record.name, findings, numbers)


def _judged(name: str, bad, verdict: Verdict, value, limit, text: str) -> Finding:
    return Finding(name, verdict if bad else "ok", value, limit, text if bad else "")


def _listed(names, counts: list[int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in zip(names, counts) if count)


def _construction(record: Record, thresholds: Thresholds) -> list[Finding]:
    """What the type and the readers see to, for the record."""
    units = record.meta.get("trace_units_declared")
    units = units if isinstance(units, str) else ""
    checked = str(record.meta.get("trace_pga_header_checked")) == "True"
    assumed = str(record.meta.get("trace_response_assumed_flat")) == "True"
    rate_hz = record.sampling_rate_hz
    return [
        Finding("three components", "ok", 3, 3, ""),
        Finding("finite", "ok", 0, 0, ""),
        _judged("sampling rate", rate_hz < thresholds.smallest_rate_hz, "refuse", rate_hz, thresholds.smallest_rate_hz,
                f"sampled at {rate_hz:g} Hz; at least {thresholds.smallest_rate_hz:g} Hz are asked for"),
        _judged("units", not units, "flag", units, None, "nothing says which unit the samples were in (trace_units_declared)"),
        _judged("response assumed", assumed, "flag", assumed, None,
                "the StationXML has no stages; the response was taken as flat"),
        Finding("header peak", "ok" if checked else "n/a", None, 0.01, "" if checked else "the source states none"),
        Finding("duplicate", "n/a", None, None, "looked for where records are collected"),
    ]


def _length(seconds: float, thresholds: Thresholds) -> Finding:
    return _judged("length", seconds < thresholds.shortest_s, "refuse", seconds, thresholds.shortest_s,
                   f"{seconds:.3g} s of motion; at least {thresholds.shortest_s:g} s are asked for")


def _largest(record: Record, thresholds: Thresholds) -> Finding:
    peak = float(record.pga_cmps2.max())
    if peak > thresholds.largest_pga_g * GRAVITY_CMPS2:
        return Finding("largest peak", "refuse", peak, thresholds.largest_pga_g * GRAVITY_CMPS2,
                       f"a peak of {peak:.3g} cm/s² is more than the {thresholds.largest_pga_g:g} g that were asked for; above "
                       f"{IMPOSSIBLE_G:g} g the unit must be wrong")
    limit = thresholds.flag_pga_g * GRAVITY_CMPS2
    return _judged("largest peak", peak > limit, "flag", peak, limit,
                   f"a peak of {peak:.4g} cm/s² is more than {thresholds.flag_pga_g:g} g")


def _smallest(data: np.ndarray, thresholds: Thresholds) -> Finding:
    limit = thresholds.smallest_pga_cmps2
    if limit == 0:
        return Finding("smallest peak", "n/a", None, 0.0, "not asked for")
    peak = float(np.abs(data - data.mean(axis=1, keepdims=True)).max())
    return _judged("smallest peak", peak < limit, "refuse", peak, limit,
                   f"a peak of {peak:.3g} cm/s²; at least {limit:g} are asked for")


# --- the samples ---------------------------------------------------------------------------------------

def _dead(names, data: np.ndarray, thresholds: Thresholds) -> Finding:
    rms = data.std(axis=1)
    weakest = int(rms.argmin())
    ratio = float(rms[weakest] / np.delete(rms, weakest).min())
    return _judged("dead component", ratio < thresholds.dead_ratio, "refuse", ratio, thresholds.dead_ratio,
                   f"component {names[weakest]} has {ratio:.2g} of the rms of the others; its channel was dead, or its "
                   "unit is another one")


def _flat(names, data: np.ndarray, steps: np.ndarray, rate_hz: float, thresholds: Thresholds) -> Finding:
    """One component constant while both others shake by a tenth of their range, many steps of its resolution."""
    limit = max(round(thresholds.flat_run_s * rate_hz), 2)
    ranges = np.ptp(data, axis=1)
    longest, found = 0, ""
    for index, changes in enumerate(steps):
        runs = [run for run in defects.constant_runs(changes, limit) if run[1] - run[0] > longest]
        resolution = defects.step(changes) / ranges[index] if runs else 0.0
        for a, b in runs:
            moved = np.ptp(data[:, a:b], axis=1)
            shaking = np.delete(moved / np.maximum(ranges, ranges[index]), index).min()   # weaker ones: by this one's range
            if b - a > longest and shaking > max(MOVING_SHARE, RESOLVED_STEPS * resolution):
                longest, found = b - a, f"{names[index]} is constant for {(b - a) / rate_hz:.2f} s"
    return _judged("flat run", longest > 0, "refuse", longest / rate_hz, thresholds.flat_run_s,
                   f"component {found} while the others shake")


def _gaps(record: Record, data, steps, thresholds: Thresholds, standardised: Record | None) -> Finding:
    """Gaps that the reader filled; and stretches in which all components are constant, as if somebody else had."""
    limit = max(round(thresholds.flat_run_s * record.sampling_rate_hz), 2)
    holes = [(a, b) for a, b in defects.constant_runs(steps.any(axis=0), limit)
             if _resolved(data[:, max(a - limit, 0):a], steps) and _resolved(data[:, b:b + limit], steps)]
    stated = gaps(record)
    if holes:
        a, b = holes[0]
        return Finding("gaps", "flag", len(stated) + len(holes), 0, f"all components are constant for "
                       f"{(b - a) / record.sampling_rate_hz:.2f} s; a gap may have been filled")
    if stated and standardised is not None:            # standardising refuses a gap in the window
        return Finding("gaps", "ok", len(stated), 0, "outside the window")
    return _judged("gaps", stated, "flag", len(stated), 0, f"{len(stated)} gap{'s' if len(stated) != 1 else ''} filled in")


def _resolved(data: np.ndarray, steps: np.ndarray) -> bool:
    """Whether some component moves there by more than the recorder's resolution; a quiet ground may well not."""
    return any(one.size > 0 and np.ptp(one) > MOVING_STEPS * defects.step(change) for one, change in zip(data, steps))


# --- the earthquake and the window ---------------------------------------------------------------------

def _pick_s(record: Record, standardised: Record | None) -> float | None:
    """The P pick of the source, or the one that standardising found, in seconds of the record."""
    pick = number(record.meta.get("trace_p_arrival_sample"))
    if 0 <= pick < record.samples:
        return pick / record.sampling_rate_hz
    if standardised is not None:
        moved = number(standardised.meta.get("trace_p_arrival_sample"))
        if np.isfinite(moved):
            return moved / standardised.sampling_rate_hz + standardised.meta["trace_window_start_s"]
    return None


def _snr(record: Record, thresholds: Thresholds, standardised: Record | None) -> float:
    stated = number(record.meta.get("trace_snr"))
    by_onset = standardised is not None and standardised.meta.get("trace_window") == "p-onset"
    if np.isfinite(stated) or not (thresholds.smallest_snr > 0 or by_onset):
        return stated
    pick_s = _pick_s(record, standardised)
    return onset.snr(record, onset.pick(record) if pick_s is None else pick_s)


def _noise(snr: float, thresholds: Thresholds) -> Finding:
    if thresholds.smallest_snr == 0:
        return Finding("signal to noise", "n/a", snr, 0.0, "not asked for")
    if np.isnan(snr):
        return Finding("signal to noise", "flag", snr, thresholds.smallest_snr, "the signal-to-noise ratio cannot be measured")
    return _judged("signal to noise", snr < thresholds.smallest_snr, "refuse", snr, thresholds.smallest_snr,
                   f"a signal-to-noise ratio of {snr:.2g}; at least {thresholds.smallest_snr:g} is asked for")


def _p_onset(record: Record, standardised: Record | None) -> Finding:
    pick_s = _pick_s(record, standardised)
    if pick_s is None:
        return Finding("P onset", "n/a", None, None, "no pick")
    lost = standardised is not None and not np.isfinite(number(standardised.meta.get("trace_p_arrival_sample")))
    return _judged("P onset", lost, "flag", pick_s, None, f"the P onset at {pick_s:.2f} s is outside the window")


def _window(record: Record, thresholds: Thresholds, standardised: Record | None) -> list[Finding]:
    """Usable band; and what standardising did: padding, shaking that is kept, change of the peak."""
    rate_hz = record.sampling_rate_hz
    band_hz = float(bandlimit_hz(record.meta, rate_hz, rate_hz if standardised is None else standardised.sampling_rate_hz))
    band = _judged("usable band", band_hz < thresholds.narrowest_band_hz, "flag", band_hz, thresholds.narrowest_band_hz,
                   f"nothing above {band_hz:.4g} Hz")
    if standardised is None:
        missing = ("padding", "shaking kept", "peak change")
        return [band, *(Finding(name, "n/a", None, None, "not standardised") for name in missing)]
    meta = standardised.meta
    padding = meta["trace_pad_samples"] / standardised.samples
    kept, change = meta["trace_energy_share"], abs(meta["trace_pga_change"])
    return [
        band,
        _judged("padding", padding > thresholds.largest_pad_share, "flag", padding, thresholds.largest_pad_share,
                f"{padding:.0%} of the window are zeros after the record's end"),
        _judged("shaking kept", kept < thresholds.smallest_energy_share, "flag", kept, thresholds.smallest_energy_share,
                f"the window keeps {kept:.1%} of the shaking"),
        _judged("peak change", change > thresholds.largest_pga_change, "flag", change, thresholds.largest_pga_change,
                f"filter and resampling changed a component's peak by {change:.1%}"),
    ]
