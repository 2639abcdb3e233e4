"""Synthetic SAC files in the unit their KUSER0 states."""

from __future__ import annotations

from pathlib import Path

import numpy as np

QUANTISATION_GAL = 1e-5           # single precision at some tens of gal


def write(folder, data, rate_hz: float = 100.0, channels=("HNE", "HNN", "HNZ"), byteorder: str = "little",
          orientations=((90, 90), (0, 90), (0, 0)), gal_per_unit: float = 1.0, **changes) -> list[Path]:
    """Three files (E, N, Z) from `data` (3, samples) in gal.

    `orientations` are (CMPAZ, CMPINC), `changes` other header values.
    """
    from obspy.io.sac import SACTrace

    files = []
    for samples, channel, (azimuth, inclination) in zip(np.asarray(data), channels, orientations):
        header = {"knetwk": "XX", "kstnm": "TST1", "kcmpnm": channel, "cmpaz": azimuth, "cmpinc": inclination,
                  "kuser0": "cm/s**2",
                  "evla": 38.5, "evlo": 43.25, "evdp": 19.0, "mag": 6.5, "stla": 38.25, "stlo": 43.5, **changes}
        trace = SACTrace(data=(samples / gal_per_unit).astype(np.float32), delta=1 / rate_hz, b=0.5, nzyear=2020, nzjday=2,
                         nzhour=3, nzmin=4, nzsec=5, nzmsec=0)
        trace.o = header.pop("o", -10.0)
        for key, value in header.items():
            if value is not None:
                setattr(trace, key, value)
        file = Path(folder, f"XX.TST1.{channel}.sac")
        trace.write(str(file), byteorder=byteorder)
        files.append(file)
    return files
