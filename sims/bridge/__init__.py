"""Bridges to libraries that need help to run; each has one module."""
