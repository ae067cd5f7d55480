"""What people type reaches the settings letter by letter, as far as Hydra's grammar lets it, and words stay words."""

import re

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from aerun.api import written
from aerun.core.errors import AerunError
from aerun.settings.overrides import spelt_out
from aerun.settings.quoting import in_quotes, quoted, reads_as


def values(*typed):
    """What Hydra reads of a command line."""
    found = OverridesParser.create().parse_overrides([w for w in spelt_out(typed) if not w.startswith("-")])
    return [[getattr(v, "text", v) for v in o.value().list] if o.is_choice_sweep() else o.value() for o in found]


@pytest.mark.parametrize(
    "path",
    ["data (1).csv", "it's.csv", "a=b/t.csv", "Données/t.csv", "a b.csv", "x{y}.csv", "é;è&.csv", "C:\\x y", "=", "研究"],
)
def test_paths_are_read_as_typed(path):
    assert values(f"dataset.path={path}") == [path]


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("dataset.drop=[Length (cm)]", ["Length (cm)"]),
        ("dataset.drop=[Length (cm),b,'c, d',3]", ["Length (cm)", "b", "c, d", "3"]),
        ("dataset.label=[bold]x[/bold]", "[bold]x[/bold]"),
        ("dataset.label=[kg] weight", "[kg] weight"),
        ("dataset.drop=[[a] to [b],c]", ["[a] to [b]", "c"]),
        ("dataset.delimiter=;", ";"),
        ("dataset.label=3", "3"),
        ("dataset.label=null", None),
        ("dataset.label='null'", "null"),
        ("dataset.normal=[0.0]", ["0.0"]),
        ("dataset.normal=[FALSE,1e3,null]", ["FALSE", "1e3", "null"]),
        ("dataset.normal=[0,1]", [0, 1]),
        ("dataset.normal=3", 3),
        ("dataset.n=300", 300),
        ("trainer.patience=null", None),
        ("model.arch.hidden=[8,4]", [8, 4]),
    ],
)
def test_words_stay_words_and_numbers_numbers(typed, read):
    assert values(typed) == [read]


def test_in_a_sweep_commas_part_jobs():
    assert values("-m", "dataset.label=Length (cm),b,3") == [["Length (cm)", "b", "3"]]
    assert values("dataset.path=a=1,b=2") == ["a=1,b=2"]


def test_paths_with_commas_are_found_where_they_are(tmp_path):
    runs = [tmp_path / name for name in ("r_model=ae,seed=1", "r_model=vae,seed=1")]
    for run in runs:
        run.mkdir()
    assert values(f"model.init_from={runs[0]}") == [str(runs[0])]
    assert values("-m", f"model.init_from={runs[0]},{runs[1]}") == [[str(run) for run in runs]]


@pytest.mark.parametrize("word", ["dataset.drop=[a(b", "seed=range(1", "dataset.x={a"])
def test_what_does_not_close_is_told_with_quotes(word):
    with pytest.raises(AerunError, match="quotes") as told:
        spelt_out([word])
    assert word in str(told.value)


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=12))
def test_quotes_keep_every_letter(word):
    assert reads_as(in_quotes(word)) == word


@pytest.mark.parametrize("word", ["null", "true", "3", "1e3", "nan", "a b", "[x]", "it's", "", "x\\"])
def test_words_of_python_stay_words(word):
    (line,) = written({"dataset__label": word})
    assert values(line) == [word]


@given(
    st.lists(st.sampled_from(["a=1", "b='x y'", "c=[1,2]", 'dataset.normal="a<5"', "d=e f", "~g", "+h=2", "-m"]), max_size=4)
)
def test_what_hydra_reads_stays_as_typed(words):
    assert spelt_out(words) == words


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("seed=1,", "a value is missing beside a comma"),
        ("seed=1,,2", "a value is missing beside a comma"),
        ("regularizer={l1}", "a list [A,B]"),
        ("evaluate=[probe", "its brackets or quotes do not close"),
        ("seed=json_str(1)", "Hydra 1.3 has no such function"),
        ("regularizer=[[l1,l2],[l1]]", "as in -m regularizer=[A,B],[C]"),
    ],
)
def test_what_the_grammar_refuses_is_told_by_its_fault(typed, words):
    with pytest.raises(AerunError, match=re.escape(words)):
        spelt_out(["-m", typed])


def test_nested_interpolations_are_read_as_typed():
    assert values("seed=${oc.decode:${oc.env:SEED,5}}") == ["${oc.decode:${oc.env:SEED,5}}"]
    assert values("seed=${trainer.max_epochs}") == ["${trainer.max_epochs}"]


_NAMES = [
    "reg.",
    ".reg",
    "reg..lambda",
    "reg lambda",
    "[",
    "a[0]",
    "{a",
    "'a",
    '"a"',
    "model/",
    "/model",
    "model//arch",
    "é",
    "a\\",
    "a,b",
    "+++a",
]
_VALUES = [
    "[1,",
    "[1,,2]",
    "{a:",
    "{a:1,,b:2}",
    "range(",
    "range(1,2,3,4,5)",
    "choice()",
    "sort(",
    "int(abc)",
    "tag(",
    "[[[",
    '"a',
    "{",
    "${",
    "${a.b",
    "${now:",
]


@pytest.mark.parametrize("word", [*(f"{name}=1" for name in _NAMES), *(f"reg.lambda={value}" for value in _VALUES)])
@pytest.mark.parametrize("sweep", [False, True], ids=["run", "sweep"])
def test_what_cannot_be_read_is_named_in_words(word, sweep):
    with pytest.raises(AerunError) as e:
        quoted(word, sweep)
    assert str(e.value).startswith(f"{word}: ")
    assert len(str(e.value).splitlines()) == 1
