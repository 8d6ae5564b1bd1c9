"""Ablation of an epoch's layers: curves, areas, single units and noise, on training and on held-out images."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int64

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.dictionary.make import read_dictionary
from featcx_core.analyses.importance import IMPORTANCE
from featcx_core.analyses.selectivity import SELECTIVITY
from featcx_core.artefacts.given import Given
from featcx_core.features.ablating import UnitMoments, ablated_logits, noisy_logits, unit_moments
from featcx_core.features.ablations import Plan, ablate_directions, ablate_units
from featcx_core.features.dictionary import random_atoms
from featcx_core.features.forward import Network
from featcx_core.images.data import batches
from featcx_core.images.outputs import Right, class_outputs, right_outputs
from featcx_core.measures.ablated_units import UnitImportance, UnitLosses
from featcx_core.measures.ablation import AblationCounts, AblationCurve, ablation_orders
from featcx_core.measures.intervals import jackknife_interval
from featcx_core.networks.anatomy import Layer

SPLITS = ("train", "test")
_IMAGES_AT_ONCE = 64


class _Images(NamedTuple):
    """Images of a split that are classified."""

    rows: Int64[np.ndarray, "image"]
    targets: Right


class _Concepts(NamedTuple):
    """Directions of the concepts that are measured, with their importance."""

    atoms: np.ndarray
    importance: np.ndarray


def ablation_rows(given: Given) -> dict[str, pd.DataFrame]:
    """Return curves, areas, single units and noise of every layer at an epoch, by table.

    Raises CheckpointError for an unusable checkpoint, ValueError for a layer that something passes by.
    """
    network = given.network(epoch=given.epoch, device=given.tools.device)
    parts: dict[str, list[pd.DataFrame]] = {}
    progress = given.tools.progress or (lambda items, **_: items)
    for row in progress(given.anatomy.layers, desc="ablation by layer"):
        for name, frame in _LayerAblation(given, network, row).tables().items():
            parts.setdefault(name, []).append(frame.assign(epoch=given.epoch, layer=row.layer))
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


class _LayerAblation:
    """Ablations of one layer.

    Args:
        given: what is made.
        network: of the epoch.
        row: the layer.
    """

    def __init__(self, given: Given, network: Network, row: Layer) -> None:
        self.given, self.network, self.row = given, network, row
        self.settings, self.groups = given.study.ablation, given.study.probe.groups
        self.shares = np.linspace(0, 1, self.settings.steps + 1)
        outputs = class_outputs(given.study.model, network.data.class_names)
        self.images = {
            split: _Images(rows, right_outputs(outputs, network.data.labels[rows]))
            for split in SPLITS
            for rows in [network.data.split[split][: self.settings.images]]
        }
        self.moments: UnitMoments = unit_moments(
            network.model, self._inputs(self.images["train"]), layer=row.layer, layout=row.layout
        )

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the rows of every table."""
        single = {split: self._single_units(images) for split, images in self.images.items()}
        units = self._units(single)
        plans = dict(self._plans(units))
        curves, areas = [], []
        for (kind, clamp), plan in plans.items():
            for split, images in self.images.items():
                found = self._curves(plan, images)
                about = {"kind": kind, "clamp": clamp, "split": split}
                curves += [self._curve_rows(c, plan).assign(order=order, **about) for order, c in found.items()]
                areas.append(self._area_rows(found, n_images=len(images.rows)).assign(**about))
        return {
            "ablation": pd.concat(curves, ignore_index=True),
            "ablation_area": pd.concat(areas, ignore_index=True),
            "ablated_units": units,
            "ablation_noise": pd.concat([self._noise(split) for split in SPLITS], ignore_index=True),
        }

    def _inputs(self, images: _Images) -> Iterator[torch.Tensor]:
        at_once = self.network.data.at_once(min(_IMAGES_AT_ONCE, self.given.tools.batch_size))
        return batches(self.network.data, images.rows, batch_size=at_once, device=self.network.device)

    def _logits(self, edits: Plan, images: _Images) -> Iterator[tuple[torch.Tensor, Right]]:
        """Yield the logits of every edit with the right outputs, batch after batch."""
        done = 0
        for logits in ablated_logits(
            self.network.model,
            self._inputs(images),
            edits.edits,
            layer=self.row.layer,
            layout=self.row.layout,
        ):
            yield logits, images.targets[done : done + logits.shape[1]]
            done += logits.shape[1]

    def _single_units(self, images: _Images) -> UnitImportance:
        n_units = len(self.moments.mean)
        each = {str(unit): np.roll(np.arange(n_units), -unit)[None] for unit in range(n_units)}
        plan = ablate_units(each, np.array([1 / n_units]), value=torch.zeros_like(self.moments.mean))
        losses = UnitLosses(len(plan.edits), groups=self.groups)
        for logits, targets in self._logits(plan, images):
            losses.add(logits, targets)
        return losses.result()

    def _units(self, single: Mapping[str, UnitImportance]) -> pd.DataFrame:
        columns = ["layer", "unit", "selectivity", "mutual_information_bits"]
        rows = self.given.rows(SELECTIVITY, epoch=self.given.epoch, columns=columns)
        of_layer = rows[rows["layer"] == self.row.layer].drop(columns="layer").reset_index(drop=True)
        return of_layer.assign(
            loss_rise=single["test"].loss_rise,
            loss_rise_train=single["train"].loss_rise,
            accuracy_lost=single["test"].accuracy_lost,
            jackknife=list(single["test"].left_out.astype(np.float32)),
        )

    def _plans(self, units: pd.DataFrame) -> Iterator[tuple[tuple[str, str], Plan]]:
        """Yield the ablations of each kind and clamp."""
        mean, seed = self.moments.mean, self.given.study.seed
        concepts = self._concepts()
        chance = {"n_random": self.settings.orders, "seed": seed}
        for clamp in dict.fromkeys(self.settings.clamps):
            value = mean if clamp == "mean" else torch.zeros_like(mean)
            if "unit" in self.settings.kinds:
                properties = {
                    "selectivity": units["selectivity"].to_numpy(dtype=np.float64),
                    "mutual_information": units["mutual_information_bits"].to_numpy(dtype=np.float64),
                    "importance": units["loss_rise_train"].to_numpy(dtype=np.float64),
                }
                orders = ablation_orders(properties, n_units=len(units), **chance)
                yield ("unit", clamp), ablate_units(orders, self.shares, value=value)
            if "concept" in self.settings.kinds and concepts is not None:
                atoms = concepts.atoms
                orders = ablation_orders({"importance": concepts.importance}, n_units=len(atoms), **chance)
                yield ("concept", clamp), ablate_directions(orders, self.shares, directions=atoms, value=value)
            if "random_direction" in self.settings.kinds:
                n = len(mean) if concepts is None else len(concepts.atoms)
                atoms = random_atoms(n, len(mean), seed=seed, is_signed=self.given.anatomy.signed)
                orders = ablation_orders({}, n_units=n, **chance)
                plan = ablate_directions(orders, self.shares, directions=atoms.astype(np.float64), value=value)
                yield ("random_direction", clamp), plan

    def _concepts(self) -> _Concepts | None:
        """Return the concepts before the head that are active on enough images; None at other layers."""
        if self.row.role != "penultimate":
            return None
        epoch = self.given.epoch
        rows = self.given.rows(CODES, epoch=epoch, table="concepts", columns=["concept", "alive"])
        alive = rows.loc[rows["alive"].astype(bool), "concept"].to_numpy()
        if not len(alive):
            return None
        gamma = self.given.rows(IMPORTANCE, epoch=epoch, columns=["concept", "importance"]).set_index("concept")
        atoms = np.asarray(read_dictionary(self.given, epoch=epoch).atoms, dtype=np.float64)
        return _Concepts(atoms[alive], gamma.loc[alive, "importance"].to_numpy(dtype=np.float64))

    def _curves(self, plan: Plan, images: _Images) -> dict[str, AblationCurve]:
        counts = AblationCounts(len(plan.edits), groups=self.groups)
        for logits, targets in self._logits(plan, images):
            counts.add(logits.argmax(2), targets)
        return counts.curves(plan.places, self.shares)

    def _curve_rows(self, curve: AblationCurve, plan: Plan) -> pd.DataFrame:
        values = {name: part for name, part in curve._asdict().items() if not name.startswith("area")}
        return pd.DataFrame({"ablated_fraction": self.shares, "n_ablated": plan.n_ablated, **values})

    def _area_rows(self, curves: Mapping[str, AblationCurve], *, n_images: int) -> pd.DataFrame:
        random = curves["random"]
        rows = []
        for order, curve in curves.items():
            beyond, left_out = curve.area - random.area, curve.area_left_out - random.area_left_out
            low, high = jackknife_interval(np.array([beyond]), left_out[None])
            rows.append(
                {
                    "order": order,
                    "area": curve.area,
                    "low": curve.area_low,
                    "high": curve.area_high,
                    "beyond_random": beyond,
                    "beyond_random_low": float(low[0]),
                    "beyond_random_high": float(high[0]),
                    "n_images": n_images,
                    "jackknife": curve.area_left_out.astype(np.float32),
                }
            )
        return pd.DataFrame(rows)

    def _noise(self, split: str) -> pd.DataFrame:
        images, scales = self.images[split], np.array([0.0, *sorted(set(self.settings.noise))])
        counts = AblationCounts(len(scales), groups=self.groups)
        done = 0
        for logits in noisy_logits(
            self.network.model,
            self._inputs(images),
            images.rows,
            layer=self.row.layer,
            layout=self.row.layout,
            scales=scales.tolist(),
            deviation=self.moments.deviation,
            seed=self.given.study.seed,
        ):
            counts.add(logits.argmax(2), images.targets[done : done + logits.shape[1]])
            done += logits.shape[1]
        curve = counts.curves({"noise": np.arange(len(scales))[None]}, scales)["noise"]
        values = ("accuracy", "low", "high", "relative_accuracy", "relative_low", "relative_high")
        return pd.DataFrame({"scale": scales, **{name: getattr(curve, name) for name in values}}).assign(split=split)
