"""Generated data sets: the law they promise, the truth they keep, and the same samples whatever the run's seed is."""

import math

import pytest
import torch

from aerun.core.errors import AerunError
from aerun.settings.conditions import SETTINGS as CONDITIONS
from tests.conftest import built, composed

NAMES = ["mixture", "factors", "dictionary", "features", "manifold", "sprites"]


def whole(data):
    return torch.cat([s.x for s in (data.train, data.val, data.test)])


def dataset(name, *settings):
    return built(f"dataset={name}", *(f"dataset.{s}" for s in settings)).dataset


@pytest.mark.parametrize("name", NAMES)
def test_the_runs_seed_does_not_change_the_data(name):
    a, b = (built(f"dataset={name}", f"seed={seed}").dataset.load() for seed in (0, 1))
    assert torch.equal(whole(a), whole(b))


@pytest.mark.parametrize("name", NAMES)
def test_split_is_70_15_15_and_no_sample_is_in_two_parts(name):
    data = dataset(name).load()
    n = sum(map(len, (data.train, data.val, data.test)))
    assert len(data.val) == len(data.test) == round(0.15 * n)
    assert len(whole(data).flatten(1).unique(dim=0)) == n


@pytest.mark.parametrize("name", NAMES)
def test_what_is_loaded_is_what_the_facts_say(name):
    from aerun.dataset.base import validate_data

    plan = built(f"dataset={name}")
    validate_data(plan.dataset.load(), plan.facts, name)
    assert plan.facts.kind == ("image" if name == "sprites" else "table")


SETTINGS = [
    *[("mixture", s) for s in ("layout=ring8", "n=1000", "sigma=0.1", "seed=1")],
    *[("factors", s) for s in ("variances=[4,1]", "size=10", "noise=1", "spikes=0.1", "n=1000", "seed=1")],
    *[("dictionary", s) for s in ("atoms=32", "size=16", "active=2", "noise=1", "n=1000", "seed=1")],
    *[("features", s) for s in ("size=16", "roots=12", "children=2", "child=0.5", "factors=1", "noise=1", "n=1000", "seed=1")],
    *[("manifold", s) for s in ("dimension=2", "size=10", "bend=0", "noise=1", "n=1000", "seed=1")],
]


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_every_setting_changes_the_data(name, setting):
    before, after = whole(dataset(name).load()), whole(dataset(name, setting).load())
    assert before.shape != after.shape or not torch.equal(before, after)


def test_every_setting_is_tried():
    """But for normal classes and conditions, which all labelled sets have: test_normal.py, test_conditions.py."""
    tried = {(name, setting.partition("=")[0]) for name, setting in SETTINGS}
    others = ("_target_", "epochs", "prepare", "normal", "contamination", *CONDITIONS)
    assert tried == {(n, k) for n in NAMES for k in composed(f"dataset={n}")["dataset"] if k not in others}


REFUSED = [
    ("mixture", "layout=grid", "dataset.layout=grid: must be one of three, ring8, grid25"),
    ("mixture", "n=10", "dataset.n=10: must be an integer of at least 20"),
    ("mixture", "sigma=0", "dataset.sigma=0"),
    ("mixture", "seed=-1", "dataset.seed=-1"),
    ("factors", "variances=[2,2]", "dataset.variances"),
    ("factors", "variances=[2,-1]", "dataset.variances"),
    ("factors", "variances=[]", "dataset.variances"),
    ("factors", "size=3", "dataset.size=3"),
    ("factors", "spikes=0.6", "dataset.spikes=0.6"),
    ("factors", "noise=-1", "dataset.noise=-1"),
    ("dictionary", "active=65", "dataset.active=65: only 64 atoms"),
    ("dictionary", "atoms=0", "dataset.atoms=0"),
    ("features", "child=2", "dataset.child=2"),
    ("features", "roots=0", "dataset.roots=0"),
    ("features", "prepare=minmax", "dataset.prepare=minmax"),
    ("manifold", "size=2", "dataset.size=2"),
    ("manifold", "bend=-1", "dataset.bend=-1"),
]


@pytest.mark.parametrize(("name", "setting", "words"), REFUSED)
def test_senseless_settings_are_refused_by_name(name, setting, words):
    with pytest.raises(AerunError) as e:
        dataset(name, setting)
    assert words in str(e.value)


@pytest.mark.parametrize(("layout", "modes"), [("three", 3), ("ring8", 8), ("grid25", 25)])
def test_mixture_has_its_clusters_and_their_spread(layout, modes):
    mixture = dataset("mixture", f"layout={layout}", "sigma=0.05")
    drawn = mixture.draw()
    assert mixture.facts().classes == modes == len(mixture.centres().unique(dim=0))
    for k in range(modes):
        cluster = drawn.x[drawn.y == k]
        assert len(cluster) == pytest.approx(20000 / modes, rel=0.2)
        assert torch.allclose(cluster.mean(0), mixture.centres()[k], atol=0.01)
        assert torch.allclose(cluster.std(0), torch.tensor(0.05), rtol=0.12)


