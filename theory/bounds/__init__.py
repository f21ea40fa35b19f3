"""Generalisation bounds for low-rank adapters, one family a module.

Units: nats unless a name says bits. Every function says which kind its number is: a bound on the mean over samples and
runs (``parameter_count``, ``information``, ``noisy_sgd``), a certificate for the one trained model with probability
1 - delta (``code_length``, ``pac_bayes``, ``compression``, ``rademacher``), or a quantity that needs supersamples and
retraining (``conditional``). A mean bound says nothing of one run.
"""
