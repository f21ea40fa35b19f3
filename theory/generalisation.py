"""Excess risk of regularised low-rank fine-tuning in the linearised model, with every constant.

Setting: i.i.d. sample of size N, predictions f0(X) + <G(X), delta> exactly linear in delta, K outputs, loss l(., y)
convex and L-Lipschitz in the Euclidean norm of R^K, ||G_j(X)||_F <= R almost surely for every output j, delta_true a
minimiser of the true risk over all matrices, failure probability eta in (0, 1), slack eps >= 0. With

    kappa = sqrt(2K) L R (2 + sqrt(log(1/eta))) / sqrt(N),   lam = (2 + eps) kappa,

with probability at least 1 - eta every delta that is admissible, that is
Lhat(delta) + lam ||delta||_* <= Lhat(delta_true) + (1 + eps) lam ||delta_true||_*, is within
``radius`` of delta_true in nuclear norm and has at most ``excess_risk``. lam and eta must not depend on the sample.

The logistic loss (L = 1 for one output) and softmax cross-entropy (L = sqrt 2) are covered. The squared loss is not
Lipschitz and is refused. Source: this project (symmetrisation, vector contraction of Maurer 2016, McDiarmid), after
arXiv 2402.11867, Theorem 5.1.
"""

from dataclasses import dataclass
from math import isfinite, log, sqrt

from theory.losses import Loss

PRINTED_CONSTANTS = (sqrt(2.0), 2.0)  # the paper's c is one of these two; the derivation here gives sqrt 2 in kappa


def euclidean_lipschitz(loss: Loss, outputs: int) -> float:
    """Return the Lipschitz constant of the loss in the Euclidean norm of R^K. Kind: exact.

    A logistic loss summed over K outputs has sqrt K; softmax cross-entropy has sqrt 2 for every K.

    Raises:
        ValueError: a loss that is not Lipschitz (squared), or fewer than one output.
    """
    if outputs < 1:
        raise ValueError(f"{outputs} outputs: expected at least 1")
    if not isfinite(loss.lipschitz):
        raise ValueError(f"the {loss.name} loss is not Lipschitz: the bound covers logistic and cross_entropy only")
    return loss.lipschitz * (sqrt(outputs) if loss.name == "logistic" else 1.0)


@dataclass(frozen=True)
class GeneralisationBound:
    """All constants of the bound for one setting; build it with `generalisation_bound`."""

    lipschitz: float
    feature_norm: float
    outputs: int
    samples: int
    failure: float
    slack: float
    true_norm: float

    @property
    def kappa(self) -> float:
        """Uniform deviation of the risk per unit of nuclear norm, at probability 1 - eta. Kind: upper bound."""
        return self.expected_deviation + self.concentration

    @property
    def expected_deviation(self) -> float:
        """Expected supremum of (L - Lhat)(delta) - (L - Lhat)(delta_true) over a unit nuclear ball. Kind: upper."""
        return 2.0 * sqrt(2.0 * self.outputs) * self.lipschitz * self.feature_norm / sqrt(self.samples)

    @property
    def bounded_difference(self) -> float:
        """How much one sample moves that supremum, per unit of the radius. Kind: upper bound."""
        return 2.0 * self.lipschitz * sqrt(self.outputs) * self.feature_norm / self.samples

    @property
    def concentration(self) -> float:
        """McDiarmid's addition to the expectation, per unit of the radius. Kind: upper bound."""
        return self.bounded_difference * sqrt(0.5 * self.samples * log(1.0 / self.failure))

    @property
    def weight_decay(self) -> float:
        """The lam of the theorem, (2 + eps) kappa."""
        return (2.0 + self.slack) * self.kappa

    @property
    def radius(self) -> float:
        """Largest ||delta - delta_true||_* of an admissible delta. Kind: upper bound, probability 1 - eta."""
        return (2.0 + self.slack) ** 2 / (1.0 + self.slack) * self.true_norm

    @property
    def excess_risk(self) -> float:
        """Largest L(delta) - L(delta_true) of an admissible delta. Kind: upper bound, probability 1 - eta."""
        e = self.slack
        return self.kappa * self.true_norm * (2.0 + e) * (3.0 + 3.0 * e + e * e) / (1.0 + e)

    def excess_risk_given_norm(self, norm: float) -> float:
        """Return the excess-risk bound of an admissible delta with ||delta||_* = norm, never above ``excess_risk``.

        Kind: upper bound, probability 1 - eta.
        """
        return self.weight_decay * ((1.0 + self.slack) * self.true_norm - norm) + self.kappa * self.radius

    def perturbation_norm(self, optimal_norm: float) -> float:
        """Return the spectral norm of P that keeps second-order points of the perturbed objective admissible.

        eps lam ||delta_true||_* / (2 ||delta*_lam||_*), with ``optimal_norm`` = ||delta*_lam||_*. It needs delta_true,
        so it is part of a theorem, not of an algorithm. Kind: upper bound.
        """
        if optimal_norm <= 0:
            raise ValueError(f"nuclear norm {optimal_norm} of the regularised optimum: expected a positive number")
        return self.slack * self.weight_decay * self.true_norm / (2.0 * optimal_norm)

    def printed_weight_decay(self, constant: float) -> float:
        """Return the lam of the paper's own form, c (2 + eps) sqrt K L R / sqrt N (2 + sqrt(log 1/eta))."""
        return constant / sqrt(2.0) * self.weight_decay

    def printed_excess_risk(self, constant: float) -> float:
        """Return the paper's own bound, c (2 + eps)^2 ||delta_true||_* sqrt K L R / sqrt N (2 + sqrt(log 1/eta)).

        ``constant`` is sqrt 2 or 2: which of the two is printed could not be checked. Kind: upper bound as printed;
        the proof here gives ``excess_risk``, larger by 3/2 at eps = 0 for c = sqrt 2. Source: arXiv 2402.11867,
        Theorem 5.1.
        """
        return constant / sqrt(2.0) * (2.0 + self.slack) ** 2 * self.true_norm * self.kappa


def generalisation_bound(
    loss: Loss,
    *,
    samples: int,
    outputs: int,
    feature_norm: float,
    true_norm: float,
    failure: float = 0.05,
    slack: float = 0.1,
) -> GeneralisationBound:
    """Return the bound for a loss, N samples, K outputs, R, ||delta_true||_*, eta and eps. Kind: upper bound.

    Raises:
        ValueError: the squared loss, eta outside (0, 1), or a number that is negative, not finite, or zero samples.
    """
    if samples < 1:
        raise ValueError(f"{samples} samples: expected at least 1")
    if not 0.0 < failure < 1.0:
        raise ValueError(f"failure probability {failure} is out of range: expected a number strictly between 0 and 1")
    numbers = {"feature norm": feature_norm, "norm of the true minimiser": true_norm, "slack": slack}
    for name, value in numbers.items():
        if not (isfinite(value) and value >= 0):
            raise ValueError(f"{name} {value}: expected a finite number >= 0")
    lipschitz = euclidean_lipschitz(loss, outputs)
    return GeneralisationBound(lipschitz, feature_norm, outputs, samples, failure, slack, true_norm)
