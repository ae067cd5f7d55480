"""Applications that judge what comes out of a model: their figures against independent arithmetic and known models."""

import math

import numpy as np
import pytest
import torch

from aerun.core.errors import AerunError
from aerun.dataset.splits import Data
from aerun.evaluate import anomaly_scores, applications
from aerun.evaluate.applications import anomaly, compression, inpainting
from aerun.evaluate.features import features
from aerun.evaluate.restoration import moving_average, pooled_psnr
from aerun.evaluate.samplers import samplers
from aerun.evaluate.suite import ask
from aerun.metrics import pca
from aerun.metrics.detection import auroc_difference, ratio, scores
from aerun.metrics.distribution import frechet, nearest, overlap
from aerun.metrics.moments import Conditional, Lmmse, Mahalanobis, added, moments, replaced
from aerun.metrics.neighbours import neighbour_distance
from aerun.runs import reference
from aerun.trained import Trained, sampled_codes
from tests.conftest import built, descend

CPU = torch.device("cpu")
MINE = ("anomaly", "denoising", "inpainting", "generation", "compression")


def untrained(*overrides, loaded=None):
    """A run that has not been trained, started from its data's mean."""
    plan = built(*overrides)
    trained = Trained(plan.autoencoder.eval(), plan.dataset, CPU, 0, loaded or plan.dataset.load())
    plan.autoencoder.start_from(trained.data.train.x)
    return trained


def learned(*overrides, **how):
    trained = untrained(*overrides)
    descend(trained.autoencoder, trained.data, **how)
    return trained


def saying(trained, function):
    """The same run, whose model is one function of x, mask and valid."""
    trained.autoencoder.forward = lambda x, mask=None, valid=None, c=None, seen=None: function(x)
    trained.__dict__.pop("exact", None)  # the copy in 64 bits says the same
    return trained


def figures(name, trained):
    return ask(name, trained)[0].figures


@pytest.fixture(scope="module")
def cloud():
    """4,000 correlated points in [0, 1]^5, of unequal spread, (n, 5)."""
    torch.manual_seed(0)
    return torch.sigmoid(torch.randn(4000, 5).double() @ torch.randn(5, 5).double())


# -- what fits -----------------------------------------------------------------------------------------------------------

UNFIT = [
    ("anomaly", ("model=ae",), "dataset.normal"),
    ("denoising", ("model=ae",), "model/corruption=gaussian"),
    ("denoising", ("model=inpainting",), "model/corruption=gaussian"),
    ("inpainting", ("model=denoising",), "model/corruption=block"),
    ("generation", ("model=recurrent", "dataset=japanese_vowels"), "one length"),
    ("compression", ("model=recurrent", "dataset=japanese_vowels"), "one length"),
    ("denoising", ("model=recurrent", "dataset=text", "model/corruption=masking"), "text"),
    ("inpainting", ("model=recurrent", "dataset=text", "model/corruption=block"), "text"),
]


@pytest.mark.parametrize(("name", "overrides", "words"), UNFIT)
def test_what_does_not_fit_is_told_without_reading_data(name, overrides, words):
    plan = built(*overrides)
    assert words in applications.unsupported_reason(name, plan.autoencoder, plan.dataset)


FITS = [
    ("anomaly", ("dataset.normal=[0,1]",)),
    ("anomaly", ("dataset.normal=[0,1]", "model=vae", "model/arch=conv")),
    ("anomaly", ("dataset.normal=[0,1]", "model=vqvae")),
    ("anomaly", ("dataset=wine", "dataset.normal=[class_0]", "model/bottleneck=topk", "model.bottleneck.k=2")),
    ("anomaly", ("dataset=japanese_vowels", "dataset.normal=[1,2,3]", "model=recurrent")),
    ("denoising", ("model=denoising", "model/arch=conv")),
    ("denoising", ("model=denoising", "dataset=wine")),
    ("denoising", ("model=denoising", "dataset=japanese_vowels", "model/arch=recurrent")),
    ("denoising", ("dataset=sines", "model/arch=recurrent", "model/corruption=snr")),
    ("denoising", ("model/corruption=masking", "model.corruption.show_mask=true")),
    ("inpainting", ("model=inpainting", "model/arch=conv")),
    ("inpainting", ("model=inpainting", "model/corruption=irregular")),
    ("inpainting", ("model/arch=recurrent", "dataset=japanese_vowels", "model/corruption=time_dropout")),
    ("generation", ("model=vqvae", "model/arch=conv")),
    ("generation", ("model=sparse",)),
    ("generation", ("dataset=sines", "model=recurrent")),
    ("compression", ("model=sparse", "model/arch=conv", "model.latent_dim=4")),
    ("compression", ("model=topk", "model.latent_dim=24", "model.bottleneck.k=4")),
    ("compression", ("dataset=sines", "model=recurrent")),
    ("compression", ("dataset=wine", "model.latent_dim=3")),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "overrides"), FITS, ids=[" ".join((n, *o)) for n, o in FITS])
