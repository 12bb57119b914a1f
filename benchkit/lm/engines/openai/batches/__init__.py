"""The Batch endpoint of OpenAI's interface: half the price, and answers within a day."""
