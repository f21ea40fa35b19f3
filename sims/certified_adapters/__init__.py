"""Adapters of the head of a frozen backbone, trained, quantised, coded and certified on real data.

The training part of a data set is cut in two: a public part, which backbone, frozen factors and centring may depend on,
and the sample, which only the coded numbers may depend on. `task` makes the features, `fits` trains, `certify` codes.
"""

from sims.certified_adapters.certify import Certified, certify
from sims.certified_adapters.fits import Fit, fit, least_squares
from sims.certified_adapters.frozen import frozen_a, frozen_b
from sims.certified_adapters.task import Task, make_task, public_head

__all__ = [
    "Certified",
    "Fit",
    "Task",
    "certify",
    "fit",
    "frozen_a",
    "frozen_b",
    "least_squares",
    "make_task",
    "public_head",
]
