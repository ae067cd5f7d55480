"""The discrete code: nearest entries, straight-through gradients, the codebook's running means, restarts, reductions."""

import io
import itertools
import math

import pytest
import torch

from aerun.core.errors import AerunError
from aerun.model.bottleneck.vq import Vq
from tests.conftest import built, descend


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def vq(latent_dim=6, **settings):
    given = {
        "codes": 16,
        "groups": 1,
        "stages": 1,
        "shared": True,
        "start": "batch",
        "decay": 0.9,
        "commitment": 0.25,
        "restart_after": 100,
    }
    return Vq(latent_dim=latent_dim, **given | settings)


def started(h, **settings):
    """A quantizer that has seen one training batch."""
    bottleneck = vq(**settings)
    bottleneck(h)
    return bottleneck


SHAPES = [((40, 6), 1), ((40, 6), 3), ((10, 6, 4), 1), ((10, 6, 3, 2), 2)]


@pytest.mark.parametrize(("shape", "groups"), SHAPES)
def test_every_part_becomes_its_nearest_code(double, shape, groups):
    """The plain loop over samples, groups and places; numbers and vectors belong together; both passes agree."""
    h = torch.randn(shape)
    bottleneck = started(h, groups=groups).eval()
    found, numbers = bottleneck.code(h), bottleneck.indices(h)
    width = 6 // groups
    assert numbers.shape == (shape[0], groups, *shape[2:])
    for i in range(shape[0]):
        for place in range(math.prod(shape[2:])):
            for g in range(groups):
                part = h[i].reshape(groups, width, -1)[g, :, place]
                k = (bottleneck.codebook - part).square().sum(1).argmin()
                assert numbers[i].reshape(groups, -1)[g, place] == k
                assert torch.equal(found[i].reshape(groups, width, -1)[g, :, place], bottleneck.codebook[k])
    assert torch.equal(bottleneck.lookup(numbers), found)
    assert torch.equal(bottleneck(h)["z"], found)


@pytest.mark.parametrize(("shape", "groups"), SHAPES)
def test_the_gradient_passes_straight_through(double, shape, groups):
    """P49: dz/dh is the identity, though the value of z is the code's."""
    bottleneck = started(torch.randn(shape), groups=groups)
    h = torch.randn(shape, requires_grad=True)
    z, probe = bottleneck(h)["z"], torch.randn(shape)
    (slope,) = torch.autograd.grad((z * probe).sum(), h)
    assert torch.equal(slope, probe)
    assert not torch.allclose(z, h)


@pytest.mark.parametrize(("shape", "groups"), SHAPES)
def test_the_penalty_is_each_samples_own_summed_distance(double, shape, groups):
    """(B,): commitment times the distance to the code, summed over places and groups; its gradient reaches h alone."""
    bottleneck = started(torch.randn(shape), groups=groups, commitment=0.7).eval()
    h = torch.randn(shape, requires_grad=True)
    penalty = bottleneck(h)["penalty"]
    error = h - bottleneck.code(h)
    torch.testing.assert_close(penalty, 0.7 * error.square().flatten(1).sum(1))
    (slope,) = torch.autograd.grad(penalty.sum(), h)
    torch.testing.assert_close(slope, 1.4 * error)
    assert not list(bottleneck.parameters())


def test_a_batch_twice_is_the_same_objective(double):
    """P06: loss, penalty and gradients of cat(x, x) are those of x; the loss is the sum of what is logged."""
    found = []
    x = torch.rand(6, 1, 8, 8)
    for batch in (x, torch.cat([x, x])):
        model = built("model=vqvae").autoencoder.double()
        torch.manual_seed(1)
        model.objective(torch.rand(32, 1, 8, 8), 0.0)
        model.eval()
        value = model.objective(batch, 0.5)
        value.loss.backward()
        found.append([*value.parts, *(p.grad for p in model.arch.parameters())])
        whole, reconstruction, penalty = value.parts
        torch.testing.assert_close(whole, reconstruction + penalty)
        assert penalty > 0
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-12)


