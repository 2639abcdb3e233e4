"""What latent mixing draws from: the encoded records of each station's pool, without the corpus.

A network whose decoder is one linear map a sample decodes an average of codes to the average of the decoded codes.  Its
bank therefore holds reconstructions, (3, T) numbers a record instead of (T, d): d/3 times fewer, for the same output.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tng.config import nearest, settings
from tng.corpus import Corpus
from tng.npz import Npz
from tng.processes import arithmetic
from tng.timesnet import TimesNetGen, each_alone

EXACT = settings(precision="32-true")            # a GPU neither rounds products nor takes another way each time
AT_ONCE = 16                                     # records a forward pass
DECODER = ("bottleneck", "decoder_blocks", "decoder_norm", "head")
FIELDS = ("content", "mean", "scale", "noise_std")
Part = tuple[Tensor, Tensor, Tensor]             # codes of some records, their means and scales


class BankError(ValueError):
    """A bank that is damaged, or belongs to another network; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Bank:
    """Encoded records of some stations.

    Parameters
    ----------
    stations : sequence of str
        In the order in which the network numbers them.
    sampling_rate_hz : float
    decoded : bool
        Whether `content` holds decoded codes.
    content : dict
        Station → (n, 3, T), decoded but still standardised, as the head gives them; or the codes (n, T', width).
    mean, scale : dict
        Station → (n, 3, 1) [cm/s²].
    noise_std : dict
        Station → (width,), standard deviation over its records of the time-mean code.
    names : dict
        Station → names of the n records.
    network : str
        `digest` of the network that made it; empty if not known.

    Raises
    ------
    BankError
        For parts that are missing, do not fit together, or hold values that are no finite numbers.
    """

    stations: Sequence[str]
    sampling_rate_hz: float
    decoded: bool
    content: Mapping[str, Tensor]
    mean: Mapping[str, Tensor]
    scale: Mapping[str, Tensor]
    noise_std: Mapping[str, Tensor]
    names: Mapping[str, Sequence[str]]
    network: str = ""

    def __post_init__(self):
        if not self.stations or len(set(self.stations)) < len(self.stations):
            raise BankError(f"a bank of the stations {', '.join(self.stations) or '(none)'}; different ones are needed, at least one")
        for station in self.stations:
            missing = [name for name in (*FIELDS, "names") if station not in getattr(self, name)]
            if missing:
                raise BankError(f"the bank's station {station} has no {missing[0]}; make the bank anew")
            self._check(station, len(self.names[station]))

    def _check(self, station: str, n: int) -> None:
        shape = tuple(self.content[station].shape)
        if len(shape) != 3 or shape[0] != n or self.decoded and shape[1] != 3:
            raise BankError(f"the bank's content of station {station} is of shape {shape}; "
                            f"({n}, {'3, samples' if self.decoded else 'steps, width'}) is needed")
        for name, wanted in (("mean", (n, 3, 1)), ("scale", (n, 3, 1))):
            if tuple(getattr(self, name)[station].shape) != wanted:
                raise BankError(f"the bank's {name} of station {station} is of shape "
                                f"{tuple(getattr(self, name)[station].shape)}; {wanted} is needed")
        if self.noise_std[station].ndim != 1:
            raise BankError(f"the bank's noise_std of station {station} is of shape {tuple(self.noise_std[station].shape)}; "
                            "one number a channel of the code is needed")
        for name in FIELDS:
            if not torch.isfinite(getattr(self, name)[station]).all():
                raise BankError(f"the bank's {name} of station {station} holds values that are not finite numbers; make it anew")
        if (self.scale[station] <= 0).any():
            raise BankError(f"the bank's station {station} has a record of scale 0 or less; make the bank anew")

    # made from records, or from the public code's codes

    @classmethod
    def of(cls, network: TimesNetGen, corpus: Corpus, stations: Sequence[str], *, decoded: bool | None = None,
           records_at_once: int = AT_ONCE) -> Bank:
        """Encode the training records of some stations, each as if alone in its batch, on the network's device.

        A bank for a network with a linear decoder is `decoded` unless that is False.  `records_at_once` bounds the memory.
        """
        stations = list(stations)
        _check_stations(network, stations)
        samples = network.arguments["samples"]
        if corpus.samples != samples:
            raise BankError(f"{corpus.folder}: records of {corpus.samples} samples, but the network was built for {samples}; use the "
                            "corpus that it was trained on, or one of the same window and rate")
        decoded = _decoded(network, decoded)
        rows = {station: corpus.select([station], "train") for station in stations}
        trace_names = corpus.metadata["trace_name"].to_numpy()
        with _evaluating(network):
            pools = [_pool(network, decoded, _encoded(network, corpus, rows[station], number, records_at_once))
                     for number, station in enumerate(stations)]
        return cls(stations, corpus.sampling_rate_hz, decoded, **_by_field(stations, pools),
                   names={station: list(trace_names[rows[station]]) for station in stations}, network=digest(network))

    @classmethod
    def from_public_npz(cls, path, network: TimesNetGen, stations: Sequence[str] | None = None, *, sampling_rate_hz: float = 100.0,
                        decoded: bool | None = None) -> Bank:
        """The public code's latent bank: arrays latents_X (N, T, d), means_X and stdev_X (N, 1 or T, 3) for each station X.

        Codes are read and decoded a few records at a time.  `stations` default to all in the file; a network that numbers its
        stations needs them named.  The file does not name its records: they are called ``latents_X[0]`` and so on.

        Raises
        ------
        NpzError, BankError
            For a damaged file, arrays that are missing, of another shape, or not finite numbers.
        """
        decoded = _decoded(network, decoded)
        with Npz(path) as file, torch.no_grad():
            held = [name.removeprefix("latents_") for name in file.names if name.startswith("latents_")]
            if not held:
                raise BankError(f"{path}: no arrays called latents_…; this is no latent bank of the public code")
            if stations is None and network.arguments["stations"]:
                raise BankError(f"{path}: the network numbers its stations, the file does not: name them in the network's order")
            stations = held if stations is None else list(stations)
            for station in stations:
                if station not in held:
                    raise BankError(f"{path}: no station {station!r} here: {nearest(station, held)}")
            _check_stations(network, stations)
            pools = [_pool(network, decoded, _public(file, station, network)) for station in stations]
        return cls(stations, sampling_rate_hz, decoded, **_by_field(stations, pools), network=digest(network),
                   names={s: [f"latents_{s}[{i}]" for i in range(len(pool["mean"]))] for s, pool in zip(stations, pools)})

    # in a released file

    def tensors(self) -> dict[str, Tensor]:
        """All numbers, by name; with `about` the bank can be made again."""
        return {f"bank.{station}.{name}": getattr(self, name)[station] for station in self.stations for name in FIELDS}

    def about(self) -> dict:
        """What `tensors` does not say, ready for JSON."""
        return {"stations": list(self.stations), "sampling_rate_hz": self.sampling_rate_hz, "decoded": self.decoded,
                "names": {station: list(self.names[station]) for station in self.stations}, "network": self.network}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], about: Mapping) -> Bank:
        """The bank of a released file; tensors of other names are left alone."""
        try:
            fields = {name: {station: tensors[f"bank.{station}.{name}"] for station in about["stations"]} for name in FIELDS}
            return cls(list(about["stations"]), float(about["sampling_rate_hz"]), bool(about["decoded"]), **fields,
                       names=about["names"], network=about["network"])
        except (KeyError, TypeError) as problem:
            raise BankError(f"not a whole bank of records ({problem} is missing); fetch or make the file anew") from None

    # use

    def check_network(self, network: TimesNetGen) -> None:
        """Refuse a network that this bank was not made by."""
        if self.network and self.network != digest(network):
            raise BankError("this bank was made by another network (other weights); make it anew with this one")
        if self.decoded and not network.linear_decoder:
            raise BankError("this bank holds decoded records, but the network's decoder is not linear and needs codes; make it anew")
        _check_stations(network, list(self.stations))
        wanted = (3, network.arguments["samples"]) if self.decoded else _code_shape(network)
        for station in self.stations:
            found = tuple(self.content[station].shape[1:])
            if found != wanted or len(self.noise_std[station]) != network.code_width:
                raise BankError(f"this bank was made by another network: its station {station} holds records of shape {found} "
                                f"with noise of {len(self.noise_std[station])} channels, this network needs {wanted} and "
                                f"{network.code_width}")

    @property
    def nbytes(self) -> int:
        """Bytes of all its numbers."""
        return sum(tensor.nbytes for tensor in self.tensors().values())


