"""The applications that judge codes: metrics against other implementations or their closed form, and their baselines."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from aerun.core.errors import AerunError
from aerun.dataset.splits import Data, Split
from aerun.evaluate import applications
from aerun.evaluate.applications import clustering, probe, reduction, retrieval
from aerun.evaluate.outcome import averaged
from aerun.evaluate.reconstruction import report
from aerun.evaluate.subset import subsample
from aerun.evaluate.suite import ask
from aerun.metrics import few_labels, ssim
from aerun.metrics.agreement import udr
from aerun.metrics.disentanglement import dci, factor_vae_score, fenced, gap, matched, modularity, separated
from aerun.metrics.few_labels import drawn, logistic, paired
from aerun.metrics.neighbours import nearest, trustworthiness, voted
from aerun.metrics.ranking import average_precision, precision_at
from aerun.trained import Trained
from tests.conftest import built, descend

EVENLY = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]).double() / 2  # a rotation that mixes most
CPU = torch.device("cpu")
CODES = ("reconstruction", "reduction", "clustering", "probe", "retrieval")


def untrained(*overrides, seed=0):
    plan = built(*overrides, f"seed={seed}")
    trained = Trained(plan.autoencoder.eval(), plan.dataset, CPU, seed)
    plan.autoencoder.start_from(trained.data.train.x)
    return trained


def with_labels(trained, change):
    """The same model and samples with other labels: a `Trained` of its own."""
    data = trained.data
    parts = (Split(split.x, None if split.y is None else change(split.y)) for split in (data.train, data.val, data.test))
    return Trained(trained.autoencoder, trained.dataset, CPU, trained.seed, Data(*parts))


def fewer(trained, each):
    """The same with so many training samples of each class."""
    train = trained.data.train
    rows = torch.cat([(train.y == c).nonzero().flatten()[:each] for c in train.y.unique()])
    data = Data(train.take(rows), trained.data.val, trained.data.test)
    return Trained(trained.autoencoder, trained.dataset, CPU, trained.seed, data)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# -- reconstruction ------------------------------------------------------------------------------------------------------


def theirs(x, y):
    """SSIM of torchmetrics, which also looks at reflected images over the edge: cut to where the window lies inside."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    whole = structural_similarity_index_measure(y, x, sigma=1.5, data_range=1.0, reduction="none", return_full_image=True)[1]
    return whole[..., 5:-5, 5:-5].flatten(1).mean(1)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 11, 20)])
def test_ssim_is_that_of_torchmetrics(shape):
    x = random(5, *shape).sigmoid()
    y = (x + 0.2 * random(5, *shape, seed=1)).clamp(0, 1)
    assert torch.allclose(ssim.ssim(x, y, 1.0), theirs(x, y), atol=1e-6)
    assert torch.allclose(ssim.ssim(x, x, 1.0), torch.ones(5).double())
    assert torch.allclose(ssim.ssim(255 * x, 255 * y, 255.0), ssim.ssim(x, y, 1.0))


def test_reconstruction_gives_the_figures_of_the_report():
    trained = untrained("model=linear", "model.latent_dim=8")
    found, figures = report(trained), ask("reconstruction", trained)[0].figures
    assert figures["model"]["se"] == found["test/se"]
    assert figures["pca"]["psnr_mean"] == found["pca/psnr_mean"]
    assert figures["mean"]["fvu"] == 1
    assert "ssim" not in figures["model"]  # digits are smaller than its window


def test_reconstruction_of_images_has_their_structure():
    trained = untrained("model=ae", "dataset=sprites")
    figures = ask("reconstruction", trained)[0].figures
    x = trained.samples(trained.data.test)
    expected = theirs(x.double(), trained.pca(x).clamp(0, 1).double()).mean()
    assert figures["pca"]["ssim"] == pytest.approx(float(expected), abs=1e-5)
    assert figures["pca"]["ssim"] > figures["mean"]["ssim"]


