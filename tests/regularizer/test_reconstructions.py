"""P77: terms that look at reconstructions: an opponent of patches, and features of a fixed network."""

import pytest
import torch

from aerun.core.errors import AerunError
from aerun.regularizer.patch_critic import PatchCritic
from aerun.regularizer.patches import Patches
from aerun.regularizer.perceptual import Perceptual
from aerun.trainer.turns import Turn
from tests.conftest import built, descend

pytestmark = pytest.mark.usefixtures("double")

SMALL = ["model=vae", "model.arch.hidden=[16]"]
FIXED = {"features": "random", "network": None}
CRITIC = [*SMALL, "regularizer=[kl,patch_critic]"]


def state(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def moved(before, module):
    return {k for k, v in module.state_dict().items() if not torch.equal(v, before[k])}


def test_in_its_turn_the_opponent_alone_moves_and_learns():
    torch.manual_seed(0)
    model = built(*CRITIC, "reg.terms.patch_critic.lr=5e-3").autoencoder.double().train()
    turn = Turn("patch_critic", model.terms["patch_critic"].regularizer, model)
    before, x = state(model), torch.rand(64, 1, 8, 8).round()
    for _ in range(60):
        turn.teach(model.objective_pass(x, None, 0.5), factor=1.0, clip=None)
    assert {k.partition(".opponent.")[0] for k in moved(before, model)} == {"regularizers.patch_critic"}
    assert model.terms["patch_critic"].regularizer.watch(x, model(x))["accuracy"] > 0.95
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("encoder", [True, False])
def test_the_opponents_judgement_reaches_what_it_should(encoder):
    """encoder=false: the encoder's gradient from it is 0 to the bit; the opponent's own is none, in either case."""
    torch.manual_seed(0)
    words = [*CRITIC, f"reg.terms.patch_critic.encoder={str(encoder).lower()}"]
    model = built(*words).autoencoder.double().train()
    term = model.terms["patch_critic"].regularizer
    names = model.objective_pass(torch.rand(6, 1, 8, 8), None, 0.5)
    value = term(names["x"], names["x_hat"], names["z"], names["decode"])
    assert value.shape == (6,)
    value.sum().backward()
    encoder_slopes = [p.grad for p in model.arch.encoder.parameters()]
    assert all((g is not None and g.abs().max() > 0) if encoder else (g is None or (g == 0).all()) for g in encoder_slopes)
    assert all(p.grad.abs().max() > 0 for p in model.arch.decoder.parameters())
    assert all(p.grad is None for p in term.opponent.parameters())


def test_features_agree_where_the_reconstruction_is_the_sample():
    torch.manual_seed(0)
    x = torch.rand(5, 1, 8, 8)
    settings = {"hidden": [8, 16], "shape": (1, 8, 8), "kind": "image"}
    perceptual = Perceptual(**FIXED, draw=0, **settings).double()
    assert (perceptual(x, x) == 0).all()
    assert (perceptual(x, x + 0.1) > 0).all()
    torch.testing.assert_close(perceptual(x[:2], x[:2] * 0.9), perceptual(x, x * 0.9)[:2])
    one, same, other = (Perceptual(**FIXED, draw=d, **settings).network.state_dict() for d in (0, 0, 1))
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not torch.equal(one["layers.0.weight"], other["layers.0.weight"])
    critic = PatchCritic(feature=1.0, encoder=True, lr=1e-3, betas=[0.5, 0.9], **settings).double()
    plain = PatchCritic(feature=0.0, encoder=True, lr=1e-3, betas=[0.5, 0.9], **settings).double()
    plain.load_state_dict(critic.state_dict())
    torch.testing.assert_close(critic(x, x, x, lambda z: z), plain(x, x, x, lambda z: z))
    assert (critic(x, x * 0.9, x, lambda z: z) > plain(x, x * 0.9, x, lambda z: z)).all()


def test_the_fixed_network_is_the_same_to_the_bit_after_training(digits):
    model = built(*SMALL, "regularizer=[kl,perceptual]").autoencoder
    before = state(model.regularizers["perceptual"])
    descend(model, digits, steps=5)
    assert not moved(before, model.regularizers["perceptual"])
    assert len(before) == 6


@pytest.mark.parametrize(
    ("shape", "kind", "patches"),
    [((3, 12, 20), "image", 3 * 5), ((30, 4), "sequence", 8), ((7,), "table", 1), ((1, 2, 2), "image", 4)],
)
def test_patches_of_every_kind_of_data(shape, kind, patches):
    features, logits = Patches("patch_critic", shape, kind, [5, 6])(torch.randn(3, *shape))
    assert logits.shape == (3, patches)
    assert [f.shape[1] for f in features] == [5, 6]


@pytest.mark.parametrize("name", ["patch_critic", "perceptual"])
def test_terms_on_reconstructions_refuse_what_they_cannot_judge(name):
    for words, said in (
        (["dataset=text", "model/arch=recurrent"], "text is made of symbols"),
        (["model=inpainting"], "judges whole samples"),
        ([f"reg.terms.{name}.hidden=[]"], rf"{name}\.hidden"),
    ):
        with pytest.raises(AerunError, match=said):
            built(*words, f"regularizer={name}")


def test_padding_is_nothing_that_an_opponent_could_see():
    x, valid = torch.rand(4, 10, 2), torch.arange(10) < torch.tensor([[10], [4], [7], [1]])
    settings = {"hidden": [8], "shape": (10, 2), "kind": "sequence"}
    for term in (
        PatchCritic(feature=1.0, encoder=True, lr=1e-3, betas=[0.5, 0.9], **settings).double(),
        Perceptual(**FIXED, draw=0, **settings).double(),
    ):
        given = {"z": x, "decode": lambda z: z} if isinstance(term, PatchCritic) else {}
        wild = torch.where(valid[..., None], x * 0.9, 7.0)
        torch.testing.assert_close(term(x, wild, **given, valid=valid), term(x, x * 0.9, **given, valid=valid))
