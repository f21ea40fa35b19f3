"""Exact mean risks of least squares on n Gaussian samples: B-only, A-only and full fine-tuning of a linear map.

X ~ N(0, Sigma) with Sigma invertible, independent noise N(0, noise I), squared loss, the pretrained map known, ordinary
least squares. ``optimum`` is the least population risk of the kind of adapter, noise included (population_risk of
linear_adapters at the closed form). B-only regresses on the r features Q x: what Q misses is, for Gaussian inputs,
independent of Q x and acts as more noise, so the formula is exact although the model is misspecified. A-only is U^T
times ordinary least squares on all d_in inputs, so only the noise is fitted.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class MeanRisks:
    """Means over the sample of the training risk and of the population risk of the fit."""

    train: float
    population: float

    @property
    def gap(self) -> float:
        """Population minus training risk."""
        return self.population - self.train


def b_only_risks(optimum: float, n: int, rank: int) -> MeanRisks:
    """Return L (1 - r/n) and L (1 + r/(n - r - 1)) for L = ``optimum`` and Q of full rank r.

    Kind: exact. Source: this project (inverse Wishart means).

    Raises:
        ValueError: n <= rank + 1, where the population risk has no finite mean; rank < 1; a negative optimum.
    """
    _check(optimum, n, rank, "rank")
    return MeanRisks(optimum * (1 - rank / n), optimum * (1 + rank / (n - rank - 1)))


def a_only_risks(optimum: float, n: int, d_in: int, rank: int, noise: float) -> MeanRisks:
    """Return L - r noise d_in/n and L + r noise d_in/(n - d_in - 1) for L = ``optimum`` and U orthonormal of rank r.

    Kind: exact. Source: this project (inverse Wishart means).

    Raises:
        ValueError: n <= d_in + 1, where the population risk has no finite mean; rank < 1; a negative optimum or noise.
    """
    _check(optimum, n, d_in, "d_in")
    if rank < 1:
        raise ValueError(f"rank {rank}: expected >= 1")
    if not noise >= 0:
        raise ValueError(f"noise variance {noise}: expected >= 0")
    fitted = rank * noise * d_in
    return MeanRisks(optimum - fitted / n, optimum + fitted / (n - d_in - 1))


def full_risks(optimum: float, n: int, d_in: int) -> MeanRisks:
    """Return L (1 - d_in/n) and L (1 + d_in/(n - d_in - 1)) for L = ``optimum`` = d_out noise.

    Kind: exact. Source: this project (inverse Wishart means).

    Raises:
        ValueError: n <= d_in + 1, where the population risk has no finite mean; a negative optimum.
    """
    _check(optimum, n, d_in, "d_in")
    return MeanRisks(optimum * (1 - d_in / n), optimum * (1 + d_in / (n - d_in - 1)))


def well_specified_gap_ratio(d_out: int, d_in: int, rank: int, n: int) -> float:
    """Return gap(B-only)/gap(A-only) when Q captures everything: (d_out/d_in) times a factor below 1.

    (d_out/d_in) [1/n + 1/(n - r - 1)] / [1/n + 1/(n - d_in - 1)] <= d_out/d_in, the ratio of tuned parameters, which it
    approaches as n/d_in grows. Kind: exact. Source: this project.

    Raises:
        ValueError: n <= d_in + 1, rank outside 1..d_in, or d_out < 1.
    """
    _check(0.0, n, d_in, "d_in")
    if d_out < 1 or not 1 <= rank <= d_in:
        raise ValueError(f"d_out {d_out}, rank {rank}: expected d_out >= 1 and rank in 1..d_in = {d_in}")
    return d_out / d_in * (1 / n + 1 / (n - rank - 1)) / (1 / n + 1 / (n - d_in - 1))


def _check(optimum: float, n: int, regressors: int, name: str) -> None:
    """Raise ValueError unless the means are finite and the sizes make sense."""
    if regressors < 1:
        raise ValueError(f"{name} {regressors}: expected >= 1")
    if n <= regressors + 1:
        raise ValueError(f"n = {n} samples with {name} = {regressors}: expected n > {name} + 1 = {regressors + 1}")
    if not optimum >= 0:
        raise ValueError(f"optimal risk {optimum}: expected >= 0")
