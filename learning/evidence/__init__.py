"""What tools print -> structured facts: one module for each family of tools."""
