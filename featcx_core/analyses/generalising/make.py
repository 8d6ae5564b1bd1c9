"""The signs of generalising and memorising of one study."""

import pandas as pd

from featcx_core.analyses.ablation import AREA_TABLE, UNITS_TABLE
from featcx_core.analyses.checkpoint import CHECKPOINT
from featcx_core.analyses.complexity import COMPLEXITY
from featcx_core.analyses.memorisation import MEMORISATION_TABLE
from featcx_core.analyses.selectivity import SELECTIVITY_TABLE
from featcx_core.analyses.similarity import SIMILARITY_TABLE
from featcx_core.analyses.spectra import SPECTRA_TABLE
from featcx_core.artefacts.given import Given
from featcx_core.findings.signs import signs


def sign_rows(given: Given) -> pd.DataFrame:
    """Return the signs that the study's analyses allow; none without the reference epoch's checkpoint."""
    reference, split = given.study.reference_epoch, given.data.split
    read = (MEMORISATION_TABLE, AREA_TABLE, UNITS_TABLE, SELECTIVITY_TABLE, SPECTRA_TABLE, SIMILARITY_TABLE)
    tables = {table.name: given.table(table.name) for table in (*read, *CHECKPOINT.tables, *COMPLEXITY.tables)}
    return signs(tables, reference_epoch=reference, n_train=len(split["train"]), n_test=len(split["test"]))
