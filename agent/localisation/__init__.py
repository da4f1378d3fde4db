"""Says where a fault probably is: lines that red tests run and green ones do not, and tracebacks."""
