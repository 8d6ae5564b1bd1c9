"""A snapshot of a study: its checkpoints, the fingerprints it expects and what is committed, read once.

The authority for the command line, the sensor, the assets and the views. It opens markers and file footers, never an
array, and loads no torch. Whoever needs to know what happened since takes another snapshot.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import cache, cached_property

from featcx_core.artefacts.catalogue import Catalogue, catalogue
from featcx_core.artefacts.commits import committed_fingerprint, place_of
from featcx_core.artefacts.declaration import Artefact, CheckpointFiles, Need, Outside, Rows
from featcx_core.artefacts.fingerprints import combine
from featcx_core.artefacts.partition import Partition
from featcx_core.checkpoints.accounts import Account
from featcx_core.checkpoints.survey import Survey, survey
from featcx_core.store.damage import Damaged
from featcx_core.store.manifests import read_manifest
from featcx_core.store.parquet import read_footer
from featcx_core.store.places import Store


class Snapshot:
    """Everything that a study has and lacks, at the moment of asking.

    Args:
        store: the study's places.
        also: names of artefacts that count as asked for, beside those of the study.
        accounts: where to remember what was read of checkpoint files; by default in the study's folder.
    """

    def __init__(self, store: Store, *, also: Collection[str] = (), accounts: dict[str, Account] | None = None) -> None:
        self.store = store
        self.study = store.study
        self.anatomy = store.anatomy
        self.catalogue: Catalogue = catalogue()
        self.survey: Survey = survey(store, parameters=self.anatomy.parameters, accounts=accounts)
        self.epochs: tuple[int, ...] = tuple(sorted(self.survey.digests))
        asked = {*self.catalogue.wanted(self.study), *(self.catalogue[name] for name in also)}
        self.wanted: tuple[Artefact, ...] = tuple(a for a in self.catalogue.possible(self.study) if a in asked)
        # Each is asked for hundreds of times, and holds as long as the snapshot.
        self.fingerprint = cache(self._fingerprint)
        self.whole_epochs = cache(self._whole_epochs)
        self.partitions = cache(self._partitions)
        self.damage: dict[Partition, list[Damaged]] = {}
        self._commits: dict[Partition, str | None] = {}
        self._outside: dict[tuple[Outside, Partition | None], str] = {}

    # -- partitions ------------------------------------------------------------------------------------------------

    def epochs_of(self, artefact: Artefact) -> frozenset[int]:
        """Return the epochs, of those that are there, at which an artefact is made."""
        present, reference = frozenset(self.epochs), frozenset({self.study.reference_epoch})
        if any(need.epochs == "reference" for need in artefact.needs) and not reference <= present:
            return frozenset()
        match artefact.when:
            case "detailed":
                return self.study.detailed_epochs(present)
            case "reference":
                return present & reference
            case "others":
                return present - reference
        return present

    def layers_of(self, artefact: Artefact) -> list[str]:
        """Return the layers at which an artefact is made; one empty name where it has none."""
        if artefact.grain != "layer":
            return [""]
        if artefact.layers == "penultimate":
            return [self.anatomy.penultimate]
        return [row.layer for row in self.anatomy.layers if artefact.layers == "all" or row.branches]

    def _partitions(self, artefact: Artefact) -> tuple[Partition, ...]:
        """Return all partitions, in order; of a checkpoint that is gone, those that were made."""
        if not artefact.has_epochs:
            return (Partition(artefact.name),)
        epochs = sorted(self.epochs_of(artefact))
        every = [Partition(artefact.name, epoch, layer) for epoch in epochs for layer in self.layers_of(artefact)]
        return tuple(p for p in every if p.epoch not in self.survey.gone or self.is_current(p))

    # -- what is current -------------------------------------------------------------------------------------------

    def _fingerprint(self, partition: Partition) -> str:
        """Return the fingerprint that a partition is expected to have; KeyError where its epoch has no checkpoint."""
        artefact = self.catalogue[partition.artefact]
        if artefact.has_epochs:
            inputs = [self.fingerprint(p) for p in self._read_by(artefact, partition)]
        else:
            inputs = self.inputs(artefact)
        return combine(artefact, *self._fixed_parts(artefact, partition), *inputs, partition=partition)

    def _fixed_parts(self, artefact: Artefact, partition: Partition) -> tuple[str, ...]:
        """Return the digests of fields and of what lies outside."""
        outside = (self._digest(each, partition) for each in artefact.outside)
        return self.study.digest(*artefact.fields), *(digest for digest in outside if digest)

    def _digest(self, outside: Outside, partition: Partition) -> str:
        """Return the digest of what lies outside; what all partitions share is looked at once."""
        key = outside, None if outside.is_of_study else partition
        if key not in self._outside:
            self._outside[key] = outside.digest(self.study, self.anatomy, partition, self.survey.digests)
        return self._outside[key]

    def note(self, partition: Partition) -> None:
        """Take down that a partition was committed just now, with the fingerprint that is expected."""
        self._commits[partition] = self.fingerprint(partition)

    def committed(self, partition: Partition) -> str | None:
        """Return the fingerprint of what is committed; None where nothing, or only a part, is."""
        if partition not in self._commits:
            self._commits[partition] = self._committed(partition)
        return self._commits[partition]

    def _committed(self, partition: Partition) -> str | None:
        artefact = self.catalogue[partition.artefact]
        is_training = any(isinstance(holding, CheckpointFiles) for holding in artefact.holds)
        expected = self.fingerprint(partition) if is_training else ""
        damage: list[Damaged] = []
        made = committed_fingerprint(self.store, artefact, partition, expected=expected, damage=damage)
        if damage:
            self.damage[partition] = damage
        return made

    def is_current(self, partition: Partition) -> bool:
        """Whether the committed artefact was made from what the study expects today."""
        made = self.committed(partition)
        if made is None or made != self.fingerprint(partition):
            return False
        return not self.is_pruned(partition) or not self._is_wanted_again(partition)

    def is_pruned(self, partition: Partition) -> bool:
        """Whether a partition was made and its arrays were deleted to save space."""
        artefact = self.catalogue[partition.artefact]
        places = (place_of(self.store, folder, partition) for folder in artefact.folders)
        with suppress(Damaged):
            return any(manifest.is_pruned for place in places if (manifest := read_manifest(place)))
        return False

    def _is_wanted_again(self, partition: Partition) -> bool:
        """Whether something that reads a pruned partition is to be made."""
        source = self.catalogue[partition.artefact]
        for reader in self.catalogue.consumers(source):
            if reader.has_epochs and (reader in self.wanted or reader.is_internal):
                needs = [need for need in self.catalogue.needs(reader) if need.artefact is source]
                for place in self.partitions(reader):
                    is_read = any(partition in self.selected(need, place) for need in needs if need.uses == "required")
                    is_asked = not reader.is_internal or self._is_asked(reader, place)
                    if is_read and is_asked and not self.is_current(place):
                        return True
        return False

    def is_whole(self, partition: Partition) -> bool:
        """Whether a partition is current, and so is everything stored on the way with it that somebody wants."""
        return self.is_current(partition) and all(self.is_current(p) for p in self.stored_with(partition))

    def stored_with(self, partition: Partition) -> Iterator[Partition]:
        """Yield the internal partitions that somebody wants, are made in the same call and from the same inputs."""
        artefact = self.catalogue[partition.artefact]
        for other in self.catalogue:
            if other.is_internal and other.make == artefact.make:
                place = Partition(other.name, partition.epoch, partition.layer)
                is_wanted = place in self.partitions(other) and self._is_asked(other, place)
                if is_wanted and {*self._read_by(other, place)} <= {*self._read_by(artefact, partition)}:
                    yield place

    def _is_asked(self, artefact: Artefact, partition: Partition) -> bool:
        readers = (other for other in self.catalogue.consumers(artefact) if other in self.wanted)
        return any(
            not reader.has_epochs or partition.epoch in self.epochs_of(reader)
            for reader in readers
            if any(n.artefact is artefact and partition in self.selected(n, Partition(reader.name, partition.epoch))
                   for n in self.catalogue.needs(reader))
        )  # fmt: skip

    @cached_property
    def current(self) -> frozenset[Partition]:
        """The partitions of epochs that need not be made again."""
        of_epochs = (artefact for artefact in self.catalogue if artefact.has_epochs)
        return frozenset(p for artefact in of_epochs for p in self.partitions(artefact) if self.is_current(p))

    def stale(self, artefact: Artefact) -> list[Partition]:
        """Return the partitions to be made."""
        return [p for p in self.partitions(artefact) if not self.is_whole(p)]

    # -- what is read ----------------------------------------------------------------------------------------------

    def selected(self, need: Need, reader: Partition) -> Iterator[Partition]:
        """Yield the partitions of an input that a reader's partition selects, whether they are there or not."""
        source, reference = need.artefact, self.study.reference_epoch
        if not source.has_epochs:
            yield Partition(source.name)
            return
        match need.epochs:
            case "reference":
                epochs: Iterable[int] = (reference,)
            case "until_reference":
                epochs = (epoch for epoch in self.epochs if 1 <= epoch <= reference)
            case _:
                epochs = self.epochs if reader.epoch < 0 else (reader.epoch,)
        layers = self.layers_of(source)
        if source.grain == "layer":
            match need.layers:
                case "in_complexity":
                    layers = self.anatomy.in_complexity
                case "penultimate":
                    layers = [self.anatomy.penultimate]
                case _:
                    layers = [reader.layer] if reader.layer else layers
        yield from (Partition(source.name, epoch, layer) for epoch in epochs for layer in layers)

    def _read_by(self, artefact: Artefact, partition: Partition) -> Iterator[Partition]:
        """Yield the inputs of a partition of an epoch."""
        for need in self.catalogue.needs(artefact):
            if need.uses == "required":
                yield from self.selected(need, partition)

    def lacking(self, partition: Partition) -> list[Partition]:
        """Return the inputs of an epoch's partition that are not current; internal ones are made when they are read."""
        inputs = self._read_by(self.catalogue[partition.artefact], partition)
        return [p for p in inputs if not self._is_there(p) and not self._can_be_made(p)]

    def _is_there(self, partition: Partition) -> bool:
        return partition.epoch in self.survey.digests and self.is_current(partition)

    def _can_be_made(self, partition: Partition) -> bool:
        return self.catalogue[partition.artefact].is_internal and not self.lacking(partition)

    def is_ready(self, partition: Partition) -> bool:
        """Whether everything that a partition is made from is there."""
        artefact = self.catalogue[partition.artefact]
        if artefact.has_epochs:
            return not self.lacking(partition)
        needs = [need for need in self.catalogue.needs(artefact) if need.uses != "order"]
        if not needs:
            return True
        required = [need for need in needs if need.uses == "required"]
        by_epoch = [need for need in required if need.artefact.has_epochs and need.epochs == "matching"]
        if by_epoch and not self.whole_epochs(artefact):
            return False
        fixed = [need for need in required if need not in by_epoch]
        if not all(self._is_usable(p) for need in fixed for p in self.selected(need, partition)):
            return False
        # Otherwise something must be measured; what is made from nothing is there before any of it.
        optional = (need for need in needs if self.catalogue.needs(need.artefact))
        return bool(required) or any(self._is_usable(p) for need in optional for p in self._inputs_of(artefact, need))

    def _is_usable(self, partition: Partition) -> bool:
        """Whether an input is there; one made once is usable as soon as it can be made."""
        artefact = self.catalogue[partition.artefact]
        if artefact.has_epochs:
            return self._is_there(partition) or self._can_be_made(partition)
        return self.is_current(partition) or (artefact in self.wanted and self.is_ready(partition))

    def _whole_epochs(self, artefact: Artefact) -> tuple[int, ...]:
        """Return the epochs at which every required input of an artefact made once is current, of all its layers."""
        needs = [n for n in self.catalogue.needs(artefact) if n.uses == "required" and n.epochs == "matching"]
        needs = [need for need in needs if need.artefact.has_epochs]
        inputs = {e: [[*self.selected(n, Partition(artefact.name, e))] for n in needs] for e in self.epochs}
        return tuple(e for e, parts in inputs.items() if all(part and self.current.issuperset(part) for part in parts))

    def read_once(self, artefact: Artefact) -> Iterator[Partition]:
        """Yield the current partitions that an artefact made once reads; of others made once, what is expected."""
        for need in self.catalogue.needs(artefact):
            if need.uses != "order":
                yield from self._inputs_of(artefact, need)

    def _inputs_of(self, artefact: Artefact, need: Need) -> Iterator[Partition]:
        restricts = any(n.uses == "required" and n.epochs == "matching" and n.artefact.has_epochs
                        for n in self.catalogue.needs(artefact))  # fmt: skip
        for partition in self.selected(need, Partition(artefact.name)):
            if not need.artefact.has_epochs:
                if need.artefact in self.wanted or self.is_current(partition):
                    yield partition
            elif partition in self.current and (
                not restricts or need.epochs != "matching" or partition.epoch in self.whole_epochs(artefact)
            ):
                yield partition

    def inputs(self, artefact: Artefact) -> list[str]:
        """Return the fingerprints that an artefact made once is made from, sorted: of all epochs, or of some."""
        return sorted({self.fingerprint(p) for p in self.read_once(artefact)})  # two needs may select the same

    # -- what is visible -------------------------------------------------------------------------------------------

    def visible(self) -> set[tuple[str, str]]:
        """Return (table, fingerprint) of every row that the views may show.

        A table over all epochs stays visible while a further epoch is on its way: each of its inputs must still be
        expected, but it need not have all of them.
        """
        pairs, valid = set[tuple[str, str]](), set[str]()
        for artefact in self.catalogue:
            if artefact.grain == "group":
                continue
            if artefact.has_epochs or not self.catalogue.needs(artefact):
                expected = {self.fingerprint(p) for p in self.partitions(artefact)}
                valid |= expected
                pairs |= {(table.name, digest) for table in artefact.tables for digest in expected}
            else:
                pairs |= self._visible_once(artefact, valid)
                valid |= {digest for _, digest in pairs}
        return pairs

    def _visible_once(self, artefact: Artefact, valid: Collection[str]) -> set[tuple[str, str]]:
        place, pairs = Partition(artefact.name), set[tuple[str, str]]()
        for holding in artefact.holds:
            if isinstance(holding, Rows):
                made = None
                with suppress(Damaged):
                    made = read_footer(self.store.table(holding.table.name, holding.prefix + place.name))
                if made and made.inputs <= {*valid}:
                    parts = (*self._fixed_parts(artefact, place), *sorted(made.inputs))
                    if made.fingerprint == combine(artefact, *parts, partition=place):
                        pairs.add((holding.table.name, made.fingerprint))
        return pairs
