"""Proofs whose steps their claim already measures: Version G of Theorem 5.1 (G1 to G6) and KKR Theorem 1 (K1 to K5).

The claim's check is cached, so that a step costs nothing after the claim itself.
"""

from proofs_check.claims import kkr_t1, ntk_t5_1
from proofs_check.evidence import Evidence, Level
from proofs_check.registry import Check, proof_step


def _measured(check: Check, step: str) -> Check:
    """Return a check that keeps the measurements of the claim whose names begin with the step."""

    def selected(level: Level, seed: int, data: str) -> Evidence:
        evidence = check(level, seed, data)
        kept = tuple(m for m in evidence.measurements if m.name.startswith(step))
        return Evidence(kept, len({m.instance for m in kept}), evidence.certificate, seeds=evidence.seeds)

    selected.__qualname__ = f"measured_{step}"
    return selected


_GENERALISATION = {
    "G1": "E sup (L − L̂)(δ) − (L − L̂)(δ_true) over ‖δ − δ_true‖_* ≤ D is at most (2√2 L/N) D E‖Σ ε_ij G_ij‖_op "
    "(symmetrisation, vector contraction, duality).",
    "G2": "E‖Σ ε_ij G_ij‖_op ≤ √(Σ‖G_ij‖²_F) ≤ √(KN) R.",
    "G3": "Bounded differences 2L√K R D/N: McDiarmid adds √2 L√K R D √(log 1/η)/√N; the sum is κD.",
    "G4": "‖δ̂ − δ_true‖_* > D contradicts convexity at the point of the segment at distance D.",
    "G5": "L(δ̂) − L(δ_true) ≤ (1+ε)λ‖δ_true‖_* − λ‖δ̂‖_* + κD.",
    "G6": "2‖P‖_op‖δ*_λ‖_* ≤ ελ‖δ_true‖_* makes a second-order point of the perturbed objective such a δ̂.",
}
_KKR = {
    "K1": "∇f = −λ L Rᵀ + S⊥ with LᵀS⊥ = 0, S⊥R = 0, L and R the singular bases of X.",
    "K2": "The second-order condition along (−u* u_rᵀA, v* v_rᵀB) gives ‖S⊥‖ ≤ λ + βσ_r(X).",
    "K3": "Some g in ∂(λ‖X‖_*) has ‖g + ∇f‖ ≤ βσ_r.",
    "K4": "With κ = σ_{r*}/(βσ_r) the top r* singular space of X − κ(g + ∇f) is that of X; Eckart-Young against X*.",
    "K5": "Restricted strong convexity and monotonicity: (2κα − 1)‖X* − X‖² + ‖X_{r*} − X‖² ≤ 0.",
}
for _step, _statement in _GENERALISATION.items():
    proof_step(claim="NTK-T5.1", id=_step, statement=_statement)(_measured(ntk_t5_1.check, _step))
for _step, _statement in _KKR.items():
    proof_step(claim="KKR-T1", id=_step, statement=_statement)(_measured(kkr_t1.check, _step))
