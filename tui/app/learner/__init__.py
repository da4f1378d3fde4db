"""The learner beside the conversation: its decisions, its rounds, and its panel."""
