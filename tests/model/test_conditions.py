"""What a model is told of samples beforehand: it uses it, never the labels of evaluation, and can be asked for any of it."""

import csv

import numpy as np
import pytest
import torch

import aerun
from aerun.core.errors import AerunError
from tests.conftest import built
from tests.shell import here

SMALL = ["model.latent_dim=3", "model.arch.hidden=[16]"]
TOLD = [*SMALL, "dataset.condition=label"]
ARCHS = {
    "mlp": ["model/arch=mlp", "model.arch.hidden=[16]"],
    "linear": ["model/arch=linear"],
    "conv": ["model/arch=conv", "model.arch.hidden=[8,8]"],
    "spatial": ["model/arch=conv", "model.arch.hidden=[8,8]", "model.arch.code=spatial"],
    "recurrent": ["dataset=pendigits", "model/arch=recurrent", "model.arch.hidden=16"],
    "masked": ["model=inpainting", "model/arch=mlp", "model.arch.hidden=[16]"],
}
RUN = ["trainer=smoke", "pictures=[]", "evaluate=[]", "logger=csv", "trainer.progress=false"]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def samples(model, n=6):
    """Random samples, stored, each of another class."""
    x = torch.rand(n, *model.facts.stored) * (model.facts.high or 1) * model.facts.unit
    return model.facts.joined(x, torch.arange(n).float()[:, None])


@pytest.mark.parametrize("to", ["both", "decoder"])
@pytest.mark.parametrize("arch", ARCHS)
def test_what_is_told_changes_the_output_and_for_both_the_code(arch, to):
    """P60, first half."""
    model = built(
        *ARCHS[arch], "model.latent_dim=3", "dataset.condition=label", f"dataset.condition_to={to}"
    ).autoencoder.eval()
    stored = samples(model)
    x, beside = model.units(stored), model.beside(stored)
    other = {**beside, "c": beside["c"].roll(1, 0)}
    z = model.encode(x, **beside)
    assert z.shape[1] == 3
    assert torch.equal(model.encode(x, **other), z) == (to == "decoder")
    assert not torch.allclose(model.decode(z, **beside), model.decode(z, **other))
    names = model.objective(x, 0.5, **other).names
    assert names["x_hat"].shape == x.shape if "x_hat" in names else names["raw"].shape == x.shape


def table(path, permuted):
    rng = np.random.default_rng(0)
    sites, labels = rng.integers(0, 3, 90), rng.integers(0, 2, 90)
    values = rng.normal(size=(90, 4)) + 3 * sites[:, None]
    shown = rng.permutation(labels) if permuted else labels
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["site", "age", "kind", "a", "b", "c", "d"])
        rows.writerows(
            ["xyz"[s], 20 + i % 50, "uv"[k], *v] for i, (s, k, v) in enumerate(zip(sites, shown, values, strict=True))
        )
    return path


def test_labels_of_evaluation_do_not_reach_training_through_what_is_told(tmp_path):
    """P60, second half."""
    weights = []
    for permuted in (False, True):
        file = table(tmp_path / f"{permuted}.csv", permuted)
        about = ["dataset=table", f"dataset.path={file}", "dataset.label=kind", "dataset.condition=[site,age]"]
        told = here(tmp_path, *about, *SMALL, *RUN, f"hydra.run.dir=r{permuted}")
        assert told.code == 0, told.err
        weights.append(aerun.load(tmp_path / f"r{permuted}").autoencoder.state_dict())
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])


@pytest.mark.parametrize("to", ["both", "decoder"])
def test_a_linear_model_that_is_told_the_class_is_pca_within_classes(to):
    """P61: all rows of digits, 8 numbers; the figure is that of the card, from the closed form."""
    plan = built("model/arch=linear", "model.latent_dim=8", "dataset.condition=label", f"dataset.condition_to={to}")
    model, data = plan.autoencoder.double(), plan.dataset.load()
    stored = torch.cat([part.x for part in (data.train, data.val, data.test)])
    y = torch.cat([part.y for part in (data.train, data.val, data.test)])
    x, beside = model.units(stored).double(), model.beside(stored)
    within = x.flatten(1) - torch.stack([x[y == k].flatten(1).mean(0) for k in range(10)])[y]
    theory = float(torch.linalg.svdvals(within).square()[8:].sum() / len(x))
    assert theory == pytest.approx(1.2285, abs=1e-4)
    model.arch.start_from(x.mean(0), x.mean(0))
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=200, history_size=30, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = model.objective(x, 0.5, **beside).loss
        loss.backward()
        return loss

    optimizer.step(closure)
    reached = closure().item()
    assert theory - 1e-9 <= reached <= 1.002 * theory


