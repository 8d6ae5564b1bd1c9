"""Decisions about a study's dictionary and clusters, taken before anything is recorded."""

from importlib.util import find_spec

from featcx_core.images.data import StudyImages, refuse_too_many_atoms
from featcx_core.images.further import further_images
from featcx_core.networks.anatomy import Anatomy
from featcx_core.study.fields import Study, StudyError


def dictionary_method(study: Study, anatomy: Anatomy) -> str:
    """Return the study's method; `auto` is `nmf` where the head's input is never below zero, else `semi_nmf`.

    The network decides, not the activations. Classes are streamed, so a negative value in the last class would come too
    late for the first; and if an epoch's method depended on its weights, epochs could not be compared.

    Raises:
        StudyError: `nmf` is asked for and activations go below zero, or a package is missing.
    """
    method = study.dictionary.method
    if method == "auto":
        return "semi_nmf" if anatomy.signed else "nmf"
    if method == "nmf" and anatomy.signed:
        raise StudyError(
            f'dictionary.method = "nmf": wanted activations >= 0, but {anatomy.penultimate}, which the head reads, '
            'goes below zero; try "semi_nmf", or "auto", which chooses it'
        )
    if method == "sae" and find_spec("overcomplete") is None:
        raise StudyError(
            "dictionary.method = \"sae\": overcomplete is not installed; try pip install 'featcx[dictionaries]'"
        )
    return method


def refuse_unusable_dictionary(study: Study, anatomy: Anatomy, data: StudyImages) -> None:
    """Raise StudyError where a class has fewer images than atoms, the layer fewer units, or the method is unusable."""
    dictionary_method(study, anatomy)
    further = further_images(study, data)
    n_further = len(further.split["train"]) if further else 0
    refuse_too_many_atoms(study, data, units=anatomy.n_units, n_further=n_further)


def refuse_unusable_clusters(study: Study, anatomy: Anatomy, data: StudyImages) -> None:
    """Raises StudyError where more clusters are asked for than there will be concepts, or a package is missing."""
    wanted, atoms = study.clusters, study.dictionary.atoms_per_class
    n_concepts = 0 if atoms == "auto" else atoms * (len(data.class_names) if study.dictionary.scope == "class" else 1)
    if wanted.count != "auto" and 0 < n_concepts < wanted.count:
        raise StudyError(
            f"clusters.count = {wanted.count}: there are only {n_concepts} concepts; lower it, raise "
            'dictionary.atoms_per_class, or state "auto"'
        )
    if wanted.embedding == "umap" and find_spec("umap") is None:
        raise StudyError(
            'clusters.embedding = "umap": umap-learn is not installed; try pip install \'featcx[umap]\', or "tsne"'
        )
