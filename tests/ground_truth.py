"""What featcx says of studies whose answers are known: planted parities and twins, independent factors, a shortcut.

Run as a module, with a home in which `featcx run planted`, `twins`, `factors` and `shortcut` have ended, the page
docs/ground_truth.md. The functions are those of the tests, which use smaller studies.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import featcx_core as fx
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.checkpoints.survey import read_head
from featcx_core.features.dictionary import Dictionary
from featcx_core.features.forward import Network, Tap, pooled
from featcx_core.images.data import load_data
from featcx_core.images.generated import (
    N_BITS,
    N_PARITIES,
    PATCH_CLASS,
    GeneratedImages,
    bits,
    factors,
    shortcut,
    twins,
    with_patch,
)
from featcx_core.measures.complexity import complexity
from featcx_core.measures.importance import importance
from featcx_core.measures.intervals import jackknife_error
from featcx_core.measures.removal import removal
from featcx_core.measures.v_information import VInformation
from featcx_core.store.places import Store, open_store
from tests.steps import arrays_of, reader, table_of

N_RESAMPLES = 2000


class Interval(NamedTuple):
    """A value with what bounds it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @classmethod
    def by_error(cls, value: float, error: float) -> "Interval":
        """95 %, of a jackknife error."""
        return cls(value, value - 1.96 * error, value + 1.96 * error)

    @classmethod
    def of_mean(cls, values: np.ndarray) -> "Interval":
        """95 % bootstrap percentiles over the values."""
        rows = np.random.default_rng(0).integers(0, len(values), (N_RESAMPLES, len(values)))
        low, high = np.percentile(values[rows].mean(axis=1), [2.5, 97.5])
        return cls(float(values.mean()), float(low), float(high))

    @classmethod
    def of_difference(cls, a: np.ndarray, b: np.ndarray) -> "Interval":
        """95 % bootstrap percentiles of mean(a) - mean(b), each resampled."""
        chance = np.random.default_rng(0)
        means = [x[chance.integers(0, len(x), (N_RESAMPLES, len(x)))].mean(axis=1) for x in (a, b)]
        low, high = np.percentile(means[0] - means[1], [2.5, 97.5])
        return cls(float(a.mean() - b.mean()), float(low), float(high))


# -- planted parities ----------------------------------------------------------------------------------------------------


class PlantedUnit(NamedTuple):
    """A unit of the last block, which holds a bit or a parity."""

    name: str
    expected: float
    measured: Interval


def planted_units(store: Store) -> list[PlantedUnit]:
    """K of every unit beside what it must be: a parity that block k adds, of the five, has k/5."""
    epoch = store.study.reference_epoch
    table = table_of(store, "complexity")
    rows = table[(table["epoch"] == epoch) & (table["kind"] == "unit")].sort_values("concept")
    expected = [0.0] * N_BITS + [place / N_PARITIES for place in range(N_PARITIES)]
    return [
        PlantedUnit(name, wanted, Interval.by_error(row.complexity, row.standard_error))
        for name, wanted, row in zip(bits(n_images=4).factors, expected, rows.itertuples(), strict=True)
    ]


# -- detectors and their class-blind twins -------------------------------------------------------------------------------


class TwinConcept(NamedTuple):
    """The concept whose atom is one unit of the last layer."""

    concept: int
    cosine: float
    """Of its atom with the unit."""
    complexity: float
    class_information: float
    prevalence: float
    variance: float


def twin_concepts(store: Store) -> dict[str, TwinConcept]:
    """The reference epoch's concepts by what their unit holds: the detectors of the class and their class-blind twins."""
    epoch = store.study.reference_epoch
    atoms = read_dictionary(reader(store), epoch=epoch).atoms
    scored = table_of(store, "complexity").query("epoch == @epoch and kind == 'concept'").set_index("concept")
    described = table_of(store, "concepts").query("epoch == @epoch").set_index("concept")
    concepts = {}
    for unit, name in enumerate(twins(n_images=4).factors):
        nearest = int(atoms[:, unit].argmax())
        concepts[name] = TwinConcept(
            nearest,
            float(atoms[nearest, unit]),
            float(scored["complexity"][nearest]),
            *(float(described[column][nearest]) for column in ("class_information", "prevalence_fraction", "variance")),
        )
    return concepts


