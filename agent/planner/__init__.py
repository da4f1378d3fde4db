"""A larger model that plans the steps of a request, which the first model carries out."""
