"""Smoothing of Fourier spectra with windows that are equally wide at every frequency in ln f.

Two windows, each with its own meaning of `bandwidth`:

``"paper"``
    exp(-bandwidth ln²(f/fc)), a Gaussian in ln f; what the published arrays were made with.
``"konno-ohmachi"``
    [sin(x)/x]⁴, x = bandwidth log10(f/fc) (Konno and Ohmachi, 1998, eq. 4), nowhere truncated.

At the usual 40 of both, the first is 2.2 times as wide as the second: only the second is Konno-Ohmachi smoothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.interpolate import BarycentricInterpolator

BANDWIDTH = 40.0
NODES, REACH = 40, 12.0      # Chebyshev nodes a piece, and its half-length in radians of the fastest wave; see `_pieces`
RUN = 128                    # frequencies in one running sum: rounding grows with the number of terms
LEAST_WEIGHT = 0.3           # of a window, 1 being that of a frequency at its centre; less is a hole between frequencies


def _gaussian(ratio, sharpness: float):
    return np.exp(-sharpness * np.log(ratio) ** 2)


def _konno_ohmachi(ratio, bandwidth: float):
    return np.sinc(bandwidth / np.pi * np.log10(ratio)) ** 4


# the window, and how fast a curve smoothed with it can oscillate [radians per unit of ln f]
WINDOWS = {
    "paper": (_gaussian, lambda sharpness: 8 * np.sqrt(sharpness)),             # what is faster is damped below 1e-7
    "konno-ohmachi": (_konno_ohmachi, lambda bandwidth: 4 * bandwidth / np.log(10)),   # exact: sinc⁴ ends there
}


def matrix(freq_hz, centres_hz, kind: str = "paper", bandwidth: float = BANDWIDTH) -> np.ndarray:
    """Every weight of the smoothing: a spectrum at `freq_hz` times this matrix is the smoothed one at `centres_hz`.

    Parameters
    ----------
    freq_hz : array, shape (frequencies,)
        Of the spectrum [Hz]; frequency 0 has no weight.
    centres_hz : array, shape (centres,)
        Where the smoothed spectrum is wanted [Hz].
    kind : "paper" or "konno-ohmachi"
    bandwidth : float
        See the top of this module.

    Returns
    -------
    array, shape (frequencies, centres)
        Columns sum to 1.

    Raises
    ------
    ValueError
        For another kind, a bandwidth that is not positive, or a centre around which the spectrum has no frequencies.
    """
    weights, sums = _weights(np.asarray(freq_hz, dtype=float), np.asarray(centres_hz, dtype=float), kind, bandwidth)
    return (weights / sums[:, None]).T


def _weights(freq_hz, centres_hz, kind: str, bandwidth: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (centres, frequencies), 1 at the centre, and their sums."""
    window, _ = _window(kind, bandwidth)
    weights = np.zeros((len(centres_hz), len(freq_hz)))        # this way round, numpy sums them pairwise
    known = freq_hz > 0
    weights[:, known] = window(freq_hz[known] / centres_hz[:, None], bandwidth)
    sums = weights.sum(axis=1)
    if not (sums >= LEAST_WEIGHT).all():
        centre = centres_hz[int(np.argmin(sums))]
        raise ValueError(f"the {kind} window around {centre:g} Hz falls between the frequencies of the spectrum; it needs longer "
                         f"records, a wider window than {bandwidth:g}, or other centres")
    return weights, sums


def smooth(spectrum, step_hz: float, centres_hz, kind: str = "paper", bandwidth: float = BANDWIDTH) -> np.ndarray:
    """Spectra at 0, step_hz, 2 step_hz … smoothed: ``spectrum @ matrix(...)``, many times as fast.

    What the product needs is kept for the next call.  The result differs from the plain sum by rounding only: about
    2e-15 of the largest value nearby (within 0.25 in ln f for the usual bandwidths).

    Parameters
    ----------
    spectrum : array, shape (..., frequencies)
        Amplitudes.
    step_hz : float
        Between frequencies [Hz].
    centres_hz : array, shape (centres,)
        Rising [Hz].
    kind, bandwidth
        As in `matrix`.

    Returns
    -------
    array, shape (..., centres)

    Raises
    ------
    ValueError
        As `matrix`, or for centres that do not rise or that lie outside the spectrum.
    """
    spectrum, centres_hz = np.asarray(spectrum, dtype=float), np.ascontiguousarray(centres_hz, dtype=float)
    weights, pieces = _factors(spectrum.shape[-1], float(step_hz), centres_hz.tobytes(), kind, float(bandwidth))
    rows = spectrum.reshape(-1, spectrum.shape[-1])            # one large product instead of many small ones
    found = rows[:, :RUN] @ weights[:RUN]
    for start in range(RUN, len(weights), RUN):
        found += rows[:, start:start + RUN] @ weights[start:start + RUN]
    if pieces:
        at_nodes = np.split(found, len(pieces), axis=-1)
        found = np.concatenate([at @ piece.to_centres for at, piece in zip(at_nodes, pieces)], axis=-1)
    return found.reshape(*spectrum.shape[:-1], len(centres_hz))


