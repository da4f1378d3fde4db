"""Many small programs in one hardened box: a fresh process, user and directory for each."""
