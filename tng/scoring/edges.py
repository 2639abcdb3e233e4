"""Stations whose HVSR is largest at the end of the band: their f0 is that of the band, not of the site, and is not scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tng import bands
from tng.scoring.features import Grid
from tng.scoring.measures import ACROSS, PAIRWISE

if TYPE_CHECKING:
    from tng.scoring.reference import Station

OF_F0 = {measure.name for measure in PAIRWISE if measure.name.startswith("f0 ")} | {measure.name for measure in ACROSS}
TOWARDS = {"lower": "lower", "upper": "higher"}


def at_edge(stations: Sequence[Station], grid: Grid) -> dict[str, str]:
    """Which stations have no peak in the band, and why: of their held-out or of their training records, the median HVSR is
    largest at an end of it (see :func:`tng.bands.edge`)."""
    found = {}
    for station in stations:
        for side, records in (("training", station.train), ("held-out", station.test)):
            end = bands.edge(grid.curve_hz, np.exp(np.median(records.ln_hvsr, axis=0))) if len(records) else ""
            if end:
                found[station.code] = (f"no f0: the median HVSR of its {side} records peaks at the {end} edge of {grid.band_hz[0]:g}-"
                                       f"{grid.band_hz[1]:g} Hz; name a {TOWARDS[end]} band")
    return found


def of_all(edges: dict[str, str]) -> str:
    """What to say beside a number of f0 of all stations, which leaves those at an edge out; nothing if there are none."""
    return f"without {', '.join(edges)}: no f0, as the median HVSR peaks at an edge of the band" if edges else ""
