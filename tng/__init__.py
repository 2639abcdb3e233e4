"""tng: the reproducible companion of TimesNet-Gen (arXiv 2512.04694).

Records go in at the bottom, a book comes out at the top:
records → corpus → timesnet, training → generators → spectra, scoring → figures → notebooks.
"""

__version__ = "0.1.0"
