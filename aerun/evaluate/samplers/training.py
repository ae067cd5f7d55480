"""How the networks of samplers are trained."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from aerun.core.seeding import own_draws

_STEPS, _ROWS, _LR, _EVERY, _PATIENCE = 600, 256, 3e-3, 25, 6


def best_of(
    network: nn.Module,
    rows: Tensor,
    loss: Callable[[Tensor], Tensor],
    begin: Callable[[Tensor], None] = lambda own: None,
    batch: int = _ROWS,
) -> None:
    """Train a network on nine tenths of `rows` (n, E) and leave it with the weights that are best on the others.

    loss: rows to their losses, (n,). begin: is called first, with the rows that are trained on. At most 600 steps of Adam with
    `batch` rows each, of a rate that falls to 0 along a cosine; judged before the first and after every 25, and ended where the
    last 150 brought nothing better. With fewer than 20 rows nothing is trained.
    """
    if len(rows) < 20:
        begin(rows)
        return
    order = torch.randperm(len(rows))
    held, own = rows[order[: len(rows) // 10]], rows[order[len(rows) // 10 :]]
    begin(own)
    optimizer = torch.optim.Adam(network.parameters(), lr=_LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    best, weights, since = _judged(loss, held, batch), copy.deepcopy(network.state_dict()), 0
    for step in range(1, _STEPS + 1):
        optimizer.zero_grad()
        loss(own[torch.randint(len(own), (batch,))]).mean().backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        schedule.step()
        if step % _EVERY:
            continue
        now, since = _judged(loss, held, batch), since + 1
        if now < best:
            best, weights, since = now, copy.deepcopy(network.state_dict()), 0
        if since == _PATIENCE:
            break
    network.load_state_dict(weights)


@torch.no_grad()
def _judged(loss: Callable[[Tensor], Tensor], rows: Tensor, batch: int) -> float:
    with own_draws(0):  # the same draws every time, where a loss draws
        return float(torch.cat([loss(part) for part in rows.split(8 * batch)]).mean())
