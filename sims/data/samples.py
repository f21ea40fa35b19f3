"""From raw arrays to the training and test part of an experiment: shuffle, split, scale; small balanced samples."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Num

from sims.data.dataset import Data, DataSet, Raw
from sims.errors import BadInput, CannotServe


def _generator(seed: int) -> np.random.Generator:
    if seed < 0:
        raise BadInput(f"seed {seed} is negative: expected an integer >= 0")
    return np.random.default_rng(seed)


def _targets(
    data_set: DataSet, y: Num[np.ndarray, " n"], location: float, scale: float
) -> Int[np.ndarray, " n"] | Float[np.ndarray, "n 1"]:
    if data_set.kind == "classification":
        return y.astype(np.int64)
    return (y.astype(np.float64)[:, None] - location) / scale


def prepare(data_set: DataSet, raw: Raw, *, seed: int, samples: int | None, split: float) -> Data:
    """Return the experiment's arrays: float64 inputs, a shuffle that depends on the seed alone, documented scales.

    An official test part is kept as it is; otherwise a fraction ``split`` is held out. ``samples`` keeps that many, the
    first of the shuffled training part. Images are divided by their largest possible value (inputs in [0, 1]). Columns
    of tables, and targets of regression, get mean 0 and standard deviation 1 on the whole training part (before
    ``samples`` cuts it, and never from the test part); a constant column becomes 0.

    Raises:
        BadInput: split outside (0, 1), negative seed, or samples outside 1..size of the training part.
    """
    if not 0.0 < split < 1.0:
        raise BadInput(f"split {split} is out of range: expected a fraction strictly between 0 and 1")
    order = _generator(seed).permutation(len(raw.x))
    if raw.x_test is None or raw.y_test is None:
        held_out = min(max(1, round(split * len(order))), len(order) - 1)
        train, test = order[held_out:], order[:held_out]
        x_test, y_test = raw.x[test], raw.y[test]
    else:
        train, x_test, y_test = order, raw.x_test, raw.y_test
    if samples is not None and not 1 <= samples <= len(train):
        raise CannotServe(
            f"samples {samples} is out of range: the training part of {data_set.name} has {len(train)}; "
            f"choose 1 to {len(train)}"
        )
    kept = train[:samples]

    x_location: float | Float[np.ndarray, " d"] = 0.0
    x_scale: float | Float[np.ndarray, " d"] = 1.0
    if raw.maximum is not None:
        x_scale = raw.maximum
    else:
        whole = raw.x[train].astype(np.float64)
        x_location, x_scale = whole.mean(axis=0), whole.std(axis=0)
        x_scale = np.where(x_scale > 0, x_scale, 1.0)
    y_location, y_scale = 0.0, 1.0
    if data_set.kind == "regression":
        y_location, y_scale = float(raw.y[train].mean()), float(raw.y[train].std()) or 1.0
    return Data(
        name=data_set.name,
        x_train=(raw.x[kept].astype(np.float64) - x_location) / x_scale,
        y_train=_targets(data_set, raw.y[kept], y_location, y_scale),
        x_test=(x_test.astype(np.float64) - x_location) / x_scale,
        y_test=_targets(data_set, y_test, y_location, y_scale),
        classes=int(raw.y.max()) + 1 if data_set.kind == "classification" else 0,
    )


def few_shot(
    data: Data,
    *,
    per_class: int | None = None,
    samples: int | None = None,
    classes: Sequence[int] | None = None,
    seed: int = 0,
) -> Data:
    """Return a small balanced training part, chosen by the seed; exactly one of per_class and samples is given.

    With ``samples`` the counts of two classes differ by at most one. ``classes`` restricts training and test part to
    these labels, renumbered 0, 1, ... in the given order. The test part is not cut otherwise.

    Raises:
        BadInput: both or neither count given, negative seed, regression data, unknown or repeated labels, or too few
            samples of a class.
    """
    if data.classes == 0:
        raise CannotServe(f"{data.name} has no classes (regression): use load(..., samples=...) for a small sample")
    labels = tuple(range(data.classes)) if classes is None else tuple(int(c) for c in classes)
    if not labels or len(set(labels)) != len(labels) or not set(labels) <= set(range(data.classes)):
        raise CannotServe(
            f"classes {list(labels)} are not labels of {data.name}: expected distinct integers 0..{data.classes - 1}"
        )
    counts = _counts(len(labels), per_class, samples)

    rng = _generator(seed)
    chosen = []
    for label, count in zip(labels, counts, strict=True):
        members = np.flatnonzero(data.y_train == label)
        if len(members) < count:
            raise CannotServe(
                f"{count} samples of class {label} were asked for: the training part of {data.name} has {len(members)}"
            )
        chosen.append(rng.permutation(members)[:count])
    # Sorted by class would make the first batch a single class.
    train = rng.permutation(np.concatenate(chosen))
    test = np.flatnonzero(np.isin(data.y_test, labels))
    renumber = np.full(data.classes, -1)
    renumber[list(labels)] = np.arange(len(labels))
    return Data(
        name=data.name,
        x_train=data.x_train[train],
        y_train=renumber[data.y_train[train]],
        x_test=data.x_test[test],
        y_test=renumber[data.y_test[test]],
        classes=len(labels),
    )


def _counts(classes: int, per_class: int | None, samples: int | None) -> list[int]:
    if (per_class is None) == (samples is None):
        raise BadInput("few_shot needs exactly one of per_class and samples")
    if per_class is not None:
        if per_class < 1:
            raise BadInput(f"per_class {per_class} is out of range: expected at least 1")
        return [per_class] * classes
    if samples is None or samples < 1:
        raise BadInput(f"samples {samples} is out of range: expected at least 1")
    return [samples // classes + (i < samples % classes) for i in range(classes)]
