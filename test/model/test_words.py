"""Sentences as one id a word."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from gear_vla_ros.contracts.naming import COLOURS, KINDS
from gear_vla_ros.model.words import BYTES, SPECIAL, word_ids
from gear_vla_ros.settings.model import load_model_spec
from gear_vla_ros.sim.wordings import HELD_OUT, TRAINING

VOCABULARY = load_model_spec("demo").language.vocabulary


@given(st.text())
def test_any_text_has_ids_of_the_vocabulary(text):
    assert all(0 <= one < BYTES or BYTES + SPECIAL <= one < VOCABULARY for one in word_ids(text, VOCABULARY))


def test_case_and_spaces_do_not_matter_and_digits_are_bytes():
    assert word_ids("Pick  up\n7", VOCABULARY) == [*word_ids("pick up", VOCABULARY), ord("7")]


def test_no_two_words_of_the_tasks_share_an_id():
    sentences = [one for task in (*TRAINING.values(), *HELD_OUT.values()) for one in task]
    words = {word for sentence in sentences for word in sentence.split() if "{" not in word} | {
        *COLOURS,
        *KINDS,
        "bowl",
    }
    clashes = [
        pair for pair in itertools.combinations(sorted(words), 2)
        if word_ids(pair[0], VOCABULARY) == word_ids(pair[1], VOCABULARY)
    ]  # fmt: skip
    assert [pair for pair in clashes if {*pair} & {*COLOURS, *KINDS, "bowl"}] == []
    assert len(clashes) <= 3, clashes