# -- independent factors -------------------------------------------------------------------------------------------------


class Measured(NamedTuple):
    """Codes that stand for something known, measured at the reference epoch and before."""

    complexity: Interval
    untrained: Interval
    """K in the untrained network."""
    by_layer: list[float]
    """Mean I_V by layer, at the reference epoch."""
    by_epoch: dict[int, float]
    """Mean I_V of the penultimate layer."""

    @property
    def first_epoch(self) -> int:
        """First trained epoch at half of the reference's."""
        last = max(self.by_epoch)
        return next(epoch for epoch, value in self.by_epoch.items() if epoch and value >= self.by_epoch[last] / 2)

    @property
    def decode_time(self) -> float:
        """Λ."""
        return 1 - float(np.mean([value for epoch, value in self.by_epoch.items() if epoch]))


def known_codes(store: Store, known: GeneratedImages) -> dict[str, np.ndarray]:
    """Codes of the probe images, (image, code): an indicator of each value of a factor; brightness; noise."""
    probe = load_data(store.study).probe
    codes = {name: np.eye(int(values.max()) + 1)[values[probe]] for name, values in known.factors.items()}
    codes["brightness"] = known.images[probe].mean(axis=(1, 2, 3))[:, None]
    codes["noise"] = np.random.default_rng(0).normal(size=(len(probe), 3))
    return codes


def measured(store: Store, codes: Mapping[str, np.ndarray]) -> dict[str, Measured]:
    """Codes that are not a network's own, held against its layers as concepts are."""
    reference, penultimate = store.study.reference_epoch, store.anatomy.penultimate
    epochs = sorted(set(table_of(store, "epochs")["epoch"]))
    layers = store.anatomy.in_complexity
    values = np.concatenate(list(codes.values()), axis=1)
    ends = np.cumsum([part.shape[1] for part in codes.values()])[:-1]
    of_layers = {epoch: [_information(store, epoch, layer, values) for layer in layers] for epoch in (0, reference)}
    of_epochs = {epoch: _information(store, epoch, penultimate, values).v_information for epoch in epochs}
    columns = np.split(np.arange(values.shape[1]), ends)
    found = {}
    for name, own in zip(codes, columns, strict=True):
        found[name] = Measured(
            _mean_complexity(of_layers[reference], own),
            _mean_complexity(of_layers[0], own),
            [float(layer.v_information[own].mean()) for layer in of_layers[reference]],
            {epoch: float(value[own].mean()) for epoch, value in of_epochs.items()},
        )
    return found


def _information(store: Store, epoch: int, layer: str, codes: np.ndarray) -> VInformation:
    acts = np.asarray(arrays_of(store, "activations", epoch=epoch, layer=layer), dtype=np.float64)
    n_fit = len(load_data(store.study).split["fit"])
    return fx.v_information(acts[:n_fit], codes[:n_fit], acts[n_fit:], codes[n_fit:])


def _mean_complexity(layers: list[VInformation], own: np.ndarray) -> Interval:
    """Mean K over codes, with the error of the mean: the groups of images are the same for all of them."""
    value = float(complexity(np.stack([layer.v_information[own] for layer in layers])).mean())
    left_out = np.stack([layer.jackknife[own] for layer in layers]).mean(axis=(0, 1))
    return Interval.by_error(value, float(jackknife_error(torch.from_numpy(1 - left_out))))


class FactorConcepts(NamedTuple):
    """The concepts of a dictionary whose code a factor explains better than the other factors do."""

    complexity: np.ndarray
    decode_time: np.ndarray
    explained: float
    """Mean share of their codes' variance that the factor explains."""


