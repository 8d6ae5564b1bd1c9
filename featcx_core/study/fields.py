"""Study: the one typed description of all that is measured; `featcx_core.study.files` reads it from a TOML file.

Everything that decides a number is a field here. Device, batch size of the analysis and number of workers are not:
they change no result beyond the tolerance of floating point. `cluster` alone decides none.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from featcx_core.study.cluster import ClusterSettings
from featcx_core.study.generalising import (
    AblationSettings,
    MemorisationSettings,
    MonitorSettings,
    SelectivitySettings,
    SpectraSettings,
)
from featcx_core.study.inputs import Data, Model, Split, Transform
from featcx_core.study.part import Part, StudyError
from featcx_core.study.steps import (
    Activations,
    Checkpoints,
    Clusters,
    DictionarySettings,
    Optimizer,
    Penalties,
    Probe,
    ReadersSettings,
    RedundancySettings,
    SensitivitySettings,
    SimilaritySettings,
    StabilitySettings,
    Support,
    Training,
    Visualisation,
)

__all__ = [
    "AblationSettings", "Activations", "Analyses", "Checkpoints", "ClusterSettings", "Clusters", "Data",
    "DictionarySettings",
    "MemorisationSettings", "Model", "MonitorSettings", "Optimizer", "Penalties", "Probe", "ReadersSettings",
    "RedundancySettings", "SelectivitySettings", "SensitivitySettings", "SimilaritySettings", "SpectraSettings",
    "Split", "StabilitySettings", "Study", "StudyError", "Support", "Training", "Transform", "Visualisation", "changed",
    "study_fields",
]  # fmt: skip

Share = Annotated[float, Field(gt=0, le=1)]
"""A share of a whole."""
EndShare = Annotated[float, Field(gt=0, le=0.5)]
"""A share at either end: two of them are no more than a whole."""


class Analyses(Part):
    """Analyses that are made, and how closely."""

    run: tuple[str, ...] = ("default",)
    """The analyses by name; `default` stands for all that are made by default. What they need is made as well.
    `visualisation` is made only where it is named, and so are those of other packages that say so."""
    epochs: Literal["ends", "all"] | tuple[Annotated[int, Field(ge=0)], ...] = "ends"
    """Where the detailed analyses are made (branches, redundancy, sensitivity, support, stability, clusters): `ends`,
    the first checkpoint there is (0: before training) and the reference epoch; `all`; or epochs."""
    end_shares: Annotated[tuple[EndShare, ...], Field(min_length=1)] = (0.01, 0.1)
    """Groups of the simplest and of the most complex concepts that curves show; at least 10 concepts a group."""
    top_shares: tuple[Share, ...] = (0.01, 0.05, 0.1)
    """Groups of most important concepts that sedimentation follows."""
    bootstrap: Annotated[int, Field(ge=100)] = 1000
    """Resamples of concepts and of groups of images behind intervals."""


class Study(Part):
    """One data set, one training run and one configuration of the analysis."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
    """First part of every asset key and the column `study` of every row."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of every random choice."""
    data: Data = Data()
    """The images."""
    model: Model = Model()
    """The network."""
    training: Training = Training()
    """How the network is trained."""
    checkpoints: Checkpoints = Checkpoints()
    """Checkpoints of another program, instead of that training."""
    activations: Activations = Activations()
    """Which activations are recorded, and how."""
    dictionary: DictionarySettings = DictionarySettings()
    """How concepts are found."""
    probe: Probe = Probe()
    """How V-information is measured."""
    analyses: Analyses = Analyses()
    """Which analyses are made, and how closely."""
    redundancy: RedundancySettings = RedundancySettings()
    """How much of a concept is left when units are hidden."""
    sensitivity: SensitivitySettings = SensitivitySettings()
    """How much a concept moves when noise is added to the image."""
    support: Support = Support()
    """How far the decision rests on some of the concepts."""
    stability: StabilitySettings = StabilitySettings()
    """How far concepts hang on the seed of the factorisation."""
    readers: ReadersSettings = ReadersSettings()
    """Other readers than the linear one."""
    clusters: Clusters = Clusters()
    """Meta-features: concepts that point the same way."""
    visualisation: Visualisation = Visualisation()
    """Images optimised to excite a concept."""
    similarity: SimilaritySettings = SimilaritySettings()
    """How alike layers are."""
    selectivity: SelectivitySettings = SelectivitySettings()
    """How much a single unit says about the class."""
    ablation: AblationSettings = AblationSettings()
    """How much the network leans on single directions."""
    memorisation: MemorisationSettings = MemorisationSettings()
    """How single training images were learned."""
    spectra: SpectraSettings = SpectraSettings()
    """How the noisy copies of single images spread in each layer."""
    monitor: MonitorSettings = MonitorSettings()
    """How inputs are told from clean ones by their inner spectra."""
    cluster: ClusterSettings = ClusterSettings()
    """How the jobs of `featcx run --on slurm` are asked for; decides no number."""

    @model_validator(mode="after")
    def _agrees(self) -> "Study":
        if self.name == "dagster":
            raise ValueError("the name dagster is taken by the folder of run history; choose another")
        reference = self.probe.reference_epoch
        if isinstance(reference, int) and reference > self.training.last and not self.checkpoints.folder:
            by = [f"training.{name}" for name, changes in self.training.renumbering.items() if changes]
            saved = f", with {' and '.join(by)} checkpoint {self.training.last}" if by else ""
            last = f"training.epochs = {self.training.epochs}{saved}"
            raise ValueError(f"probe.reference_epoch = {reference} is beyond {last}")
        if self.data.dictionary and self.dictionary.scope != "all":
            raise ValueError('data.dictionary needs dictionary.scope = "all": its images have no labels')
        if self.dictionary.scope == "all" and self.dictionary.atoms_per_class == 1:
            raise ValueError('dictionary.scope = "all" needs dictionary.atoms_per_class of at least 2, got 1')
        score, groups = self.data.split.score, self.probe.groups
        if isinstance(score, int) and score < groups:
            raise ValueError(f"probe.groups = {groups} needs as many score images, got data.split.score = {score}")
        if self.data.unlabelled:
            _refuse_classes(self)
        outputs = self.model.outputs
        several = outputs.values() if isinstance(outputs, dict) else ()
        if not self.checkpoints.folder and (self.model.outputs_path or any(isinstance(o, tuple) for o in several)):
            raise ValueError(
                "model.outputs: a class of several outputs cannot be trained; state one output a class, or in "
                "[checkpoints] where another program's lie"
            )
        if outputs == "none" and not self.checkpoints.folder:
            raise ValueError(
                'model.outputs = "none" cannot be trained; state the output of each class, or in [checkpoints] where '
                "another program's lie"
            )
        return self

    @property
    def reference_epoch(self) -> int:
        """The epoch whose concepts are followed; a checkpoint that lands later never moves it.

        Raises StudyError if it is to be chosen from another program's checkpoints, and has not been yet.
        """
        if self.waits_for_reference:
            raise StudyError(
                f"study {self.name}: the reference epoch is chosen when the study is registered, by `featcx run`"
            )
        wanted = self.probe.reference_epoch
        return self.training.last if wanted == "last_trained" else wanted

    @property
    def waits_for_reference(self) -> bool:
        """True if the reference epoch is the last of another program's checkpoints, as found at registration."""
        return bool(self.checkpoints.folder) and self.probe.reference_epoch == "last_trained"

    @property
    def has_one_checkpoint(self) -> bool:
        """True if the study names one file of another program: no other can land, and nothing is told over epochs."""
        return bool(self.checkpoints.folder) and "{epoch}" not in self.checkpoints.pattern

    def with_reference(self, epoch: int | None) -> "Study":
        """Return the same study with that reference epoch; unchanged for None."""
        if epoch is None:
            return self
        return self.model_copy(update={"probe": self.probe.model_copy(update={"reference_epoch": epoch})})

    def detailed_epochs(self, epochs: Collection[int]) -> frozenset[int]:
        """Return those of the given epochs at which the detailed analyses are made."""
        wanted = self.analyses.epochs
        if wanted == "all":
            return frozenset(epochs)
        ends = (min(epochs, default=0), self.reference_epoch)
        return frozenset(epochs) & frozenset(ends if wanted == "ends" else wanted)

    @property
    def settings(self) -> dict[str, str]:
        """Every field that decides a number, dotted, with its value as text."""
        return {field: value for field, value in _values(self) if field != "name" and not field.startswith("cluster.")}

    def digest(self, *fields: str) -> str:
        """Return a digest of the named fields (dotted, `dictionary.l1`), the basis of all that can be stale."""
        values: dict[str, Any] = {}
        for field in fields:
            value: Any = self
            for part in field.split("."):
                value = getattr(value, part)
            digested = value.digested() if isinstance(value, Part) else value
            if digested or not isinstance(value, Part):  # a section that states nothing counts as absent
                values[field] = digested
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=list).encode()).hexdigest()[:16]


