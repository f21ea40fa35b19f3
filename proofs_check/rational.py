"""Exact linear algebra over the rationals and rigorous positive definiteness in ball arithmetic (python-flint).

Floats are taken as the exact rationals they are. ``inertia`` is a proof for matrices of moderate size (tens of rows);
``proves_positive_definite`` works in balls and scales to hundreds.
"""

from collections.abc import Iterable
from typing import Any

from flint import arb, arb_mat, ctx, fmpq, fmpq_mat

BITS = 160  # precision of the balls; decisions never depend on it, only whether one is reached


def is_zero(matrix: fmpq_mat) -> bool:
    """Return whether every entry is exactly zero."""
    return matrix == fmpq_mat(matrix.nrows(), matrix.ncols())


def trace(matrix: fmpq_mat) -> fmpq:
    """Return the exact trace."""
    return sum((matrix[i, i] for i in range(matrix.nrows())), fmpq(0))


def inertia(matrix: fmpq_mat) -> tuple[int, int, int]:
    """Return the exact numbers of (positive, zero, negative) eigenvalues of a symmetric rational matrix.

    Symmetric elimination with 1 x 1 pivots, and the 2 x 2 step [[0, b], [b, c]] (one eigenvalue of each sign) where the
    diagonal vanishes; Sylvester's law of inertia makes the count a proof.
    """
    rows = [[matrix[i, j] for j in range(matrix.ncols())] for i in range(matrix.nrows())]
    positive = negative = 0
    while rows:
        size = len(rows)
        pivot = max(range(size), key=lambda i: abs(rows[i][i]))
        if rows[pivot][pivot] == 0:
            found = next(((i, j) for i in range(size) for j in range(i) if rows[i][j] != 0), None)
            if found is None:
                return positive, size, negative
            # add row j to row i: a congruence that makes the diagonal entry 2 b, not zero
            i, j = found
            rows[i] = [a + b for a, b in zip(rows[i], rows[j])]
            for row in rows:
                row[i] += row[j]
            pivot = i
        d = rows[pivot][pivot]
        positive, negative = (positive + 1, negative) if d > 0 else (positive, negative + 1)
        head = rows[pivot]
        rest = [i for i in range(size) if i != pivot]
        rows = [
            [rows[i][j] - rows[i][pivot] * head[j] / d for j in rest]
            if rows[i][pivot] != 0
            else [rows[i][j] for j in rest]
            for i in rest
        ]
    return positive, 0, negative


def ball_matrix(matrix: fmpq_mat) -> arb_mat:
    """Return balls that contain the rational matrix."""
    return arb_mat(matrix)


def proves_positive_definite(matrix: arb_mat, bits: int = BITS) -> bool:
    """Return True if an interval LDL^T proves every matrix inside the balls positive definite; False proves nothing."""
    previous, ctx.prec = ctx.prec, bits
    try:
        n = matrix.nrows()
        rows: list[list[Any]] = [[matrix[i, j] for j in range(i + 1)] for i in range(n)]
        for k in range(n):
            pivot = rows[k][k]
            if not pivot > 0:
                return False
            column = [rows[i][k] for i in range(k + 1, n)]
            scaled = [c / pivot for c in column]
            for i in range(k + 1, n):
                factor, row = scaled[i - k - 1], rows[i]
                for j in range(k + 1, i + 1):
                    row[j] -= factor * column[j - k - 1]
        return True
    finally:
        ctx.prec = previous


def block_matrix(lam: fmpq, gradient: fmpq_mat) -> fmpq_mat:
    """Return S = [[lam I, G], [G^T, lam I]], whose positive semidefiniteness is ||G||_op <= lam."""
    m, p = gradient.nrows(), gradient.ncols()
    entries = [[fmpq(0)] * (m + p) for _ in range(m + p)]
    for i in range(m + p):
        entries[i][i] = lam
    for i in range(m):
        for j in range(p):
            entries[i][m + j] = entries[m + j][i] = gradient[i, j]
    return fmpq_mat(entries)


def frobenius_ball(matrix: fmpq_mat) -> arb:
    """Return a ball that contains the Frobenius norm."""
    squares = sum((x * x for x in matrix.entries()), fmpq(0))
    return arb(squares).sqrt()


def ball_sum(values: Iterable[arb]) -> arb:
    """Return the sum of balls."""
    return sum(values, arb(0))
