"""Model cards: what they say of a checkpoint, what they warn of, and scores put into them."""

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from tng import cards, checkpoints, config, runs
from tng.scoring import scoreboard, tables

PARAGRAPH = "Synthetic."


def description(**changes) -> dict:
    """What a checkpoint of Phase 1 tells of itself."""
    settings = config.settings(records_to_mix=4, clip=0.75)
    return {"training": "phase1", "network": "TimesNetGen", "arguments": {"samples": 3000, "d_model": 8, "stations": 0},
            "stations": [], "generates_for": ["0205", "4628"], "settings": settings.model_dump(mode="json"), "corpus": "f00d" * 16,
            "corpus_about": {"synthetic": False, "records": 812, "stations": 25, "sampling_rate_hz": 50.0, "window_s": 60.0,
                             "licences": {"CC BY 4.0": 800, "no redistribution": 12}},
            "sampling_rate_hz": 50.0, "history": {"epoch": [1, 2, 3], "train": [3.0, 2.0, 1.25], "validation": [4.0, 3.0, None],
                                                  "learning_rate": [0.1, 0.05, 0.01]},
            "effort": {"records_per_s": 123.4, "peak_memory_gib": 1.5, "processes": 2, "device": "cuda", "precision": "tf32", "seconds": 60.0,
                       "parameters": 38260355}, "versions": {"tng": "1", "torch": "2"}, **changes}


def card(tmp_path, **changes) -> str:
    return cards.write(tmp_path / "runs/quick/phase1.md", description(**changes)).read_text()


def section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def cells(text: str) -> dict[str, list[str]]:
    """Rows of the tables in a text: first cell → the others."""
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows}


def test_a_card_says_what_the_checkpoint_is(tmp_path):
    text = card(tmp_path)
    data = cells(section(text, "Data"))
    assert data["records"] == ["812"] and data["stations"] == ["25"] and data["window"] == ["60 s"] and data["sampling rate"] == ["50 Hz"]
    assert data["licences"] == ["CC BY 4.0 (800), no redistribution (12)"] and data["fingerprint of the corpus"] == ["f00d" * 16]
    assert data["records are"] == ["recorded earthquakes"] and PARAGRAPH not in text
    assert "0205, 4628" in section(text, "Stations")
    settings = cells(section(text, "Settings"))
    assert settings["clip"] == ["0.75", config.Settings.model_fields["clip"].description]
    assert not {"phase0_epochs", "vae_epochs", "device", "records_per_station", "latent"} & set(settings) and "phase1_epochs" in settings
    assert cells(section(text, "Training"))["3"] == ["1.25", "–"]
    assert cells(section(text, "Effort"))["parameters"] == ["38,260,355"]


def test_limits_are_those_of_the_mixture(tmp_path):
    """1/√k for k = 4 is one half; a mixture of unit norm and a VAE lose nothing."""
    assert "about 0.50 for k = 4" in section(card(tmp_path), "What it must not be used for")
    unit = {**description()["settings"], "mixing": "unit-norm"}
    assert "1/√k" not in card(tmp_path, settings=unit)
    vae = section(card(tmp_path, training="vae", network="SpectrogramVAE"), "What it must not be used for")
    assert "1/√k" not in vae and "Design" in vae and "Taking its records for recorded earthquakes" in vae


def test_synthetic_records_are_called_so(tmp_path):
    text = card(tmp_path, corpus_about={**description()["corpus_about"], "synthetic": True})
    assert text.index(PARAGRAPH) < text.index("## Data") and "no earthquake was recorded" in text
    assert cells(section(text, "Data"))["records are"] == ["simulated, none of them recorded"]


@pytest.mark.parametrize("synthetic, kinds, said", [
    (None, {"synthetic": 300, "recorded": 500, "unknown": 12}, "300 synthetic, 500 recorded, 12 unknown"), (None, {"synthetic": 1, "unknown": 811}, "1 synthetic, 811 unknown"),
    (None, {"recorded": 1, "unknown": 811}, "1 recorded, 811 unknown"), (False, {"recorded": 812}, "recorded earthquakes"), (None, {"unknown": 812}, "unknown"),
    (False, {"augmented": 812}, "812 augmented"), (True, {"synthetic": 812}, "simulated, none of them recorded")])
def test_records_of_several_kinds_are_counted(synthetic, kinds, said, tmp_path):
    text = card(tmp_path, corpus_about={**description()["corpus_about"], "synthetic": synthetic, "kinds": kinds})
    assert cells(section(text, "Data"))["records are"] == [said] and ("> **Synthetic.**" in text) == (synthetic is True)
    assert (f"> **Partly synthetic.** {kinds.get('synthetic')} of the 812 records" in text) == (synthetic is None and "synthetic" in kinds)
    assert "records_per_station" not in cells(section(text, "Settings"))                    # not by these was such a corpus made


def test_how_much_of_the_corpus_it_was_trained_on(tmp_path):
    seen = {"records": 487, "stations": 20}
    assert "trained on" not in cells(section(card(tmp_path), "Data")) and "fine-tuned on" not in card(tmp_path)           # files of earlier versions
    assert cells(section(card(tmp_path, trained_on=seen), "Data"))["fine-tuned on"] == ["487 of 812 records (train), 20 of 25 stations"]
    assert cells(section(card(tmp_path, trained_on=seen, training="vae"), "Data"))["trained on"] == ["487 of 812 records (train), 20 of 25 stations"]
    assert cells(section(card(tmp_path, trained_on={"records": 9}, corpus_about={}, training="vae"), "Data"))["trained on"] == ["9 of unknown records (train)"]


