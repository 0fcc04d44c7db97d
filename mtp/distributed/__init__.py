"""How the processes of one job find and recognise each other. Standard library, Python >= 3.6: it runs before torch."""
