"""Small changes that may repair a fault, cheapest first, each with its origin."""
