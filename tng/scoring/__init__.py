"""Is a generator any good?  The paper's score, exactly as published, and what an engineer needs beside it.

`paper` holds the published score, the other modules one family of measures each; `scoreboard` puts them into one
table, with intervals, with what real records reach against real ones, and with baselines that need no network.
"""

from tng.scoring.paper import (
    F0_BINS_HZ, Measures, compare, curve_error, f0_histogram, f0_lists, interleaved, measure, ncc, ncc_pairs, ncc_stations,
    readable, reference_scores, score_f0, similarity, similarity_matrix,
)



def __getattr__(name: str):
    """`scoreboard` is loaded when it is asked for: it brings scikit-learn along."""
    if name == "scoreboard":
        from tng.scoring.board import scoreboard
        return scoreboard
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "F0_BINS_HZ", "Measures", "compare", "curve_error", "f0_histogram", "f0_lists", "interleaved", "measure", "ncc",
    "ncc_pairs", "ncc_stations", "readable", "reference_scores", "score_f0", "scoreboard", "similarity", "similarity_matrix",
]
