"""A trained model in use: a run's folder in, an answer out.

`load` builds the model of a run's folder, which may be a stranger's. `Model` answers in the data's own stored units: bytes for
images of bytes, raw columns for tables, arrays of their own length for sequences, words for text.
"""
