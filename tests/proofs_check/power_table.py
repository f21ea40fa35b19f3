"""Which constant of every claim could be wrong by a factor of two without being noticed? The answers, claim by claim.

A mutant doubles or halves one constant that the claim states, in the direction that makes it false; the check at the
smallest level must then change its verdict. What no check notices is listed with the reason.
"""

from tests.mutants.machinery import Mutant

TEST = "tests/proofs_check/test_power.py::test_a_constant_wrong_by_two_is_noticed"
CLAIMS = "proofs_check.claims"
BOUNDS = "theory.bounds"


def _wrong(constant: str, target: str, old: str, new: str, *, times: int = 1, jitted: tuple[str, ...] = ()) -> Mutant:
    return Mutant(constant, target, old, new, TEST, times=times, jitted=jitted)


BITS = _wrong("bits of the description halved", f"{BOUNDS}.code_length:budget", " * log(2.0)", " * 0.5 * log(2.0)")
CONFIDENCE = _wrong("ln(1/δ) halved", f"{BOUNDS}.code_length:budget", "- np.log(", "- 0.5 * np.log(")
SAMPLEWISE = _wrong("2 of √(2 I)", f"{BOUNDS}.conditional:samplewise_bound", "2.0 * _inf", "1.0 * _inf")
AVERAGED = _wrong("2 of √(2 Ī)", f"{BOUNDS}.conditional:averaged_bound", "2.0 * float", "1.0 * float")
ROOT = _wrong("2 of √(2σ²I/n)", f"{BOUNDS}.information:xu_raginsky", "2.0 * inf", "1.0 * inf")
INEQUALITY = _wrong("r p counted twice", f"{CLAIMS}.ntk_rpk:inequality", "used = r *", "used = 2 * r *")
BUDGET = _wrong("Σ r(r+1)/2 counted twice", "theory.rank_thresholds:rank_budget", "// 2", "// 1")

