"""How sparse a code really is."""

from aerun.trained import Trained

_ON = 1e-3


def measure(trained: Trained) -> dict[str, float]:
    """Return how sparse the code is on the test split.

    L0: mean number of units with |z_j| > 1e-3; dead: the share that never is; l1: mean of sum_j |z_j| ||W_j||, W_j the
    decoder's columns, which a small code with a large decoder cannot lower.
    """
    z = trained.codes(trained.data.test).abs()
    on = (z > _ON).float()
    columns = trained.autoencoder.decoder_weights()[0].detach().norm(dim=0)
    return {
        "l0": float(on.sum(1).mean()),
        "dead": float((on.sum(0) == 0).float().mean()),
        "l1": float((z * columns).sum(1).mean()),
    }
