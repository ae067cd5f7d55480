"""FashionMNIST, read by torchvision."""

from aerun.dataset.vision import Grey


class FashionMnist(Grey):
    """Articles of clothing: 60,000 + 10,000 images of 28 x 28 bytes, 10 classes.

    Xiao, Rasul & Vollgraf 2017, https://arxiv.org/abs/1708.07747; MIT.
    """

    reader = "FashionMNIST"
    shape = (1, 28, 28)
