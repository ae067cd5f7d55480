"""Reconstructions that an opponent cannot tell from samples, patch by patch: VAE-GAN."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import softplus

from aerun.core.checks import at_least
from aerun.parts import Opposed
from aerun.regularizer.discriminator import checked
from aerun.regularizer.patches import Patches, distance, real
from aerun.vocabulary import Function, wide


class PatchCritic(Opposed):
    """Omega_i = mean over patches of softplus(-D(x_hat_i)) + feature * sum_l ||D_l(x_i) - D_l(x_hat_i)||^2 D / n_l; (B,).

    D is the opponent's logit that a patch is one of a sample, D_l its hidden layers of n_l numbers, D also the number of
    elements of a sample, so that the distance of features stands beside a summed squared error. By turns: the model descends
    Omega with the rest of the objective, the opponent held still; then the opponent descends mean softplus(-D(x)) + mean
    softplus(D(fake)), fakes being reconstructions and, of a random code, what is decoded from the prior.

    encoder: false, the first term teaches the decoder alone, which costs another decoder pass; the distance of features
    teaches both. VAE-GAN is `model=vae regularizer=[kl,patch_critic] reg.terms.patch_critic.feature=1`; there the pixel loss is
    left out, and one of the two rests while the other is behind, which is not done here. The opponent adds texture: expect a
    larger squared error. Watched: `accuracy` of D (near 1 it is saturated and teaches little), `real` and `fake`, its mean
    probabilities. Larsen et al. 2016, https://arxiv.org/abs/1512.09300; patches: Isola et al. 2017,
    https://arxiv.org/abs/1611.07004. Raises AerunError for text, senseless settings, and a loss of hidden elements alone.
    """

    judges_whole = True
    watches = ("accuracy", "real", "fake")

    def __init__(
        self,
        *,
        feature: float,
        encoder: bool,
        hidden: Sequence[int],
        lr: float,
        betas: Sequence[float],
        shape: tuple[int, ...],
        kind: str,
    ) -> None:
        lr, pair = checked("patch_critic", lr, betas)
        super().__init__(lr=lr, betas=pair)
        self.feature = at_least("reg.terms.patch_critic.feature", feature, 0)
        self.encoder, self.size = encoder, int(torch.Size(shape).numel())
        self.opponent: Patches = Patches("patch_critic", shape, kind, hidden)

    def forward(self, x: Tensor, x_hat: Tensor, z: Tensor, decode: Function, valid: Tensor | None = None) -> Tensor:
        features, logits = self.opponent.frozen(real(x_hat, valid))
        if not self.encoder:
            logits = self.opponent.frozen(real(decode(z.detach()), valid))[1]
        omega = softplus(-wide(logits)).mean(1)
        if self.feature > 0:
            with torch.no_grad():
                truth = self.opponent(real(x, valid))[0]
            omega = omega + self.feature * distance(features, truth, self.size)
        return omega

    def oppose(
        self,
        x: Tensor,
        x_hat: Tensor,
        decode: Function,
        posterior: Distribution | None = None,
        prior: Distribution | None = None,
        valid: Tensor | None = None,
    ) -> Tensor:
        fakes = [x_hat]
        if posterior is not None and prior is not None:
            with torch.no_grad():
                fakes.append(decode(prior.sample().to(x_hat)))
        false = torch.cat([softplus(wide(self._logits(fake, valid))) for fake in fakes])
        return softplus(-wide(self._logits(x, valid))).mean() + false.mean()

    def watch(self, x: Tensor, x_hat: Tensor, valid: Tensor | None = None) -> dict[str, Tensor]:
        true, false = (wide(self._logits(v, valid)) for v in (x, x_hat))
        right = (true > 0).float().mean() + (false <= 0).float().mean()
        return {"accuracy": right / 2, "real": torch.sigmoid(true).mean(), "fake": torch.sigmoid(false).mean()}

    def _logits(self, x: Tensor, valid: Tensor | None) -> Tensor:
        logits: Tensor = self.opponent(real(x, valid))[1]
        return logits
