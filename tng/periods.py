"""Which periods a TimesBlock folds a sequence by; equations (2) and (3) of the method page.

The published choice is one list of periods a batch, so what a record is encoded to depends on the records beside it.
The other two choices do not: each record its own list, or one list for the whole corpus.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from tng.dealing import batch_mean

PERIOD_CHOICES = ("batch", "sample", "corpus")


class Fold(NamedTuple):
    """One way to fold some sequences of a batch: its period [samples], which of them (None: all), their weights."""

    period: int
    records: Tensor | None
    weights: Tensor


def amplitudes(h: Tensor) -> Tensor:
    """Amplitude spectrum of sequences (B, T, d), mean over the channels: (B, T/2+1).

    At least single precision: no half-precision FFT takes lengths that are not powers of two.
    """
    with full_precision(h):
        return torch.fft.rfft(h if h.dtype == torch.float64 else h.float(), dim=1).abs().mean(dim=-1)


def full_precision(x: Tensor):
    """Inside, no operation on this tensor's device is cast to half precision; devices that never do (meta) need nothing."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def dominant_periods(h: Tensor, top_k: int) -> tuple[list[int], Tensor]:
    """The periods at which a batch of sequences varies most, and what each is worth to each record.

    The k largest bins of the batch-mean amplitude spectrum (without its mean value) give p_i = floor(T / f_i);
    a record weighs them by the softmax of its own amplitudes.

    Two neighbouring bins often give the same whole number p.  Their branches would be identical, so the
    period is kept once, with the sum of its weights; the result is the same.

    Parameters
    ----------
    h : tensor, shape (B, T, d)

    Returns
    -------
    periods : list of int
        At most `top_k` different ones [samples].
    weights : tensor, shape (B, len(periods))
        They sum to 1 for every record.
    """
    amplitude = amplitudes(h)                                                             # (B, T/2+1)
    mean = batch_mean(amplitude)
    mean[0] = 0
    bins = torch.topk(mean, top_k).indices
    share = torch.softmax(amplitude[:, bins], dim=1)                                      # (B, k)
    periods = [_period(f, h.shape[1]) for f in bins.tolist()]
    different = list(dict.fromkeys(periods))
    weights = [sum(share[:, i] for i, p in enumerate(periods) if p == kept) for kept in different]
    return different, torch.stack(weights, dim=1)


def of_batch(h: Tensor, top_k: int) -> list[Fold]:
    """One list of periods for the whole batch, as published."""
    periods, weights = dominant_periods(h, top_k)
    return [Fold(p, None, w) for p, w in zip(periods, weights.unbind(dim=1))]


def of_each_record(h: Tensor, top_k: int) -> list[Fold]:
    """Each record's own periods, as if it were alone in its batch; records with the same period are folded together."""
    amplitude = amplitudes(h)
    ranked = amplitude.detach().clone()
    ranked[:, 0] = 0
    bins = torch.topk(ranked, top_k, dim=1).indices                                       # (B, k)
    share = torch.softmax(amplitude.gather(1, bins), dim=1)
    periods = [[_period(f, h.shape[1]) for f in row] for row in bins.tolist()]
    folds = []
    for kept in dict.fromkeys(p for row in periods for p in row):
        mine = torch.tensor([[p == kept for p in row] for row in periods], device=h.device)
        weights = (share * mine).sum(dim=1)
        if mine.any(dim=1).all():
            folds.append(Fold(kept, None, weights))
        else:
            records = mine.any(dim=1).nonzero()[:, 0]
            folds.append(Fold(kept, records, weights[records]))
    return folds


def of_corpus(h: Tensor, periods: tuple[int, ...]) -> list[Fold]:
    """Periods that are fixed beforehand; only their weights are the record's own.

    Several bins may mean the same whole period; a record weighs it by the largest of its amplitudes at them.
    """
    amplitude = amplitudes(h)
    own = [amplitude[:, slice(*_bins(p, h.shape[1]))].amax(dim=1) for p in periods]
    share = torch.softmax(torch.stack(own, dim=1), dim=1)
    return [Fold(p, None, w) for p, w in zip(periods, share.unbind(dim=1))]


def most_common(spectrum: Tensor, samples: int, top_k: int) -> tuple[int, ...]:
    """The `top_k` different periods [samples] of the largest bins of a mean amplitude spectrum (T/2+1,)."""
    order = torch.argsort(spectrum[1:], descending=True) + 1
    return tuple(dict.fromkeys(_period(f, samples) for f in order.tolist()))[:top_k]


def _period(frequency: int, samples: int) -> int:
    return samples // max(frequency, 1)


def _bins(period: int, samples: int) -> tuple[int, int]:
    """First bin that means a period, and the one after the last: floor(T / f) = p for T/(p+1) < f <= T/p, up to T/2."""
    last = min(samples // period, samples // 2)
    return min(samples // (period + 1) + 1, last), last + 1
