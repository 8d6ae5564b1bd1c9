"""The check that every table has: its rows against their description."""

from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader
from featcx_core.artefacts.groups import GroupReader
from featcx_core.store.parquet import offences
from featcx_core.store.tables import Table


def check_rows(reader: StudyReader | GroupReader, table: Table) -> Finding:
    """Keys are unique, nothing is missing that must not be, every value lies in its range."""
    frame = reader.table(table.name, columns=table.scalars)
    lines = list(offences(frame, table))
    says = "; ".join(lines[:5]) if lines else f"{len(frame)} rows"
    return Finding(not lines, says, {"rows": len(frame), "offences": len(lines)})
