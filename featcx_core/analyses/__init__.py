"""Steps: each makes one artefact of a study from the artefacts before it: load, compute, commit.

What the assets of the web UI call, and what a notebook calls to do the same by hand.
"""
