"""Settings of a run: two profiles, frozen, checked, and strict about names.

`quick` is the book's own: small networks on the synthetic corpus, on a CPU, in double precision, so that
its numbers are the same on every machine.  `paper` has the sizes of the paper, for a GPU.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class ConfigError(ValueError):
    """A setting that is unknown or cannot be; the message names it and what would be right."""


class Settings(BaseModel):
    """Everything that decides the numbers of a run; the defaults are the quick profile."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seed: int = Field(0, ge=0, description="of everything that is drawn at random")

    # records
    stations: tuple[str, ...] = Field((), description="stations to generate for; none: the five with most records")
    sampling_rate_hz: float = Field(50.0, ge=20, le=1000, description="of every record [Hz]")
    window_s: float = Field(60.0, gt=0, le=3600, description="length of every record, from its start [s]")
    records_per_station: int = Field(100, ge=10, description="synthetic records of each of the five stations")
    random_stations: int = Field(20, ge=1, description="synthetic stations to pre-train on")
    records_per_random_station: int = Field(20, ge=2, description="synthetic records of each of those")

    # network
    d_model: int = Field(8, ge=1, description="channels of the sequence inside TimesNet")
    d_ff: int = Field(8, ge=1, description="channels between the two convolutions of a TimesBlock")
    top_k: int = Field(2, ge=1, description="periods a TimesBlock folds by")
    num_kernels: int = Field(2, ge=1, le=16, description="convolutions of an inception layer: 1x1, 3x3, ...")
    blocks: int = Field(2, ge=1, description="TimesBlocks")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of embedded values dropped in training")
    period_choice: Literal["batch", "sample", "corpus"] = Field(
        "batch", description="periods common to a batch as published, each record's own, or fixed for the corpus")
    latent: int = Field(16, ge=1, description="numbers in the bottleneck of the described network, at each of its steps")
    latent_stride: int = Field(8, ge=1, description="samples a step of the bottleneck")
    decoder_blocks: int = Field(2, ge=1, description="TimesBlocks in the decoder of the described network")

    # training
    loss: Literal["standardised", "raw"] = Field(
        "standardised", description="mean squared error of standardised records, or in cm/s² as published")
    batch: int = Field(8, ge=1, description="records a step, over all processes")
    records_at_once: int = Field(0, ge=0, description="records a pass through the network, over all processes; gradients are added up; 0: the whole batch")
    phase0_epochs: int = Field(12, ge=1, description="passes over the other stations' records")
    phase0_learning_rate: float = Field(3e-2, gt=0, description="at the start; it ends at 0")
    described_learning_rate: float = Field(3e-3, gt=0, description="largest of the described network, which is deeper, in both phases")
    phase1_records: Literal["stations", "others"] = Field(
        "stations", description="Phase 1 of the published network on the stations to generate for, as the paper says, or on the others, as its code does")
    phase1_epochs: int = Field(4, ge=1, description="passes over the stations' own records")
    phase1_learning_rate: float = Field(5e-3, gt=0, description="at the start; it ends at 0")
    noise_scale: float = Field(1.0, ge=0, description="latent noise in Phase 1, in its standard deviations")
    noise_estimate: Literal["exact", "published"] = Field(
        "exact", description="the latent standard deviation, or what the public code's streaming sum makes of it")
    weight_decay: float = Field(1e-4, ge=0, description="of AdamW")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    patience: int = Field(0, ge=0, description="epochs without a better validation loss before training stops; 0: never stops early")
    keep: Literal["last", "best"] = Field("last", description="weights of the last epoch, as published, or of the best validation loss")
    precision: Literal["64-true", "32-true", "tf32", "bf16-mixed", "16-mixed"] = Field(
        "64-true", description="double, single, single with TF32 products, or half where it is safe")
    recompute: bool = Field(False, description="compute grids again in the backward pass instead of keeping them: less memory")
    compile: bool = Field(False, description="compile the convolutions with torch.compile")
    save_minutes: float = Field(10.0, ge=0, description="how often the state is written inside an epoch")
    device: str = Field("cpu", description="cpu, cuda, mps, or auto")
    devices: int = Field(1, ge=1, description="processes on this machine, one a device")
    nodes: int = Field(1, ge=1, description="machines")

    # the spectrogram VAE
    vae_epochs: int = Field(20, ge=1, description="passes over the stations' own records")
    vae_learning_rate: float = Field(3e-3, gt=0, description="at the start; it ends at 0")
    vae_latent: int = Field(8, ge=1, description="numbers in a code")
    vae_channels: int = Field(16, ge=1, description="channels of the first convolution")
    vae_kl_weight: float = Field(0.02, ge=0, description="weight of the divergence from the prior")

    # shaped noise
    shape_latent: int = Field(8, ge=1, description="numbers of a record that the envelope network chooses")
    shape_d_model: int = Field(24, ge=1, description="channels of the envelope network's TimesBlocks")
    shape_blocks: int = Field(2, ge=0, description="TimesBlocks of its encoder, and of its decoder; 0: linear")
    shape_batch: int = Field(32, ge=1, description="records a step of the envelope network: it sees envelopes, which are small")
    shape_epochs: int = Field(40, ge=1, description="passes over the records of all stations")
    shape_learning_rate: float = Field(5e-3, gt=0, description="at the start; it ends at 0")
    physics: float = Field(0.0, ge=0, le=1, description="share of an omega-squared source and its path that the regression on magnitude and distance starts from")

    # generation and scores
    records_to_mix: int = Field(5, ge=1, description="k: records whose codes are averaged")
    mixing: Literal["uniform", "dirichlet", "unit-norm"] = Field(
        "uniform", description="weights of the mixed codes: 1/k as published, random ones, or of both signs and unit norm")
    dirichlet_alpha: float = Field(1.0, gt=0, description="concentration of Dirichlet weights")
    with_replacement: bool = Field(False, description="whether a record can be drawn twice for one new record")
    generation_noise: float = Field(1.0, ge=0, description="noise on the average, in standard deviations of the codes")
    generated_records: int = Field(50, ge=1, description="to generate for each station")

    @property
    def samples(self) -> int:
        return round(self.window_s * self.sampling_rate_hz)

    def network(self, described: bool = False) -> dict:
        """Arguments of `TimesNetGen`: as published in the authors' code, or as described in their text."""
        published = dict(samples=self.samples, d_model=self.d_model, d_ff=self.d_ff, top_k=self.top_k, num_kernels=self.num_kernels,
                         blocks=self.blocks, dropout=self.dropout, period_choice=self.period_choice)
        bottleneck = dict(latent=self.latent, latent_stride=self.latent_stride, decoder_blocks=self.decoder_blocks)
        return published | bottleneck if described else published


