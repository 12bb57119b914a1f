"""The stages of STREAM-Rec."""
