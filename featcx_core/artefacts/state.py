"""What is stale: every artefact whose commit does not carry the fingerprint that the study expects today.

The authority for the command line, the sensor, the assets and the views. Opens markers and file footers only, never
an array, and imports no torch.
"""

from collections.abc import Iterator
from functools import cache, cached_property
from typing import NamedTuple, get_args

from featcx_core.artefacts.fingerprints import Fingerprints, combine
from featcx_core.checkpoints.survey import Survey, survey, training_is_whole
from featcx_core.store.places import Store, epoch_key, footer
from featcx_core.store.tables import TABLES
from featcx_core.study.fields import Analysis, Study

GRID = ("activations", "v_information", "reference_v_information")
"""Assets made once an epoch and layer."""
DETAILED = ("branches", "redundancy", "sensitivity", "support", "clusters", "visualisation")
"""Assets made once an epoch, at those epochs only that the study names for them."""
EPOCHLY = ("checkpoint", "dictionary_activations", "dictionary", "codes", "complexity", "importance", *DETAILED)
"""Assets made once an epoch."""
ACROSS = ("decode_time", "sedimentation", "layer_information", "correlations", "meta_features", "concept_paths")
"""Tables over all epochs."""
ONCE = ("training", *ACROSS, "figures", "report", "explorer")
"""Assets made once a study."""
BY_EPOCH = {
    "sedimentation": ("complexity", "importance", "codes"),
    "layer_information": ("v_information",),
    "correlations": ("complexity", "codes"),
    "meta_features": ("clusters", "complexity"),
}
"""Those of them that go by epochs -> what an epoch must have."""
ASSETS = (
    "training", "checkpoint", "activations", "dictionary_activations", "dictionary", "codes", "v_information",
    "reference_v_information", "complexity", "importance", *DETAILED, *ACROSS, "figures", "report", "explorer",
)  # fmt: skip
"""All assets, each after what it is made from."""
_SHOWN = (
    "checkpoint", "codes", "v_information", "reference_v_information", "complexity", "importance", *DETAILED, *ACROSS,
)  # fmt: skip
NEEDS: dict[str, tuple[str, ...]] = {
    "training": (),
    "checkpoint": ("training",),
    "activations": ("checkpoint",),
    "dictionary_activations": ("checkpoint",),
    "dictionary": ("dictionary_activations",),
    "codes": ("dictionary", "activations"),
    "v_information": ("activations", "codes"),
    "reference_v_information": ("activations", "codes"),
    "complexity": ("v_information",),
    "importance": ("codes",),
    "branches": ("activations", "codes"),
    "redundancy": ("v_information",),
    "sensitivity": ("codes",),
    "support": ("complexity", "importance"),
    "clusters": ("dictionary",),
    "visualisation": ("codes", "complexity"),
    "decode_time": ("v_information", "reference_v_information"),
    "sedimentation": ("complexity", "importance"),
    "layer_information": ("v_information",),
    "correlations": ("complexity", "importance", "redundancy", "sensitivity", "decode_time"),
    "meta_features": ("complexity", "importance", "clusters"),
    "concept_paths": ("dictionary", "complexity", "importance"),
    "figures": _SHOWN,
    "report": ("figures",),
    "explorer": _SHOWN,
}
"""What each asset is made from."""
_FOLLOW = {"correlations": {"complexity"}, "meta_features": {"complexity", "clusters"}}
"""Tables that are wanted wherever these analyses are."""


class Partition(NamedTuple):
    """One artefact: an asset's epoch and layer, where it has them."""

    asset: str
    """Name of the asset."""
    epoch: int = -1
    """Its epoch; -1 = all."""
    layer: str = ""
    """Its layer; empty = all."""

    @property
    def name(self) -> str:
        """File name of its rows."""
        match self.epoch, self.layer:
            case -1, _:
                return "all"
            case epoch, "":
                return epoch_key(epoch)
            case epoch, layer:
                return f"{epoch_key(epoch)}-{layer}"


def assets_of(study: Study) -> tuple[str, ...]:
    """The assets that a study can have: without training where another program writes the checkpoints."""
    return tuple(asset for asset in ASSETS if asset != "training" or not study.checkpoints.folder)


def wanted_of(study: Study) -> tuple[str, ...]:
    """The assets that a study's analyses ask for."""
    run: set[str] = set(study.analyses.run)
    run |= {asset for asset, read in _FOLLOW.items() if run >= read}
    optional = {*get_args(Analysis), *_FOLLOW}
    return tuple(asset for asset in assets_of(study) if asset not in optional or asset in run)


