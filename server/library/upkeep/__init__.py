"""Is all of the library still right?"""
