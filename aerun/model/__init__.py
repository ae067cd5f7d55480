"""The parts of a model: arch, bottleneck, corruption, loss."""