class State:
    """What a study's store holds and lacks, at the moment of asking.

    Args:
        store: the study's artefacts.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.study = store.study
        self.anatomy = store.anatomy
        self.survey: Survey = survey(store)
        self.prints = Fingerprints(store.study, self.anatomy, self.survey.digests)
        self.is_current = cache(self._is_current)
        self.epochs_with = cache(self._epochs_with)

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """The assets that the study's analyses ask for."""
        return wanted_of(self.study)

    def partitions(self, asset: str) -> Iterator[Partition]:
        """All partitions that an asset has, given the checkpoints that are there; of one that is gone, those made."""
        if asset in ONCE:
            yield Partition(asset)
            return
        for epoch in sorted(self.survey.digests):
            for partition in self._of_epoch(asset, epoch):
                if epoch not in self.survey.gone or self.is_current(partition):
                    yield partition

    def _of_epoch(self, asset: str, epoch: int) -> Iterator[Partition]:
        if asset in EPOCHLY:
            if asset not in DETAILED or epoch in self.detailed_epochs(asset):
                yield Partition(asset, epoch)
        elif asset != "reference_v_information" or self._has_reference(epoch):
            yield from (Partition(asset, epoch, layer) for layer in self.anatomy.names)

    def detailed_epochs(self, asset: str) -> frozenset[int]:
        """The epochs, of those that are there, at which a detailed analysis is made."""
        known = self.survey.digests.keys()
        if asset == "visualisation":
            return frozenset(known & {self.study.reference_epoch})
        return self.study.detailed_epochs(known)

    def _has_reference(self, epoch: int) -> bool:
        # At the reference epoch itself the own concepts are the reference concepts.
        return self.study.reference_epoch in self.survey.digests and epoch != self.study.reference_epoch

    def _is_current(self, partition: Partition) -> bool:
        """Whether the committed artefact was made from what the study expects today."""
        asset, epoch, layer = partition
        if asset == "training":
            return training_is_whole(self.store, self.prints.of("training"))
        if asset in ONCE:
            return self.committed(partition) == self.cross_epoch(asset)
        return self.committed(partition) == self.prints.of(asset, epoch, layer)

    def committed(self, partition: Partition) -> str | None:
        """Fingerprint of what is committed; None where nothing (or only a part) is."""
        asset, epoch, layer = partition
        store = self.store
        match asset:
            case "activations":
                parts = [store.committed(store.activations(epoch, layer))]
                if epoch == self.study.reference_epoch and layer == self.anatomy.penultimate:
                    parts.append(store.committed(store.positions(epoch)))
            case "dictionary_activations":
                parts = [store.committed(store.dictionary_activations(epoch))]
            case "dictionary":
                parts = [store.committed(store.dictionary(epoch))]
            case "codes":
                rows = [_digest(store, table, partition.name) for table in ("dictionaries", "concepts")]
                parts = [store.committed(store.codes(epoch)), *rows]
            case "checkpoint":
                parts = [_digest(store, "epochs", partition.name)]
            case "v_information" | "reference_v_information":
                parts = [_digest(store, "v_information", table_partition(partition))]
                if asset == "v_information" and layer == self.anatomy.penultimate:
                    parts.append(store.committed(store.sums(epoch)))
            case "visualisation":
                parts = [store.committed(store.visualisation(epoch))]
            case "figures":
                parts = [store.committed(store.figures)]
            case "report":
                parts = [store.committed(store.report)]
            case "explorer":
                parts = [store.committed(store.explorer)]
            case _:
                parts = [_digest(store, asset, partition.name)]
        return parts[0] if len(set(parts)) == 1 else None

    def cross_epoch(self, asset: str) -> str:
        """Fingerprint of an asset over all epochs: made from what is there and current, be it all epochs or some."""
        return combine(asset, self.prints.fields(asset), *self.inputs(asset))

    def inputs(self, asset: str) -> tuple[str, ...]:
        """Fingerprints of the current partitions that an asset over all epochs is made from, sorted."""
        found: list[str] = []
        for need in NEEDS[asset]:
            if need in ONCE:  # one that is not asked for counts where it was made nevertheless
                if need in self.wanted or self.is_current(Partition(need)):
                    found.append(self.cross_epoch(need))
            else:
                found.extend(self.prints.of(*p) for p in self.partitions(need) if self._feeds(asset, p))
        return tuple(sorted(found))

    def _feeds(self, asset: str, partition: Partition) -> bool:
        if asset == "decode_time":  # reads one layer of the epochs up to the reference
            in_time = 1 <= partition.epoch <= self.study.reference_epoch
            if not in_time or partition.layer != self.anatomy.penultimate:
                return False
            if partition.asset == "v_information" and partition.epoch != self.study.reference_epoch:
                return False
        if asset in BY_EPOCH and partition.epoch not in self.epochs_with(BY_EPOCH[asset]):
            return False
        return partition in self.current

    @cached_property
    def current(self) -> frozenset[Partition]:
        """The partitions of epochs that need not be made again."""
        assets = (asset for asset in ASSETS if asset not in ONCE)
        return frozenset(p for asset in assets for p in self.partitions(asset) if self.is_current(p))

    def is_wanting(self, partition: Partition) -> bool:
        """Whether a partition is stale and everything that it is made from is there."""
        exists = partition in self.partitions(partition.asset)
        return exists and not self.is_current(partition) and self.is_ready(partition)

    def stale(self, asset: str) -> list[Partition]:
        """Partitions to be made."""
        if asset in ONCE:
            return [p for p in self.partitions(asset) if not self.is_current(p)]
        return [p for p in self.partitions(asset) if p not in self.current]

    def is_ready(self, partition: Partition) -> bool:
        """Whether everything that a partition is made from is there."""
        asset, epoch, _ = partition
        if asset in ONCE:
            if asset == "decode_time":
                return Partition("v_information", self.study.reference_epoch, self.anatomy.penultimate) in self.current
            if asset == "concept_paths":
                reference = self.study.reference_epoch
                return all(Partition(need, reference) in self.current for need in NEEDS[asset])
            if asset == "explorer":
                return Partition("codes", self.study.reference_epoch) in self.current
            if asset in BY_EPOCH:
                return bool(self.epochs_with(BY_EPOCH[asset]))
            return asset == "training" or any(self._has_any(need) for need in NEEDS[asset])
        if asset in ("activations", "dictionary_activations"):
            return self._is_there(Partition("checkpoint", epoch))
        return not self.lacking(partition)

    def lacking(self, partition: Partition) -> list[Partition]:
        """The stored arrays and tables that an epoch's partition is read from and that are not current."""
        asset, epoch, layer = partition
        here: list[Partition] = []
        match asset:
            case "codes":
                here = [Partition("dictionary", epoch), Partition("activations", epoch, self.anatomy.penultimate)]
            case "v_information":
                here = [Partition("activations", epoch, layer), Partition("codes", epoch)]
            case "reference_v_information":
                here = [Partition("activations", epoch, layer), Partition("codes", self.study.reference_epoch)]
            case "complexity":
                here = [Partition("v_information", epoch, name) for name in self.anatomy.in_complexity]
            case "branches":
                blocks = [Partition("activations", epoch, row.layer) for row in self.anatomy.layers if row.branches]
                here = [Partition("codes", epoch), *blocks]
            case "redundancy":
                here = [Partition("v_information", epoch, self.anatomy.penultimate)]
                sums = self.store.committed(self.store.sums_without_groups(epoch))
                if sums != self.prints.sums_without_groups(epoch):
                    here += [Partition("activations", epoch, self.anatomy.penultimate), Partition("codes", epoch)]
            case "dictionary" | "importance" | "sensitivity" | "support" | "clusters" | "visualisation":
                here = [Partition(need, epoch) for need in NEEDS[asset]]
        return [p for p in here if not self._is_there(p)]

    def _is_there(self, partition: Partition) -> bool:
        return partition.epoch in self.survey.digests and self.is_current(partition)

    def _epochs_with(self, assets: tuple[str, ...]) -> tuple[int, ...]:
        """The epochs at which every one of these assets is there and current, of all layers."""
        parts = {epoch: [[*self._read_of(asset, epoch)] for asset in assets] for epoch in sorted(self.survey.digests)}
        return tuple(epoch for epoch, of in parts.items() if all(each and self.current.issuperset(each) for each in of))

    def _read_of(self, asset: str, epoch: int) -> Iterator[Partition]:
        """The partitions of an asset at an epoch, and what K over other images is put together from."""
        yield from self._of_epoch(asset, epoch)
        if asset == "complexity":
            yield from (Partition("v_information", epoch, layer) for layer in self.anatomy.in_complexity)

    def _has_any(self, asset: str) -> bool:
        if asset in ONCE:
            return asset in self.wanted and self.is_ready(Partition(asset))
        return any(p.asset == asset for p in self.current)

    def visible(self) -> set[tuple[str, str]]:
        """(table, fingerprint) of every row that the views may show.

        A table over all epochs stays visible while a further epoch is on its way: each of its inputs must still be
        expected, but it need not have all of them.
        """
        of_epochs = (asset for asset in ASSETS if asset not in ONCE)
        expected = {asset: {self.prints.of(*p) for p in self.partitions(asset)} for asset in of_epochs}
        pairs = {("layers", self.anatomy.made_from)}
        for name, table in TABLES.items():
            for asset in {table.asset, "reference_v_information" if name == "v_information" else table.asset}:
                pairs |= {(name, digest) for digest in expected.get(asset, ())}
        valid = set().union(*expected.values())
        for asset in ACROSS:
            made = footer(self.store.table(asset, "all"))
            if made and made[1] <= valid and made[0] == combine(asset, self.prints.fields(asset), *sorted(made[1])):
                pairs.add((asset, made[0]))
                valid = valid | {made[0]}
        return pairs


def table_partition(partition: Partition) -> str:
    """File name of a partition's rows; own and reference concepts share a table, not a file."""
    return f"reference-{partition.name}" if partition.asset == "reference_v_information" else partition.name


def _digest(store: Store, table: str, partition: str) -> str | None:
    made = store.table_fingerprint(table, partition)
    return made[0] if made else None
