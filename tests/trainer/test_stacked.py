"""Greedy layer-wise training: what is fixed stays fixed, what is learned is used, and a stopped run goes on."""

import json

import pytest
import torch

from aerun.core.errors import AerunError, StoppedError
from aerun.trainer.layer import layer
from aerun.trainer.stacked import _represented
from tests.conftest import built, descend
from tests.runs.test_resume import figures
from tests.shell import here, metrics

DEEP = ["model=stacked", "model.latent_dim=6", "schedule=constant"]


def trained_layers(plan, data, steps=600):
    """All layers trained greedily without Lightning; the weights of each after its own turn."""
    whole, kept = plan.autoencoder, []
    whole.start_from(data.train.x)
    for number in range(1, len(whole.arch.levels) + 1):
        model = layer(whole, number)
        descend(model, data, steps=steps, lr=1e-2)
        kept.append([p.detach().clone() for p in model.parameters()])
        data = _represented(model, data)
    return kept


def test_layers_cover_the_whole_and_only_it():
    """Every parameter belongs to exactly one layer; run inwards and back they are the encoder and the decoder."""
    model = built(*DEEP, "model.arch.norm=layer").autoencoder.eval()
    own = [p for n in range(1, 5) for p in layer(model, n).parameters()]
    assert {id(p) for p in own} == {id(p) for p in model.parameters()}
    assert len(own) == len({id(p) for p in own})
    x = torch.rand(5, 1, 8, 8)
    h = x - model.arch.mean
    for level in model.arch.levels:
        h = level.down(h)
    assert torch.equal(h, model.encode(x))
    for level in reversed(model.arch.levels):
        h = level.after(level.up(h))
    assert torch.equal(h, model(x))


def test_lower_layers_stay_and_the_unrolled_network_has_learned(digits):
    """P41: layers below l bit-identical while l trains; unrolled loss under 60 % of the mean's before fine-tuning."""
    torch.manual_seed(0)
    plan = built(*DEEP)
    kept = trained_layers(plan, digits)
    for number, before in enumerate(kept, 1):
        assert all(torch.equal(a, b) for a, b in zip(before, layer(plan.autoencoder, number).parameters(), strict=True))
    model = plan.autoencoder.eval()
    x = model.units(digits.train.x)
    assert (model(x) - x).flatten(1).square().sum(1).mean() < 0.6 * (x - x.mean(0)).flatten(1).square().sum(1).mean()


@pytest.mark.slow
def test_pretraining_helps_a_deep_sigmoid_network(digits):
    """P42: at equal fine-tuning by plain descent the pretrained network learns and the random one stays at the mean."""
    found = {}
    for pretrained in (True, False):
        torch.manual_seed(0)
        plan = built(*DEEP)
        if pretrained:
            trained_layers(plan, digits)
        model = descend(plan.autoencoder, digits, optimizer="sgd", steps=600, lr=2e-2)
        x = model.units(digits.val.x)
        found[pretrained] = (model(x) - x).flatten(1).square().sum(1).mean().item()
    assert found[True] < 0.5 * found[False]


@pytest.mark.slow
@pytest.mark.parametrize("extra", [[], ["model/corruption=masking"], ["model/arch=mlp", "model.arch.norm=batch"], ["model=ae"]])
def test_every_phase_is_logged_and_kept(tmp_path, extra):
    told = here(
        tmp_path,
        *DEEP,
        *extra,
        "trainer=stacked",
        "trainer.max_epochs=2",
        "trainer.layer_epochs=2",
        "pictures=[]",
        "hydra.run.dir=run",
    )
    assert told.code == 0, told.err
    levels = 3 if "model=ae" in extra else 4
    for number in range(1, levels + 1):
        phase = tmp_path / "run" / "phases" / f"layer_{number}"
        assert len(metrics(phase)) == 2
        assert json.loads((phase / "results.json").read_text())["status"] == "completed"
        assert torch.load(phase / "checkpoints" / "best.ckpt", weights_only=True)["epoch"] in (0, 1)
    assert len(metrics(tmp_path / "run")) == 2


SHORT = [
    "model=stacked",
    "model/corruption=masking",
    "model.arch.hidden=[12,10]",
    "trainer.max_epochs=4",
    "pictures=[]",
    "trainer.layer_epochs=4",
]


@pytest.mark.slow
@pytest.mark.parametrize("stop", ["layer_1", "layer_2", "fine-tuning"])
def test_resumed_inside_any_phase_equals_straight(tmp_path, monkeypatch, stop):
    """A run stopped in the middle of a phase ends with the same figures, bit for bit."""
    assert here(tmp_path, *SHORT, "hydra.run.dir=straight").code == 0
    from aerun.trainer.lightning import Training

    where = "stopped" if stop == "fine-tuning" else stop
    original = Training.on_train_epoch_start

    def interrupted(self):
        if self.trainer.default_root_dir.endswith(where) and self.current_epoch == 2:
            raise StoppedError(130)
        original(self)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "on_train_epoch_start", interrupted)
        assert here(tmp_path, *SHORT, "hydra.run.dir=stopped").code == 130
    assert here(tmp_path, "resume", "stopped").code == 0
    assert figures(tmp_path / "stopped") == figures(tmp_path / "straight")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["model/corruption=masking", "model.corruption.show_mask=true"], "mask"),
        (["model/corruption=salt_pepper"], "hidden layers too"),
        (["trainer.layer_epochs=0"], "layer_epochs"),
    ],
)
def test_what_cannot_be_stacked_is_refused(overrides, words):
    with pytest.raises(AerunError, match=words):
        built("trainer=stacked", *overrides)


def test_representations_are_clean_and_in_eval_mode(digits):
    """h_{l-1} without dropout and corruption: twice the same."""
    plan = built("trainer=stacked", "model.arch.dropout=0.5", "model/corruption=gaussian")
    plan.autoencoder.train()
    first, second = (_represented(layer(plan.autoencoder, 1), digits).train.x for _ in range(2))
    assert torch.equal(first, second)
