"""CIFAR10, read by torchvision."""

from aerun.dataset.vision import Vision


class Cifar10(Vision):
    """Tiny colour photographs: 50,000 + 10,000 images of 3 x 32 x 32 bytes, 10 classes.

    Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html; no formal licence.
    """

    reader = "CIFAR10"
    shape = (3, 32, 32)
