import numpy as np
from scipy import stats

from featcx_core.findings.branches import branch_curves, branch_scores, ends_at, part_in_words
from featcx_core.measures.ends import Ends
from featcx_core.measures.intervals import draw_groups
from featcx_core.measures.over_images import redraw
from tests.core.findings.frames import no_rows
from tests.core.findings.synthetic_branches import BLOCKS, DEAD, resampled, study_of_branches


def curves_of(study, **options):
    return branch_curves(study.branches, study.complexity, study.layers, epochs=(0, 4), **options)


def test_scores_are_in_forward_order_and_dead_concepts_belong_to_no_group():
    study = study_of_branches()
    values, _, columns = branch_scores(study.branches, study.layers, epoch=4, measure="cka")
    assert list(columns["block"].unique()) == list(BLOCKS)
    row = study.branches.query(
        "epoch == 4 and block == 'layer2.0' and branch == 'main' and concept == 7 and kind == 'concept'"
    )
    place = columns.index[(columns["block"] == "layer2.0") & (columns["branch"] == "main")]
    assert values[7, place].item() == row["cka"].item()
    (group,) = ends_at(study.complexity, epoch=4, end_shares=(0.01,))
    assert DEAD not in group.simplest
    assert group.simplest[:3].tolist() == [0, 1, 2]


def test_over_images_a_group_is_redrawn_as_the_mean_of_its_members():
    study = resampled(study_of_branches(), spread=0.002)
    scores, members = branch_scores(study.branches, study.layers, epoch=4, measure="cka"), np.array([0, 1, 2, 4])
    weights = draw_groups(20, seed=0)
    starts, drawn = scores.over_images(members, measure="cka")
    np.testing.assert_allclose(starts, [scores.values[members].mean(axis=0)] * 2)  # nothing is clipped
    for column in range(len(scores.columns)):
        mean, left_out = scores.values[members, column].mean(), scores.left_out[members, column].mean(axis=0)
        np.testing.assert_allclose(drawn[:, column], redraw(np.array([mean]), left_out[None], weights).draws[:, 0])


def test_curves_have_the_intervals_over_images_of_their_members():
    study = resampled(study_of_branches(), spread=0.002)
    scores = branch_scores(study.branches, study.layers, epoch=4, measure="cka")
    members = np.array([0, 1, 2, *range(4, 11)])
    starts, drawn = scores.over_images(members, measure="cka")
    expected = starts[0] + stats.t.ppf(0.975, 19) * np.array([[-1], [1]]) * drawn.std(axis=0)
    curve = curves_of(study).curves.query("epoch == 4 and measure == 'cka' and group == 'simplest'")
    np.testing.assert_allclose(curve[["low_images", "high_images"]].to_numpy().T, expected)
    np.testing.assert_allclose(curve["mean"], scores.values[members].mean(axis=0))


def test_the_control_is_the_mean_of_the_living_random_directions():
    study = study_of_branches()
    curves, epochs = curves_of(study)
    curve = curves.query("epoch == 4 and measure == 'cka' and group == 'random directions' and branch == 'main'")
    directions = study.branches.query("epoch == 4 and kind == 'random_direction' and branch == 'main'")
    np.testing.assert_allclose(curve["mean"], directions.groupby("block")["cka"].mean()[list(BLOCKS)])
    assert epochs["n_directions"].tolist() == [39, 39]
    bare = study._replace(branches=study.branches.query("kind == 'concept'"))
    assert set(curves_of(bare).curves["group"]) == {"simplest", "most complex"}


def test_groups_that_differ_have_a_part_each():
    curves, _ = curves_of(study_of_branches(n_concepts=130), end_shares=(0.01, 0.1))
    assert list(curves["part"].unique()) == ["10 of 129", "13 (10 %)"]


def test_without_rows_or_with_few_concepts_there_are_no_curves():
    for study in (no_rows(), study_of_branches(n_concepts=20)):  # one of the twenty is dead
        curves, epochs = curves_of(study)
        assert curves.empty
        assert epochs.empty


def test_concepts_that_are_not_known_in_resamples_are_left_out_of_these():
    study = resampled(study_of_branches(), spread=0.001)
    is_unknown, lists = study.branches["concept"] == 2, study.branches["cka_jackknife"]
    gap = lists.map(lambda values: values * np.nan if isinstance(values, np.ndarray) else None)
    branches = study.branches.assign(cka_jackknife=gap.where(is_unknown, lists))
    scores = branch_scores(branches, study.layers, epoch=4, measure="cka")
    for all_three, known in zip(*(scores.over_images(np.arange(n), measure="cka") for n in (3, 2)), strict=True):
        np.testing.assert_array_equal(all_three, known)
    assert all(np.isnan(part).all() for part in scores.over_images(np.array([2]), measure="cka"))


def test_a_group_that_holds_more_than_its_share_is_named_by_its_number():
    part = Ends(share=0.0001, simplest=np.arange(10), most_complex=np.arange(10))
    assert part_in_words(part, n_living=100) == "10 of 100"
    assert part_in_words(part._replace(share=0.1), n_living=100) == "10 (10 %)"
    assert part_in_words(part._replace(share=0.01), n_living=1000) == "10 (1 %)"
