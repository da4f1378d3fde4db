"""The model seam, and clients of our own server and of any OpenAI-compatible one."""
