"""ASY-BOUNDARY: which factor fits better on average, decided by proved bounds on the error of Theta_r."""

from functools import cache
from math import log

import numpy as np

from proofs_check.boundary_cells import STANDARD_ERRORS, Cell, Comparison, compare
from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.registry import claim
from proofs_check.vanishing_variance import VanishingVariance
from sims.haar import spectral_captured_fits
from theory.captured_fit import spectral_theta_r
from theory.share_bounds import theta_r_error_bounds

LARGE, LARGE_RANK, LARGE_DECAY = 1024, 4, 2.0
DIRECTIONS = (28, 33, 40)
_INTEGRAL = 1e-8  # of the logarithm of an exact mean


def random_cells(count: int, seed: int) -> list[Cell]:
    """Return cells with sides from 16 to 200, rank from 1 to a third of the shorter side (12 at most)."""
    rng = np.random.default_rng([seed, 3])
    cells = []
    for _ in range(count):
        d_out, d_in = (round(16 * (200 / 16) ** rng.random()) for _ in range(2))
        rank = int(rng.integers(1, min(12, min(d_out, d_in) // 3) + 1))
        cells.append(Cell(d_out, d_in, rank, float(rng.uniform(0, 2)), float(rng.uniform(-2, 2))))
    return cells


def one_direction(k: int, draws: int, seed: int) -> Comparison:
    """Return the comparison for variances k^-2 in 1024 dimensions, square, r = 4, the change on direction k alone."""
    spectrum = np.arange(1.0, LARGE + 1.0) ** -LARGE_DECAY
    weights = np.where(np.arange(1, LARGE + 1) == k, spectrum, 0.0)
    return _spectral(spectrum, weights, LARGE, LARGE_RANK, draws, seed)


def below_a_cliff(d_out: int, draws: int, seed: int) -> Comparison:
    """Return the comparison for four variances 1 above twelve of 1/1000, r = 4, the change on the twelve alone.

    Theta_r is too small by the factor pi/2 nearly: for d_out about 200 it is on the wrong side of 1.
    """
    spectrum = np.array([1.0] * 4 + [1e-3] * 12)
    return _spectral(spectrum, np.where(spectrum < 1, spectrum, 0.0), d_out, 4, draws, seed)


def _spectral(spectrum: np.ndarray, weights: np.ndarray, d_out: int, rank: int, draws: int, seed: int) -> Comparison:
    outputs = np.zeros(d_out)
    outputs[: min(d_out, weights.size)] = np.sort(weights)[::-1][:d_out]
    fits = spectral_captured_fits(spectrum, weights, outputs, rank, draws, seed=seed)
    return Comparison(
        fits.log_ratio,
        fits.log_ratio_error,
        log(spectral_theta_r(spectrum, weights, d_out, rank)),
        theta_r_error_bounds(spectrum, weights, rank),
        log(d_out * float(spectrum @ weights) / float(spectrum.sum() * weights.sum())),
    )


@cache
def _comparisons(level: Level, seed: int) -> list[tuple[str, Comparison]]:
    """Return the instances that are measured."""
    found = []
    draws = by_level(level, 200, 400, 2000)
    for number, cell in enumerate(random_cells(by_level(level, 6, 50, 300), seed)):
        name = f"{cell.d_out}x{cell.d_in}, r = {cell.rank}, k^-{cell.decay:.2f}, alignment {cell.alignment:.2f}"
        found.append((name, compare(cell, draws, 1000 * seed + number)))
    for k in by_level(level, DIRECTIONS[:1], DIRECTIONS, DIRECTIONS):
        name = f"d = {LARGE}, r = {LARGE_RANK}, k^-2, change on direction {k}"
        found.append((name, one_direction(k, by_level(level, 500, 2000, 8000), seed)))
    for d_out in by_level(level, (193,), (120, 193, 1000), (120, 193, 1000)):
        name = f"{d_out}x16, r = 4, four variances 1 and twelve of 1/1000, change on these"
        found.append((name, below_a_cliff(d_out, by_level(level, 1000, 2000, 40_000), seed)))
    return found


def _vanishing(level: Level, beyond: tuple[int, ...]) -> list[VanishingVariance]:
    """Return exact instances, down to variances of 1e-10."""
    return [
        VanishingVariance(rank, more, 10.0**-power)
        for rank in by_level(level, (1, 4), (1, 2, 4, 8), (1, 2, 3, 4, 8, 16))
        for more in beyond
        for power in by_level(level, (3, 6), (1, 2, 3, 6, 9), (1, 2, 3, 4, 6, 8, 10))
    ]


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The leading term of the error in the place of its bounds, r + 1 variances 1 above one that vanishes."""
    rows = []
    for instance in _vanishing(level, (1,)):
        cell, lead = instance.comparison(), abs(instance.leading_error)
        off = abs(cell.measured - cell.log_theta_r)
        rows.append(
            Measurement("|ln ratio − ln Θ_r|, at most its leading term", off, lead, "<=", _INTEGRAL, instance.name)
        )
        if abs(cell.log_theta_r) > lead:
            side = cell.measured * float(np.sign(cell.log_theta_r))
            rows.append(Measurement("ln ratio, in the direction of ln Θ_r", side, 0, ">=", 0, instance.name))
    return Evidence(tuple(rows), len(_vanishing(level, (1,))))


@claim(
    id="ASY-BOUNDARY",
    paper="asymmetry",
    statement="B-only fits better than A-only on average (E II_A > E II_B) where ln Θ_r + e⁻ > 0 and worse where ln "
    "Θ_r + e⁺ < 0, Θ_r = d_out Σ p̂_i m_i/(rT), p̂_i = σ_i/(σ_i + λ), Σp̂_i = r, m_i = σ_i‖Δv_i‖². The bounds e⁻ ≤ "
    "ln(E II_A/E II_B) − ln Θ_r ≤ e⁺ are proved for every Σ, Δ, d and r: the extremes of ln(Σp_i m_i/Σp̂_i m_i) over "
    "Σp_i = r; p_i ≥ low_i(r) = E[σ_iA/(σ_iA + Σ_{j≠i}σ_j(1 − low_j(r − 1))z_j²)], A ~ χ²_r, z_j normal, low(0) = 0; "
    "p_i ≤ 1 − low_i(d − r) of Σ⁻¹; p_i in the order of σ_i and p_i/σ_i in the opposite one; p_i ≤ σ_iτ, Σp_i/σ_i = "
    "(d − r − 1)τ.",
    source="this project, in the place of Theorem 4.3 of arXiv 2402.16842",
    kind="lower",
    assumptions=(
        "linear target, squared loss",
        "frozen factors Haar or Gaussian, independent of Δ and Σ",
        "r below the number d of positive variances (else II_A = T)",
    ),
    control="the leading term of the error, |ln(1 − Σw_i(p̂_i − p̄)m_i/(VΣp̂_i m_i))|, in the place of the bounds, "
    "where r + 1 variances are 1 and one vanishes: the error grows without limit, like ln ln(1/ε)",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Bounds against exact means with a vanishing variance, and against draws on random shapes and steep spectra."""
    rows = []
    exact = [(instance.name, instance.comparison()) for instance in _vanishing(level, (0, 1, 2, 5))]
    drawn = _comparisons(level, seed)
    for where, cell in (*exact, *drawn):
        slack = STANDARD_ERRORS * cell.error + _INTEGRAL
        kind = "exact" if cell.error == 0 else "measured"
        rows += [
            Measurement(f"ln ratio, {kind}, less its lower bound", cell.measured - cell.lower, 0, ">=", slack, where),
            Measurement(f"ln ratio, {kind}, less its upper bound", cell.measured - cell.upper, 0, "<=", slack, where),
        ]
        if where.startswith(f"d = {LARGE}"):
            rows.append(Measurement("the bounds leave one sign (1 = yes)", float(cell.proved), 1, "==", 0, where))
    widths = [cell.upper - cell.lower for _, cell in drawn]
    wrong = {
        name: sum(cell.decided and getattr(cell, name) * cell.measured < 0 for _, cell in (*exact, *drawn))
        for name in ("log_theta_r", "log_theta")
    }
    notes = (
        f"decided: {sum(cell.decided for _, cell in drawn)} of {len(drawn)} measured instances",
        f"e⁺ − e⁻ on the measured instances: median {np.median(widths):.3f}, largest {max(widths):.3f}",
        f"wrong signs where the bounds decide: Θ_r {wrong['log_theta_r']}, its limit Θ {wrong['log_theta']}",
    )
    return Evidence(tuple(rows), len(exact) + len(drawn), seeds=(seed,), notes=notes)