def test_all_kinds_of_data_and_codes_have_finite_figures(name, overrides):
    outcome, _ = ask(name, untrained(*overrides))
    who, known = applications.module(name).WHO, applications.metrics(name)
    assert set(outcome.figures) <= set(who)
    assert next(iter(outcome.figures)) == next(w for w in who if w in outcome.figures)
    assert all(set(row) <= set(known) for row in outcome.figures.values())
    assert all(math.isfinite(v) for row in outcome.figures.values() for v in row.values())
    assert len(outcome.figures) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", MINE)
def test_same_seed_same_figures(name):
    asked = {
        "anomaly": ("model=vae", "dataset.normal=[1]"),
        "denoising": ("model=denoising",),
        "inpainting": ("model=inpainting",),
    }
    trained = untrained(*asked.get(name, ("model=ae",)))
    assert figures(name, trained) == figures(name, trained)


# -- anomalies -----------------------------------------------------------------------------------------------------------


def test_detection_figures_are_those_of_independent_code():
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision  # takes 3 s

    g = torch.Generator().manual_seed(0)
    truth = torch.rand(3000, generator=g) < 0.2
    score = torch.randn(3000, generator=g).double() + truth
    found = scores(score, truth, torch.randn(500, generator=g), 0.05)
    shifted = torch.sigmoid(score)
    assert found["auroc"] == pytest.approx(float(binary_auroc(shifted, truth.long())), abs=1e-6)
    assert found["auprc"] == pytest.approx(float(binary_average_precision(shifted, truth.long())), abs=1e-6)
    rates = [(float((score[~truth] >= t).double().mean()), float((score[truth] >= t).double().mean())) for t in score.unique()]
    assert found["fpr95"] == pytest.approx(min(f for f, t in rates if t >= 0.95))


def test_false_alarms_and_finds_are_counted_at_the_conformal_threshold():
    normal = torch.arange(100.0)[torch.randperm(100, generator=torch.Generator().manual_seed(0))]
    odd = torch.tensor([50.0, 97.0, 200.0])
    found = scores(torch.cat([normal, odd]), torch.arange(103) >= 100, normal, 0.05)
    assert found["false_alarm"] == pytest.approx(0.04)  # 95 is of rank 96, ceil(101 * 0.95)
    assert found["detected"] == pytest.approx(2 / 3)
    assert ratio(torch.cat([normal, odd]), torch.arange(103) >= 100) == pytest.approx(float(odd.mean() / normal.mean()))
    few = scores(torch.cat([normal, odd]), torch.arange(103) >= 100, normal[:10], 0.05)
    assert few["false_alarm"] == few["detected"] == 0


@pytest.mark.parametrize(("odd", "normal"), [(3, 22), (40, 200)])
def test_a_lead_in_auroc_is_claimed_no_more_often_than_stated(odd, normal):
    """Two scores that are equally good, of the same samples: the interval of their difference leaves out 0 in 5 % at most."""
    from torchmetrics.functional.classification import binary_auroc

    g = torch.Generator().manual_seed(0)
    truth = torch.arange(odd + normal) < odd
    shared = torch.randn(300, odd + normal, generator=g, dtype=torch.float64) + truth
    first, second = (shared + 0.5 * torch.randn(shared.shape, generator=g, dtype=torch.float64) for _ in range(2))
    ends = [auroc_difference(a, b, truth, 0.95) for a, b in zip(first, second, strict=True)]
    assert sum(low > 0 or high < 0 for low, high in ends) <= 0.05 * 300 + 2 * (300 * 0.05 * 0.95) ** 0.5
    a, b = first[0], second[0]
    found = sum(auroc_difference(a, b, truth, 0.95)) / 2
    exact = float(binary_auroc(torch.sigmoid(b), truth.long())) - float(binary_auroc(torch.sigmoid(a), truth.long()))
    assert found == pytest.approx(exact, abs=1e-5)


