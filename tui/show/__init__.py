"""Drawing of events, diffs and pages, the same for every front end."""
