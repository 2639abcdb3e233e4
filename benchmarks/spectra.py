"""How much faster is the HVSR of a batch than other programs, and is it the same?

    python benchmarks/spectra.py [folder of the published code]

Everything runs on one thread, in turns, on records of 60 s at 100 Hz; medians are printed, with the range of the ratio over
the turns.  Without the folder a plain loop written here stands for the published code.  hvsrpy and pykooh take part where
they are installed.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import ast  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from scipy import signal  # noqa: E402

from tng import smoothing, spectra  # noqa: E402

RATE_HZ, SAMPLES, RECORDS, TURNS = 100.0, 6000, 64, 5
SCRIPT = "generate_samples_git.py"       # of the published code
NAMES = {"_preprocess_component_boore", "_konno_ohmachi_smoothing", "_compute_hvsr_simple"}
PADDED = SAMPLES + 2 * round(60 * RATE_HZ)
FREQ_HZ = np.arange(PADDED // 2) * RATE_HZ / PADDED


def published_smoothing(spectrum, freq_hz, b=40.0):
    """Frequency by frequency: how the published code goes about it."""
    smooth = np.zeros_like(spectrum)
    for i in range(1, len(freq_hz)):
        weight = np.zeros_like(freq_hz)
        weight[1:] = np.exp(-b * np.log(freq_hz[1:] / freq_hz[i]) ** 2)
        smooth[i] = np.sum(weight * spectrum) / np.sum(weight)
    return smooth


def published_hvsr(record, rate_hz):
    """One record (samples, 3), with the high-pass."""
    b, a = signal.butter(2, 0.05 / (rate_hz / 2), "highpass")
    east, north, up = (np.abs(np.fft.fft(signal.filtfilt(b, a, np.pad(signal.detrend(x), round(60 * rate_hz)))))[: PADDED // 2]
                       for x in record.T)
    inside = (FREQ_HZ >= 1 - 1e-9) & (FREQ_HZ <= 20 + 1e-9)
    ratio = published_smoothing(np.sqrt(east * north), FREQ_HZ)[inside] / published_smoothing(up, FREQ_HZ)[inside]
    return FREQ_HZ[inside], ratio


def of_folder(folder: Path) -> tuple:
    """The published functions, without what the rest of their file imports."""
    tree = ast.parse((folder / SCRIPT).read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in NAMES]
    found: dict = {"np": np}
    exec(compile(tree, SCRIPT, "exec"), found)
    return found["_compute_hvsr_simple"], found["_konno_ohmachi_smoothing"]


def motion() -> np.ndarray:
    """Noise that swells and fades, with a resonance of the horizontals at 3 Hz."""
    rng = np.random.default_rng(0)
    t = np.arange(SAMPLES) / RATE_HZ
    data = rng.standard_normal((RECORDS, 3, SAMPLES)) * (t / 8) * np.exp(1 - t / 8)
    b, a = signal.iirpeak(3.0, 3, fs=RATE_HZ)
    data[:, :2] += 3 * signal.lfilter(b, a, data[:, :2])
    return data


def in_turns(*tasks) -> np.ndarray:
    """Seconds of the processor that each task takes in each turn, shape (tasks, turns)."""
    seconds = np.empty((len(tasks), TURNS))
    for turn in range(TURNS):
        for k, task in enumerate(tasks):
            start = time.process_time()              # not what other programs take
            task()
            seconds[k, turn] = time.process_time() - start
    return seconds


def say(what: str, slow, fast, difference: str = "") -> None:
    ratio = slow / fast
    print(f"{what}: {1e3 * np.median(slow):.1f} ms a record against {1e3 * np.median(fast):.2f}: "
          f"{np.median(slow) / np.median(fast):.0f} times [{ratio.min():.0f}-{ratio.max():.0f}] as fast{difference}")


def far(a, b) -> float:
    return float(np.abs(np.asarray(a) / np.asarray(b) - 1).max())


def against_the_published(data, hvsr_of, smooth_of, whose: str) -> None:
    start = time.perf_counter()
    spectra.hvsr(data[:1], RATE_HZ)
    print(f"first call, which prepares the smoothing: {time.perf_counter() - start:.2f} s; once for each length and rate")
    seconds = in_turns(lambda: hvsr_of(data[0].T, RATE_HZ), lambda: spectra.hvsr(data, RATE_HZ),
                       lambda: spectra.hvsr(data, RATE_HZ, high_pass=True))
    seconds[1:] /= RECORDS
    results = [hvsr_of(record.T, RATE_HZ)[1] for record in data[:4]]
    freq_hz, curves = spectra.hvsr(data[:4], RATE_HZ)
    _, filtered = spectra.hvsr(data[:4], RATE_HZ, high_pass=True)
    same = (np.argmax(results, axis=1) == curves.argmax(axis=1)).sum()
    say(f"HVSR, {len(freq_hz)} frequencies, {whose}", seconds[0], seconds[1],
        f"; curves differ by {far(curves, results):.1e} (we leave their filter out), {same} of 4 f0 are identical")
    say("HVSR with their filter", seconds[0], seconds[2], f"; curves differ by {far(filtered, results):.1e}")
    amplitude = np.abs(np.fft.rfft(data[:4], PADDED))[..., : PADDED // 2].reshape(-1, PADDED // 2)
    expected = np.stack([smooth_of(each, FREQ_HZ, 40.0) for each in amplitude])[:, np.searchsorted(FREQ_HZ, freq_hz)]
    ours = smoothing.smooth(amplitude, RATE_HZ / PADDED, freq_hz)
    print(f"smoothing alone, {len(amplitude)} spectra: largest relative difference {far(ours, expected):.1e}")


def against_pykooh(data) -> None:
    try:
        import pykooh
    except ImportError:
        print("pykooh is not installed")
        return
    centres_hz = np.geomspace(1, 20, 150)
    amplitude = np.abs(np.fft.rfft(data, PADDED))[..., : PADDED // 2].reshape(-1, PADDED // 2)

    def theirs():
        return pykooh.smooth(centres_hz, FREQ_HZ, amplitude[0], 40.0, normalize=True, simplified=False)

    def ours():
        return smoothing.smooth(amplitude, RATE_HZ / PADDED, centres_hz, "konno-ohmachi")

    difference = far(ours()[0], theirs())
    seconds = in_turns(theirs, ours)
    say("Konno-Ohmachi smoothing of one spectrum at 150 frequencies, pykooh", seconds[0], seconds[1] / len(amplitude),
        f"; differs by {difference:.1e}")


def against_hvsrpy(data) -> None:
    try:
        import hvsrpy
    except ImportError:
        print("hvsrpy is not installed")
        return
    for centres_hz in (FREQ_HZ[180:3601], np.geomspace(1, 20, 150)):
        def theirs():
            records = [hvsrpy.SeismicRecording3C(*(hvsrpy.TimeSeries(record[k], 1 / RATE_HZ) for k in (1, 0, 2)))
                       for record in data[:4]]
            for record in records:
                record.detrend("linear")
            return hvsrpy.process(records, hvsrpy.HvsrTraditionalProcessingSettings(
                window_type_and_width=["tukey", 0.1], method_to_combine_horizontals="geometric_mean",
                fft_settings={"n": 2 * PADDED},
                smoothing={"operator": "konno_and_ohmachi", "bandwidth": 40, "center_frequencies_in_hz": centres_hz}))

        def ours():
            return spectra.hvsr(data, RATE_HZ, smoothing="konno-ohmachi", taper=0.05, centres_hz=centres_hz)[1]

        mine, other = ours()[:4], theirs()
        seconds = in_turns(theirs, ours)
        same = (centres_hz[mine.argmax(axis=1)] == other.peak_frequencies).sum()
        say(f"HVSR with Konno-Ohmachi smoothing, {len(centres_hz)} frequencies, hvsrpy", seconds[0] / 4, seconds[1] / RECORDS,
            f"; curves differ by {far(mine, other.amplitude):.1e} (it pads to twice the length and truncates the window), "
            f"{same} of 4 f0 are identical")


def main() -> None:
    data = motion()
    if len(sys.argv) > 1:
        against_the_published(data, *of_folder(Path(sys.argv[1])), "the published code")
    else:
        against_the_published(data, published_hvsr, published_smoothing, "a loop like the published one")
    against_pykooh(data)
    against_hvsrpy(data)
    print("rotd50: {:.0f} ms a record, azimuths every 10°: {:.1f} ms a record, both at 150 frequencies".format(
        *(1e3 * np.median(in_turns(task)) / 8 for task in (
            lambda: spectra.hvsr(data[:8], RATE_HZ, combine="rotd50", centres_hz=np.geomspace(1, 20, 150)),
            lambda: spectra.azimuthal_hvsr(data[:8], RATE_HZ, centres_hz=np.geomspace(1, 20, 150))))))


if __name__ == "__main__":
    main()