@pytest.mark.parametrize("arch", ["mlp", "linear"])
def test_no_model_with_an_affine_decoder_beats_pca_on_its_training_samples(arch):
    """P03: train SE >= the variance behind the first k components, whatever the encoder is."""
    plan = built("model=ae", "model.latent_dim=4", f"model/arch={arch}", *(["model.arch.hidden=[]"] if arch == "mlp" else []))
    data = plan.dataset.load()
    model = descend(plan.autoencoder, data, steps=1500, lr=3e-3)
    own = Trained(model, plan.dataset, CPU, 0, Data(data.train, data.val, data.train))
    found = report(own)
    assert found["pca/se"] * (1 - 1e-4) <= found["test/se"] <= 1.1 * found["pca/se"]


# -- neighbours ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [5, 12])
def test_trustworthiness_is_that_of_scikit_learn(k):
    """P46, on digits and their first 2 components, where it is known to be 0.83 for k = 12."""
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA
    from sklearn.manifold import trustworthiness as theirs

    x = load_digits().data / 16
    z = PCA(2, random_state=0).fit_transform(x)
    a, b = torch.from_numpy(x), torch.from_numpy(z)
    assert trustworthiness(a, b, k) == pytest.approx(theirs(x, z, n_neighbors=k), abs=1e-4)
    assert trustworthiness(b, a, k) == pytest.approx(theirs(z, x, n_neighbors=k), abs=1e-4)
    if k == 12:
        assert trustworthiness(a, b, k) == pytest.approx(0.830, abs=2e-3)


def test_trustworthiness_of_identity_is_one_and_of_a_permutation_chance():
    """P46."""
    x = random(400, 6)
    assert trustworthiness(x, 3 * x + 1, 12) == 1
    assert trustworthiness(x, x[torch.randperm(400, generator=torch.Generator().manual_seed(0))], 12) == pytest.approx(
        0.5, abs=0.03
    )


def test_distances_do_not_cancel_far_from_the_origin():
    x = random(200, 5).float()
    assert torch.equal(nearest(x[:50], x[50:], 5).sort(1).values, nearest(x[:50] + 1000, x[50:] + 1000, 5).sort(1).values)


def test_votes_are_those_of_scikit_learn():
    from sklearn.neighbors import KNeighborsClassifier

    x, y = random(300, 3), torch.randint(0, 4, (300,), generator=torch.Generator().manual_seed(0))
    theirs = KNeighborsClassifier(10).fit(x[:200].numpy(), y[:200].numpy()).predict(x[200:].numpy())
    assert np.array_equal(voted(nearest(x[200:], x[:200], 10), y[:200]).numpy(), theirs)


def test_reduction_ranks_a_model_that_copies_first_and_one_that_mixes_last():
    trained = untrained("model=linear", "model.latent_dim=64")
    with torch.no_grad():
        trained.autoencoder.arch.encoder[-1].weight.copy_(torch.eye(64))
    figures = ask("reduction", trained)[0].figures
    assert figures["model"]["trustworthiness"] == pytest.approx(1, abs=1e-3)
    assert figures["model"]["continuity"] == pytest.approx(1, abs=1e-3)
    assert figures["model"]["knn"] == pytest.approx(figures["raw"]["knn"], abs=0.01)
    assert figures["raw"]["knn"] > 0.95
    with torch.no_grad():
        trained.autoencoder.arch.encoder[-1].weight.zero_()
    mixed = ask("reduction", trained)[0].figures["model"]
    assert mixed["trustworthiness"] == pytest.approx(0.5, abs=0.1)
    assert mixed["knn"] < 0.3


def test_reduction_says_which_data_are_too_few():
    trained = untrained()
    few = Trained(
        trained.autoencoder,
        trained.dataset,
        CPU,
        0,
        Data(trained.data.train, trained.data.val, trained.data.test.take(torch.arange(20))),
    )
    with pytest.raises(AerunError, match="at least 26"):
        reduction.evaluate(few)


# -- retrieval -----------------------------------------------------------------------------------------------------------


def test_average_precision_is_that_of_scikit_learn():
    from sklearn.metrics import average_precision_score

    scores, relevant = random(20, 50), random(20, 50, seed=1) > 0.8
    order = scores.argsort(1, descending=True)
    own = average_precision(relevant.gather(1, order))
    theirs = [average_precision_score(r.numpy(), s.numpy()) for r, s in zip(relevant, scores, strict=True)]
    assert torch.allclose(own, torch.tensor(theirs, dtype=torch.float64))


