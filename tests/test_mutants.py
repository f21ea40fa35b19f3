"""Planted mutants: each deliberate error in the package is caught by a named test.

A mutant is the source of one function with one expression replaced, compiled in the function's own module and put in
its place. The check that the named test runs must pass on the real code and raise AssertionError on the mutant.
"""

import importlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import checks
from tests.problems import random_problem
from theory.losses import CROSS_ENTROPY, SQUARED

ROOT = Path(__file__).parent.parent
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Mutant:
    """``target`` is module:function or module:Class.method; ``old`` must occur in its source ``times`` times."""

    error: str
    target: str
    old: str
    new: str
    check: Callable[[int], object]
    caught_by: str
    times: int = 1


def _solved(seed: int) -> None:
    problem = random_problem(seed, SQUARED, n=5, k=2, shapes=((4, 4),))
    checks.check_solution_is_optimal(problem, 0.2 * problem.lambda_max())


def _reduced(seed: int) -> None:
    problem, lam, factors = checks.overparametrised_optimum(seed, SQUARED, n=4, k=1, shapes=((4, 4),))
    checks.check_rank_reduction(problem, lam, factors)


def _dual(seed: int) -> None:
    checks.check_dual_never_exceeds_the_primal(SQUARED, seed)


def _objectives(seed: int) -> None:
    checks.check_factored_objective_is_the_convex_one_at_balanced_factors(SQUARED, seed)


def _derivatives(seed: int) -> None:
    checks.check_factored_gradient_is_the_derivative(CROSS_ENTROPY, seed)


def _data_gradient(seed: int) -> None:
    checks.check_data_gradient_is_the_derivative(SQUARED, seed)


def _features(seed: int) -> None:
    checks.check_factored_features_equal_dense(seed, 1)


def _gram(seed: int) -> None:
    checks.check_factor_gram_is_the_jacobian_gram(seed, 1)


IN_FACTORISATION = (
    "tests/theory/test_factorisation.py::test_balanced_factors_attain_the_nuclear_norm_and_no_other_do_better"
)
IN_DERIVATIVES = (
    "tests/theory/test_factored_objective.py::test_gradient_and_hessian_are_the_derivatives_of_the_objective"
)
IN_OBJECTIVE = "tests/theory/test_factored_objective.py::test_objective_at_balanced_factors_is_the_convex_objective"
IN_FEATURES = "tests/sims/test_features.py::test_every_method_of_both_representations_equals_einsum_on_the_dense_tensor"
IN_GRAM = "tests/sims/test_features.py::test_factor_gram_is_the_gram_of_the_explicit_jacobian"
IN_PROX = "tests/theory/test_convex_lora.py::test_soft_threshold_is_the_proximal_point"
IN_DUAL = "tests/theory/test_convex_lora.py::test_dual_never_exceeds_the_primal"
IN_DATA = "tests/sims/test_convex_problem.py::test_data_gradient_is_the_derivative_of_the_mean_loss"
IN_SOLVER = "tests/sims/test_nuclear_norm.py::test_solution_meets_every_optimality_condition"
IN_REDUCTION = "tests/sims/test_rank_reduction.py::test_an_optimum_is_reduced_to_the_budget_without_changing_it"

FACTORED = "sims.ntk.features:FactoredFeatures"
NEWTON = "sims.solvers.low_rank_newton"
CURVATURE = "sims.solvers.curvature"

