"""What stands between the shell and a run: Hydra's entry, verbs, help, completion, errors in words. Nothing here imports torch
before a run needs it."""
