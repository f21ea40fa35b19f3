"""Solvers, one a file; each returns one Solution."""