MUTANTS = (
    # a 1/2 dropped
    Mutant(
        "factor penalty without its half",
        "theory.factorisation:factor_penalty",
        "0.5 * ",
        "",
        checks.check_balanced_factors_attain_the_nuclear_norm,
        IN_FACTORISATION,
    ),
    Mutant(
        "factored objective without its half",
        "theory.factored_objective:objective",
        "0.5 * lam",
        "lam",
        _derivatives,
        IN_DERIVATIVES,
    ),
    Mutant(
        "solver's objective without its half",
        f"{NEWTON}:factored_objective",
        "0.5 * lam",
        "lam",
        _objectives,
        IN_OBJECTIVE,
    ),
    # factors transposed: v u^T for u v^T
    Mutant(
        "predictions of v u^T", "theory.factored_objective:predictions", "u @ v.T", "v @ u.T", _objectives, IN_OBJECTIVE
    ),
    Mutant(
        "factors applied to the wrong sides",
        f"{FACTORED}.apply_low_rank",
        "_product(self.signal, u), _product(self.activation, v)",
        "_product(self.signal, v), _product(self.activation, u)",
        _features,
        IN_FEATURES,
    ),
    Mutant("update applied transposed", f"{FACTORED}.apply", "@ delta.T", "@ delta", _features, IN_FEATURES),
    Mutant(
        "input projection on the output side",
        f"{FACTORED}.project_input",
        "FactoredFeatures(self.signal, self.activation @ a.T)",
        "FactoredFeatures(self.signal @ a.T, self.activation)",
        _features,
        IN_FEATURES,
    ),
    Mutant(
        "Jacobian Gram with factors swapped",
        f"{FACTORED}.factor_gram",
        "_product(self.activation, v), _product(self.signal, u)",
        "_product(self.activation, u), _product(self.signal, v)",
        _gram,
        IN_GRAM,
    ),
    Mutant(
        "columns of the Jacobian swapped",
        "theory.factored_objective:prediction_jacobian",
        "[by_u, by_v]",
        "[by_v, by_u]",
        _derivatives,
        IN_DERIVATIVES,
    ),
    # the proximal step skipped
    Mutant(
        "soft threshold returns its input",
        "theory.convex_lora:soft_threshold",
        "np.maximum(s - threshold, 0.0)",
        "s",
        checks.check_soft_threshold_is_the_proximal_point,
        IN_PROX,
    ),
    # lambda dropped
    Mutant(
        "S without lambda",
        "theory.factored_objective:stationarity_matrix",
        "lam * ",
        "0.0 * ",
        _derivatives,
        IN_DERIVATIVES,
        2,
    ),
    Mutant("primal without lambda", "theory.convex_lora:primal_value", "+ lam *", "+ 0.0 *", _objectives, IN_OBJECTIVE),
    Mutant("Newton gradient without lambda", f"{CURVATURE}:Layer.__init__", " + lam * u", "", _solved, IN_SOLVER),
    # 1/n forgotten
    Mutant(
        "factored gradient without 1/n",
        "theory.factored_objective:data_gradient",
        " / n",
        "",
        _derivatives,
        IN_DERIVATIVES,
    ),
    Mutant("Hessian without 1/n", "theory.factored_objective:hessian", " / n", "", _derivatives, IN_DERIVATIVES),
    Mutant(
        "convex gradient without 1/n",
        "sims.convex_problem:ConvexProblem.data_gradients",
        " / self.n",
        "",
        _data_gradient,
        IN_DATA,
    ),
    Mutant("dual summed instead of averaged", "theory.convex_lora:dual_value", ".mean()", ".sum()", _dual, IN_DUAL),
    # rank reduction past the boundary, on the wrong side
    Mutant(
        "reduction moves to t = +1/mu",
        "sims.solvers.rank_reduction:reduce_rank",
        "1.0 - values / extreme",
        "1.0 + values / extreme",
        _reduced,
        IN_REDUCTION,
    ),
    Mutant(
        "reduction ignores the off-diagonal weights",
        "sims.solvers.rank_reduction:null_direction",
        "np.where(i == j, 1.0, np.sqrt(0.5))",
        "1.0",
        _reduced,
        IN_REDUCTION,
    ),
    # dual point used without making it feasible
    Mutant(
        "feasible dual without scaling",
        "theory.convex_lora:feasible_scale",
        "1.0 if top <= lam else lam / top",
        "1.0",
        _dual,
        IN_DUAL,
    ),
)


def _owner(target: str) -> tuple[Any, str, Any]:
    """Return (object that holds the function, its name, its module)."""
    module_name, path = target.split(":")
    module = importlib.import_module(module_name)
    *classes, name = path.split(".")
    owner = module
    for part in classes:
        owner = getattr(owner, part)
    return owner, name, module


def _mutated(mutant: Mutant) -> Callable[..., Any]:
    """Return the function compiled from its source with the expression replaced."""
    owner, name, module = _owner(mutant.target)
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(getattr(owner, name))))
    assert source.count(mutant.old) == mutant.times, (
        f"{mutant.old!r} occurs {source.count(mutant.old)} times:\n{source}"
    )
    scope: dict[str, Any] = {}
    exec(compile(source.replace(mutant.old, mutant.new), f"<mutant of {mutant.target}>", "exec"), vars(module), scope)
    return scope[name]  # type: ignore[no-any-return]


def _run(mutant: Mutant) -> None:
    for seed in SEEDS:
        mutant.check(seed)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.error.replace(" ", "-"))
def test_the_mutant_is_caught_by_its_named_test(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(mutant)
    owner, name, _ = _owner(mutant.target)
    monkeypatch.setattr(owner, name, _mutated(mutant))
    with pytest.raises(AssertionError, match=r"."):
        _run(mutant)
    monkeypatch.undo()
    _run(mutant)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.error.replace(" ", "-"))
def test_the_named_test_exists_and_runs_the_check(mutant: Mutant) -> None:
    path, name = mutant.caught_by.split("::")
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    assert (ROOT / path).is_file()
    body = inspect.getsource(inspect.unwrap(getattr(module, name)))
    check = mutant.check.__name__
    if check.startswith("_"):
        # the local wrapper fixes sizes; its last line calls the shared check
        check = inspect.getsource(mutant.check).split("checks.")[-1].split("(")[0]
    assert f"{check}(" in body


def test_every_kind_of_planted_error_is_covered() -> None:
    """The list that the project promises: halves, transposes, prox, lambda, 1/n, the reduction's direction, scaling."""
    errors = " ".join(mutant.error for mutant in MUTANTS)
    for word in ("half", "transposed", "soft threshold", "lambda", "1/n", "t = +1/mu", "without scaling"):
        assert word in errors
