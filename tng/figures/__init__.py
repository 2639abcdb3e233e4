"""Figures: arrays in, Axes out.  One style; the same colour for the same thing on every page.

Functions draw on the `ax` they are given and return it; they neither show nor save.  Those whose name ends in
`panels` or `panel` make a figure of several Axes and return both.
"""

from tng.figures.cells import plot_cells
from tng.figures.corpus import (
    plot_bars, plot_histogram, plot_magnitude_distance, plot_map, plot_record_counts, plot_station_f0, plot_stations,
)
from tng.figures.goals import goal_panels, plot_goal
from tng.figures.measures import LABELS, measure_panels, plot_attenuation, plot_cdf, plot_pairs, plot_qq
from tng.figures.power import plot_power
from tng.figures.records import (
    plot_envelope, plot_envelopes, plot_husid, plot_motion, plot_spectrogram, plot_traces, plot_waveforms, smooth_envelope,
    spectrogram_panels,
)
from tng.figures.response import plot_correlation, plot_psa, plot_residuals
from tng.figures.scoreboard import plot_scoreboard, scoreboard_panel, scoreboard_size
from tng.figures.scores import plot_nearest, plot_nearest_pair, plot_references, plot_similarity, similarity_panels
from tng.figures.spectra import (
    lognormal_band, plot_curves, plot_eas, plot_f0, plot_f0_density, plot_hvsr, plot_published, station_panels,
)
from tng.figures.style import COLOURS, colour, dash, grid, line, log_frequency, log_period, marker, plain, say, use_style
from tng.figures.training import plot_history

__all__ = [
    "COLOURS", "LABELS", "colour", "dash", "goal_panels", "grid", "line", "log_frequency", "log_period", "lognormal_band", "marker", "measure_panels",
    "plain", "plot_attenuation", "plot_bars", "plot_cdf", "plot_cells", "plot_correlation", "plot_curves", "plot_eas", "plot_envelope",
    "plot_envelopes", "plot_f0", "plot_f0_density", "plot_goal", "plot_histogram", "plot_history", "plot_husid", "plot_hvsr",
    "plot_magnitude_distance", "plot_map", "plot_motion", "plot_nearest", "plot_nearest_pair", "plot_pairs", "plot_power", "plot_psa",
    "plot_published", "plot_qq", "plot_record_counts", "plot_references", "plot_residuals", "plot_scoreboard",
    "plot_similarity", "plot_spectrogram", "plot_station_f0", "plot_stations", "plot_traces", "plot_waveforms", "say",
    "scoreboard_panel", "scoreboard_size", "similarity_panels", "smooth_envelope", "spectrogram_panels",
    "station_panels", "use_style",
]