def test_the_first_training_batch_sets_the_codebook(double):
    """Different vectors of it as far as there are; each is then its own code."""
    h = torch.randn(10, 6)
    bottleneck = vq(codes=8)
    out = bottleneck(h)
    numbers = (torch.cdist(out["z"], h) < 1e-12).nonzero()[:, 1]
    assert len(numbers.unique()) == 8
    assert (out["penalty"] < 1e-20).sum() == 8
    assert bottleneck.idle.tolist() == [0] * 8
    assert started(h, codes=16).idle.max() == 10  # six of these codes found no vector of their own, for ten samples by now


def test_the_codebook_follows_the_running_means(double):
    """N <- d N + (1 - d) n and e = m / N with m <- d m + (1 - d) sum of its vectors; unused codes stay exactly as they are."""
    bottleneck = started(torch.randn(40, 6), codes=12)
    mass, moment = bottleneck.mass.clone(), bottleneck.mass[:, None] * bottleneck.codebook
    for _ in range(5):
        h, before = torch.randn(15, 6), bottleneck.codebook.clone()
        chosen = bottleneck.indices(h)[:, 0]
        bottleneck(h)
        for k in range(12):
            mine = h[chosen == k]
            mass[k] = 0.9 * mass[k] + 0.1 * len(mine)
            moment[k] = 0.9 * moment[k] + 0.1 * mine.sum(0)
            assert len(mine) or torch.equal(bottleneck.codebook[k], before[k])
    torch.testing.assert_close(bottleneck.mass, mass)
    torch.testing.assert_close(bottleneck.codebook, moment / mass[:, None])


def test_unused_codes_are_counted_and_restarted(double):
    """P49: after `restart_after` training samples without use a code becomes a vector of the next batch, and not before."""
    near = torch.randn(20, 6) * 0.01
    bottleneck = started(torch.randn(40, 6), codes=4, restart_after=50)
    with torch.no_grad():
        bottleneck.codebook[:] = torch.tensor([0.0, 50.0, 60.0, 70.0])[:, None]
        bottleneck.idle.zero_()
    bottleneck(near)
    bottleneck(near)
    assert bottleneck.idle.tolist() == [0, 40, 40, 40]
    bottleneck(near)
    assert (bottleneck.codebook[1:] > 49).all()
    assert bottleneck.watch(near)["used"] == 1
    bottleneck.mass[1:] = 0.0
    bottleneck(near)
    assert bottleneck.codebook.abs().max() < 1
    assert (bottleneck.mass > 0.9).all()  # the new vector counts as one
    assert bottleneck.watch(near)["used"] == 4


def test_validation_and_use_move_nothing(double):
    h = torch.randn(40, 6)
    bottleneck = started(h).eval()
    before = {k: v.clone() for k, v in bottleneck.state_dict().items()}
    bottleneck(h)
    bottleneck.code(h)
    bottleneck.train().code(h)
    bottleneck.watch(h)
    assert set(before) == {"codebook", "mass", "idle"}
    assert all(torch.equal(v, before[k]) for k, v in bottleneck.state_dict().items())


