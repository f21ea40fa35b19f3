"""Modules that need packages which are not installed are not collected."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") and find_spec("transformers") else ["test_checkpoint_live.py"]
