"""Data sets in the SeisBench layout of an invented station, for tests."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

GAL_IN = {"cmps2": 1.0, "cm/s**2": 1.0, "gal": 1.0, "mps2": 0.01, "m/s**2": 0.01, "m/s^2": 0.01, "g": 1 / 980.665}
META = {"station_code": "9901", "station_network_code": "XX", "source_id": "20200101000000",
        "source_origin_time": "2020-01-01T00:00:00.000000Z", "trace_start_time": "2020-01-01T00:00:05.000000Z",
        "source_magnitude": 5.1, "station_vs30_mps": 423.0, "trace_p_arrival_sample": 40.0}


def write(folder, data, rate_hz=100.0, *, unit="cmps2", scale=None, order="ENZ", dimensions="CW", kind="bucket", padding=0,
          chunk="", copies=1, dtype="f8", format=None, rows=None, **meta) -> list[Path]:
    """A data set of `copies` of one record; `data` are E, N, Z [gal].  Returns its files.

    `kind` is bucket, single (a dataset a trace) or NCW (blocks of one); `format` changes data_format (None takes
    an entry out), `rows` the list of rows, anything else a column (None leaves it out).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    components = {"E": data[0], "N": data[1], "Z": data[2], "U": data[2], "1": data[1], "2": data[0]}
    trace = np.stack([components[component] for component in order]) * (GAL_IN[unit] if scale is None else scale)
    samples = trace.shape[1]
    trace = np.pad(trace, ((0, 0), (0, padding))).astype(dtype)
    trace = trace if dimensions.endswith("CW") else trace.T
    table, files = [], [folder / f"metadata{chunk}.csv", folder / f"waveforms{chunk}.hdf5"]
    layout = {"dimension_order": dimensions, "component_order": order, "sampling_rate": rate_hz, "measurement": "acceleration",
              "unit": unit, "instrument_response": "restituted", **(format or {})}
    with h5py.File(files[1], "w") as file:
        if kind == "bucket":
            file["data/bucket0"] = np.stack([trace] * copies)
        for copy in range(copies):
            if kind == "bucket":
                place = f":{len(order)},:{samples + padding}" if dimensions == "CW" else f":{samples + padding},:{len(order)}"
                name = f"bucket0${copy},{place}"
            else:
                name = f"trace {copy}"
                file[f"data/{name}"] = trace[None] if kind == "NCW" else trace
            row = {"trace_name": name, **META, **meta}
            if padding:
                row.setdefault("trace_npts", samples)
            table.append({key: value for key, value in row.items() if value is not None})
        for name, value in layout.items():
            if value is not None:
                file[f"data_format/{name}"] = value
    pd.DataFrame(rows(table) if rows else table).to_csv(files[0], index=False)
    return files


ESM = {"station_code": "TST1", "station_network_code": "XX", "source_esm_id": "XX-2020-0001", "source_id": None,
       "source_origin_time": None, "source_esm_origin_time": "2020-01-01T00:00:00", "trace_start_time": None,
       "source_magnitude": None, "source_magnitude_ml": 4.9, "source_magnitude_mw": 5.1, "path_epi_dist_km": 33.5,
       "trace_u_channel_code": "2", "trace_v_channel_code": "3", "trace_w_channel_code": "Z",
       "trace_u_azimuth_deg": 120.0, "trace_v_azimuth_deg": 30.0, "trace_w_azimuth_deg": 0.0,
       "trace_u_inclination_deg": 0.0, "trace_v_inclination_deg": 0.0, " trace_w_inclination_deg": 90.0,
       "trace_u_hp": 0.1, "trace_v_hp": 0.2, " trace_w_hp": 0.15, "trace_u_lp": 30.0, "trace_v_lp": 25.0, "trace_w_lp": 40.0,
       "trace_rotd50_t0_100_cps2": 9.0, "trace_u_t90_s": 5.0, "station_ec8_code": "B"}


def write_esm(folder, data, rate_hz=200.0, processing="mp", **changes) -> list[Path]:
    """ESM25's way: u, v, w along 120° and 30°, acceleration first and then velocity and displacement (`mp`) or alone (`cv`)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    angle = np.deg2rad([120.0, 30.0])
    u, v = (data[0] * np.sin(one) + data[1] * np.cos(one) for one in angle)
    acceleration = np.stack([u, v, data[2]])
    several = processing == "mp"
    peaks = {f"trace_{axis}_pga_cps2": one[np.abs(one).argmax()] for axis, one in zip("uvw", acceleration) if several}
    kinds = ("acc", "vel", "dis") if several else ("acc",)
    rng = np.random.default_rng(3)
    block = np.concatenate([acceleration, rng.normal(size=(6, data.shape[1]))]) if several else acceleration
    row = {key: value for key, value in {**META, **ESM, **peaks, **changes}.items() if value is not None}
    files = [folder / "metadata.csv", folder / "waveforms.hdf5"]
    with h5py.File(files[1], "w") as file:
        file["data/bucket1"] = block[None]
        layout = {"dimension_order": "CW", "component_order": [f"{kind}_{processing}_{axis}" for kind in kinds for axis in "uvw"],
                  "sampling_rate": rate_hz, "measurement": "acceleration,velocity,displacement" if several else "acceleration",
                  "unit": "cps2/cps/c" if several else "cps2", "instrument_response": "restituted"}
        for name, value in layout.items():
            file[f"data_format/{name}"] = value
    pd.DataFrame([{"trace_name": "bucket1$0", **row}]).to_csv(files[0], index=False)
    return files
