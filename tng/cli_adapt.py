"""`tng adapt`: a generator for a station of one's own, from a few of its records and a shaped-noise model that is trained already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tng.cli_models import check_free, say_written

BUNDLED = "shaped_noise"               # the model that comes with the library


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(adapt)


def adapt(corpus: Annotated[Path, typer.Option(help="Corpus with the station's records, as `tng ingest` writes it.")],
          station: Annotated[list[str], typer.Option(help="Station code; can be repeated.")],
          into: Annotated[Path, typer.Option(help="FILE.safetensors; the model card is written beside it.")],
          checkpoint: Annotated[Path | None, typer.Option(help="Shaped-noise model to start from; default: the one that comes with the library.")] = None,
          records: Annotated[int | None, typer.Option(help="Only so many of its training records, drawn at random by earthquake; default: all.")] = None,
          vs30_mps: Annotated[float | None, typer.Option(min=30, max=3000, help="Of the station [m/s]; default: as the corpus states it, if it does.")] = None,
          seed: Annotated[int, typer.Option(min=0, help="Of the records that are drawn.")] = 0,
          overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False) -> None:
    """Give a shaped-noise model a station of your own, from a few of its records, in seconds.

    Nothing is trained: the network stays as it is, and the station gets its numbers in closed form.
    """
    from tng import bands, bandwidth, checkpoints, released, runs
    from tng.corpus import Corpus
    from tng.generators import adapting
    from tng.generators.envelope_net import EnvelopeNet
    from tng.generators.shaping import Learnings

    if into.suffix != ".safetensors":
        raise ValueError(f"--into {into}: models are written as .safetensors; name the file {into.name}.safetensors")
    check_free(into, overwrite)
    if vs30_mps is not None and len(set(station)) > 1:
        raise ValueError("--vs30-mps is of one station, and several are named; adapt them one after the other, or put station_vs30_mps into the metadata")
    path = checkpoints.file_of(checkpoint or runs.bundled(BUNDLED))
    network, info, tensors = checkpoints.load_checkpoint(path, EnvelopeNet)
    data = Corpus.open(corpus)
    released.check_fits(path, network, info, data)
    maker = released.shaped_noise(path)
    learned, added = Learnings(maker.law, dict(maker.known)), {}
    chosen = {code: adapting.choose(data, code, records, seed) for code in dict.fromkeys(station)}
    for doubt in filter(None, [bandwidth.require(network, data, rows, code) for code, rows in chosen.items()]):
        typer.echo(doubt, err=True)
    for code, rows in chosen.items():
        learned.stations[code], measured = adapting.adapt(network, maker.law, data, rows, vs30_mps)
        curve = adapting.curve_of(learned.stations[code], maker.nodes, bands.of_corpus(data, [code], rows))
        _say(code, len(rows), adapting.with_source(measured), curve, replaced=code in maker.known)
        added[code] = {"records": len(rows), "corpus": data.fingerprint, "synthetic": checkpoints.synthetic(checkpoints.kinds(data, rows))}
    written = released.release(into, network, None, _described(info, list(learned.stations), added), name=maker.name, extra=learned.tensors())
    say_written(written, station[0])


def _say(code: str, records: int, with_source: int, curve, replaced: bool) -> None:
    """What was found of a station, and what is to be doubted."""
    from tng.bands import edge
    from tng.generators.adapting import CERTAIN

    freq_hz, hvsr = curve
    at, end = hvsr.argmax(), edge(freq_hz, hvsr)
    peak = f"H/V is largest at the {end} end of {freq_hz[0]:.3g}-{freq_hz[-1]:.3g} Hz, which is no f0" if end else f"f0 {freq_hz[at]:.2f} Hz, H/V there {hvsr[at]:.1f}"
    typer.echo(f"{code}: {records} records, {'all' if with_source == records else with_source or 'none'} with magnitude and distance; {peak}")
    if replaced:
        typer.echo(f"{code}: the model knew a station of this name; its numbers are replaced", err=True)
    if records < CERTAIN:
        typer.echo(f"{code}: with fewer than {CERTAIN} records H/V is uncertain, and leans on what is usual of other stations", err=True)


def _described(info: Mapping, stations: list[str], added: Mapping) -> dict:
    """The checkpoint's description with the stations that were added."""
    return {**info, "stations": stations, "generates_for": stations, "adapted": {**info.get("adapted", {}), **added}}