def test_a_saved_quantizer_goes_on_exactly(double):
    """Save and load: the same codes, and the same next training step."""
    h, other = torch.randn(40, 6), vq()
    bottleneck = started(h)
    buffer = io.BytesIO()
    torch.save(bottleneck.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    more = torch.randn(40, 6)
    for one in (bottleneck, other):
        torch.manual_seed(3)
        one(more)
    assert torch.equal(bottleneck.codebook, other.codebook)
    assert torch.equal(bottleneck.code(h), other.code(h))


def test_perplexity_is_the_number_of_codes_in_even_use(double):
    bottleneck = vq(codes=16, groups=3)
    with torch.no_grad():
        bottleneck.codebook[:] = torch.arange(16.0)[:, None] * torch.ones(2)
    even = torch.tensor([0.0, 1.0, 2.0]).repeat_interleave(2).expand(5, 6)
    found = bottleneck.watch(even)
    assert found["perplexity"].item() == pytest.approx(3)
    assert found["used"] == 3
    assert found["bits"] == 3 * 4
    assert bottleneck.watch(torch.zeros(5, 6, 2, 2))["bits"] == 4 * 3 * 4
    assert bottleneck.watch(torch.zeros(5, 6))["perplexity"].item() == pytest.approx(1)
    assert bottleneck.bits(7) == 7 * 3 * 4


def test_half_precision_features_are_quantized_in_32_bits():
    """Under autocast too: codes that bf16 could not tell apart are told apart."""
    bottleneck = vq(codes=16).eval()
    with torch.no_grad():
        bottleneck.codebook[:] = 10 + 0.05 * torch.arange(16.0)[:, None]
    h = bottleneck.codebook + 0.01
    with torch.autocast("cpu", torch.bfloat16):
        found = bottleneck(h)
        assert torch.equal(bottleneck.indices(h)[:, 0], torch.arange(16))
    assert found["z"].dtype == found["penalty"].dtype == torch.float32
    torch.testing.assert_close(found["penalty"], torch.full((16,), 0.25 * 6 * 0.01**2), rtol=1e-3, atol=0)
    assert bottleneck(h.bfloat16())["penalty"].dtype == torch.float32


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"groups": 4}, r"model.bottleneck.groups=4.*model.latent_dim=6"),
        ({"groups": 0}, r"model.bottleneck.groups=0"),
        ({"codes": 1}, r"model.bottleneck.codes=1"),
        ({"decay": 1.0}, r"model.bottleneck.decay=1"),
        ({"decay": -0.1}, r"model.bottleneck.decay=-0.1"),
        ({"commitment": -1.0}, r"model.bottleneck.commitment=-1"),
        ({"restart_after": 0}, r"model.bottleneck.restart_after=0"),
    ],
)
def test_senseless_settings_are_refused(settings, words):
    with pytest.raises(AerunError, match=words):
        vq(**settings)


def test_contractive_is_refused_on_a_discrete_code():
    with pytest.raises(AerunError, match=r"contractive needs `encode`, which model/bottleneck=vq does not give"):
        built("model/bottleneck=vq", "regularizer=contractive")


@pytest.mark.slow
@pytest.mark.parametrize("code", ["vector", "spatial"])
def test_training_on_digits_uses_many_codes(digits, code):
    """It learns: far below the mean's error with a few bits, and the codebook is in use."""
    over = ["model/arch=conv", f"model.arch.code={code}", "model.latent_dim=4", "model.bottleneck.groups=1"]
    torch.manual_seed(0)
    plan = built("model=vqvae", *(over if code == "spatial" else []), "model.bottleneck.codes=128")
    model = descend(plan.autoencoder, digits, steps=200, lr=2e-3)
    x = model.units(digits.train.x)
    assert (model(x) - x).square().flatten(1).sum(1).mean() < 0.5 * (x - x.mean(0)).square().flatten(1).sum(1).mean()
    assert model.bottleneck.watch(model.arch.encode(x))["perplexity"] > 40


# -- stages, and codebooks of their own ------------------------------------------------------------------------------

STAGED = [
    {"stages": 3},
    {"stages": 2, "groups": 3},
    {"stages": 2, "groups": 3, "shared": False},
    {"groups": 3, "shared": False},
]


@pytest.mark.parametrize("settings", STAGED, ids=str)
@pytest.mark.parametrize("shape", [(40, 6), (10, 6, 3, 2)])
def test_each_stage_has_a_codebook_for_what_those_before_it_leave(double, shape, settings):
    """P83: the plain loop; the first numbers are a coarser code; bits = stages log2 K for each group."""
    h = torch.randn(shape)
    bottleneck = started(h, **settings).eval()
    stages, groups = bottleneck.stages, bottleneck.groups
    numbers, width, rest, z = bottleneck.indices(h), 6 // groups, h.clone(), torch.zeros_like(h)
    assert numbers.shape == (shape[0], stages * groups, *shape[2:])
    books = bottleneck.codebook.view(stages, -1, 16, width)
    for s in range(stages):
        for g in range(groups):
            book = books[s, min(g, books.shape[1] - 1)]
            part = rest[:, g * width : (g + 1) * width].movedim(1, -1)
            k = torch.cdist(part.reshape(-1, width), book).argmin(1).reshape(part.shape[:-1])
            assert torch.equal(numbers[:, s * groups + g], k)
            rest[:, g * width : (g + 1) * width] -= book[k].movedim(-1, 1)
            z[:, g * width : (g + 1) * width] += book[k].movedim(-1, 1)
        torch.testing.assert_close(bottleneck.lookup(numbers[:, : (s + 1) * groups]), z)
    torch.testing.assert_close(bottleneck.code(h), z)
    assert bottleneck.bits(6) == 6 * stages * groups * 4
    assert bottleneck.watch(h)["bits"] == bottleneck.bits(math.prod(shape[2:]))


