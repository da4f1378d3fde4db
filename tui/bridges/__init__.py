"""Front ends for other programs: the Model Context Protocol."""
