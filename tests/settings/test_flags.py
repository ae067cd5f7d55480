"""Hydra's flags may stand anywhere among the settings; what is neither is refused in one line."""

import pytest

from aerun.core.errors import AerunError
from aerun.settings.flags import flags_first, read_flags
from tests.shell import here


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("seed=0 -m model=ae,vae", "-m seed=0 model=ae,vae"),
        ("seed=0 --cfg job model=ae --package model", "--cfg job --package model seed=0 model=ae"),
        ("seed=0 -cjob -pmodel model=ae", "-cjob -pmodel seed=0 model=ae"),
        ("--info seed=0", "--info=all seed=0"),
        ("seed=0 --info defaults model=ae", "--info defaults seed=0 model=ae"),
        ("~regularizer --config-dir own +a=1", "--config-dir own ~regularizer +a=1"),
        ("--config-dir=own a=1", "--config-dir=own a=1"),
    ],
)
def test_flags_come_first(typed, read):
    assert flags_first(typed.split()) == read.split()
    assert read_flags(read.split()).overrides == [w for w in typed.split() if w[0] == "~" or (w[0] != "-" and "=" in w)]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("-model=ae", "-model: no such flag (nearest: -m). A setting has no dash: model=ae"),
        ("--seed=3", "A setting has no dash: seed=3"),
        ("-M seed=1", "-M: no such flag (nearest: -m)"),
        ("--frsh", "--frsh: no such flag (nearest: --fresh)"),
        ("seed:3", "Is it seed=3?"),
        ("=3", "a setting is given as KEY=VALUE"),
        ("seed=1 4", "4: a setting is given as KEY=VALUE"),
        ("--cfg", "--cfg/-c: expected one argument"),
        ("--cfg foo", "invalid choice: 'foo'"),
        ("--config-name", "expected one argument"),
    ],
)
def test_what_is_neither_is_refused(typed, words):
    with pytest.raises(AerunError) as e:
        flags_first(typed.split(), ["--fresh"])
    assert words in str(e.value)
    assert "\n" not in str(e.value)


def test_hydras_own_help_does_without_the_settings_of_a_run(tmp_path):
    assert here(tmp_path, "--hydra-help", "trainer=smoke", "hydra/launcher=basic").out.startswith("Hydra (")
