"""The learning rate as a factor of its base value: a pure function of the step, so that a resumed run needs no state."""
