"""Certificates of quantised, coded adapters on real data, beside their errors.

The training part of each data set is cut in two: a public part, which the backbone, the centring and the frozen factors
may depend on, and the sample, from which everything else is learnt and then charged in bits. Backbone: one layer of
random ReLU features, or the last hidden layer of a random frozen network, under a head of zeros or one pretrained on a
few public labels. Every adapter of the head is trained by softmax regression, quantised on several grids, coded into a
string and decoded again; errors are those of the decoded adapter, and each certificate holds with probability 0.95 for
that adapter alone. ``best_of`` names the best row of a panel, with the bits that choosing it after the fact costs. The
rows 'least squares' have the plain code: closed form, q bits an entry, no entropy coding.

Frozen A: 'random' with orthonormal rows, or 'public', the principal directions of the public features. Frozen B:
random with orthonormal columns.

Sizes: ``smoke`` the named data, 64 features; ``quick`` also 10 000 examples of Fashion-MNIST where it is on this
machine, 256 and 512 features; ``full`` all of MNIST and of Fashion-MNIST, 1024 features, all backbones
(fewer ranks on the others).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from proofs_check.experiments._levels import sizes_at
from sims import data as data_sets
from sims.certified_adapters import Certified, Task, certify, fit, frozen_a, frozen_b, least_squares, make_task
from sims.certified_adapters.task import Backbone, public_head
from sims.data import Data
from theory.bounds.code_length import best_of_bits, occam_binomial, occam_hoeffding, occam_kl

VERSION = 1  # of the layout of the result, which the figure checks
DELTA = 0.05
IMAGES = ("mnist", "fashion-mnist")
HEAD_LABELS = 200
# of the larger adapters, whose every candidate costs a pass over all features
COARSE_STEPS = (0.1, 0.15, 0.2, 0.3, 0.5, 0.7)
COARSE_ZONES = (0.5, 0.67)


@dataclass(frozen=True)
class Sizes:
    """Features, largest public part and training part; ranks of b-only with public and with random A, of the others.

    ``images`` are run, too, with ``image_width`` features. ``other_ranks``: ranks of b-only with public A and of the
    rest on the other backbones, which are left out when there are none.
    """

    width: int
    public: int
    samples: int | None
    public_ranks: tuple[int, ...]
    random_ranks: tuple[int, ...]
    ranks: tuple[int, ...]
    images: tuple[str, ...] = ()
    image_width: int = 1024
    other_ranks: tuple[tuple[int, ...], tuple[int, ...]] | None = None


SIZES = {
    "smoke": Sizes(64, 300, 1500, (4, 8), (4, 8), (2,)),
    "quick": Sizes(256, 2000, 10_000, (2, 4, 8, 16, 32), (4, 16, 32), (2, 4, 8), ("fashion-mnist",), 512),
    "full": Sizes(
        256,
        10_000,
        None,
        (2, 4, 8, 16, 32, 64, 128),
        (4, 16, 64, 128),
        (2, 4, 8, 10),
        IMAGES,
        1024,
        ((4, 16, 32, 64), (4,)),
    ),
}


def certificates(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return a panel for each data set and backbone; raises BadInput for data without classes."""
    sizes = sizes_at(level, SIZES)
    panels, absent = [], []
    for name in dict.fromkeys((data, *sizes.images)):
        if name != data and data_sets.status(name) == "not on this machine":
            absent.append(name)
            continue
        loaded = _loaded(name, seed, sizes.samples)
        width = sizes.image_width if name in IMAGES else sizes.width
        public = min(sizes.public, len(loaded.x_train) // 4)
        plain = make_task(loaded, public=public, width=width, seed=seed)
        panels.append(_panel(plain, sizes, seed, name, "relu", 0))
        if sizes.other_ranks is not None:
            fewer = replace(sizes, public_ranks=sizes.other_ranks[0], random_ranks=(), ranks=sizes.other_ranks[1])
            labels = min(HEAD_LABELS, public)
            panels.append(_panel(public_head(plain, labels), fewer, seed, name, "relu", labels))
            kind: Backbone = "network"
            deep = make_task(loaded, public=public, width=width, seed=seed, backbone=kind)
            panels.append(_panel(deep, fewer, seed, name, kind, 0))
    return {
        "version": VERSION,
        "data": data,
        "delta": DELTA,
        "panels": panels,
        "not_on_this_machine": absent,
        "dtype": "float32",  # of the features
    }


def _loaded(name: str, seed: int, samples: int | None) -> Data:
    """Return the data set, its training part cut to at most this many examples."""
    whole = data_sets.load(name, seed=seed)
    if samples is None or len(whole.x_train) <= samples:
        return whole
    return replace(whole, x_train=whole.x_train[:samples], y_train=whole.y_train[:samples])


def _panel(task: Task, sizes: Sizes, seed: int, name: str, backbone: str, labels: int) -> dict[str, Any]:
    rows = list(_rows(task, sizes, seed))
    best = min(rows, key=lambda row: row["kl"])
    extra = best_of_bits(len(rows))
    n = len(task.sample)
    charged = (n, best["bits"] + extra, DELTA)
    return {
        "data": name,
        "backbone": backbone,
        "head_labels": labels,
        "features": task.shape[1],
        "samples": n,
        "public": len(task.public),
        "tests": len(task.test),
        "rows": rows,
        "best_of": {
            "row": rows.index(best),
            "extra_bits": extra,
            "hoeffding": float(occam_hoeffding(best["train_error"], *charged)),
            "kl": float(occam_kl(best["train_error"], *charged)),
            "binomial": float(occam_binomial(best["errors"], *charged)),
        },
    }


def _rows(task: Task, sizes: Sizes, seed: int) -> Iterator[dict[str, Any]]:
    classes, width = task.shape
    directions = min(width, len(task.public))
    for frozen, ranks in (("public", sizes.public_ranks), ("random", sizes.random_ranks)):
        for rank in (rank for rank in ranks if rank <= directions // 2):
            a = frozen_a(task, rank, frozen, seed)
            yield _row(certify(task, fit(task, "b-only", rank, a=a), DELTA), frozen)
    for rank in (rank for rank in sizes.public_ranks[-3:] if rank <= directions // 2):
        a = frozen_a(task, rank, "public", seed)
        squares = least_squares(task, "b-only", rank, a=a)
        yield _row(certify(task, squares, DELTA, fixed=True), "public", "least squares")
    for rank in (rank for rank in sizes.ranks if rank <= classes):
        fitted = fit(task, "a-only", rank, b=frozen_b(task, rank, seed))
        yield _row(certify(task, fitted, DELTA, steps=COARSE_STEPS, dead_zones=COARSE_ZONES), "random")
    for rank in (rank for rank in sizes.ranks if rank < classes):
        yield _row(certify(task, fit(task, "lora", rank), DELTA, steps=COARSE_STEPS, dead_zones=COARSE_ZONES), None)
    yield _row(certify(task, fit(task, "full", 0), DELTA, steps=COARSE_STEPS, dead_zones=COARSE_ZONES), None)


def _row(found: Certified, frozen: str | None, method: str = "softmax") -> dict[str, Any]:
    return {
        "adapter": found.kind,
        "rank": found.rank,
        "frozen": frozen,
        "method": method,
        "bits": found.bits,
        "errors": found.errors,
        "train_error": found.errors / found.samples,
        "test_error": found.test_error,
        "float_train_error": found.float_errors / found.samples,
        "float_test_error": found.float_test_error,
        "hoeffding": found.hoeffding,
        "kl": found.kl,
        "binomial": found.binomial,
    }
