"""From what is typed to settings: overrides, names, choices, error messages. Imports no torch."""
