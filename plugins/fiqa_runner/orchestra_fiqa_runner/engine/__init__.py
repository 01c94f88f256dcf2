"""The embedded hybrid search engine: chunking, two kinds of index, fusion, diversity."""
