"""A judge's grades corrected by people's, and whether the judge could replace people."""
