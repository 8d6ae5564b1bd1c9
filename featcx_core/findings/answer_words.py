"""The answer of a study in sentences, as its report writes it."""

from featcx_core.findings.answer import Answer, share_in_words
from featcx_core.findings.evidence import in_percent
from featcx_core.findings.readable import ordinal
from featcx_core.findings.reliance import Reliance


def lead(found: Answer) -> str:
    """Return what the network relies on, in one short sentence; where that is not known, that."""
    if found.reliance:
        return f"The network relies on {found.reliance.conclusion}."
    if any("relies on" in unknown.what for unknown in found.unknown):
        return "It is not known what the network relies on."
    return "What the network relies on was not measured."


def reliance_sentences(found: Reliance) -> str:
    """Return accuracy without a third of the concepts, and how sure the difference from chance is.

    >>> from featcx_core.findings.evidence import Estimate
    >>> more = Estimate(0.2, float("nan"), float("nan"), 0, 0.18, 0.25)
    >>> less = more._replace(value=-0.01, low_images=-0.03, high_images=0.01)
    >>> left = {"simplest": 0.74, "random": 0.956, "most complex": 0.981}
    >>> ends, marks = {"simplest": more, "most complex": less}, {"simplest": "yes", "most complex": "open"}
    >>> print(reliance_sentences(Reliance(0.978, 35, 100, left, ends, marks, True)))
    Accuracy is 97.8 % with all 100 concepts. It is 74.0 % without the 35 simplest, 95.6 % without 35 at random, and \
98.1 % without the 35 most complex. Without the simplest, 20 % (95 %: 18 to 25 %) more of the images are wrong \
than without as many at random.
    """
    n, left = found.n_removed, {end: share_in_words(share) for end, share in found.left.items()}
    quantity = "Accuracy is" if found.has_classes else "The share of predictions kept is"
    lost = "images are wrong" if found.has_classes else "predictions change"
    costly = [end for end, mark in found.marks.items() if mark == "yes"]
    sure = " ".join(
        f"Without the {end}, {in_percent(found.beyond_random[end])} more of the {lost} than without as many at random."
        for end in costly
    )
    return (
        f"{quantity} {share_in_words(found.whole)} with all {found.n_concepts} concepts. It is {left['simplest']} "
        f"without the {n} simplest, {left['random']} without {n} at random, and {left['most complex']} without the {n} "
        f"most complex. {sure or 'Neither end surely costs more than as many at random.'}"
    )


def where_sentence(found: Answer) -> str:
    """Return the layer by which most concepts can be read; empty where that is not known."""
    if found.where is None:
        return ""
    place = f"the {ordinal(found.where.place)} of {found.where.n_layers} layers"
    barely = found.where.n_barely
    also = f" {barely} more {'is' if barely == 1 else 'are'} barely readable in any layer." if barely else ""
    readable = f"{found.where.n_readable} of {found.where.n} concepts are half readable by {found.where.layer}"
    return f"{readable}, {place}.{also}"


def when_sentence(found: Answer) -> str:
    """Return the checkpoint by which most concepts are there to stay; empty where that is not known."""
    if found.when is None:
        return ""
    when = found.when
    return f"{when.n_present} of {when.n} concepts are there to stay by epoch {when.epoch}{when.passes}."
