"""Stock, prices and parcels of a small warehouse."""
