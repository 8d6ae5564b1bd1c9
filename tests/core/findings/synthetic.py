"""Tables of a made-up study: simple concepts are early and important, and a few concepts are dead."""

from functools import cache

import numpy as np

from featcx_core.findings.study_tables import StudyTables
from featcx_core.measures.correlations import correlation
from featcx_core.measures.sedimentation import sedimentation
from tests.core.findings.frames import frame
from tests.core.findings.synthetic_means import with_means

Rows = dict[str, list[dict]]
"""Table -> its rows."""

N_EPOCHS, N_LAYERS, N_CONCEPTS, REFERENCE = 13, 10, 100, 12
LAYERS = ["stem", *(f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(3))]
COUNTS = {"concept": N_CONCEPTS, "random_direction": 100, "shuffled": N_CONCEPTS, "class_logit": 10, "unit": 64}
DEAD = np.arange(N_CONCEPTS) % 33 == 32
CONTROLS = "prevalence_fraction,variance"


@cache
def study(*, n_epochs: int = N_EPOCHS) -> StudyTables:
    """Return the tables of the made-up study; not to be changed in place."""
    chance = np.random.default_rng(0)
    hardness = chance.uniform(0, 1, N_CONCEPTS)
    rows: Rows = {name: [] for name in StudyTables._fields}
    reference, followed = n_epochs - 1, []
    _add_layers(rows)
    for epoch in range(n_epochs):
        progress = epoch / max(reference, 1)
        _add_checkpoint(rows, epoch, progress)
        complexity = _add_scores(rows, epoch, hardness, chance)
        followed.append(_add_reference_scores(rows, epoch, reference, hardness, chance))
        prevalence = np.clip(0.5 - 0.3 * hardness + chance.normal(0, 0.1, N_CONCEPTS), 0.01, 1)
        gamma = np.exp(-4 * progress * hardness + chance.normal(0, 0.7, N_CONCEPTS)) * prevalence
        gamma[:2] = 0.0
        _add_concepts(rows, epoch, complexity, gamma, prevalence)
    rows["learning_curve"] = [
        {"epoch": reference, "n_images": images, "n_atoms": 10, "n_scored": 1000, "is_measured": images <= 1000,
         "predictions_kept_fraction": 1 - 5 / images}
        for images in (250, 500, 1000, 2000, 4000)
    ]  # fmt: skip
    _add_decode_time(rows, reference, np.array(followed), complexity, prevalence)
    for epoch in dict.fromkeys((0, reference)):
        rows["stability"] += [
            {"epoch": epoch, "concept": i, "n_seeds": 5, "found_fraction": 0.2 * (i % 6), "complexity_spread": 0.02}
            for i in range(N_CONCEPTS)
        ]
        rows["layer_choices"] += [
            {"epoch": epoch, "choice": choice, "rank_correlation": 0.9} for choice in ("all", "without_first")
        ]
        _add_clusters(rows, epoch)
        _add_branches(rows, epoch, np.where(DEAD, np.nan, 0.3 - 0.2 * hardness))
    for epoch in range(n_epochs):
        _add_paths(rows, epoch, n_epochs, complexity, gamma)
    return with_means(StudyTables(*(frame(name, rows[name]) for name in StudyTables._fields)))


