"""Means over groups of concepts: of V-information by layer, of K and Γ by cluster and super-class."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from featcx_core.analyses.measures import jackknife_of, together
from featcx_core.analyses.over_epochs import Images, epochs_with, scored, write_over_epochs
from featcx_core.artefacts.state import BY_EPOCH, Partition, State
from featcx_core.measures.explained import explained
from featcx_core.measures.group_means import group_means
from featcx_core.measures.layer_information import LayerInformation, layer_information
from featcx_core.measures.over_images import Redrawn
from featcx_core.store.places import Store, epoch_key


def make_layer_information(store: Store) -> pd.DataFrame:
    """Mean V-information of the own concepts, and of every control, by layer and epoch; writes its rows.

    Raises ValueError where no epoch has V-information of all layers.
    """
    state, images = State(store), Images(store)
    parts = [part for epoch in epochs_with(state, BY_EPOCH["layer_information"]) for part in _layers(images, epoch)]
    frame = together(parts, "layer_information")
    write_over_epochs(state, "layer_information", frame)
    return frame


def _layers(images: Images, epoch: int) -> Iterator[pd.DataFrame]:
    """A row a layer, of each kind of codes that has living ones."""
    store, layers = images.store, images.store.anatomy.names
    wanted = ["kind", "v_information", "jackknife"]
    parts = [store.read_partition("v_information", f"{epoch_key(epoch)}-{layer}", columns=wanted) for layer in layers]
    for kind in dict.fromkeys(parts[0]["kind"]):
        own = [part[part["kind"] == kind] for part in parts]
        found = layer_information(
            np.stack([rows["v_information"].to_numpy() for rows in own]),
            np.stack([jackknife_of(rows, images.groups) for rows in own]),
            images.weights,
            first=layers.index(store.anatomy.in_complexity[0]),
            seed=store.study.seed,
        )
        if found.n_concepts:
            rows = dict(zip(LayerInformation._fields, found, strict=True))
            yield pd.DataFrame({"epoch": epoch, "kind": kind, "layer": layers, **rows})


def make_meta_features(store: Store) -> pd.DataFrame:
    """Mean K and Γ of every cluster and super-class, and what the grouping tells of K; writes its rows.

    Γ where it is there. Raises ValueError where no epoch has both clusters and complexity.
    """
    state, images = State(store), Images(store)
    parts = [rows for epoch in epochs_with(state, BY_EPOCH["meta_features"]) for rows in _groups(state, images, epoch)]
    frame = together(parts, "meta_features")
    write_over_epochs(state, "meta_features", frame)
    return frame


def _groups(state: State, images: Images, epoch: int) -> Iterator[pd.DataFrame]:
    """The rows of an epoch's clusters, and of its super-classes where some are named."""
    store, key = state.store, epoch_key(epoch)
    found = store.read_partition("clusters", key, columns=["concept", "cluster", "super_class"])
    known = scored(store, epoch, kind="concept").dropna(subset=["complexity"])
    inside = known.merge(found[found["cluster"] >= 0], on="concept")
    if inside.empty:
        return
    redrawn = {"complexity": images.complexity(epoch)[:, inside["concept"]]}
    if Partition("importance", epoch) in state.current:
        inside = inside.merge(store.read_partition("importance", key, columns=["concept", "importance"]), on="concept")
        redrawn["importance"] = images.importance(epoch)[:, inside["concept"]]
    settings = {"n_bootstrap": store.study.analyses.bootstrap, "seed": store.study.seed}
    for rows in group_rows(inside, redrawn, **settings):
        yield rows.assign(epoch=epoch)


def group_rows(
    inside: pd.DataFrame, redrawn: Mapping[str, Redrawn], *, n_bootstrap: int, seed: int
) -> Iterator[pd.DataFrame]:
    """The means of each cluster and, where some are named, super-class, and the share of K's variance between these.

    inside: a row a concept that is in a cluster and has a complexity: `cluster`, `super_class` (empty: in none), and
    what is averaged, `complexity` and perhaps `importance`. redrawn: each of these in resamples of the images.
    """
    settings = {"n_bootstrap": n_bootstrap, "seed": seed}
    is_named = (inside["super_class"] != "").to_numpy()
    groupings = {"cluster": np.ones(len(inside), dtype=bool)} | ({"super_class": is_named} if is_named.any() else {})
    for grouping, known in groupings.items():
        names = inside[grouping]
        for measure, drawn in redrawn.items():
            found = group_means(inside[measure].to_numpy(dtype=float), names.tolist(), over_images=drawn, **settings)
            means = pd.DataFrame(found).rename(columns={"group": "group_name", "n": "n_concepts", "mean": "value"})
            means["group_name"] = means["group_name"].astype(str)
            yield means.assign(grouping=grouping, measure=measure)
        k, drawn = inside["complexity"].to_numpy(dtype=float)[known], redrawn["complexity"]
        share = pd.DataFrame([explained(k, names[known].tolist(), over_images=drawn[:, known], **settings)])
        share = share.rename(columns={"n": "n_concepts"})
        yield share.assign(grouping=grouping, group_name="all", measure="complexity_explained")
