"""Settings by dotted keys."""

from aerun.settings.flat import flat


def test_tables_become_keys_and_what_is_in_them_stays_as_it_is():
    config = {"a": {"b": {"c": 1.0}, "d": [1, {"e": 2}]}, "f": None, "g": {}}
    assert flat(config) == {"a.b.c": 1.0, "a.d": [1, {"e": 2}], "f": None, "g": {}}
