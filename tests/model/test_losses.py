"""Every loss against its closed form, and the properties that all of them share."""

import inspect
import math

import pytest
import torch
from hydra.utils import get_class
from omegaconf import OmegaConf
from torch.distributions import Laplace, Normal
from torch.nn.functional import cross_entropy, one_hot

from aerun.compose import options
from aerun.core.errors import AerunError
from aerun.core.paths import config_dir
from aerun.settings.catalog import catalog
from tests.conftest import built, descend, settle

pytestmark = pytest.mark.usefixtures("double")

FACTS = {
    "shape": (4, 3),
    "kind": "text",
    "low": 0.0,
    "high": 1.0,
    "stored_unit": 255.0,
    "ragged": True,
    "tokens": ("a", "b", "c"),
}
ACTIVATED = [o for o, cls in options("loss").items() if "activation" in inspect.signature(cls).parameters and o != "ms_ssim"]
VARIANTS = [
    *(
        (option, {})
        for option in catalog()["model/loss"]
        if option not in ("auto", "ms_ssim", "mixed", "poisson", "nb", "zinb")
    ),  # elsewhere
    *((option, {"activation": "sigmoid"}) for option in ACTIVATED),
    ("huber", {"delta": 0.1}),
    ("gaussian", {"variance": "fixed"}),
    ("student_t", {"df": "learned"}),
    ("logistic", {"scale": "fixed", "activation": "linear"}),
    ("emphasized", {"element": "absolute"}),
    ("emphasized", {"element": "bce", "visible": 0.2}),
]


def made(option, facts=FACTS, **settings):
    """A loss with its defaults, `settings` and facts of the data."""
    node = OmegaConf.to_container(OmegaConf.load(config_dir() / "model/loss" / f"{option}.yaml"))
    cls = get_class(node.pop("_target_"))
    wanted = inspect.signature(cls.__init__).parameters
    return cls(**{**node, **settings}, **{k: v for k, v in facts.items() if k in wanted}).double()


def batch(n=6, steps=4, symbols=3):
    """raw, x (a distribution over the last axis, so that it suits every loss), mask."""
    g = torch.Generator().manual_seed(5)
    raw = torch.randn(n, steps, symbols, generator=g)
    x = torch.randn(n, steps, symbols, generator=g).softmax(-1) * 0.9 + 0.03
    return raw, x, torch.rand(n, steps, symbols, generator=g) < 0.4


def value(loss, raw, x, mask, valid=None):
    return loss(raw, x, mask, valid) if "mask" in loss.needs() else loss(raw, x, valid)


over_all = pytest.mark.parametrize(("option", "settings"), VARIANTS, ids=str)


@over_all
@pytest.mark.parametrize("training", [True, False])
def test_batch_duplication_changes_nothing(option, settings, training):
    """P06: one value per sample, whatever its batch mates number; the mean's gradient stays."""
    found = []
    for twice in (1, 2):
        loss = made(option, **settings).train(training)
        raw, x, mask = (t.repeat(twice, 1, 1) for t in batch())
        raw.requires_grad_()
        each = value(loss, raw, x, mask)
        assert each.shape == (len(x),)
        each.mean().backward()
        found.append((each[:6], twice * raw.grad[:6]))
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-12)


@over_all
def test_event_duplication_doubles_the_sum_and_leaves_the_mean(option, settings):
    """P06: D -> 2D; the effective lambda says by how much the mean is smaller (l2: the root of D)."""
    total, mean = (made(option, reduction=r, **settings).eval() for r in ("sum", "mean"))
    raw, x, mask = batch()
    twice = [torch.cat([t, t], 1) for t in (raw, x, mask)]
    factor = math.sqrt(2) if option == "l2" else 2
    torch.testing.assert_close(value(total, *twice), factor * value(total, raw, x, mask), rtol=1e-7, atol=0)
    torch.testing.assert_close(value(mean, *twice), value(mean, raw, x, mask))
    torch.testing.assert_close(mean.per_lambda(12) * value(mean, raw, x, mask), value(total, raw, x, mask), rtol=1e-7, atol=0)
    assert total.per_lambda(12) == 1


