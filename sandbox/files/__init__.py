"""What may enter a box and what may come out of it, file by file."""
