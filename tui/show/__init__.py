"""How things look: events, diffs and pages, drawn the same for every front end."""
