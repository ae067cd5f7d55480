"""How good a model is, and compared with what. No number without its baseline."""
