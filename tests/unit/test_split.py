"""Which photographs are held out."""

from hypothesis import given
from hypothesis import strategies as st

from elenco.recognition.split import split_of

PEOPLE = st.text(min_size=1, max_size=20)
KEYS = st.sets(st.text(min_size=1, max_size=20), min_size=1, max_size=30)
FRACTIONS = st.floats(0, 1)


@given(PEOPLE, KEYS, FRACTIONS)
def test_each_photograph_is_in_one_split_and_nobody_is_without_a_training_one(
    person, keys, fraction
):
    splits = split_of(person, keys, fraction)
    assert splits.keys() == keys
    assert set(splits.values()) <= {"train", "test"}
    assert "train" in splits.values()


@given(PEOPLE, KEYS, FRACTIONS, st.randoms())
def test_order_and_repetition_play_no_part(person, keys, fraction, random):
    shuffled = [*keys, *keys]
    random.shuffle(shuffled)
    assert split_of(person, shuffled, fraction) == split_of(person, keys, fraction)


@given(PEOPLE, KEYS, st.text(min_size=1, max_size=20), FRACTIONS)
def test_a_photograph_more_moves_at_most_one_other_and_only_into_the_test(
    person, keys, added, fraction
):
    before = split_of(person, keys, fraction)
    after = split_of(person, keys | {added}, fraction)
    moved = {key for key in keys if key != added and before[key] != after[key]}
    assert len(moved) <= 1
    assert all(after[key] == "test" for key in moved)


@given(PEOPLE, KEYS, st.lists(FRACTIONS, min_size=2, max_size=2).map(sorted))
def test_a_larger_fraction_only_adds_to_the_test(person, keys, fractions):
    small, large = (split_of(person, keys, fraction) for fraction in fractions)
    assert all(large[key] == "test" for key, split in small.items() if split == "test")


def test_the_share_is_what_was_asked_for():
    splits = [
        split
        for person in range(300)
        for split in split_of(str(person), map(str, range(20)), 0.2).values()
    ]
    assert 0.18 < splits.count("test") / len(splits) < 0.22


def test_no_photographs_make_an_empty_split():
    assert split_of("1", [], 0.5) == {}


def test_the_split_is_the_same_on_every_machine():
    """Stored photographs lie under these: a change would move them all."""
    splits = split_of("287", "abcdef", 0.4)
    assert "".join(key for key, split in splits.items() if split == "test") == "a"
