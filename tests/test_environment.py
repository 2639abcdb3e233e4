"""environment.yml and pyproject.toml must ask for the same things."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CONDA = {"pytorch": "torch", "pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}  # other names there


def split(requirement: str) -> tuple[str, frozenset[str]]:
    """'scipy >=1.12,<2' → ('scipy', {'>=1.12', '<2'})."""
    match = re.fullmatch(r"([A-Za-z0-9._-]+)\s*(.*)", requirement)
    assert match, requirement
    return match[1].lower(), frozenset(bound for bound in match[2].replace(" ", "").split(",") if bound)


def test_environment_matches_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = dict(split(line) for line in [*project["dependencies"], *extras["book"], *extras["test"]])
    wanted["python"] = split("python" + project["requires-python"])[1]
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    by_pip = next(line["pip"] for line in listed if isinstance(line, dict))
    lines = [line for line in [*listed, *by_pip] if isinstance(line, str) and line not in ("pip", "-e .")]
    found = dict(split(line) for line in lines)
    assert {CONDA.get(name, name): bounds for name, bounds in found.items()} == wanted
