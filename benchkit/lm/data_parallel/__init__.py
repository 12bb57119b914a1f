"""Language models of judges and teachers in many processes, each with the same engine."""
