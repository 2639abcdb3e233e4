"""miniSEED, a file a record with its three channels in m/s², and one StationXML file for all."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from tng.records import COMPONENTS, Record
from tng.remote import sha256
from tng.writers import FIRST_PLACEHOLDER, Export, WriteError, number, text

BANDS = ((1000, "F"), (250, "C"), (80, "H"), (10, "B"), (1.0001, "M"))   # SEED, for sensors that hold long periods
DIRECTIONS = {"E": (90.0, 0.0), "N": (0.0, 0.0), "Z": (0.0, -90.0)}      # azimuth and dip


def write(record: Record, export: Export) -> tuple[list[Path], list[str]]:
    """One file; samples keep single precision if that is all they have."""
    from obspy import Stream, Trace, UTCDateTime

    placeholders = []
    network = text(record, "station_network_code").upper()
    if not re.fullmatch(r"[A-Z0-9]{1,2}", network):
        network = "XX"
        placeholders.append("network")
    code = export.code(record.station, 5)
    start, invented = export.start(record)
    placeholders += ["start time"] * invented
    band = next((letter for lowest, letter in BANDS if record.sampling_rate_hz >= lowest), "L")
    location = _location(export, (network, code, band, start), text(record, "station_location_code").upper())
    if number(record, "station_latitude_deg", -90, 90) is None or number(record, "station_longitude_deg", -180, 180) is None:
        placeholders.append("coordinates")

    single = bool((record.data.astype(np.float32) == record.data).all())
    kind = np.float32 if single else np.float64
    stats = {"network": network, "station": code, "location": location, "sampling_rate": record.sampling_rate_hz,
             "starttime": UTCDateTime(start)}
    traces = [Trace(np.ascontiguousarray(row / 100, dtype=kind), stats | {"channel": f"{band}N{component}"})
              for component, row in zip(COMPONENTS, record.data)]
    path = export.folder / f"{export.stem(record)}.mseed"
    Stream(traces).write(str(path), format="MSEED", encoding="FLOAT32" if single else "FLOAT64", reclen=4096)
    _note(export, record, network, code, location, band)
    return [path], placeholders


def _location(export: Export, stream: tuple, stated: str) -> str:
    """The stated code, or the next free number if another record has the same channels at the same time."""
    wanted = stated if re.fullmatch(r"[A-Z0-9]{1,2}", stated) else ""
    for location in (wanted, *(f"{number:02d}" for number in range(100))):
        if (*stream, location) not in export.streams:
            export.streams.add((*stream, location))
            return location
    raise WriteError(f"station {stream[1]}: more than 100 records that start at {stream[3]:%Y-%m-%d %H:%M:%S}; export them "
                     "as csv")


def _note(export: Export, record: Record, network: str, code: str, location: str, band: str) -> None:
    """Remember what the StationXML will say; of a station's coordinates the first that are known."""
    station = export.stations.setdefault((network, code), {"name": record.station, "place": None, "channels": {}})
    place = (number(record, "station_latitude_deg", -90, 90), number(record, "station_longitude_deg", -180, 180))
    if station["place"] is None and None not in place:
        station["place"] = (*place, number(record, "station_elevation_m", -12000, 9000) or 0.0)
    station["channels"].setdefault((location, band), record.sampling_rate_hz)


def finish(export: Export) -> list[tuple[Path, str]]:
    """Write StationXML: where each station is, and that its samples are in m/s² (sensitivity 1, from m/s² to m/s²).

    The file is named by its content, ``stations-1a2b3c4d.xml``, so that exports into one folder stand side by side.
    """
    from obspy import UTCDateTime
    from obspy.core.inventory import Inventory, Network, Station

    networks: dict[str, list] = {}
    for (network, code), known in sorted(export.stations.items()):
        latitude, longitude, elevation = known["place"] or (0.0, 0.0, 0.0)
        said = f"{known['name']}" + ("" if known["place"] else "; coordinates unknown, 0 N 0 E is a placeholder")
        channels = [_channel(location, f"{band}N{component}", component, rate, latitude, longitude, elevation)
                    for (location, band), rate in sorted(known["channels"].items()) for component in COMPONENTS]
        networks.setdefault(network, []).append(Station(code, latitude, longitude, elevation, channels=channels,
            description=said))
    inventory = Inventory([Network(code, stations) for code, stations in networks.items()], source="tng")
    inventory.created = UTCDateTime(FIRST_PLACEHOLDER)          # not now: the same stations are the same file
    path = export.folder / "stations.xml"
    inventory.write(str(path), format="STATIONXML")
    return [(path.rename(path.with_name(f"stations-{sha256(path)[:8]}.xml")), "StationXML")]


def _channel(location: str, code: str, component: str, rate_hz: float, latitude: float, longitude: float, elevation: float):
    from obspy.core.inventory import Channel, Response

    azimuth, dip = DIRECTIONS[component]
    response = Response.from_paz(zeros=[], poles=[], stage_gain=1.0, input_units="M/S**2", output_units="M/S**2")
    return Channel(code, location, latitude, longitude, elevation, 0.0, azimuth=azimuth, dip=dip, sample_rate=rate_hz,
                   response=response)
