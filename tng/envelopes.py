"""How strong is a record, at which frequency, and when: bands, and cells of time that begin with the P and the S wave.

A record's *evolutionary spectrum* is held as ln power in `Bands` × components × `Cells`.  Bands are cosines on a logarithmic
axis.  Cells are no clock times: some divide the time from P to S, the others begin at S and grow with the time since, in units
of the record's own duration.  So records of near and far earthquakes have their waves in the same cells.

`Bands.split` and `Cells.power` measure that of a record, `Cells.amplitude` turns it into envelopes, with which noise is
multiplied.  Nothing here knows of phase.
"""

from __future__ import annotations

import math

import torch
from scipy import fft
from torch import Tensor
from torch.nn import functional as F

BANDS_PER_OCTAVE = 2.5
PERIODS_IN_WINDOW = 10        # of the lowest band
HIGHEST = 0.42                # of the sampling rate: centre of the highest band
P_CELLS, S_CELLS = 6, 24
CELLS = P_CELLS + S_CELLS
REACH = 9.0                   # durations after S: where the last cell ends
GROWTH = 1.8                  # cells after S end at (k / S_CELLS)^GROWTH of it
ONSET_S = 0.06                # in which a wave rises
TAIL = 6                      # cells whose decay goes on beyond the last one
LEAST_DECAY = 0.3             # of ln power
LEAST_INSIDE = 0.7            # of a cell, in the window, for its power to count


class Bands:
    """Cosine bands on a logarithmic axis; the squares of their windows sum to 1 at every frequency.

    The lowest and the highest go on to zero and to the Nyquist frequency.  Records are padded to twice their length, so that
    filters ring out.

    Parameters
    ----------
    samples : int
    rate_hz : float
    low_hz, high_hz : float
        Centres of the lowest and of the highest band.
    like : Tensor
        Whose precision and device are used.

    Attributes
    ----------
    centres_hz, width_hz : (bands,)
        Centres, and widths that say how many independent numbers a band holds [Hz].
    white : (bands,)
        Share of white noise in each band.
    ln_hz : (frequencies,)
        Of the padded record's spectrum.
    """

    def __init__(self, samples: int, rate_hz: float, low_hz: float, high_hz: float, like: Tensor):
        self.samples, self.rate_hz = samples, rate_hz
        self.padded = 2 * fft.next_fast_len(samples)
        freq_hz = torch.fft.rfftfreq(self.padded, 1 / rate_hz, dtype=torch.float64)
        freq_hz[0] = freq_hz[1] / 2                                            # half a step keeps the logarithm finite
        self.count = bands_between(low_hz, high_hz)
        centres = torch.linspace(math.log(low_hz), math.log(high_hz), self.count, dtype=torch.float64)
        away = (torch.log(freq_hz) - centres[:, None]) / (centres[1] - centres[0])
        windows = torch.where(away.abs() < 1, torch.cos(away * math.pi / 2), 0.0)
        windows[0][away[0] < 0] = 1.0
        windows[-1][away[-1] > 0] = 1.0
        share = windows**2
        self.ln_hz, self.windows, self.share, self.white, self.centres_hz, self.width_hz = (value.to(like) for value in (
            torch.log(freq_hz), windows, share, share.mean(dim=1), torch.exp(centres),
            share.sum(dim=1) ** 2 / (share**2).sum(dim=1) * float(freq_hz[1])))

    def spectrum(self, x: Tensor) -> Tensor:
        """(…, T) → (…, frequencies), complex."""
        return torch.fft.rfft(x, self.padded)

    def record(self, spectrum: Tensor) -> Tensor:
        """(…, frequencies) → (…, T)."""
        return torch.fft.irfft(spectrum, self.padded)[..., :self.samples]

    def split(self, x: Tensor) -> Tensor:
        """Records (B, 3, T) → what each band holds of them (B, bands, 3, T)."""
        return self.record(self.spectrum(x)[:, None] * self.windows[:, None])

    def pieces(self, x: Tensor) -> Tensor:
        """Records (B, 3, T) → pieces (B, bands, 3, T) that sum to the record: what envelopes are laid on."""
        return self.record(self.spectrum(x)[:, None] * self.share[:, None])

    def power(self, spectrum: Tensor) -> Tensor:
        """Spectra of records (B, 3, frequencies) → mean power of each band over the record (B, bands, 3) [(cm/s²)²]."""
        density = spectrum.real**2 + spectrum.imag**2
        return 2 / (self.padded * self.samples) * torch.einsum("bck,fk->bfc", density, self.share)

    def gain(self, ln_gain: Tensor) -> Tensor:
        """ln gains of the bands (B, bands, 3) → smooth ln gain at all frequencies (B, 3, frequencies)."""
        return torch.einsum("bfc,fk->bck", ln_gain, self.share)


def bands_between(low_hz: float, high_hz: float) -> int:
    """How many bands there are from one centre to another."""
    return max(3, 1 + round(BANDS_PER_OCTAVE * math.log2(high_hz / low_hz)))


