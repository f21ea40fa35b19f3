"""Mutants of what runs: coded adapters, adapter families, the training engine, supersample estimates."""

import optax

from tests.mutants.machinery import Mutant

CODEC = "sims.coding.codec"
ARITHMETIC = "sims.coding.arithmetic"
QUANTISE = "sims.coding.quantise"
LOW_RANK = "sims.adapters.low_rank:LowRank"
STARTS = "sims.adapters.initialisations"
STRATEGY = "sims.adapters.strategy"
REGISTRY = "sims.adapters.registry"
ENGINE = "sims.training.engine"
OPTIMISERS = "sims.training.optimisers"
ESTIMATORS = "sims.supersample.estimators"

IN_CODING = "tests/sims/test_coding.py::"
IN_FAMILIES = "tests/sims/adapters/test_families.py::"
IN_STARTS = "tests/sims/adapters/test_initialisations.py::"
IN_TRAINING = "tests/sims/test_training.py::"
IN_SUPERSAMPLE = "tests/sims/test_supersample.py::"
IN_RISKS = "tests/sims/test_supersample_risks.py::"

DECODED = IN_CODING + "test_p27_decoded_weights_are_identical"
COUNTED = IN_FAMILIES + "test_the_count_is_the_number_of_trained_entries"
LARGEST = IN_FAMILIES + "test_the_largest_rank_is_that_of_the_bounds_and_one_more_is_refused"
MERGED = IN_FAMILIES + "test_p32_merged_weights_reproduce_the_forward"
PRODUCTS = IN_FAMILIES + "test_gradients_of_the_factors_are_products_of_the_dense_gradient"
SIZES = IN_STARTS + "test_size_and_mean_projector_of_a_random_start"
WRITTEN_OUT = IN_TRAINING + "test_the_head_alone_follows_the_optimiser_written_out"
SCORES = IN_TRAINING + "test_scores_are_means_over_the_rows_whatever_the_size_of_a_pass"
EXACT = IN_SUPERSAMPLE + "test_estimates_from_all_masks_are_the_exact_informations"
RUNGS = IN_RISKS + "test_every_rung_of_the_ladder_is_made_of_its_own_informations"

ADAPTER = {"kind": "lora", "spread": 1.0}
SHAPE = (5, 3)
SEGMENT = (f"{ENGINE}:_segment",)
SCORED = (f"{ENGINE}:_scores_of_rows",)