def test_numbers_are_standardized_once_and_unknown_rows_are_null():
    plan = built(*TOLD, "dataset=breast_cancer", "dataset.condition=[mean radius,class]", "dataset.condition_drop=0.5")
    model, data = plan.autoencoder, plan.dataset.load()
    model.start_from(data.train.x)
    c = model.known(data.train.x)
    assert c.shape[1] == 1 + 2 + 1
    assert float(c[:, 0].mean().abs()) < 1e-5
    assert float(c[:, 0].std(correction=0)) == pytest.approx(1, abs=1e-5)
    rows = data.train.x[:3].clone()
    rows[0, -2], rows[1, -1] = float("nan"), 7
    assert model.known(rows)[:2].tolist() == [[0, 0, 0, 1]] * 2
    assert model.known(rows)[2, -1] == 0
    dropped = model.told.dropped(c)
    share = float((dropped[:, -1] == 1).double().mean())
    assert 0.4 < share < 0.6
    assert torch.equal(dropped[dropped[:, -1] == 0], c[dropped[:, -1] == 0])


def test_a_model_that_was_never_told_answers_alike_whatever_it_is_told():
    """P62."""
    model = built(*TOLD, "dataset.condition_drop=1").autoencoder.eval()
    z, stored = torch.randn(6, 3), samples(model)
    answers = model.decode(z, c=model.known(stored))
    assert torch.equal(answers, model.decode(z, c=model.known(samples(model).roll(1, 0))))
    assert torch.equal(answers, model.decode(z))


def test_guidance_is_between_nothing_and_what_is_told():
    model = built(*TOLD, "dataset.condition_drop=0.2").autoencoder.eval()
    z, c = torch.randn(6, 3), model.known(samples(model))
    assert torch.equal(model.guided(z, 1.0, c=c), model.decode(z, c=c))
    assert torch.equal(model.guided(z, 0.0, c=c), model.decode(z))
    far = model.raw(z) + 3 * (model.raw(z, c=c) - model.raw(z))
    assert torch.allclose(model.guided(z, 3.0, c=c), model.loss.activate(far))


def test_a_model_that_was_always_told_does_not_answer_without():
    model = built(*TOLD).autoencoder.eval()
    with pytest.raises(AerunError, match="was told label of every sample"):
        model.decode(torch.randn(2, 3))


def test_a_conditional_prior_is_n01_at_the_start_and_learns_means_of_classes():
    plan = built("model=vae", "model/prior=conditional", *TOLD)
    model, data = plan.autoencoder, plan.dataset.load()
    c = model.known(data.train.x)
    prior = model.prior_of(torch.zeros(len(c), 3), c)
    assert torch.equal(prior.mean, torch.zeros_like(prior.mean))
    assert torch.equal(prior.stddev, torch.ones_like(prior.mean))
    value = model.objective(model.units(data.train.x[:64]), 0.5, c=c[:64])
    value.loss.backward()
    assert float(model.prior.law.weight.grad.abs().sum()) > 0


def test_few_are_told_as_many_of_each_class_and_others_by_another_draw():
    def told(*more):
        plan = built(*TOLD, "dataset.labelled=50", *more)
        data = plan.dataset.load()
        return plan.dataset.row_facts().conditions(data.train.x)[:, 0].masked_fill(data.train.x[:, -1] == 255, torch.nan), data

    values, data = told()
    known = ~values.isnan()
    assert int(known.sum()) == 50
    assert values[known].long().bincount().tolist() == [5] * 10
    assert torch.equal(values[known].long(), data.train.y[known])
    assert not torch.equal(~told("dataset.labelled_draw=1")[0].isnan(), known)
    assert torch.equal(data.val.x[:, -1].long(), data.val.y)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("told")
    told = here(folder, "model=vae", *TOLD, "dataset.condition_drop=0.2", *RUN, "hydra.run.dir=r")
    assert told.code == 0, told.err
    return folder


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    file = table(folder / "t.csv", False)
    about = ["dataset=table", f"dataset.path={file}", "dataset.condition=[site,age]"]
    told = here(folder, "model=vae", *about, *SMALL, *RUN, "hydra.run.dir=r")
    assert told.code == 0, told.err
    return folder


def test_python_asks_for_a_class(run):
    model = aerun.load(run / "r")
    three = model.given(label=3).generate(4, seed=1)
    assert three.shape == (4, 1, 8, 8)
    assert not np.array_equal(three, model.given(label="4").generate(4, seed=1))
    each = model.given(label=[3, 3, 4, 4]).generate(4, seed=1)
    assert np.array_equal(each[:2], three[:2])
    assert not np.array_equal(each[2:], three[2:])
    assert np.array_equal(model.given(label=3).traverse(three, None)[:, 3], model.given(label=3).reconstruct(three))
    assert np.array_equal(model.given(label=3).generate(4, seed=1, guidance=0.0), model.generate(4, seed=1))


def test_verbs_are_told_by_columns_or_by_the_question(rows):
    lines = (rows / "t.csv").read_text().splitlines()
    (rows / "bare.csv").write_text("\n".join([line.partition(",")[2] for line in lines]))
    told = here(rows, "score", "r", "t.csv", "-o", "a.csv")
    assert told.code == 0
    assert (rows / "a.csv").read_text().startswith("site,age,score")
    told = here(rows, "score", "r", "bare.csv", "-o", "b.csv")
    assert told.code == 2
    assert "is told site of each sample" in told.err
    assert "--condition site=VALUE says it of all: it is one of x, y, z" in told.err
    assert here(rows, "score", "r", "bare.csv", "--condition", "site=x", "-o", "b.csv").code == 0
    told = here(rows, "generate", "r", "--count", "3", "--condition", "site", "--condition", "age=30", "-o", "g.csv")
    assert told.code == 0, told.err
    made = list(csv.DictReader((rows / "g.csv").read_text().splitlines()))
    assert [r["site"] for r in made] == ["x", "y", "z"]
    assert {r["age"] for r in made} == {"30"}


