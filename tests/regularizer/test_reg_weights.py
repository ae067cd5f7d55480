"""Penalties on weight matrices: closed forms, optima that are known, and which matrices they read."""

import pytest
import torch
from torch.nn.utils import parametrize

from aerun.compose import options
from aerun.core.errors import AerunError
from aerun.regularizer.matrices import select_matrices
from aerun.regularizer.orthogonal import Orthogonal
from aerun.regularizer.weight_l1 import WeightL1
from aerun.regularizer.weight_l2 import WeightL2
from tests.conftest import built, descend, settle

pytestmark = pytest.mark.usefixtures("double")

CLASSES = {o: cls for o, cls in options("regularizer").items() if cls.needs() == {"encoder_weights", "decoder_weights"}}
VALUE = {
    "weight_l1": lambda w: w.abs().sum(),
    "weight_l2": lambda w: w.square().sum(),
    "orthogonal": lambda w: min(departures(w), key=lambda found: found[0])[1],
}


def departures(w):
    """(side, ||G - I||^2) of both Gram matrices of a kernel read as (outputs, rest)."""
    m = w.flatten(1)
    return [(len(g), (g - torch.eye(len(g))).square().sum()) for g in (m @ m.t(), m.t() @ m)]


def random_matrices():
    g = torch.Generator().manual_seed(1)
    encoder = [torch.randn(s, generator=g, dtype=torch.float64) for s in ((7, 3, 4, 4), (5, 28))]
    return encoder, [torch.randn(s, generator=g, dtype=torch.float64) for s in ((28, 5), (3, 7, 4, 4))]


def gapped(n=1500):
    """Gaussian data (n, 1, 8, 8) whose first variances are far apart, their covariance's eigenvalues and vectors."""
    g = torch.Generator().manual_seed(2)
    basis = torch.linalg.qr(torch.randn(64, 64, generator=g))[0]
    x = torch.randn(n, 64, generator=g) * torch.tensor([2.0, 1.0, 0.5, *[0.05] * 61]).sqrt()
    x = (x @ basis.t()) - (x @ basis.t()).mean(0)
    values, vectors = torch.linalg.eigh(x.t() @ x / n)
    return x.reshape(n, 1, 8, 8), values.flip(0), vectors.flip(1)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("of", ["both", "encoder", "decoder"])
def test_value_is_the_sum_over_the_chosen_matrices(name, of):
    encoder, decoder = random_matrices()
    expected = sum(VALUE[name](w) for w in {"both": encoder + decoder, "encoder": encoder, "decoder": decoder}[of])
    torch.testing.assert_close(CLASSES[name](of=of)(encoder, decoder), expected)


@pytest.mark.parametrize("name", CLASSES)
def test_an_unknown_choice_is_refused(name):
    with pytest.raises(AerunError, match=rf"reg.terms.{name}.of=all.*encoder"):
        CLASSES[name](of="all")


def test_no_matrix_is_refused_by_name():
    with pytest.raises(AerunError, match=r"reg.terms.weight_l2.of=encoder.*no such weight matrix"):
        WeightL2(of="encoder")([], [torch.ones(2, 2)])


@pytest.mark.parametrize("of", ["encoder", "both", "decoder"])
def test_a_penalty_on_the_encoder_alone_says_that_a_large_decoder_meets_it(of):
    for cls in (WeightL1, WeightL2):
        assert cls(of=of).shrinks_code == (of == "encoder")
        assert not cls(of=of).batch_statistic


@pytest.mark.parametrize("arch", ["model/arch=linear", "model/arch=mlp", "model/arch=conv"])
@pytest.mark.parametrize("name", CLASSES)
def test_tied_matrices_are_counted_once(arch, name):
    """`both` of a tied net is `encoder`; of an untied one it is the sum of the two."""
    for tied in (True, False):
        model = built(arch, f"model.arch.tied={tied}", "model.latent_dim=5").autoencoder.double()
        weights = model.arch.encoder_weights(), model.arch.decoder_weights()
        both, encoder, decoder = (CLASSES[name](of=of)(*weights) for of in ("both", "encoder", "decoder"))
        torch.testing.assert_close(both, encoder if tied else encoder + decoder)


def test_tied_matrices_of_unit_atoms_are_counted_once_where_they_are_computed_once():
    model = built("model/arch=linear", "model.arch.tied=true", "model.arch.atoms=unit").autoencoder.double()
    with parametrize.cached():
        assert len(select_matrices("key", "both", model.arch.encoder_weights(), model.arch.decoder_weights())) == 1


