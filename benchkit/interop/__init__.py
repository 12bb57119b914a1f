"""Results made elsewhere: cases go out, answers come back and are scored as any run's are."""
