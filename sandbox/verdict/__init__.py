"""Test runs: reporters, records, the report, and how far a verdict can be trusted."""
