"""Cells of a table replaced by those of other rows."""

import torch
from torch import Tensor

from aerun.core.checks import within
from aerun.model.corruption.base import refuse_kind
from aerun.parts import Corruption

Column = tuple[str, str, int, int]


class Swap(Corruption):
    """x_in[i, c] = x[pi_c(i), c] with probability p for each cell (row i, column c), else x[i, c]. x (B, D).

    pi_c is a random cycle through the rows of the batch, another one for each column, so that no cell is its own donor and
    every column keeps its values. A column is all that stands for it: the words of a category, and the mark of its missing
    cells. `mask`: the cells that were drawn, though half of the swaps of a balanced column of two words change nothing.

    Jahrer 2017, https://www.kaggle.com/c/porto-seguro-safe-driver-prediction/discussion/44629. Raises AerunError for data
    that are no tables.
    """

    offers = frozenset({"mask"})
    is_noise = False
    owner: Tensor  # (D,) the column of each element

    def __init__(self, *, p: float, shape: tuple[int, ...], kind: str, columns: tuple[Column, ...]) -> None:
        super().__init__()
        refuse_kind("swap", kind, ("table",), "whose rows lend each other the cells of a column")
        self.p = within("model.corruption.p", p, 0, 1)
        names = [name for name, _, _, length in columns for _ in range(length)] or [str(i) for i in range(shape[0])]
        order = {name: i for i, name in enumerate(dict.fromkeys(names))}
        self.count = len(order)
        self.register_buffer("owner", torch.tensor([order[name] for name in names]), persistent=False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        like = x[:, :1].expand(-1, self.count)
        order = torch.rand_like(like).argsort(0)
        donor = torch.empty_like(order).scatter(0, order, order.roll(-1, 0))
        mask = (torch.rand_like(like) < self.p)[:, self.owner]
        return {"x_in": torch.where(mask, x.gather(0, donor[:, self.owner]), x), "mask": mask}

    def describe(self) -> str:
        return f"{100 * self.p:g} % of the cells from other rows"
