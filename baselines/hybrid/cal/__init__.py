"""What CALRec trains and how its model answers."""