def test_one_anomaly_decides_nothing():
    truth = torch.arange(30) < 1
    assert auroc_difference(torch.rand(30), truth.double(), truth, 0.95) == (-1.0, 1.0)
    both = torch.arange(30) < 4
    assert auroc_difference(torch.rand(30), both.double(), both, 0.95, overlap=4) == (-1.0, 1.0)


def test_neighbour_distance_is_exact_and_a_copy_is_at_none():
    g = torch.Generator().manual_seed(0)
    base = torch.randn(500, 6, generator=g, dtype=torch.float64) + 1e4
    x = torch.cat([base[:3], torch.randn(40, 6, generator=g, dtype=torch.float64) + 1e4])
    expected = torch.cdist(x, base, compute_mode="donot_use_mm_for_euclid_dist").sort(1).values
    torch.testing.assert_close(neighbour_distance(x, base, 5), expected[:, 4])
    assert (neighbour_distance(x[:3], base, 1) == 0).all()
    torch.testing.assert_close(
        neighbour_distance(x, base[:3], 5), torch.cdist(x, base[:3], compute_mode="donot_use_mm_for_euclid_dist").amax(1)
    )


def test_neighbours_and_covariance_stand_among_the_rows():
    """On raw data both tell classes of wine from the first, and the note says what the threshold stands on."""
    trained = untrained("dataset=wine", "dataset.normal=[class_0]")
    outcome = anomaly.evaluate(trained)
    assert list(outcome.figures)[-3:] == ["none", "knn", "mahalanobis"]
    assert outcome.figures["knn"]["auroc"] > 0.9
    assert "no alarm is raised" in outcome.note  # 9 validation samples
    assert all(row["false_alarm"] == 0 for row in outcome.figures.values())


@pytest.mark.parametrize("rows", [8, 40, 4000])
def test_mahalanobis_is_that_of_the_ledoit_wolf_covariance(cloud, rows):
    from sklearn.covariance import LedoitWolf

    x = cloud[:rows]
    known = moments(lambda: iter(x.split(7)))
    reference = LedoitWolf().fit(x.numpy())
    assert np.allclose(known.shrunk().numpy(), reference.covariance_, rtol=1e-8)
    assert np.allclose(Mahalanobis(known)(cloud[:50]).numpy(), reference.mahalanobis(cloud[:50].numpy()), rtol=1e-6)


def test_mahalanobis_of_what_never_varies_is_finite():
    x = torch.cat([torch.randn(50, 2, generator=torch.Generator().manual_seed(0)), torch.ones(50, 3)], 1)
    assert Mahalanobis(moments(lambda: iter([x])))(x + 1).isfinite().all()
    assert Mahalanobis(moments(lambda: iter([torch.ones(5, 3)])))(torch.ones(2, 3)).isfinite().all()


def test_model_that_says_the_mean_is_the_baseline_without_a_model():
    trained = untrained("dataset.normal=[0,1,2,3,4]")
    mean = trained.mean
    found = figures("anomaly", saying(trained, lambda x: mean.expand_as(x)))
    assert found["model"] == pytest.approx(found["none"])
    assert 0.4 < found["none"]["auroc"] < 0.7


@pytest.mark.slow
def test_unseen_digits_reconstruct_worse():
    """C16: trained on 0 to 4; better than PCA of the same size, false alarms about as many as asked for."""
    found = figures("anomaly", learned("dataset.normal=[0,1,2,3,4]", "model.latent_dim=8", steps=1500))
    assert found["model"]["ratio"] > 3
    assert found["model"]["auroc"] > found["pca"]["auroc"] > 0.9
    assert found["model"]["false_alarm"] < 0.15


