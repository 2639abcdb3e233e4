"""SAC, a file a component, in gal; `kuser0` tells the unit, for which SAC has no field."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tng.records import COMPONENTS, Record
from tng.writers import Export, is_synthetic, number, text, time_of
from tng.writers.mseed import BANDS

UNIT, SYNTHETIC, REAL_DATA = "cm/s**2", "SYNTHET", "irldta"
ANGLES = {"E": (90.0, 90.0), "N": (0.0, 90.0), "Z": (0.0, 0.0)}          # cmpaz, cmpinc: 0 is up
FIELDS = {"stla": ("station_latitude_deg", -90, 90), "stlo": ("station_longitude_deg", -360, 360),
          "stel": ("station_elevation_m", -12000, 9000), "evla": ("source_latitude_deg", -90, 90),
          "evlo": ("source_longitude_deg", -360, 360), "evdp": ("source_depth_km", -10, 1000),
          "mag": ("source_magnitude", -2, 12)}


def write(record: Record, export: Export) -> tuple[list[Path], list[str]]:
    """Three files, …HNE.SAC, …HNN.SAC and …HNZ.SAC; single precision, as SAC has it."""
    from obspy import UTCDateTime
    from obspy.io.sac import SACTrace

    start, invented = export.start(record)
    reference = start.replace(microsecond=start.microsecond // 1000 * 1000)      # SAC has milliseconds; the rest goes to b
    band = next((letter for lowest, letter in BANDS if record.sampling_rate_hz >= lowest), "L")
    origin = time_of(record.meta.get("source_origin_time"))
    header = {"kstnm": export.code(record.station, 8), "knetwk": _ascii(text(record, "station_network_code"), 8),
              "khole": _ascii(text(record, "station_location_code"), 8), "kevnm": _ascii(record.event, 16),
              "kuser0": UNIT, "delta": 1 / record.sampling_rate_hz}
    header |= {name: value for name, value in ((name, number(record, *where)) for name, where in FIELDS.items())
               if value is not None}
    header |= {"kuser1": SYNTHETIC} if is_synthetic(record) else {"isynth": REAL_DATA}
    header = {name: value for name, value in header.items() if value != ""}
    stem = export.stem(record)
    paths = []
    for component, row in zip(COMPONENTS, record.data):
        azimuth, incidence = ANGLES[component]
        trace = SACTrace(data=row.astype(np.float32), kcmpnm=f"{band}N{component}", cmpaz=azimuth, cmpinc=incidence, **header)
        trace.reftime = UTCDateTime(reference)
        trace.b = (start - reference).total_seconds()
        if origin is not None and not invented:
            trace.o = (origin - reference).total_seconds()
        path = export.folder / f"{stem}.{band}N{component}.SAC"
        trace.write(str(path))
        paths.append(path)
    return paths, ["start time"] * invented


def _ascii(text: str, length: int) -> str:
    return text.encode("ascii", "replace").decode()[:length]
