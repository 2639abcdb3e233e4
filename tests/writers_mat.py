"""Synthetic MATLAB files of an invented station, as the authors of TimesNet-Gen share them: EQ.anEQ, and signal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import savemat

NAME = "20200101000000_9901.mat"
SIGNAL = "AFAD.9901.99_200101000000P6014_EV_0001.mat"


def columns_of(data, order: str = "NEU") -> np.ndarray:
    """Columns in the file's order, shape (samples, 3), of E, N, Z."""
    return np.asarray(data)[["ENU".index(component) for component in order]].T


def fields(accel, rate_hz: float = 100.0, **changes) -> dict:
    """The fields of EQ.anEQ; a change to None removes one."""
    found = {"Accel": accel, "sampling": 1 / rate_hz, "pga": np.abs(accel).max(axis=0), "statID": 9901, "numofData": len(accel),
             "duration": len(accel) / rate_hz, "depth": 8310, "magnitudeval": 4.2, "magnitudetype": " ML",
             "epicenter": [38.5, 43.25], "statco": [38.25, 43.5], "alt": 1745, "Vs30": 363, "Ptime": 0.5, "Stime": 1.25,
             "F0": "4,6", "place": "ÝZMÝR", "specto": np.zeros((5, 2, 3)), "HSVR": np.array([1, "a"], dtype=object)}
    return {name: value for name, value in {**found, **changes}.items() if value is not None}


def write(folder, data, rate_hz: float = 100.0, *, order: str = "NEU", name: str = NAME, compressed: bool = True,
          variables: dict | None = None, **changes) -> list[Path]:
    """One file; `data` are E, N, Z in gal, `changes` fields of EQ.anEQ, `variables` all that the file holds instead of it."""
    file = Path(folder, name)
    if variables is None:
        variables = {"EQ": {"anEQ": fields(columns_of(data, order), rate_hz, **changes)}}
    savemat(file, variables, do_compression=compressed)
    return [file]


def write_signal(folder, data, *, order: str = "NEU", turned: bool = False, name: str = SIGNAL, **changes) -> list[Path]:
    """One file with the variable `signal` (6000 samples at 100 Hz), in rows or, if `turned`, in columns."""
    columns = columns_of(data, order)
    return write(folder, data, name=name,
                 variables={"signal": columns if turned else columns.T, "p_arrival_sample": 3.2, **changes})
