"""Mutants of the generalisation bounds: counts, informations, complexities, certificates, conditional informations."""

from tests.mutants.machinery import Mutant

COUNT = "theory.bounds.parameter_count"
INFORMATION = "theory.bounds.information"
NOISY = "theory.bounds.noisy_sgd"
RADEMACHER = "theory.bounds.rademacher"
INVERSE = "theory.bounds.kl_inverse"
CODE = "theory.bounds.code_length"
PAC = "theory.bounds.pac_bayes"
COMPRESSION = "theory.bounds.compression"
CONDITIONAL = "theory.bounds.conditional"
DISCRETE = "theory.bounds.discrete_information"

IN_COUNT = "tests/theory/bounds/test_parameter_count.py::"
IN_INFORMATION = "tests/theory/bounds/test_information.py::"
IN_NOISY = "tests/theory/bounds/test_noisy_sgd.py::"
IN_RADEMACHER = "tests/theory/bounds/test_rademacher.py::"
IN_INVERSE = "tests/theory/bounds/test_kl_inverse.py::"
IN_CODE = "tests/theory/bounds/test_code_length.py::"
IN_PAC = "tests/theory/bounds/test_pac_bayes.py::"
IN_COMPRESSION = "tests/theory/bounds/test_compression.py::"
IN_CONDITIONAL = "tests/theory/bounds/test_conditional.py::"

SIZES_OF_ARRAYS = IN_COUNT + "test_counts_are_the_sizes_of_the_arrays"
PRINTED_CODE = IN_CODE + "test_printed_certificates"
PRINTED_CMI = IN_CONDITIONAL + "test_information_per_sample_becomes_the_printed_bounds"

LAYERS = {"layers": ((4, 9), (7, 5)), "head": 3}
DESCENT = {"parameters": 80, "noise": 0.005, "information": "1951.6", "bound": "0.1275"}
BITS = {"bits": 1000, "hoeffding": 0.2262, "kl": 0.2096, "binomial": 0.2094}
NATS = {"information": 0.05, "root": 0.3162, "at_five_percent": 0.2481, "at_zero": 0.0975, "interpolating": 0.0721}

