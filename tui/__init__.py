"""Shows the agent to people and programs: command line, plain output, line loop."""
