"""Ground motion on rock from a point source, by the stochastic method (Boore 2003, Pageoph 160:635-676).

An amplitude spectrum A(f) says how strong the motion is at each frequency, a window says how long it lasts,
and windowed white noise supplies the phase.  P, S and coda are made in this way and added to ambient noise.

Boore shapes the noise with |A(f)| at zero phase, which smears energy to times before the onset.  Here every
spectrum is given its minimum phase instead: same amplitudes, and nothing moves before its wave arrives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, signal, special

SAMPLING_RATE_HZ = 100.0
SAMPLES = 6000
WORK_SAMPLES = 8192            # the last 22 s are cut away
FREQUENCY_HZ = fft.rfftfreq(WORK_SAMPLES, 1 / SAMPLING_RATE_HZ)
FREQUENCY_HZ[0] = FREQUENCY_HZ[1] / 2          # half a step instead of zero keeps logarithms finite
TIME_S = np.arange(WORK_SAMPLES) / SAMPLING_RATE_HZ
# Waves stop soon after the part that is kept: filters then ring out in the rest, not around into the record's start.
FADE = np.cos(np.pi / 2 * np.clip((TIME_S - 60) / 6, 0, 1)) ** 2

# Crust and path: the western set of Campbell (2003, BSSA 93:1012-1033).
S_VELOCITY, P_VELOCITY, DENSITY = 3.5, 6.06, 2.8                      # km/s, km/s, g/cm³
Q_AT_1_HZ, Q_EXPONENT = 180.0, 0.45                                   # Q(f) = 180 f^0.45
CROSSOVER_KM = 40.0                                                   # body-wave to surface-wave spreading
# Generic rock of Boore & Joyner (1997, BSSA 87:327-341): amplification by impedance, at frequencies [Hz].
ROCK_HZ = (.01, .09, .16, .51, .84, 1.25, 2.26, 3.17, 6.05, 16.6, 61.2)
ROCK_AMPLIFICATION = (1, 1.1, 1.18, 1.42, 1.58, 1.74, 2.06, 2.25, 2.58, 3.13, 4.0)
# Boore & Thompson (2014, BSSA 104:2541-2552), table 1: duration added along the path.
PATH_KM, PATH_DURATION_S = (0, 7, 45, 125, 175, 270), (0, 2.4, 8.4, 10.9, 17.4, 34.2)

# Radiation pattern x free surface x share of one horizontal component (S), and the same for P.
S_RADIATION, P_RADIATION = 0.55 * 2 / np.sqrt(2), 0.52 * 2
P_CORNER, P_KAPPA = 1.25, 0.8                  # of the S values: P has the higher corner, less attenuation
# The recorder's high-pass is causal, like the rest (Butterworth, order 4, 0.08 Hz).
HIGH_PASS = signal.freqs(*signal.butter(4, 2 * np.pi * 0.08, "highpass", analog=True),
                         2 * np.pi * FREQUENCY_HZ)[1]


@dataclass(frozen=True)
class Motion:
    """What sets the motion of one record on rock: one event seen over one path."""

    magnitude: float                   # moment magnitude
    stress_bar: float                  # stress drop [bar]
    hypocentral_km: float
    back_azimuth_rad: float            # from the station to the event, clockwise from north
    kappa_s: float                     # high-frequency attenuation near the surface [s]
    onset_s: float                     # when P arrives, after the start of the record [s]
    noise_cmps2: float                 # rms of the ambient noise [cm/s²]

    @property
    def s_onset_s(self) -> float:
        return self.onset_s + self.hypocentral_km * (1 / S_VELOCITY - 1 / P_VELOCITY)


def moment_dyne_cm(magnitude):
    """Seismic moment [dyne·cm] of a moment magnitude (Hanks & Kanamori 1979)."""
    return 10 ** (1.5 * np.asarray(magnitude, dtype=float) + 16.05)


def corner_frequency_hz(magnitude, stress_bar):
    """S-wave corner frequency [Hz] of the omega-square source, Boore (2003) eq. 4."""
    return 4.9e6 * S_VELOCITY * (stress_bar / moment_dyne_cm(magnitude)) ** (1 / 3)


def spreading(distance_km):
    """Geometric spreading, Boore (2003) eq. 9: 1/R to 40 km, then 1/sqrt(R) [1/km]."""
    distance_km = np.asarray(distance_km, dtype=float)
    return np.where(distance_km <= CROSSOVER_KM, 1 / distance_km,
                    1 / np.sqrt(CROSSOVER_KM * np.maximum(distance_km, CROSSOVER_KM)))


def effective_distance_km(magnitude, distance_km):
    """Distance to a point that shakes the site as a whole fault does [km]; Yenier & Atkinson (2015)."""
    return np.hypot(distance_km, 10 ** (-0.405 + 0.235 * np.asarray(magnitude, dtype=float)))


def path_attenuation(frequency_hz, distance_km, velocity_kmps=S_VELOCITY):
    """Loss along the path, exp(-pi f R / (Q(f) v)): the second factor of Boore (2003) eq. 8."""
    return np.exp(-np.pi * distance_km / (Q_AT_1_HZ * velocity_kmps) * frequency_hz ** (1 - Q_EXPONENT))


def rock_amplification(frequency_hz):
    """Amplification from the source's depth to a generic rock surface, Boore & Joyner (1997)."""
    return np.interp(np.log(frequency_hz), np.log(ROCK_HZ), ROCK_AMPLIFICATION)


