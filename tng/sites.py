"""What the ground under a station does to the motion of rock: filters, and how they vary between records.

A site is a pair of curves, ln amplification of the horizontals and of the vertical, made causal by their
minimum phase.  Five sites are fitted to median H/V curves and f0 lists that the authors of TimesNet-Gen
published; any number of others are random layered columns whose truth is known.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from tng.stochastic import FREQUENCY_HZ, complex_exp, minimum_phase

NODE_HZ = np.geomspace(0.5, 30, 42)      # where the curves are given; between them ln A is linear in ln f
NETWORK_RADIUS_KM = 30.0
KM_PER_DEGREE = 111.195                  # the network lies on the equator, where the map is flat
# Whereabouts of the five from the centre, km east and north: made up, to be near each other.
CALIBRATED_KM = {"0205-like": (4.0, 6.0), "1716-like": (-7.0, 3.0), "2020-like": (9.0, -4.0),
                 "3130-like": (-3.0, -9.0), "4628-like": (1.0, 13.0)}
COMPONENT_SPLIT = 0.15                   # std of ln(E/N)/2 between records; it cancels in sqrt(|E||N|)


@dataclass(frozen=True)
class Site:
    """A synthetic station.

    Parameters
    ----------
    name : str
        ``"1716-like"`` (fitted) or ``"R012"`` (random).
    ln_horizontal, ln_vertical : tuple of 42 floats
        ln amplification over rock at `NODE_HZ`.
    sigma, correlation : float
        Record-to-record standard deviation of ln H, and its correlation length in ln f.
    shift : float
        Record-to-record standard deviation of a shift of the whole curve in ln f.
    latitude_deg, longitude_deg : float
        Near 0 N 0 E, in the open sea: nobody can take them for a real station.
    vs30_mps, f0_hz : float
        Mean S velocity of the upper 30 m, and frequency of the column's first SH resonance; NaN for the
        fitted sites, of which no column is known.
    """

    name: str
    ln_horizontal: tuple[float, ...]
    ln_vertical: tuple[float, ...] = (0.0,) * len(NODE_HZ)
    sigma: float = 0.25
    correlation: float = 0.3
    shift: float = 0.04
    latitude_deg: float = 0.0
    longitude_deg: float = 0.0
    vs30_mps: float = float("nan")
    f0_hz: float = float("nan")

    def __post_init__(self):
        for curve in (self.ln_horizontal, self.ln_vertical):
            if len(curve) != len(NODE_HZ) or not np.all(np.isfinite(curve)):
                raise ValueError(f"site {self.name}: a curve of {len(curve)} values; "
                                 f"{len(NODE_HZ)} finite ones are needed, one for each of NODE_HZ")
        if not (self.sigma >= 0 and self.shift >= 0 and self.correlation > 0):
            raise ValueError(f"site {self.name}: sigma {self.sigma} and shift {self.shift} must not be negative, "
                             f"correlation {self.correlation} must be positive")

    @property
    def position_km(self) -> tuple[float, float]:
        """East and north of the network's centre [km]."""
        return self.longitude_deg * KM_PER_DEGREE, self.latitude_deg * KM_PER_DEGREE

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with anything that makes up the site."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]


