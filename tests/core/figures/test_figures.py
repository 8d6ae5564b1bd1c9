import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

from featcx_core.figures.canvas import nothing_to_show, png
from featcx_core.figures.concepts import choose_concepts, concept_labels, concept_sheet, how_chosen
from featcx_core.figures.dynamics import group_label, sedimentation_curves, training_curves
from featcx_core.figures.information import information_by_layer_and_epoch
from featcx_core.figures.meta_features import concepts_of
from featcx_core.figures.pictures import concept_pictures
from featcx_core.figures.properties import ORDERS
from featcx_core.figures.relations import complexity_against_decode_time, complexity_against_importance
from featcx_core.figures.spectrum import complexity_spectrum
from featcx_core.findings.study_tables import StudyTables
from featcx_core.measures.correlations import correlation
from featcx_core.measures.intervals import draw_groups
from featcx_core.measures.layer_information import layer_information
from featcx_core.measures.sedimentation import sedimentation
from featcx_core.report.gallery import gallery, trained_epochs
from featcx_core.store.tables import TABLES

N_EPOCHS, N_LAYERS, N_CONCEPTS, REFERENCE = 13, 10, 100, 12
LAYERS = ["stem", *(f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3))]
ENDS = [0, REFERENCE]
COUNTS = {"concept": N_CONCEPTS, "random_direction": 100, "shuffled": N_CONCEPTS, "class_logit": 10, "unit": 64}


def frame(name: str, rows: list[dict]) -> pd.DataFrame:
    """Rows in the contract's columns; columns that figures do not read are filled with what their type allows."""
    fill = {"string": "x", "int64": 1, "float64": 0.5, "bool": True, "list<float>": None}
    columns = TABLES[name].columns
    return pd.DataFrame(
        [
            {
                c.name: row.get(
                    c.name,
                    "mnist"
                    if c.name == "study"
                    else "concept"
                    if c.name == "kind"
                    else np.nan
                    if c.name.endswith("_images") or c.name == "level"
                    else fill[c.dtype],
                )
                for c in columns
            }
            for row in rows
        ],
        columns=[c.name for c in columns],
    )


def no_rows() -> StudyTables:
    return StudyTables(*(frame(name, []) for name in StudyTables._fields))