def rock_spectrum(frequency_hz, magnitude, distance_km, stress_bar=100.0, kappa_s=0.04, wave="S"):
    """Fourier amplitude of acceleration at a rock surface, one component.

    Source (Boore 2003, eqs 5-7, single corner frequency) x path (eqs 8-9) x rock amplification x
    exp(-pi kappa f) (Anderson & Hough 1984).

    Parameters
    ----------
    frequency_hz : array, shape (frequencies,)
        Above zero [Hz].
    magnitude, distance_km, stress_bar, kappa_s : float
        Moment magnitude, distance [km], stress drop [bar], kappa of S waves [s].
    wave : "S" or "P"
        P travels faster, radiates less, and has a higher corner frequency and a smaller kappa.

    Returns
    -------
    array, shape (frequencies,)
        dt·|FFT| of the acceleration [cm/s].
    """
    if wave not in ("S", "P"):
        raise ValueError(f"wave {wave!r}; it is 'S' or 'P'")
    frequency_hz = np.asarray(frequency_hz, dtype=float)
    velocity, radiation, corner_hz = S_VELOCITY, S_RADIATION, corner_frequency_hz(magnitude, stress_bar)
    if wave == "P":
        velocity, radiation, corner_hz, kappa_s = P_VELOCITY, P_RADIATION, P_CORNER * corner_hz, P_KAPPA * kappa_s
    level = 1e-20 * radiation / (4 * np.pi * DENSITY * velocity**3)           # eq. 7; 1e-20 for its mixed units
    source = level * moment_dyne_cm(magnitude) * (2 * np.pi * frequency_hz) ** 2 / (1 + (frequency_hz / corner_hz) ** 2)
    path = spreading(distance_km) * path_attenuation(frequency_hz, distance_km, velocity)
    return source * path * rock_amplification(frequency_hz) * np.exp(-np.pi * kappa_s * frequency_hz)


