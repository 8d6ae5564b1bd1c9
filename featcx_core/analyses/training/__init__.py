"""Declaration of the network's training run."""

from featcx_core.artefacts.declaration import Artefact, CheckpointFiles
from featcx_core.artefacts.fingerprints import LABELS, WEIGHTS
from featcx_core.study.fields import Study


def _trains_itself(study: Study) -> bool:
    return not study.checkpoints.folder


TRAINING = Artefact(
    name="training",
    group="sources",
    kinds=frozenset({"torch"}),
    description="The network's training run. One checkpoint per epoch, the initialisation first; "
    "of the first epoch several, where the study says so.",
    grain="once",
    make="featcx_core.analyses.training.make:train_network",
    holds=(CheckpointFiles(),),
    version=2,
    fields=("seed", "data", "model", "training"),
    outside=(LABELS, WEIGHTS),
    is_possible=_trains_itself,
)
DECLARED = (TRAINING,)