def test_the_card_of_the_bundled_model_is_what_its_file_tells():
    """But for the commands: it was released under this name."""
    file = runs.bundled("shaped_noise")
    assert cards.text(file.with_suffix(".md"), checkpoints.read_about(file)) == file.with_suffix(".md").read_text(encoding="utf-8")


@pytest.mark.parametrize("synthetic, warned", [(True, False), (False, True), (None, True)])
def test_a_bank_of_recorded_earthquakes_is_records(synthetic, warned, tmp_path):
    released = {"bank": {"records": {"0205": 7}, "decoded": True, "licences": {"MIT": 7}}, "generator": {"records_to_mix": 9}}
    text = card(tmp_path, released=released, corpus_about={"synthetic": synthetic})
    assert ("This file holds records" in text) == warned
    assert cells(section(text, "Data"))["0205"] == ["7"] and "MIT (7)" in text and "about 0.33 for k = 9" in text
    assert "tng generate --checkpoint phase1.safetensors --station 0205 -n 50" in section(text, "How to use it")


def test_commands_name_run_and_model(tmp_path):
    assert "tng generate --run runs/quick --station 0205 -n 50" in card(tmp_path)
    assert "tng generate --run runs/quick --model described --station 0205" in card(tmp_path, training="phase1-described")
    assert "tng generate" not in card(tmp_path, training="phase0-described")


def test_the_same_training_gives_the_same_card_but_for_its_effort(tmp_path):
    first, second = card(tmp_path), card(tmp_path, effort={"seconds": 1.0})
    assert first == card(tmp_path) != second
    assert first.partition("## Effort")[0] == second.partition("## Effort")[0]


def test_what_is_not_known_is_called_so(tmp_path):
    text = cards.write(tmp_path / "x.md", {}).read_text()
    assert "unknown" in text and "Not stated" in text and "None" not in text.replace("`None`", "")
    assert text.count("\n## ") == 9


def test_names_are_no_markdown(tmp_path):
    text = card(tmp_path, generates_for=["A|B", "<script"], corpus_about={"licences": {"a|b\nc": 1}})
    assert "<script" not in text and "a\\|b c (1)" in text and "A\\|B" in text


# --- scores --------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def board() -> pd.DataFrame:
    """Noise against noise at two stations, whose horizontals resonate at 5 Hz: f0 is scored where it lies inside the band."""
    rng = np.random.default_rng(0)

    def motion(n):
        x = rng.standard_normal((n, 3, 600))
        x[:, :2] += 3 * signal.lfilter(*signal.iirpeak(5.0, 3.0, fs=50.0), x[:, :2])
        return np.hanning(600) * x

    data = {name: {code: motion(n) for code in "AB"} for name, n in (("train", 12), ("test", 8), ("new", 8))}
    return scoreboard(data["train"], data["test"], {"TimesNet-Gen": data["new"]}, sampling_rate_hz=50.0, draws=20)


def test_scores_are_those_of_the_board(tmp_path, board):
    path = tmp_path / "phase1.md"
    before = cards.write(path, description()).read_text()
    after = cards.add_scores(path, board).read_text()
    shown = cells(section(after, "Scores"))
    rows = tables.of_station(board).set_index("measure")
    wanted = {"NCC SxS", "NCC 2Sx2S", "f0 ratio", "f0 similarity", "PGA ratio", "D5-95 ratio", "C2ST", "explained by training"} & set(rows.index)
    assert {"NCC SxS", "f0 ratio", "PGA ratio", "D5-95 ratio", "C2ST", "explained by training"} <= wanted
    for name in wanted:
        value, floor = shown[cards.MEASURES[name]]
        assert value.startswith(f"{rows.loc[name, 'value']:.3g}") and ("†" in value) == (rows.loc[name, "verdict"] == "outside")
        assert floor == tables.summary(board)[tables.FLOOR].xs(name, level="measure").iloc[0]
    low, high = rows.loc["PGA ratio", ["low", "high"]]
    assert shown["PGA ratio"][0].endswith(f"[{low:.3g}, {high:.3g}]")
    assert section(after, "Settings") == section(before, "Settings") and "Not scored" not in after


def test_new_scores_take_the_place_of_old_ones(tmp_path, board):
    once = cards.write(tmp_path / "x.md", description(), board).read_text()
    cards.write(tmp_path / "x.md", description())
    for given in ("x.safetensors", "x.md", "x"):
        assert cards.add_scores(tmp_path / given, board).read_text() == once


def test_no_card_no_scores(tmp_path, board):
    with pytest.raises(cards.CardError, match="no model card"):
        cards.add_scores(tmp_path / "x.safetensors", board)
    (tmp_path / "x.md").write_text("# Mine\n")
    with pytest.raises(cards.CardError, match="no place for scores"):
        cards.add_scores(tmp_path / "x.md", board)
    assert (tmp_path / "x.md").read_text() == "# Mine\n"


def test_a_card_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(cards.CardError, match="cannot be written"):
        cards.write(tmp_path / "file" / "x.md", description())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
