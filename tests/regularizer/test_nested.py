"""Nested codes: every prefix of a code is a code (P91, P92, P93)."""

import math

import pytest
import torch

from aerun.core.errors import AerunError
from aerun.evaluate.prefixes import size_errors
from aerun.metrics import pca
from aerun.regularizer.nested import Nested
from aerun.trained import Trained
from tests.conftest import built, settle

_NET = ("model.latent_dim=8", "model.arch.hidden=[16]")


def nested(d=4, **settings):
    return Nested(
        **{"latent_dim": d, "pieces": d, "piece": "unit", "sizes": None, "combine": "mean", "balance": False, "draw": "all"}
        | {"tell": False}
        | settings
    )


def lone_error(plan, x, size):
    model = plan.autoencoder
    return (model.decode(model.first(x, size)) - x).square().flatten(1).sum(1)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("cut", [True, False])
def test_units_of_a_linear_model_are_the_principal_components_in_order(cut):
    """P91: every |cos| > .9999 and every prefix as good as PCA; without the cuts some unit is far from its component."""
    torch.manual_seed(0)
    words = ("regularizer=nested", "reg.terms.nested.sizes=[1,2,3]", "reg.terms.nested.balance=false") if cut else ()
    model = built("model=linear", "model.latent_dim=3", *words).autoencoder.double()
    directions = torch.linalg.qr(torch.randn(64, 3))[0]
    x = (torch.randn(150, 3) * torch.tensor([3.0, 2.0, 1.0]) @ directions.t() + 0.2 * torch.randn(150, 64)).reshape(-1, 1, 8, 8)
    settle(model, x, max_iter=400, history_size=30, tolerance_grad=1e-9, tolerance_change=1e-13)
    with torch.no_grad():
        best = pca.fit(lambda: iter([x]), 3)
        columns = torch.stack([(model.decode(unit[None]) - model.decode(torch.zeros(1, 3))).flatten() for unit in torch.eye(3)])
        cosines = torch.nn.functional.cosine_similarity(columns, best.components.t()).abs()
        errors = [
            (model.decode(model.first(x, k)) - x).square().sum() / (best.first(k)(x) - x).square().sum() for k in (1, 2, 3)
        ]
    if cut:
        assert bool((cosines > 0.9999).all())
        assert max(errors) <= 1.0001
    else:
        assert bool((cosines < 0.95).any())


def test_nothing_is_added_where_the_only_size_is_that_of_the_code():
    """P92: Omega is 0."""
    torch.manual_seed(0)
    plan = built(*_NET, "regularizer=nested", "reg.terms.nested.sizes=[8]")
    value = plan.autoencoder.train().objective(torch.rand(5, 1, 8, 8), 0.5)
    torch.testing.assert_close(value.parts[0], value.parts[1])


TELLING = (*_NET, "regularizer=nested", "reg.terms.nested.sizes=[2,5]", "reg.terms.nested.balance=false", "reg.lambda=1")


@pytest.mark.parametrize("more", [(), ("dataset.condition=label",), ("model/arch=conv", "model.arch.code=spatial")], ids=str)
@pytest.mark.parametrize("draw", ["all", "sample"])
def test_a_decoder_that_is_told_reads_which_units_are_cut(more, draw):
    """The decoder's input, written plainly: c, the units with 0 for those that are cut, and 1 for each that is there."""
    torch.manual_seed(0)
    if more[:1] == ("model/arch=conv",):
        more = (*more, "model.arch.hidden=[8,8]")
    told = ("reg.terms.nested.tell=true", f"reg.terms.nested.draw={draw}", *more)
    model = built(*TELLING, *told).autoencoder.double().train()
    x, c = torch.rand(6, 1, 8, 8).double(), torch.eye(10)[:6].double() if model.told is not None else None
    value = model.objective(x, 0.5, c=c)
    z = value.names["z"]
    per_size = []
    for k in (2, 5, 8):
        there = torch.zeros_like(z)
        there[:, :k] = 1
        place = [] if c is None else [c]
        raw = model.arch.decode(torch.cat([*place, z * there, there], 1))
        per_size.append((model.loss.activate(raw) - x).square().flatten(1).sum(1))
        torch.testing.assert_close(model.decode(model.first_of(value.names["h"], k), c=c), model.loss.activate(raw))
        assert not torch.allclose(model.decode(z * there, c=c), model.loss.activate(raw)) or k == 8
    if draw == "all":
        torch.testing.assert_close(value.loss, torch.stack(per_size).mean())
    value.loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.arch.parameters())
    weights = model.decoder_weights()[0]
    assert weights.shape[1] == 8 or more[:1] == ("model/arch=conv",)