def test_precision_in_closed_form():
    hits = torch.tensor([[1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]]).bool()
    assert float(average_precision(hits)) == pytest.approx((1 + 2 / 3 + 3 / 11) / 3)
    assert float(precision_at(hits, 10)) == pytest.approx(0.2)


def test_no_query_is_in_the_database():
    """Queries and database together are the test split, and no query is near itself."""
    trained = untrained("model=linear")
    asked = []
    trained_scores = retrieval.scores

    def spy(queries, wanted, base, y):
        asked.append((queries, base))
        return trained_scores(queries, wanted, base, y)

    retrieval.scores = spy
    try:
        ask("retrieval", trained)
    finally:
        retrieval.scores = trained_scores
    for queries, base in asked:
        assert len(queries) + len(base) == len(trained.data.test)
    queries, base = asked[2]  # raw
    assert float(torch.cdist(queries, base).min()) > 0


def test_retrieval_of_perfect_codes_is_one_and_of_random_codes_the_share_of_the_class():
    y = torch.arange(400).remainder(4)
    perfect = retrieval.scores(normalize(torch.eye(4)[y[:40]]), y[:40], torch.eye(4)[y[40:]], y[40:])
    assert perfect == {"map": pytest.approx(1), "p_at_10": pytest.approx(1)}
    x = random(400, 5)
    chance = retrieval.scores(x[:40], y[:40], x[40:], y[40:])
    assert chance["map"] == pytest.approx(0.25, abs=0.04)
    assert chance["p_at_10"] == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize(("who", "map_", "first"), [("raw", 0.428, 0.863), ("cosine", 0.442, 0.888)])
def test_retrieval_of_mnist_pixels_is_the_measured_one(mnist, who, map_, first):
    """500 queries, the next 5,000 test images the database."""
    x, y = mnist.test.x[:5500].flatten(1).float() / 255, mnist.test.y[:5500]
    x = normalize(x, dim=1) if who == "cosine" else x
    found = retrieval.scores(x[:500], y[:500], x[500:], y[500:])
    assert found["map"] == pytest.approx(map_, abs=1e-3)
    assert found["p_at_10"] == pytest.approx(first, abs=1e-3)


# -- clustering ----------------------------------------------------------------------------------------------------------


def test_accuracy_of_clusters_is_of_the_best_matching():
    truth = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    assert clustering.accuracy(truth, np.array([2, 2, 2, 0, 0, 1, 1, 1])) == 1
    assert clustering.accuracy(truth, np.zeros(8, dtype=int)) == pytest.approx(3 / 8)
    rows = np.random.default_rng(0)
    a, b = rows.integers(0, 4, 50), rows.integers(0, 4, 50)
    from itertools import permutations

    best = max(sum(p[j] == i for i, j in zip(a, b, strict=True)) for p in permutations(range(4)))
    assert clustering.accuracy(a, b) == best / 50


def test_clusters_of_separate_classes_are_the_classes():
    y = torch.arange(300).remainder(3)
    x = 10 * torch.eye(3)[y] + 0.1 * random(300, 3)
    assert clustering.scores(x, y, 3, 0) == {k: pytest.approx(1) for k in ("acc", "nmi", "ari")}
    still = clustering.scores(torch.zeros(300, 3), y, 3, 0)  # one value for all: no warning either
    assert still["nmi"] == 0


def test_clustering_says_its_draws():
    outcome = ask("clustering", untrained())[0]
    assert "3 draws" in outcome.note
    assert outcome.spread["model"]["acc"] >= 0
    assert set(outcome.figures) == {*clustering.WHO} - {"own"}
    own = ask("clustering", untrained("model=vae", "model/prior=mixture"))[0]
    assert [*own.figures] == [*clustering.WHO]
    assert own.spread["own"]["acc"] == 0


# -- few labels ----------------------------------------------------------------------------------------------------------


def test_labels_are_drawn_evenly_and_smaller_draws_are_part_of_larger_ones():
    y = torch.arange(100).remainder(5)
    rows = drawn(y, y.unique(), 6, torch.Generator().manual_seed(0))
    assert rows.shape == (6, 5)
    assert len(rows.unique()) == 30
    for r in (1, 4, 6):
        assert torch.equal(torch.bincount(y[rows.flatten()[: 5 * r]]), torch.full((5,), r))