@over_all
def test_the_output_starts_where_the_activation_sends_the_mean(option, settings):
    loss, x = made(option, **settings), batch()[1]
    x = x / x.sum(-1, keepdim=True)
    torch.testing.assert_close(loss.activate(loss.deactivate(x)), x)
    assert loss.deactivate(torch.tensor([[[1.0, 0.0, 0.0]]])).isfinite().all()


@over_all
@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_is_finite_and_zero_at_a_perfect_reconstruction(option, settings, training):
    """P04: in the root, the logarithm and the learned variance too."""
    loss, x = made(option, **settings).train(training), batch()[1]
    raw = loss.deactivate(x / x.sum(-1, keepdim=True)).requires_grad_()
    x = loss.activate(raw).detach()  # to the last bit: |r| has a kink there
    each = value(loss, raw, x, batch()[2])
    each.sum().backward()
    assert each.isfinite().all()
    torch.testing.assert_close(raw.grad, torch.zeros_like(raw), rtol=0, atol=1e-6)


@over_all
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_what_is_missing_counts_for_nothing(option, settings, training, reduction):
    """P22: steps that are not there have no part in the value, in D or in the gradient: it is the loss of the cut samples."""
    valid = (torch.arange(4) < 3).expand(6, 4)
    raw, x, mask = batch()
    whole, cut = (made(option, reduction=reduction, **settings).train(training) for _ in range(2))
    raw.requires_grad_()
    each = value(whole, raw, x, mask, valid)
    torch.testing.assert_close(each, value(cut, raw[:, :3], x[:, :3], mask[:, :3]), rtol=1e-12, atol=1e-12)
    each.sum().backward()
    assert (raw.grad[:, 3] == 0).all()
    assert (raw.grad[:, :3].abs().sum(1) > 0).any()
    torch.testing.assert_close(whole.floor(x, valid), cut.floor(x[:, :3]))


@over_all
def test_the_floor_is_reached_and_not_passed(option, settings):
    loss, x = made(option, **settings).eval(), batch()[1]
    x, nothing = x / x.sum(-1, keepdim=True), torch.zeros(x.shape, dtype=torch.bool)
    floor = loss.floor(x)
    assert floor.shape == (len(x),)
    torch.testing.assert_close(value(loss, loss.deactivate(x), x, nothing), floor)
    assert (value(loss, batch()[0], x, nothing) > floor).all()


@over_all
def test_senseless_settings_are_refused(option, settings):
    with pytest.raises(AerunError, match=r"model\.loss\.reduction=max"):
        made(option, reduction="max")


@pytest.mark.parametrize("option", [o for o in ACTIVATED if o != "logistic"])  # refuses such data itself
def test_a_sigmoid_output_needs_the_unit_interval(option):
    """P07: for every loss of a residual."""
    with pytest.raises(AerunError, match=r"model\.loss\.activation=sigmoid needs data in \[0, 1\]"):
        made(option, {**FACTS, "high": 1.2}, activation="sigmoid")
    with pytest.raises(AerunError, match=r"model\.loss\.activation=tanh"):
        made(option, activation="tanh")


def test_l1_is_the_laplace_likelihood_and_ends_at_the_median():
    raw, x, _ = batch()
    expected = -(Laplace(raw, 1.0).log_prob(x) + math.log(2)).sum((1, 2))
    torch.testing.assert_close(made("l1")(raw, x), expected)
    outlier = torch.tensor([0.0, 0.1, 0.2, 0.3, 50.0])[:, None, None]
    losses = [made("l1")(torch.full_like(outlier, c), outlier).sum().item() for c in (0.1, 0.2, 0.3, 10.12)]
    assert min(losses) == losses[1]