def test_anomalies_are_the_classes_that_are_not_normal():
    """An oracle that knows the class has an AUROC of 1, turned around of 0."""
    trained = untrained("dataset.normal=[3]")
    y = trained.data.test.y
    place = {x.numpy().tobytes(): int(c) for x, c in zip(trained.samples(trained.data.test), y, strict=True)}

    def oracle(x):
        odd = torch.tensor([place.get(row.float().numpy().tobytes(), 3) != 3 for row in x])
        return x + odd.to(x.dtype).reshape(-1, 1, 1, 1)

    assert figures("anomaly", saying(trained, oracle))["model"]["auroc"] == 1
    assert figures("anomaly", saying(trained, lambda x: 2 * x + 1 - oracle(x)))["model"]["auroc"] == 0


def test_elbo_is_that_of_the_objective():
    trained = learned("dataset.normal=[0,1]", "model=vae", steps=100)
    x = trained.samples(trained.data.test)
    torch.manual_seed(0)
    with torch.no_grad():
        own = float(
            anomaly_scores._elbo(trained.autoencoder, anomaly_scores.batch(trained.autoencoder, trained.data.test.x)).mean()
        )
        objective = sum(float(trained.autoencoder.objective(x, None).loss) for _ in range(20)) / 20
    assert own == pytest.approx(objective, rel=0.01)


def test_test_split_without_anomalies_is_told():
    trained = untrained("dataset.normal=[0]")
    rows = (trained.data.test.y == 0).nonzero().flatten()
    only = Data(trained.data.train, trained.data.val, trained.data.test.take(rows))
    with pytest.raises(AerunError, match="no anomaly"):
        ask("anomaly", Trained(trained.autoencoder, trained.dataset, CPU, 0, only))


def test_note_tells_prevalence_and_how_normal_a_black_image_looks():
    trained = untrained("dataset.normal=[0,1,2,3,4]")
    note = ask("anomaly", trained)[0].note
    odd = float((trained.data.test.y > 4).double().mean())
    assert f"auprc by chance is {odd:.3g}" in note
    assert "% have a larger error than a black image and " in note


# -- noise ---------------------------------------------------------------------------------------------------------------

NOISES = {
    "gaussian": (lambda k: added(k, 0.09), lambda x: x + 0.3 * torch.randn_like(x)),
    "masking": (lambda k: replaced(k, 0.4, (0.0,)), lambda x: x * (torch.rand_like(x) >= 0.4)),
    "salt_pepper": (
        lambda k: replaced(k, 0.3, (0.0, 1.0)),
        lambda x: torch.where(torch.rand_like(x) < 0.3, (torch.rand_like(x) < 0.5).to(x.dtype), x),
    ),
}


@pytest.mark.parametrize("name", NOISES)
def test_lmmse_is_the_linear_regression_of_clean_on_noisy(cloud, name):
    """Against least squares on 400,000 pairs."""
    law, corrupt = NOISES[name]
    torch.manual_seed(0)
    x = cloud.repeat(100, 1)
    y = corrupt(x)
    known = moments(lambda: iter([cloud]))
    design = torch.cat([y, torch.ones(len(y), 1, dtype=y.dtype)], 1)
    best = design @ torch.linalg.lstsq(design, x).solution
    ours = Lmmse(known, law(known))(y)
    assert (ours - x).square().sum() == pytest.approx(float((best - x).square().sum()), rel=1e-3)
    assert (ours - best).square().mean() < 1e-3 * (best - x).square().mean()


def test_linear_denoising_autoencoder_tends_to_lmmse():
    """P16: on digits, and LMMSE is the best of the fixed ways."""
    trained = learned(
        "model=denoising", "model/arch=linear", "model.latent_dim=64", "model.corruption.sigma=0.3", steps=1500, lr=3e-3
    )
    found = figures("denoising", trained)
    assert found["identity"]["se"] == pytest.approx(64 * 0.09, rel=0.5)
    assert found["model"]["se"] == pytest.approx(found["lmmse"]["se"], rel=0.05)
    assert found["lmmse"]["se"] < min(row["se"] for who, row in found.items() if who not in ("lmmse", "model"))
    assert found["model"]["psnr"] == pytest.approx(10 * math.log10(64 / found["model"]["se"]))


def test_perfect_denoising_has_the_error_it_has():
    trained = untrained("model=denoising")
    clean = trained.samples(trained.data.test)
    found = figures("denoising", saying(trained, lambda x: clean * 0.98 + 0.01))
    expected = float((0.02 * clean - 0.01).double().square().flatten(1).sum(1).mean())
    assert found["model"]["se"] == pytest.approx(expected, rel=1e-4)


