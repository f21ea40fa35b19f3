"""Real data that come with scikit-learn: they work on any machine, without a network."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from sims.data.dataset import DataSet, Raw


@cache
def _tables(loader: str) -> tuple[Any, Any]:
    """Return inputs and labels of a data set of scikit-learn, parsed once a process."""
    # Imported late: scikit-learn takes a second, and most commands need no data.
    x, y = getattr(import_module("sklearn.datasets"), loader)(return_X_y=True)
    return x, y


def _sklearn(loader: str, *, maximum: float | None = None) -> Callable[[Mapping[str, bytes]], Raw]:
    def load(contents: Mapping[str, bytes]) -> Raw:  # noqa: ARG001 (embedded sets have no files)
        x, y = _tables(loader)
        return Raw(x=x.copy(), y=y.copy(), maximum=maximum)

    return load


EMBEDDED = (
    DataSet(
        name="digits",
        title="Handwritten digits, 1797 images of 8 x 8, 10 classes",
        kind="classification",
        licence="CC BY 4.0",
        source="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
        loader=_sklearn("load_digits", maximum=16.0),
    ),
    DataSet(
        name="iris",
        title="Iris flowers, 150 rows of 4 measurements, 3 classes",
        kind="classification",
        licence="CC BY 4.0",
        source="https://archive.ics.uci.edu/dataset/53/iris",
        loader=_sklearn("load_iris"),
    ),
    DataSet(
        name="wine",
        title="Wine cultivars, 178 rows of 13 chemical measurements, 3 classes",
        kind="classification",
        licence="CC BY 4.0",
        source="https://archive.ics.uci.edu/dataset/109/wine",
        loader=_sklearn("load_wine"),
    ),
    DataSet(
        name="breast-cancer",
        title="Breast cancer Wisconsin (diagnostic), 569 rows of 30 measurements, 2 classes",
        kind="classification",
        licence="CC BY 4.0",
        source="https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic",
        loader=_sklearn("load_breast_cancer"),
    ),
    DataSet(
        name="diabetes",
        title="Diabetes progression, 442 rows of 10 measurements, regression",
        kind="regression",
        licence="none stated (Efron, Hastie, Johnstone, Tibshirani 2004; distributed with scikit-learn)",
        source="https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html",
        loader=_sklearn("load_diabetes"),
    ),
)
