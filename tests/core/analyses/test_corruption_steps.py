import numpy as np

from featcx_core.artefacts.register import register
from featcx_core.images.data import load_data
from featcx_core.store.places import Store
from featcx_core.study.inputs import Corruption
from tests.steps import remake


def test_every_label_that_was_drawn_is_recorded(trained: Store):
    data = trained.study.data
    study = trained.study.model_copy(
        update={"name": "wrong", "data": data.model_copy(update={"corruption": Corruption(labels=0.5)})}
    )
    rows = remake(register(study, home=trained.home), "corruption")
    clean, wrong = load_data(trained.study), load_data(study)
    assert 40 < len(rows) < 80  # of 120
    assert set(rows["image"]) <= set(clean.split["train"])
    np.testing.assert_array_equal(rows["label_before"], clean.labels[rows["image"]])
    np.testing.assert_array_equal(rows["label"], wrong.labels[rows["image"]])
    assert rows["is_changed"].tolist() == (rows["label"] != rows["label_before"]).tolist()
    assert rows["class_name"].tolist() == [clean.class_names[label] for label in rows["label"]]


def test_a_study_of_true_labels_has_no_rows(trained: Store):
    assert remake(trained, "corruption").empty
