"""Token ids of prompts and continuations, on byte-level tokenizers made here."""

import pytest

from benchkit.lm import tokenization
from benchkit.lm.types import Message, Prompt
from tests.support.tiny_chat_model import tiny_tokenizer

HELLO = (Message("system", "be brief"), Message("user", "hello"))


@pytest.fixture(scope="module")
def chat():
    return tiny_tokenizer()


@pytest.fixture
def plain():
    return tiny_tokenizer(chat=False)


def test_a_prompt_goes_through_the_chat_template(chat):
    text = "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n"
    ids = tokenization.prompt_ids(chat, Prompt("p", HELLO))
    assert chat.decode(ids) == text + "<|im_start|>assistant\n"


def test_without_a_template_contents_are_joined(plain):
    assert plain.decode(tokenization.prompt_ids(plain, Prompt("p", HELLO))) == "be brief\nhello"


def test_pieces_are_tokenised_apart(chat):
    apart = tokenization.prompt_ids(chat, Prompt("p", HELLO, ("a", "b")))
    joined = tokenization.prompt_ids(chat, Prompt("p", HELLO, ("ab",)))
    a, b, ab = chat.convert_tokens_to_ids(["a", "b", "ab"])
    assert apart[-2:] == [a, b]
    assert joined[-1] == ab
    assert apart[:-2] == joined[:-1] == tokenization.prompt_ids(chat, Prompt("p", HELLO))


def test_a_continuation_ends_with_the_end_of_turn(chat):
    ab, end = chat.convert_tokens_to_ids(["ab", "<|im_end|>"])
    assert tokenization.continuation_ids(chat, "ab", True) == [ab, end]
    assert tokenization.continuation_ids(chat, "ab", False) == [ab]
    assert tokenization.continuation_ids(chat, "", True) == [end]
    assert tokenization.continuation_ids(chat, "", False) == []


def test_the_end_of_turn_is_that_of_the_template_else_the_end_of_text(chat, plain):
    assert tokenization.end_of_turn(chat) == (chat.convert_tokens_to_ids("<|im_end|>"),)
    assert tokenization.end_of_turn(plain) == (plain.eos_token_id,)
    plain.chat_template = "{% for m in messages %}{{ m.content }}.{% endfor %}"
    assert tokenization.end_of_turn(plain) == (plain.eos_token_id,)


def test_a_changed_template_is_noticed(plain):
    assert tokenization.end_of_turn(plain) == (plain.eos_token_id,)
    plain.chat_template = "{% for m in messages %}{{ m.content }}\n<|im_start|>{% endfor %}"
    assert tokenization.end_of_turn(plain) == (plain.convert_tokens_to_ids("<|im_start|>"),)


def test_no_end_at_all(plain):
    plain.eos_token = None
    assert tokenization.end_of_turn(plain) == ()


def test_a_tokenizer_that_closes_what_it_encodes_leaves_the_prompt_open(plain):
    from tokenizers.processors import TemplateProcessing

    eos, bos = plain.eos_token_id, plain.convert_tokens_to_ids("<|im_start|>")
    plain.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A <|endoftext|>",
        special_tokens=[("<|im_start|>", bos), ("<|endoftext|>", eos)],
    )
    ids = tokenization.prompt_ids(plain, Prompt("p", (Message("user", "ab"),), ("ab",)))
    ab = plain.convert_tokens_to_ids("ab")
    assert ids == [bos, ab, ab]
