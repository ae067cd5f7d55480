"""Penalties on the code or the weights: L = reconstruction + reg.lambda * sum_k weight_k * Omega_k.

Reductions: a per-sample penalty returns (B,), SUMMED over units, and is averaged over the batch once, by the caller; a batch
statistic returns a scalar. So lambda is in units of summed squared error per sample, on every data set. Every term is
logged raw (`reg/NAME`) and weighted (`reg_w/NAME`). Each file of configs/regularizer carries `# @package reg.terms.NAME`.
"""
