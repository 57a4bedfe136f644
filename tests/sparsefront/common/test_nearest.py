import pytest

from sparsefront.common.nearest import nearest


@pytest.mark.parametrize("word", ["lr", "max_lr", "Compose"])
def test_a_word_is_not_suggested_in_its_own_place(word):
    assert nearest(word, [word, f"{word}s", "unlike"]) == [f"{word}s"]
    assert nearest(word, [word]) == []
    assert nearest(word.upper(), [word]) == [word]


def test_case_and_what_joins_words_make_no_difference():
    assert nearest("HALLE BERRY", ["Halle_Berry", "Hugh_Grant"]) == ["Halle_Berry"]
    assert nearest("conv-net", ["ConvNet", "MLP"]) == ["ConvNet"]
    assert nearest("grosse", ["Große"]) == ["Große"]


def test_names_that_differ_in_what_joins_their_words_are_all_suggested():
    assert nearest("topt", ["top_t", "TopT", "bits"]) == ["top_t", "TopT"]
    assert nearest("topt", ["top_t", "TopT", "bits"], n=1) == ["top_t"]


def test_letters_of_every_alphabet_count():
    assert nearest("Γιώργος", ["Γιωργος", "Μαρία"]) == ["Γιωργος"]


def test_the_likest_come_first_and_what_is_unlike_not_at_all():
    assert nearest("resnet181", ["vit_base", "resnet152", "resnet18"]) == ["resnet18", "resnet152"]
    assert nearest("resnet18", []) == []
