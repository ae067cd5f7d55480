"""How near a linear autoencoder is to PCA."""

import torch

from aerun.metrics import pca
from aerun.metrics.squared_error import of_elements
from aerun.trained import Trained


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return train and test: squared error over that of PCA with as many components, fitted on the training split.

    At least 1 on that split for a linear decoder. angle: the largest angle, in degrees, between the decoder's columns and the
    components.

    Baldi & Hornik 1989, https://doi.org/10.1016/0893-6080(89)90014-2.
    """
    model, data = trained.autoencoder, trained.data
    baseline = pca.fit(lambda: trained.batches(data.train), model.code_elements)
    ratios = {}
    for name, split in (("train", data.train), ("test", data.test)):
        x = trained.samples(split)
        ratios[name] = float(of_elements(model(x), x, exact=True).sum() / of_elements(baseline(x), x, exact=True).sum())
    basis = torch.linalg.qr(model.decoder_weights()[0].double())[0]
    cosines = torch.linalg.svdvals(basis.t() @ baseline.components.double())
    return {**ratios, "angle": float(torch.rad2deg(torch.acos(cosines.clamp(max=1)).max()))}