def test_huber_is_half_the_square_inside_and_linear_outside():
    loss, x = made("huber", delta=0.5), torch.zeros(1, 5, 1)
    r = torch.tensor([0.0, 0.2, 0.5, 1.0, -3.0]).reshape(1, 5, 1)
    torch.testing.assert_close(loss.element(r, x).flatten(), torch.tensor([0.0, 0.02, 0.125, 0.375, 1.375]))
    raw, x, _ = batch()
    torch.testing.assert_close(made("huber", delta=1e3)(raw, x), made("mse")(raw, x) / 2)
    torch.testing.assert_close(made("huber", delta=1e-6)(raw, x) / 1e-6, made("l1")(raw, x), rtol=1e-4, atol=0)
    with pytest.raises(AerunError, match=r"model\.loss\.delta=0"):
        made("huber", delta=0.0)


def test_unsquared_l2_is_the_distance_and_not_pca():
    """P04: on data with a few far rows its subspace stays with the others, where that of the squared error follows them."""
    raw, x, _ = batch()
    torch.testing.assert_close(made("l2")(raw, x), (raw - x).flatten(1).norm(dim=1), rtol=1e-7, atol=0)
    g = torch.Generator().manual_seed(1)
    data = torch.randn(200, 5, generator=g) * torch.tensor([1.0, 0.1, 0.1, 0.1, 0.1])
    data[:10] = torch.tensor([0.0, 8.0, 0.0, 0.0, 0.0]) * torch.tensor([1.0, -1.0]).repeat(5)[:, None]
    angles = {name: angle_to_first_axis(made(name), data) for name in ("mse", "l2")}
    assert angles["mse"] > 80
    assert angles["l2"] < 10


def angle_to_first_axis(loss, data):
    """Of the one direction that a linear autoencoder learns, in degrees."""
    torch.manual_seed(0)
    down, up = torch.randn(5, 1).mul(0.3).requires_grad_(), torch.randn(1, 5).mul(0.3).requires_grad_()
    optimizer = torch.optim.LBFGS([down, up], max_iter=300, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        found = loss((data @ down @ up)[:, :, None], data[:, :, None]).mean()
        found.backward()
        return found

    optimizer.step(closure)
    return torch.rad2deg(torch.acos((up[0, 0] / up.norm()).abs().clamp(max=1))).item()


@pytest.mark.parametrize("sigma", [0.3, 2.0])
def test_gaussian_is_the_normal_likelihood(sigma):
    raw, x, _ = batch()
    loss = made("gaussian", variance="fixed", sigma=sigma)
    torch.testing.assert_close(loss(raw, x), -Normal(raw, sigma).log_prob(x).sum((1, 2)))
    assert loss.watch()["sigma"].item() == pytest.approx(sigma)


def test_the_learned_variance_is_the_best_one_and_its_gradient_needs_no_path():
    """The batch's mean squared error minimizes the batch's loss; through it or past it, the gradient is the same."""
    raw, x, _ = batch()
    raw.requires_grad_()
    loss = made("gaussian", sigma=1.0).train()
    best = loss(raw, x).sum()
    for sigma in torch.linspace(0.1, 4, 200).tolist():
        assert made("gaussian", variance="fixed", sigma=sigma)(raw, x).sum() >= best - 1e-9
    variance = (raw - x).square().mean()
    through = x.numel() / 2 * (2 * math.pi * variance).log() + x.numel() / 2
    torch.testing.assert_close(best, through)
    torch.testing.assert_close(*(torch.autograd.grad(v, raw)[0] for v in (best, through)))


def test_learned_variance_does_not_depend_on_the_units():
    """x -> c x adds D log c in training: no sigma has to be tuned (1/2 and log 2 pi s^2 in their places)."""
    raw, x, _ = batch()
    before, after = made("gaussian").train()(raw, x), made("gaussian").train()(100 * raw, 100 * x)
    torch.testing.assert_close(after, before + 12 * math.log(100))


def test_the_running_variance_moves_in_training_and_is_used_in_evaluation():
    raw, x, _ = batch()
    loss = made("gaussian", sigma=3.0).train()
    loss(raw, x)
    now = (raw - x).square().mean()
    torch.testing.assert_close(loss.variance, 0.9 * torch.tensor(9.0) + 0.1 * now)
    for _ in range(300):
        loss(raw, x)
    torch.testing.assert_close(loss.watch()["sigma"], now.sqrt())
    loss.eval()
    torch.testing.assert_close(loss(raw + 1, x), -Normal(raw + 1, now.sqrt()).log_prob(x).sum((1, 2)))
    torch.testing.assert_close(loss.variance, now)
    assert "variance" in loss.state_dict()


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.inf])
def test_gaussian_refuses_a_senseless_sigma(sigma):
    with pytest.raises(AerunError, match=r"model\.loss\.sigma"):
        made("gaussian", sigma=sigma)
    with pytest.raises(AerunError, match=r"model\.loss\.variance=free.*fixed, learned"):
        made("gaussian", variance="free")


