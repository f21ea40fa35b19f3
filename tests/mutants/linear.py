"""Mutants of the linear theory of one-factor adapters: closed forms, means over frozen factors and over samples."""

from functools import partial

from tests.mutants.machinery import Mutant
from tests.theory.linear_problems import made_case

LINEAR = "theory.linear_adapters"
CAPTURED = "theory.captured_fit"
SAMPLES = "theory.finite_sample_risks"
GRADIENTS = "theory.factor_gradients"
SUBSPACES = "theory.subspaces"
STEPS = "theory.step_size"

IN_LINEAR = "tests/theory/test_linear_adapters.py::"
IN_CAPTURED = "tests/theory/test_captured_fit.py::"
IN_ERROR = "tests/theory/test_theta_r_error.py::"
IN_SHARES = "tests/theory/test_share_bounds.py::"
SHARES = "theory.share_bounds"
IN_SAMPLES = "tests/theory/test_finite_sample_risks.py::"
IN_GRADIENTS = "tests/theory/test_factor_gradients.py::"
IN_SUBSPACES = "tests/theory/test_subspaces.py::"
IN_STEPS = "tests/theory/test_step_size.py::"

LEMMAS = IN_LINEAR + "test_closed_forms_are_those_of_lemmas_4_1_and_4_2"
REGRESSIONS = IN_LINEAR + "test_single_factors_are_regressions"
EXAMPLE = IN_LINEAR + "test_worked_example_in_two_dimensions"
BETA = IN_CAPTURED + "test_captured_fractions_of_a_rank_one_change_follow_the_beta_law"
WORKED = IN_SAMPLES + "test_worked_example_orders_gaps_against_parameter_counts"
NORMS = IN_GRADIENTS + "test_p14_mean_squared_gradient_norms"
DERIVATIVES = IN_GRADIENTS + "test_factor_gradients_are_the_derivatives_of_a_network"
STATIONARITY = IN_GRADIENTS + "test_stationarity_is_the_seen_fraction_of_the_gradient_whatever_the_size_of_the_factor"
CHANCE = IN_SUBSPACES + "test_p15_chance_level_is_the_larger_rank_over_the_dimension"
FROZEN_B = IN_STEPS + "test_a_frozen_kaiming_b_takes_steps_of_the_published_size"

WIDE = {"case": partial(made_case, 0, (6, 9, 3))}
LEMMA_CASE = {"case": partial(made_case, 0, (6, 9, 3), orthonormal=True)}
LAYER = {"d_out": 5, "d_in": 3, "r": 2}
ISOTROPIC = {"d_out": 6, "d_in": 9, "r": 3}