def test_snr_noise_is_as_strong_as_told():
    trained = untrained("dataset=sines", "model/arch=recurrent", "model/corruption=snr", "model.corruption.db=10")
    x = trained.samples(trained.data.test)
    power = float(x.flatten(1).var(1, correction=0).mean())
    found = figures("denoising", trained)
    assert found["identity"]["se"] == pytest.approx(x[0].numel() * power / 10, rel=0.05)
    assert found["lmmse"]["se"] < found["moving_average"]["se"] < found["identity"]["se"]


def test_psnr_pools_and_is_torchmetrics():
    from torchmetrics.functional.image import peak_signal_noise_ratio

    g = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 6, 1, 9, 9, generator=g).unbind()
    found = pooled_psnr(y, x, torch.ones_like(x), 1.0)
    assert found == pytest.approx(float(peak_signal_noise_ratio(y, x, data_range=1.0)), abs=1e-4)
    hole = torch.rand(x.shape, generator=g) < 0.3
    assert pooled_psnr(y, x, hole, 2.0) == pytest.approx(10 * math.log10(4 / float((y - x)[hole].double().square().mean())))


def test_moving_average_knows_borders_and_lengths():
    x = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    valid = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    found = moving_average(x, 3, valid)
    for i, length in enumerate((6, 4)):
        for t in range(length):
            near = x[i, max(0, t - 1) : min(length, t + 2)]
            assert torch.allclose(found[i, t], near.mean(0), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "known"),
    [
        (
            ("model.corruption.sigma=0.5",),
            {"identity": 9.38, "median": 14.14, "gaussian": 15.36, "wiener": 15.23, "lmmse": 17.47},
        ),
        (("model/corruption=masking", "model.corruption.p=0.5"), {"identity": 12.83, "median": 11.19, "lmmse": 17.66}),
        (("model/corruption=salt_pepper", "model.corruption.p=0.3"), {"identity": 8.41, "median": 15.62, "lmmse": 17.45}),
    ],
    ids=["gaussian", "masking", "salt_pepper"],
)
def test_baselines_on_mnist_are_those_measured_before(mnist, overrides, known):
    found = figures("denoising", untrained("dataset=mnist", "model=denoising", *overrides, loaded=mnist))
    assert {who: found[who]["psnr"] for who in known} == pytest.approx(known, abs=0.06)


# -- holes ---------------------------------------------------------------------------------------------------------------


def test_conditional_gaussian_is_the_textbook_formula(cloud):
    """m_h + C_hv C_vv^-1 (x_v - m_v), each sample with a mask of its own; what is hidden is not read."""
    torch.manual_seed(0)
    x = cloud[:40]
    mask = torch.rand(x.shape) < 0.4
    known = moments(lambda: iter([cloud]))
    found = Conditional(known)(torch.where(mask, torch.full_like(x, 1e6), x), mask)
    c, m = known.covariance, known.mean
    for row, hidden, ours in zip(x, mask, found, strict=True):
        expected = row.clone()
        if hidden.any():
            gain = c[hidden][:, ~hidden] @ torch.linalg.inv(c[~hidden][:, ~hidden])
            expected[hidden] = m[hidden] + gain @ (row - m)[~hidden]
        assert torch.allclose(ours, expected, atol=2e-3)


def test_what_is_visible_counts_for_nothing():
    """Black is the row zero, the mean is the row mean; the psnr of the whole flatters by the hidden share."""
    trained = untrained("model=inpainting")
    found = figures("inpainting", saying(trained, torch.zeros_like))
    assert found["model"] == pytest.approx(found["zero"])
    found = figures("inpainting", saying(trained, lambda x: trained.mean.expand_as(x)))
    assert found["model"] == pytest.approx(found["mean"])
    torch.manual_seed(0)
    share = float(trained.autoencoder.corruption.hidden(trained.samples(trained.data.test)).double().mean())
    assert found["mean"]["whole_psnr"] - found["mean"]["psnr"] == pytest.approx(-10 * math.log10(share), abs=1e-3)


