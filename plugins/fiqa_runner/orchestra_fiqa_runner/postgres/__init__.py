"""PostgreSQL with pgvector: load it, search it. The extra `pgvector` brings the client."""
