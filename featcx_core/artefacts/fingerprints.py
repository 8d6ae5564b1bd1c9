"""Fingerprints: what every artefact is made from, as one digest.

Same fingerprint, nothing to do. A fingerprint is a digest of the fields of the study that the artefact uses, of the
fingerprints it is made from and of an integer code version. All of them follow from the study, the network's anatomy
and the checkpoints' digests, so what is stale is known without opening a single array.
"""

import hashlib
from collections.abc import Mapping
from functools import cache

from featcx_core.images.digests import content_digest, text_digest
from featcx_core.networks.anatomy import Anatomy
from featcx_core.study.fields import Study

CODE_VERSIONS = {
    "training": 1,
    "checkpoint": 1,
    "activations": 1,
    "dictionary_activations": 1,
    "dictionary": 2,
    "codes": 2,
    "v_information": 1,
    "reference_v_information": 1,
    "complexity": 1,
    "importance": 2,
    "branches": 4,
    "redundancy": 4,
    "sensitivity": 4,
    "support": 3,
    "clusters": 1,
    "visualisation": 1,
    "decode_time": 1,
    "sedimentation": 3,
    "layer_information": 1,
    "correlations": 4,
    "meta_features": 1,
    "concept_paths": 1,
    "figures": 13,
    "report": 13,
    "explorer": 4,
}
"""Raised by hand when an asset's result changes for the same input."""


class Fingerprints:
    """The expected fingerprint of every artefact of a study.

    Args:
        study: what is measured.
        anatomy: the network's layers.
        digests: digest of each checkpoint's tensors, by epoch.
    """

    def __init__(self, study: Study, anatomy: Anatomy, digests: Mapping[int, str]) -> None:
        self.study = study
        self.anatomy = anatomy
        self.digests = dict(digests)
        self.of = cache(self._of)

    def _of(self, asset: str, epoch: int = -1, layer: str = "") -> str:
        """Fingerprint of an asset's partition; KeyError where the epoch has no checkpoint."""
        fields, inputs = self._made_from(asset, epoch, layer)
        return combine(asset, self.study.digest(*fields), *inputs, partition=(epoch, layer))

    def of_branch(self, epoch: int, block: str, branch: str) -> str:
        """Fingerprint of the activations in a branch of a block: of where the branch was found, too."""
        row = next(row for row in self.anatomy.layers if row.layer == block)
        found = row.branches[branch].model_dump_json()
        return combine("activations", self.of("activations", epoch, block), row.shortcut, branch, found)

    def sums_without_groups(self, epoch: int) -> str:
        """Fingerprint of the sums without each group of images, which come with the penultimate layer's rows."""
        return combine("v_information", self.of("v_information", epoch, self.anatomy.penultimate), "no group", _SUMS)

    def fields(self, asset: str) -> str:
        """Digest of the fields that a table over all epochs uses; its other inputs are what is there."""
        return self.study.digest(*_CROSS_EPOCH_FIELDS[asset])

    def _made_from(self, asset: str, epoch: int, layer: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The study's fields and the fingerprints that an artefact is made from."""
        penultimate, reference = self.anatomy.penultimate, self.study.reference_epoch
        fields: tuple[str, ...]
        match asset:
            case "training":
                weights = text_digest(self.study.model.weights_path, field="model.weights")
                return ("seed", "data", "model", "training"), (*self._labelled(), *filter(None, [weights]))
            case "checkpoint":
                return ("seed", "data", "model"), (self.digests[epoch], *self._labelled())
            case "activations":
                return ("activations.pooling", "activations.dtype"), (self.of("checkpoint", epoch),)
            case "dictionary_activations":
                fields = ("dictionary.images_per_class", "activations.dtype")
                return fields, (self.of("checkpoint", epoch), penultimate)
            case "dictionary":
                fields = ("seed", "dictionary.method", "dictionary.scope", "dictionary.atoms_per_class")
                return fields, (self.of("dictionary_activations", epoch),)
            case "codes":
                inputs = (self.of("dictionary", epoch), self.of("activations", epoch, penultimate))
                names = text_digest(self.study.data.classes, field="data.classes")  # stand in the table of concepts
                return ("seed", "dictionary.l1", "dictionary.l2"), (*inputs, names) if names else inputs
            case "v_information":
                sums = (_SUMS,) if layer == penultimate else ()
                return _PROBE, (self.of("activations", epoch, layer), self.of("codes", epoch), *sums)
            case "reference_v_information":
                return _PROBE, (self.of("activations", epoch, layer), self.of("codes", reference))
            case "complexity":
                return (), tuple(self.of("v_information", epoch, name) for name in self.anatomy.in_complexity)
            case "importance":
                return ("probe.groups",), (self.of("codes", epoch),)
            case "branches":
                branches = [(row.layer, name) for row in self.anatomy.layers for name in row.branches]
                return _PROBE, (self.of("codes", epoch), *(self.of_branch(epoch, *branch) for branch in branches))
            case "redundancy":
                return ("seed", "redundancy"), (self.of("v_information", epoch, penultimate),)
            case "sensitivity":
                return ("seed", "sensitivity", "probe.groups", "analyses.bootstrap"), (self.of("codes", epoch),)
            case "support":
                return ("seed", "support", "analyses.bootstrap"), (
                    self.of("complexity", epoch),
                    self.of("importance", epoch),
                )
            case "clusters":
                named = self.study.data.superclasses
                path = named if isinstance(named, str) else ""
                digests = (
                    text_digest(path, field="data.superclasses"),
                    text_digest(self.study.data.classes, field="data.classes"),  # super-classes are of names
                )
                fields = ("seed", "clusters", "data.superclasses")
                return fields, (self.of("dictionary", epoch), *filter(None, digests))
            case "visualisation":
                return ("seed", "visualisation"), (self.of("codes", epoch), self.of("complexity", epoch))
        raise ValueError(f"wanted an asset made once an epoch, got {asset!r}")

    def _labelled(self) -> tuple[str, ...]:
        """Digests of the files that say which image is which output."""
        data, by_name = self.study.data, isinstance(self.study.model.outputs, dict)
        names = text_digest(data.classes, field="data.classes") if by_name else ""
        return content_digest(data), *filter(None, [names])


_PROBE = ("probe.penalties", "probe.groups")
_SUMS = "sums of concepts and random directions"  # they come with the penultimate layer's rows, and are no asset
_CROSS_EPOCH_FIELDS = {
    "decode_time": ("probe.reference_epoch", "training.epochs"),
    "sedimentation": ("seed", "analyses.top_shares", "analyses.bootstrap"),
    "layer_information": ("seed", "analyses.bootstrap"),
    "correlations": ("seed", "probe.reference_epoch", "training.epochs", "analyses.bootstrap"),
    "meta_features": ("seed", "analyses.bootstrap"),
    "concept_paths": ("seed", "probe.reference_epoch", "training.epochs"),
    "figures": ("name", "analyses", "probe.reference_epoch", "training.epochs"),
    "report": ("name", "analyses", "probe.reference_epoch", "training.epochs"),
    "explorer": ("name", "analyses", "probe.reference_epoch", "training.epochs"),
}


def combine(asset: str, *parts: str, partition: tuple[int, str] = (-1, "")) -> str:
    """One digest of an asset's name, code version, partition and what it is made from."""
    text = "\n".join([asset, str(CODE_VERSIONS[asset]), *map(str, partition), *parts])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
