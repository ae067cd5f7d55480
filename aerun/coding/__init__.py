"""Codes as bytes: a uniform quantizer, tables of how often its levels come, and an entropy coder near their entropy."""