def band_limits(rate_hz: float, window_s: float) -> tuple[float, float]:
    """Centres of the lowest and highest band that records of this kind hold [Hz]."""
    return PERIODS_IN_WINDOW / window_s, HIGHEST * rate_hz


def minimum_phase(ln_gain: Tensor, padded: int) -> Tensor:
    """Frequency response of the causal filter of least delay with an amplitude (…, frequencies), by its cepstrum.

    See :func:`tng.stochastic.minimum_phase`.
    """
    cepstrum = torch.fft.irfft(ln_gain, padded)
    once = torch.zeros(padded, dtype=ln_gain.dtype, device=ln_gain.device)
    once[0] = once[padded // 2] = 1
    once[1:padded // 2] = 2
    exponent = torch.fft.rfft(cepstrum * once)
    return torch.polar(torch.exp(exponent.real), exponent.imag)


class Cells:
    """Cells of time: `P_CELLS` from P to S, `S_CELLS` from S to `REACH` durations after it.

    `onsets` (B, 3) are P and S onset, and duration [s].
    """

    def __init__(self, samples: int, rate_hz: float, like: Tensor):
        self.samples, self.rate_hz, self.count = samples, rate_hz, CELLS
        self.before, self.after, self.time_s = (value.to(like) for value in (
            torch.arange(P_CELLS, dtype=torch.float64) / P_CELLS,
            REACH * (torch.arange(S_CELLS + 1, dtype=torch.float64) / S_CELLS) ** GROWTH,
            torch.arange(samples, dtype=torch.float64) / rate_hz))

    def edges(self, onsets: Tensor) -> Tensor:
        """Where cells begin, and the last one ends (B, cells + 1) [s]."""
        p, s, duration = onsets[:, :, None].unbind(dim=1)
        return torch.cat([p + (s - p) * self.before, s + duration * self.after], dim=1)

    def power(self, parts: Tensor, onsets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean power of (B, bands, 3, T) in each cell (B, bands, 3, cells), and whether the window holds the cell (B, cells)."""
        edges = self.edges(onsets) * self.rate_hz
        inside = edges.clamp(0, self.samples - 1e-3)
        before = F.pad((parts**2).cumsum(dim=-1), (1, 0))
        whole = inside.floor().long()

        def at(index: Tensor) -> Tensor:
            return before.gather(3, index[:, None, None].expand(-1, *parts.shape[1:3], -1))

        energy = at(whole) + (at(whole + 1) - at(whole)) * (inside - whole)[:, None, None]
        length = inside.diff(dim=1)
        held = (length > LEAST_INSIDE * edges.diff(dim=1)) & (length >= 1)
        return energy.diff(dim=-1).clamp(min=0) / length.clamp(min=1)[:, None, None], held

    def amplitude(self, ln_power: Tensor, onsets: Tensor) -> Tensor:
        """Envelopes (B, bands, 3, T) from ln power in cells: zero before P, a step at S, straight lines in ln power between.

        Beyond the last cell the coda goes on as it decayed in the last quarter of the cells, in all bands alike and at least
        `LEAST_DECAY` a duration.
        """
        edges = self.edges(onsets)
        middle = (edges[:, 1:] + edges[:, :-1]) / 2
        time_s = self.time_s.expand(len(onsets), -1)
        before = _between(time_s, middle[:, :P_CELLS], ln_power[..., :P_CELLS])
        end = middle[:, -1:]
        fallen = (ln_power[..., -1] - ln_power[..., -TAIL]).mean(dim=(1, 2))[:, None]                # single bands say too little
        slope = torch.minimum(fallen / (end - middle[:, -TAIL, None]), -LEAST_DECAY / onsets[:, 2, None])
        after = (_between(time_s, middle[:, P_CELLS:], ln_power[..., P_CELLS:])
                 + (slope * (time_s - end).clamp(min=0))[:, None, None])
        p, s = onsets[:, 0, None], onsets[:, 1, None]
        risen = ((time_s - p) / ONSET_S).clamp(0, 1)
        return torch.exp(torch.where((time_s >= s)[:, None, None], after, before) / 2) * risen[:, None, None]

    def lengths(self, onsets: Tensor) -> Tensor:
        """How much of each cell the window holds (B, cells) [s]."""
        return self.edges(onsets).clamp(0, self.samples / self.rate_hz).diff(dim=1)


def _between(time_s: Tensor, at_s: Tensor, values: Tensor) -> Tensor:
    """Linear interpolation of (B, bands, 3, k) from times (B, k), held outside."""
    right = torch.searchsorted(at_s.contiguous(), time_s.contiguous()).clamp(1, at_s.shape[1] - 1)
    left_s, right_s = at_s.gather(1, right - 1), at_s.gather(1, right)
    weight = ((time_s - left_s) / (right_s - left_s)).clamp(0, 1)[:, None, None]

    def of(index: Tensor) -> Tensor:
        return values.gather(3, index[:, None, None].expand(-1, *values.shape[1:3], -1))

    return of(right - 1) * (1 - weight) + of(right) * weight
