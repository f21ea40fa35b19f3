"""Tangent features and the kernels made from them."""
