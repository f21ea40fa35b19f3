"""Adapters as bit strings: quantisation, a self-delimiting code, and the way back to identical weights.

The length of the string is what a code-length certificate (`theory.bounds.code_length`) charges.
"""

from sims.coding.codec import CodedAdapter, Factor, code_length, decode, encode, fixed_length, pack, unpack
from sims.coding.quantise import largest_step, quantise_fixed, quantise_with_feedback, step_as_stored

__all__ = [
    "CodedAdapter",
    "Factor",
    "code_length",
    "decode",
    "encode",
    "fixed_length",
    "largest_step",
    "pack",
    "quantise_fixed",
    "quantise_with_feedback",
    "step_as_stored",
    "unpack",
]
