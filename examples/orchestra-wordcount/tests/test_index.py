from orchestra_wordcount.index import Index

CORPUS = {
    "bread": "bread bread bread and the salt",
    "salt": "salt of the sea",
    "sea": "the sea and the sea and the sea",
}


def search(question: str, weighting: str, damping: float = 1.0, top_k: int = 10) -> list[str]:
    index = Index(CORPUS, stop_words=("the", "and", "of"))
    return index.search(question, weighting=weighting, damping=damping, top_k=top_k)


def test_presence_counts_a_word_once():
    assert search("Salt, sea!", "presence") == ["salt", "bread", "sea"]


def test_count_rewards_repetition():
    assert search("salt sea", "count") == ["sea", "salt", "bread"]


def test_damping_0_is_presence():
    assert search("salt sea", "count", damping=0.0) == search("salt sea", "presence")


def test_tfidf_prefers_rare_words():
    assert search("bread salt", "tfidf")[0] == "bread"


def test_top_k_cuts():
    assert search("salt sea", "presence", top_k=1) == ["salt"]


def test_stop_words_find_nothing():
    assert search("the and of", "count") == []