def test_score_is_the_gradient_of_the_smoothed_density(double):
    """P15: sigma and noise add as variances, not as deviations."""
    mixture = dataset("mixture")
    x = torch.randn(50, 2, requires_grad=True)
    variance = mixture.sigma**2 + 0.3**2
    away = (x[:, None] - mixture.centres().to(x)).square().sum(2)
    density = (-away / (2 * variance)).exp().sum(1).log()
    (oracle,) = torch.autograd.grad(density.sum(), x)
    assert torch.allclose(mixture.score(x, 0.3), oracle)


def test_factors_are_independent_of_known_variance_and_behind_a_rotation():
    factors = dataset("factors", "noise=0.0")
    truth, x = whole(factors.factors()), whole(factors.load())
    assert torch.allclose(truth.var(0), torch.tensor(factors.variances), rtol=0.05)
    assert (torch.corrcoef(truth.t()) - torch.eye(4)).abs().max() < 0.05
    assert torch.allclose(x.square().sum(1), truth.square().sum(1), rtol=1e-4)  # a rotation keeps lengths
    assert torch.linalg.matrix_rank(x) == 4


@pytest.mark.parametrize("name", ["factors", "dictionary", "features", "manifold", "sprites"])
def test_factors_stand_row_for_row_beside_the_samples(name):
    """Each split's samples are a function of its own factors: a permuted split would not be predicted."""
    generated = dataset(name)
    data, factors = generated.load(), generated.factors()
    f = factors.train.x.double()
    y = data.train.x.flatten(1).double()
    basis = torch.cat([torch.ones(len(f), 1), f, f**2, torch.sin(2 * f), torch.cos(2 * f)], 1).double()
    weights = torch.linalg.lstsq(basis, y, driver="gelsd").solution
    f = factors.test.x.double()
    basis = torch.cat([torch.ones(len(f), 1), f, f**2, torch.sin(2 * f), torch.cos(2 * f)], 1).double()
    y_test = data.test.x.flatten(1).double()
    r2 = 1 - (basis @ weights - y_test).square().sum() / (y_test - y.mean(0)).square().sum()
    permuted = 1 - (basis.roll(1, 0) @ weights - y_test).square().sum() / (y_test - y.mean(0)).square().sum()
    assert r2 > 0.2
    assert permuted < 0.1


def test_spikes_are_a_share_of_the_values_and_what_they_replaced_is_known():
    spoilt = dataset("factors", "spikes=0.05")
    x, clean, plain = whole(spoilt.load()), whole(spoilt.clean()), whole(dataset("factors").load())
    assert torch.equal(clean, plain)
    assert float((x != clean).float().mean()) == pytest.approx(0.05, abs=0.003)
    assert float(x[x != clean].std() / clean.std()) == pytest.approx(10, rel=0.05)
    assert dataset("factors").clean() is None


def test_mixture_has_no_factors():
    assert dataset("mixture").factors() is None


def test_dictionary_samples_are_sparse_sums_of_its_unit_atoms():
    planted = dataset("dictionary", "noise=0.0")
    codes, x, atoms = whole(planted.factors()), whole(planted.load()), planted.atoms()
    assert ((codes != 0).sum(1) == 4).all()
    assert codes[codes != 0].min() >= 0.5
    assert codes.max() <= 1.5
    assert torch.allclose(atoms.norm(dim=0), torch.ones(64))
    assert torch.allclose(codes @ atoms.t(), x, atol=1e-5)
    assert (codes != 0).float().mean(0).min() > 0.5 * 4 / 64  # every atom is used


def test_manifold_is_curved_and_of_its_dimension():
    """P47: the intrinsic dimension by TwoNN (Facco et al. 2017) lies in [2.7, 3.5]; PCA of that size leaves much."""
    x = whole(dataset("manifold", "n=5000").load()).double()
    two = torch.cdist(x, x).topk(3, largest=False).values[:, 1:]
    ratios = (two[:, 1] / two[:, 0]).log().sort().values
    kept = int(0.9 * len(x))
    cdf = -torch.log1p(-torch.arange(1, kept + 1) / len(x)).double()
    dimension = (ratios[:kept] * cdf).sum() / ratios[:kept].square().sum()
    assert 2.7 < dimension < 3.5
    spectrum = torch.linalg.eigvalsh(torch.cov(x.t())).flip(0)
    assert spectrum[3:].sum() / spectrum.sum() > 0.1


