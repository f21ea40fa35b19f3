"""The random linear perturbation P of the LoRA objective and its price.

Reference: arXiv 2402.11867, Theorem 4.1 and Corollary 4.2.
"""


def perturbation_price(perturbation_norm: float, optimal_nuclear_norm: float) -> float:
    """Return 2 ||P|| ||delta*||_*, by how much an SOSP of the perturbed objective may exceed the unperturbed optimum.

    Use the spectral norm of P for the sharper bound, the Frobenius norm (<= eps) for the one printed.
    Kind: upper bound. Source: Corollary 4.2 (P >= 0, and the balanced factor of delta* has trace 2 ||delta*||_*).
    """
    if perturbation_norm < 0 or optimal_nuclear_norm < 0:
        raise ValueError(f"norms {perturbation_norm}, {optimal_nuclear_norm} must be >= 0")
    return 2.0 * perturbation_norm * optimal_nuclear_norm
