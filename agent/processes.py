"""Blocking work of front ends, in threads whose programs end with them."""

from __future__ import annotations

from sandbox.host.children import end_all, in_thread

__all__ = ["end_all", "in_thread"]
