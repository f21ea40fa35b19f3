"""Formulas of the papers: arrays and numbers in, arrays and numbers out.

Importing this package switches JAX to 64-bit floats: theory and certificates are float64 throughout.
"""

import jax

jax.config.update("jax_enable_x64", True)
