"""The schedule of training: how the objective is descended. Lightning runs the loop; what it calls is in `lightning.py`."""
