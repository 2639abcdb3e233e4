"""Commands of `tng` that use networks: generate, release, import-checkpoint."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tng.cli_train import quoted, short, train

MOST_LISTED = 12                                       # stations in a message

Seed = Annotated[int, typer.Option(min=0, help="Of everything drawn at random.")]
RunFolder = Annotated[Path | None, typer.Option(help="Run folder; default runs/quick.")]
CorpusFolder = Annotated[Path | None, typer.Option(help="Corpus of the run, if it is not in the run folder.")]
Mixing = Annotated[str | None, typer.Option(help="Weights of the mixed codes: uniform, dirichlet or unit-norm; default: as trained.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (train, generate, release, import_checkpoint):
        app.command()(command)


# --- generate -------------------------------------------------------------------------------------------

def generate(station: Annotated[list[str] | None, typer.Option(help="Station code; can be repeated. Default, with --into: all that the model knows.")] = None,
             into: Annotated[Path | None, typer.Option(help="Folder of the new records; default generated/<station>.")] = None,
             run: RunFolder = None,
             model: Annotated[str | None, typer.Option(help="timesnet-gen (default where it is trained), described, zero-shot, vae, shaped-noise; without a network: average, replay, "
                                                       "unit-norm-mix, phase-randomised, phase-envelope, stochastic.")] = None,
             checkpoint: Annotated[Path | None, typer.Option(help="Released file (.safetensors), in place of run and model.")] = None,
             corpus: CorpusFolder = None,
             n: Annotated[int, typer.Option("-n", help="Records to make for each station.")] = 50,
             form: Annotated[str, typer.Option("--format", help="corpus (default), mseed, sac, at2 or csv.")] = "corpus",
             batch: Annotated[int | None, typer.Option(help="Records at a time in the network; default: what the model takes.")] = None,
             device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
             records_to_mix: Annotated[int | None, typer.Option("-k", "--records-to-mix", help="Records whose codes are mixed.")] = None,
             mixing: Mixing = None,
             alpha: Annotated[float | None, typer.Option(help="Concentration of Dirichlet weights.")] = None,
             replacement: Annotated[bool | None, typer.Option("--replacement/--no-replacement", help="Whether one record can be drawn twice.")] = None,
             noise: Annotated[float | None, typer.Option(help="Noise on the mixed code, in its standard deviations.")] = None,
             magnitude: Annotated[float | None, typer.Option(help="Shaped noise: of the earthquake; with --distance-km.")] = None,
             distance_km: Annotated[float | None, typer.Option(help="Shaped noise: hypocentral distance [km].")] = None,
             seed: Seed = 0,
             overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False) -> None:
    """Make new records for stations: with a model of a run, or from a released file alone."""
    from tng import corpus as corpora
    from tng import writers

    if n < 1:
        raise ValueError(f"-n {n}: at least one record must be made")
    if form not in ("corpus", *writers.FORMATS):
        raise ValueError(f"--format {form}: there are corpus, {', '.join(writers.FORMATS)}")
    if not (station or into):
        raise ValueError("for which stations? Name them with --station, or with --into a folder for the records of all that the model knows")
    options = {name: value for name, value in (("records_to_mix", records_to_mix), ("mixing", mixing), ("alpha", alpha),
                                               ("replacement", replacement), ("noise", noise)) if value is not None}
    generator, source = _generator(model, run, corpus, checkpoint, device, station or (), options)
    _batches(generator, batch)
    order = _to_order(generator, magnitude, distance_km)
    stations = list(dict.fromkeys(_known_station(code, generator.stations, source) for code in station or generator.stations))
    targets = {into: stations} if into else {Path("generated") / (code if form == "corpus" else f"{code}-{form}"): [code] for code in stations}
    if form == "corpus":
        for folder in targets:
            corpora.check_free(folder, overwrite)          # before any work is done
    for folder, codes in targets.items():
        ready = generator.sample(codes[0], n, seed, **order)        # what cannot be made is said before anything is written
        records = itertools.chain(ready, (record for code in codes[1:] for record in generator.sample(code, n, seed, **order)))
        if form == "corpus":
            settings = {"model": generator.name, "stations": codes, "seed": seed, "made by": source, **options, **order}
            count = len(corpora.write(records, folder, seed=seed, overwrite=overwrite, settings=settings))
        else:
            count = len(codes) * n if writers.write(records, folder, form, overwrite=overwrite) else 0
        typer.echo(f"{count} generated records for {', '.join(codes)} in {folder}")
    if order:
        _doubt(generator, order)


def _generator(model: str | None, run: Path | None, corpus: Path | None, checkpoint: Path | None, device: str,
               stations: Sequence[str], options: dict):
    """The generator that was asked for, and what it is made from, in words."""
    from tng import runs

    if checkpoint is None:
        model = model or _default_model(run, options)
        allowed = runs.GENERATORS if not options else [name for name in runs.TRAINED if name not in ("vae", "shaped-noise")]
        if model in runs.GENERATORS and model not in allowed and not (model in runs.NULLS and set(options) == {"records_to_mix"}):
            raise ValueError(f"--model {model} mixes no codes, so it takes no {', '.join(options)}")
        where = {"device": _device(device)} if model in runs.TRAINED else {}
        folder = (run or runs.runs_folder() / "quick").resolve()
        bundled = model == "shaped-noise" and run is None and not (folder / "shaped-noise.safetensors").exists()
        return runs.load_generator(model, run, corpus, **where, **options), f"{model} {'of the library' if bundled else f'of {short(folder)}'}"
    from tng.corpus import Corpus
    from tng.released import load_released

    if model or run:
        raise ValueError("--checkpoint names the whole generator: leave --run and --model out")
    records = None if corpus is None else Corpus.open(corpus)
    return load_released(checkpoint, records, device=_device(device), stations=stations, **options), checkpoint.name


def _default_model(run: Path | None, options: dict) -> str:
    """TimesNet-Gen of the run, or what else the run holds; where nothing has been trained yet, the shaped noise that comes with the library."""
    from tng import runs

    folder = run or runs.runs_folder() / "quick"
    if options or (folder / "phase1.safetensors").exists():
        return "timesnet-gen"
    if (folder / "shaped-noise.safetensors").exists():
        typer.echo(f"Taking --model shaped-noise, which {short(folder.resolve())} holds", err=True)
        return "shaped-noise"
    if run is not None:
        return "timesnet-gen"
    typer.echo("Nothing has been trained here: taking --model shaped-noise, which comes with the library (trained on synthetic records)", err=True)
    return "shaped-noise"


def _to_order(generator, magnitude: float | None, distance_km: float | None) -> dict:
    """Magnitude and distance, for a generator that takes them."""
    order = {name: value for name, value in (("magnitude", magnitude), ("distance_km", distance_km)) if value is not None}
    if order and not isinstance(generator, _shaped_noise_class()):
        raise ValueError(f"{generator.name} makes no records to order: leave --magnitude and --distance-km out, or take --model shaped-noise")
    return order


def _doubt(generator, order: dict) -> None:
    """What is asked for beyond the training records is said; it is made all the same."""
    for name, (low, high) in generator.trained_on.items():
        if name in order and not low <= order[name] <= high:
            option, unit = f"--{name.replace('_', '-')}", " km" if name.endswith("_km") else ""
            typer.echo(f"{option} {order[name]:g}: the generator has learned from {low:.3g} to {high:.3g}{unit}; beyond that its amplitudes are an extrapolation", err=True)


def _shaped_noise_class() -> type:
    from tng.generators.shaped_noise import ShapedNoise

    return ShapedNoise


def _batches(generator, batch: int | None) -> None:
    """How many records go through the network at a time; only where the records do not depend on it."""
    if batch is None:
        return
    if batch < 1:
        raise ValueError(f"--batch {batch}: at least one record at a time")
    if not hasattr(generator, "batch"):
        raise ValueError(f"--batch: {generator.name} does not take it; leave it out")
    generator.batch = batch


def _device(name: str) -> str:
    """Where the network computes; it must be usable."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        raise ValueError(f"--device {name}: cannot be used here ({str(problem).splitlines()[0]}); auto and cpu always can") from None
    return name


