"""ESM25, the machine-learning snapshot of the Engineering Strong-Motion Database (CC BY 4.0): to fetch and to read.

Data: Cianetti et al. (2026), ESM25, Istituto Nazionale di Geofisica e Vulcanologia, doi 10.13127/ai/esm25.  It is
published in SeisBench's repository in the SeisBench layout, which :mod:`tng.readers.seisbench` reads.  Three variants
hold waveforms: `good-mp` (processed by hand: acceleration, velocity, displacement), `good-cv` (processed automatically,
acceleration) and `bad-cv` (the same of low quality).

Traces have components u, v, w along the axes of the instrument, which stand in the table as azimuths.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tng.channels import Channel, check_peak, number
from tng.records import ComponentError, UnitsError
from tng.remote import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, RemoteError, cache_folder, sha256

ADDRESS = "https://hifis-storage.desy.de/Helmholtz/HelmholtzAI/SeisBench/datasets/"
MIRROR = "https://seisbench.gfz.de/mirror/datasets/"
VARIANTS = {"good-mp": "esm25goodmp", "good-cv": "esm25goodcv", "bad-cv": "esm25badcv"}
LICENCE = "CC BY 4.0 (ESM25, doi 10.13127/ai/esm25)"
RECORD = "checksums.json"

COMPONENT = re.compile(r"(acc|vel|dis)_(\w+)_([uvw])")
# Peaks, spectra, durations … of u, v, w and their rotations, some 400 columns: all of it can be computed from the record.
MEASURE = re.compile(r"r?trace_(?:[uvw]|r?otd?\d*|rot_d\d+)_(?!channel_code|azimuth_deg|inclination_deg|hp$|lp$).+")
MAGNITUDES = ("mw", "ml", "ms", "mb", "md", "m")


# --- what its columns mean -----------------------------------------------------------------------------

def is_esm(order: Sequence[str]) -> bool:
    """Whether components are named as in ESM25."""
    return any((match := COMPONENT.fullmatch(one)) and match[1] == "acc" for one in order)


def acceleration(order: Sequence[str], name: str) -> list[int]:
    """Places of the u, v, w of acceleration.

    Raises
    ------
    ComponentError
        If one of them is missing or there twice.
    """
    places = [(match[3], place) for place, one in enumerate(order) if (match := COMPONENT.fullmatch(one)) and match[1] == "acc"]
    if sorted(axis for axis, _ in places) != ["u", "v", "w"]:
        raise ComponentError(f"{name}: components {', '.join(order)}; acceleration along u, v and w is needed, each once")
    return [place for _, place in sorted(places)]


def unit_of(component: str, measurement, unit, name: str) -> str | None:
    """The unit of one component, of a `unit` as ``cps2/cps/c`` that goes with ``acceleration,velocity,displacement``.

    ESM writes ``c`` for cm and ``p`` for per, also in the names of its columns: ``cps2`` is cm/s².
    """
    if unit is None:
        return None
    kinds = [re.sub(r"\W", "", one)[:3].lower() for one in re.split(r"[,;]", str(measurement or ""))]
    parts = [one.strip() for one in re.split(r"[,;]", str(unit))]
    if len(parts) == 1 and len(kinds) > 1:
        parts = str(unit).split("/")
    if len(parts) == len(kinds) > 1:
        if component[:3] not in kinds:
            raise UnitsError(f"{name}: component {component}, but measurement is {measurement}; correct data_format")
        unit = parts[kinds.index(component[:3])]
    return "cm/s2" if str(unit).strip() in ("cps2", "cps^2", "c/s2") else str(unit)


def describe(row: dict) -> dict:
    """A row under the usual names of the SeisBench layout, without the intensity measures."""
    meta = {name: value for name, value in row.items() if not MEASURE.fullmatch(name)}
    for old, new in (("source_esm_origin_time", "source_origin_time"), ("path_epi_dist_km", "path_ep_distance_km"),
                     ("path_hyp_dist_km", "path_hyp_distance_km"), ("station_ec8_code", "station_site_class"),
                     ("trace_processing_type", "trace_processing")):
        if old in meta:
            meta.setdefault(new, meta.pop(old))
    for kind in MAGNITUDES:
        if "source_magnitude" not in meta and f"source_magnitude_{kind}" in meta:
            meta["source_magnitude"] = meta[f"source_magnitude_{kind}"]
            meta["source_magnitude_type"] = kind.capitalize()
    for corner, name, pick in (("hp", "trace_lowcut_hz", max), ("lp", "trace_highcut_hz", min)):
        stated = [meta.pop(f"trace_{axis}_{corner}", None) for axis in "uvw"]
        known = [one for one in stated if isinstance(one, (int, float)) and np.isfinite(one) and one > 0]
        if known:
            meta[name] = pick(known)               # the band that all three components have
    meta.setdefault("station_vs30_mps", np.nan)
    meta["trace_license"] = LICENCE
    return meta


def channels(data: np.ndarray, rate_hz: float, station: str, event: str, meta: dict, labels: Sequence[str], name: str,
             peaks: dict) -> list[Channel]:
    """u, v, w [cm/s²] with their azimuths.

    `peaks` are ``trace_u_pga_cps2`` …; they are compared with the records processed by hand, of which they are.

    Raises
    ------
    ComponentError
        An axis without a direction.
    HeaderMismatchError
        A peak that is not the stated one.
    """
    made = []
    for axis, label, samples in zip("uvw", labels, data):
        code = str(meta.get(f"trace_{axis}_channel_code", ""))
        azimuth, dip = (number(meta.get(f"trace_{axis}_{what}_deg")) for what in ("azimuth", "inclination"))
        if axis == "w":
            if not (dip == 90 or np.isnan(dip) and code == "Z"):
                raise ComponentError(f"{name}: component {label} ({code or 'no code'}) has an inclination of {dip:g}°; upwards "
                                     "(90°) is needed, and whether others are of another sign the data set does not tell")
            direction = None
        else:
            if not (dip == 0 or np.isnan(dip)):
                raise ComponentError(f"{name}: component {label} has an inclination of {dip:g}°; it must be horizontal")
            direction = {"E": 90.0, "N": 0.0}.get(code) if np.isnan(azimuth) else azimuth % 360
            if direction is None:
                raise ComponentError(f"{name}: component {label} ({code or 'no code'}) has no azimuth to turn it to E and N by")
        one = Channel(samples, rate_hz, station, direction, label, name, str(meta.get("trace_source_sha256", "")), None, event,
                      meta={key: value for key, value in meta.items() if not re.match(r"trace_[uvw]_", key)})
        stated = number(peaks.get(f"trace_{axis}_pga_cps2"))
        if "_mp_" in label and np.isfinite(stated):
            check_peak(one, stated)
        made.append(one)
    return made



# --- fetching ------------------------------------------------------------------------------------------

def fetch(variant: str = "good-mp", progress: bool = True, address: str = ADDRESS) -> Path:
    """The folder of a variant, downloaded where it is not in the cache yet.

    Files are fetched one by one, so an interrupted download goes on with the file it was at.  The publisher
    gives neither checksums nor sizes to pin: what came is hashed (SHA-256, in ``checksums.json`` beside it)
    and must be the same whenever it is opened again.  The waveforms take many gigabytes.

    Parameters
    ----------
    variant : str
        `good-mp`, `good-cv` or `bad-cv`.
    progress : bool
        Show how much of how much has come.
    address : str
        Where the variants lie; another copy is at :data:`MIRROR`.

    Raises
    ------
    RemoteError
        Unknown variant; no network; a server's refusal; a file that is not what it was.
    """
    if variant not in VARIANTS:
        raise RemoteError(f"{variant!r}: no variant of ESM25; known are {', '.join(VARIANTS)}")
    folder = cache_folder() / "esm25" / variant
    base = f"{address.rstrip('/')}/{VARIANTS[variant]}/"
    if "waveforms.hdf5" in _known(folder):           # not in chunks: then nothing more needs to be asked
        chunks = [""]
    else:
        listed = _fetch(base, "chunks", folder, progress=False, optional=True)
        chunks = sorted(filter(None, map(str.strip, listed.read_text(encoding="utf-8").splitlines()))) if listed else [""]
    if not chunks or any(re.search(r"[/\\\0]", chunk) for chunk in chunks):
        raise RemoteError(f"{base}chunks: not a list of the data set's parts; is the address right?")
    for chunk in chunks:
        for name in (f"metadata{chunk}.csv", f"waveforms{chunk}.hdf5"):
            _fetch(base, name, folder, progress)
    return folder


def _fetch(base: str, name: str, folder: Path, progress: bool, optional: bool = False) -> Path | None:
    """One file; None if it is optional and the server does not have it."""
    file, known = folder / name, _known(folder)
    if file.is_file() and name in known:
        if sha256(file) != known[name]:
            raise RemoteError(f"{file}: is not what was downloaded (its SHA-256 has changed); remove it and fetch again")
        return file
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")              # tqdm's, on notebooks without widgets
        import pooch
    from requests.exceptions import RequestException

    pooch.get_logger().setLevel("ERROR")
    loader = pooch.HTTPDownloader(timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S), progressbar=progress)
    file.unlink(missing_ok=True)                     # there, but never finished being recorded
    try:
        pooch.retrieve(base + name, known_hash=None, fname=name, path=folder, downloader=loader)
    except RequestException as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if optional and status in (403, 404):
            return None
        why = f"the server answered {status}" if status else f"no connection ({type(error).__name__})"
        raise RemoteError(f"{name} of ESM25: could not be downloaded from {base}: {why}; try again later, "
                          f"or the copy at {MIRROR}, or get the files by other means and ingest their folder") from error
    except OSError as error:
        raise RemoteError(f"{name} of ESM25: could not be written under {folder}: {error}; free space there or set TNG_CACHE to "
                          "another folder") from error
    _remember(folder, {**known, name: sha256(file)})
    return file


def _known(folder: Path) -> dict[str, str]:
    """SHA-256 of what was fetched."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(folder: Path, digests: dict[str, str]) -> None:
    part = folder / f".{RECORD}.part"
    part.write_text(json.dumps(digests, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    os.replace(part, folder / RECORD)
