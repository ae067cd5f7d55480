"""Features in which samples are compared: of a small classifier that is trained here, or principal components."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from aerun.dataset.splits import Split
from aerun.evaluate.subset import subsample
from aerun.metrics import pca
from aerun.trained import Trained

_WIDTH, _MOST, _STEPS, _BATCH, _LR = 64, 20_000, 600, 128, 2e-3


@dataclass(frozen=True)
class Features:
    """Features and how they are computed.

    embed: samples (B, *S) -> (B, d). classify: -> class probabilities (B, K), None without labels. told: what the features are.
    """

    embed: Callable[[Tensor], Tensor]
    classify: Callable[[Tensor], Tensor] | None
    told: str


def features(trained: Trained) -> Features:
    """Return the features in which samples are compared: the last hidden layer (64) of a small classifier trained here.

    The classifier is convolutional for images and dense for others, trained for 600 steps on at most 20,000 training samples.
    Without two classes in the training split the features are at most 64 of its principal components.
    """
    y = trained.data.train.y
    if y is None or len(y.unique()) < 2:
        base = pca.fit(lambda: trained.batches(trained.data.train), min(_WIDTH, trained.autoencoder.facts.size))
        return Features(base.codes, None, f"{base.components.shape[1]} principal components (there are no classes to learn)")
    net = _learned(trained, int(trained.dataset.facts().classes or int(y.max()) + 1))
    accuracy = _accuracy(net, trained, trained.data.test)
    return Features(
        lambda x: torch.cat([net[:-1](part) for part in x.split(2048)]),
        lambda x: torch.cat([net(part).softmax(1) for part in x.split(2048)]),
        f"{_WIDTH} features of a small classifier trained here (test accuracy {accuracy:.3g})",
    )


def classifier(shape: tuple[int, ...], kind: str, mean: Tensor, classes: int) -> nn.Sequential:
    """Return a network (B, *S) -> (B, 64) -> (B, classes); images pass two convolutions of stride 2."""
    body: list[nn.Module]
    if kind == "image" and min(shape[1:]) >= 8:
        tall, wide = (min(7, side // 4) for side in shape[1:])
        body = [nn.Conv2d(shape[0], 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 5, 2, 2), nn.ReLU()]
        body += [nn.AdaptiveAvgPool2d((tall, wide)), nn.Flatten(), nn.Linear(32 * tall * wide, _WIDTH), nn.ReLU()]
    else:
        size = int(torch.Size(shape).numel())
        body = [nn.Flatten(), nn.Linear(size, 256), nn.ReLU(), nn.Linear(256, _WIDTH), nn.ReLU()]
    return nn.Sequential(_Centred(mean), *body, nn.Linear(_WIDTH, classes))


class _Centred(nn.Module):
    mean: Tensor

    def __init__(self, mean: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)

    def forward(self, x: Tensor) -> Tensor:
        centred: Tensor = x - self.mean
        return centred


@torch.enable_grad()
def _learned(trained: Trained, classes: int) -> nn.Sequential:
    facts = trained.autoencoder.facts
    split = subsample(trained.data.train, _MOST, facts.size)
    assert split.y is not None
    x, y = trained.samples(split).to(torch.get_default_dtype()), split.y.long().to(trained.device)
    net = classifier(facts.shape, facts.kind, trained.mean.to(x), classes).to(x)
    optimizer = torch.optim.Adam(net.parameters(), _LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    for _ in range(_STEPS):
        rows = torch.randint(len(x), (min(_BATCH, len(x)),), device=x.device)
        optimizer.zero_grad()
        cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
        schedule.step()
    return net.eval().requires_grad_(False)


def _accuracy(net: nn.Sequential, trained: Trained, split: Split) -> float:
    part = subsample(split, 2000, trained.autoencoder.facts.size)
    assert part.y is not None
    guess = net(trained.samples(part).to(torch.get_default_dtype())).argmax(1).cpu()
    return float((guess == part.y.cpu()).double().mean())
