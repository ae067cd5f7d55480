"""A generative adversarial network of two small perceptrons: a baseline of one experiment, not a model of aerun's."""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

_STEPS, _BATCH, _WIDTH, _NOISE = 4000, 256, 128, 2
_LR, _BETAS = 1e-3, (0.5, 0.999)


def samples(x: Tensor, n: int) -> Tensor:
    """Train on x (N, D) for 4,000 steps; n samples (n, D) of the generator.

    min_G max_D mean log D(x) + mean log(1 - D(G(u))), u ~ N(0, I), the generator by -mean log D(G(u)).
    Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661.
    """
    generator, judge = _net(_NOISE, x.shape[1]).to(x.device), _net(x.shape[1], 1).to(x.device)
    makes = torch.optim.Adam(generator.parameters(), _LR, _BETAS)
    judges = torch.optim.Adam(judge.parameters(), _LR, _BETAS)
    for _ in range(_STEPS):
        real = x[torch.randint(len(x), (_BATCH,), device=x.device)]
        made = generator(torch.randn(_BATCH, _NOISE, device=x.device))
        _step(judges, softplus(-judge(real)).mean() + softplus(judge(made.detach())).mean())
        _step(makes, softplus(-judge(made)).mean())
    with torch.no_grad():
        drawn: Tensor = generator(torch.randn(n, _NOISE, device=x.device))
    return drawn


def _net(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, outputs))


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
