"""How a reconstruction is judged: one value per sample, summed over the event axes, on the decoder's `raw` output.

The loss owns the output activation, so that a loss and its activation cannot disagree. Every loss returns (B,), the SUM over
the event; the caller takes the one batch mean. `reduction: mean` divides by the number D of elements: the same trade-off
then needs a lambda D times smaller, and `reg/effective_lambda` is logged for that reason.
"""
