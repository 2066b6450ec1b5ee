"""The machine and the processes on it, as the system tells: facts, launch, disturbance, the lock. No models."""
