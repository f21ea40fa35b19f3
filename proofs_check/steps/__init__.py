"""Proofs as executable steps; each registers itself with `proof_step`."""
