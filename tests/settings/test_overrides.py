"""What is typed is what is composed, whatever was composed before."""

import pytest
from omegaconf import OmegaConf

from aerun.core.errors import AerunError
from aerun.settings.overrides import config_of, resolved, spelt_out
from aerun.settings.replaced import replaced
from aerun.settings.sources import Source
from tests import quick_hydra

TYPED = [
    [],
    ["model=vae", "model.latent_dim=3", "reg.terms.kl.warmup=0.5"],
    ["dataset=sines", "dataset.n=80", "regularizer=[l1,l2]", "+mine={a: 1}", "trainer=smoke"],
    ["search=lambda", "model=sparse", "~reg.terms.l1.weight", "hydra.run.dir=here"],
]


@pytest.mark.parametrize("typed", TYPED, ids=" ".join)
def test_the_memory_of_the_tests_changes_nothing(typed):
    """Hydra as it is, with an empty memory, with a full one, and with one that another's changes passed through."""
    quick_hydra.forget()
    try:
        plain = config_of(typed)
    finally:
        quick_hydra.remember()
    for _ in range(3):
        found = config_of(typed)
        assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(plain)
        found.model.latent_dim, found.trainer = 99, None
    assert config_of([*typed, "model.latent_dim=5"]).model.latent_dim == 5


def test_what_a_recipe_sets_for_another_option_is_left_out():
    cfg = config_of(["model=stacked", "trainer=smoke"])
    line = "model=stacked sets trainer.layer_epochs, which trainer=smoke does not have: left out"
    assert replaced(cfg.hydra) == {"trainer.layer_epochs": line}
    assert "layer_epochs" not in resolved(cfg)["trainer"]
    assert resolved(config_of(["model=stacked"]))["trainer"]["layer_epochs"] == 50
    typed = config_of(["model=stacked", "trainer=smoke", "trainer.layer_epochs=3"])  # is refused, and not left out
    assert resolved(typed)["trainer"]["layer_epochs"] == 3
    assert not replaced(config_of(["model=recurrent", "dataset=sines", "trainer=smoke"]).hydra)  # which has gradient_clip


@pytest.mark.parametrize(
    ("word", "read"),
    [
        ("~regularizer", "regularizer=none"),
        ("~model/corruption", "model/corruption=none"),
        ("~schedule", "schedule=constant"),
        ("~experiment", "experiment=none"),
        ("experiment=null", "experiment=none"),
        ("regularizer=null", "regularizer=none"),
        ("~pictures", "~pictures"),
        ("~tags", "~tags"),
    ],
)
def test_a_deleted_group_is_none(word, read):
    assert spelt_out([word]) == [read]
    assert resolved(config_of([word]))


@pytest.mark.parametrize(
    "word", ["~dataset", "~model/arch", "~seed", "~reg.lambda", "~model.latent_dim", "~regularizer=l1", "~trainer"]
)
def test_what_every_run_has_is_not_deleted(word):
    with pytest.raises(AerunError, match=f"^{word}: "):
        spelt_out([word])


def test_a_folder_of_ones_own_is_read_as_it_is_now(tmp_path):
    (tmp_path / "regularizer").mkdir()
    for weight in (1.0, 2.0):
        (tmp_path / "regularizer" / "mine.yaml").write_text(f"# @package reg.terms.mine\nweight: {weight}\n")
        assert resolved(config_of(["regularizer=mine"], Source(str(tmp_path))))["reg"]["terms"]["mine"] == {"weight": weight}


@pytest.mark.parametrize("value", ["amount < 100 and kind == 'ok'", 'kind == "a,b"', "kind in ['a', 'b']", r"path == 'C:\x'"])
def test_a_query_needs_no_quotes_of_its_own(value):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (found,) = OverridesParser.create().parse_overrides(spelt_out([f"dataset.normal={value}"]))
    assert found.value() == value
    assert spelt_out(["dataset.normal=[0,1]", "dataset.normal=label", "sweep=x"]) == [
        "dataset.normal=[0,1]",
        "dataset.normal=label",
        "sweep.name=x",
    ]
