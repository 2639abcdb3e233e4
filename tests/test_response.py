"""Response spectra and ductility demand: closed forms, other integrators, brute force, and two real records."""

import numpy as np
import pytest
from scipy import integrate, signal

from tng import intensity, remote, response

RATE_HZ = 100.0
TIME_S = np.arange(4000) / RATE_HZ
PERIODS_S = np.geomspace(0.05, 5, 12)
RECORDS = {"0921": "afad_nsmn/us20009ynd/20170720223109_0921.txt", "6501": "afad_mat/20120106001648_6501.mat"}
GOLDEN_PERIODS_S = [0.1, 0.2, 0.5, 1, 2]
# Whole record, demeaned, by a program of its own: PSA of (record, component) or RotD50 [m/s²], as it is and at 10 times the rate
GOLDEN = {
    ("0921", 0): ([.139120, .220353, .435323, .251919, .096688], [.140111, .221636, .436448, .252108, .096704]),
    ("6501", 1): ([.064176, .092208, .050471, .031550, .011205], [.066354, .093388, .050695, .031570, .011213]),
    ("0921", "RotD50"): ([.163107, .243209, .452809, .279527, .125361], [.164516, .244692, .453742, .279727, .125382]),
    ("6501", "RotD50"): ([.060316, .095598, .082314, .037228, .014355], [.062942, .096585, .082546, .037245, .014358])}


@pytest.fixture(scope="module")
def motion():
    """Bursts of noise whose spectrum decays as that of earthquakes, (6, 3, 4000)."""
    noise = np.random.default_rng(11).standard_normal((6, 3, 4000)) * np.exp(-((TIME_S - 12) / 5) ** 2)
    freq_hz = np.fft.rfftfreq(4000, 1 / RATE_HZ)
    shape = freq_hz**2 / (1 + freq_hz**2) * np.exp(-np.pi * 0.04 * freq_hz)
    return 300 * np.fft.irfft(np.fft.rfft(noise) * shape)


def real_record(station):
    if not remote.available(RECORDS[station]):
        pytest.skip(f"{RECORDS[station]} is not here: set TNG_MIRROR to a folder that holds it")
    from tng import readers

    data = readers.read(remote.path(RECORDS[station])).data
    return data - data.mean(axis=1, keepdims=True)


