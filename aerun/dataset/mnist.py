"""MNIST, read by torchvision."""

from aerun.dataset.vision import Grey


class Mnist(Grey):
    """Handwritten digits: 60,000 + 10,000 images of 28 x 28 bytes, 10 classes.

    LeCun, Bottou, Bengio & Haffner 1998, https://doi.org/10.1109/5.726791; commonly given as CC BY-SA 3.0.
    """

    reader = "MNIST"
    shape = (1, 28, 28)
