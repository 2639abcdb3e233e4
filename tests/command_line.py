"""The `tng` command, run inside a test."""

import sys

from tng import cli


def tng(monkeypatch, capsys, *words):
    """Run the command; its exit code and what it printed."""
    monkeypatch.setenv("TNG_PROGRESS", "0")
    monkeypatch.setattr(sys, "argv", ["tng", *map(str, words)])
    try:
        cli.main()
        code = 0
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code or 0, out + err
