"""The domain: pure values and rules. No clock, disk, network, randomness, thread or framework below this line."""
