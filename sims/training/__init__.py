"""Training of adapters on frozen backbones: the engine, its configuration, and records of runs."""
