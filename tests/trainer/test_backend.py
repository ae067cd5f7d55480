"""How many threads train a model."""

import pytest
import torch
from torch import nn

from aerun.trainer.backend import few_threads


@pytest.fixture
def two(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("model", "threads"),
    [(nn.Linear(64, 32), 1), (nn.Linear(784, 512), 2), (nn.Conv1d(1, 2, 3), 2), (nn.GRU(4, 4), 2)],
)
def test_a_small_model_has_one_thread_for_its_training(two, model, threads):
    with few_threads(list(model.modules()), 128, torch.device("cpu")) as words:
        assert torch.get_num_threads() == threads
        assert bool(words) == (threads == 1)
    assert torch.get_num_threads() == 2


def test_threads_that_are_asked_for_are_kept(two, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with few_threads([nn.Linear(64, 32)], 128, torch.device("cpu")) as words:
        assert (torch.get_num_threads(), words) == (2, "")