NOTICED: dict[str, tuple[Mutant, ...]] = {
    # asymmetry of the factors
    "ASY-L4.1": (_wrong("B* halved", f"{CLAIMS}.asy_l4_1:_measure", "b = delta", "b = 0.5 * delta"),),
    "ASY-L4.2": (_wrong("A* halved", f"{CLAIMS}.asy_l4_2:_measure", "a = u.T", "a = 0.5 * u.T"),),
    "ASY-DUAL": (
        _wrong("metric of the dual doubled", "theory.linear_duality:dual", ", problem.metric", ", 2 * problem.metric"),
    ),
    "ASY-GAP": (
        _wrong(
            "r/(n − r − 1) doubled",
            "theory.finite_sample_risks:b_only_risks",
            "1 + rank / (n",
            "1 + 2 * rank / (n",
        ),
        _wrong("d_in/n doubled", "theory.finite_sample_risks:full_risks", "1 - d_in / n", "1 - 2 * d_in / n"),
        _wrong("rσ²d_in doubled", "theory.finite_sample_risks:a_only_risks", "fitted = rank", "fitted = 2 * rank"),
    ),
    "ASY-GRAD": (
        _wrong("r/d of the mean norm", "theory.factor_gradients:_mean_square", "* rank / size", "* 2 * rank / size"),
    ),
    "ASY-INIT": (
        _wrong("r/d_in of E II_A", f"{CLAIMS}.asy_init:_linear", "_RANK / _IN, shown", "2 * _RANK / _IN, shown"),
    ),
    "ASY-L4.5": (ROOT,),
    "ASY-RANK": (
        _wrong("multiplier doubled", f"{BOUNDS}.parameter_count:rank_multiplier", "return tuned", "return 2 * tuned"),
    ),
    "ASY-REMARK": (_wrong("r/d_out", f"{CLAIMS}.asy_remark:check", "1 - r / d_out", "1 - 0.5 * r / d_out"),),
    "ASY-STEP": (
        _wrong("c² doubled", "theory.step_size:step_gain", "return norm**2 if", "return 2 * norm**2 if"),
        _wrong("3 of c² = d_out/(3r)", "theory.step_size:kaiming_norm", "(3 * fan_in)", "(6 * fan_in)"),
    ),
    "ASY-T4.3'": (
        _wrong("d_in/d_out", f"{CLAIMS}.asy_t4_3_prime:_simulated", "1.0 - d_in / d_out", "1.0 - 0.5 * d_in / d_out"),
    ),
    "ASY-THETA": (
        _wrong("Θ doubled", "theory.captured_fit:theta", "return delta", "return 2 * delta"),
        _wrong("Θ_r doubled", "theory.captured_fit:spectral_theta_r", "float(d_out", "float(2 * d_out"),
    ),
    "ASY-BOUNDARY": (_wrong("Θ_r doubled", "theory.captured_fit:spectral_theta_r", "float(d_out", "float(2 * d_out"),),
    # bounds
    "BND-XR": (
        ROOT,
        _wrong("I + ln 2 halved", f"{BOUNDS}.information:xu_raginsky_absolute", "2.0 * (inf", "1.0 * (inf"),
    ),
    "BND-ISMI": (
        ROOT,
        _wrong("gap of the mean", f"{BOUNDS}.information:gaussian_mean_gap", "2.0 *", "4.0 *"),
    ),
    "BND-ENTROPY": (ROOT,),
    "BND-SGD": (
        ROOT,
        _wrong("1/2 of the information", f"{BOUNDS}.noisy_sgd:pensia_information", "0.5 * par", "0.25 * par"),
    ),
    "BND-LOWER": (
        _wrong(
            "deviation halved", f"{BOUNDS}.sampling_deviation:mean_absolute_deviation", "return 2.0 * k", "return k"
        ),
        _wrong("2p(1 − p)/(πn)", f"{BOUNDS}.sampling_deviation:asymptotic_deviation", "sqrt(2.0 *", "sqrt(1.0 *"),
    ),
    "BND-PHI": (_wrong("2 of Φ", f"{BOUNDS}.lipschitz_composition:phi_update", "return 2.0 *", "return 1.0 *"),),
    "BND-RADEMACHER": (
        _wrong("complexity halved", f"{BOUNDS}.rademacher:b_only_rademacher", "return beta", "return 0.5 * beta"),
    ),
    "BND-RADEMACHER-LOWER": (
        _wrong("1/√2", f"{BOUNDS}.rademacher:b_only_rademacher_lower", "/ sqrt(2.0)", "/ sqrt(1.0)"),
    ),
    "BND-CMI": (_wrong("2 of √(2 CMI/n)", f"{BOUNDS}.conditional:cmi_bound", "2.0 *", "1.0 *"),),
    "BND-FCMI": (SAMPLEWISE,),
    "BND-ECMI": (SAMPLEWISE,),
    "BND-LDCMI": (SAMPLEWISE,),
    "BND-BKL": (
        _wrong(
            "information halved",
            f"{BOUNDS}.conditional:binary_kl_risk_bound",
            "_information(inf",
            "0.5 * _information(inf",
        ),
        AVERAGED,
    ),
    "BND-JS": (
        _wrong("JS halved", f"{BOUNDS}.conditional:single_loss_information", "return jensen", "return 0.5 * jensen"),
    ),
    "BND-INTERPOLATION": (
        _wrong("ln 2", f"{BOUNDS}.conditional:interpolation_risk_bound", "/ log(2.0)", "/ (2 * log(2.0))"),
        _wrong(
            "weight", f"{BOUNDS}.conditional:weighted_risk_bound", "+ information_weight", "+ 0.5 * information_weight"
        ),
    ),
    "BND-CHAIN": (AVERAGED,),
    "BND-OCCAM-HOEFFDING": (BITS, CONFIDENCE),
    "BND-OCCAM-KL": (BITS, CONFIDENCE),
    "BND-OCCAM-BINOMIAL": (BITS, CONFIDENCE),
    "BND-CATONI": (BITS, CONFIDENCE),
    "BND-TOKENS": (
        BITS,
        CONFIDENCE,
        _wrong("root halved", f"{BOUNDS}.tokens:token_bound", "width = np.sqrt", "width = 0.5 * np.sqrt"),
    ),
    "BND-SUBLORA": (
        BITS,
        CONFIDENCE,
        _wrong("ln K halved", f"{BOUNDS}.compression:subsampled_bound", "log(alphas)", "0.5 * log(alphas)"),
        _wrong("range halved", f"{BOUNDS}.compression:subsampled_bound", "+ loss_range *", "+ 0.5 * loss_range *"),
    ),
    "BND-PACBAYES": (
        _wrong("KL halved", f"{BOUNDS}.pac_bayes:gaussian_kl", "float(0.5 *", "float(0.25 *"),
        _wrong("ln K halved", f"{BOUNDS}.pac_bayes:pac_bayes_kl", "+ log(priors)", "+ 0.5 * log(priors)"),
        _wrong("ln(2√n/δ) halved", f"{BOUNDS}.pac_bayes:pac_bayes_kl", "+ np.log(2.0", "+ 0.5 * np.log(2.0"),
    ),
    "BND-CERTIFICATE": (BITS,),
    # landscape: thresholds are moved by one measurement, or one rank
    "NTK-W": (_wrong("KN below r(r+3)/2", f"{CLAIMS}.ntk_w:_above", "drop=1", "drop=0"),),
    "NTK-Z": (_wrong("KN up to r max(m, n)", f"{CLAIMS}.ntk_z:_cases", "drop=1", "drop=0"),),
    "NTK-TARGET": (_wrong("KN below r(r+3)/2", f"{CLAIMS}.ntk_target:check", "drop=1", "drop=0"),),
    "NTK-RMIN": (
        _wrong(
            "r from min(m, n) on",
            f"{CLAIMS}.ntk_rmin:check",
            "padded), r + 1)",
            "instance.planted), r)",
        ),
    ),
    "NTK-FRONTIER": (
        _wrong("r(r+3)/2", f"{CLAIMS}.ntk_frontier:check", "rank * (rank + 3) // 2", "rank * (rank + 1) // 2"),
    ),
    "NTK-T4.1": (
        _wrong(
            "r(r+1)/2 > KN", f"{CLAIMS}.ntk_t4_1:perturbed_surveys", 'planted("B", 3, 5, 6)', 'planted("A", 3, 5, 6)'
        ),
    ),
    "NTK-CE": (_wrong("K − 1 logits", "theory.losses:CrossEntropy.free_outputs", "return k - 1", "return k"),),
    "NTK-M": (_wrong("Σ r_l p_l", f"{CLAIMS}.ntk_ml:joint_count", "used = sum(r * p", "used = sum(2 * r * p"),),
    "NTK-D": (_wrong("2.5600376", f"{CLAIMS}.ntk_d:check", "value, 2.5600376", "value, 1.2800188"),),
    "NTK-LIN": (_wrong("⟨G, δ⟩", "sims.ntk.tangents:linearised", "layer_features.apply", "2 * layer_features.apply"),),
    "NTK-OPEN-INIT": (_wrong("η(λ_max − λ)", f"{CLAIMS}.ntk_open_init:check", "predicted = 1.0", "predicted = 2.0"),),
    "NTK-OPEN-DECAY": (
        _wrong(
            "power of λ",
            f"{CLAIMS}.ntk_open_decay:spurious_excess",
            "/ found.instance.lam",
            "/ found.instance.lam**0.5",
        ),
    ),
    "NTK-OPEN-CE": (_wrong("λ of the family", "theory.planted_logistic:logistic_instance", "lam = 1.0", "lam = 2.0"),),
    "NTK-WIDTH": (
        _wrong("exponent −1/2", "proofs_check.ntk_width:width_errors", "[float(e) for", "[float(e) ** 2 for"),
        _wrong("limit kernel", "proofs_check.ntk_width:width_errors", "limit = jnp", "limit = 2 * jnp"),
    ),
    "P26-1": (_wrong("1.35", f"{CLAIMS}.p26_1:proved_spurious", "and ratio > TYPICAL", "and ratio > 2 * TYPICAL"),),
    "KKR-L1": (
        _wrong(
            "half of the rank", "theory.restricted_curvature:decay_rank_bound", "return batch", "return 0.5 * batch"
        ),
    ),
    # the convex problem and its landscape
    "NTK-T3.1": (BUDGET,),
    "NTK-ML": (BUDGET,),
    "NTK-RPK": (INEQUALITY,),
    "NTK-L2.2": (_wrong("1/2", "theory.factorisation:factor_penalty", "return 0.5", "return 1.0"),),
    "NTK-C4.2": (_wrong("2 of the price", "theory.perturbation:perturbation_price", "return 2.0", "return 1.0"),),
    "NTK-GAP": (
        _wrong("½ of the gradient", "theory.a_posteriori:a_posteriori_gap", "return 0.5 *", "return 0.25 *"),
        _wrong("λ_min(S)", "theory.a_posteriori:a_posteriori_gap", "+ max(0.0", "+ 0.5 * max(0.0"),
    ),
    "NTK-LORA-KERNEL": (_wrong("1/r", "theory.lora_kernels:_variance", "1.0 / rank", "2.0 / rank"),),
    "NTK-T5.1": (
        _wrong("factors of κ", "theory.generalisation:GeneralisationBound.kappa", "return self", "return 0.5 * self"),
    ),
    "P26-3": (
        _wrong("B of the complexity", "theory.capacity:rademacher_frobenius", "return radius", "return 0.5 * radius"),
    ),
}

