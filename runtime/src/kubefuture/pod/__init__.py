"""What a pod starts: it puts the programs' files where they want them, and becomes the program."""
