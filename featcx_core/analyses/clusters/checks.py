"""Checks of clusters."""

from itertools import pairwise

from featcx_core.artefacts.finding import Finding
from featcx_core.artefacts.given import StudyReader


def clusters_are_nested(reader: StudyReader) -> Finding:
    """Every cluster lies in one branch of each level, and every branch in one branch of the level above."""
    columns = ["level_1", "level_2", "level_3", "level_4", "cluster"]
    frame = reader.table("clusters", columns=["epoch", *columns])
    offenders = [
        f"epoch {epoch}: {fine} {branch} lies in several branches of {coarse}"
        for epoch, rows in frame.groupby("epoch")
        for coarse, fine in pairwise(columns)
        for branch, owners in rows.groupby(fine)[coarse].nunique().items()
        if owners > 1
    ]
    most = int(frame["cluster"].max()) + 1 if len(frame) else 0
    return Finding(not offenders, "; ".join(offenders[:5]) or f"at most {most} clusters", {"clusters": most})


def super_classes_cover_all(reader: StudyReader) -> Finding:
    """Where the study names super-classes, every class is in one; a class in none keeps its rows, without one."""
    clusters = reader.table("clusters", columns=["epoch", "concept", "super_class"])
    names = reader.table("concepts", columns=["epoch", "concept", "class_name"])
    left = clusters[clusters["super_class"] == ""]
    if not reader.study.data.superclasses:
        return Finding(passed=True, says="the study names none", numbers={})
    if reader.study.dictionary.scope == "all":
        return Finding(passed=True, says='atoms belong to no class: dictionary.scope = "all"', numbers={})
    missing = sorted(set(left.merge(names, on=["epoch", "concept"])["class_name"]))
    says = f"in no super-class: {', '.join(missing[:20])}; name them in data.superclasses" if missing else "all classes"
    return Finding(not missing, says, {"classes_left": len(missing)}, is_error=False)
