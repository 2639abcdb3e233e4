"""What a user declares about files that do not tell it themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Options(BaseModel):
    """Declarations for the readers; each is used only where a file itself is silent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: Literal["gal", "cm/s2", "m/s2", "mm/s2", "g"] | None = Field(
        None, description="unit of acceleration of files that state none (miniSEED and SAC without StationXML)")
    gal_per_count: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="cm/s² that one count stands for, for files of raw counts without StationXML")
    stationxml: tuple[Path, ...] = Field(
        (), description="StationXML files with sensitivities and orientations; those in the sources are found by themselves")
    differentiate: bool = Field(False, description="take velocity channels, differentiated; they are refused otherwise")
    component_order: str = Field("NEU", description="columns of the authors' .mat files")
    augmented: bool = Field(False, description="take the authors' augmented windows, which may hold synthetic noise")
    vertical_axis: Literal["x", "y", "z"] | None = Field(
        None, description="which axis of an OpenEEW device is vertical; its files do not tell")
    events: Path | None = Field(
        None, description="list of earthquakes (CSV or `time = …` blocks): OpenEEW's continuous data are cut by them, and records whose "
                          "files name none are given theirs")
    devices: Path | None = Field(
        None, description="positions of OpenEEW's devices (device_locations.json)")

    @field_validator("component_order")
    @classmethod
    def _each_once(cls, order: str) -> str:
        order = order.upper().replace("Z", "U")
        if sorted(order) != ["E", "N", "U"]:
            raise ValueError(f"component order {order!r}; each of N, E, U is needed once, for example NEU")
        return order
