"""Few records, real or soft: what shaped noise makes of them, beside baselines and the floor.

    python benchmarks/real_folds.py [--seeds 3] [--data fold-0,fold-1,soft] [--into book/results/real_folds.csv] [--work FOLDER]

Two kinds of records with which the synthetic network of the other studies is not to be confused:

fold-0, fold-1   OpenEEW Mexico, 77 real records of 7 sensors and 17 earthquakes, 31.25 Hz, 60 s.  Earthquakes are dealt into two folds: what is
                 learned from one is held against the other, 5 to 7 records a sensor on each side, in 1-12 Hz.
soft             five synthetic soft sites, f0 0.4-1.7 Hz, that ring: 11 to 27 training records, 40 held-out ones, 25 Hz, 120 s, in the band that
                 `tng.bands.site_band` gives.

Each generator makes 60 records a station.  The floor is what the training records reach against the held-out ones and, where a measure is taken against
the training records, what the held-out ones reach.  A seed is that of networks and draws; records stay the same.
What a step makes is kept in the work folder, by data, seed and generator, and taken from there the next time.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import fft, signal

from tng import bands, config, corpus, corpus_tools, remote, runs, sites, stochastic
from tng.generators import nulls, shaping
from tng.ingest import ingest
from tng.records import Record
from tng.recordset import RecordSet
from tng.scoring import structure
from tng.scoring.goals import FLOOR, Judge, Judged
from tng.trainings import carry_out

ROOT = Path(__file__).resolve().parents[1]
GENERATED = 60
REAL = dict(sampling_rate_hz=31.25, window="p-onset", detrend="linear", smallest_snr=3, smallest_records=10, vertical_axis="x")
REAL_HZ, DEAL_SEED = (1.0, 12.0), 4
SOFT_HZ, SOFT_TRAIN, SOFT_TEST = (0.4, 0.55, 0.75, 1.1, 1.7), (27, 11, 15, 22, 19), 40
SOFT_RATE_HZ, SOFT_S, SOFT_NOISE_CMPS2 = 25.0, 120.0, 0.02
AGAINST_TRAINING = ("PGA", "sigma ln PGA", "EAS bias", "PSA bias", "nearest training", "mean PGA", "D5-95 against training", "sigma ln D5-95 against training")
DATA = ("fold-0", "fold-1", "soft")
NULLS = ("average", "phase + envelope", "replay")


# --- records --------------------------------------------------------------------------------------------------------------

def corpus_of(name: str, work: Path) -> corpus.Corpus:
    """Records by the name of the data; made if they are not there."""
    folder = work / name
    if not folder.exists():
        if name == "soft":
            corpus.write(soft_records(), folder, splits=(1, 0, 0), settings={"synthetic": True},
                         also=lambda hidden: _sides(hidden / "metadata.csv"))
        else:
            whole = work / "openeew"
            if not whole.exists():
                ingest(remote.folder("openeew"), whole, progress=False, **REAL)
            corpus_tools.resplit(whole, (1, 0, 0), DEAL_SEED, fold=(int(name[-1]), 2), into=folder)
    return corpus.Corpus.open(folder)


def _sides(path: Path) -> None:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table["split"] = np.where(table["source_id"].str.startswith("test "), "test", "train")
    table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def soft_records() -> Iterator[Record]:
    """Strong earthquakes through soft columns that ring, 120 s at 25 Hz, with noise of the recorder."""
    for number, (f0_hz, n) in enumerate(zip(SOFT_HZ, SOFT_TRAIN)):
        for side, count in (("train", n), ("test", SOFT_TEST)):
            for k in range(count):
                rng = sites.stream(0, f"soft site {number}, {side}", k)
                motion = stochastic.Motion(
                    magnitude=round(rng.uniform(5, 7), 2), stress_bar=100 * np.exp(0.6 * rng.standard_normal()), hypocentral_km=round(np.exp(rng.uniform(*np.log([20, 200]))), 2),
                    back_azimuth_rad=rng.uniform(0, 2 * np.pi), kappa_s=max(0.01, 0.04 + 0.012 * rng.standard_normal()), onset_s=rng.uniform(2, 15), noise_cmps2=SOFT_NOISE_CMPS2)
                meta = {"source_magnitude": motion.magnitude, "path_hyp_distance_km": motion.hypocentral_km, "trace_category": "synthetic",
                        "trace_p_arrival_sample": round(motion.onset_s * SOFT_RATE_HZ, 2), "trace_s_arrival_sample": round(motion.s_onset_s * SOFT_RATE_HZ, 2)}
                yield Record(on_soft_ground(motion, f0_hz, rng), SOFT_RATE_HZ, f"soft{number}", f"{side} {number} {k}", meta)


def on_soft_ground(motion: stochastic.Motion, f0_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Motion of rock on a soft layer whose resonance is damped by 1 % and by what it radiates; f0 varies by 4 % from record to record."""
    rate_hz, samples = stochastic.SAMPLING_RATE_HZ, round(SOFT_S * stochastic.SAMPLING_RATE_HZ)
    rock = fft.irfft(stochastic.rock_motion(motion, rng), stochastic.WORK_SAMPLES) * rate_hz
    freq_hz = fft.rfftfreq(2 * samples, 1 / rate_hz)
    stretched = np.maximum(freq_hz, freq_hz[1] / 2) / np.exp(0.04 * rng.standard_normal())
    horizontal, vertical = (np.log(sites.layered_transfer(stretched, (50.0,), (slow * f0_hz, fast), (1.6, 2.4), (50, 200)))
                            for slow, fast in ((200, 2500), (1000, 4500)))          # m/s: a quarter of the wavelength is 50 m; P is faster
    filters = np.exp([stochastic.minimum_phase(gain) for gain in (horizontal, horizontal, vertical)])
    shaken = fft.irfft(fft.rfft(rock, 2 * samples) * filters, 2 * samples)[:, :samples]
    coarse = signal.resample_poly(shaken, 1, round(rate_hz / SOFT_RATE_HZ), axis=1)
    return (coarse + SOFT_NOISE_CMPS2 * rng.standard_normal(coarse.shape)).astype(np.float32)


