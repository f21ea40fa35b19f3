"""The low-rank families: W + s B A with A (r, d_in), B (d_out, r), and either factor trained or frozen.

LoRA trains both (Hu et al. 2022, arXiv 2106.09685); B-only and A-only freeze the other one (Zhu et al. 2024,
arXiv 2402.16842). The gradients at G = dL/dW are dL/dB = s G A^T and dL/dA = s B^T G.
"""

from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Float

from sims.adapters.initialisations import initialise
from sims.adapters.protocol import Adapter, Factors
from sims.errors import BadInput

Array = Any


@dataclass(frozen=True)
class LowRank(Adapter):
    """s B A. ``a_start`` and ``b_start`` are names of `sims.adapters.initialisations`; ``scale`` is s.

    A start of zero for one factor makes the first output that of the backbone, exactly.
    """

    rank: int
    scale: float
    trains_a: bool
    trains_b: bool
    a_start: str
    b_start: str

    def __post_init__(self) -> None:
        """Raise `BadInput` for settings with which nothing could be learned."""
        if self.rank < 1:
            raise BadInput(f"rank {self.rank} is out of range for a low-rank adapter: expected at least 1")
        if not (self.trains_a or self.trains_b):
            raise BadInput("neither factor is trained: train A, B or both (or use rank0)")
        # the gradient of a factor is a product with the other one
        frozen_starts = [*([] if self.trains_a else [self.a_start]), *([] if self.trains_b else [self.b_start])]
        if "zero" in frozen_starts or self.a_start == self.b_start == "zero":
            raise BadInput(
                f"A starts at {self.a_start} and B at {self.b_start}: no gradient reaches the trained factor; "
                "let one that is not trained alone start at zero"
            )

    def init(self, key: jax.Array, weight: Float[Array, "d_out d_in"]) -> Factors:
        """Return A and B at their starts; raise `BadInput` for a rank above the sides, or a start that does not fit."""
        shape = (int(weight.shape[0]), int(weight.shape[1]))
        if self.rank > min(shape):
            raise BadInput(
                f"rank {self.rank} is above the sides of a {shape[0]} x {shape[1]} matrix: expected 1 to {min(shape)}"
            )
        key_a, key_b = jax.random.split(key)
        a = initialise(self.a_start, key_a, shape, self.rank, weight, factor="A", dtype=weight.dtype)
        b = initialise(self.b_start, key_b, shape, self.rank, weight, factor="B", dtype=weight.dtype)
        factors = Factors({}, {})
        (factors.trained if self.trains_a else factors.frozen)["A"] = a
        (factors.trained if self.trains_b else factors.frozen)["B"] = b
        return factors

    def factors_ab(self, factors: Factors) -> tuple[Float[Array, "r d_in"], Float[Array, "d_out r"]]:
        """Return A and B, wherever they lie."""
        both = factors.trained | factors.frozen
        return both["A"], both["B"]

    def apply(
        self, factors: Factors, weight: Float[Array, "d_out d_in"], h: Float[Array, "*n d_in"]
    ) -> Float[Array, "*n d_out"]:
        """Return h W^T + s (h A^T) B^T."""
        a, b = self.factors_ab(factors)
        return h @ weight.T + self.scale * ((h @ a.T) @ b.T)

    def delta(self, factors: Factors, weight: Float[Array, "d_out d_in"]) -> Float[Array, "d_out d_in"]:  # noqa: ARG002
        """Return s B A."""
        a, b = self.factors_ab(factors)
        return self.scale * (b @ a)

    def count(self, shape: tuple[int, int]) -> int:
        """Return r d_in for a trained A plus r d_out for a trained B."""
        d_out, d_in = shape
        return self.rank * (d_in * self.trains_a + d_out * self.trains_b)
