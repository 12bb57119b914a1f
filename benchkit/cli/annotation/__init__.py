"""Options of commands about people's grades."""
