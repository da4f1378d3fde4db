"""Ways to learn, compared: arms, the tasks that they share, and the processes that train them."""
