"""The monitor of a small study, its areas and thresholds against the stored scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from featcx_core.analyses.monitor.checks import thresholds_hold_on_clean_images
from featcx_core.analyses.monitor.refusals import refuse_unusable_monitor
from featcx_core.features.forward import Network, Tap, pooled
from featcx_core.figures.monitor import monitor_figures, roc_points
from featcx_core.findings.monitor import monitor_claims
from featcx_core.images.data import load_data
from featcx_core.measures.monitor import clean_reference, doubt, mahalanobis
from featcx_core.store.places import Store, open_store
from featcx_core.study.fields import StudyError
from tests.core.figures.drawn import is_drawn, texts
from tests.steps import altered, reader, rows_of

EPOCH, LAYER = 2, "layer2.0"
KEYS = ["layer", "detector", "input"]


@pytest.fixture(scope="module")
def stored(small_home: Path) -> Store:
    return open_store(small_home, "tiny")


@pytest.fixture(scope="module")
def tables(stored: Store) -> dict[str, pd.DataFrame]:
    return {name: rows_of(stored, "monitor", epoch=EPOCH, table=name) for name in ("monitor", "monitor_scores")}


def acts_of(store: Store, part: str) -> tuple[np.ndarray, np.ndarray]:
    network = Network.load(store, epoch=EPOCH, device="cpu")
    rows = network.data.split[part][: store.study.monitor.images]
    layer = next(row for row in store.anatomy.layers if row.layer == LAYER)
    acts = np.concatenate([taken for (taken,) in network.forward(rows, [Tap(LAYER, pooled(layer, "gap"))])])
    return acts.astype(np.float64), network.data.labels[rows]


def test_every_detector_and_input_is_there(stored: Store, tables):
    found = {*tables["monitor"][["layer", "detector"]].itertuples(index=False, name=None)}
    names = stored.anatomy.names
    spectra = {(layer, "spectrum") for layer in [*names, "all"]}
    assert found == spectra | {(layer, "mahalanobis") for layer in names} | {(names[-1], "confidence")}
    assert set(tables["monitor"]["input"]) == {"gaussian", "fgsm", "pgd", "ddn", "adaptive"}
    assert set(tables["monitor_scores"]["input"]) == {"clean", "gaussian", "fgsm", "pgd", "ddn", "adaptive"}


def test_areas_and_shares_are_those_of_the_scores(tables):
    scores = tables["monitor_scores"]
    measured = tables["monitor"].dropna(subset=["roc_auc"])
    assert len(measured) > 10
    for row in measured.itertuples():
        of_detector = scores[(scores["layer"] == row.layer) & (scores["detector"] == row.detector)]
        clean = of_detector.loc[of_detector["input"] == "clean", "score"]
        cases = of_detector[of_detector["input"] == row.input]
        cases = cases.loc[cases["is_fooled"] | (row.input == "gaussian"), "score"]
        assert (len(clean), len(cases)) == (row.n_clean, row.n_inputs)
        is_case = np.repeat([0, 1], [len(clean), len(cases)])
        assert row.roc_auc == pytest.approx(roc_auc_score(is_case, np.concatenate([clean, cases])))
        assert row.low <= row.roc_auc <= row.high
        assert row.caught_at_5pct == pytest.approx((cases > row.threshold_at_5pct).mean())


def test_clean_scores_are_those_of_the_definitions(stored: Store, tables):
    scores = tables["monitor_scores"]
    clean = scores[scores["input"] == "clean"]
    (fit, labels), (score, _) = acts_of(stored, "fit"), acts_of(stored, "score")
    found = clean[(clean["layer"] == LAYER) & (clean["detector"] == "mahalanobis")]
    np.testing.assert_allclose(found["score"], mahalanobis(score, clean_reference(fit, labels)), rtol=1e-3)
    network = Network.load(stored, epoch=EPOCH, device="cpu")
    rows = network.data.split["score"][: stored.study.monitor.images]
    (head,) = [row.layer for row in stored.anatomy.layers if row.role == "penultimate"]
    weight, bias = reader(stored).head(epoch=EPOCH)
    layer = next(row for row in stored.anatomy.layers if row.layer == head)
    acts = np.concatenate([taken for (taken,) in network.forward(rows, [Tap(head, pooled(layer, "gap"))])])
    confidence = clean[clean["detector"] == "confidence"]
    np.testing.assert_allclose(confidence["score"], doubt(acts @ weight + bias), rtol=1e-3, atol=1e-6)
    assert confidence["image"].tolist() == rows.tolist()


def test_the_adaptive_attack_is_the_least_conspicuous(tables):
    rows = tables["monitor"].set_index(KEYS)
    assert rows.loc[("all", "spectrum", "adaptive"), "fooled_fraction"] >= 0
    assert (rows["norm"] > 0).all()
    pgd, gaussian = (rows.xs(name, level="input")["norm"] for name in ("pgd", "gaussian"))
    np.testing.assert_allclose(pgd, gaussian, rtol=1e-5)


def test_thresholds_that_alarm_too_often_are_pointed_at(small: Store):
    assert thresholds_hold_on_clean_images(reader(small)).passed
    altered(small, "monitor", f"{EPOCH:06d}", lambda rows: rows.assign(threshold_at_5pct=0.0))
    finding = thresholds_hold_on_clean_images(reader(small))
    assert not finding.passed
    assert "spectrum at all: 1.00" in finding.says


def test_figures_and_claims_come_of_the_tables(tables):
    figures = monitor_figures(tables)
    assert figures.keys() == {"roc", "areas_by_layer"}
    assert all(is_drawn(figure) for figure in figures.values())
    assert "softmax confidence" in texts(figures["roc"])
    assert len(monitor_claims(tables)) == 2
    clean, cases = roc_points(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    assert np.trapezoid(cases, clean) == pytest.approx(roc_auc_score([0, 0, 1, 1], [0.0, 1.0, 1.0, 2.0]))


def test_what_cannot_be_monitored_is_refused(stored: Store):
    study, data = stored.study, load_data(stored.study)
    few = study.model_copy(update={"monitor": study.monitor.model_copy(update={"images": 3})})
    with pytest.raises(StudyError, match=r"more images of data\.split\.fit than the 3 classes, got 3; raise"):
        refuse_unusable_monitor(few, stored.anatomy, data)
    single = stored.anatomy.model_copy(update={"n_classes": 1})
    with pytest.raises(StudyError, match="at least 2 outputs to attack, got 1; leave it out"):
        refuse_unusable_monitor(study, single, data)
