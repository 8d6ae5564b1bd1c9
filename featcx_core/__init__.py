"""featcx_core: the measurements, as plain PyTorch and NumPy calls.

Names load on first use, so that reading a study file or a result table does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featcx_core.analyses.activations.make import record_activations as record_activations
    from featcx_core.analyses.training.make import train as train
    from featcx_core.artefacts.making import make as make
    from featcx_core.features.dictionary import Dictionary as Dictionary
    from featcx_core.features.dictionary import encode as encode
    from featcx_core.features.dictionary import fit_dictionary as fit_dictionary
    from featcx_core.measures.branches import concept_cka as concept_cka
    from featcx_core.measures.complexity import complexity as complexity
    from featcx_core.measures.cross_fitted import cross_fitted_v_information as cross_fitted_v_information
    from featcx_core.measures.decode_time import decode_time as decode_time
    from featcx_core.measures.decode_time import decode_time_normalised as decode_time_normalised
    from featcx_core.measures.dictionary_stability import find_again as find_again
    from featcx_core.measures.dictionary_stability import stability as stability
    from featcx_core.measures.effective_layers import effective_layers as effective_layers
    from featcx_core.measures.importance import importance as importance
    from featcx_core.measures.removal import removal as removal
    from featcx_core.measures.similarity import linear_cka as linear_cka
    from featcx_core.measures.similarity import pwcca as pwcca
    from featcx_core.measures.similarity import svcca as svcca
    from featcx_core.measures.v_information import v_information as v_information
    from featcx_core.measures.variance_share import variance_share as variance_share
    from featcx_core.notebook import OpenStudy as OpenStudy
    from featcx_core.notebook import open_study as open_study
    from featcx_core.notebook import use_checkpoints as use_checkpoints
    from featcx_core.study.fields import Study as Study
    from featcx_core.study.files import load_study as load_study

_HOMES = {
    "Dictionary": "features.dictionary",
    "OpenStudy": "notebook",
    "Study": "study.fields",
    "complexity": "measures.complexity",
    "concept_cka": "measures.branches",
    "cross_fitted_v_information": "measures.cross_fitted",
    "decode_time": "measures.decode_time",
    "effective_layers": "measures.effective_layers",
    "decode_time_normalised": "measures.decode_time",
    "encode": "features.dictionary",
    "find_again": "measures.dictionary_stability",
    "fit_dictionary": "features.dictionary",
    "importance": "measures.importance",
    "linear_cka": "measures.similarity",
    "load_study": "study.files",
    "open_study": "notebook",
    "pwcca": "measures.similarity",
    "record_activations": "analyses.activations.make",
    "stability": "measures.dictionary_stability",
    "removal": "measures.removal",
    "svcca": "measures.similarity",
    "make": "artefacts.making",
    "train": "analyses.training.make",
    "use_checkpoints": "notebook",
    "v_information": "measures.v_information",
    "variance_share": "measures.variance_share",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'featcx_core' has no attribute {name!r}")
    return getattr(import_module(f"featcx_core.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
