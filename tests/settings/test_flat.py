"""Settings by dotted keys."""

import pytest
from omegaconf import OmegaConf

from aerun.runs.settings_file import as_yaml
from aerun.settings.flat import as_plain, flat


def test_tables_become_keys_and_what_is_in_them_stays_as_it_is():
    config = {"a": {"b": {"c": 1.0}, "d": [1, {"e": 2}]}, "f": None, "g": {}}
    assert flat(config) == {"a.b.c": 1.0, "a.d": [1, {"e": 2}], "f": None, "g": {}}


@pytest.mark.parametrize(
    "text", ["on", "1e-3", "null", "~", "", "a\nb", "word " * 60, "it's", "- a", "2020-01-01", "${b}", " lead"]
)
def test_settings_are_copied_and_written_as_omegaconf_does(text):
    config = {"a": text, "b": (text, 1, 1e-5, True, None, float("inf"), -0.0), "t": {"x": {}, "y": [], "1": 2}}
    known = OmegaConf.create(config)
    assert as_plain(config) == OmegaConf.to_container(known)
    assert as_yaml(config) == OmegaConf.to_yaml(known)


def test_a_copy_of_settings_is_its_own():
    config = {"a": {"b": [1]}}
    as_plain(config)["a"]["b"].append(2)
    assert config == {"a": {"b": [1]}}