def _known_station(code: str, known: Sequence[str], source: str) -> str:
    """The station's code; of a synthetic corpus also without its "-like", which is then said."""
    from tng import config

    if code in known:
        return code
    if f"{code}-like" in known:
        typer.echo(f"{source} knows no station {code}; taking {code}-like, the synthetic station that was made like it", err=True)
        return f"{code}-like"
    listed = ", ".join(list(known)[:MOST_LISTED]) + (f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else "")
    close = config.nearest(code, known)
    hint = f" {close}" if close.startswith("did you mean") else ""
    raise ValueError(f"no station {code!r} here.{hint} Records can be made for {listed} ({source})")


# --- release and import -----------------------------------------------------------------------------------

def release(into: Annotated[Path, typer.Option(help="FILE.safetensors; the model card is written beside it.")],
            run: RunFolder = None,
            model: Annotated[str, typer.Option(help="timesnet-gen, described, zero-shot, vae or shaped-noise.")] = "timesnet-gen",
            corpus: CorpusFolder = None,
            allow_restricted: Annotated[bool, typer.Option("--allow-restricted",
                                        help="Also where the records' licences forbid to pass them on: for your own use.")] = False,
            overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False) -> None:
    """Write a trained model as one small file that needs neither run nor corpus, with its model card.

    With latent mixing it holds reconstructions of the stations' training records, nearly as they were recorded.
    """
    from tng import runs
    from tng.released import release_from_run

    check_free(into, overwrite)
    written = release_from_run(run or runs.runs_folder() / "quick", model, into, corpus, allow_restricted)
    say_written(written)