def test_what_cannot_tell_is_refused():
    with pytest.raises(AerunError, match="which units are cut"):
        built(*TELLING, "model.arch.tied=true", "reg.terms.nested.tell=true")


@pytest.mark.parametrize("combine", ["mean", "sum"])
def test_the_objective_is_the_mean_over_sizes_or_their_sum(combine):
    """P92: with reg.lambda=1 the loss is mean_k l(k); `sum` adds up the sizes below the code's own beside it."""
    torch.manual_seed(0)
    words = ("reg.terms.nested.sizes=[1,0.5]", "reg.terms.nested.balance=false", f"reg.terms.nested.combine={combine}")
    plan = built(*_NET, "regularizer=nested", *words)
    x = torch.rand(5, 1, 8, 8)
    each = torch.stack([lone_error(plan, x, size).mean() for size in (1, 4, 8)])
    assert plan.autoencoder.sizes == (1, 4, 8)
    torch.testing.assert_close(
        plan.autoencoder.train().objective(x, 0.5).loss, each.mean() if combine == "mean" else each.sum()
    )


def test_a_drawn_size_costs_one_pass_and_is_right_on_average():
    torch.manual_seed(0)
    one, judged = nested(draw="sample").train(), []
    z, errors = torch.rand(4000, 4) + 0.5, torch.tensor([8.0, 4.0, 1.0])  # of sizes 1, 2, 4

    def judge(cut):
        judged.append(len(cut))
        return errors[(cut > 0).sum(1).float().log2().long()][None]

    omega = one(z=z, reconstruction=torch.full((4000,), 1.0), judge=judge, **one.fill(z))
    assert judged == [4000]
    assert set(omega.tolist()) == {7.0, 3.0, 0.0}
    assert omega.mean().item() == pytest.approx(errors.mean().item() - 1, abs=0.15)


def test_balanced_sizes_weigh_by_their_running_error_and_validation_leaves_it_alone():
    one = nested(balance=True).train()
    z, ells = torch.ones(2, 4), torch.tensor([[8.0, 8.0], [4.0, 4.0]])
    omega = one(z=z, reconstruction=torch.ones(2), judge=lambda _: ells)
    torch.testing.assert_close(omega, torch.zeros(2))  # r_d / r_k l(k) is l(d) in the first batch
    torch.testing.assert_close(one.means, torch.tensor([8.0, 4.0, 1.0]))
    one.eval()(z=z, reconstruction=torch.ones(2), judge=lambda _: 2 * ells)
    torch.testing.assert_close(one.means, torch.tensor([8.0, 4.0, 1.0]))


def test_a_unit_pays_for_the_passes_that_it_is_part_of():
    """P93: the gradient of KL_j carries S_j, the share of sizes that keep unit j; beyond every drawn size it is 0."""
    torch.manual_seed(0)
    words = ("model=vae", *_NET, "regularizer=[kl,nested]", "reg.terms.nested.sizes=[2,4]", "reg.terms.nested.balance=false")
    model = built(*words).autoencoder.train()
    x = torch.rand(6, 1, 8, 8)
    kl = model.terms["kl"].regularizer
    for draw, expected in (("all", torch.tensor([1.0, 1, 2 / 3, 2 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3])), ("sample", None)):
        model.terms["nested"].regularizer.draw = draw
        names = model.code_pass(x)
        mean = names["posterior"].mean
        (got,) = torch.autograd.grad(kl(names["posterior"], names["prior"], kept=names["kept"]).sum(), mean, retain_graph=True)
        (full,) = torch.autograd.grad(kl(names["posterior"], names["prior"]).sum(), mean)
        share = got / full
        torch.testing.assert_close(share, names["kept"].expand_as(share))
        if expected is None:
            assert set(names["kept"].sum(1).tolist()) <= {2.0, 4.0, 8.0}
            assert bool((got[names["kept"] == 0] == 0).all())
        else:
            torch.testing.assert_close(share, expected.expand_as(share))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("reg.terms.nested.sizes=[3,99]",), "99 is no size of a code of model.latent_dim=8"),
        (("reg.terms.nested.sizes=[2.5]",), "2.5 is no size"),
        (("reg.terms.nested.sizes=[0]",), "0 is no size"),
        (("reg.terms.nested.combine=sum", "reg.terms.nested.draw=sample"), "draws from a mean"),
        (("model/bottleneck=vq",), "It works with gated, gaussian, jumprelu, relu, sigmoid, topk, vector"),
        (("model/bottleneck=quantized",), "such a code does not exist"),
    ],
)
def test_what_cannot_be_cut_is_refused_before_data_are_read(words, said):
    with pytest.raises(AerunError, match=said):
        built(*_NET, "regularizer=nested", *words)


