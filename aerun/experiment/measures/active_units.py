"""How many units of the code say anything."""

from aerun.trained import Trained

_ACTIVE = 0.01  # variance of a unit's mean over samples


def measure(trained: Trained) -> dict[str, float]:
    """Return count: units with Var_x(z_j(x)) > 0.01 on the test split; share: of all units.

    Burda, Grosse & Salakhutdinov 2016, https://arxiv.org/abs/1509.00519.
    """
    active = trained.codes(trained.data.test).var(0) > _ACTIVE
    return {"count": int(active.sum()), "share": float(active.float().mean())}
