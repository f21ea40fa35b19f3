"""Generalisation bounds for low-rank adapters, one family a module.

Units: nats unless a name says bits. Every function says which kind its number is: a bound on the mean over samples and
runs (``parameter_count``, ``information``, ``noisy_sgd``, ``lipschitz_composition``), a certificate for the one trained
model with probability 1 - delta (``code_length``, ``pac_bayes``, ``compression``, ``rademacher``; ``tokens`` where the
data are dependent), or a quantity that needs supersamples and retraining (``conditional``). A mean bound says nothing
of one run. ``sampling_deviation`` is the other side, what no bound can undercut. ``kl_inverse`` and
``discrete_information`` are exact functions that the families are written in.
"""