def test_sprites_are_384_different_images_and_each_factor_moves_them():
    sprites = dataset("sprites")
    drawn = sprites.draw()
    assert drawn.x.shape == (384, 1, 16, 16)
    assert drawn.x.dtype == torch.uint8
    assert [len(f.unique()) for f in drawn.factors.t()] == [3, 2, 8, 8]
    images, at = drawn.x[:, 0].double(), torch.arange(16) + 0.5
    mass = images.sum((1, 2))
    for axis, factor in ((1, 2), (2, 3)):  # the centre of mass is where the factors say: x across, y down
        centre = (images.sum(axis) * at).sum(1) / mass
        assert torch.allclose(centre, drawn.factors[:, factor].double() + 4.5, atol=0.02)
    small, large = (mass[drawn.factors[:, 1] == s] for s in (0, 1))
    assert (large > 1.5 * small).all()
    assert (images[:, 0] == 0).all()  # nothing is cut off at the edge
    assert (images[:, -1] == 0).all()
    assert (images[:, :, 0] == 0).all()
    assert (images[:, :, -1] == 0).all()


@pytest.mark.slow
def test_a_code_of_three_numbers_is_enough_for_the_manifold(tmp_path):
    """P47: unexplained variance falls more than tenfold from 2 to 3 numbers, and less than twofold from 3 to 4."""
    from aerun.train import train

    fvu = {}
    for k in (2, 3, 4):
        overrides = ("dataset=manifold", f"model.latent_dim={k}", "model.arch.hidden=[128,128]", "optimizer.lr=3e-3")
        fvu[k] = train(composed(*overrides, "trainer.progress=false", "pictures=[]"), tmp_path / str(k), "")["test/fvu"]
    assert fvu[2] > 10 * fvu[3]
    assert fvu[3] < 2 * fvu[4]


# -- binarized images ---------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny_mnist(tmp_path):
    """Twelve images in torchvision's layout: half of the pixels at 51 (0.2), the others black or white."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, n in (("train", 12), ("t10k", 6)):
        image = torch.zeros(n, 28, 28, dtype=torch.uint8)
        image[:, :14], image[:, 14:21] = 51, 255
        header = b"\x00\x00\x08\x03" + b"".join(d.to_bytes(4, "big") for d in (n, 28, 28))
        (raw / f"{name}-images-idx3-ubyte").write_bytes(header + bytes(image.flatten().tolist()))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(b"\x00\x00\x08\x01" + n.to_bytes(4, "big") + bytes(n))
    return tmp_path


def mnist_of(root, binarize):
    overrides = ("dataset=mnist", f"dataset.root={root}", "dataset.download=false", "dataset.val=4")
    return built(*overrides, f"dataset.binarize={binarize}")


@pytest.mark.parametrize(("binarize", "drawn"), [("none", ""), ("static", "train val test"), ("dynamic", "val test")])
def test_binarized_splits_hold_only_black_and_white(tiny_mnist, binarize, drawn):
    plan = mnist_of(tiny_mnist, binarize)
    data = plan.dataset.load()
    assert plan.facts.binarize == (binarize == "dynamic")
    for name in ("train", "val", "test"):
        x = getattr(data, name).x
        assert set(x.unique().tolist()) == ({0, 255} if name in drawn.split() else {0, 51, 255})
        assert x.dtype == torch.uint8
        assert (x[:, :, 14:21] == 255).all()
        assert (x[:, :, 21:] == 0).all()
        share = (x[:, :, :14].float() / 255).mean()
        n = x[:, :, :14].numel()
        assert share == pytest.approx(0.2, abs=4 * math.sqrt(0.16 / n))


def test_binarized_images_are_drawn_the_same_way_each_time_and_each_on_its_own(tiny_mnist):
    one, two = (mnist_of(tiny_mnist, "static").dataset.load() for _ in range(2))
    assert torch.equal(one.train.x, two.train.x)
    assert torch.equal(one.test.x, two.test.x)
    x = torch.cat([one.train.x, one.val.x, one.test.x])
    assert len(x.flatten(1).unique(dim=0)) == len(x)
    assert torch.equal(one.test.x, mnist_of(tiny_mnist, "dynamic").dataset.load().test.x)


def test_dynamic_images_are_drawn_anew_in_training_and_not_in_validation(tiny_mnist):
    model = mnist_of(tiny_mnist, "dynamic").autoencoder
    x = model.units(mnist_of(tiny_mnist, "dynamic").dataset.load().train.x)
    seen = [model.objective(x, 0.0).names["x"] for _ in range(2)]
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(*seen)
    assert torch.equal(model.objective(x, None).names["x"], x)


@pytest.mark.parametrize("name", ["cifar10", "digits"])
def test_only_grey_images_in_bytes_can_be_binarized(name):
    assert "binarize" not in composed(f"dataset={name}")["dataset"]


def test_binarize_is_refused_by_name(tiny_mnist):
    with pytest.raises(AerunError, match="must be one of none, static, dynamic"):
        mnist_of(tiny_mnist, "often")
