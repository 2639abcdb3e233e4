"""Model cards: what a checkpoint is, in Markdown beside it.

A card says what the network learned from, how, how well its records scored if that is known, for which stations it can
be used, and what it must not be used for.  But for the section "Effort", the same training gives the same card.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tng import config
from tng.files import replaced

WHAT = {                                       # training → title, what it is
    "phase0": ("TimesNet-Gen as published, Phase 0",
               "An autoencoder of accelerograms: TimesBlocks encode, one linear layer decodes. It was trained on stations other than those it "
               "generates for and knows of no station. By itself it is the zero-shot variant."),
    "phase1": ("TimesNet-Gen as published, Phase 1",
               "An autoencoder of accelerograms: TimesBlocks encode, one linear layer decodes. It was pre-trained on other stations and fine-tuned "
               "with latent noise."),
    "phase0-described": ("TimesNet-Gen as described, Phase 0",
                         "An autoencoder of accelerograms with a bottleneck between TimesBlocks, pre-trained without station numbers."),
    "phase1-described": ("TimesNet-Gen as described, Phase 1",
                         "An autoencoder of accelerograms with a bottleneck between TimesBlocks, which are told the station."),
    "vae": ("Spectrogram VAE", "A variational autoencoder of spectrograms that is told the station: the baseline of the comparison. Its records "
            "are drawn from its prior; no recorded one is needed."),
    "shaped-noise": ("Shaped noise", "A generator that makes records from noise: TimesBlocks give it the envelopes of earthquake records, the station's filter "
                     "its spectrum, and a fitted law of source and path its strength and duration. No recorded waveform is in it."),
    "imported": ("TimesNet-Gen, imported", "The authors' public weights under the names of this library. The code is the same; who trained it on "
                 "what is not stated in the file."),
}
MODELS = {"phase1": "timesnet-gen", "phase1-described": "described", "phase0": "zero-shot", "vae": "vae",
          "shaped-noise": "shaped-noise"}   # training → of `tng generate`
MIXES = "New records are made by averaging the codes of k recorded ones of a station and decoding the average."
MEASURES = {"NCC SxS": "NCC, real × generated stations", "NCC 2Sx2S": "NCC, all × all", "f0 ratio": "f0 ratio",
            "f0 similarity": "f0 similarity", "PGA ratio": "PGA ratio", "D5-95 ratio": "D5–95 ratio", "C2ST": "C2ST",
            "explained by training": "explained by training"}       # of the scoreboard → on a card
SCORES = "<!-- scores -->", "<!-- end of scores -->"
NOT_SCORED = "Not scored yet; `tng score` compares generated records with held-out ones."
MOST_LISTED = 40       # stations or licences in a sentence


class CardError(ValueError):
    """A model card that cannot be read or written; the message says why."""


def write(path, info: Mapping, scores=None) -> Path:
    """Write the card of a checkpoint.

    Parameters
    ----------
    path : path
        ``NAME.md``, beside ``NAME.safetensors``.
    info : mapping
        The checkpoint's description (:func:`tng.checkpoints.read_about`).  What it does not tell, the card calls unknown.
    scores : DataFrame, optional
        A scoreboard of its records.

    Raises
    ------
    CardError
        If the file cannot be written.
    """
    path = Path(path)
    return _put(path, text(path, info, scores))


def add_scores(path, board) -> Path:
    """Put a scoreboard into the card of a checkpoint, in place of what stood there; `path` is the card or its checkpoint.

    Raises
    ------
    CardError
        If there is no card, or nothing in it says where scores belong.
    """
    path = Path(path)
    path = path.with_suffix(".md") if path.suffix == ".safetensors" else path if path.suffix == ".md" else path.with_name(path.name + ".md")
    try:
        card = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as problem:
        raise CardError(f"{path}: no model card that can be read ({problem})") from None
    before, opened, rest = card.partition(SCORES[0])
    _, closed, after = rest.partition(SCORES[1])
    if not (opened and closed):
        raise CardError(f"{path}: not a model card of tng (no place for scores in it)")
    return _put(path, before + _between_marks(scores_table(board)) + after)


def text(path: Path, info: Mapping, scores=None) -> str:
    """The card's Markdown; `path` only decides the names in the commands."""
    training = str(info.get("training") or "unknown")
    title, what = WHAT.get(training, (str(info.get("network", "Unknown network")), f"A network of the class `{plain(info.get('network'))}`."))
    if _mixes(info):
        what = f"{what} {MIXES}"
    sections = [
        f"# {title}", f"`{plain(path.with_suffix('.safetensors').name)}` – {what}", *_warning(info),
        "## Data", *_data(info), *_bank(info),
        "## Stations", _stations(info),
        "## Scores", _between_marks(NOT_SCORED if scores is None else scores_table(scores)),
        "## What it must not be used for", *_limits(info),
        "## How to use it", *_use(path, info),
        "## Settings", _settings(info),
        "## Training", *_training(info),
        "## Effort", _effort(info.get("effort") or {}),
        "## Versions", _table(("program", "version"), sorted((info.get("versions") or {}).items())),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def scores_table(board) -> str:
    """The measures of `MEASURES` as a Markdown table: values with 95 % intervals, and what real records reach against real ones."""
    from tng.scoring import tables

    rows = tables.of_station(board)
    rows = rows[rows["measure"].isin(list(MEASURES))]
    names = tables.generators(rows)
    floors = tables.summary(board)[tables.FLOOR].droplevel("group")
    cells: dict[str, dict[str, str]] = {}
    for _, row in rows.iterrows():
        value = f"{_number(row['value'])}{tables.MARKS[row['verdict']]}"
        if math.isfinite(row["low"]):
            value += f" [{_number(row['low'])}, {_number(row['high'])}]"
        cells.setdefault(row["measure"], {tables.FLOOR: floors[row["measure"]]})[row["generator"]] = value
    body = [(MEASURES[name], *(cells[name].get(one, "–") for one in names), cells[name][tables.FLOOR]) for name in MEASURES if name in cells]
    count = rows.iloc[0] if len(rows) else None
    held_out = "" if count is None else f"{count['n_real']} held-out and {count['n_generated']} generated records. "
    stations = board.attrs.get("stations", [])
    return "\n\n".join([
        f"{held_out}Stations: {plain(_listed(stations))}. Brackets are 95 % intervals; † lies outside the band of recorded records against recorded ones.",
        _table(("measure", *map(plain, names), tables.FLOOR), body, ready=True) or "None of the measures of a card was scored.",
        *(f"Note: {plain(note)}" for note in board.attrs.get("notes", []))])


# --- sections -------------------------------------------------------------------------------------------

def _warning(info: Mapping) -> list[str]:
    """What must be read first."""
    about = info.get("corpus_about") or {}
    found = []
    if about.get("synthetic") is True:
        but = _adapted(info, synthetic=False)
        found.append("> **Synthetic.** Every record it learned from was simulated; no earthquake was recorded. It says nothing about any real station, "
                     "and a station called `…-like` is not the real one." + (f" Recorded are only those by which it was adapted to {plain(_listed(but))}."
                                                                              if but else ""))
    if about.get("synthetic") is None and (simulated := (about.get("kinds") or {}).get("synthetic")):
        found.append(f"> **Partly synthetic.** {simulated} of the {about.get('records', 'unknown')} records of its corpus were simulated, not recorded; "
                     "a station that has only such records is no real one.")
    if _bank_about(info) and about.get("synthetic") is not True:
        found.append("> **This file holds records.** Its bank holds reconstructions of the records listed under Data, which can be read from it nearly "
                     "as they were recorded. Passing the file on is passing the records on, under their licences.")
    return found


def _data(info: Mapping) -> list[str]:
    about = info.get("corpus_about") or {}
    rate, window = info.get("sampling_rate_hz") or about.get("sampling_rate_hz"), about.get("window_s")
    samples = (info.get("arguments") or {}).get("samples")
    if window is None and rate and samples:
        window = samples / rate
    return [_table(("", ""), [
        ("records are", _kind(about)), ("records", about.get("records", "unknown")), ("stations", _count(about.get("stations"))), *_trained_on(info),
        ("sampling rate", f"{rate:g} Hz" if rate else "unknown"), ("window", f"{window:g} s" if window else "unknown"),
        ("unit, components", "cm/s²; E, N, Z"), ("licences", _licences(about.get("licences"))),
        ("fingerprint of the corpus", info.get("corpus") or "unknown")])]


def _kind(about: Mapping) -> str:
    """Whether the corpus' records are synthetic or recorded; how many, where they are not all of a kind."""
    kinds = about.get("kinds") or {}
    if len(kinds) > 1 or "augmented" in kinds:
        return ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return {True: "simulated, none of them recorded", False: "recorded earthquakes"}.get(about.get("synthetic"), "unknown")


def _trained_on(info: Mapping) -> list[tuple]:
    """How much of the corpus the training saw, where that is known."""
    seen, about = info.get("trained_on") or {}, info.get("corpus_about") or {}
    parts = [f"{seen[name]} of {_count(about.get(name))} {name}{more}" for name, more in (("records", " (train)"), ("stations", "")) if name in seen]
    fine_tuned = str(info.get("training")).startswith("phase1")
    return [("fine-tuned on" if fine_tuned else "trained on", ", ".join(parts))] if parts else []


def _bank(info: Mapping) -> list[str]:
    bank = _bank_about(info)
    if not bank:
        return []
    what = "decoded, that is as reconstructed waveforms" if bank.get("decoded") else "as codes, which the decoder turns into waveforms"
    counts = bank.get("records") or {}
    return [f"The bank, from which new records are mixed, holds these records {what}:",
            _table(("station", "records"), sorted(counts.items())), f"Licences of these records: {plain(_licences(bank.get('licences')))}."]


def _stations(info: Mapping) -> str:
    valid, told = list(info.get("generates_for") or []), list(info.get("stations") or [])
    shaped = info.get("network") == "EnvelopeNet"
    return (f"Valid for: {plain(_listed(valid))}. " if valid else "It was trained for no particular station. ") + (
        f"Its network knows of no station: each of {len(told)} has numbers of its own, and `tng adapt` adds more." if shaped else
        "The network is told the station." if told else "The network is not told the station; what is special of a station comes from the records that "
        "are mixed." if _mixes(info) else "") + "".join(
        f" {plain(code)} was added by `tng adapt`, from {about.get('records', 'unknown')} records of the corpus {plain(about.get('corpus', 'unknown'))}."
        for code, about in (info.get("adapted") or {}).items())


def _adapted(info: Mapping, synthetic: bool) -> list[str]:
    """Stations that were added after the training, by synthetic or by recorded records."""
    return [code for code, about in (info.get("adapted") or {}).items() if about.get("synthetic") is synthetic]


def _limits(info: Mapping) -> list[str]:
    k = _mixing(info).get("records_to_mix")
    found = ["Design, and hazard or risk assessment: nothing here was validated for either.",
             "Other stations than those above. `tng adapt` adds a station from a few of its records." if info.get("network") == "EnvelopeNet" else
             "Other stations than those above, and magnitudes or distances beyond those of the records: it knows of neither.",
             "Taking its records for recorded earthquakes: every one of them is generated and says so in its metadata; keep it that way."]
    if info.get("network") == "EnvelopeNet":
        found.append("Magnitudes and distances beyond those of the records: there it goes on with straight lines. What noise cannot do: surface waves, pulses "
                     "of near faults, nonlinear soil.")
    if _mixes(info) and _mixing(info).get("mixing", "uniform") != "unit-norm":
        factor = f", about {1 / math.sqrt(k):.2f} for k = {k}" if k else ""
        found.append(f"Amplitudes and durations: an average of k records that have little in common is weaker than they are by 1/√k{factor}, and longer, "
                     "because their onsets do not coincide. Peak and response spectra of its records are not those of the station.")
    if _mixes(info):
        found.append("More variety than the records that are mixed: each new record is a mixture of recorded ones, whose names it carries.")
    return ["\n".join(f"- {line}" for line in found)]


def _use(path: Path, info: Mapping) -> list[str]:
    station = next(iter(info.get("generates_for") or []), "STATION")
    file = path.with_suffix(".safetensors").name
    released = info.get("released")
    if released:
        return ["In the folder of this file:", _code(f"tng generate --checkpoint {_quoted(file)} --station {_quoted(station)} -n 50", "bash"), "In Python:",
                _code(f'from tng.released import load_released\n\nrecords = load_released({file!r}).sample({station!r}, 50, seed=0)', "python")]
    model = MODELS.get(str(info.get("training")))
    if not model:
        return ["It makes no records by itself; the next training starts from it."] if info.get("training") == "phase0-described" else []
    run = f"runs/{path.parent.name}" if path.parent.parent.name == "runs" else path.parent.name or "."
    options = f"--run {_quoted(run)}" + ("" if model == "timesnet-gen" else f" --model {model}")
    where = "the folder above the run's" if "/" not in run else "the folder of `runs`"
    more = "; `--corpus` names the run's corpus if it is elsewhere" if _mixes(info) else ""
    return [f"From {where}{more}:",
            _code(f"tng generate {options} --station {_quoted(station)} -n 50\n"
                  f"tng release {options} --into {model}.safetensors      # one small file that needs neither run nor corpus", "bash")]


def _settings(info: Mapping) -> str:
    """Settings that decide this training's result, and the network's arguments."""
    given, training = info.get("settings") or {}, str(info.get("training") or "")
    fields = config.Settings.model_fields
    others = {"phase0_", "phase1_", "vae_", "shape_"} - {"shape_" if training == "shaped-noise" else f"{training.partition('-')[0]}_"}
    others |= {"latent", "decoder_", "described_"} if not training.endswith("-described") else set()
    about = info.get("corpus_about") or {}
    others |= {"records_per_", "random_"} if not about.get("synthetic") or about.get("kinds") else set()      # by which tng simulated the corpus
    others |= {"d_", "top_k", "num_kernels", "blocks", "dropout", "period_", "loss", "noise_"} if training == "vae" else set()
    rows = [(f"`{name}`", value, fields[name].description if name in fields else "") for name, value in sorted(given.items())
            if name not in config.HOW and not name.startswith(tuple(others))]
    mixing = [(f"`{name}`", value, "of mixing, as released") for name, value in sorted(_mixing(info).items())] if info.get("released") else []
    network = ", ".join(f"{name} {value}" for name, value in (info.get("arguments") or {}).items() if value not in ((), [], None))
    return "\n\n".join(filter(None, [f"Network: `{plain(info.get('network'))}` ({plain(network)}).",
                                     _table(("setting", "value", "meaning"), rows + mixing)]))


def _training(info: Mapping) -> list[str]:
    history = info.get("history") or {}
    epochs = list(history.get("epoch") or [])
    if not epochs:
        return ["Not stated."]
    rows = [(epochs[i], *(_number(history[name][i]) if i < len(history.get(name) or []) else "–" for name in ("train", "validation")))
            for i in (range(len(epochs)) if len(epochs) <= 12 else sorted({0, len(epochs) // 2, len(epochs) - 1}))]
    kept = f", weights of epoch {info['kept_epoch']} kept" if info.get("kept_epoch") not in (None, epochs[-1]) else ""
    return [f"{len(epochs)} epoch{'s' if len(epochs) > 1 else ''}{kept}; mean losses over an epoch:", _table(("epoch", "training", "validation"), rows)]


def _effort(effort: Mapping) -> str:
    shown = {"device": "device", "precision": "precision", "processes": "processes", "parameters": "parameters", "seconds": "time [s]",
             "records_per_s": "records/s", "peak_memory_gib": "peak memory [GiB]"}
    rows = [(title, _effort_number(name, effort[name])) for name, title in shown.items() if effort.get(name) is not None]
    return _table(("", ""), rows) or "Not stated."


# --- pieces ---------------------------------------------------------------------------------------------

def _mixes(info: Mapping) -> bool:
    return info.get("network") == "TimesNetGen"


def _mixing(info: Mapping) -> dict:
    """How records are mixed: as released, else as the settings have it."""
    released = (info.get("released") or {}).get("generator")
    given = info.get("settings") or {}
    names = {"records_to_mix": "records_to_mix", "mixing": "mixing", "alpha": "dirichlet_alpha", "replacement": "with_replacement", "noise": "generation_noise"}
    return dict(released) if released else {name: given[key] for name, key in names.items() if key in given} if _mixes(info) else {}


def _bank_about(info: Mapping) -> dict:
    return (info.get("released") or {}).get("bank") or {}


def _between_marks(body: str) -> str:
    return f"{SCORES[0]}\n{body}\n{SCORES[1]}"


def _licences(found) -> str:
    """``MIT (80), CC-BY-4.0 (3)``, from a mapping with counts or a list."""
    if not found:
        return "not stated"
    return _listed([f"{name} ({count})" for name, count in sorted(found.items())] if isinstance(found, Mapping) else sorted(map(str, found)))


def _listed(names: Iterable) -> str:
    names = [str(name) for name in names]
    return ", ".join(names[:MOST_LISTED]) + (f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else "") or "none"


def _count(stations) -> object:
    return "unknown" if stations is None else stations if isinstance(stations, int) else len(stations)


def _number(value) -> str:
    value = float("nan") if value is None else float(value)
    return f"{value:.3g}" if math.isfinite(value) else "–"


def _effort_number(name: str, value) -> str:
    if name in ("device", "precision"):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else _number(value)


def plain(value) -> str:
    """Text that Markdown does not take for something else: one line, no HTML, no end of a table cell."""
    line = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return line.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("`", "'")


def _table(titles: tuple, rows: Iterable[tuple], ready: bool = False) -> str:
    """A Markdown table; nothing without rows.  Unless `ready`, cells are made plain (but for the code marks around a name)."""
    def cell(value) -> str:
        value = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        return value if ready else f"`{plain(value[1:-1])}`" if re.fullmatch(r"`[^`]+`", value) else plain(value)

    lines = [f"| {' | '.join(cell(value) for value in row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}", *lines]) if lines else ""


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(str(word))


def _code(lines: str, language: str) -> str:
    return f"```{language}\n{lines}\n```"


def _put(path: Path, content: str) -> Path:
    try:
        with replaced(path) as part:
            part.write_text(content, encoding="utf-8")
    except OSError as problem:
        raise CardError(f"{path}: cannot be written ({problem.strerror or problem})") from None
    return path
