"""Copy the README's picture out of the stored notebook that makes it: python tools/picture.py"""

from __future__ import annotations

import base64
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK, FIGURE = ROOT / "notebooks/06_hvsr_f0_ncc.ipynb", "fig-run-hvsr"
PICTURE = ROOT / "book/_static/result.png"


def stored_picture() -> bytes:
    """The PNG of the figure, as stored."""
    for cell in nbformat.read(NOTEBOOK, 4).cells:
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == FIGURE:
            return next(base64.b64decode(output.data["image/png"]) for output in cell.outputs
                        if "image/png" in output.get("data", {}))
    raise LookupError(f"{NOTEBOOK.name} has no figure {FIGURE}")


if __name__ == "__main__":
    PICTURE.write_bytes(stored_picture())
