"""What the encoder sees. A corruption is drawn afresh for every batch; the target of training stays the clean x."""
