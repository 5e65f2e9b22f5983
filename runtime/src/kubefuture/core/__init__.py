"""What every part needs: packing, random numbers, connection files, settings."""
