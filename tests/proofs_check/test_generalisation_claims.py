"""The claims on generalisation and on LoRA's kernels at their smallest size, and the parts they are made of."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check import generalisation_steps as steps
from proofs_check.admissible_points import admissible_points, conclusion_steps, margin
from proofs_check.claims import ntk_lora_kernel, ntk_t5_1
from proofs_check.evidence import Evidence, verdict_of
from proofs_check.experiments.generalisation import generalisation
from proofs_check.experiments.kernel_concentration import kernel_concentration
from proofs_check.kernel_concentration import (
    LAWS,
    SPREADS,
    draw_input_factor,
    enumerated_kernels,
    layer_instance,
    projected_kernels,
)
from proofs_check.linear_lora import linear_lora
from proofs_check.populations import Population, certified, frozen_network, teacher
from proofs_check.registry import find
from sims.errors import BadInput
from sims.ntk.kernels import b_only_kernel
from tests.checks import EXACT, close
from tests.tolerances import EMPIRICAL_RATE, SOLVER_GAP
from theory.convex_lora import nuclear_norm
from theory.losses import CROSS_ENTROPY, LOGISTIC

MODULES = {"NTK-T5.1": ntk_t5_1, "NTK-LORA-KERNEL": ntk_lora_kernel}


@cache
def smoke(claim: str, seed: int) -> Evidence:
    return MODULES[claim].check("smoke", seed, "digits")


@cache
def population(kind: str) -> Population:
    if kind == "teacher":
        return teacher(CROSS_ENTROPY, 3, 4, 5, points=60, strength=2.0, seed=0)
    if kind == "signs":
        return teacher(LOGISTIC, 1, 3, 4, points=100, strength=4.0, seed=1)
    return frozen_network("digits", LOGISTIC, 1, 2, 3, points=300, seed=0)


each_population = pytest.mark.parametrize("kind", ["teacher", "signs", "network"])


@pytest.mark.parametrize("claim", MODULES)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_claim_holds(claim: str, seed: int) -> None:
    evidence = smoke(claim, seed)
    assert verdict_of(evidence) == "holds", [m for m in evidence.worst() if not m.satisfied]
    assert all(m.trusted for m in evidence.measurements)


@pytest.mark.parametrize("claim", MODULES)
def test_the_control_fails(claim: str) -> None:
    evidence = MODULES[claim].__dict__["_control"]("smoke", 0, "digits")
    assert verdict_of(evidence) == "fails"
    # not by a hair: each measurement is violated
    assert not any(m.satisfied for m in evidence.measurements)


@pytest.mark.parametrize("claim", MODULES)
def test_it_is_registered(claim: str) -> None:
    assert find(claim).expected == "holds"


@pytest.mark.parametrize("step", ["G1", "G2", "G3", "G4", "G5", "G6"])
def test_every_step_of_the_proof_is_measured(step: str) -> None:
    assert any(m.name.startswith(step) for m in smoke("NTK-T5.1", 0).measurements)


@each_population
def test_the_true_minimiser_minimises_over_all_matrices(kind: str) -> None:
    p = population(kind)
    close(p.weights.sum(), 1.0)
    assert np.abs(p.gradient(p.true_delta)).max() <= EXACT
    rng = np.random.default_rng(0)
    for _ in range(50):
        move = rng.standard_normal(p.shape) * rng.choice([1e-3, 1.0, 10.0])
        assert p.excess(p.true_delta + move) >= -SOLVER_GAP
        # convexity: the risk lies above its tangent
        slope = float((p.gradient(p.true_delta + move) * move).sum())
        assert slope >= p.risk(p.true_delta + move) - p.risk(p.true_delta) - EXACT


@each_population
def test_the_risk_of_a_sample_is_the_mean_over_its_points(kind: str) -> None:
    p = population(kind)
    weights = p.sample(np.random.default_rng(0), 40)
    counts = np.rint(40 * weights).astype(int)
    assert counts.sum() == 40
    rows = np.repeat(np.arange(counts.size), counts)
    delta = np.random.default_rng(1).standard_normal(p.shape)
    close(p.risk(delta, weights), p.losses(delta)[rows].mean())
    close(p.risk(delta), p.weights @ p.losses(delta))


def test_features_of_a_teacher_have_norm_at_most_one() -> None:
    close(population("teacher").feature_norm, 1.0)
    assert population("teacher").true_norm == pytest.approx(6.0)


def test_separable_labels_and_regression_data_are_refused() -> None:
    p = population("signs")
    y = np.where(p.design[:, :1] > 0, 1.0, -1.0)
    uniform = np.full(len(y), 1.0 / len(y))
    separable = replace(p, y=y, f0=np.zeros_like(p.f0), weights=uniform, true_delta=np.zeros(p.shape))
    with pytest.raises(BadInput, match="are the labels separable"):
        certified(separable)
    with pytest.raises(BadInput, match="data set diabetes has no classes"):
        frozen_network("diabetes", LOGISTIC, 1, 2, 3, points=100, seed=0)


@each_population
@pytest.mark.parametrize("samples", [100, 10**5])
def test_admissible_points_are_admissible_and_lie_on_the_boundary(kind: str, samples: int) -> None:
    p, rng = population(kind), np.random.default_rng(0)
    bound = steps.bound_for(p, samples, failure=0.05, slack=0.1)
    weights = p.sample(rng, samples)
    found = admissible_points(p, weights, bound, rng)
    assert found.converged
    margins = [margin(p, weights, bound, delta) for delta in found.deltas]
    assert min(margins) >= 0
    # the true minimiser itself is admissible with exactly the slack to spare
    spare = bound.slack * bound.weight_decay * bound.true_norm
    close(margin(p, weights, bound, p.true_delta), spare)
    assert max(margins) == margins[0] >= spare - SOLVER_GAP
    assert min(margins) <= 1e-3 * margins[0]
    assert found.largest_excess > found.excess


@each_population
def test_points_of_the_ball_are_inside_and_half_of_them_on_the_sphere(kind: str) -> None:
    p = population(kind)
    points = steps.ball_points(p, 2.5, 40, np.random.default_rng(0))
    norms = np.array([nuclear_norm(delta - p.true_delta) for delta in points])
    close(norms[:20], np.full(20, 2.5))
    assert norms.max() <= 2.5 * (1 + EXACT)


def test_a_bound_with_a_constant_too_small_is_caught() -> None:
    """The steps can fail: R a thousand times too small gives a bound that samples break."""
    p, rng = population("signs"), np.random.default_rng(0)
    bound = replace(steps.bound_for(p, 400, failure=0.05, slack=0.1), feature_norm=p.feature_norm / 1000)
    found = steps.deviation_steps(p, bound, redraws=50, points=40, rng=rng)
    failed = {m.name for m in found if not m.satisfied}
    assert {"G3 |h| over L√K R D", "G3 fraction of samples with a deviation above κD"} <= failed
    weights = p.sample(rng, 400)
    assert conclusion_steps(p, weights, bound, admissible_points(p, weights, bound, rng), rng).failed


@pytest.mark.parametrize("law", LAWS)
def test_drawn_kernels_are_those_of_the_projected_features(law: str) -> None:
    features = layer_instance("digits", 0, samples=4, outputs=2)
    kernels = projected_kernels(features, 3, 5, law=law, seed=2)  # type: ignore[arg-type]
    factors = draw_input_factor(law, 3, features.d_in, 5, 2)  # type: ignore[arg-type]
    for kernel, factor in zip(kernels, factors, strict=True):
        close(kernel, np.asarray(b_only_kernel([features], [factor])).reshape(8, 8))
    assert abs((factors**2).mean() - 1 / 3) <= EMPIRICAL_RATE


@pytest.mark.parametrize(("law", "kurtosis"), SPREADS.items())
def test_enumerated_laws_have_the_moments_of_the_drawn_ones(law: str, kurtosis: float) -> None:
    entry = np.ones((1, 1, 1))
    kernels, chances = enumerated_kernels(entry, 1, kurtosis)  # the square of one entry
    close(chances.sum(), 1.0)
    close(chances @ kernels[:, 0, 0], 1.0)
    close(chances @ kernels[:, 0, 0] ** 2, LAWS[law] + 3.0)  # type: ignore[index]
    with pytest.raises(ValueError, match=r"kurtosis 0\.5"):
        enumerated_kernels(entry, 1, 0.5)


@given(seed=st.integers(0, 10**6))
@settings(deadline=None, max_examples=5)
def test_the_rate_needs_a_law_that_does_not_change_with_the_rank(seed: int) -> None:
    def scaled(rank: int, kurtosis: float) -> float:
        return ntk_lora_kernel._deviations("digits", seed, 3, (rank,), kurtosis, "")[0][0]

    close(scaled(2, 3.0), scaled(1, 3.0))
    close(scaled(2, 1.0), scaled(1, 1.0))
    assert abs(scaled(2, 3.0) / scaled(1, 1.0) - 1.0) > EMPIRICAL_RATE


def test_a_factor_whose_rows_avoid_the_inputs_has_no_kernel() -> None:
    features = layer_instance("digits", 0, samples=4, outputs=2)
    inputs = np.asarray(features.dense()).reshape(-1, features.d_in)
    _, sigma, right = np.linalg.svd(inputs)
    outside = right[(sigma > EXACT * sigma[0]).sum() :][:3]
    assert len(outside) == 3
    kernel = np.asarray(b_only_kernel([features], [outside]))
    assert np.abs(kernel).max() <= EXACT * np.abs(np.asarray(features.gram(features))).max()


def test_training_both_factors_agrees_with_b_only_at_first_order_alone() -> None:
    problem, _ = linear_lora("digits", 0, 2)
    time = 0.01 * problem.samples / float(np.linalg.eigvalsh(problem.kernel)[-1])
    moved = np.linalg.norm(problem.integrated(time, both=False) - problem.residual)
    differs = [
        np.linalg.norm(problem.integrated(t, both=True) - problem.integrated(t, both=False)) for t in (time, 2 * time)
    ]
    assert differs[1] < moved
    # B = 0 at the start, so that A moves at second order and predictions at third
    assert abs(np.log2(differs[1] / differs[0]) - 3.0) <= EMPIRICAL_RATE


def test_the_generalisation_record_keeps_to_the_bound() -> None:
    result = generalisation("smoke", 0, "digits")
    assert [(p["kind"], p["loss"]) for p in result["populations"]] == [
        ("teacher", "logistic"),
        ("teacher", "cross_entropy"),
        ("network", "logistic"),
        ("network", "cross_entropy"),
    ]
    for part in result["populations"]:
        assert part["unconverged"] == 0
        assert part["true_gap"] <= SOLVER_GAP
        bound, largest = np.array(part["bound"]), np.array(part["largest_excess"])
        assert np.all(np.diff(bound) < 0)
        assert np.all(largest <= bound[:, None])
        assert np.all(np.array(part["excess"]) <= largest)


def test_the_concentration_record_has_the_rate_of_theory() -> None:
    result = kernel_concentration("smoke", 0, "digits")
    for law in result["laws"]:
        assert abs(law["slope"] - result["theory_slope"]) <= EMPIRICAL_RATE
        products = np.array(law["closed_form"]) * np.sqrt(result["ranks"])
        close(products, np.full(len(products), products[0]))
