"""Figures: arrays in, Axes out.  One style; the same colour for the same thing on every page.

Functions draw on the `ax` they are given and return it; they neither show nor save.
"""

from tng.figures.corpus import (
    plot_bars, plot_histogram, plot_magnitude_distance, plot_map, plot_record_counts, plot_station_f0, plot_stations,
)
from tng.figures.records import plot_traces, plot_waveforms
from tng.figures.scores import plot_similarity
from tng.figures.spectra import plot_curves, plot_f0, plot_published, station_panels
from tng.figures.style import COLOURS, colour, dash, grid, line, log_frequency, log_period, marker, plain, say, use_style
from tng.figures.training import plot_history

__all__ = [
    "COLOURS", "colour", "dash", "grid", "line", "log_frequency", "log_period", "marker", "plain", "plot_bars", "plot_curves",
    "plot_f0", "plot_histogram", "plot_history", "plot_magnitude_distance", "plot_map", "plot_published", "plot_record_counts",
    "plot_similarity", "plot_station_f0", "plot_stations", "plot_traces", "plot_waveforms", "say", "station_panels", "use_style",
]
