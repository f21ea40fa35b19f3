"""Distance to the global optimum from quantities at any point (u, v), converged or not."""


def a_posteriori_gap(
    gradient_norm: float, factor_norm: float, min_stationarity_eigenvalue: float, optimal_nuclear_norm: float
) -> float:
    """Return ||grad||_F ||Q||_F / 2 + max(0, -lambda_min(S)) ||delta*||_*, an upper bound of the optimality gap.

    ``optimal_nuclear_norm`` may be replaced by objective / lam when the loss is non-negative.
    Kind: upper bound, any rank, any lam > 0. Source: this project (convexity of the semidefinite lift).
    """
    return 0.5 * gradient_norm * factor_norm + max(0.0, -min_stationarity_eigenvalue) * optimal_nuclear_norm
