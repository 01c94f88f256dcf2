"""Locust's default HttpUser, which asks again as soon as it is answered."""

import os

from locust import HttpUser, task

os.sched_setaffinity(0, {int(os.environ["PLAIN_CORE"])})
QUESTION = {"question": "How do I save taxes?", "top_k": 10, "collection": "fiqa_para", "alpha": 0.5}


class Asking(HttpUser):
    @task
    def ask(self) -> None:
        self.client.post("/api/query", json=QUESTION).json()