def test_beta_is_twice_the_decoder_variance():
    """P28: SE + beta KL == 2 s^2 (NLL - constant + KL) for beta = 2 s^2, at the same weights and the same noise."""
    s2, found = 0.09, []
    for overrides in (["model/loss=gaussian", "model.loss.variance=fixed", "model.loss.sigma=0.3"], ["model/loss=mse"]):
        torch.manual_seed(0)
        beta = 1.0 if len(overrides) > 1 else 2 * s2
        model = built("model=vae", *overrides, f"reg.lambda={beta}").autoencoder.double().eval()
        torch.manual_seed(1)
        found.append(model.objective(batch(8, 8, 8)[1][:, None], None).loss)
    constant = 32 * math.log(2 * math.pi * s2)
    torch.testing.assert_close(2 * s2 * (found[0] - constant), found[1])


def test_the_linear_sigma_vae_is_probabilistic_pca(digits):
    """P26: at its optimum the ELBO is pPCA's log-likelihood within .02 nats, s^2 the mean of the left-out eigenvalues.

    The noise takes k + 1 values of mean 0 and covariance I, so that the expectation of a squared error is exact; and the data
    are 128 rows with the digits' mean and covariance, which is all that either likelihood reads.
    """
    k = 8
    torch.manual_seed(0)
    model = built("model=sigma_vae", "model/arch=linear", f"model.latent_dim={k}").autoencoder.double().train()
    model.start_from(digits.train.x)
    flat = model.units(digits.train.x).double().flatten(1)
    values, vectors = torch.linalg.eigh(torch.cov(flat.t(), correction=0))
    axes = ((64 * values.clamp_min(0)).sqrt() * vectors).t()
    x = (flat.mean(0) + torch.cat([axes, -axes])).reshape(-1, 1, 8, 8)
    variance = values[:-k].mean()
    spectrum = torch.cat([values[-k:], variance.expand(64 - k)])
    exact = -0.5 * (64 * math.log(2 * math.pi) + spectrum.log().sum() + 64)
    repeated = x.repeat_interleave(k + 1, 0)
    forward, points = model.bottleneck.forward, simplex(k).repeat(len(x), 1)
    model.bottleneck.forward = lambda h: quiet(forward(h), points)
    settle(model, repeated, 1.0, max_iter=300, history_size=30)
    elbo = -model.objective(repeated, 1.0).loss
    assert exact - 0.02 < elbo.item() < exact + 1e-9
    found = (model.objective_pass(repeated, None, 1.0)["raw"] - repeated).square().mean()
    assert found.item() == pytest.approx(variance.item(), rel=0.01)


@pytest.mark.slow
def test_a_learned_variance_needs_no_beta(digits):
    """At lambda 1 the variance of mse, 1/2, is so wrong for digits that the code collapses; the learned one finds its size."""
    errors = {}
    for recipe in (("model=sigma_vae",), ("model=vae", "model/loss=mse")):
        torch.manual_seed(0)
        model = descend(built(*recipe, "model.arch.hidden=[64]").autoencoder.double(), digits, steps=1000)
        x = model.units(digits.test.x).double()
        errors[recipe[0]] = (model(x) - x).square().flatten(1).sum(1).mean().item()
    assert errors["model=sigma_vae"] < 1.2 < 4 < errors["model=vae"]


