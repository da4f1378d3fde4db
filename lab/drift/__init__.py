"""Library drift: tasks on libraries whose API has changed, and the help that retries get."""
