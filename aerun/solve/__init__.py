"""A plan from the data: look at them, decide by rules, run within a budget, and say what came of it."""
