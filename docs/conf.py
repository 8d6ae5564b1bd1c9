"""The documentation as a static site: `sphinx-build -W docs FOLDER` (`pip install '.[docs]'`)."""

project = "featcx"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "featcx"
html_show_sphinx = False
myst_heading_anchors = 4
nitpicky = True
suppress_warnings = ["misc.highlighting_failure"]  # a console block with a quoted Python line in it
