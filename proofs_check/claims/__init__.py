"""The claims: one module each, declared with ``proofs_check.registry.claim``."""
