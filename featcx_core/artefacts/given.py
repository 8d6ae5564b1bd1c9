"""The hand that an artefact's `make` is given: its inputs opened, its study, its device, and where to write."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from featcx_core.artefacts.commits import place_of
from featcx_core.artefacts.declaration import Artefact, Folder, Page, Rows
from featcx_core.artefacts.partition import Partition
from featcx_core.artefacts.snapshot import Snapshot
from featcx_core.progress import Progress
from featcx_core.store.files import replacing
from featcx_core.store.manifests import refuse_altered, write_manifest
from featcx_core.store.parquet import read_all, read_rows

if TYPE_CHECKING:
    from featcx_core.features.forward import Network
    from featcx_core.images.data import StudyImages


class Tools(NamedTuple):
    """Run-time settings; none changes a result beyond float tolerance."""

    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    batch_size: int = 256
    """Images at a time in forward passes."""
    progress: Progress | None = None
    """Shows a bar around long loops."""
    landed: Callable[[int], None] = lambda epoch: None
    """Told of each epoch whose checkpoint was just written."""


class StudyReader:
    """Reads what is current of a study's artefacts.

    Args:
        snapshot: the study, as it was when it was asked.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.store, self.study, self.anatomy = snapshot.store, snapshot.study, snapshot.anatomy

    @property
    def data(self) -> "StudyImages":
        """The study's images; loaded once a process."""
        from featcx_core.images.data import load_data

        return load_data(self.study)

    def refuse_undeclared(self, artefact: Artefact) -> None:
        """Accept every artefact: whoever only looks may look at all."""

    def has(self, artefact: Artefact, *, epoch: int = -1, layer: str = "") -> bool:
        """Whether a partition is there and current."""
        self.refuse_undeclared(artefact)
        place = Partition(artefact.name, epoch, layer)
        is_there = place in self.snapshot.partitions(artefact) and self.snapshot.is_current(place)
        return is_there and not self.snapshot.is_pruned(place)

    def is_made(self, artefact: Artefact) -> bool:
        """Whether any partition is committed: a table that two artefacts share may have rows of the other alone."""
        return any(self.snapshot.committed(place) is not None for place in self.snapshot.partitions(artefact))

    def is_expected(self, artefact: Artefact) -> bool:
        """Whether an artefact made once is there, or will be at the end of the run."""
        place = Partition(artefact.name)
        return self.snapshot.is_current(place) or (artefact in self.snapshot.wanted and self.snapshot.is_ready(place))

    def rows(
        self,
        artefact: Artefact,
        *,
        epoch: int = -1,
        layer: str = "",
        table: str = "",
        columns: list[str] | None = None,
    ) -> pd.DataFrame:
        """Return one partition's rows. Raises ValueError where it is not made."""
        self.refuse_undeclared(artefact)
        place = Partition(artefact.name, epoch, layer)
        holdings = [h for h in artefact.holds if isinstance(h, Rows) and (not table or h.table.name == table)]
        if not holdings:
            tables = ", ".join(each.name for each in artefact.tables) or "none"
            raise ValueError(f"{artefact.name} has no table {table!r}; its tables: {tables}")
        path = place_of(self.store, holdings[0], place)
        if not path.exists():
            raise ValueError(f"{artefact.name} {place.name} is not made yet: no {path}; materialise it first")
        return read_rows(path, columns=columns)

    def table(
        self, name: str, *, columns: list[str] | None = None, epochs: Collection[int] | None = None
    ) -> pd.DataFrame:
        """Return a table's current rows: of all partitions, or of some epochs."""
        table = self.snapshot.catalogue.tables[name]
        paths = [path for place, path in self.files(name) if epochs is None or place.epoch in epochs]
        return read_all(table, paths, columns=columns)

    def tables(self, artefact: Artefact) -> "pd.DataFrame | dict[str, pd.DataFrame]":
        """Return the current rows of an artefact: of its only table, or of each of several by the table's name."""
        frames = {table.name: self.table(table.name) for table in artefact.tables}
        return frames if len(frames) > 1 else next(iter(frames.values()))

    def files(self, table: str) -> list[tuple[Partition, Path]]:
        """Return the partitions of a table whose rows may be shown, each with its file."""
        visible = {fingerprint for name, fingerprint in self.snapshot.visible() if name == table}
        pairs = []
        for artefact in self.snapshot.catalogue.holders[table]:
            holding = next(h for h in artefact.holds if isinstance(h, Rows) and h.table.name == table)
            for place in self.snapshot.partitions(artefact):
                made = self.snapshot.committed(place)
                if made in visible:
                    pairs.append((place, place_of(self.store, holding, place)))
        return sorted(pairs, key=lambda pair: pair[1])

    def folder(self, artefact: Artefact, *, epoch: int = -1, layer: str = "") -> Path:
        """Return the committed folder of a partition, whose files are compared with what was written.

        Raises ValueError where there is none, Damaged where a file is not as it was written.
        """
        path = self._folder(artefact, epoch=epoch, layer=layer)
        refuse_altered(path)
        return path

    def _folder(self, artefact: Artefact, *, epoch: int, layer: str) -> Path:
        self.refuse_undeclared(artefact)
        place = Partition(artefact.name, epoch, layer)
        path = place_of(self.store, artefact.folders[0], place)
        if self.snapshot.committed(place) is None:
            where = ", ".join([*([f"epoch {epoch}"] if epoch >= 0 else []), *([f"layer {layer}"] if layer else [])])
            raise ValueError(f"{where}: no {artefact.name} yet at {path}; materialise {artefact.name} first")
        if self.snapshot.is_pruned(place):
            raise ValueError(
                f"{artefact.name} {place.name} was pruned; fx.make(…, {artefact.name!r}, anew=True) makes it"
            )
        return path

    def arrays(self, artefact: Artefact, *, epoch: int = -1, layer: str = "") -> Any:
        """Open a partition's Zarr array or group, read-only.

        Raises ValueError where there is none; Damaged, also while it is read, where it is not as it was written.
        """
        from featcx_core.store.verified_arrays import open_arrays

        return open_arrays(self._folder(artefact, epoch=epoch, layer=layer))

    def network(self, *, epoch: int, device: str = "auto") -> "Network":
        """Build the network with an epoch's weights. Raises CheckpointError when the checkpoint cannot be used."""
        from featcx_core.features.forward import Network

        return Network.load(self.store, epoch=epoch, device=device)

    def head(self, *, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Read weight (unit, class) and bias (class,) of an epoch's head. Raises CheckpointError."""
        from featcx_core.checkpoints.survey import read_head

        return read_head(self.store, epoch=epoch)


class Given(StudyReader):
    """Everything that a `make` gets: what it needs, opened, and the drafts that it writes arrays to.

    Args:
        snapshot: the study as it was when the epoch's lock was taken.
        artefact: what is made.
        partitions: what has to be made, of one epoch; other artefacts with the same `make` may be among them.
        tools: device, batch size, progress.
        stack: ends when the call has ended; what was not committed goes.
    """

    def __init__(
        self, snapshot: Snapshot, artefact: Artefact, partitions: Sequence[Partition], *, tools: Tools, stack: ExitStack
    ) -> None:
        super().__init__(snapshot)
        self.artefact, self.partitions, self.tools = artefact, tuple(partitions), tools
        self.epoch = partitions[0].epoch
        self._stack = stack
        self.drafts: dict[Partition, tuple[Path, Callable[[], None]]] = {}

    def refuse_undeclared(self, artefact: Artefact) -> None:
        """Raise ValueError for an artefact that the declaration does not need, nor anything that it needs."""
        if artefact not in self.snapshot.catalogue.closure(self.artefact):
            raise ValueError(f"{self.artefact.name} reads {artefact.name}, which its declaration does not need")

    @property
    def layers(self) -> list[str]:
        """The layers of what has to be made, in forward order."""
        wanted = {place.layer for place in self.partitions}
        return [name for name in self.anatomy.names if name in wanted]

    @property
    def epochs(self) -> tuple[int, ...]:
        """Return, for an artefact made once, the epochs at which everything that it needs is there."""
        return self.snapshot.whole_epochs(self.artefact)

    def tell(self, epoch: int) -> None:
        """Tell that the checkpoint of an epoch was written."""
        self.tools.landed(epoch)

    def of(self, artefact: Artefact) -> list[Partition]:
        """Return what has to be made of one artefact."""
        return [place for place in self.partitions if place.artefact == artefact.name]

    def draft(self, partition: Partition) -> Path:
        """Return the path to write a partition's folder or page to; put in place when the partition is yielded."""
        if partition not in self.drafts:
            artefact = self.snapshot.catalogue[partition.artefact]
            holding = next(h for h in artefact.holds if isinstance(h, Folder | Page))
            place, fingerprint = place_of(self.store, holding, partition), self.snapshot.fingerprint(partition)
            block = ExitStack()
            self._stack.push(block)
            if isinstance(holding, Folder):
                path = block.enter_context(self.store.writing(place, fingerprint=fingerprint))
            else:
                path = block.enter_context(_page(place, fingerprint=fingerprint))
            self.drafts[partition] = path, block.close
        return self.drafts[partition][0]

    def commit(self, partition: Partition) -> None:
        """Put a partition's draft in its place. Raises ValueError where none was written."""
        if partition not in self.drafts:
            raise ValueError(f"{partition.artefact} {partition.name}: wanted its draft to be written, got none")
        self.drafts.pop(partition)[1]()


@contextmanager
def _page(place: Path, *, fingerprint: str) -> Iterator[Path]:
    """Give a temporary file that becomes the page, whose folder is marked when the block ends well."""
    with replacing(place) as draft:
        yield draft
    write_manifest(place.parent, fingerprint=fingerprint, files=[place])