# Noticed, too, but too slow for every run of the tests: `python -m tests.proofs_check.test_power` runs them all.
SLOW = (
    *("NTK-T3.1", "NTK-ML", "NTK-M", "NTK-RPK", "NTK-W", "NTK-Z", "NTK-TARGET", "NTK-RMIN"),
    *("NTK-FRONTIER", "NTK-T4.1", "NTK-CE", "NTK-C4.2", "NTK-GAP", "NTK-LORA-KERNEL", "NTK-T5.1", "NTK-LIN"),
    *("NTK-OPEN-INIT", "NTK-OPEN-DECAY", "NTK-OPEN-CE", "NTK-WIDTH", "ASY-GRAD", "KKR-L1"),
)

# A factor of two that no check notices, of all constants or of those named: why, and where it is pinned instead.
UNNOTICED: dict[str, str] = {
    "ASY-ORDER": "refuted by gaps that differ by more than 2 (7.28 against .87); their values are pinned by "
    "test_c11_fewer_parameters_and_a_larger_gap",
    "ASY-T4.3": "refuted by an exact example in two dimensions: no constant enters",
    "ASY-STRATEGY": "a string and what a parser makes of it: no constant",
    "ASY-SIM": "differences of similarity of many standard deviations: twice the variance by chance changes no sign; "
    "pinned by the tests of theory.subspaces",
    "BND-RADEMACHER": "the 2 of the uniform gap: for the linear loss that is measured it could be 1 (Jensen); the 3 of "
    "its confidence term: one function alone needs 1. Both pay for the proof (symmetrisation, two deviations)",
    "KKR-C1": "no spurious point with (2α/β)σ_{r*} within a factor 2 of σ_r is known to us",
    "KKR-L1-PRINTED": "refuted by rational counterexamples: no constant enters",
    "KKR-T1": "no spurious point with 2α between β/2 and β is known to us",
    "KKR-T2": "as KKR-T1",
    "NTK-FEWSHOT": "minimisers of so few sentences have ranks far below the budget; NTK-T3.1 and NTK-ML notice it",
    "NTK-T4.1-P0": "refuted by family B for every rank from 3 on: no constant enters",
    "NTK-ESC": "a path of critical points from each point found: no constant enters",
    "NTK-OPEN-BASIN": "the ½ is a threshold; measured are 0 to .07",
    "NTK-OPEN-RANK1": "the searches meet no non-global point at which 2 r p + r(r+1)/2 exceeds KN; NTK-RPK notices it",
    "NTK-OPEN-NOISE": "all runs leave or none does: no constant enters",
    "P26-2": "refuted by a zero gradient above the infimum, for every μ; the values are pinned by NTK-D",
}
