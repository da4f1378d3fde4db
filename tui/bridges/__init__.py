"""Front ends for other programs: the Agent Client Protocol of editors, the Model Context Protocol."""