@pytest.mark.parametrize("settings", STAGED, ids=str)
def test_one_straight_through_on_the_sum_and_commitment_on_every_residual(double, settings):
    """P83: dz/dh = 1, not the number of stages."""
    bottleneck = started(torch.randn(40, 6), **settings).eval()
    h, probe = torch.randn(8, 6, requires_grad=True), torch.randn(8, 6)
    out = bottleneck(h)
    (slope,) = torch.autograd.grad((out["z"] * probe).sum(), h, retain_graph=True)
    assert torch.equal(slope, probe)
    numbers, expected = bottleneck.indices(h), torch.zeros(8)
    for s in range(bottleneck.stages):
        coarser = bottleneck.lookup(numbers[:, : (s + 1) * bottleneck.groups])
        expected = expected + 0.25 * (h - coarser).square().sum(1)
    torch.testing.assert_close(out["penalty"], expected)
    torch.testing.assert_close(torch.autograd.grad(out["penalty"].sum(), h), torch.autograd.grad(expected.sum(), h))


@pytest.mark.parametrize("settings", STAGED, ids=str)
def test_codebooks_of_stages_follow_their_own_residuals(double, settings):
    bottleneck = started(torch.randn(40, 6), **settings)
    before = {k: v.clone() for k, v in bottleneck.state_dict().items()}
    bottleneck(torch.randn(40, 6))
    books = len(bottleneck.codebook)
    assert books == bottleneck.stages * (1 if bottleneck._apart == 1 else bottleneck.groups)
    moved = (bottleneck.codebook != before["codebook"]).any(2).any(1)
    assert moved.all()
    torch.testing.assert_close(
        bottleneck.mass.sum(1), before["mass"].sum(1) * 0.9 + 0.1 * 40 * bottleneck.groups / bottleneck._apart
    )


@pytest.mark.parametrize("settings", [{}, *STAGED], ids=str)
def test_k_means_begins_where_vectors_are_and_each_stage_leaves_less(double, settings):
    """P83: the mean residual falls with every stage; it begins better than with vectors of a batch."""
    features, asked = torch.randn(400, 6) @ torch.diag(torch.tensor([3.0, 2, 1, 1, 1, 0.5])), []

    def first(n):
        asked.append(n)
        return features[:n]

    bottleneck = vq(start="kmeans", **settings)
    bottleneck.prepare(400, first)
    vectors = bottleneck.groups // bottleneck._apart
    assert asked == [1, min(400, -(-160 // vectors))]
    h = features[: asked[1]]
    numbers, left = bottleneck.indices(h), [h.square().sum()]
    for s in range(bottleneck.stages):
        left.append((h - bottleneck.lookup(numbers[:, : (s + 1) * bottleneck.groups])).square().sum())
    assert all(after < 0.8 * before for before, after in itertools.pairwise(left))
    batch = started(h, **settings).eval()
    assert left[-1] < (h - batch.code(h)).square().sum()
    assert not bottleneck.idle.any()
    before = bottleneck.codebook.clone()
    bottleneck.prepare(400, first)  # what another run has brought stays
    assert torch.equal(before, bottleneck.codebook)
    plain = vq(**settings)
    plain.prepare(400, lambda n: 1 / 0)
    assert plain.idle.min() == 100


def test_k_means_is_asked_for_before_the_first_step(digits):
    plan = built("model=vqvae", "model.bottleneck.start=kmeans", "model.bottleneck.codes=16")
    plan.autoencoder.start_from(digits.train.x)
    assert not plan.autoencoder.bottleneck.idle.any()


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"stages": 0}, r"model.bottleneck.stages=0"), ({"start": "zeros"}, r"model.bottleneck.start=zeros.*batch.*kmeans")],
)
def test_senseless_stages_are_refused(settings, words):
    with pytest.raises(AerunError, match=words):
        vq(**settings)
