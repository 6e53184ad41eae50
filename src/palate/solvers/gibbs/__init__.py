"""Gibbs sampling for `BayesianMF`: from the fit down to a draw.

`sampling` runs a fit, `choice` decides by `trials` which parts of the model are on, `chain` draws, `kept` sums up what
is kept of the draws (`average` of products, `probes` of their spread), `priors` learns what new users and items are
like, and `diagnostics` tells whether a chain has been running long enough.
"""
