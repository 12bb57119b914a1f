"""A sentence encoder of random weights, in the form of sentence-transformers."""

from pathlib import Path

WIDTH = 24


def make_sentence_model(folder: Path, seed: int = 0, width: int = WIDTH) -> Path:
    """Write a BERT of one layer with mean pooling, which reads letters; return its folder."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    base = folder / "bert"
    base.mkdir(parents=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789|.;,"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    (base / "vocab.txt").write_text("\n".join(words) + "\n")
    transformers.BertTokenizerFast(str(base / "vocab.txt")).save_pretrained(base)
    config = transformers.BertConfig(
        vocab_size=len(words), hidden_size=width, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=256,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.BertModel(config)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.5)
    model.save_pretrained(base)
    transformer = Transformer(str(base), max_seq_length=128)
    sentences = SentenceTransformer(modules=[transformer, Pooling(width)], device="cpu")
    sentences.save(str(folder / "sentences"))
    return folder / "sentences"
