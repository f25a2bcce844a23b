"""Sphinx configuration: pages in Markdown, API pages from the docstrings, warnings are errors (make docs)."""

project = "dashf-pyomo"
author = "The dashf-pyomo authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "dashf-pyomo"
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": False}
napoleon_google_docstring = False
napoleon_use_ivar = True
default_role = "code"
myst_heading_anchors = 3
