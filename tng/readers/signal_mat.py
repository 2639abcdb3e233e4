"""MATLAB files with one variable ``signal``, as the authors' picking programs exchange them.

The file tells neither unit nor sampling rate: the family is 100 Hz by its own convention only where it has
6000 samples (60 s).  The unit must be declared.
"""

from __future__ import annotations

import numpy as np

from tng.channels import GAL
from tng.readers import _mat5, afad_mat
from tng.readers.options import Options
from tng.records import COMPONENTS, ComponentError, FormatError, Record, SamplingError, UnitsError
from tng.sources import RawFile

NAME = "signal-mat"
DESCRIPTION = "MATLAB variable signal, (3, 6000) or (6000, 3), with p_arrival_sample; the unit must be declared"
LICENCE = "not stated in the file"

SAMPLES, RATE_HZ = 6000, 100.0
VARIABLES = ("signal", "p_arrival_sample")


def sniff(head: bytes, name: str) -> bool:
    """Whether a MATLAB file's first variable is one of the two."""
    return afad_mat.sniff(head, name) and _mat5.first_variable(head) in VARIABLES


def read(file: RawFile, options: Options) -> list[Record]:
    """Read one record.

    Raises
    ------
    FormatError, ComponentError, SamplingError, UnitsError
        All name the file and say what was found.
    """
    name = file.name
    variables = _mat5.load_file(file)
    signal = variables.get("signal")
    if not isinstance(signal, np.ndarray) or signal.ndim != 2:
        raise FormatError(f"{name}: no array of real numbers named signal; it holds {', '.join(filter(None, variables)) or 'nothing'}")
    threes = [axis for axis in (0, 1) if signal.shape[axis] == 3]
    if len(threes) != 1:
        raise ComponentError(f"{name}: signal has shape {signal.shape}; exactly one side must be 3, the components")
    data = signal if threes == [0] else signal.T
    if data.shape[1] != SAMPLES:
        raise SamplingError(f"{name}: {data.shape[1]} samples; the file does not state a sampling rate, and only windows of "
                            f"{SAMPLES} samples are known to be 60 s at {RATE_HZ:g} Hz")
    station, time, _ = afad_mat.from_name(file, augmented=True)
    if options.unit is None:
        raise UnitsError(f"{name}: the file does not state the unit of acceleration; declare it (unit: gal, m/s2, g …)")
    order = [options.component_order.replace("U", "Z").index(component) for component in COMPONENTS]
    meta = {
        "source_origin_time": time.isoformat().replace("+00:00", "Z"),
        "station_network_code": "TK",
        "trace_category": "augmented" if file.base.startswith("AFAD.") else "earthquake",
        "trace_component_order_source": options.component_order,
        "trace_units_declared": f"{options.unit} (declared by the user)",
        "trace_source_file": name, "trace_source_format": NAME, "trace_source_sha256": file.sha256(),
        "trace_license": afad_mat.LICENCE,
        "trace_p_arrival_sample": _pick_s(variables.get("p_arrival_sample")) * RATE_HZ,
    }
    return [Record(data[order] * GAL[options.unit], RATE_HZ, station, f"{time:%Y%m%d%H%M%S}", meta)]


def _pick_s(value) -> float:
    """Seconds from the first sample, despite the variable's name; NaN for the text 'None'."""
    if isinstance(value, np.ndarray) and value.size == 1 and 0 <= float(value.ravel()[0]) < SAMPLES / RATE_HZ:
        return float(value.ravel()[0])
    return np.nan