def stream(seed: int, name: str, index: int) -> np.random.Generator:
    """The random numbers that belong to one thing (a station, the catalogue …) and one index, and to no other."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), index])


def layered_transfer(frequency_hz, thickness_m, velocity_mps, density, quality):
    """Vertical body waves in a layered column: |surface / outcropping half-space|.

    Thomson-Haskell for SH, as in Kramer (1996), section 7.2.1; with P velocities it serves for P.

    Parameters
    ----------
    frequency_hz : array, shape (frequencies,)
    thickness_m : sequence of n
        Layers from the top [m].
    velocity_mps, density, quality : sequences of n + 1
        The last entry is the half-space [m/s, any unit, -]; damping ratio = 1 / (2 quality).

    Returns
    -------
    array, shape (frequencies,)
    """
    frequency_hz = np.asarray(frequency_hz, dtype=float)
    velocity = np.asarray(velocity_mps, dtype=float) * np.sqrt(1 + 1j / np.asarray(quality, dtype=float))
    impedance = np.asarray(density, dtype=float) * velocity
    if not len(velocity) == len(thickness_m) + 1 == len(impedance):
        raise ValueError(f"{len(thickness_m)} layers need {len(thickness_m) + 1} velocities, densities and quality "
                         f"factors (half-space included); {len(velocity)} velocities were given")
    up = down = np.ones(len(frequency_hz), dtype=complex)
    for j, thickness in enumerate(thickness_m):
        ratio = impedance[j] / impedance[j + 1]
        turn = np.exp(2j * np.pi * frequency_hz * thickness / velocity[j])
        up, down = ((up * (1 + ratio) * turn + down * (1 - ratio) / turn) / 2,
                    (up * (1 - ratio) * turn + down * (1 + ratio) / turn) / 2)
    return 1 / np.abs(up)


def vs30_mps(thickness_m, velocity_mps) -> float:
    """Thirty metres over the S travel time through them; the half-space goes down for ever [m/s]."""
    top = np.r_[0, np.cumsum(thickness_m)]
    inside = np.diff(np.minimum(np.r_[top, np.inf], 30.0))
    return float(30 / np.sum(inside / np.asarray(velocity_mps)))


def first_resonance_hz(thickness_m, velocity_mps, density, quality) -> float:
    """Frequency of the lowest maximum of the SH transfer function [Hz]."""
    frequency_hz = np.geomspace(0.2, 40, 4000)
    gain = layered_transfer(frequency_hz, thickness_m, velocity_mps, density, quality)
    peaks = np.flatnonzero((gain[1:-1] > gain[:-2]) & (gain[1:-1] >= gain[2:])) + 1
    return float(frequency_hz[peaks[0]]) if len(peaks) else float("nan")


def random_site(index: int, seed: int = 0) -> Site:
    """Soil column number `index`: one to four layers on rock, a pure function of (seed, index).

    A quarter-wave frequency log-uniform in 1-15 Hz, velocities from 150 m/s that grow with depth, Q = Vs/10.
    Horizontal and vertical filters follow the diffuse-field relation between H/V and the SH and P transfer
    functions (Kawase et al. 2011), without its constant sqrt(Vp/Vs).
    """
    if index < 0:
        raise ValueError(f"random station number {index}; the first is 0")
    rng = stream(seed, "layered column", index)
    layers = rng.integers(1, 5)
    quarter_wave_hz = np.exp(rng.uniform(np.log(1), np.log(15)))
    vs = np.sort(rng.uniform(150, 350) * np.exp(np.cumsum(rng.uniform(0, 0.4, layers))))
    vs = np.r_[vs, vs[-1] * np.exp(rng.uniform(0.3, 1.3))]
    thickness = rng.dirichlet(np.full(layers, 3.0)) * vs[:-1] / (4 * quarter_wave_hz)    # shares of a travel time
    vp = vs * np.r_[rng.uniform(1.9, 4, layers), 1.9]
    density = 1.7 + 0.25 * np.log(vs / 150)
    sigma, shift = rng.uniform(0.1, 0.4), rng.uniform(0.01, 0.08)
    distance, azimuth = NETWORK_RADIUS_KM * rng.random(), rng.uniform(0, 2 * np.pi)
    column = thickness, vs, density, vs / 10
    # Rounding keeps a site the same on every machine.
    return Site(f"R{index:03d}",
                tuple(np.round(np.log(layered_transfer(NODE_HZ, *column)), 6).tolist()),
                tuple(np.round(np.log(layered_transfer(NODE_HZ, thickness, vp, density, vs / 5)), 6).tolist()),
                sigma=round(sigma, 4), shift=round(shift, 4),
                latitude_deg=round(distance * np.cos(azimuth) / KM_PER_DEGREE, 5),
                longitude_deg=round(distance * np.sin(azimuth) / KM_PER_DEGREE, 5),
                vs30_mps=round(vs30_mps(thickness, vs), 1), f0_hz=round(first_resonance_hz(*column), 4))


def fitted_site(name: str, ln_horizontal, sigma: float, shift: float) -> Site:
    """A site with a fitted curve, at its place in the network; the whole H/V is in the horizontals."""
    east_km, north_km = CALIBRATED_KM[name]
    return Site(name, tuple(ln_horizontal), sigma=sigma, shift=shift,
                longitude_deg=round(east_km / KM_PER_DEGREE, 5), latitude_deg=round(north_km / KM_PER_DEGREE, 5))


@lru_cache(maxsize=1)
def calibrated_sites() -> tuple[Site, ...]:
    """The five sites fitted to published curves, from `sites.json`; `benchmarks/calibrate_sites.py` makes it."""
    stored = json.loads(resources.files("tng").joinpath("sites.json").read_text(encoding="utf-8"))
    return tuple(fitted_site(site["name"], site["ln_horizontal"], site["sigma"], site["shift"])
                 for site in stored["sites"])


def _on_grid(curve):
    """A curve at the nodes, at all frequencies of a record; it goes back to 0 (no effect) by 0.25 and 45 Hz."""
    return np.interp(np.log(FREQUENCY_HZ), np.log(np.r_[0.25, NODE_HZ, 45]), np.r_[0, curve, 0])


@lru_cache(maxsize=4)
def _perturbations(correlation: float) -> np.ndarray:
    """Causal filters, one a node, whose sums with normal weights are smooth random curves of ln H with std 1."""
    distance = (np.log(NODE_HZ)[:, None] - np.log(NODE_HZ)) / correlation
    factor = np.linalg.cholesky(np.exp(-0.5 * distance**2) + 1e-6 * np.eye(len(NODE_HZ)))
    return np.array([minimum_phase(_on_grid(curve)) for curve in factor.T])


@lru_cache(maxsize=64)
def _causal_curves(site: Site) -> tuple[np.ndarray, np.ndarray]:
    return minimum_phase(_on_grid(site.ln_horizontal)), minimum_phase(_on_grid(site.ln_vertical))


def site_response(site: Site, rng: np.random.Generator) -> np.ndarray:
    """Filters of a site for one record, shape (3, frequencies), complex: E, N, Z.

    The horizontal curve is shifted in ln f and perturbed smoothly, once for both horizontals and once more,
    with opposite signs, between them.
    """
    horizontal, vertical = _causal_curves(site)
    stretch = np.exp(site.shift * rng.standard_normal())
    weights = rng.standard_normal((2, len(NODE_HZ)))
    weights *= [[site.sigma], [COMPONENT_SPLIT]]
    basis = _perturbations(site.correlation).view(float)        # real by complex, without the zero imaginary parts
    common, split = (weights @ basis).view(complex)
    common += np.interp(FREQUENCY_HZ / stretch, FREQUENCY_HZ, horizontal)
    return complex_exp(np.stack([common + split, common - split, vertical]))
