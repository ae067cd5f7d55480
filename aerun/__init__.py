"""aerun: a config-driven experiment runner for autoencoders.

    x --corruption--> x_in --encoder--> h --bottleneck--> z --decoder--> raw --loss.activate--> x_hat

    L = reconstruction(x, x_hat) + reg.lambda * sum_k w_k * Omega_k

Every room of this package, every config group and every log key is named after a word of that picture.
"""

__version__ = "0.1.0"
