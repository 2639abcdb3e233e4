"""The stored notebooks must be able to fail, and their figures to be read. (nbval runs and compares them.)"""

from __future__ import annotations

import io
import re
import tokenize
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
import papermill
import pytest
import yaml
from nbformat import NotebookNode

from tng.config import parameter_names, settings
from tools.build_book import ROOT, toc_files
from tools.picture import PICTURE, stored_picture
from tools.run import stored_parameters

FOLDER = ROOT / "notebooks"
NAMES = [Path(page).name for page in toc_files() if page.startswith("notebooks/")]
PROFILES = sorted((ROOT / "params").glob("*.yml"))
SHARED = {"profile": "quick", "run": "", "corpus": "", "seed": 0}
PRIVATE = re.compile(rf"{re.escape(str(ROOT))}|{re.escape(str(Path.home()))}/|/home/\w|/root/|/Users/\w|/tmp/|site-packages|\b[A-Z]:\\\\?Users")
each = pytest.mark.parametrize("name", NAMES)


def read(name: str) -> NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", 4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def parameters_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]


def texts(cell: NotebookNode) -> list[str]:
    """Everything readable in the outputs of a cell."""
    found = []
    for output in cell.get("outputs", []):
        found.append(output.get("text", ""))
        found += [str(value) for kind, value in output.get("data", {}).items() if not kind.startswith("image/")]
    return found


def labels(text: str) -> list[str]:
    """Labels that MyST markdown defines: `(x)=`, `:name: x`, `:label: x`, `$$ (x)` and `{#x}`."""
    patterns = (
        r"^\(([^)\s]+)\)=\s*$", r"^:(?:name|label):\s*(\S+)", r"^(?:name|label):\s*(\S+)",
        r"\$\$\s*\(([^)\s]+)\)\s*$", r"\{#([\w:-]+)",
    )
    return [label.strip("\"'") for pattern in patterns for label in re.findall(pattern, text, re.MULTILINE)]


def test_the_same_notebooks_everywhere() -> None:
    makefile = re.search(r"^NOTEBOOKS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert makefile and makefile[1].split() == NAMES
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES
    assert sorted(path.stem for path in (FOLDER / "src").glob("*.py")) == NAMES


@each
def test_stored_outputs_can_fail(name: str) -> None:
    cells = code_cells(read(name))
    assert all(cell.execution_count for cell in cells), "a cell without a count is compared with nothing: `make store`"
    outputs = [output for cell in cells for output in cell.outputs]
    assert [output.evalue for output in outputs if output.output_type == "error"] == []
    assert any(text.strip() for cell in cells for text in texts(cell)), "nothing printed: nothing to compare"
    kinds = {kind for output in outputs for kind in output.get("data", {}) if "image" in kind}
    assert kinds <= {"image/png"}, "SVG and glued figures are compared byte by byte"


@each
def test_twin_in_step(name: str) -> None:
    """`make store` writes both."""

    def content(notebook: NotebookNode) -> list[tuple[str, str, dict]]:
        kept = [(cell, {key: cell.metadata[key] for key in ("tags", "mystnb") if cell.metadata.get(key)}) for cell in notebook.cells]
        return [(cell.cell_type, cell.source, metadata) for cell, metadata in kept]

    assert content(jupytext.read(FOLDER / "src" / f"{name}.py")) == content(read(name))


@each
def test_parameters_cell(name: str) -> None:
    """One cell; `name: type = literal  # meaning [unit]` on each line; papermill can list them."""
    notebook = read(name)
    assert len(parameters_cells(notebook)) == 1
    source = parameters_cells(notebook)[0].source
    found = stored_parameters(notebook)  # raises if one is no plain literal
    assert {key: found.get(key) for key in SHARED} == SHARED
    comments = {token.start[0] for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.COMMENT}
    assert len(comments) == len(source.strip().splitlines()) == len(found), "one parameter and one comment a line"
    listed = papermill.inspect_notebook(str(FOLDER / f"{name}.ipynb"))
    assert {key for key, about in listed.items() if about["help"]} == set(found), "papermill reads no comment with '=' in it"
    assert set(found) <= set(parameter_names())


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_profile_names_are_known(path: Path) -> None:
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert given["profile"] == path.stem
    for name in NAMES:
        assert set(given) <= set(stored_parameters(read(name))) | set(parameter_names())


@each
def test_figures_have_caption_name_and_alt_text(name: str) -> None:
    for number, cell in enumerate(read(name).cells):
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", [])):
            about = cell.metadata.get("mystnb", {})
            figure = about.get("figure", {})
            assert figure.get("caption") and figure.get("name") and about.get("image", {}).get("alt"), (
                f"cell {number}: mystnb needs figure.caption, figure.name and image.alt"
            )


def test_labels_are_unique() -> None:
    found = []
    for name in NAMES:
        for cell in read(name).cells:
            if cell.cell_type == "markdown":
                found += labels(cell.source)
            if figure := cell.metadata.get("mystnb", {}).get("figure", {}):
                found.append(figure.get("name"))
    for page in sorted((ROOT / "book").glob("*.md")):
        found += labels(page.read_text(encoding="utf-8"))
    assert {label: count for label, count in Counter(found).items() if count > 1} == {}


@each
def test_cell_metadata_is_tags_and_mystnb(name: str) -> None:
    notebook = read(name)
    assert set(notebook.metadata) <= {"jupytext", "kernelspec", "language_info", "mystnb"}
    assert [cell.metadata for cell in notebook.cells if set(cell.metadata) - {"tags", "mystnb"}] == []


@each
def test_no_folder_of_a_machine_is_stored(name: str) -> None:
    found = [PRIVATE.search(text) for cell in read(name).cells for text in texts(cell)]
    assert [match[0] for match in found if match] == []


def test_picture_of_the_readme_is_the_stored_one() -> None:
    same = PICTURE.read_bytes() == stored_picture()             # not in the assertion: a difference of pictures is shown for minutes
    assert same, "`make store` copies it"
    assert PICTURE.relative_to(ROOT).as_posix() in (ROOT / "README.md").read_text(encoding="utf-8")


PROFILE_COMMENT = re.compile(r"quick ([\w.+-]+), paper ([\w.+-]+)$")


@each
def test_comments_state_the_profiles(name: str) -> None:
    """`name: type = None  # …; quick 8, paper 128` says what the profiles really have."""
    source = parameters_cells(read(name))[0].source
    profiles = settings("quick"), settings("paper")
    for line in source.splitlines():
        code, comment = line.split("#", 1)
        setting = code.split(":")[0].strip()
        if "= None" in code:
            stated = PROFILE_COMMENT.search(comment.strip())
            assert stated, f"{setting}: the comment must end with 'quick …, paper …'"
            has = [getattr(profile, setting) for profile in profiles]
            assert [text if isinstance(value, str) else float(text) for text, value in zip(stated.groups(), has)] == has
