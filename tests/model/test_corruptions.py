"""What every corruption promises, the law of each, and the best denoisers that theory knows."""

import inspect
import math

import pytest
import torch
from hydra.utils import get_class
from omegaconf import OmegaConf
from scipy.ndimage import label
from scipy.stats import chi2, ks_2samp

from aerun.core.errors import AerunError
from aerun.core.paths import config_dir
from aerun.metrics.moments import moments as known_moments
from aerun.metrics.moments import of_values
from aerun.settings.catalog import catalog
from tests.conftest import built, descend

OPTIONS = list(catalog()["model/corruption"])
KINDS = {"image": (1, 12, 12), "sequence": (40, 3), "text": (40, 5), "table": (30,)}
LEVEL = 1e-3  # of every chi-squared test


def made(option, kind="image", shape=None, low=0.0, high=1.0, ragged=False, **settings):
    """A corruption with its defaults, `settings` and facts of the data."""
    node = OmegaConf.to_container(OmegaConf.load(config_dir() / "model/corruption" / f"{option}.yaml"))
    cls = get_class(node.pop("_target_"))
    facts = {"kind": kind, "shape": shape or KINDS[kind], "low": low, "high": high, "ragged": ragged, "columns": ()}
    wanted = inspect.signature(cls.__init__).parameters
    return cls(**{**node, **settings}, **{k: v for k, v in facts.items() if k in wanted})


def fits(option, kind):
    """Does it take data of this kind? It says so itself."""
    try:
        made(option, kind)
    except AerunError:
        return False
    return True


FITS = [(option, kind) for option in OPTIONS for kind in KINDS if fits(option, kind)]
HIDING = [(option, kind) for option, kind in FITS if made(option, kind).hides]
ELEMENTWISE = [option for option in OPTIONS if made(option, next(k for o, k in FITS if o == option)).elementwise]


def test_every_option_takes_some_kind_of_data():
    assert {option for option, _ in FITS} == set(OPTIONS)


def drawn(corruption, x, seed=0):
    torch.manual_seed(seed)
    return corruption(x)


def samples(kind, n=16):
    return torch.rand(n, *KINDS[kind], generator=torch.Generator().manual_seed(9))


def unlikely(observed, expected, variance):
    """Is sum (o - e)^2 / v beyond the chi-squared quantile of the level? Cells are independent."""
    observed, expected, variance = (torch.as_tensor(v, dtype=torch.float64) for v in (observed, expected, variance))
    statistic = ((observed - expected) ** 2 / variance).sum().item()
    return not chi2.ppf(LEVEL / 2, observed.numel()) < statistic < chi2.ppf(1 - LEVEL / 2, observed.numel())


def frequency(hits, p):
    """`unlikely` for independent hits (N, cells) of probability p."""
    n = len(hits)
    return unlikely(hits.double().sum(0), n * p, n * p * (1 - p))


@pytest.mark.parametrize(("option", "kind"), FITS)
def test_drawn_fresh_at_every_call_and_reproducible(option, kind):
    """P17: another draw at every call, for every sample and under another seed; the same under the same seed."""
    corruption, x = made(option, kind), samples(kind)
    first, again, other = drawn(corruption, x), drawn(corruption, x), drawn(corruption, x, seed=1)
    torch.manual_seed(0)
    corruption(x)
    second = corruption(x)
    assert first.keys() == again.keys() == {"x_in", *corruption.offers}
    for name in first:
        assert torch.equal(first[name], again[name])
    assert corruption.alters != torch.equal(first["x_in"], x)
    if not corruption.alters:
        return
    assert not torch.equal(first["x_in"], other["x_in"])
    assert not torch.equal(first["x_in"], second["x_in"])
    if not corruption.is_noise:  # rows that are alike have nothing to lend each other
        return
    noise = drawn(corruption, x[:1].expand_as(x).contiguous())["x_in"]
    assert not (noise == noise[:1]).all()


