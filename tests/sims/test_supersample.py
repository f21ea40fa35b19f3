"""The supersample protocol: masks, estimators against exact informations, closed-form heads, trainers of all kinds."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from math import log, sqrt

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from jaxtyping import Float, Int

from sims.adapters.registry import make_adapter
from sims.data import load
from sims.enumeration import enumerate_learner, majority_learner
from sims.errors import BadInput
from sims.haar import orthonormal_rows
from sims.models.mlp import random_hidden_layers
from sims.supersample.estimators import Ladder, ladder, row_estimates
from sims.supersample.masks import all_masks, balanced_masks, trained_columns
from sims.supersample.protocol import Supersample, Trainer, draw_supersample, run_protocol, single
from sims.supersample.relu_features import relu_features
from sims.supersample.ridge_heads import Adapter, RidgeHeads
from sims.supersample.trained_networks import network_trainer
from sims.training.model import random_head
from sims.training.optimisers import Options
from tests.checks import EXACT, close
from tests.strategies import seeds
from tests.tolerances import MONTE_CARLO, ROOT_OF_INFORMATION
from theory.bounds.conditional import samplewise_bound

KINDS = (Adapter("full"), Adapter("lora", 2), Adapter("b-only", 5), Adapter("a-only", 2))


@given(seed=seeds, rows=st.integers(1, 6), masks=st.integers(2, 9))
def test_every_row_of_balanced_masks_is_balanced(seed: int, rows: int, masks: int) -> None:
    drawn = balanced_masks(np.random.default_rng(seed), rows, masks)
    assert drawn.shape == (masks, rows)
    assert set(drawn.sum(axis=0)) <= {masks // 2, (masks + 1) // 2}


@pytest.mark.parametrize("masks", [2, 5])
def test_every_single_balanced_mask_is_uniform(masks: int) -> None:
    rng, draws = np.random.default_rng(0), 4000
    drawn = np.stack([balanced_masks(rng, 3, masks) for _ in range(draws)])
    for number in range(masks):
        counts = np.bincount(drawn[:, number] @ np.array([4, 2, 1]), minlength=8)
        assert np.abs(counts - draws / 8).max() <= MONTE_CARLO * sqrt(draws * 7 / 64)


def test_all_masks_are_listed_once() -> None:
    masks = all_masks(4)
    assert len({tuple(mask) for mask in masks}) == len(masks) == 16
    assert set(np.unique(masks)) == {0, 1}
    assert np.array_equal(masks[1], [0, 0, 0, 1])


def test_a_mask_picks_the_column_that_it_names() -> None:
    values = np.arange(6).reshape(3, 2)
    assert trained_columns(values, np.array([0, 1, 1])).tolist() == [0, 3, 5]


@given(seed=seeds, rows=st.integers(1, 10), spare=st.integers(0, 5))
def test_no_example_of_a_supersample_comes_twice(seed: int, rows: int, spare: int) -> None:
    """Otherwise what is left out could also have been trained on; inputs and labels stay together."""
    pool = np.arange(2 * rows + spare)
    drawn = draw_supersample(np.random.default_rng(seed), pool[:, None], pool, rows)
    assert len(np.unique(drawn.y)) == drawn.y.size == 2 * rows
    assert np.array_equal(drawn.x[..., 0], drawn.y)


def test_estimates_from_all_masks_are_the_exact_informations() -> None:
    """Majority of three bits on every supersample of the enumeration."""
    exact = enumerate_learner(majority_learner(3, 0.3))
    masks = all_masks(3)
    weighted = np.zeros(2)
    for number, weight in enumerate(exact.weights):
        labels = ((number >> np.arange(6)[::-1]) & 1).reshape(3, 2)
        votes = np.array([trained_columns(labels, mask).sum() >= 2 for mask in masks]).astype(np.int64)
        found = row_estimates(np.broadcast_to(votes[:, None, None], (8, 3, 2)).copy(), labels, masks)
        close(found.pairs, exact.pairs[number])
        close(found.differences, exact.differences[number])
        close(found.predictions, exact.predictions[number])
        weighted += weight * np.array([found.train, found.population])
    close(weighted, [exact.train, exact.population])


def random_ladder(seed: int, masks: int, rows: int) -> tuple[Ladder, float]:
    """Predictions that copy the label of what was trained on, with random faithfulness in every row."""
    rng = np.random.default_rng(seed)
    estimates, nulls = [], []
    for _ in range(2):
        labels = rng.integers(0, 3, (rows, 2))
        chosen = balanced_masks(rng, rows, masks)
        predictions = rng.integers(0, 3, (masks, rows, 2))
        kept = rng.random((masks, rows, 2)) < rng.random((rows, 1)) * (chosen[:, :, None] == np.arange(2))
        estimates.append(row_estimates(np.where(kept, labels, predictions), labels, chosen))
        nulls.append(row_estimates(predictions, labels, balanced_masks(rng, rows, masks)))
    return ladder(estimates, nulls), samplewise_bound(np.concatenate([e.pairs for e in estimates]))


@given(seed=seeds, masks=st.sampled_from([2, 3, 8, 31]), rows=st.sampled_from([1, 5]))
def test_p16_p19_p20_hold_for_the_empirical_channel(seed: int, masks: int, rows: int) -> None:
    """No luck is involved: risks and informations weight both values of the bit by one half."""
    found, pairs = random_ladder(seed, masks, rows)
    close(found.e_cmi, pairs)
    close(found.gap, np.mean(found.gaps))
    assert abs(found.gap) <= min(found.ld_cmi, found.ld_mi) + ROOT_OF_INFORMATION
    assert found.ld_cmi <= found.e_cmi + ROOT_OF_INFORMATION
    assert found.e_cmi <= found.f_cmi + ROOT_OF_INFORMATION
    assert found.gap <= found.binary_kl + ROOT_OF_INFORMATION
    assert found.binary_kl <= found.ld_mi + ROOT_OF_INFORMATION
    assert found.population <= found.weighted_risk + EXACT
    assert found.single_loss <= found.pooled_information + EXACT
    close(found.ld_mi, sqrt(2 * found.pooled_information))


def test_p21_an_interpolating_learner_has_the_identity_in_the_pooled_estimate() -> None:
    rng = np.random.default_rng(0)
    labels, masks = rng.integers(0, 3, (20, 2)), balanced_masks(rng, 20, 10)
    predictions = np.where(masks[:, :, None] == np.arange(2), labels, rng.integers(0, 3, (10, 20, 2)))
    found = ladder([row_estimates(predictions, labels, masks)], [row_estimates(predictions, labels, masks)])
    assert found.train == 0.0
    close(found.gap, found.pooled_information / log(2.0))


def objective(weight: np.ndarray, phi: np.ndarray, targets: np.ndarray, penalty: float) -> float:
    return float(((targets - phi @ weight.T) ** 2).sum()) + penalty


@pytest.mark.parametrize(("rows", "width"), [(6, 20), (30, 20)], ids=["dual", "primal"])
def test_heads_minimise_their_objectives(rows: int, width: int) -> None:
    """Normal equations of each tuned factor, solved directly; for BA, no rank-2 head found by alternation is better."""
    rng, classes, ridge = np.random.default_rng(rows), 4, 0.7
    x, y = rng.standard_normal((rows, 2, width)), rng.integers(0, classes, (rows, 2))
    masks = balanced_masks(rng, rows, 3)
    heads = RidgeHeads(rng, KINDS, features=width, classes=classes, ridge=ridge)
    q, u = heads.frozen[KINDS[2]], heads.frozen[KINDS[3]].T
    close(q @ q.T, np.eye(5))
    close(u.T @ u, np.eye(2))
    for mask, scores in zip(masks, heads.scores(x, y, masks), strict=True):
        phi, targets = trained_columns(x, mask), np.eye(classes)[trained_columns(y, mask)]
        normal = phi.T @ phi + ridge * np.eye(width)
        full = np.linalg.solve(normal, phi.T @ targets).T
        close(scores["full"], x @ full.T)
        projected = phi @ q.T
        b = np.linalg.solve(projected.T @ projected + ridge * np.eye(5), projected.T @ targets).T
        close(scores["b-only 5"], x @ q.T @ b.T)
        # vec A from its own least-squares system, without the decoupling
        design = np.concatenate([np.kron(phi, u), sqrt(ridge) * np.eye(2 * width)])
        flat, *_ = np.linalg.lstsq(design, np.concatenate([targets.ravel(), np.zeros(2 * width)]), rcond=None)
        close(scores["a-only 2"], x @ flat.reshape(width, 2) @ u.T)
        head = np.linalg.lstsq(x.reshape(-1, width), scores["lora 2"].reshape(-1, classes), rcond=None)[0].T
        assert np.linalg.matrix_rank(scores["lora 2"].reshape(-1, classes), tol=ROOT_OF_INFORMATION) == 2
        if 2 * rows >= width:  # otherwise the outputs do not determine the head
            best = objective(head, phi, targets, ridge * (head**2).sum())
            for start in range(5):
                other = alternated(phi, targets, ridge, 2, np.random.default_rng(start))
                assert best <= objective(other, phi, targets, ridge * (other**2).sum()) * (1 + EXACT)


def alternated(phi: np.ndarray, targets: np.ndarray, ridge: float, rank: int, rng: np.random.Generator) -> np.ndarray:
    """Return a head of this rank by exact minimisation over one orthonormal side after the other."""
    v = np.linalg.qr(rng.standard_normal((targets.shape[1], rank)))[0]
    normal = phi.T @ phi + ridge * np.eye(phi.shape[1])
    for _ in range(50):
        a = np.linalg.solve(normal, phi.T @ targets @ v)
        left, _, right = np.linalg.svd(targets.T @ phi @ a, full_matrices=False)
        v = left @ right
    return v @ a.T


def test_adapters_of_full_rank_are_the_full_head() -> None:
    rng, classes, width = np.random.default_rng(0), 3, 8
    x, y = rng.standard_normal((10, 2, width)), rng.integers(0, classes, (10, 2))
    kinds = (Adapter("full"), Adapter("lora", 3), Adapter("a-only", 3), Adapter("b-only", width))
    (scores,) = RidgeHeads(rng, kinds, features=width, classes=classes).scores(x, y, balanced_masks(rng, 10, 2)[:1])
    for name in ("lora 3", "a-only 3", f"b-only {width}"):
        close(scores[name], scores["full"])


@pytest.mark.parametrize(
    ("adapter", "expected"),
    [(Adapter("full"), 5120), (Adapter("b-only", 128), 1280), (Adapter("a-only", 8), 4096), (Adapter("lora", 8), 4176)],
)
def test_tuned_parameters_are_counted(adapter: Adapter, expected: int) -> None:
    assert adapter.parameters(512, 10) == expected


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    data = load("digits", seed=0)
    return data.x_train, data.y_train.astype(np.int64)


def protocol(trainer: Callable[[np.random.Generator], object], rows: int = 20, masks: int = 30, seed: int = 0) -> dict:
    pool, labels = digits()

    def make(rng: np.random.Generator) -> Supersample:
        drawn = draw_supersample(rng, pool, labels, rows)
        return Supersample(relu_features(rng, pool, 32)(drawn.x), drawn.y)

    return run_protocol(make, trainer, supersamples=2, masks=masks, seed=seed)  # type: ignore[arg-type]


def heads(rng: np.random.Generator) -> RidgeHeads:
    return RidgeHeads(rng, KINDS, features=32, classes=10)


def test_the_protocol_runs_real_adapters_and_repeats() -> None:
    found = protocol(heads)
    assert list(found) == ["full", "lora 2", "b-only 5", "a-only 2"]
    assert found == protocol(heads)
    assert found != protocol(heads, seed=1)
    for one in found.values():
        assert len(one.gaps) == 2
        rungs = [one.f_cmi, one.e_cmi, one.ld_cmi, one.gap]
        assert all(high >= low - ROOT_OF_INFORMATION for high, low in pairwise(rungs))
        assert one.gap <= one.binary_kl <= one.ld_mi
        # masks that nobody trained on say less
        assert one.e_cmi_null < one.e_cmi


def test_frozen_factors_may_be_redrawn_for_every_mask() -> None:
    def redrawn(rng: np.random.Generator) -> Callable[..., object]:
        def predict(x: np.ndarray, y: np.ndarray, masks: np.ndarray) -> np.ndarray:
            made = (RidgeHeads(rng, KINDS[2:3], features=32, classes=10) for _ in masks)
            return np.concatenate([one(x, y, mask[None])["b-only 5"] for one, mask in zip(made, masks, strict=True)])

        return single("redrawn", predict)

    found, conditioned = protocol(redrawn)["redrawn"], protocol(heads)["b-only 5"]
    assert found.gap <= found.ld_cmi
    # the randomness of Q hides the bits
    assert found.e_cmi < conditioned.e_cmi


def softmax_regression(rng: np.random.Generator) -> Callable[..., object]:
    """Gradient descent on a B-only head, all masks at once by vmap: how a trained network is plugged in."""
    a = jnp.asarray(orthonormal_rows(rng, 5, 32))

    @jax.jit
    def trained(x: jax.Array, y: jax.Array) -> jax.Array:
        def loss(b: jax.Array) -> jax.Array:
            logits = x @ a.T @ b.T
            return (jax.nn.logsumexp(logits, axis=1) - jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]).mean()

        return jax.lax.fori_loop(0, 100, lambda _, b: b - jax.grad(loss)(b), jnp.zeros((10, 5)))

    def predict(
        x: Float[np.ndarray, "n 2 h"], y: Int[np.ndarray, "n 2"], masks: Int[np.ndarray, "masks n"]
    ) -> Int[np.ndarray, "masks n 2"]:
        parts = [(trained_columns(x, mask), trained_columns(y, mask)) for mask in masks]
        b = jax.vmap(trained)(*(jnp.asarray(np.stack(part)) for part in zip(*parts, strict=True)))
        return np.asarray(jnp.einsum("nch,rh,mkr->mnck", jnp.asarray(x), a, b)).argmax(axis=-1)

    return single("softmax", predict)


def test_a_trained_model_plugs_in() -> None:
    found = protocol(softmax_regression)["softmax"]
    assert 0.0 < found.train < found.population < 1.0
    assert found.gap <= min(found.ld_cmi, found.binary_kl)


def trained_networks(rng: np.random.Generator) -> Trainer:
    """B-only on the hidden layer of a small frozen network, by the training engine."""
    network = random_hidden_layers(jax.random.key(int(rng.integers(2**31))), (32, 16), dtype="float64")
    return network_trainer(
        {"b-only": make_adapter("b-only", rank=2)},
        network,
        network.names,
        random_head(jax.random.key(0), 10, 16, "float64"),
        Options(steps=40, batch_size=10, evaluations=1),
        learning_rates={"b-only": 0.05},
        seed=0,
        together=12,
    )


def test_trained_networks_plug_in() -> None:
    one = protocol(trained_networks, masks=12)["b-only"]
    assert one.train < one.population < 1.0
    assert one.gap <= min(one.ld_cmi, one.binary_kl)
    # the masks decide what is learnt: nothing else differs between the runs
    assert one.e_cmi > one.e_cmi_null


def test_a_trained_network_depends_on_its_mask_alone() -> None:
    rng = np.random.default_rng(0)
    x, y, masks = rng.standard_normal((20, 2, 32)), rng.integers(0, 10, (20, 2)), balanced_masks(rng, 20, 12)
    labels = trained_networks(rng)(x, y, np.concatenate([masks, masks[::-1]]))["b-only"]
    assert np.array_equal(labels[:12], labels[12:][::-1])
    assert not np.array_equal(labels[0], labels[1])


def test_every_trained_adapter_needs_a_step_size() -> None:
    network = random_hidden_layers(jax.random.key(0), (4, 3), dtype="float64")
    head = random_head(jax.random.key(0), 2, 3, "float64")
    for options, message in (({}, "together 0"), ({"together": 1}, "no step size for b-only")):
        with pytest.raises(BadInput, match=message):
            network_trainer(
                {"b-only": make_adapter("b-only", rank=1)},
                network,
                network.names,
                head,
                Options(steps=1, batch_size=1),
                learning_rates={},
                seed=0,
                **({"together": 0} | options),
            )


def test_features_say_nothing_of_the_order_of_the_pool() -> None:
    pool, _ = digits()
    order = np.random.default_rng(1).permutation(len(pool))
    first, second = (relu_features(np.random.default_rng(0), part, 8) for part in (pool, pool[order]))
    close(first(pool[:5]), second(pool[:5]))
    assert first(pool[:5]).min() >= 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: balanced_masks(np.random.default_rng(0), 3, 1), "3 rows and 1 masks: expected at least 1 row and 2"),
        (lambda: all_masks(17), "17 rows: all masks can be listed for 1 to 16 rows; draw balanced masks"),
        (lambda: draw_supersample(np.random.default_rng(0), np.zeros((5, 2)), np.zeros(5, int), 3), "choose 1 to 2"),
        (lambda: heads(np.random.default_rng(0)) and protocol(heads, masks=1), "expected at least 1 row and 2 masks"),
        (lambda: protocol(lambda _: lambda x, y, masks: {"odd": np.zeros((1, 2, 2), int)}), "odd predicted shape"),
        (lambda: run_protocol(lambda _: None, lambda _: None, supersamples=0, masks=2, seed=0), "0 supersamples"),
        (lambda: ladder([], []), "no supersample was run"),
        (
            lambda: row_estimates(np.zeros((3, 1, 2), int), np.zeros((1, 2), int), np.ones((3, 1), int)),
            "the 3 masks give a row one value only: balance them",
        ),
        (lambda: RidgeHeads(np.random.default_rng(0), KINDS, features=8, classes=3, ridge=0.0), r"ridge 0\.0"),
        (lambda: RidgeHeads(np.random.default_rng(0), [Adapter("c-only", 1)], features=8, classes=3), "'c-only'"),
        (
            lambda: RidgeHeads(np.random.default_rng(0), [Adapter("a-only", 4)], features=8, classes=3),
            "expected 1 to 3",
        ),
        (lambda: RidgeHeads(np.random.default_rng(0), [Adapter("lora", 0)], features=8, classes=3), "rank 0 of lora"),
        (lambda: relu_features(np.random.default_rng(0), np.zeros((3, 2)), 0), "width 0: expected at least 1"),
    ],
)
def test_bad_input_is_refused_in_one_line(call: Callable[[], object], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
