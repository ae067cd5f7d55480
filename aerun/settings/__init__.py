"""From what is typed to settings: overrides, names, what can be chosen, what went wrong. Imports no torch."""
