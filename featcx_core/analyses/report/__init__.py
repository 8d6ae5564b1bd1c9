"""Declaration of the study's report."""

from featcx_core.analyses.codes import CODES
from featcx_core.analyses.figures import FIGURES
from featcx_core.artefacts.declaration import Artefact, Need, Page

REPORT = Artefact(
    name="report",
    group="report",
    kinds=frozenset({"html"}),
    description="The study's report, one HTML file.",
    grain="once",
    grows=False,
    make="featcx_core.analyses.report.make:write_report",
    holds=(Page("report/index.html"),),
    version=20,
    needs=(Need(FIGURES), Need(CODES, epochs="reference", uses="if_there")),
    reads_tables=True,
    fields=("name", "analyses", "probe.reference_epoch", "training.epochs", "training.save"),
)
DECLARED = (REPORT,)
