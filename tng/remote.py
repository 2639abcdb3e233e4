"""Public files by name: pinned to a commit, checked by SHA-256, kept in a cache.

A file is looked for in the folder that the environment variable ``TNG_MIRROR`` names, then in the cache
(pooch's own place, or ``TNG_CACHE``), and only then on the network.  Mirror, cache and names share one
layout, so a cache folder can serve as a mirror on a machine without a network.  Of OpenEEW's many small
files a mirror may hold the archive instead; they are then unpacked into the cache.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import os
import tarfile
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 3, 15
AT_ONCE = 8  # downloads of a collection

MIT_PUBLISHED = "MIT, as part of the TimesNet-Gen repository"
AFAD_MAT = ("AFAD waveforms: no redistribution permission is known. The file is fetched from the authors' own "
            "public repository, whose licence ({}) cannot grant AFAD's rights; keep it for yourself.")
AFAD_NSMN = ("AFAD waveforms with an AFAD copyright line: no redistribution permission is known. The file is fetched "
             "from the public USGS repository (CC0) that its authors test their own software with; keep it for yourself.")
ESM = ("Engineering Strong-Motion Database, or AFAD through it: the licence is that of the record's own header. The file is fetched from "
       "the public USGS repository (CC0) that its authors test their own software with.")
GEONET = "CC BY 3.0 NZ, GeoNet (attribution required). The file is fetched from a public USGS repository."
COSMOS = ("CESMD, USGS and a made-up test record: name the source. The file is fetched from the public USGS repository (CC0) "
          "that its authors test their own software with.")
OPENEEW = ("CC BY-SA 4.0, Grillo / OpenEEW. Name the source, and share what you derive from the data under the same licence; "
           "fetched from the project's own public repository.")
# A mirror may hold a collection as one archive: folder of the collection → archive, and the folder in it.
ARCHIVES: Mapping[str, tuple[str, str]] = MappingProxyType({"openeew": ("openeew/openeew_data.tar.gz", "data")})


class RemoteError(RuntimeError):
    """A public file that could not be had; the message says which, why, and what to do."""


@dataclass(frozen=True)
class RemoteFile:
    """Where a public file lives, what it must hash to, and on which terms it may be used."""

    url: str
    sha256: str
    licence: str


def _files(folder: str, repository: str, commit: str, path: str, licence: str, hashes: Mapping[str, str]):
    base = f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"
    return {f"{folder}/{name}": RemoteFile(f"{base}/{name}", sha256, licence) for name, sha256 in hashes.items()}


def _samples(folder: str, licence: str, hashes: Mapping[str, str]):
    """Sample files of other networks, from the public repository of a USGS program (CC0), which tests itself with them."""
    return _files(folder, "DOI-USGS/ghsc-esi-groundmotion-processing", "e8228ceaf4128468d54f203d57a16a281b590bb6",
                  f"tests/data/{folder.removeprefix('afad_')}", licence, hashes)


def _openeew() -> dict[str, RemoteFile]:
    pinned = json.loads(Path(__file__).with_name("openeew.json").read_text("utf-8"))
    return _files("openeew", pinned["repository"], pinned["commit"], pinned["path"], OPENEEW, pinned["sha256"])


REGISTRY: Mapping[str, RemoteFile] = MappingProxyType({
    **_files("published", "brsylmz23/TimesNet-Gen", "67158d16564c7d0d7c265b4b78539d1c9a5e7379", "data", MIT_PUBLISHED, {
        "hvsr_f0_station_0205.npz": "b85f16ef2f62dc2276e290dfbd7ac712711c12fb167cd60237d1525d811a3341",
        "hvsr_f0_station_1716.npz": "2289869930a643cb792c3578b32a19c683c3ed816acfa2ab6b5285305c0caac8",
        "hvsr_f0_station_2020.npz": "0e5b1da91e2c5a5500333b30c71c2fa9d42152041bbf42d8fb3ab201adb65057",
        "hvsr_f0_station_3130.npz": "d408f5f17f99804d8dce411d5092600e2f2741d559f284d66732a8081775d942",
        "hvsr_f0_station_4628.npz": "7c30588c6ddda4be861e79f8eecaf4da22bc96735bf21a420e36161e36415be8",
    }),
    **_files("afad_mat", "brsylmz23/CNNLSTM_DeepEQ", "eb48fdd67576b3eb1dc68bdc55ea72bae85e96a0",
             "CNNLSTM_Pwave/sampleQuakes", AFAD_MAT.format("Apache-2.0"), {
        "20120106001648_6501.mat": "a2a052bea279e2fc487f54a2690374db3f647c81f51be2a4fa89d83e181cbe72",
        "20120111034408_4306.mat": "4cb83362b03ffa3360dd0fb89dd811c9c0212108175e0c11ae4b9fcdaeaad24d",
        "20170729022411_4801.mat": "6debaf7172a870c8874ec3c24f50d7c2e1cc4b49ebbccacba5144e98f4bbc75a",
        "20170802040246_4806.mat": "338f674d3f8c7380d8338bf2de952a0193496f8cdbed43af6436356301c89ffe",
    }),
    **_files("afad_mat", "brsylmz23/earthquake-signal-gui", "7520f7c4a7d21f275abafb616464174284aad3f0",
             "sample_data", AFAD_MAT.format("MIT"), {
        "20120112192502_4905.mat": "3e1872d179fbc355dcb97fc29d6d274a0a11aa08bd004b962fb904573a1cc06a",
        "20120113141020_2507.mat": "79c82ca4842f946c2c4bfe98713e1516e97dca71b8f79fc918f870c8db56e941",
        "20120114055233_2404.mat": "edca702cee9b0a2df96d9af3a1f2a0b4b365f449da726a54d4cdb6b5b928354d",
        "20120114055233_5801.mat": "0c38bbbf6117048d659571dbd7e7950eb4e6f62237278bcfb097835382f21641",
        "20120115133856_2404.mat": "bf13f89f86585d6791a3c4fc2d318bc53eca20388f9cb3953c3af38a0829f9d9",
    }),
    **_samples("afad_nsmn/us20009ynd", AFAD_NSMN, {
        "20170720223109_0921.txt": "f99b9f38fd88afb21bae1d1d64ced5f2c87beed472308d93711eef8832d6c114",
        "20170720223109_4304.txt": "09cd9ae79f092b4896e64c45f65b2da451046740b885459b9e1182abe65a3321",
        "20170720223109_5405.txt": "b180b5a378c26b5ce3d3c8dd6a39e1b6327248b7d51cff479dd184f78762f9c9",
    }),
    **_samples("esm/us60004wsq", ESM, {
        "HI.ARS1..HNE.D.20190728.160908.C.ACC.ASC": "aa566e531ec0637882b60dea2f7b2b2139db4b84ebb7ea82549fde27cf9d2ec9",
        "HI.ARS1..HNN.D.20190728.160908.C.ACC.ASC": "59fa27f4c824fad41e7e00525d254acdd144e57eb58c3aaf70ace9664bb54974",
        "HI.ARS1..HNZ.D.20190728.160908.C.ACC.ASC": "7a92dab5924a10b8ec50ca6efa68a28d0b6e6b3c04fc33896841df21198b6463",
        "HL.DLFA..HNE.D.20190728.160908.C.ACC.ASC": "4cb8baddfde894a37b0df6836073e824862ddc991bbfb9b36c7e869b10b03099",
        "HL.DLFA..HNN.D.20190728.160908.C.ACC.ASC": "807c643fcd7e30d36126c8232b3864af955cac62e293b8f7269a7d6782268a2a",
        "HL.DLFA..HNZ.D.20190728.160908.C.ACC.ASC": "5c7f254c9c72a2d7b7422d6037b2709753514fd25eada76f50cf3552e93c66a5",
    }),
    **_samples("esm/usp000hpnf", ESM, {
        "20101114230825_3104_ap_RawAcc_E.asc": "8ba0a68288e9618291d77301276577f1fe20a292f04ee79eed9e424d229c64ad",
    }),
    **_samples("geonet/nz2018p115908", GEONET, {
        "20180212_211557_WPWS_20.V2A": "d27a6991f140f0d0519319f2e1e4efa0ce78f809b060d90d40329c24aa49b2ab",
    }),
    **_samples("geonet/us1000778i", GEONET, {
        "20161113_110300_HSES_20.V1A": "65615a80554a4a97827e7d8ca4b2ba50b9184701eb3df55763a229406d847502",
    }),
    **_samples("cosmos/ak018fcnsk91", COSMOS, {
        "NP8040-n.1000hyfh.HNE.01.V0c": "7dad7f4c3f2cab58db1d22690265e18814c10e5a410d988d223e08559a1c75d2",
    }),
    **_samples("cosmos/ci14155260", COSMOS, {
        "Cosmos12TimeSeriesTest.v1": "8176e7cab6b9af523cc9cf8a4ad7825dd6e07f480bbdc04284b9113021153890",
        "Cosmos12TimeSeriesTest2.v1": "01c50665c5182728c8abce44125b4340210b3f35863932f3e4253c9771c4e38b",
    }),
    **_samples("cosmos/ftbragg", COSMOS, {
        "NP1795-n.305.v0c": "69b708454c7d3f4436ad8acf57f4089b499e7a3d2614791b0e1184ca92821981",
    }),
    **_samples("cosmos/us1000hyfh", COSMOS, {
        "us1000hyfh_akbmrp_AKBMR--n.1000hyfh.BNZ.--.acc.V2c": "178a79bfc9f04016f4ac5beecd1481a603536aad3b5f725b44f3d417a0d1e34a",
    }),
    **_openeew(),
})

_FOLDERS = {"published": ["published"], "afad-mat": ["afad_mat"], "afad-nsmn": ["afad_nsmn"], "esm": ["esm"], "geonet": ["geonet"],
            "cosmos": ["cosmos"], "samples": ["afad_mat", "afad_nsmn", "esm", "geonet", "cosmos"], "openeew": ["openeew"]}
COLLECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    title: tuple(sorted(name for name in REGISTRY if name.split("/")[0] in folders)) for title, folders in _FOLDERS.items()
})


def names(collection: str | None = None) -> list[str]:
    """Sorted names of all public files, or of one collection (`published`, `afad-mat`, `afad-nsmn`,
    `openeew`).

    Raises
    ------
    RemoteError
        If there is no such collection.
    """
    if collection is None:
        return sorted(REGISTRY)
    if collection not in COLLECTIONS:
        raise RemoteError(_unknown("collection", collection, COLLECTIONS))
    return list(COLLECTIONS[collection])


def path(name: str) -> Path:
    """Path of a public file on this machine; it is downloaded if neither mirror nor cache holds it.

    Raises
    ------
    RemoteError
        Unknown name; a mirror file with the wrong checksum; no network; a download that is not the
        pinned file.  Nothing half-written is left behind.
    """
    return _local(name) or _unpacked(name) or _download(name)


def collection(name: str) -> list[Path]:
    """Paths of all files of a collection, downloaded where needed; errors as for :func:`path`."""
    wanted = names(name)
    _fetch([file for file in wanted if _local(file) is None], name)
    return [path(file) for file in wanted]


def folder(name: str) -> Path:
    """One folder in the cache with all files of a collection, and nothing else that was fetched; errors as for :func:`path`.

    Files of a mirror are copied there.  What is there and unspoilt is left alone, so that an interrupted
    download goes on where it stopped.
    """
    for file, found in zip(names(name), collection(name)):
        if found != cache_folder() / file:
            _store(file, found.read_bytes())
    return cache_folder() / names(name)[0].partition("/")[0]


def published() -> dict[str, dict]:
    """The authors' published arrays: station code → its arrays.

    Keys: ``f0_real``, ``f0_timesnet``, ``f0_vae`` [Hz]; ``hvsr_freq_*`` [Hz] and ``hvsr_median_*`` for
    ``real`` and ``timesnet``, 400 values each; ``f0_bins`` [Hz] and the histograms ``pdf_*``.

    Raises
    ------
    RemoteError
        If one of the files cannot be had.
    """
    import numpy as np

    arrays = {}
    for file in collection("published"):
        with np.load(file, allow_pickle=False) as stored:
            arrays[file.stem.rsplit("_", 1)[-1]] = {key: stored[key] for key in stored.files if key != "station"}
    return arrays


def available(name_or_collection: str) -> bool:
    """Whether a file, or every file of a collection, can be had without the network.

    Raises
    ------
    RemoteError
        Unknown name; a mirror that does not exist or holds a file with the wrong checksum.
    """
    wanted = COLLECTIONS.get(name_or_collection, (name_or_collection,))
    return all(_local(name) is not None or name in _packed(name) for name in wanted)


def cache_folder() -> Path:
    """Where downloads are kept: ``TNG_CACHE``, or the operating system's place for caches."""
    chosen = os.environ.get("TNG_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import pooch

    return Path(pooch.os_cache("tng"))


def _local(name: str) -> Path | None:
    """The file in the mirror or, unspoilt, in the cache; None if it must be downloaded."""
    wanted = _entry(name).sha256
    mirror = _mirror()
    if mirror:
        mirrored = mirror / name
        if mirrored.is_file():
            found = sha256(mirrored)
            if found != wanted:
                raise RemoteError(f"{mirrored}: SHA-256 is {found}, the pinned file has {wanted}; replace this file in "
                                  "the mirror or remove it")
            return mirrored
    cached = cache_folder() / name
    # A spoilt cache file is ours, so it is simply downloaded again; a mirror belongs to the user.
    return cached if cached.is_file() and sha256(cached) == wanted else None


def _mirror() -> Path | None:
    mirror = os.environ.get("TNG_MIRROR")
    if mirror and not Path(mirror).expanduser().is_dir():
        raise RemoteError(f"TNG_MIRROR names {Path(mirror).expanduser()}, which is not a folder; correct or unset it")
    return Path(mirror).expanduser() if mirror else None


def _packed(name: str) -> frozenset[str]:
    """Names of the files in the mirror's archive of the collection that `name` is of."""
    mirror, (archive, inside) = _mirror(), ARCHIVES.get(name.partition("/")[0], ("", ""))
    if not (mirror and archive and (mirror / archive).is_file()):
        return frozenset()
    status = (mirror / archive).stat()
    return _checked(mirror / archive, name.partition("/")[0], inside, (status.st_size, status.st_mtime_ns))


@functools.lru_cache(maxsize=4)
def _checked(archive: Path, folder: str, inside: str, stamp: tuple[int, int]) -> frozenset[str]:
    """Names of the pinned files in an archive; `stamp` makes a changed archive a new one."""
    return frozenset(name for name, _ in _members(archive, folder, inside))


def _members(archive: Path, folder: str, inside: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the pinned files in an archive; all else in it is passed over."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = f"{folder}/{member.name.removeprefix('./').removeprefix(inside + '/')}"
                if name in REGISTRY and member.isreg():
                    content = tar.extractfile(member).read()
                    found = hashlib.sha256(content).hexdigest()
                    if found != REGISTRY[name].sha256:
                        raise RemoteError(f"{archive}: SHA-256 of its member {member.name} is {found}, the pinned file has "
                                          f"{REGISTRY[name].sha256}; replace this archive in the mirror or remove it")
                    yield name, content
    except (OSError, EOFError, tarfile.TarError) as error:
        raise RemoteError(f"{archive}: cannot be read ({error}); replace this archive in the mirror or remove it") from error


def _unpack(wanted: Iterable[str]) -> None:
    """Copy files from the mirror's archives to the cache, those that are in one."""
    wanted = {name for name in wanted if name in _packed(name)}
    for folder in {name.partition("/")[0] for name in wanted}:
        archive, inside = ARCHIVES[folder]
        for name, content in _members(_mirror() / archive, folder, inside):
            if name in wanted:
                _store(name, content)


def _unpacked(name: str) -> Path | None:
    _unpack([name])
    return _local(name)


def _store(name: str, content: bytes) -> None:
    """Write a file to the cache, whole or not at all."""
    kept = cache_folder() / name
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, prefix=".", delete=False) as stream:
            stream.write(content)
        os.replace(stream.name, kept)
    except OSError as error:
        raise RemoteError(_cannot_write(name, kept.parent, error)) from error


def _fetch(missing: list[str], title: str) -> None:
    """Bring files to the cache: from the mirror's archive or, several at once under one progress bar, from the network."""
    _unpack(missing)
    missing = [name for name in missing if _local(name) is None]
    if len(missing) <= AT_ONCE:
        return                                       # one by one, by whoever asked
    _pooch()                                         # once, before the threads do
    from tqdm import tqdm

    with ThreadPoolExecutor(AT_ONCE) as pool, tqdm(total=len(missing), desc=title, unit="file",
                                                   disable=os.environ.get("TNG_PROGRESS") == "0") as bar:
        for _ in pool.map(lambda name: _download(name, progress=False), missing):
            bar.update()


@functools.cache
def _pooch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")              # tqdm's, on notebooks without widgets
        import pooch
    pooch.get_logger().setLevel("ERROR")             # the progress bar says enough
    return pooch


def _download(name: str, progress: bool = True) -> Path:
    pooch = _pooch()
    from requests.exceptions import RequestException

    progress = progress and os.environ.get("TNG_PROGRESS") != "0"
    entry = _entry(name)
    folder = cache_folder() / Path(name).parent
    try:
        return Path(pooch.retrieve(
            entry.url, known_hash=f"sha256:{entry.sha256}", fname=Path(name).name, path=folder,
            downloader=pooch.HTTPDownloader(timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S), progressbar=progress)))
    except RequestException as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        why = f"the server answered {status}" if status else f"no connection ({type(error).__name__})"
        raise RemoteError(f"{name}: could not be downloaded from {entry.url}: {why}; {_what_to_do(name)}") from error
    except ValueError as error:
        raise RemoteError(f"{name}: what came from {entry.url} has the wrong checksum (wanted SHA-256 {entry.sha256}) and "
                          f"was thrown away; {_what_to_do(name)}") from error
    except OSError as error:
        raise RemoteError(_cannot_write(name, folder, error)) from error


def _cannot_write(name: str, folder: Path, error: OSError) -> str:
    return f"{name}: could not be written under {folder}: {error}; free space there or set TNG_CACHE to another folder"


def _what_to_do(name: str) -> str:
    return f"set TNG_MIRROR to a folder that holds {name}, or try again"


def _entry(name: str) -> RemoteFile:
    if name not in REGISTRY:
        raise RemoteError(_unknown("public file", name, [*REGISTRY, *COLLECTIONS]))
    return REGISTRY[name]


def _unknown(kind: str, name: str, known) -> str:
    near = [entry for entry in known if name and name in entry] or difflib.get_close_matches(name, list(known), 1, 0.4)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(COLLECTIONS))}"
    return f"{name!r}: no {kind} of this name; {hint}"


def sha256(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
