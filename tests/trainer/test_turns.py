"""Training by turns: each phase moves its own parameters and no other, to the last bit."""

import pytest
import torch
from torch.optim import SGD

from aerun.core.errors import StoppedError
from aerun.regularizer.tc import gaussian_tc
from aerun.train import train
from aerun.trainer.lightning import Training
from aerun.trainer.turns import Turn
from tests.conftest import built, composed
from tests.runs.test_resume import same
from tests.shell import timeless

SMALL = ["model.arch.hidden=[16]", "model.latent_dim=4", "trainer.progress=false"]
INDEPENDENT = (("tc", "beta_tcvae"), ("factor", "factor_vae"))
FEW = ["trainer.max_epochs=20", "trainer.progress=false"]
LITTLE = [*SMALL, "reg.terms.adversarial.hidden=[16]"]


def groups(model):
    """Copies of the weights, by who owns them."""
    owners = {"encoder": model.arch.encoder, "decoder": model.arch.decoder, "opponent": model.regularizers}
    return {k: torch.cat([p.detach().flatten().clone() for p in m.parameters()]) for k, m in owners.items()}


def moved(before, after):
    return {k for k in before if not torch.equal(before[k], after[k])}


@pytest.fixture
def phases(monkeypatch):
    """What each phase of every batch moves, in a training by Lightning: a list of (phase 1, phase 2, phase 3)."""
    found, last = [], {}

    def take(self, *args, **kwargs):
        model = self.autoencoder
        one = groups(model)
        original["take"](self, *args, **kwargs)
        three = groups(model)
        found.append((moved(last["start"], one), moved(one, last["two"]), moved(last["two"], three)))
        last["start"] = three

    def teach(self, *args, **kwargs):
        original["teach"](self, *args, **kwargs)
        last["two"] = groups(self.autoencoder)

    def init(self, key, regularizer, autoencoder):
        original["init"](self, key, regularizer, autoencoder)
        last["start"] = groups(autoencoder)

    original = {"take": Turn.take, "teach": Turn.teach, "init": Turn.__init__}
    monkeypatch.setattr(Turn, "take", take)
    monkeypatch.setattr(Turn, "teach", teach)
    monkeypatch.setattr(Turn, "__init__", init)
    return found


def run(folder, *overrides):
    """Train in `folder`; its results."""
    return train(composed("pictures=[]", *overrides), folder, "test")


def state(folder, name="last"):
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


@pytest.mark.parametrize("more", [[], ["model/bottleneck=gaussian", "trainer.gradient_clip=1"]], ids=["plain", "random code"])
def test_each_phase_moves_its_own(tmp_path, phases, more):
    """P32: phase 1 the autoencoder, phase 2 the opponent, phase 3 the encoder; nothing else, in any batch."""
    run(tmp_path / "run", "model=adversarial", *LITTLE, "trainer=smoke", *more)
    assert phases == [({"encoder", "decoder"}, {"opponent"}, {"encoder"})] * 3


def test_an_opponent_that_is_not_apart_learns_in_phase_two_only(tmp_path, phases):
    """P32 for factor: the term descends with the rest, the opponent held still."""
    more = ["regularizer=factor", "reg.terms.factor.hidden=[16]", "reg.lambda=50"]
    run(tmp_path / "run", *SMALL, "trainer=smoke", *more)
    assert phases == [({"encoder", "decoder"}, {"opponent"}, set())] * 3


def test_a_factor_term_moves_the_encoder(tmp_path):
    with_it, without = (
        run(tmp_path / str(k), *SMALL, "trainer=smoke", "regularizer=factor", f"reg.lambda={k}") and state(tmp_path / str(k))
        for k in (50, 0)
    )
    key = "autoencoder.arch.encoder.1.weight"
    assert not torch.equal(with_it["state_dict"][key], without["state_dict"][key])