def digest(network: torch.nn.Module) -> str:
    """SHA-256 of the weights that decode a bank, in single precision, so that a copy in double precision has the same.

    Those of the encoder do not matter any more, and are nearly all; a step of training changes the decoder's too.
    """
    total = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if name.split(".")[0] in DECODER:
            total.update(f"{name} {tuple(value.shape)}\n".encode())
            total.update(value.detach().to("cpu", torch.float32).contiguous().numpy())
    return total.hexdigest()


def _encoded(network: TimesNetGen, corpus: Corpus, rows, number: int, at_once: int) -> Iterable[Part]:
    position = network.position
    for _, waveforms in corpus.batches(rows, at_once):
        station = torch.full((len(waveforms),), number, device=position.device) if network.arguments["stations"] else None
        yield network.encode(torch.as_tensor(waveforms).to(position), station)


def _public(file: Npz, station: str, network: TimesNetGen) -> Iterable[Part]:
    """A station's codes in a file of the public code, and the first step of its means and scales."""
    name, shape = f"latents_{station}", file.shape(f"latents_{station}")
    if shape[1:] != _code_shape(network):
        raise BankError(f"{file.path}: array {name} is of shape {shape}; this network's codes are (records, "
                        f"{', '.join(map(str, _code_shape(network)))}): the bank is another network's, or the settings are other ones")
    levels = []
    for other in (f"means_{station}", f"stdev_{station}"):
        found = file.shape(other)
        if len(found) != 3 or found[0] != shape[0] or found[1] not in (1, network.arguments["samples"]) or found[2] != 3:
            raise BankError(f"{file.path}: array {other} is of shape {found}; ({shape[0]}, 1, 3) is needed")
        steps = np.concatenate([block[:, 0, :].copy() for block in file.rows(other)])      # a view would keep its block
        levels.append(_as(steps, network, f"{file.path}: array {other}")[:, :, None])
    if (levels[1] <= 0).any():
        raise BankError(f"{file.path}: array stdev_{station} holds scales of 0 or less; they are divisors and must be positive")
    start = 0
    for block in file.rows(name):
        some = slice(start, start + len(block))
        yield _as(block, network, f"{file.path}: array {name}"), levels[0][some], levels[1][some]
        start = some.stop


