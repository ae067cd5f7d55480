"""Terms that teach a code classes of which few are known: their objectives, and that nothing else is told the classes."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import aerun
from aerun.begin import prepare
from aerun.core.errors import AerunError
from aerun.regularizer.classes import weights
from aerun.trainer.fit import batches
from aerun.trainer.turns import Turn
from aerun.vocabulary import call
from tests.conftest import built
from tests.shell import here

SMALL = ["model.arch.hidden=[16]", "model/loss=bce"]
CODE = ["model/bottleneck=joint", "model.latent_dim=13", "model.bottleneck.classes=10"]
FEW = ["dataset.condition=label", "dataset.condition_to=terms", "dataset.labelled=50"]
M2 = [*SMALL, *CODE, *FEW, "regularizer=m2", "reg.lambda=1"]
AS_THEY_COME = "reg.terms.m2.known=0"


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def passed(model, x, y):
    """The names of a training pass of samples whose classes are y; -1: unknown."""
    c = torch.cat([torch.eye(10)[y.clamp_min(0)] * (y >= 0)[:, None], (y < 0).float()[:, None]], 1).to(x)
    return model.objective(x, 0.5, c=c)


def by_class(model, names):
    """L(x, y) (B, 10) written plainly."""
    u, mu, log_var = names["z"][:, :3], *names["h"][:, :6].chunk(2, 1)
    kl = 0.5 * (mu.square() + log_var.exp() - log_var - 1).sum(1)
    columns = []
    for k in range(10):
        x_hat = model.decode(torch.cat([u, torch.eye(10)[k].to(u).expand(len(u), -1)], 1))
        log_p = (names["x"] * x_hat.log() + (1 - names["x"]) * (1 - x_hat).log()).flatten(1).sum(1)
        columns.append(-log_p + kl + math.log(10))
    return torch.stack(columns, 1)


@pytest.fixture
def model():
    model = built(*M2, AS_THEY_COME).autoencoder.double().train()
    model.terms["m2"].regularizer.share.fill_(0.05)
    return model


def test_the_objective_of_unlabelled_samples_is_the_expected_bound_less_the_entropy(model):
    value = passed(model, torch.rand(5, 1, 8, 8, dtype=torch.double), torch.full((5,), -1))
    each, q = by_class(model, value.names), value.names["h"][:, 6:].softmax(1)
    bound = (q * each).sum(1) + (q * q.log()).sum(1)
    torch.testing.assert_close(value.loss, bound.mean())
    least = -(-each).logsumexp(1)
    assert (bound > least).all()


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.4])
def test_labelled_samples_pay_for_the_class_in_proportion_to_how_few_they_are(alpha):
    """P63: alpha times N / N_lab."""
    model = built(*M2, AS_THEY_COME, f"reg.terms.m2.alpha={alpha}").autoencoder.double().train()
    model.terms["m2"].regularizer.share.fill_(0.05)
    y = torch.tensor([3, 0, -1, 9])
    value = passed(model, torch.rand(4, 1, 8, 8, dtype=torch.double), y)
    each, log_q = by_class(model, value.names), value.names["h"][:, 6:].log_softmax(1)
    bound = (log_q.exp() * (each + log_q)).sum(1)
    labelled = each.gather(1, y.clamp_min(0)[:, None])[:, 0] - alpha * 20 * log_q.gather(1, y.clamp_min(0)[:, None])[:, 0]
    torch.testing.assert_close(value.loss, torch.where(y >= 0, labelled, bound).mean())


def test_samples_that_are_drawn_more_often_count_as_much_less():
    """The mean over batches stays that over samples as they come."""
    often, seldom = weights(torch.tensor(0.05), 0.25)
    drawn = 0.25 + 0.75 * 0.05
    assert float(often) == pytest.approx(0.05 / drawn)
    assert float(seldom) == pytest.approx(0.95 / (1 - drawn))
    assert [float(w) for w in (*weights(torch.tensor(0.25), 0.25), *weights(torch.tensor(1.0), 0.25))] == [1, 1, 1, 1]
    x, y = torch.rand(4, 1, 8, 8, dtype=torch.double), torch.tensor([3, 0, -1, 9])
    values = []
    for known in (AS_THEY_COME, "reg.terms.m2.known=0.25"):
        torch.manual_seed(2)
        model = built(*M2, known).autoencoder.double().train()
        term = model.terms["m2"].regularizer
        term.share.fill_(0.05)
        names = passed(model, x, y).names
        values.append(call(term, names) + names["reconstruction"])
    torch.testing.assert_close(values[1], torch.where(y >= 0, often, seldom).double() * values[0])


@pytest.mark.parametrize(("known", "found"), [(0.25, 0.25), (0, 0), (0.02, 0)])
def test_a_share_of_each_batch_is_of_samples_whose_class_is_known(known, found):
    plan = built(*M2, f"reg.terms.m2.known={known}", "trainer.batch_size=64")
    job = prepare(plan, Path())
    train, _ = batches(job, plan.trainer, torch.device("cpu"))
    order = train.sampler.draw()
    assert torch.equal(order, train.sampler.draw())
    c = plan.autoencoder.known(job.data.train.x)
    known_ones = (c[:, -1] == 0).nonzero().flatten()
    assert len(known_ones) == 50
    if not found:
        assert torch.equal(order.sort().values, torch.arange(len(c)))
        return
    shares = [torch.isin(part, known_ones).double().mean() for part in order.split(64)[:-1]]
    assert min(shares) >= found
    drawn = order[torch.isin(order, known_ones)]
    assert len(drawn.unique()) == 50  # all of them, and evenly
    assert drawn.bincount().max() < 4 * drawn.bincount()[known_ones].double().mean()


def test_the_least_bound_over_q_is_that_of_bayes_and_a_sure_q_leaves_one_class(model):
    """P63: min over q of U = -logsumexp_y(-L(x, y)), and U = L where q is one-hot."""
    term = model.terms["m2"].regularizer
    names = dict(passed(model, torch.rand(4, 1, 8, 8, dtype=torch.double), torch.full((4,), -1)).names)
    each, own = by_class(model, names).detach(), names["reconstruction"]

    def bound(log_q):
        posterior, prior = names["posterior"], names["prior"]
        classes = type(posterior.parts[1])(log_q, 10)
        given = {"posterior": type(posterior)([posterior.parts[0], classes]), "log_classes": classes.groups}
        taken = {k: names[k] for k in ("z", "reconstruction", "judge", "c")}
        return (term(**taken, **given, prior=prior) + own).detach()

    torch.testing.assert_close(bound((-each).log_softmax(1)), -(-each).logsumexp(1))
    for k in (0, 7):
        sure = torch.full((4, 10), -1e3, dtype=torch.double)
        sure[:, k] = 0
        torch.testing.assert_close(bound(sure), each[:, k])


def test_the_share_comes_from_the_data_and_stays_in_the_checkpoint():
    plan = built(*M2)
    model, data = plan.autoencoder, plan.dataset.load()
    model.start_from(data.train.x)
    assert model.state_dict()["regularizers.m2.share"] == pytest.approx(50 / len(data.train.x))


def test_labels_of_validation_choose_nothing(model):
    model.eval()
    x = torch.rand(4, 1, 8, 8, dtype=torch.double)
    values = []
    for y in (torch.tensor([3, 0, -1, 9]), torch.full((4,), -1)):
        torch.manual_seed(1)
        c = torch.cat([torch.eye(10)[y.clamp_min(0)] * (y >= 0)[:, None], (y < 0).float()[:, None]], 1).double()
        values.append(model.objective(x, None, c=c).loss)
    assert torch.equal(*values)


def test_neither_encoder_nor_decoder_reads_the_class(model):
    x, y = torch.rand(4, 1, 8, 8, dtype=torch.double), torch.tensor([3, 0, 2, 9])
    c = torch.cat([torch.eye(10)[y], torch.zeros(4, 1)], 1).double()
    assert model.told is None
    assert torch.equal(model(x, c=c), model(x))
    assert model.arch.known == 0


SOFT = ["model/bottleneck=softmax", "model.latent_dim=13", "model.bottleneck.classes=10"]
LABEL = [*SMALL[:1], *SOFT, *FEW, "regularizer=label", "reg.lambda=1", "reg.terms.label.hidden=[16]"]


def test_the_code_is_a_vector_and_probabilities_held_against_their_priors():
    model = built(*LABEL).autoencoder.double().train()
    names = passed(model, torch.rand(6, 1, 8, 8, dtype=torch.double), torch.full((6,), -1)).names
    torch.testing.assert_close(names["z"], torch.cat([names["h"][:, :3], names["h"][:, 3:].softmax(1)], 1))
    assert torch.equal(names["z"], model.encode(names["x"]))
    drawn = names["prior"].sample((500,)).flatten(0, 1)
    assert torch.equal(drawn[:, 3:].sum(1), torch.ones(3000).double())
    assert (drawn[:, 3:].mean(0) - 0.1).abs().max() < 0.03
    assert (drawn[:, :3].std(0) - 1).abs().max() < 0.05
    term = model.terms["label"].regularizer
    d, e = term.opponent
    u, y = names["z"][:, :3], names["z"][:, 3:]
    expected = torch.nn.functional.softplus(-d(u)) + torch.nn.functional.softplus(-e(y))
    torch.testing.assert_close(term(names["z"], names["prior"], names["log_classes"], names["c"]), expected)


def test_each_phase_moves_its_own_part_and_labels_the_encoder_alone():
    model = built(*LABEL).autoencoder.train()
    term, x = model.terms["label"].regularizer, torch.rand(6, 1, 8, 8)
    y = torch.tensor([3, -1, 2, -1, -1, 9])
    value, turn = passed(model, x, y), Turn("label", model.terms["label"].regularizer, model)
    log_q = value.names["log_classes"][:, 0]
    expected = -(log_q[0, 3] + log_q[2, 2] + log_q[5, 9]) / 3
    torch.testing.assert_close(term.guide(value.names["log_classes"], value.names["c"]), expected)
    assert len(turn.optimizers) == 3
    before = {k: v.clone() for k, v in model.state_dict().items()}
    turn.take(value.names, x, None, value.names["c"], progress=0.5, factor=1.0, clip=None)
    moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert any(k.startswith("arch.encoder") for k in moved)
    assert {k.split(".")[3] for k in moved if ".opponent." in k} == {"0", "1"}
    assert not any(k.startswith("arch.decoder") for k in moved)
    again = passed(model, x, y).names
    assert term.guide(again["log_classes"], again["c"]) < expected


def test_a_batch_without_labels_teaches_no_class():
    model = built(*LABEL).autoencoder.train()
    names = passed(model, torch.rand(6, 1, 8, 8), torch.full((6,), -1)).names
    assert model.terms["label"].regularizer.guide(names["log_classes"], names["c"]) == 0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    told = here(folder, *M2, "trainer=smoke", "pictures=[]", "evaluate=[]", "logger=csv", "hydra.run.dir=r")
    assert told.code == 0, told.err
    return folder


def test_nobody_is_asked_for_classes_that_terms_alone_are_told(run):
    model = aerun.load(run / "r")
    x = np.random.default_rng(0).random((3, 1, 8, 8), np.float32) * 16
    assert model.reconstruct(x).shape == x.shape
    assert model.generate(4, seed=1).shape == (4, 1, 8, 8)
    np.save(run / "x.npy", x)
    told = here(run, "score", "r", "x.npy", "-o", "s.csv")
    assert told.code == 0, told.err
    assert "told nothing" not in told.err
    told = here(run, "encode", "r", "x.npy", "--condition", "label=3", "-o", "c.npz")
    assert told.code == 2
    assert "terms of training alone" in told.err
    assert "val/m2/accuracy" in (run / "r" / "metrics.csv").read_text()


ILLEGAL = {
    ("regularizer=m2", *FEW): "m2 needs `log_classes`, which model/bottleneck=vector does not give. It is given by .*joint",
    ("regularizer=m2", *CODE): "m2 needs to be told something",
    ("regularizer=m2", *CODE, "dataset.condition=label"): "dataset.condition_to=terms",
    ("regularizer=m2", *CODE, *FEW, "model.bottleneck.classes=4"): "10 classes are told, and the code has 1 group of 4",
    ("regularizer=m2", *CODE, *FEW, "dataset.condition_drop=0.1"): "Use dataset.labelled for fewer",
    ("regularizer=m2", *CODE, *FEW, "reg.terms.m2.alpha=-1"): "reg.terms.m2.alpha=-1",
    ("regularizer=m2", *CODE, *FEW, "reg.terms.m2.known=1"): "leaves no place for samples whose class is not known",
    ("regularizer=label", *SOFT, *FEW, "reg.terms.label.known=-1"): r"reg\.terms\.label\.known=-1: must lie between 0 and 1",
    ("regularizer=m2", *CODE, *FEW, "dataset.labelled=45"): "multiple of the 10 classes",
    ("regularizer=label", *SOFT): "label needs to be told something",
    ("regularizer=label", *SOFT, "dataset.condition=label"): "dataset.condition_to=terms",
    ("regularizer=label", "model/bottleneck=softmax", "model.latent_dim=13", *FEW): "10 classes are told",
    ("model/bottleneck=softmax", "model.latent_dim=4"): "leaves no real number beside the classes: 5 or more",
    ("regularizer=kl", "model/bottleneck=gaussian", *FEW): "no term reads what is told. Add regularizer=label or m2",
}


@pytest.mark.parametrize("overrides", ILLEGAL, ids=" ".join)
def test_what_cannot_be_taught_is_refused_before_training(overrides):
    with pytest.raises(AerunError, match=ILLEGAL[overrides]):
        built(*overrides).dataset.load()
