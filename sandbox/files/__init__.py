"""File transfer: checks each file on its way into a box and out of it."""