def factor_concepts(store: Store, known: GeneratedImages) -> dict[str, FactorConcepts]:
    """The reference epoch's concepts, each with the factor that explains most of its code's variance (eta squared)."""
    epoch, probe = store.study.reference_epoch, load_data(store.study).probe
    codes = np.asarray(arrays_of(store, "codes", epoch=epoch)["concept"])
    explained = np.stack([eta_squared(codes, values[probe]) for values in known.factors.values()])
    table = table_of(store, "complexity")
    own = table[(table["epoch"] == epoch) & (table["kind"] == "concept")].set_index("concept")["complexity"]
    late = table_of(store, "decode_time").set_index("concept")["decode_time"]
    found = {}
    for place, name in enumerate(known.factors):
        rows = [row for row in np.flatnonzero(explained.argmax(axis=0) == place) if np.isfinite(own[row])]
        share = float(explained[place, rows].mean()) if rows else float("nan")
        found[name] = FactorConcepts(own[rows].to_numpy(), late[rows].to_numpy(), share)
    return found


def eta_squared(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Share of each code's variance that lies between the values of a factor."""
    means = np.stack([codes[values == value].mean(axis=0) for value in np.unique(values)])
    counts = np.bincount(values)[np.unique(values)][:, None]
    between = (counts * (means - codes.mean(axis=0)) ** 2).sum(axis=0)
    within = ((codes - codes.mean(axis=0)) ** 2).sum(axis=0)
    return np.divide(between, within, out=np.zeros_like(between), where=within > 0)


# -- the shortcut --------------------------------------------------------------------------------------------------------


class PatchConcept(NamedTuple):
    """The concept that answers to the patch most when it is added to the same images: atoms have unit length."""

    concept: int
    class_name: str
    effect: float
    """Change of its code, in standard deviations."""
    complexity: Interval
    simpler: float
    """Share of the alive concepts that are simpler."""
    importance: float
    more_important: float
    """Share of the living concepts that are more important."""
    when_active: float
    """Γ per active image."""
    more_when_active: float
    """Share of the living concepts that are more important where they are active."""
    logit: float
    """On the images with the patch: fall of the predicted class's logit without the concept's part."""
    more_by_logit: float
    """Share of the living concepts without whose part it falls more."""
    loss: float
    """On the images with the patch: rise of the loss."""
    more_by_loss: float
    """Share of the living concepts without whose part it rises more."""
    without_patch: float
    """Share of the living concepts that are more important on the same images without any patch."""
    decode_time: float
    earlier: float
    """Share of the concepts that are earlier."""


class Reliance(NamedTuple):
    """Answers with the patch added to all images, and taken from all."""

    says_3_with: float
    """Share of images of other digits that are called 3 with the patch."""
    says_3_without: float
    finds_3_with: float
    """Share of the 3s that are called 3."""
    finds_3_without: float


def patch_concept(store: Store) -> PatchConcept:
    """Found by adding the patch to the probe images, not by its name."""
    epoch, data = store.study.reference_epoch, load_data(store.study)
    plain = shortcut(has_patch=False).images
    dictionary, (head, bias) = read_dictionary(reader(store), epoch=epoch), read_head(store, epoch=epoch)
    spread = np.asarray(arrays_of(store, "codes", epoch=epoch)["concept"]).std(axis=0)
    codes = {}
    for name, images in (("with", with_patch(plain)), ("without", plain)):
        acts = penultimate(store, images)[0]
        codes[name] = acts, fx.encode(acts, dictionary.atoms)
    effect = (codes["with"][1] - codes["without"][1]).mean(axis=0)
    scaled = np.divide(effect, spread, out=np.zeros_like(effect), where=spread > 0)
    acts, unpatched = codes["without"]
    now = importance(unpatched, dictionary.atoms, head, predicted=(acts @ head + bias).argmax(axis=1)).importance
    tables = {name: table_of(store, name) for name in ("complexity", "importance", "decode_time")}
    scored = tables["complexity"].query("epoch == @epoch and kind == 'concept'").set_index("concept")
    own = scored["complexity"]
    relied = tables["importance"].query("epoch == @epoch").set_index("concept")
    gamma, when_active = relied["importance"], relied["importance_when_active"]
    logit, loss = _without_concepts_where_patched(store, dictionary, head, bias)
    late = tables["decode_time"].set_index("concept")["decode_time"]
    alive = own.notna().to_numpy()
    best = int(np.where(own.notna().to_numpy(), effect, -np.inf).argmax())
    return PatchConcept(
        concept=best,
        class_name=data.class_names[int(dictionary.class_of[best])],
        effect=float(scaled[best]),
        complexity=Interval.by_error(float(own[best]), float(scored["standard_error"][best])),
        simpler=float((own.dropna() < own[best]).mean()),
        importance=float(gamma[best]),
        more_important=float((gamma[alive] > gamma[best]).mean()),
        when_active=float(when_active[best]),
        more_when_active=float((when_active[alive] > when_active[best]).mean()),
        logit=float(logit[best]),
        more_by_logit=float((logit[alive] > logit[best]).mean()),
        loss=float(loss[best]),
        more_by_loss=float((loss[alive] > loss[best]).mean()),
        without_patch=float((now[alive] > now[best]).mean()),
        decode_time=float(late[best]),
        earlier=float((late.dropna() < late[best]).mean()),
    )


def _without_concepts_where_patched(
    store: Store, dictionary: Dictionary, head: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fall of the predicted logit and rise of the loss without each concept, on the probe images with the patch."""
    epoch, data = store.study.reference_epoch, load_data(store.study)
    patched = data.labels[data.probe] == PATCH_CLASS
    codes = np.asarray(arrays_of(store, "codes", epoch=epoch)["concept"])[patched]
    acts = np.asarray(arrays_of(store, "activations", epoch=epoch, layer=store.anatomy.penultimate))[patched]
    right = np.full(len(codes), PATCH_CLASS)
    found = removal(codes, dictionary.atoms, head, logits=acts @ head + bias, right=right)
    return np.asarray(found.logit), np.asarray(found.loss)


def reliance(store: Store) -> Reliance:
    """What the patch does to the network's answers."""
    data, plain = load_data(store.study), shortcut(has_patch=False).images
    three = data.labels[data.probe] == 3
    said = [penultimate(store, images)[1] == 3 for images in (with_patch(plain), plain)]
    others, threes = ([float(answer[rows].mean()) for answer in said] for rows in (~three, three))
    return Reliance(*others, *threes)


def penultimate(store: Store, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the head reads of the probe images with other pixels, (image, unit), and the predicted classes."""
    epoch = store.study.reference_epoch
    network = Network.load(store, epoch=epoch, device="cpu")
    network = network._replace(data=network.data._replace(images=images))
    row = next(row for row in store.anatomy.layers if row.role == "penultimate")
    passes = network.forward(network.data.probe, [Tap(row.layer, pooled(row, "gap"))])
    acts = np.concatenate([batch[0] for batch in passes])
    head, bias = read_head(store, epoch=epoch)
    return acts, (acts @ head + bias).argmax(axis=1)


# -- the page ------------------------------------------------------------------------------------------------------------


def planted_table(store: Store) -> Iterator[str]:
    yield from ("| unit holds | K must be | K measured |", "|---|---|---|")
    for unit in planted_units(store):
        yield f"| {unit.name} | {unit.expected:.1f} | {unit.measured} |"


def twin_table(store: Store) -> Iterator[str]:
    yield "| concept | K must be | K | class information must be | class information | prevalence | variance |"
    yield "|---|---|---|---|---|---|---|"
    for name, one in twin_concepts(store).items():
        k, of_class = (0.5 if name.endswith("parity") else 0.0), (1.0 if name.startswith("detector") else 0.0)
        yield (
            f"| {name} | {k:.1f} | {one.complexity:.3f} | {of_class:.1f} | {one.class_information:.3f} | "
            f"{one.prevalence:.2f} | {one.variance:.2f} |"
        )


def factor_tables(store: Store) -> Iterator[str]:
    known = factors()
    found = measured(store, known_codes(store, known))
    layers = store.anatomy.in_complexity
    yield from ("| code | K | K, untrained | Λ | half of its final I_V from epoch |", "|---|---|---|---|---|")
    for name, one in found.items():
        late = (f"{one.decode_time:.3f}", str(one.first_epoch)) if name != "noise" else ("–", "–")
        yield f"| {name} | {one.complexity} | {one.untrained} | {late[0]} | {late[1]} |"
    yield from ("", f"| I_V of | {' | '.join(layers)} |", f"|---|{'---|' * len(layers)}")
    for name, one in found.items():
        yield f"| {name} | {' | '.join(f'{value:.2f}' for value in one.by_layer)} |"
    concepts = factor_concepts(store, known)
    yield from ("", "| concepts mostly of | n | share explained | mean K | mean Λ |", "|---|---|---|---|---|")
    for name, own in concepts.items():
        means = [str(Interval.of_mean(values)) if len(values) else "–" for values in own[:2]]
        yield f"| {name} | {len(own.complexity)} | {own.explained:.2f} | {means[0]} | {means[1]} |"
    if len(concepts["shape"].complexity) and len(concepts["colour"].complexity):
        parts = zip(concepts["shape"][:2], concepts["colour"][:2], strict=True)
        differences = [Interval.of_difference(a, b) for a, b in parts]
        yield f"| shape − colour | | | {differences[0]} | {differences[1]} |"


def shortcut_table(store: Store) -> Iterator[str]:
    found, relied = patch_concept(store), reliance(store)
    yield from ("| the concept that answers to the patch | |", "|---|---|")
    rows = {
        "concept, fitted on class": f"{found.concept}, {found.class_name}",
        "its code when the patch is added to the same images": f"+{found.effect:.2f} standard deviations",
        "K, and share of concepts that are simpler": f"{found.complexity}, {found.simpler:.0%}",
        "Λ, and share of concepts that are earlier": f"{found.decode_time:.3f}, {found.earlier:.0%}",
        "Γ, and share of concepts that are more important": f"{found.importance:.3f}, {found.more_important:.0%}",
        "Γ per active image, and share of concepts that have more": (
            f"{found.when_active:.2f}, {found.more_when_active:.0%}"
        ),
        "fall of the logit without its part, where the patch is, and share of concepts without which it falls more": (
            f"{found.logit:.2f}, {found.more_by_logit:.0%}"
        ),
        "rise of the loss without its part, where the patch is, and share of concepts without which it rises more": (
            f"{found.loss:.4f}, {found.more_by_loss:.0%}"
        ),
        "share of concepts that are more important once no image has the patch": f"{found.without_patch:.0%}",
        "other digits called 3 with the patch, without": f"{relied.says_3_with:.0%}, {relied.says_3_without:.0%}",
        "3s called 3 with the patch, without": f"{relied.finds_3_with:.0%}, {relied.finds_3_without:.0%}",
    }
    yield from (f"| {name} | {value} |" for name, value in rows.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--home", type=Path, default=Path(".featcx"), help="where one or more of the four studies were run"
    )
    home = parser.parse_args().home
    tables = {"planted": planted_table, "twins": twin_table, "factors": factor_tables, "shortcut": shortcut_table}
    there = [name for name in tables if (home / name / "report").is_dir()]
    if not there:
        parser.error(
            f"no results of {', '.join(tables)} in {home}; `featcx run planted` and so on make them, --home points elsewhere"
        )
    for name, table in ((name, tables[name]) for name in there):
        sys.stdout.write("\n".join([f"## {name}\n", *table(open_store(home, name)), "", ""]))


if __name__ == "__main__":
    main()
