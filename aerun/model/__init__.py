"""The parts that make a model: arch, bottleneck, corruption, loss."""
