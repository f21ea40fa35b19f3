"""ASY-THETA: what the ratio of the mean captured fits is: Theta in the limit, Theta_r at a given rank."""

import numpy as np

from proofs_check.evidence import Evidence, Level, Measurement
from proofs_check.instances import by_level
from proofs_check.linear_instances import STANDARD_ERRORS, covariance, spectrum
from proofs_check.registry import claim
from sims.haar import captured_fits, spectral_captured_fits
from theory.captured_fit import (
    captured_shares,
    effective_rank,
    spectral_theta_r,
    spectral_theta_r_error,
    theta,
    theta_r,
    variance_weights,
)
from theory.share_bounds import theta_r_error_bounds

# Effective rank over r from which Theta is used; its relative error is then of the order of the inverse.
_RATIO = 10.0

# Spectrum, d, r and the last of the eight eigen-directions on which Delta acts. Between them Theta < 1 < Theta_r twice.
_SPIKY = (
    ("-2", 256, 8, 24),
    ("-2", 256, 16, 32),
    ("-2", 192, 16, 192),
    ("-1", 192, 16, 8),
    ("-1", 192, 16, 150),
)


def _agrees(name: str, log_ratio: float, error: float, predicted: float, order: float, instance: str) -> Measurement:
    """Return 'log E II_A/E II_B is log predicted' up to the order of the approximation and the error of the draws."""
    tolerance = STANDARD_ERRORS * error + order
    return Measurement(name, log_ratio, float(np.log(predicted)), "==", tolerance, instance)


def _next_order(values: np.ndarray, r: int) -> float:
    """Return V^-2, V = sum phat (1 - phat): the order of what the leading error of Theta_r leaves out for large V."""
    shares = captured_shares(values, r)
    return float(shares @ (1.0 - shares)) ** -2


def _wide(level: Level, seed: int) -> list[Measurement]:
    """Return log(mean II_A/mean II_B) beside both criteria where Tr Sigma/||Sigma|| is at least 10 r."""
    rows = []
    for trial, (law, exponent, d_out, d_in, r) in enumerate(
        (("flat", 0.0, 48, 48, 3), ("flat", -2.0, 32, 64, 4), ("0", 1.0, 64, 48, 4), ("-0.25", 0.5, 64, 96, 3))
    ):
        rng = np.random.default_rng([seed, trial])
        sigma = covariance(rng, spectrum(law, d_in))
        values, vectors = np.linalg.eigh(sigma)
        delta = rng.standard_normal((d_out, d_in)) @ (vectors * values**exponent).T
        wide = effective_rank(sigma) / r
        fits = captured_fits(delta, sigma, r, by_level(level, 150, 1500, 15_000), seed=seed + trial)
        name = f"{d_out}x{d_in}, r = {r}, spectrum {law}, Δ ∝ σ^{exponent:g}, effective rank {wide:.0f} r"
        found, limit = (fits.log_ratio, fits.log_ratio_error), theta(delta, sigma)
        variances, weights = variance_weights(delta, sigma)
        finite = theta_r(delta, sigma, r) * float(np.exp(spectral_theta_r_error(variances, weights, r)))
        rows += [
            Measurement("effective rank of Σ over r", wide, _RATIO, ">=", 0.0, name),
            _agrees("log E II_A/E II_B against log Θ", *found, limit, 1.0 / wide, name),
            _agrees("log E II_A/E II_B against log Θ_r + δ", *found, finite, _next_order(variances, r), name),
        ]
    return rows


def _spiky(level: Level, seed: int, *, limit: bool) -> list[Measurement]:
    """Return the same for spectra k^-1 and k^-2, where the effective rank is small; by Theta if ``limit``.

    The side of 1 is checked where the proved bounds of the error of Theta_r decide it, by these or by Theta.
    """
    rows = []
    for trial, (law, d, r, last) in enumerate(_SPIKY):
        values = spectrum(law, d)
        m = np.where((np.arange(d) >= last - 8) & (np.arange(d) < last), values, 0.0)
        fits = spectral_captured_fits(values, m, m, r, by_level(level, 40, 400, 4000), seed=seed + trial)
        finite, asymptotic = spectral_theta_r(values, m, d, r), d * float(values @ m) / float(values.sum() * m.sum())
        leading = spectral_theta_r_error(values, m, r)
        corrected = finite * float(np.exp(leading))
        name = f"d = {d}, r = {r}, spectrum k^{law}, Δ on directions {last - 7} to {last}"
        shown = f"log E II_A/E II_B against log {'Θ' if limit else 'Θ_r + δ'}, spiky"
        predicted = asymptotic if limit else corrected
        rows.append(_agrees(shown, fits.log_ratio, fits.log_ratio_error, predicted, _next_order(values, r), name))
        bounds = theta_r_error_bounds(values, m, r)
        ends = np.log(finite) + np.array([bounds.low, bounds.high])
        if ends[0] * ends[1] > 0:
            side = float(np.sign(np.log(asymptotic) if limit else ends[0])) * fits.log_ratio
            slack = STANDARD_ERRORS * fits.log_ratio_error
            rows.append(Measurement("log E II_A/E II_B, on the predicted side of 0", side, 0.0, ">=", slack, name))
    return rows


def _control(level: Level, seed: int, data: str) -> Evidence:
    """The asymptotic Theta where Tr Sigma/||Sigma|| is of the order of r: even the side of 1 comes out wrong."""
    rows = _spiky(level, seed, limit=True)
    return Evidence(tuple(rows), len(_SPIKY), seeds=(seed,))


@claim(
    id="ASY-THETA",
    paper="asymmetry",
    statement="E II_A/E II_B → Θ = (d_out/d_in)·d_in Tr[ΔΣ²Δᵀ]/(Tr Σ·Tr[ΔΣΔᵀ]) when Tr Σ/‖Σ‖ ≫ r. At rank r it is Θ_r "
    "= d_out Σ p̂_i m_i/(rT), p̂_i = σ_i/(σ_i+λ), Σp̂_i = r, up to an error in the log that for large V = Σw_i, w_i = "
    "p̂_i(1−p̂_i), is δ = ln(1 − Σ w_i(p̂_i−p̄)m_i/(VΣp̂_i m_i)), p̄ = Σw_i p̂_i/V, but for terms of order V⁻². The "
    "error has no bound of that form: with r + 1 equal variances over one that vanishes it tends to infinity "
    "(ASY-BOUNDARY, whose proved bounds say which side of 1 is certain). The random ratio concentrates only if r(Tr "
    "K)²/‖K‖_F² → ∞ for both K = MMᵀ and K = ΣΔᵀΔΣ.",
    source="this project (criterion behind arXiv 2402.16842, Theorem 4.3; deterministic equivalents)",
    kind="asymptotic",
    assumptions=(
        "linear target, squared loss",
        "Q, U uniform or Gaussian",
        "Θ: effective rank of Σ at least 10 r here",
        "δ: delta method, not proved; V ≥ 2.5 here, spectra k⁻¹, k⁻² and nearly flat",
    ),
    control="Θ instead of Θ_r where the effective rank of Σ is small (spectra k⁻¹, k⁻²)",
    control_check=_control,
)
def check(level: Level, seed: int, data: str) -> Evidence:
    """Compare both criteria with means over random factors, in wide and in spiky spectra."""
    rows = _wide(level, seed) + _spiky(level, seed, limit=False)
    return Evidence(tuple(rows), len({m.instance for m in rows}), seeds=(seed,))
