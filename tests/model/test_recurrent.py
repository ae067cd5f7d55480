"""The recurrent arch: lengths, order of writing, free running, the code's part in it."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

from aerun.core.errors import AerunError
from aerun.dataset.splits import Data
from aerun.metrics import pca
from aerun.model.arch.recurrent import flip
from aerun.model.arch.recurrent_decoder import Autoregressive
from tests.conftest import built

RAGGED = ["dataset=japanese_vowels", "model=recurrent", "model.arch.hidden=8", "model.latent_dim=5"]
KINDS = [
    ("lstm", "repeat", "true", 1),
    ("gru", "repeat", "false", 2),
    ("lstm", "autoregressive", "false", 2),
    ("gru", "autoregressive", "true", 1),
]
T, F = 29, 12


def settings(cell, decoder, reverse, layers):
    found = [f"model.arch.cell={cell}", f"model.arch.decoder={decoder}", f"model.arch.reverse={reverse}"]
    taught = ["model.arch.teacher_forcing=1"] if decoder == "autoregressive" else []
    return [*found, f"model.arch.layers={layers}", *taught]


def ragged(*more, lengths=(7, 29, 13, 20)):
    """A model in float64 that is centred on something, and stored samples of these lengths."""
    model = built(*RAGGED, *more).autoencoder.double()
    g = torch.Generator().manual_seed(1)
    stored = torch.randn(len(lengths), T, F, generator=g)
    for row, length in zip(stored, lengths, strict=True):
        row[length:] = float("nan")
    model.start_from(stored)
    return model, stored


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("more", [[], ["model/corruption=masking", "model.corruption.show_mask=true"]], ids=["plain", "mask"])
def test_values_behind_the_end_change_nothing(kind, more, double):
    """P22: neither code, loss, taught loss nor reconstruction, by not one bit; and no gradient goes there."""
    model, stored = ragged(*settings(*kind), *more)
    other = torch.where(stored.isnan(), torch.tensor(1e3), stored)
    other[..., 0] = stored[..., 0]  # the first feature alone says where a sample ends
    valid = model.facts.valid(stored)
    assert torch.equal(valid, model.facts.valid(other))
    found = []
    for each in (stored, other):
        x = model.units(each)
        torch.manual_seed(3)
        mask = torch.rand(x.shape) < 0.3 if model.arch.sees_mask else None
        free = model.objective(x, None, valid).loss
        taught = model.objective(x, 0.0, valid).loss
        found.append([model.encode(x, mask, valid), model(x, mask, valid), free, taught])
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(model.units(stored), model.units(other))
    x = model.units(other).requires_grad_()
    (gradient,) = torch.autograd.grad(model.encode(x, valid=valid).sum(), x)
    assert (gradient[~valid] == 0).all()
    assert (gradient[valid] != 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_the_same_alone_and_among_longer_ones(kind, double):
    """P22: the batch's longest sample changes neither code nor reconstruction; without `valid` a whole sample is meant."""
    model, stored = ragged(*settings(*kind))
    x, valid = model.units(stored), model.facts.valid(stored)
    z, x_hat = model.encode(x, valid=valid), model(x, valid=valid)
    for i, length in enumerate(valid.sum(1).tolist()):
        alone = x[i : i + 1, :length]
        torch.testing.assert_close(model.encode(alone), z[i : i + 1], rtol=1e-12, atol=1e-13)
        steps = torch.ones(1, length, dtype=torch.bool)
        torch.testing.assert_close(model(alone, valid=steps), x_hat[i : i + 1, :length], rtol=1e-12, atol=1e-13)
        assert (model.arch.decode(z, valid)[i, length:] == 0).all()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_code_is_made_of_the_state_after_the_last_real_step(cell, double):
    """P22: torch's packed sequences are the oracle."""
    model, stored = ragged(f"model.arch.cell={cell}", "model.arch.layers=2")
    x, valid = model.units(stored), model.facts.valid(stored)
    _, reader, last = model.arch.encoder
    packed = pack_padded_sequence(x - model.arch.mean, valid.sum(1), batch_first=True, enforce_sorted=False)
    state = reader(packed)[1]
    state = state[0] if cell == "lstm" else state
    torch.testing.assert_close(model.encode(x, valid=valid), last(state[-1]), rtol=1e-12, atol=1e-13)


def test_flip_reverses_what_is_real_and_is_its_own_inverse():
    x = torch.arange(1.0, 11).reshape(2, 5, 1)
    valid = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    assert flip(x, valid)[..., 0].tolist() == [[3, 2, 1, 5, 4], [10, 9, 8, 7, 6]]
    assert torch.equal(flip(flip(x, valid), valid), x)
    assert torch.equal(flip(x, None), x.flip(1))


