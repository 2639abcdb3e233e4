"""Fit the five ``…-like`` stations to the published arrays, and write `tng/sites.json`.

    python benchmarks/calibrate_sites.py FOLDER            # a folder with hvsr_f0_station_*.npz; about 8 minutes
    python benchmarks/calibrate_sites.py FOLDER --measure  # only print how well the stored sites fit

The horizontal curve follows the published median HVSR by fixed-point steps; the two scatters are those whose f0
histogram is most similar to the published one.  Both come from the numbers that scores use later: the fit is
in-sample, and there is no held-out data.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

import tng
from tng.scoring import similarity
from tng.sites import NODE_HZ, Site, calibrated_sites, fitted_site
from tng.spectra import BAND_HZ, CURVE_HZ, f0, hvsr, median_curve
from tng.surrogate import SAMPLING_RATE_HZ, VERSION, simulate

STATIONS = ("0205", "1716", "2020", "3130", "4628")
INSIDE = (NODE_HZ >= BAND_HZ[0]) & (NODE_HZ <= BAND_HZ[1])
STEP = 0.8                     # of the difference, a round: below 1, because smoothing couples the nodes
SIGMAS, SHIFTS = (0.0, 0.05, 0.1, 0.2, 0.3), (0.0, 0.015, 0.03, 0.045)
RECORDS, FIRST_RECORDS, LAST_RECORDS = 300, 200, 400
SEEDS = {"median": 1001, "scatter": 1002, "last": 1003, "measure": 1004}       # none is 0, the default of a user


def published(folder: Path, code: str) -> tuple[np.ndarray, np.ndarray]:
    """The median HVSR at `CURVE_HZ`, and the f0 of every record [Hz]."""
    with np.load(folder / f"hvsr_f0_station_{code}.npz") as arrays:
        curve = np.interp(CURVE_HZ, arrays["hvsr_freq_real"], arrays["hvsr_median_real"])
        return curve.astype(float), arrays["f0_real"].astype(float)


def statistics(site: Site, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Median HVSR at `CURVE_HZ`, and f0 of each record [Hz], of `n` records of a site."""
    freq_hz, curves = hvsr(np.array([record.data for record in simulate(site, n, seed)]), SAMPLING_RATE_HZ)
    return median_curve(freq_hz, curves), f0(freq_hz, curves)


def goal_at_nodes(curve: np.ndarray) -> np.ndarray:
    """ln of the wanted HVSR at the nodes; outside 1-20 Hz its edge slope goes on, by at most 0.5."""
    x, y, nodes = np.log(CURVE_HZ), np.log(curve), np.log(NODE_HZ)
    goal = np.interp(nodes, x, y)
    for edge, near, beyond in ((0, x < x[0] + 0.15, nodes < x[0]), (-1, x > x[-1] - 0.15, nodes > x[-1])):
        slope = np.polyfit(x[near], y[near], 1)[0]
        goal[beyond] = y[edge] + np.clip(slope * (nodes[beyond] - x[edge]), -0.5, 0.5)
    return goal


def fit_median(site: Site, curve: np.ndarray, rounds: int, n: int, seed: int, start: bool) -> Site:
    """Move the site's curve until its median HVSR is the wanted one.  `start`: the first step moves all nodes."""
    goal = goal_at_nodes(curve)
    first, last = np.flatnonzero(INSIDE)[[0, -1]]
    for number in range(rounds):
        current = np.interp(np.log(NODE_HZ), np.log(CURVE_HZ), np.log(statistics(site, n, seed)[0]))
        step = goal - current
        if not (start and number == 0):        # outside the band nothing is measured: follow the edge
            step[:first], step[last + 1:] = step[first], step[last]
        site = replace(site, ln_horizontal=tuple((np.array(site.ln_horizontal) + STEP * step).tolist()))
    return site


