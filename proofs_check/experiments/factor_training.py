"""Training both factors of an adapter, one of them, or the whole matrix, at equal care over the step size.

Setting: proofs_check.factor_setting (backbone trained on reversed inputs, head frozen, so that the tuned scalars are
the adapter's alone); at level ``full`` also MNIST, Fashion-MNIST and, with MiniLM, the sentences of SST-2 and RTE where
they are on this machine. ``data`` may be one of these by name.

Part "rows": AdamW without weight decay, cosine schedule, scale alpha / r = 2. Every arm (family, rank, start of the
random factor) has the same grid of step sizes and takes its best one by the validation loss, averaged over the starts.
Each start draws its factors and the order of the samples anew; the backbone is common to all. Other starts of the
random factor (of A in LoRA) are compared at some ranks. B-only at rank 2r has the tuned scalars of LoRA at rank r where
matrices are square.

Part "steps": one hidden layer of 256 (so that at rank 2 a frozen Kaiming B has norm 6.53, as at rank 8 and width 1024),
A-only by plain gradient descent on batches, training loss at every step size of a grid: B frozen orthonormal, Kaiming,
and Kaiming divided by that norm. Theory: the norm c multiplies the step by c^2 (theory.step_size).

Theory: Zhu et al. 2024, arXiv 2402.16842, section 5 and its tables 1, 2 and 7.
"""

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from proofs_check.experiments._levels import sizes_at
from proofs_check.experiments.kept import kept
from proofs_check.factor_arms import Arm, Outcome, compare
from proofs_check.factor_setting import turned_setting
from proofs_check.factor_text_setting import TOKENS, text_setting
from proofs_check.few_shot_setting import pretrained_available
from sims.data import find, status
from sims.training.engine import Batching
from sims.training.optimisers import Options
from theory.step_size import kaiming_norm, step_gain

VERSION = 1  # of the layout of the result, which the figure checks
A_STARTS = ("orthonormal", "gaussian", "kaiming", "singular-right", "rand")
B_STARTS = ("orthonormal", "gaussian", "kaiming", "singular-left", "rand")


@dataclass(frozen=True)
class Protocol:
    """How the arms of one setting are trained: steps, batch, step sizes, adapter families, ranks.

    At the ranks ``compared`` the first ``kinds`` starts of the frozen factor are compared, at the first of them also
    those of A in LoRA.
    """

    samples: int
    steps: int
    batch: int
    rates: tuple[float, ...]
    families: tuple[str, ...]
    ranks: tuple[int, ...]
    compared: tuple[int, ...]
    kinds: int


@dataclass(frozen=True)
class Sizes:
    """Widths and steps of the backbone, protocols on vectors and on sentences, seeds, the sweep of step sizes."""

    widths: tuple[int, ...]
    source_steps: int
    vectors: Protocol
    sentences: Protocol
    starts: int
    step_ranks: tuple[int, ...]
    step_rates: tuple[float, ...]


def _grid(low: float, high: float, count: int) -> tuple[float, ...]:
    return tuple(float(f"{rate:.3g}") for rate in np.geomspace(low, high, count))


_FAMILIES, _TWO = ("full", "lora", "b-only", "a-only"), ("b-only", "a-only")
SIZES = {
    "smoke": Sizes(
        widths=(256,),
        source_steps=0,
        vectors=Protocol(400, 30, 64, (0.03, 0.1), _TWO, (2,), (2,), 1),
        sentences=Protocol(90, 5, 16, (0.01,), _TWO, (2,), (2,), 1),
        starts=2,
        step_ranks=(2,),
        step_rates=(0.1, 1.0),
    ),
    "quick": Sizes(
        widths=(64, 64),
        source_steps=300,
        vectors=Protocol(4000, 300, 64, _grid(0.01, 0.3, 4), _FAMILIES, (1, 4, 16), (4,), 3),
        sentences=Protocol(240, 20, 16, (0.01,), _FAMILIES, (4,), (4,), 3),
        starts=3,
        step_ranks=(2, 4),
        step_rates=_grid(0.01, 100.0, 9),
    ),
    "full": Sizes(
        widths=(128, 128),
        source_steps=2000,
        vectors=Protocol(20_000, 600, 64, _grid(0.003, 1.0, 6), _FAMILIES, (1, 2, 4, 8, 16, 64), (4, 1, 16), 5),
        sentences=Protocol(1800, 120, 8, _grid(0.001, 0.1, 4), _FAMILIES, (1, 2, 4, 8, 16), (4, 1, 16), 4),
        starts=3,
        step_ranks=(2, 4, 8, 16),
        step_rates=_grid(0.01, 100.0, 13),
    ),
}


