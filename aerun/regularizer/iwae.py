"""The importance-weighted bound: several codes for each sample, the likely ones with more weight."""

import math

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.core.checks import integer, one_of, within
from aerun.core.errors import AerunError
from aerun.parts import Regularizer
from aerun.regularizer.log_ratio import code_log_ratio, log_density
from aerun.vocabulary import Function, wide

_LEAST = 1e-12  # smallest weight of a code, by which the weight of its gradient is divided


class Iwae(Regularizer):
    """Omega_i = -bound_i - reconstruction_i, of K codes in each of M groups, w_imk = p(x_i|z) p(z) / q(z|x_i), z ~ q; (B,).

    bound = (1 - b) mean_m log mean_k w_mk + b mean_mk log w_mk, K = `samples`, M = `groups`, b = `elbo`. With reg.lambda = 1
    the objective is the negative bound. M = 1, b = 0 is the importance-weighted one, which tightens as K grows; K = 1 or b = 1
    the ELBO with a sampled KL. Use it in place of kl. One of the M K codes is the pass's own; the others cost a decoder pass.

    As K grows the bound tightens and the encoder's gradient drowns in noise. Against it stand
    groups > 1       MIWAE: the noise falls with M, as does the tightness with a smaller K
    elbo > 0         CIWAE: some of the ELBO's gradient (0.05)
    encoder: groups  PIWAE: the decoder descends the bound of all M K codes, which is the one reported; the encoder that of M
                     groups of K
    encoder: dreg    the doubly reparametrized gradient: codes move by w~^2, w~ the normalized weights in a group, and q's own
                     parameters get nothing else. The same on average, with less noise the larger K is.
    same             both descend the bound.
    The two former need another decoder pass. What is reported is the bound and not sum_k w~_k log w_k, which can lie above
    log p(x).

    The reconstruction must be a negative log-likelihood in nats, summed over the sample: bce on binary data, gaussian, ...
    (mse is one of variance 1/2, up to a constant; model.loss.reduction=mean is none).
    Burda et al. 2016, https://arxiv.org/abs/1509.00519; Rainforth et al. 2018, https://arxiv.org/abs/1802.04537; DReG: Tucker
    et al. 2019, https://arxiv.org/abs/1810.04152. Raises AerunError for fewer than one code or group, for an elbo outside
    [0, 1], for encoder=groups with one group, and for encoder=dreg with codes whose units are not independent.
    """

    def __init__(self, *, samples: int, groups: int, elbo: float, encoder: str) -> None:
        super().__init__()
        self.samples = integer("reg.terms.iwae.samples", samples, 1)
        self.groups = integer("reg.terms.iwae.groups", groups, 1)
        self.elbo = within("reg.terms.iwae.elbo", elbo, 0, 1)
        self.encoder = one_of("reg.terms.iwae.encoder", encoder, ("same", "groups", "dreg"))
        if encoder == "groups" and groups == 1:
            raise AerunError("reg.terms.iwae.encoder=groups: needs reg.terms.iwae.groups above 1, such as 8.")

    def forward(
        self,
        z: Tensor,
        posterior: Distribution,
        prior: Distribution,
        reconstruction: Tensor,
        judge: Function,
        factors: Distribution | None = None,
    ) -> Tensor:
        if self.encoder == "dreg" and factors is None:
            raise AerunError(
                "reg.terms.iwae.encoder=dreg needs `factors`, a density that can be taken at any code: "
                "model/bottleneck=gaussian with model.bottleneck.posterior=diagonal. Use encoder=same."
            )
        own, count = wide(reconstruction), self.groups * self.samples
        draws = [z[None]] if count == 1 else [z[None], posterior.rsample(torch.Size([count - 1]))]  # (1, B, d), (M K - 1, B, d)
        # That of the pass is asked for as it is: a posterior may know the density of what it has drawn.
        ratios = [code_log_ratio(z, posterior, prior)[None], *(code_log_ratio(each, posterior, prior) for each in draws[1:])]
        losses = [own[None], *(wide(judge(each.flatten(0, 1))) for each in draws[1:])]
        log_weights = torch.cat([r - loss for r, loss in zip(ratios, losses, strict=True)])  # (M K, B)
        if self.encoder == "same" or not torch.is_grad_enabled():
            return -self.bound(log_weights) - own
        codes = torch.cat(draws)
        moving = self._surrogate(codes, log_weights.detach(), posterior, prior, judge)
        return -self.bound(log_weights.detach()) - (moving - moving.detach()) - own

    def bound(self, log_weights: Tensor) -> Tensor:
        """Return the bound (B,) of log weights (M K, B)."""
        groups = 1 if self.encoder == "groups" else self.groups
        each = log_weights.unflatten(0, (groups, -1))  # (M, K, B)
        tight = (each.logsumexp(1) - math.log(each.shape[1])).mean(0)
        return tight if self.elbo == 0 else (1 - self.elbo) * tight + self.elbo * log_weights.mean(0)

    def _shares(self, log_weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights (M K, B) of log w in the gradient of the decoder, and in that of the encoder."""
        within_group = log_weights.unflatten(0, (self.groups, -1)).softmax(1)
        grouped = within_group.flatten(0, 1) / self.groups
        squared = within_group.square().flatten(0, 1) / self.groups
        plain = self.elbo / len(log_weights)
        decoder = log_weights.softmax(0) if self.encoder == "groups" else grouped
        encoder = grouped if self.encoder == "groups" else squared
        return plain + (1 - self.elbo) * decoder, plain + (1 - self.elbo) * encoder

    def _surrogate(
        self, codes: Tensor, log_weights: Tensor, posterior: Distribution, prior: Distribution, judge: Function
    ) -> Tensor:
        """Return a value (B,) with the gradients that decoder, prior and encoder are to ascend."""
        decoder, encoder = self._shares(log_weights)
        decoder = decoder.clamp_min(_LEAST)
        ratio = (encoder / decoder).reshape(*encoder.shape, *[1] * (codes.ndim - 2))
        scaled = codes.detach() + ratio * (codes - codes.detach())  # the codes, with gradients times the ratio
        joint = torch.stack([log_density(prior, each) for each in scaled]) - wide(judge(scaled.flatten(0, 1)))
        if self.encoder == "groups":
            density = torch.stack([log_density(posterior, each) for each in codes])
        else:
            density = _along_codes(codes, posterior)
        return (decoder * joint - encoder * density).sum(0)


def _along_codes(codes: Tensor, posterior: Distribution) -> Tensor:
    """Return values (K, B) whose gradient is that of log q(z|x) by z alone, with q's own parameters held."""
    points = codes.detach().requires_grad_()
    total = posterior.log_prob(points).sum()
    (slope,) = torch.autograd.grad(total, points)
    return (slope * codes).flatten(2).sum(2)
