"""Data sets. `facts()` is cheap and known before anything is read; `load()` reads, and what it read is held against the facts.

Labels travel beside the samples for evaluation; training never sees them. Bytes stay bytes: a batch is divided by
`facts().unit` when it is drawn.
"""