def test_biases_and_norms_are_not_penalized():
    model = built("model.arch.norm=batch", "model.latent_dim=5", "regularizer=[weight_l1,weight_l2]").autoencoder.double()
    names = model.objective_pass(torch.rand(8, 1, 8, 8))
    found = sum(t.regularizer(names["encoder_weights"], names["decoder_weights"]) for t in model.terms.values())
    found.backward()
    for name, p in model.named_parameters():
        assert (p.grad is not None) == (p.ndim == 2), name


# -- optima that are known -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
def test_weight_l2_of_a_linear_autoencoder_shrinks_to_the_known_singular_values(tied):
    """P05: W1 = W2^T, sv = sqrt(1 - lambda / ev), left singular vectors of W2 are the PCs; tied (counted once): lambda / 2."""
    torch.manual_seed(0)
    x, values, vectors = gapped()
    lam = 0.2
    plan = built("model=linear", "model.latent_dim=3", f"model.arch.tied={tied}", "regularizer=weight_l2", f"reg.lambda={lam}")
    exact = {"max_iter": 2000, "max_eval": 4000, "history_size": 30, "tolerance_grad": 1e-11, "tolerance_change": 1e-16}
    model = settle(plan.autoencoder.double(), x, 1.0, **exact)
    w1, w2 = model.arch.encoder_weights()[0].detach(), model.arch.decoder_weights()[0].detach()
    assert (w1 - w2.t()).norm() < 1e-6
    left, found, _ = torch.linalg.svd(w2, full_matrices=False)
    torch.testing.assert_close(found, (1 - lam / (1 + tied) / values[:3]).sqrt(), rtol=1e-4, atol=1e-4)
    assert ((left * vectors[:, :3]).sum(0).abs() > 1 - 1e-6).all()


@pytest.mark.slow
def test_weight_l1_brings_more_weights_near_zero_than_weight_l2(digits):
    found = {}
    for name in ("weight_l1", "weight_l2"):
        torch.manual_seed(0)
        lam = {"weight_l1": 0.03, "weight_l2": 0.1}[name]
        plan = built("model=linear", f"regularizer={name}", f"reg.lambda={lam}")
        model = descend(plan.autoencoder, digits, steps=1500, lr=1e-2)
        w = model.arch.decoder_weights()[0].detach()
        found[name] = (w.abs() < 1e-2).double().mean().item()
    assert found["weight_l1"] > found["weight_l2"] + 0.2


@pytest.mark.parametrize("tied", [False, True])
def test_hard_orthogonal_atoms_stay_orthonormal(digits, tied):
    """P35: max |W^T W - I| < 1e-5 after 100 optimizer steps in float32."""
    torch.manual_seed(0)
    plan = built("model=linear", "model.arch.atoms=orthogonal", f"model.arch.tied={tied}")
    model = descend(plan.autoencoder.float(), digits, steps=100, lr=1e-2)
    w = model.arch.decoder_weights()[0].detach()
    assert (w.t() @ w - torch.eye(8)).abs().max() < 1e-5


def test_soft_orthogonality_trains_to_zero_on_the_smaller_side_and_to_its_floor_on_the_larger():
    """P35: p < k: W W^T = I is reached, and ||W^T W - I_k||^2 then stands at its floor k - p."""
    g = torch.Generator().manual_seed(3)
    w = torch.randn(4, 9, generator=g).requires_grad_()
    regularizer = Orthogonal(of="code")
    optimizer = torch.optim.Adam([w], 0.02)
    for _ in range(800):
        optimizer.zero_grad()
        regularizer([], [w]).backward()
        optimizer.step()
    assert regularizer([], [w]).item() < 1e-6
    assert departures(w.detach())[1][1].item() == pytest.approx(9 - 4, abs=1e-4)


@pytest.mark.slow
def test_soft_orthogonality_acts_in_training(digits):
    """P35: with weight 10 the atoms of a free decoder end orthonormal within a few percent, without it they do not."""
    found = {}
    for lam in (0, 10):
        torch.manual_seed(0)
        plan = built("model=linear", "regularizer=orthogonal", f"reg.lambda={lam}")
        model = descend(plan.autoencoder, digits, steps=500, lr=1e-2)
        w = model.arch.decoder_weights()[0].detach()
        found[lam] = (w.t() @ w - torch.eye(8)).abs().max().item()
    assert found[10] < 0.03
    assert found[0] > 10 * found[10]


def test_code_reads_the_decoders_first_matrix_alone():
    encoder, decoder = random_matrices()
    torch.testing.assert_close(Orthogonal(of="code")(encoder, decoder), VALUE["orthogonal"](decoder[0]))


def test_orthogonality_is_not_lost_to_autocast():
    """In bfloat16 the Gram matrix of an orthonormal matrix would be off by 1e-3."""
    w = torch.linalg.qr(torch.randn(200, 20, dtype=torch.float32))[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Orthogonal(of="code")([], [w]) < 1e-8
