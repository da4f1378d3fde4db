"""One container: the contract, the fence around it, its life, and its end however it comes."""
