"""The figure of branches and what the report says about them."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection

from featcx_core.figures import branches as module
from featcx_core.figures.branches import (
    Nearness,
    branches_by_block,
    groups_of,
    nearness_to_residual,
    scores_of,
    weigh_nearness,
)
from featcx_core.figures.canvas import png
from featcx_core.findings.claims import simple_by_the_residual
from featcx_core.findings.evidence import Estimate, difference
from featcx_core.measures.ends import Ends
from featcx_core.measures.intervals import draw_groups
from featcx_core.measures.over_images import redraw
from tests.core.figures.test_figures import frame, is_png, no_rows, texts

BLOCKS = {"layer1.0": "identity", "layer2.0": "projection", "layer10.0": "identity"}  # not in the order of letters
N_CONCEPTS = 40


def tables(
    *, simple=0.1, built=0.1, information=0.0, epochs=(0, 4), added=("main",), n_concepts=N_CONCEPTS, control=0.0
):
    """A study in which simple concepts are nearer to the residual by `simple`, complex ones to the others by `built`.

    Concept 3 is dead. `information`: by how much I_V is higher in the other branches, for all concepts. `control`: how
    far random directions are as the concepts are.
    """
    chance, apart = np.random.default_rng(0), np.random.default_rng(1)
    k = np.linspace(0, 1, n_concepts)
    k[3] = np.nan
    rows = []
    for epoch in epochs:
        for block, shortcut in BLOCKS.items():
            for branch in ("residual", *added):
                side = 1 if branch == "residual" else 0
                for kind, strength in (("concept", 1.0), ("random_direction", control)):
                    nearer = side * np.where(k < 0.5, simple, -built) * (epoch > 0) * strength
                    drawn = 0.3 + nearer + (chance if kind == "concept" else apart).normal(0, 0.01, n_concepts)
                    rows += [
                        {"epoch": epoch, "block": block, "branch": branch, "shortcut": shortcut, "kind": kind,
                         "concept": i, "cka": np.nan if i == 3 else cka,
                         "cka_shuffled": np.nan if i == 3 or kind != "concept" else 0.001,
                         "v_information": np.nan if i == 3 else 0.5 - information * side}
                        for i, cka in enumerate(drawn)
                    ]  # fmt: skip
    complexity = [
        {"epoch": epoch, "kind": kind, "concept": i, "complexity": value}
        for epoch in epochs
        for kind in ("concept", "random_direction")
        for i, value in enumerate(k)
    ]
    layers = [{"layer": name, "depth": depth} for depth, name in enumerate(["stem", *BLOCKS])]
    return no_rows()._replace(
        branches=frame("branches", rows).sample(frac=1, random_state=0),
        complexity=frame("complexity", complexity),
        layers=frame("layers", layers),
    )


def drawn(study, **options):
    return branches_by_block(study.branches, study.complexity, study.layers, epochs=(0, 4), **options)


def test_the_figure_has_every_branch_group_and_epoch():
    figure = drawn(tables())
    said = texts(figure)
    for words in (
        "residual, simplest", "main, most complex", "permuted codes (should be 0)",
        "epoch 0 (before training): the 10 of 39 at either end", "epoch 4: the 10 of 39 at either end", "layer2.0 (projection)",
        "residual, random directions", "main, random directions", "39 at epoch 0, 39 at epoch 4",
    ):  # fmt: skip
        assert words in said
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert labels == ["layer1.0", "layer2.0 (projection)", "layer10.0"]
    assert is_png(png(figure))


def test_transformers_have_their_two_branches():
    said = texts(drawn(tables(added=("attention", "mlp"))))
    assert "attention, simplest" in said
    assert "mlp, most complex" in said


def test_groups_that_differ_are_drawn_apart():
    figure = drawn(tables(n_concepts=130), end_shares=(0.01, 0.1))
    assert len(figure.axes) == 8 + 1  # the legend stands in its own
    assert "the 10 of 129 at either end" in texts(figure)
    assert "the 13 (10 %) at either end" in texts(figure)


@pytest.mark.parametrize("study", [no_rows(), tables(n_concepts=20)])  # one of the twenty is dead
def test_without_rows_or_with_few_concepts_it_says_why(study):
    assert "no residual block was measured, or fewer" in texts(drawn(study))


def test_scores_are_in_forward_order_and_dead_concepts_belong_to_no_group():
    study = tables()
    values, _, columns = scores_of(study.branches, study.layers, epoch=4, measure="cka")
    assert list(columns["block"].unique()) == list(BLOCKS)
    row = study.branches.query(
        "epoch == 4 and block == 'layer2.0' and branch == 'main' and concept == 7 and kind == 'concept'"
    )
    place = columns.index[(columns["block"] == "layer2.0") & (columns["branch"] == "main")]
    assert values[7, place].item() == row["cka"].item()
    (group,) = groups_of(study.complexity, epoch=4, end_shares=(0.01,))
    assert 3 not in group.simplest
    assert group.simplest[:3].tolist() == [0, 1, 2]


def resampled(study, *, spread: float, groups: int = 20):
    """The study with what each score is without each group of images: as the score, give or take."""
    chance = np.random.default_rng(3)

    def without(score: float) -> np.ndarray | None:
        return None if np.isnan(score) else score + chance.normal(0, spread, groups)

    rows = study.branches
    lists = {"cka_jackknife": rows["cka"].map(without), "jackknife": rows["v_information"].map(without)}
    return study._replace(branches=rows.assign(**lists))


def test_over_images_a_group_is_redrawn_as_the_mean_of_its_members():
    study = resampled(tables(), spread=0.002)
    scores, members = scores_of(study.branches, study.layers, epoch=4, measure="cka"), np.array([0, 1, 2, 4])
    weights = draw_groups(20, seed=0)
    drawn = scores.over_images(members, measure="cka")
    for at in range(len(scores.columns)):
        mean, left_out = scores.values[members, at].mean(), scores.left_out[members, at].mean(axis=0)
        np.testing.assert_allclose(drawn[:, at], redraw(np.array([mean]), left_out[None], weights)[:, 0])
    figure = branches_by_block(study.branches, study.complexity, study.layers, epochs=(0, 4))
    upright = [lines for lines in figure.axes[2].collections if isinstance(lines, LineCollection)]
    assert len(upright) == 6  # of the simplest, the most complex and the random directions, in either branch
    first = np.quantile(scores.over_images(np.arange(11)[np.arange(11) != 3], measure="cka"), [0.025, 0.975], axis=0)
    chosen = (scores.columns["branch"] == scores.columns["branch"].iloc[0]).to_numpy()
    np.testing.assert_allclose([each[:, 1] for each in upright[0].get_segments()], first[:, chosen].T)


@pytest.mark.parametrize(("spread", "status"), [(0.0005, "seen"), (0.2, "undecided")])
def test_the_interval_over_images_decides_too(spread: float, status: str):
    study = resampled(tables(), spread=spread)
    found = nearness_to_residual(study.branches, study.complexity, study.layers, epoch=4)
    assert found is not None
    assert np.isfinite(found.simplest.low_images)
    assert "{" in str(found)
    assert weigh_nearness(found)[0] == status
    assert weigh_nearness(found.over_concepts)[0] == "seen"
    draws = [
        scores_of(study.branches, study.layers, epoch=4, measure="cka").over_images(np.array(members), measure="cka")
        for members in ([0, 1, 2, *range(4, 11)], list(range(30, 40)))
    ]
    first = scores_of(study.branches, study.layers, epoch=4, measure="cka").columns["branch"] == "residual"
    nearer = [drawn[:, first].mean(axis=1) - drawn[:, ~first].mean(axis=1) for drawn in draws]
    expected = np.quantile(nearer[0] - nearer[1], [0.025, 0.975])  # of the same images, not of independent ones
    np.testing.assert_allclose([found.contrast.low_images, found.contrast.high_images], expected)


def test_concepts_that_are_not_known_in_resamples_are_left_out_of_these():
    study = resampled(tables(), spread=0.001)
    one = study.branches["concept"] == 2
    gap = study.branches["cka_jackknife"].map(lambda each: each * np.nan if isinstance(each, np.ndarray) else None)
    study = study._replace(
        branches=study.branches.assign(cka_jackknife=gap.where(one, study.branches["cka_jackknife"]))
    )
    scores = scores_of(study.branches, study.layers, epoch=4, measure="cka")
    drawn = scores.over_images(np.array([0, 1, 2]), measure="cka")
    np.testing.assert_array_equal(drawn, scores.over_images(np.array([0, 1]), measure="cka"))
    assert np.isnan(scores.over_images(np.array([2]), measure="cka")).all()


def test_a_branch_that_does_not_vary_leaves_a_gap():
    study = tables()
    dead = (study.branches["block"] == "layer2.0") & (study.branches["branch"] == "main")
    study = study._replace(branches=study.branches.assign(cka=study.branches["cka"].mask(dead)))
    assert "residual, simplest" in texts(drawn(study))
    found = nearness_to_residual(study.branches, study.complexity, study.layers, epoch=4)
    assert found is not None
    assert found.simplest.value == pytest.approx(0.1, abs=0.01)


def test_nearness_is_the_difference_over_blocks():
    study = tables(simple=0.2, built=0.05)
    found = nearness_to_residual(study.branches, study.complexity, study.layers, epoch=4)
    assert found is not None
    assert found.simplest.value == pytest.approx(0.2, abs=0.01)
    assert found.most_complex.value == pytest.approx(-0.05, abs=0.01)
    assert found.simplest.low < found.simplest.value < found.simplest.high
    assert found.simplest.n == 10
    assert nearness_to_residual(study.branches, study.complexity, study.layers, epoch=3) is None


def estimate(value: float, half: float = 0.01) -> Estimate:
    return Estimate(value, value - half, value + half, 10)


@pytest.mark.parametrize(
    ("simplest", "most_complex", "status"),
    [
        (0.1, -0.1, "seen"), (0.2, 0.1, "partly"), (-0.1, -0.2, "partly"), (0.1, 0.1, "undecided"),
        (0.0, 0.0, "undecided"), (-0.1, 0.1, "absent"),
    ],
)  # fmt: skip
def test_both_signs_are_wanted(simplest: float, most_complex: float, status: str):
    ends = estimate(simplest), estimate(most_complex)
    assert weigh_nearness(Nearness(*ends, difference(ends[1], ends[0])))[0] == status


@pytest.mark.parametrize(
    ("study", "status", "words"),
    [
        (tables(information=-0.1), "partly", "holds here with CKA, not with I_V"),
        (tables(simple=-0.1, built=-0.1), "absent", "does not hold here (simplest against most complex: "),
        (no_rows(), "missing", "it takes residual blocks and 20 scored concepts"),
        (tables(epochs=(3,)), "missing", "not measured at epoch 4; measured at 3 (`analyses.epochs`)"),
    ],
)
def test_the_claim_needs_both_measures(study, status: str, words: str):
    claim = simple_by_the_residual(study, reference_epoch=4)
    assert claim.status == status
    assert words in claim.finding


def test_the_claim_is_seen_where_information_says_the_same_and_names_the_untrained_network():
    study = tables()
    sign = np.where(study.branches["concept"] < 20, 0.1, -0.1) * (study.branches["branch"] == "residual")
    branches = study.branches.assign(v_information=study.branches["v_information"] + sign)
    study = study._replace(branches=branches)
    claim = simple_by_the_residual(study, reference_epoch=4)
    assert claim.status == "seen"
    assert "mean over the blocks of epoch 4: 0.1" in claim.finding
    assert "Before training (epoch 0): " in claim.finding
    same = {
        name: pd.concat([table[table["epoch"] > 0], table[table["epoch"] == 4].assign(epoch=0)])
        for name, table in (("branches", study.branches), ("complexity", study.complexity))
    }
    claim = simple_by_the_residual(study._replace(**same), reference_epoch=4)
    assert claim.status == "partly"
    assert "it is there before training too and may not be learned" in claim.finding


def test_the_grey_lines_are_the_mean_of_the_random_directions():
    study = tables()
    figure = drawn(study)
    lines = {line.get_label(): line for line in figure.axes[2].lines}  # epoch 4, CKA
    own = study.branches.query("epoch == 4 and kind == 'random_direction' and branch == 'main'")
    mean = own.groupby("block")["cka"].mean()[list(BLOCKS)]
    np.testing.assert_allclose(lines["main, random directions"].get_ydata(), mean)
    bare = study._replace(branches=study.branches.query("kind == 'concept'"))
    assert "main, random directions" not in texts(drawn(bare))


def test_what_random_directions_do_too_is_not_particular_to_concepts():
    study = tables(control=1.0)
    sign = np.where(study.branches["concept"] < 20, 0.1, -0.1) * (study.branches["branch"] == "residual")
    branches = study.branches.assign(v_information=study.branches["v_information"] + sign)
    claim = simple_by_the_residual(study._replace(branches=branches), reference_epoch=4)
    assert claim.status == "partly"
    assert claim.finding.startswith("holds here, but random directions have it too")
    found = nearness_to_residual(study.branches, study.complexity, study.layers, epoch=4, kind="random_direction")
    assert f"Random directions have {found}." in claim.finding


def test_a_group_that_holds_more_than_its_share_is_named_by_its_number():
    group = Ends(share=0.0001, simplest=np.arange(10), most_complex=np.arange(10))
    assert module._part(group, n_living=100) == "10 of 100"
    assert module._part(group._replace(share=0.1), n_living=100) == "10 (10 %)"
    assert module._part(group._replace(share=0.01), n_living=1000) == "10 (1 %)"


def test_rows_of_one_epoch_suffice():
    assert "epoch 4" in texts(drawn(tables(epochs=(4,))))