# --- measures -------------------------------------------------------------------------------------------------------------

class Bench:
    """Recorded sides of some data, and what is measured of a set of records against them."""

    def __init__(self, name: str, work: Path):
        self.corpus = corpus_of(name, work)
        self.stations, self.rate_hz = self.corpus.stations, self.corpus.sampling_rate_hz
        self.band_hz = REAL_HZ if name != "soft" else tuple(bands.of_corpus(self.corpus, rows=self.corpus.select(split="train")))
        train, test = (RecordSet.of(self.corpus, f"{side} records", split=side, stations=self.stations) for side in ("train", "test"))
        sizes = {code: len(train.rows(code)) for code in self.stations}
        self.judge = Judge(train, test, records=sizes, band_hz=self.band_hz)

    def floor(self) -> pd.Series:
        known = self.table(self.judge.train, new=False)
        return self.table(self.judge.held_out).where(known.index.isin(AGAINST_TRAINING), known)

    def table(self, made: RecordSet | Judged, new: bool = True) -> pd.Series:
        """A number a measure: those of `tng.scoring.goals` at as many records as were trained on, and some of all records."""
        made = Judged.of(made, self.judge.grid)
        return pd.concat([self.judge.of(made, new=new, slow=("nearest training", "C2ST"))["value"], pd.Series(self._of_all(made))])

    def _of_all(self, made: Judged) -> dict[str, float]:
        """Means over stations; ratios are geometric means."""
        each = [self._of_station(*(side.of_station(code) for side in (made, self.judge.train, self.judge.held_out))) for code in self.stations]
        found = pd.DataFrame(each).mean()
        return {name: value if name.startswith(("HVSR", "hiss")) else np.exp(value) for name, value in found.items()}

    def _of_station(self, made: Judged, train: Judged, held_out: Judged) -> dict[str, float]:
        names, sides = self.judge.grid.measures, (made, train, held_out)
        curves = [np.median(side.features.ln_hvsr, axis=0) for side in sides]
        pga, duration = ([side.features.ln_measures[:, names.index(name)] for side in sides] for name in ("pga_cmps2", "d595_s"))
        high_hz = 0.32 * self.rate_hz, 0.44 * self.rate_hz
        ratio = [structure.band_ratio(side.records.data, self.rate_hz, high_hz, (1.0, 5.0)) for side in sides]
        weak, strong = np.array([structure.thirds(value, strength) for value, strength in zip(ratio, pga)]).T
        ringing, lines = ([np.log(np.median(value)) for value in values] for values in (
            [structure.ringing(side.records.data, self.rate_hz) for side in sides],
            [1 + structure.line_correlation(side.records.data, self.rate_hz, self.band_hz) for side in sides]))
        return {
            "HVSR rms, all records": float(np.sqrt(((curves[0] - curves[2]) ** 2).mean()) / np.log(10)),
            "HVSR rms against training": float(np.sqrt(((curves[0] - curves[1]) ** 2).mean()) / np.log(10)),
            "mean PGA": pga[0].mean() - pga[1].mean(),
            "D5-95 against training": float(np.median(duration[0]) - np.median(duration[1])),
            "sigma ln D5-95 against training": float(np.log(duration[0].std(ddof=1) / duration[1].std(ddof=1))),
            "P-S lag": float(np.nanmedian(made.phases[:, 0]) - np.nanmedian(held_out.phases[:, 0])),
            "ringing": ringing[0] - ringing[2],
            "1 + line correlation": lines[0] - lines[2],
            "hiss of weak records": weak[0] - weak[2], "hiss of strong records": strong[0] - strong[2],
        }


