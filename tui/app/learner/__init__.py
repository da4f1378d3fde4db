"""The learner beside the conversation: when it runs, what it does, and the panel that shows it."""