MUTANTS = (
    # closed forms
    Mutant(
        "B-only without the covariance in its target",
        f"{LINEAR}:fit_b_only",
        "delta @ root @ inverse",
        "delta @ inverse",
        LEMMAS,
        LEMMA_CASE,
    ),
    Mutant(
        "B-only forgets that its features are coloured",
        f"{LINEAR}:fit_b_only",
        "_pseudo_inverse(q @ root)",
        "_pseudo_inverse(q)",
        EXAMPLE,
    ),
    Mutant(
        "A-only ignores the metric", f"{LINEAR}:fit_a_only", "else psd_root(metric) @ u", "else u", REGRESSIONS, WIDE
    ),
    Mutant(
        "A-only captures what it misses",
        f"{LINEAR}:fit_a_only",
        "_square(captured), _square(rest)",
        "_square(rest), _square(captured)",
        REGRESSIONS,
        WIDE,
    ),
    Mutant(
        "noise counted once for d_out outputs",
        f"{LINEAR}:population_risk",
        "noise * trace",
        "noise",
        IN_LINEAR + "test_the_population_risk_is_the_mean_squared_error",
    ),
    Mutant(
        "Eckart-Young with one rank too many",
        f"{LINEAR}:fit_both",
        "squares[rank:]",
        "squares[rank + 1:]",
        IN_LINEAR + "test_p2_both_factors_beat_either_and_reach_eckart_young",
        WIDE,
    ),
    # means over a frozen factor
    Mutant(
        "captured mean of A-only by d_in",
        f"{CAPTURED}:theta_r",
        "delta.shape[0]",
        "delta.shape[1]",
        IN_CAPTURED + "test_isotropic_inputs_and_equal_budgets",
        ISOTROPIC,
    ),
    Mutant(
        "Theta with d_out / d_in upside down",
        f"{CAPTURED}:theta",
        "delta.shape[0] / delta.shape[1]",
        "delta.shape[1] / delta.shape[0]",
        IN_CAPTURED + "test_weights_sum_to_the_risk_to_be_explained_and_give_the_traces",
        WIDE,
    ),
    Mutant(
        "shares that sum to r - 1",
        f"{CAPTURED}:captured_shares",
        ")))) - rank",
        ")))) - rank + 1",
        IN_CAPTURED + "test_printed_theta_r_at_1024",
        {"exponent": 1.0, "target": "iso", "printed": "23.6", "digits": 1},
    ),
    Mutant(
        "leading error of the shares twice over",
        f"{CAPTURED}:captured_share_errors",
        "spread / total *",
        "2 * spread / total *",
        IN_ERROR + "test_the_leading_error_of_the_shares_is_exact_to_leading_order",
        {"large": 50, "small": 50, "ratio": 4.0},
    ),
    Mutant(
        "leading error of Theta_r with the sign reversed",
        f"{CAPTURED}:spectral_theta_r_error",
        "np.log1p(captured",
        "-np.log1p(captured",
        IN_ERROR + "test_the_leading_error_of_theta_r_is_what_draws_show",
        {"exponent": 2.0, "part": slice(128, 256)},
    ),
    Mutant(
        "bound of a share with its own direction in what is left",
        f"{SHARES}:_recursion",
        "- factors - (0.5",
        "- (0.5",
        IN_SHARES + "test_rank_one_is_exact",
        {"first": 4.0, "second": 1.0},
    ),
    Mutant(
        "complement of a share at its own rank",
        f"{SHARES}:share_upper_bounds",
        "values, values.size - rank)",
        "values, rank)",
        IN_SHARES + "test_rank_one_is_exact",
        {"first": 4.0, "second": 1.0},
    ),
    Mutant(
        "shares by the roots of the variances",
        f"{CAPTURED}:two_dimensional_share",
        "sqrt(first) / (",
        "first / (",
        IN_CAPTURED + "test_in_two_dimensions_the_shares_are_exact",
        {"s1": 4.0, "s2": 1.0},
    ),
    Mutant("Beta law without its halves", f"{CAPTURED}:captured_fraction_law", "/ 2.0", "/ 1.0", BETA, times=2),
    Mutant("Beta law with d for d - r", f"{CAPTURED}:captured_fraction_law", "(d - rank)", "d", BETA),
    Mutant(
        "spread of A-only with d + 1 for d + 2",
        f"{CAPTURED}:variance_captured_a_only",
        "(d + 2.0)",
        "(d + 1.0)",
        IN_CAPTURED + "test_the_spread_of_the_part_captured_by_a_only",
        {"case": partial(made_case, 0, (4, 6, 2), "separated", "rank one"), "draws": 20_000},
    ),
    Mutant(
        "concentration of A-only without r",
        f"{CAPTURED}:concentration",
        "rank * participation_ratio(m @ m.T)",
        "participation_ratio(m @ m.T)",
        IN_CAPTURED + "test_a_change_of_rank_one_never_concentrates",
    ),
    # means over samples
    Mutant(
        "B-only population risk with n - r for n - r - 1", f"{SAMPLES}:b_only_risks", "n - rank - 1", "n - rank", WORKED
    ),
    Mutant(
        "A-only fits the noise of one output", f"{SAMPLES}:a_only_risks", "rank * noise * d_in", "noise * d_in", WORKED
    ),
    Mutant(
        "A-only training risk too large",
        f"{SAMPLES}:a_only_risks",
        "optimum - fitted / n",
        "optimum + fitted / n",
        WORKED,
    ),
    Mutant(
        "gap ratio upside down",
        f"{SAMPLES}:well_specified_gap_ratio",
        "d_out / d_in *",
        "d_in / d_out *",
        IN_SAMPLES + "test_gap_ratio_of_the_example",
    ),
    # gradients, similarity, steps
    Mutant("gradient of B without the scale", f"{GRADIENTS}:gradient_b", "scale * ", "", DERIVATIVES),
    Mutant(
        "squared gradient with the scale not squared", f"{GRADIENTS}:_mean_square", "scale**2", "scale", NORMS, LAYER
    ),
    Mutant(
        "squared gradient of A with d_in for d_out",
        f"{GRADIENTS}:mean_squared_gradient_a",
        "signal.size",
        "x.size",
        NORMS,
        LAYER,
    ),
    Mutant(
        "stationarity by the Frobenius norm of the factor",
        f"{GRADIENTS}:_relative",
        "np.linalg.norm(factor, 2)",
        "np.linalg.norm(factor)",
        STATIONARITY,
    ),
    Mutant(
        "stationarity that grows with the factor",
        f"{GRADIENTS}:_relative",
        " * float(np.linalg.norm(factor, 2))",
        "",
        STATIONARITY,
    ),
    Mutant(
        "similarity over the larger rank",
        f"{SUBSPACES}:similarity",
        "/ min(basis_x",
        "/ max(basis_x",
        IN_SUBSPACES + "test_contained_and_orthogonal_spaces_and_dependent_columns",
    ),
    Mutant(
        "chance level of the smaller rank",
        f"{SUBSPACES}:chance_similarity",
        "return max(r1, r2)",
        "return min(r1, r2)",
        CHANCE,
        {"d": 12, "r1": 1, "r2": 4},
    ),
    Mutant(
        "chance variance without its 2",
        f"{SUBSPACES}:chance_variance",
        "2 * a * b",
        "a * b",
        CHANCE,
        {"d": 8, "r1": 2, "r2": 2},
    ),
    Mutant(
        "gains of SGD and Adam exchanged",
        f"{STEPS}:step_gain",
        'optimiser == "sgd"',
        'optimiser == "adam"',
        IN_STEPS + "test_training_with_a_larger_frozen_factor_is_training_at_the_larger_rate",
        {"optimiser": "sgd", "size": 3.0},
    ),
    Mutant(
        "Kaiming norm without the 3",
        f"{STEPS}:kaiming_norm",
        "3 * fan_in",
        "fan_in",
        FROZEN_B,
        {"rank": 8, "norm": "6.53", "squared": "42.7", "over_a": "11.3"},
    ),
)
