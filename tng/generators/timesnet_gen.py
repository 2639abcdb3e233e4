"""The generator of TimesNet-Gen: mix the latent codes of k records, add noise, decode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tng.bank import AT_ONCE, EXACT, Bank
from tng.corpus import Corpus
from tng.generators import GeneratorError, as_records, mixing as mixtures, random_stream, require_station
from tng.processes import arithmetic
from tng.records import Record
from tng.timesnet import TimesNetGen, each_alone


class LatentMixing:
    """Mixtures of k records' codes with Gaussian noise; equation (11) of the method page.

    Parameters
    ----------
    network : TimesNetGen
        That made the bank.
    bank : Bank
        The encoded training records of the stations to generate for.
    records_to_mix : int
        k, drawn from the station's records.
    noise : float
        In standard deviations of the station's time-mean codes; 0 leaves it out.
    mixing, alpha, replacement
        Weights of the k records, and whether one may be drawn twice: :func:`tng.generators.mixing.draw`.

    Notes
    -----
    Codes are mixed as Σ wᵢ zᵢ, and with ``unit-norm`` around the mean code m of the station's pool, as m + Σ wᵢ (zᵢ - m).  A
    record states its k sources and their weights wᵢ; with ``unit-norm`` the rest, 1 - Σ wᵢ, is spread evenly over the pool.
    Means and scales: :func:`tng.generators.mixing.level`.

    From a decoded bank, reconstructions are mixed instead.  The decoder W z + b is linear, so noise ε of standard deviation σ on
    the code becomes W ε on the record: at each sample three Gaussian numbers with covariance W diag(σ²) Wᵀ, independent of
    those at other samples.  These are what is drawn, three numbers a sample instead of d, with exactly the same law.

    Random numbers are drawn on the CPU, so a seed means the same on every device.

    Raises
    ------
    BankError
        For a bank of another network.
    GeneratorError
        For options that cannot be.
    """

    def __init__(self, network: TimesNetGen, bank: Bank, *, records_to_mix: int = 5, noise: float = 1.0,
                 mixing: str = "uniform", alpha: float = 1.0, replacement: bool = False, name: str = "TimesNet-Gen"):
        mixtures.check(records_to_mix, mixing, alpha)
        if not 0 <= noise < np.inf:
            raise GeneratorError(f"noise {noise}: a number from 0 on is needed")
        bank.check_network(network)
        self.network, self.bank, self.name = network, bank, name
        self.stations = list(bank.stations)
        self.k, self.noise = records_to_mix, noise
        self.mixing, self.alpha, self.replacement = mixing, alpha, replacement
        self.batch = AT_ONCE                         # records that are decoded together; they are the same with any

    @classmethod
    def from_corpus(cls, network: TimesNetGen, corpus: Corpus, stations: Sequence[str], **options) -> LatentMixing:
        """With the bank of a corpus' training records; `options` are those of the class."""
        return cls(network, Bank.of(network, corpus, stations), **options)

    def sample(self, station: str, n: int, seed: int) -> list[Record]:
        require_station(station, self.stations)
        names = self.bank.names[station]
        rows, weights = mixtures.draw(np.arange(len(names)), self.k, n, seed, station, weights=self.mixing, alpha=self.alpha,
                                      replacement=self.replacement)
        sources = [[names[i] for i in drawn] for drawn in rows]
        return as_records(self.mix(station, rows, weights, random_stream(seed, station + " noise")), station,
                          self.bank.sampling_rate_hz, self.name, seed, sources, weights)

    @torch.no_grad()
    def mix(self, station: str, rows: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Mixtures (n, 3, T) [cm/s²] of the station's records `rows` (n, k), numbered as in the bank, with `weights` (n, k)."""
        like = self.network.position
        unit_norm = self.mixing == "unit-norm"
        mean, scale = (self._on_device(value) for value in mixtures.level(
            self.bank.mean[station].numpy()[rows], self.bank.scale[station].numpy()[rows], weights, unit_norm=unit_norm))
        content = self.bank.content[station].to(like)
        centre = content.mean(dim=0) if unit_norm else None
        spread = self.noise * self.bank.noise_std[station].to(like)
        made = np.empty((len(rows), 3, self.network.arguments["samples"]), dtype=mean.cpu().numpy().dtype)
        for start in range(0, len(rows), self.batch):
            some = slice(start, start + self.batch)
            mixed = _mixed(content, torch.from_numpy(rows[some]).to(like.device), self._on_device(weights[some]), centre)
            made[some] = self._decode(self._with_noise(mixed, spread, rng), mean[some], scale[some], station).cpu().numpy()
        return made

    def _with_noise(self, mixed: Tensor, spread: Tensor, rng: np.random.Generator) -> Tensor:
        """With Gaussian noise: on codes (b, steps, width) as it is, on decoded ones (b, 3, T) as the decoder passes it."""
        if self.noise == 0:
            return mixed
        drawn = rng.standard_normal(tuple(mixed.shape), dtype=np.float64 if mixed.dtype == torch.float64 else np.float32)
        drawn = torch.from_numpy(drawn).to(mixed)
        return mixed + (noise_root(self.network.head.weight, spread) @ drawn if self.bank.decoded else drawn * spread)

    def _decode(self, mixed: Tensor, mean: Tensor, scale: Tensor, station: str) -> Tensor:
        if self.bank.decoded:
            return mixed * scale + mean
        number = None
        if self.network.arguments["stations"] and self.network.decoder_blocks:
            number = torch.full((len(mixed),), self.stations.index(station), device=mixed.device)
        with each_alone(self.network), arithmetic(EXACT):
            return self.network.decode(mixed, mean, scale, number)

    def _on_device(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.network.position)


def noise_root(weight: Tensor, spread: Tensor) -> Tensor:
    """Symmetric root R (3, 3) of W diag(σ²) Wᵀ: R times standard Gaussian numbers is the noise behind a linear decoder.

    `weight` W is (3, d), `spread` σ is (d,).  The covariance may be singular, so its eigenvectors are taken.
    """
    spread_weight = (weight * spread).cpu().double()
    values, vectors = torch.linalg.eigh(spread_weight @ spread_weight.T)
    return ((vectors * values.clamp(min=0).sqrt()) @ vectors.T).to(weight)


def _mixed(content: Tensor, rows: Tensor, weights: Tensor, centre: Tensor | None) -> Tensor:
    """Weighted sums of the pool's content (N, a, b), around `centre` (a, b) if given; rows, weights (n, k) → (n, a, b)."""
    flat = functional.embedding_bag(rows, content.flatten(1), per_sample_weights=weights.to(content.dtype), mode="sum")
    out = flat.view(len(rows), *content.shape[1:])
    return out if centre is None else out + (1 - weights.sum(dim=1))[:, None, None] * centre
