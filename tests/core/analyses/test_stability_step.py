"""Stability of a finished study, against dictionaries that are fitted and scored anew with plain calls."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

import featcx_core as fx
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.dictionary_activations.make import class_positions
from featcx_core.analyses.reading import read_tables
from featcx_core.analyses.stability.checks import found_more_than_random
from featcx_core.artefacts.given import Tools
from featcx_core.checkpoints.survey import read_head
from featcx_core.features.quality import alive
from featcx_core.findings.correlations import correlation
from featcx_core.store.places import Store, open_store
from tests.references import stability as reference
from tests.references import v_information as v_information_reference
from tests.steps import altered, reader, rows_of

EPOCH = 2


@pytest.fixture(scope="module")
def stored(finished_home: Path) -> Store:
    return open_store(finished_home, "tiny")


@pytest.fixture(scope="module")
def scored(stored: Store):
    """Atoms, K and Γ of the study's dictionary and of those of five other seeds; K from scikit-learn's readers."""
    study, looked = fx.open_study("tiny", home=stored.home), reader(stored)
    acts = {layer: np.asarray(study.acts(epoch=EPOCH, layer=layer)[:], float) for layer in looked.anatomy.in_complexity}
    pooled, head = acts[looked.anatomy.penultimate], read_head(stored, epoch=EPOCH)
    samples = list(class_positions(looked, epoch=EPOCH, tools=Tools(device="cpu")))
    labels = np.repeat([0, 1, 2], [len(rows) for rows in samples])
    own = read_dictionary(looked, epoch=EPOCH).atoms
    others = [
        fx.fit_dictionary(np.concatenate(samples), n_concepts=4, labels=labels, seed=s).atoms for s in range(1, 6)
    ]
    found = []
    for atoms in (own, *others):
        codes = fx.encode(pooled.astype(np.float32), atoms).astype(np.float64)
        lives = alive(codes[:60], codes[60:])
        information = np.full((len(acts), len(atoms)), np.nan)
        for row, x in zip(information, acts.values(), strict=True):
            for i in np.flatnonzero(lives):
                both = [
                    v_information_reference.r2(
                        x[a], codes[a, i], x[b], codes[b, i], v_information_reference.best_alpha(x[a], codes[a, i])
                    )
                    for a, b in ((slice(60), slice(60, None)), (slice(60, None), slice(60)))
                ]
                row[i] = max(np.mean(both), 0)
        predicted = (pooled @ head[0] + head[1]).argmax(axis=1)
        gamma = fx.importance(codes, atoms, head[0], predicted=predicted).importance
        found.append((atoms, 1 - information.mean(axis=0), np.where(lives, gamma, np.nan)))
    return found


def test_found_again_and_spread_are_those_of_dictionaries_fitted_anew(stored: Store, scored):
    (atoms, k, _), *others = scored
    rows = rows_of(stored, "stability", epoch=EPOCH, table="stability").sort_values("concept")
    shares, spreads = stability_by_class(atoms, k, others)
    assert (rows["n_seeds"] == 5).all()
    np.testing.assert_allclose(rows["found_fraction"], shares)
    np.testing.assert_allclose(rows["complexity_spread"], spreads, atol=2e-4)


def stability_by_class(atoms, k, others):
    """The definition on all atoms: too many pairings to try, so the linear assignment of SciPy."""
    from scipy.optimize import linear_sum_assignment

    def assigned(one, other):
        cosines = (one / np.linalg.norm(one, axis=1, keepdims=True)) @ (
            other / np.linalg.norm(other, axis=1, keepdims=True)
        ).T
        i, j = linear_sum_assignment(-cosines)
        return j, cosines[i, j]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "best_assignment", assigned)
        return reference.stability(atoms, k, [each[0] for each in others], [each[1] for each in others])


def test_the_interval_over_dictionaries_is_the_t_interval_of_their_correlations(stored: Store, scored):
    from scipy import stats

    table = rows_of(stored, "stability", epoch=EPOCH, table="stability_correlations")
    row = table[(table["y"] == "importance") & (table["method"] == "spearman") & (table["controls"] == "")].iloc[0]
    value, *others = (spearmanr(k, gamma, nan_policy="omit").statistic for _, k, gamma in scored)
    assert row["value"] == pytest.approx(value, abs=1e-6)
    half = stats.t.ppf(0.975, 4) * np.std(others, ddof=1)
    ends = np.clip([value - half, value + half], -1, 1)
    np.testing.assert_allclose(row[["low_dictionaries", "high_dictionaries"]].astype(float), ends, atol=1e-6)
    np.testing.assert_allclose(row["mean_dictionaries"], np.mean(others), atol=1e-6)


def test_the_report_reads_it_beside_the_other_intervals(stored: Store):
    tables = read_tables(reader(stored))
    shown = correlation(tables.correlations, epoch=EPOCH, y="importance")
    assert np.isfinite(shown.intervals[2]).all()


def test_a_dictionary_that_no_seed_finds_again_is_pointed_out(finished_home: Path, tmp_path: Path):
    import shutil

    store = open_store(shutil.copytree(finished_home, tmp_path / "home"), "tiny")
    assert found_more_than_random(reader(store)).passed
    altered(store, "stability", "000002", lambda rows: rows.assign(mean_cosine=0.1))
    finding = found_more_than_random(reader(store))
    assert not finding.passed
    assert finding.says.startswith("epoch 2: mean cosine 0.100, of random atoms 0.")