@pytest.mark.parametrize(("option", "kind"), FITS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_keeps_the_clean_input_its_type_and_its_device(option, kind, dtype):
    x = samples(kind).to(dtype)
    before = x.clone()
    found = drawn(made(option, kind), x)
    assert torch.equal(x, before)
    assert found["x_in"].shape == x.shape
    assert found["x_in"].dtype == dtype
    if "mask" in found:
        assert found["mask"].dtype == torch.bool
        assert found["mask"].shape == x.shape
        assert torch.equal(found["x_in"][~found["mask"]], x[~found["mask"]])
    assert all(v.device.type == "meta" for v in made(option, kind)(x.to("meta")).values())


@pytest.mark.parametrize(("option", "kind"), HIDING)
def test_hides_and_never_rescales(option, kind):
    x = samples(kind) + 1
    found = drawn(made(option, kind), x)
    assert (found["x_in"][found["mask"]] == 0).all()
    assert 0 < found["mask"].double().mean() < 1


@pytest.mark.parametrize(("option", "kind"), HIDING)
def test_show_mask_hands_the_mask_to_the_encoder(option, kind):
    """The encoder then reads hidden entries as the mean, whatever stands there, and without it no mask at all."""
    assert not made(option, kind).shows_mask
    assert made(option, kind, show_mask=True).shows_mask


@pytest.mark.parametrize("option", [option for option, kind in HIDING if kind == "image"])
def test_a_shown_mask_changes_the_code_and_the_hidden_value_does_not(option):
    torch.manual_seed(0)
    model = built(f"model/corruption={option}", "model.corruption.show_mask=true").autoencoder.eval()
    x, mask = torch.rand(4, 1, 8, 8), torch.zeros(4, 1, 8, 8, dtype=torch.bool)
    mask[:, :, 2:5, 2:5] = True
    seen = model.encode(x, mask)
    assert torch.equal(model.encode(x.masked_fill(mask, 7.0), mask), seen)
    assert not torch.equal(model.encode(x.masked_fill(mask, 0.0)), seen)
    names = model.objective_pass(x)
    torch.testing.assert_close(model.bottleneck.code(model.arch.encode(x, names["mask"])), names["z"])


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_masking_has_the_asked_frequency_everywhere(p):
    """P17."""
    mask = drawn(made("masking", p=p), torch.rand(4000, 1, 12, 12))["mask"]
    assert not frequency(mask.flatten(1), p)
    assert frequency(mask.flatten(1), p + 0.02)


def test_salt_and_pepper_are_equally_frequent():
    """P17: low with p / 2, high with p / 2, `mask` with p."""
    x = torch.full((4000, 1, 12, 12), 0.25)
    found = drawn(made("salt_pepper", p=0.3, low=-1.0, high=2.0), x)
    for hits, p in ((found["mask"], 0.3), (found["x_in"] == -1, 0.15), (found["x_in"] == 2, 0.15)):
        assert not frequency(hits.flatten(1), p)
    assert torch.equal(found["mask"], found["x_in"] != x)


@pytest.mark.parametrize("limits", [(None, None), (0.0, None)])
def test_salt_and_pepper_need_a_range(limits):
    with pytest.raises(AerunError, match="salt_pepper needs data of a known range"):
        made("salt_pepper", low=limits[0], high=limits[1])


def test_a_block_lies_anywhere_inside_with_equal_probability():
    """P17: one rectangle through all channels, its sides as asked, every position equally likely."""
    mask = drawn(made("block", shape=(3, 10, 16), smallest=0.5, largest=0.5), torch.rand(6000, 3, 10, 16))["mask"]
    assert torch.equal(mask[:, 0], mask[:, 2])
    rows, columns = mask[:, 0].any(2), mask[:, 0].any(1)
    assert (rows.sum(1) == 5).all()
    assert (columns.sum(1) == 8).all()
    assert torch.equal(mask[:, 0], rows[:, :, None] & columns[:, None])
    for side, places in ((rows, 6), (columns, 9)):
        counts = torch.bincount(side.int().argmax(1), minlength=places).double()
        assert len(counts) == places
        expected = 6000 / places
        assert ((counts - expected) ** 2 / expected).sum() < chi2.ppf(1 - LEVEL, places - 1)


def test_sides_of_blocks_span_the_asked_shares_and_are_independent():
    mask = drawn(made("block", shape=(1, 40, 40), smallest=0.2, largest=0.6), torch.rand(4000, 1, 40, 40))["mask"][:, 0]
    sides = torch.stack([mask.any(2).sum(1), mask.any(1).sum(1)]).double()
    assert sides.min() == 8
    assert sides.max() == 24
    assert sides.mean().item() == pytest.approx(16, abs=0.3)
    assert torch.corrcoef(sides)[0, 1].abs() < 4 / 4000**0.5


def test_blocks_of_sequences_are_whole_steps_and_several_may_overlap():
    mask = drawn(made("block", "sequence", count=3, smallest=0.1, largest=0.1), torch.rand(500, 40, 3))["mask"]
    assert torch.equal(mask, mask[:, :, :1].expand_as(mask))
    lengths = mask[:, :, 0].sum(1)
    assert lengths.max() == 12
    assert lengths.min() >= 4
    assert lengths.min() < 12


def test_a_block_is_filled_as_asked():
    found = drawn(made("block", fill=0.5), samples("image"))
    assert (found["x_in"][found["mask"]] == 0.5).all()


@pytest.mark.parametrize("strokes", [1, 3])
@pytest.mark.parametrize("thickness", [1, 3])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_strokes_cover_the_asked_share_in_as_many_pieces_at_most(strokes, thickness, share):
    """P17: to less than one brush more; every stroke hangs together."""
    x = torch.rand(200, 2, 28, 28)
    mask = drawn(made("irregular", shape=(2, 28, 28), share=share, strokes=strokes, thickness=thickness), x)["mask"]
    assert torch.equal(mask[:, 0], mask[:, 1])
    covered = mask[:, 0].flatten(1).sum(1)
    least = round(share * 784)
    assert (covered >= least).all()
    assert (covered < least + thickness**2).all()
    assert max(label(m, structure=[[1] * 3] * 3)[1] for m in mask[:, 0].numpy()) <= strokes
    assert mask[:, 0].double().mean(0).min() > 0, "some place is never hidden"


def test_a_thicker_brush_leaves_rounder_holes():
    """Hidden pixels with all eight neighbours hidden: none of a thin line's, most of a thick one's."""
    inner = []
    for thickness in (1, 5):
        mask = drawn(made("irregular", shape=(1, 28, 28), share=0.2, thickness=thickness), torch.rand(50, 1, 28, 28))["mask"]
        core = -torch.nn.functional.max_pool2d(-mask.float(), 3, 1, 1)
        inner.append((core.sum() / mask.sum()).item())
    assert inner[0] < 0.15
    assert inner[1] > 0.3


@pytest.mark.parametrize(("p", "span"), [(0.3, 3.0), (0.5, 2.0), (0.1, 8.0)])
def test_time_dropout_is_the_asked_chain(p, span):
    """P17: P(hidden) = p at the first step, at the last and everywhere; P(hidden -> visible) = 1 / span."""
    mask = drawn(made("time_dropout", "sequence", p=p, span=span), torch.rand(4000, 40, 3))["mask"]
    assert torch.equal(mask, mask[:, :, :1].expand_as(mask))
    hidden = mask[:, :, 0]
    assert not frequency(hidden[:, :1], p)
    assert not frequency(hidden[:, -1:], p)
    before, after = hidden[:, :-1].flatten(), hidden[:, 1:].flatten()
    for state, leaves in ((True, 1 / span), (False, p / (1 - p) / span)):
        moves = (after[before == state] != state)[:, None]
        assert not frequency(moves, leaves)
        assert frequency(moves, leaves * 1.1)


@pytest.mark.parametrize("db", [-6.0, 10.0, 30.0])
def test_snr_is_the_asked_ratio_in_every_sample(db):
    """P17: noise power = signal power / 10^(db / 10), sample by sample, whatever their scale and offset."""
    scale = torch.tensor([0.01, 1.0, 50.0]).repeat(20)[:, None, None]
    x = (scale * torch.randn(60, 40, 30, generator=torch.Generator().manual_seed(3)) + 7).double()
    noise = drawn(made("snr", "sequence", db=db), x)["x_in"] - x
    expected = x.flatten(1).var(1, correction=0) / 10 ** (db / 10)
    standard = (noise.flatten(1) / expected[:, None].sqrt()).square().sum(1)
    assert not unlikely(standard, 1200.0, 2 * 1200.0)
    constant = torch.full((2, 40, 30), 3.0)
    assert torch.equal(made("snr", "sequence", db=db)(constant)["x_in"], constant)


def test_gaussian_noise_has_the_asked_variance():
    """P17."""
    noise = drawn(made("gaussian", sigma=0.3), torch.zeros(2000, 1, 12, 12, dtype=torch.float64))["x_in"] / 0.3
    assert not unlikely(noise.flatten(1).square().sum(1), 144.0, 2 * 144.0)


@pytest.mark.parametrize(("option", "kind"), FITS)
def test_what_a_corruption_says_of_itself_is_so(option, kind):
    """It is described in words; the words that it promises are there; a law of its noise is that of what it draws."""
    corruption, x = made(option, kind), samples(kind, 4000).double()
    found = drawn(corruption, x)
    assert corruption.hides <= ("mask" in corruption.offers)
    assert corruption.makes_holes <= corruption.hides <= corruption.alters
    if corruption.hides:
        assert (found["x_in"][found["mask"]] == corruption.fill).all()
    if corruption.alters:
        assert 10 < len(corruption.describe()) < 80
    if corruption.white_noise is not None:
        assert (found["x_in"] - x).std().item() == pytest.approx(corruption.white_noise, rel=0.02)
    known = known_moments(lambda: iter([x]))
    if law := corruption.noise_model(known):
        seen = known_moments(lambda: iter([found["x_in"]]))
        scale = law.covariance.diagonal().mean()
        assert (seen.mean - law.mean).abs().max() < 0.1 * scale.sqrt()
        assert (seen.covariance - law.covariance).abs().max() < 0.1 * scale


@pytest.mark.parametrize("option", ELEMENTWISE)
def test_what_works_element_by_element_takes_features_of_any_range_and_shape(option):
    """As trainer=stacked has it: the same law for every entry, whatever the others are."""
    kind = next(k for o, k in FITS if o == option)
    corruption = made(option, kind, low=None, high=None)
    wide = 100 * torch.randn(64, 7, generator=torch.Generator().manual_seed(3))
    found = drawn(corruption, wide)["x_in"]
    other = wide.clone()
    other[:, 1:] = 0
    assert torch.equal(drawn(corruption, other)["x_in"][:, 0], found[:, 0])


REFUSED = [
    ("block", "table", {}, r"block needs data of kind image or sequence or text.*kind is table"),
    ("irregular", "sequence", {}, r"irregular needs data of kind image.*kind is sequence"),
    ("time_dropout", "image", {}, r"time_dropout needs data of kind sequence or text.*kind is image"),
    ("block", "image", {"count": 0}, r"count=0"),
    ("block", "image", {"smallest": 0.6}, r"smallest=0\.6.*largest=0\.5"),
    ("block", "image", {"smallest": 0.0}, r"smallest=0"),
    ("block", "image", {"largest": 1.5}, r"largest=1\.5"),
    ("block", "image", {"fill": math.inf}, r"fill=inf"),
    ("irregular", "image", {"share": 0.9}, r"share=0\.9.*0\.75"),
    ("irregular", "image", {"strokes": 0}, r"strokes=0"),
    ("irregular", "image", {"thickness": 13}, r"thickness=13.*12 x 12"),
    ("time_dropout", "text", {"p": 1.0}, r"p=1\.0"),
    ("time_dropout", "text", {"p": 0.8, "span": 3.0}, r"span=3\.0.*at least 5"),
    ("snr", "sequence", {"ragged": True}, r"snr needs samples of one length"),
    ("snr", "sequence", {"db": 1e6}, r"db=1000000"),
    ("masking", "table", {"p": 1.2}, r"p=1\.2"),
    ("salt_pepper", "table", {"p": -0.1}, r"p=-0\.1"),
]


@pytest.mark.parametrize(("option", "kind", "settings", "words"), REFUSED)
def test_senseless_settings_and_data_are_refused_in_words(option, kind, settings, words):
    with pytest.raises(AerunError, match=words):
        made(option, kind, **settings)


# -- what the best denoiser is ---------------------------------------------------------------------------------------------


def moments(digits):
    x = digits.train.x.flatten(1).double() / 16
    return x, x.mean(0), torch.cov(x.t(), correction=0)


def linear_denoiser(digits, *overrides):
    """The best affine map for what this corruption really draws, by least squares, set into the model."""
    model = built("model/arch=linear", "model.latent_dim=64", *overrides).autoencoder.double()
    model.start_from(digits.train.x)
    x = model.units(digits.train.x).double()
    torch.manual_seed(0)
    seen = torch.cat([model.corruption(x)["x_in"] for _ in range(40)]).flatten(1) - model.arch.mean.flatten()
    seen = torch.cat([seen, torch.ones(len(seen), 1)], 1)
    gram, cross = seen.t() @ seen, seen.t() @ x.flatten(1).repeat(40, 1)
    solution = torch.linalg.lstsq(gram + 1e-9 * torch.eye(65), cross).solution
    with torch.no_grad():
        model.arch.encoder[-1].weight.copy_(solution[:64].t())
        model.arch.encoder[-1].bias.zero_()
        model.arch.decoder[0].weight.copy_(torch.eye(64))
        model.arch.decoder[0].bias.copy_(solution[64])
    return torch.stack([model.objective(x, None).loss for _ in range(10)]).mean().item()


def test_a_linear_denoiser_is_the_wiener_filter(digits, double):
    """P16: W = C (C + s^2 I)^-1, error tr C - tr(W C), s = .3; the objective of the best linear model meets it within 1 %."""
    _, _, c = moments(digits)
    best = (c.trace() - torch.linalg.solve(c + 0.09 * torch.eye(64), c @ c).trace()).item()
    assert best == pytest.approx(1.4661, rel=0.02)  # on all 1,797 rows
    found = linear_denoiser(digits, "model/corruption=gaussian", "model.corruption.sigma=0.3")
    assert found == pytest.approx(best, rel=0.01)


def test_a_linear_unmasker_is_the_marginalized_denoiser(digits, double):
    """P16: W = P Q^-1 with Q_ab = S_ab q_a q_b (a != b), Q_aa = S_aa q_a, P_ab = S_ab q_b, q = 1 - nu (bias 1); nu = .5.

    Chen et al. 2012. Inverted dropout, which rescales what stays, gives another corrupted error.
    """
    x, _, _ = moments(digits)
    x = torch.cat([x, torch.ones(len(x), 1)], 1)
    s, q = x.t() @ x / len(x), torch.tensor([0.5] * 64 + [1.0])
    big_q = s * q[:, None] * q
    big_q.diagonal().copy_(s.diagonal() * q)
    p = (s * q)[:64]
    w = torch.linalg.solve(big_q + 1e-12 * torch.eye(65), p.t()).t()
    best = (s.diagonal()[:64].sum() - (w * p).sum()).item()
    assert best == pytest.approx(2.4407, rel=0.02)  # on all 1,797 rows
    found = linear_denoiser(digits, "model/corruption=masking", "model.corruption.p=0.5")
    assert found == pytest.approx(best, rel=0.01)
    clean = digits.train.x.double() / 16
    hidden = drawn(made("masking", shape=(1, 8, 8), p=0.5), clean)["x_in"]
    assert (hidden - clean).square().flatten(1).sum(1).mean().item() == pytest.approx(7.49, rel=0.03)


def test_a_denoiser_learns_the_score_of_the_smoothed_density():
    """P15: (r(x) - x) / sigma^2 = grad log p_sigma(x), the density smoothed by the noise, where data are and not far away."""
    torch.manual_seed(0)
    small = ["model.arch.hidden=[64]", "model.arch.activation=tanh", "model.latent_dim=64"]
    plan = built("dataset=mixture", *small, "model/corruption=gaussian", "model.corruption.sigma=0.3")
    data = plan.dataset.load()
    model = descend(plan.autoencoder, data, steps=1500, lr=1e-2, batch=256)
    near = drawn(model.corruption, data.val.x.float())["x_in"]
    angle = 2 * math.pi * torch.rand(2000)
    far = torch.stack([angle.cos(), angle.sin()], 1) * (6 + 2 * torch.rand(2000, 1))

    @torch.no_grad()
    def away(x, noise):
        field, truth = (model(x) - x) / 0.09, plan.dataset.score(x, noise)
        return ((field - truth).norm() / truth.norm()).item(), torch.cosine_similarity(field, truth).mean().item()

    error, cosine = away(near, 0.3)
    assert cosine > 0.99
    assert error < 0.15
    assert away(far, 0.3)[0] > 4 * error
    assert away(near, 0.0)[0] > 2 * error, "of the density as it is, not of the smoothed one"


def hole_error(reconstruct, x, mask):
    """Mean squared error inside the holes alone: what is visible would flatter it."""
    return (reconstruct(x, mask) - x)[mask].square().mean().item()


@pytest.mark.slow
def test_the_inpainting_recipe_fills_holes_better_than_the_best_linear_one(digits):
    """A04: below the error of the conditional Gaussian (LMMSE), inside random holes of test images; measured 1.8 dB."""
    torch.manual_seed(0)
    model = descend(built("model=inpainting").autoencoder, digits, steps=1000)
    x, train = (model.units(s.x).float() for s in (digits.test, digits.train))
    mask = drawn(model.corruption, x)["mask"]
    mean, c = train.flatten(1).mean(0), torch.cov(train.flatten(1).t())

    def linear(x, mask):
        seen = (~mask).flatten(1).float()
        gram = seen[:, :, None] * (c + 1e-3 * torch.eye(64)) * seen[:, None] + torch.diag_embed(1 - seen)
        weights = torch.linalg.solve(gram, ((x.flatten(1) - mean) * seen)[..., None])[..., 0]
        return (mean + weights @ c).reshape(x.shape)

    with torch.no_grad():
        learned, best_linear = (hole_error(f, x, mask) for f in (lambda x, m: model(x.masked_fill(m, 0), m), linear))
    assert best_linear < 0.6 * hole_error(lambda x, m: mean.reshape(1, 8, 8).expand_as(x), x, mask)
    assert 10 * math.log10(best_linear / learned) > 1


@pytest.fixture
def cells(tmp_path):
    """A plan of a table whose cells are one element, three (a category), or one and a mark (gaps)."""
    lines = ["size,grade,age", *(f"{i % 7 + 0.5},{'abc'[i % 3]},{'' if i % 2 else 2.5 ** (i % 5)}" for i in range(300))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    plan = built("dataset=table", f"dataset.path={tmp_path / 't.csv'}", "model/corruption=masking", "model.corruption.p=0.3")
    plan.autoencoder.start_from(plan.dataset.load().train.x)
    return plan


def test_a_hidden_cell_of_a_table_is_all_of_its_elements(cells):
    """Each cell with probability p; what the encoder sees of it holds nothing of what it was."""
    model = cells.autoencoder
    x = model.units(cells.dataset.load().train.x.repeat(20, 1))
    torch.manual_seed(0)
    names = model.corrupted(x)
    size, age, grade, mark = names["mask"][:, 0], names["mask"][:, 1], names["mask"][:, 2:5], names["mask"][:, 5]
    assert torch.equal(grade, grade[:, :1].expand_as(grade))
    assert torch.equal(age, mark)
    assert not frequency(torch.stack([size, age, grade[:, 0]], 1), 0.3)
    assert torch.equal(names["x_in"], x.masked_fill(names["mask"], 0))
    assert model.preparation.owners.tolist() == [0, 2, 1, 1, 1, 2]


def test_the_law_of_the_noise_knows_that_elements_are_hidden_together(cells):
    """Against the covariance of what was really drawn."""
    model = cells.autoencoder
    clean = model.units(cells.dataset.load().train.x).double()
    law = known_moments(lambda: iter([clean]))
    found = torch.cov(model.corrupted(clean.repeat(300, 1))["x_in"].t(), correction=0)
    alone = model.corruption.noise_model(law)
    together = of_values(law, alone, 0.0, model.leaders)
    assert (together.covariance - found).abs().max() < 0.01 < 0.02 < (alone.covariance - found).abs().max()
    assert torch.equal(together.mean, alone.mean)


def test_a_hidden_symbol_of_text_is_all_of_its_elements():
    model = built("dataset=text", "model/corruption=masking", "model.corruption.p=0.3").autoencoder
    x = torch.nn.functional.one_hot(torch.randint(0, model.facts.shape[1], (8, model.facts.shape[0])), model.facts.shape[1])
    mask = model.corrupted(x.float())["mask"]
    assert torch.equal(mask, mask[..., :1].expand_as(mask))
    assert 0.1 < mask.float().mean() < 0.5


def test_swaps_keep_columns_and_words_whole_and_take_from_other_rows():
    """P117: marginals stay, correlations fall by (1 - p)^2; zeros would change the first, swaps of elements break words."""
    g = torch.Generator().manual_seed(0)
    a = torch.randn(4000, generator=g)
    b = 0.7 * a + 0.51**0.5 * torch.randn(4000, generator=g)
    words = torch.nn.functional.one_hot(torch.randint(0, 3, (4000,), generator=g), 3).float()
    x = torch.cat([a[:, None], b[:, None], words, (words[:, :1] > 0).float()], 1)
    layout = (("a", "number", 0, 1), ("b", "number", 1, 1), ("w", "category", 2, 3), ("w", "mark", 5, 1))
    swap = type(made("swap", "table"))(p=0.15, shape=(6,), kind="table", columns=layout)
    out = drawn(swap, x)
    y, mask = out["x_in"], out["mask"]
    assert ks_2samp(y[:, 0].numpy(), a.numpy()).statistic < 0.01
    assert float(torch.corrcoef(y[:, :2].t())[0, 1]) == pytest.approx(0.7 * 0.85**2, abs=0.03)
    assert bool((y[:, 2:5].sum(1) == 1).all())
    assert torch.equal(y[:, 2], y[:, 5])  # the mark comes with the words
    assert torch.equal(mask[:, 2:], mask[:, 2:3].expand(-1, 4))
    assert bool((y[:, 0] != a)[mask[:, 0]].all())  # no cell is its own donor
    assert torch.equal(y[:, 0] != a, mask[:, 0])
    assert float(mask[:, 0].float().mean()) == pytest.approx(0.15, abs=0.02)
    with pytest.raises(AerunError, match="model/corruption=swap needs data of kind table"):
        made("swap", "image")
