"""Intensity measures: closed forms, symmetries, another program's values, and two real records."""

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from tng import arrays, intensity, remote

RATE_HZ = 100.0
TIME_S = np.arange(6000) / RATE_HZ
RECORDS = {"0921": "afad_nsmn/us20009ynd/20170720223109_0921.txt", "6501": "afad_mat/20120106001648_6501.mat"}
# whole record, demeaned, by a program of its own: PGA m/s², Ia m/s, D5-75 s, D5-95 s, CAV m/s, PGV cm/s, Tm s of E, N and Z
GOLDEN = {
    "0921": [(0.121638, 9.206899e-3, 26.555, 61.640, 1.89282, 2.2856, 1.0743),
             (0.132003, 1.138099e-2, 28.619, 73.306, 2.20897, 3.6984, 1.1497),
             (0.098406, 3.439599e-3, 24.269, 51.409, 1.06821, 1.7460, 0.7509)],
    "6501": [(0.036802, 2.950996e-4, 9.369, 18.954, 0.18626, 0.3345, 0.4747),
             (0.042526, 3.143983e-4, 10.616, 19.108, 0.18884, 0.2582, 0.3810),
             (0.033746, 1.625565e-4, 9.766, 17.906, 0.12700, 0.1858, 0.3085)]}


@pytest.fixture(scope="module")
def motion():
    """Bursts of noise with a coda, without a mean, (5, 3, 6000)."""
    noise = np.random.default_rng(5).standard_normal((5, 3, 6000))
    data = 20 * noise * np.exp(-np.abs(TIME_S - 15) / 6)
    return data - data.mean(axis=-1, keepdims=True)


def real_record(station):
    if not remote.available(RECORDS[station]):
        pytest.skip(f"{RECORDS[station]} is not here: set TNG_MIRROR to a folder that holds it")
    from tng import readers

    data = readers.read(remote.path(RECORDS[station])).data
    return data - data.mean(axis=1, keepdims=True)


def all_measures(data, rate_hz=RATE_HZ):
    """Every measure of each component, by name."""
    return {"pga": intensity.pga(data), "pgv": intensity.pgv(data, rate_hz), "pgd": intensity.pgd(data, rate_hz),
            "arias": intensity.arias(data, rate_hz), "cav": intensity.cav(data, rate_hz),
            "d575": intensity.significant_duration(data, rate_hz, 0.05, 0.75),
            "d595": intensity.significant_duration(data, rate_hz), "tm": intensity.mean_period(data, rate_hz),
            "kappa": intensity.kappa(data, rate_hz, (5.0, 30.0))}


# --- closed forms ---------------------------------------------------------------------------------

def test_arias_and_duration_of_a_boxcar():
    """1 gal for 10 s: Arias intensity π/(2g)·10, and its middle 90 % last 9 s."""
    x = np.zeros(6001)
    x[1000:2000] = np.tile([1.0, -1.0], 500)      # no mean, so that removing it changes nothing
    assert intensity.arias(x, RATE_HZ) == pytest.approx(np.pi / (2 * 980.665) * 10, rel=1e-3)
    assert intensity.significant_duration(x, RATE_HZ) == pytest.approx(9.0, abs=0.02)
    assert intensity.significant_duration(x, RATE_HZ, 0.05, 0.75) == pytest.approx(7.0, abs=0.02)


@pytest.mark.parametrize("amplitude, freq_hz", [(1.0, 0.5), (30.0, 2.0), (7.0, 5.0)])
def test_a_sine(amplitude, freq_hz):
    """60 s of a sine: every measure but D has its closed form, and its energy comes evenly."""
    x = amplitude * np.cos(2 * np.pi * freq_hz * TIME_S)
    assert intensity.pga(x) == pytest.approx(amplitude, rel=1e-12)
    assert intensity.arias(x, RATE_HZ) == pytest.approx(np.pi / (2 * 980.665) * amplitude**2 / 2 * 60, rel=1e-3)
    assert intensity.cav(x, RATE_HZ) == pytest.approx(amplitude * 2 / np.pi * 60, rel=0.01)
    assert intensity.mean_period(x, RATE_HZ) == pytest.approx(1 / freq_hz, rel=1e-9)
    assert intensity.significant_duration(x, RATE_HZ) == pytest.approx(0.9 * 60, abs=0.5 / freq_hz)


