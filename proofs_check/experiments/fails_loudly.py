"""LoRA on a true (not linearised) network: restricted curvature around X*, and where small and large starts end.

Problem: softmax cross-entropy of a random frozen tanh network on few-shot images, LoRA on the middle layer, weight
decay on the factors. X* is the best point reached from the starts of LoRA (B = 0); that it meets the first-order
condition ||grad f||_op <= lam of the nuclear-norm problem is recorded.

* ``table``: Monte Carlo estimates of alpha (smallest quotient, an upper estimate) and beta (largest, a lower estimate)
  over random X of rank at most r with ||X - X*||_F <= 5, for several r; 2 alpha > beta would be the special regime. The
  sets are nested in r: ``nested`` values use the samples of all smaller ranks as well.
* ``ends``: Adam from zero-initialised starts and from large Gaussian ones, stopped early and run until it stands still:
  objective, norm, rank, test accuracy, gradient and smallest Hessian eigenvalue (relative) of every end point, and the
  quotient of strong convexity between it and X*: at most zero for a second-order point of lower rank that is not X*, so
  that such a point within the ball refutes alpha > 0 where sampling did not.

Sizes: ``smoke`` 60 samples a rank, 3 starts of each kind, 200 and 1500 steps; ``quick`` 1000 samples, 16 starts, 1000
and 20 000 steps; ``full`` 10 000 samples, 64 starts, 1000 and 50 000 steps.
Theory: arXiv 2502.09376, Theorem 1, its Table 2 and Figure 2 (in small).
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from proofs_check.experiments._levels import sizes_at
from sims import data as data_sets
from sims.landscape.descent import train_factors
from sims.landscape.restricted_curvature import sample_curvature
from sims.landscape.smooth import SmoothLandscape, second_order_residuals
from sims.landscape.smooth_losses import network_landscape
from sims.networks import FrozenMLP, random_mlp
from sims.ntk.tangents import updated
from theory.convex_lora import spectral_norm
from theory.losses import CROSS_ENTROPY
from theory.restricted_curvature import strong_convexity_quotient, truncated

WIDTH, CLASSES, SAMPLES, WEIGHT_STD = 16, 4, 32, 3.0
LAM, RADIUS, RANK = 0.01, 5.0, 8
RANKS = (4, 8, 12, 16)
LARGE = 8.0  # standard deviation of the entries of both factors; LoRA itself starts with B = 0, A ~ N(0, 1/n)
KINDS = ("small", "large")
SAME = 1e-2  # relative distance below which an end point is X*, also after a short training
COUNTED = 1e-3  # a singular value above this fraction of the largest counts towards the rank


@dataclass(frozen=True)
class Sizes:
    """Monte Carlo samples a rank, starts of each kind, steps of short and of long training."""

    samples: int
    starts: int
    short: int
    long: int


VERSION = 1  # of the layout of the result, which the figure checks
SIZES = {
    "smoke": Sizes(60, 3, 200, 1500),
    "quick": Sizes(1000, 16, 1000, 20_000),
    "full": Sizes(10_000, 64, 1000, 50_000),
}


def fails_loudly(level: str, seed: int, data: str) -> dict[str, Any]:
    """Return the table of alpha and beta over ranks, and the end points of training from small and large starts."""
    sizes = sizes_at(level, SIZES)
    landscape, network, test = problem(data, seed)
    budgets = {"short": sizes.short, "long": sizes.long}
    ends = {
        budget: {kind: _ends(landscape, network, test, _starts(kind, sizes.starts, seed), steps) for kind in KINDS}
        for budget, steps in budgets.items()
    }
    best = min(ends["long"]["small"], key=lambda end: end["objective"])
    rank = best["rank"]
    star = truncated(best["update"], rank)
    (gradient,) = landscape.gradients([star])
    for end in (end for kinds in ends.values() for kind in kinds.values() for end in kind):
        x = end.pop("update")
        end["distance"] = float(np.linalg.norm(x - star))
        quotient = strong_convexity_quotient(landscape.gradients([x])[0], gradient, x, star)
        end["convexity"] = quotient if end["distance"] > SAME * np.linalg.norm(star) else None
    table: list[dict[str, Any]] = []
    for r in (r for r in RANKS if r >= rank):
        sample = sample_curvature(landscape, star, rank=r, radius=RADIUS, samples=sizes.samples, seed=seed)
        row = {"rank": r, "alpha": sample.alpha, "beta": sample.beta}
        row["alpha_nested"] = min([sample.alpha, *(before["alpha"] for before in table)])
        row["beta_nested"] = max([sample.beta, *(before["beta"] for before in table)])
        table.append(row)
    return {
        "version": VERSION,
        "data": data,
        "shape": list(landscape.shapes[0]),
        "classes": CLASSES,
        "samples": SAMPLES,
        "lambda": LAM,
        "radius": RADIUS,
        "draws": sizes.samples,
        "steps": budgets,
        "lora_rank": RANK,
        "large_standard_deviation": LARGE,
        "star_rank": rank,
        "star_norm": float(np.linalg.norm(star)),
        "star_objective": best["objective"],
        "star_gradient_over_lambda": spectral_norm(gradient) / LAM,
        "table": table,
        "ends": ends,
    }


def problem(data: str, seed: int) -> tuple[SmoothLandscape, FrozenMLP, tuple[np.ndarray, np.ndarray]]:
    """Return the landscape of the middle layer, the network, and the test part."""
    whole = data_sets.load(data, seed=seed)
    classes = min(CLASSES, whole.classes) or CLASSES
    chosen = data_sets.few_shot(whole, samples=SAMPLES, classes=range(classes), seed=seed)
    widths = (int(chosen.x_train.shape[1]), WIDTH, WIDTH, classes)
    network = random_mlp(widths, key=jax.random.key(seed), activation="tanh", weight_std=WEIGHT_STD)
    landscape = network_landscape(network, chosen.x_train, chosen.y_train, CROSS_ENTROPY, (1,), LAM)
    return landscape, network, (chosen.x_test, chosen.y_test)


def _starts(kind: str, count: int, seed: int) -> np.ndarray:
    g = np.random.default_rng([seed, kind == "large"])
    factors = g.standard_normal((count, 2, WIDTH, RANK))
    if kind == "small":
        factors[:, 0] = 0.0
        factors[:, 1] /= WIDTH**0.5
    else:
        factors *= LARGE
    return factors.reshape(count, -1)


def _ends(
    landscape: SmoothLandscape,
    network: FrozenMLP,
    test: tuple[np.ndarray, np.ndarray],
    starts: np.ndarray,
    steps: int,
) -> list[dict[str, Any]]:
    ends = train_factors(landscape, RANK, starts, steps=steps)
    norms, lowest = second_order_residuals(landscape, RANK, ends)
    found = []
    for q, norm, eigenvalue in zip(ends, norms, lowest, strict=True):
        ((a, b),) = landscape.factors(q, RANK)
        x = a @ b.T
        values = np.linalg.svd(x, compute_uv=False)[:RANK]
        outputs = np.asarray(updated(network, (jnp.asarray(x),), layers=(1,))(jnp.asarray(test[0])))
        found.append(
            {
                "objective": landscape.value([x]) + 0.5 * LAM * float((q**2).sum()),
                "norm": float(np.linalg.norm(x)),
                "rank": int((values > COUNTED * values[0]).sum()),
                "singular_values": values.tolist(),
                "accuracy": float((outputs.argmax(axis=1) == test[1]).mean()),
                "gradient_norm": float(norm),
                "min_eigenvalue": float(eigenvalue),
                "update": x,
            }
        )
    return found
