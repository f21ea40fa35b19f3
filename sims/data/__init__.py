"""Data sets by name: real data from scikit-learn, images found on this machine or fetched, sentences found on it."""

from sims.data.catalogue import CATALOGUE, find, get, load, load_text, present, status, verify
from sims.data.dataset import Data, DataFile, DataSet, TextData
from sims.data.samples import few_shot
from sims.data.text import few_shot_text

__all__ = [
    "CATALOGUE",
    "Data",
    "DataFile",
    "DataSet",
    "TextData",
    "few_shot",
    "few_shot_text",
    "find",
    "get",
    "load",
    "load_text",
    "present",
    "status",
    "verify",
]
