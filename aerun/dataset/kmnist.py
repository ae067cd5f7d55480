"""Kuzushiji-MNIST, read by torchvision."""

from aerun.dataset.vision import Grey


class Kmnist(Grey):
    """Old Japanese handwriting, ten hiragana: 60,000 + 10,000 images of 28 x 28 bytes, 10 classes.

    Clanuwat et al. 2018, https://arxiv.org/abs/1812.01718; CC BY-SA 4.0.
    """

    reader = "KMNIST"
    shape = (1, 28, 28)
