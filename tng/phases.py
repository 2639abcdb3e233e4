"""How TimesNet-Gen is trained: Phase 0, the latent noise level, Phase 1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from tng.config import Settings
from tng.corpus import Corpus
from tng.timesnet import TimesNetGen, moments
from tng.training import CorpusBatches, TrainingError, fabric, train


def reconstruction_loss(settings: Settings, noise_std: Tensor | None = None) -> Callable:
    """Mean squared error between records and their reconstruction; equation (8).

    `standardised` compares records divided by their own scale, so that weak and strong ones count the
    same; `raw` compares cm/s², as published, where the strongest records decide.
    """
    def loss(network, batch, progress):
        x = batch["x"]
        noise = None if noise_std is None or not network.training else noise_std.to(x)
        error = network(x, batch.get("station"), noise) - x
        if settings.loss == "standardised":
            error = error / moments(x)[1]
        return (error**2).mean()

    return loss


def latent_std(network: TimesNetGen, corpus: Corpus, rows, settings: Settings,
               stations: list[str] | None = None) -> Tensor:
    """Standard deviation over records of the time-mean latent code, shape (d_model,); equation (9).

    This is the paper's noise level.  It is the exact standard deviation; the public code's streaming
    update drops a term and comes out lower.  Records are encoded in batches, as in training.
    """
    device = fabric(settings)
    network = network.to(device.device).eval()
    with torch.no_grad():
        means = [network.encode(batch["x"], batch.get("station"))[0].mean(dim=1)
                 for batch in map(device.to_device, CorpusBatches(corpus, rows, settings, stations)(None))]
    return torch.cat(means).std(dim=0, unbiased=False).cpu()


def phase0(corpus: Corpus, settings: Settings, stations: list[str], resume: Path | None = None):
    """Pre-train the autoencoder, without stations, on every station but the ones to generate for.

    Only training events are seen.  Returns the network, its history and the latent noise level.
    """
    others = [code for code in corpus.stations if code not in stations]
    rows = corpus.select(others, "train")
    if len(rows) == 0:
        raise TrainingError(f"Phase 0 trains on stations other than {', '.join(stations)}, and {corpus.folder} holds no training "
                            "records of any; add records of other stations, or name fewer stations (setting `stations`)")
    network, history = train(
        lambda: TimesNetGen(**settings.network()), reconstruction_loss(settings),
        CorpusBatches(corpus, rows, settings), CorpusBatches(corpus, corpus.select(others, "dev"), settings),
        epochs=settings.phase0_epochs, learning_rate=settings.phase0_learning_rate, settings=settings,
        label="Phase 0", resume=resume, about={"corpus": corpus.fingerprint, "stations": stations})
    return network, history, latent_std(network, corpus, rows, settings)


def phase1(pretrained: TimesNetGen, noise_std: Tensor, corpus: Corpus, settings: Settings, stations: list[str],
           resume: Path | None = None):
    """Fine-tune with station modulation and latent noise on the stations to generate for.

    Only their training events are seen.  Returns the network and its history.
    """
    return train(
        lambda: pretrained.with_stations(len(stations)),
        reconstruction_loss(settings, settings.noise_scale * noise_std),
        CorpusBatches(corpus, corpus.select(stations, "train"), settings, stations),
        CorpusBatches(corpus, corpus.select(stations, "dev"), settings, stations),
        epochs=settings.phase1_epochs, learning_rate=settings.phase1_learning_rate, settings=settings,
        label="Phase 1", resume=resume, about={"corpus": corpus.fingerprint, "stations": stations,
                                               "noise_std": noise_std.tolist()})