@pytest.mark.parametrize("decoder", ["repeat", "autoregressive"])
def test_the_last_step_is_written_first(decoder):
    """Reversed writing is put back in order by each sample's own length; forward writing is left as it is."""
    for reverse in (True, False):
        model, stored = ragged(f"model.arch.decoder={decoder}", f"model.arch.reverse={reverse}")
        valid = model.facts.valid(stored)
        z = torch.randn(len(stored), 5, dtype=torch.float64)
        written = model.arch.writer(z, T, model.arch.mean, None, 0.0)
        raw = model.arch.decode(z, valid)
        for i, length in enumerate(valid.sum(1).tolist()):
            expected = written[i, :length].flip(0) if reverse else written[i, :length]
            torch.testing.assert_close(raw[i, :length], expected)
        torch.testing.assert_close(model.arch.decode(z), written.flip(1) if reverse else written)


@pytest.mark.parametrize("kind", [k for k in KINDS if k[1] == "autoregressive"])
def test_free_running_knows_x_through_the_code_alone(kind, double):
    """P23: with z fixed, x has no way into `decode`, nor into a taught pass once teaching is over; before, it has."""
    model, stored = ragged(*settings(*kind), "model.arch.teacher_forcing_until=0.4")
    valid = model.facts.valid(stored)
    x = model.units(stored).requires_grad_()
    z = model.encode(x, valid=valid).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(model.arch.decode_taught(z, x, valid, 0.0).sum(), x)
    assert (gradient.abs().sum((1, 2)) > 0).all()
    for raw in (model.arch.decode(z, valid), *(model.arch.decode_taught(z, x, valid, p) for p in (0.4, 1.0))):
        assert torch.autograd.grad(raw.sum(), x, allow_unused=True)[0] is None
    assert torch.equal(model.arch.decode(z, valid), model.arch.decode_taught(z, x, valid, 1.0))


def test_validation_never_teaches():
    """P23: what validation and the use pass say does not depend on teacher_forcing; training at its start does."""
    found = []
    for p in (0, 1):
        model, stored = ragged("model.arch.decoder=autoregressive", f"model.arch.teacher_forcing={p}")
        x, valid = model.units(stored), model.facts.valid(stored)
        model.train()
        found.append([model.objective(x, None, valid).loss, model(x, valid=valid).sum(), model.objective(x, 0.0, valid).loss])
    assert found[0][:2] == found[1][:2]
    assert found[0][2] != found[1][2]


