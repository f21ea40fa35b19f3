"""The commands of lora-theory, one module each.

Modules here import only what their signature needs; everything heavy (JAX) is imported when a command runs, so that
`lora-theory --help` answers at once.
"""
