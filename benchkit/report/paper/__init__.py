"""Tables in a paper's layout, and published figures beside ours."""