def test_logistic_regression_is_that_of_the_whole_space():
    """What is learned from fewer samples than features lies in their span: the shortcut changes nothing."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    g = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = g.normal(size=(60, 200)) + 0.7 * np.eye(200)[y]
    test = g.normal(size=(500, 200)) + 0.7 * np.eye(200)[np.arange(500) % 3]
    mean = x.mean(0)
    scale = np.sqrt(np.square(x - mean).sum(1).mean())
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(
        LogisticRegression(max_iter=5000, tol=1e-8), {"C": [1, 10, 100, 1000]}, scoring="neg_log_loss", cv=folds
    )
    search.fit((x - mean) / scale, y)
    found = (search.predict((test - mean) / scale) == np.arange(500) % 3).mean()
    assert logistic(x, y, test, np.arange(500) % 3) == pytest.approx(found, abs=0.006)
    assert logistic(1000 * x + 5, y, 1000 * test + 5, np.arange(500) % 3) == pytest.approx(found, abs=0.006)


@pytest.mark.parametrize(("noise", "apart", "expected"), [(1, 0, 1.0), (0.05, 1, 1000.0)])
def test_strength_is_the_one_that_scikit_learn_would_choose(noise, apart, expected):
    """Noise asks for the strongest penalty, classes far apart for the weakest."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    y = np.arange(60) % 3
    x = noise * np.random.default_rng(0).normal(size=(60, 4)) + apart * np.eye(4)[y]
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    grid = {"C": [1.0, 10.0, 100.0, 1000.0]}
    search = GridSearchCV(LogisticRegression(max_iter=5000), grid, scoring="neg_log_loss", cv=folds).fit(x, y)
    assert few_labels._strength(x, y) == search.best_params_["C"] == expected


def test_one_label_of_each_class_is_enough():
    x = np.eye(4) + 0.0
    assert logistic(x, np.arange(4), x[[2, 0, 3]], np.array([2, 0, 3])) == 1


def test_paired_difference_in_closed_form():
    gain, p = paired([0.5, 0.7, 0.9], [0.4, 0.5, 0.6])
    t = 0.2 / (0.1 / math.sqrt(3))
    assert gain == pytest.approx(0.2)
    assert p == pytest.approx(2 * (0.5 - t / (2 * math.sqrt(2 + t * t))), abs=1e-9)  # Student's t with 2 degrees of freedom
    assert paired([0.1, 0.2], [0.1, 0.2]) == (0, 1)


@pytest.mark.slow
def test_probe_has_its_baselines_and_no_more_labels_than_there_are(monkeypatch):
    monkeypatch.setattr(probe, "_DRAWS", 4)
    trained = fewer(untrained("model=ae", "model.latent_dim=16"), 30)
    outcome = ask("probe", trained)[0]
    assert set(outcome.figures) == set(probe.WHO)
    raw = outcome.figures["raw"]
    assert list(raw) == ["acc_10", "acc_50", "acc_100"]  # 30 training samples of each class were kept
    assert raw["acc_10"] < raw["acc_50"] < raw["acc_100"]
    assert outcome.figures["random_projection"]["acc_100"] < raw["acc_100"]
    gain = outcome.figures["pca"]["gain_50"]
    assert gain == pytest.approx(outcome.figures["pca"]["acc_50"] - raw["acc_50"])
    assert 0 <= outcome.figures["model"]["p_50"] <= 1
    assert "4 draws" in outcome.note


@pytest.mark.slow
def test_probes_of_permuted_labels_are_at_chance(monkeypatch):
    """P40: labels that say nothing are not learned; nothing of the truth leaks into a draw."""
    monkeypatch.setattr(probe, "_DRAWS", 3)
    trained = fewer(untrained("model=linear", "model.latent_dim=16"), 10)
    g = torch.Generator().manual_seed(0)
    mixed = with_labels(trained, lambda y: y[torch.randperm(len(y), generator=g)])
    for who, row in ask("probe", mixed)[0].figures.items():
        for key in ("acc_50", "acc_100"):
            assert row[key] == pytest.approx(0.1, abs=0.05), (who, key)


def test_codes_do_not_depend_on_labels():
    """P40."""
    trained = untrained("model=ae")
    mixed = with_labels(trained, lambda y: y.flip(0))
    assert ask("reconstruction", mixed)[0].figures == ask("reconstruction", trained)[0].figures


