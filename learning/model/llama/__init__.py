"""llama.cpp: its library, its process, and the engine that serves by it."""
