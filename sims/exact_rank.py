"""The rank of the features over the rationals: floats are exact numbers there, factors are multiplied exactly."""

from collections.abc import Sequence

from flint import fmpq_mat, nmod_mat

from sims.ntk.features import TangentFeatures
from sims.rationals import rational_features

MOST_ENTRIES = 40_000  # of the rational matrix; elimination beyond this takes minutes
MOST_ROWS = 200  # on its smaller side
_PRIME = 2**61 - 1


def exact_rank(layers: Sequence[TangentFeatures], *, centred: bool) -> int | None:
    """Return the rank of the features of all layers side by side, or None where the matrix is too large.

    ``centred`` takes differences of outputs to the last one, which is what softmax cross-entropy sees. Kind: exact.
    """
    n, k = layers[0].n, layers[0].k
    columns = sum(layer.d_out * layer.d_in for layer in layers)
    rows = n * (k - 1 if centred else k)
    if rows * columns > MOST_ENTRIES or min(rows, columns) > MOST_ROWS:
        return None
    entries = [[x for g in parts for x in g.entries()] for parts in zip(*map(rational_features, layers))]
    if centred:
        entries = [
            [a - b for a, b in zip(entries[i * k + j], entries[i * k + k - 1])] for i in range(n) for j in range(k - 1)
        ]
    if not rows or not columns:
        return 0
    matrix, _ = fmpq_mat(entries).numer_denom()
    # modulo a prime the rank can only be smaller: full there is full over the rationals, at a fraction of the price
    modular = int(nmod_mat(rows, columns, [int(x) % _PRIME for x in matrix.entries()], _PRIME).rank())
    return modular if modular == min(rows, columns) else int(matrix.rank())
