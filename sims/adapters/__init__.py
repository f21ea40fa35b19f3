"""Adapters: which factors of which matrices are trained, and how they start."""