def fit_scatter(site: Site, f0_hz: np.ndarray, n: int, seed: int) -> Site:
    """The (sigma, shift) on the grid whose f0 histogram is most similar to the published one."""
    candidates = [replace(site, sigma=sigma, shift=shift) for sigma in SIGMAS for shift in SHIFTS]
    return max(candidates, key=lambda candidate: similarity(statistics(candidate, n, seed)[1], f0_hz))


def fit(code: str, folder: Path) -> Site:
    curve, f0_hz = published(folder, code)
    site = fitted_site(f"{code}-like", (0.0,) * len(NODE_HZ), sigma=0.1, shift=0.02)
    site = fit_median(site, curve, rounds=5, n=FIRST_RECORDS, seed=SEEDS["median"], start=True)
    site = fit_scatter(site, f0_hz, RECORDS, SEEDS["scatter"])
    site = fit_median(site, curve, rounds=3, n=LAST_RECORDS, seed=SEEDS["last"], start=False)
    return replace(site, ln_horizontal=tuple(np.round(site.ln_horizontal, 4).tolist()))


def measure(site: Site, folder: Path, n: int = RECORDS, seed: int = SEEDS["measure"]) -> dict:
    """How near a site is, with fresh records: rms log10 difference of the median HVSR, and f0 similarity."""
    curve, f0_hz = published(folder, site.name[:4])
    median, found_hz = statistics(site, n, seed)
    return {"rms_log10": round(float(np.sqrt(np.mean(np.log10(median / curve) ** 2))), 4),
            "f0_similarity": round(float(similarity(found_hz, f0_hz)), 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds hvsr_f0_station_*.npz")
    parser.add_argument("--measure", action="store_true", help="only measure the stored sites")
    parser.add_argument("--stations", nargs="+", choices=STATIONS, default=STATIONS, help="fit only these")
    arguments = parser.parse_args()
    missing = [code for code in STATIONS if not (arguments.folder / f"hvsr_f0_station_{code}.npz").exists()]
    if missing:
        parser.error(f"{arguments.folder} has no hvsr_f0_station_{missing[0]}.npz; give the folder that holds "
                     "the published arrays")
    target = Path(tng.__file__).parent / "sites.json"
    sites = {} if not target.exists() else {site.name[:4]: site for site in calibrated_sites()}
    rows = []
    for code in tqdm(STATIONS, unit="station", disable=None):
        if not arguments.measure and (code in arguments.stations or code not in sites):
            sites[code] = fit(code, arguments.folder)
        site = sites[code]
        fresh = measure(site, arguments.folder)
        tqdm.write(f"{site.name}  sigma {site.sigma:<5} shift {site.shift:<5} rms {fresh['rms_log10']:.4f}  "
                   f"f0 similarity {fresh['f0_similarity']:.3f}")
        rows.append({"name": site.name, "sigma": site.sigma, "shift": site.shift, "fit": fresh,
                     "ln_horizontal": list(site.ln_horizontal)})
    if arguments.measure:
        return
    note = {
        "about": "Synthetic stations whose H/V curve and f0 scatter are fitted, in-sample, to arrays published with "
                 "TimesNet-Gen (MIT). Made by benchmarks/calibrate_sites.py; do not edit.",
        "settings": {"surrogate_version": VERSION, "step": STEP, "sigmas": SIGMAS,
                     "shifts": SHIFTS, "seeds": SEEDS,
                     "records": {"median": FIRST_RECORDS, "scatter": RECORDS, "last": LAST_RECORDS, "measure": RECORDS},
                     "fit": f"rms_log10 and f0_similarity of {RECORDS} fresh records, seed {SEEDS['measure']}"},
    }
    header = json.dumps(note, indent=1)[:-2]
    text = header + ',\n "sites": [\n  ' + ",\n  ".join(json.dumps(row) for row in rows) + "\n ]\n}\n"
    json.loads(text)
    partial = target.with_suffix(".part")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, target)


if __name__ == "__main__":
    main()
