"""A synthetic strong-motion network: one catalogue of events, many stations, as many records as you ask for.

The records are **synthetic** and say so in their metadata.  Strong-motion data that cannot be passed on are
replaced by them in tests, notebooks and examples; the five ``…-like`` stations share no more with the real ones
than a fitted median H/V curve and f0 scatter.

Events are drawn once and shared by all stations; the path, the recorder and the noise belong to the record.
Every event, station and record is a pure function of the seed and its own number, so nothing depends on how
many are asked for, or in which order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice

import numpy as np
from scipy import fft

from tng.records import Record
from tng.sites import KM_PER_DEGREE, Site, calibrated_sites, layered_transfer, random_site, site_response, stream
from tng.stochastic import (P_VELOCITY, SAMPLES, SAMPLING_RATE_HZ, WORK_SAMPLES, Motion, minimum_phase, rock_motion,
                            rock_spectrum)

__all__ = ["Event", "Site", "catalogue", "event", "layered_transfer", "minimum_phase", "recorded_events",
           "rock_spectrum", "simulate", "station", "stations", "trigger_distance_km"]

VERSION = 1                              # a change of any bit of any record needs a new number
MAGNITUDES, B_VALUE = (3.5, 7.0), 0.7    # Gutenberg-Richter, truncated; b is low because weak events trigger less
NEAREST_KM = 10.0
UPTIME = 0.6                             # share of the events in reach that a recorder catches
FIRST_EVENT, EVENTS_PER_DAY = datetime(2000, 1, 1, tzinfo=UTC), 4
# The recorder's step, 2^-14 cm/s², is exact in float32 up to 1 g.  It also hides the last bits of an FFT, in which
# machines differ: with and without AVX-512, one sample in 8 million fell on the other side of a step.
COUNT_CMPS2 = 2.0**-14


@dataclass(frozen=True)
class Event:
    """A synthetic earthquake.  Angles in degrees around 0 N 0 E, depth in km, stress drop in bar."""

    number: int
    origin_time: str                     # ISO 8601, UTC
    latitude_deg: float
    longitude_deg: float
    depth_km: float
    magnitude: float
    stress_bar: float

    @property
    def name(self) -> str:
        return f"syn-{self.number:06d}"


def trigger_distance_km(magnitude: float) -> float:
    """Hypocentral distance within which an event triggers a recorder [km]."""
    return min(200.0, 60 * 10 ** (0.35 * (magnitude - MAGNITUDES[0])))


def event(number: int, seed: int = 0) -> Event:
    """Event `number` of the catalogue, a pure function of (seed, number).

    Its hypocentral distance from the centre of the network is log-uniform from 10 km to the trigger distance.
    """
    rng = stream(seed, "catalogue", number)
    slope = B_VALUE * np.log(10)
    weakest, strongest = MAGNITUDES
    magnitude = weakest - np.log(1 - rng.random() * (1 - np.exp(-slope * (strongest - weakest)))) / slope
    magnitude = round(float(magnitude), 2)
    distance = NEAREST_KM * (trigger_distance_km(magnitude) / NEAREST_KM) ** rng.random()
    depth = rng.uniform(4, min(16, 0.9 * distance))
    azimuth = rng.uniform(0, 2 * np.pi)
    stress_bar = 100 * np.exp(0.6 * rng.standard_normal())
    epicentral = np.sqrt(distance**2 - depth**2)
    origin_time = FIRST_EVENT + timedelta(days=(number + rng.random()) / EVENTS_PER_DAY)
    # Published catalogues are rounded, and then the rounded numbers are all that counts.
    return Event(number, _iso(origin_time), round(float(epicentral * np.cos(azimuth)) / KM_PER_DEGREE, 5),
                 round(float(epicentral * np.sin(azimuth)) / KM_PER_DEGREE, 5), round(float(depth), 2), magnitude,
                 round(float(stress_bar), 2))


def catalogue(n: int, seed: int = 0):
    """The first `n` events as a DataFrame: SeisBench columns, and the stress drop [bar]."""
    import pandas as pd

    _check(n, seed)
    events = [event(number, seed) for number in range(n)]
    return pd.DataFrame({
        "event": [e.name for e in events],
        "source_origin_time": [e.origin_time for e in events],
        "source_latitude_deg": np.array([e.latitude_deg for e in events], dtype=float),
        "source_longitude_deg": np.array([e.longitude_deg for e in events], dtype=float),
        "source_depth_km": np.array([e.depth_km for e in events], dtype=float),
        "source_magnitude": np.array([e.magnitude for e in events], dtype=float),
        "source_stress_drop_bar": np.array([e.stress_bar for e in events], dtype=float),
    })


def stations(n_random: int = 0, seed: int = 0) -> list[Site]:
    """The five fitted stations, then `n_random` random layered ones, R000, R001, …"""
    _check(n_random, seed)
    return [*calibrated_sites(), *(random_site(index, seed) for index in range(n_random))]


def station(name: str, seed: int = 0) -> Site:
    """One station by its name, for example ``"1716-like"`` or ``"R012"``.

    Raises
    ------
    ValueError
        For a name that no station of this network has.
    """
    known = {site.name: site for site in calibrated_sites()}
    if name in known:
        return known[name]
    if name[:1] == "R" and name[1:].isdecimal() and name == f"R{int(name[1:]):03d}":
        return random_site(int(name[1:]), seed)
    raise ValueError(f"no synthetic station is called {name!r}; there are {', '.join(known)}, "
                     "and the random ones R000, R001, …")


def simulate(site: Site | str, n: int, seed: int = 0) -> Iterator[Record]:
    """The first `n` records of a station, one at a time.

    Parameters
    ----------
    site : Site or str
        From `stations`, or a name that `station` knows.
    n : int
        How many records.  The k-th is the k-th event that this station recorded, whatever `n` is.
    seed : int
        Of the catalogue, the uptimes, the noise, and (for a name) of the random station.

    Returns
    -------
    iterator of Record
        6000 samples at 100 Hz, E, N, Z in cm/s².

    Raises
    ------
    ValueError
        At once, not when the first record is taken: negative n or seed, unknown station.
    """
    _check(n, seed)
    if isinstance(site, str):
        site = station(site, seed)
    return (_record(site, e, seed, rng) for e, rng in islice(_heard(site, seed), n))


def recorded_events(site: Site | str, n: int, seed: int = 0) -> list[Event]:
    """The events of the first `n` records of a station, without making the records."""
    _check(n, seed)
    if isinstance(site, str):
        site = station(site, seed)
    return [e for e, _ in islice(_heard(site, seed), n)]


def _heard(site: Site, seed: int) -> Iterator[tuple[Event, np.random.Generator]]:
    """Events that a station recorded, each with the random numbers of its record (the first is spent on uptime)."""
    for number in count():
        e = event(number, seed)
        if _path(site, e)[1] <= trigger_distance_km(e.magnitude):
            rng = stream(seed, site.name, number)
            if rng.random() < UPTIME:
                yield e, rng


def _path(site: Site, e: Event) -> tuple[float, float, float]:
    """Epicentral and hypocentral distance [km], and azimuth from the station to the event [rad], on a flat map."""
    east = e.longitude_deg * KM_PER_DEGREE - site.position_km[0]
    north = e.latitude_deg * KM_PER_DEGREE - site.position_km[1]
    epicentral = float(np.hypot(east, north))
    return epicentral, float(np.hypot(epicentral, e.depth_km)), float(np.arctan2(east, north) % (2 * np.pi))


def _record(site: Site, e: Event, seed: int, rng: np.random.Generator) -> Record:
    epicentral_km, hypocentral_km, back_azimuth_rad = _path(site, e)
    motion = Motion(
        magnitude=e.magnitude, stress_bar=e.stress_bar, hypocentral_km=hypocentral_km,
        back_azimuth_rad=back_azimuth_rad, kappa_s=max(0.01, 0.04 + 0.012 * rng.standard_normal()),
        onset_s=rng.uniform(2, 15), noise_cmps2=0.01 * np.exp(0.7 * rng.standard_normal()))
    spectra = rock_motion(motion, rng) * site_response(site, rng)
    spectra[:, 0] = 0
    data = fft.irfft(spectra, WORK_SAMPLES)[:, :SAMPLES] * SAMPLING_RATE_HZ
    data = (np.round(data / COUNT_CMPS2) * COUNT_CMPS2).astype(np.float32)
    start = datetime.fromisoformat(e.origin_time) + timedelta(seconds=hypocentral_km / P_VELOCITY - motion.onset_s)
    return Record(data, SAMPLING_RATE_HZ, site.name, e.name, {
        "trace_start_time": _iso(start),
        "trace_p_arrival_sample": round(motion.onset_s * SAMPLING_RATE_HZ, 2),
        "trace_s_arrival_sample": round(motion.s_onset_s * SAMPLING_RATE_HZ, 2),
        "trace_category": "synthetic",
        "trace_source_format": "tng surrogate",
        "trace_source_file": "",
        "trace_license": "MIT (synthetic)",
        "trace_processing": "simulated: stochastic point source, site filter, causal high-pass at 0.08 Hz",
        "trace_noise_cmps2": round(float(motion.noise_cmps2), 6),
        "source_origin_time": e.origin_time,
        "source_latitude_deg": e.latitude_deg,
        "source_longitude_deg": e.longitude_deg,
        "source_depth_km": e.depth_km,
        "source_magnitude": e.magnitude,
        "source_magnitude_type": "Mw",
        "source_stress_drop_bar": e.stress_bar,
        "station_network_code": "SYN",
        "station_latitude_deg": site.latitude_deg,
        "station_longitude_deg": site.longitude_deg,
        "station_vs30_mps": site.vs30_mps,
        "station_f0_hz": site.f0_hz,
        "path_ep_distance_km": round(epicentral_km, 3),
        "path_hyp_distance_km": round(hypocentral_km, 3),
        "path_back_azimuth_deg": round(float(np.degrees(back_azimuth_rad)), 2),
        "path_kappa_s": round(float(motion.kappa_s), 5),
        "surrogate_version": VERSION,
        "surrogate_seed": seed,
        "surrogate_site": site.digest,
    })


def _iso(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _check(n: int, seed: int) -> None:
    for name, value in (("n", n), ("seed", seed)):
        if not isinstance(value, (int, np.integer)) or value < 0:
            raise ValueError(f"{name} = {value!r}; a whole number from 0 up is needed")
