"""The result tables: what one row is, and each column's meaning, unit and range.

The only place where column names are spelt out: the files on disk, the database's views and comments, the web UI's
column schemas and the checks all follow from here.
"""

from typing import Literal, NamedTuple

Dtype = Literal["string", "int64", "float64", "bool", "list<float>"]

KINDS = ("concept", "random_direction", "shuffled", "class_logit", "unit")
"""What a code can be: a concept, or one of the controls."""


class Column(NamedTuple):
    """One column."""

    name: str
    """Carries the unit where there is one (`_fraction`, `_seconds`)."""
    dtype: Dtype
    """Type on disk."""
    description: str
    """One sentence, with direction."""
    low: float | None = None
    """Smallest value allowed."""
    high: float | None = None
    """Largest value allowed."""
    nullable: bool = False
    """Whether a value may be missing (and the description says when)."""


class Table(NamedTuple):
    """One result table."""

    name: str
    """Name of its folder and of its view."""
    row: str
    """One row per …"""
    asset: str
    """The asset that writes it."""
    keys: tuple[str, ...]
    """Columns that together are unique within a study."""
    columns: tuple[Column, ...]
    """All columns, in order."""


_STUDY = Column("study", "string", "Name of the study.")
_FINGERPRINT = Column("fingerprint", "string", "Digest of everything the row was made from.")
_COMPARISON = Column("study", "string", "Name of the comparison, or of the sweep.")
_EPOCH = Column("epoch", "int64", "Checkpoint: the weights after this epoch; 0 = initialisation.", 0.0)
_CONCEPT = Column("concept", "int64", "Index of the concept within its kind and its epoch's dictionary.", 0.0)
_OWN_KIND, _CORRELATED = (
    "the codes of its kind; null below two of them",
    "concepts or directions; null where the value is",
)
_LEFT = "relative_accuracy; without classes, of predictions_kept_fraction"
_NO_CLASSES = "null where no output is a class"
_KIND = Column("kind", "string", "concept, or a control: random_direction, shuffled, class_logit, unit.")
_CONCEPT_OR_DIRECTION = Column("kind", "string", "concept, or the control random_direction.")
_MEASURE = Column("measure", "string", "What was measured, named as in the tables; `_partial`: controls held fixed.")


def _table(name: str, row: str, asset: str, keys: tuple[str, ...], *columns: Column, study: Column = _STUDY) -> Table:
    return Table(name, row, asset, keys, (study, *columns, _FINGERPRINT))


def _share(name: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, "float64", description, 0.0, 1.0, nullable)


def _real(
    name: str, description: str, low: float | None = None, high: float | None = None, *, nullable: bool = False
) -> Column:
    return Column(name, "float64", description, low, high, nullable)


def _intervals(prefix: str, low: float | None = None, high: float | None = None, *, over: str) -> tuple[Column, ...]:
    """The ends of the interval over concepts and of that over images, of a value between low and high."""
    drawn_from = {"": over, "_images": "groups of probe images"}
    return tuple(
        _real(f"{prefix}{end}{which}", f"{share} % bootstrap percentile over {drawn}.", low, high, nullable=True)
        for which, drawn in drawn_from.items()
        for end, share in (("low", 2.5), ("high", 97.5))
    )


def _count(name: str, description: str, low: float = 0.0) -> Column:
    return Column(name, "int64", description, low)


