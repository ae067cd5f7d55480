"""From the data's own units to the model's, and back.

A preparation is part of the model: it is fitted on the training split alone, kept in the model's checkpoints, applied
wherever the model is used, and inverted so that outputs are in the data's own units.
"""
