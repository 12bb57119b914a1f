"""Token ids of prompts and continuations, on byte-level tokenizers made here."""

import pytest

from benchkit.errors import ConfigError
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


class Counting:
    """A tokenizer that counts what it encodes."""

    def __init__(self, tokenizer):
        self.tokenizer, self.encoded = tokenizer, []

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)

    def __len__(self):
        return len(self.tokenizer)

    def encode(self, text, **settings):
        self.encoded.append(text)
        return self.tokenizer.encode(text, **settings)


def test_a_title_is_encoded_once_and_a_prompt_that_was_counted_not_again(plain):
    counting = Counting(plain)
    first = tokenization.text_ids(counting, "ab")
    first.append(-1)  # what is returned belongs to the caller
    assert tokenization.text_ids(counting, "ab") == plain.encode("ab")
    prompt = "hello " * 100
    counted = tokenization.text_ids(counting, prompt)
    ids = tokenization.prompt_ids(counting, Prompt("p", (Message("user", prompt),)))
    assert ids == counted == plain.encode(prompt)
    assert counting.encoded.count("ab") == 1
    assert counting.encoded.count(prompt) == 2  # bare, and once with what opens a text


def test_a_tokenizer_that_learns_a_token_forgets_how_texts_were_cut(plain):
    before = tokenization.text_ids(plain, "hello hello")
    plain.add_tokens(["hello"])
    after = tokenization.text_ids(plain, "hello hello")
    assert after == plain.encode("hello hello", add_special_tokens=False) != before


def test_remembered_texts_are_bounded(plain, monkeypatch):
    monkeypatch.setattr(tokenization, "_MOST_REMEMBERED", 3)
    for text in ("a", "b", "ab", "a b", "b a"):
        assert tokenization.text_ids(plain, text) == plain.encode(text, add_special_tokens=False)
    assert len(tokenization._known_texts[plain].short) <= 3


@pytest.mark.parametrize("unknown", [None, "<s>"])
def test_what_opens_a_prompt_is_kept_by_any_vocabulary(unknown):
    """Also by one that cannot spell a letter, or spells it like what opens a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = {"<s>": 0, "hello": 1, "world": 2}
    options = {} if unknown is None else {"unk_token": unknown}
    backend = Tokenizer(models.WordLevel(words, **options))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    small = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>")
    prompt = Prompt("p", (Message("user", "hello world"),))
    assert tokenization.prompt_ids(small, prompt) == [0, 1, 2]


REFUSES = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    "{% endfor %}"
)
ALTERNATES = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/...') }}{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
)
LEAVES_OUT = (
    "{% for m in messages %}{% if m.role == 'user' %}<|im_start|>user\n{{ m.content }}<|im_end|>\n"
    "{% endif %}{% endfor %}"
)


@pytest.mark.parametrize("template", [REFUSES, ALTERNATES, LEAVES_OUT])
def test_without_a_system_role_its_text_goes_before_the_users(chat, template):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    assert not tokenization.has_system_role(tokenizer)
    ids = tokenization.prompt_ids(tokenizer, Prompt("p", HELLO))
    assert tokenizer.decode(ids) == "<|im_start|>user\nbe brief\n\nhello<|im_end|>\n"
    assert tokenization.has_system_role(chat)


def test_a_template_that_takes_no_conversation_is_named():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('only tools') }}"
    with pytest.raises(ConfigError, match="does not take a conversation of user: only tools"):
        tokenization.prompt_ids(tokenizer, Prompt("p", HELLO))
    with pytest.raises(ConfigError, match="does not take a conversation of user, assistant"):
        tokenization.end_of_turn(tokenizer)
