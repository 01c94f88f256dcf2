"""FiQA questions and an embedded hybrid search engine, as an Orchestra runner."""