def simplex(k):
    """k + 1 points of R^k with mean 0 and covariance I."""
    corners = torch.eye(k + 1) - 1 / (k + 1)
    return corners @ torch.linalg.svd(corners)[2][:k].t() * math.sqrt(k + 1)


def quiet(names, points):
    q = names["posterior"]
    return {**names, "z": q.mean + q.stddev * points}


TEXT = torch.tensor([[0, 2, 1, 1], [2, 2, -1, -1]])


def text():
    """raw, one-hot x with zero rows in padding, valid."""
    valid = TEXT >= 0
    x = one_hot(TEXT.clamp_min(0), 3).double() * valid[..., None]
    return batch(2)[0], x, valid


def test_categorical_is_the_cross_entropy_of_valid_symbols():
    raw, x, valid = text()
    expected = cross_entropy(raw.transpose(1, 2), TEXT, ignore_index=-1, reduction="none").sum(1)
    torch.testing.assert_close(made("categorical")(raw, x, valid), expected)
    torch.testing.assert_close(made("categorical", reduction="mean")(raw, x, valid), expected / torch.tensor([4.0, 2.0]))
    assert (made("categorical").floor(x, valid) == 0).all()
    torch.testing.assert_close(made("categorical").activate(raw).sum(-1), torch.ones(2, 4))


def test_accuracy_counts_valid_symbols_only():
    _, x, valid = text()
    raw = x.clone()
    raw[0, 0] = torch.tensor([0.0, 1.0, 0.0])  # one wrong of six; what is said in padding has no part
    assert made("categorical").watch(raw, x, valid)["accuracy"].item() == pytest.approx(5 / 6)
    assert made("categorical").watch(raw[:1], x[:1])["accuracy"].item() == pytest.approx(3 / 4)


@pytest.mark.parametrize("kind", ["image", "table", "sequence"])
def test_categorical_refuses_what_is_not_text(kind):
    with pytest.raises(AerunError, match=rf"needs text.*kind is {kind}"):
        made("categorical", {**FACTS, "kind": kind})


@pytest.mark.parametrize(("element", "plain"), [("squared", "mse"), ("absolute", "l1"), ("bce", "bce")])
def test_emphasis_weighs_hidden_and_visible_elements(element, plain):
    raw, x, mask = batch()
    each = made(plain).element(raw, x)
    expected = 3 * (each * mask).sum((1, 2)) + 0.25 * (each * ~mask).sum((1, 2))
    torch.testing.assert_close(made("emphasized", element=element, hidden=3.0, visible=0.25)(raw, x, mask), expected)
    torch.testing.assert_close(made("emphasized", element=element, visible=1.0)(raw, x, mask), made(plain)(raw, x))


def test_a_masked_loss_ignores_what_is_visible():
    """X4: no gradient reaches it."""
    raw, x, mask = batch()
    raw.requires_grad_()
    made("emphasized", visible=0.0)(raw, x, mask).sum().backward()
    assert (raw.grad[~mask] == 0).all()
    assert (raw.grad[mask] != 0).all()


def test_emphasis_refuses_what_hides_nothing_and_weights_that_judge_nothing():
    for corruption in ("none", "gaussian", "snr"):
        with pytest.raises(AerunError, match=rf"emphasized needs `mask`, which model/corruption={corruption}(.|\n)*masking"):
            built("model/loss=emphasized", f"model/corruption={corruption}")
    assert built("model/loss=emphasized", "model/corruption=masking")
    for settings, words in (
        ({"hidden": 0.0, "visible": 0.0}, "nothing is judged"),
        ({"visible": -1.0}, r"model\.loss\.visible=-1"),
        ({"hidden": math.inf}, r"model\.loss\.hidden=inf"),
        ({"element": "mse"}, r"model\.loss\.element=mse.*squared"),
    ):
        with pytest.raises(AerunError, match=words):
            made("emphasized", **settings)
    with pytest.raises(AerunError, match=r"element=bce needs data in \[0, 1\]"):
        made("emphasized", {**FACTS, "low": None}, element="bce")