def test_a_condition_is_told_whole_or_not_at_all(tmp_path):
    file = table(tmp_path / "t.csv", False)
    about = ["dataset=table", f"dataset.path={file}", "dataset.condition=[site,age]", "dataset.condition_drop=0.3"]
    assert here(tmp_path, "model=vae", *about, *SMALL, *RUN, "hydra.run.dir=r").code == 0
    told = here(tmp_path, "generate", "r", "--count", "2", "--condition", "site=x", "-o", "g.csv")
    assert told.code == 2
    assert "is told age of each sample" in told.err
    told = here(tmp_path, "traverse", "r", "t.csv", "--condition", "site", "-o", "m.npz")
    assert told.code == 0, told.err
    assert "site, in turn: x, y, z" in told.err


def test_files_say_what_is_told_and_reasons_are_of_the_samples_alone(run):
    told = here(run, "generate", "r", "--condition", "label", "--count", "20", "-o", "each.npz")
    assert told.code == 0, told.err
    told = here(run, "encode", "r", "each.npz", "-o", "z.npz")
    assert told.code == 0
    assert "told nothing" not in told.err
    model, x = aerun.load(run / "r"), np.load(run / "each.npz")
    own = model.given(label=[str(w) for w in x["label"]]).encode(x["x"])
    assert np.allclose(np.load(run / "z.npz")["z"], own, atol=1e-5)
    assert all("of the error" in line for line in model.given(label=3).reasons(x["x"][:2]))


@pytest.mark.slow
def test_exported_models_read_conditions_behind_the_samples(rows, run):
    """`export` itself holds what the file answers against what the model does."""
    for folder in (rows, run):
        told = here(folder, "export", "r", "-o", "m.onnx")
        assert told.code == 0, told.err


REFUSED = {
    ("generate", "--condition", "label=3", "--condition", "label=4", "-o", "x.npz"): "label is told twice",
    ("generate", "--condition", "=3", "-o", "x.npz"): "of what?",
    ("generate", "--condition", "label=3", "--guidance", "nan", "-o", "x.npz"): "a number from 0 on",
    ("generate", "--condition", "label=3", "--guidance", "1e300", "-o", "x.npz"): "beyond what its numbers can hold",
    ("generate", "--guidance", "2", "-o", "x.npz"): "of what? It stresses what is told",
    ("traverse", "x.npy", "--unit", "0", "--condition", "label", "-o", "x.npz"): "either unit 0 is moved or label",
    ("generate", "--count", "2", "--condition", "label=44", "-o", "x.npz"): "it is one of 0, 1, 2",
    ("generate", "--count", "2", "--condition", "site=1", "-o", "x.npz"): "this run is told label",
    ("encode", "x.npy", "--condition", "label", "-o", "x.npz"): "of which value",
    ("compress", "x.npy", "-o", "x.aez"): "a file of codes does not hold",
    ("traverse", "x.npy", "-o", "x.npz"): "--unit J moves a unit",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_questions_that_cannot_be_meant(run, words):
    np.save(run / "x.npy", np.zeros((2, 1, 8, 8), np.float32))
    told = here(run, words[0], "r", *words[1:])
    assert told.code == 2
    assert REFUSED[words] in told.err


ILLEGAL = {
    ("dataset=factors", "+dataset.condition=label"): "no classes",
    ("dataset.condition=site",): r"a column is dataset.condition=\[site\]",
    ("dataset.condition=[site]",): "columns are told of tables",
    ("dataset=wine", "dataset.condition=[alkohol]"): "no such column",
    ("dataset.condition_drop=0.5",): "nothing is told",
    ("dataset.condition=label", "dataset.normal=[1]"): "what is to be found out",
    ("dataset.condition=label", "dataset.labelled=7"): "multiple of the 10 classes",
    ("dataset.condition=label", "dataset.labelled=5000"): "training samples are of",
    ("dataset.condition=label", "evaluate=[probe]"): "labels that the model is not told",
    ("dataset.condition=label", "model.arch.tied=true"): "which such a matrix has no place for",
    ("dataset.condition=label", "model=vae", "model/prior=vamp"): "dataset.condition_to=decoder",
    ("model=vae", "model/prior=conditional"): "needs to be told something|depends on what is told",
    ("dataset.condition=label", "trainer=stacked"): "no way to tell them dataset.condition",
}


@pytest.mark.parametrize("overrides", ILLEGAL, ids=" ".join)
def test_conditions_that_cannot_be_meant(overrides):
    with pytest.raises(AerunError, match=ILLEGAL[overrides]):
        built(*overrides).dataset.load()