def information(epoch: int, kind: str, hardness: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Return I_V (layer, concept): it rises with depth and epoch, less for hard concepts; 0 for shuffled codes."""
    if kind == "shuffled":
        return np.abs(chance.normal(0, 0.004, (N_LAYERS, len(hardness))))
    depth = np.linspace(0, 1, N_LAYERS)[:, None]
    learned = 1 - np.exp(-(epoch + 1) / (1 + 5 * hardness))
    reach = 0.15 + 0.8 * learned * depth ** (0.4 + 2 * hardness)
    return np.clip(reach * (0.75 if kind == "random_direction" else 1) + chance.normal(0, 0.02, reach.shape), 0, 1)


def _add_layers(rows: Rows) -> None:
    for depth, layer in enumerate(LAYERS):
        role = "stem" if depth == 0 else "penultimate" if depth == N_LAYERS - 1 else "block"
        rows["layers"].append({"layer": layer, "depth": depth, "role": role, "in_complexity": True, "units": 64})


def _add_checkpoint(rows: Rows, epoch: int, progress: float) -> None:
    rows["epochs"].append(
        {
            "epoch": epoch,
            "passes": float(epoch),
            "train_loss": 2.3 * np.exp(-3 * progress),
            "test_loss": 2.3 * np.exp(-2.5 * progress),
            "train_accuracy": 0.1 + 0.89 * (1 - np.exp(-6 * progress)),
            "test_accuracy": 0.1 + 0.87 * (1 - np.exp(-6 * progress)),
        }
    )
    rows["dictionaries"].append(
        {"epoch": epoch, "method": "nmf", "n_concepts": N_CONCEPTS, "predictions_kept_fraction": 0.994,
         "predictions_kept_low": 0.9905, "predictions_kept_high": 0.998, "logit_carried_fraction": 0.97,
         "relative_error": 0.081, "explained_variance": 0.972, "l0": 9.4, "dead": 3, "kkt_residual": 3.1e-7}
    )  # fmt: skip


def _add_scores(rows: Rows, epoch: int, hardness: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Add I_V and K of the concepts and of every control; return the concepts' K."""
    of_concepts = np.empty(0)
    for kind, count in COUNTS.items():
        hard = hardness if count == N_CONCEPTS else chance.uniform(0.2, 0.9, count)
        values = information(epoch, kind, hard, chance)
        if kind in ("concept", "shuffled"):
            values[:, DEAD] = np.nan
        _add_information(rows, epoch, epoch, kind, values)
        complexity = 1 - values.mean(0)
        of_concepts = complexity if kind == "concept" else of_concepts
        rows["complexity"] += [
            {"epoch": epoch, "kind": kind, "concept": i, "complexity": k, "standard_error": 0.015}
            for i, k in enumerate(complexity)
        ]
    return of_concepts


def _add_reference_scores(
    rows: Rows, epoch: int, reference: int, hardness: np.ndarray, chance: np.random.Generator
) -> np.ndarray:
    """Add I_V of the reference epoch's concepts at another epoch; return it in the penultimate layer."""
    values = information(epoch, "concept", hardness, chance)
    values[:, DEAD] = np.nan
    if epoch != reference:
        _add_information(rows, epoch, reference, "concept", values)
    return values[-1]


def _add_information(rows: Rows, epoch: int, dictionary_epoch: int, kind: str, values: np.ndarray) -> None:
    rows["v_information"] += [
        {"epoch": epoch, "layer": layer, "dictionary_epoch": dictionary_epoch, "kind": kind, "concept": i,
         "v_information": score, "standard_error": 0.01}
        for layer, scores in zip(LAYERS, values, strict=True) for i, score in enumerate(scores)
    ]  # fmt: skip


def _add_concepts(rows: Rows, epoch: int, complexity: np.ndarray, gamma: np.ndarray, prevalence: np.ndarray) -> None:
    for i in range(N_CONCEPTS):
        at = {"epoch": epoch, "concept": i, "prevalence_fraction": prevalence[i]}
        rows["concepts"].append({**at, "class_id": i // 10, "class_name": f"digit {i // 10}", "alive": not DEAD[i]})
        rows["importance"].append({**at, "importance": gamma[i], "signed_importance": gamma[i]})
    rows["sedimentation"] += [{"epoch": epoch, **group._asdict()} for group in sedimentation(complexity, gamma)]
    _add_correlations(rows, epoch, "importance", complexity, gamma, prevalence)


def _add_decode_time(
    rows: Rows, reference: int, followed: np.ndarray, complexity: np.ndarray, prevalence: np.ndarray
) -> None:
    trained = followed[1:] if len(followed) > 1 else followed
    decode_time = 1 - np.mean(trained, axis=0)
    normalised = 1 - np.mean(np.minimum(trained / trained[-1], 1), axis=0)
    first = np.argmax(followed >= followed[-1] / 2, axis=0)
    rows["decode_time"] = [
        {
            "reference_epoch": reference,
            "concept": i,
            "decode_time": late,
            "decode_time_normalised": normalised[i],
            "first_epoch": np.nan if np.isnan(late) else float(epoch),
        }
        for i, (late, epoch) in enumerate(zip(decode_time, first, strict=True))
    ]
    _add_correlations(rows, reference, "decode_time", complexity, decode_time, prevalence)
    _add_correlations(rows, reference, "decode_time_normalised", complexity, normalised, prevalence)


def _add_correlations(
    rows: Rows, epoch: int, y: str, complexity: np.ndarray, other: np.ndarray, prevalence: np.ndarray
) -> None:
    held = np.stack([prevalence, prevalence**2 + 0.01 * np.arange(N_CONCEPTS)], axis=1)
    for method in ("spearman", "pearson"):
        for names, controls in (("", None), (CONTROLS, held)):
            between = correlation(complexity, other, method=method, controls=controls, n_bootstrap=100, seed=0)
            rows["correlations"].append(
                {"epoch": epoch, "x": "complexity", "y": y, "method": method, "controls": names, **between._asdict()}
            )


def _add_clusters(rows: Rows, epoch: int) -> None:
    rows["clusters"] += [
        {"epoch": epoch, "concept": i, "cluster": i // 8, "x": np.cos(i) + i // 8, "y": np.sin(i),
         "super_class": ["round", "straight", ""][i // 40],
         **{f"level_{level}": i // (8 * 2 ** (5 - level)) for level in range(1, 5)}}
        for i in range(N_CONCEPTS)
    ]  # fmt: skip


def _add_branches(rows: Rows, epoch: int, cka: np.ndarray) -> None:
    for depth, block in enumerate(LAYERS[1:]):
        for branch in ("residual", "main"):
            rows["branches"] += [
                {"epoch": epoch, "block": block, "branch": branch, "shortcut": "identity", "kind": kind, "concept": i,
                 "cka": value + 0.01 * depth, "cka_shuffled": 0.001 if value == value else np.nan,
                 "v_information": 2 * value}
                for kind in ("concept", "random_direction") for i, value in enumerate(cka)
            ]  # fmt: skip


def _add_paths(rows: Rows, epoch: int, n_epochs: int, complexity: np.ndarray, gamma: np.ndarray) -> None:
    is_born = np.arange(N_CONCEPTS) % n_epochs <= epoch
    rows["concept_paths"] += [
        {"epoch": epoch, "concept": i, "matched_concept": i, "cosine": 0.9 if is_born[i] else 0.5,
         "null_cosine": 0.7, "complexity": complexity[i], "importance": gamma[i]}
        for i in range(N_CONCEPTS)
    ]  # fmt: skip
