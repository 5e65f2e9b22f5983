"""Hours of random work and random faults: every result is checked, and what each process uses is measured."""
