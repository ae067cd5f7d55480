"""Data sets: what samples are, and how they are read.

`facts()` is cheap and known before the samples are read. `read()` reads them, and what it read is checked against the facts.
`load()` is the same for all data sets and keeps to `dataset.normal` where that is set.

Labels travel beside the samples for evaluation; training never sees them. Bytes stay bytes: a batch is divided by
`facts().unit` when it is drawn.
"""