def fed(model, x, valid, progress):
    """What the decoder read as its last output at each step from the second on, (B, T - 1, F), while writing."""
    seen = []
    hook = model.arch.writer.cells[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model.arch.decode_taught(torch.zeros(len(x), 5, dtype=x.dtype), x, valid, progress)
    hook.remove()
    return torch.stack(seen[1:], 1)[..., :F]


@pytest.mark.parametrize("progress", [0.0, 0.2, 0.5, 0.9])
def test_the_share_of_truth_falls_linearly(progress, double):
    """Scheduled sampling: p = 0.8 (1 - progress / 0.8), drawn for each sample and step; else the activated own output."""
    lengths = [T] * 100
    more = ["model.arch.decoder=autoregressive", "model.arch.teacher_forcing=0.8", "model.arch.teacher_forcing_until=0.8"]
    model, stored = ragged(*more, lengths=lengths)
    x, valid = model.units(stored), model.facts.valid(stored)
    torch.manual_seed(0)
    read = fed(model, x, valid, progress)
    truth = flip(x - model.arch.mean, valid)[:, :-1]
    taught = (read == truth).all(-1)
    p, n = 0.8 * max(0.0, 1 - progress / 0.8), taught.numel()
    assert abs(taught.double().mean().item() - p) <= 4 * (p * (1 - p) / n) ** 0.5
    if 0 < p < 1:
        assert (taught[0] != taught[1]).any()


def test_the_own_output_is_fed_back_activated_and_centred():
    model = built("model=recurrent", "dataset=pendigits", "model.arch.decoder=autoregressive", "model.loss.activation=sigmoid")
    model = model.autoencoder
    model.start_from(torch.randint(0, 101, (50, 8, 2), dtype=torch.uint8))
    seen = []
    model.arch.writer.cells[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    z = torch.randn(3, 16)
    x_hat = model.decode(z).flip(1)
    assert (seen[0][:, :2] == 0).all()
    torch.testing.assert_close(torch.stack(seen[1:], 1)[..., :2], x_hat[:, :-1] - model.arch.mean)
    assert torch.equal(torch.stack(seen, 1)[..., 2:], z[:, None].expand(-1, 8, -1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bottleneck", ["vector", "gaussian"])
def test_weights_are_named_from_end_to_end(kind, bottleneck):
    """The first of the decoder has a column for each code unit, the last of the encoder a row for each feature; no biases."""
    model = built(*RAGGED, *settings(*kind), f"model/bottleneck={bottleneck}", "model.loss.reduction=sum").autoencoder
    down, up = model.arch.encoder_weights(), model.arch.decoder_weights()
    assert up[0].shape[1] == 5
    assert down[-1].shape[0] == model.bottleneck.features
    assert up[-1].shape == (F, 8)
    every = {id(w) for w in model.arch.parameters() if w.ndim >= 2}
    assert {id(w) for w in [*down, *up]} == every


def test_forget_gates_start_open():
    for decoder in ("repeat", "autoregressive"):
        arch = built(*RAGGED, f"model.arch.decoder={decoder}", "model.arch.layers=2").autoencoder.arch
        biases = {n: b for n, b in arch.named_parameters() if "bias_" in n}
        assert len(biases) == 8
        for name, bias in biases.items():
            assert (bias[8:16] == (1.0 if "bias_ih" in name else 0.0)).all(), name


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_encoders_jacobian_can_be_penalized(cell):
    """Double backward through the fused kernels of a CPU gives what float64 gives, value and gradient."""
    found = []
    for dtype in (torch.float32, torch.float64):
        torch.manual_seed(0)
        plan = built(*RAGGED, "regularizer=contractive", "reg.terms.contractive.method=exact", f"model.arch.cell={cell}")
        model = plan.autoencoder.to(dtype)
        g = torch.Generator().manual_seed(2)
        x = torch.randn(6, T, F, generator=g).to(dtype)
        valid = torch.arange(T) < torch.tensor([7, 9, 29, 13, 20, 25])[:, None]
        value = model.objective(x, 1.0, valid)
        value.loss.backward()
        gradients = [p.grad.double().flatten() for p in model.arch.encoder.parameters() if p.grad is not None]
        found.append((value.parts[2].double(), torch.cat(gradients)))
    (omega, gradient), (expected, true) = found
    jacobian = torch.autograd.functional.jacobian(lambda x: model.encode(x, valid=valid).sum(0), x)
    torch.testing.assert_close(jacobian.square().sum((0, 2, 3)).mean(), expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(omega, expected, rtol=1e-4, atol=0)
    assert (gradient - true).norm() < 1e-4 * true.norm()


@pytest.mark.parametrize("decoder", ["repeat", "autoregressive"])
def test_half_precision_trains(decoder):
    model, stored = ragged(f"model.arch.decoder={decoder}")
    model = model.float()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.objective(model.units(stored), 0.0, model.facts.valid(stored)).loss
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_text_is_read_through_an_embedding_and_sequences_are_not():
    arch = built("model=recurrent", "dataset=text", "model.arch.decoder=autoregressive").autoencoder.arch
    for embed in (arch.encoder[0], arch.writer.embed):
        assert embed.weight.shape == (64, 27)
        assert embed.bias is None
    assert not list(built(*RAGGED).autoencoder.arch.encoder[0].parameters())


@pytest.mark.parametrize("dataset", ["sines", "japanese_vowels", "pendigits", "text"])
def test_the_first_reconstruction_is_about_the_training_mean(dataset):
    """The input is centred on each feature's mean over the steps that are reached, and the output starts there."""
    plan = built("model=recurrent", f"dataset={dataset}")
    model, stored = plan.autoencoder, plan.dataset.load().train.x[:200]
    model.start_from(stored)
    x, valid = model.units(stored), model.facts.valid(stored)
    real = torch.ones(x.shape[:2], dtype=torch.bool) if valid is None else valid
    mean = x[real].mean(0)
    assert (model(x, valid=valid)[real] - x[real]).square().sum() < 1.2 * (mean - x[real]).square().sum()
    counts = real.sum(0)
    steps = (x * real[..., None]).sum(0)[counts > 0] / counts[counts > 0, None]
    torch.testing.assert_close(model.arch.mean, steps.mean(0), rtol=1e-4, atol=1e-5)


def test_a_step_that_no_training_sample_has_does_not_pull_the_mean():
    model, stored = ragged(lengths=(7, 9))
    model.start_from(stored + 5)
    assert (model.arch.mean - 5).abs().max() < 1.5


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["dataset=digits"], r"model/arch=recurrent needs sequences.*kind is image.*dataset=sines.*japanese_vowels.*text"),
        (["dataset=sines", "model.arch.teacher_forcing=0.5"], "repeat feeds nothing back.*autoregressive"),
        (["dataset=sines", "model.arch.teacher_forcing=1.5"], r"model\.arch\.teacher_forcing=1\.5.*between 0 and 1"),
        (["dataset=sines", "model.arch.teacher_forcing_until=0"], r"model\.arch\.teacher_forcing_until=0.*above 0"),
        (["dataset=sines", "model.arch.cell=rnn"], r"model\.arch\.cell=rnn.*lstm, gru"),
        (["dataset=sines", "model.arch.decoder=taught"], r"model\.arch\.decoder=taught.*repeat, autoregressive"),
        (["dataset=sines", "model.arch.hidden=0"], r"model\.arch\.hidden=0"),
        (["dataset=sines", "model.arch.layers=0"], r"model\.arch\.layers=0"),
    ],
)
def test_what_makes_no_sense_is_refused(overrides, words):
    with pytest.raises(AerunError, match=words):
        built("model=recurrent", *overrides)


def trained(*overrides, steps, lr=5e-3, batch=64, clip=1.0, without=None):
    """A model after so many steps on a data set, less a class of its training samples, and the data."""
    torch.manual_seed(0)
    plan = built("model=recurrent", *overrides)
    model, data = plan.autoencoder, plan.dataset.load()
    if without is not None:
        data = Data(data.train.take((data.train.y != without).nonzero()[:, 0]), data.val, data.test)
    model.start_from(data.train.x)
    g = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, 2 * (1 - step / steps))
        stored = data.train.x[torch.randint(len(data.train), (batch,), generator=g)]
        optimizer.zero_grad()
        model.objective(model.units(stored), step / steps, model.facts.valid(stored)).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    return model.eval(), data


@torch.no_grad()
def errors(model, stored, shuffled=False):
    """Squared error per element of each sample, free-running."""
    x, valid = model.units(stored), model.facts.valid(stored)
    z = model.encode(x, valid=valid)
    error = model.decode(z.roll(1, 0) if shuffled else z, valid) - x
    real = torch.ones_like(x) if valid is None else valid[..., None].expand_as(x).to(x)
    return (error.square() * real).sum((1, 2)) / real.sum((1, 2))


def test_the_code_matters_and_reversed_writing_is_learned_sooner():
    """P24: codes of others raise the error at least fivefold; at an equal budget reversed beats forward threefold."""
    short = {"steps": 200, "batch": 32, "lr": 1e-2}
    overrides = ["dataset=sines", "dataset.n=700", "model.arch.hidden=32"]
    model, data = trained(*overrides, **short)
    backward = errors(model, data.test.x).mean()
    assert errors(model, data.test.x, shuffled=True).mean() > 5 * backward
    assert backward < errors(trained(*overrides, "model.arch.reverse=false", **short)[0], data.test.x).mean() / 3


def auroc(normal, anomalous):
    """Probability that an anomaly scores above a normal sample."""
    return (anomalous[:, None] > normal).double().mean().item()


@pytest.mark.slow
def test_unknown_speakers_are_found_in_sequences_of_varying_length():
    """E10: fitted without a speaker, the error tells him apart better than PCA of pooled statistics with as long a code."""
    ours, pooled = [], []
    for speaker in (0, 8):
        model, data = trained(
            "dataset=japanese_vowels", "model.arch.cell=gru", "model.latent_dim=4", steps=500, lr=3e-3, without=speaker
        )
        other = data.test.y == speaker
        error = errors(model, data.test.x)
        ours.append(auroc(error[~other], error[other]))
        train, test = pooled_statistics(data.train.x), pooled_statistics(data.test.x)
        baseline = pca.fit(lambda train=train: iter([train]), 4)
        error = (baseline(test) - test).square().sum(1)
        pooled.append(auroc(error[~other], error[other]))
    assert all(a > b for a, b in zip(ours, pooled, strict=True)), (ours, pooled)
    assert sum(ours) / 2 >= 0.90


def pooled_statistics(stored):
    """Mean and deviation over the real steps of each feature, (n, 2 F): what is left where lengths are not handled."""
    mean = stored.nanmean(1)
    return torch.cat([mean, (stored - mean[:, None]).square().nanmean(1).sqrt()], 1)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_an_exported_decoder_holds_one_step_and_writes_the_same(cell):
    writer = Autoregressive(cell=cell, latent_dim=3, hidden=4, layers=2, size=2, text=False, activate=torch.tanh).eval()
    z, mean = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0.1, -0.2])

    class Written(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.writer = writer
            self.register_buffer("mean", mean)

        def forward(self, z):
            return self.writer(z, 30, self.mean, None, 0.0)

    with torch.no_grad():
        batch = torch.export.Dim("batch", min=1)
        program = torch.export.export(Written(), (z[:2],), dynamic_shapes=({0: batch},), strict=False)
        assert len(program.graph.nodes) < 60
        for x in (z, z[:1]):
            torch.testing.assert_close(program.module()(x), writer(x, 30, mean, None, 0.0))