@pytest.mark.parametrize("freq_hz", [0.5, 1.0, 4.0])
def test_integration_of_a_tone(freq_hz):
    """A long tone burst has the velocity A/ω and the displacement A/ω², in quadrature and in antiphase."""
    omega = 2 * np.pi * freq_hz
    burst = np.sin(np.pi * TIME_S / 60) ** 4
    x = 10 * burst * np.sin(omega * TIME_S)
    assert intensity.pgv(x, RATE_HZ) == pytest.approx(10 / omega, rel=0.02)
    assert intensity.pgd(x, RATE_HZ) == pytest.approx(10 / omega**2, rel=0.03)
    velocity, displacement = intensity.velocity_and_displacement(x, RATE_HZ)
    start = round(intensity.PADDING_S * RATE_HZ)
    inside = slice(start, start + 6000)
    assert velocity.shape == displacement.shape == (18000,)
    np.testing.assert_allclose(velocity[inside], -10 / omega * burst * np.cos(omega * TIME_S), atol=0.03 * 10 / omega)
    np.testing.assert_allclose(displacement[inside], -x / omega**2, atol=0.05 * 10 / omega**2)


def test_drift_does_not_reach_velocity_and_displacement(motion):
    """A linear trend, and a period longer than the 20 s of the high-pass."""
    drift = 3.0 + 0.1 * TIME_S
    np.testing.assert_allclose(intensity.pgv(motion + drift, RATE_HZ), intensity.pgv(motion, RATE_HZ), rtol=1e-9)
    slow = np.sin(2 * np.pi * TIME_S / 200)                                    # 1 gal at 0.005 Hz alone moves 10 m
    assert intensity.pgd(slow, RATE_HZ) < 0.02 * (200 / (2 * np.pi)) ** 2


def test_mean_period_weighs_power():
    """Two tones: Tm is the mean of their periods, weighed with squared amplitudes; what is outside 0.25-20 Hz counts nothing."""
    two = 3 * np.sin(2 * np.pi * TIME_S) + 4 * np.cos(2 * np.pi * 5 * TIME_S)
    outside = 50 * np.sin(2 * np.pi * 0.2 * TIME_S) + 50 * np.sin(2 * np.pi * 30 * TIME_S)
    expected = (9 * 1.0 + 16 * 0.2) / 25
    assert intensity.mean_period(two, RATE_HZ) == pytest.approx(expected, rel=1e-9)
    assert intensity.mean_period(two + outside, RATE_HZ) == pytest.approx(expected, rel=1e-9)
    edges = np.sin(2 * np.pi * 0.25 * TIME_S) + np.sin(2 * np.pi * 20 * TIME_S)       # both ends belong to the band
    assert intensity.mean_period(edges, RATE_HZ) == pytest.approx((4 + 0.05) / 2, rel=1e-9)


# --- symmetries -----------------------------------------------------------------------------------

def test_scale(motion):
    power = {"pga": 1, "pgv": 1, "pgd": 1, "arias": 2, "cav": 1, "d575": 0, "d595": 0, "tm": 0, "kappa": 0}
    louder = all_measures(-2.2 * motion)
    for name, values in all_measures(motion).items():
        np.testing.assert_allclose(louder[name], 2.2 ** power[name] * values, rtol=1e-6, err_msg=name)


