"""Passes of several runs that are written down and replayed: which are, and that a replay is what the pass is."""

import pytest
import torch

from aerun.trainer.fused import passes
from aerun.trainer.fused.draws import Streams
from aerun.trainer.fused.members import Batch, Members
from aerun.trainer.fused.passes import Passes
from tests.conftest import built


def started(*words):
    """Passes of three members, and batches for them; of each shape the first is written down."""
    models = [built(*words, f"seed={n}").autoencoder.train() for n in range(3)]
    members = Members(models, Streams(torch.device("cpu")))
    members.streams.seed([5, 6, 7])
    batches = torch.rand(6, 3, 4, *models[0].facts.shape, generator=torch.Generator().manual_seed(0))
    return Passes(members), batches


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(passes, "USES", 1)


NOISY = ["model=denoising", "model.arch.hidden=[16]", "model.arch.dropout=0.2"]


@pytest.mark.parametrize("words", [["model=ae", "model.arch.hidden=[16]"], NOISY, ["model=vae", "model.arch.hidden=[16]"]])
def test_a_replay_is_the_pass_whatever_the_weights_have_become(words):
    (one, batches), (other, _) = started(*words), started(*words)
    for number, x in enumerate(batches):
        parts, gradients = one.train(Batch(x), 0.1 * number)
        losses, expected = other.members.objective(Batch(x), 0.1 * number)
        own = torch.autograd.grad(losses.sum(), list(other.members.weights.values()))
        torch.testing.assert_close(parts, expected)
        for gradient, named in zip(own, gradients.items(), strict=True):
            name, found = named
            torch.testing.assert_close(found, gradient)
            assert found.is_contiguous()
            for mine in (one, other):
                mine.members.weights[name].data.sub_(0.1 * gradient)
    assert [r.replay is not None for r in one._repeated.values()] == [True]
    assert all(torch.equal(*pair) for pair in zip(*(m.members.streams.states[2] for m in (one, other)), strict=True))


@pytest.mark.parametrize("words", [["model=vae", "reg.terms.kl.warmup=0.5"], ["model=topk"]])
def test_what_reads_progress_or_changes_a_buffer_is_computed_anew(words):
    (one, batches), (other, _) = started(*words), started(*words)
    for number, x in enumerate(batches):
        parts, _ = one.train(Batch(x), 0.1 * number)
        torch.testing.assert_close(parts, other.members.objective(Batch(x), 0.1 * number)[1].detach())
    assert [r.replay for r in one._repeated.values()] == [None]
    for name, tensor in one.members.rest.items():
        assert torch.equal(tensor, other.members.rest[name])


def test_a_replay_that_comes_to_something_else_is_noticed():
    one, batches = started("model=ae", "model.arch.hidden=[16]")
    loss = one.members.template.loss
    before, calls = type(loss).element, []

    def counted(self, *args):
        calls.append(1)
        return before(self, *args) * len(calls)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(loss), "element", counted)
        values = [float(one.train(Batch(x), 0.5)[0][0, 0]) for x in [batches[0]] * 4]
    assert [r.replay for r in one._repeated.values()] == [None]
    assert values == pytest.approx([values[0] * n for n in (1, 2, 3, 4)])


def test_a_run_that_ends_is_no_longer_there():
    one, batches = started("model=ae", "model.arch.hidden=[16]")
    for x in batches[:3]:
        one.train(Batch(x), 0.5)
    one.members.keep([0, 2])
    parts = [one.train(Batch(batches[0][[0, 2]]), 0.5)[0] for _ in range(3)]
    assert [p.shape[0] for p in parts] == [2, 2, 2]
    torch.testing.assert_close(parts[2], parts[0])
