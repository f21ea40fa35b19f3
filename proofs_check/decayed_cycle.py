"""SGD with weight decay on orthogonal samples, solved in rational numbers: a limit whose norm is constant.

Samples G_1..G_N of rank one, orthonormal, each with the loss (<G_i, X> - y)^2 / 2, taken in turn, one a step. With
q = 1 - step lam every update is X <- q X - step (<G_i, X> - y) G_i: the coefficients of the others shrink by q. The
recursion settles on coefficients c, q c, q^2 c, ..., newest first, c = step y / (1 - (q - step) q^(N-1)). They are the
singular values of X: the norm no longer changes, and for N = 1 neither does X. Source: this project.
"""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Cycle:
    """The limit: decay factor q = 1 - step lam, and singular values of X, largest first; ``steady`` is proved."""

    q: Fraction
    values: tuple[Fraction, ...]
    steady: bool

    def tail_squared(self, rank: int) -> Fraction:
        """Return ||X/||X|| - W||^2 (Frobenius) for the best W of this rank."""
        return sum((v * v for v in self.values[rank:]), Fraction(0)) / sum((v * v for v in self.values), Fraction(0))

    def rank_within(self, epsilon: Fraction) -> int:
        """Return the least rank of a W with ||X/||X|| - W|| < epsilon, in Frobenius norm."""
        return next(r for r in range(len(self.values) + 1) if self.tail_squared(r) < epsilon * epsilon)


def limit_cycle(q: Fraction, samples: int, *, step: Fraction = Fraction(1, 2), target: Fraction = Fraction(1)) -> Cycle:
    """Return the limit of ``samples`` orthogonal samples at decay q, one full round of SGD verified exactly.

    Raises:
        ValueError: q outside (0, 1) or no sample.
    """
    if not 0 < q < 1 or samples < 1:
        raise ValueError(f"q {q}, samples {samples}: expected q in (0, 1) and at least 1 sample")
    newest = step * target / (1 - (q - step) * q ** (samples - 1))
    values = tuple(newest * q**age for age in range(samples))
    coefficients = list(reversed(values))  # sample i was taken samples - 1 - i steps ago
    norms = set()
    for sample in range(samples):
        slope = coefficients[sample] - target
        coefficients = [q * c for c in coefficients]
        coefficients[sample] -= step * slope
        norms.add(sum((c * c for c in coefficients), Fraction(0)))
    steady = coefficients == list(reversed(values)) and norms == {sum((v * v for v in values), Fraction(0))}
    return Cycle(q, values, steady)
