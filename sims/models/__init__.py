"""Frozen networks with adaptable linear maps: random ones drawn from a key, and BERT-family checkpoints."""
