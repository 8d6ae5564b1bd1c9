"""Declaration of the labels that a study had drawn at random."""

from featcx_core.artefacts.declaration import Artefact, Rows
from featcx_core.artefacts.fingerprints import LABELS
from featcx_core.store.tables import Column, count, table, text

CORRUPTION_TABLE = table(
    "corruption",
    "One row per training image whose label was drawn at random.",
    ("image",),
    count("image", "Index of the image in its source."),
    count("label_before", "Its class in the source."),
    text("class_before", "Name of that class."),
    count("label", "Its class in the study, drawn from all alike."),
    text("class_name", "Name of that class."),
    Column("is_changed", "bool", "Whether it is another one; by chance the old one may be drawn."),
)
CORRUPTION = Artefact(
    name="corruption",
    group="sources",
    kinds=frozenset({"parquet"}),
    description="Labels that were drawn at random, where data.corruption.labels says so. One row per training image "
    "whose label was drawn.",
    grain="once",
    grows=False,
    make="featcx_core.analyses.corruption.make:corrupted_rows",
    holds=(Rows(CORRUPTION_TABLE),),
    version=1,
    fields=("seed", "data"),
    outside=(LABELS,),
)
DECLARED = (CORRUPTION,)
