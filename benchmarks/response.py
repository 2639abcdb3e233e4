"""How much faster are response spectra, intensity measures and ductility of a batch than other programs, record by record?

    python benchmarks/response.py

One thread.  All programs take the same records in turn, several times over; printed are the median milliseconds a record,
their ratio, and how far the numbers differ: by some per cent at short periods, where pyrotd is content with ten samples a
period and eqsig with those of the record.  Below six samples a period eqsig gives PGA instead, hence the first period.
"""

from __future__ import annotations

import time
import warnings

import eqsig
import eqsig.sdof
import numpy as np
from threadpoolctl import threadpool_limits

from tng import intensity, response

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pyrotd

RATE_HZ, SAMPLES, RECORDS, ROUNDS = 100.0, 6000, 32, 7
PERIODS_S = np.geomspace(0.061, 5, 20)


def records() -> np.ndarray:
    """Bursts of noise with the spectrum of earthquakes, shape (records, 3, samples)."""
    time_s, freq_hz = np.arange(SAMPLES) / RATE_HZ, np.fft.rfftfreq(SAMPLES, 1 / RATE_HZ)
    noise = np.random.default_rng(0).standard_normal((RECORDS, 3, SAMPLES)) * np.exp(-((time_s - 15) / 6) ** 2)
    return 300 * np.fft.irfft(np.fft.rfft(noise) * freq_hz**2 / (1 + freq_hz**2) * np.exp(-np.pi * 0.04 * freq_hz))


def rotd50_by_pyrotd(data) -> np.ndarray:
    return np.array([pyrotd.calc_rotated_spec_accels(1 / RATE_HZ, *record[:2], 1 / PERIODS_S, 0.05, percentiles=[50]).spec_accel
                     for record in data])


def psa_by_eqsig(data) -> np.ndarray:
    return np.array([[eqsig.sdof.pseudo_response_spectra(component, 1 / RATE_HZ, PERIODS_S, 0.05)[2] for component in record[:2]]
                     for record in data])


def intensity_by_eqsig(data) -> np.ndarray:
    """Arias intensity [cm/s], CAV [cm/s] and D5-95 [s] of both horizontals."""
    def measures(component):
        record = eqsig.AccSignal(component / 100, 1 / RATE_HZ)
        return (100 * 9.81 / 9.80665 * eqsig.im.calc_arias_intensity(record)[-1], 100 * eqsig.im.calc_cav(record)[-1],
                eqsig.im.calc_sig_dur_vals(component, 1 / RATE_HZ))
    return np.array([[measures(component) for component in record[:2]] for record in data])


def intensity_of_ours(data) -> np.ndarray:
    horizontal = data[:, :2]
    return np.stack([intensity.arias(horizontal, RATE_HZ), intensity.cav(horizontal, RATE_HZ),
                     intensity.significant_duration(horizontal, RATE_HZ)], axis=-1)


COMPARED = {   # what → ours, another program's
    "RotD50, pyrotd": (lambda data: response.rotd(data, RATE_HZ, PERIODS_S, 50)[..., 0], rotd50_by_pyrotd),
    "PSA of E and N, eqsig": (lambda data: response.psa(data[:, :2], RATE_HZ, PERIODS_S), psa_by_eqsig),
    "Arias, CAV, D5-95 of E and N, eqsig": (intensity_of_ours, intensity_by_eqsig),
}
ALONE = {
    "all intensity measures": lambda data: intensity.measures(data, RATE_HZ),
    "ductility of E, 4 periods and 3 reductions, 512 records": lambda data: response.ductility(
        np.tile(data[:, 0], (512 // RECORDS, 1)), RATE_HZ, [0.2, 0.5, 1, 2], [2, 4, 6]),
}


def in_turn(functions, data) -> np.ndarray:
    """Median seconds of each function, measured in turn."""
    seconds = np.empty((ROUNDS, len(functions)))
    for row in seconds:
        for i, f in enumerate(functions):
            start = time.perf_counter()
            f(data)
            row[i] = time.perf_counter() - start
    return np.median(seconds, axis=0)


def main() -> None:
    data = records()
    pyrotd.processes = 1
    with threadpool_limits(1):
        for what, (ours, other) in COMPARED.items():
            difference = np.abs(ours(data) / other(data) - 1)
            fast, slow = in_turn((ours, other), data) / RECORDS * 1e3
            print(f"{what}: {fast:.2f} against {slow:.2f} ms a record, {slow / fast:.1f} times as fast; "
                  f"differences {np.median(difference):.1e} in the median, {difference.max():.1e} at most")
        for what, ours in ALONE.items():
            count = 512 if "512" in what else RECORDS
            print(f"{what}: {in_turn((ours,), data)[0] / count * 1e3:.2f} ms a record")


if __name__ == "__main__":
    main()
