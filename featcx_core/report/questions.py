"""Questions that a reader may ask further, each with its SQL."""


def questions(study: str, *, reference_epoch: int) -> list[tuple[str, str]]:
    """Return questions to ask further, each with the SQL that answers it."""
    here = f"study = '{study}' AND epoch = {reference_epoch}"
    return [
        (
            "Which concepts are simple and important at once?",
            "SELECT concept, class_name, complexity, importance\n"
            "FROM complexity JOIN importance USING (study, epoch, concept)\n"
            "  JOIN concepts USING (study, epoch, concept)\n"
            f"WHERE {here} AND kind = 'concept' AND complexity IS NOT NULL\n"
            "ORDER BY complexity, importance DESC LIMIT 10",
        ),
        (
            "At which layer can each concept first be read (half of its highest I_V)?",
            "WITH own AS (\n"
            "  SELECT *, max(v_information) OVER (PARTITION BY concept) AS highest\n"
            f"  FROM v_information JOIN layers USING (study, layer)\n  WHERE {here} AND dictionary_epoch = epoch\n"
            "    AND v_information.kind = 'concept')\n"
            "SELECT concept, arg_min(layer, depth) AS first_layer\n"
            "FROM own WHERE v_information >= highest / 2 GROUP BY concept ORDER BY concept",
        ),
        (
            "Does K change when only the blocks count, not the stem?",
            "SELECT concept, 1 - avg(v_information) AS complexity_of_blocks\n"
            f"FROM v_information JOIN layers USING (study, layer)\nWHERE {here} AND dictionary_epoch = epoch\n"
            "  AND v_information.kind = 'concept' AND role <> 'stem'\nGROUP BY concept ORDER BY complexity_of_blocks",
        ),
        (
            "How does the correlation of K and Γ develop, raw and with its confounds held fixed?",
            "SELECT epoch, controls, value, low, high, n FROM correlations\n"
            f"WHERE study = '{study}' AND kind = 'concept' AND y = 'importance' AND method = 'spearman'\n"
            "ORDER BY controls, epoch",
        ),
    ]