def _refuse_classes(study: Study) -> None:
    """Raise ValueError for what asks for classes though the images have none."""
    wanted = {
        "[checkpoints]": bool(study.checkpoints.folder),
        'model.outputs = "none"': study.model.outputs == "none",
        'dictionary.scope = "all"': study.dictionary.scope == "all",
        "no corruption of labels and no shortcut": not study.data.corruption.probability
        and not study.data.corruption.shortcut,
    }
    if lacking := [text for text, is_so in wanted.items() if not is_so]:
        raise ValueError(f"data.unlabelled wants {', '.join(lacking)}: the images have no classes")


def changed(before: Study, after: Study) -> list[str]:
    """Return the fields that differ between two studies, with both values.

    >>> changed(Study(name="x"), Study(name="x", seed=3))
    ['seed: 0 -> 3']
    """
    old, new = before.settings, after.settings
    return [f"{field}: {value} -> {new[field]}" for field, value in old.items() if value != new[field]]


def study_fields() -> list[str]:
    """Return every field, dotted (`training.optimizer.lr`), and every section (`training.optimizer`)."""
    return list(_fields_below(Study))


def _values(part: Part, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Part):
            yield from _values(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value if isinstance(value, str) and value else json.dumps(value, default=list)


def _fields_below(part: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in part.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields_below(field.annotation, f"{prefix}{name}.")