# -- factors -------------------------------------------------------------------------------------------------------------


def test_correlation_is_one_for_factors_in_any_order_sign_and_scale():
    g = torch.Generator().manual_seed(0)
    factors = torch.randn(500, 4, generator=g)
    codes = factors[:, [2, 0, 3, 1]] * torch.tensor([-1.0, 5.0, 0.1, 1.0]) + 7
    assert torch.allclose(matched(codes, factors), torch.ones(4).double(), atol=1e-6)
    assert matched(factors @ EVENLY.float(), factors).mean() == pytest.approx(0.5, abs=0.1)


def test_each_factor_has_a_unit_of_its_own():
    """One unit that says all factors a little is matched once, not three times; a constant unit counts 0."""
    g = torch.Generator().manual_seed(0)
    factors = torch.randn(2000, 3, generator=g)
    codes = torch.stack([factors.sum(1), torch.zeros(2000), torch.randn(2000, generator=g)], 1)
    found = matched(codes, factors)
    assert found.max() == pytest.approx(3**-0.5, abs=0.05)
    assert (found < 0.1).sum() == 2


def five(n=10_000):
    """Four independent factors of 5 values."""
    return torch.randint(0, 5, (n, 4), generator=torch.Generator().manual_seed(0)).double()


def test_gap_knows_axes_noise_rotation_and_copies():
    """P31: the factors themselves near 1, rotated below 0.15, noise below 0.01, a duplicated code lowered."""
    factors, noise = five(), random(10_000, 4)
    assert gap(factors, factors) > 0.99
    assert gap((factors - 2) @ EVENLY, factors) < 0.15
    assert gap(noise, factors) < 0.01
    assert gap(torch.cat([factors, factors[:, :2]], 1), factors) == pytest.approx(0.5, abs=0.01)
    assert gap(factors[:, [3, 1, 0, 2]] * -3 + 1, factors) == pytest.approx(gap(factors, factors))


def test_gap_reads_the_whole_information_of_one_unit():
    """A factor of 2 values held by a single unit without any other: I = H, so the gap is 1."""
    factor = torch.arange(100).remainder(2).double()[:, None]
    assert gap(factor, factor) == pytest.approx(1)


def test_gap_is_information_as_scikit_learn_counts_it():
    from sklearn.metrics import mutual_info_score

    factors = five(2000)[:, :1]
    codes = torch.cat([factors + 0.7 * random(2000, 1), factors + 3 * random(2000, 1, seed=1)], 1)
    binned = [np.digitize(z, np.quantile(np.unique(z), np.linspace(0, 1, 21)[1:-1])) for z in codes.numpy().T]
    a, b = sorted((mutual_info_score(factors[:, 0].numpy(), z) for z in binned), reverse=True)
    entropy = mutual_info_score(factors[:, 0].numpy(), factors[:, 0].numpy())
    assert gap(codes, factors) == pytest.approx((a - b) / entropy, abs=2e-3)


def test_one_outlier_moves_no_gap():
    factors, codes = five(2000), five(2000) + 0.3 * random(2000, 4)
    before = gap(codes, factors)
    codes[0] = 1e6
    assert before > 0.3
    assert gap(codes, factors) == pytest.approx(before, abs=0.01)


@pytest.mark.parametrize("size", [30, 1e6])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("score", [separated, lambda z, f: matched(z, f).mean(), lambda z, f: dci(z, f)["informativeness"]])
def test_one_outlier_decides_no_correlation(score, side, size):
    """Of a code or of factors; a correlation would be that of the one value alone."""
    both = [random(2000, 4), random(2000, 4)]
    before = score(*both)
    both[side] = both[side].clone()
    both[side][0] = size
    assert before > 0.9
    assert score(*both) > 0.85


def test_values_that_are_not_far_off_are_left_as_they_are():
    x = torch.cat([random(2000, 3), (torch.arange(2000) % 50 == 0).double()[:, None]], 1)
    assert torch.equal(fenced(x), x)


def test_a_unit_that_is_rarely_on_is_seen():
    factor = (torch.arange(2000) % 50 == 0).double()[:, None]
    assert gap(factor * (1 + random(2000, 1).abs()), factor) > 0.9


