"""The low-rank families: W + s B A with A (r, d_in), B (d_out, r), and either factor trained or frozen.

LoRA trains both (Hu et al. 2022, arXiv 2106.09685); B-only and A-only freeze the other one (Zhu et al. 2024,
arXiv 2402.16842). The gradients at G = dL/dW are dL/dB = s G A^T and dL/dA = s B^T G.
"""

from collections.abc import Mapping
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

    A start of zero for one factor makes the first output that of the backbone, exactly. How large the rank may be
    depends on what is trained: see `largest_rank`.
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
        for frozen, trained, start in (("A", "B", self.a_start), ("B", "A", self.b_start)):
            if start == "zero" and not (self.trains_a if frozen == "A" else self.trains_b):
                raise BadInput(
                    f"{frozen} is frozen at zero: no gradient reaches {trained}; start it elsewhere, such as "
                    f"{frozen.lower()}_start=orthonormal"
                )
        if self.a_start == self.b_start == "zero":
            raise BadInput("A and B both start at zero: no gradient reaches either; choose another a_start or b_start")

    def init(self, key: jax.Array, weight: Float[Array, "d_out d_in"]) -> Factors:
        """Return A and B at their starts; raise `BadInput` for a rank above `largest_rank`, or a misfit start."""
        shape = (int(weight.shape[0]), int(weight.shape[1]))
        self.check({"the matrix": shape})
        key_a, key_b = jax.random.split(key)
        a = initialise(self.a_start, key_a, shape, self.rank, weight, factor="A", dtype=weight.dtype)
        b = initialise(self.b_start, key_b, shape, self.rank, weight, factor="B", dtype=weight.dtype)
        factors = Factors({}, {})
        (factors.trained if self.trains_a else factors.frozen)["A"] = a
        (factors.trained if self.trains_b else factors.frozen)["B"] = b
        return factors

    def largest_rank(self, shape: tuple[int, int]) -> int:
        """Return the rank at which every change of a matrix (d_out, d_in) is within reach; above it nothing is added.

        With both factors trained the shorter side. B A has its row space in that of A: with A frozen d_in, also where
        that is more than d_out, and with B frozen d_out (almost surely, for random frozen factors). Kind: exact.
        """
        d_out, d_in = shape
        if self.trains_a and self.trains_b:
            return min(d_out, d_in)
        return d_in if self.trains_b else d_out

    def check(self, shapes: Mapping[str, tuple[int, int]]) -> None:
        """Raise `BadInput` for a rank above the largest of one of these matrices, naming the narrowest of them."""
        if not shapes:
            return
        name, (d_out, d_in) = min(shapes.items(), key=lambda item: self.largest_rank(item[1]))
        largest = self.largest_rank((d_out, d_in))
        if self.rank <= largest:
            return
        side, trained = "its shorter side", "A and B"
        if not (self.trains_a and self.trains_b):
            side, trained = ("d_in", "B alone") if self.trains_b else ("d_out", "A alone")
        raise BadInput(
            f"rank {self.rank} of {trained} is too large for {name}, {d_out} x {d_in} (d_out x d_in): expected 1 to "
            f"{largest}, {side}, where every change is within reach already; choose a lower rank, or the adapter full"
        )

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
