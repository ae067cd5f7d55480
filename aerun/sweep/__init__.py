"""Sweeps that survive: a grid is written down before its first job, each job looks after its own folder.

The same command again goes on where the last one stopped.
"""