def test_model_is_told_what_training_tells_it():
    """show_mask: the mask reaches the model, and hidden entries hold the fill."""
    trained = untrained("model=inpainting", "model.corruption.fill=0.5")
    seen = []
    whole = type(trained.autoencoder).forward
    trained.autoencoder.forward = lambda *given: seen.append(given[:2]) or whole(trained.autoencoder, *given)
    ask("inpainting", trained)
    for x, mask in seen:
        assert (x[mask] == 0.5).all()
    untold = untrained("model=inpainting", "model.corruption.show_mask=false")
    untold.autoencoder.forward = lambda x, mask, *about: seen.append(mask) or x
    ask("inpainting", untold)
    assert seen[-1] is None


def test_copied_sample_is_the_nearest_by_what_is_visible():
    trained = untrained("model=inpainting")
    x = trained.samples(trained.data.test)[:20]
    torch.manual_seed(0)
    hole = trained.autoencoder.corruption.hidden(x)
    train = trained.samples(trained.data.train)
    found = inpainting._nearest(trained, torch.where(hole, torch.full_like(x, 99.0), x), hole)
    for row, hidden, ours in zip(x, hole, found, strict=True):
        distances = ((train - row) * ~hidden).square().flatten(1).sum(1)
        assert torch.allclose(((ours - row) * ~hidden).square().sum(), distances.min(), atol=1e-3)


@pytest.mark.slow
def test_centre_hole_on_mnist_is_as_measured_before(mnist):
    found = figures("inpainting", untrained("dataset=mnist", "model=inpainting", loaded=mnist))
    known = {"zero": 4.98, "mean": 7.49, "copy": 8.25, "lmmse": 10.31}
    assert {who: found[who]["centre_psnr"] for who in known} == pytest.approx(known, abs=0.08)


# -- new samples ---------------------------------------------------------------------------------------------------------


