"""Masks of a supersample: which column of each row is trained on."""

import numpy as np
from jaxtyping import Int, Num

from sims.errors import BadInput

_LISTED = 16  # rows up to which all 2^n masks may be listed


def balanced_masks(rng: np.random.Generator, rows: int, masks: int) -> Int[np.ndarray, "masks rows"]:
    """Return masks of fair bits, independent over rows, in which each row has each value equally often (or nearly).

    Every single mask is uniform on {0, 1}^rows, as the theory asks. Over the masks, each row takes both values
    masks // 2 times (one of them once more if ``masks`` is odd, a fair coin says which): no row is left without an
    observation of a value, and P_U = 1/2 in the table of every row.

    Raises:
        BadInput: no row, or fewer than two masks, with which a row cannot take both values.
    """
    if rows < 1 or masks < 2:
        raise BadInput(f"{rows} rows and {masks} masks: expected at least 1 row and 2 masks")
    bits = np.tile(np.arange(masks) % 2, (rows, 1))
    if masks % 2:
        bits[:, -1] = rng.integers(0, 2, rows)
    return rng.permuted(bits, axis=1).T.astype(np.int64)


def all_masks(rows: int) -> Int[np.ndarray, "masks rows"]:
    """Return all 2^rows masks in lexicographic order: estimates from them are exact given the supersample.

    Raises:
        BadInput: no row, or more rows than can be listed.
    """
    if not 1 <= rows <= _LISTED:
        raise BadInput(f"{rows} rows: all masks can be listed for 1 to {_LISTED} rows; draw balanced masks instead")
    return (np.arange(2**rows)[:, None] >> np.arange(rows)[::-1]) & 1


def trained_columns(values: Num[np.ndarray, "n 2 ..."], mask: Int[np.ndarray, " n"]) -> Num[np.ndarray, "n ..."]:
    """Return the part of a supersample that this mask trains on."""
    return values[np.arange(len(values)), mask]
