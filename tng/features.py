"""Features of records that do not see phase: how strong the motion is, when, and at which frequencies.

Records are (B, 3, samples), components E, N, Z, in cm/s².  Every feature is differentiable and stands for all motions that
differ only in the draw of their noise: exactly the same, or of the same law, for any of them.  Features are logarithms or
shares; a logarithm has a floor far below the record's mean power, so that zeros have finite features and gradients, and
scaling a record by c adds ln c to an ln amplitude and 2 ln c to an ln power.  :mod:`tng.losses` compares them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from scipy import fft
from torch import Tensor, nn
from torch.nn import functional as F

from tng import smoothing
from tng.config import nearest
from tng.fourier import resolved
from tng.periods import full_precision

STFT_S = 1.3                              # length of a window of `log_stft`, half overlap
STFT_CELL = (3, 2)                        # frequencies and windows whose power is averaged there
CURVE_STEP, NARROW_STEP = 0.05, 0.025     # in ln f between smoothed amplitudes: less than half the width of the windows
NARROW = 300.0                            # sharpness of the narrow window, which sees a ringing layer
NARROW_CYCLES = 20.0                      # it starts where it is wider than the frequencies of a record are apart
HUSID_STEP_S = 0.5
SHARES = (0.05, 0.75, 0.95)               # of the energy, between which durations are taken
SHARE_WIDTH = 0.005                       # over which a soft crossing of a share extends
SHORTEST_S = 0.1                          # added to durations, so that a spike has a logarithm
CORRELATION_CELL_S = 4.0
CODA_LAGS_S = tuple(range(5, 16))         # edges of the intervals of lag in which a ringing coda is looked for
TINY = 1e-15                              # (cm/s²)², added to a mean power: a record of zeros has one
ROOT = 1e-8                               # added under a root, whose slope at zero is infinite


class Features(nn.Module):
    """Features of records of one length and rate, each a method of its own.

    Fixed windows and weights are buffers: move the object to the device of the records.  They are not saved with a model.

    Parameters
    ----------
    samples : int
        Length of the records.
    rate_hz : float
        Their sampling rate [Hz].
    low_hz, high_hz : float
        Band of the features, at least one cycle a record and up to the Nyquist frequency [Hz].
    bands : int
        Of `band_power`.
    cell_s : float
        Length of its time cells [s].
    floor : float
        Power that counts as nothing, as a share of the record's mean power.
    dtype : torch.float32 or torch.float64
        Of the records.

    Attributes
    ----------
    centres_hz, narrow_hz : arrays
        Where `log_spectrum` and `log_hv`, and where `narrow_spectrum` are given [Hz].
    husid_s : array
        Times of `husid`, after the start of the record [s].

    Raises
    ------
    ValueError
        For a band that such records do not hold, records shorter than a window, and arguments out of range.
    """

    NAMES = ("log_stft", "band_power", "log_spectrum", "narrow_spectrum", "log_hv", "husid", "log_duration", "log_peak", "log_rms",
             "horizontal_correlation", "autocorrelation")

    def __init__(self, samples: int, rate_hz: float, low_hz: float, high_hz: float, *, bands: int = 8, cell_s: float = 1.0,
                 floor: float = 1e-10, dtype: torch.dtype = torch.float32):
        super().__init__()
        _check_settings(samples, rate_hz, low_hz, high_hz, bands, cell_s, floor, dtype)
        self.samples, self.rate_hz, self.cell_s, self.floor = samples, rate_hz, cell_s, floor

        freq_hz = fft.rfftfreq(samples, 1 / rate_hz)
        self.centres_hz = _log_spaced(low_hz, high_hz, CURVE_STEP)
        self.narrow_hz = _log_spaced(min(max(low_hz, NARROW_CYCLES * rate_hz / samples), high_hz), high_hz, NARROW_STEP)
        self._keep("wide", smoothing.matrix(freq_hz, self.centres_hz, "paper", smoothing.BANDWIDTH), dtype)
        self._keep("narrow", smoothing.matrix(freq_hz, self.narrow_hz, "paper", NARROW), dtype)

        self.padded = fft.next_fast_len(samples + int(np.ceil(rate_hz / low_hz)), real=True)    # filters ring for a cycle or so
        self._keep("bank", cosine_bands(fft.rfftfreq(self.padded, 1 / rate_hz), low_hz, high_hz, bands), dtype)

        window = max(2, 2 * round(STFT_S * rate_hz / 2))
        rows = np.flatnonzero((fft.rfftfreq(window, 1 / rate_hz) >= low_hz) & (fft.rfftfreq(window, 1 / rate_hz) <= high_hz))
        if samples < window or not len(rows):
            raise ValueError(f"windows of {window / rate_hz:g} s hold no frequency from {low_hz:g} to {high_hz:g} Hz, or are longer than the "
                             f"records of {samples / rate_hz:g} s")
        self.rows = slice(int(rows[0]), int(rows[-1]) + 1)
        self._keep("hann", np.sin(np.pi * np.arange(window) / window) ** 2, dtype)

        husid_at = np.round(np.arange(HUSID_STEP_S, (samples - 1) / rate_hz + 1e-9, HUSID_STEP_S) * rate_hz).astype(int)
        self.husid_s = husid_at / rate_hz
        self._keep("husid_at", husid_at)

    def _keep(self, name: str, values: np.ndarray, dtype: torch.dtype | None = None) -> None:
        self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values)).to(dtype), persistent=False)

    def forward(self, y: Tensor, names: Iterable[str] = NAMES) -> dict[str, Tensor]:
        """The named features, by name.  ValueError for an unknown name."""
        names = list(names)
        for name in names:
            if name not in self.NAMES:
                raise ValueError(f"no feature {name!r}: {nearest(name, self.NAMES)}")
        return {name: getattr(self, name)(y) for name in names}

    # frequencies over time

    def log_stft(self, y: Tensor) -> Tensor:
        """ln power of the short-time Fourier transform, (B, 3, frequencies, windows) [ln (cm/s²)²].

        Hann windows of about 1.3 s, half overlap, the record mirrored at its ends; mean power of 3 neighbouring frequencies
        and 2 windows; the frequencies of the band.
        """
        y, floor = self._centred(y)
        length = len(self.hann)
        transform = torch.stft(y.flatten(0, 1), length, length // 2, window=self.hann, center=True, return_complex=True)[:, self.rows]
        power = _power(transform) / self.hann.square().sum()
        cell = tuple(min(size, has) for size, has in zip(STFT_CELL, power.shape[-2:]))
        power = F.avg_pool2d(power[:, None], cell, ceil_mode=True)[:, 0]
        return torch.log(power.unflatten(0, (-1, 3)) + floor[..., None])

    def band_power(self, y: Tensor) -> Tensor:
        """ln mean power in each band and time cell, (B, 3, bands, cells) [ln (cm/s²)²].

        The bands are those of `cosine_bands`: their powers add up to the record's.
        """
        y, floor = self._centred(y)
        filtered = torch.fft.irfft(torch.fft.rfft(y, self.padded)[:, :, None] * self.bank, self.padded)[..., :self.samples]
        return torch.log(self._cells(filtered.square(), self.cell_s) + floor[..., None])

    # frequencies of the whole record

    def log_spectrum(self, y: Tensor) -> Tensor:
        """ln Fourier amplitude, smoothed with exp(-40 ln²(f/fc)), (B, 3, centres) [ln cm/s].

        Only the mean is removed and there is no padding: any phase gives the same value.
        """
        return _log_smoothed(self._amplitude(y), self.wide)

    def narrow_spectrum(self, y: Tensor) -> Tensor:
        """As `log_spectrum`, with exp(-300 ln²(f/fc)): the sharp peaks of a layer that rings, (B, 3, narrow centres)."""
        return _log_smoothed(self._amplitude(y), self.narrow)

    def log_hv(self, y: Tensor) -> Tensor:
        """ln of smoothed sqrt(|E||N|) over smoothed |Z|, (B, centres) [-].

        The curve of :func:`tng.spectra.hvsr` at fewer frequencies, without its padding and detrend.
        """
        amplitude = self._amplitude(y)
        horizontal = torch.sqrt(amplitude[:, 0] * amplitude[:, 1])
        return _log_smoothed(horizontal, self.wide) - _log_smoothed(amplitude[:, 2], self.wide)

    # energy over time

    def husid(self, y: Tensor) -> Tensor:
        """Share of the horizontals' energy that has arrived at `husid_s`, (B, times), 0 to 1 [-] (Husid, 1969)."""
        return self._arrived(y)[:, self.husid_at]

    def log_duration(self, y: Tensor) -> Tensor:
        """ln (D5-75 + 0.1 s) and ln (D5-95 + 0.1 s) of both horizontals together, (B, 2) [ln s].

        The crossings are soft: a time before a crossing counts 1, a time after it 0, and the change is spread over
        some hundredths of the energy, so that it has a slope wherever motion arrives.
        """
        share = torch.tensor(SHARES, dtype=y.dtype, device=y.device)[:, None]
        crossing_s = torch.sigmoid((share - self._arrived(y)[:, None]) / SHARE_WIDTH).sum(dim=-1) / self.rate_hz      # (B, 3)
        return torch.log(crossing_s[:, 1:] - crossing_s[:, :1] + SHORTEST_S)

    # level

    def log_peak(self, y: Tensor) -> Tensor:
        """ln of the largest |y|, (B, 3) [ln cm/s²]."""
        y, floor = self._centred(y)
        return 0.5 * torch.log(y.square().amax(dim=-1) + floor[..., 0])

    def log_rms(self, y: Tensor) -> Tensor:
        """ln of the root mean square, (B, 3) [ln cm/s²]."""
        y, floor = self._centred(y)
        return 0.5 * torch.log(y.square().mean(dim=-1) + floor[..., 0])

    # what lines of a record have in common

    def horizontal_correlation(self, y: Tensor, cell_s: float = CORRELATION_CELL_S) -> Tensor:
        """Correlation of E and N in time cells, (B, cells), -1 to 1 [-]; it is what a turned sensor changes."""
        y, floor = self._centred(y)
        east, north = y[:, 0], y[:, 1]
        both, east, north = self._cells(torch.stack([east * north, east**2, north**2], dim=1), cell_s).unbind(dim=1)
        return both / (torch.sqrt(east + floor[:, 0]) * torch.sqrt(north + floor[:, 0]))     # a product of floors would underflow

    def autocorrelation(self, y: Tensor, lags_s: Sequence[float] = CODA_LAGS_S) -> Tensor:
        """How strongly the horizontals repeat themselves, (B, intervals of lag), 0 to 1 [-].

        Root mean square, over E and N and the lags of an interval, of the autocorrelation divided by its value at lag 0.
        A coda that rings keeps a memory of itself that shaped noise does not.

        Parameters
        ----------
        lags_s : rising numbers
            Edges of the intervals [s].

        Raises
        ------
        ValueError
            For edges that do not rise from a positive number to less than the record's length by at least a sample.
        """
        edges = np.round(np.asarray(lags_s, dtype=float) * self.rate_hz).astype(int)
        if len(edges) < 2 or edges[0] < 1 or edges[-1] >= self.samples or (np.diff(edges) < 1).any():
            raise ValueError(f"lags of {tuple(lags_s)} s; edges of intervals are needed, that rise by at least a sample from more than 0 to less "
                             f"than the {self.samples / self.rate_hz:g} s of the records")
        y, floor = self._centred(y)
        padded = fft.next_fast_len(self.samples + int(edges[-1]), real=True)             # without wrapping around
        products = torch.fft.irfft(_power(torch.fft.rfft(y[:, :2], padded)), padded)
        squared = (products[..., :edges[-1]] / (products[..., :1] + self.samples * floor)).square().mean(dim=1)
        return torch.sqrt(torch.stack([squared[:, a:b].mean(dim=-1) for a, b in zip(edges, edges[1:])], dim=-1) + ROOT)

    # steps that features share

    def _centred(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Records without their means, and the power that counts as nothing in each, (B, 1, 1)."""
        if y.ndim != 3 or y.shape[1:] != (3, self.samples):
            raise ValueError(f"records of shape {tuple(y.shape)}; (B, 3, {self.samples}) is needed")
        if y.dtype != self.hann.dtype:
            raise ValueError(f"records of {y.dtype} for features in {self.hann.dtype}; give Features the dtype of the records")
        y = y - y.mean(dim=-1, keepdim=True)
        return y, self.floor * (y.square().mean(dim=(1, 2), keepdim=True) + TINY)

    def _amplitude(self, y: Tensor) -> Tensor:
        """Fourier amplitude, (B, 3, frequencies) [cm/s]."""
        y, floor = self._centred(y)
        return torch.sqrt(_power(torch.fft.rfft(y)) + self.samples * floor) / self.rate_hz

    def _arrived(self, y: Tensor) -> Tensor:
        """Share of the horizontals' energy that has arrived, (B, samples), by the trapezoidal rule as in `intensity.husid`."""
        power = self._centred(y)[0][:, :2].square().sum(dim=1)
        energy = F.pad((power[:, 1:] + power[:, :-1]).cumsum(dim=-1), (1, 0))
        return energy / (energy[:, -1:] + TINY)

    def _cells(self, values: Tensor, cell_s: float) -> Tensor:
        """Means over time cells, (..., samples) → (..., cells); a rest of less than half a cell is left out."""
        size = min(max(round(cell_s * self.rate_hz), 1), self.samples)
        keep_rest = self.samples % size >= size / 2
        return F.avg_pool1d(values.reshape(-1, 1, self.samples), size, ceil_mode=keep_rest).reshape(*values.shape[:-1], -1)


def cosine_bands(freq_hz, low_hz: float, high_hz: float, count: int) -> np.ndarray:
    """Amplitude responses of filters whose squares sum to one at every frequency, shape (count, frequencies) [-].

    Cosine lobes in ln f, each from its neighbours' centres to its own and down again; centres are spaced evenly in ln f from
    `low_hz` to `high_hz`, and the outer two filters hold everything beyond.  One filter alone lets everything through.
    """
    position = np.log(np.clip(freq_hz, low_hz, high_hz) / low_hz) / np.log(high_hz / low_hz) * (count - 1)
    away = np.clip(np.abs(position - np.arange(count)[:, None]), 0, 1)
    return np.cos(np.pi / 2 * away)


def _check_settings(samples, rate_hz, low_hz, high_hz, bands, cell_s, floor, dtype) -> None:
    if not (rate_hz > 0 and samples >= 2):
        raise ValueError(f"records of {samples} samples at {rate_hz} Hz; at least two samples at a positive rate are needed")
    if not 0 < low_hz < high_hz:
        raise ValueError(f"a band from {low_hz} to {high_hz} Hz; two rising positive frequencies are needed")
    resolved((low_hz, high_hz), samples, rate_hz)
    if not (bands >= 1 and cell_s > 0 and 0 < floor < 1):
        raise ValueError(f"{bands} bands, cells of {cell_s} s, a floor of {floor}; at least one band, a positive length and a share below 1 are needed")
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"features in {dtype}; torch.float32 or torch.float64 is needed, as logarithms of small powers are taken")


def _log_spaced(low_hz: float, high_hz: float, step: float) -> np.ndarray:
    if low_hz == high_hz:
        return np.array([high_hz])
    return np.geomspace(low_hz, high_hz, int(np.ceil(np.log(high_hz / low_hz) / step)) + 1)


def _power(transform: Tensor) -> Tensor:
    """|.|² of complex numbers, with a gradient at zero."""
    return torch.view_as_real(transform).square().sum(dim=-1)


def _log_smoothed(amplitude: Tensor, window: Tensor) -> Tensor:
    """ln of amplitudes times a smoothing matrix, in the precision of the records also where products are made in a lower one."""
    with full_precision(amplitude):
        return torch.log(amplitude @ window)
