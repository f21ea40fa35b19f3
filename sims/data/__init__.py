"""Data sets by name: embedded real data from scikit-learn, and image sets that are found on this machine or fetched."""

from sims.data.catalogue import CATALOGUE, find, get, load, status, verify
from sims.data.dataset import Data, DataFile, DataSet
from sims.data.samples import few_shot

__all__ = ["CATALOGUE", "Data", "DataFile", "DataSet", "few_shot", "find", "get", "load", "status", "verify"]
