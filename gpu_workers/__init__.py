"""documents.v1 → chunk → embed → memory.v1; runs on GPUs in production, on the CPU elsewhere."""