class _Piece(NamedTuple):
    nodes_hz: np.ndarray         # (NODES,)
    to_centres: np.ndarray       # (NODES, centres of the piece)


@lru_cache(maxsize=8)
def _factors(bins: int, step_hz: float, centres: bytes, kind: str, bandwidth: float) -> tuple[np.ndarray, list[_Piece]]:
    """The weights at the centres and no pieces, or those at fewer nodes and the way from them to the centres."""
    centres_hz = np.frombuffer(centres)
    freq_hz = np.arange(bins) * step_hz
    if not (len(centres_hz) and centres_hz[0] > 0 and (np.diff(centres_hz) > 0).all()):
        raise ValueError("centres of smoothing must be positive frequencies that rise, at least one")
    if not centres_hz[-1] <= freq_hz[-1] + 1.01 * step_hz:     # a spectrum may end one step before the Nyquist frequency
        raise ValueError(f"smoothing at {centres_hz[-1]:g} Hz of a spectrum that ends at {freq_hz[-1]:g} Hz")
    pieces = _pieces(centres_hz, REACH / _window(kind, bandwidth)[1])
    if len(pieces) * NODES >= len(centres_hz):
        pieces = []
    at = np.concatenate([piece.nodes_hz for piece in pieces]) if pieces else centres_hz
    weights, sums = _weights(freq_hz, at, kind, bandwidth)
    for piece, at_nodes in zip(pieces, np.split(sums, max(1, len(pieces)))):
        # interpolated are the weighted sums, which are smooth up to the end of the spectrum; their quotients are not
        piece.to_centres[:] *= at_nodes[:, None] / (at_nodes @ piece.to_centres)
    return np.ascontiguousarray((weights / sums[:, None]).T), pieces


def _window(kind: str, bandwidth: float):
    """The window and the fastest wave that it lets through."""
    if kind not in WINDOWS:
        raise ValueError(f"no smoothing called {kind!r}; there are {', '.join(WINDOWS)}")
    if not 0 < bandwidth < np.inf:
        raise ValueError(f"a smoothing bandwidth of {bandwidth}; a positive number is needed")
    window, fastest = WINDOWS[kind]
    return window, fastest(bandwidth)


def _pieces(centres_hz, half_length: float) -> list[_Piece]:
    """The band cut into equal pieces of ln f, with Chebyshev nodes in each.

    A smoothed spectrum is band-limited in ln f, because the window is; so in each piece it is a polynomial to rounding, and
    its values at a few nodes give it everywhere.  40 nodes do for 12 radians of the fastest wave on each side of the middle.
    """
    span = np.log(centres_hz[-1] / centres_hz[0])
    count = max(1, int(np.ceil(span / (2 * half_length))))
    half_length = max(span / (2 * count), np.finfo(float).tiny)
    angle = np.pi * (np.arange(NODES) + 0.5) / NODES
    x, barycentric = np.cos(angle), (-1.0) ** np.arange(NODES) * np.sin(angle)
    number = np.minimum((np.log(centres_hz / centres_hz[0]) / (2 * half_length)).astype(int), count - 1)
    pieces = []
    for k in range(count):
        middle_hz = centres_hz[0] * np.exp((2 * k + 1) * half_length)
        at = np.log(centres_hz[number == k] / middle_hz) / half_length
        to_centres = BarycentricInterpolator(x, np.eye(NODES), wi=barycentric)(at).T if len(at) else np.empty((NODES, 0))
        pieces.append(_Piece(middle_hz * np.exp(half_length * x), to_centres))
    return pieces