MUTANTS = (
    # counting parameters and bits
    Mutant(
        "A and B exchanged in the count",
        f"{COUNT}:tuned_parameters",
        "d_out for d_out, _",
        "d_in for _, d_in",
        SIZES_OF_ARRAYS,
        LAYERS,
    ),
    Mutant(
        "trained head not counted",
        f"{COUNT}:tuned_parameters",
        "return head + rank *",
        "return rank *",
        SIZES_OF_ARRAYS,
        LAYERS,
    ),
    Mutant(
        "bits in the place of nats, ln 2 dropped",
        f"{COUNT}:_bound",
        " * log(2.0)",
        " * 1.0",
        IN_COUNT + "test_printed_table_of_square_layers",
        {"bits": 4, "row": "12.7880 1.8458 1.3052 1.8458"},
    ),
    Mutant(
        "expected code length with ln 2 dropped",
        f"{COUNT}:expected_code_bound",
        " * log(2.0)",
        "",
        IN_COUNT + "test_entropy_of_the_uniform_code_gives_back_the_count",
        {"bits": 4, "parameters": 20, "samples": 100},
    ),
    Mutant(
        "bits allowed rounded up",
        f"{COUNT}:bits_allowed",
        "while _bound(bits + 1, samples, sigma) <= gap",
        "while _bound(bits, samples, sigma) <= gap",
        IN_COUNT + "test_printed_bits_allowed",
    ),
    Mutant(
        "information of a mean by the logarithm of a rounded quotient",
        f"{INFORMATION}:gaussian_mean_information",
        "log1p(1.0 / (samples - 1))",
        "log(samples / (samples - 1))",
        IN_INFORMATION + "test_gaussian_mean_keeps_its_digits_for_many_samples",
        {"samples": 10**16},
    ),
    # mutual information
    Mutant(
        "mutual information without its 2",
        f"{INFORMATION}:xu_raginsky",
        "2.0 * ",
        "",
        IN_INFORMATION + "test_printed_numbers",
    ),
    Mutant(
        "absolute gap at the price of the mean gap",
        f"{INFORMATION}:xu_raginsky_absolute",
        "(information + log(2.0))",
        "information",
        IN_INFORMATION + "test_the_absolute_version_costs_one_bit_and_four_times_the_samples_halve_both",
        {"information": 3.0, "samples": 10, "sigma": 0.5},
    ),
    Mutant(
        "sample size with half the divergence",
        f"{INFORMATION}:xu_raginsky_samples",
        "8.0 *",
        "4.0 *",
        IN_INFORMATION + "test_printed_numbers",
    ),
    Mutant(
        "a quarter of the range as sub-Gaussian constant",
        f"{INFORMATION}:sub_gaussian_constant",
        "/ 2.0",
        "/ 4.0",
        IN_INFORMATION + "test_the_half_range_dominates_every_cumulant_generating_function",
        {"low": -1.0, "length": 3.0},
    ),
    Mutant(
        "noisy descent with the noise not squared",
        f"{NOISY}:_signal_to_noise",
        "(eta * c / tau) ** 2",
        "(eta * c) ** 2 / tau",
        IN_NOISY + "test_printed_numbers",
        DESCENT,
    ),
    Mutant(
        "noisy descent with all of the noise in every direction",
        f"{NOISY}:pensia_information",
        "log1p(ratio / parameters)",
        "log1p(ratio)",
        IN_NOISY + "test_printed_numbers",
        DESCENT,
    ),
    Mutant(
        "gradient factor of B-only with d_out for d_in",
        f"{NOISY}:squared_gradient_factor",
        "rank / d_in",
        "rank / d_out",
        IN_NOISY + "test_gradient_factor_on_frozen_factors_that_average_to_the_identity",
        {"shape": (5, 2), "scale": 2.0},
    ),
    # Rademacher
    Mutant(
        "mean complexity without the share r / d_in",
        f"{RADEMACHER}:b_only_rademacher_mean",
        "rank / d_in * ",
        "",
        IN_RADEMACHER + "test_mean_over_frozen_factors_whose_projectors_average_to_the_identity",
        {"sizes": (6, 4, 3)},
    ),
    Mutant(
        "readout of A-only not projected by the frozen factor",
        f"{RADEMACHER}:a_only_rademacher",
        "frozen.T @ readout",
        "readout",
        IN_RADEMACHER + "test_a_only_complexity_by_enumeration",
        {"sizes": (4, 5, 1)},
    ),
    Mutant(
        "mean complexity of A-only with d_in for d_out",
        f"{RADEMACHER}:a_only_rademacher_mean",
        "rank / len(readout)",
        "rank / inputs.shape[1]",
        IN_RADEMACHER + "test_mean_of_a_only_over_frozen_columns_whose_projectors_average_to_the_identity",
        {"sizes": (6, 4, 3)},
    ),
    Mutant(
        "composition without the slopes of its activations",
        "theory.bounds.lipschitz_composition:phi_update",
        "difference = slope * (",
        "difference = (",
        "tests/theory/bounds/test_lipschitz_composition.py::"
        "test_positive_numbers_with_affine_activations_attain_half_of_phi",
        {"norms": [(1.0, 0.5), (0.3, 1.0)], "c": 1.0},
    ),
    Mutant(
        "vector outputs without root two",
        f"{RADEMACHER}:vector_output_factor",
        "2.0 * outputs",
        "outputs",
        IN_RADEMACHER + "test_vector_outputs_cost_root_two_and_the_root_of_the_outputs",
        {"outputs": 2},
    ),
    Mutant(
        "delta for 1/delta in the uniform gap",
        f"{RADEMACHER}:uniform_gap",
        "log(2.0 / delta)",
        "log(2.0 * (1.0 + delta))",
        IN_RADEMACHER + "test_certificate_is_the_mean_bound_plus_the_confidence_term",
        {"n": 100, "delta": 0.05, "lipschitz": 1.0},
    ),
    # kl and code length
    Mutant(
        "relative entropy with its arguments exchanged",
        f"{INVERSE}:_halved",
        "divergence(p, middle)",
        "divergence(middle, p)",
        IN_INVERSE + "test_p23_kl_of_the_inverse_is_c",
        {"p": 0.2, "c": 0.1},
    ),
    Mutant(
        "relative entropy of the first outcome alone",
        f"{INVERSE}:_divergence",
        " + _weighted_log(1.0 - p, 1.0 - q, -step)",
        "",
        IN_INVERSE + "test_binary_kl_is_its_formula",
        {"p": 0.2, "q": 0.6},
    ),
    Mutant(
        "inverse rounded downwards",
        f"{INVERSE}:kl_inverse_upper",
        "_, high = _halved(_least_divergence",
        "high, _ = _halved(_least_divergence",
        IN_INVERSE + "test_the_inverse_rounds_upwards",
        {"p": 0.2, "c": 0.1},
    ),
    Mutant("code length in nats, ln 2 dropped", f"{CODE}:budget", " * log(2.0)", "", PRINTED_CODE, BITS),
    Mutant(
        "delta for 1/delta in the budget",
        f"{CODE}:budget",
        " - np.log(",
        " + np.log(",
        PRINTED_CODE,
        BITS,
    ),
    Mutant("Hoeffding with n for 2n", f"{CODE}:occam_hoeffding", "2.0 * ", "", PRINTED_CODE, BITS),
    Mutant(
        "binomial tail below k",
        f"{CODE}:_largest_rates",
        "j <= k",
        "j < k",
        IN_CODE + "test_binomial_of_many_bits_against_ball_arithmetic",
    ),
    Mutant(
        "naming k candidates with a bit too few",
        f"{CODE}:best_of_bits",
        "(candidates - 1).bit_length()",
        "candidates.bit_length() - 1",
        IN_CODE + "test_best_of_k_costs_its_logarithm",
        {"candidates": 3, "bits": 2},
    ),
    # PAC-Bayes and compression
    Mutant(
        "Gaussian divergence without its half",
        f"{PAC}:gaussian_kl",
        "0.5 * ",
        "",
        IN_PAC + "test_p28_divergence_is_that_of_dense_gaussians",
        {"std": 0.7, "prior": 1.3},
    ),
    Mutant(
        "prior and posterior exchanged",
        f"{PAC}:gaussian_kl",
        "np.log(std) - np.log(prior_std)",
        "np.log(prior_std) - np.log(std)",
        IN_PAC + "test_divergence_of_one_coordinate_by_quadrature",
        {"shift": 0.5, "std": 0.7, "prior": 1.3},
    ),
    Mutant(
        "prior chosen from a grid at no cost",
        f"{PAC}:pac_bayes_kl",
        " + log(priors)",
        "",
        IN_PAC + "test_priors_of_a_grid_cost_their_logarithm",
    ),
    Mutant(
        "root of the sample size for its double",
        f"{PAC}:pac_bayes_kl",
        "2.0 * np.sqrt(n)",
        "np.sqrt(n)",
        IN_PAC + "test_a_posterior_at_the_prior_pays_only_for_confidence",
    ),
    Mutant(
        "Monte-Carlo draws at no cost",
        f"{PAC}:monte_carlo_upper",
        "2.0 / require_delta(delta)",
        "1.0 + 0.0 * require_delta(delta)",
        IN_PAC + "test_p26_monte_carlo_limit_holds_over_fresh_draws",
    ),
    Mutant(
        "share of the subsample upside down",
        f"{COMPRESSION}:subsampled_bound",
        "share = m / (m + n)",
        "share = n / (m + n)",
        IN_COMPRESSION + "test_printed_bounds",
    ),
    Mutant(
        "alpha chosen on the subsample at no cost",
        f"{COMPRESSION}:subsampled_bound",
        "log(alphas) + ",
        "",
        IN_COMPRESSION + "test_the_union_over_eight_alphas_costs_what_was_computed_by_hand",
    ),
    Mutant(
        "code book and frequencies not charged",
        f"{COMPRESSION}:arithmetic_code_bits",
        " + levels * (CODEBOOK_BITS + symbols.bit_length())",
        "",
        IN_COMPRESSION + "test_arithmetic_code_counts_codebook_and_frequencies",
    ),
    Mutant(
        "end of the string not charged",
        f"{COMPRESSION}:prefix_free_bits",
        "2.0 * log2(length)",
        "0.0 * log2(length)",
        IN_COMPRESSION + "test_prefix_free_lengths_satisfy_kraft_only_from_two_bits_on",
    ),
    Mutant(
        "failures allowed twice as often",
        "proofs_check.coverage:counted",
        'delta, "<="',
        '2 * delta, "<="',
        "tests/proofs_check/test_coverage.py::test_drawn_samples_are_refused_at_one_in_a_million_and_no_sooner",
        {"runs": 1000},
    ),
    # conditional information
    Mutant("CMI without its 2", f"{CONDITIONAL}:cmi_bound", "2.0 * ", "", PRINTED_CMI, NATS),
    Mutant(
        "mean of the pair taken for the risk",
        f"{CONDITIONAL}:binary_kl_risk_bound",
        "2.0 * mean - train",
        "mean",
        PRINTED_CMI,
        NATS,
    ),
    Mutant(
        "interpolation without ln 2", f"{CONDITIONAL}:interpolation_risk_bound", " / log(2.0)", "", PRINTED_CMI, NATS
    ),
    Mutant(
        "information of a pair that is always told apart",
        f"{CONDITIONAL}:pair_information",
        "total * (",
        "1.0 * (",
        IN_CONDITIONAL + "test_pair_information_is_that_of_the_symmetric_table",
    ),
    Mutant(
        "weights of the fast rate exchanged",
        f"{CONDITIONAL}:weights_are_valid",
        "exp(-train_weight / information_weight)",
        "exp(-information_weight / train_weight)",
        IN_CONDITIONAL + "test_weights_outside_the_set_are_refused_and_false",
        {"weights": (1.0, 100.0)},
    ),
    Mutant(
        "plug-in with counted bits",
        f"{DISCRETE}:plug_in_information",
        "channel_information(empirical_channel(counts))",
        "mutual_information(counts / counts.sum(axis=(-2, -1), keepdims=True))",
        IN_CONDITIONAL + "test_the_plug_in_with_counted_bits_is_too_small_under_strong_dependence",
        {"observations": 5, "expected": 0.577},
    ),
    Mutant(
        "null mean without its 2",
        f"{DISCRETE}:plug_in_null_mean",
        "(2.0 * observations)",
        "observations",
        IN_CONDITIONAL + "test_p30_null_mean_of_the_plug_in_is_its_chi_squared_limit",
        {"probability": 0.5, "observations": 50},
    ),
)