def minimum_phase(log_amplitude):
    """Complex logarithm of the causal filter with a given amplitude, by folding its cepstrum.

    Linear in the log amplitude: logarithms may be added before or after (Oppenheim & Schafer, ch. 13).

    Parameters
    ----------
    log_amplitude : array, shape (..., n/2 + 1)
        Natural logarithm of the amplitude at the frequencies of a real FFT of even length n.

    Returns
    -------
    complex array of the same shape
        Its exponential is the filter's frequency response.
    """
    n = 2 * (np.shape(log_amplitude)[-1] - 1)
    cepstrum = fft.irfft(log_amplitude, n)
    cepstrum[..., 1:n // 2] *= 2
    cepstrum[..., n // 2 + 1:] = 0
    return fft.rfft(cepstrum)


def complex_exp(z):
    """exp of a complex array through real functions, which numpy vectorises: several times faster."""
    size = np.exp(z.real)
    result = np.empty_like(z)
    result.real, result.imag = size * np.cos(z.imag), size * np.sin(z.imag)
    return result


def envelope(onset_s, duration_s, epsilon=0.2, eta=0.05, stretch=2.0):
    """Window of Saragoni & Hart (1974) as in Boore (2003): (x·e^(1-x))^b, x = time since onset / time to peak.

    It peaks at epsilon · stretch · duration and has fallen to eta at stretch · duration.  The integral of its
    square over all time is 1 s · 1/s = 1, so the noise it shapes has on average the spectrum asked for.

    Returns
    -------
    array, shape (WORK_SAMPLES,)
        [s^-1/2]; zero before the onset.
    """
    b = -epsilon * np.log(eta) / (1 + epsilon * (np.log(epsilon) - 1))
    peak_s = epsilon * stretch * duration_s
    x = np.maximum(TIME_S - onset_s, 0) / peak_s
    energy_s = peak_s * np.exp(2 * b) * special.gamma(2 * b + 1) / (2 * b) ** (2 * b + 1)
    return (x * np.exp(1 - x)) ** b / np.sqrt(energy_s)


def source_duration_s(magnitude, stress_bar, distance_km):
    """How long the S waves shake: 1/fc of the source plus the path's share (Boore & Thompson 2014) [s]."""
    return 1 / corner_frequency_hz(magnitude, stress_bar) + np.interp(distance_km, PATH_KM, PATH_DURATION_S)


def rock_motion(motion: Motion, rng: np.random.Generator) -> np.ndarray:
    """Spectra of one three-component record at a rock surface, noise and recorder high-pass included.

    Independent SH and SV with a random polarisation, one P, both turned by a random incidence and by the
    event's direction; a diffuse coda; ambient noise, slightly red.

    Returns
    -------
    complex array, shape (3, WORK_SAMPLES // 2 + 1)
        E, N, Z [cm/s]; `fft.irfft` of it times the sampling rate is acceleration [cm/s²].
    """
    polarisation, incidence = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.6)       # rad
    coda_level = 0.6 * np.exp(0.3 * rng.standard_normal())

    effective_km = effective_distance_km(motion.magnitude, motion.hypocentral_km)
    duration_s = source_duration_s(motion.magnitude, motion.stress_bar, motion.hypocentral_km)
    s, p = (rock_spectrum(FREQUENCY_HZ, motion.magnitude, effective_km, motion.stress_bar, motion.kappa_s, wave)
            for wave in "SP")
    # Coda has been scattered: it has travelled this much longer, and lost more of its high frequencies.
    coda = s * path_attenuation(FREQUENCY_HZ, S_VELOCITY * (5 + 0.8 * duration_s))
    s, p, coda = complex_exp(minimum_phase(np.log([s, p, coda])))

    def windowed_noise(components, window):
        """White noise whose spectrum has on average the energy of the window, which is 1."""
        noise = rng.uniform(-1, 1, (components, WORK_SAMPLES)) * np.sqrt(3 * SAMPLING_RATE_HZ)
        return fft.rfft(noise * window * FADE) / SAMPLING_RATE_HZ

    p_to_s_s = motion.s_onset_s - motion.onset_s
    sh, sv = s * windowed_noise(2, envelope(motion.s_onset_s, duration_s))
    sh, sv = np.sqrt(2) * np.cos(polarisation) * sh, np.sqrt(2) * np.sin(polarisation) * sv
    p = p * windowed_noise(1, envelope(motion.onset_s, 0.5 * duration_s + 0.4 * p_to_s_s))[0]
    coda = coda_level * coda * windowed_noise(3, envelope(motion.s_onset_s, 2 * duration_s + 5, epsilon=0.1))

    radial = sv * np.cos(incidence) + p * np.sin(incidence)
    east, north = np.sin(motion.back_azimuth_rad), np.cos(motion.back_azimuth_rad)
    ground = np.stack([radial * east + sh * north + coda[0],
                       radial * north - sh * east + coda[1],
                       sv * np.sin(incidence) + p * np.cos(incidence) + 0.6 * coda[2]])

    ambient = rng.standard_normal((3, len(FREQUENCY_HZ), 2)).view(complex)[..., 0]
    ambient *= (1 + FREQUENCY_HZ ** -2) ** 0.25 * np.sqrt(WORK_SAMPLES / 2) / SAMPLING_RATE_HZ
    return (ground + motion.noise_cmps2 * ambient) * HIGH_PASS
