"""What earlier repairs in this repository teach, as text: the arm that learning has to beat."""