@pytest.mark.parametrize("score", [separated, lambda z, f: dci(z, f)["dci"], lambda z, f: dci(z, f)["completeness"]])
def test_scores_of_axes_are_high_for_factors_and_low_for_rotations_and_noise(score):
    factors = five(2000)
    continuous = random(2000, 4)
    for known in (factors, continuous):
        whole, turned = score(known, known), score((known - known.mean(0)) @ EVENLY, known)
        assert whole > 0.75
        assert turned < 0.25
        assert score(random(2000, 4, seed=3), known) < 0.1


def test_copies_lower_completeness_and_mixtures_disentanglement():
    """A factor in two units is not in one place; a unit of two factors does not stand for one."""
    factors = five(2000)
    copied = dci(torch.cat([factors, factors], 1), factors)
    assert copied["dci"] > 0.95
    assert copied["completeness"] < 0.85
    mixed = dci(torch.stack([factors[:, 0] + 5 * factors[:, 1], factors[:, 2] + 5 * factors[:, 3]], 1), factors)
    assert mixed["completeness"] > 0.9
    assert mixed["dci"] < 0.6


def test_separation_of_continuous_factors_in_closed_form():
    """Squared correlations 1 / (1 + s^2) of a unit that is the factor and noise of deviation s."""
    f = random(20_000, 1)
    codes = torch.cat([f + 0.5 * random(20_000, 1, seed=1), f + 2 * random(20_000, 1, seed=2)], 1)
    assert separated(codes, f) == pytest.approx(1 / 1.25 - 1 / 5, abs=0.02)


def test_information_of_a_code_is_what_forests_predict_from_it():
    factors = five(2000)
    assert dci(factors, factors)["informativeness"] > 0.99
    assert dci(random(2000, 4), factors)["informativeness"] == pytest.approx(0.2, abs=0.05)
    half = dci(torch.cat([factors[:, :2], random(2000, 2)], 1), factors)
    assert half["informativeness"] == pytest.approx((2 * 1 + 2 * 0.2) / 4, abs=0.05)


def test_factors_that_never_vary_are_left_out_and_counted(monkeypatch):
    trained = untrained("dataset=factors", "model=linear", "model.latent_dim=4")
    truth = trained.dataset.factors()
    whole = ask("disentanglement", trained)[0]
    more = Data(*(Split(torch.cat([s.x, torch.full((len(s), 1), 3.0)], 1), None) for s in (truth.train, truth.val, truth.test)))
    monkeypatch.setattr(type(trained.dataset), "factors", lambda self: more)
    found = ask("disentanglement", trained)[0]
    assert found.figures["model"] == whole.figures["model"]
    assert "(1 more that never vary are left out)" in found.note
    none = Data(*(Split(torch.ones(len(s), 2), None) for s in (truth.train, truth.val, truth.test)))
    monkeypatch.setattr(type(trained.dataset), "factors", lambda self: none)
    with pytest.raises(AerunError, match="no factor varies"):
        ask("disentanglement", trained)


def test_disentanglement_finds_factors_row_for_row_and_rotations_lose_them():
    """A code that is the data set's own principal directions finds all factors of `factors`."""
    trained = untrained("dataset=factors", "dataset.noise=0", "model=linear", "model.latent_dim=4")
    x, f = trained.data.train.x, trained.dataset.factors().train.x
    with torch.no_grad():
        trained.autoencoder.arch.encoder_weights()[0].copy_(torch.linalg.lstsq(x, f).solution.t())
    figures = ask("disentanglement", trained)[0].figures
    assert figures["model"]["mcc"] == pytest.approx(1, abs=1e-3)
    assert figures["pca"]["mcc"] > 0.99
    for key in ("mig", "sap", "mcc", "dci"):
        assert figures["model"][key] > figures["rotated"][key] + 0.1


# -- all of them ---------------------------------------------------------------------------------------------------------

FITS = [
    ("dataset=digits", "model=conv", "model/bottleneck=vector"),
    ("dataset=digits", "model=vqvae"),
    ("dataset=digits", "model=topk"),
    ("dataset=japanese_vowels", "model=recurrent", "model.arch.hidden=8"),
    ("dataset=wine", "model=ae"),
]