def import_checkpoint(checkpoint: Annotated[Path, typer.Argument(metavar="FILE.pth", help="Weights of the public code.")],
                      into: Annotated[Path, typer.Option(help="FILE.safetensors, or a folder for it.")],
                      latent_bank: Annotated[Path | None, typer.Option(help="latent_bank_….npz of the public code.")] = None,
                      noise_std: Annotated[Path | None, typer.Option(help="encoder_feature_std.npy of the public code.")] = None,
                      sampling_rate_hz: Annotated[float, typer.Option(min=1, max=1000, help="The files do not state it [Hz].")] = 100.0,
                      station: Annotated[list[str] | None, typer.Option(help="Only this station of the bank; can be repeated.")] = None,
                      overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False) -> None:
    """Turn the authors' public files into one that `tng generate --checkpoint` takes; no code in them is run."""
    from tng.released import import_public

    into = into if into.suffix == ".safetensors" else into / f"{checkpoint.stem}.safetensors"
    check_free(into, overwrite)
    written = import_public(checkpoint, into, latent_bank=latent_bank, noise_std=noise_std, sampling_rate_hz=sampling_rate_hz,
                            stations=station or None)
    say_written(written, needs="" if latent_bank else " --corpus CORPUS")
    if latent_bank is None:
        typer.echo("It holds no bank of records to mix: name a corpus whose records are to be, or import with --latent-bank")


def check_free(path: Path, overwrite: bool) -> None:
    """ValueError if a model would replace a file that is there, unasked."""
    if path.exists() and not overwrite:
        raise ValueError(f"{path}: is there already; name another file, or overwrite it (--overwrite)")


def say_written(path: Path, station: str | None = None, needs: str = "") -> None:
    """What was written, and the command that makes records with it: of a station, default the first it generates for."""
    from tng.checkpoints import read_about

    station = station or next(iter(read_about(path).get("generates_for") or []), "STATION")
    typer.echo(f"written: {path} ({path.stat().st_size / 2**20:.1f} MiB), and its card {path.with_suffix('.md').name}\n"
               f"Next: tng generate --checkpoint {quoted(path)} --station {shlex.quote(station)} -n 50{needs}")