def _as(block: np.ndarray, network: TimesNetGen, where: str) -> Tensor:
    """Numbers read from a file as a tensor of the network's precision and device."""
    with np.errstate(over="ignore"):
        tensor = torch.from_numpy(block.astype(np.float64 if network.position.dtype == torch.float64 else np.float32))
    if not torch.isfinite(tensor).all():
        raise BankError(f"{where} holds values that are not finite numbers; fetch the file anew, or make it again")
    return tensor.to(network.position)


def _pool(network: TimesNetGen, decoded: bool, parts: Iterable[Part]) -> dict[str, Tensor]:
    """One station's share of a bank, from its codes a few records at a time; only what is kept stays."""
    kept: list[tuple[Tensor, ...]] = []
    for z, mean, scale in parts:
        content = network.head(z).transpose(1, 2).contiguous() if decoded else z
        kept.append(tuple(value.cpu() for value in (content, mean, scale, z.mean(dim=1))))
    if not kept:                                     # a station without training records; drawing from it says so
        like = network.position.detach().cpu()
        shape = (3, network.arguments["samples"]) if decoded else _code_shape(network)
        return {"content": like.new_zeros(0, *shape), "mean": like.new_zeros(0, 3, 1), "scale": like.new_zeros(0, 3, 1),
                "noise_std": like.new_zeros(network.code_width)}
    content, mean, scale, time_mean = (torch.cat(values) for values in zip(*kept))
    return {"content": content, "mean": mean, "scale": scale, "noise_std": time_mean.std(dim=0, unbiased=False)}


def _by_field(stations: list[str], pools: list[dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    return {name: {station: pool[name] for station, pool in zip(stations, pools)} for name in FIELDS}


def _decoded(network: TimesNetGen, wanted: bool | None) -> bool:
    if wanted and not network.linear_decoder:
        raise BankError("only a network with a linear decoder has a decoded bank: leave `decoded` out")
    return network.linear_decoder if wanted is None else wanted


def _code_shape(network: TimesNetGen) -> tuple[int, int]:
    """Steps and channels of a record's code."""
    samples, stride = network.arguments["samples"], network.arguments["latent_stride"]
    return (-(-samples // stride) if network.arguments["latent"] else samples), network.code_width


def _check_stations(network: TimesNetGen, stations: list[str]) -> None:
    known = network.arguments["stations"]
    if known and known != len(stations):
        raise BankError(f"the network tells {known} stations apart by their number: give all {known} in the order in which it was "
                        f"trained, not {len(stations)} ({', '.join(stations)})")


@contextmanager
def _evaluating(network: TimesNetGen):
    """Inside: no gradients, no dropout, every record as if alone in its batch."""
    training = network.training
    network.eval()
    try:
        with torch.no_grad(), each_alone(network), arithmetic(EXACT):
            yield
    finally:
        network.train(training)
