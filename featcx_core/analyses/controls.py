"""The check that random directions stand beside the concepts."""

from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader
from featcx_core.store.tables import Table


def control_stands_beside(reader: StudyReader, table: Table) -> Finding:
    """At every epoch, and at every level or in every branch, there are random directions beside the concepts."""
    keys = [key for key in table.keys if key not in ("kind", "concept")]
    frame = reader.table(table.name, columns=[*keys, "kind"])
    control = frame[frame["kind"] == "random_direction"]
    places = frame[keys].drop_duplicates().merge(control[keys].drop_duplicates(), how="left", indicator=True)
    epochs = sorted(places.loc[places["_merge"] == "left_only", "epoch"].unique())
    says = "; ".join(f"epoch {epoch}: no random direction" for epoch in epochs)
    return Finding(not epochs, says or f"{len(control)} rows of random directions", {"rows": len(control)})
