"""Readers of a project's declared dependencies, one file for each tool.

`items` are what every file says in the end, `package` is one project's own declarations, `tree` and
`reading` are how files are read; `sandbox.project.requirements` adds them up.
"""
