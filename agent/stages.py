"""Names of the stages by which a front end knows whether there is a sandbox."""

from __future__ import annotations

PREPARING_SANDBOX = "preparing the sandbox"
SANDBOX_READY = "the sandbox is ready"