def information(epoch: int, kind: str, hardness: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """I_V (layer, concept): rises with depth and epoch, less for hard concepts; 0 for shuffled codes."""
    if kind == "shuffled":
        return np.abs(chance.normal(0, 0.004, (N_LAYERS, len(hardness))))
    depth = np.linspace(0, 1, N_LAYERS)[:, None]
    learned = 1 - np.exp(-(epoch + 1) / (1 + 5 * hardness))
    reach = 0.15 + 0.8 * learned * depth ** (0.4 + 2 * hardness)
    return np.clip(reach * (0.75 if kind == "random_direction" else 1) + chance.normal(0, 0.02, reach.shape), 0, 1)


def synthetic_tables(*, n_epochs: int = N_EPOCHS) -> StudyTables:
    """All tables of a study in which simple concepts are early and important, and a few concepts are dead."""
    chance = np.random.default_rng(0)
    hardness = chance.uniform(0, 1, N_CONCEPTS)
    dead = np.arange(N_CONCEPTS) % 33 == 32
    rows: dict[str, list[dict]] = {name: [] for name in StudyTables._fields}
    reference = n_epochs - 1
    own_complexity = gamma = prevalence = np.empty(0)
    for depth, layer in enumerate(LAYERS):
        role = "stem" if depth == 0 else "penultimate" if depth == N_LAYERS - 1 else "block"
        rows["layers"].append({"layer": layer, "depth": depth, "role": role, "in_complexity": True, "units": 64})
    late = []
    for epoch in range(n_epochs):
        share = epoch / max(reference, 1)
        rows["epochs"].append(
            {
                "epoch": epoch,
                "train_loss": 2.3 * np.exp(-3 * share),
                "test_loss": 2.3 * np.exp(-2.5 * share),
                "train_accuracy": 0.1 + 0.89 * (1 - np.exp(-6 * share)),
                "test_accuracy": 0.1 + 0.87 * (1 - np.exp(-6 * share)),
            }
        )
        rows["dictionaries"].append(
            {"epoch": epoch, "method": "nmf", "n_concepts": N_CONCEPTS, "predictions_kept_fraction": 0.994,
             "relative_error": 0.081, "explained_variance": 0.972, "l0": 9.4, "dead": 3, "kkt_residual": 3.1e-7}
        )  # fmt: skip
        for kind, count in COUNTS.items():
            hard = hardness if count == N_CONCEPTS else chance.uniform(0.2, 0.9, count)
            values = information(epoch, kind, hard, chance)
            if kind in ("concept", "shuffled"):
                values[:, dead] = np.nan
            for layer, scores in zip(LAYERS, values, strict=True):
                rows["v_information"] += [
                    {"epoch": epoch, "layer": layer, "dictionary_epoch": epoch, "kind": kind, "concept": i,
                     "v_information": score, "standard_error": 0.01}
                    for i, score in enumerate(scores)
                ]  # fmt: skip
            complexity = 1 - values.mean(0)
            own_complexity = complexity if kind == "concept" else own_complexity
            rows["complexity"] += [
                {"epoch": epoch, "kind": kind, "concept": i, "complexity": k, "standard_error": 0.015}
                for i, k in enumerate(complexity)
            ]
        followed = information(epoch, "concept", hardness, chance)
        followed[:, dead] = np.nan
        late.append(followed[-1])
        if epoch != reference:
            rows["v_information"] += [
                {"epoch": epoch, "layer": layer, "dictionary_epoch": reference, "kind": "concept", "concept": i,
                 "v_information": score, "standard_error": 0.01}
                for layer, scores in zip(LAYERS, followed, strict=True) for i, score in enumerate(scores)
            ]  # fmt: skip
        prevalence = np.clip(0.5 - 0.3 * hardness + chance.normal(0, 0.1, N_CONCEPTS), 0.01, 1)
        gamma = np.exp(-4 * share * hardness + chance.normal(0, 0.7, N_CONCEPTS)) * prevalence
        gamma[:2] = 0.0
        _concept_rows(rows, epoch, own_complexity, gamma, prevalence, dead)
    decode_time = 1 - np.mean(late[1:] or late, axis=0)
    first = np.argmax(np.array(late) >= np.array(late)[-1] / 2, axis=0)
    rows["decode_time"] = [
        {
            "reference_epoch": reference,
            "concept": i,
            "decode_time": d,
            "first_epoch": np.nan if np.isnan(d) else float(f),
        }
        for i, (d, f) in enumerate(zip(decode_time, first, strict=True))
    ]
    _correlation_rows(rows, reference, "decode_time", own_complexity, decode_time, prevalence)
    for epoch in (0, reference):
        rows["clusters"] += [
            {"epoch": epoch, "concept": i, "cluster": i // 8, "x": np.cos(i) + i // 8, "y": np.sin(i),
             "super_class": ["round", "straight", ""][i // 40],
             **{f"level_{level}": i // (8 * 2 ** (5 - level)) for level in range(1, 5)}}
            for i in range(N_CONCEPTS)
        ]  # fmt: skip
    for epoch in range(n_epochs):
        is_born = np.arange(N_CONCEPTS) % n_epochs <= epoch
        rows["concept_paths"] += [
            {"epoch": epoch, "concept": i, "matched_concept": i, "cosine": 0.9 if is_born[i] else 0.5,
             "null_cosine": 0.7, "complexity": own_complexity[i], "importance": gamma[i]}
            for i in range(N_CONCEPTS)
        ]  # fmt: skip
    for epoch in {0, reference}:
        _branch_rows(rows, epoch, np.where(dead, np.nan, 0.3 - 0.2 * hardness))
    return with_means(StudyTables(*(frame(name, rows[name]) for name in StudyTables._fields)))


def with_means(tables: StudyTables) -> StudyTables:
    """The same with the means by layer and by group that follow from what the tables hold."""
    weights = draw_groups(5, n_bootstrap=100, seed=0)
    layers, own = tables.layers, tables.v_information.query("dictionary_epoch == epoch")
    by_layer: list[dict] = []
    for (epoch, kind), rows in own.groupby(["epoch", "kind"]):
        values = rows.pivot(index="layer", columns="concept", values="v_information").reindex(layers["layer"])
        jackknife = values.to_numpy()[..., None] + np.random.default_rng(0).normal(0, 0.01, (*values.shape, 5))
        first = int(layers["in_complexity"].to_numpy().argmax())
        found = layer_information(values.to_numpy(), jackknife, weights, first=first, seed=0)._asdict()
        n = found.pop("n_concepts")
        by_layer += [
            {"epoch": epoch, "kind": kind, "layer": layer, "n_concepts": n, **{name: at[i] for name, at in found.items()}}
            for i, layer in enumerate(layers["layer"]) if n
        ]  # fmt: skip
    groups = [rows.assign(epoch=epoch) for epoch in {*tables.clusters["epoch"]} for rows in _group_rows(tables, epoch)]
    return tables._replace(
        layer_information=frame("layer_information", by_layer),
        meta_features=frame("meta_features", pd.concat(groups).to_dict("records") if groups else []),
    )


def _group_rows(tables: StudyTables, epoch: int) -> list[pd.DataFrame]:
    known = concepts_of(tables.clusters, tables.complexity, tables.importance, tables.concepts, epoch=epoch)
    inside, chance = known.dropna(subset=["complexity"]), np.random.default_rng(0)
    redrawn = {
        name: inside[name].to_numpy() + chance.normal(0, 0.01, (100, len(inside)))
        for name in ("complexity", "importance")
    }
    return [*group_rows(inside, redrawn, n_bootstrap=100, seed=0)] if len(inside) else []


def _concept_rows(rows, epoch, complexity, gamma, prevalence, dead):
    for i in range(N_CONCEPTS):
        own = {"epoch": epoch, "concept": i, "prevalence_fraction": prevalence[i]}
        rows["concepts"].append({**own, "class_id": i // 10, "class_name": f"digit {i // 10}", "alive": not dead[i]})
        rows["importance"].append({**own, "importance": gamma[i], "signed_importance": gamma[i]})
    rows["sedimentation"] += [
        {"epoch": epoch, **group._asdict()} for group in sedimentation(complexity, gamma, n_bootstrap=200, seed=0)
    ]
    _correlation_rows(rows, epoch, "importance", complexity, gamma, prevalence)


def _branch_rows(rows, epoch, cka):
    for depth, block in enumerate(LAYERS[1:]):
        for branch in ("residual", "main"):
            rows["branches"] += [
                {"epoch": epoch, "block": block, "branch": branch, "shortcut": "identity", "kind": kind, "concept": i,
                 "cka": value + 0.01 * depth, "cka_shuffled": 0.001 if value == value else np.nan,
                 "v_information": 2 * value}
                for kind in ("concept", "random_direction") for i, value in enumerate(cka)
            ]  # fmt: skip


def _correlation_rows(rows, epoch, y, complexity, other, prevalence):
    held = np.stack([prevalence, prevalence**2 + 0.01 * np.arange(N_CONCEPTS)], axis=1)
    for method in ("spearman", "pearson"):
        for names, controls in (("", None), ("prevalence_fraction,variance", held)):
            found = correlation(complexity, other, method=method, controls=controls, n_bootstrap=100, seed=0)
            rows["correlations"].append(
                {"epoch": epoch, "x": "complexity", "y": y, "method": method, "controls": names, **found._asdict()}
            )


def with_property_correlations(tables: StudyTables) -> StudyTables:
    """The same with Spearman's correlations of K and of what its tables hold of concepts, those that were there first."""
    keys, held = ["epoch", "concept"], ["prevalence_fraction", "variance"]
    own = tables.complexity.query("kind == 'concept'")[[*keys, "complexity"]]
    own = own.merge(tables.concepts[[*keys, *held, "hoyer"]], on=keys)
    parts = [own.assign(y="hoyer", level=np.nan, value=own["hoyer"])]
    directions, found = tables.complexity.query("kind == 'random_direction'")[[*keys, "complexity"]], []
    for name, level in (("redundancy", "masked_fraction"), ("sensitivity", "sigma")):
        for y in (name, f"{name}_as_printed"):
            measured = getattr(tables, name).rename(columns={level: "level", y: "value"})
            rows = measured.query("kind == 'concept'")
            parts.append(own.merge(rows[[*keys, "level", "value"]], on=keys).assign(y=y))
            control = directions.merge(measured.query("kind == 'random_direction'"), on=keys)
            for (epoch, at), of_level in control.groupby(["epoch", "level"]):
                between = correlation(of_level["complexity"].to_numpy(), of_level["value"].to_numpy(float), seed=0)
                where = {"epoch": epoch, "x": "complexity", "y": y, "level": at, "method": "spearman", "controls": ""}
                found.append({**where, "kind": "random_direction", **between._asdict()})
    for (epoch, y, level), rows in pd.concat(parts).groupby(["epoch", "y", "level"], dropna=False):
        columns = [rows[name].to_numpy(dtype=float) for name in ("complexity", "value")]
        for names, controls in (("", None), (",".join(held), rows[held].to_numpy())):
            between = correlation(*columns, controls=controls, n_bootstrap=100, seed=0)
            at = {"epoch": epoch, "x": "complexity", "y": y, "level": level, "method": "spearman", "controls": names}
            found.append({**at, **between._asdict()})
    known = tables.correlations[tables.correlations["y"].isin(["importance", "decode_time"])]
    return tables._replace(correlations=pd.concat([known, frame("correlations", found)], ignore_index=True))


def with_properties(
    tables: StudyTables,
    *,
    redundancy=-0.1,
    sensitivity=1.0,
    untrained=0.0,
    hoyer=0.0,
    masks=0.01,
    fall=0.2,
    random_fall=0.004,
    control=0.0,
):
    """Tables in which the properties go with K as strongly as said (`untrained`: the sensitivity of epoch 0).

    `control`: as strongly in random directions, as a share of what concepts have.

    `fall`: of accuracy, without the complex half; `random_fall`: without any other half.
    """
    chance = np.random.default_rng(0)
    own = tables.complexity.query("kind == 'concept'")
    rows = {"redundancy": [], "sensitivity": [], "support": [], "concepts": tables.concepts.to_dict("records")}
    apart = np.random.default_rng(1)  # concepts are the same with and without the control
    both = tables.complexity[tables.complexity["kind"].isin(["concept", "random_direction"])]
    for epoch in ENDS:
        k = both[both["epoch"] == epoch].set_index(["kind", "concept"])["complexity"]
        for (kind, i), value in k.items():
            keys = {"epoch": epoch, "kind": kind, "concept": i}
            strength, draw = (1, chance) if kind == "concept" else (control, apart)
            for share in (0.1, 0.5, 0.9):
                found = 1 + strength * redundancy * value + draw.normal(0, 0.02)
                rows["redundancy"].append(
                    {**keys, "masked_fraction": share, "n_masks": 20, "redundancy": found,
                     "standard_deviation": masks, "redundancy_as_printed": found}
                )  # fmt: skip
            for sigma in (0.01, 0.1, 0.5):
                slope = strength * (sensitivity if epoch else untrained)
                found = np.exp(slope * 3 * value + draw.normal(0, 0.5)) * sigma
                rows["sensitivity"].append(
                    {**keys, "sigma": sigma, "n_images": 200, "n_draws": 20, "sensitivity": found,
                     "low": 0.8 * found, "high": 1.2 * found, "sensitivity_as_printed": found}
                )  # fmt: skip
        for order in ORDERS:
            for kept in np.linspace(1, 0, 21):
                lost, by_chance = (2 * each * min(1 - kept, 0.5) for each in (fall, random_fall))
                left = 1 - (lost if order == "complexity_descending" else by_chance)
                beyond = left - 1 + by_chance
                rows["support"].append(
                    {"epoch": epoch, "order": order, "kept_fraction": kept, "n_kept": round(100 * kept),
                     "relative_accuracy": left, "accuracy": left, "predictions_kept_fraction": left,
                     "low": left - 0.01, "high": left + 0.01, "beyond_random": beyond,
                     "beyond_random_low": beyond - 0.01, "beyond_random_high": beyond + 0.01,
                     "orders_low": left - 0.02, "orders_high": left + 0.02}
                )  # fmt: skip
    score = own.set_index(["epoch", "concept"])["complexity"]
    for row in rows["concepts"]:
        row["hoyer"] = 0.5 + hoyer * score[row["epoch"], row["concept"]] + chance.normal(0, 0.05)
        row["variance"] = chance.random()
    return with_property_correlations(tables._replace(**{name: frame(name, found) for name, found in rows.items()}))


@pytest.fixture(scope="module")
def tables() -> StudyTables:
    return with_properties(synthetic_tables())


def texts(figure: Figure) -> str:
    """Everything that is written on a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text")))


def is_drawn(figure: Figure) -> bool:
    """Whether it can be drawn; where its parts stand, half of the work, is of no interest."""
    figure.set_layout_engine("none")
    return is_png(png(figure, dots_per_inch=50))


def is_png(data: bytes) -> bool:
    return data.startswith(b"\x89PNG\r\n") and len(data) > 2000


def test_every_figure_of_the_gallery_is_drawn_and_asks_a_question(tables):
    figures = gallery(tables, reference_epoch=REFERENCE)
    assert all(is_png(png(figure, dots_per_inch=50)) for figure in figures.values())
    assert all(figure.get_suptitle().rstrip().endswith("?") for figure in figures.values())
    assert "nothing to show" not in "\n".join(texts(figure) for figure in figures.values())


def test_png_is_900_pixels_wide_at_100_dots_and_the_same_each_time():
    figure = nothing_to_show("Why?", "no rows")
    data = png(figure, dots_per_inch=100)
    assert int.from_bytes(data[16:20], "big") == 900
    assert data == png(nothing_to_show("Why?", "no rows"), dots_per_inch=100)


def test_tables_without_rows_give_figures_that_say_why():
    for name, figure in gallery(no_rows(), reference_epoch=REFERENCE).items():
        assert "nothing to show:" in texts(figure), name


def test_epochs_that_the_study_names_are_shown_in_place_of_its_ends(tables):
    detailed = ("branches", "redundancy", "sensitivity", "support", "clusters")
    moved = {0: 3, REFERENCE: 6}
    named = {name: getattr(tables, name).replace({"epoch": moved}) for name in detailed}
    figures = gallery(tables._replace(**named), reference_epoch=REFERENCE)
    for name in (
        "branches_by_block",
        "redundancy_against_complexity",
        "sensitivity_against_complexity",
        "support_curves",
    ):
        assert set(re.findall(r"^epoch (\d+)", texts(figures[name]), flags=re.MULTILINE)) == {"3", "6"}, name
    assert "Epoch 6" in texts(figures["concept_dendrogram"])


def test_a_single_epoch_is_enough(tables):
    only = synthetic_tables(n_epochs=1)
    for figure in gallery(only, reference_epoch=0).values():
        assert is_drawn(figure)
    one_trained = StudyTables(*(t[t["epoch"] == REFERENCE] if "epoch" in t else t for t in tables))
    assert trained_epochs(one_trained) == [REFERENCE]
    for figure in gallery(one_trained, reference_epoch=REFERENCE).values():
        assert is_drawn(figure)


def test_dead_concepts_only_say_so(tables):
    dead = tables.complexity.assign(complexity=np.nan)
    silent = tables.layer_information.iloc[:0], tables.v_information.assign(v_information=np.nan)
    assert "nothing to show" in texts(complexity_spectrum(dead, reference_epoch=REFERENCE))
    assert "nothing to show" in texts(
        complexity_against_importance(dead, tables.importance, tables.correlations, epochs=[REFERENCE])
    )
    assert "nothing to show" in texts(complexity_against_decode_time(dead, tables.decode_time, tables.correlations))
    assert "nothing to show" in texts(information_by_layer_and_epoch(*silent, tables.layers, reference_epoch=REFERENCE))


def test_spectrum_counts_concepts_without_a_score_and_names_every_control(tables):
    figure = complexity_spectrum(tables.complexity, reference_epoch=REFERENCE, importance=tables.importance)
    figure.draw_without_rendering()  # tick labels are written when drawn
    written = texts(figure)
    assert "97 concepts, 3 without a score" in written
    for label in ("before training", "random directions, n = 100", "single units, n = 64", "class logits", "shuffled"):
        assert label in written
    assert "importance" not in texts(complexity_spectrum(tables.complexity, reference_epoch=REFERENCE)).lower()


def test_spectrum_is_sorted_from_simple_to_complex(tables):
    axes = complexity_spectrum(tables.complexity, reference_epoch=REFERENCE).axes[0]
    drawn = axes.collections[-1].get_offsets()
    own = tables.complexity.query("epoch == @REFERENCE and kind == 'concept'")["complexity"].dropna()
    np.testing.assert_allclose(drawn[:, 0], np.sort(own))


def test_importance_panels_carry_their_correlations_and_keep_zeros_on_the_log_axis(tables):
    figure = complexity_against_importance(
        tables.complexity, tables.importance, tables.correlations, epochs=[0, 1, REFERENCE, 99]
    )
    panels = [axes for axes in figure.axes if axes.get_xlabel().startswith("K ")]
    assert [axes.get_title(loc="left").split("\n")[0] for axes in panels] == [
        "epoch 0 (before training)",
        "epoch 1",
        "epoch 12",
    ]
    assert all("Spearman" in axes.get_title(loc="left") and "partial" in axes.get_title(loc="left") for axes in panels)
    for axes in panels:
        assert sum(len(marks.get_offsets()) for marks in axes.collections) == 97
        assert min(marks.get_offsets()[:, 1].min() for marks in axes.collections if len(marks.get_offsets())) > 0
    assert "importance exactly 0 (6)" in texts(figure)


def test_all_importances_zero(tables):
    nothing = tables.importance.assign(importance=0.0)
    figure = complexity_against_importance(tables.complexity, nothing, tables.correlations.iloc[:0], epochs=[REFERENCE])
    assert is_png(png(figure, dots_per_inch=50))
    assert "Spearman –" in texts(figure)


def test_decode_time_takes_the_complexity_of_its_own_reference_epoch(tables):
    figure = complexity_against_decode_time(tables.complexity, tables.decode_time, tables.correlations)
    drawn = np.concatenate([marks.get_offsets() for marks in figure.axes[0].collections])
    assert len(drawn) == 97
    at = tables.complexity.query("epoch == @REFERENCE and kind == 'concept'").dropna(subset=["complexity"])
    np.testing.assert_allclose(np.sort(drawn[:, 1]), np.sort(at["complexity"]))
    assert "Pearson" in texts(figure)


def test_few_first_epochs_have_a_colour_each_and_many_a_bar(tables):
    def drawn(first: list[float]) -> Figure:
        late = tables.decode_time.assign(first_epoch=np.resize(first, len(tables.decode_time)))
        return complexity_against_decode_time(tables.complexity, late, tables.correlations)

    few = drawn([1, 2, np.nan])
    assert len(few.axes) == 1
    labels = few.axes[0].get_legend_handles_labels()[1]
    assert [label.split(" (")[0] for label in labels] == ["never", "1", "2"]
    assert sum(int(label.split("(")[1].rstrip(")")) for label in labels) == 97
    many = drawn([*range(1, 9)])
    assert [axes.get_ylabel() for axes in many.axes[1:]] == ["first epoch with half of its information"]
    assert many.axes[0].get_legend() is None


def test_legends_stand_where_no_mark_can_be(tables):
    few = tables.decode_time.assign(first_epoch=np.resize([1, 2, np.nan], len(tables.decode_time)))
    figures = gallery(tables._replace(decode_time=few), reference_epoch=REFERENCE)
    for name in (
        "information_by_layer_and_epoch",
        "complexity_against_decode_time",
        "support_curves",
        "concept_paths",
    ):
        figure = figures[name]
        figure.draw_without_rendering()
        (legend,) = figure.findobj(Legend)
        place = legend.get_window_extent()
        (title,) = figure.findobj(lambda part: isinstance(part, Text) and part.get_fontsize() == 13)
        drawn = [axes.get_window_extent() for axes in figure.axes if axes.axison]
        assert not any(place.overlaps(other) for other in [*drawn, title.get_window_extent()]), name
        assert place.x1 < figure.bbox.x1, name


def test_ranks_of_the_spectrum_are_round_numbers(tables):
    axes = complexity_spectrum(tables.complexity, reference_epoch=REFERENCE).axes[0]
    assert axes.get_yticks().tolist() == [1, 20, 40, 60, 80]


def test_information_has_a_line_an_epoch_and_layers_in_depth_order(tables):
    shuffled_rows = tables.layers.sample(frac=1, random_state=0)
    figure = information_by_layer_and_epoch(
        tables.layer_information, tables.v_information, shuffled_rows, reference_epoch=REFERENCE
    )
    top, bottom = figure.axes[:2]
    assert len(top.lines) == N_EPOCHS + 2  # and the shuffled codes and the random directions
    assert [label.get_text() for label in top.get_xticklabels()] == LAYERS
    assert bottom.images[0].get_array().shape == (N_LAYERS, N_EPOCHS)
    assert f"random directions, epoch {REFERENCE}" in texts(figure)


def test_layers_outside_k_are_marked(tables):
    layers = tables.layers.assign(in_complexity=tables.layers["role"] != "stem")
    assert "stem (not in K)" in texts(
        information_by_layer_and_epoch(
            tables.layer_information, tables.v_information, layers, reference_epoch=REFERENCE
        )
    )


def test_sedimentation_draws_every_group_and_keeps_epoch_0_off_the_curve(tables):
    figure = sedimentation_curves(tables.sedimentation)
    labelled = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    assert labelled[0].get_label() == "all concepts (n = 97)"
    assert all(0 not in line.get_xdata() for line in labelled)
    assert group_label("top_0.5pct") == "top 0.5 % by importance"


def test_a_group_of_more_than_its_share_is_named_by_its_number(tables):
    written = texts(sedimentation_curves(tables.sedimentation))
    assert "top 10 % by importance (n = 10)" in written  # of 97
    few = tables.sedimentation.assign(
        n_concepts=tables.sedimentation["n_concepts"].where(tables.sedimentation["group_name"] != "all", 40)
    )
    assert "10 most important of 40" in texts(sedimentation_curves(few))


def test_training_curves_without_training_numbers_show_the_held_out_side(tables):
    external = tables.epochs.assign(train_loss=np.nan, train_accuracy=np.nan)
    assert "training images" not in texts(training_curves(external))
    assert "held-out images" in texts(training_curves(external))


def test_the_accuracy_of_a_guess_is_a_line_in_its_axis_alone(tables):
    loss, accuracy = training_curves(tables.epochs, chance=0.1).axes
    (guess,) = [line for line in accuracy.lines if line.get_label() == "a guess (10 %)"]
    assert set(guess.get_ydata()) == {10.0}
    assert len(loss.lines) == 2
    assert "a guess" not in str(texts(training_curves(tables.epochs)))


@pytest.mark.parametrize("kind", ["bytes", "grey", "tensor"])
def test_concept_sheet_takes_bytes_floats_and_tensors(kind):
    import torch

    chance = np.random.default_rng(0)
    images = chance.uniform(0, 1, (3, 4, 1 if kind == "grey" else 3, 28, 28)).astype(np.float32)
    heat = chance.uniform(0, 1, (3, 4, 7, 7)).astype(np.float32)
    if kind == "bytes":
        images = (images * 255).astype(np.uint8)
    before = images.copy()
    given = (torch.from_numpy(images), torch.from_numpy(heat)) if kind == "tensor" else (images, heat)
    figure = concept_sheet(*given, labels=["a", "b", "c"])
    assert len([axes for axes in figure.axes if axes.images]) == 3
    assert is_png(png(figure, dots_per_inch=50))
    np.testing.assert_array_equal(images, before)


def test_concept_sheet_colours_only_where_the_concept_is_active():
    images = np.full((1, 2, 1, 96, 96), 0.5)
    heat = np.zeros((1, 2, 2, 2))
    heat[0, 0, 0, 0] = 3.0
    images[0, 1] = np.nan  # the concept has a single image
    [axes] = [axes for axes in concept_sheet(images, heat, labels=["one"]).axes if axes.images]
    drawn = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(drawn[95, 95], 0.5, atol=1e-6)
    assert np.ptp(drawn[0, 0]) > 0.2  # a colour, not a grey
    np.testing.assert_allclose(drawn[:, 100:], 1.0)


def test_coloured_images_keep_their_colours_and_are_dark_where_the_concept_is_not_active():
    images = np.zeros((1, 2, 3, 96, 96))
    images[0, 0, 2] = 0.8  # blue
    images[0, 1] = np.nan  # the concept has a single image
    heat = np.zeros((1, 2, 2, 2))
    heat[0, 0, 0, 0] = 3.0
    figure = concept_sheet(images, heat, labels=["one"])
    [axes] = [axes for axes in figure.axes if axes.images]
    drawn = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(drawn[0, 0], [0.25, 0.25, 0.25 + 0.75 * 0.8], atol=1e-6)
    np.testing.assert_allclose(drawn[95, 95], [0.0, 0.0, 0.2 * 0.8], atol=1e-6)
    np.testing.assert_allclose(drawn[:, 100:], 1.0)
    assert "Bright: where the concept is active." in texts(figure)


def test_concept_sheet_of_one_position_does_not_say_where():
    images = np.zeros((1, 2, 1, 8, 8))
    assert "Bright colours: where the concept is active." in str(
        texts(concept_sheet(images, np.ones((1, 2, 2, 2)), labels=["a"]))
    )
    said = str(texts(concept_sheet(images, np.ones((1, 2, 1, 1)), labels=["a"])))
    assert "No heat maps: the dictionary is fitted on one vector an image." in said


def test_concept_sheet_without_concepts_says_so():
    assert "nothing to show" in texts(concept_sheet(np.zeros((0, 4, 1, 8, 8)), np.zeros((0, 4, 2, 2)), labels=[]))


def test_concept_sheet_names_what_does_not_fit():
    with pytest.raises(ValueError, match=r"wanted as many heat maps and labels as images, got .* 2 labels"):
        concept_sheet(np.zeros((1, 4, 1, 8, 8)), np.zeros((1, 4, 2, 2)), labels=["a", "b"])


@pytest.mark.parametrize("n_channels", [1, 2, 3, 5])
def test_images_of_any_channels_are_shown(n_channels):
    images = np.full((1, 1, n_channels, 96, 96), 0.5)
    images[:, :, 3:] = 0.9  # beyond the colours
    [axes] = [axes for axes in concept_sheet(images, np.zeros((1, 1, 2, 2)), labels=["a"]).axes if axes.images]
    np.testing.assert_allclose(np.asarray(axes.images[0].get_array())[:96, :96], 0.5)
    made = concept_pictures(images[0], images[0], labels=["a"])
    [axes] = [axes for axes in made.axes if axes.images]
    np.testing.assert_allclose(np.asarray(axes.images[0].get_array())[:96, :96], 0.5)


def test_chosen_concepts_span_the_spectrum_and_carry_their_numbers(tables):
    chosen = choose_concepts(tables.complexity, epoch=REFERENCE, n_concepts=5)
    own = tables.complexity.query("epoch == @REFERENCE and kind == 'concept'").set_index("concept")["complexity"]
    scores = [own[concept] for concept in chosen]
    assert scores == sorted(scores)
    assert (scores[0], scores[-1]) == (own.min(), own.max())
    labels = concept_labels(
        chosen,
        epoch=REFERENCE,
        complexity=tables.complexity,
        concepts=tables.concepts,
        importance=tables.importance,
        decode_time=tables.decode_time,
    )
    said = how_chosen(5, epoch=REFERENCE, complexity=tables.complexity, concepts=tables.concepts)
    assert said == (
        f"Shown: 5 of the {own.count()} concepts that have a K, at even steps of its ranks from the simplest to the most "
        "complex. Class: on whose images it was fitted."
    )
    of_all = tables.concepts.assign(class_id=-1, class_name="all")
    assert how_chosen(5, epoch=REFERENCE, complexity=tables.complexity, concepts=of_all).endswith("of all classes.")
    figure = concept_sheet(np.zeros((5, 1, 1, 8, 8)), np.ones((5, 1, 2, 2)), labels=labels, remark=said)
    assert said.rsplit(". ", 1)[1] in texts(figure).replace("\n", " ")
    assert f"concept {chosen[0]}" in labels[0]
    assert labels[0].startswith("class ")
    assert f"K {scores[0]:.2f}" in labels[0]
    assert choose_concepts(tables.complexity.iloc[:0], epoch=REFERENCE) == []
