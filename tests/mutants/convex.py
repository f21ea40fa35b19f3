"""Mutants of the convex problem, of the factored objective and of the solvers."""

from tests import checks
from tests.mutants.machinery import Mutant
from tests.problems import random_problem
from theory.losses import CROSS_ENTROPY, SQUARED


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
        IN_FACTORISATION,
        check=checks.check_balanced_factors_attain_the_nuclear_norm,
    ),
    Mutant(
        "factored objective without its half",
        "theory.factored_objective:objective",
        "0.5 * lam",
        "lam",
        IN_DERIVATIVES,
        check=_derivatives,
    ),
    Mutant(
        "solver's objective without its half",
        f"{NEWTON}:factored_objective",
        "0.5 * lam",
        "lam",
        IN_OBJECTIVE,
        check=_objectives,
    ),
    # factors transposed: v u^T for u v^T
    Mutant(
        "predictions of v u^T",
        "theory.factored_objective:predictions",
        "u @ v.T",
        "v @ u.T",
        IN_OBJECTIVE,
        check=_objectives,
    ),
    Mutant(
        "factors applied to the wrong sides",
        f"{FACTORED}.apply_low_rank",
        "_product(self.signal, u), _product(self.activation, v)",
        "_product(self.signal, v), _product(self.activation, u)",
        IN_FEATURES,
        check=_features,
    ),
    Mutant("update applied transposed", f"{FACTORED}.apply", "@ delta.T", "@ delta", IN_FEATURES, check=_features),
    Mutant(
        "input projection on the output side",
        f"{FACTORED}.project_input",
        "FactoredFeatures(self.signal, self.activation @ a.T)",
        "FactoredFeatures(self.signal @ a.T, self.activation)",
        IN_FEATURES,
        check=_features,
    ),
    Mutant(
        "Jacobian Gram with factors swapped",
        f"{FACTORED}.factor_gram",
        "_product(self.activation, v), _product(self.signal, u)",
        "_product(self.activation, u), _product(self.signal, v)",
        IN_GRAM,
        check=_gram,
    ),
    Mutant(
        "columns of the Jacobian swapped",
        "theory.factored_objective:prediction_jacobian",
        "[by_u, by_v]",
        "[by_v, by_u]",
        IN_DERIVATIVES,
        check=_derivatives,
    ),
    # the proximal step skipped
    Mutant(
        "soft threshold returns its input",
        "theory.convex_lora:soft_threshold",
        "np.maximum(s - threshold, 0.0)",
        "s",
        IN_PROX,
        check=checks.check_soft_threshold_is_the_proximal_point,
    ),
    # lambda dropped
    Mutant(
        "S without lambda",
        "theory.factored_objective:stationarity_matrix",
        "lam * ",
        "0.0 * ",
        IN_DERIVATIVES,
        check=_derivatives,
        times=2,
    ),
    Mutant(
        "primal without lambda",
        "theory.convex_lora:primal_value",
        "+ lam *",
        "+ 0.0 *",
        IN_OBJECTIVE,
        check=_objectives,
    ),
    Mutant("Newton gradient without lambda", f"{CURVATURE}:Layer.__init__", " + lam * u", "", IN_SOLVER, check=_solved),
    # 1/n forgotten
    Mutant(
        "factored gradient without 1/n",
        "theory.factored_objective:data_gradient",
        " / n",
        "",
        IN_DERIVATIVES,
        check=_derivatives,
    ),
    Mutant("Hessian without 1/n", "theory.factored_objective:hessian", " / n", "", IN_DERIVATIVES, check=_derivatives),
    Mutant(
        "convex gradient without 1/n",
        "sims.convex_problem:ConvexProblem.data_gradients",
        " / self.n",
        "",
        IN_DATA,
        check=_data_gradient,
    ),
    Mutant(
        "dual summed instead of averaged", "theory.convex_lora:dual_value", ".mean()", ".sum()", IN_DUAL, check=_dual
    ),
    # rank reduction past the boundary, on the wrong side
    Mutant(
        "reduction moves to t = +1/mu",
        "sims.solvers.rank_reduction:reduce_rank",
        "1.0 - values / extreme",
        "1.0 + values / extreme",
        IN_REDUCTION,
        check=_reduced,
    ),
    Mutant(
        "reduction ignores the off-diagonal weights",
        "sims.solvers.rank_reduction:null_direction",
        "np.where(i == j, 1.0, np.sqrt(0.5))",
        "1.0",
        IN_REDUCTION,
        check=_reduced,
    ),
    # dual point used without making it feasible
    Mutant(
        "feasible dual without scaling",
        "theory.convex_lora:feasible_scale",
        "1.0 if top <= lam else lam / top",
        "1.0",
        IN_DUAL,
        check=_dual,
    ),
)