@pytest.mark.slow
@pytest.mark.parametrize("overrides", FITS, ids=lambda o: " ".join(o[:2]))
def test_every_kind_of_code_and_of_data_is_judged(overrides, monkeypatch):
    for module, name in ((probe, "_DRAWS"), (clustering, "_DRAWS")):
        monkeypatch.setattr(module, name, 2)
    trained = fewer(untrained(*overrides), 10)
    for name in CODES:
        assert not applications.unsupported_reason(name, trained.autoencoder, trained.dataset)
        outcome = ask(name, trained)[0]
        assert "model" in outcome.figures
        assert all(math.isfinite(v) for row in outcome.figures.values() for v in row.values()), name


def test_what_does_not_fit_is_said_before_data_are_read():
    no_labels = built("dataset=factors")
    for name in ("clustering", "probe", "retrieval"):
        assert "labels" in applications.unsupported_reason(name, no_labels.autoencoder, no_labels.dataset)
    one_class = built("dataset.normal=[0]")
    assert "dataset.normal" in applications.unsupported_reason("probe", one_class.autoencoder, one_class.dataset)
    digits = built()
    assert "dataset=factors or sprites" in applications.unsupported_reason(
        "disentanglement", digits.autoencoder, digits.dataset
    )
    wide = built("dataset=factors", "model=sparse", "model.latent_dim=300")
    assert "at most 256" in applications.unsupported_reason("disentanglement", wide.autoencoder, wide.dataset)
    assert built("dataset=mixture").dataset.factors() is None


def test_a_subset_is_bounded_always_the_same_and_keeps_labels():
    split = Split(torch.arange(1000)[:, None], torch.arange(1000))
    few = subsample(split, 100)
    assert len(few) == 100
    assert torch.equal(few.x[:, 0], few.y)
    assert torch.equal(few.y, subsample(split, 100).y)
    assert len(subsample(split, 100, size=10_000_000)) == 10
    assert sorted(subsample(split, 5000).y.tolist()) == list(range(1000))


def test_mean_and_deviation_over_draws():
    outcome = averaged([{"a": {"m": 1.0}}, {"a": {"m": 3.0}}], "")
    assert outcome.figures == {"a": {"m": 2.0}}
    assert outcome.spread["a"]["m"] == pytest.approx(2**0.5)


def test_modularity_and_votes_are_one_for_the_factors_themselves():
    """P88: two factors mixed evenly have modularity 0; collapsed units never win a vote; a factor held twice is not seen."""
    factors = random(4000, 3)
    noise = 1e-3 * random(4000, 2, seed=1)
    assert modularity(factors, factors) > 0.99
    assert factor_vae_score(factors, factors) == 1
    mixed = factors[:, :2] @ torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=factors.dtype) / 2**0.5
    assert abs(modularity(mixed, factors[:, :2])) < 0.1
    collapsed = torch.cat([noise, factors], 1)
    assert factor_vae_score(collapsed, factors) == 1
    assert modularity(collapsed, factors) > 0.99
    assert factor_vae_score(torch.cat([factors, factors], 1), factors) == 1
    assert 0.2 < factor_vae_score(random(4000, 3, seed=2), factors) < 0.5
    few = (factors > 0).double() + (factors > 1).double()  # factors of few values, as in sprites
    assert factor_vae_score(few, few) == 1


def test_models_agree_on_units_whatever_their_sign_and_place_and_not_on_rotations():
    """P88: a run and its signed permutation score 1, one that is rotated does not; collapsed units take no part."""
    z = random(4000, 4)
    signed = z[:, [2, 0, 3, 1]] * torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=z.dtype)
    all_four = torch.ones(4, dtype=torch.bool)
    assert min(udr([z, signed, signed.exp()], [all_four] * 3)) > 0.93  # chance correlations of 4,000 samples are in it
    turns = [z @ torch.linalg.qr(random(4, 4, seed=i))[0] for i in range(5)]
    assert max(udr(turns, [all_four] * 5)) < 0.6
    wide = torch.cat([signed, random(4000, 3, seed=9)], 1)
    assert min(udr([z, wide], [all_four, torch.arange(7) < 4])) > 0.93
    assert udr([z, wide], [all_four, torch.zeros(7, dtype=torch.bool)]) == [0, 0]
