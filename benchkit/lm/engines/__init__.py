"""Where language models run: in process (`hf`, `vllm`) or behind a server (`openai`)."""
