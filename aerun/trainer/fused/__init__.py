"""Several runs that differ only in numbers, trained as one: theta_1..theta_A stacked into (A, *shape), one pass for all.

The runs do not touch each other: the gradient of sum_a L_a with respect to theta_a is that of L_a. Small models leave a
processor waiting for the next call; A of them in one call take little more time than one. Nothing is gained where a single
product already fills the processor, so large models are trained one after another (Wang et al. 2021, "Horizontally fused
training array", https://arxiv.org/abs/2102.02344; `torch.func.vmap`). Each run keeps its own order of samples, noise,
learning rate, weights of regularizers, best epoch and checkpoints: what comes out is what it would have been alone, to the
rounding of floats.
"""
