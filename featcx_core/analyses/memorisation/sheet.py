"""The sheet of the training images that were memorised most."""

import numpy as np
from matplotlib.figure import Figure

from featcx_core.analyses.memorisation import MEMORISATION_TABLE
from featcx_core.artefacts.given import StudyReader
from featcx_core.figures.memorisation import most_memorised

N_IMAGES = 24


def memorised_sheet(reader: StudyReader) -> Figure | None:
    """Draw the images of the largest cumulative loss; None where no image was followed."""
    rows = reader.table(MEMORISATION_TABLE.name)
    if rows.empty:
        return None
    data, top = reader.data, rows.nlargest(N_IMAGES, "cumulative_loss")
    labels = []
    for row in top.to_dict("records"):
        was = f" (was {data.class_names[row['label_before']]})" if row["label"] != row["label_before"] else ""
        labels.append(f"{row['class_name'][:12]}{was}\nΣ {row['cumulative_loss']:.2g}")
    images = data.images[top["image"].to_numpy()] / np.float32(255)
    before = "; in brackets the label before it was corrupted" if data.drawn is not None else ""
    remark = f"Above each: the label that it was trained with{before}. {len(rows)} images were followed."
    return most_memorised(images, labels=labels, remark=remark)
