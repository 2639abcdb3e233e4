"""Run one notebook with papermill and keep the executed copy only if it ran to its end.

    python tools/run.py notebooks/01_data.ipynb runs/quick/executed/01_data.ipynb --params params/quick.yml
    python tools/run.py notebooks/01_data.ipynb notebooks/01_data.ipynb --store

An unknown parameter stops the run before it starts.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml
from nbformat import NotebookNode

from tng.config import nearest, parameter_names

ROOT = Path(__file__).resolve().parents[1]
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
QUIET = ["--log-level=50"]  # the kernel's own remarks, not the notebook's


def read_parameters(path: Path | None) -> dict[str, Any]:
    """The flat mapping in a params file; an empty file changes nothing."""
    given = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path else {}
    if not isinstance(given, dict):
        sys.exit(f"{path}: found a {type(given).__name__}; lines of 'name: value' are needed")
    return given


def check_names(given: dict[str, Any], allowed: set[str], where: str) -> None:
    """Stop on a name that no notebook knows, and say which one was probably meant."""
    for name in given:
        if name not in allowed:
            sys.exit(f"{where}: unknown parameter '{name}'; {nearest(str(name), sorted(allowed))}")


def stored_parameters(notebook: NotebookNode) -> dict[str, Any]:
    """Names and values of the cell tagged `parameters`; raises ValueError if one is not a plain literal."""
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            return dict(literal(line) for line in ast.parse(cell.source).body)
    return {}


def literal(line: ast.stmt) -> tuple[str, Any]:
    """Name and value of one `name: type = value` line."""
    if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None:
        return line.target.id, ast.literal_eval(line.value)
    raise ValueError(f"found '{ast.unparse(line)}' in the parameters cell; 'name: type = value' is needed")


def part_folder(target: Path, store: bool) -> Path:
    """Where an unfinished copy lies: never among the stored notebooks, which are collected as tests."""
    return Path("_build/store") if store else target.parent


def tidy(notebook: NotebookNode, store: bool) -> None:
    """Drop timings, private paths and versions; fold the injected parameters."""
    for key in ("papermill", "widgets") if store else ("papermill", "widgets", "jupytext"):
        notebook.metadata.pop(key, None)
    notebook.metadata.get("language_info", {}).pop("version", None)
    notebook.metadata.get("jupytext", {}).pop("main_language", None)
    for cell in notebook.cells:
        for key in set(cell.metadata) - {"tags", "mystnb"}:
            del cell.metadata[key]
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-input")
        if not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)


def run(source: Path, target: Path, given: dict[str, Any], store: bool) -> None:
    """Execute `source` into `target`; on failure leave a `.part.ipynb` and `target` as it was."""
    notebook = nbformat.read(source, 4)
    notebook.metadata["kernelspec"] = dict(KERNEL)
    check_names(given, set(stored_parameters(notebook)) | set(parameter_names()), source.name)
    folder = part_folder(target, store)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{target.stem}.part.ipynb"
    with tempfile.TemporaryDirectory() as temporary:
        ready = str(Path(temporary) / source.name)
        nbformat.write(notebook, ready)
        papermill.execute_notebook(
            ready, str(part), parameters=given, cwd=str(ROOT), progress_bar=False, extra_arguments=QUIET
        )

    notebook = nbformat.read(part, 4)
    left_out = sum("LEFT OUT:" in output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    if left_out and store:
        sys.exit(f"{source.name}: {left_out} cells lack a public file; `tng fetch` it before storing")
    if left_out:
        say(source, f"left out {left_out} cells: public files could not be had. Set TNG_MIRROR to a folder that holds "
                    f"them (`tng fetch` lists them), delete {target} and run again")
    tidy(notebook, store)
    nbformat.write(notebook, part)
    os.replace(part, target)


def say(source: Path, text: str) -> None:
    print(f"{source.stem:<18} {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--params", type=Path, help="file of 'name: value' lines")
    parser.add_argument("--store", action="store_true", help="keep the pairing, with the notebook's own defaults")
    options = parser.parse_args()
    if options.store and options.params:
        parser.error("a notebook is stored with its own defaults: --store takes no --params")

    os.environ.pop("MPLBACKEND", None)  # figures must land in the notebook
    if runs := os.environ.get("TNG_RUNS"):
        os.environ["TNG_RUNS"] = str(Path(runs).resolve())  # the kernel starts in another folder
    given = read_parameters(options.params)
    start = time.perf_counter()
    say(options.source, "started")
    try:
        run(options.source, options.target, given, options.store)
    except papermill.exceptions.PapermillExecutionError as error:
        print(error, file=sys.stderr)
        part = part_folder(options.target, options.store) / f"{options.target.stem}.part.ipynb"
        say(options.source, f"FAILED after {time.perf_counter() - start:.0f} s; as far as it got: {part}")
        sys.exit(1)
    say(options.source, f"done in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
