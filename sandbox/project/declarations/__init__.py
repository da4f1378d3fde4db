"""What a project declares that it needs, one file for each tool that declares it.

`items` are what every file says in the end, `package` is one project's own declarations, `tree` and
`reading` are how files are read; `sandbox.project.requirements` adds them up.
"""
