"""Benchmarks by name: data, backbone, the matrices that are adapted, and default settings."""