def test_frechet_distance_is_the_closed_form(cloud):
    from scipy.linalg import sqrtm

    a, b = cloud[:2000], cloud[2000:].square() + 0.1
    ca, cb = (np.cov(v.numpy().T) for v in (a, b))
    expected = float((a.mean(0) - b.mean(0)).square().sum()) + np.trace(ca + cb - 2 * np.real(sqrtm(ca @ cb)))
    assert frechet(a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet(a, a + 2) == pytest.approx(4 * a.shape[1])
    one = torch.randn(50_000, 1, generator=torch.Generator().manual_seed(0))
    assert frechet(one, 3 * one) == pytest.approx(4, rel=0.02)


def test_overlap_is_what_its_definition_counts():
    torch.manual_seed(0)
    real, made = torch.randn(60, 3), torch.randn(50, 3) * 1.2 + 0.5
    k = 5

    def reach(x):
        return torch.stack([(x - p).norm(dim=1).sort().values[k] for p in x])

    away = torch.stack([(made - r).norm(dim=1) for r in real])
    balls, own = reach(real), reach(made)
    expected = {
        "precision": np.mean([any(away[i, j] <= balls[i] for i in range(60)) for j in range(50)]),
        "recall": np.mean([any(away[i, j] <= own[j] for j in range(50)) for i in range(60)]),
        "density": np.mean([sum(bool(away[i, j] <= balls[i]) for i in range(60)) / k for j in range(50)]),
        "coverage": np.mean([any(away[i, j] <= balls[i] for j in range(50)) for i in range(60)]),
    }
    assert overlap(real, made, k) == pytest.approx(expected)
    assert set(overlap(real, real + 1000).values()) == {0}


def test_samples_of_one_mode_are_precise_and_recall_little():
    torch.manual_seed(0)
    real = torch.cat([torch.randn(300, 2), torch.randn(300, 2) + 20])
    found = overlap(real, torch.randn(600, 2))
    assert found["precision"] > 0.9
    assert found["recall"] < 0.6
    assert found["coverage"] < 0.6


def test_copies_lie_on_the_training_samples(cloud):
    assert float(nearest(cloud[:9], cloud).max()) < 1e-6
    assert float(nearest(cloud[:9] + 5, cloud).min()) > 1


def test_samplers_have_the_moments_of_the_codes():
    trained = learned("model.latent_dim=3", steps=200)
    codes = trained.codes(trained.data.train).double()
    torch.manual_seed(0)
    with torch.no_grad():
        by_name = samplers(trained)
        found = {who: by_name[who](20_000).flatten(1).double() for who in ("prior", "gaussian", "mixture")}
    assert torch.allclose(found["prior"].std(0), torch.ones(3).double(), atol=0.03)
    for who in ("gaussian", "mixture"):
        assert torch.allclose(found[who].mean(0), codes.mean(0), atol=0.05 * float(codes.std()))
        assert torch.allclose(found[who].std(0), codes.std(0), rtol=0.06)
        assert (found[who] >= codes.amin(0) - 1e-5).all()


def collapsed(silent=2):
    """A variational autoencoder of digits whose last `silent` units of 4 say nothing: their posterior is the prior."""
    trained = untrained("model=vae", "model/arch=linear", "model.latent_dim=4")
    last = trained.autoencoder.arch.encoder[-1]
    with torch.no_grad():
        for half in (0, 4):
            last.weight[half + 4 - silent : half + 4] = 0
            last.bias[half + 4 - silent : half + 4] = 0
        last.bias[4 : 8 - silent] = -3.0
        last.weight[4 : 8 - silent] = 0
    return trained


def test_samplers_are_fitted_to_draws_of_posteriors_not_to_their_means(tmp_path):
    """P70: a silent unit varies as the prior does, and drawn codes are as probable as held-out ones; under the density of the
    means these would have a hundred times fewer nats."""
    trained = collapsed()
    before = torch.get_rng_state()
    held = sampled_codes(trained, trained.data.test).double()
    assert torch.equal(torch.get_rng_state(), before)
    reference.write(trained, tmp_path)
    known = reference.codes(tmp_path, trained.autoencoder)
    kept = torch.distributions.MultivariateNormal(
        *(torch.from_numpy(v).double() for v in (known.drawn.mean, known.drawn.covariance))
    )
    torch.manual_seed(0)
    by_name = samplers(trained)
    for drawn in (*(by_name[who](20_000).double() for who in ("gaussian", "mixture", "aggregate")), kept.sample((20_000,))):
        assert drawn[:, 2:].var(0).sub(1).abs().max() < 0.06
        nats = torch.distributions.MultivariateNormal(drawn.mean(0), torch.cov(drawn.t())).log_prob(held).mean()
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(held).sum(1).mean()
        assert nats > prior - 0.1
    assert known.covariance[2:, 2:].max() < 1e-3  # the means never vary there: what rounding and traversals read


def test_a_plain_code_has_nothing_to_draw(tmp_path):
    trained = untrained("model.latent_dim=3")
    reference.write(trained, tmp_path)
    assert reference.codes(tmp_path, trained.autoencoder).drawn is None
    torch.testing.assert_close(sampled_codes(trained, trained.data.val), trained.codes(trained.data.val))


def test_samples_of_discrete_codes_are_such_codes():
    trained = untrained("model=vqvae", "model/arch=conv")
    trained.autoencoder.train().objective(trained.samples(trained.data.train)[:128], 0.5)
    trained.autoencoder.eval()
    book = trained.autoencoder.bottleneck.codebook
    by_name = samplers(trained)
    for who in ("prior", "gaussian", "mixture", "aggregate"):  # what is drawn becomes a code in one place
        (parts,) = trained.autoencoder.bottleneck._vectors(by_name[who](5))  # of one codebook
        assert torch.cdist(parts, book).min(1).values.max() < 1e-3, who
    whole = samplers(untrained("model=compression", "model.latent_dim=4"))
    assert "prior" not in whole
    assert all((whole[who](5) == whole[who](5).round()).all() for who in ("gaussian", "mixture", "aggregate"))


@pytest.mark.slow
def test_tables_tell_who_samples_well():
    """A6: of a plain autoencoder the prior is worse than the mixture, and nothing is better than real samples."""
    found = figures("generation", learned("model.latent_dim=4", steps=1500, lr=2e-3))
    assert found["real"]["fcd"] < found["mixture"]["fcd"] < found["prior"]["fcd"]
    assert found["mixture"]["fcd"] < found["pca"]["fcd"]
    assert found["real"]["precision"] > 0.9
    assert found["real"]["copied"] < 0.05


def test_decoder_that_copies_is_found_out(monkeypatch):
    for learned_beside in ("features", "samplers.training"):  # which decide nothing about copies
        monkeypatch.setattr(f"aerun.evaluate.{learned_beside}._STEPS", 3)
    trained = untrained("model.latent_dim=4")
    train = trained.samples(trained.data.train)
    trained.autoencoder.decode = lambda z, valid=None, c=None, seen=None: train[: len(z)]
    found = figures("generation", trained)
    assert found["prior"]["copied"] == 1
    assert found["pca"]["copied"] < 0.05


def test_features_without_classes_are_principal_components():
    found = features(untrained("dataset.normal=[3]"))
    assert found.classify is None
    assert "principal" in found.told
    told = features(untrained())
    assert float(told.told.rpartition("accuracy ")[2].rstrip(")")) > 0.93


# -- bytes ---------------------------------------------------------------------------------------------------------------


def principal(size):
    """A linear autoencoder that is PCA."""
    trained = untrained("model=linear", f"model.latent_dim={size}")
    found = pca.fit(lambda: trained.batches(trained.data.train), size)
    encoder, decoder = trained.autoencoder.arch.encoder[-1], trained.autoencoder.arch.decoder[0]
    with torch.no_grad():
        encoder.weight.copy_(found.components.t())
        decoder.weight.copy_(found.components)
        encoder.bias.zero_()
    return trained


def test_linear_autoencoder_compresses_as_pca_does():
    """With 24 of 64 components, at rates at which the others are rounded away, as transform coding of all of them."""
    found = figures("compression", principal(24))
    assert found["model"]["coarse_psnr"] == pytest.approx(found["pca"]["coarse_psnr"], abs=0.35)
    assert found["model"]["coarse_bpp"] == pytest.approx(found["pca"]["coarse_bpp"], rel=0.08)


def test_gains_of_a_linear_decoder_are_the_lengths_of_its_atoms():
    trained = principal(6)
    scale = torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0, 1.0])
    with torch.no_grad():
        trained.autoencoder.arch.decoder[0].weight.mul_(scale)
        gains = compression._gains(trained)
    assert torch.allclose(gains.float(), scale, rtol=1e-3)


