"""Tools of MCP servers that the person named: programs on the host, whose words nobody trusts."""
