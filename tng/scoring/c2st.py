"""Can a classifier tell generated records from real ones?  Lopez-Paz and Oquab (2017), with events kept together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tng.scoring.resampling import bootstrap_weights, enough, interval, permuted_labels
from tng.scoring.twosample import group_codes

COMPONENTS = 10          # principal components that the logistic classifier sees
TREES = 100


class Classified(NamedTuple):
    """Balanced accuracy on held-out records: 0.5 if the two laws cannot be told apart, 1 if they always can.

    `p` is the probability of as good an accuracy if they are one; `low` and `high` are its 95 % interval.
    """

    value: float
    p: float
    low: float
    high: float


def _classifier(name: str, records: int, values: int, seed: int):
    if name == "logistic":
        components = min(COMPONENTS, records - 1, values)
        return make_pipeline(StandardScaler(), PCA(components, svd_solver="full"), LogisticRegression(class_weight="balanced"))
    if name == "forest":
        return RandomForestClassifier(TREES, min_samples_leaf=2, class_weight="balanced", random_state=seed, n_jobs=1)
    raise ValueError(f"classifier {name!r}; 'logistic' or 'forest' is needed")


def _folds(groups: np.ndarray, real: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """A fold for each record: groups whole, the records of each side spread evenly."""
    fold = np.empty(len(groups), dtype=int)
    for side in (real, ~real):
        sizes = np.bincount(groups[side], minlength=groups.max() + 1)
        filled = np.zeros(folds, dtype=int)
        order = rng.permutation(np.flatnonzero(sizes))
        for group in order[np.argsort(-sizes[order], kind="stable")]:          # large ones first, the small ones level them out
            least = int(filled.argmin())
            fold[groups == group] = least
            filled[least] += sizes[group]
    return fold


def _balanced(said_real: np.ndarray, real: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Mean of the shares of real and of generated records that are recognised.

    `real` and `generated` are weights (..., records); NaN where the weights of a side are all zero.
    """
    with np.errstate(invalid="ignore"):
        return (real @ said_real / real.sum(axis=-1) + generated @ (1 - said_real) / generated.sum(axis=-1)) / 2


def c2st(real, generated, groups_x=None, groups_y=None, *, classifier: str = "logistic", folds: int = 5, times: int = 499,
         seed: int = 0) -> Classified:
    """Classifier two-sample test: balanced accuracy of a fixed classifier on records that it was not trained on.

    ``"logistic"`` is standardising, the first 10 principal components, and logistic regression (C = 1); it sees shifts of
    the mean.  ``"forest"``, 100 trees with two records a leaf, sees any change and takes 20 times longer.  Both weigh the two
    sides the same, so that unequal numbers of records change nothing: 0.5 is chance.

    For p, events are exchanged between the sides among the held-out predictions (`permuted_labels`), without training
    again.  Predictions of one classifier hang together a little more than that allows for: with 20 events of three
    records a side and a correlation of 0.7 within events, p < 0.05 comes in 8 % of the cases, with single records in 5 %.

    Parameters
    ----------
    real, generated : arrays, shape (records, values)
    groups_x, groups_y : arrays, optional
        Event of each real and each generated record; all records of one are held out together.
    classifier : {"logistic", "forest"}
    folds : int
        How often a part is held out; fewer if a side has fewer events.
    times : int
        Labellings for p and draws for the interval.
    seed : int
        Of the folds, the labellings, the draws and the forest.

    Raises
    ------
    ValueError
        For fewer than five records or two events a side, other widths, values that are not finite, an unknown classifier.
    """
    x, y = (values.reshape(len(values), -1) for values in enough("c2st", real, generated))
    rng = np.random.default_rng(seed)
    groups = group_codes(groups_x, groups_y, len(x), len(y))
    both, is_real = np.concatenate([x, y]), np.arange(len(groups)) < len(x)
    folds = min(folds, *(len(np.unique(groups[side])) for side in (is_real, ~is_real)))
    if folds < 2:
        raise ValueError(f"c2st: {len(x)} real and {len(y)} generated records that can be held out in {folds} parts, as events "
                         "stay together; two events a side, and two folds, are needed")
    said_real = _held_out_predictions(both, is_real, _folds(groups, is_real, folds, rng), classifier, seed)
    value = float(_balanced(said_real, *_as_weights(is_real)))
    permuted = _balanced(said_real, *_as_weights(permuted_labels(is_real, groups, rng, times)))
    weights = np.zeros((2, times, len(both)))
    for weight, side in zip(weights, (is_real, ~is_real)):
        weight[:, side] = bootstrap_weights(groups[side], times, rng)
    low, high = interval(_balanced(said_real, *weights), value, lowest=0, highest=1)
    # a labelling that leaves a side empty (one large event) counts as one that is as good
    return Classified(value, (1 + int((~(permuted < value - 1e-9)).sum())) / (times + 1), float(low), float(high))


def _as_weights(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return labels.astype(np.float64), (~labels).astype(np.float64)


def _held_out_predictions(both, is_real, fold, classifier: str, seed: int) -> np.ndarray:
    """1 for each record that a classifier, trained on the other folds, takes for real, 0 for the others."""
    said_real = np.empty(len(both))
    for held_out in (fold == one for one in range(fold.max() + 1)):
        model = _classifier(classifier, int((~held_out).sum()), both.shape[1], seed)
        with np.errstate(divide="ignore", invalid="ignore"):             # shares of the variance of constant features, not used
            said_real[held_out] = model.fit(both[~held_out], is_real[~held_out]).predict(both[held_out])
    return said_real
