"""Up to which frequency records hold anything, and whether that is enough for a network that knows higher bands.

Resampling adds nothing: records of 25 Hz hold nothing above 12.5 Hz, at whatever rate they are ingested.
"""

from __future__ import annotations

import shlex

import numpy as np
from torch import nn

from tng.arrivals import column
from tng.corpus import Corpus
from tng.envelopes import HIGHEST
from tng.standard import bandlimit_hz

LEAST = 0.5                 # of the centre of the network's highest band: what records must hold to be of use to it
OF_RECORDS = 0.5            # share of records that may not
SAME = 1 - 1e-6             # limits come from rates that are divided


class BandwidthError(ValueError):
    """Records that hold too little for a network; the message says why and what to do."""


def held_hz(corpus: Corpus, rows=None) -> np.ndarray:
    """Highest frequency that each record can hold, (records,) [Hz]: by its rate, the rate it was recorded at, and what its source says."""
    table, rate_hz = corpus.metadata if rows is None else corpus.metadata.iloc[rows], corpus.sampling_rate_hz
    raw_hz = column(table, "trace_sampling_rate_raw_hz")
    return np.array([bandlimit_hz(meta, raw if raw > 0 else rate_hz, rate_hz) for meta, raw in zip(table.to_dict("records"), raw_hz)])


def highest_hz(network: nn.Module, rate_hz: float) -> float:
    """Centre of a network's highest band [Hz]; of one that knows no bands, where it would be at its sampling rate."""
    return float(network.arguments.get("high_hz", HIGHEST * rate_hz))


def too_narrow(limits_hz: np.ndarray, highest: float) -> bool:
    """Whether half of the records, or more, hold less than half of what a network describes."""
    return bool(np.mean(limits_hz < LEAST * highest * SAME) >= OF_RECORDS)


def lacking(limits_hz: np.ndarray, highest: float) -> tuple[str, float]:
    """Above which frequency [Hz] records hold nothing, in words and as a number; nothing and NaN if they hold the highest band."""
    below = limits_hz[limits_hz < (LEAST if too_narrow(limits_hz, highest) else 1) * highest * SAME]
    if not len(below):
        return "", float("nan")
    which = "the records hold" if len(below) == len(limits_hz) else f"{len(below)} of the {len(limits_hz)} records hold"
    return f"{which} nothing above {below.max():.3g} Hz", float(below.max())


def own_model(corpus: Corpus, limit_hz: float, training: str = "shaped-noise") -> str:
    """How to train on records what they hold, up to a limit: a sentence with the command."""
    command = f"tng train {training} --corpus {{}} --run runs/mine"
    if 2 * limit_hz < corpus.sampling_rate_hz * SAME:
        return f"Ingest them with --sampling-rate-hz {2 * limit_hz:.6g}, and train a model of your own: {command.format('CORPUS')}"
    return f"Train a model of your own: {command.format(shlex.quote(str(corpus.folder)))}"


def finer_than_recorded(corpus: Corpus) -> str:
    """What to say of a corpus whose sampling rate is far higher than its records need; nothing otherwise."""
    limits_hz, highest = held_hz(corpus), HIGHEST * corpus.sampling_rate_hz
    if not too_narrow(limits_hz, highest):
        return ""
    missing, limit_hz = lacking(limits_hz, highest)
    return (f"{missing}, and at {corpus.sampling_rate_hz:g} Hz shaped noise describes them up to {highest:.3g} Hz: its highest bands are empty. "
            f"Ingested with --sampling-rate-hz {2 * limit_hz:.6g} they lose nothing")


def require(network: nn.Module, corpus: Corpus, rows, station: str) -> str:
    """Refuse records of a station that hold far less than a network's highest band; returns what is to be doubted otherwise, or nothing.

    Raises
    ------
    BandwidthError
        If half of the records, or more, hold less than half of the centre of that band.
    """
    limits_hz, highest = held_hz(corpus, rows), highest_hz(network, corpus.sampling_rate_hz)
    missing, limit_hz = lacking(limits_hz, highest)
    if too_narrow(limits_hz, highest):
        raise BandwidthError(f"{corpus.folder}: station {station}: {missing}, and the model describes records up to {highest:.3g} Hz: it would take what "
                             f"is not there for the site. {own_model(corpus, limit_hz)}")
    return missing and (f"{station}: {missing}, and the model describes records up to {highest:.3g} Hz: what is made above that is not to be trusted. "
                        f"{own_model(corpus, limit_hz)}")
