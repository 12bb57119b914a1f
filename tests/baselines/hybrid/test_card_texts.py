"""What the cards of the methods that write ids say of settings, against the settings."""

from baselines.hybrid.gram import GRAM
from baselines.hybrid.item_ids.training_defaults import training_defaults
from baselines.hybrid.stream_rec import StreamRec
from benchkit import cards


def text_of(name):
    return " ".join(cards.find_card(name).deviations)


def test_the_card_of_gram_names_its_sizes():
    text, nano, paper = text_of("gram"), GRAM.nano_sizes, GRAM.paper_sizes
    config = GRAM.Config()
    assert f"at most {config.depth} levels of {config.branch} branches" in text
    assert f"beam search of width {config.beam}" in text
    assert f"nano reads {nano['history']} items and the own prompts of the newest" in text
    assert f"newest {nano['passages']}, without words" in text
    assert f"{paper['history']} and {paper['passages']} with the paper's sizes" in text
    assert f"never more than {paper['item_tokens']} tokens" in text
    epochs = [training_defaults("gram", is_nano)["epochs"] for is_nano in (True, False)]
    assert "at most {} epochs for nano and {} for others".format(*epochs) in text


def test_the_card_of_stream_rec_names_its_sizes():
    text, config = text_of("stream-rec"), StreamRec.Config()
    nano, paper = StreamRec.nano_sizes, StreamRec.paper_sizes
    assert f"{nano['levels']} levels of {nano['codes']} codes and thoughts" in text
    assert f"thoughts of {nano['steps']} codes out of {nano['thought_codes']} for nano" in text
    assert f"{paper['levels']} levels of {paper['codes']} and thoughts" in text
    assert f"thoughts of {paper['steps']} out of {paper['thought_codes']} for others" in text
    assert f"{config.similar} for each target" in text
    assert f"weight {config.preference:g} and beta = {config.beta:g}" in text
    assert f"coefficient {config.kl:g}" in text
    assert f"averaged over the {config.thoughts} likeliest thoughts" in text
