"""How far one optimiser step moves the adapted matrix, by the size of the frozen factor.

With A = c Q frozen, B Q c is the same path as (c B) Q: gradient descent on B at learning rate eta moves the product
exactly as gradient descent with A = Q at c^2 eta (the frozen factor enters the gradient and the product), and Adam,
whose steps do not feel the size of the gradient (epsilon = 0), as Adam at c eta. The scale alpha/r of an adapter acts
the same way. Derived in this project from the official code of Zhu et al. (2024).
"""

OPTIMISERS = ("sgd", "adam")


def kaiming_norm(d: int, fan_in: int) -> float:
    """Return the root mean square norm of a vector of d entries uniform on +-1/sqrt(fan_in). Exact.

    It is sqrt(d / (3 fan_in)): 1/sqrt 3 for a row of A (d = fan_in = d_in), sqrt(d_out / (3 r)) for a column of B
    (d = d_out, fan_in = r).

    Raises:
        ValueError: a size below 1.
    """
    if min(d, fan_in) < 1:
        raise ValueError(f"sizes {d} and {fan_in}: expected whole numbers >= 1")
    return (d / (3 * fan_in)) ** 0.5


def step_gain(norm: float, optimiser: str) -> float:
    """Return by what factor a frozen factor of this norm (orthonormal: 1) multiplies the step of the product BA.

    Exact for a tuned factor that starts at zero: norm^2 for gradient descent (any momentum), norm for Adam with
    epsilon = 0.

    Raises:
        ValueError: a norm that is not positive and finite, or an unknown optimiser.
    """
    if not 0 < norm < float("inf"):
        raise ValueError(f"norm {norm} of the frozen factor: expected a positive finite number")
    if optimiser not in OPTIMISERS:
        raise ValueError(f"optimiser {optimiser!r} is unknown: expected 'sgd' or 'adam'")
    return norm**2 if optimiser == "sgd" else norm


def matched_learning_rate(learning_rate: float, norm: float, optimiser: str) -> float:
    """Return the learning rate at which a frozen factor of this norm trains as an orthonormal one at ``learning_rate``.

    Raises:
        ValueError: a learning rate that is not positive and finite, or as `step_gain`.
    """
    if not 0 < learning_rate < float("inf"):
        raise ValueError(f"learning rate {learning_rate}: expected a positive finite number")
    return learning_rate / step_gain(norm, optimiser)