# --- the study ------------------------------------------------------------------------------------------------------------

def tables(name: str, seed: int, work: Path) -> dict[str, pd.Series]:
    """Numbers of the floor and all generators on some data, for a seed."""
    bench, found = None, {}
    for what in (FLOOR, "shaped noise", *NULLS):
        path = work / f"seed{0 if what == FLOOR else seed}" / name / f"{what}.csv"
        if not path.exists():
            bench = bench or Bench(name, work)
            print(f"{name}, seed {seed}: {what}", flush=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            made = bench.floor() if what == FLOOR else bench.table(generated(what, bench, seed, path.parent))
            made.rename("value").to_csv(path, index_label="measure")
        found[what] = pd.read_csv(path, index_col="measure")["value"]
    return found


def soft_bands(work: Path) -> dict:
    """What the soft sites' training records say of bands and windows, a row a site."""
    data = corpus_of("soft", work)
    report = bands.report(data, rows=data.select(split="train"))
    return {"band [Hz]": report.attrs["band"], **report.drop(columns=["records", "told"]).round(3).to_dict("index")}


def generated(what: str, bench: Bench, seed: int, folder: Path) -> RecordSet:
    if what == "shaped noise":
        settings = config.settings(seed=seed, stations=tuple(bench.stations), sampling_rate_hz=bench.rate_hz, window_s=bench.corpus.samples / bench.rate_hz)
        trained = carry_out("shaped-noise", runs.Run("study", folder, bench.corpus.folder, settings, own_corpus=True))
        maker = shaping.generator(trained.network, trained.extra, trained.info["stations"])
    else:
        maker = nulls.baselines(bench.corpus, bench.stations)[what]
    return RecordSet.of([record for code in bench.stations for record in maker.sample(code, GENERATED, seed)], what)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", default=",".join(DATA), help="some of these, with commas between")
    parser.add_argument("--into", type=Path, default=ROOT / "book/results/real_folds.csv")
    parser.add_argument("--work", type=Path, default=ROOT / "runs/real_folds")
    options = parser.parse_args()
    names = options.data.split(",")
    if unknown := [name for name in names if name not in DATA]:
        parser.error(f"no data {unknown[0]!r}: {config.nearest(unknown[0], DATA)}")
    warnings.simplefilter("ignore")                         # windows that miss the end of a large earthquake, flat curves with f0 at an edge
    each = [pd.concat({(name, what): values for name in names for what, values in tables(name, seed, options.work).items()},
                      names=["data", "generator", "measure"]) for seed in range(options.seeds)]
    found = pd.concat(each, axis=1, keys=[f"seed {seed}" for seed in range(options.seeds)])
    found.insert(0, "value", found.mean(axis=1))
    print(found["value"].unstack("generator").round(3).to_string())
    options.into.parent.mkdir(parents=True, exist_ok=True)
    found.round(4).to_csv(options.into, lineterminator="\n")
    about = {"seeds": options.seeds, "data": names, "generated records": GENERATED, "band of the real records [Hz]": REAL_HZ,
             "seed of the folds": DEAL_SEED, "soft sites: f0 [Hz]": SOFT_HZ, "soft sites: training records": SOFT_TRAIN, "soft sites: held-out records": SOFT_TEST,
             **({"soft sites: bands": soft_bands(options.work)} if "soft" in names else {}), "settings of the networks": config.settings().model_dump(mode="json")}
    options.into.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
