"""Settings without the folders of a machine."""

from aerun.core.paths import names_alone


def test_paths_become_names_at_any_depth():
    config = {
        "dataset": {
            "_target_": "aerun.dataset.table.Table",
            "path": "/home/me/secret/a b.csv",
            "root": "data/deep/",
            "labels": "y",
        },
        "model": {"init_from": "outputs/runs/2026_x", "arch": {"hidden": [8, 4], "own": r"C:\me\w.bin"}},
        "objective": "val/mse",
        "evaluate": ["/tmp/x/own.py", "probe"],
        "seed": 0,
        "none": None,
    }
    assert names_alone(config) == {
        "dataset": {"_target_": "aerun.dataset.table.Table", "path": "a b.csv", "root": "deep", "labels": "y"},
        "model": {"init_from": "2026_x", "arch": {"hidden": [8, 4], "own": "w.bin"}},
        "objective": "val/mse",
        "evaluate": ["own.py", "probe"],
        "seed": 0,
        "none": None,
    }
