"""The schedule of training: how the objective is descended. Lightning runs the loop and calls what `lightning.py` holds."""