PAPER = dict(
    sampling_rate_hz=100.0, random_stations=200, records_per_random_station=100,
    d_model=128, d_ff=256, num_kernels=6,
    loss="raw", batch=32, phase0_epochs=50, phase0_learning_rate=3e-4, described_learning_rate=3e-4, phase1_epochs=10,
    phase1_learning_rate=1e-4, precision="32-true", device="auto",
    vae_epochs=100, vae_learning_rate=1e-3, vae_latent=32, vae_channels=64,
)
PROFILES: dict[str, dict] = {"quick": {}, "paper": PAPER}
HOW = ("device", "devices", "nodes", "save_minutes", "compile", "recompute",      # settings that do not decide what a training ends with
       "records_to_mix", "mixing", "dirichlet_alpha", "with_replacement", "generation_noise", "generated_records")
RUN_PARAMETERS = ("profile", "run", "corpus", "sources", "into", "window", "station", "generator")  # not settings: which run, and on what


def parameter_names() -> tuple[str, ...]:
    """Every name that a notebook accepts as a parameter."""
    return RUN_PARAMETERS + tuple(Settings.model_fields)


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: the closest known one, or all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known)}"


def settings(profile: str = "quick", **changes) -> Settings:
    """The settings of a profile, with some changed.

    Raises
    ------
    ConfigError
        For an unknown profile or setting (naming the nearest right one), or a value that cannot be.
    """
    if profile not in PROFILES:
        raise ConfigError(f"unknown profile {profile!r}: {nearest(profile, PROFILES)}")
    unknown = [name for name in changes if name not in Settings.model_fields]
    if unknown:
        raise ConfigError("; ".join(f"unknown setting {name!r}: {nearest(name, Settings.model_fields)}"
                                    for name in unknown))
    try:
        return Settings(**{**PROFILES[profile], **changes})
    except ValidationError as problem:
        raise ConfigError("; ".join(
            f"setting {'.'.join(map(str, e['loc']))} = {e['input']!r}: {e['msg'].lower()}"
            for e in problem.errors())) from None
