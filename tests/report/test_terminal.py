"""What a run says of itself and PCA at its end."""

import pytest

from aerun.report.terminal import verdict

BASE = {"test/se": 1.0, "pca/se": 2.0, "mean/se": 9.0, "samples/test": 40, "seed": 3}
ENDS = ("test/against_pca_low", "test/against_pca_high")


@pytest.mark.parametrize(
    ("errors", "ends", "words"),
    [
        ((1.0, 2.0), (-0.6, -0.4), "2.00 times better than PCA of the same size"),
        ((2.0, 1.0), (0.5, 1.5), "2.00 times worse than PCA of the same size"),
        ((2.0, 2.001), (-0.1, 0.1), "As good as PCA"),
        (
            (1.8, 2.0),
            (-0.3, 0.1),
            "Cannot be told from PCA of the same size: test squared errors differ by -30.0 % to +10.0 %",
        ),
        ((1.0, 2.0), (), "Cannot be told from PCA of the same size: one test sample says nothing of others"),
        ((1.0, 0.0), (), "PCA of the same size loses nothing here"),
    ],
)
def test_better_is_said_where_the_interval_leaves_out_zero(errors, ends, words):
    said = verdict({**BASE, "test/se": errors[0], "pca/se": errors[1], **dict(zip(ENDS, ends, strict=False))})
    assert said.startswith(words)
    assert "seed 3" in said or "no yardstick" in said