def factor_training(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return the table of arms for every setting of this level, and the sweep of step sizes.

    Raises:
        BadInput: unknown level, data without classes, or sentences without the pretrained encoder.
    """
    sizes = sizes_at(level, SIZES)
    names = [data]
    if level == "full":
        pretrained = pretrained_available("digits")
        more = ["mnist", "fashion-mnist", *(TOKENS if pretrained else ())]
        names += [name for name in more if name != data and status(name) != "not on this machine"]
    vectors = data if find(data).kind != "text" else "digits"
    return {
        "version": VERSION,
        "settings": [_setting(name, sizes, seed) for name in names],
        "steps": _steps(vectors, sizes, seed),
        "starts": sizes.starts,
        "dtype": "float32",
    }


def _setting(name: str, sizes: Sizes, seed: int) -> dict[str, Any]:
    """Return the table of one setting."""
    how, text = (sizes.sentences, True) if find(name).kind == "text" else (sizes.vectors, False)
    if text:
        setting = text_setting(name, seed, samples=how.samples, tokens=TOKENS[name])
    else:
        setting = turned_setting(name, seed, widths=sizes.widths, samples=how.samples, source_steps=sizes.source_steps)
    smallest = min(min(shape) for shape in setting.shapes)
    ranks = [rank for rank in how.ranks if rank <= smallest] or [1]
    compared = [rank for rank in how.compared if rank in ranks] or [max(ranks)]
    arms = _arms(how, ranks, compared)
    options, seeds = Options(how.steps, how.batch, evaluations=1), range(seed + 1, seed + 1 + sizes.starts)

    def row(arm: Arm) -> dict[str, Any]:
        batching: Batching = "map" if text else "vmap"
        outcome = compare(setting, arm, options, seeds=seeds, rates=how.rates, best_only=text, batching=batching)
        return _row(outcome)

    named = {"setting": name, "seed": seed, **asdict(sizes)}
    return {
        "name": setting.name,
        "shapes": [list(shape) for shape in setting.shapes],
        "classes": setting.classes,
        "samples": {part: len(getattr(setting, part)) for part in ("train", "validation", "test")},
        "steps": how.steps,
        "batch": how.batch,
        "rates": list(how.rates),
        "compared_rank": compared[0],
        "rows": [kept("factor_training", named | asdict(arm), partial(row, arm)) for arm in arms],
    }


def _arms(how: Protocol, ranks: list[int], compared: list[int]) -> list[Arm]:
    """Return the arms of a protocol, each once."""
    arms = [Arm("full")] if "full" in how.families else []
    arms += [Arm(family, rank) for rank in ranks for family in how.families if family != "full"]
    for rank in compared:
        arms += [Arm("b-only", rank, start) for start in A_STARTS[1 : how.kinds]]
        arms += [Arm("a-only", rank, start) for start in B_STARTS[1 : how.kinds]]
    if "lora" in how.families:
        arms += [Arm("lora", compared[0], start) for start in A_STARTS[: how.kinds] if start != "kaiming"]
    return arms


def _row(outcome: Outcome) -> dict[str, Any]:
    """Return one row of the table: the arm at its best step size, one number a start."""
    arm, best = outcome.arm, outcome.best
    own = {"lora": "kaiming", "full": None}.get(arm.adapter, "orthonormal")
    return {
        "adapter": arm.adapter,
        "rank": arm.rank or None,
        "start": arm.start or own,
        "tuned": outcome.tuned,
        "rate": outcome.rates[best],
        "rate_at_edge": best in (0, len(outcome.rates) - 1),
        "train_loss": _finite(outcome.train_loss[best]),
        "train_accuracy": outcome.train_accuracy[best].tolist(),
        "test_loss": _finite(outcome.test_loss[best]),
        "test_accuracy": outcome.test_accuracy[best].tolist(),
    }


def _steps(data: str, sizes: Sizes, seed: int) -> dict[str, Any]:
    """Return training losses (step size, start) of A-only with a frozen B of three sizes."""
    width = 256
    how = sizes.vectors
    setting = turned_setting(data, seed, widths=(width,), samples=how.samples, source_steps=sizes.source_steps)
    options = Options(min(how.steps, 200), how.batch, optimiser="sgd", evaluations=1)
    seeds = range(seed + 1, seed + 1 + sizes.starts)
    found = []
    for rank in [rank for rank in sizes.step_ranks if rank <= min(setting.shapes[0])] or [1]:
        norm = kaiming_norm(width, rank)
        arms = {
            "orthonormal": Arm("a-only", rank),
            "kaiming": Arm("a-only", rank, "kaiming"),
            "rescaled": Arm("a-only", rank, "kaiming", norm),
        }
        outcomes = {
            name: compare(setting, arm, options, seeds=seeds, rates=sizes.step_rates) for name, arm in arms.items()
        }
        found.append(
            {
                "rank": rank,
                "norm": norm,
                "gain": step_gain(norm, "sgd"),
                "train_loss": {name: [_finite(row) for row in o.train_loss] for name, o in outcomes.items()},
            }
        )
    return {"width": width, "rates": list(sizes.step_rates), "steps": options.steps, "ranks": found}


def _finite(values: Any) -> list[float | None]:
    """Return the numbers, None for a run that diverged."""
    return [float(value) if np.isfinite(value) else None for value in values]