def turned(data, degrees):
    """The same motion on a sensor turned by some degrees."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    east, north, up = np.moveaxis(data, 1, 0)
    return np.stack([cos * east + sin * north, cos * north - sin * east, up], axis=1)


# --- elastic: closed forms and other integrators ----------------------------------------------------

@pytest.mark.parametrize("damping", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("period_s", [0.5, 1.0, 3.0])
def test_step(period_s, damping):
    """A ground that accelerates from rest evenly overshoots by exp(-πζ/√(1 - ζ²))."""
    x = np.full(40000, 10.0)                                          # the step back at its end starts from -a/ω², at rest
    overshoot = np.exp(-np.pi * damping / np.sqrt(1 - damping**2))
    assert response.psa(x, RATE_HZ, period_s, damping, oversample=1) == pytest.approx(10 * (1 + overshoot), rel=2e-3)


@pytest.mark.parametrize("damping", [0.02, 0.05, 0.2, 0.7])
@pytest.mark.parametrize("period_s", [0.4, 1.0, 6.0])
def test_free_vibration_after_the_end_counts(period_s, damping):
    """A kick in the last samples: all of the response comes after the record, v/ω·exp(-ζφ/√(1 - ζ²)), φ = arccos ζ."""
    x = np.zeros(50)
    x[-2] = 30.0                                                      # a velocity of 0.3 cm/s
    root = np.sqrt(1 - damping**2)
    expected = 0.3 * (2 * np.pi / period_s) * np.exp(-damping / root * np.arccos(damping))
    assert response.psa(x, RATE_HZ, period_s, damping) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("ratio", [0.25, 0.8, 1.0, 1.5, 4.0])
def test_tone(ratio):
    """A tone that swells slowly is amplified by 1/√((1 - r²)² + (2ζr)²)."""
    time_s = np.arange(20000) / RATE_HZ
    swell = np.sin(np.pi * time_s / 200) ** 2
    x = 5 * swell * np.sin(2 * np.pi * ratio / 0.8 * time_s)
    expected = 5 / np.hypot(1 - ratio**2, 2 * 0.05 * ratio)
    assert response.psa(x, RATE_HZ, 0.8) == pytest.approx(expected, rel=0.01)


def test_both_ends_of_the_spectrum():
    """A stiff oscillator follows the ground, PSA = PGA; a slack one stays where it was, PSA = ω²·PGD."""
    x = 10 * np.sin(np.pi * TIME_S / 40) ** 4 * np.sin(2 * np.pi * 1.0 * TIME_S)
    assert response.psa(x, RATE_HZ, 0.02) == pytest.approx(intensity.pga(x), rel=2e-3)
    slack = response.psa(x, RATE_HZ, 30.0)
    assert slack == pytest.approx((2 * np.pi / 30) ** 2 * intensity.pgd(x, RATE_HZ), rel=0.05)


@pytest.mark.parametrize("damping", [0.05, 0.2])
def test_straight_lines_are_exact(motion, damping):
    """Against another exact solution for straight lines between samples, by matrix exponentials."""
    x = motion[0, 0]
    for period_s, value in zip(PERIODS_S, response.psa(x, RATE_HZ, PERIODS_S, damping, oversample=1), strict=True):
        omega, padded = 2 * np.pi / period_s, np.pad(x, (1, 600))
        system = signal.StateSpace([[0, 1], [-omega**2, -2 * damping * omega]], [[0], [-1]], [[omega**2, 0]], [[0]])
        _, other, _ = signal.lsim(system, padded, np.arange(len(padded)) / RATE_HZ)
        assert value == pytest.approx(np.abs(other).max(), rel=1e-7)


def test_default_sampling_is_fine_enough(motion):
    """Against 40 times the rate: 1.5 % at most, 0.5 % in the median, where the record as it is is off by several per cent."""
    horizontal = motion[:, :2]
    reference = response.psa(horizontal, RATE_HZ, PERIODS_S, oversample=40)
    error = np.abs(response.psa(horizontal, RATE_HZ, PERIODS_S) / reference - 1)
    assert error.max() < 0.015 and np.median(error, axis=(0, 1)).max() < 0.005
    assert np.abs(response.psa(horizontal, RATE_HZ, PERIODS_S, oversample=1) / reference - 1).max() > 0.03
    ten = np.abs(response.psa(horizontal, RATE_HZ, PERIODS_S, oversample=10) / reference - 1)
    assert ten.max() < 0.003


def test_compensation_of_straight_lines():
    """At a quarter of the Nyquist frequency straight lines take 5 %, of which compensation leaves 0.2 %.

    A stiff oscillator shows the ground itself, here at 10 times the frequency that its sampling would suffice for."""
    x = np.sin(np.pi * TIME_S / 40) ** 4 * np.sin(2 * np.pi * 12.5 * TIME_S)
    exact = 1 / np.hypot(1 - (12.5 * 0.4) ** 2, 2 * 0.05 * 12.5 * 0.4)
    assert response.psa(x, RATE_HZ, 0.4, oversample=1) < 0.96 * exact
    assert response.psa(x, RATE_HZ, 0.4) == pytest.approx(exact, rel=0.005)


def test_linear(motion):
    spectrum = response.psa(motion, RATE_HZ, PERIODS_S)
    np.testing.assert_allclose(response.psa(-3.7 * motion, RATE_HZ, PERIODS_S), 3.7 * spectrum, rtol=1e-12)
    np.testing.assert_allclose(response.psa(np.pad(motion, [(0, 0), (0, 0), (300, 0)]), RATE_HZ, PERIODS_S), spectrum, rtol=1e-3)
    assert (response.psa(motion[0] + motion[1], RATE_HZ, PERIODS_S) <= (spectrum[0] + spectrum[1]) * (1 + 1e-12)).all()
    assert (response.psa(motion, RATE_HZ, PERIODS_S, damping=0.2) < spectrum).mean() > 0.9


def test_time_may_have_another_unit(motion):
    """The same samples read twice as fast are for an oscillator of half the period what they were before."""
    once = response.psa(motion, RATE_HZ, PERIODS_S)
    np.testing.assert_allclose(response.psa(motion, 2 * RATE_HZ, PERIODS_S / 2), once, rtol=1e-9)


def test_shapes_and_batches(motion):
    together = response.psa(motion, RATE_HZ, PERIODS_S)
    assert together.shape == (6, 3, 12)
    np.testing.assert_allclose(response.psa(motion[4, 2], RATE_HZ, PERIODS_S), together[4, 2], rtol=1e-12)
    shuffled = PERIODS_S[::-1].tolist() + [1.0]
    np.testing.assert_allclose(response.psa(motion, RATE_HZ, shuffled)[..., :12], together[..., ::-1], rtol=1e-12)
    for i, period_s in enumerate(PERIODS_S):
        np.testing.assert_allclose(response.psa(motion[0], RATE_HZ, period_s), together[0, :, [i]].T, rtol=1e-12)
    rotated = response.rotd(motion, RATE_HZ, PERIODS_S)
    np.testing.assert_allclose(response.rotd(motion[3:4], RATE_HZ, PERIODS_S), rotated[3:4], rtol=1e-12)
    assert response.psa(motion[:0], RATE_HZ, PERIODS_S).shape == (0, 3, 12)
    assert response.rotd(motion[:0], RATE_HZ, PERIODS_S).shape == (0, 12, 2)


def test_pyrotd(motion):
    """PSA and RotD50 within 1 % of a program that works in the frequency domain.

    Both at 10 times the rate: with ten samples a period, its least, it may miss up to 5 % of a peak.  It is given silence
    at the end as well, for its time is a circle, and looks at every sample: its shortcut makes RotD00 up to 5 % too small."""
    import pyrotd

    pyrotd.processes = 1
    fine = signal.resample_poly(np.pad(motion[:3], [(0, 0), (0, 0), (0, 20000)]), 10, 1, axis=-1)
    psa = response.psa(motion[:3], RATE_HZ, PERIODS_S, oversample=10)
    rotd = response.rotd(motion[:3], RATE_HZ, PERIODS_S, (0, 50, 100), oversample=10)
    for i, record in enumerate(fine):
        for j, component in enumerate(record):
            other = pyrotd.calc_spec_accels(0.1 / RATE_HZ, component, 1 / PERIODS_S, 0.05).spec_accel
            np.testing.assert_allclose(psa[i, j], other, rtol=0.01)
        other = pyrotd.calc_rotated_spec_accels(0.1 / RATE_HZ, *record[:2], 1 / PERIODS_S, 0.05, percentiles=[0, 50, 100],
                                                method="rigorous")
        np.testing.assert_allclose(rotd[i], other.spec_accel.reshape(12, 3), rtol=0.01)


def test_eqsig(motion):
    """The same recursion as another program has it, from 6 samples a period up: below, it gives PGA instead."""
    import eqsig.sdof

    taken = PERIODS_S > 6 / RATE_HZ
    for x in motion[:2, 0]:
        _, _, other = eqsig.sdof.pseudo_response_spectra(np.pad(x, (0, 500)), 1 / RATE_HZ, PERIODS_S, 0.05)
        np.testing.assert_allclose(response.psa(x, RATE_HZ, PERIODS_S, oversample=1)[taken], other[taken], rtol=1e-3)
        assert taken.sum() == 11 and other[0] == pytest.approx(intensity.pga(x))


# --- directions -----------------------------------------------------------------------------------

def by_brute_force(data, oversample=None):
    """Peak response in each of 180 directions, of the motions themselves: (records, periods, 180)."""
    return np.stack([response.psa(turned(data, degrees)[:, 0], RATE_HZ, PERIODS_S, oversample=oversample)
                     for degrees in range(180)], axis=-1)


def test_rotd_against_brute_force(motion):
    data = motion[:2] * np.array([1.0, 0.3, 1.0])[:, None]
    peaks = by_brute_force(data)
    np.testing.assert_allclose(response.rotd(data, RATE_HZ, PERIODS_S, (0, 16, 50, 100)),
                               np.moveaxis(np.percentile(peaks, (0, 16, 50, 100), axis=-1), 0, -1), rtol=1e-9)
    np.testing.assert_allclose(response.rotd(data, RATE_HZ, PERIODS_S, 50)[..., 0], np.median(peaks, axis=-1), rtol=1e-9)


def hard_motions():
    """Motions that make it hard to leave samples out: on a line, nearly so, a circle, one sample, a cross, far outliers."""
    rng = np.random.default_rng(2)
    angle = np.linspace(0, 2 * np.pi, 5000)
    noise = rng.standard_normal((2, 5000))
    one = np.zeros((2, 5000))
    one[:, 3001] = 1, 2
    cross = np.zeros((2, 5000))
    cross[0, ::2], cross[1, 1::2] = noise[0, ::2], 1e-3 * noise[1, 1::2]
    outlier = noise.copy()
    outlier[:, 17] = 100, 1
    mix = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    return {"noise": noise, "on E": noise * [[1], [0]], "on N": noise * [[0], [1]], "on a line": np.outer([2.0, 1.0], noise[0]),
            "nearly on a line": mix @ (noise * [[1], [1e-7]]), "circle": np.stack([np.cos(angle), np.sin(angle)]),
            "ellipse": mix @ np.stack([np.cos(angle), 0.01 * np.sin(angle)]), "one sample": one, "cross": cross,
            "outlier": outlier, "tiny": 1e-150 * noise, "zeros": np.zeros((2, 5000)), "short": noise[:, :2]}


@pytest.mark.parametrize("name", hard_motions())
def test_samples_that_are_left_out_do_not_matter(name):
    u = hard_motions()[name]
    angle = np.radians(np.arange(180))
    everything = np.abs(np.cos(angle)[:, None] * u[0] + np.sin(angle)[:, None] * u[1]).max(axis=1)
    np.testing.assert_allclose(response.peaks_by_direction(u[None])[0], everything, rtol=1e-12, atol=0)


def test_samples_that_are_left_out_in_hundreds_of_motions():
    rng = np.random.default_rng(7)
    angle = np.radians(np.arange(180))
    for _ in range(300):
        kicks = rng.standard_normal((2, 800)) ** rng.choice([1, 3, 5])
        u = rng.standard_normal((2, 2)) @ signal.lfilter([1], [1, -1.8, 0.97], kicks)
        everything = np.abs(np.stack([np.cos(angle), np.sin(angle)], axis=1) @ u).max(axis=1)
        np.testing.assert_allclose(response.peaks_by_direction(u[None])[0], everything, rtol=1e-12)


def test_rotd_does_not_know_how_the_sensor_stands(motion):
    percentiles = (0, 50, 100)
    here = response.rotd(motion, RATE_HZ, PERIODS_S, percentiles)
    for degrees in (1, 37, 90, 200):
        np.testing.assert_allclose(response.rotd(turned(motion, degrees), RATE_HZ, PERIODS_S, percentiles), here, rtol=1e-9)
    half = response.rotd(turned(motion, 0.5), RATE_HZ, PERIODS_S, percentiles)       # between the directions that are looked at
    np.testing.assert_allclose(half[..., 1:], here[..., 1:], rtol=3e-3)
    np.testing.assert_allclose(response.rotd(motion * [[1], [-1], [5]], RATE_HZ, PERIODS_S, percentiles), here, rtol=1e-9)


def test_rotd_in_order(motion):
    rotd = response.rotd(motion, RATE_HZ, PERIODS_S, (0, 50, 100))
    assert (rotd[..., 0] < rotd[..., 1]).all() and (rotd[..., 1] < rotd[..., 2]).all()
    components = response.psa(motion[:, :2], RATE_HZ, PERIODS_S)
    assert (rotd[..., 2] >= components.max(axis=1) * (1 - 1e-12)).all()
    assert (rotd[..., 0] <= components.min(axis=1) * (1 + 1e-12)).all()
    assert (rotd[..., 2] <= np.hypot(*np.moveaxis(components, 1, 0)) * (1 + 1e-12)).all()
    geometric = response.geometric_mean_psa(motion, RATE_HZ, PERIODS_S)
    np.testing.assert_allclose(geometric**2, components[:, 0] * components[:, 1], rtol=1e-12)
    assert np.median(rotd[..., 1] / geometric) == pytest.approx(1, abs=0.1)          # about the same in the mean (Boore, 2010)


def test_a_motion_on_a_line(motion):
    """RotD100 is what the motion has along its line, RotD50 that times the median of |cos|, RotD00 nothing."""
    data = np.stack([0.6 * motion[:, 0], 0.8 * motion[:, 0], motion[:, 2]], axis=1)
    along = response.psa(motion[:, 0], RATE_HZ, PERIODS_S)
    low, middle, high = np.moveaxis(response.rotd(data, RATE_HZ, PERIODS_S, (0, 50, 100)), -1, 0)
    np.testing.assert_allclose(high, along, rtol=1e-4)
    np.testing.assert_allclose(middle, along / np.sqrt(2), rtol=1e-3)
    assert (low < 0.01 * along).all()


# --- real records -----------------------------------------------------------------------------------

@pytest.mark.parametrize("station, component", GOLDEN)
def test_real_records(station, component):
    data = real_record(station)
    plain, fine = GOLDEN[station, component]
    for oversample, expected, atol, rtol in ((1, plain, 0.51e-6, 0), (10, fine, 0.51e-6, 0), (None, fine, 0, 0.01)):
        if component == "RotD50":
            values = response.rotd(data[None], RATE_HZ, GOLDEN_PERIODS_S, 50, oversample=oversample)[0, :, 0]
        else:
            values = response.psa(data[component], RATE_HZ, GOLDEN_PERIODS_S, oversample=oversample)
        np.testing.assert_allclose(values / 100, expected, atol=atol, rtol=rtol)


def test_spectrum_in_the_file_of_a_real_record():
    """What the network computed itself, 0.1-1 s: within 4 %, and within 1 % at 0.5 and 1 s."""
    data = real_record("6501")
    from scipy.io import loadmat

    theirs = loadmat(remote.path(RECORDS["6501"]), squeeze_me=True, struct_as_record=False)["EQ"].anEQ.SA
    periods_s, spectra = theirs[:, 0], theirs[:, [2, 1, 3]].T                    # columns T, N, E, U
    ours = response.psa(data, RATE_HZ, periods_s)
    np.testing.assert_allclose(ours, spectra, rtol=0.04)
    middle = np.isclose(periods_s[:, None], [0.5, 1.0]).any(axis=1)
    assert middle.sum() == 2
    np.testing.assert_allclose(ours[:, middle], spectra[:, middle], rtol=0.01)


# --- inelastic --------------------------------------------------------------------------------------

def test_no_reduction_no_yielding(motion):
    """R = 1 is a ductility of 1; stiffness that does not change with yielding is an elastic oscillator, ductility R."""
    x = motion[:, 0]
    np.testing.assert_allclose(response.ductility(x, RATE_HZ, [0.2, 0.5, 1, 2], 1), 1, rtol=1e-9)
    nearly_elastic = response.ductility(x, RATE_HZ, [0.2, 0.5, 1, 2], [2, 4, 6], hardening=1 - 1e-9)
    np.testing.assert_allclose(nearly_elastic, np.broadcast_to([2, 4, 6], (6, 4, 3)), rtol=1e-6)


def test_elastic_vibration_keeps_its_period():
    """100 periods of 20 steps each after a kick: the sine has not shifted by 1 % of a period."""
    x = np.zeros(2000)
    x[0] = 100.0                                                                     # a velocity of 1 cm/s at t = 0
    time_s, displacement, force = response.hysteresis(x, RATE_HZ, 0.2, 1e9, damping=1e-12, oversample=1)
    omega = 2 * np.pi / 0.2
    expected = np.where(time_s > 0, -np.sin(omega * time_s) / omega, 0)
    np.testing.assert_allclose(displacement[3:], expected[3:], atol=0.05 / omega)
    np.testing.assert_allclose(force, omega**2 * displacement, rtol=1e-9)


@pytest.mark.parametrize("hardening", [0.0, 0.03, 0.2])
def test_kick(hardening):
    """An undamped oscillator takes up the energy of a kick: R² = 1 + 2(μ - 1) + α(μ - 1)², so μ = (R² + 1)/2 for α = 0."""
    x = np.zeros((1, 100))
    x[0, 50] = 100.0
    reductions = np.array([1.5, 2, 4, 6])
    if hardening:
        expected = 1 + (np.sqrt(1 + hardening * (reductions**2 - 1)) - 1) / hardening
    else:
        expected = (reductions**2 + 1) / 2
    demand = response.ductility(x, RATE_HZ, [1.0, 3.0], reductions, hardening, damping=1e-12)
    np.testing.assert_allclose(demand, np.broadcast_to(expected, (1, 2, 4)), rtol=5e-3)


@pytest.mark.parametrize("hardening", [0.0, 0.05])
@pytest.mark.parametrize("share", [0.6, 0.7, 0.8])
def test_step_load(share, hardening):
    """A constant load p on an undamped oscillator at rest: p·μ = ½ + (μ - 1) + ½α(μ - 1)², in units of its strength."""
    x = np.full(1500, -10.0)
    omega = 2 * np.pi
    limit = 10 / share / omega**2
    time_s, displacement, _ = response.hysteresis(x, RATE_HZ, 1.0, limit, hardening, damping=1e-12)
    demand = displacement[time_s < 14.9].max() / limit
    if hardening:
        a, b, c = hardening / 2, 1 - hardening - share, hardening / 2 - 0.5
        expected = (-b + np.sqrt(b**2 - 4 * a * c)) / (2 * a)
    else:
        expected = 0.5 / (1 - share)
    assert demand == pytest.approx(expected, rel=0.01)


def by_another_integrator(x, period_s, limit, hardening, damping):
    """Largest displacement by an adaptive Runge-Kutta method, the plastic slider as a third state."""
    omega, time_s = 2 * np.pi / period_s, np.arange(len(x)) / RATE_HZ

    def rates(t, state):
        u, v, e = state
        slides = abs(e) >= limit and e * v > 0
        force = omega**2 * (hardening * u + (1 - hardening) * np.clip(e, -limit, limit))
        return v, -np.interp(t, time_s, x) - 2 * damping * omega * v - force, 0.0 if slides else v

    path = integrate.solve_ivp(rates, (0, time_s[-1]), (0, 0, 0), max_step=0.005, rtol=1e-7, atol=1e-12)
    return np.abs(path.y[0]).max()


@pytest.mark.parametrize("period_s, reduction, hardening", [(0.3, 4, 0.03), (1.0, 2, 0.0), (1.0, 6, 0.1)])
def test_another_integrator(motion, period_s, reduction, hardening):
    b, a = signal.butter(4, 5, fs=RATE_HZ)
    x = signal.lfilter(b, a, motion[1, 0])[500:2500]                          # smooth, so that straight lines do not matter
    limit = np.abs(response.psa(x, RATE_HZ, period_s)).item() / (2 * np.pi / period_s) ** 2 / reduction
    other = by_another_integrator(np.pad(x, (0, 300)), period_s, limit, hardening, 0.05) / limit
    demand = response.ductility(x[None], RATE_HZ, period_s, reduction, hardening, oversample=8).item()
    assert demand == pytest.approx(other, rel=0.01)
    _, displacement, _ = response.hysteresis(x, RATE_HZ, period_s, limit, hardening, oversample=8)
    assert np.abs(displacement).max() / limit == pytest.approx(other, rel=0.01)


@pytest.mark.parametrize("hardening", [0.0, 0.1])
def test_energy_balance(motion, hardening):
    """What the ground puts in is at any time kinetic, damped, or work of the spring; and the spring keeps little of its work."""
    x = motion[2, 0]
    omega, damping = 2 * np.pi / 0.5, 0.05
    limit = response.psa(x, RATE_HZ, 0.5).item() / omega**2 / 4
    time_s, u, force = response.hysteresis(x, RATE_HZ, 0.5, limit, hardening, damping, oversample=16)
    step_s = time_s[1] - time_s[0]
    ground = np.interp(time_s, np.arange(16 * len(x)) / RATE_HZ / 16, signal.resample_poly(x, 16, 1), right=0)
    v = np.gradient(u, step_s)
    put_in, damped, spring = (integrate.cumulative_trapezoid(y * v, dx=step_s, initial=0)
                              for y in (-ground, 2 * damping * omega * v, force))
    np.testing.assert_allclose(v**2 / 2 + damped + spring, put_in, atol=0.005 * put_in.max())
    elastic_energy = force[-1] ** 2 / (2 * omega**2)
    assert spring[-1] > 20 * elastic_energy and damped[-1] > 0


def test_hysteresis_is_bilinear(motion):
    x, omega, limit = motion[3, 1], 2 * np.pi / 0.6, 0.3
    time_s, u, force = response.hysteresis(x, RATE_HZ, 0.6, limit, 0.1, oversample=8)
    assert len(time_s) == len(u) == len(force) and time_s[0] <= 0 and time_s[-1] > 40 + 1.5
    beyond = np.abs(force - 0.1 * omega**2 * u) / (0.9 * omega**2 * limit)
    assert beyond.max() == pytest.approx(1, rel=1e-9)                                # the slider's strength, reached and kept
    moving = np.abs(np.diff(u)) > 1e-4 * np.abs(u).max()
    slope = np.diff(force)[moving] / np.diff(u)[moving] / omega**2
    assert slope.min() == pytest.approx(0.1, rel=1e-6) and slope.max() == pytest.approx(1, rel=1e-6)
    assert ((np.abs(slope - 0.1) < 1e-6) | (np.abs(slope - 1) < 1e-6)).mean() > 0.97   # the rest pass a corner


def test_scale_and_sign_do_not_matter(motion):
    x = motion[:, 1]
    demand = response.ductility(x, RATE_HZ, [0.2, 1.0], [2, 4, 6])
    assert demand.shape == (6, 2, 3)
    np.testing.assert_allclose(response.ductility(-0.01 * x, RATE_HZ, [0.2, 1.0], [2, 4, 6]), demand, rtol=1e-8)
    np.testing.assert_allclose(response.ductility(x, 2 * RATE_HZ, [0.1, 0.5], [2, 4, 6]), demand, rtol=1e-8)
    np.testing.assert_allclose(response.ductility(x[2:3], RATE_HZ, 1.0, 4), demand[2:3, 1:, 1:2], rtol=1e-8)


def test_batches_of_many_records(motion, monkeypatch):
    x = motion.reshape(-1, 4000)
    together = response.ductility(x, RATE_HZ, [0.2, 1.0], [2, 4])
    monkeypatch.setattr("tng.inelastic.AT_ONCE", 7)
    np.testing.assert_allclose(response.ductility(x, RATE_HZ, [0.2, 1.0], [2, 4]), together, rtol=1e-12)


def test_finer_steps_converge(motion):
    """Errors fall to a quarter each time the step is halved; by default a period has 40 samples, and errors are some per cent."""
    x, settings = motion[:, 0], (RATE_HZ, [0.2, 0.5, 1.0], [2, 4, 6])
    reference = response.ductility(x, *settings, oversample=32)
    error = {o: np.abs(response.ductility(x, *settings, oversample=o) / reference - 1) for o in (1, 2, 4, None)}
    assert error[4].mean() < error[2].mean() / 2.5 < error[1].mean() / 6
    assert error[None].max() < 0.04 and np.median(error[None]) < 0.005
    np.testing.assert_allclose(error[None][:, 0], error[2][:, 0], atol=1e-9)            # 0.2 s
    np.testing.assert_allclose(error[None][:, 1:], error[1][:, 1:], atol=1e-9)          # 0.5 and 1 s


def test_equal_displacement():
    """Long periods: about as far as the elastic oscillator, μ = R (Veletsos and Newmark, 1960); short ones: much farther."""
    noise = np.random.default_rng(4).standard_normal((60, 4000)) * np.exp(-((TIME_S - 12) / 5) ** 2)
    freq_hz = np.fft.rfftfreq(4000, 1 / RATE_HZ)
    x = np.fft.irfft(np.fft.rfft(noise) * freq_hz**2 / (1 + freq_hz**2) * np.exp(-np.pi * 0.05 * freq_hz))
    middle = np.median(response.ductility(x, RATE_HZ, [0.1, 1.0, 2.0], [2, 4, 6]), axis=0)
    assert (middle[0] > 1.3 * np.array([2, 4, 6])).all()
    assert (np.abs(np.log(middle[1:] / [2, 4, 6])) < 0.3).all()


# --- bad input --------------------------------------------------------------------------------------

@pytest.mark.filterwarnings("error")
def test_a_record_of_zeros(motion):
    """It has no response, and no strength demand whose ductility could be asked for."""
    data = motion.copy()
    data[1] = 0
    assert (response.psa(data, RATE_HZ, PERIODS_S)[1] == 0).all() and (response.rotd(data, RATE_HZ, PERIODS_S)[1] == 0).all()
    demand = response.ductility(data[:, 0], RATE_HZ, [0.5, 1], [2, 4])
    assert np.isnan(demand[1]).all() and np.isfinite(np.delete(demand, 1, axis=0)).all()


ELASTIC = [response.psa, response.rotd, response.geometric_mean_psa]


@pytest.mark.parametrize("settings, word", [
    ({"periods_s": [0.5, 0.0199, 0.01]}, r"periods \[0.0199, 0.01\] s are shorter than two sampling intervals .*below 0.02 s"),
    ({"periods_s": [0.0]}, "shorter"), ({"periods_s": [-1.0]}, "shorter"), ({"periods_s": [np.nan]}, "finite"),
    ({"periods_s": []}, "at least one"), ({"periods_s": [[1.0, 2.0]]}, "list"),
    ({"sampling_rate_hz": 0}, "sampling rate"), ({"sampling_rate_hz": np.inf}, "sampling rate"),
    ({"damping": 0}, "damping of 0"), ({"damping": 5}, "0.05 for 5 %"), ({"damping": np.nan}, "damping"),
    ({"oversample": 0}, "oversample=0"), ({"oversample": 2.5}, "whole number"),
])
def test_settings_that_make_no_sense(motion, settings, word):
    arguments = {"sampling_rate_hz": RATE_HZ, "periods_s": [1.0], **settings}
    for f in ELASTIC:
        with pytest.raises(ValueError, match=word):
            f(motion, **arguments)
    with pytest.raises(ValueError, match=word):
        response.ductility(motion[:, 0], reductions=[2], **arguments)


def test_shortest_period_that_is_taken(motion):
    assert np.isfinite(response.rotd(motion, RATE_HZ, [0.02])).all()


@pytest.mark.parametrize("settings, word", [
    ({"reductions": 0.5}, "from 1 up"), ({"reductions": [2, np.nan]}, "reductions"), ({"hardening": 1.0}, "hardening of 1"),
    ({"hardening": -0.1}, "hardening"),
    ({"oversample": 1, "periods_s": [1.0, 0.09]}, r"periods \[0.09\] s have fewer than 10 samples"),
])
def test_inelastic_settings_that_make_no_sense(motion, settings, word):
    with pytest.raises(ValueError, match=word):
        response.ductility(motion[:, 0], RATE_HZ, **{"periods_s": [1.0], "reductions": [2], **settings})


def test_arrays_that_make_no_sense(motion):
    hole = motion.copy()
    hole[2, 0, 5] = np.nan
    for f in ELASTIC:
        with pytest.raises(ValueError, match="not finite"):
            f(hole, RATE_HZ, [1.0])
    for f in ELASTIC[1:]:
        with pytest.raises(ValueError, match=r"shape \(6, 2, 4000\)"):
            f(motion[:, :2], RATE_HZ, [1.0])
    with pytest.raises(ValueError, match="percentiles"):
        response.rotd(motion, RATE_HZ, [1.0], (50, 101))
    with pytest.raises(ValueError, match="not finite"):
        response.ductility(hole[:, 0], RATE_HZ, [1.0], [2])
    with pytest.raises(ValueError, match=r"shape \(6, 3, 4000\)"):
        response.ductility(motion, RATE_HZ, [1.0], [2])
    with pytest.raises(ValueError, match="single component"):
        response.hysteresis(motion[0], RATE_HZ, 1.0, 0.1)
    with pytest.raises(ValueError, match="yield displacement of 0"):
        response.hysteresis(motion[0, 0], RATE_HZ, 1.0, 0)
    with pytest.raises(ValueError, match="at least 2 samples"):
        response.psa([1.0], RATE_HZ, [1.0])