def test_errors_of_sizes_are_those_of_the_cut_codes_and_of_pca(digits):
    torch.manual_seed(0)
    plan = built(*_NET, "regularizer=nested")
    trained = Trained(plan.autoencoder.eval(), plan.dataset, torch.device("cpu"), 0, digits)
    found, x = size_errors(trained), plan.autoencoder.units(digits.test.x)
    assert list(found) == [1, 2, 4, 8]
    with torch.no_grad():
        for size, row in found.items():
            assert row["se"] == pytest.approx(lone_error(plan, x, size).mean().item(), rel=1e-5)
            small = pca.fit(lambda: iter([plan.autoencoder.units(digits.train.x)]), size)
            assert row["pca_se"] == pytest.approx((small(x) - x).square().flatten(1).sum(1).mean().item(), rel=1e-4)
    assert all(math.isfinite(v) for row in found.values() for v in row.values())


# -- codes of stages -------------------------------------------------------------------------------------------------

_STAGES = ("model/bottleneck=vq", "model.bottleneck.stages=3", "model.bottleneck.codes=16", *_NET)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("draw", ["all", "sample"])
def test_of_a_residual_code_each_prefix_is_the_sum_of_its_first_stages(draw):
    """P83: the plain loop over stages; where each sample draws one, the loss of that one, on average the same."""
    torch.manual_seed(0)
    words = ("regularizer=nested", f"reg.terms.nested.draw={draw}", "reg.terms.nested.balance=false")
    model, x = built(*_STAGES, *words).autoencoder.double().train(), torch.rand(64, 1, 8, 8)
    model.objective(x, 0.0)  # sets the codebooks
    own = model.eval()
    assert own.sizes == (1, 2, 3)
    expected = torch.stack([lone_error(built_as(own), x, k) for k in (1, 2, 3)])
    if draw == "all":
        reconstruction, term = own.objective(x, None).parts[1], own.objective(x, None).parts[3]
        torch.testing.assert_close(reconstruction, expected[2].mean())
        torch.testing.assert_close(term, expected.mean() - expected[2].mean())
        return
    term, names = own.terms["nested"].regularizer.train(), own.objective_pass(x)
    names |= term.fill(names["z"], names["prefixes"])
    drawn = (names["kept"][:, 0] * 3).round().long()
    assert set(drawn.tolist()) == {1, 2, 3}
    found = term(**{k: names[k] for k in ("z", "reconstruction", "judge", "kept", "prefixes")})
    torch.testing.assert_close(found, expected.gather(0, drawn[None] - 1)[0] - expected[2])


def built_as(model):
    """What `lone_error` asks for."""
    return type("Plan", (), {"autoencoder": model})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("reg.terms.nested.sizes=[4]",), r"sizes=\[4\]: 4 is no size of a code of 3 stages"),
        (("model.bottleneck.stages=1",), r"It works with .*, and with vq where model.bottleneck.stages is 2 or more"),
    ],
)
def test_sizes_beyond_the_stages_are_refused(words, told):
    with pytest.raises(AerunError, match=told):
        built(*_STAGES, "regularizer=nested", *words)
