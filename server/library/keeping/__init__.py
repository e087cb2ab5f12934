"""How the keeper lists and changes the library."""