_ALL = (
    _table(
        "epochs",
        "One row per checkpoint.",
        "checkpoint",
        ("epoch",),
        _EPOCH,
        _real("train_loss", f"Mean cross-entropy on the training images, in nats; {_NO_CLASSES}.", 0.0, nullable=True),
        _share("train_accuracy", f"Share of training images classified rightly; {_NO_CLASSES}.", nullable=True),
        _real("test_loss", f"Mean cross-entropy on the test images, in nats; {_NO_CLASSES}.", 0.0, nullable=True),
        _share("test_accuracy", f"Share of test images classified rightly; {_NO_CLASSES}.", nullable=True),
        _real("learning_rate", "Learning rate of the epoch's last step; null where unknown.", 0.0, nullable=True),
        Column("digest", "string", "Digest of the checkpoint's tensors."),
    ),
    _table(
        "layers",
        "One row per recorded layer.",
        "activations",
        ("layer",),
        Column("layer", "string", "Module name."),
        _count("depth", "Place in forward order; 0 = first."),
        Column("role", "string", "stem, block, penultimate (what the head reads) or other."),
        Column("in_complexity", "bool", "Whether the layer counts in K."),
        Column("kind", "string", "Class of the module."),
        _count("units", "Recorded numbers an image.", 1.0),
        _count("height", "Positions down before pooling.", 1.0),
        _count("width", "Positions across before pooling.", 1.0),
        Column("layout", "string", "Axes of the output: channels_first, channels_last, class_token, tokens or vector."),
        Column("rectified", "bool", "Whether it is recorded after a ReLU that is no module."),
        Column("shortcut", "string", "identity or projection for a block that adds; empty elsewhere."),
    ),
    _table(
        "dictionaries",
        "One row per epoch's dictionary.",
        "codes",
        ("epoch",),
        _EPOCH,
        Column("method", "string", "How the atoms were fitted."),
        _count("n_concepts", "Atoms.", 1.0),
        _real("relative_error", "||A - Z D|| / ||A|| of the probe images' penultimate activations.", 0.0),
        _real("explained_variance", "1 - residual variance / variance of the same; 1 = all.", None, 1.0),
        _share("predictions_kept_fraction", "Share of top-1 predictions kept when Z D replaces the activations."),
        _real("l0", "Mean number of active concepts an image.", 0.0),
        _share(
            "code_hoyer",
            "Mean Hoyer sparsity of the codes; 1 = one concept an image; null without any code.",
            nullable=True,
        ),
        _count("dead", "Concepts active on too few images to be measured."),
        _real("kkt_residual", "Largest optimality residual of the codes, relative to the image's norm.", 0.0),
        _real(
            "fit_relative_error",
            "The same of the factorisation on the dictionary images: root mean square over classes.",
            0.0,
        ),
    ),
    _table(
        "concepts",
        "One row per concept of an epoch's dictionary.",
        "codes",
        ("epoch", "concept"),
        _EPOCH,
        _CONCEPT,
        _count("class_id", "Class whose images it was fitted on; -1 = all.", -1.0),
        Column("class_name", "string", "Name of the class whose images it was fitted on."),
        _share("prevalence_fraction", "Share of probe images on which the concept is active."),
        _real("variance", "Population variance of the code over the probe images.", 0.0),
        _share("hoyer", "Hoyer sparsity of the atom; 1 = a single unit; null for a zero atom.", nullable=True),
        Column("alive", "bool", "Active on at least 10 fit and 10 score images; others have null scores."),
    ),
    _table(
        "v_information",
        "One row per (epoch, layer, dictionary epoch, kind, concept).",
        "v_information",
        ("epoch", "layer", "dictionary_epoch", "kind", "concept"),
        _EPOCH,
        Column("layer", "string", "Module name."),
        Column("dictionary_epoch", "int64", "Epoch whose dictionary the concept belongs to.", 0.0),
        _KIND,
        _CONCEPT,
        _share("v_information", "Linearly decodable share of a code's variance; null if dead.", nullable=True),
        _real("standard_error", "Jackknife error before clipping; null if dead.", 0.0, nullable=True),
        _real("penalty", "Chosen ridge penalty (centred activations, standardised code).", 0.0, nullable=True),
        _real("v_information_as_printed", "Var(z)·R², in-sample least squares; kind concept only.", 0.0, nullable=True),
        Column("jackknife", "list<float>", "Unclipped value without each group of score images.", nullable=True),
    ),
    _table(
        "complexity",
        "One row per (epoch, kind, concept) of the epoch's own dictionary.",
        "complexity",
        ("epoch", "kind", "concept"),
        _EPOCH,
        _KIND,
        _CONCEPT,
        _share("complexity", "K: 0 = simple (decodable everywhere), 1 = complex; null if dead.", nullable=True),
        _real("standard_error", "Jackknife error of K, layers' covariance included.", 0.0, nullable=True),
        _real("complexity_as_printed", "1 - mean of Var(z)·R², for kind concept only.", None, 1.0, nullable=True),
    ),
    _table(
        "importance",
        "One row per (epoch, concept) of the epoch's own dictionary.",
        "importance",
        ("epoch", "concept"),
        _EPOCH,
        _CONCEPT,
        _real("importance", "Γ: mean |contribution to the predicted class's logit|.", 0.0),
        _real("signed_importance", "Mean contribution with its sign; negative = inhibitor."),
        _share("prevalence_fraction", "Share of probe images on which the concept is active."),
        Column("jackknife", "list<float>", "Γ without each group of probe images."),
    ),
    _table(
        "decode_time",
        "One row per concept of the reference epoch.",
        "decode_time",
        ("concept",),
        Column("reference_epoch", "int64", "Epoch whose concepts are followed.", 1.0),
        _CONCEPT,
        _share("decode_time", "Λ: 0 = available early in training, 1 = late; null if dead.", nullable=True),
        Column("first_epoch", "int64", "First epoch at half the reference's V-information.", 0.0, nullable=True),
    ),
    _table(
        "sedimentation",
        "One row per (epoch, group of concepts).",
        "sedimentation",
        ("epoch", "group_name"),
        _EPOCH,
        Column("group_name", "string", "all, or the most important share: top_1pct, top_5pct, top_10pct."),
        _count("n_concepts", "Concepts in the group.", 1.0),
        _share("mean_complexity", "Mean K of the group."),
        _share("low", "2.5 % bootstrap percentile over concepts."),
        _share("high", "97.5 % bootstrap percentile over concepts."),
        _share("low_images", "2.5 % bootstrap percentile over groups of probe images.", nullable=True),
        _share("high_images", "97.5 % bootstrap percentile over groups of probe images.", nullable=True),
    ),
    _table(
        "layer_information",
        "One row per (epoch, kind, layer) of the epoch's own dictionary.",
        "layer_information",
        ("epoch", "kind", "layer"),
        _EPOCH,
        _KIND,
        Column("layer", "string", "Module name."),
        _count("n_concepts", "Codes of the kind that are not dead.", 1.0),
        _share("v_information", "Their mean V-information; 0 = not readable, 1 = fully."),
        *_intervals("", 0.0, 1.0, over=_OWN_KIND),
        _real("gain", "The mean less that in the first layer that counts in K.", -1.0, 1.0),
        *_intervals("gain_", -1.0, 1.0, over=_OWN_KIND),
    ),
    _table(
        "correlations",
        "One row per (epoch, kind, x, y, level, method, controls).",
        "correlations",
        ("epoch", "kind", "x", "y", "level", "method", "controls"),
        _EPOCH,
        _CONCEPT_OR_DIRECTION,
        Column("x", "string", "First property of a concept."),
        Column("y", "string", "Second property."),
        _real(
            "level", "Of y: masked_fraction of a redundancy, sigma of a sensitivity; null for others.", nullable=True
        ),
        Column("method", "string", "spearman or pearson."),
        Column("controls", "string", "Properties held fixed (partial correlation), comma-separated; empty = raw."),
        _real("value", "Correlation over them; null for too few, or where one is constant.", -1.0, 1.0, nullable=True),
        *_intervals("", -1.0, 1.0, over=_CORRELATED)[:2],
        _count("n", "Concepts, or directions, behind it."),
        *_intervals("", -1.0, 1.0, over=_CORRELATED)[2:],
    ),
    _table(
        "meta_features",
        "One row per (epoch, grouping, group, measure).",
        "meta_features",
        ("epoch", "grouping", "group_name", "measure"),
        _EPOCH,
        Column("grouping", "string", "cluster, or super_class where the study names some."),
        Column("group_name", "string", "Cluster, or super-class (empty = in none); all for complexity_explained."),
        Column(
            "measure",
            "string",
            "complexity, importance: the group's mean K, Γ. complexity_explained: ε², what the grouping tells of K.",
        ),
        _count("n_concepts", "Concepts with a complexity.", 1.0),
        _real("value", "The measure; null where each concept is a group of its own, or K all the same.", nullable=True),
        *_intervals("", over="the group's concepts; null where the value is, or for a mean of one"),
    ),
    _table(
        "branches",
        "One row per (epoch, block, branch, kind, concept) of the epoch's own dictionary.",
        "branches",
        ("epoch", "block", "branch", "kind", "concept"),
        _EPOCH,
        Column("block", "string", "Module name of the residual block."),
        Column("branch", "string", "residual (what the shortcut brings) or main; attention, mlp, main_2 … of several."),
        Column("shortcut", "string", "identity, or projection: the shortcut is a learned map of what was given."),
        _CONCEPT_OR_DIRECTION,
        _CONCEPT,
        _real(
            "cka",
            "Unbiased linear CKA of branch and code; about 0 = unrelated, 1 = the same; null if dead.",
            nullable=True,
        ),
        _share("cka_biased", "The biased, centred one; above 0 for unrelated ones; null if dead.", nullable=True),
        _real(
            "cka_as_printed",
            "||K_A K_z||² / (||K_A²|| ||K_z²||) as in the paper's appendix E; null if dead.",
            0.0,
            nullable=True,
        ),
        _real(
            "cka_shuffled",
            "Unbiased CKA with the code permuted over images: about 0; kind concept only; null if dead.",
            nullable=True,
        ),
        _share("v_information", "Linearly decodable share of the code's variance; null if dead.", nullable=True),
        _real("standard_error", "Its jackknife error before clipping; null if dead.", 0.0, nullable=True),
        Column("cka_jackknife", "list<float>", "CKA without each group of probe images; null if dead.", nullable=True),
        Column(
            "jackknife",
            "list<float>",
            "Unclipped V-information without each group of score images; null if dead.",
            nullable=True,
        ),
    ),
    _table(
        "redundancy",
        "One row per (epoch, kind, concept, masked share of units).",
        "redundancy",
        ("epoch", "kind", "concept", "masked_fraction"),
        _EPOCH,
        _CONCEPT_OR_DIRECTION,
        _CONCEPT,
        _share("masked_fraction", "Share of the penultimate layer's units that a mask removes."),
        _count("n_masks", "Random masks.", 1.0),
        _real(
            "redundancy",
            "Mean CKA with the units left / CKA with all; 1 = any of them would do; null if dead.",
            0.0,
            nullable=True,
        ),
        _real("standard_deviation", "Over masks; higher = in fewer units; null if dead.", 0.0, nullable=True),
        _real(
            "redundancy_as_printed",
            "The mean with the paper's appendix E in place of CKA; null if dead.",
            0.0,
            nullable=True,
        ),
        Column("jackknife", "list<float>", "Redundancy without each group of images; null if dead.", nullable=True),
        Column("jackknife_as_printed", "list<float>", "As printed without each group; null if dead.", nullable=True),
    ),
    _table(
        "sensitivity",
        "One row per (epoch, kind, concept, sigma).",
        "sensitivity",
        ("epoch", "kind", "concept", "sigma"),
        _EPOCH,
        _CONCEPT_OR_DIRECTION,
        _CONCEPT,
        _real("sigma", "Standard deviation of the noise on pixels in [0, 1].", 0.0),
        _count("n_images", "Probe images.", 1.0),
        _count("n_draws", "Noisy copies of each.", 2.0),
        _real(
            "sensitivity",
            "Variance of the code over draws / over images; 0 = robust, or silenced by the noise; null if dead.",
            0.0,
            nullable=True,
        ),
        _real("low", "2.5 % bootstrap percentile over images; null if dead.", 0.0, nullable=True),
        _real("high", "97.5 % bootstrap percentile over images; null if dead.", 0.0, nullable=True),
        _real("sensitivity_as_printed", "Variance of the code over draws, mean over images.", 0.0),
        Column("jackknife", "list<float>", "Sensitivity without each group of images; null if dead.", nullable=True),
    ),
    _table(
        "support",
        "One row per (epoch, order of removal, share of concepts kept).",
        "support",
        ("epoch", "order", "kept_fraction"),
        _EPOCH,
        Column(
            "order",
            "string",
            'What is removed first (a word of SQL\'s own: write "order"): complexity_descending (the most complex), '
            "complexity_ascending, importance_descending, random.",
        ),
        _share("kept_fraction", "Share of the concepts that are kept."),
        _count("n_kept", "Concepts kept."),
        _real("relative_accuracy", f"Accuracy / that with all concepts; {_NO_CLASSES}.", 0.0, nullable=True),
        _share(
            "accuracy",
            f"Share of probe images classified rightly from the kept concepts; {_NO_CLASSES}.",
            nullable=True,
        ),
        _share("predictions_kept_fraction", "Share of the network's own top-1 predictions that are kept."),
        _real("low", f"2.5 % bootstrap percentile over images of {_LEFT}.", nullable=True),
        _real("high", f"97.5 % bootstrap percentile over images of {_LEFT}.", nullable=True),
        _real("beyond_random", "That less that of the random order; negative = costs more.", nullable=True),
        _real("beyond_random_low", "2.5 % bootstrap percentile over images.", nullable=True),
        _real("beyond_random_high", "97.5 % bootstrap percentile over images.", nullable=True),
        _real("orders_low", f"Least that an order of that name (20 at random) leaves of {_LEFT}.", nullable=True),
        _real("orders_high", f"Most that one leaves of {_LEFT}.", nullable=True),
    ),
    _table(
        "clusters",
        "One row per concept of an epoch's dictionary.",
        "clusters",
        ("epoch", "concept"),
        _EPOCH,
        _CONCEPT,
        _count("cluster", "Meta-feature: cluster of the atom, by K-means; -1 for a zero atom.", -1.0),
        _real("x", "First coordinate of the atom on a plane; null for a zero atom.", nullable=True),
        _real("y", "Second coordinate; null for a zero atom.", nullable=True),
        Column("super_class", "string", "Super-class of the concept's class; empty where the study names none."),
        *(
            _count(
                f"level_{n}", f"Branch of the clusters' dendrogram, level {n} of 4, coarse to fine; -1 as above.", -1.0
            )
            for n in range(1, 5)
        ),
    ),
    _table(
        "concept_paths",
        "One row per (concept of the reference epoch, epoch).",
        "concept_paths",
        ("concept", "epoch"),
        _CONCEPT,
        _EPOCH,
        Column(
            "matched_concept", "int64", "The epoch's concept that is matched to it; null = none.", 0.0, nullable=True
        ),
        _real(
            "cosine", "Cosine of their atoms; 1 = the same direction; null without a match.", -1.0, 1.0, nullable=True
        ),
        _real("null_cosine", "What random atoms reach by the same matching, 95 % quantile.", -1.0, 1.0, nullable=True),
        _share("complexity", "K of the matched concept at its epoch; null if dead or none.", nullable=True),
        _real("importance", "Γ of the matched concept at its epoch; null without a match.", 0.0, nullable=True),
    ),
    _table(
        "compared",
        "One row per (study that is compared, epoch, measure).",
        "comparison",
        ("member", "epoch", "measure"),
        Column("member", "string", "Name of the study that is compared."),
        Column("settings", "string", "The fields in which the studies differ and its values, as JSON."),
        _EPOCH,
        Column("is_reference", "bool", "Whether it is the study's reference epoch."),
        _MEASURE,
        _real("value", "What the study measured."),
        _real("low", "2.5 % point over the study's concepts; null for accuracies.", nullable=True),
        _real("high", "97.5 % point over the study's concepts; null for accuracies.", nullable=True),
        Column("n", "int64", "Concepts behind it; null for accuracies.", 0.0, nullable=True),
        study=_COMPARISON,
    ),
    _table(
        "comparison",
        "One row per (field, value, against, epoch, measure) of studies that are compared.",
        "comparison",
        ("field", "value", "against", "epoch", "measure"),
        Column("field", "string", "Field of the study, dotted, in which they differ."),
        Column("together_with", "string", "Fields that part the studies alike, comma-separated; not to be told apart."),
        Column("value", "string", "Value of the field."),
        Column("against", "string", "Empty: a mean over studies. Else the value that is subtracted, all else equal."),
        Column("epoch", "int64", "Checkpoint; null = the end, each study's own reference epoch.", 0.0, nullable=True),
        _MEASURE,
        _real("mean", "Mean over the studies of that value, or of the differences over pairs of studies."),
        _real("low", "Lower end of its 95 % t-interval over studies or pairs; null for one.", nullable=True),
        _real("high", "Upper end; with few studies it may leave the measure's range.", nullable=True),
        _count("n", "Studies, or pairs.", 1.0),
        study=_COMPARISON,
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _ALL}
"""The catalogue, by name."""
COMPARED = ("compared", "comparison")
"""Those over several studies; the others are of one."""


def without_lists(table: str) -> list[str]:
    """The columns of a table that hold one value a row: all but what is known without each group of images."""
    return [column.name for column in TABLES[table].columns if column.dtype != "list<float>"]