@pytest.mark.parametrize("kind", ["adversarial", "factor", "mmd"])
@pytest.mark.parametrize("zero", ["reg.lambda=0", "reg.terms.KIND.weight=0"])
def test_zero_weight_is_the_plain_autoencoder_bit_for_bit(tmp_path, kind, zero):
    """The opponent is neither trained nor drawn for."""
    noisy = [*SMALL, "model/corruption=gaussian", "trainer.max_epochs=2", "trainer.batch_size=100", "trainer.limit_batches=2"]
    run(tmp_path / "plain", *noisy)
    run(tmp_path / "zero", *noisy, f"regularizer={kind}", zero.replace("KIND", kind))
    ours, theirs = state(tmp_path / "zero")["state_dict"], state(tmp_path / "plain")["state_dict"]
    assert {k for k in ours if k not in theirs} == {k for k in ours if ".opponent." in k}
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs)
    assert len(state(tmp_path / "zero")["optimizer_states"]) == 1
    fresh = built(*noisy, f"regularizer={kind}").autoencoder.state_dict()
    assert all(torch.equal(ours[f"autoencoder.{k}"], v) for k, v in fresh.items() if ".opponent." in k)


def one_turn(*overrides, progress=0.5, factor=1.0, clip=None, x=None, x_seen=None):
    """The model before and after one turn on a fixed batch, and its turn."""
    torch.manual_seed(0)
    model = built("model=adversarial", *LITTLE, *overrides).autoencoder
    (key, regularizer) = next(iter(model.opposed().items()))
    x = torch.rand(32, *model.facts.shape, generator=torch.Generator().manual_seed(1)) if x is None else x
    turn, names = Turn(key, regularizer, model), model.objective(x, progress).names
    before = groups(model)
    torch.manual_seed(2)
    turn.take(names, x, None, progress=progress, factor=factor, clip=clip)
    return before, groups(model), turn


def length(before, after, owner="encoder"):
    return (after[owner] - before[owner]).norm().item()


def test_lambda_scales_the_encoders_step_and_not_the_opponents():
    """Adam would undo a factor of the loss."""
    one, two = one_turn("reg.lambda=1"), one_turn("reg.lambda=2")
    half = one_turn("reg.lambda=2", "reg.terms.adversarial.weight=0.25")
    assert length(*two[:2]) == pytest.approx(2 * length(*one[:2]), rel=1e-3)
    assert length(*half[:2]) == pytest.approx(0.5 * length(*one[:2]), rel=1e-3)
    assert torch.equal(one[1]["opponent"], two[1]["opponent"])


def test_learning_rates_follow_the_schedule_and_the_ramp():
    whole, slow = one_turn(), one_turn(factor=0.1)
    for owner in ("encoder", "opponent"):
        assert length(*slow[:2], owner) == pytest.approx(0.1 * length(*whole[:2], owner), rel=1e-2)
    ramp = one_turn("reg.terms.adversarial.warmup=0.5", progress=0.1)
    assert length(*ramp[:2]) == pytest.approx(0.2 * length(*whole[:2]), rel=1e-2)
    still = one_turn("reg.terms.adversarial.warmup=0.5", progress=0.0)
    assert moved(*still[:2]) == {"opponent"}


def test_the_opponents_settings_are_those_of_its_option():
    own = one_turn("reg.terms.adversarial.lr=0.01", "reg.terms.adversarial.betas=[0.3,0.8]")
    for optimizer in own[2].optimizers:
        assert [g["betas"] for g in optimizer.param_groups] == [(0.3, 0.8)]
        assert [g["lr"] for g in optimizer.param_groups] == [0.01]
    assert length(*own[:2], "opponent") == pytest.approx(20 * length(*one_turn()[:2], "opponent"), rel=0.1)


def test_clipping_bounds_each_phase(monkeypatch):
    """By SGD, whose step is the gradient."""
    monkeypatch.setattr("aerun.trainer.turns._adam", lambda r, p: SGD(list(p), r.lr))
    before, after, _ = one_turn(clip=1e-3)
    for owner in ("encoder", "opponent"):
        assert length(before, after, owner) == pytest.approx(5e-4 * 1e-3, rel=0.05)


def test_a_turn_leaves_no_gradient_behind():
    _, _, turn = one_turn("regularizer=[factor,adversarial]")
    assert all(p.grad is None for o in turn.optimizers for p in turn.regularizer.parameters())
    assert all(p.grad is None for p in turn.autoencoder.parameters())


def test_the_fresh_pass_draws_anew_where_grey_values_are_probabilities(monkeypatch):
    """Phase 3 sees what phase 1 sees: black and white, and new noise."""
    model = built("model=adversarial", *LITTLE).autoencoder
    model.facts = type(model.facts)(**{**vars(model.facts), "binarize": True})
    seen, x = [], torch.full((16, *model.facts.shape), 0.5)
    original = model.code_pass
    monkeypatch.setattr(model, "code_pass", lambda x, *rest, **about: seen.append(x) or original(x, *rest, **about))
    turn = Turn("adversarial", model.opposed()["adversarial"], model)
    turn.take(model.objective(x, 0.5).names, x, None, progress=0.5, factor=1.0, clip=None)
    assert all(set(s.unique().tolist()) == {0.0, 1.0} for s in seen)
    assert len(seen) == 2
    assert not torch.equal(*seen)


