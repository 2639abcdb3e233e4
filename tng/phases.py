"""How TimesNet-Gen is trained: Phase 0, the latent noise level, Phase 1; both configurations of the network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from tng.config import Settings
from tng.corpus import Corpus
from tng.periods import amplitudes, most_common
from tng.timesnet import TimesNetGen, moments
from tng.processes import TrainingError, arithmetic, fabric
from tng.training import CorpusBatches, train


def reconstruction_loss(settings: Settings, noise_std: Tensor | None = None) -> Callable:
    """Mean squared error between records and their reconstruction; equation (9).

    `standardised` compares records divided by their own scale, so that weak and strong ones count the
    same; `raw` compares cm/s², as published, where the strongest records decide.
    """
    def loss(network, batch, progress):
        x = batch["x"]
        noise = None if noise_std is None or not network.training else noise_std.to(x)
        error = network(x, batch.get("station"), noise, batch.get("seeds")) - x
        if settings.loss == "standardised":
            error = error / moments(x)[1]
        return (error**2).mean()

    return loss


def latent_std(network: TimesNetGen, corpus: Corpus, rows, settings: Settings, stations: list[str] | None = None) -> Tensor:
    """Standard deviation over records of the time-mean latent code, shape (code_width,); equation (10).

    This is the paper's noise level.  Records are encoded in batches, as in training.  The setting
    `noise_estimate` chooses between the exact value and that of the public code, which comes out lower.
    """
    device = fabric(settings)
    network = network.to(device.device).eval()
    with torch.no_grad(), arithmetic(settings):
        means = [network.encode(batch["x"], batch.get("station"))[0].mean(dim=1)
                 for batch in map(device.to_device, CorpusBatches(corpus, rows, settings, stations)(None))]
    std = published_std(means) if settings.noise_estimate == "published" else torch.cat(means).std(dim=0, unbiased=False)
    return std.cpu()


def published_std(batches: list[Tensor]) -> Tensor:
    """The standard deviation as the public code sums it up over batches of (B, d).

    Each batch adds its squared deviations from the mean *so far*; what the mean moved by is never added.
    """
    mean, squares, n = torch.zeros_like(batches[0][0]), torch.zeros_like(batches[0][0]), 0
    for values in batches:
        n += len(values)
        mean = mean + (values.mean(dim=0) - mean) * len(values) / n
        squares = squares + ((values - mean) ** 2).sum(dim=0)
    return (squares / max(1, n - 1)).clamp(min=1e-8).sqrt()


def corpus_periods(corpus: Corpus, rows, settings: Settings) -> tuple[int, ...]:
    """The `top_k` different periods [samples] of the largest bins of the records' mean amplitude spectrum.

    Records are standardised first, so that each counts the same; for `period_choice` ``corpus``.
    """
    total = 0.0
    for batch in CorpusBatches(corpus, rows, settings)(None):
        mean, scale = moments(batch["x"])
        total = total + amplitudes(((batch["x"] - mean) / scale).transpose(1, 2)).sum(dim=0)
    return most_common(total, corpus.samples, settings.top_k)


def phase0(corpus: Corpus, settings: Settings, stations: list[str], resume: Path | None = None, described: bool = False):
    """Pre-train the autoencoder, without stations, on every station but the ones to generate for.

    Only training events are seen.  Returns the network, its history and the latent noise level.
    """
    others, rows = _others(corpus, stations)
    arguments = settings.network(described)
    if settings.period_choice == "corpus":
        arguments["periods"] = corpus_periods(corpus, rows, settings)
    network, history = train(
        lambda: TimesNetGen(**arguments), reconstruction_loss(settings),
        CorpusBatches(corpus, rows, settings), CorpusBatches(corpus, corpus.select(others, "dev"), settings),
        epochs=settings.phase0_epochs, settings=settings, resume=resume, label="Phase 0, described" if described else "Phase 0",
        learning_rate=settings.described_learning_rate if described else settings.phase0_learning_rate,
        about={"corpus": corpus.fingerprint, "stations": stations})
    return network, history, latent_std(network, corpus, rows, settings)


def phase1(pretrained: TimesNetGen, noise_std: Tensor, corpus: Corpus, settings: Settings, stations: list[str],
           resume: Path | None = None):
    """Fine-tune with latent noise on the stations to generate for; returns the network and its history.

    The described network now gets its station modulation; the published one has no station in it.  Only
    training events are seen.  With the setting `phase1_records` ``others`` the published network sees the records
    of Phase 0 again, as in the public code; the described one has to see the stations whose numbers it learns.
    """
    described = not pretrained.linear_decoder
    codes = list(stations)
    if settings.phase1_records == "others" and not described:
        codes, _ = _others(corpus, stations)
    numbered = codes if described else None
    return train(
        (lambda: pretrained.with_stations(len(codes))) if described else (lambda: _copy(pretrained)),
        reconstruction_loss(settings, settings.noise_scale * noise_std),
        CorpusBatches(corpus, corpus.select(codes, "train"), settings, numbered),
        CorpusBatches(corpus, corpus.select(codes, "dev"), settings, numbered),
        epochs=settings.phase1_epochs, settings=settings,
        learning_rate=min(settings.phase1_learning_rate, settings.described_learning_rate) if described else settings.phase1_learning_rate,
        label="Phase 1, described" if described else "Phase 1", resume=resume,
        about={"corpus": corpus.fingerprint, "stations": stations, "started_from": digest(pretrained).tolist(),
                                               "noise_std": noise_std.tolist()})


def digest(network: torch.nn.Module) -> Tensor:
    """SHA-256 of all weights, as 32 numbers: what tells one Phase 0 from another."""
    total = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        total.update(f"{name} {tuple(value.shape)}".encode())
        total.update(value.detach().cpu().contiguous().numpy())
    return torch.tensor(list(total.digest()), dtype=torch.uint8)


def _others(corpus: Corpus, stations: list[str]) -> tuple[list[str], list[int]]:
    """The stations not to generate for, and the rows of their training records."""
    others = [code for code in corpus.stations if code not in stations]
    rows = corpus.select(others, "train")
    if len(rows) == 0:
        raise TrainingError(f"Phase 0 trains on stations other than {', '.join(stations)}, and {corpus.folder} holds no training "
                            "records of any; add records of other stations, or name fewer stations (setting `stations`)")
    return others, rows


def _copy(network: TimesNetGen) -> TimesNetGen:
    copy = TimesNetGen(**network.arguments).to(network.position)
    copy.load_state_dict(network.state_dict())
    return copy
