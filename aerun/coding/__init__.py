"""Codes as bytes: a uniform quantizer, tables of how often its levels occur, and an entropy coder near their entropy."""
