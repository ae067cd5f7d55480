"""Measures that know no model: arrays in, numbers out."""
