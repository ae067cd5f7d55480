"""How good is it, against what. No number without its baseline."""
