"""Where a run's figures go as it trains, and at its end: a logger is a module here, chosen by its name (`logger=[NAMES]`).

Every logger gets the settings, the figures of each epoch, the pictures, the figures at the end, tags, notes and the run's card.
metrics.csv is written by every run, whatever is chosen: training goes on from it.
"""