def test_time_reversed(motion):
    there, back = all_measures(motion), all_measures(motion[..., ::-1])
    for name in ("pga", "arias", "cav", "d595", "tm", "kappa"):
        np.testing.assert_allclose(back[name], there[name], rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(back["d575"], intensity.significant_duration(motion, RATE_HZ, 0.25, 0.95), rtol=1e-9)


def test_silence_around_a_record_adds_nothing(motion):
    longer = np.pad(motion, [(0, 0), (0, 0), (700, 1300)])
    before, after = all_measures(motion), all_measures(longer)
    for name in ("pga", "arias", "cav", "d575", "d595"):
        np.testing.assert_allclose(after[name], before[name], rtol=3e-4, err_msg=name)


def test_a_clock_twice_as_fast(motion):
    """The same numbers at twice the rate: half the time, half the velocity, a quarter of the displacement."""
    x = motion[0, 0] * 0 + np.sin(np.pi * TIME_S / 60) ** 4 * np.sin(2 * np.pi * 3 * TIME_S)
    slow, fast = all_measures(x), all_measures(x, 2 * RATE_HZ)
    for name, factor in dict.fromkeys(("pgv", "arias", "cav", "d575", "d595", "tm"), 0.5).items() | {("pga", 1), ("pgd", 0.25)}:
        assert fast[name] == pytest.approx(factor * slow[name], rel=5e-3), name


def test_bounds(motion):
    """CAV is no less than any change of velocity, nor than what the Arias intensity allows."""
    velocity = np.cumsum(motion, axis=-1) / RATE_HZ
    cav, energy = intensity.cav(motion, RATE_HZ), intensity.arias(motion, RATE_HZ) * 2 * 980.665 / np.pi
    assert (cav > np.abs(velocity).max(axis=-1)).all()
    assert (cav**2 <= energy * 60).all() and (energy <= cav * intensity.pga(motion)).all()
    assert (intensity.significant_duration(motion, RATE_HZ, 0.05, 0.75) < intensity.significant_duration(motion, RATE_HZ)).all()


def test_any_shape_is_a_batch_of_its_records(motion):
    together = all_measures(motion)
    for name, values in all_measures(motion[3, 1]).items():
        assert np.shape(values) == () and together[name].shape == (5, 3)
        assert values == pytest.approx(together[name][3, 1], rel=1e-9), name
    many = np.tile(motion, (8, 1, 1))                                     # more than are integrated at once
    np.testing.assert_allclose(intensity.pgd(many, RATE_HZ), np.tile(together["pgd"], (8, 1)), rtol=1e-9)


def test_husid_curve(motion):
    curve = intensity.husid(motion + 5)                                   # the mean is no motion
    assert curve.shape == motion.shape
    assert (np.diff(curve) >= 0).all()
    np.testing.assert_allclose(curve[..., [0, -1]], np.broadcast_to([0, 1], (5, 3, 2)), atol=1e-12)
    np.testing.assert_allclose(curve, intensity.husid(motion), atol=1e-9)
    times = [np.interp([0.05, 0.95], c, TIME_S) for c in curve.reshape(-1, 6000)]
    np.testing.assert_allclose(intensity.significant_duration(motion, RATE_HZ).ravel(), np.diff(times)[:, 0], atol=1e-9)


def test_duration_from_the_first_to_the_last_motion():
    """D0-100 of a record that is silent at both ends is the part between."""
    x = np.zeros(1000)
    x[200:801] = np.resize([1.0, -1.0], 601)
    x[800] = 0
    assert intensity.significant_duration(x, RATE_HZ, 0, 1) >= 6.0 - 1e-9
    assert intensity.significant_duration(x, RATE_HZ, 0.001, 0.999) == pytest.approx(6.0, abs=0.03)


# --- kappa ----------------------------------------------------------------------------------------

def decaying(kappa_s, noise=0.0, records=30, seed=8, rate_hz=RATE_HZ):
    """Bursts of noise whose spectrum decays as exp(-πκf), some 20 s long, with noise all the time."""
    rng = np.random.default_rng(seed)
    samples = round(60 * rate_hz)
    freq_hz = np.fft.rfftfreq(samples, 1 / rate_hz)
    burst = rng.standard_normal((records, samples)) * np.exp(-((np.arange(samples) / rate_hz - 20) / 4) ** 2)
    shaped = np.fft.irfft(np.fft.rfft(burst) * np.exp(-np.pi * kappa_s * freq_hz) * freq_hz**2 / (1 + freq_hz**2))
    return shaped + noise * rng.standard_normal(shaped.shape)


@pytest.mark.parametrize("kappa_s, rate_hz", [(0.02, 50.0), (0.05, 50.0), (0.01, 100.0), (0.05, 100.0), (0.01, 200.0)])
def test_planted_kappa_is_found(kappa_s, rate_hz):
    values = intensity.kappa(decaying(kappa_s, rate_hz=rate_hz), rate_hz)
    assert values.mean() == pytest.approx(kappa_s, abs=0.003)
    assert values.std() < (0.012 if rate_hz == 50 else 0.004)             # 10 Hz of band, or 30 and more


def test_noise_ends_the_band_of_kappa():
    """The floor lies at 0.1 % of the burst: a fit up to 40 Hz is much too flat, one that stops in time is not."""
    noisy = decaying(0.05, noise=0.001)
    assert intensity.kappa(noisy, RATE_HZ, (10, 40)).mean() < 0.045
    assert np.nanmean(intensity.kappa(noisy, RATE_HZ)) == pytest.approx(0.05, abs=0.003)
    assert np.isnan(intensity.kappa(decaying(0.05, noise=0.1), RATE_HZ)).all()        # drowned before 18 Hz


def test_kappa_needs_a_band_of_8_hz():
    from tng.kappa import _decay_band

    x, taper = decaying(0.05, noise=0.007), signal.windows.tukey(6000, 0.1)
    x = x - x.mean(axis=-1, keepdims=True)
    starts, ends = _decay_band(x, np.abs(np.fft.rfft(x * taper)) ** 2 / np.square(taper).sum(), RATE_HZ)
    narrow = ends - starts < 8
    assert ((ends - starts)[narrow] > 1).any() and not narrow.all()
    np.testing.assert_array_equal(np.isnan(intensity.kappa(x, RATE_HZ)), narrow)


def test_kappa_of_a_record_that_is_cut_out():
    """Neither an offset nor a slow motion that goes on beyond both ends leaks into high frequencies."""
    swell = 100 + 3 * np.sin(2 * np.pi * 0.21 * TIME_S + 1)
    np.testing.assert_allclose(intensity.kappa(decaying(0.03) + swell, RATE_HZ, (10, 40)),
                               intensity.kappa(decaying(0.03), RATE_HZ, (10, 40)), atol=0.003)


def test_kappa_starts_behind_the_peak():
    """A strong resonance at 14 Hz lifts the start of a fit from 10 Hz; fE is set behind it."""
    b, a = signal.iirpeak(14.5, 14.5, fs=RATE_HZ)
    x = decaying(0.03)
    x = x + 30 * signal.lfilter(b, a, x)
    assert abs(intensity.kappa(x, RATE_HZ).mean() - 0.03) > 0.01                  # its flank is still there, and is said to be
    power = np.abs(np.fft.rfft(x)) ** 2
    assert 14 < np.fft.rfftfreq(6000, 0.01)[power.mean(axis=0).argmax()] < 15
    from tng.kappa import _decay_band

    starts, ends = _decay_band(x, power, RATE_HZ)
    assert (starts == 15).mean() > 0.8 and (ends > 30).all()


def test_records_without_a_kappa():
    stationary = np.random.default_rng(0).standard_normal((10, 6000))
    assert np.isnan(intensity.kappa(stationary, RATE_HZ)).all()
    assert np.isnan(intensity.kappa(decaying(0.03, rate_hz=40.0), 40.0)).all()         # 16 Hz end 6 Hz after the start
    assert np.isnan(intensity.kappa(decaying(0.03)[:, 1600:2500], RATE_HZ)).all()      # 9 s have no quiet window of their own
    assert np.isfinite(intensity.kappa(decaying(0.03)[:, 1600:2500], RATE_HZ, (10, 40))).all()


@pytest.mark.parametrize("band_hz", [(30, 10), (0, 20), (10, 60), (10, 10.01)])
def test_bands_without_a_kappa(band_hz):
    with pytest.raises(ValueError, match="band"):
        intensity.kappa(decaying(0.03, records=1), RATE_HZ, band_hz)


# --- other programs and real records ---------------------------------------------------------------

def test_eqsig(motion):
    """Arias and CAV to 0.1 % after its g of 9.81, durations to 0.02 s: its own are 0.01 s short, on the sample grid."""
    import eqsig

    for x in motion[:, 0] / 100:
        record = eqsig.AccSignal(x, 1 / RATE_HZ)
        ratio = 100 * 9.81 / 9.80665
        assert intensity.arias(100 * x, RATE_HZ) == pytest.approx(ratio * eqsig.im.calc_arias_intensity(record)[-1], rel=1e-3)
        assert intensity.cav(100 * x, RATE_HZ) / 100 == pytest.approx(eqsig.im.calc_cav(record)[-1], rel=1e-3)
        for end in (0.75, 0.95):
            other = eqsig.im.calc_sig_dur_vals(x, 1 / RATE_HZ, 0.05, end)
            assert intensity.significant_duration(x, RATE_HZ, 0.05, end) == pytest.approx(other + 0.01, abs=0.02)


@pytest.mark.parametrize("station", GOLDEN)
def test_real_records(station):
    data = real_record(station)
    columns = np.transpose(GOLDEN[station])
    np.testing.assert_allclose(intensity.pga(data) / 100, columns[0], atol=0.51e-6)
    np.testing.assert_allclose(intensity.arias(data, RATE_HZ) / 100, columns[1], rtol=1e-6)
    np.testing.assert_allclose(intensity.significant_duration(data, RATE_HZ, 0.05, 0.75), columns[2], atol=0.51e-3)
    np.testing.assert_allclose(intensity.significant_duration(data, RATE_HZ), columns[3], atol=0.51e-3)
    np.testing.assert_allclose(intensity.cav(data, RATE_HZ) / 100, columns[4], atol=0.51e-5)
    np.testing.assert_allclose(intensity.pgv(data, RATE_HZ), columns[5], atol=0.51e-4)
    np.testing.assert_allclose(intensity.mean_period(data, RATE_HZ), columns[6], atol=0.51e-4)
    table = intensity.measures(data[None] + 7, RATE_HZ).iloc[0]                     # `measures` takes the mean off itself
    east_north = np.sqrt(columns[:, 0] * columns[:, 1]) * [100, 100, 1, 1, 100, 1, 1]
    names = ["pga_cmps2", "arias_cmps", "d575_s", "d595_s", "cav_cmps", "pgv_cmps", "tm_s"]
    np.testing.assert_allclose(table[names].to_numpy(dtype=float), east_north, rtol=2e-4)


# --- the table ------------------------------------------------------------------------------------

def test_measures_of_the_two_horizontals(motion):
    table = intensity.measures(motion, RATE_HZ)
    assert list(table) == ["pga_cmps2", "pgv_cmps", "pgd_cm", "arias_cmps", "cav_cmps", "d575_s", "d595_s", "tm_s", "kappa_s"]
    assert len(table) == 5
    each = {**all_measures(motion), "kappa": intensity.kappa(motion, RATE_HZ)}
    for column, name in zip(table, ("pga", "pgv", "pgd", "arias", "cav", "d575", "d595", "tm"), strict=False):
        np.testing.assert_allclose(table[column], np.sqrt(each[name][:, 0] * each[name][:, 1]), rtol=1e-9, err_msg=column)
    np.testing.assert_allclose(table["kappa_s"], each["kappa"][:, :2].mean(axis=1))
    np.testing.assert_allclose(intensity.horizontal_pga(motion), table["pga_cmps2"], rtol=1e-9)
    np.testing.assert_allclose(intensity.horizontal_duration(motion, RATE_HZ), table["d595_s"], rtol=1e-9)


def test_measures_that_are_asked_for(motion):
    some = ["d595_s", "pgv_cmps"]
    for columns in (some, ["kappa_s"], ["pgd_cm"], []):
        pd.testing.assert_frame_equal(intensity.measures(motion, RATE_HZ, columns), intensity.measures(motion, RATE_HZ)[columns])
    with pytest.raises(ValueError, match="no measure 'pgd_m'; there are pga_cmps2, pgv_cmps, pgd_cm"):
        intensity.measures(motion, RATE_HZ, ["pgd_m"])


def test_measures_where_some_do_not_exist(motion):
    table = intensity.measures(motion[..., ::4], RATE_HZ / 4)                # 25 Hz hold neither 20 Hz nor a kappa
    assert table[["tm_s", "kappa_s"]].isna().all(axis=None)
    assert table.drop(columns=["tm_s", "kappa_s"]).notna().all(axis=None)


# --- bad input ------------------------------------------------------------------------------------

@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("level", [0.0, 1.0, 0.1, -1e5])
def test_a_record_without_motion(level):
    """Zeros, or a constant: no strength once the mean is off, and no duration, period or kappa, not what rounding leaves."""
    data = np.full((2, 3, 6000), level)
    table = intensity.measures(data, RATE_HZ)
    assert table[["d575_s", "d595_s", "tm_s", "kappa_s"]].isna().all(axis=None)
    np.testing.assert_allclose(table[["pga_cmps2", "pgv_cmps", "pgd_cm", "arias_cmps", "cav_cmps"]], 0, atol=1e-9 * abs(level))
    assert np.isnan(intensity.husid(data)).all()
    for f in (intensity.significant_duration, intensity.mean_period, intensity.kappa):
        assert np.isnan(f(data, RATE_HZ)).all()


def test_one_still_record_does_not_touch_the_others(motion):
    data = motion.copy()
    data[2, 1] = 0
    for name, values in all_measures(data).items():
        assert np.isnan(values[2, 1]) if name in ("d575", "d595", "tm", "kappa") else values[2, 1] == 0
        others = np.delete(values.ravel(), 7)
        np.testing.assert_allclose(others, np.delete(all_measures(motion)[name].ravel(), 7), err_msg=name)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(motion, value):
    data = motion.copy()
    data[3, 1, 77] = value
    with pytest.raises(ValueError, match=r"1 of 15 components, the first at \(3, 1\), has values that are not finite"):
        intensity.pga(data)
    for measure in (intensity.pgv, intensity.pgd, intensity.arias, intensity.cav, intensity.significant_duration,
                    intensity.mean_period, intensity.kappa, intensity.measures, intensity.velocity_and_displacement):
        with pytest.raises(ValueError, match="not finite"):
            measure(data, RATE_HZ)
    with pytest.raises(ValueError, match="the record has values that are not finite"):
        intensity.husid(data[3, 1])


def test_large_finite_values_are_no_error():
    assert intensity.pga(np.array([1e308, 1e308, -1e308])) == 1e308          # their sum is not finite


@pytest.mark.parametrize("call, word", [
    (lambda x: intensity.significant_duration(x, RATE_HZ, 0.95, 0.05), "rising"),
    (lambda x: intensity.significant_duration(x, RATE_HZ, 0.05, 5), "shares"),
    (lambda x: intensity.mean_period(x[:, :, :399], RATE_HZ), "3.99 s at 100 Hz"),
    (lambda x: intensity.mean_period(x, 39.0), "at 39 Hz"),
    (lambda x: intensity.arias(x, 0), "sampling rate of 0"),
    (lambda x: intensity.cav(x, np.nan), "sampling rate of nan"),
    (lambda x: intensity.pgv(x, 0.1), "high-pass"),
    (lambda x: intensity.pga(x[..., :1]), "at least 2 samples"),
    (lambda x: intensity.pga(3.0), "shape"),
    (lambda x: intensity.measures(x[0], RATE_HZ), r"shape \(3, 6000\)"),
    (lambda x: intensity.measures(x[:, :2], RATE_HZ), r"shape \(5, 2, 6000\)"),
])
def test_bad_input(motion, call, word):
    with pytest.raises(ValueError, match=word):
        call(motion)


def test_checks_leave_a_record_as_it_is(motion):
    assert arrays.acceleration(motion) is motion
    single = motion.astype(np.float32)
    assert arrays.acceleration(single).dtype == np.float64
    np.testing.assert_allclose(intensity.arias(single, RATE_HZ), intensity.arias(motion, RATE_HZ), rtol=1e-6)
    before = motion.copy()
    intensity.measures(motion, RATE_HZ)
    np.testing.assert_array_equal(motion, before)
