"""The generator of TimesNet-Gen as published: average the latent codes of k records, add noise, decode."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tng.corpus import Corpus
from tng.generators import Pool, as_records, random_stream
from tng.records import Record
from tng.timesnet import TimesNetGen


class LatentMixing:
    """k-record latent averaging with Gaussian noise; equation (10) of the method page.

    Parameters
    ----------
    network : TimesNetGen
        Conditioned on `stations` (Phase 1), or not conditioned at all (Phase 0: the zero-shot variant).
    stations : list of str
        In the order in which the network was trained on them.
    records_to_mix : int
        k, drawn without replacement from the station's training records.
    noise : float
        In standard deviations of the station's time-mean codes; 0 leaves it out.

    Notes
    -----
    A record is encoded by itself, so its code does not depend on which others are drawn.
    """

    def __init__(self, network: TimesNetGen, corpus: Corpus, stations: list[str], *, records_to_mix: int = 5,
                 noise: float = 1.0, name: str = "TimesNet-Gen"):
        self.network = network.eval()
        self.pool = Pool(corpus, stations)
        self.stations = self.pool.stations
        self.k, self.noise, self.name = records_to_mix, noise, name
        self.conditioned = bool(network.arguments["stations"])

    def sample(self, station: str, n: int, seed: int) -> list[Record]:
        draws = self.pool.draw(station, self.k, n, seed)
        codes = dict(zip(self.pool.of(station), self.encode(station)))
        z_of_record = torch.stack([z.mean(dim=0) for z, _, _ in codes.values()])      # (records, d)
        noise_std = self.noise * z_of_record.std(dim=0, unbiased=False)               # (d,)
        rng = random_stream(seed, station + " noise")
        data = np.stack([self.decode_mix([codes[row] for row in rows], noise_std, rng) for rows in draws])
        corpus = self.pool.corpus
        names = corpus.metadata["trace_name"].to_numpy()
        return as_records(data, station, corpus.sampling_rate_hz, self.name, seed, [names[rows] for rows in draws])

    @torch.no_grad()
    def encode(self, station: str) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Code z (T, d), mean and scale (3, 1) of each record of a station's pool."""
        number = torch.tensor([self.stations.index(station)], device=self.device) if self.conditioned else None
        codes = []
        for row in self.pool.of(station):
            x = torch.as_tensor(self.pool.corpus.waveforms([row])).to(self.network.position)
            codes.append(tuple(value[0].cpu() for value in self.network.encode(x, number)))
        return codes

    @torch.no_grad()
    def decode_mix(self, codes: list[tuple[Tensor, Tensor, Tensor]], noise_std: Tensor,
                   rng: np.random.Generator) -> np.ndarray:
        """One new record (3, T) [cm/s²] from the mean of some codes."""
        z, mean, scale = (torch.stack(values).mean(dim=0) for values in zip(*codes))
        z = z + torch.from_numpy(rng.standard_normal(z.shape)).to(z) * noise_std
        z, mean, scale = (value[None].to(self.device) for value in (z, mean, scale))
        return self.network.decode(z, mean, scale)[0].cpu().numpy()

    @property
    def device(self) -> torch.device:
        return self.network.position.device
