"""The learner: a job of experiences in, an adapter folder out, in a process of its own."""
