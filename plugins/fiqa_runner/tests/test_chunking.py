from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from orchestra_fiqa_runner.engine.chunking import (
    parse_chunking,
    split_document,
    split_sentences,
    windows,
)
from orchestra_fiqa_runner.engine.embedding import load_encoder

from orchestra_core.errors import ExperimentError

TEXT = st.text(alphabet=st.sampled_from("ab Z.!?\n\"')1 é…"), max_size=80)


def words(offsets_of):
    return [match.span() for match in re.finditer(r"\S+", offsets_of)]


@given(TEXT)
def test_sentences_keep_every_character_in_order(text):
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


def test_sentences_end_where_a_reader_ends_them():
    text = 'Ask Dr. Smith, e.g. today. "Really?" I did! J. Doe paid $3.50 to Acme Inc. Then'
    text += "\nnothing... more"
    assert split_sentences(text) == [
        "Ask Dr. Smith, e.g. today.",
        '"Really?"',
        "I did!",
        "J. Doe paid $3.50 to Acme Inc. Then",
        "nothing... more",
    ]


def test_a_piece_without_letters_joins_the_one_before():
    assert split_sentences("One thing. --- \n * \nAnother.") == ["One thing. --- *", "Another."]


def test_a_long_text_without_sentences_is_cut_in_linear_time():
    assert len(split_sentences("word. " * 20_000)) == 1


@given(st.text(alphabet="ab \n", max_size=200), st.integers(1, 9), st.data())
def test_windows_cover_all_tokens_and_overlap_as_told(text, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    chunks = windows(text, words(text), size, overlap)
    tokens, rebuilt = text.split(), []
    for number, chunk in enumerate(chunks):
        found = chunk.split()
        assert len(found) == size or number == len(chunks) - 1
        rebuilt += found if number == 0 else found[overlap:]
    assert rebuilt == tokens


def test_window_lengths_are_counted_in_the_model_s_tokens(fiqa):
    encoder = load_encoder()
    text = max(fiqa.corpus.values(), key=len)
    chunks = split_document(text, parse_chunking("win256_o64"), encoder.token_offsets)
    assert len(chunks) > 3
    assert all(200 <= encoder.count_tokens(chunk) <= 260 for chunk in chunks[:-1])
    assert text.startswith(chunks[0][:40])
    assert text.endswith(chunks[-1][-40:])


@pytest.mark.parametrize("chunking", ["para", "sent", "win4_o1"])
@pytest.mark.parametrize("text", ["", " ", "\n\n", "…", "\U0001f600"])
def test_odd_documents_have_a_chunk(text, chunking):
    chunks = split_document(text, parse_chunking(chunking), load_encoder().token_offsets)
    assert len(chunks) >= 1


@pytest.mark.parametrize("name", ["", "para ", "win0_o0", "win8_o8", "win8", "window", "win08_o1"])
def test_unknown_chunkings_are_refused(name):
    with pytest.raises(ExperimentError, match="not a chunking"):
        parse_chunking(name, "collections.x.chunking")
