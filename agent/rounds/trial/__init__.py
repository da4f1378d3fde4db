"""The trial of an adapter: it and the system in use answer the same tasks, and the gates decide."""