MUTANTS = (
    # codes
    Mutant(
        "header not written",
        f"{CODEC}:encode",
        'return head + "".join',
        'return "".join',
        IN_CODING + "test_p27_strings_are_prefix_free",
    ),
    Mutant("header not charged", f"{CODEC}:code_length", "return head + sum(", "return sum(", DECODED, ADAPTER),
    Mutant(
        "rank not charged in the header",
        f"{CODEC}:fixed_length",
        "2 + len(_gamma(adapter.rank + 1))",
        "2",
        IN_CODING + "test_p27_never_longer_than_the_plain_code",
        ADAPTER,
    ),
    Mutant(
        "a digit too few in the arithmetic code",
        f"{ARITHMETIC}:_length",
        ".bit_length() + 1",
        ".bit_length()",
        IN_CODING + "test_p27_arithmetic_strings_are_prefix_free_and_satisfy_kraft",
    ),
    Mutant(
        "quantiser rounds to whole steps",
        f"{QUANTISE}:quantise_fixed",
        "np.floor(",
        "np.rint(",
        IN_CODING + "test_plain_quantiser_takes_the_nearest_level",
        {"bits": 3},
    ),
    Mutant(
        "feedback away from the minimiser",
        f"{QUANTISE}:quantise_with_feedback",
        "-= np.outer",
        "+= np.outer",
        IN_CODING + "test_feedback_is_the_conditional_minimiser",
    ),
    # adapters
    Mutant(
        "scale squared in the forward pass",
        f"{LOW_RANK}.apply",
        "self.scale *",
        "self.scale**2 *",
        MERGED,
        {"name": "b-only", "shape": SHAPE},
    ),
    Mutant(
        "change without its scale",
        f"{LOW_RANK}.delta",
        "self.scale * ",
        "",
        MERGED,
        {"name": "b-only", "shape": SHAPE},
    ),
    Mutant(
        "frozen factor trained",
        f"{LOW_RANK}.init",
        "(factors.trained if self.trains_a else factors.frozen)",
        "factors.trained",
        COUNTED,
        {"name": "b-only", "shape": SHAPE},
    ),
    Mutant(
        "A and B exchanged among the trained",
        f"{LOW_RANK}.count",
        "d_in * self.trains_a + d_out * self.trains_b",
        "d_in * self.trains_b + d_out * self.trains_a",
        COUNTED,
        {"name": "a-only", "shape": SHAPE},
    ),
    Mutant(
        "rank of one factor limited by both sides",
        f"{LOW_RANK}.largest_rank",
        "return d_in if self.trains_b else d_out",
        "return min(d_out, d_in)",
        LARGEST,
        {"name": "a-only", "shape": SHAPE},
    ),
    Mutant(
        "rank of one factor limited by the other side",
        f"{LOW_RANK}.largest_rank",
        "d_in if self.trains_b else d_out",
        "d_out if self.trains_b else d_in",
        LARGEST,
        {"name": "b-only", "shape": SHAPE},
    ),
    Mutant(
        "narrowest matrix overlooked",
        f"{LOW_RANK}.check",
        "min(shapes",
        "max(shapes",
        IN_FAMILIES + "test_a_rank_that_is_too_large_names_the_narrowest_matrix",
        {"name": "b-only", "rank": 4, "message": "rank 4 of B alone is too large for up"},
    ),
    Mutant(
        "gradient stopped at A",
        f"{LOW_RANK}.apply",
        "(h @ a.T)",
        "(h @ jax.lax.stop_gradient(a).T)",
        PRODUCTS,
        {"shape": SHAPE, "alpha": 2.0},
    ),
    Mutant(
        "Gaussian start of norm root d",
        f"{STARTS}:_gaussian",
        " / jnp.sqrt(jnp.asarray(asked.d, asked.dtype))",
        "",
        SIZES,
        {"name": "gaussian", "factor": "A"},
    ),
    Mutant(
        "Kaiming B with the fan-in of A",
        f"{STARTS}:_kaiming",
        'asked.shape[1] if asked.factor == "A" else asked.rank',
        "asked.shape[1]",
        SIZES,
        {"name": "kaiming", "factor": "B"},
    ),
    Mutant(
        "columns of Vh for its rows",
        f"{STARTS}:_singular",
        "vh[: asked.rank]",
        "vh[:, : asked.rank].T",
        IN_STARTS + "test_p33_singular_starts_are_the_top_singular_vectors_of_the_loaded_weight",
        {"shape": (5, 5), "rank": 2},
    ),
    Mutant(
        "orthonormal start that is not Haar",
        f"{STARTS}:_orthonormal",
        "jnp.where(jnp.diagonal(r) < 0, -1, 1)",
        "jnp.ones(asked.rank)",
        IN_STARTS + "test_a_random_start_has_no_preferred_sign",
        {"name": "orthonormal", "factor": "B"},
    ),
    Mutant(
        "B drawn from the key of A",
        f"{LOW_RANK}.init",
        "self.b_start, key_b",
        "self.b_start, key_a",
        IN_FAMILIES + "test_the_two_factors_of_a_matrix_start_independently",
    ),
    # training
    Mutant(
        "schedule ignored",
        f"{ENGINE}:_segment",
        "rate * factor * u",
        "rate * u",
        WRITTEN_OUT,
        {"optimiser": "sgd"},
        jitted=SEGMENT,
    ),
    Mutant(
        "decay of AdamW inside the moments",
        f"{OPTIMISERS}:direction",
        "optax.chain(optax.scale_by_adam(), decay)",
        "optax.chain(decay, optax.scale_by_adam())",
        WRITTEN_OUT,
        {"optimiser": "adamw"},
        jitted=SEGMENT,
    ),
    Mutant(
        "squared loss without its half",
        f"{ENGINE}:_mean_loss",
        "0.5 * ",
        "",
        SCORES,
        {"loss": "squared"},
        jitted=SCORED,
    ),
    Mutant(
        "filled-up rows counted",
        f"{ENGINE}:scores",
        "(np.arange(size) < part.shape[1])",
        "np.ones(size)",
        SCORES,
        {"loss": "squared"},
    ),
    Mutant(
        "a run that diverged answers class 0",
        f"{ENGINE}:_correct",
        " & jnp.isfinite(logits).all(axis=-1)",
        "",
        IN_TRAINING + "test_a_run_that_diverged_answers_nothing_right_and_its_neighbour_is_untouched",
        jitted=SCORED,
    ),
    Mutant(
        "cosine schedule of a quarter wave",
        f"{OPTIMISERS}:schedule",
        "0.5 * (1 + np.cos(np.pi * through))",
        "np.cos(0.5 * np.pi * through)",
        IN_TRAINING + "test_schedules_after_the_rise_are_those_of_optax",
        {"kind": "cosine", "oracle": lambda: optax.cosine_decay_schedule},
    ),
    Mutant(
        "head that starts with norm root p",
        "sims.training.model:random_head",
        "features**-0.5",
        "1.0",
        IN_TRAINING + "test_a_head_starts_uniform_within_one_over_the_root_of_its_features",
        jitted=("sims.training.model:random_head",),
    ),
    # supersamples
    Mutant(
        "trained and left-out columns exchanged", f"{ESTIMATORS}:_by_bit", "masks == 0", "masks == 1", EXACT, times=2
    ),
    Mutant(
        "difference of losses that forgets which one is larger",
        f"{ESTIMATORS}:row_estimates",
        "[1, 2, 0, 1]",
        "[1, 0, 0, 1]",
        EXACT,
    ),
    Mutant(
        "risks with the counted bits",
        f"{ESTIMATORS}:_weighted",
        "return 0.5 * ((values * masks).sum(axis=0) / ones + (values * (1 - masks)).sum(axis=0) / (len(masks) - ones))",
        "return values.mean(axis=0)",
        IN_RISKS + "test_risks_are_means_of_the_two_conditional_means",
    ),
    Mutant(
        "no errors shared by the pair",
        f"{ESTIMATORS}:row_estimates",
        "wrong.all(axis=2)",
        "~wrong.any(axis=2) & wrong[:, :, 0]",
        IN_RISKS + "test_pooled_information_from_all_masks_is_the_exact_unconditional_one",
    ),
    Mutant(
        "f-CMI from the pairs of losses",
        f"{ESTIMATORS}:ladder",
        'f_cmi=disintegrated("predictions", estimates)',
        'f_cmi=disintegrated("pairs", estimates)',
        RUNGS,
    ),
    Mutant(
        "floor of an estimate taken from its runs",
        f"{ESTIMATORS}:ladder",
        'disintegrated("differences", nulls)',
        'disintegrated("differences", estimates)',
        RUNGS,
    ),
)
