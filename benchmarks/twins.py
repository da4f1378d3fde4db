"""Cost of twins: seconds that a believed pass takes with them and without, on honest repairs.

Run: `.venv/bin/python -P -m benchmarks.twins [--times 5]`. Each task of `examples/fixloop` is repaired
with its own true solution; every pass must be believed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from agent.project import ProjectTests, open_project
from agent.settings.schema import SandboxSettings
from agent.workspace.workspace import Workspace
from benchmarks.fixloop import Fault, break_package, load_faults
