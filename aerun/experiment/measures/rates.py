"""Whether units are on as often as they were asked to be."""

import torch

from aerun.core.errors import AerunError
from aerun.trained import Trained

_NEAR = 0.1


def measure(trained: Trained) -> dict[str, float]:
    """Return quantiles of the units' rates and the share that is near the target.

    On the training split, rho_j = mean_i z_ij: its 5, 50 and 95 % quantiles over units, and near, the share of units within 10
    % of the rho that was asked for. Raises AerunError where none was asked for.
    """
    asked = [t.regularizer.asked_rate for t in trained.autoencoder.terms.values() if t.regularizer.asked_rate is not None]
    if not asked:
        raise AerunError("measures: rates: needs a regularizer that asks for a rate: regularizer=rate.")
    (rho, *_) = asked
    unit_rates = trained.codes(trained.data.train).mean(0)
    low, middle, high = torch.quantile(unit_rates, unit_rates.new_tensor([0.05, 0.5, 0.95])).tolist()
    near = ((unit_rates - rho).abs() <= _NEAR * rho).float().mean()
    return {"q05": low, "median": middle, "q95": high, "near": float(near)}
