"""Build the pages from executed notebooks: python tools/build_book.py EXECUTED HTML

Prose, settings and the notebooks that _toc.yml names are put side by side in a fresh folder and built there, with
warnings as errors. HTML is replaced only by a build that went through. Nothing is executed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def toc_files(toc: Path = ROOT / "_toc.yml") -> list[str]:
    """Every page that the table of contents names, from the top of the repository, without suffix."""
    found: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            found.extend(str(node[key]) for key in ("root", "file") if key in node)
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(yaml.safe_load(toc.read_text(encoding="utf-8")))
    return found


def stage(executed: Path, folder: Path) -> None:
    """Lay out the sources of the book in `folder`, with the paths they have in the repository."""
    shutil.copytree(ROOT / "book", folder / "book")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "notebooks").mkdir()
    for page in toc_files():
        if page.startswith("notebooks/"):
            notebook = executed / f"{Path(page).name}.ipynb"
            if not notebook.is_file():
                raise FileNotFoundError(f"{notebook} is missing, which _toc.yml names; run `make book`")
            shutil.copy(notebook, folder / "notebooks")


def build(executed: Path, html: Path) -> None:
    """Build into `html`; raises CalledProcessError, after showing the warnings, if anything is amiss."""
    html.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=html.parent, prefix=".stage-") as temporary:
        source, out = Path(temporary) / "source", Path(temporary) / "out"
        source.mkdir()
        stage(executed, source)
        program = str(Path(sys.executable).with_name("jupyter-book"))
        options = ["-q", "-W", "-n", "--keep-going"]
        command = [program, "build", *options, "--path-output", str(out), str(source)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # warnings come on stderr
        shutil.rmtree(html, ignore_errors=True)
        os.replace(out / "_build" / "html", html)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("executed", type=Path, help="folder of executed notebooks")
    parser.add_argument("html", type=Path, help="folder of the finished pages")
    options = parser.parse_args()
    try:
        build(options.executed.resolve(), options.html.resolve())
    except FileNotFoundError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(f"the book was not built (rc {error.returncode}): each warning above must go")


if __name__ == "__main__":
    main()