@pytest.mark.slow
def test_finer_steps_cost_bits_and_keep_what_they_promise():
    trained = learned("model.latent_dim=8", steps=800)
    found = figures("compression", trained)["model"]
    with torch.no_grad():
        x = trained.samples(trained.data.test)
        exact = pooled_psnr(trained.autoencoder(x).clamp(0, 1), x, torch.ones_like(x), 1.0)
    assert found["fine_bpp"] > found["middle_bpp"] > found["coarse_bpp"] > 0
    for point, loss in (("fine", 0.1), ("middle", 0.5), ("coarse", 1.5)):
        assert exact - found[f"{point}_psnr"] == pytest.approx(loss, rel=0.4, abs=0.06)


def test_bits_are_those_of_real_bytes():
    """P48: 8 bytes / elements, within 2 % + 16 bytes of the entropy; a codebook costs at most log2 of its size."""
    trained = learned("model=vqvae", "model.latent_dim=16", "model.bottleneck.groups=4", steps=300)
    found = figures("compression", trained)["model"]
    elements = trained.data.test.x.numel()
    most = len(trained.data.test) * trained.autoencoder.bottleneck.bits(1)
    assert found["fine_bpp"] * elements <= 1.02 * most + 8 * 16
    assert found["excess"] <= 0.02 + 16 / (found["fine_bpp"] * elements / 8)
    assert "middle_bpp" not in found


def test_dead_units_cost_nothing():
    trained = principal(6)
    alone = figures("compression", trained)["model"]["fine_bpp"]
    wide = untrained("model=linear", "model.latent_dim=40")
    with torch.no_grad():
        for layer, part in (("encoder", -1), ("decoder", 0)):
            own, other = (getattr(t.autoencoder.arch, layer)[part] for t in (wide, trained))
            own.weight.zero_()
            rows = (slice(6), slice(None)) if layer == "encoder" else (slice(None), slice(6))
            own.weight[rows] = other.weight
        wide.autoencoder.arch.encoder[-1].bias.zero_()
    assert figures("compression", wide)["model"]["fine_bpp"] == pytest.approx(alone, rel=0.25)