def test_the_apart_term_is_reported_and_not_descended():
    """In the objective of phase 1 it is a figure; its gradient is phase 3's."""
    model = built("model=adversarial", *LITTLE).autoencoder
    value = model.objective(torch.rand(16, *model.facts.shape), 0.5)
    parts = dict(zip(model.keys(True), value.parts, strict=True))
    torch.testing.assert_close(parts["loss"], parts["reconstruction"] + parts["reg_w/adversarial"])
    torch.testing.assert_close(value.loss, parts["reconstruction"])
    value.loss.backward()
    plain = built("model=ae", *SMALL).autoencoder
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if ".opponent." not in k})
    assert all(p.grad is None for p in model.regularizers.parameters())


def test_stopped_and_resumed_is_the_same_run(tmp_path, monkeypatch):
    """N epochs and M resumed are N + M straight, with opponents of both kinds: weights, every optimizer, every figure."""
    given = ["model=factor_vae", "regularizer=[kl,factor,adversarial]", *LITTLE, "reg.terms.factor.hidden=[16]"]
    given += ["model/corruption=gaussian", "trainer.max_epochs=5", "trainer.save_every=0", "reg.terms.kl.weight=0.1"]
    whole, folder = tmp_path / "whole", tmp_path / "stopped"
    run(whole, *given)
    original = Training.on_train_epoch_start
    with monkeypatch.context() as patch:
        patch.setattr(Training, "on_train_epoch_start", lambda self: stop() if self.current_epoch == 2 else original(self))
        with pytest.raises(StoppedError):
            run(folder, *given)
    assert state(folder)["epoch"] == 1
    train(composed("pictures=[]", *given), folder, "test", resume=True)
    assert timeless(folder) == timeless(whole)
    assert len(timeless(whole)) == 5
    for name in ("best", "last"):
        ours, theirs = state(folder, name), state(whole, name)
        assert len(ours["optimizer_states"]) == (4 if name == "last" else 0)  # the model's, two opponents', the apart encoder's
        assert same(ours["state_dict"], theirs["state_dict"])
        assert same(ours["optimizer_states"], theirs["optimizer_states"])


def stop():
    raise StoppedError(143)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
@pytest.mark.parametrize("model", ["adversarial", "wae", "factor_vae", "beta_tcvae", "iwae"])
def test_recipes_run_in_every_precision(tmp_path, model, precision):
    found = run(tmp_path / "run", f"model={model}", "trainer=smoke", f"trainer.precision={precision}", "trainer.progress=false")
    assert found["status"] == "completed"
    assert all(v == v for k, v in found.items() if k.startswith("val/"))


def codes(folder, *overrides):
    """Codes of all samples that were not trained on, by the best weights."""
    plan = built(*overrides)
    model, data = plan.autoencoder, plan.dataset.load()
    weights = {k.removeprefix("autoencoder."): v for k, v in state(folder, "best")["state_dict"].items()}
    model.load_state_dict(weights)
    torch.manual_seed(0)
    with torch.no_grad():
        return model.eval().code_pass(model.units(torch.cat([data.val.x, data.test.x])))["z"]


@pytest.mark.slow
def test_independence_on_real_data(tmp_path):
    """A variational code that kl hardly holds is correlated; either term takes most of that away, in 20 epochs.

    Of no weight, both are the same run (`test_zero_weight_is_the_plain_autoencoder_bit_for_bit`): it is trained once.
    """
    found = {}
    for name, recipe, term in (("plain", "beta_tcvae", "tc.weight=0"), *((k, m, f"{k}.weight=5") for k, m in INDEPENDENT)):
        given = [f"model={recipe}", "reg.terms.kl.weight=0.1", f"reg.terms.{term}", *FEW]
        run(tmp_path / name, *given)
        found[name] = gaussian_tc(codes(tmp_path / name, *given))
    assert found["plain"] > 0.1
    assert all(found[kind] < 0.5 * found["plain"] for kind, _ in INDEPENDENT)
