"""The trial of an adapter: it and what is in use answer the same tasks, and the gates decide."""
