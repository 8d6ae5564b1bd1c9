"""Fingerprints: everything that an artefact is made from, as one digest.

Same fingerprint, nothing to do. A fingerprint is a digest of the artefact's name and version, of the study's fields
that it declares, of the fingerprints of its inputs and of what lies outside: files, checkpoints, the network. So what
is stale is known without opening a single array.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from featcx_core.artefacts.declaration import Artefact, Outside
from featcx_core.artefacts.partition import Partition
from featcx_core.images.digests import content_digest, further_digest, text_digest
from featcx_core.networks.anatomy import Anatomy
from featcx_core.study.fields import Study


def combine(artefact: Artefact, *parts: str, partition: Partition) -> str:
    """Return one digest of an artefact's name, version and partition, and of everything it is made from."""
    text = "\n".join([artefact.name, str(artefact.version), *map(str, partition[1:]), *parts])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _labels(study: Study, anatomy: Anatomy, partition: Partition, digests: dict[int, str]) -> str:
    model, by_name = study.model, study.model.outputs not in ("classes", "none")
    names = text_digest(study.data.classes, field="data.classes") if by_name else ""
    files = {"model.outputs": model.outputs_path, "model.output_names": model.output_names}
    further = [text_digest(path, field=field) for field, path in files.items() if path]
    return " ".join([content_digest(study.data), names, *further])


def _weights(study: Study, anatomy: Anatomy, partition: Partition, digests: dict[int, str]) -> str:
    return text_digest(study.model.weights_path, field="model.weights")


def _checkpoint(study: Study, anatomy: Anatomy, partition: Partition, digests: dict[int, str]) -> str:
    return digests[partition.epoch]


def _class_names(study: Study, anatomy: Anatomy, partition: Partition, digests: dict[int, str]) -> str:
    return text_digest(study.data.classes, field="data.classes")


def _super_classes(study: Study, anatomy: Anatomy, partition: Partition, digests: dict[int, str]) -> str:
    groups = study.data.superclasses
    return text_digest(groups if isinstance(groups, str) else "", field="data.superclasses")


def _layers(study: Study, anatomy: Anatomy, partition: Partition, digests: dict[int, str]) -> str:
    return anatomy.made_from


def _penultimate(study: Study, anatomy: Anatomy, partition: Partition, digests: dict[int, str]) -> str:
    return anatomy.penultimate


def _branches(study: Study, anatomy: Anatomy, partition: Partition, digests: dict[int, str]) -> str:
    row = next(row for row in anatomy.layers if row.layer == partition.layer)
    return " ".join([row.shortcut, *(f"{name} {branch.model_dump_json()}" for name, branch in row.branches.items())])


def _drawings(study: Study, anatomy: Anatomy, partition: Partition, digests: dict[int, str]) -> str:
    from featcx_core.artefacts.catalogue import catalogue  # which collects the declarations that name this

    named = (reference for artefact in catalogue().shown for reference in (artefact.figures, artefact.findings))
    modules = sorted({reference.partition(":")[0] for reference in named if reference})
    sources = (find_spec(module) for module in modules)
    texts = [Path(source.origin).read_bytes() for source in sources if source and source.origin]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16] if texts else ""


def _further(study: Study, anatomy: Anatomy, partition: Partition, digests: dict[int, str]) -> str:
    return further_digest(study.data)


LABELS = Outside(_labels, is_of_study=True)
"""The images at the data's path, and the files that say which image is which output."""
WEIGHTS = Outside(_weights, is_of_study=True)
"""The file of tensors that the network starts from."""
TENSORS = Outside(_checkpoint)
"""The tensors of the epoch's checkpoint."""
CLASS_NAMES = Outside(_class_names, is_of_study=True)
"""The file of class names."""
SUPER_CLASSES = Outside(_super_classes, is_of_study=True)
"""The file of super-classes."""
NETWORK = Outside(_layers)
"""Everything that decides the network's layers."""
DRAWINGS = Outside(_drawings)
"""The source of the figures and findings that declarations name: what is mended is drawn and said anew."""
FURTHER = Outside(_further, is_of_study=True)
"""The further images of the dictionary alone."""
PENULTIMATE = Outside(_penultimate)
"""The name of the layer before the head."""
BRANCH_PLACES = Outside(_branches)
"""Places where the branches of the layer's block were found."""
